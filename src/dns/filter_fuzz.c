// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of a hostile resolver through the filter: what passes can be read whole, holds no address
 * that was refused and no ech=, and passes again as it is.
 */
#include <stdlib.h>

#include "dns/filter.h"
#include "dns/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool public_only(void *arg, const struct ipaddr *a)
{
	return !dns_rebind_range(a);
}

static bool all(void *arg, const struct ipaddr *a)
{
	return true;
}

static const struct dns_filter_rules strict = {.address_ok = public_only, .strip_ech = true};
static const struct dns_filter_rules lax = {.address_ok = all};

static void check_params(struct view v)
{
	struct view value;
	uint16_t key, len, one;
	while (view_get_be16(&v, &key) && view_get_be16(&v, &len) && view_take(&v, len, &value)) {
		must(key != 5);
		while (key == 0 && view_get_be16(&value, &one))
			must(one != 5);
		while (key == 4 && value.len) {
			struct ipaddr a = ipaddr_v4(value.p);
			must(!dns_rebind_range(&a) && view_skip(&value, 4));
		}
		while (key == 6 && value.len) {
			struct ipaddr a = ipaddr_v6(value.p);
			must(!dns_rebind_range(&a) && view_skip(&value, 16));
		}
	}
	must(v.len == 0);
}

static void check_passed(struct view msg)
{
	struct rdata_names names;
	struct dns_record r;
	struct dns_walk w;
	int got;
	must(dns_walk_begin(msg, &w));
	while ((got = dns_walk_next(&w, &r)) > 0) {
		must(dns_rdata_check(msg, &r, &names));
		if (r.class == DNS_IN && (r.type == DNS_A || r.type == DNS_AAAA)) {
			struct ipaddr a =
				r.type == DNS_A ? ipaddr_v4(r.data.p) : ipaddr_v6(r.data.p);
			must(!dns_rebind_range(&a));
		}
		if (r.type == DNS_SVCB || r.type == DNS_HTTPS) {
			struct view v = r.data;
			must(view_skip(&v, names.end - r.data_at));
			check_params(v);
		}
	}
	must(got == 0 && w.at == msg.len);
}

static void check_facts(const struct dns_answer_facts *f, const struct dns_question *q)
{
	must(f->chain_n >= 1 && f->chain_n <= FILTER_CHAIN_MAX && f->addr_n <= FILTER_ADDRS_MAX);
	must(dns_name_eq(&f->chain[0], &q->name));
	for (size_t i = 0; i < f->chain_n; i++)
		for (size_t k = 0; k < i; k++)
			must(!dns_name_eq(&f->chain[i], &f->chain[k]));
}

static void same_again(uint8_t *msg, const struct dns_answer_facts *f, const struct dns_question *q)
{
	static struct dns_answer_facts g;
	must(dns_filter(msg, f->len, q, &strict, &g) == FILTER_PASS);
	must(!g.changed && g.len == f->len && g.ech.len == 0 && g.chain_n == f->chain_n &&
	     g.addr_n == f->addr_n && g.ttl_s == f->ttl_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_answer_facts f;
	struct dns_question q;
	size_t at = DNS_HLEN;
	uint8_t *msg = malloc(size ? size : 1);
	if (!dns_question_read(view_make(data, size), &at, &q))
		q = (struct dns_question){.name = {.len = 1}, .type = DNS_A, .class = DNS_IN};
	must(msg);
	memcpy(msg, data, size);
	bool lax_passes = dns_filter(msg, size, &q, &lax, &f) == FILTER_PASS;
	must(!lax_passes || (!f.changed && f.len <= size && memcmp(msg, data, f.len) == 0));

	memcpy(msg, data, size);
	enum dns_filter_result r = dns_filter(msg, size, &q, &strict, &f);
	if (r == FILTER_REBIND)
		must(dns_rebind_range(&f.culprit));
	if (r == FILTER_PASS) {
		must(lax_passes && f.len <= size);
		check_passed(view_make(msg, f.len));
		check_facts(&f, &q);
		same_again(msg, &f, &q);
	}
	free(msg);
	return 0;
}
