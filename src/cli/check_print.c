// SPDX-License-Identifier: Apache-2.0
/*
 * The answers of `weir check`, for people and for programs. The words of the JSON form are stable;
 * weir-check(1) lists them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/check.h"
#include "cli/cli.h"

#define RULE_MAX 48 /* characters of a rule in the table; the JSON form has it whole */
#define LINE_MAX 8192

static const char *const sources[] = {
	[CHECK_LITERAL] = "target",    [CHECK_STAND_IN] = "stand-in", [CHECK_GIVEN] = "option",
	[CHECK_RESOLVED] = "resolver", [CHECK_OWN] = "weir",
};

static const char *const stages[] = {
	[CHECK_STAGE_DNS] = "dns",
	[CHECK_STAGE_CONNECT] = "connect",
	[CHECK_STAGE_NAME] = "name",
	[CHECK_STAGE_REQUEST] = "request",
};

static const struct {
	const char *id, *text;
} sights[CHECK_SIGHTS] = {
	[CHECK_SEES_UPSTREAM] = {"upstream", "what the far side answers"},
	[CHECK_SEES_RST] = {"rst", "RST: connection refused"},
	[CHECK_SEES_ICMP_RST] = {"icmp-prohibited-rst", "ICMP administratively prohibited, RST"},
	[CHECK_SEES_ICMP_PROHIBITED] = {"icmp-prohibited", "ICMP administratively prohibited"},
	[CHECK_SEES_ICMP_PORT] = {"icmp-port-unreachable", "ICMP port unreachable"},
	[CHECK_SEES_NXDOMAIN] = {"nxdomain", "DNS: NXDOMAIN, EDE 15 (blocked)"},
	[CHECK_SEES_REFUSED] = {"refused", "DNS: REFUSED, EDE 15 (blocked)"},
	[CHECK_SEES_TLS_ALERT] = {"tls-access-denied", "TLS alert access_denied"},
	[CHECK_SEES_HTTP_403] = {"http-403", "HTTP 403"},
	[CHECK_SEES_HTTP_400] = {"http-400", "HTTP 400"},
	[CHECK_SEES_HTTP_405] = {"http-405", "HTTP 405"},
};

/* Why a connection is looked into; "" where it is not. */
static const char *const looks[] = {
	[CHECK_UNTOUCHED] = "",          [CHECK_BYPASSED] = "",
	[CHECK_LOOKS_TLS] = "tls",       [CHECK_LOOKS_HTTP] = "http-rule",
	[CHECK_LOOKS_SECRET] = "secret",
};

static bool is_denied(const struct check_result *r)
{
	return r->verdict.answer == POLICY_DENY;
}

static void text_or_null(struct json *j, const char *key, const char *text)
{
	if (*text)
		json_text(j, key, text);
	else
		json_nil(j, key);
}

static void secret_list(struct json *j, const struct config_secrets *all,
			const struct check_result *r)
{
	json_array_begin(j, "secrets");
	for (size_t i = 0; i < all->count; i++)
		if (r->sent[i])
			json_text(j, NULL, all->list[i].env_var);
	json_array_end(j);
}

/* Bytes of all their names. */
static size_t secrets_len(const struct config_secrets *all, const struct check_result *r)
{
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++)
		n += r->sent[i] ? strlen(all->list[i].env_var) + 2 : 0;
	return n;
}

/* A rule may be as long as a token may be, and secrets are many, so the line has no fixed bound:
 * twice the text, for escapes, and room for the rest. */
void check_print_json(const struct check_env *e, const struct check_target *t,
		      const struct check_result *r, FILE *out)
{
	const struct policy_verdict *v = &r->verdict;
	size_t more = strlen(v->rule_text) + secrets_len(&e->conf->secrets, r);
	char fixed[LINE_MAX];
	size_t cap = sizeof(fixed) + 2 * more;
	char *buf = more > LINE_MAX / 4 ? malloc(cap) : fixed;
	struct json j = json_make(buf, buf == fixed ? sizeof(fixed) : cap);

	if (!buf)
		return;
	json_object_begin(&j, NULL);
	json_text(&j, "target", t->text);
	json_text(&j, "kind", check_kind_name(t->kind));
	text_or_null(&j, "name", t->name.s);
	json_addr(&j, "address", &r->addr);
	text_or_null(&j, "address_from", r->addr.family ? sources[r->source] : "");
	if (t->port)
		json_uint(&j, "port", t->port);
	else
		json_nil(&j, "port");
	text_or_null(&j, "method", t->method);
	json_text(&j, "verdict", is_denied(r) ? "denied" : "allowed");
	json_text(&j, "rule", v->rule_text);
	if (v->rule >= 0)
		json_uint(&j, "rule_number", (uint64_t)v->rule + 1);
	else
		json_nil(&j, "rule_number");
	text_or_null(&j, "reason", policy_reason_name(v->reason));
	json_text(&j, "stage", stages[r->stage]);
	json_text(&j, "sees", sights[r->sight].id);
	text_or_null(&j, "intercepted", looks[r->look]);
	secret_list(&j, &e->conf->secrets, r);
	text_or_null(&j, "note", r->note);
	json_object_end(&j);
	fwrite(buf, 1, j.out.len, out);
	fputc('\n', out);
	if (buf != fixed)
		free(buf);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* "2: deny@192.0.2.0/24", "default". */
static const char *rule_column(const struct policy_verdict *v, char buf[RULE_MAX + 1])
{
	int n = v->rule < 0 ? snprintf(buf, RULE_MAX + 1, "%s", v->rule_text)
			    : snprintf(buf, RULE_MAX + 1, "%d: %s", v->rule + 1, v->rule_text);

	if (n > RULE_MAX)
		strcpy(buf + RULE_MAX - 3, "...");
	return buf;
}

static const char *reason_column(const struct policy_verdict *v)
{
	const char *name = policy_reason_name(v->reason);

	return *name ? name : "-";
}

struct widths {
	int target, rule, reason;
};

static int wider(int have, const char *text)
{
	int n = (int)strlen(text);

	return n > have ? n : have;
}

static struct widths measure(const struct check_target *t, const struct check_result *r, size_t n)
{
	struct widths w = {.target = 6, .rule = 4, .reason = 6};
	char rule[RULE_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		w.target = wider(w.target, t[i].text);
		w.rule = wider(w.rule, rule_column(&r[i].verdict, rule));
		w.reason = wider(w.reason, reason_column(&r[i].verdict));
	}
	return w;
}

static void print_row(const struct check_target *t, const struct check_result *r,
		      const struct widths *w, bool colours, FILE *out)
{
	const char *on = !colours ? "" : is_denied(r) ? "\033[31m" : "\033[32m";
	char rule[RULE_MAX + 1];

	fprintf(out, "%-*s  %s%s%s%s  %-*s  %-*s  %s\n", w->target, t->text, on,
		is_denied(r) ? "denied" : "allowed", colours ? "\033[0m" : "",
		is_denied(r) ? " " : "", w->rule, rule_column(&r->verdict, rule), w->reason,
		reason_column(&r->verdict),
		t->kind == CHECK_DNS && !is_denied(r) ? "the resolver's answer"
						      : sights[r->sight].text);
	if (*r->note)
		fprintf(out, "%*s  (%s)\n", w->target, "", r->note);
}

/* What is looked into, and what may go there. */
static void print_look(const struct check_env *e, const struct check_result *r,
		       const struct widths *w, FILE *out)
{
	static const char *const texts[] = {
		[CHECK_BYPASSED] = "not looked into: bypassed",
		[CHECK_LOOKS_TLS] = "looked into",
		[CHECK_LOOKS_HTTP] = "looked into, for a rule for requests",
		[CHECK_LOOKS_SECRET] = "looked into, for a secret",
	};
	const struct config_secrets *all = &e->conf->secrets;
	bool begun = false;

	if (r->look == CHECK_UNTOUCHED)
		return;
	fprintf(out, "%*s  (%s", w->target, "", texts[r->look]);
	for (size_t i = 0; i < all->count; i++) {
		if (!r->sent[i])
			continue;
		fprintf(out, "%s%s", begun ? ", " : "; may have ", all->list[i].env_var);
		begun = true;
	}
	fputs(")\n", out);
}

void check_print_table(const struct check_env *e, const struct check_target *t,
		       const struct check_result *r, size_t n, FILE *out)
{
	struct widths w = measure(t, r, n);
	bool colours = cli_colours(out), stand_in = false;

	if (n)
		fprintf(out, "%-*s  verdict  %-*s  %-*s  the command sees\n", w.target, "target",
			w.rule, "rule", w.reason, "reason");
	for (size_t i = 0; i < n; i++) {
		print_row(&t[i], &r[i], &w, colours, out);
		print_look(e, &r[i], &w, out);
		stand_in |= r[i].addr.family && r[i].source == CHECK_STAND_IN;
	}
	if (stand_in)
		fputs("Names were not resolved: they are judged as if their addresses were public.\n"
		      "--resolve or --address ADDR gives them others.\n",
		      out);
}
