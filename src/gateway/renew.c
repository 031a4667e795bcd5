// SPDX-License-Identifier: Apache-2.0
/*
 * What can fail for reasons outside of this process, the secrets' sources, comes first; what is
 * left can fail for want of memory alone, and is then taken back.
 */
#include "gateway/renew.h"

#include "intercept/intercept.h"

static int renew_interception(struct sandbox *sb, struct holder_channel *ch, const struct config *c,
			      struct error *err)
{
	if (!ch)
		return 0;
	return holder_channel_reload(ch, c, err) < 0 ? -1 : intercept_reload(sb->intercept, c, err);
}

int sandbox_renew(struct sandbox *sb, struct holder_channel *ch, const struct config *running,
		  const struct config *next, struct error *err)
{
	struct error ignored;

	if (!ch && config_intercepts(next))
		return error_set(err,
				 "TLS interception, HTTP rules and secrets cannot begin while the "
				 "gateway runs; start it anew");
	if (renew_interception(sb, ch, next, err) == 0 && sandbox_reload(sb, next, err) == 0)
		return 0;
	renew_interception(sb, ch, running, &ignored);
	return -1;
}
