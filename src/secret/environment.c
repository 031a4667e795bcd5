// SPDX-License-Identifier: Apache-2.0
/* The placeholders as a guest finds them: one variable a secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret/secret.h"

/* AWS's programs want a pair. What they sign with is of no account, since it is signed anew. */
#define AWS_ID  "_ACCESS_KEY_ID"
#define AWS_KEY "_SECRET_ACCESS_KEY"

static bool is_half_of_pair(const struct secret *s)
{
	size_t n = strlen(s->env_var), id = strlen(AWS_ID);

	return s->signer == SECRET_SIGV4 && n > id && strcmp(s->env_var + n - id, AWS_ID) == 0;
}

/* Appends at *at, which moves on. */
static bool add(char ***at, const char *name, size_t len, const char *end, const char *value)
{
	if (asprintf(*at, "%.*s%s=%s", (int)len, name, end, value) < 0) {
		**at = NULL;
		return false;
	}
	(*at)++;
	return true;
}

char **secret_set_environment(const struct secret_set *set)
{
	char **env = calloc(2 * set->count + 1, sizeof(*env)), **at = env;
	bool ok = env;

	for (size_t i = 0; ok && i < set->count; i++) {
		const struct secret *s = &set->list[i];
		size_t n = strlen(s->env_var);

		if (s->captured)
			continue;
		ok = add(&at, s->env_var, n, "", s->placeholder);
		if (ok && is_half_of_pair(s))
			ok = add(&at, s->env_var, n - strlen(AWS_ID), AWS_KEY, s->placeholder);
	}
	if (ok)
		return env;
	secret_environment_free(env);
	return NULL;
}

void secret_environment_free(char **env)
{
	for (char **e = env; e && *e; e++)
		free(*e);
	free(env);
}
