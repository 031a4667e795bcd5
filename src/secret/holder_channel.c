// SPDX-License-Identifier: Apache-2.0
/*
 * A sandbox's channel to the key holder.
 *
 * Answers are read on the loop. Only the setting up waits for its answer: what else comes meanwhile
 * stays in the queue, and is looked at in the loop's next turn.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/config.h"
#include "secret/holder_priv.h"

static void channel_kick(struct holder_channel *ch)
{
	timer_set(&ch->loop->wheel, &ch->kick, 0);
}

/* The holder has gone, or makes no sense. The questions fail in the loop's next turn. */
static void channel_close(struct holder_channel *ch)
{
	if (ch->wire.fd < 0)
		return;
	/* What was read stays: an answer out of it may be in somebody's hands. */
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

/* Takes over a set of the holder's. False: it is none. */
static bool install(struct holder_channel *ch, struct view body, bool *ret_new)
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
		if (!install(ch, f->body, &is_new))
			return false;
		if (is_new && ch->on_set)
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
		a = ask_take(ch, f->id);
		snprintf(why, sizeof(why), "%.*s", (int)(f->body.len < 500 ? f->body.len : 500),
			 (const char *)f->body.p);
		if (a)
			ask_fail(a, why);
		return true;
	default:
		return false;
	}
}

static void channel_end(struct holder_channel *ch)
{
	timer_cancel(&ch->loop->wheel, &ch->kick);
	holder_wire_done(&ch->wire);
	ask_drop_all(ch);
	free(ch);
}

static void fail_all(struct holder_channel *ch)
{
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

/* ---- setting up ---- */

/* The answer to the set-up, be it behind others in the queue. 1: it was there. */
static int find_setup(struct holder_channel *ch, size_t *at, struct error *err)
{
	struct holder_frame f;
	enum holder_read r;
	bool is_new;

	while ((r = holder_wire_frame(&ch->wire, *at, &f)) == HOLDER_READ_FRAME) {
		size_t here = *at;

		*at += HOLDER_HEADER + f.body.len;
		if (f.id != ch->setups || (f.kind != HOLDER_SET && f.kind != HOLDER_FAIL))
			continue;
		int ret = 1;
		if (f.kind == HOLDER_FAIL)
			ret = error_set(err, "%.*s", (int)(f.body.len < 500 ? f.body.len : 500),
					(const char *)f.body.p);
		else if (!install(ch, f.body, &is_new))
			ret = error_set(err, "what the key holder says makes no sense");
		/* dispatch() is to pass it over. */
		ch->wire.in.mem[ch->wire.in.start + here + 4] = HOLDER_NOTHING;
		return ret;
	}
	return r == HOLDER_READ_BAD ? error_set(err, "what the key holder says makes no sense") : 0;
}

static int await_setup(struct holder_channel *ch, struct error *err)
{
	size_t at = 0;
	int r = 0;

	for (;;) {
		struct pollfd p = {.fd = ch->wire.fd,
				   .events = (short)(POLLIN | (ch->wire.out.len ? POLLOUT : 0))};

		r = find_setup(ch, &at, err);
		if (r != 0)
			break;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return error_set_errno(err, errno, "cannot wait for the key holder");
		r = holder_wire_flush(&ch->wire);
		if (r == 0 && (p.revents & ~POLLOUT))
			r = holder_wire_fill(&ch->wire);
		/* The last words may say why. */
		if (r < 0 && find_setup(ch, &at, err) == 0) {
			channel_close(ch);
			return error_set(err, "the key holder has gone");
		}
	}
	if (ch->wire.in.len)
		channel_kick(ch);
	return r < 0 ? -1 : 0;
}

static int set_up(struct holder_channel *ch, const struct config *c, struct error *err)
{
	struct buf b = {0};
	struct holder_put p = {.to = &b};
	int r;

	if (c->secrets.count > SECRETS_MAX)
		return error_set(err, "more than %d secrets", SECRETS_MAX);
	holder_put_setup(&p, c);
	if (p.failed) {
		buf_done(&b);
		return error_set(err, "no memory");
	}
	const struct view part = buf_view(&b);
	/* Below all numbers of questions. */
	ch->setups = ch->setups % (HOLDER_ASKS_MAX - 1) + 1;
	r = channel_send(ch, HOLDER_SETUP, ch->setups, &part, 1);
	buf_done(&b);
	if (r < 0)
		return error_set_errno(err, r, "cannot talk to the key holder");
	r = await_setup(ch, err);
	channel_want(ch);
	return r;
}

/* A stream to the holder. The fd, or -1 and err. */
static int open_channel(struct holder *h, struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "cannot make a socket pair");
	int r = holder_send_channel(h, pair[1]);
	close(pair[1]);
	if (r == 0)
		return pair[0];
	close(pair[0]);
	if (r == -EPIPE || r == -ECONNRESET)
		return error_set(err, "the key holder has gone");
	return error_set_errno(err, r, "cannot talk to the key holder");
}

struct holder_channel *channel_over(int fd, struct loop *l, struct error *err)
{
	struct holder_channel *ch = calloc(1, sizeof(*ch));

	if (!ch) {
		close(fd);
		error_set(err, "no memory");
		return NULL;
	}
	ch->loop = l;
	ch->src.fd = -1;
	ch->src.fn = on_socket;
	timer_init(&ch->kick, on_kick);
	list_init(&ch->sets);
	holder_wire_init(&ch->wire, fd);
	int r = loop_add(l, &ch->src, fd, EPOLLIN);
	if (r == 0)
		return ch;
	error_set_errno(err, r, "cannot watch the key holder");
	holder_channel_free(ch);
	return NULL;
}

struct holder_channel *holder_channel_new(struct holder *h, struct loop *l, const struct config *c,
					  void (*on_set)(void *arg), void *arg, struct error *err)
{
	int fd = open_channel(h, err);
	struct holder_channel *ch = fd >= 0 ? channel_over(fd, l, err) : NULL;

	if (!ch)
		return NULL;
	if (set_up(ch, c, err) < 0) {
		holder_channel_free(ch);
		return NULL;
	}
	/* What fails before is told by this call, and needs no line in the log. */
	ch->h = h;
	ch->on_set = on_set;
	ch->on_set_arg = arg;
	return ch;
}

int holder_channel_reload(struct holder_channel *ch, const struct config *c, struct error *err)
{
	if (ch->wire.fd < 0)
		return error_set(err, "the key holder has gone");
	if (ch->busy)
		return error_set(err, "secrets cannot be read anew from inside of an answer");
	return set_up(ch, c, err);
}

void holder_channel_free(struct holder_channel *ch)
{
	if (!ch)
		return;
	ch->freed = true;
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
