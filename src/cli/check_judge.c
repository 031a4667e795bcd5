// SPDX-License-Identifier: Apache-2.0
/*
 * What would happen to an honest program that asks for a target.
 *
 * The policy is asked what the gateway would ask it, in the same order: the DNS question; then the
 * first packet; then, where the answer depends on names, the first bytes, which show the name in
 * TLS and QUIC (port 443) and in HTTP (port 80) and none elsewhere. The first refusal is the
 * answer.
 *
 * Of several addresses the strictest answer counts, because it cannot be known which of them a
 * program takes. Where none is known an address of each family stands in for them, from the
 * networks for documentation, which belong to the group `public`.
 */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "conf/derive.h"
#include "dns/filter.h"
#include "dns/local.h"
#include "host/addrs.h"

#define DNS_PORT   53
#define DOT_PORT   853
#define HTTP_PORT  80
#define HTTPS_PORT 443
#define ADDRS_MAX  CONFIG_LIST_MAX /* of one name; a resolver's further ones are not judged */

struct addrs {
	struct ipaddr v[ADDRS_MAX];
	size_t n;
	enum check_source source;
	int fault;  /* of getaddrinfo(): why the addresses are stand-ins */
	bool empty; /* weir answers itself that the name has no address */
};

/* ---- the environment ------------------------------------------------------------------------- */

int check_env_init(struct check_env *e, const struct config *c, struct error *err)
{
	/* What a family would be like, be there a route now or not. */
	static const struct derive_routes routes = {.v4 = true, .v6 = true};
	struct policy_source src = config_policy_source(c);
	struct stack_config sc;

	*e = (struct check_env){.conf = c};
	if (derive_stack_config(c, &routes, &sc, err) < 0)
		return -1;
	if (sc.has_v4)
		e->env.gw4 = sc.gw4;
	if (sc.has_v6) {
		e->env.gw6 = sc.gw6;
		e->gw6_ll = sc.gw6_ll;
	}
	e->host_addrs = host_addrs_new(NULL,
				       (struct host_addrs_ret){&e->env.host, &e->env.host_count,
							       &e->env.nets, &e->env.net_count},
				       err);
	if (!e->host_addrs)
		return -1;
	e->local = dns_local_new(&e->env.gw4, &e->env.gw6);
	if (!e->local || !dns_local_configure(e->local, c))
		return error_set(err, "out of memory");
	e->policy = policy_new(&src, err);
	return e->policy ? 0 : -1;
}

void check_env_done(struct check_env *e)
{
	policy_free(e->policy);
	dns_local_free(e->local);
	host_addrs_free(e->host_addrs);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool has_family(const struct check_env *e, uint8_t family)
{
	return family == 4 ? !e->conf->no_ipv4 : !e->conf->no_ipv6;
}

static void add(const struct check_env *e, struct addrs *a, const struct ipaddr *addr)
{
	if (a->n < ADDRS_MAX && has_family(e, addr->family))
		a->v[a->n++] = *addr;
}

static void add_stand_ins(const struct check_env *e, struct addrs *a)
{
	const struct ipaddr v4 = ipaddr_v4((const uint8_t[4]){203, 0, 113, 254});
	struct ipaddr v6 = {.family = 6, .b = {0x20, 0x01, 0x0d, 0xb8}};

	memset(v6.b + 4, 0xff, 12);
	v6.b[15] = 0xfe;
	a->source = CHECK_STAND_IN;
	add(e, a, &v4);
	add(e, a, &v6);
}

static void resolve(const struct check_env *e, const char *name, struct addrs *a)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	a->source = CHECK_RESOLVED;
	a->fault = getaddrinfo(name, NULL, &hints, &list);
	for (const struct addrinfo *i = a->fault ? NULL : list; i; i = i->ai_next) {
		struct ipaddr addr;
		uint16_t port;

		if (ipaddr_from_sockaddr(i->ai_addr, &addr, &port))
			add(e, a, &addr);
	}
	if (list)
		freeaddrinfo(list);
}

/* True where the name is one that weir answers itself; that may be with nothing. */
static bool find_own(const struct check_env *e, const struct name *name, struct addrs *a)
{
	static const struct {
		uint8_t family;
		uint16_t type;
	} asked[] = {{4, DNS_A}, {6, DNS_AAAA}};
	bool own = false;

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct dns_question q = {.type = asked[i].type, .class = DNS_IN};
		struct dns_own answer;

		dns_name_of(name, &q.name);
		if (!has_family(e, asked[i].family) || !dns_local_find(e->local, &q, &answer))
			continue;
		own = true;
		for (size_t k = 0; k < answer.addr_n; k++)
			if (answer.addrs[k].family == asked[i].family)
				add(e, a, &answer.addrs[k]);
	}
	return own;
}

static void find_addrs(const struct check_env *e, const struct check_target *t, struct addrs *a)
{
	const struct config *c = e->conf;

	*a = (struct addrs){.source = CHECK_OWN};
	if (find_own(e, &t->name, a)) {
		a->empty = a->n == 0;
		return;
	}
	a->source = CHECK_GIVEN;
	for (size_t i = 0; i < c->check_addr_count; i++)
		add(e, a, &c->check_addrs[i]);
	if (c->check_resolve)
		resolve(e, t->name.s, a);
	if (a->n == 0)
		add_stand_ins(e, a);
}

/* ---- one question after the other ------------------------------------------------------------ */

static bool is_denied(const struct check_result *r)
{
	return r->verdict.answer == POLICY_DENY;
}

static enum check_sight dns_sight(const struct check_env *e)
{
	return e->conf->dns_deny_refused ? CHECK_SEES_REFUSED : CHECK_SEES_NXDOMAIN;
}

static void judge_question(const struct check_env *e, const struct check_target *t,
			   struct check_result *r)
{
	r->stage = CHECK_STAGE_DNS;
	r->verdict = policy_decide_question(e->policy, &e->env, &t->name, POLICY_UDP, DNS_PORT);
	if (is_denied(r))
		r->sight = dns_sight(e);
}

static bool is_host(const struct policy_env *env, const struct ipaddr *a)
{
	struct ipaddr inner;

	return policy_env_has(env, a) ||
	       (policy_embedded_v4(a, &inner) && policy_env_has(env, &inner));
}

/* Whether rebind protection lets an answer with this address through. */
static bool may_be_named(const struct check_env *e, const struct ipaddr *a)
{
	const struct config *c = e->conf;

	if (!c->dns_rebind_protection || (!dns_rebind_range(a) && !is_host(&e->env, a)))
		return true;
	for (size_t i = 0; i < c->dns_rebind_allow_count; i++)
		if (ipaddr_in_prefix(a, &c->dns_rebind_allow[i].net, c->dns_rebind_allow[i].bits))
			return true;
	return policy_address_is_named(e->policy, &e->env, a);
}

/* One address that names may not have spoils the whole answer. */
static void judge_answer(const struct check_env *e, const struct addrs *a, struct check_result *r)
{
	char addr[IPADDR_STRLEN];

	if (a->source != CHECK_GIVEN && a->source != CHECK_RESOLVED)
		return;
	for (size_t i = 0; i < a->n; i++) {
		if (may_be_named(e, &a->v[i]))
			continue;
		r->verdict =
			(struct policy_verdict){POLICY_DENY, REASON_REBIND, -1, "built in", false};
		r->sight = CHECK_SEES_NXDOMAIN;
		r->addr = a->v[i];
		r->source = a->source;
		snprintf(r->note, sizeof(r->note),
			 "the answer holds %s, which a name may not have (--dns-rebind-allow)",
			 ipaddr_str(&a->v[i], addr));
		return;
	}
}

static enum policy_proto proto_of(enum check_kind k, const struct ipaddr *a)
{
	if (k == CHECK_ICMP)
		return a->family == 4 ? POLICY_ICMPV4 : POLICY_ICMPV6;
	return k == CHECK_UDP ? POLICY_UDP : POLICY_TCP;
}

/* Whether the first bytes are TLS, QUIC or HTTP, and so show a name where there is one. */
static bool is_tls(const struct check_target *t)
{
	return t->kind == CHECK_HTTPS || (t->kind != CHECK_HTTP && t->port == HTTPS_PORT);
}

static bool is_http(const struct check_target *t)
{
	return t->kind == CHECK_HTTP || (t->kind == CHECK_TCP && t->port == HTTP_PORT);
}

/* DNS to a resolver of the program's own choice, which weir takes part in. */
static bool is_chosen_resolver(const struct check_env *e, const struct policy_facts *f)
{
	return f->port == DNS_PORT && !ipaddr_eq(&f->remote, &e->env.gw4) &&
	       !ipaddr_eq(&f->remote, &e->env.gw6);
}

static enum check_sight refusal_of_first_packet(const struct check_env *e,
						const struct policy_facts *f,
						enum policy_reason why)
{
	if (is_chosen_resolver(e, f))
		return dns_sight(e);
	if (f->proto == POLICY_TCP)
		return e->conf->deny_icmp ? CHECK_SEES_ICMP_RST : CHECK_SEES_RST;
	return why == REASON_ALT_DNS ? CHECK_SEES_ICMP_PORT : CHECK_SEES_ICMP_PROHIBITED;
}

static enum check_sight refusal_of_first_bytes(const struct check_target *t)
{
	if (t->kind == CHECK_UDP)
		return CHECK_SEES_ICMP_PROHIBITED;
	return is_tls(t) ? CHECK_SEES_TLS_ALERT : is_http(t) ? CHECK_SEES_HTTP_403 : CHECK_SEES_RST;
}

static void judge_connection(const struct check_env *e, const struct check_target *t,
			     const struct ipaddr *a, struct check_result *r)
{
	const struct name *bound = t->name.len ? &t->name : NULL;
	bool gateway_ll = e->gw6_ll.family && ipaddr_eq(a, &e->gw6_ll);
	struct policy_facts f = {
		.dir = POLICY_EGRESS,
		.proto = proto_of(t->kind, a),
		.remote = gateway_ll ? e->env.gw6 : *a,
		.port = t->port,
		.seen = POLICY_NAME_UNSEEN,
		.bound = &bound,
		.bound_count = bound ? 1 : 0,
	};

	/* Where TLS can be looked into, DNS over it is DNS. */
	if (f.proto == POLICY_TCP && f.port == DOT_PORT && config_intercepts(e->conf))
		f.port = DNS_PORT;
	r->stage = CHECK_STAGE_CONNECT;
	r->addr = *a;
	r->verdict = policy_decide(e->policy, &e->env, &f);
	if (is_chosen_resolver(e, &f) && e->conf->dns_target == CONFIG_DNS_GATEWAY)
		r->verdict = (struct policy_verdict){POLICY_ALLOW, REASON_NONE, -1, "built in",
						     false}; /* the question never leaves for it */
	if (is_denied(r)) {
		r->sight = refusal_of_first_packet(e, &f, r->verdict.reason);
		return;
	}
	/* Final where no rule for names had a say. */
	if (r->verdict.answer == POLICY_ALLOW && !r->verdict.by_name)
		return;
	r->stage = CHECK_STAGE_NAME;
	f.name = bound;
	f.seen = !is_tls(t) && !is_http(t) ? POLICY_NAME_NONE
		 : bound                   ? POLICY_NAME_SEEN
					   : POLICY_NAME_ABSENT;
	r->verdict = policy_decide(e->policy, &e->env, &f);
	if (is_denied(r))
		r->sight = refusal_of_first_bytes(t);
}

/* HTTP/3 would go past what is looked into; clients fall back. */
static bool is_refused_quic(const struct check_env *e, const struct check_target *t)
{
	const struct config_tls *c = &e->conf->tls;

	if (t->kind != CHECK_UDP || !c->enabled || !c->block_quic)
		return false;
	for (size_t i = 0; i < c->port_count; i++) {
		if (c->ports[i] == t->port)
			return true;
	}
	return false;
}

static void judge_address(const struct check_env *e, const struct check_target *t,
			  const struct ipaddr *a, struct check_result *r)
{
	judge_connection(e, t, a, r);
	if (is_denied(r))
		return;
	if (is_refused_quic(e, t)) {
		r->verdict =
			(struct policy_verdict){POLICY_DENY, REASON_QUIC, -1, "built in", false};
		r->stage = CHECK_STAGE_CONNECT;
		r->sight = CHECK_SEES_ICMP_PROHIBITED;
		return;
	}
	check_look(e, t, r);
	check_request(e, t, r);
}

/* ---- the strictest of them ------------------------------------------------------------------- */

static void note_others(struct check_result *r, const struct ipaddr *allowed)
{
	char addr[IPADDR_STRLEN];

	snprintf(r->note, sizeof(r->note), "its address %s is allowed", ipaddr_str(allowed, addr));
}

static void judge_all(const struct check_env *e, const struct check_target *t,
		      const struct addrs *a, struct check_result *r)
{
	struct check_result one = {.source = a->source};
	const struct ipaddr *allowed = NULL;
	bool decided = false;

	for (size_t i = 0; i < a->n; i++) {
		judge_address(e, t, &a->v[i], &one);
		if (!is_denied(&one) && !allowed)
			allowed = &a->v[i];
		if (!decided || (is_denied(&one) && !is_denied(r))) {
			*r = one;
			decided = true;
		}
		one = (struct check_result){.source = a->source};
	}
	if (is_denied(r) && allowed)
		note_others(r, allowed);
}

/* What a verdict alone would not tell. */
static void note_more(const struct check_env *e, const struct check_target *t,
		      const struct addrs *a, struct check_result *r)
{
	char *note = r->note;
	size_t size = sizeof(r->note);

	if (*note)
		return;
	if (a->empty)
		snprintf(note, size, "weir answers itself that this name has no address");
	else if (a->fault)
		snprintf(note, size, "does not resolve here: %s", gai_strerror(a->fault));
	else if (t->addr.family && !has_family(e, t->addr.family))
		snprintf(note, size, "the command has no IPv%u", t->addr.family);
	else if (is_denied(r) && r->verdict.reason == REASON_NO_NAME &&
		 r->stage == CHECK_STAGE_NAME)
		snprintf(
			note, size,
			"the rule is strict, and this protocol shows no name; with TLS or HTTP it may "
			"pass");
	else if (!is_denied(r) && t->kind == CHECK_TCP && r->look == CHECK_LOOKS_HTTP)
		snprintf(note, size, "each HTTP request is judged by itself (weir check URL)");
	else if (!is_denied(r) && t->port == DNS_PORT && t->kind != CHECK_DNS)
		snprintf(note, size,
			 "weir answers here: each question is judged by its name (weir check dns "
			 "NAME)");
}

void check_judge(const struct check_env *e, const struct check_target *t, struct check_result *ret)
{
	struct check_result r = {.source = CHECK_LITERAL};
	struct addrs a = {0};

	if (t->name.len) {
		judge_question(e, t, &r);
		if (is_denied(&r))
			goto out;
		find_addrs(e, t, &a);
		judge_answer(e, &a, &r);
		if (is_denied(&r) || a.empty || t->kind == CHECK_DNS)
			goto out;
		judge_all(e, t, &a, &r);
	} else {
		a.v[a.n++] = t->addr;
		a.source = CHECK_LITERAL;
		judge_all(e, t, &a, &r);
	}
out:
	note_more(e, t, &a, &r);
	*ret = r;
}
