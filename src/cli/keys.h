// SPDX-License-Identifier: Apache-2.0
/*
 * What interception needs before a sandbox starts: the key holder, and what the guest is to trust
 * and to find in its environment.
 */
#ifndef WEIR_CLI_KEYS_H
#define WEIR_CLI_KEYS_H

#include <stdio.h>

#include "base/buf.h"
#include "conf/config.h"
#include "host/trustbind.h"
#include "secret/holder.h"

struct keys {
	struct holder *holder; /* NULL: nothing is looked into */
	struct holder_channel *channel;
	struct buf bundle, java; /* what the command is to trust */
	char subject_hash[9];
	char **environment; /* NULL-terminated; NULL: nothing */
};

/*
 * Nothing where the configuration does not intercept. Else starts the holder, and the channel of
 * the one sandbox of `weir run`; from then on the values are nowhere in this process, its
 * environment included. 0, or -1 and err.
 */
int keys_start(struct keys *k, struct loop *l, const struct config *c, struct error *err);
/* For the command; views into k. */
void keys_trust(const struct keys *k, struct trustbind *ret);
/* Nobody but root may look into this process from now on: it may hold a value for a moment. */
void keys_guard_process(const struct keys *k);
/* Opens the file of --tls-keylog, where one is wanted. */
int keys_log(const struct config *c, struct error *err);
/* What --stats prints of a sandbox, whether or not its connections are looked into. */
struct sandbox;
void keys_stats(const struct sandbox *sb, FILE *out);
/* For a process that looks into connections. */
void keys_tune_heap(void);
void keys_done(struct keys *k);

#endif
