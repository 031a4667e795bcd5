// SPDX-License-Identifier: Apache-2.0
/*
 * Decisions of random policies against the model: flows in every state of what they have shown,
 * DNS questions, addresses in answers. WEIR_BRUTE_CASES says how many decisions are compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/brute_model.h"
#include "policy/rig.h"

#define CASES     2000000
#define RULES_MAX 12
#define MANY_MAX  400 /* rules of a policy that is long for its few targets */
#define ASKS      400 /* decisions compared with one policy */
#define BOUND_MAX 3
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

static uint64_t seed = 0x9e3779b97f4a7c15u; /* fixed: a failure comes again */

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static unsigned cases(void)
{
	const char *text = getenv("WEIR_BRUTE_CASES");

	return text ? (unsigned)strtoul(text, NULL, 10) : CASES;
}

/* ---- what there is ---- */

static const char *const prefixes[] = {
	"169.254.0.0/15", "fe80::/9",          "10.0.0.0/8",    "10.1.0.0/16",
	"10.1.2.3/32",    "192.168.0.0/16",    "192.168.7.5",   "0.0.0.0/0",
	"8.8.8.8",        "8.8.0.0/16",        "127.0.0.0/8",   "127.0.0.1",
	"169.254.0.0/16", "169.254.169.254",   "100.64.0.0/10", "172.16.0.1",
	"::/0",           "2001:db8::/32",     "2001:db8::1",   "fd00::/8",
	"fd00:ec2::254",  "fe80::/10",         "::1",           "64:ff9b::/96",
	"2002::/16",      "::ffff:0.0.0.0/96", "8.8.8.0/31",    "2001:db8::/64",
};
static const char *const groups[] = {"host",       "metadata",  "loopback", "private",
				     "link-local", "multicast", "public"};
static const char *const asked[] = {
	"8.8.8.8",
	"8.8.9.9",
	"8.9.0.1",
	"10.1.2.3",
	"10.1.2.4",
	"10.2.0.1",
	"192.168.7.5",
	"192.168.7.6",
	"127.0.0.1",
	"127.8.0.1",
	"169.254.1.1",
	"169.254.169.254",
	"100.100.100.200",
	"172.16.0.1",
	"172.16.0.2",
	"224.0.0.1",
	"0.0.0.0",
	"0.9.9.9",
	"2001:db8::1",
	"2001:db8::2",
	"2606::1",
	"fd00:ec2::254",
	"fd42::1",
	"fd42::2",
	"fe80::9",
	"::1",
	"::",
	"ff02::1",
	"64:ff9b::8.8.8.8",
	"64:ff9b::10.1.2.3",
	"64:ff9b::127.0.0.1",
	"::ffff:169.254.169.254",
	"2002:a01:203::1",
	"::ffff:8.8.8.8",
	"::10.2.0.1",
	"2002:808:808::",
	"64:ff9b::172.16.0.1",
};
/* Suffixes of rules; below each lies a name that is never bound. */
static const char *const zones[] = {"x.com", "a.x.com", "b.a.x.com", "y.com"};
static const char *const known[] = {"x.com",       "a.x.com",         "b.a.x.com",
				    "c.b.a.x.com", "y.com",           "a.y.com",
				    "ax.com",      "dns.google",      "cloudflare-dns.com",
				    "doh.pub",     "one.one.one.one", "x.com.net"};
static const char *const doh[] = {"dns.google", "cloudflare-dns.com", "doh.pub", "one.one.one.one"};
static const char *const strange[] = {"zz.x.com", "zz.a.x.com", "zz.b.a.x.com", "zz.y.com",
				      "zz.net"};
static const uint16_t ports[] = {53, 443, 443, 443, 853, 5353, 5355, 137, 80};

static struct name names[COUNT(known) + COUNT(strange)]; /* the known ones first */
static struct name doh_names[COUNT(doh)];
static struct ipaddr addrs[COUNT(asked)], host;
static struct policy_env env;

static int make_world(void **state)
{
	for (size_t i = 0; i < COUNT(known); i++)
		names[i] = name(known[i]);
	for (size_t i = 0; i < COUNT(strange); i++)
		names[COUNT(known) + i] = name(strange[i]);
	for (size_t i = 0; i < COUNT(doh); i++)
		doh_names[i] = name(doh[i]);
	for (size_t i = 0; i < COUNT(asked); i++)
		addrs[i] = addr(asked[i]);
	host = addr("192.168.7.5");
	env = (struct policy_env){
		.gw4 = addr("172.16.0.1"), .gw6 = addr("fd42::1"), .host = &host, .host_count = 1};
	return 0;
}

/* ---- random rules, for the model and as text ---- */

struct random_rule {
	struct model_rule model;
	char token[512];
	char part[MODEL_ITEMS_MAX * 2][64]; /* targets, then ports, as a structured rule has them */
	const char *targets[MODEL_ITEMS_MAX], *ports[MODEL_ITEMS_MAX], *protos[4];
	unsigned proto_count;
};

static const char *const proto_words[] = {"tcp", "udp", "icmpv4", "icmpv6"};

static void add(struct random_rule *r, const char *text)
{
	size_t at = strlen(r->token), n = strlen(text);

	assert_true(at + n < sizeof(r->token));
	memcpy(r->token + at, text, n + 1);
}

static void random_name_target(struct model_target *t, char *text, size_t size)
{
	static const struct {
		const char *prefix;
		bool self, below;
	} how[] = {{"", true, false},
		   {"domain=", true, false},
		   {"*.", false, true},
		   {".", true, true},
		   {"suffix=", true, true}};
	unsigned i = rnd(COUNT(how));
	const char *n = how[i].below ? zones[rnd(COUNT(zones))] : names[rnd(COUNT(names))].s;

	t->kind = MODEL_NAME;
	t->name = name(n);
	t->self = how[i].self;
	t->below = how[i].below;
	snprintf(text, size, "%s%s", how[i].prefix, n);
}

static void random_target(const struct model_rule *r, struct model_target *t, char *text,
			  size_t size)
{
	unsigned kind = rnd(14);
	const char *word = NULL;

	if (kind < 3) {
		t->kind = MODEL_GROUP;
		word = t->group = groups[rnd(COUNT(groups))];
	} else if (kind == 3) {
		t->kind = MODEL_ANY;
		word = "any";
	} else if (kind == 4 && r->dirs == 1) {
		t->kind = rnd(2) ? MODEL_DNS : MODEL_DOH;
		word = t->kind == MODEL_DNS ? "dns" : "doh";
	} else if (kind < 10 && r->dirs == 1) {
		random_name_target(t, text, size);
		return;
	} else {
		t->kind = MODEL_PREFIX;
		word = prefixes[rnd(COUNT(prefixes))];
		if (!ipaddr_parse_prefix(word, true, &t->net, &t->bits))
			fail_msg("not a prefix: %s", word);
	}
	snprintf(text, size, "%s", word);
}

static void random_targets(struct random_rule *r)
{
	struct model_rule *m = &r->model;

	m->n = 1 + (rnd(3) ? 0 : rnd(MODEL_ITEMS_MAX));
	for (unsigned i = 0; i < m->n; i++) {
		bool v6;

		random_target(m, &m->targets[i], r->part[i], sizeof(r->part[i]));
		r->targets[i] = r->part[i];
		v6 = strchr(r->part[i], ':');
		add(r, i ? "," : "");
		add(r, v6 ? "[" : "");
		add(r, r->part[i]);
		add(r, v6 ? "]" : "");
	}
}

static void random_protos(struct random_rule *r)
{
	for (unsigned n = 1 + rnd(2); n > 0; n--) {
		unsigned i = rnd(4) ? rnd(2) : rnd(4);

		if (r->model.protos & 1u << i)
			continue;
		add(r, r->model.protos ? "," : ":");
		add(r, proto_words[i]);
		r->model.protos |= 1u << i;
		r->protos[r->proto_count++] = proto_words[i];
	}
}

static void random_ports(struct random_rule *r)
{
	struct model_rule *m = &r->model;

	m->ports = 1 + rnd(MODEL_ITEMS_MAX);
	for (unsigned i = 0; i < m->ports; i++) {
		char *text = r->part[MODEL_ITEMS_MAX + i];

		m->port[i].first = rnd(3) ? 1 + rnd(100) : ports[rnd(COUNT(ports))];
		m->port[i].last = m->port[i].first + (rnd(2) ? rnd(500) : 0);
		if (m->port[i].first == m->port[i].last)
			snprintf(text, sizeof(r->part[0]), "%u", m->port[i].first);
		else
			snprintf(text, sizeof(r->part[0]), "%u-%u", m->port[i].first,
				 m->port[i].last);
		r->ports[i] = text;
		add(r, i ? "," : ":");
		add(r, text);
	}
}

static void random_rule(struct random_rule *r)
{
	static const char *const dirs[] = {"", ":egress", ":ingress", ":any"};
	unsigned dir = rnd(3) ? 0 : rnd(4);

	memset(r, 0, sizeof(*r));
	r->model.allow = rnd(2);
	r->model.dirs = dir == 0 ? 1 : dir;
	add(r, r->model.allow ? "allow" : "deny");
	add(r, dirs[dir]);
	add(r, "@");
	random_targets(r);
	if (rnd(2)) {
		random_protos(r);
		if (rnd(2))
			random_ports(r);
	}
}

static bool has_names(const struct model_rule *r)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->targets[i].kind == MODEL_NAME || r->targets[i].kind == MODEL_DOH)
			return true;
	return false;
}

/* A rule that is taken: many of the random ones can never take effect and are refused. */
static void random_good_rule(struct random_rule *r)
{
	for (int tries = 0; tries < 1000; tries++) {
		struct error err = {0};
		const char *token = r->token;
		struct policy_source src = {.net = "none",
					    .rules = &token,
					    .rule_count = 1,
					    .default_egress = -1,
					    .default_ingress = -1};

		random_rule(r);
		struct policy *p = policy_new(&src, &err);
		if (p) {
			policy_free(p);
			r->model.strict = r->model.allow && has_names(&r->model) && rnd(4) == 0;
			return;
		}
	}
	fail_msg("no random rule is taken");
}

/* ---- a policy, in both forms ---- */

struct random_policy {
	struct random_rule rules[MANY_MAX];
	unsigned n; /* that were written */
	const char *net;
	int def[2];
	struct model_rule all[MANY_MAX + 4]; /* with those of the preset */
	struct model model;
};

static void add_preset(struct random_policy *rp, enum model_kind kind, const char *group)
{
	struct model_rule *r = &rp->all[rp->model.n++];

	*r = (struct model_rule){.allow = true, .dirs = 1, .n = 1};
	r->targets[0].kind = kind;
	r->targets[0].group = group;
}

static void set_model(struct random_policy *rp)
{
	struct model *m = &rp->model;

	*m = (struct model){.rules = rp->all,
			    .n = rp->n,
			    .def_allow = {false, true},
			    .def_reason = {REASON_PRESET, REASON_PRESET},
			    .implicit_dns = -1,
			    .names = names,
			    .name_count = COUNT(names),
			    .doh = doh_names,
			    .doh_count = COUNT(doh_names)};
	for (unsigned i = 0; i < rp->n; i++)
		rp->all[i] = rp->rules[i].model;
	if (!rp->net) {
		bool bare = rp->n == 0 && rp->def[0] < 0;

		if (!bare) {
			m->implicit_dns = (int)rp->n;
			m->def_reason[0] = REASON_DEFAULT;
		}
		add_preset(rp, MODEL_DNS, NULL);
		if (bare)
			add_preset(rp, MODEL_GROUP, "public");
	} else if (!strcmp(rp->net, "none")) {
		m->def_allow[1] = false;
	} else if (!strcmp(rp->net, "all")) {
		m->def_allow[0] = true;
		m->open_all = true;
	} else {
		add_preset(rp, MODEL_DNS, NULL);
		add_preset(rp, MODEL_GROUP, rp->net);
	}
	for (int i = 0; i < 2; i++) {
		if (rp->def[i] < 0)
			continue;
		m->def_allow[i] = rp->def[i] == POLICY_ALLOW;
		m->def_reason[i] = REASON_DEFAULT;
	}
}

static void random_policy(struct random_policy *rp, unsigned n)
{
	static const char *const nets[] = {NULL, NULL, "none", "all", "public", "private", "host"};

	rp->n = n;
	rp->net = nets[rnd(COUNT(nets))];
	for (int i = 0; i < 2; i++)
		rp->def[i] = rnd(3) ? -1 : (int)rnd(2);
	for (unsigned i = 0; i < n; i++)
		random_good_rule(&rp->rules[i]);
	set_model(rp);
}

/* Tokens first, then rules of a file: as parts, or as tokens. `skip` leaves one out. */
static struct policy *build(const struct random_policy *rp, unsigned tokens, int skip)
{
	static const char *list[MANY_MAX];
	static struct policy_rule_source file[MANY_MAX];
	static const char *const dirs[] = {NULL, NULL, "ingress", "any"};
	struct policy_source src = {.net = rp->net,
				    .rules = list,
				    .file_rules = file,
				    .default_egress = rp->def[0],
				    .default_ingress = rp->def[1]};
	struct error err = {0};

	for (unsigned i = 0; i < rp->n; i++) {
		const struct random_rule *r = &rp->rules[i];

		if ((int)i == skip)
			continue;
		if (i < tokens && !r->model.strict && src.file_rule_count == 0) {
			list[src.rule_count++] = r->token;
			continue;
		}
		file[src.file_rule_count++] =
			(struct policy_rule_source){.token = i % 3 ? NULL : r->token,
						    .action = r->model.allow ? "allow" : "deny",
						    .direction = dirs[r->model.dirs],
						    .targets = r->targets,
						    .target_count = r->model.n,
						    .protocols = r->protos,
						    .protocol_count = r->proto_count,
						    .ports = r->ports,
						    .port_count = r->model.ports,
						    .strict = r->model.strict};
	}
	struct policy *p = policy_new(&src, &err);
	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

/* ---- random questions ---- */

struct random_facts {
	struct policy_facts f;
	struct name bound[BOUND_MAX];
	const struct name *list[BOUND_MAX];
};

static void random_facts(struct random_facts *r)
{
	struct policy_facts *f = &r->f;

	*f = (struct policy_facts){.dir = rnd(6) ? POLICY_EGRESS : POLICY_INGRESS,
				   .remote = addrs[rnd(COUNT(addrs))],
				   .bound = r->list};
	if (f->dir == POLICY_EGRESS && rnd(6) == 0) {
		f->proto = f->remote.family == 4 ? POLICY_ICMPV4 : POLICY_ICMPV6;
	} else {
		f->proto = rnd(3) ? POLICY_TCP : POLICY_UDP;
		f->port = rnd(2) ? (uint16_t)(1 + rnd(140)) : ports[rnd(COUNT(ports))];
	}
	if (f->dir == POLICY_INGRESS)
		return;
	f->seen = rnd(2) ? POLICY_NAME_UNSEEN : (enum policy_seen)rnd(4);
	if (f->seen == POLICY_NAME_SEEN)
		f->name = &names[rnd(COUNT(names))];
	for (unsigned n = rnd(BOUND_MAX + 1); f->bound_count < n; f->bound_count++) {
		r->bound[f->bound_count] = names[rnd(COUNT(known))];
		r->list[f->bound_count] = &r->bound[f->bound_count];
	}
}

static void print_policy(const struct policy *p)
{
	for (size_t i = 0; i < policy_rule_count(p) && i < 40; i++)
		print_error("%zu: %s\n", i, policy_rule_text(p, i));
}

static bool differ(const struct policy_verdict *a, const struct policy_verdict *b)
{
	return a->answer != b->answer || a->reason != b->reason || a->rule != b->rule ||
	       a->by_name != b->by_name;
}

static void check_text(const struct policy *p, const struct policy_verdict *v)
{
	if (v->rule >= 0 && v->rule_text != policy_rule_text(p, (size_t)v->rule))
		fail_msg("rule %d is not \"%s\"", v->rule, v->rule_text);
	assert_non_null(v->rule_text);
}

static void compare_flow(const struct policy *p, const struct model *m, unsigned count[3])
{
	struct random_facts r;
	char text[IPADDR_STRLEN];

	random_facts(&r);
	const struct policy_facts *f = &r.f;
	struct policy_verdict v = policy_decide(p, &env, f), w = model_decide(m, &env, f);
	/* Trying everything once more takes long, so that is done for some. */
	unsigned possible = rnd(8) ? 0 : model_possible(m, &env, f);

	count[w.answer]++;
	check_text(p, &v);
	if (differ(&v, &w) || (v.answer == POLICY_ALLOW && possible & 1u << POLICY_DENY) ||
	    (v.answer == POLICY_DENY && possible & 1u << POLICY_ALLOW)) {
		print_policy(p);
		for (size_t i = 0; i < f->bound_count; i++)
			print_error("bound %s\n", f->bound[i]->s);
		fail_msg("%s dir %d proto %d seen %d %s: model %d %s by %d%s, policy %d %s by %d%s",
			 ipaddr_port_str(&f->remote, f->port, text), f->dir, f->proto, f->seen,
			 f->name ? f->name->s : "", w.answer, policy_reason_name(w.reason), w.rule,
			 w.by_name ? " (name)" : "", v.answer, policy_reason_name(v.reason), v.rule,
			 v.by_name ? " (name)" : "");
	}
}

static void compare_question(const struct policy *p, const struct model *m)
{
	const struct name *n = &names[rnd(COUNT(names))];
	enum policy_proto proto = rnd(2) ? POLICY_UDP : POLICY_TCP;
	uint16_t port = rnd(4) ? 53 : 853;
	struct policy_verdict v = policy_decide_question(p, &env, n, proto, port);
	struct policy_verdict w = model_question(m, n, proto, port);

	check_text(p, &v);
	if (differ(&v, &w)) {
		print_policy(p);
		fail_msg("question %s proto %d port %d: model %d by %d, policy %d by %d", n->s,
			 proto, port, w.answer, w.rule, v.answer, v.rule);
	}
}

static void compare_answer(const struct policy *p, const struct model *m)
{
	const struct ipaddr *a = &addrs[rnd(COUNT(addrs))];
	char text[IPADDR_STRLEN];

	if (policy_address_is_named(p, &env, a) != model_is_named(m, &env, a)) {
		print_policy(p);
		fail_msg("%s is %snamed", ipaddr_str(a, text),
			 model_is_named(m, &env, a) ? "" : "not ");
	}
}

static void compare(const struct random_policy *rp, unsigned asks, unsigned count[3])
{
	struct policy *p = build(rp, rnd(rp->n + 1), -1);
	bool names_there = false;

	for (unsigned i = 0; i < rp->n; i++)
		names_there |= has_names(&rp->rules[i].model);
	assert_int_equal(policy_has_names(p), names_there);
	for (unsigned i = 0; i < asks; i++) {
		unsigned kind = rnd(8);

		if (kind == 0)
			compare_question(p, &rp->model);
		else if (kind == 1)
			compare_answer(p, &rp->model);
		else
			compare_flow(p, &rp->model, count);
	}
	policy_free(p);
}

static void random_policies_agree_with_the_model(void **state)
{
	static struct random_policy rp;
	unsigned count[3] = {0}, n = cases();

	for (unsigned done = 0; done < n; done += ASKS) {
		random_policy(&rp, rnd(RULES_MAX + 1));
		compare(&rp, ASKS, count);
	}
	/* No answer is rare, or the comparison says little. */
	for (int i = 0; i < 3; i++)
		assert_in_range(count[i], n / 50, n * 3 / 4);
}

/* Many rules for few targets: lists behind one target grow long. */
static void long_policies_agree_with_the_model(void **state)
{
	static struct random_policy rp;
	unsigned count[3] = {0}, n = cases() / 20;

	for (unsigned done = 0; done < n; done += ASKS * 4) {
		random_policy(&rp, MANY_MAX / 4 + rnd(MANY_MAX * 3 / 4));
		compare(&rp, ASKS * 4, count);
	}
}

/* Only names are bound that may be asked for. */
static void drop_unasked(const struct policy *p, struct random_facts *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->f.bound_count; i++) {
		const struct name *b = r->f.bound[i];

		if (policy_decide_question(p, &env, b, POLICY_UDP, 53).answer == POLICY_ALLOW ||
		    policy_decide_question(p, &env, b, POLICY_TCP, 53).answer == POLICY_ALLOW ||
		    policy_decide_question(p, &env, b, POLICY_TCP, 853).answer == POLICY_ALLOW)
			r->list[n++] = b;
	}
	r->f.bound_count = n;
}

/* Where a warning says that a rule has no effect, the policy without it decides the same. */
static void rules_warned_about_change_nothing(void **state)
{
	static struct random_policy rp;
	unsigned warned = 0, rounds = cases() / 500;

	for (unsigned round = 0; round < rounds; round++) {
		random_policy(&rp, 2 + rnd(3));
		rp.net = rnd(2) ? "none" : "public";
		unsigned n_rules = rp.n;
		for (unsigned k = 1; k < n_rules; k++) {
			size_t count[2];

			for (unsigned i = 0; i < 2; i++) {
				rp.n = k + i;
				struct policy *p = build(&rp, 0, -1);
				count[i] = policy_warning_count(p);
				policy_free(p);
			}
			rp.n = n_rules;
			if (count[0] == count[1])
				continue;
			warned++;
			struct policy *with = build(&rp, 0, -1), *less = build(&rp, 0, (int)k);
			for (int i = 0; i < 100; i++) {
				/* The host's own addresses are the documented exception. */
				static const struct policy_env nobody;
				struct random_facts r;
				const struct name *n = &names[rnd(COUNT(names))];

				random_facts(&r);
				drop_unasked(with, &r);
				if (policy_decide(with, &nobody, &r.f).answer !=
					    policy_decide(less, &nobody, &r.f).answer ||
				    policy_decide_question(with, &env, n, POLICY_UDP, 53).answer !=
					    policy_decide_question(less, &env, n, POLICY_UDP, 53)
						    .answer) {
					print_policy(with);
					fail_msg("rule %u has an effect", k);
				}
			}
			policy_free(with);
			policy_free(less);
		}
	}
	assert_true(warned > rounds / 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies_agree_with_the_model),
		cmocka_unit_test(long_policies_agree_with_the_model),
		cmocka_unit_test(rules_warned_about_change_nothing),
	};
	return cmocka_run_group_tests(tests, make_world, NULL);
}
