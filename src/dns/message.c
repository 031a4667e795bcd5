// SPDX-License-Identifier: Apache-2.0
/*
 * Making DNS messages. The question is written from its parsed form, so that nothing of the asker's
 * bytes is copied that was not understood.
 */
#include "dns/message.h"

#define OWN_TTL          60
#define EDNS_SIZE        1232 /* what fits an unfragmented packet of the smallest IPv6 MTU */
#define EDNS_DO          0x8000
#define OPTION_EDE       15
#define NAME_AT_QUESTION (0xc000 | DNS_HLEN)

static void put_header(struct wbuf *w, uint16_t id, uint16_t flags, uint16_t questions,
		       uint16_t answers, uint16_t additional)
{
	wbuf_put_be16(w, id);
	wbuf_put_be16(w, flags);
	wbuf_put_be16(w, questions);
	wbuf_put_be16(w, answers);
	wbuf_put_be16(w, 0);
	wbuf_put_be16(w, additional);
}

static void put_question(struct wbuf *w, const struct dns_question *q)
{
	wbuf_put_bytes(w, q->name.b, q->name.len);
	wbuf_put_be16(w, q->type);
	wbuf_put_be16(w, q->class);
}

static void put_record(struct wbuf *w, uint16_t type, const void *data, size_t len)
{
	wbuf_put_be16(w, NAME_AT_QUESTION);
	wbuf_put_be16(w, type);
	wbuf_put_be16(w, DNS_IN);
	wbuf_put_be32(w, OWN_TTL);
	wbuf_put_be16(w, (uint16_t)len);
	wbuf_put_bytes(w, data, len);
}

/* RFC 6891 6.1: an answer has an OPT record where the query had one. */
static void put_opt(struct wbuf *w, const struct dns_query_view *q, enum dns_ede ede,
		    const char *text)
{
	if (!q->has_edns)
		return;
	wbuf_put_u8(w, 0);
	wbuf_put_be16(w, DNS_OPT);
	wbuf_put_be16(w, EDNS_SIZE);
	wbuf_put_be32(w, q->edns_do ? EDNS_DO : 0);
	if (ede == DNS_EDE_NONE) {
		wbuf_put_be16(w, 0);
		return;
	}
	size_t n = text ? strnlen(text, DNS_EDE_TEXT_MAX) : 0;
	wbuf_put_be16(w, (uint16_t)(6 + n));
	wbuf_put_be16(w, OPTION_EDE);
	wbuf_put_be16(w, (uint16_t)(2 + n));
	wbuf_put_be16(w, (uint16_t)ede);
	wbuf_put_bytes(w, text, n);
}

size_t dns_make_bare_error(const struct dns_header *h, enum dns_rcode rcode,
			   uint8_t buf[DNS_MADE_MAX])
{
	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	uint16_t kept = h->flags & (DNS_OPCODE | DNS_RD);
	put_header(&w, h->id, (uint16_t)(DNS_QR | DNS_RA | kept | rcode), 0, 0, 0);
	return w.len;
}

size_t dns_make_error(const struct dns_query_view *q, enum dns_rcode rcode, enum dns_ede ede,
		      const char *text, uint8_t buf[DNS_MADE_MAX])
{
	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	uint16_t kept = q->h.flags & (DNS_RD | DNS_CD);
	put_header(&w, q->h.id, (uint16_t)(DNS_QR | DNS_RA | kept | rcode), 1, 0, q->has_edns);
	put_question(&w, &q->q);
	put_opt(&w, q, ede, text);
	return w.len;
}

size_t dns_make_own(const struct dns_query_view *q, const struct dns_own *own,
		    uint8_t buf[DNS_MADE_MAX])
{
	uint16_t type = q->q.type;
	bool a = own->a.family && (type == DNS_A || type == DNS_ANY);
	bool aaaa = own->aaaa.family && (type == DNS_AAAA || type == DNS_ANY);
	bool ptr = own->ptr.len && (type == DNS_PTR || type == DNS_ANY);
	if (q->q.class != DNS_IN && q->q.class != DNS_CLASS_ANY)
		a = aaaa = ptr = false;

	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	uint16_t kept = q->h.flags & (DNS_RD | DNS_CD);
	put_header(&w, q->h.id, DNS_QR | DNS_AA | DNS_RA | kept, 1, (uint16_t)(a + aaaa + ptr),
		   q->has_edns);
	put_question(&w, &q->q);
	if (a)
		put_record(&w, DNS_A, own->a.b, 4);
	if (aaaa)
		put_record(&w, DNS_AAAA, own->aaaa.b, 16);
	if (ptr)
		put_record(&w, DNS_PTR, own->ptr.b, own->ptr.len);
	put_opt(&w, q, DNS_EDE_NONE, NULL);
	return w.len;
}

size_t dns_make_truncated(const struct dns_query_view *q, struct view answer,
			  uint8_t buf[DNS_MADE_MAX])
{
	struct wbuf w = wbuf_make(buf, DNS_MADE_MAX);
	struct dns_header h = {0};
	dns_header_read(answer, &h);
	put_header(&w, q->h.id, h.flags | DNS_TC, 1, 0, q->has_edns);
	put_question(&w, &q->q);
	put_opt(&w, q, DNS_EDE_NONE, NULL);
	return w.len;
}
