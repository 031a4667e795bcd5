// SPDX-License-Identifier: Apache-2.0
/*
 * What the packet process and the key holder say to each other.
 *
 * Theory of operation
 * -------------------
 * A message is a frame: how many bytes follow the length (4), kind (1), number (4), body. Numbers
 * are big-endian, texts and bytes stand behind their length (4).
 *
 * - The pair that the holder is started with is SOCK_SEQPACKET, a frame a datagram of at most
 *   HOLDER_DATAGRAM_MAX. The first one says what the process is for: HOLDER_HELLO, a holder, or
 *   HOLDER_FETCH, a process that fetches one token and ends (fetch.h). A holder answers
 *   HOLDER_READY or HOLDER_FAIL; then only HOLDER_CHANNEL comes, each with a descriptor, and once
 *   at most HOLDER_SEAL, which HOLDER_READY answers.
 * - A channel is a SOCK_STREAM pair, since a set of secrets can be long. Questions have numbers of
 *   the asker's choice, which the answer repeats; answers may come in another order. Frames with
 *   number 0 answer nothing: a new set, a line for the log.
 *
 * Both sides read every body to its last byte, through views: a frame that is too long, too short
 * or of no kind that belongs there ends the connection. What is sound in form but asks too much (an
 * index that is none, a set that was forgotten) is answered with HOLDER_FAIL.
 *
 * Which secret is meant is said by the number of the set and the index in it, so that a question
 * about an old set is answered with that set's value as long as the asker has it. Then it says
 * HOLDER_FORGET.
 *
 * May use: base/, conf/.
 */
#ifndef WEIR_SECRET_HOLDER_PROTO_H
#define WEIR_SECRET_HOLDER_PROTO_H

#include "base/buf.h"
#include "base/view.h"
#include "conf/secrets.h"
#include "secret/holder.h"
#include "secret/secret.h"

#define HOLDER_FRAME_MAX    (16u << 20) /* 256 secrets with 128 long hosts each fit */
#define HOLDER_DATAGRAM_MAX 131072u     /* what every kernel's default lets a socket send */
#define HOLDER_HEADER       9           /* length, kind, number */
#define HOLDER_TEXT_MAX     16384       /* paths, commands, hosts, messages */
#define HOLDER_SPKI_MAX     1024        /* a public key */

enum holder_kind {
	HOLDER_NOTHING, /* a frame that was dealt with already; never sent */

	/* on the pair */
	HOLDER_HELLO,   /* -> struct holder_hello */
	HOLDER_FETCH,   /* -> struct fetch_job */
	HOLDER_READY,   /* <- the CA, PEM */
	HOLDER_CHANNEL, /* -> nothing, and a descriptor */

	/* on a channel, to the holder */
	HOLDER_SETUP,   /* struct holder_setup: read these; answer: HOLDER_SET */
	HOLDER_VALUE,   /* struct holder_which; answer: bytes */
	HOLDER_LEAF,    /* host, public key; answer: DER */
	HOLDER_SIGN,    /* struct holder_which, what to sign; answer: text */
	HOLDER_CAPTURE, /* struct holder_which, value; answer: placeholder */
	HOLDER_FORGET,  /* number of a set; no answer */

	/* from the holder */
	HOLDER_SET,    /* a set */
	HOLDER_ANSWER, /* bytes */
	HOLDER_FAIL,   /* a text for a person */
	HOLDER_LOG,    /* enum log_level (1), text */

	HOLDER_SEAL, /* on the pair: -> paths of configuration files, each a text */
};

struct holder_frame {
	uint8_t kind;
	uint32_t id;
	struct view body;
};

/* What holder_frame_read() found. */
enum holder_read {
	HOLDER_READ_MORE, /* not all of it is there; *ret_need bytes have to be */
	HOLDER_READ_FRAME,
	HOLDER_READ_BAD, /* no frame */
};
/* The frame at the front of `in`, HOLDER_HEADER + body.len long. */
enum holder_read holder_frame_read(struct view in, struct holder_frame *ret, size_t *ret_need);
void holder_frame_head(uint8_t out[HOLDER_HEADER], uint8_t kind, uint32_t id, size_t body);

/* ---- bodies: each reader is false where the body is not exactly what it has to be ---- */

/* A body in the making. */
struct holder_put {
	struct buf *to;
	bool failed; /* there was no memory: what is in `to` is no body. Looked at once, at the end
		      */
};
void holder_put_u8(struct holder_put *p, uint8_t v);
void holder_put_be16(struct holder_put *p, uint16_t v);
void holder_put_be32(struct holder_put *p, uint32_t v);
void holder_put_be64(struct holder_put *p, uint64_t v);
void holder_put_bytes(struct holder_put *p, struct view v);
void holder_put_text(struct holder_put *p, const char *s); /* NULL: as the empty text */
bool holder_get_be64(struct view *in, uint64_t *ret);
/* Bytes behind their length, at most `max`. */
bool holder_get_bytes(struct view *in, size_t max, struct view *ret);
/* A text without NUL, HOLDER_TEXT_MAX at most, as a string to be freed; false without memory, too.
 */
bool holder_get_text(struct view *in, char **ret);
/* The same; the empty text is NULL. */
bool holder_get_text_or_null(struct view *in, char **ret);

struct holder_hello {
	char *ca_cert, *ca_key; /* NULL: the default place */
	uint32_t valid_hours;   /* of leaves */
};
void holder_put_hello(struct holder_put *p, const struct holder_hello *h);
bool holder_read_hello(struct view body, struct holder_hello *ret);
void holder_hello_done(struct holder_hello *h);

struct holder_setup {
	struct config_secret *list;
	size_t count;
	struct strv upstream_ca;
};
/* Bodies of the configuration's secrets; on_violation is the one that counts for each. */
void holder_put_setup(struct holder_put *p, const struct config *c);
bool holder_read_setup(struct view body, struct holder_setup *ret);
void holder_setup_done(struct holder_setup *s);

struct holder_which {
	uint64_t generation;
	uint16_t index;
};
void holder_put_which(uint8_t out[10], const struct holder_which *w);
bool holder_get_which(struct view *in, struct holder_which *ret);

struct holder_leaf {
	char host[NAME_TEXT_MAX + 1];
	bool sound; /* nothing but a name or an address, by its characters */
	struct view spki;
};
bool holder_read_leaf(struct view body, struct holder_leaf *ret);

struct holder_to_sign {
	struct holder_which which;
	struct view text;
	struct view date, region, service; /* 64 bytes at most */
};
bool holder_read_sign(struct view body, struct holder_to_sign *ret);

/* A set: secrets and needles, with the key that the needles were made with. */
struct holder_needles {
	struct needle *list;
	size_t count;
};
void holder_put_set(struct holder_put *p, uint64_t generation, const struct needle_key *key,
		    const struct secret *const *list, size_t count,
		    const struct holder_needles *placeholders, const struct holder_needles *values);
/* Compiled, with one reference. NULL: no sound set, or no memory. */
struct secret_set *holder_read_set(struct view body);

/* secret.c */
/* Reads patterns of hosts. NULL and *ret_n 0: one of them is none, or no memory. */
struct secret_host *secret_hosts_new(const struct strv *text);
void secret_hosts_free(struct secret_host *list, size_t n);
void secret_done(struct secret *s); /* its parts */
void secret_set_free(struct secret_set *s);

#endif
