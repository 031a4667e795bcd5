// SPDX-License-Identifier: Apache-2.0
/* Upstreams of all kinds: which are taken, which alert stands for those that are not, whose
 * sessions are resumed, and who is shown a certificate. */
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

#define DAY 86400L

static struct rig_cert host_root, extra_root, intermediate, stranger;
static char *host_pem, *extra_pem, *intermediate_pem;

static int setup(void **state)
{
	struct error err;

	rig_home();
	if (libssl_need(&err) < 0)
		return -1;
	host_root = rig_cert(NULL, "host root", NULL, -DAY, DAY, true);
	extra_root = rig_cert(NULL, "extra root", NULL, -DAY, DAY, true);
	stranger = rig_cert(NULL, "stranger", NULL, -DAY, DAY, true);
	intermediate = rig_cert(&extra_root, "intermediate", NULL, -DAY, DAY, true);
	host_pem = rig_cert_pem(&host_root);
	extra_pem = rig_cert_pem(&extra_root);
	intermediate_pem = rig_cert_pem(&intermediate);
	rig_file("roots", host_pem);
	return 0;
}

static int teardown(void **state)
{
	rig_cert_done(&host_root);
	rig_cert_done(&extra_root);
	rig_cert_done(&stranger);
	rig_cert_done(&intermediate);
	free(host_pem);
	free(extra_pem);
	free(intermediate_pem);
	rig_home_done();
	return 0;
}

/* ---- an upstream ---- */

struct upstream {
	struct rig_wire w;
	struct tls_end *c, *s;
	SSL_CTX *ctx;
};

static SSL_CTX *upstream_ctx(const struct rig_cert *leaf, int max_version)
{
	SSL_CTX *ctx = end_ctx_new(TLS_server_method());

	SSL_CTX_set_max_proto_version(ctx, max_version);
	SSL_CTX_use_certificate(ctx, leaf->x);
	SSL_CTX_use_PrivateKey(ctx, leaf->key);
	return ctx;
}

struct ask {
	const char *host; /* a name or an address */
	uint16_t port;
	const char *alpn;
};

/* ctx is taken over. */
static void upstream_open(struct upstream *u, struct tls_roots *r, SSL_CTX *ctx,
			  const struct ask *a)
{
	struct name n = {0};
	const char *alpn = a->alpn ? a->alpn : "";
	struct tls_client c = {.name = &n,
			       .port = a->port ? a->port : 443,
			       .alpn = view_make(alpn, strlen(alpn))};

	if (!ipaddr_parse(a->host, &c.addr))
		assert_int_equal(name_read(a->host, strlen(a->host), &n), NAME_OK);
	rig_wire_init(&u->w, SIZE_MAX);
	struct tls_transport tc = rig_transport(&u->w.client), ts = rig_transport(&u->w.server);
	u->ctx = ctx;
	u->c = tls_client_new(r, &c, &tc);
	u->s = end_new(ctx, &ts);
	assert_non_null(u->c);
	SSL_set_accept_state(u->s->ssl);
}

static void upstream_close(struct upstream *u)
{
	tls_end_free(u->c);
	tls_end_free(u->s);
	rig_wire_done(&u->w);
	SSL_CTX_free(u->ctx);
}

static int shake(struct upstream *u)
{
	char buf[8];
	int c = -EAGAIN, s = -EAGAIN;

	for (int i = 0; i < 20 && (c == -EAGAIN || s == -EAGAIN); i++) {
		if (c == -EAGAIN)
			c = tls_end_handshake(u->c);
		if (s == -EAGAIN)
			s = tls_end_handshake(u->s);
	}
	/* Tickets come behind the handshake. */
	if (c == 0)
		tls_end_read(u->c, buf, sizeof(buf));
	return c;
}

static struct tls_roots *roots_of(const struct config_tls *c)
{
	struct error err;
	struct tls_roots *r = tls_roots_new(c, &err);

	if (!r)
		fail_msg("%s", err.msg);
	return r;
}

enum {
	TAKEN = 0,
	EXCUSED = -1
}; /* else an alert */

/* What becomes of a connection to `host`, whose server shows `leaf`. */
static int outcome(struct tls_roots *r, const char *host, const struct rig_cert *leaf)
{
	struct upstream u;

	upstream_open(&u, r, upstream_ctx(leaf, 0), &(struct ask){.host = host});
	int rc = shake(&u);
	int ret = rc == 0 ? tls_end_verified(u.c) ? TAKEN : EXCUSED : tls_end_alert(u.c);
	if (rc < 0) {
		/* The server is told, too, before anything else could be sent. */
		assert_int_equal(rc, -EPROTO);
		assert_non_null(strstr(tls_end_error(u.c), "does not verify"));
		assert_int_equal(tls_end_write(u.c, "secret", 6), -EPROTO);
		assert_true(u.s->alert_in > 0);
	}
	upstream_close(&u);
	return ret;
}

/* The same with a certificate of this issuer, name and time. */
static int outcome_of(struct tls_roots *r, const char *host, const struct rig_cert *issuer,
		      const char *alt, long from, long to)
{
	struct rig_cert leaf = rig_cert(issuer, "api.example.com", alt, from, to, false);
	int ret = outcome(r, host, &leaf);

	rig_cert_done(&leaf);
	return ret;
}

/* ---- verification ---- */

static void certificates_are_verified(void **state)
{
	static const struct {
		const char *host, *alt;
		long from, to;
		int expected;
	} cases[] = {
		{"api.example.com", "DNS:api.example.com", -DAY, DAY, TAKEN},
		{"api.example.com", "DNS:a.com,DNS:*.example.com", -DAY, DAY, TAKEN},
		{"192.0.2.7", "IP:192.0.2.7", -DAY, DAY, TAKEN},
		{"2001:db8::7", "IP:2001:db8::7", -DAY, DAY, TAKEN},
		/* a name of another, above, below, or only in the subject */
		{"api.example.com", "DNS:api.example.org", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"api.example.com", "DNS:example.com", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"a.api.example.com", "DNS:*.example.com", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"api.example.com", "DNS:a*.example.com", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"api.example.com", "email:a@example.com", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"api.example.com", NULL, -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"192.0.2.8", "IP:192.0.2.7", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"192.0.2.7", "DNS:192.0.2.7", -DAY, DAY, SSL_AD_BAD_CERTIFICATE},
		{"api.example.com", "DNS:api.example.com", -DAY, -60, SSL_AD_CERTIFICATE_EXPIRED},
		{"api.example.com", "DNS:api.example.com", 3600, DAY, SSL_AD_CERTIFICATE_EXPIRED},
	};
	const struct config_tls conf = {.verify_upstream = true};
	struct tls_roots *r = roots_of(&conf);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = outcome_of(r, cases[i].host, &host_root, cases[i].alt, cases[i].from,
				     cases[i].to);
		if (got != cases[i].expected)
			fail_msg("%s with %s: %d, expected %d", cases[i].host, cases[i].alt, got,
				 cases[i].expected);
	}
	tls_roots_free(r);
}

static void strangers_are_unknown(void **state)
{
	const struct config_tls conf = {.verify_upstream = true};
	struct tls_roots *r = roots_of(&conf);

	assert_int_equal(outcome_of(r, "a.com", &stranger, "DNS:a.com", -DAY, DAY),
			 SSL_AD_UNKNOWN_CA);
	assert_int_equal(outcome_of(r, "a.com", NULL, "DNS:a.com", -DAY, DAY), SSL_AD_UNKNOWN_CA);
	/* One that only calls itself as the host's root does. */
	struct rig_cert liar = rig_cert(NULL, "host root", NULL, -DAY, DAY, true);
	int got = outcome_of(r, "a.com", &liar, "DNS:a.com", -DAY, DAY);
	assert_true(got > 0);
	rig_cert_done(&liar);
	tls_roots_free(r);
}

static void what_is_excused_is_known(void **state)
{
	struct config_scoped_verify scoped[] = {
		{"strict.lab.example", true},
		{"*.lab.example", false},
	};
	const struct config_tls conf = {.verify_upstream = true,
					.scoped_verify = scoped,
					.scoped_verify_count = 2};
	struct tls_roots *r = roots_of(&conf);

	assert_int_equal(outcome_of(r, "a.lab.example", &stranger, "DNS:b", -DAY, -60), EXCUSED);
	assert_int_equal(outcome_of(r, "strict.lab.example", &stranger, "DNS:strict.lab.example",
				    -DAY, DAY),
			 SSL_AD_UNKNOWN_CA);
	assert_int_equal(outcome_of(r, "lab.example", &stranger, "DNS:lab.example", -DAY, DAY),
			 SSL_AD_UNKNOWN_CA);
	/* Its certificate verifies all the same. */
	assert_int_equal(outcome_of(r, "a.lab.example", &host_root, "DNS:a.lab.example", -DAY, DAY),
			 TAKEN);
	tls_roots_free(r);

	const struct config_tls none = {.verify_upstream = false,
					.scoped_verify = scoped,
					.scoped_verify_count = 1};
	r = roots_of(&none);
	assert_int_equal(outcome_of(r, "x.example", &stranger, "DNS:y", -DAY, DAY), EXCUSED);
	assert_int_equal(outcome_of(r, "strict.lab.example", &stranger, "DNS:strict.lab.example",
				    -DAY, DAY),
			 SSL_AD_UNKNOWN_CA);
	tls_roots_free(r);
}

/* Files that the configuration names, for all hosts or for some. */
static void other_authorities_are_trusted_where_said(void **state)
{
	struct rig_cert alone = rig_cert(NULL, "alone", "DNS:alone.example", -DAY, DAY, false);
	char *alone_pem = rig_cert_pem(&alone);
	char *paths[] = {strdup(rig_file("extra.pem", extra_pem)),
			 strdup(rig_file("inter.pem", intermediate_pem)),
			 strdup(rig_file("alone.pem", alone_pem))};
	const struct config_tls all = {.verify_upstream = true, .upstream_ca = {paths, 1}};
	struct config_scoped_ca scoped[] = {{"*.corp.example", paths[0]},
					    {"inter.example", paths[1]},
					    {"alone.example", paths[2]},
					    {"x.corp.example", paths[2]}};
	const struct config_tls some = {.verify_upstream = true,
					.scoped_ca = scoped,
					.scoped_ca_count = 4};

	struct tls_roots *r = roots_of(&all);
	assert_int_equal(outcome_of(r, "a.com", &extra_root, "DNS:a.com", -DAY, DAY), TAKEN);
	assert_int_equal(outcome_of(r, "a.com", &host_root, "DNS:a.com", -DAY, DAY), TAKEN);
	assert_int_equal(outcome(r, "alone.example", &alone), SSL_AD_UNKNOWN_CA);
	tls_roots_free(r);

	r = roots_of(&some);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(outcome_of(r, "a.corp.example", &extra_root, "DNS:a.corp.example",
					    -DAY, DAY),
				 TAKEN);
		assert_int_equal(outcome_of(r, "x.corp.example", &extra_root, "DNS:x.corp.example",
					    -DAY, DAY),
				 TAKEN);
		assert_int_equal(outcome_of(r, "a.com", &extra_root, "DNS:a.com", -DAY, DAY),
				 SSL_AD_UNKNOWN_CA);
		assert_int_equal(outcome_of(r, "a.corp.example", &host_root, "DNS:a.corp.example",
					    -DAY, DAY),
				 TAKEN);
		/* An authority that is no root, and a server's own certificate. */
		assert_int_equal(outcome_of(r, "inter.example", &intermediate, "DNS:inter.example",
					    -DAY, DAY),
				 TAKEN);
		assert_int_equal(outcome_of(r, "a.corp.example", &intermediate,
					    "DNS:a.corp.example", -DAY, DAY),
				 SSL_AD_UNKNOWN_CA);
		assert_int_equal(outcome(r, "alone.example", &alone), TAKEN);
	}
	tls_roots_free(r);
	for (int i = 0; i < 3; i++)
		free(paths[i]);
	free(alone_pem);
	rig_cert_done(&alone);
}

static void files_that_are_no_good_are_errors(void **state)
{
	struct rig_cert other = rig_cert(NULL, "other", NULL, -DAY, DAY, false);
	char *key_pem = rig_key_pem(&other);
	char *missing[] = {"/nonexistent/ca.pem"};
	char *empty[] = {strdup(rig_file("empty.pem", "nothing\n"))};
	char *good = strdup(rig_file("extra.pem", extra_pem));
	char *key = strdup(rig_file("other.key", key_pem));
	struct config_client_cert client = {"a.example", good, key};
	struct error err;

	const struct config_tls a = {.upstream_ca = {missing, 1}};
	assert_null(tls_roots_new(&a, &err));
	assert_non_null(strstr(err.msg, "/nonexistent/ca.pem: No such file"));
	const struct config_tls b = {.upstream_ca = {empty, 1}};
	assert_null(tls_roots_new(&b, &err));
	assert_non_null(strstr(err.msg, "empty.pem: no certificate"));
	struct config_tls c = {.client_certs = &client, .client_cert_count = 1};
	assert_null(tls_roots_new(&c, &err));
	assert_non_null(strstr(err.msg, "does not match"));
	client.key_path = good;
	assert_null(tls_roots_new(&c, &err));
	assert_non_null(strstr(err.msg, "no private key"));
	rig_cert_done(&other);
	free(key_pem);
	free(key);
	free(good);
	free(empty[0]);
}

/* ---- what an upstream is told ---- */

static void the_name_is_asked_for(void **state)
{
	const struct config_tls conf = {.verify_upstream = true};
	struct rig_cert leaf =
		rig_cert(&host_root, "a", "DNS:api.example.com,IP:192.0.2.7", -DAY, DAY, false);
	struct tls_roots *r = roots_of(&conf);
	struct upstream u;

	upstream_open(&u, r, upstream_ctx(&leaf, 0), &(struct ask){.host = "api.example.com"});
	assert_int_equal(shake(&u), 0);
	assert_string_equal(SSL_get_servername(u.s->ssl, TLSEXT_NAMETYPE_host_name),
			    "api.example.com");
	upstream_close(&u);
	upstream_open(&u, r, upstream_ctx(&leaf, 0), &(struct ask){.host = "192.0.2.7"});
	assert_int_equal(shake(&u), 0);
	assert_null(SSL_get_servername(u.s->ssl, TLSEXT_NAMETYPE_host_name));
	upstream_close(&u);
	tls_roots_free(r);
	rig_cert_done(&leaf);
}

static void client_certificates_are_shown_to_their_hosts(void **state)
{
	struct rig_cert leaf =
		rig_cert(&host_root, "a", "DNS:a.example,DNS:b.example", -DAY, DAY, false);
	struct rig_cert mine = rig_cert(&extra_root, "client", NULL, -DAY, DAY, false);
	char *cert_pem = rig_cert_pem(&mine), *key_pem = rig_key_pem(&mine);
	char *cert = strdup(rig_file("mine.pem", cert_pem)),
	     *key = strdup(rig_file("mine.key", key_pem));
	struct config_client_cert client = {"a.example", cert, key};
	const struct config_tls conf = {.verify_upstream = true,
					.client_certs = &client,
					.client_cert_count = 1};
	struct tls_roots *r = roots_of(&conf);
	struct upstream u;

	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		for (int b = 0; b < 2; b++) {
			SSL_CTX *ctx = upstream_ctx(&leaf, v);
			X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), extra_root.x);
			SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"a", 1);
			SSL_CTX_set_verify(ctx,
					   SSL_VERIFY_PEER |
						   (b ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
					   NULL);
			upstream_open(&u, r, ctx, &(struct ask){b ? "b.example" : "a.example"});
			int rc = shake(&u);
			char buf[8];
			if (!b) {
				assert_int_equal(rc, 0);
				X509 *x = SSL_get1_peer_certificate(u.s->ssl);
				assert_non_null(x);
				assert_int_equal(X509_cmp(x, mine.x), 0);
				X509_free(x);
			} else {
				/* In TLS 1.3 the refusal comes behind the handshake. */
				if (rc == 0)
					rc = (int)tls_end_read(u.c, buf, sizeof(buf));
				assert_int_equal(rc, -EPROTO);
				assert_int_equal(tls_end_alert(u.c),
						 v == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED
								     : SSL_AD_HANDSHAKE_FAILURE);
				assert_non_null(strstr(tls_end_error(u.c), "the other side says"));
			}
			upstream_close(&u);
		}
	}
	tls_roots_free(r);
	free(cert);
	free(key);
	free(cert_pem);
	free(key_pem);
	rig_cert_done(&mine);
	rig_cert_done(&leaf);
}

/* ---- sessions ---- */

/* One context for several connections, as one server has; whether the last was resumed. */
static bool resumes(struct tls_roots *r, SSL_CTX *ctx, const struct ask *a)
{
	struct upstream u;

	SSL_CTX_up_ref(ctx);
	upstream_open(&u, r, ctx, a);
	assert_int_equal(shake(&u), 0);
	assert_true(tls_end_verified(u.c));
	bool ret = tls_end_resumed(u.c);
	upstream_close(&u);
	return ret;
}

static int take_first(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
		      const unsigned char *offered, unsigned n, void *arg)
{
	*ret = offered + 1;
	*ret_len = offered[0];
	return SSL_TLSEXT_ERR_OK;
}

static void sessions_are_resumed_for_the_same_alone(void **state)
{
	static const struct ask same = {"a.example", 443, "\x02h2"},
				others[] = {{"b.example", 443, "\x02h2"},
					    {"a.example", 8443, "\x02h2"},
					    {"a.example", 443, "\x08http/1.1"},
					    {"a.example", 443, "\x02h3"},
					    {"a.example", 443, ""},
					    {"192.0.2.7", 443, "\x02h2"}};
	struct rig_cert leaf =
		rig_cert(&host_root, "a", "DNS:a.example,DNS:b.example,IP:192.0.2.7,IP:192.0.2.8",
			 -DAY, DAY, false);

	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		const struct config_tls conf = {.verify_upstream = true};
		struct tls_roots *r = roots_of(&conf);
		SSL_CTX *ctx = upstream_ctx(&leaf, v);
		SSL_CTX_set_alpn_select_cb(ctx, take_first, NULL);

		assert_false(resumes(r, ctx, &same));
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			assert_false(resumes(r, ctx, &others[i]));
		for (int i = 0; i < 5; i++)
			assert_true(resumes(r, ctx, &same));
		assert_false(resumes(r, ctx, &(struct ask){"192.0.2.8", 443, "\x02h2"}));
		tls_roots_free(r);
		/* Another configuration may trust others. */
		r = roots_of(&conf);
		assert_false(resumes(r, ctx, &same));
		tls_roots_free(r);
		SSL_CTX_free(ctx);
	}
	rig_cert_done(&leaf);
}

/* A ticket of TLS 1.3 that was used twice would tell who watches that both are the same client. */
static void tickets_are_used_once(void **state)
{
	struct rig_cert leaf = rig_cert(&host_root, "a", "DNS:a.example", -DAY, DAY, false);
	const struct config_tls conf = {.verify_upstream = true};
	struct tls_roots *r = roots_of(&conf);
	SSL_CTX *ctx = upstream_ctx(&leaf, TLS1_3_VERSION);
	const struct ask a = {"a.example"};
	struct upstream u[2];

	SSL_CTX_set_num_tickets(ctx, 1);
	assert_false(resumes(r, ctx, &a));
	for (int i = 0; i < 2; i++) {
		SSL_CTX_up_ref(ctx);
		upstream_open(&u[i], r, ctx, &a);
		assert_int_equal(tls_end_handshake(u[i].c), -EAGAIN);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shake(&u[i]), 0);
		assert_int_equal(tls_end_resumed(u[i].c), i == 0);
		upstream_close(&u[i]);
	}
	tls_roots_free(r);
	SSL_CTX_free(ctx);
	rig_cert_done(&leaf);
}

/* Tickets, and then a record that comes byte by byte and is read byte by byte. */
static void tickets_do_not_disturb_what_is_half_read(void **state)
{
	struct rig_cert leaf = rig_cert(&host_root, "a", "DNS:a.example", -DAY, DAY, false);
	const struct config_tls conf = {.verify_upstream = true};
	struct tls_roots *r = roots_of(&conf);
	struct upstream u;
	char c;

	upstream_open(&u, r, upstream_ctx(&leaf, TLS1_3_VERSION), &(struct ask){"a.example"});
	u.w.client.chunk = 1;
	for (int i = 0; i < 10000 && tls_end_handshake(u.c); i++)
		tls_end_handshake(u.s);
	assert_int_equal(tls_end_handshake(u.s), 0);
	assert_int_equal(tls_end_write(u.s, "hello", 5), 5);
	struct buf all = u.w.down.bytes;
	u.w.down.bytes = (struct buf){0};
	char got[8] = "";
	size_t n = 0;
	for (size_t i = 0; i < all.len; i++) {
		buf_append(&u.w.down.bytes, buf_view(&all).p + i, 1);
		while (tls_end_read(u.c, &c, 1) == 1)
			got[n++] = c;
	}
	assert_string_equal(got, "hello");
	assert_true(roots_sessions(r)->count > 0);
	buf_done(&all);
	upstream_close(&u);
	tls_roots_free(r);
	rig_cert_done(&leaf);
}

static void sessions_are_bounded(void **state)
{
	struct sessions s;
	SSL_SESSION *x = SSL_SESSION_new();
	char key[24];

	sessions_init(&s);
	for (int i = 0; i < SESSIONS_MAX + 10; i++) {
		snprintf(key, sizeof(key), "host %d", i);
		SSL_SESSION_up_ref(x);
		assert_true(sessions_put(&s, view_make(key, strlen(key)), x));
	}
	assert_int_equal(s.count, SESSIONS_MAX);
	sessions_done(&s);
	assert_int_equal(s.count, 0);
	for (int i = 0; i < 20; i++) {
		SSL_SESSION_up_ref(x);
		assert_true(sessions_put(&s, view_make("one", 3), x));
	}
	assert_int_equal(s.count, SESSIONS_SAME);
	sessions_done(&s);
	SSL_SESSION_free(x);
}

/* The ends of a configuration that was replaced go on. */
static void ends_outlive_their_roots(void **state)
{
	const struct config_tls conf = {.verify_upstream = true};
	struct rig_cert leaf = rig_cert(&host_root, "a", "DNS:a.example", -DAY, DAY, false);
	struct tls_roots *r = roots_of(&conf);
	struct upstream u;
	char buf[8];

	upstream_open(&u, r, upstream_ctx(&leaf, 0), &(struct ask){"a.example"});
	tls_roots_free(r);
	assert_int_equal(shake(&u), 0);
	assert_int_equal(tls_end_write(u.s, "hello", 5), 5);
	assert_int_equal(tls_end_read(u.c, buf, sizeof(buf)), 5);
	upstream_close(&u);
	rig_cert_done(&leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_verified),
		cmocka_unit_test(strangers_are_unknown),
		cmocka_unit_test(what_is_excused_is_known),
		cmocka_unit_test(other_authorities_are_trusted_where_said),
		cmocka_unit_test(files_that_are_no_good_are_errors),
		cmocka_unit_test(the_name_is_asked_for),
		cmocka_unit_test(client_certificates_are_shown_to_their_hosts),
		cmocka_unit_test(sessions_are_resumed_for_the_same_alone),
		cmocka_unit_test(tickets_are_used_once),
		cmocka_unit_test(tickets_do_not_disturb_what_is_half_read),
		cmocka_unit_test(sessions_are_bounded),
		cmocka_unit_test(ends_outlive_their_roots),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
