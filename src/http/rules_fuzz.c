// SPDX-License-Identifier: Apache-2.0
/*
 * Paths and patterns against a model that was written for nothing but to be short: patterns are
 * matched by recursion, and paths are taken apart into segments.
 *
 * A request that passes passes in every reading that the model knows; one that is denied does not
 * pass in the standards' own.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 40

/* ---- the model ------------------------------------------------------------------------------- */

static bool model_match(const char *p, const char *s)
{
	if (!*p)
		return !*s;
	if (p[0] == '*' && p[1] == '*')
		return model_match(p + 2, s) || (*s && model_match(p, s + 1));
	if (*p == '*')
		return model_match(p + 1, s) || (*s && *s != '/' && model_match(p, s + 1));
	return *p == *s && model_match(p + 1, s + 1);
}

/* Decodes all that may be decoded; what else is encoded gets capitals. */
static void model_decode(const char *in, char *out)
{
	for (; *in; in++) {
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		char digits[3] = {in[1], in[2]};
		int c = (int)strtol(digits, NULL, 16);
		if (c < 0x80 && c != '/' &&
		    (strchr("-._~", c) || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		     (c >= 'a' && c <= 'z')))
			*out++ = (char)c;
		else
			out += sprintf(out, "%%%02X", (unsigned)c);
		in += 2;
	}
	*out = '\0';
}

/* By segments: `merge` drops empty ones but a last one, `dots` obeys dot segments. */
static void model_walk(const char *in, bool merge, bool dots, char *out)
{
	char copy[TEXT_MAX * 3 + 1], *stack[TEXT_MAX * 3], *rest = copy + 1, *seg;
	size_t n = 0;

	strcpy(copy, in);
	while ((seg = strsep(&rest, "/"))) {
		bool one = dots && strcmp(seg, ".") == 0, two = dots && strcmp(seg, "..") == 0;
		if (two && n)
			n--;
		if ((one || two) && !rest)
			stack[n++] = copy + strlen(in); /* the empty text */
		if (one || two || (merge && !*seg && rest))
			continue;
		stack[n++] = seg;
	}
	*out = '\0';
	for (size_t i = 0; i < n; i++)
		strcat(strcat(out, "/"), stack[i]);
}

static void model_cut(char *path)
{
	char *last = strrchr(path, '/'), *plain = strchr(last, ';'), *coded = strstr(last, "%3B");

	if (plain)
		*plain = '\0';
	if (coded && (!plain || coded < plain))
		*coded = '\0';
}

static bool model_one(const char *pattern, const char *path, bool deny)
{
	char bare[TEXT_MAX * 3 + 1];
	size_t n = strlen(path);
	bool hit = model_match(pattern, path);

	if (!deny)
		return hit;
	strcpy(bare, path);
	if (n > 1 && bare[n - 1] == '/')
		bare[n - 1] = '\0';
	return !hit && !model_match(pattern, bare);
}

/* Bit 0: it passes in some reading; bit 1: in some it does not; bit 2: nor in the standards' own.
 */
static unsigned model_judge(const char *pattern, const char *path, bool deny)
{
	char decoded[TEXT_MAX * 3 + 1], a[TEXT_MAX * 3 + 1], b[TEXT_MAX * 3 + 1];
	unsigned seen = 0;

	for (int cut = 0; cut < 2; cut++) {
		model_decode(path, decoded);
		if (cut)
			model_cut(decoded);
		for (int i = 0; i < 6; i++) {
			/* Up to two walks, each with one step, in both orders; or none. */
			model_walk(decoded, i == 1 || i == 3, i == 2 || i == 4, a);
			model_walk(a, i == 4, i == 3, b);
			if (i == 5)
				strcpy(b, decoded);
			seen |= model_one(pattern, b, deny) ? 1u : 2u;
		}
	}
	model_decode(path, decoded);
	model_walk(decoded, true, true, a);
	seen |= model_one(pattern, a, deny) ? 0 : 4u;
	return seen;
}

/* ---- the comparison -------------------------------------------------------------------------- */

static void compare(const char *pattern, const char *path, bool deny)
{
	const char *const list[] = {pattern};
	const char *why = NULL;
	struct error err;
	struct http_rule_source src = {0};
	struct http_head h = {.method = view_make("GET", 3), .path = view_make(path, strlen(path))};

	if (deny) {
		src.deny_paths = list;
		src.deny_path_count = 1;
	} else {
		src.paths = list;
		src.path_count = 1;
	}
	struct http_rule *r = http_rule_new(&src, &err);
	if (!r)
		return;
	enum http_rule_answer got = http_rule_judge(r, &h, &why);
	http_rule_free(r);
	if (got == HTTP_RULE_AMBIGUOUS && !why)
		abort();
	if (strcmp(pattern, "/**") == 0 || strcmp(pattern, "**") == 0)
		return;
	/* What is refused for other reasons than its readings, the table in the test says. */
	if (got == HTTP_RULE_AMBIGUOUS && strcmp(why, "a path that servers read in two ways") != 0)
		return;
	unsigned seen = model_judge(pattern, path, deny);
	if (got != (seen == 1 ? HTTP_RULE_ALLOW : seen & 4 ? HTTP_RULE_DENY : HTTP_RULE_AMBIGUOUS))
		abort();
}

/* A small alphabet finds more than all bytes do; the high bit gives these all the same. */
static char letter(uint8_t c)
{
	static const char letters[] = "/.*ab;%2eEF3B/%5";

	return c & 0x80 ? (char)(c & 0x7f) : letters[c % (sizeof(letters) - 1)];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2][TEXT_MAX + 1] = {"/", "/"};
	size_t n[2] = {1, 1}, which = 0;

	for (size_t i = 1; i < size; i++) {
		char c = letter(data[i]);
		if (data[i] == 0x7f) {
			which = 1;
			continue;
		}
		/* Each wildcard doubles the work of the model. */
		if (!c || c == '?' || n[which] == TEXT_MAX || (which == 0 && n[0] > 16))
			continue;
		text[which][n[which]++] = c;
	}
	compare(text[0], text[1], size && data[0] & 1);
	return 0;
}
