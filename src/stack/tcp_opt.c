// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a TCP header and its options (RFC 9293 3.1, 3.2; RFC 7323; RFC 2018).
 * A malformed option ends the option list and is otherwise ignored: what was read before it stands.
 */
#include "stack/tcp_conn.h"

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WS = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
};

static void tcp_opt_sack(struct tcp_seg *seg, struct view body)
{
	uint32_t start, end;

	while (seg->sack_n < 4 && view_get_be32(&body, &start) && view_get_be32(&body, &end))
		seg->sack[seg->sack_n++] = (struct tcp_sack_block){start, end};
}

static void tcp_opt_one(struct tcp_seg *seg, uint8_t kind, struct view body)
{
	switch (kind) {
	case OPT_MSS:
		seg->has_mss = body.len == 2 && view_get_be16(&body, &seg->mss);
		break;
	case OPT_WS:
		seg->has_ws = body.len == 1 && view_get_u8(&body, &seg->ws);
		if (seg->ws > 14) /* RFC 7323 2.3 */
			seg->ws = 14;
		break;
	case OPT_SACK_OK:
		seg->has_sack_ok = body.len == 0;
		break;
	case OPT_SACK:
		tcp_opt_sack(seg, body);
		break;
	case OPT_TS:
		seg->has_ts = body.len == 8 && view_get_be32(&body, &seg->tsval) &&
			      view_get_be32(&body, &seg->tsecr);
		break;
	default:
		break;
	}
}

static void tcp_opt_parse(struct tcp_seg *seg, struct view opts)
{
	uint8_t kind, len;
	struct view body;

	while (view_get_u8(&opts, &kind) && kind != OPT_END) {
		if (kind == OPT_NOP)
			continue;
		if (!view_get_u8(&opts, &len) || len < 2 ||
		    !view_take(&opts, (size_t)len - 2, &body))
			return;
		tcp_opt_one(seg, kind, body);
	}
}

bool tcp_seg_parse(struct view l4, struct tcp_seg *ret)
{
	struct tcp_seg seg = {0};
	struct view v = l4, opts;
	uint8_t offset;

	if (!view_skip(&v, 4) || !view_get_be32(&v, &seg.seq) || !view_get_be32(&v, &seg.ack) ||
	    !view_get_u8(&v, &offset) || !view_get_u8(&v, &seg.flags) ||
	    !view_get_be16(&v, &seg.wnd) || !view_skip(&v, 4))
		return false;
	unsigned header = (unsigned)(offset >> 4) * 4;
	if (header < TCP_HDR_MIN || !view_take(&v, header - TCP_HDR_MIN, &opts))
		return false;
	tcp_opt_parse(&seg, opts);
	seg.payload = v;
	*ret = seg;
	return true;
}
