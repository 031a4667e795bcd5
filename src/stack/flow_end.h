// SPDX-License-Identifier: Apache-2.0
/*
 * The far end of a guest's TCP connection, as the stack sees it: a host socket (flow/tcp_host.c)
 * or something inside this process (the DNS listener, TLS interception).
 *
 * Calls go down from the stack to the end; the end calls up with tcp_end_readable(),
 * tcp_end_writable() and tcp_end_failed() (tcp.h). An end must not call up from inside a call down.
 * An end stores what it has for the guest until the guest has acknowledged it: peek() may be asked
 * for the same bytes again (a retransmission) until consume() drops them.
 */
#ifndef WEIR_STACK_FLOW_END_H
#define WEIR_STACK_FLOW_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct flow_end;

struct flow_end_ops {
	/*
	 * Copies bytes for the guest, beginning `off` bytes behind what was consumed, into iov.
	 * Returns how many (> 0); 0 where the stream ends exactly there; -EAGAIN where nothing is
	 * there yet (tcp_end_readable() will follow); another -errno where the far side is lost
	 * (RST to the guest).
	 */
	ssize_t (*peek)(struct flow_end *e, size_t off, const struct iovec *iov, int n);
	/* The guest has acknowledged n more bytes: drop them. */
	void (*consume)(struct flow_end *e, size_t n);
	/*
	 * Takes bytes from the guest, in order. Returns how many were taken (may be fewer);
	 * -EAGAIN where none (tcp_end_writable() will follow); another -errno where the far side is
	 * lost.
	 */
	ssize_t (*push)(struct flow_end *e, const struct iovec *iov, int n);
	/* The guest sent FIN and everything before it was taken: half-close. */
	void (*shut)(struct flow_end *e);
	/* The connection is over and was not closed in order: RST to the far side. The end is freed
	 * by this. */
	void (*reset)(struct flow_end *e);
	/* The connection ended in order both ways. The end is freed by this. */
	void (*close)(struct flow_end *e);
};

struct flow_end {
	const struct flow_end_ops *ops;
	struct tcp_conn *conn; /* the guest's connection; NULL while there is none */
	/* Set by the end: its stream may be over, so ask peek() again behind a short answer. Else a
	 * short answer means "nothing more yet, tcp_end_readable() will follow". */
	bool eof_near;
	/* Set by the end: push() looks at bytes without taking them. It is then offered everything
	 * that waits again whenever there is more, and the guest may fill the whole window
	 * meanwhile. */
	bool watches;
	/* Set by the end: it hands bytes on without a look at them, each once, so that push() and
	 * peek() may be given memory of the guest's own, which the guest can change at any moment.
	 * Others get what nobody else writes to. */
	bool direct;
	/* Set by whoever stands between this end and the stack, of one in this process: what it
	 * would call up it tells by this, and `conn` is NULL. failed: nothing more will come of it.
	 */
	void (*upper)(struct flow_end *e, bool failed);
	void *upper_ctx;
	/* Set by the end, before it is handed over: nothing is there for the guest yet, and
	 * tcp_end_readable() will say when there is. Else it is asked once when the guest's
	 * handshake is over. */
	bool empty;
};

#endif
