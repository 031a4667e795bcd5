// SPDX-License-Identifier: Apache-2.0
/*
 * The interceptor's own answers: what is no query, what the policy denies, weir's own names, the
 * cache, and what is done to answers from outside.
 */
#include "dns/proxy_rig.h"

#include <netinet/in.h>

#include "policy/bindings.h"

static struct name name_of(const char *text)
{
	struct name n;
	assert_int_equal(name_read(text, strlen(text), &n), NAME_OK);
	return n;
}

static bool is_bound(const char *name, const char *addr)
{
	struct ipaddr a;
	struct name n = name_of(name);
	assert_true(ipaddr_parse(addr, &a));
	return bindings_has(sb.bindings, &a, &n, loop.now_us);
}

/* ---- step 1 ---- */

static void nonsense_is_answered_or_dropped(void **state)
{
	uint8_t q[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	size_t len = make_query(q, 5, "a.example", DNS_A, 0);
	ask_raw(q, 8, GUEST_PORT);
	assert_int_equal(frame_n, 1);
	assert_int_equal(answer(0).len, 12);
	assert_int_equal(header_of(answer(0)).id, 5);
	assert_int_equal(rcode_of(answer(0)), DNS_FORMERR);
	ask_raw(q, 1, GUEST_PORT);
	assert_int_equal(frame_n, 1);
	assert_int_equal(sb.stack.cnt.drops[DROP_BAD_HEADER], 1);
	assert_int_equal(sb.cnt.denied[REASON_ALT_DNS], 2);
	q[2] = 0x28; /* UPDATE */
	ask_raw(q, len, GUEST_PORT);
	assert_int_equal(rcode_of(answer(1)), DNS_NOTIMP);
	assert_int_equal(sb.cnt.denied[REASON_ALT_DNS], 2);
	q[2] = 0x80;
	ask_raw(q, len, GUEST_PORT);
	assert_int_equal(rcode_of(answer(2)), DNS_FORMERR);
	ask_raw(q, len, 53); /* two servers answering each other */
	assert_int_equal(frame_n, 3);
	q[2] = 0;
	q[len - 3] = DNS_AXFR;
	ask_raw(q, len, GUEST_PORT);
	assert_int_equal(rcode_of(answer(3)), DNS_NOTIMP);
	run_until(NULL, 50);
	assert_int_equal(fake[0].queries, 0);
	assert_int_equal(sb.cnt.dns_failures, 6);
}

static void the_answer_comes_from_the_address_that_was_asked(void **state)
{
	static const struct ipaddr other = {4, {203, 0, 113, 7}}, many = {4, {224, 0, 0, 251}};
	conf.dns_target = CONFIG_DNS_GATEWAY;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask_at(&other, 1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_int_equal(last_byte(answer_from(0, &other)), 1);
	ask_at(&many, 2, "a.example", DNS_A, 0);
	assert_int_equal(frame_n, 1);
	assert_int_equal(sb.stack.cnt.drops[DROP_BAD_HEADER], 1);
}

/* ---- step 2 ---- */

static void denied_name_says_why(void **state)
{
	static const char *const rules[] = {"deny@evil.example", "allow@any", NULL};
	char text[256];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	policy_set(rules);
	ask(1, "EVIL.example", DNS_A, 1232);
	assert_int_equal(frame_n, 1);
	assert_int_equal(rcode_of(answer(0)), DNS_NXDOMAIN);
	assert_int_equal(ede_of(answer(0), text), DNS_EDE_BLOCKED);
	assert_string_equal(text, "rule: deny@evil.example");
	assert_int_equal(sb.cnt.denied[REASON_RULE], 1);
	/* Without EDNS there is no room for it. */
	ask(2, "evil.example", DNS_AAAA, 0);
	assert_int_equal(rcode_of(answer(1)), DNS_NXDOMAIN);
	assert_int_equal(header_of(answer(1)).count[3], 0);
	ask(3, "good.example", DNS_A, 0);
	assert_true(run_frames(3, 2000));
	assert_int_equal(rcode_of(answer(2)), DNS_NOERROR);
	assert_int_equal(fake[0].queries, 1);
}

static void denied_name_can_be_refused(void **state)
{
	static const char *const rules[] = {"allow@good.example", NULL};
	conf.dns_deny_refused = true;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	policy_set(rules);
	ask(1, "x.good.example", DNS_A, 1232);
	assert_int_equal(rcode_of(answer(0)), DNS_REFUSED);
	assert_int_equal(ede_of(answer(0), NULL), DNS_EDE_BLOCKED);
	assert_int_equal(fake[0].queries, 0);
	assert_int_equal(sb.cnt.denied[REASON_DEFAULT], 1);
}

static void odd_names_need_a_rule_for_all(void **state)
{
	static const char *const rules[] = {"allow@.good.example", NULL};
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(1, "a b\1.good.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	policy_set(rules);
	ask(2, "a b\1.good.example", DNS_A, 0);
	assert_int_equal(frame_n, 2);
	assert_int_equal(rcode_of(answer(1)), DNS_NXDOMAIN);
	assert_int_equal(fake[0].queries, 1);
}

static void resolver_that_the_guest_chose_needs_the_policy(void **state)
{
	static const char *const rules[] = {"allow@dns", "allow@.b.example", NULL};
	static const struct ipaddr other = {4, {203, 0, 113, 7}};
	upstream_add(fake[0].port);
	proxy_up(NULL);
	policy_set(rules);
	ask_at(&other, 1, "a.b.example", DNS_A, 1232);
	assert_int_equal(frame_n, 1);
	struct view v = answer_from(0, &other);
	assert_int_equal(rcode_of(v), DNS_NXDOMAIN);
	assert_int_equal(ede_of(v, NULL), DNS_EDE_BLOCKED);
	assert_int_equal(fake[0].queries, 0);
}

/* A resolver on port 53 of the host's loopback, which --net all lets the guest reach. */
static void chosen_resolver_is_asked_itself(void **state)
{
	static const struct ipaddr other = {4, {127, 0, 0, 153}};
	static const char *const udp_only[] = {"allow@127.0.0.153:udp", "allow@dns,a.b.example",
					       NULL};
	conf.dns_cache = true;
	fake_stop(&fake[1]);
	if (!fake_start_at(&fake[1], &other, 53))
		skip(); /* not root */
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(1, "a.b.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_int_equal(last_byte(answer(0)), 1);
	/* What the configured one said is no answer of this one, nor the other way round. */
	ask_at(&other, 2, "a.b.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_int_equal(last_byte(answer_from(1, &other)), 2);
	ask_at(&other, 3, "a.b.example", DNS_A, 0);
	assert_true(run_frames(3, 2000));
	assert_int_equal(fake[1].queries, 2);
	ask(4, "a.b.example", DNS_A, 0);
	assert_int_equal(last_byte(answer(3)), 1);
	assert_int_equal(fake[0].queries, 1);
	/* Names of the host's networks are not its business. */
	conf.dns_forward_special.v = calloc(1, sizeof(char *));
	conf.dns_forward_special.v[0] = strdup("local");
	conf.dns_forward_special.n = 1;
	struct error err;
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	ask_at(&other, 5, "printer.local", DNS_A, 0);
	assert_true(run_frames(5, 2000));
	assert_int_equal(last_byte(answer_from(4, &other)), 1);
	/* Over TCP only where the policy says so: a truncated answer passes as it is. */
	policy_set(udp_only);
	fake[1].how = TRUNCATE;
	ask_at(&other, 6, "a.b.example", DNS_A, 0);
	assert_true(run_frames(6, 2000));
	assert_true(header_of(answer_from(5, &other)).flags & DNS_TC);
	assert_int_equal(fake[1].tcp_queries, 0);
}

static void rate_is_limited(void **state)
{
	conf.dns_rate = 10;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (uint16_t i = 0; i < 30; i++)
		ask(i, "host.weir.internal", DNS_A, 1232);
	unsigned refused = 0;
	for (int i = 0; i < 30; i++)
		refused += rcode_of(answer(i)) == DNS_REFUSED;
	assert_in_range(refused, 18, 20); /* a second's worth goes through */
	assert_int_equal(sb.cnt.denied[REASON_DNS_BUDGET], refused);
	assert_int_equal(ede_of(answer(29), NULL), DNS_EDE_FILTERED);
}

static void tunnel_runs_out_of_budget(void **state)
{
	conf.dns_budget_names = 20;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < 60; i++) {
		char name[64];
		snprintf(name, sizeof(name), "data%d.t.example", i);
		ask((uint16_t)i, name, 16, 1232);
		assert_true(run_frames(i + 1, 2000));
	}
	assert_true(fake[0].queries < 40);
	assert_int_equal(rcode_of(answer(59)), DNS_REFUSED);
	assert_int_equal(ede_of(answer(59), NULL), DNS_EDE_FILTERED);
	ask(100, "www.another.test", DNS_A, 0);
	assert_true(run_frames(61, 2000));
	assert_int_equal(rcode_of(answer(60)), DNS_NOERROR);
}

/* ---- steps 3 and 4 ---- */

static void own_names_are_answered_without_a_resolver(void **state)
{
	fake_stop(&fake[0]);
	upstream_add(fake[0].port);
	sb.stack.cfg.has_v6 = false;
	proxy_up(NULL);
	ask(5, "host.docker.internal", DNS_A, 0);
	assert_int_equal(frame_n, 1);
	struct view v = answer(0);
	assert_int_equal(header_of(v).count[1], 1);
	assert_true(header_of(v).flags & DNS_AA);
	assert_memory_equal(v.p + v.len - 4, gw4.b, 4);
	ask(6, "a.example", DNS_AAAA, 0);
	assert_int_equal(frame_n, 2);
	assert_int_equal(rcode_of(answer(1)), DNS_NOERROR);
	assert_int_equal(header_of(answer(1)).count[1], 0);
	ask(7, "printer.local", DNS_A, 0);
	ask(8, "1.0.168.192.in-addr.arpa", DNS_PTR, 0);
	assert_int_equal(frame_n, 4);
}

static void records_of_the_configuration_are_answered(void **state)
{
	struct config_record *r = calloc(1, sizeof(*r));
	struct error err;
	*r = (struct config_record){name_of("db.example"), {4, {10, 1, 2, 3}}};
	sb.bindings = bindings_new(100);
	upstream_add(fake[0].port);
	proxy_up(NULL);
	conf.dns_records = r;
	conf.dns_record_count = 1;
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	ask(5, "db.example", DNS_A, 0);
	assert_int_equal(frame_n, 1);
	struct view v = answer(0);
	assert_memory_equal(v.p + v.len - 4, r->addr.b, 4);
	/* Rules for names hold for these, too. */
	assert_true(is_bound("db.example", "10.1.2.3"));
}

/* ---- step 5 ---- */

static void cached_answer_is_the_askers_own(void **state)
{
	conf.dns_cache = true;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	ask(2, "A.EXAMPLE", DNS_A, 1232);
	assert_int_equal(frame_n, 2);
	struct view v = answer(1);
	assert_int_equal(header_of(v).id, 2);
	assert_memory_equal(v.p + 12, "\1A\7EXAMPLE", 10);
	assert_int_equal(header_of(v).count[3], 1);
	ask(3, "a.example", DNS_A, 0);
	assert_int_equal(frame_n, 3);
	assert_int_equal(header_of(answer(2)).count[3], 0);
	assert_int_equal(fake[0].queries, 1);
}

static void cached_answer_is_judged_again(void **state)
{
	static const char *const rules[] = {"deny@a.example", "allow@any", NULL};
	conf.dns_cache = true;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	policy_set(rules);
	ask(2, "a.example", DNS_A, 0);
	assert_int_equal(rcode_of(answer(1)), DNS_NXDOMAIN);
	/* An address that has become the host's own. */
	static const char *const all[] = {"allow@any", NULL};
	static const struct ipaddr own = {4, {93, 184, 216, 1}};
	policy_set(all);
	sb.env.host = &own;
	sb.env.host_count = 1;
	ask(3, "a.example", DNS_A, 1232);
	assert_int_equal(rcode_of(answer(2)), DNS_NXDOMAIN);
	assert_int_equal(fake[0].queries, 1);
	sb.env.host_count = 0;
}

/* The last tenth of its time: the guest is answered at once, and the resolver asked again. */
static bool renewed(void)
{
	return fake[0].queries == 2 && dns->queries_n == 0;
}

static void answer_is_renewed_before_its_time_is_over(void **state)
{
	conf.dns_cache = true;
	fake[0].ttl = 100;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	ask_later_us = 85 * 1000000ull;
	ask(2, "a.example", DNS_A, 0);
	assert_int_equal(dns->queries_n, 0);
	ask_later_us = 95 * 1000000ull;
	ask(3, "a.example", DNS_A, 0);
	assert_int_equal(frame_n, 3);
	assert_int_equal(dns->queries_n, 1);
	assert_int_equal(dns->asks_n, 0);
	/* Whoever asks meanwhile does not ask again. */
	ask(4, "a.example", DNS_A, 0);
	assert_int_equal(dns->queries_n, 1);
	assert_true(run_until(renewed, 2000));
	assert_int_equal(frame_n, 4);
	assert_int_equal(dns->prefetch_n, 0);
}

static bool says_ad;
static void put_ad(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
		   uint16_t counts[3])
{
	uint8_t a[4] = {93, 184, 216, 1};
	w->p[3] |= DNS_AD;
	says_ad = q->h.flags & DNS_AD;
	put_rr(w, NULL, DNS_A, 300, a, 4);
	counts[0]++;
}

static void ad_is_for_those_who_asked(void **state)
{
	uint8_t q[512];
	conf.dns_cache = true;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].records = put_ad;
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_true(says_ad);
	assert_false(header_of(answer(0)).flags & DNS_AD);
	size_t len = make_query(q, 2, "a.example", DNS_A, 0);
	q[3] |= DNS_AD;
	ask_raw(q, len, GUEST_PORT);
	assert_true(header_of(answer(1)).flags & DNS_AD);
	assert_int_equal(fake[0].queries, 1);
}

/* ---- step 8 ---- */

static const char *answered_addr; /* IPv4 */
static void put_addr(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
		     uint16_t counts[3])
{
	uint8_t good[4] = {93, 184, 216, 34};
	struct ipaddr a;
	assert_true(ipaddr_parse(answered_addr, &a));
	put_rr(w, NULL, DNS_A, 300, good, 4);
	put_rr(w, NULL, DNS_A, 300, a.b, 4);
	counts[0] += 2;
}

static void private_address_turns_the_whole_answer(void **state)
{
	static const char *const bad[] = {"10.1.2.3", "127.0.0.1",   "169.254.169.254",
					  "0.0.0.0",  "192.168.1.1", "100.64.0.1"};
	char text[256];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].records = put_addr;
	for (int i = 0; i < 6; i++) {
		answered_addr = bad[i];
		ask((uint16_t)i, "a.example", DNS_A, 1232);
		assert_true(run_frames(i + 1, 2000));
		struct view v = answer(i);
		assert_int_equal(rcode_of(v), DNS_NXDOMAIN);
		assert_int_equal(header_of(v).count[1], 0);
		assert_int_equal(ede_of(v, text), DNS_EDE_BLOCKED);
		assert_memory_equal(text, "rebind: ", 8);
		assert_string_equal(text + 8, bad[i]);
	}
	assert_int_equal(sb.cnt.denied[REASON_REBIND], 6);
}

static void private_address_passes_where_it_is_named(void **state)
{
	static const char *const rules[] = {"allow@10.0.0.0/8", "allow@any", NULL};
	struct config_prefix *p = calloc(1, sizeof(*p));
	struct error err;
	*p = (struct config_prefix){{4, {192, 168}}, 16};
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].records = put_addr;
	policy_set(rules);
	answered_addr = "10.1.2.3";
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_int_equal(header_of(answer(0)).count[1], 2);
	answered_addr = "192.168.1.1";
	ask(2, "a.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_int_equal(rcode_of(answer(1)), DNS_NXDOMAIN);
	conf.dns_rebind_allow = p;
	conf.dns_rebind_allow_count = 1;
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	ask(3, "a.example", DNS_A, 0);
	assert_true(run_frames(3, 2000));
	assert_int_equal(header_of(answer(2)).count[1], 2);
	conf.dns_rebind_allow_count = 0;
	conf.dns_rebind_protection = false;
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	answered_addr = "127.0.0.1";
	ask(4, "a.example", DNS_A, 0);
	assert_true(run_frames(4, 2000));
	assert_int_equal(header_of(answer(3)).count[1], 2);
}

static void put_cloaked(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			uint16_t counts[3])
{
	uint8_t a[4] = {93, 184, 216, 34};
	put_cname(w, NULL, "x.tracker.example");
	put_rr(w, "x.tracker.example", DNS_A, 300, a, 4);
	counts[0] += 2;
}

static void names_behind_a_cname_are_judged(void **state)
{
	static const char *const rules[] = {"deny@.tracker.example", "allow@any", NULL};
	static const char *const only[] = {"allow@shop.example", NULL};
	upstream_add(fake[0].port);
	sb.bindings = bindings_new(100);
	proxy_up(NULL);
	fake[0].records = put_cloaked;
	policy_set(rules);
	ask(1, "shop.example", DNS_A, 1232);
	assert_true(run_frames(1, 2000));
	assert_int_equal(rcode_of(answer(0)), DNS_NXDOMAIN);
	assert_int_equal(ede_of(answer(0), NULL), DNS_EDE_BLOCKED);
	assert_false(is_bound("shop.example", "93.184.216.34"));
	/* Where no rule is about the target, the question's own name counts, and is what is bound.
	 */
	policy_set(only);
	ask(2, "shop.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_int_equal(rcode_of(answer(1)), DNS_NOERROR);
	assert_true(is_bound("shop.example", "93.184.216.34"));
	assert_false(is_bound("x.tracker.example", "93.184.216.34"));
}

/* ---- step 9 ---- */

static void put_nothing(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			uint16_t counts[3])
{
}

static void answers_bind_and_their_absence_unbinds(void **state)
{
	static const struct {
		enum dns_rcode rcode;
		uint16_t type;
		bool bound; /* is the IPv4 address behind it */
	} steps[] = {
		{DNS_NOERROR, DNS_AAAA, true}, /* says nothing about the other family */
		{DNS_SERVFAIL, DNS_A, true},   /* says nothing at all */
		{DNS_REFUSED, DNS_AAAA, true},
		{DNS_NOERROR, 16, true},
		{DNS_NOERROR, DNS_A, false},
		{DNS_NXDOMAIN, DNS_AAAA, false}, /* of no family, then */
		{DNS_NXDOMAIN, 16, false},
	};
	int n = 0;
	upstream_add(fake[0].port);
	sb.bindings = bindings_new(100);
	proxy_up(NULL);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		fake[0].records = NULL;
		fake[0].rcode = DNS_NOERROR;
		ask(1, "WWW.example", DNS_A, 0);
		assert_true(run_frames(++n, 2000));
		assert_true(is_bound("www.example", "93.184.216.1"));
		fake[0].records = put_nothing;
		fake[0].rcode = steps[i].rcode;
		ask(2, "www.example", steps[i].type, 0);
		assert_true(run_frames(++n, 2000));
		assert_int_equal(is_bound("www.example", "93.184.216.1"), steps[i].bound);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nonsense_is_answered_or_dropped),
		T(the_answer_comes_from_the_address_that_was_asked),
		T(denied_name_says_why),
		T(denied_name_can_be_refused),
		T(odd_names_need_a_rule_for_all),
		T(resolver_that_the_guest_chose_needs_the_policy),
		T(chosen_resolver_is_asked_itself),
		T(rate_is_limited),
		T(tunnel_runs_out_of_budget),
		T(own_names_are_answered_without_a_resolver),
		T(records_of_the_configuration_are_answered),
		T(cached_answer_is_the_askers_own),
		T(cached_answer_is_judged_again),
		T(answer_is_renewed_before_its_time_is_over),
		T(ad_is_for_those_who_asked),
		T(private_address_turns_the_whole_answer),
		T(private_address_passes_where_it_is_named),
		T(names_behind_a_cname_are_judged),
		T(answers_bind_and_their_absence_unbinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
