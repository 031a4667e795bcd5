// SPDX-License-Identifier: Apache-2.0
/*
 * JSON in two steps: jansson says whether the text is JSON, and then the text, known to be right,
 * is walked once for the places of its values, which jansson does not keep.
 *
 * The walk may rely on the grammar (every bracket has its partner, every escape is whole), and
 * nevertheless never reads beyond the text.
 */
#include "conf/tree_build.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	const char *p, *end;
	struct tree_mark at;
	char *buf; /* room for the longest string */
};

static char peek(const struct walk *w)
{
	return w->p < w->end ? *w->p : '\0';
}

/* One byte on; characters are counted by their first bytes. */
static void step(struct walk *w)
{
	if (w->p == w->end)
		return;
	if (*w->p == '\n')
		w->at = (struct tree_mark){w->at.line + 1, 1};
	else if (((unsigned char)*w->p & 0xc0) != 0x80)
		w->at.column++;
	w->p++;
}

static void skip_space(struct walk *w)
{
	while (w->p < w->end && strchr(" \t\r\n", *w->p))
		step(w);
}

static unsigned hex4(struct walk *w)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++, step(w)) {
		int c = tolower((unsigned char)peek(w));
		v = v << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

/* UTF-8 (RFC 3629 section 3); at most four bytes. */
static size_t utf8_put(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Behind a backslash (RFC 8259 section 7). An escape is never shorter than what it stands for. */
static size_t read_escape(struct walk *w, char *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	char c = peek(w);

	step(w);
	if (c != 'u') {
		const char *at = c ? strchr(from, c) : NULL;
		out[0] = at ? to[at - from] : c;
		return 1;
	}
	unsigned code = hex4(w);
	if (code >= 0xd800 && code < 0xdc00) { /* the lower half follows */
		step(w);
		step(w);
		code = 0x10000 + ((code - 0xd800) << 10) + (hex4(w) & 0x3ff);
	}
	return utf8_put(out, code);
}

/* From the opening quote to behind the closing one; the text goes to w->buf. */
static size_t read_string(struct walk *w)
{
	size_t n = 0;

	step(w);
	while (w->p < w->end && *w->p != '"') {
		if (*w->p != '\\') {
			w->buf[n++] = *w->p;
			step(w);
			continue;
		}
		step(w);
		n += read_escape(w, w->buf + n);
	}
	step(w);
	return n;
}

static int read_word(struct tree_builder *b, struct walk *w)
{
	const struct tree_mark at = w->at;
	const char *start = w->p;

	while (w->p < w->end && (isalnum((unsigned char)*w->p) || strchr("+-.", *w->p)))
		step(w);
	switch (*start) {
	case 'n':
		return tree_build_scalar(b, TREE_NULL, "", 0, at);
	case 't':
	case 'f':
		return tree_build_scalar(b, TREE_BOOL, start, (size_t)(w->p - start), at);
	default:
		return tree_build_scalar(b, TREE_NUMBER, start, (size_t)(w->p - start), at);
	}
}

static int read_token(struct tree_builder *b, struct walk *w)
{
	const struct tree_mark at = w->at;
	size_t n;

	switch (peek(w)) {
	case '{':
	case '[':
		n = peek(w) == '{' ? TREE_OBJECT : TREE_ARRAY;
		step(w);
		return tree_build_open(b, (enum tree_kind)n, at);
	case '}':
	case ']':
		step(w);
		tree_build_close(b);
		return 0;
	case ',':
	case ':':
		step(w);
		return 0;
	case '"':
		n = read_string(w);
		if (tree_build_wants_key(b))
			return tree_build_key(b, w->buf, n, at);
		return tree_build_scalar(b, TREE_STRING, w->buf, n, at);
	default:
		return read_word(b, w);
	}
}

/* jansson quotes the text that it stumbled over: a message stays one line. */
static int syntax_error(struct tree_builder *b, json_error_t *e)
{
	for (char *p = e->text; *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	return error_set(b->err, "%s:%d:%d: no JSON: %s", b->tree->file, e->line,
			 e->column < 1 ? 1 : e->column, e->text);
}

int tree_read_json(struct tree_builder *b, const char *text, size_t n)
{
	struct walk w = {.p = text, .end = text + n, .at = {1, 1}};
	json_error_t e;
	int rc = 0;

	json_t *j = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	if (!j)
		return syntax_error(b, &e);
	json_decref(j);
	w.buf = malloc(n + 1);
	if (!w.buf)
		return error_set(b->err, "%s: out of memory", b->tree->file);
	for (skip_space(&w); rc == 0 && w.p < w.end; skip_space(&w))
		rc = read_token(b, &w);
	free(w.buf);
	return rc;
}
