// SPDX-License-Identifier: Apache-2.0
/* The key holder as the packet process sees it: a real process, asked over a real channel. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "secret/holder_priv.h"
#include "secret/holder_rig.h"

/* ---- the process ---- */

static void starts_tells_its_ca_and_ends(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	pid_t pid = r.h->pid;
	assert_non_null(strstr(holder_ca_pem(r.h), "-----BEGIN CERTIFICATE-----"));
	assert_int_equal(holder_secrets(r.ch)->count, 0);
	struct pollfd p = {.fd = r.h->fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	holder_channel_free(r.ch);
	r.ch = NULL;
	holder_stop(r.h);
	r.h = NULL;
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	rig_done(&r);
}

static void a_ca_that_cannot_be_read_is_told(void **state)
{
	struct rig r;
	struct error err;

	rig_init(&r);
	r.conf.tls.ca_cert = strdup("/nonexistent/ca.crt");
	r.conf.tls.ca_key = strdup("/nonexistent/ca.key");
	assert_null(holder_start(&r.conf, &err));
	assert_non_null(strstr(err.msg, "/nonexistent/ca"));
	rig_done(&r);
}

static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[256];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f))
		found |= strncmp(text, line, strlen(line)) == 0;
	fclose(f);
	return found;
}

static void is_in_a_session_of_its_own_and_ignores_the_terminal(void **state)
{
	struct rig r;
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGQUIT, SIGPIPE};

	rig_init(&r);
	rig_start(&r);
	assert_int_equal(getsid(r.h->pid), r.h->pid);
	assert_true(status_has(r.h->pid, "Name:\tweir: keys"));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		kill(r.h->pid, signals[i]);
	struct rig_answer a = {0};
	assert_non_null(holder_ask_leaf(r.ch, "x.test", view_make("x", 1), rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	rig_done(&r);
}

static void its_death_fails_each_question_once(void **state)
{
	struct rig r;
	struct rig_answer a[3] = {0};

	rig_init(&r);
	setenv("HT_DEATH", "value-before-death", 1);
	rig_secret(&r, "HT_DEATH", CONFIG_SECRET_ENV, "HT_DEATH");
	rig_start(&r);
	kill(r.h->pid, SIGSTOP);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(
			holder_ask_value(r.ch, holder_secrets(r.ch), 0, rig_on_value, &a[i]));
	struct holder_ask *cancelled =
		holder_ask_value(r.ch, holder_secrets(r.ch), 0, rig_on_value, &a[0]);
	holder_ask_cancel(cancelled);
	kill(r.h->pid, SIGKILL);
	struct pollfd p = {.fd = r.h->fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(rig_run(&r, &a[2].done));
	rig_run_ms(&r, 20);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(a[i].times, 1);
		assert_string_equal(a[i].err, "the key holder has gone");
	}
	assert_null(holder_ask_value(r.ch, holder_secrets(r.ch), 0, rig_on_value, &a[0]));
	struct error err;
	assert_string_equal(rig_reload(&r), "the key holder has gone");
	assert_null(holder_channel_new(r.h, &r.conf, NULL, NULL, &err));
	assert_string_equal(err.msg, "the key holder has gone");
	/* What is known stays known. */
	assert_int_equal(holder_secrets(r.ch)->count, 1);
	rig_done(&r);
}

/* ---- questions ---- */

static void channels_know_their_own_secrets_only(void **state)
{
	struct rig r;
	struct error err;
	struct rig_answer a = {0};
	struct config none;

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-of-the-first");
	rig_start(&r);
	config_init(&none);
	struct holder_channel *other = holder_channel_new(r.h, &none, NULL, NULL, &err);
	assert_non_null(other);
	assert_int_equal(holder_channel_attach(other, &r.loop, &err), 0);
	assert_int_equal(holder_secrets(other)->count, 0);
	/* By the client's own care, and by the holder's. */
	assert_null(holder_ask_value(other, holder_secrets(r.ch), 0, rig_on_value, &a));
	struct secret_set forged = {.generation = holder_secrets(r.ch)->generation,
				    .count = 9,
				    .channel = other};
	assert_non_null(holder_ask_value(other, &forged, 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	assert_null(a.value);
	assert_string_equal(a.err, "there is no such secret");
	holder_channel_free(other);
	config_done(&none);
	rig_done(&r);
}

static void leaves_are_signed_by_the_ca(void **state)
{
	struct rig r;
	struct rig_answer a = {0};
	unsigned char *spki = NULL;

	rig_init(&r);
	rig_start(&r);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	int n = i2d_PUBKEY(key, &spki);
	assert_true(n > 0);
	assert_non_null(
		holder_ask_leaf(r.ch, "api.test", view_make(spki, (size_t)n), rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "");
	const unsigned char *p = (const unsigned char *)a.text;
	X509 *leaf = d2i_X509(NULL, &p, (long)a.len);
	assert_non_null(leaf);
	BIO *bio = BIO_new_mem_buf(holder_ca_pem(r.h), -1);
	X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_int_equal(X509_verify(leaf, X509_get0_pubkey(ca)), 1);
	assert_int_equal(X509_check_host(leaf, "api.test", 0, 0, NULL), 1);
	X509_free(leaf);
	X509_free(ca);
	BIO_free(bio);
	EVP_PKEY_free(key);

	/* What is no host gets no certificate. */
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_leaf(r.ch, "a\nb", view_make(spki, (size_t)n), rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "that is no host");
	OPENSSL_free(spki);
	rig_done(&r);
}

static void cancelled_questions_are_not_answered(void **state)
{
	struct rig r;
	struct rig_answer a = {0}, b = {0};

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo some-value");
	rig_start(&r);
	struct secret_set *s = holder_secrets(r.ch);
	struct holder_ask *x = holder_ask_value(r.ch, s, 0, rig_on_value, &a);
	assert_non_null(x);
	assert_non_null(holder_ask_value(r.ch, s, 0, rig_on_value, &b));
	holder_ask_cancel(x);
	assert_true(rig_run(&r, &b.done));
	rig_run_ms(&r, 50);
	assert_false(a.done);
	secret_value_free(b.value);
	rig_done(&r);
}

static unsigned answered;
static void count_answer(void *arg, struct secret_value *v, const char *err)
{
	assert_non_null(v);
	secret_value_free(v);
	answered++;
	*(bool *)arg = answered == HOLDER_ASKS_MAX;
}

static void as_many_questions_as_allowed(void **state)
{
	struct rig r;
	bool done = false;

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "head -c 16000 /dev/zero | tr '\\000' v");
	rig_start(&r);
	struct secret_set *s = holder_secrets(r.ch);
	answered = 0;
	for (size_t i = 0; i < HOLDER_ASKS_MAX; i++)
		assert_non_null(holder_ask_value(r.ch, s, 0, count_answer, &done));
	assert_null(holder_ask_value(r.ch, s, 0, count_answer, &done));
	assert_true(rig_run(&r, &done));
	/* All have been answered: there is room again. */
	done = false;
	answered = HOLDER_ASKS_MAX - 1;
	assert_non_null(holder_ask_value(r.ch, s, 0, count_answer, &done));
	assert_true(rig_run(&r, &done));
	rig_done(&r);
}

static struct holder_channel *to_free;
static void free_the_channel(void *arg, struct secret_value *v, const char *err)
{
	secret_value_free(v);
	holder_channel_free(to_free);
	*(bool *)arg = true;
}

static void a_channel_may_be_freed_by_an_answer(void **state)
{
	struct rig r;
	bool done = false, never = false;

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo some-value");
	rig_start(&r);
	struct secret_set *s = holder_secrets(r.ch);
	assert_non_null(holder_ask_value(r.ch, s, 0, free_the_channel, &done));
	assert_non_null(holder_ask_value(r.ch, s, 0, count_answer, &never));
	to_free = r.ch;
	r.ch = NULL;
	assert_true(rig_run(&r, &done));
	rig_run_ms(&r, 20);
	assert_false(never);
	rig_done(&r);
}

/* ---- signers ---- */

static void sigv4_signs_as_aws_shows(void **state)
{
	struct rig r;
	struct rig_answer a = {0};
	/* The example of the documentation of Signature Version 4. */
	static const char text[] =
		"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
		"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
	const struct holder_sign s = {.text = view_make(text, sizeof(text) - 1),
				      .date = "20150830",
				      .region = "us-east-1",
				      .service = "iam"};

	rig_init(&r);
	setenv("HT_AWS", "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
	rig_secret(&r, "AWS", CONFIG_SECRET_ENV, "HT_AWS")->signer = CONFIG_SIGNER_SIGV4;
	rig_start(&r);
	assert_int_equal(rig_secret_at(&r, 0)->signer, SECRET_SIGV4);
	assert_int_equal(strlen(rig_secret_at(&r, 0)->placeholder), 11);
	assert_non_null(holder_ask_sign(r.ch, holder_secrets(r.ch), 0, &s, rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "");
	assert_string_equal(a.text,
			    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
	/* The id is what stands in for the placeholder; the key is never handed out. */
	rig_assert_value(rig_value(&r, 0, &a), "AKIDEXAMPLE");
	/* Both are looked for in answers. */
	static const char key[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
	struct needle_hit hit;
	size_t safe;
	assert_true(needle_find(holder_secrets(r.ch)->values, view_make(key, sizeof(key) - 1), 0,
				true, &hit, &safe));

	struct holder_sign other = s;
	other.text = view_make("anything else than that", 23);
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_sign(r.ch, holder_secrets(r.ch), 0, &other, rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_not_equal(a.err, "");
	rig_done(&r);
}

static void hmac_signs_as_rfc_4231_shows(void **state)
{
	struct rig r;
	struct rig_answer a = {0};
	const struct holder_sign s = {.text = view_make("Hi There", 8)};
	char key[20];

	rig_init(&r);
	memset(key, 0x0b, sizeof(key));
	char *path = rig_file(&r, "key", key, sizeof(key));
	struct config_secret *c = rig_secret(&r, "H", CONFIG_SECRET_FILE, path);
	c->signer = CONFIG_SIGNER_HMAC;
	c->header = strdup("X-Signature");
	c = rig_secret(&r, "H1", CONFIG_SECRET_FILE, path);
	c->signer = CONFIG_SIGNER_HMAC;
	c->header = strdup("X-Signature");
	c->algorithm = strdup("sha1");
	rig_start(&r);
	assert_string_equal(rig_secret_at(&r, 0)->header, "X-Signature");
	assert_non_null(holder_ask_sign(r.ch, holder_secrets(r.ch), 0, &s, rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.text,
			    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_sign(r.ch, holder_secrets(r.ch), 1, &s, rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.text, "b617318655057264e28bc0b6fb378c8ef146be00");
	assert_null(rig_value(&r, 0, &a));
	assert_string_equal(a.err, "the secret signs, and is not handed out");
	rig_done(&r);
	free(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_tells_its_ca_and_ends),
		cmocka_unit_test(a_ca_that_cannot_be_read_is_told),
		cmocka_unit_test(is_in_a_session_of_its_own_and_ignores_the_terminal),
		cmocka_unit_test(its_death_fails_each_question_once),
		cmocka_unit_test(channels_know_their_own_secrets_only),
		cmocka_unit_test(leaves_are_signed_by_the_ca),
		cmocka_unit_test(cancelled_questions_are_not_answered),
		cmocka_unit_test(as_many_questions_as_allowed),
		cmocka_unit_test(a_channel_may_be_freed_by_an_answer),
		cmocka_unit_test(sigv4_signs_as_aws_shows),
		cmocka_unit_test(hmac_signs_as_rfc_4231_shows),
	};

	rig_be_holder(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
