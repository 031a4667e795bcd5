// SPDX-License-Identifier: Apache-2.0
/*
 * What tells a TLS client, before any handshake, that it may not have what it asks for: a fatal
 * alert in the clear (RFC 8446 6). May use: base/.
 */
#ifndef WEIR_TLS_ALERT_H
#define WEIR_TLS_ALERT_H

#include "base/view.h"

/* One record with the alert access_denied; the bytes stay where they are. */
struct view tls_alert_access_denied(void);

#endif
