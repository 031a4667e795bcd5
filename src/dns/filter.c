// SPDX-License-Identifier: Apache-2.0
/*
 * The answer filter: judge every record, take out ech=, and read off what the answer says.
 *
 * An answer that was changed is judged once more as it then is, so that what passes is always what
 * the guest gets.
 */
#include "dns/filter.h"

#include "dns/rdata.h"

/* Ranges that go out of one answer: more records with ech= than this are no real answer. */
#define CUTS_MAX   128
#define CNAMES_MAX 64 /* CNAME records of one answer; with more it is refused */

/* Keys of service parameters (RFC 9460 14.3.2). */
#define KEY_MANDATORY 0
#define KEY_IPV4HINT  4
#define KEY_ECH       5
#define KEY_IPV6HINT  6

struct judge {
	uint8_t *bytes;  /* the message, to edit */
	struct view msg; /* the same, to read */
	const struct dns_filter_rules *rules;
	struct dns_answer_facts *facts;
	bool has_opt;
	size_t cname_n; /* CNAME records in the answer section */
	size_t cut_n;
	struct dns_cut cuts[CUTS_MAX];
};

static enum dns_filter_result address(struct judge *j, const struct ipaddr *a)
{
	if (j->rules->address_ok(j->rules->arg, a))
		return FILTER_PASS;
	j->facts->culprit = *a;
	return FILTER_REBIND;
}

/* A list of addresses without gaps: the data of A and AAAA, and hints. */
static enum dns_filter_result addresses(struct judge *j, struct view v, unsigned family)
{
	size_t size = family == 4 ? 4 : 16;
	struct view one;
	if (v.len == 0)
		return FILTER_MALFORMED;
	while (view_take(&v, size, &one)) {
		struct ipaddr a = family == 4 ? ipaddr_v4(one.p) : ipaddr_v6(one.p);
		enum dns_filter_result r = address(j, &a);
		if (r != FILTER_PASS)
			return r;
	}
	return v.len ? FILTER_MALFORMED : FILTER_PASS;
}

static bool cut(struct judge *j, const uint8_t *from, size_t len)
{
	if (!j->rules->strip_ech)
		return true;
	if (j->cut_n == CUTS_MAX)
		return false;
	j->cuts[j->cut_n++] = (struct dns_cut){(size_t)(from - j->msg.p), len};
	return true;
}

/*
 * The keys that a client has to know, in ascending order (RFC 9460 8). With ech= its key goes, too,
 * and an empty list with it.
 */
static bool mandatory(struct judge *j, struct view whole, struct view list)
{
	uint16_t last = KEY_MANDATORY, key; /* which may not be in its own list */
	size_t len = list.len;
	if (len == 0)
		return false;
	while (list.len) {
		const uint8_t *at = list.p;
		if (!view_get_be16(&list, &key) || key <= last)
			return false;
		last = key;
		if (key != KEY_ECH || !j->rules->strip_ech)
			continue;
		if (!(len == 2 ? cut(j, whole.p, whole.len) : cut(j, at, 2)))
			return false;
		put_be16(j->bytes + (whole.p - j->msg.p) + 2, (uint16_t)(len - 2));
	}
	return true;
}

static enum dns_filter_result param(struct judge *j, uint16_t key, struct view whole,
				    struct view value)
{
	struct dns_answer_facts *f = j->facts;
	switch (key) {
	case KEY_MANDATORY:
		return mandatory(j, whole, value) ? FILTER_PASS : FILTER_MALFORMED;
	case KEY_IPV4HINT:
		return addresses(j, value, 4);
	case KEY_IPV6HINT:
		return addresses(j, value, 6);
	case KEY_ECH:
		if (!f->ech.p && value.len && value.len <= sizeof(f->ech_copy)) {
			memcpy(f->ech_copy, value.p, value.len);
			f->ech = view_make(f->ech_copy, value.len);
		}
		return cut(j, whole.p, whole.len) ? FILTER_PASS : FILTER_MALFORMED;
	default:
		return FILTER_PASS;
	}
}

/* Parameters come in ascending order of their keys (RFC 9460 2.2). */
static enum dns_filter_result params(struct judge *j, struct view v)
{
	int last = -1;
	while (v.len) {
		struct view start = v, value;
		uint16_t key, len;
		if (!view_get_be16(&v, &key) || !view_get_be16(&v, &len) ||
		    !view_take(&v, len, &value) || key <= last)
			return FILTER_MALFORMED;
		last = key;
		enum dns_filter_result r =
			param(j, key, view_make(start.p, start.len - v.len), value);
		if (r != FILTER_PASS)
			return r;
	}
	return FILTER_PASS;
}

static enum dns_filter_result service(struct judge *j, const struct dns_record *r,
				      const struct rdata_names *names)
{
	struct dns_name target;
	size_t at = names->at[0], begin = at;
	/* The target is written in full (RFC 9460 2.2): who does not follow pointers reads the
	 * same. */
	if (!dns_name_read(j->msg, &at, &target) || at - begin != target.len)
		return FILTER_MALFORMED;
	struct view v = r->data;
	view_skip(&v, names->end - r->data_at);
	return params(j, v);
}

static enum dns_filter_result record(struct judge *j, const struct dns_walk *w,
				     const struct dns_record *r)
{
	struct rdata_names names;
	if (!dns_rdata_check(j->msg, r, &names))
		return FILTER_MALFORMED;
	switch (r->type) {
	case DNS_OPT:
		if (j->has_opt || w->section != DNS_ADDITIONAL || r->name.len != 1)
			return FILTER_MALFORMED;
		j->has_opt = true;
		return FILTER_PASS;
	case DNS_A:
		return r->class == DNS_IN ? addresses(j, r->data, 4) : FILTER_PASS;
	case DNS_AAAA:
		return r->class == DNS_IN ? addresses(j, r->data, 6) : FILTER_PASS;
	case DNS_CNAME:
		j->cname_n += w->section == DNS_ANSWER;
		return FILTER_PASS;
	case DNS_SVCB:
	case DNS_HTTPS:
		return service(j, r, &names);
	default:
		return FILTER_PASS;
	}
}

/* Judges every record, and finds the end of the message. */
static enum dns_filter_result judge(struct judge *j, const struct dns_question *q)
{
	struct dns_question theirs;
	struct dns_record r;
	struct dns_walk w;
	size_t at = DNS_HLEN;
	int got;
	j->has_opt = false;
	j->cname_n = j->cut_n = 0;
	if (!dns_walk_begin(j->msg, &w) || w.h.count[0] > 1)
		return FILTER_MALFORMED;
	if (w.h.count[0] &&
	    (!dns_question_read(j->msg, &at, &theirs) || !dns_question_eq(&theirs, q)))
		return FILTER_MALFORMED;
	while ((got = dns_walk_next(&w, &r)) > 0) {
		enum dns_filter_result result = record(j, &w, &r);
		if (result != FILTER_PASS)
			return result;
	}
	j->facts->len = w.at;
	return got == 0 ? FILTER_PASS : FILTER_MALFORMED;
}

/* ---- reading off ---- */

struct cname {
	struct dns_name owner, target;
	uint32_t ttl;
};

/* The CNAME records of the answer section. False where there are too many. */
static bool cnames_read(struct view msg, struct cname v[CNAMES_MAX], size_t *ret_n)
{
	struct dns_record r;
	struct dns_walk w;
	size_t n = 0;
	if (!dns_walk_begin(msg, &w))
		return false;
	while (dns_walk_next(&w, &r) > 0 && w.section == DNS_ANSWER) {
		if (r.type != DNS_CNAME || r.class != DNS_IN)
			continue;
		size_t at = r.data_at;
		if (n == CNAMES_MAX || !dns_name_read(msg, &at, &v[n].target))
			return false;
		v[n].owner = r.name;
		v[n++].ttl = dns_ttl(r.ttl);
	}
	*ret_n = n;
	return true;
}

static bool in_chain(const struct dns_answer_facts *f, const struct dns_name *name)
{
	for (size_t i = f->chain_n; i-- > 0;)
		if (dns_name_eq(&f->chain[i], name))
			return true;
	return false;
}

static void ttl_min(struct dns_answer_facts *f, uint32_t ttl)
{
	if (ttl < f->ttl_s)
		f->ttl_s = ttl;
}

/*
 * From the question on, whatever the order of the records. A name with two unlike aliases is
 * refused, since its readers would not agree. A ring of aliases ends where it closes: all its names
 * are known then.
 */
static bool chain_follow(struct dns_answer_facts *f, const struct cname *v, size_t n)
{
	for (;;) {
		const struct cname *found = NULL;
		for (size_t i = 0; i < n; i++) {
			if (!dns_name_eq(&v[i].owner, &f->chain[f->chain_n - 1]))
				continue;
			if (found && !dns_name_eq(&v[i].target, &found->target))
				return false;
			found = &v[i];
			ttl_min(f, v[i].ttl);
		}
		if (!found || in_chain(f, &found->target))
			return true;
		if (f->chain_n == FILTER_CHAIN_MAX)
			return false;
		f->chain[f->chain_n++] = found->target;
	}
}

/* How long a name without addresses stays without them (RFC 2308 5). */
static uint32_t soa_ttl(const struct dns_record *r)
{
	uint32_t minimum = dns_ttl(get_be32(r->data.p + r->data.len - 4)), ttl = dns_ttl(r->ttl);
	return minimum < ttl ? minimum : ttl;
}

static void addresses_read(struct view msg, struct dns_answer_facts *f)
{
	struct dns_record r;
	struct dns_walk w;
	uint32_t negative = 0;
	bool has_soa = false;
	if (!dns_walk_begin(msg, &w))
		return;
	while (dns_walk_next(&w, &r) > 0) {
		if (w.section == DNS_AUTHORITY && r.type == DNS_SOA && !has_soa) {
			has_soa = true;
			negative = soa_ttl(&r);
		}
		if (w.section != DNS_ANSWER || r.class != DNS_IN ||
		    (r.type != DNS_A && r.type != DNS_AAAA) || !in_chain(f, &r.name))
			continue;
		ttl_min(f, dns_ttl(r.ttl));
		if (f->addr_n < FILTER_ADDRS_MAX)
			f->addrs[f->addr_n++] =
				r.type == DNS_A ? ipaddr_v4(r.data.p) : ipaddr_v6(r.data.p);
	}
	if (f->addr_n == 0)
		ttl_min(f, negative);
}

static bool chain_read(struct view msg, struct dns_answer_facts *f)
{
	struct cname v[CNAMES_MAX];
	size_t n;
	return cnames_read(msg, v, &n) && chain_follow(f, v, n);
}

static bool facts_read(const struct judge *j, const struct dns_question *q)
{
	struct dns_answer_facts *f = j->facts;
	struct view msg = view_make(j->msg.p, f->len);
	f->chain[0] = q->name;
	f->chain_n = 1;
	f->addr_n = 0;
	f->ttl_s = UINT32_MAX;
	if (j->cname_n && !chain_read(msg, f))
		return false;
	addresses_read(msg, f);
	return true;
}

enum dns_filter_result dns_filter(uint8_t *msg, size_t len, const struct dns_question *q,
				  const struct dns_filter_rules *rules,
				  struct dns_answer_facts *ret)
{
	struct judge j;
	j.bytes = msg;
	j.msg = view_make(msg, len);
	j.rules = rules;
	j.facts = ret;
	ret->culprit = (struct ipaddr){0};
	ret->ech = (struct view){0};
	ret->changed = false;
	enum dns_filter_result r = judge(&j, q);
	if (r == FILTER_PASS && j.cut_n) {
		ret->changed = true;
		put_be16(msg + 2, get_be16(msg + 2) & (uint16_t)~DNS_AD);
		j.msg.len = dns_cut(msg, ret->len, j.cuts, j.cut_n);
		r = judge(&j, q);
		if (j.cut_n)
			r = FILTER_MALFORMED;
	}
	if (r != FILTER_PASS)
		return r;
	return facts_read(&j, q) ? FILTER_PASS : FILTER_MALFORMED;
}
