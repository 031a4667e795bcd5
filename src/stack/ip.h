// SPDX-License-Identifier: Apache-2.0
/*
 * What the IP files of this room share with each other and with nobody else: the extension header
 * walk (ext.c), reassembly (frag.c), and the output of packets that lie in two pieces (ip_out.c).
 */
#ifndef WEIR_STACK_IP_H
#define WEIR_STACK_IP_H

#include "stack/stack.h"

#define IPPROTO4_ICMP 1
#define IPPROTO_TCP_  6
#define IPPROTO_UDP_  17
#define IPPROTO6_ICMP 58

#define IP4_HLEN_MIN 20
#define IP6_HLEN     40
#define IP4_MF       0x2000 /* more fragments; RFC 791 3.1 */
#define IP4_DF       0x4000
#define IP4_OFF_MASK 0x1fff /* in units of 8 bytes */
#define TTL_OUT      64     /* of what the gateway itself says */

/* ---- ext.c: IPv6 extension headers (RFC 8200 section 4) ---- */
#define EXT_HEADERS_MAX 8 /* more than any real packet has; each one costs time */

enum ext_result {
	EXT_UPPER,    /* `next` is an upper-layer protocol, known or not; `rest` begins with it */
	EXT_FRAGMENT, /* `rest` begins with a fragment header */
	EXT_DROP, /* `why` says what to count; where icmp_code >= 0, a parameter problem with `at`
		   */
};

struct ext_walk {
	uint8_t next;         /* next header value that the walk stands at */
	unsigned headers;     /* extension headers passed so far */
	uint32_t next_at;     /* where `next` was read, counted from the IPv6 header */
	uint32_t at;          /* where `rest` begins, counted from the IPv6 header */
	struct view rest;     /* not yet walked */
	enum drop_reason why; /* EXT_DROP */
	int icmp_code;        /* EXT_DROP: code of the parameter problem, or -1 for silence */
	uint32_t pointer;     /* EXT_DROP: its pointer */
};
/* Goes on from where *w stands to the upper layer or the first thing that stops it. */
enum ext_result ext_walk(struct ext_walk *w);
/* Passes a fragment header that the walk stands at; false where it is cut short. */
bool ext_pass_fragment(struct ext_walk *w, uint16_t *ret_off_flags, uint32_t *ret_id);

/* ---- frag.c: reassembly ---- */
struct frag_piece {
	struct ipaddr src, dst;
	uint32_t id;
	uint8_t proto; /* IPv4: protocol, part of the key; IPv6: next header of this fragment */
	uint8_t tos, ttl;
	uint32_t off;     /* first byte of `data` in the whole, in bytes */
	bool more;        /* not the last fragment */
	uint32_t head;    /* bytes of IP header(s) that stand before the data in the whole packet */
	struct view l3;   /* the fragment from its IP header on */
	struct view data; /* what it carries */
	struct ext_walk walk; /* IPv6: the walk, standing behind the fragment header */
};
/*
 * Takes a fragment. True where it completes a packet: *ret is then filled, but for csum_ok and
 * gso_size, and *ret_walk is the walk of the first fragment with `rest` on the whole. The bytes
 * stay until the end of the burst.
 */
bool frag_input(struct stack *s, const struct frag_piece *f, struct packet *ret,
		struct ext_walk *ret_walk);

/* ---- ip_out.c ---- */
/*
 * ip_put_headers() for a packet over the MTU that the link will fragment at need: IPv4 gets an id
 * and no DF. *ret_piece is how much of payload_len fits a fragment.
 */
unsigned ip_put_headers_over_mtu(struct stack *s, uint8_t *at, const struct ipaddr *src,
				 const struct ipaddr *dst, uint8_t proto, size_t payload_len,
				 uint8_t ttl, uint8_t tos, uint16_t *ret_piece);
/* ip_output() for a packet whose L4 header (an even number of bytes) lies apart from its payload.
 */
bool ip_output_parts(struct stack *s, const struct ipaddr *src, const struct ipaddr *dst,
		     uint8_t proto, uint8_t ttl, uint8_t tos, const uint8_t *hdr, size_t hdr_len,
		     const uint8_t *payload, size_t len);

/* ---- icmp_error.c ---- */
/* An ICMPv6 parameter problem with a code that enum icmp_error has no word for (RFC 4443 3.4). */
void icmp6_param_problem(struct stack *s, uint8_t code, uint32_t pointer, struct view quoted);

#endif
