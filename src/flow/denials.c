// SPDX-License-Identifier: Apache-2.0
/*
 * Refusals, counted by what was asked and why it was refused.
 *
 * The guest chooses addresses and ports, so the table is keyed by SipHash and never grows past
 * DENIALS_MAX. Entries are never taken out: the first refusals tell most about a program.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "base/table.h"
#include "flow/denials.h"
#include "flow/flow.h"

#define RULE_TEXT_MAX  80
#define NAME_MAX_SHOWN 80

/* Compared and hashed as bytes: made by key_of(), which leaves no byte unset. */
struct denial_key {
	struct ipaddr remote;
	uint16_t port;
	uint8_t dir, proto, reason;
	char rule[RULE_TEXT_MAX];
	char name[NAME_MAX_SHOWN]; /* that the flow showed, or that DNS was asked for; "": none */
	bool question;             /* of DNS */
};

struct denial {
	struct denial_key key;
	uint64_t count;
};

struct denials {
	struct sipkey sip;
	struct table index; /* of entries */
	unsigned n;
	uint64_t others; /* refusals that found no room */
	uint64_t total;
	struct denial entries[DENIALS_MAX];
};

struct denials *denials_new(void)
{
	struct denials *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	sipkey_random(&d->sip);
	table_init(&d->index, DENIALS_MAX);
	return d;
}

void denials_free(struct denials *d)
{
	if (!d)
		return;
	table_done(&d->index);
	free(d);
}

static void key_of(const struct policy_facts *f, enum policy_reason why, const char *rule_text,
		   bool question, struct denial_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->remote = f->remote;
	ret->port = f->port;
	ret->dir = (uint8_t)f->dir;
	ret->proto = (uint8_t)f->proto;
	ret->reason = (uint8_t)why;
	ret->question = question;
	if (f->name)
		memcpy(ret->name, f->name->s, strnlen(f->name->s, sizeof(ret->name) - 1));
	if (rule_text)
		memcpy(ret->rule, rule_text, strnlen(rule_text, sizeof(ret->rule) - 1));
}

static bool key_matches(const void *item, const void *key)
{
	return memcmp(&((const struct denial *)item)->key, key, sizeof(struct denial_key)) == 0;
}

static void count(struct denials *d, const struct policy_facts *f, enum policy_reason why,
		  const char *rule_text, bool question)
{
	struct denial_key key;
	struct denial *e;
	uint64_t hash;

	if (!d)
		return;
	d->total++;
	key_of(f, why, rule_text, question, &key);
	hash = siphash(&d->sip, &key, sizeof(key));
	e = table_find(&d->index, hash, key_matches, &key);
	if (!e) {
		if (d->n == DENIALS_MAX || !table_insert(&d->index, hash, &d->entries[d->n])) {
			d->others++;
			return;
		}
		e = &d->entries[d->n++];
		memcpy(&e->key, &key, sizeof(key)); /* padding, too: it is compared */
	}
	e->count++;
}

void denials_note(struct denials *d, const struct policy_facts *f, enum policy_reason why,
		  const char *rule_text)
{
	count(d, f, why, rule_text, false);
}

void denials_note_question(struct denials *d, const struct policy_facts *f, enum policy_reason why,
			   const char *rule_text)
{
	count(d, f, why, rule_text, true);
}

uint64_t denials_total(const struct denials *d)
{
	return d ? d->total : 0;
}

#define FLOW_TEXT_MAX (IPADDR_STRLEN + NAME_MAX_SHOWN + 32)

/*
 * "tcp 192.0.2.1:80", "tcp 192.0.2.1:80 (example.com)", "icmpv4 192.0.2.1", "dns example.com",
 * "tcp from 192.0.2.1 to port 80".
 */
static void flow_text(const struct denial_key *k, char buf[FLOW_TEXT_MAX])
{
	char addr[IPADDR_STRLEN];

	if (k->question)
		snprintf(buf, FLOW_TEXT_MAX, "dns %s", k->name[0] ? k->name : "(no name)");
	else if (k->name[0])
		snprintf(buf, FLOW_TEXT_MAX, "%s %s (%s)",
			 flow_proto_word((enum policy_proto)k->proto),
			 ipaddr_port_str(&k->remote, k->port, addr), k->name);
	else if (k->dir == POLICY_INGRESS)
		snprintf(buf, FLOW_TEXT_MAX, "%s from %s to port %u",
			 flow_proto_word((enum policy_proto)k->proto), ipaddr_str(&k->remote, addr),
			 k->port);
	else if (k->proto & (POLICY_TCP | POLICY_UDP))
		snprintf(buf, FLOW_TEXT_MAX, "%s %s", flow_proto_word((enum policy_proto)k->proto),
			 ipaddr_port_str(&k->remote, k->port, addr));
	else
		snprintf(buf, FLOW_TEXT_MAX, "%s %s", flow_proto_word((enum policy_proto)k->proto),
			 ipaddr_str(&k->remote, addr));
}

/* Most frequent first; among equals, the one that came first (entries lie in that order). */
static int by_count(const void *a, const void *b)
{
	const struct denial *x = *(const struct denial *const *)a;
	const struct denial *y = *(const struct denial *const *)b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x < y ? -1 : x > y;
}

static int widest(int have, const char *text)
{
	int n = (int)strlen(text);

	return n > have ? n : have;
}

void denials_print(const struct denials *d, unsigned rows, FILE *out)
{
	const struct denial *order[DENIALS_MAX];
	char text[FLOW_TEXT_MAX];
	int flow_w = 4, reason_w = 6;
	uint64_t rest = 0;

	if (!d || d->total == 0)
		return;
	for (unsigned i = 0; i < d->n; i++)
		order[i] = &d->entries[i];
	qsort(order, d->n, sizeof(order[0]), by_count);
	if (rows > d->n)
		rows = d->n;
	for (unsigned i = 0; i < rows; i++) {
		flow_text(&order[i]->key, text);
		flow_w = widest(flow_w, text);
		reason_w = widest(reason_w, policy_reason_name(order[i]->key.reason));
	}

	fprintf(out, "weir: %" PRIu64 " refused\n", d->total);
	if (rows)
		fprintf(out, "  %7s  %-*s  %-*s  %s\n", "times", flow_w, "flow", reason_w, "reason",
			"rule");
	for (unsigned i = 0; i < rows; i++) {
		const struct denial_key *k = &order[i]->key;

		flow_text(k, text);
		fprintf(out, "  %7" PRIu64 "  %-*s  %-*s  %s\n", order[i]->count, flow_w, text,
			reason_w, policy_reason_name(k->reason), k->rule[0] ? k->rule : "-");
	}
	for (unsigned i = rows; i < d->n; i++)
		rest += order[i]->count;
	if (rest + d->others)
		fprintf(out, "  %7" PRIu64 "  others\n", rest + d->others);
}
