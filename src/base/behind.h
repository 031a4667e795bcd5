// SPDX-License-Identifier: Apache-2.0
/*
 * Closing a file without waiting for what its last close does.
 *
 * The last close of a tap or of a packet socket waits until no CPU can be using the interface any
 * more, and that of an inotify instance until none can be looking at its marks: some 5 to 30 ms
 * each, which the user of a short command would notice. So the fd is sent over a socket pair
 * together with the receiving end itself, and the pair is closed: what is left refers only to
 * itself, and the kernel's collector of such sockets closes it in a thread of its own (from Linux
 * 6.10 on; before, the collector runs in somebody's close, which then takes its time).
 */
#ifndef WEIR_BASE_BEHIND_H
#define WEIR_BASE_BEHIND_H

/*
 * The file of fd is used no more, and close(fd) follows, which then does not wait. fd itself stays
 * open, but stands for something else from here on. Where that cannot be done nothing changes.
 */
void behind_leave(int fd);

#endif
