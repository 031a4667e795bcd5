// SPDX-License-Identifier: Apache-2.0
/*
 * Special-use names that are answered here.
 *
 * Two that one might look for are left out. `example` names are to be resolved as all others (RFC
 * 6761 6.5). `test` is what laboratories and developers' machines serve to themselves, by the very
 * resolvers that weir asks; one that does not know it says so.
 */
#include "dns/special.h"

#include <stdio.h>

static const struct {
	const char *zone;
	enum special_answer answer;
} zones[] = {
	{"localhost", SPECIAL_LOOPBACK}, /* RFC 6761 6.3 */
	{"invalid", SPECIAL_NXDOMAIN},   /* RFC 6761 6.4 */
	{"onion", SPECIAL_NXDOMAIN},     /* RFC 7686 */
	{"alt", SPECIAL_NXDOMAIN},       /* RFC 9476 */
	/* RFC 6762 has NXDOMAIN for it, upon which macOS waits ten seconds. */
	{"local", SPECIAL_NODATA},
	{"internal", SPECIAL_EMPTY},     /* reserved by ICANN in 2024 */
	{"home.arpa", SPECIAL_EMPTY},    /* RFC 8375 */
	{"service.arpa", SPECIAL_EMPTY}, /* RFC 9665 */
	/* No resolver with encryption is to be discovered past weir (RFC 9462 6.4). */
	{"resolver.arpa", SPECIAL_NODATA},
	/* A browser that gets this answer does not switch to a resolver of its own. */
	{"use-application-dns.net", SPECIAL_NXDOMAIN},

	/* Addresses that mean something on one network alone, backwards (RFC 6303 4). */
	{"0.in-addr.arpa", SPECIAL_EMPTY},
	{"10.in-addr.arpa", SPECIAL_EMPTY},
	{"127.in-addr.arpa", SPECIAL_EMPTY},
	{"254.169.in-addr.arpa", SPECIAL_EMPTY},
	{"168.192.in-addr.arpa", SPECIAL_EMPTY},
	{"2.0.192.in-addr.arpa", SPECIAL_EMPTY},
	{"100.51.198.in-addr.arpa", SPECIAL_EMPTY},
	{"113.0.203.in-addr.arpa", SPECIAL_EMPTY},
	{"255.255.255.255.in-addr.arpa", SPECIAL_EMPTY},
	{"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", SPECIAL_EMPTY},
	{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", SPECIAL_EMPTY},
	{"c.f.ip6.arpa", SPECIAL_EMPTY},
	{"d.f.ip6.arpa", SPECIAL_EMPTY},
	{"8.e.f.ip6.arpa", SPECIAL_EMPTY},
	{"9.e.f.ip6.arpa", SPECIAL_EMPTY},
	{"a.e.f.ip6.arpa", SPECIAL_EMPTY},
	{"b.e.f.ip6.arpa", SPECIAL_EMPTY},
	{"8.b.d.0.1.0.0.2.ip6.arpa", SPECIAL_EMPTY},
	{"0.f.f.f.3.ip6.arpa", SPECIAL_EMPTY}, /* RFC 9637 */
};

/* Prefixes that do not end at a byte: FIRST..LAST.NET.in-addr.arpa. */
static const struct {
	unsigned net, first, last;
} wide[] = {
	{172, 16, 31},  /* 172.16/12 */
	{100, 64, 127}, /* 100.64/10 (RFC 7793) */
};

bool dns_special_each(bool (*fn)(void *arg, const char *zone, enum special_answer answer),
		      void *arg)
{
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (!fn(arg, zones[i].zone, zones[i].answer))
			return false;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		for (unsigned n = wide[i].first; n <= wide[i].last; n++) {
			char zone[32];
			snprintf(zone, sizeof(zone), "%u.%u.in-addr.arpa", n, wide[i].net);
			if (!fn(arg, zone, SPECIAL_EMPTY))
				return false;
		}
	}
	return true;
}
