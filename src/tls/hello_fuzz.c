// SPDX-License-Identifier: Apache-2.0
/*
 * ClientHello from a hostile guest. What is read whole has to be read the same in other records,
 * and in no other way from any beginning of it.
 */
#include <stdlib.h>

#include "tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct hello *h)
{
	must(h->name.len == strlen(h->name.s));
	must((h->name.len > 0) == (h->sni == HELLO_SNI_NAME));
	must(h->alpn_len <= HELLO_ALPN_MAX);
	for (size_t at = 0; at < h->alpn_len; at += 1u + h->alpn[at])
		must(h->alpn[at] && at + 1u + h->alpn[at] <= h->alpn_len);
}

static void must_be_same(const struct hello *a, const struct hello *b)
{
	must(a->sni == b->sni && name_eq(&a->name, &b->name));
	must(a->ech == b->ech && a->early_data == b->early_data && a->alpn_cut == b->alpn_cut);
	must(a->alpn_len == b->alpn_len && memcmp(a->alpn, b->alpn, a->alpn_len) == 0);
	must(memcmp(a->random, b->random, HELLO_RANDOM_LEN) == 0);
}

/* The same message in one record, made of the records of `stream`. */
static size_t join(struct view stream, uint8_t *to)
{
	size_t at = 5;
	uint16_t len;

	while (view_skip(&stream, 3) && view_get_be16(&stream, &len)) {
		must(view_get_bytes(&stream, to + at, len));
		at += len;
	}
	to[0] = 22;
	to[1] = to[2] = 3;
	put_be16(to + 3, (uint16_t)(at - 5));
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t joined[HELLO_MAX + 5];
	struct hello h = {0}, again = {0};
	struct view v = view_make(data, size);

	if (hello_read_handshake(v, &h) == HELLO_DONE) {
		check(&h);
		must(h.size == size);
	}
	enum hello_result r = hello_read_records(v, &h);
	must(r <= HELLO_BAD);
	if (r != HELLO_DONE)
		return 0;
	check(&h);
	must(h.size <= size && h.size <= HELLO_MAX);
	must(hello_read_records(view_make(data, h.size - 1u), &again) == HELLO_MORE);
	must(hello_read_records(view_make(data, h.size), &again) == HELLO_DONE);
	must_be_same(&h, &again);
	size_t n = join(view_make(data, h.size), joined);
	must(hello_read_records(view_make(joined, n), &again) == HELLO_DONE);
	must(hello_read_handshake(view_make(joined + 5, n - 5), &again) == HELLO_DONE);
	must_be_same(&h, &again);
	return 0;
}
