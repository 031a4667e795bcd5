// SPDX-License-Identifier: Apache-2.0
/*
 * Making DNS messages. The question is written from its parsed form, so that nothing of the asker's
 * bytes is copied that was not understood.
 */
#include "dns/message.h"

#define OPTION_EDE 15

static uint16_t name_at(size_t at)
{
	return (uint16_t)(0xc000 | at);
}

static void put_header(struct wbuf *w, uint16_t id, uint16_t flags, uint16_t questions)
{
	wbuf_put_be16(w, id);
	wbuf_put_be16(w, flags);
	wbuf_put_be16(w, questions);
	wbuf_put_zero(w, 6); /* counted as the records are written */
}

static void count(struct wbuf *w, enum dns_section section)
{
	uint8_t *at = w->p + 4 + 2 * section;
	put_be16(at, (uint16_t)(get_be16(at) + 1));
}

static void put_question(struct wbuf *w, const struct dns_question *q)
{
	wbuf_put_bytes(w, q->name.b, q->name.len);
	wbuf_put_be16(w, q->type);
	wbuf_put_be16(w, q->class);
}

static void put_fixed(struct wbuf *w, size_t owner, uint16_t type, size_t len)
{
	wbuf_put_be16(w, name_at(owner));
	wbuf_put_be16(w, type);
	wbuf_put_be16(w, DNS_IN);
	wbuf_put_be32(w, OWN_TTL_S);
	wbuf_put_be16(w, (uint16_t)len);
}

static void put_answer(struct wbuf *w, uint16_t type, const void *data, size_t len)
{
	put_fixed(w, DNS_HLEN, type, len);
	wbuf_put_bytes(w, data, len);
	count(w, DNS_ANSWER);
}

/* As those of the empty zones of RFC 6303 section 3; only the last number means something. */
static void put_soa(struct wbuf *w, size_t zone)
{
	static const uint8_t contact[] = "\6nobody\7invalid";
	static const uint32_t numbers[] = {1, 3600, 1200, 604800, OWN_TTL_S};
	put_fixed(w, zone, DNS_SOA, 2 + sizeof(contact) + sizeof(numbers));
	wbuf_put_be16(w, name_at(zone));
	wbuf_put_bytes(w, contact, sizeof(contact));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		wbuf_put_be32(w, numbers[i]);
	count(w, DNS_AUTHORITY);
}

static void put_ede(struct wbuf *w, enum dns_ede ede, const char *text)
{
	size_t len = text ? strnlen(text, EDE_TEXT_MAX) : 0;
	wbuf_put_be16(w, OPTION_EDE);
	wbuf_put_be16(w, (uint16_t)(2 + len));
	wbuf_put_be16(w, (uint16_t)ede);
	for (size_t i = 0; i < len; i++)
		wbuf_put_u8(w, text[i] >= ' ' && text[i] <= '~' ? (uint8_t)text[i] : '?');
}

/* RFC 6891 6.1: an answer has an OPT record where the query had one. */
static void put_opt(struct wbuf *w, const struct dns_query_view *q, enum dns_ede ede,
		    const char *text)
{
	if (!q->has_edns)
		return;
	wbuf_put_u8(w, 0);
	wbuf_put_be16(w, DNS_OPT);
	wbuf_put_be16(w, DNS_EDNS_SIZE);
	wbuf_put_be32(w, q->edns_do ? DNS_EDNS_DO : 0);
	size_t len_at = w->len;
	wbuf_put_be16(w, 0);
	if (ede != DNS_EDE_NONE)
		put_ede(w, ede, text);
	put_be16(w->p + len_at, (uint16_t)(w->len - len_at - 2));
	count(w, DNS_ADDITIONAL);
}

size_t dns_make_bare_error(const struct dns_header *h, enum dns_rcode rcode,
			   uint8_t buf[DNS_MADE_MAX])
{
	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	uint16_t kept = h->flags & (DNS_OPCODE | DNS_RD);
	put_header(&w, h->id, (uint16_t)(DNS_QR | DNS_RA | kept | rcode), 0);
	return w.len;
}

size_t dns_make_denial(const struct dns_query_view *q, enum dns_rcode rcode, enum dns_ede ede,
		       const char *text, uint8_t buf[DNS_MADE_MAX])
{
	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	uint16_t kept = q->h.flags & (DNS_RD | DNS_CD);
	put_header(&w, q->h.id, (uint16_t)(DNS_QR | DNS_RA | kept | rcode), 1);
	put_question(&w, &q->q);
	put_opt(&w, q, ede, text);
	return w.len;
}

size_t dns_make_error(const struct dns_query_view *q, enum dns_rcode rcode, enum dns_ede ede,
		      uint8_t buf[DNS_MADE_MAX])
{
	return dns_make_denial(q, rcode, ede, NULL, buf);
}

static void put_own(struct wbuf *w, const struct dns_question *q, const struct dns_own *own)
{
	bool any = q->type == DNS_ANY;
	if (q->class != DNS_IN && q->class != DNS_CLASS_ANY)
		return;
	for (size_t i = 0; i < own->addr_n && i < OWN_ADDRS_MAX; i++) {
		const struct ipaddr *a = &own->addrs[i];
		uint16_t type = a->family == 4 ? DNS_A : DNS_AAAA;
		if (any || q->type == type)
			put_answer(w, type, a->b, ipaddr_len(a));
	}
	if (own->ptr.len && (any || q->type == DNS_PTR))
		put_answer(w, DNS_PTR, own->ptr.b, own->ptr.len);
}

size_t dns_make_own(const struct dns_query_view *q, const struct dns_own *own,
		    uint8_t buf[DNS_MADE_MAX])
{
	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	uint16_t flags = DNS_QR | DNS_RA | (q->h.flags & (DNS_RD | DNS_CD));
	if (own->authoritative)
		flags |= DNS_AA;
	put_header(&w, q->h.id, (uint16_t)(flags | own->rcode), 1);
	put_question(&w, &q->q);
	size_t before = w.len;
	if (own->rcode == DNS_NOERROR)
		put_own(&w, &q->q, own);
	if (w.len == before && own->zone_len && own->zone_len <= q->q.name.len)
		put_soa(&w, DNS_HLEN + (size_t)(q->q.name.len - own->zone_len));
	put_opt(&w, q, DNS_EDE_NONE, NULL);
	return w.len;
}
