// SPDX-License-Identifier: Apache-2.0
/*
 * The files of listening sockets: their mode and their end, paths that are in use or stale, and
 * what can be no socket at all.
 */
#include "link/sock_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	return st.st_mode & 07777;
}

static void the_socket_file_has_its_mode_and_goes_in_the_end(void **state)
{
	struct error err = {0};
	const char *path = rig_path("f");
	struct link_options o = {.mode = 0660};
	mode_t old = umask(0);
	struct link *l = link_stream_listen(path, NULL, &err);

	assert_non_null(l);
	assert_int_equal(mode_of(path), 0600);
	link_free(l);
	assert_int_equal(access(path, F_OK), -1);
	umask(077);
	l = link_stream_listen(path, &o, &err);
	assert_non_null(l);
	assert_int_equal(mode_of(path), 0660);
	/* Somebody else's file in its place stays. */
	assert_int_equal(unlink(path), 0);
	int fd = rig_bind(path, SOCK_STREAM);
	link_free(l);
	umask(old);
	assert_int_equal(unlink(path), 0);
	close(fd);
}

static void a_path_in_use_is_refused_and_a_stale_one_replaced(void **state)
{
	struct error err = {0};
	const char *path = rig_path("f");
	struct link *l = link_stream_listen(path, NULL, &err);

	assert_non_null(l);
	assert_null(link_stream_listen(path, NULL, &err));
	assert_non_null(strstr(err.msg, "another process"));
	assert_non_null(strstr(err.msg, path));
	/* One of another type is in use, too. */
	assert_null(link_dgram_bind(path, NULL, &err));
	assert_non_null(strstr(err.msg, "another process"));
	link_free(l);

	close(rig_bind(path, SOCK_STREAM)); /* leaves its file */
	l = link_stream_listen(path, NULL, &err);
	assert_non_null(l);
	close(rig_dial(path, SOCK_STREAM));
	link_free(l);

	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_null(link_stream_listen(path, NULL, &err));
	assert_non_null(strstr(err.msg, "another kind"));
	assert_int_equal(unlink(path), 0);
}

static void impossible_paths_and_fds_are_errors(void **state)
{
	struct error err = {0};
	char path[200];
	int sv[2];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_null(link_stream_listen(path, NULL, &err));
	assert_non_null(strstr(err.msg, "107"));
	assert_null(link_stream_listen("", NULL, &err));
	assert_non_null(strstr(err.msg, "empty"));
	assert_null(link_stream_listen("/nowhere/at/all", NULL, &err));
	assert_non_null(strstr(err.msg, "/nowhere/at/all"));
	assert_non_null(strstr(err.msg, "its directory is not there"));
	assert_null(link_stream_fd(open("/dev/null", O_RDWR | O_CLOEXEC), NULL, &err));
	assert_non_null(strstr(err.msg, "no socket"));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_null(link_stream_fd(sv[0], NULL, &err));
	assert_non_null(strstr(err.msg, "datagram"));
	close(sv[1]);
	/* Nothing was left open: what was given is closed. */
	assert_int_equal(fcntl(sv[0], F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_file_has_its_mode_and_goes_in_the_end),
		cmocka_unit_test(a_path_in_use_is_refused_and_a_stale_one_replaced),
		cmocka_unit_test(impossible_paths_and_fds_are_errors),
	};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	return cmocka_run_group_tests(tests, NULL, rig_path_done);
}
