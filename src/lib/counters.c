// SPDX-License-Identifier: Apache-2.0
/* Counters by name. A name never changes its meaning: programs keep them. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/lib.h"
#include "policy/policy.h"
#include "stack/stack.h"

#define STACK(name, field)                                           \
	{                                                            \
		name, offsetof(struct gateway_counters, stack.field) \
	}
#define FLOW(name, field)                                           \
	{                                                           \
		name, offsetof(struct gateway_counters, flow.field) \
	}
#define INTERCEPT(name, field)                                           \
	{                                                                \
		name, offsetof(struct gateway_counters, intercept.field) \
	}
#define LINK(name, field)                                      \
	{                                                      \
		name, offsetof(struct gateway_counters, field) \
	}

static const struct row {
	const char *name;
	size_t at; /* of a uint64_t in struct gateway_counters */
} rows[] = {
	STACK("frames-from-guest", rx_frames),
	STACK("bytes-from-guest", rx_bytes),
	STACK("frames-to-guest", tx_frames),
	STACK("bytes-to-guest", tx_bytes),
	STACK("tcp-opened", tcp_opened),
	STACK("tcp-closed", tcp_closed),
	STACK("tcp-retransmits", tcp_retransmits),
	STACK("tcp-timeouts", tcp_rto),
	STACK("tcp-fast-recoveries", tcp_fast_recovery),
	STACK("tcp-tail-loss-probes", tcp_tlp),
	STACK("tcp-out-of-order", tcp_ooo),
	STACK("tcp-duplicates", tcp_dup),
	STACK("tcp-resets-sent", tcp_resets_sent),
	STACK("tcp-resets-received", tcp_resets_received),
	STACK("icmp-errors-sent", icmp_errors_sent),
	STACK("fragmented-packets-reassembled", frag_reassembled),
	STACK("fragments-sent", frag_sent),
	FLOW("tcp-dialed", tcp_dialed),
	FLOW("tcp-refused-by-peer", tcp_refused),
	FLOW("tcp-peer-unreachable", tcp_unreachable),
	FLOW("tcp-peer-timed-out", tcp_timed_out),
	FLOW("tcp-accepted", tcp_accepted),
	FLOW("udp-sessions", udp_sessions),
	FLOW("udp-datagrams-from-guest", udp_out),
	FLOW("udp-datagrams-to-guest", udp_in),
	FLOW("udp-datagrams-dropped", udp_dropped),
	FLOW("echo-sessions", echo_sessions),
	FLOW("echo-requests", echo_out),
	FLOW("echo-replies", echo_in),
	FLOW("dns-queries", dns_queries),
	FLOW("dns-answers", dns_answers),
	FLOW("dns-failures", dns_failures),
	INTERCEPT("intercepted", taken),
	INTERCEPT("intercept-upstream-invalid", upstream_invalid),
	INTERCEPT("intercept-upstream-failed", upstream_failed),
	INTERCEPT("intercept-guest-failed", guest_failed),
	INTERCEPT("intercept-refused", refused),
	LINK("refused", denied_total),
	LINK("link-frames-dropped-to-guest", link_tx_dropped),
	LINK("link-frames-dropped-from-guest", link_rx_dropped),
	LINK("link-frames-cut", link_rx_cut),
};

/* ---- names that are made of two ---- */

#define NAME_MAX_LEN 64

struct walk {
	void (*fn)(void *ctx, const char *name, uint64_t value);
	void *ctx;
};

static int counters_now(struct weir_sandbox *s, struct gateway_counters *ret,
			struct weir_error *err)
{
	struct lib_call call;

	*ret = (struct gateway_counters){0};
	if (!lib_sandbox_enter(s, &call, err))
		return -1;
	if (s->state != LIB_RUNS || gateway_counters(s->gateway->gw, s->id, ret) < 0)
		*ret = s->last;
	lib_sandbox_leave(s, &call);
	return 0;
}

static uint64_t value_at(const struct gateway_counters *c, size_t at)
{
	uint64_t v;

	memcpy(&v, (const char *)c + at, sizeof(v));
	return v;
}

static void each_reason(const struct gateway_counters *c, const struct walk *w)
{
	char name[NAME_MAX_LEN];

	for (int i = DROP_NONE + 1; i < DROP_REASONS; i++) {
		snprintf(name, sizeof(name), "dropped.%s", drop_reason_name((enum drop_reason)i));
		w->fn(w->ctx, name, c->stack.drops[i]);
	}
	for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
		snprintf(name, sizeof(name), "refused.%s",
			 policy_reason_name((enum policy_reason)i));
		w->fn(w->ctx, name, c->flow.denied[i]);
	}
}

static void each(const struct gateway_counters *c, const struct walk *w)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		w->fn(w->ctx, rows[i].name, value_at(c, rows[i].at));
	w->fn(w->ctx, "tcp-open", c->tcp_open);
	w->fn(w->ctx, "tcp-half-open", c->tcp_half);
	w->fn(w->ctx, "guests", c->link_peers);
	each_reason(c, w);
}

/* ---- calls ---- */

void weir_sandbox_bytes(struct weir_sandbox *s, uint64_t *ret_from_guest, uint64_t *ret_to_guest)
{
	struct gateway_counters c;

	if (counters_now(s, &c, NULL) < 0)
		return;
	if (ret_from_guest)
		*ret_from_guest = c.stack.rx_bytes;
	if (ret_to_guest)
		*ret_to_guest = c.stack.tx_bytes;
}

void weir_sandbox_counters(struct weir_sandbox *s,
			   void (*fn)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	struct gateway_counters c;

	if (counters_now(s, &c, NULL) == 0)
		each(&c, &(struct walk){.fn = fn, .ctx = ctx});
}

struct wanted {
	const char *name;
	uint64_t value;
	bool found;
};

static void look(void *ctx, const char *name, uint64_t value)
{
	struct wanted *w = ctx;

	if (strcmp(name, w->name) != 0)
		return;
	w->value = value;
	w->found = true;
}

int weir_sandbox_counter(struct weir_sandbox *s, const char *name, uint64_t *ret,
			 struct weir_error *err)
{
	struct wanted w = {.name = name};
	struct gateway_counters c;

	if (counters_now(s, &c, err) < 0)
		return -1;
	each(&c, &(struct walk){.fn = look, .ctx = &w});
	if (!w.found)
		return lib_fail(err, ENOENT, "there is no counter '%.60s'", name);
	*ret = w.value;
	return 0;
}
