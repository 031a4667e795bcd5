// SPDX-License-Identifier: Apache-2.0
/*
 * The key holder: the process that has the CA's private key and the values of the secrets, and the
 * packet process's side of talking to it.
 *
 * Theory of operation
 * -------------------
 * holder_start() runs this program again (`weir keyholder`, a command for weir itself) with one end
 * of a SOCK_SEQPACKET pair, before the guest exists. It reads the CA and the secrets' sources by
 * itself, so that this process never sees them; values that came by the environment are wiped from
 * this process's own (holder_wipe_environment()). Each sandbox then gets a channel of its own, a
 * stream, which knows that sandbox's secrets and no other's; and each question on it is answered
 * later, on the loop. What goes on inside the holder: vault.h.
 *
 * The holder is not dumpable, locks the memory of keys and values, ignores the terminal's signals,
 * and ends when the pair is closed, that is with this process at the latest. Where it dies, every
 * question fails, new intercepted connections and requests that need a value are refused, and the
 * log says so once.
 *
 * Messages: holder_proto.h. Each is checked for its length and kind on both sides, although both
 * are weir: the packet process is the one that a guest could take over, so what it can ask is
 * bounded (a value only for a secret of its own channel; leaf certificates only). It names the
 * sources when a sandbox is set up, and is sealed off from that before a guest exists
 * (holder_seal()): the holder then reads no file and runs no command that is new to it.
 *
 * May use: base/, loop/, tls/ (leaves, libcrypto).
 */
#ifndef WEIR_SECRET_HOLDER_H
#define WEIR_SECRET_HOLDER_H

#include "base/error.h"
#include "base/view.h"
#include "loop/loop.h"
#include "secret/secret.h"

struct holder;         /* the process: one a gateway process */
struct holder_channel; /* a sandbox's */
struct config;
struct config_secret;

/*
 * Starts it with the CA of the configuration (made and stored where there is none yet; NULL paths:
 * the default place) and waits until it is ready. NULL and err: the CA cannot be read, does not
 * match its key, has expired, ...
 */
struct holder *holder_start(const struct config *c, struct error *err);
void holder_stop(struct holder *h);
/* The CA's certificate, PEM; lives as long as the holder. */
const char *holder_ca_pem(const struct holder *h);

/*
 * No guest exists yet, and all channels are set up: from now on the holder takes only sources that
 * it knows from them, or finds itself in these files of configuration when it is asked to read one
 * that it does not know. Without it any source can be named at any time. 0, or -1 and err.
 */
int holder_seal(struct holder *h, const char *const *files, size_t n, struct error *err);

/*
 * A sandbox's channel; waits until its secrets were read, and fails with a message where one
 * cannot be: no such variable, an unreadable file, a command that fails, no host, a value that is
 * too short to be recognised (NEEDLE_MIN). So this is done on whatever thread has the time;
 * afterwards it is the loop's alone. on_set is called whenever a value has changed since.
 */
struct holder_channel *holder_channel_new(struct holder *h, const struct config *c,
					  void (*on_set)(void *arg), void *arg, struct error *err);
/* On the loop's thread, before anything is asked. -1 and err: it is only good to be freed. */
int holder_channel_attach(struct holder_channel *ch, struct loop *l, struct error *err);
/* Open questions are dropped without an answer; their handles are dead. May be called from an
 * answer. */
void holder_channel_free(struct holder_channel *ch);
/*
 * Reads all sources again (SIGHUP), with another configuration, one time after the other. fn comes
 * later, never from inside of the call, and not where the channel is freed before: err NULL, and
 * the set has just become the new one, or what went wrong, and all stays as it was. A secret that
 * was there before keeps its random placeholder. on_set is not called. -1 and err: not asked.
 */
typedef void holder_reload_fn(void *arg, const char *err);
int holder_channel_reload(struct holder_channel *ch, const struct config *c, holder_reload_fn *fn,
			  void *arg, struct error *err);
/* The current set; borrowed: secret_set_ref() to keep it. Never NULL. */
struct secret_set *holder_secrets(struct holder_channel *ch);
/* Overwrites values that came by this process's environment, and takes the names out of it. */
void holder_wipe_environment(const struct config *c);

/* A value in locked memory that no core holds; wiped when freed. */
struct secret_value {
	size_t len;
	uint8_t *bytes;
};
void secret_value_free(struct secret_value *v); /* NULL is fine */

/*
 * Questions. Each answer comes later, never from inside the call; err is NULL or what went wrong.
 * Cancelling is holder_ask_cancel() before the answer has come. NULL at HOLDER_ASKS_MAX open ones
 * or where the holder has gone.
 */
#define HOLDER_ASKS_MAX 4096
#define HOLDER_SIGN_MAX (1u << 20) /* bytes to be signed by HMAC */
struct holder_ask;
void holder_ask_cancel(struct holder_ask *a);

/* The value of secret `index` of that set; the answer's is the caller's. SIGV4: the access key id.
 * HMAC: refused. BEARER: the token that is good now. */
typedef void holder_value_fn(void *arg, struct secret_value *v, const char *err);
struct holder_ask *holder_ask_value(struct holder_channel *ch, const struct secret_set *set,
				    size_t index, holder_value_fn *fn, void *arg);

/* A leaf certificate (DER) for a name or an address in text, over this public key (DER, SPKI). */
typedef void holder_leaf_fn(void *arg, struct view der, const char *err);
struct holder_ask *holder_ask_leaf(struct holder_channel *ch, const char *host, struct view spki,
				   holder_leaf_fn *fn, void *arg);

/*
 * A signature by the secret's signer. What is signed for SIGV4: the string to sign with region,
 * service and date of the guest's own credential scope. HMAC: any bytes, HOLDER_SIGN_MAX at most.
 * The answer is the signature in hexadecimal.
 */
struct holder_sign {
	struct view text;
	const char *date, *region, *service; /* SIGV4 */
};
typedef void holder_text_fn(void *arg, struct view text, const char *err);
struct holder_ask *holder_ask_sign(struct holder_channel *ch, const struct secret_set *set,
				   size_t index, const struct holder_sign *s, holder_text_fn *fn,
				   void *arg);

/* A new secret out of an answer (OAuth capture): for the hosts of secret `from`, which has to be
 * one that captures. The answer is its placeholder; it is in the set from then on, until
 * SECRETS_CAPTURED_MAX newer ones have come. A value that is known already keeps its placeholder.
 */
struct holder_ask *holder_ask_capture(struct holder_channel *ch, const struct secret_set *set,
				      size_t from, struct view value, holder_text_fn *fn,
				      void *arg);

/* `weir keyholder`: the process itself. fd: its end of the pair. Returns the exit status. */
int holder_main(int fd);
/* This program knows that command (weir does): it is its own key holder. Others start the installed
 * weir, or the program whose path is in WEIR_HOLDER. */
void holder_is_this_program(void);

#endif
