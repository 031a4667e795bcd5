// SPDX-License-Identifier: Apache-2.0
/* Configurations, addresses, links and lives of sandboxes, through weir.h alone. */
#include "kit.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct weir_gateway *gateway(void)
{
	struct weir_error err = {0};
	struct weir_gateway *g = weir_gateway_new(NULL, &err);

	ok(g, err);
	return g;
}

/* ---- versions and configurations ---- */

static void version_is_that_of_the_header(void **state)
{
	char text[32];

	snprintf(text, sizeof(text), "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR,
		 WEIR_VERSION_PATCH);
	assert_string_equal(weir_version(), text);
	assert_int_equal(weir_version_number(), WEIR_VERSION_NUMBER);
}

static void config_refused(const char *text, enum weir_format format, const char *part)
{
	struct weir_error err = {0};

	assert_null(weir_config_from_text("net.yaml", format, text, strlen(text), &err));
	assert_error(&err, EINVAL, part);
	assert_null(weir_config_from_text("net.yaml", format, text, strlen(text), NULL));
}

static void config_errors_say_where(void **state)
{
	config_refused("policy:\n  rulez: []\n", WEIR_YAML, "net.yaml:2: policy.rulez");
	config_refused("policy:\n  rules:\n  - allow@public\n  - allow@:::\n", WEIR_YAML,
		       "net.yaml:4: policy.rules[1]");
	config_refused("{\"interface\": {\"mtu\": 5}}", WEIR_JSON, "interface.mtu");
	config_refused("{", WEIR_JSON, "net.yaml");
	config_refused("", WEIR_JSON, "net.yaml");
	config_refused("[]", WEIR_YAML, "expected an object");
	config_refused("sandboxes: [{link: 'stream:/run/a'}]", WEIR_YAML, "sandboxes");
}

static void config_of_a_missing_file(void **state)
{
	struct weir_error err = {0};

	assert_null(weir_config_from_file("/nonexistent/net.yaml", &err));
	assert_error(&err, EINVAL, "/nonexistent/net.yaml");
}

static void config_from_a_file(void **state)
{
	char path[] = "/tmp/weir-lib-XXXXXX";
	int fd = mkstemp(path);
	static const char text[] = "interface: {mtu: 1400}\n";
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	struct weir_config *c = weir_config_from_file(path, &err);
	unlink(path);
	ok(c, err);
	struct weir_sandbox *s = weir_sandbox_new(g, c, NULL, &err);
	ok(s, err);
	assert_int_equal(weir_sandbox_mtu(s), 1400);
	weir_config_free(c);
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

/* ---- addresses ---- */

static void assert_address(const struct weir_sandbox *s, enum weir_address which, const char *want)
{
	char text[WEIR_ADDRESS_MAX];

	assert_int_equal(weir_sandbox_address(s, which, text, sizeof(text)), strlen(want));
	assert_string_equal(text, want);
}

static struct weir_sandbox *with(struct weir_gateway *g, const char *text,
				 struct weir_sandbox_options o, struct weir_error *err)
{
	struct weir_config *c = config(text);
	struct weir_sandbox *s;

	o.size = sizeof(o);
	s = weir_sandbox_new(g, c, &o, err);
	weir_config_free(c);
	return s;
}

#define BOTH .family4 = WEIR_FAMILY_ON, .family6 = WEIR_FAMILY_ON

static void addresses_come_from_the_slot(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s =
		with(g, "", (struct weir_sandbox_options){.slot = 0x1234, BOTH}, &err);
	uint8_t mac[6];
	char small[4];

	ok(s, err);
	assert_address(s, WEIR_GUEST_MAC, "02:77:72:12:34:02");
	assert_address(s, WEIR_GATEWAY_MAC, "02:77:72:12:34:01");
	assert_address(s, WEIR_GUEST_IPV4, "172.16.72.210");
	assert_address(s, WEIR_GATEWAY_IPV4, "172.16.72.209");
	assert_address(s, WEIR_GUEST_IPV6, "fd42:6d73:62:1234::2");
	assert_address(s, WEIR_GATEWAY_IPV6, "fd42:6d73:62:1234::1");
	weir_sandbox_guest_mac(s, mac);
	assert_memory_equal(mac, "\x02\x77\x72\x12\x34\x02", 6);
	assert_int_equal(weir_sandbox_prefix(s, 4), 30);
	assert_int_equal(weir_sandbox_prefix(s, 6), 64);
	assert_int_equal(weir_sandbox_prefix(s, 5), 0);
	assert_int_equal(weir_sandbox_mtu(s), 1500);
	assert_int_equal(weir_sandbox_address(s, WEIR_GUEST_IPV4, small, sizeof(small)), -1);
	assert_int_equal(weir_sandbox_address(s, (enum weir_address)99, small, sizeof(small)), -1);
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void addresses_can_be_given(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = with(g, "interface: {mtu: 1400, ipv4_address: 10.0.0.2}",
				      (struct weir_sandbox_options){.mac = "02:00:00:00:00:07",
								    .ipv4 = "192.168.7.9",
								    .ipv6_pool = "fd00:1:2::/48",
								    .slot = 3,
								    .mtu = 9000,
								    BOTH},
				      &err);

	ok(s, err);
	assert_address(s, WEIR_GUEST_MAC, "02:00:00:00:00:07");
	assert_address(s, WEIR_GUEST_IPV4, "192.168.7.9");
	assert_address(s, WEIR_GATEWAY_IPV4, "192.168.7.8");
	assert_address(s, WEIR_GUEST_IPV6, "fd00:1:2:3::2");
	assert_int_equal(weir_sandbox_mtu(s), 9000);
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void a_family_can_be_off(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = with(g, "",
				      (struct weir_sandbox_options){.family4 = WEIR_FAMILY_OFF,
								    .family6 = WEIR_FAMILY_ON},
				      &err);

	ok(s, err);
	assert_address(s, WEIR_GUEST_IPV4, "");
	assert_int_equal(weir_sandbox_prefix(s, 4), 0);
	assert_address(s, WEIR_GUEST_IPV6, "fd42:6d73:62::2");
	weir_sandbox_free(s);
	/* What is left to the routes follows them. */
	s = with(g, "", (struct weir_sandbox_options){0}, &err);
	ok(s, err);
	assert_int_equal(weir_sandbox_prefix(s, 4) != 0, weir_host_has_route(4));
	assert_int_equal(weir_sandbox_prefix(s, 6) != 0, weir_host_has_route(6));
	assert_false(weir_host_has_route(5));
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void sandbox_refused(struct weir_gateway *g, struct weir_sandbox_options o, const char *part)
{
	struct weir_error err = {0};

	assert_null(with(g, "", o, &err));
	assert_error(&err, EINVAL, part);
}

static void wrong_options_are_errors(void **state)
{
	struct weir_gateway *g = gateway();

	sandbox_refused(g, (struct weir_sandbox_options){.slot = 65536, BOTH}, "slot 65536");
	sandbox_refused(g,
			(struct weir_sandbox_options){.ipv4_pool = "10.0.0.0/30", .slot = 1, BOTH},
			"10.0.0.0/30");
	sandbox_refused(g, (struct weir_sandbox_options){.ipv4_pool = "10.0.0.0/33"}, "ipv4_pool");
	sandbox_refused(g, (struct weir_sandbox_options){.mac = "01:00:00:00:00:01"}, "mac");
	sandbox_refused(g, (struct weir_sandbox_options){.ipv4 = "fd00::2"}, "ipv4");
	sandbox_refused(g, (struct weir_sandbox_options){.ipv6 = "::"}, "ipv6");
	sandbox_refused(g, (struct weir_sandbox_options){.mtu = 100}, "mtu 100");
	sandbox_refused(g, (struct weir_sandbox_options){.name = "a b"}, "name 'a b'");
	sandbox_refused(g, (struct weir_sandbox_options){.family6 = (enum weir_family)7},
			"family6");
	weir_gateway_free(g);
}

static void options_have_a_size(void **state)
{
	struct {
		struct weir_gateway_options known;
		uint64_t later;
	} o = {.known.size = sizeof(o)};
	struct weir_error err = {0};
	struct weir_gateway *g = weir_gateway_new(&o.known, &err);
	struct weir_config *c = config("");

	ok(g, err);
	o.later = 1;
	assert_null(weir_gateway_new(&o.known, &err));
	assert_error(&err, EINVAL, "later version");
	o.known.size = 0;
	assert_null(weir_gateway_new(&o.known, &err));
	assert_error(&err, EINVAL, "size is 0");
	assert_null(weir_sandbox_new(g, c, &(struct weir_sandbox_options){.slot = 1}, &err));
	assert_error(&err, EINVAL, "size is 0");
	weir_config_free(c);
	weir_gateway_free(g);
}

static void last_slot_is_a_slot(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s =
		with(g, "", (struct weir_sandbox_options){.slot = WEIR_SLOT_MAX, BOTH}, &err);

	ok(s, err);
	assert_address(s, WEIR_GUEST_MAC, "02:77:72:ff:ff:02");
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void environment_tells_a_guest_its_addresses(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = with(g, "", (struct weir_sandbox_options){.slot = 1, BOTH}, &err);
	char **e;

	ok(s, err);
	e = weir_sandbox_environment(s, NULL, &err);
	ok(e, err);
	assert_string_equal(e[0], "WEIR_NET=iface=eth0,mac=02:77:72:00:01:02,mtu=1500");
	assert_string_equal(e[1], "WEIR_NET_IPV4=addr=172.16.0.6/30,gw=172.16.0.5,dns=172.16.0.5");
	assert_string_equal(e[2], "WEIR_NET_IPV6=addr=fd42:6d73:62:1::2/64,"
				  "gw=fd42:6d73:62:1::1,dns=fd42:6d73:62:1::1");
	assert_string_equal(e[3], "WEIR_HOST_ALIAS=host.weir.internal");
	assert_null(e[4]);
	weir_environment_free(e);
	e = weir_sandbox_environment(s, "MSB", &err);
	ok(e, err);
	assert_string_equal(e[0], "MSB_NET=iface=eth0,mac=02:77:72:00:01:02,mtu=1500");
	weir_environment_free(e);
	assert_null(weir_sandbox_environment(s, "A=B", &err));
	assert_error(&err, EINVAL, "prefix");
	assert_null(weir_sandbox_environment(s, "", NULL));
	weir_sandbox_free(s);
	/* Without a family, without its variable. */
	s = with(g, "",
		 (struct weir_sandbox_options){.family4 = WEIR_FAMILY_ON,
					       .family6 = WEIR_FAMILY_OFF},
		 &err);
	e = weir_sandbox_environment(s, NULL, &err);
	ok(e, err);
	assert_string_equal(e[2], "WEIR_HOST_ALIAS=host.weir.internal");
	assert_null(e[3]);
	weir_environment_free(e);
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

/* ---- links ---- */

static void link_is_taken_once(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = sandbox(g, "", 0);
	struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);
	int sv[2];

	ok(ring, err);
	assert_null(weir_sandbox_take_ring(s, NULL, &err));
	assert_error(&err, EBUSY, "link already");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(weir_sandbox_set_fd(s, sv[0], WEIR_FD_STREAM, WEIR_FD_PLAIN, &err), -1);
	assert_error(&err, EBUSY, "link already");
	/* The descriptor was taken over all the same. */
	assert_int_equal(close(sv[0]), -1);
	close(sv[1]);
	weir_ring_free(ring);
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void wrong_links_are_errors(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = sandbox(g, "", 0);
	struct weir_ring_options odd = {.size = sizeof(odd), .bytes = 300000};
	struct weir_ring_options caps = {.size = sizeof(caps), .caps = 0x80};
	int p[2];

	assert_null(weir_sandbox_take_ring(s, &odd, &err));
	assert_error(&err, EINVAL, "300000");
	assert_null(weir_sandbox_take_ring(s, &caps, &err));
	assert_error(&err, EINVAL, "caps");
	assert_int_equal(weir_sandbox_set_fd(s, -1, WEIR_FD_STREAM, WEIR_FD_PLAIN, &err), -1);
	assert_error(&err, EINVAL, "-1");
	assert_int_equal(pipe(p), 0);
	assert_int_equal(weir_sandbox_set_fd(s, p[0], WEIR_FD_DGRAM, WEIR_FD_PLAIN, &err), -1);
	assert_int_equal(err.code, EINVAL);
	assert_int_equal(weir_sandbox_set_fd(s, p[1], WEIR_FD_TAP, WEIR_FD_PLAIN, &err), -1);
	assert_int_equal(err.code, EINVAL);
	assert_int_equal(weir_sandbox_set_fd(s, dup(1), WEIR_FD_TAP, WEIR_FD_VNET, &err), -1);
	assert_error(&err, EINVAL, "tap");
	assert_int_equal(weir_sandbox_set_fd(s, dup(1), (enum weir_fd_kind)9, WEIR_FD_PLAIN, &err),
			 -1);
	assert_error(&err, EINVAL, "kind");
	assert_int_equal(weir_sandbox_start(s, &err), -1);
	assert_error(&err, EINVAL, "no link");
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void answers_over(enum weir_fd_kind kind, int type)
{
	/* An ARP question about the gateway of slot 0. */
	static const uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0x77, 0x72, 0, 0,
					2,    8,    6,    0,    1,    8,    0,   6,    4,    0, 1,
					2,    0x77, 0x72, 0,    0,    2,    172, 16,   0,    2, 0,
					0,    0,    0,    0,    0,    172,  16,  0,    1};
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = sandbox(g, "", 0);
	uint8_t buf[128] = {0, 0, 0, sizeof(arp)};
	size_t head = kind == WEIR_FD_STREAM ? 4 : 0;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, sv), 0);
	memcpy(buf + head, arp, sizeof(arp));
	/* Sent before the start: it waits. */
	assert_int_equal(send(sv[1], buf, head + sizeof(arp), 0), head + sizeof(arp));
	ok(weir_sandbox_set_fd(s, sv[0], kind, WEIR_FD_PLAIN, &err) == 0, err);
	ok(weir_sandbox_start(s, &err) == 0, err);
	ssize_t n = recv(sv[1], buf, head + 42, kind == WEIR_FD_STREAM ? MSG_WAITALL : 0);
	assert_int_equal(n, head + 42);
	assert_memory_equal(buf + head, "\x02\x77\x72\x00\x00\x02", 6);
	assert_memory_equal(buf + head + 22, "\x02\x77\x72\x00\x00\x01", 6);
	weir_sandbox_free(s);
	weir_gateway_free(g);
	close(sv[1]);
}

static void frames_come_by_descriptors(void **state)
{
	answers_over(WEIR_FD_STREAM, SOCK_STREAM);
	answers_over(WEIR_FD_DGRAM, SOCK_DGRAM);
	answers_over(WEIR_FD_SEQPACKET, SOCK_SEQPACKET);
}

/* It goes while it is written to: no SIGPIPE, which would end this program, and no other end. */
static void peer_that_goes_is_no_signal(void **state)
{
	static const uint8_t frame[4 + 60] = {0, 0, 0, 60, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();

	for (uint32_t i = 0; i < 20; i++) {
		struct weir_sandbox *s = sandbox(g, "", i);
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		assert_int_equal(send(sv[1], frame, sizeof(frame), 0), sizeof(frame));
		ok(weir_sandbox_set_fd(s, sv[0], WEIR_FD_STREAM, WEIR_FD_PLAIN, &err) == 0, err);
		if (i % 2)
			close(sv[1]);
		ok(weir_sandbox_start(s, &err) == 0, err);
		if (i % 2 == 0)
			close(sv[1]);
		weir_sandbox_free(s);
	}
	weir_gateway_free(g);
}

/* ---- lives ---- */

static void life_has_an_order(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = sandbox(g, "", 0);
	struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);
	struct weir_frame f;

	assert_int_equal(weir_gateway_running(g), 0);
	ok(weir_sandbox_start(s, &err) == 0, err);
	assert_int_equal(weir_gateway_running(g), 1);
	assert_int_equal(weir_sandbox_start(s, &err), -1);
	assert_error(&err, EALREADY, "slot-0");
	weir_sandbox_stop(s);
	weir_sandbox_stop(s);
	assert_int_equal(weir_gateway_running(g), 0);
	while (weir_ring_pop(ring, &f, 1) > 0)
		;
	assert_int_equal(weir_ring_pop(ring, &f, 1), -EPIPE);
	assert_int_equal(weir_ring_push(ring, &f, 0), -EPIPE);
	assert_int_equal(weir_sandbox_start(s, &err), -1);
	assert_error(&err, EALREADY, "slot-0");
	assert_int_equal(weir_sandbox_publish(s, "0:80", NULL, &err), -1);
	assert_error(&err, ENOTCONN, "slot-0");
	weir_ring_free(ring);
	weir_sandbox_free(s);
	weir_gateway_free(g);
}

static void names_are_unique_while_they_run(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *a = sandbox(g, "", 5), *b = sandbox(g, "", 5);

	weir_ring_free(weir_sandbox_take_ring(b, NULL, &err));
	struct weir_ring *ring = weir_sandbox_take_ring(a, NULL, &err);
	ok(weir_sandbox_start(a, &err) == 0, err);
	assert_int_equal(weir_sandbox_start(b, &err), -1);
	assert_error(&err, ECANCELED, "slot-5");
	weir_ring_free(ring);
	weir_sandbox_free(a);
	weir_sandbox_free(b);
	weir_gateway_free(g);
}

static void objects_are_freed_in_any_order(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s = sandbox(g, "", 0);
	struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);
	struct weir_frame f;

	ok(weir_sandbox_start(s, &err) == 0, err);
	weir_gateway_free(g);
	while (weir_ring_pop(ring, &f, 1) > 0)
		;
	assert_int_equal(weir_ring_pop(ring, &f, 1), -EPIPE);
	weir_sandbox_free(s);
	weir_ring_free(ring);
	weir_gateway_free(NULL);
	weir_sandbox_free(NULL);
	weir_config_free(NULL);
	weir_ring_free(NULL);
	weir_environment_free(NULL);
}

/* A thousand lives, most of them started, leave no descriptor and no memory behind. */
static void a_thousand_leave_nothing(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	unsigned files = 0;
	size_t used = 0;

	for (int i = 0; i < 1000; i++) {
		struct weir_sandbox *s =
			sandbox(g, "policy: {rules: [allow@example.com]}", (uint32_t)i);
		struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);

		ok(ring, err);
		if (i % 10)
			ok(weir_sandbox_start(s, &err) == 0, err);
		if (i % 2)
			weir_ring_free(ring);
		weir_sandbox_free(s);
		if (i % 2 == 0)
			weir_ring_free(ring);
		if (i == 99) {
			files = open_files();
			used = mallinfo2().uordblks;
		}
	}
	assert_int_equal(open_files(), files);
	/* Under a sanitizer it counts nothing, and the sanitizer counts for it. */
	assert_true(mallinfo2().uordblks <= used + 65536);
	weir_gateway_free(g);
	for (int i = 0; i < 100; i++)
		weir_gateway_free(gateway());
	assert_true(open_files() <= files);
}

/* The values are the key holder's; what a program and its guest get is the authority's certificate
 * and placeholders. WEIR_HOLDER names the program just built. */
static void secrets_and_certificates(void **state)
{
	static const char text[] =
		"secrets: {secrets: [{env_var: KEY, env: LIB_TEST_KEY, allowed_hosts: [api.test]}]}";
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_ring *ring;
	char *pem = NULL, **env, state_dir[] = "/tmp/weir-lib-test-XXXXXX", tidy[64];

	assert_non_null(mkdtemp(state_dir));
	setenv("XDG_STATE_HOME", state_dir, 1);
	setenv("LIB_TEST_KEY", "the-value-of-the-test", 1);
	struct weir_sandbox *plain = with(g, "{}", (struct weir_sandbox_options){BOTH}, &err);
	assert_int_equal(weir_sandbox_ca_pem(plain, &pem, &err), -1);
	assert_error(&err, ENOENT, "nothing of it is intercepted");
	assert_null(weir_sandbox_secrets(plain, &err));
	assert_error(&err, ENOTCONN, "does not run");

	struct weir_sandbox *s =
		with(g, text, (struct weir_sandbox_options){.slot = 1, BOTH}, &err);
	assert_int_equal(weir_sandbox_ca_pem(s, &pem, &err), 0);
	assert_ptr_equal(strstr(pem, "-----BEGIN CERTIFICATE-----"), pem);
	assert_null(strstr(pem, "PRIVATE"));
	assert_null(strstr(pem + 1, "-----BEGIN CERTIFICATE-----"));
	free(pem);
	assert_non_null(ring = weir_sandbox_take_ring(s, NULL, &err));
	assert_int_equal(weir_sandbox_start(s, &err), 0);
	env = weir_sandbox_secrets(s, &err);
	assert_non_null(env);
	assert_ptr_equal(strstr(env[0], "KEY="), env[0]);
	assert_int_equal(strlen(env[0]), strlen("KEY=the-value-of-the-test"));
	assert_string_not_equal(env[0], "KEY=the-value-of-the-test");
	assert_null(env[1]);
	weir_environment_free(env);
	/* One more while it runs; but not the first one, which has nobody to hold it. */
	struct weir_config *more = config(
		"secrets: {secrets: [{env_var: KEY, env: LIB_TEST_KEY, allowed_hosts: [api.test]},"
		" {env_var: NEXT, env: LIB_TEST_KEY, allowed_hosts: [other.test]}]}");
	ok(weir_sandbox_set_config(s, more, 0, &err) == 0, err);
	env = weir_sandbox_secrets(s, &err);
	assert_ptr_equal(strstr(env[1], "NEXT="), env[1]);
	assert_null(env[2]);
	weir_environment_free(env);
	assert_int_equal(weir_sandbox_set_config(plain, more, WEIR_DRY_RUN, &err), -1);
	assert_error(&err, EINVAL, "a secret");
	weir_config_free(more);
	weir_sandbox_free(s);
	weir_sandbox_free(plain);
	weir_ring_free(ring);
	weir_gateway_free(g);
	snprintf(tidy, sizeof(tidy), "rm -r %s", state_dir);
	assert_int_equal(system(tidy), 0);
}

static void a_secret_that_is_not_there_stops_the_start(void **state)
{
	struct weir_error err = {0};
	struct weir_gateway *g = gateway();
	struct weir_sandbox *s =
		with(g, "secrets: {secrets: [{env_var: NO_SUCH_KEY, allowed_hosts: [api.test]}]}",
		     (struct weir_sandbox_options){BOTH}, &err);
	char state_dir[] = "/tmp/weir-lib-test-XXXXXX", tidy[64];

	assert_non_null(mkdtemp(state_dir));
	setenv("XDG_STATE_HOME", state_dir, 1);
	struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);
	assert_non_null(ring);
	assert_int_equal(weir_sandbox_start(s, &err), -1);
	assert_error(&err, ECANCELED, "NO_SUCH_KEY");
	weir_sandbox_free(s);
	weir_ring_free(ring);
	weir_gateway_free(g);
	snprintf(tidy, sizeof(tidy), "rm -r %s", state_dir);
	assert_int_equal(system(tidy), 0);
}

/* Those of the host, or of the file that SSL_CERT_FILE names. */
static void the_hosts_authorities(void **state)
{
	struct weir_error err = {0};
	char *pem = NULL;

	setenv("SSL_CERT_FILE", "/nonexistent", 1);
	int r = weir_host_cas_pem(&pem, &err);
	assert_true(r == 0 ? strstr(pem, "BEGIN CERTIFICATE") != NULL : *err.message != '\0');
	free(pem);
	unsetenv("SSL_CERT_FILE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_is_that_of_the_header),
		cmocka_unit_test(config_errors_say_where),
		cmocka_unit_test(config_of_a_missing_file),
		cmocka_unit_test(config_from_a_file),
		cmocka_unit_test(addresses_come_from_the_slot),
		cmocka_unit_test(addresses_can_be_given),
		cmocka_unit_test(a_family_can_be_off),
		cmocka_unit_test(wrong_options_are_errors),
		cmocka_unit_test(options_have_a_size),
		cmocka_unit_test(last_slot_is_a_slot),
		cmocka_unit_test(environment_tells_a_guest_its_addresses),
		cmocka_unit_test(link_is_taken_once),
		cmocka_unit_test(wrong_links_are_errors),
		cmocka_unit_test(frames_come_by_descriptors),
		cmocka_unit_test(peer_that_goes_is_no_signal),
		cmocka_unit_test(life_has_an_order),
		cmocka_unit_test(names_are_unique_while_they_run),
		cmocka_unit_test(objects_are_freed_in_any_order),
		cmocka_unit_test(a_thousand_leave_nothing),
		cmocka_unit_test(secrets_and_certificates),
		cmocka_unit_test(a_secret_that_is_not_there_stops_the_start),
		cmocka_unit_test(the_hosts_authorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
