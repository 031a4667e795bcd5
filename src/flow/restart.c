// SPDX-License-Identifier: Apache-2.0
/*
 * A sandbox whose guest or whose link is another one from now on: the addresses, the policy and
 * what was learned about names stay, all flows end.
 */
#include <string.h>

#include "flow/flow.h"

void sandbox_hang_up(struct sandbox *sb)
{
	struct list *n;

	tcp_hang_up(&sb->stack);
	/* What is left are UDP and echo sessions. A flow that ends may take others with it, so the
	 * list is worked off from its head. */
	while ((n = list_pop(&sb->flows))) {
		struct flow *f = container_of(n, struct flow, node);

		list_add_tail(&sb->flows, n);
		f->forbid(sb, f);
		if (sb->flows.prev == n)
			break;
	}
}

void sandbox_new_guest(struct sandbox *sb)
{
	sb->peers = sb->link->peers;
	sandbox_hang_up(sb);
	/* The resets go before the new guest's first frame is looked at: it may be the old one that
	 * has come back, and then has to hear of it. */
	stack_flush(&sb->stack);
	if (sb->learns_mac)
		memset(sb->stack.cfg.guest_mac, 0, 6);
}

int sandbox_relink(struct sandbox *sb, struct link *link, struct error *err)
{
	int r = loop_add(sb->loop, &sb->link_src, link->fd, EPOLLIN);

	if (r < 0) {
		link_free(link);
		return error_set_errno(err, r, "cannot watch the sandbox's interface");
	}
	link_free(sb->link);
	sb->link = link;
	sb->stack.cfg.link_caps = link->caps;
	sb->link_gone = sb->writable_armed = false;
	sandbox_new_guest(sb);
	stack_tx_unblocked(&sb->stack);
	return 0;
}
