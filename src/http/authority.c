// SPDX-License-Identifier: Apache-2.0
/*
 * Reading authorities: the host by its first byte (a bracket means IPv6), then what is behind it.
 */
#include "http/authority.h"

/* Digits of the largest port. */
#define PORT_DIGITS 5

static bool read_port(struct view v, uint16_t *ret)
{
	unsigned port = 0;

	if (v.len == 0 || v.len > PORT_DIGITS || v.p[0] == '0')
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		port = port * 10 + (v.p[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* ipaddr_parse() wants a string, and a NUL inside the text must not end it early. */
static bool read_address(struct view v, uint8_t family, struct ipaddr *ret)
{
	char text[IPADDR_STRLEN];
	struct ipaddr a;

	if (v.len >= sizeof(text) || memchr(v.p, '\0', v.len))
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	if (!ipaddr_parse(text, &a) || a.family != family)
		return false;
	*ret = a;
	return true;
}

static bool read_host(struct view v, struct http_authority *ret)
{
	if (v.len == 0)
		return false;
	/* A name never begins with a digit and reads as an address at once: see NAME_ADDRESS. */
	if (v.p[0] >= '0' && v.p[0] <= '9' && read_address(v, 4, &ret->addr))
		return true;
	return name_read((const char *)v.p, v.len, &ret->name) == NAME_OK;
}

/* Splits the host off; what is left in `v` is nothing, or the colon and the port. */
static bool split_host(struct view *v, struct view *ret)
{
	const uint8_t *end;

	if (v->len && v->p[0] == '[') {
		end = memchr(v->p, ']', v->len);
		return end && view_take(v, (size_t)(end - v->p) + 1, ret);
	}
	end = v->len ? memchr(v->p, ':', v->len) : NULL;
	return view_take(v, end ? (size_t)(end - v->p) : v->len, ret);
}

bool http_authority_read(struct view text, struct http_authority *ret)
{
	struct http_authority a = {0};
	struct view host;

	if (!split_host(&text, &host))
		return false;
	if (host.len && host.p[0] == '[') {
		if (!read_address(view_make(host.p + 1, host.len - 2), 6, &a.addr))
			return false;
	} else if (!read_host(host, &a)) {
		return false;
	}
	if (text.len) {
		if (text.p[0] != ':' || !view_skip(&text, 1) || !read_port(text, &a.port))
			return false;
	}
	*ret = a;
	return true;
}

bool http_authority_same_host(const struct http_authority *a, const struct http_authority *b)
{
	return name_eq(&a->name, &b->name) && ipaddr_eq(&a->addr, &b->addr);
}

bool http_authority_eq(const struct http_authority *a, const struct http_authority *b,
		       uint16_t port)
{
	return http_authority_same_host(a, b) &&
	       (a->port ? a->port : port) == (b->port ? b->port : port);
}
