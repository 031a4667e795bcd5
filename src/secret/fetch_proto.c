// SPDX-License-Identifier: Apache-2.0
/* What the key holder and a fetching process say to each other. */
#include <stdlib.h>

#include "secret/fetch.h"

#define CA_FILES_MAX 1024

void fetch_put_job(struct holder_put *p, const struct fetch_job *j)
{
	holder_put_text(p, j->url);
	holder_put_be16(p, (uint16_t)j->upstream_ca.n);
	for (size_t i = 0; i < j->upstream_ca.n; i++)
		holder_put_text(p, j->upstream_ca.v[i]);
	holder_put_u8(p, (uint8_t)j->count);
	for (size_t i = 0; i < j->count; i++) {
		holder_put_bytes(p, j->attempts[i].head);
		holder_put_bytes(p, j->attempts[i].body);
	}
}

bool fetch_read_job(struct view body, struct fetch_job *ret)
{
	struct fetch_job j = {0};
	uint16_t files;
	uint8_t n;

	if (!holder_get_text(&body, &j.url) || !view_get_be16(&body, &files) ||
	    files > CA_FILES_MAX)
		goto bad;
	j.upstream_ca.v = calloc(files ? files : 1, sizeof(*j.upstream_ca.v));
	if (!j.upstream_ca.v)
		goto bad;
	for (; j.upstream_ca.n < files; j.upstream_ca.n++)
		if (!holder_get_text(&body, &j.upstream_ca.v[j.upstream_ca.n]))
			goto bad;
	if (!view_get_u8(&body, &n) || n == 0 || n > FETCH_ATTEMPTS)
		goto bad;
	for (; j.count < n; j.count++)
		if (!holder_get_bytes(&body, HOLDER_DATAGRAM_MAX, &j.attempts[j.count].head) ||
		    !holder_get_bytes(&body, HOLDER_DATAGRAM_MAX, &j.attempts[j.count].body))
			goto bad;
	if (body.len)
		goto bad;
	*ret = j;
	return true;
bad:
	fetch_job_done(&j);
	return false;
}

void fetch_job_done(struct fetch_job *j)
{
	free(j->url);
	for (size_t i = 0; i < j->upstream_ca.n; i++)
		free(j->upstream_ca.v[i]);
	free(j->upstream_ca.v);
}

void fetch_put_token(struct holder_put *p, const struct fetch_token *t)
{
	holder_put_bytes(p, t->token);
	holder_put_bytes(p, t->refresh);
	holder_put_be64(p, t->lives_s);
}

bool fetch_read_token(struct view body, struct fetch_token *ret)
{
	struct fetch_token t;

	if (!holder_get_bytes(&body, SECRET_VALUE_MAX, &t.token) ||
	    !holder_get_bytes(&body, SECRET_VALUE_MAX, &t.refresh) ||
	    !holder_get_be64(&body, &t.lives_s) || body.len)
		return false;
	*ret = t;
	return true;
}
