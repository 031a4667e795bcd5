// SPDX-License-Identifier: Apache-2.0
/*
 * AWS Signature Version 4: reading what a request says of its signature, and the text that is to be
 * signed anew, from the request as it will be sent. Sans-IO; hashing and signing are the caller's.
 *
 * Both forms are read: the Authorization field, and the query of a presigned URL. What is refused
 * (SIGV4_UNFIT): signatures of each chunk of a body (STREAMING-...), which would have to be made
 * anew within the body; version 4A; a signature that does not say its parts once and whole.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_SIGV4_H
#define WEIR_HTTP_SIGV4_H

#include "http/exchange.h"

#define SIGV4_HEADERS_MAX 64 /* names that are signed */
#define SIGV4_HASH_TEXT   64 /* SHA-256 in hexadecimal */

enum sigv4_result {
	SIGV4_NONE, /* the request is not signed in this way */
	SIGV4_OK,
	SIGV4_UNFIT,
};

struct sigv4 {
	bool in_query;
	size_t field;                      /* index of Authorization */
	struct view id;                    /* of the credential; in the query: percent-coded */
	struct view date, region, service; /* the scope: "20261121", ... */
	struct view scope;                 /* "20261121/us-east-1/s3/aws4_request" */
	struct view time;                  /* "20261121T101112Z" */
	struct view headers;               /* "host;x-amz-date" */
	struct view signature;
	struct view payload; /* the hash as the request says it; len 0: of the body */
	/* In the query these were undone here. */
	uint8_t room[2048];
	size_t room_len;
};

/* Views lie in the head, or in ret->room. */
enum sigv4_result sigv4_read(const struct http_head *h, struct sigv4 *ret);
/* The canonical request. payload: the hash in hexadecimal, or what the request says in its place.
 * False: a signed field is not there, or no memory. */
bool sigv4_canonical(const struct http_head *h, const struct sigv4 *s, struct view payload,
		     struct buf *ret);
/* The string to sign: of the hash of that, in hexadecimal. */
bool sigv4_string(const struct sigv4 *s, struct view hash, struct buf *ret);
/* Puts another id and signature into the head. */
bool sigv4_set(struct http_head *h, const struct sigv4 *s, struct view id, struct view signature);

#endif
