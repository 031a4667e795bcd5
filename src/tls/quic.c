// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the hellos of a QUIC client: datagram, packet, frames, hello.
 *
 * Which keys open an Initial? Those of a connection that is known (the client goes on under the
 * keys of its first connection ID when the server has chosen another one, and also when both have
 * gone over to another version, RFC 9368 2.3), or those of the packet's own connection ID: a new
 * connection, or the same one after a Retry, which says its hello again. All that may be are
 * tried, and exactly one has to open it.
 */
#include "tls/quic.h"

#include <stdlib.h>

#include "tls/quic_stream.h"

enum {
	DATAGRAM_MIN = 1200,  /* with an Initial in it (RFC 9000 14.1) */
	FIRST_CID_MIN = 8,    /* bytes of the ID that a client makes up (RFC 9000 7.2) */
	HANDSHAKE_HEADER = 4, /* of a TLS message: type, length */
	CLIENT_HELLO = 1,
};

enum {
	KIND_INITIAL,
	KIND_0RTT,
	KIND_HANDSHAKE,
	KIND_RETRY
};

enum { /* RFC 9000 19; those that an Initial may hold (12.4) */
	FRAME_PADDING = 0,
	FRAME_PING = 1,
	FRAME_ACK = 2,
	FRAME_ACK_ECN = 3,
	FRAME_CRYPTO = 6,
	FRAME_CLOSE = 0x1c,
};

struct quic_conn {
	uint8_t dcid[QUIC_CID_MAX]; /* of the first Initial */
	uint8_t dcid_len;
	bool keyed[2]; /* keys[] is there: of version 1, of version 2 */
	struct quic_keys keys[2];
	int64_t largest; /* packet number so far; -1: none */
	struct quic_stream stream;
	size_t read; /* bytes of the stream up to here are whole hellos */
	bool greeted;
	struct hello hello; /* the first one, where greeted */
};

struct quic_hello {
	struct quic_crypto *crypto;
	struct quic_conn *conns[QUIC_CONNS]; /* owned, the newest first, then NULL */
};

/* A packet with a long header, in the bytes of its datagram. */
struct packet {
	uint8_t first; /* protected */
	uint32_t version;
	unsigned kind;
	struct view dcid;
	struct view head; /* from the version to the length */
	struct view body; /* protected packet number and sealed payload */
};

/* An Initial that was opened. */
struct opened {
	int64_t number;
	uint8_t first; /* bare */
	size_t len;
	uint8_t plain[QUIC_PACKET_MAX];
};

bool quic_is_long_header(struct view d)
{
	return d.len >= 7 && d.p[0] & 0x80; /* first byte, version, two lengths of IDs */
}

struct quic_hello *quic_hello_new(struct quic_crypto *c)
{
	struct quic_hello *q = calloc(1, sizeof(*q));

	if (q)
		q->crypto = c;
	return q;
}

static void conn_free(struct quic_conn *c)
{
	if (c)
		quic_stream_done(&c->stream);
	free(c);
}

void quic_hello_free(struct quic_hello *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < QUIC_CONNS; i++)
		conn_free(q->conns[i]);
	free(q);
}

/* RFC 9000 16 */
static bool get_varint(struct view *v, uint64_t *ret)
{
	struct view rest = *v;
	uint8_t b;

	if (!view_get_u8(&rest, &b))
		return false;
	uint64_t x = b & 0x3f;
	for (unsigned left = (1u << (b >> 6)) - 1; left; left--) {
		if (!view_get_u8(&rest, &b))
			return false;
		x = x << 8 | b;
	}
	*v = rest;
	*ret = x;
	return true;
}

static bool take_varint(struct view *v, struct view *ret)
{
	uint64_t n;
	return get_varint(v, &n) && n <= v->len && view_take(v, (size_t)n, ret);
}

static bool take_cid(struct view *v, struct view *ret)
{
	uint8_t n;
	return view_get_u8(v, &n) && n <= QUIC_CID_MAX && view_take(v, n, ret);
}

/*
 * Takes one packet off the front (RFC 9000 17.2, RFC 9369 3.2). The fixed bit is not looked at:
 * clients may grease it (RFC 9287).
 */
static enum hello_result take_packet(struct view *v, struct packet *ret)
{
	struct view cid, token;

	if (!view_get_u8(v, &ret->first))
		return HELLO_BAD;
	ret->head = *v;
	if (!view_get_be32(v, &ret->version))
		return HELLO_BAD;
	if (ret->version != QUIC_V1 && ret->version != QUIC_V2)
		return HELLO_NOT_TLS;
	ret->kind = ((ret->first >> 4) - (ret->version == QUIC_V2)) & 3u;
	if (ret->kind == KIND_RETRY) /* which servers send */
		return HELLO_BAD;
	if (!take_cid(v, &ret->dcid) || !take_cid(v, &cid))
		return HELLO_BAD;
	if (ret->kind == KIND_INITIAL && !take_varint(v, &token))
		return HELLO_BAD;
	if (!take_varint(v, &ret->body))
		return HELLO_BAD;
	ret->head.len = (size_t)(ret->body.p - ret->head.p);
	return HELLO_DONE;
}

/* ---- opening an Initial ---- */

/* The packet number that was meant, as a receiver that has seen `largest` reads it (RFC 9000 A.3).
 */
static int64_t full_number(int64_t largest, int64_t written, unsigned bytes)
{
	int64_t window = (int64_t)1 << (8 * bytes), expected = largest + 1;
	int64_t n = (expected & ~(window - 1)) | written;

	if (n <= expected - window / 2)
		return n + window;
	if (n > expected + window / 2 && n >= window)
		return n - window;
	return n;
}

/*
 * Is there a packet under these keys? A number counts only as it is written out: the server may
 * have seen fewer packets than were read here, and a number that is cut short would then mean
 * another one to it.
 */
static bool open_packet(struct quic_crypto *c, const struct quic_keys *k, int64_t largest,
			const struct packet *p, struct opened *ret)
{
	uint8_t mask[QUIC_MASK], number[4];
	struct view sealed = p->body;
	int64_t n = 0;

	if (sealed.len < 4 + QUIC_SAMPLE || !quic_header_mask(c, k, sealed.p + 4, mask))
		return false;
	ret->first = p->first ^ (mask[0] & 0x0f);
	uint8_t bytes = (uint8_t)((ret->first & 3) + 1);
	view_get_bytes(&sealed, number, bytes);
	for (uint8_t i = 0; i < bytes; i++) {
		number[i] ^= mask[1 + i];
		n = n << 8 | number[i];
	}
	if (full_number(largest, n, bytes) != n || sealed.len > QUIC_PACKET_MAX)
		return false;
	const struct view header[3] = {view_make(&ret->first, 1), p->head,
				       view_make(number, bytes)};
	ret->number = n;
	ret->len = sealed.len - QUIC_TAG;
	return quic_open(c, k, (uint64_t)n, header, sealed, ret->plain);
}

static bool is_first_cid(const struct quic_conn *c, struct view dcid)
{
	return c->dcid_len == dcid.len && memcmp(c->dcid, dcid.p, dcid.len) == 0;
}

static bool conn_open(struct quic_crypto *crypto, struct quic_conn *c, const struct packet *p,
		      struct opened *ret)
{
	unsigned v = p->version == QUIC_V2;

	if (!c->keyed[v])
		c->keyed[v] = quic_keys_client(crypto, p->version, view_make(c->dcid, c->dcid_len),
					       &c->keys[v]);
	return c->keyed[v] && open_packet(crypto, &c->keys[v], c->largest, p, ret);
}

static bool unfinished(const struct quic_conn *c)
{
	return c->stream.end > c->read;
}

/*
 * A connection that the flow has not had yet. One beside an unfinished one is refused: what is held
 * of that one would leave together with this one's hello.
 */
static struct quic_conn *add_conn(struct quic_hello *q, const struct quic_conn *made)
{
	for (size_t i = 0; i < QUIC_CONNS && q->conns[i]; i++)
		if (unfinished(q->conns[i]))
			return NULL;
	struct quic_conn *c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = *made;
	conn_free(q->conns[QUIC_CONNS - 1]);
	memmove(q->conns + 1, q->conns, (QUIC_CONNS - 1) * sizeof(q->conns[0]));
	q->conns[0] = c;
	return c;
}

/* The one connection whose keys open the packet, a new one maybe; NULL: none, or two. */
static struct quic_conn *find_conn(struct quic_hello *q, const struct packet *p, struct opened *ret)
{
	struct quic_conn own = {.dcid_len = (uint8_t)p->dcid.len, .largest = -1};
	struct quic_conn *found = NULL;
	struct opened spare;
	bool known = false;

	for (size_t i = 0; i < QUIC_CONNS && q->conns[i]; i++) {
		known |= is_first_cid(q->conns[i], p->dcid);
		if (!conn_open(q->crypto, q->conns[i], p, found ? &spare : ret))
			continue;
		if (found)
			return NULL;
		found = q->conns[i];
	}
	if (known || p->dcid.len < FIRST_CID_MIN)
		return found;
	memcpy(own.dcid, p->dcid.p, p->dcid.len);
	if (!conn_open(q->crypto, &own, p, found ? &spare : ret))
		return found;
	return found ? NULL : add_conn(q, &own);
}

/* ---- what is in it ---- */

static bool read_ack(struct view *v, bool ecn)
{
	uint64_t x, ranges;

	if (!get_varint(v, &x) || !get_varint(v, &x) || !get_varint(v, &ranges) ||
	    !get_varint(v, &x))
		return false;
	for (; ranges; ranges--)
		if (!get_varint(v, &x) || !get_varint(v, &x))
			return false;
	return !ecn || (get_varint(v, &x) && get_varint(v, &x) && get_varint(v, &x));
}

static bool read_close(struct view *v)
{
	struct view reason;
	uint64_t x;
	return get_varint(v, &x) && get_varint(v, &x) && take_varint(v, &reason);
}

static bool read_crypto(struct view *v, struct quic_stream *s)
{
	struct view data;
	uint64_t offset;
	return get_varint(v, &offset) && take_varint(v, &data) && quic_stream_put(s, offset, data);
}

/* Every type that is allowed here has its shortest form in one byte (RFC 9000 12.4). */
static bool read_frames(struct view v, struct quic_stream *s)
{
	uint8_t type;

	if (v.len == 0)
		return false;
	while (view_get_u8(&v, &type)) {
		bool ok = true;
		if (type == FRAME_CRYPTO)
			ok = read_crypto(&v, s);
		else if (type == FRAME_ACK || type == FRAME_ACK_ECN)
			ok = read_ack(&v, type == FRAME_ACK_ECN);
		else if (type == FRAME_CLOSE)
			ok = read_close(&v);
		else if (type != FRAME_PADDING && type != FRAME_PING)
			ok = false;
		if (!ok)
			return false;
	}
	return true;
}

/* Reads the hellos that have become whole. False: what is there is none. */
static bool read_hellos(struct quic_conn *c)
{
	while (c->stream.got > c->read) {
		struct hello h;
		struct view v = view_make(c->stream.bytes + c->read, c->stream.got - c->read);
		if (v.p[0] != CLIENT_HELLO)
			return false;
		if (v.len < HANDSHAKE_HEADER)
			return true;
		size_t whole = HANDSHAKE_HEADER + (get_be32(v.p) & 0xffffff);
		if (whole > QUIC_CRYPTO_MAX - c->read)
			return false;
		if (v.len < whole)
			return true;
		if (hello_read_handshake(view_make(v.p, whole), &h) != HELLO_DONE)
			return false;
		if (c->greeted && !hello_same_aim(&c->hello, &h))
			return false;
		if (!c->greeted)
			c->hello = h;
		c->greeted = true;
		c->read += whole;
	}
	return true;
}

static bool read_initial(struct quic_hello *q, const struct packet *p, struct quic_conn **ret_conn)
{
	struct opened o;
	struct quic_conn *c = find_conn(q, p, &o);

	if (!c || o.first & 0x0c) /* the reserved bits (RFC 9000 17.2) */
		return false;
	if (o.number > c->largest)
		c->largest = o.number;
	if (!read_frames(view_make(o.plain, o.len), &c->stream) || !read_hellos(c))
		return false;
	if (!unfinished(c))
		quic_stream_trim(&c->stream);
	*ret_conn = c;
	return true;
}

static bool any_unfinished(const struct quic_hello *q)
{
	for (size_t i = 0; i < QUIC_CONNS && q->conns[i]; i++)
		if (unfinished(q->conns[i]))
			return true;
	return false;
}

enum hello_result quic_hello_datagram(struct quic_hello *q, struct view datagram, struct hello *ret)
{
	struct view rest = datagram, dcid = {0};
	struct quic_conn *conn = NULL;

	if (!quic_is_long_header(datagram))
		return HELLO_NOT_TLS;
	/* A packet with a short header takes the rest; so does padding behind the packets. */
	for (unsigned n = 0; rest.len && rest.p[0] & 0x80; n++) {
		struct packet p;
		enum hello_result r = take_packet(&rest, &p);
		if (r != HELLO_DONE)
			return n ? HELLO_BAD : r;
		if (n == 0)
			dcid = p.dcid;
		/* All packets of a datagram are for one connection (RFC 9000 12.2). */
		if (n == QUIC_PACKETS_MAX || p.dcid.len != dcid.len ||
		    memcmp(p.dcid.p, dcid.p, dcid.len) != 0)
			return HELLO_BAD;
		if (p.kind != KIND_INITIAL)
			continue;
		if (datagram.len < DATAGRAM_MIN || !read_initial(q, &p, &conn))
			return HELLO_BAD;
	}
	if (!conn)
		conn = q->conns[0];
	if (!conn || !conn->greeted || any_unfinished(q))
		return HELLO_MORE;
	*ret = conn->hello;
	return HELLO_DONE;
}
