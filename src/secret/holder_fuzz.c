// SPDX-License-Identifier: Apache-2.0
/*
 * Anything that a key holder could say to the packet process: frames on a channel with open
 * questions of each kind; and what a token's server could say to the process that asks it.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "secret/fetch.h"
#include "secret/holder_priv.h"

static struct loop loop;
static unsigned asked, answers;

/* Its end is what every channel comes to: each question has been answered once by then. */
static void end_of_turn(struct loop *l, void *ctx)
{
	if (answers >= asked)
		l->stop = true;
}

static void drop_line(void *ctx, enum log_level level, const char *text)
{
}

static void start_once(void)
{
	static const struct log_sink silent = {.line = drop_line, .level = LOG_DEBUG};
	static bool started;
	struct error err;

	if (started)
		return;
	started = true;
	log_set_sink(&silent);
	if (loop_init(&loop, &err) < 0)
		abort();
	loop.rested = true;
	loop.turn_end = end_of_turn;
}

static void on_value(void *arg, struct secret_value *v, const char *err)
{
	answers++;
	if (!v == !err)
		abort();
	secret_value_free(v);
}

static void on_text(void *arg, struct view text, const char *err)
{
	answers++;
}

static void channel(const uint8_t *data, size_t size)
{
	static struct needle_key key;
	struct error err;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	struct holder_channel *ch = channel_over(pair[0], &err);
	if (!ch || holder_channel_attach(ch, &loop, &err) < 0)
		abort();
	struct secret_set *set = calloc(1, sizeof(*set));
	set->refs = set->count = 1;
	set->list = calloc(1, sizeof(*set->list));
	set->placeholders = needle_set_new(&key, NULL, 0);
	set->values = needle_set_new(&key, NULL, 0);
	set->channel = ch;
	list_init(&set->node);
	ch->set = set;
	const struct holder_sign sign = {.text = view_make("text", 4)};
	asked = answers = 0;
	asked += holder_ask_value(ch, set, 0, on_value, NULL) != NULL;
	asked += holder_ask_leaf(ch, "x.test", view_make("key", 3), on_text, NULL) != NULL;
	asked += holder_ask_sign(ch, set, 0, &sign, on_text, NULL) != NULL;
	holder_ask_cancel(holder_ask_value(ch, set, 0, on_value, NULL));
	if (size && write(pair[1], data, size) < 0)
		abort();
	close(pair[1]);
	loop.stop = false;
	loop_run(&loop);
	if (answers != asked)
		abort();
	holder_channel_free(ch);
}

static void answer(const uint8_t *data, size_t size)
{
	struct fetch_answer a;
	struct fetch_token t;
	struct buf mem = {0};
	struct error err;
	uint8_t *copy = malloc(size ? size : 1);
	char code[64];

	memcpy(copy, data, size);
	for (size_t n = 0; n < size; n += size / 4 + 1)
		if (fetch_read_answer(copy, n, false, &a) != 0)
			memcpy(copy, data, size);
	if (fetch_read_answer(copy, size, true, &a) == 1) {
		fetch_read_refusal(a.body, code);
		fetch_read_json(a.body, &mem, &t, &err);
	}
	fetch_read_token(view_make(data, size), &t);
	buf_done(&mem);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 60000)
		return 0;
	start_once();
	if (data[0] == 'H')
		answer(data, size);
	else
		channel(data, size);
	return 0;
}
