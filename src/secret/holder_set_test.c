// SPDX-License-Identifier: Apache-2.0
/* Secrets of the key holder: where values come from, and sets of them that change. */
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

	const struct secret *p = rig_secret_at(&r, 0);
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
	assert_int_equal(rig_secret_at(&r, 1)->on_violation, SECRET_BLOCK_AND_TERMINATE);

	rig_assert_value(rig_value(&r, 0, &a), "from-the-environment");
	rig_assert_value(rig_value(&r, 1, &a), "from-the-file");
	/* Its standard input is empty. */
	rig_assert_value(rig_value(&r, 2, &a), "from-the-command-at-end");
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
	assert_int_equal(strlen(rig_secret_at(&r, 0)->placeholder), SECRET_VALUE_MAX);
	assert_non_null(rig_value(&r, 0, &a));
	assert_int_equal(a.value->len, sizeof(bytes));
	assert_memory_equal(a.value->bytes, bytes, sizeof(bytes));
	secret_value_free(a.value);
	rig_done(&r);
	free(path);
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
	assert_int_equal(rig_secret_at(&r, SECRETS_MAX - 1)->host_count, SECRET_HOSTS);
	rig_assert_value(rig_value(&r, SECRETS_MAX - 1, &a), "value-of-many-0255");
	for (int i = 0; i < SECRETS_MAX; i++) {
		snprintf(name, sizeof(name), "HT_MANY_%d", i);
		unsetenv(name);
	}
	rig_done(&r);
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

	rig_assert_value(rig_value(&r, 0, &a), "second-value");
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_value(r.ch, old, 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	rig_assert_value(a.value, "first-value");

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
	rig_assert_value(a.value, "second-value");
	rig_done(&r);
	free(path);
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
	rig_assert_value(rig_value(&r, 0, &a), "first-value");
	rig_done(&r);
	free(path);
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
		rig_capture(&r, value);
	}
	assert_non_null(holder_ask_value(r.ch, kept[0], 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	assert_string_equal(a.err, "the secret is no longer what it was");
	a = (struct rig_answer){0};
	assert_non_null(holder_ask_value(r.ch, kept[MANY_SETS - 1], 0, rig_on_value, &a));
	assert_true(rig_run(&r, &a.done));
	rig_assert_value(a.value, "the-client-secret");
	for (int i = 0; i < MANY_SETS; i++)
		secret_set_unref(kept[i]);
	rig_done(&r);
}

/* ---- capture ---- */

static void captured_values_become_secrets(void **state)
{
	struct rig r;
	struct rig_answer a, b;

	rig_init(&r);
	rig_secret(&r, "CLIENT", CONFIG_SECRET_COMMAND, "echo the-client-secret")->capture = true;
	rig_start(&r);
	static const char token[] = "gho_16C7e42F292c6912E7710c838347Ae178B4a";
	a = rig_capture(&r, token);
	assert_memory_equal(a.text, "gho_", 4);
	assert_int_equal(strlen(a.text), strlen(token));
	assert_int_equal(r.sets, 1);
	assert_int_equal(holder_secrets(r.ch)->count, 2);
	const struct secret *s = rig_secret_at(&r, 1);
	assert_true(s->captured);
	assert_string_equal(s->placeholder, a.text);
	assert_string_equal(s->env_var, "CLIENT");
	assert_int_equal(s->host_count, 1);
	assert_string_equal(s->hosts[0].text, "api.test");
	rig_assert_value(rig_value(&r, 1, &b), token);

	/* The same once more is the same. */
	b = rig_capture(&r, token);
	assert_string_equal(b.text, a.text);
	assert_int_equal(holder_secrets(r.ch)->count, 2);

	/* A reload keeps it. */
	assert_string_equal(rig_reload(&r), "");
	assert_int_equal(holder_secrets(r.ch)->count, 2);
	assert_string_equal(rig_secret_at(&r, 1)->placeholder, a.text);

	/* The oldest goes at the cap. */
	for (int i = 0; i < SECRETS_CAPTURED_MAX; i++) {
		char value[32];
		snprintf(value, sizeof(value), "captured-value-%04d", i);
		rig_capture(&r, value);
	}
	assert_int_equal(holder_secrets(r.ch)->count, 1 + SECRETS_CAPTURED_MAX);
	for (size_t i = 1; i < holder_secrets(r.ch)->count; i++)
		assert_string_not_equal(rig_secret_at(&r, i)->placeholder, a.text);
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
	assert_string_equal(rig_secret_at(&r, 0)->placeholder, "placeholder-of-a");
	assert_memory_equal(rig_secret_at(&r, 1)->placeholder, "sk-", 3);
	assert_string_equal(rig_secret_at(&r, 1)->placeholder + 23, "-end");
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
		cmocka_unit_test(values_come_from_all_sources),
		cmocka_unit_test(a_source_that_fails_is_named),
		cmocka_unit_test(a_long_value_passes_whole),
		cmocka_unit_test(commands_run_side_by_side),
		cmocka_unit_test(as_many_secrets_and_hosts_as_allowed),
		cmocka_unit_test(a_value_that_changes_is_a_new_set_and_the_old_one_goes_on),
		cmocka_unit_test(an_overdue_value_is_read_before_it_is_handed_out),
		cmocka_unit_test(a_value_that_cannot_be_read_anew_stays),
		cmocka_unit_test(a_set_may_outlive_its_channel),
		cmocka_unit_test(sets_that_are_kept_for_ever_are_forgotten_in_turn),
		cmocka_unit_test(captured_values_become_secrets),
		cmocka_unit_test(only_a_secret_that_captures_does),
		cmocka_unit_test(placeholders_must_be_tellable_apart),
	};

	rig_be_holder(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
