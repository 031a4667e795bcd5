// SPDX-License-Identifier: Apache-2.0
/*
 * Anything that a packet process could say to the key holder: frames on a channel with secrets of
 * each kind. Only what would run commands, open files or sign a certificate stops at its reader.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "secret/fetch.h"
#include "conf/config.h"
#include "secret/vault.h"

static struct vault vault;
static int peer;

/* Takes what was answered, until the holder has seen the end. */
static void end_of_turn(struct loop *l, void *ctx)
{
	static uint8_t sink[1 << 20];

	while (recv(peer, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	if (list_empty(&vault.channels))
		l->stop = true;
}

static void start_once(void)
{
	static bool started;
	struct error err;

	if (started)
		return;
	started = true;
	if (loop_init(&vault.loop, &err) < 0)
		abort();
	vault.loop.rested = true;
	vault.loop.turn_end = end_of_turn;
	list_init(&vault.channels);
	list_init(&vault.env);
	vault_seal_init(&vault.seal);
}

/* Two secrets, as if they had been read. */
static void add_secret(struct vault_channel *ch, const char *name, const char *value,
		       enum config_signer signer)
{
	struct config_secret conf = {.env_var = strdup(name),
				     .from = strdup(name),
				     .signer = signer,
				     .header = strdup("X-Signature"),
				     .capture = true};
	struct error err;

	strv_add(&conf.hosts, "api.test");
	struct vault_secret *s = vault_secret_new(&vault, &conf);
	if (!s)
		abort();
	s->raw = vault_value_new(view_make(value, strlen(value)));
	s->value = vault_value_ref(s->raw);
	s->key = signer == CONFIG_SIGNER_SIGV4 ? vault_value_ref(s->raw) : NULL;
	s->ch = ch;
	ch->list[ch->count++] = s;
	if (vault_set_placeholder(s, ch->list, ch->count, NULL, &err) < 0)
		abort();
}

/* What the reader alone sees of frames that do more than answer. */
static void read_only(const struct holder_frame *f)
{
	struct holder_setup setup;
	struct holder_hello hello;
	struct holder_leaf leaf;
	struct fetch_job job;

	if (f->kind == HOLDER_SETUP && holder_read_setup(f->body, &setup))
		holder_setup_done(&setup);
	if (f->kind == HOLDER_LEAF)
		holder_read_leaf(f->body, &leaf);
	if (f->kind == HOLDER_HELLO && holder_read_hello(f->body, &hello))
		holder_hello_done(&hello);
	if (f->kind == HOLDER_FETCH && fetch_read_job(f->body, &job))
		fetch_job_done(&job);
}

/* Sends all but those. What is left at the end is sent as it is, cut or no frame. */
static void feed(int fd, struct view in)
{
	struct holder_frame f;
	size_t need;

	while (holder_frame_read(in, &f, &need) == HOLDER_READ_FRAME) {
		struct view whole;

		view_take(&in, HOLDER_HEADER + f.body.len, &whole);
		if (f.kind == HOLDER_SETUP || f.kind == HOLDER_LEAF || f.kind == HOLDER_HELLO ||
		    f.kind == HOLDER_FETCH)
			read_only(&f);
		else if (write(fd, whole.p, whole.len) < 0)
			return;
	}
	if (in.len && in.len < HOLDER_HEADER + 5 && write(fd, in.p, in.len) < 0)
		return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	int pair[2];

	if (size > 8192)
		return 0;
	start_once();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	vault_channel_new(&vault, pair[0]);
	struct vault_channel *ch = container_of(vault.channels.next, struct vault_channel, node);
	ch->list = calloc(3, sizeof(*ch->list));
	add_secret(ch, "PLAIN", "value-of-plain", CONFIG_SIGNER_NONE);
	add_secret(ch, "AWS", "value-of-aws", CONFIG_SIGNER_SIGV4);
	add_secret(ch, "MAC", "value-of-hmac", CONFIG_SIGNER_HMAC);
	if (vault_push(ch, 1, &err) < 0)
		abort();
	feed(pair[1], view_make(data, size));
	shutdown(pair[1], SHUT_WR);
	peer = pair[1];
	vault.loop.stop = false;
	loop_run(&vault.loop);
	close(pair[1]);
	return 0;
}
