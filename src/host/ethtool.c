// SPDX-License-Identifier: Apache-2.0
/* The ethtool ioctls for features: how many there are, their names, and which are to be off. */
#include "host/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Kernels have some 60; a number beyond this is none that we understand. */
#define FEATURES_MAX 256

static int ethtool_ioctl(int fd, const char *ifname, void *cmd)
{
	struct ifreq ifr = {.ifr_data = cmd};

	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* The names of all features, in the order of their bits; the caller frees them. */
static int feature_names(int fd, const char *ifname, struct ethtool_gstrings **ret)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t count;
	} info = {{.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}, 0};
	int r = ethtool_ioctl(fd, ifname, &info);

	if (r < 0)
		return r;
	if (info.count == 0 || info.count > FEATURES_MAX)
		return -EOPNOTSUPP;
	struct ethtool_gstrings *s = calloc(1, sizeof(*s) + info.count * ETH_GSTRING_LEN);
	if (!s)
		return -ENOMEM;
	s->cmd = ETHTOOL_GSTRINGS;
	s->string_set = ETH_SS_FEATURES;
	s->len = info.count;
	r = ethtool_ioctl(fd, ifname, s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static bool listed(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strncmp(name, *names, ETH_GSTRING_LEN) == 0)
			return true;
	return false;
}

int ethtool_features_off(const char *ifname, const char *const *names)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block block[FEATURES_MAX / 32];
	} set = {.head = {.cmd = ETHTOOL_SFEATURES}};
	struct ethtool_gstrings *s = NULL;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = feature_names(fd, ifname, &s);
	if (r == 0) {
		set.head.size = (s->len + 31) / 32;
		for (uint32_t i = 0; i < s->len; i++)
			if (listed((const char *)s->data + i * ETH_GSTRING_LEN, names))
				set.block[i / 32].valid |= 1u << i % 32;
		r = ethtool_ioctl(fd, ifname, &set);
	}
	free(s);
	close(fd);
	return r;
}
