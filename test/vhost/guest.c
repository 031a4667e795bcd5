// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/view.h"
#include "link/vnet.h"

#define WAIT_S 10.0
#define WSCALE 8
#define WINDOW (4u << 20)
#define RST    4

/* Addresses of the first slot. */
#define GUEST_IP   0xac100002u
#define GATEWAY_IP 0xac100001u
static const uint8_t guest_mac[6] = {2, 0x77, 0x72, 0, 0, 2},
		     gateway_mac[6] = {2, 0x77, 0x72, 0, 0, 1};

void guest_die(const char *what)
{
	fprintf(stderr, "vhost-user guest: %s (%s)\n", what, strerror(errno));
	exit(1);
}

double guest_clock(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the gateway ---- */

void guest_attach(struct guest *g)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	double end = guest_clock(CLOCK_MONOTONIC) + WAIT_S;

	strcpy(a.sun_path, g->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		if (guest_clock(CLOCK_MONOTONIC) > end)
			guest_die("weir does not start");
		poll(NULL, 0, 10);
	}
	if (!rig_attach(&g->rig, fd))
		guest_die("weir does not take the device");
	rig_fill(&g->rig, 0);
}

void guest_start(struct guest *g, const char *weir, const struct rig_options *o)
{
	if (!rig_make(&g->rig, o))
		guest_die("no memory");
	strcpy(g->dir, "/tmp/vhost_guest.XXXXXX");
	if (!mkdtemp(g->dir))
		guest_die("no directory");
	snprintf(g->path, sizeof(g->path), "%s/s", g->dir);
	snprintf(g->log, sizeof(g->log), "%s/log", g->dir);
	g->weir = fork();
	if (g->weir == 0) {
		int fd = open(g->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		dup2(fd, 2);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(weir, weir, "serve", "--quiet", "--net", "all", "--vhost-user", g->path,
		      (char *)NULL);
		_exit(127);
	}
	guest_attach(g);
}

void guest_stop(struct guest *g)
{
	int status;

	rig_free(&g->rig);
	kill(g->weir, SIGTERM);
	if (waitpid(g->weir, &status, 0) != g->weir || !WIFEXITED(status) || WEXITSTATUS(status))
		guest_die("weir did not end well");
	unlink(g->path);
	unlink(g->log);
	rmdir(g->dir);
}

/* ---- segments ---- */

static uint16_t sum16(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static void put_headers(struct guest *g, uint8_t flags, uint32_t seq, uint32_t doff, uint32_t len)
{
	uint8_t *p = g->out, *ip = p + ETH_HLEN, *tcp = ip + 20;

	memcpy(p, gateway_mac, 6);
	memcpy(p + 6, guest_mac, 6);
	put_be16(p + 12, 0x0800);
	memset(ip, 0, 40);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(20 + doff + len));
	put_be16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	put_be32(ip + 12, GUEST_IP);
	put_be32(ip + 16, GATEWAY_IP);
	put_be16(ip + 10, (uint16_t)~sum16(ip, 20, 0));
	put_be16(tcp, g->port);
	put_be16(tcp + 2, g->far_port);
	put_be32(tcp + 4, seq);
	put_be32(tcp + 8, flags & GUEST_ACK ? g->rcv : 0);
	tcp[12] = (uint8_t)(doff / 4 << 4);
	tcp[13] = flags;
	put_be16(tcp + 14, flags & GUEST_SYN ? 65535 : WINDOW >> WSCALE);
	/* The device finishes it, and finds the pseudo-header's sum. */
	put_be16(tcp + 16, sum16(ip + 12, 8, 6 + doff + len));
}

bool guest_send(struct guest *g, uint8_t flags, uint32_t seq, uint32_t len)
{
	static const uint8_t opts[] = {2, 4, GUEST_MSS >> 8, GUEST_MSS & 255, 1, 3, 3, WSCALE};
	uint32_t doff = flags & GUEST_SYN ? 20 + sizeof(opts) : 20;
	uint8_t hdr[RIG_HDR];
	struct frame f = {.data = g->out,
			  .len = ETH_HLEN + 20 + doff + len,
			  .meta = {.needs_csum = true, .csum_start = 34, .csum_offset = 16}};

	put_headers(g, flags, seq, doff, len);
	if (flags & GUEST_SYN)
		memcpy(g->out + GUEST_HEADERS, opts, sizeof(opts));
	if (len > GUEST_MSS) {
		f.meta.gso = FRAME_GSO_TCPV4;
		f.meta.gso_size = GUEST_MSS;
		f.meta.hdr_len = GUEST_HEADERS;
	}
	vnet_put(hdr, RIG_HDR, &f);
	return rig_send(&g->rig, 0, hdr, g->out, f.len);
}

void guest_ack(struct guest *g)
{
	guest_send(g, GUEST_ACK, g->nxt, 0);
}

static void on_syn(struct guest *g, const uint8_t *tcp, uint32_t doff)
{
	g->rcv = get_be32(tcp + 4) + 1;
	for (const uint8_t *o = tcp + 20; o < tcp + doff && *o; o += *o == 1 || !o[1] ? 1 : o[1])
		if (*o == 3)
			g->peer_wscale = o[2];
}

bool guest_recv(struct guest *g, uint32_t *got)
{
	uint8_t hdr[RIG_HDR], *tcp = g->in + 34;
	ssize_t n = rig_recv(&g->rig, 0, hdr, g->in, sizeof(g->in));

	*got = 0;
	if (n < 0)
		guest_die("what came is no frame");
	if (n < (ssize_t)GUEST_HEADERS || get_be16(g->in + 12) != 0x0800 || g->in[23] != 6 ||
	    get_be16(tcp + 2) != g->port)
		return n > 0;
	uint32_t doff = (tcp[12] >> 4) * 4u, len = get_be16(g->in + 16) - 20u - doff;
	if (n != (ssize_t)(34 + doff + len))
		guest_die("a frame of another length than its packet");
	*got = len;
	if (len && g->loses && g->loses(g->ctx))
		return true;
	if (tcp[13] & RST)
		guest_die("the connection was reset");
	if (tcp[13] & GUEST_ACK)
		g->una = get_be32(tcp + 8);
	g->wnd = (uint32_t)get_be16(tcp + 14) << (tcp[13] & GUEST_SYN ? 0 : g->peer_wscale);
	if (tcp[13] & GUEST_SYN) {
		on_syn(g, tcp, doff);
		return true;
	}
	/* What is new of it: nothing behind a gap, and of what comes again the end. */
	uint32_t skip = g->rcv - get_be32(tcp + 4);
	if (skip > len || g->fin)
		return true;
	if (len > skip && g->got)
		g->got(g->ctx, tcp + doff + skip, len - skip);
	g->fin = tcp[13] & GUEST_FIN;
	g->rcv += len - skip + g->fin;
	return true;
}

/* ---- a connection ---- */

void guest_want_calls(struct guest *g)
{
	rig_ring_want_call(&g->rig.ring[0], true);
	rig_ring_want_call(&g->rig.ring[1], true);
}

void guest_nap(struct guest *g)
{
	struct pollfd p[2] = {{.fd = g->rig.ring[0].call_fd, .events = POLLIN},
			      {.fd = g->rig.ring[1].call_fd, .events = POLLIN}};
	uint64_t calls;

	poll(p, 2, 10);
	for (int i = 0; i < 2; i++)
		if (p[i].revents)
			(void)!read(p[i].fd, &calls, sizeof(calls));
}

void guest_connect(struct guest *g)
{
	double end = guest_clock(CLOCK_MONOTONIC) + WAIT_S;
	uint32_t none;

	g->port++;
	g->rcv = 0;
	g->fin = false;
	g->nxt = g->una = 1000;
	guest_send(g, GUEST_SYN, g->nxt++, 0);
	rig_kick(&g->rig.ring[1]);
	while (!g->rcv) {
		if (guest_clock(CLOCK_MONOTONIC) > end)
			guest_die("no connection");
		guest_want_calls(g);
		if (!guest_recv(g, &none))
			guest_nap(g);
	}
	rig_fill(&g->rig, 0);
	guest_ack(g);
	rig_kick(&g->rig.ring[1]);
}
