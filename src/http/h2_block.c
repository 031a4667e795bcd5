// SPDX-License-Identifier: Apache-2.0
/*
 * Header blocks of HTTP/2: decoding them. What is in them is judged in h2_head.c.
 */
#include "http/h2_head.h"
#include "http/h2_priv.h"

/* What RFC 9113 6.5.2 counts for a field beside its text. */
#define FIELD_OVERHEAD 32

bool h2_refuse(struct h2 *h, const char *error)
{
	h->state = H2_S_ERROR;
	h->error = error;
	return false;
}

void h2_block_begin(struct h2 *h)
{
	http_fields_clear(&h->store);
	h->request = (struct h2_request){.stream = h->frame.stream};
	h->block_len = h->block_frames = h->list_size = 0;
}

/* ---- decoding ---- */

static bool add_field(struct h2 *h, const nghttp2_nv *nv)
{
	struct http_fields *s = &h->store;
	size_t at = s->text_len;

	if (nv->namelen == 0)
		return h2_refuse(h, "a field without a name");
	h->list_size += nv->namelen + nv->valuelen + FIELD_OVERHEAD;
	if (h->list_size > HTTP_TEXT_MAX || !http_fields_append(s, nv->name, nv->namelen) ||
	    !http_fields_append(s, nv->value, nv->valuelen) ||
	    !http_fields_add(s, view_make(s->text + at, nv->namelen),
			     view_make(s->text + at + nv->namelen, nv->valuelen)))
		return h2_refuse(h, "too many fields");
	return true;
}

bool h2_block_feed(struct h2 *h, struct view part, bool last)
{
	static const uint8_t none;
	const uint8_t *p = part.len ? part.p : &none;
	int flags;

	do {
		nghttp2_nv nv;
		flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, p, part.len, last);
		if (n < 0)
			return h2_refuse(h, "a header block cannot be decoded");
		p += n;
		part.len -= (size_t)n;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) && !add_field(h, &nv))
			return false;
	} while (!(flags & NGHTTP2_HD_INFLATE_FINAL) &&
		 ((flags & NGHTTP2_HD_INFLATE_EMIT) || part.len));
	if (last)
		nghttp2_hd_inflate_end_headers(h->inflater);
	return true;
}

bool h2_block_end(struct h2 *h)
{
	const char *error;

	if (!(h->trailer ? h2_head_trailers(&h->store, &error)
			 : h2_head_request(&h->store, &h->request, &error)))
		return h2_refuse(h, error);
	h->request.end_stream = h->end_stream;
	return !h->trailer || h->end_stream ||
	       h2_refuse(h, "trailers that do not end their stream");
}
