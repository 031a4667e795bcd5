// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the filter share.
 */
#ifndef WEIR_INTERCEPT_FILTER_PRIV_H
#define WEIR_INTERCEPT_FILTER_PRIV_H

#include "intercept/filter.h"
#include "intercept/filter_body.h"
#include "observe/events.h"

#define FILTER_VALUES    16          /* values in memory for one exchange; more: refused */
#define FILTER_WHOLE_MAX (16u << 20) /* of a request's body whose head waits for it */

struct filter_secrets;

/* An event of that connection; kind and ends are filled in. */
struct event filter_event(const struct filter_conn *c, enum event_kind kind);

/* Overwrites what of the text is the value of a secret. */
void filter_secrets_redact(const struct filter_conn *c, char *text);
/* After a refusal: the reason that events give. */
enum policy_reason filter_secrets_reason(const struct filter_secrets *s);

/* ---- filter_frames.c: a WebSocket under a rule for requests ---- */

struct filter_frames;
/* The answer opens it. NULL without memory. */
struct filter_frames *frames_new(struct http_exchange *x);
/* What is wrong with the bytes, NULL: nothing. */
const char *frames_look(struct filter_frames *f, enum http_side from, struct view in);
/* What became of them; f NULL: nobody looks. Returns `step`. */
enum http_step frames_step(struct filter_frames *f, enum http_side from, enum http_step step);
void frames_free(struct filter_frames *f);

/* ---- within filter_secrets*.c ---- */

struct filter_value { /* one that was asked for */
	struct filter_secrets *owner;
	size_t index; /* of the secret */
	struct secret_value *value;
	struct holder_ask *ask;
	bool used, failed;
};

/* What happens to the bytes of one direction. */
struct filter_way {
	struct filter_body body;
	bool there; /* `body` is in use */
	bool fixed; /* what is put in has to be as long as what it is put in for */
	enum scrub_place spelling;
	unsigned place; /* enum secret_place, or 0: it is put in nowhere */
	const char *place_text;
};

struct filter_text { /* a text that was asked for: a signature, a new placeholder */
	struct filter_secrets *owner;
	struct holder_ask *ask;
	char *text; /* owned */
	bool asked, failed;
};

struct filter_sign;    /* filter_sign.c */
struct filter_capture; /* filter_capture.c */

struct filter_secrets {
	const struct filter_conn *c;
	struct http_exchange *x;
	struct secret_set *set;
	struct name host;
	bool concerned; /* a value may come back from this host */
	bool carried;   /* a secret was put in */
	bool needed;    /* and has to be, in the body at last */
	bool websocket; /* the request asks for one */
	bool told;      /* that a value was on its way back */
	enum policy_reason reason;
	bool over;      /* the request's body has been read to its end */
	uint64_t whole; /* of the request's body, where its head waits for it */
	struct filter_value values[FILTER_VALUES];
	struct filter_way up, down;
	struct filter_sign *sign; /* NULL: nothing is signed */
	struct filter_text signature;
	struct filter_text token;
	struct filter_capture *capture; /* NULL: nothing is captured */
};

/* Whether this host may have the secret. */
bool secrets_may_have(const struct filter_secrets *s, const struct secret *secret);
/* The request had to carry a secret, and does not. */
enum http_step secrets_require(struct filter_secrets *s);
enum http_step secrets_violation(struct filter_secrets *s, size_t index, const char *place);
enum http_step secrets_fail(struct filter_secrets *s, int status, const char *why);
enum http_step secrets_nomem(struct filter_secrets *s);
/* What a step of a scrub means for the exchange. `whose`: 400 for a guest's body, 502 for an
 * upstream's. */
enum http_step secrets_step(struct filter_secrets *s, enum scrub_step step, int bad);
/* The value of a secret: SCRUB_GO and *ret, or SCRUB_WAIT, SCRUB_STOP (the exchange is refused). */
enum scrub_step secrets_value(struct filter_secrets *s, size_t index, struct view *ret);
/* For holder_ask_sign() and holder_ask_capture(); arg: a filter_text. */
void secrets_got_text(void *arg, struct view text, const char *err);
/* What became of it: SCRUB_GO (t->text), SCRUB_WAIT, SCRUB_STOP. */
enum scrub_step secrets_text(struct filter_secrets *s, struct filter_text *t);
void secrets_forget_text(struct filter_text *t);
void secrets_event(const struct filter_secrets *s, size_t index, const char *place,
		   const char *action);

/* filter_secrets_head.c */
enum http_step secrets_request_fields(struct filter_secrets *s, struct http_head *h);
enum http_step secrets_request_path(struct filter_secrets *s, struct http_head *h);
enum http_step secrets_mask_fields(struct filter_secrets *s, struct http_head *h);

/* filter_secrets_body.c: hits of bodies and of single texts. */
enum scrub_step secrets_hit_up(void *arg, const struct search_hit *h, struct view spelled,
			       struct buf *out);
enum scrub_step secrets_hit_down(void *arg, const struct search_hit *h, struct view spelled,
				 struct buf *out);
/* The way of a body is chosen. */
enum http_step secrets_choose_up(struct filter_secrets *s);
enum http_step secrets_choose_down(struct filter_secrets *s);
enum http_step secrets_choose_tunnel(struct filter_secrets *s);

/* ---- filter_sign.c: requests that carry a signer's placeholder ---- */

/* Looks for one; behind everything that changes the head. */
enum http_step sign_find(struct filter_secrets *s);
/* The signature is over the body: the head has to wait for it. */
bool sign_wants_body(const struct filter_secrets *s);
/* A piece of the body as it is sent. */
enum http_step sign_body(struct filter_secrets *s, struct view piece);
/* Everything is there: the signature is asked for and put in. */
enum http_step sign_finish(struct filter_secrets *s);
void sign_free(struct filter_secrets *s);

/* ---- filter_capture.c: tokens in answers ---- */

bool capture_wanted(const struct filter_secrets *s);
/* In front of the scrub of an answer's body, which has been begun. False without memory. */
bool capture_begin(struct filter_secrets *s, bool form);
void capture_free(struct filter_secrets *s);

#endif
