// SPDX-License-Identifier: Apache-2.0
/*
 * The resolver behind the contestants of bench/dns: it answers every question over UDP with one A
 * record, as fast as it can, and does nothing else.
 *
 *	dns_answer ADDRESS TTL
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BURST 64
#define ROOM  1024

/* Where the question ends; 0 where there is none. */
static size_t question_end(const unsigned char *m, size_t n)
{
	size_t at = 12;
	while (at < n && m[at])
		at += 1u + m[at];
	return at + 5 <= n ? at + 5 : 0;
}

/* Turns a query into its answer; returns the length. */
static size_t answer(unsigned char *m, size_t n, unsigned ttl)
{
	unsigned char record[16] = {0xc0,      12,        0,        1,   0, 1,
				    ttl >> 24, ttl >> 16, ttl >> 8, ttl, 0, 4};
	static const unsigned char opt[11] = {0, 0, 41, 4, 208};
	size_t at = n > 12 ? question_end(m, n) : 0;
	if (!at)
		return 0;
	int edns = m[11];
	unsigned address = htonl(0x5db8d800u | m[13]);
	memcpy(record + 12, &address, 4);
	m[2] = 0x81;
	m[3] = 0x80;
	m[7] = 1;
	memcpy(m + at, record, sizeof(record));
	at += sizeof(record);
	if (edns) {
		memcpy(m + at, opt, sizeof(opt));
		at += sizeof(opt);
	}
	return at;
}

int main(int argc, char **argv)
{
	static unsigned char buf[BURST][ROOM];
	static struct sockaddr_in from[BURST];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
	if (argc != 3 || inet_pton(AF_INET, argv[1], &a.sin_addr) != 1) {
		fprintf(stderr, "usage: dns_answer ADDRESS TTL\n");
		return 2;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror("dns_answer: bind");
		return 1;
	}
	for (;;) {
		struct mmsghdr mm[BURST];
		struct iovec iov[BURST];
		for (int i = 0; i < BURST; i++) {
			iov[i] = (struct iovec){buf[i], ROOM - 64};
			mm[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
							     .msg_namelen = sizeof(from[i]),
							     .msg_iov = &iov[i],
							     .msg_iovlen = 1}};
		}
		int n = recvmmsg(fd, mm, BURST, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			iov[i].iov_len = answer(buf[i], mm[i].msg_len, (unsigned)atoi(argv[2]));
		for (int at = 0; at < n;) {
			int sent = sendmmsg(fd, mm + at, (unsigned)(n - at), 0);
			at += sent > 0 ? sent : 1;
		}
	}
}
