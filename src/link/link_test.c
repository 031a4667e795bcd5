// SPDX-License-Identifier: Apache-2.0
/*
 * The virtio-net header, and both kernel links against each other: a packet socket on a tap
 * interface sees what is written into the tap, and the tap what is sent on the interface.
 */
#include "link/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/view.h"
#include "link/vnet.h"

/* ---- the header ------------------------------------------------------------------------------ */

static uint8_t frame_bytes[2048];

static struct frame test_frame(uint32_t len)
{
	memset(frame_bytes, 0, sizeof(frame_bytes));
	frame_bytes[34 + 12] = 8 << 4; /* TCP data offset: 32 bytes, at byte 34 */
	return (struct frame){.data = frame_bytes, .len = len};
}

/* A header in the byte order of this machine. */
struct fields {
	uint8_t flags, type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};
_Static_assert(sizeof(struct fields) == VNET_HLEN_SHORT, "no padding");

static bool parse(const struct fields *h, struct frame *f)
{
	uint8_t hdr[VNET_HLEN_SHORT];

	memcpy(hdr, h, sizeof(hdr));
	return vnet_parse(hdr, f);
}

static void a_plain_frame_has_no_metadata(void **state)
{
	struct frame f = test_frame(60);

	assert_true(parse(&(struct fields){0}, &f));
	assert_false(f.meta.needs_csum || f.meta.csum_valid);
	assert_int_equal(f.meta.gso, FRAME_GSO_NONE);
	assert_true(parse(&(struct fields){.flags = 2}, &f));
	assert_true(f.meta.csum_valid);
}

static void a_super_segment_gets_its_real_header_length(void **state)
{
	struct frame f = test_frame(2000);
	struct fields h = {1, 1 | 0x80, 9, 1448, 34, 16};

	assert_true(parse(&h, &f));
	assert_true(f.meta.needs_csum && f.meta.ecn);
	assert_int_equal(f.meta.gso, FRAME_GSO_TCPV4);
	assert_int_equal(f.meta.gso_size, 1448);
	assert_int_equal(f.meta.hdr_len, 34 + 32);
	h = (struct fields){1, 5, 0, 1000, 34, 6};
	assert_true(parse(&h, &f));
	assert_int_equal(f.meta.hdr_len, 34 + 8);
}

static void impossible_headers_are_refused(void **state)
{
	static const struct {
		struct fields h;
		uint32_t len;
	} rows[] = {
		{{1, 0, 0, 0, 34, 16}, 51}, /* the checksum field ends behind the frame */
		{{1, 0, 0, 0, 0xffff, 0xffff}, 60},
		{{1, 0, 0, 0, 13, 16}, 60},      /* the checksum begins in the Ethernet header */
		{{0, 1, 54, 1448, 0, 0}, 2000},  /* TSO without a checksum to fill */
		{{1, 1, 54, 0, 34, 16}, 2000},   /* pieces of nothing */
		{{1, 3, 42, 1448, 34, 6}, 2000}, /* UFO, which is never offered */
		{{1, 0x20, 0, 1448, 34, 6}, 2000},
		{{1, 1, 54, 1448, 34, 16}, 53}, /* no whole TCP header */
		{{1, 1, 54, 1448, 34, 16}, 60}, /* its options end behind the frame */
		{{1, 5, 0, 1000, 34, 6}, 41},   /* no whole UDP header */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame f = test_frame(rows[i].len);
		assert_false(parse(&rows[i].h, &f));
	}
	/* A data offset of less than a TCP header. */
	struct frame f = test_frame(2000);
	f.data[34 + 12] = 4 << 4;
	assert_false(parse(&(struct fields){1, 1, 54, 1448, 34, 16}, &f));
}

static void what_is_written_reads_back(void **state)
{
	uint8_t hdr[VNET_HLEN];
	struct frame f = test_frame(2000), g = f;

	f.meta = (struct frame_meta){
		.needs_csum = true,
		.gso = FRAME_GSO_TCPV6,
		.ecn = true,
		.gso_size = 1428,
		.hdr_len = 66,
		.csum_start = 34,
		.csum_offset = 16,
	};
	memset(hdr, 0xff, sizeof(hdr));
	vnet_put(hdr, VNET_HLEN, &f);
	assert_true(vnet_parse(hdr, &g));
	assert_memory_equal(&f.meta, &g.meta, sizeof(f.meta));
	assert_int_equal(hdr[10] | hdr[11], 0);
}

/* ---- tap and packet socket ------------------------------------------------------------------- */

struct pair {
	struct link *tap, *packet;
};

static int tap_fd(void)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(ifr.ifr_name, "t0");
	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(s);
		close(fd);
		return -1;
	}
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
	return fd;
}

static int packet_fd(void)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex("t0"),
	};
	int on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	return fd;
}

/* Both links on one interface of a namespace made for it; false where that is not allowed. */
static bool pair_open(struct pair *p)
{
	struct error err = {0};

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	int fd = tap_fd();
	if (fd < 0)
		return false;
	p->tap = link_tap_new(fd, &err);
	p->packet = link_packet_new(packet_fd(), &err);
	assert_non_null(p->tap);
	assert_non_null(p->packet);
	return true;
}

static void pair_close(struct pair *p)
{
	link_free(p->tap);
	link_free(p->packet);
}

/* An Ethernet, IPv4 and TCP header of our own making in front of zeros; ethertype is a local one,
 * so that nobody else on the interface takes an interest. */
static uint8_t arena[FRAME_VNET_ROOM + FRAME_MAX];

static struct frame outgoing(uint32_t len, uint8_t mark)
{
	struct frame f = {.data = arena + FRAME_VNET_ROOM, .len = len};

	memset(f.data, 0, len);
	memset(f.data, 0x02, 12);
	put_be16(f.data + 12, 0x88b5); /* IEEE 802 local experimental */
	f.data[14] = mark;
	f.data[len - 1] = (uint8_t)~mark;
	return f;
}

/* A super-segment must be real, as the kernel looks into it. */
static struct frame outgoing_tso(uint32_t payload)
{
	struct frame f = outgoing(54 + payload, 0);
	uint8_t *ip = f.data + 14;

	put_be16(f.data + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(40 + payload));
	ip[8] = 64;
	ip[9] = 6;
	put_be32(ip + 12, 0x0a000001);
	put_be32(ip + 16, 0x0a000002);
	ip[20 + 12] = 5 << 4;
	ip[20 + 13] = 0x10;
	f.meta = (struct frame_meta){
		.needs_csum = true,
		.gso = FRAME_GSO_TCPV4,
		.gso_size = 1460,
		.hdr_len = 54,
		.csum_start = 34,
		.csum_offset = 16,
	};
	return f;
}

/* Frames with our marks; what the kernel itself says on the interface is passed over. */
static int receive(struct link *l, struct frame *ret, uint16_t ethertype, int want)
{
	struct frame got[LINK_BURST];
	int n = 0;

	for (int tries = 0; tries < 100 && n < want; tries++) {
		struct pollfd p = {.fd = l->fd, .events = POLLIN};
		poll(&p, 1, 20);
		int k = link_recv(l, got, LINK_BURST);
		assert_true(k >= 0);
		for (int i = 0; i < k; i++)
			if (get_be16(got[i].data + 12) == ethertype && n < want)
				ret[n++] = got[i];
		if (n > 0)
			break; /* they are valid until the next recv */
	}
	return n;
}

static void check_direction(struct link *from, struct link *to)
{
	struct frame f = outgoing(100, 7), got[LINK_BURST];

	assert_int_equal(link_send(from, &f, 1), 1);
	assert_int_equal(receive(to, got, 0x88b5, 1), 1);
	assert_int_equal(got[0].len, 100);
	assert_int_equal(got[0].data[14], 7);
	assert_int_equal(got[0].data[99], 0xf8);

	f = outgoing_tso(60000);
	assert_int_equal(link_send(from, &f, 1), 1);
	assert_int_equal(receive(to, got, 0x0800, 1), 1);
	assert_int_equal(got[0].len, 60054);
	assert_int_equal(got[0].meta.gso, FRAME_GSO_TCPV4);
	assert_int_equal(got[0].meta.gso_size, 1460);
	assert_int_equal(got[0].meta.hdr_len, 54);
	assert_true(got[0].meta.needs_csum);
	assert_int_equal(from->tx_dropped, 0);
}

/* More than one call's worth: each frame once, in order, none over another. */
static void check_burst(struct link *from, struct link *to)
{
	static uint8_t store[40][FRAME_VNET_ROOM + 1514];
	struct frame out[40], got[LINK_BURST];

	for (int i = 0; i < 40; i++) {
		struct frame f = outgoing(1514, (uint8_t)i);
		memcpy(store[i] + FRAME_VNET_ROOM, f.data, f.len);
		out[i] = (struct frame){.data = store[i] + FRAME_VNET_ROOM, .len = f.len};
	}
	assert_int_equal(link_send(from, out, 40), 40);
	assert_int_equal(receive(to, got, 0x88b5, 40), 40);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(got[i].len, 1514);
		assert_int_equal(got[i].data[14], i);
		assert_int_equal(got[i].data[1513], (uint8_t)~i);
	}
}

/* Where frames came one at a time, a burst is neither lost nor taken one by one for long. */
static void check_burst_behind_lone_frames(struct link *from, struct link *to)
{
	static uint8_t store[40][FRAME_VNET_ROOM + 100];
	struct frame out[40], got[LINK_BURST];
	int calls = 0;

	for (int i = 0; i < 30; i++) {
		struct frame f = outgoing(100, 1);
		assert_int_equal(link_send(from, &f, 1), 1);
		assert_int_equal(receive(to, got, 0x88b5, 1), 1);
	}
	for (int i = 0; i < 40; i++) {
		struct frame f = outgoing(100, (uint8_t)i);
		memcpy(store[i] + FRAME_VNET_ROOM, f.data, f.len);
		out[i] = (struct frame){.data = store[i] + FRAME_VNET_ROOM, .len = f.len};
	}
	assert_int_equal(link_send(from, out, 40), 40);
	for (int n = 0; n < 40; calls++) {
		int k = receive(to, got, 0x88b5, 40 - n);
		assert_true(k > 0);
		for (int i = 0; i < k; i++, n++)
			assert_int_equal(got[i].data[14], n);
	}
	assert_true(calls <= 10);
}

static void check_refusals(struct pair *p)
{
	struct frame f = outgoing(9000, 1), got[LINK_BURST];

	/* Over the MTU and no super-segment: lost as on a wire, and nothing else with it. */
	assert_int_equal(link_send(p->packet, &f, 1), 1);
	assert_int_equal(p->packet->tx_dropped, 1);
	/* Nothing there: neither waits nor fails. */
	while (link_recv(p->tap, got, LINK_BURST) > 0)
		;
	assert_int_equal(link_recv(p->tap, got, LINK_BURST), 0);
	/* The interface is down: the frame is lost; it goes away: the link is. */
	struct ifreq ifr = {0};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(ifr.ifr_name, "t0");
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
	f = outgoing(100, 1);
	assert_int_equal(link_send(p->tap, &f, 1), 1);
	assert_int_equal(p->tap->tx_dropped, 1);
	assert_int_equal(link_recv(p->packet, got, LINK_BURST), -ENETDOWN);
	if (system("ip link del t0") == 0) {
		assert_int_equal(link_recv(p->tap, got, LINK_BURST), -ENETDOWN);
		assert_int_equal(link_send(p->tap, &f, 1), -ENETDOWN);
		assert_int_equal(link_send(p->packet, &f, 1), -ENETDOWN);
	}
	p->tap->ops->trim(p->tap);
	p->packet->ops->trim(p->packet);
}

/* In a process of its own, whose namespace ends with it. */
static void both_links_carry_frames_whole(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct pair p;
		if (!pair_open(&p))
			_exit(77);
		check_direction(p.tap, p.packet);
		check_direction(p.packet, p.tap);
		check_burst(p.tap, p.packet);
		check_burst(p.packet, p.tap);
		check_burst_behind_lone_frames(p.packet, p.tap);
		check_refusals(&p);
		pair_close(&p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("no tap can be made here (that takes root or user namespaces, and "
			      "/dev/net/tun)\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void something_that_is_no_tap_is_refused(void **state)
{
	struct error err = {0};

	assert_null(link_tap_new(open("/dev/null", O_RDWR | O_CLOEXEC), &err));
	assert_non_null(strstr(err.msg, "tap"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_frame_has_no_metadata),
		cmocka_unit_test(a_super_segment_gets_its_real_header_length),
		cmocka_unit_test(impossible_headers_are_refused),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(both_links_carry_frames_whole),
		cmocka_unit_test(something_that_is_no_tap_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
