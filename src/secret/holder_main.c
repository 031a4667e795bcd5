// SPDX-License-Identifier: Apache-2.0
/*
 * `weir keyholder`: the process that holds keys and values, and, started by that one, the process
 * that fetches a token. Which of the two, the first message says.
 *
 * What it does about itself first: nobody may look into it (not dumpable, no core), nothing that
 * the terminal sends ends it before the gateway has ended, and of the files that its starter had
 * open it keeps the pair and the standard error. It stays in the directory that it was started in,
 * since the paths of the configuration and commands may be relative to that. New privileges stay
 * possible, because commands that tell secrets may need them (password managers are setgid); only a
 * fetching process, which runs no other program, gives them up.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "secret/fetch.h"
#include "secret/holder.h"
#include "secret/vault.h"
#include "tls/libcrypto.h"

#define SECURE_HEAP 131072 /* for the private keys that libcrypto holds */

/* A pipe that the gateway's starter reads must not stay open for this process. */
static void drop_standard_files(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	/* The descriptor itself is closed with all others. */
}

static int protect(int fd)
{
	static const int ignored[] = {SIGINT,  SIGTERM, SIGQUIT, SIGHUP,  SIGTSTP,
				      SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2};
	const struct rlimit none = {0, 0};

	/* Not dumpable: no core, no ptrace, and /proc/PID is root's. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_NAME, "weir: keys");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	drop_standard_files();
	/* An old kernel does not know the call; what was open there is CLOEXEC anyway. */
	syscall(SYS_close_range, (unsigned)fd + 1, ~0u, 0);
	return 0;
}

static void send_frame(int fd, uint8_t kind, const char *text)
{
	size_t n = strlen(text), all = HOLDER_HEADER + n;
	uint8_t *b = malloc(all);

	if (!b)
		return;
	holder_frame_head(b, kind, 0, n);
	memcpy(b + HOLDER_HEADER, text, n);
	if (send(fd, b, all, MSG_NOSIGNAL) < 0)
		log_debug("the key holder cannot answer: %s", strerror(errno));
	free(b);
}

/* ---- the pair ---- */

/* A datagram, and the descriptor that came with it (-1: none). > 0, 0 at the end, -errno. */
static ssize_t receive(int fd, int flags, uint8_t *mem, size_t n, int *ret_fd)
{
	struct iovec iov = {mem, n};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = ctl.buf,
			     .msg_controllen = sizeof(ctl.buf)};
	ssize_t r;

	*ret_fd = -1;
	do
		r = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	struct cmsghdr *c = r > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return r;
}

/* False: nothing that belongs here. Takes over `fd` where true. */
static bool pair_message(struct vault *v, struct view message, int fd)
{
	struct holder_frame f;
	size_t need;

	if (holder_frame_read(message, &f, &need) != HOLDER_READ_FRAME)
		return false;
	if (f.kind == HOLDER_CHANNEL && f.body.len == 0 && fd >= 0) {
		vault_channel_new(v, fd);
		return true;
	}
	if (f.kind != HOLDER_SEAL || fd >= 0 || !vault_seal_set(&v->seal, f.body))
		return false;
	send_frame(v->src.fd, HOLDER_READY, "");
	return true;
}

static void on_pair(struct loop_source *src, uint32_t events)
{
	struct vault *v = container_of(src, struct vault, src);
	uint8_t *mem = malloc(HOLDER_DATAGRAM_MAX);
	int fd = -1;
	ssize_t n = mem ? receive(src->fd, MSG_DONTWAIT, mem, HOLDER_DATAGRAM_MAX, &fd) : -ENOMEM;
	bool ok = n > 0 && pair_message(v, view_make(mem, (size_t)n), fd);

	free(mem);
	if (ok || n == -EAGAIN || n == -ENOMEM)
		return;
	if (fd >= 0)
		close(fd);
	/* The gateway has ended, or is none. */
	v->status = n == 0 || n == -ECONNRESET ? 0 : 1;
	v->loop.stop = true;
}

/* ---- the holder ---- */

static void vault_done(struct vault *v)
{
	while (!list_empty(&v->channels))
		vault_channel_free(container_of(v->channels.next, struct vault_channel, node));
	while (!list_empty(&v->env)) {
		struct vault_env *e = container_of(list_pop(&v->env), struct vault_env, node);
		free(e->name);
		vault_value_unref(e->value);
		free(e);
	}
	vault_seal_done(&v->seal);
	tls_ca_free(v->ca);
	loop_done(&v->loop);
}

/* Opens the CA, says so, and serves until the pair is closed. */
static int hold(int fd, const struct holder_hello *hello)
{
	struct vault v = {.valid_hours = hello->valid_hours, .src = {-1, on_pair}};
	struct error err;

	list_init(&v.channels);
	list_init(&v.env);
	vault_seal_init(&v.seal);
	if (!libcrypto_load()) {
		send_frame(fd, HOLDER_FAIL, "libcrypto cannot be loaded");
		return 1;
	}
	/* Where that is not to be had, keys lie on the ordinary heap, which no core holds either.
	 */
	CRYPTO_secure_malloc_init(SECURE_HEAP, 64);
	if (loop_init(&v.loop, &err) < 0) {
		send_frame(fd, HOLDER_FAIL, err.msg);
		return 1;
	}
	v.ca = tls_ca_open(hello->ca_cert, hello->ca_key, &err);
	if (!v.ca) {
		send_frame(fd, HOLDER_FAIL, err.msg);
		loop_done(&v.loop);
		return 1;
	}
	send_frame(fd, HOLDER_READY, tls_ca_pem(v.ca));
	int r = loop_add(&v.loop, &v.src, fd, EPOLLIN);
	if (r == 0)
		r = loop_run(&v.loop);
	if (r < 0)
		log_error("the key holder: %s", strerror(-r));
	vault_done(&v);
	return r < 0 ? 1 : v.status;
}

static int serve(int fd, struct view message)
{
	struct holder_hello hello;
	struct holder_frame f;
	size_t need;

	if (holder_frame_read(message, &f, &need) != HOLDER_READ_FRAME)
		return 1;
	if (f.kind == HOLDER_FETCH)
		return fetch_main(fd, f.body);
	if (f.kind != HOLDER_HELLO || !holder_read_hello(f.body, &hello))
		return 1;
	int r = hold(fd, &hello);
	holder_hello_done(&hello);
	return r;
}

#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_LOOKED_FOR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_LOOKED_FOR 1
#endif
#endif

int holder_main(int fd)
{
	struct secret_buf b = {0};
	size_t cap;
	int r = protect(fd), none = -1;

	if (r < 0) {
		log_error("the key holder cannot protect itself: %s", strerror(-r));
		return 1;
	}
	uint8_t *mem = secret_buf_room(&b, HOLDER_DATAGRAM_MAX, &cap);
	ssize_t n = mem ? receive(fd, 0, mem, cap, &none) : -ENOMEM;
	if (none >= 0)
		close(none);
	r = n > 0 ? serve(fd, view_make(mem, (size_t)n)) : 1;
	secret_buf_done(&b);
#ifdef LEAKS_ARE_LOOKED_FOR
	/* Which looks into the process as a debugger does; every secret has been wiped by now. */
	prctl(PR_SET_DUMPABLE, 1);
#endif
	return r;
}
