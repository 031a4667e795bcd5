// SPDX-License-Identifier: Apache-2.0
/* The thread of a worker, and how others speak to it. */
#include "gateway/worker.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* A loop that fails (the kernel is out of memory) is run again, but not all the time. */
#define RETRY_NS 100000000

struct call {
	struct list node;
	void (*fn)(struct worker *w, void *arg);
	void *arg;
	sem_t done;
};

static struct call *call_next(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	struct list *n = list_pop(&w->calls);
	pthread_mutex_unlock(&w->lock);
	return n ? container_of(n, struct call, node) : NULL;
}

static void on_calls(struct loop_source *src, uint32_t events)
{
	struct worker *w = container_of(src, struct worker, calls_src);
	struct call *c;
	uint64_t count;

	if (read(w->calls_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("a worker cannot read its queue: %s", strerror(errno));
	while ((c = call_next(w))) {
		c->fn(w, c->arg);
		sem_post(&c->done); /* c is the caller's again, who may free it at once */
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	while (!w->loop.stop) {
		int r = loop_run(&w->loop);
		if (r == 0)
			break;
		log_error("a worker's loop failed: %s", strerror(-r));
		nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
	}
	return NULL;
}

void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
	struct call c = {.fn = fn, .arg = arg};
	const uint64_t one = 1;

	sem_init(&c.done, 0, 0);
	pthread_mutex_lock(&w->lock);
	list_add_tail(&w->calls, &c.node);
	pthread_mutex_unlock(&w->lock);
	/* The counter is far from full: each sender waits. */
	if (write(w->calls_fd, &one, sizeof(one)) < 0)
		log_error("cannot wake a worker: %s", strerror(errno));
	while (sem_wait(&c.done) < 0)
		; /* a signal of the caller's */
	sem_destroy(&c.done);
}

/* The thread gets no signals: they are the affair of whoever owns the process. */
static int thread_start(struct worker *w)
{
	sigset_t all, before;

	sigfillset(&all);
	/* Faults of the thread's own cannot be put off. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_setname_np(w->thread, "weir-worker");
	return -r;
}

static void worker_destroy(struct worker *w)
{
	if (w->calls_fd >= 0)
		close(w->calls_fd);
	loop_done(&w->loop);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

struct worker *worker_new(void (*turn_end)(struct loop *l, void *ctx), struct error *err)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w) {
		error_set(err, "out of memory");
		return NULL;
	}
	w->calls_fd = -1;
	w->loop.epoll_fd = -1;
	pthread_mutex_init(&w->lock, NULL);
	list_init(&w->calls);
	list_init(&w->touched);
	if (loop_init(&w->loop, err) < 0) {
		worker_destroy(w);
		return NULL;
	}
	w->loop.turn_end = turn_end;
	w->loop.turn_ctx = w;
	w->calls_src = (struct loop_source){.fd = -1, .fn = on_calls};
	w->calls_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->calls_fd < 0)
		r = -errno;
	if (r == 0)
		r = loop_add(&w->loop, &w->calls_src, w->calls_fd, EPOLLIN);
	if (r == 0)
		r = thread_start(w);
	if (r < 0) {
		error_set_errno(err, r, "cannot start a worker");
		worker_destroy(w);
		return NULL;
	}
	return w;
}

static void call_stop(struct worker *w, void *arg)
{
	w->loop.stop = true;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	worker_call(w, call_stop, NULL);
	pthread_join(w->thread, NULL);
	worker_destroy(w);
}
