// SPDX-License-Identifier: Apache-2.0
/*
 * User and group id maps of a new user namespace (user_namespaces(7)). May use: base/.
 *
 * Somebody who may map ids (root, on the host or in a container) gives the namespace every id that
 * there is, each under its own number; files then look as they did. Others can map themselves
 * alone.
 */
#ifndef WEIR_HOST_IDMAP_H
#define WEIR_HOST_IDMAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* True where this process may map all its ids into a child namespace. */
bool idmap_may_map_all(void);
/* Writes the maps of another process that has made a user namespace: all ids, unchanged. */
int idmap_write_all(pid_t pid, struct error *err);
/* Writes the caller's own maps: its uid and gid from outside become uid and gid. Gives up
 * setgroups(2), as the kernel demands. */
int idmap_write_self(uid_t outer_uid, gid_t outer_gid, uid_t uid, gid_t gid, struct error *err);

#endif
