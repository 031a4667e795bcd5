// SPDX-License-Identifier: Apache-2.0
/*
 * Running this program again as `weir keyholder`: for the key holder, and by it for each process
 * that fetches a token.
 *
 * May use: base/.
 */
#ifndef WEIR_SECRET_HOLDER_SPAWN_H
#define WEIR_SECRET_HOLDER_SPAWN_H

#include <sys/types.h>

#include "base/error.h"

#define HOLDER_FD 3 /* where the new process has its end of the pair */

/*
 * Starts it in a session of its own, with the other end of `fd` as HOLDER_FD, all signals as at
 * first, and this process's environment. 0, or -1 and err.
 */
int holder_spawn(int fd, pid_t *ret, struct error *err);
/* The same attributes for another program: what `argv` says, `in` and `out` as its standard input
 * and output (-1: this process's). Returns an error number. */
int holder_spawn_program(const char *path, char *const *argv, int in, int out, int as_fd3,
			 pid_t *ret);

#endif
