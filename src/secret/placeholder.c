// SPDX-License-Identifier: Apache-2.0
/* Placeholders: random ones, and what those have to be that a person chose. */
#include "secret/placeholder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "secret/needle.h"

#define BITS_WANTED 128
#define BITS_ENOUGH 80 /* where the whole length has no room for that many */

/* Beginnings that tell everybody what a value is for, and nobody what it is; a longer one before
 * those that it begins with. */
static const char *const prefixes[] = {
	"github_pat_", "ghp_",        "gho_",      "ghu_",          "ghs_",          "ghr_",
	"glpat-",      "gldt-",       "glrt-",     "sk-ant-api03-", "sk-ant-oat01-", "sk-ant-",
	"sk-proj-",    "sk-svcacct-", "sk-or-v1-", "sk-",           "sk_live_",      "sk_test_",
	"rk_live_",    "rk_test_",    "pk_live_",  "pk_test_",      "whsec_",        "xoxb-",
	"xoxp-",       "xoxa-",       "xoxr-",     "xapp-",         "AKIA",          "ASIA",
	"AIza",        "ya29.",       "GOCSPX-",   "npm_",          "pypi-",         "hf_",
	"dop_v1_",     "SG.",         "shpat_",    "shpss_",        "gsk_",          "pplx-",
	"r8_",         "tvly-",       "lin_api_",  "ntn_",          "secret_",       "figd_",
	"dckr_pat_",   "hvs.",        "tskey-",    "nvapi-",        "xai-",          "key-",
	"eyJ",
};

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digit[] = "0123456789";

struct alphabet {
	char c[64];
	unsigned n;
};

static void add(struct alphabet *a, const char *chars)
{
	size_t n = strlen(chars);

	memcpy(a->c + a->n, chars, n);
	a->n += (unsigned)n;
}

static struct alphabet everything(void)
{
	struct alphabet a = {0};

	add(&a, lower);
	add(&a, upper);
	add(&a, digit);
	return a;
}

static bool is_separator(uint8_t c)
{
	return c == '-' || c == '_' || c == '.';
}

static size_t prefix_len(struct view v)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);
		if (v.len > n && memcmp(v.p, prefixes[i], n) == 0)
			return n;
	}
	return 0;
}

/* The characters that the value is made of, by kinds. */
static struct alphabet alphabet_of(struct view v)
{
	struct alphabet a = {0};
	bool has_lower = false, has_upper = false, has_digit = false, hex = true;

	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.p[i];
		has_lower |= c >= 'a' && c <= 'z';
		has_upper |= c >= 'A' && c <= 'Z';
		has_digit |= c >= '0' && c <= '9';
		hex &= (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || is_separator(c);
	}
	if (hex && has_lower && has_digit) {
		add(&a, "0123456789abcdef");
		return a;
	}
	if (has_lower)
		add(&a, lower);
	if (has_upper)
		add(&a, upper);
	if (has_digit)
		add(&a, digit);
	return a;
}

static unsigned bits_of(const struct alphabet *a, size_t chars)
{
	/* Thousandths of a bit: the logarithm of each size that occurs. */
	unsigned milli = a->n >= 62   ? 5954
			 : a->n >= 52 ? 5700
			 : a->n >= 36 ? 5169
			 : a->n >= 26 ? 4700
			 : a->n >= 16 ? 4000
			 : a->n >= 10 ? 3321
				      : 0;

	return chars > 1000 ? BITS_WANTED * 8 : (unsigned)(milli * chars / 1000);
}

/* A character of the alphabet, each as likely. False without randomness. */
static bool draw(const struct alphabet *a, char *ret)
{
	/* Bytes beyond the last whole multiple would make some characters likelier. */
	unsigned limit = 256 - 256 % a->n;
	uint8_t r;

	do {
		if (getrandom(&r, 1, 0) != 1) {
			if (errno == EINTR)
				continue;
			return false;
		}
	} while (r >= limit);
	*ret = a->c[r % a->n];
	return true;
}

static size_t separators(struct view v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.len; i++)
		n += is_separator(v.p[i]);
	return n;
}

char *placeholder_like(struct view value)
{
	size_t prefix = prefix_len(value);
	struct view rest = value;

	view_skip(&rest, prefix);
	struct alphabet a = alphabet_of(rest), all = everything();
	unsigned wanted = bits_of(&all, value.len) >= BITS_WANTED ? BITS_WANTED : BITS_ENOUGH;
	size_t marks = separators(rest);
	if (bits_of(&a, rest.len - marks) < wanted)
		a = all;
	/* A short value's shape would be much of what there is to know of it. */
	bool shape = bits_of(&a, rest.len - marks) >= wanted;
	if (bits_of(&a, rest.len) < wanted)
		prefix = 0;
	char *s = malloc(value.len + 1);
	if (!s)
		return NULL;
	memcpy(s, value.p, prefix);
	for (size_t i = prefix; i < value.len; i++) {
		if (shape && is_separator(value.p[i])) {
			s[i] = (char)value.p[i];
		} else if (!draw(&a, &s[i])) {
			free(s);
			return NULL;
		}
	}
	s[value.len] = '\0';
	return s;
}

char *placeholder_by_format(const char *format)
{
	struct alphabet a = everything();
	char *s = strdup(format);

	for (size_t i = 0; s && s[i]; i++) {
		if (s[i] == 'X' && !draw(&a, &s[i])) {
			free(s);
			return NULL;
		}
	}
	return s;
}

int placeholder_check(const char *text, struct error *err)
{
	size_t n = strlen(text);

	if (n < NEEDLE_MIN)
		return error_set(err, "its placeholder is shorter than %d characters", NEEDLE_MIN);
	if (n > PLACEHOLDER_MAX)
		return error_set(err, "its placeholder is longer than %d characters",
				 PLACEHOLDER_MAX);
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return error_set(err, "its placeholder has a space, a control character or "
					      "one that is not ASCII");
	return 0;
}

int placeholder_format_check(const char *format, struct error *err)
{
	size_t x = 0;

	if (placeholder_check(format, err) < 0)
		return -1;
	for (const char *p = format; *p; p++)
		x += *p == 'X';
	if (x < PLACEHOLDER_X_MIN)
		return error_set(err,
				 "its format has %zu X; at least %d random characters are "
				 "needed",
				 x, PLACEHOLDER_X_MIN);
	return 0;
}
