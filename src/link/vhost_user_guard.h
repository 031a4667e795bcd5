// SPDX-License-Identifier: Apache-2.0
/*
 * Mapped memory that its owner can cut short.
 *
 * A VMM hands its guest's memory over as a file. Where the file is not sealed against shrinking,
 * the VMM can truncate it at any time, and the next access to the mapping raises SIGBUS, which
 * would end every sandbox of this process. So such mappings are entered here, and the process gets
 * a handler for SIGBUS that puts zero pages of our own in the place of the whole mapping and notes
 * the loss; the owner of the mapping looks at that note after each burst and stops the device. No
 * jump out of the middle of anything: what was interrupted goes on, over zeroes.
 *
 * The handler is installed with the first entry; a SIGBUS elsewhere goes to whoever had the signal
 * before. The table is the one piece of state that all links of a process share (a handler cannot
 * be told whose memory it is); its entries are atomics, so that workers need no lock.
 */
#ifndef WEIR_LINK_VHOST_USER_GUARD_H
#define WEIR_LINK_VHOST_USER_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Mappings in all; at the cap the next one is refused, and so is the VMM that wanted it. */
#define VU_GUARDS_MAX 8192

/* An entry for the mapping (whole pages of its kind), or -1 at the cap. */
int vu_guard_add(void *map, size_t len);
/* Before munmap(). Harmless with -1. */
void vu_guard_remove(int guard);
/* Its file was cut short, and zero pages have taken its place. */
bool vu_guard_hit(int guard);

#endif
