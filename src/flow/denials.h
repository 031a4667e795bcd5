// SPDX-License-Identifier: Apache-2.0
/*
 * What was refused, for the table that `weir run` prints when it ends.
 *
 * May use: base/, policy/ (names of reasons). Bounds: DENIALS_MAX distinct refusals are kept, each
 * with a count; once that many are known, any other is counted without its facts, so that a guest
 * that tries every address costs no memory and hides nothing that was seen before.
 */
#ifndef WEIR_FLOW_DENIALS_H
#define WEIR_FLOW_DENIALS_H

#include <stdint.h>
#include <stdio.h>

#include "policy/policy.h"

#define DENIALS_MAX 256 /* about 40 KiB; a table for a person has no use for more */

struct denials;

/* NULL without memory. */
struct denials *denials_new(void);
void denials_free(struct denials *d);
/* Counts one refusal. `rule_text` is copied (and cut where it is very long); NULL where no rule
 * made it. */
void denials_note(struct denials *d, const struct policy_facts *f, enum policy_reason why,
		  const char *rule_text);
/* The same for a DNS question (f->name; whom it asked is not told apart). */
void denials_note_question(struct denials *d, const struct policy_facts *f, enum policy_reason why,
			   const char *rule_text);
/* All refusals so far, those without facts included. */
uint64_t denials_total(const struct denials *d);
/* The most frequent refusals, at most `rows` lines between a heading and a line about the rest.
 * Prints nothing where nothing was refused. */
void denials_print(const struct denials *d, unsigned rows, FILE *out);

#endif
