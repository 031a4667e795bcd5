// SPDX-License-Identifier: Apache-2.0
/* What callers get to read where something is wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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

const char *weir_version(void)
{
	return WEIR_VERSION;
}

uint32_t weir_version_number(void)
{
	return WEIR_VERSION_NUMBER;
}

int weir_sandbox_ca_pem(struct weir_sandbox *sandbox, char **ret, struct weir_error *err)
{
	return lib_fail(err, ENOSYS, "not in this version: TLS is not intercepted");
}

int weir_host_cas_pem(char **ret, struct weir_error *err)
{
	return lib_fail(err, ENOSYS, "not in this version: TLS is not intercepted");
}
