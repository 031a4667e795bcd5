// SPDX-License-Identifier: Apache-2.0
/*
 * YAML by libyaml's events, one after the other, so that the bounds hold while it reads.
 *
 * libyaml finds the structure; what a plain scalar means is decided here (YAML 1.2.2, 10.3.2), and
 * whatever JSON could not say is refused.
 */
#include "conf/tree_build.h"

#include <string.h>
#include <yaml.h>

static struct tree_mark mark_of(const yaml_mark_t *m)
{
	return (struct tree_mark){m->line + 1, m->column + 1};
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

static size_t digits(const char *p)
{
	return strspn(p, "0123456789");
}

/* Integers and floats of the core schema. */
static bool is_number(const char *p)
{
	static const char *const special[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};

	if (p[0] == '0' && p[1] == 'o')
		return p[2] && !p[2 + strspn(p + 2, "01234567")];
	if (p[0] == '0' && p[1] == 'x')
		return p[2] && !p[2 + strspn(p + 2, "0123456789abcdefABCDEF")];
	if (is_one_of(p, nan))
		return true;
	if (*p == '-' || *p == '+')
		p++;
	if (is_one_of(p, special))
		return true;
	size_t whole = digits(p), part = 0;
	p += whole;
	if (*p == '.') {
		part = digits(p + 1);
		p += 1 + part;
	}
	if (!whole && !part)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		if (*p == '-' || *p == '+')
			p++;
		size_t n = digits(p);
		if (!n)
			return false;
		p += n;
	}
	return !*p;
}

/* Kind of a scalar; *text becomes the one spelling that null, true and false have in a tree. */
static enum tree_kind scalar_kind(const yaml_event_t *e, const char **text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	const char *s = (const char *)e->data.scalar.value;

	*text = s;
	if (e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || strlen(s) != e->data.scalar.length)
		return TREE_STRING;
	if (is_one_of(s, nulls)) {
		*text = "";
		return TREE_NULL;
	}
	if (is_one_of(s, trues)) {
		*text = "true";
		return TREE_BOOL;
	}
	if (is_one_of(s, falses)) {
		*text = "false";
		return TREE_BOOL;
	}
	return is_number(s) ? TREE_NUMBER : TREE_STRING;
}

static int read_scalar(struct tree_builder *b, const yaml_event_t *e)
{
	struct tree_mark at = mark_of(&e->start_mark);
	const char *text;
	enum tree_kind kind = scalar_kind(e, &text);
	size_t n = kind == TREE_STRING ? e->data.scalar.length : strlen(text);

	if (!tree_build_wants_key(b))
		return tree_build_scalar(b, kind, text, n, at);
	if (kind != TREE_STRING)
		return tree_build_fail(b, at,
				       "expected a string as key, found %s; put it in quotes",
				       kind == TREE_NULL   ? "null"
				       : kind == TREE_BOOL ? "true or false"
							   : "a number");
	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0)
		return tree_build_fail(b, at, "merge keys (<<) are not taken; write the keys out");
	return tree_build_key(b, text, n, at);
}

static int read_open(struct tree_builder *b, enum tree_kind kind, const yaml_event_t *e)
{
	struct tree_mark at = mark_of(&e->start_mark);

	if (tree_build_wants_key(b))
		return tree_build_fail(b, at, "expected a string as key, found %s",
				       kind == TREE_ARRAY ? "a list" : "an object");
	return tree_build_open(b, kind, at);
}

static int refuse_extras(struct tree_builder *b, const yaml_event_t *e, const yaml_char_t *anchor,
			 const yaml_char_t *tag)
{
	struct tree_mark at = mark_of(&e->start_mark);

	if (anchor)
		return tree_build_fail(b, at, "anchors and aliases are not taken");
	if (tag)
		return tree_build_fail(b, at, "tags are not taken");
	return 0;
}

static int read_event(struct tree_builder *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->tree->root)
			return tree_build_fail(b, mark_of(&e->start_mark),
					       "a second document begins; expected one");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse_extras(b, e, e->data.alias.anchor, NULL);
	case YAML_SCALAR_EVENT:
		if (refuse_extras(b, e, e->data.scalar.anchor, e->data.scalar.tag) < 0)
			return -1;
		return read_scalar(b, e);
	case YAML_SEQUENCE_START_EVENT:
		if (refuse_extras(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag) <
		    0)
			return -1;
		return read_open(b, TREE_ARRAY, e);
	case YAML_MAPPING_START_EVENT:
		if (refuse_extras(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag) <
		    0)
			return -1;
		return read_open(b, TREE_OBJECT, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		tree_build_close(b);
		return 0;
	default: /* the stream's and the document's edges */
		return 0;
	}
}

/* The reader's errors (bytes that are no UTF-8) come with an offset, all others with a mark. */
static struct tree_mark problem_mark(const yaml_parser_t *p, const char *text, size_t n)
{
	struct tree_mark at = {1, 1};

	if (p->error != YAML_READER_ERROR)
		return mark_of(&p->problem_mark);
	for (size_t i = 0; i < p->problem_offset && i < n; i++) {
		at.column++;
		if (text[i] == '\n')
			at = (struct tree_mark){at.line + 1, 1};
	}
	return at;
}

static int syntax_error(struct tree_builder *b, const yaml_parser_t *p, const char *text, size_t n)
{
	struct tree_mark at = problem_mark(p, text, n);

	if (p->error == YAML_MEMORY_ERROR)
		return error_set(b->err, "%s: out of memory", b->tree->file);
	if (p->context && p->context_mark.line != p->problem_mark.line)
		return error_set(b->err, "%s:%zu:%zu: no YAML: %s (%s that begins on line %zu)",
				 b->tree->file, at.line, at.column, p->problem, p->context,
				 p->context_mark.line + 1);
	return error_set(b->err, "%s:%zu:%zu: no YAML: %s", b->tree->file, at.line, at.column,
			 p->problem ? p->problem : "it cannot be read");
}

int tree_read_yaml(struct tree_builder *b, const char *text, size_t n)
{
	yaml_parser_t parser;
	bool over = false;
	int rc = 0;

	if (!yaml_parser_initialize(&parser))
		return error_set(b->err, "%s: out of memory", b->tree->file);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	while (rc == 0 && !over) {
		yaml_event_t e;
		if (!yaml_parser_parse(&parser, &e)) {
			rc = syntax_error(b, &parser, text, n);
			break;
		}
		over = e.type == YAML_STREAM_END_EVENT;
		rc = read_event(b, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&parser);
	return rc;
}
