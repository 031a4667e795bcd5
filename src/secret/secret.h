// SPDX-License-Identifier: Apache-2.0
/*
 * What the packet process knows of a sandbox's secrets: everything but their values.
 *
 * A set is a snapshot, immutable and counted: each request keeps the one that was current when it
 * began. The key holder (holder.h) makes it, and a new one when a value changes.
 *
 * May use: base/.
 */
#ifndef WEIR_SECRET_SECRET_H
#define WEIR_SECRET_SECRET_H

#include "base/list.h"
#include "base/name.h"
#include "secret/needle.h"

#define SECRETS_MAX          256 /* of a sandbox; more: the start fails */
#define SECRETS_CAPTURED_MAX 64  /* beside them; the oldest goes for the next one */
#define SECRET_HOSTS         64  /* patterns of one */
#define SECRET_VALUE_MAX     16384

/* Where a placeholder may stand to be replaced. */
enum secret_place {
	SECRET_IN_HEADERS = 1 << 0,
	SECRET_IN_BASIC = 1 << 1, /* inside of Basic credentials */
	SECRET_IN_QUERY = 1 << 2,
	SECRET_IN_BODY = 1 << 3,
	SECRET_IN_PATH = 1 << 4,
	SECRET_IN_WEBSOCKET = 1 << 5,
};

enum secret_violation { /* what a placeholder on its way to where it may not go leads to */
	SECRET_BLOCK,
	SECRET_BLOCK_AND_LOG,       /* the default: and an event */
	SECRET_BLOCK_AND_TERMINATE, /* and the sandbox ends */
};

enum secret_signer {
	SECRET_PLAIN, /* the value stands in for the placeholder */
	/*
	 * AWS Signature Version 4: the guest signs with placeholders, weir anew. The secret's
	 * placeholder and value (holder_ask_value()) are access key ids; the guest's secret access
	 * key can be any text, since nobody looks at what it signs: it is given the placeholder
	 * once more.
	 */
	SECRET_SIGV4,
	SECRET_HMAC,   /* the header's value is a signature; the value itself is never handed out */
	SECRET_BEARER, /* OAuth2 client credentials, refresh, GitHub App: the holder keeps a token
			  and the placeholder stands for that */
};

struct secret_host {
	char *text;       /* as configured */
	struct name name; /* lower case; of "*.x" and ".x": x */
	enum {
		SECRET_HOST_EXACT,
		SECRET_HOST_BELOW,
		SECRET_HOST_SUFFIX,
		SECRET_HOST_ANY
	} kind;
};

struct secret {
	char *env_var; /* its name, for events and the guest's environment */
	char *placeholder;
	char *header; /* SECRET_HMAC: the field that carries the signature; else NULL */
	size_t value_len;
	const struct secret_host *hosts, *passthrough; /* may have it; may have the placeholder as
							   it is */
	size_t host_count, passthrough_count;
	unsigned places; /* enum secret_place */
	enum secret_violation on_violation;
	enum secret_signer signer;
	bool require_tls_identity; /* only over TLS with a verified upstream */
	bool require;              /* requests to its hosts must carry one of weir's secrets */
	bool capture;  /* OAuth token answers of its hosts become placeholders of their own */
	bool captured; /* it is one of those; hosts are those of the secret that it came from */
};

struct secret_set {
	unsigned refs; /* of one loop */
	uint64_t generation;
	struct secret *list;
	size_t count;
	struct needle_set *placeholders; /* tag: index in list; in all forms */
	struct needle_set *values;       /* the same; of SECRET_SIGV4 the id and the key */
	/* The channel's (holder_channel.c): told before it is freed; where it was freed first:
	 * none. */
	void (*gone)(struct secret_set *s);
	void *channel;
	struct list node;
};

struct secret_set *secret_set_ref(struct secret_set *s);
void secret_set_unref(struct secret_set *s); /* NULL is fine */
bool secret_host_matches(const struct secret_host *list, size_t n, const struct name *name);
/* Some secret may go to this host, is required there, or is captured there: its TLS has to be
 * intercepted. */
bool secret_set_concerns(const struct secret_set *s, const struct name *name);

/* "NAME=placeholder" for each, NULL-terminated, for secret_environment_free(); a signer of AWS's
 * whose NAME ends in _ACCESS_KEY_ID has a second one, for _SECRET_ACCESS_KEY. NULL without memory.
 */
char **secret_set_environment(const struct secret_set *s);
void secret_environment_free(char **env);

#endif
