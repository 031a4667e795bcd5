// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of the key holder: a real one, which is the test program run again, a CA in a directory
 * of the test's own, and configurations put together by hand.
 */
#ifndef WEIR_SECRET_HOLDER_RIG_H
#define WEIR_SECRET_HOLDER_RIG_H

#include "conf/config.h"
#include "loop/loop.h"
#include "secret/holder.h"

/* First in main(): where this process is the holder it does not return. */
void rig_be_holder(int argc, char **argv);

struct rig {
	char dir[64]; /* XDG_STATE_HOME; removed by rig_done() */
	struct config conf;
	struct loop loop;
	struct holder *h;
	struct holder_channel *ch;
	unsigned sets; /* how often on_set was called */
};
void rig_init(struct rig *r);
void rig_done(struct rig *r);
/* Adds a secret for api.test to the configuration; what is returned may be changed. */
struct config_secret *rig_secret(struct rig *r, const char *env_var,
				 enum config_secret_source source, const char *from);
char *rig_file(struct rig *r, const char *name, const void *bytes, size_t n);
/* Starts the holder, and opens a channel; both have to succeed. */
void rig_start(struct rig *r);
/* The message of a channel that cannot be opened. */
const char *rig_refused(struct rig *r);
/* Lets the loop run until *done, ten seconds at most; false: it was never. */
bool rig_run(struct rig *r, const bool *done);
void rig_run_ms(struct rig *r, unsigned ms);

/* An answer, waited for. */
struct rig_answer {
	bool done;
	unsigned times;
	struct secret_value *value;
	char text[2048];
	size_t len;
	char err[512];
};
void rig_on_value(void *arg, struct secret_value *v, const char *err);
void rig_on_text(void *arg, struct view text, const char *err); /* also for leaves */
void rig_on_reload(void *arg, const char *err);
/* Reads the secrets anew, and waits. "" or what went wrong. */
const char *rig_reload(struct rig *r);
/* Asks for a value of the current set, and waits. NULL: it failed with *a's err. */
struct secret_value *rig_value(struct rig *r, size_t index, struct rig_answer *a);
/* That it is this text; frees it. */
void rig_assert_value(struct secret_value *v, const char *text);
/* A secret of the current set. */
const struct secret *rig_secret_at(struct rig *r, size_t i);
/* Makes a value that the first secret captures, and waits; it has to succeed. */
struct rig_answer rig_capture(struct rig *r, const char *value);

#endif
