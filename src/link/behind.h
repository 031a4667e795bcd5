// SPDX-License-Identifier: Apache-2.0
/*
 * Ending a link without waiting for its interface to go.
 *
 * The last close of a tap or of a packet socket waits until no CPU can be using the interface any
 * more, some 20 to 30 ms, which the user of a short command would notice. So the fd is sent over a
 * socket pair together with the receiving end itself, and the pair is closed: what is left refers
 * only to itself, and the kernel's collector of such sockets closes it in a thread of its own (from
 * Linux 6.10 on; before, the collector runs in somebody's close, which then takes its time).
 */
#ifndef WEIR_LINK_BEHIND_H
#define WEIR_LINK_BEHIND_H

#include "link/link.h"

/*
 * Nothing goes over the link any more, and link_free() follows. For use where the interface need
 * not be gone when that returns: in a namespace of our own, which ends, but not in one where
 * somebody may make the next eth0.
 */
void link_close_behind(struct link *l);

#endif
