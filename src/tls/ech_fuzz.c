// SPDX-License-Identifier: Apache-2.0
/*
 * ECHConfigList from a hostile DNS server; the names it gives go into a learnt set.
 */
#include <stdlib.h>

#include "tls/ech.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct name names[ECH_CONFIGS_MAX], again;
	int n = ech_config_public_names(view_make(data, size), names);

	must(n >= -1 && n <= ECH_CONFIGS_MAX);
	if (n < 1)
		return 0;
	struct ech_names *e = ech_names_new();
	must(e);
	for (int i = 0; i < n; i++) {
		must(name_read(names[i].s, names[i].len, &again) == NAME_OK);
		must(name_eq(&again, &names[i]));
		must(ech_names_add(e, &names[i]));
		must(ech_names_has(e, &names[0]));
	}
	ech_names_free(e);
	return 0;
}
