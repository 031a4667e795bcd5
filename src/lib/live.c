// SPDX-License-Identifier: Apache-2.0
/* What changes while a sandbox runs: its policy, its configuration, its published ports. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reload.h"
#include "flow/sandbox.h"
#include "lib/lib.h"

/* ---- policy and configuration ---- */

/* Puts `config` and `policy` into force. Both were checked when they were parsed. */
static int change(struct weir_sandbox *s, const struct weir_config *config,
		  const struct weir_config *policy, struct weir_error *err)
{
	struct config next = lib_sandbox_config(s, config, policy);
	struct config now = lib_sandbox_config(s, s->config, s->policy);
	struct gateway_change c = {.id = s->id, .conf = &next, .running = &now};
	struct error why = {0};

	if (s->state != LIB_RUNS)
		return lib_not_running(s, err);
	if (gateway_reload(s->gateway->gw, &c, 1, &why) < 0)
		return lib_pass(err, ECANCELED, &why);
	return 0;
}

static int flags_check(unsigned flags, struct weir_error *err)
{
	if (flags & ~(unsigned)WEIR_DRY_RUN)
		return lib_fail(err, EINVAL, "flags 0x%x: expected enum weir_change_flags", flags);
	return 0;
}

int weir_sandbox_set_policy(struct weir_sandbox *s, enum weir_format format, const char *text,
			    size_t n, unsigned flags, struct weir_error *err)
{
	struct weir_config *policy;
	struct lib_call call;
	int r = 0;

	if (flags_check(flags, err) < 0 || !lib_sandbox_enter(s, &call, err))
		return -1;
	policy = lib_config_policy(format, text, n, err);
	if (!policy || (!(flags & WEIR_DRY_RUN) && change(s, s->config, policy, err) < 0))
		r = -1;
	if (r == 0 && !(flags & WEIR_DRY_RUN)) {
		weir_config_free(s->policy);
		s->policy = policy;
		policy = NULL;
	}
	lib_sandbox_leave(s, &call);
	weir_config_free(policy);
	return r;
}

int weir_sandbox_set_config(struct weir_sandbox *s, const struct weir_config *config,
			    unsigned flags, struct weir_error *err)
{
	struct lib_call call;
	struct error why = {0};
	int r = 0;

	if (flags_check(flags, err) < 0 || !lib_sandbox_enter(s, &call, err))
		return -1;
	if (config_reload_check(&s->config->conf, &config->conf, &why) < 0)
		r = lib_pass(err, EINVAL, &why);
	else if (!(flags & WEIR_DRY_RUN))
		r = change(s, config, NULL, err);
	if (r == 0 && !(flags & WEIR_DRY_RUN)) {
		weir_config_free(s->config);
		weir_config_free(s->policy);
		s->config = lib_config_hold(config);
		s->policy = NULL;
	}
	lib_sandbox_leave(s, &call);
	return r;
}

/* ---- published ports ---- */

struct port_call {
	const struct config_publish *cp;
	struct error why;
	uint16_t port;
	int result;
	struct publish_info *list;
	size_t n, max;
};

static void call_publish(struct sandbox *sb, void *arg)
{
	struct port_call *p = arg;

	p->result = publish_add(sb, p->cp, &p->port, &p->why);
}

static void call_unpublish(struct sandbox *sb, void *arg)
{
	struct port_call *p = arg;

	p->result = (int)publish_remove(sb, p->cp);
}

static void call_list(struct sandbox *sb, void *arg)
{
	struct port_call *p = arg;

	p->n = publish_list(sb, p->list, p->max);
}

/* Runs fn on the worker; the lock is not held. -1 and err where the sandbox does not run. */
static int on_worker(struct weir_sandbox *s, void (*fn)(struct sandbox *sb, void *arg),
		     struct port_call *p, struct weir_error *err)
{
	struct lib_call call;

	if (!lib_sandbox_enter(s, &call, err))
		return -1;
	int r = s->state == LIB_RUNS ? gateway_call(s->gateway->gw, s->id, fn, p) : -1;
	lib_sandbox_leave(s, &call);
	return r < 0 ? lib_not_running(s, err) : 0;
}

/* fn with a published port of this text. */
static int with_port(struct weir_sandbox *s, const char *text,
		     void (*fn)(struct sandbox *sb, void *arg), struct port_call *p,
		     struct weir_error *err)
{
	struct config_publish cp;

	if (config_parse_publish(text, &cp, &p->why) < 0)
		return lib_fail(err, EINVAL, "'%.60s': %s", text, p->why.msg);
	p->cp = &cp;
	int r = on_worker(s, fn, p, err);
	free(cp.text);
	return r;
}

int weir_sandbox_publish(struct weir_sandbox *s, const char *text, uint16_t *ret_port,
			 struct weir_error *err)
{
	struct port_call p = {0};

	if (with_port(s, text, call_publish, &p, err) < 0)
		return -1;
	if (p.result < 0)
		return lib_pass(err, ECANCELED, &p.why);
	if (ret_port)
		*ret_port = p.port;
	return 0;
}

int weir_sandbox_unpublish(struct weir_sandbox *s, const char *text, struct weir_error *err)
{
	struct port_call p = {0};

	if (with_port(s, text, call_unpublish, &p, err) < 0)
		return -1;
	if (p.result == 0)
		return lib_fail(err, ENOENT, "'%.60s' is not published", text);
	return 0;
}

size_t weir_sandbox_ports(struct weir_sandbox *s, struct weir_port *ret, size_t max)
{
	struct port_call p = {.max = max};

	p.list = max ? calloc(max, sizeof(*p.list)) : NULL;
	if ((max && !p.list) || on_worker(s, call_list, &p, NULL) < 0)
		p.n = 0;
	for (size_t i = 0; i < p.n && i < max; i++) {
		ret[i] = (struct weir_port){.host_port = p.list[i].host_port,
					    .guest_port = p.list[i].guest_port,
					    .udp = p.list[i].udp};
		ipaddr_str(&p.list[i].bind, ret[i].address);
	}
	free(p.list);
	return p.n;
}
