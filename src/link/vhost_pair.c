// SPDX-License-Identifier: Apache-2.0
/* For tests: a vhost-user link and its guest, played by one thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/vhost_pair.h"
#include "link/vnet.h"

static uint8_t scratch[16 + 70000], seen[70000];

void pair_pump(void *ctx)
{
	struct pair *p = ctx;
	struct frame f[LINK_BURST];
	int n = link_recv(p->l, f, LINK_BURST);

	for (int i = 0; i < n && p->got_n < PAIR_FRAMES && p->used + f[i].len <= PAIR_ROOM; i++) {
		struct frame *to = &p->got[p->got_n++];
		*to = f[i];
		to->data = p->room + p->used;
		frame_whole(&f[i]);
		to->tail = NULL;
		memcpy(to->data, f[i].data, f[i].len);
		p->used += f[i].len;
	}
}

void pair_forget(struct pair *p)
{
	p->got_n = 0;
	p->used = 0;
}

bool pair_attach(struct pair *p)
{
	struct error err;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	p->l = link_vhost_user_fd(fd[0], &err);
	assert_non_null(p->l);
	return rig_attach(&p->g, fd[1]);
}

struct pair *pair_open(const struct rig_options *o)
{
	static struct pair p;
	struct rig_options with = *o;

	p = (struct pair){.room = p.room ? p.room : malloc(PAIR_ROOM)};
	if (!with.pump)
		with.pump = pair_pump;
	with.ctx = &p;
	assert_true(rig_make(&p.g, &with));
	assert_true(pair_attach(&p));
	for (unsigned i = 0; i < p.g.o.pairs; i++)
		rig_fill(&p.g, i);
	return &p;
}

void pair_close(struct pair *p)
{
	rig_free(&p->g);
	link_free(p->l);
	p->l = NULL;
}

bool pair_awake(struct pair *p)
{
	struct pollfd f = {.fd = p->l->fd, .events = POLLIN};

	return poll(&f, 1, 0) == 1;
}

void pair_pattern(uint8_t *to, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed * 29);
}

void pair_frame(struct frame *f, uint8_t *data, size_t len, unsigned seed, bool tso)
{
	pair_pattern(data, len, seed);
	memcpy(data + 12, "\x08\x00", 2);
	*f = (struct frame){.data = data, .len = (uint32_t)len};
	if (!tso)
		return;
	data[14 + 20 + 12] = 0x50;
	f->meta = (struct frame_meta){.needs_csum = true,
				      .gso = FRAME_GSO_TCPV4,
				      .gso_size = 1448,
				      .hdr_len = 54,
				      .csum_start = 34,
				      .csum_offset = 16};
}

void pair_from_guest(struct pair *p, unsigned seed, size_t len, bool tso)
{
	uint8_t hdr[RIG_HDR] = {0};
	struct frame f;

	pair_frame(&f, scratch + 16, len, seed, tso);
	vnet_put(hdr, p->g.hdr_len, &f);
	pair_forget(p);
	assert_true(rig_send(&p->g, seed % p->g.o.pairs, hdr, f.data, f.len));
	rig_kick(&p->g.ring[2 * (seed % p->g.o.pairs) + 1]);
	assert_true(pair_awake(p));
	pair_pump(p);
	assert_int_equal(p->got_n, 1);
	assert_int_equal(p->got[0].len, len);
	assert_memory_equal(p->got[0].data, f.data, len);
	assert_memory_equal(&p->got[0].meta, &f.meta, sizeof(f.meta));
}

void pair_to_guest(struct pair *p, unsigned seed, size_t len, bool tso)
{
	uint8_t hdr[RIG_HDR], want[RIG_HDR];
	struct frame f;
	ssize_t n = 0;

	pair_frame(&f, scratch + 16, len, seed, tso);
	assert_int_equal(link_send(p->l, &f, 1), 1);
	vnet_put(want, p->g.hdr_len, &f);
	for (unsigned i = 0; i < p->g.o.pairs && !n; i++) {
		n = rig_recv(&p->g, i, hdr, seen, sizeof(seen));
		rig_fill(&p->g, i);
	}
	assert_int_equal(n, len);
	assert_memory_equal(seen, f.data, len);
	assert_memory_equal(hdr, want, 10);
}

void pair_offer(struct rig_ring *r, uint16_t ahead)
{
	uint16_t idx = (uint16_t)(r->avail_idx + ahead);

	if (!r->packed) {
		memset(r->avail + 4, 0, 2u * r->size);
		memcpy(r->avail + 2, &idx, 2);
	}
	r->added = 1;
	const uint64_t one = 1;
	assert_int_equal(write(r->kick_fd, &one, 8), 8);
}

void pair_pump_some(void *ctx)
{
	for (int i = 0; i < 5; i++)
		pair_pump(ctx);
}

size_t pair_errors(struct pair *p)
{
	FILE *f = tmpfile();
	int saved = dup(2);
	char line[512];
	size_t n = 0;

	fflush(stderr);
	dup2(fileno(f), 2);
	pair_pump_some(p);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "device stopped") != NULL;
	fclose(f);
	return n;
}
