// SPDX-License-Identifier: Apache-2.0
/* Signatures by a secret that stays here: AWS Signature Version 4, and plain HMAC (RFC 2104). */
#include <string.h>

#include "secret/vault.h"
#include "tls/libcrypto.h"

#define MAC_MAX 64

/* Length of the code, 0 on failure. */
static size_t hmac(const char *digest, struct view key, struct view text, uint8_t ret[MAC_MAX])
{
	size_t n = 0;

	if (!EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, key.p, key.len, text.p, text.len, ret,
		       MAC_MAX, &n))
		return 0;
	return n;
}

static int put_hex(const uint8_t *p, size_t n, struct buf *ret, struct error *err)
{
	static const char digits[] = "0123456789abcdef";
	char two[2 * MAC_MAX];

	for (size_t i = 0; i < n; i++) {
		two[2 * i] = digits[p[i] >> 4];
		two[2 * i + 1] = digits[p[i] & 15];
	}
	return buf_append(ret, two, 2 * n) ? 0 : error_set(err, "no memory");
}

/* A date is YYYYMMDD; region and service are words. */
static bool scope_is_sound(const struct holder_to_sign *s)
{
	if (s->date.len != 8 || s->region.len == 0 || s->service.len == 0)
		return false;
	for (size_t i = 0; i < 8; i++)
		if (s->date.p[i] < '0' || s->date.p[i] > '9')
			return false;
	return true;
}

/*
 * The signing key is derived from the date, the region and the service in turn. Only what begins as
 * a string to sign does is signed, so that the answer is of no other use.
 */
int vault_sign_sigv4(const struct vault_value *key, const struct holder_to_sign *s,
		     struct buf *ret_text, struct error *err)
{
	static const char begins[] = "AWS4-HMAC-SHA256", request[] = "aws4_request";
	const struct view parts[] = {s->date, s->region, s->service,
				     view_make(request, sizeof(request) - 1), s->text};
	uint8_t mac[MAC_MAX];
	struct secret_buf first = {0};
	int r;

	if (!scope_is_sound(s) || s->text.len < sizeof(begins) ||
	    memcmp(s->text.p, begins, sizeof(begins) - 1) != 0)
		return error_set(err, "that is no string to sign of AWS Signature Version 4");
	if (!libcrypto_load())
		return error_set(err, "libcrypto cannot be loaded");
	if (!secret_buf_append(&first, view_make("AWS4", 4)) ||
	    !secret_buf_append(&first, vault_value_view(key))) {
		secret_buf_done(&first);
		return error_set(err, "no memory");
	}
	struct view k = secret_buf_view(&first);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint8_t next[MAC_MAX];
		size_t n = hmac("SHA256", k, parts[i], next);

		memcpy(mac, next, sizeof(mac));
		explicit_bzero(next, sizeof(next));
		k = view_make(mac, n);
		if (n == 0)
			break;
	}
	secret_buf_done(&first);
	r = k.len ? put_hex(mac, k.len, ret_text, err) : error_set(err, "HMAC has failed");
	explicit_bzero(mac, sizeof(mac));
	return r;
}

int vault_sign_hmac(const struct vault_value *key, const char *algorithm, struct view text,
		    struct buf *ret_text, struct error *err)
{
	static const char *const words[] = {"sha256", "sha1", "sha512"};
	static const char *const names[] = {"SHA256", "SHA1", "SHA512"};
	uint8_t mac[MAC_MAX];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (algorithm && strcmp(algorithm, words[i]) != 0)
			continue;
		if (!libcrypto_load())
			return error_set(err, "libcrypto cannot be loaded");
		size_t n = hmac(names[i], vault_value_view(key), text, mac);
		if (n == 0)
			return error_set(err, "HMAC has failed");
		return put_hex(mac, n, ret_text, err);
	}
	return error_set(err, "'%s': no such algorithm", algorithm);
}
