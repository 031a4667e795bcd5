# SPDX-License-Identifier: Apache-2.0
# The benchmark of the policy: `make -f policy.mk OUT=DIR run` prints one line of JSON a row. It compiles the rooms that it
# measures itself, with the flags of a release build.
OUT ?= ../build-bench
CC ?= cc
CFLAGS ?= -O2 -fPIE -fstack-protector-strong -fno-strict-aliasing -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
SRC := ../src

rooms := $(filter-out %_test.c %_fuzz.c %_model.c,$(wildcard $(SRC)/policy/*.c)) \
	$(addprefix $(SRC)/http/,exchange.c fields.c glob.c path.c rules.c rules_read.c text.c) $(OUT)/presets_table.c \
	$(addprefix $(SRC)/base/,addr.c error.c name.c pattern.c siphash.c table.c)

$(OUT)/policy: policy.c $(rooms) $(wildcard $(SRC)/policy/*.h $(SRC)/http/*.h $(SRC)/base/*.h)
	mkdir -p $(OUT)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers $(CFLAGS) \
		-I$(SRC) -pie -o $@ $(filter %.c,$^) -lpsl -lidn2

# The rules by name, as the build makes them.
$(OUT)/presets_table.c: $(SRC)/http/presets/table $(sort $(wildcard $(SRC)/http/presets/*.preset))
	mkdir -p $(OUT)
	$^ >$@.part && mv $@.part $@

.PHONY: run
run: $(OUT)/policy
	@$(OUT)/policy
