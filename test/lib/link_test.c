// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets at a path, and vhost-user, through weir.h alone: guests that come, leave and come back to
 * the same sandbox. The guests are programs: one that frames what it sends as a monitor does, and
 * the driver that the link's own tests have.
 */
#include "kit.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/vhost_rig.h"

#define WAIT_MS 5000

/* ---- a directory, and sockets in it ---- */

static char dir[64];

static const char *path_of(const char *name)
{
	static char path[2][108];
	static unsigned turn;
	char *p = path[turn++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

static int bound(int type, const char *path)
{
	struct sockaddr_un a = address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int dialed(int fd, const char *path)
{
	struct sockaddr_un a = address(path);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int connected(int type, const char *path)
{
	return dialed(socket(AF_UNIX, type | SOCK_CLOEXEC, 0), path);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* ---- guests ---- */

struct card {
	int fd;
	bool lengths; /* each frame behind its length */
	struct rig *rig;
};

static int card_send(void *arg, const uint8_t *frame, size_t n)
{
	const struct card *c = arg;
	uint8_t buf[4 + GUEST_FRAME_MAX] = {0, 0, (uint8_t)(n >> 8), (uint8_t)n};
	static const uint8_t plain[RIG_HDR];

	if (c->rig) {
		bool sent = rig_send(c->rig, 0, plain, frame, n);

		rig_kick(&c->rig->ring[1]);
		return sent ? 0 : -1;
	}
	memcpy(buf + 4, frame, n);
	size_t skip = c->lengths ? 0 : 4;
	return send(c->fd, buf + skip, n + 4 - skip, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int card_recv(void *arg, uint8_t *frame, size_t cap, int timeout_ms)
{
	const struct card *c = arg;
	uint8_t hdr[RIG_HDR];
	ssize_t n;

	if (c->rig) {
		while ((n = rig_recv(c->rig, 0, hdr, frame, cap)) == 0 && timeout_ms-- > 0)
			usleep(1000);
		rig_fill(c->rig, 0);
		return (int)n;
	}
	if (!readable(c->fd, timeout_ms))
		return 0;
	if (c->lengths) {
		if (recv(c->fd, hdr, 4, MSG_WAITALL) != 4)
			return -1;
		cap = (size_t)hdr[2] << 8 | hdr[3];
	}
	n = recv(c->fd, frame, cap, c->lengths ? MSG_WAITALL : 0);
	return n > 0 ? (int)n : -1;
}

/* It gets an address, and the gateway's MAC. */
static void assert_served(struct weir_sandbox *s, struct card *c)
{
	struct guest g = {.send = card_send, .recv = card_recv, .card = c};

	weir_sandbox_guest_mac(s, g.mac);
	assert_string_equal(guest_result_text(guest_configure(&g)), guest_result_text(GUEST_OK));
	assert_int_equal(g.addr, 0xac100002);
}

static void assert_guests(struct weir_sandbox *s, uint64_t want)
{
	struct weir_error err = {0};
	uint64_t n = 0;

	for (int ms = 0; ms < WAIT_MS && n != want; ms += 10) {
		ok(weir_sandbox_counter(s, "guests", &n, &err) == 0, err);
		if (n != want)
			usleep(10000);
	}
	assert_int_equal(n, want);
}

/* ---- sandboxes ---- */

static atomic_int ends; /* calls of on_end, which comes on another thread */

static void on_end(void *ctx, enum weir_end why, int error)
{
	ends++;
}

static struct weir_gateway *gateway;

static struct weir_sandbox *made(void)
{
	struct weir_sandbox_options o = {.size = sizeof(o),
					 .family4 = WEIR_FAMILY_ON,
					 .family6 = WEIR_FAMILY_OFF,
					 .on_end = on_end};
	struct weir_error err = {0};
	struct weir_config *c = config("");
	struct weir_sandbox *s = weir_sandbox_new(gateway, c, &o, &err);

	ok(s, err);
	weir_config_free(c);
	ends = 0;
	return s;
}

static struct weir_sandbox *with_socket(const char *path, enum weir_fd_kind kind,
					const struct weir_socket_options *o)
{
	struct weir_sandbox *s = made();
	struct weir_error err = {0};

	ok(weir_sandbox_set_socket(s, path, kind, o, &err) == 0, err);
	ok(weir_sandbox_start(s, &err) == 0, err);
	return s;
}

/* Each test has a gateway and a directory. */
static int begin(void **state)
{
	struct weir_error err = {0};

	snprintf(dir, sizeof(dir), "/tmp/weir-lib-link-XXXXXX");
	gateway = weir_gateway_new(NULL, &err);
	return gateway && mkdtemp(dir) ? 0 : -1;
}

/* Whatever was made in it is gone by now. */
static int end(void **state)
{
	weir_gateway_free(gateway);
	return rmdir(dir);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	return st.st_mode & 0777;
}

/* ---- they come, leave, and come back ---- */

static void a_stream_waits_for_each_next_guest(void **state)
{
	struct weir_socket_options o = {.size = sizeof(o), .mode = 0660};
	struct weir_sandbox *s = with_socket(path_of("s"), WEIR_FD_STREAM, &o);

	assert_int_equal(mode_of(path_of("s")), 0660);
	for (unsigned i = 1; i <= 3; i++) {
		struct card c = {.fd = connected(SOCK_STREAM, path_of("s")), .lengths = true};

		assert_served(s, &c);
		assert_guests(s, i);
		close(c.fd);
	}
	assert_int_equal(ends, 0);
	weir_sandbox_free(s);
	assert_int_equal(access(path_of("s"), F_OK), -1);
}

static void a_second_guest_is_turned_away(void **state)
{
	struct weir_sandbox *s = with_socket(path_of("s"), WEIR_FD_SEQPACKET, NULL);
	struct card c = {.fd = connected(SOCK_SEQPACKET, path_of("s"))};
	char byte;

	assert_int_equal(mode_of(path_of("s")), 0600);
	assert_served(s, &c);
	int second = connected(SOCK_SEQPACKET, path_of("s"));
	assert_true(readable(second, WAIT_MS));
	assert_int_equal(recv(second, &byte, 1, 0), 0);
	assert_served(s, &c);
	assert_guests(s, 1);
	close(second);
	close(c.fd);
	weir_sandbox_free(s);
}

static void datagrams_go_to_whoever_sends(void **state)
{
	struct weir_sandbox *s = with_socket(path_of("d"), WEIR_FD_DGRAM, NULL);

	for (unsigned i = 1; i <= 2; i++) {
		const char *own = path_of(i == 1 ? "vm1" : "vm2");
		struct card c = {.fd = dialed(bound(SOCK_DGRAM, own), path_of("d"))};

		assert_served(s, &c);
		assert_guests(s, i);
		close(c.fd);
		unlink(own);
	}
	assert_int_equal(ends, 0);
	weir_sandbox_free(s);
}

static void a_connecting_stream_comes_back(void **state)
{
	struct weir_socket_options o = {.size = sizeof(o), .connect = true};
	int server = bound(SOCK_STREAM, path_of("vmm"));

	assert_int_equal(listen(server, 1), 0);
	struct weir_sandbox *s = with_socket(path_of("vmm"), WEIR_FD_STREAM, &o);
	for (int i = 0; i < 2; i++) {
		assert_true(readable(server, WAIT_MS));
		struct card c = {.fd = accept(server, NULL, NULL), .lengths = true};

		assert_served(s, &c);
		close(c.fd);
	}
	assert_int_equal(ends, 0);
	weir_sandbox_free(s);
	close(server);
	/* The file is not ours. */
	assert_int_equal(unlink(path_of("vmm")), 0);
}

static void vhost_user_serves(struct weir_sandbox *s, int sock)
{
	struct rig_options o = {.features = RIG_FEATURES};
	struct rig rig;
	struct card c = {.rig = &rig};

	assert_true(rig_make(&rig, &o));
	assert_true(rig_attach(&rig, sock));
	rig_fill(&rig, 0);
	rig_kick(&rig.ring[0]);
	assert_served(s, &c);
	rig_free(&rig);
}

static void vhost_user_waits_for_each_next_guest(void **state)
{
	struct weir_sandbox *s = with_socket(path_of("v"), WEIR_FD_VHOST_USER, NULL);

	assert_int_equal(mode_of(path_of("v")), 0600);
	for (int i = 0; i < 2; i++)
		vhost_user_serves(s, connected(SOCK_STREAM, path_of("v")));
	assert_int_equal(ends, 0);
	weir_sandbox_free(s);
	assert_int_equal(access(path_of("v"), F_OK), -1);
}

static void vhost_user_connects(void **state)
{
	struct weir_socket_options o = {.size = sizeof(o), .connect = true};
	int server = bound(SOCK_STREAM, path_of("vmm"));

	assert_int_equal(listen(server, 1), 0);
	struct weir_sandbox *s = with_socket(path_of("vmm"), WEIR_FD_VHOST_USER, &o);
	for (int i = 0; i < 2; i++) {
		assert_true(readable(server, WAIT_MS));
		vhost_user_serves(s, accept(server, NULL, NULL));
	}
	weir_sandbox_free(s);
	close(server);
	unlink(path_of("vmm"));
}

/* ---- descriptors that are no connections ---- */

static struct weir_sandbox *with_fd(int fd, enum weir_fd_kind kind)
{
	struct weir_sandbox *s = made();
	struct weir_error err = {0};

	ok(weir_sandbox_set_fd(s, fd, kind, WEIR_FD_PLAIN, &err) == 0, err);
	ok(weir_sandbox_start(s, &err) == 0, err);
	return s;
}

static void a_descriptor_may_listen(void **state)
{
	int server = bound(SOCK_STREAM, path_of("fd"));

	assert_int_equal(listen(server, 1), 0);
	struct weir_sandbox *s = with_fd(server, WEIR_FD_STREAM);
	for (unsigned i = 1; i <= 2; i++) {
		struct card c = {.fd = connected(SOCK_STREAM, path_of("fd")), .lengths = true};

		assert_served(s, &c);
		close(c.fd);
	}
	assert_int_equal(ends, 0);
	weir_sandbox_free(s);
	assert_int_equal(unlink(path_of("fd")), 0);
}

static void vhost_user_by_descriptors(void **state)
{
	int server = bound(SOCK_STREAM, path_of("fd")), sv[2];

	assert_int_equal(listen(server, 1), 0);
	struct weir_sandbox *s = with_fd(server, WEIR_FD_VHOST_USER);
	vhost_user_serves(s, connected(SOCK_STREAM, path_of("fd")));
	assert_int_equal(ends, 0);
	weir_sandbox_free(s);
	unlink(path_of("fd"));
	/* A connection ends with its monitor. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	s = with_fd(sv[0], WEIR_FD_VHOST_USER);
	vhost_user_serves(s, sv[1]);
	for (int ms = 0; ms < WAIT_MS && !ends; ms += 10)
		usleep(10000);
	weir_sandbox_free(s);
	assert_int_equal(ends, 1);
}

/* ---- what is wrong ---- */

static void refused(const char *path, enum weir_fd_kind kind, struct weir_socket_options o,
		    int code, const char *part)
{
	struct weir_sandbox *s = made();
	struct weir_error err = {0};

	o.size = sizeof(o);
	assert_int_equal(weir_sandbox_set_socket(s, path, kind, &o, &err), -1);
	assert_error(&err, code, part);
	/* It may still have another one. */
	struct weir_ring *ring = weir_sandbox_take_ring(s, NULL, &err);
	ok(ring, err);
	assert_int_equal(weir_sandbox_set_socket(s, path_of("s"), WEIR_FD_STREAM, NULL, &err), -1);
	assert_error(&err, EBUSY, "link already");
	weir_ring_free(ring);
	weir_sandbox_free(s);
}

#define O(...) ((struct weir_socket_options){__VA_ARGS__})

static void wrong_sockets_are_errors(void **state)
{
	const char *s = path_of("s");
	char longer[200];

	refused(s, WEIR_FD_TAP, O(0), EINVAL, "no sockets of kind 3");
	refused(s, (enum weir_fd_kind)9, O(0), EINVAL, "no sockets of kind 9");
	refused(s, WEIR_FD_DGRAM, O(.connect = true), EINVAL, "connect: expected");
	refused(s, WEIR_FD_SEQPACKET, O(.connect = true), EINVAL, "connect: expected");
	refused(s, WEIR_FD_STREAM, O(.mode = 01000), EINVAL, "mode 01000");
	refused(s, WEIR_FD_STREAM, O(.mode = 0660, .connect = true), EINVAL, "mode 0660");
	refused(s, WEIR_FD_VHOST_USER, O(.mode = 0660), EINVAL, "vhost-user socket is 0600");
	refused(s, WEIR_FD_VHOST_USER, O(.offload = WEIR_FD_VNET), EINVAL, "vhost-user says");
	refused(s, WEIR_FD_STREAM, O(.offload = (enum weir_fd_offload)9), EINVAL, "no offload 9");
	refused(s, WEIR_FD_STREAM, O(.connect = true), ECANCELED, "nobody listens there");
	refused(s, WEIR_FD_VHOST_USER, O(.connect = true), ECANCELED, s);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	refused(longer, WEIR_FD_STREAM, O(0), ECANCELED, "107");
	refused("/nonexistent/s", WEIR_FD_DGRAM, O(0), ECANCELED, "its directory is not there");
	assert_int_equal(access(s, F_OK), -1);
}

static void files_of_others_stay(void **state)
{
	const char *path = path_of("s");
	int server = bound(SOCK_STREAM, path);
	FILE *f;

	assert_int_equal(listen(server, 1), 0);
	refused(path, WEIR_FD_STREAM, O(0), ECANCELED, path);
	refused(path, WEIR_FD_VHOST_USER, O(0), ECANCELED, path);
	close(server);
	/* Nobody serves it any more. */
	weir_sandbox_free(with_socket(path, WEIR_FD_STREAM, NULL));
	assert_int_equal(access(path, F_OK), -1);
	assert_non_null(f = fopen(path, "w"));
	fclose(f);
	refused(path, WEIR_FD_DGRAM, O(0), ECANCELED, path);
	assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stream_waits_for_each_next_guest),
		TEST(a_second_guest_is_turned_away),
		TEST(datagrams_go_to_whoever_sends),
		TEST(a_connecting_stream_comes_back),
		TEST(vhost_user_waits_for_each_next_guest),
		TEST(vhost_user_connects),
		TEST(a_descriptor_may_listen),
		TEST(vhost_user_by_descriptors),
		TEST(wrong_sockets_are_errors),
		TEST(files_of_others_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
