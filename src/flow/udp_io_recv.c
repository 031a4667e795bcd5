// SPDX-License-Identifier: Apache-2.0
/* UDP from the host's sockets to the guest, and what their error queues say. See udp_io.h. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flow/sock_icmp.h"
#include "flow/udp_io.h"

#define TTL_TO_GUEST  64
#define TRAIN_MAX     (65535 - 40 - 8) /* with IPv6 and UDP headers a packet */
#define TRIM_AFTER_US (5 * UINT64_C(1000000))
#define ARENA_SIZE    ((size_t)UDP_RX_SLOTS * UDP_RX_STRIDE)
#define ERRORS_A_WAKE \
	64 /* entries of an error queue, so that a flood of them cannot hold the loop */
#define ROUNDS_A_WAKE 4 /* recvmmsg() calls, for the same reason */
#define LONE          4 /* calls that brought one small datagram, in a row, are a habit, */
#define LONE_CHECK    8 /* and of so many of these one asks for more */
#define LONE_BYTES    2048

/* ---- the shared buffers ---- */

_Static_assert(UDP_LENT_ROOM <= UDP_RX_ROOM && UDP_RX_ROOM < UDP_RX_STRIDE - UDP_RX_SIZE,
	       "headers fit before what is received");

static void trim_fire(struct timer *t)
{
	struct udp_io *io = container_of(t, struct udp_io, trim);
	if (io->rx_used) {
		io->rx_used = false;
		timer_set(&io->sb->loop->wheel, t, io->sb->loop->now_us + TRIM_AFTER_US);
		return;
	}
	madvise(io->rx_arena, ARENA_SIZE, MADV_DONTNEED);
}

bool udp_io_init(struct udp_io *io, struct sandbox *sb)
{
	io->rx_arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (io->rx_arena == MAP_FAILED)
		return false;
	/* A huge page for a single small datagram would be most of what an idle sandbox weighs. */
	madvise(io->rx_arena, ARENA_SIZE, MADV_NOHUGEPAGE);
	io->sb = sb;
	list_init(&io->pending);
	timer_init(&io->trim, trim_fire);
	for (unsigned i = 0; i < UDP_RX_SLOTS; i++) {
		io->rx_iov[i] = (struct iovec){.iov_base = io->rx_arena +
							   (size_t)i * UDP_RX_STRIDE + UDP_RX_ROOM,
					       .iov_len = UDP_RX_SIZE};
		io->rx[i].msg_hdr = (struct msghdr){.msg_name = &io->rx_name[i],
						    .msg_iov = &io->rx_iov[i],
						    .msg_iovlen = 1,
						    .msg_control = &io->rx_control[i]};
	}
	return true;
}

void udp_io_done(struct udp_io *io)
{
	timer_cancel(&io->sb->loop->wheel, &io->trim);
	munmap(io->rx_arena, ARENA_SIZE);
}

/* ---- errors ---- */

bool udp_error_to_guest(struct sandbox *sb, const struct sock_error *e, const uint8_t *payload,
			const struct ipaddr *seen, uint16_t seen_port, const struct ipaddr *guest,
			uint16_t guest_port)
{
	enum icmp_error kind;
	uint32_t value;
	if (!sock_icmp_of_queue(e, &kind, &value))
		return false;
	uint8_t l4[8 + UDP_QUOTE_MAX];
	size_t len = e->len < UDP_QUOTE_MAX ? e->len : UDP_QUOTE_MAX;
	put_be16(l4, guest_port);
	put_be16(l4 + 2, seen_port);
	put_be16(l4 + 4, (uint16_t)(8 + len));
	put_be16(l4 + 6, 0);
	memcpy(l4 + 8, payload, len);
	stack_icmp_error_rebuilt(&sb->stack, kind, sock_icmp_from(sb, e, &e->dst, seen), guest,
				 seen, IPPROTO_UDP, l4, 8 + len, value);
	return true;
}

uint32_t udp_sock_errors(struct udp_sock *us)
{
	uint8_t payload[UDP_QUOTE_MAX];
	struct sock_error e;
	uint32_t mtu = 0;
	int n;
	for (n = 0; n < ERRORS_A_WAKE; n++) {
		if (sock_read_error(us->src.fd, payload, sizeof(payload), &e) <= 0)
			break;
		if (e.local && e.err == EMSGSIZE)
			mtu = e.info;
		else
			us->ops->error(us, &e, payload);
	}
	if (!n)
		sock_take_error(us->src.fd); /* one that found no room in the queue would wake us
						for ever */
	return mtu;
}

/* ---- datagrams ---- */

bool udp_in_to_guest(struct sandbox *sb, const struct udp_in *in, const struct ipaddr *seen,
		     uint16_t seen_port, const struct ipaddr *guest, uint16_t guest_port)
{
	size_t gso_size = in->info.gso_size;
	bool train = gso_size && gso_size < in->len;
	bool ok =
		in->lent
			? udp_output_lent(&sb->stack, seen, seen_port, guest, guest_port,
					  TTL_TO_GUEST, in->info.tos, in->lent, in->len, gso_size)
			: udp_output_train(&sb->stack, seen, seen_port, guest, guest_port,
					   TTL_TO_GUEST, in->info.tos, in->data, in->len, gso_size);
	uint64_t n = train ? (in->len + gso_size - 1) / gso_size : 1;
	if (ok)
		sb->cnt.udp_in += n;
	else
		sb->cnt.udp_dropped += n;
	return ok;
}

/* Same sender, same control messages. */
static bool same_origin(const struct msghdr *x, const struct msghdr *y)
{
	return x->msg_namelen == y->msg_namelen && x->msg_controllen == y->msg_controllen &&
	       !memcmp(x->msg_name, y->msg_name, x->msg_namelen) &&
	       !memcmp(x->msg_control, y->msg_control, x->msg_controllen);
}

/*
 * Joins the datagrams that follow message i to it, as far as they make a train: from one sender, of
 * one size, the last perhaps shorter. Each has a slot of the arena, so there is room behind the
 * first one. Worth the copy only where the link takes a train whole. Returns how many there are now
 * in it.
 */
static int join_train(struct udp_io *io, int i, int n)
{
	const struct stack_config *cfg = &io->sb->stack.cfg;
	struct mmsghdr *first = &io->rx[i];
	size_t size = first->msg_len, total = size;
	size_t headers = first->msg_hdr.msg_namelen == sizeof(struct sockaddr_in) ? 20 + 8 : 40 + 8;
	int pieces = 1;
	if (!(cfg->link_caps & LINK_USO) || !size || size + headers > cfg->mtu)
		return 1;
	for (struct mmsghdr *mm = first + 1; i + pieces < n; mm++, pieces++) {
		size_t len = mm->msg_len;
		if (!len || len > size || total + len > TRAIN_MAX ||
		    !same_origin(&first->msg_hdr, &mm->msg_hdr))
			break;
		memcpy((uint8_t *)first->msg_hdr.msg_iov->iov_base + total,
		       mm->msg_hdr.msg_iov->iov_base, len);
		total += len;
		if (len < size) {
			pieces++;
			break;
		}
	}
	first->msg_len = (unsigned)total;
	return pieces;
}

static void hand_over(struct udp_sock *us, struct mmsghdr *mm, uint16_t gso_size)
{
	struct msghdr *m = &mm->msg_hdr;
	struct udp_in in = {.data = m->msg_iov->iov_base,
			    .len = mm->msg_len,
			    .lent = m->msg_iov->iov_base};
	if (!ipaddr_from_sockaddr(m->msg_name, &in.from, &in.port))
		return;
	in.info = sock_info_of(m);
	if (gso_size)
		in.info.gso_size = gso_size;
	us->ops->datagram(us, &in);
}

/* How many datagrams to ask for: where they come one at a time, one, but now and then. */
static unsigned receive_size(const struct udp_sock *us)
{
	return us->lone >= LONE && us->lone % LONE_CHECK ? 1 : UDP_RX_SLOTS;
}

/* One recvmmsg() of at most `max`. Returns how many datagrams or trains came, or -errno. */
static int receive(struct udp_sock *us, unsigned max)
{
	struct udp_io *io = us->io;
	for (unsigned i = 0; i < max; i++) {
		io->rx[i].msg_hdr.msg_namelen = sizeof(io->rx_name[i]);
		io->rx[i].msg_hdr.msg_controllen = sizeof(io->rx_control[i]);
	}
	int n = recvmmsg(us->src.fd, io->rx, max, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	us->lone = n == 1 && io->rx[0].msg_len <= LONE_BYTES ? us->lone + 1 : 0;
	for (int i = 0; i < n;) {
		uint16_t size = (uint16_t)io->rx[i].msg_len;
		int pieces = sock_info_of(&io->rx[i].msg_hdr).gso_size ? 1 : join_train(io, i, n);
		hand_over(us, &io->rx[i], pieces > 1 ? size : 0);
		i += pieces;
	}
	stack_tx_settle(&io->sb->stack);
	return n;
}

static void sock_event(struct loop_source *src, uint32_t events)
{
	struct udp_sock *us = container_of(src, struct udp_sock, src);
	struct udp_io *io = us->io;
	if (events & EPOLLERR)
		udp_sock_errors(us);
	if (!(events & EPOLLIN))
		return;

	io->rx_used = true;
	if (!timer_armed(&io->trim))
		timer_set(&io->sb->loop->wheel, &io->trim, io->sb->loop->now_us + TRIM_AFTER_US);
	for (int round = 0; round < ROUNDS_A_WAKE; round++) {
		int n = receive(us, receive_size(us));
		if (n < 0 && n != -EAGAIN && n != -EINTR)
			udp_sock_errors(
				us); /* an earlier datagram's error; the next call gets data */
		else if (n < UDP_RX_SLOTS)
			return;
	}
}

/* ---- sockets ---- */

void udp_sock_init(struct udp_sock *us, struct udp_io *io, uint8_t family,
		   const struct udp_sock_ops *ops)
{
	*us = (struct udp_sock){
		.ops = ops, .io = io, .family = family, .src = {.fd = -1, .fn = sock_event}};
	list_init(&us->pending);
}

int udp_sock_attach(struct udp_sock *us, int fd)
{
	us->df = us->no_gso = false;
	us->ttl = 0;
	us->too_long = 0;
	return loop_add(us->io->sb->loop, &us->src, fd, EPOLLIN);
}

void udp_sock_close(struct udp_sock *us)
{
	int fd = us->src.fd;
	if (fd < 0)
		return;
	udp_sock_flush(us);
	loop_del(us->io->sb->loop, &us->src);
	us->src.fd = -1;
	close(fd);
}
