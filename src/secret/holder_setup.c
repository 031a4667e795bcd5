// SPDX-License-Identifier: Apache-2.0
/*
 * Setting up a sandbox's channel to the key holder, and reading its secrets anew.
 *
 * The first time waits for the answer: nothing can begin without it, and the channel has no loop
 * yet. Every other time the answer comes on the loop, as all others do, since a source may take its
 * time.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/config.h"
#include "secret/holder_priv.h"

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
		else if (!channel_install(ch, f.body, &is_new))
			ret = error_set(err, "what the key holder says makes no sense");
		/* Whoever looks through the queue later is to pass it over. */
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
	return r < 0 ? -1 : 0;
}

static int ask_setup(struct holder_channel *ch, const struct config *c, struct error *err)
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
	return 0;
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

struct holder_channel *holder_channel_new(struct holder *h, const struct config *c,
					  void (*on_set)(void *arg), void *arg, struct error *err)
{
	int fd = open_channel(h, err);
	struct holder_channel *ch = fd >= 0 ? channel_over(fd, err) : NULL;

	if (!ch)
		return NULL;
	if (ask_setup(ch, c, err) < 0 || await_setup(ch, err) < 0) {
		holder_channel_free(ch);
		return NULL;
	}
	/* What fails before is told by this call, and needs no line in the log. */
	ch->h = h;
	ch->on_set = on_set;
	ch->on_set_arg = arg;
	return ch;
}

int holder_channel_reload(struct holder_channel *ch, const struct config *c, holder_reload_fn *fn,
			  void *arg, struct error *err)
{
	if (ch->wire.fd < 0)
		return error_set(err, "the key holder has gone");
	if (ch->on_reload)
		return error_set(err, "the secrets are being read already");
	if (ask_setup(ch, c, err) < 0)
		return -1;
	ch->on_reload = fn;
	ch->on_reload_arg = arg;
	return 0;
}
