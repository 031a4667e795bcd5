// SPDX-License-Identifier: Apache-2.0
/* Guest memory: mapping of regions, and addresses turned into pointers. */
#include "link/vhost_user_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/vhost_user_guard.h"

/* ---- mappings ---- */

static bool file_cannot_shrink(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK);
}

int vu_mapping_open(struct vu_mapping *ret, int fd, uint64_t offset, uint64_t len,
		    struct error *err)
{
	bool fixed = file_cannot_shrink(fd);
	struct stat st;
	uint64_t end;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot look at a file of guest memory");
	if (!S_ISREG(st.st_mode))
		return error_set(err, "a file of guest memory is no file that can be mapped");
	if (!len || __builtin_add_overflow(offset, len, &end) || end > (uint64_t)st.st_size)
		return error_set(err,
				 "a file of guest memory is %jd bytes long, less than the %" PRIu64
				 " at %" PRIu64 " that are to be mapped",
				 (intmax_t)st.st_size, len, offset);
	/* Block size: that of huge pages where the file has them. */
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	if ((uint64_t)st.st_blksize > page)
		page = (uint64_t)st.st_blksize;
	if (page & (page - 1))
		return error_set(err, "a file of guest memory has an odd page size");
	uint64_t from = offset & ~(page - 1);
	size_t map_len = (size_t)((end - from + page - 1) & ~(page - 1));
	void *map = mmap(NULL, map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			 (off_t)from);
	if (map == MAP_FAILED)
		return error_set_errno(err, errno, "cannot map %zu bytes of guest memory", map_len);
	int guard = fixed ? -1 : vu_guard_add(map, map_len);
	if (!fixed && guard < 0) {
		munmap(map, map_len);
		return error_set(err,
				 "too much guest memory that may shrink: no more than %d "
				 "pieces (sealed memory does not count)",
				 VU_GUARDS_MAX);
	}
	madvise(map, map_len, MADV_DONTDUMP);
	*ret = (struct vu_mapping){.map = map,
				   .map_len = map_len,
				   .at = (uint8_t *)map + (offset - from),
				   .guard = guard};
	return 0;
}

void vu_mapping_close(struct vu_mapping *m)
{
	vu_guard_remove(m->guard);
	if (m->map)
		munmap(m->map, m->map_len);
	*m = (struct vu_mapping){.guard = -1};
}

/* ---- regions ---- */

static bool ranges_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static int region_check(const struct vu_mem *m, const struct vu_region_desc *d, struct error *err)
{
	uint64_t total = d->size;

	if (m->n == VU_REGIONS_MAX)
		return error_set(err, "more than %d regions of guest memory", VU_REGIONS_MAX);
	if (!d->size || d->size > VU_MEM_MAX || d->gpa + d->size < d->gpa ||
	    d->uva + d->size < d->uva)
		return error_set(err, "a region of guest memory of an impossible size");
	for (unsigned i = 0; i < m->n; i++) {
		const struct vu_region *r = &m->regions[i];

		total += r->size;
		if (ranges_overlap(d->gpa, d->size, r->gpa, r->size) ||
		    ranges_overlap(d->uva, d->size, r->uva, r->size))
			return error_set(err, "regions of guest memory overlap");
	}
	if (total > VU_MEM_MAX)
		return error_set(err, "more than %llu bytes of guest memory", VU_MEM_MAX);
	return 0;
}

int vu_mem_add(struct vu_mem *m, const struct vu_region_desc *d, int fd, struct error *err)
{
	struct vu_mapping map;

	if (region_check(m, d, err) < 0 ||
	    vu_mapping_open(&map, fd, d->mmap_offset, d->size, err) < 0)
		return -1;
	m->regions[m->n++] = (struct vu_region){.gpa = d->gpa,
						.uva = d->uva,
						.size = d->size,
						.host = map.at,
						.map = map.map,
						.map_len = map.map_len,
						.guard = map.guard};
	return 0;
}

static void region_unmap(struct vu_region *r)
{
	struct vu_mapping map = {.map = r->map, .map_len = r->map_len, .guard = r->guard};

	vu_mapping_close(&map);
}

bool vu_mem_remove(struct vu_mem *m, const struct vu_region_desc *d)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct vu_region *r = &m->regions[i];

		if (r->gpa != d->gpa || r->uva != d->uva || r->size != d->size)
			continue;
		region_unmap(r);
		*r = m->regions[--m->n];
		return true;
	}
	return false;
}

void vu_mem_clear(struct vu_mem *m)
{
	while (m->n)
		region_unmap(&m->regions[--m->n]);
}

bool vu_mem_lost(const struct vu_mem *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (vu_guard_hit(m->regions[i].guard))
			return true;
	return false;
}

/* ---- addresses ---- */

uint8_t *vu_mem_at_uva(const struct vu_mem *m, uint64_t uva, uint64_t len)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct vu_region *r = &m->regions[i];

		if (uva - r->uva < r->size)
			return len <= r->size - (uva - r->uva) ? r->host + (uva - r->uva) : NULL;
	}
	return NULL;
}

static const struct vu_region *region_of(const struct vu_mem *m, uint64_t gpa)
{
	for (unsigned i = 0; i < m->n; i++)
		if (gpa - m->regions[i].gpa < m->regions[i].size)
			return &m->regions[i];
	return NULL;
}

uint8_t *vu_mem_at_gpa(const struct vu_mem *m, uint64_t gpa, uint64_t len)
{
	const struct vu_region *r = region_of(m, gpa);

	if (!r || len > r->size - (gpa - r->gpa))
		return NULL;
	return r->host + (gpa - r->gpa);
}

int vu_mem_ranges(const struct vu_mem *m, uint64_t gpa, uint32_t len, struct iovec *ret, int max)
{
	int n = 0;

	while (len) {
		const struct vu_region *r = region_of(m, gpa);

		if (!r || n == max)
			return -1;
		uint64_t left = r->size - (gpa - r->gpa);
		uint32_t here = len < left ? len : (uint32_t)left;
		ret[n++] = (struct iovec){r->host + (gpa - r->gpa), here};
		/* A region never ends past the last address, so this does not wrap into another. */
		gpa += here;
		len -= here;
	}
	return n;
}
