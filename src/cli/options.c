// SPDX-License-Identifier: Apache-2.0
/*
 * From argv to a configuration, by way of getopt_long() and the table of options.
 *
 * The configuration file is read first, wherever --config stands, and the options are applied over
 * it. getopt_long() would accept any unambiguous beginning of a long option; a script that relied
 * on that would break when an option is added, so only whole names are taken. Every complaint is
 * one line: option, value, what was expected, and the nearest valid word where there is one.
 */
#include "cli/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/reload.h"

/* Bound of the arrays below; the table is checked against it when they are filled. */
#define TABLE_MAX 96

/* Options that other versions have: naming one is no typing error. */
static const char *const later_options[] = {
	"control", "metrics", "rate-egress", "rate-ingress", NULL,
};

/* Fills getopt_long()'s two forms of the table, for one command. shorts has room for
 * 2 + 2 * TABLE_MAX characters. */
static void getopt_tables(enum option_command cmd, char *shorts, struct option *longs)
{
	size_t n = 0;

	*shorts++ = '+'; /* stop at the first argument that is no option */
	*shorts++ = ':'; /* tell a missing value from an unknown option */
	for (const struct option_def *d = option_table; d->name && n < TABLE_MAX - 1; d++) {
		if (!option_is_for(d, cmd))
			continue;
		/* What getopt_long() returns for a long option is its index, above every character.
		 */
		longs[n] = (struct option){.name = d->name,
					   .has_arg = d->arg ? required_argument : no_argument,
					   .val = 256 + (int)n};
		n++;
		if (d->letter) {
			*shorts++ = d->letter;
			if (d->arg)
				*shorts++ = ':';
		}
	}
	longs[n] = (struct option){0};
	*shorts = '\0';
}

static const struct option_def *def_by_letter(enum option_command cmd, int letter)
{
	for (const struct option_def *d = option_table; d->name; d++) {
		if (letter && d->letter == letter && option_is_for(d, cmd))
			return d;
	}
	return NULL;
}

/* Name of the long option in a word of argv ("--name=value" or "--name"); false where it is none,
 * or too long for any. */
static bool long_name(const char *word, char *ret, size_t size)
{
	if (strncmp(word, "--", 2) != 0)
		return false;
	size_t len = strcspn(word + 2, "=");
	if (len == 0 || len >= size)
		return false;
	memcpy(ret, word + 2, len);
	ret[len] = '\0';
	return true;
}

static const struct option_def *def_by_name(const char *name)
{
	for (const struct option_def *d = option_table; d->name; d++) {
		if (strcmp(d->name, name) == 0)
			return d;
	}
	return NULL;
}

/* A message is one line whatever was typed: control characters become '?', and long values are cut.
 */
static const char *printable(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; text[n] && n < size - 4; n++)
		buf[n] = iscntrl((unsigned char)text[n]) ? '?' : text[n];
	strcpy(buf + n, text[n] ? "..." : "");
	return buf;
}

/* "-x", or a long option with one dash. */
static int unknown_letter(const char *word, int letter, const char *command, struct error *err)
{
	char two[64];

	snprintf(two, sizeof(two), "-%.*s", (int)strcspn(word, "="), word);
	if (word[0] == '-' && def_by_name(two + 2))
		return error_set(err, "%s: no such option; did you mean %s?", two + 1, two);
	return error_set(err, "-%c: no such option; 'weir %s --help' lists them",
			 isprint(letter) ? letter : '?', command);
}

static int unknown_option(enum option_command cmd, const char *word, int letter, struct error *err)
{
	const char *names[TABLE_MAX], *command = option_command_name(cmd);
	char name[64], shown[80];
	size_t n = 0;

	if (!long_name(word, name, sizeof(name))) {
		if (strncmp(word, "--", 2) == 0)
			return error_set(err, "%s: no such option; 'weir %s --help' lists them",
					 printable(word, shown, sizeof(shown)), command);
		return unknown_letter(word, letter, command, err);
	}
	if (def_by_name(name))
		return error_set(err, "--%s: not an option of 'weir %s', whose --help lists them",
				 name, command);
	for (const char *const *l = later_options; *l; l++) {
		if (strcmp(name, *l) == 0)
			return error_set(err, "--%s: not in this version of weir", name);
	}
	for (const struct option_def *d = option_table; d->name && n < TABLE_MAX - 1; d++) {
		if (option_is_for(d, cmd))
			names[n++] = d->name;
	}
	names[n] = NULL;
	const char *near = config_nearest(name, names);
	printable(name, shown, sizeof(shown));
	if (near)
		return error_set(err, "--%s: no such option; did you mean --%s?", shown, near);
	return error_set(err, "--%s: no such option; 'weir %s --help' lists them", shown, command);
}

static int missing_value(const struct option_def *d, struct error *err)
{
	if (d->example)
		return error_set(err, "--%s: expected %s, for example %s", d->name, d->arg,
				 d->example);
	return error_set(err, "--%s: expected %s, for example %s", d->name, d->arg, d->words[0]);
}

static int apply(const struct option_def *d, const char *value, struct config *c, struct error *err)
{
	struct error why = {0};
	char shown[80];

	if (d->parse(d, value, c, &why) == 0)
		return 0;
	bool example = d->example && strncmp(why.msg, "expected", 8) == 0;
	return error_set(err, "--%s: '%s': %s%s%s", d->name, printable(value, shown, sizeof(shown)),
			 why.msg, example ? ", for example " : "", example ? d->example : "");
}

/* What one pass over the options does with each. 0: go on; 1: help was asked for; -1 and err. */
typedef int (*option_fn)(const struct option_def *d, const char *value, struct config *c,
			 struct error *err);

/* Calls fn for each option; the index of the first word that is none goes to *ret_first_arg. */
static int options_each(enum option_command cmd, int argc, char **argv, option_fn fn,
			struct config *c, int *ret_first_arg, struct error *err)
{
	struct option longs[TABLE_MAX];
	char shorts[3 + 2 * TABLE_MAX];
	char name[64];
	int rc;

	getopt_tables(cmd, shorts, longs);
	opterr = 0;
	optind = 0; /* GNU: start anew */
	for (;;) {
		int at = optind ? optind : 1;
		int got = getopt_long(argc, argv, shorts, longs, NULL);
		if (got == -1)
			break;
		bool is_long = long_name(argv[at], name, sizeof(name));
		const struct option_def *d = is_long      ? def_by_name(name)
					     : got == ':' ? def_by_letter(cmd, optopt)
							  : def_by_letter(cmd, got);
		if (!d || !option_is_for(d, cmd))
			return unknown_option(cmd, argv[at], optopt, err);
		if (got == ':')
			return missing_value(d, err);
		if (got == '?') /* a known name that getopt_long() refuses */
			return error_set(err, "--%s: takes no value", d->name);
		if (!d->parse)
			return 1; /* --help */
		rc = fn(d, optarg, c, err);
		if (rc != 0)
			return rc;
	}
	*ret_first_arg = optind;
	return 0;
}

static bool is_config(const struct option_def *d)
{
	return strcmp(d->name, "config") == 0;
}

/* The first pass finds the file, so that the order of options does not matter. */
static int find_file(const struct option_def *d, const char *value, struct config *c,
		     struct error *err)
{
	if (!is_config(d))
		return 0;
	if (c->path)
		return error_set(err, "--config: given twice; expected one file");
	return apply(d, value, c, err);
}

/* A list of resolvers is one value, and so is one of ports: the command line's replaces the file's,
 * or the default. */
static int forget_lists(const struct option_def *d, const char *value, struct config *c,
			struct error *err)
{
	if (strcmp(d->name, "dns-upstream") == 0)
		c->dns_upstream_count = 0;
	if (strcmp(d->name, "tls-intercept-port") == 0) {
		c->tls.port_count = 0;
		memset(c->tls.ports, 0, sizeof(c->tls.ports));
	}
	return 0;
}

static int apply_over_file(const struct option_def *d, const char *value, struct config *c,
			   struct error *err)
{
	return is_config(d) ? 0 : apply(d, value, c, err);
}

/* What the command line says, over what the file has said. */
static int parse_over_file(enum option_command cmd, int argc, char **argv, struct config *c,
			   int *ret_first_arg, struct error *err)
{
	int rc = options_each(cmd, argc, argv, forget_lists, c, ret_first_arg, err);

	if (rc == 0)
		rc = options_each(cmd, argc, argv, apply_over_file, c, ret_first_arg, err);
	if (rc == 0)
		rc = options_check(cmd, c, err);
	return rc;
}

int options_parse(enum option_command cmd, int argc, char **argv, struct config *c,
		  int *ret_first_arg, struct error *err)
{
	int first;
	int rc = options_each(cmd, argc, argv, find_file, c, &first, err);

	if (rc == 0 && c->path) {
		rc = config_load(c, err);
		/* What is wrong in the file is told by its name and line. */
		if (rc < 0 && access(c->path, R_OK) < 0)
			error_prefix(err, "--config");
	}
	if (rc == 0)
		rc = parse_over_file(cmd, argc, argv, c, &first, err);
	if (rc == 0)
		*ret_first_arg = first;
	return rc;
}

int options_parse_sandbox(const struct tree *t, size_t index, int argc, char **argv,
			  struct config *c, struct error *err)
{
	int first;
	int rc = options_each(OPTION_FOR_SERVE, argc, argv, find_file, c, &first, err);

	if (rc == 0)
		rc = config_load_sandbox(c, t, index, err);
	if (rc == 0)
		rc = parse_over_file(OPTION_FOR_SERVE, argc, argv, c, &first, err);
	return rc;
}

int options_reload(const struct config *running, int argc, char **argv, struct config *ret,
		   struct error *err)
{
	struct config next;
	int first;

	if (!config_reload_possible(running, err))
		return -1;
	config_init(&next);
	if (options_parse(OPTION_FOR_RUN, argc, argv, &next, &first, err) != 0 ||
	    config_reload_check(running, &next, err) < 0) {
		config_done(&next);
		return -1;
	}
	*ret = next;
	return 0;
}
