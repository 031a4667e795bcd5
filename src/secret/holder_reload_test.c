// SPDX-License-Identifier: Apache-2.0
/* Reading secrets anew: what stays, who waits, and what a sealed holder refuses to read. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "secret/holder_priv.h"
#include "secret/holder_rig.h"

static void reload_keeps_placeholders_or_everything(void **state)
{
	struct rig r;
	struct rig_answer a;

	rig_init(&r);
	setenv("HT_KEEP", "value-to-be-kept", 1);
	struct config_secret *s = rig_secret(&r, "A", CONFIG_SECRET_ENV, "HT_KEEP");
	rig_start(&r);
	char *placeholder = strdup(rig_secret_at(&r, 0)->placeholder);
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
	assert_string_equal(rig_secret_at(&r, 0)->placeholder, placeholder);
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(none.err, "there is no such secret");
	rig_assert_value(a.value, "value-to-be-kept");
	rig_assert_value(rig_value(&r, 1, &a), "the-second-value");
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
	rig_assert_value(rig_value(&r, 0, &a), "value-number-one");
	assert_false(reload.done);
	assert_ptr_equal(holder_secrets(r.ch), before);
	assert_int_equal(holder_channel_reload(r.ch, &r.conf, rig_on_reload, &second, &err), -1);
	assert_string_equal(err.msg, "the secrets are being read already");
	assert_true(rig_run(&r, &reload.done));
	assert_string_equal(reload.err, "");
	rig_assert_value(rig_value(&r, 0, &a), "value-number-two");
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
	rig_assert_value(rig_value(&r, 0, &a), "value-of-the-file");

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
	rig_assert_value(rig_value(&r, 1, &a), "value-of-b");
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload_keeps_placeholders_or_everything),
		cmocka_unit_test(nobody_waits_for_a_reload),
		cmocka_unit_test(its_death_fails_a_reload_once),
		cmocka_unit_test(a_reload_ends_with_its_channel),
		cmocka_unit_test(sealed_it_reads_no_source_that_is_new),
		cmocka_unit_test(sealed_it_takes_new_sources_from_the_file),
		cmocka_unit_test(a_seal_is_set_once),
	};

	rig_be_holder(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
