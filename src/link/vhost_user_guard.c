// SPDX-License-Identifier: Apache-2.0
/* The table of mappings that may be cut short, and the signal handler that looks into it. */
#include "link/vhost_user_guard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

struct guard {
	_Atomic(uintptr_t) start; /* 0: free; 1: taken, not filled in yet */
	_Atomic(size_t) len;
	atomic_bool hit;
};

#define GUARD_FREE 0u
#define GUARD_HELD 1u

static struct guard guards[VU_GUARDS_MAX];
static atomic_int guards_high; /* entries below which one may be in use */
static struct sigaction guard_before;
static pthread_once_t guard_once = PTHREAD_ONCE_INIT;

/* Zero pages over the whole mapping: part of a mapping of huge pages could not be replaced. */
static bool guard_replace(struct guard *g, uintptr_t at)
{
	uintptr_t start = atomic_load(&g->start);
	size_t len = atomic_load(&g->len);

	if (start <= GUARD_HELD || at < start || at - start >= len)
		return false;
	/* The address is that of a mapping of ours. */
	void *p = mmap((void *)start, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		return false;
	atomic_store(&g->hit, true);
	return true;
}

static void guard_signal(int sig, siginfo_t *info, void *context)
{
	int high = atomic_load(&guards_high);

	for (int i = 0; i < high; i++)
		if (guard_replace(&guards[i], (uintptr_t)info->si_addr))
			return;
	if ((guard_before.sa_flags & SA_SIGINFO) && guard_before.sa_sigaction) {
		guard_before.sa_sigaction(sig, info, context);
		return;
	}
	/* On return the access happens again, and ends the process as it would have. */
	sigaction(SIGBUS, &guard_before, NULL);
}

static void guard_install(void)
{
	struct sigaction sa = {.sa_sigaction = guard_signal, .sa_flags = SA_SIGINFO};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, &guard_before);
}

int vu_guard_add(void *map, size_t len)
{
	pthread_once(&guard_once, guard_install);
	for (int i = 0; i < VU_GUARDS_MAX; i++) {
		uintptr_t want = GUARD_FREE;

		if (!atomic_compare_exchange_strong(&guards[i].start, &want, GUARD_HELD))
			continue;
		atomic_store(&guards[i].hit, false);
		atomic_store(&guards[i].len, len);
		atomic_store(&guards[i].start, (uintptr_t)map);
		for (int high = atomic_load(&guards_high); high <= i;)
			if (atomic_compare_exchange_weak(&guards_high, &high, i + 1))
				break;
		return i;
	}
	return -1;
}

void vu_guard_remove(int guard)
{
	if (guard >= 0)
		atomic_store(&guards[guard].start, GUARD_FREE);
}

bool vu_guard_hit(int guard)
{
	return guard >= 0 && atomic_load_explicit(&guards[guard].hit, memory_order_relaxed);
}
