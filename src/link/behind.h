// SPDX-License-Identifier: Apache-2.0
/*
 * Ending a link without waiting for its interface to go (base/behind.h).
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
