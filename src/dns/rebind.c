// SPDX-License-Identifier: Apache-2.0
/*
 * The addresses that no public name has (IANA special-purpose address registries, RFC 6890).
 */
#include "dns/filter.h"

struct range {
	uint8_t bits;
	uint8_t b[16];
};

static const struct range v4[] = {
	{8, {0}},             /* this network */
	{8, {10}},            /* private */
	{10, {100, 64}},      /* shared, carrier-grade NAT */
	{8, {127}},           /* loopback */
	{16, {169, 254}},     /* link-local */
	{12, {172, 16}},      /* private */
	{24, {192, 0, 0}},    /* protocol assignments */
	{24, {192, 0, 2}},    /* documentation */
	{24, {192, 88, 99}},  /* relays of 6to4, once */
	{16, {192, 168}},     /* private */
	{15, {198, 18}},      /* benchmarks */
	{24, {198, 51, 100}}, /* documentation */
	{24, {203, 0, 113}},  /* documentation */
	{4, {224}},           /* multicast */
	{4, {240}},           /* reserved, broadcast */
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

/* Where an IPv6 address carries an IPv4 one. */
static const struct {
	struct range range;
	uint8_t at;
} carriers[] = {
	{{96, {[10] = 0xff, [11] = 0xff}}, 12}, /* mapped */
	{{96, {0}}, 12},                        /* compatible */
	{{96, {0x00, 0x64, 0xff, 0x9b}}, 12},   /* NAT64 */
	{{16, {0x20, 0x02}}, 2},                /* 6to4 */
};

static bool in_range(const struct ipaddr *a, const struct range *r)
{
	struct ipaddr net = {.family = a->family};
	memcpy(net.b, r->b, sizeof(net.b));
	return ipaddr_in_prefix(a, &net, r->bits);
}

static bool in_ranges(const struct ipaddr *a, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_range(a, &r[i]))
			return true;
	return false;
}

bool dns_rebind_range(const struct ipaddr *a)
{
	if (a->family == 4)
		return in_ranges(a, v4, sizeof(v4) / sizeof(v4[0]));
	if (a->family != 6 || in_ranges(a, v6, sizeof(v6) / sizeof(v6[0])))
		return true;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		if (!in_range(a, &carriers[i].range))
			continue;
		struct ipaddr inside = ipaddr_v4(a->b + carriers[i].at);
		if (dns_rebind_range(&inside))
			return true;
	}
	return false;
}
