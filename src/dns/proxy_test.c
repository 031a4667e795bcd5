// SPDX-License-Identifier: Apache-2.0
/*
 * The DNS proxy against resolvers on loopback that this program plays itself, asked by a guest over
 * UDP and over TCP through a real stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "conf/config.h"
#include "dns/message.h"
#include "dns/proxy.h"
#include "flow/sandbox.h"

static const struct ipaddr gw4 = {4, {172, 16, 0, 1}}, guest4 = {4, {172, 16, 0, 2}};
static const struct ipaddr gw6 = {6, {0xfd, [15] = 1}}, guest6 = {6, {0xfd, [15] = 2}};
static const struct ipaddr lo4 = {4, {127, 0, 0, 1}};

#define TIMEOUT_MS 1200 /* of a query; its parts are 400 ms */
#define AT_ONCE_US 300000

/* ---- a resolver ---- */

enum behaviour {
	ANSWER,
	SILENT,
	WRONG_ID,       /* first a wrong one, then the right one */
	WRONG_QUESTION, /* likewise */
	TRUNCATE,       /* TC over UDP */
	BIG,            /* 3000 bytes of answer */
	LATE,           /* answers the first query when the second comes */
	HEADER_ONLY,    /* FORMERR without a question */
	CUT,            /* over TCP: half an answer, then the end */
};

struct resolver_fake {
	struct loop_source udp, tcp;
	struct loop_source conn[32];
	uint8_t in[32][600];
	size_t got[32];
	int conn_n;
	enum behaviour how;
	int queries, tcp_queries;
	uint16_t port;
	uint16_t last_id, last_sport;
	uint8_t held[600]; /* for LATE */
	size_t held_len;
	struct sockaddr_storage held_from;
	uint8_t mark; /* last byte of the address that it answers */
};

static struct loop loop;
static struct sandbox sb;
static struct dns_proxy *dns;
static struct resolver_fake fake[2];
static struct config conf;

/* What came out of the stack. */
static struct {
	uint8_t b[4096];
	size_t len;
} frames[400];
static int frame_n;

/* The answer to a query, into `out`; returns its length. */
static size_t make_answer(const struct resolver_fake *f, const uint8_t *q, size_t len, uint8_t *out)
{
	struct dns_query_view v;
	int rcode;
	if (!dns_query_read(view_make(q, len), &v, &rcode))
		return 0;
	struct wbuf w = wbuf_make(out, 4096);
	wbuf_put_bytes(&w, q, v.question_end);
	put_be16(out + 2, DNS_QR | DNS_RD | DNS_RA);
	put_be16(out + 6, 1);
	put_be16(out + 10, 0);
	wbuf_put_be16(&w, 0xc00c);
	wbuf_put_be16(&w, DNS_A);
	wbuf_put_be16(&w, DNS_IN);
	wbuf_put_be32(&w, 300);
	wbuf_put_be16(&w, 4);
	wbuf_put_be32(&w, 0xc6336400u | f->mark);
	if (f->how == BIG)
		wbuf_put_zero(&w, 3000 - w.len);
	if (f->how == HEADER_ONLY) {
		put_be16(out + 2, DNS_QR | DNS_FORMERR);
		memset(out + 4, 0, 8);
		w.len = 12;
	}
	return w.len;
}

static void fake_udp(struct loop_source *src, uint32_t events)
{
	struct resolver_fake *f = container_of(src, struct resolver_fake, udp);
	uint8_t q[600], a[4096];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(src->fd, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
	if (n < 12)
		return;
	f->queries++;
	f->last_id = get_be16(q);
	struct ipaddr addr;
	ipaddr_from_sockaddr((struct sockaddr *)&from, &addr, &f->last_sport);
	if (f->how == SILENT)
		return;
	if (f->how == LATE && f->queries == 1) {
		memcpy(f->held, q, (size_t)n);
		f->held_len = (size_t)n;
		f->held_from = from;
		return;
	}
	if (f->how == LATE) {
		n = (ssize_t)f->held_len;
		memcpy(q, f->held, f->held_len);
		from = f->held_from;
	}
	size_t len = make_answer(f, q, (size_t)n, a);
	if (f->how == WRONG_ID || f->how == WRONG_QUESTION) {
		uint8_t bad[4096];
		memcpy(bad, a, len);
		bad[f->how == WRONG_ID ? 1 : 13] ^= 1;
		bad[len - 1] = 66;
		sendto(src->fd, bad, len, 0, (struct sockaddr *)&from, from_len);
	}
	if (f->how == TRUNCATE)
		a[2] |= 2;
	sendto(src->fd, a, len, 0, (struct sockaddr *)&from, from_len);
}

static void fake_conn(struct loop_source *src, uint32_t events)
{
	struct resolver_fake *f = NULL;
	int i = 0;
	for (int k = 0; k < 2; k++)
		if (src >= fake[k].conn && src < fake[k].conn + 32) {
			f = &fake[k];
			i = (int)(src - fake[k].conn);
		}
	uint8_t a[4098];
	ssize_t n = recv(src->fd, f->in[i] + f->got[i], sizeof(f->in[i]) - f->got[i], 0);
	if (n > 0) {
		f->got[i] += (size_t)n;
		if (f->got[i] < 2 || f->got[i] < 2u + get_be16(f->in[i]) || f->how == SILENT)
			return;
		f->tcp_queries++;
		size_t len = make_answer(f, f->in[i] + 2, f->got[i] - 2, a + 2);
		put_be16(a, (uint16_t)len);
		send(src->fd, a, f->how == CUT ? len / 2 : len + 2, MSG_NOSIGNAL);
	}
	int fd = src->fd;
	loop_del(&loop, src);
	close(fd);
}

static void fake_accept(struct loop_source *src, uint32_t events)
{
	struct resolver_fake *f = container_of(src, struct resolver_fake, tcp);
	int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	int i = f->conn_n++ % 32;
	f->got[i] = 0;
	f->conn[i] = (struct loop_source){.fd = -1, .fn = fake_conn};
	assert_int_equal(loop_add(&loop, &f->conn[i], fd, EPOLLIN), 0);
}

/* UDP and TCP on one port of 127.0.0.1. */
static void fake_start(struct resolver_fake *f, enum behaviour how, uint8_t mark)
{
	struct sockaddr_storage ss;
	*f = (struct resolver_fake){.how = how, .mark = mark};
	for (int tries = 0; tries < 50; tries++) {
		socklen_t len = ipaddr_to_sockaddr(&lo4, 0, &ss);
		int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		int t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(u, (struct sockaddr *)&ss, len), 0);
		getsockname(u, (struct sockaddr *)&ss, &len);
		struct ipaddr a;
		ipaddr_from_sockaddr((struct sockaddr *)&ss, &a, &f->port);
		if (bind(t, (struct sockaddr *)&ss, len) == 0 && listen(t, 64) == 0) {
			f->udp = (struct loop_source){.fd = -1, .fn = fake_udp};
			f->tcp = (struct loop_source){.fd = -1, .fn = fake_accept};
			assert_int_equal(loop_add(&loop, &f->udp, u, EPOLLIN), 0);
			assert_int_equal(loop_add(&loop, &f->tcp, t, EPOLLIN), 0);
			return;
		}
		close(u);
		close(t);
	}
	fail_msg("no free port");
}

static void source_close(struct loop_source *src)
{
	int fd = src->fn ? src->fd : -1;
	if (fd < 0)
		return;
	loop_del(&loop, src);
	close(fd);
}

static void fake_stop(struct resolver_fake *f)
{
	source_close(&f->udp);
	source_close(&f->tcp);
	for (int i = 0; i < 32; i++)
		source_close(&f->conn[i]);
}

/* ---- the sandbox around the proxy ---- */

static int op_tx(void *ctx, struct frame *f, int n)
{
	for (int i = 0; i < n; i++) {
		if (frame_n == 400 || f[i].len > sizeof(frames[0].b))
			fail_msg("too many frames");
		memcpy(frames[frame_n].b, f[i].data, f[i].len);
		frames[frame_n++].len = f[i].len;
	}
	return n;
}

static void op_tcp_open(void *ctx, struct tcp_conn *c)
{
	struct flow_end *end = dns_proxy_tcp_end(dns);
	if (end)
		tcp_conn_accept(&sb.stack, c, end);
	else
		tcp_conn_refuse(&sb.stack, c, TCP_REFUSE_RST);
}

static void op_udp(void *ctx, const struct udp_datagram *d)
{
	dns_proxy_udp(dns, d);
}

static const struct stack_ops ops = {.tx = op_tx, .tcp_open = op_tcp_open, .udp = op_udp};

static void sandbox_up(void)
{
	static const struct sipkey key = {1, 2};
	struct error err = {""};
	struct stack_config c = {
		.gw_mac = {2, 0, 0, 0, 0, 1},
		.guest_mac = {2, 0, 0, 0, 0, 2},
		.has_v4 = true,
		.has_v6 = true,
		.gw4 = gw4,
		.guest4 = guest4,
		.prefix4 = 30,
		.gw6 = gw6,
		.guest6 = guest6,
		.gw6_ll = {6, {0xfe, 0x80, [15] = 1}},
		.mtu = 1500,
	};
	assert_int_equal(loop_init(&loop, &err), 0);
	memset(&sb, 0, sizeof(sb));
	sb.loop = &loop;
	assert_true(stack_init(&sb.stack, &c, &ops, NULL, &loop.wheel, &key, loop.now_us));
	config_init(&conf);
	conf.dns_timeout_ms = TIMEOUT_MS;
	frame_n = 0;
}

static void proxy_up(const char *path)
{
	struct error err = {""};
	dns = dns_proxy_new_at(&sb, &conf, path, &err);
	assert_non_null(dns);
}

static void upstream_add(uint16_t port)
{
	conf.dns_upstream[conf.dns_upstream_count].addr = lo4;
	conf.dns_upstream[conf.dns_upstream_count++].port = port;
}

static int setup(void **state)
{
	sandbox_up();
	fake_start(&fake[0], ANSWER, 1);
	fake_start(&fake[1], ANSWER, 2);
	return 0;
}

static int teardown(void **state)
{
	stack_done(&sb.stack);
	dns_proxy_free(dns);
	dns = NULL;
	fake_stop(&fake[0]);
	fake_stop(&fake[1]);
	config_done(&conf);
	assert_int_equal(loop.wheel.count, 0);
	loop_done(&loop);
	return 0;
}

/* ---- running the loop until something is true ---- */

static bool (*until)(void);
static int wanted;
static bool timed_out;
static struct timer stop_timer;

static void on_stop(struct timer *t)
{
	timed_out = true;
	loop.stop = true;
}

static void on_turn(struct loop *l, void *ctx)
{
	stack_set_now(&sb.stack, l->now_us);
	stack_flush(&sb.stack);
	if (until && until())
		l->stop = true;
}

/* True where it became true within `ms`. */
static bool run_until(bool (*fn)(void), unsigned ms)
{
	until = fn;
	timed_out = false;
	loop.stop = fn && fn();
	loop.turn_end = on_turn;
	timer_init(&stop_timer, on_stop);
	loop.now_us = clock_now_us();
	timer_set(&loop.wheel, &stop_timer, loop.now_us + ms * 1000ull);
	assert_int_equal(loop_run(&loop), 0);
	timer_cancel(&loop.wheel, &stop_timer);
	return !timed_out;
}

static bool enough_frames(void)
{
	return frame_n >= wanted;
}

static bool run_frames(int n, unsigned ms)
{
	wanted = n;
	return run_until(enough_frames, ms);
}

/* ---- queries ---- */

static size_t make_query(uint8_t *out, uint16_t id, const char *name, uint16_t type, uint16_t edns)
{
	struct wbuf w = wbuf_make(out, 512);
	struct dns_name n;
	assert_true(dns_name_parse(name, &n));
	wbuf_put_be16(&w, id);
	wbuf_put_be16(&w, DNS_RD);
	wbuf_put_be16(&w, 1);
	wbuf_put_be32(&w, 0);
	wbuf_put_be16(&w, edns ? 1 : 0);
	wbuf_put_bytes(&w, n.b, n.len);
	wbuf_put_be16(&w, type);
	wbuf_put_be16(&w, DNS_IN);
	if (edns) {
		wbuf_put_u8(&w, 0);
		wbuf_put_be16(&w, DNS_OPT);
		wbuf_put_be16(&w, edns);
		wbuf_put_be32(&w, 0);
		wbuf_put_be16(&w, 0);
	}
	return w.len;
}

static void ask_raw(const uint8_t *msg, size_t len, uint16_t sport)
{
	struct udp_datagram d = {
		.src = guest4,
		.dst = gw4,
		.sport = sport,
		.dport = 53,
		.payload = view_make(msg, len),
	};
	loop.now_us = clock_now_us();
	stack_set_now(&sb.stack, loop.now_us);
	dns_proxy_udp(dns, &d);
	stack_flush(&sb.stack);
}

static void ask(uint16_t id, const char *name, uint16_t type, uint16_t edns)
{
	uint8_t q[512];
	ask_raw(q, make_query(q, id, name, type, edns), 40000);
}

/* The DNS message in frame i, which has to be a whole IPv4 datagram from the gateway's port 53. */
static struct view answer(int i)
{
	const uint8_t *b = frames[i].b;
	assert_true(i < frame_n);
	assert_int_equal(get_be16(b + 12), 0x0800);
	assert_int_equal(b[23], IPPROTO_UDP);
	assert_memory_equal(b + 26, gw4.b, 4);
	assert_memory_equal(b + 30, guest4.b, 4);
	assert_int_equal(get_be16(b + 34), 53);
	assert_int_equal(get_be16(b + 36), 40000);
	return view_make(b + 42, frames[i].len - 42);
}

static struct dns_header header_of(struct view v)
{
	struct dns_header h;
	assert_true(dns_header_read(v, &h));
	return h;
}

static unsigned rcode_of(struct view v)
{
	return header_of(v).flags & DNS_RCODE;
}

/* The extended error in an answer that has nothing but a question and an OPT record. */
static int ede_of(struct view v)
{
	struct dns_question q;
	struct dns_record r;
	size_t at = DNS_HLEN;
	assert_true(dns_question_read(v, &at, &q));
	assert_true(dns_record_read(v, &at, &r));
	assert_int_equal(r.type, DNS_OPT);
	assert_int_equal(r.data.len, 6);
	return get_be16(r.data.p + 4);
}

/* ---- over UDP ---- */

static void query_is_forwarded_and_answered(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(0x4711, "www.Example.org", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	struct view v = answer(0);
	assert_int_equal(header_of(v).id, 0x4711);
	assert_int_equal(header_of(v).count[1], 1);
	assert_memory_equal(v.p + 12, "\3www\7Example\3org", 17);
	assert_int_equal(v.p[v.len - 1], 1);
	assert_int_equal(sb.cnt.dns_queries, 1);
	assert_int_equal(sb.cnt.dns_answers, 1);
	assert_int_equal(sb.cnt.dns_failures, 0);
	assert_int_equal(dns->inflight_n, 0);
}

static void every_query_has_an_id_and_a_port_of_its_own(void **state)
{
	int same_id = 0, same_port = 0;
	uint16_t id = 0, port = 0;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < 16; i++) {
		ask(7, "a.example", DNS_A, 0);
		assert_true(run_frames(i + 1, 2000));
		same_id += i && fake[0].last_id == id;
		same_port += i && fake[0].last_sport == port;
		id = fake[0].last_id;
		port = fake[0].last_sport;
	}
	assert_true(same_id <= 1);
	assert_true(same_port <= 1);
}

static void answers_that_do_not_match_are_not_believed(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	static const enum behaviour kinds[] = {WRONG_ID, WRONG_QUESTION};
	for (int i = 0; i < 2; i++) {
		fake[0].how = kinds[i];
		ask(1, "a.example", DNS_A, 0);
		assert_true(run_frames(i + 1, 2000));
		assert_int_equal(answer(i).p[answer(i).len - 1], 1);
	}
	assert_int_equal(frame_n, 2);
}

static void silent_resolver_gives_way_to_the_next(void **state)
{
	upstream_add(fake[0].port);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	uint64_t start = clock_now_us();
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	uint64_t took = clock_now_us() - start;
	assert_true(took >= 390000 && took < 790000);
	assert_int_equal(answer(0).p[answer(0).len - 1], 2);
	/* And is not asked first again for a while. */
	start = clock_now_us();
	ask(2, "a.example", DNS_A, 0);
	assert_true(run_frames(2, 2000));
	assert_true(clock_now_us() - start < AT_ONCE_US);
	assert_int_equal(fake[0].queries, 1);
}

static void single_resolver_is_asked_again_after_a_loss(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = LATE;
	ask(9, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	/* The answer to the first attempt counts, although it came after the second went out. */
	assert_int_equal(fake[0].queries, 2);
	assert_int_equal(header_of(answer(0)).id, 9);
	assert_int_equal(rcode_of(answer(0)), DNS_NOERROR);
}

static void refused_resolver_is_passed_over_at_once(void **state)
{
	uint16_t dead = fake[0].port;
	fake_stop(&fake[0]);
	upstream_add(dead);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	uint64_t start = clock_now_us();
	ask(1, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_true(clock_now_us() - start < AT_ONCE_US);
	assert_int_equal(answer(0).p[answer(0).len - 1], 2);
}

static void nobody_answers_in_time(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	uint64_t start = clock_now_us();
	ask(3, "a.example", DNS_A, 1232);
	assert_true(run_frames(1, 3000));
	uint64_t took = clock_now_us() - start;
	assert_true(took >= 1190000 && took < 2500000);
	assert_int_equal(fake[0].queries, 2);
	assert_int_equal(header_of(answer(0)).id, 3);
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(ede_of(answer(0)), DNS_EDE_NO_REACHABLE_AUTHORITY);
	assert_int_equal(sb.cnt.dns_failures, 1);
}

static void nobody_is_there_at_all(void **state)
{
	fake_stop(&fake[0]);
	upstream_add(fake[0].port);
	proxy_up(NULL);
	uint64_t start = clock_now_us();
	ask(3, "a.example", DNS_A, 1232);
	assert_true(run_frames(1, 3000));
	assert_true(clock_now_us() - start < AT_ONCE_US);
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(ede_of(answer(0)), DNS_EDE_NETWORK_ERROR);
}

static void truncated_answer_is_passed_on(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = TRUNCATE;
	ask(3, "a.example", DNS_A, 0);
	assert_true(run_frames(1, 2000));
	assert_true(header_of(answer(0)).flags & DNS_TC);
	assert_int_equal(header_of(answer(0)).count[1], 1);
}

static void answer_over_the_askers_size_is_cut(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = BIG;
	ask(3, "a.example", DNS_A, 1400);
	assert_true(run_frames(1, 2000));
	assert_true(answer(0).len < 100);
	assert_true(header_of(answer(0)).flags & DNS_TC);
	assert_int_equal(header_of(answer(0)).count[1], 0);
	assert_int_equal(header_of(answer(0)).id, 3);
	/* One that fits goes out whole, in fragments where it must. */
	frame_n = 0;
	ask(4, "a.example", DNS_A, 4096);
	assert_true(run_frames(3, 2000));
	assert_int_equal(get_be16(frames[0].b + 38), 3008);
}

static void error_without_a_question_is_an_answer(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = HEADER_ONLY;
	ask(3, "a.example", DNS_A, 0);
	assert_true(run_frames(1, AT_ONCE_US / 1000));
	assert_int_equal(rcode_of(answer(0)), DNS_FORMERR);
	assert_int_equal(header_of(answer(0)).id, 3);
}

static void nonsense_is_answered_or_dropped(void **state)
{
	uint8_t q[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	size_t len = make_query(q, 5, "a.example", DNS_A, 0);
	ask_raw(q, 8, 40000);
	assert_int_equal(frame_n, 1);
	assert_int_equal(answer(0).len, 12);
	assert_int_equal(header_of(answer(0)).id, 5);
	assert_int_equal(rcode_of(answer(0)), DNS_FORMERR);
	ask_raw(q, 1, 40000);
	assert_int_equal(frame_n, 1);
	assert_int_equal(sb.stack.cnt.drops[DROP_BAD_HEADER], 1);
	q[2] = 0x28; /* UPDATE */
	ask_raw(q, len, 40000);
	assert_int_equal(rcode_of(answer(1)), DNS_NOTIMP);
	q[2] = 0x80;
	ask_raw(q, len, 40000);
	assert_int_equal(rcode_of(answer(2)), DNS_FORMERR);
	ask_raw(q, len, 53); /* two servers answering each other */
	assert_int_equal(frame_n, 3);
	q[2] = 0;
	q[len - 3] = DNS_AXFR;
	ask_raw(q, len, 40000);
	assert_int_equal(rcode_of(answer(3)), DNS_NOTIMP);
	run_until(NULL, 50);
	assert_int_equal(fake[0].queries, 0);
	assert_int_equal(sb.cnt.dns_failures, 6);
}

static void own_names_are_answered_without_a_resolver(void **state)
{
	fake_stop(&fake[0]);
	upstream_add(fake[0].port);
	proxy_up(NULL);
	ask(5, "host.docker.internal", DNS_A, 0);
	assert_int_equal(frame_n, 1);
	struct view v = answer(0);
	assert_int_equal(header_of(v).count[1], 1);
	assert_memory_equal(v.p + v.len - 4, gw4.b, 4);
	sb.stack.cfg.has_v6 = false;
	ask(6, "a.example", DNS_AAAA, 0);
	assert_int_equal(frame_n, 2);
	assert_int_equal(rcode_of(answer(1)), DNS_NOERROR);
	assert_int_equal(header_of(answer(1)).count[1], 0);
}

static void oldest_query_gives_way_at_the_limit(void **state)
{
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	for (unsigned i = 0; i < DNS_INFLIGHT_MAX; i++)
		ask((uint16_t)i, "a.example", DNS_A, 0);
	assert_int_equal(frame_n, 0);
	assert_int_equal(dns->inflight_n, DNS_INFLIGHT_MAX);
	ask(1000, "a.example", DNS_A, 0);
	assert_int_equal(frame_n, 1);
	assert_int_equal(header_of(answer(0)).id, 0);
	assert_int_equal(rcode_of(answer(0)), DNS_SERVFAIL);
	assert_int_equal(dns->inflight_n, DNS_INFLIGHT_MAX);
}

static void train_of_datagrams_is_several_queries(void **state)
{
	uint8_t q[1024];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	size_t len = make_query(q, 1, "a.example", DNS_A, 0);
	make_query(q + len, 2, "b.example", DNS_A, 0);
	struct udp_datagram d = {
		.src = guest4,
		.dst = gw4,
		.sport = 40000,
		.dport = 53,
		.gso_size = (uint16_t)len,
		.payload = view_make(q, 2 * len),
	};
	dns_proxy_udp(dns, &d);
	assert_true(run_frames(2, 2000));
	assert_int_equal(header_of(answer(0)).id + header_of(answer(1)).id, 3);
}

/* ---- the host's resolv.conf ---- */

static void resolvers_follow_the_file(void **state)
{
	char path[] = "/tmp/weir-dns-XXXXXX", file[64];
	assert_non_null(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/resolv.conf", path);
	proxy_up(file);
	size_t first;
	char text[IPADDR_STRLEN];
	const char *line[] = {"nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n"};
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(file, "w");
		fputs(line[i], f);
		fclose(f);
		run_until(NULL, 20); /* inotify speaks through the loop */
		ask(1, "a.example", DNS_A, 0);
		const struct resolver_list *l = dns_proxy_resolvers(dns, &first);
		assert_int_equal(l->n, 1);
		assert_memory_equal(ipaddr_str(&l->v[0].addr, text), line[i] + 11, 9);
		assert_int_equal(l->v[0].port, 53);
	}
	unlink(file);
	rmdir(path);
}

/* ---- over TCP, at the end itself ---- */

static struct flow_end *end;

static ssize_t push(const void *p, size_t n)
{
	struct iovec iov = {(void *)p, n};
	loop.now_us = clock_now_us();
	return end->ops->push(end, &iov, 1);
}

static ssize_t peek(size_t off, void *p, size_t n)
{
	struct iovec iov = {p, n};
	return end->ops->peek(end, off, &iov, 1);
}

static bool has_bytes(void)
{
	uint8_t b[8192];
	return peek(0, b, sizeof(b)) >= wanted;
}

static bool run_bytes(int n, unsigned ms)
{
	wanted = n;
	return run_until(has_bytes, ms);
}

static size_t make_tcp_query(uint8_t *out, uint16_t id, const char *name)
{
	size_t len = make_query(out + 2, id, name, DNS_A, 0);
	put_be16(out, (uint16_t)len);
	return len + 2;
}

static void tcp_end_answers_and_keeps_until_consumed(void **state)
{
	uint8_t q[512], b[4096], part[4096];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = dns_proxy_tcp_end(dns);
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	size_t len = make_tcp_query(q, 77, "a.example");
	for (size_t i = 0; i < len; i++) /* byte by byte */
		assert_int_equal(push(q + i, 1), 1);
	assert_true(run_bytes(2, 2000));
	assert_int_equal(fake[0].queries, 0);
	assert_int_equal(fake[0].tcp_queries, 1);
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(n, 2 + get_be16(b));
	assert_int_equal(get_be16(b + 2), 77);
	/* Again, and from the middle. */
	assert_int_equal(peek(5, part, sizeof(part)), n - 5);
	assert_memory_equal(part, b + 5, (size_t)n - 5);
	assert_int_equal(peek((size_t)n, part, sizeof(part)), -EAGAIN);
	end->ops->consume(end, 5);
	assert_int_equal(peek(0, part, sizeof(part)), n - 5);
	assert_memory_equal(part, b + 5, (size_t)n - 5);
	end->ops->consume(end, (size_t)n - 5);
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	/* After the guest's FIN the stream ends. */
	end->ops->shut(end);
	assert_int_equal(peek(0, b, sizeof(b)), 0);
	end->ops->close(end);
	assert_int_equal(dns->tcp_n, 0);
	assert_int_equal(dns->tcp_out_total, 0);
}

static void tcp_end_takes_large_answers_whole(void **state)
{
	uint8_t q[512], b[4096];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = BIG;
	end = dns_proxy_tcp_end(dns);
	push(q, make_tcp_query(q, 78, "a.example"));
	assert_true(run_bytes(3002, 2000));
	assert_int_equal(peek(0, b, sizeof(b)), 3002);
	assert_int_equal(get_be16(b), 3000);
	assert_false(get_be16(b + 4) & DNS_TC);
	end->ops->reset(end);
}

static void tcp_end_pipelines_with_back_pressure(void **state)
{
	uint8_t q[4096], b[8192];
	size_t len = 0, one = 0;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = dns_proxy_tcp_end(dns);
	for (uint16_t i = 0; i < 40; i++)
		len += one = make_tcp_query(q + len, i, "a.example");
	ssize_t taken = push(q, len);
	assert_int_equal(taken, 16 * one); /* as many as may be in flight */
	assert_int_equal(push(q + taken, len - (size_t)taken), -EAGAIN);
	/* A FIN behind queries that are not answered yet does not cut them off. */
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	size_t a = 2 + (one - 2) + 16;
	assert_true(run_bytes((int)(16 * a), 2000));
	while ((size_t)taken < len) {
		ssize_t r = push(q + taken, len - (size_t)taken);
		assert_true(r > 0);
		taken += r;
		wanted = (int)((size_t)taken / one * a);
		assert_true(run_bytes(wanted, 2000));
	}
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(n, 40 * a);
	uint64_t seen = 0;
	for (size_t at = 0; at < (size_t)n; at += a)
		seen |= 1ull << get_be16(b + at + 2);
	assert_int_equal(seen, (1ull << 40) - 1);
	end->ops->close(end);
}

static void tcp_end_refuses_what_is_no_query(void **state)
{
	uint8_t q[6000] = {0}, b[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = dns_proxy_tcp_end(dns);
	make_query(q + 2, 9, "a.example", DNS_A, 0);
	put_be16(q, 5000); /* too long: skipped over */
	assert_int_equal(push(q, 5002), 5002);
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(n, 14);
	assert_int_equal(get_be16(b + 2), 9);
	assert_int_equal(b[5] & 15, DNS_FORMERR);
	end->ops->consume(end, 14);
	/* What comes behind is read from its beginning; an empty message is nothing. */
	put_be16(q, 0);
	assert_int_equal(push(q, 2), 2);
	assert_int_equal(push(q, make_tcp_query(q, 10, "host.weir.internal")), 2 + 12 + 20 + 4);
	assert_true(peek(0, b, sizeof(b)) > 14);
	assert_int_equal(get_be16(b + 2), 10);
	assert_int_equal(b[5] & 15, DNS_NOERROR);
	end->ops->close(end);
}

static void tcp_answer_that_is_cut_is_asked_elsewhere(void **state)
{
	uint8_t q[512], b[512];
	upstream_add(fake[0].port);
	upstream_add(fake[1].port);
	proxy_up(NULL);
	fake[0].how = CUT;
	end = dns_proxy_tcp_end(dns);
	push(q, make_tcp_query(q, 5, "a.example"));
	assert_true(run_bytes(2, 2000));
	ssize_t n = peek(0, b, sizeof(b));
	assert_int_equal(b[n - 1], 2);
	end->ops->close(end);
}

static void tcp_end_that_goes_away_takes_its_queries_along(void **state)
{
	uint8_t q[512];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = SILENT;
	end = dns_proxy_tcp_end(dns);
	push(q, make_tcp_query(q, 5, "a.example"));
	run_until(NULL, 20);
	assert_int_equal(dns->inflight_n, 1);
	end->ops->reset(end);
	assert_int_equal(dns->inflight_n, 0);
	run_until(NULL, TIMEOUT_MS + 100);
}

static void tcp_ends_are_limited(void **state)
{
	struct flow_end *ends[DNS_TCP_MAX];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	for (int i = 0; i < DNS_TCP_MAX; i++)
		assert_non_null(ends[i] = dns_proxy_tcp_end(dns));
	assert_null(dns_proxy_tcp_end(dns));
	ends[0]->ops->close(ends[0]);
	assert_non_null(dns_proxy_tcp_end(dns));
}

static void idle_tcp_end_ends_its_stream(void **state)
{
	uint8_t b[16];
	upstream_add(fake[0].port);
	proxy_up(NULL);
	end = dns_proxy_tcp_end(dns);
	/* The wheel is led through the half minute; nothing waits for it. */
	wheel_advance(&loop.wheel, loop.now_us + 29900000);
	assert_int_equal(peek(0, b, sizeof(b)), -EAGAIN);
	wheel_advance(&loop.wheel, loop.now_us + 30100000);
	assert_int_equal(peek(0, b, sizeof(b)), 0);
	end->ops->close(end);
}

/* ---- over TCP, by a guest through the stack ---- */

struct guest_tcp {
	uint32_t seq, ack;
	uint8_t in[16384]; /* the stream that came */
	size_t got;
	bool established, fin, rst;
};
static struct guest_tcp guest;
static int frames_read;

static void guest_send(uint8_t flags, const void *data, size_t n)
{
	uint8_t f[4096] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};
	struct wbuf w = wbuf_make(f, sizeof(f));
	w.len = 34;
	put_be16(f + 16, (uint16_t)(40 + n));
	f[22] = 64;
	f[23] = IPPROTO_TCP;
	memcpy(f + 26, guest4.b, 4);
	memcpy(f + 30, gw4.b, 4);
	wbuf_put_be16(&w, 50000);
	wbuf_put_be16(&w, 53);
	wbuf_put_be32(&w, guest.seq);
	wbuf_put_be32(&w, flags & 0x10 ? guest.ack : 0);
	wbuf_put_be16(&w, (uint16_t)(0x5000 | flags));
	wbuf_put_be16(&w, 65535);
	wbuf_put_be32(&w, 0);
	wbuf_put_bytes(&w, data, n);
	/* The link vouches for the checksum; the stack's own tests have the others. */
	uint32_t sum = 0;
	for (int i = 14; i < 34; i += 2)
		sum += get_be16(f + i);
	put_be16(f + 24, (uint16_t) ~(sum + (sum >> 16)));
	struct frame fr = {.data = f, .len = (uint32_t)w.len, .meta.csum_valid = true};
	guest.seq += (uint32_t)n + !!(flags & 3);
	loop.now_us = clock_now_us();
	stack_set_now(&sb.stack, loop.now_us);
	stack_input(&sb.stack, &fr);
	stack_burst_end(&sb.stack);
}

/* Takes in what came, in order, and acknowledges it. */
static void guest_receive(void)
{
	for (; frames_read < frame_n; frames_read++) {
		const uint8_t *t = frames[frames_read].b + 34;
		size_t hdr = (t[12] >> 4) * 4u;
		size_t n = get_be16(frames[frames_read].b + 16) - 20 - hdr;
		uint32_t seq = get_be32(t + 4);
		if (t[13] & 4)
			guest.rst = true;
		if (t[13] & 2) {
			guest.ack = seq + 1;
			guest.established = true;
			continue;
		}
		if (seq != guest.ack || guest.got + n > sizeof(guest.in))
			continue;
		memcpy(guest.in + guest.got, t + hdr, n);
		guest.got += n;
		guest.ack += (uint32_t)n;
		if (t[13] & 1) {
			guest.fin = true;
			guest.ack++;
		}
		if (n || (t[13] & 1))
			guest_send(0x10, NULL, 0);
	}
}

static bool guest_established(void)
{
	guest_receive();
	return guest.established;
}

static bool guest_has_bytes(void)
{
	guest_receive();
	return guest.got >= (size_t)wanted || guest.rst;
}

static bool guest_sees_fin(void)
{
	guest_receive();
	return guest.fin || guest.rst;
}

static void guest_asks_over_tcp(void **state)
{
	uint8_t q[4096];
	size_t len = 0;
	upstream_add(fake[0].port);
	proxy_up(NULL);
	fake[0].how = BIG;
	guest = (struct guest_tcp){.seq = 1000};
	frames_read = 0;
	guest_send(2, NULL, 0);
	assert_true(run_until(guest_established, 1000));
	guest_send(0x10, NULL, 0);
	assert_int_equal(dns->tcp_n, 1);
	/* One that weir answers itself, from inside push, and three large ones. */
	len += make_tcp_query(q, 100, "host.weir.internal");
	for (uint16_t i = 0; i < 3; i++)
		len += make_tcp_query(q + len, (uint16_t)(101 + i), "a.example");
	guest_send(0x18, q, len);
	wanted = 3 * 3002 + 40;
	assert_true(run_until(guest_has_bytes, 3000));
	assert_false(guest.rst);
	assert_int_equal(get_be16(guest.in + 2), 100);
	assert_int_equal(sb.cnt.dns_answers, 4);
	/* Closed in order, with the last answer still to come. */
	size_t before = guest.got;
	len = make_tcp_query(q, 110, "a.example");
	guest_send(0x19, q, len);
	assert_true(run_until(guest_sees_fin, 3000));
	assert_false(guest.rst);
	assert_int_equal(guest.got, before + 3002);
	run_until(NULL, 50);
	assert_int_equal(dns->tcp_n, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(query_is_forwarded_and_answered),
		T(every_query_has_an_id_and_a_port_of_its_own),
		T(answers_that_do_not_match_are_not_believed),
		T(silent_resolver_gives_way_to_the_next),
		T(single_resolver_is_asked_again_after_a_loss),
		T(refused_resolver_is_passed_over_at_once),
		T(nobody_answers_in_time),
		T(nobody_is_there_at_all),
		T(truncated_answer_is_passed_on),
		T(answer_over_the_askers_size_is_cut),
		T(error_without_a_question_is_an_answer),
		T(nonsense_is_answered_or_dropped),
		T(own_names_are_answered_without_a_resolver),
		T(oldest_query_gives_way_at_the_limit),
		T(train_of_datagrams_is_several_queries),
		T(resolvers_follow_the_file),
		T(tcp_end_answers_and_keeps_until_consumed),
		T(tcp_end_takes_large_answers_whole),
		T(tcp_end_pipelines_with_back_pressure),
		T(tcp_end_refuses_what_is_no_query),
		T(tcp_answer_that_is_cut_is_asked_elsewhere),
		T(tcp_end_that_goes_away_takes_its_queries_along),
		T(tcp_ends_are_limited),
		T(idle_tcp_end_ends_its_stream),
		T(guest_asks_over_tcp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
