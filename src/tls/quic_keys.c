// SPDX-License-Identifier: Apache-2.0
/*
 * Initial keys: HKDF with SHA-256 (RFC 5869) over the client's connection ID, AES-128-GCM for
 * payloads and one block of AES-128 for the header mask.
 *
 * HMAC is written out over libcrypto's SHA-256: its own HKDF looks up algorithms anew in each call,
 * which costs more than all the hashing.
 */
#include "tls/quic_keys.h"

#include <stdlib.h>

#include "tls/libcrypto.h"

enum {
	HASH = 32,
	BLOCK = 64
}; /* SHA-256 */

struct quic_crypto {
	EVP_MD *sha256;
	EVP_CIPHER *gcm, *ecb;
	EVP_MD_CTX *hash;
	EVP_CIPHER_CTX *open; /* set to gcm */
	EVP_CIPHER_CTX *mask; /* set to ecb */
};

struct quic_crypto *quic_crypto_new(void)
{
	struct quic_crypto *c = libcrypto_load() ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	c->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	c->hash = EVP_MD_CTX_new();
	c->open = EVP_CIPHER_CTX_new();
	c->mask = EVP_CIPHER_CTX_new();
	if (c->sha256 && c->gcm && c->ecb && c->hash && c->open && c->mask &&
	    EVP_DecryptInit_ex2(c->open, c->gcm, NULL, NULL, NULL) &&
	    EVP_EncryptInit_ex2(c->mask, c->ecb, NULL, NULL, NULL))
		return c;
	quic_crypto_free(c);
	return NULL;
}

void quic_crypto_free(struct quic_crypto *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->mask);
	EVP_CIPHER_CTX_free(c->open);
	EVP_MD_CTX_free(c->hash);
	EVP_CIPHER_free(c->ecb);
	EVP_CIPHER_free(c->gcm);
	EVP_MD_free(c->sha256);
	free(c);
}

/* SHA-256 of two pieces. */
static bool sha256(struct quic_crypto *c, const void *a, size_t a_len, struct view b, uint8_t *ret)
{
	return EVP_DigestInit_ex2(c->hash, c->sha256, NULL) &&
	       EVP_DigestUpdate(c->hash, a, a_len) && EVP_DigestUpdate(c->hash, b.p, b.len) &&
	       EVP_DigestFinal_ex(c->hash, ret, NULL);
}

/* RFC 2104, for keys of at most a block. */
static bool hmac(struct quic_crypto *c, const uint8_t *key, size_t key_len, struct view text,
		 uint8_t ret[HASH])
{
	uint8_t pad[BLOCK] = {0}, inner[HASH];

	memcpy(pad, key, key_len);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	if (!sha256(c, pad, BLOCK, text, inner))
		return false;
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	return sha256(c, pad, BLOCK, view_make(inner, HASH), ret);
}

/* HKDF-Expand-Label without a context (RFC 8446 7.1), for at most one block of output. */
static bool expand(struct quic_crypto *c, const uint8_t secret[HASH], const char *label,
		   uint8_t *ret, uint8_t len)
{
	uint8_t info[64], block[HASH];
	struct wbuf w = wbuf_make(info, sizeof(info));
	size_t n = strlen(label);

	wbuf_put_be16(&w, len);
	wbuf_put_u8(&w, (uint8_t)(6 + n));
	wbuf_put_bytes(&w, "tls13 ", 6);
	wbuf_put_bytes(&w, label, n);
	wbuf_put_u8(&w, 0);
	wbuf_put_u8(&w, 1); /* the number of the block */
	if (w.overflow || !hmac(c, secret, HASH, view_make(info, w.len), block))
		return false;
	memcpy(ret, block, len);
	return true;
}

bool quic_keys_client(struct quic_crypto *c, uint32_t version, struct view dcid,
		      struct quic_keys *ret)
{
	/* RFC 9001 5.2 */
	static const uint8_t salt1[20] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
					  0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
					  0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
	/* RFC 9369 3.3.1 */
	static const uint8_t salt2[20] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6,
					  0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
					  0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
	bool v2 = version == QUIC_V2;
	uint8_t initial[HASH], client[HASH];
	struct quic_keys k;

	if (!hmac(c, v2 ? salt2 : salt1, sizeof(salt1), dcid, initial) ||
	    !expand(c, initial, "client in", client, HASH) ||
	    !expand(c, client, v2 ? "quicv2 key" : "quic key", k.key, sizeof(k.key)) ||
	    !expand(c, client, v2 ? "quicv2 iv" : "quic iv", k.iv, sizeof(k.iv)) ||
	    !expand(c, client, v2 ? "quicv2 hp" : "quic hp", k.hp, sizeof(k.hp)))
		return false;
	*ret = k;
	return true;
}

bool quic_header_mask(struct quic_crypto *c, const struct quic_keys *k,
		      const uint8_t sample[QUIC_SAMPLE], uint8_t ret[QUIC_MASK])
{
	uint8_t block[16];
	int n;

	if (!EVP_EncryptInit_ex2(c->mask, NULL, k->hp, NULL, NULL) ||
	    !EVP_CIPHER_CTX_set_padding(c->mask, 0) ||
	    !EVP_EncryptUpdate(c->mask, block, &n, sample, QUIC_SAMPLE) || n != sizeof(block))
		return false;
	memcpy(ret, block, QUIC_MASK);
	return true;
}

bool quic_open(struct quic_crypto *c, const struct quic_keys *k, uint64_t number,
	       const struct view header[3], struct view sealed, uint8_t *plain)
{
	uint8_t nonce[12], tag[QUIC_TAG];
	int n;

	if (sealed.len < QUIC_TAG || sealed.len > 65535)
		return false;
	sealed.len -= QUIC_TAG;
	memcpy(tag, sealed.p + sealed.len, QUIC_TAG);
	memcpy(nonce, k->iv, sizeof(nonce));
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(number >> (56 - 8 * i));
	if (!EVP_DecryptInit_ex2(c->open, NULL, k->key, nonce, NULL))
		return false;
	for (size_t i = 0; i < 3; i++)
		if (!EVP_DecryptUpdate(c->open, NULL, &n, header[i].p, (int)header[i].len))
			return false;
	return EVP_DecryptUpdate(c->open, plain, &n, sealed.p, (int)sealed.len) &&
	       EVP_CIPHER_CTX_ctrl(c->open, EVP_CTRL_AEAD_SET_TAG, QUIC_TAG, tag) &&
	       EVP_DecryptFinal_ex(c->open, plain, &n) == 1;
}
