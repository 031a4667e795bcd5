// SPDX-License-Identifier: Apache-2.0
/* For tests of what bodies and messages become: secrets for them, and pieces of random lengths. */
#ifndef WEIR_INTERCEPT_FILTER_BODY_RIG_H
#define WEIR_INTERCEPT_FILTER_BODY_RIG_H

#include "intercept/filter_rig.h"

#define BODY_HOST "api.example.com" /* may have the secrets */

struct body_secret {
	const char *placeholder, *value;
};
/* As long as their values, and in need of no escape; and of other lengths, with all that needs one.
 */
extern const struct body_secret body_plain[2], body_odd[2];

extern struct rig rig;
/* A connection to that host, and two secrets: the plain ones, or the odd ones. */
void body_setup(const char *host, bool all_plain);

/* The same numbers in each run; below n. */
uint32_t body_rnd(uint32_t n);
/* For rig_body(): pieces of up to body_cut_max bytes. */
extern size_t body_cut_max;
size_t body_cut(void);
struct view body_text(const char *s);
/* The string is nowhere: neither as it is, nor with its escapes undone, nor in base64. */
void body_assert_absent(struct view in, const char *what);

#endif
