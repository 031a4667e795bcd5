// SPDX-License-Identifier: Apache-2.0
/*
 * Links over datagrams and sequenced packets: who the peer is, what is no frame, and what a peer
 * costs that is slow or gone.
 */
#include "link/sock_rig.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A VM's end: a datagram socket bound to a path of its own. */
static int vm_at(const char *path)
{
	int fd = rig_bind(path, SOCK_DGRAM), len = 1024 * 1024;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
	return fd;
}

static void vm_ends(int fd, const char *path)
{
	close(fd);
	unlink(path);
}

static ssize_t vm_sends_to(int fd, const char *path, const void *p, size_t n)
{
	struct sockaddr_un a = rig_address(path);

	return sendto(fd, p, n, MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a));
}

static void vm_sends(int fd, const char *path, uint32_t len, uint32_t mark)
{
	assert_int_equal(vm_sends_to(fd, path, rig_frame(len, mark).data, len), len);
}

static void vm_gets(int fd, uint32_t len, uint32_t mark)
{
	static uint8_t b[RIG_FRAME_MAX + 16];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 2000), 1);
	ssize_t n = recv(fd, b, sizeof(b), MSG_DONTWAIT);
	assert_true(n > 0);
	rig_check_frame(b, (uint32_t)n, len, mark);
}

static void link_gets(struct link *l, uint32_t len, uint32_t mark)
{
	struct frame got[LINK_BURST];

	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, len, mark);
}

static void link_sends(struct link *l, uint32_t len, uint32_t mark)
{
	struct frame f = rig_frame(len, mark);

	assert_int_equal(link_send(l, &f, 1), 1);
}

static struct link *bound_link(const char *path)
{
	struct error err = {0};
	struct link *l = link_dgram_bind(path, NULL, &err);

	assert_non_null(l);
	return l;
}

/* ---- datagrams: the peer --------------------------------------------------------------------- */

static void a_peer_is_learned_from_its_first_datagram(void **state)
{
	const char *path = rig_path("w"), *vm_path = rig_path("vm");
	struct link *l = bound_link(path);
	struct stat st;
	int vm = vm_at(vm_path);

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	link_sends(l, 60, 1); /* to nobody */
	assert_int_equal(l->tx_dropped, 1);
	assert_int_equal(l->peers, 0);
	vm_sends(vm, path, 60, 2);
	link_gets(l, 60, 2);
	assert_int_equal(l->peers, 1);
	link_sends(l, 1514, 3);
	vm_gets(vm, 1514, 3);
	rig_settle(l);
	link_free(l);
	assert_int_equal(access(path, F_OK), -1);
	vm_ends(vm, vm_path);
}

static void a_greeting_is_enough_and_no_frame(void **state)
{
	const char *path = rig_path("w"), *vm_path = rig_path("vm");
	struct link *l = bound_link(path);
	int vm = vm_at(vm_path);

	assert_int_equal(vm_sends_to(vm, path, "VFKT", 4), 4);
	rig_settle(l);
	assert_int_equal(l->peers, 1);
	assert_int_equal(l->rx_dropped, 0);
	link_sends(l, 60, 1);
	vm_gets(vm, 60, 1);
	/* Once more from the same address: the VM has started again. */
	assert_int_equal(vm_sends_to(vm, path, "VFKT", 4), 4);
	rig_settle(l);
	assert_int_equal(l->peers, 2);
	/* Other short ones are no frames. */
	assert_int_equal(vm_sends_to(vm, path, "VFKX", 4), 4);
	assert_int_equal(vm_sends_to(vm, path, "0123456789abc", 13), 13);
	assert_int_equal(vm_sends_to(vm, path, "", 0), 0);
	rig_settle(l);
	assert_int_equal(l->rx_dropped, 3);
	assert_int_equal(l->peers, 2);
	link_free(l);
	vm_ends(vm, vm_path);
}

static void another_peer_is_heard_once_the_first_has_gone(void **state)
{
	const char *path = rig_path("w"), *one = rig_path("one"), *two = rig_path("two");
	struct link *l = bound_link(path);
	int vm = vm_at(one), vm2 = vm_at(two);

	vm_sends(vm, path, 60, 1);
	link_gets(l, 60, 1);
	vm_sends(vm2, path, 60, 2);
	vm_sends(vm, path, 60, 3);
	link_gets(l, 60, 3);
	assert_int_equal(l->rx_dropped, 1);
	link_sends(l, 61, 4);
	vm_gets(vm, 61, 4);
	assert_int_equal(l->peers, 1);
	/* Its file may stay, as it does where a VM is killed. */
	close(vm);
	vm_sends(vm2, path, 60, 5);
	link_gets(l, 60, 5);
	assert_int_equal(l->peers, 2);
	link_sends(l, 61, 6);
	vm_gets(vm2, 61, 6);
	assert_int_equal(l->tx_dropped, 0);
	/* One that went unheard: what is sent is lost, and it may come back. */
	vm_ends(vm2, two);
	link_sends(l, 60, 7);
	assert_int_equal(l->tx_dropped, 1);
	vm2 = vm_at(two);
	vm_sends(vm2, path, 60, 8);
	link_gets(l, 60, 8);
	assert_int_equal(l->peers, 3);
	link_free(l);
	vm_ends(vm2, two);
	unlink(one);
}

static void a_peer_without_an_address_is_no_peer(void **state)
{
	const char *path = rig_path("w");
	struct link *l = bound_link(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	vm_sends(fd, path, 60, 1);
	rig_settle(l);
	assert_int_equal(l->rx_dropped, 1);
	assert_int_equal(l->peers, 0);
	link_sends(l, 60, 1);
	assert_int_equal(l->tx_dropped, 1);
	link_free(l);
	close(fd);
}

/* ---- datagrams: sizes and bursts ------------------------------------------------------------- */

static void datagrams_of_every_size_cross(void **state)
{
	static const uint32_t sizes[] = {14, 15, 1514, 65535, 65549};
	const char *path = rig_path("w"), *vm_path = rig_path("vm");
	struct link *l = bound_link(path);
	int vm = vm_at(vm_path);

	for (uint32_t i = 0; i < 5; i++) {
		vm_sends(vm, path, sizes[i], i);
		link_gets(l, sizes[i], i);
		link_sends(l, sizes[i], i + 9);
		vm_gets(vm, sizes[i], i + 9);
	}
	vm_sends(vm, path, 65550, 1);
	link_gets(l, 65550, 1);
	vm_sends(vm, path, 65551, 1);
	rig_settle(l);
	assert_int_equal(l->rx_dropped, 1);
	link_free(l);
	vm_ends(vm, vm_path);
}

/* A pair has no limit of datagrams, only of bytes. */
static void bursts_cross_a_pair_in_order(void **state)
{
	struct error err = {0};
	struct frame out[LINK_BURST], got[LINK_BURST];
	uint32_t seen = 0;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	struct link *l = link_dgram_fd(sv[0], NULL, &err);
	assert_non_null(l);
	assert_int_equal(l->peers, 1);
	for (uint32_t i = 0; i < LINK_BURST; i++)
		out[i] = rig_frame(1000 + i, i);
	assert_int_equal(link_send(l, out, LINK_BURST), LINK_BURST);
	for (uint32_t i = 0; i < LINK_BURST; i++)
		vm_gets(sv[1], 1000 + i, i);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(send(sv[1], rig_frame(600 + i, i).data, 600 + i, 0), 600 + i);
	for (int n; seen < 100 && (n = rig_recv(l, got, LINK_BURST)) > 0;)
		for (int i = 0; i < n; i++, seen++)
			rig_check_frame(got[i].data, got[i].len, 600 + seen, seen);
	assert_int_equal(seen, 100);
	rig_settle(l);
	/* Its end is seen when something is sent. */
	close(sv[1]);
	assert_int_equal(link_send(l, out, 2), -ENETDOWN);
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	link_free(l);
}

/* ---- a slow peer ----------------------------------------------------------------------------- */

/* The peer reads late; every frame that was taken arrives, once and in order. */
static void check_slow_peer(struct link *l, int vm, uint32_t len)
{
	uint64_t lost = l->tx_dropped;
	uint32_t sent = rig_send_until_refused(l, len, 0), seen = 0;

	for (int round = 0; round < 10; round++) {
		link_arm(l, true);
		assert_int_equal(rig_events_now(l), 0);
		while (!(rig_events_now(l) & EPOLLOUT))
			vm_gets(vm, len, seen++);
		link_arm(l, false);
		sent += rig_send_until_refused(l, len, sent);
	}
	while (seen < sent)
		vm_gets(vm, len, seen++);
	rig_settle(l);
	assert_int_equal(l->tx_dropped, lost);
}

static void a_peer_that_is_not_connected_is_waited_for(void **state)
{
	static const uint32_t sizes[] = {60, 1514, 65000};
	const char *path = rig_path("w"), *vm_path = rig_path("vm");

	for (int i = 0; i < 3; i++) {
		struct link *l = bound_link(path);
		int vm = vm_at(vm_path);

		vm_sends(vm, path, 60, 1);
		link_gets(l, 60, 1);
		check_slow_peer(l, vm, sizes[i]);
		/* The other way goes on meanwhile. */
		rig_send_until_refused(l, 60, 0);
		link_arm(l, true);
		vm_sends(vm, path, 60, 2);
		link_gets(l, 60, 2);
		link_free(l);
		vm_ends(vm, vm_path);
	}
}

static void a_peer_that_is_connected_to_us_is_waited_for(void **state)
{
	const char *path = rig_path("w"), *vm_path = rig_path("vm");
	struct sockaddr_un a = rig_address(path);
	struct link *l = bound_link(path);
	int vm = vm_at(vm_path);

	assert_int_equal(connect(vm, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(vm, rig_frame(60, 1).data, 60, 0), 60);
	link_gets(l, 60, 1);
	check_slow_peer(l, vm, 1514);
	link_free(l);
	vm_ends(vm, vm_path);
}

static void a_pair_is_waited_for(void **state)
{
	struct error err = {0};
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	struct link *l = link_dgram_fd(sv[0], NULL, &err);
	assert_non_null(l);
	check_slow_peer(l, sv[1], 1514);
	link_free(l);
	close(sv[1]);
}

static void who_waits_hears_that_the_peer_has_gone(void **state)
{
	const char *path = rig_path("w"), *vm_path = rig_path("vm");

	for (int connected = 0; connected < 2; connected++) {
		struct sockaddr_un a = rig_address(path);
		struct link *l = bound_link(path);
		struct frame f = rig_frame(60, 1);
		int vm = vm_at(vm_path);

		if (connected)
			assert_int_equal(connect(vm, (struct sockaddr *)&a, sizeof(a)), 0);
		vm_sends(vm, path, 60, 1);
		link_gets(l, 60, 1);
		rig_send_until_refused(l, 1514, 0);
		link_arm(l, true);
		assert_int_equal(rig_events_now(l), 0);
		vm_ends(vm, vm_path);
		assert_true(rig_wait(l) & EPOLLOUT);
		link_arm(l, false);
		assert_int_equal(link_send(l, &f, 1), 1);
		assert_int_equal(l->tx_dropped, 1);
		rig_settle(l);
		vm = vm_at(vm_path);
		vm_sends(vm, path, 60, 2);
		link_gets(l, 60, 2);
		link_sends(l, 60, 3);
		vm_gets(vm, 60, 3);
		link_free(l);
		vm_ends(vm, vm_path);
	}
}

/* A send buffer that holds nothing large: those are lost, and the link goes on. */
static void what_no_buffer_holds_is_lost_alone(void **state)
{
	struct error err = {0};
	int sv[2], len = 1;
	struct frame f[3] = {rig_frame(60, 1), rig_frame(60000, 2), rig_frame(61, 3)};

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	struct link *l = link_dgram_fd(sv[0], NULL, &err);
	assert_non_null(l);
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &len, sizeof(len)), 0);
	assert_int_equal(link_send(l, f, 3), 3);
	assert_int_equal(l->tx_dropped, 1);
	vm_gets(sv[1], 60, 1);
	vm_gets(sv[1], 61, 3);
	/* And what it holds is waited for. */
	check_slow_peer(l, sv[1], 60);
	link_free(l);
	close(sv[1]);
}

/* ---- offload --------------------------------------------------------------------------------- */

static void a_datagram_may_begin_with_a_header(void **state)
{
	struct link_options o = {.offload = LINK_OFFLOAD_VNET};
	struct error err = {0};
	struct frame f = rig_frame(3000, 1), got[LINK_BURST];
	uint8_t wire[4000];
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	struct link *l = link_dgram_fd(sv[0], &o, &err);
	assert_non_null(l);
	f.data[34 + 12] = 5 << 4;
	f.meta = (struct frame_meta){.needs_csum = true,
				     .gso = FRAME_GSO_TCPV4,
				     .gso_size = 1460,
				     .hdr_len = 54,
				     .csum_start = 34,
				     .csum_offset = 16};
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(recv(sv[1], wire, sizeof(wire), 0), 3012);
	assert_memory_equal(wire + 12, f.data, 3000);
	assert_int_equal(send(sv[1], wire, 25, 0), 25); /* no whole frame behind it */
	assert_int_equal(send(sv[1], wire, 3012, 0), 3012);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_memory_equal(&got[0].meta, &f.meta, sizeof(f.meta));
	assert_int_equal(l->rx_dropped, 1);
	link_free(l);
	close(sv[1]);
}

/* ---- sequenced packets ----------------------------------------------------------------------- */

static void sequenced_packets_have_one_peer_after_the_other(void **state)
{
	struct error err = {0};
	const char *path = rig_path("q");
	struct link *l = link_seqpacket_listen(path, NULL, &err);

	assert_non_null(l);
	link_sends(l, 60, 1);
	assert_int_equal(l->tx_dropped, 1);
	for (uint32_t i = 1; i < 4; i++) {
		int fd = rig_dial(path, SOCK_SEQPACKET);

		assert_int_equal(send(fd, rig_frame(60, i).data, 60, 0), 60);
		link_gets(l, 60, i);
		assert_int_equal(l->peers, i);
		link_sends(l, 2000, i);
		vm_gets(fd, 2000, i);
		int second = rig_dial(path, SOCK_SEQPACKET);
		rig_settle(l);
		assert_true(rig_closed(second));
		close(second);
		/* Neither nothing nor too much ends the connection. */
		assert_int_equal(send(fd, "", 0, 0), 0);
		assert_int_equal(send(fd, rig_frame(65551, 1).data, 65551, 0), 65551);
		assert_int_equal(send(fd, rig_frame(65550, i).data, 65550, 0), 65550);
		link_gets(l, 65550, i);
		assert_int_equal(l->rx_dropped, 2 * i);
		check_slow_peer(l, fd, 1514);
		close(fd);
		rig_settle(l);
		link_sends(l, 60, 1);
		assert_int_equal(l->tx_dropped, 1 + i);
	}
	link_free(l);
}

static void a_given_sequence_ends_with_its_peer(void **state)
{
	struct error err = {0};
	struct frame got[LINK_BURST];
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	struct link *l = link_seqpacket_fd(sv[0], NULL, &err);
	assert_non_null(l);
	assert_int_equal(send(sv[1], rig_frame(60, 1).data, 60, 0), 60);
	close(sv[1]);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	link_free(l);
	/* While it waits to send. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	l = link_seqpacket_fd(sv[0], NULL, &err);
	assert_non_null(l);
	rig_send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(sv[1]);
	assert_true(rig_wait(l) & EPOLLOUT);
	assert_int_equal(link_send(l, got, 1), -ENETDOWN);
	link_free(l);
}

static void who_waits_hears_of_an_end_that_was_read(void **state)
{
	struct error err = {0};
	const char *path = rig_path("q");
	struct link *l = link_seqpacket_listen(path, NULL, &err);

	assert_non_null(l);
	rig_check_end_is_heard(l, path, SOCK_SEQPACKET);
	link_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_learned_from_its_first_datagram),
		cmocka_unit_test(a_greeting_is_enough_and_no_frame),
		cmocka_unit_test(another_peer_is_heard_once_the_first_has_gone),
		cmocka_unit_test(a_peer_without_an_address_is_no_peer),
		cmocka_unit_test(datagrams_of_every_size_cross),
		cmocka_unit_test(bursts_cross_a_pair_in_order),
		cmocka_unit_test(a_peer_that_is_not_connected_is_waited_for),
		cmocka_unit_test(a_peer_that_is_connected_to_us_is_waited_for),
		cmocka_unit_test(a_pair_is_waited_for),
		cmocka_unit_test(who_waits_hears_that_the_peer_has_gone),
		cmocka_unit_test(what_no_buffer_holds_is_lost_alone),
		cmocka_unit_test(a_datagram_may_begin_with_a_header),
		cmocka_unit_test(sequenced_packets_have_one_peer_after_the_other),
		cmocka_unit_test(who_waits_hears_of_an_end_that_was_read),
		cmocka_unit_test(a_given_sequence_ends_with_its_peer),
	};

	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
