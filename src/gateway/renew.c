// SPDX-License-Identifier: Apache-2.0
/*
 * What can fail for reasons outside of this process comes first: what the configuration says is
 * made, then the secrets are read. What is left can fail for want of memory alone, and the secrets
 * are then read a third time, as they were.
 */
#include "gateway/renew.h"

#include "intercept/intercept.h"
#include "policy/policy.h"

void renewal_drop(struct renewal *r)
{
	policy_free(r->policy);
	intercept_settings_unref(r->settings);
	r->policy = NULL;
	r->settings = NULL;
}

static void over(struct renewal *r, bool ok)
{
	renewal_drop(r);
	r->over(r, ok ? NULL : &r->why);
}

static int make(struct renewal *r)
{
	if (!r->ch && config_intercepts(r->next))
		return error_set(&r->why,
				 "TLS interception, HTTP rules and secrets cannot begin while the "
				 "gateway runs; start it anew");
	r->policy = sandbox_policy(r->next, &r->why);
	if (r->policy && r->ch)
		r->settings = intercept_settings_new(r->sb->intercept, r->next, &r->why);
	return r->policy && (!r->ch || r->settings) ? 0 : -1;
}

static int put_into_force(struct renewal *r)
{
	if (sandbox_reload(r->sb, r->next, r->policy, &r->why) < 0)
		return -1;
	r->policy = NULL;
	if (r->settings)
		intercept_use(r->sb->intercept, r->settings);
	r->settings = NULL;
	return 0;
}

static void on_secrets_as_they_were(void *arg, const char *err)
{
	over(arg, false);
}

static void on_secrets(void *arg, const char *err)
{
	struct renewal *r = arg;
	struct error ignored;

	if (err) {
		error_set(&r->why, "%s", err);
		over(r, false);
	} else if (put_into_force(r) == 0) {
		over(r, true);
	} else if (holder_channel_reload(r->ch, r->running, on_secrets_as_they_were, r, &ignored) <
		   0) {
		over(r, false);
	}
}

void sandbox_renew(struct renewal *r)
{
	r->policy = NULL;
	r->settings = NULL;
	if (make(r) < 0)
		over(r, false);
	else if (!r->ch)
		over(r, put_into_force(r) == 0);
	else if (holder_channel_reload(r->ch, r->next, on_secrets, r, &r->why) < 0)
		over(r, false);
}
