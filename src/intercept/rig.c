// SPDX-License-Identifier: Apache-2.0
/* The stack and both peers of interception tests; rig_rooms.c has the other rooms. See rig.h. */
#include "intercept/rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/target.h"
#include "flow/tcp_host.h"

struct rig r;
static char conn; /* only its address is used */

#define CONN ((struct tcp_conn *)(void *)&conn)

/* ---- the stack ---- */

void tcp_end_readable(struct stack *s, struct tcp_conn *c)
{
	r.readable = true;
}

void tcp_end_writable(struct stack *s, struct tcp_conn *c)
{
	r.writable = true;
}

void tcp_end_failed(struct stack *s, struct tcp_conn *c)
{
	r.failed = true;
}

static void over(bool in_order)
{
	struct flow_end *e = r.end;

	if (!e)
		return;
	r.end = NULL;
	if (r.flight)
		first_flight_forget(r.flight);
	if (r.flow.forget)
		r.flow.forget(r.flow.forget_ctx);
	r.flow.forget = NULL;
	r.closed = in_order;
	if (in_order)
		e->ops->close(e);
	else
		e->ops->reset(e);
}

void tcp_conn_abort(struct stack *s, struct tcp_conn *c)
{
	r.reset = true;
	over(false);
}

void tcp_conn_accept(struct stack *s, struct tcp_conn *c, struct flow_end *end)
{
	end->conn = c;
	r.end = end;
	r.readable = true;
}

void tcp_conn_set_end(struct stack *s, struct tcp_conn *c, struct flow_end *end)
{
	end->conn = c;
	r.end = end;
	r.readable = true;
	r.blocked = false;
}

void tcp_conn_facts(const struct tcp_conn *c, struct tcp_facts *ret)
{
	*ret = (struct tcp_facts){.guest_done = r.fin, .waiting = (uint32_t)r.said.len};
}

static void push(void)
{
	struct iovec iov[3];
	size_t n = r.chunk && r.chunk < r.said.len ? r.chunk : r.said.len;
	size_t a = n ? (size_t)rand() % n : 0, b = a + (n - a ? (size_t)rand() % (n - a) : 0);

	if (r.end->watches || r.writable)
		r.blocked = false;
	r.writable = false;
	if (n && !r.blocked) {
		uint8_t *p = r.said.mem + r.said.start;

		iov[0] = (struct iovec){p, a};
		iov[1] = (struct iovec){p + a, b - a};
		iov[2] = (struct iovec){p + b, n - b};
		ssize_t took = r.end->ops->push(r.end, iov, 3);
		r.blocked = took < (ssize_t)n;
		if (took > 0)
			buf_take(&r.said, (size_t)took);
	}
	if (r.fin && r.said.len == 0 && !r.fin_told) {
		r.fin_told = true;
		r.end->ops->shut(r.end);
	}
}

/* Shows the guest what there is, twice where it was lost on the way. */
static void peek(void)
{
	uint8_t buf[65536];
	size_t left = r.window > r.shown ? r.window - r.shown : 0;
	size_t room = left < sizeof(buf) ? left : sizeof(buf);
	struct iovec iov[2] = {{buf, room / 3}, {buf + room / 3, room - room / 3}};
	ssize_t n;

	if (!r.readable || r.eof)
		return;
	n = room ? r.end->ops->peek(r.end, r.shown, iov, 2) : 0;
	if (n > 0) {
		uint8_t again[64];
		struct iovec one = {again, sizeof(again)};
		ssize_t m = r.end->ops->peek(r.end, r.shown, &one, 1);
		if (m <= 0 || memcmp(again, buf, (size_t)(m < n ? m : n)) != 0)
			abort();
		if (!buf_append(&r.heard, buf, (size_t)n))
			abort();
		r.shown += (size_t)n;
	} else if (n == -EAGAIN) {
		r.readable = false;
	} else if (n < 0) {
		r.failed = true;
	} else if (room) {
		r.eof = true;
	}
}

/* The guest acknowledges, sooner or later. */
static void consume(void)
{
	size_t k = r.shown ? 1 + (size_t)rand() % r.shown : 0;

	if (!k || rand() % 4 == 0)
		return;
	if (r.shown < 1000)
		k = r.shown;
	r.shown -= k;
	r.end->ops->consume(r.end, k);
}

static void stack_step(void)
{
	if (r.end)
		push();
	if (r.end)
		peek();
	if (r.end)
		consume();
	if (r.end && r.failed) {
		r.reset = true;
		over(false);
	}
	if (r.end && r.eof && r.fin_told && r.shown == 0)
		over(true);
}

/* ---- turns ---- */

static void turn_end(void)
{
	if (!r.keep_leaves)
		rig_answer(&r.source);
	if (r.dns_called)
		r.dns_called->upper(r.dns_called, false);
	r.dns_called = NULL;
	r.sb.taker->flush(&r.sb);
	stack_step();
	for (int i = 0; i < 3 && r.sb.taker->flush(&r.sb); i++)
		stack_step();
	if (r.sb.intercept) {
		list_for_each (n, &r.sb.intercept->conns) {
			size_t q = container_of(n, struct wire, node)->out.len;
			if (q > r.queued_max)
				r.queued_max = q;
		}
	}
}

static void shake(void)
{
	if (r.guest)
		tls_end_handshake(r.guest);
	if (r.server && !r.server_stalls)
		tls_end_handshake(r.server);
}

void rig_turn(void)
{
	struct loop *l = &r.loop;

	shake();
	l->now_us += 1000;
	l->event_n = epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS, 0);
	l->event_i = 0;
	wheel_advance(&l->wheel, l->now_us);
	while (l->event_i < l->event_n) {
		struct epoll_event *ev = &l->events[l->event_i++];
		struct loop_source *src = ev->data.ptr;
		if (src)
			src->fn(src, ev->events);
	}
	l->event_n = 0;
	turn_end();
}

void rig_turns(unsigned n)
{
	while (n--)
		rig_turn();
}

void rig_advance(uint64_t us)
{
	r.loop.now_us += us;
	wheel_advance(&r.loop.wheel, r.loop.now_us);
	rig_turns(3);
}

bool rig_shaken(void)
{
	int g = -EAGAIN, s = -EAGAIN;

	for (int i = 0; i < 2000 && (g == -EAGAIN || s == -EAGAIN) && r.end; i++) {
		rig_turn();
		g = tls_end_handshake(r.guest);
		s = tls_end_handshake(r.server);
	}
	rig_turns(3);
	return g == 0 && s == 0;
}

/* ---- the peers ---- */

static ssize_t guest_read(void *ctx, void *to, size_t n)
{
	if (r.heard.len == 0)
		return r.eof ? 0 : r.reset ? -ECONNRESET : -EAGAIN;
	if (n > r.heard.len)
		n = r.heard.len;
	memcpy(to, buf_view(&r.heard).p, n);
	buf_take(&r.heard, n);
	return (ssize_t)n;
}

static ssize_t guest_write(void *ctx, const void *from, size_t n)
{
	if (!buf_append(&r.said, from, n))
		abort();
	return (ssize_t)n;
}

static ssize_t server_read(void *ctx, void *to, size_t n)
{
	ssize_t got = r.server_stalls ? -1 : recv(r.fd, to, n, MSG_DONTWAIT);

	if (r.server_stalls)
		return -EAGAIN;
	if (got == 0)
		r.server_eof = true;
	if (got < 0 && errno != EAGAIN)
		r.server_error = errno;
	return got < 0 ? -errno : got;
}

static ssize_t server_write(void *ctx, const void *from, size_t n)
{
	ssize_t k = send(r.fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return k < 0 ? -errno : k;
}

void rig_guest_tls(const char *sni, const char *alpn)
{
	const struct tls_transport t = {guest_read, guest_write, NULL};
	struct name n = {0};
	struct tls_client c = {.name = &n, .port = 443, .alpn = view_make(alpn, strlen(alpn))};

	if (!ipaddr_parse(sni, &c.addr) && name_read(sni, strlen(sni), &n) != NAME_OK)
		abort();
	r.guest = tls_client_new(r.guest_roots, &c, &t);
	if (!r.guest)
		abort();
}

static void nothing(void *ctx)
{
}

void rig_server_tls(const char *host, const char *alpn)
{
	const struct tls_transport t = {server_read, server_write, NULL};
	const struct tls_server s = {.host = host,
				     .alpn = view_make(alpn, strlen(alpn)),
				     .wake = nothing};

	r.server = tls_server_new(r.server_leaves, &s, &t);
	if (!r.server)
		abort();
}

void rig_guest_says(const void *p, size_t n)
{
	if (!r.guest)
		guest_write(NULL, p, n);
	else if (tls_end_write(r.guest, p, n) != (ssize_t)n)
		abort();
}

ssize_t rig_guest_hears(void *p, size_t n)
{
	return r.guest ? tls_end_read(r.guest, p, n) : guest_read(NULL, p, n);
}

ssize_t rig_server_says(const void *p, size_t n)
{
	return r.server ? tls_end_write(r.server, p, n) : server_write(NULL, p, n);
}

ssize_t rig_server_hears(void *p, size_t n)
{
	return r.server ? tls_end_read(r.server, p, n) : server_read(NULL, p, n);
}

/* ---- the connection ---- */

/* Two ends of a TCP connection over loopback. */
static int dial(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0),
	    small = 65536;
	int one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(l, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(l, (struct sockaddr *)&sa, len) || listen(l, 1) ||
	    getsockname(l, (struct sockaddr *)&sa, &len) ||
	    connect(fd, (struct sockaddr *)&sa, len) || (r.fd = accept(l, NULL, NULL)) < 0)
		abort();
	setsockopt(r.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(l);
	return fd;
}

void rig_open(uint16_t port)
{
	struct flow_end *inner = tcp_host_end_new(&r.sb, dial());

	if (!inner)
		abort();
	r.flow.dir = POLICY_EGRESS;
	r.flow.proto = POLICY_TCP;
	r.flow.port = port;
	ipaddr_parse("127.0.0.1", &r.flow.remote);
	list_init(&r.flow.node);
	if (!first_flight_new(&r.sb, &r.flow, inner, &r.flight))
		abort();
	first_flight_accept(r.flight, CONN);
}

void rig_open_dot(void)
{
	struct ipaddr at, guest;

	ipaddr_parse("192.0.2.53", &at);
	ipaddr_parse("10.0.0.2", &guest);
	tcp_conn_accept(NULL, CONN, r.sb.taker->dot(&r.sb, &at, &guest, 4000));
}

void rig_close(void)
{
	over(false);
	flow_target_forget(&r.flow);
	tls_end_free(r.guest);
	tls_end_free(r.server);
	r.guest = r.server = NULL;
	if (r.fd >= 0)
		close(r.fd);
	r.fd = -1;
	buf_done(&r.said);
	buf_done(&r.heard);
}

void rig_config(struct config *c)
{
	*c = (struct config){0};
	c->tls.enabled = c->tls.verify_upstream = c->tls.block_quic = true;
	c->tls.ports[0] = 443;
	c->tls.port_count = 1;
	c->tls.cache_capacity = 100;
	c->tls.validity_hours = 24;
}

void rig_start(void)
{
	struct error err = {0};
	static bool at_home;
	static struct config_tls peers = {.cache_capacity = 4, .verify_upstream = true};

	memset(&r, 0, sizeof(r));
	r.fd = -1;
	r.window = SIZE_MAX;
	r.source.hours = 24;
	if (!at_home) { /* one authority for all tests */
		rig_home();
		atexit(rig_home_done);
	}
	at_home = true;
	if (loop_init(&r.loop, &err) < 0 || !(r.source.ca = tls_ca_open(NULL, NULL, &err)))
		abort();
	rig_file("roots", tls_ca_pem(r.source.ca));
	r.sb.loop = &r.loop;
	list_init(&r.sb.flows);
	rig_config(&r.conf);
	struct tls_leaf_source s = rig_leaf_source(&r.source);
	r.server_leaves = tls_leaves_new(&s, &peers, tls_ca_pem(r.source.ca), &err);
	r.guest_roots = tls_roots_new(&peers, &err);
	if (!r.server_leaves || !r.guest_roots || !intercept_new(&r.sb, NULL, NULL, &r.conf, &err))
		abort();
}

void rig_stop(void)
{
	rig_close();
	r.sb.taker->free(&r.sb);
	tls_roots_free(r.guest_roots);
	tls_leaves_free(r.server_leaves);
	tls_ca_free(r.source.ca);
	loop_done(&r.loop);
}
