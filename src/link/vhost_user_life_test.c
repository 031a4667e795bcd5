// SPDX-License-Identifier: Apache-2.0
/* The vhost-user link over time: memory that moves, machines and gateways that go and come back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/vhost_pair.h"

static uint8_t scratch[16 + 1000];

static void memory_moves_under_a_running_device(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct pair *p = pair_open(&o);

	pair_from_guest(p, 1, 1000, false);
	assert_true(rig_share_memory(&p->g));
	pair_from_guest(p, 2, 1000, false);
	pair_to_guest(p, 2, 1000, false);
	/* Without the region of the rings. */
	struct {
		uint32_t n, pad;
		struct vu_mem_region r;
	} table = {1, 0, {RIG_GPA1, p->g.len1, RIG_UVA1, p->g.len0}};
	assert_true(rig_do(&p->g, VU_SET_MEM_TABLE, &table, sizeof(table), &p->g.mem_fd, 1));
	struct frame f = {.data = scratch + 16, .len = 1000};
	assert_int_equal(link_send(p->l, &f, 1), 1);
	assert_int_equal(p->l->tx_dropped, 1);
	pair_pump(p);
	/* It comes back, and the rings are started anew. */
	assert_true(rig_share_memory(&p->g));
	for (unsigned i = 0; i < 2; i++) {
		rig_set_base(&p->g, i, rig_stop_ring(&p->g, i));
		assert_true(rig_start_ring(&p->g, i));
	}
	pair_from_guest(p, 3, 1000, false);
	pair_to_guest(p, 3, 1000, false);
	pair_close(p);
}

static void a_region_comes_and_goes(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .add_regions = true};
	struct pair *p = pair_open(&o);
	struct {
		uint64_t pad;
		struct vu_mem_region r;
	} one = {0, {0x800000000ull, 65536, 0x7f3300000000ull, 0}};

	/* Each said twice, as by a front end that says it for every pair of rings. */
	for (int i = 0; i < 2; i++)
		assert_true(rig_do(&p->g, VU_ADD_MEM_REG, &one, sizeof(one), &p->g.mem_fd, 1));
	for (int i = 0; i < 2; i++)
		assert_true(rig_do(&p->g, VU_REM_MEM_REG, &one, sizeof(one), NULL, 0));
	pair_from_guest(p, 1, 1000, false);
	/* Over one that is there: refused, and the connection with it. */
	one.r.gpa = RIG_GPA1 + 4096;
	assert_false(rig_do(&p->g, VU_ADD_MEM_REG, &one, sizeof(one), &p->g.mem_fd, 1));
	pair_close(p);
}

/* ---- coming back ---- */

static int dial_path(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void a_vmm_that_comes_back_finds_its_link(void **state)
{
	struct rig_options o = {.features = RIG_FEATURES, .pump = pair_pump};
	char path[] = "/tmp/vhost-user-test-XXXXXX";
	struct pair *p = calloc(1, sizeof(*p));
	struct error err;

	assert_non_null(mkdtemp(path));
	char sock[64];
	snprintf(sock, sizeof(sock), "%s/s", path);
	p->room = malloc(PAIR_ROOM);
	p->l = link_vhost_user_listen(sock, &err);
	assert_non_null(p->l);
	int fd = p->l->fd;
	assert_null(link_vhost_user_listen(sock, &err));
	pair_pump_some(p);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t peers = p->l->peers;

		/* Another layout each time: nothing of the one before is left. */
		o.features = i == 1 ? PACKED : RIG_FEATURES;
		o.ctx = p;
		assert_true(rig_make(&p->g, &o));
		assert_true(rig_attach(&p->g, dial_path(sock)));
		rig_fill(&p->g, 0);
		assert_int_equal(p->l->peers, peers + 1);
		assert_int_equal(p->l->caps, LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_USO);
		pair_from_guest(p, i, 1000, false);
		pair_to_guest(p, i, 1000, false);
		rig_free(&p->g);
		pair_pump_some(p);
		assert_int_equal(p->l->caps, 0);
		assert_int_equal(p->l->fd, fd);
	}
	link_free(p->l);
	assert_int_equal(access(sock, F_OK), -1);
	rmdir(path);
	free(p->room);
	free(p);
}

/* weir ends in the middle of things, and another one goes on: each frame once. */
static void in_flight(uint64_t features)
{
	struct rig_options o = {.features = features, .size = 64, .inflight = true};
	struct pair *p = pair_open(&o);
	uint8_t hdr[RIG_HDR] = {0};
	struct frame f[LINK_BURST];
	unsigned next = 0, want = 0;

	for (int lives = 0; lives < 10; lives++) {
		while (next - want < 40) {
			pair_pattern(scratch, 200, next++);
			assert_true(rig_send(&p->g, 0, hdr, scratch, 200));
		}
		rig_kick(&p->g.ring[1]);
		/* It takes seventeen, and is no more. */
		assert_int_equal(link_recv(p->l, f, 17), 17);
		for (int i = 0; i < 17; i++) {
			pair_pattern(scratch, 200, want++);
			assert_memory_equal(f[i].data, scratch, 200);
		}
		rig_detach(&p->g);
		link_free(p->l);
		assert_true(pair_attach(p));
		/* Setting up has received some already. */
		for (int i = 0; i < p->got_n; i++) {
			pair_pattern(scratch, 200, want++);
			assert_memory_equal(p->got[i].data, scratch, 200);
		}
		pair_forget(p);
	}
	pair_close(p);
}

static void a_weir_that_comes_back_loses_and_repeats_nothing(void **state)
{
	in_flight(RIG_FEATURES);
	in_flight(PACKED);
	in_flight(PACKED | VIRTIO_IN_ORDER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_moves_under_a_running_device),
		cmocka_unit_test(a_region_comes_and_goes),
		cmocka_unit_test(a_vmm_that_comes_back_finds_its_link),
		cmocka_unit_test(a_weir_that_comes_back_loses_and_repeats_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
