// SPDX-License-Identifier: Apache-2.0
/*
 * What sets the field of a key from what a file says.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema_apply.h"

static const char *const port_protocol_words[] = {"tcp", "udp", NULL};

static void *field_of(const struct schema_walk *w, const struct schema_key *k)
{
	return (char *)w->c + k->field;
}

static int wrong(struct schema_walk *w, const struct tree_node *n, const struct error *why)
{
	return schema_wrong(w, n, why->msg);
}

int schema_apply_bool(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	return schema_bool(w, n, field_of(w, k));
}

/* A number within the key's bounds, or within 0 and max for some members of items. */
static int number(struct schema_walk *w, const struct tree_node *n, uint64_t min, uint64_t max,
		  uint64_t *ret)
{
	struct error why;
	/* Without a number there is no number to parse: the empty text gives the message. */
	const char *text = n->kind == TREE_NUMBER ? n->text : "";

	if (config_parse_uint(text, min, max, ret, &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

int schema_apply_u32(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	uint64_t v;

	if (number(w, n, k->min, k->max, &v) < 0)
		return -1;
	*(uint32_t *)field_of(w, k) = (uint32_t)v;
	return 0;
}

int schema_apply_u16(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	uint64_t v;

	if (number(w, n, k->min, k->max, &v) < 0)
		return -1;
	*(uint16_t *)field_of(w, k) = (uint16_t)v;
	return 0;
}

/* Text of a number or a string: what takes a unit may be either. "" for anything else. */
static const char *measure(const struct tree_node *n)
{
	return n->kind == TREE_NUMBER || n->kind == TREE_STRING ? n->text : "";
}

int schema_apply_timeout(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	struct error why;

	if (config_parse_dns_timeout(measure(n), field_of(w, k), &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

int schema_apply_seconds(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	struct error why;
	uint64_t us;

	if (config_parse_time_us(measure(n), 1000 * 1000, &us, &why) < 0)
		return wrong(w, n, &why);
	if (us < k->min * 1000000 || us > k->max * 1000000 || us % 1000000) {
		error_set(&why, "expected a time in whole seconds, from %lus to %luh",
			  (unsigned long)k->min, (unsigned long)(k->max / 3600));
		return wrong(w, n, &why);
	}
	*(uint32_t *)field_of(w, k) = (uint32_t)(us / 1000000);
	return 0;
}

int schema_apply_size(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct error why;
	uint64_t v;

	if (config_parse_size(measure(n), &v, &why) < 0)
		return wrong(w, n, &why);
	if (v < k->min || v > k->max) {
		error_set(&why, "expected a size from %luk to %luM", (unsigned long)(k->min >> 10),
			  (unsigned long)(k->max >> 20));
		return wrong(w, n, &why);
	}
	*(uint32_t *)field_of(w, k) = (uint32_t)v;
	return 0;
}

int schema_apply_budget(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n)
{
	struct error why;

	if (config_parse_size(measure(n), field_of(w, k), &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

int schema_apply_rate(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct error why;
	uint64_t v;

	if (config_parse_rate(measure(n), k->max, &v, &why) < 0)
		return wrong(w, n, &why);
	*(uint32_t *)field_of(w, k) = (uint32_t)v;
	return 0;
}

/* Index of the word, -1 where it is none. */
static int word(struct schema_walk *w, const struct tree_node *n, const char *const *words)
{
	struct error why;
	int i = config_parse_word(n->kind == TREE_STRING ? n->text : "", words, &why);

	return i < 0 ? wrong(w, n, &why) : i;
}

int schema_apply_verdict(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	int i = word(w, n, k->words);

	if (i < 0)
		return -1;
	*(int *)field_of(w, k) = i;
	return 0;
}

int schema_apply_either(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n)
{
	int i = word(w, n, k->words);

	if (i < 0)
		return -1;
	*(bool *)field_of(w, k) = i == 1;
	return 0;
}

int schema_apply_target(struct schema_walk *w, const struct schema_key *k,
			const struct tree_node *n)
{
	int i = word(w, n, k->words);

	if (i < 0)
		return -1;
	w->c->dns_target = (enum config_dns_target)i;
	return 0;
}

/* ---- interface ------------------------------------------------------------------------------- */

int schema_apply_mac(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_parse_mac(text, w->c->mac, &why) < 0)
		return wrong(w, n, &why);
	w->c->has_mac = true;
	return 0;
}

/* Addresses and pools: the family is in the bounds. */
int schema_apply_addr(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_parse_guest_addr(text, (unsigned)k->min, field_of(w, k), &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

int schema_apply_pool(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_parse_pool(text, (unsigned)k->min, field_of(w, k),
			      k->min == 6 ? &w->c->ipv6_pool_bits : &w->c->ipv4_pool_bits,
			      &why) < 0)
		return wrong(w, n, &why);
	return 0;
}

/* ---- policy ---------------------------------------------------------------------------------- */

/* "public,host", or [public, host]: the list becomes the text. */
int schema_apply_net(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	char text[256] = "";
	struct error why;

	if (n->kind != TREE_STRING && n->kind != TREE_ARRAY)
		return schema_wrong(w, n, "expected a string or a list of strings");
	for (const struct tree_node *item = n->kind == TREE_ARRAY ? n->first : n; item;
	     item = item->next) {
		size_t used = strlen(text);
		if (item->kind != TREE_STRING)
			return schema_wrong(w, item, "expected a string");
		if (used + item->count + 2 > sizeof(text))
			return schema_fail(w, item->line, "the list is too long");
		if (used)
			strcat(text, ",");
		strcat(text, item->text);
		if (n->kind == TREE_STRING)
			break;
	}
	if (n->kind == TREE_ARRAY && !n->count) /* no preset at all: what rules allow, no more */
		return schema_fail(w, n->line, "the list is empty; expected none, or presets");
	struct policy_source src = {.net = text, .default_egress = -1, .default_ingress = -1};
	struct policy *p = policy_new(&src, &why);
	if (!p) { /* it begins with what it speaks of, which here the path says */
		const char *rest = strstr(why.msg, "\": ");
		return schema_fail(w, n->line, "%s", rest ? rest + 3 : why.msg);
	}
	policy_free(p);
	free(w->c->net);
	w->c->net = strdup(text);
	return w->c->net ? 0 : error_set(w->err, "%s: out of memory", w->file);
}

/* ---- dns ------------------------------------------------------------------------------------- */

static int item_prefix(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	return config_add_rebind_allow(w->c, text, &why) < 0 ? wrong(w, n, &why) : 0;
}

int schema_apply_rebind_allow(struct schema_walk *w, const struct schema_key *k,
			      const struct tree_node *n)
{
	return schema_each(w, n, "networks", item_prefix);
}

static int item_resolver(struct schema_walk *w, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	return config_add_resolver(w->c, text, &why) < 0 ? wrong(w, n, &why) : 0;
}

int schema_apply_nameservers(struct schema_walk *w, const struct schema_key *k,
			     const struct tree_node *n)
{
	return schema_each(w, n, "resolvers", item_resolver);
}

static int read_name(struct schema_walk *w, const struct tree_node *n, struct name *ret)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	enum name_fault f = name_read(text, n->count, ret);
	if (f == NAME_OK)
		return 0;
	error_set(&why, "expected a name; %s", name_fault_text(f));
	return wrong(w, n, &why);
}

static int add_name(struct schema_walk *w, const struct tree_node *n, struct strv *list)
{
	struct name name;

	if (read_name(w, n, &name) < 0)
		return -1;
	if (list->n == CONFIG_LIST_MAX)
		return schema_fail(w, n->line, "more than %d", CONFIG_LIST_MAX);
	return strv_add(list, name.s) ? 0 : error_set(w->err, "%s: out of memory", w->file);
}

static int item_alias(struct schema_walk *w, const struct tree_node *n)
{
	return add_name(w, n, &w->c->dns_host_aliases);
}

int schema_apply_aliases(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "names", item_alias);
}

static int item_special(struct schema_walk *w, const struct tree_node *n)
{
	return add_name(w, n, &w->c->dns_forward_special);
}

int schema_apply_special(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "names", item_special);
}

static const char *const record_names[] = {"name", "address", NULL};

static int add_record(struct schema_walk *w, const struct name *name, const struct tree_node *n)
{
	struct config_record r = {.name = *name};
	struct error why;

	if (n->kind != TREE_STRING || !ipaddr_parse(n->text, &r.addr))
		return schema_wrong(w, n, "expected an IP address");
	return config_add_record(w->c, &r, &why) < 0 ? wrong(w, n, &why) : 0;
}

static int item_record(struct schema_walk *w, const struct tree_node *n)
{
	const struct tree_node *m[2];
	struct name name;

	if (schema_members(w, n, record_names, m) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (!m[i])
			return schema_fail(w, n->line, "the key %s is missing", record_names[i]);
	}
	size_t before = tree_path_key(&w->path, "name");
	if (read_name(w, m[0], &name) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	tree_path_key(&w->path, "address");
	if (m[1]->kind == TREE_ARRAY && !m[1]->count)
		return schema_fail(w, m[1]->line, "the list is empty; expected an IP address");
	for (const struct tree_node *a = m[1]->kind == TREE_ARRAY ? m[1]->first : m[1]; a;
	     a = a->next) {
		if (add_record(w, &name, a) < 0)
			return -1;
		if (m[1]->kind != TREE_ARRAY)
			break;
	}
	return 0;
}

int schema_apply_records(struct schema_walk *w, const struct schema_key *k,
			 const struct tree_node *n)
{
	return schema_each(w, n, "records", item_record);
}

/* ---- ports ----------------------------------------------------------------------------------- */

static const char *const port_names[] = {"host_bind", "host_port", "guest_port", "protocol", NULL};

/* "127.0.0.1:" or "[::1]:" for the text of a port; "" without host_bind. */
static int read_bind(struct schema_walk *w, const struct tree_node *n, char *ret, size_t size)
{
	char text[IPADDR_STRLEN];
	struct ipaddr a;

	*ret = '\0';
	if (!n)
		return 0;
	size_t before = tree_path_key(&w->path, "host_bind");
	if (n->kind != TREE_STRING || !ipaddr_parse(n->text, &a))
		return schema_wrong(w, n, "expected an IP address of the host");
	tree_path_cut(&w->path, before);
	snprintf(ret, size, a.family == 6 ? "[%s]:" : "%s:", ipaddr_str(&a, text));
	return 0;
}

static int read_port(struct schema_walk *w, const struct tree_node *object,
		     const struct tree_node *n, const char *key, uint64_t min, unsigned *ret)
{
	uint64_t v;

	if (!n)
		return schema_fail(w, object->line, "the key %s is missing", key);
	size_t before = tree_path_key(&w->path, key);
	if (number(w, n, min, 65535, &v) < 0)
		return -1;
	tree_path_cut(&w->path, before);
	*ret = (unsigned)v;
	return 0;
}

static int item_port_object(struct schema_walk *w, const struct tree_node *n, char *ret,
			    size_t size)
{
	const struct tree_node *m[4];
	char bind[IPADDR_STRLEN + 4];
	unsigned host, guest;
	int protocol = 0;

	if (schema_members(w, n, port_names, m) < 0 || read_bind(w, m[0], bind, sizeof(bind)) < 0 ||
	    read_port(w, n, m[1], "host_port", 0, &host) < 0 ||
	    read_port(w, n, m[2], "guest_port", 1, &guest) < 0)
		return -1;
	if (m[3]) {
		size_t before = tree_path_key(&w->path, "protocol");
		protocol = word(w, m[3], port_protocol_words);
		if (protocol < 0)
			return -1;
		tree_path_cut(&w->path, before);
	}
	snprintf(ret, size, "%s%u:%u/%s", bind, host, guest, port_protocol_words[protocol]);
	return 0;
}

static int item_port(struct schema_walk *w, const struct tree_node *n)
{
	char text[IPADDR_STRLEN + 32];
	struct error why;

	if (n->kind == TREE_STRING)
		return config_add_publish(w->c, n->text, &why) < 0 ? wrong(w, n, &why) : 0;
	if (n->kind != TREE_OBJECT)
		return schema_wrong(w, n, "expected an object, or a string such as 8080:80");
	if (item_port_object(w, n, text, sizeof(text)) < 0)
		return -1;
	return config_add_publish(w->c, text, &why) < 0 ? schema_fail(w, n->line, "%s", why.msg)
							: 0;
}

int schema_apply_ports(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	return schema_each(w, n, "ports", item_port);
}

/* ---- sandboxes ------------------------------------------------------------------------------- */

/* Here they are only counted: each makes a configuration of its own (schema_apply_sandbox()). */
int schema_apply_sandboxes(struct schema_walk *w, const struct schema_key *k,
			   const struct tree_node *n)
{
	if (n->kind != TREE_ARRAY)
		return schema_wrong(w, n, "expected a list of objects");
	if (n->count > CONFIG_SERVE_MAX)
		return schema_fail(w, n->line, "more than %d", CONFIG_SERVE_MAX);
	w->c->sandbox_count = n->count;
	return 0;
}

/* A text that becomes the field. */
static int set_text(struct schema_walk *w, const struct schema_key *k, const char *text)
{
	char **field = field_of(w, k), *copy = strdup(text);

	if (!copy)
		return error_set(w->err, "%s: out of memory", w->file);
	free(*field);
	*field = copy;
	return 0;
}

int schema_apply_name(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct error why;

	if (!text)
		return -1;
	if (config_check_name(text, &why) < 0)
		return wrong(w, n, &why);
	return set_text(w, k, text);
}

int schema_apply_path(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);

	if (!text)
		return -1;
	return *text ? set_text(w, k, text) : schema_wrong(w, n, "expected the path of a file");
}

int schema_apply_slot(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	uint64_t v;

	if (number(w, n, k->min, k->max, &v) < 0)
		return -1;
	w->c->own_slot = (int64_t)v;
	return 0;
}

int schema_apply_link(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	const char *text = schema_string(w, n);
	struct config_serve s;
	struct error why;

	if (!text)
		return -1;
	if (config_parse_link(text, &s, &why) < 0)
		return wrong(w, n, &why);
	if (config_add_serve_parsed(w->c, &s, &why) < 0)
		return schema_fail(w, n->line, "%s", why.msg);
	return 0;
}

/* ---- keys of later versions ------------------------------------------------------------------ */

/* Only the default is taken, so that a whole configuration can be written down today. */
int schema_apply_later(struct schema_walk *w, const struct schema_key *k, const struct tree_node *n)
{
	struct error why;
	struct tree *t = tree_parse("", TREE_JSON, k->dflt, strlen(k->dflt), &why);

	if (!t)
		return error_set(w->err, "%s: %s", w->file, why.msg);
	struct tree_node copy = *n;
	copy.key = NULL;
	bool same = tree_equal(&copy, tree_root(t));
	tree_free(t);
	if (same)
		return 0;
	return schema_fail(w, n->key_line,
			   "not in this version of weir; only its default, %s, is taken", k->dflt);
}
