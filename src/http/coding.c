// SPDX-License-Identifier: Apache-2.0
/*
 * Content codings: their names, decoders, encoders. The encoders take their quickest setting: what
 * they make goes to a guest on the same machine.
 */
#include "http/coding.h"

#include <limits.h>
#include <stdlib.h>

#include "http/coding_libs.h"
#include "http/text.h"

/* ---- names ---- */

static const struct {
	const char *name;
	enum coding coding;
} names[] = {
	{"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"deflate", CODING_DEFLATE},
	{"br", CODING_BR},     {"zstd", CODING_ZSTD},   {"identity", CODING_IDENTITY},
};

static bool is_there(enum coding c)
{
	switch (c) {
	case CODING_IDENTITY:
		return true;
	case CODING_GZIP:
	case CODING_DEFLATE:
		return coding_zlib();
	case CODING_BR:
		return coding_brotli_dec() && coding_brotli_enc();
	case CODING_ZSTD:
		return coding_zstd();
	case CODING_OTHER:
		break;
	}
	return false;
}

static enum coding by_name(struct view name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (http_text_is(name, names[i].name) && is_there(names[i].coding))
			return names[i].coding;
	}
	return CODING_OTHER;
}

enum coding coding_of(struct view field)
{
	enum coding c = CODING_IDENTITY;
	struct view name;

	while (http_list_next(&field, &name)) {
		enum coding next = by_name(name);
		if (next == CODING_IDENTITY)
			continue;
		if (c != CODING_IDENTITY)
			return CODING_OTHER;
		c = next;
	}
	return c;
}

bool coding_accept(struct view field, struct buf *ret)
{
	size_t before = ret->len;
	struct view member;

	while (http_list_next(&field, &member)) {
		const uint8_t *semicolon = memchr(member.p, ';', member.len);
		struct view name = member;
		if (semicolon)
			name.len = (size_t)(semicolon - member.p);
		if (by_name(http_text_trim(name)) == CODING_OTHER)
			continue;
		if ((ret->len > before && !buf_append_text(ret, ", ")) ||
		    !buf_append_view(ret, member))
			return false;
	}
	return ret->len > before || buf_append_text(ret, "identity");
}

/* ---- decoders ---- */

struct decoder {
	enum coding coding;
	bool begun, ended;
	bool done; /* what comes behind the end of brotli or deflate is none of the body's */
	uint64_t taken, given;
	struct zlib_stream z;
	void *other; /* brotli's, zstd's */
};

/* gzip and deflate; the latter is zlib's format, or, as some servers have it, without its head:
 * known from the first byte (RFC 1950 2.2; a raw stream that begins with it would be a block whose
 * type says "stored" and whose length does not fit). */
static bool zlib_begin(struct decoder *d, uint8_t first)
{
	int window = ZLIB_WINDOW_BITS;

	if (d->coding == CODING_GZIP)
		window += ZLIB_GZIP;
	else if ((first & 15) != ZLIB_DEFLATED)
		window = -window;
	d->begun = true;
	return coding_zlib()->inflateInit2_(&d->z, window, "1", sizeof(d->z)) == ZLIB_OK;
}

struct decoder *decoder_new(enum coding c)
{
	struct decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->coding = c;
	if (c == CODING_BR) {
		d->other = coding_brotli_dec()->BrotliDecoderCreateInstance(NULL, NULL, NULL);
	} else if (c == CODING_ZSTD) {
		d->other = coding_zstd()->ZSTD_createDCtx();
		if (d->other)
			coding_zstd()->ZSTD_DCtx_setParameter(d->other, ZSTD_WINDOW_LOG_MAX, 23);
	}
	if ((c == CODING_BR || c == CODING_ZSTD) && !d->other) {
		free(d);
		return NULL;
	}
	return d;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	if (d->begun && (d->coding == CODING_GZIP || d->coding == CODING_DEFLATE))
		coding_zlib()->inflateEnd(&d->z);
	if (d->coding == CODING_BR)
		coding_brotli_dec()->BrotliDecoderDestroyInstance(d->other);
	if (d->coding == CODING_ZSTD)
		coding_zstd()->ZSTD_freeDCtx(d->other);
	free(d);
}

bool decoder_began(const struct decoder *d)
{
	return d->taken > 0;
}

bool decoder_ended(const struct decoder *d)
{
	return d->ended || d->taken == 0;
}

/* Each returns false where the bytes are wrong; *full: there may be more to give out. */
static bool zlib_run(struct decoder *d, struct view *in, uint8_t *out, size_t *n, bool *full)
{
	const struct lib_zlib *lib = coding_zlib();
	size_t room = *n;
	int r;

	*n = 0;
	if (in->len && !d->begun && !zlib_begin(d, in->p[0]))
		return false;
	/* Another member of the same file (RFC 1952 2.2). */
	if (in->len && d->ended && d->coding == CODING_GZIP && lib->inflateReset(&d->z) == ZLIB_OK)
		d->ended = false;
	if (!d->begun || d->ended) {
		d->done = d->ended;
		*full = false;
		return true;
	}
	d->z.next_in = in->p;
	d->z.avail_in = in->len < UINT_MAX ? (unsigned)in->len : UINT_MAX;
	d->z.next_out = out;
	d->z.avail_out = (unsigned)room;
	r = lib->inflate(&d->z, ZLIB_NO_FLUSH);
	if (r != ZLIB_OK && r != ZLIB_END && r != ZLIB_NO_PROGRESS)
		return false;
	view_skip(in, (size_t)(d->z.next_in - in->p));
	*n = room - d->z.avail_out;
	d->ended = r == ZLIB_END;
	*full = d->z.avail_out == 0 || in->len || d->ended;
	/* Behind the end with nothing left: there is no more. */
	if (d->ended && in->len == 0)
		*full = false;
	return true;
}

static bool brotli_run(struct decoder *d, struct view *in, uint8_t *out, size_t *n, bool *full)
{
	size_t room = *n, before = room, left = in->len;
	const uint8_t *from = in->p;
	int r;

	*n = 0;
	*full = false;
	if (d->ended) {
		d->done = true;
		return true;
	}
	r = coding_brotli_dec()->BrotliDecoderDecompressStream(d->other, &left, &from, &room, &out,
							       NULL);
	if (r == BROTLI_BAD)
		return false;
	view_skip(in, in->len - left);
	*n = before - room;
	d->ended = r == BROTLI_END;
	d->done = d->ended;
	*full = r == BROTLI_WANTS_ROOM;
	return true;
}

static bool zstd_run(struct decoder *d, struct view *in, uint8_t *out, size_t *n, bool *full)
{
	struct zstd_in zi = {in->p, in->len, 0};
	struct zstd_out zo = {out, *n, 0};
	size_t r;

	*n = 0;
	*full = false;
	if (in->len == 0 && d->ended)
		return true;
	r = coding_zstd()->ZSTD_decompressStream(d->other, &zo, &zi);
	if (coding_zstd()->ZSTD_isError(r))
		return false;
	view_skip(in, zi.pos);
	*n = zo.pos;
	d->ended = r == 0;
	*full = zo.pos == zo.size || in->len;
	return true;
}

enum decoder_result decoder_run(struct decoder *d, struct view *in, uint8_t *out, size_t cap,
				size_t *ret_n)
{
	size_t before = in->len, n = cap;
	bool full = false, ok;

	*ret_n = 0;
	switch (d->coding) {
	case CODING_BR:
		ok = brotli_run(d, in, out, &n, &full);
		break;
	case CODING_ZSTD:
		ok = zstd_run(d, in, out, &n, &full);
		break;
	default:
		ok = zlib_run(d, in, out, &n, &full);
		break;
	}
	if (!ok)
		return DECODER_BAD;
	if (d->done)
		view_skip(in, in->len);
	d->taken += before - in->len;
	d->given += n;
	*ret_n = n;
	if (d->given > CODING_SLACK && d->given / CODING_RATIO > d->taken)
		return DECODER_BAD;
	/* No progress with room: the bytes lead nowhere. */
	if (full && n == 0 && before == in->len)
		return DECODER_BAD;
	return full ? DECODER_FULL : DECODER_MORE;
}

/* ---- encoders ---- */

#define ENCODER_ROOM 16384

struct encoder {
	enum coding coding;
	bool unflushed;
	struct zlib_stream z;
	void *other;
};

struct encoder *encoder_new(enum coding c)
{
	struct encoder *e = calloc(1, sizeof(*e));
	bool ok = false;

	if (!e)
		return NULL;
	e->coding = c;
	if (c == CODING_BR) {
		e->other = coding_brotli_enc()->BrotliEncoderCreateInstance(NULL, NULL, NULL);
		ok = e->other;
		if (ok) {
			coding_brotli_enc()->BrotliEncoderSetParameter(e->other, BROTLI_QUALITY, 1);
			coding_brotli_enc()->BrotliEncoderSetParameter(e->other, BROTLI_LGWIN, 18);
		}
	} else if (c == CODING_ZSTD) {
		e->other = coding_zstd()->ZSTD_createCCtx();
		ok = e->other;
		if (ok) {
			coding_zstd()->ZSTD_CCtx_setParameter(e->other, ZSTD_LEVEL, 1);
			coding_zstd()->ZSTD_CCtx_setParameter(e->other, ZSTD_WINDOW_LOG, 18);
		}
	} else {
		int window = ZLIB_WINDOW_BITS + (c == CODING_GZIP ? ZLIB_GZIP : 0);
		ok = coding_zlib()->deflateInit2_(&e->z, 1, ZLIB_DEFLATED, window, 8, 0, "1",
						  sizeof(e->z)) == ZLIB_OK;
	}
	if (!ok) {
		free(e);
		return NULL;
	}
	return e;
}

void encoder_free(struct encoder *e)
{
	if (!e)
		return;
	if (e->coding == CODING_BR)
		coding_brotli_enc()->BrotliEncoderDestroyInstance(e->other);
	else if (e->coding == CODING_ZSTD)
		coding_zstd()->ZSTD_freeCCtx(e->other);
	else
		coding_zlib()->deflateEnd(&e->z);
	free(e);
}

static bool zlib_encode(struct encoder *e, struct view in, enum encoder_flush flush,
			struct buf *out)
{
	int how = flush == ENCODER_END     ? ZLIB_FINISH
		  : flush == ENCODER_FLUSH ? ZLIB_SYNC_FLUSH
					   : ZLIB_NO_FLUSH;

	e->z.next_in = in.p;
	e->z.avail_in = (unsigned)in.len;
	for (;;) {
		uint8_t *room = buf_room(out, ENCODER_ROOM);
		if (!room)
			return false;
		e->z.next_out = room;
		e->z.avail_out = ENCODER_ROOM;
		coding_zlib()->deflate(&e->z, how);
		buf_added(out, ENCODER_ROOM - e->z.avail_out);
		if (e->z.avail_out)
			return true;
	}
}

static bool brotli_encode(struct encoder *e, struct view in, enum encoder_flush flush,
			  struct buf *out)
{
	const struct lib_brotli_enc *lib = coding_brotli_enc();
	int how = flush == ENCODER_END     ? BROTLI_FINISH
		  : flush == ENCODER_FLUSH ? BROTLI_FLUSH
					   : BROTLI_PROCESS;

	do {
		size_t room = ENCODER_ROOM;
		uint8_t *to = buf_room(out, room);
		if (!to || !lib->BrotliEncoderCompressStream(e->other, how, &in.len, &in.p, &room,
							     &to, NULL))
			return false;
		buf_added(out, ENCODER_ROOM - room);
	} while (in.len || lib->BrotliEncoderHasMoreOutput(e->other));
	return true;
}

static bool zstd_encode(struct encoder *e, struct view in, enum encoder_flush flush,
			struct buf *out)
{
	struct zstd_in zi = {in.p, in.len, 0};
	int how = flush == ENCODER_END     ? ZSTD_END
		  : flush == ENCODER_FLUSH ? ZSTD_FLUSH
					   : ZSTD_CONTINUE;
	size_t left;

	do {
		uint8_t *room = buf_room(out, ENCODER_ROOM);
		if (!room)
			return false;
		struct zstd_out zo = {room, ENCODER_ROOM, 0};
		left = coding_zstd()->ZSTD_compressStream2(e->other, &zo, &zi, how);
		if (coding_zstd()->ZSTD_isError(left))
			return false;
		buf_added(out, zo.pos);
	} while (zi.pos < zi.size || (left && flush != ENCODER_GO_ON));
	return true;
}

bool encoder_run(struct encoder *e, struct view in, enum encoder_flush flush, struct buf *out)
{
	if (in.len == 0 && flush != ENCODER_END && (flush == ENCODER_GO_ON || !e->unflushed))
		return true;
	e->unflushed = flush == ENCODER_GO_ON;
	switch (e->coding) {
	case CODING_BR:
		return brotli_encode(e, in, flush, out);
	case CODING_ZSTD:
		return zstd_encode(e, in, flush, out);
	default:
		return zlib_encode(e, in, flush, out);
	}
}
