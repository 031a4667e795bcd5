// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the frames of one sandbox to a pcapng file (draft-ietf-opsawg-pcapng), as seen at the
 * guest's interface.
 *
 * May use: base/. Frames are written whole, super-segments of 64 KiB as one packet. A checksum that
 * was left to the far side shows as it is in the frame: partial.
 *
 * Bounds: PCAP_BUFFER bytes wait to be written. Where the file does not take them (a pipe whose
 * reader is slow), further frames are left out and counted, in the file too. Traffic never waits
 * for the file.
 */
#ifndef WEIR_OBSERVE_PCAP_H
#define WEIR_OBSERVE_PCAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/frame.h"

#define PCAP_BUFFER (512 * 1024)

enum pcap_dir {
	PCAP_FROM_GUEST,
	PCAP_TO_GUEST,
};

struct pcap;

/* Creates the file (mode 0600) or opens what is there (a pipe needs its reader). NULL and err on
 * failure. */
struct pcap *pcap_open(const char *path, struct error *err);
/* One frame, now. Never fails: a file that cannot be written any more is given up with one warning.
 */
void pcap_frame(struct pcap *p, enum pcap_dir dir, const struct frame *f);
/* The same at a time in microseconds since 1970. */
void pcap_frame_at(struct pcap *p, uint64_t time_us, enum pcap_dir dir, const struct frame *f);
/* Writes what waits; called when traffic pauses. False where a slow pipe has not taken all of it:
 * again later. */
bool pcap_flush(struct pcap *p);
/* Writes what waits (a pipe gets a second for it), the counts, and closes. NULL is fine. */
void pcap_close(struct pcap *p);

#endif
