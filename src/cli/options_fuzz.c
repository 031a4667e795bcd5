// SPDX-License-Identifier: Apache-2.0
/*
 * Words of a command line, one a line of input, through the parser of options: nothing breaks, and
 * a refusal is always one printable line. Words that name a configuration file are left out: files
 * have a fuzzer of their own.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

#define WORDS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct error *err)
{
	if (!err->msg[0])
		abort();
	for (const char *p = err->msg; *p; p++) {
		if (iscntrl((unsigned char)*p))
			abort();
	}
}

static bool names_file(const char *word)
{
	return strncmp(word, "-c", 2) == 0 || strncmp(word, "--config", 8) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[WORDS_MAX + 2] = {"run"};
	struct error err = {0};
	struct config c;
	int argc = 1, first;

	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	char *rest = text;
	while (argc <= WORDS_MAX && rest) {
		char *word = strsep(&rest, "\n");
		if (!names_file(word))
			argv[argc++] = word;
	}
	config_init(&c);
	int rc = options_parse(OPTION_FOR_RUN, argc, argv, &c, &first, &err);
	if (rc < 0)
		check_refusal(&err);
	else if (rc == 0 && (first < 1 || first > argc))
		abort();
	config_done(&c);
	free(text);
	return 0;
}
