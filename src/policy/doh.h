// SPDX-License-Identifier: Apache-2.0
/*
 * The target `doh`: public resolvers that speak DNS over HTTPS (RFC 8484), by name and by address.
 * No such list is ever whole. It is for rules that deny in one word what programs use by default.
 */
#ifndef WEIR_POLICY_DOH_H
#define WEIR_POLICY_DOH_H

/* Each name stands for itself alone, each address for itself. NULL at the end. */
extern const char *const doh_names[];
extern const char *const doh_addresses[];

#endif
