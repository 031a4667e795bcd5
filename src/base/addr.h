// SPDX-License-Identifier: Apache-2.0
/*
 * An IP address of either family in one value, and the text form of both.
 */
#ifndef WEIR_BASE_ADDR_H
#define WEIR_BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Unused bytes are zero, so that two values can be compared and hashed whole. */
struct ipaddr {
	uint8_t family; /* 4, 6, or 0 for "no address" */
	uint8_t b[16];  /* network order; IPv4 in b[0..3] */
};

/* A network; bits beyond its length are zero. */
struct ipnet {
	struct ipaddr net;
	uint8_t bits;
};

/* Longest text: an IPv6 address in brackets, a colon and a port. */
#define IPADDR_STRLEN 56

static inline struct ipaddr ipaddr_v4(const uint8_t b[4])
{
	struct ipaddr a = {.family = 4};
	memcpy(a.b, b, 4);
	return a;
}

static inline struct ipaddr ipaddr_v6(const uint8_t b[16])
{
	struct ipaddr a = {.family = 6};
	memcpy(a.b, b, 16);
	return a;
}

static inline bool ipaddr_eq(const struct ipaddr *x, const struct ipaddr *y)
{
	return memcmp(x, y, sizeof(*x)) == 0;
}

/* Bytes of the address on the wire: 4, 16, or 0. */
static inline unsigned ipaddr_len(const struct ipaddr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

/* True where the first `bits` bits of the two are the same; never for unlike families. */
bool ipaddr_in_prefix(const struct ipaddr *a, const struct ipaddr *net, unsigned bits);

/* Unspecified (all zero), loopback, multicast (or the IPv4 limited broadcast). */
bool ipaddr_is_unspecified(const struct ipaddr *a);
bool ipaddr_is_loopback(const struct ipaddr *a);
bool ipaddr_is_multicast(const struct ipaddr *a);
/* fe80::/10 or 169.254/16. */
bool ipaddr_is_link_local(const struct ipaddr *a);

/* The address that follows by n (which may be negative), as one big number. */
struct ipaddr ipaddr_add(const struct ipaddr *a, int64_t n);

/* Text -> address: dotted quad in its one strict form, or RFC 4291 text without a zone. */
bool ipaddr_parse(const char *text, struct ipaddr *ret);
/* "ADDR/BITS", or an address alone (all its bits). Host bits beyond the prefix are an error where
 * `strict`. */
bool ipaddr_parse_prefix(const char *text, bool strict, struct ipaddr *ret, unsigned *ret_bits);

/* Address -> text; buf has at least IPADDR_STRLEN bytes; returns buf. */
const char *ipaddr_str(const struct ipaddr *a, char *buf);
/* "1.2.3.4:80", "[2001:db8::1]:80". */
const char *ipaddr_port_str(const struct ipaddr *a, uint16_t port, char *buf);

/* To and from a socket address. The IPv4-mapped form comes back as IPv4. Returns the length in use.
 */
socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *ret);
bool ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *ret, uint16_t *ret_port);

/* MAC addresses: six bytes, and their text aa:bb:cc:dd:ee:ff. */
bool mac_parse(const char *text, uint8_t ret[6]);
const char *mac_str(const uint8_t mac[6], char buf[18]);

#endif
