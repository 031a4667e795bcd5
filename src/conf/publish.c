// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a published port: "[BIND:]HOST:GUEST[/tcp|/udp]".
 *
 * BIND is an IPv4 address, or an IPv6 address in brackets. HOST and GUEST are ports, or ranges of
 * the same length; HOST 0 stands for "any free port", for each port of GUEST.
 */
#include "conf/config.h"

#include <stdlib.h>
#include <string.h>

/* The longest text that can be right is far shorter: two ranges and an IPv6 address. */
#define PUBLISH_TEXT_MAX 127

#define EXPECTED "expected [BIND:]HOST:GUEST[/tcp|/udp]"

/* "N" or "N-M" -> first port and how many. Port 0 only alone, and only where `zero` allows it. */
static int range_parse(const char *what, char *text, bool zero, uint16_t *ret_first,
		       uint32_t *ret_count, struct error *err)
{
	struct error ignored;
	uint64_t first, last;
	char *dash = strchr(text, '-');

	if (dash)
		*dash++ = '\0';
	if (config_parse_uint(text, zero && !dash ? 0 : 1, 65535, &first, &ignored) < 0 ||
	    config_parse_uint(dash ? dash : text, 0, 65535, &last, &ignored) < 0)
		return error_set(err,
				 EXPECTED ": the %s port is a number from %d to 65535 or a range",
				 what, zero ? 0 : 1);
	if (last < first)
		return error_set(err, EXPECTED ": the range of %s ports ends before it starts",
				 what);
	*ret_first = (uint16_t)first;
	*ret_count = (uint32_t)(last - first + 1);
	return 0;
}

/* Cuts "/tcp" or "/udp" off the end of text. */
static int proto_cut(char *text, bool *ret_udp, struct error *err)
{
	char *slash = strchr(text, '/');

	*ret_udp = false;
	if (!slash)
		return 0;
	if (strcmp(slash, "/udp") == 0)
		*ret_udp = true;
	else if (strcmp(slash, "/tcp") != 0)
		return error_set(err, EXPECTED ": the protocol is tcp or udp");
	*slash = '\0';
	return 0;
}

/* Cuts "BIND:" off the start; the rest has one colon. Family 0 where there is no BIND. */
static int bind_cut(char *text, char **ret_rest, struct ipaddr *ret, struct error *err)
{
	char *addr = text, *end;

	*ret = (struct ipaddr){0};
	*ret_rest = text;
	if (*text == '[') {
		addr++;
		end = strstr(text, "]:");
		if (!end)
			return error_set(err, EXPECTED ": no ']:' behind the IPv6 address");
		*end = '\0';
		*ret_rest = end + 2;
		if (!ipaddr_parse(addr, ret) || ret->family != 6)
			return error_set(err, EXPECTED ": no IPv6 address between the brackets");
		return 0;
	}
	char *colon = strchr(text, ':');
	if (!colon || !strchr(colon + 1, ':'))
		return 0; /* HOST:GUEST, or a mistake that the ports will show */
	end = colon;
	*end = '\0';
	*ret_rest = end + 1;
	if (!ipaddr_parse(addr, ret) || ret->family != 4)
		return error_set(err, EXPECTED
				 ": BIND is an IPv4 address or an IPv6 address in brackets");
	return 0;
}

int config_parse_publish(const char *text, struct config_publish *ret, struct error *err)
{
	struct config_publish p = {0};
	uint32_t host_count, guest_count;
	char buf[PUBLISH_TEXT_MAX + 1];
	char *rest;

	if (strlen(text) > PUBLISH_TEXT_MAX)
		return error_set(err, EXPECTED);
	strcpy(buf, text);
	if (proto_cut(buf, &p.udp, err) < 0 || bind_cut(buf, &rest, &p.bind, err) < 0)
		return -1;
	char *guest = strchr(rest, ':');
	if (!guest || strchr(guest + 1, ':'))
		return error_set(err, EXPECTED);
	*guest++ = '\0';
	if (range_parse("host", rest, true, &p.host_port, &host_count, err) < 0 ||
	    range_parse("guest", guest, false, &p.guest_port, &guest_count, err) < 0)
		return -1;
	if (p.host_port != 0 && host_count != guest_count)
		return error_set(err, EXPECTED ": %u host ports and %u guest ports do not match",
				 host_count, guest_count);
	p.count = (uint16_t)guest_count;
	p.text = strdup(text);
	if (!p.text)
		return error_set(err, "out of memory");
	*ret = p;
	return 0;
}
