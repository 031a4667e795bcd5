// SPDX-License-Identifier: Apache-2.0
/*
 * For test/http/differential: guests' streams through the HTTP/1 proxy, to a server that answers
 * each request with 200. Not part of the program.
 *
 * In, again and again: "SEED LENGTH\n" and so many bytes. Out, for each: "REQUESTS WHOLE CLEAN
 * LENGTH\n" and so many bytes that went to the server; WHOLE is 1 where they end between two
 * requests, CLEAN where the guest's do and none was refused. Behind them a line for each request
 * as weir wrote it: "METHOD TARGET BODY", the last two in hexadecimal, and an empty one. With the
 * argument "attacks": the streams of proxy_h1_attacks.h, in the form of the input.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/proxy_h1_attacks.h"
#include "http/proxy_h1_rig.h"

#define STREAM_MAX 1000000

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void put_hex(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		printf("%02x", v.p[i]);
}

/* One line a request; *ret_whole: the last one is whole, too. False: refused. */
static bool list_requests(struct view in, bool print, unsigned *ret_count, bool *ret_whole)
{
	struct h1 *h = h1_new();
	unsigned n = 0;
	enum h1_event e;

	must(h);
	h1_split(h);
	*ret_whole = true;
	do {
		uint64_t chunk;
		size_t used;
		e = h1_read(h, in, &used);
		view_skip(&in, used);
		if (e != H1_MORE || used)
			*ret_whole = e == H1_END || e == H1_WAIT;
		const struct h1_head *head = h1_head(h);
		if (e == H1_HEAD && print) {
			printf("%.*s ", (int)head->method.len, head->method.p);
			put_hex(head->target);
			printf(" ");
		} else if (e == H1_BODY && print) {
			put_hex(h1_data(h, &chunk));
		} else if (e == H1_END) {
			n++;
			if (print)
				printf("\n");
		} else if (e == H1_WAIT) {
			h1_stay(h);
		}
	} while (e != H1_MORE && e != H1_ERROR);
	if (print && !*ret_whole)
		printf("\n");
	h1_free(h);
	*ret_count = n;
	return e != H1_ERROR;
}

static void pipe_one(unsigned seed, struct view guest)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct proxy_rig r = {.guest = guest, .seed = seed, .answers = RIG_ANSWERS_MAX};

	for (unsigned i = 0; i < RIG_ANSWERS_MAX; i++)
		r.answer[i] = view_make(ok, sizeof(ok) - 1);
	r.guest_end = true;
	proxy_rig_run(&r, "http");
	struct view out = buf_view(&r.out[HTTP_UPSTREAM]);
	unsigned count;
	bool whole;
	bool clean = list_requests(guest, false, &count, &whole) && whole;
	must(list_requests(out, false, &count, &whole));
	printf("%u %d %d %zu\n", count, whole, clean, out.len);
	fwrite(out.p, 1, out.len, stdout);
	list_requests(out, true, &count, &whole);
	printf("\n");
	fflush(stdout);
	proxy_rig_done(&r);
}

static void list_attacks(void)
{
	for (size_t i = 0; i < PROXY_H1_ATTACKS; i++) {
		const struct proxy_h1_attack *a = &proxy_h1_attacks[i];
		size_t len = a->len ? a->len : strlen(a->bytes);
		printf("%zu %zu\n", i, len);
		fwrite(a->bytes, 1, len, stdout);
	}
}

int main(int argc, char **argv)
{
	static uint8_t bytes[STREAM_MAX];
	unsigned seed;
	size_t len;

	if (argc > 1) {
		list_attacks();
		return 0;
	}
	/* One character behind the numbers: white space in the format would eat the stream's. */
	while (scanf("%u %zu", &seed, &len) == 2 && getchar() == '\n' && len <= STREAM_MAX &&
	       fread(bytes, 1, len, stdin) == len)
		pipe_one(seed, view_make(bytes, len));
	return 0;
}
