# SPDX-License-Identifier: Apache-2.0
# The benchmark of the vhost-user link: `make -f vhost.mk OUT=DIR [ARGS=--quick] run` prints one line of JSON a row.
# It compiles the rooms that it measures itself, with the flags of a release build. `make -f vhost.mk WEIR=PROGRAM stream` is about the whole
# gateway.
OUT ?= ../build-bench
CC ?= cc
CFLAGS ?= -O2 -fPIE -fstack-protector-strong -fno-strict-aliasing -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
SRC := ../src
GUEST := ../test/vhost

rooms := $(filter-out %_test.c %_fuzz.c,$(wildcard $(SRC)/link/vhost_*.c $(SRC)/link/virtq*.c)) \
	$(addprefix $(SRC)/link/,link.c sock.c sock_file.c vnet.c) $(addprefix $(SRC)/base/,behind.c error.c log.c)

$(OUT)/vhost: vhost.c counter.h $(rooms) $(wildcard $(SRC)/link/*.h $(SRC)/base/*.h)
	mkdir -p $(OUT)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers $(CFLAGS) \
		-I. -I$(SRC) -pie -o $@ $(filter %.c,$^) -pthread

$(OUT)/vhost_stream: vhost_stream.c $(GUEST)/guest.c $(addprefix $(SRC)/link/,vhost_rig.c vhost_rig_ring.c vnet.c) \
		$(wildcard $(GUEST)/*.h $(SRC)/link/*.h $(SRC)/base/*.h)
	mkdir -p $(OUT)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers $(CFLAGS) \
		-I$(GUEST) -I$(SRC) -pie -o $@ $(filter %.c,$^) -pthread

.PHONY: run stream
run: $(OUT)/vhost
	@$(OUT)/vhost $(ARGS)
# Streams through a whole gateway: the program is that of a build of the project.
WEIR ?= ../build/weir
stream: $(OUT)/vhost_stream
	@$(OUT)/vhost_stream $(WEIR) $(ARGS)
