// SPDX-License-Identifier: Apache-2.0
/* The gateway of an embedding program: its log, and who holds it. */
#include <errno.h>
#include <stdlib.h>

#include "host/addrs.h"
#include "lib/lib.h"

static void hand_over(void *ctx, enum log_level level, const char *text)
{
	const struct weir_gateway *g = ctx;

	g->log(g->log_ctx, (int)level, text);
}

struct weir_gateway *weir_gateway_new(const struct weir_gateway_options *options,
				      struct weir_error *err)
{
	struct weir_gateway_options o = {0};
	struct weir_gateway *g;
	struct error why = {0};

	if (lib_options(&o, sizeof(o), options, err) < 0)
		return NULL;
	if (o.log && (o.log_level < WEIR_LOG_ERROR || o.log_level > WEIR_LOG_DEBUG)) {
		lib_fail(err, EINVAL, "there is no log level %d", o.log_level);
		return NULL;
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		lib_fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	g->users = 1;
	pthread_mutex_init(&g->lock, NULL);
	g->log = o.log;
	g->log_ctx = o.log_ctx;
	g->sink = (struct log_sink){.line = o.log ? hand_over : NULL,
				    .ctx = g,
				    .level = (enum log_level)o.log_level};
	g->gw = gateway_new(
		&(struct gateway_options){.workers = o.workers, .log = &g->sink, .embedded = true},
		&why);
	if (!g->gw) {
		lib_pass(err, ENOMEM, &why);
		pthread_mutex_destroy(&g->lock);
		free(g);
		return NULL;
	}
	return g;
}

void lib_gateway_release(struct weir_gateway *g)
{
	if (atomic_fetch_sub(&g->users, 1) > 1)
		return;
	gateway_free(g->gw);
	holder_stop(g->holder);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

int lib_gateway_hold(struct weir_gateway *g, const struct config *c, struct weir_error *err)
{
	struct error why = {0};

	pthread_mutex_lock(&g->lock);
	if (!g->holder) {
		g->holder = holder_start(c, &why);
		gateway_set_holder(g->gw, g->holder);
	}
	pthread_mutex_unlock(&g->lock);
	return g->holder ? 0 : lib_pass(err, ECANCELED, &why);
}

void weir_gateway_free(struct weir_gateway *g)
{
	struct lib_call call;

	if (!g || !lib_enter(&call, g, NULL))
		return;
	gateway_stop(g->gw);
	lib_gateway_release(g);
	lib_leave(&call);
}

size_t weir_gateway_running(struct weir_gateway *g)
{
	struct lib_call call;

	if (!lib_enter(&call, g, NULL))
		return 0;
	size_t n = gateway_count(g->gw);
	lib_leave(&call);
	return n;
}

bool lib_enter(struct lib_call *call, const struct weir_gateway *g, struct weir_error *err)
{
	if (log_sink() == &g->sink) {
		lib_fail(err, EDEADLK, "a callback may not call the library about its own gateway");
		return false;
	}
	call->before = log_set_sink(&g->sink);
	return true;
}

void lib_leave(const struct lib_call *call)
{
	log_set_sink(call->before);
}

bool weir_host_has_route(int family)
{
	return (family == 4 || family == 6) && host_has_route((uint8_t)family);
}
