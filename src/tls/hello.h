// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a TLS ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2) from the first bytes of a stream,
 * whatever the segments and records they came in. Sans-IO, without allocation and without state:
 * the caller keeps the bytes from the first one on and asks again when more have come.
 *
 * A hello has one reading or none. What two servers could read differently (extensions that come
 * twice, lengths that do not add up, more behind the hello in its own record) is refused, and a
 * name is only ever the one that every server would see.
 *
 * Until the hello is whole only the headers of its records are looked at; a guest that sends one
 * byte a segment costs a walk over them for each byte, and the body is read once.
 *
 * May use: base/. Bounds: HELLO_MAX bytes, record headers included.
 */
#ifndef WEIR_TLS_HELLO_H
#define WEIR_TLS_HELLO_H

#include "base/name.h"
#include "base/view.h"

#define HELLO_MAX 16384 /* a hello with post-quantum keys has about 1,800 bytes */

#define HELLO_RANDOM_LEN 32
/* Kept of the ALPN list: the longest single name fits; real lists have under 30 bytes. */
#define HELLO_ALPN_MAX 256

enum hello_result {
	HELLO_MORE,    /* well-formed so far: more bytes are needed */
	HELLO_DONE,    /* read whole */
	HELLO_NOT_TLS, /* the bytes do not begin a TLS handshake record */
	HELLO_BAD,     /* they do, and break its rules, or are longer than HELLO_MAX */
};

enum hello_sni {
	HELLO_SNI_NONE,      /* no server_name extension */
	HELLO_SNI_NAME,      /* one host name, in `name` */
	HELLO_SNI_DUPLICATE, /* two extensions, or two host names */
	HELLO_SNI_INVALID, /* a NUL, an IP address, a name of unknown type, anything that is none */
};

struct hello {
	enum hello_sni sni;
	struct name name; /* lower case, without the trailing dot; empty unless HELLO_SNI_NAME */
	bool ech;         /* encrypted_client_hello is there (RFC 9849), GREASE or real */
	bool early_data;  /* 0-RTT was offered: encrypted records may follow at once */
	bool alpn_cut;    /* the client offers more protocols than `alpn` holds */
	uint16_t alpn_len;
	uint8_t alpn[HELLO_ALPN_MAX];     /* whole names, each behind its length (RFC 7301 3.1) */
	uint8_t random[HELLO_RANDOM_LEN]; /* for key logs */
	uint16_t size; /* bytes of the stream that the hello takes, record headers included */
};

/*
 * `bytes` is the stream from its first byte on. At most two bytes are needed to know that it is not
 * TLS; a hello in the format of SSL 2.0 is not. What lies behind the hello's last record (0-RTT) is
 * not looked at. `ret` is written at HELLO_DONE only.
 */
enum hello_result hello_read_records(struct view bytes, struct hello *ret);
/* The same for one handshake message without records (QUIC CRYPTO frames): `bytes` ends with it. */
enum hello_result hello_read_handshake(struct view bytes, struct hello *ret);
/* A second hello of a connection may name nothing else than the first (RFC 8446 4.1.2). */
bool hello_same_aim(const struct hello *a, const struct hello *b);

#endif
