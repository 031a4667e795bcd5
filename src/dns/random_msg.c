// SPDX-License-Identifier: Apache-2.0
/*
 * Answers made at random. See random_msg.h.
 */
#include "dns/random_msg.h"

uint32_t random_below(struct random_msg *g, uint32_t n)
{
	/* xorshift64* (Marsaglia, Vigna) */
	g->seed ^= g->seed >> 12;
	g->seed ^= g->seed << 25;
	g->seed ^= g->seed >> 27;
	return (uint32_t)((g->seed * 0x2545f4914f6cdd1du) >> 32) % n;
}

static bool one_in(struct random_msg *g, uint32_t n)
{
	return random_below(g, n) == 0;
}

static void random_bytes(struct random_msg *g, size_t n)
{
	while (n--)
		wbuf_put_u8(&g->rig.w, (uint8_t)random_below(g, 256));
}

/* A name of a few labels, that ends with the root or a pointer. */
static void random_name(struct random_msg *g, bool compress)
{
	struct wbuf *w = &g->rig.w;
	uint16_t at[4];
	uint8_t before[4]; /* bytes of labels before each one */
	unsigned labels = random_below(g, 5), len = 0;
	size_t usable = g->pool_n;
	for (unsigned i = 0; i < labels; i++) {
		unsigned n = one_in(g, 40) ? 63 : 1 + random_below(g, 8);
		at[i] = (uint16_t)w->len;
		before[i] = (uint8_t)len;
		wbuf_put_u8(w, (uint8_t)n);
		for (unsigned k = 0; k < n; k++)
			wbuf_put_u8(w, one_in(g, 50) ? (uint8_t)random_below(g, 256)
						     : (uint8_t) "abcXYZ0-_"[random_below(g, 9)]);
		len += 1 + n;
	}
	unsigned tail = 1, hops = 0;
	size_t i = usable ? random_below(g, (uint32_t)usable) : 0;
	if (compress && usable && !one_in(g, 4) && len + g->pool[i].len <= DNS_NAME_MAX &&
	    g->pool[i].hops < 100) {
		wbuf_put_be16(w, (uint16_t)(0xc000 | g->pool[i].at));
		tail = g->pool[i].len;
		hops = g->pool[i].hops + 1u;
	} else {
		wbuf_put_u8(w, 0);
	}
	for (unsigned k = 0; k < labels; k++) {
		size_t slot = g->pool_n < RANDOM_POOL ? g->pool_n++ : random_below(g, RANDOM_POOL);
		if (at[k] >= 0x4000)
			continue;
		g->pool[slot].at = at[k];
		g->pool[slot].len = (uint8_t)(len - before[k] + tail);
		g->pool[slot].hops = (uint8_t)hops;
	}
}

static void random_params(struct random_msg *g)
{
	struct rig *r = &g->rig;
	bool ech = one_in(g, 2), listed = one_in(g, 3), alpn = one_in(g, 2);
	uint8_t value[64];
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)random_below(g, 256);
	if (listed && (ech || alpn))
		rig_param(r, 0, alpn ? "\0\1\0\5" : "\0\5", alpn && ech ? 4 : 2);
	if (alpn)
		rig_param(r, 1, "\2h2", 3);
	if (one_in(g, 3))
		rig_param(r, 4, value, 4 * (1 + random_below(g, 3)));
	if (ech)
		rig_param(r, 5, value, random_below(g, 64));
	if (one_in(g, 3))
		rig_param(r, 6, value, 16 * (1 + random_below(g, 3)));
	if (one_in(g, 4))
		rig_param(r, 65280, value, random_below(g, 20));
	g->ech += ech;
}

static void random_data(struct random_msg *g, uint16_t type)
{
	switch (type) {
	case DNS_A:
		random_bytes(g, 4);
		break;
	case DNS_AAAA:
		random_bytes(g, 16);
		break;
	case DNS_SOA:
		random_name(g, true);
		random_name(g, true);
		random_bytes(g, 20);
		break;
	case 15: /* MX */
		random_bytes(g, 2);
		random_name(g, true);
		break;
	case 33: /* SRV */
		random_bytes(g, 6);
		random_name(g, true);
		break;
	case 35: /* NAPTR */
		random_bytes(g, 4);
		wbuf_put_bytes(&g->rig.w, "\1U\7E2U+sip", 10);
		wbuf_put_u8(&g->rig.w, 0);
		random_name(g, true);
		break;
	case 16: /* TXT */
		wbuf_put_u8(&g->rig.w, 5);
		random_bytes(g, 5);
		break;
	case 46: /* RRSIG */
		random_bytes(g, 18);
		random_name(g, false);
		random_bytes(g, 8);
		break;
	case DNS_SVCB:
	case DNS_HTTPS:
		wbuf_put_be16(&g->rig.w, 1);
		random_name(g, false);
		random_params(g);
		break;
	case 65399: /* nobody's */
		random_bytes(g, random_below(g, 30));
		break;
	default: /* NS, CNAME, PTR */
		random_name(g, true);
		break;
	}
}

static void random_record(struct random_msg *g, unsigned section)
{
	static const uint16_t types[] = {1,  1,  2,  5,  5,  6,  12, 15,   16,
					 28, 33, 35, 46, 64, 65, 65, 65399};
	uint16_t type = types[random_below(g, sizeof(types) / sizeof(types[0]))];
	random_name(g, true);
	rig_fixed(&g->rig, section, type, DNS_IN, random_below(g, 100000));
	size_t rdlen_at = g->rig.rdlen_at;
	random_data(g, type);
	g->rig.rdlen_at = rdlen_at;
	rig_end(&g->rig);
}

void random_answer(struct random_msg *g)
{
	g->pool_n = g->ech = 0;
	rig_begin(&g->rig, (uint16_t)(DNS_QR | DNS_RD | DNS_RA | DNS_AD));
	random_name(g, false);
	wbuf_put_be16(&g->rig.w, DNS_HTTPS);
	wbuf_put_be16(&g->rig.w, DNS_IN);
	rig_count(&g->rig, 0);
	for (unsigned section = DNS_ANSWER; section <= DNS_ADDITIONAL; section++)
		for (unsigned n = random_below(g, one_in(g, 50) ? 60 : 6); n; n--)
			random_record(g, section);
	if (one_in(g, 2))
		rig_opt(&g->rig, DNS_EDNS_SIZE, 0, NULL, 0);
}

void random_mutate(struct random_msg *g)
{
	uint8_t *msg = g->rig.msg;
	for (unsigned n = 1 + random_below(g, 3); n && g->rig.w.len; n--) {
		size_t len = g->rig.w.len, at = random_below(g, (uint32_t)len);
		switch (random_below(g, 8)) {
		case 0:
			msg[at] ^= (uint8_t)(1 << random_below(g, 8));
			break;
		case 1:
			msg[at] = (uint8_t)random_below(g, 256);
			break;
		case 2: /* a pointer to somewhere */
			if (at + 1 < len)
				put_be16(msg + at,
					 (uint16_t)(0xc000 | random_below(g, (uint32_t)len)));
			break;
		case 3: /* a small number, as in lengths and types */
			msg[at] = (uint8_t)random_below(g, 70);
			break;
		case 4:
			g->rig.w.len = one_in(g, 4) ? at : len - 1;
			break;
		case 5:
			random_bytes(g, 1 + random_below(g, 12));
			break;
		case 6: /* counts */
			msg[4 + random_below(g, 8)] = (uint8_t)random_below(g, 8);
			break;
		case 7:
			msg[at] = (uint8_t)(msg[at] + 1 - 2 * random_below(g, 2));
			break;
		}
	}
}
