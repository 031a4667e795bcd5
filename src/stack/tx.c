// SPDX-License-Identifier: Apache-2.0
/*
 * Frames on their way to the link: an arena that is filled from the front during a burst and starts
 * over when the link has taken everything. Frames may also be lent, and lie elsewhere for a while.
 * A blocked link leaves its frames where they are; then TCP makes no new data (it stays in the
 * sockets), and what does not fit the rest of the arena is dropped by its maker and counted.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "stack/stack.h"

void stack_tx_drain(struct stack *s)
{
	if (s->tx_n == 0) {
		s->tx_used = 0;
		return;
	}
	if (s->tx_blocked)
		return;
	int took = s->ops->tx(s->ctx, s->tx_q, s->tx_n);
	for (int i = 0; i < took; i++) {
		s->cnt.tx_frames++;
		s->cnt.tx_bytes += s->tx_q[i].len;
	}
	if (took < s->tx_n) {
		memmove(&s->tx_q[0], &s->tx_q[took], (size_t)(s->tx_n - took) * sizeof(s->tx_q[0]));
		s->tx_n -= took;
		s->tx_blocked = true;
		return;
	}
	s->tx_n = 0;
	s->tx_used = 0;
	s->tx_lent = false;
}

/* An allocation may become up to half a burst of frames. */
static bool tx_full(const struct stack *s, size_t need)
{
	return s->tx_n > STACK_TX_BURST / 2 || s->tx_used + need > STACK_TX_ARENA;
}

uint8_t *stack_tx_alloc(struct stack *s, size_t max)
{
	size_t need = STACK_TX_STRIDE(max);

	if (tx_full(s, need))
		stack_tx_drain(s);
	if (tx_full(s, need))
		return NULL;
	return s->tx_arena + s->tx_used + FRAME_VNET_ROOM;
}

static bool is_lent(const struct stack *s, const struct frame *f)
{
	return f->data < s->tx_arena || f->data >= s->tx_arena + STACK_TX_ARENA;
}

/* In ascending order, like everything in the arena. */
static bool copy_to_arena(struct stack *s, struct frame *f)
{
	uint8_t *at = s->tx_arena + s->tx_used + FRAME_VNET_ROOM;

	if (s->tx_used + STACK_TX_STRIDE(f->len) > STACK_TX_ARENA)
		return false;
	memcpy(at, f->data, f->len);
	f->data = at;
	s->tx_used += STACK_TX_STRIDE(f->len);
	return true;
}

void stack_tx_settle(struct stack *s)
{
	int kept = 0;

	if (!s->tx_lent)
		return;
	stack_tx_drain(s);
	if (!s->tx_lent)
		return;
	for (int i = 0; i < s->tx_n; i++) {
		struct frame f = s->tx_q[i];
		if (is_lent(s, &f) && !copy_to_arena(s, &f))
			stack_drop(s, DROP_TX_FULL);
		else
			s->tx_q[kept++] = f;
	}
	s->tx_n = kept;
	s->tx_lent = false;
}

bool stack_tx_lend(struct stack *s, uint8_t *data, size_t len, const struct frame_meta *meta)
{
	if (tx_full(s, 0))
		stack_tx_drain(s);
	if (tx_full(s, 0))
		return false;
	if (s->tx_n == 0)
		stack_pending(s);
	s->tx_q[s->tx_n++] = (struct frame){.data = data, .len = (uint32_t)len, .meta = *meta};
	s->tx_lent = true;
	return true;
}

void stack_tx_push_frame(struct stack *s, const struct frame *f)
{
	if (s->tx_n == STACK_TX_BURST) {
		stack_drop(s, DROP_TX_FULL);
		return;
	}
	if (s->tx_n == 0)
		stack_pending(s);
	s->tx_q[s->tx_n++] = *f;
	size_t used = (size_t)(f->data - s->tx_arena) + frame_head(f);
	s->tx_used = (used + 15) & ~(size_t)15;
}

void stack_tx_push(struct stack *s, uint8_t *data, size_t len, const struct frame_meta *meta)
{
	struct frame f = {.data = data, .len = (uint32_t)len, .meta = *meta};

	stack_tx_push_frame(s, &f);
}

void stack_flush(struct stack *s)
{
	tcp_burst_end(s);
	stack_tx_drain(s);
}

void stack_burst_end(struct stack *s)
{
	frag_burst_end(s);
	stack_flush(s);
}

void stack_tx_unblocked(struct stack *s)
{
	s->tx_blocked = false;
	stack_tx_drain(s);
	if (!s->tx_blocked)
		tcp_tx_unblocked(s);
	stack_flush(s);
}

void stack_trim(struct stack *s)
{
	if (s->tx_n == 0)
		madvise(s->tx_arena, STACK_TX_ARENA, MADV_DONTNEED);
	tcp_trim(s);
	frag_trim(s);
}

static void config_defaults(struct stack_config *c)
{
	if (!c->mtu)
		c->mtu = 1500;
	if (!c->max_tcp)
		c->max_tcp = 4096;
	if (!c->max_half_open)
		c->max_half_open = 1024;
	if (!c->max_frag_sets)
		c->max_frag_sets = 64;
	if (!c->tcp_queue_max)
		c->tcp_queue_max = 4u << 20;
	if (!c->tcp_queue_total)
		c->tcp_queue_total = 64u << 20;
	if (!c->tcp_keepalive_us)
		c->tcp_keepalive_us = 7200ull * 1000000;
}

bool stack_init(struct stack *s, const struct stack_config *cfg, const struct stack_ops *ops,
		void *ctx, struct wheel *wheel, const struct sipkey *key, uint64_t now_us)
{
	memset(s, 0, sizeof(*s));
	s->cfg = *cfg;
	config_defaults(&s->cfg);
	s->ops = ops;
	s->ctx = ctx;
	s->wheel = wheel;
	s->key = *key;
	s->own_us = now_us;
	s->ip_id = (uint16_t)key->k0;
	s->tx_arena = mmap(NULL, STACK_TX_ARENA, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	/* A huge page for a single small frame would be most of what an idle sandbox weighs. */
	if (s->tx_arena != MAP_FAILED)
		madvise(s->tx_arena, STACK_TX_ARENA, MADV_NOHUGEPAGE);
	if (s->tx_arena == MAP_FAILED) {
		s->tx_arena = NULL;
		return false;
	}
	if (!frag_init(s) || !tcp_init(s)) {
		stack_done(s);
		return false;
	}
	return true;
}

void stack_done(struct stack *s)
{
	if (s->tx_arena) {
		tcp_done(s);
		frag_done(s);
		munmap(s->tx_arena, STACK_TX_ARENA);
		s->tx_arena = NULL;
	}
}
