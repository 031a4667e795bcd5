// SPDX-License-Identifier: Apache-2.0
/* What the tests of the library share. They know of weir only what weir.h says. */
#ifndef TEST_LIB_KIT_H
#define TEST_LIB_KIT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <weir.h>

#include "guest-net.h"

/* Fails the test with the library's own words. */
#define ok(call, err)                                  \
	do {                                           \
		if (!(call))                           \
			fail_msg("%s", (err).message); \
	} while (0)
/* An error of that code whose message has `part` in it. */
void assert_error(const struct weir_error *err, int code, const char *part);

struct weir_config *config(const char *text);
/* An IPv4 sandbox of that slot; with its options, where they are not NULL. */
struct weir_sandbox *sandbox(struct weir_gateway *g, const char *text, uint32_t slot);

/* A guest on a ring. */
void guest_on_ring(struct guest *g, struct weir_sandbox *s, struct weir_ring *ring);

/* A web server on the host's loopback that answers every request with one page. */
struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
};
void server_start(struct server *s);
void server_stop(struct server *s);

/* Open descriptors of this process. */
unsigned open_files(void);
/* From here on, what goes to standard output and standard error is kept. */
void output_watch(void);
/* Ends that; bytes that came. */
size_t output_seen(void);

#endif
