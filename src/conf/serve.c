// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a link of `weir serve`.
 *
 * "VALUE[,WORD]...": VALUE is a path, the name of a tap, or a file descriptor by its number or by
 * the name that the service manager gave it. The words say what the wire looks like; which of them
 * make sense depends on the kind. A comma always ends VALUE.
 */
#include "conf/config.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
	[CONFIG_SERVE_STREAM] = "stream",
	[CONFIG_SERVE_DGRAM] = "dgram",
	[CONFIG_SERVE_SEQPACKET] = "seqpacket",
	[CONFIG_SERVE_VPNKIT] = "vpnkit",
	[CONFIG_SERVE_VHOST_USER] = "vhost-user",
	[CONFIG_SERVE_TAP] = "tap",
	[CONFIG_SERVE_FD] = "fd",
	NULL,
};
static const char *const offloads[] = {"none", "vnet", "libkrun", NULL};

#define TAP_NAME_MAX 15 /* IFNAMSIZ without its NUL */

const char *config_serve_word(enum config_serve_kind kind)
{
	return kinds[kind];
}

static bool has_path(enum config_serve_kind kind)
{
	return kind != CONFIG_SERVE_TAP && kind != CONFIG_SERVE_FD;
}

/* offload=, where the link has no header of its own. */
static int word_offload(const char *value, struct config_serve *s, struct error *err)
{
	if (s->kind == CONFIG_SERVE_VHOST_USER || s->kind == CONFIG_SERVE_TAP)
		return error_set(err, "offload= is not for %s, which says what it can do by itself",
				 kinds[s->kind]);
	int i = config_parse_word(value, offloads, err);
	if (i < 0)
		return error_prefix(err, "offload=");
	s->offload = (enum config_offload)i;
	return 0;
}

static int word_mode(const char *value, struct config_serve *s, struct error *err)
{
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	if (!has_path(s->kind) || s->kind == CONFIG_SERVE_VHOST_USER)
		return error_set(err, "mode= is not for %s", kinds[s->kind]);
	if (!isdigit((unsigned char)*value) || *end || mode == 0 || mode > 0777)
		return error_set(err, "mode=: expected the octal mode of a socket, such as 0660");
	s->mode = (unsigned)mode;
	return 0;
}

static int word_client(struct config_serve *s, struct error *err)
{
	if (s->kind != CONFIG_SERVE_STREAM && s->kind != CONFIG_SERVE_VHOST_USER)
		return error_set(err, "client is for stream and vhost-user only");
	s->client = true;
	return 0;
}

/* What the descriptor of --fd is. */
static int word_kind(const char *word, struct config_serve *s)
{
	for (int i = 0; kinds[i]; i++) {
		if (i != CONFIG_SERVE_FD && strcmp(word, kinds[i]) == 0) {
			s->kind = (enum config_serve_kind)i;
			return 0;
		}
	}
	return -1;
}

static int parse_word(const char *word, bool is_fd, struct config_serve *s, struct error *err)
{
	if (strncmp(word, "offload=", 8) == 0)
		return word_offload(word + 8, s, err);
	if (strncmp(word, "mode=", 5) == 0 && !is_fd)
		return word_mode(word + 5, s, err);
	if (strcmp(word, "client") == 0 && !is_fd)
		return word_client(s, err);
	if (is_fd && word_kind(word, s) == 0)
		return 0;
	return error_set(err, "expected %s behind the comma",
			 is_fd ? "stream, dgram, seqpacket, vpnkit, vhost-user, tap or offload=MODE"
			       : "client, offload=MODE or mode=OCTAL");
}

/* An empty value, and one that its kind cannot have. */
static int check_value(struct config_serve *s, struct error *err)
{
	struct error ignored;
	uint64_t n;
	size_t len = strlen(s->name);

	if (has_path(s->kind))
		return len ? 0 : error_set(err, "expected the path of a socket");
	if (s->kind == CONFIG_SERVE_TAP)
		return len && len <= TAP_NAME_MAX && !strpbrk(s->name, "/ \t%:")
			       ? 0
			       : error_set(err,
					   "expected the name of a network interface, of 1 to %d "
					   "characters",
					   TAP_NAME_MAX);
	if (isdigit((unsigned char)*s->name)) {
		if (config_parse_uint(s->name, 3, INT_MAX, &n, &ignored) < 0)
			return error_set(err, "expected an open file descriptor, 3 or above");
		s->fd = (int)n;
		return 0;
	}
	return config_check_name(s->name, &ignored) == 0
		       ? 0
		       : error_set(err, "expected the number of an open file descriptor, or a name "
					"of LISTEN_FDNAMES");
}

int config_parse_serve(enum config_serve_kind kind, const char *text, struct config_serve *ret,
		       struct error *err)
{
	struct config_serve s = {.kind = kind, .fd = -1};
	char *words, *word;

	s.name = strdup(text);
	if (!s.name)
		return error_set(err, "out of memory");
	words = strchr(s.name, ',');
	if (words)
		*words++ = '\0';
	if (check_value(&s, err) < 0)
		goto fail;
	while ((word = strsep(&words, ","))) {
		if (parse_word(word, kind == CONFIG_SERVE_FD, &s, err) < 0)
			goto fail;
	}
	*ret = s;
	return 0;
fail:
	free(s.name);
	return -1;
}

int config_parse_link(const char *text, struct config_serve *ret, struct error *err)
{
	size_t n = strcspn(text, ":");

	for (int i = 0; text[n] && kinds[i]; i++) {
		if (strlen(kinds[i]) == n && strncmp(kinds[i], text, n) == 0)
			return config_parse_serve((enum config_serve_kind)i, text + n + 1, ret,
						  err);
	}
	return error_set(err,
			 "expected KIND:VALUE, where KIND is stream, dgram, seqpacket, vpnkit, "
			 "vhost-user, tap or fd");
}

bool config_serve_same(const struct config_serve *a, const struct config_serve *b)
{
	if (a->fd >= 0 || b->fd >= 0)
		return a->fd == b->fd;
	if ((a->kind == CONFIG_SERVE_TAP) != (b->kind == CONFIG_SERVE_TAP))
		return false;
	return strcmp(a->name, b->name) == 0;
}

int config_check_name(const char *text, struct error *err)
{
	size_t n = strlen(text);
	bool ok = n >= 1 && n <= CONFIG_NAME_MAX && *text != '.' && *text != '-';

	for (size_t i = 0; ok && i < n; i++)
		ok = isascii(text[i]) &&
		     (isalnum((unsigned char)text[i]) || strchr("._-", text[i]));
	if (ok)
		return 0;
	return error_set(err,
			 "expected a name of 1 to %d letters, digits, '.', '_' and '-' that begins "
			 "with a letter, a digit or '_'",
			 CONFIG_NAME_MAX);
}
