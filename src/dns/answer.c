// SPDX-License-Identifier: Apache-2.0
/*
 * Answers on their way to the guest: steps 8 and 9 of proxy.h, denials, and the event of each.
 *
 * Whatever its source, an answer from outside is filtered and its CNAME chain judged each time that
 * it is used: rules, the host's own addresses and what is in the cache change independently.
 */
#include <stdio.h>

#include "conf/config.h"
#include "dns/filter.h"
#include "dns/proxy.h"
#include "dns/restore.h"
#include "observe/events.h"
#include "policy/bindings.h"
#include "tls/ech.h"

#define GUEST_MSG_MAX 65000 /* bytes of a datagram to the guest: what IPv6 and UDP leave */
#define TTL           64

/* ---- out ---- */

static void send_message(struct dns_proxy *d, const struct dns_asker *who, struct view msg)
{
	if (who->tcp)
		dns_tcp_answer(who->tcp, msg);
	else
		udp_output(&d->sb->stack, &who->at, DNS_PORT, &who->from, who->port, TTL, 0, msg.p,
			   msg.len);
}

/* What an event says of an answer, beside the question. */
struct told {
	const char *from; /* "hit", "miss", "local" */
	const struct ipaddr *addrs;
	size_t addr_n;
	const struct policy_verdict *verdict;
};

static void tell(struct dns_proxy *d, const struct dns_ask *ask, struct view msg,
		 const struct told *t)
{
	char name[DNS_NAME_STRLEN], type[12], rcode[12];
	struct event ev;
	struct dns_header h;
	if (!d->sb->events || !dns_header_read(msg, &h))
		return;
	ev = event_make(EVENT_DNS);
	ev.dir = POLICY_EGRESS;
	ev.proto = ask->who.tcp ? "tcp" : "udp";
	ev.src = ask->who.from;
	ev.sport = ask->who.port;
	ev.dst = ask->who.at;
	ev.dport = DNS_PORT;
	ev.name = ask->has_name ? ask->name.s : dns_name_str(&ask->q.q.name, name);
	ev.qtype = dns_type_str(ask->q.q.type, type);
	ev.rcode = dns_rcode_str(h.flags & DNS_RCODE, rcode);
	ev.answers = t->addrs;
	ev.answer_count = t->addr_n;
	ev.cache = t->from;
	ev.verdict = t->verdict;
	ev.duration_us = (int64_t)(clock_now_us() - ask->start_us);
	events_emit(d->sb->events, &ev);
}

static void answer_as_told(struct dns_proxy *d, const struct dns_ask *ask, struct view msg,
			   const struct told *t)
{
	d->sb->cnt.dns_answers++;
	send_message(d, &ask->who, msg);
	tell(d, ask, msg, t);
}

void dns_answer_bare(struct dns_proxy *d, const struct dns_asker *who, const struct dns_header *h,
		     enum dns_rcode rcode)
{
	uint8_t buf[DNS_MADE_MAX];
	send_message(d, who, view_make(buf, dns_make_bare_error(h, rcode, buf)));
}

void dns_answer_fail(struct dns_proxy *d, const struct dns_ask *ask, enum dns_ede ede,
		     const char *text)
{
	uint8_t buf[DNS_MADE_MAX];
	struct view msg = view_make(buf, dns_make_denial(&ask->q, DNS_SERVFAIL, ede, text, buf));
	d->sb->cnt.dns_failures++;
	send_message(d, &ask->who, msg);
	tell(d, ask, msg, &(struct told){0});
}

/* `why`: the rule, or what else is the matter. */
static void deny(struct dns_proxy *d, const struct dns_ask *ask, enum dns_rcode rcode,
		 enum dns_ede ede, const struct policy_verdict *v, const char *why)
{
	uint8_t buf[DNS_MADE_MAX];
	char text[EDE_TEXT_MAX + 1];
	snprintf(text, sizeof(text), "%s: %s", policy_reason_name(v->reason), why);
	struct view msg = view_make(buf, dns_make_denial(&ask->q, rcode, ede, text, buf));
	answer_as_told(d, ask, msg, &(struct told){.verdict = v});
}

void dns_answer_denied(struct dns_proxy *d, const struct dns_ask *ask,
		       const struct policy_verdict *v)
{
	deny(d, ask, d->deny_refused ? DNS_REFUSED : DNS_NXDOMAIN, DNS_EDE_BLOCKED, v,
	     v->rule_text);
}

void dns_answer_refused(struct dns_proxy *d, const struct dns_ask *ask, enum policy_reason reason,
			const char *why)
{
	char name[DNS_NAME_STRLEN];
	struct flow_question fq = dns_ask_question(ask, name);
	struct policy_verdict v = {POLICY_DENY, reason, -1, NULL, false};
	flow_refuse_question(d->sb, &fq, &v);
	/* An address that names may not have is blocked by weir; a budget is the owner's filter. */
	if (reason == REASON_REBIND)
		deny(d, ask, DNS_NXDOMAIN, DNS_EDE_BLOCKED, &v, why);
	else
		deny(d, ask, DNS_REFUSED, DNS_EDE_FILTERED, &v, why);
}

/* ---- the filter's question ---- */

static bool is_host(const struct sandbox *sb, const struct ipaddr *a)
{
	struct ipaddr inner;
	return policy_env_has(&sb->env, a) ||
	       (policy_embedded_v4(a, &inner) && policy_env_has(&sb->env, &inner));
}

/* Rebind protection: may a name have this address? */
static bool address_ok(void *arg, const struct ipaddr *a)
{
	const struct dns_proxy *d = arg;
	if (!d->rebind_protection || (!dns_rebind_range(a) && !is_host(d->sb, a)))
		return true;
	for (size_t i = 0; i < d->rebind_allow_n; i++)
		if (ipaddr_in_prefix(a, &d->rebind_allow[i].net, d->rebind_allow[i].bits))
			return true;
	return policy_address_is_named(d->sb->policy, &d->sb->env, a);
}

/* ---- step 8: the CNAME chain ---- */

/* A name behind the question's may be one that a rule denies. True where it was answered so. */
static bool chain_denied(struct dns_proxy *d, const struct dns_ask *ask,
			 const struct dns_answer_facts *facts)
{
	for (size_t i = 1; i < facts->chain_n; i++) {
		char text[DNS_NAME_STRLEN];
		struct name name;
		struct flow_question fq = dns_ask_question(ask, text);
		if (!dns_name_text(&facts->chain[i], &name))
			continue; /* no rule for names can be about it */
		fq.name = &name;
		fq.text = name.s;
		fq.of_chain = true;
		struct policy_verdict v = flow_admit_question(d->sb, &fq);
		if (v.answer == POLICY_ALLOW)
			continue;
		dns_answer_denied(d, ask, &v);
		return true;
	}
	return false;
}

/* ---- step 9: bindings ---- */

static void bind_family(struct dns_proxy *d, const struct dns_ask *ask, const struct ipaddr *found,
			size_t found_n, uint32_t ttl_s, uint8_t family)
{
	struct ipaddr addrs[FILTER_ADDRS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < found_n && n < FILTER_ADDRS_MAX; i++)
		if (found[i].family == family)
			addrs[n++] = found[i];
	bindings_put(d->sb->bindings, &ask->name, family, addrs, n, ttl_s, d->sb->loop->now_us);
}

/* A name that is not there loses what was bound, and so does a family of which it has nothing. */
static void bind_names(struct dns_proxy *d, const struct dns_ask *ask, unsigned rcode,
		       const struct ipaddr *found, size_t found_n, uint32_t ttl_s)
{
	uint16_t type = ask->q.q.type;
	if (!d->sb->bindings || !ask->has_name || ask->q.q.class != DNS_IN)
		return;
	if (rcode == DNS_NXDOMAIN || (rcode == DNS_NOERROR && type == DNS_A))
		bind_family(d, ask, found, found_n, ttl_s, 4);
	if (rcode == DNS_NXDOMAIN || (rcode == DNS_NOERROR && type == DNS_AAAA))
		bind_family(d, ask, found, found_n, ttl_s, 6);
}

/* A hello that shows one of these names has its real one hidden. */
static void learn_ech(struct dns_proxy *d, const struct dns_answer_facts *facts)
{
	struct name names[ECH_CONFIGS_MAX];
	int n = facts->ech.len && d->sb->ech ? ech_config_public_names(facts->ech, names) : 0;

	for (int i = 0; i < n; i++)
		ech_names_add(d->sb->ech, &names[i]);
}

/* ---- all of it ---- */

static void answer_rebind(struct dns_proxy *d, const struct dns_ask *ask, const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];
	dns_answer_refused(d, ask, REASON_REBIND, ipaddr_str(a, text));
}

void dns_answer(struct dns_proxy *d, const struct dns_ask *ask, struct view answer,
		const char *from)
{
	uint8_t msg[DNS_MSG_MAX];
	struct dns_answer_facts facts;
	struct dns_filter_rules rules = {address_ok, d, d->strip_ech};
	if (answer.len > sizeof(msg))
		return;
	memcpy(msg, answer.p, answer.len);
	enum dns_filter_result r = dns_filter(msg, answer.len, &ask->q.q, &rules, &facts);
	if (r == FILTER_REBIND) {
		answer_rebind(d, ask, &facts.culprit);
		return;
	}
	if (r == FILTER_MALFORMED) {
		dns_answer_fail(d, ask, DNS_EDE_NONE, NULL);
		return;
	}
	if (chain_denied(d, ask, &facts))
		return;
	size_t max = ask->who.tcp ? DNS_MSG_MAX : ask->q.edns_size;
	if (!ask->who.tcp && max > GUEST_MSG_MAX)
		max = GUEST_MSG_MAX;
	size_t len = dns_restore(&ask->q, msg, facts.len, sizeof(msg), max);
	if (len == 0) {
		dns_answer_fail(d, ask, DNS_EDE_NONE, NULL);
		return;
	}
	learn_ech(d, &facts);
	bind_names(d, ask, get_be16(msg + 2) & DNS_RCODE, facts.addrs, facts.addr_n, facts.ttl_s);
	answer_as_told(d, ask, view_make(msg, len),
		       &(struct told){from, facts.addrs, facts.addr_n, NULL});
}

void dns_answer_own(struct dns_proxy *d, const struct dns_ask *ask, const struct dns_own *own)
{
	uint8_t buf[DNS_MADE_MAX];
	size_t len = dns_make_own(&ask->q, own, buf);
	bind_names(d, ask, own->rcode, own->addrs, own->addr_n, OWN_TTL_S);
	answer_as_told(d, ask, view_make(buf, len),
		       &(struct told){"local", own->addrs, own->addr_n, NULL});
}
