// SPDX-License-Identifier: Apache-2.0
/*
 * The pcapng writer: a section header, one interface, an enhanced packet block a frame, and at the
 * end the interface's statistics.
 *
 * The buffer holds whole blocks only. When it is full, or traffic pauses, it is written; what a
 * pipe does not take stays in front. On a write error the file is cut back to the last
 * point at which the buffer was empty, so that it ends with a whole block and still opens.
 */
#include "observe/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/view.h"

/* Numbers of draft-ietf-opsawg-pcapng, sections 4 and 3.5. All fields are in the host's byte order,
 * which the magic shows. */
#define BLOCK_SECTION     0x0a0d0d0au
#define BLOCK_INTERFACE   1
#define BLOCK_STATISTICS  5
#define BLOCK_PACKET      6
#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1
#define OPT_END           0
#define SHB_USERAPPL      4
#define IF_NAME           2
#define IF_DESCRIPTION    3
#define IF_TSRESOL        9
#define IF_OS             12
#define EPB_FLAGS         2
#define FLAG_INBOUND      1u
#define FLAG_OUTBOUND     2u
#define ISB_IFRECV        4
#define ISB_IFDROP        5

#define PACKET_OVERHEAD 64 /* more than what a packet block has besides its data */
#define CLOSE_WAIT_MS   1000

struct pcap {
	int fd; /* -1: given up */
	char *path;
	struct wbuf buf;
	size_t off;        /* bytes of buf that are written already */
	uint64_t written;  /* bytes in the file */
	uint64_t whole;    /* of which so many end with a whole block */
	uint64_t frames;   /* in the file or in buf */
	uint64_t left_out; /* frames that found no room */
	uint8_t mem[PCAP_BUFFER];
};

static void put16(struct wbuf *w, uint16_t v)
{
	wbuf_put_bytes(w, &v, sizeof(v));
}

static void put32(struct wbuf *w, uint32_t v)
{
	wbuf_put_bytes(w, &v, sizeof(v));
}

static void put_pad(struct wbuf *w, size_t len)
{
	wbuf_put_zero(w, (4 - len % 4) % 4);
}

static void put_option(struct wbuf *w, uint16_t code, const void *p, size_t len)
{
	put16(w, code);
	put16(w, (uint16_t)len);
	wbuf_put_bytes(w, p, len);
	put_pad(w, len);
}

static void put_option_text(struct wbuf *w, uint16_t code, const char *text)
{
	put_option(w, code, text, strlen(text));
}

/* Begins a block; its length is filled in by block_end(), which gets what this returns. */
static size_t block_begin(struct wbuf *w, uint32_t type)
{
	size_t at = w->len;

	put32(w, type);
	put32(w, 0);
	return at;
}

static void block_end(struct wbuf *w, size_t at)
{
	uint32_t len = (uint32_t)(w->len - at + 4);

	put32(w, len);
	if (!w->overflow)
		memcpy(w->p + at + 4, &len, sizeof(len));
}

static void put_section(struct wbuf *w)
{
	size_t at = block_begin(w, BLOCK_SECTION);

	put32(w, BYTE_ORDER_MAGIC);
	put16(w, 1); /* version 1.0 */
	put16(w, 0);
	put32(w, UINT32_MAX); /* length of the section: not known */
	put32(w, UINT32_MAX);
	put_option_text(w, SHB_USERAPPL, "weir");
	put_option(w, OPT_END, NULL, 0);
	block_end(w, at);
}

static void put_interface(struct wbuf *w)
{
	size_t at = block_begin(w, BLOCK_INTERFACE);
	const uint8_t microseconds = 6;
	struct utsname u;

	put16(w, LINKTYPE_ETHERNET);
	put16(w, 0);
	put32(w, 0); /* no snap length: frames are whole */
	put_option_text(w, IF_NAME, "eth0");
	put_option_text(w, IF_DESCRIPTION, "the sandbox's interface");
	put_option(w, IF_TSRESOL, &microseconds, 1);
	if (uname(&u) == 0) {
		char os[sizeof(u.sysname) + sizeof(u.release) + 2];

		strcpy(os, u.sysname);
		strcat(os, " ");
		strcat(os, u.release);
		put_option_text(w, IF_OS, os);
	}
	put_option(w, OPT_END, NULL, 0);
	block_end(w, at);
}

static void put_packet(struct wbuf *w, uint64_t time_us, enum pcap_dir dir, const struct frame *f)
{
	size_t at = block_begin(w, BLOCK_PACKET);
	/* The guest's interface is the one described, so what it sends is outbound. */
	uint32_t flags = dir == PCAP_FROM_GUEST ? FLAG_OUTBOUND : FLAG_INBOUND;

	put32(w, 0); /* interface */
	put32(w, (uint32_t)(time_us >> 32));
	put32(w, (uint32_t)time_us);
	put32(w, f->len);
	put32(w, f->len);
	wbuf_put_bytes(w, f->data, f->len);
	put_pad(w, f->len);
	put_option(w, EPB_FLAGS, &flags, sizeof(flags));
	put_option(w, OPT_END, NULL, 0);
	block_end(w, at);
}

static void put_statistics(struct wbuf *w, uint64_t time_us, uint64_t seen, uint64_t left_out)
{
	size_t at = block_begin(w, BLOCK_STATISTICS);

	put32(w, 0); /* interface */
	put32(w, (uint32_t)(time_us >> 32));
	put32(w, (uint32_t)time_us);
	put_option(w, ISB_IFRECV, &seen, sizeof(seen));
	put_option(w, ISB_IFDROP, &left_out, sizeof(left_out));
	put_option(w, OPT_END, NULL, 0);
	block_end(w, at);
}

static uint64_t realtime_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void give_up(struct pcap *p)
{
	/* Only a file can be cut; where it cannot, its last block stays incomplete. */
	int rc = ftruncate(p->fd, (off_t)p->whole);
	(void)rc;
	close(p->fd);
	p->fd = -1;
}

/* 0: nothing waits; -EAGAIN: a pipe does not take it now; else -errno, and it was given up. */
static int write_out(struct pcap *p)
{
	while (p->fd >= 0 && p->off < p->buf.len) {
		ssize_t n = write(p->fd, p->mem + p->off, p->buf.len - p->off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return -EAGAIN;
		if (n < 0) {
			int err = -errno;

			give_up(p);
			return err;
		}
		p->off += (size_t)n;
		p->written += (uint64_t)n;
	}
	p->whole = p->written;
	p->buf.len = p->off = 0;
	return 0;
}

bool pcap_flush(struct pcap *p)
{
	int err = write_out(p);

	if (err < 0 && err != -EAGAIN)
		log_warning("pcap %s: %s; the capture ends here", p->path, strerror(-err));
	return err != -EAGAIN;
}

/* Room for n bytes, by writing what waits; false where the file does not take enough of it. */
static bool make_room(struct pcap *p, size_t n)
{
	if (p->buf.cap - p->buf.len >= n)
		return true;
	pcap_flush(p);
	if (p->off) {
		memmove(p->mem, p->mem + p->off, p->buf.len - p->off);
		p->buf.len -= p->off;
		p->off = 0;
	}
	return p->fd >= 0 && p->buf.cap - p->buf.len >= n;
}

void pcap_frame_at(struct pcap *p, uint64_t time_us, enum pcap_dir dir, const struct frame *f)
{
	if (p->fd < 0)
		return;
	if (f->len > FRAME_MAX || !make_room(p, f->len + PACKET_OVERHEAD)) {
		p->left_out++;
		return;
	}
	put_packet(&p->buf, time_us, dir, f);
	p->frames++;
}

void pcap_frame(struct pcap *p, enum pcap_dir dir, const struct frame *f)
{
	pcap_frame_at(p, realtime_us(), dir, f);
}

static void pcap_free(struct pcap *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->path);
	free(p);
}

struct pcap *pcap_open(const char *path, struct error *err)
{
	struct pcap *p = calloc(1, sizeof(*p));
	int rc;

	if (!p || !(p->path = strdup(path))) {
		free(p);
		error_set(err, "pcap: out of memory");
		return NULL;
	}
	/* A capture holds what the guest says, so it is the user's alone. */
	p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	if (p->fd < 0) {
		if (errno == ENXIO)
			error_set(err, "cannot open %s for the capture: nobody reads from it",
				  path);
		else
			error_set_errno(err, errno, "cannot open %s for the capture", path);
		pcap_free(p);
		return NULL;
	}
	p->buf = wbuf_make(p->mem, sizeof(p->mem));
	put_section(&p->buf);
	put_interface(&p->buf);
	/* At once, so that a full disk is an error here, and the reader of a pipe starts. */
	rc = write_out(p);
	if (rc < 0 && rc != -EAGAIN) {
		error_set_errno(err, rc, "cannot write the capture to %s", path);
		pcap_free(p);
		return NULL;
	}
	return p;
}

void pcap_close(struct pcap *p)
{
	if (!p)
		return;
	if (p->fd >= 0 && make_room(p, PACKET_OVERHEAD))
		put_statistics(&p->buf, realtime_us(), p->frames + p->left_out, p->left_out);
	pcap_flush(p);
	if (p->fd >= 0 && p->off < p->buf.len) {
		struct pollfd pfd = {.fd = p->fd, .events = POLLOUT};

		while (p->fd >= 0 && p->off < p->buf.len && poll(&pfd, 1, CLOSE_WAIT_MS) > 0)
			pcap_flush(p);
	}
	pcap_free(p);
}
