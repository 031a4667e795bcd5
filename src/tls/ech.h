// SPDX-License-Identifier: Apache-2.0
/*
 * Public names of Encrypted Client Hello (RFC 9849): the names that stand in the clear in a hello
 * whose real name is hidden. Most clients send the extension always, with nothing in it (GREASE);
 * under a public name it is meant.
 *
 * Some are known beforehand; others are learnt from the `ech` parameter of HTTPS records (RFC 9848)
 * that a guest was about to get. Whoever publishes a record can name any public name in it, so
 * what one sandbox has learnt must not be used for another.
 *
 * May use: base/. Bounds: ECH_NAMES_MAX learnt names, then the one that was seen longest ago goes.
 */
#ifndef WEIR_TLS_ECH_H
#define WEIR_TLS_ECH_H

#include "base/name.h"
#include "base/view.h"

#define ECH_NAMES_MAX   1024
#define ECH_CONFIGS_MAX 16 /* names taken from one list; real ones have one or two */

/* Is it one of the large services' public names? */
bool ech_public_name_known(const struct name *n);

/*
 * The public names in an ECHConfigList, the value of the `ech` parameter (RFC 9849 4). Returns how
 * many there are in `ret`, or -1 where the form is broken. Configurations of other versions and
 * names that are none are passed over, as clients do; a name that comes twice is there twice.
 */
int ech_config_public_names(struct view list, struct name ret[ECH_CONFIGS_MAX]);

struct ech_names; /* what one sandbox has learnt */

struct ech_names *ech_names_new(void); /* NULL without memory */
void ech_names_free(struct ech_names *e);
/* False without memory; the name is then not in it. */
bool ech_names_add(struct ech_names *e, const struct name *n);
bool ech_names_has(const struct ech_names *e, const struct name *n);

#endif
