// SPDX-License-Identifier: Apache-2.0
/*
 * The vhost-user protocol as it is on the wire (QEMU's docs/interop/vhost-user.rst): numbers, bits
 * and payload layouts. Everything is in the byte order of the machine that both sides run on.
 */
#ifndef WEIR_LINK_VHOST_USER_PROTO_H
#define WEIR_LINK_VHOST_USER_PROTO_H

#include <stdint.h>

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_RESET_DEVICE = 34,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_REQUEST_MAX = 38, /* the largest that is known here */
};

/* The header: request, flags, bytes of payload. */
#define VU_HDR_LEN           12
#define VU_FLAG_VERSION      1u /* the low two bits */
#define VU_FLAG_VERSION_MASK 3u
#define VU_FLAG_REPLY        (1u << 2)
#define VU_FLAG_NEED_REPLY   (1u << 3)

/* Largest payload of any message: configuration space, with its own header. */
#define VU_CONFIG_MAX  256
#define VU_PAYLOAD_MAX (12 + VU_CONFIG_MAX + 8)
#define VU_FDS_MAX     8 /* regions of SET_MEM_TABLE */

/* Protocol features. */
#define VU_PROTO_MQ              (UINT64_C(1) << 0)
#define VU_PROTO_RARP            (UINT64_C(1) << 2)
#define VU_PROTO_REPLY_ACK       (UINT64_C(1) << 3)
#define VU_PROTO_NET_MTU         (UINT64_C(1) << 4)
#define VU_PROTO_CONFIG          (UINT64_C(1) << 9)
#define VU_PROTO_INFLIGHT_SHMFD  (UINT64_C(1) << 12)
#define VU_PROTO_RESET_DEVICE    (UINT64_C(1) << 13)
#define VU_PROTO_CONFIGURE_SLOTS (UINT64_C(1) << 15)

/* virtio and virtio-net feature bits (virtio 1.2, 5.1.3 and 6), and the one of vhost-user. */
#define VIRTIO_BIT(n)         (UINT64_C(1) << (n))
#define VIRTIO_NET_CSUM       VIRTIO_BIT(0)
#define VIRTIO_NET_GUEST_CSUM VIRTIO_BIT(1)
#define VIRTIO_NET_MTU        VIRTIO_BIT(3)
#define VIRTIO_NET_GUEST_TSO4 VIRTIO_BIT(7)
#define VIRTIO_NET_GUEST_TSO6 VIRTIO_BIT(8)
#define VIRTIO_NET_GUEST_ECN  VIRTIO_BIT(9)
#define VIRTIO_NET_HOST_TSO4  VIRTIO_BIT(11)
#define VIRTIO_NET_HOST_TSO6  VIRTIO_BIT(12)
#define VIRTIO_NET_HOST_ECN   VIRTIO_BIT(13)
#define VIRTIO_NET_MRG_RXBUF  VIRTIO_BIT(15)
#define VIRTIO_NET_STATUS     VIRTIO_BIT(16)
#define VIRTIO_NET_CTRL_VQ    VIRTIO_BIT(17)
#define VIRTIO_NET_MQ         VIRTIO_BIT(22)
#define VIRTIO_NET_GUEST_USO4 VIRTIO_BIT(54)
#define VIRTIO_NET_GUEST_USO6 VIRTIO_BIT(55)
#define VIRTIO_NET_HOST_USO   VIRTIO_BIT(56)
#define VIRTIO_RING_INDIRECT  VIRTIO_BIT(28)
#define VIRTIO_RING_EVENT_IDX VIRTIO_BIT(29)
#define VHOST_USER_PROTOCOL   VIRTIO_BIT(30)
#define VIRTIO_VERSION_1      VIRTIO_BIT(32)
#define VIRTIO_RING_PACKED    VIRTIO_BIT(34)
#define VIRTIO_IN_ORDER       VIRTIO_BIT(35)

/* Payloads. */
struct vu_vring_state {
	uint32_t index, num;
};

struct vu_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

/* Of the u64 that goes with an eventfd: the ring, and that no fd is there. */
#define VU_VRING_INDEX_MASK 0xffull
#define VU_VRING_NO_FD      0x100ull

struct vu_mem_region { /* as in the table and, behind 8 bytes, in ADD_MEM_REG */
	uint64_t gpa, size, uva, mmap_offset;
};

struct vu_config_hdr {
	uint32_t offset, size, flags;
};

struct vu_inflight_msg {
	uint64_t mmap_size, mmap_offset;
	uint16_t num_queues, queue_size;
};
#define VU_INFLIGHT_MSG_LEN 20 /* without what the compiler adds to it */

/* Base of a packed ring: 15 bits of slot and one of parity, twice (taken; used). */
#define VU_BASE_SLOT 0x7fffu
#define VU_BASE_WRAP 0x8000u

#endif
