// SPDX-License-Identifier: Apache-2.0
/* The vhost-user link, and a guest or a front end that breaks the rules: what is stopped by that.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/vhost_pair.h"
#include "link/virtq.h"

static uint8_t scratch[16 + 70000];

/* ---- a hostile guest ---- */

/* Descriptors of a split ring, or of a packed one where the flags are in w14. */
static void out_of_region(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1 + g->len1 - 10, 100, 0, 0);
}
static void nowhere(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, 0xdead00000000ull, 100, 0, 0);
}
static void address_wraps(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, UINT64_MAX - 50, 100, 0, 0);
}
static void host_address(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_UVA1, 100, 0, 0);
}
static void huge_length(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA0, UINT32_MAX, 0, 0);
}
static void loop_of_one(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, VIRTQ_DESC_NEXT, 0);
}
static void loop_of_two(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, VIRTQ_DESC_NEXT, 1);
	rig_desc(r->desc + 16, RIG_GPA1, 0, VIRTQ_DESC_NEXT, 0);
}
static void next_outside(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, VIRTQ_DESC_NEXT, r->size);
}
static void wrong_direction(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, VIRTQ_DESC_WRITE, 0);
}
static void table_outside(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA0 + g->len0 - 16, 32, VIRTQ_DESC_INDIRECT, 0);
}
static void table_of_odd_length(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 17, VIRTQ_DESC_INDIRECT, 0);
}
static void table_empty(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 0, VIRTQ_DESC_INDIRECT, 0);
}
static void table_huge(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16 * 2000, VIRTQ_DESC_INDIRECT, 0);
}
static void table_at_odd_address(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa + 1, 16, VIRTQ_DESC_INDIRECT, 0);
}
static void table_in_table(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, VIRTQ_DESC_INDIRECT, 0);
	rig_desc(r->tables, r->tables_gpa, 16, VIRTQ_DESC_INDIRECT, 0);
}
static void table_and_next(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, VIRTQ_DESC_INDIRECT | VIRTQ_DESC_NEXT, 1);
}
static void table_with_loop(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 32, VIRTQ_DESC_INDIRECT, 0);
	rig_desc(r->tables, RIG_GPA1, 8, VIRTQ_DESC_NEXT, 1);
	rig_desc(r->tables + 16, RIG_GPA1, 8, VIRTQ_DESC_NEXT, 0);
}
static void table_by_the_book(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, VIRTQ_DESC_INDIRECT, 0);
	rig_desc(r->tables, r->bufs_gpa, 100, 0, 0);
}
static void head_outside(struct rig *g, struct rig_ring *r)
{
	const uint16_t head = 0xffff;

	memcpy(r->avail + 4 + 2 * (r->avail_idx & (r->size - 1)), &head, 2);
}

/* Packed: the same in its own words. */
static void p_nowhere(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, 0xdead00000000ull, 100, 0, VIRTQ_DESC_AVAIL);
}
static void p_endless(struct rig *g, struct rig_ring *r)
{
	for (uint16_t i = 0; i < r->size; i++)
		rig_desc(r->desc + i * 16u, RIG_GPA1, 0, 0, VIRTQ_DESC_AVAIL | VIRTQ_DESC_NEXT);
}
static void p_unfinished(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, 0, VIRTQ_DESC_AVAIL | VIRTQ_DESC_NEXT);
}
static void p_wrong_direction(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA1, 100, 0, VIRTQ_DESC_AVAIL | VIRTQ_DESC_WRITE);
}
static void p_table_outside(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, RIG_GPA0 + g->len0 - 16, 32, 0, VIRTQ_DESC_AVAIL | VIRTQ_DESC_INDIRECT);
}
static void p_table_and_next(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->desc, r->tables_gpa, 16, 0,
		 VIRTQ_DESC_AVAIL | VIRTQ_DESC_INDIRECT | VIRTQ_DESC_NEXT);
}
static void p_table_in_table(struct rig *g, struct rig_ring *r)
{
	rig_desc(r->tables, r->tables_gpa, 16, 0, VIRTQ_DESC_INDIRECT);
	rig_desc(r->desc, r->tables_gpa, 16, 0, VIRTQ_DESC_AVAIL | VIRTQ_DESC_INDIRECT);
}

static const struct attack {
	const char *name;
	bool packed;
	uint16_t ahead; /* entries that the available index claims */
	bool not_indirect;
	void (*make)(struct rig *g, struct rig_ring *r);
} attacks[] = {
	{"out of region", false, 1, false, out_of_region},
	{"nowhere", false, 1, false, nowhere},
	{"address wraps", false, 1, false, address_wraps},
	{"an address of the front end", false, 1, false, host_address},
	{"huge length", false, 1, false, huge_length},
	{"loop of one", false, 1, false, loop_of_one},
	{"loop of two", false, 1, false, loop_of_two},
	{"next outside", false, 1, false, next_outside},
	{"wrong direction", false, 1, false, wrong_direction},
	{"table outside", false, 1, false, table_outside},
	{"table of odd length", false, 1, false, table_of_odd_length},
	{"table empty", false, 1, false, table_empty},
	{"table huge", false, 1, false, table_huge},
	{"table at odd address", false, 1, false, table_at_odd_address},
	{"table in table", false, 1, false, table_in_table},
	{"table and next", false, 1, false, table_and_next},
	{"table with loop", false, 1, false, table_with_loop},
	{"table not negotiated", false, 1, true, table_by_the_book},
	{"head outside", false, 1, false, head_outside},
	{"index overrun", false, 65, false, NULL},
	{"index far ahead", false, 0x8000, false, NULL},
	{"index backwards", false, 0xffff, false, NULL},
	{"packed: nowhere", true, 1, false, p_nowhere},
	{"packed: endless", true, 1, false, p_endless},
	{"packed: unfinished", true, 1, false, p_unfinished},
	{"packed: wrong direction", true, 1, false, p_wrong_direction},
	{"packed: table outside", true, 1, false, p_table_outside},
	{"packed: table and next", true, 1, false, p_table_and_next},
	{"packed: table in table", true, 1, false, p_table_in_table},
};

static void attack(const struct attack *a)
{
	struct rig_options o = {.features = a->packed ? PACKED : RIG_FEATURES, .size = 64};
	struct frame f = {.data = scratch + 16, .len = 100};

	if (a->not_indirect)
		o.features &= ~VIRTIO_RING_INDIRECT;
	struct pair *p = pair_open(&o);
	struct rig_ring *r = &p->g.ring[1];
	if (a->make && a->make != head_outside)
		a->make(&p->g, r);
	pair_offer(r, a->ahead);
	if (a->make == head_outside)
		a->make(&p->g, r);
	if (pair_errors(p) != 1)
		fail_msg("%s: not one error", a->name);
	assert_int_equal(p->got_n, 0);
	/* Nothing moves any more, and the link is still there. */
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	assert_int_equal(link_recv(p->l, p->got, 1), 0);
	/* A driver that starts anew is served again. */
	rig_stop_ring(&p->g, 0);
	rig_stop_ring(&p->g, 1);
	for (unsigned i = 0; i < 2; i++) {
		memset(p->g.mem + i * RIG_RING_BYTES, 0, RIG_RING_BYTES);
		rig_ring_init(&p->g.ring[i]);
		rig_set_base(&p->g, i, rig_base(&p->g, i));
		assert_true(rig_start_ring(&p->g, i));
	}
	rig_fill(&p->g, 0);
	pair_from_guest(p, 1, 500, false);
	pair_to_guest(p, 1, 500, false);
	pair_close(p);
}

static void a_hostile_ring_stops_the_device(void **state)
{
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		attack(&attacks[i]);
}

static void impossible_frames_are_dropped(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .size = 64};
	struct pair *p = pair_open(&o);
	struct rig_ring *r = &p->g.ring[1];
	uint8_t hdr[RIG_HDR] = {0};

	/* Too short for an Ethernet header; a header that asks for nonsense; longer than any. */
	assert_true(rig_send(&p->g, 0, hdr, scratch, 13));
	hdr[1] = 9;
	assert_true(rig_send(&p->g, 0, hdr, scratch, 100));
	hdr[1] = 0;
	assert_true(rig_send(&p->g, 0, hdr, scratch, 65550));
	rig_kick(r);
	pair_pump(p);
	assert_int_equal(p->got_n, 0);
	assert_int_equal(p->l->rx_dropped, 3);
	pair_from_guest(p, 1, 65549, false);
	pair_close(p);
}

/* ---- a hostile front end ---- */

static const struct bad_message {
	const char *name;
	uint32_t request, flags, len;
	uint64_t w[4];
	int fds;
} bad_messages[] = {
	{"unknown request", 77, 1, 8, {0}, 0},
	{"wrong version", VU_GET_FEATURES, 2, 0, {0}, 0},
	{"a reply", VU_GET_FEATURES, 5, 0, {0}, 0},
	{"too long", VU_GET_FEATURES, 1, 100000, {0}, 0},
	{"too short", VU_SET_FEATURES, 1, 4, {0}, 0},
	{"features not offered", VU_SET_FEATURES, 1, 8, {RIG_FEATURES | VIRTIO_BIT(26)}, 0},
	{"protocol features not offered", VU_SET_PROTOCOL_FEATURES, 1, 8, {~0ull}, 0},
	{"ring layout changed", VU_SET_FEATURES, 1, 8, {VIRTIO_RING_PACKED}, 0},
	{"ring number", VU_SET_VRING_NUM, 1, 8, {17ull | 64ull << 32}, 0},
	{"resized while it runs", VU_SET_VRING_NUM, 1, 8, {0ull | 128ull << 32}, 0},
	{"moved while it runs", VU_SET_VRING_BASE, 1, 8, {0ull | 7ull << 32}, 0},
	{"base of no ring", VU_GET_VRING_BASE, 1, 8, {99}, 0},
	{"ring moved away", VU_SET_VRING_ADDR, 1, 32, {0, 1, 2, 3}, 0},
	{"kick without fd", VU_SET_VRING_KICK, 1, 8, {0}, 0},
	{"kick to be polled", VU_SET_VRING_KICK, 1, 8, {0x100}, 0},
	{"kick with two fds", VU_SET_VRING_KICK, 1, 8, {0}, 2},
	{"call of no ring", VU_SET_VRING_CALL, 1, 8, {200}, 1},
	{"memory table without fds", VU_SET_MEM_TABLE, 1, 8, {1}, 0},
	{"memory table of many", VU_SET_MEM_TABLE, 1, 8, {100}, 8},
	{"region from no file", VU_ADD_MEM_REG, 1, 32, {0}, 1},
	{"configuration past its end", VU_GET_CONFIG, 1, 12, {0xff | 0xffull << 32}, 0},
	{"in-flight area of many", VU_GET_INFLIGHT_FD, 1, 20, {0, 0, 0xffffffff}, 0},
	{"in-flight area from nothing", VU_SET_INFLIGHT_FD, 1, 20, {4096, 0, 1 | 64 << 16}, 1},
	{"too many fds", VU_SET_OWNER, 1, 0, {0}, 12},
};

static void send_bad(struct rig *g, const struct bad_message *b)
{
	uint32_t hdr[3] = {b->request, b->flags, b->len};
	uint8_t body[40] = {0};
	int fds[16];

	memcpy(body, b->w, sizeof(b->w));
	for (int i = 0; i < b->fds; i++)
		fds[i] = g->sock;
	uint32_t len = b->len > sizeof(body) ? 0 : b->len;
	if (b->flags == 1 && len == b->len) {
		assert_true(rig_say(g, b->request, 0, body, len, fds, b->fds));
		return;
	}
	assert_int_equal(write(g->sock, hdr, sizeof(hdr)), sizeof(hdr));
	assert_int_equal(write(g->sock, body, len), len);
}

static bool closed(struct rig *g)
{
	char c[64];
	ssize_t n;

	while ((n = recv(g->sock, c, sizeof(c), MSG_DONTWAIT)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}

static void a_bad_message_ends_the_connection(void **state)
{
	for (size_t i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]); i++) {
		struct rig_options o = {.features = RIG_FEATURES, .size = 64};
		struct pair *p = pair_open(&o);

		send_bad(&p->g, &bad_messages[i]);
		if (pair_errors(p) != 1)
			fail_msg("%s: not one error", bad_messages[i].name);
		if (!closed(&p->g))
			fail_msg("%s: not closed", bad_messages[i].name);
		assert_int_equal(link_recv(p->l, p->got, 1), -ENETDOWN);
		pair_close(p);
	}
}

static void a_message_may_come_in_pieces(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = pair_open(&o);
	uint32_t msg[5] = {VU_SET_VRING_ENABLE, 1 | VU_FLAG_NEED_REPLY, 8, 0, 1};
	uint64_t failed = 1;

	for (size_t i = 0; i < sizeof(msg); i++) {
		assert_int_equal(write(p->g.sock, (char *)msg + i, 1), 1);
		pair_pump(p);
	}
	assert_true(rig_hear(&p->g, VU_SET_VRING_ENABLE, &failed, 8, NULL));
	assert_int_equal(failed, 0);
	/* And end in the middle. */
	assert_int_equal(write(p->g.sock, msg, 14), 14);
	shutdown(p->g.sock, SHUT_WR);
	assert_int_equal(pair_errors(p), 1);
	pair_close(p);
}

static void memory_that_is_cut_short_stops_the_device(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .unsealed = true};
	struct pair *p = pair_open(&o);
	struct frame f = {.data = scratch + 16, .len = 1000};

	pair_from_guest(p, 1, 1000, false);
	assert_int_equal(ftruncate(p->g.mem_fd, 0), 0);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	pair_pump_some(p);
	assert_int_equal(link_recv(p->l, p->got, 1), 0);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_true(p->l->tx_dropped > 0);
	pair_close(p);
}

static void a_region_longer_than_its_file_is_refused(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = pair_open(&o);

	assert_int_equal(p->g.failed, false);
	p->g.len1 += 4096;
	assert_false(rig_share_memory(&p->g));
	pair_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hostile_ring_stops_the_device),
		cmocka_unit_test(impossible_frames_are_dropped),
		cmocka_unit_test(a_bad_message_ends_the_connection),
		cmocka_unit_test(a_message_may_come_in_pieces),
		cmocka_unit_test(memory_that_is_cut_short_stops_the_device),
		cmocka_unit_test(a_region_longer_than_its_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
