// SPDX-License-Identifier: Apache-2.0
/*
 * The lists of the section tls: ports, hosts, certificates.
 *
 * Hosts are patterns (base/pattern.h). An item for some hosts calls them `host`; `pattern` is
 * taken, too.
 */
#include <string.h>

#include "conf/schema.h"

static int wrong(struct schema_walk *w, const struct tree_node *n, const struct error *why)
{
	return schema_wrong(w, n, why->msg);
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int item_port(struct schema_walk *w, const struct tree_node *n)
{
	struct error why;
	uint64_t port;

	if (config_parse_uint(n->kind == TREE_NUMBER ? n->text : "", 1, 65535, &port, &why) < 0)
		return wrong(w, n, &why);
	return config_add_tls_port(w->c, port, &why) < 0 ? wrong(w, n, &why) : 0;
}

int schema_tls_ports(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	w->c->tls.port_count = 0;
	memset(w->c->tls.ports, 0, sizeof(w->c->tls.ports));
	if (schema_each(w, n, "ports", item_port) < 0)
		return -1;
	return n->count ? 0 : schema_wrong(w, n, "the list is empty; expected a port");
}

/* ---- hosts and files ------------------------------------------------------------------------- */

/* A pattern that may be `any`; NULL and the error where it is none. */
static const char *read_host(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return NULL;
	if (config_check_host(text, true, &why) == 0)
		return text;
	wrong(w, n, &why);
	return NULL;
}

static const char *read_path(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);

	if (text && !*text) {
		schema_wrong(w, n, "expected the path of a file");
		return NULL;
	}
	return text;
}

static int item_bypass(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	return config_add_tls_bypass(w->c, text, &why) < 0 ? wrong(w, n, &why) : 0;
}

int schema_tls_bypass(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	return schema_each(w, n, "hosts", item_bypass);
}

static int item_upstream_ca(struct schema_walk *w, const struct tree_node *n)
{
	const char *path = read_path(w, n);

	if (!path)
		return -1;
	if (w->c->tls.upstream_ca.n == CONFIG_LIST_MAX)
		return schema_fail(w, n->line, "more than %d", CONFIG_LIST_MAX);
	return strv_add(&w->c->tls.upstream_ca, path)
		       ? 0
		       : error_set(w->err, "%s: out of memory", w->file);
}

int schema_tls_upstream_ca(struct schema_walk *w, const struct schema_key *k,
			   const struct tree_node *n)
{
	return schema_each(w, n, "files", item_upstream_ca);
}

/* ---- items for some hosts -------------------------------------------------------------------- */

#define MEMBERS_MAX 5

struct scoped {
	const struct tree_node *m[MEMBERS_MAX];
	const char *host;
};

/* The members of an item; the first two names are those of the host. */
static int read_scoped(struct schema_walk *w, const struct tree_node *n, const char *const *names,
		       struct scoped *ret)
{
	if (schema_members(w, n, names, ret->m) < 0)
		return -1;
	if (!ret->m[0] == !ret->m[1])
		return schema_fail(w, n->line, "the key host %s",
				   ret->m[0] ? "is there twice, as host and as pattern"
					     : "is missing");
	for (size_t i = 2; names[i]; i++) {
		if (!ret->m[i])
			return schema_fail(w, n->line, "the key %s is missing", names[i]);
	}
	const struct tree_node *host = ret->m[0] ? ret->m[0] : ret->m[1];
	size_t before = tree_path_key(&w->path, host->key);
	ret->host = read_host(w, host);
	if (!ret->host)
		return -1;
	tree_path_cut(&w->path, before);
	return 0;
}

static const char *member_path(struct schema_walk *w, const struct tree_node *n)
{
	size_t before = tree_path_key(&w->path, n->key);
	const char *path = read_path(w, n);

	if (path)
		tree_path_cut(&w->path, before);
	return path;
}

static int item_scoped_ca(struct schema_walk *w, const struct tree_node *n)
{
	static const char *const names[] = {"host", "pattern", "path", NULL};
	struct scoped x;
	struct error why;

	if (read_scoped(w, n, names, &x) < 0)
		return -1;
	const char *path = member_path(w, x.m[2]);
	if (!path)
		return -1;
	return config_add_scoped_ca(w->c, x.host, path, &why) < 0
		       ? schema_fail(w, n->line, "%s", why.msg)
		       : 0;
}

int schema_tls_scoped_ca(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "objects", item_scoped_ca);
}

static int item_scoped_verify(struct schema_walk *w, const struct tree_node *n)
{
	static const char *const names[] = {"host", "pattern", "verify", NULL};
	struct scoped x;
	struct error why;
	bool verify;

	if (read_scoped(w, n, names, &x) < 0)
		return -1;
	size_t before = tree_path_key(&w->path, "verify");
	if (schema_bool(w, x.m[2], &verify) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	return config_add_scoped_verify(w->c, x.host, verify, false, &why) < 0
		       ? schema_fail(w, n->line, "%s", why.msg)
		       : 0;
}

int schema_tls_scoped_verify(struct schema_walk *w, const struct schema_key *k,
			     const struct tree_node *n)
{
	return schema_each(w, n, "objects", item_scoped_verify);
}

static int item_client_cert(struct schema_walk *w, const struct tree_node *n)
{
	static const char *const names[] = {"host", "pattern", "cert_path", "key_path", NULL};
	struct scoped x;
	struct error why;

	if (read_scoped(w, n, names, &x) < 0)
		return -1;
	const char *cert = member_path(w, x.m[2]);
	const char *key = cert ? member_path(w, x.m[3]) : NULL;
	if (!key)
		return -1;
	return config_add_client_cert(w->c, x.host, cert, key, &why) < 0
		       ? schema_fail(w, n->line, "%s", why.msg)
		       : 0;
}

int schema_tls_client_certs(struct schema_walk *w, const struct schema_key *k,
			    const struct tree_node *n)
{
	return schema_each(w, n, "objects", item_client_cert);
}
