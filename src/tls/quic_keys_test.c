// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of QUIC Initials: the values of the RFCs, and a packet that opens under two keys.
 *
 * AES-GCM does not bind a ciphertext to its key. Its tag is a polynomial in a value that follows
 * from the key, evaluated over header and ciphertext; with one block of ciphertext left free, two
 * tags can be made equal by solving one linear equation in GF(2^128). A client can so make a packet
 * that is one thing to weir and another to the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "tls/hello_rig.h"
#include "tls/quic.h"
#include "tls/quic_rig.h"

static struct quic_crypto *crypto;

static const uint8_t cid_a[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t cid_b[10] = {9, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static void assert_hex(const uint8_t *p, const char *hex)
{
	for (size_t i = 0; i < strlen(hex) / 2; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1]};
		assert_int_equal(p[i], strtoul(two, NULL, 16));
	}
}

static void keys_of_the_rfcs(void **state)
{
	static const uint8_t cid[] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
	struct quic_keys k;

	/* RFC 9001 A.1 */
	assert_true(quic_keys_client(crypto, QUIC_V1, view_make(cid, 8), &k));
	assert_hex(k.key, "1f369613dd76d5467730efcbe3b1a22d");
	assert_hex(k.iv, "fa044b2f42a3fd3b46fb255c");
	assert_hex(k.hp, "9f50449e04a0e810283a1e9933adedd2");
	/* RFC 9369 A.1 */
	assert_true(quic_keys_client(crypto, QUIC_V2, view_make(cid, 8), &k));
	assert_hex(k.key, "8b1a0bc121284290a29e0971b5cd045d");
	assert_hex(k.iv, "91f73e2351d8fa91660e909f");
	assert_hex(k.hp, "45b95e15235d6f45a6b19cbcb0294ba9");
}

/* ---- GF(2^128) as GCM has it: bit 0 is the highest of the first byte ---- */

struct gf {
	uint64_t hi, lo;
};

static struct gf gf_read(const uint8_t b[16])
{
	return (struct gf){(uint64_t)get_be32(b) << 32 | get_be32(b + 4),
			   (uint64_t)get_be32(b + 8) << 32 | get_be32(b + 12)};
}

static void gf_write(struct gf a, uint8_t b[16])
{
	put_be32(b, (uint32_t)(a.hi >> 32));
	put_be32(b + 4, (uint32_t)a.hi);
	put_be32(b + 8, (uint32_t)(a.lo >> 32));
	put_be32(b + 12, (uint32_t)a.lo);
}

static struct gf gf_add(struct gf a, struct gf b)
{
	return (struct gf){a.hi ^ b.hi, a.lo ^ b.lo};
}

static struct gf gf_mul(struct gf a, struct gf b)
{
	struct gf z = {0};
	for (int i = 0; i < 128; i++) {
		if ((i < 64 ? a.hi >> (63 - i) : a.lo >> (127 - i)) & 1)
			z = gf_add(z, b);
		bool carry = b.lo & 1;
		b.lo = b.lo >> 1 | b.hi << 63;
		b.hi = b.hi >> 1 ^ (carry ? 0xe1ull << 56 : 0);
	}
	return z;
}

/* a^(2^128 - 2) */
static struct gf gf_invert(struct gf a)
{
	struct gf square = a, z = {1ull << 63, 0};
	for (int i = 1; i < 128; i++) {
		square = gf_mul(square, square);
		z = gf_mul(z, square);
	}
	return z;
}

/* ---- one reading of the packet ---- */

struct reading {
	struct quic_keys k;
	uint8_t first;      /* bare */
	uint8_t number[4];  /* bare */
	struct gf h, mask0; /* what GHASH runs on, and what its result is masked with */
};

static void aes(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;
	assert_true(EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL) &&
		    EVP_CIPHER_CTX_set_padding(c, 0) && EVP_EncryptUpdate(c, out, &n, in, 16));
	EVP_CIPHER_CTX_free(c);
}

/* Block `counter` of the key stream; 1 masks the tag. */
static void key_stream(const struct reading *r, uint8_t counter, uint8_t out[16])
{
	uint8_t block[16] = {0};
	memcpy(block, r->k.iv, 12);
	for (int i = 0; i < 4; i++)
		block[8 + i] ^= r->number[i];
	block[15] = counter;
	aes(r->k.key, block, out);
}

static void set_number(struct reading *r, const uint8_t number[4])
{
	uint8_t zero[16] = {0}, out[16];
	memcpy(r->number, number, 4);
	aes(r->k.key, zero, out);
	r->h = gf_read(out);
	key_stream(r, 1, out);
	r->mask0 = gf_read(out);
}

enum {
	BLOCKS = 73,
	CIPHERTEXT = BLOCKS * 16,
	FREE = 40 /* the block to be solved for */
};

static struct gf ghash_part(struct gf y, struct gf h, const uint8_t *p, size_t len)
{
	for (; len; p += 16) {
		uint8_t block[16] = {0};
		size_t n = len < 16 ? len : 16;
		memcpy(block, p, n);
		y = gf_mul(gf_add(y, gf_read(block)), h);
		len -= n;
	}
	return y;
}

/* The tag under this reading of a packet with `head` bytes before the ciphertext. */
static struct gf tag_of(const struct reading *r, const uint8_t *packet, size_t head)
{
	uint8_t aad[64], sizes[16] = {0};
	struct gf y = {0};

	memcpy(aad, packet, head);
	aad[0] = r->first;
	memcpy(aad + head - 4, r->number, 4);
	y = ghash_part(y, r->h, aad, head);
	y = ghash_part(y, r->h, packet + head, CIPHERTEXT);
	put_be32(sizes + 4, (uint32_t)head * 8);
	put_be32(sizes + 12, CIPHERTEXT * 8);
	return gf_add(ghash_part(y, r->h, sizes, 16), r->mask0);
}

/*
 * A packet of connection b that also opens under the keys of a, where it closes the connection with
 * a long reason. Returns its size.
 */
static size_t make_packet(uint8_t *packet)
{
	static const uint8_t close[5] = {0x1c, 0, 0, 0x40 | (CIPHERTEXT - 5) >> 8,
					 (CIPHERTEXT - 5) & 0xff};
	static const uint8_t number[4] = {0, 0, 0, 9};
	struct wbuf w = wbuf_make(packet, 2000);
	struct reading a = {0}, b = {0};
	uint8_t stream[16], mask_a[QUIC_MASK], mask_b[QUIC_MASK], number_b[4];
	struct gf power_a, power_b;

	assert_true(quic_keys_client(crypto, QUIC_V1, view_make(cid_a, 8), &a.k));
	assert_true(quic_keys_client(crypto, QUIC_V1, view_make(cid_b, 10), &b.k));
	wbuf_put_u8(&w, 0);
	wbuf_put_be32(&w, QUIC_V1);
	wbuf_put_u8(&w, sizeof(cid_b));
	wbuf_put_bytes(&w, cid_b, sizeof(cid_b));
	wbuf_put_be16(&w, 0); /* no source ID, no token */
	wbuf_put_be16(&w, 0x4000 | (4 + CIPHERTEXT + QUIC_TAG));
	wbuf_put_zero(&w, 4);
	size_t head = w.len;
	wbuf_put_zero(&w, CIPHERTEXT + QUIC_TAG);
	/* The first block begins as a wants it; the rest of it is tried until both masks agree on
	 * the first byte. */
	set_number(&a, number);
	key_stream(&a, 2, stream);
	for (size_t i = 0; i < sizeof(close); i++)
		packet[head + i] = stream[i] ^ close[i];
	do {
		packet[head + 15]++;
		assert_true(quic_header_mask(crypto, &a.k, packet + head, mask_a));
		assert_true(quic_header_mask(crypto, &b.k, packet + head, mask_b));
	} while ((mask_a[0] ^ mask_b[0]) & 0x0f);
	a.first = b.first = 0xc3;
	packet[0] = 0xc3 ^ (mask_a[0] & 0x0f);
	for (int i = 0; i < 4; i++) {
		packet[head - 4 + i] = number[i] ^ mask_a[1 + i];
		number_b[i] = packet[head - 4 + i] ^ mask_b[1 + i];
	}
	set_number(&b, number_b);
	/* x * (ha^n + hb^n) = the difference of the tags without x */
	power_a = a.h;
	power_b = b.h;
	for (int i = FREE; i < BLOCKS; i++) { /* the blocks behind it, and the sizes */
		power_a = gf_mul(power_a, a.h);
		power_b = gf_mul(power_b, b.h);
	}
	struct gf x = gf_mul(gf_add(tag_of(&a, packet, head), tag_of(&b, packet, head)),
			     gf_invert(gf_add(power_a, power_b)));
	gf_write(x, packet + head + FREE * 16);
	gf_write(tag_of(&a, packet, head), packet + head + CIPHERTEXT);
	return w.len;
}

static enum hello_result feed_hello(struct quic_hello *q, struct view cid, const char *name,
				    struct hello *h)
{
	static struct hello_rig rig;
	static uint8_t mem[2000], packet[3000];
	struct quic_rig r = {.crypto = crypto, .dcid = cid};
	struct wbuf w = wbuf_make(mem, sizeof(mem));
	struct view m = rig_hello(&rig, name, 0);

	quic_rig_crypto(&w, m, 0, m.len);
	size_t n = quic_rig_seal(&r, view_make(mem, w.len), packet);
	return quic_hello_datagram(q, view_make(packet, n), h);
}

static void packet_that_opens_under_two_keys(void **state)
{
	uint8_t packet[2000];
	size_t n = make_packet(packet);
	struct quic_hello *q = quic_hello_new(crypto);
	struct hello h;

	/* With the keys of a known it opens, as long as those of b are another connection's: */
	assert_int_equal(feed_hello(q, view_make(cid_a, 8), "a.example", &h), HELLO_DONE);
	assert_int_equal(quic_hello_datagram(q, view_make(packet, n), &h), HELLO_BAD);
	/* ... both are known */
	assert_int_equal(feed_hello(q, view_make(cid_b, 10), "b.example", &h), HELLO_DONE);
	assert_int_equal(quic_hello_datagram(q, view_make(packet, n), &h), HELLO_BAD);
	quic_hello_free(q);
	/* ... in the other order, in which the harmless reading comes first. */
	q = quic_hello_new(crypto);
	assert_int_equal(feed_hello(q, view_make(cid_b, 10), "b.example", &h), HELLO_DONE);
	assert_int_equal(feed_hello(q, view_make(cid_a, 8), "a.example", &h), HELLO_DONE);
	assert_int_equal(quic_hello_datagram(q, view_make(packet, n), &h), HELLO_BAD);
	quic_hello_free(q);
}

/* That the packet is what it is said to be. */
static void two_keys_open_it(void **state)
{
	uint8_t packet[2000], plain[2000], mask[QUIC_MASK];
	size_t n = make_packet(packet), head = n - CIPHERTEXT - QUIC_TAG;
	const struct view cids[2] = {view_make(cid_a, 8), view_make(cid_b, 10)};

	for (int i = 0; i < 2; i++) {
		struct quic_keys k;
		uint8_t bare[64];
		assert_true(quic_keys_client(crypto, QUIC_V1, cids[i], &k));
		assert_true(quic_header_mask(crypto, &k, packet + head, mask));
		memcpy(bare, packet, head);
		bare[0] ^= mask[0] & 0x0f;
		for (int j = 0; j < 4; j++)
			bare[head - 4 + j] ^= mask[1 + j];
		const struct view header[3] = {view_make(bare, head)};
		assert_true(quic_open(crypto, &k, get_be32(bare + head - 4), header,
				      view_make(packet + head, n - head), plain));
		assert_int_equal(plain[0] == 0x1c, i == 0);
		packet[n - 1] ^= 1;
		assert_false(quic_open(crypto, &k, get_be32(bare + head - 4), header,
				       view_make(packet + head, n - head), plain));
		packet[n - 1] ^= 1;
	}
	assert_int_equal(ERR_peek_error(), 0); /* nothing is left behind for others to find */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_the_rfcs),
		cmocka_unit_test(two_keys_open_it),
		cmocka_unit_test(packet_that_opens_under_two_keys),
	};
	crypto = quic_crypto_new();
	int failed = crypto ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	quic_crypto_free(crypto);
	return failed;
}
