// SPDX-License-Identifier: Apache-2.0
/*
 * Segments in the words of a script: building the guest's, and holding weir's against what is
 * expected.
 *
 *   FLAGS SEQ:END(LEN) [ack N] [win N] [urg N] [<option, ...>]
 *   FLAGS: S F R P . (ACK) E (ECE) W (CWR) U, or - for none
 */
#ifndef WEIR_TEST_SCRIPT_SEGMENT_H
#define WEIR_TEST_SCRIPT_SEGMENT_H

#include "world.h"

struct script_segment {
	uint8_t flags;
	uint32_t seq, len; /* relative */
	bool has_ack;
	uint32_t ack;
	long win; /* -1: not said */
	unsigned urg;
	bool has_opts;
	char opts[256]; /* between < and >, as written */
	bool bad_csum, ce, more;
	unsigned data_offset;          /* 0: right */
	unsigned other_from, other_to; /* bytes that are not the stream's */
};

/* Parses the text behind "guest > " or "guest < ". NULL, or what is wrong with it. */
const char *segment_parse(const char *text, struct script_segment *ret);
/* Sends it as the guest. NULL, or what is wrong. */
const char *segment_send(struct world *w, struct world_conn *c, const struct script_segment *seg);
/* Sends an ICMP error of the guest's: the segment of weir's at seq does not fit `mtu` bytes. */
const char *segment_too_big(struct world *w, struct world_conn *c, unsigned mtu, uint32_t seq);
/* Takes weir's next frame and compares. NULL where it is as expected. */
const char *segment_expect(struct world *w, struct world_conn *c,
			   const struct script_segment *want);
/* A frame of weir's in the same words. */
void segment_describe(struct world *w, const struct world_frame *f, char *buf, size_t size);

#endif
