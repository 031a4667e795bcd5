// SPDX-License-Identifier: Apache-2.0
/*
 * A guest in this process: it takes the ring of a sandbox, asks for an address by DHCP, for a name
 * by DNS, and fetches a page by TCP.
 *
 *	tiny-guest NAME PORT PATH [CONFIGURATION]
 *
 * The configuration is a document as text ("policy: {rules: [allow@host]}"); without one the
 * `public` preset holds. NAME may be host.weir.internal: the host itself, where the policy allows
 * `host`.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "guest-net.h"

/* ---- a network card made of a ring ---- */

static int ring_send(void *card, const uint8_t *frame, size_t n)
{
	struct weir_frame f = {.data = frame, .len = (uint32_t)n};

	/* Where the ring is full the frame is lost, as on any wire. */
	return weir_ring_push(card, &f, 1) == -EPIPE ? -1 : 0;
}

static int ring_recv(void *card, uint8_t *frame, size_t cap, int timeout_ms)
{
	struct weir_frame f;
	int n = weir_ring_pop(card, &f, 1);

	if (n == 0) {
		struct pollfd p = {.fd = weir_ring_fd(card), .events = POLLIN};

		poll(&p, 1, timeout_ms);
		n = weir_ring_pop(card, &f, 1);
	}
	if (n <= 0)
		return n;
	if (f.len > cap)
		return 0;
	memcpy(frame, f.data, f.len);
	return (int)f.len;
}

/* ---- the guest ---- */

static int check(const char *what, enum guest_result r)
{
	if (r != GUEST_OK)
		fprintf(stderr, "tiny-guest: %s: %s\n", what, guest_result_text(r));
	return r == GUEST_OK ? 0 : -1;
}

static void show_address(const char *what, uint32_t a)
{
	printf("%s %u.%u.%u.%u\n", what, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static int play(struct guest *g, const char *name, uint16_t port, const char *path)
{
	static char page[65536];
	uint32_t addr;

	if (check("DHCP", guest_configure(g)) < 0)
		return -1;
	show_address("address", g->addr);
	show_address("gateway", g->gateway);
	if (check(name, guest_resolve(g, name, &addr)) < 0)
		return -1;
	show_address(name, addr);
	if (check("TCP", guest_fetch(g, addr, port, name, path, page, sizeof(page))) < 0)
		return -1;
	fputs(page, stdout);
	return 0;
}

/* ---- the program around it ---- */

static void on_log(void *ctx, int level, const char *text)
{
	fprintf(stderr, "weir: %s\n", text);
}

static int run(struct weir_sandbox *sandbox, char **argv, struct weir_error *err)
{
	struct weir_ring *ring = weir_sandbox_take_ring(sandbox, NULL, err);
	struct guest g = {.send = ring_send, .recv = ring_recv, .card = ring};
	uint64_t from, to;

	if (!ring || weir_sandbox_start(sandbox, err) < 0) {
		weir_ring_free(ring);
		return -1;
	}
	weir_sandbox_guest_mac(sandbox, g.mac);
	int r = play(&g, argv[1], (uint16_t)atoi(argv[2]), argv[3]);
	weir_sandbox_stop(sandbox);
	weir_sandbox_bytes(sandbox, &from, &to);
	fprintf(stderr, "%llu bytes from the guest, %llu to it\n", (unsigned long long)from,
		(unsigned long long)to);
	weir_ring_free(ring);
	return r;
}

int main(int argc, char **argv)
{
	struct weir_gateway_options go = {.size = sizeof(go),
					  .log = on_log,
					  .log_level = WEIR_LOG_WARNING};
	struct weir_sandbox_options so = {
		.size = sizeof(so), .name = "tiny", .slot = 0, .family4 = WEIR_FAMILY_ON};
	struct weir_error err = {0};

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: tiny-guest NAME PORT PATH [CONFIGURATION]\n");
		return 2;
	}
	const char *text = argc == 5 ? argv[4] : "";
	struct weir_config *config =
		weir_config_from_text(NULL, WEIR_YAML, text, strlen(text), &err);
	struct weir_gateway *gateway = config ? weir_gateway_new(&go, &err) : NULL;
	struct weir_sandbox *sandbox =
		gateway ? weir_sandbox_new(gateway, config, &so, &err) : NULL;
	int r = sandbox ? run(sandbox, argv, &err) : -1;

	if (err.code)
		fprintf(stderr, "tiny-guest: %s\n", err.message);
	weir_sandbox_free(sandbox);
	weir_gateway_free(gateway);
	weir_config_free(config);
	return r < 0;
}
