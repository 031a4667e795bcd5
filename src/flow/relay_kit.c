// SPDX-License-Identifier: Apache-2.0
/* A sandbox without a guest, for tests. See relay_kit.h. */
#include "flow/relay_kit.h"
#include "flow/tcp_host.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <stdlib.h>
#include <unistd.h>

struct kit kit;
static unsigned wanted;
static uint64_t run_until;

uint64_t kit_hash(const void *p, size_t len)
{
	static const struct sipkey key = {1, 2};
	return siphash(&key, p, len);
}

struct ipaddr kit_addr(const char *text)
{
	struct ipaddr a = {0};
	if (!ipaddr_parse(text, &a))
		abort();
	return a;
}

static void turn_end(struct loop *l, void *ctx)
{
	if (kit.n >= wanted || l->now_us >= run_until)
		l->stop = true;
}

static void never(struct timer *t)
{
}

static void run(unsigned want, unsigned ms)
{
	struct timer wake;
	wanted = want;
	run_until = clock_now_us() + ms * 1000;
	timer_init(&wake, never);
	timer_set(&kit.loop.wheel, &wake, run_until);
	kit.loop.stop = false;
	kit.loop.turn_end = turn_end;
	loop_run(&kit.loop);
	timer_cancel(&kit.loop.wheel, &wake);
}

bool kit_run(unsigned want)
{
	if (kit.n < want)
		run(want, 2000);
	return kit.n >= want;
}

void kit_run_ms(unsigned ms)
{
	run(KIT_RECORDS + 1, ms);
}

void kit_advance(uint64_t us)
{
	kit.loop.now_us += us;
	wheel_advance(&kit.loop.wheel, kit.loop.now_us);
}

void kit_start(void)
{
	struct error err;
	memset(&kit, 0, sizeof(kit));
	if (loop_init(&kit.loop, &err) < 0)
		abort();
	kit.sb.loop = &kit.loop;
	struct stack_config *cfg = &kit.sb.stack.cfg;
	cfg->has_v4 = cfg->has_v6 = true;
	cfg->gw4 = kit.sb.env.gw4 = kit_addr("10.0.0.1");
	cfg->guest4 = kit_addr("10.0.0.2");
	cfg->prefix4 = 30;
	cfg->gw6 = kit.sb.env.gw6 = kit_addr("fd00::1");
	cfg->guest6 = kit_addr("fd00::2");
	cfg->gw6_ll = kit_addr("fe80::1");
	cfg->mtu = 1500;
	cfg->max_tcp = 4096;
	cfg->max_half_open = 1024;
	list_init(&kit.sb.flows);
}

void kit_stop(void)
{
	loop_done(&kit.loop);
}

int kit_server(const char *addr, int type, uint16_t *ret_port)
{
	struct ipaddr a = kit_addr(addr);
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_to_sockaddr(&a, 0, &sa);
	int fd = socket(sa.ss_family, type, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 128) < 0) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		abort();
	struct timeval two_seconds = {.tv_sec = 2};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof(two_seconds));
	ipaddr_from_sockaddr((struct sockaddr *)&sa, &a, ret_port);
	return fd;
}

struct udp_datagram kit_datagram(const char *src, uint16_t sport, const char *dst, uint16_t dport,
				 const void *payload, size_t len)
{
	static const uint8_t header4[28] = {0x45, [8] = 64, 17}, header6[48] = {0x60, [6] = 17, 64};
	struct udp_datagram d = {.src = kit_addr(src),
				 .dst = kit_addr(dst),
				 .sport = sport,
				 .dport = dport,
				 .ttl = 64,
				 .payload = view_make(payload, len)};
	d.l3 = d.src.family == 4 ? view_make(header4, sizeof(header4))
				 : view_make(header6, sizeof(header6));
	return d;
}

bool kit_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Sets the MTU of loopback and brings it up. */
bool kit_lo_mtu(int mtu)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_mtu = mtu;
	bool ok = ioctl(fd, SIOCSIFMTU, &ifr) == 0;
	ifr.ifr_flags = IFF_UP;
	ok &= ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
	close(fd);
	return ok;
}

bool kit_own_net(void)
{
	unsigned uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWNET)) {
		char map[64];
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
			return false;
		snprintf(map, sizeof(map), "0 %u 1", uid);
		kit_write("/proc/self/uid_map", map);
		kit_write("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", gid);
		kit_write("/proc/self/gid_map", map);
	}
	return kit_lo_mtu(65536) && kit_write("/proc/sys/net/ipv4/ping_group_range", "0 0");
}

/* ---- what the relays call ---- */

static struct kit_record *record(enum kit_what what)
{
	if (kit.n == KIT_RECORDS)
		abort();
	struct kit_record *r = &kit.rec[kit.n++];
	*r = (struct kit_record){.what = what};
	return r;
}

static struct kit_record *record_packet(enum kit_what what, const struct ipaddr *src,
					uint16_t sport, const struct ipaddr *dst, uint16_t dport,
					uint8_t ttl, uint8_t tos, const void *payload, size_t len)
{
	struct kit_record *r = record(what);
	r->src = *src;
	r->dst = *dst;
	r->sport = sport;
	r->dport = dport;
	r->ttl = ttl;
	r->tos = tos;
	r->len = len;
	r->hash = kit_hash(payload, len);
	return r;
}

bool udp_output(struct stack *s, const struct ipaddr *src, uint16_t sport, const struct ipaddr *dst,
		uint16_t dport, uint8_t ttl, uint8_t tos, const void *payload, size_t len)
{
	record_packet(KIT_UDP, src, sport, dst, dport, ttl, tos, payload, len);
	return true;
}

bool udp_output_train(struct stack *s, const struct ipaddr *src, uint16_t sport,
		      const struct ipaddr *dst, uint16_t dport, uint8_t ttl, uint8_t tos,
		      const void *payload, size_t len, size_t gso_size)
{
	bool train = gso_size && gso_size < len;
	record_packet(train ? KIT_TRAIN : KIT_UDP, src, sport, dst, dport, ttl, tos, payload, len)
		->gso_size = train ? gso_size : 0;
	return true;
}

/* What lies before the payload is the stack's. */
bool udp_output_lent(struct stack *s, const struct ipaddr *src, uint16_t sport,
		     const struct ipaddr *dst, uint16_t dport, uint8_t ttl, uint8_t tos,
		     uint8_t *payload, size_t len, size_t gso_size)
{
	udp_output_train(s, src, sport, dst, dport, ttl, tos, payload, len, gso_size);
	memset(payload - UDP_LENT_ROOM, 0xee, UDP_LENT_ROOM);
	return true;
}

void stack_tx_settle(struct stack *s)
{
}

bool icmp_echo_reply(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		     uint16_t id, uint16_t seq, uint8_t ttl, uint8_t tos, const void *payload,
		     size_t len)
{
	record_packet(KIT_ECHO, src, id, dst, seq, ttl, tos, payload, len);
	return true;
}

void stack_icmp_error(struct stack *s, enum icmp_error e, const struct ipaddr *from,
		      struct view quoted, uint32_t value)
{
	struct kit_record *r = record(KIT_ERROR);
	r->error = e;
	r->from_gateway = !from;
	r->len = quoted.len;
	r->value = value;
}

void stack_icmp_error_rebuilt(struct stack *s, enum icmp_error e, const struct ipaddr *from,
			      const struct ipaddr *src, const struct ipaddr *dst, uint8_t proto,
			      const uint8_t *l4, size_t l4_len, uint32_t value)
{
	struct kit_record *r = record_packet(KIT_REBUILT, src, 0, dst, 0, 0, 0, l4, l4_len);
	bool udp = proto == 17;
	r->sport = get_be16(l4 + (udp ? 0 : 4));
	r->dport = get_be16(l4 + (udp ? 2 : 6));
	r->error = e;
	r->from_gateway = !from;
	if (from)
		r->from = *from;
	r->value = value;
}

struct admission flow_admit(struct sandbox *sb, const struct policy_facts *f,
			    const struct ipaddr *guest, uint16_t guest_port)
{
	struct admission adm = {.dial = f->remote};
	kit.admissions++;
	kit.facts = *f;
	adm.verdict.answer = kit.deny ? POLICY_DENY : POLICY_ALLOW;
	if (ipaddr_eq(&f->remote, &sb->env.gw4) || ipaddr_eq(&f->remote, &sb->env.gw6)) {
		adm.dial = kit_addr(f->remote.family == 4 ? "127.0.0.1" : "::1");
		adm.to_host_loopback = true;
	}
	return adm;
}

void flow_count_refusal(struct sandbox *sb, enum policy_reason why, const struct policy_facts *f)
{
	kit.refusals++;
	kit.refusal = why;
	kit.facts = *f;
}

struct policy_verdict flow_decide(struct sandbox *sb, const struct policy_facts *f)
{
	return (struct policy_verdict){.answer = kit.deny ? POLICY_DENY : POLICY_ALLOW, .rule = -1};
}

void flow_note_refusal(struct sandbox *sb, const struct policy_facts *f, const struct ipaddr *guest,
		       uint16_t guest_port, uint64_t flow, const struct policy_verdict *v)
{
	kit.refusals++;
	kit.refusal = v->reason;
}

struct ipaddr flow_reduce(const struct sandbox *sb, const struct ipaddr *a)
{
	return *a;
}

void tcp_relay_follow(struct sandbox *sb, struct tcp_conn *c, const struct policy_facts *facts,
		      uint16_t client_port)
{
	kit.followed++;
	kit.facts = *facts;
}

bool stack_is_gateway(const struct stack *s, const struct ipaddr *a)
{
	return ipaddr_eq(a, &s->cfg.gw4) || ipaddr_eq(a, &s->cfg.gw6) ||
	       ipaddr_eq(a, &s->cfg.gw6_ll);
}

struct tcp_conn *tcp_conn_open(struct stack *s, const struct ipaddr *src, uint16_t sport,
			       const struct ipaddr *dst, uint16_t dport, struct flow_end *end)
{
	if (kit.refuse_opens) {
		kit.refuse_opens--;
		return NULL;
	}
	struct kit_record *r = record_packet(KIT_OPEN, src, sport, dst, dport, 0, 0, "", 0);
	r->end = end;
	end->conn = (struct tcp_conn *)r; /* never looked into */
	return end->conn;
}

unsigned tcp_conn_count(const struct stack *s, unsigned *ret_half_open)
{
	if (ret_half_open)
		*ret_half_open = kit.half_open;
	return kit.half_open;
}

/* ---- the end of an accepted connection ---- */

struct kit_end {
	struct flow_end end;
	int fd;
};

static ssize_t end_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct kit_end *ke = container_of(e, struct kit_end, end);
	return recv(ke->fd, iov->iov_base, iov->iov_len, MSG_PEEK | MSG_DONTWAIT);
}

static void end_done(struct flow_end *e, enum kit_what what)
{
	struct kit_end *ke = container_of(e, struct kit_end, end);
	struct linger now = {.l_onoff = what == KIT_RESET};
	setsockopt(ke->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(ke->fd);
	record(what)->end = e;
	free(ke);
}

static void end_reset(struct flow_end *e)
{
	end_done(e, KIT_RESET);
}

static void end_close(struct flow_end *e)
{
	end_done(e, KIT_CLOSED);
}

struct flow_end *tcp_host_end_new(struct sandbox *sb, int fd)
{
	static const struct flow_end_ops ops = {.peek = end_peek,
						.reset = end_reset,
						.close = end_close};
	struct kit_end *ke = calloc(1, sizeof(*ke));
	if (!ke)
		abort();
	ke->end.ops = &ops;
	ke->fd = fd;
	return &ke->end;
}
