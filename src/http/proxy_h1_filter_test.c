// SPDX-License-Identifier: Apache-2.0
/* The HTTP/1 proxy and a filter that refuses, changes bodies and heads, or breaks its word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/proxy_h1_flow.h"
#include "http/text.h"

/* ---- the filter refuses ---- */

static void refused_by_each_hook(void **state)
{
	static const struct flow head = {.guest = "HEAD / HTTP/1.1\r\n" HOST "\r\n",
					 .rig.refuse = RIG_REQUEST};
	struct proxy_rig r;
	flow_run(&head, &r, 0);
	struct view v = buf_view(&r.out[HTTP_GUEST]);
	assert_memory_equal(v.p + v.len - 4, "\r\n\r\n", 4);
	proxy_rig_done(&r);
	flow_run(&head, &r, 0);
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

	for (unsigned seed = 0; seed < FLOW_SEEDS; seed++) {
		flow_run(&f, &r, seed);
		assert_int_equal(r.requests, 2);
		assert_int_equal(r.replies, 2);
		if (seed == 0) {
			flow_assert_output(&f, &r, HTTP_UPSTREAM,
					   POST "Transfer-Encoding: chunked\r\n\r\n"
						"6\r\naabbcc\r\n0\r\n\r\n" GET);
			flow_assert_output(
				&f, &r, HTTP_GUEST,
				OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhhii\r\n0\r\n\r\n" OK
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

/* ---- changed heads ---- */

static void change_request(struct proxy_rig *r, struct http_exchange *x)
{
	struct http_field *f = http_head_find(&x->request, "x-old", NULL);

	if (f)
		assert_true(http_head_set_value(&x->request, (size_t)(f - x->request.fields.list),
						flow_text("new")));
	assert_true(http_head_add(&x->request, "X-More", flow_text("more")));
	assert_true(http_head_set_path(&x->request, flow_text("/changed")));
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
	assert_true(http_head_add(&x->request, "X", flow_text("a\r\nGET / HTTP/1.1")));
}

static void split_badly(struct proxy_rig *r, struct http_exchange *x)
{
	assert_true(http_head_set_path(&x->request, flow_text("/ HTTP/1.1")));
}

static void answer_badly(struct proxy_rig *r, struct http_exchange *x)
{
	assert_true(http_head_add(&x->answer, "X Y", flow_text("z")));
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
		flow_give(p, HTTP_GUEST, GET);
		flow_send_all(p, HTTP_UPSTREAM);
		flow_give(p, HTTP_UPSTREAM, OK2);
		struct view v = http_proxy_output(p, HTTP_GUEST);
		assert_true(http_text_is_exactly(v, OK "Content-Length: 2\r\n\r\n"));
		flow_assert_guest(p, OK, HTTP_PROXY_CUT);
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
		cmocka_unit_test(refused_by_each_hook),
		cmocka_unit_test(whole_bodies_get_their_length),
		cmocka_unit_test(a_100_for_a_body_that_is_collected),
		cmocka_unit_test(same_bodies_keep_their_length),
		cmocka_unit_test(streamed_bodies_are_chunked),
		cmocka_unit_test(heads_that_the_filter_changed),
		cmocka_unit_test(a_filter_that_breaks_its_word),
		cmocka_unit_test(nothing_is_written_that_reads_as_something_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
