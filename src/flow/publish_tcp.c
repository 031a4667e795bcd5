// SPDX-License-Identifier: Apache-2.0
/*
 * Published TCP ports: listeners, and the way of an accepted connection to the guest. See
 * publish_priv.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "flow/publish_priv.h"
#include "flow/tcp_host.h"

#define ACCEPT_BURST 64
#define PAUSE_CROWD_US \
	(5 * UINT64_C(1000)) /* the guest answers some of the half-open ones meanwhile */
#define PAUSE_NO_FILE_US (100 * UINT64_C(1000)) /* until flows have ended */

/* The client sees a reset, as if the port had been closed. */
static void refuse_client(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

struct tcp_conn *publish_tcp_dial(struct sandbox *sb, const struct ipaddr *guest,
				  uint16_t guest_port, uint16_t client_port, struct flow_end *end)
{
	struct ipaddr gw = publish_gateway(sb, guest->family);
	if (tcp_conn_count(&sb->stack, NULL) >= sb->stack.cfg.max_tcp)
		return NULL;
	for (unsigned i = 0; i < PUBLISH_PORT_TRIES; i++) {
		uint16_t port = publish_port_try(i, client_port);
		struct tcp_conn *c = tcp_conn_open(&sb->stack, &gw, port, guest, guest_port, end);
		if (c)
			return c;
	}
	return NULL;
}

/* An accepted and admitted connection goes to the guest. */
static void serve(struct publish_port *pp, int fd, const struct ipaddr *client,
		  uint16_t client_port)
{
	struct sandbox *sb = pp->set->sb;
	struct flow_end *end = tcp_host_end_new(sb, fd);
	if (!end) {
		refuse_client(fd);
		return;
	}
	sb->cnt.tcp_accepted++;
	struct ipaddr guest = publish_guest_any(sb, client->family);
	struct ipaddr other = publish_guest(sb, guest.family == 4 ? 6 : 4);
	struct policy_facts facts = {.dir = POLICY_INGRESS,
				     .proto = POLICY_TCP,
				     .remote = *client,
				     .port = pp->guest_port};
	struct tcp_conn *c;
	if (publish_keeps(sb, client)) {
		c = tcp_conn_open(&sb->stack, client, client_port, &guest, pp->guest_port, end);
		/* It has a connection from this port already, by another published port. */
		if (!c)
			c = publish_tcp_dial(sb, &guest, pp->guest_port, client_port, end);
	} else if (other.family) {
		publish_end_dial(pp->set, end, fd, &guest, &other, &facts, client_port);
		return;
	} else {
		c = publish_tcp_dial(sb, &guest, pp->guest_port, client_port, end);
	}
	if (c) {
		tcp_relay_follow(sb, c, &facts, client_port);
	} else {
		flow_count_refusal(sb, REASON_LIMIT_CONNECTIONS, &facts);
		end->ops->reset(end);
	}
}

static void pause_listener(struct publish_port *pp, uint64_t us)
{
	struct loop *l = pp->set->sb->loop;
	loop_del(l, &pp->src);
	timer_set(&l->wheel, &pp->resume, l->now_us + us);
}

static void resume_fire(struct timer *t)
{
	struct publish_port *pp = container_of(t, struct publish_port, resume);
	if (loop_add(pp->set->sb->loop, &pp->src, pp->fd, EPOLLIN) < 0)
		pause_listener(pp, PAUSE_NO_FILE_US);
}

static bool is_crowded(const struct sandbox *sb)
{
	unsigned half_open;
	tcp_conn_count(&sb->stack, &half_open);
	return half_open >= sb->stack.cfg.max_half_open - sb->stack.cfg.max_half_open / 4;
}

/* One connection. 0, or -errno: -EAGAIN where none is left. */
static int accept_one(struct publish_port *pp)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct ipaddr client;
	uint16_t port;
	int fd = accept4(pp->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ipaddr_from_sockaddr((struct sockaddr *)&sa, &client, &port) &&
	    publish_admit(pp, &client, port))
		serve(pp, fd, &client, port);
	else
		refuse_client(fd);
	return 0;
}

static void listener_event(struct loop_source *src, uint32_t events)
{
	struct publish_port *pp = container_of(src, struct publish_port, src);
	for (int n = 0; n < ACCEPT_BURST; n++) {
		if (is_crowded(pp->set->sb)) {
			pause_listener(pp, PAUSE_CROWD_US);
			return;
		}
		int r = accept_one(pp);
		if (r == -EAGAIN)
			return;
		if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM) {
			log_limited(LOG_WARNING, "published port %u pauses: %s", pp->host_port,
				    strerror(-r));
			pause_listener(pp, PAUSE_NO_FILE_US);
			return;
		}
		/* Any other error is that of a client that has gone again (accept(2)). */
	}
}

int publish_tcp_open(struct publish_port *pp)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_to_sockaddr(&pp->bind, pp->host_port, &sa);
	int one = 1;
	pp->src = (struct loop_source){.fd = -1, .fn = listener_event};
	timer_init(&pp->resume, resume_fire);
	pp->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (pp->fd < 0)
		return -errno;
	setsockopt(pp->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (pp->bind.family == 6)
		setsockopt(pp->fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(pp->fd, (struct sockaddr *)&sa, len) || listen(pp->fd, PUBLISH_BACKLOG) ||
	    getsockname(pp->fd, (struct sockaddr *)&sa, &len))
		return -errno;
	struct ipaddr bound;
	ipaddr_from_sockaddr((struct sockaddr *)&sa, &bound, &pp->host_port);
	return loop_add(pp->set->sb->loop, &pp->src, pp->fd, EPOLLIN);
}

void publish_tcp_close(struct publish_port *pp)
{
	timer_cancel(&pp->set->sb->loop->wheel, &pp->resume);
	loop_del(pp->set->sb->loop, &pp->src);
	if (pp->fd >= 0)
		close(pp->fd);
	pp->fd = -1;
}
