// SPDX-License-Identifier: Apache-2.0
/*
 * The filter: names, methods and rules; placeholders in every place of a request, toward hosts that
 * may have the value and others; values in answers. Signatures are in filter_sign_test.c,
 * bodies with random contents in filter_body_test.c.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "flow/target.h"
#include "intercept/filter_rig.h"

#define HOST  "api.example.com"
#define KEY   "weir-key-0123456789abcdef"
#define VALUE "sk-live-ZYXWVUTSRQPONMLKJ"
#define ODD   "weir-odd-placeholder"
/* Longer than its placeholder, and to be escaped nearly everywhere. */
#define ODD_VALUE "pa ss\"word\\with/odd+signs%&="

static struct rig rig;

static void setup(const char *host, bool tls)
{
	rig_clear_secrets();
	rig_add_secret("API_KEY", KEY, VALUE, HOST);
	rig_add_secret("ODD_KEY", ODD, ODD_VALUE, HOST);
	rig_init(&rig, host, tls);
}

static int teardown(void **state)
{
	rig_done(&rig);
	rig_clear_secrets();
	return 0;
}

#define ALL_PLACES                                                                                 \
	(SECRET_IN_HEADERS | SECRET_IN_BASIC | SECRET_IN_QUERY | SECRET_IN_BODY | SECRET_IN_PATH | \
	 SECRET_IN_WEBSOCKET)

static const char *path_now(void)
{
	static char text[2048];

	memcpy(text, rig.x.request.path.p, rig.x.request.path.len);
	text[rig.x.request.path.len] = 0;
	return text;
}

/* ---- names, methods, rules ---- */

static void other_names_are_misdirected(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/x?secret=1");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 204);
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig.http_events, 1);
	assert_int_equal(rig.status, 204);
	assert_string_equal(rig.path, "/x");

	rig_request(&rig, "GET", "/");
	memcpy(rig.x.request.authority.name.s, "bpi", 3);
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 421);
	assert_string_equal(rig.x.denial.reason, "name-mismatch");
	assert_int_equal(rig.reason, REASON_NAME_MISMATCH);
	assert_int_equal(rig.refused, 1);

	rig_request(&rig, "GET", "/");
	rig.x.request.has_authority = false;
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 421);
	/* Each was told once, whatever comes then. */
	rig_end_exchange(&rig);
	assert_int_equal(rig.http_events, 3);
}

/* Without a name in the handshake only the address itself can be meant; in the clear, anybody. */
static void connections_without_a_name_are_for_their_address(void **state)
{
	setup("", true);
	assert_true(ipaddr_parse("192.0.2.7", &rig.flow.remote));
	rig_request(&rig, "GET", "/");
	rig.x.request.authority.name.len = 0;
	rig.x.request.authority.addr = rig.flow.remote;
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_request(&rig, "GET", "/");
	rig.x.request.authority.name.len = 0;
	assert_true(ipaddr_parse("192.0.2.8", &rig.x.request.authority.addr));
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 421);
	for (int tls = 0; tls < 2; tls++) {
		rig_done(&rig);
		setup("", tls);
		rig_secrets[0].require_tls_identity = false;
		rig_request(&rig, "GET", "/");
		rig_field(&rig.x.request, "x-key", KEY);
		rig.x.request.authority.name.len = sizeof(HOST) - 1;
		memcpy(rig.x.request.authority.name.s, HOST, sizeof(HOST));
		assert_int_equal(rig_go(&rig), tls ? HTTP_REFUSE : HTTP_GO);
		assert_string_equal(rig_value(&rig.x.request, "x-key"), tls ? KEY : VALUE);
	}
}

static struct policy_verdict connect_to(void *ctx, const struct http_exchange *x)
{
	return (struct policy_verdict){POLICY_ALLOW, REASON_NONE, 0, "allow@any", true};
}

/* The proxy reads the fields of CONNECT, whomever it is to reach. */
static void connect_gives_the_proxy_no_placeholder(void **state)
{
	for (int with = 0; with < 2; with++) {
		setup("", false);
		rig_secrets[0].require_tls_identity = false;
		rig.conn.connect = connect_to;
		filter_free(rig.filter);
		rig.filter = filter_new(&rig.conn);
		rig_request(&rig, "CONNECT", "");
		rig.x.request.connect = true;
		rig.x.request.authority.name.len = sizeof(HOST) - 1;
		memcpy(rig.x.request.authority.name.s, HOST, sizeof(HOST));
		if (with)
			rig_field(&rig.x.request, "proxy-authorization", "Bearer " KEY);
		assert_int_equal(rig_go(&rig), with ? HTTP_REFUSE : HTTP_GO);
		rig_answer(&rig, 200);
		rig.x.tunnel = true;
		if (!with)
			assert_int_equal(rig_go_answer(&rig), HTTP_GO);
		assert_int_equal(rig.x.request.mode, HTTP_BODY_PASS);
		rig_done(&rig);
	}
	setup(HOST, true);
}

static enum http_step ask_proxy(const char *method, const char *path, bool absolute)
{
	rig_request(&rig, method, path);
	rig.x.request.absolute = absolute;
	rig.x.request.port = absolute ? 80 : 0;
	rig.x.request.authority.name.len = sizeof(HOST) - 1;
	memcpy(rig.x.request.authority.name.s, HOST, sizeof(HOST));
	return rig_go(&rig);
}

/* Whoever gets it may be a proxy: what it is asked for is judged as well. */
static void targets_in_absolute_form_are_judged(void **state)
{
	setup("", false);
	rig_target = POLICY_DENY;
	assert_int_equal(ask_proxy("GET", "/", false), HTTP_GO);
	assert_null(rig.flow.target);
	assert_int_equal(ask_proxy("GET", "/", true), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 403);
	assert_string_equal(rig.x.denial.reason, "default");
	assert_int_equal(rig.refused, 1);
	rig_target = POLICY_ALLOW;
	assert_int_equal(ask_proxy("GET", "/", true), HTTP_GO);
	assert_non_null(rig.flow.target);
	assert_string_equal(rig.flow.target->at.name.s, HOST);
	assert_int_equal(rig.flow.target->at.port, 80);
	assert_int_equal(ask_proxy("POST", "/only-get", true), HTTP_REFUSE);
	assert_string_equal(rig.x.denial.reason, "http-rule");
	assert_int_equal(ask_proxy("GET", "/", false), HTTP_GO);
	assert_null(rig.flow.target);
	/* In a tunnel another one may not begin, but for its own far end. */
	struct http_authority far = rig.x.request.authority;

	far.port = 80;
	rig.conn.far = &far;
	filter_free(rig.filter);
	rig.filter = filter_new(&rig.conn);
	assert_int_equal(ask_proxy("GET", "/", true), HTTP_GO);
	far.port = 81;
	assert_int_equal(ask_proxy("GET", "/", true), HTTP_REFUSE);
	assert_string_equal(rig.x.denial.reason, "http-rule");
}

static void the_policy_and_its_rules_decide(void **state)
{
	setup(HOST, true);
	rig_policy = POLICY_DENY;
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 403);
	assert_string_equal(rig.x.denial.reason, "rule");
	rig_policy = POLICY_ALLOW;

	rig_request(&rig, "POST", "/only-get");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 403);
	assert_string_equal(rig.x.denial.reason, "http-rule");
	assert_string_equal(rig.x.denial.rule, "allow@any");
	rig_request(&rig, "GET", "/only-get\\");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 400);
	rig_request(&rig, "TRACE", "/");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 405);
	assert_int_equal(rig.refused, 4);
}

static void a_value_is_not_in_an_event(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/a/" VALUE "/b");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_end_exchange(&rig);
	assert_string_equal(rig.path, "/a/*************************/b");
	assert_int_equal(rig.status, 0);
}

/* ---- heads ---- */

static void a_header_gets_the_value(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "accept", "*/*");
	rig_field(&rig.x.request, "authorization", "Bearer " KEY);
	rig_field(&rig.x.request, "x-both", KEY "," ODD "," KEY);
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "authorization"), "Bearer " VALUE);
	assert_string_equal(rig_value(&rig.x.request, "x-both"), VALUE "," ODD_VALUE "," VALUE);
	assert_string_equal(rig_value(&rig.x.request, "accept"), "*/*");
	assert_int_equal(rig_values_held, 0);
	assert_int_equal(rig.resumed, 2); /* what one wait shows is asked for in the next */
}

static void basic_credentials_are_made_anew(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/");
	/* user:weir-odd-placeholder */
	rig_field(&rig.x.request, "Authorization", "Basic dXNlcjp3ZWlyLW9kZC1wbGFjZWhvbGRlcg==");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "authorization"),
			    "Basic dXNlcjpwYSBzcyJ3b3JkXHdpdGgvb2RkK3NpZ25zJSY9");
	/* Others are left as they are, whatever their padding. */
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "Authorization", "basic  dXNlcjpv");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "authorization"), "basic  dXNlcjpv");
}

static void path_and_query_are_written_with_percent_signs(void **state)
{
	setup(HOST, true);
	rig_secrets[0].places = rig_secrets[1].places = ALL_PLACES;
	rig_request(&rig, "GET", "/v1/" ODD "/x?a=" KEY "&b=" ODD "&c=weir%2Dodd-placeholder");
	assert_int_equal(rig_go(&rig), HTTP_GO);
#define ODD_PERCENT "pa%20ss%22word%5Cwith%2Fodd%2Bsigns%25%26%3D"
	assert_string_equal(path_now(),
			    "/v1/" ODD_PERCENT "/x?a=" VALUE "&b=" ODD_PERCENT "&c=" ODD_PERCENT);
	rig_end_exchange(&rig);
	assert_string_equal(rig.path, "/v1/" ODD "/x");
}

static void where_a_secret_is_not_put_in_its_placeholder_goes_on(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/v1/" KEY "/x?a=" KEY);
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(path_now(), "/v1/" KEY "/x?a=" KEY);
	assert_int_equal(rig.resumed, 0);
}

static void assert_blocked(const char *place)
{
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 403);
	assert_string_equal(rig.x.denial.reason, "secret-violation");
	assert_int_equal(rig.secret_events, 1);
	assert_string_equal(rig.secret, "API_KEY");
	assert_string_equal(rig.place, place);
	assert_string_equal(rig.action, "blocked");
	assert_int_equal(rig.resumed, 0);
	assert_int_equal(rig.reason, REASON_SECRET);
	rig.secret_events = 0;
}

static void other_hosts_get_nothing(void **state)
{
	static const struct {
		const char *method, *path, *name, *value, *place;
	} t[] = {
		{"GET", "/", "x-key", KEY, "header"},
		{"GET", "/", "x-key", "a=%77eir-key-012345678%39abcdef;", "header"},
		{"GET", "/", "x-key", "{\"k\":\"\\u0077eir-key-0123456789abcdef\"}", "header"},
		{"GET", "/", "cookie", "a=b; key=" KEY "; c=d", "header"},
		{"GET", "/", "x-" KEY, "v", "header"},
		{KEY, "/", "a", "b", "header"},
		/* weir-key-0123456789abcdef behind no, one and two bytes */
		{"GET", "/", "x-key", "d2Vpci1rZXktMDEyMzQ1Njc4OWFiY2RlZg==", "header"},
		{"GET", "/", "x-key", "YXdlaXIta2V5LTAxMjM0NTY3ODlhYmNkZWY=", "header"},
		{"GET", "/", "x-key", "YWF3ZWlyLWtleS0wMTIzNDU2Nzg5YWJjZGVm", "header"},
		{"GET", "/", "authorization", "Basic dTp3ZWlyLWtleS0wMTIzNDU2Nzg5YWJjZGVm",
		 "basic"},
		{"GET", "/" KEY, "a", "b", "path"},
		{"GET", "/?a=" KEY, "a", "b", "query"},
		{"GET", "/?a=weir%2dkey-0123456789abcdef", "a", "b", "query"},
		{"GET", "/%77eir%2Dkey-0123456789abcde%66", "a", "b", "path"},
	};

	setup("evil.example.net", true);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_request(&rig, t[i].method, t[i].path);
		rig_field(&rig.x.request, t[i].name, t[i].value);
		assert_blocked(t[i].place);
	}
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", "weir-key-0123456789abcdeX");
	assert_int_equal(rig_go(&rig), HTTP_GO);
}

static void violations_do_what_was_asked(void **state)
{
	setup("evil.example.net", true);
	rig_secrets[0].on_violation = SECRET_BLOCK;
	rig_request(&rig, "GET", "/" KEY);
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.secret_events, 0);
	assert_int_equal(rig.terminated, 0);
	rig_secrets[0].on_violation = SECRET_BLOCK_AND_TERMINATE;
	rig_request(&rig, "GET", "/" KEY);
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_string_equal(rig.action, "terminated");
	assert_int_equal(rig.terminated, 1);
}

static void passthrough_hosts_get_the_placeholder(void **state)
{
	setup("mirror.example.net", true);
	struct secret_host through = {.name = rig.name, .kind = SECRET_HOST_EXACT};
	rig_secrets[0].passthrough = &through;
	rig_secrets[0].passthrough_count = 1;
	rig_request(&rig, "GET", "/" KEY);
	rig_field(&rig.x.request, "x-key", KEY);
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "x-key"), KEY);
	assert_string_equal(path_now(), "/" KEY);
}

static void nothing_is_put_in_without_a_verified_host(void **state)
{
	setup(HOST, false);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", KEY);
	assert_blocked("header");
	rig_done(&rig);
	setup(HOST, true);
	rig.conn.verified = false;
	filter_free(rig.filter);
	rig.filter = filter_new(&rig.conn);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", KEY);
	assert_blocked("header");
	/* Unless that was asked for. */
	rig_secrets[0].require_tls_identity = false;
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", KEY);
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "x-key"), VALUE);
}

static void without_a_holder_the_request_is_refused(void **state)
{
	setup(HOST, true);
	rig_holder_fails = true;
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", KEY);
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 503);
	assert_string_equal(rig.x.denial.reason, "secret-unavailable");
	assert_string_equal(rig_value(&rig.x.request, "x-key"), KEY);
	/* Those without a placeholder go on. */
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
}

/* The exchange goes away while the value is on its way. */
static void an_exchange_may_end_while_it_waits(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", KEY);
	assert_int_equal(rig.filter->ops->request(rig.filter, &rig.x), HTTP_WAIT);
	rig_end_exchange(&rig);
}

static void a_value_that_no_header_may_hold_is_not_put_there(void **state)
{
	setup(HOST, true);
	rig_clear_secrets();
	rig_add_secret("PEM", KEY, "-----BEGIN\nKEY-----", HOST);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-key", KEY);
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 503);
}

static void required_secrets_have_to_be_there(void **state)
{
	setup(HOST, true);
	rig_secrets[0].require = true;
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "authorization", "Bearer sk-of-the-guests-own");
	assert_blocked("request");
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "authorization", "Bearer " KEY);
	assert_int_equal(rig_go(&rig), HTTP_GO);
	/* In the body, where it may be put in. */
	rig_secrets[0].places = ALL_PLACES;
	for (int with = 0; with < 2; with++) {
		struct buf out = {0};
		rig_request(&rig, "POST", "/");
		rig.x.request.length = HTTP_LENGTH_STREAM;
		assert_int_equal(rig_go(&rig), HTTP_GO);
		assert_int_equal(rig.x.request.mode, HTTP_BODY_WHOLE);
		assert_int_equal(rig_body(&rig, true,
					  with ? view_make("k=" KEY, 27) : view_make("k=none", 6),
					  NULL, &out),
				 with ? HTTP_GO : HTTP_REFUSE);
		buf_done(&out);
	}
	rig_end_exchange(&rig);
}

static void trailers_are_looked_into(void **state)
{
	struct http_head t = {0};

	setup("evil.example.net", true);
	rig_request(&rig, "POST", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_field(&t, "x-key", KEY);
	assert_int_equal(rig.filter->ops->request_trailers(rig.filter, &rig.x, &t), HTTP_REFUSE);
	assert_string_equal(rig.place, "trailer");
	http_fields_done(&t.fields);
}

/* ---- what is not asked for ---- */

static void requests_to_concerned_hosts_are_restricted(void **state)
{
	for (int concerned = 0; concerned < 2; concerned++) {
		setup(concerned ? HOST : "other.example.net", true);
		rig_request(&rig, "GET", "/");
		rig_field(&rig.x.request, "accept-encoding", "gzip, compress, br");
		rig_field(&rig.x.request, "range", "bytes=0-1");
		rig_field(&rig.x.request, "sec-websocket-extensions", "permessage-deflate");
		assert_int_equal(rig_go(&rig), HTTP_GO);
		assert_string_equal(rig_value(&rig.x.request, "accept-encoding"),
				    concerned ? "gzip, br" : "gzip, compress, br");
		assert_int_equal(rig_value(&rig.x.request, "range") == NULL, concerned);
		assert_null(rig_value(&rig.x.request, "sec-websocket-extensions"));
		rig_done(&rig);
	}
	setup(HOST, true);
}

/* ---- answers ---- */

static void values_in_answers_become_placeholders(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 302);
	rig_field(&rig.x.answer, "location",
		  "https://x/?k=" VALUE "&o=pa%20ss%22word%5Cwith%2fodd%2B"
		  "signs%25%26%3D");
	rig_field(&rig.x.answer, "x-form", "o=pa+ss%22word%5Cwith%2fodd%2Bsigns%25%26%3D&x=+");
	rig_field(&rig.x.answer, "set-cookie", "a=" VALUE);
	rig_field(&rig.x.answer, "x-basic", "dTpzay1saXZlLVpZWFdWVVRTUlFQT05NTEtK");
	rig_field(&rig.x.answer, "x-other", "left");
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.answer, "location"), "https://x/?k=" KEY "&o=" ODD);
	assert_string_equal(rig_value(&rig.x.answer, "x-form"), "o=" ODD "&x=+");
	assert_string_equal(rig_value(&rig.x.answer, "set-cookie"), "a=" KEY);
	/* base64 of u:weir-key-..., but for the bits that it shares with the colon. */
	assert_string_equal(rig_value(&rig.x.answer, "x-basic"),
			    "dTp3ZWlyLWtleS0wMTIzNDU2Nzg5YWJjZGVm");
	assert_string_equal(rig_value(&rig.x.answer, "x-other"), "left");
	assert_int_equal(rig.secret_events, 1);
	assert_string_equal(rig.action, "masked");
	assert_int_equal(rig.status, 302);
}

static void answers_of_other_hosts_pass(void **state)
{
	setup("other.example.net", true);
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 200);
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig.x.answer.mode, HTTP_BODY_PASS);
}

static void what_cannot_be_read_does_not_come_through(void **state)
{
	setup(HOST, true);
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 200);
	rig_field(&rig.x.answer, "content-encoding", "compress");
	assert_int_equal(rig_go_answer(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 502);
}

static void modes_are_the_cheapest_that_do(void **state)
{
	setup(HOST, true);
	/* ODD changes its length. */
	rig_secrets[0].places = ALL_PLACES;
	rig_request(&rig, "POST", "/");
	rig.x.request.length = 100;
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_SAME);
	rig_answer(&rig, 200);
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig.x.answer.mode, HTTP_BODY_STREAM);

	rig_secrets[1].places = ALL_PLACES;
	rig_request(&rig, "POST", "/");
	rig.x.request.length = 100;
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_WHOLE);
	rig_request(&rig, "POST", "/");
	rig.x.request.length = 17u << 20;
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_STREAM);
	/* No body. */
	rig_request(&rig, "HEAD", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_PASS);
	rig_answer(&rig, 200);
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig.x.answer.mode, HTTP_BODY_PASS);
	rig_done(&rig);

	rig_clear_secrets();
	rig_add_secret("API_KEY", KEY, VALUE, HOST);
	rig_init(&rig, HOST, true);
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	rig_answer(&rig, 200);
	assert_int_equal(rig_go_answer(&rig), HTTP_GO);
	assert_int_equal(rig.x.answer.mode, HTTP_BODY_SAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(other_names_are_misdirected, teardown),
		cmocka_unit_test_teardown(connections_without_a_name_are_for_their_address,
					  teardown),
		cmocka_unit_test_teardown(connect_gives_the_proxy_no_placeholder, teardown),
		cmocka_unit_test_teardown(targets_in_absolute_form_are_judged, teardown),
		cmocka_unit_test_teardown(the_policy_and_its_rules_decide, teardown),
		cmocka_unit_test_teardown(a_value_is_not_in_an_event, teardown),
		cmocka_unit_test_teardown(a_header_gets_the_value, teardown),
		cmocka_unit_test_teardown(basic_credentials_are_made_anew, teardown),
		cmocka_unit_test_teardown(path_and_query_are_written_with_percent_signs, teardown),
		cmocka_unit_test_teardown(where_a_secret_is_not_put_in_its_placeholder_goes_on,
					  teardown),
		cmocka_unit_test_teardown(other_hosts_get_nothing, teardown),
		cmocka_unit_test_teardown(violations_do_what_was_asked, teardown),
		cmocka_unit_test_teardown(passthrough_hosts_get_the_placeholder, teardown),
		cmocka_unit_test_teardown(nothing_is_put_in_without_a_verified_host, teardown),
		cmocka_unit_test_teardown(without_a_holder_the_request_is_refused, teardown),
		cmocka_unit_test_teardown(an_exchange_may_end_while_it_waits, teardown),
		cmocka_unit_test_teardown(a_value_that_no_header_may_hold_is_not_put_there,
					  teardown),
		cmocka_unit_test_teardown(required_secrets_have_to_be_there, teardown),
		cmocka_unit_test_teardown(trailers_are_looked_into, teardown),
		cmocka_unit_test_teardown(requests_to_concerned_hosts_are_restricted, teardown),
		cmocka_unit_test_teardown(values_in_answers_become_placeholders, teardown),
		cmocka_unit_test_teardown(answers_of_other_hosts_pass, teardown),
		cmocka_unit_test_teardown(what_cannot_be_read_does_not_come_through, teardown),
		cmocka_unit_test_teardown(modes_are_the_cheapest_that_do, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
