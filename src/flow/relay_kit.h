// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of the relays and of publishing: a sandbox without a guest. The calls that go down
 * to the stack are recorded, the policy is a switch, and the host side is real sockets on loopback.
 */
#ifndef WEIR_FLOW_RELAY_KIT_H
#define WEIR_FLOW_RELAY_KIT_H

#include "flow/sandbox.h"

#define KIT_RECORDS 8192

enum kit_what {
	KIT_UDP,
	KIT_TRAIN,
	KIT_ECHO,
	KIT_ERROR,   /* about a packet of the guest's that was at hand */
	KIT_REBUILT, /* about one that is gone */
	KIT_OPEN,    /* tcp_conn_open() */
	KIT_RESET,   /* the socket end of an accepted connection was reset, ... */
	KIT_CLOSED,  /* ... or closed */
};

/* One call down. */
struct kit_record {
	enum kit_what what;
	struct ipaddr src, dst;
	uint16_t sport, dport; /* echo: id and sequence number */
	uint8_t ttl, tos;
	size_t len, gso_size;
	uint64_t hash; /* of the payload (kit_hash) */
	enum icmp_error error;
	bool from_gateway;
	struct ipaddr from; /* KIT_REBUILT, where not from the gateway */
	uint32_t value;
	struct flow_end *end; /* KIT_OPEN */
};

struct kit {
	struct loop loop;
	struct sandbox sb;
	bool deny; /* what flow_admit() answers */
	unsigned admissions, refusals, followed;
	struct policy_facts facts; /* of the last question */
	enum policy_reason refusal;
	unsigned refuse_opens; /* so many calls of tcp_conn_open() answer NULL */
	unsigned half_open;    /* what tcp_conn_count() says */
	struct kit_record rec[KIT_RECORDS];
	unsigned n;
};
extern struct kit kit;

/* A fresh sandbox: 10.0.0.1 and fd00::1 are the gateway, 10.0.0.2 and fd00::2 the guest. */
void kit_start(void);
void kit_stop(void);
/* Runs the loop until `want` records are there; false where that takes over two seconds. */
bool kit_run(unsigned want);
/* Runs the loop for so many milliseconds, whatever happens. */
void kit_run_ms(unsigned ms);
/* Moves the timers forward without waiting. */
void kit_advance(uint64_t us);
/*
 * Puts the process into a network namespace of its own, with loopback up and echo sockets
 * permitted. False where the system does not let it.
 */
bool kit_own_net(void);
/* The MTU of loopback, in a namespace of its own. */
bool kit_lo_mtu(int mtu);
/* Writes a file of /proc. */
bool kit_write(const char *path, const char *text);

uint64_t kit_hash(const void *p, size_t len);
struct ipaddr kit_addr(const char *text);
/* A bound UDP or listening TCP socket on addr; its port is stored. */
int kit_server(const char *addr, int type, uint16_t *ret_port);
/* A datagram as the stack would hand it up, with a header of the right family to quote. */
struct udp_datagram kit_datagram(const char *src, uint16_t sport, const char *dst, uint16_t dport,
				 const void *payload, size_t len);

#endif
