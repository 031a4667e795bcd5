// SPDX-License-Identifier: Apache-2.0
/*
 * Special-use names (IANA's registry, RFC 6761), and how each is answered.
 */
#ifndef WEIR_DNS_SPECIAL_H
#define WEIR_DNS_SPECIAL_H

#include <stdbool.h>
#include <stddef.h>

enum special_answer {
	SPECIAL_NONE,
	SPECIAL_NXDOMAIN, /* the zone and all below it do not exist */
	SPECIAL_EMPTY,    /* the zone exists and has nothing in it: NODATA, and NXDOMAIN below */
	SPECIAL_NODATA,   /* every name exists and has no records */
	SPECIAL_LOOPBACK, /* every name is this host itself, seen from the guest */
};

/* Calls `fn` for each zone; false as soon as it says so. */
bool dns_special_each(bool (*fn)(void *arg, const char *zone, enum special_answer answer),
		      void *arg);

#endif
