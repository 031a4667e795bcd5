// SPDX-License-Identifier: Apache-2.0
/*
 * What a process keeps mapped of its program and its libraries.
 *
 * Most of what a start touches is never run again: the loader, option parsing, netlink, the making
 * of namespaces. Each page of it counts as resident until the system runs short of memory. A
 * process that has found its rest hands all of it back; what it does use comes again with the next
 * few faults, from the page cache and without any reading.
 */
#ifndef WEIR_BASE_PAGES_H
#define WEIR_BASE_PAGES_H

#define PAGES_REST_MS 500 /* how long a process waits without an event before it is at rest */

/*
 * Unmaps the pages of code and constants of everything that is loaded. What was relocated or
 * written to stays. A debugger's breakpoints do not: set them when the process is at rest.
 */
void pages_forget(void);

#endif
