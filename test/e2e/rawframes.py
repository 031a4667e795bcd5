# SPDX-License-Identifier: Apache-2.0
"""
What the tests of single frames share (test_frames.py, test_floods.py): a program for the sandbox that sends frames as
it likes beside an honest download, an honest conversation and an honest ping, which must go on; and the judgement
afterwards: weir is alive and has not grown, curl works, and its answers have right lengths and checksums.
"""
import json
import os
import re
import subprocess
import textwrap
import time

RAW = r'''
import logging
logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.l2 import Ether, ARP, Dot1Q
from scapy.layers.inet import IP, TCP, UDP, ICMP, fragment, IPOption
from scapy.layers.inet6 import (IPv6, ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6ND_NA, ICMPv6ND_RS, ICMPv6ND_RA,
    ICMPv6NDOptSrcLLAddr, ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo, ICMPv6NDOptMTU, IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrFragment, PadN, HBHOptUnknown)
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientId, DHCP6OptIA_NA, DHCP6OptElapsedTime, DUID_LL
from scapy.layers.dns import DNS, DNSQR
from scapy.packet import Raw
import itertools

def sh(*cmd):
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

GW4, GW6, ME4, ME6 = default_gateway(4), gateway_address(6), my_address(4), my_address(6)
GHOST6 = str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(ME6)) ^ 0xdead0000))  # in our /64, unknown to our kernel
MYMAC = json.loads(subprocess.check_output(["ip", "-j", "link", "show", "dev", "eth0"]))[0]["address"]
sh("ping", "-c1", "-W2", GW4)
GWMAC = [n["lladdr"] for n in json.loads(subprocess.check_output(["ip", "-j", "neigh", "show", GW4]))][0]
LL6 = [a["local"] for l in json.loads(subprocess.check_output(["ip", "-6", "-j", "addr", "show", "dev", "eth0"]))
       for a in l["addr_info"] if a["scope"] == "link"][0]
OTHERMAC = "02:de:ad:be:ef:01"

def l2(**kw):
    return Ether(**dict(dict(src=MYMAC, dst=GWMAC), **kw))

def v4(dst=None, **kw):
    return l2() / IP(**dict(dict(src=ME4, dst=dst or GW4), **kw))

def v6(dst=None, **kw):
    return l2() / IPv6(**dict(dict(src=ME6, dst=dst or GW6), **kw))

def sound(frame):
    """An answer whose lengths and checksums are what scapy makes of the same fields."""
    p = Ether(frame)
    if IP in p:
        if len(frame) < 14 + p[IP].len or p[IP].ihl < 5:
            return False
        h = bytes(p[IP])[:p[IP].ihl * 4]
        if fold(words(h)) != 0xffff:
            return False
        body = bytes(p[IP])[p[IP].ihl * 4:p[IP].len]
        if p[IP].frag or p[IP].flags & 1:
            return True
        proto, pseudo = p[IP].proto, socket.inet_aton(p[IP].src) + socket.inet_aton(p[IP].dst)
    elif IPv6 in p:
        if len(frame) < 54 + p[IPv6].plen:
            return False
        body = bytes(p[IPv6])[40:40 + p[IPv6].plen]
        proto = p[IPv6].nh
        pseudo = socket.inet_pton(10, p[IPv6].src) + socket.inet_pton(10, p[IPv6].dst)
    else:
        return True
    if proto == 1:
        return fold(words(body)) == 0xffff
    if proto in (6, 17, 58):
        return fold(words(pseudo) + proto + len(body) + words(body)) == 0xffff
    return True

def words(b):
    if len(b) & 1:
        b = bytes(b) + b"\0"
    return sum(struct.unpack("!%dH" % (len(b) // 2), b))

def fold(n):
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return n

def refit(f, udp_len=True):
    """The lengths and checksums of a changed or cut frame made right again, where there is room for them."""
    f = bytearray(f)
    kind = f[12:14]
    if kind == b"\x08\x00" and len(f) >= 34:
        ihl = (f[14] & 15) * 4
        f[16:18] = struct.pack("!H", len(f) - 14)
        if ihl >= 20 and len(f) >= 14 + ihl:
            f[24:26] = b"\0\0"
            f[24:26] = struct.pack("!H", 0xffff ^ fold(words(f[14:14 + ihl])))
        proto, at, pseudo = f[23], 14 + ihl, bytes(f[26:34])
    elif kind == b"\x86\xdd" and len(f) >= 54:
        f[18:20] = struct.pack("!H", len(f) - 54)
        proto, at, pseudo = f[20], 54, bytes(f[22:54])
    else:
        return bytes(f)
    n = len(f) - at
    sum_at = {1: 2, 58: 2, 6: 16, 17: 6}.get(proto)
    if sum_at is None or n < sum_at + 2:
        return bytes(f)
    if proto == 17 and udp_len:
        f[at + 4:at + 6] = struct.pack("!H", n)
    sum_at += at
    f[sum_at:sum_at + 2] = b"\0\0"
    total = words(f[at:]) + (0 if proto == 1 else words(pseudo) + proto + n)
    f[sum_at:sum_at + 2] = struct.pack("!H", 0xffff ^ fold(total))
    return bytes(f)

class Wire:
    def __init__(self):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.s.setsockopt(263, 15, 1)  # PACKET_VNET_HDR: frames come as weir made them, super-segments too
        self.gso = 0
        self.s.bind(("eth0", 3))
        self.sent = 0
        self.unsound = []
        self.n = 0

    def send(self, f):
        while True:
            try:
                self.s.send(bytes(10) + bytes(f))
                self.sent += 1
                return
            except OSError as e:
                if e.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)

    def recv(self, timeout):
        """The next frame from weir, or None."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.s], [], [], left)[0]:
                return None
            try:
                f, addr = self.s.recvfrom(70000)
            except OSError as e:    # a datagram over the MTU, whole: this socket's header has no word for it
                if e.errno != errno.EINVAL:
                    raise
                continue
            if addr[2] == 4:  # our own
                continue
            unfilled, self.gso, f = f[0] & 1, struct.unpack_from("=H", f, 4)[0], f[10:]
            if not unfilled and not sound(f):  # else its checksum is the link's to fill
                self.unsound.append(f.hex())
            return f

    def barrier(self, timeout=15):
        """What came until weir had worked through all that was sent: it answers echo in order."""
        self.n += 1
        mark = b"barrier %d %d" % (os.getpid(), self.n)
        ping = bytes(v4() / ICMP(id=0xba44, seq=self.n & 0xffff) / mark)
        got = []
        self.send(ping)
        end = time.monotonic() + timeout
        again = time.monotonic() + 1
        while time.monotonic() < end:
            f = self.recv(0.2)
            if time.monotonic() > again:  # a full queue drops it
                self.send(ping)
                again = time.monotonic() + 1
            if f is None:
                continue
            if mark in f and f[12:14] == b"\x08\x00" and f[23] == 1 and f[34] == 0:
                return got
            got.append(f)
        raise AssertionError("weir does not answer any more")

    def ask(self, *frames, until=None, timeout=5):
        """The answers to the frames, dissected: those the gateway gives itself, and with `until` all up to
        the first that it likes."""
        for f in frames:
            self.send(f)
        got = [Ether(f) for f in self.barrier()]
        if until:
            end = time.monotonic() + timeout
            while not any(until(p) for p in got) and time.monotonic() < end:
                f = self.recv(0.1)
                if f is not None:
                    got.append(Ether(f))
        return [p for p in got if not until or until(p)]

    def pour(self, frames, step=100):
        """Many frames, none lost: after each `step` weir has to catch up. Gives back how many."""
        n = 0
        for f in frames:
            self.send(f)
            n += 1
            if n % step == 0:
                self.barrier()
        self.barrier()
        return n

class Honest(threading.Thread):
    """The flows that must go on, in a process of its own."""
    CODE = r"""
import sys, threading, time, json, subprocess
sys.path.insert(0, %r)
from guest import *
stop = threading.Event()
r = dict(down=0, wrong=0, down_gap=0.0, talk=0, talk_gap=0.0, errors=[])
def guard(fn):
    def go():
        try:
            fn()
        except Exception as e:
            if not stop.is_set():
                r["errors"].append("%%s: %%r" %% (fn.__name__, e))
    return threading.Thread(target=go, daemon=True)
def download():
    s = connect(WEB4, 7000, 30)
    s.sendall(b"sourcerate 400000000 2000000\n")
    data = pattern(1 << 20)
    at, last = 0, time.monotonic()
    while not stop.is_set():
        b = s.recv(65536)
        assert b, "the download ended"
        now = time.monotonic()
        r["down_gap"] = max(r["down_gap"], now - last)
        last = now
        o = at %% len(PATTERN)
        if data[o:o + len(b)] != b:
            r["wrong"] += 1
        at += len(b)
        r["down"] = at
def talking():
    s = connect(WEB6, 7000, 30)
    s.sendall(b"pingpong\n")
    while not stop.is_set():
        t0 = time.monotonic()
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        r["talk"] += 1
        r["talk_gap"] = max(r["talk_gap"], time.monotonic() - t0)
        time.sleep(0.02)
ts = [guard(download), guard(talking)]
ping = subprocess.Popen(["ping", "-i", "0.2", WEB4], stdout=subprocess.PIPE, text=True)
for t in ts:
    t.start()
while not (r["down"] and r["talk"]) and not r["errors"]:
    time.sleep(0.01)
r["down_gap"] = r["talk_gap"] = 0.0
print("going", flush=True)
sys.stdin.readline()
before = [r["down"], r["talk"]]
end = time.monotonic() + 10   # the attack is over: on they go
while not r["errors"] and not (r["down"] > before[0] and r["talk"] > before[1] + 5) and time.monotonic() < end:
    time.sleep(0.05)
r["after"] = [r["down"] - before[0], r["talk"] - before[1]]
stop.set()
ping.send_signal(2)
o = ping.communicate()[0]
sent, got = o.split("statistics ---")[1].split()[0], o.split("transmitted, ")[1].split()[0]
r["ping"] = [int(sent), int(got)]
print(json.dumps(r), flush=True)
os._exit(0)
""" % sys.path[0]

    def __init__(self):
        self.p = subprocess.Popen([sys.executable, "-c", self.CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.p.stdout.readline() == "going\n"

    def end(self):
        return json.loads(self.p.communicate("\n", 20)[0])

def step(word):
    """Tells the test how far we are, and waits for its word."""
    print(word, flush=True)
    sys.stdin.readline()

W = Wire()
W.barrier()
FACTS = {}
HONEST = Honest()
step("READY")
'''

AFTER = r'''
W.barrier()
step("DONE")
time.sleep(0.3)
FACTS["honest"] = HONEST.end()
FACTS["curl"] = [sh("curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "http://" + h + "/").stdout
                 for h in (WEB4, "[" + WEB6 + "]", "web.test")]
FACTS["unsound"] = W.unsound[:5]
FACTS["sent"] = W.sent
out(FACTS)
'''

GROWTH = 24 << 20  # bytes that weir may grow by while attacked: its tables are small
GROWTH_SANITIZED = 100 << 20


def rss(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) << 10


def stats(text):
    """The numbers of --stats by name."""
    return {k.strip(): int(v) for k, v in re.findall(r"^  (\S.*?)\s+(\d+)$", text.partition("weir: statistics")[2], re.M)}


def attack(t, code, *opts, timeout=50, gap=5.0, pings=0.6, link="own"):
    """Runs the code in a sandbox beside honest flows; returns what it put into FACTS, with the statistics."""
    t.need("curl", "ping")
    text = "import sys\n" + RAW + textwrap.dedent(code) + AFTER
    env = dict(ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4:malloc_context_size=4")
    p = t.spawn("--map-root", "--stats", *opts, cmd=t.py_cmd(text), stdin=subprocess.PIPE, env=env, link=link)
    p.wait_for("READY", 30)
    before = most = rss(p.pid)
    p.write(b"\n")
    end = time.monotonic() + timeout
    while "DONE" not in p.out and p.p.poll() is None and time.monotonic() < end:
        most = max(most, rss(p.pid))
        time.sleep(0.05)
    p.wait_for("DONE", 1)
    most = max(most, rss(p.pid))
    p.write(b"\n")
    r = p.wait(20)  # and what was left half-open does not keep it
    assert r.rc == 0, r
    facts = json.loads(r.out.strip().split("\n")[-1])
    facts["stats"] = stats(r.err)
    facts["err"] = r.err
    h = facts["honest"]
    assert not h["errors"] and h["wrong"] == 0 and h["after"][0] > 0 and h["after"][1] > 5, h
    assert h["down_gap"] < gap and h["talk_gap"] < gap, h
    assert h["ping"][1] >= h["ping"][0] * pings - 1, h
    assert facts["curl"] == ["200"] * 3, facts["curl"]
    assert not facts["unsound"], facts["unsound"]
    bound = GROWTH_SANITIZED if t.sanitized else GROWTH
    assert most - before < bound, "grew from %d to %d KiB" % (before >> 10, most >> 10)
    facts["grown"] = most - before
    print({k: v for k, v in facts.items() if k not in ("err",)})
    return facts
