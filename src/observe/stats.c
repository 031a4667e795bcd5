// SPDX-License-Identifier: Apache-2.0
/* The counters of one sandbox as text. */
#include "observe/stats.h"

#include <inttypes.h>

#define NAME_WIDTH  36
#define VALUE_WIDTH 16

static void print_row(FILE *out, const char *prefix, const char *name, uint64_t value)
{
	int used = fprintf(out, "  %s%s", prefix, name);

	fprintf(out, "%*" PRIu64 "\n",
		used < NAME_WIDTH ? NAME_WIDTH - used + VALUE_WIDTH : VALUE_WIDTH, value);
}

static void print_rows(FILE *out, const struct stats_row *rows, size_t n, bool zero_too)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].value || zero_too)
			print_row(out, "", rows[i].name, rows[i].value);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void stats_print(const struct stack_counters *s, const struct flow_counters *f,
		 const struct stats_row *more, size_t more_count, FILE *out)
{
	const struct stats_row main_rows[] = {
		{"frames from the guest", s->rx_frames},
		{"bytes from the guest", s->rx_bytes},
		{"frames to the guest", s->tx_frames},
		{"bytes to the guest", s->tx_bytes},
		{"tcp connections", s->tcp_opened},
		{"tcp segments retransmitted", s->tcp_retransmits},
		{"udp sessions", f->udp_sessions},
		{"udp datagrams from the guest", f->udp_out},
		{"udp datagrams to the guest", f->udp_in},
		{"echo sessions", f->echo_sessions},
		{"dns queries", f->dns_queries},
	};
	const struct stats_row more_rows[] = {
		{"tcp connections closed", s->tcp_closed},
		{"tcp dialed", f->tcp_dialed},
		{"tcp refused by the far side", f->tcp_refused},
		{"tcp far side unreachable", f->tcp_unreachable},
		{"tcp far side timed out", f->tcp_timed_out},
		{"tcp accepted on published ports", f->tcp_accepted},
		{"tcp fast recoveries", s->tcp_fast_recovery},
		{"tcp tail loss probes", s->tcp_tlp},
		{"tcp retransmission timeouts", s->tcp_rto},
		{"tcp segments out of order", s->tcp_ooo},
		{"tcp segments twice", s->tcp_dup},
		{"tcp resets sent", s->tcp_resets_sent},
		{"tcp resets received", s->tcp_resets_received},
		{"udp datagrams dropped", f->udp_dropped},
		{"echo requests", f->echo_out},
		{"echo replies", f->echo_in},
		{"dns answers", f->dns_answers},
		{"dns failures", f->dns_failures},
		{"icmp errors sent", s->icmp_errors_sent},
		{"fragmented packets reassembled", s->frag_reassembled},
		{"fragments sent", s->frag_sent},
	};

	fprintf(out, "weir: statistics\n");
	print_rows(out, main_rows, COUNT(main_rows), true);
	print_rows(out, more_rows, COUNT(more_rows), false);
	print_rows(out, more, more_count, false);
	for (int i = DROP_NONE + 1; i < DROP_REASONS; i++)
		if (s->drops[i])
			print_row(out, "dropped: ", drop_reason_name((enum drop_reason)i),
				  s->drops[i]);
	for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
		if (f->denied[i])
			print_row(out, "refused: ", policy_reason_name((enum policy_reason)i),
				  f->denied[i]);
}
