// SPDX-License-Identifier: Apache-2.0
/*
 * Key material for debuggers, in the format of SSLKEYLOGFILE (RFC 9850): a line a secret, each
 * written whole, so that several workers can share the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "tls/endpoint_priv.h"

static _Atomic int keylog_fd = -1;

static void on_line(const SSL *ssl, const char *line)
{
	struct iovec v[] = {{(char *)line, strlen(line)}, {"\n", 1}};

	if (writev(keylog_fd, v, 2) < 0)
		log_limited(LOG_WARNING, "the file of TLS keys cannot be written: %s",
			    strerror(errno));
}

void end_keylog(SSL_CTX *ctx)
{
	if (keylog_fd >= 0)
		SSL_CTX_set_keylog_callback(ctx, on_line);
}

int tls_keylog_open(const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0)
		return error_set_errno(err, errno, "%s cannot be written", path);
	int old = atomic_exchange(&keylog_fd, fd);
	if (old >= 0)
		close(old);
	return 0;
}
