// SPDX-License-Identifier: Apache-2.0
/*
 * Host sockets for datagrams. See sock.h.
 */
#include "host/sock.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/udp.h>
/* after netinet/in.h, whose types it would otherwise define anew */
#include <linux/icmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

int sock_level(uint8_t family)
{
	return family == 4 ? SOL_IP : SOL_IPV6;
}

int sock_cmsg_ttl(uint8_t family)
{
	return family == 4 ? IP_TTL : IPV6_HOPLIMIT;
}

int sock_cmsg_tos(uint8_t family)
{
	return family == 4 ? IP_TOS : IPV6_TCLASS;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

int sock_set_ttl(int fd, uint8_t family, uint8_t ttl)
{
	return set_int(fd, sock_level(family), family == 4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl);
}

int sock_set_tos(int fd, uint8_t family, uint8_t tos)
{
	return set_int(fd, sock_level(family), sock_cmsg_tos(family), tos);
}

int sock_set_df(int fd, uint8_t family, bool df)
{
	if (family == 4)
		return set_int(fd, SOL_IP, IP_MTU_DISCOVER, df ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT);
	return set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER, df ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
}

void sock_set_buffers(int fd, int receive, int send)
{
	(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, receive);
	(void)set_int(fd, SOL_SOCKET, SO_SNDBUF, send);
}

static int open_socket(uint8_t family, int type, int proto)
{
	int domain = family == 4 ? AF_INET : AF_INET6;
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	return fd < 0 ? -errno : fd;
}

static int set_errors(int fd, uint8_t family)
{
	return set_int(fd, sock_level(family), family == 4 ? IP_RECVERR : IPV6_RECVERR, 1);
}

int sock_udp_open(uint8_t family, unsigned flags)
{
	int fd = open_socket(family, SOCK_DGRAM, 0);
	if (fd < 0)
		return fd;
	int level = sock_level(family);
	int r = family == 6 ? set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1) : 0;
	if (!r)
		r = sock_set_df(fd, family, false);
	if (!r)
		r = set_int(fd, level, family == 4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
	if (!r && flags & SOCK_UDP_ERRORS)
		r = set_errors(fd, family);
	if (!r && flags & SOCK_UDP_PKTINFO)
		r = set_int(fd, level, family == 4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
	if (r) {
		close(fd);
		return r;
	}
	/* Kernels before 5.0 do not know it; datagrams then come one by one. */
	(void)set_int(fd, SOL_UDP, UDP_GRO, 1);
	return fd;
}

/* Of all that a raw ICMP socket could see, only echo replies are of use. */
static int set_echo_filter(int fd, uint8_t family)
{
	if (family == 4) {
		struct icmp_filter f = {.data = ~(1U << ICMP_ECHOREPLY)};
		return setsockopt(fd, SOL_RAW, ICMP_FILTER, &f, sizeof(f)) ? -errno : 0;
	}
	struct icmp6_filter f;
	ICMP6_FILTER_SETBLOCKALL(&f);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof(f)) ? -errno : 0;
}

static int set_up_icmp(int fd, uint8_t family, bool raw)
{
	int level = sock_level(family);
	int r = raw ? set_echo_filter(fd, family) : 0;
	if (!r)
		r = set_errors(fd, family);
	if (!r)
		r = set_int(fd, level, family == 4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
	if (!r)
		r = set_int(fd, level, family == 4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
	if (!r)
		r = sock_set_df(fd, family, false);
	return r;
}

int sock_icmp_open(uint8_t family, bool *ret_raw)
{
	int proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	bool raw = false;
	int fd = open_socket(family, SOCK_DGRAM, proto);
	if (fd == -EACCES || fd == -EPERM) {
		fd = open_socket(family, SOCK_RAW, proto);
		raw = true;
	}
	if (fd < 0)
		return fd;
	int r = set_up_icmp(fd, family, raw);
	if (r) {
		close(fd);
		return r;
	}
	*ret_raw = raw;
	return fd;
}

void sock_cmsg_put(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)m->msg_control + m->msg_controllen);
	memset(c, 0, CMSG_SPACE(len));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

void sock_cmsg_put_local(struct msghdr *m, const struct ipaddr *local)
{
	if (local->family == 4) {
		struct in_pktinfo pi = {0};
		memcpy(&pi.ipi_spec_dst, local->b, 4);
		sock_cmsg_put(m, SOL_IP, IP_PKTINFO, &pi, sizeof(pi));
	} else if (local->family == 6) {
		struct in6_pktinfo pi = {0};
		memcpy(&pi.ipi6_addr, local->b, 16);
		sock_cmsg_put(m, SOL_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
}

/* IP_TOS comes as one byte, the others as an int. */
static int cmsg_number(const struct cmsghdr *c)
{
	int v = 0;
	if (c->cmsg_len >= CMSG_LEN(sizeof(v)))
		memcpy(&v, CMSG_DATA(c), sizeof(v));
	else if (c->cmsg_len > CMSG_LEN(0))
		v = *CMSG_DATA(c);
	return v;
}

static void info_v4(const struct cmsghdr *c, struct sock_info *ret)
{
	if (c->cmsg_type == IP_TTL) {
		ret->ttl = (uint8_t)cmsg_number(c);
	} else if (c->cmsg_type == IP_TOS) {
		ret->tos = (uint8_t)cmsg_number(c);
	} else if (c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo pi;
		memcpy(&pi, CMSG_DATA(c), sizeof(pi));
		uint8_t b[4];
		memcpy(b, &pi.ipi_spec_dst, sizeof(b)); /* ipi_addr could be a broadcast address */
		ret->local = ipaddr_v4(b);
		ret->ifindex = (unsigned)pi.ipi_ifindex;
	}
}

static void info_v6(const struct cmsghdr *c, struct sock_info *ret)
{
	if (c->cmsg_type == IPV6_HOPLIMIT) {
		ret->ttl = (uint8_t)cmsg_number(c);
	} else if (c->cmsg_type == IPV6_TCLASS) {
		ret->tos = (uint8_t)cmsg_number(c);
	} else if (c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo pi;
		memcpy(&pi, CMSG_DATA(c), sizeof(pi));
		ret->local = ipaddr_v6(pi.ipi6_addr.s6_addr);
		ret->ifindex = pi.ipi6_ifindex;
	}
}

struct sock_info sock_info_of(struct msghdr *m)
{
	struct sock_info info = {0};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_IP)
			info_v4(c, &info);
		else if (c->cmsg_level == SOL_IPV6)
			info_v6(c, &info);
		else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			info.gso_size = (uint16_t)cmsg_number(c);
	}
	return info;
}

/* The extended error and, right behind it, the address of who sent it (ip(7), IP_RECVERR). */
static void read_extended(const struct cmsghdr *c, struct sock_error *ret)
{
	struct sock_extended_err ee;
	if (c->cmsg_len < CMSG_LEN(sizeof(ee)))
		return;
	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	ret->err = (int)ee.ee_errno;
	ret->local = ee.ee_origin == SO_EE_ORIGIN_LOCAL;
	ret->type = ee.ee_type;
	ret->code = ee.ee_code;
	ret->info = ee.ee_info;

	struct sockaddr_storage who = {0};
	size_t room = c->cmsg_len - CMSG_LEN(sizeof(ee));
	memcpy(&who, CMSG_DATA(c) + sizeof(ee), room < sizeof(who) ? room : sizeof(who));
	uint16_t port;
	struct ipaddr a;
	if (who.ss_family != AF_UNSPEC && ipaddr_from_sockaddr((struct sockaddr *)&who, &a, &port))
		ret->offender = a;
}

int sock_read_error(int fd, void *buf, size_t cap, struct sock_error *ret)
{
	struct sockaddr_storage name = {0};
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = cap};
	struct msghdr m = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;
	do
		n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;

	struct sock_error e = {.len = (size_t)n};
	ipaddr_from_sockaddr((struct sockaddr *)&name, &e.dst, &e.port);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
			read_extended(c, &e);
	}
	*ret = e;
	return 1;
}

int sock_take_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}
