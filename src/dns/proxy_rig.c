// SPDX-License-Identifier: Apache-2.0
/*
 * The resolvers, the sandbox and the guest of the interceptor's tests. See proxy_rig.h.
 */
#include "dns/proxy_rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "flow/denials.h"
#include "policy/bindings.h"

const struct ipaddr gw4 = {4, {172, 16, 0, 1}}, guest4 = {4, {172, 16, 0, 2}};
const struct ipaddr gw6 = {6, {0xfd, [15] = 1}}, guest6 = {6, {0xfd, [15] = 2}};
const struct ipaddr lo4 = {4, {127, 0, 0, 1}};

struct loop loop;
struct sandbox sb;
struct dns_proxy *dns;
struct fake fake[FAKES];
struct config conf;
struct frame_got frames[FRAMES_MAX];
int frame_n;
int wanted;
uint64_t ask_later_us;

/* ---- what resolvers say ---- */

static void put_owner(struct wbuf *w, const char *owner)
{
	struct dns_name n;
	if (!owner) {
		wbuf_put_be16(w, 0xc000 | DNS_HLEN);
		return;
	}
	assert_true(dns_name_parse(owner, &n));
	wbuf_put_bytes(w, n.b, n.len);
}

void put_rr(struct wbuf *w, const char *owner, uint16_t type, uint32_t ttl, const void *data,
	    size_t len)
{
	put_owner(w, owner);
	wbuf_put_be16(w, type);
	wbuf_put_be16(w, DNS_IN);
	wbuf_put_be32(w, ttl);
	wbuf_put_be16(w, (uint16_t)len);
	wbuf_put_bytes(w, data, len);
}

void put_cname(struct wbuf *w, const char *owner, const char *target)
{
	struct dns_name n;
	assert_true(dns_name_parse(target, &n));
	put_rr(w, owner, DNS_CNAME, 300, n.b, n.len);
}

static void one_address(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			uint16_t counts[3])
{
	uint8_t a[4] = {93, 184, 216, f->mark};
	put_rr(w, NULL, DNS_A, f->ttl, a, sizeof(a));
	counts[0]++;
}

static void twenty_texts(struct fake *f, const struct dns_query_view *q, struct wbuf *w,
			 uint16_t counts[3])
{
	uint8_t text[118] = {117};
	for (int i = 0; i < 20; i++) {
		memset(text + 1, 'a' + i, sizeof(text) - 1);
		put_rr(w, NULL, 16, f->ttl, text, sizeof(text));
		counts[0]++;
	}
}

static void lose_case(uint8_t *msg)
{
	for (uint8_t *p = msg + DNS_HLEN; *p; p += *p + 1)
		for (unsigned i = 1; i <= *p; i++)
			if (p[i] >= 'A' && p[i] <= 'Z')
				p[i] |= 0x20;
}

/* The answer to a query, into `out` of 4096 bytes; returns its length. */
static size_t make_answer(struct fake *f, const uint8_t *q, size_t len, bool tcp, uint8_t *out)
{
	struct dns_query_view v;
	uint16_t counts[3] = {0};
	int rcode;
	if (!dns_query_read(view_make(q, len), &v, &rcode))
		return 0;
	struct wbuf w = wbuf_make(out, 4096);
	wbuf_put_bytes(&w, q, v.question_end);
	put_be16(out + 2, (uint16_t)(DNS_QR | DNS_RD | DNS_RA | f->rcode));
	bool cut = (f->how == TRUNCATE || f->how == CUT) && !tcp;
	if (cut)
		out[2] |= DNS_TC >> 8;
	else if (f->how == BIG)
		twenty_texts(f, &v, &w, counts);
	else
		(f->records ? f->records : one_address)(f, &v, &w, counts);
	if (v.has_edns) {
		wbuf_put_bytes(&w, "\0\0\51\20\0\0\0\0\0\0\0", 11);
		counts[2]++;
	}
	for (int i = 0; i < 3; i++)
		put_be16(out + 6 + 2 * i, counts[i]);
	if (f->how == LOSES_CASE)
		lose_case(out);
	if (f->how == HEADER_ONLY) {
		put_be16(out + 2, DNS_QR | DNS_FORMERR);
		memset(out + 4, 0, 8);
		w.len = DNS_HLEN;
	}
	assert_false(w.overflow);
	return w.len;
}

/* Something that must not be believed, before what must. */
static void send_wrong(struct fake *f, int fd, const uint8_t *right, size_t len,
		       const struct sockaddr_storage *to, socklen_t to_len)
{
	uint8_t bad[4096];
	memcpy(bad, right, len);
	bad[len - 1] = 66;
	if (f->how == WRONG_QUESTION)
		bad[DNS_HLEN + 1] ^= 1;
	else if (f->how != WRONG_PORT)
		bad[1] ^= 1;
	if (f->how == WRONG_PORT) {
		int other = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		sendto(other, bad, len, 0, (const struct sockaddr *)to, to_len);
		close(other);
	}
	for (int i = 0; i < (f->how == WRONG_FLOOD ? 40 : 1) && f->how != WRONG_PORT; i++)
		sendto(fd, bad, len, 0, (const struct sockaddr *)to, to_len);
}

static void note_query(struct fake *f, const uint8_t *q, size_t n)
{
	f->last_id = get_be16(q);
	f->last_len = n;
	memcpy(f->last, q, n);
}

static void fake_udp(struct loop_source *src, uint32_t events)
{
	struct fake *f = container_of(src, struct fake, udp);
	uint8_t q[600], a[4096];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(src->fd, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
	if (n < DNS_HLEN)
		return;
	f->queries++;
	note_query(f, q, (size_t)n);
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
	size_t len = make_answer(f, q, (size_t)n, false, a);
	if (f->how >= WRONG_ID && f->how <= WRONG_FLOOD)
		send_wrong(f, src->fd, a, len, &from, from_len);
	if (f->how != WRONG_FLOOD)
		sendto(src->fd, a, len, 0, (struct sockaddr *)&from, from_len);
}

static struct fake *fake_of(const struct loop_source *src, int *ret_i)
{
	for (int k = 0; k < FAKES; k++)
		if (src >= fake[k].conn && src < fake[k].conn + CONNS) {
			*ret_i = (int)(src - fake[k].conn);
			return &fake[k];
		}
	fail_msg("no resolver's connection");
	return NULL;
}

static void source_close(struct loop_source *src)
{
	int fd = src->fn ? src->fd : -1;
	if (fd < 0)
		return;
	loop_del(&loop, src);
	close(fd);
}

static void fake_conn(struct loop_source *src, uint32_t events)
{
	int i = 0;
	struct fake *f = fake_of(src, &i);
	uint8_t a[4098];
	ssize_t n = recv(src->fd, f->in[i] + f->got[i], sizeof(f->in[i]) - f->got[i], 0);
	if (n > 0) {
		f->got[i] += (size_t)n;
		if (f->got[i] < 2 || f->got[i] < 2u + get_be16(f->in[i]) || f->how == SILENT)
			return;
		f->tcp_queries++;
		note_query(f, f->in[i] + 2, f->got[i] - 2);
		size_t len = make_answer(f, f->in[i] + 2, f->got[i] - 2, true, a + 2);
		put_be16(a, (uint16_t)len);
		send(src->fd, a, f->how == CUT ? len / 2 : len + 2, MSG_NOSIGNAL);
	}
	source_close(src);
}

static void fake_accept(struct loop_source *src, uint32_t events)
{
	struct fake *f = container_of(src, struct fake, tcp);
	int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	int i = f->conn_n++ % CONNS;
	f->got[i] = 0;
	f->conn[i] = (struct loop_source){.fd = -1, .fn = fake_conn};
	assert_int_equal(loop_add(&loop, &f->conn[i], fd, EPOLLIN), 0);
}

bool fake_start_at(struct fake *f, const struct ipaddr *at, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(at, port, &ss);
	int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ipaddr a;
	int on = 1; /* connections of an earlier run may linger */
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(u, (struct sockaddr *)&ss, len) != 0 ||
	    getsockname(u, (struct sockaddr *)&ss, &len) != 0 ||
	    bind(t, (struct sockaddr *)&ss, len) != 0 || listen(t, 64) != 0) {
		close(u);
		close(t);
		return false;
	}
	ipaddr_from_sockaddr((struct sockaddr *)&ss, &a, &f->port);
	f->udp = (struct loop_source){.fd = -1, .fn = fake_udp};
	f->tcp = (struct loop_source){.fd = -1, .fn = fake_accept};
	assert_int_equal(loop_add(&loop, &f->udp, u, EPOLLIN), 0);
	assert_int_equal(loop_add(&loop, &f->tcp, t, EPOLLIN), 0);
	return true;
}

/* UDP and TCP on one port of 127.0.0.1. */
void fake_start(struct fake *f, enum behaviour how, uint8_t mark)
{
	*f = (struct fake){.how = how, .mark = mark, .ttl = 300};
	for (int tries = 0; tries < 50; tries++)
		if (fake_start_at(f, &lo4, 0))
			return;
	fail_msg("no free port");
}

void fake_stop_tcp(struct fake *f)
{
	source_close(&f->tcp);
	for (int i = 0; i < CONNS; i++)
		source_close(&f->conn[i]);
}

void fake_stop(struct fake *f)
{
	source_close(&f->udp);
	fake_stop_tcp(f);
}

/* ---- the sandbox around the interceptor ---- */

static int op_tx(void *ctx, struct frame *f, int n)
{
	for (int i = 0; i < n; i++) {
		if (frame_n == FRAMES_MAX || f[i].len > sizeof(frames[0].b))
			fail_msg("too many frames");
		memcpy(frames[frame_n].b, f[i].data, f[i].len);
		frames[frame_n++].len = f[i].len;
	}
	return n;
}

static void op_tcp_open(void *ctx, struct tcp_conn *c)
{
	struct tcp_facts t;
	tcp_conn_facts(c, &t);
	struct flow_end *end = dns_proxy_tcp_end(dns, &t.remote, &t.guest, t.guest_port);
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

static void policy_make(const struct policy_source *src)
{
	struct error err = {""};
	policy_free(sb.policy);
	sb.policy = policy_new(src, &err);
	if (!sb.policy)
		fail_msg("%s", err.msg);
}

void policy_set(const char *const *tokens)
{
	size_t n = 0;
	while (tokens[n])
		n++;
	policy_make(&(struct policy_source){
		.rules = tokens, .rule_count = n, .default_egress = -1, .default_ingress = -1});
}

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
	sb.env.gw4 = gw4;
	sb.env.gw6 = gw6;
	assert_true(stack_init(&sb.stack, &c, &ops, NULL, &loop.wheel, &key, loop.now_us));
	sb.denials = denials_new();
	policy_make(
		&(struct policy_source){.net = "all", .default_egress = -1, .default_ingress = -1});
	config_init(&conf);
	conf.dns_timeout_ms = TIMEOUT_MS;
	conf.dns_cache = false;
	frame_n = 0;
	ask_later_us = 0;
}

void proxy_up(const char *path)
{
	struct error err = {""};
	dns = dns_proxy_new_at(&sb, &conf, path, &err);
	if (!dns)
		fail_msg("%s", err.msg);
}

void upstream_add(uint16_t port)
{
	conf.dns_upstream[conf.dns_upstream_count].addr = lo4;
	conf.dns_upstream[conf.dns_upstream_count++].port = port;
}

int rig_setup(void **state)
{
	sandbox_up();
	fake_start(&fake[0], ANSWER, 1);
	fake_start(&fake[1], ANSWER, 2);
	return 0;
}

int rig_teardown(void **state)
{
	stack_done(&sb.stack);
	dns_proxy_free(dns);
	dns = NULL;
	fake_stop(&fake[0]);
	fake_stop(&fake[1]);
	policy_free(sb.policy);
	denials_free(sb.denials);
	bindings_free(sb.bindings);
	config_done(&conf);
	assert_int_equal(loop.wheel.count, 0);
	loop_done(&loop);
	return 0;
}

/* ---- running ---- */

static bool (*until)(void);
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
	dns_proxy_flush(dns);
	stack_flush(&sb.stack);
	if (until && until())
		l->stop = true;
}

bool run_until(bool (*fn)(void), unsigned ms)
{
	until = fn;
	timed_out = false;
	dns_proxy_flush(dns);
	stack_flush(&sb.stack);
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

bool run_frames(int n, unsigned ms)
{
	wanted = n;
	return run_until(enough_frames, ms);
}

uint64_t ms_since(uint64_t start_us)
{
	return (clock_now_us() - start_us) / 1000;
}

/* ---- the guest ---- */

size_t make_query(uint8_t *out, uint16_t id, const char *name, uint16_t type, uint16_t edns)
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

void ask_raw_at(const struct ipaddr *at, const uint8_t *msg, size_t len, uint16_t sport)
{
	struct udp_datagram d = {
		.src = guest4,
		.dst = *at,
		.sport = sport,
		.dport = 53,
		.payload = view_make(msg, len),
	};
	loop.now_us = clock_now_us() + ask_later_us;
	stack_set_now(&sb.stack, loop.now_us);
	dns_proxy_udp(dns, &d);
	stack_flush(&sb.stack);
}

void ask_raw(const uint8_t *msg, size_t len, uint16_t sport)
{
	ask_raw_at(&gw4, msg, len, sport);
}

void ask_at(const struct ipaddr *at, uint16_t id, const char *name, uint16_t type, uint16_t edns)
{
	uint8_t q[512];
	ask_raw_at(at, q, make_query(q, id, name, type, edns), GUEST_PORT);
}

void ask(uint16_t id, const char *name, uint16_t type, uint16_t edns)
{
	ask_at(&gw4, id, name, type, edns);
}

struct view answer_from(int i, const struct ipaddr *at)
{
	const uint8_t *b = frames[i].b;
	assert_true(i < frame_n);
	assert_int_equal(get_be16(b + 12), 0x0800);
	assert_int_equal(b[23], IPPROTO_UDP);
	assert_memory_equal(b + 26, at->b, 4);
	assert_memory_equal(b + 30, guest4.b, 4);
	assert_int_equal(get_be16(b + 34), 53);
	assert_int_equal(get_be16(b + 36), GUEST_PORT);
	return view_make(b + 42, frames[i].len - 42);
}

struct view answer(int i)
{
	return answer_from(i, &gw4);
}

struct dns_header header_of(struct view v)
{
	struct dns_header h;
	assert_true(dns_header_read(v, &h));
	return h;
}

unsigned rcode_of(struct view v)
{
	return header_of(v).flags & DNS_RCODE;
}

uint8_t last_byte(struct view v)
{
	return v.p[v.len - 1];
}

int ede_of(struct view v, char *text)
{
	struct dns_walk w;
	struct dns_record r;
	assert_true(dns_walk_begin(v, &w));
	while (dns_walk_next(&w, &r) > 0) {
		if (r.type != DNS_OPT || r.data.len < 6 || get_be16(r.data.p) != 15)
			continue;
		size_t n = get_be16(r.data.p + 2) - 2u;
		if (text) {
			memcpy(text, r.data.p + 6, n);
			text[n] = '\0';
		}
		return get_be16(r.data.p + 4);
	}
	return -1;
}
