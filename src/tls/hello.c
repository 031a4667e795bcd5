// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a ClientHello, in two steps. The first walks over the headers of the records until the
 * message is whole, and ends most of the calls. The second reads the message once, through a feed
 * that steps over record headers, so that nothing has to be put together first.
 *
 * The message is a tree of vectors with a length each. A `struct part` is a vector being read: it
 * cannot give more than its length, and who opens one has to read it to its end.
 */
#include "tls/hello.h"

enum {
	RECORD_HANDSHAKE = 22, /* RFC 8446 5.1 */
	RECORD_HEADER = 5,     /* type, version, length */
	HANDSHAKE_HEADER = 4,  /* type, length (RFC 8446 4) */
	CLIENT_HELLO = 1,
	HELLO_BODY_MIN = 41, /* version, random, no session, one cipher suite, no compression */
	SESSION_ID_MAX = 32,
};

enum {
	EXT_SERVER_NAME = 0,      /* RFC 6066 3 */
	EXT_ALPN = 16,            /* RFC 7301 3.1 */
	EXT_PRE_SHARED_KEY = 41,  /* RFC 8446 4.2.11 */
	EXT_EARLY_DATA = 42,      /* RFC 8446 4.2.10 */
	EXT_ECH_DRAFT_8 = 0xfe08, /* the drafts before had a number each */
	EXT_ECH = 0xfe0d,         /* RFC 9849 11.1 */
	EXT_ESNI = 0xffce,        /* its first form, which hid the name alone */
};

enum {
	NAME_TYPE_HOST = 0
};

_Static_assert(HELLO_MAX <= 16384, "a record of over 2^14 bytes (RFC 8446 5.1) never fits");

/* ---- the bytes of a message, from one record or many ---- */

struct feed {
	struct view rest; /* the stream from the next byte on */
	size_t record;    /* bytes of it that belong to the record under way */
};

/* Copies the next n bytes, or skips them where `to` is NULL. False: there are none left. */
static bool feed_get(struct feed *f, uint8_t *to, size_t n)
{
	while (n) {
		if (!f->record) {
			uint16_t len;
			if (!view_skip(&f->rest, RECORD_HEADER - 2) ||
			    !view_get_be16(&f->rest, &len))
				return false;
			f->record = len;
		}
		size_t piece = n < f->record ? n : f->record;
		if (to) {
			if (!view_get_bytes(&f->rest, to, piece))
				return false;
			to += piece;
		} else if (!view_skip(&f->rest, piece)) {
			return false;
		}
		f->record -= piece;
		n -= piece;
	}
	return true;
}

/* A vector: what may still be read of it. */
struct part {
	struct feed *feed;
	size_t left;
};

static bool part_get(struct part *p, uint8_t *to, size_t n)
{
	if (p->left < n || !feed_get(p->feed, to, n))
		return false;
	p->left -= n;
	return true;
}

static bool part_skip(struct part *p, size_t n)
{
	return part_get(p, NULL, n);
}

static bool part_u8(struct part *p, uint8_t *ret)
{
	return part_get(p, ret, 1);
}

static bool part_u16(struct part *p, uint16_t *ret)
{
	uint8_t b[2];
	if (!part_get(p, b, 2))
		return false;
	*ret = get_be16(b);
	return true;
}

/* Splits off the next n bytes as a part of their own, to be read before anything else of p. */
static bool part_open(struct part *p, size_t n, struct part *ret)
{
	if (p->left < n)
		return false;
	p->left -= n;
	*ret = (struct part){.feed = p->feed, .left = n};
	return true;
}

/* A vector behind a length of two bytes that fills the rest of p, and is not empty. */
static bool part_open_rest(struct part *p, struct part *ret)
{
	uint16_t len;
	return part_u16(p, &len) && len && len == p->left && part_open(p, len, ret);
}

/* ---- extensions; false: the form is broken ---- */

/* Reads a host name of n bytes, or steps over one that is too long to be a name. */
static bool read_host(struct part *p, size_t n, struct hello *h)
{
	char text[NAME_TEXT_MAX + 1]; /* with a trailing dot */

	if (n > sizeof(text)) {
		h->sni = HELLO_SNI_INVALID;
		return part_skip(p, n);
	}
	if (!part_get(p, (uint8_t *)text, n))
		return false;
	h->sni = name_read(text, n, &h->name) == NAME_OK ? HELLO_SNI_NAME : HELLO_SNI_INVALID;
	return true;
}

/*
 * RFC 6066 3. Servers differ in what they take from a list with names of an unknown type, and no
 * client sends one: such a list is no name.
 */
static bool read_server_name(struct part *ext, struct hello *h)
{
	struct part list;
	unsigned hosts = 0;
	bool unknown = false;

	if (!part_open_rest(ext, &list))
		return false;
	while (list.left) {
		uint8_t type;
		uint16_t n;
		if (!part_u8(&list, &type) || !part_u16(&list, &n) || n == 0)
			return false;
		if (type == NAME_TYPE_HOST && hosts++ == 0) {
			if (!read_host(&list, n, h))
				return false;
			continue;
		}
		unknown |= type != NAME_TYPE_HOST;
		if (!part_skip(&list, n))
			return false;
	}
	if (hosts > 1)
		h->sni = HELLO_SNI_DUPLICATE;
	else if (unknown)
		h->sni = HELLO_SNI_INVALID;
	return true;
}

static bool read_alpn(struct part *ext, struct hello *h)
{
	struct part list;

	if (!part_open_rest(ext, &list))
		return false;
	while (list.left) {
		uint8_t n;
		if (!part_u8(&list, &n) || n == 0)
			return false;
		if (h->alpn_cut || h->alpn_len + 1u + n > HELLO_ALPN_MAX) {
			h->alpn_cut = true;
			if (!part_skip(&list, n))
				return false;
			continue;
		}
		h->alpn[h->alpn_len] = n;
		if (!part_get(&list, h->alpn + h->alpn_len + 1, n))
			return false;
		h->alpn_len += (uint16_t)(1 + n);
	}
	return true;
}

static bool read_extension(uint16_t type, struct part *ext, struct hello *h)
{
	switch (type) {
	case EXT_SERVER_NAME:
		return read_server_name(ext, h);
	case EXT_ALPN:
		return read_alpn(ext, h);
	case EXT_EARLY_DATA:
		h->early_data = true;
		return ext->left == 0;
	case EXT_ESNI:
		h->ech = true;
		break;
	default:
		if (type >= EXT_ECH_DRAFT_8 && type <= EXT_ECH)
			h->ech = true;
	}
	return part_skip(ext, ext->left);
}

/* Notes that a type was there; true where it had been before. */
static bool seen_before(uint8_t seen[65536 / 8], uint16_t type)
{
	uint8_t bit = (uint8_t)(1u << (type & 7));
	bool before = seen[type >> 3] & bit;
	seen[type >> 3] |= bit;
	return before;
}

/* No type may come twice (RFC 8446 4.2), and nothing behind pre_shared_key (4.2.11). */
static bool read_extensions(struct part *exts, struct hello *h)
{
	uint8_t seen[65536 / 8] = {0};
	bool last = false, two_names = false;

	while (exts->left) {
		uint16_t type, len;
		struct part ext;
		if (last || !part_u16(exts, &type) || !part_u16(exts, &len) ||
		    !part_open(exts, len, &ext))
			return false;
		if (seen_before(seen, type)) {
			if (type != EXT_SERVER_NAME)
				return false;
			two_names = true;
		}
		if (!read_extension(type, &ext, h))
			return false;
		last = type == EXT_PRE_SHARED_KEY;
	}
	if (two_names)
		h->sni = HELLO_SNI_DUPLICATE;
	return true;
}

/* ---- the message ---- */

static bool read_session_id(struct part *p)
{
	uint8_t n;
	return part_u8(p, &n) && n <= SESSION_ID_MAX && part_skip(p, n);
}

static bool read_cipher_suites(struct part *p)
{
	uint16_t n;
	return part_u16(p, &n) && n && n % 2 == 0 && part_skip(p, n);
}

/* "No compression" has to be among the methods (RFC 5246 7.4.1.2). */
static bool read_compression(struct part *p)
{
	uint8_t n, method;
	bool null = false;

	if (!part_u8(p, &n))
		return false;
	while (n--) {
		if (!part_u8(p, &method))
			return false;
		null |= method == 0;
	}
	return null;
}

static bool read_body(struct part *p, struct hello *h)
{
	uint16_t version, len;

	/* Every version of TLS is 3.x here; servers have to bear an x that they do not know
	 * (RFC 5246 E.1). */
	if (!part_u16(p, &version) || version >> 8 != 3)
		return false;
	if (!part_get(p, h->random, sizeof(h->random)) || !read_session_id(p) ||
	    !read_cipher_suites(p) || !read_compression(p))
		return false;
	if (p->left == 0) /* before TLS 1.3 there may be no extensions at all */
		return true;
	return part_u16(p, &len) && len == p->left && read_extensions(p, h);
}

/* The message is whole: `len` bytes from f on, its header included. */
static enum hello_result read_message(struct feed *f, size_t len, struct hello *ret)
{
	struct part p = {.feed = f, .left = len};
	struct hello h = {0};

	if (!part_skip(&p, HANDSHAKE_HEADER) || !read_body(&p, &h))
		return HELLO_BAD;
	if (h.sni != HELLO_SNI_NAME)
		h.name = (struct name){0};
	h.size = (uint16_t)len;
	*ret = h;
	return HELLO_DONE;
}

/* ---- is it whole? ---- */

/* What is known of a message from its header, of which n bytes are there. False: it cannot be. */
static bool check_header(const uint8_t header[HANDSHAKE_HEADER], size_t n, size_t *ret_len)
{
	if (n >= 1 && header[0] != CLIENT_HELLO)
		return false;
	if (n < HANDSHAKE_HEADER)
		return true;
	size_t body = (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
	*ret_len = HANDSHAKE_HEADER + body;
	return body >= HELLO_BODY_MIN && *ret_len <= HELLO_MAX;
}

/* The header of a record at the start of v, as far as it is there. */
static enum hello_result check_record(struct view v, uint16_t *ret_len)
{
	if (v.len >= 1 && v.p[0] != RECORD_HANDSHAKE)
		return HELLO_BAD;
	if (v.len >= 2 && v.p[1] != 3)
		return HELLO_BAD;
	if (v.len < RECORD_HEADER)
		return HELLO_MORE;
	*ret_len = get_be16(v.p + 3);
	return *ret_len ? HELLO_DONE : HELLO_BAD;
}

/*
 * Walks over the records. HELLO_DONE: the message is whole, has *ret_len bytes, and ends with the
 * record that ends at *ret_end of the stream. A record that goes on behind it is refused: a client
 * has nothing to say there before the server has answered (RFC 8446 5.1: no message may lie behind
 * one that changes keys in the same record).
 */
static enum hello_result walk_records(struct view bytes, size_t *ret_len, size_t *ret_end)
{
	uint8_t header[HANDSHAKE_HEADER];
	size_t have = 0,
	       whole = 0; /* bytes of the message: so far, and all of them (0: not known) */
	size_t at = 0;

	for (;;) {
		struct view v = view_make(bytes.p + at, bytes.len - at);
		uint16_t len;
		enum hello_result r = check_record(v, &len);
		if (r != HELLO_DONE)
			return r;
		size_t end = at + RECORD_HEADER + len;
		size_t here = v.len - RECORD_HEADER < len ? v.len - RECORD_HEADER : len;
		for (size_t i = 0; have + i < HANDSHAKE_HEADER && i < here; i++)
			header[have + i] = v.p[RECORD_HEADER + i];
		if (!check_header(header, have + here, &whole))
			return HELLO_BAD;
		/* The message ends where a record ends. What is still to come has a header too. */
		if (end > HELLO_MAX || (whole && have + len > whole))
			return HELLO_BAD;
		size_t rest = whole ? whole - have - len : 0;
		if (rest && end + RECORD_HEADER + rest > HELLO_MAX)
			return HELLO_BAD;
		have += here;
		if (here < len)
			return HELLO_MORE;
		at = end;
		if (have == whole) {
			*ret_len = whole;
			*ret_end = end;
			return HELLO_DONE;
		}
	}
}

bool hello_same_aim(const struct hello *a, const struct hello *b)
{
	return a->sni == b->sni && name_eq(&a->name, &b->name) && a->ech == b->ech;
}

enum hello_result hello_read_records(struct view bytes, struct hello *ret)
{
	struct feed f = {.rest = bytes};
	size_t len, end;

	if (bytes.len == 0)
		return HELLO_MORE;
	if (bytes.p[0] != RECORD_HANDSHAKE || (bytes.len >= 2 && bytes.p[1] != 3))
		return HELLO_NOT_TLS;
	enum hello_result r = walk_records(bytes, &len, &end);
	if (r == HELLO_DONE)
		r = read_message(&f, len, ret);
	if (r == HELLO_DONE)
		ret->size = (uint16_t)end;
	return r;
}

enum hello_result hello_read_handshake(struct view bytes, struct hello *ret)
{
	struct feed f = {.rest = bytes, .record = bytes.len};
	size_t whole = 0;

	if (!check_header(bytes.p, bytes.len, &whole) || (whole && bytes.len > whole))
		return HELLO_BAD;
	if (!whole || bytes.len < whole)
		return HELLO_MORE;
	return read_message(&f, whole, ret);
}
