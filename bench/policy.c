// SPDX-License-Identifier: Apache-2.0
/*
 * How long the policy takes: a decision with ten rules and with 200,000, and loading these. One
 * line of JSON a row: what was measured, the value, and the goal ("ns", "s" or "MB", at most).
 *
 * Every row asks about FACTS different flows in random order, so that neither the rules nor the
 * questions stay in the nearest cache. The value is the least of ROUNDS rounds: what else runs on
 * the machine only ever adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy.h"

#define FACTS  16384
#define ROUNDS 40
#define LIST   100000 /* prefixes, and as many names */

static uint64_t seed = 0x2545f4914f6cdd1du;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 24);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double rss_mb(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void row(const char *name, const char *unit, double value, double goal)
{
	printf("{\"row\": \"%s\", \"unit\": \"%s\", \"value\": %.3f, \"goal\": %g, \"met\": %s}\n",
	       name, unit, value, goal, value <= goal ? "true" : "false");
	fflush(stdout);
}

/* ---- rules ---- */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "policy: %s\n", what);
	exit(1);
}

struct list {
	char **v;
	size_t n, cap;
};

static void add(struct list *l, const char *text)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = realloc(l->v, l->cap * sizeof(*l->v));
		must(l->v, "out of memory");
	}
	l->v[l->n] = strdup(text);
	must(l->v[l->n++], "out of memory");
}

static void list_done(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct list){0};
}

static struct policy *compile(const struct list *l, const char *net)
{
	struct policy_source src = {.net = net,
				    .rules = (const char *const *)l->v,
				    .rule_count = l->n,
				    .default_egress = -1,
				    .default_ingress = -1};
	struct error err = {0};
	struct policy *p = policy_new(&src, &err);

	must(p, err.msg);
	return p;
}

/* Two thirds of the prefixes are IPv4; lengths are those of a routing table. */
static void random_prefix(char *text, size_t size)
{
	uint32_t a = rnd();

	if (rnd() % 3) {
		unsigned bits = 12 + rnd() % 21;

		a = (a % 0xdf000000u + 0x01000000u) & ~(uint32_t)((1ull << (32 - bits)) - 1);
		snprintf(text, size, "%u.%u.%u.%u/%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
			 a & 255, bits);
	} else {
		unsigned bits = 29 + rnd() % 4;

		a = 0x20000000u | (a & 0x1fffffffu & ~((1u << (32 - bits)) - 1));
		snprintf(text, size, "[%x:%x::/%u]", a >> 16, a & 0xffff, bits);
	}
}

static void name_text(char *text, size_t size, unsigned i, bool other)
{
	static const char *const hosts[] = {"www", "api", "cdn", "static", "mail"};

	snprintf(text, size, "%s.site%05u%s.example", hosts[i % 5], i, other ? "x" : "");
}

/* ---- flows ---- */

struct flows {
	struct policy_facts facts[FACTS];
	struct name names[FACTS][2];
	const struct name *bound[FACTS][2];
};

static void set_name(struct name *n, unsigned i, bool other)
{
	char text[64];

	name_text(text, sizeof(text), i, other);
	must(name_read(text, strlen(text), n) == NAME_OK, "no name");
}

static void random_flows(struct flows *w, size_t bound, enum policy_seen seen)
{
	for (size_t i = 0; i < FACTS; i++) {
		struct policy_facts *f = &w->facts[i];
		uint8_t b[16] = {0x20 | (rnd() & 0x1f)};

		for (size_t k = 1; k < sizeof(b); k++)
			b[k] = (uint8_t)rnd();
		*f = (struct policy_facts){.dir = POLICY_EGRESS,
					   .proto = POLICY_TCP,
					   .port = 443,
					   .remote = rnd() % 3 ? ipaddr_v4(b) : ipaddr_v6(b),
					   .seen = seen,
					   .bound = w->bound[i],
					   .bound_count = bound};
		/* Half of them are in the rules. */
		for (size_t k = 0; k < 2; k++) {
			set_name(&w->names[i][k], rnd() % LIST, rnd() % 2);
			w->bound[i][k] = &w->names[i][k];
		}
		f->name = &w->names[i][0];
	}
}

static void measure_flows(const char *name, const struct policy *p, struct flows *w, double goal)
{
	static const struct policy_env env = {.gw4 = {4, {172, 16, 0, 1}}};
	double best = 1e9;
	unsigned sum = 0;

	for (int r = 0; r < ROUNDS; r++) {
		double t = now();

		for (size_t i = 0; i < FACTS; i++)
			sum += policy_decide(p, &env, &w->facts[i]).answer;
		t = (now() - t) / FACTS * 1e9;
		if (t < best)
			best = t;
	}
	must(sum != 1, "no decision"); /* keeps the calls */
	row(name, "ns", best, goal);
}

static void measure_questions(const char *name, const struct policy *p, struct flows *w,
			      double goal)
{
	static const struct policy_env env = {.gw4 = {4, {172, 16, 0, 1}}};
	double best = 1e9;
	unsigned sum = 0;

	for (int r = 0; r < ROUNDS; r++) {
		double t = now();

		for (size_t i = 0; i < FACTS; i++)
			sum += policy_decide_question(p, &env, w->facts[i].name, POLICY_UDP, 53)
				       .answer;
		t = (now() - t) / FACTS * 1e9;
		if (t < best)
			best = t;
	}
	must(sum != 1, "no decision");
	row(name, "ns", best, goal);
}

/* ---- rows ---- */

static void ten_rules(struct flows *w)
{
	static const char *const plain[] = {"deny@10.0.0.0/8",          "allow@10.1.0.0/16:tcp:443",
					    "deny@192.0.2.0/24",        "allow@[2001:db8::/32]",
					    "deny@198.51.100.0/24:udp", "allow@8.8.8.8:udp:53",
					    "deny@multicast",           "allow@private:tcp:22",
					    "deny@any:tcp:25",          "allow@public"};
	static const char *const named[] = {"deny@doh",
					    "deny@.site00007.example",
					    "allow@api.site00001.example:tcp:443",
					    "allow@.site00002.example",
					    "allow@www.site00010.example",
					    "deny@10.0.0.0/8",
					    "allow@192.0.2.0/24:tcp:443",
					    "allow@*.cdn.example:tcp:443",
					    "deny@any:tcp:25",
					    "allow@dns"};
	struct list l = {0};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		add(&l, plain[i]);
	struct policy *p = compile(&l, "none");
	random_flows(w, 0, POLICY_NAME_UNSEEN);
	measure_flows("policy_decide_10_rules", p, w, 100);
	policy_free(p);
	list_done(&l);

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		add(&l, named[i]);
	p = compile(&l, "none");
	random_flows(w, 1, POLICY_NAME_UNSEEN);
	measure_flows("policy_decide_10_rules_names_syn", p, w, 1000);
	random_flows(w, 1, POLICY_NAME_SEEN);
	measure_flows("policy_decide_10_rules_names_seen", p, w, 1000);
	policy_free(p);
	list_done(&l);
}

static void many_rules(struct flows *w)
{
	char text[128], target[96];
	struct list l = {0};

	for (unsigned i = 0; i < LIST; i++) {
		random_prefix(target, sizeof(target));
		snprintf(text, sizeof(text), "%s@%s%s", rnd() % 2 ? "allow" : "deny", target,
			 rnd() % 4 ? "" : ":tcp:443,8000-8100");
		add(&l, text);
		name_text(target, sizeof(target), i, false);
		snprintf(text, sizeof(text), "%s@%s%s%s", rnd() % 2 ? "allow" : "deny",
			 rnd() % 2 ? "" : "*.", target, rnd() % 4 ? "" : ":tcp:443");
		add(&l, text);
	}
	double before = rss_mb(), t = now();
	struct policy *p = compile(&l, NULL);
	row("policy_load_200000_rules", "s", now() - t, 1);
	row("policy_load_200000_rules_memory", "MB", rss_mb() - before, 100);

	random_flows(w, 0, POLICY_NAME_UNSEEN);
	measure_flows("policy_decide_200000_rules_syn", p, w, 1000);
	random_flows(w, 2, POLICY_NAME_UNSEEN);
	measure_flows("policy_decide_200000_rules_syn_2_bound", p, w, 1000);
	random_flows(w, 2, POLICY_NAME_SEEN);
	measure_flows("policy_decide_200000_rules_seen", p, w, 1000);
	measure_questions("policy_question_200000_rules", p, w, 1000);
	policy_free(p);
	list_done(&l);
}

/* A list of names to keep out, in front of everything else. */
static void deny_list(struct flows *w)
{
	char text[128], target[96];
	struct list l = {0};

	for (unsigned i = 0; i < LIST; i++) {
		name_text(target, sizeof(target), i, false);
		snprintf(text, sizeof(text), "deny@%s", target);
		add(&l, text);
	}
	add(&l, "allow@public");
	struct policy *p = compile(&l, NULL);
	random_flows(w, 2, POLICY_NAME_UNSEEN);
	measure_flows("policy_decide_100000_denied_names_syn", p, w, 1000);
	random_flows(w, 2, POLICY_NAME_SEEN);
	measure_flows("policy_decide_100000_denied_names_seen", p, w, 1000);
	policy_free(p);
	list_done(&l);
}

int main(void)
{
	struct flows *w = malloc(sizeof(*w));

	must(w, "out of memory");
	ten_rules(w);
	many_rules(w);
	deny_list(w);
	free(w);
	return 0;
}
