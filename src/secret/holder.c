// SPDX-License-Identifier: Apache-2.0
/* The packet process's hold on the key holder: starting and ending it. */
#include "secret/holder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/log.h"
#include "conf/config.h"
#include "secret/holder_priv.h"
#include "secret/holder_spawn.h"

#define STOP_MS 2000 /* then it is killed */

int holder_send_channel(const struct holder *h, int fd)
{
	uint8_t head[HOLDER_HEADER];
	struct buf b = {0};
	int r = -ENOMEM;

	holder_frame_head(head, HOLDER_CHANNEL, 0, 0);
	if (buf_append(&b, head, sizeof(head)))
		r = fdpass_send(h->fd, buf_view(&b).p, b.len, fd);
	buf_done(&b);
	return r;
}

static int send_hello(int fd, const struct config *c)
{
	struct holder_hello hello = {
		.ca_cert = c->tls.ca_cert,
		.ca_key = c->tls.ca_key,
		.valid_hours = c->tls.validity_hours,
	};
	struct buf b = {0};
	struct holder_put p = {.to = &b};
	uint8_t head[HOLDER_HEADER] = {0};
	int r = -ENOMEM;

	p.failed = !buf_append(&b, head, sizeof(head));
	holder_put_hello(&p, &hello);
	if (!p.failed) {
		holder_frame_head(b.mem + b.start, HOLDER_HELLO, 0, b.len - HOLDER_HEADER);
		r = fdpass_send(fd, buf_view(&b).p, b.len, -1);
	}
	buf_done(&b);
	return r;
}

/* Its first word: the CA, or why there is none. */
static char *read_ready(int fd, struct error *err)
{
	uint8_t *mem = malloc(HOLDER_DATAGRAM_MAX);
	struct holder_frame f;
	char *text = NULL;
	size_t need;
	ssize_t n;

	if (!mem) {
		error_set(err, "no memory");
		return NULL;
	}
	do
		n = recv(fd, mem, HOLDER_DATAGRAM_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		error_set(err, "the key holder ended before it was ready");
		goto out;
	}
	if (holder_frame_read(view_make(mem, (size_t)n), &f, &need) != HOLDER_READ_FRAME ||
	    (f.kind != HOLDER_READY && f.kind != HOLDER_FAIL) || memchr(f.body.p, 0, f.body.len)) {
		error_set(err, "what was started as the key holder is none");
		goto out;
	}
	text = strndup((const char *)f.body.p, f.body.len);
	if (f.kind == HOLDER_FAIL || !text) {
		error_set(err, "%s", text ? text : "no memory");
		free(text);
		text = NULL;
	}
out:
	free(mem);
	return text;
}

struct holder *holder_start(const struct config *c, struct error *err)
{
	struct holder *h = calloc(1, sizeof(*h));
	int pair[2];

	if (!h) {
		error_set(err, "no memory");
		return NULL;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error_set_errno(err, errno, "cannot make a socket pair");
		free(h);
		return NULL;
	}
	h->fd = pair[0];
	int r = holder_spawn(pair[1], &h->pid, err);
	close(pair[1]);
	if (r < 0) {
		close(h->fd);
		free(h);
		return NULL;
	}
	r = send_hello(h->fd, c);
	/* Where it has gone already, it may have said why. */
	h->ca_pem = r == 0 || r == -EPIPE ? read_ready(h->fd, err) : NULL;
	if (h->ca_pem)
		return h;
	if (r < 0 && r != -EPIPE)
		error_set_errno(err, r, "cannot talk to the key holder");
	holder_stop(h);
	return NULL;
}

static int send_seal(struct holder *h, const char *const *files, size_t n)
{
	uint8_t head[HOLDER_HEADER] = {0};
	struct buf b = {0};
	struct holder_put p = {.to = &b};
	int r = -ENOMEM;

	p.failed = !buf_append(&b, head, sizeof(head));
	for (size_t i = 0; i < n; i++)
		holder_put_text(&p, files[i]);
	if (!p.failed) {
		holder_frame_head(b.mem + b.start, HOLDER_SEAL, 0, b.len - HOLDER_HEADER);
		r = b.len > HOLDER_DATAGRAM_MAX ? -E2BIG
						: fdpass_send(h->fd, buf_view(&b).p, b.len, -1);
	}
	buf_done(&b);
	return r;
}

int holder_seal(struct holder *h, const char *const *files, size_t n, struct error *err)
{
	int r = send_seal(h, files, n);

	if (r < 0)
		return error_set_errno(err, r, "cannot seal the key holder");
	char *text = read_ready(h->fd, err);
	free(text);
	return text ? 0 : -1;
}

/* Waits until it has ended, for some time. */
static bool has_ended(pid_t pid)
{
	for (int ms = 0; ms < STOP_MS; ms += 10) {
		pid_t r = waitpid(pid, NULL, WNOHANG);
		/* Nobody to wait for: somebody else has done so. */
		if (r == pid || (r < 0 && errno == ECHILD))
			return true;
		poll(NULL, 0, ms < 20 ? 1 : 10);
	}
	return false;
}

void holder_stop(struct holder *h)
{
	if (!h)
		return;
	close(h->fd);
	if (!has_ended(h->pid)) {
		kill(h->pid, SIGKILL);
		while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(h->ca_pem);
	free(h);
}

const char *holder_ca_pem(const struct holder *h)
{
	return h->ca_pem;
}

void holder_lost(struct holder *h)
{
	if (!atomic_exchange(&h->lost, true))
		log_error("the key holder has gone: connections that need a certificate or a "
			  "secret are refused until weir is started again");
}
