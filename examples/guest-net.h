// SPDX-License-Identifier: Apache-2.0
/*
 * The smallest network stack that can fetch a page: ARP, DHCP, DNS and TCP over IPv4.
 *
 * It stands for the operating system of a guest. It takes its time (each call blocks until it has
 * an answer or five seconds have passed), sends one segment at a time, and believes everybody: it
 * shows how frames go to and fro, and nothing else.
 */
#ifndef EXAMPLES_GUEST_NET_H
#define EXAMPLES_GUEST_NET_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_FRAME_MAX 2048 /* more than the MTU of 1500 needs */

struct guest {
	/* The guest's network card. send: 0, or -1 where the cable is cut. recv: the length of a
	 * frame, 0 where none came in so many milliseconds, -1 where the cable is cut. */
	int (*send)(void *card, const uint8_t *frame, size_t n);
	int (*recv)(void *card, uint8_t *frame, size_t cap, int timeout_ms);
	void *card;
	uint8_t mac[6];
	/* What DHCP and ARP found out; addresses are in the host's byte order. */
	uint32_t addr, gateway, dns;
	uint8_t gateway_mac[6];
	uint16_t next_port;
};

enum guest_result {
	GUEST_OK,
	GUEST_TIMEOUT, /* nobody answered */
	GUEST_REFUSED, /* TCP: a reset. DNS: the name does not exist, or may not be asked for */
	GUEST_CUT,     /* the network card is gone */
};
const char *guest_result_text(enum guest_result r);

/* Gets an address, and finds the gateway's MAC. */
enum guest_result guest_configure(struct guest *g);
/* The first IPv4 address of a name. */
enum guest_result guest_resolve(struct guest *g, const char *name, uint32_t *ret);
/* GET of a page by HTTP/1.0; the whole answer, at most cap - 1 bytes of it, with a NUL. */
enum guest_result guest_fetch(struct guest *g, uint32_t addr, uint16_t port, const char *host,
			      const char *path, char *ret, size_t cap);

#endif
