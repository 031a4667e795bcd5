// SPDX-License-Identifier: Apache-2.0
/*
 * `weir serve`, between its files: serve_set.c says which sandboxes there are to be, serve_link.c
 * opens their links, serve.c runs them.
 */
#ifndef WEIR_CLI_SERVE_H
#define WEIR_CLI_SERVE_H

#include "cli/options.h"
#include "link/link.h"
#include "stack/stack.h"

struct serve_sandbox {
	char name[CONFIG_NAME_MAX + 1];
	uint32_t slot;
	uint32_t id;         /* in the gateway; 0: not there yet */
	struct config *conf; /* the set's common one, or its own */
	bool own_conf;
	struct config_serve link; /* its name belongs to a configuration */
	/* From the start on: */
	struct stack_config stack;
	uint8_t vpnkit_mac[6]; /* told by vpnkit's handshake */
};

/* All that was asked for: read once at the start, and again for each reload. */
struct serve_set {
	struct config common; /* of the sandboxes that the command line names, and of the process */
	struct serve_sandbox *v;
	size_t n;
};

/* 0; 1 where help was asked for; -1 and err. After these, too, serve_set_done() is needed. `again`:
 * the descriptors of --fd belong to links already, and are not looked at. */
int serve_set_read(struct serve_set *s, int argc, char **argv, bool again, struct error *err);
void serve_set_done(struct serve_set *s);
/* 0 where `next` has the same sandboxes as `running`, and each can take over its new configuration;
 * -1 and err. */
int serve_set_check(const struct serve_set *running, const struct serve_set *next,
		    struct error *err);
/* The file of one sandbox where many share a name of it: "weir.pcapng" -> "weir-NAME.pcapng".
 * NULL without memory. */
char *serve_own_path(const char *path, const char *name);

/* NULL and err, which names the option, the value and what to do. */
struct link *serve_link_open(const struct serve_sandbox *s, struct error *err);
/* Whether that can be done again after the link has ended. */
bool serve_link_can_reopen(const struct serve_sandbox *s);
/* "stream /run/vm.sock", for people. */
const char *serve_link_text(const struct serve_sandbox *s, char *buf, size_t size);
/* What kind of link descriptor fd is good for; -1 where it is none. */
int serve_link_kind(int fd, enum config_serve_kind *ret);

#endif
