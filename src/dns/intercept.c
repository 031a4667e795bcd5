// SPDX-License-Identifier: Apache-2.0
/*
 * A question of the guest's, from its bytes to an answer or to the resolvers: steps 1 to 5 of
 * proxy.h, each a function that is true where it has answered.
 */
#include "dns/proxy.h"

struct flow_question dns_ask_question(const struct dns_ask *ask, char text[DNS_NAME_STRLEN])
{
	return (struct flow_question){
		.name = ask->has_name ? &ask->name : NULL,
		.text = ask->has_name ? ask->name.s : dns_name_str(&ask->q.q.name, text),
		.proto = ask->who.tcp ? POLICY_TCP : POLICY_UDP,
		.port = DNS_PORT,
		.at = ask->who.at,
		.guest = ask->who.from,
		.guest_port = ask->who.port,
	};
}

/* ---- step 1 ---- */

/* What is no DNS query: counted, and answered where there is an ID to answer to. False where it is
 * dropped. */
static bool refuse_bytes(struct dns_proxy *d, const struct dns_asker *who,
			 const struct dns_query_view *q, int rcode)
{
	struct policy_facts f = {
		.dir = POLICY_EGRESS,
		.proto = who->tcp ? POLICY_TCP : POLICY_UDP,
		.remote = who->at,
		.port = DNS_PORT,
	};
	static const struct policy_verdict not_dns = {POLICY_DENY, REASON_ALT_DNS, -1, NULL, false};
	d->sb->cnt.dns_failures++;
	if (rcode != DNS_NOTIMP)
		flow_note_refusal(d->sb, &f, &who->from, who->port, 0, &not_dns);
	/* Two servers must not answer each other's answers for ever. */
	bool loops = (q->h.flags & DNS_QR) && !who->tcp && who->port == DNS_PORT;
	if (rcode < 0 || loops) {
		stack_drop(&d->sb->stack, DROP_BAD_HEADER);
		return false;
	}
	dns_answer_bare(d, who, &q->h, (enum dns_rcode)rcode);
	return true;
}

/* A whole query with one question. *ret_rcode: how to answer what is none. */
static bool read_query(struct view msg, struct dns_query_view *q, int *ret_rcode)
{
	if (!dns_query_read(msg, q, ret_rcode))
		return false;
	*ret_rcode = DNS_FORMERR;
	if (q->end > DNS_QUERY_MAX)
		return false;
	/* A zone transfer is an answer of many messages, which no resolver gives to a client. */
	*ret_rcode = DNS_NOTIMP;
	return q->q.type != DNS_AXFR && q->q.type != DNS_IXFR;
}

/* ---- step 2 ---- */

/* So many questions a second: a bucket that leaks evenly and holds a second's worth. */
static bool over_rate(struct dns_proxy *d, const struct dns_ask *ask)
{
	uint64_t now = d->sb->loop->now_us;
	if (!d->rate_gap_us)
		return false;
	if (d->rate_at_us < now)
		d->rate_at_us = now;
	if (d->rate_at_us - now > d->rate_burst_us) {
		dns_answer_refused(d, ask, REASON_DNS_BUDGET, "questions a second");
		return true;
	}
	d->rate_at_us += d->rate_gap_us;
	return false;
}

static bool denied(struct dns_proxy *d, const struct dns_ask *ask)
{
	char text[DNS_NAME_STRLEN];
	struct flow_question fq = dns_ask_question(ask, text);
	struct policy_verdict v = flow_admit_question(d->sb, &fq);
	if (v.answer == POLICY_ALLOW)
		return false;
	dns_answer_denied(d, ask, &v);
	return true;
}

/* ---- steps 3 and 4 ---- */

static bool answered_here(struct dns_proxy *d, const struct dns_ask *ask)
{
	struct dns_own own;
	if (!dns_local_find(d->local, &ask->q.q, &own))
		return false;
	dns_answer_own(d, ask, &own);
	return true;
}

/* ---- step 5 ---- */

static bool cached(struct dns_proxy *d, const struct dns_ask *ask)
{
	uint8_t msg[CACHE_MESSAGE_MAX];
	bool prefetch = false;
	if (!d->cache || !(ask->q.h.flags & DNS_RD) || ask->q.edns_special)
		return false;
	size_t len =
		dns_cache_get(d->cache, &ask->q, d->sb->loop->now_us, msg, sizeof(msg), &prefetch);
	if (!len)
		return false;
	dns_answer(d, ask, view_make(msg, len), "hit");
	if (prefetch)
		dns_query_prefetch(d, ask);
	return true;
}

/* ---- step 6: what leaves ---- */

static bool over_budget(struct dns_proxy *d, const struct dns_ask *ask)
{
	if (!d->budget || dns_budget_take(d->budget, &ask->q.q.name, d->sb->loop->now_us))
		return false;
	dns_answer_refused(d, ask, REASON_DNS_BUDGET, "questions under one domain");
	return true;
}

static struct policy_facts resolver_facts(const struct dns_ask *ask, enum policy_proto proto)
{
	return (struct policy_facts){
		.dir = POLICY_EGRESS,
		.proto = proto,
		.remote = ask->who.at,
		.port = DNS_PORT,
		.seen = POLICY_NAME_NONE,
	};
}

/* To the resolver that the guest chose, where the policy lets it be asked. */
static void ask_chosen(struct dns_proxy *d, const struct dns_ask *ask, struct view msg)
{
	enum policy_proto proto = ask->who.tcp ? POLICY_TCP : POLICY_UDP;
	struct policy_facts f = resolver_facts(ask, proto);
	struct admission adm = flow_admit(d->sb, &f, &ask->who.from, ask->who.port);
	if (adm.verdict.answer != POLICY_ALLOW) {
		dns_answer_denied(d, ask, &adm.verdict);
		return;
	}
	struct dns_server *server = dns_resolvers_choose(d, &adm.dial, DNS_PORT);
	if (!server) {
		dns_answer_fail(d, ask, DNS_EDE_NONE, "too many resolvers at a time");
		return;
	}
	struct policy_facts tcp = resolver_facts(ask, POLICY_TCP);
	bool tcp_ok = proto == POLICY_TCP || flow_decide(d->sb, &tcp).answer == POLICY_ALLOW;
	dns_query_start(d, ask, msg, server, tcp_ok);
}

/* ---- the way through ---- */

bool dns_intercept(struct dns_proxy *d, const struct dns_asker *who, struct view msg)
{
	struct dns_ask ask;
	int rcode;
	d->sb->cnt.dns_queries++;
	if (!read_query(msg, &ask.q, &rcode))
		return refuse_bytes(d, who, &ask.q, rcode);
	ask.who = *who;
	ask.start_us = d->sb->loop->now_us;
	ask.has_name = dns_name_text(&ask.q.q.name, &ask.name);

	/* Names that mean something on the host's networks alone are nothing to ask elsewhere. */
	bool chosen = d->honor && !stack_is_gateway(&d->sb->stack, &who->at) &&
		      !dns_local_is_special(d->local, &ask.q.q.name);
	if (dns_resolvers_refresh(d) && d->cache)
		dns_cache_clear(d->cache);
	if (over_rate(d, &ask) || denied(d, &ask) || answered_here(d, &ask))
		return true;
	/* What another resolver said is no answer of the one that was asked. */
	if (!chosen && cached(d, &ask))
		return true;
	if (over_budget(d, &ask))
		return true;
	if (chosen)
		ask_chosen(d, &ask, msg);
	else
		dns_query_start(d, &ask, msg, NULL, false);
	return true;
}
