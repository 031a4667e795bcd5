// SPDX-License-Identifier: Apache-2.0
/*
 * Public names of Encrypted Client Hello, and the alert of a denial.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls/alert.h"
#include "tls/ech.h"

static struct name names[ECH_CONFIGS_MAX];
static uint8_t mem[8192];
static struct wbuf w;

static struct name make(const char *text)
{
	struct name n;
	assert_int_equal(name_read(text, strlen(text), &n), NAME_OK);
	return n;
}

/* With so many bytes of cipher suites, and of something behind the end. */
static void put_sized(uint16_t version, const char *name, uint16_t suites, uint8_t behind)
{
	size_t n = strlen(name);

	wbuf_put_be16(&w, version);
	wbuf_put_be16(&w, (uint16_t)(3 + 2 + 32 + 2 + suites + 2 + n + 2 + 4 + behind));
	wbuf_put_bytes(&w, "\x07\0\x20", 3); /* its number; X25519 */
	wbuf_put_be16(&w, 32);
	wbuf_put_zero(&w, 32);
	wbuf_put_be16(&w, suites);
	wbuf_put_zero(&w, suites);
	wbuf_put_u8(&w, 64);
	wbuf_put_u8(&w, (uint8_t)n);
	wbuf_put_bytes(&w, name, n);
	wbuf_put_be16(&w, 4);
	wbuf_put_bytes(&w, "\x12\x34\0\0", 4);
	wbuf_put_zero(&w, behind);
}

static void put_config(uint16_t version, const char *name)
{
	put_sized(version, name, 8, 0);
}

static void begin(void)
{
	w = wbuf_make(mem, sizeof(mem));
	wbuf_put_be16(&w, 0);
}

/* Reads from a copy of exactly that size, so that a read past the end shows. */
static int read_copy(size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, mem, len);
	int r = ech_config_public_names(view_make(copy, len), names);
	free(copy);
	return r;
}

static int end(void)
{
	put_be16(mem, (uint16_t)(w.len - 2));
	return read_copy(w.len);
}

static void list_of_a_real_service(void **state)
{
	static const uint8_t list[] =
		"\0\x45\xfe\x0d\0\x41\xf2\0\x20\0\x20\xc2\x21\xa5\x37\x3f\xab\xf3\xeb\xaf\x09\xda\x84\x51"
		"\x66\xda\x6d\x48\x4c\x07\xfb\x52\x17\xf3\xfd\xd3\x38\x0a\xc4\xc7\x4b\x51\x2c\0\x04\0\x01"
		"\0\x01\0\x12"
		"cloudflare-ech.com\0";
	assert_int_equal(ech_config_public_names(view_make(list, sizeof(list)), names), 1);
	assert_string_equal(names[0].s, "cloudflare-ech.com");
	assert_true(ech_public_name_known(&names[0]));
}

static void known_names(void **state)
{
	struct name n = make("Cloudflare-ECH.com.");
	assert_true(ech_public_name_known(&n));
	n = make("www.cloudflare-ech.com");
	assert_false(ech_public_name_known(&n));
	n = make("cloudflare.com");
	assert_false(ech_public_name_known(&n));
	n.len = 0;
	n.s[0] = '\0';
	assert_false(ech_public_name_known(&n));
}

static void lists_with_several(void **state)
{
	begin();
	put_config(0xfe0d, "One.example");
	put_config(0xfe0a, "other.version.example");
	put_config(0xfe0d, "192.0.2.1");
	put_config(0xfe0d, "two.example");
	assert_int_equal(end(), 2);
	assert_string_equal(names[0].s, "one.example");
	assert_string_equal(names[1].s, "two.example");
	begin();
	for (int i = 0; i < ECH_CONFIGS_MAX + 3; i++)
		put_config(0xfe0d, "a.example");
	assert_int_equal(end(), ECH_CONFIGS_MAX);
	begin();
	put_config(0xaaaa, "a.example");
	assert_int_equal(end(), 0);
}

static void broken_lists(void **state)
{
	begin();
	assert_int_equal(end(), -1); /* empty */
	begin();
	put_config(0xfe0d, "");
	assert_int_equal(end(), -1);
	begin();
	put_config(0xfe0d, "a.example");
	put_config(0xfe0d, "b.example");
	assert_int_equal(end(), 2);
	size_t len = w.len;
	for (size_t n = 0; n < len; n++) {
		assert_int_equal(read_copy(n), -1);
		if (n < 2)
			continue;
		/* ... also where the outer length agrees; but the first one alone is whole. */
		put_be16(mem, (uint16_t)(n - 2));
		assert_int_equal(read_copy(n), n == 2 + (len - 2) / 2 ? 1 : -1);
		put_be16(mem, (uint16_t)(len - 2));
	}
	mem[len] = 0;
	assert_int_equal(read_copy(len + 1), -1);
}

static void sizes_in_a_configuration(void **state)
{
	static const struct {
		uint16_t suites;
		uint8_t behind;
		int result;
	} t[] = {{4, 0, 1}, {400, 0, 1}, {0, 0, -1}, {6, 0, -1}, {4, 1, -1}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		begin();
		put_sized(0xfe0d, "a.example", t[i].suites, t[i].behind);
		assert_int_equal(end(), t[i].result);
	}
}

static void learnt_names(void **state)
{
	struct ech_names *e = ech_names_new();
	struct name n = make("a.example"), other = make("a.exampl");

	assert_non_null(e);
	assert_false(ech_names_has(e, &n));
	assert_true(ech_names_add(e, &n));
	assert_true(ech_names_has(e, &n));
	assert_false(ech_names_has(e, &other));
	ech_names_free(e);
	ech_names_free(NULL);
}

/* The one that was seen longest ago goes. */
static void learnt_names_are_bounded(void **state)
{
	struct ech_names *e = ech_names_new();
	struct name all[ECH_NAMES_MAX + 10];
	size_t there = 0;

	for (size_t i = 0; i < ECH_NAMES_MAX + 10; i++) {
		char text[32];
		snprintf(text, sizeof(text), "n%zu.example", i);
		all[i] = make(text);
		assert_true(ech_names_add(e, &all[i]));
		if (i == ECH_NAMES_MAX - 1)
			assert_true(ech_names_add(e, &all[0])); /* seen again */
	}
	for (size_t i = 0; i < ECH_NAMES_MAX + 10; i++) {
		bool has = ech_names_has(e, &all[i]);
		assert_int_equal(has, i == 0 || i > 10);
		there += has;
	}
	assert_int_equal(there, ECH_NAMES_MAX);
	ech_names_free(e);
}

static void alert_of_a_denial(void **state)
{
	struct view v = tls_alert_access_denied();
	assert_int_equal(v.len, 7);
	assert_memory_equal(v.p, "\x15\3\3\0\2\2\x31", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_of_a_real_service),   cmocka_unit_test(known_names),
		cmocka_unit_test(lists_with_several),       cmocka_unit_test(broken_lists),
		cmocka_unit_test(sizes_in_a_configuration), cmocka_unit_test(learnt_names),
		cmocka_unit_test(learnt_names_are_bounded), cmocka_unit_test(alert_of_a_denial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
