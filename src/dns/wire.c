// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the DNS wire form. Every offset is checked against the message, and every loop is bounded
 * by its length or by the limits of a name.
 */
#include "dns/wire.h"

#define POINTER       0xc0
#define EDNS_SIZE_MIN 512 /* smaller values mean this (RFC 6891 6.2.3) */

/* Options of a query that do not change what is answered (RFC 7873, 7828, 7830). */
#define OPTION_COOKIE    10
#define OPTION_KEEPALIVE 11
#define OPTION_PADDING   12

/* What is left of the message from `at` on. */
static bool view_at(struct view msg, size_t at, struct view *ret)
{
	*ret = msg;
	return view_skip(ret, at);
}

bool dns_header_read(struct view msg, struct dns_header *ret)
{
	struct dns_header h;
	if (!view_get_be16(&msg, &h.id) || !view_get_be16(&msg, &h.flags))
		return false;
	for (int i = 0; i < 4; i++)
		if (!view_get_be16(&msg, &h.count[i]))
			return false;
	*ret = h;
	return true;
}

bool dns_name_read(struct view msg, size_t *at, struct dns_name *ret)
{
	uint8_t b[DNS_NAME_MAX];
	size_t n = 0;              /* bytes of `b` in use */
	size_t pos = *at, end = 0; /* end: behind the first pointer, once there was one */
	size_t limit = *at;        /* a pointer must lead to before here ... */
	struct view v = msg;       /* ... and what it leads to must end before here, too */
	unsigned labels = 0, hops = 0;
	if (!view_skip(&v, pos))
		return false;
	for (;;) {
		struct view label;
		uint8_t len, low;
		if (!view_get_u8(&v, &len))
			return false;
		if ((len & POINTER) == POINTER) {
			if (!view_get_u8(&v, &low))
				return false;
			if (!end)
				end = pos + 2;
			pos = (size_t)(len & ~POINTER) << 8 | low;
			if (pos >= limit || pos < DNS_HLEN || ++hops > DNS_LABELS)
				return false;
			v = view_make(msg.p + pos, limit - pos);
			limit = pos;
			continue;
		}
		if (len & POINTER) /* extended label types are obsolete (RFC 6891 5) */
			return false;
		if (!view_take(&v, len, &label) || n + 1u + len > DNS_NAME_MAX)
			return false;
		b[n] = len;
		memcpy(b + n + 1, label.p, len);
		n += 1u + len;
		pos += 1u + len;
		if (len == 0)
			break;
		if (++labels > DNS_LABELS)
			return false;
	}
	ret->len = (uint8_t)n;
	memcpy(ret->b, b, n);
	*at = end ? end : pos;
	return true;
}

bool dns_question_read(struct view msg, size_t *at, struct dns_question *ret)
{
	size_t pos = *at;
	struct view v;
	if (!dns_name_read(msg, &pos, &ret->name) || !view_at(msg, pos, &v) ||
	    !view_get_be16(&v, &ret->type) || !view_get_be16(&v, &ret->class))
		return false;
	*at = pos + 4;
	return true;
}

bool dns_record_read(struct view msg, size_t *at, struct dns_record *ret)
{
	size_t pos = *at;
	struct view v;
	uint16_t len;
	if (!dns_name_read(msg, &pos, &ret->name) || !view_at(msg, pos, &v) ||
	    !view_get_be16(&v, &ret->type) || !view_get_be16(&v, &ret->class) ||
	    !view_get_be32(&v, &ret->ttl) || !view_get_be16(&v, &len) ||
	    !view_take(&v, len, &ret->data))
		return false;
	ret->data_at = pos + 10;
	*at = ret->data_at + len;
	return true;
}

bool dns_walk_begin(struct view msg, struct dns_walk *ret)
{
	struct dns_walk w = {.msg = msg, .at = DNS_HLEN};
	struct dns_question q;
	if (!dns_header_read(msg, &w.h))
		return false;
	for (unsigned i = 0; i < w.h.count[0]; i++)
		if (!dns_question_read(msg, &w.at, &q))
			return false;
	*ret = w;
	return true;
}

int dns_walk_next(struct dns_walk *w, struct dns_record *ret)
{
	while (w->left == 0) {
		if (w->next == DNS_ADDITIONAL)
			return 0;
		w->left = w->h.count[++w->next];
	}
	w->start = w->at;
	if (!dns_record_read(w->msg, &w->at, ret))
		return -1;
	w->section = w->next;
	w->left--;
	return 1;
}

/* True where no option asks for an answer of its own. */
static bool options_are_plain(struct view data)
{
	while (data.len) {
		uint16_t code, len;
		if (!view_get_be16(&data, &code) || !view_get_be16(&data, &len) ||
		    !view_skip(&data, len))
			return false;
		if (code != OPTION_COOKIE && code != OPTION_KEEPALIVE && code != OPTION_PADDING)
			return false;
	}
	return true;
}

/* Walks the records behind the question; false where one is malformed or a second OPT comes. */
static bool records_read(struct view msg, struct dns_query_view *q)
{
	struct dns_walk w;
	struct dns_record r;
	int got;
	if (!dns_walk_begin(msg, &w))
		return false;
	while ((got = dns_walk_next(&w, &r)) > 0) {
		if (r.type != DNS_OPT)
			continue;
		if (q->has_edns || r.name.len != 1)
			return false;
		q->has_edns = true;
		q->edns_size = r.class > EDNS_SIZE_MIN ? r.class : EDNS_SIZE_MIN;
		q->edns_do = r.ttl & DNS_EDNS_DO;
		/* Another version than 0 (the second byte) is the resolver's to refuse. */
		q->edns_special = (r.ttl >> 16 & 0xff) != 0 || !options_are_plain(r.data);
	}
	q->end = w.at;
	return got == 0;
}

bool dns_query_read(struct view msg, struct dns_query_view *ret, int *ret_rcode)
{
	*ret = (struct dns_query_view){.edns_size = EDNS_SIZE_MIN};
	*ret_rcode = DNS_FORMERR;
	if (!dns_header_read(msg, &ret->h)) {
		struct view v = msg;
		if (!view_get_be16(&v, &ret->h.id))
			*ret_rcode = -1;
		return false;
	}
	if (ret->h.flags & DNS_QR)
		return false;
	if (ret->h.flags & DNS_OPCODE) {
		*ret_rcode = DNS_NOTIMP;
		return false;
	}
	size_t at = DNS_HLEN;
	if (ret->h.count[0] != 1 || !dns_question_read(msg, &at, &ret->q))
		return false;
	ret->question_end = at;
	return records_read(msg, ret);
}

static bool answers(struct view msg, uint16_t id, const struct dns_question *q, bool exactly)
{
	struct dns_header h;
	struct dns_question theirs;
	size_t at = DNS_HLEN;
	if (!dns_header_read(msg, &h) || h.id != id || !(h.flags & DNS_QR) ||
	    (h.flags & DNS_OPCODE))
		return false;
	/* A server that cannot read a query may send back nothing but a header with an error. */
	unsigned rcode = h.flags & DNS_RCODE;
	if (h.count[0] == 0)
		return msg.len == DNS_HLEN && (rcode == DNS_FORMERR || rcode == DNS_NOTIMP);
	return h.count[0] == 1 && dns_question_read(msg, &at, &theirs) &&
	       dns_question_eq(&theirs, q) &&
	       (!exactly || dns_name_eq_case(&theirs.name, &q->name));
}

bool dns_answers(struct view msg, uint16_t id, const struct dns_question *q)
{
	return answers(msg, id, q, false);
}

bool dns_answers_exactly(struct view msg, uint16_t id, const struct dns_question *q)
{
	return answers(msg, id, q, true);
}
