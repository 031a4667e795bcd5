// SPDX-License-Identifier: Apache-2.0
/*
 * Making and joining namespaces, with errors that name the setting which forbids it. May use:
 * base/.
 */
#ifndef WEIR_HOST_NS_H
#define WEIR_HOST_NS_H

#include <stdbool.h>

#include "base/error.h"

/* Whether /proc is there, and this process's own. 0, or -1 with err. */
int ns_check_proc(struct error *err);

/* unshare(2) of user, mount and network namespaces; `flags` are CLONE_NEW*. 0, or -1 with err. */
int ns_unshare(int flags, struct error *err);

/*
 * What forbids this process to be root of a new user namespace, as far as the system says so: a
 * sentence with the remedy, or NULL where nothing is known to be in the way. errnum is what failed.
 */
const char *ns_obstacle(int errnum);

/* The network namespace of a path, or of a process; an fd, or -1 with err. */
int ns_open_path(const char *path, struct error *err);
int ns_open_pid(int pid, struct error *err);

/* Joins a network namespace, by way of the user namespace that owns it where that is not ours.
 * *ret_user_joined says whether it was. 0, or -1 with err. */
int ns_join(int netns_fd, bool *ret_user_joined, struct error *err);

#endif
