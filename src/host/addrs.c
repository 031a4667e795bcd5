// SPDX-License-Identifier: Apache-2.0
/*
 * The host's addresses by rtnetlink(7).
 *
 * Theory of operation: one socket listens to the groups of address and route changes, with a filter
 * in the kernel that lets only addresses and routes to the host itself pass: a router's table may
 * change all the time. Whatever it says, and also where it has lost messages (ENOBUFS), all
 * addresses are read anew with dumps on a second, short-lived socket, and the new lists replace the
 * old ones. So an address that two interfaces have is gone only when both have lost it, and no
 * sequence of events leaves a wrong list behind. A dump that fails leaves the old lists, and is
 * tried again a second later.
 *
 * Trust: the kernel alone talks on these sockets; libmnl checks lengths all the same.
 */
#include "host/addrs.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"

#define RETRY_US      1000000
#define DUMP_TRIES    3  /* a dump that changes under way (NLM_F_DUMP_INTR) is begun again */
#define EVENTS_A_TURN 64 /* messages read before the loop goes on; the fd stays readable */

/* What one reading found. */
struct reading {
	struct ipaddr *v; /* sorted, each once, when it is over */
	size_t n, room;
	struct ipnet *nets;
	size_t net_n;
	bool full; /* there were more than HOST_ADDRS_MAX, or HOST_NETS_MAX */
	bool nomem;
};

struct host_addrs {
	struct loop *loop;
	struct mnl_socket *events;
	struct loop_source src;
	struct timer retry;
	struct reading now;
	struct host_addrs_ret ret; /* the owner's, kept as `now` is */
	bool warned_full;
};

static void reading_done(struct reading *r)
{
	free(r->v);
	free(r->nets);
	*r = (struct reading){0};
}

static void reading_add(struct reading *r, const struct ipaddr *a)
{
	if (ipaddr_is_loopback(a) || ipaddr_is_unspecified(a))
		return;
	if (r->n == HOST_ADDRS_MAX) {
		r->full = true;
		return;
	}
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct ipaddr *v = realloc(r->v, room * sizeof(*v));

		if (!v) {
			r->nomem = true;
			return;
		}
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = *a;
}

static void reading_add_net(struct reading *r, const struct ipaddr *net, uint8_t bits)
{
	if (bits == ipaddr_len(net) * 8) {
		reading_add(r, net);
		return;
	}
	if (ipaddr_is_loopback(net) && bits >= 8)
		return;
	if (r->net_n == HOST_NETS_MAX) {
		r->full = true;
		return;
	}
	if (!r->nets && !(r->nets = malloc(HOST_NETS_MAX * sizeof(*r->nets)))) {
		r->nomem = true;
		return;
	}
	r->nets[r->net_n++] = (struct ipnet){*net, bits};
}

/* False for any other family and length; no bytes: the address of all zeros (a default route). */
static bool address_of(uint8_t family, const struct nlattr *attr, struct ipaddr *ret)
{
	static const uint8_t zero[16];
	size_t len = family == AF_INET ? 4 : 16;
	const uint8_t *b = attr ? mnl_attr_get_payload(attr) : zero;

	if ((family != AF_INET && family != AF_INET6) ||
	    (attr && mnl_attr_get_payload_len(attr) != len))
		return false;
	*ret = family == AF_INET ? ipaddr_v4(b) : ipaddr_v6(b);
	return true;
}

/* One RTM_NEWADDR. IFA_LOCAL is the own address where IFA_ADDRESS is the peer's (rtnetlink(7)). */
static int on_address(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifaddrmsg *ifa;
	const struct nlattr *attr, *address = NULL, *local = NULL;
	struct ipaddr a;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return MNL_CB_OK;
	ifa = mnl_nlmsg_get_payload(nlh);
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			address = attr;
		else if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local = attr;
	}
	attr = local ? local : address;
	if (attr && address_of(ifa->ifa_family, attr, &a))
		reading_add(ctx, &a);
	return MNL_CB_OK;
}

/* One RTM_NEWROUTE of the table of local routes. Broadcast addresses need no place in the list: the
 * kernel lets nobody send there who has not asked for it (SO_BROADCAST). */
static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt;
	const struct nlattr *attr, *dst = NULL;
	struct ipaddr a;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rt))
		return MNL_CB_OK;
	rt = mnl_nlmsg_get_payload(nlh);
	if (rt->rtm_table != RT_TABLE_LOCAL ||
	    (rt->rtm_type != RTN_LOCAL && rt->rtm_type != RTN_ANYCAST))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*rt))
	{
		if (mnl_attr_get_type(attr) == RTA_DST)
			dst = attr;
	}
	if (address_of(rt->rtm_family, dst, &a) && rt->rtm_dst_len <= ipaddr_len(&a) * 8)
		reading_add_net(ctx, &a, rt->rtm_dst_len);
	return MNL_CB_OK;
}

/* Sends the request and has each message of the answer read. 0 or -errno. */
static int dump(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t each, struct reading *r)
{
	char buf[32768]; /* what the kernel fills at most in one message of a dump */
	unsigned port = mnl_socket_get_portid(nl);
	int rc;

	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, 1, port, each, r);
	} while (rc > MNL_CB_STOP);
	if (rc < 0)
		return -errno; /* EINTR: the list changed under way */
	return r->nomem ? -ENOMEM : 0;
}

static int dump_addresses(struct mnl_socket *nl, struct reading *r)
{
	char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	nlh->nlmsg_type = RTM_GETADDR;
	ifa->ifa_family = AF_UNSPEC;
	return dump(nl, nlh, on_address, r);
}

static int dump_local_routes(struct mnl_socket *nl, uint8_t family, struct reading *r)
{
	char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));

	nlh->nlmsg_type = RTM_GETROUTE;
	rt->rtm_family = family;
	rt->rtm_table = RT_TABLE_LOCAL;
	int rc = dump(nl, nlh, on_route, r);
	/* A family that has no such table (yet), or that the host does not have. */
	return rc == -ENOENT || rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP ? 0 : rc;
}

static int dump_all(struct mnl_socket *nl, struct reading *r)
{
	int on = 1, rc;

	/* Then the kernel looks at the one table alone (since 4.20); an older one sends them all,
	 * and on_route() chooses. */
	setsockopt(mnl_socket_get_fd(nl), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if ((rc = dump_addresses(nl, r)) < 0 || (rc = dump_local_routes(nl, AF_INET, r)) < 0)
		return rc;
	return dump_local_routes(nl, AF_INET6, r);
}

static int read_all(struct reading *r)
{
	/* The kernel answers at once; this only keeps a broken one from stopping the loop. */
	const struct timeval limit = {.tv_sec = 1};
	int rc = -EINTR;

	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

		if (!nl)
			return -errno;
		r->n = r->net_n = 0;
		r->full = false;
		setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		rc = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump_all(nl, r);
		mnl_socket_close(nl);
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ipaddr));
}

static void sort_unique(struct reading *r)
{
	size_t n = 0;

	if (r->n == 0)
		return;
	qsort(r->v, r->n, sizeof(*r->v), compare);
	for (size_t i = 1; i < r->n; i++)
		if (!ipaddr_eq(&r->v[i], &r->v[n]))
			r->v[++n] = r->v[i];
	r->n = n + 1;
}

static int refresh(struct host_addrs *h)
{
	struct reading r = {0};
	int rc = read_all(&r);

	if (rc < 0) {
		reading_done(&r);
		return rc;
	}
	sort_unique(&r);
	if (r.full && !h->warned_full) {
		h->warned_full = true;
		log_warning("the host has more than %d addresses, or %d networks; those beyond are "
			    "not known as its own",
			    HOST_ADDRS_MAX, HOST_NETS_MAX);
	}
	*h->ret.list = r.v;
	*h->ret.count = r.n;
	*h->ret.nets = r.nets;
	*h->ret.net_count = r.net_n;
	reading_done(&h->now);
	h->now = r;
	return 0;
}

static void refresh_or_retry(struct host_addrs *h)
{
	int rc = refresh(h);

	if (rc < 0) {
		log_limited(LOG_WARNING, "cannot read the host's addresses: %s", strerror(-rc));
		timer_set(&h->loop->wheel, &h->retry, h->loop->now_us + RETRY_US);
	}
}

static void on_retry(struct timer *t)
{
	refresh_or_retry(container_of(t, struct host_addrs, retry));
}

static void on_event(struct loop_source *src, uint32_t events)
{
	struct host_addrs *h = container_of(src, struct host_addrs, src);
	char buf[4096];

	/* What changed does not matter: messages are only taken away, ENOBUFS (some were lost) with
	 * them. */
	for (int i = 0; i < EVENTS_A_TURN; i++) {
		ssize_t n = recv(src->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			break;
	}
	refresh_or_retry(h);
}

/* Of changes of routes only those to the host itself. Without the filter there are more wakes, and
 * nothing is wrong. */
static void hear_own_routes_alone(int fd)
{
	enum {
		TYPE = offsetof(struct nlmsghdr, nlmsg_type),
		KIND = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_type),
	};
	/* Words are loaded in network order. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, KIND),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTN_LOCAL, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTN_ANYCAST, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

/* Listens before the first reading, so that no change falls between the two. */
static int follow(struct host_addrs *h, struct error *err)
{
	int rc;

	h->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!h->events)
		return error_set_errno(err, errno, "cannot open a netlink socket");
	hear_own_routes_alone(mnl_socket_get_fd(h->events));
	if (mnl_socket_bind(h->events,
			    RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
				    RTMGRP_IPV6_ROUTE,
			    MNL_SOCKET_AUTOPID) < 0)
		return error_set_errno(err, errno,
				       "cannot listen to changes of the host's addresses");
	h->src.fn = on_event;
	rc = loop_add(h->loop, &h->src, mnl_socket_get_fd(h->events), EPOLLIN);
	if (rc < 0)
		return error_set_errno(err, rc, "cannot follow the host's addresses");
	return 0;
}

struct host_addrs *host_addrs_new(struct loop *l, struct host_addrs_ret ret, struct error *err)
{
	struct host_addrs *h = calloc(1, sizeof(*h));
	int rc;

	if (!h) {
		error_set(err, "host addresses: out of memory");
		return NULL;
	}
	h->loop = l;
	h->src.fd = -1;
	h->ret = ret;
	timer_init(&h->retry, on_retry);
	if (l && follow(h, err) < 0)
		goto fail;
	rc = refresh(h);
	if (rc < 0) {
		error_set_errno(err, rc, "cannot read the host's addresses");
		goto fail;
	}
	return h;
fail:
	host_addrs_free(h);
	return NULL;
}

void host_addrs_free(struct host_addrs *h)
{
	if (!h)
		return;
	timer_cancel(h->loop ? &h->loop->wheel : NULL, &h->retry);
	if (h->loop)
		loop_del(h->loop, &h->src);
	if (h->events)
		mnl_socket_close(h->events);
	*h->ret.list = NULL;
	*h->ret.count = 0;
	*h->ret.nets = NULL;
	*h->ret.net_count = 0;
	reading_done(&h->now);
	free(h);
}

bool host_has_route(uint8_t family)
{
	/* Addresses for documentation (RFC 5737, RFC 3849): nobody's, and so only the default route
	 * leads there. */
	const uint8_t far4[4] = {192, 0, 2, 1};
	const uint8_t far6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct ipaddr a = family == 4 ? ipaddr_v4(far4) : ipaddr_v6(far6);
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&a, 443, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	/* Connecting a UDP socket looks up the route and sends nothing. */
	bool ok = connect(fd, (const struct sockaddr *)&ss, len) == 0;
	close(fd);
	return ok;
}
