// SPDX-License-Identifier: Apache-2.0
/*
 * The DNS proxy: what happens to a query between its asker and the resolvers. See proxy.h.
 */
#include "dns/proxy.h"

#include <stdlib.h>
#include <sys/random.h>

#include "conf/config.h"
#include "dns/local.h"
#include "dns/message.h"
#include "flow/sandbox.h"

#define RESOLV_CONF "/etc/resolv.conf"

static void conf_event(struct loop_source *src, uint32_t events)
{
	struct dns_proxy *d = container_of(src, struct dns_proxy, conf_src);
	resolvconf_event(&d->conf);
}

/* Without a watch the file is still compared every second. */
static void conf_follow(struct dns_proxy *d, const char *path)
{
	resolvconf_init(&d->conf, path, d->sb->loop->now_us);
	d->follows = true;
	if (d->conf.inotify_fd >= 0)
		loop_add(d->sb->loop, &d->conf_src, d->conf.inotify_fd, EPOLLIN);
}

struct dns_proxy *dns_proxy_new_at(struct sandbox *sb, const struct config *c, const char *path,
				   struct error *err)
{
	struct dns_proxy *d = calloc(1, sizeof(*d));
	if (!d) {
		error_set(err, "no memory for the DNS proxy");
		return NULL;
	}
	d->sb = sb;
	d->timeout_us = c->dns_timeout_ms * 1000ull;
	d->conf_src = (struct loop_source){.fd = -1, .fn = conf_event};
	d->conf.inotify_fd = -1;
	list_init(&d->inflight);
	list_init(&d->tcp);
	for (size_t i = 0; i < c->dns_upstream_count && i < RESOLVERS_MAX; i++)
		d->fixed.v[d->fixed.n++] = (struct resolver){
			.addr = c->dns_upstream[i].addr,
			.port = c->dns_upstream[i].port ? c->dns_upstream[i].port : DNS_PORT,
		};
	if (d->fixed.n == 0)
		conf_follow(d, path);
	return d;
}

struct dns_proxy *dns_proxy_new(struct sandbox *sb, const struct config *c, struct error *err)
{
	return dns_proxy_new_at(sb, c, RESOLV_CONF, err);
}

void dns_proxy_free(struct dns_proxy *d)
{
	if (!d)
		return;
	dns_query_cancel(d, NULL);
	dns_tcp_free_all(d);
	loop_del(d->sb->loop, &d->conf_src);
	resolvconf_done(&d->conf);
	free(d);
}

uint16_t dns_proxy_random_id(struct dns_proxy *d)
{
	/* Up to 256 bytes come at once or not at all (getrandom(2)). */
	if (d->ids_n == 0 && getrandom(d->ids, sizeof(d->ids), 0) == sizeof(d->ids))
		d->ids_n = sizeof(d->ids) / sizeof(d->ids[0]);
	return d->ids_n ? d->ids[--d->ids_n] : (uint16_t)clock_now_us();
}

const struct resolver_list *dns_proxy_resolvers(struct dns_proxy *d, size_t *ret_first)
{
	const struct resolver_list *l = d->follows ? &d->conf.list : &d->fixed;
	*ret_first = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (d->slow_until[i] <= d->sb->loop->now_us) {
			*ret_first = i;
			break;
		}
	}
	return l;
}

void dns_proxy_resolver_slow(struct dns_proxy *d, size_t i)
{
	d->slow_until[i] = d->sb->loop->now_us + DNS_SLOW_US;
}

void dns_proxy_resolver_good(struct dns_proxy *d, size_t i)
{
	d->slow_until[i] = 0;
}

static void send_answer(struct dns_proxy *d, const struct dns_asker *who, const uint8_t *msg,
			size_t len)
{
	if (who->tcp)
		dns_tcp_answer(who->tcp, view_make(msg, len));
	else
		udp_output(&d->sb->stack, &who->at, DNS_PORT, &who->from, who->port, 64, 0, msg,
			   len);
}

void dns_proxy_answer(struct dns_proxy *d, const struct dns_asker *who,
		      const struct dns_query_view *q, struct view answer)
{
	d->sb->cnt.dns_answers++;
	if (!who->tcp && answer.len > q->edns_size) {
		uint8_t buf[DNS_MADE_MAX];
		size_t len = dns_make_truncated(q, answer, buf);
		send_answer(d, who, buf, len);
	} else {
		send_answer(d, who, answer.p, answer.len);
	}
}

void dns_proxy_fail(struct dns_proxy *d, const struct dns_asker *who,
		    const struct dns_query_view *q, enum dns_ede ede)
{
	uint8_t buf[DNS_MADE_MAX];
	d->sb->cnt.dns_failures++;
	send_answer(d, who, buf, dns_make_error(q, DNS_SERVFAIL, ede, NULL, buf));
}

/* What could not be read as a query. False where it is dropped. */
static bool refuse(struct dns_proxy *d, const struct dns_asker *who, const struct dns_query_view *q,
		   int rcode)
{
	d->sb->cnt.dns_failures++;
	/* Two servers must not answer each other's answers for ever. */
	bool loops = (q->h.flags & DNS_QR) && !who->tcp && who->port == DNS_PORT;
	if (rcode < 0 || loops) {
		stack_drop(&d->sb->stack, DROP_BAD_HEADER);
		return false;
	}
	uint8_t buf[DNS_MADE_MAX];
	send_answer(d, who, buf, dns_make_bare_error(&q->h, (enum dns_rcode)rcode, buf));
	return true;
}

bool dns_proxy_ask(struct dns_proxy *d, const struct dns_asker *who, struct view msg)
{
	struct dns_query_view q;
	int rcode;
	d->sb->cnt.dns_queries++;
	if (!dns_query_read(msg, &q, &rcode))
		return refuse(d, who, &q, rcode);
	if (q.end > DNS_QUERY_MAX)
		return refuse(d, who, &q, DNS_FORMERR);
	/* A zone transfer is an answer of many messages, which no resolver gives to a client. */
	if (q.q.type == DNS_AXFR || q.q.type == DNS_IXFR)
		return refuse(d, who, &q, DNS_NOTIMP);

	struct dns_own own;
	struct dns_local_env env = {0};
	const struct stack_config *cfg = &d->sb->stack.cfg;
	if (cfg->has_v4)
		env.gw4 = cfg->gw4;
	if (cfg->has_v6)
		env.gw6 = cfg->gw6;
	if (dns_local_find(&env, &q.q, &own)) {
		uint8_t buf[DNS_MADE_MAX];
		d->sb->cnt.dns_answers++;
		send_answer(d, who, buf, dns_make_own(&q, &own, buf));
		return true;
	}
	if (d->follows && resolvconf_check(&d->conf, d->sb->loop->now_us))
		memset(d->slow_until, 0, sizeof(d->slow_until));
	dns_query_start(d, who, &q, msg);
	return true;
}

void dns_proxy_udp(struct dns_proxy *d, const struct udp_datagram *u)
{
	struct dns_asker who = {.from = u->src, .at = u->dst, .port = u->sport};
	struct view rest = u->payload, one;
	/* A train of datagrams came as one. */
	size_t size = u->gso_size ? u->gso_size : rest.len;
	do {
		if (!view_take(&rest, rest.len < size ? rest.len : size, &one))
			return;
		dns_proxy_ask(d, &who, one);
	} while (rest.len);
}
