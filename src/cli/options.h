// SPDX-License-Identifier: Apache-2.0
/*
 * The options of `weir run`, `weir serve` and `weir check`, in one table.
 *
 * Parsing, --help, the option section of the manual page and the shells' completions are all made
 * from this table, so that none of them can know an option that another does not.
 */
#ifndef WEIR_CLI_OPTIONS_H
#define WEIR_CLI_OPTIONS_H

#include "conf/config.h"

enum option_section {
	OPTION_POLICY,
	OPTION_TLS,
	OPTION_PUBLISH,
	OPTION_DNS,
	OPTION_INTERFACE,
	OPTION_RUN,
	OPTION_SERVE,
	OPTION_LIMITS,
	OPTION_CHECK,
	OPTION_WATCH,
	OPTION_SECTIONS, /* how many */
};
extern const char *const option_section_titles[OPTION_SECTIONS];

enum option_command {
	OPTION_FOR_RUN = 1 << 0,
	OPTION_FOR_CHECK = 1 << 1,
	OPTION_FOR_SERVE = 1 << 2,
};
#define OPTION_FOR_GATEWAYS (OPTION_FOR_RUN | OPTION_FOR_SERVE)
#define OPTION_FOR_ALL      (OPTION_FOR_GATEWAYS | OPTION_FOR_CHECK)
/* "run", "check", "serve". */
const char *option_command_name(enum option_command cmd);

struct option_def {
	const char *name; /* without the dashes */
	const char *arg;  /* name of the value; NULL: takes none */
	const char *dflt; /* the default, for people; NULL: none worth saying */
	const char
		*example; /* a value that is right, for messages; NULL where `words` say it all */
	const char *help; /* what it does: one or more sentences on one line, no final full stop */
	enum option_section section;
	unsigned commands;        /* OPTION_FOR_...; 0: those of its section */
	char letter;              /* the short form; 0: none */
	bool takes_path;          /* completes to files */
	bool word_list;           /* the value is a comma list of `words` */
	const char *const *words; /* the only right words, NULL-terminated; NULL: not words */
	/*
	 * Sets the field. 0, or -1 and err, to which the caller adds the option's name, the value
	 * and, behind "expected ...", the example.
	 */
	int (*parse)(const struct option_def *def, const char *value, struct config *c,
		     struct error *err);
	size_t field;      /* for the parsers that serve several options: offset in struct config */
	uint64_t min, max; /* for numbers */
};
/* In the order in which help lists them, grouped by section; ends with a NULL name. */
extern const struct option_def option_table[];
bool option_is_for(const struct option_def *d, enum option_command cmd);

/*
 * Parses argv[1..], the options of one command, into c (which config_init() has filled) up to the
 * first argument that is no option; its index goes to *ret_first_arg. Checks which options go
 * together, too. 0; 1 where help was asked for; -1 and err.
 */
int options_parse(enum option_command cmd, int argc, char **argv, struct config *c,
		  int *ret_first_arg, struct error *err);

/* The same for sandbox `index` of the file that was read already: what it says, the top level, and
 * the command line of `weir serve` over both. 0, or -1 and err. */
struct tree;
int options_parse_sandbox(const struct tree *t, size_t index, int argc, char **argv,
			  struct config *c, struct error *err);

/*
 * The same command line once more, over the file as it is now, for a gateway that runs: ret (which
 * is not initialized) is then a checked configuration that differs only in what can change, to be
 * ended by config_done(). -1 and err where the file is wrong, or has changed what cannot change.
 */
int options_reload(const struct config *running, int argc, char **argv, struct config *ret,
		   struct error *err);

/* options_check.c: what a single option cannot see: combinations that make no sense. 0, or -1 and
 * err. */
int options_check(enum option_command cmd, const struct config *c, struct error *err);

#endif
