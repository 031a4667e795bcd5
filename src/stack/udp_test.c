// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams from the guest, and to it: checks, sizes, fragments, trains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "link/link.h"
#include "stack/checksum.h"
#include "stack/ip.h"
#include "stack/rig.h"

static struct pkt pkt;
static uint8_t big[65536];

static int setup(void **state)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 13 + i / 251);
	*state = rig_new();
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void send_pkt(struct rig *r)
{
	rig_clear(r);
	rig_input(r, pkt.b, pkt.len);
}

static void expect_drop(struct rig *r, enum drop_reason why)
{
	send_pkt(r);
	assert_int_equal(rig_drops(r, why), 1);
	assert_int_equal(r->udp + r->dhcp, 0);
}

static void datagrams_are_handed_up(void **state)
{
	struct rig *r = *state;

	for (size_t n = 0; n < 1400; n += 7) {
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 4433, n);
		send_pkt(r);
		assert_int_equal(r->udp, 1);
		assert_int_equal(r->last_udp.sport, 4000);
		assert_int_equal(r->last_udp.dport, 4433);
		assert_true(ipaddr_eq(&r->last_udp.src, &rig_guest4));
		assert_true(ipaddr_eq(&r->last_udp.dst, &rig_far4));
		assert_int_equal(r->payload_len, n);
		assert_memory_equal(r->payload, pkt.b + 42, n);
		pkt_make_udp(&pkt, &rig_guest6, &rig_far6, 4433, n);
		send_pkt(r);
		assert_int_equal(r->udp, 1);
		assert_memory_equal(r->payload, pkt.b + 62, n);
	}
}

static void dhcp_has_its_own_way(void **state)
{
	struct rig *r = *state;
	const struct {
		const struct ipaddr *src, *dst;
		uint16_t port;
		bool dhcp;
	} table[] = {
		{&rig_guest4, &rig_gw4, 67, true},    {&rig_guest4, &rig_far4, 67, true},
		{&rig_guest4, &rig_gw4, 547, false},  {&rig_guest6, &rig_gw6, 547, true},
		{&rig_guest_ll, &rig_gw6, 67, false}, {&rig_guest4, &rig_gw4, 68, false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		pkt_make_udp(&pkt, table[i].src, table[i].dst, table[i].port, 9);
		send_pkt(r);
		assert_int_equal(r->dhcp, table[i].dhcp);
		assert_int_equal(r->udp, !table[i].dhcp);
	}
}

static void checksums_are_verified(void **state)
{
	struct rig *r = *state;
	struct frame_meta vouched = {.csum_valid = true}, partial = {.needs_csum = true};

	for (int v = 4; v <= 6; v += 2) {
		size_t l4 = ETH_HLEN + (v == 4 ? 20 : 40);
		pkt_make_udp(&pkt, v == 4 ? &rig_guest4 : &rig_guest6,
			     v == 4 ? &rig_far4 : &rig_far6, 9, 33);
		for (size_t i = l4; i < pkt.len; i++) {
			if (i == l4 + 4 || i == l4 + 5)
				continue; /* the length is judged first */
			pkt.b[i] ^= 0x20;
			expect_drop(r, DROP_BAD_CHECKSUM);
			pkt.b[i] ^= 0x20;
		}
		pkt.b[l4 + 9] ^= 1;
		rig_clear(r);
		rig_input_meta(r, pkt.b, pkt.len, &vouched);
		assert_int_equal(r->udp, 1);
		rig_input_meta(r, pkt.b, pkt.len, &partial);
		assert_int_equal(r->udp, 2);
		/* None at all: IPv4 may, IPv6 may not. */
		put_be16(pkt.b + l4 + 6, 0);
		send_pkt(r);
		assert_int_equal(r->udp, v == 4);
		assert_int_equal(rig_drops(r, DROP_BAD_CHECKSUM), v == 6);
	}
}

static void lengths_are_checked(void **state)
{
	struct rig *r = *state;

	for (unsigned len = 0; len < 40; len++) {
		size_t l4 = ETH_HLEN + 20;
		pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, 10);
		put_be16(pkt.b + l4 + 4, (uint16_t)len);
		put_be16(pkt.b + l4 + 6, 0);
		if (len < 8) {
			expect_drop(r, DROP_BAD_HEADER);
		} else if (len > 18) {
			expect_drop(r, DROP_TRUNCATED);
		} else {
			send_pkt(r);
			assert_int_equal(r->udp, 1);
			assert_int_equal(r->payload_len, len - 8);
		}
	}
	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 0, 10);
	expect_drop(r, DROP_BAD_HEADER);
}

/* A super-segment of `n` bytes in pieces of `gso`. */
static void send_train(struct rig *r, size_t n, uint16_t gso)
{
	struct frame_meta m = {.gso = FRAME_GSO_UDP_L4, .gso_size = gso, .needs_csum = true};

	pkt_make_udp(&pkt, &rig_guest4, &rig_far4, 9, n);
	rig_clear(r);
	rig_input_meta(r, pkt.b, pkt.len, &m);
}

static void trains_from_the_guest_stay_whole(void **state)
{
	struct rig *r = *state;

	send_train(r, 60000, 1400);
	assert_int_equal(r->udp, 1);
	assert_int_equal(r->last_udp.gso_size, 1400);
	assert_int_equal(r->payload_len, 60000);
	send_train(r, 1400, 1400);
	assert_int_equal(r->last_udp.gso_size, 0);
	send_train(r, 128, 1);
	assert_int_equal(r->udp, 1);
	/* More pieces than any kernel makes. */
	send_train(r, 129, 1);
	assert_int_equal(r->udp, 0);
	assert_int_equal(rig_drops(r, DROP_BAD_HEADER), 1);
	send_train(r, 1400, 0);
	assert_int_equal(r->udp, 1);
	assert_int_equal(r->last_udp.gso_size, 0);
}

/* What udp_output() sends in fragments comes out of our own reassembly as it was. */
static void output_round_trip(void **state)
{
	const size_t sizes[] = {0,    1,    7,    8,     1452,  1453,  1472,  1473,
				1480, 2952, 2953, 20000, 65486, 65487, 65507, 65508};
	const uint16_t mtus[] = {1280, 1500, 1501, 9000, 65520};

	for (size_t m = 0; m < sizeof(mtus) / sizeof(mtus[0]); m++) {
		struct stack_config c = rig_config();
		struct rig *r, *guest = rig_new_mirror(mtus[m]);
		c.mtu = mtus[m];
		r = rig_new_with(&c);
		for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
			bool v4 = i % 2;
			size_t n = sizes[i / 2], max = v4 ? 65507 : 65487;
			bool ok;
			rig_clear(r);
			rig_clear(guest);
			ok = udp_output(&r->stack, v4 ? &rig_far4 : &rig_far6, 53,
					v4 ? &rig_guest4 : &rig_guest6, 4000, 61, 0x02, big, n);
			stack_flush(&r->stack);
			assert_int_equal(ok, n <= max);
			assert_int_equal(rig_drops(r, DROP_LIMIT), n > max);
			for (int k = 0; k < r->out_n; k++) {
				assert_true(r->out[k].len <= (size_t)ETH_HLEN + mtus[m]);
				rig_input(guest, r->out[k].data, r->out[k].len);
			}
			assert_int_equal(rig_all_drops(guest), 0);
			assert_int_equal(guest->udp, n <= max);
			if (n > max)
				continue;
			assert_int_equal(guest->payload_len, n);
			assert_memory_equal(guest->payload, big, n);
			assert_int_equal(guest->last_udp.sport, 53);
			assert_int_equal(guest->last_udp.dport, 4000);
			assert_int_equal(guest->last_udp.ttl, 61);
			assert_int_equal(guest->last_udp.tos, 0x02);
			rig_advance(guest, 2000);
		}
		rig_free(r);
		rig_free(guest);
	}
}

/* A whole packet must not be fragmented, a fragment may be; ids of fragments differ. */
static void dont_fragment_and_ids(void **state)
{
	struct rig *r = *state;
	uint16_t id;

	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 64, 0, big, 100);
	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 64, 0, big, 2000);
	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 64, 0, big, 2000);
	stack_flush(&r->stack);
	assert_int_equal(r->out_n, 5);
	assert_int_equal(get_be16(r->out[0].data + ETH_HLEN + 6), 0x4000);
	assert_int_equal(get_be16(r->out[0].data + ETH_HLEN + 4), 0);
	assert_int_equal(get_be16(r->out[1].data + ETH_HLEN + 6), 0x2000);
	assert_int_equal(get_be16(r->out[2].data + ETH_HLEN + 6), 185);
	id = get_be16(r->out[1].data + ETH_HLEN + 4);
	assert_int_equal(get_be16(r->out[2].data + ETH_HLEN + 4), id);
	assert_int_not_equal(get_be16(r->out[3].data + ETH_HLEN + 4), id);
	assert_int_equal(r->stack.cnt.frag_sent, 4);
}

/* The fragments that a kernel would make of a super-frame, for the mirror. */
static void feed_as_fragments(struct rig *guest, const struct rig_frame *f, bool v4)
{
	size_t ip = v4 ? 20 : 40, l4 = ETH_HLEN + ip, total = f->len - l4;
	uint8_t whole[FRAME_MAX];

	assert_int_equal(f->meta.csum_start, l4);
	memcpy(whole, f->data, f->len);
	put_be16(whole + l4 + 6, csum_fold(csum_add(0, whole + l4, total)) ^ 0xffff);
	for (size_t off = 0; off < total; off += f->meta.gso_size) {
		size_t n = total - off < f->meta.gso_size ? total - off : f->meta.gso_size;
		bool more = off + n < total;
		uint8_t b[2048];
		uint8_t *at = b + l4;
		memcpy(b, whole, l4);
		if (v4) {
			put_be16(b + ETH_HLEN + 2, (uint16_t)(ip + n));
			put_be16(b + ETH_HLEN + 6, (uint16_t)(off / 8) | (more ? IP4_MF : 0));
			put_be16(b + ETH_HLEN + 10, 0);
			put_be16(b + ETH_HLEN + 10,
				 (uint16_t)~csum_fold(csum_add(0, b + ETH_HLEN, ip)));
		} else {
			put_be16(b + ETH_HLEN + 4, (uint16_t)(8 + n));
			b[ETH_HLEN + 6] = 44;
			at[0] = IPPROTO_UDP_;
			at[1] = 0;
			put_be16(at + 2, (uint16_t)off | more);
			put_be32(at + 4, 7);
			at += 8;
		}
		memcpy(at, whole + l4 + off, n);
		assert_true((size_t)(at - b) + n <= ETH_HLEN + 1500);
		rig_input(guest, b, (size_t)(at - b) + n);
	}
}

/* A link with UFO gets one frame, of which fragments that fit can be made. */
static void over_the_mtu_goes_whole_to_a_link_with_ufo(void **state)
{
	const size_t sizes[] = {1452, 1453, 1472, 1473, 3000, 16000, 65487, 65507};
	struct stack_config c = rig_config();
	struct rig *r, *guest = rig_new_mirror(1500);
	uint16_t last_id = 0;

	c.link_caps = LINK_CSUM | LINK_UFO;
	r = rig_new_with(&c);
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool v4 = i % 2;
		size_t n = sizes[i / 2], headers = v4 ? 28 : 48;
		if (!v4 && n > 65487)
			continue;
		rig_clear(r);
		rig_clear(guest);
		assert_true(udp_output(&r->stack, v4 ? &rig_far4 : &rig_far6, 53,
				       v4 ? &rig_guest4 : &rig_guest6, 4000, 61, 0x02, big, n));
		stack_flush(&r->stack);
		assert_int_equal(r->out_n, 1);
		const struct rig_frame *f = &r->out[0];
		assert_int_equal(f->len, ETH_HLEN + headers + n);
		if (n + headers <= 1500) {
			assert_int_equal(f->meta.gso, FRAME_GSO_NONE);
			continue;
		}
		assert_int_equal(f->meta.gso, FRAME_GSO_UDP);
		assert_int_equal(f->meta.gso_size % 8, 0);
		assert_int_equal(f->meta.hdr_len, ETH_HLEN + headers);
		assert_true(f->meta.needs_csum);
		if (v4) { /* free to be fragmented, and each with an id of its own */
			assert_int_equal(get_be16(f->data + ETH_HLEN + 6), 0);
			assert_int_not_equal(get_be16(f->data + ETH_HLEN + 4), last_id);
			last_id = get_be16(f->data + ETH_HLEN + 4);
		}
		feed_as_fragments(guest, f, v4);
		assert_int_equal(rig_all_drops(guest), 0);
		assert_int_equal(guest->udp, 1);
		assert_int_equal(guest->payload_len, n);
		assert_memory_equal(guest->payload, big, n);
		assert_int_equal(guest->last_udp.ttl, 61);
		rig_advance(guest, 2000);
	}
	rig_free(r);
	rig_free(guest);
}

/* Never the "no checksum" of zero: the payload is chosen so that the sum comes out as that. */
static void computed_zero_is_sent_as_ones(void **state)
{
	struct rig *r = *state;
	uint8_t payload[2] = {0, 0};
	uint16_t sum;

	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 64, 0, payload, 2);
	stack_flush(&r->stack);
	sum = get_be16(r->out[0].data + ETH_HLEN + 26);
	put_be16(payload, sum);
	rig_clear(r);
	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 64, 0, payload, 2);
	stack_flush(&r->stack);
	assert_int_equal(get_be16(r->out[0].data + ETH_HLEN + 26), 0xffff);
}

/* Cuts a super-frame as a link would, and hands the pieces to the mirror. */
static size_t feed_train(struct rig *guest, const struct rig_frame *f, uint8_t *ret)
{
	size_t total = 0, hdr = f->meta.hdr_len;

	if (f->meta.gso == FRAME_GSO_NONE) {
		rig_input(guest, f->data, f->len);
		memcpy(ret, guest->payload, guest->payload_len);
		return guest->payload_len;
	}
	for (size_t off = hdr; off < f->len; off += f->meta.gso_size) {
		size_t n = f->len - off < f->meta.gso_size ? f->len - off : f->meta.gso_size;
		pkt.len = 0;
		pkt_bytes(&pkt, f->data, hdr);
		pkt_bytes(&pkt, f->data + off, n);
		put_be16(pkt.b + hdr - 4, (uint16_t)(8 + n));
		pkt_end(&pkt);
		pkt_fill_l4(&pkt, hdr - 8, IPPROTO_UDP_, hdr - 2);
		rig_input(guest, pkt.b, pkt.len);
		assert_int_equal(guest->payload_len, n);
		memcpy(ret + total, guest->payload, n);
		total += n;
	}
	return total;
}

static void trains_to_the_guest(void **state)
{
	const size_t gso[] = {1, 100, 1200, 1452, 1472, 1473, 3000};
	const size_t lens[] = {1, 100, 1200, 9000, 30000, 65000};
	static uint8_t got[65536];

	for (size_t i = 0; i < 2 * 2 * 7 * 6; i++) {
		bool v4 = i % 2, uso = i / 2 % 2;
		size_t g = gso[i / 4 % 7], len = lens[i / 28], total = 0, want;
		struct stack_config c = rig_config();
		struct rig *r, *guest = rig_new_mirror(1500);
		if (len / g > 200) /* what the rig can note */
			len = g * 200;
		want = (len + g - 1) / g;
		c.link_caps = uso ? LINK_USO : 0;
		r = rig_new_with(&c);
		assert_true(udp_output_train(&r->stack, v4 ? &rig_far4 : &rig_far6, 53,
					     v4 ? &rig_guest4 : &rig_guest6, 4000, 64, 0, big, len,
					     g));
		stack_flush(&r->stack);
		for (int k = 0; k < r->out_n; k++) {
			const struct rig_frame *f = &r->out[k];
			if (f->meta.gso) {
				assert_true(uso && g + 8 + (v4 ? 20 : 40) <= 1500);
				assert_int_equal(f->meta.gso, FRAME_GSO_UDP_L4);
				assert_int_equal(f->meta.gso_size, g);
				assert_true(f->meta.needs_csum);
				assert_int_equal(f->meta.csum_start, f->meta.hdr_len - 8);
				assert_int_equal(f->meta.csum_offset, 6);
				assert_true((f->len - f->meta.hdr_len + g - 1) / g <= 64);
			}
			rig_clear(guest);
			total += feed_train(guest, f, got + total);
			assert_int_equal(rig_all_drops(guest), 0);
			want -= (size_t)guest->udp;
		}
		assert_int_equal(want, 0);
		assert_int_equal(total, len);
		assert_memory_equal(got, big, len);
		if (uso && g + 48 <= 1500 && len > g)
			assert_true(r->out_n <= (int)(len / (g * 20)) + 1);
		rig_free(r);
		rig_free(guest);
	}
}

/* The same frames as those that are copied, but where the payload lies; and where the link takes no
 * such frame, copies. */
static void lent_payload_is_not_copied(void **state)
{
	const size_t gso[] = {0, 100, 1200, 1452, 1472, 1473};
	const size_t lens[] = {0, 100, 1472, 1473, 9000, 40000, 65487, 65507};
	static uint8_t room[UDP_LENT_ROOM + 65536];
	uint8_t *payload = room + UDP_LENT_ROOM;

	for (size_t i = 0; i < 2 * 4 * 6 * 8; i++) {
		bool v4 = i % 2, ufo = i / 2 % 2, uso = i / 4 % 2;
		size_t g = gso[i / 8 % 6], len = lens[i / 48];
		const struct ipaddr *src = v4 ? &rig_far4 : &rig_far6;
		const struct ipaddr *dst = v4 ? &rig_guest4 : &rig_guest6;
		struct stack_config c = rig_config();
		bool train = g && len > g, fits = len <= (v4 ? 65507 : 65487);
		bool whole = ufo && len + (v4 ? 28 : 48) > 1500;
		if (train) /* at most 64 pieces, and whole ones up to 65,487 bytes */
			whole = uso && g + (v4 ? 28 : 48) <= 1500 && len <= 64 * g &&
				len <= 65487 / g * g;
		if (!fits || (train && len / g > 200)) /* what the rig can note */
			continue;
		c.link_caps = LINK_CSUM | (ufo ? LINK_UFO : 0) | (uso ? LINK_USO : 0);
		struct rig *r = rig_new_with(&c), *copied = rig_new_with(&c);
		memcpy(payload, big, len);
		udp_output_train(&copied->stack, src, 53, dst, 4000, 61, 2, big, len, g);
		stack_flush(&copied->stack);
		assert_true(udp_output_lent(&r->stack, src, 53, dst, 4000, 61, 2, payload, len, g));
		if (whole) {
			assert_int_equal(r->stack.tx_n, 1);
			assert_ptr_equal(r->stack.tx_q[0].data + r->stack.tx_q[0].meta.hdr_len,
					 payload);
		}
		stack_tx_settle(&r->stack);
		assert_int_equal(r->stack.tx_lent, 0);
		stack_flush(&r->stack);
		assert_int_equal(r->out_n, copied->out_n);
		for (int k = 0; k < r->out_n; k++) {
			assert_int_equal(r->out[k].len, copied->out[k].len);
			assert_memory_equal(r->out[k].data, copied->out[k].data, r->out[k].len);
			assert_memory_equal(&r->out[k].meta, &copied->out[k].meta,
					    sizeof(struct frame_meta));
		}
		rig_free(r);
		rig_free(copied);
	}
}

/* A link that is blocked keeps nobody's memory: what waits is copied, in order, as far as it fits.
 */
static void lent_frames_of_a_blocked_link_are_copied(void **state)
{
	static uint8_t room[8][UDP_LENT_ROOM + 60000];
	struct stack_config c = rig_config();
	struct rig *r;

	c.link_caps = LINK_CSUM | LINK_UFO;
	r = rig_new_with(&c);
	r->stack.tx_blocked = true;
	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 61, 0, big, 100);
	for (int i = 0; i < 8; i++) {
		memset(room[i] + UDP_LENT_ROOM, i, 60000);
		assert_true(udp_output_lent(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 61, 0,
					    room[i] + UDP_LENT_ROOM, 60000, 0));
	}
	stack_tx_settle(&r->stack);
	memset(room, 0xff, sizeof(room));
	assert_int_equal(rig_drops(r, DROP_TX_FULL), 3);
	udp_output(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 61, 0, big, 200);
	stack_tx_settle(&r->stack); /* nothing is lent any more */
	stack_tx_unblocked(&r->stack);
	assert_int_equal(r->out_n, 7);
	assert_int_equal(r->out[0].len, ETH_HLEN + 28 + 100);
	for (int i = 0; i < 5; i++) {
		const struct rig_frame *f = &r->out[1 + i];
		assert_int_equal(f->len, ETH_HLEN + 28 + 60000);
		assert_int_equal(f->data[14], 0x45);
		for (size_t k = ETH_HLEN + 28; k < f->len; k++)
			assert_int_equal(f->data[k], i);
	}
	assert_int_equal(r->out[6].len, ETH_HLEN + 28 + 200);
	/* No more than a burst waits. */
	rig_clear(r);
	r->stack.tx_blocked = true;
	for (int i = 0; i < 100; i++)
		udp_output_lent(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 61, 0,
				room[0] + UDP_LENT_ROOM, 2000, 0);
	assert_int_equal(r->stack.tx_n + (int)rig_drops(r, DROP_TX_FULL), 100);
	assert_true(r->stack.tx_n <= STACK_TX_BURST);
	rig_free(r);
}

/* A link that takes a part of a burst, and of what is lent. */
static int takes_three(void *ctx, struct frame *frames, int n)
{
	struct rig *r = ctx;

	for (int i = 0; i < n && i < 3; i++) {
		struct rig_frame *f = &r->out[r->out_n++];
		f->len = frames[i].len;
		f->data = malloc(f->len);
		memcpy(f->data, frames[i].data, f->len);
	}
	return n < 3 ? n : 3;
}

static void lent_frames_leave_in_parts(void **state)
{
	static uint8_t room[5][UDP_LENT_ROOM + 2000];
	struct stack_config c = rig_config();
	struct stack_ops ops = {.tx = takes_three};
	struct rig *r;

	c.link_caps = LINK_CSUM | LINK_UFO;
	r = rig_new_with(&c);
	r->stack.ops = &ops;
	for (int i = 0; i < 5; i++) {
		memset(room[i] + UDP_LENT_ROOM, i, 2000);
		udp_output_lent(&r->stack, &rig_far4, 53, &rig_guest4, 4000, 61, 0,
				room[i] + UDP_LENT_ROOM, 2000, 0);
	}
	stack_tx_settle(&r->stack);
	assert_int_equal(r->out_n, 3);
	assert_int_equal(r->stack.tx_lent, 0);
	memset(room, 0xff, sizeof(room));
	stack_tx_unblocked(&r->stack);
	assert_int_equal(r->out_n, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(r->out[i].data[1000], i);
	assert_int_equal(r->stack.cnt.tx_frames, 5);
	assert_int_equal(rig_all_drops(r), 0);
	rig_free(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(datagrams_are_handed_up),
		T(dhcp_has_its_own_way),
		T(checksums_are_verified),
		T(lengths_are_checked),
		T(trains_from_the_guest_stay_whole),
		T(output_round_trip),
		T(dont_fragment_and_ids),
		T(over_the_mtu_goes_whole_to_a_link_with_ufo),
		T(computed_zero_is_sent_as_ones),
		T(trains_to_the_guest),
		T(lent_payload_is_not_copied),
		T(lent_frames_of_a_blocked_link_are_copied),
		T(lent_frames_leave_in_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
