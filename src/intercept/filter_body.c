// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies: what is around the bytes that are searched. filter_body.h has the theory.
 */
#include "intercept/filter_body.h"

#define PIECE     32768 /* decoded at a time */
#define FRAME_MAX 65536 /* a longer frame is passed on in several */

bool body_init(struct filter_body *b, const struct needle_set *set, enum coding coding,
	       bool only_look)
{
	search_init(&b->scrub.search, set);
	b->between.secret = b->rest.secret = b->plain.secret = b->ready.secret =
		b->ws.payload.secret = true;
	b->only_look = only_look;
	if (coding == CODING_IDENTITY)
		return true;
	b->decoder = decoder_new(coding);
	if (b->decoder && !only_look)
		b->encoder = encoder_new(coding);
	return b->decoder && (only_look || b->encoder);
}

void body_done(struct filter_body *b)
{
	scrub_done(&b->scrub);
	decoder_free(b->decoder);
	encoder_free(b->encoder);
	buf_done(&b->between);
	buf_done(&b->rest);
	buf_done(&b->plain);
	buf_done(&b->ready);
	buf_done(&b->ws.payload);
}

static enum scrub_step scrub(struct filter_body *b, struct view in, bool end, struct buf *out)
{
	enum scrub_step step;

	b->wait_end = end;
	if (!b->before)
		return scrub_run(&b->scrub, in, end, out);
	step = b->before(b->before_arg, in, end, &b->between);
	if (step != SCRUB_GO)
		return step;
	step = scrub_run(&b->scrub, buf_view(&b->between), end, out);
	buf_take(&b->between, b->between.len);
	return step;
}

/* ---- coded ---- */

static enum scrub_step put_coded(struct filter_body *b, enum encoder_flush flush, struct buf *out)
{
	bool ok = !b->encoder || encoder_run(b->encoder, buf_view(&b->plain), flush, out);

	buf_take(&b->plain, b->plain.len);
	return ok ? SCRUB_GO : SCRUB_NOMEM;
}

/* The rest of a piece whose hit had to wait. */
static enum scrub_step go_on_coded(struct filter_body *b, struct buf *out)
{
	enum scrub_step step = scrub(b, view_make(NULL, 0), b->wait_end, &b->plain);

	return step == SCRUB_GO ? put_coded(b, ENCODER_GO_ON, out) : step;
}

static enum scrub_step run_coded(struct filter_body *b, struct view *in, bool end, struct buf *out)
{
	uint8_t piece[PIECE];
	enum decoder_result r;
	enum scrub_step step = SCRUB_GO;
	size_t n;

	do {
		r = decoder_run(b->decoder, in, piece, sizeof(piece), &n);
		if (r == DECODER_BAD)
			step = SCRUB_BAD;
		else if (n)
			step = scrub(b, view_make(piece, n), false, &b->plain);
		if (step == SCRUB_GO && n)
			step = put_coded(b, ENCODER_GO_ON, out);
		/* A wait comes back here, to the rest of the input. */
	} while (step == SCRUB_GO && r == DECODER_FULL);
	explicit_bzero(piece, sizeof(piece));
	return step == SCRUB_GO && end && !decoder_ended(b->decoder) ? SCRUB_BAD : step;
}

/* Behind all of the input. */
static enum scrub_step end_coded(struct filter_body *b, bool end, struct buf *out)
{
	enum scrub_step step = SCRUB_GO;

	if (end)
		step = scrub(b, view_make(NULL, 0), true, &b->plain);
	if (step != SCRUB_GO || !b->encoder)
		return step;
	if (end && !decoder_began(b->decoder))
		return SCRUB_GO; /* nothing is coded as nothing */
	/* So that what was held back does not wait for more. */
	return put_coded(b, end ? ENCODER_END : ENCODER_FLUSH, out);
}

/* ---- gRPC ---- */

/* How many bytes of `in` belong to one message, heads included; *ret_end: up to its end. */
static size_t grpc_part(struct filter_body *b, struct view in, bool *ret_end)
{
	size_t n = 0;

	while (b->grpc.have < sizeof(b->grpc.head) && n < in.len) {
		b->grpc.head[b->grpc.have++] = in.p[n++];
		if (b->grpc.have == sizeof(b->grpc.head))
			b->grpc.left = get_be32(b->grpc.head + 1);
	}
	if (b->grpc.have == sizeof(b->grpc.head)) {
		size_t some = in.len - n < b->grpc.left ? in.len - n : (size_t)b->grpc.left;
		n += some;
		b->grpc.left -= some;
	}
	*ret_end = b->grpc.have == sizeof(b->grpc.head) && b->grpc.left == 0;
	if (*ret_end)
		b->grpc.have = 0;
	return n;
}

static enum scrub_step run_grpc(struct filter_body *b, struct view *in, bool end, struct buf *out)
{
	enum scrub_step step = SCRUB_GO;

	while (step == SCRUB_GO && in->len) {
		struct view part = {0};
		bool whole;
		view_take(in, grpc_part(b, *in, &whole), &part);
		step = scrub(b, part, whole || (end && in->len == 0), out);
	}
	return step;
}

/* ---- WebSocket ---- */

static bool put_frame(const struct websocket_frame *f, struct view payload, struct buf *out)
{
	uint8_t head[WEBSOCKET_HEAD_MAX];
	uint8_t *at;

	if (!buf_append(out, head, websocket_head(f, head)))
		return false;
	if (payload.len == 0)
		return true;
	at = buf_room(out, payload.len);
	if (!at)
		return false;
	memcpy(at, payload.p, payload.len);
	websocket_mask(f, 0, at, payload.len);
	buf_added(out, payload.len);
	return true;
}

/* What was scrubbed leaves as a frame of its own. */
static enum scrub_step put_message(struct filter_body *b, struct buf *out)
{
	struct websocket_frame f = b->ws.read.frame;
	bool ok = true;

	f.fin = b->ws.fin;
	f.opcode = b->ws.goes_on ? WEBSOCKET_CONTINUATION : b->ws.opcode;
	f.len = b->plain.len;
	if (f.fin || f.len) {
		ok = put_frame(&f, buf_view(&b->plain), out);
		b->ws.goes_on = !f.fin;
	}
	buf_take(&b->plain, b->plain.len);
	b->ws.emit = false;
	return ok ? SCRUB_GO : SCRUB_NOMEM;
}

/* A frame of a message, or a part of a long one, is here. */
static enum scrub_step scrub_message(struct filter_body *b, bool frame_ends, struct buf *out)
{
	struct view part = buf_view(&b->ws.payload);
	enum scrub_step step;

	b->ws.fin = frame_ends && b->ws.read.frame.fin;
	b->ws.emit = true;
	step = scrub(b, part, b->ws.fin, &b->plain);
	b->ws.at += part.len;
	buf_take(&b->ws.payload, part.len);
	return step == SCRUB_GO ? put_message(b, out) : step;
}

/* What a control frame says is for programs, not for people: where it holds what it must not, it
 * goes without it. */
static enum scrub_step put_control(struct filter_body *b, struct buf *out)
{
	struct websocket_frame f = b->ws.read.frame;
	struct view payload = buf_view(&b->ws.payload);
	struct search s;
	struct search_hit hit;
	size_t safe;
	bool ok;

	search_init(&s, b->scrub.search.set);
	ok = search_begin(&s, payload, true);
	if (ok && search_next(&s, 0, &hit, &safe))
		payload.len = f.opcode == WEBSOCKET_CLOSE ? 2 : 0;
	search_done(&s);
	f.len = payload.len;
	ok = ok && put_frame(&f, payload, out);
	buf_take(&b->ws.payload, b->ws.payload.len);
	return ok ? SCRUB_GO : SCRUB_NOMEM;
}

static enum scrub_step take_payload(struct filter_body *b, struct view piece, struct buf *out)
{
	size_t before = b->ws.payload.len;

	if (!buf_append_view(&b->ws.payload, piece))
		return SCRUB_NOMEM;
	websocket_mask(&b->ws.read.frame, b->ws.at + before,
		       b->ws.payload.mem + b->ws.payload.start + before, piece.len);
	if (b->ws.payload.len < FRAME_MAX)
		return SCRUB_GO;
	return scrub_message(b, false, out);
}

static enum scrub_step run_websocket(struct filter_body *b, struct view *in, struct buf *out)
{
	enum scrub_step step = SCRUB_GO;

	while (step == SCRUB_GO) {
		struct view piece;
		switch (websocket_read(&b->ws.read, in, &piece)) {
		case WEBSOCKET_MORE:
			return SCRUB_GO;
		case WEBSOCKET_BAD:
			return SCRUB_BAD;
		case WEBSOCKET_FRAME:
			b->ws.at = 0;
			if (b->ws.read.frame.opcode == WEBSOCKET_TEXT ||
			    b->ws.read.frame.opcode == WEBSOCKET_BINARY)
				b->ws.opcode = b->ws.read.frame.opcode;
			break;
		case WEBSOCKET_PAYLOAD:
			step = take_payload(b, piece, out);
			break;
		case WEBSOCKET_END:
			step = websocket_is_control(&b->ws.read.frame)
				       ? put_control(b, out)
				       : scrub_message(b, true, out);
			break;
		}
	}
	return step;
}

/* ---- all ---- */

static enum scrub_step go_on(struct filter_body *b, struct buf *out)
{
	enum scrub_step step;

	if (b->decoder)
		return go_on_coded(b, out);
	if (b->framing != BODY_WEBSOCKET)
		return scrub(b, view_make(NULL, 0), b->wait_end, out);
	step = scrub(b, view_make(NULL, 0), b->wait_end, &b->plain);
	return step == SCRUB_GO && b->ws.emit ? put_message(b, out) : step;
}

static enum scrub_step run(struct filter_body *b, struct view *in, bool end, struct buf *out)
{
	enum scrub_step step;
	struct view all = *in;

	if (b->decoder) {
		step = run_coded(b, in, end, out);
		return step == SCRUB_GO ? end_coded(b, end, out) : step;
	}
	if (b->framing == BODY_WEBSOCKET)
		return run_websocket(b, in, out);
	if (b->framing == BODY_GRPC)
		return run_grpc(b, in, end, out);
	view_skip(in, in->len);
	return scrub(b, all, end, out);
}

bool body_set_aside(struct filter_body *b, struct buf *out, size_t from)
{
	struct view v = buf_view(out);

	view_skip(&v, from);
	if (!buf_append_view(&b->ready, v))
		return false;
	if (v.len)
		explicit_bzero((uint8_t *)(uintptr_t)v.p, v.len);
	out->len = from;
	return true;
}

bool body_give_out(struct filter_body *b, struct buf *out)
{
	bool ok = buf_append_view(out, buf_view(&b->ready));

	buf_take(&b->ready, b->ready.len);
	return ok;
}

enum scrub_step body_run(struct filter_body *b, struct view in, bool end, struct buf *out)
{
	size_t from = out->len;
	struct view left = in;
	enum scrub_step step = SCRUB_GO;
	bool again = b->waiting;

	if (again) {
		left = buf_view(&b->rest);
		if (!body_give_out(b, out))
			return SCRUB_NOMEM;
		step = go_on(b, out);
	}
	size_t before = left.len;
	if (step == SCRUB_GO)
		step = run(b, &left, end, out);
	b->waiting = step == SCRUB_WAIT;
	if (step == SCRUB_WAIT) {
		bool ok = again ? (buf_take(&b->rest, before - left.len), true)
				: buf_append_view(&b->rest, left);
		return ok && body_set_aside(b, out, from) ? SCRUB_WAIT : SCRUB_NOMEM;
	}
	buf_take(&b->rest, b->rest.len);
	if (step == SCRUB_GO && b->only_look && b->decoder && !buf_append_view(out, in))
		return SCRUB_NOMEM;
	return step;
}
