// SPDX-License-Identifier: Apache-2.0
/* See conn_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "intercept/conn_rig.h"

int rig_setup(void **state)
{
	rig_start();
	return 0;
}

int rig_teardown(void **state)
{
	rig_stop();
	return 0;
}

void rig_open_raw(void)
{
	rig_open(443);
	rig_guest_tls("api.test", RIG_RAW);
	rig_server_tls("api.test", "raw");
	assert_true(rig_shaken());
}

static ssize_t wait_for(ssize_t (*hears)(void *p, size_t n), void *p, size_t cap)
{
	ssize_t n = -EAGAIN;

	for (int i = 0; i < 200 && n == -EAGAIN; i++) {
		rig_turn();
		n = hears(p, cap);
	}
	return n;
}

static void assert_hears(ssize_t (*hears)(void *p, size_t n), const char *text)
{
	char buf[256];

	assert_int_equal(wait_for(hears, buf, sizeof(buf)), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

void rig_assert_server_hears(const char *text)
{
	assert_hears(rig_server_hears, text);
}

void rig_assert_guest_hears(const char *text)
{
	assert_hears(rig_guest_hears, text);
}

void rig_assert_server_end(ssize_t how)
{
	char c;

	assert_int_equal(wait_for(rig_server_hears, &c, 1), how);
}

void rig_assert_guest_end(ssize_t how)
{
	char c;

	assert_int_equal(wait_for(rig_guest_hears, &c, 1), how);
}
