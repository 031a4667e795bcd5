// SPDX-License-Identifier: Apache-2.0
/*
 * The DHCPv4 server (RFC 2131) of a network with one guest and one address.
 *
 * Theory of operation
 * -------------------
 * The answer follows from the request alone: the guest's address is fixed, so there is no pool, no
 * lease table and no offer to remember. RELEASE and DECLINE are taken and change nothing.
 * Requests that name another server are somebody else's; requests that come through a relay are
 * ignored, since there is none on this link. Plain BOOTP without a message type is ignored too.
 *
 * Where the answer goes (RFC 2131 4.1): to ciaddr where the client has an address; else to
 * everybody where it asks so with the broadcast flag; else to its hardware address and the address
 * that it is given. A NAK always goes to everybody.
 *
 * RFCs: 2131, 2132, 3396 (no long option is needed here), 3397 (119), 3442 (121), 4039 (80), 4702
 * (81), 6842 (61 echoed).
 */
#include <netinet/in.h>

#include "guestsvc/out.h"

#define PORT_SERVER 67
#define PORT_CLIENT 68
#define BOOTP_HLEN  236 /* the fixed fields before the magic cookie */
#define BOOTP_MIN   300 /* old clients drop anything shorter (RFC 951) */
#define COOKIE      0x63825363
#define FLAG_BCAST  0x8000
#define MSG_MIN     576 /* the datagram that every client takes (RFC 2131 2) */
#define FQDN_MAX    255

enum {
	DISCOVER = 1,
	OFFER,
	REQUEST,
	DECLINE,
	ACK,
	NAK,
	RELEASE,
	INFORM,
};

enum {
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_HOSTNAME = 12,
	OPT_DOMAIN = 15,
	OPT_MTU = 26,
	OPT_REQUESTED = 50,
	OPT_LEASE = 51,
	OPT_OVERLOAD = 52,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_PARAMS = 55,
	OPT_MAX_SIZE = 57,
	OPT_T1 = 58,
	OPT_T2 = 59,
	OPT_CLIENT_ID = 61,
	OPT_RAPID = 80,
	OPT_FQDN = 81,
	OPT_SEARCH = 119,
	OPT_ROUTES = 121,
	OPT_END = 255,
};

struct request {
	uint8_t type;
	uint32_t xid;
	uint16_t flags;
	struct ipaddr ciaddr;    /* family 0: none */
	struct ipaddr requested; /* family 0: none */
	struct ipaddr server;    /* family 0: none */
	struct ipaddr source;    /* of the datagram */
	uint8_t chaddr[6];
	uint8_t overload;
	uint16_t max_size; /* of a datagram, with its headers */
	bool rapid;
	struct view params, client_id, fqdn; /* length 0: none */
};

/* An IPv4 address, where 0.0.0.0 stands for none. */
static struct ipaddr addr_or_none(const uint8_t b[4])
{
	static const uint8_t zero[4];
	return memcmp(b, zero, 4) ? ipaddr_v4(b) : (struct ipaddr){0};
}

static void option_take(struct request *r, uint8_t code, struct view o)
{
	switch (code) {
	case OPT_TYPE:
		if (o.len == 1)
			r->type = o.p[0];
		break;
	case OPT_REQUESTED:
		if (o.len == 4)
			r->requested = addr_or_none(o.p);
		break;
	case OPT_SERVER:
		if (o.len == 4)
			r->server = ipaddr_v4(o.p);
		break;
	case OPT_OVERLOAD:
		if (o.len == 1)
			r->overload = o.p[0];
		break;
	case OPT_MAX_SIZE:
		if (o.len == 2)
			r->max_size = get_be16(o.p);
		break;
	case OPT_PARAMS:
		r->params = o;
		break;
	case OPT_CLIENT_ID:
		r->client_id = o;
		break;
	case OPT_RAPID:
		r->rapid = true;
		break;
	case OPT_FQDN:
		r->fqdn = o;
		break;
	default:
		break;
	}
}

/* False where an option runs past the end; an absent end option is forgiven. */
static bool options_parse(struct request *r, struct view v)
{
	uint8_t code, len;
	struct view o;
	while (view_get_u8(&v, &code) && code != OPT_END) {
		if (code == OPT_PAD)
			continue;
		if (!view_get_u8(&v, &len) || !view_take(&v, len, &o))
			return false;
		option_take(r, code, o);
	}
	return true;
}

static bool request_parse(struct view v, struct request *ret)
{
	uint8_t op, htype, hlen, ciaddr[4], giaddr[4];
	struct view sname, file;
	uint32_t cookie;
	*ret = (struct request){0};
	if (!view_get_u8(&v, &op) || !view_get_u8(&v, &htype) || !view_get_u8(&v, &hlen) ||
	    !view_skip(&v, 1) || !view_get_be32(&v, &ret->xid) || !view_skip(&v, 2) ||
	    !view_get_be16(&v, &ret->flags) || !view_get_bytes(&v, ciaddr, 4) ||
	    !view_skip(&v, 8) || !view_get_bytes(&v, giaddr, 4) ||
	    !view_get_bytes(&v, ret->chaddr, 6) || !view_skip(&v, 10) ||
	    !view_take(&v, 64, &sname) || !view_take(&v, 128, &file) || !view_get_be32(&v, &cookie))
		return false;
	if (op != 1 || htype != 1 || hlen != 6 || cookie != COOKIE || (ret->chaddr[0] & 1) ||
	    get_be32(giaddr) != 0)
		return false;
	ret->ciaddr = addr_or_none(ciaddr);
	if (!options_parse(ret, v))
		return false;
	uint8_t overload = ret->overload;
	if ((overload & 1) && !options_parse(ret, file))
		return false;
	return !(overload & 2) || options_parse(ret, sname);
}

static bool wants(const struct request *r, uint8_t code)
{
	return r->params.len == 0 || memchr(r->params.p, code, r->params.len);
}

/* Writes an option where it fits as a whole, and leaves room for the end option. */
static void put_option(struct wbuf *w, uint8_t code, const void *data, size_t len)
{
	if (len > 255 || w->cap - w->len < 2 + len + 1)
		return;
	wbuf_put_u8(w, code);
	wbuf_put_u8(w, (uint8_t)len);
	wbuf_put_bytes(w, data, len);
}

static void put_option_u32(struct wbuf *w, uint8_t code, uint32_t v)
{
	uint8_t b[4];
	put_be32(b, v);
	put_option(w, code, b, sizeof(b));
}

/*
 * RFC 3442. A client that asks for this option ignores the router option, so the default route is
 * in it; with a /32, the route to the gateway itself comes first.
 */
static void put_routes(struct wbuf *w, const struct stack_config *cfg)
{
	uint8_t buf[16];
	struct wbuf o = wbuf_make(buf, sizeof(buf));
	if (cfg->prefix4 == 32) {
		wbuf_put_u8(&o, 32);
		wbuf_put_bytes(&o, cfg->gw4.b, 4);
		wbuf_put_be32(&o, 0);
	}
	wbuf_put_u8(&o, 0);
	wbuf_put_bytes(&o, cfg->gw4.b, 4);
	put_option(w, OPT_ROUTES, buf, o.len);
}

/* RFC 4702 section 3.1: no DNS update is made here (N), whatever the client hoped for (O). */
static void put_fqdn(struct wbuf *w, struct view fqdn)
{
	uint8_t buf[FQDN_MAX];
	if (fqdn.len < 3 || fqdn.len > sizeof(buf))
		return;
	memcpy(buf, fqdn.p, fqdn.len);
	bool client_s = buf[0] & 1;
	buf[0] = (uint8_t)((buf[0] & 4) | 8 | (client_s ? 2 : 0));
	buf[1] = buf[2] = 255;
	put_option(w, OPT_FQDN, buf, fqdn.len);
}

/* What the guest learns of its network, the same in every OFFER and ACK. */
static void put_network(struct guestsvc *g, struct wbuf *w, const struct request *r)
{
	const struct stack_config *cfg = &g->stack->cfg;
	uint8_t mtu[2], buf[255];
	put_be16(mtu, cfg->mtu);
	put_option_u32(w, OPT_MASK, cfg->prefix4 ? ~0u << (32 - cfg->prefix4) : 0);
	put_option(w, OPT_ROUTER, cfg->gw4.b, 4);
	put_option(w, OPT_DNS, cfg->gw4.b, 4);
	/* Not only on request: a client may think of 65,520 bytes where it is not told. */
	put_option(w, OPT_MTU, mtu, 2);
	if (wants(r, OPT_ROUTES))
		put_routes(w, cfg);
	if (g->hostname[0] && wants(r, OPT_HOSTNAME))
		put_option(w, OPT_HOSTNAME, g->hostname, strlen(g->hostname));
	size_t first = strcspn(g->search, ", ");
	if (first && wants(r, OPT_DOMAIN))
		put_option(w, OPT_DOMAIN, g->search, first);
	if (g->search[0] && wants(r, OPT_SEARCH)) {
		struct wbuf o = wbuf_make(buf, sizeof(buf));
		guestsvc_put_domains(&o, g->search);
		if (o.len && !o.overflow)
			put_option(w, OPT_SEARCH, buf, o.len);
	}
	put_fqdn(w, r->fqdn);
}

static void put_fixed(struct guestsvc *g, struct wbuf *w, const struct request *r, uint8_t type,
		      const struct ipaddr *yiaddr)
{
	static const uint8_t none[4];
	wbuf_put_u8(w, 2);
	wbuf_put_u8(w, 1);
	wbuf_put_u8(w, 6);
	wbuf_put_u8(w, 0);
	wbuf_put_be32(w, r->xid);
	wbuf_put_be16(w, 0);
	wbuf_put_be16(w, r->flags);
	/* ciaddr is repeated in an ACK only (RFC 2131 4.3.1, table 3). */
	wbuf_put_bytes(w, type == ACK ? r->ciaddr.b : none, 4);
	wbuf_put_bytes(w, yiaddr->b, 4);
	wbuf_put_zero(w, 8); /* siaddr: no boot server; giaddr */
	wbuf_put_bytes(w, r->chaddr, 6);
	wbuf_put_zero(w, BOOTP_HLEN - w->len);
	wbuf_put_be32(w, COOKIE);
	put_option(w, OPT_TYPE, &type, 1);
	put_option(w, OPT_SERVER, g->stack->cfg.gw4.b, 4);
}

/* Sends to whom section 4.1 says; `yiaddr` has family 0 where none is given. */
static void reply_send(struct guestsvc *g, const struct request *r, uint8_t type,
		       const struct ipaddr *yiaddr, const uint8_t *msg, size_t len)
{
	static const uint8_t everybody[4] = {255, 255, 255, 255};
	const uint8_t *mac = r->chaddr;
	struct ipaddr dst = {0};
	if (type != NAK && r->ciaddr.family)
		dst = r->ciaddr;
	else if (type != NAK && !(r->flags & FLAG_BCAST))
		dst = *yiaddr;
	if (!dst.family || ipaddr_is_multicast(&dst)) {
		dst = ipaddr_v4(everybody);
		mac = guestsvc_mac_broadcast;
	}
	if (guestsvc_send_udp(g, mac, &g->stack->cfg.gw4, PORT_SERVER, &dst, PORT_CLIENT, msg, len))
		g->answered[GUESTSVC_DHCP4]++;
}

/* OFFER, ACK or NAK. An ACK without `give` answers an INFORM. */
static void reply(struct guestsvc *g, const struct request *r, uint8_t type, bool give)
{
	const struct stack_config *cfg = &g->stack->cfg;
	static const struct ipaddr none;
	const struct ipaddr *yiaddr = give ? &cfg->guest4 : &none;

	size_t room = r->max_size > MSG_MIN ? r->max_size : MSG_MIN;
	if (room > cfg->mtu)
		room = cfg->mtu;
	room -= 28;
	uint8_t msg[GUESTSVC_UDP_MAX];
	struct wbuf w = wbuf_make(msg, room < sizeof(msg) ? room : sizeof(msg));
	put_fixed(g, &w, r, type, yiaddr);
	if (give) {
		put_option_u32(&w, OPT_LEASE, g->lease_s);
		put_option_u32(&w, OPT_T1, g->lease_s / 2);
		put_option_u32(&w, OPT_T2, g->lease_s - g->lease_s / 8);
		if (type == ACK && r->type == DISCOVER)
			put_option(&w, OPT_RAPID, NULL, 0);
	}
	if (r->client_id.len)
		put_option(&w, OPT_CLIENT_ID, r->client_id.p, r->client_id.len);
	if (type != NAK)
		put_network(g, &w, r);
	wbuf_put_u8(&w, OPT_END);
	if (w.len < BOOTP_MIN)
		wbuf_put_zero(&w, BOOTP_MIN - w.len);
	if (w.overflow)
		return;
	reply_send(g, r, type, yiaddr, msg, w.len);
}

/* RFC 2131 4.3.2: which state the client is in shows in what it fills. */
static void request_input(struct guestsvc *g, const struct request *r)
{
	const struct ipaddr *ours = &g->stack->cfg.guest4;
	const struct ipaddr *asked;
	if (r->requested.family) /* selecting, or after a reboot */
		asked = &r->requested;
	else if (r->ciaddr.family) /* renewing or rebinding */
		asked = &r->ciaddr;
	else
		return;
	if (ipaddr_eq(asked, ours))
		reply(g, r, ACK, true);
	else
		reply(g, r, NAK, false);
}

static void inform_input(struct guestsvc *g, struct request *r)
{
	/* Some clients leave ciaddr empty and send from the address that they mean. */
	if (!r->ciaddr.family && !ipaddr_is_unspecified(&r->source))
		r->ciaddr = r->source;
	reply(g, r, ACK, false);
}

/* To everybody, to the network's broadcast address, or to the gateway itself. */
static bool is_for_us(const struct stack_config *cfg, const struct ipaddr *dst)
{
	if (dst->family != 4)
		return false;
	uint32_t d = get_be32(dst->b), gw = get_be32(cfg->gw4.b);
	uint32_t host = cfg->prefix4 >= 32 ? 0 : ~0u >> cfg->prefix4;
	return d == 0xffffffff || d == gw || (host && d == (gw | host));
}

void guestsvc_dhcp4(struct guestsvc *g, const uint8_t src_mac[6], const struct udp_datagram *d)
{
	struct stack *s = g->stack;
	struct request r;
	if (!s->cfg.has_v4 || d->dport != PORT_SERVER || !is_for_us(&s->cfg, &d->dst))
		return;
	if (!request_parse(d->payload, &r)) {
		stack_drop(s, DROP_BAD_HEADER);
		return;
	}
	r.source = d->src;
	if (r.server.family && !ipaddr_eq(&r.server, &s->cfg.gw4))
		return;
	switch (r.type) {
	case DISCOVER:
		reply(g, &r, r.rapid ? ACK : OFFER, true);
		break;
	case REQUEST:
		request_input(g, &r);
		break;
	case INFORM:
		inform_input(g, &r);
		break;
	default: /* RELEASE, DECLINE: nothing is stored */
		break;
	}
}
