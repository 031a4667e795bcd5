// SPDX-License-Identifier: Apache-2.0
/*
 * Running streams through the readers of this room. Broken contracts abort, for fuzzers use this
 * too.
 */
#include "http/http_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a target; the rest is not written down. */
#define RIG_TARGET_MAX 100

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void say(struct rig_log *l, const char *format, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	must(n > 0);
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	if (l->len + (size_t)n + 2 > RIG_LOG_MAX)
		return;
	if (l->len)
		l->text[l->len++] = ' ';
	memcpy(l->text + l->len, text, (size_t)n + 1);
	l->len += (size_t)n;
}

static void flush_body(struct rig_log *l)
{
	if (l->body)
		say(l, "+%zu", l->body);
	l->body = 0;
}

/* The next piece of the stream behind `at`. */
static struct view piece(struct view in, size_t at, struct rig_cut *cut)
{
	size_t left = in.len - at, n = cut->first ? cut->first : cut->each;

	cut->first = 0;
	if (n == 0 || n > left)
		n = left;
	return view_make(in.p + at, n);
}

static const char *authority_text(const struct http_authority *a, bool has, char buf[300])
{
	char addr[IPADDR_STRLEN];

	if (!has)
		return "-";
	snprintf(buf, 300, "%s", a->name.len ? a->name.s : ipaddr_str(&a->addr, addr));
	if (a->port)
		snprintf(buf + strlen(buf), 300 - strlen(buf), "|%u", a->port);
	return buf;
}

/* ---- HTTP/1 requests ---- */

struct h1_run {
	struct h1 *h;
	struct view in;
	size_t looked, held; /* bytes looked at; of these the last `held` may not pass yet */
	enum rig_answer answer;
	struct rig_log *log;
};

/* What the reader kept is what came. */
static void check_copy(const struct h1_run *r, struct view copy)
{
	must(copy.len == r->held);
	must(memcmp(copy.p, r->in.p + r->looked - copy.len, copy.len) == 0);
}

static void note_head(struct h1_run *r)
{
	const struct h1_head *head = h1_head(r->h);
	char authority[300];

	check_copy(r, head->bytes);
	must(head->has_authority || head->minor == 0);
	must(!head->connect || head->authority.port);
	must(!head->chunked || head->length == 0);
	for (size_t i = 0; i < head->field_count; i++)
		must(head->fields[i].name.len > 0 && head->fields[i].name.p > head->bytes.p);
	say(r->log, "%.*s %.*s %s", (int)head->method.len, head->method.p,
	    head->target.len < RIG_TARGET_MAX ? (int)head->target.len : RIG_TARGET_MAX,
	    head->target.p, authority_text(&head->authority, head->has_authority, authority));
}

/* One event; false where the stream is at its end. */
static bool note_h1(struct h1_run *r, enum h1_event e, size_t used)
{
	if (e != H1_BODY && e != H1_MORE)
		flush_body(r->log);
	if (e == H1_MORE) {
		r->held += used;
		return true;
	}
	if (e == H1_HEAD || e == H1_TRAILER)
		r->held += used;
	else
		must(e == H1_ERROR || r->held == 0);
	if (e == H1_HEAD) {
		note_head(r);
	} else if (e == H1_BODY) {
		must(used > 0);
		r->log->body += used;
	} else if (e == H1_TRAILER) {
		check_copy(r, h1_head(r->h)->trailer);
		say(r->log, "t%zu", h1_head(r->h)->trailer_count);
	} else if (e == H1_END) {
		say(r->log, ".");
	} else if (e == H1_ERROR) {
		say(r->log, "!%d %s", h1_status(r->h), h1_error(r->h));
		return false;
	} else if (e == H1_TUNNEL) {
		say(r->log, "tunnel");
		return false;
	} else { /* H1_WAIT */
		say(r->log, "wait");
		if (r->answer == RIG_STAY)
			h1_stay(r->h);
		if (r->answer == RIG_SWITCH)
			h1_switch(r->h);
		return r->answer != RIG_SILENT;
	}
	r->held = 0;
	r->log->passed = r->looked;
	return true;
}

void rig_h1(struct view in, struct rig_cut cut, enum rig_answer answer, struct rig_log *ret)
{
	struct h1_run r = {.h = h1_new(), .in = in, .answer = answer, .log = ret};
	bool on = true;

	must(r.h);
	*ret = (struct rig_log){0};
	while (on && r.looked < in.len) {
		struct view v = piece(in, r.looked, &cut);
		enum h1_event e;
		do {
			size_t used;
			e = h1_read(r.h, v, &used);
			must(used <= v.len && (e != H1_MORE || used == v.len));
			view_skip(&v, used);
			r.looked += used;
			on = note_h1(&r, e, used);
		} while (on && e != H1_MORE);
		/* The end stays the end. */
		size_t none;
		must(on || (h1_read(r.h, in, &none) == e && none == 0));
	}
	flush_body(ret);
	h1_free(r.h);
}

/* ---- answers ---- */

static void tell_requests(struct h1_watch *w, const char *const *methods)
{
	for (; *methods; methods++) {
		bool upgrade = strcmp(*methods, "UPGRADE") == 0;
		struct h1_head head = {
			.method = view_make(*methods, strlen(*methods)),
			.connect = strcmp(*methods, "CONNECT") == 0,
			.upgrade = upgrade,
		};
		must(h1_watch_request(w, &head));
	}
}

static bool note_watch(struct h1_watch *w, enum h1_watch_event e, struct rig_log *l)
{
	const struct h1_answer_head *a = h1_watch_answer(w);

	switch (e) {
	case H1_WATCH_MORE:
		return true;
	case H1_WATCH_ANSWER:
	case H1_WATCH_TUNNEL:
		must(a->status >= 100 && a->status <= 999);
		say(l, "%d%s%s", a->status, a->until_close ? "-close" : "",
		    a->upgrade_h2c ? "-h2c" : "");
		if (e == H1_WATCH_TUNNEL)
			say(l, "tunnel");
		return e == H1_WATCH_ANSWER;
	case H1_WATCH_END:
		say(l, ".");
		return true;
	case H1_WATCH_ERROR:
		say(l, "!%s", h1_watch_error(w));
		return false;
	}
	abort();
}

void rig_watch(const char *const *methods, struct view in, struct rig_cut cut, struct rig_log *ret)
{
	struct h1_watch *w = h1_watch_new();
	size_t at = 0;
	bool on = true;

	must(w);
	*ret = (struct rig_log){0};
	tell_requests(w, methods);
	while (on && at < in.len) {
		struct view v = piece(in, at, &cut);
		enum h1_watch_event e;
		do {
			size_t used;
			e = h1_watch_read(w, v, &used);
			must(used <= v.len && (e != H1_WATCH_MORE || used == v.len));
			view_skip(&v, used);
			at += used;
			on = note_watch(w, e, ret);
		} while (on && e != H1_WATCH_MORE);
		size_t none;
		must(on || (h1_watch_read(w, in, &none) == e && none == 0));
	}
	h1_watch_free(w);
}

/* ---- HTTP/2 ---- */

static void note_request(const struct h2 *h, struct rig_log *l)
{
	const struct h2_request *q = h2_request(h);
	char authority[300];

	must(q->stream % 2 && q->method.len);
	must(q->connect || q->path.len);
	say(l, "#%u %.*s %.*s %s", q->stream, (int)q->method.len, q->method.p,
	    q->path.len < RIG_TARGET_MAX ? (int)q->path.len : RIG_TARGET_MAX,
	    q->path.len ? (const char *)q->path.p : "",
	    authority_text(&q->authority, q->has_authority, authority));
}

void rig_h2(struct h2 *h, struct view in, struct rig_cut cut, struct rig_log *ret)
{
	size_t looked = 0;
	enum h2_event e = H2_MORE;

	*ret = (struct rig_log){0};
	while (e != H2_ERROR && looked < in.len) {
		struct view v = piece(in, looked, &cut);
		do {
			size_t used;
			e = h2_read(h, v, &used);
			must(used <= v.len && (e != H2_MORE || used == v.len));
			must(e != H2_PASS || used > 0);
			view_skip(&v, used);
			looked += used;
			if (e == H2_PASS || e == H2_REQUEST)
				ret->passed = looked;
			if (e == H2_REQUEST)
				note_request(h, ret);
			if (e == H2_ERROR)
				say(ret, "!%s", h2_error(h));
		} while (e != H2_MORE && e != H2_ERROR);
		size_t none;
		must(e != H2_ERROR || (h2_read(h, in, &none) == H2_ERROR && none == 0));
	}
}
