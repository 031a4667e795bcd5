// SPDX-License-Identifier: Apache-2.0
/*
 * One sandbox's next configuration, all of it or nothing: policy, DNS, secrets and what is looked
 * into.
 *
 * Where the sandbox has secrets their sources are read anew, which may take a command's or a
 * server's time: the sandbox goes on as it was until they are there, and then all changes at once.
 */
#ifndef WEIR_GATEWAY_RENEW_H
#define WEIR_GATEWAY_RENEW_H

#include "conf/config.h"
#include "flow/sandbox.h"
#include "secret/holder.h"

struct intercept_settings;

struct renewal {
	/* The caller's to fill in; what is pointed to stays until it is over. */
	struct sandbox *sb;
	struct holder_channel *ch; /* NULL: no secrets, and nothing is looked into */
	const struct config *running, *next;
	/* Once, on the sandbox's thread. err NULL: `next` is in force; else all is as `running`
	 * says. */
	void (*over)(struct renewal *r, const struct error *err);

	/* Made already, and not in force yet. */
	struct policy *policy;
	struct intercept_settings *settings;
	struct error why;
};

/* On the sandbox's thread. `over` may come from inside of the call. */
void sandbox_renew(struct renewal *r);
/* Nobody waits for it any more: the sandbox is about to end, and `over` not called before the
 * channel is freed. */
void renewal_drop(struct renewal *r);

#endif
