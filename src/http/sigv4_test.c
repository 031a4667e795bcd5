// SPDX-License-Identifier: Apache-2.0
/*
 * AWS Signature Version 4: cases of Amazon's own test suite, whose hashes and signatures are known;
 * S3's paths, presigned URLs, and what is refused.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "http/sigv4.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define AUTH(headers)                                                                       \
	"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " \
	"SignedHeaders=" headers ", Signature=00ff"

static struct view text(const char *s)
{
	return view_make(s, strlen(s));
}

static struct http_head head_of(const char *method, const char *path)
{
	return (struct http_head){
		.method = text(method),
		.path = text(path),
		.authority_text = text("example.amazonaws.com"),
		.has_authority = true,
	};
}

static void add(struct http_head *h, const char *name, const char *value)
{
	assert_true(http_head_add(h, name, text(value)));
}

static void hex(const uint8_t *p, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", p[i]);
}

/* What a server does: the signature of a string by the secret key of the example. */
static void sign(struct view string, char ret[65])
{
	static const char *const parts[] = {"20150830", "us-east-1", "service", "aws4_request"};
	uint8_t key[64] = "AWS4" SECRET, mac[32];
	unsigned n = 4 + sizeof(SECRET) - 1;

	for (size_t i = 0; i < 4; i++) {
		HMAC(EVP_sha256(), key, (int)n, (const uint8_t *)parts[i], strlen(parts[i]), mac,
		     NULL);
		memcpy(key, mac, 32);
		n = 32;
	}
	HMAC(EVP_sha256(), key, (int)n, string.p, string.len, mac, NULL);
	hex(mac, 32, ret);
}

/* The canonical request, and its signature. */
static void run(const struct http_head *h, struct buf *canonical, char signature[65])
{
	struct sigv4 s;
	struct buf string = {0};
	uint8_t hash[32];
	char coded[65];

	assert_int_equal(sigv4_read(h, &s), SIGV4_OK);
	assert_true(sigv4_canonical(h, &s, s.payload.len ? s.payload : text(EMPTY), canonical));
	SHA256(buf_view(canonical).p, canonical->len, hash);
	hex(hash, 32, coded);
	assert_true(sigv4_string(&s, text(coded), &string));
	sign(buf_view(&string), signature);
	buf_done(&string);
}

static void assert_canonical(struct http_head *h, const char *want, const char *signature)
{
	struct buf canonical = {0};
	char got[65];

	run(h, &canonical, got);
	if (want) {
		assert_int_equal(canonical.len, strlen(want));
		assert_memory_equal(buf_view(&canonical).p, want, canonical.len);
	}
	if (signature)
		assert_string_equal(got, signature);
	buf_done(&canonical);
	http_fields_done(&h->fields);
}

static void amazons_cases_are_signed_as_amazon_does(void **state)
{
	struct http_head h = head_of("GET", "/");

	add(&h, "X-Amz-Date", "20150830T123600Z");
	add(&h, "Authorization", AUTH("host;x-amz-date"));
	assert_canonical(&h,
			 "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
			 "host;x-amz-date\n" EMPTY,
			 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");

	h = head_of("GET", "/?Param2=value2&Param1=value1");
	add(&h, "X-Amz-Date", "20150830T123600Z");
	add(&h, "Authorization", AUTH("host;x-amz-date"));
	assert_canonical(&h,
			 "GET\n/\nParam1=value1&Param2=value2\nhost:example.amazonaws.com\n"
			 "x-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" EMPTY,
			 "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");

	/* Relative paths of all kinds are the same request as "/". */
	static const char *const roots[] = {"//", "/./", "/example/..", "/example1/example2/../..",
					    "/."};
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		h = head_of("GET", roots[i]);
		add(&h, "X-Amz-Date", "20150830T123600Z");
		add(&h, "Authorization", AUTH("host;x-amz-date"));
		assert_canonical(
			&h, NULL,
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	}
}

static void fields_are_folded_and_joined(void **state)
{
	struct http_head h = head_of("POST", "/a%20b/./c//d/");

	add(&h, "My-Header1", "  a   b   c  ");
	add(&h, "My-Header1", "d");
	add(&h, "X-Amz-Date", "20150830T123600Z");
	add(&h, "Authorization", AUTH("content-length;host;my-header1;x-amz-date"));
	h.length = 17;
	assert_canonical(&h,
			 "POST\n/a%2520b/c/d/\n\ncontent-length:17\nhost:example.amazonaws.com\n"
			 "my-header1:a b c,d\nx-amz-date:20150830T123600Z\n\n"
			 "content-length;host;my-header1;x-amz-date\n" EMPTY,
			 NULL);
}

static void s3_has_paths_of_its_own(void **state)
{
	struct http_head h = head_of("GET", "/b/../k%20e+y//x?list-type=2&prefix=a/b&acl");

	add(&h, "X-Amz-Date", "20150830T123600Z");
	add(&h, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
	add(&h, "Authorization",
	    "AWS4-HMAC-SHA256 Credential=A/20150830/eu-west-1/s3/aws4_request,"
	    "SignedHeaders=host;x-amz-content-sha256,Signature=00");
	assert_canonical(&h,
			 "GET\n/b/../k%20e%2By//x\nacl=&list-type=2&prefix=a%2Fb\n"
			 "host:example.amazonaws.com\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n\n"
			 "host;x-amz-content-sha256\nUNSIGNED-PAYLOAD",
			 NULL);
}

#define QUERY                                                                                     \
	"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2F" \
	"s3%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host"

static void presigned_urls_are_read(void **state)
{
	struct http_head h = head_of("GET", "/k?" QUERY "&X-Amz-Signature=00ff");
	struct sigv4 s;

	assert_int_equal(sigv4_read(&h, &s), SIGV4_OK);
	assert_true(s.in_query);
	assert_true(sigv4_set(&h, &s, text("OTHER"), text("abcd")));
	const char *want = "/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=OTHER%2F20150830"
			   "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20150830T123600Z&"
			   "X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=abcd";
	assert_int_equal(h.path.len, strlen(want));
	assert_memory_equal(h.path.p, want, h.path.len);
	http_fields_done(&h.fields);
	h = head_of("GET", "/k?" QUERY "&X-Amz-Signature=00ff");
	assert_canonical(&h,
			 "GET\n/k\n" QUERY "\nhost:example.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD",
			 NULL);
}

static void an_id_and_a_signature_are_exchanged(void **state)
{
	struct http_head h = head_of("GET", "/");
	struct sigv4 s;

	add(&h, "Authorization", AUTH("host;x-amz-date"));
	add(&h, "X-Amz-Date", "20150830T123600Z");
	assert_int_equal(sigv4_read(&h, &s), SIGV4_OK);
	assert_true(sigv4_set(&h, &s, text("X"), text("beef")));
	const char *want = "AWS4-HMAC-SHA256 Credential=X/20150830/us-east-1/service/aws4_request, "
			   "SignedHeaders=host;x-amz-date, Signature=beef";
	assert_int_equal(h.fields.list[0].value.len, strlen(want));
	assert_memory_equal(h.fields.list[0].value.p, want, strlen(want));
	http_fields_done(&h.fields);
}

static void what_cannot_be_signed_anew_is_told(void **state)
{
	static const struct {
		const char *authorization, *sha;
		enum sigv4_result want;
	} t[] = {
		{AUTH("host"), NULL, SIGV4_OK},
		{"Bearer x", NULL, SIGV4_NONE},
		{AUTH("host"), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_UNFIT},
		{"AWS4-ECDSA-P256-SHA256 Credential=A/20150830/s3/aws4_request", NULL, SIGV4_UNFIT},
		{"AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request", NULL, SIGV4_UNFIT},
		{AUTH("host") ", Signature=01", NULL, SIGV4_UNFIT},
		{AUTH("host") ", Other=01", NULL, SIGV4_UNFIT},
		{"AWS4-HMAC-SHA256 Credential=A/2015/r/s/aws4_request,SignedHeaders=host,"
		 "Signature=0",
		 NULL, SIGV4_UNFIT},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_head h = head_of("GET", "/");
		struct sigv4 s;
		add(&h, "Authorization", t[i].authorization);
		add(&h, "X-Amz-Date", "20150830T123600Z");
		if (t[i].sha)
			add(&h, "X-Amz-Content-Sha256", t[i].sha);
		assert_int_equal(sigv4_read(&h, &s), t[i].want);
		http_fields_done(&h.fields);
	}
	/* A field that is signed and not there. */
	struct http_head h = head_of("GET", "/");
	struct sigv4 s;
	struct buf b = {0};
	add(&h, "Authorization", AUTH("host;x-gone"));
	add(&h, "X-Amz-Date", "20150830T123600Z");
	assert_int_equal(sigv4_read(&h, &s), SIGV4_OK);
	assert_false(sigv4_canonical(&h, &s, text(EMPTY), &b));
	buf_done(&b);
	http_fields_done(&h.fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amazons_cases_are_signed_as_amazon_does),
		cmocka_unit_test(fields_are_folded_and_joined),
		cmocka_unit_test(s3_has_paths_of_its_own),
		cmocka_unit_test(presigned_urls_are_read),
		cmocka_unit_test(an_id_and_a_signature_are_exchanged),
		cmocka_unit_test(what_cannot_be_signed_anew_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
