// SPDX-License-Identifier: Apache-2.0
/*
 * Echo requests of the guest to other hosts, over sockets that need no privilege.
 *
 * Theory of operation
 * -------------------
 * A session is one (guest address, identifier, destination) with one ICMP socket connected to the
 * destination. The kernel gives each such socket an identifier of its own on the wire; replies get
 * the guest's back. Sequence number, TTL (one hop less), TOS, "don't fragment" and payload go as
 * they came. What routers and the far end report comes through the error queue and goes to the
 * guest as ICMP about its own request, so ping, traceroute -I and mtr see the truth. Nothing here
 * answers in place of a remote host.
 *
 * Where the process may not have such sockets (net.ipv4.ping_group_range) and has no CAP_NET_RAW
 * either, one warning names the setting and the guest gets "administratively prohibited".
 *
 * Bounds: max_sessions sessions, then the least recently used one goes (counted as limit-icmp);
 * ECHO_RATE requests and ECHO_BYTES of payload a second, so that a tunnel in pings is a narrow one:
 * what is beyond is dropped and counted as limit-icmp;
 * 60 s without a request or reply end a session; no file descriptor left: the request is refused.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/bucket.h"
#include "flow/budget.h"
#include "flow/sock_icmp.h"
#include "stack/checksum.h"

#define ECHO_IDLE_US    (60 * UINT64_C(1000000))
#define ECHO_HEADER     8
#define ECHO_RATE       10000       /* a second; ping -f stays below */
#define ECHO_BYTES      (8u << 20)  /* a second, ... */
#define ECHO_BURST      (32u << 20) /* ... and at once: 500 of the largest */
#define ECHO_RX_SIZE    (65535 + 60)
#define ECHO_RX_A_WAKE  64 /* messages taken a wake, so that one ping cannot hold the loop */
#define ECHO_ERR_A_WAKE 16
#define ECHO_QUOTE_MAX  1280
#define ECHO_CONTROL    64

/* RFC 792, RFC 4443 4. */
#define ICMP4_ECHO_REQUEST 8
#define ICMP4_ECHO_REPLY   0
#define ICMP6_REQUEST      128
#define ICMP6_REPLY        129

struct echo_session {
	struct flow flow;
	uint64_t bytes_in, bytes_out; /* of ICMP payload */
	struct list by_use;           /* in relay.by_use, most recently used first */
	struct echo_relay *relay;
	uint64_t hash;
	struct ipaddr guest;
	struct ipaddr seen; /* the destination as the guest has it */
	struct ipaddr dial; /* and where the socket sends */
	uint16_t id;        /* the guest's */
	uint16_t wire_id;   /* raw: the identifier on the wire; else the kernel's business */
	bool raw;
	bool df;
	uint8_t ttl, tos; /* the socket's settings; ttl 0: not set yet */
	struct loop_source src;
	uint64_t used_us;
	struct timer idle;
};

struct echo_relay {
	struct sandbox *sb;
	struct sipkey key;
	uint32_t max_sessions;
	struct table sessions;
	struct list by_use;
	struct bucket requests, bytes;
	bool warned;              /* that echo sockets are not permitted */
	uint8_t rx[ECHO_RX_SIZE]; /* one received message, raw: with its IP header */
};

/* ---- sessions ---- */

struct echo_key {
	struct ipaddr guest, dst;
	uint8_t id[2];
};

static struct echo_key key_of(const struct icmp_echo *e)
{
	struct echo_key k = {.guest = e->src, .dst = e->dst};
	put_be16(k.id, e->id);
	return k;
}

static bool session_match(const void *item, const void *key)
{
	const struct echo_session *es = item;
	const struct echo_key *k = key;
	return es->id == get_be16(k->id) && ipaddr_eq(&es->seen, &k->dst) &&
	       ipaddr_eq(&es->guest, &k->guest);
}

static void session_free(struct echo_session *es)
{
	struct echo_relay *r = es->relay;
	flow_close(r->sb, &es->flow,
		   &(struct flow_result){.end = "timeout",
					 .bytes_in = (int64_t)es->bytes_in,
					 .bytes_out = (int64_t)es->bytes_out,
					 .rtt_us = -1});
	if (es->src.fd >= 0) {
		int fd = es->src.fd;
		loop_del(r->sb->loop, &es->src);
		close(fd);
	}
	timer_cancel(&r->sb->loop->wheel, &es->idle);
	table_remove(&r->sessions, es->hash, es);
	list_del(&es->by_use);
	free(es);
}

static void session_touch(struct echo_session *es)
{
	es->used_us = es->relay->sb->loop->now_us;
	list_del(&es->by_use);
	list_add_head(&es->relay->by_use, &es->by_use);
}

/* The timer is not moved by every message; it looks at the last one when it fires. */
static void idle_fire(struct timer *t)
{
	struct echo_session *es = container_of(t, struct echo_session, idle);
	uint64_t due = es->used_us + ECHO_IDLE_US;
	if (due > es->relay->sb->loop->now_us)
		timer_set(&es->relay->sb->loop->wheel, t, due);
	else
		session_free(es);
}

static struct policy_facts facts_of(const struct ipaddr *dst)
{
	return (struct policy_facts){.dir = POLICY_EGRESS,
				     .proto = dst->family == 4 ? POLICY_ICMPV4 : POLICY_ICMPV6,
				     .remote = *dst,
				     .seen = POLICY_NAME_NONE};
}

static void echo_event(struct loop_source *src, uint32_t events);

/* A connected socket in the loop, or -errno. */
static int session_open(struct echo_session *es)
{
	int fd = sock_icmp_open(es->dial.family, &es->raw);
	if (fd < 0)
		return fd;
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_to_sockaddr(&es->dial, 0, &sa);
	int r = connect(fd, (struct sockaddr *)&sa, len) ? -errno : 0;
	if (!r)
		r = loop_add(es->relay->sb->loop, &es->src, fd, EPOLLIN);
	if (r < 0)
		close(fd);
	return r < 0 ? r : 0;
}

/* The guest hears of it at its next request. */
static void session_forbid(struct sandbox *sb, struct flow *f)
{
	session_free(container_of(f, struct echo_session, flow));
}

/* NULL and *ret_err where there is no socket for it. */
static struct echo_session *session_new(struct echo_relay *r, const struct icmp_echo *e,
					const struct ipaddr *dial, int *ret_err)
{
	if (r->sessions.count >= r->max_sessions) {
		struct echo_session *old =
			container_of(r->by_use.prev, struct echo_session, by_use);
		struct policy_facts facts = facts_of(&old->seen);
		flow_count_refusal(r->sb, REASON_LIMIT_ICMP, &facts);
		session_free(old);
	}
	struct echo_session *es = calloc(1, sizeof(*es));
	*ret_err = -ENOMEM;
	if (!es)
		return NULL;
	struct echo_key k = key_of(e);
	*es = (struct echo_session){
		.relay = r,
		.hash = siphash(&r->key, &k, sizeof(k)),
		.guest = e->src,
		.seen = e->dst,
		.dial = *dial,
		.id = e->id,
		.src = {.fd = -1, .fn = echo_event},
	};
	list_init(&es->by_use);
	list_init(&es->flow.node);
	es->flow.forbid = session_forbid;
	timer_init(&es->idle, idle_fire);
	if (!table_insert(&r->sessions, es->hash, es)) {
		free(es);
		return NULL;
	}
	list_add_head(&r->by_use, &es->by_use);
	*ret_err = session_open(es);
	if (*ret_err < 0) {
		session_free(es);
		return NULL;
	}
	if (getrandom(&es->wire_id, sizeof(es->wire_id), GRND_NONBLOCK) < 0)
		es->wire_id = (uint16_t)es->hash;
	timer_set(&r->sb->loop->wheel, &es->idle, r->sb->loop->now_us + ECHO_IDLE_US);
	r->sb->cnt.echo_sessions++;
	return es;
}

/* ---- from the far side ---- */

/* An error about a request: the kernel quotes it from its ICMP header on. */
static void handle_error(struct echo_session *es, const struct sock_error *e, uint8_t *quoted)
{
	struct sandbox *sb = es->relay->sb;
	enum icmp_error kind;
	uint32_t value;
	struct view v = view_make(quoted, e->len);
	uint8_t request = es->dial.family == 4 ? ICMP4_ECHO_REQUEST : ICMP6_REQUEST;
	if (v.len < ECHO_HEADER || v.p[0] != request || !sock_icmp_of_queue(e, &kind, &value))
		return;
	if (es->raw && get_be16(v.p + 4) != es->wire_id)
		return; /* of another program on this host */
	put_be16(quoted + 2, 0);
	put_be16(quoted + 4, es->id);
	stack_icmp_error_rebuilt(&sb->stack, kind, sock_icmp_from(sb, e, &es->dial, &es->seen),
				 &es->guest, &es->seen,
				 es->guest.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, quoted,
				 e->len, value);
}

/* Empties the error queue. Returns the MTU of the kernel's own last EMSGSIZE, or 0. */
static uint32_t read_errors(struct echo_session *es)
{
	uint8_t quoted[ECHO_QUOTE_MAX];
	struct sock_error e;
	uint32_t mtu = 0;
	int n;
	for (n = 0; n < ECHO_ERR_A_WAKE; n++) {
		if (sock_read_error(es->src.fd, quoted, sizeof(quoted), &e) <= 0)
			break;
		if (e.local && e.err == EMSGSIZE)
			mtu = e.info;
		else
			handle_error(es, &e, quoted);
	}
	if (!n)
		sock_take_error(es->src.fd);
	return mtu;
}

/* A raw IPv4 socket gives the IP header, too. */
static bool skip_ip_header(struct view *v)
{
	return v->len >= 20 && v->p[0] >> 4 == 4 && view_skip(v, (size_t)(v->p[0] & 15) * 4);
}

static void handle_reply(struct echo_session *es, struct msghdr *m, size_t len)
{
	struct sandbox *sb = es->relay->sb;
	struct view v = view_make(es->relay->rx, len);
	struct ipaddr from;
	uint16_t port, id, seq;
	uint8_t type;
	if (!ipaddr_from_sockaddr(m->msg_name, &from, &port) || !ipaddr_eq(&from, &es->dial))
		return;
	if (es->raw && from.family == 4 && !skip_ip_header(&v))
		return;
	if (!view_get_u8(&v, &type) || !view_skip(&v, 3) || !view_get_be16(&v, &id) ||
	    !view_get_be16(&v, &seq))
		return;
	if (type != (from.family == 4 ? ICMP4_ECHO_REPLY : ICMP6_REPLY) ||
	    (es->raw && id != es->wire_id))
		return;

	struct sock_info info = sock_info_of(m);
	session_touch(es);
	es->bytes_in += v.len;
	if (icmp_echo_reply(&sb->stack, &es->seen, &es->guest, es->id, seq,
			    info.ttl ? info.ttl : 64, info.tos, v.p, v.len))
		sb->cnt.echo_in++;
}

static void echo_event(struct loop_source *src, uint32_t events)
{
	struct echo_session *es = container_of(src, struct echo_session, src);
	if (events & EPOLLERR)
		read_errors(es);
	if (!(events & EPOLLIN))
		return;
	for (int n = 0; n < ECHO_RX_A_WAKE; n++) {
		struct sockaddr_storage name;
		_Alignas(8) uint8_t control[ECHO_CONTROL];
		struct iovec iov = {.iov_base = es->relay->rx, .iov_len = sizeof(es->relay->rx)};
		struct msghdr m = {.msg_name = &name,
				   .msg_namelen = sizeof(name),
				   .msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		ssize_t len = recvmsg(src->fd, &m, MSG_DONTWAIT);
		if (len >= 0)
			handle_reply(es, &m, (size_t)len);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			read_errors(es);
	}
}

/* ---- from the guest ---- */

/* Why no session could be made, in the words of an ICMP error. */
static void refuse(struct echo_relay *r, const struct icmp_echo *e, int err)
{
	enum icmp_error kind;
	if ((err == -EACCES || err == -EPERM) && !r->warned) {
		r->warned = true;
		log_warning(
			"ping to other hosts is not possible: no group of this process is in the "
			"range of the sysctl net.ipv4.ping_group_range, and it has no CAP_NET_RAW");
	}
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS) {
		struct policy_facts facts = facts_of(&e->dst);
		flow_count_refusal(r->sb, REASON_LIMIT_ICMP, &facts);
		log_limited(LOG_WARNING, "no socket for a new echo session: %s", strerror(-err));
		kind = ICMP_ERR_HOST_UNREACH;
	} else if (!sock_icmp_of_errno(err, &kind)) {
		return;
	}
	stack_icmp_error(&r->sb->stack, kind, NULL, e->l3, 0);
}

/* TTL, TOS and DF are the socket's, set where a request differs from the one before it. */
static void set_options(struct echo_session *es, const struct icmp_echo *e)
{
	uint8_t family = es->dial.family;
	uint8_t ttl = e->ttl > 1 ? e->ttl - 1 : 1;
	bool df = sock_wants_df(e->l3);
	if (ttl != es->ttl && sock_set_ttl(es->src.fd, family, ttl) == 0)
		es->ttl = ttl;
	if (e->tos != es->tos && sock_set_tos(es->src.fd, family, e->tos) == 0)
		es->tos = e->tos;
	if (df != es->df && sock_set_df(es->src.fd, family, df) == 0)
		es->df = df;
}

static void send_request(struct echo_session *es, const struct icmp_echo *e)
{
	struct sandbox *sb = es->relay->sb;
	uint8_t family = es->dial.family;
	es->bytes_out += e->payload.len;
	uint8_t h[ECHO_HEADER] = {family == 4 ? ICMP4_ECHO_REQUEST : ICMP6_REQUEST};
	put_be16(h + 4, es->wire_id);
	put_be16(h + 6, e->seq);
	if (es->raw && family == 4) {
		uint64_t sum = csum_add(0, h, sizeof(h));
		put_be16(h + 2, (uint16_t)~csum_fold(csum_add(sum, e->payload.p, e->payload.len)));
	}
	struct iovec iov[2] = {{.iov_base = h, .iov_len = sizeof(h)},
			       {.iov_base = (void *)(uintptr_t)e->payload.p,
				.iov_len = e->payload.len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	int err = 0;
	uint32_t mtu = 0;
	for (int attempt = 0; attempt < 2;
	     attempt++) { /* the first may fail with an earlier error */
		if (sendmsg(es->src.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			sb->cnt.echo_out++;
			return;
		}
		err = errno;
		if (err == EAGAIN || err == ENOBUFS || err == ENOMEM)
			return;
		mtu = read_errors(es);
		if (err == EMSGSIZE)
			break;
	}
	enum icmp_error kind;
	if (err == EMSGSIZE && mtu)
		stack_icmp_error(&sb->stack, ICMP_ERR_TOO_BIG, NULL, e->l3, mtu);
	else if (err != EMSGSIZE && sock_icmp_of_errno(err, &kind))
		stack_icmp_error(&sb->stack, kind, NULL, e->l3, 0);
}

static bool within_rate(struct echo_relay *r, const struct icmp_echo *e)
{
	uint64_t now = r->sb->loop->now_us;

	if (bucket_take(&r->requests, 1, now) && bucket_take(&r->bytes, e->payload.len, now))
		return true;
	struct policy_facts facts = facts_of(&e->dst);
	flow_count_refusal(r->sb, REASON_LIMIT_ICMP, &facts);
	return false;
}

void echo_relay_input(struct echo_relay *r, const struct icmp_echo *e)
{
	if (!within_rate(r, e))
		return;
	struct echo_key k = key_of(e);
	struct echo_session *es =
		table_find(&r->sessions, siphash(&r->key, &k, sizeof(k)), session_match, &k);
	if (!es) {
		struct policy_facts facts = facts_of(&e->dst);
		struct admission adm = flow_admit(r->sb, &facts, &e->src, 0);
		if (adm.verdict.answer != POLICY_ALLOW) {
			stack_icmp_error(&r->sb->stack, ICMP_ERR_ADMIN, NULL, e->l3, 0);
			return;
		}
		int err;
		es = session_new(r, e, &adm.dial, &err);
		if (!es) {
			refuse(r, e, err);
			return;
		}
		flow_open(r->sb, &es->flow, &facts, &e->src, 0, &adm.verdict);
	}
	if (r->sb->budgets && !flow_spend(r->sb, &es->flow, e->payload.len)) {
		flow_over_budget(r->sb, &es->flow);
		session_free(es);
		stack_icmp_error(&r->sb->stack, ICMP_ERR_ADMIN, NULL, e->l3, 0);
		return;
	}
	session_touch(es);
	set_options(es, e);
	send_request(es, e);
}

struct echo_relay *echo_relay_new(struct sandbox *sb, uint32_t max_sessions)
{
	struct echo_relay *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->sb = sb;
	r->max_sessions = max_sessions ? max_sessions : 1;
	sipkey_random(&r->key);
	table_init(&r->sessions, r->max_sessions);
	list_init(&r->by_use);
	r->requests = bucket_make(ECHO_RATE, ECHO_RATE, sb->loop->now_us);
	r->bytes = bucket_make(ECHO_BYTES, ECHO_BURST, sb->loop->now_us);
	return r;
}

void echo_relay_free(struct echo_relay *r)
{
	if (!r)
		return;
	list_for_each (it, &r->by_use) {
		session_free(container_of(it, struct echo_session, by_use));
	}
	table_done(&r->sessions);
	free(r);
}
