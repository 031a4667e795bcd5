#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Makes what a virtual machine of the tests starts from: build-vm/vmlinuz and build-vm/initramfs.

    test/vm/image.py [DIRECTORY]

The kernel is Debian's for clouds, and the shell is its static busybox; both packages are downloaded and
unpacked below the directory, neither is installed. The initramfs is not compressed: to unpack it would cost
more than to load it. Nothing is made again while its sources are older than it.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "test", "e2e"))
sys.dont_write_bytecode = True
from services import PATTERN  # noqa: E402

# In the order in which they can be loaded.
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net", "virtio_console"]

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for m in %s; do insmod /lib/modules/$m.ko; done
ip link set lo up
ip link set eth0 up
while [ ! -e /dev/vport0p1 ]; do usleep 10000; done
/bin/agent /dev/vport0p1
poweroff -f
""" % " ".join(MODULES)

# What both DHCP clients call: it sets what was given, and says so.
LEASE4 = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr flush dev $interface
ip addr add $ip/$mask dev $interface
[ -z "$mtu" ] || ip link set $interface mtu $mtu
for r in $router; do ip route replace default via $r dev $interface; done
: > /etc/resolv.conf
for d in $dns; do echo "nameserver $d" >> /etc/resolv.conf; done
echo "lease address=$ip mask=$mask router=$router dns=$dns mtu=$mtu"
"""
LEASE6 = """#!/bin/sh
case "$reason" in
BOUND6) ip -6 addr replace $new_ip6_address/128 dev $interface; echo "lease address=$new_ip6_address dns=$new_dhcp6_name_servers" ;;
esac
exit 0
"""


def say(text):
    print("test/vm/image.py: " + text, file=sys.stderr)


def unpacked(cache, package):
    """The directory with the files of a Debian package; downloads it when it is first wanted."""
    out = os.path.join(cache, package)
    if not os.path.exists(out):
        say("downloading " + package)
        work = out + ".part%d" % os.getpid()
        os.makedirs(work)
        subprocess.run(["apt-get", "-qq", "download", package], cwd=work, check=True, stderr=subprocess.DEVNULL)
        deb, = glob.glob(work + "/*.deb")
        subprocess.run(["dpkg", "-x", deb, work], check=True)
        os.unlink(deb)
        try:
            os.rename(work, out)
        except OSError:  # somebody else was first
            shutil.rmtree(work)
    return out


def kernel_package():
    """The kernel that the metapackage means today."""
    text = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    m = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", text)
    if not m:
        raise SystemExit("test/vm/image.py: apt knows no linux-image-cloud-amd64 (apt-get update?)")
    return m.group(1)


class Archive:
    """A cpio archive in the kernel's format (newc)."""

    def __init__(self, path):
        self.f = open(path, "wb")
        self.ino = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.ino += 1
        head = b"070701" + b"".join(b"%08x" % v for v in (
            self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(name) + 1, 0))
        for part in (head + name.encode() + b"\0", data):
            self.f.write(part + b"\0" * (-len(part) % 4))

    def directory(self, name):
        self.add(name, 0o40755)

    def file(self, name, data, mode=0o755):
        self.add(name, 0o100000 | mode, data.encode() if isinstance(data, str) else data)

    def copy(self, name, path):
        with open(path, "rb") as f:
            self.file(name, f.read())

    def close(self):
        self.add("TRAILER!!!", 0)
        self.f.close()


def libraries(program):
    text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", text)))


def compiled(cache, name):
    """One of our static programs. It asks the resolver, which warns about static linking at every call."""
    src, out = os.path.join(HERE, name + ".c"), os.path.join(cache, name)
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(src):
        part = out + ".part%d" % os.getpid()
        r = subprocess.run(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", part, src],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode:
            raise SystemExit(r.stdout)
        os.rename(part, out)
    return out


def initramfs(path, modules, busybox, programs):
    part = path + ".part%d" % os.getpid()
    a = Archive(part)
    for d in ("bin", "dev", "etc", "lib", "lib64", "lib/modules", "lib/x86_64-linux-gnu", "proc", "sys", "tmp", "var", "var/lib",
              "var/lib/dhcp", "var/run"):
        a.directory(d)
    a.add("dev/console", 0o20600, device=(5, 1))
    a.copy("bin/busybox", busybox)
    for applet in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        if applet != "busybox":
            a.add("bin/" + applet, 0o120777, b"busybox")
    a.add("sbin", 0o120777, b"bin")
    for m in MODULES:
        found, = glob.glob("%s/**/%s.ko" % (modules, m), recursive=True)
        a.copy("lib/modules/%s.ko" % m, found)
    for p in programs:
        a.copy("bin/" + os.path.basename(p), p)
    dhclient = shutil.which("dhclient", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if not dhclient:
        raise SystemExit("test/vm/image.py: dhclient is missing (isc-dhcp-client)")
    a.copy("bin/dhclient", dhclient)
    for lib in libraries(dhclient):
        a.copy(lib.lstrip("/"), lib)
    a.file("bin/lease4", LEASE4)
    a.file("bin/lease6", LEASE6)
    a.file("pattern", PATTERN, 0o644)
    a.file("etc/passwd", "root:x:0:0::/:/bin/sh\n", 0o644)
    a.file("etc/hosts", "127.0.0.1 localhost\n", 0o644)
    a.file("etc/resolv.conf", "", 0o644)
    a.file("init", INIT)
    a.close()
    os.rename(part, path)


def make(cache=os.path.join(TOP, "build-vm")):
    """(kernel, initramfs, the programs' directory)"""
    os.makedirs(cache, exist_ok=True)
    kernel = sorted(glob.glob(cache + "/linux-image-*-cloud-amd64"))
    kernel = kernel[-1] if kernel else unpacked(cache, kernel_package())
    busybox = unpacked(cache, "busybox-static") + "/bin/busybox"
    programs = [compiled(cache, "agent"), compiled(cache, "traffic")]
    vmlinuz, = glob.glob(kernel + "/boot/vmlinuz-*")
    image = cache + "/initramfs"
    newest = max(os.path.getmtime(p) for p in programs + [os.path.abspath(__file__), vmlinuz, busybox])
    if not os.path.exists(image) or os.path.getmtime(image) < newest:
        initramfs(image, kernel + "/lib/modules", busybox, programs)
    return vmlinuz, image, cache


if __name__ == "__main__":
    print("\n".join(make(*sys.argv[1:2])))
