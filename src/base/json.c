// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON writer: commas, escapes, numbers.
 *
 * Text is looked at byte by byte. Runs that stand for themselves are copied whole; what is no valid
 * UTF-8 (RFC 3629: overlong forms, surrogates and what lies past U+10FFFF, too) becomes U+FFFD, one
 * for each longest beginning of a character, as the Unicode standard recommends (3.9, "maximal
 * subpart"). Escaped are the two that JSON wants escaped, and whatever a terminal or a reader of
 * lines could take for a command: C0, DEL, C1 and the line and paragraph separators.
 */
#include "base/json.h"

struct json json_make(void *buf, size_t cap)
{
	return (struct json){.out = wbuf_make(buf, cap)};
}

/* One character at p of n > 0 bytes: how many bytes it takes, and what it is; U+FFFD where it is
 * none. */
static size_t utf8_next(const uint8_t *p, size_t n, uint32_t *ret)
{
	uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte (RFC 3629, section 4) */
	size_t len;
	uint32_t c;

	*ret = 0xfffd;
	if (p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 1;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	c = p[0] & (0x7fu >> len);
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++) {
		if (i >= n || p[i] < low || p[i] > high)
			return i;
		c = c << 6 | (p[i] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	*ret = c;
	return len;
}

static bool wants_escape(uint32_t c)
{
	return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
	       c == 0x2029;
}

/* The one-letter escapes (RFC 8259, section 7); 0 where there is none. */
static char short_escape(uint32_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	}
	return 0;
}

static void put_escape(struct wbuf *w, uint32_t c)
{
	static const char hex[] = "0123456789abcdef";
	char esc[6] = {'\\',       'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15],
		       hex[c & 15]};
	char one = short_escape(c);

	if (one) {
		esc[1] = one;
		wbuf_put_bytes(w, esc, 2);
	} else {
		wbuf_put_bytes(w, esc, sizeof(esc));
	}
}

/* Printable ASCII that stands for itself: nearly all text there is. */
static bool is_plain(uint8_t b)
{
	return b >= 0x20 && b < 0x7f && b != '"' && b != '\\';
}

static void put_string(struct wbuf *w, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t run = 0; /* bytes before p that stand for themselves */

	wbuf_put_u8(w, '"');
	for (;;) {
		for (; n && is_plain(*p); n--, p++)
			run++;
		if (n == 0)
			break;
		uint32_t c;
		size_t len = utf8_next(p, n, &c);
		bool broken = c == 0xfffd && !(len == 3 && p[0] == 0xef && p[1] == 0xbf);

		if (broken || wants_escape(c)) {
			wbuf_put_bytes(w, p - run, run);
			run = 0;
			if (broken)
				wbuf_put_bytes(w, "\xef\xbf\xbd", 3);
			else
				put_escape(w, c);
		} else {
			run += len;
		}
		p += len;
		n -= len;
	}
	if (run)
		wbuf_put_bytes(w, p - run, run);
	wbuf_put_u8(w, '"');
}

/* What comes before every value. */
static void begin_value(struct json *j, const char *key)
{
	if (j->comma)
		wbuf_put_u8(&j->out, ',');
	j->comma = true;
	if (!key)
		return;
	put_string(&j->out, key, strlen(key));
	wbuf_put_u8(&j->out, ':');
}

static void put_plain(struct json *j, const char *text)
{
	wbuf_put_bytes(&j->out, text, strlen(text));
}

void json_object_begin(struct json *j, const char *key)
{
	begin_value(j, key);
	wbuf_put_u8(&j->out, '{');
	j->comma = false;
}

void json_object_end(struct json *j)
{
	wbuf_put_u8(&j->out, '}');
	j->comma = true;
}

void json_array_begin(struct json *j, const char *key)
{
	begin_value(j, key);
	wbuf_put_u8(&j->out, '[');
	j->comma = false;
}

void json_array_end(struct json *j)
{
	wbuf_put_u8(&j->out, ']');
	j->comma = true;
}

void json_text(struct json *j, const char *key, const char *text)
{
	json_text_n(j, key, text, strlen(text));
}

void json_text_n(struct json *j, const char *key, const char *text, size_t n)
{
	begin_value(j, key);
	put_string(&j->out, text, n);
}

#define UINT_DIGITS 20 /* of UINT64_MAX */

/* Writes v in front of `end`; returns where its text begins. */
static char *digits_before(char *end, uint64_t v)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return end;
}

static void put_uint(struct wbuf *w, uint64_t v)
{
	char buf[UINT_DIGITS], *end = buf + sizeof(buf), *at = digits_before(end, v);

	wbuf_put_bytes(w, at, (size_t)(end - at));
}

void json_uint(struct json *j, const char *key, uint64_t v)
{
	begin_value(j, key);
	put_uint(&j->out, v);
}

void json_milli(struct json *j, const char *key, uint64_t v)
{
	unsigned rest = (unsigned)(v % 1000);
	const char point[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
			       (char)('0' + rest % 10)};

	begin_value(j, key);
	put_uint(&j->out, v / 1000);
	wbuf_put_bytes(&j->out, point, sizeof(point));
}

void json_bool(struct json *j, const char *key, bool v)
{
	begin_value(j, key);
	put_plain(j, v ? "true" : "false");
}

void json_nil(struct json *j, const char *key)
{
	begin_value(j, key);
	put_plain(j, "null");
}

/* The text of an address needs no escapes. IPv4 is written here, because there is so much of it. */
static void put_addr(struct json *j, const struct ipaddr *a)
{
	char buf[IPADDR_STRLEN];

	if (a->family != 4) {
		put_plain(j, ipaddr_str(a, buf));
		return;
	}
	for (int i = 0; i < 4; i++) {
		if (i)
			wbuf_put_u8(&j->out, '.');
		put_uint(&j->out, a->b[i]);
	}
}

void json_addr(struct json *j, const char *key, const struct ipaddr *a)
{
	json_addr_port(j, key, a, -1);
}

void json_addr_port(struct json *j, const char *key, const struct ipaddr *a, int port)
{
	bool brackets = a->family == 6 && port >= 0;

	begin_value(j, key);
	if (a->family == 0) {
		put_plain(j, "null");
		return;
	}
	put_plain(j, brackets ? "\"[" : "\"");
	put_addr(j, a);
	if (brackets)
		wbuf_put_u8(&j->out, ']');
	if (port >= 0) {
		wbuf_put_u8(&j->out, ':');
		put_uint(&j->out, (uint64_t)port);
	}
	wbuf_put_u8(&j->out, '"');
}
