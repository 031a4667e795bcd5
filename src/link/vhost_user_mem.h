// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of a guest as a vhost-user front end shares it: a handful of regions, each a piece of
 * a file that is mapped here. Addresses come in two kinds: the guest's physical ones, in
 * descriptors, and the front end's own virtual ones, in which it says where the rings are.
 *
 * Trust: regions come from the VMM and addresses from the guest, and both may be hostile. A region
 * is mapped only where its file is as long as it says; an address is turned into a pointer only
 * together with a length, and only where all of it lies in a region. Pointers are good until the
 * next message of the front end, which is read between two bursts: nobody but the rings keeps one
 * longer than a burst.
 */
#ifndef WEIR_LINK_VHOST_USER_MEM_H
#define WEIR_LINK_VHOST_USER_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

/* Front ends share a few regions, and one more for each memory device that is plugged in. */
#define VU_REGIONS_MAX 32
/* Bytes of all regions together: what a machine has, and not the whole address space. */
#define VU_MEM_MAX (1ull << 42)

/* A region as it travels in messages. */
struct vu_region_desc {
	uint64_t gpa;         /* guest physical address */
	uint64_t size;        /* bytes */
	uint64_t uva;         /* address in the front end */
	uint64_t mmap_offset; /* where in the file it begins */
};

struct vu_region {
	uint64_t gpa, uva, size;
	uint8_t *host; /* where the region's first byte is here */
	void *map;     /* the mapping that holds it */
	size_t map_len;
	int guard; /* vhost_user_guard.h, or -1 where the file cannot shrink */
};

struct vu_mem {
	struct vu_region regions[VU_REGIONS_MAX];
	unsigned n;
};

/* Maps one region more. The fd stays the caller's. 0, or -1 and err. */
int vu_mem_add(struct vu_mem *m, const struct vu_region_desc *d, int fd, struct error *err);
/* Unmaps the region that was added with the same addresses and size. False where there is none. */
bool vu_mem_remove(struct vu_mem *m, const struct vu_region_desc *d);
void vu_mem_clear(struct vu_mem *m);

/* A file was cut short behind our back: part of this memory is zeroes of our own now. */
bool vu_mem_lost(const struct vu_mem *m);

/* The bytes at an address of the front end, where all of them lie in one region; else NULL. */
uint8_t *vu_mem_at_uva(const struct vu_mem *m, uint64_t uva, uint64_t len);
/* The same for a guest physical address. */
uint8_t *vu_mem_at_gpa(const struct vu_mem *m, uint64_t gpa, uint64_t len);
/*
 * Guest memory as ranges, which may be several where regions follow each other. How many of the max
 * ranges were filled in (0 for no bytes), or -1 where some byte is in no region or max too small.
 */
int vu_mem_ranges(const struct vu_mem *m, uint64_t gpa, uint32_t len, struct iovec *ret, int max);

/*
 * Maps `len` bytes at `offset` of a file that must be so long, guarded where it may shrink. For
 * regions and for the in-flight area alike. 0, or -1 and err.
 */
struct vu_mapping {
	void *map;
	size_t map_len;
	uint8_t *at; /* the byte at `offset` */
	int guard;
};
int vu_mapping_open(struct vu_mapping *ret, int fd, uint64_t offset, uint64_t len,
		    struct error *err);
void vu_mapping_close(struct vu_mapping *m);

#endif
