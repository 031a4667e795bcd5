// SPDX-License-Identifier: Apache-2.0
/* Leaves a file to the kernel's collector of sockets in flight. */
#include "base/behind.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void behind_leave(int fd)
{
	int pair[2];
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} ctl = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl.buf,
		.msg_controllen = sizeof(ctl.buf),
	};

	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	/* The receiving end lies in its own queue: nobody can take it out any more. */
	memcpy(CMSG_DATA(c), (int[2]){pair[1], fd}, 2 * sizeof(int));
	/* The number now stands for the sending end, whose close sets the collector to work. Where
	 * the message was not taken, nothing changes but that the close is slow. */
	if (sendmsg(pair[0], &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		dup3(pair[0], fd, O_CLOEXEC);
	close(pair[0]);
	close(pair[1]);
}
