// SPDX-License-Identifier: Apache-2.0
/*
 * Names inside the data of records, and the removal of bytes from a message.
 *
 * Removing works in two steps, neither of which follows a pointer: first every compression pointer
 * and every length is set to what it will have to be, in place; then the bytes that stay are moved
 * together.
 */
#include "dns/rdata.h"

#define POINTER 0xc0
#define ANY     0xff

/* The data of a type: fixed bytes, character strings, names, and what follows them. */
static const struct layout {
	uint16_t type;
	uint8_t fixed, strings, names;
	uint8_t tail; /* bytes behind the names; ANY: as many as there are */
} layouts[] = {
	{1, 4, 0, 0, 0},     /* A */
	{2, 0, 0, 1, 0},     /* NS */
	{3, 0, 0, 1, 0},     /* MD */
	{4, 0, 0, 1, 0},     /* MF */
	{5, 0, 0, 1, 0},     /* CNAME */
	{6, 0, 0, 2, 20},    /* SOA */
	{7, 0, 0, 1, 0},     /* MB */
	{8, 0, 0, 1, 0},     /* MG */
	{9, 0, 0, 1, 0},     /* MR */
	{12, 0, 0, 1, 0},    /* PTR */
	{14, 0, 0, 2, 0},    /* MINFO */
	{15, 2, 0, 1, 0},    /* MX */
	{17, 0, 0, 2, 0},    /* RP */
	{18, 2, 0, 1, 0},    /* AFSDB */
	{21, 2, 0, 1, 0},    /* RT */
	{24, 18, 0, 1, ANY}, /* SIG */
	{26, 2, 0, 2, 0},    /* PX */
	{28, 16, 0, 0, 0},   /* AAAA */
	{30, 0, 0, 1, ANY},  /* NXT */
	{33, 6, 0, 1, 0},    /* SRV */
	{35, 4, 3, 1, 0},    /* NAPTR */
	{36, 2, 0, 1, 0},    /* KX */
	{39, 0, 0, 1, 0},    /* DNAME */
	{46, 18, 0, 1, ANY}, /* RRSIG */
	{47, 0, 0, 1, ANY},  /* NSEC */
	{64, 2, 0, 1, ANY},  /* SVCB */
	{65, 2, 0, 1, ANY},  /* HTTPS */
};

static const struct layout *layout_of(const struct dns_record *r)
{
	/* Addresses are defined for the class IN alone. */
	if ((r->type == DNS_A || r->type == DNS_AAAA) && r->class != DNS_IN)
		return NULL;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].type == r->type)
			return &layouts[i];
	return NULL;
}

/* How many bytes of the data come before its names. */
static bool names_begin(const struct layout *l, struct view data, size_t *ret)
{
	struct view v = data;
	if (!view_skip(&v, l->fixed))
		return false;
	for (unsigned i = 0; i < l->strings; i++) {
		uint8_t len;
		if (!view_get_u8(&v, &len) || !view_skip(&v, len))
			return false;
	}
	*ret = data.len - v.len;
	return true;
}

bool dns_rdata_check(struct view msg, const struct dns_record *r, struct rdata_names *ret)
{
	const struct layout *l = layout_of(r);
	size_t end = r->data_at + r->data.len, at = 0;
	*ret = (struct rdata_names){.end = r->data_at};
	if (!l)
		return true;
	if (!names_begin(l, r->data, &at))
		return false;
	at += r->data_at;
	for (unsigned i = 0; i < l->names; i++) {
		struct dns_name name;
		ret->at[ret->n++] = at;
		if (!dns_name_read(msg, &at, &name) || at > end)
			return false;
	}
	ret->end = at;
	return l->tail == ANY || end - at == l->tail;
}

/* ---- removing ---- */

struct squeeze {
	uint8_t *msg;
	size_t len;
	const struct dns_cut *cuts;
	size_t n;
};

/* Where a byte will be; false where it goes. */
static bool moved_to(const struct squeeze *s, size_t at, size_t *ret)
{
	size_t gone = 0;
	for (size_t i = 0; i < s->n && s->cuts[i].at <= at; i++) {
		if (at < s->cuts[i].at + s->cuts[i].len)
			return false;
		gone += s->cuts[i].len;
	}
	*ret = at - gone;
	return true;
}

/* Puts the pointer of the name at *at right, if it has one, and moves behind its local bytes. */
static bool name_mend(struct squeeze *s, size_t *at)
{
	size_t pos = *at;
	while (pos < s->len && s->msg[pos] && (s->msg[pos] & POINTER) == 0)
		pos += 1u + s->msg[pos];
	if (pos >= s->len)
		return false;
	if (s->msg[pos] == 0) {
		*at = pos + 1;
		return true;
	}
	size_t to;
	if (s->len - pos < 2 || !moved_to(s, get_be16(s->msg + pos) & 0x3fff, &to))
		return false;
	put_be16(s->msg + pos, (uint16_t)(POINTER << 8 | to));
	*at = pos + 2;
	return true;
}

/* Bytes that a record's data loses. */
static size_t lost_inside(const struct squeeze *s, size_t at, size_t end)
{
	size_t lost = 0;
	for (size_t i = 0; i < s->n && s->cuts[i].at < end; i++)
		if (s->cuts[i].at >= at)
			lost += s->cuts[i].len;
	return lost;
}

static bool record_mend(struct squeeze *s, size_t *at)
{
	struct dns_record r;
	if (!name_mend(s, at) || s->len - *at < 10)
		return false;
	uint8_t *fixed = s->msg + *at;
	r.type = get_be16(fixed);
	r.class = get_be16(fixed + 2);
	r.data_at = *at + 10;
	size_t size = get_be16(fixed + 8), end = r.data_at + size, names;
	if (end > s->len)
		return false;
	r.data = view_make(s->msg + r.data_at, size);
	*at = end;
	const struct layout *l = layout_of(&r);
	if (l && l->names) {
		if (!names_begin(l, r.data, &names))
			return false;
		names += r.data_at;
		for (unsigned i = 0; i < l->names; i++)
			if (!name_mend(s, &names))
				return false;
	}
	put_be16(fixed + 8, (uint16_t)(size - lost_inside(s, r.data_at, end)));
	return true;
}

/* Moves what stays together. */
static size_t close_gaps(struct squeeze *s)
{
	size_t to = s->cuts[0].at;
	for (size_t i = 0; i < s->n; i++) {
		size_t from = s->cuts[i].at + s->cuts[i].len;
		size_t until = i + 1 < s->n ? s->cuts[i + 1].at : s->len;
		memmove(s->msg + to, s->msg + from, until - from);
		to += until - from;
	}
	return to;
}

size_t dns_cut(uint8_t *msg, size_t len, const struct dns_cut *cuts, size_t n)
{
	struct squeeze s = {msg, len, cuts, n};
	struct dns_walk w;
	if (n == 0)
		return len;
	if (!dns_walk_begin(view_make(msg, len), &w))
		return 0;
	size_t at = w.at;
	unsigned records = (unsigned)w.h.count[1] + w.h.count[2] + w.h.count[3];
	for (unsigned i = 0; i < records; i++)
		if (!record_mend(&s, &at))
			return 0;
	return close_gaps(&s);
}
