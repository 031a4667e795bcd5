// SPDX-License-Identifier: Apache-2.0
/*
 * Payload in the guest's own memory, as the stack handles it: handed on to ends that look at
 * nothing, and copied for everything else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/checksum.h"
#include "stack/rig.h"
#include "stack/tcp_conn.h"

#define PORT   80
#define LENT   4
#define MSS    1460u
#define SHARED 400000u

/* A far end: what it was given, and what it has for the guest. */
struct far {
	struct flow_end end;
	struct iovec pushed[TCP_SLICES]; /* of the last push() */
	int pushed_n;
	size_t takes; /* bytes that it takes in all */
	uint8_t got[SHARED];
	size_t got_n;
	size_t has; /* bytes for the guest */
	struct iovec asked[FRAME_TAIL_RANGES];
	int asked_n; /* of the last peek() that brought something */
	bool gone;
};

static struct far far;
/* What the guest shares: the payloads that it sends, and its receive buffers. */
static uint8_t shared[SHARED], lent_memory[SHARED];

static struct {
	struct wheel wheel;
	struct stack stack;
	uint32_t seq, ack; /* of the guest's next segment */
	uint32_t lends;    /* how often it was asked */
	int lendable;      /* frames that there is room for */
	struct iovec iov[LENT * 2];
	struct frame_tail tails[LENT];
	struct frame out[64];
	uint8_t heads[64][128];
	int out_n;
	int udp;
	uint8_t datagram[70000];
	size_t datagram_n;
} b;

/* ---- what is around the stack ---- */

static int bed_tx(void *ctx, struct frame *frames, int n)
{
	for (int i = 0; i < n && b.out_n < 64; i++) {
		struct frame *f = &b.out[b.out_n];

		*f = frames[i];
		memcpy(b.heads[b.out_n], f->data, frame_head(f) < 128 ? frame_head(f) : 128);
		f->data = b.heads[b.out_n++];
		b.ack = get_be32(f->data + 34 + 4) +
			(f->data[34 + 13] & (TCP_SYN | TCP_FIN) ? 1 : 0) + get_be16(f->data + 16) -
			20 - (f->data[34 + 12] >> 4) * 4u;
	}
	return n;
}

/* Each frame's payload in two ranges, with a hole between them. */
static int bed_lend(void *ctx, const struct frame *head, uint32_t each, uint32_t total,
		    const struct frame_tail **ret)
{
	int n = 0;

	b.lends++;
	assert_int_equal(head->len, 54);
	assert_int_equal(get_be16(head->data + 34), PORT);
	assert_int_equal(get_be16(head->data + 36), 1000);
	for (; n < b.lendable && total; n++) {
		uint32_t len = total < each ? total : each, first = len / 3;
		uint8_t *at = lent_memory + (size_t)n * 80000;

		b.iov[2 * n] = (struct iovec){at, first};
		b.iov[2 * n + 1] = (struct iovec){at + first + 1000, len - first};
		b.tails[n] = (struct frame_tail){.iov = &b.iov[2 * n], .n = 2, .at = head->len};
		total -= len;
	}
	*ret = b.tails;
	return n;
}

static void bed_udp(void *ctx, const struct udp_datagram *d)
{
	b.udp++;
	memcpy(b.datagram, d->payload.p, d->payload.len);
	b.datagram_n = d->payload.len;
}

static ssize_t far_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	size_t done = 0;

	if (off >= far.has)
		return -EAGAIN;
	far.asked_n = n;
	memcpy(far.asked, iov, (size_t)n * sizeof(*iov));
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < iov[i].iov_len && off + done < far.has; k++, done++)
			((uint8_t *)iov[i].iov_base)[k] = (uint8_t)((off + done) * 11);
	return (ssize_t)done;
}

static void far_consume(struct flow_end *e, size_t n)
{
	far.has -= n;
}

static ssize_t far_push(struct flow_end *e, const struct iovec *iov, int n)
{
	size_t took = 0;

	far.pushed_n = n;
	memcpy(far.pushed, iov, (size_t)n * sizeof(*iov));
	for (int i = 0; i < n; i++) {
		size_t k = iov[i].iov_len < far.takes ? iov[i].iov_len : far.takes;

		memcpy(far.got + far.got_n, iov[i].iov_base, k);
		far.got_n += k;
		far.takes -= k;
		took += k;
	}
	return took ? (ssize_t)took : -EAGAIN;
}

static void far_shut(struct flow_end *e)
{
}

static void far_gone(struct flow_end *e)
{
	far.gone = true;
}

static const struct flow_end_ops far_ops = {.peek = far_peek,
					    .consume = far_consume,
					    .push = far_push,
					    .shut = far_shut,
					    .reset = far_gone,
					    .close = far_gone};

static void bed_open(void *ctx, struct tcp_conn *c)
{
	tcp_conn_accept(&b.stack, c, &far.end);
}

static const struct stack_ops ops = {
	.tx = bed_tx, .lend = bed_lend, .udp = bed_udp, .tcp_open = bed_open};

/* ---- the guest ---- */

/* Head and tail of a packet of the guest's; its payload is shared[at, at + len). */
static void guest_sends(uint8_t proto, uint8_t flags, uint32_t seq, size_t at, uint32_t len,
			bool needs_csum, uint16_t frag)
{
	uint32_t l4 = proto == 17 ? 8 : 20, head = ETH_HLEN + 20 + l4;
	static uint8_t room[70000];
	uint8_t *p = room, *ip = p + ETH_HLEN, *tcp = ip + 20;
	struct iovec iov[3] = {{shared + at, len / 4},
			       {shared + at + len / 4, len / 2},
			       {shared + at + len / 4 + len / 2, len - len / 4 - len / 2}};
	struct frame_tail tail = {.iov = iov, .n = 3, .at = head, .room = p + head};
	struct frame f = {.data = p,
			  .len = head + len,
			  .meta = {.needs_csum = needs_csum},
			  .tail = len ? &tail : NULL};

	memset(p, 0xee, sizeof(room));
	memset(p, 0, head);
	memcpy(p, rig_gw_mac, 6);
	memcpy(p + 6, rig_guest_mac, 6);
	put_be16(p + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(head + len - ETH_HLEN));
	put_be16(ip + 6, frag);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, rig_guest4.b, 4);
	memcpy(ip + 16, rig_far4.b, 4);
	put_be16(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
	put_be16(tcp, 1000);
	put_be16(tcp + 2, PORT);
	if (proto == 17) {
		put_be16(tcp + 4, (uint16_t)(8 + len));
	} else {
		put_be32(tcp + 4, seq);
		put_be32(tcp + 8, flags & TCP_SYN ? 0 : b.ack);
		tcp[12] = 0x50;
		tcp[13] = flags;
		put_be16(tcp + 14, 65535);
		if (!needs_csum) {
			memcpy(tcp + 20, shared + at, len);
			put_be16(tcp + 16, csum_l4(&rig_guest4, &rig_far4, 6, tcp, 20 + len));
			if (len)
				memset(tcp + 20, 0xee, len);
		}
	}
	stack_input(&b.stack, &f);
	stack_burst_end(&b.stack);
}

static void guest_data(size_t at, uint32_t len)
{
	guest_sends(6, TCP_ACK | TCP_PSH, b.seq, at, len, true, 0);
	b.seq += len;
}

static void bed_make(bool direct)
{
	static const struct sipkey key = {1, 2};
	struct stack_config c = rig_config();

	memset(&b, 0, sizeof(b));
	memset(&far, 0, sizeof(far));
	far.end = (struct flow_end){.ops = &far_ops, .direct = direct};
	far.takes = SIZE_MAX;
	b.lendable = LENT;
	c.link_caps = LINK_CSUM | LINK_TSO4 | LINK_TSO6;
	wheel_init(&b.wheel, 0);
	assert_true(stack_init(&b.stack, &c, &ops, &b, &b.wheel, &key, 0));
	for (size_t i = 0; i < SHARED; i++)
		shared[i] = (uint8_t)(i * 3 + (i >> 9));
	b.seq = 5000;
	guest_sends(6, TCP_SYN, b.seq++, 0, 0, true, 0);
	guest_sends(6, TCP_ACK, b.seq, 0, 0, true, 0);
}

static void bed_done(void)
{
	stack_done(&b.stack);
}

static bool is_shared(const struct iovec *v)
{
	return (uint8_t *)v->iov_base >= shared && (uint8_t *)v->iov_base < shared + SHARED;
}

/* ---- from the guest ---- */

static void an_end_that_does_not_look_gets_the_guests_own_memory(void **state)
{
	bed_make(true);
	guest_data(0, 30000);
	assert_int_equal(far.pushed_n, 3);
	for (int i = 0; i < 3; i++)
		assert_true(is_shared(&far.pushed[i]));
	assert_int_equal(far.got_n, 30000);
	assert_memory_equal(far.got, shared, 30000);
	guest_data(30000, 20000);
	assert_int_equal(far.got_n, 50000);
	assert_memory_equal(far.got, shared, 50000);
	bed_done();
}

static void an_end_that_looks_gets_a_copy(void **state)
{
	bed_make(false);
	guest_data(0, 30000);
	assert_int_equal(far.pushed_n, 1);
	assert_false(is_shared(&far.pushed[0]));
	assert_memory_equal(far.got, shared, 30000);
	bed_done();
}

/* What is not taken is ours: the guest may do with its memory what it likes. */
static void what_is_not_taken_is_kept(void **state)
{
	bed_make(true);
	far.takes = 10001;
	guest_data(0, 30000);
	assert_int_equal(far.got_n, 10001);
	uint8_t *before = malloc(SHARED);
	memcpy(before, shared, SHARED);
	memset(shared, 0x55, 30000);
	far.takes = SIZE_MAX;
	tcp_end_writable(&b.stack, far.end.conn);
	stack_flush(&b.stack);
	assert_int_equal(far.got_n, 30000);
	assert_memory_equal(far.got, before, 30000);
	assert_false(is_shared(&far.pushed[0]));
	free(before);
	bed_done();
}

static void what_is_out_of_order_is_kept(void **state)
{
	bed_make(true);
	b.seq += 10000;
	guest_data(10000, 20000);
	assert_int_equal(far.got_n, 0);
	memset(shared + 10000, 0x55, 20000);
	b.seq -= 30000;
	guest_data(0, 10000);
	assert_int_equal(far.got_n, 30000);
	for (size_t i = 10000; i < 30000; i++)
		assert_int_equal(far.got[i], (uint8_t)(i * 3 + (i >> 9)));
	/* And what overlaps with what was there. */
	b.seq = 5001 + 25000;
	guest_data(25000, 10000);
	assert_int_equal(far.got_n, 35000);
	assert_memory_equal(far.got + 30000, shared + 30000, 5000);
	bed_done();
}

/* Between segment and push another end may take over, which looks. */
static void an_end_that_took_over_gets_a_copy(void **state)
{
	bed_make(true);
	far.end.direct = true;
	struct tcp_seg seg = {.seq = b.seq, .flags = TCP_ACK, .beyond = 20000};
	struct iovec iov = {shared, 20000};
	struct frame_tail tail = {.iov = &iov, .n = 1};
	seg.tail = &tail;
	assert_true(tcp_rcv_in_place(far.end.conn, &seg));
	tcp_rcv_pieces(far.end.conn, &seg);
	far.end.direct = false;
	stack_burst_end(&b.stack);
	assert_int_equal(far.got_n, 20000);
	assert_false(is_shared(&far.pushed[0]));
	bed_done();
}

static void a_segment_behind_a_fin_is_whole(void **state)
{
	bed_make(true);
	guest_sends(6, TCP_ACK | TCP_FIN, b.seq, 0, 20000, true, 0);
	assert_int_equal(far.got_n, 20000);
	assert_true(is_shared(&far.pushed[0]));
	assert_int_equal(far.end.conn->state, TCP_CLOSE_WAIT);
	/* Nothing behind the FIN is data. */
	guest_sends(6, TCP_ACK, b.seq + 20000, 0, 9000, true, 0);
	assert_int_equal(far.got_n, 20000);
	bed_done();
}

static void checksums_are_verified_over_a_copy(void **state)
{
	bed_make(true);
	guest_sends(6, TCP_ACK, b.seq, 0, 9000, false, 0);
	assert_int_equal(far.got_n, 9000);
	assert_false(is_shared(&far.pushed[0]));
	assert_memory_equal(far.got, shared, 9000);
	assert_int_equal(b.stack.cnt.drops[DROP_BAD_CHECKSUM], 0);
	bed_done();
}

static void datagrams_and_fragments_are_copied(void **state)
{
	bed_make(true);
	guest_sends(17, 0, 0, 0, 30000, true, 0);
	assert_int_equal(b.udp, 1);
	assert_int_equal(b.datagram_n, 30000);
	assert_memory_equal(b.datagram, shared, 30000);
	/* A fragment of TCP is none of the plainest. */
	guest_sends(6, TCP_ACK, b.seq, 0, 8004, true, IP4_MF);
	assert_int_equal(far.got_n, 0);
	assert_int_equal(b.stack.cnt.drops[DROP_TRUNCATED], 0);
	bed_done();
}

/* A length that the frame does not have, and one that leaves a part of it out. */
static void lengths_are_those_of_the_packet(void **state)
{
	uint8_t room[6000] = {0}, *ip = room + ETH_HLEN;
	struct iovec iov = {shared, 5000};
	struct frame_tail tail = {.iov = &iov, .n = 1, .at = 54, .room = room + 54};

	bed_make(true);
	memcpy(room, rig_gw_mac, 6);
	memcpy(room + 6, rig_guest_mac, 6);
	put_be16(room + 12, 0x0800);
	ip[0] = 0x45;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, rig_guest4.b, 4);
	memcpy(ip + 16, rig_far4.b, 4);
	put_be16(ip + 20, 1000);
	put_be16(ip + 22, PORT);
	put_be32(ip + 24, b.seq);
	put_be32(ip + 28, b.ack);
	ip[32] = 0x50;
	ip[33] = TCP_ACK;
	put_be16(ip + 34, 65535);
	for (uint16_t total = 5030; total <= 5050; total = (uint16_t)(total + 5)) {
		struct frame f = {
			.data = room, .len = 5054, .meta = {.needs_csum = true}, .tail = &tail};

		put_be16(ip + 2, total);
		put_be16(ip + 10, 0);
		put_be16(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
		stack_input(&b.stack, &f);
		stack_burst_end(&b.stack);
		if (total == 5030) {
			assert_int_equal(far.got_n, 4990);
			put_be32(ip + 24, b.seq += 4990);
		}
	}
	/* 5040 bytes are the last that are there. */
	assert_int_equal(b.stack.cnt.drops[DROP_TRUNCATED], 2);
	bed_done();
}

/* ---- to the guest ---- */

static void guest_acks(void)
{
	guest_sends(6, TCP_ACK, b.seq, 0, 0, true, 0);
}

/* Bytes for the guest, acknowledged until all of them have come. */
static void stream(size_t n)
{
	far.has += n;
	tcp_end_readable(&b.stack, far.end.conn);
	stack_flush(&b.stack);
	for (int i = 0; i < 200 && far.has; i++) {
		b.out_n = 0;
		guest_acks();
	}
	assert_int_equal(far.has, 0);
}

static bool is_lent(const struct iovec *v)
{
	return (uint8_t *)v->iov_base >= lent_memory &&
	       (uint8_t *)v->iov_base < lent_memory + SHARED;
}

static void much_for_the_guest_goes_where_it_reads_it(void **state)
{
	bed_make(true);
	stream(300000);
	assert_true(b.lends > 0);
	b.lends = 0;
	/* The window is 65,535 bytes: 44 segments, as one frame. */
	b.out_n = 0;
	far.has = 65535;
	far.end.conn->bulk = true;
	tcp_end_readable(&b.stack, far.end.conn);
	stack_flush(&b.stack);
	assert_int_equal(b.lends, 1);
	assert_true(is_lent(&far.asked[0]));
	assert_true(b.out_n >= 1);
	size_t at = 0;
	for (int i = 0; i < b.out_n; i++) {
		const struct frame *f = &b.out[i];
		uint32_t len = f->len - 54;

		assert_ptr_equal(f->tail, &b.tails[i]);
		assert_int_equal(f->tail->at, 54);
		assert_true(f->meta.needs_csum);
		assert_int_equal(get_be16(f->data + 16), f->len - ETH_HLEN);
		for (int k = 0; k < 2; k++) {
			const struct iovec *v = &f->tail->iov[k];
			for (size_t j = 0; j < v->iov_len && len; j++, at++, len--)
				assert_int_equal(((uint8_t *)v->iov_base)[j], (uint8_t)(at * 11));
		}
	}
	assert_int_equal(at, 65535);
	bed_done();
}

static void little_is_copied(void **state)
{
	bed_make(true);
	for (int i = 0; i < 20; i++)
		stream(8000);
	assert_int_equal(b.lends, 0);
	/* And what was much, and is no more. */
	stream(300000);
	b.lends = 0;
	stream(100);
	stream(100);
	stream(100);
	assert_true(b.lends <= 1);
	assert_false(far.end.conn->bulk);
	bed_done();
}

static void an_end_that_looks_fills_ours(void **state)
{
	bed_make(false);
	stream(300000);
	assert_int_equal(b.lends, 0);
	bed_done();
}

static void without_room_it_goes_as_it_always_did(void **state)
{
	bed_make(true);
	b.lendable = 0;
	stream(300000);
	assert_true(b.lends > 0);
	b.lendable = 1;
	stream(300000);
	bed_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_that_does_not_look_gets_the_guests_own_memory),
		cmocka_unit_test(an_end_that_looks_gets_a_copy),
		cmocka_unit_test(what_is_not_taken_is_kept),
		cmocka_unit_test(what_is_out_of_order_is_kept),
		cmocka_unit_test(an_end_that_took_over_gets_a_copy),
		cmocka_unit_test(a_segment_behind_a_fin_is_whole),
		cmocka_unit_test(checksums_are_verified_over_a_copy),
		cmocka_unit_test(datagrams_and_fragments_are_copied),
		cmocka_unit_test(lengths_are_those_of_the_packet),
		cmocka_unit_test(much_for_the_guest_goes_where_it_reads_it),
		cmocka_unit_test(little_is_copied),
		cmocka_unit_test(an_end_that_looks_fills_ours),
		cmocka_unit_test(without_room_it_goes_as_it_always_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
