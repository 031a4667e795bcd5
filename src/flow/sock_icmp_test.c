// SPDX-License-Identifier: Apache-2.0
/* What the host's errors become: every ICMP message that an error queue can bring, and errnos. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "flow/sock_icmp.h"

#define NOTHING (-1)

struct word {
	uint8_t family, type, code;
	int says; /* enum icmp_error, or NOTHING */
};

/* RFC 792, 1122, 1812 and 4443, by their numbers. */
static const struct word words[] = {
	{4, 3, 0, ICMP_ERR_NET_UNREACH},
	{4, 3, 1, ICMP_ERR_HOST_UNREACH},
	{4, 3, 2, ICMP_ERR_PROTO_UNREACH},
	{4, 3, 3, ICMP_ERR_PORT_UNREACH},
	{4, 3, 4, ICMP_ERR_TOO_BIG},
	{4, 3, 5, ICMP_ERR_HOST_UNREACH}, /* source route failed */
	{4, 3, 6, ICMP_ERR_NET_UNREACH},  /* network unknown */
	{4, 3, 7, ICMP_ERR_HOST_UNREACH}, /* host unknown */
	{4, 3, 9, ICMP_ERR_ADMIN},
	{4, 3, 10, ICMP_ERR_ADMIN},
	{4, 3, 11, ICMP_ERR_NET_UNREACH}, /* for this type of service */
	{4, 3, 12, ICMP_ERR_HOST_UNREACH},
	{4, 3, 13, ICMP_ERR_ADMIN},
	{4, 11, 0, ICMP_ERR_TTL},
	{4, 11, 1, ICMP_ERR_REASSEMBLY},
	{4, 12, 0, ICMP_ERR_PARAM},
	{4, 4, 0, NOTHING}, /* source quench */
	{4, 5, 1, NOTHING}, /* redirect */
	{6, 1, 0, ICMP_ERR_NET_UNREACH},
	{6, 1, 1, ICMP_ERR_ADMIN},
	{6, 1, 2, ICMP_ERR_HOST_UNREACH}, /* beyond the scope of the source */
	{6, 1, 3, ICMP_ERR_HOST_UNREACH},
	{6, 1, 4, ICMP_ERR_PORT_UNREACH},
	{6, 1, 5, ICMP_ERR_ADMIN},
	{6, 1, 6, ICMP_ERR_ADMIN},
	{6, 2, 0, ICMP_ERR_TOO_BIG},
	{6, 3, 0, ICMP_ERR_TTL},
	{6, 3, 1, ICMP_ERR_REASSEMBLY},
	{6, 4, 0, ICMP_ERR_PARAM},
	{6, 4, 1, ICMP_ERR_PROTO_UNREACH},
	{6, 4, 2, ICMP_ERR_PARAM},
	{6, 137, 0, NOTHING},
};

static struct ipaddr addr(const char *text)
{
	struct ipaddr a;

	assert_true(ipaddr_parse(text, &a));
	return a;
}

static void messages_keep_their_meaning(void **state)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct word *w = &words[i];
		struct sock_error e = {.type = w->type, .code = w->code, .info = 1400};
		enum icmp_error said = (enum icmp_error)99;
		uint32_t value = 7;

		e.dst = addr(w->family == 4 ? "198.51.100.7" : "2001:db8::7");
		bool some = sock_icmp_of_queue(&e, &said, &value);
		assert_int_equal(some ? (int)said : NOTHING, w->says);
		if (some)
			assert_int_equal(value, w->says == ICMP_ERR_TOO_BIG ? 1400 : 0);
		/* The kernel's own words about sending are the sender's business. */
		e.local = true;
		assert_false(sock_icmp_of_queue(&e, &said, &value));
	}
}

static void errnos_are_told_apart(void **state)
{
	static const struct {
		int err, says;
	} of[] = {
		{ENETUNREACH, ICMP_ERR_NET_UNREACH},
		{ENETDOWN, ICMP_ERR_NET_UNREACH},
		{EAFNOSUPPORT, ICMP_ERR_NET_UNREACH},
		{EHOSTUNREACH, ICMP_ERR_HOST_UNREACH},
		{EHOSTDOWN, ICMP_ERR_HOST_UNREACH},
		{EINVAL, ICMP_ERR_HOST_UNREACH},
		{EADDRNOTAVAIL, ICMP_ERR_HOST_UNREACH},
		{EMFILE, ICMP_ERR_HOST_UNREACH},
		{ENFILE, ICMP_ERR_HOST_UNREACH},
		{ECONNREFUSED, ICMP_ERR_PORT_UNREACH},
		{EACCES, ICMP_ERR_ADMIN},
		{EPERM, ICMP_ERR_ADMIN},
		{ENOMEM, NOTHING},
		{ENOBUFS, NOTHING},
		{EAGAIN, NOTHING},
		{EMSGSIZE, NOTHING},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		enum icmp_error said;

		assert_int_equal(sock_icmp_of_errno(of[i].err, &said) ? (int)said : NOTHING,
				 of[i].says);
		assert_int_equal(sock_icmp_of_errno(-of[i].err, &said) ? (int)said : NOTHING,
				 of[i].says);
	}
}

/* Routers speak under their own address, which is what traceroute shows; the host never does. */
static void who_says_so(void **state)
{
	struct ipaddr host[] = {addr("192.0.2.10"), addr("2001:db8:1::10")};
	struct sandbox sb = {.env = {.host = host, .host_count = 2}};
	struct ipaddr seen4 = addr("10.0.0.1"), dial4 = addr("127.0.0.1");
	struct ipaddr seen6 = addr("2001:db8::7");
	static const struct {
		const char *offender, *from; /* NULL: the gateway */
	} of4[] = {{"203.0.113.1", "203.0.113.1"}, {"192.0.2.10", NULL}, {"127.0.0.2", NULL},
		   {"169.254.3.3", NULL},          {"0.0.0.0", NULL},    {"127.0.0.1", "10.0.0.1"}},
	  of6[] = {{"2001:db8:5::1", "2001:db8:5::1"},
		   {"2001:db8:1::10", NULL},
		   {"fe80::1", NULL},
		   {"::1", NULL},
		   {"2001:db8::7", "2001:db8::7"},
		   {"203.0.113.1", NULL}};

	for (size_t i = 0; i < 6; i++) {
		struct sock_error e = {.offender = addr(of4[i].offender)};
		const struct ipaddr *from = sock_icmp_from(&sb, &e, &dial4, &seen4);

		assert_int_equal(!from, !of4[i].from);
		if (from) {
			struct ipaddr want = addr(of4[i].from);
			assert_true(ipaddr_eq(from, &want));
		}
		e.offender = addr(of6[i].offender);
		from = sock_icmp_from(&sb, &e, &seen6, &seen6);
		assert_int_equal(!from, !of6[i].from);
		if (from) {
			struct ipaddr want = addr(of6[i].from);
			assert_true(ipaddr_eq(from, &want));
		}
	}
	assert_null(sock_icmp_from(&sb, &(struct sock_error){0}, &dial4, &seen4));
}

static void dont_fragment_is_read(void **state)
{
	uint8_t v4[20] = {0x45}, v6[40] = {0x60, [6] = 17};

	assert_false(sock_wants_df(view_make(v4, 20)));
	v4[6] = 0x20;
	assert_false(sock_wants_df(view_make(v4, 20)));
	v4[6] = 0x40;
	assert_true(sock_wants_df(view_make(v4, 20)));
	assert_false(sock_wants_df(view_make(v4, 7)));
	assert_true(sock_wants_df(view_make(v6, 40)));
	v6[6] = 44;
	assert_false(sock_wants_df(view_make(v6, 40)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_keep_their_meaning),
		cmocka_unit_test(errnos_are_told_apart),
		cmocka_unit_test(who_says_so),
		cmocka_unit_test(dont_fragment_is_read),
	};
	return cmocka_run_group_tests_name("sock_icmp", tests, NULL, NULL);
}
