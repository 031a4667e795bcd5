// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of a configuration that concern TLS interception and secrets. Strings are owned by the
 * configuration.
 */
#ifndef WEIR_CONF_SECRETS_H
#define WEIR_CONF_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strv { /* a growing list of strings */
	char **v;
	size_t n;
};

/* Host patterns are written as in policy rules: "x.com", "*.x.com", ".x.com"; "any" where said. */

struct config_scoped_ca { /* certificates in which one host's upstream is trusted, too */
	char *host, *path;
};
struct config_scoped_verify {
	char *host;
	bool verify;
};
struct config_client_cert { /* shown to upstreams that ask for one */
	char *host, *cert_path, *key_path;
};

#define CONFIG_TLS_PORTS_MAX     32 /* more are refused, here and below */
#define CONFIG_SECRETS_MAX       256
#define CONFIG_SECRET_HOSTS_MAX  64
#define CONFIG_PLACEHOLDER_MIN   8 /* shorter ones cannot be told from other text */
#define CONFIG_PLACEHOLDER_MAX   1024
#define CONFIG_FORMAT_RANDOM_MIN 16 /* random characters: nobody guesses 95 bits */

struct config_tls {
	bool enabled;                         /* every connection to an intercepted port is */
	uint16_t ports[CONFIG_TLS_PORTS_MAX]; /* 443 */
	size_t port_count;
	struct strv bypass; /* hosts that never are */
	bool verify_upstream;
	bool block_quic;         /* UDP to an intercepted port is refused */
	struct strv upstream_ca; /* files, beside the host's roots */
	struct config_scoped_ca *scoped_ca;
	size_t scoped_ca_count;
	struct config_scoped_verify
		*scoped_verify; /* the first that matches; then verify_upstream */
	size_t scoped_verify_count;
	struct config_client_cert *client_certs;
	size_t client_cert_count;
	char *ca_cert, *ca_key;  /* both or neither */
	uint32_t cache_capacity; /* 1000 leaves */
	uint32_t validity_hours; /* 24, of a leaf */
	char *keylog;            /* --tls-keylog, NULL: none */
	const char *option; /* of the command line, without effect unless something is intercepted;
			       NULL: none was given */
};

enum config_secret_source {
	CONFIG_SECRET_ENV,
	CONFIG_SECRET_FILE,
	CONFIG_SECRET_COMMAND, /* its standard output, without the last line feed */
};

/* Where a placeholder is replaced. */
struct config_injection {
	bool headers, basic_auth, query_params, body, path, websocket; /* the first two: true */
};

enum config_violation {
	CONFIG_VIOLATION_UNSET, /* as secrets.on_violation says */
	CONFIG_VIOLATION_BLOCK,
	CONFIG_VIOLATION_BLOCK_AND_LOG,
	CONFIG_VIOLATION_BLOCK_AND_TERMINATE,
};

enum config_signer {
	CONFIG_SIGNER_NONE,
	CONFIG_SIGNER_SIGV4,      /* value: ACCESS_KEY_ID:SECRET_ACCESS_KEY */
	CONFIG_SIGNER_HMAC,       /* value: the key; the header named by `header` is made */
	CONFIG_SIGNER_CLIENT,     /* OAuth2 client credentials. value: CLIENT_ID:CLIENT_SECRET */
	CONFIG_SIGNER_REFRESH,    /* OAuth2 refresh token. value: CLIENT_ID:CLIENT_SECRET:TOKEN */
	CONFIG_SIGNER_GITHUB_APP, /* value: the app's private key, PEM */
};

struct config_secret {
	char *env_var; /* the guest's variable, and the secret's name */
	enum config_secret_source source;
	char *from;         /* the variable (default: env_var), the file, the command (sh -c) */
	uint64_t expiry_us; /* of a command's or a file's value; 0: read once */
	char *placeholder;  /* NULL: a random one, of the value's length */
	char *format;       /* of a random one: text in which each X is a random letter or digit;
			       NULL: shaped like the value */
	struct strv hosts;
	struct strv passthrough; /* hosts that may have the placeholder itself */
	struct config_injection injection;
	enum config_violation on_violation;
	bool require_tls_identity; /* true */
	bool require, capture;
	enum config_signer signer;
	char *token_url; /* CLIENT, REFRESH, GITHUB_APP: where the token comes from, https:// */
	char *scope;     /* CLIENT, REFRESH; NULL: none */
	char *app_id;    /* GITHUB_APP */
	char *header, *algorithm; /* HMAC: header name; "sha256" (default), "sha1", "sha512" */
	char *where; /* for messages: "FILE:LINE: secrets.secrets[2]" or "--secret A@b" */
};

struct config_secrets {
	struct config_secret *list;
	size_t count;
	enum config_violation on_violation; /* BLOCK_AND_LOG */
	struct strv passthrough; /* of secrets that say neither on_violation nor passthrough_hosts
				  */
};

struct config;
struct error;

/* Whether anything is to be looked into: TLS, a secret, or an HTTP rule of the policy. */
bool config_intercepts(const struct config *c);
/*
 * What the parts cannot see one by one: a secret twice, a bypass that covers a secret's host, half
 * a CA, options without effect. 0, or -1 and err.
 */
int config_check_interception(const struct config *c, struct error *err);
/* A bypass that meets a host of a rule for HTTP requests. 0, or -1 and err. */
struct policy;
int config_check_http(const struct config *c, const struct policy *p, struct error *err);

/* "ENV@HOST[,HOST...]". */
int config_add_secret(struct config *c, const char *text, struct error *err);
/* Takes over what is in s, also where it fails. */
int config_add_secret_parsed(struct config *c, struct config_secret *s, struct error *err);
void config_secret_init(struct config_secret *s); /* the defaults */
void config_secret_done(struct config_secret *s);
/* What is wrong with one secret by itself. The message has no name in front. 0, or -1 and err. */
int config_check_secret(const struct config_secret *s, struct error *err);
/* The name of an environment variable, for a secret. 0, or -1 and err. */
int config_check_env_name(const char *text, struct error *err);
/* A pattern of the hosts that may have a secret, or are bypassed: not too wide. 0, or -1 and err.
 */
int config_check_host(const char *text, bool any_ok, struct error *err);

int config_add_tls_port(struct config *c, uint64_t port, struct error *err);
int config_add_tls_bypass(struct config *c, const char *text, struct error *err);
int config_add_scoped_ca(struct config *c, const char *host, const char *path, struct error *err);
/* `first`: in front of those that are there. */
int config_add_scoped_verify(struct config *c, const char *host, bool verify, bool first,
			     struct error *err);
int config_add_client_cert(struct config *c, const char *host, const char *cert, const char *key,
			   struct error *err);
void config_tls_done(struct config_tls *t);
void config_secrets_done(struct config_secrets *s);

#endif
