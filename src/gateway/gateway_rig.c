// SPDX-License-Identifier: Apache-2.0
/* A guest on a ring. See gateway_rig.h. */
#include "gateway/gateway_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/view.h"
#include "conf/derive.h"

#define WAIT_MS 2000
#define SOON_MS 800 /* before a link that has ended is tried again */
#define FIN     0x01
#define SYN     0x02
#define RST     0x04
#define PSH     0x08
#define ACK     0x10

void rig_config(struct config *c, const char *net)
{
	config_init(c);
	c->net = strdup(net);
	c->no_ipv6 = true;
	c->quiet = true;
}

struct link *rig_ring(struct rig_guest *v)
{
	struct ring_options o = {.size = RING_SIZE_MIN};
	struct error err;
	struct link *l = link_ring_new(&o, &v->ring, &err);

	if (!l)
		abort();
	return l;
}

void rig_guest_add(struct rig_guest *v, struct gateway *g, const struct config *c, unsigned slot)
{
	struct derive_routes routes = {.v4 = true};
	struct config own = *c;
	char name[32];
	struct error err = {0};

	memset(v, 0, sizeof(*v));
	own.slot = slot;
	snprintf(name, sizeof(name), "vm-%u", slot);
	if (derive_stack_config(&own, &routes, &v->cfg, &err) < 0)
		abort();
	struct gateway_spec spec = {
		.name = name, .conf = &own, .stack = v->cfg, .link = rig_ring(v)};
	v->id = gateway_add(g, &spec, &err);
	if (!v->id) {
		fprintf(stderr, "%s: %s\n", name, err.msg);
		abort();
	}
}

void rig_guest_done(struct rig_guest *v)
{
	ring_end_free(v->ring);
	v->ring = NULL;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static uint16_t sum16(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* An IPv4 packet to the gateway. The link vouches for what is behind its header. */
static bool send_ip(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	uint8_t b[FRAME_VNET_ROOM + 1024] = {0}, *eth = b + FRAME_VNET_ROOM, *ip = eth + ETH_HLEN;

	memcpy(eth, v->cfg.gw_mac, 6);
	memcpy(eth + 6, v->cfg.guest_mac, 6);
	put_be16(eth + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(20 + n));
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, v->cfg.guest4.b, 4);
	memcpy(ip + 16, v->cfg.gw4.b, 4);
	put_be16(ip + 10, sum16(ip, 20));
	memcpy(ip + 20, l4, n);
	struct frame f = {.data = eth,
			  .len = (uint32_t)(ETH_HLEN + 20 + n),
			  .meta.csum_valid = true};
	return ring_push(v->ring, &f, 1) == 1;
}

/* Looks at an IPv4 packet for the guest: true where it is the one that is waited for. */
typedef bool rig_want(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n);

static bool look(struct rig_guest *v, const struct frame *f, rig_want *want)
{
	const uint8_t *ip = f->data + ETH_HLEN;

	if (f->len < ETH_HLEN + 20 || get_be16(f->data + 12) != 0x0800 ||
	    memcmp(ip + 16, v->cfg.guest4.b, 4) != 0)
		return false;
	size_t len = get_be16(ip + 2);
	if (len < 20 || ETH_HLEN + len > f->len)
		return false;
	return want(v, ip[9], ip + 20, len - 20);
}

static bool await(struct rig_guest *v, rig_want *want)
{
	struct frame f[16];
	time_t end = time(NULL) + WAIT_MS / 1000 + 1;

	while (time(NULL) < end) {
		struct pollfd p = {.fd = ring_fd(v->ring), .events = POLLIN};
		bool found = false;
		int n = ring_pop(v->ring, f, 16);
		for (int i = 0; i < n; i++)
			found = look(v, &f[i], want) || found;
		if (found)
			return true;
		if (n < 0)
			return false;
		if (n == 0)
			poll(&p, 1, 100);
	}
	return false;
}

/* ---- ping ------------------------------------------------------------------------------------ */

static bool is_pong(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	return proto == 1 && n >= 8 && l4[0] == 0 && get_be16(l4 + 4) == v->ident;
}

bool rig_ping_begin(struct rig_guest *v)
{
	uint8_t b[16] = {8};

	put_be16(b + 4, ++v->ident);
	put_be16(b + 2, sum16(b, sizeof(b)));
	return send_ip(v, 1, b, sizeof(b));
}

bool rig_ping(struct rig_guest *v)
{
	return rig_ping_begin(v) && await(v, is_pong);
}

/* ---- TCP ------------------------------------------------------------------------------------- */

static bool send_tcp(struct rig_guest *v, uint8_t flags, const char *data)
{
	uint8_t b[64] = {0};
	size_t n = strlen(data);

	put_be16(b, v->sport);
	put_be16(b + 2, v->dport);
	put_be32(b + 4, v->seq);
	put_be32(b + 8, v->ack);
	b[12] = 5 << 4;
	b[13] = flags;
	put_be16(b + 14, 65535);
	memcpy(b + 20, data, n);
	v->seq += (uint32_t)n + (flags & SYN ? 1 : 0);
	return send_ip(v, 6, b, 20 + n);
}

static bool is_ours(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	return proto == 6 && n >= 20 && get_be16(l4) == v->dport && get_be16(l4 + 2) == v->sport;
}

static bool is_answer(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	if (!is_ours(v, proto, l4, n))
		return false;
	v->ack = l4[13] & RST ? 0 : get_be32(l4 + 4) + 1;
	return (l4[13] & (SYN | RST)) != 0;
}

static bool is_hello(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	size_t at = (size_t)(l4[12] >> 4) * 4;

	if (!is_ours(v, proto, l4, n) || n < at + 5 || memcmp(l4 + at, "hello", 5) != 0)
		return false;
	v->ack = get_be32(l4 + 4) + 5;
	return true;
}

static bool is_reset(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	return is_ours(v, proto, l4, n) && l4[13] & RST;
}

int rig_server(uint16_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		abort();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	*ret_port = ntohs(a.sin_port);
	return fd;
}

enum rig_dial rig_connect(struct rig_guest *v, uint16_t port)
{
	v->sport = v->sport ? (uint16_t)(v->sport + 1) : 40000;
	v->dport = port;
	v->seq = 1000u * v->sport;
	v->ack = 0;
	if (!send_tcp(v, SYN, "") || !await(v, is_answer))
		return RIG_SILENT;
	if (!v->ack)
		return RIG_REFUSED;
	return send_tcp(v, ACK, "") ? RIG_CONNECTED : RIG_SILENT;
}

unsigned rig_flood(struct rig_guest *v, unsigned n, uint16_t port)
{
	unsigned sent = 0;

	v->dport = port;
	v->seq = v->ack = 0;
	for (; sent < n; sent++) {
		v->sport = (uint16_t)(v->sport ? v->sport + 1 : 10000);
		if (!send_tcp(v, SYN, ""))
			break;
	}
	return sent;
}

static bool is_any_reset(struct rig_guest *v, uint8_t proto, const uint8_t *l4, size_t n)
{
	return proto == 6 && n >= 20 && get_be16(l4) == v->dport && l4[13] & RST;
}

unsigned rig_resets(struct rig_guest *v)
{
	struct frame f[16];
	unsigned resets = 0;
	int n;

	while ((n = ring_pop(v->ring, f, 16)) > 0)
		for (int i = 0; i < n; i++)
			resets += look(v, &f[i], is_any_reset);
	return resets;
}

bool rig_talk(struct rig_guest *v, int server, int *ret_fd)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	char b[8];

	*ret_fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (*ret_fd < 0)
		return false;
	setsockopt(*ret_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return send_tcp(v, PSH | ACK, "hello") && recv(*ret_fd, b, 5, MSG_WAITALL) == 5 &&
	       send(*ret_fd, b, 5, MSG_NOSIGNAL) == 5 && await(v, is_hello) && send_tcp(v, ACK, "");
}

bool rig_fin(struct rig_guest *v)
{
	bool ok = send_tcp(v, FIN | ACK, "");

	v->seq++;
	return ok;
}

int rig_server_sees(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	socklen_t n = sizeof(int);
	int late = 0;
	char b[8];

	if (poll(&p, 1, SOON_MS) <= 0)
		return EAGAIN;
	if (recv(fd, b, sizeof(b), MSG_DONTWAIT) < 0)
		return errno;
	/* A reset behind a FIN does not show in what is read. */
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &late, &n);
	return late;
}

bool rig_sees_reset(struct rig_guest *v)
{
	return await(v, is_reset);
}
