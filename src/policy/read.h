// SPDX-License-Identifier: Apache-2.0
/*
 * Reading rules: a reader collects the parts of one rule after the other and tells every fault as
 *
 *	WHERE: rule "TOKEN": PART "ITEM": what is wrong; expected what would be right
 *	WHERE.PART "ITEM": ...                             for a structured rule
 */
#ifndef WEIR_POLICY_READ_H
#define WEIR_POLICY_READ_H

#include "policy/rule.h"

/* A piece of a token. */
struct span {
	const char *p;
	size_t n;
};

static inline bool span_is(struct span s, const char *word)
{
	return strlen(word) == s.n && memcmp(s.p, word, s.n) == 0;
}

static inline struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

enum rule_part {
	PART_RULE, /* all of it */
	PART_ACTION,
	PART_DIRECTION,
	PART_TARGET,
	PART_PROTOCOL,
	PART_PORTS,
	PART_STRICT,
	PART_HTTP,
	PART_COUNT
};

/* Lists that grow while a rule is read; their memory serves the next rule, too. */
struct reader {
	struct arena *mem; /* where finished rules keep their lists */
	struct error *err;
	const char *const *part_names; /* as the form of the rule calls them */
	enum rule_part fault;          /* what the message is about */
	struct rule rule;              /* under way; its lists are those below */
	uint8_t protos;                /* as written; 0: none */
	struct rule_prefix *prefixes;
	struct rule_name *names;
	struct rule_ports *ports;
	size_t prefix_cap, name_cap, port_cap;
	struct http_rule *http; /* owned until the rule is finished */
};

void reader_init(struct reader *rd, struct arena *mem, struct error *err);
void reader_done(struct reader *rd);

/* ---- source.c ---- */
/* Reads one rule in either form. ret is untouched and the error set on failure. */
int rule_read(struct reader *rd, const struct policy_rule_source *src, struct rule *ret);

/* ---- http.c ---- */
/* What the rule says of requests, from its lists, or from the presets of a token. */
int read_http(struct reader *rd, const struct http_rule_source *src);
int read_http_presets(struct reader *rd, struct span list);
/* A fault where it says so of flows that are no HTTP. */
int check_http(struct reader *rd);

/* ---- token.c ---- */
/* Reads all of a token but the checks of enforce.c into rd->rule. */
int token_read(struct reader *rd, struct span token);

/* ---- parts.c ---- */
/* Sets the message, about one item or (item NULL) a part as a whole. Returns -1. */
int reader_fault(struct reader *rd, enum rule_part part, const struct span *item, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
int reader_no_memory(struct reader *rd);
int read_action(struct reader *rd, struct span word);
int read_direction(struct reader *rd, struct span word);
int read_protocol(struct reader *rd, struct span item);
int read_ports(struct reader *rd, struct span item);
/* What an action, a direction and a set of protocols are called. */
const char *action_word(bool allow);
const char *direction_word(uint8_t dirs);
const char *protocol_word(uint8_t proto);
/* Makes room for one more element; false without memory. */
bool reader_room(void **list, size_t *cap, size_t count, size_t size);

/* ---- target.c ---- */
/* Adds one target (without commas) to the rule. */
int read_target(struct reader *rd, struct span item);
/* True for IPv6 text, with or without a prefix length, outside brackets. */
bool target_is_bare_v6(struct span item);

/* ---- name_target.c ---- */
/* True where the text can only be meant for names: x.com, *.x.com, .x.com, suffix=x, domain=x. */
bool target_is_for_names(struct span item);
int read_name_target(struct reader *rd, struct span item);

/* ---- enforce.c ---- */
/* A fault where (a part of) the rule that was read can never take effect. */
int reader_check(struct reader *rd);

/* ---- words.c ---- */
/* The group of that name; GROUP_NONE where there is none. */
enum policy_group policy_group_parse(struct span s);
/* The word of a NULL-terminated list that is nearest to the text; NULL where none is near. */
const char *word_nearest(struct span text, const char *const *words);
/* Index of the text in a NULL-terminated list, -1 where it is not there. */
int word_index(struct span text, const char *const *words);

/* Text in quotes for a message: cut where it is long, and what is not printable ASCII as \xNN. */
#define QUOTE_MAX 96
struct quoted {
	char s[QUOTE_MAX * 4 + 8];
};
struct quoted span_quote(struct span s);
/* "; the nearest is "WORD"", or "" where no word is near. */
struct near_hint {
	char s[48];
};
struct near_hint word_hint(struct span text, const char *const *words);

#endif
