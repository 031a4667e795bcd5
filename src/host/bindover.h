// SPDX-License-Identifier: Apache-2.0
/*
 * Files of weir's over files of the host's, in a mount namespace of the caller's own.
 *
 * The files live in a tmpfs that nothing but the bind mounts refers to, and vanish with the
 * namespace. Nothing outside changes. May use: base/.
 */
#ifndef WEIR_HOST_BINDOVER_H
#define WEIR_HOST_BINDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "host/bindkeep.h"

struct bindover {
	const char *stage;     /* where the tmpfs is mounted while files are made */
	dev_t dev;             /* of the tmpfs */
	struct bindkeep *keep; /* the caller's: is told of each file that is bound */
};

/*
 * The caller has set `keep`. Makes the mount namespace private, and a place to make files in that
 * hides none of `needed` (paths, NULL-terminated), which are to be bound over. 0, or -1 with err.
 */
int bindover_begin(struct bindover *b, const char *const *needed, struct error *err);
/* Makes a file of that name (without a slash, each once) and binds it over `target`, to which
 * `path` leads today; over the link itself where that is one. 0 or -errno. */
int bindover_file(const struct bindover *b, const char *name, const void *bytes, size_t len,
		  const char *target, const char *path);
/* Only makes it; bindover_again() binds it over one more target. */
int bindover_make(const struct bindover *b, const char *name, const void *bytes, size_t len);
int bindover_again(const struct bindover *b, const char *name, const char *target,
		   const char *path);
/*
 * Lays the files of the directory `name` below the place, which the caller fills in between, over
 * the directory `target`: they are seen in it beside its own. 0 or -errno (kernels before 5.11
 * cannot without root).
 */
int bindover_dir_make(const struct bindover *b, const char *name);
int bindover_dir(const struct bindover *b, const char *name, const char *target);
/* The place is seen no more. 0, or -1 with err. */
int bindover_end(struct bindover *b, struct error *err);

#endif
