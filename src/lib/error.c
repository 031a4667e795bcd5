// SPDX-License-Identifier: Apache-2.0
/* What callers get to read where something is wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/lib.h"

int lib_fail(struct weir_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return -1;
}

int lib_pass(struct weir_error *err, int code, const struct error *why)
{
	return lib_fail(err, code, "%s", why->msg);
}

int lib_options(void *ret, size_t size, const void *options, struct weir_error *err)
{
	const uint8_t *bytes = options;
	size_t given;

	if (!options)
		return 0;
	memcpy(&given, options, sizeof(given));
	/* All fields are of the first version: fewer is a size that was not set. */
	if (given < size)
		return lib_fail(err, EINVAL,
				"options: size is %zu, expected sizeof() of the struct", given);
	for (size_t i = size; i < given; i++)
		if (bytes[i])
			return lib_fail(err, EINVAL,
					"options: they ask for something of a later version than "
					"%s",
					WEIR_VERSION);
	memcpy(ret, options, size);
	return 0;
}

const char *weir_version(void)
{
	return WEIR_VERSION;
}

uint32_t weir_version_number(void)
{
	return WEIR_VERSION_NUMBER;
}
