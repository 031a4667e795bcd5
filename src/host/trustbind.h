// SPDX-License-Identifier: Apache-2.0
/*
 * What the command sees of the host's trusted certificates: weir's bundle, which has its own
 * authority beside the host's, over the host's files, and in the environment of the programs that
 * look there. May use: base/.
 *
 * A file is bound over each place where a distribution keeps a bundle; beside Debian's single
 * certificates (a directory in which OpenSSL looks by a hash of the subject) the authority is laid
 * by an overlay, where the kernel lets a user make one. Java's trust stores are bound over by a
 * store of weir's own.
 */
#ifndef WEIR_HOST_TRUSTBIND_H
#define WEIR_HOST_TRUSTBIND_H

#include <stddef.h>

#include "host/bindover.h"

struct trustbind {
	const char *pem; /* the bundle; NULL: nothing is bound */
	size_t pem_len;
	const char *ca_pem;   /* the authority alone */
	char subject_hash[9]; /* of the authority, as OpenSSL names files */
	const void *java;     /* the same bundle for Java */
	size_t java_len;
};

/* Paths that will be bound over, NULL-terminated; at most TRUSTBIND_PATHS. They live until
 * trustbind_paths_done(). */
#define TRUSTBIND_PATHS 16
struct trustbind_paths {
	char *bundles[TRUSTBIND_PATHS], *stores[TRUSTBIND_PATHS]; /* owned */
};
void trustbind_find(struct trustbind_paths *ret);
void trustbind_paths_done(struct trustbind_paths *p);

/*
 * Binds, and sets the variables in this process's environment, which the command inherits. 0, or
 * -1 with err. *ret_path: the bundle as the command sees it, NULL where the host has no place for
 * one: the caller says so.
 */
int trustbind_apply(const struct trustbind *t, const struct trustbind_paths *p,
		    const struct bindover *b, const char **ret_path, struct error *err);

#endif
