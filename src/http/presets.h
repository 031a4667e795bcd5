// SPDX-License-Identifier: Apache-2.0
/*
 * Rules by name. They are data: presets/NAME.preset, of which the build makes a table.
 *
 * A line of such a file is a comment (#), `help TEXT` (one line, once), or
 *
 *	allow METHOD[,METHOD...] HOST[,HOST...] PATH
 *
 * where each part is as in a rule and `any` stands for every host.
 */
#ifndef WEIR_HTTP_PRESETS_H
#define WEIR_HTTP_PRESETS_H

struct http_preset {
	const char *name, *help;
	const char *text; /* its allow lines, without the word */
};
extern const struct http_preset http_presets[]; /* ends with a NULL name */

#endif
