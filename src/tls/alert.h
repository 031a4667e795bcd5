// SPDX-License-Identifier: Apache-2.0
/*
 * What tells a TLS client, before any handshake, that it may not have what it asks for: a fatal
 * alert in the clear (RFC 8446 6). May use: base/.
 */
#ifndef WEIR_TLS_ALERT_H
#define WEIR_TLS_ALERT_H

#include "base/view.h"

#define TLS_ALERT_LEN 7

enum tls_alert { /* RFC 8446 6.2 */
	TLS_ALERT_UNKNOWN_CA = 48,
	TLS_ALERT_ACCESS_DENIED = 49,
	TLS_ALERT_INTERNAL_ERROR = 80,
};

/* One record with that alert. */
struct view tls_alert_fatal(uint8_t alert, uint8_t buf[TLS_ALERT_LEN]);
/* The bytes stay where they are. */
struct view tls_alert_access_denied(void);

#endif
