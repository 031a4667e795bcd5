// SPDX-License-Identifier: Apache-2.0
/*
 * `weir check`: what the policy answers to targets that are named, without sending anything.
 *
 * All targets are read before the first is judged, so that a wrong one leaves no half of an answer
 * behind. They are judged by the functions that live traffic is judged by.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/options.h"

#define EXIT_DENIED 1
#define TARGETS_MAX 1000000 /* more is refused: they are kept until all are read */

struct check {
	struct config conf;
	struct check_env env;
	struct check_target *targets;
	struct check_result *results;
	size_t n, room;
};

static struct check_target *next_target(struct check *c, struct error *err)
{
	if (c->n == TARGETS_MAX) {
		error_set(err, "more than %d targets", TARGETS_MAX);
		return NULL;
	}
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		struct check_target *grown = realloc(c->targets, room * sizeof(*grown));

		if (!grown) {
			error_set(err, "out of memory");
			return NULL;
		}
		c->targets = grown;
		c->room = room;
	}
	return &c->targets[c->n];
}

/* `words` ends with NULL, or has n of them. */
static int read_words(struct check *c, char **words, int n, struct error *err)
{
	for (int i = 0, took; i < n; i += took) {
		struct check_target *t = next_target(c, err);

		if (!t ||
		    check_target_read(words[i], i + 1 < n ? words[i + 1] : NULL, t, &took, err) < 0)
			return -1;
		c->n++;
	}
	return 0;
}

#define BLANKS " \t\r\n"

/* One line of standard input: a target, or nothing. A comment begins with # at the beginning of a
 * word: an URL may have one inside. */
static int read_line(struct check *c, char *line, struct error *err)
{
	char *words[4], *save = NULL;
	int n = 0, took;

	for (char *w = strtok_r(line, BLANKS, &save); w && *w != '#' && n < 4;
	     w = strtok_r(NULL, BLANKS, &save))
		words[n++] = w;
	if (n == 0)
		return 0;
	struct check_target *t = next_target(c, err);
	if (!t || check_target_read(words[0], n > 1 ? words[1] : NULL, t, &took, err) < 0)
		return -1;
	if (took != n)
		return error_set(err, "'%.100s': expected one target a line", words[took]);
	c->n++;
	return 0;
}

static int read_stdin(struct check *c, struct error *err)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = 0;

	for (unsigned number = 1; rc == 0 && (len = getline(&line, &room, stdin)) >= 0; number++) {
		if (strlen(line) != (size_t)len)
			rc = error_set(err, "a line with a NUL in it");
		else
			rc = read_line(c, line, err);
		if (rc < 0)
			error_prefix(err, "standard input:%u", number);
	}
	if (rc == 0 && ferror(stdin))
		rc = error_set_errno(err, errno, "standard input");
	/* Of nothing one may not say that all of it is allowed. */
	if (rc == 0 && c->n == 0)
		rc = error_set(err, "check: standard input holds no target");
	free(line);
	return rc;
}

static int read_targets(struct check *c, char **words, int n, struct error *err)
{
	if (n == 1 && strcmp(words[0], "-") == 0)
		return read_stdin(c, err);
	if (n == 0 && !isatty(STDIN_FILENO))
		return read_stdin(c, err);
	if (n == 0)
		return error_set(err, "check: no target given; expected one, such as: weir check "
				      "tcp example.com:443");
	return read_words(c, words, n, err);
}

static void warn(const struct check *c)
{
	for (size_t i = 0; i < policy_warning_count(c->env.policy) && !c->conf.quiet; i++)
		log_warning("%s", policy_warning_text(c->env.policy, i));
}

/* 0, or the exit status of a denial. */
static int judge_and_print(struct check *c, struct error *err)
{
	int status = 0;

	c->results = calloc(c->n + 1, sizeof(*c->results));
	if (!c->results)
		return error_set(err, "out of memory");
	for (size_t i = 0; i < c->n; i++) {
		check_judge(&c->env, &c->targets[i], &c->results[i]);
		if (c->results[i].verdict.answer != POLICY_ALLOW)
			status = EXIT_DENIED;
		if (c->conf.check_json)
			check_print_json(&c->env, &c->targets[i], &c->results[i], stdout);
	}
	if (!c->conf.check_json)
		check_print_table(&c->env, c->targets, c->results, c->n, stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		return error_set_errno(err, errno, "standard output");
	return status;
}

/* The exit status, or -1 and err. */
static int check_main(struct check *c, int argc, char **argv, struct error *err)
{
	int first = 0;
	int rc = options_parse(OPTION_FOR_CHECK, argc, argv, &c->conf, &first, err);

	if (rc > 0) {
		help_check(stdout);
		return 0;
	}
	if (rc == 0)
		rc = read_targets(c, argv + first, argc - first, err);
	if (rc == 0)
		rc = check_env_init(&c->env, &c->conf, err);
	if (rc < 0)
		return -1;
	warn(c);
	return judge_and_print(c, err);
}

int cmd_check(int argc, char **argv)
{
	struct check c = {0};
	struct error err = {0};
	int status;

	config_init(&c.conf);
	status = check_main(&c, argc, argv, &err);
	if (status < 0)
		status = cli_fail(&err);
	check_env_done(&c.env);
	free(c.targets);
	free(c.results);
	config_done(&c.conf);
	return status;
}
