// SPDX-License-Identifier: Apache-2.0
/*
 * Fields of one hop. The Connection fields are read first, for they say which others go.
 */
#include "http/proxy_h1_hop.h"

#include "http/text.h"

enum kind {
	KIND_OTHER,
	KIND_CONNECTION,
	KIND_KEEP_ALIVE,
	KIND_TE,
	KIND_UPGRADE,
	KIND_LENGTH,
	KIND_EXPECT,
	KIND_HOP, /* always stays behind */
};

static const struct {
	const char *name;
	uint8_t len, kind;
} known[] = {
	{"connection", 10, KIND_CONNECTION},
	{"keep-alive", 10, KIND_KEEP_ALIVE},
	{"te", 2, KIND_TE},
	{"upgrade", 7, KIND_UPGRADE},
	{"content-length", 14, KIND_LENGTH},
	{"expect", 6, KIND_EXPECT},
	{"proxy-connection", 16, KIND_HOP},
	{"http2-settings", 14, KIND_HOP},
};

static enum kind kind_of(struct view name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].len == name.len && http_text_is(name, known[i].name))
			return known[i].kind;
	return KIND_OTHER;
}

struct copy {
	struct h1_hop *hop;
	struct http_head *h;
	struct view names[H1_HOP_NAMES_MAX]; /* of fields that go */
	size_t name_count;
	bool upgrade, te;              /* named in Connection; later: TE stays */
	bool connection_done, te_done; /* were written */
};

static bool fail(struct copy *c, const char *error)
{
	c->hop->error = error;
	return false;
}

static bool read_member(struct copy *c, struct view member)
{
	if (http_text_is(member, "close")) {
		c->hop->close = true;
	} else if (http_text_is(member, "keep-alive")) {
		c->hop->keep_alive = true;
	} else if (http_text_is(member, "upgrade")) {
		c->upgrade = true;
	} else if (http_text_is(member, "te")) {
		c->te = true;
	} else {
		if (c->name_count == H1_HOP_NAMES_MAX)
			return fail(c, "Connection names too many fields");
		c->names[c->name_count++] = member;
	}
	return true;
}

static bool read_connection(struct copy *c, const struct http_field *fields, size_t count)
{
	struct view member;

	for (size_t i = 0; i < count; i++) {
		struct view value = fields[i].value;
		if (kind_of(fields[i].name) != KIND_CONNECTION)
			continue;
		while (http_list_next(&value, &member))
			if (!read_member(c, member))
				return false;
	}
	if (c->hop->close)
		c->hop->keep_alive = false;
	return true;
}

static bool same_name(struct view a, struct view b)
{
	size_t i = 0;

	if (a.len != b.len)
		return false;
	while (i < a.len && http_lower(a.p[i]) == http_lower(b.p[i]))
		i++;
	return i == a.len;
}

static bool is_named(const struct copy *c, struct view name)
{
	for (size_t i = 0; i < c->name_count; i++)
		if (same_name(c->names[i], name))
			return true;
	return false;
}

/* ---- fields that change ---- */

/* A field whose value is made of constants and of the head's own text. */
static bool add_joined(struct copy *c, struct view name, const struct view *part, size_t count)
{
	struct http_fields *f = &c->h->fields;
	size_t at, len = 0;

	for (size_t i = 0; i < count; i++)
		len += part[i].len + 2;
	/* The parts may lie in the reader's text, never in this one, which may move here. */
	if (!http_fields_reserve(f, len + name.len))
		return fail(c, "the head is too large");
	at = f->text_len;
	http_fields_append(f, name.p, name.len);
	for (size_t i = 0; i < count; i++) {
		if (i)
			http_fields_append(f, (const uint8_t *)", ", 2);
		http_fields_append(f, part[i].p, part[i].len);
	}
	return http_fields_add(f, view_make(f->text + at, name.len),
			       view_make(f->text + at + name.len, f->text_len - at - name.len)) ||
	       fail(c, "too many fields");
}

static bool add_connection(struct copy *c, struct view name)
{
	struct view part[4];
	size_t n = 0;

	if (c->connection_done)
		return true;
	c->connection_done = true;
	if (c->hop->close)
		part[n++] = view_make("close", 5);
	if (c->hop->keep_alive)
		part[n++] = view_make("keep-alive", 10);
	if (c->hop->upgrade)
		part[n++] = view_make("Upgrade", 7);
	if (c->te)
		part[n++] = view_make("TE", 2);
	return n == 0 || add_joined(c, name, part, n);
}

/* The protocols that may be switched to; 0: none. */
static size_t read_upgrade(struct view value, struct view part[H1_HOP_NAMES_MAX])
{
	struct view member;
	size_t n = 0;

	while (n < H1_HOP_NAMES_MAX && http_list_next(&value, &member))
		if (!http_text_is(member, "h2c") && !http_text_is(member, "h2"))
			part[n++] = member;
	return n;
}

static bool has_trailers(struct view value)
{
	struct view member;

	while (http_list_next(&value, &member))
		if (http_text_is(member, "trailers"))
			return true;
	return false;
}

/* What the fields say beside their place in the list: whether Upgrade and TE stay. */
static void judge_fields(struct copy *c, const struct http_field *fields, size_t count)
{
	struct view part[H1_HOP_NAMES_MAX];
	bool te = false;

	for (size_t i = 0; i < count; i++) {
		enum kind kind = kind_of(fields[i].name);
		if (kind == KIND_UPGRADE && c->upgrade && c->hop->upgrade_possible)
			c->hop->upgrade |= read_upgrade(fields[i].value, part) > 0;
		else if (kind == KIND_TE && c->te)
			te |= has_trailers(fields[i].value);
	}
	c->te = te;
}

static bool add_upgrade(struct copy *c, const struct http_field *field)
{
	struct view part[H1_HOP_NAMES_MAX];
	size_t n = read_upgrade(field->value, part);

	return n == 0 || !c->hop->upgrade || add_joined(c, field->name, part, n);
}

static bool add_te(struct copy *c, struct view name)
{
	struct view part = view_make("trailers", 8);

	if (!c->te || c->te_done)
		return true;
	c->te_done = true;
	return add_joined(c, name, &part, 1);
}

/* ---- the copy ---- */

/* `moved`: the same field in the head's own text. */
static bool add_field(struct copy *c, const struct http_field *field, struct http_field moved)
{
	switch (kind_of(field->name)) {
	case KIND_CONNECTION:
		return add_connection(c, field->name);
	case KIND_UPGRADE:
		return add_upgrade(c, field);
	case KIND_TE:
		return add_te(c, field->name);
	case KIND_HOP:
		return true;
	case KIND_KEEP_ALIVE:
		if (c->hop->request || !c->hop->keep_alive)
			return true;
		break;
	case KIND_LENGTH:
		c->hop->has_length = true;
		break;
	case KIND_EXPECT:
		if (!c->hop->expect_possible)
			return true;
		break;
	default:
		if (is_named(c, field->name))
			return true;
	}
	return http_fields_add(&c->h->fields, moved.name, moved.value) ||
	       fail(c, "too many fields");
}

static struct view move(const struct http_head *h, struct view bytes, struct view v)
{
	return view_make(h->fields.text + (v.p - bytes.p), v.len);
}

bool h1_hop_copy(struct http_head *h, struct view bytes, const struct http_field *fields,
		 size_t count, struct h1_hop *hop)
{
	struct copy c = {.hop = hop, .h = h};

	if (!http_fields_append(&h->fields, bytes.p, bytes.len))
		return fail(&c, "without memory");
	if (!read_connection(&c, fields, count))
		return false;
	judge_fields(&c, fields, count);
	for (size_t i = 0; i < count; i++) {
		struct http_field moved = {.name = move(h, bytes, fields[i].name),
					   .value = move(h, bytes, fields[i].value)};
		if (!add_field(&c, fields + i, moved))
			return false;
	}
	return true;
}
