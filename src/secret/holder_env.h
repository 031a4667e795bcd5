// SPDX-License-Identifier: Apache-2.0
/*
 * Taking values out of this process's environment.
 *
 * May use: libc.
 */
#ifndef WEIR_SECRET_HOLDER_ENV_H
#define WEIR_SECRET_HOLDER_ENV_H

/*
 * Overwrites the value of a variable wherever the environment of this process has it, also where
 * the kernel put it at the start (/proc/PID/environ), and takes the name out. No other thread may
 * use the environment meanwhile.
 */
void holder_env_wipe(const char *name);

#endif
