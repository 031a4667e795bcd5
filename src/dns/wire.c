// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the DNS wire form. Every offset is checked against the message, and every loop is bounded
 * by its length or by the limits of a name.
 */
#include "dns/wire.h"

#include <stdio.h>

#define POINTER       0xc0
#define EDNS_SIZE_MIN 512 /* smaller values mean this (RFC 6891 6.2.3) */
#define EDNS_DO       0x8000

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
	struct dns_name n = {0};
	size_t pos = *at, end = 0; /* end: behind the first pointer, once there was one */
	size_t limit = *at;        /* a pointer must lead to before here */
	unsigned labels = 0, hops = 0;
	for (;;) {
		struct view v, label;
		uint8_t len, low;
		if (!view_at(msg, pos, &v) || !view_get_u8(&v, &len))
			return false;
		if ((len & POINTER) == POINTER) {
			if (!view_get_u8(&v, &low))
				return false;
			if (!end)
				end = pos + 2;
			pos = (size_t)(len & ~POINTER) << 8 | low;
			if (pos >= limit || pos < DNS_HLEN || ++hops > DNS_LABELS)
				return false;
			limit = pos;
			continue;
		}
		if (len & POINTER) /* extended label types are obsolete (RFC 6891 5) */
			return false;
		if (!view_take(&v, len, &label) || n.len + 1u + len > DNS_NAME_MAX)
			return false;
		n.b[n.len] = len;
		memcpy(n.b + n.len + 1, label.p, len);
		n.len += (uint8_t)(1 + len);
		pos += 1u + len;
		if (len == 0)
			break;
		if (++labels > DNS_LABELS)
			return false;
	}
	*ret = n;
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

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool dns_name_eq(const struct dns_name *x, const struct dns_name *y)
{
	if (x->len != y->len)
		return false;
	/* Length bytes are below 64 and so no letters: comparing everything alike is right. */
	for (unsigned i = 0; i < x->len; i++)
		if (lower(x->b[i]) != lower(y->b[i]))
			return false;
	return true;
}

bool dns_question_eq(const struct dns_question *x, const struct dns_question *y)
{
	return x->type == y->type && x->class == y->class && dns_name_eq(&x->name, &y->name);
}

bool dns_name_parse(const char *text, struct dns_name *ret)
{
	struct dns_name n = {0};
	while (*text) {
		size_t len = strcspn(text, ".");
		if (len == 0 || len > 63 || n.len + 1 + len + 1 > DNS_NAME_MAX)
			return false;
		n.b[n.len] = (uint8_t)len;
		memcpy(n.b + n.len + 1, text, len);
		n.len += (uint8_t)(1 + len);
		text += len;
		if (*text == '.')
			text++;
	}
	n.b[n.len++] = 0;
	*ret = n;
	return true;
}

void dns_name_reverse(const struct ipaddr *a, struct dns_name *ret)
{
	char text[80];
	size_t len = 0;
	if (a->family == 4) {
		snprintf(text, sizeof(text), "%u.%u.%u.%u.in-addr.arpa", a->b[3], a->b[2], a->b[1],
			 a->b[0]);
	} else {
		static const char hex[] = "0123456789abcdef";
		for (int i = 15; i >= 0; i--) {
			text[len++] = hex[a->b[i] & 15];
			text[len++] = '.';
			text[len++] = hex[a->b[i] >> 4];
			text[len++] = '.';
		}
		memcpy(text + len, "ip6.arpa", 9);
	}
	dns_name_parse(text, ret);
}

/* Walks the records behind the question; false where one is malformed or a second OPT comes. */
static bool records_read(struct view msg, struct dns_query_view *q)
{
	unsigned n = (unsigned)q->h.count[1] + q->h.count[2] + q->h.count[3];
	size_t at = q->question_end;
	for (unsigned i = 0; i < n; i++) {
		struct dns_record r;
		if (!dns_record_read(msg, &at, &r))
			return false;
		if (r.type != DNS_OPT)
			continue;
		if (q->has_edns || r.name.len != 1)
			return false;
		q->has_edns = true;
		q->edns_size = r.class > EDNS_SIZE_MIN ? r.class : EDNS_SIZE_MIN;
		q->edns_do = r.ttl & EDNS_DO;
	}
	q->end = at;
	return true;
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

bool dns_answers(struct view msg, uint16_t id, const struct dns_question *q)
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
	       dns_question_eq(&theirs, q);
}
