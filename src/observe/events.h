// SPDX-License-Identifier: Apache-2.0
/*
 * What happens in a sandbox, as one JSON object a line (`--events`).
 *
 * The schema is stable and written down in doc/events.schema.json; a test holds every line of a run
 * against it. Text from the guest is escaped (base/json.h), and a line is never split.
 *
 * May use: base/, loop/, policy/ (names of reasons). Bounds: EVENTS_BUFFER bytes wait for a slow
 * reader; then the oldest lines go, and the next line that passes is preceded by an `error` event
 * that says how many were lost. Traffic never waits.
 *
 * Whoever opens events has SIGPIPE blocked or ignored: a reader may go at any time.
 */
#ifndef WEIR_OBSERVE_EVENTS_H
#define WEIR_OBSERVE_EVENTS_H

#include "base/error.h"
#include "loop/loop.h"
#include "policy/policy.h"

#define EVENTS_BUFFER    (1u << 20)
#define EVENTS_LINE_MAX  4096 /* a line; longer texts in it are cut before (PIPE_BUF, pipe(7)) */
#define EVENTS_LABEL_MAX 64   /* bytes of the sandbox's label */

enum event_kind {
	EVENT_FLOW_OPEN,
	EVENT_FLOW_CLOSE,
	EVENT_DENY,
	EVENT_DNS,
	EVENT_HTTP,   /* a request that weir looked into, and what became of it */
	EVENT_SECRET, /* a secret, or its placeholder, where it must not be */
	EVENT_LIMIT,
	EVENT_POLICY, /* a policy was loaded, replaced or refused */
	EVENT_ERROR,
};

/* Everything that an event may say; what is unset (0, NULL, -1, family 0) is left out. */
struct event {
	enum event_kind kind;
	uint64_t flow;     /* number of the flow, unique in a sandbox's life; 0: none */
	int dir;           /* enum policy_dir; -1: none */
	const char *proto; /* "tcp", "udp", "icmpv4", "icmpv6", as rules call them */
	struct ipaddr src, dst;
	int sport, dport; /* -1: none */
	const char *name; /* canonical where weir has judged it, else as it came */
	size_t name_len;  /* 0: name ends with a NUL */
	const struct policy_verdict *verdict; /* rule, reason; NULL: none */
	enum policy_reason reason;            /* where there is no verdict: a limit */
	const char *qtype, *rcode;            /* dns: "A", "NOERROR" */
	const struct ipaddr *answers;         /* dns */
	size_t answer_count;
	const char *cache;           /* dns: "hit", "miss", "local" */
	const char *method, *path;   /* http: as the guest wrote it; without the query */
	int status;                  /* http: of the answer; 0: there was none */
	const char *secret;          /* secret: its name (the guest's variable) */
	const char *place;           /* secret: "header", "path", "body", ... */
	const char *action;          /* secret: "blocked", "terminated", "masked" */
	int64_t bytes_in, bytes_out; /* flow-close: toward the guest, from it; -1: none */
	int64_t rtt_us, duration_us; /* -1: none */
	const char *end;             /* flow-close: struct flow_result has the words */
	const char *text;            /* for people: limit, policy, error */
	uint64_t lost;               /* error: lines that a slow reader lost */
};
struct event event_make(enum event_kind kind); /* everything unset */

struct events;

/* The N of "fd:N"; -1 where the text is none of that form. */
int events_fd_number(const char *where);
/*
 * `where`: a path (made with mode 0600, appended to), "-" (standard output), "fd:N". The fd of the
 * last two is duplicated, so the caller may close its own. NULL and err on failure. `sandbox` is
 * the label that every line carries; copied.
 */
struct events *events_open(struct loop *l, const char *where, const char *sandbox,
			   struct error *err);
/* The same, where each line (ending with a newline) is handed to a function at once. NULL without
 * memory. */
struct events *events_open_call(struct loop *l, void (*line)(void *ctx, const char *text, size_t n),
				void *ctx, const char *sandbox);
/* Now, by the wall clock. e NULL (no events wanted) is fine. */
void events_emit(struct events *e, const struct event *ev);
/* The line of one event with its newline, as emit writes it; returns its length, 0 where it does
 * not fit. */
size_t event_line(const struct event *ev, const char *sandbox, uint64_t time_us, char *buf,
		  size_t cap);
uint64_t events_lost(const struct events *e);
/* Writes what waits (a slow reader gets a second) and closes. NULL is fine. */
void events_close(struct events *e);

#endif
