// SPDX-License-Identifier: Apache-2.0
/*
 * The vhost-user link: a socket for the front end's messages, and the device behind it.
 *
 * What the link waits for is all in the socket's epoll instance (sock.h): listener, connection and
 * timer, and the kicks of the rings, which are edge-triggered, so that nobody has to read them.
 * Under load there are none, and the rings are looked at without any system call.
 */
#include "link/vhost_user.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "link/sock.h"
#include "link/vhost_user_dev.h"

/* Messages that are handled before frames have their turn. */
#define TURN_MESSAGES 32
/* While frames keep coming, messages are looked for only so often. */
#define BUSY_TURNS 16

struct vhost_user {
	struct link link;
	struct sock sock;
	struct vu_chan chan;
	struct vu_dev dev;
	bool more;     /* rings were not emptied: nobody will tell */
	bool armed;    /* the owner waits until it can send */
	unsigned busy; /* turns since messages were looked for */
};

static struct vhost_user *vhost_of(struct link *l)
{
	return container_of(l, struct vhost_user, link);
}

/* ---- the connection ---- */

static void vhost_drop_peer(struct vhost_user *v)
{
	vu_chan_close(&v->chan);
	/* Its kicks go with it. */
	vu_dev_reset(&v->dev);
	sock_drop_peer(&v->sock);
}

/* The next message. False where there is none, or no connection any more. */
static bool vhost_message(struct vhost_user *v)
{
	struct error err = {0}, send_err = {0};
	struct vu_reply reply;
	int r = vu_chan_recv(&v->chan, &err);

	if (r == 0)
		return false;
	if (r > 0) {
		r = vu_dev_message(&v->dev, &v->chan.msg, &reply, &err);
		if (reply.due && vu_chan_send(&v->chan, &reply.msg, reply.fd, &send_err) < 0 &&
		    r == 0) {
			err = send_err;
			r = -1;
		}
		if (reply.fd >= 0)
			close(reply.fd);
	}
	if (r == 0)
		return true;
	if (err.msg[0])
		log_line_limited(&v->dev.log, LOG_ERROR,
				 "%s: device stopped: %s: connection closed", v->sock.name,
				 err.msg);
	vhost_drop_peer(v);
	return false;
}

static void vhost_service(struct vhost_user *v)
{
	unsigned ev = sock_check(&v->sock);

	if (ev & SOCK_NEW_PEER) {
		v->link.peers++;
		vu_chan_open(&v->chan, v->sock.in_fd);
	}
	if (!(ev & (SOCK_IN | SOCK_NEW_PEER)) || v->sock.in_fd < 0)
		return;
	for (int i = 0; i < TURN_MESSAGES && vhost_message(v); i++)
		;
	v->link.caps = vu_dev_caps(&v->dev);
}

/* ---- frames ---- */

static void vhost_count(struct vhost_user *v)
{
	v->link.rx_dropped += v->dev.rx_dropped;
	v->link.tx_dropped += v->dev.tx_dropped;
	v->dev.rx_dropped = v->dev.tx_dropped = 0;
}

static int vhost_recv(struct link *l, struct frame *ret, int max)
{
	struct vhost_user *v = vhost_of(l);

	/* Before messages, which may take memory away. */
	vu_tail_release(&v->dev);
	if (!v->more || ++v->busy >= BUSY_TURNS) {
		v->busy = 0;
		vhost_service(v);
	}
	if (sock_over(&v->sock))
		return -ENETDOWN;
	int n = vu_net_recv(&v->dev, ret, max, &v->more);
	vhost_count(v);
	/* The kick that said that there is room has been taken with the others. */
	sock_again(&v->sock, v->more || (v->armed && vu_net_wait_room(&v->dev)));
	return n;
}

static int vhost_send(struct link *l, struct frame *frames, int n)
{
	struct vhost_user *v = vhost_of(l);
	int sent = vu_net_send(&v->dev, frames, n);

	vhost_count(v);
	return sent;
}

static void vhost_release(struct link *l)
{
	vu_tail_release(&vhost_of(l)->dev);
}

static int vhost_lend(struct link *l, const struct frame *head, uint32_t each, uint32_t total,
		      const struct frame_tail **ret)
{
	return vu_tail_lend(&vhost_of(l)->dev, head, each, total, ret);
}

static uint32_t vhost_events(struct link *l, uint32_t events)
{
	struct vhost_user *v = vhost_of(l);

	return EPOLLIN | (v->armed && vu_net_wait_room(&v->dev) ? (uint32_t)EPOLLOUT : 0);
}

static void vhost_arm(struct link *l, bool writable)
{
	struct vhost_user *v = vhost_of(l);

	v->armed = writable;
	if (writable && vu_net_wait_room(&v->dev))
		sock_again(&v->sock, true);
}

static void vhost_trim(struct link *l)
{
	vu_net_trim(&vhost_of(l)->dev);
}

/* ---- life ---- */

static void vhost_free(struct link *l)
{
	struct vhost_user *v = vhost_of(l);

	vu_tail_release(&v->dev);
	vu_chan_close(&v->chan);
	vu_dev_done(&v->dev);
	sock_done(&v->sock);
	free(v);
}

static const struct link_ops vhost_ops = {
	.name = "vhost-user",
	.recv = vhost_recv,
	.send = vhost_send,
	.release = vhost_release,
	.lend = vhost_lend,
	.trim = vhost_trim,
	.free = vhost_free,
	.events = vhost_events,
	.arm = vhost_arm,
};

static struct vhost_user *vhost_new(struct error *err)
{
	struct vhost_user *v = calloc(1, sizeof(*v));

	if (!v) {
		error_set(err, "vhost-user: out of memory");
		return NULL;
	}
	v->link.ops = &vhost_ops;
	v->link.fd = -1;
	sock_init(&v->sock, "vhost-user", SOCK_STREAM);
	vu_chan_init(&v->chan);
	if (vu_dev_init(&v->dev, v->sock.name, err) < 0) {
		vhost_free(&v->link);
		return NULL;
	}
	return v;
}

/* Behind the socket's set-up, which has said why where it failed. */
static struct link *vhost_ready(struct vhost_user *v, int r)
{
	if (r < 0) {
		vhost_free(&v->link);
		return NULL;
	}
	v->link.fd = v->dev.epoll_fd = v->sock.epoll_fd;
	if (v->sock.in_fd >= 0) {
		v->link.peers = 1;
		vu_chan_open(&v->chan, v->sock.in_fd);
	}
	return &v->link;
}

struct link *link_vhost_user_listen(const char *path, struct error *err)
{
	struct vhost_user *v = vhost_new(err);

	return v ? vhost_ready(v, sock_listen(&v->sock, path, 0, err)) : NULL;
}

struct link *link_vhost_user_connect(const char *path, struct error *err)
{
	struct vhost_user *v = vhost_new(err);

	return v ? vhost_ready(v, sock_connect(&v->sock, path, err)) : NULL;
}

struct link *link_vhost_user_fd(int fd, struct error *err)
{
	struct vhost_user *v = vhost_new(err);

	if (!v) {
		close(fd);
		return NULL;
	}
	return vhost_ready(v, sock_take(&v->sock, fd, err));
}

void link_vhost_user_set_mtu(struct link *l, uint16_t mtu)
{
	vhost_of(l)->dev.mtu = mtu;
}
