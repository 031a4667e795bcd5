// SPDX-License-Identifier: Apache-2.0
/*
 * The process that fetches a token: one POST over TLS, by blocking sockets and a clock that ends
 * it.
 */
#include "secret/fetch.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "tls/endpoint.h"

/* ---- the address ---- */

struct address {
	char host[NAME_TEXT_MAX + 1]; /* a name, or an address without brackets */
	char port[6];
	struct name name;   /* len 0: the host is an address */
	struct ipaddr addr; /* then */
	const char *path;   /* from the slash on */
	size_t authority;   /* its length in the URL */
};

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return true;
	return false;
}

static bool read_port(struct view v, char ret[6])
{
	if (v.len == 0 || v.len > 5)
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
	memcpy(ret, v.p, v.len);
	ret[v.len] = '\0';
	return true;
}

/* https://HOST[:PORT]/PATH; no user, no fragment. */
static int read_url(const char *url, struct address *ret, struct error *err)
{
	static const char scheme[] = "https://";
	struct address a = {.port = "443"};
	const char *at = url + sizeof(scheme) - 1;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 || has_control(url) || strchr(url, '#'))
		return error_set(err, "'%s' is no https:// address", url);
	a.authority = strcspn(at, "/?");
	struct view v = view_make(at, a.authority), host = {0};
	a.path = at + a.authority;
	const uint8_t *end = v.len && *v.p == '[' ? memchr(v.p, ']', v.len) : NULL;
	if (end) {
		view_skip(&v, 1);
		view_take(&v, (size_t)(end - v.p), &host);
		view_skip(&v, 1);
	} else {
		const uint8_t *colon = v.len ? memchr(v.p, ':', v.len) : NULL;
		view_take(&v, colon ? (size_t)(colon - v.p) : v.len, &host);
	}
	if (host.len == 0 || host.len > NAME_TEXT_MAX ||
	    (v.len && (*v.p != ':' || !read_port(view_make(v.p + 1, v.len - 1), a.port))))
		return error_set(err, "'%s' has no host, or a port that is none", url);
	memcpy(a.host, host.p, host.len);
	a.host[host.len] = '\0';
	if (!ipaddr_parse(a.host, &a.addr) && name_read(a.host, host.len, &a.name) != NAME_OK)
		return error_set(err, "'%s' has a host that is none", url);
	*ret = a;
	return 0;
}

/* ---- the connection ---- */

static int dial(const struct address *a, struct error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	int fd = -1, r = getaddrinfo(a->host, a->port, &hints, &list);

	if (r)
		return error_set(err, "%s: %s", a->host, gai_strerror(r));
	for (struct addrinfo *i = list; i && fd < 0; i = i->ai_next) {
		fd = socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, i->ai_addr, i->ai_addrlen) < 0) {
			error_set_errno(err, errno, "cannot connect to %s port %s", a->host,
					a->port);
			close(fd);
			fd = -1;
		}
	}
	if (!list)
		error_set(err, "%s: no address", a->host);
	freeaddrinfo(list);
	return fd;
}

static ssize_t wire_read(void *ctx, void *buf, size_t n)
{
	ssize_t r = recv(*(const int *)ctx, buf, n, 0);

	return r < 0 ? -errno : r;
}

static ssize_t wire_write(void *ctx, const void *buf, size_t n)
{
	ssize_t r = send(*(const int *)ctx, buf, n, MSG_NOSIGNAL);

	return r < 0 ? -errno : r;
}

static int handshake(struct tls_end *e, const struct address *a, struct error *err)
{
	int r;

	/* Sockets block: an -EAGAIN is one of a signal, or of a turn of the protocol. */
	do
		r = tls_end_handshake(e);
	while (r == -EAGAIN || r == -EINTR);
	if (r < 0)
		return error_set(err, "%s: %s", a->host, tls_end_error(e));
	if (!tls_end_verified(e))
		return error_set(err, "%s: its certificate was not verified", a->host);
	return 0;
}

static int send_all(struct tls_end *e, struct view v)
{
	while (v.len) {
		ssize_t r = tls_end_write(e, v.p, v.len);
		if (r == -EAGAIN || r == -EINTR)
			continue;
		if (r < 0)
			return (int)r;
		view_skip(&v, (size_t)r);
	}
	return 0;
}

/* ---- one attempt ---- */

static bool put_request(struct buf *b, const char *url, const struct address *a,
			const struct fetch_attempt *t)
{
	const char *authority = url + strlen("https://");
	char length[64];

	snprintf(length, sizeof(length), "Content-Length: %zu\r\n", t->body.len);
	return buf_append_text(b, "POST ") && (*a->path == '/' || buf_append_text(b, "/")) &&
	       buf_append_text(b, a->path) && buf_append_text(b, " HTTP/1.1\r\nHost: ") &&
	       buf_append(b, authority, a->authority) &&
	       buf_append_text(b, "\r\nUser-Agent: weir\r\nAccept: application/json\r\n"
				  "Connection: close\r\n") &&
	       buf_append_text(b, length) && buf_append_view(b, t->head) &&
	       buf_append_text(b, "\r\n") && buf_append_view(b, t->body);
}

static int read_all(struct tls_end *e, struct buf *in, struct fetch_answer *ret, struct error *err)
{
	int r = 0;

	while (r == 0) {
		uint8_t *to = in->len < FETCH_ANSWER_MAX ? buf_room(in, 16384) : NULL;
		ssize_t n = to ? tls_end_read(e, to, 16384) : -EMSGSIZE;

		if (n == -EAGAIN || n == -EINTR)
			continue;
		/* A stream that was cut is only good where the answer says how long it is. */
		if (n < 0 && n != -ECONNRESET)
			return error_set_errno(err, (int)n, "cannot read the answer");
		if (n > 0)
			buf_added(in, (size_t)n);
		r = fetch_read_answer(in->mem + in->start, in->len, n == 0, ret);
		if (n < 0 && r == 0)
			r = -1;
	}
	return r > 0 ? 0 : error_set(err, "the token's server gave no answer that can be read");
}

static int talk(struct tls_end *e, const struct address *a, struct view request, struct buf *in,
		struct fetch_answer *ret, struct error *err)
{
	if (handshake(e, a, err) < 0)
		return -1;
	int r = send_all(e, request);
	if (r < 0)
		return error_set_errno(err, r, "cannot send the request");
	return read_all(e, in, ret, err);
}

static int attempt(struct tls_roots *roots, const char *url, const struct address *a,
		   const struct fetch_attempt *t, struct buf *in, struct fetch_answer *ret,
		   struct error *err)
{
	struct buf request = {.secret = true};
	int r = -1, fd = dial(a, err);
	struct tls_transport io = {wire_read, wire_write, &fd};
	const struct tls_client c = {.name = &a->name,
				     .addr = a->addr,
				     .port = (uint16_t)atoi(a->port)};

	if (fd < 0)
		return -1;
	struct tls_end *e = tls_client_new(roots, &c, &io);
	if (!e || !put_request(&request, url, a, t))
		error_set(err, "no memory");
	else
		r = talk(e, a, buf_view(&request), in, ret, err);
	buf_done(&request);
	tls_end_free(e);
	close(fd);
	return r;
}

/* ---- the job ---- */

static int refused(const struct fetch_answer *a, const char *host, struct error *err)
{
	char code[64];

	fetch_read_refusal(a->body, code);
	return error_set(err, "%s has answered %u%s%s%s", host, a->status, *code ? " (" : "", code,
			 *code ? ")" : "");
}

static int fetch(const struct fetch_job *j, struct buf *mem, struct fetch_token *ret,
		 struct error *err)
{
	const struct config_tls tls = {.verify_upstream = true, .upstream_ca = j->upstream_ca};
	struct tls_roots *roots;
	struct fetch_answer answer;
	struct address a;
	int r = -1;

	if (read_url(j->url, &a, err) < 0)
		return -1;
	roots = tls_roots_new(&tls, err);
	if (!roots)
		return -1;
	for (size_t i = 0; i < j->count; i++) {
		struct buf in = {.secret = true};

		r = attempt(roots, j->url, &a, &j->attempts[i], &in, &answer, err);
		bool again = r == 0 && (answer.status == 400 || answer.status == 401);
		if (r == 0 && answer.status / 100 != 2)
			r = refused(&answer, a.host, err);
		else if (r == 0)
			r = fetch_read_json(answer.body, mem, ret, err);
		buf_done(&in);
		if (!again)
			break;
	}
	tls_roots_free(roots);
	return r;
}

static int reply(int fd, uint8_t kind, struct buf *b)
{
	holder_frame_head(b->mem + b->start, kind, 0, b->len - HOLDER_HEADER);
	struct view v = buf_view(b);
	return send(fd, v.p, v.len, MSG_NOSIGNAL) < 0 ? 1 : 0;
}

int fetch_main(int fd, struct view job)
{
	struct fetch_job j;
	struct fetch_token t;
	struct error err;
	struct buf mem = {.secret = true}, out = {.secret = true};
	uint8_t head[HOLDER_HEADER] = {0};
	struct holder_put p = {.to = &out};
	int r;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Unhandled, so that it ends the process: whoever waits is told by its end. */
	alarm(FETCH_SECONDS);
	/* It has no gateway's log lines to write. */
	log_set_level(LOG_ERROR);
	if (!fetch_read_job(job, &j))
		return 1;
	r = fetch(&j, &mem, &t, &err);
	p.failed = !buf_append(&out, head, sizeof(head));
	if (r == 0)
		fetch_put_token(&p, &t);
	else if (!p.failed && !buf_append_text(&out, err.msg))
		p.failed = true;
	r = p.failed ? 1 : reply(fd, r == 0 ? HOLDER_ANSWER : HOLDER_FAIL, &out);
	buf_done(&out);
	buf_done(&mem);
	fetch_job_done(&j);
	return r;
}
