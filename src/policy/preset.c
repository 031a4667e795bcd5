// SPDX-License-Identifier: Apache-2.0
/*
 * What `--net` and the two defaults mean, as rules behind the user's own.
 *
 *	--net LIST      deny/allow; allow@dns, then allow@GROUP for each group in order
 *	--net none      deny/deny; no rule
 *	--net all       allow/allow; no rule; opens guarded groups, too
 *	nothing given   as --net public
 *	no --net, but rules or --default-egress: deny unless the default says otherwise; allow@dns
 *
 * The last line is what makes an allow list mean what it lists: `--allow X` must not bring all of
 * "public" along.
 */
#include "policy/read.h"

static const struct {
	const char *word, *rule;
} groups[] = {
	{"public", "allow@public"},
	{"private", "allow@private"},
	{"host", "allow@host"},
};
static const char *const net_words[] = {"public", "private", "host", "all", "none", NULL};

#define EXPECTED "a comma list of public, private and host, or all, or none"

static int add_group(struct preset *p, struct span item, struct error *err)
{
	int i = word_index(item, net_words);

	if (i < 0)
		return error_set(err, "preset %s: expected " EXPECTED "%s", span_quote(item).s,
				 word_hint(item, net_words).s);
	if ((size_t)i >= sizeof(groups) / sizeof(groups[0]))
		return error_set(err, "preset \"%s\" stands alone; expected " EXPECTED,
				 net_words[i]);
	for (size_t j = 1; j < p->rule_count; j++)
		if (p->rules[j] == groups[i].rule)
			return error_set(err, "preset \"%s\" is there twice; expected " EXPECTED,
					 net_words[i]);
	p->rules[p->rule_count++] = groups[i].rule;
	return 0;
}

static int parse_net(struct preset *p, const char *net, struct error *err)
{
	if (strcmp(net, "none") == 0) {
		p->def[POLICY_INGRESS] = POLICY_DENY;
		return 0;
	}
	if (strcmp(net, "all") == 0) {
		p->def[POLICY_EGRESS] = POLICY_ALLOW;
		p->open_all = true;
		return 0;
	}
	p->rules[p->rule_count++] = "allow@dns";
	for (const char *at = net;; at++) {
		size_t n = strcspn(at, ",");

		if (add_group(p, (struct span){at, n}, err) < 0)
			return error_prefix(err, "net %s",
					    span_quote((struct span){net, strlen(net)}).s);
		at += n;
		if (!*at)
			return 0;
	}
}

static void set_default(struct preset *p, enum policy_dir dir, int given)
{
	if (given < 0)
		return;
	p->def[dir] = given == POLICY_ALLOW ? POLICY_ALLOW : POLICY_DENY;
	p->def_reason[dir] = REASON_DEFAULT;
}

int preset_make(const struct policy_source *src, struct preset *ret, struct error *err)
{
	struct preset p = {
		.def = {[POLICY_EGRESS] = POLICY_DENY, [POLICY_INGRESS] = POLICY_ALLOW},
		.def_reason = {REASON_PRESET, REASON_PRESET},
	};

	if (src->net) {
		if (parse_net(&p, src->net, err) < 0)
			return -1;
	} else {
		p.rules[p.rule_count++] = "allow@dns";
		if (src->rule_count + src->file_rule_count == 0 && src->default_egress < 0) {
			p.rules[p.rule_count++] = "allow@public";
		} else {
			p.def_reason[POLICY_EGRESS] = REASON_DEFAULT;
			p.implicit_dns = true;
		}
	}
	set_default(&p, POLICY_EGRESS, src->default_egress);
	set_default(&p, POLICY_INGRESS, src->default_ingress);
	if (p.def[POLICY_EGRESS] != POLICY_ALLOW)
		p.open_all = false;
	*ret = p;
	return 0;
}
