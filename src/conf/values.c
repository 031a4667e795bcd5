// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses, prefixes and words as options and the configuration file give them, checked for what
 * they are for.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"

int config_parse_word(const char *text, const char *const *words, struct error *err)
{
	char list[128] = "";
	const char *near;

	for (int i = 0; words[i]; i++) {
		if (strcmp(text, words[i]) == 0)
			return i;
	}
	near = config_nearest(text, words);
	for (size_t i = 0; words[i]; i++) {
		if (i)
			strncat(list, words[i + 1] ? ", " : " or ",
				sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	if (near)
		return error_set(err, "expected %s; did you mean '%s'?", list, near);
	return error_set(err, "expected %s", list);
}

int config_parse_mac(const char *text, uint8_t ret[6], struct error *err)
{
	static const uint8_t zero[6];
	uint8_t mac[6];

	if (!mac_parse(text, mac))
		return error_set(err, "expected a MAC address");
	if ((mac[0] & 1) || memcmp(mac, zero, 6) == 0)
		return error_set(err,
				 "expected the MAC address of one interface, not a group or zero");
	memcpy(ret, mac, 6);
	return 0;
}

/* ::ffff:0:0/96 stands for IPv4 in programs; no interface has it. */
static bool is_v4_mapped(const struct ipaddr *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return a->family == 6 && memcmp(a->b, prefix, sizeof(prefix)) == 0;
}

int config_parse_guest_addr(const char *text, unsigned family, struct ipaddr *ret,
			    struct error *err)
{
	struct ipaddr a;

	if (!ipaddr_parse(text, &a) || a.family != family)
		return error_set(err, "expected an IPv%u address", family);
	if (ipaddr_is_unspecified(&a) || ipaddr_is_loopback(&a) || ipaddr_is_multicast(&a) ||
	    ipaddr_is_link_local(&a) || is_v4_mapped(&a))
		return error_set(err, "expected an IPv%u address that a host can have on a network",
				 family);
	*ret = a;
	return 0;
}

int config_parse_pool(const char *text, unsigned family, struct ipaddr *ret, unsigned *ret_bits,
		      struct error *err)
{
	unsigned longest = family == 6 ? 64 : 30, bits;
	struct ipaddr net;

	if (!strchr(text, '/') || !ipaddr_parse_prefix(text, true, &net, &bits) ||
	    net.family != family || bits < 1 || bits > longest)
		return error_set(err,
				 "expected an IPv%u network of /1 to /%u, no bits set behind it",
				 family, longest);
	*ret = net;
	*ret_bits = bits;
	return 0;
}

int config_parse_prefix(const char *text, struct config_prefix *ret, struct error *err)
{
	struct config_prefix p;

	if (!ipaddr_parse_prefix(text, true, &p.net, &p.bits))
		return error_set(err,
				 "expected an address, or a network with no bits set behind it");
	*ret = p;
	return 0;
}

/* ADDR, ADDR:PORT, [V6] or [V6]:PORT. A bare IPv6 address has no port. */
int config_parse_resolver(const char *text, struct ipaddr *ret, uint16_t *ret_port,
			  struct error *err)
{
	char buf[IPADDR_STRLEN];
	char *addr = buf, *port = NULL;
	struct ipaddr a;
	uint64_t n = 53;

	if (strlen(text) >= sizeof(buf))
		goto bad;
	strcpy(buf, text);
	if (*buf == '[') {
		addr++;
		char *end = strchr(buf, ']');
		if (!end || (end[1] && end[1] != ':'))
			goto bad;
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
	} else {
		char *colon = strchr(buf, ':');
		if (colon && !strchr(colon + 1, ':')) {
			*colon = '\0';
			port = colon + 1;
		}
	}
	if (!ipaddr_parse(addr, &a) || (*buf == '[' && a.family != 6) ||
	    ipaddr_is_unspecified(&a) || ipaddr_is_multicast(&a) ||
	    (port && config_parse_uint(port, 1, 65535, &n, err) < 0))
		goto bad;
	*ret = a;
	*ret_port = (uint16_t)n;
	return 0;
bad:
	return error_set(err, "expected the IP address of a resolver and, if need be, a port");
}
