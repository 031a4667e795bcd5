// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a certificate whose subject is looked for: what OpenSSL takes for a certificate has
 * the same subject here. */
#include <stdlib.h>

#include "tls/roots_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *name;
	struct view subject;
	size_t n;

	if (!libcrypto_load())
		abort();
	bool found = roots_host_subject(view_make(data, size), &subject);
	if (found && (subject.p < data || subject.p + subject.len > data + size))
		abort();
	X509 *x = d2i_X509(NULL, &p, (long)size);
	if (x && X509_NAME_get0_der(X509_get_subject_name(x), &name, &n) && found &&
	    (subject.len != n || memcmp(subject.p, name, n) != 0) && data[0] == 0x30)
		abort();
	X509_free(x);
	ERR_clear_error();
	return 0;
}
