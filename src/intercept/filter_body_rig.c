// SPDX-License-Identifier: Apache-2.0
/* See filter_body_rig.h. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "http/spelling.h"
#include "intercept/filter_body_rig.h"
#include "secret/needle.h"

struct rig rig;
const struct body_secret body_plain[2] = {{"weir-key-0123456789abcdef",
					   "sk-live-ZYXWVUTSRQPONMLKJ"},
					  {"AKIAPLACEHOLDER00000", "AKIATHEREALVALUE1234"}},
			 body_odd[2] = {{"weir-odd-placeholder",
					 "pa ss\"word\\with/odd+signs%&=\xc3\xa9"},
					{"weir-short",
					 "a much longer value than its placeholder is, by far"}};
size_t body_cut_max;
static uint32_t seed = 11;

uint32_t body_rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 4) * n >> 28);
}

struct view body_text(const char *s)
{
	return view_make(s, strlen(s));
}

void body_setup(const char *host, bool all_plain)
{
	rig_clear_secrets();
	for (size_t i = 0; i < 2; i++) {
		rig_add_secret("ONE",
			       all_plain ? body_plain[i].placeholder : body_odd[i].placeholder,
			       all_plain ? body_plain[i].value : body_odd[i].value, BODY_HOST)
			->places = SECRET_IN_BODY | SECRET_IN_WEBSOCKET;
	}
	rig_init(&rig, host, true);
}

size_t body_cut(void)
{
	return 1 + body_rnd((uint32_t)body_cut_max);
}

static bool find(struct view in, struct view what)
{
	return what.len && in.len >= what.len && memmem(in.p, in.len, what.p, what.len);
}

void body_assert_absent(struct view in, const char *what)
{
	uint8_t *undone = malloc(in.len + 1);
	size_t used, n = spelling_undo(in, false, true, undone, &used);
	uint8_t room[300];

	assert_false(find(in, body_text(what)));
	assert_false(find(view_make(undone, n), body_text(what)));
	for (unsigned phase = 0; phase < 3; phase++)
		assert_false(find(in, view_make(room, needle_spell(body_text(what), NEEDLE_BASE64,
								   phase, room))));
	free(undone);
}
