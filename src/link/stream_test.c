// SPDX-License-Identifier: Apache-2.0
/*
 * Links over streams, seen from both sides: where frames begin, what a slow peer costs, and peers
 * that come, go, are too many or talk nonsense.
 */
#include "link/sock_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/view.h"
#include "link/framing.h"
#include "link/vpnkit.h"

/* A link over one end of a socket pair; the test has the other one. */
static struct link *pair_link(int *ret_fd, const struct link_options *o)
{
	struct error err = {0};
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	struct link *l = link_stream_fd(sv[0], o, &err);
	assert_non_null(l);
	assert_int_equal(fcntl(sv[0], F_GETFD), FD_CLOEXEC);
	*ret_fd = sv[1];
	return l;
}

static void peer_sends(int fd, uint32_t len, uint32_t mark)
{
	struct frame f = rig_frame(len, mark);

	put_be32(f.data - 4, len);
	rig_write(fd, f.data - 4, 4 + len);
}

static void peer_gets(int fd, uint32_t len, uint32_t mark)
{
	static uint8_t b[RIG_FRAME_MAX];

	rig_read(fd, b, 4);
	assert_int_equal(get_be32(b), len);
	rig_read(fd, b, len);
	rig_check_frame(b, len, len, mark);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void frames_of_every_size_cross(void **state)
{
	static const uint32_t sizes[] = {14, 15, 60, 1514, 9014, 65535, 65549};
	int fd;
	struct link *l = pair_link(&fd, NULL);
	struct frame got[LINK_BURST];

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frame f = rig_frame(sizes[i], i);

		assert_int_equal(link_send(l, &f, 1), 1);
		peer_gets(fd, sizes[i], i);
		peer_sends(fd, sizes[i], i);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, sizes[i], i);
	}
	/* One more than we ever send is taken, too. */
	peer_sends(fd, 65550, 9);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 65550, 9);
	rig_settle(l);
	link_free(l);
	close(fd);
}

/* Two frames, cut once at each byte, with a wait in between. */
static void the_stream_may_be_cut_anywhere(void **state)
{
	struct frame a = rig_frame(40, 1), b = rig_frame(25, 2), got[LINK_BURST];
	uint8_t wire[73];
	int fd;
	struct link *l = pair_link(&fd, NULL);

	put_be32(wire, 40);
	memcpy(wire + 4, a.data, 40);
	put_be32(wire + 44, 25);
	memcpy(wire + 48, b.data, 25);
	for (size_t cut = 1; cut < sizeof(wire); cut++) {
		rig_write(fd, wire, cut);
		assert_int_equal(link_recv(l, got, LINK_BURST), cut >= 44 ? 1 : 0);
		assert_int_equal(link_recv(l, got, LINK_BURST), 0);
		rig_write(fd, wire + cut, sizeof(wire) - cut);
		int n = rig_recv(l, got, LINK_BURST);
		assert_int_equal(n, cut >= 44 ? 1 : 2);
		rig_check_frame(got[n - 1].data, got[n - 1].len, 25, 2);
		if (n == 2)
			rig_check_frame(got[0].data, got[0].len, 40, 1);
	}
	link_free(l);
	close(fd);
}

static void a_stream_of_single_bytes_is_understood(void **state)
{
	struct frame f = rig_frame(200, 3), got[LINK_BURST];
	int fd;
	struct link *l = pair_link(&fd, NULL);

	put_be32(f.data - 4, 200);
	for (int i = 0; i < 203; i++) {
		rig_write(fd, f.data - 4 + i, 1);
		assert_int_equal(link_recv(l, got, LINK_BURST), 0);
	}
	rig_write(fd, f.data + 199, 1);
	assert_int_equal(link_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 200, 3);
	link_free(l);
	close(fd);
}

/* More than a burst lies in the link's buffer, and the socket is empty. */
static void frames_behind_a_full_burst_wake_the_owner(void **state)
{
	enum {
		COUNT = 1000
	};
	struct frame got[LINK_BURST];
	uint32_t seen = 0;
	int fd;
	struct link *l = pair_link(&fd, NULL);

	static uint8_t wire[COUNT * 64];
	for (uint32_t i = 0; i < COUNT; i++) {
		put_be32(wire + 64 * i, 60);
		memcpy(wire + 64 * i + 4, rig_frame(60, i).data, 60);
	}
	rig_write(fd, wire, sizeof(wire));
	for (int n; seen < COUNT && (n = rig_recv(l, got, LINK_BURST)) > 0;)
		for (int i = 0; i < n; i++)
			rig_check_frame(got[i].data, got[i].len, 60, seen++);
	assert_int_equal(seen, COUNT);
	rig_settle(l);
	link_free(l);
	close(fd);
}

static void a_length_that_cannot_be_ends_the_connection(void **state)
{
	static const uint32_t bad[] = {0, 1, 13, 65551, 65566, 0x00010000 + 65550, 0xffffffff};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame got[LINK_BURST];
		uint8_t b[4];
		int fd;
		struct link *l = pair_link(&fd, NULL);

		peer_sends(fd, 60, 1);
		put_be32(b, bad[i]);
		rig_write(fd, b, 4);
		/* What came before it is still good. */
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, 60, 1);
		assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
		assert_int_equal(link_send(l, got, 1), -ENETDOWN);
		assert_int_equal(l->rx_dropped, 1);
		assert_int_equal(l->rx_cut, 0);
		assert_true(rig_closed(fd));
		link_free(l);
		close(fd);
	}
}

/* What a person reads about it has the length. */
static void the_warning_names_the_length(void **state)
{
	char text[512] = "";
	uint8_t b[4];
	struct frame got[1];
	int fd, p[2], saved = dup(STDERR_FILENO);
	struct link *l = pair_link(&fd, NULL);

	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	put_be32(b, 70001);
	rig_write(fd, b, 4);
	int r = rig_recv(l, got, 1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(r, -ENETDOWN);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "70001"));
	assert_non_null(strstr(text, "14 to 65550"));
	close(p[0]);
	close(p[1]);
	link_free(l);
	close(fd);
}

static void a_frame_that_was_begun_is_counted_when_its_peer_goes(void **state)
{
	static const size_t parts[] = {1, 4, 5, 50};

	for (size_t i = 0; i < 4; i++) {
		struct frame f = rig_frame(60, 1), got[LINK_BURST];
		int fd;
		struct link *l = pair_link(&fd, NULL);

		put_be32(f.data - 4, 60);
		rig_write(fd, f.data - 4, parts[i]);
		close(fd);
		assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
		assert_int_equal(l->rx_cut, 1);
		link_free(l);
	}
	/* And none where it ended between two. */
	struct frame got[LINK_BURST];
	int fd;
	struct link *l = pair_link(&fd, NULL);
	peer_sends(fd, 60, 1);
	close(fd);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	assert_int_equal(l->rx_cut, 0);
	link_free(l);
}

/* ---- a slow peer ----------------------------------------------------------------------------- */

/* Sends frames with rising marks until the link refuses; how many it took. */
static uint32_t send_until_refused(struct link *l, uint32_t len, uint32_t mark)
{
	uint32_t first = mark;

	for (;;) {
		struct frame burst[8];

		for (uint32_t i = 0; i < 8; i++)
			burst[i] = rig_frame(len, mark + i);
		int n = link_send(l, burst, 8);
		if (n == -EAGAIN)
			return mark - first;
		assert_true(n > 0);
		mark += (uint32_t)n;
		assert_true(mark - first < 100000);
	}
}

/* What a wake-up that is due now means. */
static uint32_t events_now(struct link *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0 ? link_events(l, EPOLLIN) : 0;
}

static void what_a_full_socket_does_not_take_comes_later_in_order(void **state)
{
	static const uint32_t sizes[] = {100, 1514, 65000};

	for (size_t s = 0; s < 3; s++) {
		int fd;
		struct link *l = pair_link(&fd, NULL);
		uint32_t sent = send_until_refused(l, sizes[s], 0), seen = 0;

		for (int round = 0; round < 10; round++) {
			link_arm(l, true);
			assert_int_equal(events_now(l), 0);
			while (!(events_now(l) & EPOLLOUT))
				peer_gets(fd, sizes[s], seen++);
			link_arm(l, false);
			sent += send_until_refused(l, sizes[s], sent);
		}
		link_arm(l, true);
		while (seen < sent) {
			events_now(l);
			peer_gets(fd, sizes[s], seen++);
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
		struct link *l = pair_link(&fd, NULL);
		uint32_t sent = send_until_refused(l, cut_sizes[s], 0), seen = 0;

		while (seen < sent) {
			struct pollfd p = {.fd = l->fd, .events = POLLIN};

			if (poll(&p, 1, 0) > 0) {
				woken++;
				if (link_events(l, EPOLLIN) & EPOLLIN)
					assert_int_equal(link_recv(l, got, LINK_BURST), 0);
			}
			peer_gets(fd, cut_sizes[s], seen++);
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
		struct link *l = pair_link(&fd, NULL);
		uint32_t sent = send_until_refused(l, cut_sizes[s], 0), seen = 0;

		while (seen < sent) {
			peer_sends(fd, 60, seen);
			if (events_now(l) & EPOLLIN)
				assert_true(link_recv(l, got, LINK_BURST) >= 0);
			peer_gets(fd, cut_sizes[s], seen++);
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
	struct link *l = pair_link(&fd, NULL);
	uint32_t sent = send_until_refused(l, LEN, 0), seen = 0;
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
		sent += send_until_refused(l, LEN, sent);
	}
	assert_true(sent >= 60);
	link_free(l);
	close(fd);
}

static void who_waits_to_send_hears_that_the_peer_has_gone(void **state)
{
	struct error err = {0};
	struct frame f = rig_frame(60, 1), got[LINK_BURST];
	int fd;
	struct link *l = pair_link(&fd, NULL);

	send_until_refused(l, 1514, 0);
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
	send_until_refused(l, 1514, 0);
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
	peer_gets(fd, 61, 7);
	link_free(l);
	close(fd);
}

/* The end is read before the owner was told that it need not wait. */
static void who_waits_hears_of_an_end_that_was_read(void **state)
{
	struct error err = {0};
	const char *path = rig_path("s");
	struct link *l = link_stream_listen(path, NULL, &err);
	struct frame got[LINK_BURST];

	assert_non_null(l);
	int fd = rig_dial(path, SOCK_STREAM);
	rig_settle(l);
	send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(fd);
	assert_int_equal(link_recv(l, got, LINK_BURST), 0);
	assert_true(rig_wait(l) & EPOLLOUT);
	link_arm(l, false);
	rig_settle(l);
	link_free(l);
}

/* ---- peers come and go ----------------------------------------------------------------------- */

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

		peer_sends(fd, 60, i);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, 60, i);
		assert_int_equal(l->peers, i);
		f = rig_frame(70, i);
		assert_int_equal(link_send(l, &f, 1), 1);
		peer_gets(fd, 70, i);
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
	peer_sends(first, 60, 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(l->peers, 1);
	/* One that comes while the first has gone, and nobody has noticed, is no second one. */
	peer_sends(first, 60, 2);
	close(first);
	second = rig_dial(path, SOCK_STREAM);
	peer_sends(second, 60, 3);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 2);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 60, 3);
	assert_int_equal(l->peers, 2);
	/* Nor is it where the owner waits to send. */
	send_until_refused(l, 1514, 0);
	link_arm(l, true);
	close(second);
	second = rig_dial(path, SOCK_STREAM);
	assert_true(rig_wait(l) & EPOLLOUT);
	link_arm(l, false);
	peer_sends(second, 60, 4);
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
	peer_sends(fd, 60, 1);
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
	peer_sends(fd, 60, 1);
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

static int listener_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void a_listener_may_be_given(void **state)
{
	struct error err = {0};
	const char *path = rig_path("g");
	struct frame got[LINK_BURST];
	int fd = listener_at(path);

	assert_int_equal(listen(fd, 1), 0);
	struct link *l = link_stream_fd(fd, NULL, &err);
	assert_non_null(l);
	for (uint32_t i = 1; i < 3; i++) {
		fd = rig_dial(path, SOCK_STREAM);
		peer_sends(fd, 60, i);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		close(fd);
	}
	link_free(l);
	/* It was not ours to remove. */
	assert_int_equal(unlink(path), 0);
}

/* ---- the socket file ------------------------------------------------------------------------- */

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	return st.st_mode & 07777;
}

static void the_socket_file_has_its_mode_and_goes_in_the_end(void **state)
{
	struct error err = {0};
	const char *path = rig_path("f");
	struct link_options o = {.mode = 0660};
	mode_t old = umask(0);
	struct link *l = link_stream_listen(path, NULL, &err);

	assert_non_null(l);
	assert_int_equal(mode_of(path), 0600);
	link_free(l);
	assert_int_equal(access(path, F_OK), -1);
	umask(077);
	l = link_stream_listen(path, &o, &err);
	assert_non_null(l);
	assert_int_equal(mode_of(path), 0660);
	/* Somebody else's file in its place stays. */
	assert_int_equal(unlink(path), 0);
	int fd = listener_at(path);
	link_free(l);
	umask(old);
	assert_int_equal(unlink(path), 0);
	close(fd);
}

static void a_path_in_use_is_refused_and_a_stale_one_replaced(void **state)
{
	struct error err = {0};
	const char *path = rig_path("f");
	struct link *l = link_stream_listen(path, NULL, &err);

	assert_non_null(l);
	assert_null(link_stream_listen(path, NULL, &err));
	assert_non_null(strstr(err.msg, "another process"));
	assert_non_null(strstr(err.msg, path));
	/* One of another type is in use, too. */
	assert_null(link_dgram_bind(path, NULL, &err));
	assert_non_null(strstr(err.msg, "another process"));
	link_free(l);

	close(listener_at(path)); /* leaves its file */
	l = link_stream_listen(path, NULL, &err);
	assert_non_null(l);
	close(rig_dial(path, SOCK_STREAM));
	link_free(l);

	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_null(link_stream_listen(path, NULL, &err));
	assert_non_null(strstr(err.msg, "another kind"));
	assert_int_equal(unlink(path), 0);
}

static void impossible_paths_and_fds_are_errors(void **state)
{
	struct error err = {0};
	char path[200];
	int sv[2];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_null(link_stream_listen(path, NULL, &err));
	assert_non_null(strstr(err.msg, "107"));
	assert_null(link_stream_listen("", NULL, &err));
	assert_non_null(strstr(err.msg, "empty"));
	assert_null(link_stream_listen("/nowhere/at/all", NULL, &err));
	assert_non_null(strstr(err.msg, "/nowhere/at/all"));
	assert_non_null(strstr(err.msg, "No such file"));
	assert_null(link_stream_fd(open("/dev/null", O_RDWR | O_CLOEXEC), NULL, &err));
	assert_non_null(strstr(err.msg, "no socket"));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_null(link_stream_fd(sv[0], NULL, &err));
	assert_non_null(strstr(err.msg, "datagram"));
	close(sv[1]);
	/* Nothing was left open: what was given is closed. */
	assert_int_equal(fcntl(sv[0], F_GETFD), -1);
}

/* ---- offload --------------------------------------------------------------------------------- */

static void a_header_crosses_before_each_frame(void **state)
{
	struct link_options o = {.offload = LINK_OFFLOAD_VNET};
	int fd;
	struct link *l = pair_link(&fd, &o);
	struct frame f = rig_frame(3000, 1), got[LINK_BURST];
	uint8_t wire[16 + 3000];

	assert_int_equal(l->caps, LINK_CSUM | LINK_TSO4 | LINK_TSO6);
	f.data[34 + 12] = 5 << 4;
	f.meta = (struct frame_meta){.needs_csum = true,
				     .gso = FRAME_GSO_TCPV4,
				     .gso_size = 1460,
				     .hdr_len = 54,
				     .csum_start = 34,
				     .csum_offset = 16};
	assert_int_equal(link_send(l, &f, 1), 1);
	rig_read(fd, wire, sizeof(wire));
	assert_int_equal(get_be32(wire), 12 + 3000);
	assert_int_equal(wire[4], 1);
	assert_int_equal(wire[5], FRAME_GSO_TCPV4);
	assert_memory_equal(wire + 16, f.data, 3000);
	/* And back as it went. */
	rig_write(fd, wire, sizeof(wire));
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(got[0].len, 3000);
	assert_memory_equal(&got[0].meta, &f.meta, sizeof(f.meta));
	/* An impossible header loses its frame, not the peer. */
	wire[14] = wire[15] = 0;
	wire[10] = 0xff;
	wire[11] = 0xff;
	rig_write(fd, wire, sizeof(wire));
	wire[10] = 34;
	wire[11] = 0;
	wire[12] = 16;
	rig_write(fd, wire, sizeof(wire));
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(l->rx_dropped, 1);
	link_free(l);
	close(fd);
}

static void work_is_not_left_to_a_peer_that_would_not_do_it(void **state)
{
	static const struct frame_meta metas[] = {
		{.needs_csum = true, .csum_start = 34, .csum_offset = 16},
		{.gso = FRAME_GSO_TCPV4, .gso_size = 1000, .hdr_len = 54},
	};

	for (int mode = 0; mode < 4; mode++) {
		struct link_options o = {.offload = mode & 1 ? LINK_OFFLOAD_LIBKRUN
							     : LINK_OFFLOAD_NONE};
		struct frame f[3] = {rig_frame(60, 1), rig_frame(60, 2), rig_frame(60, 3)};
		int fd, taken = 0;
		struct link *l = pair_link(&fd, &o);

		assert_int_equal(l->caps, 0);
		f[1].meta = metas[mode >> 1];
		while (taken < 3) {
			int n = link_send(l, f + taken, 3 - taken);
			assert_true(n > 0);
			taken += n;
		}
		peer_gets(fd, 60, 1);
		peer_gets(fd, 60, 3);
		assert_int_equal(l->tx_dropped, 1);
		link_free(l);
		close(fd);
	}
}

/* ---- pipes, and vpnkit ----------------------------------------------------------------------- */

static void put_le16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

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
	uint32_t sent = send_until_refused(l, 1000, 0), seen = 0;
	link_arm(l, true);
	while (seen < sent) {
		rig_read(from[0], b, 1002);
		rig_check_frame(b + 2, 1000, 1000, seen++);
		events_now(l);
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

/* Buffers are given back in between, and what was begun stays. */
static void trimming_loses_nothing(void **state)
{
	struct frame f = rig_frame(2000, 3), got[LINK_BURST];
	int fd;
	struct link *l = pair_link(&fd, NULL);

	put_be32(f.data - 4, 2000);
	rig_write(fd, f.data - 4, 700);
	assert_int_equal(link_recv(l, got, LINK_BURST), 0);
	l->ops->trim(l);
	rig_write(fd, f.data + 696, 2000 - 696);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 2000, 3);
	l->ops->trim(l);
	uint32_t sent = send_until_refused(l, 9001, 0), seen = 0;
	l->ops->trim(l);
	while (seen < sent) {
		events_now(l);
		peer_gets(fd, 9001, seen++);
	}
	link_free(l);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_size_cross),
		cmocka_unit_test(the_stream_may_be_cut_anywhere),
		cmocka_unit_test(a_stream_of_single_bytes_is_understood),
		cmocka_unit_test(frames_behind_a_full_burst_wake_the_owner),
		cmocka_unit_test(a_length_that_cannot_be_ends_the_connection),
		cmocka_unit_test(the_warning_names_the_length),
		cmocka_unit_test(a_frame_that_was_begun_is_counted_when_its_peer_goes),
		cmocka_unit_test(what_a_full_socket_does_not_take_comes_later_in_order),
		cmocka_unit_test(the_rest_of_the_last_frame_needs_no_owner),
		cmocka_unit_test(a_busy_peer_does_not_hold_up_the_rest),
		cmocka_unit_test(the_rest_of_a_frame_may_go_in_pieces),
		cmocka_unit_test(who_waits_to_send_hears_that_the_peer_has_gone),
		cmocka_unit_test(who_waits_hears_of_an_end_that_was_read),
		cmocka_unit_test(a_listening_link_has_one_peer_after_the_other),
		cmocka_unit_test(a_second_peer_is_turned_away),
		cmocka_unit_test(a_peer_that_cannot_be_let_in_now_is_let_in_later),
		cmocka_unit_test(a_peer_that_was_cut_off_may_come_back),
		cmocka_unit_test(a_connecting_link_comes_back_to_its_server),
		cmocka_unit_test(a_listener_may_be_given),
		cmocka_unit_test(the_socket_file_has_its_mode_and_goes_in_the_end),
		cmocka_unit_test(a_path_in_use_is_refused_and_a_stale_one_replaced),
		cmocka_unit_test(impossible_paths_and_fds_are_errors),
		cmocka_unit_test(a_header_crosses_before_each_frame),
		cmocka_unit_test(work_is_not_left_to_a_peer_that_would_not_do_it),
		cmocka_unit_test(frames_cross_a_pair_of_pipes),
		cmocka_unit_test(pipes_end_with_their_writer_and_files_are_refused),
		cmocka_unit_test(vpnkit_says_hello_before_the_first_frame),
		cmocka_unit_test(who_does_not_speak_vpnkit_is_cut_off),
		cmocka_unit_test(trimming_loses_nothing),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
