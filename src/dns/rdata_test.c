// SPDX-License-Identifier: Apache-2.0
/*
 * Taking bytes out of messages, on answers made at random: what is left has to say the same as
 * before, without what was taken out. Both sides are written out with every name in full and
 * compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/filter.h"
#include "dns/random_msg.h"
#include "dns/rdata.h"

#define ROUNDS 20000

static struct random_msg g;
static struct dns_answer_facts f;
static uint8_t plain_before[1 << 19], plain_after[1 << 19];

static bool everything(void *arg, const struct ipaddr *a)
{
	return true;
}

/* Parameters of a service, as they ought to be without ech=. */
static void params_without_ech(struct wbuf *w, struct view v)
{
	struct view value;
	uint16_t key, len;
	while (view_get_be16(&v, &key) && view_get_be16(&v, &len) && view_take(&v, len, &value)) {
		uint8_t keys[64];
		size_t n = 0;
		if (key == 5)
			continue;
		if (key != 0) {
			wbuf_put_be16(w, key);
			wbuf_put_be16(w, len);
			wbuf_put_bytes(w, value.p, len);
			continue;
		}
		for (size_t i = 0; i + 1 < len; i += 2)
			if (get_be16(value.p + i) != 5) {
				memcpy(keys + n, value.p + i, 2);
				n += 2;
			}
		if (n) {
			wbuf_put_be16(w, key);
			wbuf_put_be16(w, (uint16_t)n);
			wbuf_put_bytes(w, keys, n);
		}
	}
}

/* A message with all its names in full, without the record at `skip`. */
static size_t write_plain(struct view msg, uint8_t *buf, size_t cap, size_t skip)
{
	struct wbuf w = wbuf_make(buf, cap);
	struct dns_record r;
	struct dns_walk walk;
	struct dns_name name;
	struct rdata_names names;
	assert_true(dns_walk_begin(msg, &walk));
	wbuf_put_bytes(&w, msg.p + DNS_HLEN, walk.at - DNS_HLEN);
	while (dns_walk_next(&walk, &r) > 0) {
		if (walk.start == skip)
			continue;
		assert_true(dns_rdata_check(msg, &r, &names));
		wbuf_put_u8(&w, (uint8_t)walk.section);
		wbuf_put_bytes(&w, r.name.b, r.name.len);
		wbuf_put_be16(&w, r.type);
		wbuf_put_be16(&w, r.class);
		wbuf_put_be32(&w, r.ttl);
		size_t at = r.data_at, end = r.data_at + r.data.len;
		for (unsigned i = 0; i < names.n; i++) {
			wbuf_put_bytes(&w, msg.p + at, names.at[i] - at);
			at = names.at[i];
			assert_true(dns_name_read(msg, &at, &name));
			wbuf_put_bytes(&w, name.b, name.len);
		}
		if (r.type == DNS_SVCB || r.type == DNS_HTTPS)
			params_without_ech(&w, view_make(msg.p + at, end - at));
		else
			wbuf_put_bytes(&w, msg.p + at, end - at);
		wbuf_put_be32(&w, 0xfefefefe);
	}
	assert_int_equal(walk.at, msg.len);
	assert_false(w.overflow);
	return w.len;
}

static void assert_same(struct view before, struct view after, size_t skip)
{
	size_t n = write_plain(before, plain_before, sizeof(plain_before), skip);
	assert_int_equal(write_plain(after, plain_after, sizeof(plain_after), 0), n);
	assert_memory_equal(plain_before, plain_after, n);
}

static void without_ech_all_else_is_the_same(void **state)
{
	const struct dns_filter_rules rules = {.address_ok = everything, .strip_ech = true};
	static uint8_t out[DNS_MSG_MAX];
	unsigned stripped = 0, passed = 0;
	g.seed = 20261121;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct dns_question q;
		size_t at = DNS_HLEN;
		random_answer(&g);
		struct view before = view_make(g.rig.msg, g.rig.w.len);
		assert_true(dns_question_read(before, &at, &q));
		memcpy(out, before.p, before.len);
		/* A chain may be refused; that is seen before and after alike. */
		enum dns_filter_result r = dns_filter(out, before.len, &q, &rules, &f);
		if (r != FILTER_PASS)
			continue;
		passed++;
		assert_int_equal(f.changed, g.ech > 0);
		assert_int_equal(f.len<before.len, g.ech> 0);
		assert_same(before, view_make(out, f.len), 0);
		assert_int_equal(get_be16(out + 2) & DNS_AD, g.ech ? 0 : DNS_AD);
		stripped += g.ech > 0;
	}
	assert_in_range(passed, ROUNDS / 10 * 9, ROUNDS);
	assert_in_range(stripped, ROUNDS / 4, ROUNDS);
}

/* Any record goes, unless a name points into it. */
static void whole_record_can_go(void **state)
{
	static uint8_t out[DNS_MSG_MAX];
	unsigned gone = 0;
	g.seed = 7;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct dns_walk w;
		struct dns_record r;
		random_answer(&g);
		struct view before = view_make(g.rig.msg, g.rig.w.len);
		assert_true(dns_walk_begin(before, &w));
		unsigned n = (unsigned)w.h.count[1] + w.h.count[2] + w.h.count[3];
		for (unsigned skip = n ? random_below(&g, n) + 1 : 0; skip; skip--)
			dns_walk_next(&w, &r);
		if (!n)
			continue;
		struct dns_cut cut = {w.start, w.at - w.start};
		memcpy(out, before.p, before.len);
		size_t len = dns_cut(out, before.len, &cut, 1);
		if (!len)
			continue;
		uint8_t *count = out + 4 + 2 * w.section;
		gone++;
		assert_int_equal(len, before.len - cut.len);
		put_be16(count, (uint16_t)(get_be16(count) - 1));
		assert_same(before, view_make(out, len), cut.at);
	}
	assert_in_range(gone, ROUNDS / 4, ROUNDS);
}

/* Data of which a name is the last that is known ends behind the name, not in it. */
static void name_stays_within_its_data(void **state)
{
	static struct rig r;
	struct rdata_names names;
	struct dns_record rec;
	struct dns_walk w;
	for (unsigned len = 0; len < 4; len++) {
		rig_begin(&r, DNS_QR);
		rig_bytes(&r, DNS_ANSWER, "a", 47, 60, "\1a\0\0", len);
		rig_addr(&r, DNS_ANSWER, "", 60, "93.184.216.34");
		struct view v = view_make(r.msg, r.w.len);
		assert_true(dns_walk_begin(v, &w));
		assert_int_equal(dns_walk_next(&w, &rec), 1);
		assert_int_equal(dns_rdata_check(v, &rec, &names), len >= 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_stays_within_its_data),
		cmocka_unit_test(without_ech_all_else_is_the_same),
		cmocka_unit_test(whole_record_can_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
