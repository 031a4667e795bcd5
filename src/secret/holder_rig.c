// SPDX-License-Identifier: Apache-2.0
/* A holder for tests. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "secret/holder_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "secret/holder_spawn.h"

void rig_be_holder(int argc, char **argv)
{
	holder_is_this_program();
	if (argc == 2 && strcmp(argv[1], "keyholder") == 0)
		exit(holder_main(HOLDER_FD));
}

void rig_init(struct rig *r)
{
	struct error err;

	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/weir-holder-test.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	setenv("XDG_STATE_HOME", r->dir, 1);
	config_init(&r->conf);
	assert_int_equal(loop_init(&r->loop, &err), 0);
}

void rig_done(struct rig *r)
{
	char cmd[128];

	holder_channel_free(r->ch);
	holder_stop(r->h);
	loop_done(&r->loop);
	config_done(&r->conf);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", r->dir);
	assert_int_equal(system(cmd), 0);
}

struct config_secret *rig_secret(struct rig *r, const char *env_var,
				 enum config_secret_source source, const char *from)
{
	struct config_secret s;
	char where[128];

	config_secret_init(&s);
	s.env_var = strdup(env_var);
	s.source = source;
	s.from = strdup(from);
	snprintf(where, sizeof(where), "test: %s", env_var);
	s.where = strdup(where);
	assert_true(strv_add(&s.hosts, "api.test"));
	struct config_secrets *all = &r->conf.secrets;
	all->list = realloc(all->list, (all->count + 1) * sizeof(*all->list));
	assert_non_null(all->list);
	all->list[all->count] = s;
	return &all->list[all->count++];
}

char *rig_file(struct rig *r, const char *name, const void *bytes, size_t n)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	char *s = strdup(path);
	assert_non_null(s);
	return s;
}

static void count_set(void *arg)
{
	struct rig *r = arg;

	r->sets++;
}

void rig_start(struct rig *r)
{
	struct error err = {""};

	if (!r->h)
		r->h = holder_start(&r->conf, &err);
	assert_string_equal(err.msg, "");
	assert_non_null(r->h);
	r->ch = holder_channel_new(r->h, &r->conf, count_set, r, &err);
	assert_string_equal(err.msg, "");
	assert_non_null(r->ch);
	assert_int_equal(holder_channel_attach(r->ch, &r->loop, &err), 0);
}

const char *rig_refused(struct rig *r)
{
	static struct error err;

	if (!r->h)
		r->h = holder_start(&r->conf, &err);
	assert_non_null(r->h);
	assert_null(holder_channel_new(r->h, &r->conf, NULL, NULL, &err));
	return err.msg;
}

struct stopper {
	struct timer timer;
	struct loop *loop;
};

static void on_late(struct timer *t)
{
	container_of(t, struct stopper, timer)->loop->stop = true;
}

static void check_done(struct loop *l, void *ctx)
{
	if (*(const bool *)ctx)
		l->stop = true;
}

static void run_until(struct rig *r, const bool *done, uint64_t us)
{
	struct stopper s = {.loop = &r->loop};
	bool never = false;

	timer_init(&s.timer, on_late);
	timer_set(&r->loop.wheel, &s.timer, clock_now_us() + us);
	r->loop.turn_end = check_done;
	r->loop.turn_ctx = (void *)(uintptr_t)(done ? done : &never);
	r->loop.stop = false;
	if (!done || !*done)
		assert_int_equal(loop_run(&r->loop), 0);
	timer_cancel(&r->loop.wheel, &s.timer);
	r->loop.turn_end = NULL;
}

bool rig_run(struct rig *r, const bool *done)
{
	run_until(r, done, 10000000);
	return *done;
}

void rig_run_ms(struct rig *r, unsigned ms)
{
	run_until(r, NULL, ms * 1000ull);
}

static void note(struct rig_answer *a, const char *err)
{
	a->done = true;
	a->times++;
	snprintf(a->err, sizeof(a->err), "%s", err ? err : "");
}

void rig_on_value(void *arg, struct secret_value *v, const char *err)
{
	struct rig_answer *a = arg;

	assert_true(!v == !!err);
	a->value = v;
	note(a, err);
}

void rig_on_text(void *arg, struct view text, const char *err)
{
	struct rig_answer *a = arg;

	assert_true(text.len < sizeof(a->text));
	if (text.len)
		memcpy(a->text, text.p, text.len);
	a->text[text.len] = '\0';
	a->len = text.len;
	note(a, err);
}

void rig_on_reload(void *arg, const char *err)
{
	note(arg, err);
}

const char *rig_reload(struct rig *r)
{
	static struct rig_answer a;
	static struct error err;

	a = (struct rig_answer){0};
	if (holder_channel_reload(r->ch, &r->conf, rig_on_reload, &a, &err) < 0)
		return err.msg;
	assert_false(a.done);
	assert_true(rig_run(r, &a.done));
	assert_int_equal(a.times, 1);
	return a.err;
}

struct secret_value *rig_value(struct rig *r, size_t index, struct rig_answer *a)
{
	*a = (struct rig_answer){0};
	assert_non_null(holder_ask_value(r->ch, holder_secrets(r->ch), index, rig_on_value, a));
	/* Never from inside of the call. */
	assert_false(a->done);
	assert_true(rig_run(r, &a->done));
	return a->value;
}

void rig_assert_value(struct secret_value *v, const char *text)
{
	assert_non_null(v);
	assert_int_equal(v->len, strlen(text));
	assert_memory_equal(v->bytes, text, v->len);
	secret_value_free(v);
}

const struct secret *rig_secret_at(struct rig *r, size_t i)
{
	struct secret_set *s = holder_secrets(r->ch);

	assert_true(i < s->count);
	return &s->list[i];
}

struct rig_answer rig_capture(struct rig *r, const char *value)
{
	struct rig_answer a = {0};

	assert_non_null(holder_ask_capture(r->ch, holder_secrets(r->ch), 0,
					   view_make(value, strlen(value)), rig_on_text, &a));
	assert_true(rig_run(r, &a.done));
	assert_string_equal(a.err, "");
	return a;
}
