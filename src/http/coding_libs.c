// SPDX-License-Identifier: Apache-2.0
/*
 * Loading the libraries of coding_libs.h.
 */
#include "http/coding_libs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/log.h"

struct function {
	const char *name;
	void *to; /* a pointer to a function */
};

/* All of them, or none. */
static bool load(const char *library, const struct function *list, size_t n)
{
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < n; i++) {
		void *at = dlsym(lib, list[i].name);
		if (!at) {
			dlclose(lib);
			lib = NULL;
			break;
		}
		memcpy(list[i].to, &at, sizeof(at));
	}
	if (!lib)
		log_line(LOG_WARNING, "%s is not there: bodies in its coding cannot be looked into",
			 library);
	return lib;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct lib_zlib zlib;
static bool zlib_there;

static void load_zlib(void)
{
	static const struct function list[] = {
		{"inflateInit2_", &zlib.inflateInit2_}, {"inflate", &zlib.inflate},
		{"inflateReset", &zlib.inflateReset},   {"inflateEnd", &zlib.inflateEnd},
		{"deflateInit2_", &zlib.deflateInit2_}, {"deflate", &zlib.deflate},
		{"deflateEnd", &zlib.deflateEnd},
	};
	zlib_there = load("libz.so.1", list, COUNT(list));
}

const struct lib_zlib *coding_zlib(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_zlib);
	return zlib_there ? &zlib : NULL;
}

static struct lib_brotli_dec brotli_dec;
static bool brotli_dec_there;

static void load_brotli_dec(void)
{
	static const struct function list[] = {
		{"BrotliDecoderCreateInstance", &brotli_dec.BrotliDecoderCreateInstance},
		{"BrotliDecoderDestroyInstance", &brotli_dec.BrotliDecoderDestroyInstance},
		{"BrotliDecoderDecompressStream", &brotli_dec.BrotliDecoderDecompressStream},
	};
	brotli_dec_there = load("libbrotlidec.so.1", list, COUNT(list));
}

const struct lib_brotli_dec *coding_brotli_dec(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_brotli_dec);
	return brotli_dec_there ? &brotli_dec : NULL;
}

static struct lib_brotli_enc brotli_enc;
static bool brotli_enc_there;

static void load_brotli_enc(void)
{
	static const struct function list[] = {
		{"BrotliEncoderCreateInstance", &brotli_enc.BrotliEncoderCreateInstance},
		{"BrotliEncoderDestroyInstance", &brotli_enc.BrotliEncoderDestroyInstance},
		{"BrotliEncoderSetParameter", &brotli_enc.BrotliEncoderSetParameter},
		{"BrotliEncoderCompressStream", &brotli_enc.BrotliEncoderCompressStream},
		{"BrotliEncoderHasMoreOutput", &brotli_enc.BrotliEncoderHasMoreOutput},
	};
	brotli_enc_there = load("libbrotlienc.so.1", list, COUNT(list));
}

const struct lib_brotli_enc *coding_brotli_enc(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_brotli_enc);
	return brotli_enc_there ? &brotli_enc : NULL;
}

static struct lib_zstd zstd;
static bool zstd_there;

static void load_zstd(void)
{
	static const struct function list[] = {
		{"ZSTD_createDCtx", &zstd.ZSTD_createDCtx},
		{"ZSTD_freeDCtx", &zstd.ZSTD_freeDCtx},
		{"ZSTD_DCtx_setParameter", &zstd.ZSTD_DCtx_setParameter},
		{"ZSTD_decompressStream", &zstd.ZSTD_decompressStream},
		{"ZSTD_createCCtx", &zstd.ZSTD_createCCtx},
		{"ZSTD_freeCCtx", &zstd.ZSTD_freeCCtx},
		{"ZSTD_CCtx_setParameter", &zstd.ZSTD_CCtx_setParameter},
		{"ZSTD_compressStream2", &zstd.ZSTD_compressStream2},
		{"ZSTD_isError", &zstd.ZSTD_isError},
	};
	zstd_there = load("libzstd.so.1", list, COUNT(list));
}

const struct lib_zstd *coding_zstd(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_zstd);
	return zstd_there ? &zstd : NULL;
}
