// SPDX-License-Identifier: Apache-2.0
/*
 * From a head as a reader shows it to the head of an exchange: what is for the next hop only (RFC
 * 9110 7.6.1) stays behind, before any filter looks.
 *
 * That is the fields that Connection names, Keep-Alive of a request, Proxy-Connection,
 * HTTP2-Settings, TE but for "trailers", Upgrade where nothing may be switched to, and Expect of
 * HTTP/1.0, which is to be ignored (RFC 9110 10.1.1), but would not be in the HTTP/1.1 that such a
 * request may become. weir is as much of a hop as it is a wire: both sides' connections have one
 * life, so close and keep-alive go through. h2c is taken out of Upgrade: the server then answers in
 * HTTP/1, which can be judged.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_PROXY_H1_HOP_H
#define WEIR_HTTP_PROXY_H1_HOP_H

#include "http/exchange.h"

/* Names in Connection that make fields go, beside those that are always there. */
#define H1_HOP_NAMES_MAX 32

struct h1_hop {
	bool request;          /* else an answer */
	bool upgrade_possible; /* Upgrade may stay: HTTP/1.1, or an answer of 101 or 426 */
	bool expect_possible;  /* Expect may stay: HTTP/1.1 */
	/* What was found. */
	bool close, keep_alive; /* of Connection; not both */
	bool upgrade;           /* the Upgrade field stays */
	bool has_length;        /* there is a Content-Length field */
	const char *error;      /* where it fails */
};

/* `bytes` holds the fields' text. The head's text begins with a copy of it. */
bool h1_hop_copy(struct http_head *h, struct view bytes, const struct http_field *fields,
		 size_t count, struct h1_hop *hop);

#endif
