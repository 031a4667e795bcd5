// SPDX-License-Identifier: Apache-2.0
/* What the tests of the library share. */
#include "kit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

void assert_error(const struct weir_error *err, int code, const char *part)
{
	if (err->code != code || !strstr(err->message, part))
		fail_msg("expected %d and '%s', got %d: %s", code, part, err->code, err->message);
}

struct weir_config *config(const char *text)
{
	struct weir_error err = {0};
	struct weir_config *c = weir_config_from_text(NULL, WEIR_YAML, text, strlen(text), &err);

	ok(c, err);
	return c;
}

struct weir_sandbox *sandbox(struct weir_gateway *g, const char *text, uint32_t slot)
{
	struct weir_sandbox_options o = {.size = sizeof(o),
					 .slot = slot,
					 .family4 = WEIR_FAMILY_ON,
					 .family6 = WEIR_FAMILY_OFF};
	struct weir_error err = {0};
	struct weir_config *c = config(text);
	struct weir_sandbox *s = weir_sandbox_new(g, c, &o, &err);

	ok(s, err);
	weir_config_free(c);
	return s;
}

/* ---- a guest on a ring ---- */

static int ring_send(void *card, const uint8_t *frame, size_t n)
{
	struct weir_frame f = {.data = frame, .len = (uint32_t)n};

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
	if (n <= 0 || f.len > cap)
		return n < 0 ? -1 : 0;
	memcpy(frame, f.data, f.len);
	return (int)f.len;
}

void guest_on_ring(struct guest *g, struct weir_sandbox *s, struct weir_ring *ring)
{
	*g = (struct guest){.send = ring_send, .recv = ring_recv, .card = ring};
	weir_sandbox_guest_mac(s, g->mac);
}

/* ---- a web server ---- */

static void *server_main(void *arg)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	struct server *s = arg;
	char buf[1024];
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		if (recv(fd, buf, sizeof(buf), 0) > 0 &&
		    send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) > 0)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	return NULL;
}

void server_start(struct server *s)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &len), 0);
	s->port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* ---- the process ---- */

unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int kept[2], seen;

void output_watch(void)
{
	/* What waits from before is not meant. */
	fflush(stdout);
	fflush(stderr);
	seen = memfd_create("output", MFD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		kept[i] = dup(i + 1);
		dup2(seen, i + 1);
	}
}

size_t output_seen(void)
{
	fflush(stdout);
	fflush(stderr);
	size_t n = (size_t)lseek(seen, 0, SEEK_END);

	for (int i = 0; i < 2; i++) {
		dup2(kept[i], i + 1);
		close(kept[i]);
	}
	close(seen);
	return n;
}
