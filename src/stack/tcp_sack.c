// SPDX-License-Identifier: Apache-2.0
/*
 * The SACK scoreboard: what the guest has, what is lost, what was sent again (RFC 2018, RFC 6675).
 *
 * Ranges, not segments, are kept, so that super-segments cost nothing. A retransmission remembers
 * SND.NXT of its time: a SACK for something sent later says that it was lost again, which spares a
 * time-out (the idea of RFC 8985 6.2, with sequence numbers in the place of clocks).
 */
#include "stack/tcp_conn.h"

#include <stdlib.h>

void sack_clear(struct tcp_conn *c)
{
	free(c->sb);
	c->sb = NULL;
}

uint32_t sack_bytes(const struct tcp_conn *c)
{
	uint32_t sum = 0;

	for (unsigned i = 0; c->sb && i < c->sb->sacked_n; i++)
		sum += c->sb->sacked[i].end - c->sb->sacked[i].start;
	return sum;
}

static void sacked_add(struct scoreboard *sb, uint32_t start, uint32_t end)
{
	unsigned i = 0, j;

	while (i < sb->sacked_n && seq_lt(sb->sacked[i].end, start))
		i++;
	for (j = i; j < sb->sacked_n && seq_le(sb->sacked[j].start, end); j++) {
		if (seq_lt(sb->sacked[j].start, start))
			start = sb->sacked[j].start;
		if (seq_lt(end, sb->sacked[j].end))
			end = sb->sacked[j].end;
	}
	if (j == i && sb->sacked_n == TCP_SACK_MAX)
		return;
	memmove(&sb->sacked[i + 1], &sb->sacked[j], (sb->sacked_n - j) * sizeof(sb->sacked[0]));
	sb->sacked_n = sb->sacked_n - (j - i) + 1;
	sb->sacked[i] = (struct tcp_sack_block){start, end};
}

/* Forgets what lies at or below SND.UNA. */
static void scoreboard_trim(struct scoreboard *sb, uint32_t una)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sb->sacked_n; i++) {
		struct tcp_sack_block b = sb->sacked[i];
		if (seq_le(b.end, una))
			continue;
		b.start = seq_max(b.start, una);
		sb->sacked[n++] = b;
	}
	sb->sacked_n = n;
	n = 0;
	for (unsigned i = 0; i < sb->rtx_n; i++) {
		struct tcp_rtx_range r = sb->rtx[i];
		if (seq_le(r.end, una))
			continue;
		r.start = seq_max(r.start, una);
		sb->rtx[n++] = r;
	}
	sb->rtx_n = n;
}

/* Retransmissions that something sent after them has overtaken are lost again. */
static void rtx_drop_overtaken(struct scoreboard *sb, uint32_t highest)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sb->rtx_n; i++)
		if (!seq_lt(sb->rtx[i].nxt, highest))
			sb->rtx[n++] = sb->rtx[i];
	sb->rtx_n = n;
}

void sack_update(struct tcp_conn *c, const struct tcp_seg *seg)
{
	uint32_t highest = c->snd_una;
	bool fresh = false;

	if (c->sb)
		scoreboard_trim(c->sb, c->snd_una);
	if (!c->sack_on)
		return;
	for (unsigned i = 0; i < seg->sack_n; i++) {
		struct tcp_sack_block b = seg->sack[i];
		/* Not for what was never sent; a block below SND.UNA is a DSACK. */
		if (!seq_lt(b.start, b.end) || seq_lt(c->snd_nxt, b.end) ||
		    !seq_lt(c->snd_una, b.start))
			continue;
		if (!c->sb && !(c->sb = calloc(1, sizeof(*c->sb))))
			return;
		uint32_t before = sack_bytes(c);
		sacked_add(c->sb, b.start, b.end);
		if (sack_bytes(c) != before)
			fresh = true;
		highest = seq_max(highest, b.end);
	}
	if (fresh)
		rtx_drop_overtaken(c->sb, highest);
}

bool sack_is_loss(const struct tcp_conn *c)
{
	const struct scoreboard *sb = c->sb;

	if (!sb || sb->sacked_n == 0)
		return false;
	/* RFC 6675, IsLost(SND.UNA): DupThresh ranges, or that many segments' bytes, above it. */
	return sb->sacked_n >= TCP_DUPTHRESH || sack_bytes(c) > (TCP_DUPTHRESH - 1u) * c->mss;
}

/*
 * Walks the holes below SND.NXT. For each: [start, end), and whether it counts as lost.
 * Returns false when there are no more.
 */
struct hole_walk {
	unsigned i;     /* next SACKed range */
	uint32_t at;    /* where the next hole starts */
	uint32_t above; /* SACKed bytes from range i on */
	bool done;
};

static bool hole_next(const struct tcp_conn *c, struct hole_walk *w, uint32_t *start, uint32_t *end,
		      bool *lost)
{
	const struct scoreboard *sb = c->sb;
	unsigned n = sb ? sb->sacked_n : 0;

	if (w->done)
		return false;
	*start = w->at;
	if (w->i < n) {
		*end = sb->sacked[w->i].start;
		*lost = n - w->i >= TCP_DUPTHRESH || w->above > (TCP_DUPTHRESH - 1u) * c->mss;
		w->above -= sb->sacked[w->i].end - sb->sacked[w->i].start;
		w->at = sb->sacked[w->i].end;
		w->i++;
	} else {
		*end = c->snd_nxt;
		*lost = false;
		w->done = true;
	}
	uint32_t split = *end;
	if (c->rto_recovery) {
		/* After a time-out all that was sent before it, and is not SACKed, is lost. */
		if (!seq_lt(*start, c->recover))
			return true;
		*lost = true;
		split = c->recover;
	} else if (c->recovering && *start == c->snd_una) {
		/* What fast recovery began for: without SACK, one segment of it. */
		*lost = true;
		if (n == 0)
			split = *start + c->mss;
	}
	if (w->done && seq_lt(split, *end)) {
		*end = w->at = split;
		w->done = false;
	}
	return true;
}

/* The part of [start, end) that was not sent again comes first in *start, *end; false where all of
 * it was. */
static bool hole_clip(const struct scoreboard *sb, uint32_t *start, uint32_t *end)
{
	for (unsigned i = 0; sb && i < sb->rtx_n; i++) {
		const struct tcp_rtx_range *r = &sb->rtx[i];
		if (seq_le(r->end, *start))
			continue;
		if (seq_le(*end, r->start))
			break;
		if (seq_lt(*start, r->start)) {
			*end = r->start;
			break;
		}
		*start = r->end;
		if (!seq_lt(*start, *end))
			return false;
	}
	return seq_lt(*start, *end);
}

bool sack_next_lost(const struct tcp_conn *c, uint32_t *ret_seq, uint32_t *ret_len)
{
	struct hole_walk w = {.at = c->snd_una, .above = sack_bytes(c)};
	uint32_t start, end;
	bool lost;

	while (hole_next(c, &w, &start, &end, &lost)) {
		if (!lost)
			continue;
		if (hole_clip(c->sb, &start, &end)) {
			*ret_seq = start;
			*ret_len = end - start;
			return true;
		}
	}
	return false;
}

void sack_note_rtx(struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	struct scoreboard *sb = c->sb;

	if (!sb && !(sb = c->sb = calloc(1, sizeof(*sb))))
		return;
	unsigned i = 0;
	while (i < sb->rtx_n && seq_lt(sb->rtx[i].start, seq))
		i++;
	/* Grows its neighbour where the two were sent at one time. */
	if (i > 0 && sb->rtx[i - 1].end == seq && sb->rtx[i - 1].nxt == c->snd_nxt) {
		sb->rtx[i - 1].end = seq + len;
		return;
	}
	if (sb->rtx_n == TCP_SACK_MAX)
		return; /* not remembered: at worst it is sent once more */
	memmove(&sb->rtx[i + 1], &sb->rtx[i], (sb->rtx_n - i) * sizeof(sb->rtx[0]));
	sb->rtx[i] = (struct tcp_rtx_range){seq, seq + len, c->snd_nxt};
	sb->rtx_n++;
}

uint32_t sack_pipe(const struct tcp_conn *c)
{
	uint32_t out = c->snd_nxt - c->snd_una;

	if (!c->recovering)
		return out - sack_bytes(c);
	struct hole_walk w = {.at = c->snd_una, .above = sack_bytes(c)};
	uint32_t start, end, pipe = 0;
	bool lost;
	while (hole_next(c, &w, &start, &end, &lost))
		if (!lost)
			pipe += end - start;
	for (unsigned i = 0; c->sb && i < c->sb->rtx_n; i++)
		pipe += c->sb->rtx[i].end - c->sb->rtx[i].start;
	return pipe;
}
