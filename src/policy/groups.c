// SPDX-License-Identifier: Apache-2.0
/*
 * Which group an address is in, and which IPv4 address lies inside an IPv6 one.
 *
 * An address is in the first group of the list that holds it, so the groups do not overlap:
 * a metadata address is never "private" or "link-local", and an address of the host's own is
 * "host" wherever it lies.
 */
#include "policy/groups.h"
#include "policy/rule.h"

struct range {
	uint64_t hi, lo; /* as in struct addr_key */
	uint8_t bits;
	uint8_t group;
};

#define V4(a, b, c, d) \
	(uint64_t)(a) << 56 | (uint64_t)(b) << 48 | (uint64_t)(c) << 40 | (uint64_t)(d) << 32, 0
#define V6(a, b, c, lo) (uint64_t)(a) << 48 | (uint64_t)(b) << 32 | (uint64_t)(c) << 16, lo

/* Tested from the top: metadata addresses lie inside later ranges. */
static const struct range ranges4[] = {
	{V4(169, 254, 169, 254), 32, GROUP_METADATA}, /* AWS, GCP, Azure, OpenStack, ... */
	{V4(169, 254, 170, 2), 32, GROUP_METADATA},   /* AWS ECS task credentials */
	{V4(169, 254, 170, 23), 32, GROUP_METADATA},  /* AWS EKS pod identity */
	{V4(100, 100, 100, 200), 32, GROUP_METADATA}, /* Alibaba Cloud */
	{V4(168, 63, 129, 16), 32, GROUP_METADATA},   /* Azure wire server */
	{V4(192, 0, 0, 192), 32, GROUP_METADATA},     /* Oracle Cloud */
	{V4(127, 0, 0, 0), 8, GROUP_LOOPBACK},
	{V4(10, 0, 0, 0), 8, GROUP_PRIVATE},        /* RFC 1918 */
	{V4(172, 16, 0, 0), 12, GROUP_PRIVATE},     /* RFC 1918 */
	{V4(192, 168, 0, 0), 16, GROUP_PRIVATE},    /* RFC 1918 */
	{V4(100, 64, 0, 0), 10, GROUP_PRIVATE},     /* RFC 6598 */
	{V4(169, 254, 0, 0), 16, GROUP_LINK_LOCAL}, /* RFC 3927 */
	{V4(224, 0, 0, 0), 4, GROUP_MULTICAST},
};
static const struct range ranges6[] = {
	{V6(0xfd00, 0xec2, 0, 0x254), 128, GROUP_METADATA}, /* AWS */
	{V6(0xfd20, 0xce, 0, 0x254), 128, GROUP_METADATA},  /* GCP */
	{V6(0, 0, 0, 1), 128, GROUP_LOOPBACK},
	{V6(0xfc00, 0, 0, 0), 7, GROUP_PRIVATE},     /* RFC 4193 */
	{V6(0xfe80, 0, 0, 0), 10, GROUP_LINK_LOCAL}, /* RFC 4291 2.5.6 */
	{V6(0xff00, 0, 0, 0), 8, GROUP_MULTICAST},
};

static bool bits_eq(const struct addr_key *a, const struct range *r, unsigned bits)
{
	return ((a->hi ^ r->hi) & addr_mask_hi(bits)) == 0 &&
	       ((a->lo ^ r->lo) & addr_mask_lo(bits)) == 0;
}

static enum policy_group group_by_range(const struct range *r, size_t n, const struct addr_key *a)
{
	for (size_t i = 0; i < n; i++)
		if (bits_eq(a, &r[i], r[i].bits))
			return (enum policy_group)r[i].group;
	return GROUP_PUBLIC;
}

bool group_is_gateway(const struct policy_env *env, const struct ipaddr *a)
{
	return env && a->family && (ipaddr_eq(a, &env->gw4) || ipaddr_eq(a, &env->gw6));
}

bool policy_env_has(const struct policy_env *env, const struct ipaddr *a)
{
	struct addr_key k = addr_key(a);

	for (size_t i = 0; i < env->host_count; i++) {
		struct addr_key h = addr_key(&env->host[i]);

		if (h.hi == k.hi && h.lo == k.lo && h.family == k.family)
			return true;
	}
	for (size_t i = 0; i < env->net_count; i++)
		if (ipaddr_in_prefix(a, &env->nets[i].net, env->nets[i].bits))
			return true;
	return false;
}

/* 0.0.0.0/8 (RFC 1122 3.2.1.3: "this host on this network") and :: name no destination. */
static bool is_nowhere(const struct ipaddr *a)
{
	return a->family == 4 ? a->b[0] == 0 : a->family != 6 || ipaddr_is_unspecified(a);
}

static const struct range *ranges_of(const struct ipaddr *a, size_t *ret_n)
{
	*ret_n = a->family == 4 ? sizeof(ranges4) / sizeof(ranges4[0])
				: sizeof(ranges6) / sizeof(ranges6[0]);
	return a->family == 4 ? ranges4 : ranges6;
}

enum policy_group policy_group_of(const struct policy_env *env, const struct ipaddr *a)
{
	struct addr_key k = addr_key(a);
	size_t n;
	const struct range *r = ranges_of(a, &n);

	if (is_nowhere(a))
		return GROUP_NONE;
	if (env && (group_is_gateway(env, a) || policy_env_has(env, a)))
		return GROUP_HOST;
	return group_by_range(r, n, &k);
}

uint8_t group_named_by(const struct ipaddr *net, unsigned bits)
{
	struct addr_key k = addr_key(net);
	uint8_t names = 0;
	size_t n;
	const struct range *r = ranges_of(net, &n);

	/* One address alone may be the host's own, which changes while the policy stays. */
	if (bits == ipaddr_len(net) * 8)
		names |= GROUP_BIT(GROUP_HOST);
	for (size_t i = 0; i < n; i++)
		if (bits >= r[i].bits && bits_eq(&k, &r[i], r[i].bits))
			names |= GROUP_BIT(r[i].group);
	return names & GROUPS_GUARDED;
}

uint8_t group_touched_by(const struct ipaddr *net, unsigned bits)
{
	struct addr_key k = addr_key(net);
	uint8_t touches = 0;
	size_t n;
	const struct range *r = ranges_of(net, &n);

	for (size_t i = 0; i < n; i++)
		if (bits_eq(&k, &r[i], bits < r[i].bits ? bits : r[i].bits))
			touches |= GROUP_BIT(r[i].group);
	return touches & GROUPS_GUARDED;
}

static bool begins(const struct ipaddr *a, const uint8_t *bytes, size_t n)
{
	return memcmp(a->b, bytes, n) == 0;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n && *p == 0)
		p++, n--;
	return n == 0;
}

/* The last 32 bits are the IPv4 address. */
static bool ends_in_v4(const struct ipaddr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const uint8_t translated[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t isatap[3] = {0x00, 0x5e, 0xfe};

	/* RFC 4291 2.5.5.2, RFC 2765 2.1, RFC 6052 2.1. */
	if (begins(a, mapped, 12) || begins(a, translated, 12) || begins(a, nat64, 12))
		return true;
	/* RFC 4291 2.5.5.1; :: and ::1 lie in the same range and are no such addresses. */
	if (is_zero(a->b, 12))
		return !is_zero(a->b + 12, 3) || a->b[15] > 1;
	/* ISATAP, RFC 5214 6.1: the interface identifier, with or without its universal bit. */
	return (a->b[8] & ~2) == 0 && memcmp(a->b + 9, isatap, 3) == 0;
}

/*
 * RFC 8215: a network's own translators. How long their prefix is, and with it where the address
 * lies, is told by the zeros that follow the address (RFC 6052 2.2). One that ends in zeros itself
 * may so be taken for one of a shorter prefix; hosts hardly have such addresses.
 */
static bool local_nat64_v4(const struct ipaddr *a, struct ipaddr *ret)
{
	static const uint8_t prefix[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
	static const uint8_t at[][4] = {
		{6, 7, 9, 10},    /* behind 48 bits */
		{7, 9, 10, 11},   /* 56 */
		{9, 10, 11, 12},  /* 64 */
		{12, 13, 14, 15}, /* 96 */
	};
	uint8_t v4[4];
	size_t form = 0;

	if (!begins(a, prefix, 6) || is_zero(a->b + 6, 10))
		return false;
	while (form < 3 && (a->b[8] || !is_zero(a->b + 11 + form, 5 - form)))
		form++;
	for (size_t i = 0; i < sizeof(v4); i++)
		v4[i] = a->b[at[form][i]];
	*ret = ipaddr_v4(v4);
	return true;
}

bool policy_embedded_v4(const struct ipaddr *a, struct ipaddr *ret)
{
	static const uint8_t teredo[4] = {0x20, 0x01, 0x00, 0x00};
	uint8_t client[4];

	if (a->family != 6)
		return false;
	/* 6to4, RFC 3056 2: bits 16 to 47. */
	if (a->b[0] == 0x20 && a->b[1] == 0x02) {
		*ret = ipaddr_v4(a->b + 2);
		return true;
	}
	/* RFC 4380 4: the client's address, each bit inverted. */
	if (begins(a, teredo, 4)) {
		for (size_t i = 0; i < sizeof(client); i++)
			client[i] = (uint8_t)~a->b[12 + i];
		*ret = ipaddr_v4(client);
		return true;
	}
	if (local_nat64_v4(a, ret))
		return true;
	if (!ends_in_v4(a))
		return false;
	*ret = ipaddr_v4(a->b + 12);
	return true;
}
