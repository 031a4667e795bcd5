// SPDX-License-Identifier: Apache-2.0
/*
 * What a running gateway can take over from a new configuration.
 *
 * Policy and DNS can change at any time, and so can what is looked into, whom upstreams are
 * verified by, and secrets. The guest's interface, the published ports, the sizes of the tables,
 * the authority that interception signs with and the log of its keys are what the gateway was
 * started with, and so is whether it can look into anything at all: a file in which they differ is
 * refused as a whole, so that what it says and what runs never differ.
 */
#ifndef WEIR_CONF_RELOAD_H
#define WEIR_CONF_RELOAD_H

#include "conf/config.h"

/* True where c->path can be read again without waiting: a file, no pipe or terminal. Else err. */
bool config_reload_possible(const struct config *c, struct error *err);
/* 0 where `next` can replace `running`; -1 and err, which names the first key that cannot. */
int config_reload_check(const struct config *running, const struct config *next, struct error *err);

#endif
