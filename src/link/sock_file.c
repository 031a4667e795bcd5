// SPDX-License-Identifier: Apache-2.0
/* Binding a socket to a path, and what may be in its way. */
#include "link/sock_file.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MODE_DEFAULT 0600

int sock_file_address(struct sock *s, const char *path, struct error *err)
{
	size_t n = strlen(path);

	if (n == 0)
		return error_set(err, "%s: the path of the socket is empty", s->name);
	if (n >= sizeof(s->addr.sun_path))
		return error_set(
			err,
			"%s: the path is %zu bytes long; a socket's has at most %zu: use a "
			"shorter directory",
			s->name, n, sizeof(s->addr.sun_path) - 1);
	s->addr.sun_family = AF_UNIX;
	memcpy(s->addr.sun_path, path, n + 1);
	s->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

/* Whether somebody serves the socket that is there: 1, 0, or -1 and err. */
static int somebody_there(const struct sock *s, struct error *err)
{
	int fd = socket(AF_UNIX, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set_errno(err, errno, "%s: cannot make a socket", s->name);
	int r = connect(fd, (const struct sockaddr *)&s->addr, s->addr_len) < 0 ? errno : 0;
	close(fd);
	if (r == ECONNREFUSED || r == ENOENT)
		return 0;
	/* EAGAIN: its queue is full; EPROTOTYPE: it is a socket of another type. */
	if (r == 0 || r == EAGAIN || r == EPROTOTYPE || r == EPERM)
		return 1;
	return error_set_errno(err, r, "%s: cannot tell whether it is in use", s->name);
}

/* Makes room where bind() found something at the path. */
static int clear_path(const struct sock *s, struct error *err)
{
	const char *path = s->addr.sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT
			       ? 0
			       : error_set_errno(err, errno, "%s: cannot look at what is there",
						 s->name);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err,
				 "%s: there is a file of another kind; remove it, or use another "
				 "path",
				 s->name);
	int there = somebody_there(s, err);
	if (there < 0)
		return -1;
	if (there)
		return error_set(err,
				 "%s: another process serves this socket; stop it, or use another "
				 "path",
				 s->name);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set_errno(err, errno,
				       "%s: cannot remove the socket that nobody serves", s->name);
	log_info("%s: a socket that nobody served was replaced", s->name);
	return 0;
}

static int no_socket(const struct sock *s, int errnum, struct error *err)
{
	if (errnum == ENOENT)
		return error_set(err,
				 "%s: its directory is not there; make it first, or use another "
				 "path",
				 s->name);
	if (errnum == EACCES || errnum == EROFS)
		return error_set_errno(err, errnum,
				       "%s: cannot make the socket; use a directory that this user "
				       "may write to",
				       s->name);
	return error_set_errno(err, errnum, "%s: cannot make the socket", s->name);
}

static int bind_at(struct sock *s, int fd, unsigned mode, struct error *err)
{
	const struct sockaddr *a = (const struct sockaddr *)&s->addr;
	struct stat st;

	/* The file gets the mode of the socket, less the umask: there is no moment in which
	 * somebody else could open it. */
	if (fchmod(fd, mode) < 0)
		return error_set_errno(err, errno, "%s: cannot set its mode", s->name);
	if (bind(fd, a, s->addr_len) < 0) {
		if (errno != EADDRINUSE)
			return no_socket(s, errno, err);
		if (clear_path(s, err) < 0)
			return -1;
		if (bind(fd, a, s->addr_len) < 0)
			return no_socket(s, errno, err);
	}
	if (lstat(s->addr.sun_path, &st) < 0)
		return error_set_errno(err, errno, "%s: was removed at once", s->name);
	s->bound = true;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	/* What the umask took from a mode that was asked for. */
	if ((st.st_mode & 07777) != mode && chmod(s->addr.sun_path, mode) < 0)
		return error_set_errno(err, errno, "%s: cannot set its mode", s->name);
	return 0;
}

int sock_file_bind(struct sock *s, const char *path, unsigned mode, struct error *err)
{
	if (sock_file_address(s, path, err) < 0)
		return -1;
	int fd = socket(AF_UNIX, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(err, errno, "%s: cannot make a socket", s->name);
	if (bind_at(s, fd, mode ? mode : MODE_DEFAULT, err) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void sock_file_remove(struct sock *s)
{
	struct stat st;

	if (!s->bound)
		return;
	s->bound = false;
	/* Somebody may have put another one in its place. */
	if (lstat(s->addr.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->addr.sun_path);
}
