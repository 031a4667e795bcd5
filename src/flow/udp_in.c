// SPDX-License-Identifier: Apache-2.0
/*
 * What comes from a session's sockets: datagrams, of which only those of its remotes are let in,
 * and errors. See udp_priv.h.
 */
#include "flow/sock_icmp.h"
#include "flow/udp_priv.h"

/* What Linux quotes of a datagram at most: 576 and 1,280 bytes of ICMP message, less its headers
 * and the quoted ones. */
#define QUOTED_V4 (576 - 20 - 8 - 20 - 8)
#define QUOTED_V6 (1280 - 40 - 8 - 40 - 8)

static struct udp_session *session_of(struct udp_sock *us)
{
	return us->family == 4 ? container_of(us, struct udp_session, sock[0])
			       : container_of(us, struct udp_session, sock[1]);
}

/* The payload came back whole, so it can be sent again. */
static bool quoted_whole(const struct sock_error *e)
{
	return e->len < (e->dst.family == 4 ? QUOTED_V4 : QUOTED_V6);
}

/*
 * Nothing listens on the host's loopback of one family: the other one is tried before the guest is
 * told. True where the datagram (or at least the guest's next one) goes there.
 */
static bool try_other_loopback(struct udp_remote *ur, const struct sock_error *e,
			       const uint8_t *payload)
{
	static const uint8_t lo4[4] = {127, 0, 0, 1};
	static const uint8_t lo6[16] = {[15] = 1};
	struct udp_session *us = ur->session;
	bool first = !ur->other_tried;
	ur->dial = ur->dial.family == 4 ? ipaddr_v6(lo6) : ipaddr_v4(lo4);
	ur->other_tried = first;
	if (!first)
		return false; /* both refused: the guest is told, and its next one starts again */

	int err;
	struct udp_sock *sock = udp_session_sock(us, ur->dial.family, &err);
	if (!sock || !quoted_whole(e))
		return sock != NULL;
	struct sockaddr_storage name;
	socklen_t len = ipaddr_to_sockaddr(&ur->dial, ur->port, &name);
	ssize_t n = sendto(sock->src.fd, payload, e->len, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (struct sockaddr *)&name, len);
	return n >= 0;
}

static void session_error(struct udp_sock *us, const struct sock_error *e, const uint8_t *payload)
{
	struct udp_session *s = session_of(us);
	enum icmp_error kind;
	uint32_t value;
	struct udp_remote *ur = udp_remote_find_dialled(s, &e->dst, e->port);
	if (!ur)
		return;
	if (ur->to_host && sock_icmp_of_queue(e, &kind, &value) && kind == ICMP_ERR_PORT_UNREACH &&
	    try_other_loopback(ur, e, payload))
		return;
	udp_error_to_guest(s->relay->sb, e, payload, &ur->seen, ur->port, &s->guest, s->port);
}

static void session_datagram(struct udp_sock *us, const struct udp_in *in)
{
	struct udp_session *s = session_of(us);
	struct udp_remote *ur = udp_remote_find_dialled(s, &in->from, in->port);
	if (!ur) {
		s->relay->sb->cnt.udp_dropped++; /* the guest never sent there */
		return;
	}
	udp_in_to_guest(s->relay->sb, in, &ur->seen, ur->port, &s->guest, s->port);
	s->spoke_in = true;
	ur->bytes_in += in->len;
	udp_session_touch(s);
	udp_remote_touch(ur);
}

const struct udp_sock_ops udp_session_ops = {
	.datagram = session_datagram,
	.error = session_error,
};
