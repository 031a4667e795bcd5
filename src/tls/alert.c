// SPDX-License-Identifier: Apache-2.0
/*
 * The alert of a denial.
 */
#include "tls/alert.h"

struct view tls_alert_access_denied(void)
{
	static const uint8_t record[] = {
		21,    /* alert (RFC 8446 5.1) */
		3,  3, /* the version that every record names */
		0,  2, /* its length */
		2,     /* fatal */
		49,    /* access_denied (RFC 8446 6.2) */
	};

	return view_make(record, sizeof(record));
}
