// SPDX-License-Identifier: Apache-2.0
/*
 * Locked memory in blocks.
 *
 * A chunk is 64 KiB, aligned to its size, so that a block's address tells its chunk. The first page
 * of it says which blocks are taken; the rest is cut into blocks of one size. The first page is
 * copied on fork as all memory is, the rest is not: a child finds its heap in order, and no secret
 * in it.
 */
#include "secret/memory.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"
#include "base/log.h"

#define CHUNK  65536u
#define HEADER 4096u
#define DATA   (CHUNK - HEADER)

struct chunk {
	struct list node; /* among those of its size */
	size_t mapped;    /* bytes from here on */
	size_t size;      /* of a block; 0: one block, of all that is mapped */
	unsigned used;
	uint64_t taken[DATA / 64 / 64]; /* a bit for each block */
};

static const size_t sizes[] = {64, 256, 1024, 4096, 20480};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list chunks[SIZES]; /* all zero until the first use */
static bool told;

static void lock_pages(void *p, size_t n)
{
	madvise(p, n, MADV_DONTDUMP);
	madvise(p, n, MADV_WIPEONFORK);
	/* On fault: a chunk of which little is used costs little. */
	if (mlock2(p, n, MLOCK_ONFAULT) == 0 || mlock(p, n) == 0 || told)
		return;
	told = true;
	log_info("secrets cannot be kept from being swapped out: %s (RLIMIT_MEMLOCK)",
		 strerror(errno));
}

/* n bytes of memory behind a header, at a multiple of CHUNK. */
static struct chunk *map_chunk(size_t n)
{
	size_t all = HEADER + n;
	uint8_t *p =
		mmap(NULL, all + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	size_t skip = (CHUNK - (uintptr_t)p % CHUNK) % CHUNK;
	if (skip)
		munmap(p, skip);
	if (CHUNK - skip)
		munmap(p + skip + all, CHUNK - skip);
	struct chunk *c = (struct chunk *)(void *)(p + skip);
	c->mapped = all;
	list_init(&c->node);
	lock_pages((uint8_t *)c + HEADER, n);
	return c;
}

static void *take_block(struct chunk *c)
{
	unsigned n = (unsigned)(DATA / c->size);

	for (unsigned i = 0; i < n; i++) {
		if (c->taken[i / 64] == UINT64_MAX) {
			i |= 63;
			continue;
		}
		if (c->taken[i / 64] >> (i % 64) & 1)
			continue;
		c->taken[i / 64] |= 1ull << (i % 64);
		c->used++;
		return (uint8_t *)c + HEADER + i * c->size;
	}
	return NULL;
}

static void *alloc_small(size_t which)
{
	if (!chunks[which].next)
		list_init(&chunks[which]);
	/* Those that are full stand behind all that have room. */
	struct chunk *c = container_of(chunks[which].next, struct chunk, node);
	if (list_empty(&chunks[which]) || c->used == DATA / c->size) {
		c = map_chunk(DATA);
		if (!c)
			return NULL;
		c->size = sizes[which];
		list_add_head(&chunks[which], &c->node);
	}
	void *p = take_block(c);
	if (c->used == DATA / c->size) {
		list_del(&c->node);
		list_add_tail(&chunks[which], &c->node);
	}
	return p;
}

void *secret_alloc(size_t n)
{
	size_t which = 0;
	void *p;

	while (which < SIZES && sizes[which] < n)
		which++;
	if (which == SIZES) {
		size_t pages = (n + HEADER - 1) / HEADER * HEADER;
		struct chunk *c = n <= SIZE_MAX / 2 ? map_chunk(pages) : NULL;
		return c ? (uint8_t *)c + HEADER : NULL;
	}
	pthread_mutex_lock(&lock);
	p = alloc_small(which);
	pthread_mutex_unlock(&lock);
	return p;
}

static void free_small(struct chunk *c, void *p)
{
	size_t i = (size_t)((uint8_t *)p - (uint8_t *)c - HEADER) / c->size;
	bool alone = c->node.next == c->node.prev;

	c->taken[i / 64] &= ~(1ull << (i % 64));
	c->used--;
	/* One that has room is found first; one that is empty stays only where it is the last. */
	if (c->used == 0 && !alone) {
		list_del(&c->node);
		munmap(c, c->mapped);
		return;
	}
	size_t which = 0;
	while (sizes[which] != c->size)
		which++;
	list_del(&c->node);
	list_add_head(&chunks[which], &c->node);
}

void secret_free(void *p)
{
	if (!p)
		return;
	struct chunk *c = (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
	if (!c->size) {
		explicit_bzero((uint8_t *)c + HEADER, c->mapped - HEADER);
		munmap(c, c->mapped);
		return;
	}
	explicit_bzero(p, c->size);
	pthread_mutex_lock(&lock);
	free_small(c, p);
	pthread_mutex_unlock(&lock);
}

/* ---- queues ---- */

#define BUF_FIRST 4096

/* The smallest block that holds n bytes is used whole. */
static size_t block_size(size_t n)
{
	for (size_t i = 0; i < SIZES; i++)
		if (sizes[i] >= n)
			return sizes[i];
	return (n + HEADER - 1) / HEADER * HEADER;
}

static bool grow(struct secret_buf *b, size_t need)
{
	size_t cap = b->cap > SIZE_MAX / 4 ? need : b->cap * 2;

	if (cap < BUF_FIRST)
		cap = BUF_FIRST;
	cap = block_size(cap < need ? need : cap);
	uint8_t *mem = secret_alloc(cap);
	if (!mem)
		return false;
	if (b->len)
		memcpy(mem, b->mem + b->start, b->len);
	secret_free(b->mem);
	b->mem = mem;
	b->cap = cap;
	b->start = 0;
	return true;
}

uint8_t *secret_buf_room(struct secret_buf *b, size_t n, size_t *ret_cap)
{
	if (n > SIZE_MAX / 2 - b->len)
		return NULL;
	if (!b->mem || b->cap - b->len < n) {
		if (!grow(b, b->len + n))
			return NULL;
	} else if (b->cap - b->start - b->len < n) {
		memmove(b->mem, b->mem + b->start, b->len);
		explicit_bzero(b->mem + b->len, b->start);
		b->start = 0;
	}
	*ret_cap = b->cap - b->start - b->len;
	return b->mem + b->start + b->len;
}

bool secret_buf_append(struct secret_buf *b, struct view v)
{
	size_t cap;
	uint8_t *to = secret_buf_room(b, v.len, &cap);

	if (!to)
		return false;
	if (v.len)
		memcpy(to, v.p, v.len);
	b->len += v.len;
	return true;
}

void secret_buf_take(struct secret_buf *b, size_t n)
{
	if (n)
		explicit_bzero(b->mem + b->start, n);
	b->start += n;
	b->len -= n;
	if (b->len)
		return;
	b->start = 0;
	/* What a long message took is not kept. */
	if (b->cap > sizes[SIZES - 1])
		secret_buf_done(b);
}

void secret_buf_done(struct secret_buf *b)
{
	secret_free(b->mem);
	*b = (struct secret_buf){0};
}
