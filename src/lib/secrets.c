// SPDX-License-Identifier: Apache-2.0
/* What a guest is to trust, and the placeholders that it has in place of secrets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"
#include "tls/trust.h"

/* A copy as a string. */
static int give(const char *text, size_t n, char **ret, struct weir_error *err)
{
	*ret = strndup(text, n);
	return *ret ? 0 : lib_fail(err, ENOMEM, "out of memory");
}

static int ca_pem(struct weir_sandbox *s, char **ret, struct weir_error *err)
{
	struct config c = lib_sandbox_config(s, s->config, s->policy);

	if (!config_intercepts(&c))
		return lib_fail(err, ENOENT,
				"sandbox '%s' has no authority: nothing of it is intercepted",
				s->name);
	if (lib_gateway_hold(s->gateway, &c, err) < 0)
		return -1;
	struct buf pem = {0};
	struct error why = {0};
	int r = trust_combined_pem(holder_ca_pem(s->gateway->holder), c.trust_host_cas, &pem, &why);
	r = r < 0 ? lib_pass(err, ENOENT, &why)
		  : give((const char *)buf_view(&pem).p, pem.len, ret, err);
	buf_done(&pem);
	return r;
}

int weir_sandbox_ca_pem(struct weir_sandbox *s, char **ret, struct weir_error *err)
{
	struct lib_call call;

	if (!lib_sandbox_enter(s, &call, err))
		return -1;
	int r = ca_pem(s, ret, err);
	lib_sandbox_leave(s, &call);
	return r;
}

int weir_host_cas_pem(char **ret, struct weir_error *err)
{
	struct buf pem = {0};
	struct error why = {0};
	int r = trust_host_pem(&pem, &why);

	r = r < 0 ? lib_pass(err, ENOENT, &why)
		  : give((const char *)buf_view(&pem).p, pem.len, ret, err);
	buf_done(&pem);
	return r;
}

char **weir_sandbox_secrets(struct weir_sandbox *s, struct weir_error *err)
{
	struct lib_call call;
	char **env = NULL;

	if (!lib_sandbox_enter(s, &call, err))
		return NULL;
	if (s->state != LIB_RUNS)
		lib_not_running(s, err);
	else if (!(env = gateway_secrets(s->gateway->gw, s->id)))
		lib_fail(err, ENOMEM, "out of memory");
	lib_sandbox_leave(s, &call);
	return env;
}
