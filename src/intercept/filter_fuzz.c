// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the body of a request or of an answer, or as the bytes of a WebSocket, cut anywhere:
 * what comes out does not depend on where it was cut; no value gets to the guest, no placeholder to
 * a host that may not have it, and a length that was promised is kept.
 */
#include <stdlib.h>

#include "http/coding.h"
#include "http/spelling.h"
#include "intercept/filter_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOST "api.example.com"
static const char *const placeholders[] = {"wkey-012345", "odd_place"};
static const char *const values[] = {"sk-ABCDEFGH", "a+b \"c\\%41"};

static size_t cut_len;
static size_t cut(void)
{
	return cut_len;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool find(struct view in, struct view what)
{
	return what.len && in.len >= what.len && memmem(in.p, in.len, what.p, what.len);
}

static void check_absent(struct view in, const char *text)
{
	struct view what = view_make(text, strlen(text));
	uint8_t *undone = malloc(in.len + 1), room[64];
	size_t used, n;

	check(undone);
	n = spelling_undo(in, false, true, undone, &used);
	check(!find(in, what) && !find(view_make(undone, n), what));
	for (unsigned phase = 0; phase < 3; phase++)
		check(!find(in, view_make(room, needle_spell(what, NEEDLE_BASE64, phase, room))));
	free(undone);
}

struct way {
	bool up, allowed, plain, websocket;
	const char *type;
};

static enum http_step run(const struct way *w, struct view in, size_t len, struct buf *out,
			  enum http_body_mode *mode)
{
	static struct rig r;
	enum http_step step;

	rig_clear_secrets();
	for (size_t i = 0; i < (w->plain ? 1 : 2); i++)
		rig_add_secret("S", placeholders[i], values[i], HOST)->places =
			SECRET_IN_BODY | SECRET_IN_WEBSOCKET;
	rig_init(&r, w->allowed ? HOST : "other.example.net", true);
	rig_request(&r, "POST", "/");
	rig_field(&r.x.request, "content-type", w->type);
	if (w->websocket)
		rig_field(&r.x.request, "upgrade", "websocket");
	else
		r.x.request.length = in.len;
	check(rig_go(&r) == HTTP_GO);
	rig_answer(&r, w->websocket ? 101 : 200);
	r.x.tunnel = w->websocket;
	rig_field(&r.x.answer, "content-type", w->type);
	check(rig_go_answer(&r) == HTTP_GO);
	*mode = w->up ? r.x.request.mode : r.x.answer.mode;
	cut_len = len;
	step = rig_body(&r, w->up, in, cut, out);
	rig_done(&r);
	return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"text/plain", "application/json",
					    "application/x-www-form-urlencoded",
					    "application/grpc"};
	struct view in = view_make(data, size);
	struct buf whole = {0}, cut_up = {0};
	enum http_body_mode mode;
	uint8_t flags, len;

	if (!view_get_u8(&in, &flags) || !view_get_u8(&in, &len) || in.len == 0)
		return 0;
	const struct way w = {.up = flags & 1,
			      .allowed = flags & 2,
			      .plain = flags & 4,
			      .websocket = flags & 8,
			      .type = types[flags >> 4 & 3]};
	enum http_step first = run(&w, in, in.len, &whole, &mode);
	enum http_step second = run(&w, in, (size_t)len + 1, &cut_up, &mode);
	check(first == second);
	if (first == HTTP_GO && !w.websocket) {
		check(whole.len == cut_up.len);
		check(whole.len == 0 ||
		      memcmp(buf_view(&whole).p, buf_view(&cut_up).p, whole.len) == 0);
		if (mode == HTTP_BODY_SAME)
			check(whole.len == in.len);
		for (size_t i = 0; i < (w.plain ? 1 : 2); i++) {
			if (!w.up && w.allowed && (flags >> 4 & 3) != 3)
				check_absent(buf_view(&whole), values[i]);
			if (w.up && !w.allowed)
				check_absent(buf_view(&whole), placeholders[i]);
		}
	}
	buf_done(&whole);
	buf_done(&cut_up);
	return 0;
}
