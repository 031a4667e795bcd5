// SPDX-License-Identifier: Apache-2.0
/*
 * Answers that weir makes itself: errors, refusals, empty answers and its own records. Sans-IO: a
 * query goes in, a message comes out in the caller's buffer.
 *
 * Answers about weir's own names and about special-use names say, by a SOA record, that they hold
 * for OWN_TTL_S seconds. Refusals have none: no client may keep them, since the policy can change
 * at any time.
 *
 * May use: base/, wire.h.
 */
#ifndef WEIR_DNS_MESSAGE_H
#define WEIR_DNS_MESSAGE_H

#include "dns/wire.h"

#define OWN_TTL_S     60
#define OWN_ADDRS_MAX 64  /* addresses of one name of weir's own */
#define EDE_TEXT_MAX  160 /* bytes of an EXTRA-TEXT; the rest is cut off */

/*
 * The longest message that is made here: a header, a question, addresses or one name, a SOA record,
 * and an OPT record with an extended error.
 */
#define DNS_MADE_MAX                                                                     \
	(DNS_HLEN + (DNS_NAME_MAX + 4) + OWN_ADDRS_MAX * 28 + (12 + DNS_NAME_MAX) + 64 + \
	 (11 + 6 + EDE_TEXT_MAX))

/* What weir answers by itself. No record at all is NODATA, or NXDOMAIN. */
struct dns_own {
	enum dns_rcode rcode;       /* NOERROR or NXDOMAIN */
	const struct ipaddr *addrs; /* at most OWN_ADDRS_MAX, of either family */
	size_t addr_n;
	struct dns_name ptr; /* length 0: none */
	uint8_t zone_len;    /* so many last bytes of the question's name are the zone of which an
				empty answer speaks; 0: not said */
	bool authoritative;  /* the name is weir's own, or reserved */
};

/*
 * An error for a query that could not be read whole: a header with its ID and opcode alone. Returns
 * the length.
 */
size_t dns_make_bare_error(const struct dns_header *h, enum dns_rcode rcode,
			   uint8_t buf[DNS_MADE_MAX]);
/* An error with the question, and where the asker speaks EDNS with the extended error. */
size_t dns_make_error(const struct dns_query_view *q, enum dns_rcode rcode, enum dns_ede ede,
		      uint8_t buf[DNS_MADE_MAX]);
/* The same with a line for people in the extended error (RFC 8914 2). What is not printable ASCII
 * in it becomes "?". */
size_t dns_make_denial(const struct dns_query_view *q, enum dns_rcode rcode, enum dns_ede ede,
		       const char *text, uint8_t buf[DNS_MADE_MAX]);
/* An answer of weir's own, which may be empty. */
size_t dns_make_own(const struct dns_query_view *q, const struct dns_own *own,
		    uint8_t buf[DNS_MADE_MAX]);

#endif
