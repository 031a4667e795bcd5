// SPDX-License-Identifier: Apache-2.0
/*
 * Between the files of this room: a rule as it is matched, and a policy as it is compiled.
 *
 * Way of a rule: token.c splits the text into parts, target.c reads each target, enforce.c refuses
 * what could never take effect, policy.c puts the rules in order (preset.c brings those of --net),
 * decide.c asks them.
 */
#ifndef WEIR_POLICY_RULE_H
#define WEIR_POLICY_RULE_H

#include "base/error.h"
#include "policy/key.h"
#include "policy/policy.h"

#define POLICY_RULES_MAX \
	262144 /* more is refused when the policy is made; loading stays near a second */
#define POLICY_ITEMS_MAX 4096  /* targets or port ranges in one rule; more is refused */
#define POLICY_TOKEN_MAX 65536 /* bytes of one token; more is refused */

#define POLICY_PROTO_ALL   (POLICY_TCP | POLICY_UDP | POLICY_ICMPV4 | POLICY_ICMPV6)
#define POLICY_PROTO_PORTS (POLICY_TCP | POLICY_UDP)
#define POLICY_DNS_PORT    53 /* RFC 1035 4.2 */

/* Bits of rule.dirs. */
#define RULE_EGRESS  (1u << POLICY_EGRESS)
#define RULE_INGRESS (1u << POLICY_INGRESS)

#define GROUP_BIT(g) (1u << (g))
/*
 * Groups that a guest enters only by a rule that names them (or by `--net all`): neither `any`, nor
 * a wide prefix, nor an allowing default opens them. Egress only.
 */
#define GROUPS_GUARDED                                                                   \
	(GROUP_BIT(GROUP_HOST) | GROUP_BIT(GROUP_METADATA) | GROUP_BIT(GROUP_LOOPBACK) | \
	 GROUP_BIT(GROUP_LINK_LOCAL))

struct rule_prefix {
	struct addr_key net, mask;
	uint8_t bits;
	uint8_t names;   /* guarded groups (GROUP_BIT) that this prefix is narrow enough to name */
	uint8_t touches; /* guarded groups, but host, that have addresses in it */
};

struct rule_ports {
	uint16_t first, last; /* inclusive, 1..65535 */
};

struct rule {
	bool allow;
	bool any;       /* target `any` */
	bool dns;       /* target `dns`: the gateway, TCP and UDP port 53 */
	uint8_t dirs;   /* RULE_EGRESS | RULE_INGRESS */
	uint8_t protos; /* enum policy_proto bits, never 0 */
	uint8_t groups; /* GROUP_BIT of each group named */
	uint32_t prefix_count;
	uint32_t port_count;          /* 0: any port */
	struct rule_prefix *prefixes; /* owned */
	struct rule_ports *ports;     /* owned */
	char *text;                   /* the token, owned */
};

struct policy {
	struct rule *rules;
	size_t rule_count;
	enum policy_answer def[2]; /* by enum policy_dir */
	enum policy_reason
		def_reason[2]; /* why the default denies: REASON_DEFAULT or REASON_PRESET */
	bool open_all;         /* --net all: the allowing default opens guarded groups, too */
	char **warnings;
	size_t warning_count;
};

/* A piece of a token. */
struct span {
	const char *p;
	size_t n;
};

static inline bool span_is(struct span s, const char *word)
{
	return strlen(word) == s.n && memcmp(s.p, word, s.n) == 0;
}

/* ---- token.c ---- */
/* Reads one token; the rule is empty and err set on failure. */
int rule_parse(const char *token, struct rule *ret, struct error *err);
void rule_done(struct rule *r);

/* ---- target.c ---- */
/* Adds one target (without commas) to r. A message of err begins with the part, not with the rule.
 */
int rule_add_target(struct rule *r, struct span item, struct error *err);
/* True for IPv6 text, with or without a prefix length, outside brackets. */
bool target_is_bare_v6(struct span item);

/* ---- enforce.c ---- */
/*
 * An error where (a part of) the rule can never take effect. `written` holds the protocols that the
 * text states; r->protos is all of them where it states none.
 */
int rule_check(const struct rule *r, uint8_t written, struct error *err);
/* True where every flow that `later` matches is matched by `earlier`; false also where that is hard
 * to say. */
bool rule_shadows(const struct rule *earlier, const struct rule *later);

/* ---- preset.c ---- */
struct preset {
	const char *rules[4]; /* tokens, in order */
	size_t rule_count;
	enum policy_answer def[2];
	enum policy_reason def_reason[2];
	bool open_all;
};
int preset_make(const struct policy_source *src, struct preset *ret, struct error *err);

/* ---- words.c ---- */
/* The group of that name; GROUP_NONE where there is none. */
enum policy_group policy_group_parse(struct span s);
/* The word of a NULL-terminated list that is nearest to the text; NULL where none is near. */
const char *word_nearest(struct span text, const char *const *words);
/* Index of the text in a NULL-terminated list, -1 where it is not there. */
int word_index(struct span text, const char *const *words);

/* Text in quotes for a message: cut where it is long, and what is not printable ASCII as \xNN. */
#define QUOTE_MAX 96
struct quoted {
	char s[QUOTE_MAX * 4 + 8];
};
struct quoted span_quote(struct span s);
/* "PART "TEXT": expected EXPECTED" and, where a word is near, what it is. Returns -1. */
int word_error(struct error *err, const char *part, struct span text, const char *expected,
	       const char *const *words);

#endif
