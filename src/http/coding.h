// SPDX-License-Identifier: Apache-2.0
/*
 * Content codings (RFC 9110 8.4.1, RFC 7932, RFC 8878): bodies decoded and coded again, as they
 * come. Sans-IO.
 *
 * A decoder gives out no more than it is given room for, so a body that grows without measure when
 * it is decoded costs time but no memory; where it grows more than CODING_RATIO times, it is taken
 * for what it is and refused. Windows have bounds, too (8 MiB of zstd as RFC 9659 says, 16 MiB of
 * brotli).
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_CODING_H
#define WEIR_HTTP_CODING_H

#include "base/buf.h"

/* More than deflate can (1,032 times), from CODING_SLACK bytes on. */
#define CODING_RATIO 1100
#define CODING_SLACK (16u << 20)

enum coding {
	CODING_IDENTITY,
	CODING_GZIP,
	CODING_DEFLATE,
	CODING_BR,
	CODING_ZSTD,
	CODING_OTHER, /* unknown, several, or its library is not there */
};

/* What a Content-Encoding field says. */
enum coding coding_of(struct view field);
/* What of an Accept-Encoding field asks for codings that can be read here: appended to `ret`;
 * "identity" where nothing is left. False without memory. */
bool coding_accept(struct view field, struct buf *ret);

struct decoder;
struct decoder *decoder_new(enum coding c); /* NULL without memory; not of OTHER, IDENTITY */
void decoder_free(struct decoder *d);
enum decoder_result {
	DECODER_MORE, /* all of the input was taken, and all that it stands for given out */
	DECODER_FULL, /* call again, with the rest of the input and room */
	DECODER_BAD,
};
/* Takes from *in, gives out up to `cap` bytes. */
enum decoder_result decoder_run(struct decoder *d, struct view *in, uint8_t *out, size_t cap,
				size_t *ret_n);
bool decoder_began(const struct decoder *d); /* some bytes have come */
/* The body may end here. */
bool decoder_ended(const struct decoder *d);

struct encoder;
struct encoder *encoder_new(enum coding c);
void encoder_free(struct encoder *e);
enum encoder_flush {
	ENCODER_GO_ON,
	ENCODER_FLUSH, /* a reader can decode all that was put in */
	ENCODER_END,
};
/* False: out of memory. */
bool encoder_run(struct encoder *e, struct view in, enum encoder_flush flush, struct buf *out);

#endif
