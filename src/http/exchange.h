// SPDX-License-Identifier: Apache-2.0
/*
 * One request and its answer on their way through weir, whatever the version of HTTP, and the hooks
 * that judge and change them.
 *
 * proxy.h reads both directions of a connection strictly and writes again what it understood. For
 * each exchange it calls the connection's filter, which may change heads and bodies, refuse, or
 * wait for something and go on later. The filter knows nothing of framing: the proxy decodes chunks
 * and DATA frames, and frames again what the filter made of them.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_EXCHANGE_H
#define WEIR_HTTP_EXCHANGE_H

#include "base/buf.h"
#include "http/authority.h"
#include "http/deny.h"
#include "http/fields.h"

#define HTTP_LENGTH_NONE   0          /* no body */
#define HTTP_LENGTH_STREAM UINT64_MAX /* chunked, DATA frames, or until the connection's end */

/* How a body goes through. Set by the filter in its head hook. */
enum http_body_mode {
	HTTP_BODY_PASS,   /* as it comes: the body hook is not called (the fast path) */
	HTTP_BODY_SAME,   /* the body hook sees it, and gives out as many bytes as went in */
	HTTP_BODY_STREAM, /* the body hook may change its length: framed anew without a length */
	HTTP_BODY_WHOLE,  /* the same, but the head waits until the body hook has given out all of
			     it (the filter bounds that), and then says its exact length */
};

/* The head of a request or of an answer. Views lie in fields.text, or outside and are then
 * constant for the exchange's life. */
struct http_head {
	struct http_fields fields; /* in order, names as they came; without pseudo-header fields */
	/* Of a request. */
	struct view method, scheme, path; /* path: origin-form with the query, "*" of OPTIONS, or
					     empty of CONNECT */
	bool path_changed;                /* as http_field.changed */
	struct view protocol;             /* :protocol of an extended CONNECT (RFC 8441) */
	struct http_authority authority;  /* Host or :authority */
	struct view authority_text;
	bool has_authority;
	bool absolute; /* HTTP/1: the target is a URL, as it is for a proxy */
	uint16_t port; /* absolute, CONNECT of HTTP/1: the target's; 0: another form */
	bool connect;  /* CONNECT; where `protocol` is empty: of a tunnel to authority */
	bool upgrade;  /* HTTP/1: asks for another protocol, or Connection: Upgrade */
	/* Of an answer. */
	int status; /* 100..999 */
	/* Of both. */
	uint64_t length; /* of the body as it comes: bytes, or HTTP_LENGTH_* */
	enum http_body_mode mode;
};

/* The first field of that name (compared without case), NULL for none; `from`: search behind it. */
struct http_field *http_head_find(const struct http_head *h, const char *name,
				  const struct http_field *from);
/* Replaces the value, adds at the end, removes. False at the cap (HTTP_TEXT_MAX, HTTP_FIELDS_MAX)
 * or without memory; nothing is then changed. Views into the head's text are dead afterwards but
 * for those in the head itself. */
bool http_head_set_value(struct http_head *h, size_t index, struct view value);
bool http_head_add(struct http_head *h, const char *name, struct view value);
void http_head_remove(struct http_head *h, size_t index);
bool http_head_set_path(struct http_head *h, struct view path);

/* What a hook says. */
enum http_step {
	HTTP_GO,
	HTTP_WAIT,   /* not now: http_proxy_resume() will follow, and the hook is called again with
			the same. Nothing later of this direction of the exchange is read
			meanwhile */
	HTTP_REFUSE, /* x->denial is filled in. The guest gets it where no answer has begun; else
			its stream ends with an error. The upstream sees its stream reset, or, with
			HTTP/1, its connection closed; it never sees a request's end that was not */
};

struct http_proxy;

struct http_exchange {
	struct http_proxy *proxy;
	void *ctx;   /* the filter's */
	uint32_t id; /* in this connection: HTTP/2's stream, 1, 3, 5... of HTTP/1 */
	bool h2;
	bool tunnel; /* the answer switched protocols (101, 2xx to CONNECT): bodies are the bytes
			of the tunnel, in both directions, and modes hold for them */
	struct http_head request, answer;
	struct http_denial denial; /* with HTTP_REFUSE; its strings live as long as the exchange */
};

struct http_filter;

/*
 * The hooks. Calls for one exchange come in the order of the message: head, body pieces, trailers;
 * `end` is set with the last piece (which may be empty), also where there is no body at all unless
 * the mode is HTTP_BODY_PASS. Body hooks append to `out` what goes on in place of `in`; with
 * HTTP_WAIT they leave `out` as it was. NULL: HTTP_GO.
 */
struct http_filter_ops {
	enum http_step (*request)(struct http_filter *f, struct http_exchange *x);
	enum http_step (*request_body)(struct http_filter *f, struct http_exchange *x,
				       struct view in, bool end, struct buf *out);
	enum http_step (*request_trailers)(struct http_filter *f, struct http_exchange *x,
					   struct http_head *trailers);
	/* The head of an answer: interim ones (1xx), too. 101 and 2xx to CONNECT: x->tunnel is set
	 * already, and both heads' modes can be chosen anew. */
	enum http_step (*answer)(struct http_filter *f, struct http_exchange *x);
	enum http_step (*answer_body)(struct http_filter *f, struct http_exchange *x,
				      struct view in, bool end, struct buf *out);
	enum http_step (*answer_trailers)(struct http_filter *f, struct http_exchange *x,
					  struct http_head *trailers);
	/* The proxy itself refuses, for the record: a request that cannot be read, or an answer
	 * (502). x->denial says what; the request may be empty, and have no hook's ctx. */
	void (*refused)(struct http_filter *f, struct http_exchange *x);
	/* The exchange is over, in whatever way: ctx is to be freed. Called once for each exchange
	 * whose request hook was called. */
	void (*done)(struct http_filter *f, struct http_exchange *x);
};

struct http_filter { /* one a connection; embedded in its owner's record */
	const struct http_filter_ops *ops;
};

#endif
