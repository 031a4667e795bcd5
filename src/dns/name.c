// SPDX-License-Identifier: Apache-2.0
/*
 * Names on the wire: comparing them, their case, and their text.
 */
#include <stdio.h>

#include "dns/wire.h"

static bool is_letter(uint8_t c)
{
	c |= 0x20;
	return c >= 'a' && c <= 'z';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Length bytes are below 64 and so no letters: all bytes of a name can be treated alike. */
bool dns_name_eq(const struct dns_name *x, const struct dns_name *y)
{
	if (x->len != y->len)
		return false;
	for (unsigned i = 0; i < x->len; i++)
		if (lower(x->b[i]) != lower(y->b[i]))
			return false;
	return true;
}

bool dns_question_eq(const struct dns_question *x, const struct dns_question *y)
{
	return x->type == y->type && x->class == y->class && dns_name_eq(&x->name, &y->name);
}

bool dns_name_eq_case(const struct dns_name *x, const struct dns_name *y)
{
	return x->len == y->len && memcmp(x->b, y->b, x->len) == 0;
}

void dns_name_mix_case(struct dns_name *n, const uint8_t random[32])
{
	for (unsigned i = 0; i < n->len; i++)
		if (is_letter(n->b[i]) && (random[i / 8] >> (i % 8) & 1))
			n->b[i] ^= 0x20;
}

void dns_name_lower(struct dns_name *n)
{
	for (unsigned i = 0; i < n->len; i++)
		n->b[i] = lower(n->b[i]);
}

bool dns_name_parse(const char *text, struct dns_name *ret)
{
	struct dns_name n = {0};
	while (*text) {
		size_t len = strcspn(text, ".");
		if (len == 0 || len > NAME_LABEL_MAX || n.len + 1 + len + 1 > DNS_NAME_MAX)
			return false;
		n.b[n.len] = (uint8_t)len;
		memcpy(n.b + n.len + 1, text, len);
		n.len += (uint8_t)(1 + len);
		text += len;
		if (*text == '.')
			text++;
	}
	n.b[n.len++] = 0;
	*ret = n;
	return true;
}

void dns_name_of(const struct name *text, struct dns_name *ret)
{
	/* A struct name is in the grammar and no longer than fits. */
	if (!dns_name_parse(text->s, ret))
		*ret = (struct dns_name){.len = 1};
}

bool dns_name_text(const struct dns_name *n, struct name *ret)
{
	char text[DNS_NAME_MAX];
	size_t len = 0;
	for (unsigned i = 0; i + 1 < n->len; i += 1u + n->b[i]) {
		/* A dot inside a label must not pass for one between labels. */
		if (memchr(n->b + i + 1, '.', n->b[i]))
			return false;
		memcpy(text + len, n->b + i + 1, n->b[i]);
		len += n->b[i];
		text[len++] = '.';
	}
	return name_read(text, len, ret) == NAME_OK;
}

const char *dns_name_str(const struct dns_name *n, char buf[DNS_NAME_STRLEN])
{
	size_t len = 0;
	for (unsigned i = 0; i + 1 < n->len; i += 1u + n->b[i]) {
		if (i)
			buf[len++] = '.';
		for (unsigned k = i + 1; k <= i + n->b[i]; k++) {
			uint8_t c = n->b[k];
			if (c > ' ' && c < 0x7f && !strchr(".\\\"$();@", c))
				buf[len++] = (char)c;
			else
				len += (size_t)sprintf(buf + len, "\\%03u", c);
		}
	}
	if (len == 0)
		buf[len++] = '.';
	buf[len] = 0;
	return buf;
}

void dns_name_reverse(const struct ipaddr *a, struct dns_name *ret)
{
	char text[80];
	size_t len = 0;
	if (a->family == 4) {
		snprintf(text, sizeof(text), "%u.%u.%u.%u.in-addr.arpa", a->b[3], a->b[2], a->b[1],
			 a->b[0]);
	} else {
		static const char hex[] = "0123456789abcdef";
		for (int i = 15; i >= 0; i--) {
			text[len++] = hex[a->b[i] & 15];
			text[len++] = '.';
			text[len++] = hex[a->b[i] >> 4];
			text[len++] = '.';
		}
		memcpy(text + len, "ip6.arpa", 9);
	}
	dns_name_parse(text, ret);
}

static const struct word {
	uint16_t value;
	const char *text;
} types[] =
	{
		{1, "A"},       {2, "NS"},       {5, "CNAME"},       {6, "SOA"},     {10, "NULL"},
		{12, "PTR"},    {13, "HINFO"},   {15, "MX"},         {16, "TXT"},    {17, "RP"},
		{18, "AFSDB"},  {24, "SIG"},     {25, "KEY"},        {28, "AAAA"},   {29, "LOC"},
		{33, "SRV"},    {35, "NAPTR"},   {37, "CERT"},       {39, "DNAME"},  {41, "OPT"},
		{43, "DS"},     {44, "SSHFP"},   {45, "IPSECKEY"},   {46, "RRSIG"},  {47, "NSEC"},
		{48, "DNSKEY"}, {50, "NSEC3"},   {51, "NSEC3PARAM"}, {52, "TLSA"},   {53, "SMIMEA"},
		{59, "CDS"},    {60, "CDNSKEY"}, {61, "OPENPGPKEY"}, {62, "CSYNC"},  {63, "ZONEMD"},
		{64, "SVCB"},   {65, "HTTPS"},   {99, "SPF"},        {108, "EUI48"}, {109, "EUI64"},
		{249, "TKEY"},  {250, "TSIG"},   {251, "IXFR"},      {252, "AXFR"},  {255, "ANY"},
		{256, "URI"},   {257, "CAA"},
},
  rcodes[] = {
	  {0, "NOERROR"}, {1, "FORMERR"}, {2, "SERVFAIL"}, {3, "NXDOMAIN"},
	  {4, "NOTIMP"},  {5, "REFUSED"}, {6, "YXDOMAIN"}, {7, "YXRRSET"},
	  {8, "NXRRSET"}, {9, "NOTAUTH"}, {10, "NOTZONE"},
};

static const char *word(const struct word *w, size_t n, unsigned value, const char *prefix,
			char buf[12])
{
	for (size_t i = 0; i < n; i++)
		if (w[i].value == value)
			return w[i].text;
	snprintf(buf, 12, "%s%u", prefix, value & 0xffff);
	return buf;
}

const char *dns_type_str(uint16_t type, char buf[12])
{
	return word(types, sizeof(types) / sizeof(types[0]), type, "TYPE", buf);
}

const char *dns_rcode_str(unsigned rcode, char buf[12])
{
	return word(rcodes, sizeof(rcodes) / sizeof(rcodes[0]), rcode, "RCODE", buf);
}
