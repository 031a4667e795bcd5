/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libweir: the network of a sandbox, inside your program.
 *
 * A sandbox (a virtual machine, or anything else that sends Ethernet frames) hands its frames to
 * weir, by a ring in memory or a file descriptor. weir is everything that the sandbox sees of the
 * network: it answers ARP, neighbour discovery, DHCP and DNS, ends TCP, UDP and ICMP echo in user
 * space, carries the data over ordinary sockets of this process, and decides for every flow whether
 * it may pass. Nothing of it needs a privilege.
 *
 *	config -> gateway -> sandbox (slot) -> link, once -> start ... stop -> free
 *
 * Conventions
 * -----------
 * Threads: every call may be made from any thread, unless it says otherwise. weir runs the
 * sandboxes on threads of its own, which have all signals blocked, and talks to them by messages;
 * a call returns when what it asked for has happened, and never waits for a guest or for a host on
 * the network. A ring (struct weir_ring) is used by one thread at a time.
 *
 * Callbacks run on weir's threads (log lines, in your own calls, too). They make a note and return:
 * a call of this library about the same gateway from inside of one fails with EDEADLK (those that
 * return nothing do nothing).
 *
 * Errors: calls return 0 or more, or -1 (pointers: NULL), and fill *err where err is not NULL. What
 * a call would have stored is then untouched. Running out of memory is an error like any other.
 * Nothing in here exits, aborts, prints, installs a signal handler or changes one.
 *
 * Memory: each object is freed by its own function, which takes NULL. What has to stay longer than
 * a call says so.
 *
 * Structs that you fill in begin with `size`: set it to sizeof(the struct) and everything that you
 * do not need to zero. A newer library then knows which fields you have, and an older one refuses
 * what it does not know.
 *
 * Versions: semantic (2.0.0 breaks, 1.1.0 adds); before 1.0.0 a minor version may break. Each
 * symbol has the version that it came with in the shared library, too. All are of 0.1.
 *
 * Standards: what a guest meets is listed in weir(3).
 */
#ifndef WEIR_H
#define WEIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEIR_PUBLIC __attribute__((visibility("default")))
#else
#define WEIR_PUBLIC
#endif

/* ---- version --------------------------------------------------------------------------------- */

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0
/* One number to compare: 0xMMmmpp. */
#define WEIR_VERSION_NUMBER \
	((WEIR_VERSION_MAJOR << 16) | (WEIR_VERSION_MINOR << 8) | WEIR_VERSION_PATCH)

/* The version of the library that is loaded: "0.1.0", and the number of its header. */
WEIR_PUBLIC const char *weir_version(void);
WEIR_PUBLIC uint32_t weir_version_number(void);

/* ---- errors ---------------------------------------------------------------------------------- */

struct weir_error {
	int code;          /* an errno value, see below; 0: nothing is wrong */
	char message[508]; /* one line for a person, without a full stop */
};
/*
 * Codes: EINVAL (what you gave is wrong: the message has the place in the document, such as
 * "net.yaml:3: policy.rules[1]: ..."), ENOMEM, EBUSY (the link was taken before), ENOTCONN (the
 * sandbox does not run), EALREADY (it runs, or ran, already), EDEADLK (from a callback), ENOENT,
 * ECANCELED (something that it needs of the system could not be had;
 * the message says what).
 */

/* ---- the gateway ----------------------------------------------------------------------------- */

/* As syslog's, with fewer steps. */
enum weir_log_level {
	WEIR_LOG_ERROR,
	WEIR_LOG_WARNING,
	WEIR_LOG_INFO,
	WEIR_LOG_DEBUG,
};

struct weir_gateway_options {
	size_t size;      /* sizeof(struct weir_gateway_options) */
	unsigned workers; /* the most threads; 0: one for each core that this process may use */
	int log_level;    /* enum weir_log_level: up to which lines are handed over */
	/* A line for whoever runs the program: no newline, no control characters. May come from
	 * several threads at once. What a guest can cause is limited to one line a second for each
	 * place in weir. NULL: nobody wants to know. */
	void (*log)(void *ctx, int level, const char *text);
	void *log_ctx;
};

/* The sandboxes of a program, and the threads that they live on. */
struct weir_gateway;

/* options may be NULL. No thread runs before the first sandbox is started. */
WEIR_PUBLIC struct weir_gateway *weir_gateway_new(const struct weir_gateway_options *options,
						  struct weir_error *err);
/*
 * Stops all sandboxes as weir_sandbox_stop() does, and all threads. Sandboxes are still to be freed
 * after that; the last of them takes the gateway's memory with it, and until then log callbacks may
 * come (in the calls that you make).
 */
WEIR_PUBLIC void weir_gateway_free(struct weir_gateway *gateway);
/* How many sandboxes run. */
WEIR_PUBLIC size_t weir_gateway_running(struct weir_gateway *gateway);

/* ---- configuration --------------------------------------------------------------------------- */

/*
 * A configuration: the document of weir-config(5), parsed and checked. It does not change any more,
 * and may serve any number of sandboxes, threads and gateways at once.
 */
struct weir_config;

enum weir_format {
	WEIR_YAML,
	WEIR_JSON,
};

/*
 * From n bytes of text. `name` stands for the document in messages (NULL: "configuration"). An
 * empty YAML document is the default: IPv4 and IPv6 where the host has a route for them, DNS, and
 * the `public` preset. Keys of `weir serve` (sandboxes) are an error.
 */
WEIR_PUBLIC struct weir_config *weir_config_from_text(const char *name, enum weir_format format,
						      const char *text, size_t n,
						      struct weir_error *err);
/* From a file; JSON where its name ends in .json. */
WEIR_PUBLIC struct weir_config *weir_config_from_file(const char *path, struct weir_error *err);
/* Sandboxes that were made from it keep what they need. */
WEIR_PUBLIC void weir_config_free(struct weir_config *config);

/*
 * Whether the host has a route to the public network of a family (4 or 6). Asks the kernel's
 * routing table by connecting a UDP socket to an address of RFC 5737 or RFC 3849, which sends
 * nothing.
 */
WEIR_PUBLIC bool weir_host_has_route(int family);

/* ---- a sandbox ------------------------------------------------------------------------------- */

#define WEIR_SLOT_MAX 65535

/* Whether a guest has an address family. */
enum weir_family {
	WEIR_FAMILY_AUTO, /* where its address is given, or the host has a route for it */
	WEIR_FAMILY_ON,   /* also where the host has no route */
	WEIR_FAMILY_OFF,
};

/* Why a sandbox's network has come to its end. */
enum weir_end {
	WEIR_END_LINK, /* the link is gone: the other end of the connected fd or of the ring was
			  closed; `error` is an errno value */
};

struct weir_sandbox_options {
	size_t size; /* sizeof(struct weir_sandbox_options) */
	/* What events and messages call it: 1 to 63 letters, digits, '.', '_', '-'; unique among
	 * those that run in the gateway. NULL: "slot-N". */
	const char *name;
	/* 0 to WEIR_SLOT_MAX. Where nothing else is said, the guest has the MAC 02:77:72:HH:LL:02
	 * (HH and LL the slot's two bytes), the second host address of the slot's /30 in the IPv4
	 * pool, and ::2 of the slot's /64 in the IPv6 pool; the gateway has ...:01, the first, and
	 * ::1. */
	uint32_t slot;
	/* In place of what the configuration says; NULL: what it says. */
	const char *mac;       /* "02:00:00:00:00:01": the guest's */
	const char *ipv4;      /* the guest's; its gateway is the address before it */
	const char *ipv6;      /* the guest's; its gateway is ::1 of its /64 */
	const char *ipv4_pool; /* "172.16.0.0/12": has the slot's /30 */
	const char *ipv6_pool; /* "fd42:6d73:62::/48": has the slot's /64 */
	enum weir_family family4, family6;
	unsigned mtu; /* 576 to 65520, 1280 with IPv6; 0: what the configuration says, else 1500 */

	/* ---- callbacks, on weir's threads, until weir_sandbox_stop() has returned ---- */
	void *ctx;
	/* One thing that has happened, as a line of JSON with a newline behind it (the schema is in
	 * doc/events.md): flows, refusals, DNS questions, policies. The text is gone when the
	 * callback returns. */
	void (*on_event)(void *ctx, const char *json, size_t n);
	/* The guest's network has ended, and it should be stopped: called once at most. */
	void (*on_end)(void *ctx, enum weir_end why, int error);
};

struct weir_sandbox;

/*
 * Makes a sandbox from a configuration; nothing runs yet. A pool that has no block for the slot, an
 * address that no guest can have, and a slot over WEIR_SLOT_MAX are errors.
 */
WEIR_PUBLIC struct weir_sandbox *weir_sandbox_new(struct weir_gateway *gateway,
						  const struct weir_config *config,
						  const struct weir_sandbox_options *options,
						  struct weir_error *err);
/*
 * Starts it; its link has to be there, and the ports that its configuration publishes have to be
 * free (else ECANCELED, and the sandbox has ended). Once only: a guest that comes back with a new
 * link gets a new sandbox, of the same slot.
 */
WEIR_PUBLIC int weir_sandbox_start(struct weir_sandbox *sandbox, struct weir_error *err);
/*
 * Ends its network as a host that shuts down does: what the guest has finished sending still
 * reaches its peers, all other connections are reset towards both sides, and the link is closed.
 * After it has returned no callback of the sandbox comes any more. One that does not run is left
 * alone.
 */
WEIR_PUBLIC void weir_sandbox_stop(struct weir_sandbox *sandbox);
/* Stops it, too. No other thread may be using it. */
WEIR_PUBLIC void weir_sandbox_free(struct weir_sandbox *sandbox);

/* ---- addresses, and what a guest is told ------------------------------------------------------
 */

enum weir_address {
	WEIR_GUEST_MAC,
	WEIR_GATEWAY_MAC,
	WEIR_GUEST_IPV4,
	WEIR_GATEWAY_IPV4, /* also where the guest finds DNS */
	WEIR_GUEST_IPV6,
	WEIR_GATEWAY_IPV6,
	WEIR_GATEWAY_IPV6_LINK_LOCAL, /* of the default route that the guest learns */
};
#define WEIR_ADDRESS_MAX 48 /* bytes that an address takes at most, as text with its NUL */

/* As text ("02:77:72:00:00:02", "172.16.0.2"). Returns its length, 0 (and "") where the guest does
 * not have the family, -1 where cap is too small or there is no such address. */
WEIR_PUBLIC int weir_sandbox_address(const struct weir_sandbox *sandbox, enum weir_address which,
				     char *ret, size_t cap);
WEIR_PUBLIC void weir_sandbox_guest_mac(const struct weir_sandbox *sandbox, uint8_t ret[6]);
/* Bits of the guest's network in a family (4 or 6): 30 and 64 but for an IPv4 address of your own;
 * 0 where it does not have the family. */
WEIR_PUBLIC unsigned weir_sandbox_prefix(const struct weir_sandbox *sandbox, int family);
WEIR_PUBLIC unsigned weir_sandbox_mtu(const struct weir_sandbox *sandbox);

/*
 * What a guest without DHCP has to know, as environment variables for its init:
 *
 *	WEIR_NET=iface=eth0,mac=02:77:72:00:00:02,mtu=1500
 *	WEIR_NET_IPV4=addr=172.16.0.2/30,gw=172.16.0.1,dns=172.16.0.1
 *	WEIR_NET_IPV6=addr=fd42:6d73:62::2/64,gw=fd42:6d73:62::1,dns=fd42:6d73:62::1
 *	WEIR_HOST_ALIAS=host.weir.internal
 *
 * A family that the guest does not have has no variable. `prefix` stands in place of WEIR (NULL:
 * "WEIR"): capital letters, digits and '_', not beginning with a digit, at most 32. The list ends
 * with NULL, as environ does, and goes to weir_environment_free().
 */
WEIR_PUBLIC char **weir_sandbox_environment(const struct weir_sandbox *sandbox, const char *prefix,
					    struct weir_error *err);
WEIR_PUBLIC void weir_environment_free(char **environment);

/* ---- the link, once: a file descriptor, a socket at a path, or a ring --------------------------
 */

enum weir_fd_kind {
	WEIR_FD_STREAM,     /* AF_UNIX SOCK_STREAM: 4-byte big-endian length, frame (QEMU's
			       -netdev stream, libkrun's unixstream) */
	WEIR_FD_DGRAM,      /* AF_UNIX SOCK_DGRAM, connected or bound: a frame a message (vfkit,
			       libkrun's unixgram) */
	WEIR_FD_SEQPACKET,  /* the same over SOCK_SEQPACKET */
	WEIR_FD_TAP,        /* a tap with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, attached */
	WEIR_FD_VHOST_USER, /* AF_UNIX SOCK_STREAM that speaks vhost-user: the guest's memory is
			       shared, and frames cost no system call (QEMU, Cloud Hypervisor,
			       crosvm) */
};

/* How unfinished work (checksums, segmentation) crosses a socket. */
enum weir_fd_offload {
	WEIR_FD_PLAIN,   /* not at all: whole frames within the MTU */
	WEIR_FD_VNET,    /* a 12-byte virtio-net header before each frame (virtio 1.2, 5.1.6) */
	WEIR_FD_LIBKRUN, /* taken without a header: frames of up to 65,550 bytes, checksums
			    unfinished */
};

/*
 * The guest's frames come by this descriptor, which is weir's from here on, also where the call
 * fails. A connected socket is the link for as long as its other end is open; one that listens, or
 * a datagram socket that is only bound, waits for its guest and for each next one, as below.
 * offload has to be WEIR_FD_PLAIN for a tap and for vhost-user, which say by themselves what they
 * can do. EBUSY where the sandbox has a link already. Frames that are there before the start are
 * not lost.
 */
WEIR_PUBLIC int weir_sandbox_set_fd(struct weir_sandbox *sandbox, int fd, enum weir_fd_kind kind,
				    enum weir_fd_offload offload, struct weir_error *err);

struct weir_socket_options {
	size_t size; /* sizeof(struct weir_socket_options) */
	enum weir_fd_offload offload;
	unsigned mode; /* of the socket's file; 0: 0600, the only one for vhost-user */
	bool connect;  /* the other side listens (stream, vhost-user only); it has to be there now,
			  and weir connects again, from 0.1 s to 5 s apart, where it was lost */
};

/*
 * The guest's frames come by a socket that weir makes at `path`, where it waits for the guest; for
 * any kind but a tap. One guest is there at a time, a second one is turned away. When it leaves,
 * the sandbox stays as it is and waits for the next (the counter `guests` counts them; on_end is
 * not called): that one finds the same addresses and the same policy, and connections of the one
 * before are reset. A file that nobody serves is replaced, any other is an error; what was made
 * goes with the sandbox. options may be NULL. EBUSY as above, ECANCELED where the socket cannot be
 * had.
 */
WEIR_PUBLIC int weir_sandbox_set_socket(struct weir_sandbox *sandbox, const char *path,
					enum weir_fd_kind kind,
					const struct weir_socket_options *options,
					struct weir_error *err);

/* What the guest's driver takes; what it gives may use all of it in any case. */
enum weir_ring_caps {
	WEIR_RING_CSUM = 1 << 0, /* frames whose checksum is to be finished */
	WEIR_RING_TSO4 = 1 << 1, /* TCP segments of up to 64 KiB, to be cut */
	WEIR_RING_TSO6 = 1 << 2,
	WEIR_RING_USO = 1 << 3, /* trains of UDP datagrams of one size */
};

struct weir_ring_options {
	size_t size;    /* sizeof(struct weir_ring_options) */
	uint32_t bytes; /* each way, a power of two from 256 KiB to 64 MiB; 0: 1 MiB */
	unsigned caps;  /* enum weir_ring_caps */
};

enum weir_frame_flags {
	WEIR_FRAME_NEEDS_CSUM = 1 << 0, /* the checksum at csum_start + csum_offset has only the
					   pseudo-header's sum */
	WEIR_FRAME_CSUM_VALID = 1 << 1, /* the checksum need not be looked at */
	WEIR_FRAME_ECN = 1 << 2,        /* a TCP super-segment with CWR */
};

enum weir_frame_gso {
	WEIR_GSO_NONE = 0,
	WEIR_GSO_TCPV4 = 1,
	WEIR_GSO_TCPV6 = 4,
	WEIR_GSO_UDP_L4 = 5,
};

/* An Ethernet frame without FCS, of 14 to 65,549 bytes. The fields below `len` are those of the
 * virtio-net header (virtio 1.2, 5.1.6) in the host's byte order; zero for a plain frame. */
struct weir_frame {
	const uint8_t *data;
	uint32_t len;
	uint8_t flags;     /* enum weir_frame_flags */
	uint8_t gso;       /* enum weir_frame_gso */
	uint16_t gso_size; /* bytes of payload in each piece */
	uint16_t hdr_len;  /* bytes of the headers before the payload */
	uint16_t csum_start, csum_offset;
};

/* The guest's end of two rings of frames in memory. One thread at a time; no lock, and a system
 * call only where the other end sleeps. */
struct weir_ring;

/* NULL and EBUSY where the sandbox has a link already. options may be NULL. The ring is freed on
 * its own, before the sandbox or after it. */
WEIR_PUBLIC struct weir_ring *weir_sandbox_take_ring(struct weir_sandbox *sandbox,
						     const struct weir_ring_options *options,
						     struct weir_error *err);
/*
 * Frames from the guest, which are copied. Returns how many were taken, from the front (one of an
 * impossible length is taken and lost); -EAGAIN where there is no room for one (wait for the fd, or
 * drop them); -EPIPE where the sandbox has ended. Who was refused and gives up says so with n = 0.
 */
WEIR_PUBLIC int weir_ring_push(struct weir_ring *ring, const struct weir_frame *frames, unsigned n);
/* Frames for the guest, at most `max`; they stay where they are until the next pop. 0: there are
 * none now; -EPIPE: and the sandbox has ended. */
WEIR_PUBLIC int weir_ring_pop(struct weir_ring *ring, struct weir_frame *ret, unsigned max);
/* An eventfd to wait on: readable while there is something to pop, or room for a push that was
 * refused, or the sandbox has ended. A pop that finds nothing clears it; nobody else reads it. */
WEIR_PUBLIC int weir_ring_fd(const struct weir_ring *ring);
/* Ends the link, as unplugging a cable. */
WEIR_PUBLIC void weir_ring_free(struct weir_ring *ring);

/* ---- while it runs -----------------------------------------------------------------------------
 */

enum weir_change_flags {
	WEIR_DRY_RUN = 1 << 0, /* only say whether it could be done */
};

/*
 * A new policy in place of the running one, in one step: flows that it forbids are reset, and a
 * policy that is wrong changes nothing. text: a document whose only key is `policy` (an empty
 * one is the default policy), as in a configuration; everything else stays as it is. ENOTCONN
 * where the sandbox does not run; a dry run does not need it to.
 */
WEIR_PUBLIC int weir_sandbox_set_policy(struct weir_sandbox *sandbox, enum weir_format format,
					const char *text, size_t n, unsigned flags,
					struct weir_error *err);
/* The same for a whole configuration: policy, DNS, secrets and what is looked into are taken over.
 * One that differs in what cannot change while a sandbox runs (interface, ports, limits, whether
 * there are secrets or interception at all) is an error that names the key. */
WEIR_PUBLIC int weir_sandbox_set_config(struct weir_sandbox *sandbox,
					const struct weir_config *config, unsigned flags,
					struct weir_error *err);

/*
 * Publishes a port of the guest's on the host, from now on: "[BIND:]HOST:GUEST[/tcp|/udp]", with
 * an IPv6 BIND in brackets, and ranges ("8000-8010:9000-9010"); without BIND it is 127.0.0.1, and
 * ::1 where the guest has both families. HOST 0 takes a free one. *ret_port (may be NULL) is the
 * host's port, or the first of a range. All of a range, or none. ECANCELED where it cannot be
 * bound.
 */
WEIR_PUBLIC int weir_sandbox_publish(struct weir_sandbox *sandbox, const char *text,
				     uint16_t *ret_port, struct weir_error *err);
/* Takes it back: the same text, with the host's real port where it was 0. Connections that were
 * accepted live on. ENOENT where nothing like it is published. */
WEIR_PUBLIC int weir_sandbox_unpublish(struct weir_sandbox *sandbox, const char *text,
				       struct weir_error *err);

struct weir_port {
	char address[WEIR_ADDRESS_MAX]; /* where the host listens */
	uint16_t host_port, guest_port;
	bool udp;
};
/* What is published, each socket on its own; fills in up to max of ret and returns how many there
 * are, 0 where the sandbox does not run. */
WEIR_PUBLIC size_t weir_sandbox_ports(struct weir_sandbox *sandbox, struct weir_port *ret,
				      size_t max);

/* ---- counters ----------------------------------------------------------------------------------
 */

/* Bytes of Ethernet frames since the start, each way; both may be NULL. After a stop: what they
 * were then. */
WEIR_PUBLIC void weir_sandbox_bytes(struct weir_sandbox *sandbox, uint64_t *ret_from_guest,
				    uint64_t *ret_to_guest);
/* All counters, all of one moment. The function is called in this thread, and may call anything.
 * The name's text is gone when it returns; what a name stands for never changes. weir(3) lists
 * them. */
WEIR_PUBLIC void weir_sandbox_counters(struct weir_sandbox *sandbox,
				       void (*fn)(void *ctx, const char *name, uint64_t value),
				       void *ctx);
/* One of them. ENOENT where there is none of that name. */
WEIR_PUBLIC int weir_sandbox_counter(struct weir_sandbox *sandbox, const char *name, uint64_t *ret,
				     struct weir_error *err);

/* ---- certificates and secrets -------------------------------------------------------------------
 */

/*
 * Where a configuration intercepts TLS, has HTTP rules or secrets, a process of its own holds the
 * authority's key and the values: `weir keyholder`, of the same version, as it was installed (or
 * the program that the variable WEIR_HOLDER names). It is started by the first sandbox that needs
 * it. A value that comes from this process's environment stays there: take it out yourself.
 */

/*
 * The certificate of the authority that TLS interception signs with, which the guest has to trust,
 * with the host's trusted ones behind it where the configuration has `trust_host_cas`; and the
 * host's alone. As PEM, to be freed with free(3). ENOENT where nothing of the sandbox is
 * intercepted, or where the host has no such file.
 */
WEIR_PUBLIC int weir_sandbox_ca_pem(struct weir_sandbox *sandbox, char **ret,
				    struct weir_error *err);
WEIR_PUBLIC int weir_host_cas_pem(char **ret, struct weir_error *err);

/*
 * The placeholders that the guest has in place of its secrets: "NAME=placeholder" for each, for its
 * environment. They are there from weir_sandbox_start() on. The list ends with NULL and goes to
 * weir_environment_free(); NULL where the sandbox does not run.
 */
WEIR_PUBLIC char **weir_sandbox_secrets(struct weir_sandbox *sandbox, struct weir_error *err);

#ifdef __cplusplus
}
#endif

#endif
