// SPDX-License-Identifier: Apache-2.0
/*
 * Any text as an authority, and as the first bytes of a stream: what is read has one spelling that
 * reads as the same again, and a guess once made stays, however many bytes follow.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/authority.h"
#include "http/guess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_again(const struct http_authority *a)
{
	struct http_authority b;
	char addr[IPADDR_STRLEN], text[NAME_TEXT_MAX + 16];
	int n;

	must((a->name.len > 0) != (a->addr.family > 0));
	if (a->name.len)
		n = snprintf(text, sizeof(text), "%s", a->name.s);
	else if (a->addr.family == 4)
		n = snprintf(text, sizeof(text), "%s", ipaddr_str(&a->addr, addr));
	else
		n = snprintf(text, sizeof(text), "[%s]", ipaddr_str(&a->addr, addr));
	if (a->port)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ":%u", a->port);
	must(http_authority_read(view_make(text, (size_t)n), &b));
	must(http_authority_eq(a, &b, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_authority a;
	enum http_guess g = HTTP_GUESS_MORE;

	if (http_authority_read(view_make(data, size), &a))
		check_again(&a);
	for (size_t n = 0; n <= size && n <= 256; n++) {
		enum http_guess now = http_guess(view_make(data, n));
		must(g == HTTP_GUESS_MORE || now == g);
		g = now;
	}
	return 0;
}
