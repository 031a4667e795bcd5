// SPDX-License-Identifier: Apache-2.0
/* The links of `weir serve`: what was asked for becomes a struct link. */
#include "cli/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link/vhost_user.h"

#define TUN_DEVICE "/dev/net/tun"

const char *serve_link_text(const struct serve_sandbox *s, char *buf, size_t size)
{
	const struct config_serve *l = &s->link;
	const char *kind = config_serve_word(l->kind);

	if (l->fd >= 0)
		snprintf(buf, size, "%s fd %d", kind, l->fd);
	else
		snprintf(buf, size, "%s %s", kind, l->name);
	return buf;
}

/* ---- taps ---- */

static struct link *tap_failed(const char *name, int errnum, struct error *err)
{
	switch (errnum) {
	case EBUSY:
		error_set(err, "tap %s: another process has it; stop that one, or use another tap",
			  name);
		break;
	case EPERM:
	case EACCES:
		error_set(err,
			  "tap %s: not permitted; make it for this user (as root: ip tuntap add %s "
			  "mode tap user NAME vnet_hdr), or run weir with CAP_NET_ADMIN",
			  name, name);
		break;
	case EINVAL:
		error_set(err,
			  "tap %s: there is an interface of that name that is no tap with a "
			  "virtio-net header (ip tuntap add %s mode tap vnet_hdr makes one)",
			  name, name);
		break;
	default:
		error_set_errno(err, errnum, "tap %s: cannot attach to it", name);
	}
	return NULL;
}

static struct link *open_tap(const char *name, struct error *err)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		error_set_errno(err, errno, "tap %s: cannot open " TUN_DEVICE, name);
		return NULL;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int e = errno;
		close(fd);
		return tap_failed(name, e, err);
	}
	return link_tap_new(fd, err);
}

/* A tap that somebody else has opened has to speak as ours do. */
static struct link *take_tap(int fd, struct error *err)
{
	struct ifreq ifr = {0};

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		error_set(err, "fd %d: it is no tap", fd);
	else if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI) ||
		 !(ifr.ifr_flags & IFF_VNET_HDR))
		error_set(err,
			  "fd %d: the tap was opened without IFF_TAP, IFF_NO_PI or IFF_VNET_HDR, "
			  "all of which weir needs",
			  fd);
	else
		return link_tap_new(fd, err);
	close(fd);
	return NULL;
}

/* ---- descriptors ---- */

int serve_link_kind(int fd, enum config_serve_kind *ret)
{
	struct ifreq ifr = {0};
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) {
		*ret = type == SOCK_STREAM  ? CONFIG_SERVE_STREAM
		       : type == SOCK_DGRAM ? CONFIG_SERVE_DGRAM
					    : CONFIG_SERVE_SEQPACKET;
		return 0;
	}
	if (ioctl(fd, TUNGETIFF, &ifr) == 0) {
		*ret = CONFIG_SERVE_TAP;
		return 0;
	}
	return -1;
}

static struct link *take_fd(const struct config_serve *s, const struct link_options *o,
			    struct error *err)
{
	switch (s->kind) {
	case CONFIG_SERVE_STREAM:
		return link_stream_fd(s->fd, o, err);
	case CONFIG_SERVE_DGRAM:
		return link_dgram_fd(s->fd, o, err);
	case CONFIG_SERVE_SEQPACKET:
		return link_seqpacket_fd(s->fd, o, err);
	case CONFIG_SERVE_VPNKIT:
		return link_vpnkit_fd(s->fd, o, err);
	case CONFIG_SERVE_VHOST_USER:
		return link_vhost_user_fd(s->fd, err);
	case CONFIG_SERVE_TAP:
		return take_tap(s->fd, err);
	case CONFIG_SERVE_FD: /* serve_set.c has said what it is */
		break;
	}
	error_set(err, "fd %d: it is neither a socket nor a tap", s->fd);
	return NULL;
}

/* ---- all ---- */

static struct link *open_named(const struct config_serve *s, const struct link_options *o,
			       struct error *err)
{
	switch (s->kind) {
	case CONFIG_SERVE_STREAM:
		return s->client ? link_stream_connect(s->name, o, err)
				 : link_stream_listen(s->name, o, err);
	case CONFIG_SERVE_DGRAM:
		return link_dgram_bind(s->name, o, err);
	case CONFIG_SERVE_SEQPACKET:
		return link_seqpacket_listen(s->name, o, err);
	case CONFIG_SERVE_VPNKIT:
		return link_vpnkit_listen(s->name, o, err);
	case CONFIG_SERVE_VHOST_USER:
		return s->client ? link_vhost_user_connect(s->name, err)
				 : link_vhost_user_listen(s->name, err);
	case CONFIG_SERVE_TAP:
		return open_tap(s->name, err);
	case CONFIG_SERVE_FD:
		break;
	}
	error_set(err, "--fd: '%s': the service manager handed over no descriptor of that name",
		  s->name);
	return NULL;
}

struct link *serve_link_open(const struct serve_sandbox *s, struct error *err)
{
	static const enum link_offload offloads[] = {
		[CONFIG_OFFLOAD_NONE] = LINK_OFFLOAD_NONE,
		[CONFIG_OFFLOAD_VNET] = LINK_OFFLOAD_VNET,
		[CONFIG_OFFLOAD_LIBKRUN] = LINK_OFFLOAD_LIBKRUN,
	};
	struct link_options o = {.offload = offloads[s->link.offload],
				 .mode = s->link.mode,
				 .mtu = s->stack.mtu};
	struct link *l;

	memcpy(o.guest_mac, s->vpnkit_mac, 6);
	l = s->link.fd >= 0 ? take_fd(&s->link, &o, err) : open_named(&s->link, &o, err);
	if (l && s->link.kind == CONFIG_SERVE_VHOST_USER)
		link_vhost_user_set_mtu(l, s->stack.mtu);
	return l;
}

bool serve_link_can_reopen(const struct serve_sandbox *s)
{
	return s->link.fd < 0;
}
