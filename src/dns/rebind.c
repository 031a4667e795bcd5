// SPDX-License-Identifier: Apache-2.0
/*
 * The addresses that no public name has (IANA special-purpose address registries, RFC 6890).
 */
#include "dns/filter.h"
#include "policy/policy.h"

static const struct {
	uint8_t net[4];
	unsigned bits;
} v4[] = {
	{{0}, 8},             /* this network */
	{{10}, 8},            /* private */
	{{100, 64}, 10},      /* shared, carrier-grade NAT */
	{{127}, 8},           /* loopback */
	{{169, 254}, 16},     /* link-local */
	{{172, 16}, 12},      /* private */
	{{192, 0, 0}, 24},    /* protocol assignments */
	{{192, 0, 2}, 24},    /* documentation */
	{{192, 88, 99}, 24},  /* relays of 6to4, once */
	{{192, 168}, 16},     /* private */
	{{198, 18}, 15},      /* benchmarks */
	{{198, 51, 100}, 24}, /* documentation */
	{{203, 0, 113}, 24},  /* documentation */
	{{224}, 4},           /* multicast */
	{{240}, 4},           /* reserved, broadcast */
};

struct range {
	uint8_t bits;
	uint8_t b[16];
};

static const struct range v6[] = {
	{128, {0}},                                 /* unspecified */
	{128, {[15] = 1}},                          /* loopback */
	{7, {0xfc}},                                /* unique local */
	{10, {0xfe, 0x80}},                         /* link-local */
	{10, {0xfe, 0xc0}},                         /* site-local, once */
	{8, {0xff}},                                /* multicast */
	{64, {0x01}},                               /* discard */
	{48, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, /* local translation */
	{32, {0x20, 0x01, 0x0d, 0xb8}},             /* documentation */
	{20, {0x3f, 0xff}},                         /* documentation */
};

static bool in_range(const struct ipaddr *a, const struct range *r)
{
	struct ipaddr net = {.family = a->family};
	memcpy(net.b, r->b, sizeof(net.b));
	return ipaddr_in_prefix(a, &net, r->bits);
}

/* Every address of an answer comes here, and most are IPv4. */
static bool in_v4(const uint8_t b[4])
{
	uint32_t a = get_be32(b);
	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++)
		if ((a ^ get_be32(v4[i].net)) >> (32 - v4[i].bits) == 0)
			return true;
	return false;
}

bool dns_rebind_range(const struct ipaddr *a)
{
	struct ipaddr inner;

	if (a->family == 4)
		return in_v4(a->b);
	if (a->family != 6)
		return true;
	for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++)
		if (in_range(a, &v6[i]))
			return true;
	return policy_embedded_v4(a, &inner) && in_v4(inner.b);
}
