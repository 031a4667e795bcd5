// SPDX-License-Identifier: Apache-2.0
/*
 * The first flight between a guest and a server that say anything, in any pieces, with a policy
 *that admits one name. What must hold whatever they say:
 *	- what reached the server is a prefix of what the guest said, and nothing of it but a first
 *	  word did before a verdict let it;
 *	- read by itself, what reached the server names no other host;
 *	- nor does it ask a proxy, whose address is allowed, for another host;
 *	- the guest sees one stream: what was shown at a place is what is shown there again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/first_flight_priv.h"

#define STREAM_MAX 65536
#define GOOD_NAME  "ok.test"

struct stream {
	uint8_t b[STREAM_MAX];
	size_t len;
};

static struct {
	struct sandbox sb;
	struct loop loop;
	struct flow flow;
	struct flow_end inner;
	struct first_flight *ff;
	struct flow_end *end;  /* what the stack holds: ff's, or the inner one */
	struct stream guest;   /* said by the guest */
	size_t taken;          /* of it, by the end */
	struct stream server;  /* said by the server */
	size_t consumed;       /* of what was shown, acknowledged */
	struct stream reached; /* the server, from the guest */
	struct stream shown;   /* to the guest */
	size_t inner_consumed;
	size_t inner_room; /* bytes that the server takes now */
	bool server_over, guest_done;
	unsigned allowed, denied;
	bool nameless_ok, gone;
	bool proxy; /* the flow is allowed by its address, whatever it shows; targets are by name */
} z;

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* ---- what the first flight calls ---- */

struct policy_verdict flow_judge(struct sandbox *sb, struct flow *f, enum policy_seen seen,
				 const struct name *name)
{
	bool ok = z.proxy                    ? true
		  : seen == POLICY_NAME_SEEN ? strcmp(name->s, GOOD_NAME) == 0
					     : seen == POLICY_NAME_NONE && z.nameless_ok;

	z.allowed += ok;
	z.denied += !ok;
	return (struct policy_verdict){.answer = ok ? POLICY_ALLOW : POLICY_DENY,
				       .reason = ok ? REASON_NONE : REASON_NAME_MISMATCH,
				       .rule = -1,
				       .rule_text = "default"};
}

void flow_refuse(struct sandbox *sb, const struct flow *f, const struct policy_verdict *v)
{
	z.denied++;
}

/* Of a proxy's target that is a name: bound to itself. */
struct policy_verdict policy_decide(const struct policy *p, const struct policy_env *env,
				    const struct policy_facts *f)
{
	bool ok = strcmp(f->bound[0]->s, GOOD_NAME) == 0;

	if (f->seen == POLICY_NAME_SEEN)
		ok &= strcmp(f->name->s, GOOD_NAME) == 0;
	if (f->seen == POLICY_NAME_ABSENT || (f->seen == POLICY_NAME_NONE && !z.nameless_ok))
		ok = false;
	return (struct policy_verdict){.answer = ok ? POLICY_ALLOW : POLICY_DENY,
				       .reason = ok ? REASON_NONE : REASON_NAME_MISMATCH,
				       .rule = -1,
				       .rule_text = "default"};
}

/* An address. */
struct policy_verdict flow_decide(struct sandbox *sb, const struct policy_facts *f)
{
	return (struct policy_verdict){POLICY_DENY, REASON_DEFAULT, -1, "default", false};
}

void flow_note_refusal(struct sandbox *sb, const struct policy_facts *f, const struct ipaddr *guest,
		       uint16_t guest_port, uint64_t flow, const struct policy_verdict *v)
{
	z.denied++;
}

bool flow_may_be_nameless(struct sandbox *sb, const struct flow *f)
{
	return z.nameless_ok || z.proxy;
}

bool flow_is_hidden(const struct sandbox *sb, const struct hello *h)
{
	return h->ech;
}

static void drop_end(void)
{
	z.gone = true;
	z.end->ops->reset(z.end);
}

void tcp_conn_abort(struct stack *s, struct tcp_conn *c)
{
	drop_end();
}

void tcp_conn_accept(struct stack *s, struct tcp_conn *c, struct flow_end *end)
{
	end->conn = c;
}

void tcp_conn_set_end(struct stack *s, struct tcp_conn *c, struct flow_end *end)
{
	require(end == &z.inner && z.denied == 0);
	z.end = end;
}

void tcp_conn_facts(const struct tcp_conn *c, struct tcp_facts *ret)
{
	*ret = (struct tcp_facts){.guest_done = z.guest_done,
				  .waiting = (uint32_t)(z.guest.len - z.taken)};
}

static bool wants_push, wants_peek;

void tcp_end_readable(struct stack *s, struct tcp_conn *c)
{
	wants_peek = true;
}

void tcp_end_writable(struct stack *s, struct tcp_conn *c)
{
	wants_push = true;
}

/* ---- the server's socket ---- */

static ssize_t inner_peek(struct flow_end *e, size_t off, const struct iovec *iov, int n)
{
	size_t at = z.inner_consumed + off, copied = 0;

	if (at >= z.server.len)
		return z.server_over ? 0 : -EAGAIN;
	for (int i = 0; i < n && at < z.server.len; i++) {
		size_t k = z.server.len - at < iov[i].iov_len ? z.server.len - at : iov[i].iov_len;
		memcpy(iov[i].iov_base, z.server.b + at, k);
		at += k;
		copied += k;
	}
	return (ssize_t)copied;
}

static void inner_consume(struct flow_end *e, size_t n)
{
	require(z.inner_consumed + n <= z.server.len);
	z.inner_consumed += n;
}

static size_t total_len(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static ssize_t inner_push(struct flow_end *e, const struct iovec *iov, int n)
{
	size_t took = 0;

	bool word = (z.nameless_ok || z.proxy) &&
		    z.reached.len + total_len(iov, n) <= FIRST_FLIGHT_WORD &&
		    z.guest.b[0] != TLS_HANDSHAKE;
	/* In HTTP/2 the settings pass before the first request: clients may wait for the server's.
	 */
	require(z.allowed > 0 || word ||
		http_guess(view_make(z.guest.b, z.guest.len)) == HTTP_GUESS_H2);
	for (int i = 0; i < n && z.inner_room; i++) {
		size_t k = iov[i].iov_len < z.inner_room ? iov[i].iov_len : z.inner_room;
		require(z.reached.len + k <= STREAM_MAX);
		memcpy(z.reached.b + z.reached.len, iov[i].iov_base, k);
		z.reached.len += k;
		z.inner_room -= k;
		took += k;
	}
	require(memcmp(z.reached.b, z.guest.b, z.reached.len) == 0);
	return took ? (ssize_t)took : -EAGAIN;
}

static void inner_done(struct flow_end *e)
{
}

static const struct flow_end_ops inner_ops = {
	.peek = inner_peek,
	.consume = inner_consume,
	.push = inner_push,
	.shut = inner_done,
	.reset = inner_done,
	.close = inner_done,
};

/* ---- the stack's part ---- */

static void push(void)
{
	/* Two pieces, as a receive queue gives them. */
	size_t left = z.guest.len - z.taken, half = left / 2;
	struct iovec iov[2] = {{z.guest.b + z.taken, half},
			       {z.guest.b + z.taken + half, left - half}};

	if (z.gone || left == 0)
		return;
	ssize_t took = z.end->ops->push(z.end, iov, 2);
	require(took == -EAGAIN || (took > 0 && (size_t)took <= left));
	if (took > 0)
		z.taken += (size_t)took;
}

static void peek(size_t back)
{
	uint8_t buf[4096];
	struct iovec iov = {buf, sizeof(buf)};
	size_t ahead = z.shown.len - z.consumed;
	size_t off = back < ahead ? ahead - back : 0; /* a retransmission, or what is new */

	if (z.gone)
		return;
	ssize_t got = z.end->ops->peek(z.end, off, &iov, 1);
	for (ssize_t i = 0; i < got; i++) {
		size_t at = z.consumed + off + (size_t)i;
		require(at < STREAM_MAX);
		if (at < z.shown.len)
			require(z.shown.b[at] == buf[i]);
		else
			z.shown.b[z.shown.len++] = buf[i];
	}
}

static void consume(size_t n)
{
	size_t ahead = z.shown.len - z.consumed;

	n = n < ahead ? n : ahead;
	if (z.gone || n == 0)
		return;
	z.consumed += n;
	z.end->ops->consume(z.end, n);
}

static void turn(uint64_t us)
{
	z.loop.now_us += us;
	wheel_advance(&z.loop.wheel, z.loop.now_us);
	for (int i = 0; i < 4 && (wants_push || wants_peek); i++) {
		bool p = wants_push, q = wants_peek;
		wants_push = wants_peek = false;
		if (p)
			push();
		if (q)
			peek(0);
	}
}

static void say(struct stream *s, const uint8_t *p, size_t n)
{
	if (s->len + n > STREAM_MAX / 2)
		n = 0;
	memcpy(s->b + s->len, p, n);
	s->len += n;
}

/* ---- what must hold ---- */

static void check_hello(void)
{
	struct hello h;

	if (!z.proxy && hello_read_records(view_make(z.reached.b, z.reached.len), &h) == HELLO_DONE)
		require(h.sni == HELLO_SNI_NAME && strcmp(h.name.s, GOOD_NAME) == 0 && !h.ech);
}

static void check_requests(void)
{
	struct view v = view_make(z.reached.b, z.reached.len);
	struct h1 *h;

	if (http_guess(v) != HTTP_GUESS_H1 || !(h = h1_new()))
		return;
	for (bool on = true; on;) {
		size_t used = 0;
		enum h1_event ev = h1_read(h, v, &used);
		const struct h1_head *head = h1_head(h);

		view_skip(&v, used);
		if (ev == H1_HEAD && (!z.proxy || head->connect || head->absolute))
			require(head->has_authority &&
				strcmp(head->authority.name.s, GOOD_NAME) == 0);
		on = ev == H1_HEAD || ev == H1_BODY || ev == H1_TRAILER || ev == H1_END;
	}
	h1_free(h);
}

static void step(uint8_t op, const uint8_t *p, size_t n)
{
	switch (op % 6) {
	case 0:
		say(&z.guest, p, n);
		push();
		break;
	case 1:
		say(&z.server, p, n);
		peek(0);
		break;
	case 2:
		consume(n * 16);
		break;
	case 3:
		peek(n);
		break;
	case 4:
		z.inner_room = n * n;
		push();
		break;
	case 5:
		turn(n * 100000);
		break;
	}
	turn(1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char conn; /* only its address is used */

	if (size < 2)
		return 0;
	memset(&z, 0, sizeof(z));
	wants_push = wants_peek = false;
	wheel_init(&z.loop.wheel, 0);
	z.sb.loop = &z.loop;
	z.inner.ops = &inner_ops;
	z.inner_room = 1 << 20;
	z.nameless_ok = data[0] & 1;
	z.proxy = data[0] & 2;
	z.ff = first_flight_new(&z.sb, &z.flow, &z.inner, &z.ff);
	if (!z.ff)
		return 0;
	z.end = &z.ff->end;
	first_flight_accept(z.ff, (struct tcp_conn *)(void *)&conn);
	for (size_t at = 1; at + 2 <= size && !z.gone;) {
		uint8_t op = data[at];
		/* A guest's or server's words may be long. */
		size_t n = data[at + 1] * (op & 0x80 ? 8u : 1u);
		at += 2;
		n = n < size - at ? n : size - at;
		step(op & 0x7f, data + at, n);
		if ((op & 0x7f) % 6 < 2)
			at += n;
	}
	z.server_over = z.guest_done = true;
	push();
	if (!z.gone)
		turn(10000000);
	check_requests();
	check_hello();
	if (!z.gone)
		drop_end();
	flow_target_forget(&z.flow);
	return 0;
}
