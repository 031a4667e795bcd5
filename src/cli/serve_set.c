// SPDX-License-Identifier: Apache-2.0
/*
 * Which sandboxes `weir serve` is to have: those of the file, then those of the command line, then,
 * where there are none of either, one for each descriptor of the service manager.
 *
 * Nothing is opened in here, so that a wrong command line or file changes nothing.
 */
#include "cli/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sd.h"
#include "conf/reload.h"
#include "conf/tree.h"

#define SLOT_MAX 65535

char *serve_own_path(const char *path, const char *name)
{
	const char *base = strrchr(path, '/'), *dot = strrchr(base ? base : path, '.');
	char *ret;

	if (!dot || dot == path || dot[-1] == '/')
		dot = path + strlen(path);
	return asprintf(&ret, "%.*s-%s%s", (int)(dot - path), path, name, dot) < 0 ? NULL : ret;
}

static struct serve_sandbox *set_add(struct serve_set *s, struct error *err)
{
	struct serve_sandbox *grown = realloc(s->v, (s->n + 1) * sizeof(*grown));

	if (!grown) {
		error_set(err, "out of memory");
		return NULL;
	}
	s->v = grown;
	grown[s->n] = (struct serve_sandbox){.link.fd = -1};
	return &grown[s->n++];
}

/* The next slot of those that nobody asked for by number. */
static int set_slot(const struct serve_set *s, struct serve_sandbox *b, int64_t own,
		    struct error *err)
{
	uint64_t slot = own >= 0 ? (uint64_t)own : s->common.slot + (s->n - 1);

	if (slot > SLOT_MAX)
		return error_set(err,
				 "--slot: '%u': there is no slot for %zu sandboxes behind it; "
				 "expected one up to %d",
				 s->common.slot, s->n, SLOT_MAX);
	b->slot = (uint32_t)slot;
	return 0;
}

/* ---- of the file ----------------------------------------------------------------------------- */

static int add_of_file(struct serve_set *s, const struct tree *t, size_t index, int argc,
		       char **argv, struct error *err)
{
	struct serve_sandbox *b = set_add(s, err);
	struct config *c = b ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return error_set(err, "out of memory");
	config_init(c);
	b->conf = c;
	b->own_conf = true;
	if (options_parse_sandbox(t, index, argc, argv, c, err) < 0)
		return -1;
	b->link = c->serve[0]; /* the file's is the first; those of the command line follow */
	if (set_slot(s, b, c->own_slot, err) < 0)
		return -1;
	if (c->name)
		snprintf(b->name, sizeof(b->name), "%s", c->name);
	return 0;
}

static int add_file(struct serve_set *s, int argc, char **argv, struct error *err)
{
	struct tree *t;
	int r = 0;

	if (!s->common.sandbox_count)
		return 0;
	t = tree_load(s->common.path, err);
	if (!t)
		return -1;
	for (size_t i = 0; i < s->common.sandbox_count && r == 0; i++)
		r = add_of_file(s, t, i, argc, argv, err);
	tree_free(t);
	return r;
}

/* ---- of the command line --------------------------------------------------------------------- */

static int add_options(struct serve_set *s, struct error *err)
{
	for (size_t i = 0; i < s->common.serve_count; i++) {
		struct serve_sandbox *b = set_add(s, err);

		if (!b)
			return -1;
		b->conf = &s->common;
		b->link = s->common.serve[i];
		if (set_slot(s, b, -1, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- of the service manager ------------------------------------------------------------------ */

static int add_handed_over(struct serve_set *s, struct error *err)
{
	int n = s->n ? 0 : sd_fd_count();

	for (int i = 0; i < n; i++) {
		struct serve_sandbox *b = set_add(s, err);
		struct error ignored;

		if (!b)
			return -1;
		b->conf = &s->common;
		b->link = (struct config_serve){.kind = CONFIG_SERVE_FD, .fd = SD_FD_FIRST + i};
		sd_fd_name(i, b->name, sizeof(b->name));
		if (config_check_name(b->name, &ignored) < 0)
			b->name[0] = '\0';
		/* One name for all sockets of a unit is what the manager gives by default. */
		for (size_t k = 0; k + 1 < s->n; k++) {
			if (strcmp(s->v[k].name, b->name) == 0)
				b->name[0] = '\0';
		}
		if (set_slot(s, b, -1, err) < 0)
			return -1;
	}
	return 0;
}

/* A name becomes the descriptor that has it. */
static void find_named(struct config_serve *l)
{
	int n = sd_fd_count();
	char name[256];

	for (int i = 0; i < n && l->fd < 0; i++) {
		sd_fd_name(i, name, sizeof(name));
		if (strcmp(name, l->name) == 0)
			l->fd = SD_FD_FIRST + i;
	}
}

/* What --fd means: which descriptor, and which kind of link. */
static int settle_fd(struct serve_sandbox *b, bool again, struct error *err)
{
	struct config_serve *l = &b->link;

	if (l->fd < 0)
		find_named(l);
	if (l->fd < 0)
		return error_set(err,
				 "--fd: '%s': the service manager handed over no descriptor of "
				 "that name; expected a number, or a name of LISTEN_FDNAMES",
				 l->name);
	if (again)
		return 0;
	if (fcntl(l->fd, F_GETFD) < 0)
		return error_set(err, "--fd: '%d': there is no such open file", l->fd);
	if (l->kind == CONFIG_SERVE_FD && serve_link_kind(l->fd, &l->kind) < 0)
		return error_set(err,
				 "--fd: '%d': it is neither a socket nor a tap; expected one of "
				 "these",
				 l->fd);
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* For sorting by what has to be unique. */
static int by_slot(const void *a, const void *b)
{
	const struct serve_sandbox *x = *(const struct serve_sandbox *const *)a;
	const struct serve_sandbox *y = *(const struct serve_sandbox *const *)b;

	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int by_name(const void *a, const void *b)
{
	const struct serve_sandbox *x = *(const struct serve_sandbox *const *)a;
	const struct serve_sandbox *y = *(const struct serve_sandbox *const *)b;

	return strcmp(x->name, y->name);
}

static int by_link(const void *a, const void *b)
{
	const struct config_serve *x = &(*(const struct serve_sandbox *const *)a)->link;
	const struct config_serve *y = &(*(const struct serve_sandbox *const *)b)->link;

	if (x->fd >= 0 || y->fd >= 0)
		return x->fd - y->fd;
	if ((x->kind == CONFIG_SERVE_TAP) != (y->kind == CONFIG_SERVE_TAP))
		return x->kind == CONFIG_SERVE_TAP ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int clash(const struct serve_sandbox *a, const struct serve_sandbox *b,
		 int (*cmp)(const void *a, const void *b), struct error *err)
{
	char text[160];

	if (cmp == by_slot)
		return error_set(err,
				 "slot %u: sandboxes '%s' and '%s' would both have it; give each "
				 "its own",
				 a->slot, a->name, b->name);
	if (cmp == by_name)
		return error_set(err, "two sandboxes have the name '%s'; give each its own",
				 a->name);
	return error_set(err, "%s: two sandboxes would share it; give each its own",
			 serve_link_text(a, text, sizeof(text)));
}

static int set_unique(const struct serve_set *s, int (*cmp)(const void *a, const void *b),
		      struct error *err)
{
	const struct serve_sandbox **v = malloc((s->n + 1) * sizeof(const struct serve_sandbox *));
	int r = 0;

	if (!v)
		return error_set(err, "out of memory");
	for (size_t i = 0; i < s->n; i++)
		v[i] = &s->v[i];
	qsort(v, s->n, sizeof(v[0]), cmp);
	for (size_t i = 1; i < s->n && r == 0; i++) {
		if (cmp(&v[i - 1], &v[i]) == 0)
			r = clash(v[i - 1], v[i], cmp, err);
	}
	free(v);
	return r;
}

/* A port of the host is one sandbox's: those of the top level would be everybody's. */
static int check_ports(const struct serve_set *s, struct error *err)
{
	const struct config_publish *p = s->common.publish;

	if (s->n < 2)
		return 0;
	for (size_t i = 0; i < s->common.publish_count; i++) {
		if (p[i].host_port)
			return error_set(err,
					 "published port '%s': it would be that of all %zu "
					 "sandboxes; give it to one, in the file's list of "
					 "sandboxes, or take host port 0",
					 p[i].text, s->n);
	}
	return 0;
}

static int set_settle(struct serve_set *s, bool again, struct error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		struct serve_sandbox *b = &s->v[i];

		if (!b->name[0])
			snprintf(b->name, sizeof(b->name), "sandbox-%u", b->slot);
		if ((b->link.kind == CONFIG_SERVE_FD || b->link.fd >= 0) &&
		    settle_fd(b, again, err) < 0)
			return -1;
	}
	if (set_unique(s, by_slot, err) < 0 || set_unique(s, by_name, err) < 0 ||
	    set_unique(s, by_link, err) < 0)
		return -1;
	return check_ports(s, err);
}

int serve_set_read(struct serve_set *s, int argc, char **argv, bool again, struct error *err)
{
	int first = 0;

	*s = (struct serve_set){0};
	config_init(&s->common);
	int r = options_parse(OPTION_FOR_SERVE, argc, argv, &s->common, &first, err);
	if (r != 0)
		return r;
	if (first < argc)
		return error_set(err,
				 "serve: '%s': expected options only, such as --stream "
				 "/run/vm.sock",
				 argv[first]);
	if (add_file(s, argc, argv, err) < 0 || add_options(s, err) < 0 ||
	    add_handed_over(s, err) < 0)
		return -1;
	if (!s->n)
		return error_set(err, "serve: no link given; expected one for each VM, such as: "
				      "weir serve --stream /run/vm.sock");
	return set_settle(s, again, err);
}

void serve_set_done(struct serve_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].own_conf) {
			config_done(s->v[i].conf);
			free(s->v[i].conf);
		}
	}
	free(s->v);
	config_done(&s->common);
	*s = (struct serve_set){0};
}

int serve_set_check(const struct serve_set *running, const struct serve_set *next,
		    struct error *err)
{
	const char *file = next->common.path;

	if (running->n != next->n)
		return error_set(err,
				 "%s: sandboxes: there are %zu now and were %zu: they cannot come "
				 "and go while the gateway runs; start it anew",
				 file, next->n, running->n);
	for (size_t i = 0; i < next->n; i++) {
		const struct serve_sandbox *a = &running->v[i], *b = &next->v[i];

		if (strcmp(a->name, b->name) != 0 || a->slot != b->slot ||
		    !config_serve_same(&a->link, &b->link))
			return error_set(err,
					 "%s: sandboxes[%zu]: its name, slot or link is another "
					 "one: they cannot change while the gateway runs; start it "
					 "anew",
					 file, i);
		if (config_reload_check(a->conf, b->conf, err) < 0)
			return error_prefix(err, "sandbox '%s'", b->name);
	}
	return 0;
}
