// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions of the UDP relay and the remotes of each: tables, order of use, ageing. See udp_priv.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/udp_hold.h"
#include "flow/udp_priv.h"

struct session_key {
	struct ipaddr guest;
	uint8_t port[2];
};

/* The session's address is part of the key, so one table holds the remotes of all. */
struct remote_key {
	struct udp_session *session;
	struct ipaddr seen;
	uint8_t port[2];
	uint8_t pad[5]; /* zero: the key is hashed whole */
};
_Static_assert(sizeof(struct remote_key) == sizeof(void *) + 24, "a key without hidden padding");

static struct session_key session_key(const struct ipaddr *guest, uint16_t port)
{
	struct session_key k = {.guest = *guest};
	put_be16(k.port, port);
	return k;
}

static bool session_match(const void *item, const void *key)
{
	const struct udp_session *us = item;
	const struct session_key *k = key;
	return us->port == get_be16(k->port) && ipaddr_eq(&us->guest, &k->guest);
}

struct udp_session *udp_session_find(struct udp_relay *r, const struct ipaddr *guest, uint16_t port)
{
	struct session_key k = session_key(guest, port);
	return table_find(&r->sessions, siphash(&r->key, &k, sizeof(k)), session_match, &k);
}

/* How long a session may be silent. */
static uint64_t idle_limit(const struct udp_session *us)
{
	if (us->only_dns)
		return UDP_IDLE_DNS_US;
	return us->spoke_in && us->spoke_out ? UDP_IDLE_BOTH_US : UDP_IDLE_US;
}

/* The timer is not moved by every datagram; it looks at the last one when it fires. */
static void idle_fire(struct timer *t)
{
	struct udp_session *us = container_of(t, struct udp_session, idle);
	uint64_t due = us->used_us + idle_limit(us);
	if (due > us->relay->sb->loop->now_us)
		timer_set(&us->relay->sb->loop->wheel, t, due);
	else
		udp_session_free(us);
}

/* The session that was silent for longest makes room; its last remote stands for it in the count.
 */
static void evict_oldest(struct udp_relay *r)
{
	struct udp_session *us = container_of(r->by_use.prev, struct udp_session, by_use);
	struct policy_facts facts = {.dir = POLICY_EGRESS, .proto = POLICY_UDP};
	if (!list_empty(&us->remotes)) {
		struct udp_remote *ur = container_of(us->remotes.next, struct udp_remote, by_use);
		facts.remote = ur->seen;
		facts.port = ur->port;
	}
	flow_count_refusal(r->sb, REASON_LIMIT_UDP, &facts);
	udp_session_free(us);
}

struct udp_session *udp_session_new(struct udp_relay *r, const struct ipaddr *guest, uint16_t port)
{
	if (r->sessions.count >= r->max_sessions)
		evict_oldest(r);
	struct udp_session *us = calloc(1, sizeof(*us));
	if (!us)
		return NULL;
	struct session_key k = session_key(guest, port);
	us->relay = r;
	us->hash = siphash(&r->key, &k, sizeof(k));
	us->guest = *guest;
	us->port = port;
	us->only_dns = true;
	us->used_us = r->sb->loop->now_us;
	list_init(&us->by_use);
	list_init(&us->remotes);
	udp_sock_init(&us->sock[0], &r->io, 4, &udp_session_ops);
	udp_sock_init(&us->sock[1], &r->io, 6, &udp_session_ops);
	timer_init(&us->idle, idle_fire);
	if (!table_insert(&r->sessions, us->hash, us)) {
		free(us);
		return NULL;
	}
	list_add_head(&r->by_use, &us->by_use);
	timer_set(&r->sb->loop->wheel, &us->idle, us->used_us + UDP_IDLE_DNS_US);
	r->sb->cnt.udp_sessions++;
	return us;
}

void udp_session_free(struct udp_session *us)
{
	struct udp_relay *r = us->relay;
	udp_sock_close(&us->sock[0]); /* what was gathered in this burst still goes */
	udp_sock_close(&us->sock[1]);
	list_for_each (it, &us->remotes) {
		udp_remote_free(container_of(it, struct udp_remote, by_use));
	}
	timer_cancel(&r->sb->loop->wheel, &us->idle);
	table_remove(&r->sessions, us->hash, us);
	list_del(&us->by_use);
	free(us);
}

void udp_session_touch(struct udp_session *us)
{
	us->used_us = us->relay->sb->loop->now_us;
	if (us->relay->by_use.next != &us->by_use) {
		list_del(&us->by_use);
		list_add_head(&us->relay->by_use, &us->by_use);
	}
}

struct udp_sock *udp_session_sock(struct udp_session *us, uint8_t family, int *ret_err)
{
	struct udp_sock *sock = &us->sock[family == 6];
	if (sock->src.fd >= 0)
		return sock;
	int fd = sock_udp_open(family, SOCK_UDP_ERRORS);
	if (fd < 0) {
		*ret_err = fd;
		return NULL;
	}
	sock_set_buffers(fd, UDP_SOCKET_BUFFER, UDP_SOCKET_BUFFER);
	int r = udp_sock_attach(sock, fd);
	if (r < 0) {
		close(fd);
		*ret_err = r;
		return NULL;
	}
	return sock;
}

static struct remote_key remote_key(struct udp_session *us, const struct ipaddr *seen,
				    uint16_t port)
{
	struct remote_key k = {.session = us, .seen = *seen};
	put_be16(k.port, port);
	return k;
}

static bool remote_match(const void *item, const void *key)
{
	const struct udp_remote *ur = item;
	const struct remote_key *k = key;
	return ur->session == k->session && ur->port == get_be16(k->port) &&
	       ipaddr_eq(&ur->seen, &k->seen);
}

struct udp_remote *udp_remote_find(struct udp_session *us, const struct ipaddr *seen, uint16_t port)
{
	struct udp_remote *ur = us->recent;
	if (ur && ur->port == port && ipaddr_eq(&ur->seen, seen))
		return ur;
	struct remote_key k = remote_key(us, seen, port);
	ur = table_find(&us->relay->remotes, siphash(&us->relay->key, &k, sizeof(k)), remote_match,
			&k);
	if (ur)
		us->recent = ur;
	return ur;
}

/* The loopback stands for every address of the gateway; the first that the guest uses now is taken.
 */
static struct udp_remote *find_host(struct udp_session *us, const struct ipaddr *dial,
				    uint16_t port)
{
	const struct stack_config *cfg = &us->relay->sb->stack.cfg;
	const struct ipaddr *gw[] = {&cfg->gw4, &cfg->gw6, &cfg->gw6_ll};
	for (size_t i = 0; i < sizeof(gw) / sizeof(gw[0]); i++) {
		struct udp_remote *ur = gw[i]->family ? udp_remote_find(us, gw[i], port) : NULL;
		if (ur && ipaddr_eq(&ur->dial, dial))
			return ur;
	}
	return NULL;
}

struct udp_remote *udp_remote_find_dialled(struct udp_session *us, const struct ipaddr *dial,
					   uint16_t port)
{
	struct udp_remote *ur = us->recent;
	if (ur && ur->port == port && ipaddr_eq(&ur->dial, dial))
		return ur;
	ur = udp_remote_find(us, dial, port);
	if (ur && ipaddr_eq(&ur->dial, dial))
		return ur;
	return ipaddr_is_loopback(dial) ? find_host(us, dial, port) : NULL;
}

/*
 * Makes room for one more remote: the session's own least recently used one goes, or, where the
 * table of all is full and this session has none yet, the session that was silent for longest.
 */
static void remote_make_room(struct udp_session *us)
{
	struct udp_relay *r = us->relay;
	bool full = r->remotes.count >= r->remotes.cap;
	if (us->remote_count && (full || us->remote_count >= UDP_REMOTES_SESSION))
		udp_remote_free(container_of(us->remotes.prev, struct udp_remote, by_use));
	else if (full && r->by_use.prev != &us->by_use)
		evict_oldest(r);
}

/* The guest hears of it when it sends the next datagram. */
static void remote_forbid(struct sandbox *sb, struct flow *f)
{
	udp_remote_free(container_of(f, struct udp_remote, flow));
}

struct udp_remote *udp_remote_new(struct udp_session *us, const struct ipaddr *seen,
				  const struct ipaddr *dial, uint16_t port)
{
	remote_make_room(us);
	struct udp_remote *ur = calloc(1, sizeof(*ur));
	if (!ur)
		return NULL;
	struct remote_key k = remote_key(us, seen, port);
	ur->session = us;
	ur->hash = siphash(&us->relay->key, &k, sizeof(k));
	ur->seen = *seen;
	ur->dial = *dial;
	ur->port = port;
	list_init(&ur->by_use);
	list_init(&ur->flow.node);
	ur->flow.forbid = remote_forbid;
	if (!table_insert(&us->relay->remotes, ur->hash, ur)) {
		free(ur);
		return NULL;
	}
	list_add_head(&us->remotes, &ur->by_use);
	us->remote_count++;
	us->recent = ur;
	if (port != 53)
		us->only_dns = false;
	return ur;
}

void udp_remote_touch(struct udp_remote *ur)
{
	if (ur->session->remotes.next != &ur->by_use) {
		list_del(&ur->by_use);
		list_add_head(&ur->session->remotes, &ur->by_use);
	}
}

void udp_remote_free(struct udp_remote *ur)
{
	struct udp_session *us = ur->session;
	if (us->recent == ur)
		us->recent = NULL;
	udp_hold_free(ur->hold);
	flow_close(us->relay->sb, &ur->flow,
		   &(struct flow_result){.end = "timeout",
					 .bytes_in = (int64_t)ur->bytes_in,
					 .bytes_out = (int64_t)ur->bytes_out,
					 .rtt_us = -1});
	table_remove(&us->relay->remotes, ur->hash, ur);
	list_del(&ur->by_use);
	us->remote_count--;
	free(ur);
}
