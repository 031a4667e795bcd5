// SPDX-License-Identifier: Apache-2.0
/*
 * Telling HTTP from everything else by the first bytes of a stream.
 *
 * Goals: nothing that a lenient server would answer as HTTP/1 may pass for another protocol; and a
 * protocol that is not HTTP is told apart as early as that allows, for its bytes wait meanwhile.
 * So HTTP/1 here is wider than what h1.h accepts: any token as method, white space of every kind
 * that some server splits a request line at, any case of "HTTP/". What is no good HTTP is refused
 * by h1_read() afterwards, with an answer that says why.
 *
 * In short: a stream is HTTP/1 where its first line has "HTTP/" behind white space, where a method
 * that everybody knows is followed by a path (HTTP/0.9 has no version), and where it begins with an
 * empty line. It is something else at the first byte that rules all of these out, or at the end of
 * the line. A line without an end counts as HTTP/1 at HTTP_GUESS_MAX.
 *
 * HTTP_GUESS_MORE is no permission: who stops waiting has to refuse the stream, or a request could
 * be sent in two parts with a pause between them.
 */
#ifndef WEIR_HTTP_GUESS_H
#define WEIR_HTTP_GUESS_H

#include "base/view.h"

#define HTTP_GUESS_MAX 8192

/* RFC 9113 3.4. */
#define HTTP_H2_PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP_H2_PREFACE_LEN 24

enum http_guess {
	HTTP_GUESS_MORE, /* too early to say */
	HTTP_GUESS_NO,
	HTTP_GUESS_H1, /* to be read by h1_read(), which may refuse it */
	HTTP_GUESS_H2, /* the whole preface */
};
enum http_guess http_guess(struct view first);

#endif
