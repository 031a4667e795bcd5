// SPDX-License-Identifier: Apache-2.0
/*
 * A sandbox's channel to the key holder.
 *
 * Answers are read on the loop. Before it has one (holder_setup.c), it is only written to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "secret/holder_priv.h"

static void channel_kick(struct holder_channel *ch)
{
	if (ch->loop)
		timer_set(&ch->loop->wheel, &ch->kick, 0);
}

/* The questions fail in the loop's next turn. */
void channel_close(struct holder_channel *ch)
{
	if (ch->wire.fd < 0)
		return;
	/* What was read stays: an answer out of it may be in somebody's hands. */
	if (ch->loop)
		loop_del(ch->loop, &ch->src);
	close(ch->wire.fd);
	ch->wire.fd = -1;
	if (ch->h)
		holder_lost(ch->h);
	channel_kick(ch);
}

static void channel_want(struct holder_channel *ch)
{
	bool write = ch->wire.out.len;

	if (write == ch->wants_write || ch->wire.fd < 0 || ch->src.fd < 0)
		return;
	if (loop_mod(ch->loop, &ch->src, EPOLLIN | (write ? EPOLLOUT : 0u)) == 0)
		ch->wants_write = write;
}

int channel_send(struct holder_channel *ch, uint8_t kind, uint32_t id, const struct view *parts,
		 size_t n)
{
	int r = holder_wire_send(&ch->wire, kind, id, parts, n);

	if (r < 0)
		channel_close(ch);
	else
		channel_want(ch);
	return r;
}

/* ---- sets ---- */

/* Nobody keeps it any more: nor need the holder. */
static void set_gone(struct secret_set *s)
{
	struct holder_channel *ch = s->channel;
	uint8_t generation[8];

	list_del(&s->node);
	if (ch->freed || ch->wire.fd < 0)
		return;
	put_be32(generation, (uint32_t)(s->generation >> 32));
	put_be32(generation + 4, (uint32_t)s->generation);
	const struct view part = view_make(generation, sizeof(generation));
	channel_send(ch, HOLDER_FORGET, 0, &part, 1);
}

bool channel_install(struct holder_channel *ch, struct view body, bool *ret_new)
{
	struct secret_set *s = holder_read_set(body), *old = ch->set;

	if (!s)
		return false;
	s->gone = set_gone;
	s->channel = ch;
	list_add_tail(&ch->sets, &s->node);
	/* One that waited in the queue behind a newer one's back. */
	*ret_new = !old || s->generation > old->generation;
	if (*ret_new) {
		ch->set = s;
		secret_set_unref(old);
	} else {
		secret_set_unref(s);
	}
	return true;
}

/* ---- frames ---- */

static void say(struct view body)
{
	uint8_t level;

	if (view_get_u8(&body, &level) && level <= LOG_DEBUG)
		log_line(level, "%.*s", (int)body.len, (const char *)body.p);
}

/* The answer to holder_channel_reload(), where this frame is one. why NULL: they are read. */
static bool is_reload(struct holder_channel *ch, const struct holder_frame *f, const char *why)
{
	holder_reload_fn *fn = ch->on_reload;

	if (!fn || f->id != ch->setups)
		return false;
	ch->on_reload = NULL;
	fn(ch->on_reload_arg, why);
	return true;
}

/* False: nothing that belongs here. */
static bool handle(struct holder_channel *ch, const struct holder_frame *f)
{
	char why[512];
	struct holder_ask *a;
	bool is_new;

	switch (f->kind) {
	case HOLDER_NOTHING:
		return true;
	case HOLDER_SET:
		if (!channel_install(ch, f->body, &is_new))
			return false;
		if (!is_reload(ch, f, NULL) && is_new && ch->on_set)
			ch->on_set(ch->on_set_arg);
		return true;
	case HOLDER_LOG:
		say(f->body);
		return true;
	case HOLDER_ANSWER:
		a = ask_take(ch, f->id);
		if (a)
			ask_answer(a, f->body);
		return true;
	case HOLDER_FAIL:
		snprintf(why, sizeof(why), "%.*s", (int)(f->body.len < 500 ? f->body.len : 500),
			 (const char *)f->body.p);
		if (is_reload(ch, f, why))
			return true;
		a = ask_take(ch, f->id);
		if (a)
			ask_fail(a, why);
		return true;
	default:
		return false;
	}
}

static void channel_end(struct holder_channel *ch)
{
	if (ch->loop)
		timer_cancel(&ch->loop->wheel, &ch->kick);
	holder_wire_done(&ch->wire);
	ask_drop_all(ch);
	free(ch);
}

static void fail_all(struct holder_channel *ch)
{
	holder_reload_fn *fn = ch->on_reload;

	ch->on_reload = NULL;
	if (fn)
		fn(ch->on_reload_arg, "the key holder has gone");
	for (size_t i = 0; i < ch->slot_count && !ch->freed; i++) {
		struct holder_ask *a = ch->slots[i].ask;
		if (a)
			ask_fail(ask_take(ch, a->id), "the key holder has gone");
	}
}

/* Deals with everything that was read. False: the channel was freed meanwhile. */
static bool dispatch(struct holder_channel *ch)
{
	struct holder_frame f;
	enum holder_read r = HOLDER_READ_MORE;

	ch->busy = true;
	while (!ch->freed && ch->wire.fd >= 0 &&
	       (r = holder_wire_frame(&ch->wire, 0, &f)) == HOLDER_READ_FRAME) {
		bool ok = handle(ch, &f);

		if (ch->freed || ch->wire.fd < 0)
			break;
		if (!ok) {
			r = HOLDER_READ_BAD;
			break;
		}
		holder_wire_take(&ch->wire, &f);
	}
	if (!ch->freed && r == HOLDER_READ_BAD)
		channel_close(ch);
	if (!ch->freed && ch->wire.fd < 0)
		fail_all(ch);
	ch->busy = false;
	if (!ch->freed)
		return true;
	channel_end(ch);
	return false;
}

static void on_kick(struct timer *t)
{
	dispatch(container_of(t, struct holder_channel, kick));
}

static void on_socket(struct loop_source *src, uint32_t events)
{
	struct holder_channel *ch = container_of(src, struct holder_channel, src);
	int r = 0;

	if (events & EPOLLOUT)
		r = holder_wire_flush(&ch->wire);
	if (r == 0 && (events & ~(uint32_t)EPOLLOUT))
		r = holder_wire_fill(&ch->wire);
	/* What came before the end counts. */
	if (!dispatch(ch))
		return;
	if (r < 0)
		channel_close(ch);
	else
		channel_want(ch);
}

/* ---- life ---- */

struct holder_channel *channel_over(int fd, struct error *err)
{
	struct holder_channel *ch = calloc(1, sizeof(*ch));

	if (!ch) {
		close(fd);
		error_set(err, "no memory");
		return NULL;
	}
	ch->src.fd = -1;
	ch->src.fn = on_socket;
	timer_init(&ch->kick, on_kick);
	list_init(&ch->sets);
	holder_wire_init(&ch->wire, fd);
	return ch;
}

int holder_channel_attach(struct holder_channel *ch, struct loop *l, struct error *err)
{
	int r = ch->wire.fd < 0 ? 0 : loop_add(l, &ch->src, ch->wire.fd, EPOLLIN);

	if (r < 0)
		return error_set_errno(err, r, "cannot watch the key holder");
	ch->loop = l;
	channel_want(ch);
	/* What came behind the answer to the setting up, or that nothing comes any more. */
	if (ch->wire.in.len || ch->wire.fd < 0)
		channel_kick(ch);
	return 0;
}

void holder_channel_free(struct holder_channel *ch)
{
	if (!ch)
		return;
	ch->freed = true;
	if (ch->loop)
		loop_del(ch->loop, &ch->src);
	secret_set_unref(ch->set);
	/* Sets that others keep outlive the channel. */
	while (!list_empty(&ch->sets)) {
		struct secret_set *s = container_of(list_pop(&ch->sets), struct secret_set, node);
		s->gone = NULL;
		s->channel = NULL;
	}
	ch->set = NULL;
	/* Inside of a callback what was read is still looked at: dispatch() does the rest. */
	if (!ch->busy)
		channel_end(ch);
}

struct secret_set *holder_secrets(struct holder_channel *ch)
{
	return ch->set;
}
