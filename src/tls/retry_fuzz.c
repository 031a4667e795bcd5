// SPDX-License-Identifier: Apache-2.0
/*
 * Both sides of a connection behind its first hello. The input's first two bytes say how much of it
 * is the server's and whether 0-RTT was offered. What the guest may send must not depend on the
 * pieces it comes in.
 */
#include <stdlib.h>

#include "tls/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static enum retry_result in_pieces(struct retry *r, struct view v, size_t piece, size_t *ret_pass)
{
	enum retry_result result = RETRY_WATCH;
	size_t passed = 0;

	for (size_t there = 0; result == RETRY_WATCH && there < v.len;) {
		size_t pass;
		there = there + piece < v.len ? there + piece : v.len;
		result = retry_guest(r, view_make(v.p + passed, there - passed), &pass);
		if (result == RETRY_BAD)
			break;
		must(pass <= there - passed);
		passed += pass;
	}
	*ret_pass = passed;
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_make(data, size), server;
	struct hello first = {.sni = HELLO_SNI_NAME};
	struct retry a, b;
	size_t pass_a, pass_b;
	uint8_t n, flags;

	if (!view_get_u8(&v, &n) || !view_get_u8(&v, &flags) || !view_take(&v, n, &server))
		return 0;
	must(name_read("a.example", 9, &first.name) == NAME_OK);
	first.early_data = flags & 1;
	retry_init(&a, &first);
	for (size_t len = 0; len <= server.len; len++) {
		enum retry_result r = retry_server(&a, view_make(server.p, len));
		must(r != RETRY_BAD && !(a.asked && a.over) && (r == RETRY_OVER) == a.over);
	}
	b = a;
	enum retry_result whole = in_pieces(&a, v, v.len, &pass_a);
	enum retry_result cut = in_pieces(&b, v, 1 + (flags >> 1), &pass_b);
	must(whole == cut);
	must(whole != RETRY_WATCH || pass_a == pass_b);
	return 0;
}
