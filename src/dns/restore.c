// SPDX-License-Identifier: Apache-2.0
/*
 * An answer in the asker's own words. See restore.h.
 */
#include "dns/restore.h"

#define OPT_LEN 11 /* of an OPT record without options */

/* What a walk over the message has found. */
struct layout {
	unsigned records[DNS_ADDITIONAL + 1]; /* of each section, without OPT */
	size_t opt_at, opt_len;               /* length 0: none */
	size_t end;                           /* of the message */
	unsigned first[DNS_ADDITIONAL + 1];   /* of them, before the OPT record */
	/* The same up to the last of those that ends within the limit. */
	unsigned fit[DNS_ADDITIONAL + 1];
	size_t fit_end;
};

/*
 * A resolver that does not compress repeats the name in our case, in full or up to a pointer. The
 * two names are equal but for the case, so their bytes stand one beside the other.
 */
static void own_case(uint8_t *at, const struct dns_name *n)
{
	for (unsigned i = 0; n->b[i] && (at[i] & 0xc0) == 0; i += 1u + n->b[i])
		memcpy(at + i + 1, n->b + i + 1, n->b[i]);
}

static bool lay_out(const struct dns_query_view *q, uint8_t *bytes, size_t len, size_t limit,
		    struct layout *l)
{
	struct view msg = view_make(bytes, len);
	struct dns_walk w;
	struct dns_record r;
	int more;
	*l = (struct layout){0};
	if (!dns_walk_begin(msg, &w))
		return false;
	l->fit_end = w.at;
	while ((more = dns_walk_next(&w, &r)) > 0) {
		if (dns_name_eq(&r.name, &q->q.name))
			own_case(bytes + w.start, &q->q.name);
		if (r.type == DNS_OPT && w.section == DNS_ADDITIONAL && !l->opt_len) {
			l->opt_at = w.start;
			l->opt_len = w.at - w.start;
			continue;
		}
		l->records[w.section]++;
		/* What lies behind the OPT record does not stay where that one has to move. */
		if (l->opt_len)
			continue;
		l->first[w.section]++;
		if (w.at <= limit) {
			memcpy(l->fit, l->first, sizeof(l->fit));
			l->fit_end = w.at;
		}
	}
	l->end = w.at;
	return more == 0;
}

static void put_counts(uint8_t *msg, const unsigned records[DNS_ADDITIONAL + 1], bool opt)
{
	put_be16(msg + 6, (uint16_t)records[DNS_ANSWER]);
	put_be16(msg + 8, (uint16_t)records[DNS_AUTHORITY]);
	put_be16(msg + 10, (uint16_t)(records[DNS_ADDITIONAL] + opt));
}

static size_t put_opt(uint8_t *at, bool edns_do)
{
	static const uint8_t opt[OPT_LEN] = {0, 0, DNS_OPT, DNS_EDNS_SIZE >> 8,
					     DNS_EDNS_SIZE & 0xff};
	memcpy(at, opt, sizeof(opt));
	if (edns_do)
		at[7] = DNS_EDNS_DO >> 8;
	return sizeof(opt);
}

/* The message ends behind `end`, and then comes the OPT record where one is wanted. */
static size_t close_message(const struct dns_query_view *q, uint8_t *msg, const struct layout *l,
			    size_t end, size_t room)
{
	if (!q->has_edns)
		return end;
	if (l->opt_len && end + l->opt_len <= room) {
		memmove(msg + end, msg + l->opt_at, l->opt_len);
		return end + l->opt_len;
	}
	return end + put_opt(msg + end, q->edns_do);
}

size_t dns_restore(const struct dns_query_view *q, uint8_t *msg, size_t len, size_t cap, size_t max)
{
	struct dns_header h;
	struct layout l;
	if (!dns_header_read(view_make(msg, len), &h))
		return 0;
	put_be16(msg, q->h.id);
	if (!(q->h.flags & DNS_AD) && !q->edns_do)
		put_be16(msg + 2, (uint16_t)(h.flags & ~DNS_AD));
	if (h.count[0] == 0) /* an error that repeats nothing */
		return len;
	if (len < DNS_HLEN + (size_t)q->q.name.len + 4)
		return 0;
	/* Its first name is never compressed, and it is the question's. */
	memcpy(msg + DNS_HLEN, q->q.name.b, q->q.name.len);

	size_t room = max < cap ? max : cap;
	if (!lay_out(q, msg, len, room - (q->has_edns ? OPT_LEN : 0), &l))
		return 0;
	bool as_it_is = q->has_edns == (l.opt_len > 0) && l.end <= room;
	if (as_it_is)
		return l.end;
	/* An OPT record that goes, or comes, at the end: the rest stays where it is. */
	bool opt_last = l.opt_len && l.opt_at + l.opt_len == l.end;
	size_t body = opt_last ? l.opt_at : l.end;
	if ((!l.opt_len || opt_last) && body + (q->has_edns ? OPT_LEN : 0) <= room) {
		put_counts(msg, l.records, q->has_edns);
		return close_message(q, msg, &l, body, room);
	}
	if (l.fit_end + (q->has_edns ? OPT_LEN : 0) > room) /* not even the question */
		return 0;
	/* Something has to go. Records behind an OPT record may be signatures or additions, which
	 * an asker that does not know of the OPT record has no use for. */
	if (l.end > room || memcmp(l.fit, l.first, sizeof(l.fit)) != 0)
		put_be16(msg + 2, (uint16_t)((get_be16(msg + 2) | DNS_TC) & ~DNS_AD));
	put_counts(msg, l.fit, q->has_edns);
	return close_message(q, msg, &l, l.fit_end, room);
}
