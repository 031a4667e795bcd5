// SPDX-License-Identifier: Apache-2.0
/*
 * What OpenSSL itself does on one core: the ceiling for an interceptor.
 *
 *	tls_ceiling CERT KEY CA SECONDS
 *
 * A gateway is the server of one handshake and the client of another one; both roles of one
 * handshake, done in this process over memory, cost the same. Likewise it decrypts each byte once
 * and encrypts it once. Prints one JSON object: {"handshakes": pairs a second, "bytes": a second}.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BLOCK 65536

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void need(int ok, const char *what)
{
	if (ok > 0)
		return;
	fprintf(stderr, "tls_ceiling: %s: ", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

struct pair {
	SSL *server, *client;
};

static struct pair connect_pair(SSL_CTX *server, SSL_CTX *client)
{
	struct pair p = {SSL_new(server), SSL_new(client)};
	BIO *a, *b;

	need(BIO_new_bio_pair(&a, 1 << 18, &b, 1 << 18), "a pair");
	SSL_set_bio(p.server, a, a);
	SSL_set_bio(p.client, b, b);
	SSL_set_accept_state(p.server);
	SSL_set_connect_state(p.client);
	SSL_set_tlsext_host_name(p.client, "bench.test");
	need(SSL_set1_host(p.client, "bench.test"), "a name");
	for (int i = 0;
	     i < 10 && !(SSL_is_init_finished(p.server) && SSL_is_init_finished(p.client)); i++) {
		SSL_do_handshake(p.client);
		SSL_do_handshake(p.server);
	}
	need(SSL_is_init_finished(p.server) && SSL_is_init_finished(p.client), "handshake");
	return p;
}

static void end_pair(struct pair p)
{
	SSL_free(p.server);
	SSL_free(p.client);
}

static double handshakes(SSL_CTX *server, SSL_CTX *client, double seconds)
{
	double begin = now();
	long n = 0;

	while (now() - begin < seconds) {
		end_pair(connect_pair(server, client));
		n++;
	}
	return (double)n / (now() - begin);
}

static double bytes(SSL_CTX *server, SSL_CTX *client, double seconds)
{
	static char in[BLOCK], out[BLOCK];
	struct pair p = connect_pair(server, client);
	double begin = now(), sum = 0;

	while (now() - begin < seconds) {
		size_t sent, got;
		need(SSL_write_ex(p.server, in, sizeof(in), &sent), "write");
		for (size_t left = sent; left; left -= got)
			need(SSL_read_ex(p.client, out, sizeof(out), &got), "read");
		sum += (double)sent;
	}
	sum /= now() - begin;
	end_pair(p);
	return sum;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	SSL_CTX *server = SSL_CTX_new(TLS_server_method()),
		*client = SSL_CTX_new(TLS_client_method());
	double seconds = atof(argv[4]);

	need(SSL_CTX_use_certificate_chain_file(server, argv[1]), argv[1]);
	need(SSL_CTX_use_PrivateKey_file(server, argv[2], SSL_FILETYPE_PEM), argv[2]);
	need(SSL_CTX_load_verify_locations(client, argv[3], NULL), argv[3]);
	SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
	double h = handshakes(server, client, seconds), b = bytes(server, client, seconds);
	printf("{\"handshakes\": %.1f, \"bytes\": %.0f}\n", h, b);
	return 0;
}
