// SPDX-License-Identifier: Apache-2.0
/*
 * Taking over a changed configuration file while a sandbox runs: read and checked whole first, then
 * in force at once, or refused with everything as it was. Reading secrets may take its time, in
 * which the sandbox goes on; a change that is told meanwhile is looked at afterwards.
 */
#ifndef WEIR_CLI_RELOAD_H
#define WEIR_CLI_RELOAD_H

#include "cli/options.h"
#include "gateway/renew.h"

struct reload {
	/* The caller's to fill in. */
	struct sandbox *sb;
	struct holder_channel *ch; /* of its secrets; NULL where nothing is looked into */
	int argc;
	char **argv;
	struct config *conf; /* in force; replaced by the new one */

	struct config next;
	struct renewal renewal;
	bool going; /* `next` waits for its secrets */
	bool again; /* and has changed since */
};

/* Reads the command line and its file again. What comes of it is told in the log and as a policy
 * event. */
void reload(struct reload *r);
/* Before the sandbox is freed. */
void reload_done(struct reload *r);

#endif
