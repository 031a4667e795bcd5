// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of links over sockets: frames with a pattern, a directory for socket files, and waiting
 * the way a loop does. Not part of the program.
 */
#ifndef WEIR_LINK_SOCK_RIG_H
#define WEIR_LINK_SOCK_RIG_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "link/link.h"

#define RIG_FRAME_MAX 65550

/* A frame of our own making in static memory of its own; its bytes follow from its mark. */
struct frame rig_frame(uint32_t len, uint32_t mark);
void rig_check_frame(const uint8_t *data, uint32_t len, uint32_t want_len, uint32_t mark);

/* A path in a directory that is made for the test program and removed at its end. */
const char *rig_path(const char *name);
int rig_path_done(void **state);

/* Waits up to 2 s for the link to wake up: what that means, as EPOLL* bits; 0: it did not. */
uint32_t rig_wait(struct link *l);
/* Nothing wakes the owner (who has done what it was woken for before). */
void rig_check_quiet(struct link *l);
/* Frames received, waiting for the first one; 0 after 2 s. */
int rig_recv(struct link *l, struct frame *ret, int max);
/* Lets the link do what woke it, until it is quiet. Frames are thrown away. */
void rig_settle(struct link *l);

/* A connected socket of the type; fails the test where that is impossible. */
int rig_dial(const char *path, int type);
void rig_write(int fd, const void *p, size_t n);
void rig_read(int fd, void *p, size_t n); /* all of it, or the test fails after 2 s */
/* True where the other side has closed (waits for that up to 2 s). */
_Bool rig_closed(int fd);

#endif
