// SPDX-License-Identifier: Apache-2.0
/*
 * Fetching one token over HTTPS, in a process of its own.
 *
 * The key holder parses nothing that comes from the network: for each token it starts this program
 * anew, hands over what the one request has to say, and gets the token or a reason. The process has
 * no new privileges, knows no other secret, and ends after the answer. The server's certificate is
 * verified by the host's roots and tls.upstream_ca. One request, no redirects, no proxy; HTTP/1.1,
 * an answer of at most FETCH_ANSWER_MAX.
 *
 * May use: base/, conf/, tls/ (endpoint), jansson.
 */
#ifndef WEIR_SECRET_FETCH_H
#define WEIR_SECRET_FETCH_H

#include "base/error.h"
#include "secret/holder_proto.h"

#define FETCH_ATTEMPTS   2
#define FETCH_SECONDS    25 /* in all; shorter than the holder's patience with it */
#define FETCH_ANSWER_MAX 262144

struct fetch_attempt {    /* a POST; a later one where the one before was refused with 400 or 401 */
	struct view head; /* fields, each with its CRLF */
	struct view body;
};
struct fetch_job {
	char *url;
	struct strv upstream_ca;
	struct fetch_attempt attempts[FETCH_ATTEMPTS];
	size_t count;
};
void fetch_put_job(struct holder_put *p, const struct fetch_job *j);
/* Views into the body. */
bool fetch_read_job(struct view body, struct fetch_job *ret);
void fetch_job_done(struct fetch_job *j);

struct fetch_token {
	struct view token, refresh; /* refresh: empty where none came */
	uint64_t lives_s;           /* 0: not said */
};
void fetch_put_token(struct holder_put *p, const struct fetch_token *t);
bool fetch_read_token(struct view body, struct fetch_token *ret);

/* ---- fetch_answer.c: what a server says ---- */

struct fetch_answer {
	unsigned status;
	struct view body; /* chunks put together, in place */
};
/* `end`: nothing comes any more. 1: whole, 0: more has to come, -1: no answer. Changes `bytes`. */
int fetch_read_answer(uint8_t *bytes, size_t n, bool end, struct fetch_answer *ret);
/*
 * The token of a JSON body (RFC 6749 5.1, or GitHub's). `mem` holds the strings that `ret` points
 * to. 0, or -1 and err.
 */
int fetch_read_json(struct view body, struct buf *mem, struct fetch_token *ret, struct error *err);
/* "error" of a refusal (RFC 6749 5.2), in `ret`; empty where there is none that can be printed. */
void fetch_read_refusal(struct view body, char ret[64]);

/* The process: does the job, and answers on fd. Returns the exit status. */
int fetch_main(int fd, struct view job);

#endif
