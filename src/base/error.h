// SPDX-License-Identifier: Apache-2.0
/*
 * What configuration, start and control report: one message for a person.
 * The data path does not use it (it returns -errno or a typed drop reason).
 */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

#include <stdbool.h>

struct error {
	char msg[512]; /* one line, without a full stop or newline; "" while nothing is wrong */
};

/* Sets the message (printf form). Always returns -1, so that a caller can `return error_set(...)`.
 */
int error_set(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": strerror(errnum)" behind it. errnum is positive or negative. */
int error_set_errno(struct error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts "TEXT: " before the message that is there. Returns -1. */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
