// SPDX-License-Identifier: Apache-2.0
/*
 * Links over streams whose peer reads late: what the socket does not take goes later, whole and in
 * order, whoever is busy meanwhile; and who waits for that hears when the peer has gone.
 */
#include "link/sock_rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/view.h"

static void what_a_full_socket_does_not_take_comes_later_in_order(void **state)
{
	static const uint32_t sizes[] = {100, 1514, 65000};

	for (size_t s = 0; s < 3; s++) {
		int fd;
		struct link *l = rig_stream_pair(&fd, NULL);
		uint32_t sent = rig_send_until_refused(l, sizes[s], 0), seen = 0;

		for (int round = 0; round < 10; round++) {
			link_arm(l, true);
			assert_int_equal(rig_events_now(l), 0);
			while (!(rig_events_now(l) & EPOLLOUT))
				rig_stream_gets(fd, sizes[s], seen++);
			link_arm(l, false);
			sent += rig_send_until_refused(l, sizes[s], sent);
		}
		link_arm(l, true);
		while (seen < sent) {
			rig_events_now(l);
			rig_stream_gets(fd, sizes[s], seen++);
		}
		assert_true(rig_wait(l) & EPOLLOUT);
		link_arm(l, false);
		rig_settle(l);
		assert_int_equal(l->tx_dropped, 0);
		link_free(l);
		close(fd);
	}
}

/* Frames of which a burst is more than the kernel takes at once, so that one of them is cut. */
static const uint32_t cut_sizes[] = {7001, 9001, 11003};

/* The owner has nothing more to send and does not wait: the rest of its last frame goes out. */
static void the_rest_of_the_last_frame_needs_no_owner(void **state)
{
	struct frame got[LINK_BURST];
	int woken = 0;

	for (int s = 0; s < 3; s++) {
		int fd;
		struct link *l = rig_stream_pair(&fd, NULL);
		uint32_t sent = rig_send_until_refused(l, cut_sizes[s], 0), seen = 0;

		while (seen < sent) {
			struct pollfd p = {.fd = l->fd, .events = POLLIN};

			if (poll(&p, 1, 0) > 0) {
				woken++;
				if (link_events(l, EPOLLIN) & EPOLLIN)
					assert_int_equal(link_recv(l, got, LINK_BURST), 0);
			}
			rig_stream_gets(fd, cut_sizes[s], seen++);
		}
		rig_settle(l);
		link_free(l);
		close(fd);
	}
	assert_true(woken > 0);
}

/* It also goes out while the peer sends without a pause. */
static void a_busy_peer_does_not_hold_up_the_rest(void **state)
{
	struct frame got[LINK_BURST];

	for (int s = 0; s < 3; s++) {
		int fd;
		struct link *l = rig_stream_pair(&fd, NULL);
		uint32_t sent = rig_send_until_refused(l, cut_sizes[s], 0), seen = 0;

		while (seen < sent) {
			rig_stream_sends(fd, 60, seen);
			if (rig_events_now(l) & EPOLLIN)
				assert_true(link_recv(l, got, LINK_BURST) >= 0);
			rig_stream_gets(fd, cut_sizes[s], seen++);
		}
		rig_settle(l);
		link_free(l);
		close(fd);
	}
}

/* The owner sends again and again without having been woken, and a little goes each time: the rest
 * of a frame may go in many pieces. */
static void the_rest_of_a_frame_may_go_in_pieces(void **state)
{
	enum {
		LEN = 65000,
		PIECE = 30000
	};
	static uint8_t b[4 + LEN + PIECE];
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);
	uint32_t sent = rig_send_until_refused(l, LEN, 0), seen = 0;
	size_t have = 0;

	while (seen < 60) {
		ssize_t n = recv(fd, b + have, PIECE, MSG_DONTWAIT);

		assert_true(n > 0);
		have += (size_t)n;
		for (; have >= 4 + LEN; seen++, have -= 4 + LEN) {
			assert_int_equal(get_be32(b), LEN);
			rig_check_frame(b + 4, LEN, LEN, seen);
			memmove(b, b + 4 + LEN, have - 4 - LEN);
		}
		sent += rig_send_until_refused(l, LEN, sent);
	}
	assert_true(sent >= 60);
	link_free(l);
	close(fd);
}

/* Buffers are given back in between, and what was begun stays. */
static void trimming_loses_nothing(void **state)
{
	struct frame f = rig_frame(2000, 3), got[LINK_BURST];
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);

	put_be32(f.data - 4, 2000);
	rig_write(fd, f.data - 4, 700);
	assert_int_equal(link_recv(l, got, LINK_BURST), 0);
	l->ops->trim(l);
	rig_write(fd, f.data + 696, 2000 - 696);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 2000, 3);
	l->ops->trim(l);
	uint32_t sent = rig_send_until_refused(l, 9001, 0), seen = 0;
	l->ops->trim(l);
	while (seen < sent) {
		rig_events_now(l);
		rig_stream_gets(fd, 9001, seen++);
	}
	link_free(l);
	close(fd);
}

static void who_waits_to_send_hears_that_the_peer_has_gone(void **state)
{
	struct error err = {0};
	struct frame f = rig_frame(60, 1), got[LINK_BURST];
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);

	rig_send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(fd);
	while (!(rig_wait(l) & EPOLLOUT))
		link_recv(l, got, LINK_BURST);
	assert_int_equal(link_send(l, &f, 1), -ENETDOWN);
	link_free(l);

	/* On a listening link the frames are lost, and the next peer is unharmed. */
	const char *path = rig_path("s");
	l = link_stream_listen(path, NULL, &err);
	assert_non_null(l);
	fd = rig_dial(path, SOCK_STREAM);
	rig_settle(l);
	rig_send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(fd);
	uint32_t ev = 0;
	for (int i = 0; i < 10 && !(ev & EPOLLOUT); i++) {
		ev = rig_wait(l);
		link_recv(l, got, LINK_BURST);
	}
	assert_true(ev & EPOLLOUT);
	link_arm(l, false);
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(l->tx_dropped, 1);
	rig_settle(l);
	fd = rig_dial(path, SOCK_STREAM);
	rig_settle(l);
	f = rig_frame(61, 7);
	assert_int_equal(link_send(l, &f, 1), 1);
	rig_stream_gets(fd, 61, 7);
	link_free(l);
	close(fd);
}

static void who_waits_hears_of_an_end_that_was_read(void **state)
{
	struct error err = {0};
	const char *path = rig_path("s");
	struct link *l = link_stream_listen(path, NULL, &err);

	assert_non_null(l);
	rig_check_end_is_heard(l, path, SOCK_STREAM);
	link_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_full_socket_does_not_take_comes_later_in_order),
		cmocka_unit_test(the_rest_of_the_last_frame_needs_no_owner),
		cmocka_unit_test(a_busy_peer_does_not_hold_up_the_rest),
		cmocka_unit_test(the_rest_of_a_frame_may_go_in_pieces),
		cmocka_unit_test(trimming_loses_nothing),
		cmocka_unit_test(who_waits_to_send_hears_that_the_peer_has_gone),
		cmocka_unit_test(who_waits_hears_of_an_end_that_was_read),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
