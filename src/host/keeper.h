// SPDX-License-Identifier: Apache-2.0
/*
 * The keeper: the process inside the namespaces that makes the guest's interface, starts the
 * command, passes signals on, and sees to it that nothing outlives the gateway.
 *
 * Theory of operation
 * -------------------
 * The gateway stays outside. It forks the keeper, which makes (or joins) the namespaces, creates
 * the interface and hands its fd to the gateway over a socket pair. When the gateway is ready it
 * says so, and the keeper forks the command, which keeps the caller's uid, directory, environment,
 * standard fds, limits and signal settings.
 *
 * The keeper is a subreaper: whatever the command starts comes to it when its parent ends. When the
 * command is over, or the gateway is gone in whatever way (the socket pair says so), it kills all
 * that is left, and ends; with it go the namespaces. Where somebody kills the keeper instead, all
 * of it comes to the gateway, which does the same.
 *
 * Signals: gateway, keeper and command are one process group, and all but the command block every
 * signal that can be passed on. What a terminal or kill(2) sends to the group reaches the command
 * by itself. When the gateway gets a signal it tells the keeper, who passes it on unless the same
 * signal is pending for the keeper, too: then it was sent to the group, and the command has it.
 *
 * Trust: the command may run under the same uid and could take the keeper over; the gateway
 * believes nothing from it beyond what a command may say about its own end.
 *
 * May use: base/, guestif.h, idmap.h, ns.h, bindkeep.h, bindover.h, resolvbind.h, trustbind.h.
 */
#ifndef WEIR_HOST_KEEPER_H
#define WEIR_HOST_KEEPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/guestif.h"
#include "host/resolvbind.h"
#include "host/trustbind.h"

/* The caller's signal settings, kept for the command. */
struct keeper_signals {
	sigset_t mask;
	sigset_t ignored; /* dispositions that were SIG_IGN */
	sigset_t passed;  /* what is blocked in the gateway and passed on */
};
/* Blocks all that can be passed on, sets it to its default, and notes how it was. */
void keeper_signals_take(struct keeper_signals *s);

struct keeper_config {
	char *const *argv; /* the command; NULL: only make the interface, then end */
	bool adopt; /* the caller has no children but its own, and ends what the keeper leaves */
	bool map_root;
	const char *netns_path; /* an existing namespace; NULL: none */
	int pid;                /* that of a process; 0: none */
	struct guestif_config interface;
	struct resolvbind resolv;
	struct trustbind trust;         /* pem NULL: the host's certificates as they are */
	const char *const *environment; /* "NAME=value", NULL-terminated: added to the command's
					   own; NULL: nothing */
	const struct keeper_signals *signals;
};

struct keeper {
	pid_t pid;
	int fd; /* the gateway's end of the socket pair; readable when there is an event */
	int link_fd;
	bool adopts;
	enum guestif_kind link_kind;
	const char *
		resolv_missing; /* a file that the host lacks, so that it could not be bound over */
	bool bundle_missing;    /* the host has no bundle of trusted certificates */
};

/* Starts the keeper and waits until the interface is there. 0, or -1 with err and nothing left. */
int keeper_start(struct keeper *k, const struct keeper_config *c, struct error *err);
/* The gateway is ready: the command may start. */
int keeper_go(struct keeper *k);
/* The gateway got this signal; by_kernel: from a terminal, as si_code says. */
void keeper_signal(struct keeper *k, int signo, bool by_kernel);
/* Closes the socket pair, upon which everything inside ends, and waits for that. A keeper that has
 * not ended KEEPER_END_MS later, as the command can bring about, is killed if the gateway adopts.
 */
void keeper_done(struct keeper *k);
#define KEEPER_END_MS 10000
/* Kills whatever descends from this process, and reaps it. The keeper does so at its end; what it
 * left behind because it was killed is the gateway's, if that adopts. `list` is of the process's
 * children, as keeper_children_open() opens it, or -1. (keeper_reap.c) */
void keeper_kill_descendants(int list);
int keeper_children_open(void);

enum keeper_event_type {
	KEEPER_NONE,        /* nothing more now */
	KEEPER_STOPPED,     /* value: the signal that stopped the command */
	KEEPER_EXEC_FAILED, /* value: errno */
	KEEPER_EXITED,      /* value: the exit status, 128 + N for signal N */
	KEEPER_ALL_GONE,    /* nothing runs in the sandbox any more */
	KEEPER_LOST,        /* the keeper itself ended without having said so */
};
struct keeper_event {
	enum keeper_event_type type;
	int value;
};
/* Takes one event; never blocks. */
void keeper_next(struct keeper *k, struct keeper_event *ret);

#endif
