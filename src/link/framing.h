// SPDX-License-Identifier: Apache-2.0
/*
 * Frames in a stream of bytes: a length before each (4 bytes big-endian, or 2 little-endian as
 * vpnkit and stdio have it), and that may be any cut of the stream. Sans-IO.
 */
#ifndef WEIR_LINK_FRAMING_H
#define WEIR_LINK_FRAMING_H

#include "base/frame.h"
#include "base/view.h"

/* The largest frame that a peer may send: what libkrun's buffers hold. One more than FRAME_MAX. */
#define FRAMING_MAX 65550

struct framing {
	unsigned prefix; /* bytes of the length: 4, or 2 */
	unsigned header; /* bytes between the length and the frame, which the length counts */
};

enum framing_result {
	FRAMING_FRAME, /* *ret is a frame with its header; *in begins behind it */
	FRAMING_MORE,  /* it is not all there yet; nothing was taken */
	FRAMING_BAD,   /* *ret_len cannot be one: nothing behind it can be understood */
};

enum framing_result framing_next(const struct framing *f, struct view *in, struct view *ret,
				 uint32_t *ret_len);
/* Writes the length of what lies behind `at`. */
void framing_put(const struct framing *f, uint8_t *at, uint32_t len);
/* The longest frame that can be sent. */
uint32_t framing_max(const struct framing *f);

#endif
