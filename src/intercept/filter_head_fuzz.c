// SPDX-License-Identifier: Apache-2.0
/*
 * Any request and any answer through the filter of a host that may have the secrets, or of another:
 * what passes can be sent (no control character came in), no placeholder gets to a host that may
 * not have the value, no value to a place where it is not put in, and none back to the guest in a
 * field, or into what is told of a request. Signatures (SigV4, HMAC) and captured tokens go the
 * same way.
 *
 * Input: two bytes of switches, then the request's path, its fields one a line, an empty line, its
 * body up to the next empty line, the answer's fields, an empty line, and the answer's body.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/spelling.h"
#include "http/text.h"
#include "intercept/filter_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOST "api.example.com"
/* The rig's signatures begin with this, and hold line ends, which the key holder's do not. */
#define SIGNED "SIGNED["

enum { /* the first byte */
	WITH_HOST = 1,
	WITH_ALL_PLACES = 2,
	WITH_SIGNERS = 4,
	WITH_CAPTURE = 8,
	WITH_FAILURES = 16, /* the key holder's */
	WITH_REQUIRED = 32,
	WITH_LENGTH = 64,
	WITH_CUTS = 128,
};

static const char *const methods[] = {"GET", "POST", "HEAD", "PUT"};
static const int statuses[] = {200, 401, 304, 206};
static const char *const placeholders[] = {"wkey-012345", "odd_place"};
static const char *const values[] = {"sk-ABCDEFGH", "a+b \"c\\%41"};

static void check_at(bool ok, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d does not hold\n", line);
	abort();
}
#define check(ok) check_at(ok, __LINE__)

static size_t cut(void)
{
	return 3;
}

static bool find(struct view in, const char *text)
{
	return in.len >= strlen(text) && memmem(in.p, in.len, text, strlen(text));
}

/* Neither as it is, nor escaped, nor in base64. */
static bool holds(struct view in, const char *text)
{
	struct view what = view_make(text, strlen(text));
	uint8_t *undone = malloc(in.len + 1), room[64];
	size_t used;
	bool ret;

	check(undone);
	size_t n = spelling_undo(in, false, true, undone, &used);
	ret = find(in, text) || find(view_make(undone, n), text);
	for (unsigned phase = 0; phase < 3 && !ret; phase++) {
		size_t len = needle_spell(what, NEEDLE_BASE64, phase, room);
		ret = in.len >= len && memmem(in.p, in.len, room, len);
	}
	free(undone);
	return ret;
}

/* Up to an empty line, which is skipped. */
static struct view section(struct view *in)
{
	const uint8_t *end = in->len ? memmem(in->p, in->len, "\n\n", 2) : NULL;
	struct view ret;

	view_take(in, end ? (size_t)(end - in->p) : in->len, &ret);
	if (end)
		view_skip(in, 2);
	return ret;
}

static bool line(struct view *in, struct view *ret)
{
	const uint8_t *end = in->len ? memchr(in->p, '\n', in->len) : NULL;

	if (!in->len)
		return false;
	view_take(in, end ? (size_t)(end - in->p) : in->len, ret);
	if (end)
		view_skip(in, 1);
	return true;
}

/* Fields as a reader would have let them through. */
static void add_fields(struct http_head *h, struct view in)
{
	struct view one, value;
	char name[64];

	while (line(&in, &one)) {
		size_t n = http_token_len(one);
		if (!n || n >= sizeof(name) || n == one.len || one.p[n] != ':')
			continue;
		memcpy(name, one.p, n);
		name[n] = 0;
		value = http_text_trim(view_make(one.p + n + 1, one.len - n - 1));
		if (http_value_clean(value))
			http_head_add(h, name, value);
	}
}

static void set_secrets(uint8_t with)
{
	unsigned places = SECRET_IN_HEADERS | SECRET_IN_BASIC;
	struct secret *s;

	if (with & WITH_ALL_PLACES)
		places |= SECRET_IN_PATH | SECRET_IN_QUERY | SECRET_IN_BODY;
	rig_clear_secrets();
	rig_no_rule = true;
	rig_holder_fails = with & WITH_FAILURES;
	for (int i = 0; i < 2; i++) {
		s = rig_add_secret(i ? "TWO" : "ONE", placeholders[i], values[i], HOST);
		s->places = places;
		s->capture = with & WITH_CAPTURE;
		s->require = with & WITH_REQUIRED;
	}
	if (!(with & WITH_SIGNERS))
		return;
	s = rig_add_secret("AWS", "AKIAPLACEHOLDER0", "AKIAREALREALREAL", HOST);
	s->signer = SECRET_SIGV4;
	s = rig_add_secret("MAC", "mac-placeholder", "mac-value-is-long", HOST);
	s->signer = SECRET_HMAC;
	s->header = (char *)"X-Signature";
}

/* What went up; `said`: what the guest itself said, who may know a value. */
static void check_request(const struct http_head *h, uint8_t with, struct view said)
{
	bool may = with & WITH_HOST;

	check(http_target_clean(h->path) || find(h->path, SIGNED));
	for (size_t i = 0; i < h->fields.count; i++) {
		struct view value = h->fields.list[i].value;
		check(http_value_clean(value) || find(value, SIGNED));
	}
	for (int k = 0; k < 2; k++) {
		bool known = holds(said, values[k]);
		if (!known && !(may && with & WITH_ALL_PLACES))
			check(!find(h->path, values[k]));
		if (!may)
			check(!holds(h->path, placeholders[k]));
		for (size_t i = 0; i < h->fields.count && !may; i++) {
			check(!holds(h->fields.list[i].value, placeholders[k]));
			check(!holds(h->fields.list[i].name, placeholders[k]));
			check(known || !find(h->fields.list[i].value, values[k]));
		}
	}
}

static void check_answer(const struct http_head *h)
{
	for (size_t i = 0; i < h->fields.count; i++) {
		check(http_value_clean(h->fields.list[i].value));
		for (int k = 0; k < 2; k++)
			check(!holds(h->fields.list[i].value, values[k]));
	}
}

static enum http_step go_body(struct rig *r, bool up, struct view in, uint8_t with)
{
	struct buf out = {0};
	enum http_step step = rig_body(r, up, in, with & WITH_CUTS ? cut : NULL, &out);

	buf_done(&out);
	return step;
}

static bool request(struct rig *r, uint8_t with, const char *method, struct view *in)
{
	struct view said = *in, head = section(in), body = section(in), path = {0};
	char *text;
	bool ok;

	line(&head, &path);
	text = malloc(path.len + 2);
	check(text);
	text[0] = '/';
	memcpy(text + 1, path.p, path.len);
	text[path.len + 1] = 0;
	/* It has to live as long as the exchange. */
	rig_request(r, method, "/");
	ok = http_target_clean(view_make(text, path.len + 1)) &&
	     http_head_set_path(&r->x.request, view_make(text, path.len + 1));
	free(text);
	if (!ok)
		return false;
	add_fields(&r->x.request, head);
	r->x.request.length = !body.len            ? HTTP_LENGTH_NONE
			      : with & WITH_LENGTH ? body.len
						   : HTTP_LENGTH_STREAM;
	if (rig_go(r) != HTTP_GO || go_body(r, true, body, with) != HTTP_GO)
		return false;
	check_request(&r->x.request, with, said);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;
	struct view in;

	if (size < 2)
		return 0;
	in = view_make(data + 2, size - 2);
	set_secrets(data[0]);
	rig_init(&r, data[0] & WITH_HOST ? HOST : "other.example.net", true);
	if (request(&r, data[0], methods[data[1] & 3], &in)) {
		rig_answer(&r, statuses[data[1] >> 2 & 3]);
		add_fields(&r.x.answer, section(&in));
		if (rig_go_answer(&r) == HTTP_GO) {
			if (data[0] & WITH_HOST)
				check_answer(&r.x.answer);
			go_body(&r, false, in, data[0]);
		}
	}
	rig_done(&r);
	for (int k = 0; k < 2; k++)
		check(!holds(view_make(r.path, strlen(r.path)), values[k]));
	return 0;
}
