// SPDX-License-Identifier: Apache-2.0
/*
 * A monitor of two virtual machines, in small: one process, one gateway, two sandboxes with
 * policies of their own.
 *
 *	embed PORT PATH
 *
 * Both guests fetch http://host.weir.internal:PORT/PATH. The first may; its frames go from its
 * socket straight to weir. The second may not, until its policy is replaced while it runs; its
 * frames come by a socket, too, but the monitor's loop hands them to a ring, as a device emulation
 * does. The guests are threads that have nothing but their end of a socket pair.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir.h>

#include "guest-net.h"

#define HOST "host.weir.internal"

/* ---- a guest: what would be a virtual machine ---- */

struct vm {
	const char *name;
	int socket;  /* its network card */
	int results; /* where it reports: one struct report each */
	int go;      /* it tries once for each byte that comes here */
	uint16_t port;
	const char *path;
	uint8_t mac[6];
	pthread_t thread;
};

struct report {
	struct vm *vm;
	enum guest_result result;
	char line[64]; /* the first of the page */
};

/* Datagrams are frames; in a stream each has its length before it. */
static int stream_send(void *card, const uint8_t *frame, size_t n)
{
	int fd = *(const int *)card;
	uint8_t buf[4 + GUEST_FRAME_MAX] = {0, 0, (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(buf + 4, frame, n);
	return send(fd, buf, n + 4, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int stream_recv(void *card, uint8_t *frame, size_t cap, int timeout_ms)
{
	int fd = *(const int *)card;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t len[4];

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	if (recv(fd, len, 4, MSG_WAITALL) != 4)
		return -1;
	size_t n = (size_t)len[2] << 8 | len[3];
	if (len[0] || len[1] || n > cap || recv(fd, frame, n, MSG_WAITALL) != (ssize_t)n)
		return -1;
	return (int)n;
}

static int dgram_send(void *card, const uint8_t *frame, size_t n)
{
	return send(*(const int *)card, frame, n, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int dgram_recv(void *card, uint8_t *frame, size_t cap, int timeout_ms)
{
	int fd = *(const int *)card;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	ssize_t n = recv(fd, frame, cap, 0);
	return n > 0 ? (int)n : -1;
}

static enum guest_result try(struct guest *g, const struct vm *vm, char *page, size_t cap)
{
	uint32_t addr;
	enum guest_result r = g->addr ? GUEST_OK : guest_configure(g);

	if (r == GUEST_OK)
		r = guest_resolve(g, HOST, &addr);
	if (r == GUEST_OK)
		r = guest_fetch(g, addr, vm->port, HOST, vm->path, page, cap);
	return r;
}

static void *vm_main(void *arg)
{
	struct vm *vm = arg;
	int type = 0;
	socklen_t len = sizeof(type);
	struct guest g = {.card = &vm->socket, .send = dgram_send, .recv = dgram_recv};
	char byte;

	getsockopt(vm->socket, SOL_SOCKET, SO_TYPE, &type, &len);
	if (type == SOCK_STREAM) {
		g.send = stream_send;
		g.recv = stream_recv;
	}
	memcpy(g.mac, vm->mac, 6);
	while (read(vm->go, &byte, 1) == 1) {
		struct report r = {.vm = vm};
		char page[4096] = "";

		r.result = try(&g, vm, page, sizeof(page));
		snprintf(r.line, sizeof(r.line), "%.*s", (int)strcspn(page, "\r\n"), page);
		if (write(vm->results, &r, sizeof(r)) != sizeof(r))
			break;
	}
	return NULL;
}

/* ---- the monitor ---- */

struct monitor {
	struct weir_gateway *gateway;
	struct weir_sandbox *sandbox[2];
	struct weir_ring *ring; /* of the second */
	int card;               /* the second guest's socket, our end */
	int results;
	int go[2];
	struct vm vm[2];
};

static void on_log(void *ctx, int level, const char *text)
{
	fprintf(stderr, "weir: %s\n", text);
}

/* A pipe or a socket pair; there is nothing to do without. */
static void must(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
}

static struct weir_sandbox *sandbox_new(struct monitor *m, uint32_t slot, const char *policy,
					struct weir_error *err)
{
	struct weir_sandbox_options o = {.size = sizeof(o),
					 .slot = slot,
					 .family4 = WEIR_FAMILY_ON};
	struct weir_config *c =
		weir_config_from_text("embed", WEIR_YAML, policy, strlen(policy), err);
	struct weir_sandbox *s = c ? weir_sandbox_new(m->gateway, c, &o, err) : NULL;

	weir_config_free(c); /* the sandbox keeps what it needs */
	return s;
}

static int monitor_build(struct monitor *m, int *guest_sockets, struct weir_error *err)
{
	struct weir_gateway_options o = {.size = sizeof(o),
					 .log = on_log,
					 .log_level = WEIR_LOG_WARNING};
	int first[2], second[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), "socketpair");
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, second), "socketpair");
	guest_sockets[0] = first[1];
	guest_sockets[1] = second[1];
	m->card = second[0];
	m->gateway = weir_gateway_new(&o, err);
	if (!m->gateway ||
	    !(m->sandbox[0] = sandbox_new(m, 1, "policy: {rules: [allow@host]}", err)) ||
	    !(m->sandbox[1] = sandbox_new(m, 2, "policy: {rules: []}", err)))
		return -1;
	if (weir_sandbox_set_fd(m->sandbox[0], first[0], WEIR_FD_STREAM, WEIR_FD_PLAIN, err) < 0)
		return -1;
	m->ring = weir_sandbox_take_ring(m->sandbox[1], NULL, err);
	if (!m->ring || weir_sandbox_start(m->sandbox[0], err) < 0 ||
	    weir_sandbox_start(m->sandbox[1], err) < 0)
		return -1;
	return 0;
}

/* From the guest's socket to weir, while there is something. */
static void frames_out(struct monitor *m)
{
	uint8_t buf[GUEST_FRAME_MAX];
	ssize_t n;

	while ((n = recv(m->card, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		struct weir_frame f = {.data = buf, .len = (uint32_t)n};

		/* A full ring loses frames, as any network card does. */
		weir_ring_push(m->ring, &f, 1);
	}
	weir_ring_push(m->ring, NULL, 0);
}

/* And from weir to it. */
static void frames_in(struct monitor *m)
{
	struct weir_frame f[16];
	int n;

	while ((n = weir_ring_pop(m->ring, f, 16)) > 0) {
		for (int i = 0; i < n; i++) {
			if (send(m->card, f[i].data, f[i].len, MSG_NOSIGNAL) < 0)
				return;
		}
	}
}

/* What to do about a report: 1 when all is done. */
static int on_report(struct monitor *m)
{
	static const char open[] = "policy: {rules: [allow@host]}";
	struct weir_error err;
	struct report r;

	if (read(m->results, &r, sizeof(r)) != sizeof(r))
		return -1;
	printf("%s: %s", r.vm->name, guest_result_text(r.result));
	printf(*r.line ? ", %s\n" : "\n", r.line);
	if (r.vm == &m->vm[0]) /* now the other one's turn */
		return write(m->go[1], "g", 1) == 1 ? 0 : -1;
	if (r.result != GUEST_REFUSED)
		return 1;
	if (weir_sandbox_set_policy(m->sandbox[1], WEIR_YAML, open, sizeof(open) - 1, 0, &err) <
	    0) {
		fprintf(stderr, "embed: %s\n", err.message);
		return -1;
	}
	printf("%s: its policy was replaced\n", r.vm->name);
	return write(m->go[1], "g", 1) == 1 ? 0 : -1;
}

static int monitor_loop(struct monitor *m)
{
	struct pollfd p[] = {{.fd = m->results, .events = POLLIN},
			     {.fd = m->card, .events = POLLIN},
			     {.fd = weir_ring_fd(m->ring), .events = POLLIN}};
	int r = 0;

	while (r == 0 && poll(p, 3, 20000) > 0) {
		if (p[1].revents)
			frames_out(m);
		if (p[2].revents)
			frames_in(m);
		if (p[0].revents)
			r = on_report(m);
	}
	return r > 0 ? 0 : -1;
}

static void vm_start(struct monitor *m, int i, int socket, int results, char **argv)
{
	static const char *const names[] = {"first", "second"};
	struct vm *vm = &m->vm[i];
	int go[2];

	must(pipe(go), "pipe");
	m->go[i] = go[1];
	*vm = (struct vm){.name = names[i],
			  .socket = socket,
			  .results = results,
			  .go = go[0],
			  .port = (uint16_t)atoi(argv[1]),
			  .path = argv[2]};
	weir_sandbox_guest_mac(m->sandbox[i], vm->mac);
	must(-pthread_create(&vm->thread, NULL, vm_main, vm), "pthread_create");
}

int main(int argc, char **argv)
{
	struct monitor m = {0};
	struct weir_error err = {0};
	int sockets[2], results[2], r;

	if (argc != 3) {
		fprintf(stderr, "usage: embed PORT PATH\n");
		return 2;
	}
	must(pipe(results), "pipe");
	m.results = results[0];
	if (monitor_build(&m, sockets, &err) < 0) {
		fprintf(stderr, "embed: %s\n", err.message);
		return 1;
	}
	for (int i = 0; i < 2; i++)
		vm_start(&m, i, sockets[i], results[1], argv);
	r = write(m.go[0], "g", 1) == 1 ? monitor_loop(&m) : -1;
	for (int i = 0; i < 2; i++) {
		close(m.go[i]); /* the guest's thread ends */
		pthread_join(m.vm[i].thread, NULL);
		close(m.vm[i].go);
		close(m.vm[i].socket);
		weir_sandbox_free(m.sandbox[i]);
	}
	weir_ring_free(m.ring);
	weir_gateway_free(m.gateway);
	close(m.card);
	close(results[0]);
	close(results[1]);
	return r < 0;
}
