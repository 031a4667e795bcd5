// SPDX-License-Identifier: Apache-2.0
/*
 * A sandbox as its worker has it. Everything here runs on the worker's thread.
 */
#ifndef WEIR_GATEWAY_MEMBER_H
#define WEIR_GATEWAY_MEMBER_H

#include "gateway/gateway.h"
#include "gateway/worker.h"
#include "observe/events.h"

struct member {
	struct sandbox *sb;
	struct holder_channel *channel; /* of its secrets; NULL: nothing is looked into */
	struct events *events;          /* NULL: none wanted */
	struct timer reopen_timer, end_timer;
	struct link *(*reopen)(void *arg, struct error *err);
	void *arg;
	void (*on_lost)(void *owner, int err);
	void *owner;
	const struct gateway_options *options; /* the gateway's */
	uint32_t id;
	bool lost; /* link_gone, as far as it was told */
};

/* What a sandbox whose connections are looked into has of its own; NULL: it is none. */
struct member_secrets {
	struct holder *holder;
	struct holder_channel *channel; /* not attached yet */
};

/* Takes over spec->link and the channel. NULL and err on failure. */
struct member *member_new(struct worker *w, const struct gateway_spec *spec, uint32_t id,
			  const struct gateway_options *options, const struct member_secrets *s,
			  struct error *err);
/* Ends its flows and everything else. */
void member_free(struct member *m);
void member_counters(const struct member *m, struct gateway_counters *ret);

/* The loop's hook (ctx is the worker). */
void member_turn_end(struct loop *l, void *ctx);

#endif
