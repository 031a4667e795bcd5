// SPDX-License-Identifier: Apache-2.0
/*
 * The words of the policy language: names of groups and reasons, the nearest word to a misspelled
 * one, and how a piece of a rule is shown in a message.
 */
#include <stdio.h>

#include "policy/read.h"

static const char *const group_names[] = {
	[GROUP_NONE] = "none",           [GROUP_HOST] = "host",
	[GROUP_METADATA] = "metadata",   [GROUP_LOOPBACK] = "loopback",
	[GROUP_PRIVATE] = "private",     [GROUP_LINK_LOCAL] = "link-local",
	[GROUP_MULTICAST] = "multicast", [GROUP_PUBLIC] = "public",
};

/* Stable: they are in the event log, in metrics and in answers to the guest. */
static const char *const reason_names[] = {
	[REASON_NONE] = "",
	[REASON_RULE] = "rule",
	[REASON_DEFAULT] = "default",
	[REASON_PRESET] = "preset",
	[REASON_METADATA] = "metadata",
	[REASON_UNSPECIFIED] = "unspecified",
	[REASON_NO_BINDING] = "no-binding",
	[REASON_NAME_MISMATCH] = "name-mismatch",
	[REASON_NO_NAME] = "no-name",
	[REASON_ECH] = "ech",
	[REASON_REBIND] = "rebind",
	[REASON_ALT_DNS] = "alt-dns",
	[REASON_DOT] = "dot-without-tls",
	[REASON_DNS_BUDGET] = "dns-budget",
	[REASON_QUIC] = "quic-blocked",
	[REASON_HTTP_RULE] = "http-rule",
	[REASON_SECRET] = "secret-violation",
	[REASON_UPSTREAM_INVALID] = "tls-upstream-invalid",
	[REASON_LIMIT_CONNECTIONS] = "limit-connections",
	[REASON_LIMIT_HALF_OPEN] = "limit-half-open",
	[REASON_LIMIT_UDP] = "limit-udp",
	[REASON_LIMIT_ICMP] = "limit-icmp",
	[REASON_LIMIT_FRAGMENTS] = "limit-fragments",
	[REASON_LIMIT_QUEUES] = "limit-queues",
	[REASON_BUDGET] = "budget",
	[REASON_SPOOFED_SOURCE] = "spoofed-source",
	[REASON_BAD_FRAGMENT] = "bad-fragment",
	[REASON_POLICY_CHANGED] = "policy-changed",
};
_Static_assert(sizeof(reason_names) / sizeof(reason_names[0]) == REASON_COUNT,
	       "every reason has a name");

const char *policy_group_name(enum policy_group g)
{
	return (unsigned)g <= GROUP_PUBLIC ? group_names[g] : "none";
}

const char *policy_reason_name(enum policy_reason r)
{
	return (unsigned)r < REASON_COUNT ? reason_names[r] : "";
}

enum policy_group policy_group_parse(struct span s)
{
	for (int g = GROUP_HOST; g <= GROUP_PUBLIC; g++)
		if (span_is(s, group_names[g]))
			return (enum policy_group)g;
	return GROUP_NONE;
}

int word_index(struct span text, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (span_is(text, words[i]))
			return i;
	return -1;
}

#define WORD_MAX 24 /* longer text is near to no word of the language */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned min2(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edit distance in which two swapped neighbours count once; letter case does not count. */
static unsigned distance(struct span a, const char *b)
{
	size_t nb = strlen(b);
	unsigned row[3][WORD_MAX + 1];

	for (size_t j = 0; j <= nb; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];
		char ca = lower(a.p[i - 1]);

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned d = prev[j - 1] + (ca != b[j - 1]);

			d = min2(d, min2(prev[j], cur[j - 1]) + 1);
			if (i > 1 && j > 1 && ca == b[j - 2] && lower(a.p[i - 2]) == b[j - 1])
				d = min2(d, prev2[j - 2] + 1);
			cur[j] = d;
		}
	}
	return row[a.n % 3][nb];
}

const char *word_nearest(struct span text, const char *const *words)
{
	const char *best = NULL;
	unsigned best_d = 3;

	if (text.n == 0 || text.n > WORD_MAX)
		return NULL;
	for (int i = 0; words[i]; i++) {
		size_t n = strlen(words[i]);

		if (n > WORD_MAX)
			continue;
		unsigned d = distance(text, words[i]);
		/* Of a short word more than half must be right, or everything is near to it. */
		if (d < best_d && d * 2 < n) {
			best = words[i];
			best_d = d;
		}
	}
	return best;
}

struct quoted span_quote(struct span s)
{
	struct quoted q;
	char *at = q.s;
	size_t n = s.n > QUOTE_MAX ? QUOTE_MAX : s.n;

	*at++ = '"';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f)
			*at++ = (char)c;
		else
			at += sprintf(at, "\\x%02x", c);
	}
	if (n < s.n) {
		memcpy(at, "...", 3);
		at += 3;
	}
	*at++ = '"';
	*at = 0;
	return q;
}

struct near_hint word_hint(struct span text, const char *const *words)
{
	const char *near = word_nearest(text, words);
	struct near_hint h = {""};

	if (near)
		snprintf(h.s, sizeof(h.s), "; the nearest is \"%s\"", near);
	return h;
}
