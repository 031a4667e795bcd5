// SPDX-License-Identifier: Apache-2.0
/*
 * A WebSocket under a rule for requests: what goes on behind the handshake is held to be frames
 * (RFC 6455 5), in both directions, so that a request which the rule allows opens no raw tunnel for
 * whatever the two ends agree on. What the messages say is theirs.
 *
 * Without a rule, and without secrets, nobody looks.
 */
#include <stdlib.h>

#include "http/text.h"
#include "http/websocket.h"
#include "intercept/filter_priv.h"

struct filter_frames {
	struct websocket way[2]; /* enum http_side: who sends */
	bool again[2];           /* what was looked at is offered once more, behind a wait */
};

static bool lists(const struct http_head *h, const char *field, const char *what)
{
	const struct http_field *f = NULL;

	while ((f = http_head_find(h, field, f))) {
		struct view list = f->value, one;

		while (http_list_next(&list, &one)) {
			const uint8_t *end = one.len ? memchr(one.p, ';', one.len) : NULL;

			if (end)
				one = http_text_trim(view_make(one.p, (size_t)(end - one.p)));
			if (http_text_is(one, what))
				return true;
		}
	}
	return false;
}

struct filter_frames *frames_new(struct http_exchange *x)
{
	struct filter_frames *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->way[HTTP_GUEST].sender = WEBSOCKET_CLIENT;
	f->way[HTTP_UPSTREAM].sender = WEBSOCKET_SERVER;
	for (int i = 0; i < 2; i++)
		f->way[i].deflate =
			lists(&x->answer, "sec-websocket-extensions", "permessage-deflate");
	if (x->request.mode == HTTP_BODY_PASS)
		x->request.mode = HTTP_BODY_SAME;
	if (x->answer.mode == HTTP_BODY_PASS)
		x->answer.mode = HTTP_BODY_SAME;
	return f;
}

const char *frames_look(struct filter_frames *f, enum http_side from, struct view in)
{
	struct websocket *w = &f->way[from];
	struct view piece;

	if (f->again[from])
		return NULL;
	for (;;) {
		switch (websocket_read(w, &in, &piece)) {
		case WEBSOCKET_MORE:
			return NULL;
		case WEBSOCKET_BAD:
			return w->error;
		case WEBSOCKET_FRAME:
		case WEBSOCKET_PAYLOAD:
		case WEBSOCKET_END:
			break;
		}
	}
}

enum http_step frames_step(struct filter_frames *f, enum http_side from, enum http_step step)
{
	if (f)
		f->again[from] = step == HTTP_WAIT;
	return step;
}

void frames_free(struct filter_frames *f)
{
	free(f);
}
