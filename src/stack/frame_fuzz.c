// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer: frames of any kind, in sequence, against a stack whose callbacks respond.
 *
 * Input: a configuration byte (enum config_bits), then records of a flag byte (enum record_bits), a
 * 16-bit length and that many bytes. A frame may be given right checksums on its way in, so that
 * the fuzzer need not guess them. Every frame that comes out is checked as a guest would: lengths,
 * addresses of the link, checksums, the MTU. TCP connections end in a buffer that echoes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "link/link.h"
#include "stack/checksum.h"
#include "stack/ip.h"
#include "stack/tcp.h"

enum config_bits {
	CONFIG_MTU = 3, /* index into mtus[] */
	CONFIG_USO = 4,
	CONFIG_TSO = 8,
	CONFIG_ANY_SOURCE = 16,
	CONFIG_NO_V4 = 32,
	CONFIG_NO_V6 = 64,
	CONFIG_LEARN = 128, /* the guest's MAC is not known at first */
};

enum record_bits {
	RECORD_KIND = 3, /* enum record_kind */
	RECORD_FIX = 4,  /* right checksums */
	RECORD_SUM_VALID = 8,
	RECORD_SUM_PARTIAL = 16,
	RECORD_HOLD = 32,  /* the burst goes on */
	RECORD_ACK = 64,   /* a TCP segment's ACK number counts from the last ISN that came out */
	RECORD_TAIL = 128, /* what is behind the longest headers lies in the guest's memory */
};

enum record_kind {
	KIND_FRAME,
	KIND_GSO,  /* the first three bytes are gso type and size */
	KIND_TIME, /* the length is milliseconds */
	KIND_LINK, /* the length is how many frames the link takes before it blocks; 0: all */
};

#define BURST_MAX 64
#define TAIL_AT   134 /* Ethernet, IP and TCP headers as long as they can be */
#define ECHO_SIZE 8192
#define HELD_MAX  16

static const uint16_t mtus[] = {1500, 1280, 9000, 65520};

struct echo {
	struct flow_end e;
	struct list all;
	uint8_t buf[ECHO_SIZE];
	size_t len; /* bytes for the guest, not yet acknowledged */
	bool eof, full;
	bool readable, writable; /* to be told, after the call */
};

struct fuzz {
	struct stack stack;
	struct wheel wheel;
	struct list echoes;
	struct tcp_conn *held[HELD_MAX]; /* dialling */
	unsigned held_n;
	uint8_t *burst[BURST_MAX];
	struct frame_tail tail[BURST_MAX];
	struct iovec tail_iov[BURST_MAX];
	unsigned burst_n;
	unsigned link_takes; /* frames until it blocks; 0: no end */
	uint32_t iss;        /* of the last SYN that came out */
};

/* ---- what comes out ---- */

static void require_at(bool ok, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d does not hold\n", line);
	abort();
}
#define require(ok) require_at(ok, __LINE__)

static void check_l4(const struct frame *f, const struct ipaddr *src, const struct ipaddr *dst,
		     uint8_t proto, const uint8_t *l4, size_t len)
{
	if (proto != IPPROTO_TCP_ && proto != IPPROTO_UDP_ && proto != IPPROTO4_ICMP &&
	    proto != IPPROTO6_ICMP)
		abort();
	if (f->meta.needs_csum) {
		size_t at = (size_t)f->meta.csum_start + f->meta.csum_offset;
		require(f->data + f->meta.csum_start == l4 && at + 2 <= f->len);
		require(get_be16(f->data + at) ==
			csum_fold(csum_pseudo(src, dst, proto, (uint32_t)len)));
	} else if (proto == IPPROTO4_ICMP) {
		require(csum_fold(csum_add(0, l4, len)) == 0xffff);
	} else {
		require(csum_l4_ok(src, dst, proto, l4, len));
	}
}

static void check_v4(const struct frame *f)
{
	const uint8_t *ip = f->data + ETH_HLEN;
	struct ipaddr src, dst;

	require(f->len >= ETH_HLEN + 20 && ip[0] == 0x45);
	require(get_be16(ip + 2) == f->len - ETH_HLEN);
	require(csum_fold(csum_add(0, ip, 20)) == 0xffff);
	if (get_be16(ip + 6) & (IP4_MF | IP4_OFF_MASK))
		return;
	src = ipaddr_v4(ip + 12);
	dst = ipaddr_v4(ip + 16);
	check_l4(f, &src, &dst, ip[9], ip + 20, f->len - ETH_HLEN - 20);
}

static void check_v6(const struct frame *f)
{
	const uint8_t *ip = f->data + ETH_HLEN;
	struct ipaddr src, dst;

	require(f->len >= ETH_HLEN + 40 && ip[0] >> 4 == 6);
	require(get_be16(ip + 4) == f->len - ETH_HLEN - 40);
	if (ip[6] == 44)
		return;
	src = ipaddr_v6(ip + 8);
	dst = ipaddr_v6(ip + 24);
	check_l4(f, &src, &dst, ip[6], ip + 40, f->len - ETH_HLEN - 40);
}

static void check_frame(const struct fuzz *z, const struct frame *f)
{
	const struct stack_config *c = &z->stack.cfg;
	uint32_t need = f->meta.gso == FRAME_GSO_TCPV4    ? LINK_TSO4
			: f->meta.gso == FRAME_GSO_TCPV6  ? LINK_TSO6
			: f->meta.gso == FRAME_GSO_UDP_L4 ? LINK_USO
			: f->meta.gso == FRAME_GSO_UDP    ? LINK_UFO
							  : 0;

	require(f->len >= ETH_HLEN && f->len <= FRAME_MAX);
	require((c->link_caps & need) == need);
	require(!f->meta.needs_csum || need || c->link_caps & LINK_CSUM);
	if (!f->meta.gso)
		require(f->len <= (size_t)ETH_HLEN + c->mtu);
	else
		/* A fragment is counted from the UDP header on, a piece from behind its header. */
		require(f->meta.gso_size && f->meta.hdr_len - ETH_HLEN -
							    (f->meta.gso == FRAME_GSO_UDP ? 8 : 0) +
							    f->meta.gso_size <=
						    c->mtu);
	require(!memcmp(f->data + 6, c->gw_mac, 6));
	if (get_be16(f->data + 12) == 0x0800)
		check_v4(f);
	else if (get_be16(f->data + 12) == 0x86dd)
		check_v6(f);
	else
		abort();
}

static uint8_t *find_tcp(uint8_t *b, size_t len)
{
	size_t at = ETH_HLEN;

	if (len < ETH_HLEN + 40)
		return NULL;
	at += b[12] == 0x08 ? (size_t)(b[ETH_HLEN] & 15) * 4 : 40;
	if (b[b[12] == 0x08 ? ETH_HLEN + 9 : ETH_HLEN + 6] != IPPROTO_TCP_ || at + 20 > len)
		return NULL;
	return b + at;
}

static void note_syn(struct fuzz *z, const struct frame *f)
{
	const uint8_t *tcp = find_tcp(f->data, f->len);

	if (tcp && tcp[13] & 2)
		z->iss = get_be32(tcp + 4);
}

static int fuzz_tx(void *ctx, struct frame *frames, int n)
{
	struct fuzz *z = ctx;
	int i;

	for (i = 0; i < n; i++) {
		if (z->link_takes == 1)
			break;
		check_frame(z, &frames[i]);
		note_syn(z, &frames[i]);
		if (z->link_takes)
			z->link_takes--;
	}
	return i;
}

/* ---- the far end of connections ---- */

static ssize_t echo_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct echo *o = container_of(e, struct echo, e);
	size_t got = 0;

	require(off <= o->len);
	if (off == o->len)
		return o->eof ? 0 : -EAGAIN;
	for (int i = 0; i < n && off < o->len; i++) {
		size_t k = o->len - off < iov[i].iov_len ? o->len - off : iov[i].iov_len;
		memcpy(iov[i].iov_base, o->buf + off, k);
		off += k;
		got += k;
	}
	return (ssize_t)got;
}

static void echo_consume(struct flow_end *e, size_t n)
{
	struct echo *o = container_of(e, struct echo, e);

	require(n <= o->len);
	o->len -= n;
	memmove(o->buf, o->buf + n, o->len);
	o->writable = o->full;
	o->full = false;
}

static ssize_t echo_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct echo *o = container_of(e, struct echo, e);
	size_t took = 0, want = 0;

	require(!o->eof);
	for (int i = 0; i < n; i++) {
		size_t k = ECHO_SIZE - o->len;
		k = k < iov[i].iov_len ? k : iov[i].iov_len;
		memcpy(o->buf + o->len, iov[i].iov_base, k);
		o->len += k;
		took += k;
		want += iov[i].iov_len;
	}
	o->readable = took > 0;
	o->full = took < want;
	return took || !want ? (ssize_t)took : -EAGAIN;
}

static void echo_shut(struct flow_end *e)
{
	struct echo *o = container_of(e, struct echo, e);

	require(!o->eof);
	o->eof = true;
	o->readable = true;
}

static void echo_free(struct flow_end *e)
{
	struct echo *o = container_of(e, struct echo, e);

	list_del(&o->all);
	free(o);
}

static const struct flow_end_ops echo_ops = {
	.peek = echo_peek,
	.consume = echo_consume,
	.push = echo_push,
	.shut = echo_shut,
	.reset = echo_free,
	.close = echo_free,
};

static void accept_conn(struct fuzz *z, struct tcp_conn *c)
{
	struct echo *o = calloc(1, sizeof(*o));

	o->e.ops = &echo_ops;
	o->e.direct = true;
	list_add_tail(&z->echoes, &o->all);
	tcp_conn_accept(&z->stack, c, &o->e);
}

/* Ends may not call up from inside a call down: what they have to say is said here. */
static void serve_ends(struct fuzz *z)
{
	for (int round = 0; round < 100; round++) {
		bool more = false;
		list_for_each (it, &z->echoes) {
			struct echo *o = container_of(it, struct echo, all);
			bool readable = o->readable, writable = o->writable;
			o->readable = o->writable = false;
			more = more || readable || writable;
			if (readable)
				tcp_end_readable(&z->stack, o->e.conn);
			if (writable)
				tcp_end_writable(&z->stack, o->e.conn);
		}
		if (!more)
			return;
		stack_flush(&z->stack);
	}
}

/* ---- callbacks ---- */

static void fuzz_tcp_open(void *ctx, struct tcp_conn *c)
{
	struct fuzz *z = ctx;
	struct tcp_facts facts;

	tcp_conn_facts(c, &facts);
	if (facts.remote_port % 8 < 4) {
		accept_conn(z, c);
	} else if (facts.remote_port % 8 < 7 && z->held_n < HELD_MAX) {
		tcp_conn_set_owner(c, z);
		z->held[z->held_n++] = c;
	} else {
		tcp_conn_refuse(&z->stack, c, (enum tcp_refusal)(facts.remote_port / 8 % 5));
	}
}

static void fuzz_gone(void *ctx, struct tcp_conn *c, enum tcp_ending how)
{
	struct fuzz *z = ctx;

	for (unsigned i = 0; i < z->held_n; i++) {
		if (z->held[i] == c) {
			require(how == TCP_END_DIALING);
			z->held[i] = z->held[--z->held_n];
			return;
		}
	}
	/* Answered before, and so no longer held. */
	require(how != TCP_END_DIALING);
}

/* An answer in memory that is gone at once. */
static void answer_lent(struct fuzz *z, const struct udp_datagram *d)
{
	uint8_t *b = malloc(UDP_LENT_ROOM + d->payload.len);

	if (d->payload.len)
		memcpy(b + UDP_LENT_ROOM, d->payload.p, d->payload.len);
	udp_output_lent(&z->stack, &d->dst, d->dport, &d->src, d->sport, d->ttl, d->tos,
			b + UDP_LENT_ROOM, d->payload.len, d->gso_size);
	stack_tx_settle(&z->stack);
	free(b);
}

static void fuzz_udp(void *ctx, const struct udp_datagram *d)
{
	struct fuzz *z = ctx;

	if (d->dport % 4 == 3)
		stack_icmp_error(&z->stack, (enum icmp_error)(d->dport / 4 % 9), NULL, d->l3,
				 d->sport);
	else if (d->sport % 4 == 3)
		answer_lent(z, d);
	else if (d->sport)
		udp_output_train(&z->stack, &d->dst, d->dport, &d->src, d->sport, d->ttl, d->tos,
				 d->payload.p, d->payload.len, d->gso_size);
}

static void fuzz_dhcp(void *ctx, const uint8_t src_mac[6], const struct udp_datagram *d)
{
	fuzz_udp(ctx, d);
}

static void fuzz_echo(void *ctx, const struct icmp_echo *e)
{
	struct fuzz *z = ctx;

	icmp_echo_reply(&z->stack, &e->dst, &e->src, e->id, e->seq, e->ttl, e->tos, e->payload.p,
			e->payload.len);
}

/* Reads all of what it is given, so that a sanitizer sees views that lead astray. */
static void read_all(struct view v)
{
	volatile uint64_t sum = csum_add(0, v.p, v.len);
	(void)sum;
}

static void fuzz_arp(void *ctx, const uint8_t src_mac[6], struct view payload)
{
	read_all(payload);
}

static void fuzz_ndp(void *ctx, const uint8_t src_mac[6], const struct packet *p)
{
	require(p->ttl == 255 && !p->reassembled);
	read_all(p->l4);
	read_all(p->l3);
}

static void fuzz_guest_error(void *ctx, const struct packet *p)
{
	read_all(p->l4);
	read_all(p->l3);
}

static const struct stack_ops fuzz_ops = {
	.tx = fuzz_tx,
	.arp = fuzz_arp,
	.ndp = fuzz_ndp,
	.dhcp = fuzz_dhcp,
	.udp = fuzz_udp,
	.echo = fuzz_echo,
	.tcp_open = fuzz_tcp_open,
	.guest_icmp_error = fuzz_guest_error,
};

/* ---- what goes in ---- */

static void fix_checksums(uint8_t *b, size_t len)
{
	struct ipaddr src, dst;
	size_t l4, end, at;
	uint8_t proto;

	if (len >= ETH_HLEN + 20 && get_be16(b + 12) == 0x0800) {
		size_t ihl = (size_t)(b[ETH_HLEN] & 15) * 4;
		if (ihl < 20 || ETH_HLEN + ihl > len)
			return;
		put_be16(b + ETH_HLEN + 10, 0);
		put_be16(b + ETH_HLEN + 10, (uint16_t)~csum_fold(csum_add(0, b + ETH_HLEN, ihl)));
		src = ipaddr_v4(b + ETH_HLEN + 12);
		dst = ipaddr_v4(b + ETH_HLEN + 16);
		proto = b[ETH_HLEN + 9];
		l4 = ETH_HLEN + ihl;
		end = ETH_HLEN + (size_t)get_be16(b + ETH_HLEN + 2);
		if (get_be16(b + ETH_HLEN + 6) & (IP4_MF | IP4_OFF_MASK))
			return;
	} else if (len >= ETH_HLEN + 40 && get_be16(b + 12) == 0x86dd) {
		src = ipaddr_v6(b + ETH_HLEN + 8);
		dst = ipaddr_v6(b + ETH_HLEN + 24);
		proto = b[ETH_HLEN + 6];
		l4 = ETH_HLEN + 40;
		end = l4 + get_be16(b + ETH_HLEN + 4);
	} else {
		return;
	}
	at = proto == IPPROTO_TCP_ ? 16 : proto == IPPROTO_UDP_ ? 6 : 2;
	if (end > len || l4 + at + 2 > end)
		return;
	put_be16(b + l4 + at, 0);
	put_be16(b + l4 + at, proto == IPPROTO4_ICMP
				      ? (uint16_t)~csum_fold(csum_add(0, b + l4, end - l4))
				      : csum_l4(&src, &dst, proto, b + l4, end - l4));
}

static void burst_end(struct fuzz *z)
{
	stack_burst_end(&z->stack);
	for (unsigned i = 0; i < z->burst_n; i++) {
		free(z->burst[i]);
		free(z->tail_iov[i].iov_base);
	}
	z->burst_n = 0;
	serve_ends(z);
}

/* Moves the end of a frame to memory of its own. */
static void leave_tail(struct fuzz *z, struct frame *f)
{
	struct iovec *iov = &z->tail_iov[z->burst_n];

	*iov = (struct iovec){malloc(f->len - TAIL_AT), f->len - TAIL_AT};
	memcpy(iov->iov_base, f->data + TAIL_AT, iov->iov_len);
	memset(f->data + TAIL_AT, 0xee, iov->iov_len);
	z->tail[z->burst_n] =
		(struct frame_tail){.iov = iov, .n = 1, .at = TAIL_AT, .room = f->data + TAIL_AT};
	f->tail = &z->tail[z->burst_n];
}

static void send_frame(struct fuzz *z, struct view v, uint8_t flags)
{
	struct frame f = {.meta = {.csum_valid = flags & RECORD_SUM_VALID,
				   .needs_csum = flags & RECORD_SUM_PARTIAL}};
	uint8_t *tcp;

	if ((flags & RECORD_KIND) == KIND_GSO &&
	    (!view_get_u8(&v, &f.meta.gso) || !view_get_be16(&v, &f.meta.gso_size)))
		return;
	f.data = malloc(v.len ? v.len : 1);
	f.len = (uint32_t)v.len;
	memcpy(f.data, v.p, v.len);
	tcp = find_tcp(f.data, f.len);
	if (tcp && flags & RECORD_ACK)
		put_be32(tcp + 8, get_be32(tcp + 8) + z->iss);
	if (flags & RECORD_FIX)
		fix_checksums(f.data, f.len);
	z->tail_iov[z->burst_n].iov_base = NULL;
	if (flags & RECORD_TAIL && f.len > TAIL_AT)
		leave_tail(z, &f);
	z->burst[z->burst_n++] = f.data;
	stack_input(&z->stack, &f);
	if (z->burst_n == BURST_MAX || !(flags & RECORD_HOLD))
		burst_end(z);
}

static void pass_time(struct fuzz *z, uint64_t ms)
{
	burst_end(z);
	stack_set_now(&z->stack, stack_now(&z->stack) + ms * 1000);
	wheel_advance(&z->wheel, stack_now(&z->stack));
	while (z->held_n)
		accept_conn(z, z->held[--z->held_n]);
	stack_flush(&z->stack);
	serve_ends(z);
}

static void set_link(struct fuzz *z, uint16_t takes)
{
	z->link_takes = takes ? takes % 64 + 1 : 0;
	stack_tx_unblocked(&z->stack);
}

static void configure(struct stack_config *c, uint8_t bits)
{
	static const uint8_t gw_mac[6] = {2, 0, 0, 0, 0, 1}, guest_mac[6] = {2, 0, 0, 0, 0, 2};

	memcpy(c->gw_mac, gw_mac, 6);
	if (!(bits & CONFIG_LEARN))
		memcpy(c->guest_mac, guest_mac, 6);
	c->has_v4 = !(bits & CONFIG_NO_V4);
	c->has_v6 = !(bits & CONFIG_NO_V6);
	c->gw4 = (struct ipaddr){4, {172, 16, 0, 1}};
	c->guest4 = (struct ipaddr){4, {172, 16, 0, 2}};
	c->prefix4 = 24;
	c->gw6 = (struct ipaddr){6, {0xfd, 0x42, [15] = 1}};
	c->guest6 = (struct ipaddr){6, {0xfd, 0x42, [15] = 2}};
	c->gw6_ll = (struct ipaddr){6, {0xfe, 0x80, [15] = 1}};
	c->mtu = mtus[bits & CONFIG_MTU];
	c->link_caps = (bits & CONFIG_USO ? LINK_USO | LINK_UFO | LINK_CSUM : 0) |
		       (bits & CONFIG_TSO ? LINK_TSO4 | LINK_TSO6 | LINK_CSUM : 0);
	c->allow_any_source = bits & CONFIG_ANY_SOURCE;
	c->max_tcp = 16;
	c->max_half_open = 8;
	c->tcp_queue_max = 1 << 18;
	c->tcp_queue_total = 1 << 22;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sipkey key = {1, 2};
	struct fuzz *z = calloc(1, sizeof(*z));
	struct stack_config c = {0};
	struct view v = view_make(data, size), body;
	uint8_t bits = 0, flags;
	uint16_t len;

	view_get_u8(&v, &bits);
	configure(&c, bits);
	list_init(&z->echoes);
	wheel_init(&z->wheel, 0);
	require(stack_init(&z->stack, &c, &fuzz_ops, z, &z->wheel, &key, 0));
	tcp_set_gone_hook(&z->stack, fuzz_gone);
	while (view_get_u8(&v, &flags) && view_get_be16(&v, &len)) {
		unsigned kind = flags & RECORD_KIND;
		if (kind == KIND_TIME)
			pass_time(z, len);
		else if (kind == KIND_LINK)
			set_link(z, len);
		else if (view_take(&v, len < v.len ? len : v.len, &body))
			send_frame(z, body, flags);
	}
	burst_end(z);
	set_link(z, 0);
	stack_done(&z->stack);
	require(list_empty(&z->echoes) && z->wheel.count == 0 && z->held_n == 0);
	free(z);
	return 0;
}
