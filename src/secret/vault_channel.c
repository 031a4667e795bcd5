// SPDX-License-Identifier: Apache-2.0
/* A channel in the holder: what is asked on it, and what it is told. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "secret/vault.h"

#define OUT_HIGH (4u << 20) /* bytes that wait to go out: no more questions are read meanwhile */

void vault_send(struct vault_channel *ch, uint8_t kind, uint32_t id, const struct view *parts,
		size_t n)
{
	if (ch->closing)
		return;
	/* Where the other side has gone, the loop finds that out by itself. */
	int r = holder_wire_send(&ch->wire, kind, id, parts, n);
	if (r < 0)
		ch->closing = true;
	loop_mod(&ch->v->loop, &ch->src,
		 (ch->wire.out.len < OUT_HIGH ? EPOLLIN : 0u) |
			 (ch->wire.out.len || ch->closing ? EPOLLOUT : 0u));
}

void vault_answer(struct vault_channel *ch, uint32_t id, struct view bytes)
{
	vault_send(ch, HOLDER_ANSWER, id, &bytes, 1);
}

void vault_fail(struct vault_channel *ch, uint32_t id, const char *why)
{
	const struct view text = view_make(why, strlen(why));

	vault_send(ch, HOLDER_FAIL, id, &text, 1);
}

void vault_log(struct vault_channel *ch, enum log_level level, const char *fmt, ...)
{
	char text[512];
	uint8_t l = (uint8_t)level;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	const struct view parts[] = {view_make(&l, 1), view_make(text, strlen(text))};
	vault_send(ch, HOLDER_LOG, 0, parts, 2);
}

/* ---- questions ---- */

/* The item that is meant. NULL: the asker has been told that there is none. */
static struct vault_item *item(struct vault_channel *ch, uint32_t id, const struct holder_which *w)
{
	struct vault_set *s = vault_set_find(ch, w->generation);

	if (s && w->index < s->count)
		return &s->items[w->index];
	vault_fail(ch, id, s ? "there is no such secret" : "the secret is no longer what it was");
	return NULL;
}

static bool on_value(struct vault_channel *ch, uint32_t id, struct view body)
{
	struct holder_which w;

	if (!holder_get_which(&body, &w) || body.len)
		return false;
	struct vault_item *it = item(ch, id, &w);
	if (!it)
		return true;
	if (it->secret->pub.signer == SECRET_HMAC)
		vault_fail(ch, id, "the secret signs, and is not handed out");
	else
		vault_secret_ask(it->secret, ch, id, it->value);
	return true;
}

static bool on_leaf(struct vault_channel *ch, uint32_t id, struct view body)
{
	struct holder_leaf l;
	struct buf der = {0};
	struct error err;

	if (!holder_read_leaf(body, &l))
		return false;
	if (!l.sound)
		vault_fail(ch, id, "that is no host");
	else if (tls_ca_sign_leaf(ch->v->ca, l.host, l.spki, ch->v->valid_hours, &der, &err) == 0)
		vault_answer(ch, id, buf_view(&der));
	else
		vault_fail(ch, id, err.msg);
	buf_done(&der);
	return true;
}

static bool on_sign(struct vault_channel *ch, uint32_t id, struct view body)
{
	struct holder_to_sign s;
	struct buf text = {0};
	struct error err;
	int r = -1;

	if (!holder_read_sign(body, &s))
		return false;
	struct vault_item *it = item(ch, id, &s.which);
	if (!it)
		return true;
	if (it->secret->pub.signer == SECRET_SIGV4)
		r = vault_sign_sigv4(it->key, &s, &text, &err);
	else if (it->secret->pub.signer == SECRET_HMAC)
		r = vault_sign_hmac(it->value, it->secret->conf.algorithm, s.text, &text, &err);
	else
		error_set(&err, "the secret does not sign");
	if (r == 0)
		vault_answer(ch, id, buf_view(&text));
	else
		vault_fail(ch, id, err.msg);
	buf_done(&text);
	return true;
}

static bool on_capture(struct vault_channel *ch, uint32_t id, struct view body)
{
	struct holder_which w;
	struct view value;
	struct error err;

	if (!holder_get_which(&body, &w) || !holder_get_bytes(&body, SECRET_VALUE_MAX, &value) ||
	    body.len)
		return false;
	struct vault_item *it = item(ch, id, &w);
	if (!it)
		return true;
	if (!it->secret->pub.capture) {
		vault_fail(ch, id, "the secret captures nothing");
		return true;
	}
	const char *placeholder = vault_capture(ch, it->secret, value, &err);
	if (placeholder)
		vault_answer(ch, id, view_make(placeholder, strlen(placeholder)));
	else
		vault_fail(ch, id, err.msg);
	return true;
}

static bool on_forget(struct vault_channel *ch, struct view body)
{
	uint64_t generation;

	if (!holder_get_be64(&body, &generation) || body.len)
		return false;
	struct vault_set *s = vault_set_find(ch, generation);
	/* The current one is never done with. */
	if (s && generation != ch->generation)
		vault_set_free(ch, s);
	return true;
}

/* False: nothing that belongs here. */
static bool handle(struct vault_channel *ch, const struct holder_frame *f)
{
	switch (f->kind) {
	case HOLDER_SETUP:
		vault_load_start(ch, f->id, f->body);
		return true;
	case HOLDER_VALUE:
		return on_value(ch, f->id, f->body);
	case HOLDER_LEAF:
		return on_leaf(ch, f->id, f->body);
	case HOLDER_SIGN:
		return on_sign(ch, f->id, f->body);
	case HOLDER_CAPTURE:
		return on_capture(ch, f->id, f->body);
	case HOLDER_FORGET:
		return on_forget(ch, f->body);
	default:
		return false;
	}
}

/* ---- the channel ---- */

static void dispatch(struct vault_channel *ch)
{
	enum holder_read r = HOLDER_READ_MORE;
	struct holder_frame f;

	while (!ch->closing && ch->wire.out.len < OUT_HIGH &&
	       (r = holder_wire_frame(&ch->wire, 0, &f)) == HOLDER_READ_FRAME) {
		if (!handle(ch, &f)) {
			r = HOLDER_READ_BAD;
			break;
		}
		holder_wire_take(&ch->wire, &f);
	}
	if (r == HOLDER_READ_BAD)
		ch->closing = true;
}

static void on_socket(struct loop_source *src, uint32_t events)
{
	struct vault_channel *ch = container_of(src, struct vault_channel, src);
	int r = 0;

	if (events & EPOLLOUT)
		r = holder_wire_flush(&ch->wire);
	if (r == 0 && (events & ~(uint32_t)EPOLLOUT))
		r = holder_wire_fill(&ch->wire);
	dispatch(ch);
	if (r < 0 || ch->closing) {
		vault_channel_free(ch);
		return;
	}
	loop_mod(&ch->v->loop, &ch->src,
		 (ch->wire.out.len < OUT_HIGH ? EPOLLIN : 0u) | (ch->wire.out.len ? EPOLLOUT : 0u));
}

void vault_channel_new(struct vault *v, int fd)
{
	struct vault_channel *ch =
		v->channel_count < VAULT_CHANNELS_MAX ? calloc(1, sizeof(*ch)) : NULL;

	if (!ch || getrandom(&ch->needle_key, sizeof(ch->needle_key), 0) !=
			   (ssize_t)sizeof(ch->needle_key)) {
		/* The other side sees that nobody listens. */
		free(ch);
		close(fd);
		return;
	}
	ch->v = v;
	holder_wire_init(&ch->wire, fd);
	ch->src.fd = -1;
	ch->src.fn = on_socket;
	list_init(&ch->sets);
	list_add_tail(&v->channels, &ch->node);
	v->channel_count++;
	if (loop_add(&v->loop, &ch->src, fd, EPOLLIN) < 0)
		vault_channel_free(ch);
}

void vault_channel_free(struct vault_channel *ch)
{
	ch->closing = true; /* nothing is sent any more */
	vault_load_free(ch->load);
	for (size_t i = 0; i < ch->count; i++)
		vault_secret_retire(ch->list[i]);
	free(ch->list);
	for (size_t i = 0; i < ch->captured_count; i++)
		vault_secret_retire(ch->captured[i]);
	while (!list_empty(&ch->sets))
		vault_set_free(ch, container_of(ch->sets.next, struct vault_set, node));
	struct holder_setup rest = {.upstream_ca = ch->upstream_ca};
	holder_setup_done(&rest);
	loop_del(&ch->v->loop, &ch->src);
	holder_wire_done(&ch->wire);
	list_del(&ch->node);
	ch->v->channel_count--;
	free(ch);
}
