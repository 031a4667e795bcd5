// SPDX-License-Identifier: Apache-2.0
/*
 * Looking into an answer before the guest gets it: addresses that names may not have (DNS
 * rebinding), the CNAME chain, address hints and `ech=` in HTTPS and SVCB records (RFC 9460).
 *
 * Theory of operation: every record of every section is read and checked against its type, and
 * every address judged. Where ech= goes, its bytes are cut out, the compression pointers behind
 * are put right, and the whole answer is judged once more. Then the chain of names is read off.
 *
 * Trust boundary: the resolver is hostile. What cannot be read whole is refused: an answer that
 * weir and the guest could read differently never passes.
 *
 * May use: base/, wire.h. Sans-IO, no allocation (about 50 KiB of stack).
 */
#ifndef WEIR_DNS_FILTER_H
#define WEIR_DNS_FILTER_H

#include "base/name.h"
#include "dns/wire.h"

#define FILTER_CHAIN_MAX 16  /* names of a chain; a longer one is refused */
#define FILTER_ADDRS_MAX 256 /* addresses of one answer that are bound; the rest is not */
#define FILTER_ECH_MAX   512 /* bytes of an ech= that are shown to the caller */

/* Whether an address may stand in an answer. */
struct dns_filter_rules {
	bool (*address_ok)(void *arg, const struct ipaddr *a);
	void *arg;
	bool strip_ech;
};

enum dns_filter_result {
	FILTER_PASS,
	FILTER_REBIND,    /* an address that names may not have; it is in `culprit` */
	FILTER_MALFORMED, /* SERVFAIL: cannot be read whole, or only in a way that others would not
			   */
};

/* With FILTER_REBIND only `culprit` counts, with FILTER_MALFORMED nothing; the message is then
 * spoiled. */
struct dns_answer_facts {
	struct ipaddr culprit;
	size_t len;      /* of the message now: without what lay behind it, and without ech */
	bool changed;    /* something was stripped (AD is then cleared, too) */
	struct view ech; /* the first ech= that was there, stripped or not; empty: none, or longer
			    than FILTER_ECH_MAX. Points into `ech_copy` */
	uint8_t ech_copy[FILTER_ECH_MAX];
	struct dns_name chain[FILTER_CHAIN_MAX]; /* the question's name, then each CNAME target */
	size_t chain_n;
	struct ipaddr addrs[FILTER_ADDRS_MAX]; /* of A and AAAA records of the answer section that
						  names of the chain own */
	size_t addr_n;
	uint32_t ttl_s; /* the smallest of the chain and those addresses; where there are none, of
			   the chain and the SOA (RFC 2308 5), 0 without one */
};

/*
 * Judges a whole answer (already checked to answer q) and edits it in place. `ret` may be
 * uninitialised.
 */
enum dns_filter_result dns_filter(uint8_t *msg, size_t len, const struct dns_question *q,
				  const struct dns_filter_rules *rules,
				  struct dns_answer_facts *ret);

/*
 * The addresses that no public name has: private, loopback, link-local, documentation, translation
 * prefixes and the like (rebind.c), with the IPv4 address inside an IPv6 one looked at, too
 * (policy_embedded_v4()).
 */
bool dns_rebind_range(const struct ipaddr *a);

#endif
