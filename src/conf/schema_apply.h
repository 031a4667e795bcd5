// SPDX-License-Identifier: Apache-2.0
/*
 * What sets the field of a key, for the table of keys: k->field, k->min, k->max and k->words say
 * the rest where several keys share one.
 */
#ifndef WEIR_CONF_SCHEMA_APPLY_H
#define WEIR_CONF_SCHEMA_APPLY_H

#include "conf/schema.h"

typedef int schema_apply_fn(struct schema_walk *w, const struct schema_key *k,
			    const struct tree_node *n);

schema_apply_fn schema_apply_addr;
schema_apply_fn schema_apply_aliases;
schema_apply_fn schema_apply_bool;
schema_apply_fn schema_apply_budget;
schema_apply_fn schema_apply_either;
schema_apply_fn schema_apply_later;
schema_apply_fn schema_apply_link;
schema_apply_fn schema_apply_mac;
schema_apply_fn schema_apply_name;
schema_apply_fn schema_apply_nameservers;
schema_apply_fn schema_apply_net;
schema_apply_fn schema_apply_path;
schema_apply_fn schema_apply_pool;
schema_apply_fn schema_apply_ports;
schema_apply_fn schema_apply_rate;
schema_apply_fn schema_apply_rebind_allow;
schema_apply_fn schema_apply_records;
schema_apply_fn schema_apply_sandboxes;
schema_apply_fn schema_apply_seconds;
schema_apply_fn schema_apply_size;
schema_apply_fn schema_apply_slot;
schema_apply_fn schema_apply_special;
schema_apply_fn schema_apply_target;
schema_apply_fn schema_apply_timeout;
schema_apply_fn schema_apply_u16;
schema_apply_fn schema_apply_u32;
schema_apply_fn schema_apply_verdict;

#endif
