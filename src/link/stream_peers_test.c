// SPDX-License-Identifier: Apache-2.0
/*
 * Links over streams, and peers that come, go, are too many, cannot be let in, or come back.
 */
#include "link/sock_rig.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void a_listening_link_has_one_peer_after_the_other(void **state)
{
	struct error err = {0};
	const char *path = rig_path("s");
	struct link *l = link_stream_listen(path, NULL, &err);
	struct frame f = rig_frame(60, 0), got[LINK_BURST];

	assert_non_null(l);
	rig_check_quiet(l);
	/* Nobody there yet: lost as on a wire that is not plugged in. */
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(l->tx_dropped, 1);
	assert_int_equal(l->peers, 0);
	for (uint32_t i = 1; i < 5; i++) {
		int fd = rig_dial(path, SOCK_STREAM);

		rig_stream_sends(fd, 60, i);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, 60, i);
		assert_int_equal(l->peers, i);
		f = rig_frame(70, i);
		assert_int_equal(link_send(l, &f, 1), 1);
		rig_stream_gets(fd, 70, i);
		/* It goes in the middle of a frame, which is not the next one's. */
		rig_write(fd, "\0\0\1\0half", 8);
		close(fd);
		rig_settle(l);
		assert_int_equal(l->rx_cut, i);
	}
	link_free(l);
}

static void a_second_peer_is_turned_away(void **state)
{
	struct error err = {0};
	const char *path = rig_path("s");
	struct link *l = link_stream_listen(path, NULL, &err);
	struct frame got[LINK_BURST];

	assert_non_null(l);
	int first = rig_dial(path, SOCK_STREAM);
	rig_settle(l);
	int second = rig_dial(path, SOCK_STREAM);
	rig_settle(l);
	assert_true(rig_closed(second));
	close(second);
	rig_stream_sends(first, 60, 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(l->peers, 1);
	/* One that comes while the first has gone, and nobody has noticed, is no second one. */
	rig_stream_sends(first, 60, 2);
	close(first);
	second = rig_dial(path, SOCK_STREAM);
	rig_stream_sends(second, 60, 3);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 2);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 3);
	assert_int_equal(l->peers, 2);
	/* Nor is it where the owner waits to send. */
	rig_send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(second);
	second = rig_dial(path, SOCK_STREAM);
	assert_true(rig_wait(l) & EPOLLOUT);
	link_arm(l, false);
	rig_stream_sends(second, 60, 4);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 4);
	assert_int_equal(l->peers, 3);
	close(second);
	link_free(l);
}

/* Out of file descriptors: the peer waits, nobody spins, and it is let in when there is one. */
static void a_peer_that_cannot_be_let_in_now_is_let_in_later(void **state)
{
	struct error err = {0};
	struct frame got[LINK_BURST];
	const char *path = rig_path("s");
	struct link *l = link_stream_listen(path, NULL, &err);
	struct rlimit old, none;

	assert_non_null(l);
	int fd = rig_dial(path, SOCK_STREAM);
	rig_stream_sends(fd, 60, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	/* poll() minds the limit, too. */
	struct epoll_event ev;
	int n = 0;
	while (n < 10 && epoll_wait(l->fd, &ev, 1, 0) > 0) {
		link_recv(l, got, LINK_BURST);
		n++;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(n, 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 1);
	close(fd);
	link_free(l);
}

static void a_peer_that_was_cut_off_may_come_back(void **state)
{
	struct error err = {0};
	const char *path = rig_path("s");
	struct link *l = link_stream_listen(path, NULL, &err);
	struct frame got[LINK_BURST];

	assert_non_null(l);
	int fd = rig_dial(path, SOCK_STREAM);
	rig_write(fd, "\0\0\0\0", 4);
	rig_settle(l);
	assert_true(rig_closed(fd));
	close(fd);
	fd = rig_dial(path, SOCK_STREAM);
	rig_stream_sends(fd, 60, 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	close(fd);
	link_free(l);
}

static void a_connecting_link_comes_back_to_its_server(void **state)
{
	struct error err = {0};
	const char *path = rig_path("c");
	struct link_options o = {0};
	struct frame got[LINK_BURST];

	assert_null(link_stream_connect(path, NULL, &err));
	assert_non_null(strstr(err.msg, "nobody listens"));
	/* A listening link is the server. */
	struct link *server = link_stream_listen(path, &o, &err);
	assert_non_null(server);
	struct link *l = link_stream_connect(path, NULL, &err);
	assert_non_null(l);
	rig_settle(server);
	struct frame f = rig_frame(60, 1);
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(rig_recv(server, got, LINK_BURST), 1);
	link_free(server);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 0); /* 2 s of trying again */
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(l->tx_dropped, 1);
	server = link_stream_listen(path, &o, &err);
	assert_non_null(server);
	for (int i = 0; i < 5 && l->peers < 2; i++)
		rig_recv(l, got, LINK_BURST);
	assert_int_equal(l->peers, 2);
	rig_settle(server);
	assert_int_equal(link_send(l, &f, 1), 1);
	assert_int_equal(rig_recv(server, got, LINK_BURST), 1);
	link_free(server);
	link_free(l);
}

static void a_listener_may_be_given(void **state)
{
	struct error err = {0};
	const char *path = rig_path("g");
	struct frame got[LINK_BURST];
	int fd = rig_bind(path, SOCK_STREAM);

	assert_int_equal(listen(fd, 1), 0);
	struct link *l = link_stream_fd(fd, NULL, &err);
	assert_non_null(l);
	for (uint32_t i = 1; i < 3; i++) {
		fd = rig_dial(path, SOCK_STREAM);
		rig_stream_sends(fd, 60, i);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		close(fd);
	}
	link_free(l);
	/* It was not ours to remove. */
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listening_link_has_one_peer_after_the_other),
		cmocka_unit_test(a_second_peer_is_turned_away),
		cmocka_unit_test(a_peer_that_cannot_be_let_in_now_is_let_in_later),
		cmocka_unit_test(a_peer_that_was_cut_off_may_come_back),
		cmocka_unit_test(a_connecting_link_comes_back_to_its_server),
		cmocka_unit_test(a_listener_may_be_given),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
