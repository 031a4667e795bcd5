// SPDX-License-Identifier: Apache-2.0
/*
 * What `weir check` is asked about: "tcp HOST:PORT", "udp HOST:PORT", "icmp HOST", "dns NAME", an
 * URL, or "METHOD URL". A complaint names the target and says what was expected.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/check.h"

static const char *const kinds[] = {
	[CHECK_TCP] = "tcp", [CHECK_UDP] = "udp",     [CHECK_ICMP] = "icmp",
	[CHECK_DNS] = "dns", [CHECK_HTTPS] = "https", [CHECK_HTTP] = "http",
};

const char *check_kind_name(enum check_kind k)
{
	return kinds[k];
}

/* The longest host that can be right, in brackets, and some more, so that what is too long is told
 * so. */
#define HOST_MAX 300

/* A name or an address without brackets. `icmp` and `dns` take IPv6 as it is. */
static int read_host(const char *host, bool bare_v6, struct check_target *t, struct error *err)
{
	size_t n = strlen(host);
	enum name_fault f;

	if (host[0] == '[') {
		char v6[HOST_MAX];

		snprintf(v6, sizeof(v6), "%s", host + 1);
		if (n < 2 || host[n - 1] != ']')
			return error_set(err, "expected ']' behind the IPv6 address");
		v6[n - 2] = 0;
		if (!ipaddr_parse(v6, &t->addr) || t->addr.family != 6)
			return error_set(err, "expected an IPv6 address in the brackets");
		return 0;
	}
	if (ipaddr_parse(host, &t->addr)) {
		if (t->addr.family == 6 && !bare_v6)
			return error_set(err, "expected an IPv6 address in brackets");
		return 0;
	}
	f = name_read(host, n, &t->name);
	if (f == NAME_NON_ASCII)
		return error_set(err, "the name is not ASCII; expected its A-labels (xn--...)");
	if (f == NAME_ADDRESS)
		return error_set(err,
				 "expected a name, or an IPv4 address as four decimal numbers");
	if (f != NAME_OK)
		return error_set(err, "expected a name or an IP address: %s", name_fault_text(f));
	return 0;
}

static int read_port(const char *text, uint16_t *ret, struct error *err)
{
	uint64_t n;

	if (config_parse_uint(text, 1, 65535, &n, err) < 0)
		return error_set(err, "expected a port from 1 to 65535");
	*ret = (uint16_t)n;
	return 0;
}

/* HOST:PORT; without a port where `dflt` is one. */
static int read_host_port(const char *text, uint16_t dflt, struct check_target *t,
			  struct error *err)
{
	const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
	const char *colon = strchr(end ? end : text, ':');
	char host[HOST_MAX];
	size_t n = colon ? (size_t)(colon - text) : strlen(text);

	if (text[0] == '[' && !end)
		return error_set(err, "expected ']' behind the IPv6 address");
	if (!colon && !dflt)
		return error_set(err, "expected HOST:PORT");
	if (colon && text[0] != '[' && strchr(colon + 1, ':'))
		return error_set(err, "expected an IPv6 address in brackets");
	if (n >= sizeof(host))
		return error_set(err, "expected a name or an IP address: it is too long");
	memcpy(host, text, n);
	host[n] = 0;
	t->port = dflt;
	if (colon && read_port(colon + 1, &t->port, err) < 0)
		return -1;
	return read_host(host, false, t, err);
}

/* SCHEME://HOST[:PORT][/...]; `url` stands at the end of t->text. */
static int read_url(const char *url, struct check_target *t, struct error *err)
{
	const char *host = strstr(url, "://") + 3;
	size_t scheme = (size_t)(host - 3 - url), n = strcspn(host, "/?#");
	char authority[HOST_MAX];

	if (scheme == 5 && strncasecmp(url, "https", 5) == 0)
		t->kind = CHECK_HTTPS;
	else if (scheme == 4 && strncasecmp(url, "http", 4) == 0)
		t->kind = CHECK_HTTP;
	else
		return error_set(err, "expected a URL with http:// or https://");
	if (n >= sizeof(authority))
		return error_set(err, "expected a name or an IP address: it is too long");
	memcpy(authority, host, n);
	authority[n] = 0;
	t->path_len = (uint16_t)strcspn(host + n, "#");
	t->path_at = (uint16_t)(strlen(t->text) - strlen(host + n));
	if (strchr(authority, '@'))
		return error_set(err, "expected a URL without a user name");
	return read_host_port(authority, t->kind == CHECK_HTTPS ? 443 : 80, t, err);
}

static int read_what(const char *what, struct check_target *t, struct error *err)
{
	switch (t->kind) {
	case CHECK_TCP:
	case CHECK_UDP:
		return read_host_port(what, 0, t, err);
	case CHECK_ICMP:
		return read_host(what, true, t, err);
	default:
		if (read_host(what, true, t, err) < 0)
			return -1;
		return t->name.len ? 0 : error_set(err, "expected a name, not an address");
	}
}

static int unknown_kind(const char *word, struct error *err)
{
	static const char *const words[] = {"tcp", "udp", "icmp", "dns", NULL};
	const char *near = config_nearest(word, words);

	if (word[0] == '-')
		return error_set(err, "options stand before the targets");
	if (near)
		return error_set(err, "did you mean '%s'?", near);
	return error_set(err, "expected tcp HOST:PORT, udp HOST:PORT, icmp HOST, dns NAME, a "
			      "URL, or METHOD URL");
}

/* Letters in capitals in front of an URL. */
static bool is_method(const char *word)
{
	size_t n = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

	return n > 0 && n <= CHECK_METHOD_MAX && !word[n];
}

static int kind_of(const char *word)
{
	for (int k = CHECK_TCP; k <= CHECK_DNS; k++)
		if (strcmp(word, kinds[k]) == 0)
			return k;
	return -1;
}

/* Not printable in a message or a table. */
static bool has_odd_bytes(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

int check_target_read(const char *kind, const char *what, struct check_target *ret, int *ret_words,
		      struct error *err)
{
	struct check_target t = {0};
	const char *address = what && is_method(kind) && strstr(what, "://") ? what : kind;
	bool url = strstr(address, "://") != NULL;
	int k = url ? CHECK_HTTP : kind_of(kind), n;

	strcpy(t.method, !url ? "" : address == what ? kind : "GET");
	if ((url && address == kind) || k < 0 || !what)
		n = snprintf(t.text, sizeof(t.text), "%s", kind);
	else
		n = snprintf(t.text, sizeof(t.text), "%s %s", kind, what);
	if (n >= (int)sizeof(t.text) || has_odd_bytes(t.text))
		return error_set(err, "a target is longer than %d bytes, or not printable",
				 CHECK_TEXT_MAX);
	*ret_words = address == what || !url ? 2 : 1;
	t.kind = (enum check_kind)k;
	if (k < 0)
		unknown_kind(kind, err);
	else if (url ? read_url(address, &t, err) == 0 : what && read_what(what, &t, err) == 0)
		goto ok;
	else if (!url && !what)
		error_set(err, k == CHECK_DNS    ? "expected a name behind it"
			       : k == CHECK_ICMP ? "expected a host behind it"
						 : "expected HOST:PORT behind it");
	char why[sizeof(err->msg)];
	memcpy(why, err->msg, sizeof(why));
	return error_set(err, "'%.200s': %.250s", t.text, why);
ok:
	*ret = t;
	return 0;
}
