// SPDX-License-Identifier: Apache-2.0
/*
 * The DHCPv6 server (RFC 8415) of a network with one guest and one address.
 *
 * Theory of operation
 * -------------------
 * As with DHCPv4, the answer follows from the request alone: the first IA_NA of a message is given
 * the guest's address, and every other IA of any kind gets a status code that says why not. There
 * are no bindings to store, so Renew and Rebind are answered like Request, and Release and Decline
 * change nothing. The server's DUID comes from the gateway's MAC address (DUID-LL, 11.4).
 *
 * Messages that section 16 tells a server to discard are discarded and counted. Answers go from
 * the gateway's link-local address to where the request came from. A request has at most IA_MAX
 * IAs (later ones are ignored), and an answer that does not fit one packet is not sent.
 */
#include <netinet/in.h>

#include "guestsvc/out.h"

#define PORT_SERVER 547
#define PORT_CLIENT 546
#define REPLY_MAX   1232 /* the smallest IPv6 MTU less the IPv6 and UDP headers */
#define DUID_MAX    130  /* 11.1: a type code and 128 bytes */
#define DUID_LEN    10   /* ours */
#define IA_MAX      8

enum {
	SOLICIT = 1,
	ADVERTISE = 2,
	REQUEST = 3,
	CONFIRM = 4,
	RENEW = 5,
	REBIND = 6,
	REPLY = 7,
	RELEASE = 8,
	DECLINE = 9,
	INFORMATION_REQUEST = 11,
};

enum {
	OPT_CLIENTID = 1,
	OPT_SERVERID = 2,
	OPT_IA_NA = 3,
	OPT_IA_TA = 4,
	OPT_IAADDR = 5,
	OPT_ORO = 6,
	OPT_PREFERENCE = 7,
	OPT_STATUS = 13,
	OPT_RAPID_COMMIT = 14,
	OPT_DNS_SERVERS = 23,
	OPT_DOMAIN_LIST = 24,
	OPT_IA_PD = 25,
};

enum {
	STATUS_SUCCESS = 0,
	STATUS_NO_ADDRS = 2,
	STATUS_NO_BINDING = 3,
	STATUS_NOT_ON_LINK = 4,
	STATUS_USE_MULTICAST = 5,
	STATUS_NO_PREFIX = 6,
};

struct ia {
	uint16_t type; /* OPT_IA_NA, OPT_IA_TA, OPT_IA_PD */
	uint32_t iaid;
	struct view options;
};

struct request {
	uint8_t type;
	uint8_t xid[3];
	struct view client_id; /* length 0: none */
	struct view server_id; /* length 0: none */
	bool rapid;
	struct ia ia[IA_MAX];
	unsigned ia_n;
};

/* The next option of `v`; false at the end (ret_bad false) or where one is malformed (true). */
static bool option_next(struct view *v, uint16_t *ret_code, struct view *ret, bool *ret_bad)
{
	uint16_t len;
	if (v->len == 0)
		return false;
	if (view_get_be16(v, ret_code) && view_get_be16(v, &len) && view_take(v, len, ret))
		return true;
	*ret_bad = true;
	return false;
}

static bool ia_take(struct request *r, uint16_t type, struct view o)
{
	uint32_t iaid;
	if (!view_get_be32(&o, &iaid) || (type != OPT_IA_TA && !view_skip(&o, 8)))
		return false;
	/* Later ones would only be told that there is no second address. */
	if (r->ia_n < IA_MAX)
		r->ia[r->ia_n++] = (struct ia){.type = type, .iaid = iaid, .options = o};
	return true;
}

static bool request_parse(struct view v, struct request *ret)
{
	uint16_t code;
	struct view o;
	bool bad = false;
	*ret = (struct request){0};
	if (!view_get_u8(&v, &ret->type) || !view_get_bytes(&v, ret->xid, 3))
		return false;
	while (option_next(&v, &code, &o, &bad)) {
		switch (code) {
		case OPT_CLIENTID:
			if (o.len < 3 || o.len > DUID_MAX || ret->client_id.len)
				return false;
			ret->client_id = o;
			break;
		case OPT_SERVERID:
			if (o.len < 3 || o.len > DUID_MAX || ret->server_id.len)
				return false;
			ret->server_id = o;
			break;
		case OPT_IA_NA:
		case OPT_IA_TA:
		case OPT_IA_PD:
			if (!ia_take(ret, code, o))
				return false;
			break;
		case OPT_RAPID_COMMIT:
			ret->rapid = true;
			break;
		default:
			break;
		}
	}
	return !bad;
}

/* What the addresses that a client names in its IAs have to do with this link. */
struct ia_facts {
	unsigned named;   /* how many there are */
	bool has_ours;    /* the guest's own is one of them */
	bool has_foreign; /* one of another /64 */
};

static bool ia_scan(const struct stack_config *cfg, const struct ia *ia, struct ia_facts *ret)
{
	struct view v = ia->options, o;
	uint16_t code;
	bool bad = false;
	while (option_next(&v, &code, &o, &bad)) {
		if (code != OPT_IAADDR)
			continue;
		if (o.len < 24)
			return false;
		struct ipaddr a = ipaddr_v6(o.p);
		ret->named++;
		if (ipaddr_eq(&a, &cfg->guest6))
			ret->has_ours = true;
		else if (!ipaddr_in_prefix(&a, &cfg->gw6, 64))
			ret->has_foreign = true;
	}
	return !bad;
}

static void put_duid(struct wbuf *w, const struct stack_config *cfg)
{
	wbuf_put_be16(w, 3); /* DUID-LL */
	wbuf_put_be16(w, 1); /* Ethernet */
	wbuf_put_bytes(w, cfg->gw_mac, 6);
}

static bool server_id_is_ours(const struct stack_config *cfg, struct view id)
{
	uint8_t duid[DUID_LEN];
	struct wbuf w = wbuf_make(duid, sizeof(duid));
	put_duid(&w, cfg);
	return id.len == DUID_LEN && memcmp(id.p, duid, DUID_LEN) == 0;
}

/* Options are written with an open length that is filled when they end. */
static size_t option_begin(struct wbuf *w, uint16_t code)
{
	wbuf_put_be16(w, code);
	wbuf_put_be16(w, 0);
	return w->len;
}

static void option_end(struct wbuf *w, size_t start)
{
	if (!w->overflow)
		put_be16(w->p + start - 2, (uint16_t)(w->len - start));
}

static void put_status(struct wbuf *w, uint16_t status, const char *text)
{
	size_t o = option_begin(w, OPT_STATUS);
	wbuf_put_be16(w, status);
	wbuf_put_bytes(w, text, strlen(text));
	option_end(w, o);
}

static void put_address(struct wbuf *w, const uint8_t addr[16], uint32_t lifetime)
{
	size_t o = option_begin(w, OPT_IAADDR);
	wbuf_put_bytes(w, addr, 16);
	wbuf_put_be32(w, lifetime); /* preferred */
	wbuf_put_be32(w, lifetime); /* valid */
	option_end(w, o);
}

static size_t ia_begin(struct wbuf *w, const struct ia *ia, uint32_t t1, uint32_t t2)
{
	size_t o = option_begin(w, ia->type);
	wbuf_put_be32(w, ia->iaid);
	if (ia->type != OPT_IA_TA) {
		wbuf_put_be32(w, t1);
		wbuf_put_be32(w, t2);
	}
	return o;
}

static void put_ia_status(struct wbuf *w, const struct ia *ia, uint16_t status, const char *text)
{
	size_t o = ia_begin(w, ia, 0, 0);
	put_status(w, status, text);
	option_end(w, o);
}

/* 18.3.4: addresses that the client should no longer use come back with lifetimes of zero. */
static void put_ia_given(struct wbuf *w, const struct guestsvc *g, const struct ia *ia)
{
	const struct stack_config *cfg = &g->stack->cfg;
	size_t start = ia_begin(w, ia, g->lease_s / 2, g->lease_s - g->lease_s / 5);
	put_address(w, cfg->guest6.b, g->lease_s);
	struct view v = ia->options, o;
	uint16_t code;
	bool bad = false;
	while (option_next(&v, &code, &o, &bad)) {
		if (code == OPT_IAADDR && memcmp(o.p, cfg->guest6.b, 16) != 0)
			put_address(w, o.p, 0);
	}
	option_end(w, start);
}

/* Answers each IA of Solicit, Request, Renew and Rebind. */
static void put_ias(struct wbuf *w, const struct guestsvc *g, const struct request *r)
{
	bool given = false;
	bool extends = r->type == RENEW || r->type == REBIND;
	for (unsigned i = 0; i < r->ia_n; i++) {
		const struct ia *ia = &r->ia[i];
		struct ia_facts f = {0};
		ia_scan(&g->stack->cfg, ia, &f);
		if (ia->type == OPT_IA_NA && r->type == REQUEST && f.has_foreign) {
			put_ia_status(w, ia, STATUS_NOT_ON_LINK, "address of another link");
		} else if (ia->type == OPT_IA_NA && !given) {
			put_ia_given(w, g, ia);
			given = true;
		} else if (extends) {
			put_ia_status(w, ia, STATUS_NO_BINDING, "no such binding");
		} else if (ia->type == OPT_IA_PD) {
			put_ia_status(w, ia, STATUS_NO_PREFIX, "no prefixes here");
		} else {
			put_ia_status(w, ia, STATUS_NO_ADDRS, "one address only");
		}
	}
}

static void put_header(struct wbuf *w, const struct guestsvc *g, const struct request *r,
		       uint8_t type)
{
	wbuf_put_u8(w, type);
	wbuf_put_bytes(w, r->xid, 3);
	size_t o = option_begin(w, OPT_SERVERID);
	put_duid(w, &g->stack->cfg);
	option_end(w, o);
	if (r->client_id.len) {
		o = option_begin(w, OPT_CLIENTID);
		wbuf_put_bytes(w, r->client_id.p, r->client_id.len);
		option_end(w, o);
	}
}

static void put_names(struct wbuf *w, const struct guestsvc *g)
{
	size_t o = option_begin(w, OPT_DNS_SERVERS);
	wbuf_put_bytes(w, g->stack->cfg.gw6.b, 16);
	option_end(w, o);
	size_t before = w->len;
	o = option_begin(w, OPT_DOMAIN_LIST);
	guestsvc_put_domains(w, g->search);
	if (w->len == o)
		w->len = before;
	else
		option_end(w, o);
}

static void send_message(struct guestsvc *g, const uint8_t mac[6], const struct ipaddr *dst,
			 const struct wbuf *w)
{
	if (w->overflow)
		return;
	if (guestsvc_send_udp(g, mac, &g->stack->cfg.gw6_ll, PORT_SERVER, dst, PORT_CLIENT, w->p,
			      w->len))
		g->answered[GUESTSVC_DHCP6]++;
}

/* Solicit, Request, Renew, Rebind (18.3.1, 18.3.2, 18.3.4, 18.3.5). */
static bool assign(struct guestsvc *g, const struct request *r, struct wbuf *w)
{
	bool rapid = r->type == SOLICIT && r->rapid;
	put_header(w, g, r, r->type == SOLICIT && !rapid ? ADVERTISE : REPLY);
	put_ias(w, g, r);
	if (rapid) {
		option_end(w, option_begin(w, OPT_RAPID_COMMIT));
	} else if (r->type == SOLICIT) {
		/* The highest preference: the client need not wait for other servers (18.2.1). */
		size_t o = option_begin(w, OPT_PREFERENCE);
		wbuf_put_u8(w, 255);
		option_end(w, o);
	}
	put_names(w, g);
	return true;
}

/* 18.3.3: an answer is due only where addresses are named. */
static bool confirm(struct guestsvc *g, const struct request *r, struct wbuf *w)
{
	struct ia_facts f = {0};
	for (unsigned i = 0; i < r->ia_n; i++)
		if (r->ia[i].type != OPT_IA_PD)
			ia_scan(&g->stack->cfg, &r->ia[i], &f);
	if (f.named == 0)
		return false;
	put_header(w, g, r, REPLY);
	if (f.has_foreign)
		put_status(w, STATUS_NOT_ON_LINK, "address of another link");
	else
		put_status(w, STATUS_SUCCESS, "on link");
	put_names(w, g);
	return true;
}

/* Release and Decline (18.3.7, 18.3.8). */
static bool give_back(struct guestsvc *g, const struct request *r, struct wbuf *w)
{
	put_header(w, g, r, REPLY);
	put_status(w, STATUS_SUCCESS, "done");
	for (unsigned i = 0; i < r->ia_n; i++) {
		struct ia_facts f = {0};
		ia_scan(&g->stack->cfg, &r->ia[i], &f);
		if (r->ia[i].type != OPT_IA_NA || !f.has_ours)
			put_ia_status(w, &r->ia[i], STATUS_NO_BINDING, "no such binding");
	}
	return true;
}

static bool inform(struct guestsvc *g, const struct request *r, struct wbuf *w)
{
	put_header(w, g, r, REPLY);
	put_names(w, g);
	return true;
}

static bool use_multicast(struct guestsvc *g, const struct request *r, struct wbuf *w)
{
	put_header(w, g, r, REPLY);
	put_status(w, STATUS_USE_MULTICAST, "send to ff02::1:2");
	return true;
}

/* What each message must and must not carry, and who answers it (section 16). */
struct rule {
	bool server_id;  /* required; else forbidden */
	bool unicast_ok; /* answered "use multicast" where sent to the server alone; else discarded
			  */
	bool (*answer)(struct guestsvc *g, const struct request *r, struct wbuf *w);
};

static const struct rule rules[] = {
	[SOLICIT] = {false, false, assign},  [REQUEST] = {true, true, assign},
	[CONFIRM] = {false, false, confirm}, [RENEW] = {true, true, assign},
	[REBIND] = {false, false, assign},   [RELEASE] = {true, true, give_back},
	[DECLINE] = {true, true, give_back}, [INFORMATION_REQUEST] = {false, false, inform},
};

static bool request_valid(const struct stack_config *cfg, const struct request *r)
{
	if (r->type >= sizeof(rules) / sizeof(rules[0]) || !rules[r->type].answer)
		return false;
	for (unsigned i = 0; i < r->ia_n; i++) {
		struct ia_facts f = {0};
		if (r->ia[i].type != OPT_IA_PD && !ia_scan(cfg, &r->ia[i], &f))
			return false;
	}
	if (r->type == INFORMATION_REQUEST)
		return r->ia_n == 0 &&
		       (r->server_id.len == 0 || server_id_is_ours(cfg, r->server_id));
	if (r->client_id.len == 0)
		return false;
	if (rules[r->type].server_id)
		return server_id_is_ours(cfg, r->server_id);
	return r->server_id.len == 0;
}

void guestsvc_dhcp6(struct guestsvc *g, const uint8_t src_mac[6], const struct udp_datagram *d)
{
	static const uint8_t all_servers[16] = {0xff, 2, [13] = 1, [15] = 2};
	struct stack *s = g->stack;
	struct request r;
	if (!s->cfg.has_v6 || d->dport != PORT_SERVER || d->dst.family != 6)
		return;
	struct ipaddr group = ipaddr_v6(all_servers);
	bool multicast = ipaddr_eq(&d->dst, &group);
	if (!multicast && !stack_is_gateway(s, &d->dst))
		return;
	if (!request_parse(d->payload, &r) || ipaddr_is_unspecified(&d->src) ||
	    ipaddr_is_multicast(&d->src)) {
		stack_drop(s, DROP_BAD_HEADER);
		return;
	}
	if (!request_valid(&s->cfg, &r))
		return;
	const struct rule *rule = &rules[r.type];
	if (!multicast && !rule->unicast_ok)
		return;

	uint8_t msg[REPLY_MAX];
	struct wbuf w = wbuf_make(msg, sizeof(msg));
	if (multicast ? rule->answer(g, &r, &w) : use_multicast(g, &r, &w))
		send_message(g, src_mac, &d->src, &w);
}
