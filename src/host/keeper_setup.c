// SPDX-License-Identifier: Apache-2.0
/*
 * Inside the keeper, before the command: namespaces, id maps, the interface, name resolution.
 *
 * A new sandbox always gets a user namespace of its own, for root too: the command may then be as
 * much root as it likes, it has no say over the host's network namespace and cannot go back into
 * it.
 */
#include "host/keeper_priv.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "host/idmap.h"
#include "host/ns.h"

/* Makes namespaces, a user namespace among them, and gets its ids mapped. */
static int unshare_mapped(const struct keeper_config *c, int sock, int flags, struct error *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct keeper_msg m = {.type = MSG_MAP_ME};
	bool all = idmap_may_map_all() && (uid == 0 || !c->map_root);

	if (ns_unshare(flags, err) < 0)
		return -1;
	if (all) {
		/* Only a process outside can do that. */
		if (keeper_msg_send(sock, &m, -1) < 0 || keeper_msg_recv(sock, 0, &m, NULL) != 1 ||
		    m.type != MSG_MAPPED)
			return error_set(err, "the sandbox's ids were not mapped");
		return 0;
	}
	if (idmap_write_self(uid, gid, c->map_root ? 0 : uid, c->map_root ? 0 : gid, err) < 0) {
		const char *why = ns_obstacle(EPERM);
		if (why)
			error_prefix(err, "%s", why);
		return -1;
	}
	return 0;
}

static int set_up_new(const struct keeper_config *c, int sock, enum guestif_kind *ret_kind,
		      struct error *err)
{
	if (unshare_mapped(c, sock, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET, err) < 0)
		return -1;
	return guestif_create(&c->interface, ret_kind, err);
}

static int set_up_existing(const struct keeper_config *c, int sock, enum guestif_kind *ret_kind,
			   struct error *err)
{
	bool user_joined;
	int ns = c->netns_path ? ns_open_path(c->netns_path, err) : ns_open_pid(c->pid, err);

	if (ns < 0)
		return -1;
	int r = ns_join(ns, &user_joined, err);
	close(ns);
	if (r < 0)
		return -1;
	int fd = guestif_create(&c->interface, ret_kind, err);
	if (fd < 0 || !c->argv)
		return fd;
	/* The command gets the network, and no power over it where it had none by its owner. */
	r = user_joined ? ns_unshare(CLONE_NEWNS, err)
			: unshare_mapped(c, sock, CLONE_NEWUSER | CLONE_NEWNS, err);
	if (r < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The host's files as the command is to see them. */
static int bind_files(const struct keeper_config *c, struct bindkeep *keep,
		      struct keeper_missing *ret, struct error *err)
{
	struct resolvbind_files names;
	struct trustbind_paths trust;
	const char *needed[2 * TRUSTBIND_PATHS + 3];
	const char *resolv = NULL, *bundle = NULL;
	struct bindover b = {.keep = keep};
	size_t n = 0;

	resolvbind_find(&names);
	trustbind_find(&trust);
	if (names.resolv)
		needed[n++] = names.resolv;
	if (names.hosts)
		needed[n++] = names.hosts;
	for (int i = 0; c->trust.pem && trust.bundles[i]; i++)
		needed[n++] = trust.bundles[i];
	for (int i = 0; c->trust.pem && trust.stores[i]; i++)
		needed[n++] = trust.stores[i];
	needed[n] = NULL;
	int r = bindover_begin(&b, needed, err);
	if (r == 0)
		r = resolvbind_apply(&c->resolv, &names, &b, &resolv, err);
	if (r == 0)
		r = trustbind_apply(&c->trust, &trust, &b, &bundle, err);
	if (r == 0)
		r = bindover_end(&b, err);
	ret->resolv = resolv != NULL;
	ret->bundle = c->trust.pem && !bundle;
	resolvbind_files_done(&names);
	trustbind_paths_done(&trust);
	return r;
}

int keeper_set_up(const struct keeper_config *c, int sock, enum guestif_kind *ret_kind,
		  struct bindkeep *keep, struct keeper_missing *ret_missing, struct error *err)
{
	bool existing = c->netns_path || c->pid;
	int fd = existing ? set_up_existing(c, sock, ret_kind, err)
			  : set_up_new(c, sock, ret_kind, err);

	if (fd < 0)
		return -1;
	if (c->argv && bind_files(c, keep, ret_missing, err) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}
