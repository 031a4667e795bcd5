// SPDX-License-Identifier: Apache-2.0
/* For tests of connections (rig.h): a connection for each of them, and what its two sides hear. */
#ifndef WEIR_INTERCEPT_CONN_RIG_H
#define WEIR_INTERCEPT_CONN_RIG_H

#include "intercept/rig.h"

#define RIG_RAW "\x03raw" /* a protocol that is none of HTTP's */

int rig_setup(void **state);
int rig_teardown(void **state);
/* Both sides have shaken hands, for that protocol. */
void rig_open_raw(void);
/* The next that a side hears is this text, or this end: 0 or -errno. */
void rig_assert_server_hears(const char *text);
void rig_assert_guest_hears(const char *text);
void rig_assert_server_end(ssize_t how);
void rig_assert_guest_end(ssize_t how);

#endif
