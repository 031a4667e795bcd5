// SPDX-License-Identifier: Apache-2.0
/* UDP from the guest to the host's sockets. See udp_io.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include "flow/sock_icmp.h"
#include "flow/udp_io.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define UDP_GSO_MAX 64 /* pieces of a UDP_SEGMENT message (the kernel's limit) */
/* The largest payload that a UDP_SEGMENT message of either family may carry. */
#define GSO_TOTAL_MAX 65487

static unsigned pieces_of(size_t len, uint16_t gso_size)
{
	return gso_size && len ? (unsigned)((len + gso_size - 1) / gso_size) : 1;
}

void udp_sock_gather(struct udp_sock *us, const struct ipaddr *to, uint16_t port,
		     const struct ipaddr *local, const struct udp_datagram *d)
{
	struct udp_io *io = us->io;
	if (io->out_n == UDP_BATCH)
		udp_io_flush(io);

	struct udp_out *o = &io->out[io->out_n++];
	*o = (struct udp_out){
		.to = *to,
		.port = port,
		.local = *local,
		.ttl = d->ttl > 1 ? d->ttl - 1 : 1,
		.tos = d->tos,
		.df = sock_wants_df(d->l3),
		.gso_size = d->payload.len > d->gso_size ? d->gso_size : 0,
		.payload = d->payload,
		.l3 = d->l3,
	};
	if (!us->ttl && sock_set_ttl(us->src.fd, us->family, o->ttl) == 0)
		us->ttl = o->ttl;
	if (us->last)
		us->last->next = o;
	else
		us->first = o;
	us->last = o;
	if (!list_linked(&us->pending))
		list_add_tail(&io->pending, &us->pending);
	sandbox_touch(io->sb);
}

static bool same_way(const struct udp_out *x, const struct udp_out *y)
{
	return x->port == y->port && x->ttl == y->ttl && x->tos == y->tos && x->df == y->df &&
	       ipaddr_eq(&x->to, &y->to) && ipaddr_eq(&x->local, &y->local);
}

static void put_control(const struct udp_sock *us, struct msghdr *m, const struct udp_out *o,
			uint16_t gso_size)
{
	int level = sock_level(us->family);
	if (o->ttl != us->ttl) {
		int v = o->ttl;
		sock_cmsg_put(m, level, sock_cmsg_ttl(us->family), &v, sizeof(v));
	}
	if (o->tos) {
		int v = o->tos;
		sock_cmsg_put(m, level, sock_cmsg_tos(us->family), &v, sizeof(v));
	}
	if (o->local.family)
		sock_cmsg_put_local(m, &o->local);
	if (gso_size)
		sock_cmsg_put(m, SOL_UDP, UDP_SEGMENT, &gso_size, sizeof(gso_size));
}

static void init_msg(struct msghdr *m, const struct udp_sock *us, const struct udp_out *o,
		     struct sockaddr_storage *name, struct iovec *iov, void *control)
{
	*m = (struct msghdr){
		.msg_name = name,
		.msg_namelen = ipaddr_to_sockaddr(&o->to, o->port, name),
		.msg_iov = iov,
		.msg_control = control,
	};
}

/* What the guest hears of a datagram that could not be sent. */
static void report(struct udp_sock *us, const struct udp_out *o, int err, uint32_t mtu)
{
	struct sandbox *sb = us->io->sb;
	enum icmp_error kind;
	sb->cnt.udp_dropped++;
	if (err == EMSGSIZE) {
		if (mtu)
			stack_icmp_error(&sb->stack, ICMP_ERR_TOO_BIG, NULL, o->l3, mtu);
		return;
	}
	if (sock_icmp_of_errno(err, &kind))
		stack_icmp_error(&sb->stack, kind, NULL, o->l3, 0);
}

/* A full send queue or a lack of memory: the datagram is lost, as on any busy network. */
static bool is_congestion(int err)
{
	return err == EAGAIN || err == ENOBUFS || err == ENOMEM;
}

/* Sends one piece by itself. An earlier datagram's error may fail the first attempt, so there are
 * two. */
static void send_piece(struct udp_sock *us, const struct udp_out *o, struct view payload)
{
	struct sandbox *sb = us->io->sb;
	struct sockaddr_storage name;
	_Alignas(8) uint8_t control[UDP_CONTROL];
	struct iovec iov = {.iov_base = (void *)(uintptr_t)payload.p, .iov_len = payload.len};
	struct msghdr m;
	init_msg(&m, us, o, &name, &iov, control);
	m.msg_iovlen = 1;
	put_control(us, &m, o, 0);

	int err = 0;
	uint32_t mtu = 0;
	for (int attempt = 0; attempt < 2; attempt++) {
		if (sendmsg(us->src.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			sb->cnt.udp_out++;
			return;
		}
		err = errno;
		if (is_congestion(err)) {
			sb->cnt.udp_dropped++;
			return;
		}
		mtu = udp_sock_errors(us);
		if (err == EMSGSIZE)
			break;
	}
	report(us, o, err, mtu);
}

/* A message that cannot leave as a train is taken apart. */
static void send_apart(struct udp_sock *us, struct udp_out *o, unsigned pieces)
{
	for (; pieces; pieces--, o = o->next) {
		struct view rest = o->payload, piece;
		while (o->gso_size && rest.len > o->gso_size &&
		       view_take(&rest, o->gso_size, &piece))
			send_piece(us, o, piece);
		send_piece(us, o, rest);
	}
}

/* A train of such pieces was refused: they are longer than the path's MTU, so the kernel would
 * copy all of them in vain each time. */
static bool is_too_long(const struct udp_sock *us, const struct ipaddr *to, size_t size)
{
	return us->too_long && size >= us->too_long && ipaddr_eq(to, &us->too_long_to);
}

/* Puts the next message together from the head of the list; returns what follows it. */
static struct udp_out *build_msg(struct udp_sock *us, struct udp_out *o, unsigned n,
				 unsigned *iov_n)
{
	struct udp_io *io = us->io;
	struct msghdr *m = &io->tx[n].msg_hdr;
	init_msg(m, us, o, &io->tx_name[n], &io->tx_iov[*iov_n], &io->tx_control[n]);
	io->tx_out[n] = o;

	size_t total = 0, size = o->payload.len;
	uint16_t gso_size = o->gso_size;
	unsigned pieces = 0;
	struct udp_out *first = o;
	bool may_join = !us->no_gso && !is_too_long(us, &o->to, size);
	for (; o; o = o->next) {
		size_t len = o->payload.len;
		bool joins = may_join && !gso_size && !o->gso_size && len && len <= size &&
			     total + len <= GSO_TOTAL_MAX && pieces < UDP_GSO_MAX &&
			     same_way(first, o);
		if (pieces && !joins)
			break;
		io->tx_iov[*iov_n + pieces] =
			(struct iovec){.iov_base = (void *)(uintptr_t)o->payload.p, .iov_len = len};
		total += len;
		pieces++;
		if (len < size || gso_size || !len) { /* a short piece is the last of its train */
			o = o->next;
			break;
		}
	}
	m->msg_iovlen = pieces;
	io->tx_pieces[n] = pieces;
	*iov_n += pieces;
	put_control(us, m, first, pieces > 1 ? (uint16_t)size : gso_size);
	return o;
}

static uint64_t datagrams_in(struct udp_io *io, unsigned n)
{
	const struct udp_out *o = io->tx_out[n];
	return io->tx_pieces[n] > 1 ? io->tx_pieces[n] : pieces_of(o->payload.len, o->gso_size);
}

/* The message at the head failed. True: it is done with; false: it is worth a second attempt. */
static bool msg_failed(struct udp_sock *us, unsigned n, int err, bool again)
{
	struct udp_io *io = us->io;
	struct udp_out *o = io->tx_out[n];
	if (is_congestion(err)) {
		io->sb->cnt.udp_dropped += datagrams_in(io, n);
		return true;
	}
	uint32_t mtu = udp_sock_errors(us);
	bool train = io->tx_pieces[n] > 1 || o->gso_size;
	if (train && (err == EINVAL || err == EMSGSIZE || err == EIO || err == EOPNOTSUPP)) {
		us->no_gso |= err == EIO || err == EOPNOTSUPP;
		us->too_long = o->gso_size ? o->gso_size : o->payload.len;
		us->too_long_to = o->to;
		send_apart(us, o, io->tx_pieces[n]);
		return true;
	}
	if (!again && err != EMSGSIZE)
		return false;
	report(us, o, err, mtu);
	return true;
}

static void send_msgs(struct udp_sock *us, unsigned n)
{
	struct udp_io *io = us->io;
	bool again = false;
	for (unsigned i = 0; i < n;) {
		int sent = sendmmsg(us->src.fd, io->tx + i, n - i, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0) {
			for (int k = 0; k < sent; k++, i++)
				io->sb->cnt.udp_out += datagrams_in(io, i);
			again = false;
		} else if (msg_failed(us, i, errno, again)) {
			i++;
			again = false;
		} else {
			again = true;
		}
	}
}

void udp_sock_flush(struct udp_sock *us)
{
	struct udp_out *o = us->first;
	us->first = us->last = NULL;
	list_del(&us->pending);
	while (o) {
		unsigned n = 0, iov_n = 0;
		bool df = o->df;
		if (df != us->df && sock_set_df(us->src.fd, us->family, df) == 0)
			us->df = df;
		while (o && o->df == df)
			o = build_msg(us, o, n++, &iov_n);
		send_msgs(us, n);
	}
}

void udp_io_flush(struct udp_io *io)
{
	list_for_each (it, &io->pending) {
		udp_sock_flush(container_of(it, struct udp_sock, pending));
	}
	io->out_n = 0;
}
