// SPDX-License-Identifier: Apache-2.0
/*
 * Moves a number of frames over the ring link, with guest and weir taking turns in one thread: the
 * same instructions each time, which valgrind's callgrind can count (test/frames/).
 *
 *	ring_frames to|from BYTES FRAMES      to weir, or from it
 *
 * FRAMES is rounded up to whole bursts, of which one has to fit into a ring. Every frame is counted
 *where it arrives; exits with 1 where one is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "link/ring.h"

static struct link *link_end;
static struct ring_end *guest_end;

static long turn_to(struct frame *f)
{
	struct frame got[LINK_BURST];
	int pushed = ring_push(guest_end, f, LINK_BURST);
	int n = 0;

	link_events(link_end, EPOLLIN);
	while (n < pushed) {
		int some = link_recv(link_end, got, LINK_BURST);
		if (some <= 0)
			break;
		n += some;
	}
	return n;
}

static long turn_from(struct frame *f)
{
	struct frame got[LINK_BURST];
	int sent = link_send(link_end, f, LINK_BURST);
	int n = 0;

	while (n < sent) {
		int some = ring_pop(guest_end, got, LINK_BURST);
		if (some <= 0)
			break;
		n += some;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct frame f[LINK_BURST];
	struct error err = {0};

	if (argc != 4)
		return 2;
	bool to = !strcmp(argv[1], "to");
	uint32_t len = (uint32_t)strtoul(argv[2], NULL, 10);
	long want = strtol(argv[3], NULL, 10), moved = 0,
	     turns = (want + LINK_BURST - 1) / LINK_BURST;
	uint8_t *room = calloc(LINK_BURST, FRAME_VNET_ROOM + len);

	link_end = link_ring_new(NULL, &guest_end, &err);
	if (!room || !link_end) {
		fprintf(stderr, "ring_frames: %s\n", room ? err.msg : "no memory");
		return 1;
	}
	for (int i = 0; i < LINK_BURST; i++)
		f[i] = (struct frame){.data = room + (size_t)i * (FRAME_VNET_ROOM + len) +
					      FRAME_VNET_ROOM,
				      .len = len};
	for (long i = 0; i < turns; i++)
		moved += to ? turn_to(f) : turn_from(f);
	link_free(link_end);
	ring_end_free(guest_end);
	free(room);
	if (moved != turns * LINK_BURST) {
		fprintf(stderr, "ring_frames: %ld of %ld frames came\n", moved, turns * LINK_BURST);
		return 1;
	}
	printf("%ld\n", moved);
	return 0;
}
