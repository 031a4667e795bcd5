// SPDX-License-Identifier: Apache-2.0
/*
 * zlib, brotli and zstd, loaded when the first body comes that needs them: most sandboxes never see
 * one. What is used of their interfaces (stable behind their sonames) is declared here, so that
 * weir is built without their headers. A library that is not there is a coding that weir does not
 * have: coding.h then does not offer it.
 *
 * May use: base/.
 */
#ifndef WEIR_HTTP_CODING_LIBS_H
#define WEIR_HTTP_CODING_LIBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- zlib 1 ---- */

enum {
	ZLIB_NO_FLUSH = 0,
	ZLIB_SYNC_FLUSH = 2,
	ZLIB_FINISH = 4,
};
enum {
	ZLIB_OK = 0,
	ZLIB_END = 1,
	ZLIB_NO_PROGRESS = -5,
};
#define ZLIB_DEFLATED    8 /* the one method */
#define ZLIB_WINDOW_BITS 15
#define ZLIB_GZIP        16 /* added to the bits of the window */

struct zlib_stream {
	const uint8_t *next_in;
	unsigned avail_in;
	unsigned long total_in;
	uint8_t *next_out;
	unsigned avail_out;
	unsigned long total_out;
	const char *msg;
	void *state;
	void *(*zalloc)(void *, unsigned, unsigned);
	void (*zfree)(void *, void *);
	void *opaque;
	int data_type;
	unsigned long adler, reserved;
};

struct lib_zlib {
	int (*inflateInit2_)(struct zlib_stream *, int window, const char *version, int size);
	int (*inflate)(struct zlib_stream *, int flush);
	int (*inflateReset)(struct zlib_stream *);
	int (*inflateEnd)(struct zlib_stream *);
	int (*deflateInit2_)(struct zlib_stream *, int level, int method, int window, int memory,
			     int strategy, const char *version, int size);
	int (*deflate)(struct zlib_stream *, int flush);
	int (*deflateEnd)(struct zlib_stream *);
};

/* ---- brotli 1 ---- */

enum {
	BROTLI_BAD = 0,
	BROTLI_END = 1,
	BROTLI_WANTS_INPUT = 2,
	BROTLI_WANTS_ROOM = 3,
};
enum {
	BROTLI_PROCESS = 0,
	BROTLI_FLUSH = 1,
	BROTLI_FINISH = 2,
};
enum {
	BROTLI_QUALITY = 1,
	BROTLI_LGWIN = 2,
};

struct lib_brotli_dec {
	void *(*BrotliDecoderCreateInstance)(void *alloc, void *release, void *opaque);
	void (*BrotliDecoderDestroyInstance)(void *);
	int (*BrotliDecoderDecompressStream)(void *, size_t *avail_in, const uint8_t **next_in,
					     size_t *avail_out, uint8_t **next_out,
					     size_t *total_out);
};

struct lib_brotli_enc {
	void *(*BrotliEncoderCreateInstance)(void *alloc, void *release, void *opaque);
	void (*BrotliEncoderDestroyInstance)(void *);
	int (*BrotliEncoderSetParameter)(void *, int parameter, uint32_t value);
	int (*BrotliEncoderCompressStream)(void *, int operation, size_t *avail_in,
					   const uint8_t **next_in, size_t *avail_out,
					   uint8_t **next_out, size_t *total_out);
	int (*BrotliEncoderHasMoreOutput)(void *);
};

/* ---- zstd 1 ---- */

struct zstd_in {
	const void *src;
	size_t size, pos;
};
struct zstd_out {
	void *dst;
	size_t size, pos;
};
enum {
	ZSTD_CONTINUE = 0,
	ZSTD_FLUSH = 1,
	ZSTD_END = 2,
};
enum {
	ZSTD_WINDOW_LOG_MAX = 100, /* of a decompressor */
	ZSTD_LEVEL = 100,          /* of a compressor */
	ZSTD_WINDOW_LOG = 101,
};

struct lib_zstd {
	void *(*ZSTD_createDCtx)(void);
	size_t (*ZSTD_freeDCtx)(void *);
	size_t (*ZSTD_DCtx_setParameter)(void *, int parameter, int value);
	size_t (*ZSTD_decompressStream)(void *, struct zstd_out *, struct zstd_in *);
	void *(*ZSTD_createCCtx)(void);
	size_t (*ZSTD_freeCCtx)(void *);
	size_t (*ZSTD_CCtx_setParameter)(void *, int parameter, int value);
	size_t (*ZSTD_compressStream2)(void *, struct zstd_out *, struct zstd_in *, int end);
	unsigned (*ZSTD_isError)(size_t);
};

/* NULL where the library is not there. Any thread. */
const struct lib_zlib *coding_zlib(void);
const struct lib_brotli_dec *coding_brotli_dec(void);
const struct lib_brotli_enc *coding_brotli_enc(void);
const struct lib_zstd *coding_zstd(void);

#endif
