// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of a hostile resolver, made the asker's own: what comes out can be read whole, is no
 * longer than was said, and has an OPT record where and only where the asker speaks EDNS.
 *
 * The first four bytes choose: EDNS and DO, the room, and the asker's size; then comes the message.
 */
#include <stdlib.h>

#include "dns/restore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct dns_query_view *q, struct view msg, bool was_whole)
{
	struct dns_walk w;
	struct dns_record r;
	int more, opt = 0;
	must(get_be16(msg.p) == q->h.id);
	if (get_be16(msg.p + 4) == 0)
		return;
	must(dns_walk_begin(msg, &w));
	while ((more = dns_walk_next(&w, &r)) > 0)
		opt += r.type == DNS_OPT && w.section == DNS_ADDITIONAL;
	must(more == 0 && w.at == msg.len);
	/* A resolver may send several, which the filter refuses before. */
	must(q->has_edns ? opt >= 1 : opt == 0 || !was_whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_query_view q = {.h = {.id = 0xabcd, .flags = DNS_RD}, .edns_size = 512};
	size_t at = DNS_HLEN;
	if (size < 4 + DNS_HLEN || size > 4 + 4096)
		return 0;
	struct view msg = view_make(data + 4, size - 4);
	if (!dns_question_read(msg, &at, &q.q))
		return 0;
	q.has_edns = data[0] & 1;
	q.edns_do = data[0] & 2;
	size_t cap = msg.len + data[1] % 32, max = 512u + data[2] * 8u;
	uint8_t *buf = malloc(cap);
	memcpy(buf, msg.p, msg.len);

	struct dns_walk w;
	struct dns_record r;
	int opts = 0;
	if (dns_walk_begin(msg, &w))
		while (dns_walk_next(&w, &r) > 0)
			opts += r.type == DNS_OPT;
	size_t len = dns_restore(&q, buf, msg.len, cap, max);
	must(len <= cap);
	if (len && get_be16(buf + 4) != 0)
		must(len <= max);
	if (len)
		check(&q, view_make(buf, len), opts <= 1);
	free(buf);
	return 0;
}
