// SPDX-License-Identifier: Apache-2.0
/*
 * Names inside the data of records, and the removal of bytes from a message.
 *
 * The types whose data may hold compressed names are those of RFC 1035 and the ones that RFC 3597
 * section 4 lists; names of a few younger types are known as well. Data of other types is opaque.
 *
 * May use: base/, wire.h. Sans-IO, no allocation.
 */
#ifndef WEIR_DNS_RDATA_H
#define WEIR_DNS_RDATA_H

#include "dns/wire.h"

#define RDATA_NAMES_MAX 2

/* Where the names in a record's data begin. */
struct rdata_names {
	unsigned n;
	size_t at[RDATA_NAMES_MAX];
	size_t end; /* behind the last name, in the message */
};

/* Checks the data of a record against its type. False where it is malformed. */
bool dns_rdata_check(struct view msg, const struct dns_record *r, struct rdata_names *ret);

/* A range of bytes: a part of one record's data without names, or one whole record that no name
 * points into. */
struct dns_cut {
	size_t at, len;
};

/*
 * Removes ranges (ascending, apart) from a message that was read whole: lengths of the records and
 * compression pointers are put right, the counts of the header are the caller's. Returns the new
 * length; 0 where a pointer leads into a range: the message is then spoiled.
 */
size_t dns_cut(uint8_t *msg, size_t len, const struct dns_cut *cuts, size_t n);

#endif
