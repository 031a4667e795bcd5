// SPDX-License-Identifier: Apache-2.0
/*
 * TLS sessions with upstreams, for resumption: kept under a key that says whose they are. Internal
 * to tls/.
 *
 * Bounds: SESSIONS_MAX in all (a session holds the upstream's certificates, some 10 KiB), then the
 * one that was stored longest ago goes; SESSIONS_SAME under one key.
 */
#ifndef WEIR_TLS_SESSIONS_H
#define WEIR_TLS_SESSIONS_H

#include "base/list.h"
#include "base/view.h"
#include "tls/libssl.h"

#define SESSIONS_MAX  256
#define SESSIONS_SAME 4 /* connections at a time that each want one of their own */

struct sessions {         /* embedded */
	struct list list; /* the one stored last is first */
	size_t count;
};

void sessions_init(struct sessions *s);
void sessions_done(struct sessions *s);
/* The latest under this key; the caller's. NULL: none. One of TLS 1.3 is then no longer kept: it is
 * to be used once (RFC 8446 C.4). */
SSL_SESSION *sessions_take(struct sessions *s, struct view key);
/* Takes the session over. False without memory: it is then still the caller's. */
bool sessions_put(struct sessions *s, struct view key, SSL_SESSION *session);

#endif
