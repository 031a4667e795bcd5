// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a target of `weir check`: it is either refused with one line, or it is whole: a name
 * in canonical form or an address, and a port where its kind has one. Bytes up to the first newline
 * are the first word, the rest the second.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_whole(const struct check_target *t, int words)
{
	struct name again;
	bool has_port = t->kind != CHECK_ICMP && t->kind != CHECK_DNS;

	check((t->name.len > 0) != (t->addr.family != 0));
	check(has_port == (t->port != 0));
	bool url = t->kind == CHECK_HTTPS || t->kind == CHECK_HTTP;

	check(words == 2 || (words == 1 && url));
	check(url == (t->method[0] != 0));
	check(t->path_at + t->path_len <= strlen(t->text));
	check(t->kind != CHECK_DNS || t->name.len);
	if (t->name.len) {
		check(name_read(t->name.s, t->name.len, &again) == NAME_OK);
		check(name_eq(&again, &t->name));
	}
	for (const char *p = t->text; *p; p++)
		check((unsigned char)*p >= 0x20 && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *second;
	struct check_target t;
	struct error err = {0};
	int words = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	second = strchr(text, '\n');
	if (second)
		*second++ = 0;
	if (check_target_read(text, second, &t, &words, &err) == 0)
		check_whole(&t, words);
	else
		check(err.msg[0] && !strchr(err.msg, '\n'));
	free(text);
	return 0;
}
