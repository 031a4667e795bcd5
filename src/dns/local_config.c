// SPDX-License-Identifier: Apache-2.0
/*
 * The names of a configuration that are answered without asking anybody: for the interceptor, and
 * for whoever wants to know what it would say.
 */
#include "conf/config.h"
#include "dns/local.h"

bool dns_local_configure(struct dns_local *l, const struct config *c)
{
	const char *const *usual = dns_local_usual_aliases;
	bool ok = true;

	for (size_t i = 0; !c->dns_host_aliases.n && usual[i]; i++)
		ok = ok && dns_local_add_alias(l, usual[i]);
	for (size_t i = 0; i < c->dns_host_aliases.n; i++)
		ok = ok && dns_local_add_alias(l, c->dns_host_aliases.v[i]);
	for (size_t i = 0; i < c->dns_record_count; i++)
		ok = ok &&
		     dns_local_add_record(l, &c->dns_records[i].name, &c->dns_records[i].addr);
	for (size_t i = 0; i < c->dns_forward_special.n; i++)
		ok = ok && dns_local_forward(l, c->dns_forward_special.v[i]);
	return ok;
}
