// SPDX-License-Identifier: Apache-2.0
/*
 * Sealing Initial packets for tests.
 */
#include "tls/quic_rig.h"

#include <stdlib.h>
#include <openssl/evp.h>

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void put_varint2(struct wbuf *w, size_t n)
{
	wbuf_put_be16(w, (uint16_t)(0x4000 | n));
}

static void put_cid(struct wbuf *w, struct view cid)
{
	wbuf_put_u8(w, (uint8_t)cid.len);
	wbuf_put_bytes(w, cid.p, cid.len);
}

/* AES-128-GCM in place; the tag goes behind. */
static void seal(const struct quic_keys *k, uint64_t number, struct view header, uint8_t *text,
		 size_t len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[12];
	int n;

	memcpy(nonce, k->iv, 12);
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(number >> (56 - 8 * i));
	must(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, nonce) &&
	     EVP_EncryptUpdate(c, NULL, &n, header.p, (int)header.len) &&
	     EVP_EncryptUpdate(c, text, &n, text, (int)len) &&
	     EVP_EncryptFinal_ex(c, text + len, &n) &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, QUIC_TAG, text + len));
	EVP_CIPHER_CTX_free(c);
}

size_t quic_rig_seal(const struct quic_rig *r, struct view frames, uint8_t *to)
{
	uint32_t version = r->version ? r->version : QUIC_V1;
	uint8_t bytes = r->number_bytes ? r->number_bytes : 4, mask[QUIC_MASK];
	size_t whole = r->pad_to ? r->pad_to : 1200;
	struct wbuf w = wbuf_make(to, 65535);
	struct quic_keys k;

	must(quic_keys_client(r->crypto, version, r->first.len ? r->first : r->dcid, &k));
	wbuf_put_u8(&w,
		    (uint8_t)((version == QUIC_V2 ? 0xd0 : 0xc0) | r->reserved << 2 | (bytes - 1)));
	wbuf_put_be32(&w, version);
	put_cid(&w, r->dcid);
	put_cid(&w, (struct view){0});
	if (r->token.len) {
		put_varint2(&w, r->token.len);
		wbuf_put_bytes(&w, r->token.p, r->token.len);
	} else {
		wbuf_put_u8(&w, 0);
	}
	size_t head = w.len + 2 + bytes;
	size_t payload = frames.len;
	if (head + payload + QUIC_TAG < whole)
		payload = whole - head - QUIC_TAG;
	put_varint2(&w, bytes + payload + QUIC_TAG);
	for (uint8_t i = 0; i < bytes; i++)
		wbuf_put_u8(&w, (uint8_t)(r->number >> (8 * (bytes - 1 - i))));
	wbuf_put_bytes(&w, frames.p, frames.len);
	wbuf_put_zero(&w, payload - frames.len);
	wbuf_put_zero(&w, QUIC_TAG);
	must(!w.overflow);
	seal(&k, r->number, view_make(to, head), to + head, payload);
	must(quic_header_mask(r->crypto, &k, to + head - bytes + 4, mask));
	to[0] ^= mask[0] & 0x0f;
	for (uint8_t i = 0; i < bytes; i++)
		to[head - bytes + i] ^= mask[1 + i];
	return w.len;
}

size_t quic_rig_long(uint8_t first, uint32_t version, struct view dcid, size_t n, uint8_t *to)
{
	struct wbuf w = wbuf_make(to, 65535);

	wbuf_put_u8(&w, first);
	wbuf_put_be32(&w, version);
	put_cid(&w, dcid);
	put_cid(&w, (struct view){0});
	put_varint2(&w, n);
	wbuf_put_zero(&w, n);
	return w.len;
}

void quic_rig_crypto(struct wbuf *w, struct view message, size_t from, size_t to)
{
	wbuf_put_u8(w, 6);
	put_varint2(w, from);
	put_varint2(w, to - from);
	wbuf_put_bytes(w, message.p + from, to - from);
}
