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
#include <sys/stat.h>
#include <unistd.h>

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
		/* The same bytes, from elsewhere. */
		uint8_t *moved = malloc(100000 - put);
		memcpy(moved, p + put, 100000 - put);
		ssize_t r = tls_end_write(x.c, moved, 100000 - put);
		assert_true(r > 0 || r == -EAGAIN);
		free(moved);
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

/* ---- closing ---- */

static void each_direction_closes_by_itself(void **state)
{
	for (int server = 0; server < 2; server++) {
		struct conn x;
		char buf[16];

		conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
		shaken(&x);
		struct tls_end *a = server ? x.s : x.c, *b = server ? x.c : x.s;
		assert_int_equal(tls_end_write(a, "last", 4), 4);
		assert_int_equal(tls_end_shut(a), 0);
		assert_int_equal(tls_end_shut(a), 0);
		assert_int_equal(tls_end_write(a, "more", 4), -EPIPE);
		assert_int_equal(tls_end_read(b, buf, sizeof(buf)), 4);
		assert_int_equal(tls_end_read(b, buf, sizeof(buf)), 0);
		assert_int_equal(tls_end_read(b, buf, sizeof(buf)), 0);
		/* The other direction goes on. */
		carry(b, a, 100000);
		assert_int_equal(tls_end_read(a, buf, sizeof(buf)), -EAGAIN);
		assert_int_equal(tls_end_shut(b), 0);
		assert_int_equal(tls_end_read(a, buf, sizeof(buf)), 0);
		conn_close(&x);
	}
}

static void a_cut_stream_is_no_close(void **state)
{
	struct conn x;
	char buf[16];

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	tls_end_write(x.c, "half", 4);
	x.w.up.ended = true;
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), 4);
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -ECONNRESET);
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -ECONNRESET);
	/* What it says itself still arrives, and is closed in order. */
	carry(x.s, x.c, 50000);
	assert_int_equal(tls_end_shut(x.s), 0);
	assert_int_equal(tls_end_read(x.c, buf, sizeof(buf)), 0);
	conn_close(&x);
}

static void a_record_cut_in_two_is_no_close(void **state)
{
	struct conn x;
	char buf[200];

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	char text[100] = "";
	tls_end_write(x.c, text, sizeof(text));
	x.w.up.bytes.len -= 1;
	x.w.up.ended = true;
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -ECONNRESET);
	conn_close(&x);
}

static void close_notify_waits_for_room(void **state)
{
	struct conn x;
	char buf[16];

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	x.w.up.cap = x.w.up.bytes.len + 5;
	assert_int_equal(tls_end_shut(x.c), -EAGAIN);
	assert_int_equal(tls_end_wants(x.c), TLS_WANTS_WRITE);
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(tls_end_shut(x.c), -EAGAIN);
	x.w.up.cap = SIZE_MAX / 2;
	assert_int_equal(tls_end_shut(x.c), 0);
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), 0);
	conn_close(&x);
}

static void the_transports_errors_are_passed_on(void **state)
{
	struct conn x;
	char buf[16];
	int c, s;

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	x.w.up.fault = -ETIMEDOUT;
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -ETIMEDOUT);
	assert_int_equal(tls_end_write(x.c, "a", 1), -ETIMEDOUT);
	conn_close(&x);

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	x.w.down.fault = -EHOSTUNREACH;
	shake(&x, &c, &s);
	assert_int_equal(c, -EPROTO);
	assert_non_null(strstr(tls_end_error(x.c), "No route"));
	conn_close(&x);
	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	x.w.down.ended = true;
	tls_end_handshake(x.c);
	assert_int_equal(tls_end_handshake(x.c), -EPROTO);
	assert_non_null(strstr(tls_end_error(x.c), "closed during the handshake"));
	assert_int_equal(tls_end_alert(x.c), SSL_AD_HANDSHAKE_FAILURE);
	conn_close(&x);
}

/* ---- giving up ---- */

/* The guest sees the alert that stands for what the upstream's certificate lacks. */
static void a_refusal_is_an_alert(void **state)
{
	static const int alerts[] = {42, 45, 46, 48, 80};

	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		for (int waits = 0; waits < 2; waits++) {
			struct conn x;

			hostname = leaf_host = waits ? "waits.example.com" : "api.example.com";
			conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
			assert_int_equal(tls_end_handshake(x.c), -EAGAIN);
			if (waits) {
				assert_int_equal(tls_end_handshake(x.s), -EAGAIN);
				assert_int_equal(tls_end_wants(x.s), TLS_WANTS_LEAF);
			}
			tls_end_fail(x.s, alerts[i]);
			assert_int_equal(tls_end_handshake(x.s), -EPROTO);
			assert_int_equal(tls_end_handshake(x.c), -EPROTO);
			assert_int_equal(tls_end_alert(x.c), alerts[i]);
			conn_close(&x);
		}
	}
	hostname = leaf_host = "api.example.com";
}

/* Behind its first flight a server can no longer say anything in the clear. */
static void a_late_refusal_says_nothing(void **state)
{
	struct conn x;
	char buf[4];

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	tls_end_handshake(x.c);
	tls_end_handshake(x.s);
	size_t before = x.w.down.total;
	assert_true(before > 0);
	tls_end_fail(x.s, 42);
	assert_int_equal(x.w.down.total, before);
	conn_close(&x);

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	before = x.w.down.total;
	tls_end_fail(x.s, 42);
	assert_int_equal(x.w.down.total, before);
	assert_int_equal(tls_end_write(x.s, "a", 1), -EPROTO);
	assert_int_equal(tls_end_read(x.s, buf, 1), -EPROTO);
	assert_int_equal(tls_end_shut(x.s), -EPROTO);
	conn_close(&x);
}

static void nothing_works_before_the_handshake(void **state)
{
	struct conn x;
	char buf[4];

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	assert_int_equal(tls_end_read(x.c, buf, 4), -ENOTCONN);
	assert_int_equal(tls_end_write(x.c, buf, 4), -ENOTCONN);
	assert_int_equal(tls_end_shut(x.c), -ENOTCONN);
	assert_false(tls_end_verified(x.c));
	assert_int_equal(tls_end_alpn(x.c).len, 0);
	conn_close(&x);
}

static void what_is_no_tls_fails(void **state)
{
	static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff",
					    "\x15\x03\x03"};
	struct conn x;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
		buf_append(&x.w.up.bytes, texts[i], strlen(texts[i]));
		buf_append(&x.w.down.bytes, texts[i], strlen(texts[i]));
		x.w.up.ended = x.w.down.ended = true;
		for (int k = 0; k < 3; k++) {
			tls_end_handshake(x.c);
			tls_end_handshake(x.s);
		}
		assert_int_equal(tls_end_handshake(x.c), -EPROTO);
		assert_int_equal(tls_end_handshake(x.s), -EPROTO);
		assert_true(tls_end_alert(x.c) > 0);
		assert_true(strlen(tls_end_error(x.s)) > 0);
		conn_close(&x);
	}
	/* Broken behind the handshake. */
	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	char buf[100] = "";
	tls_end_write(x.c, buf, sizeof(buf));
	x.w.up.bytes.mem[x.w.up.bytes.start + 20] ^= 1;
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(tls_end_alert(x.s), SSL_AD_BAD_RECORD_MAC);
	assert_int_equal(tls_end_read(x.c, buf, sizeof(buf)), -EPROTO);
	assert_int_equal(tls_end_alert(x.c), SSL_AD_BAD_RECORD_MAC);
	assert_int_equal(tls_end_read(x.s, buf, sizeof(buf)), -EPROTO);
	conn_close(&x);
}

/* ---- protocols and versions ---- */

static void the_given_protocol_is_chosen(void **state)
{
	struct conn x;
	int c, s;

	conn_open(&x, SIZE_MAX, alpn_both, "http/1.1");
	shaken(&x);
	assert_int_equal(tls_end_alpn(x.c).len, 8);
	conn_close(&x);
	conn_open(&x, SIZE_MAX, alpn_both, "");
	shaken(&x);
	assert_int_equal(tls_end_alpn(x.c).len, 0);
	assert_int_equal(tls_end_alpn(x.s).len, 0);
	conn_close(&x);
	conn_open(&x, SIZE_MAX, "", "");
	shaken(&x);
	conn_close(&x);
	/* What was not offered cannot be. */
	conn_open(&x, SIZE_MAX, alpn_h1, "h2");
	shake(&x, &c, &s);
	assert_int_equal(s, -EPROTO);
	assert_int_equal(c, -EPROTO);
	assert_int_equal(tls_end_alert(x.c), SSL_AD_NO_APPLICATION_PROTOCOL);
	conn_close(&x);
}

/* A guest of our own making against the server's side. */
static void guest_open(struct conn *x, SSL_CTX *ctx, const char *host)
{
	struct tls_server s = {.host = host, .wake = wake};

	rig_wire_init(&x->w, SIZE_MAX);
	struct tls_transport tc = rig_transport(&x->w.client), ts = rig_transport(&x->w.server);
	x->c = end_new(ctx, &tc);
	x->s = tls_server_new(leaves, &s, &ts);
	assert_non_null(x->c);
	SSL_set_connect_state(x->c->ssl);
	SSL_set_tlsext_host_name(x->c->ssl, host);
}

static void versions_are_12_and_13(void **state)
{
	static const struct {
		int version;
		bool ok;
	} cases[] = {{TLS1_1_VERSION, false}, {TLS1_2_VERSION, true}, {TLS1_3_VERSION, true}};
	struct conn x;
	int c, s;

	for (size_t i = 0; i < 3; i++) {
		SSL_CTX *ctx = end_ctx_new(TLS_client_method());
		SSL_CTX_set_min_proto_version(ctx, cases[i].version);
		SSL_CTX_set_max_proto_version(ctx, cases[i].version);
		SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
		guest_open(&x, ctx, "api.example.com");
		shake(&x, &c, &s);
		assert_int_equal(s, cases[i].ok ? 0 : -EPROTO);
		assert_int_equal(c, cases[i].ok ? 0 : -EPROTO);
		if (cases[i].ok) {
			assert_int_equal(SSL_version(x.c->ssl), cases[i].version);
			x.c->shaken = true;
			carry(x.c, x.s, 100000);
			carry(x.s, x.c, 100000);
		} else {
			assert_int_equal(tls_end_alert(x.c), SSL_AD_PROTOCOL_VERSION);
		}
		conn_close(&x);
		SSL_CTX_free(ctx);
	}
}

static void a_guest_cannot_renegotiate(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct conn x;
	char buf[8];

	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	guest_open(&x, ctx, "api.example.com");
	shaken(&x);
	assert_true(SSL_renegotiate(x.c->ssl));
	SSL_do_handshake(x.c->ssl);
	assert_int_equal(tls_end_read(x.s, buf, 8), -EAGAIN);
	assert_true(SSL_do_handshake(x.c->ssl) < 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	conn_close(&x);
	SSL_CTX_free(ctx);
}

/* A guest that guesses the wrong group is asked again. */
static void a_hello_retry_works(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct conn x;

	SSL_CTX_set1_groups_list(ctx, "P-521:P-256");
	guest_open(&x, ctx, "api.example.com");
	SSL_set1_groups_list(x.s->ssl, "P-256");
	shaken(&x);
	conn_close(&x);
	SSL_CTX_free(ctx);
}

/* The chain that the guest gets is the leaf and the authority. */
static void the_chain_has_the_authority(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct conn x;

	guest_open(&x, ctx, "api.example.com");
	shaken(&x);
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(x.c->ssl);
	assert_int_equal(sk_X509_num(chain), 2);
	BIO *b = BIO_new_mem_buf(tls_ca_pem(source.ca), -1);
	X509 *ca = PEM_read_bio_X509(b, NULL, NULL, NULL);
	assert_int_equal(X509_cmp(sk_X509_value(chain, 1), ca), 0);
	assert_int_equal(X509_check_host(sk_X509_value(chain, 0), "api.example.com", 0, 0, NULL),
			 1);
	X509_free(ca);
	BIO_free(b);
	conn_close(&x);
	SSL_CTX_free(ctx);
}

static SSL_SESSION *guest_session;

static int keep_session(SSL *ssl, SSL_SESSION *s)
{
	SSL_SESSION_free(guest_session);
	guest_session = s;
	return 1;
}

/* A ticket is good for the name that it was made for, and no other. */
static void tickets_are_bound_to_their_host(void **state)
{
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		struct conn x;
		char buf[8];

		SSL_CTX_set_max_proto_version(ctx, v);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
		guest_open(&x, ctx, "api.example.com");
		shaken(&x);
		assert_false(tls_end_resumed(x.s));
		x.c->shaken = true;
		assert_int_equal(tls_end_read(x.c, buf, 8), -EAGAIN);
		conn_close(&x);
		assert_non_null(guest_session);
		assert_int_equal(SSL_SESSION_get_max_early_data(guest_session), 0);

		SSL_SESSION *first = guest_session;
		SSL_SESSION_up_ref(first);
		guest_open(&x, ctx, "api.example.com");
		SSL_set_session(x.c->ssl, first);
		shaken(&x);
		assert_true(tls_end_resumed(x.s));
		conn_close(&x);
		guest_open(&x, ctx, "other.example.com");
		SSL_set_session(x.c->ssl, first);
		/* The name in the hello is no protection: a guest may lie. */
		SSL_set_tlsext_host_name(x.c->ssl, "api.example.com");
		shaken(&x);
		assert_false(tls_end_resumed(x.s));
		conn_close(&x);
		SSL_SESSION_free(first);
		SSL_SESSION_free(guest_session);
		guest_session = NULL;
		SSL_CTX_free(ctx);
	}
}

static void bulk_needs_few_calls(void **state)
{
	struct conn x;
	enum {
		BULK = 64 * 1024
	};
	static uint8_t bulk[BULK];

	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	x.w.client.writes = x.w.server.reads = 0;
	assert_int_equal(tls_end_write(x.c, bulk, BULK), BULK);
	assert_int_equal(x.w.client.writes, 4);
	assert_int_equal(tls_end_read(x.s, bulk, BULK), BULK);
	assert_true(x.w.server.reads <= 3);
	conn_close(&x);
}

static void keys_are_logged_when_asked_for(void **state)
{
	const char *path = rig_file("keys", "");
	char line[512];
	unsigned client = 0, server = 0;
	struct error err;
	struct stat st;
	struct conn x;

	unlink(path);
	assert_int_equal(tls_keylog_open("/nonexistent/keys", &err), -1);
	assert_non_null(strstr(err.msg, "/nonexistent/keys"));
	assert_int_equal(tls_keylog_open(path, &err), 0);
	conn_open(&x, SIZE_MAX, alpn_h1, "http/1.1");
	shaken(&x);
	conn_close(&x);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	FILE *f = fopen(path, "r");
	while (fgets(line, sizeof(line), f)) {
		client += strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
		server += strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0;
	}
	fclose(f);
	/* Both ends log both. */
	assert_int_equal(client, 2);
	assert_int_equal(server, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_chunks),
		cmocka_unit_test(a_full_wire_stops_the_writer),
		cmocka_unit_test(each_direction_closes_by_itself),
		cmocka_unit_test(a_cut_stream_is_no_close),
		cmocka_unit_test(a_record_cut_in_two_is_no_close),
		cmocka_unit_test(close_notify_waits_for_room),
		cmocka_unit_test(the_transports_errors_are_passed_on),
		cmocka_unit_test(a_refusal_is_an_alert),
		cmocka_unit_test(a_late_refusal_says_nothing),
		cmocka_unit_test(nothing_works_before_the_handshake),
		cmocka_unit_test(what_is_no_tls_fails),
		cmocka_unit_test(the_given_protocol_is_chosen),
		cmocka_unit_test(versions_are_12_and_13),
		cmocka_unit_test(a_guest_cannot_renegotiate),
		cmocka_unit_test(a_hello_retry_works),
		cmocka_unit_test(the_chain_has_the_authority),
		cmocka_unit_test(tickets_are_bound_to_their_host),
		cmocka_unit_test(bulk_needs_few_calls),
		cmocka_unit_test(keys_are_logged_when_asked_for),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
