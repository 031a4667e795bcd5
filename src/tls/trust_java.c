// SPDX-License-Identifier: Apache-2.0
/*
 * A trust store for Java: PKCS#12 (RFC 7292) with the certificates in the clear, each with the
 * attribute by which Java knows that it is trusted, and not only there for a chain. OpenSSL has no
 * way to set that attribute, so the DER is written here.
 *
 * Certificates are no secret, and the password is known to all: the store is not encrypted, and its
 * checksum is derived in one iteration, which spares each start of a virtual machine milliseconds.
 * The checksum is SHA-1's, because Java 8 knew no other for a long time.
 */
#include "tls/trust.h"

#include <stdio.h>
#include <string.h>

#include "tls/pem.h"

#define PASSWORD "changeit" /* what Java's own tools have */
#define SHA1     20         /* bytes */

/* X.690 8.1.2: universal types, and those of one context */
enum {
	INTEGER = 0x02,
	OCTET_STRING = 0x04,
	NULL_VALUE = 0x05,
	OBJECT = 0x06,
	BMP_STRING = 0x1e,
	SEQUENCE = 0x30,
	SET = 0x31,
	EXPLICIT_0 = 0xa0
};

static const uint8_t oid_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1};
static const uint8_t oid_cert_bag[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 3};
static const uint8_t oid_x509[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1};
static const uint8_t oid_friendly_name[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20};
static const uint8_t oid_sha1[] = {0x2b, 14, 3, 2, 26};
/* 2.16.840.1.113894.746875.1.1, Oracle's trustedKeyUsage; its value says for what: */
static const uint8_t oid_trusted[] = {0x60, 0x86, 0x48, 1,    0x86, 0xf9,
				      0x66, 0xad, 0xca, 0x7b, 1,    1};
static const uint8_t oid_any_usage[] = {0x55, 0x1d, 0x25, 0};

/* ---- DER ---- */

/* What stands behind `start` becomes the content of a value of this type. */
static bool wrap(struct buf *b, size_t start, uint8_t tag)
{
	size_t len = b->len - start, bytes = 0;
	uint8_t head[2 + sizeof(len)] = {tag};

	for (size_t n = len; n; n >>= 8)
		bytes++;
	if (len < 0x80)
		bytes = 0;
	head[1] = (uint8_t)(bytes ? 0x80 | bytes : len);
	for (size_t i = 0; i < bytes; i++)
		head[2 + i] = (uint8_t)(len >> 8 * (bytes - 1 - i));
	if (!buf_append(b, head, 2 + bytes))
		return false;
	uint8_t *at = b->mem + b->start + start;
	memmove(at + 2 + bytes, at, len);
	memcpy(at, head, 2 + bytes);
	return true;
}

static bool put(struct buf *b, uint8_t tag, const void *p, size_t n)
{
	size_t start = b->len;

	return buf_append(b, p, n) && wrap(b, start, tag);
}

static bool put_int(struct buf *b, uint8_t v)
{
	return put(b, INTEGER, &v, 1);
}

#define put_oid(b, oid) put(b, OBJECT, oid, sizeof(oid))

/* ---- bags ---- */

/* The alias that keytool shows. */
static bool put_name(struct buf *b, size_t number)
{
	char text[24];
	size_t attr = b->len;
	int n = snprintf(text, sizeof(text), "ca-%04zu", number);

	if (!put_oid(b, oid_friendly_name))
		return false;
	size_t set = b->len;
	for (int i = 0; i < n; i++)
		if (!buf_append(b, (uint8_t[]){0, (uint8_t)text[i]}, 2))
			return false;
	return wrap(b, set, BMP_STRING) && wrap(b, set, SET) && wrap(b, attr, SEQUENCE);
}

static bool put_trusted(struct buf *b)
{
	size_t attr = b->len;

	if (!put_oid(b, oid_trusted))
		return false;
	size_t set = b->len;
	return put_oid(b, oid_any_usage) && wrap(b, set, SET) && wrap(b, attr, SEQUENCE);
}

static bool put_bag(struct buf *b, struct view der, size_t number)
{
	size_t bag = b->len;

	if (!put_oid(b, oid_cert_bag))
		return false;
	size_t cert = b->len;
	if (!put_oid(b, oid_x509))
		return false;
	size_t value = b->len;
	if (!put(b, OCTET_STRING, der.p, der.len) || !wrap(b, value, EXPLICIT_0) ||
	    !wrap(b, cert, SEQUENCE) || !wrap(b, cert, EXPLICIT_0))
		return false;
	size_t attrs = b->len;
	/* The shorter one is first: that is the order of a set in DER. */
	return put_trusted(b) && put_name(b, number) && wrap(b, attrs, SET) &&
	       wrap(b, bag, SEQUENCE);
}

/* What stands behind `start`, as a ContentInfo of data. */
static bool wrap_data(struct buf *b, size_t start)
{
	struct buf head = {0};
	bool ok = wrap(b, start, OCTET_STRING) && wrap(b, start, EXPLICIT_0) &&
		  put_oid(&head, oid_data);

	if (ok && buf_append_view(b, buf_view(&head))) {
		uint8_t *at = b->mem + b->start + start;
		memmove(at + head.len, at, b->len - start - head.len);
		memcpy(at, buf_view(&head).p, head.len);
		ok = wrap(b, start, SEQUENCE);
	} else {
		ok = false;
	}
	buf_done(&head);
	return ok;
}

/* ---- the checksum ---- */

/* Appends MacData over the bags. */
static bool put_mac(struct buf *b, struct view bags)
{
	uint8_t salt[8], key[SHA1], mac[SHA1];
	size_t n = 0, data = b->len;

	if (RAND_bytes(salt, sizeof(salt)) != 1 ||
	    !PKCS12_key_gen_utf8(PASSWORD, (int)strlen(PASSWORD), salt, sizeof(salt), PKCS12_MAC_ID,
				 1, SHA1, key, EVP_sha1()) ||
	    !EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, key, SHA1, bags.p, bags.len, mac,
		       sizeof(mac), &n))
		return false;
	if (!put_oid(b, oid_sha1) || !put(b, NULL_VALUE, NULL, 0) || !wrap(b, data, SEQUENCE) ||
	    !put(b, OCTET_STRING, mac, n) || !wrap(b, data, SEQUENCE))
		return false;
	/* One iteration is the default, which DER leaves out. */
	return put(b, OCTET_STRING, salt, sizeof(salt)) && wrap(b, data, SEQUENCE);
}

static bool put_store(struct buf *b, const struct pem_ders *d)
{
	size_t start = b->len, safe;
	struct buf bags = {0};
	bool ok = put_int(b, 3);

	for (size_t i = 0; ok && i < d->n; i++)
		ok = put_bag(&bags, pem_ders_get(d, i), i + 1);
	ok = ok && wrap(&bags, 0, SEQUENCE) && wrap_data(&bags, 0) && wrap(&bags, 0, SEQUENCE);
	safe = b->len;
	ok = ok && buf_append_view(b, buf_view(&bags)) && wrap_data(b, safe) &&
	     put_mac(b, buf_view(&bags)) && wrap(b, start, SEQUENCE);
	buf_done(&bags);
	return ok;
}

int trust_java_store(const char *pem, struct buf *ret, struct error *err)
{
	struct pem_ders ders = {0};

	if (libcrypto_need(err) < 0)
		return -1;
	int r = pem_ders_add(&ders, view_make(pem, strlen(pem)), err);
	if (r == 0 && !put_store(ret, &ders))
		r = error_set(err, "Java's trust store cannot be made: %s", libcrypto_fault());
	pem_ders_done(&ders);
	return r;
}
