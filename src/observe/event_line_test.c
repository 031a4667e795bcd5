// SPDX-License-Identifier: Apache-2.0
/*
 * The text of an event: a line for each kind, whatever a guest has put into it; and the schema and
 * the list of reasons that users get, which say the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
