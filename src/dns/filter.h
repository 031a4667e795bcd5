// SPDX-License-Identifier: Apache-2.0
/*
 * Looking into an answer before the guest gets it: addresses that names may not have (DNS
 * rebinding), the CNAME chain, address hints and `ech=` in HTTPS and SVCB records (RFC 9460).
 *
 * May use: base/, wire.h. Sans-IO, no allocation. What cannot be read whole is refused: an answer
 * that weir and the guest could read differently never passes.
 */
#ifndef WEIR_DNS_FILTER_H
#define WEIR_DNS_FILTER_H

#include "base/name.h"
#include "dns/wire.h"

#define FILTER_CHAIN_MAX 16  /* CNAME steps; a longer chain is refused */
#define FILTER_ADDRS_MAX 256 /* addresses of one answer that are bound; the rest is not */

/* Whether an address may stand in an answer. */
struct dns_filter_rules {
	bool (*address_ok)(void *arg, const struct ipaddr *a);
	void *arg;
	bool strip_ech;
};

enum dns_filter_result {
	FILTER_PASS,
	FILTER_REBIND,    /* an address that names may not have; it is in `culprit` */
	FILTER_MALFORMED, /* SERVFAIL: cannot be read whole */
};

struct dns_answer_facts {
	struct ipaddr culprit;
	size_t len;      /* of the message now: shorter where ech was stripped */
	bool changed;    /* something was stripped (AD is then cleared, too) */
	struct view ech; /* the first ech= that was there: as it stood in the original; empty: none.
			    Points into `ech_copy` */
	uint8_t ech_copy[512];
	struct dns_name chain[FILTER_CHAIN_MAX]; /* the question's name, then each CNAME target */
	size_t chain_n;
	struct ipaddr addrs[FILTER_ADDRS_MAX]; /* of A or AAAA records owned by the chain */
	size_t addr_n;
	uint32_t ttl_s; /* the smallest of the chain and those addresses; of the SOA where there are
			   none (RFC 2308) */
};

/* Judges a whole answer (already checked to answer q) and edits it in place. */
enum dns_filter_result dns_filter(uint8_t *msg, size_t len, const struct dns_question *q,
				  const struct dns_filter_rules *rules,
				  struct dns_answer_facts *ret);

/* The addresses that no public name has (40-dns: private, loopback, link-local, documentation,
 * translation prefixes and the like), with IPv4 inside IPv6 looked at, too. */
bool dns_rebind_range(const struct ipaddr *a);

#endif
