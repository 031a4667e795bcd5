// SPDX-License-Identifier: Apache-2.0
/*
 * HelloRetryRequest is a ServerHello whose random is a fixed value (RFC 8446 4.1.3).
 */
#include "tls/retry.h"

enum { /* RFC 8446 5.1 */
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_APPLICATION_DATA = 23,
	RECORD_HEADER = 5,
	ALERT_WARNING = 1,
	SERVER_HELLO = 2,
	RANDOM_AT = 6, /* of a ServerHello, behind type, length and version */
};

/* A sealed record may be this long (RFC 5246 6.2.3, the larger bound of the two versions). */
enum {
	SEALED_MAX = 16384 + 2048
};

/* SHA-256 of "HelloRetryRequest" */
static const uint8_t retry_random[HELLO_RANDOM_LEN] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

void retry_init(struct retry *r, const struct hello *first)
{
	*r = (struct retry){.first = *first};
}

/* ---- the server ---- */

enum answer {
	ANSWER_MORE,
	ANSWER_RETRY,
	ANSWER_OTHER
};

/* What the first n bytes of the server's first handshake message tell. */
static enum answer judge_message(const uint8_t *m, size_t n)
{
	if (n >= 1 && m[0] != SERVER_HELLO)
		return ANSWER_OTHER;
	if (n > RANDOM_AT && memcmp(m + RANDOM_AT, retry_random, n - RANDOM_AT) != 0)
		return ANSWER_OTHER;
	return n == RANDOM_AT + HELLO_RANDOM_LEN ? ANSWER_RETRY : ANSWER_MORE;
}

/* The message may lie in several records; warnings may come before it (RFC 6066 3). */
static enum answer read_answer(struct view v)
{
	uint8_t message[RANDOM_AT + HELLO_RANDOM_LEN];
	size_t have = 0;

	for (;;) {
		uint8_t head[RECORD_HEADER];
		if (v.len >= 1 && v.p[0] != RECORD_HANDSHAKE && v.p[0] != RECORD_ALERT)
			return ANSWER_OTHER;
		if (v.len >= 2 && v.p[1] != 3)
			return ANSWER_OTHER;
		if (!view_get_bytes(&v, head, sizeof(head)))
			return ANSWER_MORE;
		size_t len = get_be16(head + 3);
		struct view body = view_make(v.p, len < v.len ? len : v.len);
		if (head[0] == RECORD_ALERT && body.len && body.p[0] != ALERT_WARNING)
			return ANSWER_OTHER;
		if (head[0] == RECORD_HANDSHAKE) {
			size_t room = sizeof(message) - have;
			size_t n = body.len < room ? body.len : room;
			view_get_bytes(&body, message + have, n);
			have += n;
			enum answer a = judge_message(message, have);
			if (a != ANSWER_MORE)
				return a;
		}
		if (!view_skip(&v, len))
			return ANSWER_MORE;
	}
}

enum retry_result retry_server(struct retry *r, struct view bytes)
{
	if (!r->asked && !r->over) {
		enum answer a = read_answer(bytes);
		r->asked = a == ANSWER_RETRY;
		r->over = a == ANSWER_OTHER;
	}
	return r->over ? RETRY_OVER : RETRY_WATCH;
}

/* ---- the guest ---- */

/* A handshake record of the guest's: there is none before the server has asked for it. */
static enum retry_result read_second(const struct retry *r, struct view bytes)
{
	struct hello second;

	if (!r->asked)
		return RETRY_BAD;
	switch (hello_read_records(bytes, &second)) {
	case HELLO_MORE:
		return RETRY_WATCH;
	case HELLO_DONE:
		return hello_same_aim(&r->first, &second) ? RETRY_OVER : RETRY_BAD;
	default:
		return RETRY_BAD;
	}
}

/* May this record pass unread? A client that has not offered 0-RTT has nothing to seal yet. */
static bool may_pass(const struct retry *r, uint8_t type, uint16_t len)
{
	switch (type) {
	case RECORD_CHANGE_CIPHER_SPEC:
		return len == 1;
	case RECORD_ALERT:
		return len == 2;
	case RECORD_APPLICATION_DATA:
		return r->first.early_data && len <= SEALED_MAX;
	default:
		return false;
	}
}

static enum retry_result read_guest(struct retry *r, struct view v, size_t *ret_pass)
{
	size_t whole = v.len;

	*ret_pass = 0;
	for (;;) {
		size_t n = r->skip < v.len ? r->skip : v.len;
		view_skip(&v, n);
		r->skip -= (uint32_t)n;
		*ret_pass = whole - v.len;
		if (v.len == 0)
			return RETRY_WATCH;
		if (v.p[0] == RECORD_HANDSHAKE)
			return read_second(r, v);
		if (v.len < RECORD_HEADER)
			return RETRY_WATCH;
		uint16_t len = get_be16(v.p + 3);
		if (v.p[1] == 3 && may_pass(r, v.p[0], len))
			r->skip = RECORD_HEADER + (uint32_t)len;
		else
			return RETRY_BAD;
	}
}

enum retry_result retry_guest(struct retry *r, struct view bytes, size_t *ret_pass)
{
	enum retry_result result = RETRY_OVER;

	if (!r->over)
		result = read_guest(r, bytes, ret_pass);
	if (result == RETRY_OVER) {
		r->over = true;
		*ret_pass = bytes.len;
	}
	return result;
}
