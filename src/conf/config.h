// SPDX-License-Identifier: Apache-2.0
/*
 * The whole configuration of one gateway, as the file and the options give it: parsed and checked,
 * before anything is started. Strings are owned by the configuration (config_done()).
 */
#ifndef WEIR_CONF_CONFIG_H
#define WEIR_CONF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "base/name.h"
#include "conf/secrets.h"
#include "policy/arena.h"
#include "policy/policy.h"

enum config_link {
	CONFIG_LINK_AUTO, /* the better one that can be had */
	CONFIG_LINK_TAP,
	CONFIG_LINK_PACKET,
};

struct config_publish {
	struct ipaddr bind; /* family 0: 127.0.0.1 (and ::1 where both families are on) */
	uint16_t host_port; /* 0: any free one, reported */
	uint16_t guest_port;
	uint16_t count; /* ports in the range, >= 1 */
	bool udp;
	char *text; /* as written, for messages */
};

struct config_prefix {
	struct ipaddr net;
	unsigned bits;
};

/* A record of `dns.records`, which weir answers itself. */
struct config_record {
	struct name name;
	struct ipaddr addr;
};

enum config_dns_target {
	CONFIG_DNS_HONOR, /* a resolver that the guest chose is asked, where the policy allows it */
	CONFIG_DNS_GATEWAY, /* the configured resolvers, whomever the guest asked */
};

/* How a VM's frames reach `weir serve`. */
enum config_serve_kind {
	CONFIG_SERVE_STREAM,
	CONFIG_SERVE_DGRAM,
	CONFIG_SERVE_SEQPACKET,
	CONFIG_SERVE_VPNKIT,
	CONFIG_SERVE_VHOST_USER,
	CONFIG_SERVE_TAP,
	CONFIG_SERVE_FD, /* of whatever kind the descriptor is */
};

enum config_offload {
	CONFIG_OFFLOAD_NONE,
	CONFIG_OFFLOAD_VNET,
	CONFIG_OFFLOAD_LIBKRUN,
};

/* One link, as --stream and its like, or the file, give it. */
struct config_serve {
	enum config_serve_kind kind;
	char *name;  /* the path of its socket, the tap's name, or what --fd said; owned */
	int fd;      /* -1: none was given by number */
	bool client; /* connects to a socket that another process serves */
	enum config_offload offload;
	unsigned mode; /* of the socket file; 0: 0600 */
};

struct config {
	char *path; /* --config, NULL: none */

	/* policy */
	char *net;          /* --net, NULL: not given */
	struct strv rules;  /* --rule, --allow, --deny as tokens, in order */
	int default_egress; /* -1 not given, 0 deny, 1 allow */
	int default_ingress;
	const struct policy_rule_source *file_rules; /* of the file; they live in file_mem */
	size_t file_rule_count;
	struct arena file_mem;
	bool file_lists_rules; /* the file has a list of rules, be it empty: it allows what it
				  lists */
	bool deny_icmp; /* a refused SYN is answered with ICMP (administratively prohibited), then
			   RST */
	bool allow_ech; /* tls.allow_ech: a hidden name is no reason to deny */

	/* interception */
	struct config_tls tls;
	struct config_secrets secrets;
	bool trust_host_cas; /* the guest trusts the host's roots, too, beside the CA */

	/* interface */
	uint16_t mtu; /* 1500 */
	bool has_mac;
	uint8_t mac[6];                     /* the guest's */
	struct ipaddr ipv4, ipv6;           /* explicit guest addresses; family 0: derived */
	struct ipaddr ipv4_pool, ipv6_pool; /* 172.16.0.0/12, fd42:6d73:62::/48 */
	unsigned ipv4_pool_bits, ipv6_pool_bits;
	uint32_t slot; /* 0..65535 */
	bool no_ipv4, no_ipv6;
	bool allow_any_source;
	bool proxy_arp; /* answer ARP for all but the guest's own address */

	/* dns */
	struct {
		struct ipaddr addr;
		uint16_t port;
	} dns_upstream[8];
	size_t dns_upstream_count; /* 0: the host's resolv.conf, followed live */
	uint32_t dns_timeout_ms;   /* 5000 */
	bool dns_rebind_protection;
	struct config_prefix *dns_rebind_allow;
	size_t dns_rebind_allow_count;
	enum config_dns_target dns_target;
	bool dns_deny_refused; /* a denied question gets REFUSED, not NXDOMAIN */
	bool dns_cache;
	uint32_t dns_cache_bytes;     /* 4 MiB */
	struct strv dns_host_aliases; /* names of the host beside host.weir.internal; empty: the
					 usual */
	struct config_record *dns_records;
	size_t dns_record_count;
	struct strv
		dns_forward_special; /* special-use names that do go to the resolvers ("local") */
	uint32_t dns_rate;           /* queries a second; 0: no limit */
	uint32_t dns_budget_names;   /* distinct names a minute under one registered domain; 0: no
					limit */
	uint32_t dns_budget_bytes;   /* bytes of labels a minute under one; 0: no limit */

	/* publishing, limits */
	struct config_publish *publish;
	size_t publish_count;
	uint32_t max_connections;   /* 4096 */
	uint32_t max_half_open;     /* 1024 */
	uint32_t max_udp_sessions;  /* 1024 */
	uint32_t max_icmp_sessions; /* 256 */
	uint32_t max_frag_sets;     /* 64: fragmented packets that are being put together */
	uint32_t tcp_queue;         /* bytes of one connection that may wait for its peer: 4 MiB */
	uint32_t tcp_queue_total;   /* of all of them: 64 MiB */
	uint32_t tcp_keepalive_s;   /* idle time before a guest is asked: 7200 */

	/* upload budgets, in bytes; 0: no limit */
	uint64_t budget_out, budget_out_each;

	/* run */
	bool map_root;
	char *netns_path; /* --netns */
	int pid;          /* --pid, 0: none */
	enum config_link link;
	bool no_config; /* --no-config */

	/* serve */
	struct config_serve *serve; /* of the command line; of a sandbox of the file: its link */
	size_t serve_count;
	uint32_t workers;     /* --workers, 0: one a core */
	size_t sandbox_count; /* sandboxes that the file has */
	char *name;           /* of this sandbox of the file; NULL: not given */
	int64_t own_slot;     /* this sandbox's in the file; -1: not given */

	/* check */
	struct ipaddr *check_addrs; /* --address: what names are taken to have */
	size_t check_addr_count;
	bool check_resolve; /* --resolve */
	bool check_json;    /* --json */

	/* observing */
	char *pcap_path; /* NULL: none */
	char *events;    /* --events: a path, "-", "fd:N"; NULL: none */
	int log_level;   /* enum log_level */
	bool stats;      /* --stats */
	bool quiet;      /* --quiet: no summary of refusals */
};

/* Defaults of every field. */
void config_init(struct config *c);
void config_done(struct config *c);

/*
 * Reads the file c->path into c, whose other fields are the defaults: the command line is applied
 * over it. 0, or -1 and err ("FILE:LINE: PATH: what is wrong"); c is then fit for config_done()
 * only.
 */
int config_load(struct config *c, struct error *err);
/*
 * The same for one of the file's `sandboxes`, number `index`: what it does not say itself it has
 * from the top level.
 */
struct tree;
int config_load_sandbox(struct config *c, const struct tree *t, size_t index, struct error *err);
/* What policy_new() wants of a configuration; points into it. */
struct policy_source config_policy_source(const struct config *c);

/* Appends a copy. False without memory. */
bool strv_add(struct strv *v, const char *s);
void strv_done(struct strv *v);
/* Parse and append to a list of the configuration. 0, or -1 and err. */
int config_add_publish(struct config *c, const char *text, struct error *err);
int config_add_resolver(struct config *c, const char *text, struct error *err);
int config_add_rebind_allow(struct config *c, const char *text, struct error *err);
int config_add_check_address(struct config *c, const char *text, struct error *err);
int config_add_serve(struct config *c, enum config_serve_kind kind, const char *text,
		     struct error *err);
/* Takes over s->name. */
int config_add_serve_parsed(struct config *c, struct config_serve *s, struct error *err);
int config_add_record(struct config *c, const struct config_record *r, struct error *err);

/* Bounds that options and the file share. */
#define CONFIG_MTU_MIN         576   /* what every IPv4 host takes: RFC 791 3.1 */
#define CONFIG_MTU_MAX         65520 /* the largest that a link carries */
#define CONFIG_TIMEOUT_MIN     10    /* ms */
#define CONFIG_TIMEOUT_MAX     60000
#define CONFIG_CONNECTIONS_MAX 1000000 /* TCP, and half-open ones */
#define CONFIG_SESSIONS_MAX    65535   /* UDP and ICMP: ports and identifiers have 16 bits */
#define CONFIG_FRAG_SETS_MAX   1024
#define CONFIG_QUEUE_MIN       65536       /* of one connection: a first window */
#define CONFIG_QUEUE_MAX       (16u << 20) /* the largest window that TCP_RCV_WSCALE can say */
#define CONFIG_QUEUES_MIN      (1u << 20)
#define CONFIG_QUEUES_MAX      (1u << 30)
#define CONFIG_KEEPALIVE_MIN   10 /* s */
#define CONFIG_KEEPALIVE_MAX   (7 * 86400)
#define CONFIG_LIST_MAX        1024  /* ports, prefixes, records, names in one list */
#define CONFIG_SERVE_MAX       65536 /* links: as many as there are slots */
#define CONFIG_NAME_MAX        63    /* bytes of a sandbox's name */
#define CONFIG_WORKERS_MAX     1024

/*
 * Values as people write them; the whole text must be used. The message says what was expected,
 * and the caller, who knows what the value is for, adds an example. 0, or -1 and err. Times: us,
 * ms, s, m, h; a bare number is in units of `bare_unit_us`. Sizes: k, M, G, each 1024 of the one
 * before; a bare number is bytes.
 */
int config_parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret,
		      struct error *err);
int config_parse_time_us(const char *text, uint64_t bare_unit_us, uint64_t *ret, struct error *err);
int config_parse_size(const char *text, uint64_t *ret, struct error *err);
/* Events a second: a number, "/s" behind it or not. */
int config_parse_rate(const char *text, uint64_t max, uint64_t *ret, struct error *err);
/* The limit of a query to a resolver; a bare number is milliseconds. */
int config_parse_dns_timeout(const char *text, uint32_t *ret_ms, struct error *err);
/* "[BIND:]HOST:GUEST[/tcp|/udp]", "[v6]:HOST:GUEST", ranges "8000-8010:9000-9010". */
int config_parse_publish(const char *text, struct config_publish *ret, struct error *err);
/* Of one interface: no group, not zero. */
int config_parse_mac(const char *text, uint8_t ret[6], struct error *err);
/* An address that the guest can have, of family 4 or 6. */
int config_parse_guest_addr(const char *text, unsigned family, struct ipaddr *ret,
			    struct error *err);
/* A network with room for a slot: an IPv4 /30, an IPv6 /64. */
int config_parse_pool(const char *text, unsigned family, struct ipaddr *ret, unsigned *ret_bits,
		      struct error *err);
int config_parse_prefix(const char *text, struct config_prefix *ret, struct error *err);
/* ADDR, ADDR:PORT, [V6] or [V6]:PORT; port 53 where none is given. */
int config_parse_resolver(const char *text, struct ipaddr *ret, uint16_t *ret_port,
			  struct error *err);
/* What follows --stream, --fd and so on: "PATH[,client][,offload=MODE][,mode=OCTAL]",
 * "N[,KIND]...". */
int config_parse_serve(enum config_serve_kind kind, const char *text, struct config_serve *ret,
		       struct error *err);
/* A link of the file: "stream:PATH,...". */
int config_parse_link(const char *text, struct config_serve *ret, struct error *err);
/* "stream", "vhost-user"... */
const char *config_serve_word(enum config_serve_kind kind);
/* Whether both are the same socket, tap or descriptor. */
bool config_serve_same(const struct config_serve *a, const struct config_serve *b);
/* Of a sandbox: 1 to CONFIG_NAME_MAX letters, digits, '.', '_' or '-', not beginning with '.' or
 * '-'. */
int config_check_name(const char *text, struct error *err);
/* Index among `words` (NULL-terminated); -1 and err, which names them and the nearest. */
int config_parse_word(const char *text, const char *const *words, struct error *err);
/* The word of `words` (NULL-terminated) that is nearest to a mistyped `text`, or NULL where none is
 * near. */
const char *config_nearest(const char *text, const char *const *words);

#endif
