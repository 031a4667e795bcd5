# SPDX-License-Identifier: Apache-2.0
#
# The everyday commands, thin over meson and ninja; meson.build is the build itself.
#
#   make                build/weir: release, hardened. Needs what `tools/setup build` installs.
#   make SANITIZE=1     build-asan/weir: address and undefined-behaviour sanitizers, and the tests
#   make check          everything that must hold before a change lands, in a few minutes
#   make check-all      the same without a bound on time
#   make demo           the main job, offline, on an internet made of namespaces
#   make bench          speed beside other gateways; `make bench-quick` for a first look, `make bench-plot` draws
#   make fuzz           every fuzzer for FUZZ_SECONDS each
#   make format         clang-format over the tree
#   make install        PREFIX (/usr/local) and DESTDIR are honoured

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

ifdef SANITIZE
BUILD := build-asan
MESON_ARGS := --buildtype=debugoptimized -Db_sanitize=address,undefined -Dtests=true
else
BUILD := build
MESON_ARGS :=
endif

.PHONY: all check check-all demo bench bench-names bench-quick bench-plot build-fuzz fuzz format install clean have-tools

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

bench: all
	bench/run
	$(MAKE) -s bench-names

# Decisions, loading, DNS beside dnsmasq, and what a rule for names costs a stream behind its first bytes.
bench-names: all
	$(MAKE) -s -C bench -f policy.mk OUT=../build-bench run | bench/show
	bench/dns --weir build/weir | bench/show
	PEERS="names=build/weir --deny blocked.example" bench/run --only weir,names --rounds 3 --rows 'tcp_(out|in)_1$$|^crr'

bench-quick: all
	bench/run --quick

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
	rm -rf build build-asan build-fuzz build-check
