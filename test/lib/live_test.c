// SPDX-License-Identifier: Apache-2.0
/*
 * Sandboxes that run: a guest on a ring against a web server on the host's loopback. What it may
 * reach, what is changed under it, what is told about it, and that nothing of it is printed.
 */
#include "kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN   "policy: {rules: [allow@host]}"
#define CLOSED "policy: {rules: []}"

struct rig {
	struct server server;
	struct weir_gateway *g;
	struct weir_sandbox *s;
	struct weir_ring *ring;
	struct guest guest;
	atomic_int ends, end_error, events, denials, policies, lines, deadlocks;
	char page[4096];
};

static void on_event(void *ctx, const char *json, size_t n)
{
	struct rig *r = ctx;
	struct weir_error err = {0};
	uint64_t v;

	r->events++;
	if (json[0] != '{' || json[n - 1] != '\n' || memchr(json, '\n', n - 1))
		fail_msg("no line of JSON: %.*s", (int)n, json);
	if (memmem(json, n, "\"deny\"", 6))
		r->denials++;
	if (memmem(json, n, "\"policy\"", 8))
		r->policies++;
	/* A call from in here is refused, and does not hang. */
	if (weir_sandbox_counter(r->s, "refused", &v, &err) < 0 && err.code == EDEADLK)
		r->deadlocks++;
	weir_sandbox_stop(r->s);
}

static void on_end(void *ctx, enum weir_end why, int error)
{
	struct rig *r = ctx;

	r->end_error = error;
	r->ends++;
}

static void on_log(void *ctx, int level, const char *text)
{
	struct rig *r = ctx;

	r->lines++;
}

static void rig_start(struct rig *r, const char *text)
{
	struct weir_gateway_options go = {
		.size = sizeof(go), .log = on_log, .log_ctx = r, .log_level = WEIR_LOG_DEBUG};
	struct weir_sandbox_options so = {.size = sizeof(so),
					  .name = "live",
					  .ctx = r,
					  .family4 = WEIR_FAMILY_ON,
					  .family6 = WEIR_FAMILY_OFF,
					  .on_event = on_event,
					  .on_end = on_end};
	struct weir_error err = {0};
	struct weir_config *c = config(text);

	memset(r, 0, sizeof(*r));
	server_start(&r->server);
	r->g = weir_gateway_new(&go, &err);
	ok(r->g, err);
	r->s = weir_sandbox_new(r->g, c, &so, &err);
	ok(r->s, err);
	weir_config_free(c);
	r->ring = weir_sandbox_take_ring(r->s, NULL, &err);
	ok(r->ring, err);
	ok(weir_sandbox_start(r->s, &err) == 0, err);
	guest_on_ring(&r->guest, r->s, r->ring);
}

static void rig_stop(struct rig *r)
{
	weir_sandbox_free(r->s);
	weir_ring_free(r->ring);
	weir_gateway_free(r->g);
	server_stop(&r->server);
}

static enum guest_result fetch(struct rig *r)
{
	if (!r->guest.addr)
		assert_int_equal(guest_configure(&r->guest), GUEST_OK);
	return guest_fetch(&r->guest, r->guest.gateway, r->server.port, "x", "/", r->page,
			   sizeof(r->page));
}

static uint64_t counter(struct rig *r, const char *name)
{
	struct weir_error err = {0};
	uint64_t v = 0;

	ok(weir_sandbox_counter(r->s, name, &v, &err) == 0, err);
	return v;
}

/* ---- the way of a page ---- */

static void guest_fetches_a_page(void **state)
{
	struct rig r;
	uint32_t addr;

	rig_start(&r, OPEN);
	assert_int_equal(fetch(&r), GUEST_OK);
	assert_non_null(strstr(r.page, "hello"));
	assert_int_equal(guest_resolve(&r.guest, "host.weir.internal", &addr), GUEST_OK);
	assert_int_equal(addr, r.guest.gateway);
	rig_stop(&r);
}

static void nothing_is_printed(void **state)
{
	struct weir_error err = {0};
	struct rig r;
	uint16_t port;

	output_watch();
	rig_start(&r, "policy: {rules: [deny@public, allow@host]}\n"
		      "ports: [{host_port: 0, guest_port: 80}]\n");
	enum guest_result first = fetch(&r);
	int published = weir_sandbox_publish(r.s, "0:81", &port, &err);
	weir_sandbox_set_policy(r.s, WEIR_YAML, CLOSED, strlen(CLOSED), 0, NULL);
	enum guest_result second = fetch(&r);
	weir_ring_free(r.ring);
	r.ring = NULL;
	for (int i = 0; i < 200 && !r.ends; i++)
		poll(NULL, 0, 10);
	int lines = r.lines;
	rig_stop(&r);
	size_t n = output_seen();
	assert_int_equal(n, 0);
	assert_int_equal(first, GUEST_OK);
	assert_int_equal(published, 0);
	assert_int_equal(second, GUEST_REFUSED);
	/* There was something to say, and it was said to the callback. */
	assert_true(lines > 0);
}

/* ---- policy ---- */

static void policy_changes_live(void **state)
{
	struct weir_error err = {0};
	struct rig r;

	rig_start(&r, CLOSED);
	assert_int_equal(fetch(&r), GUEST_REFUSED);
	assert_true(counter(&r, "refused") > 0);
	ok(weir_sandbox_set_policy(r.s, WEIR_YAML, OPEN, strlen(OPEN), 0, &err) == 0, err);
	assert_int_equal(fetch(&r), GUEST_OK);
	static const char json[] = "{\"policy\": {\"rules\": [\"deny@host\"]}}";
	ok(weir_sandbox_set_policy(r.s, WEIR_JSON, json, strlen(json), 0, &err) == 0, err);
	assert_int_equal(fetch(&r), GUEST_REFUSED);
	assert_true(r.policies >= 3);
	rig_stop(&r);
}

static void wrong_policy_changes_nothing(void **state)
{
	static const char *const wrong[] = {"policy: {rules: [allow@]}", "policy: {rulez: []}",
					    "interface: {mtu: 1400}", "policy: {rules: [allow@host",
					    "- 1"};
	struct weir_error err = {0};
	struct rig r;

	rig_start(&r, OPEN);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(weir_sandbox_set_policy(r.s, WEIR_YAML, wrong[i], strlen(wrong[i]),
							 0, &err),
				 -1);
		assert_error(&err, EINVAL, "policy");
	}
	assert_int_equal(weir_sandbox_set_policy(r.s, WEIR_YAML, OPEN, strlen(OPEN), 6, &err), -1);
	assert_error(&err, EINVAL, "flags");
	assert_int_equal(fetch(&r), GUEST_OK);
	rig_stop(&r);
}

static void dry_run_changes_nothing(void **state)
{
	struct weir_error err = {0};
	struct rig r;

	rig_start(&r, OPEN);
	ok(weir_sandbox_set_policy(r.s, WEIR_YAML, CLOSED, strlen(CLOSED), WEIR_DRY_RUN, &err) == 0,
	   err);
	assert_int_equal(
		weir_sandbox_set_policy(r.s, WEIR_YAML, "policy: 1", 9, WEIR_DRY_RUN, &err), -1);
	assert_error(&err, EINVAL, "policy");
	assert_int_equal(fetch(&r), GUEST_OK);
	rig_stop(&r);
}

static void whole_configuration_changes_live(void **state)
{
	struct weir_error err = {0};
	struct weir_config *closed = config("policy: {rules: []}\ndns: {deny_rcode: refused}");
	struct weir_config *other = config("interface: {mtu: 1400}");
	struct rig r;

	rig_start(&r, OPEN);
	assert_int_equal(weir_sandbox_set_config(r.s, other, 0, &err), -1);
	assert_error(&err, EINVAL, "interface.mtu");
	ok(weir_sandbox_set_config(r.s, closed, WEIR_DRY_RUN, &err) == 0, err);
	assert_int_equal(fetch(&r), GUEST_OK);
	ok(weir_sandbox_set_config(r.s, closed, 0, &err) == 0, err);
	weir_config_free(closed);
	assert_int_equal(fetch(&r), GUEST_REFUSED);
	weir_config_free(other);
	rig_stop(&r);
}

/* ---- ports ---- */

/* Connects to the host's port: 0, or errno. The connection stays where ret_fd says. */
static int dial(uint16_t port, int *ret_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(*ret_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ? 0 : errno;
}

static void ports_are_published_live(void **state)
{
	struct weir_error err = {0};
	struct weir_port list[4];
	char text[32];
	struct rig r;
	uint16_t port = 0;
	int fd;

	rig_start(&r, OPEN);
	assert_int_equal(weir_sandbox_ports(r.s, list, 4), 0);
	ok(weir_sandbox_publish(r.s, "0:8080", &port, &err) == 0, err);
	assert_int_not_equal(port, 0);
	assert_int_equal(weir_sandbox_ports(r.s, list, 4), 1);
	assert_string_equal(list[0].address, "127.0.0.1");
	assert_int_equal(list[0].host_port, port);
	assert_int_equal(list[0].guest_port, 8080);
	assert_false(list[0].udp);
	assert_int_equal(weir_sandbox_ports(r.s, NULL, 0), 1);
	assert_int_equal(dial(port, &fd), 0);
	close(fd);
	for (int i = 0; i < 200 && counter(&r, "tcp-accepted") == 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(counter(&r, "tcp-accepted"), 1);
	/* A port that is taken: the whole range is given back. */
	snprintf(text, sizeof(text), "%u-%u:90-91", port - 1u, port + 0u);
	assert_int_equal(weir_sandbox_publish(r.s, text, NULL, &err), -1);
	assert_error(&err, ECANCELED, "cannot bind");
	assert_int_equal(weir_sandbox_ports(r.s, NULL, 0), 1);
	ok(weir_sandbox_publish(r.s, "0:53/udp", NULL, &err) == 0, err);
	assert_int_equal(weir_sandbox_ports(r.s, list, 4), 2);
	assert_true(list[1].udp);
	snprintf(text, sizeof(text), "%u:8080", port);
	ok(weir_sandbox_unpublish(r.s, text, &err) == 0, err);
	assert_int_equal(dial(port, &fd), ECONNREFUSED);
	close(fd);
	assert_int_equal(weir_sandbox_unpublish(r.s, text, &err), -1);
	assert_error(&err, ENOENT, text);
	assert_int_equal(weir_sandbox_publish(r.s, "x", NULL, &err), -1);
	assert_error(&err, EINVAL, "'x'");
	assert_int_equal(weir_sandbox_ports(r.s, NULL, 0), 1);
	rig_stop(&r);
}

/* A client's UDP flow ends with its port, and nothing of it is left behind. */
static void udp_port_goes_with_its_clients(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct weir_error err = {0};
	struct rig r;
	char text[32];
	uint16_t port;

	rig_start(&r, OPEN);
	assert_int_equal(guest_configure(&r.guest), GUEST_OK);
	ok(weir_sandbox_publish(r.s, "127.0.0.1:0:5000/udp", &port, &err) == 0, err);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sa.sin_port = htons(port);
	int before = r.events;
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)), 1);
	for (int i = 0; i < 200 && r.events == before; i++)
		poll(NULL, 0, 10);
	assert_true(r.events > before);
	before = r.events;
	snprintf(text, sizeof(text), "127.0.0.1:%u:5000/udp", port);
	ok(weir_sandbox_unpublish(r.s, text, &err) == 0, err);
	assert_true(r.events > before); /* the flow was closed */
	close(fd);
	rig_stop(&r);
}

static void busy_port_fails_the_start(void **state)
{
	struct weir_error err = {0};
	struct server server;
	char text[128];

	server_start(&server);
	snprintf(text, sizeof(text), "ports: [{host_port: %u, guest_port: 80}]", server.port);
	struct weir_gateway *g = weir_gateway_new(NULL, &err);
	struct weir_sandbox *s = sandbox(g, text, 0);
	struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);
	assert_int_equal(weir_sandbox_start(s, &err), -1);
	assert_error(&err, ECANCELED, "cannot bind");
	weir_ring_free(ring);
	weir_sandbox_free(s);
	weir_gateway_free(g);
	server_stop(&server);
}

/* ---- what is told ---- */

struct seen {
	unsigned names;
	uint64_t bytes, opened;
	bool reasons;
};

static void look(void *ctx, const char *name, uint64_t value)
{
	struct seen *s = ctx;

	s->names++;
	if (strcmp(name, "bytes-from-guest") == 0)
		s->bytes = value;
	if (strcmp(name, "tcp-opened") == 0)
		s->opened = value;
	if (strcmp(name, "dropped.bad-checksum") == 0)
		s->reasons = true;
}

static void counters_have_names(void **state)
{
	struct weir_error err = {0};
	struct seen seen = {0};
	struct rig r;
	uint64_t from, to, v = 7;

	rig_start(&r, OPEN);
	assert_int_equal(fetch(&r), GUEST_OK);
	weir_sandbox_counters(r.s, look, &seen);
	weir_sandbox_bytes(r.s, &from, &to);
	assert_true(seen.names > 60);
	assert_true(seen.reasons);
	assert_true(seen.bytes > 600 && from >= seen.bytes && to > 600);
	assert_int_equal(seen.opened, 1);
	assert_int_equal(weir_sandbox_counter(r.s, "bytes", &v, &err), -1);
	assert_error(&err, ENOENT, "'bytes'");
	assert_int_equal(v, 7);
	/* They stay when the sandbox has ended. */
	weir_sandbox_stop(r.s);
	assert_int_equal(counter(&r, "tcp-opened"), 1);
	weir_sandbox_bytes(r.s, NULL, &v);
	assert_true(v >= to);
	rig_stop(&r);
}

static void events_are_told_and_may_not_call(void **state)
{
	struct rig r;

	rig_start(&r, CLOSED);
	assert_int_equal(fetch(&r), GUEST_REFUSED);
	assert_true(r.denials > 0);
	assert_int_equal(r.deadlocks, r.events);
	int events = r.events;
	weir_sandbox_stop(r.s);
	events = r.events;
	poll(NULL, 0, 20);
	assert_int_equal(r.events, events);
	rig_stop(&r);
}

static void end_of_the_link_is_told_once(void **state)
{
	struct rig r;

	rig_start(&r, OPEN);
	assert_int_equal(fetch(&r), GUEST_OK);
	weir_ring_free(r.ring);
	r.ring = NULL;
	for (int i = 0; i < 200 && !r.ends; i++)
		poll(NULL, 0, 10);
	poll(NULL, 0, 20);
	assert_int_equal(r.ends, 1);
	assert_int_not_equal(r.end_error, 0);
	rig_stop(&r);
}

/* ---- threads ---- */

static atomic_bool over;

static void *shake(void *arg)
{
	struct rig *r = arg;
	struct weir_error err;
	uint16_t port;
	uint64_t v;
	char text[32];

	while (!over) {
		if (weir_sandbox_publish(r->s, "127.0.0.1:0:80", &port, &err) == 0) {
			snprintf(text, sizeof(text), "127.0.0.1:%u:80", port);
			weir_sandbox_unpublish(r->s, text, &err);
		}
		weir_sandbox_set_policy(r->s, WEIR_YAML, OPEN, strlen(OPEN), 0, &err);
		weir_sandbox_counter(r->s, "refused", &v, &err);
		weir_sandbox_ports(r->s, NULL, 0);
		weir_gateway_running(r->g);
	}
	return NULL;
}

static void calls_come_from_any_thread(void **state)
{
	pthread_t t[3];
	struct rig r;

	over = false;
	rig_start(&r, OPEN);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, shake, &r);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fetch(&r), GUEST_OK);
	weir_sandbox_stop(r.s);
	over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_fetches_a_page),
		cmocka_unit_test(nothing_is_printed),
		cmocka_unit_test(policy_changes_live),
		cmocka_unit_test(wrong_policy_changes_nothing),
		cmocka_unit_test(dry_run_changes_nothing),
		cmocka_unit_test(whole_configuration_changes_live),
		cmocka_unit_test(ports_are_published_live),
		cmocka_unit_test(udp_port_goes_with_its_clients),
		cmocka_unit_test(busy_port_fails_the_start),
		cmocka_unit_test(counters_have_names),
		cmocka_unit_test(events_are_told_and_may_not_call),
		cmocka_unit_test(end_of_the_link_is_told_once),
		cmocka_unit_test(calls_come_from_any_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
