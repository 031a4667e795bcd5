// SPDX-License-Identifier: Apache-2.0
/*
 * Tokens in the answers of an authorisation server (RFC 6749 5.1, and the same as a form): each
 * becomes a secret of its own, and the guest gets a placeholder for it.
 *
 * The body is read byte by byte and passes on; only a token is held until it has ended and the key
 * holder has taken it. Members are found at any depth, whatever stands around them.
 *
 * Limits: tokens in header fields (the implicit grant's fragment), in XML, and in what is no JSON
 * and no form by its Content-Type are not seen; one shorter than NEEDLE_MIN stays as it is. Bounds:
 * a token of SECRET_VALUE_MAX bytes; beyond, the answer ends.
 */
#include <stdlib.h>

#include "http/spelling.h"
#include "intercept/filter_priv.h"

#define NAME_LEN 32 /* longer names are none of those that are looked for */

enum state {
	BETWEEN,    /* JSON: outside of strings. Form: not used */
	NAME,       /* within a string, or a name of the form */
	BEHIND,     /* JSON: behind a string */
	VALUE,      /* JSON: in front of a member's value */
	TOKEN,      /* within it */
	TOKEN_ENDS, /* its delimiter was read, and the token has to be exchanged */
};

struct filter_capture {
	struct filter_secrets *owner;
	size_t from; /* the secret that says so */
	bool form, escaped;
	enum state state;
	char name[NAME_LEN];
	size_t name_len;
	struct buf token; /* as it is written */
	struct buf rest;  /* of the input, behind a wait */
	uint8_t delimiter;
	bool delimited; /* the form's last value has none */
};

static bool is_token_name(const struct filter_capture *c)
{
	static const char *const names[] = {"access_token", "refresh_token", "id_token"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (c->name_len == strlen(names[i]) && memcmp(c->name, names[i], c->name_len) == 0)
			return true;
	return false;
}

static void add_to_name(struct filter_capture *c, uint8_t byte)
{
	if (c->name_len < NAME_LEN)
		c->name[c->name_len] = (char)byte;
	c->name_len += c->name_len <= NAME_LEN;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ---- reading ---- */

static void read_between(struct filter_capture *c, uint8_t byte)
{
	if (byte != '"')
		return;
	c->state = NAME;
	c->name_len = 0;
	c->escaped = false;
}

static void read_json(struct filter_capture *c, uint8_t byte)
{
	switch (c->state) {
	case NAME:
		if (c->escaped || byte != '"')
			add_to_name(c, byte);
		else
			c->state = BEHIND;
		c->escaped = !c->escaped && byte == '\\';
		return;
	case BEHIND:
		if (is_space(byte))
			return;
		c->state = byte == ':' && is_token_name(c) ? VALUE : BETWEEN;
		break;
	case VALUE:
		if (is_space(byte))
			return;
		c->state = byte == '"' ? TOKEN : BETWEEN;
		if (c->state == TOKEN)
			return;
		break;
	default:
		break;
	}
	read_between(c, byte);
}

static void read_form(struct filter_capture *c, uint8_t byte)
{
	if (byte == '&' || byte == '\n') {
		c->name_len = 0;
	} else if (byte == '=' && is_token_name(c)) {
		c->state = TOKEN;
		c->name_len = 0;
	} else {
		add_to_name(c, byte);
	}
}

static bool ends_token(struct filter_capture *c, uint8_t byte)
{
	bool escaped = c->escaped;

	if (c->form)
		return byte == '&' || byte == '\r' || byte == '\n';
	c->escaped = !escaped && byte == '\\';
	return byte == '"' && !escaped;
}

/* Up to the end of the token, or of the bytes. */
static enum scrub_step read_token(struct filter_capture *c, struct view *in)
{
	size_t n = 0;

	while (n < in->len && !ends_token(c, in->p[n]))
		n++;
	if (c->token.len + n > SPELLING_UNIT * SECRET_VALUE_MAX)
		return SCRUB_BAD;
	if (!buf_append(&c->token, in->p, n))
		return SCRUB_NOMEM;
	view_skip(in, n);
	c->delimited = view_get_u8(in, &c->delimiter);
	if (c->delimited)
		c->state = TOKEN_ENDS;
	return SCRUB_GO;
}

/* ---- exchanging ---- */

static struct holder_ask *ask(struct filter_capture *c)
{
	struct filter_secrets *s = c->owner;
	struct view written = buf_view(&c->token);
	uint8_t *plain = malloc(written.len);
	struct holder_ask *a = NULL;
	size_t used;

	if (!plain)
		return NULL;
	size_t n = spelling_undo(written, c->form, true, plain, &used);
	a = holder_ask_capture(s->c->channel, s->set, c->from, view_make(plain, n),
			       secrets_got_text, &s->token);
	explicit_bzero(plain, written.len);
	free(plain);
	return a;
}

static enum scrub_step exchange(struct filter_capture *c, struct buf *out)
{
	struct filter_secrets *s = c->owner;
	enum scrub_step step = SCRUB_GO;
	bool ok;

	if (c->token.len < NEEDLE_MIN) {
		ok = buf_append_view(out, buf_view(&c->token));
	} else {
		if (!s->token.asked) {
			s->token.asked = true;
			s->token.owner = s;
			s->token.ask = ask(c);
		}
		step = secrets_text(s, &s->token);
		if (step != SCRUB_GO)
			return step;
		struct view text = view_make(s->token.text, strlen(s->token.text));
		ok = c->form ? spelling_put_percent(out, text) : spelling_put_json(out, text);
		secrets_event(s, c->from, "answer", "captured");
		secrets_forget_text(&s->token);
	}
	if (ok && c->delimited)
		ok = buf_append(out, &c->delimiter, 1);
	buf_take(&c->token, c->token.len);
	c->state = c->form ? NAME : BETWEEN;
	return ok ? SCRUB_GO : SCRUB_NOMEM;
}

static enum scrub_step run(struct filter_capture *c, struct view *in, bool end, struct buf *out)
{
	enum scrub_step step = SCRUB_GO;

	for (;;) {
		if (c->state == TOKEN && in->len)
			step = read_token(c, in);
		if (step == SCRUB_GO && c->state == TOKEN_ENDS)
			step = exchange(c, out);
		if (step != SCRUB_GO || in->len == 0)
			break;
		size_t n = 0;
		while (n < in->len && c->state != TOKEN) {
			if (c->form)
				read_form(c, in->p[n++]);
			else
				read_json(c, in->p[n++]);
		}
		if (!buf_append(out, in->p, n))
			return SCRUB_NOMEM;
		view_skip(in, n);
	}
	/* The last value of a form ends with the body; a string of JSON that does is broken. */
	if (step == SCRUB_GO && end && c->state == TOKEN) {
		c->state = TOKEN_ENDS;
		step = c->form ? exchange(c, out) : SCRUB_BAD;
	}
	return step;
}

/* As scrub_run(): after a wait it is called again with nothing. */
static enum scrub_step capture(void *arg, struct view in, bool end, struct buf *out)
{
	struct filter_capture *c = arg;
	bool again = c->rest.len > 0;
	enum scrub_step step;

	if (again && !buf_append_view(&c->rest, in))
		return SCRUB_NOMEM;
	if (again)
		in = buf_view(&c->rest);
	size_t before = in.len;
	step = run(c, &in, end, out);
	if (again)
		buf_take(&c->rest, before - in.len);
	else if (step == SCRUB_WAIT && !buf_append_view(&c->rest, in))
		step = SCRUB_NOMEM;
	return step;
}

/* ---- choosing ---- */

static bool find(const struct filter_secrets *s, size_t *ret)
{
	for (*ret = 0; *ret < s->set->count; (*ret)++)
		if (s->set->list[*ret].capture && secrets_may_have(s, &s->set->list[*ret]))
			return true;
	return false;
}

bool capture_begin(struct filter_secrets *s, bool form)
{
	size_t from;

	capture_free(s);
	if (!find(s, &from))
		return true;
	s->capture = calloc(1, sizeof(*s->capture));
	if (!s->capture)
		return false;
	s->capture->owner = s;
	s->capture->from = from;
	s->capture->form = form;
	s->capture->state = form ? NAME : BETWEEN;
	s->capture->token.secret = s->capture->rest.secret = true;
	s->down.body.before = capture;
	s->down.body.before_arg = s->capture;
	return true;
}

bool capture_wanted(const struct filter_secrets *s)
{
	size_t from;

	return s->x->answer.status / 100 == 2 && find(s, &from);
}

void capture_free(struct filter_secrets *s)
{
	if (!s->capture)
		return;
	buf_done(&s->capture->token);
	buf_done(&s->capture->rest);
	free(s->capture);
	s->capture = NULL;
}
