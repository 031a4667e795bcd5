// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: writes DNS messages record by record, with every name in full or as the caller says.
 */
#ifndef WEIR_DNS_RIG_H
#define WEIR_DNS_RIG_H

#include "dns/wire.h"

struct rig {
	uint8_t msg[DNS_MSG_MAX];
	struct wbuf w;
	size_t rdlen_at; /* of the record that is being written */
};

static inline void rig_begin(struct rig *g, uint16_t flags)
{
	g->w = wbuf_make(g->msg, sizeof(g->msg));
	wbuf_put_be16(&g->w, 0x1234);
	wbuf_put_be16(&g->w, flags);
	wbuf_put_zero(&g->w, 8);
}

static inline void rig_name(struct rig *g, const char *text)
{
	struct dns_name n;
	if (dns_name_parse(text, &n))
		wbuf_put_bytes(&g->w, n.b, n.len);
}

static inline void rig_count(struct rig *g, unsigned section)
{
	put_be16(g->msg + 4 + 2 * section, (uint16_t)(get_be16(g->msg + 4 + 2 * section) + 1));
}

static inline void rig_question(struct rig *g, const char *text, uint16_t type)
{
	rig_name(g, text);
	wbuf_put_be16(&g->w, type);
	wbuf_put_be16(&g->w, DNS_IN);
	rig_count(g, 0);
}

/* What stands between a record's owner and its data; rig_end() puts the length right. */
static inline void rig_fixed(struct rig *g, unsigned section, uint16_t type, uint16_t class,
			     uint32_t ttl)
{
	wbuf_put_be16(&g->w, type);
	wbuf_put_be16(&g->w, class);
	wbuf_put_be32(&g->w, ttl);
	g->rdlen_at = g->w.len;
	wbuf_put_be16(&g->w, 0);
	rig_count(g, section);
}

static inline void rig_record(struct rig *g, unsigned section, const char *owner, uint16_t type,
			      uint32_t ttl)
{
	rig_name(g, owner);
	rig_fixed(g, section, type, DNS_IN, ttl);
}

static inline void rig_end(struct rig *g)
{
	put_be16(g->msg + g->rdlen_at, (uint16_t)(g->w.len - g->rdlen_at - 2));
}

static inline void rig_bytes(struct rig *g, unsigned section, const char *owner, uint16_t type,
			     uint32_t ttl, const void *data, size_t len)
{
	rig_record(g, section, owner, type, ttl);
	wbuf_put_bytes(&g->w, data, len);
	rig_end(g);
}

/* An A or AAAA record. */
static inline void rig_addr(struct rig *g, unsigned section, const char *owner, uint32_t ttl,
			    const char *addr)
{
	struct ipaddr a;
	if (ipaddr_parse(addr, &a))
		rig_bytes(g, section, owner, a.family == 4 ? DNS_A : DNS_AAAA, ttl, a.b,
			  ipaddr_len(&a));
}

static inline void rig_alias(struct rig *g, unsigned section, const char *owner, uint16_t type,
			     uint32_t ttl, const char *target)
{
	rig_record(g, section, owner, type, ttl);
	rig_name(g, target);
	rig_end(g);
}

static inline void rig_soa(struct rig *g, const char *owner, uint32_t ttl, uint32_t minimum)
{
	rig_record(g, DNS_AUTHORITY, owner, DNS_SOA, ttl);
	rig_name(g, owner);
	rig_name(g, "hostmaster.example");
	wbuf_put_zero(&g->w, 16);
	wbuf_put_be32(&g->w, minimum);
	rig_end(g);
}

static inline void rig_opt(struct rig *g, uint16_t size, uint32_t ttl, const void *data, size_t len)
{
	wbuf_put_u8(&g->w, 0);
	rig_fixed(g, DNS_ADDITIONAL, DNS_OPT, size, ttl);
	wbuf_put_bytes(&g->w, data, len);
	rig_end(g);
}

static inline void rig_param(struct rig *g, uint16_t key, const void *value, size_t len)
{
	wbuf_put_be16(&g->w, key);
	wbuf_put_be16(&g->w, (uint16_t)len);
	wbuf_put_bytes(&g->w, value, len);
}

#endif
