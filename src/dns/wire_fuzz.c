// SPDX-License-Identifier: Apache-2.0
/*
 * DNS messages from a hostile guest or resolver: whatever can be read is answered in every way, and
 * every answer has to be readable again.
 */
#include <stdlib.h>

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
	struct dns_header h;
	struct view v = view_make(buf, len);
	size_t at = q->question_end;
	must(dns_header_read(v, &h));
	must(dns_answers(v, q->h.id, &q->q));
	at = DNS_HLEN + q->q.name.len + 4u;
	for (unsigned i = 0; i < (unsigned)h.count[1] + h.count[2] + h.count[3]; i++) {
		struct dns_record r;
		must(dns_record_read(v, &at, &r));
	}
	must(at == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dns_local_env env = {.gw4 = {4, {172, 16, 0, 1}}};
	struct view msg = view_make(data, size);
	struct dns_query_view q;
	struct dns_own own;
	static const uint8_t answer[DNS_HLEN] = {0, 0, 0x81, 0x80};
	uint8_t buf[DNS_MADE_MAX];
	int rcode;

	if (!dns_query_read(msg, &q, &rcode)) {
		must(rcode >= -1);
		must(dns_make_bare_error(&q.h, DNS_FORMERR, buf) == DNS_HLEN);
	} else {
		must(q.end <= size && q.edns_size >= 512);
		check_made(&q, buf, dns_make_error(&q, DNS_SERVFAIL, DNS_EDE_NETWORK_ERROR, NULL, buf));
		check_made(&q, buf, dns_make_truncated(&q, view_make(answer, 12), buf));
		dns_local_find(&env, &q.q, &own);
		check_made(&q, buf, dns_make_own(&q, &own, buf));
		dns_answers(msg, q.h.id, &q.q);
	}
	/* The records of an answer are read elsewhere in the same way as those of a query. */
	for (size_t at = 0, n = 0; n < 64 && at < size; n++) {
		struct dns_record r;
		size_t before = at;
		if (!dns_record_read(msg, &at, &r))
			break;
		must(at > before && at <= size && r.name.len >= 1);
	}
	return 0;
}
