// SPDX-License-Identifier: Apache-2.0
/*
 * QUIC Initials: the vectors of the RFCs, what clients send, and what a hostile one may try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tls/hello_rig.h"
#include "tls/quic.h"
#include "tls/quic_rig.h"
#include "tls/quic_samples.h"
#include "tls/quic_stream.h"

static struct quic_crypto *crypto;
static struct quic_hello *q;
static struct hello_rig rig;
static struct hello hello;
static uint8_t frame_mem[20000];
static struct wbuf frames;

static const uint8_t cid_a[] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t cid_b[] = {9, 2, 3, 4, 5, 6, 7, 8, 9, 10};
static const uint8_t cid_server[] = {0x55, 0x66, 0x77, 0x88};

#define VIEW(a) view_make(a, sizeof(a))

static int setup(void **state)
{
	crypto = quic_crypto_new();
	q = quic_hello_new(crypto);
	frames = wbuf_make(frame_mem, sizeof(frame_mem));
	return !crypto || !q;
}

static int teardown(void **state)
{
	quic_hello_free(q);
	quic_crypto_free(crypto);
	return 0;
}

/* A flow that has said nothing yet. */
static void again(void)
{
	quic_hello_free(q);
	q = quic_hello_new(crypto);
}

/* Feeds a copy of exactly that size, so that a read past the end shows. */
static enum hello_result feed(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, p, len);
	enum hello_result r = quic_hello_datagram(q, view_make(copy, len), &hello);
	free(copy);
	return r;
}

static enum hello_result feed_hex(const char *text)
{
	uint8_t b[2000];
	size_t n = strlen(text) / 2;
	for (size_t i = 0; i < n; i++) {
		char two[3] = {text[2 * i], text[2 * i + 1]};
		b[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return feed(b, n);
}

/* Sends what was put into `frames`, and empties it. */
static enum hello_result send_packet(struct quic_rig r)
{
	uint8_t *p = malloc(65536);
	r.crypto = crypto;
	size_t n = quic_rig_seal(&r, view_make(frame_mem, frames.len), p);
	frames.len = 0;
	enum hello_result result = feed(p, n);
	free(p);
	return result;
}

/* A whole hello in one packet of connection `cid`. */
static enum hello_result send_hello(struct view cid, const char *name, uint32_t number)
{
	struct view m = rig_hello(&rig, name, 0);
	quic_rig_crypto(&frames, m, 0, m.len);
	return send_packet((struct quic_rig){.dcid = cid, .number = number});
}

static void put_ack(void)
{
	wbuf_put_bytes(&frames, "\2\0\0\0\0", 5);
}

static void assert_hex(const uint8_t *p, const char *hex)
{
	for (size_t i = 0; i < strlen(hex) / 2; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1]};
		assert_int_equal(p[i], strtoul(two, NULL, 16));
	}
}

/* ---- vectors and clients ---- */

static void check_vector(uint32_t version, const char *head, const char *tail)
{
	static const uint8_t cid[] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
	struct quic_rig r = {.crypto = crypto, .version = version, .dcid = VIEW(cid), .number = 2};
	uint8_t frame[300], packet[1300];
	size_t n = strlen(vector_frame) / 2;

	for (size_t i = 0; i < n; i++) {
		char two[3] = {vector_frame[2 * i], vector_frame[2 * i + 1]};
		frame[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	assert_int_equal(quic_rig_seal(&r, view_make(frame, n), packet), 1200);
	assert_hex(packet, head);
	assert_hex(packet + 1200 - strlen(tail) / 2, tail);
	again();
	assert_int_equal(feed(packet, 1200), HELLO_DONE);
	assert_string_equal(hello.name.s, "example.com");
	assert_memory_equal(hello.alpn, "\4alpn", 5);
}

static void vectors_of_the_rfcs(void **state)
{
	check_vector(QUIC_V1, vector_v1_head, vector_v1_tail);
	check_vector(QUIC_V2, vector_v2_head, vector_v2_tail);
}

static void chromium_in_two_datagrams(void **state)
{
	for (int reversed = 0; reversed < 2; reversed++) {
		const char *first = reversed ? sample_chromium_2 : sample_chromium_1;
		again();
		assert_int_equal(feed_hex(first), HELLO_MORE);
		assert_int_equal(feed_hex(first), HELLO_MORE); /* sent again */
		assert_int_equal(feed_hex(reversed ? sample_chromium_1 : sample_chromium_2),
				 HELLO_DONE);
		assert_int_equal(hello.sni, HELLO_SNI_NAME);
		assert_string_equal(hello.name.s, "browser.example.com");
		assert_memory_equal(hello.alpn, "\2h3", 3);
		assert_true(hello.ech);
		assert_int_equal(feed_hex(first), HELLO_DONE);
	}
}

static void ngtcp2_in_one(void **state)
{
	assert_int_equal(feed_hex(sample_ngtcp2), HELLO_DONE);
	assert_string_equal(hello.name.s, "localhost");
}

/* ---- CRYPTO frames ---- */

static void every_cut_reads_the_same(void **state)
{
	for (size_t cut = 1;; cut++) {
		struct view m = rig_hello(&rig, "www.example.com", 100);
		if (cut >= m.len)
			break;
		again(); /* one packet, in order or not */
		if (cut % 2) {
			quic_rig_crypto(&frames, m, cut, m.len);
			wbuf_put_bytes(&frames, "\0\0\1", 3); /* PADDING and PING between */
			quic_rig_crypto(&frames, m, 0, cut);
		} else {
			quic_rig_crypto(&frames, m, 0, cut);
			quic_rig_crypto(&frames, m, cut, m.len);
		}
		assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_DONE);
		assert_string_equal(hello.name.s, "www.example.com");
		again(); /* two datagrams */
		quic_rig_crypto(&frames, m, cut, m.len);
		assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_MORE);
		quic_rig_crypto(&frames, m, 0, cut);
		assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = 1}),
				 HELLO_DONE);
		assert_string_equal(hello.name.s, "www.example.com");
	}
}

/* A hello of several kilobytes in pieces of any size, in any order, some twice, overlapping. */
static void pieces_in_any_order(void **state)
{
	uint32_t seed = 1;

	for (int round = 0; round < 20; round++) {
		struct view m = rig_hello(&rig, "www.example.com", 3000);
		enum hello_result r = HELLO_MORE;
		size_t sent = 0;
		again();
		for (uint32_t number = 0; r == HELLO_MORE && number < 2000; number++) {
			for (int i = 0; i < 3; i++) {
				seed = seed * 1103515245 + 12345;
				size_t from = (seed >> 8) % (m.len + 200);
				size_t to = from + 1 + (seed >> 4) % 300;
				from = from < 200 ? 0 : from - 200; /* the first bytes as well */
				quic_rig_crypto(&frames, m, from, to < m.len ? to : m.len);
			}
			r = send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = number});
			sent++;
		}
		assert_int_equal(r, HELLO_DONE);
		assert_true(sent > 3);
		assert_string_equal(hello.name.s, "www.example.com");
	}
}

/* The parts: what is kept, and what may not change. */
static void stream_of_handshake_bytes(void **state)
{
	struct quic_stream s = {0};

	assert_true(quic_stream_put(&s, 4, view_make("efgh", 4)));
	assert_int_equal(s.got, 0);
	assert_int_equal(s.end, 8);
	assert_true(quic_stream_put(&s, 6, view_make("gh", 2)));
	assert_false(quic_stream_put(&s, 6, view_make("gi", 2))); /* while there is a gap */
	quic_stream_trim(&s);
	assert_non_null(s.have);
	assert_true(quic_stream_put(&s, 0, view_make("abcdef", 6)));
	assert_int_equal(s.got, 8);
	quic_stream_trim(&s);
	assert_null(s.have);
	assert_true(quic_stream_put(&s, 2, view_make("cdefgh", 6)));
	assert_false(quic_stream_put(&s, 2, view_make("cdexgh", 6))); /* without one */
	assert_true(quic_stream_put(&s, 7, view_make("hij", 3)));
	assert_false(quic_stream_put(&s, 2, view_make("x", 1))); /* after it has grown */
	assert_int_equal(s.got, 10);
	assert_memory_equal(s.bytes, "abcdefghij", 10);
	quic_stream_done(&s);
	assert_null(s.bytes);
}

/* What was read once may come again, the same: before the hello is whole, and after. */
static void another_value_is_refused(void **state)
{
	for (size_t cut = 30; cut < 140; cut += 10) {
		struct view m = rig_hello(&rig, "www.example.com", 0);
		for (int whole = 0; whole < 2; whole++) {
			again();
			quic_rig_crypto(&frames, m, 0, whole ? m.len : cut);
			assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}),
					 whole ? HELLO_DONE : HELLO_MORE);
			quic_rig_crypto(&frames, m, cut - 20, m.len);
			assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a),
								       .number = 1}),
					 HELLO_DONE);
			rig.mem[cut - 1] ^= 1;
			quic_rig_crypto(&frames, m, cut - 20, cut);
			rig.mem[cut - 1] ^= 1;
			assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a),
								       .number = 2}),
					 HELLO_BAD);
		}
	}
}

static void handshake_bytes_are_bounded(void **state)
{
	static const uint8_t data[8];
	struct view m = rig_hello(&rig, "www.example.com", 0);

	quic_rig_crypto(&frames, m, 0, 5);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_MORE);
	/* The last bytes that have a place, and the first that have not. */
	for (uint32_t at = QUIC_CRYPTO_MAX - 8; at <= QUIC_CRYPTO_MAX - 7; at++) {
		wbuf_put_bytes(&frames, "\6", 1);
		wbuf_put_be32(&frames, 0x80000000 | at);
		wbuf_put_u8(&frames, 8);
		wbuf_put_bytes(&frames, data, 8);
		assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = at}),
				 at == QUIC_CRYPTO_MAX - 8 ? HELLO_MORE : HELLO_BAD);
	}
	wbuf_put_bytes(&frames, "\6\xff\xff\xff\xff\xff\xff\xff\xff\1x", 11);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = 99999}),
			 HELLO_BAD);
	/* A hello that says that it is longer. */
	again();
	wbuf_put_bytes(&frames, "\6\0\4\1\0\x40\0", 7);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_BAD);
}

static void broken_hello_is_refused(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	rig.mem[0] = 2; /* server_hello */
	quic_rig_crypto(&frames, m, 0, 1);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_BAD);
	again();
	m = rig_hello(&rig, "www.example.com", 0);
	rig.mem[72] = 5; /* half a cipher suite */
	quic_rig_crypto(&frames, m, 0, m.len);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_BAD);
}

/* ---- frames and packets ---- */

static void frames_of_an_initial(void **state)
{
	/* clang-format off */
	static const struct {
		const char *bytes;
		uint8_t len;
		bool ok;
	} t[] = {
		{"\0", 1, true},
		{"\1", 1, true},
		{"\2\5\0\0\5", 5, true},
		{"\2\5\0\1\0\1\1", 7, true},
		{"\3\5\0\0\5\1\2\3", 8, true},
		{"\x1c\1\6\3abc", 7, true},
		{"\x1c\1\6\x40\3abc", 8, true},
		{"\6\0\0", 3, true},              /* CRYPTO without a byte */
		{"\4\0\0\0", 4, false},           /* RESET_STREAM */
		{"\7\1x", 3, false},              /* NEW_TOKEN */
		{"\x08\0x", 3, false},            /* STREAM */
		{"\x1d\1\1x", 4, false},          /* CONNECTION_CLOSE of an application */
		{"\x1e", 1, false},               /* HANDSHAKE_DONE */
		{"\x40\1", 2, false},             /* PING in a longer form */
		{"\x40\6\0\0", 4, false},
		{"\x30x", 2, false},              /* DATAGRAM */
	};
	/* clang-format on */
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		again();
		wbuf_put_bytes(&frames, t[i].bytes, t[i].len);
		assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}),
				 t[i].ok ? HELLO_MORE : HELLO_BAD);
	}
}

/* Frames that the packet's end cuts off; behind them comes no padding. */
static void frames_cut_short(void **state)
{
	static const char *t[] = {"\6",           "\6\x40", "\6\x40\1",           "\6\x40\1\2x",
				  "\2\5\1\1\1\1", "\2\x80", "\3\5\1\1\1\1\1\1\1", "\x1c\1\1\2x",
				  "\x1c\1"};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct quic_rig r = {.crypto = crypto, .dcid = VIEW(cid_a), .pad_to = 1};
		uint8_t p[1400];
		again();
		/* Padding in front, so that the datagram is long enough. */
		wbuf_put_zero(&frames, 1250);
		wbuf_put_bytes(&frames, t[i], strlen(t[i]));
		size_t n = quic_rig_seal(&r, view_make(frame_mem, frames.len), p);
		frames.len = 0;
		assert_int_equal(feed(p, n), HELLO_BAD);
	}
}

static void packets_without_frames_or_in_small_datagrams(void **state)
{
	struct quic_rig r = {.crypto = crypto, .dcid = VIEW(cid_a), .pad_to = 1};
	struct view m = rig_hello(&rig, "www.example.com", 0);
	uint8_t p[3000];

	size_t n = quic_rig_seal(&r, view_make("", 0), p);
	memset(p + n, 0, 1200);
	assert_int_equal(feed(p, n + 1200), HELLO_BAD);
	quic_rig_crypto(&frames, m, 0, m.len);
	for (r.pad_to = 1198; r.pad_to <= 1200; r.pad_to++) {
		again();
		n = quic_rig_seal(&r, view_make(frame_mem, frames.len), p);
		assert_int_equal(feed(p, n), n < 1200 ? HELLO_BAD : HELLO_DONE);
	}
	/* Padding behind the packet does as well. */
	again();
	r.pad_to = 1;
	n = quic_rig_seal(&r, view_make(frame_mem, frames.len), p);
	memset(p + n, 0, 1200 - n);
	assert_int_equal(feed(p, 1199), HELLO_BAD);
	assert_int_equal(feed(p, 1200), HELLO_DONE);
	/* One that is longer than what is read. */
	again();
	uint8_t *large = malloc(65536);
	r.pad_to = QUIC_PACKET_MAX + 100;
	n = quic_rig_seal(&r, view_make(frame_mem, frames.len), large);
	assert_int_equal(feed(large, n), HELLO_BAD);
	free(large);
}

static void reserved_bits(void **state)
{
	for (uint8_t bits = 1; bits < 4; bits++) {
		struct view m = rig_hello(&rig, "www.example.com", 0);
		again();
		quic_rig_crypto(&frames, m, 0, m.len);
		assert_int_equal(send_packet(
					 (struct quic_rig){.dcid = VIEW(cid_a), .reserved = bits}),
				 HELLO_BAD);
	}
}

static void what_cannot_be_read(void **state)
{
	uint8_t p[1300];
	memset(p, 0x40, sizeof(p));
	assert_int_equal(feed(p, 1200), HELLO_NOT_TLS); /* a short header */
	assert_int_equal(feed((const uint8_t *)"\xc0\0\0\0\1\0", 6), HELLO_NOT_TLS);
	assert_int_equal(feed(p, 0), HELLO_NOT_TLS);
	const uint32_t versions[] = {0, 0xff00001d, 0x709a50c4, 0x1a2a3a4a};
	for (size_t i = 0; i < 4; i++) {
		size_t n = quic_rig_long(0xc0, versions[i], VIEW(cid_a), 1200, p);
		assert_int_equal(feed(p, n), HELLO_NOT_TLS);
	}
	assert_int_equal(feed(p, quic_rig_long(0xf0, QUIC_V1, VIEW(cid_a), 1200, p)), HELLO_BAD);
	assert_int_equal(feed(p, quic_rig_long(0xc0, QUIC_V2, VIEW(cid_a), 1200, p)), HELLO_BAD);
	/* A connection ID of 21 bytes. */
	size_t n = quic_rig_long(0xe0, QUIC_V1, view_make("123456789012345678901", 21), 1200, p);
	assert_int_equal(feed(p, n), HELLO_BAD);
	assert_int_equal(feed(p, quic_rig_long(0xe0, QUIC_V1, view_make("12345678901234567890", 20),
					       1200, p)),
			 HELLO_MORE);
	/* The first ID of a client has at least 8 bytes. */
	assert_int_equal(send_hello(view_make(cid_a, 7), "www.example.com", 0), HELLO_BAD);
	assert_int_equal(send_hello(view_make(cid_a, 8), "www.example.com", 0), HELLO_DONE);
	assert_true(quic_is_long_header(view_make("\x80\0\0\0\0\0\0", 7)));
	assert_false(quic_is_long_header(view_make("\x7f\0\0\0\0\0\0", 7)));
	assert_false(quic_is_long_header(view_make("\x80\0\0\0\0\0", 6)));
}

static void every_cut_and_every_flipped_bit_is_refused(void **state)
{
	struct quic_rig r = {.crypto = crypto, .dcid = VIEW(cid_a), .token = VIEW(cid_b)};
	struct view m = rig_hello(&rig, "www.example.com", 0);
	uint8_t p[1300];

	quic_rig_crypto(&frames, m, 0, m.len);
	size_t n = quic_rig_seal(&r, view_make(frame_mem, frames.len), p);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(feed(p, len), len < 7 ? HELLO_NOT_TLS : HELLO_BAD);
	for (size_t bit = 0; bit < n * 8; bit++) {
		if (bit > 1200 && bit < 8800) /* all the same */
			bit += 100;
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum hello_result result = feed(p, n);
		/* Another version, or type: nothing that could be read as a hello. */
		if (bit == 7 || (bit >= 8 && bit < 40))
			assert_int_equal(result, HELLO_NOT_TLS);
		else if (bit == 4 || bit == 5)
			assert_int_not_equal(result, HELLO_DONE);
		else
			assert_int_equal(result, HELLO_BAD);
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(feed(p, n), HELLO_DONE);
}

/* The fixed bit is greased by some clients; it is part of what is authenticated. */
static void packets_in_one_datagram(void **state)
{
	struct quic_rig r = {.crypto = crypto, .dcid = VIEW(cid_a), .pad_to = 1};
	struct view m = rig_hello(&rig, "www.example.com", 0);
	uint8_t p[12000];
	size_t n;

	/* Two Initials, 0-RTT, Handshake, a short header. */
	quic_rig_crypto(&frames, m, 100, m.len);
	n = quic_rig_seal(&r, view_make(frame_mem, frames.len), p);
	frames.len = 0;
	r.number = 1;
	quic_rig_crypto(&frames, m, 0, 100);
	n += quic_rig_seal(&r, view_make(frame_mem, frames.len), p + n);
	size_t initials = n;
	n += quic_rig_long(0xd0, QUIC_V1, VIEW(cid_a), 400, p + n);
	n += quic_rig_long(0xe0, QUIC_V1, VIEW(cid_a), 300, p + n);
	memset(p + n, 0x41, 1000);
	assert_int_equal(feed(p, n + 1000), HELLO_DONE);
	assert_string_equal(hello.name.s, "www.example.com");
	/* 0-RTT in front, alone even: held until the hello is there. */
	again();
	uint8_t zero[1300];
	size_t z = quic_rig_long(0xd0, QUIC_V1, VIEW(cid_a), 1200, zero);
	assert_int_equal(feed(zero, z), HELLO_MORE);
	assert_int_equal(feed(p, n + 1000), HELLO_DONE);
	assert_int_equal(feed(zero, z), HELLO_DONE);
	assert_string_equal(hello.name.s, "www.example.com");
	/* A packet for another connection, of another version, or cut short, behind them. */
	again();
	size_t at = initials;
	size_t other = quic_rig_long(0xe0, QUIC_V1, VIEW(cid_b), 1200, p + at);
	assert_int_equal(feed(p, at + other), HELLO_BAD);
	other = quic_rig_long(0xe0, QUIC_V1, view_make("\1\2\3\4\5\6\7\10\11", 9), 1200, p + at);
	assert_int_equal(feed(p, at + other), HELLO_BAD);
	other = quic_rig_long(0xe0, 0x1a2a3a4a, VIEW(cid_a), 1200, p + at);
	assert_int_equal(feed(p, at + other), HELLO_BAD);
	other = quic_rig_long(0xe0, QUIC_V1, VIEW(cid_a), 1200, p + at);
	assert_int_equal(feed(p, at + other - 1), HELLO_BAD);
	/* More packets than any client puts together. */
	for (unsigned count = 1; count <= QUIC_PACKETS_MAX + 1; count++) {
		at = initials;
		again();
		for (unsigned i = 2; i < count; i++)
			at += quic_rig_long(0xe0, QUIC_V1, VIEW(cid_a), 1000, p + at);
		if (count > 2)
			assert_int_equal(feed(p, at),
					 count <= QUIC_PACKETS_MAX ? HELLO_DONE : HELLO_BAD);
	}
}

/* ---- connections ---- */

static void after_the_servers_answer(void **state)
{
	struct quic_rig r = {.dcid = VIEW(cid_server), .first = VIEW(cid_a), .number = 1};
	static const uint8_t wrong[] = {8, 8, 8, 8, 8, 8, 8, 8};

	assert_int_equal(send_hello(VIEW(cid_a), "www.example.com", 0), HELLO_DONE);
	put_ack();
	assert_int_equal(send_packet(r), HELLO_DONE);
	assert_string_equal(hello.name.s, "www.example.com");
	/* An ID of no bytes, and the other version (RFC 9368), are the same connection. */
	put_ack();
	r.dcid.len = 0;
	r.number = 2;
	assert_int_equal(send_packet(r), HELLO_DONE);
	put_ack();
	r.version = QUIC_V2;
	r.number = 3;
	assert_int_equal(send_packet(r), HELLO_DONE);
	assert_string_equal(hello.name.s, "www.example.com");
	/* Under keys of nobody's. */
	put_ack();
	r.first = VIEW(wrong);
	r.dcid = VIEW(cid_server);
	assert_int_equal(send_packet(r), HELLO_BAD);
}

static void after_a_retry(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	struct quic_rig r = {.dcid = VIEW(cid_b), .token = VIEW(cid_a), .number = 1};

	assert_int_equal(send_hello(VIEW(cid_a), "www.example.com", 0), HELLO_DONE);
	quic_rig_crypto(&frames, m, 0, 50);
	assert_int_equal(send_packet(r), HELLO_MORE);
	r.number = 2;
	quic_rig_crypto(&frames, m, 50, m.len);
	assert_int_equal(send_packet(r), HELLO_DONE);
	assert_string_equal(hello.name.s, "www.example.com");
}

/* Behind HelloRetryRequest the client says hello again in the same connection. */
static void second_hello(void **state)
{
	struct view m = rig_hello(&rig, "www.example.com", 0);
	static uint8_t both[2000];
	size_t one = m.len, two;

	memcpy(both, m.p, one);
	m = rig_hello(&rig, "www.example.com", 11); /* it may differ elsewhere */
	memcpy(both + one, m.p, m.len);
	two = m.len;
	m = view_make(both, one + two);
	assert_int_equal(send_hello(VIEW(cid_a), "www.example.com", 0), HELLO_DONE);
	quic_rig_crypto(&frames, m, one, one + 30);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = 1}),
			 HELLO_MORE);
	quic_rig_crypto(&frames, m, one + 30, m.len);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = 2}),
			 HELLO_DONE);
	/* Another name, at once or later. */
	m = rig_hello(&rig, "xxx.example.com", 0);
	memcpy(both + one, m.p, m.len);
	m = view_make(both, one + m.len);
	for (int at_once = 0; at_once < 2; at_once++) {
		again();
		if (!at_once)
			assert_int_equal(send_hello(VIEW(cid_a), "www.example.com", 0), HELLO_DONE);
		quic_rig_crypto(&frames, m, at_once ? 0 : one, m.len);
		assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = 1}),
				 HELLO_BAD);
	}
}

static void several_connections_in_a_flow(void **state)
{
	uint8_t cid[8] = {0};

	assert_int_equal(send_hello(VIEW(cid_a), "a.example", 0), HELLO_DONE);
	assert_int_equal(send_hello(VIEW(cid_b), "b.example", 0), HELLO_DONE);
	assert_string_equal(hello.name.s, "b.example");
	put_ack();
	assert_int_equal(send_packet((struct quic_rig){
				 .dcid = VIEW(cid_server), .first = VIEW(cid_a), .number = 1}),
			 HELLO_DONE);
	assert_string_equal(hello.name.s, "a.example");
	/* The oldest is forgotten: its Initials do not open, unless they carry its own ID. */
	for (cid[0] = 0; cid[0] < QUIC_CONNS - 1; cid[0]++)
		assert_int_equal(send_hello(VIEW(cid), "c.example", 0), HELLO_DONE);
	put_ack();
	assert_int_equal(send_packet((struct quic_rig){
				 .dcid = VIEW(cid_server), .first = VIEW(cid_b), .number = 1}),
			 HELLO_DONE);
	assert_string_equal(hello.name.s, "b.example");
	put_ack();
	assert_int_equal(send_packet((struct quic_rig){
				 .dcid = VIEW(cid_server), .first = VIEW(cid_a), .number = 2}),
			 HELLO_BAD);
}

/* Two hellos at a time: what is held of one would leave with the other. */
static void unfinished_connections_exclude_others(void **state)
{
	struct view m = rig_hello(&rig, "a.example", 0);

	quic_rig_crypto(&frames, m, 0, 60);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a)}), HELLO_MORE);
	assert_int_equal(send_hello(VIEW(cid_b), "b.example", 0), HELLO_BAD);
	m = rig_hello(&rig, "a.example", 0);
	quic_rig_crypto(&frames, m, 60, m.len);
	assert_int_equal(send_packet((struct quic_rig){.dcid = VIEW(cid_a), .number = 1}),
			 HELLO_DONE);
	assert_int_equal(send_hello(VIEW(cid_b), "b.example", 0), HELLO_DONE);
}

/* A number that the server could take for another one. */
static void ambiguous_packet_numbers(void **state)
{
	struct quic_rig r = {.dcid = VIEW(cid_a), .number = 1000, .number_bytes = 2};

	assert_int_equal(send_hello(VIEW(cid_a), "a.example", 0), HELLO_DONE);
	put_ack();
	assert_int_equal(send_packet(r), HELLO_DONE);
	put_ack();
	r.number = 1001;
	r.number_bytes = 1;
	assert_int_equal(send_packet(r), HELLO_BAD);
	put_ack();
	r.number_bytes = 3;
	assert_int_equal(send_packet(r), HELLO_DONE);
	put_ack();
	r.number = 3;
	r.number_bytes = 1;
	assert_int_equal(send_packet(r), HELLO_BAD);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vectors_of_the_rfcs),
		T(chromium_in_two_datagrams),
		T(ngtcp2_in_one),
		T(every_cut_reads_the_same),
		T(pieces_in_any_order),
		T(stream_of_handshake_bytes),
		T(another_value_is_refused),
		T(handshake_bytes_are_bounded),
		T(broken_hello_is_refused),
		T(frames_of_an_initial),
		T(frames_cut_short),
		T(packets_without_frames_or_in_small_datagrams),
		T(reserved_bits),
		T(what_cannot_be_read),
		T(every_cut_and_every_flipped_bit_is_refused),
		T(packets_in_one_datagram),
		T(after_the_servers_answer),
		T(after_a_retry),
		T(second_hello),
		T(several_connections_in_a_flow),
		T(unfinished_connections_exclude_others),
		T(ambiguous_packet_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
