// SPDX-License-Identifier: Apache-2.0
/*
 * SIGHUP, as a running gateway understands it. See reload.h.
 */
#include "cli/reload.h"

#include "gateway/renew.h"

int reload(struct sandbox *sb, struct holder_channel *ch, int argc, char **argv,
	   struct config *conf, struct error *err)
{
	struct config next;
	int r = options_reload(conf, argc, argv, &next, err);

	if (r == 0 && (r = sandbox_renew(sb, ch, conf, &next, err)) < 0)
		config_done(&next);
	if (r < 0) {
		log_error("the configuration is not taken over, the old one stays: %s", err->msg);
		sandbox_note_policy(sb, err->msg);
		return -1;
	}
	config_done(conf);
	*conf = next;
	log_info("the configuration of %s is in force", conf->path);
	return 0;
}
