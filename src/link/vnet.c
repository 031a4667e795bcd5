// SPDX-License-Identifier: Apache-2.0
/* The virtio-net header, read with suspicion and written plainly. */
#include "link/vnet.h"

#include <string.h>

/* virtio 1.2, section 5.1.6: flags and gso types. */
#define VNET_F_NEEDS_CSUM 1
#define VNET_F_DATA_VALID 2
#define VNET_GSO_ECN      0x80

#define TCP_HLEN_MIN 20
#define TCP_CSUM_AT  16

/* Where the fields lie. */
enum {
	AT_FLAGS = 0,
	AT_GSO_TYPE = 1,
	AT_HDR_LEN = 2,
	AT_GSO_SIZE = 4,
	AT_CSUM_START = 6,
	AT_CSUM_OFFSET = 8,
};

static uint16_t get_native16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static void put_native16(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, sizeof(v));
}

/*
 * The length of the headers of a super-segment. The field in the header is only a hint (Linux
 * fills in what happens to be linear), so it is worked out from the L4 header, which begins where
 * the checksum does.
 */
static bool gso_hdr_len(const struct frame *f, uint16_t *ret)
{
	uint32_t l4 = f->meta.csum_start;
	uint32_t n;

	if (f->meta.gso == FRAME_GSO_UDP_L4) {
		n = 8;
	} else {
		if (l4 + 20 > f->len)
			return false;
		n = (f->data[l4 + 12] >> 4) * 4u;
		if (n < 20)
			return false;
	}
	if (l4 + n > f->len)
		return false;
	*ret = (uint16_t)(l4 + n);
	return true;
}

bool vnet_parse(const uint8_t hdr[VNET_HLEN_SHORT], struct frame *f)
{
	struct frame_meta *m = &f->meta;
	uint8_t flags = hdr[AT_FLAGS];
	uint8_t type = hdr[AT_GSO_TYPE] & (uint8_t)~VNET_GSO_ECN;

	*m = (struct frame_meta){0};
	m->csum_valid = flags & VNET_F_DATA_VALID;
	if (flags & VNET_F_NEEDS_CSUM) {
		m->needs_csum = true;
		m->csum_start = get_native16(hdr + AT_CSUM_START);
		m->csum_offset = get_native16(hdr + AT_CSUM_OFFSET);
		if (m->csum_start < ETH_HLEN ||
		    (uint32_t)m->csum_start + m->csum_offset + 2 > f->len)
			return false;
	}
	if (type == FRAME_GSO_NONE)
		return true;
	if (type != FRAME_GSO_TCPV4 && type != FRAME_GSO_TCPV6 && type != FRAME_GSO_UDP_L4)
		return false;
	/* A super-segment whose pieces nobody could checksum (5.1.6.2: GSO needs NEEDS_CSUM). */
	if (!m->needs_csum)
		return false;
	m->gso = type;
	m->ecn = hdr[AT_GSO_TYPE] & VNET_GSO_ECN;
	m->gso_size = get_native16(hdr + AT_GSO_SIZE);
	return m->gso_size != 0 && gso_hdr_len(f, &m->hdr_len);
}

uint32_t vnet_tcp_payload(const uint8_t hdr[VNET_HLEN_SHORT], const uint8_t *head, uint32_t len)
{
	uint32_t l4 = get_native16(hdr + AT_CSUM_START);

	if (!(hdr[AT_FLAGS] & VNET_F_NEEDS_CSUM) || l4 < ETH_HLEN ||
	    get_native16(hdr + AT_CSUM_OFFSET) != TCP_CSUM_AT || l4 + TCP_HLEN_MIN > len)
		return 0;
	uint32_t at = l4 + (head[l4 + 12] >> 4) * 4u;
	return at >= l4 + TCP_HLEN_MIN && at <= len ? at : 0;
}

void vnet_put(uint8_t *hdr, unsigned hdr_len, const struct frame *f)
{
	const struct frame_meta *m = &f->meta;

	memset(hdr, 0, hdr_len);
	if (m->needs_csum) {
		hdr[AT_FLAGS] = VNET_F_NEEDS_CSUM;
		put_native16(hdr + AT_CSUM_START, m->csum_start);
		put_native16(hdr + AT_CSUM_OFFSET, m->csum_offset);
	} else if (m->csum_valid) {
		hdr[AT_FLAGS] = VNET_F_DATA_VALID;
	}
	if (m->gso != FRAME_GSO_NONE) {
		hdr[AT_GSO_TYPE] = (uint8_t)(m->gso | (m->ecn ? VNET_GSO_ECN : 0));
		put_native16(hdr + AT_HDR_LEN, m->hdr_len);
		put_native16(hdr + AT_GSO_SIZE, m->gso_size);
	}
}
