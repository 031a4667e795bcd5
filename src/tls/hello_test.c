// SPDX-License-Identifier: Apache-2.0
/*
 * ClientHello: what programs send is read, however it is cut; what breaks a rule is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls/hello.h"
#include "tls/hello_rig.h"
#include "tls/hello_samples.h"

static struct hello_rig rig;
static uint8_t stream[RIG_MAX * 6];

/* Reads from a copy of exactly that size, so that a read past the end shows. */
static enum hello_result read_copy(const uint8_t *p, size_t len, struct hello *h)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, p, len);
	enum hello_result r = hello_read_records(view_make(copy, len), h);
	free(copy);
	return r;
}

static enum hello_result read_message(struct view m, struct hello *h)
{
	return read_copy(stream, rig_records(m, RIG_MAX, RIG_MAX, stream), h);
}

static enum hello_result result_of(struct view m)
{
	struct hello h;
	return read_message(m, &h);
}

static struct hello done(const uint8_t *p, size_t len)
{
	struct hello h;
	memset(&h, 0xaa, sizeof(h));
	assert_int_equal(read_copy(p, len, &h), HELLO_DONE);
	return h;
}

static void assert_same(const struct hello *a, const struct hello *b)
{
	assert_int_equal(a->sni, b->sni);
	assert_string_equal(a->name.s, b->name.s);
	assert_int_equal(a->name.len, b->name.len);
	assert_int_equal(a->ech, b->ech);
	assert_int_equal(a->early_data, b->early_data);
	assert_int_equal(a->alpn_len, b->alpn_len);
	assert_memory_equal(a->alpn, b->alpn, a->alpn_len);
	assert_memory_equal(a->random, b->random, HELLO_RANDOM_LEN);
}

static size_t unhex(const char *text, uint8_t *to)
{
	size_t n = strlen(text) / 2;
	for (size_t i = 0; i < n; i++) {
		char two[3] = {text[2 * i], text[2 * i + 1]};
		to[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

/* ---- what programs send ---- */

static const struct {
	const char *hex;
	enum hello_sni sni;
	const char *name;
	bool ech;
	const char *alpn;
} samples[] = {
	{sample_openssl, HELLO_SNI_NAME, "www.example.com", false, "\2h2\10http/1.1"},
	{sample_openssl_none, HELLO_SNI_NONE, "", false, ""},
	{sample_openssl_upper, HELLO_SNI_NAME, "upper.example", false, ""},
	{sample_openssl_tls12, HELLO_SNI_NAME, "old.example.com", false, ""},
	{sample_openssl_records, HELLO_SNI_NAME, "split.example.com", false, NULL},
	{sample_curl, HELLO_SNI_NAME, "curl.example.com", false, "\2h2\10http/1.1"},
	{sample_gnutls, HELLO_SNI_NAME, "gnutls.example.com", false, ""},
	{sample_chromium, HELLO_SNI_NAME, "browser.example.com", true, "\2h2\10http/1.1"},
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void samples_are_read(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		uint8_t b[4096];
		size_t n = unhex(samples[i].hex, b);
		struct hello h = done(b, n);
		assert_int_equal(h.sni, samples[i].sni);
		assert_string_equal(h.name.s, samples[i].name);
		assert_int_equal(h.ech, samples[i].ech);
		assert_int_equal(h.size, n);
		if (!samples[i].alpn) {
			assert_true(h.alpn_cut);
			assert_int_equal(h.alpn_len, 25 * 10); /* proto0000, ... */
		} else {
			assert_false(h.alpn_cut);
			assert_int_equal(h.alpn_len, strlen(samples[i].alpn));
			assert_memory_equal(h.alpn, samples[i].alpn, h.alpn_len);
		}
	}
}

static void samples_cut_anywhere_want_more(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		uint8_t b[4096];
		struct hello h;
		size_t n = unhex(samples[i].hex, b);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(read_copy(b, cut, &h), HELLO_MORE);
	}
}

static void samples_with_a_bit_flipped_do_no_harm(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		uint8_t b[4096];
		struct hello h;
		size_t n = unhex(samples[i].hex, b);
		for (size_t bit = 0; bit < n * 8; bit++) {
			b[bit / 8] ^= (uint8_t)(1u << bit % 8);
			enum hello_result r = read_copy(b, n, &h);
			assert_true(r <= HELLO_BAD);
			if (r == HELLO_DONE && h.sni == HELLO_SNI_NAME)
				assert_int_equal(strlen(h.name.s), h.name.len);
			b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* ---- segments and records ---- */

static void every_cut_into_records_reads_the_same(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 60);
	struct hello whole, h;

	assert_int_equal(read_message(m, &whole), HELLO_DONE);
	assert_string_equal(whole.name.s, "www.example.com");
	for (size_t first = 1; first <= m.len; first++) {
		const size_t eaches[] = {1, 2, 3, 7, RIG_MAX};
		for (size_t i = 0; i < sizeof(eaches) / sizeof(eaches[0]); i++) {
			size_t n = rig_records(m, first, eaches[i], stream);
			h = done(stream, n);
			assert_same(&h, &whole);
			assert_int_equal(h.size, n);
		}
	}
}

static void every_cut_of_records_wants_more(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	struct hello h;

	for (size_t each = 1; each < 9; each++) {
		size_t n = rig_records(m, each, each, stream);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(read_copy(stream, cut, &h), HELLO_MORE);
	}
}

static void name_far_behind_is_found(void **state)
{
	struct view m = rig_hello(&rig, "far.example.com", 12000);
	struct hello whole, h;

	assert_int_equal(read_message(m, &whole), HELLO_DONE);
	assert_string_equal(whole.name.s, "far.example.com");
	h = done(stream, rig_records(m, 1, 500, stream));
	assert_same(&h, &whole);
}

static void what_lies_behind_is_not_looked_at(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	size_t n = rig_records(m, 100, 100, stream);

	memset(stream + n, 0xff, 20000); /* 0-RTT, or anything */
	struct hello h = done(stream, n + 20000);
	assert_int_equal(h.size, n);
	assert_string_equal(h.name.s, "www.example.com");
}

static void what_is_not_tls_is_known_at_once(void **state)
{
	static const uint8_t sslv2[] = {0x80, 0x2e, 0x01, 0x03, 0x01, 0x00, 0x15};
	static const uint8_t alert[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x31};
	struct hello h;

	assert_int_equal(read_copy((const uint8_t *)"GET / HTTP/1.1", 14, &h), HELLO_NOT_TLS);
	assert_int_equal(read_copy((const uint8_t *)"S", 1, &h), HELLO_NOT_TLS);
	assert_int_equal(read_copy(sslv2, sizeof(sslv2), &h), HELLO_NOT_TLS);
	assert_int_equal(read_copy(alert, sizeof(alert), &h), HELLO_NOT_TLS);
	assert_int_equal(read_copy((const uint8_t *)"\x16\x02", 2, &h), HELLO_NOT_TLS);
	assert_int_equal(read_copy((const uint8_t *)"\x16\xfe", 2, &h), HELLO_NOT_TLS); /* DTLS */
	assert_int_equal(read_copy((const uint8_t *)"\x16", 1, &h), HELLO_MORE);
	assert_int_equal(hello_read_records((struct view){0}, &h), HELLO_MORE);
}

/* A stream whose bytes at `at` are replaced is refused: at once, and before it is whole. */
static void refuse_stream(size_t at, const void *bytes, size_t len)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	size_t n = rig_records(m, 100, 50, stream);
	struct hello h;

	assert_int_equal(read_copy(stream, n, &h), HELLO_DONE);
	memcpy(stream + at, bytes, len);
	assert_int_equal(read_copy(stream, n, &h), HELLO_BAD);
	assert_int_equal(read_copy(stream, at + len, &h), HELLO_BAD);
}

static void record_rules(void **state)
{
	refuse_stream(3, "\0\0", 2);                   /* an empty record */
	refuse_stream(3, "\x40\x01", 2);               /* over 2^14 bytes */
	refuse_stream(105, "\x17", 1);                 /* another type in between */
	refuse_stream(105, "\x14", 1);                 /* ... change_cipher_spec as well */
	refuse_stream(106, "\x02", 1);                 /* another version */
	refuse_stream(105, "\x16\x03\x01\x00\x00", 5); /* an empty one further on */
	refuse_stream(3, "\x3f\xff", 2);               /* one that goes on behind the hello */
	refuse_stream(5, "\x02", 1);                   /* server_hello */
	refuse_stream(5, "\x00", 1);                   /* hello_request */
	refuse_stream(6, "\x00\x00\x28", 3);           /* too short to be one */
	refuse_stream(6, "\x00\x40\x00", 3);           /* longer than HELLO_MAX */
	refuse_stream(6, "\xff\xff\xff", 3);
}

/* The message's header alone in a record, so that only its length can be wrong. */
static void too_short_a_hello_is_known_by_its_header(void **state)
{
	static const uint8_t bytes[] = {22, 3, 1, 0, 4, 1, 0, 0, 40};
	static const uint8_t least[] = {22, 3, 1, 0, 4, 1, 0, 0, 41};
	struct hello h;
	assert_int_equal(read_copy(bytes, sizeof(bytes), &h), HELLO_BAD);
	assert_int_equal(read_copy(least, sizeof(least), &h), HELLO_MORE);
}

static void more_behind_the_hello_in_its_record_is_refused(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	size_t n;

	rig.mem[m.len] = 1; /* the beginning of a second one */
	m.len++;
	n = rig_records(m, RIG_MAX, RIG_MAX, stream);
	struct hello h;
	assert_int_equal(read_copy(stream, n, &h), HELLO_BAD);
	assert_int_equal(read_copy(stream, 9, &h), HELLO_BAD); /* the header says it */
}

/* HELLO_MAX counts the headers of records; it is known early that a hello will not fit. */
static void size_limit(void **state)
{
	struct view m = rig_hello(&rig, "a.example", 0);
	size_t rest = HELLO_MAX - 5 - m.len - 4; /* less the padding extension's header */
	struct hello h;

	m = rig_hello(&rig, "a.example", rest);
	size_t n = rig_records(m, RIG_MAX, RIG_MAX, stream);
	assert_int_equal(n, HELLO_MAX);
	h = done(stream, n);
	assert_int_equal(h.size, HELLO_MAX);
	n = rig_records(m, 8000, RIG_MAX, stream);
	assert_int_equal(read_copy(stream, n, &h), HELLO_BAD);
	assert_int_equal(read_copy(stream, 9, &h), HELLO_BAD); /* there will be another header */
	m = rig_hello(&rig, "a.example", rest + 1);
	n = rig_records(m, RIG_MAX, RIG_MAX, stream);
	assert_int_equal(read_copy(stream, n, &h), HELLO_BAD);
	assert_int_equal(read_copy(stream, 9, &h), HELLO_BAD);
	/* In records of one byte each a quarter of it is too much. */
	m = rig_hello(&rig, "a.example", HELLO_MAX / 4);
	n = rig_records(m, 1, 1, stream);
	enum hello_result before = HELLO_MORE;
	for (size_t cut = 0; cut <= n; cut += 11) {
		enum hello_result r = read_copy(stream, cut, &h);
		assert_true(r == before || (before == HELLO_MORE && r == HELLO_BAD));
		before = r;
	}
	assert_int_equal(before, HELLO_BAD);
}

/* ---- the body ---- */

/* A whole hello with one byte of the message replaced. */
static enum hello_result with_byte(size_t at, uint8_t b)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	rig.mem[at] = b;
	return result_of(m);
}

static void body_rules(void **state)
{
	assert_int_equal(with_byte(4, 3), HELLO_DONE);
	assert_int_equal(with_byte(5, 1), HELLO_DONE);    /* TLS 1.0 */
	assert_int_equal(with_byte(5, 0x7f), HELLO_DONE); /* a version to come */
	assert_int_equal(with_byte(4, 2), HELLO_BAD);
	assert_int_equal(with_byte(4, 0xfe), HELLO_BAD);
	assert_int_equal(with_byte(38, 33), HELLO_BAD); /* session id over 32 */
	assert_int_equal(with_byte(72, 5), HELLO_BAD);  /* half a cipher suite */
	assert_int_equal(with_byte(72, 0), HELLO_BAD);  /* none */
	assert_int_equal(with_byte(79, 0), HELLO_BAD);  /* no compression method */
	assert_int_equal(with_byte(80, 1), HELLO_BAD);  /* "none" is not among them */
	assert_int_equal(with_byte(82, 1), HELLO_BAD);  /* extensions: one byte more, or less */
	struct view m = rig_hello(&rig, "www.example.com", 0);
	uint16_t len = get_be16(rig.mem + 81);
	put_be16(rig.mem + 81, (uint16_t)(len + 1));
	assert_int_equal(result_of(m), HELLO_BAD);
	put_be16(rig.mem + 81, (uint16_t)(len - 1));
	assert_int_equal(result_of(m), HELLO_BAD);
}

/* A hello whose session ID and cipher suites have these sizes; all else agrees with them. */
static enum hello_result with_sizes(uint8_t session, uint16_t suites)
{
	rig.w = wbuf_make(rig.mem, sizeof(rig.mem));
	rig.extensions = 0;
	wbuf_put_be32(&rig.w, 0);
	wbuf_put_be16(&rig.w, 0x0303);
	wbuf_put_zero(&rig.w, HELLO_RANDOM_LEN);
	wbuf_put_u8(&rig.w, session);
	wbuf_put_zero(&rig.w, session);
	wbuf_put_be16(&rig.w, suites);
	wbuf_put_zero(&rig.w, suites);
	wbuf_put_be16(&rig.w, 0x0100);
	rig_sni(&rig, "www.example.com", 15);
	return result_of(rig_end(&rig));
}

static void sizes_in_the_body(void **state)
{
	assert_int_equal(with_sizes(0, 2), HELLO_DONE);
	assert_int_equal(with_sizes(32, 2), HELLO_DONE);
	assert_int_equal(with_sizes(33, 2), HELLO_BAD);
	assert_int_equal(with_sizes(0, 1000), HELLO_DONE);
	assert_int_equal(with_sizes(0, 0), HELLO_BAD);
	assert_int_equal(with_sizes(0, 1), HELLO_BAD);
	assert_int_equal(with_sizes(0, 1001), HELLO_BAD);
}

/* Wherever the message ends too early by its own lengths, it is refused. */
static void every_shortened_message_is_refused(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);

	for (size_t len = 4; len < m.len; len++) {
		put_be32(rig.mem, 1u << 24 | (uint32_t)(len - 4));
		/* Up to the compression methods it is a hello without extensions. */
		assert_int_equal(result_of(view_make(m.p, len)),
				 len == 81 ? HELLO_DONE : HELLO_BAD);
	}
}

static void without_extensions_there_is_no_name(void **state)
{
	struct hello h;
	rig_begin(&rig);
	assert_int_equal(read_message(rig_end(&rig), &h), HELLO_DONE);
	assert_int_equal(h.sni, HELLO_SNI_NONE);
	rig_begin(&rig);
	wbuf_put_be16(&rig.w, 0);
	assert_int_equal(read_message(rig_end(&rig), &h), HELLO_DONE);
	assert_int_equal(h.sni, HELLO_SNI_NONE);
	rig_begin(&rig);
	wbuf_put_u8(&rig.w, 0);
	assert_int_equal(read_message(rig_end(&rig), &h), HELLO_BAD);
}

/* ---- extensions ---- */

static void no_extension_may_come_twice(void **state)
{
	for (uint32_t type = 1; type <= 65535; type += 257) {
		static const uint8_t alpn[] = {0, 3, 2, 'h', '2'};
		size_t len = type == 16 ? sizeof(alpn) : 0;
		rig_begin(&rig);
		rig_extension(&rig, (uint16_t)type, alpn, len);
		rig_extension(&rig, (uint16_t)(type - 1), "", type - 1 ? 0 : 0);
		struct view m = rig_end(&rig);
		if (type > 1)
			assert_int_equal(result_of(m), HELLO_DONE);
		rig_extension(&rig, (uint16_t)type, alpn, len);
		assert_int_equal(result_of(rig_end(&rig)), HELLO_BAD);
	}
}

static void nothing_may_follow_pre_shared_key(void **state)
{
	rig_begin(&rig);
	rig_extension(&rig, 43, "\2\3\4", 3);
	rig_extension(&rig, 41, "x", 1);
	assert_int_equal(result_of(rig_end(&rig)), HELLO_DONE);
	rig_extension(&rig, 51, "x", 1);
	assert_int_equal(result_of(rig_end(&rig)), HELLO_BAD);
}

static enum hello_sni sni_of(const char *name, size_t n, const char *expect)
{
	struct hello h;
	rig_begin(&rig);
	rig_sni(&rig, name, n);
	assert_int_equal(read_message(rig_end(&rig), &h), HELLO_DONE);
	assert_string_equal(h.name.s, expect);
	return h.sni;
}

static void names(void **state)
{
	char text[400];
	memset(text, 'a', sizeof(text));

	assert_int_equal(sni_of("a.example", 9, "a.example"), HELLO_SNI_NAME);
	assert_int_equal(sni_of("A.EXAMPLE.", 10, "a.example"), HELLO_SNI_NAME);
	assert_int_equal(sni_of("localhost", 9, "localhost"), HELLO_SNI_NAME);
	assert_int_equal(sni_of("a.example\0.evil", 15, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("a.example\0", 10, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("192.0.2.1", 9, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("2001:db8::1", 11, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("[2001:db8::1]", 13, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of(".", 1, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("a..example", 10, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("*.example", 9, ""), HELLO_SNI_INVALID);
	assert_int_equal(sni_of("b\xc3\xbc"
				"cher.example",
				15, ""),
			 HELLO_SNI_INVALID);
	assert_int_equal(sni_of(text, 400, ""), HELLO_SNI_INVALID);
	for (size_t i = 50; i < 400; i += 50)
		text[i] = '.';
	assert_int_equal(sni_of(text, 254, ""), HELLO_SNI_INVALID);
}

static void longest_name_is_read(void **state)
{
	char text[255];
	struct hello h;
	memset(text, 'a', sizeof(text));
	for (size_t i = 50; i < 250; i += 50)
		text[i] = '.';
	text[253] = '.';
	for (size_t n = 253; n <= 254; n++) { /* without and with the trailing dot */
		rig_begin(&rig);
		rig_sni(&rig, text, n);
		assert_int_equal(read_message(rig_end(&rig), &h), HELLO_DONE);
		assert_int_equal(h.sni, HELLO_SNI_NAME);
		assert_int_equal(h.name.len, 253);
	}
}

static void server_name_lists(void **state)
{
	/* clang-format off */
	static const struct {
		const char *body;
		uint8_t len;
		enum hello_result result;
		enum hello_sni sni;
	} t[] = {
		{"\0\4\0\0\1a", 6, HELLO_DONE, HELLO_SNI_NAME},
		{"\0\10\0\0\1a\0\0\1a", 10, HELLO_DONE, HELLO_SNI_DUPLICATE},
		{"\0\10\0\0\1a\0\0\1b", 10, HELLO_DONE, HELLO_SNI_DUPLICATE},
		{"\0\10\0\0\1.\0\0\1b", 10, HELLO_DONE, HELLO_SNI_DUPLICATE},
		{"\0\10\1\0\1x\0\0\1a", 10, HELLO_DONE, HELLO_SNI_INVALID},
		{"\0\10\0\0\1a\1\0\1x", 10, HELLO_DONE, HELLO_SNI_INVALID},
		{"\0\4\1\0\1x", 6, HELLO_DONE, HELLO_SNI_INVALID},
		{"", 0, HELLO_BAD, 0},                    /* as a server sends it */
		{"\0\0", 2, HELLO_BAD, 0},                /* an empty list */
		{"\0\3\0\0\0", 5, HELLO_BAD, 0},          /* an empty name */
		{"\0\3\0\0\1a", 6, HELLO_BAD, 0},         /* the list ends inside the name */
		{"\0\5\0\0\1a", 6, HELLO_BAD, 0},         /* ... or behind the extension */
		{"\0\4\0\0\2a", 6, HELLO_BAD, 0},         /* the name ends behind the list */
		{"\0\4\0\0\1a!", 7, HELLO_BAD, 0},        /* something behind the list */
		{"\0\5\0\0\1a\0", 7, HELLO_BAD, 0},       /* half a name more */
	};
	/* clang-format on */
	struct hello h;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_begin(&rig);
		rig_extension(&rig, 0, t[i].body, t[i].len);
		assert_int_equal(read_message(rig_end(&rig), &h), t[i].result);
		if (t[i].result == HELLO_DONE) {
			assert_int_equal(h.sni, t[i].sni);
			assert_int_equal(h.name.len, t[i].sni == HELLO_SNI_NAME);
		}
	}
}

static void two_server_names_are_told(void **state)
{
	struct hello h;
	rig_begin(&rig);
	rig_sni(&rig, "good.example", 12);
	rig_extension(&rig, 43, "\2\3\4", 3);
	rig_sni(&rig, "good.example", 12);
	assert_int_equal(read_message(rig_end(&rig), &h), HELLO_DONE);
	assert_int_equal(h.sni, HELLO_SNI_DUPLICATE);
	assert_int_equal(h.name.len, 0);
	rig_begin(&rig);
	rig_sni(&rig, "good.example", 12);
	rig_extension(&rig, 0, "\0\0", 2);
	assert_int_equal(result_of(rig_end(&rig)), HELLO_BAD);
}

static struct hello with_extension(uint16_t type, const void *body, size_t len)
{
	struct hello h;
	rig_begin(&rig);
	rig_extension(&rig, type, body, len);
	assert_int_equal(read_message(rig_end(&rig), &h), HELLO_DONE);
	return h;
}

static void flags(void **state)
{
	assert_true(with_extension(0xfe0d, "\0x", 2).ech);
	assert_true(with_extension(0xfe0a, "x", 1).ech);
	assert_true(with_extension(0xffce, "x", 1).ech);
	assert_false(with_extension(0xfe0e, "x", 1).ech);
	assert_false(with_extension(0xfe07, "x", 1).ech);
	assert_true(with_extension(42, "", 0).early_data);
	assert_false(with_extension(43, "\2\3\4", 3).early_data);
	rig_begin(&rig);
	rig_extension(&rig, 42, "x", 1);
	assert_int_equal(result_of(rig_end(&rig)), HELLO_BAD);
}

static void alpn_lists(void **state)
{
	static const struct {
		const char *body;
		uint8_t len;
	} bad[] = {{"", 0},        {"\0\0", 2},      {"\0\1\0", 3},
		   {"\0\3\2h", 4}, {"\0\3\2h2!", 6}, {"\0\2\2h", 4}};
	uint8_t list[600] = {0};
	struct hello h;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_begin(&rig);
		rig_extension(&rig, 16, bad[i].body, bad[i].len);
		assert_int_equal(result_of(rig_end(&rig)), HELLO_BAD);
	}
	put_be16(list, 256);
	list[2] = 255;
	h = with_extension(16, list, 258);
	assert_int_equal(h.alpn_len, 256);
	assert_false(h.alpn_cut);
	put_be16(list, 258);
	list[258] = 1;
	h = with_extension(16, list, 260);
	assert_int_equal(h.alpn_len, 256);
	assert_true(h.alpn_cut);
	/* Once one has been left out the later ones are too: the order is the client's preference.
	 */
	put_be16(list, 2 + 256 + 2);
	list[2] = 1;
	list[4] = 255;
	list[260] = 1;
	h = with_extension(16, list, 262);
	assert_int_equal(h.alpn_len, 2);
	assert_true(h.alpn_cut);
}

static void handshake_without_records(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	struct hello h;

	for (size_t n = 0; n <= m.len + 1; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, m.p, n);
		assert_int_equal(hello_read_handshake(view_make(copy, n), &h),
				 n < m.len    ? HELLO_MORE
				 : n == m.len ? HELLO_DONE
					      : HELLO_BAD);
		free(copy);
	}
	assert_string_equal(h.name.s, "www.example.com");
	assert_int_equal(h.size, m.len);
	assert_int_equal(hello_read_handshake(view_make("\2", 1), &h), HELLO_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_read),
		cmocka_unit_test(samples_cut_anywhere_want_more),
		cmocka_unit_test(samples_with_a_bit_flipped_do_no_harm),
		cmocka_unit_test(every_cut_into_records_reads_the_same),
		cmocka_unit_test(every_cut_of_records_wants_more),
		cmocka_unit_test(name_far_behind_is_found),
		cmocka_unit_test(what_lies_behind_is_not_looked_at),
		cmocka_unit_test(what_is_not_tls_is_known_at_once),
		cmocka_unit_test(record_rules),
		cmocka_unit_test(too_short_a_hello_is_known_by_its_header),
		cmocka_unit_test(more_behind_the_hello_in_its_record_is_refused),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(body_rules),
		cmocka_unit_test(sizes_in_the_body),
		cmocka_unit_test(every_shortened_message_is_refused),
		cmocka_unit_test(without_extensions_there_is_no_name),
		cmocka_unit_test(no_extension_may_come_twice),
		cmocka_unit_test(nothing_may_follow_pre_shared_key),
		cmocka_unit_test(names),
		cmocka_unit_test(longest_name_is_read),
		cmocka_unit_test(server_name_lists),
		cmocka_unit_test(two_server_names_are_told),
		cmocka_unit_test(flags),
		cmocka_unit_test(alpn_lists),
		cmocka_unit_test(handshake_without_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
