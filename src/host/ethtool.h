// SPDX-License-Identifier: Apache-2.0
/* Offload features of an interface of this namespace, by their ethtool(8) names. May use: base/. */
#ifndef WEIR_HOST_ETHTOOL_H
#define WEIR_HOST_ETHTOOL_H

/* Turns off those features of `names` (NULL-terminated) that the interface has. 0 or -errno. */
int ethtool_features_off(const char *ifname, const char *const *names);

#endif
