// SPDX-License-Identifier: Apache-2.0
/* What all links have in common. */
#include "link/link.h"

void link_free(struct link *l)
{
	if (l)
		l->ops->free(l);
}
