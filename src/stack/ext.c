// SPDX-License-Identifier: Apache-2.0
/*
 * The walk along the extension headers of an IPv6 packet (RFC 8200 section 4).
 *
 * weir ends every packet, so it judges headers that are meant for the far host too: options that
 * ask for an error get one, routing headers of any type are dropped (RFC 5095 forbids type 0; the
 * others have no use from a sandbox), and everything that is not an extension header is the upper
 * layer's business. At most EXT_HEADERS_MAX headers are walked, each within what was received.
 */
#include "stack/ip.h"

enum {
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_DEST_OPTIONS = 60,
};

/* Parameter problem codes (RFC 4443 3.4). */
enum {
	CODE_NEXT_HEADER = 1,
	CODE_OPTION = 2
};

enum {
	OPT_PAD1 = 0,
	OPT_PADN = 1,
	OPT_ROUTER_ALERT = 5,
	OPT_ACTION_SKIP = 0, /* the two highest bits of an unknown option (RFC 8200 4.2) */
	OPT_ACTION_DISCARD = 1,
	OPT_ACTION_REPORT = 2,
};

static enum ext_result walk_drop(struct ext_walk *w, enum drop_reason why, int code,
				 uint32_t pointer)
{
	w->why = why;
	w->icmp_code = code;
	w->pointer = pointer;
	return EXT_DROP;
}

/* The options of a hop-by-hop or destination options header; `at` is where they begin. */
static enum ext_result walk_options(struct ext_walk *w, struct view opts, uint32_t at)
{
	while (opts.len) {
		uint8_t type, len = 0;

		view_get_u8(&opts, &type);
		if (type == OPT_PAD1) {
			at++;
			continue;
		}
		if (!view_get_u8(&opts, &len) || !view_skip(&opts, len))
			return walk_drop(w, DROP_EXT_HEADERS, -1, 0);
		if (type != OPT_PADN && type != OPT_ROUTER_ALERT && type >> 6 != OPT_ACTION_SKIP) {
			/* The remaining difference between "report" and "report but not about
			 * multicast" is made where errors are sent: never about multicast. */
			int code = type >> 6 == OPT_ACTION_DISCARD ? -1 : CODE_OPTION;
			return walk_drop(w, DROP_EXT_HEADERS, code, at);
		}
		at += 2 + (uint32_t)len;
	}
	return EXT_UPPER;
}

enum ext_result ext_walk(struct ext_walk *w)
{
	for (;;) {
		struct view hdr, v = w->rest;
		uint8_t next, len;
		size_t size;

		switch (w->next) {
		case NEXT_FRAGMENT:
			return EXT_FRAGMENT;
		case NEXT_ROUTING:
			return walk_drop(w, DROP_IP_OPTIONS, -1, 0);
		case NEXT_HOP_BY_HOP:
			/* Nowhere but right behind the IPv6 header. */
			if (w->at != IP6_HLEN)
				return walk_drop(w, DROP_EXT_HEADERS, CODE_NEXT_HEADER, w->next_at);
			break;
		case NEXT_DEST_OPTIONS:
			break;
		default:
			return EXT_UPPER;
		}
		if (++w->headers > EXT_HEADERS_MAX)
			return walk_drop(w, DROP_EXT_HEADERS, -1, 0);
		if (!view_get_u8(&v, &next) || !view_get_u8(&v, &len))
			return walk_drop(w, DROP_EXT_HEADERS, -1, 0);
		size = 8 * ((size_t)len + 1);
		if (!view_take(&w->rest, size, &hdr))
			return walk_drop(w, DROP_EXT_HEADERS, -1, 0);
		view_skip(&hdr, 2);
		if (walk_options(w, hdr, w->at + 2) == EXT_DROP)
			return EXT_DROP;
		w->next = next;
		w->next_at = w->at;
		w->at += (uint32_t)size;
	}
}

bool ext_pass_fragment(struct ext_walk *w, uint16_t *ret_off_flags, uint32_t *ret_id)
{
	struct view hdr;
	uint8_t next;

	if (!view_take(&w->rest, 8, &hdr))
		return false;
	view_get_u8(&hdr, &next);
	view_skip(&hdr, 1);
	view_get_be16(&hdr, ret_off_flags);
	view_get_be32(&hdr, ret_id);
	w->headers++;
	w->next = next;
	w->next_at = w->at;
	w->at += 8;
	return true;
}
