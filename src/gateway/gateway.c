// SPDX-License-Identifier: Apache-2.0
/*
 * The register of sandboxes and workers, and the calls that reach them from outside.
 *
 * One lock holds the register. It is kept while a worker does what a call asks of it, so that no
 * sandbox goes in between; workers themselves never take it.
 */
#include "gateway/gateway.h"

#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/member.h"
#include "gateway/renew.h"
#include "gateway/worker.h"
#include "policy/policy.h"

struct entry {
	struct list node; /* in gateway.entries */
	uint32_t id;
	struct worker *worker;
	struct member *member; /* the worker's: only to be handed back to it */
	char name[CONFIG_NAME_MAX + 1];
};

struct gateway {
	struct gateway_options options;
	struct holder *holder; /* NULL: none */
	pthread_mutex_t lock;
	struct list entries;
	size_t count;
	uint32_t last_id;
	struct worker **workers;
	unsigned worker_n, worker_max;
	bool stopped;
};

/* ---- the register ---------------------------------------------------------------------------- */

static struct entry *entry_by_id(struct gateway *g, uint32_t id)
{
	list_for_each (n, &g->entries) {
		struct entry *e = container_of(n, struct entry, node);
		if (e->id == id)
			return e;
	}
	return NULL;
}

static struct entry *entry_by_name(struct gateway *g, const char *name)
{
	list_for_each (n, &g->entries) {
		struct entry *e = container_of(n, struct entry, node);
		if (strcmp(e->name, name) == 0)
			return e;
	}
	return NULL;
}

/* ---- workers --------------------------------------------------------------------------------- */

/* Cores that this process may use. */
static unsigned cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

static struct worker *worker_least(struct gateway *g)
{
	struct worker *best = NULL;

	for (unsigned i = 0; i < g->worker_n; i++) {
		if (!best || g->workers[i]->load < best->load)
			best = g->workers[i];
	}
	return best;
}

/* The first thing that a worker does. */
static void call_settle(struct worker *w, void *arg)
{
	const struct gateway_options *o = arg;

	log_set_sink(o->log);
	w->loop.rested = o->embedded;
}

static struct worker *worker_more(struct gateway *g, struct error *err)
{
	struct worker **grown = realloc(g->workers, (g->worker_n + 1) * sizeof(*grown));

	if (!grown) {
		error_set(err, "out of memory");
		return NULL;
	}
	g->workers = grown;
	struct worker *w = worker_new(member_turn_end, err);
	if (w) {
		g->workers[g->worker_n++] = w;
		worker_call(w, call_settle, &g->options);
	}
	return w;
}

/* Where the next sandbox goes. */
static struct worker *worker_choose(struct gateway *g, struct error *err)
{
	struct worker *w = worker_least(g);

	if ((w && w->load == 0) || g->worker_n == g->worker_max)
		return w;
	return worker_more(g, err);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct gateway *gateway_new(const struct gateway_options *o, struct error *err)
{
	struct gateway *g = calloc(1, sizeof(*g));

	if (!g) {
		error_set(err, "out of memory");
		return NULL;
	}
	if (o)
		g->options = *o;
	g->worker_max = g->options.workers ? g->options.workers : cores();
	if (g->worker_max > GATEWAY_WORKERS_MAX)
		g->worker_max = GATEWAY_WORKERS_MAX;
	pthread_mutex_init(&g->lock, NULL);
	list_init(&g->entries);
	return g;
}

static void call_free(struct worker *w, void *arg)
{
	member_free(arg);
}

static void entry_end(struct gateway *g, struct entry *e)
{
	worker_call(e->worker, call_free, e->member);
	e->worker->load--;
	list_del(&e->node);
	g->count--;
	free(e);
}

void gateway_stop(struct gateway *g)
{
	struct list *n;

	pthread_mutex_lock(&g->lock);
	g->stopped = true;
	while ((n = list_pop(&g->entries)))
		entry_end(g, container_of(n, struct entry, node));
	for (unsigned i = 0; i < g->worker_n; i++)
		worker_free(g->workers[i]);
	g->worker_n = 0;
	pthread_mutex_unlock(&g->lock);
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	gateway_stop(g);
	pthread_mutex_destroy(&g->lock);
	free(g->workers);
	free(g);
}

/* ---- adding and removing --------------------------------------------------------------------- */

struct add {
	struct gateway *g;
	const struct gateway_spec *spec;
	const struct member_secrets *secrets;
	struct entry *e;
	struct error *err;
};

static void call_add(struct worker *w, void *arg)
{
	struct add *a = arg;

	a->e->member = member_new(w, a->spec, a->e->id, &a->g->options, a->secrets, a->err);
}

/* A secret's source may take its time: its reading is waited for here, and not by the worker, which
 * has other sandboxes, nor with the lock. */
static int read_secrets(struct gateway *g, const struct config *c, struct member_secrets *ret,
			struct error *err)
{
	*ret = (struct member_secrets){0};
	if (!config_intercepts(c))
		return 0;
	pthread_mutex_lock(&g->lock);
	ret->holder = g->holder;
	pthread_mutex_unlock(&g->lock);
	if (!ret->holder)
		return error_set(err, "TLS interception, HTTP rules and secrets need a key holder, "
				      "which this program has not started");
	ret->channel = holder_channel_new(ret->holder, c, NULL, NULL, err);
	return ret->channel ? 0 : -1;
}

/* All that a worker is not needed for. */
static int add_check(struct gateway *g, const struct gateway_spec *spec, struct error *err)
{
	struct error why;

	if (g->stopped)
		return error_set(err, "the gateway has been stopped");
	if (g->count >= GATEWAY_SANDBOXES_MAX)
		return error_set(err, "there are %d sandboxes already, which is the most",
				 GATEWAY_SANDBOXES_MAX);
	if (config_check_name(spec->name, &why) < 0)
		return error_set(err, "'%s': %s", spec->name, why.msg);
	if (entry_by_name(g, spec->name))
		return error_set(err, "there is a sandbox '%s' already", spec->name);
	return 0;
}

/* The lock is held. Takes over the link and the channel. */
static struct entry *add_entry(struct gateway *g, const struct gateway_spec *spec,
			       const struct member_secrets *secrets, struct error *err)
{
	struct entry *e = NULL;
	struct worker *w = NULL;

	if (add_check(g, spec, err) == 0) {
		e = calloc(1, sizeof(*e));
		if (!e)
			error_set(err, "out of memory");
		else
			w = worker_choose(g, err);
	}
	if (!w) {
		link_free(spec->link);
		holder_channel_free(secrets->channel);
		free(e);
		return NULL;
	}
	e->worker = w;
	e->id = g->last_id + 1;
	strcpy(e->name, spec->name); /* add_check() has seen its length */
	worker_call(w, call_add,
		    &(struct add){.g = g, .spec = spec, .secrets = secrets, .e = e, .err = err});
	if (!e->member) {
		free(e);
		return NULL;
	}
	return e;
}

uint32_t gateway_add(struct gateway *g, const struct gateway_spec *spec, struct error *err)
{
	struct member_secrets secrets;
	uint32_t id = 0;

	if (read_secrets(g, spec->conf, &secrets, err) < 0) {
		link_free(spec->link);
		return 0;
	}
	pthread_mutex_lock(&g->lock);
	struct entry *e = add_entry(g, spec, &secrets, err);
	if (e) {
		id = g->last_id = e->id;
		list_add_tail(&g->entries, &e->node);
		e->worker->load++;
		g->count++;
	}
	pthread_mutex_unlock(&g->lock);
	return id;
}

int gateway_remove(struct gateway *g, uint32_t id)
{
	pthread_mutex_lock(&g->lock);
	struct entry *e = entry_by_id(g, id);
	if (e)
		entry_end(g, e);
	pthread_mutex_unlock(&g->lock);
	return e ? 0 : -1;
}

/* ---- asking and changing --------------------------------------------------------------------- */

struct ask {
	struct member *m;
	void (*fn)(struct sandbox *sb, void *arg);
	void *arg;
};

static void call_ask(struct worker *w, void *arg)
{
	struct ask *a = arg;

	a->fn(a->m->sb, a->arg);
}

int gateway_call(struct gateway *g, uint32_t id, void (*fn)(struct sandbox *sb, void *arg),
		 void *arg)
{
	pthread_mutex_lock(&g->lock);
	struct entry *e = entry_by_id(g, id);
	if (e)
		worker_call(e->worker, call_ask,
			    &(struct ask){.m = e->member, .fn = fn, .arg = arg});
	pthread_mutex_unlock(&g->lock);
	return e ? 0 : -1;
}

struct count {
	const struct member *m;
	struct gateway_counters *ret;
};

static void call_count(struct worker *w, void *arg)
{
	struct count *c = arg;

	member_counters(c->m, c->ret);
}

int gateway_counters(struct gateway *g, uint32_t id, struct gateway_counters *ret)
{
	pthread_mutex_lock(&g->lock);
	struct entry *e = entry_by_id(g, id);
	if (e)
		worker_call(e->worker, call_count, &(struct count){.m = e->member, .ret = ret});
	pthread_mutex_unlock(&g->lock);
	return e ? 0 : -1;
}

struct secrets {
	const struct member *m;
	char **ret;
};

static void call_secrets(struct worker *w, void *arg)
{
	struct secrets *s = arg;

	s->ret = s->m->channel ? secret_set_environment(holder_secrets(s->m->channel))
			       : calloc(1, sizeof(*s->ret));
}

char **gateway_secrets(struct gateway *g, uint32_t id)
{
	struct secrets s = {0};

	pthread_mutex_lock(&g->lock);
	struct entry *e = entry_by_id(g, id);
	if (e) {
		s.m = e->member;
		worker_call(e->worker, call_secrets, &s);
	}
	pthread_mutex_unlock(&g->lock);
	return s.ret;
}

void gateway_set_holder(struct gateway *g, struct holder *holder)
{
	pthread_mutex_lock(&g->lock);
	g->holder = holder;
	pthread_mutex_unlock(&g->lock);
}

/* ---- reloading ------------------------------------------------------------------------------- */

struct renew {
	struct renewal renewal;
	struct member *m;
	struct error *err;
	int result;
	sem_t over;
};

static void on_renewed(struct renewal *x, const struct error *err)
{
	struct renew *r = container_of(x, struct renew, renewal);

	if (err)
		*r->err = *err;
	r->result = err ? -1 : 0;
	sem_post(&r->over); /* r is the caller's again */
}

static void call_renew(struct worker *w, void *arg)
{
	struct renew *r = arg;

	r->renewal.sb = r->m->sb;
	r->renewal.ch = r->m->channel;
	sandbox_renew(&r->renewal);
}

/* The worker goes on with its sandboxes until the secrets were read. */
static int renew(struct entry *e, const struct config *running, const struct config *c,
		 struct error *err)
{
	struct renew r = {.renewal = {.running = running, .next = c, .over = on_renewed},
			  .m = e->member,
			  .err = err};

	sem_init(&r.over, 0, 0);
	worker_call(e->worker, call_renew, &r);
	while (sem_wait(&r.over) < 0)
		; /* a signal of the caller's */
	sem_destroy(&r.over);
	return r.result;
}

/* Everything that can be wrong with them but memory. */
static int changes_check(struct gateway *g, const struct gateway_change *changes, size_t n,
			 struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = entry_by_id(g, changes[i].id);
		struct policy_source src = config_policy_source(changes[i].conf);

		if (!e)
			return error_set(err, "there is no sandbox number %u", changes[i].id);
		struct policy *p = policy_new(&src, err);
		if (!p)
			return error_prefix(err, "sandbox '%s'", e->name);
		policy_free(p);
	}
	return 0;
}

static int changes_apply(struct gateway *g, const struct gateway_change *changes, size_t n,
			 struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct entry *e = entry_by_id(g, changes[i].id);
		struct error ignored;

		if (renew(e, changes[i].running, changes[i].conf, err) == 0)
			continue;
		error_prefix(err, "sandbox '%s'", e->name);
		while (i--)
			renew(entry_by_id(g, changes[i].id), changes[i].conf, changes[i].running,
			      &ignored);
		return -1;
	}
	return 0;
}

int gateway_reload(struct gateway *g, const struct gateway_change *changes, size_t n,
		   struct error *err)
{
	pthread_mutex_lock(&g->lock);
	int r = changes_check(g, changes, n, err);
	if (r == 0)
		r = changes_apply(g, changes, n, err);
	pthread_mutex_unlock(&g->lock);
	return r;
}

size_t gateway_count(struct gateway *g)
{
	pthread_mutex_lock(&g->lock);
	size_t n = g->count;
	pthread_mutex_unlock(&g->lock);
	return n;
}

unsigned gateway_workers(struct gateway *g)
{
	pthread_mutex_lock(&g->lock);
	unsigned n = g->worker_n;
	pthread_mutex_unlock(&g->lock);
	return n;
}
