# SPDX-License-Identifier: Apache-2.0
"""`weir serve` for the tests: its command line, one place for all of them."""
import json
import os
import time

import vm

# The lab's internet has addresses that no public name has.
LAB = ("--dns-rebind-allow", "198.51.100.0/24", "--dns-rebind-allow", "2001:db8:51::/48")
POOL4 = 0xAC100000  # 172.16.0.0/12, a /30 each


def mac(slot):
    return "02:77:72:%02x:%02x:02" % (slot >> 8, slot & 255)


def ipv4(slot, last=2):
    a = POOL4 + slot * 4 + last
    return "%d.%d.%d.%d" % (a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255)


class Serve:
    """One process; `links`: ("stream", path), ...; each is a sandbox, in the order of their slots."""

    def __init__(self, t, links, *options, name="weir", config=None):
        self.t, self.links = t, links
        words = list(options)
        if config is not None:
            path = "%s/%s.json" % (t.dir, name)
            with open(path, "w") as f:
                json.dump(config, f)
            words += ["-c", path]
        for kind, path in links:
            words += ["--" + kind, path]
        self.argv = [t.weir, "serve"] + words
        self.start()

    def start(self):
        self.p = self.t.go(self.argv)
        for kind, path in self.links:
            if kind != "tap":
                wait_path(self.p, path.split(",")[0])

    def stop(self, *args):
        return self.p.stop(*args)


def wait_path(p, path, seconds=10):
    """Until the socket is there."""

    end = time.monotonic() + seconds
    while not os.path.exists(path):
        if p.p.poll() is not None or time.monotonic() > end:
            raise AssertionError("%s is not there (%s)\n%s%s" % (path, p.p.poll(), p.out, p.err))
        time.sleep(0.02)


def machine(t, kind, path, slot=0, name="a", tag=""):
    """A virtual machine at the other end of a link."""
    if kind == "dgram":
        mine = "%s.%s%s" % (path, name, tag)
        if os.path.exists(mine):
            os.unlink(mine)
        return vm.VM(t, name, vm.netdev("dgram", mine, path), mac(slot))
    if kind == "tap":
        return vm.VM(t, name, vm.netdev("tap", "q" + path), mac(slot))
    if kind == "vhost-user":
        # vectors=0: without KVM, QEMU 7.2 follows a null pointer (vector_irqfd) when a vhost-user device starts with MSI-X.
        return vm.VM(t, name, vm.netdev(kind, path), mac(slot), device=",vectors=0", shared=True)
    return vm.VM(t, name, vm.netdev(kind, path), mac(slot))


def tap_pair(t, name):
    """Two taps and a bridge: weir has one of them and QEMU the other, since a tap has one user at a time."""
    bridge = "b" + name
    t.host(["ip", "link", "add", bridge, "type", "bridge", "mcast_snooping", "0"])
    for tap in (name, "q" + name):
        t.host(["ip", "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr"])
    # The host's own kernel stays out of it: weir takes whom it hears first for the guest.
    for dev in (bridge, name, "q" + name):
        t.host(["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/%s/disable_ipv6" % dev])
    for tap in (name, "q" + name):
        t.host(["ip", "link", "set", tap, "master", bridge, "up"])
    t.host(["ip", "link", "set", bridge, "up"])
