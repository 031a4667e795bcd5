// SPDX-License-Identifier: Apache-2.0
/* Published ports: real clients on loopback, with the guest's side recorded. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/config.h"
#include "flow/relay_kit.h"

static bool own_net;
static struct publish_set *set;
static struct config config;
static struct config_publish published[4];

static int setup(void **state)
{
	kit_start();
	kit.sb.udp = udp_relay_new(&kit.sb, 8);
	memset(&config, 0, sizeof(config));
	memset(published, 0, sizeof(published));
	config.publish = published;
	return kit.sb.udp ? 0 : -1;
}

static int teardown(void **state)
{
	publish_free(set);
	set = NULL;
	udp_relay_free(kit.sb.udp);
	kit_stop();
	return 0;
}

/* A port that was free a moment ago, on both loopbacks. */
static uint16_t free_port(int type)
{
	uint16_t port;
	close(kit_server("::1", type, &port));
	return port;
}

static void publish(const char *bind, uint16_t host, uint16_t guest, uint16_t count, bool udp)
{
	struct config_publish *cp = &published[config.publish_count++];
	*cp = (struct config_publish){
		.host_port = host, .guest_port = guest, .count = count, .udp = udp, .text = "TEXT"};
	if (bind)
		cp->bind = kit_addr(bind);
}

static bool start(struct error *err)
{
	set = publish_new(&kit.sb, &config, err);
	return set != NULL;
}

static void must_start(void)
{
	struct error err = {0};
	if (!start(&err))
		fail_msg("%s", err.msg);
}

/* Port 80 of the guest at a port of loopback, and port 53. */
static uint16_t published_tcp(void)
{
	uint16_t port = free_port(SOCK_STREAM);
	publish(NULL, port, 80, 1, false);
	must_start();
	return port;
}

static uint16_t published_udp(void)
{
	uint16_t port = free_port(SOCK_DGRAM);
	publish(NULL, port, 53, 1, true);
	must_start();
	return port;
}

/* A connected socket; its own port comes back. */
static int client_from(const char *from, const char *to, uint16_t port, int type,
		       uint16_t *ret_port)
{
	struct ipaddr a = kit_addr(to), b;
	struct sockaddr_storage sa;
	socklen_t len;
	uint16_t own;
	int fd = socket(a.family == 4 ? AF_INET : AF_INET6, type, 0);
	if (from) {
		b = kit_addr(from);
		len = ipaddr_to_sockaddr(&b, 0, &sa);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	}
	len = ipaddr_to_sockaddr(&a, port, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len)) {
		close(fd);
		return -errno;
	}
	len = sizeof(sa);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	ipaddr_from_sockaddr((struct sockaddr *)&sa, &b, &own);
	if (ret_port)
		*ret_port = own;
	struct timeval two_seconds = {.tv_sec = 2};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof(two_seconds));
	return fd;
}

static void expect_way(const struct kit_record *r, enum kit_what what, const char *src,
		       const char *dst, uint16_t dport)
{
	struct ipaddr s = kit_addr(src), d = kit_addr(dst);
	assert_int_equal(r->what, what);
	assert_true(ipaddr_eq(&r->src, &s));
	assert_true(ipaddr_eq(&r->dst, &d));
	assert_int_equal(r->dport, dport);
}

static void expect_reset(int fd)
{
	char c;
	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

/* ---- TCP ---- */

static void loopback_clients_come_from_the_gateway(void **state)
{
	uint16_t port = published_tcp(), own4, own6;
	int c4 = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, &own4);
	assert_true(kit_run(1));
	expect_way(&kit.rec[0], KIT_OPEN, "10.0.0.1", "10.0.0.2", 80);
	assert_int_equal(kit.rec[0].sport, own4);
	assert_int_equal(kit.facts.dir, POLICY_INGRESS);
	assert_int_equal(kit.facts.port, 80);
	int c6 = client_from(NULL, "::1", port, SOCK_STREAM, &own6);
	assert_true(kit_run(2));
	expect_way(&kit.rec[1], KIT_OPEN, "fd00::1", "fd00::2", 80);
	for (int i = 0; i < 2; i++)
		kit.rec[i].end->ops->close(kit.rec[i].end);
	close(c4);
	close(c6);
}

static void both_families_refused_resets_the_client(void **state)
{
	uint16_t port = published_tcp();
	int c = client_from(NULL, "::1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(1));
	kit.rec[0].end->ops->reset(kit.rec[0].end);
	assert_true(kit_run(2));
	expect_way(&kit.rec[1], KIT_OPEN, "10.0.0.1", "10.0.0.2", 80);
	assert_ptr_equal(kit.rec[1].end, kit.rec[0].end);
	kit.rec[1].end->ops->reset(kit.rec[1].end);
	assert_int_equal(kit.n, 3);
	assert_int_equal(kit.rec[2].what, KIT_RESET);
	expect_reset(c);
}

/* Once the guest has accepted, a reset is not a reason to try the other family. */
static void reset_of_a_connection_stays_a_reset(void **state)
{
	uint16_t port = published_tcp();
	int c = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(1));
	struct flow_end *end = kit.rec[0].end;
	char byte;
	struct iovec iov = {&byte, 1};
	assert_int_equal(send(c, "x", 1, 0), 1);
	assert_int_equal(end->ops->peek(end, 0, &iov, 1), 1);
	assert_int_equal(byte, 'x');
	end->ops->reset(end);
	assert_int_equal(kit.rec[1].what, KIT_RESET);
	kit_run_ms(20);
	assert_int_equal(kit.n, 2);
	expect_reset(c);
}

/* The set may go while a second attempt waits. */
static void second_attempt_does_not_outlive_the_set(void **state)
{
	uint16_t port = published_tcp();
	int a = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL);
	int b = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(2));
	kit.rec[0].end->ops->reset(kit.rec[0].end); /* waits for its second attempt */
	struct flow_end *dialing = kit.rec[1].end;
	publish_free(set);
	set = NULL;
	assert_int_equal(kit.n, 3);
	assert_int_equal(kit.rec[2].what, KIT_RESET);
	dialing->ops->reset(dialing); /* as the stack does when it goes */
	assert_int_equal(kit.n, 4);
	expect_reset(a);
	expect_reset(b);
}

static void denied_client_is_reset(void **state)
{
	uint16_t port = published_tcp();
	kit.deny = true;
	int c = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL);
	kit_run_ms(20);
	assert_int_equal(kit.n, 0);
	assert_int_equal(kit.admissions, 1);
	expect_reset(c);
}

/* A port of the gateway's that is in use is passed over; a full table is a refusal. */
static void source_ports_are_tried_until_one_is_free(void **state)
{
	uint16_t port = published_tcp(), own;
	kit.refuse_opens = 3;
	int c = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, &own);
	assert_true(kit_run(1));
	assert_int_not_equal(kit.rec[0].sport, own);
	kit.rec[0].end->ops->close(kit.rec[0].end);
	close(c);
	kit.refuse_opens = 100000;
	c = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(3));
	assert_int_equal(kit.rec[2].what, KIT_RESET);
	assert_int_equal(kit.refusal, REASON_LIMIT_CONNECTIONS);
	expect_reset(c);
}

/* A crowd waits in the backlog while many connections are half-open, and is served afterwards. */
static void crowd_waits_in_the_backlog(void **state)
{
	uint16_t port = published_tcp();
	int c[200];
	kit.half_open = 768;
	for (int i = 0; i < 200; i++)
		assert_true((c[i] = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL)) >= 0);
	kit_run_ms(30);
	assert_int_equal(kit.n, 0);
	kit.half_open = 0;
	assert_true(kit_run(200));
	for (int i = 0; i < 200; i++) {
		kit.rec[i].end->ops->close(kit.rec[i].end);
		close(c[i]);
	}
}

static void without_descriptors_the_listener_pauses(void **state)
{
	uint16_t port = published_tcp();
	int c = client_from(NULL, "127.0.0.1", port, SOCK_STREAM, NULL);
	struct rlimit old, none;
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	uint64_t turns = kit.loop.turns;
	kit_run_ms(50);
	assert_true(kit.loop.turns - turns < 10); /* and does not spin */
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(kit.n, 0);
	assert_true(kit_run(1));
	kit.rec[0].end->ops->close(kit.rec[0].end);
	close(c);
}

/* A client whom the guest can answer keeps its address. */
static void routable_clients_keep_their_address(void **state)
{
	if (!own_net || system("ip addr add 192.0.2.1/24 dev lo && "
			       "ip -6 addr add 2001:db8::1/64 dev lo nodad && "
			       "ip addr add 10.0.0.2/32 dev lo"))
		skip();
	uint16_t port = free_port(SOCK_STREAM), own;
	publish("0.0.0.0", port, 80, 1, false);
	publish("::", port, 80, 1, false);
	must_start();
	int c4 = client_from("192.0.2.1", "192.0.2.1", port, SOCK_STREAM, &own);
	assert_true(kit_run(1));
	expect_way(&kit.rec[0], KIT_OPEN, "192.0.2.1", "10.0.0.2", 80);
	assert_int_equal(kit.rec[0].sport, own);
	int c6 = client_from("2001:db8::1", "2001:db8::1", port, SOCK_STREAM, &own);
	assert_true(kit_run(2));
	expect_way(&kit.rec[1], KIT_OPEN, "2001:db8::1", "fd00::2", 80);
	assert_int_equal(kit.rec[1].sport, own);
	/* the guest's own address cannot be its peer's */
	int cg = client_from("10.0.0.2", "192.0.2.1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(3));
	expect_way(&kit.rec[2], KIT_OPEN, "10.0.0.1", "10.0.0.2", 80);
	for (int i = 0; i < 3; i++)
		kit.rec[i].end->ops->close(kit.rec[i].end);
	close(c4);
	close(c6);
	close(cg);
}

/* A client may use one port of its own towards two published ports that lead to the same one. */
static void one_client_port_towards_two_published_ports_is_two_connections(void **state)
{
	if (!own_net || system("ip addr replace 192.0.2.1/24 dev lo"))
		skip();
	uint16_t port = free_port(SOCK_STREAM);
	publish("0.0.0.0", port, 80, 1, false);
	must_start();
	kit.refuse_opens = 1;
	int c = client_from("192.0.2.1", "192.0.2.1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(1));
	expect_way(&kit.rec[0], KIT_OPEN, "10.0.0.1", "10.0.0.2", 80);
	kit.rec[0].end->ops->close(kit.rec[0].end);
	close(c);
}

static void a_guest_of_one_family_is_reached_by_both(void **state)
{
	uint16_t port = free_port(SOCK_STREAM);
	kit.sb.stack.cfg.has_v6 = false;
	publish("::1", port, 80, 1, false);
	must_start();
	int c = client_from(NULL, "::1", port, SOCK_STREAM, NULL);
	assert_true(kit_run(1));
	expect_way(&kit.rec[0], KIT_OPEN, "10.0.0.1", "10.0.0.2", 80);
	kit.rec[0].end->ops->reset(kit.rec[0].end);
	assert_int_equal(kit.rec[1].what, KIT_RESET);
	expect_reset(c);
}

/* ---- binding ---- */

static void a_bind_that_fails_names_the_option(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_STREAM, &port);
	struct error err = {0};
	publish(NULL, port, 80, 1, false);
	assert_false(start(&err));
	char want[128];
	snprintf(want, sizeof(want), "cannot publish 'TEXT': cannot bind 127.0.0.1:%u: %s", port,
		 strerror(EADDRINUSE));
	assert_string_equal(err.msg, want);
	close(fd);
	/* the same for ::1, and for an address that is not the host's */
	fd = kit_server("::1", SOCK_DGRAM, &port);
	config.publish_count = 0;
	publish(NULL, port, 80, 1, true);
	assert_false(start(&err));
	assert_non_null(strstr(err.msg, "cannot bind [::1]:"));
	close(fd);
	config.publish_count = 0;
	publish("198.51.100.1", 8080, 80, 1, false);
	assert_false(start(&err));
	assert_non_null(strstr(err.msg, strerror(EADDRNOTAVAIL)));
	assert_int_equal(config.publish_count, 1);
}

static void ranges_map_one_to_one(void **state)
{
	/* A run of ten free ports: bounded attempts, as others use the machine, too. */
	struct error err = {0};
	uint16_t port = 0;
	for (int tries = 0; tries < 20 && !set; tries++) {
		port = (uint16_t)(20000 + tries * 100);
		config.publish_count = 0;
		publish(NULL, port, 9000, 10, false);
		start(&err);
	}
	assert_non_null(set);
	int c = client_from(NULL, "127.0.0.1", port + 9, SOCK_STREAM, NULL);
	assert_true(kit_run(1));
	expect_way(&kit.rec[0], KIT_OPEN, "10.0.0.1", "10.0.0.2", 9009);
	kit.rec[0].end->ops->close(kit.rec[0].end);
	close(c);
	assert_int_equal(client_from(NULL, "127.0.0.1", port + 10, SOCK_STREAM, NULL),
			 -ECONNREFUSED);
}

/* Host port 0: the same free port on both loopbacks, told on stderr. */
static void a_chosen_port_is_told(void **state)
{
	int pipefd[2], saved = dup(2);
	assert_int_equal(pipe(pipefd), 0);
	dup2(pipefd[1], 2);
	publish(NULL, 0, 80, 1, false);
	publish(NULL, 0, 53, 1, true);
	bool ok = start(&(struct error){0});
	dup2(saved, 2);
	close(saved);
	close(pipefd[1]);
	assert_true(ok);
	char text[512] = "";
	assert_true(read(pipefd[0], text, sizeof(text) - 1) > 0);
	close(pipefd[0]);
	unsigned p[4];
	assert_int_equal(sscanf(text,
				"weir: published 127.0.0.1:%u -> guest 80/tcp\n"
				"weir: published [::1]:%u -> guest 80/tcp\n"
				"weir: published 127.0.0.1:%u -> guest 53/udp\n"
				"weir: published [::1]:%u -> guest 53/udp\n",
				&p[0], &p[1], &p[2], &p[3]),
			 4);
	assert_int_equal(p[0], p[1]);
	assert_int_equal(p[2], p[3]);
	int c = client_from(NULL, "127.0.0.1", (uint16_t)p[0], SOCK_STREAM, NULL);
	assert_true(kit_run(1));
	kit.rec[0].end->ops->close(kit.rec[0].end);
	close(c);
}

/* ---- UDP ---- */

static bool guest_answers(const struct kit_record *r, const void *p, size_t len)
{
	char src[IPADDR_STRLEN], dst[IPADDR_STRLEN];
	struct udp_datagram d = kit_datagram(ipaddr_str(&r->dst, src), r->dport,
					     ipaddr_str(&r->src, dst), r->sport, p, len);
	bool taken = publish_udp_from_guest(set, &d);
	udp_relay_flush(kit.sb.udp);
	return taken;
}

static void udp_clients_have_one_guest_side_port_each(void **state)
{
	enum {
		N = 300
	};
	uint16_t port = published_udp();
	int c[N];
	char buf[64];
	for (int round = 0; round < 2; round++) {
		unsigned at = kit.n;
		for (int i = 0; i < N; i++) {
			if (!round)
				c[i] = client_from(NULL, i % 2 ? "::1" : "127.0.0.1", port,
						   SOCK_DGRAM, NULL);
			int n = snprintf(buf, sizeof(buf), "question %d", i);
			assert_int_equal(send(c[i], buf, (size_t)n, 0), n);
			assert_true(kit_run(at + (unsigned)i + 1));
		}
		for (int i = 0; i < N; i++) {
			const struct kit_record *r = &kit.rec[at + (unsigned)i];
			int n = snprintf(buf, sizeof(buf), "question %d", i);
			assert_int_equal(r->hash, kit_hash(buf, (size_t)n));
			expect_way(r, KIT_UDP, i % 2 ? "fd00::1" : "10.0.0.1",
				   i % 2 ? "fd00::2" : "10.0.0.2", 53);
			assert_int_equal(r->sport, kit.rec[i].sport); /* stable */
			for (int k = 0; k < i; k++)
				assert_false(kit.rec[k].sport == r->sport &&
					     ipaddr_eq(&kit.rec[k].src, &r->src));
			n = snprintf(buf, sizeof(buf), "answer %d", i);
			assert_true(guest_answers(r, buf, (size_t)n));
			char got[64];
			assert_int_equal(recv(c[i], got, sizeof(got), 0), n);
			assert_memory_equal(got, buf, (size_t)n);
		}
	}
	assert_int_equal(kit.admissions, N);
	for (int i = 0; i < N; i++)
		close(c[i]);
}

/* What the guest sends elsewhere is not ours. */
static void other_datagrams_are_left_to_the_relay(void **state)
{
	uint16_t port = published_udp();
	int c = client_from(NULL, "127.0.0.1", port, SOCK_DGRAM, NULL);
	assert_int_equal(send(c, "q", 1, 0), 1);
	assert_true(kit_run(1));
	struct kit_record r = kit.rec[0];
	r.dport = 54; /* from another port of the guest's */
	assert_false(guest_answers(&r, "a", 1));
	r = kit.rec[0];
	r.sport++;
	assert_false(guest_answers(&r, "a", 1));
	r = kit.rec[0];
	r.dst.b[3]++; /* from an address that the guest does not have */
	assert_false(guest_answers(&r, "a", 1));
	assert_true(guest_answers(&kit.rec[0], "a", 1));
	close(c);
}

/* Two clients with the same port are two to the guest. */
static void udp_clients_with_one_port_are_kept_apart(void **state)
{
	uint16_t port = published_udp(), own;
	int c1 = client_from("127.0.0.1", "127.0.0.1", port, SOCK_DGRAM, &own);
	int c2 = socket(AF_INET, SOCK_DGRAM, 0);
	struct ipaddr a = kit_addr("127.0.0.2"), to = kit_addr("127.0.0.1");
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_to_sockaddr(&a, own, &sa);
	assert_int_equal(bind(c2, (struct sockaddr *)&sa, len), 0);
	len = ipaddr_to_sockaddr(&to, port, &sa);
	assert_int_equal(connect(c2, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(send(c1, "1", 1, 0), 1);
	assert_int_equal(send(c2, "2", 1, 0), 1);
	assert_true(kit_run(2));
	assert_int_not_equal(kit.rec[0].sport, kit.rec[1].sport);
	assert_true(guest_answers(&kit.rec[1], "b", 1));
	assert_true(guest_answers(&kit.rec[0], "a", 1));
	char buf[2][4];
	assert_int_equal(recv(c1, buf[0], 4, 0), 1);
	assert_int_equal(recv(c2, buf[1], 4, 0), 1);
	assert_int_equal(buf[0][0], 'a');
	assert_int_equal(buf[1][0], 'b');
	close(c1);
	close(c2);
}

static void udp_denied_reaches_nobody(void **state)
{
	uint16_t port = published_udp();
	kit.deny = true;
	int c = client_from(NULL, "127.0.0.1", port, SOCK_DGRAM, NULL);
	assert_int_equal(send(c, "q", 1, 0), 1);
	kit_run_ms(30);
	assert_int_equal(kit.n, 0);
	assert_int_equal(kit.sb.cnt.udp_dropped, 1);
	close(c);
}

static void udp_clients_are_forgotten_after_a_minute(void **state)
{
	uint16_t port = published_udp();
	int c = client_from(NULL, "127.0.0.1", port, SOCK_DGRAM, NULL);
	assert_int_equal(send(c, "q", 1, 0), 1);
	assert_true(kit_run(1));
	kit_advance(59 * 1000000u);
	assert_true(guest_answers(&kit.rec[0], "a", 1)); /* either direction counts */
	kit_advance(59 * 1000000u);
	assert_true(guest_answers(&kit.rec[0], "a", 1));
	kit_advance(61 * 1000000u);
	assert_false(guest_answers(&kit.rec[0], "a", 1));
	close(c);
}

/* Answers leave from the address that the client had sent to, also where the port is bound to all.
 */
static void udp_answers_leave_from_the_right_address(void **state)
{
	uint16_t port = free_port(SOCK_DGRAM);
	publish("0.0.0.0", port, 53, 1, true);
	must_start();
	int c = client_from(NULL, "127.0.0.77", port, SOCK_DGRAM,
			    NULL); /* connected: others are dropped */
	assert_int_equal(send(c, "q", 1, 0), 1);
	assert_true(kit_run(1));
	assert_true(guest_answers(&kit.rec[0], "a", 1));
	char buf[4];
	assert_int_equal(recv(c, buf, sizeof(buf), 0), 1);
	close(c);
}

/* Built by hand: port unreachable (RFC 4443 3.1) that quotes a datagram with one byte of payload.
 */
static struct packet unreachable6(uint8_t b[64], const struct kit_record *r, char payload)
{
	memset(b, 0, 64);
	b[0] = 1;
	b[1] = 4;
	uint8_t *ip = b + 8, *udp = ip + 40;
	ip[0] = 0x60;
	ip[6] = IPPROTO_UDP;
	memcpy(ip + 8, r->src.b, 16);
	memcpy(ip + 24, r->dst.b, 16);
	put_be16(udp, r->sport);
	put_be16(udp + 2, r->dport);
	put_be16(udp + 4, 9);
	udp[8] = (uint8_t)payload;
	return (struct packet){.src = r->dst, .dst = r->src, .proto = 58, .l4 = view_make(b, 57)};
}

/* The same over IPv4 (RFC 792). */
static struct packet unreachable4(uint8_t b[64], const struct kit_record *r, char payload)
{
	memset(b, 0, 64);
	b[0] = b[1] = 3;
	uint8_t *ip = b + 8, *udp = ip + 20;
	ip[0] = 0x45;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, r->src.b, 4);
	memcpy(ip + 16, r->dst.b, 4);
	put_be16(udp, r->sport);
	put_be16(udp + 2, r->dport);
	put_be16(udp + 4, 9);
	udp[8] = (uint8_t)payload;
	return (struct packet){.src = r->dst, .dst = r->src, .proto = 1, .l4 = view_make(b, 37)};
}

static void udp_client_moves_to_the_family_that_listens(void **state)
{
	uint16_t port = published_udp();
	int c = client_from(NULL, "::1", port, SOCK_DGRAM, NULL);
	assert_int_equal(send(c, "q", 1, 0), 1);
	assert_true(kit_run(1));
	uint8_t b[64];
	struct packet p = unreachable6(b, &kit.rec[0], 'q');
	for (size_t len = 0; len < 48 + 8; len++) { /* cut short: nothing happens */
		struct packet cut = p;
		cut.l4.len = len;
		publish_guest_error(set, &cut);
		assert_int_equal(kit.n, 1);
	}
	publish_guest_error(set, &p);
	assert_int_equal(kit.n, 2);
	expect_way(&kit.rec[1], KIT_UDP, "10.0.0.1", "10.0.0.2", 53);
	assert_int_equal(kit.rec[1].hash, kit_hash("q", 1));
	assert_false(guest_answers(&kit.rec[0], "x", 1));
	assert_true(guest_answers(&kit.rec[1], "a", 1));
	char buf[4];
	assert_int_equal(recv(c, buf, sizeof(buf), 0), 1);
	assert_int_equal(buf[0], 'a');
	p = unreachable4(b, &kit.rec[1], 'q'); /* refused by both: it stays there */
	publish_guest_error(set, &p);
	assert_int_equal(kit.n, 2);
	assert_true(guest_answers(&kit.rec[1], "a", 1));
	close(c);
}

static void udp_client_moves_from_ipv4_too(void **state)
{
	uint16_t port = published_udp();
	int c = client_from(NULL, "127.0.0.1", port, SOCK_DGRAM, NULL);
	assert_int_equal(send(c, "q", 1, 0), 1);
	assert_true(kit_run(1));
	uint8_t b[64];
	struct packet p = unreachable4(b, &kit.rec[0], 'q');
	publish_guest_error(set, &p);
	assert_int_equal(kit.n, 2);
	expect_way(&kit.rec[1], KIT_UDP, "fd00::1", "fd00::2", 53);
	assert_int_equal(kit.rec[1].hash, kit_hash("q", 1));
	close(c);
}

/* A client that has gone: the guest hears that its answer was refused. */
static void udp_closed_client_is_told_to_the_guest(void **state)
{
	uint16_t port = published_udp();
	int c = client_from(NULL, "127.0.0.1", port, SOCK_DGRAM, NULL);
	assert_int_equal(send(c, "q", 1, 0), 1);
	assert_true(kit_run(1));
	close(c);
	assert_true(guest_answers(&kit.rec[0], "a", 1));
	assert_true(kit_run(2));
	const struct kit_record *r = &kit.rec[1];
	assert_int_equal(r->what, KIT_REBUILT);
	assert_int_equal(r->error, ICMP_ERR_PORT_UNREACH);
	assert_true(ipaddr_eq(&r->src, &kit.rec[0].dst) && ipaddr_eq(&r->dst, &kit.rec[0].src));
	assert_int_equal(r->sport, 53);
	assert_int_equal(r->dport, kit.rec[0].sport);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(loopback_clients_come_from_the_gateway),
		T(both_families_refused_resets_the_client),
		T(reset_of_a_connection_stays_a_reset),
		T(second_attempt_does_not_outlive_the_set),
		T(denied_client_is_reset),
		T(source_ports_are_tried_until_one_is_free),
		T(crowd_waits_in_the_backlog),
		T(without_descriptors_the_listener_pauses),
		T(a_guest_of_one_family_is_reached_by_both),
		T(a_bind_that_fails_names_the_option),
		T(ranges_map_one_to_one),
		T(a_chosen_port_is_told),
		T(udp_clients_have_one_guest_side_port_each),
		T(other_datagrams_are_left_to_the_relay),
		T(udp_clients_with_one_port_are_kept_apart),
		T(udp_client_moves_from_ipv4_too),
		T(udp_denied_reaches_nobody),
		T(udp_clients_are_forgotten_after_a_minute),
		T(udp_answers_leave_from_the_right_address),
		T(udp_client_moves_to_the_family_that_listens),
		T(udp_closed_client_is_told_to_the_guest),
		T(routable_clients_keep_their_address),
		T(one_client_port_towards_two_published_ports_is_two_connections),
	};
	own_net = kit_own_net();
	return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
