// SPDX-License-Identifier: Apache-2.0
/*
 * Lists of resolvers, and how they change. See resolvers.h.
 */
#include "dns/resolvers.h"

#include <stdlib.h>

#include "conf/config.h"
#include "dns/proxy.h"
#include "flow/sandbox.h"

struct dns_server *dns_server_ref(struct dns_server *s)
{
	s->refs++;
	return s;
}

void dns_server_unref(struct dns_server *s)
{
	if (--s->refs)
		return;
	upstream_udp_close_all(s);
	list_del(&s->node);
	free(s);
}

static struct dns_server *server_new(const struct resolver *at)
{
	struct dns_server *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->at = *at;
	s->refs = 1;
	list_init(&s->node);
	list_init(&s->socks);
	return s;
}

static bool same(const struct resolver *x, const struct resolver *y)
{
	return ipaddr_eq(&x->addr, &y->addr) && x->scope == y->scope && x->port == y->port;
}

static bool same_list(const struct dns_resolvers *r, const struct resolver *v, size_t n)
{
	if (n != r->n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same(&r->v[i]->at, &v[i]))
			return false;
	return true;
}

/*
 * Puts another list in place; what is in both keeps what was learnt of it. Queries on their way
 * hold the old ones until they end. True where it differs.
 */
static bool list_set(struct dns_resolvers *r, const struct resolver *v, size_t n)
{
	struct dns_server *old[RESOLVERS_MAX];
	size_t old_n = r->n;
	if (same_list(r, v, n))
		return false;
	memcpy(old, r->v, sizeof(old));
	r->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct dns_server *s = NULL;
		for (size_t k = 0; k < old_n && !s; k++)
			if (same(&old[k]->at, &v[i]))
				s = dns_server_ref(old[k]);
		if (!s)
			s = server_new(&v[i]);
		if (s)
			r->v[r->n++] = s;
	}
	for (size_t k = 0; k < old_n; k++)
		dns_server_unref(old[k]);
	return true;
}

static void conf_event(struct loop_source *src, uint32_t events)
{
	struct dns_resolvers *r = container_of(src, struct dns_resolvers, conf_src);
	resolvconf_event(&r->conf);
}

/* Without a watch the file is still compared every second. */
static void follow(struct dns_proxy *d, const char *path)
{
	struct dns_resolvers *r = &d->res;
	resolvconf_init(&r->conf, path, d->sb->loop->now_us);
	r->follows = true;
	if (r->conf.inotify_fd >= 0)
		loop_add(d->sb->loop, &r->conf_src, r->conf.inotify_fd, EPOLLIN);
}

static void unfollow(struct dns_proxy *d)
{
	loop_del(d->sb->loop, &d->res.conf_src);
	resolvconf_done(&d->res.conf);
	d->res.follows = false;
}

bool dns_resolvers_reload(struct dns_proxy *d, const struct config *c, const char *path)
{
	struct dns_resolvers *r = &d->res;
	struct resolver v[RESOLVERS_MAX];
	size_t n = 0;
	for (; n < c->dns_upstream_count && n < RESOLVERS_MAX; n++)
		v[n] = (struct resolver){
			.addr = c->dns_upstream[n].addr,
			.port = c->dns_upstream[n].port ? c->dns_upstream[n].port : DNS_PORT,
		};
	if (n && r->follows)
		unfollow(d);
	if (n)
		return list_set(r, v, n);
	if (!r->follows)
		follow(d, path);
	return list_set(r, r->conf.list.v, r->conf.list.n);
}

bool dns_resolvers_refresh(struct dns_proxy *d)
{
	struct dns_resolvers *r = &d->res;
	if (!r->follows || !resolvconf_check(&r->conf, d->sb->loop->now_us))
		return false;
	/* The host is somewhere else, perhaps: who was slow there may be quick here. */
	for (size_t i = 0; i < r->n; i++)
		r->v[i]->slow_until = 0;
	return list_set(r, r->conf.list.v, r->conf.list.n);
}

void dns_resolvers_init(struct dns_proxy *d, const struct config *c, const char *path)
{
	list_init(&d->res.chosen);
	d->res.conf_src = (struct loop_source){.fd = -1, .fn = conf_event};
	d->res.conf.inotify_fd = -1;
	dns_resolvers_reload(d, c, path);
}

void dns_resolvers_done(struct dns_proxy *d)
{
	struct dns_resolvers *r = &d->res;
	list_for_each (it, &r->chosen) {
		struct dns_server *s = container_of(it, struct dns_server, node);
		list_del(&s->node);
		dns_server_unref(s);
	}
	for (size_t i = 0; i < r->n; i++)
		dns_server_unref(r->v[i]);
	r->n = 0;
	unfollow(d);
}

struct dns_server *dns_resolvers_choose(struct dns_proxy *d, const struct ipaddr *a, uint16_t port)
{
	struct dns_resolvers *r = &d->res;
	struct resolver at = {.addr = *a, .port = port};
	struct dns_server *idle = NULL;
	list_for_each (it, &r->chosen) {
		struct dns_server *s = container_of(it, struct dns_server, node);
		if (same(&s->at, &at)) {
			list_del(&s->node);
			list_add_tail(&r->chosen, &s->node);
			return s;
		}
		if (!idle && s->refs == 1)
			idle = s;
	}
	if (r->chosen_n >= CHOSEN_MAX) {
		if (!idle)
			return NULL;
		list_del(&idle->node);
		dns_server_unref(idle);
		r->chosen_n--;
	}
	struct dns_server *s = server_new(&at);
	if (!s)
		return NULL;
	list_add_tail(&r->chosen, &s->node);
	r->chosen_n++;
	return s;
}
