// SPDX-License-Identifier: Apache-2.0
/*
 * What a service manager is told, and what it hands over (sd_notify(3), sd_listen_fds(3)), without
 * its library: both are a line of text, or an environment variable.
 */
#ifndef WEIR_CLI_SD_H
#define WEIR_CLI_SD_H

#include <stddef.h>
#include <stdint.h>

/* Sends "READY=1\nSTATUS=..." and the like to $NOTIFY_SOCKET; nothing where there is none. */
void sd_notify_send(const char *text);
/* How often the manager wants to hear WATCHDOG=1, in microseconds; 0: never. */
uint64_t sd_watchdog_us(void);

#define SD_FD_FIRST 3

/* How many descriptors were handed over, from SD_FD_FIRST on; they are close-on-exec behind it. */
int sd_fd_count(void);
/* The name that the manager gave to number i of them; "" where it gave none. buf is cut. */
void sd_fd_name(int i, char *buf, size_t size);

#endif
