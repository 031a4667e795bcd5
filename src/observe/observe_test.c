// SPDX-License-Identifier: Apache-2.0
/* The capture file block by block, with a full disk and a slow pipe; and the text of --stats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/pcap.h"
#include "observe/stats.h"

static char dir[] = "/tmp/weir-observe-XXXXXX";
static char path[64];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/capture", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

struct file {
	uint8_t *p;
	size_t len;
};

static struct file read_file(void)
{
	struct file f = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	f.p = malloc((size_t)st.st_size + 1);
	assert_non_null(f.p);
	f.len = (size_t)st.st_size;
	assert_int_equal(read(fd, f.p, f.len), f.len);
	close(fd);
	return f;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The block at *at, checked for its two lengths; moves on. */
static const uint8_t *next_block(const struct file *f, size_t *at, uint32_t *ret_type,
				 uint32_t *ret_len)
{
	const uint8_t *b = f->p + *at;

	if (*at == f->len)
		return NULL;
	assert_true(f->len - *at >= 12);
	*ret_type = u32(b);
	*ret_len = u32(b + 4);
	assert_int_equal(*ret_len % 4, 0);
	assert_true(*ret_len >= 12 && *ret_len <= f->len - *at);
	assert_int_equal(u32(b + *ret_len - 4), *ret_len);
	*at += *ret_len;
	return b;
}

/* An option between p and end; NULL where it is not there. */
static const uint8_t *find_option(const uint8_t *p, const uint8_t *end, uint16_t code,
				  uint16_t *len)
{
	while (p + 4 <= end && u16(p)) {
		*len = u16(p + 2);
		assert_true(p + 4 + *len <= end);
		if (u16(p) == code)
			return p + 4;
		p += 4 + (*len + 3) / 4 * 4;
	}
	return NULL;
}

static uint8_t bytes[FRAME_MAX];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static struct pcap *open_capture(void)
{
	struct error err = {0};
	struct pcap *p = pcap_open(path, &err);

	if (!p)
		fail_msg("%s", err.msg);
	return p;
}

static void pcap_holds_every_frame_whole(void **state)
{
	static const uint32_t lens[] = {14,   15,        16, 17,        60, 1514,
					9014, FRAME_MAX, 0,  FRAME_MAX, 42};
	const size_t n = sizeof(lens) / sizeof(lens[0]);
	const uint64_t start = 1800000000123456u; /* needs the upper half of the time stamp */
	struct pcap *p;
	struct stat st;
	uint32_t type, len;
	size_t at = 0;
	uint16_t opt;

	fill();
	p = open_capture();
	for (size_t i = 0; i < 3 * n; i++) {
		struct frame f = {.data = bytes, .len = lens[i % n]};

		pcap_frame_at(p, start + i, i % 2 ? PCAP_TO_GUEST : PCAP_FROM_GUEST, &f);
	}
	pcap_close(p);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	struct file f = read_file();
	const uint8_t *b = next_block(&f, &at, &type, &len);
	assert_int_equal(type, 0x0a0d0d0a);
	assert_int_equal(u32(b + 8), 0x1a2b3c4d);
	assert_int_equal(u16(b + 12), 1);
	assert_int_equal(u16(b + 14), 0);

	b = next_block(&f, &at, &type, &len);
	assert_int_equal(type, 1);
	assert_int_equal(u16(b + 8), 1); /* Ethernet */
	const uint8_t *o = find_option(b + 16, b + len - 4, 9, &opt);
	assert_non_null(o);
	assert_int_equal(*o, 6);
	assert_non_null(find_option(b + 16, b + len - 4, 2, &opt));
	o = find_option(b + 16, b + len - 4, 12, &opt);
	assert_non_null(o);
	assert_memory_equal(o, "Linux ", 6);

	for (size_t i = 0; i < 3 * n; i++) {
		uint32_t flen = lens[i % n];
		uint64_t time;

		b = next_block(&f, &at, &type, &len);
		assert_non_null(b);
		assert_int_equal(type, 6);
		time = (uint64_t)u32(b + 12) << 32 | u32(b + 16);
		assert_true(time == start + i);
		assert_int_equal(u32(b + 20), flen);
		assert_int_equal(u32(b + 24), flen);
		assert_memory_equal(b + 28, bytes, flen);
		o = find_option(b + 28 + (flen + 3) / 4 * 4, b + len - 4, 2, &opt);
		assert_non_null(o);
		assert_int_equal(u32(o),
				 i % 2 ? 1 : 2); /* inbound : outbound of the guest's interface */
	}
	b = next_block(&f, &at, &type, &len);
	assert_int_equal(type, 5);
	o = find_option(b + 20, b + len - 4, 4, &opt);
	assert_int_equal(u32(o), 3 * n);
	o = find_option(b + 20, b + len - 4, 5, &opt);
	assert_int_equal(u32(o), 0);
	assert_null(next_block(&f, &at, &type, &len));
	free(f.p);
}

static void pcap_flush_makes_the_file_complete(void **state)
{
	struct frame frame = {.data = bytes, .len = 60};
	struct pcap *p = open_capture();
	uint32_t type, len;
	size_t at = 0;
	int packets = 0;

	for (int i = 0; i < 5; i++)
		pcap_frame(p, PCAP_FROM_GUEST, &frame);
	pcap_flush(p);
	struct file f = read_file();
	while (next_block(&f, &at, &type, &len))
		packets += type == 6;
	assert_int_equal(packets, 5);
	free(f.p);
	pcap_close(p);
}

static void pcap_gives_up_on_a_full_disk_with_a_whole_block(void **state)
{
	struct rlimit old, small = {.rlim_cur = 700000};
	struct frame frame = {.data = bytes, .len = 1514};
	uint32_t type, len;
	size_t at = 0;
	int packets = 0;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	struct pcap *p = open_capture();
	/* The test's own output may be a longer file already: only while the capture is written. */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 2000; i++)
		pcap_frame(p, PCAP_FROM_GUEST, &frame);
	pcap_close(p);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

	struct file f = read_file();
	assert_true(f.len < 700000);
	while (next_block(&f, &at, &type, &len))
		packets += type == 6;
	assert_true(packets > 100 && packets < 2000);
	free(f.p);
}

static void pcap_that_cannot_be_written_is_an_error_at_once(void **state)
{
	struct error err = {0};

	assert_null(pcap_open("/dev/full", &err));
	assert_string_equal(err.msg,
			    "cannot write the capture to /dev/full: No space left on device");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(pcap_open(path, &err));
	assert_non_null(strstr(err.msg, "nobody reads from it"));
}

static void pcap_never_waits_for_a_slow_pipe(void **state)
{
	struct frame frame = {.data = bytes, .len = FRAME_MAX};
	struct error err = {0};
	uint8_t drain[65536];
	int rd;

	unlink(path);
	assert_null(pcap_open("/nonexistent/x", &err));
	assert_non_null(strstr(err.msg, "/nonexistent/x"));
	assert_int_equal(mkfifo(path, 0600), 0);
	rd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(rd >= 0);

	struct pcap *p = open_capture();
	alarm(20); /* a writer that waits ends the test */
	for (int i = 0; i < 200; i++)
		pcap_frame(p, PCAP_TO_GUEST, &frame);
	bool emptied = pcap_flush(p);
	assert_false(emptied);

	/* What was kept comes out whole, and says how much was left out. */
	FILE *kept = tmpfile();
	assert_non_null(kept);
	for (int i = 0; i < 100; i++) {
		ssize_t n = read(rd, drain, sizeof(drain));

		if (n > 0)
			fwrite(drain, 1, (size_t)n, kept);
		emptied |= pcap_flush(p);
	}
	assert_true(emptied);
	pcap_close(p);
	for (ssize_t n; (n = read(rd, drain, sizeof(drain))) > 0;)
		fwrite(drain, 1, (size_t)n, kept);
	alarm(0);
	close(rd);

	struct file f = {.len = (size_t)ftell(kept)};
	f.p = malloc(f.len);
	assert_non_null(f.p);
	rewind(kept);
	assert_int_equal(fread(f.p, 1, f.len, kept), f.len);
	fclose(kept);

	uint32_t type, len, packets = 0, left_out = 0;
	size_t at = 0;
	uint16_t opt;
	for (const uint8_t *b; (b = next_block(&f, &at, &type, &len));) {
		packets += type == 6;
		if (type == 5)
			left_out = u32(find_option(b + 20, b + len - 4, 5, &opt));
	}
	assert_true(packets >= 7);
	assert_int_equal(packets + left_out, 200);
	free(f.p);
}

static void pcap_survives_a_reader_that_leaves(void **state)
{
	struct frame frame = {.data = bytes, .len = FRAME_MAX};

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	int rd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct pcap *p = open_capture();
	close(rd);
	for (int i = 0; i < 20; i++)
		pcap_frame(p, PCAP_TO_GUEST, &frame);
	pcap_close(p);
	pcap_close(NULL);
}

/* An IPv4 TCP segment of `len` bytes altogether, as a link with offload gives it. */
static void make_segment(uint8_t *b, uint32_t len)
{
	static const uint8_t headers[54] = {
		0x02, 0,    0,    0,    0,   1,  0x02, 0, 0,  0, 0, 2, 0x08, 0x00, /* Ethernet */
		0x45, 0,    0,    0,    0,   0,  0x40, 0, 64, 6, 0, 0,             /* IPv4 */
		192,  0,    2,    1,    198, 51, 100,  1,                          /* addresses */
		0x30, 0x39, 0x1f, 0x90, 0,   0,  0,    1, 0,  0, 0, 1, 0x50, 0x10,
		1, /* TCP 12345 -> 8080 */
	};

	memset(b, 'x', len);
	memcpy(b, headers, sizeof(headers));
	b[16] = (uint8_t)((len - 14) >> 8);
	b[17] = (uint8_t)(len - 14);
}

/* Another program reads the file: no complaint, all frames, whole, with their direction. */
static void pcap_opens_in_tshark(void **state)
{
	static const uint32_t lens[] = {60, 1514, 65535 + 14};
	static const char *const want[] = {
		"1\teth0\t60\t60\t0x00000002\t12345\t6\n",
		"2\teth0\t1514\t1514\t0x00000001\t12345\t1460\n",
		"3\teth0\t65549\t65549\t0x00000002\t12345\t65495\n",
	};
	struct pcap *p;
	char command[512], line[256];

	if (system("tshark --version >/dev/null 2>&1") != 0) {
		print_message("tshark is not installed\n");
		skip();
	}
	unlink(path);
	p = open_capture();
	for (int i = 0; i < 3; i++) {
		struct frame f = {.data = bytes, .len = lens[i]};

		make_segment(bytes, lens[i]);
		pcap_frame(p, i % 2 ? PCAP_TO_GUEST : PCAP_FROM_GUEST, &f);
	}
	pcap_close(p);

	snprintf(command, sizeof(command),
		 "tshark -r %s -T fields -e frame.number -e frame.interface_name -e frame.len "
		 "-e frame.cap_len -e frame.packet_flags -e tcp.srcport -e tcp.len 2>&1",
		 path);
	FILE *out = popen(command, "re");
	assert_non_null(out);
	int n = 0;
	while (fgets(line, sizeof(line), out)) {
		/* As root it warns of that; every other word is a complaint. */
		if (strstr(line, "Running as user \"root\""))
			continue;
		assert_true(n < 3);
		assert_string_equal(line, want[n++]);
	}
	assert_int_equal(pclose(out), 0);
	assert_int_equal(n, 3);
}

static char *stats_text(const struct stack_counters *s, const struct flow_counters *f)
{
	static const struct stats_row more[] = {{"of another room", 4}, {"and zero", 0}};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	stats_print(s, f, more, 2, out);
	fclose(out);
	return text;
}

/* Every line but the heading ends in the same column. */
static void assert_aligned(const char *text)
{
	size_t width = 0;

	text = strchr(text, '\n') + 1;
	for (; *text; text = strchr(text, '\n') + 1) {
		size_t n = strcspn(text, "\n");

		if (width)
			assert_int_equal(n, width);
		width = n;
	}
}

static bool has_line(const char *text, const char *name, const char *value)
{
	const char *at = strstr(text, name);
	size_t n = strlen(name), v = strlen(value);

	if (!at)
		return false;
	at += n;
	at += strspn(at, " ");
	return strncmp(at, value, v) == 0 && at[v] == '\n';
}

static void stats_show_traffic_and_only_nonzero_drops(void **state)
{
	struct stack_counters s = {.rx_frames = 12, .tx_bytes = UINT64_MAX, .tcp_retransmits = 3};
	struct flow_counters f = {.udp_sessions = 7};
	char *text = stats_text(&s, &f);

	assert_true(has_line(text, "frames from the guest", "12"));
	assert_true(has_line(text, "bytes to the guest", "18446744073709551615"));
	assert_true(has_line(text, "tcp segments retransmitted", "3"));
	assert_true(has_line(text, "udp sessions", "7"));
	assert_true(has_line(text, "dns queries", "0"));
	assert_true(has_line(text, "of another room", "4"));
	assert_null(strstr(text, "and zero"));
	assert_null(strstr(text, "dropped"));
	assert_null(strstr(text, "refused"));
	assert_aligned(text);
	free(text);

	s.drops[DROP_BAD_CHECKSUM] = 5;
	f.denied[REASON_METADATA] = 2;
	f.tcp_timed_out = 9;
	text = stats_text(&s, &f);
	assert_true(has_line(text, "dropped: bad-checksum", "5"));
	assert_true(has_line(text, "refused: metadata", "2"));
	assert_true(has_line(text, "tcp far side timed out", "9"));
	assert_null(strstr(text, "truncated"));
	assert_aligned(text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcap_holds_every_frame_whole),
		cmocka_unit_test(pcap_flush_makes_the_file_complete),
		cmocka_unit_test(pcap_gives_up_on_a_full_disk_with_a_whole_block),
		cmocka_unit_test(pcap_that_cannot_be_written_is_an_error_at_once),
		cmocka_unit_test(pcap_never_waits_for_a_slow_pipe),
		cmocka_unit_test(pcap_survives_a_reader_that_leaves),
		cmocka_unit_test(pcap_opens_in_tshark),
		cmocka_unit_test(stats_show_traffic_and_only_nonzero_drops),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
