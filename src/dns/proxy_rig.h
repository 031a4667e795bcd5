// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: a sandbox with nothing but a stack and the interceptor, resolvers on loopback that the
 * test plays itself, and a guest that asks over UDP.
 */
#ifndef WEIR_DNS_PROXY_RIG_H
#define WEIR_DNS_PROXY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/config.h"
#include "dns/proxy.h"

#define TIMEOUT_MS 1200 /* of a query; its parts are 400 ms */
#define AT_ONCE_MS 300
#define FAKES      2
#define CONNS      32
#define GUEST_PORT 40000
#define FRAMES_MAX 400

/* ---- resolvers ---- */

enum behaviour {
	ANSWER,
	SILENT,
	WRONG_ID,       /* first a wrong one, then the right one */
	WRONG_QUESTION, /* likewise */
	WRONG_PORT,     /* likewise, from another port */
	WRONG_FLOOD,    /* wrong ones alone, many; over TCP the right one */
	LOSES_CASE,     /* gives names back in lower case */
	TRUNCATE,       /* TC and no records over UDP */
	BIG,            /* 20 records of 130 bytes of answer */
	LATE,           /* answers the first query when the second comes */
	HEADER_ONLY,    /* FORMERR without a question */
	CUT,            /* likewise, and over TCP half an answer, then the end */
};

struct fake;
/* Appends records to an answer whose header and question are there; counts them in counts[3]. */
typedef void records_fn(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			uint16_t counts[3]);

struct fake {
	struct loop_source udp, tcp;
	struct loop_source conn[CONNS];
	uint8_t in[CONNS][600];
	size_t got[CONNS];
	int conn_n;
	enum behaviour how;
	records_fn *records; /* NULL: an A record, 93.184.216.`mark` */
	enum dns_rcode rcode;
	uint32_t ttl; /* of what it makes itself */
	uint8_t mark;
	int queries, tcp_queries;
	uint16_t port;
	uint16_t last_id, last_sport;
	uint8_t last[600]; /* the last query, as it came */
	size_t last_len;
	uint8_t held[600]; /* for LATE */
	size_t held_len;
	struct sockaddr_storage held_from;
};

extern struct loop loop;
extern struct sandbox sb;
extern struct dns_proxy *dns;
extern struct fake fake[FAKES];
extern struct config conf;
extern const struct ipaddr gw4, guest4, gw6, guest6, lo4;

void fake_start(struct fake *f, enum behaviour how, uint8_t mark);
/* False where the port cannot be had. */
bool fake_start_at(struct fake *f, const struct ipaddr *at, uint16_t port);
void fake_stop(struct fake *f);
void fake_stop_tcp(struct fake *f);

/* Appends one record that belongs to the question's name, or to `owner` (NULL: the question's). */
void put_rr(struct wbuf *w, const char *owner, uint16_t type, uint32_t ttl, const void *data,
	    size_t len);
void put_cname(struct wbuf *w, const char *owner, const char *target);

/* ---- the sandbox ---- */

/* For every test: --net all, no resolver yet, no cache. */
int rig_setup(void **state);
int rig_teardown(void **state);
void upstream_add(uint16_t port);
/* The interceptor as `conf` says. path: of a resolv.conf, where there is no upstream. */
void proxy_up(const char *path);
/* Another policy: tokens, ending with NULL; the default denies. */
void policy_set(const char *const *tokens);

/* ---- running ---- */

/* Runs the loop until fn is true (NULL: never); true where that was within `ms`. */
bool run_until(bool (*fn)(void), unsigned ms);
bool run_frames(int n, unsigned ms);
extern int wanted;
uint64_t ms_since(uint64_t start_us);

/* ---- the guest over UDP ---- */

extern uint64_t ask_later_us; /* by how much the clock is ahead while the guest asks */

size_t make_query(uint8_t *out, uint16_t id, const char *name, uint16_t type, uint16_t edns);
void ask_raw_at(const struct ipaddr *at, const uint8_t *msg, size_t len, uint16_t sport);
void ask_raw(const uint8_t *msg, size_t len, uint16_t sport);
/* edns: the size that the guest takes; 0: it speaks no EDNS. */
void ask(uint16_t id, const char *name, uint16_t type, uint16_t edns);
void ask_at(const struct ipaddr *at, uint16_t id, const char *name, uint16_t type, uint16_t edns);

extern struct frame_got {
	uint8_t b[4096];
	size_t len;
} frames[FRAMES_MAX];
extern int frame_n;
/* The DNS message in frame i, which has to be a whole IPv4 datagram from port 53 of `at`. */
struct view answer_from(int i, const struct ipaddr *at);
struct view answer(int i); /* from the gateway */
struct dns_header header_of(struct view v);
unsigned rcode_of(struct view v);
uint8_t last_byte(struct view v);
/* The extended error of an answer, with its text where `text` is not NULL; -1: none. */
int ede_of(struct view v, char *text);

#define T(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

#endif
