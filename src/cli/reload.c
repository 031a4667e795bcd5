// SPDX-License-Identifier: Apache-2.0
/*
 * SIGHUP, as a running gateway understands it. See reload.h.
 */
#include "cli/reload.h"

static void refused(struct reload *r, const struct error *err)
{
	log_error("the configuration is not taken over, the old one stays: %s", err->msg);
	sandbox_note_policy(r->sb, err->msg);
}

static void over(struct renewal *x, const struct error *err)
{
	struct reload *r = container_of(x, struct reload, renewal);

	r->going = false;
	if (err) {
		refused(r, err);
		config_done(&r->next);
	} else {
		config_done(r->conf);
		*r->conf = r->next;
		log_info("the configuration of %s is in force", r->conf->path);
	}
	if (r->again)
		reload(r);
}

void reload(struct reload *r)
{
	struct error err = {0};

	r->again = r->going;
	if (r->going)
		return;
	if (options_reload(r->conf, r->argc, r->argv, &r->next, &err) < 0) {
		refused(r, &err);
		return;
	}
	r->going = true;
	r->renewal = (struct renewal){
		.sb = r->sb, .ch = r->ch, .running = r->conf, .next = &r->next, .over = over};
	sandbox_renew(&r->renewal);
}

void reload_done(struct reload *r)
{
	if (!r->going)
		return;
	renewal_drop(&r->renewal);
	config_done(&r->next);
	r->going = false;
}
