// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 proxy inside. proxy_h2.c moves bytes and ends connections, proxy_h2_session.c is what
 * nghttp2 is told and tells, proxy_h2_way.c leads each exchange through its hooks,
 * proxy_h2_stream.c ends it, proxy_h2_head.c reads and writes heads, proxy_h2_flow.c opens windows,
 * proxy_h2_guard.c counts what only an attacker does often.
 *
 * Theory of operation
 * -------------------
 * Two sessions of nghttp2: a server toward the guest, a client toward the upstream. A stream of the
 * guest's becomes an exchange, and where the filter lets it go, a stream of the upstream's. Each
 * direction of an exchange is a "way", named by the side that it comes from: what came and was not
 * shown to the filter is in `in`, what the filter (or nobody) made of it is in `out`, from which
 * DATA frames are made when the other side's windows allow. Frames are read and written without a
 * copy in nghttp2, so that a byte is copied twice in all.
 *
 * Flow control is end to end: a side may send what the other side would take, and little more (see
 * proxy_h2_flow.c). So little lies in here, however slow one of them reads, and no stream that
 * stands still holds up another one.
 *
 * The upstream's session begins when the guest's SETTINGS are there, the guest's when the
 * upstream's are: each passes on what concerns the other (windows, number of streams, RFC 8441).
 * Only where the guest must be told something before (a refusal, an error) it begins at once.
 *
 * Lifetimes: a stream's record lives until both sides' streams are closed, and is freed by the pump
 * only, never from inside nghttp2. Callbacks of one session may submit to either, and send nothing:
 * sending is the pump's.
 *
 * Trust: both sides are hostile. nghttp2 checks frames, states and the form of messages, we check
 * heads again (h2_head.c) and bound everything that grows:
 *
 * - streams: `limit` records, those that are closing included; more: REFUSED_STREAM;
 * - heads: HTTP_TEXT_MAX bytes (each field counted with 32 more) and HTTP_FIELDS_MAX; more: 431,
 *   or 502; H2P_CONTINUATIONS frames behind HEADERS; more: the connection ends;
 * - interim answers that wait: H2P_INTERIM; more: 502;
 * - bytes in `in` and `out` of all streams: H2P_QUEUE_MAX a direction, beyond which nothing is
 *   taken from that side (WHOLE bodies are bounded by the filter);
 * - frames for a side that does not read: H2P_FRAMES and what one slice of input makes;
 * - answers to PING and SETTINGS that wait: H2P_ACKS; frames and resets without use: see
 *   proxy_h2_guard.c; more: ENHANCE_YOUR_CALM.
 *
 * RFC 9113, 8441 (extended CONNECT), 9218 (priorities are ignored: streams take turns).
 */
#ifndef WEIR_HTTP_PROXY_H2_PRIV_H
#define WEIR_HTTP_PROXY_H2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "base/bucket.h"
#include "base/list.h"
#include "http/h2_frame.h"
#include "http/h2_head.h"
#include "http/proxy_priv.h"

#define H2P_STREAMS       128     /* limit where none is given */
#define H2P_SLICE         16384   /* bytes of input between two turns of the pump */
#define H2P_QUEUE_MAX     2097152 /* see above */
#define H2P_AHEAD         65536   /* see proxy_h2_flow.c */
#define H2P_AHEAD_ALL     262144
#define H2P_OUT_MAX       65536 /* of one way, before the filter is shown more */
#define H2P_LINGER        16384 /* of a body that was refused by its head, before it is reset */
#define H2P_INTERIM       8
#define H2P_CONTINUATIONS 8
#define H2P_ACKS          256
#define H2P_FRAMES        512 /* unsent ones, where a side reads nothing, until we do not either */
#define H2P_SETTINGS      32  /* entries in one frame */
#define H2P_BLOCK_SEND    262144 /* a head's bound as nghttp2 estimates it before encoding */

enum h2p_way_state {
	H2P_IDLE,     /* no head yet, or only interim ones */
	H2P_HEAD,     /* the head's hook is to be called */
	H2P_BODY,     /* bytes go through */
	H2P_TRAILERS, /* the trailers' hook is to be called */
	H2P_DONE,     /* nothing more comes behind `out` and the trailers */
};

/* An answer's head behind an interim one that waits. */
struct h2p_block {
	struct h2p_block *next;
	struct http_fields fields;
	struct h2_answer answer;
	bool end;
};

struct h2p_way {
	enum h2p_way_state state;
	enum http_body_mode mode;
	bool waiting;      /* a hook said so, and was not resumed */
	bool in_end;       /* END_STREAM has come */
	bool head_sent;    /* was given to the session behind */
	bool sleeping;     /* that session's stream waits for bytes */
	bool has_trailers; /* the block has come */
	bool again;        /* the body hook waits, and will be called with the same: */
	bool again_end;
	size_t again_len;
	struct http_head trailers;
	struct buf in, out;
	size_t total;        /* bytes that came */
	bool ahead;          /* it may send ahead */
	size_t counted;      /* of both, in the proxy's sum */
	size_t counted_out;  /* of `out` */
	uint64_t came, gave; /* bytes through the body hook */
};

struct h2p_stream {
	struct http_exchange x;
	struct list all, work; /* in the proxy */
	int32_t id[2];         /* of each side's stream */
	bool open[2];          /* there is one, or it was submitted */
	bool reset[2];         /* the peer sent RST_STREAM */
	bool too_late;         /* the upstream says goodbye: it was never sent */
	bool hooked;           /* the filter knows of it */
	bool over;             /* and was told that it is over; bytes that come are dropped */
	bool final;            /* the final answer's head has come */
	bool answered;         /* and was given to the guest's session, or our own was */
	bool delivered;        /* the last frame of the answer was sent */
	bool lingers;          /* our own was given before anything of the body came */
	bool head;             /* HEAD: no body comes back */
	struct h2p_way way[2]; /* by the side that it comes from */
	struct h2p_block *blocks, **blocks_end;
	unsigned block_count;
};

/* Of one side's session. */
struct h2p_side {
	nghttp2_session *session;
	struct buf out;
	bool started;     /* something is sent */
	uint32_t initial; /* SETTINGS_INITIAL_WINDOW_SIZE in ours */
	bool heard;       /* the peer's first SETTINGS have come */
	bool going;       /* its GOAWAY has come */
	bool input_ended; /* its stream of bytes */
	bool ending;      /* our last GOAWAY was submitted */
	bool over;        /* nothing is read any more, and nothing written but what is in `out` */
	size_t queued;    /* bytes that came from here, in all ways */
	size_t ahead;     /* granted beyond what the other side would take */
	size_t ready;     /* those of them that only wait for windows */
	/* The header block under way. */
	struct http_fields block;
	size_t block_size;
	bool block_bad;
	/* See proxy_h2_guard.c. */
	struct bucket idle_frames, resets;
	uint32_t update_credit;
};

struct h2p {
	struct http_proxy base;
	struct h2p_side side[2];
	uint32_t limit;
	struct list streams, work;
	size_t stream_count;
	int32_t served;  /* highest stream of the guest's that was passed on or answered */
	bool connect;    /* the guest was told of RFC 8441 */
	bool must_speak; /* to the guest, even if the upstream has not spoken */
	bool no_memory;  /* both connections are cut */
	nghttp2_nv *nv;  /* for one head */
	size_t nv_cap;
	uint8_t status[3];
};

static inline enum http_side h2p_other(enum http_side side)
{
	return side == HTTP_GUEST ? HTTP_UPSTREAM : HTTP_GUEST;
}

/* ---- proxy_h2_session.c ---- */
bool h2p_sessions_new(struct h2p *p);
/* The other side's SETTINGS are known, or must be done without: sending begins with ours. */
void h2p_start(struct h2p *p, enum http_side side);
/* GOAWAY; nothing more is read. */
void h2p_end(struct h2p *p, enum http_side side, uint32_t code);
/* The source of the frames of `source->ptr`'s way to this session. */
ssize_t h2p_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
		 nghttp2_data_source *source, void *arg);

/* ---- proxy_h2_stream.c ---- */
struct h2p_stream *h2p_stream_new(struct h2p *p, int32_t id);
void h2p_stream_free(struct h2p *p, struct h2p_stream *s);
void h2p_block_free(struct h2p_block *b);
/* The pump is to look at it. */
void h2p_stream_work(struct h2p *p, struct h2p_stream *s);
/* One side's stream is closed. */
void h2p_stream_closed(struct h2p *p, struct h2p_stream *s, enum http_side side, uint32_t code);
/* The upstream's part has failed in a way that it did not say itself: 502, or a cut. */
void h2p_stream_lost(struct h2p *p, struct h2p_stream *s, const char *why);
extern const char *const h2p_malformed; /* a reason for that */
/* The exchange has failed and cannot be answered. */
void h2p_stream_break(struct h2p *p, struct h2p_stream *s, uint32_t code);
void h2p_stream_reset(struct h2p *p, struct h2p_stream *s, enum http_side side, uint32_t code);
/* Answers in the upstream's place, or ends the guest's stream where an answer has begun; the
 * upstream's is reset. */
void h2p_stream_refuse(struct h2p *p, struct h2p_stream *s, const struct http_denial *d);
/* The guest's session has sent the answer's last frame. */
void h2p_stream_answered(struct h2p *p, struct h2p_stream *s);
/* Bytes of the guest's that are for nobody any more. */
void h2p_stream_ignored(struct h2p *p, struct h2p_stream *s, size_t n);
/* Waits for no more of them. */
void h2p_stream_hurry(struct h2p *p, struct h2p_stream *s);

/* ---- proxy_h2_way.c ---- */
/* Goes on as far as it can. */
void h2p_way_run(struct h2p *p, struct h2p_stream *s, enum http_side from);
void h2p_way_data(struct h2p *p, struct h2p_stream *s, enum http_side from, struct view in);
/* Keeps the sum of what is queued. */
void h2p_way_count(struct h2p *p, struct h2p_stream *s, enum http_side from);
/* A header block has come whole. */
void h2p_way_block(struct h2p *p, struct h2p_stream *s, enum http_side from, bool end);

/* ---- proxy_h2_head.c ---- */
void h2p_head_done(struct http_head *h);
bool h2p_head_field(struct h2p_side *side, struct view name, struct view value);
/* The fields that were collected, as a head; false and *ret_error: malformed. The fields go over
 * into the head in either case. */
bool h2p_head_request(struct h2p *p, struct h2p_stream *s, bool end, const char **ret_error);
void h2p_head_answer(struct h2p_stream *s, struct http_fields *fields, const struct h2_answer *a,
		     bool end);
/* For nghttp2, in memory of the proxy's; *ret_count. NULL without memory. */
const nghttp2_nv *h2p_head_write(struct h2p *p, const struct h2p_stream *s, enum http_side from,
				 size_t *ret_count);
const nghttp2_nv *h2p_fields_write(struct h2p *p, const struct http_fields *f, size_t *ret_count);

/* ---- proxy_h2_flow.c ---- */
/* What each side's streams begin with, and the connection's window and this stream's after
 * something has changed. */
uint32_t h2p_flow_initial(const struct h2p *p, enum http_side from);
void h2p_flow_connection(struct h2p *p, enum http_side from);
void h2p_flow_stream(struct h2p *p, struct h2p_stream *s, enum http_side from);
/* Nothing of that way is left. */
void h2p_flow_done(struct h2p *p, struct h2p_stream *s, enum http_side from);

/* ---- proxy_h2_guard.c ---- */
void h2p_guard_init(struct h2p *p);
/* False: that was too much, and the connection is to end with ENHANCE_YOUR_CALM. */
bool h2p_guard_frame(struct h2p_side *side, const nghttp2_frame_hd *hd);
bool h2p_guard_idle(struct h2p_side *side);
bool h2p_guard_reset(struct h2p_side *side);
void h2p_guard_data_sent(struct h2p_side *side);

#endif
