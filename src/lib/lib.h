// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the public library share. What each call does stands in weir.h.
 *
 * Theory of operation
 * -------------------
 * The library is a thin coat over gateway/: it owns what an embedding program holds in its hands
 * and turns each call into one of gateway.h's. Objects hold each other by counts, so that they may
 * be freed in any order: a sandbox holds its gateway and its configurations.
 *
 * Locks: each sandbox has one, which orders the calls about it; below it are the gateway's own.
 * Workers take none of them, and callbacks run on workers: that is why a callback may not call (it
 * would wait for itself), and is stopped at the door by lib_enter().
 *
 * Log lines belong to a gateway: its workers have its sink for good, and each call has it for as
 * long as it lasts. That a thread has the sink already means that it is inside of a callback.
 */
#ifndef WEIR_LIB_LIB_H
#define WEIR_LIB_LIB_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/config.h"
#include "gateway/gateway.h"
#include "lib/weir.h"
#include "secret/holder.h"

/* ---- errors ---- */
/* All return -1; err may be NULL. */
int lib_fail(struct weir_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int lib_pass(struct weir_error *err, int code, const struct error *why);

/*
 * A struct of the caller's that begins with its size, of which `size` bytes are known here. NULL is
 * fine: *ret stays as it is. One that is larger comes from a program that knows a later version;
 * what it has beyond has to be zero. 0, or -1 and err.
 */
int lib_options(void *ret, size_t size, const void *options, struct weir_error *err);

/* ---- configurations ---- */
struct weir_config {
	atomic_int users;
	struct config conf; /* never changes */
};
/* The same one, to be freed once more. */
struct weir_config *lib_config_hold(const struct weir_config *c);
/* A document that has nothing but a policy. */
struct weir_config *lib_config_policy(enum weir_format format, const char *text, size_t n,
				      struct weir_error *err);

/* ---- gateways ---- */
struct weir_gateway {
	atomic_int users; /* the program, and each sandbox */
	struct log_sink sink;
	void (*log)(void *ctx, int level, const char *text);
	void *log_ctx;
	struct gateway *gw;
	pthread_mutex_t lock;  /* of `holder` */
	struct holder *holder; /* NULL: nothing was looked into yet */
};
/* Starts it with the first configuration that needs it. 0, or -1 and err. */
int lib_gateway_hold(struct weir_gateway *g, const struct config *c, struct weir_error *err);
void lib_gateway_release(struct weir_gateway *g);

/* The beginning and the end of a call. */
struct lib_call {
	const struct log_sink *before;
};
/* False and EDEADLK from inside of a callback. */
bool lib_enter(struct lib_call *call, const struct weir_gateway *g, struct weir_error *err);
void lib_leave(const struct lib_call *call);

/* ---- sandboxes ---- */
enum lib_state {
	LIB_NEW, /* may be given a link, and started */
	LIB_RUNS,
	LIB_ENDED, /* stopped, or the start failed */
};

struct weir_sandbox {
	struct weir_gateway *gateway;
	pthread_mutex_t lock; /* of what may change: all below `stack` */
	char name[CONFIG_NAME_MAX + 1];
	struct config own;         /* what the options say: of it, only the interface counts */
	struct stack_config stack; /* addresses */
	struct weir_sandbox_options options;

	struct weir_config *config;
	struct weir_config *policy; /* in place of the configuration's; NULL: none was set */
	enum lib_state state;
	bool has_link;                /* there is one, or was */
	struct link *link;            /* until the start */
	uint32_t id;                  /* LIB_RUNS: in the gateway */
	struct gateway_counters last; /* LIB_ENDED */
};
/*
 * The configuration as the sandbox has it: the interface of its options, the policy of `policy`
 * where that is not NULL, all else of `config`. It owns nothing: not for config_done().
 */
struct config lib_sandbox_config(const struct weir_sandbox *s, const struct weir_config *config,
				 const struct weir_config *policy);
/* Lock and lib_enter() at once. */
bool lib_sandbox_enter(struct weir_sandbox *s, struct lib_call *call, struct weir_error *err);
void lib_sandbox_leave(struct weir_sandbox *s, const struct lib_call *call);
/* -1 and ENOTCONN. */
int lib_not_running(const struct weir_sandbox *s, struct weir_error *err);

#endif
