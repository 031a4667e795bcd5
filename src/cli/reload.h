// SPDX-License-Identifier: Apache-2.0
/*
 * Taking over a changed configuration file while a sandbox runs: read and checked whole first, then
 * in force at once, or refused with everything as it was.
 */
#ifndef WEIR_CLI_RELOAD_H
#define WEIR_CLI_RELOAD_H

#include "cli/options.h"
#include "flow/sandbox.h"
#include "secret/holder.h"

/*
 * Reads the command line and its file again. `conf` is the configuration in force, and is replaced
 * by the new one. ch: of its secrets, NULL where nothing is looked into. 0, or -1 and err; either
 * is told in the log and as a policy event.
 */
int reload(struct sandbox *sb, struct holder_channel *ch, int argc, char **argv,
	   struct config *conf, struct error *err);

#endif
