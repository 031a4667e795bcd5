// SPDX-License-Identifier: Apache-2.0
/*
 * Which requests a rule lets pass: methods, hosts and paths.
 *
 * Paths are judged after one normalisation: percent-encoded unreserved characters decoded, dot
 * segments removed, duplicate slashes made one. What an origin could read as another path than that
 * (an encoded slash or backslash or dot segment behind it, a backslash, `;` parameters in front of
 * a slash, a NUL, a control character) is refused, with 400, wherever a rule looks at paths. In a
 * pattern `*` stands for any characters but a slash, `**` for any. deny_paths win.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_RULES_H
#define WEIR_HTTP_RULES_H

#include "base/error.h"
#include "http/exchange.h"

struct http_rule_source { /* as written; strings are the caller's */
	const char *const *methods, *const *hosts, *const *paths, *const *deny_paths,
									  *const *presets;
	size_t method_count, host_count, path_count, deny_path_count, preset_count;
	const char *where; /* before each message */
};

struct http_rule; /* compiled, immutable */
struct http_rule *http_rule_new(const struct http_rule_source *src, struct error *err);
void http_rule_free(struct http_rule *r);

enum http_rule_answer {
	HTTP_RULE_ALLOW,
	HTTP_RULE_DENY,      /* 403 */
	HTTP_RULE_AMBIGUOUS, /* 400: *ret_why says what of the path */
};
enum http_rule_answer http_rule_judge(const struct http_rule *r, const struct http_head *request,
				      const char **ret_why);

/* Normalised path of at most `cap` bytes without the query; false: ambiguous, *ret_why. */
bool http_path_normalise(struct view path, uint8_t *ret, size_t cap, size_t *ret_len,
			 const char **ret_why);

/* Names and one line each of the presets (git-fetch-only, ...), for listings; NULL past the last.
 */
const char *http_preset_name(size_t i);
const char *http_preset_help(size_t i);

#endif
