// SPDX-License-Identifier: Apache-2.0
/*
 * Flow control from end to end (RFC 9113 5.2).
 *
 * What a side may send on a stream is what the other side would take of it now, less what lies here
 * already; the same for the connection, but that bytes which wait for a hook hold up no other
 * stream. So the windows of the receiver show at the sender as if nobody stood between them, with
 * the receiver's idea of what the path needs.
 *
 * With that alone a window would be used once in the time that it takes to go both hops and back. A
 * stream that carries much may therefore send H2P_AHEAD bytes ahead, which then lie here when the
 * receiver opens its window. All streams that do may hold H2P_AHEAD_ALL together, and the
 * connection has that much more room: so if none of them goes on, no other stream feels it.
 *
 * Above that there are caps, which bound what can come while a hook waits or where the filter makes
 * more of a body than it was. A body that is collected (HTTP_BODY_WHOLE) is not held against the
 * receiver's window, for the receiver does not know of it yet.
 *
 * nghttp2_session_consume() is not used: it can only give back what was received. Windows are
 * opened by nghttp2_submit_window_update(), and only when a quarter of what there could be is due.
 */
#include "http/proxy_h2_priv.h"

/* Bytes under way: enough for 1 Gbit/s at 120 ms. */
#define CONNECTION_CAP (16 << 20)
#define STREAM_CAP     (8 << 20)
/* A stream carries much from here on. */
#define AHEAD_FROM 32768
/* With a hook on the body. */
#define HOOKED_CAP (1 << 20)

uint32_t h2p_flow_initial(const struct h2p *p, enum http_side from)
{
	uint32_t theirs = nghttp2_session_get_remote_settings(p->side[h2p_other(from)].session,
							      NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);

	return theirs < STREAM_CAP ? theirs : STREAM_CAP;
}

static bool worth_it(int64_t more, int64_t target)
{
	return more > 0 && more >= target / 4;
}

static int64_t lesser(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void h2p_flow_connection(struct h2p *p, enum http_side from)
{
	struct h2p_side *side = &p->side[from], *to = &p->side[h2p_other(from)];

	if (!side->started || !to->started || side->over || to->over)
		return;
	int64_t room = (int64_t)nghttp2_session_get_remote_window_size(to->session) +
		       H2P_AHEAD_ALL - (int64_t)side->ready;
	int64_t target = lesser(room, CONNECTION_CAP - (int64_t)side->queued);
	int64_t more = target - nghttp2_session_get_local_window_size(side->session);
	if (worth_it(more, target))
		nghttp2_submit_window_update(side->session, NGHTTP2_FLAG_NONE, 0, (int32_t)more);
}

static int64_t room_behind(const struct h2p *p, const struct h2p_stream *s, enum http_side from)
{
	enum http_side to = h2p_other(from);
	nghttp2_session *session = p->side[to].session;

	if (s->open[to]) {
		int32_t n = nghttp2_session_get_stream_remote_window_size(session, s->id[to]);
		if (n >= 0)
			return n;
	}
	return nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
}

void h2p_flow_done(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	if (s->way[from].ahead)
		p->side[from].ahead -= H2P_AHEAD;
	s->way[from].ahead = false;
}

/* Where there is enough for it, and it has shown that it carries much. */
static int64_t ahead(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	struct h2p_way *w = &s->way[from];

	if (!w->ahead && w->total >= AHEAD_FROM &&
	    p->side[from].ahead + H2P_AHEAD <= H2P_AHEAD_ALL) {
		w->ahead = true;
		p->side[from].ahead += H2P_AHEAD;
	}
	return w->ahead ? H2P_AHEAD : 0;
}

void h2p_flow_stream(struct h2p *p, struct h2p_stream *s, enum http_side from)
{
	const struct h2p_way *w = &s->way[from];
	nghttp2_session *session = p->side[from].session;

	if (!s->open[from] || s->over || w->in_end || !p->side[from].started)
		return;
	/* Until the peer has seen our SETTINGS its streams begin with what we do not know of. */
	if (nghttp2_session_get_local_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) !=
	    p->side[from].initial)
		return;
	int64_t cap = w->mode == HTTP_BODY_PASS ? STREAM_CAP : HOOKED_CAP;
	int64_t target = w->mode == HTTP_BODY_WHOLE
				 ? cap
				 : lesser(room_behind(p, s, from) + ahead(p, s, from), cap);
	int64_t more = target -
		       (int64_t)(w->in.len + (w->mode == HTTP_BODY_WHOLE ? 0 : w->out.len)) -
		       nghttp2_session_get_stream_local_window_size(session, s->id[from]);
	if (worth_it(more, target))
		nghttp2_submit_window_update(session, NGHTTP2_FLAG_NONE, s->id[from],
					     (int32_t)more);
}
