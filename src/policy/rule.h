// SPDX-License-Identifier: Apache-2.0
/*
 * Between the files of this room: a rule as it is matched, and a policy as it is compiled.
 *
 * Way of a rule: token.c splits the text of a token, parts.c reads actions, directions, protocols
 * and ports of tokens and of structured rules, target.c and name_target.c read a target each,
 * enforce.c refuses what could never take effect, shadow.c and warn.c tell what an earlier rule
 * hides, policy.c puts the rules in order (preset.c brings those of --net). index.c sorts them by
 * what they are for. decide.c and question.c answer; they ask find.h for the first rule of a kind.
 */
#ifndef WEIR_POLICY_RULE_H
#define WEIR_POLICY_RULE_H

#include "base/error.h"
#include "http/rules.h"
#include "policy/arena.h"
#include "policy/key.h"
#include "policy/policy.h"

#define POLICY_RULES_MAX \
	262144 /* more is refused when the policy is made; loading stays near a second */
#define POLICY_ITEMS_MAX 4096  /* targets or port ranges in one rule; more is refused */
#define POLICY_HTTP_MAX  4096  /* rules that say something of requests; more is refused */
#define POLICY_TOKEN_MAX 65536 /* bytes of one token; more is refused */

#define POLICY_PROTO_ALL   (POLICY_TCP | POLICY_UDP | POLICY_ICMPV4 | POLICY_ICMPV6)
#define POLICY_PROTO_PORTS (POLICY_TCP | POLICY_UDP)
#define POLICY_DNS_PORT    53  /* RFC 1035 4.2 */
#define POLICY_DOH_PORT    443 /* RFC 8484 3; HTTP/3 over UDP */

/* Bits of rule.dirs. */
#define RULE_EGRESS  (1u << POLICY_EGRESS)
#define RULE_INGRESS (1u << POLICY_INGRESS)

#define GROUP_BIT(g) (1u << (g))
/*
 * Groups that a guest enters only by a rule that names them (or by `--net all`): neither `any`, nor
 * a wide prefix, nor a name, nor an allowing default opens them. Egress only.
 */
#define GROUPS_GUARDED                                                                   \
	(GROUP_BIT(GROUP_HOST) | GROUP_BIT(GROUP_METADATA) | GROUP_BIT(GROUP_LOOPBACK) | \
	 GROUP_BIT(GROUP_LINK_LOCAL))

struct rule_prefix {
	struct addr_key net;
	uint8_t bits;
	uint8_t names;   /* guarded groups (GROUP_BIT) that this prefix is narrow enough to name */
	uint8_t touches; /* guarded groups, but host, that have addresses in it */
};

/* Names of one target: the name itself, all below it, or both. */
struct rule_name {
	const char *s; /* not ended by a NUL */
	uint8_t len;
	bool self, below;
};

struct rule_ports {
	uint16_t first, last; /* inclusive, 1..65535 */
};

/* Lists lie in the policy's arena. */
struct rule {
	bool allow;
	bool any;       /* target `any` */
	bool dns;       /* target `dns`: the gateway, TCP and UDP port 53 */
	bool doh;       /* target `doh`: the names and addresses of doh.c, TCP and UDP port 443 */
	bool strict;    /* a flow that shows no name is not let in by a binding alone */
	uint8_t dirs;   /* RULE_EGRESS | RULE_INGRESS */
	uint8_t protos; /* enum policy_proto bits, never 0 */
	uint8_t groups; /* GROUP_BIT of each group named */
	uint32_t prefix_count, name_count;
	uint32_t port_count; /* 0: any port */
	const struct rule_prefix *prefixes;
	const struct rule_name *names;
	const struct rule_ports *ports;
	const char *text;       /* the token */
	struct http_rule *http; /* owned; which requests it lets pass, NULL: all */
};

/* What the target `doh` stands for; both empty while no rule has it. */
struct doh_list {
	struct rule_name *names;
	struct rule_prefix *prefixes;
	uint32_t name_count, prefix_count;
};

struct index;

struct policy {
	struct arena mem;    /* what the rules point to */
	struct index *index; /* the rules as they are asked */
	struct doh_list doh;
	struct rule *rules;
	uint32_t rule_count;
	uint32_t implicit_dns;     /* index of the preset's dns rule; rule_count: none */
	bool has_names;            /* some rule is for names */
	bool has_http;             /* some rule says something of requests */
	bool only_names;           /* implicit_dns answers no questions for names of no rule */
	enum policy_answer def[2]; /* by enum policy_dir */
	enum policy_reason
		def_reason[2]; /* why the default denies: REASON_DEFAULT or REASON_PRESET */
	bool open_all;         /* --net all: the allowing default opens guarded groups, too */
	char **warnings;
	size_t warning_count;
};

/* True where the rule has targets that match by name. */
static inline bool rule_has_names(const struct rule *r)
{
	return r->name_count || r->doh;
}

/* True where the rule has targets that match by address. */
static inline bool rule_has_addresses(const struct rule *r)
{
	return r->any || r->dns || r->doh || r->groups || r->prefix_count;
}

static inline bool rule_has_port(const struct rule *r, uint16_t port)
{
	if (r->port_count == 0)
		return true;
	for (uint32_t i = 0; i < r->port_count; i++)
		if (port >= r->ports[i].first && port <= r->ports[i].last)
			return true;
	return false;
}

static inline bool prefix_holds(const struct rule_prefix *p, const struct addr_key *a)
{
	return addr_key_in(a, &p->net, p->bits);
}

/* ---- shadow.c ---- */
/* True where every flow and every DNS question that `later` matches is matched by `earlier`; false
 * also where that is hard to say. */
bool rule_shadows(const struct rule *earlier, const struct rule *later);
/* True where `later` allows nothing but names, and `earlier` denies all of them. */
bool rule_denies_names(const struct rule *earlier, const struct rule *later);

/* ---- warn.c ---- */
/* Notes which of the user's rules have no effect. -1 without memory. */
int policy_warn(struct policy *p, uint32_t user_rules);

/* ---- doh.c ---- */
/* Fills the list; false without memory. */
bool doh_load(struct arena *mem, struct doh_list *ret);

/* ---- preset.c ---- */
struct preset {
	const char *rules[4]; /* tokens, in order */
	size_t rule_count;
	bool implicit_dns; /* the first of them is a dns rule that only rules without --net brought
			    */
	enum policy_answer def[2];
	enum policy_reason def_reason[2];
	bool open_all;
};
int preset_make(const struct policy_source *src, struct preset *ret, struct error *err);

#endif
