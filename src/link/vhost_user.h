// SPDX-License-Identifier: Apache-2.0
/*
 * The vhost-user link: a virtio-net device for a guest whose VMM shares its memory with us. Frames
 * are copied between the guest's buffers and ours, without a system call for each; only the payload
 * of long TCP segments may stay in the guest's memory for the length of a burst (link.h).
 *
 * A listening link waits for its VMM, and for the next one where that leaves; a connecting one
 * (QEMU's chardev with server=on) needs the VMM to be there, and goes on trying once it was lost.
 * The sandbox behind it stays the same. Until a guest's driver has started, and while it has not,
 * frames for it are dropped as on an unplugged cable.
 *
 * link->caps are what the guest negotiated, and change when a driver starts: whoever made a copy
 * of them looks again after link_recv(). A frame that asks for more is dropped.
 */
#ifndef WEIR_LINK_VHOST_USER_H
#define WEIR_LINK_VHOST_USER_H

#include <stdint.h>

#include "base/error.h"
#include "link/link.h"

/* NULL and err on failure. The socket file gets the mode 0600. */
struct link *link_vhost_user_listen(const char *path, struct error *err);
struct link *link_vhost_user_connect(const char *path, struct error *err);
/* A connected socket, or one that listens; takes it over, also where it fails. */
struct link *link_vhost_user_fd(int fd, struct error *err);

/* The MTU that VMMs may ask for and tell their guests; 1500 unless this is called. */
void link_vhost_user_set_mtu(struct link *l, uint16_t mtu);

#endif
