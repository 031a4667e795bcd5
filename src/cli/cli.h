// SPDX-License-Identifier: Apache-2.0
/*
 * The command line: one table of commands (main.c), each with a file of its own.
 *
 * Only this room prints to the user: results to stdout, complaints to stderr as one line "weir:
 * ...". A command gets argv from its own name on and returns the exit status.
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* weir itself failed, as in env(1); any other exit status is the command's that weir ran. */
#define CLI_EXIT_FAILURE 125

struct cli_command {
	const char *name;
	const char *args;    /* what may follow the name, for the usage line */
	const char *summary; /* one line for the list of commands, and the shells' completion */
	int (*fn)(int argc, char **argv);
};
/* Ends with a NULL name. */
extern const struct cli_command cli_commands[];

int cmd_run(int argc, char **argv);       /* run.c */
int cmd_serve(int argc, char **argv);     /* serve.c */
int cmd_check(int argc, char **argv);     /* check.c */
int cmd_ca(int argc, char **argv);        /* ca.c */
int cmd_version(int argc, char **argv);   /* version.c */
int cmd_help(int argc, char **argv);      /* help.c */
int cmd_keyholder(int argc, char **argv); /* keyholder.c */

/* Prints "weir: MESSAGE" to stderr; returns CLI_EXIT_FAILURE. */
int cli_fail(const struct error *err);
/* Complains about the first word beyond `n` of a command that takes no more. 0, or -1. */
int cli_no_more(const char *command, int argc, char **argv, int n);
/* Complains that there is no such command, with the nearest one; returns CLI_EXIT_FAILURE. */
int cli_unknown_command(const char *name);

/* Colours only where a person looks, and has not said otherwise (https://no-color.org). */
bool cli_colours(FILE *out);

/* A standard fd that the caller closed must not become one of ours. What takes its place is closed
 * again where another program is executed. */
void cli_hold_standard_fds(void);
/* As many open files as the system allows: each flow takes one. */
void cli_raise_file_limit(void);
/* help.c: `weir --help`, `weir run --help` and so on, and the option section of the
 * manual page of "run", "serve" or "check" in scdoc's language (-1 for any other). */
void help_main(FILE *out);
void help_run(FILE *out);
void help_serve(FILE *out);
void help_check(FILE *out);
void help_ca(FILE *out); /* ca.c */
int help_man_options(FILE *out, const char *command);
/* Text as scdoc takes it literally. */
void help_scdoc_text(FILE *out, const char *text);
/* help_keys.c: the keys of the configuration file in scdoc's language, which "config" gives. */
void help_man_keys(FILE *out);

/* complete.c: the completion script of a shell ("bash", "zsh", "fish"). -1 for any other. */
int complete_print(FILE *out, const char *shell);

#endif
