// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/1 proxy: what each side gets for what the other sent. Each case runs in many random
 * pieces and orders, with hooks that wait and outputs that are taken late; all must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/proxy_h1_rig.h"
#include "http/text.h"

#define SEEDS 60

#define HOST "Host: a.example\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST "\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST
#define OK   "HTTP/1.1 200 OK\r\n"
#define OK2  OK "Content-Length: 2\r\n\r\nok"

/* Behind what there is of an output. */
#define OPEN ""
#define END  "[end]"
#define CUT  "[cut]"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

struct flow {
	const char *guest;
	const char *answer[6];
	const char *upstream, *client; /* what they get */
	struct proxy_rig rig;          /* its settings */
	const char *scheme;
};

static const char *const state_name[] = {OPEN, END, CUT};

static void assert_output(const struct flow *f, struct proxy_rig *r, enum http_side side,
			  const char *want)
{
	static char got[200000];
	struct view v = buf_view(&r->out[side]);

	snprintf(got, sizeof(got), "%.*s%s", (int)v.len, v.p, state_name[r->state[side]]);
	if (want && strcmp(got, want) != 0)
		fail_msg("seed %u: the guest sends\n%s\nthe %s gets\n%s\nand not\n%s", r->seed,
			 f->guest, side == HTTP_GUEST ? "guest" : "upstream", got, want);
}

/* A denial's body is JSON that other tests look at: only its status line is compared. */
static void cut_denial(struct proxy_rig *r)
{
	struct buf *b = &r->out[HTTP_GUEST];
	const char *mark = "Content-Type: application/json\r\n";
	uint8_t *at = b->len ? memmem(b->mem + b->start, b->len, mark, strlen(mark)) : NULL;

	if (at)
		b->len = (size_t)(at - b->mem) - b->start;
}

static void run(const struct flow *f, struct proxy_rig *r, unsigned seed)
{
	*r = f->rig;
	r->seed = seed;
	r->slow = seed % 3 == 2;
	r->many_waits = seed % 4 == 3;
	r->guest = text(f->guest);
	while (r->answers < 6 && f->answer[r->answers]) {
		r->answer[r->answers] = text(f->answer[r->answers]);
		r->answers++;
	}
	proxy_rig_run(r, f->scheme ? f->scheme : "http");
}

static void assert_flow(const struct flow *f)
{
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct proxy_rig r;
		run(f, &r, seed);
		cut_denial(&r);
		assert_output(f, &r, HTTP_UPSTREAM, f->upstream);
		assert_output(f, &r, HTTP_GUEST, f->client);
		proxy_rig_done(&r);
	}
}

#define FLOW(...) assert_flow(&(struct flow){__VA_ARGS__})

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
	run(&f, &r, 0);
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

#define CLOSE "Connection: close\r\n"
#define BYE   OK CLOSE "Content-Length: 0\r\n\r\n"

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

static void give(struct http_proxy *p, enum http_side side, const char *s)
{
	http_proxy_input(p, side, text(s));
}

static void send_all(struct http_proxy *p, enum http_side side)
{
	http_proxy_sent(p, side, http_proxy_output(p, side).len);
}

static void assert_guest(struct http_proxy *p, const char *start, enum http_proxy_state want)
{
	struct view v = http_proxy_output(p, HTTP_GUEST);

	assert_true(v.len >= strlen(start) && memcmp(v.p, start, strlen(start)) == 0);
	assert_int_equal(http_proxy_state(p, HTTP_GUEST), want);
	assert_int_equal(http_proxy_state(p, HTTP_UPSTREAM), HTTP_PROXY_CUT);
	http_proxy_free(p);
}

/* A server that answers what it cannot have read yet would have its answer taken for another's. */
static void answers_before_their_request_are_refused(void **state)
{
	static const struct http_filter_ops ops = {.request = collect};
	struct http_filter filter = {.ops = &ops};
	struct http_proxy *p = http_proxy_h1_new(&filter, "http", NULL);

	/* It is written, but has not gone. */
	give(p, HTTP_GUEST, GET);
	give(p, HTTP_UPSTREAM, OK2);
	assert_guest(p, "HTTP/1.1 502", HTTP_PROXY_END);
	/* The second one has not gone, while the first one is answered. */
	p = http_proxy_h1_new(&filter, "http", NULL);
	give(p, HTTP_GUEST, GET);
	send_all(p, HTTP_UPSTREAM);
	give(p, HTTP_GUEST, GET);
	give(p, HTTP_UPSTREAM, OK2 OK2);
	send_all(p, HTTP_GUEST);
	assert_int_equal(http_proxy_state(p, HTTP_GUEST), HTTP_PROXY_END);
	http_proxy_free(p);
	/* It is not even written, for its body is collected. */
	p = http_proxy_h1_new(&filter, "http", NULL);
	give(p, HTTP_GUEST, GET);
	send_all(p, HTTP_UPSTREAM);
	give(p, HTTP_UPSTREAM, OK2);
	send_all(p, HTTP_GUEST);
	give(p, HTTP_GUEST, POST "Content-Length: 5\r\n\r\nhalf");
	give(p, HTTP_UPSTREAM, OK2);
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

	give(p, HTTP_GUEST, POST "Content-Length: 5\r\n\r\nhalf");
	send_all(p, HTTP_UPSTREAM);
	give(p, HTTP_UPSTREAM, OK2);
	assert_int_equal(http_proxy_state(p, HTTP_GUEST), HTTP_PROXY_OPEN);
	give(p, HTTP_UPSTREAM, OK2);
	assert_guest(p, OK2, HTTP_PROXY_CUT);
}

/* ---- the filter refuses ---- */

static void refused_by_each_hook(void **state)
{
	static const struct flow head = {.guest = "HEAD / HTTP/1.1\r\n" HOST "\r\n",
					 .rig.refuse = RIG_REQUEST};
	struct proxy_rig r;
	run(&head, &r, 0);
	struct view v = buf_view(&r.out[HTTP_GUEST]);
	assert_memory_equal(v.p + v.len - 4, "\r\n\r\n", 4);
	proxy_rig_done(&r);
	run(&head, &r, 0);
	assert_int_equal(r.refused, 0); /* by the proxy itself */
	proxy_rig_done(&r);
#define BODY "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n"
#define NO   "HTTP/1.1 403 Forbidden\r\n" END
	FLOW(.guest = GET POST BODY, .answer = {OK2, OK2}, .rig.refuse = RIG_REQUEST,
	     .rig.refuse_after = 1, .upstream = GET END, .client = OK2 NO);
	FLOW(.guest = POST BODY, .rig.request_mode = HTTP_BODY_STREAM,
	     .rig.refuse = RIG_REQUEST_BODY,
	     .upstream = POST "Transfer-Encoding: chunked\r\n\r\n" CUT, .client = NO);
	FLOW(.guest = POST BODY, .rig.request_mode = HTTP_BODY_WHOLE,
	     .rig.refuse = RIG_REQUEST_BODY, .upstream = END, .client = NO);
	FLOW(.guest = POST BODY, .rig.request_mode = HTTP_BODY_WHOLE, .rig.refuse = RIG_REQUEST_END,
	     .upstream = END, .client = NO);
	FLOW(.guest = POST BODY, .rig.refuse = RIG_REQUEST_TRAILERS,
	     .upstream = POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n" CUT, .client = NO);
	FLOW(.guest = GET GET, .answer = {OK2, OK2}, .rig.refuse = RIG_ANSWER,
	     .rig.refuse_after = 1, .upstream = NULL, .client = OK2 NO);
	FLOW(.guest = GET, .answer = {OK2}, .rig.answer_mode = HTTP_BODY_SAME,
	     .rig.refuse = RIG_ANSWER_BODY, .upstream = GET CUT,
	     .client = OK "Content-Length: 2\r\n\r\n" CUT);
	FLOW(.guest = GET, .answer = {OK2}, .rig.answer_mode = HTTP_BODY_WHOLE,
	     .rig.refuse = RIG_ANSWER_BODY, .upstream = GET CUT, .client = NO);
	FLOW(.guest = GET, .answer = {OK BODY}, .rig.refuse = RIG_ANSWER_TRAILERS,
	     .upstream = GET CUT, .client = OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n" CUT);
	FLOW(.guest = "HEAD / HTTP/1.1\r\n" HOST "\r\n", .rig.refuse = RIG_REQUEST, .upstream = END,
	     .client = NO);
}

/* ---- bodies that change ---- */

static void whole_bodies_get_their_length(void **state)
{
	FLOW(.guest = POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nX: "
			   "y\r\n\r\n" GET,
	     .answer = {OK2, OK2}, .rig.request_mode = HTTP_BODY_WHOLE,
	     .upstream = POST "Content-Length: 6\r\n\r\naabbcc" GET, .client = OK2 OK2);
	FLOW(.guest = GET, .answer = {OK "\r\nhi"}, .rig.answer_mode = HTTP_BODY_WHOLE,
	     .rig.server_end = true, .upstream = GET END,
	     .client = OK "Content-Length: 4\r\nConnection: close\r\n\r\nhhii" END);
	/* The head is not there before the body. */
	FLOW(.guest = POST "Content-Length: 4\r\n\r\nabc", .rig.request_mode = HTTP_BODY_WHOLE,
	     .upstream = "", .client = "");
	FLOW(.guest = POST "Content-Length: 0\r\n\r\n" GET, .answer = {OK2, OK2},
	     .rig.request_mode = HTTP_BODY_WHOLE, .rig.answer_mode = HTTP_BODY_WHOLE,
	     .upstream = POST "Content-Length: 0\r\n\r\n" GET,
	     .client = OK "Content-Length: 4\r\n\r\nookk" OK "Content-Length: 4\r\n\r\nookk");
	/* A HEAD's answer must not tell the length of another body. */
	FLOW(.guest = "HEAD / HTTP/1.1\r\n" HOST "\r\n", .answer = {OK "Content-Length: 7\r\n\r\n"},
	     .rig.answer_mode = HTTP_BODY_WHOLE, .client = OK "\r\n");
}

#define EXPECT POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"

static void a_100_for_a_body_that_is_collected(void **state)
{
	/* The upstream will not send one, for it does not see the head. */
	FLOW(.guest = GET EXPECT, .answer = {OK2}, .rig.request_mode = HTTP_BODY_WHOLE,
	     .upstream = GET, .client = OK2 "HTTP/1.1 100 Continue\r\n\r\n");
	FLOW(.guest = EXPECT "hi", .rig.request_mode = HTTP_BODY_WHOLE,
	     .upstream = POST "Content-Length: 4\r\n\r\nhhii",
	     .client = "HTTP/1.1 100 Continue\r\n\r\n");
	/* Where the body does not wait, none is needed. */
	FLOW(.guest = GET EXPECT "hi", .rig.request_mode = HTTP_BODY_WHOLE,
	     .upstream = GET POST "Content-Length: 4\r\n\r\nhhii", .client = "");
}

static void same_bodies_keep_their_length(void **state)
{
	FLOW(.guest = POST "Content-Length: 3\r\n\r\nabc", .answer = {OK2},
	     .rig.request_mode = HTTP_BODY_SAME, .rig.answer_mode = HTTP_BODY_SAME,
	     .upstream = POST "Content-Length: 3\r\n\r\nABC",
	     .client = OK "Content-Length: 2\r\n\r\nOK");
}

/* Of each stream in chunks: the content. The heads are compared as they are. */
static void streamed_bodies_are_chunked(void **state)
{
	static const struct flow f = {
		.guest = POST "Content-Length: 3\r\n\r\nabc" GET,
		.answer = {OK "Content-Length: 2\r\n\r\nhi",
			   OK "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nY: z\r\n\r\n"},
		.rig.request_mode = HTTP_BODY_STREAM,
		.rig.answer_mode = HTTP_BODY_STREAM,
	};
	struct proxy_rig r;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		run(&f, &r, seed);
		assert_int_equal(r.requests, 2);
		assert_int_equal(r.replies, 2);
		if (seed == 0) {
			assert_output(&f, &r, HTTP_UPSTREAM,
				      POST "Transfer-Encoding: chunked\r\n\r\n"
					   "6\r\naabbcc\r\n0\r\n\r\n" GET);
			assert_output(&f, &r, HTTP_GUEST,
				      OK
				      "Transfer-Encoding: chunked\r\n\r\n4\r\nhhii\r\n0\r\n\r\n" OK
				      "Transfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n"
				      "0\r\nY: z\r\n\r\n");
		}
		proxy_rig_done(&r);
	}
	FLOW(.guest = "GET / HTTP/1.0\r\n\r\n", .answer = {OK2},
	     .rig.answer_mode = HTTP_BODY_STREAM, .client = OK CLOSE "\r\nookk" END);
	/* With a Host field a request can be made one that has chunks. */
	FLOW(.guest = "POST / HTTP/1.0\r\n" HOST "Content-Length: 1\r\n\r\nx",
	     .rig.request_mode = HTTP_BODY_STREAM,
	     .upstream = "POST / HTTP/1.1\r\n" HOST
			 "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
			 "2\r\nxx\r\n0\r\n\r\n",
	     .client = "");
	FLOW(.guest = "POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
	     .rig.request_mode = HTTP_BODY_STREAM, .upstream = END,
	     .client = "HTTP/1.1 400 Bad Request\r\n" END);
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

/* ---- changed heads ---- */

static void change_request(struct proxy_rig *r, struct http_exchange *x)
{
	struct http_field *f = http_head_find(&x->request, "x-old", NULL);

	if (f)
		assert_true(http_head_set_value(&x->request, (size_t)(f - x->request.fields.list),
						text("new")));
	assert_true(http_head_add(&x->request, "X-More", text("more")));
	assert_true(http_head_set_path(&x->request, text("/changed")));
}

static void heads_that_the_filter_changed(void **state)
{
	FLOW(.guest = "GET http://a.example/x HTTP/1.1\r\n" HOST "X-Old: old\r\n\r\n",
	     .rig.on_request = change_request, .client = "",
	     .upstream = "GET http://a.example/changed HTTP/1.1\r\n" HOST
			 "X-Old: new\r\nX-More: more\r\n\r\n");
}

static void change_badly(struct proxy_rig *r, struct http_exchange *x)
{
	assert_true(http_head_add(&x->request, "X", text("a\r\nGET / HTTP/1.1")));
}

static void split_badly(struct proxy_rig *r, struct http_exchange *x)
{
	assert_true(http_head_set_path(&x->request, text("/ HTTP/1.1")));
}

static void answer_badly(struct proxy_rig *r, struct http_exchange *x)
{
	assert_true(http_head_add(&x->answer, "X Y", text("z")));
}

static enum http_step lengthen(struct http_filter *f, struct http_exchange *x, struct view in,
			       bool end, struct buf *out)
{
	assert_true(buf_append_view(out, in) && buf_append_text(out, "!"));
	return HTTP_GO;
}

static enum http_step shorten(struct http_filter *f, struct http_exchange *x, struct view in,
			      bool end, struct buf *out)
{
	return HTTP_GO;
}

static enum http_step keep_length(struct http_filter *f, struct http_exchange *x)
{
	x->answer.mode = HTTP_BODY_SAME;
	return HTTP_GO;
}

/* A length that was told is kept, or the guest sees that it was not. */
static void a_filter_that_breaks_its_word(void **state)
{
	static const struct http_filter_ops ops[] = {
		{.answer = keep_length, .answer_body = lengthen},
		{.answer = keep_length, .answer_body = shorten},
	};

	for (int i = 0; i < 2; i++) {
		struct http_filter filter = {.ops = &ops[i]};
		struct http_proxy *p = http_proxy_h1_new(&filter, "http", NULL);
		give(p, HTTP_GUEST, GET);
		send_all(p, HTTP_UPSTREAM);
		give(p, HTTP_UPSTREAM, OK2);
		struct view v = http_proxy_output(p, HTTP_GUEST);
		assert_true(http_text_is_exactly(v, OK "Content-Length: 2\r\n\r\n"));
		assert_guest(p, OK, HTTP_PROXY_CUT);
	}
	for (int mode = 0; mode < 4; mode++)
		FLOW(.guest = GET, .answer = {OK2}, .rig.on_answer = answer_badly,
		     .rig.answer_mode = (enum http_body_mode)mode, .upstream = GET CUT,
		     .client = "HTTP/1.1 502 Bad Gateway\r\n" END);
}

static void nothing_is_written_that_reads_as_something_else(void **state)
{
	FLOW(.guest = GET, .rig.on_request = change_badly, .upstream = END,
	     .client = "HTTP/1.1 400 Bad Request\r\n" END);
	FLOW(.guest = GET, .rig.on_request = split_badly, .upstream = END,
	     .client = "HTTP/1.1 400 Bad Request\r\n" END);
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
		cmocka_unit_test(answers_before_their_request_are_refused),
		cmocka_unit_test(a_second_answer_to_one_request_is_refused),
		cmocka_unit_test(too_many_names_in_connection),
		cmocka_unit_test(connections_close_where_a_side_says_so),
		cmocka_unit_test(bodies_until_the_end_of_the_connection),
		cmocka_unit_test(half_closes_are_passed),
		cmocka_unit_test(a_server_that_closes),
		cmocka_unit_test(a_server_that_closes_behind_an_interim_answer),
		cmocka_unit_test(bad_requests_are_answered_in_their_place),
		cmocka_unit_test(bad_answers_become_502),
		cmocka_unit_test(refused_by_each_hook),
		cmocka_unit_test(whole_bodies_get_their_length),
		cmocka_unit_test(a_100_for_a_body_that_is_collected),
		cmocka_unit_test(same_bodies_keep_their_length),
		cmocka_unit_test(streamed_bodies_are_chunked),
		cmocka_unit_test(switched_connections_are_tunnels),
		cmocka_unit_test(heads_that_the_filter_changed),
		cmocka_unit_test(a_filter_that_breaks_its_word),
		cmocka_unit_test(nothing_is_written_that_reads_as_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
