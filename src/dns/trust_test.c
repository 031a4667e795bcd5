// SPDX-License-Identifier: Apache-2.0
/*
 * What is believed: ports, IDs and case of questions, and answers that are forged or broken.
 */
#include "dns/proxy_rig.h"

#include <netinet/in.h>

static void ask_name(int i)
{
	char name[32];
	snprintf(name, sizeof(name), "name%d.example", i);
	ask((uint16_t)i, name, DNS_A, 0);
}

/* One question at a time: as long as a resolver has few sockets, each gets a new one. */
static void single_questions_have_ports_of_their_own(void **state)
{
	int same_id = 0, same_port = 0;
	uint16_t id[SOCK_OPEN_MAX], port[SOCK_OPEN_MAX];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < SOCK_OPEN_MAX; i++) {
		ask_name(i);
		assert_true(run_frames(i + 1, 2000));
		id[i] = fake[0].last_id;
		port[i] = fake[0].last_sport;
		for (int k = 0; k < i; k++) {
			same_id += id[k] == id[i];
			same_port += port[k] == port[i];
		}
	}
	assert_true(same_id <= 1);
	assert_int_equal(same_port, 0);
	assert_int_equal(dns->socks_n, SOCK_OPEN_MAX);
	/* Further ones share what is open, and after its time each socket is gone. */
	ask_name(100);
	assert_true(run_frames(SOCK_OPEN_MAX + 1, 2000));
	assert_int_equal(dns->socks_n, SOCK_OPEN_MAX);
	run_until(NULL, 2100);
	assert_int_equal(dns->socks_n, 0);
}

static void questions_of_one_turn_leave_through_one_socket(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < 100; i++)
		ask_name(i);
	assert_int_equal(dns->socks_n, 1);
	assert_true(run_frames(100, 2000));
	assert_int_equal(fake[0].queries, 100);
	/* One that has taken its share of questions gives way within a turn, too. */
	for (int i = 0; i < DNS_ASKS_MAX - 1; i++)
		ask_name(1000 + i);
	assert_int_equal(dns->socks_n, 2);
}

static void case_of_names_is_random(void **state)
{
	unsigned upper = 0, lower = 0, changed = 0;
	uint8_t before[26] = {0};
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < 20; i++) {
		ask((uint16_t)i, "abcdefghijklmnopqrstuvwxyz.example", DNS_A, 0);
		assert_true(run_frames(i + 1, 2000));
		for (int k = 0; k < 26; k++) {
			uint8_t c = fake[0].last[DNS_HLEN + 1 + k];
			upper += c < 'a';
			lower += c >= 'a';
			changed += i && c != before[k];
			before[k] = c;
		}
		/* The guest gets its own back. */
		assert_memory_equal(answer(i).p + DNS_HLEN + 1, "abcdefghijklm", 13);
	}
	/* 520 letters: half of them each, within eight standard deviations. */
	assert_in_range(upper, 170, 350);
	assert_in_range(lower, 170, 350);
	assert_in_range(changed, 160, 340);
}

static void answers_that_do_not_match_are_not_believed(void **state)
{
	static const enum behaviour kinds[] = {WRONG_ID, WRONG_QUESTION, WRONG_PORT};
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < 3; i++) {
		fake[0].how = kinds[i];
		ask_name(i);
		assert_true(run_frames(i + 1, 2000));
		assert_int_equal(last_byte(answer(i)), 1);
	}
	run_until(NULL, 20);
	assert_int_equal(frame_n, 3);
	assert_int_equal(fake[0].tcp_queries, 0);
}

static void flood_of_wrong_answers_leads_to_tcp(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = WRONG_FLOOD;
	ask_name(1);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(last_byte(answer(0)), 1);
	assert_int_equal(fake[0].tcp_queries, 1);
	assert_int_equal(dns->socks_n, 0); /* that port is closed */
}

static void lost_case_is_asked_again_over_tcp_once(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = LOSES_CASE;
	ask(1, "a-name-with-many-letters.example", DNS_A, 0);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(last_byte(answer(0)), 1);
	assert_int_equal(fake[0].tcp_queries, 1);
	/* The resolver is known for it now. */
	ask(2, "another-name-with-many-letters.example", DNS_A, 0);
	assert_true(run_frames(2, AT_ONCE_MS));
	assert_int_equal(fake[0].queries, 2);
	assert_int_equal(fake[0].tcp_queries, 1);
}

/* A forger who guessed port and ID gets no further: over TCP the case comes back. */
static bool forged;
static void lose_case_of_one(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			     uint16_t counts[3])
{
	uint8_t a[4] = {93, 184, 216, 66};
	if (!forged) {
		forged = true;
		for (unsigned i = DNS_HLEN; w->p[i]; i += w->p[i] + 1u)
			for (unsigned k = 1; k <= w->p[i]; k++)
				w->p[i + k] |= 0x20;
	} else {
		a[3] = f->mark;
	}
	put_rr(w, NULL, DNS_A, 300, a, 4);
	counts[0]++;
}

static void one_answer_in_the_wrong_case_does_not_end_the_randomness(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	forged = false;
	fake[0].records = lose_case_of_one;
	ask(1, "anamewithmanylettersinit.example", DNS_A, 0);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(last_byte(answer(0)), 1);
	assert_int_equal(fake[0].tcp_queries, 1);
	assert_int_equal(dns->res.v[0]->plain_until, 0);
}

static void lost_case_without_tcp_still_resolves(void **state)
{
	upstream_add(fake[0].port);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	fake[0].how = LOSES_CASE;
	fake_stop_tcp(&fake[0]);
	ask(1, "a-name-with-many-letters.example", DNS_A, 0);
	assert_true(run_frames(1, AT_ONCE_MS));
	assert_int_equal(last_byte(answer(0)), 2); /* the next one for now */
	dns->res.v[0]->slow_until = 0;
	ask(2, "another-name-with-many-letters.example", DNS_A, 0);
	assert_true(run_frames(2, AT_ONCE_MS));
	assert_int_equal(last_byte(answer(1)), 1);
}

static void put_garbage(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			uint16_t counts[3])
{
	wbuf_put_bytes(w, "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1", 13); /* half an address */
	counts[0]++;
}

static void garbage_in_an_answer_is_a_failure(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].records = put_garbage;
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(header_of(answer(0)).count[1], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(single_questions_have_ports_of_their_own),
		T(questions_of_one_turn_leave_through_one_socket),
		T(case_of_names_is_random),
		T(answers_that_do_not_match_are_not_believed),
		T(flood_of_wrong_answers_leads_to_tcp),
		T(lost_case_is_asked_again_over_tcp_once),
		T(one_answer_in_the_wrong_case_does_not_end_the_randomness),
		T(lost_case_without_tcp_still_resolves),
		T(garbage_in_an_answer_is_a_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
