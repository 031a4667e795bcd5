// SPDX-License-Identifier: Apache-2.0
/*
 * Links over streams, seen from both sides: where frames begin, what cannot be a frame, and what
 * goes before one where the peer does work for us.
 */
#include "link/sock_rig.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/view.h"

/* ---- frames -----------------------------------------------------------------------------------
 */

static void frames_of_every_size_cross(void **state)
{
	static const uint32_t sizes[] = {14, 15, 60, 1514, 9014, 65535, 65549};
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);
	struct frame got[LINK_BURST];

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frame f = rig_frame(sizes[i], i);

		assert_int_equal(link_send(l, &f, 1), 1);
		rig_stream_gets(fd, sizes[i], i);
		rig_stream_sends(fd, sizes[i], i);
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, sizes[i], i);
	}
	/* One more than we ever send is taken, too. */
	rig_stream_sends(fd, 65550, 9);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 65550, 9);
	rig_settle(l);
	link_free(l);
	close(fd);
}

/* Two frames, cut once at each byte, with a wait in between. */
static void the_stream_may_be_cut_anywhere(void **state)
{
	struct frame a = rig_frame(40, 1), b = rig_frame(25, 2), got[LINK_BURST];
	uint8_t wire[73];
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);

	put_be32(wire, 40);
	memcpy(wire + 4, a.data, 40);
	put_be32(wire + 44, 25);
	memcpy(wire + 48, b.data, 25);
	for (size_t cut = 1; cut < sizeof(wire); cut++) {
		rig_write(fd, wire, cut);
		assert_int_equal(link_recv(l, got, LINK_BURST), cut >= 44 ? 1 : 0);
		assert_int_equal(link_recv(l, got, LINK_BURST), 0);
		rig_write(fd, wire + cut, sizeof(wire) - cut);
		int n = rig_recv(l, got, LINK_BURST);
		assert_int_equal(n, cut >= 44 ? 1 : 2);
		rig_check_frame(got[n - 1].data, got[n - 1].len, 25, 2);
		if (n == 2)
			rig_check_frame(got[0].data, got[0].len, 40, 1);
	}
	link_free(l);
	close(fd);
}

static void a_stream_of_single_bytes_is_understood(void **state)
{
	struct frame f = rig_frame(200, 3), got[LINK_BURST];
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);

	put_be32(f.data - 4, 200);
	for (int i = 0; i < 203; i++) {
		rig_write(fd, f.data - 4 + i, 1);
		assert_int_equal(link_recv(l, got, LINK_BURST), 0);
	}
	rig_write(fd, f.data + 199, 1);
	assert_int_equal(link_recv(l, got, LINK_BURST), 1);
	rig_check_frame(got[0].data, got[0].len, 200, 3);
	link_free(l);
	close(fd);
}

/* More than a burst lies in the link's buffer, and the socket is empty. */
static void frames_behind_a_full_burst_wake_the_owner(void **state)
{
	enum {
		COUNT = 1000
	};
	struct frame got[LINK_BURST];
	uint32_t seen = 0;
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);

	static uint8_t wire[COUNT * 64];
	for (uint32_t i = 0; i < COUNT; i++) {
		put_be32(wire + 64 * i, 60);
		memcpy(wire + 64 * i + 4, rig_frame(60, i).data, 60);
	}
	rig_write(fd, wire, sizeof(wire));
	for (int n; seen < COUNT && (n = rig_recv(l, got, LINK_BURST)) > 0;)
		for (int i = 0; i < n; i++)
			rig_check_frame(got[i].data, got[i].len, 60, seen++);
	assert_int_equal(seen, COUNT);
	rig_settle(l);
	link_free(l);
	close(fd);
}

static void a_length_that_cannot_be_ends_the_connection(void **state)
{
	static const uint32_t bad[] = {0, 1, 13, 65551, 65566, 0x00010000 + 65550, 0xffffffff};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame got[LINK_BURST];
		uint8_t b[4];
		int fd;
		struct link *l = rig_stream_pair(&fd, NULL);

		rig_stream_sends(fd, 60, 1);
		put_be32(b, bad[i]);
		rig_write(fd, b, 4);
		/* What came before it is still good. */
		assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
		rig_check_frame(got[0].data, got[0].len, 60, 1);
		assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
		assert_int_equal(link_send(l, got, 1), -ENETDOWN);
		assert_int_equal(l->rx_dropped, 1);
		assert_int_equal(l->rx_cut, 0);
		assert_true(rig_closed(fd));
		link_free(l);
		close(fd);
	}
}

/* What a person reads about it has the length. */
static void the_warning_names_the_length(void **state)
{
	char text[512] = "";
	uint8_t b[4];
	struct frame got[1];
	int fd, p[2], saved = dup(STDERR_FILENO);
	struct link *l = rig_stream_pair(&fd, NULL);

	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	put_be32(b, 70001);
	rig_write(fd, b, 4);
	int r = rig_recv(l, got, 1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(r, -ENETDOWN);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "70001"));
	assert_non_null(strstr(text, "14 to 65550"));
	close(p[0]);
	close(p[1]);
	link_free(l);
	close(fd);
}

static void a_frame_that_was_begun_is_counted_when_its_peer_goes(void **state)
{
	static const size_t parts[] = {1, 4, 5, 50};

	for (size_t i = 0; i < 4; i++) {
		struct frame f = rig_frame(60, 1), got[LINK_BURST];
		int fd;
		struct link *l = rig_stream_pair(&fd, NULL);

		put_be32(f.data - 4, 60);
		rig_write(fd, f.data - 4, parts[i]);
		close(fd);
		assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
		assert_int_equal(l->rx_cut, 1);
		link_free(l);
	}
	/* And none where it ended between two. */
	struct frame got[LINK_BURST];
	int fd;
	struct link *l = rig_stream_pair(&fd, NULL);
	rig_stream_sends(fd, 60, 1);
	close(fd);
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(rig_recv(l, got, LINK_BURST), -ENETDOWN);
	assert_int_equal(l->rx_cut, 0);
	link_free(l);
}

/* ---- offload ----------------------------------------------------------------------------------
 */

static void a_header_crosses_before_each_frame(void **state)
{
	struct link_options o = {.offload = LINK_OFFLOAD_VNET};
	int fd;
	struct link *l = rig_stream_pair(&fd, &o);
	struct frame f = rig_frame(3000, 1), got[LINK_BURST];
	uint8_t wire[16 + 3000];

	assert_int_equal(l->caps, LINK_CSUM | LINK_TSO4 | LINK_TSO6);
	f.data[34 + 12] = 5 << 4;
	f.meta = (struct frame_meta){.needs_csum = true,
				     .gso = FRAME_GSO_TCPV4,
				     .gso_size = 1460,
				     .hdr_len = 54,
				     .csum_start = 34,
				     .csum_offset = 16};
	assert_int_equal(link_send(l, &f, 1), 1);
	rig_read(fd, wire, sizeof(wire));
	assert_int_equal(get_be32(wire), 12 + 3000);
	assert_int_equal(wire[4], 1);
	assert_int_equal(wire[5], FRAME_GSO_TCPV4);
	assert_memory_equal(wire + 16, f.data, 3000);
	/* And back as it went. */
	rig_write(fd, wire, sizeof(wire));
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(got[0].len, 3000);
	assert_memory_equal(&got[0].meta, &f.meta, sizeof(f.meta));
	/* An impossible header loses its frame, not the peer. */
	wire[14] = wire[15] = 0;
	wire[10] = 0xff;
	wire[11] = 0xff;
	rig_write(fd, wire, sizeof(wire));
	wire[10] = 34;
	wire[11] = 0;
	wire[12] = 16;
	rig_write(fd, wire, sizeof(wire));
	assert_int_equal(rig_recv(l, got, LINK_BURST), 1);
	assert_int_equal(l->rx_dropped, 1);
	link_free(l);
	close(fd);
}

static void work_is_not_left_to_a_peer_that_would_not_do_it(void **state)
{
	static const struct frame_meta metas[] = {
		{.needs_csum = true, .csum_start = 34, .csum_offset = 16},
		{.gso = FRAME_GSO_TCPV4, .gso_size = 1000, .hdr_len = 54},
	};

	for (int mode = 0; mode < 4; mode++) {
		struct link_options o = {.offload = mode & 1 ? LINK_OFFLOAD_LIBKRUN
							     : LINK_OFFLOAD_NONE};
		struct frame f[3] = {rig_frame(60, 1), rig_frame(60, 2), rig_frame(60, 3)};
		int fd, taken = 0;
		struct link *l = rig_stream_pair(&fd, &o);

		assert_int_equal(l->caps, 0);
		f[1].meta = metas[mode >> 1];
		while (taken < 3) {
			int n = link_send(l, f + taken, 3 - taken);
			assert_true(n > 0);
			taken += n;
		}
		rig_stream_gets(fd, 60, 1);
		rig_stream_gets(fd, 60, 3);
		assert_int_equal(l->tx_dropped, 1);
		link_free(l);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_size_cross),
		cmocka_unit_test(the_stream_may_be_cut_anywhere),
		cmocka_unit_test(a_stream_of_single_bytes_is_understood),
		cmocka_unit_test(frames_behind_a_full_burst_wake_the_owner),
		cmocka_unit_test(a_length_that_cannot_be_ends_the_connection),
		cmocka_unit_test(the_warning_names_the_length),
		cmocka_unit_test(a_frame_that_was_begun_is_counted_when_its_peer_goes),
		cmocka_unit_test(a_header_crosses_before_each_frame),
		cmocka_unit_test(work_is_not_left_to_a_peer_that_would_not_do_it),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
