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
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "secret/holder_priv.h"
#include "secret/holder_rig.h"

static void assert_value(const struct secret_value *v, const char *text)
{
	assert_non_null(v);
	assert_int_equal(v->len, strlen(text));
	assert_memory_equal(v->bytes, text, v->len);
}

static const struct secret *secret_at(struct rig *r, size_t i)
{
	struct secret_set *s = holder_secrets(r->ch);

	assert_true(i < s->count);
	return &s->list[i];
}

/* ---- the process ---- */

static void starts_tells_its_ca_and_ends(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_start(&r);
	pid_t pid = r.h->pid;
	assert_non_null(strstr(holder_ca_pem(r.h), "-----BEGIN CERTIFICATE-----"));
	assert_int_equal(holder_secrets(r.ch)->count, 0);
	struct pollfd p = {.fd = holder_fd(r.h), .events = POLLIN};
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
	struct pollfd p = {.fd = holder_fd(r.h), .events = POLLIN};
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

/* ---- sources ---- */

static void values_come_from_all_sources(void **state)
{
	struct rig r;
	struct rig_answer a;

	rig_init(&r);
	setenv("HT_SOURCE", "from-the-environment", 1);
	char *path = rig_file(&r, "token", "from-the-file\n", 14);
	struct config_secret *s = rig_secret(&r, "A", CONFIG_SECRET_ENV, "HT_SOURCE");
	s->injection.body = true;
	s->require = true;
	assert_true(strv_add(&s->passthrough, "*.pass.test"));
	s = rig_secret(&r, "B", CONFIG_SECRET_FILE, path);
	s->on_violation = CONFIG_VIOLATION_BLOCK_AND_TERMINATE;
	rig_secret(&r, "C", CONFIG_SECRET_COMMAND,
		   "printf from-$HT_PLAIN; read x || printf -- -at-end");
	setenv("HT_PLAIN", "the-command", 1);
	rig_start(&r);

	const struct secret *p = secret_at(&r, 0);
	assert_string_equal(p->env_var, "A");
	assert_int_equal(p->value_len, 20);
	assert_int_equal(p->places, SECRET_IN_HEADERS | SECRET_IN_BASIC | SECRET_IN_BODY);
	assert_int_equal(p->on_violation, SECRET_BLOCK_AND_LOG);
	assert_true(p->require && p->require_tls_identity && !p->capture && !p->captured);
	assert_int_equal(p->host_count, 1);
	assert_int_equal(p->passthrough_count, 1);
	struct name n;
	assert_int_equal(name_read("a.pass.test", 11, &n), NAME_OK);
	assert_true(secret_host_matches(p->passthrough, 1, &n));
	assert_false(secret_host_matches(p->hosts, 1, &n));
	assert_false(secret_set_concerns(holder_secrets(r.ch), &n));
	assert_int_equal(name_read("api.test", 8, &n), NAME_OK);
	assert_true(secret_set_concerns(holder_secrets(r.ch), &n));
	assert_int_equal(secret_at(&r, 1)->on_violation, SECRET_BLOCK_AND_TERMINATE);

	assert_value(rig_value(&r, 0, &a), "from-the-environment");
	secret_value_free(a.value);
	assert_value(rig_value(&r, 1, &a), "from-the-file");
	secret_value_free(a.value);
	/* Its standard input is empty. */
	assert_value(rig_value(&r, 2, &a), "from-the-command-at-end");
	secret_value_free(a.value);
	rig_done(&r);
	free(path);
}

static void a_source_that_fails_is_named(void **state)
{
	struct rig r;
	static const struct {
		enum config_secret_source source;
		const char *from, *why;
	} cases[] = {
		{CONFIG_SECRET_ENV, "HT_NONE", "there is no environment variable HT_NONE"},
		{CONFIG_SECRET_ENV, "HT_SHORT", "its value is shorter than 8 bytes"},
		{CONFIG_SECRET_FILE, "/nonexistent/token", "cannot open '/nonexistent/token'"},
		{CONFIG_SECRET_FILE, "/dev/zero", "'/dev/zero' is no regular file"},
		{CONFIG_SECRET_COMMAND, "exit 3", "its command failed with status 3"},
		{CONFIG_SECRET_COMMAND, "kill -9 $$", "its command was ended by signal 9"},
		{CONFIG_SECRET_COMMAND, "true", "its value is empty"},
		{CONFIG_SECRET_COMMAND, "printf 'hunter22\\nhunter23'", "has a line end in it"},
		{CONFIG_SECRET_COMMAND, "printf 'hunter22\\000hunter23'", "has a NUL in it"},
		{CONFIG_SECRET_COMMAND, "head -c 16385 /dev/zero | tr '\\000' x",
		 "its value is longer than 16384 bytes"},
	};

	rig_init(&r);
	setenv("HT_SHORT", "hunter2", 1);
	rig_secret(&r, "GOOD", CONFIG_SECRET_COMMAND, "echo good-value");
	struct config_secret *s = rig_secret(&r, "BAD", CONFIG_SECRET_ENV, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		free(s->from);
		s->source = cases[i].source;
		s->from = strdup(cases[i].from);
		const char *msg = rig_refused(&r);
		if (strncmp(msg, "test: BAD: ", 11) != 0 || !strstr(msg, cases[i].why))
			fail_msg("case %zu: %s", i, msg);
		assert_null(strstr(msg, "hunter"));
	}
	rig_done(&r);
}

static void a_long_value_passes_whole(void **state)
{
	struct rig r;
	struct rig_answer a;
	char bytes[SECRET_VALUE_MAX];

	rig_init(&r);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('!' + i % 90);
	char *path = rig_file(&r, "long", bytes, sizeof(bytes));
	rig_secret(&r, "LONG", CONFIG_SECRET_FILE, path);
	rig_start(&r);
	assert_int_equal(strlen(secret_at(&r, 0)->placeholder), SECRET_VALUE_MAX);
	assert_non_null(rig_value(&r, 0, &a));
	assert_int_equal(a.value->len, sizeof(bytes));
	assert_memory_equal(a.value->bytes, bytes, sizeof(bytes));
	secret_value_free(a.value);
	rig_done(&r);
	free(path);
}

/* ---- sets ---- */

static void a_value_that_changes_is_a_new_set_and_the_old_one_goes_on(void **state)
{
	struct rig r;
	struct rig_answer a = {0};

	rig_init(&r);
	char *path = rig_file(&r, "token", "first-value", 11);
	rig_secret(&r, "T", CONFIG_SECRET_FILE, path)->expiry_us = 1000000;
	rig_start(&r);
	struct secret_set *old = secret_set_ref(holder_secrets(r.ch));
	free(rig_file(&r, "token", "second-value", 12));
	for (int i = 0; i < 50 && !r.sets; i++)
		rig_run_ms(&r, 100);
	assert_int_equal(r.sets, 1);
	struct secret_set *now = holder_secrets(r.ch);
	assert_ptr_not_equal(now, old);
	assert_true(now->generation > old->generation);
	assert_string_equal(now->list[0].placeholder, old->list[0].placeholder);
	assert_int_equal(now->list[0].value_len, 12);

	assert_value(rig_value(&r, 0, &a), "second-value");
	secret_value_free(a.value);
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_value(r.ch, old, 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	assert_value(a.value, "first-value");
	secret_value_free(a.value);

	/* Forgotten: the holder knows the number no more. */
	struct secret_set ghost = {.generation = old->generation, .count = 1, .channel = r.ch};
	secret_set_unref(old);
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_value(r.ch, &ghost, 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "the secret is no longer what it was");
	rig_done(&r);
	free(path);
}

/* The clock goes on while the holder does not: a question that finds the value overdue waits for
 * the new one. */
static void an_overdue_value_is_read_before_it_is_handed_out(void **state)
{
	struct rig r;
	struct rig_answer a = {0};
	char command[160];

	rig_init(&r);
	char *path = rig_file(&r, "token", "first-value", 11);
	snprintf(command, sizeof(command), "sleep 0.1; cat '%s'", path);
	rig_secret(&r, "T", CONFIG_SECRET_COMMAND, command)->expiry_us = 1000000;
	rig_start(&r);
	kill(r.h->pid, SIGSTOP);
	free(rig_file(&r, "token", "second-value", 12));
	assert_non_null(holder_ask_value(r.ch, holder_secrets(r.ch), 0, rig_on_value, &a));
	rig_run_ms(&r, 1100);
	assert_false(a.done);
	kill(r.h->pid, SIGCONT);
	assert_true(rig_run(&r, &a.done));
	assert_value(a.value, "second-value");
	secret_value_free(a.value);
	rig_done(&r);
	free(path);
}

static struct rig_answer capture(struct rig *r, const char *value)
{
	struct rig_answer a = {0};

	assert_non_null(holder_ask_capture(r->ch, holder_secrets(r->ch), 0,
					   view_make(value, strlen(value)), rig_on_text, &a));
	assert_true(rig_run(r, &a.done));
	assert_string_equal(a.err, "");
	return a;
}

#define MANY_SETS 300 /* more than the holder keeps */

static void sets_that_are_kept_for_ever_are_forgotten_in_turn(void **state)
{
	struct rig r;
	struct rig_answer a = {0};
	static struct secret_set *kept[MANY_SETS];
	char value[32];

	rig_init(&r);
	rig_secret(&r, "T", CONFIG_SECRET_COMMAND, "echo the-client-secret")->capture = true;
	rig_start(&r);
	for (int i = 0; i < MANY_SETS; i++) {
		kept[i] = secret_set_ref(holder_secrets(r.ch));
		snprintf(value, sizeof(value), "captured-value-%04d", i);
		capture(&r, value);
	}
	assert_non_null(holder_ask_value(r.ch, kept[0], 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "the secret is no longer what it was");
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_value(r.ch, kept[MANY_SETS - 1], 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	assert_value(a.value, "the-client-secret");
	secret_value_free(a.value);
	for (int i = 0; i < MANY_SETS; i++)
		secret_set_unref(kept[i]);
	rig_done(&r);
}

static void as_many_secrets_and_hosts_as_allowed(void **state)
{
	struct rig r;
	struct rig_answer a;
	char name[32], text[NAME_TEXT_MAX + 1];

	rig_init(&r);
	for (int i = 0; i < SECRETS_MAX; i++) {
		snprintf(name, sizeof(name), "HT_MANY_%d", i);
		snprintf(text, sizeof(text), "value-of-many-%04d", i);
		setenv(name, text, 1);
		struct config_secret *s = rig_secret(&r, name, CONFIG_SECRET_ENV, name);
		for (int j = 1; j < SECRET_HOSTS; j++) {
			snprintf(text, sizeof(text), "host-%d-%d.%060d.%060d.%060d.test", i, j, 0,
				 0, 0);
			assert_true(strv_add(&s->hosts, text));
		}
	}
	rig_start(&r);
	assert_int_equal(holder_secrets(r.ch)->count, SECRETS_MAX);
	assert_int_equal(secret_at(&r, SECRETS_MAX - 1)->host_count, SECRET_HOSTS);
	assert_value(rig_value(&r, SECRETS_MAX - 1, &a), "value-of-many-0255");
	secret_value_free(a.value);
	for (int i = 0; i < SECRETS_MAX; i++) {
		snprintf(name, sizeof(name), "HT_MANY_%d", i);
		unsetenv(name);
	}
	rig_done(&r);
}

static void commands_run_side_by_side(void **state)
{
	struct rig r;
	char name[32];

	rig_init(&r);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "C%d", i);
		rig_secret(&r, name, CONFIG_SECRET_COMMAND, "sleep 0.3; echo $$-is-the-value");
	}
	uint64_t start = clock_now_us();
	rig_start(&r);
	/* One after the other it were twelve seconds. */
	assert_true(clock_now_us() - start < 6000000);
	assert_int_equal(holder_secrets(r.ch)->count, 40);
	rig_done(&r);
}

static void a_set_may_outlive_its_channel(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_secret(&r, "T", CONFIG_SECRET_COMMAND, "echo some-value");
	rig_start(&r);
	struct secret_set *s = secret_set_ref(holder_secrets(r.ch));
	rig_done(&r);
	assert_string_equal(s->list[0].env_var, "T");
	secret_set_unref(s);
}

static void a_value_that_cannot_be_read_anew_stays(void **state)
{
	struct rig r;
	struct rig_answer a;

	rig_init(&r);
	char *path = rig_file(&r, "token", "first-value", 11);
	rig_secret(&r, "T", CONFIG_SECRET_FILE, path)->expiry_us = 1000000;
	rig_start(&r);
	assert_int_equal(unlink(path), 0);
	rig_run_ms(&r, 1500);
	assert_int_equal(r.sets, 0);
	assert_value(rig_value(&r, 0, &a), "first-value");
	secret_value_free(a.value);
	rig_done(&r);
	free(path);
}

static void reload_keeps_placeholders_or_everything(void **state)
{
	struct rig r;
	struct rig_answer a;

	rig_init(&r);
	setenv("HT_KEEP", "value-to-be-kept", 1);
	struct config_secret *s = rig_secret(&r, "A", CONFIG_SECRET_ENV, "HT_KEEP");
	rig_start(&r);
	char *placeholder = strdup(secret_at(&r, 0)->placeholder);
	uint64_t generation = holder_secrets(r.ch)->generation;

	rig_secret(&r, "B", CONFIG_SECRET_COMMAND, "exit 1");
	assert_non_null(strstr(rig_reload(&r), "its command failed with status 1"));
	assert_int_equal(holder_secrets(r.ch)->generation, generation);

	/* The variable is gone from the environment, and yet known. */
	s = &r.conf.secrets.list[1];
	free(s->from);
	s->from = strdup("echo the-second-value");
	/* An answer that comes meanwhile is not lost, and one that fails is not the reload's. */
	a = (struct rig_answer){0};
	struct rig_answer none = {0};
	struct secret_set forged = {.generation = generation, .count = 9, .channel = r.ch};
	assert_non_null(holder_ask_value(r.ch, &forged, 8, rig_on_value, &none));
	assert_non_null(holder_ask_value(r.ch, holder_secrets(r.ch), 0, rig_on_value, &a));
	assert_string_equal(rig_reload(&r), "");
	assert_int_equal(r.sets, 0);
	assert_int_equal(holder_secrets(r.ch)->count, 2);
	assert_string_equal(secret_at(&r, 0)->placeholder, placeholder);
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(none.err, "there is no such secret");
	assert_value(a.value, "value-to-be-kept");
	secret_value_free(a.value);
	assert_value(rig_value(&r, 1, &a), "the-second-value");
	secret_value_free(a.value);
	free(placeholder);
	rig_done(&r);
}

/* A source may take its time: meanwhile everything is as it was, and questions are answered. */
static void nobody_waits_for_a_reload(void **state)
{
	struct rig r;
	struct error err;
	struct rig_answer a, reload = {0}, second = {0};

	rig_init(&r);
	struct config_secret *s =
		rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-number-one");
	rig_start(&r);
	free(s->from);
	s->from = strdup("sleep 0.5; echo value-number-two");
	struct secret_set *before = holder_secrets(r.ch);
	assert_int_equal(holder_channel_reload(r.ch, &r.conf, rig_on_reload, &reload, &err), 0);
	assert_value(rig_value(&r, 0, &a), "value-number-one");
	secret_value_free(a.value);
	assert_false(reload.done);
	assert_ptr_equal(holder_secrets(r.ch), before);
	assert_int_equal(holder_channel_reload(r.ch, &r.conf, rig_on_reload, &second, &err), -1);
	assert_string_equal(err.msg, "the secrets are being read already");
	assert_true(rig_run(&r, &reload.done));
	assert_string_equal(reload.err, "");
	assert_value(rig_value(&r, 0, &a), "value-number-two");
	secret_value_free(a.value);
	assert_int_equal(reload.times, 1);
	assert_int_equal(second.times, 0);
	assert_int_equal(r.sets, 0);
	rig_done(&r);
}

static void its_death_fails_a_reload_once(void **state)
{
	struct rig r;
	struct error err;
	struct rig_answer reload = {0};

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-number-one");
	rig_start(&r);
	kill(r.h->pid, SIGSTOP);
	assert_int_equal(holder_channel_reload(r.ch, &r.conf, rig_on_reload, &reload, &err), 0);
	kill(r.h->pid, SIGKILL);
	assert_true(rig_run(&r, &reload.done));
	rig_run_ms(&r, 20);
	assert_string_equal(reload.err, "the key holder has gone");
	assert_int_equal(reload.times, 1);
	assert_int_equal(holder_secrets(r.ch)->count, 1);
	rig_done(&r);
}

static void a_reload_ends_with_its_channel(void **state)
{
	struct rig r;
	struct error err;
	struct rig_answer reload = {0};

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-number-one");
	rig_start(&r);
	assert_int_equal(holder_channel_reload(r.ch, &r.conf, rig_on_reload, &reload, &err), 0);
	holder_channel_free(r.ch);
	r.ch = NULL;
	rig_run_ms(&r, 50);
	assert_int_equal(reload.times, 0);
	rig_done(&r);
}

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

/* ---- questions ---- */

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
	assert_int_equal(secret_at(&r, 0)->signer, SECRET_SIGV4);
	assert_int_equal(strlen(secret_at(&r, 0)->placeholder), 11);
	assert_non_null(holder_ask_sign(r.ch, holder_secrets(r.ch), 0, &s, rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "");
	assert_string_equal(a.text,
			    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
	/* The id is what stands in for the placeholder; the key is never handed out. */
	assert_value(rig_value(&r, 0, &a), "AKIDEXAMPLE");
	secret_value_free(a.value);
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
	assert_string_equal(secret_at(&r, 0)->header, "X-Signature");
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

/* ---- capture ---- */

static void captured_values_become_secrets(void **state)
{
	struct rig r;
	struct rig_answer a = {0}, b = {0};

	rig_init(&r);
	rig_secret(&r, "CLIENT", CONFIG_SECRET_COMMAND, "echo the-client-secret")->capture = true;
	rig_start(&r);
	static const char token[] = "gho_16C7e42F292c6912E7710c838347Ae178B4a";
	assert_non_null(holder_ask_capture(r.ch, holder_secrets(r.ch), 0,
					   view_make(token, sizeof(token) - 1), rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "");
	assert_memory_equal(a.text, "gho_", 4);
	assert_int_equal(strlen(a.text), strlen(token));
	assert_int_equal(r.sets, 1);
	assert_int_equal(holder_secrets(r.ch)->count, 2);
	const struct secret *s = secret_at(&r, 1);
	assert_true(s->captured);
	assert_string_equal(s->placeholder, a.text);
	assert_string_equal(s->env_var, "CLIENT");
	assert_int_equal(s->host_count, 1);
	assert_string_equal(s->hosts[0].text, "api.test");
	assert_value(rig_value(&r, 1, &b), token);
	secret_value_free(b.value);

	/* The same once more is the same. */
	b = (struct rig_answer){0};
	assert_non_null(holder_ask_capture(r.ch, holder_secrets(r.ch), 0,
					   view_make(token, sizeof(token) - 1), rig_on_text, &b));
	assert_true(rig_run(&r, &b.done));
	assert_string_equal(b.text, a.text);
	assert_int_equal(holder_secrets(r.ch)->count, 2);

	/* A reload keeps it. */
	assert_string_equal(rig_reload(&r), "");
	assert_int_equal(holder_secrets(r.ch)->count, 2);
	assert_string_equal(secret_at(&r, 1)->placeholder, a.text);

	/* The oldest goes at the cap. */
	for (int i = 0; i < SECRETS_CAPTURED_MAX; i++) {
		char value[32];
		snprintf(value, sizeof(value), "captured-value-%04d", i);
		b = (struct rig_answer){0};
		assert_non_null(holder_ask_capture(r.ch, holder_secrets(r.ch), 0,
						   view_make(value, strlen(value)), rig_on_text,
						   &b));
		assert_true(rig_run(&r, &b.done));
		assert_string_equal(b.err, "");
	}
	assert_int_equal(holder_secrets(r.ch)->count, 1 + SECRETS_CAPTURED_MAX);
	for (size_t i = 1; i < holder_secrets(r.ch)->count; i++)
		assert_string_not_equal(secret_at(&r, i)->placeholder, a.text);
	rig_done(&r);
}

static void only_a_secret_that_captures_does(void **state)
{
	struct rig r;
	struct rig_answer a = {0};

	rig_init(&r);
	rig_secret(&r, "CLIENT", CONFIG_SECRET_COMMAND, "echo the-client-secret");
	rig_start(&r);
	assert_non_null(holder_ask_capture(r.ch, holder_secrets(r.ch), 0,
					   view_make("some-token", 10), rig_on_text, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "the secret captures nothing");
	rig_done(&r);
}

/* ---- the seal ---- */

static void assert_reload(struct rig *r, const char *refused)
{
	const char *why = rig_reload(r);

	if (!refused)
		assert_string_equal(why, "");
	else if (!strstr(why, refused))
		fail_msg("another reason: %s", why);
}

/* Changes one text of the first secret, sees the reload refused, and puts it back. */
static void assert_sealed(struct rig *r, char **field, const char *text)
{
	char *before = *field;

	*field = strdup(text);
	assert_reload(r, "was not started with this source");
	free(*field);
	*field = before;
}

static void sealed_it_reads_no_source_that_is_new(void **state)
{
	struct rig r;
	struct error err;
	struct rig_answer a = {0};

	setenv("SEAL_OTHER", "value-of-another-variable", 1);
	rig_init(&r);
	char *key = rig_file(&r, "key", "value-of-the-file", 17);
	char *other = rig_file(&r, "other", "what-the-guest-would-like", 25);
	char mark[128], command[160];
	snprintf(mark, sizeof(mark), "%s/mark", r.dir);
	snprintf(command, sizeof(command), "touch %s; echo value-of-a-command", mark);
	struct config_secret *s = rig_secret(&r, "KEY", CONFIG_SECRET_FILE, key);
	rig_start(&r);
	assert_int_equal(holder_seal(r.h, NULL, 0, &err), 0);
	assert_reload(&r, NULL);
	assert_value(rig_value(&r, 0, &a), "value-of-the-file");
	secret_value_free(a.value);

	/* Everything that decides what is read, and who is shown it. */
	assert_sealed(&r, &s->from, other);
	assert_sealed(&r, &s->token_url, "https://evil.test/token");
	s->source = CONFIG_SECRET_COMMAND;
	assert_sealed(&r, &s->from, command);
	s->source = CONFIG_SECRET_ENV;
	assert_sealed(&r, &s->from, "SEAL_OTHER");
	s->source = CONFIG_SECRET_FILE;
	s->signer = CONFIG_SIGNER_HMAC;
	assert_reload(&r, "was not started with this source");
	s->signer = CONFIG_SIGNER_NONE;
	assert_true(strv_add(&r.conf.tls.upstream_ca, other));
	assert_reload(&r, "was not started with this source");
	strv_done(&r.conf.tls.upstream_ca);
	rig_secret(&r, "NEW", CONFIG_SECRET_COMMAND, command);
	assert_reload(&r, "test: NEW: the gateway was not started with this source");
	assert_int_equal(access(mark, F_OK), -1);
	assert_int_equal(holder_secrets(r.ch)->count, 1);
	/* Nor on another channel. */
	assert_null(holder_channel_new(r.h, &r.conf, NULL, NULL, &err));
	assert_non_null(strstr(err.msg, "was not started with this source"));
	rig_done(&r);
	free(key);
	free(other);
	unsetenv("SEAL_OTHER");
}

/* It reads the files by itself; what the packet process says of them does not count. */
static void sealed_it_takes_new_sources_from_the_file(void **state)
{
	static const char one[] = "secrets: {secrets: [{env_var: A, command: echo value-of-a, "
				  "allowed_hosts: [api.test]}]}\n";
	static const char two[] =
		"secrets: {secrets: [{env_var: A, command: echo value-of-a, allowed_hosts: "
		"[api.test]}, {env_var: B, command: echo value-of-b, allowed_hosts: [b.test]}]}\n";
	struct rig r;
	struct error err;
	struct rig_answer a = {0};

	rig_init(&r);
	char *path = rig_file(&r, "weir.yaml", one, sizeof(one) - 1);
	const char *files[] = {path};
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-of-a");
	rig_start(&r);
	assert_int_equal(holder_seal(r.h, files, 1, &err), 0);
	rig_secret(&r, "B", CONFIG_SECRET_COMMAND, "echo value-of-b");
	assert_reload(&r, "test: B: the gateway was not started with this source");
	free(rig_file(&r, "weir.yaml", two, sizeof(two) - 1));
	assert_reload(&r, NULL);
	assert_value(rig_value(&r, 1, &a), "value-of-b");
	secret_value_free(a.value);
	free(rig_file(&r, "weir.yaml", "secrets: [", 10));
	assert_reload(&r, "test: B: the gateway was not started with this source");
	assert_int_equal(holder_secrets(r.ch)->count, 2);
	rig_done(&r);
	free(path);
}

/* Whoever has taken over the packet process cannot seal it anew, with files of its own. */
static void a_seal_is_set_once(void **state)
{
	struct rig r;
	struct error err;

	rig_init(&r);
	rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-of-a");
	rig_start(&r);
	const char *files[] = {"/nowhere"};
	assert_int_equal(holder_seal(r.h, NULL, 0, &err), 0);
	assert_int_equal(holder_seal(r.h, files, 1, &err), -1);
	rig_done(&r);
}

/* ---- placeholders ---- */

static void placeholders_must_be_tellable_apart(void **state)
{
	struct rig r;

	rig_init(&r);
	struct config_secret *a = rig_secret(&r, "A", CONFIG_SECRET_COMMAND, "echo value-of-a");
	a->placeholder = strdup("placeholder-of-a");
	rig_secret(&r, "B", CONFIG_SECRET_COMMAND, "echo value-of-b");
	struct config_secret *b = &r.conf.secrets.list[1];
	b->placeholder = strdup("placeholder-of-a");
	assert_string_equal(rig_refused(&r), "test: B: its placeholder and that of A are part of "
					     "each other");
	free(b->placeholder);
	b->placeholder = strdup("der-of-a");
	assert_non_null(strstr(rig_refused(&r), "are part of each other"));
	free(b->placeholder);
	b->placeholder = strdup("has-value-of-a-in-it");
	assert_string_equal(rig_refused(&r), "test: B: its placeholder and the value of A are part "
					     "of each other");
	free(b->placeholder);
	b->placeholder = strdup("short");
	assert_non_null(strstr(rig_refused(&r), "shorter than 8"));
	free(b->placeholder);
	b->placeholder = NULL;
	b->format = strdup("sk-XXXXXXXXXXXXXXXXXXXX-end");
	rig_start(&r);
	assert_string_equal(secret_at(&r, 0)->placeholder, "placeholder-of-a");
	assert_memory_equal(secret_at(&r, 1)->placeholder, "sk-", 3);
	assert_string_equal(secret_at(&r, 1)->placeholder + 23, "-end");
	struct needle_hit hit;
	size_t safe;
	assert_true(needle_find(holder_secrets(r.ch)->placeholders,
				view_make("xx placeholder-of-a yy", 22), 0, true, &hit, &safe));
	assert_int_equal(hit.at, 3);
	assert_int_equal(hit.needle->tag, 0);
	rig_done(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_tells_its_ca_and_ends),
		cmocka_unit_test(a_ca_that_cannot_be_read_is_told),
		cmocka_unit_test(is_in_a_session_of_its_own_and_ignores_the_terminal),
		cmocka_unit_test(its_death_fails_each_question_once),
		cmocka_unit_test(values_come_from_all_sources),
		cmocka_unit_test(a_source_that_fails_is_named),
		cmocka_unit_test(a_long_value_passes_whole),
		cmocka_unit_test(a_value_that_changes_is_a_new_set_and_the_old_one_goes_on),
		cmocka_unit_test(an_overdue_value_is_read_before_it_is_handed_out),
		cmocka_unit_test(sets_that_are_kept_for_ever_are_forgotten_in_turn),
		cmocka_unit_test(as_many_secrets_and_hosts_as_allowed),
		cmocka_unit_test(commands_run_side_by_side),
		cmocka_unit_test(a_set_may_outlive_its_channel),
		cmocka_unit_test(a_value_that_cannot_be_read_anew_stays),
		cmocka_unit_test(reload_keeps_placeholders_or_everything),
		cmocka_unit_test(nobody_waits_for_a_reload),
		cmocka_unit_test(its_death_fails_a_reload_once),
		cmocka_unit_test(a_reload_ends_with_its_channel),
		cmocka_unit_test(channels_know_their_own_secrets_only),
		cmocka_unit_test(leaves_are_signed_by_the_ca),
		cmocka_unit_test(cancelled_questions_are_not_answered),
		cmocka_unit_test(as_many_questions_as_allowed),
		cmocka_unit_test(a_channel_may_be_freed_by_an_answer),
		cmocka_unit_test(sigv4_signs_as_aws_shows),
		cmocka_unit_test(hmac_signs_as_rfc_4231_shows),
		cmocka_unit_test(captured_values_become_secrets),
		cmocka_unit_test(only_a_secret_that_captures_does),
		cmocka_unit_test(sealed_it_reads_no_source_that_is_new),
		cmocka_unit_test(sealed_it_takes_new_sources_from_the_file),
		cmocka_unit_test(a_seal_is_set_once),
		cmocka_unit_test(placeholders_must_be_tellable_apart),
	};

	rig_be_holder(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
