// SPDX-License-Identifier: Apache-2.0
/* IP and MAC addresses: classes, prefixes, text. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

bool ipaddr_in_prefix(const struct ipaddr *a, const struct ipaddr *net, unsigned bits)
{
	if (a->family != net->family || bits > ipaddr_len(a) * 8)
		return false;
	if (memcmp(a->b, net->b, bits / 8) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
	return ((a->b[bits / 8] ^ net->b[bits / 8]) & mask) == 0;
}

bool ipaddr_is_unspecified(const struct ipaddr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->b, zero, 16) == 0;
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = {[15] = 1};
	if (a->family == 4)
		return a->b[0] == 127;
	return a->family == 6 && memcmp(a->b, one, 16) == 0;
}

bool ipaddr_is_multicast(const struct ipaddr *a)
{
	if (a->family == 4)
		return (a->b[0] & 0xf0) == 0xe0 || memcmp(a->b, "\xff\xff\xff\xff", 4) == 0;
	return a->family == 6 && a->b[0] == 0xff;
}

bool ipaddr_is_link_local(const struct ipaddr *a)
{
	if (a->family == 4)
		return a->b[0] == 169 && a->b[1] == 254;
	return a->family == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

struct ipaddr ipaddr_add(const struct ipaddr *a, int64_t n)
{
	struct ipaddr r = *a;
	int64_t carry = n;
	for (int i = (int)ipaddr_len(a) - 1; i >= 0 && carry != 0; i--) {
		int64_t sum = (int64_t)r.b[i] + (carry & 0xff);
		r.b[i] = (uint8_t)sum;
		carry = (carry >> 8) + (sum >> 8);
	}
	return r;
}

bool ipaddr_parse(const char *text, struct ipaddr *ret)
{
	struct ipaddr a = {0};
	if (inet_pton(AF_INET, text, a.b) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.b) == 1)
		a.family = 6;
	else
		return false;
	*ret = a;
	return true;
}

bool ipaddr_parse_prefix(const char *text, bool strict, struct ipaddr *ret, unsigned *ret_bits)
{
	char addr[IPADDR_STRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct ipaddr a;

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = 0;
	if (!ipaddr_parse(addr, &a))
		return false;
	unsigned max = ipaddr_len(&a) * 8, bits = max;
	if (slash) {
		char *end;
		if (slash[1] < '0' || slash[1] > '9' || (slash[1] == '0' && slash[2]))
			return false;
		unsigned long v = strtoul(slash + 1, &end, 10);
		if (*end || v > max)
			return false;
		bits = (unsigned)v;
	}
	struct ipaddr masked = a;
	for (unsigned i = 0; i < max / 8; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
		masked.b[i] &= keep >= 8 ? 0xff : (uint8_t)(0xff00 >> keep);
	}
	if (strict && !ipaddr_eq(&masked, &a))
		return false;
	*ret = masked;
	*ret_bits = bits;
	return true;
}

const char *ipaddr_str(const struct ipaddr *a, char *buf)
{
	if (a->family == 0)
		return strcpy(buf, "none");
	if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf, IPADDR_STRLEN))
		strcpy(buf, "?");
	return buf;
}

const char *ipaddr_port_str(const struct ipaddr *a, uint16_t port, char *buf)
{
	char tmp[IPADDR_STRLEN];

	ipaddr_str(a, tmp);
	snprintf(buf, IPADDR_STRLEN, a->family == 6 ? "[%.45s]:%u" : "%.45s:%u", tmp, port);
	return buf;
}

socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == 4) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&sin.sin_addr, a->b, 4);
		memcpy(ret, &sin, sizeof(sin));
		return sizeof(sin);
	}
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	memcpy(&sin6.sin6_addr, a->b, 16);
	memcpy(ret, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

bool ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *ret, uint16_t *ret_port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;
		memcpy(&sin, sa, sizeof(sin));
		*ret = ipaddr_v4((const uint8_t *)&sin.sin_addr);
		*ret_port = ntohs(sin.sin_port);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;
		memcpy(&sin6, sa, sizeof(sin6));
		const uint8_t *b = sin6.sin6_addr.s6_addr;
		*ret = memcmp(b, mapped, 12) == 0 ? ipaddr_v4(b + 12) : ipaddr_v6(b);
		*ret_port = ntohs(sin6.sin6_port);
		return true;
	}
	return false;
}

bool mac_parse(const char *text, uint8_t ret[6])
{
	uint8_t mac[6];

	for (int i = 0; i < 6; i++) {
		unsigned v = 0;
		for (int k = 0; k < 2; k++) {
			char ch = *text++;
			if (ch >= '0' && ch <= '9')
				v = v * 16 + (unsigned)(ch - '0');
			else if (ch >= 'a' && ch <= 'f')
				v = v * 16 + (unsigned)(ch - 'a' + 10);
			else if (ch >= 'A' && ch <= 'F')
				v = v * 16 + (unsigned)(ch - 'A' + 10);
			else
				return false;
		}
		mac[i] = (uint8_t)v;
		if (*text++ != (i < 5 ? ':' : 0))
			return false;
	}
	memcpy(ret, mac, 6);
	return true;
}

const char *mac_str(const uint8_t mac[6], char buf[18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return buf;
}
