// SPDX-License-Identifier: Apache-2.0
/*
 * Questions on their way: to which resolver, over which transport, for how long, and for whom.
 */
#include "dns/proxy_rig.h"

#include <netinet/in.h>
#include <unistd.h>

static void query_is_forwarded_and_answered(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(0x4711, "www.Example.org", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	struct view v = answer(0);
	assert_int_equal(header_of(v).id, 0x4711);
	assert_int_equal(header_of(v).count[1], 1);
	assert_memory_equal(v.p + 12, "\3www\7Example\3org", 17);
	assert_int_equal(last_byte(v), 1);
	assert_int_equal(sb.cnt.dns_queries, 1);
	assert_int_equal(sb.cnt.dns_answers, 1);
	assert_int_equal(sb.cnt.dns_failures, 0);
	assert_int_equal(dns->queries_n, 0);
	assert_int_equal(dns->asks_n, 0);
}

/* Types and classes that nobody has heard of go there and back whole. */
static void put_odd(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
		    uint16_t counts[3])
{
	put_rr(w, NULL, q->q.type, 300, "\xde\xad\xbe\xef\0\1\2\3", 8);
	counts[0]++;
}

static void unknown_types_pass(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].records = put_odd;
	ask(1, "a.example", 65280, 1232);
	assert_true(run_frames(1, 2000));
	struct view v = answer(0);
	assert_int_equal(header_of(v).count[1], 1);
	assert_memory_equal(v.p + v.len - 11 - 8, "\xde\xad\xbe\xef\0\1\2\3", 8);
}

static void the_askers_edns_decides_about_ours(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	uint8_t q[512];
	size_t len = make_query(q, 7, "a.example", DNS_A, 4096);
	put_be16(q + len - 4, DNS_EDNS_DO); /* the flags in the OPT record's TTL */
	q[3] |= DNS_CD;
	ask_raw(q, len, GUEST_PORT);
	assert_true(run_frames(1, 2000));
	struct dns_query_view seen;
	int rcode;
	assert_true(dns_query_read(view_make(fake[0].last, fake[0].last_len), &seen, &rcode));
	assert_true(seen.has_edns && seen.edns_do);
	assert_int_equal(seen.edns_size, DNS_EDNS_SIZE);
	assert_true(seen.h.flags & DNS_CD);
	assert_int_equal(header_of(answer(0)).count[3], 1);
	ask(8, "b.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_true(dns_query_read(view_make(fake[0].last, fake[0].last_len), &seen, &rcode));
	assert_false(seen.has_edns);
	assert_false(seen.h.flags & DNS_CD);
	assert_int_equal(header_of(answer(1)).count[3], 0);
}

/* A client subnet changes the answer, so the query goes out as it came, but for ID and case. */
static void query_with_options_goes_out_whole(void **state)
{
	static const uint8_t ecs[] = {0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2};
	uint8_t q[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	size_t len = make_query(q, 7, "a.example", DNS_A, 1400);
	put_be16(q + len - 2, sizeof(ecs));
	memcpy(q + len, ecs, sizeof(ecs));
	len += sizeof(ecs);
	ask_raw(q, len, GUEST_PORT);
	ask_raw(q, len, GUEST_PORT);
	assert_true(run_frames(2, 2000));
	assert_int_equal(fake[0].queries, 2); /* for each its own */
	assert_int_equal(fake[0].last_len, len);
	assert_memory_equal(fake[0].last + 2, q + 2, 10);
	assert_memory_equal(fake[0].last + 24, q + 24, len - 24);
}

static void equal_questions_are_asked_once(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(1, "a.example", DNS_A, 0);
	ask(2, "A.Example", DNS_A, 0);
	ask(3, "a.exampLE", DNS_A, 0);
	ask(4, "a.example", DNS_AAAA, 0);
	ask(5, "a.example", DNS_A, 1232);
	ask(6, "b.example", DNS_A, 0);
	assert_int_equal(dns->queries_n, 4);
	assert_int_equal(dns->asks_n, 6);
	assert_true(run_frames(6, 2000));
	assert_int_equal(fake[0].queries, 4);
	/* Each in its own words. */
	static const char *const names[] = {"\1a\7example", "\1A\7Example", "\1a\7exampLE"};
	unsigned seen = 0;
	for (int i = 0; i < 6; i++) {
		struct view v = answer(i);
		unsigned id = header_of(v).id;
		seen |= 1u << id;
		assert_int_equal(header_of(v).count[3], id == 5);
		if (id >= 1 && id <= 3)
			assert_memory_equal(v.p + 12, names[id - 1], 10);
	}
	assert_int_equal(seen, 0x7e);
}

static void silent_resolver_gives_way_to_the_next(void **state)
{
	upstream_add(fake[0].port);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	uint64_t start = clock_now_us();
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_in_range(ms_since(start), 390, 790);
	assert_int_equal(last_byte(answer(0)), 2);
	/* And is not asked first again for a while. */
	start = clock_now_us();
	ask(2, "a.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_true(ms_since(start) < AT_ONCE_MS);
	assert_int_equal(fake[0].queries, 1);
}

static void single_resolver_is_asked_again_after_a_loss(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = LATE;
	ask(9, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	/* The answer to the first attempt counts, although it came after the second went out. */
	assert_int_equal(fake[0].queries, 2);
	assert_int_equal(header_of(answer(0)).id, 9);
	assert_int_equal(rcode_of(answer(0)), DNS_NOERROR);
}

static void refused_resolver_is_passed_over_at_once(void **state)
{
	uint16_t dead = fake[0].port;
	fake_stop(&fake[0]);
	upstream_add(dead);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	uint64_t start = clock_now_us();
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_true(ms_since(start) < AT_ONCE_MS);
	assert_int_equal(last_byte(answer(0)), 2);
}

static void error_code_is_an_answer(void **state)
{
	upstream_add(fake[0].port);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	fake[0].rcode = DNS_SERVFAIL;
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(fake[1].queries, 0);
}

static void nobody_answers_in_time(void **state)
{
	char text[256];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	uint64_t start = clock_now_us();
	ask(3, "a.example", DNS_A, 1232);
	ask(4, "a.example", DNS_A, 1232);
	assert_true(run_frames(2, 3000));
	assert_in_range(ms_since(start), 1190, 2500);
	assert_int_equal(fake[0].queries, 2);
	assert_int_equal(header_of(answer(0)).id, 3);
	assert_int_equal(rcode_of(answer(1)), DNS_SERVFAIL);
	assert_int_equal(ede_of(answer(0), text), DNS_EDE_NO_REACHABLE_AUTHORITY);
	assert_string_equal(text, "no resolver answered in time");
	assert_int_equal(sb.cnt.dns_failures, 2);
}

static void nobody_is_there_at_all(void **state)
{
	fake_stop(&fake[0]);
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(3, "a.example", DNS_A, 1232);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(ede_of(answer(0), NULL), DNS_EDE_NETWORK_ERROR);
}

static void truncated_answer_is_asked_again_over_tcp(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = TRUNCATE;
	ask(3, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_false(header_of(answer(0)).flags & DNS_TC);
	assert_int_equal(header_of(answer(0)).count[1], 1);
	assert_int_equal(fake[0].tcp_queries, 1);
	/* Without TCP there, the next resolver is asked. */
	fake_stop_tcp(&fake[0]);
	upstream_add(fake[1].port);
	struct error err;
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	ask(4, "b.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_int_equal(last_byte(answer(1)), 2);
}

static void answer_over_the_askers_size_is_cut_to_whole_records(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = BIG;
	ask(3, "a.example", 16, 0);
	assert_true(run_frames(1, 2000));
	struct view v = answer(0);
	assert_in_range(v.len, 512 - 130, 512);
	assert_true(header_of(v).flags & DNS_TC);
	assert_int_equal(header_of(v).count[1], 3);
	assert_int_equal(last_byte(v), 'c');
	assert_int_equal(header_of(v).id, 3);
	/* One that fits goes out whole, in fragments where it must. */
	frame_n = 0;
	ask(4, "a.example", 16, 4096);
	assert_true(run_frames(2, 2000));
	size_t len = get_be16(frames[0].b + 38) - 8u;
	assert_in_range(len, 20 * 130, 3000);
}

static void error_without_a_question_is_an_answer(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = HEADER_ONLY;
	ask(3, "a.example", DNS_A, 0);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(rcode_of(answer(0)), DNS_FORMERR);
	assert_int_equal(header_of(answer(0)).id, 3);
}

static void oldest_asker_gives_way_at_the_limit(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	for (unsigned i = 0; i < DNS_ASKS_MAX; i++) {
		char name[32];
		snprintf(name, sizeof(name), "n%u.example", i / 2);
		ask((uint16_t)i, name, DNS_A, 0);
	}
	assert_int_equal(frame_n, 0);
	assert_int_equal(dns->asks_n, DNS_ASKS_MAX);
	assert_int_equal(dns->queries_n, DNS_ASKS_MAX / 2);
	ask(1000, "z.example", DNS_A, 0);
	assert_int_equal(frame_n, 1);
	assert_int_equal(header_of(answer(0)).id, 0);
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(dns->queries_n, DNS_ASKS_MAX / 2 + 1); /* another waits for the first */
	ask(1001, "z.example", DNS_A, 0);
	assert_int_equal(header_of(answer(1)).id, 1);
	assert_int_equal(dns->queries_n, DNS_ASKS_MAX / 2);
	assert_int_equal(dns->asks_n, DNS_ASKS_MAX);
}

static void train_of_datagrams_is_several_queries(void **state)
{
	uint8_t q[1024];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	size_t len = make_query(q, 1, "a.example", DNS_A, 0);
	make_query(q + len, 2, "b.example", DNS_A, 0);
	struct udp_datagram d = {
		.src = guest4,
		.dst = gw4,
		.sport = GUEST_PORT,
		.dport = 53,
		.gso_size = (uint16_t)len,
		.payload = view_make(q, 2 * len),
	};
	dns_proxy_udp(dns, &d);
	assert_true(run_frames(2, 2000));
	assert_int_equal(header_of(answer(0)).id + header_of(answer(1)).id, 3);
}

/* ---- the host's resolv.conf, and other configurations ---- */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void resolvers_follow_the_file(void **state)
{
	char path[] = "/tmp/weir-dns-XXXXXX", file[64], text[IPADDR_STRLEN];
	static const char *const line[] = {"nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n"};
	assert_non_null(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/resolv.conf", path);
	conf.dns_cache = true;
	proxy_up(file);
	/* While there is none, the local host is meant. */
	assert_int_equal(dns->res.n, 1);
	assert_true(ipaddr_eq(&dns->res.v[0]->at.addr, &lo4));
	for (int i = 0; i < 2; i++) {
		write_file(file, line[i]);
		/* At once where inotify speaks through the loop; a machine may have no instance of
		 * it left, and then within a second. */
		uint64_t start = clock_now_us();
		do {
			run_until(NULL, 20);
			ask(1, "host.weir.internal", DNS_A, 0);
			ipaddr_str(&dns->res.v[0]->at.addr, text);
		} while (memcmp(text, line[i] + 11, 9) != 0 && ms_since(start) < 3000);
		assert_memory_equal(text, line[i] + 11, 9);
		assert_int_equal(dns->res.n, 1);
		assert_int_equal(dns->res.v[0]->at.port, 53);
	}
	unlink(file);
	rmdir(path);
}

static void another_configuration_leaves_queries_alive(void **state)
{
	struct error err;
	upstream_add(fake[0].port);
	conf.dns_cache = true;
	proxy_up(NULL);
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	ask(2, "b.example", DNS_A, 0);
	/* In flight at the first resolver while the second takes its place. */
	dns_proxy_flush(dns);
	conf.dns_upstream[0].port = fake[1].port;
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	assert_true(run_frames(2, 2000));
	assert_int_equal(last_byte(answer(1)), 1);
	/* What the first one said is not kept. */
	ask(3, "a.example", DNS_A, 0);
	assert_true(run_frames(3, 2000));
	assert_int_equal(last_byte(answer(2)), 2);
	assert_int_equal(fake[1].queries, 1);
	/* Nothing changes: the cache is as it was. */
	assert_int_equal(dns_proxy_reload(dns, &conf, &err), 0);
	ask(4, "a.example", DNS_A, 0);
	assert_int_equal(frame_n, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(query_is_forwarded_and_answered),
		T(unknown_types_pass),
		T(the_askers_edns_decides_about_ours),
		T(query_with_options_goes_out_whole),
		T(equal_questions_are_asked_once),
		T(silent_resolver_gives_way_to_the_next),
		T(single_resolver_is_asked_again_after_a_loss),
		T(refused_resolver_is_passed_over_at_once),
		T(error_code_is_an_answer),
		T(nobody_answers_in_time),
		T(nobody_is_there_at_all),
		T(truncated_answer_is_asked_again_over_tcp),
		T(answer_over_the_askers_size_is_cut_to_whole_records),
		T(error_without_a_question_is_an_answer),
		T(oldest_asker_gives_way_at_the_limit),
		T(train_of_datagrams_is_several_queries),
		T(resolvers_follow_the_file),
		T(another_configuration_leaves_queries_alive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
