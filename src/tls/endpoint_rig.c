// SPDX-License-Identifier: Apache-2.0
/* The wire and the authority of endpoint tests. */
#include "tls/endpoint_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/ca_priv.h"

static char home[] = "/tmp/weir-tls-test-XXXXXX";

/* ---- the wire ---- */

static size_t at_most(const struct rig_side *s, size_t n)
{
	size_t chunk = s->chunk ? s->chunk : 1 + (size_t)rand() % 4096;

	return n < chunk ? n : chunk;
}

static ssize_t wire_read(void *ctx, void *to, size_t n)
{
	struct rig_side *s = ctx;
	struct rig_pipe *p = s->in;

	s->reads++;
	if (p->fault)
		return p->fault;
	if (p->bytes.len == 0)
		return p->ended ? 0 : -EAGAIN;
	n = at_most(s, n < p->bytes.len ? n : p->bytes.len);
	memcpy(to, buf_view(&p->bytes).p, n);
	buf_take(&p->bytes, n);
	return (ssize_t)n;
}

static ssize_t wire_write(void *ctx, const void *from, size_t n)
{
	struct rig_side *s = ctx;
	struct rig_pipe *p = s->out;
	size_t room = p->cap - p->bytes.len;

	s->writes++;
	if (p->fault)
		return p->fault;
	n = at_most(s, n < room ? n : room);
	if (n == 0)
		return -EAGAIN;
	if (!buf_append(&p->bytes, from, n))
		abort();
	p->total += n;
	return (ssize_t)n;
}

void rig_wire_init(struct rig_wire *w, size_t chunk)
{
	*w = (struct rig_wire){.up.cap = SIZE_MAX / 2, .down.cap = SIZE_MAX / 2};
	w->client = (struct rig_side){.in = &w->down, .out = &w->up, .chunk = chunk};
	w->server = (struct rig_side){.in = &w->up, .out = &w->down, .chunk = chunk};
}

void rig_wire_done(struct rig_wire *w)
{
	buf_done(&w->up.bytes);
	buf_done(&w->down.bytes);
}

struct tls_transport rig_transport(struct rig_side *s)
{
	return (struct tls_transport){.read = wire_read, .write = wire_write, .ctx = s};
}

/* ---- leaves ---- */

struct rig_ask {
	struct rig_ask *next;
	struct buf der;
	struct error err;
	bool failed;
	tls_got_leaf_fn *got;
	void *arg;
};

static void *source_ask(void *ctx, const char *host, struct view spki, tls_got_leaf_fn *got,
			void *arg)
{
	struct rig_source *s = ctx;

	if (s->deaf)
		return NULL;
	struct rig_ask *a = calloc(1, sizeof(*a));
	a->got = got;
	a->arg = arg;
	if (s->fail)
		a->failed = error_set(&a->err, "%s", s->fail);
	else
		a->failed = tls_ca_sign_leaf(s->ca, host, spki, s->hours, &a->der, &a->err) < 0;
	a->next = s->asks;
	s->asks = a;
	s->asked++;
	return a;
}

static void source_cancel(void *ctx, void *handle)
{
	struct rig_source *s = ctx;
	struct rig_ask **at = &s->asks, *a = handle;

	while (*at && *at != a)
		at = &(*at)->next;
	if (!*at)
		abort();
	*at = a->next;
	buf_done(&a->der);
	free(a);
	s->cancelled++;
}

struct tls_leaf_source rig_leaf_source(struct rig_source *s)
{
	return (struct tls_leaf_source){.ask = source_ask, .cancel = source_cancel, .ctx = s};
}

void rig_answer(struct rig_source *s)
{
	struct rig_ask *a;

	while ((a = s->asks)) {
		s->asks = a->next;
		a->got(a->arg, buf_view(&a->der), a->failed ? a->err.msg : NULL);
		buf_done(&a->der);
		free(a);
	}
}

/* ---- certificates ---- */

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	if (!ca_add_extension(x, issuer, nid, value))
		abort();
}

struct rig_cert rig_cert(const struct rig_cert *issuer, const char *cn, const char *alt, long from,
			 long to, bool ca)
{
	struct rig_cert c = {X509_new(), EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
	const struct rig_cert *by = issuer ? issuer : &c;
	X509_NAME *n = X509_get_subject_name(c.x);

	X509_set_version(c.x, X509_VERSION_3);
	ca_set_serial(c.x);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
	X509_set_issuer_name(c.x, X509_get_subject_name(by->x));
	X509_gmtime_adj(X509_getm_notBefore(c.x), from);
	X509_gmtime_adj(X509_getm_notAfter(c.x), to);
	X509_set_pubkey(c.x, c.key);
	extend(c.x, by->x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
	extend(c.x, by->x, NID_subject_key_identifier, "hash");
	if (alt)
		extend(c.x, by->x, NID_subject_alt_name, alt);
	if (!ca_sign(c.x, by->key))
		abort();
	return c;
}

void rig_cert_done(struct rig_cert *c)
{
	X509_free(c->x);
	EVP_PKEY_free(c->key);
}

static char *text_of(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);
	char *text = strndup(p, (size_t)n);

	BIO_free(b);
	return text;
}

char *rig_cert_pem(const struct rig_cert *c)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(b, c->x);
	return text_of(b);
}

char *rig_key_pem(const struct rig_cert *c)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(b, c->key, NULL, NULL, 0, NULL, NULL);
	return text_of(b);
}

/* ---- files ---- */

void rig_home(void)
{
	char roots[64];

	if (!mkdtemp(home))
		abort();
	setenv("XDG_STATE_HOME", home, 1);
	snprintf(roots, sizeof(roots), "%s/roots", home);
	setenv("SSL_CERT_FILE", roots, 1);
}

void rig_home_done(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -r %s", home);
	if (system(cmd))
		abort();
}

const char *rig_file(const char *name, const char *text)
{
	static char paths[2][96];
	static int which;
	char *path = paths[which = !which];

	snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
	return path;
}
