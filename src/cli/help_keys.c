// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of the configuration file as sections of weir-config(5), from their table.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <string.h>

#include "conf/schema.h"

static void man_key(FILE *out, const struct schema_key *k)
{
	fputc('*', out);
	help_scdoc_text(out, k->path);
	fputs("* (", out);
	help_scdoc_text(out, k->type);
	if (k->max && strcmp(k->type, "number") == 0)
		fprintf(out, " from %" PRIu64 " to %" PRIu64, k->min, k->max);
	if (k->dflt) {
		fputs("; default ", out);
		help_scdoc_text(out, k->dflt);
	}
	fputs(")\n\t", out);
	help_scdoc_text(out, k->help ? k->help : "Of a later version: only the default is taken");
	fputs(".\n\n", out);
}

/* Length of the first part of a path: keys of one section have it in common. */
static size_t section_len(const char *path)
{
	return strcspn(path, ".[");
}

void help_man_keys(FILE *out)
{
	const char *section = "";

	for (const struct schema_key *k = schema_keys; k->path; k++) {
		size_t n = section_len(k->path);
		if (n != section_len(section) || strncmp(k->path, section, n) != 0)
			fprintf(out, "## %.*s\n\n", (int)n, k->path);
		section = k->path;
		man_key(out, k);
	}
}
