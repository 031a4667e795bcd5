// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: two ends of a TLS connection with memory between them, that gives and takes as much at
 * a time as the test says; an authority; and upstreams with certificates of all kinds.
 */
#ifndef WEIR_TLS_ENDPOINT_RIG_H
#define WEIR_TLS_ENDPOINT_RIG_H

#include "base/buf.h"
#include "tls/ca.h"
#include "tls/endpoint.h"
#include "tls/libssl.h"

/* One direction of the wire. */
struct rig_pipe {
	struct buf bytes;
	size_t cap;   /* bytes that it holds */
	bool ended;   /* the writer has gone */
	int fault;    /* -errno for both sides */
	size_t total; /* bytes that were written */
};

struct rig_side {
	struct rig_pipe *in, *out;
	size_t chunk;    /* most bytes a call; 0: a random number of them, 1 to 4,096 */
	unsigned reads;  /* calls */
	unsigned writes; /* calls */
};

struct rig_wire {
	struct rig_pipe up, down;
	struct rig_side client, server;
};

void rig_wire_init(struct rig_wire *w, size_t chunk);
void rig_wire_done(struct rig_wire *w);
struct tls_transport rig_transport(struct rig_side *s);

/* Where leaves come from: the authority itself, when rig_answer() says so. */
struct rig_source {
	struct tls_ca *ca;
	const char *fail; /* what is answered in place of a leaf */
	bool deaf;        /* nothing can be asked */
	unsigned asked, cancelled;
	unsigned hours;       /* that a leaf is good for */
	struct rig_ask *asks; /* open ones */
};
struct tls_leaf_source rig_leaf_source(struct rig_source *s);
void rig_answer(struct rig_source *s); /* all open ones */

/* Certificates of other authorities, made by hand. */
struct rig_cert {
	X509 *x;
	EVP_PKEY *key;
};
/* issuer NULL: its own; alt: as in openssl's configuration ("DNS:a.com,IP:192.0.2.1"), NULL: none;
 * valid from .. to seconds from now. */
struct rig_cert rig_cert(const struct rig_cert *issuer, const char *cn, const char *alt, long from,
			 long to, bool ca);
void rig_cert_done(struct rig_cert *c);
char *rig_cert_pem(const struct rig_cert *c); /* to be freed */
char *rig_key_pem(const struct rig_cert *c);

/* A directory of the test's own, which SSL_CERT_FILE and XDG_STATE_HOME point into: the host's
 * roots are the file "roots" in it. */
void rig_home(void);
void rig_home_done(void);
/* Writes a file there; the path is good until the next call but one. */
const char *rig_file(const char *name, const char *text);

#endif
