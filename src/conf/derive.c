// SPDX-License-Identifier: Apache-2.0
/* Addresses of a sandbox, derived from its slot or taken from the configuration. */
#include "conf/derive.h"

#include "base/view.h"

#define SLOT_MAX 65535

static void derive_mac(uint32_t slot, uint8_t last, uint8_t ret[6])
{
	const uint8_t mac[6] = {0x02, 'w', 'r', (uint8_t)(slot >> 8), (uint8_t)slot, last};

	memcpy(ret, mac, sizeof(mac));
}

/* fe80:: and the EUI-64 of a MAC (RFC 4291, appendix A). */
static struct ipaddr link_local(const uint8_t mac[6])
{
	const uint8_t b[16] = {
		0xfe,       0x80,   0,      0,    0,    0,      0,      0,
		mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5],
	};

	return ipaddr_v6(b);
}

/*
 * The longest prefix (at most /30) that holds both addresses as hosts: neither is its first
 * address, which Linux takes for a broadcast, nor its last. 0 where there is none.
 */
static unsigned common_prefix4(uint32_t a, uint32_t b)
{
	for (unsigned bits = 30; bits >= 8; bits--) {
		uint32_t host = UINT32_MAX >> bits;

		if ((a & ~host) != (b & ~host))
			continue;
		if ((a & host) && (b & host) && (a & host) != host && (b & host) != host)
			return bits;
	}
	return 0;
}

static int explicit_v4(const struct ipaddr *guest, struct stack_config *sc, struct error *err)
{
	char text[IPADDR_STRLEN];
	struct ipaddr gw = ipaddr_add(guest, -1);
	unsigned bits = common_prefix4(get_be32(guest->b), get_be32(gw.b));

	if (guest->b[0] == 0 || ipaddr_is_loopback(guest) || ipaddr_is_multicast(guest) || !bits)
		return error_set(
			err,
			"--ipv4 (interface.ipv4_address): '%s': expected a unicast "
			"address with room for the gateway just before it, such as 10.0.0.2",
			ipaddr_str(guest, text));
	sc->guest4 = *guest;
	sc->gw4 = gw;
	sc->prefix4 = bits;
	return 0;
}

static int explicit_v6(const struct ipaddr *guest, struct stack_config *sc, struct error *err)
{
	char text[IPADDR_STRLEN];
	struct ipaddr gw = *guest;

	memset(gw.b + 8, 0, 8);
	gw.b[15] = 1;
	if (ipaddr_is_unspecified(guest) || ipaddr_is_loopback(guest) ||
	    ipaddr_is_multicast(guest) || ipaddr_is_link_local(guest))
		return error_set(err,
				 "--ipv6 (interface.ipv6_address): '%s': expected a global "
				 "unicast address, such as fd00::2",
				 ipaddr_str(guest, text));
	if (ipaddr_eq(&gw, guest))
		return error_set(
			err,
			"--ipv6 (interface.ipv6_address): '%s' is the gateway's address in its /64; take "
			"another one",
			ipaddr_str(guest, text));
	sc->guest6 = *guest;
	sc->gw6 = gw;
	return 0;
}

/* Pools are asked for blocks of `block` bits; slot n must be among them. */
static int check_pool(const char *what, const struct ipaddr *pool, unsigned bits, unsigned block,
		      uint32_t slot, struct error *err)
{
	char text[IPADDR_STRLEN];

	if (bits > block)
		return error_set(err, "%s %s/%u is too small: a sandbox takes a /%u of it", what,
				 ipaddr_str(pool, text), bits, block);
	if (block - bits < 32 && slot >> (block - bits))
		return error_set(err, "%s %s/%u has no /%u for slot %u: it has %u of them", what,
				 ipaddr_str(pool, text), bits, block, slot, 1u << (block - bits));
	return 0;
}

static int pool_v4(const struct config *c, struct stack_config *sc, struct error *err)
{
	if (check_pool("IPv4 pool", &c->ipv4_pool, c->ipv4_pool_bits, 30, c->slot, err) < 0)
		return -1;
	struct ipaddr net = ipaddr_add(&c->ipv4_pool, (int64_t)c->slot * 4);
	sc->gw4 = ipaddr_add(&net, 1);
	sc->guest4 = ipaddr_add(&net, 2);
	sc->prefix4 = 30;
	return 0;
}

static int pool_v6(const struct config *c, struct stack_config *sc, struct error *err)
{
	if (check_pool("IPv6 pool", &c->ipv6_pool, c->ipv6_pool_bits, 64, c->slot, err) < 0)
		return -1;
	/* The pool's bits below /64 are zero, and slot < 2^16: only bytes 4..7 can change. */
	struct ipaddr net = c->ipv6_pool;
	put_be32(net.b + 4, get_be32(net.b + 4) + c->slot);
	sc->gw6 = ipaddr_add(&net, 1);
	sc->guest6 = ipaddr_add(&net, 2);
	return 0;
}

static int derive_macs(const struct config *c, struct stack_config *sc, struct error *err)
{
	char text[18];

	derive_mac(c->slot, 1, sc->gw_mac);
	derive_mac(c->slot, 2, sc->guest_mac);
	if (!c->has_mac)
		return 0;
	memcpy(sc->guest_mac, c->mac, 6);
	if (c->mac[0] & 1 || memcmp(c->mac, (uint8_t[6]){0}, 6) == 0)
		return error_set(err,
				 "MAC address %s is no address of a single interface: expected one "
				 "such as 02:00:00:00:00:01",
				 mac_str(c->mac, text));
	if (memcmp(c->mac, sc->gw_mac, 6) == 0)
		return error_set(err, "MAC address %s is the gateway's own; take another one",
				 mac_str(c->mac, text));
	return 0;
}

/* What of the limits the stack keeps itself; its own defaults fill the rest. */
static void copy_limits(const struct config *c, struct stack_config *sc)
{
	sc->mtu = c->mtu;
	sc->allow_any_source = c->allow_any_source;
	sc->max_tcp = c->max_connections;
	sc->max_half_open = c->max_half_open;
	sc->max_frag_sets = c->max_frag_sets;
	sc->tcp_queue_max = c->tcp_queue;
	sc->tcp_queue_total = c->tcp_queue_total;
	sc->tcp_keepalive_us = c->tcp_keepalive_s * 1000000ull;
}

/* RFC 8200, section 5. */
#define IPV6_MTU_MIN 1280

int derive_stack_config(const struct config *c, const struct derive_routes *routes,
			struct stack_config *ret, struct error *err)
{
	struct stack_config sc = {0};

	if (c->slot > SLOT_MAX)
		return error_set(err, "slot %u is out of range: expected 0 to %u", c->slot,
				 SLOT_MAX);
	copy_limits(c, &sc);
	if (derive_macs(c, &sc, err) < 0)
		return -1;
	sc.gw6_ll = link_local(sc.gw_mac);

	sc.has_v4 = !c->no_ipv4 && (c->ipv4.family || routes->v4);
	if (sc.has_v4 &&
	    (c->ipv4.family ? explicit_v4(&c->ipv4, &sc, err) : pool_v4(c, &sc, err)) < 0)
		return -1;

	sc.has_v6 = !c->no_ipv6 && (c->ipv6.family || (routes->v6 && c->mtu >= IPV6_MTU_MIN));
	if (sc.has_v6 && c->mtu < IPV6_MTU_MIN)
		return error_set(err,
				 "MTU %u is too small for the IPv6 address: IPv6 needs at least %u",
				 c->mtu, IPV6_MTU_MIN);
	if (sc.has_v6 &&
	    (c->ipv6.family ? explicit_v6(&c->ipv6, &sc, err) : pool_v6(c, &sc, err)) < 0)
		return -1;
	*ret = sc;
	return 0;
}
