// SPDX-License-Identifier: Apache-2.0
/* Requests that carry a signer's placeholder: signed anew, over the body where that counts. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "intercept/filter_rig.h"

#define HOST "api.example.com"

static struct rig rig;

static int teardown(void **state)
{
	rig_done(&rig);
	rig_clear_secrets();
	return 0;
}

static size_t one_byte(void)
{
	return 1;
}

static void setup(enum secret_signer signer)
{
	rig_clear_secrets();
	struct secret *s =
		rig_add_secret("AWS", "AKIAPLACEHOLDER00000", "AKIATHEREALVALUE1234", HOST);
	s->signer = signer;
	s->header = (char *)"x-signature";
	rig_init(&rig, HOST, true);
}

#define AWS(id, signature)                                               \
	"AWS4-HMAC-SHA256 Credential=" id                                \
	"/20150830/us-east-1/service/aws4_request, SignedHeaders=host, " \
	"Signature=" signature

/* The rig signs by saying what is to be signed. */
static void requests_to_aws_are_signed_anew(void **state)
{
	setup(SECRET_SIGV4);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "authorization", AWS("AKIAPLACEHOLDER00000", "00ff"));
	rig_field(&rig.x.request, "x-amz-date", "20150830T123600Z");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	/* The hash of a canonical request with the empty body's. */
	assert_string_equal(
		rig_value(&rig.x.request, "authorization"),
		AWS("AKIATHEREALVALUE1234",
		    "SIGNED[AWS4-HMAC-SHA256\n20150830T123600Z\n"
		    "20150830/us-east-1/service/aws4_request\n"
		    "e5758870f11f1a74affcf449fb6beac2b2e9d3a64b1608505523e67f8f165d5c]"));
	/* A body is hashed first, wherever it is cut. */
	struct buf out = {0};
	rig_request(&rig, "POST", "/");
	rig.x.request.length = 5;
	rig_field(&rig.x.request, "authorization", AWS("AKIAPLACEHOLDER00000", "00ff"));
	rig_field(&rig.x.request, "x-amz-date", "20150830T123600Z");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_WHOLE);
	assert_int_equal(rig_body(&rig, true, view_make("hello", 5), one_byte, &out), HTTP_GO);
	assert_int_equal(out.len, 5);
	assert_memory_equal(buf_view(&out).p, "hello", 5);
	assert_string_equal(
		rig_value(&rig.x.request, "authorization"),
		AWS("AKIATHEREALVALUE1234",
		    "SIGNED[AWS4-HMAC-SHA256\n20150830T123600Z\n"
		    "20150830/us-east-1/service/aws4_request\n"
		    "a2e1a2aae8c18622d4bfcc45797deadc252880c84e9e300a55877c504c32568a]"));
	buf_done(&out);
	/* Chunks that are signed one by one cannot be. */
	rig_request(&rig, "PUT", "/");
	rig_field(&rig.x.request, "authorization", AWS("AKIAPLACEHOLDER00000", "00ff"));
	rig_field(&rig.x.request, "x-amz-date", "20150830T123600Z");
	rig_field(&rig.x.request, "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 400);
	/* A signature by somebody else's key is nobody's business. */
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "authorization", AWS("AKIASOMEBODY", "00ff"));
	rig_field(&rig.x.request, "x-amz-date", "20150830T123600Z");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "authorization"),
			    AWS("AKIASOMEBODY", "00ff"));
}

static void bodies_are_signed_by_hmac(void **state)
{
	struct buf out = {0};

	setup(SECRET_HMAC);
	rig_secrets[0].require = true;
	rig_request(&rig, "POST", "/");
	rig.x.request.length = HTTP_LENGTH_STREAM;
	rig_field(&rig.x.request, "X-Signature", "sha256=AKIAPLACEHOLDER00000;v=1");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_int_equal(rig.x.request.mode, HTTP_BODY_WHOLE);
	assert_int_equal(rig_body(&rig, true, view_make("hello", 5), one_byte, &out), HTTP_GO);
	assert_int_equal(out.len, 5);
	assert_string_equal(rig_value(&rig.x.request, "x-signature"), "sha256=SIGNED[hello];v=1");
	buf_done(&out);
	/* Without a body. */
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-signature", "AKIAPLACEHOLDER00000");
	assert_int_equal(rig_go(&rig), HTTP_GO);
	assert_string_equal(rig_value(&rig.x.request, "x-signature"), "SIGNED[]");
	/* Required, and not there. */
	rig_request(&rig, "GET", "/");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-signature", "AKIAPLACEHOLDER00000");
	rig_holder_fails = true;
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_int_equal(rig.x.denial.status, 503);
	/* For others it is a placeholder as any. */
	rig_done(&rig);
	rig_init(&rig, "evil.example.net", true);
	rig_request(&rig, "GET", "/");
	rig_field(&rig.x.request, "x-signature", "AKIAPLACEHOLDER00000");
	assert_int_equal(rig_go(&rig), HTTP_REFUSE);
	assert_string_equal(rig.x.denial.reason, "secret-violation");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(requests_to_aws_are_signed_anew, teardown),
		cmocka_unit_test_teardown(bodies_are_signed_by_hmac, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
