// SPDX-License-Identifier: Apache-2.0
/* Frames between the packet process and the key holder, and the short bodies. */
#include "secret/holder_proto.h"

#include <stdlib.h>
#include <string.h>

enum holder_read holder_frame_read(struct view in, struct holder_frame *ret, size_t *ret_need)
{
	struct holder_frame f = {0};
	uint32_t len;

	*ret_need = HOLDER_HEADER;
	if (in.len < HOLDER_HEADER)
		return HOLDER_READ_MORE;
	view_get_be32(&in, &len);
	if (len < HOLDER_HEADER - 4 || len > HOLDER_FRAME_MAX)
		return HOLDER_READ_BAD;
	*ret_need = 4 + (size_t)len;
	if (in.len < len)
		return HOLDER_READ_MORE;
	view_get_u8(&in, &f.kind);
	view_get_be32(&in, &f.id);
	view_take(&in, len - (HOLDER_HEADER - 4), &f.body);
	*ret = f;
	return HOLDER_READ_FRAME;
}

void holder_frame_head(uint8_t out[HOLDER_HEADER], uint8_t kind, uint32_t id, size_t body)
{
	put_be32(out, (uint32_t)(body + HOLDER_HEADER - 4));
	out[4] = kind;
	put_be32(out + 5, id);
}

/* ---- parts ---- */

static void put(struct holder_put *p, const void *bytes, size_t n)
{
	if (!p->failed && !buf_append(p->to, bytes, n))
		p->failed = true;
}

void holder_put_u8(struct holder_put *p, uint8_t v)
{
	put(p, &v, 1);
}

void holder_put_be16(struct holder_put *p, uint16_t v)
{
	uint8_t b[2];

	put_be16(b, v);
	put(p, b, sizeof(b));
}

void holder_put_be32(struct holder_put *p, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	put(p, b, sizeof(b));
}

void holder_put_be64(struct holder_put *p, uint64_t v)
{
	holder_put_be32(p, (uint32_t)(v >> 32));
	holder_put_be32(p, (uint32_t)v);
}

void holder_put_bytes(struct holder_put *p, struct view v)
{
	holder_put_be32(p, (uint32_t)v.len);
	put(p, v.p, v.len);
}

void holder_put_text(struct holder_put *p, const char *s)
{
	holder_put_bytes(p, view_make(s, s ? strlen(s) : 0));
}

bool holder_get_be64(struct view *in, uint64_t *ret)
{
	uint32_t high, low;

	if (in->len < 8)
		return false;
	view_get_be32(in, &high);
	view_get_be32(in, &low);
	*ret = (uint64_t)high << 32 | low;
	return true;
}

bool holder_get_bytes(struct view *in, size_t max, struct view *ret)
{
	struct view at = *in;
	uint32_t n;

	if (!view_get_be32(&at, &n) || n > max || !view_take(&at, n, ret))
		return false;
	*in = at;
	return true;
}

bool holder_get_text(struct view *in, char **ret)
{
	struct view at = *in, text;

	if (!holder_get_bytes(&at, HOLDER_TEXT_MAX, &text) || memchr(text.p, 0, text.len))
		return false;
	char *s = strndup((const char *)text.p, text.len);
	if (!s)
		return false;
	*ret = s;
	*in = at;
	return true;
}

bool holder_get_text_or_null(struct view *in, char **ret)
{
	char *s;

	if (!holder_get_text(in, &s))
		return false;
	if (!*s) {
		free(s);
		s = NULL;
	}
	*ret = s;
	return true;
}

/* ---- short bodies ---- */

void holder_put_hello(struct holder_put *p, const struct holder_hello *h)
{
	holder_put_text(p, h->ca_cert);
	holder_put_text(p, h->ca_key);
	holder_put_be32(p, h->valid_hours);
}

bool holder_read_hello(struct view body, struct holder_hello *ret)
{
	struct holder_hello h = {0};

	if (holder_get_text_or_null(&body, &h.ca_cert) &&
	    holder_get_text_or_null(&body, &h.ca_key) && view_get_be32(&body, &h.valid_hours) &&
	    body.len == 0) {
		*ret = h;
		return true;
	}
	holder_hello_done(&h);
	return false;
}

void holder_hello_done(struct holder_hello *h)
{
	free(h->ca_cert);
	free(h->ca_key);
}

void holder_put_which(uint8_t out[10], const struct holder_which *w)
{
	put_be32(out, (uint32_t)(w->generation >> 32));
	put_be32(out + 4, (uint32_t)w->generation);
	put_be16(out + 8, w->index);
}

bool holder_get_which(struct view *in, struct holder_which *ret)
{
	return holder_get_be64(in, &ret->generation) && view_get_be16(in, &ret->index);
}

/* A name or an address in text, and nothing else: it is written into a certificate. */
static bool host_is_sound(struct view host)
{
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_' &&
		    c != ':')
			return false;
	}
	return host.len > 0;
}

bool holder_read_leaf(struct view body, struct holder_leaf *ret)
{
	struct view host, spki;

	if (!holder_get_bytes(&body, NAME_TEXT_MAX, &host) ||
	    !holder_get_bytes(&body, HOLDER_SPKI_MAX, &spki) || spki.len == 0 || body.len != 0)
		return false;
	memcpy(ret->host, host.p, host.len);
	ret->host[host.len] = '\0';
	ret->sound = host_is_sound(host);
	ret->spki = spki;
	return true;
}

#define SCOPE_PART_MAX 64

bool holder_read_sign(struct view body, struct holder_to_sign *ret)
{
	struct holder_to_sign s;

	if (!holder_get_which(&body, &s.which) ||
	    !holder_get_bytes(&body, HOLDER_SIGN_MAX, &s.text) ||
	    !holder_get_bytes(&body, SCOPE_PART_MAX, &s.date) ||
	    !holder_get_bytes(&body, SCOPE_PART_MAX, &s.region) ||
	    !holder_get_bytes(&body, SCOPE_PART_MAX, &s.service) || body.len != 0)
		return false;
	*ret = s;
	return true;
}
