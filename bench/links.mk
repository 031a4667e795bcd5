# SPDX-License-Identifier: Apache-2.0
# The benchmark of the links over sockets and rings: `make -f links.mk OUT=DIR [ARGS=--quick] run` prints one line of JSON a row.
# It compiles the rooms that it measures itself, with the flags of a release build.
OUT ?= ../build-bench
CC ?= cc
CFLAGS ?= -O2 -fPIE -fstack-protector-strong -fno-strict-aliasing -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
SRC := ../src

rooms := $(addprefix $(SRC)/link/,framing.c link.c message.c offload.c ring.c sock.c sock_file.c stream.c vnet.c vpnkit.c) \
	$(addprefix $(SRC)/base/,behind.c error.c log.c)

$(OUT)/links $(OUT)/ring_frames: $(OUT)/%: %.c counter.h $(rooms) $(wildcard $(SRC)/link/*.h $(SRC)/base/*.h)
	mkdir -p $(OUT)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers $(CFLAGS) \
		-I. -I$(SRC) -pie -pthread -o $@ $(filter %.c,$^)

.PHONY: run
run: $(OUT)/links
	@$(OUT)/links $(ARGS)
