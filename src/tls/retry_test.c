// SPDX-License-Identifier: Apache-2.0
/*
 * A second ClientHello: asked for or not, with the same name or another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls/hello_rig.h"
#include "tls/retry.h"

static struct hello_rig rig;
static struct retry r;
static uint8_t mem[20000];

static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

/* A first hello for www.example.com was let pass. */
static void begin(bool early_data)
{
	struct hello h;
	struct view m = rig_hello(&rig, "www.example.com", 0);
	assert_int_equal(hello_read_handshake(m, &h), HELLO_DONE);
	h.early_data = early_data;
	retry_init(&r, &h);
}

/* A ServerHello in records of at most `each` bytes. */
static size_t server_hello(const uint8_t random[32], size_t each, uint8_t *to)
{
	uint8_t m[100] = {2, 0, 0, 84, 3, 3};
	memcpy(m + 6, random, 32);
	return rig_records(view_make(m, 88), each, each, to);
}

/* Each beginning of a stream of the server's, from memory of just that size. */
static enum retry_result server(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, p, len);
	enum retry_result result = retry_server(&r, view_make(copy, len));
	free(copy);
	return result;
}

static enum retry_result guest(const uint8_t *p, size_t len, size_t *pass)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, p, len);
	*pass = 99999;
	enum retry_result result = retry_guest(&r, view_make(copy, len), pass);
	assert_true(result == RETRY_BAD || *pass <= len);
	free(copy);
	return result;
}

static void asked(void)
{
	uint8_t b[200];
	size_t n = server_hello(retry_random, 88, b);
	assert_int_equal(server(b, n), RETRY_WATCH);
	assert_true(r.asked);
}

static void server_that_asks(void **state)
{
	for (size_t each = 1; each <= 88; each++) {
		uint8_t b[1000];
		size_t n = server_hello(retry_random, each, b), at = 0;
		begin(false);
		while (!r.asked) {
			assert_true(at <= n);
			assert_int_equal(server(b, at++), RETRY_WATCH);
		}
		at--;
		if (each == 88)
			assert_int_equal(at, 5 + 38);
		assert_true(each < 38 || at <= RETRY_SERVER_ENOUGH);
	}
}

static void server_that_does_not(void **state)
{
	for (size_t i = 0; i < 32; i++) {
		uint8_t b[1000], random[32];
		memcpy(random, retry_random, 32);
		random[i] ^= 1;
		size_t n = server_hello(random, 88, b);
		begin(false);
		for (size_t len = 0; len < 5 + 6 + i + 1; len++)
			assert_int_equal(server(b, len), RETRY_WATCH);
		assert_int_equal(server(b, n), RETRY_OVER);
		assert_false(r.asked);
		/* From now on anything passes. */
		size_t pass;
		assert_int_equal(guest((const uint8_t *)"anything", 8, &pass), RETRY_OVER);
		assert_int_equal(pass, 8);
	}
}

static void other_answers_of_servers(void **state)
{
	uint8_t b[300] = {21, 3, 3, 0, 2, 2, 40}; /* a fatal alert */

	begin(false);
	assert_int_equal(server(b, 5), RETRY_WATCH);
	assert_int_equal(server(b, 7), RETRY_OVER);
	begin(false);
	b[5] = 1; /* a warning, and then it asks */
	size_t n = 7 + server_hello(retry_random, 88, b + 7);
	assert_int_equal(server(b, 7), RETRY_WATCH);
	assert_false(r.asked);
	assert_int_equal(server(b, n), RETRY_WATCH);
	assert_true(r.asked);
	begin(false);
	assert_int_equal(server((const uint8_t *)"SSH-2.0", 7), RETRY_OVER);
	begin(false);
	assert_int_equal(server((const uint8_t *)"\x16\x02", 2), RETRY_OVER);
	begin(false);
	assert_int_equal(server((const uint8_t *)"\x16\3\3\0\4\x0b", 6), RETRY_OVER);
}

static void aims(void **state)
{
	struct hello none = {.sni = HELLO_SNI_NONE}, two = {.sni = HELLO_SNI_DUPLICATE};
	assert_true(hello_same_aim(&none, &none));
	assert_false(hello_same_aim(&none, &two));
}

/* The second hello behind change_cipher_spec, byte by byte and in records of several sizes. */
static void same_name_again(void **state)
{
	for (size_t each = 1; each < 300; each += 13) {
		struct view m = rig_hello(&rig, "www.example.com", 77);
		memcpy(mem, "\x14\3\3\0\1\1", 6);
		size_t n = 6 + rig_records(m, each, each, mem + 6), pass, passed = 0;
		begin(false);
		asked();
		for (size_t len = 0; len < n; len++) {
			assert_int_equal(guest(mem + passed, len - passed, &pass), RETRY_WATCH);
			passed += pass;
			assert_true(passed <= 6);
		}
		assert_int_equal(passed, 6);
		memcpy(mem + n, "\x17\3\3\0\1x", 6); /* and what may follow */
		assert_int_equal(guest(mem + passed, n + 6 - passed, &pass), RETRY_OVER);
		assert_int_equal(pass, n + 6 - passed);
		assert_int_equal(guest((const uint8_t *)"anything", 8, &pass), RETRY_OVER);
		assert_int_equal(pass, 8);
	}
}

static enum retry_result second(const char *name)
{
	struct view m = rig_hello(&rig, name, 0);
	size_t pass, n = rig_records(m, 50, 50, mem);
	return guest(mem, n, &pass);
}

static void another_name(void **state)
{
	begin(false);
	asked();
	assert_int_equal(second("xxx.example.com"), RETRY_BAD);
	begin(false);
	asked();
	assert_int_equal(second("www.example.com.evil"), RETRY_BAD);
	begin(false);
	asked();
	assert_int_equal(second("192.0.2.1"), RETRY_BAD);
	begin(false);
	asked();
	assert_int_equal(second("WWW.example.com."), RETRY_OVER);
	/* No name, and a hidden one. */
	size_t pass;
	begin(false);
	asked();
	rig_begin(&rig);
	size_t n = rig_records(rig_end(&rig), 500, 500, mem);
	assert_int_equal(guest(mem, n, &pass), RETRY_BAD);
	begin(false);
	asked();
	rig_begin(&rig);
	rig_sni(&rig, "www.example.com", 15);
	rig_extension(&rig, 0xfe0d, "x", 1);
	n = rig_records(rig_end(&rig), 500, 500, mem);
	assert_int_equal(guest(mem, n, &pass), RETRY_BAD);
}

static void what_nobody_asked_for(void **state)
{
	size_t pass;

	begin(false);
	assert_int_equal(second("www.example.com"), RETRY_BAD);
	begin(false);
	assert_int_equal(guest((const uint8_t *)"\x16", 1, &pass), RETRY_BAD);
	begin(false);
	asked(); /* a message that is no hello */
	assert_int_equal(guest((const uint8_t *)"\x16\3\3\0\4\x10", 6, &pass), RETRY_BAD);
}

static void records_in_between(void **state)
{
	static const struct {
		const char *bytes;
		bool early, ok;
	} t[] = {
		{"\x17\3\3\1\1", true, true},   {"\x17\3\3\1\1", false, false},
		{"\x17\2\3\1\1", true, false},  {"\x17\3\3\x48\1", true, false},
		{"\x14\3\3\0\1", false, true},  {"\x14\3\3\0\2", false, false},
		{"\x15\3\3\0\2", false, true},  {"\x15\3\3\0\3", false, false},
		{"\x18\3\3\0\1", false, false}, {"GET /", false, false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t pass;
		begin(t[i].early);
		memset(mem, 0x16, 400);
		memcpy(mem, t[i].bytes, 5);
		assert_int_equal(guest(mem, 4, &pass), RETRY_WATCH);
		assert_int_equal(pass, 0);
		size_t whole = 5 + get_be16(mem + 3);
		if (!t[i].ok) {
			assert_int_equal(guest(mem, 5, &pass), RETRY_BAD);
			continue;
		}
		assert_int_equal(guest(mem, 6, &pass), RETRY_WATCH);
		assert_int_equal(pass, 6);
		assert_int_equal(guest(mem + 6, whole - 6, &pass), RETRY_WATCH);
		assert_int_equal(pass, whole - 6);
		/* Behind it a hello begins, and the record's own bytes were none. */
		assert_int_equal(guest(mem + whole, 1, &pass), RETRY_BAD);
	}
}

static void early_data_and_then_a_second_hello(void **state)
{
	size_t n, pass;

	begin(true);
	memset(mem, 0x17, 1000);
	memcpy(mem, "\x17\3\3\0\x64", 5);
	assert_int_equal(guest(mem, 105, &pass), RETRY_WATCH);
	assert_int_equal(pass, 105);
	asked();
	n = 105 + rig_records(rig_hello(&rig, "xxx.example.com", 0), 500, 500, mem + 105);
	assert_int_equal(guest(mem + 105, n - 106, &pass), RETRY_WATCH);
	assert_int_equal(pass, 0);
	assert_int_equal(guest(mem + 105, n - 105, &pass), RETRY_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_that_asks),
		cmocka_unit_test(server_that_does_not),
		cmocka_unit_test(other_answers_of_servers),
		cmocka_unit_test(aims),
		cmocka_unit_test(same_name_again),
		cmocka_unit_test(another_name),
		cmocka_unit_test(what_nobody_asked_for),
		cmocka_unit_test(records_in_between),
		cmocka_unit_test(early_data_and_then_a_second_hello),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
