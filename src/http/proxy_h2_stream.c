// SPDX-License-Identifier: Apache-2.0
/*
 * The records of exchanges, and the ways in which an exchange ends on both sides when it has ended
 * on one: in full, by a reset, by our own answer.
 */
#include "http/proxy_h2_priv.h"

#include <stdio.h>
#include <stdlib.h>

const char *const h2p_malformed = "the upstream's answer cannot be read";
static const char *const why_ended = "the upstream has ended the connection";
static const char *const why_broken = "the upstream has broken off";

/* ---- records ---- */

struct h2p_stream *h2p_stream_new(struct h2p *p, int32_t id)
{
	struct h2p_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->x.proxy = &p->base;
	s->x.id = (uint32_t)id;
	s->x.h2 = true;
	s->id[HTTP_GUEST] = id;
	s->open[HTTP_GUEST] = true;
	s->blocks_end = &s->blocks;
	list_init(&s->work);
	list_add_tail(&p->streams, &s->all);
	p->stream_count++;
	return s;
}

/* The filter is told, and nothing of the exchange is kept but what goes to the guest. */
static void finish(struct h2p *p, struct h2p_stream *s)
{
	if (s->over)
		return;
	s->over = true;
	if (s->hooked)
		proxy_hook_done(&p->base, &s->x);
}

static void drop_way(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	buf_done(&s->way[from].in);
	buf_done(&s->way[from].out);
	h2p_way_count(p, s, from);
	h2p_flow_done(p, s, from);
}

void h2p_block_free(struct h2p_block *b)
{
	http_fields_done(&b->fields);
	free(b);
}

static void note_served(struct h2p *p, const struct h2p_stream *s)
{
	if (s->id[HTTP_GUEST] > p->served)
		p->served = s->id[HTTP_GUEST];
}

void h2p_stream_free(struct h2p *p, struct h2p_stream *s)
{
	finish(p, s);
	if (s->id[HTTP_UPSTREAM] && !s->too_late)
		note_served(p, s);
	for (int from = 0; from < 2; from++) {
		drop_way(p, s, from);
		h2p_head_done(&s->way[from].trailers);
	}
	while (s->blocks) {
		struct h2p_block *b = s->blocks;
		s->blocks = b->next;
		h2p_block_free(b);
	}
	h2p_head_done(&s->x.request);
	h2p_head_done(&s->x.answer);
	list_del(&s->work);
	list_del(&s->all);
	p->stream_count--;
	free(s);
}

void h2p_stream_work(struct h2p *p, struct h2p_stream *s)
{
	if (!list_linked(&s->work))
		list_add_tail(&p->work, &s->work);
}

/* ---- ends ---- */

void h2p_stream_reset(struct h2p *p, struct h2p_stream *s, enum http_side side, uint32_t code)
{
	if (s->open[side] && nghttp2_submit_rst_stream(p->side[side].session, NGHTTP2_FLAG_NONE,
						       s->id[side], code) != 0)
		p->no_memory = true;
	if (side == HTTP_GUEST)
		p->must_speak = true;
}

static ssize_t read_denial(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
			   uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct buf *b = &((struct h2p_stream *)source->ptr)->way[HTTP_UPSTREAM].out;
	size_t n = b->len < length ? b->len : length;

	memcpy(buf, buf_view(b).p, n);
	buf_take(b, n);
	if (!b->len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* Our own answer. */
static bool submit_denial(struct h2p *p, struct h2p_stream *s, const struct http_denial *d)
{
	static const char *const names[] = {":status", "content-type", "content-length",
					    "cache-control"};
	char status[12], length[12];
	const char *values[] = {status, "application/json", length, "no-store"};
	uint8_t body[HTTP_DENY_MAX];
	size_t n = http_deny_body(d, body);
	nghttp2_data_provider source = {{.ptr = s}, read_denial};
	nghttp2_nv nv[4];

	snprintf(status, sizeof(status), "%d", d->status);
	snprintf(length, sizeof(length), "%zu", n);
	for (int i = 0; i < 4; i++)
		nv[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)names[i],
				     (uint8_t *)(uintptr_t)values[i], strlen(names[i]),
				     strlen(values[i]), NGHTTP2_NV_FLAG_NONE};
	if (!s->head && !buf_append(&s->way[HTTP_UPSTREAM].out, body, n))
		return false;
	return nghttp2_submit_response(p->side[HTTP_GUEST].session, s->id[HTTP_GUEST], nv, 4,
				       s->head ? NULL : &source) == 0;
}

void h2p_stream_refuse(struct h2p *p, struct h2p_stream *s, const struct http_denial *d)
{
	struct http_denial own = *d;

	if (own.status == 0)
		own = (struct http_denial){.status = 502, .reason = "out of memory"};
	own.head = s->head;
	h2p_stream_reset(p, s, HTTP_UPSTREAM, NGHTTP2_CANCEL);
	drop_way(p, s, HTTP_GUEST);
	drop_way(p, s, HTTP_UPSTREAM);
	if (s->answered) {
		h2p_stream_reset(p, s, HTTP_GUEST, NGHTTP2_INTERNAL_ERROR);
	} else if (s->open[HTTP_GUEST]) {
		s->answered = true;
		s->lingers = s->way[HTTP_GUEST].total == 0;
		s->way[HTTP_UPSTREAM].state = H2P_DONE;
		p->must_speak = true;
		note_served(p, s);
		if (!submit_denial(p, s, &own))
			p->no_memory = true;
	}
	finish(p, s);
	h2p_stream_work(p, s);
}

void h2p_stream_lost(struct h2p *p, struct h2p_stream *s, const char *why)
{
	h2p_stream_refuse(p, s, &(struct http_denial){.status = 502, .reason = why});
}

void h2p_stream_break(struct h2p *p, struct h2p_stream *s, uint32_t code)
{
	h2p_stream_reset(p, s, HTTP_GUEST, code);
	h2p_stream_reset(p, s, HTTP_UPSTREAM, NGHTTP2_CANCEL);
	drop_way(p, s, HTTP_GUEST);
	drop_way(p, s, HTTP_UPSTREAM);
	finish(p, s);
}

static void guest_closed(struct h2p *p, struct h2p_stream *s, uint32_t code)
{
	/* Answered in full: the upstream may read the rest of the request at leisure. */
	if (code == NGHTTP2_NO_ERROR && !s->reset[HTTP_GUEST] && !s->over)
		return;
	/* Without an error it is still no end of the request. */
	bool told = s->reset[HTTP_GUEST] && code != NGHTTP2_NO_ERROR;
	h2p_stream_reset(p, s, HTTP_UPSTREAM, told ? code : NGHTTP2_CANCEL);
	drop_way(p, s, HTTP_GUEST);
	finish(p, s);
}

/*
 * Behind the whole answer nobody will read the rest of the request (RFC 9113 8.1). But our own
 * answer may be faster than the guest's first byte of a body, and curl for one reports a stream
 * that is reset then as broken, and not what it was answered: so a short body may still come.
 */
static void end_upload(struct h2p *p, struct h2p_stream *s)
{
	if (s->delivered && !s->lingers && !s->open[HTTP_UPSTREAM] && !s->way[HTTP_GUEST].in_end)
		h2p_stream_reset(p, s, HTTP_GUEST, NGHTTP2_NO_ERROR);
}

void h2p_stream_hurry(struct h2p *p, struct h2p_stream *s)
{
	if (!s->lingers)
		return;
	s->lingers = false;
	end_upload(p, s);
}

void h2p_stream_ignored(struct h2p *p, struct h2p_stream *s, size_t n)
{
	uint32_t window = p->side[HTTP_GUEST].initial;
	size_t most = window / 2 < H2P_LINGER ? window / 2 : H2P_LINGER;

	s->way[HTTP_GUEST].total += n;
	if (s->way[HTTP_GUEST].total > most)
		h2p_stream_hurry(p, s);
}

static void upstream_closed(struct h2p *p, struct h2p_stream *s, uint32_t code)
{
	if (s->over || !s->open[HTTP_GUEST])
		return;
	if (s->way[HTTP_UPSTREAM].in_end) {
		drop_way(p, s, HTTP_GUEST);
		end_upload(p, s);
		return;
	}
	if (s->too_late)
		h2p_stream_break(p, s, NGHTTP2_REFUSED_STREAM);
	else if (code == NGHTTP2_REFUSED_STREAM ||
		 (s->reset[HTTP_UPSTREAM] && code != NGHTTP2_NO_ERROR))
		h2p_stream_break(p, s, code);
	else
		h2p_stream_lost(p, s,
				p->side[HTTP_UPSTREAM].over ? why_ended
				: s->reset[HTTP_UPSTREAM]   ? why_broken
							    : h2p_malformed);
}

void h2p_stream_closed(struct h2p *p, struct h2p_stream *s, enum http_side side, uint32_t code)
{
	s->open[side] = false;
	if (side == HTTP_GUEST)
		guest_closed(p, s, code);
	else
		upstream_closed(p, s, code);
	h2p_stream_work(p, s);
}

void h2p_stream_answered(struct h2p *p, struct h2p_stream *s)
{
	s->delivered = true;
	end_upload(p, s);
}
