// SPDX-License-Identifier: Apache-2.0
/* See segment.h. The TCP code here is written apart from the engine's, on purpose. */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	char letter;
	uint8_t bit;
} flag_letters[] = {{'F', 1},  {'S', 2},  {'R', 4},  {'P', 8},
		    {'.', 16}, {'U', 32}, {'E', 64}, {'W', 128}};

/* ---- parsing ---- */

const char *segment_parse(const char *text, struct script_segment *ret)
{
	struct script_segment s = {.win = -1};
	const char *p = text;

	for (;;) {
		if (strncmp(p, "badsum ", 7) == 0)
			s.bad_csum = true, p += 7;
		else if (strncmp(p, "ce ", 3) == 0)
			s.ce = true, p += 3;
		else if (strncmp(p, "more ", 5) == 0)
			s.more = true, p += 5;
		else if (strncmp(p, "offset ", 7) == 0)
			s.data_offset = (unsigned)strtoul(p + 7, (char **)&p, 10), p++;
		else if (strncmp(p, "other ", 6) == 0) {
			int n = 0;
			if (sscanf(p, "other %u:%u %n", &s.other_from, &s.other_to, &n) != 2 || !n)
				return "expected other FROM:TO";
			p += n;
		} else
			break;
	}
	for (; *p && *p != ' '; p++) {
		size_t i;
		for (i = 0; i < 8 && flag_letters[i].letter != *p; i++)
			;
		if (i == 8 && *p != '-')
			return "unknown flag letter";
		if (i < 8)
			s.flags |= flag_letters[i].bit;
	}
	long long seq, end, len;
	int used = 0;
	if (sscanf(p, " %lld:%lld(%lld)%n", &seq, &end, &len, &used) != 3 || !used)
		return "expected SEQ:END(LEN)";
	if (seq + len != end)
		return "SEQ + LEN is not END";
	s.seq = (uint32_t)seq;
	s.len = (uint32_t)len;
	p += used;
	while (*p == ' ')
		p++;
	while (*p) {
		long v;
		if (sscanf(p, "ack %lld%n", &seq, &used) == 1) {
			s.has_ack = true;
			s.ack = (uint32_t)seq;
		} else if (sscanf(p, "win %ld%n", &v, &used) == 1) {
			s.win = v;
		} else if (sscanf(p, "urg %u%n", &s.urg, &used) == 1) {
		} else if (*p == '<') {
			const char *close = strchr(p, '>');
			if (!close || close - p >= (long)sizeof(s.opts))
				return "expected >";
			memcpy(s.opts, p + 1, (size_t)(close - p - 1));
			s.has_opts = true;
			used = (int)(close - p) + 1;
		} else {
			return "expected ack, win, urg or <options>";
		}
		p += used;
		while (*p == ' ')
			p++;
	}
	*ret = s;
	return NULL;
}

/* ---- building ---- */

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t pseudo(const struct ipaddr *src, const struct ipaddr *dst, size_t len)
{
	return sum16(sum16(6 + (uint32_t)len, src->b, ipaddr_len(src)), dst->b, ipaddr_len(dst));
}

static const char *put_option(struct wbuf *w, struct world_conn *c, const char *word)
{
	unsigned a, b;
	long long s, e;

	if (sscanf(word, "mss %u", &a) == 1) {
		wbuf_put_be16(w, 0x0204);
		wbuf_put_be16(w, (uint16_t)a);
	} else if (sscanf(word, "wscale %u", &a) == 1) {
		wbuf_put_be16(w, 0x0303);
		wbuf_put_u8(w, (uint8_t)a);
	} else if (strcmp(word, "sackOK") == 0) {
		wbuf_put_be16(w, 0x0402);
	} else if (sscanf(word, "ts %u %u", &a, &b) == 2) {
		wbuf_put_be16(w, 0x080a);
		wbuf_put_be32(w, a);
		wbuf_put_be32(w, b);
	} else if (strncmp(word, "sack ", 5) == 0) {
		uint8_t *len = wbuf_reserve(w, 2);
		int used;
		if (!len)
			return "too many options";
		len[0] = 5;
		len[1] = 2;
		for (word += 5; sscanf(word, " %lld:%lld%n", &s, &e, &used) == 2; word += used) {
			wbuf_put_be32(w, c->weir_isn + (uint32_t)s);
			wbuf_put_be32(w, c->weir_isn + (uint32_t)e);
			len[1] = (uint8_t)(len[1] + 8);
		}
	} else if (strncmp(word, "raw ", 4) == 0) {
		int used;
		for (word += 4; sscanf(word, "%2x%n", &a, &used) == 1; word += used)
			wbuf_put_u8(w, (uint8_t)a);
	} else if (strcmp(word, "nop") == 0) {
		wbuf_put_u8(w, 1);
	} else {
		return "unknown option";
	}
	return NULL;
}

static const char *put_options(struct wbuf *w, struct world_conn *c, const char *opts)
{
	char copy[256], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", opts);
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		while (*word == ' ')
			word++;
		const char *wrong = put_option(w, c, word);
		if (wrong)
			return wrong;
	}
	while (w->len % 4)
		wbuf_put_u8(w, 1);
	return w->overflow ? "too many options" : NULL;
}

/* Ethernet and IP header of a packet of the guest's. */
static void put_headers(const struct world *w, uint8_t *frame, uint8_t proto, bool ce, size_t l4)
{
	uint8_t *ip = frame + ETH_HLEN;
	unsigned ip_len = w->family == 4 ? 20 : 40;

	memcpy(frame, w->cfg.gw_mac, 6);
	memcpy(frame + 6, w->cfg.guest_mac, 6);
	put_be16(frame + 12, w->family == 4 ? 0x0800 : 0x86dd);
	memset(ip, 0, ip_len);
	if (w->family == 4) {
		ip[0] = 0x45;
		ip[1] = ce ? 3 : 0;
		put_be16(ip + 2, (uint16_t)(ip_len + l4));
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, w->guest.b, 4);
		memcpy(ip + 16, w->remote.b, 4);
		put_be16(ip + 10, fold(sum16(0, ip, 20)));
	} else {
		ip[0] = 0x60;
		ip[1] = ce ? 0x30 : 0;
		put_be16(ip + 4, (uint16_t)l4);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, w->guest.b, 16);
		memcpy(ip + 24, w->remote.b, 16);
	}
}

const char *segment_too_big(struct world *w, struct world_conn *c, unsigned mtu, uint32_t seq)
{
	static uint8_t frame[200];
	bool v4 = w->family == 4;
	unsigned ip_len = v4 ? 20 : 40;
	uint8_t *icmp = frame + ETH_HLEN + ip_len, *ip = icmp + 8, *tcp = ip + ip_len;
	size_t l4 = 8 + ip_len + 8;

	memset(icmp, 0, l4);
	icmp[0] = v4 ? 3 : 2;
	icmp[1] = v4 ? 4 : 0;
	put_be32(icmp + 4, mtu);
	ip[0] = v4 ? 0x45 : 0x60;
	ip[v4 ? 9 : 6] = 6;
	memcpy(ip + (v4 ? 12 : 8), w->remote.b, ipaddr_len(&w->remote));
	memcpy(ip + (v4 ? 16 : 24), w->guest.b, ipaddr_len(&w->guest));
	put_be16(tcp, w->remote_port);
	put_be16(tcp + 2, c->guest_port);
	put_be32(tcp + 4, c->weir_isn + seq);
	put_headers(w, frame, v4 ? 1 : 58, false, l4);
	/* The pseudo-header is that of protocol 6 but for one number. */
	uint32_t sum = v4 ? 0 : pseudo(&w->guest, &w->remote, l4) + 58 - 6;
	put_be16(icmp + 2, fold(sum16(sum, icmp, l4)));
	world_from_guest(w, frame, ETH_HLEN + ip_len + l4, false);
	return NULL;
}

const char *segment_send(struct world *w, struct world_conn *c, const struct script_segment *seg)
{
	static uint8_t frame[FRAME_MAX];
	unsigned ip_len = w->family == 4 ? 20 : 40;
	uint8_t *tcp = frame + ETH_HLEN + ip_len;
	struct wbuf opts = wbuf_make(tcp + 20, 40);

	if (seg->flags & 2 && !(seg->flags & 16))
		c->weir_isn_known = false;
	const char *wrong = put_options(&opts, c, seg->opts);
	if (wrong)
		return wrong;
	unsigned header = 20 + (unsigned)opts.len;
	size_t l4 = header + seg->len;
	put_headers(w, frame, 6, seg->ce, l4);
	put_be16(tcp, c->guest_port);
	put_be16(tcp + 2, w->remote_port);
	put_be32(tcp + 4, c->guest_isn + seg->seq);
	put_be32(tcp + 8, seg->has_ack ? c->weir_isn + seg->ack : 0);
	tcp[12] = (uint8_t)((seg->data_offset ? seg->data_offset : header / 4) << 4);
	tcp[13] = seg->flags;
	put_be16(tcp + 14, seg->win < 0 ? 65535 : (uint16_t)seg->win);
	put_be16(tcp + 16, 0);
	put_be16(tcp + 18, (uint16_t)seg->urg);
	for (uint32_t i = 0; i < seg->len; i++) {
		bool other = seg->seq + i >= seg->other_from && seg->seq + i < seg->other_to;
		tcp[header + i] = world_byte((uint64_t)seg->seq - 1 + i) ^ (other ? 0xff : 0);
	}
	uint16_t sum = fold(sum16(pseudo(&w->guest, &w->remote, l4), tcp, l4));
	put_be16(tcp + 16, seg->bad_csum ? (uint16_t)(sum + 1) : sum);
	world_from_guest(w, frame, ETH_HLEN + ip_len + l4, seg->more);
	return NULL;
}

/* ---- reading weir's ---- */

struct seen {
	uint8_t flags, tos;
	uint32_t seq, ack, len;
	uint16_t win, guest_port;
	int mss, wscale; /* -1: none */
	bool sack_ok, ts;
	uint32_t tsval, tsecr;
	uint32_t sack[8];
	unsigned sack_n;
	const uint8_t *payload;
	const char *wrong;
};

static void see_options(struct seen *s, const uint8_t *p, size_t len)
{
	s->mss = s->wscale = -1;
	for (size_t i = 0; i < len && p[i];) {
		if (p[i] == 1) {
			i++;
			continue;
		}
		size_t n = i + 1 < len ? p[i + 1] : 0;
		if (n < 2 || i + n > len) {
			s->wrong = "weir sent malformed options";
			return;
		}
		if (p[i] == 2)
			s->mss = get_be16(p + i + 2);
		else if (p[i] == 3)
			s->wscale = p[i + 2];
		else if (p[i] == 4)
			s->sack_ok = true;
		else if (p[i] == 8) {
			s->ts = true;
			s->tsval = get_be32(p + i + 2);
			s->tsecr = get_be32(p + i + 6);
		} else if (p[i] == 5)
			for (size_t k = 2; k + 4 <= n && s->sack_n < 8; k += 4)
				s->sack[s->sack_n++] = get_be32(p + i + k);
		i += n;
	}
}

/* False where the frame is no TCP segment to the guest. */
static bool see(struct world *w, const struct world_frame *f, struct seen *ret)
{
	struct seen s = {0};
	unsigned ip_len = w->family == 4 ? 20 : 40;
	const uint8_t *ip = f->data + ETH_HLEN, *tcp = ip + ip_len;

	if (f->len < ETH_HLEN + ip_len + 20u ||
	    get_be16(f->data + 12) != (w->family == 4 ? 0x0800 : 0x86dd) ||
	    ip[w->family == 4 ? 9 : 6] != 6)
		return false;
	size_t l4 = f->len - ETH_HLEN - ip_len, header = (size_t)(tcp[12] >> 4) * 4;
	if (get_be16(ip + (w->family == 4 ? 2 : 4)) != l4 + (w->family == 4 ? 20 : 0))
		s.wrong = "the IP length is wrong";
	else if (w->family == 4 && fold(sum16(0, ip, 20)) != 0)
		s.wrong = "the IP checksum is wrong";
	else if (!f->meta.needs_csum &&
		 fold(sum16(pseudo(&w->remote, &w->guest, l4), tcp, l4)) != 0)
		s.wrong = "the TCP checksum is wrong";
	if (header < 20 || header > l4) {
		s.wrong = "the data offset is wrong";
		header = l4;
	}
	s.tos = w->family == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	s.guest_port = get_be16(tcp + 2);
	s.seq = get_be32(tcp + 4);
	s.ack = get_be32(tcp + 8);
	s.flags = tcp[13];
	s.win = get_be16(tcp + 14);
	s.len = (uint32_t)(l4 - header);
	s.payload = tcp + header;
	see_options(&s, tcp + 20, header - 20);
	*ret = s;
	return true;
}

void segment_describe(struct world *w, const struct world_frame *f, char *buf, size_t size)
{
	struct seen s;
	char flags[12], opts[160] = "";
	size_t n = 0, o = 0;

	if (!see(w, f, &s)) {
		const uint8_t *ip = f->data + ETH_HLEN;
		unsigned at = w->family == 4 ? 20 : 40;
		snprintf(buf, size, "a frame of %u bytes, protocol %u, ICMP type %u code %u",
			 f->len, ip[w->family == 4 ? 9 : 6], ip[at], ip[at + 1]);
		return;
	}
	struct world_conn *c = world_conn(w, s.guest_port);
	for (size_t i = 0; i < 8; i++)
		if (s.flags & flag_letters[i].bit)
			flags[n++] = flag_letters[i].letter;
	flags[n] = 0;
	if (s.mss >= 0)
		o += (size_t)snprintf(opts + o, sizeof(opts) - o, " mss %d", s.mss);
	if (s.wscale >= 0)
		o += (size_t)snprintf(opts + o, sizeof(opts) - o, " wscale %d", s.wscale);
	if (s.sack_ok)
		o += (size_t)snprintf(opts + o, sizeof(opts) - o, " sackOK");
	if (s.ts)
		o += (size_t)snprintf(opts + o, sizeof(opts) - o, " ts %u", s.tsecr);
	for (unsigned i = 0; i + 1 < s.sack_n; i += 2)
		o += (size_t)snprintf(opts + o, sizeof(opts) - o, " sack %u:%u",
				      s.sack[i] - c->guest_isn, s.sack[i + 1] - c->guest_isn);
	bool free_seq = s.flags & 4 && !c->weir_isn_known;
	uint32_t rel = free_seq ? s.seq : s.flags & 2 ? 0 : s.seq - c->weir_isn;
	snprintf(buf, size, "%s %u:%u(%u) ack %u win %u <%s> port %u at +%llums", flags, rel,
		 rel + s.len, s.len, s.ack - c->guest_isn, s.win, opts, s.guest_port,
		 (unsigned long long)((f->at_us - 1000000000) / 1000));
}

static const char *check_option(const struct seen *s, const struct world_conn *c, const char *word)
{
	unsigned a;
	long long from, to;
	int used;

	if (sscanf(word, "mss %u", &a) == 1)
		return s->mss == (int)a ? NULL : "MSS";
	if (strcmp(word, "no mss") == 0)
		return s->mss < 0 ? NULL : "MSS offered";
	if (strcmp(word, "wscale *") == 0)
		return s->wscale >= 0 ? NULL : "no window scale";
	if (strcmp(word, "no wscale") == 0)
		return s->wscale < 0 ? NULL : "window scale";
	if (strcmp(word, "sackOK") == 0)
		return s->sack_ok ? NULL : "no SACK permitted";
	if (strcmp(word, "no sackOK") == 0)
		return s->sack_ok ? "SACK permitted" : NULL;
	if (strcmp(word, "ts *") == 0)
		return s->ts ? NULL : "no timestamps";
	if (strcmp(word, "no ts") == 0)
		return s->ts ? "timestamps" : NULL;
	if (sscanf(word, "tsecr %u", &a) == 1)
		return s->ts && s->tsecr == a ? NULL : "echoed timestamp";
	if (strcmp(word, "no sack") == 0)
		return s->sack_n ? "SACK blocks" : NULL;
	if (strcmp(word, "ect") == 0)
		return (s->tos & 3) == 2 ? NULL : "not ECT(0)";
	if (strcmp(word, "no ect") == 0)
		return s->tos & 3 ? "ECT" : NULL;
	if (strncmp(word, "sack ", 5) == 0) {
		unsigned i = 0;
		for (word += 5; sscanf(word, " %lld:%lld%n", &from, &to, &used) == 2;
		     word += used, i += 2)
			if (i + 1 >= s->sack_n || s->sack[i] - c->guest_isn != (uint32_t)from ||
			    s->sack[i + 1] - c->guest_isn != (uint32_t)to)
				return "SACK blocks";
		return i == s->sack_n ? NULL : "number of SACK blocks";
	}
	return "unknown option in the expectation";
}

static const char *check_options(const struct seen *s, const struct world_conn *c, const char *opts)
{
	char copy[256], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", opts);
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		while (*word == ' ')
			word++;
		const char *wrong = check_option(s, c, word);
		if (wrong)
			return wrong;
	}
	return NULL;
}

const char *segment_expect(struct world *w, struct world_conn *c, const struct script_segment *want)
{
	struct world_frame *f = world_next_frame(w);
	struct seen s;

	if (!f)
		return "nothing was sent";
	if (!see(w, f, &s))
		return "not a TCP segment";
	if (s.wrong)
		return s.wrong;
	if (s.guest_port != c->guest_port)
		return "to another port";
	if (s.flags != want->flags)
		return "flags";
	if (s.flags & 2 && !c->weir_isn_known) {
		c->weir_isn = s.seq;
		c->weir_isn_known = true;
		if (s.flags == 2) /* weir opens: the guest's ISN is its own choice */
			s.ack = c->guest_isn;
	}
	bool free_seq = s.flags & 4 && !c->weir_isn_known;
	if (!free_seq && s.seq - c->weir_isn != want->seq)
		return "sequence number";
	if (s.len != want->len)
		return "length";
	if (want->has_ack && s.ack - c->guest_isn != want->ack)
		return "acknowledgement number";
	if (want->win >= 0 && s.win != want->win)
		return "window";
	for (uint32_t i = 0; i < s.len; i++)
		if (s.payload[i] != world_byte((uint64_t)want->seq - 1 + i))
			return "payload bytes";
	return check_options(&s, c, want->opts);
}
