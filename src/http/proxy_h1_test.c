// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/1 proxy: what each side gets for what the other sent. Each case runs in many random
 * pieces and orders, with hooks that wait and outputs that are taken late; all must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/proxy_h1_flow.h"

/* ---- messages ---- */

static void messages_go_through(void **state)
{
	FLOW(.guest = GET, .answer = {OK2}, .upstream = GET, .client = OK2);
	FLOW(.guest = "POST /a?b HTTP/1.1\r\nhost:  a.example \r\nX-y:z\r\nContent-length: "
		      "5\r\n\r\nhelloDELETE /b HTTP/1.1\r\n" HOST "\r\n",
	     .answer = {"HTTP/1.1 404\r\nServer: x\r\ncontent-length: 0\r\n\r\n", OK2},
	     .upstream = "POST /a?b HTTP/1.1\r\nhost: a.example\r\nX-y: z\r\nContent-length: "
			 "5\r\n\r\nhelloDELETE /b HTTP/1.1\r\n" HOST "\r\n",
	     .client = "HTTP/1.1 404 \r\nServer: x\r\ncontent-length: 0\r\n\r\n" OK2);
	FLOW(.guest = POST "Content-Length: 0\r\n\r\n" POST "\r\n", .answer = {OK2, OK2},
	     .upstream = POST "Content-Length: 0\r\n\r\n" POST "\r\n", .client = OK2 OK2);
}

static void chunks_keep_their_sizes(void **state)
{
	FLOW(.guest = POST "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
			   "0005\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum:1\r\n\r\n" GET,
	     .answer = {OK "transfer-encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", OK2},
	     .upstream = POST "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
			      "5\r\nhello\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n" GET,
	     .client = OK "transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" OK2);
}

static void targets_are_written_as_they_came(void **state)
{
	FLOW(.guest = "GET http://a.example/x HTTP/1.1\r\n" HOST "\r\n"
		      "GET HTTP://a.example:80?q HTTP/1.1\r\n" HOST "\r\n"
		      "OPTIONS http://a.example HTTP/1.1\r\n" HOST "\r\n"
		      "GET http://a.example HTTP/1.1\r\n" HOST "\r\n"
		      "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	     .answer = {OK2, OK2, OK2, OK2, OK2},
	     .upstream = "GET http://a.example/x HTTP/1.1\r\n" HOST "\r\n"
			 "GET HTTP://a.example:80/?q HTTP/1.1\r\n" HOST "\r\n"
			 "OPTIONS http://a.example HTTP/1.1\r\n" HOST "\r\n"
			 "GET http://a.example/ HTTP/1.1\r\n" HOST "\r\n"
			 "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	     .client = OK2 OK2 OK2 OK2 OK2);
	FLOW(.guest = "GET http://a.example/ HTTP/1.1\r\n" HOST "\r\n", .scheme = "https",
	     .upstream = END, .client = "HTTP/1.1 400 Bad Request\r\n" END);
}

static void answers_without_a_body(void **state)
{
	FLOW(.guest = "HEAD / HTTP/1.1\r\n" HOST "\r\n" GET GET "HEAD / HTTP/1.1\r\n" HOST
		      "\r\n" GET,
	     .answer = {OK "Content-Length: 70\r\n\r\n",
			"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
			OK "Transfer-Encoding: chunked\r\n\r\n", OK2},
	     .client = OK "Content-Length: 70\r\n\r\n"
			  "HTTP/1.1 204 No Content\r\n\r\n"
			  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" OK
			  "Transfer-Encoding: chunked\r\n\r\n" OK2);
}

static void interim_answers_are_passed(void **state)
{
	FLOW(.guest = POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	     .answer = {"HTTP/1.1 100 Continue\r\n\r\n"
			"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK2},
	     .rig.early = true,
	     .upstream = POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	     .client = "HTTP/1.1 100 Continue\r\n\r\n"
		       "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK2);
	/* HTTP/1.0 knows none. */
	FLOW(.guest = "GET / HTTP/1.0\r\n\r\n", .answer = {"HTTP/1.1 103 Hi\r\n\r\n" OK2},
	     .client = OK "Content-Length: 2\r\nConnection: close\r\n\r\nok" END);
	/* What it says of them means nothing, and must not in what it becomes. */
	FLOW(.guest = "POST / HTTP/1.0\r\n" HOST "Expect: x\r\nContent-Length: 1\r\n\r\nh",
	     .rig.request_mode = HTTP_BODY_STREAM,
	     .upstream = POST "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
			      "2\r\nhh\r\n0\r\n\r\n",
	     .client = "");
}

static void early_answers_go_before_the_request_has_ended(void **state)
{
	FLOW(.guest = POST "Content-Length: 9\r\n\r\nhalf", .answer = {OK2}, .rig.early = true,
	     .upstream = POST "Content-Length: 9\r\n\r\nhalf", .client = OK2);
	FLOW(.guest = POST "Content-Length: 4\r\n\r\nfour" GET, .answer = {OK2, OK2},
	     .rig.early = true, .upstream = POST "Content-Length: 4\r\n\r\nfour" GET,
	     .client = OK2 OK2);
}

static void an_early_answer_that_closes_cuts_the_request(void **state)
{
	FLOW(.guest = POST "Content-Length: 9\r\n\r\nhalf",
	     .answer = {OK "Connection: close\r\n"
			   "Content-Length: 0\r\n\r\n"},
	     .rig.early = true, .upstream = NULL,
	     .client = OK "Connection: close\r\nContent-Length: 0\r\n\r\n" END);
	struct flow f = {.guest = POST "Content-Length: 9\r\n\r\nhalf",
			 .answer = {OK "Connection: close\r\nContent-Length: 0\r\n\r\n"},
			 .rig.early = true};
	struct proxy_rig r;
	flow_run(&f, &r, 0);
	assert_int_equal(r.state[HTTP_UPSTREAM], HTTP_PROXY_CUT);
	proxy_rig_done(&r);
}

/* ---- hop by hop ---- */

static void fields_of_one_hop_stay_behind(void **state)
{
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "Connection: x-a, Keep-Alive ,X-B\r\nX-A: 1\r\n"
		      "x-b: 2\r\nX-C: 3\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\n"
		      "HTTP2-Settings: x\r\nUpgrade: h2c\r\n\r\n",
	     .answer = {OK "Connection: x-d,keep-alive\r\nX-d: 1\r\nKeep-Alive: timeout=5\r\n"
			   "Upgrade: h2\r\nContent-Length: 0\r\n\r\n"},
	     .upstream = "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nX-C: 3\r\n\r\n",
	     .client = OK "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
			  "Content-Length: 0\r\n\r\n");
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "TE: trailers, gzip\r\nConnection: TE, x\r\n\r\n",
	     .upstream = "GET / HTTP/1.1\r\n" HOST "TE: trailers\r\nConnection: TE\r\n\r\n",
	     .client = "");
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "TE: trailers\r\n\r\n",
	     .upstream = "GET / HTTP/1.1\r\n" HOST "\r\n", .client = "");
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "TE: trailers\r\nTE: trailers\r\n"
		      "Connection: TE\r\nConnection: close, Upgrade\r\nUpgrade: a\r\n\r\n",
	     .upstream = "GET / HTTP/1.1\r\n" HOST "TE: trailers\r\n"
			 "Connection: close, Upgrade, TE\r\nUpgrade: a\r\n\r\n",
	     .client = "");
	/* h2c is taken out, what else there is stays. */
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\n"
		      "Upgrade: h2c, websocket\r\nHTTP2-Settings: x\r\n\r\n",
	     .upstream = "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n"
			 "Upgrade: websocket\r\n\r\n",
	     .client = "");
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" GET,
	     .answer = {OK2, OK2}, .upstream = GET GET, .client = OK2 OK2);
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n" GET,
	     .answer = {OK2, OK2}, .upstream = GET GET, .client = OK2 OK2);
}

static void fields_that_have_no_sense_any_more(void **state)
{
	FLOW(.guest = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	     .answer = {OK "Content-Length: 0\r\n\r\n"},
	     .client = OK "Content-Length: 0\r\nConnection: close\r\n\r\n" END);
	FLOW(.guest = GET,
	     .answer = {OK "Connection: close, keep-alive\r\nKeep-Alive: 5\r\n"
			   "Content-Length: 0\r\n\r\n"},
	     .client = OK "Connection: close\r\nContent-Length: 0\r\n\r\n" END);
	FLOW(.guest = POST "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
	     .rig.request_mode = HTTP_BODY_WHOLE, .upstream = POST "Content-Length: 0\r\n\r\n",
	     .client = "");
}

static void too_many_names_in_connection(void **state)
{
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,"
		      "s,t,u,v,w,x,y,z,1,2,3,4,5,6,7,8,9\r\n\r\n",
	     .upstream = END, .client = "HTTP/1.1 431 Request Header Fields Too Large\r\n" END);
}

/* ---- ends of connections ---- */

static void connections_close_where_a_side_says_so(void **state)
{
	FLOW(.guest = "GET / HTTP/1.1\r\n" HOST CLOSE "\r\n" GET, .answer = {OK2, OK2},
	     .upstream = "GET / HTTP/1.1\r\n" HOST CLOSE "\r\n" END,
	     .client = OK "Content-Length: 2\r\nConnection: close\r\n\r\nok" END);
	FLOW(.guest = GET, .answer = {BYE}, .upstream = GET END, .client = BYE END);
	FLOW(.guest = "GET / HTTP/1.0\r\n\r\n", .answer = {OK2},
	     .upstream = "GET / HTTP/1.0\r\n\r\n" END,
	     .client = OK "Content-Length: 2\r\nConnection: close\r\n\r\nok" END);
	FLOW(.guest = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET,
	     .answer = {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
			OK2},
	     .upstream = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET,
	     .client =
		     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n" OK2);
}

static void bodies_until_the_end_of_the_connection(void **state)
{
	FLOW(.guest = GET, .answer = {OK "\r\nall of it"}, .rig.server_end = true,
	     .upstream = GET END, .client = OK CLOSE "\r\nall of it" END);
	FLOW(.guest = GET, .answer = {OK "\r\nall of"}, .upstream = GET,
	     .client = OK CLOSE "\r\nall of");
	/* Chunks are not for HTTP/1.0. */
	FLOW(.guest = "GET / HTTP/1.0\r\n\r\n",
	     .answer = {OK "Transfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\nX: y\r\n\r\n"},
	     .client = OK CLOSE "\r\nall" END);
}

static void half_closes_are_passed(void **state)
{
	FLOW(.guest = GET, .answer = {OK2}, .rig.guest_end = true, .upstream = GET END,
	     .client = OK2);
	FLOW(.guest = GET, .answer = {OK2}, .rig.guest_end = true, .rig.server_end = true,
	     .upstream = GET END, .client = OK2 END);
	/* Half a request is none. */
	FLOW(.guest = GET POST "Content-Length: 5\r\n\r\nhalf", .answer = {OK2},
	     .rig.guest_end = true, .upstream = GET POST "Content-Length: 5\r\n\r\nhalf" CUT,
	     .client = OK2 END);
	FLOW(.guest = GET "GET / HT", .answer = {OK2}, .rig.guest_end = true, .upstream = GET END,
	     .client = OK2);
}

static void a_server_that_closes(void **state)
{
	FLOW(.guest = GET, .answer = {""}, .rig.server_end = true, .upstream = GET END,
	     .client = END);
	FLOW(.guest = GET, .answer = {OK2}, .rig.server_end = true, .upstream = GET END,
	     .client = OK2 END);
	FLOW(.guest = GET, .answer = {OK "Content-Length: 5\r\n\r\nfour"}, .rig.server_end = true,
	     .upstream = GET CUT, .client = OK "Content-Length: 5\r\n\r\nfour" CUT);
	FLOW(.guest = GET, .answer = {OK "Content-Le"}, .rig.server_end = true, .upstream = GET CUT,
	     .client = "HTTP/1.1 502 Bad Gateway\r\n" END);
	FLOW(.guest = GET, .answer = {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
	     .rig.server_end = true, .upstream = GET CUT,
	     .client = OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" CUT);
}

static void a_server_that_closes_behind_an_interim_answer(void **state)
{
	FLOW(.guest = GET, .answer = {"HTTP/1.1 103 Hints\r\n\r\n"}, .rig.server_end = true,
	     .upstream = GET END, .client = "HTTP/1.1 103 Hints\r\n\r\n" END);
}

/* ---- what is refused ---- */

static void bad_requests_are_answered_in_their_place(void **state)
{
	FLOW(.guest = GET GET "GET / HTTP/1.1\r\n" HOST "x\r\n\r\n" GET, .answer = {OK2, OK2, OK2},
	     .upstream = GET GET END, .client = OK2 OK2 "HTTP/1.1 400 Bad Request\r\n" END);
	/* In the middle of a body, of which a part has gone. */
	FLOW(.guest = GET POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nnot a size",
	     .answer = {OK2, OK2},
	     .upstream = GET POST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" CUT,
	     .client = OK2 "HTTP/1.1 400 Bad Request\r\n" END);
	FLOW(.guest = "GET / HTTP/2.0\r\n\r\n", .upstream = END,
	     .client = "HTTP/1.1 505 HTTP Version Not Supported\r\n" END);
	FLOW(.guest = POST "Expect: x\r\n\r\n", .upstream = END,
	     .client = "HTTP/1.1 417 Expectation Failed\r\n" END);
}

static void bad_answers_become_502(void **state)
{
	static const char *const bad[] = {
		"nonsense\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
		OK "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
		OK "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
		OK "X: y\r\n folded\r\n\r\n",
		OK "X : y\r\n\r\n",
		OK "X: y\rz\r\n\r\n",
		OK "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,"
		   "7\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		FLOW(.guest = GET, .answer = {bad[i]}, .upstream = GET CUT,
		     .client = "HTTP/1.1 502 Bad Gateway\r\n" END);
	FLOW(.guest = GET, .answer = {OK "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n"},
	     .upstream = GET CUT, .client = OK "Transfer-Encoding: chunked\r\n\r\n" CUT);
	/* Nobody asked. */
	FLOW(.guest = GET, .answer = {OK2 OK2}, .upstream = NULL, .client = OK2 END);
	FLOW(.guest = "", .answer = {OK2}, .rig.eager = true, .upstream = CUT, .client = END);
	FLOW(.guest = "GET", .answer = {OK2}, .rig.eager = true, .upstream = CUT, .client = END);
}

/* ---- answers out of their place ---- */

static enum http_step collect(struct http_filter *f, struct http_exchange *x)
{
	if (x->request.length)
		x->request.mode = HTTP_BODY_WHOLE;
	return HTTP_GO;
}

/* A server that answers what it cannot have read yet would have its answer taken for another's. */
static void answers_before_their_request_are_refused(void **state)
{
	static const struct http_filter_ops ops = {.request = collect};
	struct http_filter filter = {.ops = &ops};
	struct http_proxy *p = http_proxy_h1_new(&filter, "http", NULL);

	/* It is written, but has not gone. */
	flow_give(p, HTTP_GUEST, GET);
	flow_give(p, HTTP_UPSTREAM, OK2);
	flow_assert_guest(p, "HTTP/1.1 502", HTTP_PROXY_END);
	/* The second one has not gone, while the first one is answered. */
	p = http_proxy_h1_new(&filter, "http", NULL);
	flow_give(p, HTTP_GUEST, GET);
	flow_send_all(p, HTTP_UPSTREAM);
	flow_give(p, HTTP_GUEST, GET);
	flow_give(p, HTTP_UPSTREAM, OK2 OK2);
	flow_send_all(p, HTTP_GUEST);
	assert_int_equal(http_proxy_state(p, HTTP_GUEST), HTTP_PROXY_END);
	http_proxy_free(p);
	/* It is not even written, for its body is collected. */
	p = http_proxy_h1_new(&filter, "http", NULL);
	flow_give(p, HTTP_GUEST, GET);
	flow_send_all(p, HTTP_UPSTREAM);
	flow_give(p, HTTP_UPSTREAM, OK2);
	flow_send_all(p, HTTP_GUEST);
	flow_give(p, HTTP_GUEST, POST "Content-Length: 5\r\n\r\nhalf");
	flow_give(p, HTTP_UPSTREAM, OK2);
	http_proxy_run(p);
	struct view v = http_proxy_output(p, HTTP_GUEST);
	assert_true(v.len > 12 && memcmp(v.p, "HTTP/1.1 502", 12) == 0);
	assert_int_equal(http_proxy_output(p, HTTP_UPSTREAM).len, 0);
	http_proxy_free(p);
}

static void a_second_answer_to_one_request_is_refused(void **state)
{
	static const struct http_filter_ops none = {0};
	struct http_filter filter = {.ops = &none};
	struct http_proxy *p = http_proxy_h1_new(&filter, "http", NULL);

	flow_give(p, HTTP_GUEST, POST "Content-Length: 5\r\n\r\nhalf");
	flow_send_all(p, HTTP_UPSTREAM);
	flow_give(p, HTTP_UPSTREAM, OK2);
	assert_int_equal(http_proxy_state(p, HTTP_GUEST), HTTP_PROXY_OPEN);
	flow_give(p, HTTP_UPSTREAM, OK2);
	flow_assert_guest(p, OK2, HTTP_PROXY_CUT);
}

/* ---- tunnels ---- */

#define WS      "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define WS_101  "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define CONNECT "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"

static void switched_connections_are_tunnels(void **state)
{
	FLOW(.guest = GET WS "GET / not HTTP", .answer = {OK2, WS_101}, .rig.guest_end = true,
	     .upstream = GET WS "GET / not HTTP" END, .client = OK2 WS_101);
	FLOW(.guest = WS "hello", .answer = {WS_101 "world"}, .rig.server_end = true,
	     .rig.request_mode = HTTP_BODY_SAME, .rig.answer_mode = HTTP_BODY_STREAM,
	     .upstream = WS "HELLO", .client = WS_101 "wwoorrlldd" END);
	FLOW(.guest = CONNECT "hello", .answer = {OK "Content-Length: 3\r\n\r\nworld"},
	     .rig.guest_end = true, .rig.server_end = true, .upstream = CONNECT "hello" END,
	     .client = OK "\r\nworld" END);
	/* One side has nothing to say. */
	FLOW(.guest = CONNECT, .answer = {OK "\r\nhello"}, .rig.guest_end = true,
	     .rig.request_mode = HTTP_BODY_WHOLE, .rig.answer_mode = HTTP_BODY_WHOLE,
	     .upstream = CONNECT END, .client = OK "\r\nhheelllloo");
	/* Before the request has ended. */
	FLOW(.guest = POST
	     "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\nbodytunnel",
	     .answer = {"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: X\r\n\r\ntunnel"},
	     .rig.early = true, .rig.guest_end = true,
	     .upstream = POST "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\n"
			      "bodytunnel" END,
	     .client = "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: X\r\n\r\ntunnel");
	/* The server does not. */
	FLOW(.guest = WS GET, .answer = {OK2, OK2}, .upstream = WS GET, .client = OK2 OK2);
	FLOW(.guest = CONNECT GET, .answer = {"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", OK2},
	     .upstream = CONNECT GET, .client = "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n" OK2);
	/* Nothing is read behind it before the answer. */
	FLOW(.guest = CONNECT GET, .upstream = CONNECT, .client = "");
	FLOW(.guest = WS,
	     .answer = {"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n"
			"Upgrade: h2c\r\n\r\n"},
	     .upstream = WS CUT, .client = "HTTP/1.1 502 Bad Gateway\r\n" END);
	FLOW(.guest = WS "hello", .answer = {WS_101 "world"}, .rig.answer_mode = HTTP_BODY_STREAM,
	     .rig.refuse = RIG_ANSWER_BODY, .client = WS_101 CUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_through),
		cmocka_unit_test(chunks_keep_their_sizes),
		cmocka_unit_test(targets_are_written_as_they_came),
		cmocka_unit_test(answers_without_a_body),
		cmocka_unit_test(interim_answers_are_passed),
		cmocka_unit_test(early_answers_go_before_the_request_has_ended),
		cmocka_unit_test(an_early_answer_that_closes_cuts_the_request),
		cmocka_unit_test(fields_of_one_hop_stay_behind),
		cmocka_unit_test(fields_that_have_no_sense_any_more),
		cmocka_unit_test(too_many_names_in_connection),
		cmocka_unit_test(connections_close_where_a_side_says_so),
		cmocka_unit_test(bodies_until_the_end_of_the_connection),
		cmocka_unit_test(half_closes_are_passed),
		cmocka_unit_test(a_server_that_closes),
		cmocka_unit_test(a_server_that_closes_behind_an_interim_answer),
		cmocka_unit_test(bad_requests_are_answered_in_their_place),
		cmocka_unit_test(bad_answers_become_502),
		cmocka_unit_test(answers_before_their_request_are_refused),
		cmocka_unit_test(a_second_answer_to_one_request_is_refused),
		cmocka_unit_test(switched_connections_are_tunnels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
