// SPDX-License-Identifier: Apache-2.0
/*
 * The writer of events, with readers that are quick, slow or gone: no line is cut, what is lost is
 * said, and the loop does not turn for nothing.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "observe/events.h"

struct rig {
	struct loop loop;
	struct events *e;
	int rd, wr; /* the reader's end, and what was given to events_open() */
};

static void turn_stop(struct loop *l, void *ctx)
{
	l->stop = true;
}

/* Some turns of the loop; enough for a timer that is due at once. */
static void turns(struct rig *r, int n)
{
	for (int i = 0; i < n; i++) {
		struct timer wake;

		timer_init(&wake, (void (*)(struct timer *))abort);
		r->loop.stop = false;
		r->loop.turn_end = turn_stop;
		usleep(1500);
		/* Without anything due, waiting would have no end. */
		if (wheel_next_us(&r->loop.wheel) == UINT64_MAX && r->e) {
			struct pollfd p = {.fd = r->loop.epoll_fd, .events = POLLIN};
			if (poll(&p, 1, 0) <= 0)
				return;
		}
		assert_int_equal(loop_run(&r->loop), 0);
	}
}

static void rig_open(struct rig *r, const char *where)
{
	struct error err = {0};

	assert_int_equal(loop_init(&r->loop, &err), 0);
	r->e = events_open(&r->loop, where, "box", &err);
	if (!r->e)
		fail_msg("%s", err.msg);
}

static void rig_pipe(struct rig *r)
{
	char where[32];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	r->rd = fds[0];
	r->wr = fds[1];
	snprintf(where, sizeof(where), "fd:%d", r->wr);
	rig_open(r, where);
}

static void rig_socket(struct rig *r, int type)
{
	char where[32];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	r->rd = fds[0];
	r->wr = fds[1];
	snprintf(where, sizeof(where), "fd:%d", r->wr);
	rig_open(r, where);
}

static void rig_done(struct rig *r)
{
	events_close(r->e);
	r->e = NULL;
	loop_done(&r->loop);
	if (r->rd >= 0)
		close(r->rd);
	if (r->wr >= 0)
		close(r->wr);
}

static void emit_numbered(struct rig *r, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		struct event ev = event_make(EVENT_POLICY);
		char text[64];

		snprintf(text, sizeof(text), "number %u", i);
		ev.text = text;
		events_emit(r->e, &ev);
	}
}

/* Reads what is there; counts lines and what they say is lost, and holds their order. */
struct tally {
	unsigned lines, notes;
	uint64_t lost;
	unsigned next; /* the number that must come next, lost ones added */
	char rest[EVENTS_LINE_MAX];
	size_t rest_len;
};

static void tally_line(struct tally *t, const char *line, size_t n)
{
	json_t *v = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	const char *text, *kind;

	if (!v)
		fail_msg("no line of JSON: %.*s", (int)n, line);
	text = json_string_value(json_object_get(v, "text"));
	kind = json_string_value(json_object_get(v, "event"));
	if (strcmp(kind, "error") == 0) {
		uint64_t lost = (uint64_t)json_integer_value(json_object_get(v, "lost"));

		t->notes++;
		t->lost += lost;
		t->next += (unsigned)lost;
	} else {
		assert_int_equal(atoi(text + strlen("number ")), t->next);
		t->lines++;
		t->next++;
	}
	json_decref(v);
}

static void tally_read(struct tally *t, int fd, size_t max)
{
	char buf[8192];
	ssize_t n;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (max && (n = read(fd, buf, max < sizeof(buf) ? max : sizeof(buf))) > 0) {
		max -= (size_t)n;
		for (ssize_t i = 0; i < n; i++) {
			assert_true(t->rest_len < sizeof(t->rest));
			t->rest[t->rest_len++] = buf[i];
			if (buf[i] != '\n')
				continue;
			tally_line(t, t->rest, t->rest_len);
			t->rest_len = 0;
		}
	}
}

static void lines_of_a_turn_leave_with_one_write(void **state)
{
	struct rig r;
	char buf[4096];

	rig_socket(&r, SOCK_STREAM);
	emit_numbered(&r, 0, 10);
	fcntl(r.rd, F_SETFL, O_NONBLOCK);
	assert_int_equal(read(r.rd, buf, sizeof(buf)), -1); /* not yet */
	turns(&r, 2);
	ssize_t n = read(r.rd, buf, sizeof(buf));
	assert_true(n > 0);
	unsigned lines = 0;
	for (ssize_t i = 0; i < n; i++)
		lines += buf[i] == '\n';
	assert_int_equal(lines, 10);
	assert_int_equal(events_lost(r.e), 0);
	rig_done(&r);
}

static void a_message_socket_gets_a_line_a_message(void **state)
{
	struct rig r;
	char buf[4096];

	rig_socket(&r, SOCK_SEQPACKET);
	emit_numbered(&r, 0, 3);
	turns(&r, 2);
	for (int i = 0; i < 3; i++) {
		ssize_t n = recv(r.rd, buf, sizeof(buf), MSG_DONTWAIT);
		assert_true(n > 0);
		assert_ptr_equal(memchr(buf, '\n', (size_t)n), buf + n - 1);
	}
	assert_int_equal(recv(r.rd, buf, sizeof(buf), MSG_DONTWAIT), -1);
	rig_done(&r);
}

/* A reader that stops, and reads on: the newest lines are there, and the gap is said. */
static void slow_reader(struct rig *r, size_t bite)
{
	struct tally t = {0};
	unsigned sent = 30000;

	for (unsigned i = 0; i < sent; i += 500) {
		emit_numbered(r, i, 500);
		turns(r, 1);
		tally_read(&t, r->rd, bite);
	}
	assert_true(events_lost(r->e) > 0);
	for (int i = 0; i < 400 && t.next < sent; i++) {
		turns(r, 1);
		tally_read(&t, r->rd, 1u << 20);
	}
	assert_int_equal(t.next, sent);
	assert_int_equal(t.lines + t.lost, sent);
	assert_true(t.lost == events_lost(r->e) && t.notes > 0);
	/* What waits when nothing is read is about EVENTS_BUFFER. */
	assert_true(t.lines > EVENTS_BUFFER / 100);

	/* And then all is as before. */
	emit_numbered(r, sent, 5);
	turns(r, 2);
	tally_read(&t, r->rd, 1u << 20);
	assert_int_equal(t.next, sent + 5);
	/* Nothing waits, so nothing wakes the loop. */
	uint64_t before = r->loop.turns;
	turns(r, 10);
	assert_int_equal(r->loop.turns, before);
	rig_done(r);
}

static void a_slow_reader_of_a_pipe_loses_the_oldest_lines(void **state)
{
	struct rig r;

	rig_pipe(&r);
	slow_reader(&r, 0);
}

static void a_slow_reader_of_a_socket_loses_the_oldest_lines(void **state)
{
	struct rig r;

	rig_socket(&r, SOCK_STREAM);
	slow_reader(&r, 0);
}

/* Bites that end within lines, so that rests of lines stand in front while others are pushed out.
 */
static void a_reader_in_bites_never_sees_half_a_line(void **state)
{
	struct rig r;

	rig_socket(&r, SOCK_STREAM);
	slow_reader(&r, 777);
	rig_pipe(&r);
	slow_reader(&r, 777);
}

/* Somebody else may write to the same pipe at any time: what weir has put there ends with a line
 * whenever it stops, also where the pipe had room for a part of the next one. */
static void a_pipe_that_others_use_gets_whole_lines(void **state)
{
	static char all[400000];
	size_t got = 0, ends[100];
	struct rig r;
	int n_ends = 0, waiting;

	rig_pipe(&r);
	emit_numbered(&r, 0, 2000);
	for (int i = 0; i < 100; i++) {
		turns(&r, 2);
		assert_int_equal(ioctl(r.rd, FIONREAD, &waiting), 0);
		if (waiting == 0)
			break;
		ends[n_ends++] = got + (size_t)waiting;
		ssize_t n = read(r.rd, all + got, 4096);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_true(n_ends > 20);
	for (int i = 0; i < n_ends; i++)
		assert_int_equal(all[ends[i] - 1], '\n');
	rig_done(&r);
}

/* With EPOLLOUT on and nothing read, an idle loop does not turn. */
static void waiting_for_a_reader_costs_no_turns(void **state)
{
	struct rig r;

	rig_pipe(&r);
	emit_numbered(&r, 0, 5000);
	turns(&r, 5);
	uint64_t before = r.loop.turns;
	turns(&r, 20);
	assert_int_equal(r.loop.turns, before);
	close(r.rd); /* so that the end need not wait for it */
	r.rd = -1;
	rig_done(&r);
}

static void the_callers_pipe_stays_blocking(void **state)
{
	struct rig r;

	rig_pipe(&r);
	assert_false(fcntl(r.wr, F_GETFL) & O_NONBLOCK);
	rig_done(&r);
}

static void a_reader_that_is_gone_ends_the_log_alone(void **state)
{
	struct rig r;

	for (int socket = 0; socket < 2; socket++) {
		if (socket)
			rig_socket(&r, SOCK_STREAM);
		else
			rig_pipe(&r);
		close(r.rd);
		r.rd = -1;
		emit_numbered(&r, 0, 3);
		turns(&r, 2);
		assert_int_equal(events_lost(r.e), 3);
		emit_numbered(&r, 3, 2);
		assert_int_equal(events_lost(r.e), 5);
		turns(&r, 2);
		rig_done(&r);
	}
}

static void a_full_disk_is_waited_for(void **state)
{
	struct rig r;

	r.rd = r.wr = -1;
	rig_open(&r, "/dev/full");
	emit_numbered(&r, 0, 3);
	turns(&r, 2);
	assert_int_equal(events_lost(r.e), 0);
	assert_true(wheel_next_us(&r.loop.wheel) > r.loop.now_us);
	assert_true(wheel_next_us(&r.loop.wheel) < r.loop.now_us + 3000000);
	rig_done(&r); /* and does not wait for it at the end */
}

static void a_file_is_the_users_alone_and_appended_to(void **state)
{
	struct rig r = {.rd = -1, .wr = -1};
	char path[] = "/tmp/weir-events-test-XXXXXX", buf[4096];
	struct tally t = {0};
	struct stat st;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	close(fd);
	for (unsigned i = 0; i < 2; i++) {
		rig_open(&r, path);
		emit_numbered(&r, i * 3, 3);
		rig_done(&r); /* writes what waits */
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = open(path, O_RDONLY);
	tally_read(&t, fd, sizeof(buf));
	close(fd);
	unlink(path);
	assert_int_equal(t.lines, 6);
}

static void what_cannot_be_written_to_is_refused(void **state)
{
	static const struct {
		const char *where, *msg;
	} cases[] = {
		{"fd:999", "cannot write events to fd:999: it is not open"},
		{"/nonexistent/dir/x",
		 "cannot open /nonexistent/dir/x for events: No such file or directory"},
		{"/tmp", "cannot open /tmp for events: Is a directory"},
	};
	struct loop loop;
	struct error err;
	char where[32], want[128], path[] = "/tmp/weir-events-fifo-XXXXXX";
	int fds[2], fd;

	assert_int_equal(loop_init(&loop, &err), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(events_open(&loop, cases[i].where, "b", &err));
		assert_string_equal(err.msg, cases[i].msg);
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	snprintf(where, sizeof(where), "fd:%d", fds[0]);
	assert_null(events_open(&loop, where, "b", &err));
	snprintf(want, sizeof(want), "cannot write events to %s: it is open for reading only",
		 where);
	assert_string_equal(err.msg, want);
	close(fds[0]);
	close(fds[1]);
	fd = mkstemp(path);
	close(fd);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(events_open(&loop, path, "b", &err));
	snprintf(want, sizeof(want), "cannot open %s for events: nobody reads from it", path);
	assert_string_equal(err.msg, want);
	unlink(path);
	loop_done(&loop);
	events_close(NULL);
	events_emit(NULL, NULL);
}

static void fd_numbers_have_one_form(void **state)
{
	assert_int_equal(events_fd_number("fd:0"), 0);
	assert_int_equal(events_fd_number("fd:17"), 17);
	assert_int_equal(events_fd_number("fd:"), -1);
	assert_int_equal(events_fd_number("fd:+1"), -1);
	assert_int_equal(events_fd_number("fd: 1"), -1);
	assert_int_equal(events_fd_number("fd:1x"), -1);
	assert_int_equal(events_fd_number("fd:99999999999999999999"), -1);
	assert_int_equal(events_fd_number("-"), -1);
	assert_int_equal(events_fd_number("fd"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_turn_leave_with_one_write),
		cmocka_unit_test(a_message_socket_gets_a_line_a_message),
		cmocka_unit_test(a_slow_reader_of_a_pipe_loses_the_oldest_lines),
		cmocka_unit_test(a_slow_reader_of_a_socket_loses_the_oldest_lines),
		cmocka_unit_test(a_reader_in_bites_never_sees_half_a_line),
		cmocka_unit_test(a_pipe_that_others_use_gets_whole_lines),
		cmocka_unit_test(waiting_for_a_reader_costs_no_turns),
		cmocka_unit_test(the_callers_pipe_stays_blocking),
		cmocka_unit_test(a_reader_that_is_gone_ends_the_log_alone),
		cmocka_unit_test(a_full_disk_is_waited_for),
		cmocka_unit_test(a_file_is_the_users_alone_and_appended_to),
		cmocka_unit_test(what_cannot_be_written_to_is_refused),
		cmocka_unit_test(fd_numbers_have_one_form),
	};

	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR); /* the warnings are expected */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
