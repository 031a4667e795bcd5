// SPDX-License-Identifier: Apache-2.0
/* Pages of code and constants, given back. */
#include "base/pages.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Read-only segments are never relocated (there are no text relocations in what is built as PIC),
 * so the file still has every byte of them. */
static int forget_object(struct dl_phdr_info *o, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		uintptr_t start = (o->dlpi_addr + ph->p_vaddr) & ~(page - 1);
		uintptr_t end = (o->dlpi_addr + ph->p_vaddr + ph->p_filesz) & ~(page - 1);

		/* The last page may hold the first bytes of a written segment: it stays. */
		if (ph->p_type == PT_LOAD && !(ph->p_flags & PF_W) && end > start)
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

void pages_forget(void)
{
	dl_iterate_phdr(forget_object, NULL);
}
