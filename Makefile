# SPDX-License-Identifier: Apache-2.0
#
# The everyday commands, thin over meson and ninja; meson.build is the build itself.
#
#   make                build/weir: release, hardened. Needs what `tools/setup build` installs.
#   make SANITIZE=1     build-asan/weir: address and undefined-behaviour sanitizers, and the tests
#   make check          everything that must hold before a change lands, in a few minutes
#   make check-all      the same without a bound on time
#   make demo           the main job, offline, on an internet made of namespaces
#   make bench          speed beside other gateways; `make bench-quick` for a first look, `make bench-plot` draws;
#                       its later parts alone: bench-names, bench-tls, bench-wan, bench-vms (QUICK=1, PASST=path, WEIR=path)
#   make check-threads  the tests of what has threads, under ThreadSanitizer
#   make fuzz           every fuzzer for FUZZ_SECONDS each
#   make format         clang-format over the tree
#   make install        PREFIX (/usr/local) and DESTDIR are honoured

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
WEIR ?= build/weir

ifdef SANITIZE
BUILD := build-asan
MESON_ARGS := --buildtype=debugoptimized -Db_sanitize=address,undefined -Dtests=true
else
BUILD := build
MESON_ARGS :=
endif

.PHONY: all check check-all check-threads demo bench bench-names bench-tls bench-wan bench-vms bench-quick bench-plot build-fuzz fuzz format install clean have-tools

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja: | have-tools
	meson setup --prefix=$(PREFIX) $(MESON_ARGS) $(BUILD)

# One clear line instead of the first error of a tool that is not there.
have-tools:
	@for t in meson ninja pkg-config cc; do \
		command -v $$t >/dev/null || { \
			echo "weir: $$t is missing; 'tools/setup build' installs what a build needs" >&2; exit 1; }; \
	done
	@pkg-config --exists libmnl || { \
		echo "weir: libmnl's headers are missing; 'tools/setup build' installs what a build needs" >&2; exit 1; }

check:
	tools/check

check-all:
	tools/check all

demo:
	tools/demo

# One after another, and each even where another one could not run.
bench: all
	bench/run --weir $(WEIR)
	$(MAKE) -s -k -j1 bench-names bench-tls bench-wan bench-vms

# Decisions, loading, DNS beside dnsmasq, and what a rule for names costs a stream behind its first bytes.
bench-names: all
	bench/show $(MAKE) -s -C bench -f policy.mk OUT=../build-bench run
	bench/show bench/dns --weir $(WEIR)
	PEERS="names=$(WEIR) --deny blocked.example" bench/run --weir $(WEIR) --only weir,names --rounds 3 --rows 'tcp_(out|in)_1$$|^crr'

# Interception beside mitmproxy, squid, and OpenSSL by itself.
bench-tls: all
	bench/show bench/tls --weir $(WEIR) $(if $(QUICK),--rounds 1 --seconds 1)

# Far, lossy and narrow links beside the kernel's own TCP. Under 3 minutes.
bench-wan: all
	bench/show bench/wan --weir $(WEIR) --rounds 1 $(if $(QUICK),--seconds 1)

# What weir is to virtual machines: its links' ceilings, many sandboxes (in one process, and each in its own), many flows,
# and one machine's network over each link beside QEMU's own and passt. Under 7 minutes; QUICK=1: under 2.
bench-vms: all
	bench/show $(MAKE) -s -C bench -f links.mk OUT=../build-bench ARGS=$(if $(QUICK),--quick) run
	bench/show $(MAKE) -s -C bench -f vhost.mk OUT=../build-bench ARGS=$(if $(QUICK),--quick) run
	bench/show bench/serve_scale --weir $(WEIR) $(if $(QUICK),--quick)
	bench/show bench/scale --weir $(WEIR) $(if $(QUICK),--quick)
	bench/show bench/vm --weir $(WEIR) $(if $(QUICK),--quick) $(if $(PASST),--passt $(PASST))

bench-quick: all
	bench/run --quick --weir $(WEIR)

# Workers, the calls of programs that embed weir, and rings between two threads.
THREADED := gateway share loop link_ring lib-lib lib-link lib-live
check-threads: | have-tools
	[ -e build-tsan/build.ninja ] || meson setup --buildtype=debugoptimized -Dtests=true -Db_sanitize=thread build-tsan
	meson test -C build-tsan --print-errorlogs $(THREADED)

# With clang: its fuzzer, and the sanitizers.
build-fuzz: | have-tools
	[ -e build-fuzz/build.ninja ] || CC=clang meson setup --buildtype=debugoptimized -Dfuzz=true \
		-Db_sanitize=address,undefined -Db_lundef=false build-fuzz
	ninja -C build-fuzz

bench-plot:
	bench/plot

fuzz: build-fuzz
	fuzz/run $(FUZZ_SECONDS)

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

install: all
	meson configure $(BUILD) -Dprefix=$(PREFIX)
	meson install -C $(BUILD)

clean:
	rm -rf build build-asan build-fuzz build-tsan build-bench build-check
