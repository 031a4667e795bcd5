// SPDX-License-Identifier: Apache-2.0
/*
 * For tests: one connection of a guest's that is looked into, between a stack that is played here
 * and an upstream on loopback. Guest and upstream speak TLS with the program's own ends. The policy
 * and the key holder are switches.
 */
#ifndef WEIR_INTERCEPT_RIG_H
#define WEIR_INTERCEPT_RIG_H

#include "conf/config.h"
#include "flow/first_flight.h"
#include "intercept/intercept_priv.h"
#include "tls/endpoint_rig.h"

struct rig {
	struct loop loop;
	struct sandbox sb;
	struct config conf;
	struct secret_set secrets;
	struct rig_source source; /* of leaves, for both */
	struct tls_roots *guest_roots;
	struct tls_leaves *server_leaves;
	bool keep_leaves; /* the holder does not answer */
	/* the policy */
	bool deny, http_rule;
	bool deny_target; /* of a tunnel, by name */
	unsigned judged, refused, limits;
	enum policy_reason reason; /* of the last refusal */
	struct name seen;          /* the last name that was judged */
	unsigned requests;         /* that the filter saw */
	/* the guest's connection, as the stack has it */
	struct flow flow;
	struct first_flight *flight;
	struct flow_end *end; /* NULL: over */
	bool reset;           /* the guest was told so */
	bool closed;          /* in order, both ways */
	bool readable, writable, failed, blocked;
	bool fin;      /* the guest has said its last byte */
	bool fin_told; /* and the end knows */
	bool eof;      /* the guest has seen the end of what it is sent */
	struct buf said, heard;
	size_t shown;  /* bytes peeked at and not acknowledged */
	size_t window; /* of the guest's; SIZE_MAX: any */
	size_t chunk;  /* most bytes of the guest's pushed in a turn; 0: all, in random pieces */
	size_t queued_max; /* the most that lay in the end for the guest */
	/* the guest itself, and the server */
	struct tls_end *guest, *server;
	int fd;             /* the server's socket */
	bool server_stalls; /* reads nothing */
	bool server_eof;
	int server_error;
	/* DNS over TLS */
	struct flow_end *dns_called; /* has something to say */
	bool dns_closed;
};
extern struct rig r;

/* What it starts with: interception of port 443. */
void rig_config(struct config *c);
void rig_start(void);
void rig_stop(void);
/* A connection to port `port`, which is open upstream; the guest says nothing yet. */
void rig_open(uint16_t port);
/* One to port 853, which ends in DNS. */
void rig_open_dot(void);
/* The guest's TLS for that name, with this list of protocols; and the server's, with a certificate
 * for `host`, and the protocol that it chooses. */
void rig_guest_tls(const char *sni, const char *alpn);
void rig_server_tls(const char *host, const char *alpn);
void rig_close(void); /* whatever is left of it */

/* A millisecond of a clock of its own. */
void rig_turn(void);
void rig_turns(unsigned n);
/* Until both handshakes are over; false where that does not come about. */
bool rig_shaken(void);
/* Bytes, in the clear or through TLS where there is one. */
void rig_guest_says(const void *p, size_t n);
ssize_t rig_guest_hears(void *p, size_t n);
ssize_t rig_server_says(const void *p, size_t n);
ssize_t rig_server_hears(void *p, size_t n);
void rig_advance(uint64_t us);

#endif
