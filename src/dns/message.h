// SPDX-License-Identifier: Apache-2.0
/*
 * Answers that weir makes itself: errors, empty answers, its own records, and truncated ones.
 * Sans-IO: a query goes in, a message comes out in the caller's buffer.
 */
#ifndef WEIR_DNS_MESSAGE_H
#define WEIR_DNS_MESSAGE_H

#include "dns/wire.h"

/*
 * The longest message that is made here: a header, a question, two addresses or one name, and an
 * OPT record with an extended error and its text.
 */
#define DNS_EDE_TEXT_MAX 200 /* bytes of EXTRA-TEXT; longer ones are cut */
#define DNS_MADE_MAX \
	(DNS_HLEN + (DNS_NAME_MAX + 4) + 2 * (12 + DNS_NAME_MAX) + 32 + DNS_EDE_TEXT_MAX)

/* What a name that weir answers itself has: family 0 and length 0 are none. No record at all is
 * NODATA. */
struct dns_own {
	struct ipaddr a, aaaa;
	struct dns_name ptr;
	bool authoritative; /* the name is weir's own */
};

/*
 * An error for a query that could not be read whole: a header with its ID and opcode alone. Returns
 * the length.
 */
size_t dns_make_bare_error(const struct dns_header *h, enum dns_rcode rcode,
			   uint8_t buf[DNS_MADE_MAX]);
/* An error with the question, and where the asker speaks EDNS with the extended error and its
 * EXTRA-TEXT (NULL: none). */
size_t dns_make_error(const struct dns_query_view *q, enum dns_rcode rcode, enum dns_ede ede,
		      const char *text, uint8_t buf[DNS_MADE_MAX]);
/* An answer of weir's own, which may be empty. */
size_t dns_make_own(const struct dns_query_view *q, const struct dns_own *own,
		    uint8_t buf[DNS_MADE_MAX]);
/* The header and question of an answer that is too long for UDP, with TC set. */
size_t dns_make_truncated(const struct dns_query_view *q, struct view answer,
			  uint8_t buf[DNS_MADE_MAX]);

#endif
