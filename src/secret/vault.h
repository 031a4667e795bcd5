// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of the key holder: channels, their secrets, and the sets that were told of.
 *
 * Theory of operation
 * -------------------
 * One thread, one loop. A channel's secrets are read by HOLDER_SETUP: from the environment, a file,
 * or a command (a process with a time limit); those whose value is a token then have it fetched by
 * a process of its own, which knows nothing but that one request (fetch.h). When all are there, the
 * channel gets its first set.
 *
 * A secret with an expiry, or a token, is read again by a timer; where its value has changed, a new
 * set goes to the channel. The clock that counts is the one that goes on while the machine sleeps:
 * a question for a value that is overdue waits for the reading. Where that fails, the last value of
 * a file or command goes on being used, and the log says so; a token that has expired does not.
 *
 * A set holds its values until the other side has forgotten it. The packet process may ask anything
 * in any order; it gets the values of its own channel's secrets, and leaf certificates, and nothing
 * else.
 *
 * Once sealed (vault_seal.c), it reads no new source because somebody on a channel says so.
 *
 * Bounds: VAULT_CHANNELS_MAX channels, VAULT_SETS_MAX sets of one (the oldest is forgotten for a
 * new one), VAULT_JOBS_MAX processes at once of one that is being set up, VAULT_WAITING_MAX
 * questions that wait. A channel that does not read its answers is not read from any more.
 *
 * May use: base/, loop/, conf/, tls/.
 */
#ifndef WEIR_SECRET_VAULT_H
#define WEIR_SECRET_VAULT_H

#include "base/error.h"
#include "base/log.h"
#include "loop/loop.h"
#include "secret/holder_wire.h"
#include "tls/ca.h"

#define VAULT_CHANNELS_MAX 65536 /* as many as a gateway can have sandboxes */
#define VAULT_SETS_MAX     256
#define VAULT_JOBS_MAX     16
#define VAULT_WAITING_MAX  4096
#define VAULT_ENV_MAX      4096 /* variables that were read */
#define VAULT_JOB_US       30000000

/* Bytes in secret memory, counted. */
struct vault_value {
	unsigned refs;
	size_t len;
	uint8_t *bytes;
};
struct vault_value *vault_value_new(struct view v); /* NULL without memory */
static inline struct vault_value *vault_value_ref(struct vault_value *v)
{
	if (v)
		v->refs++;
	return v;
}
void vault_value_unref(struct vault_value *v); /* NULL is fine */
static inline struct view vault_value_view(const struct vault_value *v)
{
	return view_make(v->bytes, v->len);
}
bool vault_value_same(const struct vault_value *a, const struct vault_value *b); /* NULL is one */

struct vault_job;
struct vault_load;
struct vault_channel;

struct vault_secret {
	unsigned refs; /* the channel, each set that has it */
	struct vault *v;
	struct vault_channel *ch;    /* NULL: no longer the channel's, so never read again */
	struct vault_load *load;     /* while it is read for the first time */
	struct config_secret conf;   /* owned */
	struct secret pub;           /* what the packet process is told */
	struct vault_value *raw;     /* what the source gave */
	struct vault_value *refresh; /* a newer refresh token than raw's */
	struct vault_value *value;   /* what stands in for the placeholder, or signs */
	struct vault_value *key;     /* SIGV4: the secret access key; else NULL */

	struct vault_job *job; /* reading or fetching */
	struct timer timer;    /* when it is read again */
	uint64_t due_us;       /* CLOCK_BOOTTIME; UINT64_MAX: never */
	uint64_t expires_us;   /* a token's end; UINT64_MAX: none */
	unsigned failures;     /* in a row */
	struct list waiting;   /* questions, struct vault_wait */
};

struct vault_wait {
	struct list node;
	uint32_t id;
	struct vault_value *value; /* what it gets where the reading fails */
};

/* What was told at a time. */
struct vault_item {
	struct vault_secret *secret;
	struct vault_value *value, *key;
};
struct vault_set {
	struct list node;
	uint64_t generation;
	size_t count;
	struct vault_item items[];
};

struct vault_channel {
	struct list node;
	struct vault *v;
	struct holder_wire wire;
	struct loop_source src;
	bool closing; /* lost; freed at the end of the turn */
	struct needle_key needle_key;
	struct vault_secret **list; /* configured */
	size_t count;
	struct vault_secret *captured[SECRETS_CAPTURED_MAX]; /* the oldest first */
	size_t captured_count;
	struct strv upstream_ca;
	struct list sets; /* the newest first */
	size_t set_count, waiting;
	uint64_t generation;
	struct vault_load *load; /* a setting up that goes on */
};

struct vault_env {
	struct list node;
	char *name;
	struct vault_value *value;
};

struct vault_seal {
	bool sealed;
	struct list known; /* sources */
	struct strv files; /* of the configuration */
};

struct vault {
	struct loop loop;
	struct tls_ca *ca;
	uint32_t valid_hours;
	struct loop_source src; /* the pair */
	struct list channels, env;
	unsigned channel_count, env_count;
	struct vault_seal seal;
	int status; /* of the process */
};

/* ---- vault_channel.c ---- */

void vault_channel_new(struct vault *v, int fd);
void vault_channel_free(struct vault_channel *ch);
void vault_fail(struct vault_channel *ch, uint32_t id, const char *why);
void vault_answer(struct vault_channel *ch, uint32_t id, struct view bytes);
void vault_log(struct vault_channel *ch, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vault_send(struct vault_channel *ch, uint8_t kind, uint32_t id, const struct view *parts,
		size_t n);

/* ---- vault_set.c ---- */

/* Tells the channel of its secrets as they are now: what HOLDER_SETUP `id` asked for, or 0. 0, or
 * -1 and err. */
int vault_push(struct vault_channel *ch, uint32_t id, struct error *err);
struct vault_set *vault_set_find(const struct vault_channel *ch, uint64_t generation);
void vault_set_free(struct vault_channel *ch, struct vault_set *s);

/* ---- vault_capture.c ---- */

/*
 * Gives it a placeholder that is like no other of `others` and like no value: its own, that of
 * `before` (the same secret of the configuration before; NULL: none), or a random one. 0, or -1 and
 * err.
 */
int vault_set_placeholder(struct vault_secret *s, struct vault_secret *const *others, size_t n,
			  const struct vault_secret *before, struct error *err);
/* HOLDER_CAPTURE: the placeholder of this value, of which a new secret is made where none has it.
 * NULL and err. */
const char *vault_capture(struct vault_channel *ch, const struct vault_secret *from,
			  struct view value, struct error *err);

/* ---- vault_secret.c ---- */

/* Takes over what is in conf. NULL without memory; conf is then untouched. */
struct vault_secret *vault_secret_new(struct vault *v, struct config_secret *conf);
void vault_secret_unref(struct vault_secret *s); /* NULL is fine */
/* Stops everything that goes on about it, fails what waits, and drops the channel's hold on it. */
void vault_secret_retire(struct vault_secret *s);
/* Reads it, unless that goes on already. Ends in vault_load_done(), or in answers and a new set. */
void vault_secret_read(struct vault_secret *s);
/* Answers a question for the value, at once or when it has been read anew. */
void vault_secret_ask(struct vault_secret *s, struct vault_channel *ch, uint32_t id,
		      struct vault_value *value);
void vault_secret_got_token(struct vault_secret *s, struct view token, struct view refresh,
			    uint64_t lives_us);
void vault_secret_failed(struct vault_secret *s, const char *why);
/* Before each message about it. */
const char *vault_secret_where(const struct vault_secret *s);

/* ---- vault_load.c ---- */

void vault_load_start(struct vault_channel *ch, uint32_t id, struct view body);
void vault_load_done(struct vault_secret *s, const char *why); /* why NULL: it was read */
void vault_load_free(struct vault_load *l);
const struct strv *vault_load_upstream_ca(const struct vault_load *l);

/* ---- vault_seal.c ---- */

void vault_seal_init(struct vault_seal *s);
void vault_seal_done(struct vault_seal *s);
/* HOLDER_SEAL. False: it is none, or there is one already. */
bool vault_seal_set(struct vault_seal *s, struct view body);
/* Whether these may be read: 0, or -1 and err. Without a seal they are noted for later. */
int vault_seal_check(struct vault_seal *s, const struct holder_setup *setup, struct error *err);

/* ---- vault_job.c ---- */

/* A process and what it writes. `done` comes once, later: err NULL, and what it wrote. */
typedef void vault_job_fn(void *arg, struct view out, const char *err);
/* `sh -c command`. NULL and err. */
struct vault_job *vault_job_command(struct vault *v, const char *command, vault_job_fn *done,
				    void *arg, struct error *err);
/* A process that fetches (fetch.h). */
struct vault_job *vault_job_fetch(struct vault *v, struct view message, vault_job_fn *done,
				  void *arg, struct error *err);
void vault_job_cancel(struct vault_job *j); /* NULL is fine */

/* ---- vault_source.c ---- */

/* The value of a file. NULL and err. */
struct vault_value *vault_read_file(const char *path, struct error *err);
/* That of an environment variable, which is taken out of this process's environment. */
struct vault_value *vault_read_env(struct vault *v, const char *name, struct error *err);
/* What a source gave, without its last line end; checked. multi_line: a key in PEM may have lines.
 * NULL and err. */
struct vault_value *vault_value_checked(struct view bytes, bool multi_line, struct error *err);

/* ---- vault_sign.c ---- */

int vault_sign_sigv4(const struct vault_value *key, const struct holder_to_sign *s,
		     struct buf *ret_text, struct error *err);
int vault_sign_hmac(const struct vault_value *key, const char *algorithm, struct view text,
		    struct buf *ret_text, struct error *err);

/* ---- vault_token.c ---- */

/* Starts to fetch the secret's token with its raw value. 0, or -1 and err. */
int vault_token_fetch(struct vault_secret *s, const struct strv *upstream_ca, struct error *err);

#endif
