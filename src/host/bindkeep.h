// SPDX-License-Identifier: Apache-2.0
/*
 * Files of weir's over the host's (bindover.h) that stay there when the host replaces its own.
 *
 * A mount ends where the host renames another file over the one below it, or removes it, as DHCP
 * clients, systemd-resolved and package managers do: the kernel takes it off in every mount
 * namespace. The command would see the host's file from then on, and ask resolvers that it cannot
 * reach; or find the socket of a daemon of the host's that had just been covered.
 *
 * May use: base/. Needs Linux 5.2 (open_tree(2)); before, what is gone stays gone.
 */
#ifndef WEIR_HOST_BINDKEEP_H
#define WEIR_HOST_BINDKEEP_H

#include <sys/types.h>

#define BINDKEEP_MAX    32
#define BINDKEEP_SPARES 2

struct bindkeep_file {
	char *path;                 /* owned; where it belongs, before links are followed */
	int at;                     /* the mount that is in use, or was */
	int id;                     /* and the kernel's number of it */
	int spare[BINDKEEP_SPARES]; /* mounts that are nowhere yet; -1: none */
};

struct bindkeep {
	struct bindkeep_file file[BINDKEEP_MAX];
	unsigned n;
	dev_t dev;    /* of the file system that all of them are on */
	int mounts;   /* tells of changes in this mount namespace (POLLPRI) */
	int replaced; /* inotify: of changes in the directories (POLLIN); -1: none */
};

/* No file yet, and no descriptor. */
void bindkeep_init(struct bindkeep *k);
/* Something was bound over `path`, from the file system `dev`. Beyond BINDKEEP_MAX, and without
 * memory, it is not kept. */
void bindkeep_add(struct bindkeep *k, const char *path, dev_t dev);
/* Before anybody else is in the mount namespace, who could mount something over /proc. */
void bindkeep_open(struct bindkeep *k);
/* In the mount namespace, by a process that may mount there. */
void bindkeep_start(struct bindkeep *k);
/* One of the descriptors is ready: puts back what is gone. */
void bindkeep_event(struct bindkeep *k);

#endif
