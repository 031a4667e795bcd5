// SPDX-License-Identifier: Apache-2.0
/* What both sides of the key holder write is read as it was written, and cut anywhere it is
 * refused. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "conf/config.h"
#include "secret/fetch.h"
#include "secret/holder_proto.h"

typedef bool reader(struct view body);

/* Every beginning of the body is refused, and so is one byte more. */
static void assert_whole_only(const struct buf *b, reader *read)
{
	for (size_t n = 0; n <= b->len + 1; n++) {
		/* Of its own size, so that a sanitizer sees a read beyond it. */
		uint8_t *copy = calloc(1, n ? n : 1);
		memcpy(copy, b->mem + b->start, n < b->len ? n : b->len);
		bool ok = read(view_make(copy, n));
		free(copy);
		if (ok != (n == b->len))
			fail_msg("%zu of %zu bytes: %d", n, b->len, ok);
	}
}

/* ---- frames ---- */

static void frames_are_cut_where_they_end(void **state)
{
	uint8_t b[HOLDER_HEADER + 3] = {0};
	struct holder_frame f;
	size_t need;

	holder_frame_head(b, HOLDER_ANSWER, 0x01020304, 3);
	memcpy(b + HOLDER_HEADER, "abc", 3);
	assert_int_equal(holder_frame_read(view_make(b, sizeof(b)), &f, &need), HOLDER_READ_FRAME);
	assert_int_equal(f.kind, HOLDER_ANSWER);
	assert_int_equal(f.id, 0x01020304);
	assert_int_equal(f.body.len, 3);
	for (size_t n = 0; n < sizeof(b); n++) {
		assert_int_equal(holder_frame_read(view_make(b, n), &f, &need), HOLDER_READ_MORE);
		assert_int_equal(need, n < HOLDER_HEADER ? (size_t)HOLDER_HEADER : sizeof(b));
	}
	put_be32(b, HOLDER_HEADER - 5);
	assert_int_equal(holder_frame_read(view_make(b, sizeof(b)), &f, &need), HOLDER_READ_BAD);
	put_be32(b, HOLDER_FRAME_MAX + 1);
	assert_int_equal(holder_frame_read(view_make(b, sizeof(b)), &f, &need), HOLDER_READ_BAD);
}

/* ---- bodies ---- */

static bool hello_reads(struct view body)
{
	struct holder_hello h;

	if (!holder_read_hello(body, &h))
		return false;
	assert_string_equal(h.ca_cert, "/a/cert");
	assert_null(h.ca_key);
	assert_int_equal(h.valid_hours, 24);
	holder_hello_done(&h);
	return true;
}

static void hello(void **state)
{
	char cert[] = "/a/cert";
	const struct holder_hello h = {.ca_cert = cert, .valid_hours = 24};
	struct buf b = {0};
	struct holder_put p = {.to = &b};

	holder_put_hello(&p, &h);
	assert_false(p.failed);
	assert_whole_only(&b, hello_reads);
	buf_done(&b);
}

static bool setup_reads(struct view body)
{
	struct holder_setup s;

	if (!holder_read_setup(body, &s))
		return false;
	assert_int_equal(s.count, 2);
	assert_int_equal(s.upstream_ca.n, 1);
	const struct config_secret *c = &s.list[0];
	assert_string_equal(c->env_var, "A");
	assert_string_equal(c->from, "A");
	assert_int_equal(c->on_violation, CONFIG_VIOLATION_BLOCK);
	assert_true(c->injection.headers && c->injection.websocket && !c->injection.body);
	assert_null(c->placeholder);
	assert_int_equal(c->hosts.n, 2);
	assert_string_equal(c->hosts.v[1], "*.b.test");
	c = &s.list[1];
	assert_int_equal(c->source, CONFIG_SECRET_COMMAND);
	assert_int_equal(c->expiry_us, 0x100000002);
	assert_int_equal(c->signer, CONFIG_SIGNER_HMAC);
	assert_string_equal(c->header, "X");
	assert_int_equal(c->on_violation, CONFIG_VIOLATION_BLOCK_AND_TERMINATE);
	assert_true(c->require && c->capture && c->require_tls_identity);
	holder_setup_done(&s);
	return true;
}

static void setup(void **state)
{
	struct config c;
	struct config_secret list[2];
	struct buf b = {0};
	struct holder_put p = {.to = &b};

	config_init(&c);
	c.secrets.on_violation = CONFIG_VIOLATION_BLOCK;
	assert_true(strv_add(&c.tls.upstream_ca, "/a/ca.pem"));
	for (size_t i = 0; i < 2; i++)
		config_secret_init(&list[i]);
	list[0].env_var = strdup("A");
	list[0].injection.websocket = true;
	assert_true(strv_add(&list[0].hosts, "a.test") && strv_add(&list[0].hosts, "*.b.test"));
	list[1].env_var = strdup("B");
	list[1].source = CONFIG_SECRET_COMMAND;
	list[1].from = strdup("echo b");
	list[1].expiry_us = 0x100000002;
	list[1].signer = CONFIG_SIGNER_HMAC;
	list[1].header = strdup("X");
	list[1].on_violation = CONFIG_VIOLATION_BLOCK_AND_TERMINATE;
	list[1].require = list[1].capture = true;
	c.secrets.list = list;
	c.secrets.count = 2;
	holder_put_setup(&p, &c);
	assert_false(p.failed);
	assert_whole_only(&b, setup_reads);
	buf_done(&b);
	for (size_t i = 0; i < 2; i++)
		config_secret_done(&list[i]);
	c.secrets.list = NULL;
	c.secrets.count = 0;
	config_done(&c);
}

static bool set_reads(struct view body)
{
	struct secret_set *s = holder_read_set(body);
	struct needle_hit hit;
	size_t safe;

	if (!s)
		return false;
	assert_int_equal(s->generation, 7);
	assert_int_equal(s->count, 1);
	const struct secret *x = &s->list[0];
	assert_string_equal(x->env_var, "A");
	assert_string_equal(x->placeholder, "placeholder");
	assert_string_equal(x->header, "X-Sig");
	assert_int_equal(x->value_len, 12);
	assert_int_equal(x->host_count, 2);
	assert_int_equal(x->hosts[1].kind, SECRET_HOST_SUFFIX);
	assert_int_equal(x->passthrough_count, 0);
	assert_int_equal(x->places, SECRET_IN_PATH);
	assert_int_equal(x->signer, SECRET_HMAC);
	assert_int_equal(x->on_violation, SECRET_BLOCK);
	assert_true(x->captured && x->capture && !x->require && !x->require_tls_identity);
	assert_true(
		needle_find(s->placeholders, view_make("a placeholder", 13), 0, true, &hit, &safe));
	assert_false(needle_find(s->values, view_make("a placeholder", 13), 0, true, &hit, &safe));
	secret_set_unref(s);
	return true;
}

static void set(void **state)
{
	const struct needle_key key = {1, {2, 3}};
	struct needle needles[2][NEEDLE_FORMS];
	const struct holder_needles list[] = {
		{needles[0], needle_make_forms(&key, view_make("placeholder", 11), 0, needles[0])},
		{needles[1], needle_make_forms(&key, view_make("hidden value", 12), 0, needles[1])},
	};
	char name[] = "A", placeholder[] = "placeholder", header[] = "X-Sig";
	char host[] = "a.test", suffix[] = ".b.test";
	char *hosts[] = {host, suffix};
	const struct strv text = {hosts, 2};
	struct secret s = {.env_var = name,
			   .placeholder = placeholder,
			   .header = header,
			   .value_len = 12,
			   .hosts = secret_hosts_new(&text),
			   .host_count = 2,
			   .places = SECRET_IN_PATH,
			   .signer = SECRET_HMAC,
			   .on_violation = SECRET_BLOCK,
			   .capture = true,
			   .captured = true};
	const struct secret *all[] = {&s};
	struct buf b = {0};
	struct holder_put p = {.to = &b};

	holder_put_set(&p, 7, &key, all, 1, &list[0], &list[1]);
	assert_false(p.failed);
	assert_whole_only(&b, set_reads);
	/* Nothing of a value is in there, in any spelling that is looked for. */
	assert_null(memmem(b.mem + b.start, b.len, "hidden", 6));
	buf_done(&b);
	secret_hosts_free((struct secret_host *)(uintptr_t)s.hosts, 2);
}

static bool job_reads(struct view body)
{
	struct fetch_job j;

	if (!fetch_read_job(body, &j))
		return false;
	assert_string_equal(j.url, "https://x/");
	assert_int_equal(j.count, 2);
	assert_int_equal(j.upstream_ca.n, 1);
	assert_memory_equal(j.attempts[1].body.p, "body2", 5);
	fetch_job_done(&j);
	return true;
}

static bool token_reads(struct view body)
{
	struct fetch_token t;

	if (!fetch_read_token(body, &t))
		return false;
	assert_int_equal(t.lives_s, 60);
	assert_memory_equal(t.refresh.p, "refresh", 7);
	return true;
}

static void jobs_and_tokens(void **state)
{
	char url[] = "https://x/", ca[] = "/ca";
	char *cas[] = {ca};
	const struct fetch_job j = {.url = url,
				    .upstream_ca = {cas, 1},
				    .attempts = {{view_make("a", 1), view_make("b", 1)},
						 {view_make("c", 1), view_make("body2", 5)}},
				    .count = 2};
	const struct fetch_token t = {view_make("token", 5), view_make("refresh", 7), 60};
	struct buf b = {0};
	struct holder_put p = {.to = &b};

	fetch_put_job(&p, &j);
	assert_whole_only(&b, job_reads);
	buf_done(&b);
	fetch_put_token(&p, &t);
	assert_whole_only(&b, token_reads);
	buf_done(&b);
}

static void hosts_match_as_patterns_say(void **state)
{
	char exact[] = "a.test", below[] = "*.b.test", suffix[] = ".c.test", any[] = "any";
	static const struct {
		int pattern;
		const char *name;
		bool match;
	} cases[] = {
		{0, "a.test", true},   {0, "x.a.test", false}, {0, "xa.test", false},
		{1, "b.test", false},  {1, "x.b.test", true},  {1, "x.y.b.test", true},
		{1, "xb.test", false}, {2, "c.test", true},    {2, "x.c.test", true},
		{2, "xc.test", false}, {3, "a.test", true},    {0, "a.test.evil", false},
	};
	char *patterns[] = {exact, below, suffix, any};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct strv one = {&patterns[cases[i].pattern], 1};
		struct secret_host *h = secret_hosts_new(&one);
		struct name n;

		assert_non_null(h);
		assert_int_equal(name_read(cases[i].name, strlen(cases[i].name), &n), NAME_OK);
		assert_int_equal(secret_host_matches(h, 1, &n), cases[i].match);
		secret_hosts_free(h, 1);
	}
	char bad[] = "a..test";
	char *list[] = {bad};
	const struct strv one = {list, 1};
	assert_null(secret_hosts_new(&one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_cut_where_they_end),
		cmocka_unit_test(hello),
		cmocka_unit_test(setup),
		cmocka_unit_test(set),
		cmocka_unit_test(jobs_and_tokens),
		cmocka_unit_test(hosts_match_as_patterns_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
