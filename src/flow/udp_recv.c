// SPDX-License-Identifier: Apache-2.0
/*
 * UDP from the host's sockets to the guest, and what their error queues say.
 *
 * Only the session's remotes are let in. An error is told to the guest about the address that the
 * guest used, with a quoted packet that is rebuilt from what the kernel kept of the datagram.
 */
#include <errno.h>
#include <netinet/in.h>

#include "flow/sock_icmp.h"
#include "flow/udp_priv.h"

#define TTL_TO_GUEST  64
#define TRIM_FIRST_US (5 * UINT64_C(1000000))
#define ERRORS_A_WAKE \
	64 /* entries of an error queue, so that a flood of them cannot hold the loop */
#define QUOTE_MAX 2048
/* What Linux quotes of a datagram at most: 576 and 1,280 bytes of ICMP message, less its headers
 * and the quoted ones. */
#define QUOTED_V4 (576 - 20 - 8 - 20 - 8)
#define QUOTED_V6 (1280 - 40 - 8 - 40 - 8)

/* ---- errors ---- */

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

static void handle_error(struct udp_session *us, const struct sock_error *e, const uint8_t *payload)
{
	struct sandbox *sb = us->relay->sb;
	enum icmp_error kind;
	uint32_t value;
	struct udp_remote *ur = udp_remote_find_dialled(us, &e->dst, e->port);
	if (!ur || !sock_icmp_of_queue(e, &kind, &value))
		return;
	if (kind == ICMP_ERR_PORT_UNREACH && ur->to_host && try_other_loopback(ur, e, payload))
		return;

	uint8_t l4[8 + QUOTE_MAX];
	put_be16(l4, us->port);
	put_be16(l4 + 2, ur->port);
	put_be16(l4 + 4, (uint16_t)(8 + e->len));
	put_be16(l4 + 6, 0);
	memcpy(l4 + 8, payload, e->len);
	stack_icmp_error_rebuilt(&sb->stack, kind, sock_icmp_from(sb, e, &e->dst, &ur->seen),
				 &us->guest, &ur->seen, IPPROTO_UDP, l4, 8 + e->len, value);
}

uint32_t udp_sock_errors(struct udp_sock *us)
{
	uint8_t payload[QUOTE_MAX];
	struct sock_error e;
	uint32_t mtu = 0;
	int n;
	for (n = 0; n < ERRORS_A_WAKE; n++) {
		if (sock_read_error(us->src.fd, payload, sizeof(payload), &e) <= 0)
			break;
		if (e.local && e.err == EMSGSIZE)
			mtu = e.info;
		else
			handle_error(us->session, &e, payload);
	}
	if (!n)
		sock_take_error(us->src.fd); /* an error that found no room in the queue would wake
						us for ever */
	return mtu;
}

/* ---- datagrams ---- */

static void deliver(struct udp_sock *us, struct mmsghdr *mm)
{
	struct udp_session *s = us->session;
	struct sandbox *sb = s->relay->sb;
	struct msghdr *m = &mm->msg_hdr;
	struct ipaddr from;
	uint16_t port;
	struct udp_remote *ur = NULL;
	if (ipaddr_from_sockaddr(m->msg_name, &from, &port))
		ur = udp_remote_find_dialled(s, &from, port);
	if (!ur) {
		sb->cnt.udp_dropped++; /* the guest never sent there */
		return;
	}
	struct sock_info info = sock_info_of(m);
	const uint8_t *data = m->msg_iov->iov_base;
	size_t len = mm->msg_len;
	bool train = info.gso_size && info.gso_size < len;
	bool ok = train ? udp_output_train(&sb->stack, &ur->seen, port, &s->guest, s->port,
					   TTL_TO_GUEST, info.tos, data, len, info.gso_size)
			: udp_output(&sb->stack, &ur->seen, port, &s->guest, s->port, TTL_TO_GUEST,
				     info.tos, data, len);
	uint64_t n = train ? (len + info.gso_size - 1) / info.gso_size : 1;
	if (ok)
		sb->cnt.udp_in += n;
	else
		sb->cnt.udp_dropped += n;
	s->spoke_in = true;
	udp_session_touch(s);
	udp_remote_touch(ur);
}

/* One recvmmsg(). Returns how many datagrams or trains came, or -errno. */
static int receive(struct udp_sock *us)
{
	struct udp_relay *r = us->session->relay;
	for (unsigned i = 0; i < UDP_RX_SLOTS; i++) {
		r->rx[i].msg_hdr.msg_namelen = sizeof(r->rx_name[i]);
		r->rx[i].msg_hdr.msg_controllen = sizeof(r->rx_control[i]);
	}
	int n = recvmmsg(us->src.fd, r->rx, UDP_RX_SLOTS, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		deliver(us, &r->rx[i]);
	return n;
}

void udp_sock_event(struct loop_source *src, uint32_t events)
{
	struct udp_sock *us = container_of(src, struct udp_sock, src);
	struct udp_relay *r = us->session->relay;
	if (events & EPOLLERR)
		udp_sock_errors(us);
	if (!(events & EPOLLIN))
		return;

	r->rx_used = true;
	if (!timer_armed(&r->trim))
		timer_set(&r->sb->loop->wheel, &r->trim, r->sb->loop->now_us + TRIM_FIRST_US);
	for (int round = 0; round < UDP_RX_ROUNDS; round++) {
		int n = receive(us);
		if (n < 0 && n != -EAGAIN && n != -EINTR)
			udp_sock_errors(
				us); /* an earlier datagram's error; the next call gets data */
		else if (n < (int)UDP_RX_SLOTS)
			return;
	}
}
