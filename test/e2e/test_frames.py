# SPDX-License-Identifier: Apache-2.0
"""
Frames that no honest guest sends, judged byte by byte and by what weir counts (test_hostile.py has the breadth).

Each test runs its attack beside an honest download, an honest conversation and an honest ping,
which must go on. Afterwards weir must be alive and not have grown, curl must work, and the
statistics must name what was dropped. Where an answer is due, its bytes are checked.
"""
import json
import os
import re
import socket
import subprocess
import textwrap
import threading
import time

from harness import test

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


class Canary:
    """A service on the host's loopback, both families, that nobody may reach; it counts who came."""

    def __init__(self, t):
        self.port, self.came = t.port(), []
        for fam, addr in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
            s = socket.socket(fam, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((addr, self.port))
            s.listen(50)
            u = socket.socket(fam, socket.SOCK_DGRAM)
            u.bind((addr, self.port))
            threading.Thread(target=self.tcp, args=(s,), daemon=True).start()
            threading.Thread(target=self.udp, args=(u,), daemon=True).start()

    def tcp(self, s):
        while True:
            c, peer = s.accept()
            self.came.append(["tcp", peer[0]])
            c.close()

    def udp(self, u):
        while True:
            data, peer = u.recvfrom(2000)
            self.came.append(["udp", peer[0]])


@test(links=True, timeout=90)
def test_no_embedding_reaches_the_host_or_the_metadata_service(t):
    canary = Canary(t)
    f = attack(t, r'''
PORT = %d
def embeddings(a):
    x = ipaddress.ip_address(a).packed
    return [str(ipaddress.IPv6Address(b)) for b in (bytes(10) + b"\xff\xff" + x, bytes(12) + x, bytes(8) + b"\xff\xff\0\0" + x,
            bytes.fromhex("0064ff9b") + bytes(8) + x, b"\x20\x02" + x + bytes(10), b"\x20\x02" + x + bytes(9) + b"\1",
            bytes.fromhex("0064ff9b0001") + x[:2] + b"\0" + x[2:] + bytes(5), bytes.fromhex("0064ff9b0001") + bytes(6) + x,
            bytes.fromhex("20010000") + x + bytes(4) + bytes(b ^ 0xff for b in x), bytes.fromhex("fe80") + bytes(6) + b"\0\0\x5e\xfe" + x)]
port = itertools.count(10000)
def probe(dst):
    """The kinds of flow to dst that got no refusal at once."""
    silent = []
    for kind in ("tcp", "udp", "icmp"):
        sport = next(port)
        six = ":" in dst
        p = {"tcp": TCP(sport=sport, dport=PORT, flags="S"), "udp": UDP(sport=sport, dport=PORT) / b"?",
             "icmp": ICMPv6EchoRequest(id=sport) if six else ICMP(id=sport)}[kind]
        def about(p):
            if TCP in p:
                return p[TCP].dport == sport
            return bytes(p).find(struct.pack("!H", sport), 54) > 0 and (ICMP in p or (IPv6 in p and p[IPv6].nh == 58))
        got = [p for p in W.ask((v6 if six else v4)(dst) / p) if about(p)]
        if not got:
            silent.append([dst, kind])
        FACTS["odd"] += [p.summary() for p in got if TCP in p and not p[TCP].flags & 4]
    return silent
FACTS["odd"] = []
FACTS["embedded"] = [x for a in ("127.0.0.1", "127.1.2.3", "169.254.169.254", HOST4, GW4, "10.0.0.1") for e in embeddings(a) for x in probe(e)]
FACTS["plain"] = [x for a in ("127.0.0.1", "127.1.2.3", "127.255.255.254", "169.254.169.254", HOST4, "10.0.0.1", "192.168.0.1", "100.64.0.1",
                              HOST6, "::1", "fe80::1", "fc00::1", "fd00:ec2::254") for x in probe(a)]
NOBODY = ("0.0.0.0", "0.0.0.1", "0.255.255.255", "255.255.255.255", "224.0.0.1", "239.1.2.3", "::", "ff02::1", "ff05::1:3", "ff0e::1")
FACTS["nobody"] = [x for a in NOBODY for x in probe(a)]
time.sleep(0.5)
''' % canary.port)
    assert canary.came == [] and f["odd"] == [], (canary.came, f["odd"])
    # Local NAT64 prefixes and Teredo are the router's business: its answer may take longer.
    quiet = [x for x in f["embedded"] if not x[0].startswith(("64:ff9b:1:", "2001:0:", "2001::"))]
    assert quiet == [] and f["plain"] == [], (quiet, f["plain"])
    assert len(f["nobody"]) == 30, f["nobody"]  # nothing is ever said about those
    assert f["stats"]["dropped: unspecified-destination"] >= 12 and f["stats"]["dropped: multicast"] >= 18, f["stats"]


@test(links=True, timeout=90)
def test_spoofed_sources_are_all_dropped_and_counted(t):
    canary = Canary(t)
    f = attack(t, r'''
PORT = %d
frames = []
for src in (str(ipaddress.ip_address(ME4) + 1), "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "10.0.0.1", GW4, WEB4, HOST4):
    for dst, port in ((WEB4, 7000), (GW4, PORT)):
        for p in (UDP(sport=4000, dport=port) / b"spoof", TCP(sport=4000, dport=port, flags="S"), ICMP(id=1) / b"spoof"):
            frames.append(v4(dst, src=src) / p)
for src in ("::1", "::", "::ffff:127.0.0.1", "::" + ME4, GW6, WEB6, HOST6, "ff02::1", "2002:7f00:1::", "fd99::1"):
    for dst, port in ((WEB6, 7000), (GW6, PORT)):
        for p in (UDP(sport=4000, dport=port) / b"spoof", TCP(sport=4000, dport=port, flags="S"), ICMPv6EchoRequest(id=1, data=b"spoof")):
            frames.append(v6(dst, src=src) / p)
for a in (ME4, GW4, WEB4):                                  # LAND
    frames += [v4(a, src=a) / p for p in (TCP(sport=80, dport=80, flags="S"), UDP(sport=4, dport=4) / b"spoof", ICMP(id=1))]
for a in (ME6, GW6, WEB6):
    frames += [v6(a, src=a) / p for p in (TCP(sport=80, dport=80, flags="S"), UDP(sport=4, dport=4) / b"spoof", ICMPv6EchoRequest(id=1))]
for p in (UDP(sport=4000, dport=7000) / b"spoof", TCP(sport=4000, dport=7000, flags="S"), ICMPv6EchoRequest(id=1)):
    frames.append(v6(WEB6, src=LL6) / p)                    # link-local does not leave the link
for mac in (OTHERMAC, GWMAC, "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00"):
    for p in (IP(src=ME4, dst=WEB4) / UDP(sport=4000, dport=7000) / b"spoof", IPv6(src=ME6, dst=WEB6) / TCP(dport=7000, flags="S"),
              ARP(hwsrc=mac, psrc=ME4, pdst=GW4)):
        frames.append(l2(src=mac) / p)
for f in frames:
    W.send(f)
FACTS["n"] = len(frames)
time.sleep(0.3)
FACTS["answers"] = [Ether(f).summary() for f in W.barrier() if b"spoof" in f]
''' % canary.port, "--net", "public,host")
    assert f["answers"] == [] and canary.came == [], (f["answers"], canary.came)
    assert f["stats"]["dropped: spoofed-source"] == f["n"] and f["stats"]["udp sessions"] == 0, (f["n"], f["stats"])


# A guest's TCP spoken by hand: over IPv6, from an address of the sandbox's network that its kernel does not have.
TCP_BY_HAND = r'''
class Hand:
    port = itertools.count(20000)

    def __init__(self, options=b""):
        self.sport, self.seq, self.ack, self.data, self.sizes = next(self.port), 1000, 0, b"", []
        self.synack = next(iter(W.ask(self.segment("S", options=options), until=self.mine)), None)
        if self.synack and self.synack[TCP].flags == "SA":
            self.seq += 1
            self.ack = self.synack[TCP].seq + 1
            W.send(self.segment("A"))

    def segment(self, flags, data=b"", options=b"", seq=None, urg=0):
        options += bytes(-len(options) % 4)
        h = bytes(TCP(sport=self.sport, dport=7000, seq=self.seq if seq is None else seq, ack=self.ack, flags=flags, window=65535,
                      urgptr=urg, dataofs=5 + len(options) // 4))[:20]
        return refit(bytes(v6(WEB6, src=GHOST6, nh=6)) + h + options + data)

    def mine(self, p):
        return TCP in p and p[TCP].dport == self.sport and p[IPv6].dst == GHOST6

    def say(self, data, **kw):
        W.send(self.segment("PA" + ("U" if "urg" in kw else ""), data, **kw))
        self.seq += len(data)

    def take(self, n, timeout=10):
        """Reads until n bytes are there, acknowledging each segment."""
        end = time.monotonic() + timeout
        while len(self.data) < n and time.monotonic() < end:
            f = W.recv(0.5)
            p = Ether(f) if f else None
            if not p or not self.mine(p):
                continue
            body = bytes(p[TCP].payload)[:p[IPv6].plen - p[TCP].dataofs * 4]
            if body and p[TCP].seq == self.ack:
                self.data += body
                self.sizes.append(W.gso or len(body))
                self.ack = (self.ack + len(body)) & 0xffffffff
            if body:
                W.send(self.segment("A"))
        return self.data

    def end(self):
        W.send(self.segment("R"))
'''


@test(timeout=120)
def test_tcp_options_of_every_kind_and_length(t):
    f = attack(t, TCP_BY_HAND + r'''
mss = b"\x02\x04\x05\xb4"
shapes = {"none": b"", "twice": mss * 4 + b"\x03\x03\x07" * 4, "nops": b"\1" * 40}
for kind in (2, 3, 4, 5, 8, 14, 19, 28, 30, 34, 69, 253, 254, 255):
    for n in (0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 34, 38, 40, 41, 255):
        shapes["%d/%d" % (kind, n)] = bytes([kind, n]) + bytes(min(max(n - 2, 2), 34))
    shapes["%d alone at the end" % kind] = b"\1\1\1" + bytes([kind])
for n in range(15, 256):
    shapes["ws %d" % n] = mss + b"\x03\x03" + bytes([n])
FACTS["bad"] = []
for name, o in shapes.items():
    h = Hand(o)
    if not (h.synack and h.synack[TCP].flags == "SA" and h.synack[TCP].ack == 1001 and h.synack[IPv6].src == WEB6):
        FACTS["bad"].append(name)
    elif name == "none" and {k for k, v in h.synack[TCP].options} & {"WScale", "SAckOK", "Timestamp"}:
        FACTS["bad"].append("offered what was not asked for")
    h.end()
# However small the segments that the guest asks for, all data comes, in segments of at least the smallest sane size.
FACTS["small"] = []
for n in list(range(0, 88)) + [536, 65535]:
    h = Hand(b"\x02\x04" + struct.pack("!H", n))
    h.say(b"source 1000\n")
    got = h.take(1000)
    if got != pattern(1000) or max(h.sizes) > max(n, 88):
        FACTS["small"].append([n, len(got), h.sizes[:3]])
    h.end()
h = Hand()
h.say(b"echo\n")
h.say(b"abc")
h.take(3)
for v in [0, 1, 2, 3, 4] + list(range(9, 16)):      # a header shorter than a header, or longer than the segment
    g = bytearray(h.segment("PA", b"0123456789abc"))
    g[54 + 12] = v << 4
    W.send(refit(bytes(g)))
h.say(b"def")
FACTS["after"] = h.take(6).decode()
h.end()
''', timeout=90)
    assert f["bad"] == [] and f["small"] == [] and f["after"] == "abcdef", (f["bad"], f["small"], f["after"])


@test(timeout=90)
def test_urgent_pointers_lose_no_byte(t):
    f = attack(t, TCP_BY_HAND + r'''
h = Hand()
h.say(b"echo\n")
want = b""
for urg in (0, 1, 2, 9, 10, 11, 100, 32767, 65535):
    for size in (1, 10):
        data = bytes([65 + len(want) % 26]) * size
        h.say(data, urg=urg)
        want += data
W.send(h.segment("AU", urg=5))              # urgent, and nothing there
h.say(b"end", urg=0)
want += b"end"
FACTS["same"] = h.take(len(want)) == want
W.send(h.segment("SFRPUA", b"x" * 5, urg=3, seq=h.seq + 70000))    # every flag there is, out of the window
W.send(h.segment("", b"x" * 5))                                    # none
h.say(b"still")
FACTS["still"] = h.take(len(want) + 5)[len(want):].decode()
h.end()
''')
    assert f["same"] and f["still"] == "still", f


@test(links=True, timeout=120)
def test_fragments_of_every_kind(t):
    f = attack(t, r'''
FACTS["bad"] = []
port, ident = itertools.count(30000), itertools.count(1)
body = bytes(range(64)) * 4
n = len(body) + 8
def piece(fam, k, data, a, b):
    if fam == 4:
        return v4(WEB4, id=k, proto=17, frag=a // 8, flags="MF" if b < len(data) else 0) / Raw(data[a:b])
    return v6(WEB6, src=GHOST6) / IPv6ExtHdrFragment(nh=17, id=k, offset=a // 8, m=b < len(data)) / Raw(data[a:b])
def lone(fam, off, more, size):
    if fam == 4:
        return v4(WEB4, id=next(ident), proto=17, frag=off, flags=more) / Raw(bytes(size))
    return v6(WEB6, src=GHOST6) / IPv6ExtHdrFragment(nh=17, id=next(ident), offset=off, m=more) / Raw(bytes(size))
def every(size):
    return [(a, min(a + size, n)) for a in range(0, n, size)]
def go(fam, name, cuts, want, change=None):
    sport, k = next(port), next(ident)
    data = bytes((IP(src=ME4, dst=WEB4) if fam == 4 else IPv6(src=GHOST6, dst=WEB6)) / UDP(sport=sport, dport=7000) / body)
    data = data[20 if fam == 4 else 40:]
    frames = [piece(fam, k, data, a, b) for a, b in cuts]
    if change:
        frames = change(frames, data, k)
    def whole(p):
        return UDP in p and p[UDP].dport == sport and bytes(p[UDP].payload)[:p[UDP].len - 8] == body
    got = bool(W.ask(*frames, until=whole, timeout=3 if want else 0.2))
    if got != want:
        FACTS["bad"].append([fam, name, got])
for fam in (4, 6):
    def other_bytes(frames, data, k):
        return [frames[0], piece(fam, k, b"\0" * 64 + data[64:], 0, 128), frames[2]]
    def two_ends(frames, data, k):
        return [frames[1], piece(fam, k, data + bytes(64), 256, n + 64), frames[0]]
    go(fam, "two", [(0, 128), (128, n)], True)
    go(fam, "tiny", every(8), True)
    go(fam, "backwards", every(16)[::-1], True)
    go(fam, "the first twice", [(0, 128), (0, 128), (128, n)], True)
    go(fam, "the last twice", [(128, n), (128, n), (0, 128)], True)
    go(fam, "overlap", [(0, 128), (64, n)], False)
    go(fam, "within", [(0, 192), (64, 128), (192, n)], False)
    go(fam, "all but the end again", [(0, 128), (0, 192), (128, n)], False)
    go(fam, "hole", [(0, 64), (128, n)], False)
    go(fam, "the same place, other bytes", [(0, 128), (0, 128), (128, n)], False, other_bytes)
    go(fam, "two ends", [(0, 128), (128, n)], False, two_ends)
    for off, size, more in ((8191, 1400, 1), (8191, 8, 0), (8191, 1, 0), (8100, 1400, 0), (8191, 0, 0), (0, 0, 1), (1, 0, 1), (5, 13, 1), (0, 7, 1)):
        W.send(lone(fam, off, more, size))
    k, data = next(ident), bytes(65535)
    for a in range(0, 65500, 1400):        # pieces that are fine alone, and over 64 KiB together
        W.send(piece(fam, k, data + bytes(1400), a, a + 1400))
    for i in range(1500):                  # packets that never become whole
        W.send(lone(fam, *((0, 1), (100, 1), (8000, 0))[i % 3], 1200))
        if i % 50 == 49:
            W.barrier()
    go(fam, "after all that", [(0, 128), (128, n)], True)
FACTS["big"] = [udp_ask(h, 7000, pattern(9000))[0] == pattern(9000) for h in (WEB4, WEB6)]
''', timeout=90)
    s = f["stats"]
    assert f["bad"] == [] and f["big"] == [True, True], f["bad"]
    assert s["dropped: fragment"] > 2000 and s["fragmented packets reassembled"] >= 12, s


@test(timeout=90)
def test_routes_in_headers_are_dropped_and_header_chains_bounded(t):
    f = attack(t, r'''
n = m = 0
for o in ((131, 7, 4, 198, 51, 100, 10), (137, 7, 4, 198, 51, 100, 10), (7, 7, 4, 0, 0, 0, 0), (1, 131, 7, 4, 1, 2, 3, 4), (131, 3, 4), (7, 3, 4)):
    for p in (UDP(sport=4000, dport=7002) / b"routed", TCP(sport=4000, dport=7000, flags="S"), ICMP(id=1)):
        for dst in (WEB4, GW4):
            W.send(v4(dst, options=[IPOption(bytes(o) + bytes(-len(o) % 4))]) / p)
            n += 1
for kind in (0, 1, 2, 3, 4, 253):
    for left in (0, 1, 255):
        for dst in (WEB6, GW6):
            W.send(v6(dst) / IPv6ExtHdrRouting(type=kind, segleft=left, addresses=[WEB6]) / UDP(sport=4000, dport=7002) / b"routed")
            n += 1
def chain(count, sport):
    p = v6(WEB6, src=GHOST6)
    for i in range(count):
        p = p / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
    return p / UDP(sport=sport, dport=7000) / b"chained"
for count in (9, 10, 100):
    W.send(chain(count, 4001))
    m += 1
for bad in (b"\x3a\xff", b"\x3a\x00\x01\x05\0\0\0\0", b"\x3a", b"", b"\x3c\x00\xc0\xff\0\0\0\0"):   # past the end, overrun, cut
    W.send(refit(bytes(v6(GW6, nh=60)) + bad))
    m += 1
W.send(v6(GW6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest())    # hop-by-hop, but not first
FACTS.update(n=n, m=m + 1, eight=len(W.ask(chain(8, 4002), until=lambda p: UDP in p and p[UDP].dport == 4002)))
''')
    s = f["stats"]
    assert s["dropped: ip-options"] == f["n"] and s["dropped: extension-headers"] == f["m"] and f["eight"] == 1, (f, s)


@test(links=True, timeout=90)
def test_answers_have_the_bytes_that_are_due(t):
    f = attack(t, r"""
bad = []
def check(name, got, **want):
    # Exactly one answer with these properties, or none where nothing is wanted.
    if len(got) != (1 if want else 0):
        bad.append([name, len(got), [p.summary() for p in got]])
        return
    bad.extend([name, k, got[0].summary(), bytes(got[0]).hex()] for k, v in want.items() if not v(got[0]))
def icmp(p):
    return bytes(p[IPv6].payload)
def err4(p):
    return ICMP in p and p[IP].dst == ME4 and p[ICMP].type in (3, 11, 12)
def err6(p):
    return IPv6 in p and p[IPv6].nh == 58 and p[IPv6].dst == ME6 and icmp(p)[0] < 128
def said4(sent, kind, code):
    q = bytes(sent)[14:]
    return dict(kind=lambda p: (p[ICMP].type, p[ICMP].code) == (kind, code), src=lambda p: p[IP].src == GW4, size=lambda p: p[IP].len <= 576,
                unused=lambda p: bytes(p[ICMP])[4:8] == bytes(4), quote=lambda p: bytes(p[ICMP])[8:p[IP].len - 20] == q[:548])
def said6(sent, kind, code, value=0):
    q = bytes(sent)[14:]
    return dict(kind=lambda p: tuple(icmp(p)[:2]) == (kind, code), src=lambda p: p[IPv6].src == GW6, size=lambda p: p[IPv6].plen <= 1240,
                value=lambda p: struct.unpack("!I", icmp(p)[4:8])[0] == value, quote=lambda p: icmp(p)[8:p[IPv6].plen] == q[:1232])

for size in (0, 1, 55, 1452, 1472):         # echo to the gateway: all is kept
    body = pattern(size)
    got = [p for p in W.ask(v4(GW4) / ICMP(id=77, seq=size + 1) / body) if ICMP in p and p[ICMP].id == 77]
    check("echo %d" % size, got, kind=lambda p: (p[ICMP].type, p[ICMP].code) == (0, 0), who=lambda p: (p[IP].src, p[IP].dst) == (GW4, ME4),
          same=lambda p: bytes(p[ICMP])[4:p[IP].len - 20] == struct.pack("!HH", 77, size + 1) + body)
    got = [p for p in W.ask(v6(GW6) / ICMPv6EchoRequest(id=77, seq=size, data=body)) if IPv6 in p and icmp(p)[:2] == b"\x81\0"] if size < 1453 else []
    if size < 1453:
        check("echo6 %d" % size, got, same=lambda p: icmp(p)[4:p[IPv6].plen] == struct.pack("!HH", 77, size) + body)
for p in (ICMP(id=77, chksum=1), ICMP(id=77, code=1), ICMP(type=0, id=77)):
    check("a bad echo", [x for x in W.ask(v4(GW4) / p) if ICMP in x and x[ICMP].id == 77])

for proto in (0, 2, 3, 41, 47, 58, 132, 253, 255):
    for dst in (GW4, WEB4):
        for size in (0, 20, 1000):
            sent = v4(dst, proto=proto) / Raw(bytes(size))
            check("protocol %d" % proto, W.ask(sent, until=err4), **said4(sent, 3, 2))
for nh in (1, 2, 41, 47, 132, 253, 255):
    for dst in (GW6, WEB6):
        sent = v6(dst, nh=nh) / Raw(bytes(20))
        check("next header %d" % nh, W.ask(sent, until=err6), **said6(sent, 4, 1, 6))
sent = v6(WEB6) / IPv6ExtHdrDestOpt(nh=253, options=[PadN(optdata=bytes(4))]) / Raw(bytes(1400))
check("behind an extension header", W.ask(sent, until=err6), **said6(sent, 4, 1, 40))
check("no next header", [p for p in W.ask(v6(WEB6, nh=59) / Raw(bytes(8))) if err6(p)])
for kind, pointer in ((0x1e, None), (0x5e, None), (0x9e, 42), (0xde, 42)):     # unknown options, by their two highest bits
    sent = v6(GW6) / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=kind, optlen=4, optdata=bytes(4))]) / ICMPv6EchoRequest(id=3)
    got = W.ask(sent)
    check("option %x" % kind, [p for p in got if err6(p)], **(said6(sent, 4, 2, pointer) if pointer else {}))
    if (kind == 0x1e) != any(IPv6 in p and icmp(p)[:1] == b"\x81" for p in got):
        bad.append(["option %x" % kind, "echo"])

for ttl in (0, 1):
    for p in (TCP(sport=5000, dport=80, flags="S"), UDP(sport=5000, dport=7000) / Raw(bytes(1000)), ICMP(id=9) / b"x"):
        sent = v4(WEB4, ttl=ttl) / p
        check("ttl %d" % ttl, W.ask(sent, until=err4), **said4(sent, 11, 0))
    for p in (TCP(sport=5000, dport=80, flags="S"), UDP(sport=5000, dport=7000) / Raw(bytes(1300)), ICMPv6EchoRequest(id=9)):
        sent = v6(WEB6, hlim=ttl) / p
        check("hop limit %d" % ttl, W.ask(sent, until=err6), **said6(sent, 3, 0))
check("an error about an error", [p for p in W.ask(v4(WEB4, ttl=1) / ICMP(type=3, code=1) / IP(src=WEB4, dst=ME4) / UDP()) if err4(p)])
check("about a later fragment", [p for p in W.ask(v4(WEB4, ttl=1, frag=100, proto=17) / Raw(bytes(64))) if err4(p)])
sent = v4("10.1.2.3") / UDP(sport=5001, dport=80) / b"?"
check("denied", W.ask(sent, until=err4), **said4(sent, 3, 13))
sent = v6("fd01::1") / UDP(sport=5001, dport=80) / b"?"
check("denied6", W.ask(sent, until=err6), **said6(sent, 1, 1))
for dst, is_err, kind in ((WEB4, err4, b"\3\3"), (WEB6, err6, b"\1\4")):      # said by the far host, about our ports
    sent = (v4(dst) if "." in dst else v6(dst)) / UDP(sport=5002, dport=9) / b"closed?"
    check("closed " + dst, W.ask(sent, until=is_err), src=lambda p: p.getlayer(1).src == dst, kind=lambda p: bytes(p.getlayer(1).payload)[:2] == kind,
          ports=lambda p: b"\x13\x8a\0\x09" in bytes(p)[60:])

sports = itertools.count(40000)
def resets(fam, flags, seq=1000, ack=2000, data=b"", dst=None):
    sport, to = next(sports), dst or (WEB4 if fam == 4 else WEB6)
    sent = (v4(to) if fam == 4 else v6(to)) / TCP(sport=sport, dport=9, flags=flags, seq=seq, ack=ack) / data
    return [p for p in W.ask(sent) if TCP in p and p[TCP].dport == sport]
for fam in (4, 6):                          # RFC 9293 3.10.7.1
    for flags, data in (("A", b""), ("A", b"12345"), ("FA", b""), ("PA", b"x" * 100), ("SA", b""), ("UA", b"1")):
        check("reset for %s" % flags, resets(fam, flags, data=data), flags=lambda p: p[TCP].flags == "R", seq=lambda p: p[TCP].seq == 2000,
              port=lambda p: p[TCP].sport == 9)
    for flags, data, n in (("", b"", 0), ("", b"12345", 5), ("F", b"", 1), ("F", b"12345", 6), ("P", b"1", 1)):
        for seq in (1000, 0xfffffffe):
            check("reset for %s+%d" % (flags, n), resets(fam, flags, data=data, seq=seq), flags=lambda p: p[TCP].flags == "RA",
                  seq=lambda p: p[TCP].seq == 0, ack=lambda p: p[TCP].ack == (seq + n) & 0xffffffff)
    for flags in ("R", "RA", "RF", "RS"):
        check("no reset for " + flags, resets(fam, flags, data=b"12"))
    check("denied syn", resets(fam, "S", dst="10.1.2.3" if fam == 4 else "fd01::1"), flags=lambda p: p[TCP].flags == "RA",
          seq=lambda p: p[TCP].seq == 0, ack=lambda p: p[TCP].ack == 1001)

bcast = Ether(src=MYMAC, dst="ff:ff:ff:ff:ff:ff")
check("arp", [p for p in W.ask(bcast / ARP(hwsrc=MYMAC, psrc=ME4, pdst=GW4)) if ARP in p and p[ARP].op == 2], to=lambda p: p.dst == MYMAC,
      is_at=lambda p: (p[ARP].psrc, p[ARP].hwsrc, p[ARP].pdst, p[ARP].hwdst) == (GW4, GWMAC, ME4, MYMAC))
for a in (WEB4, ME4, "0.0.0.0", str(ipaddress.ip_address(ME4) + 1)):
    check("arp for " + a, [p for p in W.ask(bcast / ARP(hwsrc=MYMAC, psrc=ME4, pdst=a)) if ARP in p and p[ARP].op == 2])
def ns(**kw):
    tgt = kw.pop("tgt", GW6)
    return [p for p in W.ask(v6(GW6, **dict(dict(hlim=255), **kw)) / ICMPv6ND_NS(tgt=tgt) / ICMPv6NDOptSrcLLAddr(lladdr=MYMAC)) if ICMPv6ND_NA in p]
check("ns", ns(), tgt=lambda p: p[ICMPv6ND_NA].tgt == GW6 and p[ICMPv6ND_NA].S == 1, hlim=lambda p: p[IPv6].hlim == 255,
      lladdr=lambda p: p[ICMPv6NDOptDstLLAddr].lladdr == GWMAC, to=lambda p: p[IPv6].dst == ME6)
check("ns from beyond", ns(hlim=254))
check("ns for another", ns(tgt=WEB6))
FACTS["bad"] = bad
""")
    assert f["bad"] == [], "%d wrong: %s" % (len(f["bad"]), json.dumps(f["bad"][:12]))


FLOOD = r"""
def patched(frame, start, sum_at, fields):
    # A frame maker: fills in the 16-bit fields, and the checksum over all from `start` on.
    f = bytearray(bytes(frame))
    six = f[12:14] == b"\x86\xdd"
    proto = f[20] if six else f[23]
    for o in fields + [sum_at]:
        f[o:o + 2] = b"\0\0"
    base = words(bytes(f[start:]))
    if proto != 1:
        base += words(bytes(f[22:54] if six else f[26:34])) + proto + len(f) - start
    def make(*values):
        for o, v in zip(fields, values):
            struct.pack_into("!H", f, o, v)
        struct.pack_into("!H", f, sum_at, (0xffff ^ fold(base + sum(values))) or 0xffff)
        return f
    return make

def flood(make, values, seconds=10):
    # As fast as they can be sent: what does not fit is lost, as on a wire.
    n, end = 0, time.monotonic() + seconds
    for v in values:
        W.send(make(*v))
        n += 1
        if n % 256 == 0:
            if time.monotonic() > end:
                break
            while select.select([W.s], [], [], 0)[0]:      # what comes back is not to fill our own queue
                W.s.recv(70000)
    W.barrier(30)
    FACTS["flooded"] = FACTS.get("flooded", 0) + n

def syns(dst, dport):
    if ":" in dst:       # from an address that nobody answers for
        return patched(v6(dst, src=GHOST6) / TCP(sport=1, dport=dport, flags="S", seq=7, options=[("MSS", 1440)]), 54, 70, [54, 56])
    return patched(v4(dst) / TCP(sport=1, dport=dport, flags="S", seq=7, options=[("MSS", 1460)]), 34, 50, [34, 36])
"""


@test(timeout=120)
def test_a_flood_of_syns_to_servers(t):
    f = attack(t, FLOOD + r"""
for dst, dport in ((WEB4, 7000), (WEB6, 7000), (WEB4, 9)):
    flood(syns(dst, dport), ((p, dport) for p in range(10000, 30000)))
""", timeout=100, gap=8)
    assert f["flooded"] > 5000 and f["stats"]["tcp connections"] > 2000, f["stats"]


@test(timeout=120)
def test_a_hundred_thousand_half_open_connections(t):
    f = attack(t, FLOOD + r"""
for dst in (DEAD4, DEAD6):
    flood(syns(dst, 80), ((p, q) for q in (80, 81) for p in range(10000, 60000)), 20)
""", timeout=100, gap=8)
    s = f["stats"]
    # At most 1,024 wait at a time; the oldest go with a reset.
    assert f["flooded"] > 50000 and s["tcp connections"] > 2000, (f["flooded"], s)
    assert s["tcp resets sent"] > s["tcp connections"] - 1024 - 200, s
    assert s["refused: limit-half-open"] > s["tcp connections"] - 1024 - 200, s


@test(timeout=120)
def test_a_flood_of_datagrams_to_and_from_twenty_thousand_ports(t):
    f = attack(t, FLOOD + r"""
for dst in (WEB4, WEB6):
    at = 54 if ":" in dst else 34
    make = patched((v6(dst, src=GHOST6) if ":" in dst else v4(dst)) / UDP(sport=1, dport=1) / b"flood", at, at + 6, [at, at + 2])
    flood(make, ((5000, i) for i in range(10000, 30000)))
    flood(make, ((i, 7000) for i in range(10000, 30000)))
""", timeout=100, gap=8)
    s = f["stats"]
    assert s["udp sessions"] > 1500 and s["refused: limit-udp"] > 400, s


@test(timeout=120)
def test_a_flood_of_echo_requests_of_every_size(t):
    f = attack(t, FLOOD + r"""
for dst in (GW4, WEB4):
    flood(patched(v4(dst) / ICMP(id=1, seq=1) / bytes(56), 34, 36, [38, 40]), ((i, 1) for i in range(20000)))
for dst in (GW6, WEB6):
    flood(patched(v6(dst, src=GHOST6) / ICMPv6EchoRequest(id=1, seq=1, data=bytes(56)), 54, 56, [58, 60]), ((i, 1) for i in range(20000)))
for size in (1472, 8000, 65487):           # a tunnel's worth
    for dst in (WEB4, WEB6):
        sh("ping", "-q", "-f", "-c", "300", "-w", "4", "-s", str(size), dst)
""", timeout=100, gap=8, pings=0.3)
    s = f["stats"]
    assert s["echo sessions"] > 300 and s["refused: limit-icmp"] > 100, s
