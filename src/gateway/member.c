// SPDX-License-Identifier: Apache-2.0
/* One sandbox on its worker: its life, its link's return, and its part of each turn. */
#include "gateway/member.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "flow/denials.h"
#include "intercept/intercept.h"

#define REOPEN_US 1000000u

static void notify(const struct member *m, enum gateway_notice what, int err)
{
	if (m->options->notify)
		m->options->notify(m->options->ctx, m->id, what, err);
	if (m->on_lost && what == GATEWAY_LINK_LOST)
		m->on_lost(m->owner, err);
}

/* ---- a link that comes back ------------------------------------------------------------------ */

static void reopen_tick(struct timer *t)
{
	struct member *m = container_of(t, struct member, reopen_timer);
	struct error err = {0};
	struct link *link = m->reopen(m->arg, &err);

	if (link && sandbox_relink(m->sb, link, &err) == 0) {
		m->lost = false;
		notify(m, GATEWAY_LINK_BACK, 0);
		return;
	}
	log_debug("not yet: %s", err.msg);
	timer_set(&m->sb->loop->wheel, t, m->sb->loop->now_us + REOPEN_US);
}

static void note_lost(struct member *m)
{
	if (m->lost)
		return;
	m->lost = true;
	/* Nobody is behind it any more: the flows' far sides hear of it now. */
	sandbox_hang_up(m->sb);
	if (m->reopen)
		timer_set(&m->sb->loop->wheel, &m->reopen_timer, m->sb->loop->now_us + REOPEN_US);
	notify(m, GATEWAY_LINK_LOST, m->sb->link_error);
}

/* ---- turns ----------------------------------------------------------------------------------- */

void member_turn_end(struct loop *l, void *ctx)
{
	struct worker *w = ctx;
	struct list *n;

	while ((n = list_pop(&w->touched))) {
		struct sandbox *sb = container_of(n, struct sandbox, touched_node);

		sandbox_flush(sb);
		if (sb->link_gone)
			note_lost(sb->owner);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static void tell_policy(struct member *m)
{
	char text[64];

	snprintf(text, sizeof(text), "loaded: %zu rules", policy_rule_count(m->sb->policy));
	sandbox_note_policy(m->sb, text);
}

/* Where the sandbox's events go: false and err where that cannot be. */
static bool events_of(struct member *m, struct worker *w, const struct gateway_spec *spec,
		      struct error *err)
{
	if (spec->on_event) {
		m->events = events_open_call(&w->loop, spec->on_event, spec->owner, spec->name);
		if (!m->events)
			error_set(err, "out of memory");
		return m->events;
	}
	if (!spec->conf->events)
		return true;
	m->events = events_open(&w->loop, spec->conf->events, spec->name, err);
	return m->events;
}

/* A guest that breaks the rules for secrets has no network any more. */
static void terminate(struct sandbox *sb, const char *why)
{
	struct member *m = sb->owner;

	log_error("sandbox %u is ended: %s", m->id, why);
	timer_set(&sb->loop->wheel, &m->end_timer, 0);
}

static void end_now(struct timer *t)
{
	struct member *m = container_of(t, struct member, end_timer);

	m->reopen = NULL;
	sandbox_end(m->sb, EACCES);
}

/* Where its configuration wants connections looked into. */
static int look_into(struct member *m, struct worker *w, const struct member_secrets *s,
		     const struct config *c, struct error *err)
{
	m->channel = s->channel;
	if (!m->channel)
		return 0;
	if (holder_channel_attach(m->channel, &w->loop, err) < 0)
		return -1;
	return intercept_new(m->sb, s->holder, m->channel, c, err) ? 0 : -1;
}

struct member *member_new(struct worker *w, const struct gateway_spec *spec, uint32_t id,
			  const struct gateway_options *options, const struct member_secrets *s,
			  struct error *err)
{
	struct member *m = calloc(1, sizeof(*m));
	const struct config *c = spec->conf;

	if (!m) {
		link_free(spec->link);
		holder_channel_free(s->channel);
		error_set(err, "out of memory");
		return NULL;
	}
	m->id = id;
	m->options = options;
	m->reopen = spec->reopen;
	m->arg = spec->arg;
	timer_init(&m->reopen_timer, reopen_tick);
	timer_init(&m->end_timer, end_now);
	m->on_lost = spec->on_lost;
	m->owner = spec->owner;
	if (!events_of(m, w, spec, err)) {
		link_free(spec->link);
		holder_channel_free(s->channel);
		free(m);
		return NULL;
	}
	m->sb = sandbox_new(&w->loop, spec->link, c, &spec->stack, err);
	if (!m->sb) {
		events_close(m->events);
		holder_channel_free(s->channel);
		free(m);
		return NULL;
	}
	m->sb->events = m->events;
	m->sb->owner = m;
	m->sb->terminate = terminate;
	if (look_into(m, w, s, c, err) < 0) {
		member_free(m);
		return NULL;
	}
	m->sb->touched = &w->touched;
	/* What its start has made already. */
	sandbox_touch(m->sb);
	tell_policy(m);
	return m;
}

void member_free(struct member *m)
{
	timer_cancel(&m->sb->loop->wheel, &m->reopen_timer);
	timer_cancel(&m->sb->loop->wheel, &m->end_timer);
	sandbox_hang_up(m->sb);
	sandbox_flush(m->sb);
	sandbox_free(m->sb);
	holder_channel_free(m->channel);
	events_close(m->events);
	free(m);
}

void member_counters(const struct member *m, struct gateway_counters *ret)
{
	const struct sandbox *sb = m->sb;

	*ret = (struct gateway_counters){
		.stack = sb->stack.cnt,
		.flow = sb->cnt,
		.link_tx_dropped = sb->link->tx_dropped,
		.link_rx_dropped = sb->link->rx_dropped,
		.link_rx_cut = sb->link->rx_cut,
		.link_peers = sb->link->peers,
		.events_lost = m->events ? events_lost(m->events) : 0,
		.denied_total = denials_total(sb->denials),
		.link_lost = sb->link_gone,
	};
	if (sb->intercept)
		ret->intercept = *intercept_counters(sb->intercept);
	ret->tcp_open = tcp_conn_count(&sb->stack, &ret->tcp_half);
}
