// SPDX-License-Identifier: Apache-2.0
/*
 * Lines, fields and chunks. A line costs one memchr(); chunk sizes are read byte by byte.
 */
#include "http/h1_part.h"

#include "http/text.h"

/* Eight hexadecimal digits hold every size up to H1_CHUNK_MAX, padded as some peers do. */
#define SIZE_DIGITS 8

enum h1_line h1_line_take(struct http_fields *text, struct view *in, size_t max)
{
	const uint8_t *lf = in->len ? memchr(in->p, '\n', in->len) : NULL;
	size_t n = lf ? (size_t)(lf - in->p) + 1 : in->len;

	if (n > max - text->text_len || !http_fields_append(text, in->p, n))
		return H1_LINE_FULL;
	view_skip(in, n);
	return lf ? H1_LINE_WHOLE : H1_LINE_MORE;
}

const char *h1_line_show(const struct http_fields *text, size_t from, struct view *ret)
{
	size_t len = text->text_len - from;

	if (len < 2 || text->text[text->text_len - 2] != '\r')
		return "a line ends without a carriage return";
	*ret = view_make(text->text + from, len - 2);
	return NULL;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

const char *h1_field_split(struct view line, struct view *ret_name, struct view *ret_value)
{
	struct view name;

	if (is_blank(line.p[0]))
		return "a field is folded over two lines";
	view_take(&line, http_token_len(line), &name);
	if (name.len == 0 || line.len == 0)
		return "a line of the head is no field";
	if (is_blank(line.p[0]))
		return "white space behind a field's name";
	if (line.p[0] != ':')
		return "a character in a field's name is not allowed";
	view_skip(&line, 1);
	if (!http_value_clean(line))
		return "a control character in a field";
	*ret_name = name;
	*ret_value = http_text_trim(line);
	return NULL;
}

/* ---- chunks ---- */

static bool refuse(struct h1_chunks *c, const char *error)
{
	c->state = H1_CHUNK_BAD;
	c->error = error;
	return false;
}

static bool size_byte(struct h1_chunks *c, uint8_t byte)
{
	int digit = http_hex_digit(byte);

	if (digit < 0) {
		if (byte != '\r' || c->digits == 0)
			return refuse(c, "a chunk's size is not one plain number");
		c->state = H1_CHUNK_SIZE_LF;
		return true;
	}
	c->size = c->size * 16 + (unsigned)digit;
	if (++c->digits > SIZE_DIGITS || c->size > H1_CHUNK_MAX)
		return refuse(c, "a chunk is too large");
	return true;
}

/* A byte of the framing. */
static bool frame_byte(struct h1_chunks *c, uint8_t byte)
{
	switch (c->state) {
	case H1_CHUNK_SIZE:
		return size_byte(c, byte);
	case H1_CHUNK_SIZE_LF:
		if (byte != '\n')
			return refuse(c, "a lone carriage return behind a chunk's size");
		c->left = c->size;
		c->state = c->size ? H1_CHUNK_DATA : H1_CHUNK_LAST;
		return true;
	case H1_CHUNK_CR:
		if (byte != '\r')
			return refuse(c, "a chunk is longer than its size");
		c->state = H1_CHUNK_LF;
		return true;
	default: /* H1_CHUNK_LF */
		if (byte != '\n')
			return refuse(c, "a lone carriage return behind a chunk");
		*c = (struct h1_chunks){.state = H1_CHUNK_SIZE};
		return true;
	}
}

size_t h1_chunks_read(struct h1_chunks *c, struct view in, struct view *ret_data)
{
	size_t at = 0;

	*ret_data = view_make(in.p, 0);
	while (at < in.len && c->state != H1_CHUNK_LAST && c->state != H1_CHUNK_BAD) {
		if (c->state == H1_CHUNK_DATA) {
			size_t n = in.len - at < c->left ? in.len - at : (size_t)c->left;
			*ret_data = view_make(in.p + at, n);
			c->left -= n;
			if (c->left == 0)
				c->state = H1_CHUNK_CR;
			return at + n;
		}
		if (!frame_byte(c, in.p[at]))
			break;
		at++;
	}
	return at;
}
