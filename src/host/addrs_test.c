// SPDX-License-Identifier: Apache-2.0
/* The host's addresses, in a network namespace of the test's own whose addresses come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/addrs.h"

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	if (!ipaddr_parse(text, &a))
		abort();
	return a;
}

/* Sends one rtnetlink request and takes its answer: 0 or -errno. */
static int request(struct nlmsghdr *nlh)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[4096];
	int rc = -1;

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		rc = n > 0 && mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, mnl_socket_get_portid(nl),
					 NULL, NULL) >= 0
			     ? 0
			     : -errno;
	}
	if (nl)
		mnl_socket_close(nl);
	return rc;
}

static int change_addr(uint16_t type, const char *text, unsigned prefix)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	struct ipaddr a = addr(text);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = type == RTM_NEWADDR ? NLM_F_CREATE : 0;
	ifa->ifa_family = a.family == 4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = (uint8_t)prefix;
	ifa->ifa_flags = IFA_F_NODAD;
	ifa->ifa_index = 1; /* lo is the first interface of every namespace */
	mnl_attr_put(nlh, IFA_LOCAL, ipaddr_len(&a), a.b);
	mnl_attr_put(nlh, IFA_ADDRESS, ipaddr_len(&a), a.b);
	return request(nlh);
}

/* A route to the host itself. */
static int change_local_route(uint16_t type, const char *text, unsigned bits)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	struct ipaddr a = addr(text);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = type == RTM_NEWROUTE ? NLM_F_CREATE : 0;
	rt->rtm_family = a.family == 4 ? AF_INET : AF_INET6;
	rt->rtm_dst_len = (uint8_t)bits;
	rt->rtm_table = RT_TABLE_LOCAL;
	rt->rtm_type = RTN_LOCAL;
	rt->rtm_scope = a.family == 4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	mnl_attr_put(nlh, RTA_DST, ipaddr_len(&a), a.b);
	mnl_attr_put_u32(nlh, RTA_OIF, 1);
	return request(nlh);
}

static int lo_up(void)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_index = 1;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	return request(nlh);
}

static int default_route(uint8_t family)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));

	nlh->nlmsg_type = RTM_NEWROUTE;
	nlh->nlmsg_flags = NLM_F_CREATE;
	rt->rtm_family = family == 4 ? AF_INET : AF_INET6;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	rt->rtm_scope = family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	mnl_attr_put_u32(nlh, RTA_OIF, 1);
	return request(nlh);
}

static bool has_net(const struct ipnet *v, size_t n, const char *text, unsigned bits)
{
	struct ipaddr a = addr(text);

	for (size_t i = 0; i < n; i++)
		if (ipaddr_eq(&v[i].net, &a) && v[i].bits == bits)
			return true;
	return false;
}

static bool has(const struct ipaddr *v, size_t n, const char *text)
{
	struct ipaddr a = addr(text);

	for (size_t i = 0; i < n; i++)
		if (ipaddr_eq(&v[i], &a))
			return true;
	return false;
}

/* Lets the loop handle what the change before has caused. */
static void turn(struct loop *l)
{
	struct epoll_event ev[4];
	int n = epoll_wait(l->epoll_fd, ev, 4, 2000);

	for (int i = 0; i < n; i++) {
		struct loop_source *src = ev[i].data.ptr;

		src->fn(src, ev[i].events);
	}
}

#define CHECK(x)                                                            \
	do {                                                                \
		if (!(x)) {                                                 \
			print_error("%s:%d: %s\n", __FILE__, __LINE__, #x); \
			return 1;                                           \
		}                                                           \
	} while (0)

#define NO_NAMESPACE 77

static int enter(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0)
		return NO_NAMESPACE;
	CHECK(lo_up() == 0);
	return 0;
}

static int follows(void)
{
	struct loop l;
	struct error err = {0};
	const struct ipaddr *list;
	const struct ipnet *nets;
	size_t n, net_n;
	struct host_addrs *h;
	int rc = enter();

	if (rc)
		return rc;
	CHECK(loop_init(&l, &err) == 0);
	CHECK(change_addr(RTM_NEWADDR, "192.0.2.7", 24) == 0);
	CHECK(change_addr(RTM_NEWADDR, "2001:db8::7", 64) == 0);
	h = host_addrs_new(&l, (struct host_addrs_ret){&list, &n, &nets, &net_n}, &err);
	CHECK(h);
	/* 127.0.0.1 and ::1 are there, too, and are left out. */
	CHECK(n == 2 && has(list, n, "192.0.2.7") && has(list, n, "2001:db8::7"));

	CHECK(change_addr(RTM_NEWADDR, "10.9.8.7", 8) == 0);
	turn(&l);
	CHECK(n == 3 && has(list, n, "10.9.8.7"));
	CHECK(change_addr(RTM_NEWADDR, "2001:db8::8", 64) == 0);
	turn(&l);
	CHECK(n == 4 && has(list, n, "2001:db8::8"));
	CHECK(change_addr(RTM_DELADDR, "192.0.2.7", 24) == 0);
	CHECK(change_addr(RTM_DELADDR, "2001:db8::7", 64) == 0);
	turn(&l);
	CHECK(n == 2 && !has(list, n, "192.0.2.7") && !has(list, n, "2001:db8::7"));

	/* The same address with another prefix length is listed once, and stays until both are
	 * gone. */
	CHECK(change_addr(RTM_NEWADDR, "10.9.8.7", 16) == 0);
	turn(&l);
	CHECK(n == 2);
	CHECK(change_addr(RTM_DELADDR, "10.9.8.7", 8) == 0);
	turn(&l);
	CHECK(n == 2 && has(list, n, "10.9.8.7"));

	host_addrs_free(h);
	CHECK(!list && n == 0 && !nets && net_n == 0);
	loop_done(&l);
	return 0;
}

static int forwarding_on(void)
{
	FILE *f = fopen("/proc/sys/net/ipv6/conf/all/forwarding", "w");

	if (!f)
		return -1;
	fputs("1\n", f);
	return fclose(f);
}

/* What the table of local routes says, whoever put it there. */
static int follows_local_routes(void)
{
	struct loop l;
	struct error err = {0};
	const struct ipaddr *list;
	const struct ipnet *nets;
	size_t n, net_n;
	int rc = enter();

	if (rc)
		return rc;
	CHECK(loop_init(&l, &err) == 0);
	CHECK(change_local_route(RTM_NEWROUTE, "198.51.100.0", 24) == 0);
	struct host_addrs *h =
		host_addrs_new(&l, (struct host_addrs_ret){&list, &n, &nets, &net_n}, &err);
	CHECK(h && n == 0 && net_n == 1 && has_net(nets, net_n, "198.51.100.0", 24));
	CHECK(change_local_route(RTM_NEWROUTE, "2001:db8:1::", 64) == 0);
	CHECK(change_local_route(RTM_NEWROUTE, "203.0.113.9", 32) == 0);
	turn(&l);
	CHECK(n == 1 && has(list, n, "203.0.113.9"));
	CHECK(net_n == 2 && has_net(nets, net_n, "2001:db8:1::", 64));
	/* An address of the loopback interface brings its network along. */
	CHECK(change_addr(RTM_NEWADDR, "192.0.2.7", 24) == 0);
	turn(&l);
	CHECK(n == 2 && net_n == 3 && has_net(nets, net_n, "192.0.2.0", 24));
	CHECK(change_local_route(RTM_DELROUTE, "198.51.100.0", 24) == 0);
	CHECK(change_local_route(RTM_DELROUTE, "203.0.113.9", 32) == 0);
	turn(&l);
	CHECK(n == 1 && net_n == 2 && !has_net(nets, net_n, "198.51.100.0", 24));
	/* A forwarding host answers to the address of all routers of a subnet. */
	if (forwarding_on() == 0 && system("ip link add d0 type veth peer name d1 && "
					   "ip link set d0 up && ip link set d1 up && "
					   "ip addr add 2001:db8:2::7/64 dev d0 nodad") == 0) {
		turn(&l);
		CHECK(has(list, n, "2001:db8:2::7") && has(list, n, "2001:db8:2::"));
	}
	host_addrs_free(h);
	loop_done(&l);
	return 0;
}

/* More changes at once than the socket holds: messages are lost, the list is right all the same. */
static int survives_a_flood(void)
{
	struct loop l;
	struct error err = {0};
	const struct ipaddr *list;
	const struct ipnet *nets;
	size_t n, net_n;
	char text[32];
	int rc = enter();

	if (rc)
		return rc;
	CHECK(loop_init(&l, &err) == 0);
	struct host_addrs *h =
		host_addrs_new(&l, (struct host_addrs_ret){&list, &n, &nets, &net_n}, &err);
	CHECK(h && n == 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 250, i % 250 + 1);
		CHECK(change_addr(RTM_NEWADDR, text, 32) == 0);
	}
	for (int i = 0; i < 40 && n < 1000; i++)
		turn(&l);
	CHECK(n == 1000 && has(list, n, "10.0.3.250"));
	for (size_t i = 1; i < n; i++)
		CHECK(memcmp(&list[i - 1], &list[i], sizeof(*list)) < 0);
	host_addrs_free(h);
	loop_done(&l);

	/* Without a loop: read once. */
	h = host_addrs_new(NULL, (struct host_addrs_ret){&list, &n, &nets, &net_n}, &err);
	CHECK(h && n == 1000);
	host_addrs_free(h);
	return 0;
}

static int tells_routes(void)
{
	int rc = enter();

	if (rc)
		return rc;
	CHECK(!host_has_route(4) && !host_has_route(6));
	CHECK(change_addr(RTM_NEWADDR, "10.9.8.7", 8) == 0);
	CHECK(change_addr(RTM_NEWADDR, "fd00::7", 64) == 0);
	CHECK(!host_has_route(4) && !host_has_route(6));
	CHECK(default_route(4) == 0);
	CHECK(host_has_route(4) && !host_has_route(6));
	CHECK(default_route(6) == 0);
	CHECK(host_has_route(6));
	return 0;
}

/* Namespaces are entered in a child, so that the test's own stay as they are. */
static void in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_NAMESPACE) {
		print_message("no network namespace can be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void addrs_follow_what_comes_and_goes(void **state)
{
	in_child(follows);
}

static void networks_that_are_local_are_followed(void **state)
{
	in_child(follows_local_routes);
}

static void addrs_survive_lost_messages(void **state)
{
	in_child(survives_a_flood);
}

static void routes_are_told_by_family(void **state)
{
	in_child(tells_routes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addrs_follow_what_comes_and_goes),
		cmocka_unit_test(networks_that_are_local_are_followed),
		cmocka_unit_test(addrs_survive_lost_messages),
		cmocka_unit_test(routes_are_told_by_family),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
