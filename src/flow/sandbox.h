// SPDX-License-Identifier: Apache-2.0
/*
 * One sandbox: a link, a stack, and the relays that carry its flows over host sockets.
 *
 * A sandbox lives on one worker (one loop), and nothing of it is shared. Frames: link -> stack ->
 * relays; back: host sockets -> relays -> stack -> link. Every new flow, of every protocol and
 * direction, passes flow_admit() (admit.c) before a socket is opened for it.
 */
#ifndef WEIR_FLOW_SANDBOX_H
#define WEIR_FLOW_SANDBOX_H

#include "base/list.h"
#include "base/log.h"
#include "flow/share.h"
#include "guestsvc/guestsvc.h"
#include "link/link.h"
#include "loop/loop.h"
#include "policy/policy.h"
#include "stack/stack.h"
#include "stack/tcp.h"

struct udp_relay;   /* udp_relay.c */
struct echo_relay;  /* echo_relay.c */
struct publish_set; /* publish.c */
struct dns_proxy;   /* ../dns */
struct pcap;        /* ../observe/pcap.h */
struct events;      /* ../observe/events.h */
struct quic_crypto; /* ../tls/quic_keys.h */
struct ech_names;   /* ../tls/ech.h */
struct bindings;    /* ../policy/bindings.h */
struct intercept;   /* ../intercept/intercept.h */
struct flow_taker;  /* taker.h */
struct denials;     /* denials.c */
struct budgets;     /* budget.h */
struct config;

struct flow_counters {
	uint64_t tcp_dialed, tcp_refused, tcp_unreachable, tcp_timed_out, tcp_accepted;
	uint64_t udp_sessions, udp_in, udp_out, udp_dropped;
	uint64_t echo_sessions, echo_in, echo_out;
	uint64_t dns_queries, dns_answers, dns_failures;
	uint64_t denied[REASON_COUNT];
};

struct sandbox {
	struct loop *loop;
	struct link *link;
	struct loop_source link_src;
	struct stack stack;
	struct guestsvc svc;
	struct policy *policy;
	struct policy_env
		env; /* the gateway's and the host's addresses; env.host is kept by host_addrs */
	struct host_addrs *host_addrs; /* host/addrs.c, follows the host's interfaces */
	struct udp_relay *udp;
	struct echo_relay *echo;
	struct publish_set *publish;
	struct dns_proxy *dns;
	struct bindings *bindings;      /* what the guest was told about names */
	struct quic_crypto *quic;       /* made when the first QUIC flow has to be read */
	struct ech_names *ech;          /* public names of ech= that were stripped from answers */
	struct pcap *pcap;              /* NULL: none */
	struct events *events;          /* the owner's; NULL: none */
	struct denials *denials;        /* what was refused, for the summary */
	struct budgets *budgets;        /* of what goes out; NULL: there never were any */
	struct intercept *intercept;    /* looks into connections; NULL: nothing is looked into */
	const struct flow_taker *taker; /* its hooks, NULL without it */
	/* A guest did what the configuration answers with the sandbox's end (the owner's hook; not
	 * to be acted on inside the call; NULL: nothing happens beyond the refusal). */
	void (*terminate)(struct sandbox *sb, const char *why);
	struct list flows;   /* struct flow (flow.h), all that are open */
	uint64_t flow_ids;   /* numbers given so far */
	unsigned near_flows; /* far ends that bring much from near by (tcp_host.c) */
	struct flow_counters cnt;
	bool dns_at_gateway; /* whomever the guest asks, the configured resolvers are asked */
	bool deny_icmp;      /* a refused SYN gets ICMP before its RST */
	bool allow_ech;
	/* Where a loop has many sandboxes, those for which sandbox_flush() has something to do put
	 * themselves into its owner's list; NULL: the owner flushes after every turn. */
	struct list *touched;
	struct list touched_node;
	struct share share;         /* of that loop */
	struct list waiting;        /* new connections that are beyond it, oldest first: */
	struct timer waiting_timer; /* tcp_relay.c */
	void *owner;                /* for the owner's use */
	struct timer trim_timer;    /* buffers are given back when the sandbox has gone quiet */
	uint64_t active_us;         /* when the last frame passed */
	bool link_gone;
	int link_error;      /* why, as a positive errno */
	bool writable_armed; /* we wait until the link takes frames again */
	bool learns_mac;     /* of each guest that comes */
	uint32_t peers;      /* link->peers, as far as its guests are known here */
};

/* Builds a sandbox from a checked configuration; takes over `link`. NULL and err on failure. */
struct sandbox *sandbox_new(struct loop *l, struct link *link, const struct config *c,
			    const struct stack_config *sc, struct error *err);
void sandbox_free(struct sandbox *sb);
/* The policy of a configuration. NULL and err where it is wrong. */
struct policy *sandbox_policy(const struct config *c, struct error *err);
/*
 * A new configuration for a sandbox that runs, with its policy, which is taken over: policy and DNS
 * are replaced in one step, and open flows judged again. -1 and err without memory: everything then
 * stays as it was, and the policy is the caller's.
 */
int sandbox_reload(struct sandbox *sb, const struct config *c, struct policy *p, struct error *err);
/* A `policy` event: what became of one. */
void sandbox_note_policy(struct sandbox *sb, const char *text);

/* Ends all flows, towards both sides, as a host that shuts down. */
void sandbox_hang_up(struct sandbox *sb);
/* Another guest is behind the link, with the same addresses: what was the last one's ends. */
void sandbox_new_guest(struct sandbox *sb);
/* Takes no more frames of the guest's, as if its link had ended with `err` (a positive errno). */
void sandbox_end(struct sandbox *sb, int err);
/* In place of a link that has gone (link_gone); takes over `link`. 0, or -1 and err. */
int sandbox_relink(struct sandbox *sb, struct link *link, struct error *err);

/* At the end of each turn of the loop: what timers and sockets made goes out. */
void sandbox_flush(struct sandbox *sb);
/* sandbox_flush() has something to do. */
static inline void sandbox_touch(struct sandbox *sb)
{
	if (sb->touched && !list_linked(&sb->touched_node))
		list_add_tail(sb->touched, &sb->touched_node);
}

/* Whether a new flow may have a host socket now; takes it from the sandbox's share. */
static inline bool sandbox_may_open(struct sandbox *sb)
{
	return !sb->touched || bucket_take(&sb->share.flows, 1, sb->loop->now_us);
}

/* ---- admit.c: the one place where flows are let in ---- */
/* Asks the policy and counts. For egress, also says where to dial: the gateway's address becomes
 * the host's loopback of that family. src_port: of who opens it, the guest or a client. */
struct admission {
	struct policy_verdict verdict;
	struct ipaddr dial;    /* where the host socket goes */
	bool to_host_loopback; /* the guest asked for the gateway's address */
	bool hold; /* the guest's first bytes are to be judged before they leave (first_flight.h) */
	bool look; /* they are to be shown to the taker (taker.h); TCP: the first flight does it */
};
struct admission flow_admit(struct sandbox *sb, const struct policy_facts *f,
			    const struct ipaddr *guest, uint16_t src_port);
/*
 * A DNS question of the guest's, and its verdict. Where it is refused, that is counted and told
 * here: the caller only answers it. A name of the CNAME chain is asked with `of_chain`: only a rule
 * that denies that name refuses it.
 */
struct flow_question {
	const struct name *name; /* NULL: no rule for names can match it */
	const char *text;        /* the name for people, as it was asked */
	enum policy_proto proto; /* POLICY_TCP or POLICY_UDP */
	uint16_t port;           /* that the guest asked at: 53, or 853 */
	struct ipaddr at;        /* and whom */
	struct ipaddr guest;
	uint16_t guest_port;
	bool of_chain;
};
struct policy_verdict flow_admit_question(struct sandbox *sb, const struct flow_question *q);
/* A refusal of the interceptor's own (rebind, dns-budget, limits): counted and told. */
void flow_refuse_question(struct sandbox *sb, const struct flow_question *q,
			  const struct policy_verdict *v);
/* The policy's answer with the names that are bound to f->remote now; nothing is counted. */
struct policy_verdict flow_decide(struct sandbox *sb, const struct policy_facts *f);
/* Counts and tells a refusal: summary, log, event. flow: its number, 0 where it never was one. */
void flow_note_refusal(struct sandbox *sb, const struct policy_facts *f, const struct ipaddr *guest,
		       uint16_t src_port, uint64_t flow, const struct policy_verdict *v);
/* The address as the policy knows it. */
struct ipaddr flow_reduce(const struct sandbox *sb, const struct ipaddr *a);
/* Counts a refusal that is not the policy's (a limit). */
void flow_count_refusal(struct sandbox *sb, enum policy_reason why, const struct policy_facts *f);

/* ---- the relays ---- */
/* TCP (tcp_relay.c): the tcp_open callback. */
void tcp_relay_open(struct sandbox *sb, struct tcp_conn *c);
/* Dials that waited for the sandbox's share: the timer's (sandbox.waiting_timer). */
void tcp_relay_waiting(struct timer *timer);
void tcp_relay_gone(struct sandbox *sb, struct tcp_conn *c, enum tcp_ending how);
/* A connection toward the guest was opened for an admitted client: its life is followed, too. */
void tcp_relay_follow(struct sandbox *sb, struct tcp_conn *c, const struct policy_facts *facts,
		      uint16_t client_port);

/* UDP (udp_relay.c): sessions keyed by the guest's address and port. */
struct udp_relay *udp_relay_new(struct sandbox *sb, uint32_t max_sessions);
void udp_relay_free(struct udp_relay *r);
void udp_relay_input(struct udp_relay *r, const struct udp_datagram *d);
/* End of a burst: send what was gathered. */
void udp_relay_flush(struct udp_relay *r);

/* ICMP echo (echo_relay.c). */
struct echo_relay *echo_relay_new(struct sandbox *sb, uint32_t max_sessions);
void echo_relay_free(struct echo_relay *r);
void echo_relay_input(struct echo_relay *r, const struct icmp_echo *e);

/* Published ports (publish.c). A bind that fails is an error here. */
struct publish_set *publish_new(struct sandbox *sb, const struct config *c, struct error *err);
void publish_free(struct publish_set *p);
/* One more (a range of ports is one), all of it or nothing. *ret_port: the host's port, or its
 * first. 0, or -1 and err. */
struct config_publish;
int publish_add(struct sandbox *sb, const struct config_publish *cp, uint16_t *ret_port,
		struct error *err);
/* Takes those of the same address, ports and protocol back; where `bind` is unset, on loopback.
 * Connections that were accepted live on, UDP clients do not. Returns how many sockets that were.
 */
unsigned publish_remove(struct sandbox *sb, const struct config_publish *cp);
struct publish_info {
	struct ipaddr bind;
	uint16_t host_port, guest_port;
	bool udp;
};
/* Fills in up to `max`; returns how many there are. */
size_t publish_list(const struct sandbox *sb, struct publish_info *ret, size_t max);
/* A datagram from the guest that belongs to a published UDP port's client: true where it was taken.
 */
bool publish_udp_from_guest(struct publish_set *p, const struct udp_datagram *d);
/* An ICMP error of the guest's (stack_ops.guest_icmp_error): it refused a client's datagram. */
void publish_guest_error(struct publish_set *p, const struct packet *pkt);

#endif
