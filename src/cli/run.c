// SPDX-License-Identifier: Apache-2.0
/*
 * `weir run`: a command in namespaces of its own, with the gateway in this process.
 *
 * Theory of operation
 * -------------------
 * The keeper (host/keeper.h) is forked first, while this process is small: it makes the namespaces
 * and hands over the fd of the link. Then the gateway is built on it, and only when it stands the
 * command starts. From there on the loop runs until the command and all that it started are gone.
 *
 * What the command sent before it ended may still be in the guest's kernel or in our queues, and
 * would have reached its peer without weir. So the end waits until it has, as long as there is
 * progress (LINGER_STALL_US, LINGER_QUIET_US); any signal cuts this short.
 *
 * With --netns or --pid and no command the interface is made in a namespace that exists, and
 * served until that goes or a signal comes.
 */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/keys.h"
#include "cli/options.h"
#include "cli/reload.h"
#include "conf/derive.h"
#include "dns/local.h"
#include "flow/denials.h"
#include "flow/sandbox.h"
#include "host/addrs.h"
#include "host/keeper.h"
#include "intercept/intercept.h"
#include "link/behind.h"
#include "observe/events.h"

/* How long the end waits without anything moving: a peer that has stalled this long may as well be
 * dead. */
#define LINGER_STALL_US 30000000u
/* The same where nothing waits here: what the guest's kernel still has, it could send at once. */
#define LINGER_QUIET_US  5000000u
#define LINGER_CHECK_US  1000000u
#define DENIAL_ROWS      10
#define TABLE_BYTES      32768
#define MALLOC_THRESHOLD (128 * 1024) /* as it was */
#define ALIASES_MAX      32           /* names in the hosts file; DNS knows those beyond, too */

struct run {
	int argc;
	char **argv; /* the whole command line: read again where the file has changed */
	struct config conf;
	struct stack_config sc;
	char **command;                       /* NULL: only serve */
	const char *aliases[ALIASES_MAX + 2]; /* of the host, for the hosts file; NULL-terminated */
	struct keeper_signals signals;
	struct keys keys;
	struct reload reload;
	struct keeper keeper;
	struct loop loop;
	struct sandbox *sb;
	struct events *events; /* NULL: none wanted */
	struct loop_source keeper_src, signal_src, target_src;
	int signal_fd, target_fd; /* target: pidfd of --pid without a command; -1 */
	int status;
	bool exited;       /* the command is over; status is its own */
	bool lingering;    /* everything inside is over */
	bool had_children; /* before there was a keeper */
	uint64_t moved;    /* what had gone through when last looked at */
	uint64_t moved_us; /* and since when it is so */
	struct timer linger_timer;
	int *inherited; /* fds of the caller's beyond 2: the command's, not ours */
	size_t inherited_n;
};

/* ---- before the loop ------------------------------------------------------------------------- */

/* 0: go on; else the process ends with *ret_status. */
static int run_parse(struct run *r, int argc, char **argv, int *ret_status)
{
	struct error err = {0};
	int first = 0;
	int p = options_parse(OPTION_FOR_RUN, argc, argv, &r->conf, &first, &err);

	if (p > 0) {
		help_run(stdout);
		*ret_status = 0;
		return -1;
	}
	if (p == 0) {
		r->command = first < argc ? argv + first : NULL;
		if (!r->command && !r->conf.netns_path && !r->conf.pid)
			p = error_set(&err,
				      "run: no command given; expected one, such as: weir run "
				      "-- curl https://example.com");
	}
	if (p == 0) {
		log_set_level((enum log_level)r->conf.log_level);
		struct derive_routes routes = {.v4 = host_has_route(4), .v6 = host_has_route(6)};
		p = derive_stack_config(&r->conf, &routes, &r->sc, &err);
	}
	if (p < 0)
		*ret_status = cli_fail(&err);
	return p;
}

/* A process keeps its children when it executes weir; they are none of ours. */
static bool has_children(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void note_inherited(struct run *r)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	size_t cap = 0;

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);
		if (fd <= 2 || fd == dirfd(d))
			continue;
		if (r->inherited_n == cap) {
			int *more = realloc(r->inherited, (cap + 64) * sizeof(int));
			if (!more)
				break;
			r->inherited = more;
			cap += 64;
		}
		r->inherited[r->inherited_n++] = fd;
	}
	if (d)
		closedir(d);
}

/* A log that the command could write to would be none: its fd:N stays here. What has no such number
 * is opened later, and never the command's. */
static int keep_events_from_command(const struct run *r, struct error *err)
{
	int fd = r->conf.events ? events_fd_number(r->conf.events) : -1;

	if (fd <= STDERR_FILENO) /* these are the command's in any case */
		return 0;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(err, "--events: '%s': there is no such open file", r->conf.events);
	return 0;
}

static int open_events(struct run *r, struct error *err)
{
	char label[32];

	if (!r->conf.events)
		return 0;
	snprintf(label, sizeof(label), "run-%d", (int)getpid());
	r->events = events_open(&r->loop, r->conf.events, label, err);
	return r->events ? 0 : -1;
}

/*
 * Once the keeper has its copies, this process lets go of what is the command's alone: as long as
 * it held the write end of a pipe, the pipe's reader would wait.
 */
static void drop_inherited(struct run *r)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (null > 2)
			close(null);
	}
	for (size_t i = 0; i < r->inherited_n; i++)
		close(r->inherited[i]);
}

/* weir's own name for the host, and the others that programs know it by. */
static void run_aliases(struct run *r)
{
	const struct strv *own = &r->conf.dns_host_aliases;
	size_t n = 0;

	r->aliases[n++] = "host.weir.internal";
	for (size_t i = 0; i < own->n && i < ALIASES_MAX; i++)
		r->aliases[n++] = own->v[i];
	for (size_t i = 0; own->n == 0 && dns_local_usual_aliases[i] && i < ALIASES_MAX; i++)
		r->aliases[n++] = dns_local_usual_aliases[i];
}

static void run_keeper_config(const struct run *r, struct keeper_config *ret)
{
	const struct config *c = &r->conf;
	const struct stack_config *sc = &r->sc;
	static const enum guestif_kind kinds[] = {
		[CONFIG_LINK_AUTO] = GUESTIF_AUTO,
		[CONFIG_LINK_TAP] = GUESTIF_TAP,
		[CONFIG_LINK_PACKET] = GUESTIF_PACKET,
	};

	*ret = (struct keeper_config){
		.argv = r->command,
		.adopt = !r->had_children,
		.map_root = c->map_root,
		.netns_path = c->netns_path,
		.pid = c->pid,
		.interface =
			{
				.kind = kinds[c->link],
				.fresh = !c->netns_path && !c->pid,
				.may_vanish = !r->command,
				.configure = !c->no_config,
				.mtu = sc->mtu,
				.has_v4 = sc->has_v4,
				.has_v6 = sc->has_v6,
				.guest4 = sc->guest4,
				.gw4 = sc->gw4,
				.guest6 = sc->guest6,
				.gw6 = sc->gw6,
				.prefix4 = sc->prefix4,
			},
		.resolv = {.aliases = r->aliases},
		.environment = (const char *const *)r->keys.environment,
		.signals = &r->signals,
	};
	keys_trust(&r->keys, &ret->trust);
	memcpy(ret->interface.mac, sc->guest_mac, 6);
	if (sc->has_v4)
		ret->resolv.nameservers[0] = sc->gw4;
	if (sc->has_v6)
		ret->resolv.nameservers[1] = sc->gw6;
}

/* A signal that came before the command was there to get it: 0 for none. */
static int early_signal(void)
{
	const struct timespec now = {0};
	sigset_t deadly;

	sigemptyset(&deadly);
	sigaddset(&deadly, SIGINT);
	sigaddset(&deadly, SIGTERM);
	sigaddset(&deadly, SIGHUP);
	sigaddset(&deadly, SIGQUIT);
	int s = sigtimedwait(&deadly, NULL, &now);
	return s > 0 ? s : 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* What is left to wait for when the command is over. */
struct undelivered {
	unsigned flows;
	uint64_t taken;   /* bytes that their far ends have taken so far: the measure of progress */
	uint64_t waiting; /* bytes that are here, and that they do not take */
};

static void note_undelivered(struct stack *s, struct tcp_conn *c, void *arg)
{
	struct undelivered *u = arg;
	struct tcp_facts f;

	tcp_conn_facts(c, &f);
	if (f.delivered)
		return;
	u->flows++;
	u->taken += f.bytes_out;
	u->waiting += f.waiting;
}

static struct undelivered undelivered_now(struct run *r)
{
	struct undelivered u = {0};

	tcp_conn_each(&r->sb->stack, note_undelivered, &u);
	return u;
}

/* True where nothing that the guest sent is still on its way to a host socket. */
static bool all_delivered(struct run *r)
{
	struct pollfd p = {.fd = r->sb->link->fd, .events = POLLIN};

	if (r->sb->link_gone)
		return true;
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
		return false;
	return undelivered_now(r).flows == 0;
}

static void linger_check(struct timer *t)
{
	struct run *r = container_of(t, struct run, linger_timer);
	struct undelivered now = undelivered_now(r);
	uint64_t limit = now.waiting ? LINGER_STALL_US : LINGER_QUIET_US;

	if (now.taken != r->moved) {
		r->moved = now.taken;
		r->moved_us = r->loop.now_us;
	} else if (r->loop.now_us - r->moved_us >= limit) {
		if (now.waiting)
			log_warning("giving up on data that a peer does not take");
		r->loop.stop = true;
		return;
	}
	timer_set(&r->loop.wheel, t, r->loop.now_us + LINGER_CHECK_US);
}

static void turn_end(struct loop *l, void *ctx)
{
	struct run *r = ctx;

	sandbox_flush(r->sb);
	if (r->lingering && all_delivered(r))
		l->stop = true;
	if (!r->command && r->sb->link_gone)
		l->stop = true;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* The command stopped: so do we, as the shell that waits for us expects it of its job. */
static void stop_too(struct run *r)
{
	if (!r->exited)
		kill(getpid(), SIGSTOP);
}

static void linger(struct run *r)
{
	r->lingering = true;
	r->moved = undelivered_now(r).taken;
	r->moved_us = r->loop.now_us;
	timer_set(&r->loop.wheel, &r->linger_timer, r->loop.now_us + LINGER_CHECK_US);
}

static void exec_failed(const char *name, int errnum)
{
	struct error err;

	error_set(&err, "cannot execute '%.300s': %s", name, strerror(errnum));
	cli_fail(&err);
}

static void on_keeper(struct loop_source *src, uint32_t events)
{
	struct run *r = container_of(src, struct run, keeper_src);
	struct keeper_event ev;

	for (;;) {
		keeper_next(&r->keeper, &ev);
		switch (ev.type) {
		case KEEPER_NONE:
			return;
		case KEEPER_STOPPED:
			stop_too(r);
			break;
		case KEEPER_EXEC_FAILED:
			exec_failed(r->command[0], ev.value);
			break;
		case KEEPER_EXITED:
			r->exited = true;
			r->status = ev.value;
			break;
		case KEEPER_ALL_GONE:
			linger(r);
			break;
		case KEEPER_LOST:
			loop_del(&r->loop, src);
			if (!r->exited) {
				fprintf(stderr,
					"weir: the process that watches over the command was "
					"killed\n");
				r->status = CLI_EXIT_FAILURE;
			}
			r->loop.stop = true;
			return;
		}
	}
}

static bool ends_us(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
}

static void on_signal(struct loop_source *src, uint32_t events)
{
	struct run *r = container_of(src, struct run, signal_src);
	struct signalfd_siginfo si;

	while (read(r->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		int signo = (int)si.ssi_signo;

		/* A write of our own into a closed pipe, or beyond a limit of the file size, is no
		 * word from anybody. */
		bool own = si.ssi_pid == (uint32_t)getpid();
		if (signo == SIGCHLD || (own && (signo == SIGPIPE || signo == SIGXFSZ)))
			continue;
		/* With a file it says that the file has changed, unless the terminal has gone. */
		if (signo == SIGHUP && r->conf.path && si.ssi_code != SI_KERNEL) {
			reload(&r->reload);
			continue;
		}
		if (r->command && !r->exited) {
			keeper_signal(&r->keeper, signo, si.ssi_code == SI_KERNEL);
			continue;
		}
		/* Only serving, or waiting for the last bytes: nobody to pass it on to. */
		if (ends_us(signo))
			r->loop.stop = true;
		else if (signo == SIGTSTP)
			kill(getpid(), SIGSTOP);
	}
}

static void on_target_gone(struct loop_source *src, uint32_t events)
{
	container_of(src, struct run, target_src)->loop.stop = true;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int run_watch(struct run *r, struct error *err)
{
	int e = 0;

	r->signal_fd = signalfd(-1, &r->signals.passed, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0)
		return error_set_errno(err, errno, "cannot watch signals");
	r->signal_src = (struct loop_source){.fd = -1, .fn = on_signal};
	r->keeper_src = (struct loop_source){.fd = -1, .fn = on_keeper};
	r->target_src = (struct loop_source){.fd = -1, .fn = on_target_gone};
	e = loop_add(&r->loop, &r->signal_src, r->signal_fd, EPOLLIN);
	if (e == 0 && r->command)
		e = loop_add(&r->loop, &r->keeper_src, r->keeper.fd, EPOLLIN);
	if (e == 0 && !r->command && r->conf.pid) {
		r->target_fd = (int)syscall(SYS_pidfd_open, r->conf.pid, 0);
		if (r->target_fd < 0)
			return error_set_errno(err, errno, "--pid %d", r->conf.pid);
		e = loop_add(&r->loop, &r->target_src, r->target_fd, EPOLLIN);
	}
	return e < 0 ? error_set_errno(err, e, "cannot watch the command") : 0;
}

/* block-and-terminate: the command ends as if it had been killed, and the exit status is ours. */
static void terminate(struct sandbox *sb, const char *why)
{
	struct run *r = sb->owner;

	fprintf(stderr, "weir: the sandbox is ended: %s\n", why);
	r->status = CLI_EXIT_FAILURE;
	r->loop.stop = true;
}

static int run_gateway(struct run *r, struct error *err)
{
	struct link *link = r->keeper.link_kind == GUESTIF_TAP
				    ? link_tap_new(r->keeper.link_fd, err)
				    : link_packet_new(r->keeper.link_fd, err);

	if (!link)
		return -1;
	/* A sandbox's tables are large and mostly empty: as fresh pages nobody has to clear them,
	 * and what is not used stays away. */
	mallopt(M_MMAP_THRESHOLD, TABLE_BYTES);
	r->sb = sandbox_new(&r->loop, link, &r->conf, &r->sc, err);
	mallopt(M_MMAP_THRESHOLD, MALLOC_THRESHOLD);
	if (!r->sb)
		return -1;
	r->sb->events = r->events;
	r->sb->owner = r;
	r->sb->terminate = terminate;
	if (r->keys.holder && !intercept_new(r->sb, r->keys.holder, r->keys.channel, &r->conf, err))
		return -1;
	r->reload = (struct reload){.sb = r->sb,
				    .ch = r->keys.channel,
				    .argc = r->argc,
				    .argv = r->argv,
				    .conf = &r->conf};
	r->loop.turn_end = turn_end;
	r->loop.turn_ctx = r;
	timer_init(&r->linger_timer, linger_check);
	return run_watch(r, err);
}

static void run_warn(const struct run *r)
{
	if (!r->sc.has_v4 && !r->sc.has_v6)
		log_warning(
			"the host has no route to anywhere, so the guest has no address; --ipv4 "
			"ADDR gives it one");
	if (r->keeper.resolv_missing)
		log_warning(
			"this host has no %s to bind over, so names may not resolve in the command; "
			"an empty file is enough (as root: touch %s)",
			r->keeper.resolv_missing, r->keeper.resolv_missing);
	if (r->keeper.bundle_missing)
		log_warning("this host has no bundle of trusted certificates to bind over, so the "
			    "command's programs will not trust what is intercepted; install "
			    "ca-certificates");
	size_t n = r->conf.quiet ? 0 : policy_warning_count(r->sb->policy);
	for (size_t i = 0; i < n; i++)
		log_warning("%s", policy_warning_text(r->sb->policy, i));
	log_info("link %s, caps 0x%x", r->sb->link->ops->name, r->sb->link->caps);
}

static void tell_policy(struct run *r)
{
	struct event ev = event_make(EVENT_POLICY);
	char text[64];

	snprintf(text, sizeof(text), "loaded: %zu rules", policy_rule_count(r->sb->policy));
	ev.text = text;
	events_emit(r->events, &ev);
}

static void run_report(const struct run *r)
{
	if (!r->conf.quiet)
		denials_print(r->sb->denials, DENIAL_ROWS, stderr);
	if (r->conf.stats)
		keys_stats(r->sb, stderr);
}

/* From the point where the keeper runs; the exit status. */
static int run_main(struct run *r)
{
	struct error err = {0};
	int signo, e;

	cli_raise_file_limit(); /* the command keeps the caller's */
	keys_guard_process(&r->keys);
	if (open_events(r, &err) < 0)
		return cli_fail(&err);
	if (!r->command)
		keeper_done(&r->keeper);
	if (run_gateway(r, &err) < 0)
		return cli_fail(&err);
	drop_inherited(r); /* behind all that may open one of them, as /dev/stdout or /dev/fd/N */
	run_warn(r);
	tell_policy(r);
	if ((signo = early_signal()))
		return 128 + signo;
	if (r->command && keeper_go(&r->keeper) < 0) {
		error_set(&err, "the sandbox's first process ended early");
		return cli_fail(&err);
	}
	e = loop_run(&r->loop);
	if (e < 0) {
		error_set_errno(&err, e, "the event loop failed");
		return cli_fail(&err);
	}
	run_report(r);
	return r->status;
}

int cmd_run(int argc, char **argv)
{
	struct run *r = calloc(1, sizeof(*r));
	struct keeper_config kc;
	struct error err = {0};
	int status = CLI_EXIT_FAILURE;

	if (!r) {
		error_set(&err, "out of memory");
		return cli_fail(&err);
	}
	r->signal_fd = r->target_fd = r->loop.epoll_fd = -1;
	r->argc = argc;
	r->argv = argv;
	r->had_children = has_children();
	config_init(&r->conf);
	if (run_parse(r, argc, argv, &status) != 0)
		goto out;
	cli_hold_standard_fds();
	note_inherited(r);
	if (keep_events_from_command(r, &err) < 0) {
		status = cli_fail(&err);
		goto out;
	}
	keeper_signals_take(&r->signals);
	if (loop_init(&r->loop, &err) < 0 || keys_start(&r->keys, &r->loop, &r->conf, &err) < 0) {
		status = cli_fail(&err);
		goto out;
	}
	run_aliases(r);
	run_keeper_config(r, &kc);
	if (keeper_start(&r->keeper, &kc, &err) < 0) {
		status = cli_fail(&err);
		goto out;
	}
	status = run_main(r);
	if (r->sb && !r->conf.netns_path && !r->conf.pid)
		link_close_behind(r->sb->link);
	reload_done(&r->reload);
	sandbox_free(r->sb);
	events_close(r->events);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	if (r->target_fd >= 0)
		close(r->target_fd);
	if (r->command)
		keeper_done(&r->keeper);
out:
	keys_done(&r->keys);
	/* Whoever kills the keeper at the right moment leaves something to us. */
	if (r->command && !r->had_children) {
		int list = keeper_children_open();
		keeper_kill_descendants(list);
		if (list >= 0)
			close(list);
	}
	loop_done(&r->loop);
	config_done(&r->conf);
	free(r->inherited);
	free(r);
	return status;
}
