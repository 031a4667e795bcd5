// SPDX-License-Identifier: Apache-2.0
/*
 * What weir says about itself: on a terminal, and as the option section of the manual page.
 * Both are written from the tables of commands and options.
 */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "http/rules.h"

#define WIDTH  80 /* columns of help text */
#define COLUMN 28 /* where explanations begin */

bool cli_colours(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && term && strcmp(term, "dumb") != 0 && !(no && *no);
}

static void heading(FILE *out, const char *text)
{
	bool bold = cli_colours(out);

	fprintf(out, "\n%s%s:%s\n", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
}

/* Prints text from column `at` on, broken at spaces; every new line begins at COLUMN. */
static void wrapped(FILE *out, size_t at, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		if (at > COLUMN && at + 1 + len > WIDTH) {
			fprintf(out, "\n%*s", COLUMN, "");
			at = COLUMN;
		} else if (at > COLUMN) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", (int)len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* "  NAME" and, from COLUMN on, what it is; on a line of its own where the name is too long. */
static void entry(FILE *out, const char *name, const char *text)
{
	size_t len = strlen(name);

	fprintf(out, "  %s", name);
	if (len + 4 > COLUMN)
		fprintf(out, "\n%*s", COLUMN, "");
	else
		fprintf(out, "%*s", (int)(COLUMN - 2 - len), "");
	wrapped(out, COLUMN, text);
}

void help_main(FILE *out)
{
	fputs("weir is the network of a sandbox: it carries a command's traffic in user space\n"
	      "and decides for every connection whether it may pass.\n",
	      out);
	heading(out, "Commands");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		char usage[128];
		snprintf(usage, sizeof(usage), "weir %s %s", c->name, c->args);
		entry(out, usage, c->summary);
	}
	heading(out, "Examples");
	fputs("  weir run -- curl https://example.com\n"
	      "      reaches the internet, and nothing of this host or its network\n"
	      "  weir run --allow github.com:tcp:443 -- git fetch\n"
	      "      reaches one service, by its name\n"
	      "  weir run --secret API_KEY@api.example.com -- ./agent\n"
	      "      has a placeholder for the key, which works for that host alone\n"
	      "  weir run -p 8080:80 -- ./server\n"
	      "      can be reached at port 8080 of this host\n"
	      "  weir serve --stream /run/vm.sock\n"
	      "      is the network of a VM: qemu ... -netdev stream,id=n,addr.type=unix,\n"
	      "      addr.path=/run/vm.sock -device virtio-net-pci,netdev=n\n"
	      "  weir check --allow api.example.com:tcp:443 tcp api.example.com:443\n"
	      "      says what would happen, and why\n"
	      "\n'weir help run' lists the options. weir(1), weir-run(1), weir-serve(1) and\n"
	      "weir-check(1) tell the rest.\n",
	      out);
}

/* "-p, --publish ARG", or "    --mtu N". */
static void option_usage(const struct option_def *d, char *buf, size_t size)
{
	char letter[8] = "    ";

	if (d->letter)
		snprintf(letter, sizeof(letter), "-%c, ", d->letter);
	snprintf(buf, size, "%s--%s%s%s", letter, d->name, d->arg ? " " : "", d->arg ? d->arg : "");
}

/* The options of one command, by sections; a section without any is left out. */
static void option_lists(FILE *out, enum option_command cmd)
{
	for (int s = 0; s < OPTION_SECTIONS; s++) {
		bool begun = false;

		for (const struct option_def *d = option_table; d->name; d++) {
			char usage[80], text[1024];

			if ((int)d->section != s || !option_is_for(d, cmd))
				continue;
			if (!begun)
				heading(out, option_section_titles[s]);
			begun = true;
			option_usage(d, usage, sizeof(usage));
			snprintf(text, sizeof(text), d->dflt ? "%s [default: %s]" : "%s", d->help,
				 d->dflt);
			entry(out, usage, text);
		}
	}
}

void help_run(FILE *out)
{
	fputs("Usage: weir run [OPTION...] [--] COMMAND [ARG...]\n"
	      "       weir run [OPTION...] --netns PATH|--pid PID\n\n"
	      "Runs COMMAND in a new network namespace whose whole network is weir. The exit\n"
	      "status is the command's own; 125 where weir failed, 126 where the command cannot\n"
	      "be executed, 127 where there is none. Without COMMAND, an existing namespace is\n"
	      "served until it goes.\n",
	      out);
	option_lists(out, OPTION_FOR_RUN);
}

void help_serve(FILE *out)
{
	fputs("Usage: weir serve [OPTION...] --stream PATH|--dgram PATH|--vhost-user PATH|...\n"
	      "       weir serve [OPTION...] -c FILE\n\n"
	      "Is the network of one VM for each link that is given, or of those in the FILE's\n"
	      "list of sandboxes, until SIGTERM or SIGINT. Each has addresses of its own, from\n"
	      "ascending slots. SIGHUP reads the FILE again. The exit status is 0, or 125 where\n"
	      "weir failed.\n",
	      out);
	option_lists(out, OPTION_FOR_SERVE);
}

void help_check(FILE *out)
{
	fputs("Usage: weir check [OPTION...] TARGET...\n\n"
	      "Says what the policy answers for each TARGET, by which rule, why, and what the\n"
	      "command would see; sends nothing. A TARGET is one of\n"
	      "  tcp HOST:PORT    udp HOST:PORT    icmp HOST    dns NAME\n"
	      "  [METHOD] http[s]://HOST/...\n"
	      "where HOST is a name, an IPv4 address, or an IPv6 address in brackets. With the\n"
	      "only TARGET -, or none, they are read from standard input, one a line. The exit\n"
	      "status is 0 where all are allowed, 1 where one is denied, 125 where weir failed.\n",
	      out);
	option_lists(out, OPTION_FOR_CHECK);
}

/* Text as scdoc takes it literally. */
void help_scdoc_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void man_option(FILE *out, const struct option_def *d)
{
	if (d->letter)
		fprintf(out, "*-%c*, ", d->letter);
	fputs("*--", out);
	help_scdoc_text(out, d->name);
	fputc('*', out);
	if (d->arg) {
		fputs(" _", out);
		help_scdoc_text(out, d->arg);
		fputc('_', out);
	}
	fputs("\n\t", out);
	help_scdoc_text(out, d->help);
	fputc('.', out);
	if (d->dflt) {
		fputs(" Default: ", out);
		help_scdoc_text(out, d->dflt);
		fputc('.', out);
	}
	if (d->example) {
		fputs(" Example: ", out);
		help_scdoc_text(out, d->example);
		fputc('.', out);
	}
	fputs("\n\n", out);
}

/* Rules for requests that have a name, with what each allows. */
static void man_presets(FILE *out)
{
	for (size_t i = 0; http_preset_name(i); i++) {
		fputc('*', out);
		help_scdoc_text(out, http_preset_name(i));
		fputs("*\n\t", out);
		help_scdoc_text(out, http_preset_help(i));
		fprintf(out, ".\n\n```\n%s```\n\n", http_preset_text(i));
	}
}

int help_man_options(FILE *out, const char *command)
{
	enum option_command cmd = OPTION_FOR_RUN;

	if (strcmp(command, "config") == 0) {
		help_man_keys(out);
		return 0;
	}
	if (strcmp(command, "policy") == 0) {
		man_presets(out);
		return 0;
	}
	if (strcmp(command, option_command_name(OPTION_FOR_CHECK)) == 0)
		cmd = OPTION_FOR_CHECK;
	else if (strcmp(command, option_command_name(OPTION_FOR_SERVE)) == 0)
		cmd = OPTION_FOR_SERVE;
	else if (strcmp(command, option_command_name(cmd)) != 0)
		return -1;
	for (int s = 0; s < OPTION_SECTIONS; s++) {
		bool begun = false;

		for (const struct option_def *d = option_table; d->name; d++) {
			if ((int)d->section != s || !option_is_for(d, cmd))
				continue;
			if (!begun)
				fprintf(out, "## %s\n\n", option_section_titles[s]);
			begun = true;
			man_option(out, d);
		}
	}
	return 0;
}

int cmd_help(int argc, char **argv)
{
	struct error err;

	if (argc > 2 && argv[1][0] != '-' && cli_no_more("help", argc, argv, 2) < 0)
		return CLI_EXIT_FAILURE;
	if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
		help_main(stdout);
	else if (strcmp(argv[1], "run") == 0)
		help_run(stdout);
	else if (strcmp(argv[1], "serve") == 0)
		help_serve(stdout);
	else if (strcmp(argv[1], "check") == 0)
		help_check(stdout);
	else if (strcmp(argv[1], "ca") == 0)
		help_ca(stdout);
	else if (strcmp(argv[1], "version") == 0)
		puts("Usage: weir version\n\nPrints the version, and what of weir this host can use.");
	else if (strcmp(argv[1], "--man-options") == 0 &&
		 argc == 3) { /* for the build of the manual pages */
		if (help_man_options(stdout, argv[2]) < 0) {
			error_set(
				&err,
				"--man-options: '%s': expected run, serve, check, config or policy",
				argv[2]);
			return cli_fail(&err);
		}
	} else if (strcmp(argv[1], "--completion") == 0 &&
		   argc == 3) { /* for the build of completions */
		if (complete_print(stdout, argv[2]) < 0) {
			error_set(&err, "--completion: '%s': expected bash, zsh or fish", argv[2]);
			return cli_fail(&err);
		}
	} else {
		return cli_unknown_command(argv[1]);
	}
	return 0;
}
