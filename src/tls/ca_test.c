// SPDX-License-Identifier: Apache-2.0
/* The authority: stored once, refused where it is no good, and leaves that verify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/ca.h"

static char home[] = "/tmp/weir-ca-test-XXXXXX";

static char *path_of(bool key)
{
	struct error err;
	char *p = tls_ca_default_path(key, &err);

	assert_non_null(p);
	return p;
}

static void remove_pair(void)
{
	char *c = path_of(false), *k = path_of(true);

	unlink(c);
	unlink(k);
	free(c);
	free(k);
}

static int fresh(void **state)
{
	remove_pair();
	return 0;
}

static int setup(void **state)
{
	assert_non_null(mkdtemp(home));
	return setenv("XDG_STATE_HOME", home, 1);
}

static int teardown(void **state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -r %s", home);
	return system(cmd);
}

static X509 *cert_of(const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	BIO_free(b);
	assert_non_null(x);
	return x;
}

/* ---- the stored pair ---- */

static void made_once_and_kept(void **state)
{
	struct error err;
	struct stat st;
	struct tls_ca *a = tls_ca_open(NULL, NULL, &err);
	assert_non_null(a);
	struct tls_ca *b = tls_ca_open(NULL, NULL, &err);
	assert_non_null(b);
	assert_string_equal(tls_ca_pem(a), tls_ca_pem(b));

	char *key = path_of(true);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	*strrchr(key, '/') = 0;
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(key);

	X509 *x = cert_of(tls_ca_pem(a));
	assert_int_equal(X509_check_ca(x), 1);
	assert_int_equal(X509_get_pathlen(x), 0);
	assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_true(X509_get_extension_flags(x) & EXFLAG_SS);
	assert_non_null(X509_get0_subject_key_id(x));
	int crit = 0;
	BASIC_CONSTRAINTS_free(X509_get_ext_d2i(x, NID_basic_constraints, &crit, NULL));
	assert_int_equal(crit, 1);
	time_t nine = time(NULL) + 9L * 365 * 86400, eleven = time(NULL) + 11L * 365 * 86400;
	assert_true(X509_cmp_time(X509_get0_notAfter(x), &nine) > 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(x), &eleven) < 0);
	char cn[128], host[128];
	gethostname(host, sizeof(host));
	host[40] = 0;
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	assert_non_null(strstr(cn, "weir"));
	assert_non_null(strstr(cn, host));
	X509_free(x);
	tls_ca_free(a);
	tls_ca_free(b);
}

/* Each of several processes that start at once ends with the same authority, which is the stored
 * one. */
static void racing_starters_end_with_one(void **state)
{
	enum {
		RACERS = 8
	};
	int fds[RACERS];
	pid_t pids[RACERS];
	char first[4096] = "", text[4096];
	int gate[2];

	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < RACERS; i++) {
		int p[2];
		assert_int_equal(pipe(p), 0);
		fds[i] = p[0];
		pids[i] = fork();
		if (pids[i] == 0) {
			struct error err;
			char c;
			close(gate[1]);
			if (read(gate[0], &c, 1) < 0)
				_exit(2);
			struct tls_ca *ca = tls_ca_open(NULL, NULL, &err);
			const char *pem = ca ? tls_ca_pem(ca) : err.msg;
			_exit(write(p[1], pem, strlen(pem)) < 0 || !ca);
		}
		close(p[1]);
	}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < RACERS; i++) {
		ssize_t n = read(fds[i], text, sizeof(text) - 1);
		int status;
		waitpid(pids[i], &status, 0);
		close(fds[i]);
		assert_true(n > 0);
		text[n] = 0;
		assert_int_equal(status, 0);
		if (i == 0)
			strcpy(first, text);
		assert_string_equal(text, first);
	}
	struct error err;
	struct tls_ca *ca = tls_ca_open(NULL, NULL, &err);
	assert_non_null(ca);
	assert_string_equal(tls_ca_pem(ca), first);
	tls_ca_free(ca);
}

static void an_existing_one_is_replaced_only_by_force(void **state)
{
	struct error err;
	struct tls_ca *a = tls_ca_create(false, &err);
	assert_non_null(a);
	assert_null(tls_ca_create(false, &err));
	assert_non_null(strstr(err.msg, "already"));
	struct tls_ca *b = tls_ca_create(true, &err), *c = tls_ca_open(NULL, NULL, &err);
	assert_non_null(b);
	assert_non_null(c);
	assert_string_not_equal(tls_ca_pem(a), tls_ca_pem(b));
	assert_string_equal(tls_ca_pem(b), tls_ca_pem(c));
	tls_ca_free(a);
	tls_ca_free(b);
	tls_ca_free(c);
}

static void no_home_is_an_error(void **state)
{
	struct error err;
	char *old = strdup(getenv("HOME") ? getenv("HOME") : "/");

	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	assert_null(tls_ca_open(NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "HOME"));
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_null(tls_ca_open(NULL, NULL, &err));
	setenv("XDG_STATE_HOME", home, 1);
	setenv("HOME", old, 1);
	free(old);
}

static void a_directory_that_others_write_to_is_refused(void **state)
{
	struct error err;
	char *dir = path_of(true);

	tls_ca_free(tls_ca_open(NULL, NULL, &err));
	remove_pair();
	*strrchr(dir, '/') = 0;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_null(tls_ca_open(NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "nobody else"));
	chmod(dir, 0700);
	free(dir);
}

/* ---- pairs that are no good ---- */

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static char *slurp(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

/* The stored pair with one thing changed; what the error has to say. */
static void refused(const char *says)
{
	struct error err = {0};
	struct tls_ca *ca = tls_ca_open(NULL, NULL, &err);

	if (ca || !strstr(err.msg, says))
		fail_msg("expected \"%s\" in \"%s\"", says, ca ? "(opened)" : err.msg);
	if (!strstr(err.msg, "ca.crt") && !strstr(err.msg, "ca.key"))
		fail_msg("no file in \"%s\"", err.msg);
}

static void half_a_pair_is_an_error(void **state)
{
	struct error err;
	char *c = path_of(false), *k = path_of(true);

	tls_ca_free(tls_ca_create(false, &err));
	unlink(k);
	refused("missing");
	tls_ca_free(tls_ca_create(true, &err));
	unlink(c);
	refused("missing");
	assert_null(tls_ca_open("/nonexistent/a", NULL, &err));
	assert_null(tls_ca_open(NULL, "/nonexistent/a", &err));
	assert_non_null(strstr(err.msg, "both"));
	free(c);
	free(k);
}

static void another_pairs_key_is_an_error(void **state)
{
	struct error err;
	char *k = path_of(true);

	tls_ca_free(tls_ca_create(false, &err));
	char *key = slurp(k);
	tls_ca_free(tls_ca_create(true, &err));
	put(k, key);
	refused("does not match");
	free(key);
	free(k);
}

static void broken_files_are_errors(void **state)
{
	struct error err;
	char *c = path_of(false), *k = path_of(true);

	tls_ca_free(tls_ca_create(false, &err));
	put(k, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	refused("no private key");
	put(k, "");
	refused("no private key");
	unlink(k);
	mkdir(k, 0700);
	refused("Is a directory");
	rmdir(k);
	tls_ca_free(tls_ca_create(true, &err));
	put(c, "nothing");
	refused("no certificate");
	assert_int_equal(truncate(c, 17 * 1024 * 1024), 0);
	refused("File too large");
	free(c);
	free(k);
}

static void an_encrypted_key_is_named_as_such(void **state)
{
	struct error err;
	char *k = path_of(true);

	tls_ca_free(tls_ca_create(false, &err));
	FILE *f = fopen(k, "r");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	f = fopen(k, "w");
	PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"abcd", 4, NULL,
			     NULL);
	fclose(f);
	EVP_PKEY_free(key);
	refused("encrypted");
	free(k);
}

/* The stored certificate, signed anew with other dates, or as that of a leaf. */
static void rewrite(long from, long to, bool ca)
{
	char *c = path_of(false), *k = path_of(true);
	FILE *f = fopen(k, "r");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	char *pem = slurp(c);
	X509 *x = cert_of(pem);

	fclose(f);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	if (!ca)
		X509_EXTENSION_free(
			X509_delete_ext(x, X509_get_ext_by_NID(x, NID_basic_constraints, -1)));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	f = fopen(c, "w");
	PEM_write_X509(f, x);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
	free(pem);
	free(c);
	free(k);
}

static void out_of_force_or_no_authority_is_an_error(void **state)
{
	struct error err;

	tls_ca_free(tls_ca_create(false, &err));
	rewrite(-7200, -3600, true);
	refused("has expired");
	rewrite(3600, 7200, true);
	refused("not valid yet");
	rewrite(-3600, 3600, false);
	refused("not the certificate of an authority");
}

/* ---- leaves ---- */

static struct view spki(void)
{
	static uint8_t der[256];
	uint8_t *p = der;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	int n = i2d_PUBKEY(key, &p);

	EVP_PKEY_free(key);
	assert_true(n > 0);
	return view_make(der, (size_t)n);
}

static X509 *leaf_of(const struct tls_ca *ca, const char *host, unsigned hours)
{
	struct buf der = {0};
	struct error err = {0};

	if (tls_ca_sign_leaf(ca, host, spki(), hours, &der, &err) < 0)
		fail_msg("%s", err.msg);
	const uint8_t *p = buf_view(&der).p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	assert_non_null(x);
	assert_ptr_equal(p, buf_view(&der).p + der.len);
	buf_done(&der);
	return x;
}

/* As a strict client does. */
static int verify(const struct tls_ca *ca, X509 *leaf, const char *host, const char *ip)
{
	X509 *root = cert_of(tls_ca_pem(ca));
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	X509_STORE_add_cert(store, root);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (host)
		X509_VERIFY_PARAM_set1_host(p, host, 0);
	if (ip)
		X509_VERIFY_PARAM_set1_ip_asc(p, ip);
	X509_verify_cert(ctx);
	int r = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(root);
	return r;
}

static void leaves_verify(void **state)
{
	struct error err;
	struct tls_ca *ca = tls_ca_open(NULL, NULL, &err);
	X509 *x = leaf_of(ca, "api.example.com", 24);

	assert_int_equal(verify(ca, x, "api.example.com", NULL), X509_V_OK);
	assert_int_equal(verify(ca, x, "example.com", NULL), X509_V_ERR_HOSTNAME_MISMATCH);
	time_t now = time(NULL), from = now - 3600 + 5, from2 = now - 3600 - 60,
	       to = now + 24 * 3600 + 60, to2 = now + 24 * 3600 - 60;
	assert_true(X509_cmp_time(X509_get0_notBefore(x), &from) <= 0);
	assert_true(X509_cmp_time(X509_get0_notBefore(x), &from2) > 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(x), &to) < 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(x), &to2) > 0);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	assert_non_null(X509_get0_authority_key_id(x));
	assert_non_null(X509_get0_subject_key_id(x));
	X509 *y = leaf_of(ca, "api.example.com", 24);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)),
			     0);
	X509_free(y);
	X509_free(x);

	x = leaf_of(ca, "192.0.2.7", 24);
	assert_int_equal(verify(ca, x, NULL, "192.0.2.7"), X509_V_OK);
	assert_int_equal(verify(ca, x, NULL, "192.0.2.8"), X509_V_ERR_IP_ADDRESS_MISMATCH);
	X509_free(x);
	x = leaf_of(ca, "2001:db8::7", 24);
	assert_int_equal(verify(ca, x, NULL, "2001:db8::7"), X509_V_OK);
	X509_free(x);

	char host[254];
	memset(host, 'a', sizeof(host));
	host[63] = host[127] = host[191] = '.';
	host[253] = 0;
	x = leaf_of(ca, host, 24);
	assert_int_equal(verify(ca, x, host, NULL), X509_V_OK);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
	X509_free(x);
	tls_ca_free(ca);
}

static void leaves_end_with_their_authority(void **state)
{
	struct error err;

	tls_ca_free(tls_ca_create(false, &err));
	rewrite(-3600, 3600, true);
	struct tls_ca *ca = tls_ca_open(NULL, NULL, &err);
	assert_non_null(ca);
	X509 *root = cert_of(tls_ca_pem(ca)), *x = leaf_of(ca, "a.example", 24);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(root)), 0);
	assert_int_equal(verify(ca, x, "a.example", NULL), X509_V_OK);
	X509_free(x);
	X509_free(root);
	tls_ca_free(ca);
}

static void what_is_no_name_or_no_key_gets_no_leaf(void **state)
{
	static const char *const hosts[] = {"",           "a,DNS:b.com",
					    "a b",        "*.example.com",
					    "a\nb.com",   "email:a",
					    "1.2.3.4.5.", "copy"};
	struct error err;
	struct tls_ca *ca = tls_ca_open(NULL, NULL, &err);
	struct view key = spki();
	struct buf der = {0};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]) - 1; i++)
		assert_int_equal(tls_ca_sign_leaf(ca, hosts[i], key, 24, &der, &err), -1);
	assert_int_equal(tls_ca_sign_leaf(ca, "copy", key, 24, &der, &err), 0);
	buf_done(&der);
	key.len--;
	assert_int_equal(tls_ca_sign_leaf(ca, "a.com", key, 24, &der, &err), -1);
	uint8_t more[512] = {0};
	memcpy(more, key.p, ++key.len);
	assert_int_equal(
		tls_ca_sign_leaf(ca, "a.com", view_make(more, key.len + 1), 24, &der, &err), -1);
	assert_int_equal(der.len, 0);
	tls_ca_free(ca);
}

static void what_a_certificate_says(void **state)
{
	struct buf pem = {0}, text = {0};
	struct tls_ca_info info;
	struct error err;
	char *c = path_of(false), hex[128] = "";
	uint8_t md[32];
	unsigned n;

	struct tls_ca *ca = tls_ca_create(false, &err);
	X509 *x = cert_of(tls_ca_pem(ca));
	assert_int_equal(tls_ca_describe(c, &info, &pem, &text, &err), 0);
	assert_int_equal(pem.len, strlen(tls_ca_pem(ca)));
	assert_memory_equal(buf_view(&pem).p, tls_ca_pem(ca), pem.len);
	assert_true(text.len > 100);
	X509_digest(x, EVP_sha256(), md, &n);
	for (unsigned i = 0; i < 32; i++)
		sprintf(hex + 3 * i, "%02X%s", md[i], i < 31 ? ":" : "");
	assert_string_equal(info.fingerprint, hex);
	assert_non_null(strstr(info.subject, "O=weir"));
	assert_int_equal(strlen(info.not_after), strlen("2026-11-21T10:00:00Z"));
	assert_true(strcmp(info.not_before, info.not_after) < 0);
	assert_true(info.in_force);
	rewrite(-7200, -3600, true);
	assert_int_equal(tls_ca_describe(c, &info, &pem, &text, &err), 0);
	assert_false(info.in_force);
	unlink(c);
	assert_int_equal(tls_ca_describe(c, &info, &pem, &text, &err), -1);
	assert_non_null(strstr(err.msg, "ca.crt"));
	buf_done(&pem);
	buf_done(&text);
	X509_free(x);
	tls_ca_free(ca);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(made_once_and_kept, fresh),
		cmocka_unit_test_setup(racing_starters_end_with_one, fresh),
		cmocka_unit_test_setup(an_existing_one_is_replaced_only_by_force, fresh),
		cmocka_unit_test_setup(no_home_is_an_error, fresh),
		cmocka_unit_test_setup(a_directory_that_others_write_to_is_refused, fresh),
		cmocka_unit_test_setup(half_a_pair_is_an_error, fresh),
		cmocka_unit_test_setup(another_pairs_key_is_an_error, fresh),
		cmocka_unit_test_setup(broken_files_are_errors, fresh),
		cmocka_unit_test_setup(an_encrypted_key_is_named_as_such, fresh),
		cmocka_unit_test_setup(out_of_force_or_no_authority_is_an_error, fresh),
		cmocka_unit_test_setup(what_a_certificate_says, fresh),
		cmocka_unit_test_setup(leaves_verify, fresh),
		cmocka_unit_test_setup(leaves_end_with_their_authority, fresh),
		cmocka_unit_test_setup(what_is_no_name_or_no_key_gets_no_leaf, fresh),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
