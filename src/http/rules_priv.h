// SPDX-License-Identifier: Apache-2.0
/*
 * What a rule for requests is made of.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_RULES_PRIV_H
#define WEIR_HTTP_RULES_PRIV_H

#include "base/pattern.h"
#include "http/glob.h"

#define LINES_MAX 64 /* of all presets of one rule; more is an error */

struct path_pattern {
	struct glob path, query;
	bool has_query;
};

struct clause { /* empty lists hold everything */
	char **methods;
	struct name_pattern *hosts;
	struct path_pattern *paths;
	size_t method_count, host_count, path_count;
	bool all_paths;
};

struct http_rule {
	struct http_rule *next; /* owned; an alternative */
	struct clause own;      /* must hold the request */
	struct clause
		*lines; /* of presets, room for LINES_MAX; one of them must, if there are any */
	size_t line_count;
	struct path_pattern *deny; /* and none of these */
	size_t deny_count;
};

#endif
