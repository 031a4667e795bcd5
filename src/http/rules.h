// SPDX-License-Identifier: Apache-2.0
/*
 * Which requests a rule lets pass: methods, hosts and paths.
 *
 * A rule has lists of methods, hosts and paths; a list that is not given holds everything. Where it
 * names presets, it has their lines, too, each of which is such lists. A request passes where the
 * rule's own lists hold it, and one of the lines (if there are any), and none of deny_paths. A rule
 * may be several of these: then it passes where it passes one.
 *
 * Paths
 * -----
 * Servers differ in what they make of a path, and weir cannot know which it is in front of. So a
 * path is judged in every reading that is common: percent-encoded unreserved characters decoded in
 * all of them; dot segments removed or left, runs of slashes made one or left, and `;` parameters
 * of the last segment cut or left. It passes where it passes in all of them. Where the reading of
 * RFC 3986 6.2.2 (all of these but the last) does not pass, the request is denied (403), and where
 * another one does not, refused as ambiguous (400). So is, wherever a rule looks at paths, what has
 * still other readings: an encoded slash, backslash or percent sign in front of two digits, an
 * overlong UTF-8 form, `;` parameters in front of a slash, a control character, and fields that
 * name another path (X-Original-URL, X-Rewrite-URL). Fields that name another method
 * (X-HTTP-Method-Override and its like) are judged as if the request had both.
 *
 * In a pattern `*` stands for any characters but a slash, `**` for any. A pattern with a question
 * mark is for one query, as it is written; the others are for all. A list in which `**` stands
 * alone, or behind one slash, does not look at paths. Matching is as fast as reading:
 * a step for each character, whatever the pattern.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_RULES_H
#define WEIR_HTTP_RULES_H

#include "base/error.h"
#include "http/exchange.h"

#define HTTP_PATH_MAX       8192 /* longer ones are refused where a rule looks at paths */
#define HTTP_PATTERN_MAX    255  /* bytes of a pattern; more is an error, here and below */
#define HTTP_RULE_ITEMS_MAX 256  /* in one list */
#define HTTP_RULE_PARTS_MAX 64   /* alternatives */

struct http_rule_source { /* as written; strings are the caller's */
	const char *const *methods, *const *hosts, *const *paths, *const *deny_paths,
									  *const *presets;
	size_t method_count, host_count, path_count, deny_path_count, preset_count;
	const struct http_rule_source *next; /* an alternative; NULL: none */
};

struct http_rule; /* compiled, immutable */
/* NULL and err, which begins with the list and its item: `paths "x": expected ...`. */
struct http_rule *http_rule_new(const struct http_rule_source *src, struct error *err);
void http_rule_free(struct http_rule *r); /* NULL is fine */

enum http_rule_answer {
	HTTP_RULE_ALLOW,
	HTTP_RULE_DENY,      /* 403 */
	HTTP_RULE_AMBIGUOUS, /* 400: *ret_why says what of the request */
};
enum http_rule_answer http_rule_judge(const struct http_rule *r, const struct http_head *request,
				      const char **ret_why);

/*
 * The path (without the query) in the reading that RFC 3986 6.2.2 gives it, runs of slashes made
 * one. False: it has another reading anyway, *ret_why; or it is longer than `cap`.
 */
bool http_path_normalise(struct view path, uint8_t *ret, size_t cap, size_t *ret_len,
			 const char **ret_why);

/* Names and one line each of the presets (git-fetch-only, ...), for listings; NULL past the last.
 */
const char *http_preset_name(size_t i);
const char *http_preset_help(size_t i);
/* What it lets pass: one line for each list of methods, hosts and paths. */
const char *http_preset_text(size_t i);

#endif
