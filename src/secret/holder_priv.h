// SPDX-License-Identifier: Apache-2.0
/* What the packet process's files of the key holder share. */
#ifndef WEIR_SECRET_HOLDER_PRIV_H
#define WEIR_SECRET_HOLDER_PRIV_H

#include <stdatomic.h>
#include <sys/types.h>

#include "secret/holder.h"
#include "secret/holder_wire.h"

struct holder {
	int fd; /* of the pair; nothing comes on it any more but its end */
	pid_t pid;
	char *ca_pem;
	atomic_bool lost; /* said once, whichever channel finds out first */
};

/* Gives the holder the other end of a channel. 0, or -errno. */
int holder_send_channel(const struct holder *h, int fd);
void holder_lost(struct holder *h);

/* ---- a channel's questions (holder_ask.c) ---- */

enum ask_kind {
	ASK_VALUE,
	ASK_LEAF,
	ASK_TEXT,
};

struct holder_ask {
	struct holder_channel *ch;
	uint32_t id; /* the slot, and above it a number that makes it new */
	enum ask_kind kind;
	union {
		holder_value_fn *value;
		holder_leaf_fn *leaf;
		holder_text_fn *text;
	} fn;
	void *arg;
};

struct ask_slot {
	struct holder_ask *ask; /* NULL: free */
	uint16_t next_free;
};

struct holder_channel {
	struct holder *h;
	struct loop *loop;       /* NULL: not attached yet */
	struct holder_wire wire; /* fd -1: the holder has gone */
	struct loop_source src;
	struct timer kick; /* something waits that no event of the socket tells */
	bool wants_write;
	void (*on_set)(void *arg);
	void *on_set_arg;

	struct secret_set *set;      /* the current one */
	struct list sets;            /* all that somebody keeps */
	uint32_t setups;             /* number of the last HOLDER_SETUP */
	holder_reload_fn *on_reload; /* NULL: none waits for it */
	void *on_reload_arg;

	struct ask_slot *slots; /* grows up to HOLDER_ASKS_MAX */
	size_t slot_count, open;
	uint16_t free_slot; /* the first one; slot_count: none */
	uint32_t serial;

	bool busy;  /* inside of a callback */
	bool freed; /* in there: the rest is done when it returns */
};

/* Takes the question out, for its answer. NULL: it was cancelled, or never asked. */
struct holder_ask *ask_take(struct holder_channel *ch, uint32_t id);
void ask_answer(struct holder_ask *a, struct view body); /* and frees it */
void ask_fail(struct holder_ask *a, const char *why);    /* the same */
void ask_drop_all(struct holder_channel *ch);            /* without a word */

/* ---- the channel itself (holder_channel.c) ---- */

/* A channel over its socket, which it owns also where this fails; nothing is asked yet. */
struct holder_channel *channel_over(int fd, struct error *err);
/* The holder has gone, or makes no sense. */
void channel_close(struct holder_channel *ch);
/* Takes over a set of the holder's. False: it is none. */
bool channel_install(struct holder_channel *ch, struct view body, bool *ret_new);
/* A frame out; the channel is lost where that fails. */
int channel_send(struct holder_channel *ch, uint8_t kind, uint32_t id, const struct view *parts,
		 size_t n);

#endif
