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
#include "base/name.h"
#include "base/pattern.h"

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
	REASON_NO_BINDING,  /* a rule allows names here, but the guest never asked for one that has
			       this address */
	REASON_NAME_MISMATCH, /* the name on the wire is not the one that the address was asked for
			       */
	REASON_NO_NAME,       /* TLS or HTTP without the name that a rule needs */
	REASON_ECH,           /* the real name is encrypted */
	REASON_REBIND,        /* a name's answer holds an address that names may not have */
	REASON_ALT_DNS,       /* mDNS, LLMNR, NetBIOS, DoQ; what is no DNS on port 53 */
	REASON_DOT,           /* DNS over TLS, while weir does not intercept TLS */
	REASON_DNS_BUDGET, /* more distinct names or label bytes under one domain than the budget */
	REASON_QUIC,       /* QUIC that cannot be read where a rule needs a name */
	REASON_HTTP_RULE,  /* a request that the rule for its host does not allow, or that two
			      parsers could read differently */
	REASON_SECRET,     /* a placeholder on its way to where it may not go */
	REASON_UPSTREAM_INVALID, /* the upstream's certificate does not verify */
	REASON_LIMIT_CONNECTIONS,
	REASON_LIMIT_HALF_OPEN,
	REASON_LIMIT_UDP,
	REASON_LIMIT_ICMP,
	REASON_LIMIT_FRAGMENTS,
	REASON_LIMIT_QUEUES, /* not refused, but slowed: all receive memory is promised */
	REASON_BUDGET,       /* as much has gone out as may */
	REASON_SPOOFED_SOURCE,
	REASON_BAD_FRAGMENT,
	REASON_POLICY_CHANGED,
	REASON_COUNT
};
const char *policy_reason_name(enum policy_reason r);

/* The addresses that stand for the host: the gateway's own and those that the host takes for its
 * own. */
struct policy_env {
	struct ipaddr gw4, gw6;    /* family 0: none */
	const struct ipaddr *host; /* the host's non-loopback addresses */
	size_t host_count;
	const struct ipnet *nets; /* networks of which it takes every address for its own */
	size_t net_count;
};
/* One of the host's own; the gateway's are not among them. */
bool policy_env_has(const struct policy_env *env, const struct ipaddr *a);

/*
 * What the bytes of a flow have shown so far.
 *
 * An allow rule for a name matches
 *	UNSEEN, NONE  where a bound name matches it (NONE: not where the rule is strict)
 *	SEEN          where the name seen matches it and is bound to the address
 *	ABSENT        never
 * A deny rule for a name matches where the name seen matches it, bound or not; in the other states
 * never. Rules without names match in every state alike.
 */
enum policy_seen {
	/* Nothing yet: a SYN. The answer may be POLICY_NEED_NAME. The same as NONE for flows that
	 * never show a name: ICMP, UDP but port 443 (QUIC), and port 53, where weir answers. */
	POLICY_NAME_UNSEEN,
	POLICY_NAME_SEEN,   /* facts.name: SNI, Host, :authority */
	POLICY_NAME_ABSENT, /* TLS or HTTP without a name, or with one that is none */
	POLICY_NAME_NONE,   /* a protocol that shows no name; UDP and ICMP: the binding decides */
};

struct policy_facts {
	enum policy_dir dir;
	enum policy_proto proto; /* one bit */
	struct ipaddr remote;    /* destination on egress, peer on ingress */
	uint16_t port; /* destination port on egress, the guest's port on ingress; 0 for ICMP */
	enum policy_seen seen;
	const struct name *name;         /* with POLICY_NAME_SEEN */
	const struct name *const *bound; /* names that the guest asked for and got `remote` for */
	size_t bound_count;
};

enum policy_answer {
	POLICY_DENY,
	POLICY_ALLOW,
	POLICY_NEED_NAME, /* it depends on the name that the flow's first bytes will show */
};

struct policy_verdict {
	enum policy_answer answer;
	enum policy_reason reason; /* REASON_NONE for allow */
	int rule;                  /* index of the rule that matched, -1: none did */
	const char *rule_text;     /* its token form, "default" or "built in"; lives as long as the
				      policy */
	bool by_name;              /* the rule is one for names */
};

struct policy;           /* compiled, immutable */
struct http_rule_source; /* http/rules.h */

/*
 * One rule as it was written: a token, or its parts (a rule of the configuration file), whose items
 * have the spelling that they have in a token. Strings are the caller's.
 */
struct policy_rule_source {
	const char *token;              /* NULL: the parts below */
	const char *action, *direction; /* direction NULL: egress */
	const char *const *targets, *const *protocols, *const *ports;
	size_t target_count, protocol_count, port_count;
	bool strict; /* deny what shows no name (only for rules that allow names) */
	const struct http_rule_source *http; /* which requests it allows; NULL: all */
	const char *where; /* before each message: "weir.yaml:12: policy.rules[3]"; NULL: none. A
			      fault in a part is told as "WHERE.ports ..." */
};

/* What a policy is made from, filled from options and configuration. */
struct policy_source {
	const char *net; /* value of --net: comma list of public, private, host; or all, none; NULL:
			    not given */
	const char *const *rules; /* tokens of the command line, in order: they come first */
	size_t rule_count;
	const struct policy_rule_source *file_rules; /* the configuration's, behind them */
	size_t file_rule_count;
	int default_egress; /* enum policy_answer, -1: not given */
	int default_ingress;
};

/* True where some rule says something of HTTP requests. */
bool policy_source_has_http(const struct policy_source *src);

/* Compiles. NULL and err on any rule that is wrong or can never be enforced; err names the rule and
 * what would be right. */
struct policy *policy_new(const struct policy_source *src, struct error *err);
void policy_free(struct policy *p);

/*
 * The answer at POLICY_NAME_UNSEEN is final where it is the same for every name, or none, that the
 * flow may still show; else it is POLICY_NEED_NAME with the rule that makes it depend. Whatever the
 * policy says, UDP 137, 853, 5353 and 5355 and TCP 853 are denied from the guest ("built in").
 */
struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f);
/*
 * The same for a DNS question, asked over `proto` and `port` (53, or 853 for DNS over TLS) of
 * whatever resolver. `any`, the host group and `dns` match by protocol and port, rules for
 * names match the name whatever protocols and ports they state, other rules not at all. Where only
 * names are allowed and no `dns` rule was written, other names are denied: they could lead nowhere.
 */
struct policy_verdict policy_decide_question(const struct policy *p, const struct policy_env *env,
					     const struct name *name, enum policy_proto proto,
					     uint16_t port);
/*
 * Whether an address in a DNS answer is let through rebind protection: where the first rule for
 * addresses (a prefix or a group, without ports, egress) that matches it allows it.
 */
bool policy_address_is_named(const struct policy *p, const struct policy_env *env,
			     const struct ipaddr *a);
/* True where some rule is for names: then flows need bindings and first-flight checks. */
bool policy_has_names(const struct policy *p);

/* The group of an address, before any look inside it. */
enum policy_group policy_group_of(const struct policy_env *env, const struct ipaddr *a);
/*
 * The IPv4 address that packets to a mapped, compatible, NAT64, 6to4, Teredo or ISATAP address may
 * come out at; false where there is none. policy_decide() judges such an address by both and the
 * stricter answer wins.
 */
bool policy_embedded_v4(const struct ipaddr *a, struct ipaddr *ret);

/* Warnings of policy_new(): rules without effect because an earlier one matches all that they
 * match, or denies the names that they allow. Text without a newline. */
size_t policy_warning_count(const struct policy *p);
const char *policy_warning_text(const struct policy *p, size_t i);

/* What the rule says of HTTP requests, NULL: nothing. It lives as long as the policy. */
struct http_rule;
const struct http_rule *policy_rule_http(const struct policy *p, int rule);
bool policy_has_http(const struct policy *p); /* some rule says something of them */
/* Calls fn for each name of rules that do, until it says other than 0, which is then returned. */
typedef int policy_name_fn(void *arg, const char *rule_text, const struct name_pattern *name);
int policy_each_http_name(const struct policy *p, policy_name_fn *fn, void *arg);

/* Number of rules, and the token form of one (presets' included), for listings. */
size_t policy_rule_count(const struct policy *p);
const char *policy_rule_text(const struct policy *p, size_t i);

#endif
