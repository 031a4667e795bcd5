// SPDX-License-Identifier: Apache-2.0
/*
 * Streams that try to make two readers of HTTP/1 disagree: where a message ends, whom it is for,
 * what it asks. For tests: weir reads each in one way or refuses it, and what it writes to the
 * server holds no request for /smuggled.
 */
#ifndef WEIR_HTTP_PROXY_H1_ATTACKS_H
#define WEIR_HTTP_PROXY_H1_ATTACKS_H

#include <stddef.h>

struct proxy_h1_attack {
	const char *name;
	const char *bytes;
	int status;        /* of weir's refusal; 0: none, the stream is read in one way */
	unsigned requests; /* whole ones that the server may see */
	size_t len;        /* where the bytes hold a NUL; else 0 */
};

#define ATTACK_HOST     "Host: a.example\r\n"
#define ATTACK_POST     "POST / HTTP/1.1\r\n" ATTACK_HOST
#define ATTACK_GET      "GET / HTTP/1.1\r\n" ATTACK_HOST
#define ATTACK_SMUGGLED "GET /smuggled HTTP/1.1\r\n" ATTACK_HOST "\r\n"
/* A chunked body that ends in front of the smuggled request, and a length that covers it. */
#define ATTACK_END "\r\n0\r\n\r\n" ATTACK_SMUGGLED
#define ATTACK_TE  "Transfer-Encoding: chunked\r\n"

/* clang-format off */
static const struct proxy_h1_attack proxy_h1_attacks[] = {
	/* Where the message ends: Content-Length and Transfer-Encoding. */
	{"CL.TE", ATTACK_POST "Content-Length: 6\r\n" ATTACK_TE ATTACK_END, 400, 0, 0},
	{"TE.CL", ATTACK_POST ATTACK_TE "Content-Length: 4\r\n" ATTACK_END, 400, 0, 0},
	{"CL 0 and TE", ATTACK_POST "Content-Length: 0\r\n" ATTACK_TE ATTACK_END, 400, 0, 0},
	{"TE.TE", ATTACK_POST ATTACK_TE "Transfer-Encoding: x\r\n" ATTACK_END, 400, 0, 0},
	{"TE.TE the same", ATTACK_POST ATTACK_TE ATTACK_TE ATTACK_END, 400, 0, 0},
	{"TE.TE list", ATTACK_POST "Transfer-Encoding: x, chunked\r\n" ATTACK_END, 400, 0, 0},
	{"TE list behind", ATTACK_POST "Transfer-Encoding: chunked, x\r\n" ATTACK_END, 400, 0, 0},
	{"TE twice in a list", ATTACK_POST "Transfer-Encoding: chunked, chunked\r\n" ATTACK_END,
	 400, 0, 0},
	{"TE identity", ATTACK_POST "Transfer-Encoding: identity\r\nContent-Length: 5\r\n" ATTACK_END,
	 400, 0, 0},
	{"TE other case", ATTACK_POST "Transfer-Encoding: Chunked\r\n" ATTACK_END, 400, 0, 0},
	{"TE quoted", ATTACK_POST "Transfer-Encoding: \"chunked\"\r\n" ATTACK_END, 400, 0, 0},
	{"TE xchunked", ATTACK_POST "Transfer-Encoding: xchunked\r\n" ATTACK_END, 400, 0, 0},
	{"TE vertical tab", ATTACK_POST "Transfer-Encoding: \vchunked\r\n" ATTACK_END, 400, 0, 0},
	{"TE parameter", ATTACK_POST "Transfer-Encoding: chunked;q=1\r\n" ATTACK_END, 400, 0, 0},
	{"TE empty", ATTACK_POST "Transfer-Encoding:\r\n" ATTACK_END, 400, 0, 0},
	{"TE with an underscore", ATTACK_POST "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"
					       ATTACK_END, 400, 0, 0},
	{"TE space before the colon", ATTACK_POST "Transfer-Encoding : chunked\r\n" ATTACK_END,
	 400, 0, 0},
	{"TE tab before the colon", ATTACK_POST "Transfer-Encoding\t: chunked\r\n" ATTACK_END, 400,
	 0, 0},
	{"TE behind a space", ATTACK_POST " Transfer-Encoding: chunked\r\n" ATTACK_END, 400, 0, 0},
	{"TE folded", ATTACK_POST "Transfer-Encoding:\r\n chunked\r\n" ATTACK_END, 400, 0, 0},
	{"TE behind a bare LF", ATTACK_POST "X: y\nTransfer-Encoding: chunked\r\n" ATTACK_END, 400,
	 0, 0},
	{"TE behind a lone CR", ATTACK_POST "X: y\rTransfer-Encoding: chunked\r\n" ATTACK_END, 400,
	 0, 0},
	{"TE in HTTP/1.0", "POST / HTTP/1.0\r\n" ATTACK_HOST ATTACK_TE ATTACK_END, 400, 0, 0},
	{"CL twice, not the same", ATTACK_POST "Content-Length: 0\r\nContent-Length: 50\r\n\r\n"
						ATTACK_SMUGGLED, 400, 0, 0},
	{"CL twice, the same", ATTACK_POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"
					    ATTACK_SMUGGLED, 400, 0, 0},
	{"CL list", ATTACK_POST "Content-Length: 5, 5\r\n\r\nhello" ATTACK_SMUGGLED, 400, 0, 0},
	{"CL sign", ATTACK_POST "Content-Length: +5\r\n\r\nhello" ATTACK_SMUGGLED, 400, 0, 0},
	{"CL negative", ATTACK_POST "Content-Length: -1\r\n\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"CL hexadecimal", ATTACK_POST "Content-Length: 0x5\r\n\r\nhello" ATTACK_SMUGGLED, 400, 0,
	 0},
	{"CL octal", ATTACK_POST "Content-Length: 010\r\n\r\nhello678" ATTACK_SMUGGLED, 400, 0, 0},
	{"CL overflow", ATTACK_POST "Content-Length: 18446744073709551621\r\n\r\nhello"
				     ATTACK_SMUGGLED, 400, 0, 0},
	{"CL empty", ATTACK_POST "Content-Length:\r\n\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"CL in two words", ATTACK_POST "Content-Length: 5 0\r\n\r\nhello" ATTACK_SMUGGLED, 400, 0,
	 0},
	{"CL with an underscore", ATTACK_POST "Content_Length: 50\r\n\r\n" ATTACK_SMUGGLED, 400, 0,
	 0},
	{"CL named in Connection", ATTACK_POST "Connection: Content-Length\r\nContent-Length: "
					       "5\r\n\r\nhello" ATTACK_SMUGGLED, 400, 0, 0},
	{"TE named in Connection", ATTACK_POST "Connection: Transfer-Encoding\r\n" ATTACK_TE
					       ATTACK_END, 400, 0, 0},
	/* Chunks. */
	{"chunk extension", ATTACK_POST ATTACK_TE "\r\n5;x=y\r\nhello\r\n0\r\n\r\n" ATTACK_SMUGGLED,
	 400, 0, 0},
	{"chunk extension with a bare LF", ATTACK_POST ATTACK_TE "\r\n2;\nxx\r\n40\r\n0\r\n\r\n"
					   ATTACK_SMUGGLED, 400, 0, 0},
	{"last chunk with an extension", ATTACK_POST ATTACK_TE "\r\n0;x\r\n\r\n" ATTACK_SMUGGLED,
	 400, 0, 0},
	{"chunk size overflow", ATTACK_POST ATTACK_TE "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"
				ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk size in 32 bits", ATTACK_POST ATTACK_TE "\r\n100000005\r\nhello\r\n0\r\n\r\n"
				  ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk size 0x", ATTACK_POST ATTACK_TE "\r\n0x5\r\nhello\r\n0\r\n\r\n" ATTACK_SMUGGLED, 400,
	 0, 0},
	{"chunk size with a sign", ATTACK_POST ATTACK_TE "\r\n+5\r\nhello\r\n0\r\n\r\n"
				   ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk size with spaces", ATTACK_POST ATTACK_TE "\r\n5 \r\nhello\r\n0\r\n\r\n"
				   ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk size with a bare LF", ATTACK_POST ATTACK_TE "\r\n5\nhello\r\n0\r\n\r\n"
				      ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk size missing", ATTACK_POST ATTACK_TE "\r\n\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk longer than its size", ATTACK_POST ATTACK_TE "\r\n4\r\nhello\r\n0\r\n\r\n"
				       ATTACK_SMUGGLED, 400, 0, 0},
	{"chunk ended by LF", ATTACK_POST ATTACK_TE "\r\n5\r\nhello\n0\r\n\r\n" ATTACK_SMUGGLED,
	 400, 0, 0},
	{"chunk ended by CR", ATTACK_POST ATTACK_TE "\r\n5\r\nhello\r0\r\n\r\n" ATTACK_SMUGGLED,
	 400, 0, 0},
	{"trailer with a length", ATTACK_POST ATTACK_TE "\r\n0\r\nContent-Length: 60\r\n\r\n"
				  ATTACK_SMUGGLED, 400, 0, 0},
	{"trailer with a host", ATTACK_POST ATTACK_TE "\r\n0\r\nHost: b.example\r\n\r\n"
				ATTACK_SMUGGLED, 400, 0, 0},
	{"trailer with a bare LF", ATTACK_POST ATTACK_TE "\r\n0\r\nX: y\n\r\n" ATTACK_SMUGGLED, 400,
	 0, 0},
	/* Lines. */
	{"bare LF lines", "GET / HTTP/1.1\nHost: a.example\n\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"bare LF at the end of the head", ATTACK_GET "\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"LF CR", "GET / HTTP/1.1\n\rHost: a.example\n\r\n\r" ATTACK_SMUGGLED, 400, 0, 0},
	{"lone CR in a value", ATTACK_GET "X: y\rZ: " ATTACK_SMUGGLED, 400, 0, 0},
	{"CR CR LF", ATTACK_GET "X: y\r\r\n\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"lone CR in the request line", "GET /\rx HTTP/1.1\r\n" ATTACK_HOST "\r\n" ATTACK_SMUGGLED,
	 400, 0, 0},
	{"an empty line first", "\r\n" ATTACK_GET "\r\n", 400, 0, 0},
	{"an empty line between", ATTACK_GET "\r\n\r\n" ATTACK_SMUGGLED, 400, 1, 0},
	{"folded", ATTACK_GET "X: y\r\n GET /smuggled HTTP/1.1\r\n\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"folded first field", "GET / HTTP/1.1\r\n X: y\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"no colon", ATTACK_GET "GET /smuggled HTTP/1.1\r\n\r\n", 400, 0, 0},
	{"NUL in a value", ATTACK_GET "X: a\0b\r\n\r\n", 400, 0,
	 sizeof(ATTACK_GET "X: a\0b\r\n\r\n") - 1},
	{"NUL in a name", ATTACK_GET "X\0: a\r\n\r\n", 400, 0,
	 sizeof(ATTACK_GET "X\0: a\r\n\r\n") - 1},
	{"a byte over 127 in a name", ATTACK_GET "X\xa0: a\r\n\r\n", 400, 0, 0},
	{"no version", "GET /\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"HTTP/0.9", "GET / HTTP/0.9\r\n\r\n" ATTACK_SMUGGLED, 505, 0, 0},
	{"HTTP/1.2", "GET / HTTP/1.2\r\n" ATTACK_HOST "\r\n" ATTACK_SMUGGLED, 505, 0, 0},
	{"HTTP/1.10", "GET / HTTP/1.10\r\n" ATTACK_HOST "\r\n" ATTACK_SMUGGLED, 400, 0, 0},
	{"two spaces", "GET  / HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"a request line of four parts", "GET / x HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"a tab in the request line", "GET\t/ HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 0, 0},
	/* Whom it is for. */
	{"no host", "GET / HTTP/1.1\r\n\r\n", 400, 0, 0},
	{"two hosts", ATTACK_GET "Host: b.example\r\n\r\n", 400, 0, 0},
	{"two hosts, the same", ATTACK_GET ATTACK_HOST "\r\n", 400, 0, 0},
	{"absolute form of another host", "GET http://b.example/ HTTP/1.1\r\n" ATTACK_HOST "\r\n",
	 400, 0, 0},
	{"user information", "GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n", 400, 0, 0},
	{"number sign", "GET / HTTP/1.1\r\nHost: a.example#b.example\r\n\r\n", 400, 0, 0},
	{"backslash", "GET / HTTP/1.1\r\nHost: a\\.example\r\n\r\n", 400, 0, 0},
	{"a host with a path", "GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n", 400, 0, 0},
	{"a host list", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", 400, 0, 0},
	{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, 0, 0},
	{"a port of zero", "GET / HTTP/1.1\r\nHost: a.example:0\r\n\r\n", 400, 0, 0},
	{"a space between Host and its colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", 400, 0,
	 0},
	{"host named in Connection", ATTACK_GET "Connection: host\r\n\r\n", 400, 0, 0},
	/* What it asks. */
	{"a backslash in the path", "GET /\\..\\smuggled HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0,
	 0},
	{"a fragment", "GET /#/smuggled HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"another scheme", "GET file:///smuggled HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"no slash", "GET smuggled HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"a star", "GET * HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"head in lower case", "head / HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"connect in lower case", "connect a.example:443 HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0,
	 0},
	{"CONNECT with a body", "CONNECT a.example:443 HTTP/1.1\r\n" ATTACK_HOST
				"Content-Length: 5\r\n\r\nhello", 400, 0, 0},
	{"CONNECT without a port", "CONNECT a.example HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"CONNECT of a path", "CONNECT /smuggled HTTP/1.1\r\n" ATTACK_HOST "\r\n", 400, 0, 0},
	{"an unknown expectation", ATTACK_POST "Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\n"
					       "hello", 417, 0, 0},
	/* Read in one way. */
	{"a body that is a request", ATTACK_POST "Content-Length: 43\r\n\r\n" ATTACK_SMUGGLED, 0, 1,
	 0},
	{"a body with a chunk that is a request", ATTACK_POST ATTACK_TE "\r\n2b\r\n" ATTACK_SMUGGLED
						  "\r\n0\r\n\r\n", 0, 1, 0},
	{"a GET with a body", ATTACK_GET "Content-Length: 43\r\n\r\n" ATTACK_SMUGGLED, 0, 1, 0},
	{"a request behind the last one", ATTACK_GET "Connection: close\r\n\r\n" ATTACK_SMUGGLED, 0,
	 1, 0},
	{"an upgrade to h2c", ATTACK_GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
			      "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 0, 1, 0},
	{"behind an upgrade that was not made", ATTACK_GET "Connection: Upgrade\r\nUpgrade: x\r\n"
						"\r\n" ATTACK_GET "\r\n", 0, 2, 0},
};
/* clang-format on */

#define PROXY_H1_ATTACKS (sizeof(proxy_h1_attacks) / sizeof(proxy_h1_attacks[0]))

#endif
