// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of a rule that are words or numbers: action, direction, protocols, ports. Both forms of
 * a rule read them here, so that both take the same spellings and tell the same faults.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/read.h"

static const char *const action_words[] = {"allow", "deny", NULL};
static const char *const dir_words[] = {"egress", "ingress", "any", NULL};
static const uint8_t dir_bits[] = {RULE_EGRESS, RULE_INGRESS, RULE_EGRESS | RULE_INGRESS};
static const char *const proto_words[] = {"tcp", "udp", "icmpv4", "icmpv6", NULL};
static const uint8_t proto_bits[] = {POLICY_TCP, POLICY_UDP, POLICY_ICMPV4, POLICY_ICMPV6};

void reader_init(struct reader *rd, struct arena *mem, struct error *err)
{
	*rd = (struct reader){.mem = mem, .err = err};
}

void reader_done(struct reader *rd)
{
	free(rd->prefixes);
	free(rd->names);
	free(rd->ports);
	http_rule_free(rd->http);
	*rd = (struct reader){0};
}

int reader_fault(struct reader *rd, enum rule_part part, const struct span *item, const char *fmt,
		 ...)
{
	char text[sizeof(rd->err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rd->fault = part;
	if (part == PART_RULE)
		return error_set(rd->err, "%s", text);
	if (item)
		return error_set(rd->err, "%s %s: %s", rd->part_names[part], span_quote(*item).s,
				 text);
	return error_set(rd->err, "%s: %s", rd->part_names[part], text);
}

int reader_no_memory(struct reader *rd)
{
	return reader_fault(rd, PART_RULE, NULL, "out of memory");
}

bool reader_room(void **list, size_t *cap, size_t count, size_t size)
{
	size_t n = *cap ? *cap * 2 : 8;

	if (count < *cap)
		return true;
	void *grown = realloc(*list, n * size);
	if (!grown)
		return false;
	*list = grown;
	*cap = n;
	return true;
}

static int word_fault(struct reader *rd, enum rule_part part, struct span word,
		      const char *expected, const char *const *words)
{
	return reader_fault(rd, part, &word, "expected %s%s", expected, word_hint(word, words).s);
}

int read_action(struct reader *rd, struct span word)
{
	int i = word_index(word, action_words);

	if (i < 0)
		return word_fault(rd, PART_ACTION, word, "allow or deny", action_words);
	rd->rule.allow = i == 0;
	return 0;
}

int read_direction(struct reader *rd, struct span word)
{
	int i = word_index(word, dir_words);

	if (i < 0)
		return word_fault(rd, PART_DIRECTION, word, "egress, ingress or any", dir_words);
	rd->rule.dirs = dir_bits[i];
	return 0;
}

int read_protocol(struct reader *rd, struct span item)
{
	int i = word_index(item, proto_words);

	if (i < 0 && item.n && strspn(item.p, "0123456789") >= item.n)
		return reader_fault(rd, PART_PROTOCOL, &item,
				    "ports stand behind a protocol: tcp:%.*s", (int)item.n, item.p);
	if (i < 0)
		return word_fault(rd, PART_PROTOCOL, item, "tcp, udp, icmpv4 or icmpv6",
				  proto_words);
	rd->protos |= proto_bits[i];
	return 0;
}

/* 1..65535 in its one form: no sign, no leading zero. */
static bool parse_port(struct span s, uint16_t *ret)
{
	unsigned v = 0;

	if (s.n == 0 || s.n > 5 || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	if (v > 65535)
		return false;
	*ret = (uint16_t)v;
	return true;
}

int read_ports(struct reader *rd, struct span item)
{
	const char *dash = item.n ? memchr(item.p, '-', item.n) : NULL;
	struct span first = item, last = item;
	struct rule_ports range;

	if (dash) {
		first.n = (size_t)(dash - item.p);
		last = (struct span){dash + 1, item.n - first.n - 1};
	}
	if (!parse_port(first, &range.first) || !parse_port(last, &range.last))
		return reader_fault(rd, PART_PORTS, &item,
				    "expected a port from 1 to 65535 or a range such as 8000-8100");
	if (range.last < range.first)
		return reader_fault(rd, PART_PORTS, &item,
				    "the range ends before it starts; expected %u-%u", range.last,
				    range.first);
	if (!reader_room((void **)&rd->ports, &rd->port_cap, rd->rule.port_count, sizeof(range)))
		return reader_no_memory(rd);
	rd->ports[rd->rule.port_count++] = range;
	return 0;
}

const char *action_word(bool allow)
{
	return action_words[allow ? 0 : 1];
}

const char *direction_word(uint8_t dirs)
{
	return dir_words[dirs - 1];
}

const char *protocol_word(uint8_t proto)
{
	for (int i = 0; proto_words[i]; i++)
		if (proto_bits[i] == proto)
			return proto_words[i];
	return "";
}
