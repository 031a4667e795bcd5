// SPDX-License-Identifier: Apache-2.0
/*
 * A gateway: many sandboxes in one process, spread over a few worker threads.
 *
 * Theory of operation
 * -------------------
 * Each sandbox lives on one worker (worker.h) from gateway_add() to gateway_remove(): its link, its
 * sockets, its timers and its memory are touched by that thread alone, so the data path has no
 * locks and nothing that two sandboxes share. Everything said to a sandbox from outside is a
 * function that is sent to its worker, which runs it between two turns of its loop; the sender
 * waits.
 *
 * Workers are started as they are needed: one that has no sandbox yet is preferred, up to
 * gateway_options.workers, and then the one with the fewest.
 *
 * All calls may be made from any thread but a worker's: not from the notify callback, nor from what
 * gateway_call() runs. They take their turn (one lock), and none of them waits for a guest or for a
 * host on the network. Nothing in here prints, exits or handles a signal; SIGPIPE has to be
 * blocked or ignored by whoever owns the process. Workers have every signal blocked.
 *
 * Bounds: GATEWAY_SANDBOXES_MAX sandboxes, GATEWAY_WORKERS_MAX workers; beyond either the call is
 * an error.
 */
#ifndef WEIR_GATEWAY_GATEWAY_H
#define WEIR_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/config.h"
#include "flow/sandbox.h"
#include "intercept/intercept.h"
#include "link/link.h"
#include "stack/stack.h"

#define GATEWAY_SANDBOXES_MAX 65536 /* as many as there are slots */
#define GATEWAY_WORKERS_MAX   1024

struct gateway;
struct holder; /* ../secret/holder.h */

enum gateway_notice {
	GATEWAY_LINK_LOST, /* the link has ended; why is in `err` */
	GATEWAY_LINK_BACK, /* gateway_spec.reopen has made another one */
};

struct gateway_options {
	unsigned workers; /* most of them; 0: one for each core that this process may use */
	/* Something has happened to sandbox `id`; `err` is a positive errno or 0. Called on its
	 * worker: it makes a note and returns. NULL: not wanted. */
	void (*notify)(void *ctx, uint32_t id, enum gateway_notice what, int err);
	void *ctx;
	/* The log lines of the workers; NULL: stderr. Stays the caller's until gateway_free(). */
	const struct log_sink *log;
	bool embedded; /* in a program of somebody else's, whose pages are not ours to give back */
};

/* What a sandbox is made of. */
struct gateway_spec {
	const char *name; /* config_check_name(); what events call it. Unique in the gateway */
	const struct config *conf; /* checked; has to stay only until gateway_add() returns */
	struct stack_config stack; /* derive_stack_config(). guest_mac all zero: learned from the
				      first frame, and again from each next guest's */
	struct link *link;         /* taken over, also where the call fails */
	/* Makes the link anew after it has ended, on the worker, once a second until there is one.
	 * NULL: a link that has ended is the end of the sandbox's network. `arg` stays the
	 * caller's, and has to stay until gateway_remove(). */
	struct link *(*reopen)(void *arg, struct error *err);
	void *arg;
	/* For an embedding program, until gateway_remove() returns; on the worker. NULL: not
	 * wanted. A line of JSON with its newline, as --events writes it; and that the link has
	 * ended. */
	void (*on_event)(void *owner, const char *line, size_t n);
	void (*on_lost)(void *owner, int err);
	void *owner;
};

/* A copy of one sandbox's counters, all of one moment. */
struct gateway_counters {
	struct stack_counters stack;
	struct flow_counters flow;
	struct intercept_counters intercept;
	uint64_t link_tx_dropped, link_rx_dropped, link_rx_cut;
	uint32_t link_peers;   /* guests that there have been, where the link can tell */
	unsigned tcp_open;     /* connections now */
	unsigned tcp_half;     /* of them being opened */
	uint64_t events_lost;  /* lines of --events that a slow reader lost */
	uint64_t denied_total; /* refusals */
	bool link_lost;
};

/* NULL and err on failure. No thread runs yet. */
struct gateway *gateway_new(const struct gateway_options *o, struct error *err);
/* Stops everything (gateway_stop()) and frees it. NULL is fine. */
void gateway_free(struct gateway *g);

/* Where keys and secrets are kept: before, sandboxes that would need it cannot be added. Stays the
 * caller's until gateway_free(). */
void gateway_set_holder(struct gateway *g, struct holder *holder);

/* Builds the sandbox on a worker, and starts it. Its number (> 0, never given again), or 0 and err;
 * all others go on as they were either way. */
uint32_t gateway_add(struct gateway *g, const struct gateway_spec *spec, struct error *err);
/*
 * Ends a sandbox as a host that shuts down ends its connections: what the guest has finished
 * sending still reaches its peer, all other connections are reset in both directions. -1 where
 * there is none of that number.
 */
int gateway_remove(struct gateway *g, uint32_t id);
/* Ends all sandboxes and threads; gateway_add() is an error from then on. */
void gateway_stop(struct gateway *g);

/* One sandbox's new configuration. */
struct gateway_change {
	uint32_t id;
	/* Both have to stay only until the call returns. */
	const struct config *conf;
	const struct config *running; /* what is in force: kept, where another sandbox fails */
};
/*
 * New policies and DNS settings for any number of sandboxes: all of them are checked first, then
 * they take effect, or none does. -1 and err, which begins with the name of the sandbox that is
 * meant.
 */
int gateway_reload(struct gateway *g, const struct gateway_change *changes, size_t n,
		   struct error *err);

/* -1 where there is no such sandbox. */
int gateway_counters(struct gateway *g, uint32_t id, struct gateway_counters *ret);
/* Runs fn on the sandbox's worker, between two turns of its loop, and waits for it: for whatever
 * else is to be asked of a sandbox or changed in it. -1 where there is no such sandbox. */
int gateway_call(struct gateway *g, uint32_t id, void (*fn)(struct sandbox *sb, void *arg),
		 void *arg);

/* The placeholders of a sandbox's secrets as its guest is to find them in its environment
 * (secret_set_environment()). NULL where there is no such sandbox, or no memory. */
char **gateway_secrets(struct gateway *g, uint32_t id);

/* How many there are. */
size_t gateway_count(struct gateway *g);
unsigned gateway_workers(struct gateway *g);

#endif
