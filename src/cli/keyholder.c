// SPDX-License-Identifier: Apache-2.0
/*
 * `weir keyholder`: the process that has keys and secrets. It is for weir itself, which starts it
 * with a socket in place (secret/holder.h); so it stands in no help text.
 */
#include "cli/cli.h"

#include <sys/stat.h>

#include "secret/holder.h"
#include "secret/holder_spawn.h"

int cmd_keyholder(int argc, char **argv)
{
	struct error err;
	struct stat st;

	if (argc == 1 && fstat(HOLDER_FD, &st) == 0 && S_ISSOCK(st.st_mode)) {
		cli_raise_file_limit();
		return holder_main(HOLDER_FD);
	}
	error_set(&err, "keyholder: a command for weir itself, which starts it where it is needed");
	return cli_fail(&err);
}
