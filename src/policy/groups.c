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
	uint8_t b[16];
	uint8_t bits;
	uint8_t group;
};

/* Tested from the top: metadata addresses lie inside later ranges. */
static const struct range ranges4[] = {
	{{169, 254, 169, 254}, 32, GROUP_METADATA}, /* AWS, GCP, Azure, OpenStack, ... */
	{{169, 254, 170, 2}, 32, GROUP_METADATA},   /* AWS ECS task credentials */
	{{169, 254, 170, 23}, 32, GROUP_METADATA},  /* AWS EKS pod identity */
	{{100, 100, 100, 200}, 32, GROUP_METADATA}, /* Alibaba Cloud */
	{{168, 63, 129, 16}, 32, GROUP_METADATA},   /* Azure wire server */
	{{192, 0, 0, 192}, 32, GROUP_METADATA},     /* Oracle Cloud */
	{{127}, 8, GROUP_LOOPBACK},
	{{10}, 8, GROUP_PRIVATE},           /* RFC 1918 */
	{{172, 16}, 12, GROUP_PRIVATE},     /* RFC 1918 */
	{{192, 168}, 16, GROUP_PRIVATE},    /* RFC 1918 */
	{{100, 64}, 10, GROUP_PRIVATE},     /* RFC 6598 */
	{{169, 254}, 16, GROUP_LINK_LOCAL}, /* RFC 3927 */
	{{224}, 4, GROUP_MULTICAST},
};
static const struct range ranges6[] = {
	/* fd00:ec2::254 (AWS) and fd20:ce::254 (GCP) */
	{{0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, GROUP_METADATA},
	{{0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, GROUP_METADATA},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, GROUP_LOOPBACK},
	{{0xfc}, 7, GROUP_PRIVATE},           /* RFC 4193 */
	{{0xfe, 0x80}, 10, GROUP_LINK_LOCAL}, /* RFC 4291 2.5.6 */
	{{0xff}, 8, GROUP_MULTICAST},
};

/* True where the first `bits` bits are the same: whole bytes, then what is left of one. */
static bool bits_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static enum policy_group group_by_range(const struct range *r, size_t n, const uint8_t *b)
{
	for (size_t i = 0; i < n; i++)
		if (bits_eq(b, r[i].b, r[i].bits))
			return (enum policy_group)r[i].group;
	return GROUP_PUBLIC;
}

bool group_is_gateway(const struct policy_env *env, const struct ipaddr *a)
{
	return env && a->family && (ipaddr_eq(a, &env->gw4) || ipaddr_eq(a, &env->gw6));
}

static bool is_host(const struct policy_env *env, const struct ipaddr *a)
{
	if (group_is_gateway(env, a))
		return true;
	for (size_t i = 0; env && i < env->host_count; i++)
		if (ipaddr_eq(a, &env->host[i]))
			return true;
	return false;
}

/* 0.0.0.0/8 (RFC 1122 3.2.1.3: "this host on this network") and :: name no destination. */
static bool is_nowhere(const struct ipaddr *a)
{
	return a->family == 4 ? a->b[0] == 0 : a->family != 6 || ipaddr_is_unspecified(a);
}

enum policy_group policy_group_of(const struct policy_env *env, const struct ipaddr *a)
{
	if (is_nowhere(a))
		return GROUP_NONE;
	if (is_host(env, a))
		return GROUP_HOST;
	if (a->family == 4)
		return group_by_range(ranges4, sizeof(ranges4) / sizeof(ranges4[0]), a->b);
	return group_by_range(ranges6, sizeof(ranges6) / sizeof(ranges6[0]), a->b);
}

uint8_t group_named_by(const struct ipaddr *net, unsigned bits)
{
	uint8_t names = 0;
	const struct range *r = net->family == 4 ? ranges4 : ranges6;
	size_t n = net->family == 4 ? sizeof(ranges4) / sizeof(ranges4[0])
				    : sizeof(ranges6) / sizeof(ranges6[0]);

	/* One address alone may be the host's own, which changes while the policy stays. */
	if (bits == ipaddr_len(net) * 8)
		names |= GROUP_BIT(GROUP_HOST);
	for (size_t i = 0; i < n; i++)
		if (bits >= r[i].bits && bits_eq(net->b, r[i].b, r[i].bits))
			names |= GROUP_BIT(r[i].group);
	return names & GROUPS_GUARDED;
}

bool policy_embedded_v4(const struct ipaddr *a, struct ipaddr *ret)
{
	static const uint8_t zero[12];
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const uint8_t translated[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t one[4] = {0, 0, 0, 1};

	if (a->family != 6)
		return false;
	/* RFC 4291 2.5.5.2, RFC 2765 2.1, RFC 6052 2.1: the last 32 bits. */
	if (memcmp(a->b, mapped, 12) == 0 || memcmp(a->b, translated, 12) == 0 ||
	    memcmp(a->b, nat64, 12) == 0) {
		*ret = ipaddr_v4(a->b + 12);
		return true;
	}
	/* RFC 4291 2.5.5.1; :: and ::1 lie in the same range and are no such addresses. */
	if (memcmp(a->b, zero, 12) == 0 && memcmp(a->b + 12, zero, 4) != 0 &&
	    memcmp(a->b + 12, one, 4) != 0) {
		*ret = ipaddr_v4(a->b + 12);
		return true;
	}
	/* 6to4, RFC 3056 2: bits 16 to 47. */
	if (a->b[0] == 0x20 && a->b[1] == 0x02) {
		*ret = ipaddr_v4(a->b + 2);
		return true;
	}
	return false;
}
