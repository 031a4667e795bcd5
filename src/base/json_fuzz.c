// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as text and as a key: the line stays a line without control characters, another parser
 * reads it, and what that parser takes for UTF-8 comes back unchanged.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/json.h"

#define TEXT_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char buf[2 * TEXT_MAX * 6 + 64], key[TEXT_MAX + 1];
	struct json j = json_make(buf, sizeof(buf));
	json_t *line, *want;

	if (size > TEXT_MAX)
		return 0;
	memcpy(key, data, size);
	key[size] = 0;
	json_object_begin(&j, NULL);
	json_text_n(&j, "text", (const char *)data, size);
	json_array_begin(&j, "list");
	json_text(&j, NULL, key);
	json_array_end(&j);
	json_bool(&j, key, true);
	json_object_end(&j);
	check(!j.out.overflow);

	for (size_t i = 0; i < j.out.len; i++)
		check((uint8_t)buf[i] >= 0x20 && buf[i] != 0x7f);
	line = json_loadb(buf, j.out.len, JSON_ALLOW_NUL, NULL);
	check(line);
	want = json_stringn((const char *)data, size);
	if (want && strcmp(key, "text") != 0)
		check(json_equal(json_object_get(line, "text"), want));
	json_decref(want);
	json_decref(line);

	/* A buffer that is too small is noted, whatever lies at its end. */
	j = json_make(buf, size);
	json_text_n(&j, NULL, (const char *)data, size);
	check(j.out.overflow);
	return 0;
}
