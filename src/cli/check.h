// SPDX-License-Identifier: Apache-2.0
/*
 * Between the files of `weir check`: a target as it was asked for, and what became of it.
 *
 * check.c reads options and targets, check_target.c their text, check_judge.c asks the policy what
 * it would be asked for live traffic, check_request.c what becomes of an HTTP request,
 * check_print.c tells the answer.
 */
#ifndef WEIR_CLI_CHECK_H
#define WEIR_CLI_CHECK_H

#include <stdio.h>

#include "base/name.h"
#include "conf/config.h"
#include "policy/policy.h"

enum check_kind {
	CHECK_TCP,
	CHECK_UDP,
	CHECK_ICMP,
	CHECK_DNS,
	CHECK_HTTPS,
	CHECK_HTTP,
};

#define CHECK_METHOD_MAX 16
#define CHECK_TEXT_MAX   512 /* of a target, in bytes; a longer one is refused */

struct check_target {
	enum check_kind kind;
	char text[CHECK_TEXT_MAX + 1];     /* as it was asked for: "tcp example.com:443" */
	struct name name;                  /* len 0: an address */
	struct ipaddr addr;                /* family 0: a name */
	uint16_t port;                     /* 0: has none */
	char method[CHECK_METHOD_MAX + 1]; /* of an URL; else empty */
	uint16_t path_at, path_len;        /* of an URL, with the query: where in `text` */
};

/* Where the address that was judged comes from. */
enum check_source {
	CHECK_LITERAL,  /* it is the target */
	CHECK_STAND_IN, /* one that stands for any public address */
	CHECK_GIVEN,    /* --address */
	CHECK_RESOLVED, /* --resolve */
	CHECK_OWN,      /* weir answers the name itself */
};

/* How far a program that asks for the target would come. */
enum check_stage {
	CHECK_STAGE_DNS,     /* its question for the name */
	CHECK_STAGE_CONNECT, /* its first packet */
	CHECK_STAGE_NAME,    /* its first bytes, which show the name */
	CHECK_STAGE_REQUEST, /* its HTTP request */
};

/* What it would see. */
enum check_sight {
	CHECK_SEES_UPSTREAM, /* what the far side answers */
	CHECK_SEES_RST,
	CHECK_SEES_ICMP_RST, /* administratively prohibited, then RST */
	CHECK_SEES_ICMP_PROHIBITED,
	CHECK_SEES_ICMP_PORT,
	CHECK_SEES_NXDOMAIN, /* with EDE 15 */
	CHECK_SEES_REFUSED,  /* with EDE 15 */
	CHECK_SEES_TLS_ALERT,
	CHECK_SEES_HTTP_403,
	CHECK_SEES_HTTP_400,
	CHECK_SEES_HTTP_405,
	CHECK_SIGHTS, /* how many */
};

/* Whether weir looks into the connection, and why. */
enum check_look {
	CHECK_UNTOUCHED,
	CHECK_BYPASSED,   /* tls.bypass: it would be, otherwise */
	CHECK_LOOKS_TLS,  /* tls.enabled */
	CHECK_LOOKS_HTTP, /* an HTTP rule */
	CHECK_LOOKS_SECRET,
};

struct check_result {
	struct policy_verdict verdict; /* ALLOW or DENY */
	enum check_stage stage;
	enum check_sight sight;
	struct ipaddr addr; /* the one that was judged; family 0: the name alone was */
	enum check_source source;
	enum check_look look;
	bool sent[CONFIG_SECRETS_MAX]; /* which of the configuration's secrets may go there */
	char note[256];                /* for people; "" for none */
};

/* Everything that answers depend on. */
struct check_env {
	const struct config *conf;
	struct policy *policy;
	struct policy_env env;
	struct ipaddr gw6_ll; /* the gateway's link-local address, which is the gateway */
	struct host_addrs *host_addrs;
	struct dns_local *local; /* the names that weir answers itself */
};

/*
 * Reads one target: a kind and what it is for, or an URL alone (`what` is NULL then, or not looked
 * at). *ret_words: how many of the two words it took. 0, or -1 and err.
 */
int check_target_read(const char *kind, const char *what, struct check_target *ret, int *ret_words,
		      struct error *err);
const char *check_kind_name(enum check_kind k);

int check_env_init(struct check_env *e, const struct config *c, struct error *err);
void check_env_done(struct check_env *e);
void check_judge(const struct check_env *e, const struct check_target *t, struct check_result *ret);

/* ---- check_request.c ---- */
/* Whether the connection is looked into, and which secrets may go there; r->verdict is its own. */
void check_look(const struct check_env *e, const struct check_target *t, struct check_result *r);
/* What becomes of the request over a connection that is allowed. */
void check_request(const struct check_env *e, const struct check_target *t, struct check_result *r);

void check_print_json(const struct check_env *e, const struct check_target *t,
		      const struct check_result *r, FILE *out);
/* All of them, aligned. */
void check_print_table(const struct check_env *e, const struct check_target *t,
		       const struct check_result *r, size_t n, FILE *out);

#endif
