# SPDX-License-Identifier: Apache-2.0
"""
Frames that no honest guest sends, judged byte by byte and by what weir counts (test_hostile.py has the breadth).

Each attack runs beside honest flows (rawframes.py). The statistics must name what was dropped, and where an answer is
due, its bytes are checked.
"""
import json
import socket
import threading

from harness import test
from rawframes import attack


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
