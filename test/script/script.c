// SPDX-License-Identifier: Apache-2.0
/*
 * Runs script tests: one file a behaviour, in virtual time. Usage: script FILE...
 * The language is described in test/script/README.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "segment.h"
#include "stack/tcp_conn.h"

struct run {
	struct world w;
	struct world_conn *conn; /* the one that the script speaks of now */
	char wrong[512];
};

static struct world_conn *run_conn(struct run *r)
{
	if (!r->conn)
		r->conn = world_conn(&r->w, 40000);
	return r->conn;
}

static bool fail(struct run *r, const char *what)
{
	snprintf(r->wrong, sizeof(r->wrong), "%s", what);
	return false;
}

/* ---- guest ---- */

static bool do_send(struct run *r, const char *text)
{
	struct script_segment seg;
	unsigned mtu, at;
	const char *wrong;

	if (sscanf(text, "too-big %u %u", &mtu, &at) == 2)
		wrong = segment_too_big(&r->w, run_conn(r), mtu, at);
	else if (!(wrong = segment_parse(text, &seg)))
		wrong = segment_send(&r->w, run_conn(r), &seg);
	return wrong ? fail(r, wrong) : true;
}

static bool expect_icmp(struct run *r, const char *text)
{
	static const struct {
		const char *name;
		uint8_t v4[2], v6[2];
	} kinds[] = {{"admin", {3, 13}, {1, 1}},
		     {"host-unreach", {3, 1}, {1, 3}},
		     {"net-unreach", {3, 0}, {1, 0}}};
	struct world_frame *f = world_next_frame(&r->w);
	unsigned at = ETH_HLEN + (r->w.family == 4 ? 20 : 40);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(text, kinds[i].name) == 0) {
			const uint8_t *k = r->w.family == 4 ? kinds[i].v4 : kinds[i].v6;
			if (f && f->len >= at + 8 && f->data[at] == k[0] && f->data[at + 1] == k[1])
				return true;
			return fail(r, "not that ICMP error");
		}
	return fail(r, "unknown ICMP error in the script");
}

static bool expect_quiet(struct run *r)
{
	char text[300];
	struct world_frame *f = world_next_frame(&r->w);

	if (!f)
		return true;
	segment_describe(&r->w, f, text, sizeof(text));
	snprintf(r->wrong, sizeof(r->wrong), "expected nothing, weir sent: %s", text);
	return false;
}

static bool do_expect(struct run *r, const char *text)
{
	struct script_segment seg;
	char seen[300] = "nothing";

	if (strcmp(text, "nothing") == 0)
		return expect_quiet(r);
	if (strncmp(text, "icmp ", 5) == 0)
		return expect_icmp(r, text + 5);
	if (strcmp(text, "anything") == 0) {
		while (world_next_frame(&r->w))
			;
		return true;
	}
	const char *wrong = segment_parse(text, &seg);
	if (wrong)
		return fail(r, wrong);
	if (r->w.out_n)
		segment_describe(&r->w, &r->w.out[r->w.out_first], seen, sizeof(seen));
	wrong = segment_expect(&r->w, run_conn(r), &seg);
	if (wrong)
		snprintf(r->wrong, sizeof(r->wrong), "%s; weir sent: %s", wrong, seen);
	return !wrong;
}

/* ---- upstream ---- */

static bool answer_dial(struct run *r, int refusal)
{
	struct world_conn *c = run_conn(r);
	struct tcp_conn *tc = c->conn;

	if (!tc)
		return fail(r, "the guest's SYN has not reached the upstream");
	tcp_conn_set_owner(tc, NULL);
	r->w.in_flight_dials--;
	if (refusal < 0) {
		c->accepted = true;
		tcp_conn_accept(&r->w.stack, tc, &c->end);
	} else {
		c->conn = NULL;
		tcp_conn_refuse(&r->w.stack, tc, (enum tcp_refusal)refusal);
	}
	world_settle(&r->w);
	return true;
}

static bool up_wake(struct run *r, bool writable)
{
	struct world_conn *c = run_conn(r);

	if (c->end.conn && c->conn) {
		if (writable)
			tcp_end_writable(&r->w.stack, c->end.conn);
		else
			tcp_end_readable(&r->w.stack, c->end.conn);
	}
	world_settle(&r->w);
	return true;
}

static bool up_open(struct run *r)
{
	struct world_conn *c = run_conn(r);

	c->weir_isn_known = false;
	c->conn = tcp_conn_open(&r->w.stack, &r->w.remote, r->w.remote_port, &r->w.guest,
				c->guest_port, &c->end);
	world_settle(&r->w);
	return c->conn ? true : fail(r, "no connection could be made");
}

static bool check_got(struct run *r, uint64_t want)
{
	struct world_conn *c = run_conn(r);

	if (c->wrong_bytes)
		return fail(r, "the upstream received bytes that the guest did not send");
	if (c->got == want)
		return true;
	snprintf(r->wrong, sizeof(r->wrong), "the upstream has received %llu bytes",
		 (unsigned long long)c->got);
	return false;
}

static bool do_upstream(struct run *r, const char *text)
{
	static const struct {
		const char *word;
		int refusal;
	} answers[] = {{"accepts", -1},
		       {"refuses", TCP_REFUSE_RST},
		       {"denied", TCP_REFUSE_ADMIN},
		       {"host-unreach", TCP_REFUSE_HOST_UNREACH},
		       {"net-unreach", TCP_REFUSE_NET_UNREACH},
		       {"times-out", TCP_REFUSE_SILENT}};
	struct world_conn *c = run_conn(r);
	unsigned long long n;

	if (strcmp(text, "accepts and is silent") == 0) {
		c->end.empty = true;
		return answer_dial(r, -1);
	}
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (strcmp(text, answers[i].word) == 0)
			return answer_dial(r, answers[i].refusal);
	if (sscanf(text, "sends %llu", &n) == 1) {
		c->have += n;
		return up_wake(r, false);
	}
	if (sscanf(text, "takes %llu more", &n) == 1) {
		c->takes = c->got + n;
		return up_wake(r, true);
	}
	if (strcmp(text, "takes everything") == 0) {
		c->takes = UINT64_MAX;
		return up_wake(r, true);
	}
	if (sscanf(text, "got %llu", &n) == 1)
		return check_got(r, n);
	if (strcmp(text, "opens") == 0)
		return up_open(r);
	if (strcmp(text, "ends") == 0 || strcmp(text, "resets") == 0) {
		c->eof = text[0] == 'e';
		c->dead = text[0] == 'r';
		c->end.eof_near = true;
		return up_wake(r, false);
	}
	if (strcmp(text, "dies silently") == 0) {
		/* As if the loop had not yet told the stack: whoever asks next finds out. */
		c->dead = true;
		c->consumed = c->have;
		return true;
	}
	if (strcmp(text, "was shut") == 0)
		return c->shut ? true : fail(r, "the upstream has seen no end of stream");
	if (strcmp(text, "was not shut") == 0)
		return c->shut ? fail(r, "the upstream has seen an end of stream") : true;
	if (strcmp(text, "was reset") == 0)
		return c->was_reset ? true : fail(r, "the upstream was not reset");
	if (strcmp(text, "was closed") == 0)
		return c->was_closed ? true : fail(r, "the upstream was not closed in order");
	if (strcmp(text, "is open") == 0)
		return c->was_closed || c->was_reset ? fail(r, "the upstream is closed") : true;
	if (strcmp(text, "is dialled") == 0)
		return c->conn && !c->accepted ? true : fail(r, "no dial goes on");
	if (strcmp(text, "is not dialled") == 0)
		return c->conn ? fail(r, "a dial goes on") : true;
	return fail(r, "unknown words about the upstream");
}

/* ---- the stack as a whole ---- */

static bool check_number(struct run *r, const char *what, uint64_t is, const char *text)
{
	unsigned long long want;
	char op[3];

	if (sscanf(text, "%2s %llu", op, &want) != 2)
		return fail(r, "expected: check WHAT = N, <= N or >= N");
	if ((strcmp(op, "=") == 0 && is == want) || (strcmp(op, "<=") == 0 && is <= want) ||
	    (strcmp(op, ">=") == 0 && is >= want))
		return true;
	snprintf(r->wrong, sizeof(r->wrong), "%s is %llu", what, (unsigned long long)is);
	return false;
}

static bool do_check(struct run *r, const char *text)
{
	struct stack *s = &r->w.stack;
	unsigned half, all = tcp_conn_count(s, &half);
	char name[40];
	int used = 0;

	if (sscanf(text, "%39s %n", name, &used) != 1)
		return fail(r, "check what?");
	text += used;
	if (strcmp(name, "connections") == 0)
		return check_number(r, name, all, text);
	if (strcmp(name, "half-open") == 0)
		return check_number(r, name, half, text);
	if (strcmp(name, "retransmits") == 0)
		return check_number(r, name, s->cnt.tcp_retransmits, text);
	if (strcmp(name, "resets") == 0)
		return check_number(r, name, s->cnt.tcp_resets_sent, text);
	if (strcmp(name, "rto") == 0)
		return check_number(r, name, s->cnt.tcp_rto, text);
	if (strcmp(name, "asked") == 0)
		return check_number(r, name, run_conn(r)->asked, text);
	if (strcmp(name, "queue-limit") == 0)
		return check_number(r, name, r->w.queue_limit, text);
	if (strcmp(name, "borrowers") == 0)
		return check_number(r, name, s->tcp->borrowers, text);
	if (strcmp(name, "cwnd") == 0 && run_conn(r)->conn)
		return check_number(r, name, run_conn(r)->conn->cwnd, text);
	if (strcmp(name, "full") == 0)
		return check_number(r, name, r->w.guest_full, text);
	if (strcmp(name, "lent") == 0)
		return check_number(r, name, s->tcp->pool_lent, text);
	for (int i = 0; i < DROP_REASONS; i++)
		if (strcmp(name, drop_reason_name((enum drop_reason)i)) == 0)
			return check_number(r, name, s->cnt.drops[i], text);
	return fail(r, "unknown thing to check");
}

static bool do_flood(struct run *r, const char *text)
{
	struct script_segment seg = {.flags = 2, .win = -1};
	unsigned n;

	if (sscanf(text, "%u", &n) != 1)
		return fail(r, "expected: syn-flood N");
	for (unsigned i = 0; i < n; i++) {
		struct world_conn *c = world_conn(&r->w, (uint16_t)(1024 + i));
		c->guest_port = (uint16_t)(1024 + i);
		segment_send(&r->w, c, &seg);
		while (world_next_frame(&r->w))
			;
	}
	return true;
}

/* Every other byte, beginning with the third one. */
static bool do_gaps(struct run *r, const char *text)
{
	struct script_segment seg = {.flags = 16, .win = -1, .len = 1, .has_ack = true, .ack = 1};
	unsigned n;

	if (sscanf(text, "%u", &n) != 1)
		return fail(r, "expected: gaps N");
	for (unsigned i = 0; i < n; i++) {
		seg.seq = 3 + 2 * i;
		segment_send(&r->w, run_conn(r), &seg);
		while (world_next_frame(&r->w))
			;
	}
	return true;
}

static bool do_set(struct run *r, const char *text)
{
	struct stack_config *c = &r->w.cfg;
	unsigned long long n;

	if (r->w.started)
		return fail(r, "set goes before the first other line");
	if (strcmp(text, "family 6") == 0)
		r->w.family = 6;
	else if (strcmp(text, "link tso") == 0)
		c->link_caps = 7;
	else if (sscanf(text, "mtu %llu", &n) == 1)
		c->mtu = (uint16_t)n;
	else if (sscanf(text, "queue %llu", &n) == 1)
		c->tcp_queue_max = (uint32_t)n;
	else if (sscanf(text, "queue-total %llu", &n) == 1)
		c->tcp_queue_total = n;
	else if (sscanf(text, "max-tcp %llu", &n) == 1)
		c->max_tcp = (uint32_t)n;
	else if (sscanf(text, "half-open %llu", &n) == 1)
		c->max_half_open = (uint32_t)n;
	else if (sscanf(text, "keepalive %llu", &n) == 1)
		c->tcp_keepalive_us = n * 1000000;
	else if (sscanf(text, "isn %llu", &n) == 1)
		run_conn(r)->guest_isn = (uint32_t)n;
	else if (strcmp(text, "upstream accepts at once") == 0)
		r->w.plan = UPSTREAM_ACCEPT;
	else
		return fail(r, "unknown setting");
	return true;
}

/* The usual start, so that a script can begin with what it is about. */
static bool do_established(struct run *r, const char *opts)
{
	char syn[600];

	snprintf(syn, sizeof(syn), "S 0:0(0) win 65535 <%s>", *opts ? opts : "mss 1460");
	return do_send(r, syn) && answer_dial(r, -1) && do_expect(r, "S. 0:0(0) ack 1") &&
	       do_send(r, ". 1:1(0) ack 1 win 65535") && do_expect(r, "nothing");
}

static bool run_line(struct run *r, const char *line)
{
	unsigned n;
	char unit[4];

	if (strncmp(line, "set ", 4) == 0)
		return do_set(r, line + 4);
	world_start(&r->w);
	if (line[0] == '+' && sscanf(line, "+%u%3s", &n, unit) == 2) {
		uint64_t us = strcmp(unit, "us") == 0   ? n
			      : strcmp(unit, "ms") == 0 ? n * 1000ull
							: n * 1000000ull;
		world_advance(&r->w, us);
		return true;
	}
	if (strncmp(line, "guest > ", 8) == 0)
		return do_send(r, line + 8);
	if (strncmp(line, "guest < ", 8) == 0)
		return do_expect(r, line + 8);
	if (strncmp(line, "upstream ", 9) == 0)
		return do_upstream(r, line + 9);
	if (strncmp(line, "check ", 6) == 0)
		return do_check(r, line + 6);
	if (strncmp(line, "established", 11) == 0)
		return do_established(r, line[11] ? line + 12 : "");
	if (sscanf(line, "port %u", &n) == 1) {
		r->conn = world_conn(&r->w, (uint16_t)n);
		return true;
	}
	int used = 0;
	if (sscanf(line, "repeat %u %n", &n, &used) == 1 && used) {
		while (n--)
			if (!run_line(r, line + used))
				return false;
		return true;
	}
	if (strncmp(line, "syn-flood ", 10) == 0)
		return do_flood(r, line + 10);
	if (strncmp(line, "gaps ", 5) == 0)
		return do_gaps(r, line + 5);
	if (strcmp(line, "link blocks") == 0) {
		r->w.link_blocked = true;
		return true;
	}
	if (strcmp(line, "link takes") == 0) {
		r->w.link_blocked = false;
		stack_tx_unblocked(&r->w.stack);
		return true;
	}
	return fail(r, "unknown line");
}

static bool run_file(const char *path)
{
	static struct run r; /* megabytes: not for the stack */
	char line[512];
	unsigned no = 0;
	bool ok = true;
	FILE *f = fopen(path, "r");

	if (!f) {
		printf("FAIL %s: %s\n", path, strerror(errno));
		return false;
	}
	memset(&r, 0, sizeof(r));
	world_init(&r.w);
	while (ok && fgets(line, sizeof(line), f)) {
		no++;
		char *hash = strchr(line, '#');
		if (hash)
			*hash = 0;
		char *end = line + strlen(line);
		while (end > line && (end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
			*--end = 0;
		if (*line)
			ok = run_line(&r, line);
	}
	fclose(f);
	if (ok && no == 0)
		ok = fail(&r, "the script is empty");
	/* What nobody looked at is a failure too. */
	if (ok && r.w.started)
		ok = expect_quiet(&r);
	if (!ok)
		printf("FAIL %s:%u: %s\n", path, no, r.wrong);
	world_done(&r.w);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	for (int i = 1; i < argc; i++)
		if (run_file(argv[i]))
			passed++;
		else
			failed++;
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
