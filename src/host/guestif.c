// SPDX-License-Identifier: Apache-2.0
/*
 * Makes and configures the guest's interface.
 *
 * A tap is attached to the fd that made it and belongs to the namespace in which the fd was opened.
 * That fd also keeps this namespace alive, so where the guest's namespace may end on its own
 * the tap is made in a namespace of its own and moved over.
 *
 * A veth pair needs such a second namespace, the far one, in any case: the gateway's end must lie
 * where the guest cannot see it, and an ordinary user has no other place for it. It lives as long
 * as the packet socket in it, and takes the pair along.
 */
#include "host/guestif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/ethtool.h"
#include "host/netlink.h"

#define TUN_DEVICE "/dev/net/tun"
#define FAR_NAME   "weir0"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

/* Where the caller was before it went to the far namespace; -1: it did not. */
static int far_enter(struct error *err)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (here < 0)
		return error_set_errno(err, errno, "cannot open /proc/self/ns/net");
	if (unshare(CLONE_NEWNET) < 0) {
		error_set_errno(err, errno,
				"cannot make a network namespace for the gateway's side "
				"(sysctl user.max_net_namespaces limits them)");
		close(here);
		return -1;
	}
	return here;
}

static int far_leave(int here, struct error *err)
{
	int r = setns(here, CLONE_NEWNET);
	int saved = errno;

	close(here);
	return r < 0 ? error_set_errno(err, saved, "cannot go back to the guest's namespace") : 0;
}

/* A tap named eth0 in the caller's namespace. */
static int tap_open(struct error *err)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return error_set_errno(err, errno,
				       "cannot open " TUN_DEVICE " (modprobe tun makes it; "
				       "--link packet needs none)");
	if (fd < 0)
		return error_set_errno(err, errno,
				       "cannot open " TUN_DEVICE " (--link packet needs none)");
	strcpy(ifr.ifr_name, GUESTIF_NAME);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		error_set_errno(err, errno, "cannot make the tap " GUESTIF_NAME);
		close(fd);
		return -1;
	}
	return fd;
}

/* The same, made in a far namespace and moved here. */
static int tap_open_far(struct error *err)
{
	struct netlink nl;
	int here = far_enter(err);
	int r;

	if (here < 0)
		return -1;
	int fd = tap_open(err);
	if (fd >= 0) {
		r = netlink_init(&nl);
		if (r == 0) {
			struct netlink_link move = {.netns_fd = here};
			r = netlink_link_set(&nl, (int)if_nametoindex(GUESTIF_NAME), &move);
			netlink_done(&nl);
		}
		if (r < 0) {
			error_set_errno(err, r, "cannot move the tap to the guest");
			close(fd);
			fd = -1;
		}
	}
	if (far_leave(here, err) < 0 && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* A packet socket on the interface that gives and takes virtio-net headers. */
static int packet_open(int ifindex, struct error *err)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	const int on = 1;
	/* Protocol 0: nothing is received before the socket is bound and set up. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open a packet socket");
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0) {
		error_set_errno(err, errno, "cannot set PACKET_VNET_HDR");
		goto fail;
	}
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0) {
		error_set_errno(err, errno, "cannot set PACKET_IGNORE_OUTGOING");
		goto fail;
	}
	if (bind(fd, (struct sockaddr *)&sll, sizeof(sll)) < 0) {
		error_set_errno(err, errno, "cannot bind the packet socket");
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

/* In the far namespace: the pair, its far end up, and a socket on it. */
static int pair_make(const struct guestif_config *c, int guest_netns, struct error *err)
{
	struct netlink nl;
	int fd = -1;
	int r = netlink_init(&nl);

	if (r < 0)
		return error_set_errno(err, r, "cannot open a netlink socket");
	r = netlink_veth_add(&nl, FAR_NAME, GUESTIF_NAME, guest_netns);
	if (r < 0) {
		error_set_errno(err, r, "cannot make a veth pair%s",
				r == -EOPNOTSUPP ? " (modprobe veth)" : "");
		goto out;
	}
	int ifindex = (int)if_nametoindex(FAR_NAME);
	struct netlink_link far = {.mtu = c->mtu, .no_autoconf = true};
	r = netlink_link_set(&nl, ifindex, &far);
	if (r == 0)
		r = netlink_link_set(&nl, ifindex, &(struct netlink_link){.up = true});
	if (r < 0) {
		error_set_errno(err, r, "cannot set up the gateway's end of the veth pair");
		goto out;
	}
	fd = packet_open(ifindex, err);
out:
	netlink_done(&nl);
	return fd;
}

static int pair_open(const struct guestif_config *c, struct error *err)
{
	int here = far_enter(err);

	if (here < 0)
		return -1;
	int fd = pair_make(c, here, err);
	if (far_leave(here, err) < 0 && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * The virtio-net header of packet sockets has no word for some kinds of super-frames, and the
 * kernel would drop them on their way to us. So the guest's side is told to cut them up itself.
 */
static void forbid_unspeakable(void)
{
	static const char *const names[] = {
		"tx-gre-segmentation",
		"tx-gre-csum-segmentation",
		"tx-ipxip4-segmentation",
		"tx-ipxip6-segmentation",
		"tx-udp_tnl-segmentation",
		"tx-udp_tnl-csum-segmentation",
		"tx-tunnel-remcsum-segmentation",
		"tx-sctp-segmentation",
		"tx-esp-segmentation",
		"tx-gso-list",
		NULL,
	};
	static const char *const udp[] = {"tx-udp-segmentation", NULL};
	struct utsname u;
	unsigned major = 0, minor = 0;

	ethtool_features_off(GUESTIF_NAME, names);
	/* Trains of UDP datagrams have one from Linux 6.2 on. */
	if (uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	    (major < 6 || (major == 6 && minor < 2)))
		ethtool_features_off(GUESTIF_NAME, udp);
}

/* A setting that is only asked for: in a container /proc/sys may be read-only. */
static bool sysctl_put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool ok = write(fd, value, strlen(value)) >= 0;
	close(fd);
	return ok;
}

/* Lets the guest's groups open ICMP echo sockets, which is how ping(8) works without privileges. */
static void open_ping(void)
{
	const char *path = "/proc/sys/net/ipv4/ping_group_range";
	char own[32];

	if (sysctl_put(path, "0 2147483647"))
		return;
	/* A user namespace of one group knows no others. */
	snprintf(own, sizeof(own), "%u %u", (unsigned)getegid(), (unsigned)getegid());
	sysctl_put(path, own);
}

static int configure_v4(struct netlink *nl, int ifindex, const struct guestif_config *c,
			struct error *err)
{
	int r = netlink_addr_add(nl, ifindex, &c->guest4, c->prefix4);

	if (r < 0)
		return error_set_errno(err, r, "cannot set the guest's IPv4 address");
	r = netlink_route_default(nl, ifindex, &c->gw4);
	if (r < 0 && r != -EEXIST)
		return error_set_errno(err, r, "cannot set the guest's IPv4 default route");
	return 0;
}

/* The link-local address that the kernel would make, but without its second of DAD. */
static struct ipaddr link_local(const uint8_t mac[6])
{
	const uint8_t b[16] = {0xfe,       0x80,   0,      0,    0,    0,      0,      0,
			       mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	return ipaddr_v6(b);
}

static int configure_v6(struct netlink *nl, int ifindex, const struct guestif_config *c,
			struct error *err)
{
	struct ipaddr ll = link_local(c->mac);
	int r = netlink_addr_add(nl, ifindex, &ll, 64);

	if (r == 0)
		r = netlink_addr_add(nl, ifindex, &c->guest6, 64);
	if (r < 0)
		return error_set_errno(err, r, "cannot set the guest's IPv6 address");
	r = netlink_route_default(nl, ifindex, &c->gw6);
	if (r < 0 && r != -EEXIST)
		return error_set_errno(err, r, "cannot set the guest's IPv6 default route");
	return 0;
}

static int configure(const struct guestif_config *c, struct error *err)
{
	struct netlink nl;
	int ifindex = (int)if_nametoindex(GUESTIF_NAME);
	int lo = (int)if_nametoindex("lo");
	int r = netlink_init(&nl);

	if (r < 0)
		return error_set_errno(err, r, "cannot open a netlink socket");
	if (c->fresh && lo > 0)
		netlink_link_set(&nl, lo, &(struct netlink_link){.up = true});
	if (c->configure)
		sysctl_put("/proc/sys/net/ipv6/conf/" GUESTIF_NAME "/accept_ra", "0");
	struct netlink_link set = {
		.mac = c->mac,
		.mtu = c->mtu,
		.no_autoconf = c->configure,
	};
	r = netlink_link_set(&nl, ifindex, &set);
	if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP) {
		set.no_autoconf = false; /* a kernel without IPv6 */
		r = netlink_link_set(&nl, ifindex, &set);
	}
	if (r == 0)
		r = netlink_link_set(&nl, ifindex, &(struct netlink_link){.up = true});
	if (r < 0)
		error_set_errno(err, r, "cannot set up " GUESTIF_NAME);
	if (r == 0 && c->configure && c->has_v4)
		r = configure_v4(&nl, ifindex, c, err);
	if (r == 0 && c->configure && c->has_v6)
		r = configure_v6(&nl, ifindex, c, err);
	netlink_done(&nl);
	return r < 0 ? -1 : 0;
}

/* To open it is the only sure test: permissions, the driver, and what a container allows. */
static bool tun_usable(void)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* In a namespace that another gateway served a moment ago, the kernel may still be taking its
 * interface away. */
static int await_name(struct error *err)
{
	for (int tries = 0; tries < 30; tries++) {
		if (if_nametoindex(GUESTIF_NAME) == 0)
			return 0;
		usleep(10000);
	}
	return error_set(err, "the network namespace has an interface " GUESTIF_NAME
			      " already: end the gateway that serves it, or rename it there (ip "
			      "link set " GUESTIF_NAME " name NAME)");
}

int guestif_create(const struct guestif_config *c, enum guestif_kind *ret_kind, struct error *err)
{
	enum guestif_kind kind = c->kind == GUESTIF_PACKET ? GUESTIF_PACKET : GUESTIF_TAP;
	int fd = -1;

	if (!c->fresh && await_name(err) < 0)
		return -1;
	if (kind == GUESTIF_TAP && (c->kind == GUESTIF_TAP || tun_usable()))
		fd = c->may_vanish ? tap_open_far(err) : tap_open(err);
	/* Also where a tap can be opened, and a container's rules let nobody make one of it. */
	if (fd < 0 && c->kind != GUESTIF_TAP) {
		kind = GUESTIF_PACKET;
		fd = pair_open(c, err);
	}
	if (fd < 0)
		return -1;
	if (kind == GUESTIF_PACKET)
		forbid_unspeakable();
	if (c->fresh)
		open_ping();
	if (configure(c, err) < 0) {
		close(fd);
		return -1;
	}
	*ret_kind = kind;
	return fd;
}
