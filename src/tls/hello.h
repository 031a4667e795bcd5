// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a TLS ClientHello (RFC 8446 4.1.2) from the first bytes of a stream, whatever the
 * segments and records they came in. Sans-IO, without allocation.
 *
 * May use: base/. Bounds: the caller's buffer (the hello with its record headers is read again from
 * its beginning each time more has come; HELLO_MAX bytes at most).
 */
#ifndef WEIR_TLS_HELLO_H
#define WEIR_TLS_HELLO_H

#include "base/name.h"
#include "base/view.h"

#define HELLO_MAX \
	16384 /* of a flow's first bytes; a hello with post-quantum keys has about 1,800 */

enum hello_result {
	HELLO_MORE,    /* well-formed so far: more bytes are needed */
	HELLO_DONE,    /* read whole */
	HELLO_NOT_TLS, /* the bytes do not begin a TLS handshake */
	HELLO_BAD,     /* they do, and break its rules, or are longer than HELLO_MAX */
};

enum hello_sni {
	HELLO_SNI_NONE,      /* no server_name extension, or an empty list */
	HELLO_SNI_NAME,      /* one host name, in `name` */
	HELLO_SNI_DUPLICATE, /* two extensions, or two host names */
	HELLO_SNI_INVALID,   /* a NUL, an IP address, anything that is no name */
};

struct hello {
	enum hello_sni sni;
	struct name name;
	bool ech;        /* encrypted_client_hello is there (RFC 9849), GREASE or real */
	bool early_data; /* 0-RTT was offered */
	struct view
		alpn; /* the protocol name list as it stands in the caller's bytes; empty: none */
	struct view random; /* the 32 bytes, for key logs */
};

/* One byte is enough to know that a stream is not TLS. */
enum hello_result hello_read_records(struct view bytes, struct hello *ret);
/* The same for handshake bytes without records (QUIC CRYPTO frames). */
enum hello_result hello_read_handshake(struct view bytes, struct hello *ret);

#endif
