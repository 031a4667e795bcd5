// SPDX-License-Identifier: Apache-2.0
/* rtnetlink requests (RFC 3549), built and sent with libmnl. */
#include "host/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

/* The largest request, a veth pair, takes some 200 bytes; an answer is an error and a copy of it.
 */
#define BUF_LEN 1024

int netlink_init(struct netlink *nl)
{
	*nl = (struct netlink){.sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
	if (!nl->sock)
		return -errno;
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = errno;
		netlink_done(nl);
		return -err;
	}
	return 0;
}

void netlink_done(struct netlink *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

static struct nlmsghdr *request(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return h;
}

/* Sends a request and waits for its acknowledgement; the kernel answers in the same call. */
static int transact(struct netlink *nl, struct nlmsghdr *h)
{
	char buf[2 * BUF_LEN];

	h->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, h, h->nlmsg_len) < 0)
		return -errno;
	ssize_t n = mnl_socket_recvfrom(nl->sock, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	int r = mnl_cb_run(buf, (size_t)n, nl->seq, mnl_socket_get_portid(nl->sock), NULL, NULL);
	return r < 0 ? -errno : 0;
}

static struct ifinfomsg *put_ifinfo(struct nlmsghdr *h)
{
	return mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
}

int netlink_link_set(struct netlink *nl, int ifindex, const struct netlink_link *set)
{
	char buf[BUF_LEN];
	struct nlmsghdr *h = request(buf, RTM_NEWLINK, 0);
	struct ifinfomsg *ifi = put_ifinfo(h);

	ifi->ifi_index = ifindex;
	if (set->up)
		ifi->ifi_flags = ifi->ifi_change = 1; /* IFF_UP */
	if (set->name)
		mnl_attr_put_strz(h, IFLA_IFNAME, set->name);
	if (set->mac)
		mnl_attr_put(h, IFLA_ADDRESS, 6, set->mac);
	if (set->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, set->mtu);
	if (set->no_autoconf) {
		struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
		struct nlattr *inet6 = mnl_attr_nest_start(h, AF_INET6);
		mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		mnl_attr_nest_end(h, inet6);
		mnl_attr_nest_end(h, spec);
	}
	if (set->netns_fd > 0)
		mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)set->netns_fd);
	return transact(nl, h);
}

int netlink_veth_add(struct netlink *nl, const char *name, const char *peer_name, int peer_netns_fd)
{
	char buf[BUF_LEN];
	struct nlmsghdr *h = request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);

	put_ifinfo(h);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	put_ifinfo(h);
	mnl_attr_put_strz(h, IFLA_IFNAME, peer_name);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)peer_netns_fd);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return transact(nl, h);
}

static uint8_t family_of(const struct ipaddr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

int netlink_addr_add(struct netlink *nl, int ifindex, const struct ipaddr *addr, unsigned bits)
{
	char buf[BUF_LEN];
	struct nlmsghdr *h = request(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(h, sizeof(*ifa));

	ifa->ifa_family = family_of(addr);
	ifa->ifa_prefixlen = (uint8_t)bits;
	ifa->ifa_flags = addr->family == 6 ? IFA_F_NODAD : 0;
	ifa->ifa_scope = ipaddr_is_link_local(addr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	ifa->ifa_index = (uint32_t)ifindex;
	if (addr->family == 4) {
		struct ipaddr bcast = *addr;
		uint32_t host = bits < 32 ? UINT32_MAX >> bits : 0;
		for (int i = 0; i < 4; i++)
			bcast.b[i] |= (uint8_t)(host >> (24 - 8 * i));
		mnl_attr_put(h, IFA_LOCAL, 4, addr->b);
		if (bits < 31)
			mnl_attr_put(h, IFA_BROADCAST, 4, bcast.b);
	}
	mnl_attr_put(h, IFA_ADDRESS, ipaddr_len(addr), addr->b);
	return transact(nl, h);
}

int netlink_route_default(struct netlink *nl, int ifindex, const struct ipaddr *gw)
{
	char buf[BUF_LEN];
	struct nlmsghdr *h = request(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));

	rt->rtm_family = family_of(gw);
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	mnl_attr_put(h, RTA_GATEWAY, ipaddr_len(gw), gw->b);
	mnl_attr_put_u32(h, RTA_OIF, (uint32_t)ifindex);
	return transact(nl, h);
}
