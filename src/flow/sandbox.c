// SPDX-License-Identifier: Apache-2.0
/* A sandbox put together: its link, its stack, its guest services and its relays. */
#include "flow/sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf/config.h"
#include "dns/dns.h"
#include "flow/budget.h"
#include "flow/denials.h"
#include "flow/flow.h"
#include "flow/taker.h"
#include "host/addrs.h"
#include "host/resolvconf.h"
#include "observe/events.h"
#include "observe/pcap.h"
#include "policy/bindings.h"
#include "tls/ech.h"
#include "tls/quic_keys.h"

#define TURN_BURSTS 4        /* bursts taken from the link before others have their turn */
#define QUIET_US    1000000u /* without a frame for so long, buffers are given back */
#define DNS_PORT    53
#define RESOLV_CONF "/etc/resolv.conf"

/* ---- link -> stack ---- */

static void sandbox_link_lost(struct sandbox *sb, int err)
{
	if (sb->link_gone)
		return;
	sb->link_gone = true;
	sb->link_error = -err;
	sandbox_touch(sb);
	loop_del(sb->loop, &sb->link_src);
	if (!sb->owner) /* who knows more of it, and tells */
		log_warning("the sandbox's interface is gone (%s): its network ends here",
			    strerror(-err));
}

void sandbox_end(struct sandbox *sb, int err)
{
	sandbox_link_lost(sb, -err);
}

static void sandbox_active(struct sandbox *sb)
{
	sb->active_us = sb->loop->now_us;
	if (!timer_armed(&sb->trim_timer))
		timer_set(&sb->loop->wheel, &sb->trim_timer, sb->active_us + QUIET_US);
}

static void sandbox_receive(struct sandbox *sb)
{
	struct frame frames[LINK_BURST];

	/* Who has the loop for itself keeps nobody waiting. */
	bool shared = sb->touched;
	uint64_t began = shared ? clock_now_us() : 0, spent = 0;

	sandbox_active(sb);
	for (int burst = 0; burst < TURN_BURSTS; burst++) {
		int max = shared ? (int)share_frames(&sb->share, spent, LINK_BURST) : LINK_BURST;
		if (max == 0)
			return;
		int n = link_recv(sb->link, frames, max);
		if (n < 0) {
			sandbox_link_lost(sb, n);
			return;
		}
		if (n == 0)
			return;
		if (sb->link->peers != sb->peers)
			sandbox_new_guest(sb);
		/* A guest's driver may have started, and said what it takes. */
		sb->stack.cfg.link_caps = sb->link->caps;
		for (int i = 0; i < n; i++) {
			if (sb->pcap) {
				frame_whole(&frames[i]);
				pcap_frame(sb->pcap, PCAP_FROM_GUEST, &frames[i]);
			}
			stack_input(&sb->stack, &frames[i]);
		}
		udp_relay_flush(sb->udp);
		dns_proxy_flush(sb->dns);
		stack_burst_end(&sb->stack);
		link_release(sb->link);
		if (shared) {
			uint64_t before = spent;

			spent = clock_now_us() - began;
			share_note(&sb->share, (unsigned)n, spent - before);
		}
		/* A burst that is not full has emptied the link, or its share of a turn. */
		if (n < max)
			return;
	}
}

/* Whether we wait until the link takes frames again. */
static void sandbox_wait_writable(struct sandbox *sb, bool on)
{
	sb->writable_armed = on;
	if (!link_arm(sb->link, on))
		loop_mod(sb->loop, &sb->link_src, on ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void sandbox_link_event(struct loop_source *src, uint32_t reported)
{
	struct sandbox *sb = container_of(src, struct sandbox, link_src);
	uint32_t events = link_events(sb->link, reported);

	if (events & EPOLLOUT && sb->writable_armed) {
		sandbox_wait_writable(sb, false);
		stack_tx_unblocked(&sb->stack);
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		sandbox_receive(sb);
}

static void sandbox_trim(struct timer *t)
{
	struct sandbox *sb = container_of(t, struct sandbox, trim_timer);
	uint64_t quiet = sb->loop->now_us - sb->active_us;

	/* Here also while frames pass, so that who watches the file is never far behind. */
	bool written = !sb->pcap || pcap_flush(sb->pcap);
	if (quiet < QUIET_US) {
		timer_set(&sb->loop->wheel, t, sb->active_us + QUIET_US);
		return;
	}
	if (!written)
		timer_set(&sb->loop->wheel, t, sb->loop->now_us + QUIET_US);
	stack_trim(&sb->stack);
	/* Queues of slow flows leave holes in the heap. */
	malloc_trim(0);
	if (sb->link->ops->trim)
		sb->link->ops->trim(sb->link);
}

/* ---- stack -> everything ---- */

static int op_tx(void *ctx, struct frame *frames, int n)
{
	struct sandbox *sb = ctx;

	if (sb->link_gone)
		return n;
	sandbox_active(sb);
	int took = 0;
	while (took < n) {
		int r = link_send(sb->link, frames + took, n - took);
		if (r > 0) {
			took += r;
			continue;
		}
		if (r != -EAGAIN && r != 0) {
			sandbox_link_lost(sb, r);
			took = n;
		}
		break;
	}
	for (int i = 0; sb->pcap && i < took; i++)
		pcap_frame(sb->pcap, PCAP_TO_GUEST, &frames[i]);
	if (took < n && !sb->writable_armed)
		sandbox_wait_writable(sb, true);
	return took;
}

static int op_lend(void *ctx, const struct frame *head, uint32_t each, uint32_t total,
		   const struct frame_tail **ret)
{
	struct sandbox *sb = ctx;

	/* A capture shows what was sent, not what the guest has made of it since. */
	return sb->pcap || sb->link_gone ? 0 : link_lend(sb->link, head, each, total, ret);
}

static void op_arp(void *ctx, const uint8_t src_mac[6], struct view payload)
{
	guestsvc_arp(&((struct sandbox *)ctx)->svc, src_mac, payload);
}

static void op_ndp(void *ctx, const uint8_t src_mac[6], const struct packet *p)
{
	guestsvc_ndp(&((struct sandbox *)ctx)->svc, src_mac, p);
}

static void op_dhcp(void *ctx, const uint8_t src_mac[6], const struct udp_datagram *d)
{
	struct sandbox *sb = ctx;

	if (d->src.family == 4)
		guestsvc_dhcp4(&sb->svc, src_mac, d);
	else
		guestsvc_dhcp6(&sb->svc, src_mac, d);
}

static void op_udp(void *ctx, const struct udp_datagram *d)
{
	struct sandbox *sb = ctx;

	/* DNS is the interceptor's, whomever the guest asks. */
	if (d->dport == DNS_PORT) {
		dns_proxy_udp(sb->dns, d);
		return;
	}
	if (sb->publish && publish_udp_from_guest(sb->publish, d))
		return;
	udp_relay_input(sb->udp, d);
}

static void op_echo(void *ctx, const struct icmp_echo *e)
{
	echo_relay_input(((struct sandbox *)ctx)->echo, e);
}

static void op_tcp_open(void *ctx, struct tcp_conn *c)
{
	tcp_relay_open(ctx, c);
}

static void op_tcp_limit(void *ctx, const struct tcp_facts *t, bool half_open)
{
	struct policy_facts f = {.dir = t->from_guest ? POLICY_EGRESS : POLICY_INGRESS,
				 .proto = POLICY_TCP,
				 .remote = t->remote,
				 .port = t->from_guest ? t->remote_port : t->guest_port};

	flow_count_refusal(ctx, half_open ? REASON_LIMIT_HALF_OPEN : REASON_LIMIT_CONNECTIONS, &f);
}

/* A guest could make the stack say so with every frame: told once, counted always. */
static void op_limit(void *ctx, enum stack_limit what, const struct ipaddr *dst, uint8_t proto)
{
	struct sandbox *sb = ctx;
	enum policy_reason why =
		what == STACK_LIMIT_FRAGMENTS ? REASON_LIMIT_FRAGMENTS : REASON_LIMIT_QUEUES;
	struct policy_facts f = {.dir = POLICY_EGRESS,
				 .proto = proto == IPPROTO_TCP   ? POLICY_TCP
					  : proto == IPPROTO_UDP ? POLICY_UDP
					  : dst->family == 4     ? POLICY_ICMPV4
								 : POLICY_ICMPV6,
				 .remote = *dst};

	if (sb->cnt.denied[why])
		sb->cnt.denied[why]++;
	else
		flow_count_refusal(sb, why, &f);
}

static void op_tcp_gone(void *ctx, struct tcp_conn *c, enum tcp_ending how)
{
	tcp_relay_gone(ctx, c, how);
}

static void op_guest_icmp_error(void *ctx, const struct packet *p)
{
	struct sandbox *sb = ctx;

	if (sb->publish)
		publish_guest_error(sb->publish, p);
}

static void op_pending(void *ctx)
{
	sandbox_touch(ctx);
}

static void op_guest_full(void *ctx, bool any)
{
	struct sandbox *sb = ctx;

	loop_hurry(sb->loop, any);
}

static const struct stack_ops sandbox_ops = {
	.tx = op_tx,
	.lend = op_lend,
	.arp = op_arp,
	.ndp = op_ndp,
	.dhcp = op_dhcp,
	.udp = op_udp,
	.echo = op_echo,
	.tcp_open = op_tcp_open,
	.guest_icmp_error = op_guest_icmp_error,
	.limit = op_limit,
	.pending = op_pending,
	.guest_full = op_guest_full,
};

#define FLUSH_ROUNDS 4 /* what is still due then waits for the next turn */

void sandbox_flush(struct sandbox *sb)
{
	udp_relay_flush(sb->udp);
	dns_proxy_flush(sb->dns);
	if (sb->taker)
		sb->taker->flush(sb);
	stack_flush(&sb->stack);
	/* What the guest has on its way meets an end that is in this process, and has answers. */
	for (int i = 1; sb->taker && i < FLUSH_ROUNDS; i++) {
		dns_proxy_flush(sb->dns);
		if (!sb->taker->flush(sb))
			break;
		stack_flush(&sb->stack);
	}
}

/* ---- life ---- */

struct policy *sandbox_policy(const struct config *c, struct error *err)
{
	struct policy_source src = config_policy_source(c);

	return policy_new(&src, err);
}

/* What a new configuration may change in a sandbox that runs, beside the policy itself. */
static void sandbox_switches(struct sandbox *sb, const struct config *c)
{
	sb->deny_icmp = c->deny_icmp;
	sb->allow_ech = c->allow_ech;
	sb->dns_at_gateway = c->dns_target == CONFIG_DNS_GATEWAY;
	if (sb->budgets)
		budgets_limit(sb->budgets, c->budget_out, c->budget_out_each);
}

/* So that the limits can then be set. They stay where they are not wanted any more: what was spent
 * is kept. */
static bool sandbox_make_budgets(struct sandbox *sb, const struct config *c)
{
	if (!sb->budgets && (c->budget_out || c->budget_out_each))
		return (sb->budgets = budgets_new());
	return true;
}

void sandbox_note_policy(struct sandbox *sb, const char *text)
{
	struct event e = event_make(EVENT_POLICY);

	e.text = text;
	events_emit(sb->events, &e);
}

int sandbox_reload(struct sandbox *sb, const struct config *c, struct policy *p, struct error *err)
{
	struct policy *old = sb->policy;

	if (!sandbox_make_budgets(sb, c))
		return error_set(err, "out of memory");
	if (dns_proxy_reload(sb->dns, c, err) < 0)
		return -1;
	sb->policy = p;
	sandbox_switches(sb, c);
	sandbox_note_policy(sb, "replaced");
	flows_judge(sb);
	policy_free(old);
	return 0;
}

/* What the guest services say beside addresses. Completing names is the guest's own affair, so it
 * gets the host's search list whatever resolvers are asked. */
static void sandbox_services(struct sandbox *sb, const struct config *c)
{
	struct resolvconf host;

	guestsvc_init(&sb->svc, &sb->stack);
	sb->svc.proxy_arp = c->proxy_arp;
	resolvconf_init(&host, RESOLV_CONF, sb->loop->now_us);
	_Static_assert(sizeof(sb->svc.search) >= sizeof(host.list.search), "a list fits");
	memcpy(sb->svc.search, host.list.search, sizeof(host.list.search));
	resolvconf_done(&host);
}

static int sandbox_start(struct sandbox *sb, const struct config *c, struct error *err)
{
	if (c->pcap_path && !(sb->pcap = pcap_open(c->pcap_path, err)))
		return -1;
	struct policy_env *env = &sb->env;
	const struct host_addrs_ret ret = {&env->host, &env->host_count, &env->nets,
					   &env->net_count};
	if (!(sb->host_addrs = host_addrs_new(sb->loop, ret, err)))
		return -1;
	sb->bindings = bindings_new(BINDINGS_MAX);
	sb->ech = ech_names_new();
	if (!sb->bindings || !sb->ech)
		return error_set(err, "out of memory");
	if (!(sb->dns = dns_proxy_new(sb, c, err)))
		return -1;
	sb->udp = udp_relay_new(sb, c->max_udp_sessions);
	sb->echo = echo_relay_new(sb, c->max_icmp_sessions);
	sb->denials = denials_new();
	if (!sb->udp || !sb->echo || !sb->denials)
		return error_set(err, "out of memory");
	if (c->publish_count && !(sb->publish = publish_new(sb, c, err)))
		return -1;
	int r = loop_add(sb->loop, &sb->link_src, sb->link->fd, EPOLLIN);
	if (r < 0)
		return error_set_errno(err, r, "cannot watch the sandbox's interface");
	guestsvc_start(&sb->svc);
	return 0;
}

struct sandbox *sandbox_new(struct loop *l, struct link *link, const struct config *c,
			    const struct stack_config *sc, struct error *err)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));
	struct stack_config cfg = *sc;
	struct sipkey key;

	if (!sb) {
		error_set(err, "out of memory");
		link_free(link);
		return NULL;
	}
	cfg.link_caps = link->caps;
	sb->loop = l;
	sb->link = link;
	sb->peers = link->peers;
	sb->learns_mac = memcmp(cfg.guest_mac, (uint8_t[6]){0}, 6) == 0;
	sb->link_src = (struct loop_source){.fd = -1, .fn = sandbox_link_event};
	timer_init(&sb->trim_timer, sandbox_trim);
	list_init(&sb->flows);
	list_init(&sb->touched_node);
	sb->share = share_make(l->now_us);
	list_init(&sb->waiting);
	timer_init(&sb->waiting_timer, tcp_relay_waiting);
	sb->env.gw4 = cfg.has_v4 ? cfg.gw4 : (struct ipaddr){0};
	sb->env.gw6 = cfg.has_v6 ? cfg.gw6 : (struct ipaddr){0};
	sipkey_random(&key);
	if (!stack_init(&sb->stack, &cfg, &sandbox_ops, sb, &l->wheel, &key, l->now_us)) {
		error_set(err, "out of memory");
		sandbox_free(sb);
		return NULL;
	}
	stack_share_clock(&sb->stack, &l->now_us);
	tcp_set_gone_hook(&sb->stack, op_tcp_gone);
	tcp_set_limit_hook(&sb->stack, op_tcp_limit);
	sandbox_services(sb, c);
	if (!sandbox_make_budgets(sb, c)) {
		error_set(err, "out of memory");
		sandbox_free(sb);
		return NULL;
	}
	sandbox_switches(sb, c);
	if (!(sb->policy = sandbox_policy(c, err)) || sandbox_start(sb, c, err) < 0) {
		sandbox_free(sb);
		return NULL;
	}
	return sb;
}

void sandbox_free(struct sandbox *sb)
{
	if (!sb)
		return;
	/* Connections first: their ends belong to the rooms below. */
	publish_free(sb->publish);
	guestsvc_done(&sb->svc);
	stack_done(&sb->stack);
	if (sb->taker)
		sb->taker->free(sb);
	udp_relay_free(sb->udp);
	echo_relay_free(sb->echo);
	dns_proxy_free(sb->dns);
	bindings_free(sb->bindings);
	ech_names_free(sb->ech);
	quic_crypto_free(sb->quic);
	host_addrs_free(sb->host_addrs);
	denials_free(sb->denials);
	budgets_free(sb->budgets);
	pcap_close(sb->pcap);
	policy_free(sb->policy);
	list_del(&sb->touched_node);
	timer_cancel(&sb->loop->wheel, &sb->trim_timer);
	timer_cancel(&sb->loop->wheel, &sb->waiting_timer);
	loop_del(sb->loop, &sb->link_src);
	link_free(sb->link);
	free(sb);
}
