// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of the HTTP/2 proxy: a client and a server of nghttp2's with the proxy between them, in
 * memory, and a filter that does as it is told. Bodies are a pattern that the receiver checks byte
 * by byte. Not part of the program.
 */
#ifndef WEIR_HTTP_PROXY_H2_RIG_H
#define WEIR_HTTP_PROXY_H2_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "http/proxy.h"

#define RIG_STREAMS 600
#define RIG_TEXT    4096

/* A stream as one end sees it. */
struct rig_stream {
	int32_t id;
	char head[RIG_TEXT]; /* "name: value\n" of all blocks that came, in order; " !" behind the
				name of a field that must never be indexed */
	size_t head_len;
	int blocks;     /* that came */
	uint64_t got;   /* bytes of its body */
	bool bad;       /* they are not those of the pattern */
	uint8_t last;   /* the last byte of them */
	char text[256]; /* the first of them */
	bool end;       /* END_STREAM has come */
	bool closed;
	uint32_t code; /* of its closing */
	/* What this end sends. */
	uint64_t left, sent;
	bool endless; /* no END_STREAM behind that */
	const char *trailers;
	bool answered; /* by itself */
	bool paused;   /* received bytes are not consumed */
	uint64_t unconsumed;
};

struct rig_end {
	struct rig *rig;
	bool server;
	nghttp2_session *session;
	uint8_t *raw; /* written in front of what the session says */
	size_t raw_len;
	struct rig_stream stream[RIG_STREAMS];
	size_t count;
	bool goaway;
	uint32_t goaway_code;
	int32_t goaway_last;
	int settings; /* frames that came */
	int pings;    /* acknowledged */
	bool stingy;  /* opens the connection's window no more */
	bool pauses;  /* streams that begin now are paused */
	bool failed;  /* the session did not like what came */
};

/* What the filter does at one hook. */
struct rig_hook {
	int waits; /* so many times it says HTTP_WAIT at first */
	bool refuse;
	int calls;
	/* Of a body: what it said so to, which comes again. */
	uint32_t waited_id;
	size_t waited_len;
	bool waited_end;
};

struct rig {
	struct http_filter filter;
	struct http_proxy *proxy;
	struct rig_end client, server;
	size_t chunk; /* bytes a step of the transport moves at most; 0: all. Random with `seed` */
	unsigned seed;
	bool stop_client_reading, stop_server_reading;
	size_t most; /* bytes that lay in the proxy, at most */

	/* The filter. */
	enum http_body_mode request_mode, answer_mode;
	struct rig_hook hook[6]; /* request, body, trailers, answer, body, trailers */
	uint32_t only;           /* the exchange that `hook` is about; 0: all */
	bool upper;              /* bodies: letters made upper-case */
	int expand;              /* bodies: each byte so many times; 0: once */
	const char *add_name, *add_value;
	const char *path;
	int open, done; /* exchanges */
	struct http_exchange *waiting[RIG_STREAMS];
	size_t waiting_count;

	/* The server answers by itself with this head, body length and trailers... */
	const char *answer;
	uint64_t answer_len;
	const char *answer_trailers;
	/* ...when the request has come whole, or with its head already, or never. */
	enum {
		RIG_WHEN_WHOLE,
		RIG_AT_ONCE,
		RIG_NEVER
	} when;
};

/* The head of a request with a body. */
#define RIG_POST ":method: POST\n:scheme: https\n:authority: a.example\n:path: /up\n"

/* The one rig of the program, as new: to be set up before it begins... */
struct rig *rig_fresh(void);
/* ...or begun with nothing set... */
struct rig *rig_plain(void);
/* ...but that the server answers nothing by itself. */
struct rig *rig_silent(void);
/* Settings of both ends: NULL, 0 for none. */
void rig_begin(struct rig *r, const nghttp2_settings_entry *client, size_t client_count,
	       const nghttp2_settings_entry *server, size_t server_count,
	       const struct http_proxy_limits *limits);
void rig_end_all(struct rig *r);
/* Moves bytes until nobody has anything to say. */
void rig_run(struct rig *r);
void rig_resume(struct rig *r);
/* A request; `head` as "name: value\n...". Returns its stream. */
struct rig_stream *rig_request(struct rig *r, const char *head, uint64_t len, const char *trailers);
struct rig_stream *rig_get(struct rig *r, const char *path);
/* The server's: by the order of their coming. */
struct rig_stream *rig_served(struct rig *r, size_t i);
void rig_answer(struct rig *r, struct rig_stream *s, const char *head, uint64_t len,
		const char *trailers);
void rig_interim(struct rig *r, struct rig_stream *s, const char *head);
/* Reads what was held back. */
void rig_unpause(struct rig_end *e, struct rig_stream *s);
void rig_more(struct rig_end *e, struct rig_stream *s, uint64_t len, bool end);
/* Frames that were submitted are as good as sent. */
void rig_flush(struct rig_end *e);
/* Bytes behind what the end has said so far. */
void rig_raw(struct rig_end *e, const void *p, size_t n);
void rig_frame(struct rig_end *e, uint8_t type, uint8_t flags, int32_t stream, const void *p,
	       size_t n);

/* The test fails where the line is not, or is, in the head; or where the body has not come whole.
 */
void rig_check_has(const struct rig_stream *s, const char *line);
void rig_check_lacks(const struct rig_stream *s, const char *line);
void rig_check_whole(const struct rig_stream *s, uint64_t len);

#endif
