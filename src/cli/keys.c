// SPDX-License-Identifier: Apache-2.0
/* Starts the key holder of `weir run`, and gathers what the command gets of it. */
#include "cli/keys.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "intercept/intercept.h"
#include "observe/stats.h"
#include "tls/endpoint.h"
#include "tls/trust.h"

static int make_trust(struct keys *k, struct error *err)
{
	const char *ca = holder_ca_pem(k->holder);
	struct trustbind_paths paths;

	if (trust_combined_pem(ca, true, &k->bundle, err) < 0 ||
	    trust_subject_hash(ca, k->subject_hash, err) < 0)
		return -1;
	if (!buf_append(&k->bundle, "", 1))
		return error_set(err, "out of memory");
	trustbind_find(&paths);
	/* Made only for those who have Java: it takes some milliseconds. */
	int r = paths.stores[0]
			? trust_java_store((const char *)buf_view(&k->bundle).p, &k->java, err)
			: 0;
	trustbind_paths_done(&paths);
	return r;
}

/* Queues of plain and encrypted bytes come and go with each turn; without this the heap would grow
 * and shrink with them, and be filled with zeros anew each time. What is left of it goes back when
 * a sandbox has gone quiet. */
void keys_tune_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

void keys_stats(const struct sandbox *sb, FILE *out)
{
	struct intercept_counters none = {0};
	const struct intercept_counters *c =
		sb->intercept ? intercept_counters(sb->intercept) : &none;
	const struct stats_row rows[] = {
		{"connections looked into", c->taken},
		{"tls upstreams that did not verify", c->upstream_invalid},
		{"tls handshakes failed upstream", c->upstream_failed},
		{"tls handshakes failed by the guest", c->guest_failed},
		{"interception impossible: refused", c->refused},
	};

	stats_print(&sb->stack.cnt, &sb->cnt, rows, sizeof(rows) / sizeof(rows[0]), out);
}

int keys_log(const struct config *c, struct error *err)
{
	if (!c->tls.keylog)
		return 0;
	if (tls_keylog_open(c->tls.keylog, err) < 0)
		return error_prefix(err, "--tls-keylog");
	log_warning("the keys of all intercepted connections go to %s", c->tls.keylog);
	return 0;
}

int keys_start(struct keys *k, struct loop *l, const struct config *c, struct error *err)
{
	*k = (struct keys){0};
	if (!config_intercepts(c))
		return 0;
	if (keys_log(c, err) == 0)
		k->holder = holder_start(c, err);
	if (k->holder)
		k->channel = holder_channel_new(k->holder, c, NULL, NULL, err);
	if (!k->channel || holder_channel_attach(k->channel, l, err) < 0 ||
	    make_trust(k, err) < 0) {
		keys_done(k);
		return -1;
	}
	k->environment = secret_set_environment(holder_secrets(k->channel));
	if (!k->environment) {
		keys_done(k);
		return error_set(err, "out of memory");
	}
	if (holder_seal(k->holder, (const char *const *)&c->path, c->path ? 1 : 0, err) < 0) {
		keys_done(k);
		return -1;
	}
	holder_wipe_environment(c);
	keys_tune_heap();
	return 0;
}

void keys_trust(const struct keys *k, struct trustbind *ret)
{
	if (!k->holder)
		return;
	*ret = (struct trustbind){
		.pem = (const char *)buf_view(&k->bundle).p,
		.pem_len = k->bundle.len - 1, /* without the NUL */
		.ca_pem = holder_ca_pem(k->holder),
		.java = buf_view(&k->java).p,
		.java_len = k->java.len,
	};
	memcpy(ret->subject_hash, k->subject_hash, sizeof(ret->subject_hash));
}

void keys_guard_process(const struct keys *k)
{
	if (k->holder)
		prctl(PR_SET_DUMPABLE, 0);
}

void keys_done(struct keys *k)
{
	secret_environment_free(k->environment);
	buf_done(&k->bundle);
	buf_done(&k->java);
	holder_channel_free(k->channel);
	holder_stop(k->holder);
	*k = (struct keys){0};
}
