// SPDX-License-Identifier: Apache-2.0
/*
 * The names that weir answers itself: the aliases of the host, and the gateway's addresses
 * backwards.
 */
#ifndef WEIR_DNS_LOCAL_H
#define WEIR_DNS_LOCAL_H

#include "dns/message.h"

/* What the guest's network looks like to DNS. Family 0: the guest does not have that family. */
struct dns_local_env {
	struct ipaddr gw4, gw6;
};

/* True where the question is one that never goes upstream; the answer's content is then in `ret`.
 */
bool dns_local_find(const struct dns_local_env *env, const struct dns_question *q,
		    struct dns_own *ret);

#endif
