// SPDX-License-Identifier: Apache-2.0
/*
 * Makes an answer that came from a resolver, or from the cache, the asker's own.
 *
 * May use: base/, wire.h. Sans-IO, no allocation.
 */
#ifndef WEIR_DNS_RESTORE_H
#define WEIR_DNS_RESTORE_H

#include "dns/wire.h"

/*
 * In place, of `len` bytes in a buffer of `cap`: the asker's ID and the case of its question, AD
 * only where it was asked for (RFC 6840 5.8), an OPT record where the asker speaks EDNS and else
 * none. What is then longer than `max` (at least 512) is cut to whole records, with TC and
 * without AD.
 * Returns the length; 0 where the message cannot be read.
 */
size_t dns_restore(const struct dns_query_view *q, uint8_t *msg, size_t len, size_t cap,
		   size_t max);

#endif
