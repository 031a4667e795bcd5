// SPDX-License-Identifier: Apache-2.0
/*
 * weir(1): finds the command in the table and runs it.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/config.h"
#include "secret/holder.h"

const struct cli_command cli_commands[] = {
	{.name = "run",
	 .args = "[OPTION...] [--] COMMAND [ARG...]",
	 .summary = "run a command in a new network namespace behind the gateway",
	 .fn = cmd_run},
	{.name = "serve",
	 .args = "[OPTION...]",
	 .summary = "be the network of one or more VMs",
	 .fn = cmd_serve},
	{.name = "check",
	 .args = "[OPTION...] TARGET...",
	 .summary = "say what the policy answers, by which rule, and why",
	 .fn = cmd_check},
	{.name = "ca",
	 .args = "show|path|create [OPTION...]",
	 .summary = "show or make the authority that TLS interception signs with",
	 .fn = cmd_ca},
	{.name = "version",
	 .args = "",
	 .summary = "say which version this is, and what this host can do",
	 .fn = cmd_version},
	{.name = "help",
	 .args = "[COMMAND]",
	 .summary = "explain weir, or one command",
	 .fn = cmd_help},
	{0},
};

/* One for weir itself: in no list, no help text, no completion. */
static const struct cli_command hidden_commands[] = {
	{.name = "keyholder", .fn = cmd_keyholder},
	{0},
};

/* Commands that other versions have: naming one is no typing error. */
static const char *const later_commands[] = {
	"ps", "flows", "events", "policy", "ports", "secrets", "metrics", NULL,
};

/* One line, whatever somebody has put into a name or a value that it repeats. */
int cli_fail(const struct error *err)
{
	char line[sizeof(err->msg)];
	size_t n = 0;

	for (const char *p = err->msg; *p; p++)
		line[n++] = iscntrl((unsigned char)*p) ? '?' : *p;
	line[n] = '\0';
	fprintf(stderr, "weir: %s\n", line);
	return CLI_EXIT_FAILURE;
}

int cli_no_more(const char *command, int argc, char **argv, int n)
{
	struct error err;

	if (argc <= n)
		return 0;
	error_set(&err, "%s: '%.200s': expected nothing here", command, argv[n]);
	cli_fail(&err);
	return -1;
}

int cli_unknown_command(const char *name)
{
	const char *names[sizeof(cli_commands) / sizeof(cli_commands[0])];
	struct error err;
	size_t n = 0;

	for (const char *const *l = later_commands; *l; l++) {
		if (strcmp(name, *l) == 0) {
			error_set(&err, "%s: not in this version of weir", name);
			return cli_fail(&err);
		}
	}
	for (const struct cli_command *c = cli_commands; c->name; c++)
		names[n++] = c->name;
	names[n] = NULL;
	const char *near = config_nearest(name, names);
	if (name[0] == '-')
		error_set(&err,
			  "'%.200s': expected a command before options, such as: weir run %.200s",
			  name, name);
	else if (near)
		error_set(&err, "'%.200s': no such command; did you mean '%s'?", name, near);
	else
		error_set(&err,
			  "'%.200s': no such command; 'weir help' lists them, and 'weir run -- "
			  "%.200s' runs a program",
			  name, name);
	return cli_fail(&err);
}

void cli_hold_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

void cli_raise_file_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		log_debug("cannot raise the limit of open files: %s", strerror(errno));
}

/* What could not be written was not said. */
static int said(int status)
{
	struct error err;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	error_set_errno(&err, errno, "cannot write to standard output");
	cli_fail(&err);
	return status ? status : CLI_EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help_main(stderr);
		return CLI_EXIT_FAILURE;
	}
	const char *name = argv[1];
	holder_is_this_program();
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		if (strcmp(name, c->name) == 0)
			return said(c->fn(argc - 1, argv + 1));
	}
	for (const struct cli_command *c = hidden_commands; c->name; c++) {
		if (strcmp(name, c->name) == 0)
			return c->fn(argc - 1, argv + 1);
	}
	return cli_unknown_command(name);
}
