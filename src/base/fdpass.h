// SPDX-License-Identifier: Apache-2.0
/* A datagram to another process of ours, and a file descriptor with it. */
#ifndef WEIR_BASE_FDPASS_H
#define WEIR_BASE_FDPASS_H

#include <stddef.h>

/* Sends n bytes over a unix socket, and a copy of fd where that is >= 0. 0, or -errno. */
int fdpass_send(int sock, const void *p, size_t n, int fd);

#endif
