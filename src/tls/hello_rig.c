// SPDX-License-Identifier: Apache-2.0
/*
 * Making ClientHello messages for tests.
 */
#include "tls/hello_rig.h"

void rig_begin(struct hello_rig *r)
{
	static const uint8_t suites[] = {0, 6, 0x13, 0x01, 0x13, 0x02, 0xc0, 0x2f};

	r->w = wbuf_make(r->mem, sizeof(r->mem));
	r->extensions = 0;
	wbuf_put_be32(&r->w, 1u << 24); /* client_hello; rig_end() sets the length */
	wbuf_put_be16(&r->w, 0x0303);
	for (uint8_t i = 0; i < 32; i++)
		wbuf_put_u8(&r->w, i);
	wbuf_put_u8(&r->w, 32);
	for (uint8_t i = 0; i < 32; i++)
		wbuf_put_u8(&r->w, (uint8_t)(0x80 + i));
	wbuf_put_bytes(&r->w, suites, sizeof(suites));
	wbuf_put_be16(&r->w, 0x0100); /* one method: no compression */
}

void rig_extension(struct hello_rig *r, uint16_t type, const void *body, size_t len)
{
	if (!r->extensions) {
		r->extensions = r->w.len;
		wbuf_put_be16(&r->w, 0);
	}
	wbuf_put_be16(&r->w, type);
	wbuf_put_be16(&r->w, (uint16_t)len);
	wbuf_put_bytes(&r->w, body, len);
}

void rig_sni(struct hello_rig *r, const void *name, size_t n)
{
	uint8_t mem[1024];
	struct wbuf w = wbuf_make(mem, sizeof(mem));

	wbuf_put_be16(&w, (uint16_t)(n + 3));
	wbuf_put_u8(&w, 0);
	wbuf_put_be16(&w, (uint16_t)n);
	wbuf_put_bytes(&w, name, n);
	rig_extension(r, 0, mem, w.len);
}

struct view rig_end(struct hello_rig *r)
{
	put_be32(r->mem, 1u << 24 | (uint32_t)(r->w.len - 4));
	if (r->extensions)
		put_be16(r->mem + r->extensions, (uint16_t)(r->w.len - r->extensions - 2));
	return view_make(r->mem, r->w.len);
}

struct view rig_hello(struct hello_rig *r, const char *name, size_t padding)
{
	static const uint8_t zero[20000];
	static const uint8_t alpn[] = {0,   12,  2,   'h', '2', 8,   'h',
				       't', 't', 'p', '/', '1', '.', '1'};
	static const uint8_t versions[] = {2, 3, 4};

	rig_begin(r);
	rig_extension(r, 43, versions, sizeof(versions));
	if (padding)
		rig_extension(r, 21, zero, padding);
	rig_sni(r, name, strlen(name));
	rig_extension(r, 16, alpn, sizeof(alpn));
	return rig_end(r);
}

size_t rig_records(struct view message, size_t first, size_t each, uint8_t *to)
{
	size_t at = 0;

	for (size_t n = first; message.len; n = each) {
		if (n > message.len)
			n = message.len;
		to[at] = 22;
		to[at + 1] = 3;
		to[at + 2] = 1;
		put_be16(to + at + 3, (uint16_t)n);
		view_get_bytes(&message, to + at + 5, n);
		at += 5 + n;
	}
	return at;
}
