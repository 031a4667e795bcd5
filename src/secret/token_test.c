// SPDX-License-Identifier: Apache-2.0
/*
 * Tokens that the holder fetches, from a server on loopback whose certificate is of the holder's
 * own authority (token_server.py).
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "secret/fetch.h"
#include "secret/holder_rig.h"

struct server {
	pid_t pid;
	int in;
	char port[16];
	char log[128];
};

static void write_pem(const char *path, EVP_PKEY *key, X509 *cert)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	if (key)
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	else
		assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
}

/* A certificate for 127.0.0.1, by the rig's CA. */
static void make_certificate(struct rig *r, const char *cert_path, const char *key_path)
{
	struct rig_answer a = {0};
	unsigned char *spki = NULL;
	struct error err;

	r->h = holder_start(&r->conf, &err);
	assert_non_null(r->h);
	r->ch = holder_channel_new(r->h, &r->conf, NULL, NULL, &err);
	assert_non_null(r->ch);
	assert_int_equal(holder_channel_attach(r->ch, &r->loop, &err), 0);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	int n = i2d_PUBKEY(key, &spki);
	assert_non_null(
		holder_ask_leaf(r->ch, "127.0.0.1", view_make(spki, (size_t)n), rig_on_text, &a));
	assert_true(rig_run(r, &a.done));
	assert_string_equal(a.err, "");
	const unsigned char *p = (const unsigned char *)a.text;
	X509 *leaf = d2i_X509(NULL, &p, (long)a.len);
	assert_non_null(leaf);
	write_pem(cert_path, NULL, leaf);
	write_pem(key_path, key, NULL);
	X509_free(leaf);
	EVP_PKEY_free(key);
	OPENSSL_free(spki);
	holder_channel_free(r->ch);
	r->ch = NULL;
}

static void server_start(struct rig *r, struct server *s)
{
	char cert[128], key[128], ca[128];
	int in[2], out[2];

	snprintf(cert, sizeof(cert), "%s/cert.pem", r->dir);
	snprintf(key, sizeof(key), "%s/key.pem", r->dir);
	snprintf(ca, sizeof(ca), "%s/weir/tls/ca.crt", r->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", r->dir);
	make_certificate(r, cert, key);
	assert_true(strv_add(&r->conf.tls.upstream_ca, ca));
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	s->pid = fork();
	if (s->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execl("/usr/bin/python3", "python3", TOKEN_SERVER, cert, key, s->log, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	/* A line, in as many pieces as it likes. */
	FILE *f = fdopen(out[0], "r");
	assert_non_null(f);
	assert_non_null(fgets(s->port, sizeof(s->port), f));
	s->port[strcspn(s->port, "\n")] = '\0';
	fclose(f);
}

static void server_stop(struct server *s)
{
	close(s->in);
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
}

static struct config_secret *token_secret(struct rig *r, const struct server *s,
					  enum config_signer signer, const char *value,
					  const char *path)
{
	char url[128];

	setenv("TT_VALUE", value, 1);
	struct config_secret *c =
		rig_secret(r, "T", CONFIG_SECRET_COMMAND, "printf %s \"$TT_VALUE\"");
	c->signer = signer;
	snprintf(url, sizeof(url), "https://127.0.0.1:%s%s", s->port, path);
	c->token_url = strdup(url);
	return c;
}

/* The channel is opened with the holder that made the certificate; it inherits no environment any
 * more, so that is ended before. */
static void restart(struct rig *r)
{
	holder_stop(r->h);
	r->h = NULL;
}

static void assert_token(struct rig *r, const char *begin)
{
	struct rig_answer a;

	assert_non_null(rig_value(r, 0, &a));
	assert_true(a.value->len >= strlen(begin));
	assert_memory_equal(a.value->bytes, begin, strlen(begin));
	assert_int_equal(holder_secrets(r->ch)->list[0].value_len, a.value->len);
	secret_value_free(a.value);
}

static void wait_for_sets(struct rig *r, unsigned n)
{
	for (int i = 0; i < 100 && r->sets < n; i++)
		rig_run_ms(r, 100);
	assert_true(r->sets >= n);
}

/* ---- grants ---- */

static void client_credentials_are_renewed_before_their_end(void **state)
{
	struct rig r;
	struct server s;

	rig_init(&r);
	server_start(&r, &s);
	restart(&r);
	token_secret(&r, &s, CONFIG_SIGNER_CLIENT, "client 1:s3cret/value:more", "/client?x=1")
		->scope = strdup("read write");
	rig_start(&r);
	assert_token(&r, "client-token-0001");
	assert_int_equal(strlen(holder_secrets(r.ch)->list[0].placeholder), 17);
	/* It lives for two seconds. */
	wait_for_sets(&r, 2);
	assert_token(&r, "client-token-000");
	server_stop(&s);
	rig_done(&r);
}

static void a_server_that_wants_the_form_gets_it(void **state)
{
	struct rig r;
	struct server s;

	rig_init(&r);
	server_start(&r, &s);
	restart(&r);
	token_secret(&r, &s, CONFIG_SIGNER_CLIENT, "client:secretary", "/form");
	rig_start(&r);
	assert_int_equal(holder_secrets(r.ch)->list[0].signer, SECRET_BEARER);
	assert_token(&r, "form-token-of-test");
	server_stop(&s);
	rig_done(&r);
}

static void a_refresh_token_that_is_replaced_is_replaced_here(void **state)
{
	struct rig r;
	struct server s;

	rig_init(&r);
	server_start(&r, &s);
	restart(&r);
	token_secret(&r, &s, CONFIG_SIGNER_REFRESH, "client::refresh-0", "/refresh");
	rig_start(&r);
	char *placeholder = strdup(holder_secrets(r.ch)->list[0].placeholder);
	assert_token(&r, "access-token-0001");
	/* The server takes each refresh token once. */
	wait_for_sets(&r, 2);
	assert_token(&r, "access-token-000");
	assert_string_equal(holder_secrets(r.ch)->list[0].placeholder, placeholder);
	free(placeholder);
	server_stop(&s);
	rig_done(&r);
}

/* ---- GitHub App ---- */

static size_t unbase64url(const char *in, size_t n, unsigned char *out)
{
	size_t bits = 0, len = 0;
	unsigned acc = 0;
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(letters, in[i]);
		assert_non_null(at);
		acc = acc << 6 | (unsigned)(at - letters);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[len++] = (unsigned char)(acc >> bits);
		}
	}
	return len;
}

static void verify_jwt(const char *jwt, EVP_PKEY *key)
{
	unsigned char sig[1024], claims[1024];
	const char *dot = strchr(jwt, '.'), *last = strrchr(jwt, '.');
	size_t n = unbase64url(last + 1, strlen(last + 1), sig);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(
		EVP_DigestVerify(ctx, sig, n, (const unsigned char *)jwt, (size_t)(last - jwt)), 1);
	EVP_MD_CTX_free(ctx);
	n = unbase64url(dot + 1, (size_t)(last - dot - 1), claims);
	claims[n] = '\0';
	assert_non_null(strstr((char *)claims, "\"iss\":\"12345\""));
}

static void an_app_signs_with_its_key_and_gets_a_token(void **state)
{
	struct rig r;
	struct server s;
	char pem[128], line[4096], jwt[4096];

	rig_init(&r);
	server_start(&r, &s);
	restart(&r);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	snprintf(pem, sizeof(pem), "%s/app.pem", r.dir);
	write_pem(pem, key, NULL);
	struct config_secret *c = token_secret(&r, &s, CONFIG_SIGNER_GITHUB_APP, "", "/app");
	c->source = CONFIG_SECRET_FILE;
	free(c->from);
	c->from = strdup(pem);
	c->app_id = strdup("12345");
	rig_start(&r);
	assert_token(&r, "ghs_16C7e42F292c6912E7710c838347Ae178B4");
	FILE *f = fopen(s.log, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(sscanf(line, "/app Bearer %4095s", jwt), 1);
	verify_jwt(jwt, key);
	EVP_PKEY_free(key);
	server_stop(&s);
	rig_done(&r);
}

/* ---- what goes wrong ---- */

static void a_token_that_cannot_be_had_is_told(void **state)
{
	static const struct {
		const char *path, *value, *why;
	} cases[] = {
		{"/forbidden", "client:secretary", "127.0.0.1 has answered 403"},
		{"/form", "client:wrongsecret", "127.0.0.1 has answered 401 (invalid_client)"},
		{"/moved", "client:secretary", "127.0.0.1 has answered 302"},
		{"/useless", "client:secretary", "has answered without a token"},
		{"/lines", "client:secretary", "the token that was fetched cannot be one"},
		{"/cut", "client:secretary", "no answer that can be read"},
		{"/form", "no-colon-in-it", "its value is not CLIENT_ID:CLIENT_SECRET"},
	};
	struct rig r;
	struct server s;

	rig_init(&r);
	server_start(&r, &s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		restart(&r);
		struct config_secret *c =
			token_secret(&r, &s, CONFIG_SIGNER_CLIENT, cases[i].value, cases[i].path);
		const char *msg = rig_refused(&r);
		if (strncmp(msg, "test: T: ", 9) != 0 || !strstr(msg, cases[i].why))
			fail_msg("case %zu: %s", i, msg);
		assert_null(strstr(msg, "secretary"));
		config_secret_done(c);
		r.conf.secrets.count = 0;
	}
	server_stop(&s);
	rig_done(&r);
}

static void a_server_that_is_not_trusted_gets_nothing(void **state)
{
	struct rig r;
	struct server s;

	rig_init(&r);
	server_start(&r, &s);
	restart(&r);
	free(r.conf.tls.upstream_ca.v[0]);
	r.conf.tls.upstream_ca.n = 0;
	token_secret(&r, &s, CONFIG_SIGNER_CLIENT, "client:secretary", "/form");
	const char *msg = rig_refused(&r);
	assert_non_null(strstr(msg, "certificate"));
	assert_int_equal(access(s.log, F_OK), -1);
	server_stop(&s);
	rig_done(&r);
}

static void a_token_that_has_expired_is_not_used(void **state)
{
	struct rig r;
	struct server s;
	struct rig_answer a;

	rig_init(&r);
	server_start(&r, &s);
	restart(&r);
	token_secret(&r, &s, CONFIG_SIGNER_CLIENT, "client:secretary", "/once");
	rig_start(&r);
	assert_token(&r, "token-that-is-had-once");
	rig_run_ms(&r, 1500);
	/* It could not be renewed, and still holds. */
	assert_token(&r, "token-that-is-had-once");
	rig_run_ms(&r, 1000);
	assert_null(rig_value(&r, 0, &a));
	assert_string_equal(a.err, "its token has expired, and a new one cannot be had");
	server_stop(&s);
	rig_done(&r);
}

/* ---- answers ---- */

static int read_text(const char *text, bool end, struct fetch_answer *ret)
{
	static uint8_t mem[1024];

	memcpy(mem, text, strlen(text));
	return fetch_read_answer(mem, strlen(text), end, ret);
}

static void answers_are_read_as_far_as_they_are_sound(void **state)
{
	static const struct {
		const char *text;
		bool end;
		int r;
		const char *body;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", false, 1, "ab"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", false, 0, NULL},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", true, -1, NULL},
		{"HTTP/1.1 200 OK\r\n\r\nab", false, 0, NULL},
		{"HTTP/1.1 200 OK\r\n\r\nab", true, 1, "ab"},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
		 false, 1, "a"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n",
		 false, 1, "abc"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", true, -1,
		 NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n", false,
		 -1, NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", false, -1, NULL},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false, -1,
		 NULL},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nab", false, -1, NULL},
		{"HTTP/2 200 OK\r\n\r\n", false, -1, NULL},
		{"SSH-2.0-x\r\n", false, -1, NULL},
		{"HTT", false, 0, NULL},
		{"", true, -1, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fetch_answer a;
		int r = read_text(cases[i].text, cases[i].end, &a);

		if (r != cases[i].r)
			fail_msg("case %zu: %d", i, r);
		if (r == 1) {
			assert_int_equal(a.body.len, strlen(cases[i].body));
			assert_memory_equal(a.body.p, cases[i].body, a.body.len);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_credentials_are_renewed_before_their_end),
		cmocka_unit_test(a_server_that_wants_the_form_gets_it),
		cmocka_unit_test(a_refresh_token_that_is_replaced_is_replaced_here),
		cmocka_unit_test(an_app_signs_with_its_key_and_gets_a_token),
		cmocka_unit_test(a_token_that_cannot_be_had_is_told),
		cmocka_unit_test(a_server_that_is_not_trusted_gets_nothing),
		cmocka_unit_test(a_token_that_has_expired_is_not_used),
		cmocka_unit_test(answers_are_read_as_far_as_they_are_sound),
	};

	rig_be_holder(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
