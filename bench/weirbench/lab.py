# SPDX-License-Identifier: Apache-2.0
"""The network in which everything is measured.

    guest --(gateway under test)-- host --(veth, MTU 1500)-- internet

The gateways run in `host`, which has a loopback and one interface; the servers run in `internet`. The router's addresses
are not the server's: some gateways give the router's address a meaning of its own (the host's loopback).
"""
import os
import stat
import subprocess

from .netns import NetNs

SERVER4 = "198.51.100.2"
SERVER6 = "2001:db8:51::2"
SERVER = {4: SERVER4, 6: SERVER6}
IPERF_PORT = 5201


def cubic(ns):
    ns.sysctl("net.ipv4.tcp_congestion_control", "cubic")


def private_mounts(stage):
    """Mounts that only the benchmark's own mount namespace sees: a place for programs, and /dev/net/tun for everybody,
    as every distribution has it (a bare machine without udev may not)."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "bench", stage], check=True)
    tun = "/dev/net/tun"
    if os.path.exists(tun) and os.stat(tun).st_mode & 0o006 != 0o006:
        own = os.path.join(stage, "tun")
        os.mknod(own, stat.S_IFCHR | 0o666, os.stat(tun).st_rdev)
        os.chmod(own, 0o666)
        subprocess.run(["mount", "--bind", own, tun], check=True)


class Lab:
    def __init__(self, load):
        self.load = load
        self.host = NetNs("host")
        self.internet = NetNs("internet")
        for ns in (self.host, self.internet):
            cubic(ns)
            ns.ip("link set lo up")
        self.host.ip(f"link add up0 type veth peer name srv0 netns {self.internet.handle()}",
                     "addr add 198.51.100.1/24 dev up0",
                     "addr add 2001:db8:51::1/64 dev up0 nodad",
                     "link set up0 up")
        self.internet.ip(f"addr add {SERVER4}/24 dev srv0",
                         "addr add 198.51.100.254/24 dev srv0",
                         f"addr add {SERVER6}/64 dev srv0 nodad",
                         "addr add fe80::51:fe/64 dev srv0 nodad",
                         "link set srv0 up")
        self.host.ip("route add default via 198.51.100.254",
                     "-6 route add default via fe80::51:fe dev up0")
        self.server = self.internet.popen([load, "serve"], stdout=subprocess.PIPE, text=True)
        if self.server.stdout.readline() != "ready\n":
            raise RuntimeError("the load generator's server did not start")
        self.iperf = None
        self.iperf_restart()

    def iperf_restart(self):
        """A server of iperf3 that has lost its client may wait for ever."""
        if self.iperf:
            self.iperf.kill()
            self.iperf.wait()
        self.iperf = None
        try:
            self.iperf = self.internet.popen(["iperf3", "-s"], stdout=subprocess.DEVNULL,
                                             stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            return
        self._wait_listening()

    def _wait_listening(self):
        want = f":{IPERF_PORT:04X} "
        for _ in range(200):
            tcp = self.internet.run(["cat", "/proc/net/tcp6", "/proc/net/tcp"],
                                    capture_output=True, text=True).stdout
            if any(want in line and " 0A " in line for line in tcp.splitlines()):
                return
            os.sched_yield()
        raise RuntimeError("iperf3's server does not listen")
