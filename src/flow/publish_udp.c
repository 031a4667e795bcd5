// SPDX-License-Identifier: Apache-2.0
/*
 * Published UDP ports: one source address and port on the guest's side for each client. See
 * publish_priv.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/flow.h"
#include "flow/publish_priv.h"

#define CLIENT_IDLE_US (60 * UINT64_C(1000000))
#define PORT_BUFFER    (4 << 20) /* a thousand clients at once, each with a datagram or two */

/* A client while it talks. */
struct publish_client {
	struct flow flow;
	uint64_t bytes_in, bytes_out;
	struct list by_use; /* in set.clients */
	struct publish_port *port;
	struct ipaddr client;
	uint16_t client_port;
	struct ipaddr local; /* the host's address that it sent to last */
	struct ipaddr guest;
	struct ipaddr side; /* what the guest sees of it: its own address, or the gateway's */
	uint16_t side_port;
	bool moved; /* the guest's other family is in use, because the first refused */
	uint64_t client_hash, side_hash;
	uint64_t used_us;
	struct timer idle;
};

struct client_key {
	struct publish_port *port;
	struct ipaddr client;
	uint8_t client_port[2];
	uint8_t pad[5]; /* zero: the key is hashed whole */
};
_Static_assert(sizeof(struct client_key) == sizeof(void *) + 24, "a key without hidden padding");

struct side_key {
	struct ipaddr side;
	uint8_t side_port[2], guest_port[2];
};

static bool client_match(const void *item, const void *key)
{
	const struct publish_client *pc = item;
	const struct client_key *k = key;
	return pc->port == k->port && pc->client_port == get_be16(k->client_port) &&
	       ipaddr_eq(&pc->client, &k->client);
}

static bool side_match(const void *item, const void *key)
{
	const struct publish_client *pc = item;
	const struct side_key *k = key;
	return pc->side_port == get_be16(k->side_port) &&
	       pc->port->guest_port == get_be16(k->guest_port) && ipaddr_eq(&pc->side, &k->side);
}

static struct client_key client_key(struct publish_port *pp, const struct ipaddr *a, uint16_t port)
{
	struct client_key k = {.port = pp, .client = *a};
	put_be16(k.client_port, port);
	return k;
}

static struct publish_client *find_client(struct publish_port *pp, const struct ipaddr *a,
					  uint16_t port)
{
	struct client_key k = client_key(pp, a, port);
	return table_find(&pp->set->by_client, siphash(&pp->set->key, &k, sizeof(k)), client_match,
			  &k);
}

/* Who is behind side:side_port for the guest's port. The hash comes back for an insertion. */
static struct publish_client *find_side(const struct publish_set *set, const struct ipaddr *side,
					uint16_t side_port, uint16_t guest_port, uint64_t *ret_hash)
{
	struct side_key k = {.side = *side};
	put_be16(k.side_port, side_port);
	put_be16(k.guest_port, guest_port);
	*ret_hash = siphash(&set->key, &k, sizeof(k));
	return table_find(&set->by_side, *ret_hash, side_match, &k);
}

static void client_free(struct publish_client *pc)
{
	struct publish_set *set = pc->port->set;
	flow_close(set->sb, &pc->flow,
		   &(struct flow_result){.end = "timeout",
					 .bytes_in = (int64_t)pc->bytes_in,
					 .bytes_out = (int64_t)pc->bytes_out,
					 .rtt_us = -1});
	timer_cancel(&set->sb->loop->wheel, &pc->idle);
	table_remove(&set->by_client, pc->client_hash, pc);
	table_remove(&set->by_side, pc->side_hash, pc);
	list_del(&pc->by_use);
	free(pc);
}

static void client_touch(struct publish_client *pc)
{
	struct publish_set *set = pc->port->set;
	pc->used_us = set->sb->loop->now_us;
	if (set->clients.next != &pc->by_use) {
		list_del(&pc->by_use);
		list_add_head(&set->clients, &pc->by_use);
	}
}

/* The timer is not moved by every datagram; it looks at the last one when it fires. */
static void idle_fire(struct timer *t)
{
	struct publish_client *pc = container_of(t, struct publish_client, idle);
	struct loop *l = pc->port->set->sb->loop;
	if (pc->used_us + CLIENT_IDLE_US > l->now_us)
		timer_set(&l->wheel, t, pc->used_us + CLIENT_IDLE_US);
	else
		client_free(pc);
}

/* A free port of the gateway's stands for the client, toward this address of the guest's. */
static bool choose_gateway_side(struct publish_client *pc, const struct ipaddr *guest)
{
	struct publish_set *set = pc->port->set;
	struct ipaddr gw = publish_gateway(set->sb, guest->family);
	for (unsigned i = 0; i < PUBLISH_PORT_TRIES; i++) {
		uint16_t port = publish_port_try(i, pc->client_port);
		uint64_t hash;
		if (find_side(set, &gw, port, pc->port->guest_port, &hash))
			continue;
		pc->guest = *guest;
		pc->side = gw;
		pc->side_port = port;
		pc->side_hash = hash;
		return true;
	}
	return false;
}

/* What the guest will see: the client itself where that can be, else the gateway. */
static bool choose_side(struct publish_client *pc)
{
	struct publish_set *set = pc->port->set;
	struct ipaddr guest = publish_guest_any(set->sb, pc->client.family);
	if (publish_keeps(set->sb, &pc->client)) {
		pc->side = pc->client;
		pc->side_port = pc->client_port;
		pc->guest = guest;
		if (!find_side(set, &pc->side, pc->side_port, pc->port->guest_port, &pc->side_hash))
			return true; /* else it talks to the same guest port by two published ports
				      */
	}
	return choose_gateway_side(pc, &guest);
}

static struct policy_facts client_facts(const struct publish_port *pp, const struct ipaddr *client)
{
	return (struct policy_facts){.dir = POLICY_INGRESS,
				     .proto = POLICY_UDP,
				     .remote = *client,
				     .port = pp->guest_port};
}

static void client_forbid(struct sandbox *sb, struct flow *f)
{
	client_free(container_of(f, struct publish_client, flow));
}

static struct publish_client *client_new(struct publish_port *pp, const struct udp_in *in)
{
	struct publish_set *set = pp->set;
	struct policy_facts facts = client_facts(pp, &in->from);
	if (set->by_client.count >= PUBLISH_CLIENTS) {
		struct publish_client *old =
			container_of(set->clients.prev, struct publish_client, by_use);
		facts = client_facts(old->port, &old->client);
		flow_count_refusal(set->sb, REASON_LIMIT_UDP, &facts);
		client_free(old);
		facts = client_facts(pp, &in->from);
	}
	struct publish_client *pc = calloc(1, sizeof(*pc));
	if (!pc)
		return NULL;
	struct client_key k = client_key(pp, &in->from, in->port);
	pc->port = pp;
	pc->client = in->from;
	pc->client_port = in->port;
	pc->client_hash = siphash(&set->key, &k, sizeof(k));
	list_init(&pc->by_use);
	list_init(&pc->flow.node);
	pc->flow.forbid = client_forbid;
	timer_init(&pc->idle, idle_fire);
	if (!choose_side(pc) || !table_insert(&set->by_client, pc->client_hash, pc)) {
		free(pc);
		return NULL;
	}
	if (!table_insert(&set->by_side, pc->side_hash, pc)) {
		table_remove(&set->by_client, pc->client_hash, pc);
		free(pc);
		return NULL;
	}
	list_add_head(&set->clients, &pc->by_use);
	struct policy_verdict v = flow_decide(set->sb, &facts);
	flow_open(set->sb, &pc->flow, &facts, &pc->guest, in->port, &v);
	timer_set(&set->sb->loop->wheel, &pc->idle, set->sb->loop->now_us + CLIENT_IDLE_US);
	return pc;
}

/* From a client to the guest. */
static void port_datagram(struct udp_sock *us, const struct udp_in *in)
{
	struct publish_port *pp = container_of(us, struct publish_port, sock);
	struct sandbox *sb = pp->set->sb;
	struct publish_client *pc = find_client(pp, &in->from, in->port);
	if (!pc && publish_admit(pp, &in->from, in->port))
		pc = client_new(pp, in);
	if (!pc) {
		sb->cnt.udp_dropped++;
		return;
	}
	pc->local = in->info.local;
	pc->bytes_in += in->len;
	client_touch(pc);
	udp_in_to_guest(sb, in, &pc->side, pc->side_port, &pc->guest, pp->guest_port);
}

/* The client's port is closed, or the way to it: the guest hears of it. */
static void port_error(struct udp_sock *us, const struct sock_error *e, const uint8_t *payload)
{
	struct publish_port *pp = container_of(us, struct publish_port, sock);
	struct publish_client *pc = find_client(pp, &e->dst, e->port);
	if (pc)
		udp_error_to_guest(pp->set->sb, e, payload, &pc->side, pc->side_port, &pc->guest,
				   pp->guest_port);
}

static const struct udp_sock_ops port_ops = {
	.datagram = port_datagram,
	.error = port_error,
};

bool publish_udp_from_guest(struct publish_set *set, const struct udp_datagram *d)
{
	uint64_t hash;
	struct publish_client *pc = find_side(set, &d->dst, d->dport, d->sport, &hash);
	if (!pc || !ipaddr_eq(&pc->guest, &d->src))
		return false;
	client_touch(pc);
	pc->bytes_out += d->payload.len;
	udp_sock_gather(&pc->port->sock, &pc->client, pc->client_port, &pc->local, d);
	return true;
}

void publish_udp_refused(struct publish_set *set, const struct ipaddr *side, uint16_t side_port,
			 uint16_t guest_port, const struct view *payload)
{
	struct sandbox *sb = set->sb;
	uint64_t hash;
	struct publish_client *pc = find_side(set, side, side_port, guest_port, &hash);
	if (!pc || pc->moved || ipaddr_eq(&pc->side, &pc->client))
		return;
	struct ipaddr other = publish_guest(sb, pc->guest.family == 4 ? 6 : 4);
	if (!other.family)
		return;
	table_remove(&set->by_side, pc->side_hash, pc);
	if (!choose_gateway_side(pc, &other) || !table_insert(&set->by_side, pc->side_hash, pc)) {
		client_free(pc);
		return;
	}
	pc->moved = true;
	if (!payload)
		return;
	struct udp_in again = {.data = payload->p, .len = payload->len};
	udp_in_to_guest(sb, &again, &pc->side, pc->side_port, &pc->guest, guest_port);
}

int publish_udp_open(struct publish_port *pp)
{
	struct sockaddr_storage sa;
	socklen_t len = ipaddr_to_sockaddr(&pp->bind, pp->host_port, &sa);
	struct ipaddr bound;
	udp_sock_init(&pp->sock, udp_relay_io(pp->set->sb->udp), pp->bind.family, &port_ops);
	int fd = sock_udp_open(pp->bind.family, SOCK_UDP_ERRORS | SOCK_UDP_PKTINFO);
	if (fd < 0)
		return fd;
	sock_set_buffers(fd, PORT_BUFFER, PORT_BUFFER);
	int r = 0;
	if (bind(fd, (struct sockaddr *)&sa, len) || getsockname(fd, (struct sockaddr *)&sa, &len))
		r = -errno;
	else
		r = udp_sock_attach(&pp->sock, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	ipaddr_from_sockaddr((struct sockaddr *)&sa, &bound, &pp->host_port);
	return 0;
}

void publish_udp_close(struct publish_port *pp)
{
	list_for_each (it, &pp->set->clients) {
		struct publish_client *pc = container_of(it, struct publish_client, by_use);

		if (pc->port == pp)
			client_free(pc);
	}
	udp_sock_close(&pp->sock);
}

void publish_udp_forget(struct publish_set *set)
{
	list_for_each (it, &set->clients) {
		client_free(container_of(it, struct publish_client, by_use));
	}
}
