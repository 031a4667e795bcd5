// SPDX-License-Identifier: Apache-2.0
/*
 * The parser beside an independent one (ldns): on the fuzzers' corpora, on answers made at random,
 * and on mutations of both. Where one takes a message whole and the other does not, one of these
 * rules has to say why; where both do, they have to have read the same.
 *
 *	ours alone refuses  a name with a pointer that leads forwards, to itself or into the header,
 *or with more than 127 of them (RFC 1035 4.1.4: "a prior occurrence") ours alone refuses  a record
 *whose length is not that of its fields: ldns goes by the fields and leaves out those that are not
 *there ldns alone refuses  data that is opaque to us (TXT, CAA, NSEC3 ...): with a type that nobody
 *	                    knows in its place it takes the message
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "dns/random_msg.h"
#include "dns/rdata.h"

#define GENERATED 100000
#define MUTATIONS 1000 /* of each file of the corpora */
#define OPAQUE    65399

static struct random_msg g;
static struct {
	unsigned both, neither, pointers, lengths, opaque;
} seen;

/* How far our reading of a message gets. */
struct reading {
	bool whole;
	size_t name_at;             /* the name that could not be read, or was read last */
	size_t record_at, data_end; /* of a record whose data is wrong; record_at 0: none */
	unsigned section;
};

static struct reading ours(struct view msg)
{
	struct reading r = {.name_at = DNS_HLEN};
	struct rdata_names names;
	struct dns_record rec;
	struct dns_walk w;
	int got;
	if (!dns_walk_begin(msg, &w)) {
		struct dns_question q;
		while (dns_question_read(msg, &r.name_at, &q))
			;
		return r;
	}
	for (;;) {
		r.name_at = w.at;
		got = dns_walk_next(&w, &rec);
		if (got <= 0)
			break;
		if (dns_rdata_check(msg, &rec, &names))
			continue;
		if (names.n)
			r.name_at = names.at[names.n - 1];
		r.record_at = w.start;
		r.data_end = w.at;
		r.section = w.section;
		return r;
	}
	r.whole = got == 0;
	return r;
}

static bool ldns_takes(struct view msg)
{
	ldns_pkt *p = NULL;
	bool ok = ldns_wire2pkt(&p, msg.p, msg.len) == LDNS_STATUS_OK;
	ldns_pkt_free(p);
	return ok;
}

/* ---- the rules ---- */

/* True where the name has a pointer that only a more generous reader follows. */
static bool has_odd_pointer(struct view msg, size_t at)
{
	size_t limit = at, end = msg.len; /* of the piece that is read */
	for (unsigned hops = 0; at < msg.len && msg.p[at];) {
		if (msg.p[at] < 0xc0) {
			at += 1u + msg.p[at];
			continue;
		}
		if (at + 1 >= msg.len)
			return false;
		if (at + 1 >= end)
			return true;
		at = get_be16(msg.p + at) & 0x3fff;
		if (at >= limit || at < DNS_HLEN || ++hops > DNS_LABELS)
			return true;
		end = limit;
		limit = at;
	}
	return at < msg.len && at >= end;
}

/* Where ldns ends when it reads one record, and whether fields are missing then. False where it
 * cannot read it. */
static bool ldns_record(struct view msg, size_t at, unsigned section, size_t *ret_end,
			bool *ret_short)
{
	ldns_rr *rr = NULL;
	if (ldns_wire2rr(&rr, msg.p, msg.len, &at, (ldns_pkt_section)section) != LDNS_STATUS_OK)
		return false;
	const ldns_rr_descriptor *d = ldns_rr_descript(ldns_rr_get_type(rr));
	*ret_end = at;
	*ret_short = ldns_rr_rd_count(rr) < ldns_rr_descriptor_minimum(d);
	ldns_rr_free(rr);
	return true;
}

/* True where ldns reads the record that we do not, and reads more or less than its length says. */
static bool has_odd_length(struct view msg, const struct reading *r)
{
	size_t end;
	bool is_short;
	return r->record_at && ldns_record(msg, r->record_at, r->section, &end, &is_short) &&
	       (is_short || end != r->data_end);
}

/*
 * True where ldns reads more or less of some record's data than its length says, and so finds the
 * next one elsewhere: addresses of another class, and types whose data is opaque to us.
 */
static bool has_odd_record(struct view msg)
{
	struct rdata_names names;
	struct dns_record r;
	struct dns_walk w;
	if (!dns_walk_begin(msg, &w))
		return false;
	while (dns_walk_next(&w, &r) > 0) {
		size_t end;
		bool is_short;
		if (dns_rdata_check(msg, &r, &names) && names.n == 0 &&
		    ldns_record(msg, w.start, w.section, &end, &is_short) && end != w.at)
			return true;
	}
	return false;
}

/* True where ldns takes the message once the data that we do not look into has a type that nobody
 * knows. */
static bool has_odd_opaque(struct view msg)
{
	static uint8_t copy[DNS_MSG_MAX];
	struct rdata_names names;
	struct dns_record r;
	struct dns_walk w;
	memcpy(copy, msg.p, msg.len);
	if (!dns_walk_begin(msg, &w))
		return false;
	while (dns_walk_next(&w, &r) > 0) {
		bool address = r.class == DNS_IN && (r.type == DNS_A || r.type == DNS_AAAA);
		if (dns_rdata_check(msg, &r, &names) && names.n == 0 && !address &&
		    r.type != DNS_OPT)
			put_be16(copy + r.data_at - 10, OPAQUE);
	}
	return ldns_takes(view_make(copy, msg.len));
}

/* ---- what was read ---- */

/* The data of a record without compression: what ldns has, too. 0 where it is opaque to us. */
static size_t data_in_full(struct view msg, const struct dns_record *r, uint8_t *buf, size_t cap)
{
	bool address = r->class == DNS_IN && (r->type == DNS_A || r->type == DNS_AAAA);
	struct wbuf w = wbuf_make(buf, cap);
	struct rdata_names names;
	struct dns_name name;
	size_t at = r->data_at, end = at + r->data.len;
	assert_true(dns_rdata_check(msg, r, &names));
	if (names.n == 0 && !address)
		return 0;
	for (unsigned i = 0; i < names.n; i++) {
		wbuf_put_bytes(&w, msg.p + at, names.at[i] - at);
		at = names.at[i];
		assert_true(dns_name_read(msg, &at, &name));
		wbuf_put_bytes(&w, name.b, name.len);
	}
	wbuf_put_bytes(&w, msg.p + at, end - at);
	assert_false(w.overflow);
	return w.len;
}

static void assert_same_record(struct view msg, const struct dns_record *r, ldns_rr *rr)
{
	static uint8_t mine[1 << 17];
	const ldns_rdf *owner = ldns_rr_owner(rr);
	size_t n = data_in_full(msg, r, mine, sizeof(mine)), at = 0;
	assert_int_equal(ldns_rr_get_type(rr), r->type);
	assert_int_equal(ldns_rr_get_class(rr), r->class);
	assert_int_equal(ldns_rr_ttl(rr), r->ttl);
	assert_int_equal(ldns_rdf_size(owner), r->name.len);
	assert_memory_equal(ldns_rdf_data(owner), r->name.b, r->name.len);
	for (size_t i = 0; n && i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *f = ldns_rr_rdf(rr, i);
		assert_in_range(ldns_rdf_size(f), 0, n - at);
		if (ldns_rdf_size(f))
			assert_memory_equal(ldns_rdf_data(f), mine + at, ldns_rdf_size(f));
		at += ldns_rdf_size(f);
	}
	assert_int_equal(at, n);
}

static void assert_same_reading(struct view msg)
{
	ldns_pkt *p = NULL;
	struct dns_record r;
	struct dns_walk w;
	size_t i[DNS_ADDITIONAL + 1] = {0};
	assert_int_equal(ldns_wire2pkt(&p, msg.p, msg.len), LDNS_STATUS_OK);
	ldns_rr_list *lists[] = {NULL, ldns_pkt_answer(p), ldns_pkt_authority(p),
				 ldns_pkt_additional(p)};
	assert_true(dns_walk_begin(msg, &w));
	assert_int_equal(ldns_pkt_id(p), w.h.id);
	assert_int_equal(ldns_pkt_get_rcode(p), w.h.flags & DNS_RCODE);
	assert_int_equal(ldns_pkt_tc(p), !!(w.h.flags & DNS_TC));
	assert_int_equal(ldns_pkt_ad(p), !!(w.h.flags & DNS_AD));
	while (dns_walk_next(&w, &r) > 0) {
		/* ldns takes these two out of their list. */
		if (w.section == DNS_ADDITIONAL &&
		    (r.type == DNS_OPT || r.type == LDNS_RR_TYPE_TSIG))
			continue;
		assert_true(i[w.section] < ldns_rr_list_rr_count(lists[w.section]));
		assert_same_record(msg, &r, ldns_rr_list_rr(lists[w.section], i[w.section]++));
	}
	for (unsigned s = DNS_ANSWER; s <= DNS_ADDITIONAL; s++)
		assert_int_equal(i[s], ldns_rr_list_rr_count(lists[s]));
	ldns_pkt_free(p);
}

static void compare(struct view msg)
{
	struct reading r = ours(msg);
	bool theirs = ldns_takes(msg);
	if (r.whole && theirs && has_odd_record(msg)) {
		seen.lengths++;
	} else if (r.whole && theirs) {
		seen.both++;
		assert_same_reading(msg);
	} else if (!r.whole && !theirs) {
		seen.neither++;
	} else if (r.whole && has_odd_opaque(msg)) {
		seen.opaque++;
	} else if (!r.whole && has_odd_pointer(msg, r.name_at)) {
		seen.pointers++;
	} else if (!r.whole && has_odd_length(msg, &r)) {
		seen.lengths++;
	} else {
		for (size_t i = 0; i < msg.len; i++)
			fprintf(stderr, "%02x", msg.p[i]);
		fail_msg(" is taken by %s alone: name at %zu, record at %zu",
			 r.whole ? "us" : "ldns", r.name_at, r.record_at);
	}
}

static void well_formed_answers_are_read_alike(void **state)
{
	g.seed = 1;
	memset(&seen, 0, sizeof(seen));
	for (int i = 0; i < GENERATED / 4; i++) {
		random_answer(&g);
		compare(view_make(g.rig.msg, g.rig.w.len));
	}
	assert_int_equal(seen.both, GENERATED / 4);
}

static void mutated_answers_are_read_alike(void **state)
{
	g.seed = 2;
	memset(&seen, 0, sizeof(seen));
	for (int i = 0; i < GENERATED; i++) {
		random_answer(&g);
		random_mutate(&g);
		compare(view_make(g.rig.msg, g.rig.w.len));
	}
	/* Each rule was of use, and none swallows everything. */
	assert_in_range(seen.both, GENERATED / 4, GENERATED);
	assert_in_range(seen.neither, GENERATED / 4, GENERATED);
	assert_in_range(seen.pointers, 1, GENERATED / 50);
	assert_in_range(seen.lengths, 1, GENERATED / 50);
	assert_in_range(seen.opaque, 1, GENERATED / 50);
}

static void compare_file(const char *path)
{
	static uint8_t bytes[DNS_MSG_MAX];
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	compare(view_make(bytes, len));
	for (int i = 0; i < MUTATIONS; i++) {
		rig_begin(&g.rig, 0);
		memcpy(g.rig.msg, bytes, len);
		g.rig.w.len = len;
		random_mutate(&g);
		compare(view_make(g.rig.msg, g.rig.w.len));
	}
}

static void corpora_are_read_alike(void **state)
{
	static const char *const names[] = {"dns_wire", "dns_filter", "dns_cache"};
	char path[512];
	unsigned files = 0;
	g.seed = 3;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", CORPUS, names[i]);
		DIR *dir = opendir(path);
		assert_non_null(dir);
		for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s/%s", CORPUS, names[i], e->d_name);
			compare_file(path);
			files++;
		}
		closedir(dir);
	}
	assert_in_range(files, 10, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_answers_are_read_alike),
		cmocka_unit_test(mutated_answers_are_read_alike),
		cmocka_unit_test(corpora_are_read_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
