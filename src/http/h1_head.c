// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the lines of a request's head and trailer, and what they say together. Every refusal has
 * its text here or in h1.c.
 */
#include "http/h1_priv.h"
#include "http/text.h"

#define BAD_REQUEST  400
#define EXPECT_FAILS 417
#define TOO_LARGE    431
#define BAD_VERSION  505

#define PORT_HTTP  80
#define PORT_HTTPS 443

bool h1_refuse(struct h1 *h, int status, const char *error)
{
	h->state = H1_S_ERROR;
	h->status = status;
	h->error = error;
	return false;
}

/* The line under way without its CR LF; false where it ends with a bare LF. */
static bool current_line(struct h1 *h, struct view *ret)
{
	const char *error = h1_line_show(&h->store, h->line, ret);

	return !error || h1_refuse(h, BAD_REQUEST, error);
}

/* ---- the request line ---- */

static bool read_version(struct h1 *h, struct view v)
{
	if (v.len != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[6] != '.' || v.p[5] < '0' ||
	    v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
		return h1_refuse(h, BAD_REQUEST, "the request line does not end with a version");
	if (v.p[5] != '1' || v.p[7] > '1')
		return h1_refuse(h, BAD_VERSION, "the version is neither HTTP/1.0 nor HTTP/1.1");
	h->head.minor = v.p[7] - '0';
	return true;
}

/* "http://" or "https://" at the start; the authority behind it ends at the path or the query. */
static bool read_absolute(struct h1 *h, struct view target)
{
	static const char *const scheme[] = {"http://", "https://"};

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(scheme[i]), end;
		if (target.len < n || !http_text_is(view_make(target.p, n), scheme[i]))
			continue;
		view_skip(&target, n);
		for (end = 0; end < target.len && target.p[end] != '/' && target.p[end] != '?';)
			end++;
		if (!http_authority_read(view_make(target.p, end), &h->head.authority))
			return h1_refuse(h, BAD_REQUEST, "the target's host cannot be read");
		h->head.has_authority = true;
		h->default_port = i ? PORT_HTTPS : PORT_HTTP;
		h->head.absolute = true;
		h->head.port = h->head.authority.port ? h->head.authority.port : h->default_port;
		return true;
	}
	return h1_refuse(h, BAD_REQUEST, "the target is no path and no http or https URL");
}

/* The four forms of RFC 9112 3.2. */
static bool read_target(struct h1 *h, struct view method, struct view target)
{
	if (!http_target_clean(target))
		return h1_refuse(h, BAD_REQUEST, "a character in the target is not allowed");
	if (h->head.connect) {
		if (!http_authority_read(target, &h->head.authority) || !h->head.authority.port)
			return h1_refuse(h, BAD_REQUEST, "CONNECT wants a host and a port");
		h->head.has_authority = true;
		h->head.port = h->head.authority.port;
		return true;
	}
	if (target.p[0] == '/')
		return true;
	if (http_text_is_exactly(target, "*")) {
		if (http_text_is_exactly(method, "OPTIONS"))
			return true;
		return h1_refuse(h, BAD_REQUEST, "the target * is for OPTIONS only");
	}
	return read_absolute(h, target);
}

static bool read_method(struct h1 *h, struct view method)
{
	if (method.len == 0 || method.len > H1_METHOD_MAX)
		return h1_refuse(h, BAD_REQUEST, "the method is no token of 64 characters at most");
	h->head.connect = http_text_is_exactly(method, "CONNECT");
	/* Whether a server takes these for the real ones decides how the answer ends. */
	if ((!h->head.connect && http_text_is(method, "connect")) ||
	    (!http_text_is_exactly(method, "HEAD") && http_text_is(method, "head")))
		return h1_refuse(h, BAD_REQUEST, "the method is in lower case");
	return true;
}

bool h1_request_line(struct h1 *h)
{
	struct view line, method, target;

	if (!current_line(h, &line))
		return false;
	if (line.len == 0)
		return h1_refuse(h, BAD_REQUEST, "an empty line in front of the request line");
	view_take(&line, http_token_len(line), &method);
	if (!read_method(h, method))
		return false;
	const uint8_t *space =
		line.len > 1 && line.p[0] == ' ' ? memchr(line.p + 1, ' ', line.len - 1) : NULL;
	if (!space || space == line.p + 1)
		return h1_refuse(h, BAD_REQUEST, "the request line has no three parts");
	view_skip(&line, 1);
	view_take(&line, (size_t)(space - line.p), &target);
	view_skip(&line, 1);
	h->method_len = method.len;
	h->target_len = target.len;
	return read_version(h, line) && read_target(h, method, target);
}

/* ---- fields ---- */

static bool field_host(struct h1 *h, struct view value)
{
	if (h->has_host)
		return h1_refuse(h, BAD_REQUEST, "more than one Host field");
	if (!http_authority_read(value, &h->host))
		return h1_refuse(h, BAD_REQUEST, "the Host field cannot be read");
	h->has_host = true;
	return true;
}

static bool field_length(struct h1 *h, struct view value)
{
	if (h->has_length)
		return h1_refuse(h, BAD_REQUEST, "more than one Content-Length field");
	if (!http_length_read(value, &h->head.length))
		return h1_refuse(h, BAD_REQUEST, "the Content-Length is no plain number");
	h->has_length = true;
	return true;
}

static bool field_coding(struct h1 *h, struct view value)
{
	/* In any other case of letters some servers do not know it, and see another body. */
	if (h->has_coding || !http_text_is_exactly(value, "chunked"))
		return h1_refuse(h, BAD_REQUEST, "the Transfer-Encoding is not one \"chunked\"");
	h->has_coding = h->head.chunked = true;
	return true;
}

static bool field_expect(struct h1 *h, struct view value)
{
	if (h->head.minor == 0)
		return true; /* RFC 9110 10.1.1: to be ignored */
	if (!http_text_is(value, "100-continue"))
		return h1_refuse(h, EXPECT_FAILS, "the Expect field is not 100-continue");
	h->head.expect_continue = true;
	return true;
}

static bool field_upgrade(struct h1 *h, struct view value)
{
	struct view member;

	while (http_list_next(&value, &member)) {
		h->head.upgrade = true;
		h->head.upgrade_h2c |= http_text_is(member, "h2c");
	}
	return true;
}

/* A proxy behind takes away the fields that are named here; these it must not lose. */
static bool field_connection(struct h1 *h, struct view value)
{
	struct view member;

	while (http_list_next(&value, &member)) {
		if (http_text_is(member, "host") || http_text_is(member, "content-length") ||
		    http_text_is(member, "transfer-encoding"))
			return h1_refuse(h, BAD_REQUEST, "Connection names a field of the message");
	}
	return true;
}

#define NAME(s) s, sizeof(s) - 1

/* The fields that say where a message goes and where it ends, and others that steer its reading:
 * none of them may come behind the body (RFC 9110 6.5.1). */
static const struct {
	const char *name; /* lower case */
	uint8_t len;
	bool (*read)(struct h1 *h, struct view value);
} known[] = {
	{NAME("host"), field_host},
	{NAME("content-length"), field_length},
	{NAME("transfer-encoding"), field_coding},
	{NAME("expect"), field_expect},
	{NAME("upgrade"), field_upgrade},
	{NAME("connection"), field_connection},
	{NAME("trailer"), NULL},
	{NAME("content-encoding"), NULL},
	{NAME("content-type"), NULL},
	{NAME("content-range"), NULL},
	{NAME("authorization"), NULL},
	{NAME("proxy-authorization"), NULL},
	{NAME("cookie"), NULL},
	{NAME("te"), NULL},
};

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* An underscore counts as a hyphen, for servers that hand fields on as environment variables cannot
 * tell them apart. */
static bool is_named(struct view name, const char *lower)
{
	for (size_t i = 0; i < name.len; i++)
		if ((name.p[i] == '_' ? '-' : http_lower(name.p[i])) != lower[i])
			return false;
	return true;
}

/* Index in the table, or KNOWN_COUNT. The length alone rules most of them out. */
static size_t find_known(struct view name)
{
	size_t i;

	for (i = 0; i < KNOWN_COUNT; i++)
		if (known[i].len == name.len && is_named(name, known[i].name))
			break;
	return i;
}

static bool judge_field(struct h1 *h, struct view name, struct view value)
{
	size_t i = find_known(name);

	if (i == KNOWN_COUNT)
		return true;
	if (h->state == H1_S_TRAILER)
		return h1_refuse(h, BAD_REQUEST, "a trailer field that belongs into the head");
	if (!known[i].read)
		return true;
	if (memchr(name.p, '_', name.len))
		return h1_refuse(h, BAD_REQUEST, "a field's name has an underscore for a hyphen");
	return known[i].read(h, value);
}

bool h1_field_line(struct h1 *h)
{
	struct view line, name, value;

	if (!current_line(h, &line))
		return false;
	if (line.len == 0)
		return true;
	const char *error = h1_field_split(line, &name, &value);
	if (error)
		return h1_refuse(h, BAD_REQUEST, error);
	if (!http_fields_add(&h->store, name, value))
		return h1_refuse(h, TOO_LARGE, "too many fields");
	return judge_field(h, name, value);
}

/* ---- together ---- */

static bool check_host(struct h1 *h)
{
	struct h1_head *head = &h->head;

	if (!h->has_host)
		return head->minor == 0 || h1_refuse(h, BAD_REQUEST, "no Host field");
	if (!head->has_authority) {
		head->authority = h->host;
		head->has_authority = true;
		return true;
	}
	/* Some clients leave the port of a CONNECT out of Host. */
	if (head->connect ? http_authority_eq(&head->authority, &h->host, head->authority.port)
			  : http_authority_eq(&head->authority, &h->host, h->default_port))
		return true;
	return h1_refuse(h, BAD_REQUEST, "Host is another host than the target");
}

bool h1_head_check(struct h1 *h)
{
	if (h->has_coding && h->has_length)
		return h1_refuse(h, BAD_REQUEST, "Content-Length together with Transfer-Encoding");
	if (h->has_coding && h->head.minor == 0)
		return h1_refuse(h, BAD_REQUEST, "Transfer-Encoding in HTTP/1.0");
	if (h->head.connect && (h->has_coding || h->has_length))
		return h1_refuse(h, BAD_REQUEST, "CONNECT with a body");
	return check_host(h);
}
