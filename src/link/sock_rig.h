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
#include <sys/un.h>

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
/* What a wake-up that is due now means; 0: there is none. */
uint32_t rig_events_now(struct link *l);
/* Sends frames with rising marks until the link refuses; how many it took. */
uint32_t rig_send_until_refused(struct link *l, uint32_t len, uint32_t mark);

struct sockaddr_un rig_address(const char *path);
/* Sockets of the type, connected to the path or bound to it; fail the test where that is
 * impossible. */
int rig_dial(const char *path, int type);
int rig_bind(const char *path, int type);
void rig_write(int fd, const void *p, size_t n);
void rig_read(int fd, void *p, size_t n); /* all of it, or the test fails after 2 s */
/* True where the other side has closed (waits for that up to 2 s). */
_Bool rig_closed(int fd);
/* A peer of a listening link goes while the owner waits to send, and its end is read before the
 * owner was told that it need not wait: it is told all the same. */
void rig_check_end_is_heard(struct link *l, const char *path, int type);

/* A link over one end of a pair of stream sockets; the test has the other one, from which frames
 * go and come behind their length in four bytes. */
struct link *rig_stream_pair(int *ret_fd, const struct link_options *o);
void rig_stream_sends(int fd, uint32_t len, uint32_t mark);
void rig_stream_gets(int fd, uint32_t len, uint32_t mark);

#endif
