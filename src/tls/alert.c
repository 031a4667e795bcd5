// SPDX-License-Identifier: Apache-2.0
/*
 * Alerts in the clear.
 */
#include "tls/alert.h"

struct view tls_alert_fatal(uint8_t alert, uint8_t buf[TLS_ALERT_LEN])
{
	const uint8_t record[TLS_ALERT_LEN] = {
		21,       /* alert (RFC 8446 5.1) */
		3,     3, /* the version that every record names */
		0,     2, /* its length */
		2,        /* fatal */
		alert,
	};

	memcpy(buf, record, sizeof(record));
	return view_make(buf, sizeof(record));
}

struct view tls_alert_access_denied(void)
{
	static const uint8_t record[TLS_ALERT_LEN] = {21, 3, 3, 0, 2, 2, TLS_ALERT_ACCESS_DENIED};

	return view_make(record, sizeof(record));
}
