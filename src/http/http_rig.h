// SPDX-License-Identifier: Apache-2.0
/*
 * For tests and fuzzers of this room: runs a stream of bytes through a reader in pieces, holds the
 * reader to its contract, and writes down what it said. Two runs of the same bytes in unlike pieces
 * must write down the same. Not part of the program.
 */
#ifndef WEIR_HTTP_HTTP_RIG_H
#define WEIR_HTTP_HTTP_RIG_H

#include "http/h1.h"
#include "http/h1_watch.h"
#include "http/h2.h"

#define RIG_LOG_MAX 8192 /* longer logs are cut */

struct rig_log {
	char text[RIG_LOG_MAX];
	size_t len;
	size_t passed; /* bytes from the start that may go on */
	char last;     /* kind of the newest entry: body bytes are added up */
	size_t body;   /* their sum so far */
};

/* How the stream is cut: the first piece, then the others. 0: all the rest. */
struct rig_cut {
	size_t first, each;
};

/* What the server says to CONNECT and Upgrade, as soon as it is waited for. */
enum rig_answer {
	RIG_SILENT,
	RIG_STAY,
	RIG_SWITCH
};

/* Events as words: "GET / a.example +5 . GET ..."; +N body bytes, "." the end, "t" a trailer,
 * "wait", "tunnel", "!400 text". */
void rig_h1(struct view in, struct rig_cut cut, enum rig_answer answer, struct rig_log *ret);
/* "200 ." and so on; the requests are told first. */
void rig_watch(const char *const *methods, struct view in, struct rig_cut cut, struct rig_log *ret);
/* "#1 GET / a.example" a request, "p" what passed, "!text". */
void rig_h2(struct h2 *h, struct view in, struct rig_cut cut, struct rig_log *ret);

#endif
