// SPDX-License-Identifier: Apache-2.0
/* Bundles with each certificate once, and the store that Java reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/endpoint_rig.h"
#include "tls/libcrypto.h"
#include "tls/roots_host.h"
#include "tls/trust.h"

static char *ca[3]; /* three authorities, PEM */

static int setup(void **state)
{
	struct error err;

	rig_home();
	for (int i = 0; i < 3; i++) {
		struct tls_ca *c = tls_ca_create(true, &err);
		if (!c)
			fail_msg("%s", err.msg);
		ca[i] = strdup(tls_ca_pem(c));
		tls_ca_free(c);
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 3; i++)
		free(ca[i]);
	rig_home_done();
	return 0;
}

static char *join(const char *a, const char *b, const char *c, const char *d)
{
	char *s;

	assert_true(asprintf(&s, "%s%s%s%s", a, b, c, d) > 0);
	return s;
}

/* What was put into b is this text; b is empty afterwards. */
static void is(struct buf *b, const char *text)
{
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(buf_view(b).p, text, b->len);
	buf_done(b);
}

static void each_certificate_is_there_once(void **state)
{
	struct error err = {0};
	struct buf b = {0};
	char *host = join("# a comment\n", ca[0], "some text = 1\n\n", ca[1]);
	char *twice = join(host, ca[0], ca[1], "-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n");
	char *first = join(ca[0], ca[1], "", ""), *all = join(ca[2], ca[0], ca[1], "");

	rig_file("roots", twice);
	assert_int_equal(trust_host_pem(&b, &err), 0);
	is(&b, first);
	assert_int_equal(trust_combined_pem(ca[2], true, &b, &err), 0);
	is(&b, all);
	assert_int_equal(trust_combined_pem(ca[0], true, &b, &err), 0);
	is(&b, first);
	assert_int_equal(trust_combined_pem(ca[2], false, &b, &err), 0);
	is(&b, ca[2]);
	free(host);
	free(twice);
	free(first);
	free(all);
}

static void no_roots_are_an_error(void **state)
{
	struct error err;
	struct buf b = {0};

	rig_file("roots", "nothing\n");
	assert_int_equal(trust_host_pem(&b, &err), -1);
	assert_non_null(strstr(err.msg, "roots: no certificate"));
	rig_file("roots", "-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n");
	assert_int_equal(trust_host_pem(&b, &err), -1);
	assert_non_null(strstr(err.msg, "roots: "));
	char *old = strdup(getenv("SSL_CERT_FILE"));
	setenv("SSL_CERT_FILE", "/nonexistent/roots", 1);
	assert_int_equal(trust_combined_pem(ca[0], true, &b, &err), -1);
	assert_non_null(strstr(err.msg, "/nonexistent/roots: No such file"));
	assert_int_equal(b.len, 0);
	setenv("SSL_CERT_FILE", old, 1);
	free(old);
}

/* ---- Java ---- */

static void store(struct buf *ret)
{
	struct error err = {0};
	char *all = join(ca[0], ca[1], ca[2], ca[0]);

	if (trust_java_store(all, ret, &err) < 0)
		fail_msg("%s", err.msg);
	free(all);
}

/* OpenSSL, too, reads it: with this password, and all three certificates in their order. */
static void the_java_store_is_pkcs12(void **state)
{
	struct buf b = {0};

	store(&b);
	const uint8_t *p = buf_view(&b).p;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)b.len);
	assert_non_null(p12);
	assert_ptr_equal(p, buf_view(&b).p + b.len);
	assert_true(PKCS12_verify_mac(p12, "changeit", -1));
	assert_false(PKCS12_verify_mac(p12, "changeme", -1));
	STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
	assert_int_equal(sk_PKCS7_num(safes), 1);
	STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, 0));
	assert_int_equal(sk_PKCS12_SAFEBAG_num(bags), 3);
	for (int i = 0; i < 3; i++) {
		PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
		X509 *x = PKCS12_SAFEBAG_get1_cert(bag);
		BIO *out = BIO_new(BIO_s_mem());
		char *text, *name = PKCS12_get_friendlyname(bag), expect[16];
		PEM_write_bio_X509(out, x);
		assert_int_equal(BIO_get_mem_data(out, &text), strlen(ca[i]));
		assert_memory_equal(text, ca[i], strlen(ca[i]));
		snprintf(expect, sizeof(expect), "ca-%04d", i + 1);
		assert_string_equal(name, expect);
		OPENSSL_free(name);
		BIO_free(out);
		X509_free(x);
	}
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	PKCS12_free(p12);
	buf_done(&b);
}

/* keytool shows as trusted what carries the attribute, and nothing else. */
static void java_trusts_what_is_in_it(void **state)
{
	struct buf b = {0};
	char cmd[512], line[512];
	int trusted = 0;

	if (system("keytool -help >/dev/null 2>&1") != 0)
		skip();
	store(&b);
	const char *path = rig_file("store.p12", "");
	FILE *f = fopen(path, "w");
	assert_int_equal(fwrite(buf_view(&b).p, 1, b.len, f), b.len);
	fclose(f);
	buf_done(&b);
	snprintf(cmd, sizeof(cmd), "keytool -list -keystore %s -storepass changeit 2>&1", path);
	FILE *out = popen(cmd, "r");
	while (fgets(line, sizeof(line), out))
		trusted += strstr(line, "trustedCertEntry") != NULL;
	assert_int_equal(pclose(out), 0);
	assert_int_equal(trusted, 3);
}

/* ---- subjects ---- */

static void subjects_are_as_openssl_reads_them(void **state)
{
	for (int i = 0; i < 3; i++) {
		BIO *b = BIO_new_mem_buf(ca[i], -1);
		X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
		uint8_t *der = NULL;
		const uint8_t *p;
		size_t n;
		struct view subject;
		int len = i2d_X509(x, &der);
		assert_true(len > 0);
		assert_true(roots_host_subject(view_make(der, (size_t)len), &subject));
		assert_true(X509_NAME_get0_der(X509_get_subject_name(x), &p, &n));
		assert_int_equal(subject.len, n);
		assert_memory_equal(subject.p, p, n);
		for (int cut = 0; cut < len; cut++)
			assert_false(roots_host_subject(view_make(der, (size_t)cut), &subject));
		OPENSSL_free(der);
		X509_free(x);
		BIO_free(b);
	}
}

static void the_index_follows_the_file(void **state)
{
	char *two = join(ca[0], ca[1], "", "");

	rig_file("roots", two);
	struct roots_host *h = roots_host_get(), *same = roots_host_get();
	assert_non_null(h);
	assert_ptr_equal(h, same);
	rig_file("roots", ca[2]);
	struct roots_host *other = roots_host_get();
	assert_ptr_not_equal(h, other);
	for (int i = 0; i < 3; i++) {
		BIO *b = BIO_new_mem_buf(ca[i], -1);
		X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
		X509_STORE *s = X509_STORE_new();
		assert_int_equal(roots_host_add_issuers(h, x, s), i < 2);
		assert_int_equal(roots_host_add_issuers(other, x, s), i == 2);
		assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(s)), 1);
		X509_STORE_free(s);
		X509_free(x);
		BIO_free(b);
	}
	roots_host_put(h);
	roots_host_put(same);
	roots_host_put(other);
	free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_certificate_is_there_once),
		cmocka_unit_test(no_roots_are_an_error),
		cmocka_unit_test(the_java_store_is_pkcs12),
		cmocka_unit_test(java_trusts_what_is_in_it),
		cmocka_unit_test(subjects_are_as_openssl_reads_them),
		cmocka_unit_test(the_index_follows_the_file),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
