// SPDX-License-Identifier: Apache-2.0
/* Values in the environment, overwritten. */
#include "secret/holder_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/config.h"
#include "secret/holder.h"

/* Overwrites the value in "NAME=VALUE", where it is that name. */
static void wipe_string(char *s, const char *name, size_t name_len)
{
	if (strncmp(s, name, name_len) == 0 && s[name_len] == '=')
		explicit_bzero(s + name_len + 1, strlen(s + name_len + 1));
}

/* Where the kernel has put the environment: fields 50 and 51 of proc_pid_stat(5). */
static char *first_environment(char **ret_end)
{
	char line[2048];
	unsigned long start, end;
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f)
		return NULL;
	char *p = fgets(line, sizeof(line), f);
	fclose(f);
	/* The name in field 2 may hold spaces and parentheses. */
	p = p ? strrchr(line, ')') : NULL;
	for (int field = 2; p && field < 50; field++) {
		p = strchr(p, ' ');
		p += p != NULL;
	}
	if (!p || sscanf(p, "%lu %lu", &start, &end) != 2 || start == 0 || end <= start)
		return NULL;
	*ret_end = (char *)end;
	return (char *)start;
}

void holder_env_wipe(const char *name)
{
	size_t n = strlen(name);
	char *end, *p = first_environment(&end);

	for (char **e = environ; e && *e; e++)
		wipe_string(*e, name, n);
	/* A variable that was set anew since has left its first text there. */
	while (p && p < end && memchr(p, 0, (size_t)(end - p))) {
		char *next = p + strlen(p) + 1;
		wipe_string(p, name, n);
		p = next;
	}
	unsetenv(name);
}

void holder_wipe_environment(const struct config *c)
{
	for (size_t i = 0; i < c->secrets.count; i++) {
		const struct config_secret *s = &c->secrets.list[i];

		if (s->source == CONFIG_SECRET_ENV)
			holder_env_wipe(s->from ? s->from : s->env_var);
	}
}
