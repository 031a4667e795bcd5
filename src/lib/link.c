// SPDX-License-Identifier: Apache-2.0
/* A sandbox's link: a descriptor, a socket at a path, or the guest's end of a ring. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/lib.h"
#include "link/ring.h"
#include "link/vhost_user.h"

#define BATCH 64 /* frames whose form is changed at once */

struct weir_ring {
	struct ring_end *end;
};

/* ---- descriptors ---- */

static int link_wanted(const struct weir_sandbox *s, struct weir_error *err)
{
	if (s->has_link)
		return lib_fail(err, EBUSY, "sandbox '%s' has a link already", s->name);
	if (s->state != LIB_NEW)
		return lib_fail(err, EALREADY, "sandbox '%s' has ended", s->name);
	return 0;
}

static struct link *link_of_fd(int fd, enum weir_fd_kind kind, const struct link_options *o,
			       struct error *err)
{
	switch (kind) {
	case WEIR_FD_STREAM:
		return link_stream_fd(fd, o, err);
	case WEIR_FD_DGRAM:
		return link_dgram_fd(fd, o, err);
	case WEIR_FD_SEQPACKET:
		return link_seqpacket_fd(fd, o, err);
	case WEIR_FD_TAP:
		return link_tap_new(fd, err);
	case WEIR_FD_VHOST_USER:
		return link_vhost_user_fd(fd, err);
	}
	close(fd);
	error_set(err, "there is no kind of descriptor %d", (int)kind);
	return NULL;
}

static int offload_check(enum weir_fd_kind kind, enum weir_fd_offload offload,
			 struct weir_error *err)
{
	if (offload > WEIR_FD_LIBKRUN)
		return lib_fail(err, EINVAL, "there is no offload %d", (int)offload);
	if ((kind == WEIR_FD_TAP || kind == WEIR_FD_VHOST_USER) && offload != WEIR_FD_PLAIN)
		return lib_fail(err, EINVAL,
				"%s says by itself what it can do: expected WEIR_FD_PLAIN",
				kind == WEIR_FD_TAP ? "a tap" : "vhost-user");
	return 0;
}

/* l: NULL where it could not be made, and `why` says the reason. */
static int take_link(struct weir_sandbox *s, struct link *l, enum weir_fd_kind kind, int code,
		     const struct error *why, struct weir_error *err)
{
	if (!l)
		return lib_pass(err, code, why);
	if (kind == WEIR_FD_VHOST_USER)
		link_vhost_user_set_mtu(l, s->stack.mtu);
	s->link = l;
	s->has_link = true;
	return 0;
}

static int set_fd(struct weir_sandbox *s, int fd, enum weir_fd_kind kind,
		  enum weir_fd_offload offload, struct weir_error *err)
{
	struct link_options o = {.offload = (enum link_offload)offload, .mtu = s->stack.mtu};
	struct error why = {0};

	if (link_wanted(s, err) < 0 || offload_check(kind, offload, err) < 0) {
		close(fd);
		return -1;
	}
	return take_link(s, link_of_fd(fd, kind, &o, &why), kind, EINVAL, &why, err);
}

int weir_sandbox_set_fd(struct weir_sandbox *s, int fd, enum weir_fd_kind kind,
			enum weir_fd_offload offload, struct weir_error *err)
{
	struct lib_call call;

	if (fd < 0)
		return lib_fail(err, EINVAL, "there is no descriptor %d", fd);
	if (!lib_sandbox_enter(s, &call, err)) {
		close(fd);
		return -1;
	}
	int r = set_fd(s, fd, kind, offload, err);
	lib_sandbox_leave(s, &call);
	return r;
}

/* ---- sockets at a path ---- */

static struct link *link_of_path(const char *path, enum weir_fd_kind kind, bool connect,
				 const struct link_options *o, struct error *err)
{
	switch (kind) {
	case WEIR_FD_STREAM:
		return connect ? link_stream_connect(path, o, err)
			       : link_stream_listen(path, o, err);
	case WEIR_FD_DGRAM:
		return link_dgram_bind(path, o, err);
	case WEIR_FD_SEQPACKET:
		return link_seqpacket_listen(path, o, err);
	case WEIR_FD_VHOST_USER:
		return connect ? link_vhost_user_connect(path, err)
			       : link_vhost_user_listen(path, err);
	case WEIR_FD_TAP: /* refused before */
		break;
	}
	return NULL;
}

static int socket_check(enum weir_fd_kind kind, const struct weir_socket_options *o,
			struct weir_error *err)
{
	if (kind > WEIR_FD_VHOST_USER || kind == WEIR_FD_TAP)
		return lib_fail(err, EINVAL, "there are no sockets of kind %d", (int)kind);
	if (o->connect && kind != WEIR_FD_STREAM && kind != WEIR_FD_VHOST_USER)
		return lib_fail(err, EINVAL,
				"connect: expected WEIR_FD_STREAM or WEIR_FD_VHOST_USER; "
				"sockets of kind %d wait for their guest",
				(int)kind);
	if (o->mode > 0777)
		return lib_fail(err, EINVAL, "mode 0%o: expected 0001 to 0777, or 0 for 0600",
				o->mode);
	if (o->mode && (o->connect || kind == WEIR_FD_VHOST_USER))
		return lib_fail(err, EINVAL, "mode 0%o: %s", o->mode,
				o->connect ? "no file is made where weir connects"
					   : "that of a vhost-user socket is 0600");
	return offload_check(kind, o->offload, err);
}

static int set_socket(struct weir_sandbox *s, const char *path, enum weir_fd_kind kind,
		      const struct weir_socket_options *given, struct weir_error *err)
{
	struct link_options o = {.offload = (enum link_offload)given->offload,
				 .mode = given->mode,
				 .mtu = s->stack.mtu};
	struct error why = {0};

	if (link_wanted(s, err) < 0)
		return -1;
	return take_link(s, link_of_path(path, kind, given->connect, &o, &why), kind, ECANCELED,
			 &why, err);
}

int weir_sandbox_set_socket(struct weir_sandbox *s, const char *path, enum weir_fd_kind kind,
			    const struct weir_socket_options *options, struct weir_error *err)
{
	struct weir_socket_options o = {0};
	struct lib_call call;

	if (lib_options(&o, sizeof(o), options, err) < 0 || socket_check(kind, &o, err) < 0 ||
	    !lib_sandbox_enter(s, &call, err))
		return -1;
	int r = set_socket(s, path, kind, &o, err);
	lib_sandbox_leave(s, &call);
	return r;
}

/* ---- rings ---- */

static struct weir_ring *take_ring(struct weir_sandbox *s, const struct ring_options *o,
				   struct weir_error *err)
{
	struct weir_ring *r = NULL;
	struct error why = {0};

	if (link_wanted(s, err) < 0)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r) {
		lib_fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	s->link = link_ring_new(o, &r->end, &why);
	if (!s->link) {
		lib_pass(err, EINVAL, &why);
		free(r);
		return NULL;
	}
	s->has_link = true;
	return r;
}

/* Numbers of the one enum are handed on as the other's. */
#define SAME(x, y) _Static_assert((int)(x) == (int)(y), "weir.h and the rooms agree")
SAME(WEIR_RING_CSUM, LINK_CSUM);
SAME(WEIR_RING_TSO4, LINK_TSO4);
SAME(WEIR_RING_TSO6, LINK_TSO6);
SAME(WEIR_RING_USO, LINK_USO);
SAME(WEIR_GSO_TCPV4, FRAME_GSO_TCPV4);
SAME(WEIR_GSO_TCPV6, FRAME_GSO_TCPV6);
SAME(WEIR_GSO_UDP_L4, FRAME_GSO_UDP_L4);
SAME(WEIR_FD_VNET, LINK_OFFLOAD_VNET);
SAME(WEIR_FD_LIBKRUN, LINK_OFFLOAD_LIBKRUN);

struct weir_ring *weir_sandbox_take_ring(struct weir_sandbox *s,
					 const struct weir_ring_options *options,
					 struct weir_error *err)
{
	const unsigned known = WEIR_RING_CSUM | WEIR_RING_TSO4 | WEIR_RING_TSO6 | WEIR_RING_USO;
	struct weir_ring_options given = {0};
	struct lib_call call;

	if (lib_options(&given, sizeof(given), options, err) < 0)
		return NULL;
	struct ring_options o = {.size = given.bytes, .guest_caps = given.caps};
	if (o.guest_caps & ~known) {
		lib_fail(err, EINVAL, "caps 0x%x: expected enum weir_ring_caps", o.guest_caps);
		return NULL;
	}
	if (!lib_sandbox_enter(s, &call, err))
		return NULL;
	struct weir_ring *r = take_ring(s, &o, err);
	lib_sandbox_leave(s, &call);
	return r;
}

/* ---- frames ---- */

static struct frame frame_in(const struct weir_frame *f)
{
	return (struct frame){
		.data = (uint8_t *)(uintptr_t)f->data, /* push only reads it */
		.len = f->len,
		.meta = {.needs_csum = f->flags & WEIR_FRAME_NEEDS_CSUM,
			 .csum_valid = f->flags & WEIR_FRAME_CSUM_VALID,
			 .gso = f->gso,
			 .ecn = f->flags & WEIR_FRAME_ECN,
			 .gso_size = f->gso_size,
			 .hdr_len = f->hdr_len,
			 .csum_start = f->csum_start,
			 .csum_offset = f->csum_offset},
	};
}

static struct weir_frame frame_out(const struct frame *f)
{
	return (struct weir_frame){
		.data = f->data,
		.len = f->len,
		.flags = (uint8_t)((f->meta.needs_csum ? WEIR_FRAME_NEEDS_CSUM : 0) |
				   (f->meta.csum_valid ? WEIR_FRAME_CSUM_VALID : 0) |
				   (f->meta.ecn ? WEIR_FRAME_ECN : 0)),
		.gso = f->meta.gso,
		.gso_size = f->meta.gso_size,
		.hdr_len = f->meta.hdr_len,
		.csum_start = f->meta.csum_start,
		.csum_offset = f->meta.csum_offset,
	};
}

int weir_ring_push(struct weir_ring *ring, const struct weir_frame *frames, unsigned n)
{
	struct frame batch[BATCH];
	unsigned took = 0;

	do {
		unsigned some = n - took < BATCH ? n - took : BATCH;

		for (unsigned i = 0; i < some; i++)
			batch[i] = frame_in(&frames[took + i]);
		int r = ring_push(ring->end, batch, (int)some);
		if (r < 0)
			return took ? (int)took : r;
		took += (unsigned)r;
		if ((unsigned)r < some)
			break;
	} while (took < n);
	return (int)took;
}

int weir_ring_pop(struct weir_ring *ring, struct weir_frame *ret, unsigned max)
{
	struct frame batch[BATCH];

	/* One batch only: the next pop would free the first one's frames. */
	int n = ring_pop(ring->end, batch, max < BATCH ? (int)max : BATCH);
	for (int i = 0; i < n; i++)
		ret[i] = frame_out(&batch[i]);
	return n;
}

int weir_ring_fd(const struct weir_ring *ring)
{
	return ring_fd(ring->end);
}

void weir_ring_free(struct weir_ring *ring)
{
	if (!ring)
		return;
	ring_end_free(ring->end);
	free(ring);
}
