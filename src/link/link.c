// SPDX-License-Identifier: Apache-2.0
/* What all links have in common. */
#include "link/link.h"

#include "base/behind.h"
#include "link/behind.h"

void link_free(struct link *l)
{
	if (l)
		l->ops->free(l);
}

void link_close_behind(struct link *l)
{
	behind_leave(l->fd);
}
