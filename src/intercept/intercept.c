// SPDX-License-Identifier: Apache-2.0
/*
 * A sandbox's interception: what it is configured with, and its connections.
 */
#include "intercept/intercept_priv.h"

#include <stdlib.h>

#include "conf/config.h"
#include "observe/events.h"

/* ---- settings ---- */

void intercept_settings_unref(struct intercept_settings *s)
{
	if (!s || --s->refs)
		return;
	tls_roots_free(s->roots);
	tls_leaves_free(s->leaves);
	free(s->bypass);
	free(s);
}

static int read_bypass(struct intercept_settings *s, const struct strv *v, struct error *err)
{
	if (v->n && !(s->bypass = calloc(v->n, sizeof(*s->bypass))))
		return error_set(err, "out of memory");
	for (size_t i = 0; i < v->n; i++)
		if (pattern_read(v->v[i], &s->bypass[s->bypass_count++], err) < 0)
			return error_prefix(err, "tls.bypass: \"%s\"", v->v[i]);
	return 0;
}

struct intercept_settings *intercept_settings_new(const struct intercept *ic,
						  const struct config *c, struct error *err)
{
	const struct config_tls *t = &c->tls;
	struct intercept_settings *s = calloc(1, sizeof(*s));

	if (!s) {
		error_set(err, "out of memory");
		return NULL;
	}
	s->refs = 1;
	s->enabled = t->enabled;
	s->block_quic = t->block_quic;
	memcpy(s->ports, t->ports, sizeof(s->ports));
	s->port_count = t->port_count;
	if (read_bypass(s, &t->bypass, err) < 0 || !(s->roots = tls_roots_new(t, err)) ||
	    !(s->leaves = tls_leaves_new(&ic->leaf_source, t, holder_ca_pem(ic->holder), err))) {
		intercept_settings_unref(s);
		return NULL;
	}
	return s;
}

/* ---- leaves come from the key holder ---- */

static void *ask_leaf(void *ctx, const char *host, struct view spki, tls_got_leaf_fn *got,
		      void *arg)
{
	struct intercept *ic = ctx;

	return holder_ask_leaf(ic->channel, host, spki, got, arg);
}

static void cancel_leaf(void *ctx, void *handle)
{
	holder_ask_cancel(handle);
}

/* ---- life ---- */

/* Only there so that a turn follows, whose end makes the calls. */
static void turn_follows(struct timer *t)
{
	struct intercept *ic = container_of(t, struct intercept, turn);

	sandbox_touch(ic->sb);
}

/* Whoever reads the log is to know that somebody may read the connections. */
static void warn_of_keylog(struct sandbox *sb)
{
	struct event e = event_make(EVENT_ERROR);

	e.text = "the keys of intercepted connections are written to a file (--tls-keylog)";
	events_emit(sb->events, &e);
}

struct intercept *intercept_new(struct sandbox *sb, struct holder *h, struct holder_channel *ch,
				const struct config *c, struct error *err)
{
	struct intercept *ic = calloc(1, sizeof(*ic));

	if (!ic) {
		error_set(err, "out of memory");
		return NULL;
	}
	ic->sb = sb;
	ic->holder = h;
	ic->channel = ch;
	ic->leaf_source = (struct tls_leaf_source){ask_leaf, cancel_leaf, ic};
	list_init(&ic->conns);
	list_init(&ic->due);
	list_init(&ic->soon);
	timer_init(&ic->turn, turn_follows);
	queue_spares_init(ic);
	ic->piece = malloc(INTERCEPT_PIECE);
	if (!ic->piece)
		error_set(err, "out of memory");
	if (!ic->piece || !(ic->set = intercept_settings_new(ic, c, err))) {
		free(ic->piece);
		free(ic);
		return NULL;
	}
	sb->intercept = ic;
	sb->taker = &intercept_taker;
	if (c->tls.keylog)
		warn_of_keylog(sb);
	return ic;
}

void intercept_free(struct sandbox *sb)
{
	struct intercept *ic = sb->intercept;

	list_for_each (n, &ic->conns) {
		struct wire *w = container_of(n, struct wire, node);
		w->ops->gone(w, false);
	}
	timer_cancel(&ic->sb->loop->wheel, &ic->turn);
	queue_spares_done(ic);
	intercept_settings_unref(ic->set);
	sb->intercept = NULL;
	sb->taker = NULL;
	free(ic->piece);
	free(ic);
}

void intercept_use(struct intercept *ic, struct intercept_settings *s)
{
	intercept_settings_unref(ic->set);
	ic->set = s;
}

const struct intercept_counters *intercept_counters(const struct intercept *ic)
{
	return &ic->cnt;
}
