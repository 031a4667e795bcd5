// SPDX-License-Identifier: Apache-2.0
/* The UDP relay against real sockets on loopback. */
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

#include "flow/budget.h"
#include "flow/relay_kit.h"
#include "flow/udp_priv.h"

#define G4 "10.0.0.2"
#define G6 "fd00::2"

static struct udp_relay *relay;
static bool own_net;
static uint8_t big[65507];

static int setup(void **state)
{
	kit_start();
	relay = udp_relay_new(&kit.sb, 8);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	return relay ? 0 : -1;
}

static int teardown(void **state)
{
	udp_relay_free(relay);
	kit_stop();
	return 0;
}

static void guest_sends(const char *src, uint16_t sport, const char *dst, uint16_t dport,
			const void *p, size_t len)
{
	struct udp_datagram d = kit_datagram(src, sport, dst, dport, p, len);
	udp_relay_input(relay, &d);
	udp_relay_flush(relay);
}

/* What a server got, and from which port. */
static ssize_t server_gets(int fd, void *buf, size_t cap, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);
	return recvfrom(fd, buf, cap, 0, (struct sockaddr *)from, &len);
}

static uint16_t port_of(const struct sockaddr_storage *sa)
{
	struct ipaddr a;
	uint16_t port = 0;
	ipaddr_from_sockaddr((const struct sockaddr *)sa, &a, &port);
	return port;
}

static void server_sends(int fd, const void *p, size_t len, const struct sockaddr_storage *to)
{
	assert_int_equal(sendto(fd, p, len, 0, (const struct sockaddr *)to,
				to->ss_family == AF_INET ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6)),
			 (ssize_t)len);
}

/* The reply comes from the address that the guest has sent to, which stands for the loopback. */
static void gateway_is_loopback_of_the_host(void **state)
{
	static const struct {
		const char *lo, *gw, *guest;
	} family[] = {{"127.0.0.1", "10.0.0.1", G4}, {"::1", "fd00::1", G6}};
	for (int i = 0; i < 2; i++) {
		uint16_t port;
		int fd = kit_server(family[i].lo, SOCK_DGRAM, &port);
		guest_sends(family[i].guest, 1000, family[i].gw, port, "ask", 3);
		char buf[16];
		struct sockaddr_storage from;
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 3);
		server_sends(fd, "answer", 6, &from);
		unsigned at = kit.n;
		assert_true(kit_run(at + 1));
		struct ipaddr gw = kit_addr(family[i].gw), guest = kit_addr(family[i].guest);
		const struct kit_record *r = &kit.rec[at];
		assert_int_equal(r->what, KIT_UDP);
		assert_true(ipaddr_eq(&r->src, &gw) && ipaddr_eq(&r->dst, &guest));
		assert_int_equal(r->sport, port);
		assert_int_equal(r->dport, 1000);
		assert_int_equal(r->hash, kit_hash("answer", 6));
		close(fd);
	}
}

/* RFC 4787 4.1: one guest port has one host port whatever it talks to; another has another. */
static void mapping_is_endpoint_independent(void **state)
{
	uint16_t p1, p2;
	int s1 = kit_server("127.0.0.1", SOCK_DGRAM, &p1),
	    s2 = kit_server("127.0.0.2", SOCK_DGRAM, &p2);
	struct sockaddr_storage from1, from2, from3;
	char buf[8];
	guest_sends(G4, 1000, "127.0.0.1", p1, "a", 1);
	guest_sends(G4, 1000, "127.0.0.2", p2, "b", 1);
	assert_int_equal(server_gets(s1, buf, sizeof(buf), &from1), 1);
	assert_int_equal(server_gets(s2, buf, sizeof(buf), &from2), 1);
	assert_int_equal(port_of(&from1), port_of(&from2));
	guest_sends(G4, 1001, "127.0.0.1", p1, "c", 1);
	assert_int_equal(server_gets(s1, buf, sizeof(buf), &from3), 1);
	assert_int_not_equal(port_of(&from1), port_of(&from3));
	assert_int_equal(kit.sb.cnt.udp_sessions, 2);
	assert_int_equal(kit.admissions, 3);
	guest_sends(G4, 1000, "127.0.0.1", p1, "d", 1);
	assert_int_equal(kit.admissions, 3);
	close(s1);
	close(s2);
}

static void strangers_are_kept_out(void **state)
{
	uint16_t p1, p2;
	int s1 = kit_server("127.0.0.1", SOCK_DGRAM, &p1),
	    s2 = kit_server("127.0.0.1", SOCK_DGRAM, &p2);
	struct sockaddr_storage from;
	char buf[8];
	guest_sends(G4, 1000, "10.0.0.1", p1, "a", 1);
	assert_int_equal(server_gets(s1, buf, sizeof(buf), &from), 1);
	server_sends(s2, "x", 1, &from); /* the same address, another port */
	kit_run_ms(50);
	assert_int_equal(kit.n, 0);
	assert_int_equal(kit.sb.cnt.udp_dropped, 1);
	guest_sends(G4, 1000, "10.0.0.1", p2, "b", 1);
	server_sends(s2, "y", 1, &from);
	assert_true(kit_run(1));
	assert_int_equal(kit.rec[0].hash, kit_hash("y", 1));
	close(s1);
	close(s2);
}

static void denied_is_told_and_opens_nothing(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	kit.deny = true;
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.n, 1);
	assert_int_equal(kit.rec[0].what, KIT_ERROR);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_ADMIN);
	assert_true(kit.rec[0].from_gateway);
	assert_int_equal(kit.sb.cnt.udp_sessions, 0);
	char buf[4];
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	close(fd);
}

/* What does not fit ends the flow, and is told; what does still goes. */
static void budget_lets_no_more_go(void **state)
{
	static const uint8_t lo[4] = {127, 0, 0, 1};
	struct ipaddr server = ipaddr_v4(lo);
	uint16_t port;
	char buf[16];
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct budgets *b = kit.sb.budgets = budgets_new();

	assert_non_null(b);
	budgets_limit(b, 0, 10);
	guest_sends(G4, 1000, "127.0.0.1", port, "abcdef", 6);
	guest_sends(G4, 1001, "127.0.0.1", port, "ghijk", 5);
	assert_int_equal(kit.n, 1);
	assert_int_equal(kit.rec[0].what, KIT_ERROR);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_ADMIN);
	assert_int_equal(kit.refusals, 1);
	assert_int_equal(kit.refusal, REASON_BUDGET);
	assert_int_equal(kit.sb.cnt.udp_dropped, 1);
	guest_sends(G4, 1000, "127.0.0.1", port, "ghij", 4);
	assert_int_equal(budget_left(b, NULL, &server), 0);
	guest_sends(G4, 1000, "127.0.0.1", port, "k", 1);
	assert_int_equal(kit.refusals, 2);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 6);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 4);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	close(fd);
	kit.sb.budgets = NULL;
	budgets_free(b);
}

static void largest_datagrams_pass_both_ways(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct sockaddr_storage from;
	static uint8_t buf[65536];
	guest_sends(G4, 1000, "10.0.0.1", port, big, sizeof(big));
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), sizeof(big));
	assert_memory_equal(buf, big, sizeof(big));
	server_sends(fd, big, sizeof(big), &from);
	assert_true(kit_run(1));
	assert_int_equal(kit.rec[0].len, sizeof(big));
	assert_int_equal(kit.rec[0].hash, kit_hash(big, sizeof(big)));
	close(fd);
}

static void empty_datagrams_pass(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct sockaddr_storage from;
	char buf[4];
	struct udp_datagram d = kit_datagram(G4, 1000, "10.0.0.1", port, "", 0);
	for (int i = 0; i < 3; i++)
		udp_relay_input(relay, &d);
	udp_relay_flush(relay);
	for (int i = 0; i < 3; i++)
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 0);
	server_sends(fd, "", 0, &from);
	assert_true(kit_run(1));
	assert_int_equal(kit.rec[0].len, 0);
	close(fd);
}

/* Bursts keep order and boundaries, whatever was joined into a train on the way. */
static void burst_keeps_order_and_sizes(void **state)
{
	static const size_t sizes[] = {1200, 1200, 1200, 700, 1200, 0, 1200, 1200, 1300, 1300, 5};
	enum {
		N = sizeof(sizes) / sizeof(sizes[0]),
		TIMES = 20
	}; /* more than UDP_BATCH in all */
	uint16_t p1, p2;
	int s1 = kit_server("127.0.0.1", SOCK_DGRAM, &p1),
	    s2 = kit_server("127.0.0.1", SOCK_DGRAM, &p2);
	int rcvbuf = 4 << 20;
	setsockopt(s1, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf));
	for (unsigned i = 0; i < N * TIMES; i++) {
		struct udp_datagram d =
			kit_datagram(G4, 1000, "10.0.0.1", p1, big + i, sizes[i % N]);
		udp_relay_input(relay, &d);
		if (i % 7 == 0) { /* another session in between */
			d = kit_datagram(G4, 1001, "10.0.0.1", p2, big, 10);
			udp_relay_input(relay, &d);
		}
		if (i % 50 == 49) { /* a server with a small receive buffer keeps up */
			udp_relay_flush(relay);
		}
	}
	udp_relay_flush(relay);
	static uint8_t buf[65536];
	for (unsigned i = 0; i < N * TIMES; i++) {
		struct sockaddr_storage from;
		assert_int_equal(server_gets(s1, buf, sizeof(buf), &from), sizes[i % N]);
		assert_memory_equal(buf, big + i, sizes[i % N]);
	}
	assert_int_equal(kit.sb.cnt.udp_out, N * TIMES + (N * TIMES + 6) / 7);
	close(s1);
	close(s2);
}

/* Datagrams over the path's MTU make no train: the kernel would refuse each, and does so once. */
static void what_is_too_long_for_a_train_is_remembered(void **state)
{
	static uint8_t buf[2000];
	struct sockaddr_storage from;
	uint16_t port;
	if (!own_net || !kit_lo_mtu(1500))
		skip();
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	for (int burst = 0; burst < 4; burst++) {
		size_t len = burst < 2 ? 2000 : burst == 2 ? 1400 : 1999;
		for (int i = 0; i < 3; i++) {
			struct udp_datagram d =
				kit_datagram(G4, 1000, "10.0.0.1", port, big + i, len);
			udp_relay_input(relay, &d);
		}
		udp_relay_flush(relay);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), len);
			assert_memory_equal(buf, big + i, len);
		}
		assert_int_equal(udp_relay_io(relay)->tx_pieces[0], burst == 1 ? 1 : 3);
	}
	assert_int_equal(kit.sb.cnt.udp_out, 12);
	assert_int_equal(kit.sb.cnt.udp_dropped, 0);
	close(fd);
	kit_lo_mtu(65536);
}

static void trains_from_the_link_are_cut(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct udp_datagram d = kit_datagram(G4, 1000, "10.0.0.1", port, big, 3100);
	d.gso_size = 1000;
	udp_relay_input(relay, &d);
	d.gso_size = 1; /* more pieces than the kernel takes in one message */
	d.payload.len = 150;
	udp_relay_input(relay, &d);
	udp_relay_flush(relay);
	uint8_t buf[2000];
	struct sockaddr_storage from;
	static const size_t want[] = {1000, 1000, 1000, 100};
	for (int i = 0; i < 4; i++)
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), want[i]);
	for (int i = 0; i < 150; i++) {
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
		assert_int_equal(buf[0], big[i]);
	}
	assert_int_equal(kit.sb.cnt.udp_out, 154);
	close(fd);
}

/* What the host sends as one train comes as one. */
static void trains_from_the_host_stay_whole(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct sockaddr_storage from;
	char buf[4];
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	int size = 1000;
	if (setsockopt(fd, IPPROTO_UDP, 103, &size, sizeof(size)))
		skip(); /* a kernel without UDP_SEGMENT */
	server_sends(fd, big, 9500, &from);
	assert_true(kit_run(1));
	assert_int_equal(kit.rec[0].what, KIT_TRAIN);
	assert_int_equal(kit.rec[0].gso_size, 1000);
	assert_int_equal(kit.rec[0].len, 9500);
	assert_int_equal(kit.rec[0].hash, kit_hash(big, 9500));
	assert_int_equal(kit.sb.cnt.udp_in, 10);
	close(fd);
}

/* What came one by one is joined where the link takes trains, and stays in order. */
static void equal_datagrams_are_joined_for_a_link_with_uso(void **state)
{
	static const size_t sizes[] = {1000, 1000, 1000, 400, 1000, 0, 1472, 1472, 9000, 9000, 30};
	enum {
		N = sizeof(sizes) / sizeof(sizes[0])
	};
	kit.sb.stack.cfg.link_caps = LINK_USO;
	uint16_t p1, p2;
	int s1 = kit_server("127.0.0.1", SOCK_DGRAM, &p1),
	    s2 = kit_server("127.0.0.1", SOCK_DGRAM, &p2);
	struct sockaddr_storage from;
	char buf[4];
	guest_sends(G4, 1000, "10.0.0.1", p1, "a", 1);
	guest_sends(G4, 1000, "10.0.0.1", p2, "a", 1);
	assert_int_equal(server_gets(s1, buf, sizeof(buf), &from), 1);
	size_t off = 0;
	for (int i = 0; i < N; off += sizes[i++])
		server_sends(s1, big + off, sizes[i], &from);
	server_sends(s2, big, 30, &from); /* the same size, but of somebody else */
	int tos = 4;
	setsockopt(s2, SOL_IP, IP_TOS, &tos, sizeof(tos));
	server_sends(s2, big, 30, &from); /* another TOS */
	static const struct {
		size_t off, len, gso_size;
	} want[] = {{0, 3400, 1000},    {3400, 1000, 0}, {4400, 0, 0},
		    {4400, 2944, 1472}, {7344, 9000, 0}, {16344, 9000, 0},
		    {25344, 30, 0},     {0, 30, 0},      {0, 30, 0}};
	assert_true(kit_run(9));
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(kit.rec[i].what, want[i].gso_size ? KIT_TRAIN : KIT_UDP);
		assert_int_equal(kit.rec[i].gso_size, want[i].gso_size);
		assert_int_equal(kit.rec[i].len, want[i].len);
		assert_int_equal(kit.rec[i].hash, kit_hash(big + want[i].off, want[i].len));
	}
	assert_int_equal(kit.sb.cnt.udp_in, N + 2);
	close(s1);
	close(s2);
}

/* TTL (one hop less) and TOS are each datagram's own, also inside one burst. */
static void ttl_and_tos_are_each_datagrams_own(void **state)
{
	static const uint8_t ttl[] = {64, 2, 3, 64, 64}, tos[] = {0, 0, 1, 0xb8, 0};
	for (int family = 4; family <= 6; family += 2) {
		uint16_t port;
		int fd = kit_server(family == 4 ? "127.0.0.1" : "::1", SOCK_DGRAM, &port), on = 1;
		setsockopt(fd, SOL_IP, IP_RECVTTL, &on, sizeof(on));
		setsockopt(fd, SOL_IP, IP_RECVTOS, &on, sizeof(on));
		setsockopt(fd, SOL_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
		setsockopt(fd, SOL_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
		for (int i = 0; i < 5; i++) {
			struct udp_datagram d =
				kit_datagram(family == 4 ? G4 : G6, 1000,
					     family == 4 ? "10.0.0.1" : "fd00::1", port, "x", 1);
			d.ttl = ttl[i];
			d.tos = tos[i];
			udp_relay_input(relay, &d);
		}
		udp_relay_flush(relay);
		for (int i = 0; i < 5; i++) {
			char buf[4];
			_Alignas(8) char control[128];
			struct iovec iov = {buf, sizeof(buf)};
			struct msghdr m = {.msg_iov = &iov,
					   .msg_iovlen = 1,
					   .msg_control = control,
					   .msg_controllen = sizeof(control)};
			assert_int_equal(recvmsg(fd, &m, 0), 1);
			int got_ttl = -1, got_tos = -1;
			for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
				if (c->cmsg_type == (family == 4 ? IP_TTL : IPV6_HOPLIMIT))
					memcpy(&got_ttl, CMSG_DATA(c), sizeof(int));
				if (c->cmsg_type == (family == 4 ? IP_TOS : IPV6_TCLASS))
					got_tos = *CMSG_DATA(c);
			}
			assert_int_equal(got_ttl, ttl[i] - 1);
			assert_int_equal(got_tos, tos[i]);
		}
		close(fd);
	}
}

static void tos_of_replies_reaches_the_guest(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port), ect = 2;
	struct sockaddr_storage from;
	char buf[4];
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	setsockopt(fd, SOL_IP, IP_TOS, &ect, sizeof(ect));
	server_sends(fd, "b", 1, &from);
	assert_true(kit_run(1));
	assert_int_equal(kit.rec[0].tos, 2);
	close(fd);
}

/* Refused by both loopbacks: the guest hears it from the address that it sent to. */
static void closed_port_is_told_from_the_far_end(void **state)
{
	uint16_t port;
	close(kit_server("127.0.0.1", SOCK_DGRAM, &port));
	guest_sends(G4, 1000, "127.0.0.1", port, "hello", 5);
	assert_true(kit_run(1));
	const struct kit_record *r = &kit.rec[0];
	struct ipaddr dst = kit_addr("127.0.0.1"), guest = kit_addr(G4);
	assert_int_equal(r->what, KIT_REBUILT);
	assert_int_equal(r->error, ICMP_ERR_PORT_UNREACH);
	assert_true(ipaddr_eq(&r->from, &dst) && ipaddr_eq(&r->dst, &dst) &&
		    ipaddr_eq(&r->src, &guest));
	assert_int_equal(r->sport, 1000);
	assert_int_equal(r->dport, port);
	assert_int_equal(r->len, 8 + 5);
}

/* The error of one remote does not cost another one a datagram. */
static void error_of_one_spares_the_other(void **state)
{
	uint16_t port, closed;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	close(kit_server("127.0.0.2", SOCK_DGRAM, &closed));
	char buf[4];
	struct sockaddr_storage from;
	for (int i = 0; i < 20; i++) {
		guest_sends(G4, 1000, "127.0.0.2", closed, "a", 1);
		guest_sends(G4, 1000, "127.0.0.1", port, "b", 1);
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	}
	assert_true(kit_run(20));
	for (unsigned i = 0; i < kit.n; i++)
		assert_int_equal(kit.rec[i].error, ICMP_ERR_PORT_UNREACH);
	close(fd);
}

static void other_loopback_is_tried_on_refusal(void **state)
{
	uint16_t port;
	int fd = kit_server("::1", SOCK_DGRAM, &port);
	char buf[8];
	struct sockaddr_storage from;
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	kit_run_ms(20);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	server_sends(fd, "b", 1, &from);
	assert_true(kit_run(1));
	struct ipaddr gw = kit_addr("10.0.0.1");
	assert_int_equal(kit.rec[0].what, KIT_UDP);
	assert_true(ipaddr_eq(&kit.rec[0].src, &gw));
	/* gone there, too: now the guest is told, under the address that it knows */
	close(fd);
	guest_sends(G4, 1000, "10.0.0.1", port, "c", 1);
	assert_true(kit_run(2));
	assert_int_equal(kit.rec[1].error, ICMP_ERR_PORT_UNREACH);
	assert_true(ipaddr_eq(&kit.rec[1].dst, &gw));
}

/* "Don't fragment" and over the MTU of the way: refused with the MTU; else the host fragments. */
static void df_over_the_mtu_is_told_with_the_mtu(void **state)
{
	static const uint8_t df4[28] = {0x45, [6] = 0x40}, no_df4[28] = {0x45};
	static const uint8_t df6[48] = {0x60, [6] = 17}, no_df6[48] = {0x60, [6] = 44};
	if (!own_net || !kit_lo_mtu(1500))
		skip();
	for (int i = 0; i < 2; i++) {
		uint16_t port;
		int fd = kit_server(i ? "::1" : "127.0.0.1", SOCK_DGRAM, &port);
		struct udp_datagram d = kit_datagram(i ? G6 : G4, 1000, i ? "fd00::1" : "10.0.0.1",
						     port, big, 2000);
		d.l3 = i ? view_make(df6, sizeof(df6)) : view_make(df4, sizeof(df4));
		kit.n = 0;
		udp_relay_input(relay, &d);
		udp_relay_input(relay, &d); /* as a train, too */
		udp_relay_flush(relay);
		kit_run_ms(10);
		assert_int_equal(kit.n, 2);
		assert_int_equal(kit.rec[0].what, KIT_ERROR);
		assert_int_equal(kit.rec[0].error, ICMP_ERR_TOO_BIG);
		assert_int_equal(kit.rec[0].value, 1500);
		d.l3 = i ? view_make(no_df6, sizeof(no_df6)) : view_make(no_df4, sizeof(no_df4));
		udp_relay_input(relay, &d);
		d.l3 = i ? view_make(df6, sizeof(df6)) : view_make(df4, sizeof(df4));
		d.payload.len = 100;
		udp_relay_input(relay, &d);
		udp_relay_flush(relay);
		uint8_t buf[4000];
		struct sockaddr_storage from;
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 2000);
		assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 100);
		assert_int_equal(kit.n, 2);
		close(fd);
	}
	kit_lo_mtu(65536);
}

/* A host without a way there says so at once. */
static void no_route_is_told(void **state)
{
	if (!own_net)
		skip();
	guest_sends(G4, 1000, "203.0.113.1", 9, "a", 1);
	guest_sends(G6, 1000, "2001:db8::1", 9, "a", 1);
	assert_int_equal(kit.n, 2);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_NET_UNREACH);
	assert_int_equal(kit.rec[1].error, ICMP_ERR_NET_UNREACH);
}

static void sessions_age(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct sockaddr_storage from, again;
	char buf[4];
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	/* one side only: 60 s */
	kit_advance(59 * 1000000u);
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &again), 1);
	assert_int_equal(port_of(&from), port_of(&again));
	kit_advance(61 * 1000000u);
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.sb.cnt.udp_sessions, 2);
	/* both sides: 180 s since the last of either */
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	server_sends(fd, "b", 1, &from);
	assert_true(kit_run(1));
	kit.loop.now_us += 120 * 1000000u; /* loop_run() has read the real clock again */
	kit_advance(58 * 1000000u);
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.sb.cnt.udp_sessions, 2);
	kit_advance(181 * 1000000u);
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.sb.cnt.udp_sessions, 3);
	close(fd);
}

/* A stream that the guest only listens to, as of a camera, does not end after a while. */
static void a_session_lives_while_only_the_server_speaks(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct sockaddr_storage from;
	char buf[4];
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	struct ipaddr guest = kit_addr(G4);
	struct udp_session *us = udp_session_find(relay, &guest, 1000);
	assert_non_null(us);
	us->used_us -= 170 * 1000000u;
	server_sends(fd, "b", 1, &from);
	assert_true(kit_run(1));
	assert_int_equal(kit.rec[0].what, KIT_UDP);
	assert_true(kit.loop.now_us - us->used_us < 10 * 1000000u);
	close(fd);
}

static void questions_to_port_53_age_fast(void **state)
{
	guest_sends(G4, 1000, "127.0.0.9", 53, "q", 1);
	guest_sends(G4, 1001, "127.0.0.9", 54, "q", 1);
	kit_advance(16 * 1000000u);
	guest_sends(G4, 1000, "127.0.0.9", 53, "q", 1);
	guest_sends(G4, 1001, "127.0.0.9", 54, "q", 1);
	assert_int_equal(kit.sb.cnt.udp_sessions, 3);
}

static void oldest_session_makes_room(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	for (uint16_t i = 0; i < 8; i++)
		guest_sends(G4, 1000 + i, "10.0.0.1", port, "a", 1);
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1); /* used again: 1001 is now the oldest */
	assert_int_equal(kit.refusals, 0);
	guest_sends(G4, 2000, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.refusals, 1);
	assert_int_equal(kit.refusal, REASON_LIMIT_UDP);
	assert_int_equal(kit.sb.cnt.udp_sessions, 9);
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.sb.cnt.udp_sessions, 9);
	guest_sends(G4, 1001, "10.0.0.1", port, "a", 1);
	assert_int_equal(kit.sb.cnt.udp_sessions, 10);
	close(fd);
}

/* A guest that sprays destinations stays inside the tables. */
static void remotes_are_bounded(void **state)
{
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 1500; i++) {
			char dst[32];
			snprintf(dst, sizeof(dst), "127.0.%u.%u", 1 + i / 250, 1 + i % 250);
			struct udp_datagram d =
				kit_datagram(G4, (uint16_t)(1000 + i % 3), dst, 9, "a", 1);
			udp_relay_input(relay, &d);
		}
	}
	udp_relay_flush(relay);
	/* Each session lives within its share; none is refused and none loses its place. */
	assert_int_equal(kit.refusals, 0);
	assert_int_equal(kit.sb.cnt.udp_sessions, 3);
	assert_true(relay->remotes.count <= 8 * UDP_REMOTES_SHARE);
	/* The newest are the ones that are kept. */
	unsigned before = kit.admissions;
	guest_sends(G4, 1000 + 1499 % 3, "127.0.6.250", 9, "a", 1);
	assert_int_equal(kit.admissions, before);
	guest_sends(G4, 1000, "127.0.1.1", 9, "a", 1);
	assert_int_equal(kit.admissions, before + 1);
}

static void without_descriptors_old_sessions_live_on(void **state)
{
	uint16_t port;
	int fd = kit_server("127.0.0.1", SOCK_DGRAM, &port);
	struct sockaddr_storage from;
	char buf[4];
	guest_sends(G4, 1000, "10.0.0.1", port, "a", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	struct rlimit old, none;
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	guest_sends(G4, 1001, "10.0.0.1", port, "b", 1);
	guest_sends(G4, 1000, "10.0.0.1", port, "c", 1);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(kit.n, 1);
	assert_int_equal(kit.rec[0].error, ICMP_ERR_HOST_UNREACH);
	assert_int_equal(kit.refusal, REASON_LIMIT_UDP);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	assert_int_equal(buf[0], 'c');
	guest_sends(G4, 1001, "10.0.0.1", port, "d", 1);
	assert_int_equal(server_gets(fd, buf, sizeof(buf), &from), 1);
	assert_int_equal(buf[0], 'd');
	close(fd);
}

int main(void)
{
	own_net = kit_own_net();
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gateway_is_loopback_of_the_host),
		T(mapping_is_endpoint_independent),
		T(strangers_are_kept_out),
		T(budget_lets_no_more_go),
		T(denied_is_told_and_opens_nothing),
		T(largest_datagrams_pass_both_ways),
		T(empty_datagrams_pass),
		T(burst_keeps_order_and_sizes),
		T(what_is_too_long_for_a_train_is_remembered),
		T(trains_from_the_link_are_cut),
		T(trains_from_the_host_stay_whole),
		T(equal_datagrams_are_joined_for_a_link_with_uso),
		T(ttl_and_tos_are_each_datagrams_own),
		T(tos_of_replies_reaches_the_guest),
		T(closed_port_is_told_from_the_far_end),
		T(error_of_one_spares_the_other),
		T(other_loopback_is_tried_on_refusal),
		T(df_over_the_mtu_is_told_with_the_mtu),
		T(no_route_is_told),
		T(sessions_age),
		T(a_session_lives_while_only_the_server_speaks),
		T(questions_to_port_53_age_fast),
		T(oldest_session_makes_room),
		T(remotes_are_bounded),
		T(without_descriptors_old_sessions_live_on),
	};
	return cmocka_run_group_tests_name("udp_relay", tests, NULL, NULL);
}
