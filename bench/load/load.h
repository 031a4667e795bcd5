// SPDX-License-Identifier: Apache-2.0
/*
 * The benchmark's load generator: one program, a server in the "internet" namespace and one client
 * a measurement in the guest's. Every client is one thread and one connection unless its name says
 * otherwise, ends by itself after the time it was given plus a fixed grace, and prints one line of
 * JSON.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Ports of `load serve`; IPv4 and IPv6, every address. */
enum {
	PORT_SINK = 7001,       /* TCP: reads to the end, answers with the count of bytes it got */
	PORT_SOURCE = 7002,     /* TCP: sends until the client goes away */
	PORT_ECHO = 7003,       /* TCP and UDP: sends back what it gets */
	PORT_UDP_SINK = 7005,   /* UDP: counts a run's datagrams, and tells the count when asked */
	PORT_UDP_SOURCE = 7006, /* UDP: sends a run of datagrams to who asks */
	PORT_IDLE = 7200,  /* TCP: accepts, and keeps silent until the client closes; IDLE_PORTS of
			      them */
	PORT_GREET = 7009, /* TCP: sends one byte as soon as it has accepted, and closes */
	PORT_BURST = 7010, /* TCP: sends 8 MiB at once, then keeps silent */
	PORT_SHORT = 7100, /* TCP: reads a request, answers, closes first; SHORT_PORTS of them in a
			      row */
	IDLE_PORTS = 16,
	SHORT_PORTS = 32, /* several, so that a port in TIME_WAIT is not met again at once */
};

#define REQUEST_BYTES      64    /* of connect/request/close: about the smallest HTTP request */
#define RESPONSE_BYTES     512   /* and a small answer with its header */
#define UDP_MAX            65507 /* RFC 768 over IPv4 */
#define UDP_BATCH          16    /* datagrams a system call: the generator is not to be the bound */
#define BURST_BYTES        (8u << 20)
#define CONNECT_TIMEOUT_MS 3000

struct peer {
	struct sockaddr_storage addr;
	socklen_t len;
};

/* A growing list of nanoseconds; full (16 Mi entries) it keeps counting and drops the value. */
struct samples {
	uint64_t *v;
	size_t n, cap;
	uint64_t total; /* how often samples_add() was called */
};

uint64_t now_ns(void);
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void *must_alloc(size_t bytes);

struct peer peer_parse(const char *text, uint16_t port);
int peer_socket(const struct peer *p, int type);
/* A connected TCP socket (blocking, TCP_NODELAY), or -1 with errno after CONNECT_TIMEOUT_MS at
 * most. */
int peer_connect(const struct peer *p);
void socket_timeouts(int fd, unsigned ms);
void socket_big_buffers(int fd);
bool read_full(int fd, void *buf, size_t n);
bool write_full(int fd, const void *buf, size_t n);

void samples_add(struct samples *s, uint64_t ns);
/* Prints `"PREFIXp50_us":..,"PREFIXp99_us":..,"PREFIXmax_us":..` (sorts the list). */
void samples_print(struct samples *s, const char *prefix);

/* What a UDP run says about itself; the head of every datagram, in the host's byte order: both ends
 * are one machine. */
struct udp_head {
	uint64_t magic;
	uint64_t run;     /* random, a run */
	uint64_t value;   /* data: number of the datagram; query, end: count of datagrams */
	uint64_t bytes;   /* end of a query's answer: bytes; start: size | milliseconds << 32 */
	uint64_t span_ns; /* first to last arrival, of a query's answer */
};

#define UDP_DATA  0x7765697264617461ull
#define UDP_QUERY 0x7765697271756572ull
#define UDP_START 0x7765697273746172ull
#define UDP_END   0x77656972656e6421ull

/* Sends datagrams of `size` bytes to `p` on `fd` until `until` (now_ns()); how many the kernel
 * took. */
uint64_t udp_send_run(int fd, const struct peer *p, uint64_t run, size_t size, uint64_t until);

int cmd_serve(int argc, char **argv);
int cmd_hold(int argc, char **argv);
int cmd_pump_out(int argc, char **argv);
int cmd_pump_in(int argc, char **argv);
int cmd_rr(int argc, char **argv);
int cmd_crr(int argc, char **argv);
int cmd_greet(int argc, char **argv);
int cmd_reopen(int argc, char **argv);
int cmd_idle(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_udp_rr(int argc, char **argv);
int cmd_udp_out(int argc, char **argv);
int cmd_udp_in(int argc, char **argv);
int cmd_spawn(int argc, char **argv);

#endif
