// SPDX-License-Identifier: Apache-2.0
/*
 * The end of a client's connection that may be tried over both families of the guest's addresses.
 *
 * It stands between the stack and the socket's own end, and hands every call on. Until the guest
 * has accepted, a reset means that the guest refused: the client's socket is kept and the second
 * address is tried, once, in the next turn of the loop (an end must not call up from inside a call
 * down). From the first other call on, the connection is established, and a reset is a reset.
 */
#include <poll.h>
#include <stdlib.h>

#include "flow/publish_priv.h"

struct publish_end {
	struct flow_end end;
	struct flow_end *inner; /* over fd */
	int fd;
	struct list node; /* in set.dialing until the guest has accepted */
	struct publish_set *set;
	struct ipaddr second;      /* family 0: it has been tried */
	struct policy_facts facts; /* that admitted the client */
	uint16_t client_port;
	struct timer retry;
};

static struct publish_end *end_of(struct flow_end *e)
{
	return container_of(e, struct publish_end, end);
}

/* Any call but reset says that the connection stands. */
static struct flow_end *opened(struct flow_end *e)
{
	struct publish_end *pe = end_of(e);
	list_del(&pe->node);
	return pe->inner;
}

static ssize_t end_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	struct flow_end *inner = opened(e);
	ssize_t got = inner->ops->peek(inner, off, iov, n);
	e->eof_near = inner->eof_near;
	return got;
}

static void end_consume(struct flow_end *e, size_t n)
{
	struct flow_end *inner = opened(e);
	inner->ops->consume(inner, n);
}

static ssize_t end_push(struct flow_end *e, const struct iovec *iov, int n)
{
	struct flow_end *inner = opened(e);
	return inner->ops->push(inner, iov, n);
}

static void end_shut(struct flow_end *e)
{
	struct flow_end *inner = opened(e);
	inner->ops->shut(inner);
}

static void end_free(struct publish_end *pe, void (*how)(struct flow_end *))
{
	if (list_linked(&pe->node))
		timer_cancel(&pe->set->sb->loop->wheel, &pe->retry);
	list_del(&pe->node);
	how(pe->inner);
	free(pe);
}

static void end_reset(struct flow_end *e)
{
	struct publish_end *pe = end_of(e);
	if (list_linked(&pe->node) && pe->second.family) {
		struct loop *l = pe->set->sb->loop;
		pe->end.conn = pe->inner->conn = NULL;
		timer_set(&l->wheel, &pe->retry, l->now_us);
		return;
	}
	end_free(pe, pe->inner->ops->reset);
}

static void end_close(struct flow_end *e)
{
	end_free(end_of(e), end_of(e)->inner->ops->close);
}

static const struct flow_end_ops publish_end_ops = {
	.peek = end_peek,
	.consume = end_consume,
	.push = end_push,
	.shut = end_shut,
	.reset = end_reset,
	.close = end_close,
};

/* What happened to the socket while it had no connection was told to nobody. */
static void look_for_end(struct publish_end *pe)
{
	struct pollfd p = {.fd = pe->fd, .events = POLLRDHUP};
	if (poll(&p, 1, 0) > 0 && p.revents)
		pe->inner->eof_near = true;
}

static void dial(struct publish_end *pe, const struct ipaddr *guest)
{
	struct sandbox *sb = pe->set->sb;
	struct tcp_conn *c = publish_tcp_dial(sb, guest, pe->facts.port, pe->client_port, &pe->end);
	if (!c) {
		flow_count_refusal(sb, REASON_LIMIT_CONNECTIONS, &pe->facts);
		end_free(pe, pe->inner->ops->reset);
		return;
	}
	pe->inner->conn = c; /* the inner end's upcalls go straight to the connection */
	look_for_end(pe);
	tcp_relay_follow(sb, c, &pe->facts, pe->client_port); /* last: it may end it */
}

static void retry_fire(struct timer *t)
{
	struct publish_end *pe = container_of(t, struct publish_end, retry);
	struct ipaddr guest = pe->second;
	pe->second = (struct ipaddr){0};
	dial(pe, &guest);
}

void publish_end_dial(struct publish_set *set, struct flow_end *inner, int fd,
		      const struct ipaddr *first, const struct ipaddr *second,
		      const struct policy_facts *facts, uint16_t client_port)
{
	struct publish_end *pe = calloc(1, sizeof(*pe));
	if (!pe) {
		inner->ops->reset(inner);
		return;
	}
	*pe = (struct publish_end){
		.end = {.ops = &publish_end_ops, .direct = inner->direct},
		.inner = inner,
		.fd = fd,
		.set = set,
		.second = *second,
		.facts = *facts,
		.client_port = client_port,
	};
	timer_init(&pe->retry, retry_fire);
	list_add_tail(&set->dialing, &pe->node);
	dial(pe, first);
}

void publish_end_forget(struct publish_set *set)
{
	list_for_each (it, &set->dialing) {
		struct publish_end *pe = container_of(it, struct publish_end, node);
		bool waiting = timer_armed(&pe->retry);
		timer_cancel(&set->sb->loop->wheel, &pe->retry);
		list_del(&pe->node);
		if (waiting) /* between two attempts nobody but us has it */
			end_free(pe, pe->inner->ops->reset);
	}
}
