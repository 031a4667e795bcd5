# SPDX-License-Identifier: Apache-2.0
"""Who is measured. Each contestant is started in the lab's host namespace in its usual way, as an ordinary user, and gives a guest
namespace.

The guest is held by `load hold`; the clients enter its network namespace, so that what they cost is not counted as the
gateway's.
"""
import os
import shlex
import shutil
import subprocess
import tempfile
import time

from . import proc
from .lab import IPERF_PORT, SERVER, cubic
from .netns import NetNs

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
READY_SECONDS = 10
LOAD_PORTS = (7001, 7002, 7003)  # of the load generator's server: sink, source and echo


STAGE = "/mnt"  # a tmpfs of the benchmark's own mount namespace


def stage(path):
    """A copy of a program where an ordinary user may run it: the source tree may be in somebody's home."""
    if path.startswith(STAGE + "/"):
        return path
    directory = tempfile.mkdtemp(dir=STAGE)
    os.chmod(directory, 0o755)
    copy = os.path.join(directory, os.path.basename(path))
    shutil.copy(path, copy)
    os.chmod(copy, 0o755)
    return copy


class Unavailable(Exception):
    """This contestant cannot take part; the text says why and what to do."""


class Guest:
    """A running gateway and the namespace behind it."""

    def __init__(self, contestant, lab, idle=False):
        self.contestant, self.lab = contestant, lab
        self.token = f"guest-{contestant.name}-{time.monotonic_ns()}"
        self.mark = f"WEIR_BENCH_GUEST={self.token}"
        self.env = dict(os.environ, WEIR_BENCH_GUEST=self.token)
        self.procs, self.ns, self.holder = [], None, None
        self.missing = {}  # IP version -> why it does not work
        self.stderr = os.memfd_create("stderr")
        try:
            contestant.start(self, idle)
            if self.ns is None:
                self.ns = NetNs(contestant.name, self.find_holder())
            cubic(self.ns)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def hold_command(self):
        return [self.lab.load, "hold", self.token]

    def spawn(self, argv, as_user=True, **kw):
        kw.setdefault("stdout", subprocess.DEVNULL)
        p = self.lab.host.popen(argv, as_user, env=self.env, stderr=self.stderr, **kw)
        self.procs.append(p)
        return p

    def said(self):
        """The last lines that the gateway wrote to its standard error."""
        text = os.pread(self.stderr, 65536, 0).decode(errors="replace").strip()
        ends = [f"ended with {p.returncode}" for p in self.procs if p.poll()]
        return " | ".join(ends + text.splitlines()[-3:])

    def find_holder(self):
        """The holder's process, once it runs in a network namespace that is not the host's."""
        want = [s.encode() for s in self.hold_command()]
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.procs and self.procs[0].poll() is not None:
                raise Unavailable(self.said())
            for pid in proc.pids():
                try:
                    if proc.cmdline(pid) == want and \
                            os.stat(f"/proc/{pid}/ns/net").st_ino != self.lab.host.inode:
                        self.holder = pid
                        return pid
                except OSError:
                    continue
            time.sleep(0.005)
        raise Unavailable(f"its command did not start in {READY_SECONDS} s: {self.said()}")

    def wait_ready(self):
        """Waits until both families answer; a family that does not is left out with its reason."""
        for family, address in SERVER.items():
            deadline = time.monotonic() + (READY_SECONDS if family == 4 else 6)
            while True:
                done = self.run(["probe", address], 8)
                if done.returncode == 0:
                    break
                if time.monotonic() > deadline:
                    if family == 4:
                        raise Unavailable(f"no connection to the server: {self.said()}")
                    self.missing[family] = "no IPv6 connection to the server"
                    break
                time.sleep(0.05)

    def run(self, args, timeout):
        """A client of the load generator in the guest."""
        return self.ns.run([self.lab.load, *map(str, args)], capture_output=True, text=True,
                           timeout=timeout)

    def gateway_pids(self):
        """The gateway's own processes: neither the holder nor helpers that wait for it."""
        if not self.contestant.has_gateway:
            return []
        mine = set(proc.with_env(self.mark))
        for p in self.procs:
            mine.update(proc.tree(p.pid, skip={self.holder}))
        not_gateway = {b"load", b"unshare"}
        return sorted(p for p in mine if p != self.holder and proc.cmdline(p) and
                      os.path.basename(proc.cmdline(p)[0]) not in not_gateway)

    def alive(self):
        return all(p.poll() is None for p in self.procs)

    def stop(self):
        for p in reversed(self.procs):
            p.terminate()
        for p in reversed(self.procs):
            try:
                p.wait(2)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for pid in proc.with_env(self.mark):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        if self.ns:
            self.ns.close()
        os.close(self.stderr)


class Contestant:
    has_gateway = True  # processes of its own, whose CPU time and memory count
    rows = ""  # a regular expression: the measurements that it takes part in
    kind = ""

    def __init__(self, name, mtu):
        self.name, self.mtu = name, mtu

    def check(self):
        """Raises Unavailable."""

    def start_command(self):
        """What `load spawn` times for the start row; None if there is no such thing."""
        return None

    def version(self):
        return ""


def _need(path, package):
    found = shutil.which(path)
    if not found:
        raise Unavailable(f"{path} is not installed (Debian package {package}; tools/setup bench)")
    return found


class Weir(Contestant):
    kind = "weir"

    def __init__(self, name, path, args=()):
        super().__init__(name, 1500)
        self.path, self.args = path, list(args)

    def check(self):
        if not os.access(self.path, os.X_OK):
            raise Unavailable(f"{self.path} is not there: build it with make")
        self.path = stage(self.path)

    def _command(self):
        # The server's addresses are of the ranges for documentation; everything is allowed, so that no rule is in the way.
        return [self.path, "run", "--net", "all", *self.args]

    def start(self, guest, idle):
        # The default bounds the table far below the row with ten thousand connections; only that row lifts it.
        more = ["--max-connections", "20000"] if idle else []
        guest.spawn([*self._command(), *more, "--", *guest.hold_command()])

    def start_command(self):
        return [*self._command(), "--", "true"]

    def version(self):
        return _first_line([self.path, "version"])


class Pasta(Contestant):
    kind = "pasta"

    def __init__(self, name, path, mtu, args=()):
        super().__init__(name, mtu)
        self.path, self.args = path, list(args)

    def check(self):
        self.path = _need(self.path, "passt")
        if not os.path.exists("/dev/net/tun"):
            raise Unavailable("/dev/net/tun is missing (modprobe tun)")

    def _command(self):
        # No port forwarding, as container engines run it: else it looks for new listeners every second.
        ports = [w for o in ("-t", "-u", "-T", "-U") for w in (o, "none")]
        return [self.path, "--quiet", "--config-net", "--mtu", str(self.mtu), *ports, *self.args]

    def start(self, guest, idle):
        guest.spawn([*self._command(), "--", *guest.hold_command()])

    def start_command(self):
        return [*self._command(), "--", "true"]

    def version(self):
        return _package_version(self.path) or _first_line([self.path, "--version"])


class Slirp(Contestant):
    kind = "slirp4netns"

    def __init__(self, name, path, mtu, args=()):
        super().__init__(name, mtu)
        self.path, self.args = path, list(args)

    def check(self):
        self.path = _need(self.path, "slirp4netns")
        if not os.path.exists("/dev/net/tun"):
            raise Unavailable("/dev/net/tun is missing (modprobe tun)")
        self.script = stage(os.path.join(HERE, "slirp-start"))

    def start(self, guest, idle):
        guest.spawn(["unshare", "--user", "--map-root-user", "--net", *guest.hold_command()])
        holder = guest.find_holder()
        ready, tell = os.pipe()
        guest.spawn([self.path, "--configure", f"--mtu={self.mtu}", "--enable-ipv6",
                     "--disable-host-loopback", f"--ready-fd={tell}", *self.args,
                     str(holder), "tap0"], pass_fds=(tell,))
        os.close(tell)
        told = os.read(ready, 1)
        os.close(ready)
        if not told:
            raise Unavailable(f"did not become ready: {guest.said()}")
        guest.ns = NetNs(self.name, holder)

    def start_command(self):
        return ["sh", self.script, self.path, str(self.mtu), "true"]

    def version(self):
        return _package_version(self.path) or _first_line([self.path, "--version"])


def _pair(guest, name, net):
    """A veth pair between the host and a new guest namespace, whose default route it is: 10.net.0.0/24 and fdnet::/64."""
    host, ns = guest.lab.host, NetNs(name)
    ns.ip("link set lo up")
    host.run(["ip", "link", "del", f"{name}0"], capture_output=True)  # of a guest that ended just now
    host.ip(f"link add {name}0 type veth peer name eth0 netns {ns.handle()}",
            f"addr add 10.{net}.0.1/24 dev {name}0",
            f"addr add fd{net}::1/64 dev {name}0 nodad",
            f"link set {name}0 up")
    ns.ip(f"addr add 10.{net}.0.2/24 dev eth0",
          f"addr add fd{net}::2/64 dev eth0 nodad",
          "link set eth0 up",
          f"route add default via 10.{net}.0.1",
          f"-6 route add default via fd{net}::1")
    return ns


class Veth(Contestant):
    """The kernel alone: a veth pair into the host's namespace, which routes."""

    kind = "veth"
    has_gateway = False

    def start(self, guest, idle):
        host = guest.lab.host
        guest.ns = _pair(guest, self.name, 66)
        host.sysctl("net.ipv4.ip_forward", "1")
        host.sysctl("net.ipv6.conf.all.forwarding", "1")
        guest.lab.internet.ip("route replace 10.66.0.0/24 via 198.51.100.1",
                              "-6 route replace fd66::/64 via 2001:db8:51::1")

    def start_command(self):
        return ["unshare", "--user", "--map-root-user", "--net", "true"]

    def version(self):
        return os.uname().release


class Splice(Contestant):
    """Two kernel TCP connections back to back, joined by splice(2): what a gateway that ends connections could move if
    it did nothing itself. It has no policy and no isolation, and needs root; it is here to be compared with."""

    kind = "splice"
    rows = "^(tcp|pump)"

    def __init__(self, name, mtu):
        super().__init__(name, mtu)
        self.path = None

    def check(self):
        if not self.path:
            self.path = stage(os.environ["WEIR_BENCH_RELAY"])

    def start(self, guest, idle):
        host, there = guest.lab.host, f"{self.name}0"
        guest.ns = _pair(guest, self.name, 67)
        # What comes from the guest is the relay's, whomever it is for.
        for family, everything in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
            host.run(["ip", family, "rule", "del", "iif", there], capture_output=True)
            host.ip(f"{family} rule add iif {there} lookup 67",
                    f"{family} route replace local {everything} dev lo table 67")
        relay = guest.spawn([self.path, str(IPERF_PORT), *map(str, LOAD_PORTS)], as_user=False,
                            stdout=subprocess.PIPE, text=True)
        if relay.stdout.readline() != "ready\n":
            raise Unavailable(f"the relay did not start: {guest.said()}")

    def version(self):
        return os.uname().release


def _first_line(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False)
        return (done.stdout.strip() or done.stderr.strip()).splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return ""


def _package_version(path):
    try:
        owner = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=False)
        package = owner.stdout.split(":")[0]
        if not package:
            return ""
        return package + " " + _first_line(["dpkg-query", "-W", "-f", "${Version}\n", package])
    except OSError:
        return ""


def from_peers(text):
    """PEERS=name=path[ options][,name=path...]: pasta and slirp4netns by the path's last part, anything else is a weir."""
    found = []
    for item in filter(None, (i.strip() for i in text.split(","))):
        name, eq, command = item.partition("=")
        words = shlex.split(command)
        if not eq or not name or not words:
            raise ValueError(f"PEERS: {item!r}: expected name=path[ options]")
        path, args = os.path.abspath(words[0]), words[1:]
        if not os.access(path, os.X_OK):
            raise ValueError(f"PEERS: {item!r}: {path} is not a program")
        base = os.path.basename(path)
        if "pasta" in base or "passt" in base:
            found += [Pasta(f"{name}-{mtu}", path, mtu, args) for mtu in (1500, 65520)]
        elif "slirp" in base:
            found += [Slirp(f"{name}-{mtu}", path, mtu, args) for mtu in (1500, 65520)]
        else:
            found.append(Weir(name, path, args))
    return found


def standard(weir_path):
    return [Weir("weir", weir_path),
            Pasta("pasta-1500", "pasta", 1500), Pasta("pasta-65520", "pasta", 65520),
            Slirp("slirp-1500", "slirp4netns", 1500), Slirp("slirp-65520", "slirp4netns", 65520),
            Splice("splice", 1500), Veth("veth", 1500)]
