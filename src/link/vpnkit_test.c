// SPDX-License-Identifier: Apache-2.0
/*
 * Streams that say the length of a frame in two bytes: pairs of pipes, and clients of vpnkit, which
 * greet before their first frame.
 */
#include "link/sock_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/vpnkit.h"

/* ---- pipes ------------------------------------------------------------------------------------
 */

static void frames_cross_a_pair_of_pipes(void **state)
{
	static const uint32_t sizes[] = {14, 300, 1514, 60000};
	static uint8_t b[2 + 65535];
	struct error err = {0};
	int to[2], from[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	struct link *l = link_stdio_new(to[0], from[1], NULL, &err);
	assert_non_null(l);
	for (uint32_t i = 0; i < 4; i++) {
		struct frame f = rig_frame(sizes[i], i), got[LINK_BURST];

		assert_int_equal(link_send(l, &f, 1), 1);
		rig_read(from[0], b, 2 + sizes[i]);
		assert_int_equal(b[0] | b[1] << 8, sizes[i]);
		rig_check_frame(b + 2, sizes[i], sizes[i], i);
		rig_write(to[1], b, 2 + sizes[i]);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, sizes[i], i);
	}
	/* No length of 16 bits says so much. */
	struct frame f = rig_frame(65536, 1), got[LINK_BURST];
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(l->tx_dropped, 1);
	/* A full pipe. */
	uint32_t sent = rig_send_until_refused(l, 1000, 0), seen = 0;
	link_arm(l, true);
	while (seen < sent) {
		rig_read(from[0], b, 1002);
		rig_check_frame(b + 2, 1000, 1000, seen++);
		rig_events_now(l);
	}
	assert_true(rig_wait(l) & EPOLLOUT);
	link_arm(l, false);
	rig_settle(l);
	close(from[0]); /* the reader goes first */
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	link_free(l);
	close(to[1]);
}

static void pipes_end_with_their_writer_and_files_are_refused(void **state)
{
	struct error err = {0};
	struct frame got[LINK_BURST];
	int to[2], from[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	struct link *l = link_stdio_new(to[0], from[1], NULL, &err);
	assert_non_null(l);
	close(to[1]);
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	link_free(l);
	assert_int_equal(fcntl(to[0], F_GETFD), -1);
	assert_int_equal(fcntl(from[1], F_GETFD), -1);
	close(from[0]);
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_null(link_stdio_new(in, dup(in), NULL, &err));
	assert_non_null(strstr(err.msg, "pipes or sockets"));
	assert_int_equal(fcntl(in, F_GETFD), -1);
	assert_int_equal(fcntl(in + 1, F_GETFD), -1);
	/* One socket for both ways. */
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	l = link_stdio_new(sv[0], sv[0], NULL, &err);
	assert_non_null(l);
	rig_write(sv[1], "\x0e\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 16);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(got[0].len, 14);
	link_free(l);
	close(sv[1]);
}

/* ---- vpnkit -----------------------------------------------------------------------------------
 */

static void put_le16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

/* Bytes that a client of vpnkit sends, and the first frame behind them. */
static size_t vpnkit_client(uint8_t *b)
{
	memset(b, 'c', VPNKIT_INIT + VPNKIT_COMMAND);
	memcpy(b, "VMN3T\x16\0\0\0", 9);
	b[VPNKIT_INIT] = 1;
	put_le16(b + VPNKIT_INIT + VPNKIT_COMMAND, 60);
	struct frame f = rig_frame(60, 5);
	memcpy(b + VPNKIT_INIT + VPNKIT_COMMAND + 2, f.data, 60);
	return VPNKIT_INIT + VPNKIT_COMMAND + 2 + 60;
}

static void vpnkit_says_hello_before_the_first_frame(void **state)
{
	struct link_options o = {.mtu = 4000, .guest_mac = {2, 0x77, 0x72, 0, 1, 2}};
	uint8_t b[512], answer[VPNKIT_INIT + VPNKIT_REPLY];
	size_t len = vpnkit_client(b);

	/* Whole, cut once at each byte. */
	for (size_t cut = 0; cut < len; cut++) {
		struct error err = {0};
		struct frame got[LINK_BURST], f = rig_frame(60, 1);
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		struct link *l = link_vpnkit_fd(sv[0], &o, &err);
		assert_non_null(l);
		/* Too early. */
		assert_int_equal(link_send(l, &f, 1), 1);
		assert_int_equal(l->tx_dropped, 1);
		if (cut) {
			rig_write(sv[1], b, cut);
			assert_int_equal(link_recv(l, got, LINK_BURST), 0);
		}
		rig_write(sv[1], b + cut, len - cut);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, 60, 5);
		rig_read(sv[1], answer, sizeof(answer));
		assert_memory_equal(answer, b, VPNKIT_INIT);
		static const uint8_t reply[] = {1,    0xa0, 0x0f, 0xae, 0x0f, 2,
						0x77, 0x72, 0,    1,    2,    0};
		assert_memory_equal(answer + VPNKIT_INIT, reply, sizeof(reply));
		assert_int_equal(link_send(l, &f, 1), 1);
		rig_read(sv[1], answer, 62);
		assert_int_equal(answer[0] | answer[1] << 8, 60);
		rig_check_frame(answer + 2, 60, 60, 1);
		rig_settle(l);
		link_free(l);
		close(sv[1]);
	}
}

static void who_does_not_speak_vpnkit_is_cut_off(void **state)
{
	struct error err = {0};
	const char *path = rig_path("v");
	struct link *l = link_vpnkit_listen(path, NULL, &err);
	uint8_t b[512];
	size_t len = vpnkit_client(b);
	struct frame got[LINK_BURST];

	assert_non_null(l);
	int fd = rig_dial(path, SOCK_STREAM);
	rig_write(fd, "\0\0\0\x3c", 4); /* QEMU's way */
	rig_settle(l);
	assert_true(rig_closed(fd));
	close(fd);
	b[VPNKIT_INIT] = 7; /* no such command */
	fd = rig_dial(path, SOCK_STREAM);
	rig_write(fd, b, len);
	rig_settle(l);
	assert_true(rig_closed(fd));
	close(fd);
	/* One that went in the middle of it leaves nothing behind for the next. */
	b[VPNKIT_INIT] = 8;
	fd = rig_dial(path, SOCK_STREAM);
	rig_write(fd, b, 60);
	rig_settle(l);
	close(fd);
	fd = rig_dial(path, SOCK_STREAM);
	rig_write(fd, b, len);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(l->rx_dropped, 2);
	close(fd);
	link_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cross_a_pair_of_pipes),
		cmocka_unit_test(pipes_end_with_their_writer_and_files_are_refused),
		cmocka_unit_test(vpnkit_says_hello_before_the_first_frame),
		cmocka_unit_test(who_does_not_speak_vpnkit_is_cut_off),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
