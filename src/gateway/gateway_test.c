// SPDX-License-Identifier: Apache-2.0
/* Tests of the gateway: sandboxes come, go and change while others talk, on one worker and on many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway_rig.h"

#define MANY 200

/* ThreadSanitizer takes recv() with MSG_TRUNC for one that writes, also where there is no buffer.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:host_consume\n";
}

static struct config host_conf, none_conf;

static int set_up(void **state)
{
	rig_config(&host_conf, "host");
	rig_config(&none_conf, "none");
	return 0;
}

static int tear_down(void **state)
{
	config_done(&host_conf);
	config_done(&none_conf);
	return 0;
}

static struct gateway *make(unsigned workers)
{
	struct gateway_options o = {.workers = workers};
	struct error err;
	struct gateway *g = gateway_new(&o, &err);

	assert_non_null(g);
	return g;
}

/* A connection that works, and is closed. */
static bool fetch(struct rig_guest *v)
{
	uint16_t port;
	int server = rig_server(&port), fd = -1;
	bool ok = rig_connect(v, port) == RIG_CONNECTED && rig_talk(v, server, &fd);

	if (fd >= 0)
		close(fd);
	close(server);
	return ok;
}

static void a_sandbox_answers_until_it_is_removed(void **state)
{
	struct gateway *g = make(1);
	struct gateway_counters c;
	struct rig_guest v;
	struct frame f[4];

	rig_guest_add(&v, g, &host_conf, 3);
	assert_true(rig_ping(&v));
	assert_true(fetch(&v));
	assert_int_equal(gateway_counters(g, v.id, &c), 0);
	assert_true(c.stack.rx_frames >= 4 && c.flow.tcp_dialed == 1 && !c.link_lost);
	assert_int_equal(gateway_count(g), 1);
	assert_int_equal(gateway_remove(g, v.id), 0);
	assert_int_equal(gateway_remove(g, v.id), -1);
	assert_int_equal(gateway_counters(g, v.id, &c), -1);
	assert_int_equal(gateway_count(g), 0);
	while (ring_pop(v.ring, f, 4) > 0)
		;
	assert_true(ring_pop(v.ring, f, 4) < 0);
	rig_guest_done(&v);
	gateway_free(g);
}

static void workers_are_as_many_as_are_needed(void **state)
{
	struct gateway *g = make(3);
	struct rig_guest v[5];

	assert_int_equal(gateway_workers(g), 0);
	/* One that has lost its sandbox is taken before another one is started. */
	for (unsigned i = 0; i < 3; i++) {
		rig_guest_add(&v[0], g, &host_conf, 0);
		assert_int_equal(gateway_workers(g), 1);
		gateway_remove(g, v[0].id);
		rig_guest_done(&v[0]);
	}
	for (unsigned i = 0; i < 5; i++) {
		rig_guest_add(&v[i], g, &host_conf, i);
		assert_int_equal(gateway_workers(g), i < 3 ? i + 1 : 3);
	}
	/* A worker that has lost its sandboxes gets the next one. */
	gateway_remove(g, v[0].id);
	gateway_remove(g, v[3].id);
	rig_guest_done(&v[0]);
	rig_guest_done(&v[3]);
	rig_guest_add(&v[0], g, &host_conf, 0);
	assert_int_equal(gateway_workers(g), 3);
	assert_true(rig_ping(&v[0]) && rig_ping(&v[4]));
	gateway_free(g);
	rig_guest_done(&v[0]);
	rig_guest_done(&v[1]);
	rig_guest_done(&v[2]);
	rig_guest_done(&v[4]);
}

static void what_cannot_be_added_leaves_the_others_alone(void **state)
{
	struct gateway *g = make(1);
	struct config bad;
	struct rig_guest v, w = {0};
	struct error err = {0};

	rig_guest_add(&v, g, &host_conf, 1);
	struct gateway_spec spec = {.name = "vm-1", .conf = &host_conf, .stack = v.cfg};
	spec.link = rig_ring(&w);
	assert_int_equal(gateway_add(g, &spec, &err), 0);
	assert_non_null(strstr(err.msg, "'vm-1'"));
	rig_guest_done(&w);
	spec.name = "no/name";
	spec.link = rig_ring(&w);
	assert_int_equal(gateway_add(g, &spec, &err), 0);
	assert_non_null(strstr(err.msg, "'no/name'"));
	rig_guest_done(&w);
	/* And one that only the worker finds out. */
	rig_config(&bad, "host");
	bad.pcap_path = strdup("/nowhere/at/all.pcapng");
	spec.name = "other";
	spec.conf = &bad;
	spec.link = rig_ring(&w);
	assert_int_equal(gateway_add(g, &spec, &err), 0);
	assert_non_null(strstr(err.msg, "/nowhere"));
	rig_guest_done(&w);
	config_done(&bad);
	assert_int_equal(gateway_count(g), 1);
	assert_true(fetch(&v));
	gateway_stop(g);
	spec = (struct gateway_spec){.name = "late", .conf = &host_conf, .stack = v.cfg};
	spec.link = rig_ring(&w);
	assert_int_equal(gateway_add(g, &spec, &err), 0);
	assert_non_null(strstr(err.msg, "stopped"));
	rig_guest_done(&w);
	gateway_free(g);
	rig_guest_done(&v);
}

/* ---- all at once ----------------------------------------------------------------------------- */

#define THREADS 4
#define EACH    4
#define ROUNDS  20

struct talker {
	pthread_t thread;
	struct rig_guest v[EACH];
	bool ok;
};

static void *talk(void *arg)
{
	struct talker *t = arg;

	t->ok = true;
	for (int r = 0; r < ROUNDS && t->ok; r++) {
		for (int i = 0; i < EACH && t->ok; i++)
			t->ok = rig_ping(&t->v[i]) && fetch(&t->v[i]);
	}
	return NULL;
}

/* Sandboxes that come and go, and questions, while all others talk. */
static void sixteen_talk_on_four_workers_while_others_come_and_go(void **state)
{
	struct gateway *g = make(4);
	struct talker t[THREADS];
	struct gateway_counters c;
	struct gateway_change ch = {.conf = &host_conf, .running = &host_conf};
	struct rig_guest guest;
	struct error err;

	for (unsigned i = 0; i < THREADS * EACH; i++)
		rig_guest_add(&t[i / EACH].v[i % EACH], g, &host_conf, i);
	assert_int_equal(gateway_workers(g), 4);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i].thread, NULL, talk, &t[i]), 0);
	for (unsigned i = 0; i < 40; i++) {
		rig_guest_add(&guest, g, &host_conf, 100 + i);
		assert_true(rig_ping(&guest));
		ch.id = t[i % THREADS].v[i % EACH].id;
		assert_int_equal(gateway_reload(g, &ch, 1, &err), 0);
		assert_int_equal(gateway_counters(g, ch.id, &c), 0);
		assert_int_equal(gateway_remove(g, guest.id), 0);
		rig_guest_done(&guest);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i].thread, NULL);
	for (unsigned i = 0; i < THREADS * EACH; i++) {
		assert_true(t[i / EACH].ok);
		assert_int_equal(gateway_counters(g, t[i / EACH].v[i % EACH].id, &c), 0);
		assert_int_equal(c.flow.tcp_dialed, ROUNDS);
	}
	gateway_free(g);
	for (unsigned i = 0; i < THREADS * EACH; i++)
		rig_guest_done(&t[i / EACH].v[i % EACH]);
}

static void two_hundred_have_a_network_each(void **state)
{
	struct gateway *g = make(2);
	struct rig_guest *v = calloc(MANY, sizeof(*v));

	assert_non_null(v);
	for (unsigned i = 0; i < MANY; i++)
		rig_guest_add(&v[i], g, &host_conf, i);
	assert_int_equal(gateway_count(g), MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(rig_ping(&v[i]));
	for (unsigned i = 0; i < MANY; i += 20)
		assert_true(fetch(&v[i]));
	gateway_free(g);
	for (unsigned i = 0; i < MANY; i++)
		rig_guest_done(&v[i]);
	free(v);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* More addresses for one name than an answer has room for. */
static void too_many_records(struct config *c)
{
	struct config_record r = {0};
	struct error err;

	rig_config(c, "host");
	assert_int_equal(name_read("many.example", 12, &r.name), 0);
	for (unsigned i = 0; i < 1000; i++) {
		r.addr = ipaddr_v4((uint8_t[4]){10, 0, (uint8_t)(i >> 8), (uint8_t)i});
		assert_int_equal(config_add_record(c, &r, &err), 0);
	}
}

static void a_reload_is_for_all_or_for_none(void **state)
{
	struct gateway *g = make(2);
	struct rig_guest a, b;
	struct config bad, full;
	struct error err = {0};
	uint16_t port;
	int server = rig_server(&port), fd;

	rig_config(&bad, "host");
	strv_add(&bad.rules, "allow@nonsense@nonsense");
	rig_guest_add(&a, g, &none_conf, 1);
	rig_guest_add(&b, g, &host_conf, 2);
	assert_int_equal(rig_connect(&a, port), RIG_REFUSED);
	assert_int_equal(rig_connect(&b, port), RIG_CONNECTED);
	assert_true(rig_talk(&b, server, &fd));
	struct gateway_change ch[] = {
		{.id = a.id, .conf = &host_conf, .running = &none_conf},
		{.id = b.id, .conf = &bad, .running = &host_conf},
	};
	assert_int_equal(gateway_reload(g, ch, 2, &err), -1);
	assert_non_null(strstr(err.msg, "sandbox 'vm-2': "));
	assert_int_equal(rig_connect(&a, port), RIG_REFUSED);
	/* One that only the sandbox itself can find out, after the other has changed already. */
	too_many_records(&full);
	ch[1].conf = &full;
	assert_int_equal(gateway_reload(g, ch, 2, &err), -1);
	assert_non_null(strstr(err.msg, "sandbox 'vm-2': the DNS records"));
	assert_int_equal(rig_connect(&a, port), RIG_REFUSED);
	config_done(&full);
	ch[1].conf = &none_conf;
	assert_int_equal(gateway_reload(g, ch, 2, &err), 0);
	/* What is open and forbidden now ends. */
	assert_true(rig_sees_reset(&b));
	close(fd);
	assert_int_equal(rig_connect(&b, port), RIG_REFUSED);
	assert_int_equal(rig_connect(&a, port), RIG_CONNECTED);
	assert_true(rig_talk(&a, server, &fd));
	close(fd);
	ch[0].id = 999;
	assert_int_equal(gateway_reload(g, ch, 1, &err), -1);
	gateway_free(g);
	rig_guest_done(&a);
	rig_guest_done(&b);
	config_done(&bad);
	close(server);
}

static void the_end_of_a_sandbox_resets_its_flows(void **state)
{
	struct gateway *g = make(1);
	struct rig_guest v;
	uint16_t port;
	int server = rig_server(&port), fd;

	rig_guest_add(&v, g, &host_conf, 0);
	assert_int_equal(rig_connect(&v, port), RIG_CONNECTED);
	assert_true(rig_talk(&v, server, &fd));
	gateway_remove(g, v.id);
	assert_int_equal(rig_server_sees(fd), ECONNRESET);
	assert_true(rig_sees_reset(&v));
	close(fd);
	close(server);
	rig_guest_done(&v);
	gateway_free(g);
}

static void what_a_guest_had_finished_still_arrives(void **state)
{
	struct gateway *g = make(1);
	struct gateway_counters c;
	struct rig_guest v;
	uint16_t port;
	int server = rig_server(&port), fd;

	rig_guest_add(&v, g, &host_conf, 0);
	assert_int_equal(rig_connect(&v, port), RIG_CONNECTED);
	assert_true(rig_talk(&v, server, &fd));
	assert_true(rig_fin(&v));
	assert_true(rig_ping(&v)); /* it is behind the FIN */
	assert_int_equal(gateway_counters(g, v.id, &c), 0);
	assert_int_equal(c.tcp_open, 1);
	gateway_remove(g, v.id);
	assert_int_equal(rig_server_sees(fd), 0);
	assert_true(rig_sees_reset(&v));
	close(fd);
	close(server);
	rig_guest_done(&v);
	gateway_free(g);
}

/* ---- a link that comes back ------------------------------------------------------------------ */

struct returning {
	struct rig_guest next; /* the ring of the next guest */
	_Atomic int lost, back, tries;
};

static struct link *reopen(void *arg, struct error *err)
{
	struct returning *r = arg;

	/* The first attempt fails. */
	if (r->tries++ == 0) {
		error_set(err, "not yet");
		return NULL;
	}
	return rig_ring(&r->next);
}

static void notice(void *ctx, uint32_t id, enum gateway_notice what, int err)
{
	struct returning *r = ctx;

	if (what == GATEWAY_LINK_LOST)
		r->lost++;
	else
		r->back++;
}

static void a_link_that_ends_is_made_anew_for_the_same_sandbox(void **state)
{
	struct returning r = {0};
	struct gateway_options o = {.workers = 1, .notify = notice, .ctx = &r};
	struct error err = {0};
	struct gateway *g = gateway_new(&o, &err);
	struct rig_guest other, first;
	struct gateway_counters c;
	uint16_t port;
	int server = rig_server(&port), fd;

	assert_non_null(g);
	rig_guest_add(&other, g, &host_conf, 8);
	rig_guest_add(&first, g, &host_conf, 7);
	gateway_remove(g, first.id);
	rig_guest_done(&first);
	/* Without a MAC: that of each guest is learned. */
	struct gateway_spec spec = {.name = "vm", .conf = &host_conf, .stack = first.cfg};
	memset(spec.stack.guest_mac, 0, 6);
	spec.link = rig_ring(&first);
	spec.reopen = reopen;
	spec.arg = &r;
	first.id = gateway_add(g, &spec, &err);
	assert_int_not_equal(first.id, 0);
	assert_int_equal(rig_connect(&first, port), RIG_CONNECTED);
	assert_true(rig_talk(&first, server, &fd));
	rig_guest_done(&first);
	/* Its peer hears of it at once, and the neighbour of nothing. */
	assert_int_equal(rig_server_sees(fd), ECONNRESET);
	close(fd);
	assert_true(rig_ping(&other));
	for (int i = 0; i < 500 && !r.back; i++)
		usleep(10000);
	assert_int_equal(r.lost, 1);
	assert_int_equal(r.back, 1);
	assert_int_equal(r.tries, 2);
	r.next.cfg = first.cfg;
	r.next.cfg.guest_mac[5] = 0x77;
	assert_true(rig_ping(&r.next));
	assert_true(fetch(&r.next));
	assert_int_equal(gateway_counters(g, first.id, &c), 0);
	assert_false(c.link_lost);
	gateway_free(g);
	rig_guest_done(&r.next);
	rig_guest_done(&other);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sandbox_answers_until_it_is_removed),
		cmocka_unit_test(workers_are_as_many_as_are_needed),
		cmocka_unit_test(what_cannot_be_added_leaves_the_others_alone),
		cmocka_unit_test(sixteen_talk_on_four_workers_while_others_come_and_go),
		cmocka_unit_test(two_hundred_have_a_network_each),
		cmocka_unit_test(a_reload_is_for_all_or_for_none),
		cmocka_unit_test(the_end_of_a_sandbox_resets_its_flows),
		cmocka_unit_test(what_a_guest_had_finished_still_arrives),
		cmocka_unit_test(a_link_that_ends_is_made_anew_for_the_same_sandbox),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
