// SPDX-License-Identifier: Apache-2.0
/*
 * `weir serve`: the network of one or more VMs, in this process.
 *
 * Theory of operation
 * -------------------
 * What is asked for is read and checked whole (serve_set.c); then the sandboxes are made one after
 * the other on the workers of a gateway (gateway/gateway.h), and if one cannot be made none stays.
 * From there on this thread has only signals, and the service manager's watchdog, to attend to: it
 * asks every sandbox for a sign of life before it says that all is well.
 *
 * SIGHUP reads the file again; SIGTERM, SIGINT and SIGQUIT end the process.
 */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/keys.h"
#include "cli/sd.h"
#include "cli/serve.h"
#include "conf/derive.h"
#include "conf/reload.h"
#include "flow/denials.h"
#include "gateway/gateway.h"
#include "host/addrs.h"
#include "secret/holder.h"

#define DENIAL_ROWS 10

struct serve {
	int argc;
	char **argv;           /* read again where the file has changed */
	struct serve_set set;  /* as it was at the start: workers hold pointers into it */
	struct serve_set next; /* as it was last reloaded */
	bool reloaded;         /* next is in force */
	struct derive_routes routes;
	struct gateway *gateway;
	struct holder *holder; /* NULL: no sandbox needs one */
	int signal_fd;
};

/* The configurations in force; the same sandboxes in the same order as in `set`. */
static const struct serve_set *in_force(const struct serve *s)
{
	return s->reloaded ? &s->next : &s->set;
}

/* ---- the start ------------------------------------------------------------------------------- */

static struct link *reopen(void *arg, struct error *err)
{
	return serve_link_open(arg, err);
}

static void on_notice(void *ctx, uint32_t id, enum gateway_notice what, int err)
{
	const struct serve *s = ctx;
	const struct serve_sandbox *b = &s->set.v[id - 1]; /* numbers are given in order */

	if (what == GATEWAY_LINK_BACK)
		log_warning("%s: its link is back", b->name);
	else if (serve_link_can_reopen(b))
		log_warning("%s: its link is gone (%s); waiting for it", b->name, strerror(err));
	else
		log_warning("%s: its link is gone (%s); its network ends here", b->name,
			    strerror(err));
}

/* "weir: vm1: stream /run/vm.sock: 172.16.0.2/30 fd42:...::2/64, any MAC address". */
static void tell_sandbox(const struct serve_sandbox *b)
{
	const struct stack_config *sc = &b->stack;
	char link[160], addr[IPADDR_STRLEN], mac[18];

	fprintf(stderr, "weir: %s: %s: the guest is", b->name,
		serve_link_text(b, link, sizeof(link)));
	if (sc->has_v4)
		fprintf(stderr, " %s/%u", ipaddr_str(&sc->guest4, addr), sc->prefix4);
	if (sc->has_v6)
		fprintf(stderr, " %s/64", ipaddr_str(&sc->guest6, addr));
	if (!sc->has_v4 && !sc->has_v6)
		fputs(" without an address (the host has no route to anywhere; --ipv4 ADDR gives "
		      "it one)",
		      stderr);
	if (b->conf->has_mac)
		fprintf(stderr, ", MAC %s\n", mac_str(sc->guest_mac, mac));
	else
		fprintf(stderr, ", whatever its MAC\n");
}

/* The configuration as this sandbox has it: a copy that shares all but what is its own. */
static int own_config(const struct serve *s, const struct serve_sandbox *b, struct config *ret,
		      struct error *err)
{
	*ret = *b->conf;
	ret->slot = b->slot;
	if (!ret->pcap_path)
		return 0;
	/* A file has one writer: what all have from one place is told apart by the name. */
	bool shared = s->set.n > 1 &&
		      (!b->own_conf || (s->set.common.pcap_path &&
					strcmp(s->set.common.pcap_path, ret->pcap_path) == 0));
	ret->pcap_path = shared ? serve_own_path(ret->pcap_path, b->name) : strdup(ret->pcap_path);
	return ret->pcap_path ? 0 : error_set(err, "out of memory");
}

static void warn_of_policy(struct sandbox *sb, void *arg)
{
	const struct serve_sandbox *b = arg;

	for (size_t i = 0; i < policy_warning_count(sb->policy); i++)
		log_warning("%s: %s", b->name, policy_warning_text(sb->policy, i));
}

static int start_one(struct serve *s, struct serve_sandbox *b, struct error *err)
{
	struct gateway_spec spec = {.name = b->name, .arg = b};
	struct config c;

	if (own_config(s, b, &c, err) < 0)
		return -1;
	int r = derive_stack_config(&c, &s->routes, &b->stack, err);
	if (r == 0) {
		memcpy(b->vpnkit_mac, b->stack.guest_mac, 6);
		/* A VM brings its own MAC address, unless it was told which one to have. */
		if (!c.has_mac)
			memset(b->stack.guest_mac, 0, 6);
		spec.link = serve_link_open(b, err);
		r = spec.link ? 0 : -1;
	}
	if (r == 0) {
		spec.conf = &c;
		spec.stack = b->stack;
		spec.reopen = serve_link_can_reopen(b) ? reopen : NULL;
		b->id = gateway_add(s->gateway, &spec, err);
		r = b->id ? 0 : -1;
	}
	free(c.pcap_path);
	return r < 0 ? error_prefix(err, "%s", b->name) : 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* One holder for all, and so one authority; values of secrets are then nowhere in this process. */
static int start_holder(struct serve *s, struct error *err)
{
	const struct config *needs = NULL;

	for (size_t i = 0; i < s->set.n; i++) {
		const struct config *c = s->set.v[i].conf;

		if (!config_intercepts(c))
			continue;
		if (!needs)
			needs = c;
		if (!same_text(c->tls.ca_cert, needs->tls.ca_cert) ||
		    !same_text(c->tls.ca_key, needs->tls.ca_key) ||
		    !same_text(c->tls.keylog, needs->tls.keylog))
			return error_set(
				err,
				"sandbox '%s': tls.intercept_ca and tls.keylog are those of "
				"the whole process; give all sandboxes the same, or none",
				s->set.v[i].name);
	}
	if (!needs)
		return 0;
	if (keys_log(needs, err) < 0)
		return -1;
	s->holder = holder_start(needs, err);
	if (!s->holder)
		return -1;
	for (size_t i = 0; i < s->set.n; i++)
		holder_wipe_environment(s->set.v[i].conf);
	prctl(PR_SET_DUMPABLE, 0);
	keys_tune_heap();
	return 0;
}

/* What the files say, now and after a reload, is all that the holder is to read. */
static int seal_holder(struct serve *s, struct error *err)
{
	const char **files = calloc(s->set.n + 1, sizeof(*files));
	size_t n = 0;
	int r;

	if (!files)
		return error_set(err, "out of memory");
	for (size_t i = 0; i < s->set.n; i++) {
		const char *path = s->set.v[i].conf->path;
		bool twice = !path;

		for (size_t k = 0; k < n && !twice; k++)
			twice = strcmp(files[k], path) == 0;
		if (!twice)
			files[n++] = path;
	}
	r = s->holder ? holder_seal(s->holder, files, n, err) : 0;
	free(files);
	return r;
}

static int start_all(struct serve *s, struct error *err)
{
	struct gateway_options o = {.workers = s->set.common.workers,
				    .notify = on_notice,
				    .ctx = s};

	s->routes = (struct derive_routes){.v4 = host_has_route(4), .v6 = host_has_route(6)};
	s->gateway = gateway_new(&o, err);
	if (!s->gateway || start_holder(s, err) < 0)
		return -1;
	gateway_set_holder(s->gateway, s->holder);
	for (size_t i = 0; i < s->set.n; i++) {
		if (start_one(s, &s->set.v[i], err) < 0)
			return -1;
	}
	if (seal_holder(s, err) < 0)
		return -1;
	/* Only now is it sure that all of them stand. */
	for (size_t i = 0; i < s->set.n; i++) {
		struct serve_sandbox *b = &s->set.v[i];

		if (b->conf->quiet)
			continue;
		tell_sandbox(b);
		gateway_call(s->gateway, b->id, warn_of_policy, b);
	}
	return 0;
}

/* ---- while it runs --------------------------------------------------------------------------- */

static void note_policy(struct sandbox *sb, void *arg)
{
	sandbox_note_policy(sb, arg);
}

/* Reads everything again. 0, or -1 and err. */
static int reload_all(struct serve *s, struct error *err)
{
	const struct serve_set *now = in_force(s);
	struct gateway_change *changes = calloc(s->set.n, sizeof(*changes));
	struct serve_set next = {0};
	int r = -1;

	if (!changes)
		error_set(err, "out of memory");
	else if (config_reload_possible(&s->set.common, err) &&
		 serve_set_read(&next, s->argc, s->argv, true, err) == 0)
		r = serve_set_check(now, &next, err);
	for (size_t i = 0; r == 0 && i < next.n; i++)
		changes[i] = (struct gateway_change){.id = s->set.v[i].id,
						     .conf = next.v[i].conf,
						     .running = now->v[i].conf};
	if (r == 0)
		r = gateway_reload(s->gateway, changes, next.n, err);
	free(changes);
	if (r < 0) {
		serve_set_done(&next);
		return -1;
	}
	if (s->reloaded)
		serve_set_done(&s->next);
	s->next = next;
	s->reloaded = true;
	/* Sandboxes of the command line share the set's own configuration, which has moved. */
	for (size_t i = 0; i < s->next.n; i++) {
		if (!s->next.v[i].own_conf)
			s->next.v[i].conf = &s->next.common;
	}
	return 0;
}

static void reload_signal(struct serve *s)
{
	struct error err = {0};

	sd_notify_send("RELOADING=1\n");
	if (reload_all(s, &err) == 0) {
		log_info("the configuration of %s is in force", s->set.common.path);
	} else {
		log_error("the configuration is not taken over, the old one stays: %s", err.msg);
		for (size_t i = 0; i < s->set.n; i++)
			gateway_call(s->gateway, s->set.v[i].id, note_policy, err.msg);
	}
	sd_notify_send("READY=1\n");
}

/* True where the process is to end. */
static bool on_signals(struct serve *s)
{
	struct signalfd_siginfo si;
	bool end = false;

	while (read(s->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP)
			reload_signal(s);
		else
			end = true;
	}
	return end;
}

static void say_alive(struct serve *s)
{
	struct gateway_counters c;

	/* A worker that hangs lets us hang, too, and then the manager hears nothing. */
	for (size_t i = 0; i < s->set.n; i++)
		gateway_counters(s->gateway, s->set.v[i].id, &c);
	sd_notify_send("WATCHDOG=1\n");
}

static void run_until_signal(struct serve *s)
{
	struct pollfd p = {.fd = s->signal_fd, .events = POLLIN};
	uint64_t watchdog_us = sd_watchdog_us();
	int ms = watchdog_us ? (int)(watchdog_us / 2000) : -1;
	char text[96];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%zu sandboxes on %u workers\n", s->set.n,
		 gateway_workers(s->gateway));
	sd_notify_send(text);
	for (;;) {
		int n = poll(&p, 1, ms);
		if (n > 0 && on_signals(s))
			return;
		if (watchdog_us && n >= 0)
			say_alive(s);
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

static void report(struct sandbox *sb, void *arg)
{
	const struct serve_sandbox *b = arg;
	bool refused = !b->conf->quiet && denials_total(sb->denials);

	if (!refused && !b->conf->stats)
		return;
	fprintf(stderr, "weir: %s:\n", b->name);
	if (refused)
		denials_print(sb->denials, DENIAL_ROWS, stderr);
	if (b->conf->stats)
		keys_stats(sb, stderr);
}

static void stop_all(struct serve *s)
{
	sd_notify_send("STOPPING=1\n");
	for (size_t i = 0; i < s->set.n; i++)
		gateway_call(s->gateway, s->set.v[i].id, report, &s->set.v[i]);
	gateway_stop(s->gateway);
}

static int watch_signals(struct serve *s, struct error *err)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGQUIT);
	sigaddset(&mask, SIGHUP);
	/* A reader of events may go at any time. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit of the file size is an error like a full disk */
	sigprocmask(SIG_BLOCK, &mask, NULL);
	s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? error_set_errno(err, errno, "cannot watch signals") : 0;
}

static int serve_main(struct serve *s, int argc, char **argv, struct error *err)
{
	int r = serve_set_read(&s->set, argc, argv, false, err);

	if (r > 0) {
		help_serve(stdout);
		return 0;
	}
	if (r < 0)
		return -1;
	log_set_level((enum log_level)s->set.common.log_level);
	cli_raise_file_limit();
	if (watch_signals(s, err) < 0 || start_all(s, err) < 0)
		return -1;
	run_until_signal(s);
	stop_all(s);
	return 0;
}

int cmd_serve(int argc, char **argv)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct error err = {0};

	if (!s) {
		error_set(&err, "out of memory");
		return cli_fail(&err);
	}
	s->argc = argc;
	s->argv = argv;
	s->signal_fd = -1;
	cli_hold_standard_fds();
	int r = serve_main(s, argc, argv, &err);
	gateway_free(s->gateway);
	holder_stop(s->holder);
	if (s->reloaded)
		serve_set_done(&s->next);
	serve_set_done(&s->set);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	free(s);
	return r < 0 ? cli_fail(&err) : 0;
}
