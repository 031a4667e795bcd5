// SPDX-License-Identifier: Apache-2.0
/*
 * A worker: a thread with its loop, and the sandboxes that live on it.
 *
 * Theory of operation
 * -------------------
 * The thread runs the loop until it is told to stop. Other threads put calls into its queue and
 * ring its eventfd; the loop finds that readable like any other source and runs them in the order
 * in which they came. Each caller keeps its call on its own stack and waits for it, so the queue
 * allocates nothing and can hold no more calls than there are threads.
 */
#ifndef WEIR_GATEWAY_WORKER_H
#define WEIR_GATEWAY_WORKER_H

#include <pthread.h>

#include "base/error.h"
#include "base/list.h"
#include "loop/loop.h"

struct worker {
	struct loop loop;    /* the thread's */
	struct list touched; /* sandboxes that have something to flush in this turn; the thread's */
	struct loop_source calls_src;
	int calls_fd;
	pthread_mutex_t lock; /* of `calls` */
	struct list calls;
	pthread_t thread;
	unsigned load; /* the gateway's: sandboxes that are meant to be here */
};

/* Starts the thread. NULL and err on failure. turn_end is called with the worker as its ctx. */
struct worker *worker_new(void (*turn_end)(struct loop *l, void *ctx), struct error *err);
/* Runs fn on the worker's thread and waits for it. From any other thread. */
void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);
/* Ends the thread, which has no members any more. NULL is fine. */
void worker_free(struct worker *w);

#endif
