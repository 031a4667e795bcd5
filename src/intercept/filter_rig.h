// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: the filter of a connection with doubles for the key holder, the policy and the events,
 * and one exchange that is taken through its hooks as a proxy would.
 */
#ifndef WEIR_INTERCEPT_FILTER_RIG_H
#define WEIR_INTERCEPT_FILTER_RIG_H

#include "intercept/filter.h"
#include "observe/events.h"

#define RIG_SECRETS 4

struct rig {
	struct sandbox sb;
	struct flow flow;
	struct name name;
	struct filter_conn conn;
	struct http_filter *filter;
	struct http_exchange x;
	bool in_exchange;
	/* What was seen from outside. */
	unsigned resumed, terminated, refused, http_events, secret_events;
	int status; /* of the last http event */
	enum policy_reason reason;
	char path[2048], secret[64], place[32], action[32];
};

/* Set before a request. */
extern struct secret rig_secrets[RIG_SECRETS];
extern const char *rig_values[RIG_SECRETS];
extern size_t rig_secret_count;
extern bool rig_holder_fails;
extern enum policy_answer rig_policy;
extern enum policy_answer rig_target; /* of what a proxy is asked for */
extern bool rig_no_rule;              /* nothing is said of requests */
extern unsigned rig_values_held;      /* values that were given out and not freed */

/* One secret more: for that host (a name, ".x" or "*.x"); places: headers and Basic. */
struct secret *rig_add_secret(const char *env, const char *placeholder, const char *value,
			      const char *host);
void rig_clear_secrets(void);

void rig_init(struct rig *r, const char *host, bool tls);
void rig_done(struct rig *r);
/* A request's head; fields follow with rig_field(). */
void rig_request(struct rig *r, const char *method, const char *path);
void rig_answer(struct rig *r, int status);
void rig_field(struct http_head *h, const char *name, const char *value);
const char *rig_value(const struct http_head *h, const char *name); /* NULL: not there */
/* The hook, called again until it does not wait. */
enum http_step rig_go(struct rig *r);
enum http_step rig_go_answer(struct rig *r);
/* A whole body, in pieces whose length `cut` gives. */
enum http_step rig_body(struct rig *r, bool up, struct view in, size_t (*cut)(void),
			struct buf *out);
void rig_end_exchange(struct rig *r);

#endif
