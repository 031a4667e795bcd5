// SPDX-License-Identifier: Apache-2.0
/*
 * One sandbox's next configuration, all of it or nothing: policy, DNS, secrets and what is looked
 * into.
 */
#ifndef WEIR_GATEWAY_RENEW_H
#define WEIR_GATEWAY_RENEW_H

#include "conf/config.h"
#include "flow/sandbox.h"
#include "secret/holder.h"

/* `ch` NULL: the sandbox has no secrets, and nothing of it is looked into. 0, or -1 and err: all is
 * as `running` says. */
int sandbox_renew(struct sandbox *sb, struct holder_channel *ch, const struct config *running,
		  const struct config *next, struct error *err);

#endif
