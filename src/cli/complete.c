// SPDX-License-Identifier: Apache-2.0
/*
 * Completion scripts for bash, zsh and fish, written from the tables of commands and options.
 * Behind the options of `run` each of them completes the command that is to be run.
 */
#include "cli/cli.h"

#include <string.h>

#include "cli/options.h"

/* What a target of `weir check` may begin with. */
#define TARGET_WORDS "tcp udp icmp dns http:// https://"
/* What `weir ca` does, and its options. */
#define CA_WORDS   "show path create"
#define CA_OPTIONS "--json --text --force"
/* In zsh a colon would end the list. */
#define TARGET_WORDS_ZSH "tcp udp icmp dns http\\:// https\\://"

/* Names of the commands with blanks between them. */
static void command_names(FILE *out)
{
	for (const struct cli_command *c = cli_commands; c->name; c++)
		fprintf(out, "%s%s", c == cli_commands ? "" : " ", c->name);
}

static void word_list(FILE *out, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", words[i]);
}

/* The options that `wanted` picks, of whatever command, as a case pattern: "--pcap|--netns". */
static void case_pattern(FILE *out, bool (*wanted)(const struct option_def *d))
{
	const char *bar = "";

	for (const struct option_def *d = option_table; d->name; d++) {
		if (!wanted(d))
			continue;
		fprintf(out, "%s--%s", bar, d->name);
		bar = "|";
		if (d->letter)
			fprintf(out, "|-%c", d->letter);
	}
}

static bool takes_path(const struct option_def *d)
{
	return d->takes_path;
}

static bool takes_value(const struct option_def *d)
{
	return d->arg != NULL;
}

static bool takes_free_value(const struct option_def *d)
{
	return d->arg && !d->takes_path && !d->words;
}

/* The long options of a command with blanks between them. */
static void option_names(FILE *out, enum option_command cmd)
{
	const char *blank = "";

	for (const struct option_def *d = option_table; d->name; d++) {
		if (!option_is_for(d, cmd))
			continue;
		fprintf(out, "%s--%s", blank, d->name);
		blank = " ";
	}
}

static void bash_print(FILE *out)
{
	fputs("# bash completion for weir, made from its table of options\n"
	      "_weir() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i=2\n"
	      "\tCOMPREPLY=()\n"
	      "\t# bash takes the = of --net=public for a word.\n"
	      "\tif [ \"$cur\" = = ]; then\n"
	      "\t\tcur=\n"
	      "\telif [ \"$prev\" = = ]; then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tfi\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ] || [ \"${COMP_WORDS[1]}\" = help ]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '",
	      out);
	command_names(out);
	fputs("' -- \"$cur\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [ \"${COMP_WORDS[1]}\" = ca ]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '" CA_WORDS " " CA_OPTIONS "' -- \"$cur\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase ${COMP_WORDS[1]} in run | serve | check) ;; *) return ;; esac\n"
	      "\t# Behind the options stands a command with words of its own, or targets.\n"
	      "\twhile [ \"$i\" -lt \"$COMP_CWORD\" ]; do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n"
	      "\t\t--) i=$((i + 1)); break ;;\n"
	      "\t\t",
	      out);
	case_pattern(out, takes_value);
	fputs(")\n"
	      "\t\t\ti=$((i + 2))\n"
	      "\t\t\tif [ \"${COMP_WORDS[i-1]-}\" = = ]; then i=$((i + 1)); fi ;;\n"
	      "\t\t-*) i=$((i + 1)) ;;\n"
	      "\t\t*) break ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tif [ \"${COMP_WORDS[1]}\" = check ] && [ \"$i\" -le \"$COMP_CWORD\" ] && [[ $cur != -* ]]; "
	      "then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '" TARGET_WORDS "' -- \"$cur\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [ \"$i\" -lt \"$COMP_CWORD\" ]; then\n"
	      "\t\tif declare -F _command_offset >/dev/null; then\n"
	      "\t\t\t_command_offset \"$i\"\n"
	      "\t\telse\n"
	      "\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	      "\t\tfi\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [ \"$i\" -gt \"$COMP_CWORD\" ]; then\n"
	      "\t\tcase $prev in\n",
	      out);
	for (const struct option_def *d = option_table; d->name; d++) {
		if (!d->words)
			continue;
		fprintf(out, "\t\t--%s) mapfile -t COMPREPLY < <(compgen%s -W '", d->name,
			d->word_list ? " -P \"${cur%\"${cur##*,}\"}\"" : "");
		word_list(out, d->words);
		fprintf(out, "' -- \"${cur%s}\") ;;\n", d->word_list ? "##*," : "");
	}
	fputs("\t\t", out);
	case_pattern(out, takes_path);
	fputs(") mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	      "\t\tesac\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [[ $cur == -* ]] && [ \"${COMP_WORDS[1]}\" = check ]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '",
	      out);
	option_names(out, OPTION_FOR_CHECK);
	fputs("' -- \"$cur\")\n"
	      "\telif [ \"${COMP_WORDS[1]}\" = serve ]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '",
	      out);
	option_names(out, OPTION_FOR_SERVE);
	fputs("' -- \"$cur\")\n"
	      "\telif [[ $cur == -* ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '",
	      out);
	option_names(out, OPTION_FOR_RUN);
	fputs("' -- \"$cur\")\n"
	      "\telse\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
	      "\tfi\n"
	      "}\n"
	      "complete -o default -F _weir weir\n",
	      out);
}

/* Text inside single quotes in zsh's _arguments: no colon, bracket or quote may stand bare. */
static void zsh_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		else if (strchr(":[]\\", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void zsh_option(FILE *out, const struct option_def *d)
{
	fputs("\t\t'*", out);
	/* "+" and "=": the value may also stand in the same word. */
	if (d->letter)
		fprintf(out, "'{-%c%s,--%s%s}'", d->letter, d->arg ? "+" : "", d->name,
			d->arg ? "=" : "");
	else
		fprintf(out, "--%s%s", d->name, d->arg ? "=" : "");
	fputc('[', out);
	zsh_text(out, d->help);
	fputc(']', out);
	if (d->arg) {
		fputc(':', out);
		zsh_text(out, d->arg);
		fputc(':', out);
		if (d->words) {
			fputs(d->word_list ? "_sequence compadd - " : "(", out);
			word_list(out, d->words);
			fputs(d->word_list ? "" : ")", out);
		} else if (d->takes_path) {
			fputs("_files", out);
		}
	}
	fputs("' \\\n", out);
}

static void zsh_options(FILE *out, enum option_command cmd)
{
	for (const struct option_def *d = option_table; d->name; d++)
		if (option_is_for(d, cmd))
			zsh_option(out, d);
}

static void zsh_print(FILE *out)
{
	fputs("#compdef weir\n"
	      "# zsh completion for weir, made from its table of options\n"
	      "_weir() {\n"
	      "\tif (( CURRENT == 2 )); then\n"
	      "\t\tlocal -a commands=(\n",
	      out);
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		fprintf(out, "\t\t\t'%s:", c->name);
		zsh_text(out, c->summary);
		fputs("'\n", out);
	}
	fputs("\t\t)\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [[ $words[2] == help ]]; then\n"
	      "\t\tcompadd ",
	      out);
	command_names(out);
	fputs("\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [[ $words[2] == ca ]]; then\n"
	      "\t\tcompadd -- " CA_WORDS " " CA_OPTIONS "\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\t[[ $words[2] == (run|serve|check) ]] || return\n"
	      "\tshift words\n"
	      "\t(( CURRENT-- ))\n"
	      "\tif [[ $words[1] == check ]]; then\n"
	      "\t\t_arguments -S \\\n",
	      out);
	zsh_options(out, OPTION_FOR_CHECK);
	fputs("\t\t'*:target:(" TARGET_WORDS_ZSH ")'\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tif [[ $words[1] == serve ]]; then\n"
	      "\t\t_arguments -S \\\n",
	      out);
	zsh_options(out, OPTION_FOR_SERVE);
	fputs("\t\t&& return\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\t_arguments -S \\\n",
	      out);
	zsh_options(out, OPTION_FOR_RUN);
	fputs("\t\t'(-)1:command:_command_names -e' \\\n"
	      "\t\t'*::arguments:_normal'\n"
	      "}\n"
	      "_weir \"$@\"\n",
	      out);
}

/* Text inside single quotes in fish. */
static void fish_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void fish_options(FILE *out, enum option_command cmd)
{
	for (const struct option_def *d = option_table; d->name; d++) {
		if (!option_is_for(d, cmd))
			continue;
		fprintf(out, "complete -c weir -n '__weir_in_options %s' -l %s",
			option_command_name(cmd), d->name);
		if (d->letter)
			fprintf(out, " -s %c", d->letter);
		if (d->words) {
			fputs(d->word_list ? " -x -a '(__weir_list " : " -x -a '", out);
			word_list(out, d->words);
			fputs(d->word_list ? ")'" : "'", out);
		} else if (d->takes_path) {
			fputs(" -r -F", out);
		} else if (takes_free_value(d)) {
			fputs(" -x", out);
		}
		fputs(" -d '", out);
		fish_text(out, d->help);
		fputs("'\n", out);
	}
}

/* Where the options end: they have words of their own behind them. */
static void fish_functions(FILE *out)
{
	fputs("# The first word behind the options, counted from 1.\n"
	      "function __weir_behind_options\n"
	      "\tset -l words (commandline -opc)\n"
	      "\tset -l i 3\n"
	      "\twhile test $i -le (count $words)\n"
	      "\t\tswitch $words[$i]\n"
	      "\t\t\tcase --\n"
	      "\t\t\t\tset i (math $i + 1)\n"
	      "\t\t\t\tbreak\n"
	      "\t\t\tcase ",
	      out);
	for (const struct option_def *d = option_table; d->name; d++) {
		if (d->arg)
			fprintf(out, "--%s ", d->name);
		if (d->arg && d->letter)
			fprintf(out, "-%c ", d->letter);
	}
	fputs("\n"
	      "\t\t\t\tset i (math $i + 2)\n"
	      "\t\t\tcase '-*'\n"
	      "\t\t\t\tset i (math $i + 1)\n"
	      "\t\t\tcase '*'\n"
	      "\t\t\t\tbreak\n"
	      "\t\tend\n"
	      "\tend\n"
	      "\techo $i\n"
	      "end\n"
	      "function __weir_in_options\n"
	      "\tset -l words (commandline -opc)\n"
	      "\ttest \"$words[2]\" = $argv[1]; and not contains -- -- $words\n"
	      "\tand test (__weir_behind_options) -gt (count $words)\n"
	      "end\n"
	      "function __weir_at_words\n"
	      "\tset -l words (commandline -opc)\n"
	      "\ttest \"$words[2]\" = $argv[1]\n"
	      "\tand test (__weir_behind_options) -le (math (count $words) + 1)\n"
	      "end\n"
	      "function __weir_command\n"
	      "\tset -l words (commandline -opc)\n"
	      "\tset -l i (__weir_behind_options)\n"
	      "\tset -l current (commandline -ct)\n"
	      "\ttest -n \"$current\"; or set current ''\n"
	      "\tif test $i -gt (count $words)\n"
	      "\t\tstring match -q -- '-*' $current; or complete -C $current\n"
	      "\telse\n"
	      "\t\tcomplete -C (string join ' ' -- (string escape -- $words[$i..-1]) $current)\n"
	      "\tend\n"
	      "end\n"
	      "function __weir_list\n"
	      "\tset -l before (commandline -ct | string replace -r '^--[^=]*=' '' | string match -r '^.*,')\n"
	      "\tfor word in $argv\n"
	      "\t\techo \"$before$word\"\n"
	      "\tend\n"
	      "end\n",
	      out);
}

static void fish_print(FILE *out)
{
	fputs("# fish completion for weir, made from its table of options\n", out);
	fish_functions(out);
	fputs("complete -c weir -f\n", out);
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		fprintf(out, "complete -c weir -n __fish_use_subcommand -a %s -d '", c->name);
		fish_text(out, c->summary);
		fputs("'\n", out);
		fprintf(out, "complete -c weir -n '__fish_seen_subcommand_from help' -a %s\n",
			c->name);
	}
	fish_options(out, OPTION_FOR_RUN);
	fish_options(out, OPTION_FOR_SERVE);
	fish_options(out, OPTION_FOR_CHECK);
	fputs("complete -c weir -n '__weir_at_words run' -a '(__weir_command)'\n"
	      "complete -c weir -n '__weir_at_words check' -a '" TARGET_WORDS "'\n"
	      "complete -c weir -n '__fish_seen_subcommand_from ca' -a '" CA_WORDS "'\n"
	      "complete -c weir -n '__fish_seen_subcommand_from ca' -l json -l text -l force\n",
	      out);
}

int complete_print(FILE *out, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		bash_print(out);
	else if (strcmp(shell, "zsh") == 0)
		zsh_print(out);
	else if (strcmp(shell, "fish") == 0)
		fish_print(out);
	else
		return -1;
	return 0;
}
