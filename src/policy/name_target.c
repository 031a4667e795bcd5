// SPDX-License-Identifier: Apache-2.0
/*
 * A target that is a name, or all names below one:
 *
 *	x.com          that name alone; domain=x.com forces it (a name of one label needs that)
 *	*.x.com        every name below it, at any depth, without x.com
 *	.x.com         x.com and every name below it; suffix=x.com is the same
 *
 * A suffix that strangers can register names in (`*.com`, `*.co.uk`, `*.github.io`) is refused: it
 * looks narrow and is not. Which ones those are, the public suffix list says.
 */
#include <idn2.h>
#include <libpsl.h>

#include "policy/read.h"

struct name_spelling {
	const char *prefix; /* as written in front of the name */
	bool self, below;
};

static const struct name_spelling spellings[] = {
	{"domain=", true, false}, {"suffix=", true, true}, {"*.", false, true},
	{".", true, true},        {"", true, false},
};

static const struct name_spelling *spelling_of(struct span item)
{
	const struct name_spelling *s = spellings;

	while (strlen(s->prefix) > item.n || memcmp(item.p, s->prefix, strlen(s->prefix)) != 0)
		s++;
	return s;
}

bool target_is_for_names(struct span item)
{
	for (size_t i = 0; i < item.n; i++)
		if ((unsigned char)item.p[i] >= 0x80)
			return true;
	return memchr(item.p, '.', item.n) || memchr(item.p, '*', item.n) ||
	       memchr(item.p, '=', item.n);
}

/* Shows the name as it must be written, where there is such a form. */
static int fault_non_ascii(struct reader *rd, struct span item, const struct name_spelling *how,
			   struct span text)
{
	char copy[NAME_TEXT_MAX * 4 + 1]; /* UTF-8 has at most four bytes a character */
	uint8_t *found = NULL;
	struct name name;
	bool ok = false;

	if (text.n < sizeof(copy) && !memchr(text.p, 0, text.n)) {
		memcpy(copy, text.p, text.n);
		copy[text.n] = 0;
		ok = idn2_lookup_u8((const uint8_t *)copy, &found,
				    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
		     name_read((const char *)found, strlen((const char *)found), &name) == NAME_OK;
		idn2_free(found);
	}
	if (ok)
		return reader_fault(rd, PART_TARGET, &item,
				    "a name is written in ASCII; expected %s%s", how->prefix,
				    name.s);
	return reader_fault(rd, PART_TARGET, &item,
			    "a name is written in ASCII, and this one has no such form");
}

static int fault_wildcard(struct reader *rd, struct span item)
{
	if (item.n == 1)
		return reader_fault(rd, PART_TARGET, &item,
				    "names of every kind; expected any, or names such as "
				    "*.example.com");
	return reader_fault(rd, PART_TARGET, &item,
			    "a wildcard stands only in front and for whole labels, as in "
			    "*.example.com");
}

static int fault_name(struct reader *rd, struct span item, const struct name_spelling *how,
		      struct span text, enum name_fault fault)
{
	if (fault == NAME_NON_ASCII)
		return fault_non_ascii(rd, item, how, text);
	if (text.n && memchr(text.p, '*', text.n))
		return fault_wildcard(rd, item);
	if (text.n && memchr(text.p, '=', text.n))
		return reader_fault(rd, PART_TARGET, &item,
				    "expected domain=NAME, suffix=NAME, or a name such as "
				    "example.com");
	return reader_fault(rd, PART_TARGET, &item, "this is no name: %s", name_fault_text(fault));
}

static int check_suffix(struct reader *rd, struct span item, const struct name *n)
{
	const char *example = "*.example.com";

	if (!memchr(n->s, '.', n->len))
		return reader_fault(rd, PART_TARGET, &item,
				    "everything below \"%s\" is too wide; expected a suffix of two "
				    "labels or more, such as %s",
				    n->s, example);
	/* The list is compiled into the library; a build without one has no psl_builtin(). */
	if (psl_builtin() && psl_is_public_suffix(psl_builtin(), n->s))
		return reader_fault(rd, PART_TARGET, &item,
				    "\"%s\" is a public suffix: anyone can have a name below it; "
				    "expected a name below it, such as *.example.%.120s",
				    n->s, n->s);
	if (n->len + 2 > NAME_TEXT_MAX)
		return reader_fault(rd, PART_TARGET, &item, "no name below it can be so long");
	return 0;
}

int read_name_target(struct reader *rd, struct span item)
{
	const struct name_spelling *how = spelling_of(item);
	size_t skip = strlen(how->prefix);
	struct span text = {item.p + skip, item.n - skip};
	struct rule *r = &rd->rule;
	struct name n;
	enum name_fault fault = name_read(text.p, text.n, &n);

	if (fault != NAME_OK)
		return fault_name(rd, item, how, text, fault);
	if (how->below && check_suffix(rd, item, &n) < 0)
		return -1;
	if (!reader_room((void **)&rd->names, &rd->name_cap, r->name_count, sizeof(*rd->names)))
		return reader_no_memory(rd);
	struct rule_name *out = &rd->names[r->name_count];
	*out = (struct rule_name){.len = n.len, .self = how->self, .below = how->below};
	out->s = arena_text(rd->mem, n.s, n.len);
	if (!out->s)
		return reader_no_memory(rd);
	r->name_count++;
	return 0;
}
