// SPDX-License-Identifier: Apache-2.0
/* Where the host's trusted roots are. */
#include "tls/trust.h"

#include <stdlib.h>
#include <unistd.h>

const char *trust_host_bundle(void)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt",                 /* Debian, Arch, Gentoo */
		"/etc/pki/tls/certs/ca-bundle.crt",                   /* Fedora, RHEL 6 */
		"/etc/ssl/ca-bundle.pem",                             /* openSUSE */
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  /* RHEL 7 and on */
		"/etc/ssl/cert.pem",                                  /* Alpine */
		"/etc/pki/tls/cacert.pem",                            /* OpenELEC */
		"/run/current-system/sw/etc/ssl/certs/ca-bundle.crt", /* NixOS */
	};
	const char *own = getenv("SSL_CERT_FILE");

	if (own && own[0])
		return own;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}
