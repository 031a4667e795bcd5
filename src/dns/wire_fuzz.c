// SPDX-License-Identifier: Apache-2.0
/*
 * DNS messages from a hostile guest or resolver: whatever can be read is answered in every way, and
 * every answer has to be readable again.
 */
#include <stdlib.h>
#include <strings.h>

#include "dns/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* An answer repeats ID and question, and its records end where it ends. */
static void check_made(const struct dns_query_view *q, const uint8_t *buf, size_t len)
{
	struct view v = view_make(buf, len);
	struct dns_record r;
	struct dns_walk w;
	int got;
	must(len <= DNS_MADE_MAX && dns_answers(v, q->h.id, &q->q) && dns_walk_begin(v, &w));
	while ((got = dns_walk_next(&w, &r)) > 0)
		;
	must(got == 0 && w.at == len);
}

static void answer(const struct dns_local *l, const struct dns_query_view *q)
{
	uint8_t buf[DNS_MADE_MAX];
	struct dns_own own;
	check_made(q, buf, dns_make_error(q, DNS_SERVFAIL, DNS_EDE_NETWORK_ERROR, buf));
	check_made(q, buf, dns_make_denial(q, DNS_NXDOMAIN, DNS_EDE_BLOCKED, "rule", buf));
	if (dns_local_find(l, &q->q, &own))
		check_made(q, buf, dns_make_own(q, &own, buf));
}

/* Whatever is done to a name, it stays that name. */
static void rename_it(const struct dns_name *n)
{
	static const uint8_t random[32] = {0xa5, 0x5a, 0x33, 0xcc, 0xff};
	struct dns_name other = *n;
	char str[DNS_NAME_STRLEN];
	struct name text;
	dns_name_mix_case(&other, random);
	must(dns_name_eq(n, &other));
	dns_name_lower(&other);
	must(dns_name_eq(n, &other));
	must(strlen(dns_name_str(n, str)) < DNS_NAME_STRLEN);
	if (dns_name_text(n, &text)) {
		dns_name_of(&text, &other);
		must(dns_name_eq(n, &other));
		must(strcasecmp(text.s, str) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ipaddr gw4 = {4, {172, 16, 0, 1}}, gw6 = {6, {0xfd}};
	static struct dns_local *l;
	struct view msg = view_make(data, size);
	struct dns_query_view q;
	struct dns_record r;
	struct dns_walk w;
	uint8_t buf[DNS_MADE_MAX];
	int rcode;

	if (!l)
		l = dns_local_new(&gw4, &gw6);
	must(l);
	if (dns_query_read(msg, &q, &rcode)) {
		must(q.end <= size && q.edns_size >= 512);
		answer(l, &q);
		dns_answers(msg, q.h.id, &q.q);
		rename_it(&q.q.name);
	} else {
		must(rcode >= -1);
		must(dns_make_bare_error(&q.h, DNS_FORMERR, buf) == DNS_HLEN);
	}
	if (!dns_walk_begin(msg, &w))
		return 0;
	while (dns_walk_next(&w, &r) > 0) {
		must(w.at > w.start && w.at <= size && r.name.len >= 1);
		rename_it(&r.name);
	}
	return 0;
}
