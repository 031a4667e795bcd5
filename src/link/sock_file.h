// SPDX-License-Identifier: Apache-2.0
/*
 * The file of a listening socket: made with its mode, put in the place of one that nobody serves
 * any more, and removed at the end where it is still ours.
 */
#ifndef WEIR_LINK_SOCK_FILE_H
#define WEIR_LINK_SOCK_FILE_H

#include "link/sock.h"

/* Fills s->addr. -1 and err where the path is too long for one, or empty. */
int sock_file_address(struct sock *s, const char *path, struct error *err);
/* A socket of s->type bound to the path; mode 0 is 0600. The fd, or -1 and err. */
int sock_file_bind(struct sock *s, const char *path, unsigned mode, struct error *err);
void sock_file_remove(struct sock *s);

#endif
