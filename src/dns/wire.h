// SPDX-License-Identifier: Apache-2.0
/*
 * The DNS wire form (RFC 1035 section 4, RFC 6891): reading through views, without allocation.
 *
 * A compression pointer is followed only backwards, never into the header, and what it leads to
 * must lie whole before the place where the name (or its last piece) began: a prior occurrence (RFC
 * 1035 4.1.4). So reading a name ends, and what a name says depends on nothing behind it. A name
 * has at most 127 labels, 127 pointers and 255 bytes.
 */
#ifndef WEIR_DNS_WIRE_H
#define WEIR_DNS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/name.h"
#include "base/view.h"

#define DNS_HLEN     12
#define DNS_NAME_MAX 255 /* bytes of a name on the wire, with the root's zero */
#define DNS_LABELS   127
#define DNS_MSG_MAX  65535

/* Bits of the flags word (RFC 1035 4.1.1, RFC 4035 3.2). */
#define DNS_QR     0x8000
#define DNS_OPCODE 0x7800
#define DNS_AA     0x0400
#define DNS_TC     0x0200
#define DNS_RD     0x0100
#define DNS_RA     0x0080
#define DNS_AD     0x0020
#define DNS_CD     0x0010
#define DNS_RCODE  0x000f

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

#define DNS_IN        1
#define DNS_CLASS_ANY 255

#define DNS_EDNS_SIZE 1232 /* what fits an unfragmented packet of the smallest IPv6 MTU */
#define DNS_EDNS_DO   0x8000

/* Extended error codes (RFC 8914). */
enum dns_ede {
	DNS_EDE_NONE = -1,
	DNS_EDE_BLOCKED = 15,
	DNS_EDE_FILTERED = 17,
	DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
	DNS_EDE_NETWORK_ERROR = 23,
};

struct dns_name {
	uint8_t len;             /* bytes of `b` in use, with the root's zero */
	uint8_t b[DNS_NAME_MAX]; /* labels without compression, in the case that was sent */
};

struct dns_header {
	uint16_t id, flags;
	uint16_t count[4]; /* questions, answers, authority, additional */
};

struct dns_question {
	struct dns_name name;
	uint16_t type, class;
};

struct dns_record {
	struct dns_name name;
	uint16_t type, class;
	uint32_t ttl; /* as it stands there; dns_ttl() for its meaning */
	struct view data;
	size_t data_at; /* where the data begins in the message */
};

bool dns_header_read(struct view msg, struct dns_header *ret);
/* Reads from *at on and moves it behind what was read; nothing changes on failure. */
bool dns_name_read(struct view msg, size_t *at, struct dns_name *ret);
bool dns_question_read(struct view msg, size_t *at, struct dns_question *ret);
bool dns_record_read(struct view msg, size_t *at, struct dns_record *ret);

/* A time to live with the top bit set means 0 (RFC 2181 8). */
static inline uint32_t dns_ttl(uint32_t ttl)
{
	return ttl & 0x80000000u ? 0 : ttl;
}

enum dns_section {
	DNS_ANSWER = 1,
	DNS_AUTHORITY,
	DNS_ADDITIONAL,
};

/* A walk over all records of a message. */
struct dns_walk {
	struct view msg;
	struct dns_header h;
	size_t at;        /* where the next record begins; the end of the message at the end */
	size_t start;     /* where the record that was read last begins */
	unsigned next;    /* section of the next record, while `left` is not 0 */
	unsigned left;    /* records left in that section */
	unsigned section; /* of the record that was read last: enum dns_section */
};

/* Reads the header and skips the questions. False where they are malformed. */
bool dns_walk_begin(struct view msg, struct dns_walk *ret);
/* 1: a record; 0: there are no more; -1: what is announced is not there, or malformed. */
int dns_walk_next(struct dns_walk *w, struct dns_record *ret);

/* ---- names (name.c) ---- */
/* Names are the same whatever the case of ASCII letters (RFC 4343). */
bool dns_name_eq(const struct dns_name *x, const struct dns_name *y);
bool dns_question_eq(const struct dns_question *x, const struct dns_question *y);
/* The same bytes: what a resolver has to send back of a name in random case. */
bool dns_name_eq_case(const struct dns_name *x, const struct dns_name *y);
/* Gives each letter the case of one random bit (draft-vixie-dnsext-dns0x20). */
void dns_name_mix_case(struct dns_name *n, const uint8_t random[32]);
void dns_name_lower(struct dns_name *n);
/* "a.example" -> name; false where it is none. No escapes: for names that weir itself knows. */
bool dns_name_parse(const char *text, struct dns_name *ret);
void dns_name_of(const struct name *text, struct dns_name *ret);
/*
 * The name as policy compares it. False for what base/name.h calls no name: the root, labels with
 * bytes other than letters, digits, hyphens inside and underscores. No rule for names matches such
 * a question.
 */
bool dns_name_text(const struct dns_name *n, struct name *ret);
/* The name for people: odd bytes as \DDD (RFC 1035 5.1), the root as ".". Returns buf. */
#define DNS_NAME_STRLEN (4 * DNS_NAME_MAX)
const char *dns_name_str(const struct dns_name *n, char buf[DNS_NAME_STRLEN]);
/* The name under in-addr.arpa or ip6.arpa (RFC 1035 3.5, RFC 3596 2.5). */
void dns_name_reverse(const struct ipaddr *a, struct dns_name *ret);

/* "A", "HTTPS", "TYPE123" (RFC 3597 5). Returns a constant or buf. */
const char *dns_type_str(uint16_t type, char buf[12]);
/* "NOERROR", "NXDOMAIN", "RCODE12". */
const char *dns_rcode_str(unsigned rcode, char buf[12]);

/* One query, read and checked whole. */
struct dns_query_view {
	struct dns_header h;
	struct dns_question q;
	size_t question_end;
	size_t end; /* of the message; what lies behind is no part of it */
	bool has_edns;
	uint16_t edns_size; /* the UDP payload that the asker takes; 512 without EDNS */
	bool edns_do;
	bool edns_special; /* has an option that may change the answer (a client subnet) */
};

/*
 * False where it is not a well-formed query with one question; ret_rcode then says how to answer,
 * or is -1 where nothing can or should be answered. What can be read of the header is in ret->h.
 */
bool dns_query_read(struct view msg, struct dns_query_view *ret, int *ret_rcode);

/* True where `msg` answers the question under this ID. */
bool dns_answers(struct view msg, uint16_t id, const struct dns_question *q);
/* The same, and the question's name comes back in the case in which it was sent. */
bool dns_answers_exactly(struct view msg, uint16_t id, const struct dns_question *q);

#endif
