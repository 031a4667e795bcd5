// SPDX-License-Identifier: Apache-2.0
/*
 * The policy: an ordered list of rules and two defaults. THE FIRST RULE THAT MATCHES WINS, else the
 * default of the direction. (Other tools let the last or the most specific rule win.)
 *
 * policy_decide() is a pure function of the policy, the environment and the facts of one flow. Live
 * traffic and every tool that explains it call this same function.
 *
 * May use: base/. Threads: a compiled policy is read-only.
 */
#ifndef WEIR_POLICY_POLICY_H
#define WEIR_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

enum policy_dir {
	POLICY_EGRESS,  /* opened by the guest */
	POLICY_INGRESS, /* opened toward the guest (a published port) */
};

enum policy_proto {
	POLICY_TCP = 1 << 0,
	POLICY_UDP = 1 << 1,
	POLICY_ICMPV4 = 1 << 2,
	POLICY_ICMPV6 = 1 << 3,
};

/*
 * Address groups; an address is in exactly one (tested in this order), 0.0.0.0/8 and :: in none.
 *
 * From the guest, an allow rule reaches host, metadata, loopback and link-local only where it names
 * them: by the group, or by an address or prefix that is a part of the group (for the host: one of
 * its addresses alone). `any`, wider prefixes and an allowing default do not open them; `--net all`
 * does. The gateway's DNS (port 53) is weir's and not the host's: `any` opens it.
 */
enum policy_group {
	GROUP_NONE,
	GROUP_HOST,     /* the gateway's addresses and the host's own */
	GROUP_METADATA, /* cloud metadata services */
	GROUP_LOOPBACK,
	GROUP_PRIVATE,
	GROUP_LINK_LOCAL,
	GROUP_MULTICAST,
	GROUP_PUBLIC,
};
const char *policy_group_name(enum policy_group g);

/* Stable ids of why something was denied (or "" for allow). policy_reason_name() gives the string.
 */
enum policy_reason {
	REASON_NONE,
	REASON_RULE,        /* a deny rule */
	REASON_DEFAULT,     /* no rule, the default denies */
	REASON_PRESET,      /* no rule, the default of a preset denies */
	REASON_METADATA,    /* like default/preset, for a metadata address */
	REASON_UNSPECIFIED, /* 0.0.0.0/8 or :: */
	REASON_ALT_DNS,     /* mDNS, LLMNR, NetBIOS, DoQ */
	REASON_LIMIT_CONNECTIONS,
	REASON_LIMIT_HALF_OPEN,
	REASON_LIMIT_UDP,
	REASON_LIMIT_ICMP,
	REASON_SPOOFED_SOURCE,
	REASON_BAD_FRAGMENT,
	REASON_POLICY_CHANGED,
	REASON_COUNT
};
const char *policy_reason_name(enum policy_reason r);

/* The addresses that stand for the host: the gateway's own and those of the host's interfaces. */
struct policy_env {
	struct ipaddr gw4, gw6;    /* family 0: none */
	const struct ipaddr *host; /* the host's non-loopback addresses */
	size_t host_count;
};

struct policy_facts {
	enum policy_dir dir;
	enum policy_proto proto; /* one bit */
	struct ipaddr remote;    /* destination on egress, peer on ingress */
	uint16_t port; /* destination port on egress, the guest's port on ingress; 0 for ICMP */
};

enum policy_answer {
	POLICY_DENY,
	POLICY_ALLOW,
};

struct policy_verdict {
	enum policy_answer answer;
	enum policy_reason reason; /* REASON_NONE for allow */
	int rule;                  /* index of the rule that matched, -1: the default */
	const char *rule_text;     /* its token form, or "default"; lives as long as the policy */
};

struct policy; /* compiled, immutable */

/* What a policy is made from, filled from options and configuration. Strings are the caller's. */
struct policy_source {
	const char *net; /* value of --net: comma list of public, private, host; or all, none; NULL:
			    not given */
	const char *const
		*rules; /* tokens in order: --rule, --allow and --deny as `allow@T` / `deny@T` */
	size_t rule_count;
	int default_egress; /* enum policy_answer, -1: not given */
	int default_ingress;
};

/* Compiles. NULL and err on any rule that is wrong or can never be enforced; err names the rule and
 * what would be right. */
struct policy *policy_new(const struct policy_source *src, struct error *err);
void policy_free(struct policy *p);

struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f);

/* The group of an address, before any look inside it. */
enum policy_group policy_group_of(const struct policy_env *env, const struct ipaddr *a);
/*
 * The IPv4 address inside a mapped, compatible, NAT64 (64:ff9b::/96) or 6to4 address; false where
 * there is none. policy_decide() judges such an address by both and the stricter answer wins.
 */
bool policy_embedded_v4(const struct ipaddr *a, struct ipaddr *ret);

/* Warnings of policy_new(): rules without effect because an earlier one matches all that they
 * match. Text without a newline. */
size_t policy_warning_count(const struct policy *p);
const char *policy_warning_text(const struct policy *p, size_t i);

/* Number of rules, and the token form of one (presets' included), for listings. */
size_t policy_rule_count(const struct policy *p);
const char *policy_rule_text(const struct policy *p, size_t i);

#endif
