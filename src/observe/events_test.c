// SPDX-License-Identifier: Apache-2.0
/*
 * Events: the text of a line, the schema and the list of reasons that users get, and the writer
 * with readers that are quick, slow, gone.
 */
#include <errno.h>
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "observe/events.h"

extern const char source_root[]; /* source_root.c, made by the build */

#define KINDS (EVENT_ERROR + 1)
/* 2026-11-21T06:43:50.012345Z */
#define A_TIME 1795243430012345u

/* ---- the line -------------------------------------------------------------------------------- */

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	assert_true(ipaddr_parse(text, &a));
	return a;
}

/* An event with every member set. */
static struct event full_event(enum event_kind kind)
{
	static const struct policy_verdict verdict = {
		.answer = POLICY_DENY,
		.reason = REASON_RULE,
		.rule = 2,
		.rule_text = "deny@192.0.2.0/24:tcp:80,443",
	};
	static struct ipaddr answers[2];
	struct event ev = event_make(kind);

	answers[0] = addr("192.0.2.7");
	answers[1] = addr("2001:db8::7");
	ev.flow = 17;
	ev.dir = POLICY_EGRESS;
	ev.proto = "tcp";
	ev.src = addr("172.16.0.2");
	ev.sport = 40000;
	ev.dst = addr("2001:db8::7");
	ev.dport = 443;
	ev.name = "api.example.com";
	ev.verdict = &verdict;
	ev.qtype = "AAAA";
	ev.rcode = "NOERROR";
	ev.answers = answers;
	ev.answer_count = 2;
	ev.cache = "miss";
	ev.method = "GET";
	ev.path = "/v1/things";
	ev.status = 404;
	ev.secret = "API_KEY";
	ev.place = "body";
	ev.action = "blocked";
	ev.bytes_in = 4096;
	ev.bytes_out = 0;
	ev.rtt_us = 120;
	ev.duration_us = 1047001;
	ev.end = "fin";
	ev.text = "for people";
	ev.lost = 3;
	return ev;
}

static void assert_line(const struct event *ev, const char *want)
{
	char buf[EVENTS_LINE_MAX + 1];
	size_t n = event_line(ev, "box", A_TIME, buf, EVENTS_LINE_MAX);

	buf[n] = 0;
	assert_string_equal(buf, want);
}

static void each_kind_writes_its_members_and_no_others(void **state)
{
	static const char *const want[KINDS] = {
		[EVENT_FLOW_OPEN] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"flow-open\","
			"\"flow\":17,\"dir\":\"egress\",\"proto\":\"tcp\",\"src\":\"172.16.0.2:40000\","
			"\"dst\":\"[2001:db8::7]:443\",\"name\":\"api.example.com\","
			"\"rule\":\"deny@192.0.2.0/24:tcp:80,443\",\"rule_number\":3}\n",
		[EVENT_FLOW_CLOSE] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"flow-close\","
			"\"flow\":17,\"dir\":\"egress\",\"proto\":\"tcp\",\"src\":\"172.16.0.2:40000\","
			"\"dst\":\"[2001:db8::7]:443\",\"name\":\"api.example.com\","
			"\"rule\":\"deny@192.0.2.0/24:tcp:80,443\",\"rule_number\":3,\"reason\":\"rule\","
			"\"bytes_in\":4096,\"bytes_out\":0,\"rtt_us\":120,\"duration_ms\":1047.001,"
			"\"end\":\"fin\"}\n",
		[EVENT_DENY] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"deny\","
			"\"flow\":17,\"dir\":\"egress\",\"proto\":\"tcp\",\"src\":\"172.16.0.2:40000\","
			"\"dst\":\"[2001:db8::7]:443\",\"name\":\"api.example.com\","
			"\"rule\":\"deny@192.0.2.0/24:tcp:80,443\",\"rule_number\":3,\"reason\":\"rule\","
			"\"qtype\":\"AAAA\"}\n",
		[EVENT_DNS] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"dns\","
			"\"flow\":17,\"proto\":\"tcp\",\"src\":\"172.16.0.2:40000\","
			"\"dst\":\"[2001:db8::7]:443\",\"name\":\"api.example.com\","
			"\"rule\":\"deny@192.0.2.0/24:tcp:80,443\",\"rule_number\":3,\"reason\":\"rule\","
			"\"qtype\":\"AAAA\",\"rcode\":\"NOERROR\",\"cache\":\"miss\","
			"\"answers\":[\"192.0.2.7\",\"2001:db8::7\"],\"duration_ms\":1047.001}\n",
		[EVENT_HTTP] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"http\","
			"\"flow\":17,\"src\":\"172.16.0.2:40000\",\"dst\":\"[2001:db8::7]:443\","
			"\"name\":\"api.example.com\",\"rule\":\"deny@192.0.2.0/24:tcp:80,443\","
			"\"rule_number\":3,\"reason\":\"rule\",\"method\":\"GET\",\"path\":\"/v1/things\","
			"\"status\":404,\"duration_ms\":1047.001}\n",
		[EVENT_SECRET] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"secret\","
			"\"flow\":17,\"src\":\"172.16.0.2:40000\",\"dst\":\"[2001:db8::7]:443\","
			"\"name\":\"api.example.com\",\"secret\":\"API_KEY\",\"place\":\"body\","
			"\"action\":\"blocked\"}\n",
		[EVENT_LIMIT] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"limit\","
			"\"flow\":17,\"dir\":\"egress\",\"proto\":\"tcp\",\"src\":\"172.16.0.2:40000\","
			"\"dst\":\"[2001:db8::7]:443\",\"name\":\"api.example.com\",\"reason\":\"rule\","
			"\"text\":\"for people\"}\n",
		[EVENT_POLICY] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"policy\","
			"\"text\":\"for people\"}\n",
		[EVENT_ERROR] =
			"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"error\","
			"\"flow\":17,\"name\":\"api.example.com\",\"lost\":3,\"text\":\"for people\"}\n",
	};

	for (int k = 0; k < KINDS; k++) {
		struct event ev = full_event((enum event_kind)k);

		assert_line(&ev, want[k]);
	}
}

static void what_is_unset_is_left_out(void **state)
{
	struct policy_verdict by_default = {POLICY_DENY, REASON_PRESET, -1, "default", false};
	struct event ev = event_make(EVENT_FLOW_CLOSE);

	assert_line(&ev, "{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\","
			 "\"event\":\"flow-close\"}\n");
	ev = event_make(EVENT_DENY);
	ev.dir = POLICY_INGRESS;
	ev.proto = "icmpv4";
	ev.src = addr("2001:db8::1");
	ev.dst = addr("192.0.2.1");
	ev.verdict = &by_default;
	ev.reason = REASON_LIMIT_ICMP; /* goes before the verdict's */
	assert_line(
		&ev,
		"{\"ts\":\"2026-11-21T06:43:50.012345Z\",\"sandbox\":\"box\",\"event\":\"deny\","
		"\"dir\":\"ingress\",\"proto\":\"icmpv4\",\"src\":\"2001:db8::1\","
		"\"dst\":\"192.0.2.1\",\"rule\":\"default\",\"reason\":\"limit-icmp\"}\n");
}

static void times_are_those_of_the_calendar(void **state)
{
	const struct event ev = event_make(EVENT_POLICY);
	unsigned seconds = 12345;

	/* A day and some in each step, so that every month's ends come by; and what is special. */
	for (time_t t = 0; t < 7258118400; t += 86400 + seconds++ % 3600) {
		static const time_t extra[] = {951782399, 951782400, 951868800, 4107542400};
		time_t now = t < 4 ? extra[t] : t;
		char buf[EVENTS_LINE_MAX], want[64];
		struct tm tm;

		event_line(&ev, "b", (uint64_t)now * 1000000 + 999999, buf, sizeof(buf));
		gmtime_r(&now, &tm);
		strftime(want, sizeof(want), "{\"ts\":\"%Y-%m-%dT%H:%M:%S.999999Z\"", &tm);
		assert_memory_equal(buf, want, strlen(want));
	}
}

/* Text from a guest: whatever it holds and however long it is, a line is a line that fits. */
static void hostile_text_stays_in_its_line(void **state)
{
	static const char *const filling[] = {
		"a", "\"", "\n", "\x01", "\xff", "\xe2\x80\xa8", "\xf0\x9f\x98\x80"};
	static char text[70000];
	struct policy_verdict v = {POLICY_DENY, REASON_RULE, 0, text, false};
	struct ipaddr answers[40];

	for (size_t i = 0; i < 40; i++)
		answers[i] = addr("2001:db8:1111:2222:3333:4444:5555:6666");
	for (size_t f = 0; f < sizeof(filling) / sizeof(filling[0]); f++) {
		for (int k = 0; k < KINDS; k++) {
			struct event ev = full_event((enum event_kind)k);
			char buf[EVENTS_LINE_MAX], label[200];
			size_t one = strlen(filling[f]), n;
			json_t *line;

			for (size_t i = 0; i < sizeof(text); i++)
				text[i] = filling[f][i % one];
			text[sizeof(text) - 1] = 0;
			memcpy(label, text, sizeof(label));
			label[sizeof(label) - 1] = 0;
			ev.name = ev.text = ev.method = ev.path = ev.secret = text;
			ev.name_len = 0;
			ev.verdict = &v;
			ev.answers = answers;
			ev.answer_count = 40;
			n = event_line(&ev, label, A_TIME, buf, sizeof(buf));
			assert_true(n > 0 && n <= EVENTS_LINE_MAX);
			assert_ptr_equal(memchr(buf, '\n', n), buf + n - 1);
			line = json_loadb(buf, n, JSON_REJECT_DUPLICATES, NULL);
			assert_non_null(line);
			assert_true(json_is_true(json_object_get(line, "cut")));
			json_decref(line);
		}
	}
}

static void a_cut_leaves_no_half_character(void **state)
{
	char text[600], buf[EVENTS_LINE_MAX];
	struct event ev = event_make(EVENT_DNS);

	memset(text, 'x', sizeof(text));
	memcpy(text + 510, "\xe2\x82\xac", 3); /* the cut is at 512 */
	ev.name = text;
	ev.name_len = sizeof(text);
	size_t n = event_line(&ev, "b", A_TIME, buf, sizeof(buf));
	json_t *line = json_loadb(buf, n, 0, NULL);
	assert_int_equal(json_string_length(json_object_get(line, "name")), 510);
	json_decref(line);
	ev.name_len = 513;
	n = event_line(&ev, "b", A_TIME, buf, sizeof(buf));
	line = json_loadb(buf, n, 0, NULL);
	assert_int_equal(json_string_length(json_object_get(line, "name")), 510);
	json_decref(line);
	ev.name_len = 512; /* as it came: half a character */
	n = event_line(&ev, "b", A_TIME, buf, sizeof(buf));
	line = json_loadb(buf, n, 0, NULL);
	assert_int_equal(json_string_length(json_object_get(line, "name")), 513);
	assert_null(json_object_get(line, "cut"));
	json_decref(line);
}

/* ---- the documents --------------------------------------------------------------------------- */

static const char *tree(const char *file)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", source_root, file);
	return path;
}

static json_t *schema_defs(json_t **ret_schema)
{
	json_error_t e;

	*ret_schema = json_load_file(tree("doc/events.schema.json"), JSON_REJECT_DUPLICATES, &e);
	if (!*ret_schema)
		fail_msg("%s", e.text);
	return json_object_get(*ret_schema, "$defs");
}

static void the_schema_has_the_members_that_are_written(void **state)
{
	json_t *schema, *defs = schema_defs(&schema), *v;
	const char *key;

	for (int k = 0; k < KINDS; k++) {
		struct event ev = full_event((enum event_kind)k);
		char buf[EVENTS_LINE_MAX], label[EVENTS_LABEL_MAX + 2];
		json_t *line, *def, *props;

		memset(label, 'l', sizeof(label)); /* one too long: for `cut` */
		label[sizeof(label) - 1] = 0;
		size_t n = event_line(&ev, label, A_TIME, buf, sizeof(buf));
		line = json_loadb(buf, n, 0, NULL);
		def = json_object_get(defs, json_string_value(json_object_get(line, "event")));
		assert_non_null(def);
		assert_true(json_is_false(json_object_get(def, "additionalProperties")));
		props = json_object_get(def, "properties");
		json_object_foreach(line, key, v)
		{
			if (!json_object_get(props, key))
				fail_msg("the schema lacks %s", key);
		}
		json_object_foreach(props, key, v)
		{
			if (!json_object_get(line, key))
				fail_msg("never written: %s", key);
		}
		json_decref(line);
	}
	assert_int_equal(json_array_size(json_object_get(schema, "oneOf")), KINDS);
	json_decref(schema);
}

static void the_schema_has_every_reason(void **state)
{
	json_t *schema, *defs = schema_defs(&schema);
	json_t *list = json_object_get(json_object_get(defs, "reason"), "enum");

	assert_int_equal(json_array_size(list), REASON_COUNT - 1);
	for (int r = 1; r < REASON_COUNT; r++)
		assert_string_equal(json_string_value(json_array_get(list, (size_t)r - 1)),
				    policy_reason_name((enum policy_reason)r));
	json_decref(schema);
}

/* doc/reasons.md has a heading "## `id`" for each, in the order of the enum, and none besides. */
static void the_list_of_reasons_has_every_reason(void **state)
{
	FILE *f = fopen(tree("doc/reasons.md"), "r");
	char text[1024], want[64];
	int r = 1;

	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		if (strncmp(text, "## `", 4) != 0)
			continue;
		assert_true(r < REASON_COUNT);
		snprintf(want, sizeof(want), "## `%s`\n",
			 policy_reason_name((enum policy_reason)r));
		assert_string_equal(text, want);
		r++;
	}
	fclose(f);
	assert_int_equal(r, REASON_COUNT);
}

/* A validator that is not ours reads every kind, full and with hostile text. */
static void another_validator_takes_every_kind(void **state)
{
	char command[4200];
	FILE *out;

	if (system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0)
		skip();
	snprintf(command, sizeof(command), "%s", tree("doc/check-events"));
	out = popen(command, "w");
	assert_non_null(out);
	for (int k = 0; k < KINDS; k++) {
		char buf[EVENTS_LINE_MAX], name[1000];
		struct event ev = full_event((enum event_kind)k);

		fwrite(buf, 1, event_line(&ev, "box", A_TIME, buf, sizeof(buf)), out);
		for (size_t i = 0; i < sizeof(name); i++)
			name[i] = (char)(i % 255 + 1);
		ev.name = ev.text = name;
		ev.name_len = sizeof(name);
		name[sizeof(name) - 1] = 0;
		fwrite(buf, 1, event_line(&ev, "box", A_TIME, buf, sizeof(buf)), out);
	}
	assert_int_equal(pclose(out), 0);
}

/* ---- the writer ------------------------------------------------------------------------------ */

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
		cmocka_unit_test(each_kind_writes_its_members_and_no_others),
		cmocka_unit_test(what_is_unset_is_left_out),
		cmocka_unit_test(times_are_those_of_the_calendar),
		cmocka_unit_test(hostile_text_stays_in_its_line),
		cmocka_unit_test(a_cut_leaves_no_half_character),
		cmocka_unit_test(the_schema_has_the_members_that_are_written),
		cmocka_unit_test(the_schema_has_every_reason),
		cmocka_unit_test(the_list_of_reasons_has_every_reason),
		cmocka_unit_test(another_validator_takes_every_kind),
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
