// SPDX-License-Identifier: Apache-2.0
/*
 * One event as a line of JSON.
 *
 * Each kind has its members (doc/events.schema.json says the same), and what is not among them is
 * left out, whoever filled it in: so no caller can break the schema. A line always fits in
 * EVENTS_LINE_MAX: text is cut to what is worth reading, and where escapes make even that too long,
 * a second time to what fits whatever it holds. A line with something cut says so.
 */
#include "base/json.h"
#include "observe/events.h"

enum member {
	FLOW = 1 << 0,
	DIR = 1 << 1,
	PROTO = 1 << 2,
	ENDS = 1 << 3, /* src, dst */
	NAME = 1 << 4,
	RULE = 1 << 5,
	REASON = 1 << 6,
	DNS = 1 << 7, /* qtype, rcode, answers, cache */
	QTYPE = 1 << 8,
	BYTES = 1 << 9, /* bytes_in, bytes_out */
	RTT = 1 << 10,
	DURATION = 1 << 11,
	END = 1 << 12,
	TEXT = 1 << 13,
	LOST = 1 << 14,
	HTTP = 1 << 15,   /* method, path, status */
	SECRET = 1 << 16, /* secret, place, action */
};

#define FLOW_MEMBERS (FLOW | DIR | PROTO | ENDS | NAME | RULE)

static const struct {
	const char *name;
	unsigned members;
} kinds[] = {
	[EVENT_FLOW_OPEN] = {"flow-open", FLOW_MEMBERS},
	[EVENT_FLOW_CLOSE] = {"flow-close", FLOW_MEMBERS | REASON | BYTES | RTT | DURATION | END},
	[EVENT_DENY] = {"deny", FLOW_MEMBERS | REASON | QTYPE},
	[EVENT_DNS] = {"dns", FLOW | PROTO | ENDS | NAME | RULE | REASON | QTYPE | DNS | DURATION},
	[EVENT_HTTP] = {"http", FLOW | ENDS | NAME | RULE | REASON | HTTP | DURATION},
	[EVENT_SECRET] = {"secret", FLOW | ENDS | NAME | SECRET},
	[EVENT_LIMIT] = {"limit", FLOW | DIR | PROTO | ENDS | NAME | REASON | TEXT},
	[EVENT_POLICY] = {"policy", TEXT},
	[EVENT_ERROR] = {"error", FLOW | NAME | TEXT | LOST},
};

/* How much of what may be long is written. */
struct cut {
	size_t name, rule, text, answers, method, path;
};
/* A name has at most 253 characters, and some more where it came with escapes of its own. */
static const struct cut usual_cut = {
	.name = 512, .rule = 512, .text = 1024, .answers = 16, .method = 32, .path = 1024};
/* With six bytes for every one of these the line has room to spare. */
static const struct cut small_cut = {
	.name = 128, .rule = 128, .text = 128, .answers = 4, .method = 32, .path = 128};

struct event event_make(enum event_kind kind)
{
	return (struct event){
		.kind = kind,
		.dir = -1,
		.sport = -1,
		.dport = -1,
		.bytes_in = -1,
		.bytes_out = -1,
		.rtt_us = -1,
		.duration_us = -1,
	};
}

/* Two digits. */
static void put2(char *at, unsigned v)
{
	at[0] = (char)('0' + v / 10 % 10);
	at[1] = (char)('0' + v % 10);
}

/* The civil date of a day since 1970, counted in years that begin in March, so that the leap day is
 * the last of its year. */
static void civil_date(uint64_t day, unsigned *ret_y, unsigned *ret_m, unsigned *ret_d)
{
	uint64_t z = day + 719468; /* days since 0000-03-01 */
	uint64_t era = z / 146097; /* of 400 years */
	unsigned doe = (unsigned)(z % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153; /* months since March */

	*ret_d = doy - (153 * mp + 2) / 5 + 1;
	*ret_m = mp < 10 ? mp + 3 : mp - 9;
	*ret_y = (unsigned)(yoe + era * 400) + (*ret_m <= 2);
}

#define TIME_LEN 27

/* RFC 3339, UTC, microseconds. Years past 9999 are not met. */
static void time_text(uint64_t time_us, char buf[TIME_LEN + 1])
{
	uint64_t s = time_us / 1000000;
	unsigned us = (unsigned)(time_us % 1000000), tod = (unsigned)(s % 86400), y, m, d;

	memcpy(buf, "0000-00-00T00:00:00.000000Z", TIME_LEN + 1);
	civil_date(s / 86400, &y, &m, &d);
	put2(buf, y / 100);
	put2(buf + 2, y % 100);
	put2(buf + 5, m);
	put2(buf + 8, d);
	put2(buf + 11, tod / 3600);
	put2(buf + 14, tod / 60 % 60);
	put2(buf + 17, tod % 60);
	put2(buf + 20, us / 10000);
	put2(buf + 22, us / 100 % 100);
	put2(buf + 24, us % 100);
}

/* Up to `max` bytes of the text; *cut where there are more. A character that the cut would split is
 * left out whole. */
static void put_text(struct json *j, const char *key, const char *text, size_t n, size_t max,
		     bool *cut)
{
	if (n > max) {
		*cut = true;
		n = max;
		while (n && ((uint8_t)text[n] & 0xc0) == 0x80)
			n--;
	}
	json_text_n(j, key, text, n);
}

static void put_ends(struct json *j, const struct event *ev)
{
	if (ev->src.family)
		json_addr_port(j, "src", &ev->src, ev->sport);
	if (ev->dst.family)
		json_addr_port(j, "dst", &ev->dst, ev->dport);
}

static void put_rule(struct json *j, const struct policy_verdict *v, const struct cut *c, bool *cut)
{
	put_text(j, "rule", v->rule_text, strlen(v->rule_text), c->rule, cut);
	if (v->rule >= 0)
		json_uint(j, "rule_number", (uint64_t)v->rule + 1);
}

static void put_reason(struct json *j, const struct event *ev)
{
	enum policy_reason why = ev->reason;

	if (why == REASON_NONE && ev->verdict)
		why = ev->verdict->reason;
	if (why != REASON_NONE)
		json_text(j, "reason", policy_reason_name(why));
}

static void put_dns(struct json *j, const struct event *ev, const struct cut *c, bool *cut)
{
	size_t n = ev->answer_count;

	if (ev->rcode)
		json_text(j, "rcode", ev->rcode);
	if (ev->cache)
		json_text(j, "cache", ev->cache);
	if (n == 0)
		return;
	if (n > c->answers) {
		*cut = true;
		n = c->answers;
	}
	json_array_begin(j, "answers");
	for (size_t i = 0; i < n; i++)
		json_addr(j, NULL, &ev->answers[i]);
	json_array_end(j);
}

static void put_http(struct json *j, const struct event *ev, const struct cut *c, bool *cut)
{
	if (ev->method)
		put_text(j, "method", ev->method, strlen(ev->method), c->method, cut);
	if (ev->path)
		put_text(j, "path", ev->path, strlen(ev->path), c->path, cut);
	if (ev->status)
		json_uint(j, "status", (uint64_t)ev->status);
}

static void put_secret(struct json *j, const struct event *ev, const struct cut *c, bool *cut)
{
	if (ev->secret)
		put_text(j, "secret", ev->secret, strlen(ev->secret), c->text, cut);
	if (ev->place)
		json_text(j, "place", ev->place);
	if (ev->action)
		json_text(j, "action", ev->action);
}

static void put_flow(struct json *j, const struct event *ev, unsigned m, const struct cut *c,
		     bool *cut)
{
	if ((m & FLOW) && ev->flow)
		json_uint(j, "flow", ev->flow);
	if ((m & DIR) && ev->dir >= 0)
		json_text(j, "dir", ev->dir == POLICY_EGRESS ? "egress" : "ingress");
	if ((m & PROTO) && ev->proto)
		json_text(j, "proto", ev->proto);
	if (m & ENDS)
		put_ends(j, ev);
	if ((m & NAME) && ev->name)
		put_text(j, "name", ev->name, ev->name_len ? ev->name_len : strlen(ev->name),
			 c->name, cut);
	if ((m & RULE) && ev->verdict && ev->verdict->rule_text)
		put_rule(j, ev->verdict, c, cut);
	if (m & REASON)
		put_reason(j, ev);
}

static void put_measures(struct json *j, const struct event *ev, unsigned m)
{
	if ((m & BYTES) && ev->bytes_in >= 0)
		json_uint(j, "bytes_in", (uint64_t)ev->bytes_in);
	if ((m & BYTES) && ev->bytes_out >= 0)
		json_uint(j, "bytes_out", (uint64_t)ev->bytes_out);
	if ((m & RTT) && ev->rtt_us >= 0)
		json_uint(j, "rtt_us", (uint64_t)ev->rtt_us);
	if ((m & DURATION) && ev->duration_us >= 0)
		json_milli(j, "duration_ms", (uint64_t)ev->duration_us);
}

static size_t line(const struct event *ev, const char *sandbox, uint64_t time_us,
		   const struct cut *c, char *buf, size_t cap)
{
	struct json j = json_make(buf, cap);
	unsigned m = kinds[ev->kind].members;
	char ts[TIME_LEN + 1];
	bool cut = false;

	time_text(time_us, ts);
	json_object_begin(&j, NULL);
	json_text_n(&j, "ts", ts, TIME_LEN);
	put_text(&j, "sandbox", sandbox, strlen(sandbox), EVENTS_LABEL_MAX, &cut);
	json_text(&j, "event", kinds[ev->kind].name);
	put_flow(&j, ev, m, c, &cut);
	if ((m & QTYPE) && ev->qtype)
		json_text(&j, "qtype", ev->qtype);
	if (m & DNS)
		put_dns(&j, ev, c, &cut);
	if (m & HTTP)
		put_http(&j, ev, c, &cut);
	if (m & SECRET)
		put_secret(&j, ev, c, &cut);
	put_measures(&j, ev, m);
	if ((m & END) && ev->end)
		json_text(&j, "end", ev->end);
	if ((m & LOST) && ev->lost)
		json_uint(&j, "lost", ev->lost);
	if ((m & TEXT) && ev->text)
		put_text(&j, "text", ev->text, strlen(ev->text), c->text, &cut);
	if (cut)
		json_bool(&j, "cut", true);
	json_object_end(&j);
	wbuf_put_u8(&j.out, '\n');
	return j.out.overflow ? 0 : j.out.len;
}

size_t event_line(const struct event *ev, const char *sandbox, uint64_t time_us, char *buf,
		  size_t cap)
{
	size_t n = line(ev, sandbox, time_us, &usual_cut, buf, cap);

	return n ? n : line(ev, sandbox, time_us, &small_cut, buf, cap);
}
