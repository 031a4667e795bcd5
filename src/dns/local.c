// SPDX-License-Identifier: Apache-2.0
/*
 * Names and questions that are answered without asking anybody.
 */
#include "dns/local.h"

/* The first is weir's own name for the host, the others those that programs know from elsewhere. */
static const char *const aliases[] = {
	"host.weir.internal",
	"host.docker.internal",
	"host.containers.internal",
	"host.microsandbox.internal",
};

static bool is_alias(const struct dns_name *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		struct dns_name alias;
		if (dns_name_parse(aliases[i], &alias) && dns_name_eq(name, &alias))
			return true;
	}
	return false;
}

static bool is_reverse_of(const struct dns_name *name, const struct ipaddr *a)
{
	struct dns_name reverse;
	if (!a->family)
		return false;
	dns_name_reverse(a, &reverse);
	return dns_name_eq(name, &reverse);
}

bool dns_local_find(const struct dns_local_env *env, const struct dns_question *q,
		    struct dns_own *ret)
{
	*ret = (struct dns_own){0};
	if (is_alias(&q->name)) {
		ret->a = env->gw4;
		ret->aaaa = env->gw6;
		ret->authoritative = true;
		return true;
	}
	if (is_reverse_of(&q->name, &env->gw4) || is_reverse_of(&q->name, &env->gw6)) {
		dns_name_parse(aliases[0], &ret->ptr);
		ret->authoritative = true;
		return true;
	}
	/* An address that the guest could not use would only make its programs wait for it. */
	return q->class == DNS_IN && ((q->type == DNS_A && !env->gw4.family) ||
				      (q->type == DNS_AAAA && !env->gw6.family));
}
