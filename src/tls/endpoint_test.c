// SPDX-License-Identifier: Apache-2.0
/* Both ends of TLS against each other: any chunks, both versions, closing, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/secrets.h"
#include "tls/endpoint_priv.h"
#include "tls/endpoint_rig.h"

static struct rig_source source = {.hours = 24};
static struct config_tls conf = {.verify_upstream = true, .cache_capacity = 4};
static struct tls_leaves *leaves;
static struct tls_roots *roots;
static unsigned woken;

static int setup(void **state)
{
	struct error err = {0};
	struct tls_leaf_source src = rig_leaf_source(&source);

	rig_home();
	source.ca = tls_ca_open(NULL, NULL, &err);
	if (!source.ca)
		fail_msg("%s", err.msg);
	rig_file("roots", tls_ca_pem(source.ca));
	leaves = tls_leaves_new(&src, &conf, tls_ca_pem(source.ca), &err);
	roots = tls_roots_new(&conf, &err);
	return leaves && roots ? 0 : -1;
}

static int teardown(void **state)
{
	tls_leaves_free(leaves);
	tls_roots_free(roots);
	tls_ca_free(source.ca);
	rig_home_done();
	return 0;
}

/* ---- a connection ---- */

struct conn {
	struct rig_wire w;
	struct tls_end *c, *s;
};

static const char alpn_h1[] = "\x08http/1.1";
static const char alpn_both[] = "\x02h2\x08http/1.1";
static const char *hostname = "api.example.com"; /* what is asked for */
static const char *leaf_host = "api.example.com";

static void wake(void *ctx)
{
	woken++;
}

static void conn_open(struct conn *x, size_t chunk, const char *offered, const char *chosen)
{
	struct name n = {0};
	struct tls_client c = {.name = &n,
			       .port = 443,
			       .alpn = view_make(offered, strlen(offered))};
	struct tls_server s = {.host = leaf_host,
			       .alpn = view_make(chosen, strlen(chosen)),
			       .wake = wake};

	if (!ipaddr_parse(hostname, &c.addr))
		assert_int_equal(name_read(hostname, strlen(hostname), &n), NAME_OK);
	rig_wire_init(&x->w, chunk);
	struct tls_transport tc = rig_transport(&x->w.client), ts = rig_transport(&x->w.server);
	x->c = tls_client_new(roots, &c, &tc);
	x->s = tls_server_new(leaves, &s, &ts);
	assert_non_null(x->c);
	assert_non_null(x->s);
}

static void conn_close(struct conn *x)
{
	tls_end_free(x->c);
	tls_end_free(x->s);
	rig_wire_done(&x->w);
}

/* Both handshakes, as far as they go. */
static void shake(struct conn *x, int *ret_c, int *ret_s)
{
	*ret_c = *ret_s = -EAGAIN;
	for (int i = 0; i < 100000 && (*ret_c == -EAGAIN || *ret_s == -EAGAIN); i++) {
		size_t before = x->w.up.total + x->w.down.total;
		if (*ret_c == -EAGAIN)
			*ret_c = tls_end_handshake(x->c);
		if (*ret_s == -EAGAIN)
			*ret_s = tls_end_handshake(x->s);
		if (*ret_s == -EAGAIN && tls_end_wants(x->s) == TLS_WANTS_LEAF)
			rig_answer(&source);
		else if (before == x->w.up.total + x->w.down.total &&
			 x->w.up.bytes.len + x->w.down.bytes.len == 0 && i > 2)
			break;
	}
}

static void shaken(struct conn *x)
{
	int c, s;

	shake(x, &c, &s);
	if (c || s)
		fail_msg("client %d %s, server %d %s", c, tls_end_error(x->c), s,
			 tls_end_error(x->s));
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(seed >> 16);
	}
}

/* `n` bytes from one end to the other, whole and in order. */
static void carry(struct tls_end *from, struct tls_end *to, size_t n)
{
	uint8_t *sent = malloc(n), *came = calloc(1, n);
	size_t put = 0, got = 0;

	fill(sent, n, (unsigned)n);
	for (int idle = 0; got < n && idle < 100;) {
		ssize_t r = put < n ? tls_end_write(from, sent + put, n - put) : -EAGAIN;
		assert_true(r > 0 || r == -EAGAIN);
		put += r > 0 ? (size_t)r : 0;
		ssize_t k = tls_end_read(to, came + got, n - got);
		assert_true(k > 0 || k == -EAGAIN);
		got += k > 0 ? (size_t)k : 0;
		idle = r > 0 || k > 0 ? 0 : idle + 1;
	}
	assert_int_equal(got, n);
	assert_memory_equal(sent, came, n);
	free(sent);
	free(came);
}

static void both_ways(size_t chunk, size_t bytes)
{
	struct conn x;

	conn_open(&x, chunk, alpn_both, "h2");
	shaken(&x);
	assert_true(tls_end_verified(x.c));
	struct view a = tls_end_alpn(x.c), b = tls_end_alpn(x.s);
	assert_int_equal(a.len, 2);
	assert_memory_equal(a.p, "h2", 2);
	assert_int_equal(b.len, 2);
	carry(x.c, x.s, bytes);
	carry(x.s, x.c, bytes);
	conn_close(&x);
}

static void any_chunks(void **state)
{
	both_ways(1, 40000);
	both_ways(7, 40000);
	both_ways(SIZE_MAX, 1000000);
	for (int i = 0; i < 20; i++)
		both_ways(0, 200000);
}

/* A wire that holds less than a record stops the writer, and it goes on where it was. */
static void a_full_wire_stops_the_writer(void **state)
{
	struct conn x;

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	x.w.up.cap = x.w.down.cap = 5000;
	uint8_t *p = calloc(1, 100000);
	assert_int_equal(tls_end_write(x.c, p, 100000), -EAGAIN);
	assert_int_equal(tls_end_wants(x.c), TLS_WANTS_WRITE);
	/* Not before the record that is under way is out. */
	assert_int_equal(tls_end_shut(x.c), -EAGAIN);
	size_t put = 0, got = 0;
	while (got < 100000) {
		ssize_t r = tls_end_write(x.c, p + put, 100000 - put);
		put += r > 0 ? (size_t)r : 0;
		ssize_t k = tls_end_read(x.s, p, 100000);
		assert_true(k > 0 || k == -EAGAIN);
		got += k > 0 ? (size_t)k : 0;
	}
	assert_int_equal(put, 100000);
	carry(x.s, x.c, 100000);
	free(p);
	conn_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_chunks),
		cmocka_unit_test(a_full_wire_stops_the_writer),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
