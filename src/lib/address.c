// SPDX-License-Identifier: Apache-2.0
/* A guest's addresses, and the environment that tells it of them. None of it changes. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "lib/lib.h"

#define PREFIX_MAX 32
#define VARIABLES  4

/* NULL: there is no such address; "": the guest does not have it. */
static const char *address_text(const struct stack_config *sc, enum weir_address which, char *buf)
{
	switch (which) {
	case WEIR_GUEST_MAC:
		return mac_str(sc->guest_mac, buf);
	case WEIR_GATEWAY_MAC:
		return mac_str(sc->gw_mac, buf);
	case WEIR_GUEST_IPV4:
		return sc->has_v4 ? ipaddr_str(&sc->guest4, buf) : "";
	case WEIR_GATEWAY_IPV4:
		return sc->has_v4 ? ipaddr_str(&sc->gw4, buf) : "";
	case WEIR_GUEST_IPV6:
		return sc->has_v6 ? ipaddr_str(&sc->guest6, buf) : "";
	case WEIR_GATEWAY_IPV6:
		return sc->has_v6 ? ipaddr_str(&sc->gw6, buf) : "";
	case WEIR_GATEWAY_IPV6_LINK_LOCAL:
		return sc->has_v6 ? ipaddr_str(&sc->gw6_ll, buf) : "";
	}
	return NULL;
}

int weir_sandbox_address(const struct weir_sandbox *s, enum weir_address which, char *ret,
			 size_t cap)
{
	char buf[IPADDR_STRLEN];
	const char *text = address_text(&s->stack, which, buf);

	if (!text || strlen(text) >= cap)
		return -1;
	strcpy(ret, text);
	return (int)strlen(text);
}

void weir_sandbox_guest_mac(const struct weir_sandbox *s, uint8_t ret[6])
{
	memcpy(ret, s->stack.guest_mac, 6);
}

unsigned weir_sandbox_prefix(const struct weir_sandbox *s, int family)
{
	if (family == 4 && s->stack.has_v4)
		return s->stack.prefix4;
	return family == 6 && s->stack.has_v6 ? 64 : 0;
}

unsigned weir_sandbox_mtu(const struct weir_sandbox *s)
{
	return s->stack.mtu;
}

/* ---- the environment ---- */

static int prefix_check(const char *prefix, struct weir_error *err)
{
	size_t n = strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (prefix[n] || n == 0 || n > PREFIX_MAX || (*prefix >= '0' && *prefix <= '9'))
		return lib_fail(err, EINVAL,
				"prefix '%.40s': expected 1 to %d capital letters, digits and '_', "
				"such as WEIR",
				prefix, PREFIX_MAX);
	return 0;
}

/* False without memory. */
__attribute__((format(printf, 2, 3))) static bool add(char **env, const char *fmt, ...)
{
	va_list ap;
	size_t n = 0;

	while (env[n])
		n++;
	va_start(ap, fmt);
	int r = vasprintf(&env[n], fmt, ap);
	va_end(ap);
	if (r < 0)
		env[n] = NULL;
	return r >= 0;
}

static bool add_all(char **env, const char *prefix, const struct stack_config *sc)
{
	char mac[18], guest[IPADDR_STRLEN], gw[IPADDR_STRLEN];

	if (!add(env, "%s_NET=iface=eth0,mac=%s,mtu=%u", prefix, mac_str(sc->guest_mac, mac),
		 sc->mtu))
		return false;
	if (sc->has_v4) {
		ipaddr_str(&sc->gw4, gw);
		if (!add(env, "%s_NET_IPV4=addr=%s/%u,gw=%s,dns=%s", prefix,
			 ipaddr_str(&sc->guest4, guest), sc->prefix4, gw, gw))
			return false;
	}
	if (sc->has_v6) {
		ipaddr_str(&sc->gw6, gw);
		if (!add(env, "%s_NET_IPV6=addr=%s/64,gw=%s,dns=%s", prefix,
			 ipaddr_str(&sc->guest6, guest), gw, gw))
			return false;
	}
	return add(env, "%s_HOST_ALIAS=host.weir.internal", prefix);
}

char **weir_sandbox_environment(const struct weir_sandbox *s, const char *prefix,
				struct weir_error *err)
{
	if (!prefix)
		prefix = "WEIR";
	if (prefix_check(prefix, err) < 0)
		return NULL;
	char **env = calloc(VARIABLES + 1, sizeof(*env));
	if (env && add_all(env, prefix, &s->stack))
		return env;
	weir_environment_free(env);
	lib_fail(err, ENOMEM, "out of memory");
	return NULL;
}

void weir_environment_free(char **env)
{
	for (char **e = env; e && *e; e++)
		free(*e);
	free(env);
}
