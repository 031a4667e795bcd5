// SPDX-License-Identifier: Apache-2.0
/*
 * `weir ca`: the authority that TLS interception signs with, in its usual place. What guests are to
 * trust is shown; the private key never is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/cli.h"
#include "tls/ca.h"

struct ca_options {
	const char *action;
	bool json, text, force, help;
};

void help_ca(FILE *out)
{
	fputs("Usage: weir ca show [--text|--json]\n"
	      "       weir ca path [--json]\n"
	      "       weir ca create [--force] [--json]\n\n"
	      "The authority that TLS interception signs with. It is made when it is first needed.\n"
	      "  show      prints its certificate, in PEM: what a guest is to trust\n"
	      "  path      prints where the certificate and the private key are\n"
	      "  create    makes one, and says where it is\n\n"
	      "      --text    prints all that the certificate says\n"
	      "      --json    prints one JSON object\n"
	      "      --force   replaces the one that is there\n\n"
	      "The exit status is 0, or 125 where weir failed.\n",
	      out);
}

static int read_option(const char *word, struct ca_options *o, struct error *err)
{
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		o->help = true;
	else if (strcmp(word, "--json") == 0)
		o->json = true;
	else if (strcmp(word, "--text") == 0)
		o->text = true;
	else if (strcmp(word, "--force") == 0)
		o->force = true;
	else
		return error_set(err, "ca: %.100s: no such option; 'weir ca --help' lists them",
				 word);
	return 0;
}

static int read_words(int argc, char **argv, struct ca_options *o, struct error *err)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && read_option(argv[i], o, err) < 0)
			return -1;
		if (argv[i][0] == '-')
			continue;
		if (o->action)
			return error_set(err, "ca: '%.100s': expected one of show, path or create",
					 argv[i]);
		o->action = argv[i];
	}
	if (o->help)
		return 0;
	if (!o->action)
		return error_set(err, "ca: expected show, path or create");
	if (o->text && (o->json || strcmp(o->action, "show") != 0))
		return error_set(err, "ca: --text goes with show, and not with --json");
	if (o->force && strcmp(o->action, "create") != 0)
		return error_set(err, "ca: --force goes with create");
	return 0;
}

/* ---- output ---- */

struct ca_paths {
	char *cert, *key;
};

static void put_json(const struct ca_paths *p, const struct tls_ca_info *i, struct buf *pem)
{
	/* Each byte of the certificates could become six. */
	size_t cap = 16384 + 6 * pem->len;
	char *text = malloc(cap);

	if (!text)
		return;
	struct json j = json_make(text, cap);
	json_object_begin(&j, NULL);
	json_text(&j, "cert", p->cert);
	json_text(&j, "key", p->key);
	if (i) {
		json_text(&j, "subject", i->subject);
		json_text(&j, "sha256", i->fingerprint);
		json_text(&j, "not_before", i->not_before);
		json_text(&j, "not_after", i->not_after);
		json_bool(&j, "in_force", i->in_force);
		json_text_n(&j, "pem", (const char *)buf_view(pem).p, pem->len);
	}
	json_object_end(&j);
	fwrite(j.out.p, 1, j.out.len, stdout);
	putchar('\n');
	free(text);
}

/* What stands in front of the first block is no part of PEM: programs pass it over. */
static void put_pem(const struct tls_ca_info *i, const struct buf *pem)
{
	printf("# Subject: %s\n# SHA-256: %s\n# Valid: %s to %s%s\n", i->subject, i->fingerprint,
	       i->not_before, i->not_after, i->in_force ? "" : " (not in force)");
	fwrite(buf_view(pem).p, 1, pem->len, stdout);
}

static int show(const struct ca_options *o, const struct ca_paths *p, struct error *err)
{
	struct buf pem = {0}, text = {0};
	struct tls_ca_info info;

	if (access(p->cert, F_OK) < 0 && errno == ENOENT)
		return error_set(err, "%s: there is none yet; 'weir ca create' makes one", p->cert);
	int r = tls_ca_describe(p->cert, &info, &pem, &text, err);
	if (r == 0 && o->json) {
		put_json(p, &info, &pem);
	} else if (r == 0) {
		if (o->text)
			fwrite(buf_view(&text).p, 1, text.len, stdout);
		put_pem(&info, &pem);
	}
	buf_done(&pem);
	buf_done(&text);
	return r;
}

static int path(const struct ca_options *o, const struct ca_paths *p)
{
	struct buf none = {0};

	if (o->json)
		put_json(p, NULL, &none);
	else
		printf("%s\n%s\n", p->cert, p->key);
	return 0;
}

static int create(const struct ca_options *o, const struct ca_paths *p, struct error *err)
{
	struct tls_ca *ca = tls_ca_create(o->force, err);

	if (!ca)
		return -1;
	tls_ca_free(ca);
	if (o->json)
		return show(o, p, err);
	printf("certificate: %s\nprivate key: %s\n", p->cert, p->key);
	return 0;
}

static int act(const struct ca_options *o, struct error *err)
{
	struct ca_paths p = {tls_ca_default_path(false, err), NULL};
	int r = -1;

	p.key = p.cert ? tls_ca_default_path(true, err) : NULL;
	if (!p.key)
		r = -1;
	else if (strcmp(o->action, "show") == 0)
		r = show(o, &p, err);
	else if (strcmp(o->action, "path") == 0)
		r = path(o, &p);
	else if (strcmp(o->action, "create") == 0)
		r = create(o, &p, err);
	else
		error_set(err, "ca: '%.100s': expected show, path or create", o->action);
	free(p.cert);
	free(p.key);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = error_set_errno(err, errno, "standard output");
	return r;
}

int cmd_ca(int argc, char **argv)
{
	struct ca_options o = {0};
	struct error err;

	if (read_words(argc, argv, &o, &err) < 0)
		return cli_fail(&err);
	if (o.help) {
		help_ca(stdout);
		return 0;
	}
	return act(&o, &err) < 0 ? cli_fail(&err) : 0;
}
