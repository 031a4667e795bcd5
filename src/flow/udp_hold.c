// SPDX-License-Identifier: Apache-2.0
/*
 * Holding the datagrams of a QUIC connection until its name is known.
 */
#include "flow/udp_hold.h"

#include <stdlib.h>

#include "flow/taker.h"
#include "tls/quic.h"

#define QUOTE_MAX 128 /* of the packet's head, for ICMP errors about it */

struct kept {
	struct udp_datagram d; /* its views point into `bytes` */
	uint8_t bytes[];
};

struct udp_hold {
	struct sandbox *sb;
	struct flow *flow;
	struct quic_hello *hello;
	struct kept *kept[UDP_HOLD_MAX];
	unsigned n;
	size_t bytes; /* of all that is kept */
};

struct udp_hold *udp_hold_new(struct sandbox *sb, struct flow *f)
{
	struct udp_hold *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->sb = sb;
	h->flow = f;
	/* Fetching ciphers takes a while, so that is done once a sandbox, and only for one that
	 * needs it. */
	if (!sb->quic)
		sb->quic = quic_crypto_new();
	h->hello = sb->quic ? quic_hello_new(sb->quic) : NULL;
	if (!h->hello) {
		free(h);
		return NULL;
	}
	f->undecided = true;
	return h;
}

static void drop_kept(struct udp_hold *h)
{
	for (unsigned i = 0; i < h->n; i++)
		free(h->kept[i]);
	h->n = 0;
	h->bytes = 0;
}

void udp_hold_free(struct udp_hold *h)
{
	if (!h)
		return;
	drop_kept(h);
	quic_hello_free(h->hello);
	free(h);
}

static bool keep(struct udp_hold *h, const struct udp_datagram *d)
{
	size_t head = d->l3.len < QUOTE_MAX ? d->l3.len : QUOTE_MAX;
	size_t size = sizeof(struct kept) + head + d->payload.len;
	struct kept *k;

	if (h->n == UDP_HOLD_MAX || size > UDP_HOLD_BYTES - h->bytes || !(k = malloc(size)))
		return false;
	h->bytes += size;
	k->d = *d;
	memcpy(k->bytes, d->l3.p, head);
	memcpy(k->bytes + head, d->payload.p, d->payload.len);
	k->d.l3 = view_make(k->bytes, head);
	k->d.payload = view_make(k->bytes + head, d->payload.len);
	h->kept[h->n++] = k;
	return true;
}

static enum udp_hold_answer refuse(struct udp_hold *h, enum policy_reason why)
{
	struct policy_verdict v = {POLICY_DENY, why, -1, "default", false};

	flow_refuse(h->sb, h->flow, &v);
	return UDP_HOLD_DENY;
}

static bool is_known(const struct flow *f, const struct name *name)
{
	return !f->undecided && f->name && name_eq(f->name, name);
}

static enum udp_hold_answer judge(struct udp_hold *h, const struct hello *hello)
{
	bool named = hello->sni == HELLO_SNI_NAME;
	struct policy_verdict v;

	if (named && is_known(h->flow, &hello->name))
		return UDP_HOLD_PASS;
	if (flow_is_hidden(h->sb, hello))
		return refuse(h, REASON_ECH);
	v = flow_judge(h->sb, h->flow, named ? POLICY_NAME_SEEN : POLICY_NAME_ABSENT,
		       named ? &hello->name : NULL);
	if (v.answer != POLICY_ALLOW)
		return UDP_HOLD_DENY;
	if (h->sb->taker && h->sb->taker->quic(h->sb, h->flow, &v, hello))
		return refuse(h, REASON_QUIC);
	return UDP_HOLD_PASS;
}

/* Behind a handshake, or no QUIC at all: nothing to read, so the binding decides. */
static enum udp_hold_answer take_nameless(struct udp_hold *h)
{
	struct policy_verdict v;

	if (!h->flow->undecided)
		return UDP_HOLD_PASS;
	v = flow_judge(h->sb, h->flow, POLICY_NAME_NONE, NULL);
	return v.answer == POLICY_ALLOW ? UDP_HOLD_PASS : UDP_HOLD_DENY;
}

/* One datagram of a train, or the only one. waits: it stands behind one that has to wait. */
static enum udp_hold_answer take_one(struct udp_hold *h, struct view datagram, bool waits)
{
	struct hello hello;

	if (!quic_is_long_header(datagram))
		return waits ? UDP_HOLD_WAIT : take_nameless(h);
	switch (quic_hello_datagram(h->hello, datagram, &hello)) {
	case HELLO_MORE:
		return UDP_HOLD_WAIT;
	case HELLO_DONE:
		return judge(h, &hello);
	case HELLO_NOT_TLS:
	case HELLO_BAD:
		break;
	}
	return refuse(h, REASON_QUIC);
}

enum udp_hold_answer udp_hold_take(struct udp_hold *h, const struct udp_datagram *d)
{
	struct view rest = d->payload, one;
	size_t size = d->gso_size ? d->gso_size : rest.len;
	enum udp_hold_answer a = h->n ? UDP_HOLD_WAIT : UDP_HOLD_PASS;

	/* A train passes as a whole, so the last word on it counts. */
	do {
		if (!view_take(&rest, rest.len < size ? rest.len : size, &one))
			break;
		a = take_one(h, one, a == UDP_HOLD_WAIT);
	} while (rest.len && a != UDP_HOLD_DENY);
	if (a == UDP_HOLD_WAIT && !keep(h, d))
		return refuse(h, REASON_QUIC);
	return a;
}

size_t udp_hold_payload(const struct udp_hold *h)
{
	size_t sum = 0;

	for (unsigned i = 0; i < h->n; i++)
		sum += h->kept[i]->d.payload.len;
	return sum;
}

void udp_hold_release(struct udp_hold *h, struct udp_sock *sock, const struct ipaddr *to,
		      uint16_t port)
{
	static const struct ipaddr any;

	if (h->n == 0)
		return;
	for (unsigned i = 0; i < h->n; i++)
		udp_sock_gather(sock, to, port, &any, &h->kept[i]->d);
	udp_sock_flush(sock); /* before the bytes go */
	drop_kept(h);
}
