// SPDX-License-Identifier: Apache-2.0
/*
 * The host's addresses by rtnetlink(7).
 *
 * Theory of operation: one socket listens to the groups of address changes. Whatever it says, and
 * also where it has lost messages (ENOBUFS), all addresses are read anew with a dump on a second,
 * short-lived socket, and the new list replaces the old one. So an address that two interfaces have
 * is gone only when both have lost it, and no sequence of events leaves a wrong list behind. A dump
 * that fails leaves the old list, and is tried again a second later.
 *
 * Trust: the kernel alone talks on these sockets; libmnl checks lengths all the same.
 */
#include "host/addrs.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"

#define RETRY_US      1000000
#define DUMP_TRIES    3  /* a dump that changes under way (NLM_F_DUMP_INTR) is begun again */
#define EVENTS_A_TURN 64 /* messages read before the loop goes on; the fd stays readable */

struct host_addrs {
	struct loop *loop;
	struct mnl_socket *events;
	struct loop_source src;
	struct timer retry;
	struct ipaddr *list; /* sorted, each once */
	size_t count;
	const struct ipaddr **ret_list; /* the owner's, kept as list and count are */
	size_t *ret_count;
	bool warned_full;
};

/* A reading in progress. */
struct reading {
	struct ipaddr *v;
	size_t n, room;
	bool full; /* there were more than HOST_ADDRS_MAX */
	bool nomem;
};

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
	if (!attr)
		return MNL_CB_OK;
	if (ifa->ifa_family == AF_INET && mnl_attr_get_payload_len(attr) == 4)
		a = ipaddr_v4(mnl_attr_get_payload(attr));
	else if (ifa->ifa_family == AF_INET6 && mnl_attr_get_payload_len(attr) == 16)
		a = ipaddr_v6(mnl_attr_get_payload(attr));
	else
		return MNL_CB_OK;
	reading_add(ctx, &a);
	return MNL_CB_OK;
}

/* Asks for all addresses of both families on a socket of its own. 0 or -errno. */
static int dump(struct mnl_socket *nl, struct reading *r)
{
	char buf[32768]; /* what the kernel fills at most in one message of a dump */
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	unsigned port = mnl_socket_get_portid(nl);
	int rc;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	ifa->ifa_family = AF_UNSPEC;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, 1, port, on_address, r);
	} while (rc > MNL_CB_STOP);
	if (rc < 0)
		return -errno; /* EINTR: the list changed under way */
	return r->nomem ? -ENOMEM : 0;
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
		r->n = 0;
		r->full = false;
		setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		rc = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump(nl, r);
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
		free(r.v);
		return rc;
	}
	sort_unique(&r);
	if (r.full && !h->warned_full) {
		h->warned_full = true;
		log_warning(
			"the host has more than %d addresses; those beyond are not known as its own",
			HOST_ADDRS_MAX);
	}
	*h->ret_list = r.v;
	*h->ret_count = r.n;
	free(h->list);
	h->list = r.v;
	h->count = r.n;
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

/* Listens before the first reading, so that no change falls between the two. */
static int follow(struct host_addrs *h, struct error *err)
{
	int rc;

	h->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!h->events)
		return error_set_errno(err, errno, "cannot open a netlink socket");
	if (mnl_socket_bind(h->events, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			    MNL_SOCKET_AUTOPID) < 0)
		return error_set_errno(err, errno,
				       "cannot listen to changes of the host's addresses");
	h->src.fn = on_event;
	rc = loop_add(h->loop, &h->src, mnl_socket_get_fd(h->events), EPOLLIN);
	if (rc < 0)
		return error_set_errno(err, rc, "cannot follow the host's addresses");
	return 0;
}

struct host_addrs *host_addrs_new(struct loop *l, const struct ipaddr **ret_list, size_t *ret_count,
				  struct error *err)
{
	struct host_addrs *h = calloc(1, sizeof(*h));
	int rc;

	if (!h) {
		error_set(err, "host addresses: out of memory");
		return NULL;
	}
	h->loop = l;
	h->src.fd = -1;
	h->ret_list = ret_list;
	h->ret_count = ret_count;
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
	*h->ret_list = NULL;
	*h->ret_count = 0;
	free(h->list);
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
