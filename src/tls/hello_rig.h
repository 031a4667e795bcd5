// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: makes ClientHello messages, well-formed and otherwise, and cuts them into records.
 */
#ifndef WEIR_TLS_HELLO_RIG_H
#define WEIR_TLS_HELLO_RIG_H

#include "base/view.h"

#define RIG_MAX 40000

struct hello_rig {
	uint8_t mem[RIG_MAX];
	struct wbuf w;
	size_t extensions; /* where their length stands; 0: none yet */
};

/* Everything up to the extensions: TLS 1.3, a session id of 32 bytes, three cipher suites. */
void rig_begin(struct hello_rig *r);
void rig_extension(struct hello_rig *r, uint16_t type, const void *body, size_t len);
/* server_name with one host_name; n bytes, whatever they are. */
void rig_sni(struct hello_rig *r, const void *name, size_t n);
/* The lengths that were left open. The message is then in `mem`. */
struct view rig_end(struct hello_rig *r);
/* Begin, a server_name, the usual other extensions, `padding` bytes of it, end. */
struct view rig_hello(struct hello_rig *r, const char *name, size_t padding);

/* The message in records: the first of `first` bytes, the others of `each`. Returns the size. */
size_t rig_records(struct view message, size_t first, size_t each, uint8_t *to);

#endif
