# SPDX-License-Identifier: Apache-2.0
"""
Raw frames from inside the sandbox that no honest program sends. Whatever comes: weir neither
crashes nor hangs nor grows, an honest flow beside it goes on, what should be answered is answered
right, and nothing that should not leave does.
"""
import json
import subprocess
import textwrap
import time

from harness import test

PRE = """
import logging, random, warnings
logging.getLogger("scapy").setLevel(logging.CRITICAL)
warnings.simplefilter("ignore")
from scapy.all import (ARP, BOOTP, DHCP, DHCP6_Solicit, DHCP6OptClientId, DHCP6OptIA_NA, DNS, DNSQR, DUID_LL, Dot1Q, Ether,
                       ICMP, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptDstLLAddr,
                       ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, ICMPv6TimeExceeded, ICMPv6DestUnreach, ICMPv6EchoReply,
                       ICMPv6ParamProblem, IP, IPerror, IPOption, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, LLC, Raw, TCP, UDP, fragment, fragment6)
rnd = random.Random(7)
me4, me6, gw4, gw6 = my_address(4), my_address(6), default_gateway(4), gateway_address(6)
subprocess.call(["ping", "-c1", "-W2", gw4], stdout=subprocess.DEVNULL)
mac = json.loads(subprocess.check_output(["ip", "-j", "link", "show", "eth0"]))[0]["address"]
gwmac = [n["lladdr"] for n in json.loads(subprocess.check_output(["ip", "-4", "-j", "neigh", "show", "dev", "eth0"])) if n["dst"] == gw4][0]
ether = Ether(src=mac, dst=gwmac)
tx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
tx.bind(("eth0", 0))
rx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
rx.bind(("eth0", 3))
rx.setblocking(False)

def send(frame):
    b = bytes(frame)
    try:
        tx.send(b)
        return 1
    except OSError:     # too short or too long for the interface itself
        return 0

def drain():
    try:
        while True:
            rx.recv(65535)
    except BlockingIOError:
        pass

def answer(frames, want, seconds=1.0):
    # The first frame from weir for which want(frame) is true, after all of `frames` went out.
    drain()
    for f in frames if isinstance(frames, list) else [frames]:
        send(f)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([rx], [], [], 0.05)[0]:
            continue
        try:
            data, addr = rx.recvfrom(65535)
        except BlockingIOError:
            continue
        if addr[2] == 4:        # our own frames
            continue
        e = Ether(data)
        if e.src == gwmac and want(e):
            return e
    return None

class Honest(threading.Thread):
    # A byte there and back every 10 ms, over both families.
    def __init__(self):
        super().__init__(daemon=True)
        self.socks = [connect(WEB4, 7002), connect(WEB6, 7002)]
        for s in self.socks:
            s.settimeout(15)
        self.count, self.gap, self.error, self.stop = 0, 0, None, False
        self.start()
    def run(self):
        last = time.monotonic()
        try:
            while not self.stop:
                for s in self.socks:
                    s.sendall(b"h")
                    if s.recv(1) != b"h":
                        raise OSError("closed")
                now = time.monotonic()
                self.gap, last = max(self.gap, now - last), now
                self.count += 1
                time.sleep(0.01)
        except Exception as e:
            self.error = repr(e)
    def verdict(self):
        before = self.count
        time.sleep(0.5)
        self.stop = True
        self.join(16)
        return {"error": self.error, "moves": self.count > before, "gap": self.gap}

def dhcp():
    return (Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) /
            BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")), xid=7) / DHCP(options=[("message-type", "discover"),
            ("hostname", b"x" * 20), ("param_req_list", [1, 3, 6, 12, 15, 26, 51, 119, 121]), "end"]))

def dhcp6():
    return (Ether(src=mac, dst="33:33:00:01:00:02") / IPv6(src="fe80::7", dst="ff02::1:2") / UDP(sport=546, dport=547) /
            DHCP6_Solicit(trid=5) / DHCP6OptClientId(duid=DUID_LL(lladdr=mac)) / DHCP6OptIA_NA(iaid=1))

def kinds():
    q = DNS(id=4, rd=1, qd=DNSQR(qname="web.test"))
    return [
        ether / IP(src=me4, dst=WEB4) / TCP(sport=2001, dport=80, seq=1, options=[("MSS", 1460), ("SAckOK", b""),
            ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]),
        ether / IPv6(src=me6, dst=WEB6) / TCP(sport=2002, dport=80, seq=1, options=[("MSS", 1440), ("WScale", 7)]),
        ether / IP(src=me4, dst=WEB4) / UDP(sport=2003, dport=7000) / (b"u" * 30),
        ether / IPv6(src=me6, dst=WEB6) / UDP(sport=2004, dport=7000) / (b"u" * 30),
        ether / IP(src=me4, dst=WEB4) / ICMP(id=5, seq=1) / (b"e" * 40),
        ether / IPv6(src=me6, dst=WEB6) / ICMPv6EchoRequest(id=5, seq=1, data=b"e" * 40),
        ether / IP(src=me4, dst=gw4) / UDP(sport=2005, dport=53) / q,
        ether / IPv6(src=me6, dst=gw6) / UDP(sport=2006, dport=53) / q,
        Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac, psrc=me4, pdst=gw4),
        Ether(src=mac, dst="33:33:ff:00:00:01") / IPv6(src=me6, dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt=gw6) /
            ICMPv6NDOptSrcLLAddr(lladdr=mac),
        Ether(src=mac, dst="33:33:00:00:00:02") / IPv6(src="fe80::7", dst="ff02::2") / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=mac),
        dhcp(), dhcp6(),
        ether / IP(src=me4, dst=WEB4, id=9, flags="MF", frag=0) / UDP(sport=2007, dport=7000, len=88) / (b"f" * 40),
        ether / IPv6(src=me6, dst=WEB6) / IPv6ExtHdrFragment(id=9, m=1, offset=0) / UDP(sport=2008, dport=7000, len=88) / (b"f" * 40),
        ether / IPv6(src=me6, dst=WEB6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / UDP(sport=2009, dport=7000) / b"x",
    ]

honest = Honest()
"""


def attack(t, code, *opts, timeout=50):
    """Runs the attack; fails where the honest flow did. Returns what the attack gave to out()."""
    r = t.run("--map-root", "--stats", *opts, timeout=timeout,
              cmd=t.py_cmd(PRE + textwrap.dedent(code) + "\nout([result, honest.verdict()])\n"))
    try:
        result, honest = json.loads([x for x in r.out.strip().split("\n") if x.startswith("[")][-1])
    except (ValueError, IndexError):
        raise AssertionError("no result: %r" % r) from None
    assert honest["error"] is None and honest["moves"], (honest, r)
    assert honest["gap"] < 5, honest
    return result


@test(links=True, smoke=True)
def test_every_protocol_cut_at_every_byte(t):
    n = attack(t, """
        result = 0
        for k in kinds():
            b = bytes(k)
            for cut in range(14, len(b)):
                result += send(b[:cut])
    """)
    assert n > 700, n


@test(links=True, smoke=True)
def test_every_byte_of_every_header_set_to_extremes(t):
    n = attack(t, """
        result = 0
        for k in kinds():
            b = bytearray(bytes(k))
            for i in range(12, min(len(b), 120)):
                old = b[i]
                for v in (0, 1, 0x7f, 0x80, 0xff, old ^ 1):
                    b[i] = v
                    result += send(b)
                b[i] = old
    """)
    assert n > 5000, n


@test(links=True, smoke=True)
def test_lengths_that_lie(t):
    attack(t, """
        result = 0
        def vary(make):
            for v in (0, 1, 7, 8, 19, 20, 21, 39, 40, 41, 100, 1500, 1501, 32767, 32768, 65534, 65535):
                send(make(v))
        vary(lambda v: ether / IP(src=me4, dst=WEB4, len=v) / UDP(sport=3001, dport=7000) / b"xxxx")
        vary(lambda v: ether / IP(src=me4, dst=WEB4, len=v) / TCP(sport=3002, dport=80))
        vary(lambda v: ether / IP(src=me4, dst=WEB4) / UDP(sport=3003, dport=7000, len=v) / b"xxxx")
        vary(lambda v: ether / IPv6(src=me6, dst=WEB6, plen=v) / UDP(sport=3004, dport=7000) / b"xxxx")
        vary(lambda v: ether / IPv6(src=me6, dst=WEB6, plen=v) / TCP(sport=3005, dport=80))
        vary(lambda v: ether / IPv6(src=me6, dst=WEB6) / UDP(sport=3006, dport=7000, len=v) / b"xxxx")
        vary(lambda v: ether / IPv6(src=me6, dst=gw6) / UDP(sport=3007, dport=53, len=v) / b"xxxx")
        for i in range(16):
            send(ether / IP(src=me4, dst=WEB4, ihl=i) / UDP(sport=3008, dport=7000) / b"x")
            send(ether / IP(src=me4, dst=WEB4, ihl=i) / TCP(sport=3009, dport=80))
            send(ether / IP(src=me4, dst=WEB4, version=i) / UDP(sport=3008, dport=7000) / b"x")
            for flags in ("S", "A", "PA", "F", "R", ""):
                send(ether / IP(src=me4, dst=WEB4) / TCP(sport=3010 + i, dport=80, dataofs=i, flags=flags))
                send(ether / IPv6(src=me6, dst=WEB6) / TCP(sport=3010 + i, dport=80, dataofs=i, flags=flags) / b"abcd")
    """)


@test(links=True, smoke=True)
def test_tcp_options_that_are_broken_are_survived_and_the_syn_is_answered(t):
    bad = attack(t, """
        result = []
        port = [10000]
        def syn(options):
            port[0] += 1
            p = port[0]
            options += b"\\0" * (-len(options) % 4)
            tcp = TCP(sport=p, dport=80, seq=1000, dataofs=5 + len(options) // 4)
            raw = bytes(tcp) + options
            pkt = IP(src=me4, dst=WEB4, proto=6) / raw
            import struct as st
            src, dst = socket.inet_aton(me4), socket.inet_aton(WEB4)
            from scapy.utils import checksum
            c = checksum(src + dst + st.pack("!BBH", 0, 6, len(raw)) + raw[:16] + b"\\0\\0" + raw[18:])
            raw = raw[:16] + st.pack("!H", c) + raw[18:]
            a = answer(ether / IP(src=me4, dst=WEB4, proto=6) / raw, lambda e: TCP in e and e[TCP].dport == p, 1.5)
            return a and a[TCP].flags == "SA" and a[TCP].ack == 1001
        for mss in list(range(0, 88, 9)) + [87, 88, 65535]:
            if not syn(b"\\2\\4" + struct.pack("!H", mss)):
                result.append("mss %d" % mss)
        for ws in (15, 16, 128, 255):
            if not syn(b"\\3\\3" + bytes([ws])):
                result.append("wscale %d" % ws)
        for name, o in (("length 0", b"\\x22\\0"), ("length 1", b"\\x22\\1"), ("overrun", b"\\2\\x28\\5\\xb4"),
                        ("mss cut", b"\\1\\1\\2\\4"), ("duplicates", b"\\2\\4\\5\\xb4\\2\\4\\0\\1\\3\\3\\1\\3\\3\\2"),
                        ("forty nops", b"\\1" * 40), ("forty ends", b"\\0" * 40), ("timestamp short", b"\\x08\\x09" + b"\\1" * 8),
                        ("sack on a syn", b"\\5\\x0a" + b"\\1" * 8), ("tfo", b"\\x22\\x0a" + b"\\1" * 8)):
            if not syn(o):
                result.append(name)
    """)
    assert bad == [], "no SYN-ACK for a SYN with: %s" % bad


@test(links=True, smoke=True)
def test_what_should_be_answered_is_answered_right(t):
    got = attack(t, """
        r = {}
        def ask(name, frames, want, seconds=1.5):
            a = answer(frames, want, seconds)
            r[name] = a.summary() if a is not None else None
        # TCP
        ask("rst for a stray ack", ether / IP(src=me4, dst=WEB4) / TCP(sport=4001, dport=80, flags="A", seq=5, ack=777),
            lambda e: TCP in e and e[TCP].dport == 4001 and e[TCP].flags == "R" and e[TCP].seq == 777)
        ask("rst for a stray fin with data", ether / IPv6(src=me6, dst=WEB6) / TCP(sport=4002, dport=80, flags="FA", seq=5, ack=9) / b"abc",
            lambda e: TCP in e and e[TCP].dport == 4002 and "R" in e[TCP].flags and e[TCP].seq == 9)
        ask("refused syn", ether / IP(src=me4, dst=WEB4) / TCP(sport=4003, dport=9, flags="S", seq=500),
            lambda e: TCP in e and e[TCP].dport == 4003 and e[TCP].flags == "RA" and e[TCP].ack == 501 and e[TCP].seq == 0)
        ask("refused syn with data", ether / IP(src=me4, dst=WEB4) / TCP(sport=4004, dport=9, flags="S", seq=500) / b"12345",
            lambda e: TCP in e and e[TCP].dport == 4004 and e[TCP].flags == "RA" and e[TCP].ack in (501, 506))
        ask("syn-ack to nothing", ether / IP(src=me4, dst=WEB4) / TCP(sport=4005, dport=80, flags="SA", seq=1, ack=55),
            lambda e: TCP in e and e[TCP].dport == 4005 and "R" in e[TCP].flags and e[TCP].seq == 55)
        # UDP, ICMP
        ask("closed udp port", ether / IP(src=me4, dst=WEB4, id=77) / UDP(sport=4006, dport=9) / b"abc",
            lambda e: ICMP in e and e[ICMP].type == 3 and e[ICMP].code == 3 and e[IP].src == WEB4 and b"\\x0f\\xa6\\0\\x09" in bytes(e[ICMP]))
        ask("closed udp port v6", ether / IPv6(src=me6, dst=WEB6) / UDP(sport=4007, dport=9) / b"abc",
            lambda e: ICMPv6DestUnreach in e and e[ICMPv6DestUnreach].code == 4 and e[IPv6].src == WEB6)
        ask("ttl 1 udp", ether / IP(src=me4, dst=WEB4, ttl=1) / UDP(sport=4008, dport=33434) / b"abc",
            lambda e: ICMP in e and e[ICMP].type == 11 and e[ICMP].code == 0 and e[IP].src == gw4)
        ask("ttl 1 tcp", ether / IP(src=me4, dst=WEB4, ttl=1) / TCP(sport=4009, dport=80),
            lambda e: ICMP in e and e[ICMP].type == 11 and e[IP].src == gw4)
        ask("hop limit 1", ether / IPv6(src=me6, dst=WEB6, hlim=1) / UDP(sport=4010, dport=33434) / b"abc",
            lambda e: ICMPv6TimeExceeded in e and e[ICMPv6TimeExceeded].code == 0)
        ask("unknown protocol", ether / IP(src=me4, dst=WEB4, proto=253) / b"abcdefgh",
            lambda e: ICMP in e and e[ICMP].type == 3 and e[ICMP].code in (2, 13))
        ask("unknown next header", ether / IPv6(src=me6, dst=WEB6, nh=253) / b"abcdefgh",
            lambda e: ICMPv6ParamProblem in e or ICMPv6DestUnreach in e)
        ask("atomic fragment", ether / IPv6(src=me6, dst=WEB6) / IPv6ExtHdrFragment(id=3, m=0, offset=0) / ICMPv6EchoRequest(id=41, seq=1),
            lambda e: ICMPv6EchoReply in e and e[ICMPv6EchoReply].id == 41)
        big = IP(src=me4, dst=WEB4, id=99) / ICMP(id=42, seq=1) / (b"z" * 3000)
        ask("fragments", [ether / f for f in fragment(big, 800)],
            lambda e: IP in e and e[IP].proto == 1 and (e[IP].frag or "MF" in e[IP].flags or ICMP in e and e[ICMP].id == 42))
        ask("fragments out of order", [ether / f for f in fragment(IP(src=me4, dst=WEB4, id=98) / ICMP(id=43, seq=1) / (b"z" * 1200), 400)][::-1],
            lambda e: ICMP in e and e[ICMP].type == 0 and e[ICMP].id == 43)
        ask("arp for the gateway", Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac, psrc=me4, pdst=gw4),
            lambda e: ARP in e and e[ARP].op == 2 and e[ARP].psrc == gw4 and e[ARP].hwsrc == gwmac)
        ask("dhcp offer", dhcp(), lambda e: DHCP in e and e[BOOTP].yiaddr == me4)
        result = r
    """)
    missing = [k for k, v in got.items() if v is None]
    assert not missing, "no right answer to: %s" % missing


@test(links=True, smoke=True)
def test_what_must_not_be_answered_is_not(t):
    got = attack(t, """
        r = {}
        def ask(name, frames, want=lambda e: True, seconds=0.4):
            a = answer(frames, lambda e: not (TCP in e and e[TCP].sport == 7002) and want(e), seconds)
            if a is not None:
                r[name] = a.summary()
        udp = lambda p: UDP(sport=p, dport=7000) / b"abc"
        mine = lambda p: lambda e: UDP in e and e[UDP].dport == p or ICMP in e
        # wrong checksums
        ask("udp checksum", ether / IP(src=me4, dst=WEB4) / UDP(sport=5001, dport=7000, chksum=0x1234) / b"abc", mine(5001))
        ask("udp6 checksum", ether / IPv6(src=me6, dst=WEB6) / UDP(sport=5002, dport=7000, chksum=0x1234) / b"abc", mine(5002))
        ask("tcp checksum", ether / IP(src=me4, dst=WEB4) / TCP(sport=5003, dport=80, chksum=0x1234), lambda e: TCP in e and e[TCP].dport == 5003)
        ask("ip checksum", ether / IP(src=me4, dst=WEB4, chksum=0x1234) / udp(5004), mine(5004))
        ask("icmp checksum", ether / IP(src=me4, dst=WEB4) / ICMP(id=51, chksum=0x1234), lambda e: ICMP in e)
        ask("udp6 without checksum", ether / IPv6(src=me6, dst=WEB6) / UDP(sport=5005, dport=7000, chksum=0) / b"abc", mine(5005))
        # no reset for a reset, no error for an error
        ask("rst for rst", ether / IP(src=me4, dst=WEB4) / TCP(sport=5006, dport=80, flags="R", seq=4), lambda e: TCP in e and e[TCP].dport == 5006)
        ask("error about an error", ether / IP(src=me4, dst=WEB4, ttl=1) / ICMP(type=3, code=3) / IP(src=WEB4, dst=me4) / UDP(), lambda e: ICMP in e)
        # other people's addresses
        ask("spoofed source", ether / IP(src="172.30.9.9", dst=WEB4) / udp(5007), mine(5007))
        ask("spoofed source v6", ether / IPv6(src="2001:db8::77", dst=WEB6) / udp(5008), mine(5008))
        ask("spoofed mac", Ether(src="02:00:00:00:00:99", dst=gwmac) / IP(src=me4, dst=WEB4) / udp(5009), mine(5009))
        ask("land", ether / IP(src=WEB4, dst=WEB4) / TCP(sport=80, dport=80), lambda e: TCP in e)
        ask("gateway as source", ether / IP(src=gw4, dst=gw4) / udp(5010), mine(5010))
        ask("gateway as source tcp", ether / IP(src=gw4, dst=WEB4) / TCP(sport=5011, dport=80), lambda e: TCP in e and e[TCP].dport == 5011)
        ask("multicast source", ether / IP(src="224.0.0.1", dst=WEB4) / udp(5012), mine(5012))
        ask("loopback source", ether / IP(src="127.0.0.1", dst=WEB4) / udp(5013), mine(5013))
        ask("another mac's frame", Ether(src=mac, dst="02:00:00:00:00:98") / IP(src=me4, dst=WEB4) / udp(5014), mine(5014))
        # source routing and the like
        ask("loose source route", ether / IP(src=me4, dst=WEB4, options=IPOption(b"\\x83\\x07\\x04" + socket.inet_aton(ALT4))) / udp(5015),
            lambda e: UDP in e and e[UDP].dport == 5015)
        ask("record route", ether / IP(src=me4, dst=WEB4, options=IPOption(b"\\x07\\x07\\x04\\0\\0\\0\\0")) / udp(5016),
            lambda e: UDP in e and e[UDP].dport == 5016)
        ask("routing header", ether / IPv6(src=me6, dst=WEB6) / IPv6ExtHdrRouting(type=0, addresses=[ALT6]) / udp(5017),
            lambda e: UDP in e and e[UDP].dport == 5017)
        p = ether / IPv6(src=me6, dst=WEB6)
        for i in range(100):
            p = p / IPv6ExtHdrDestOpt()
        ask("100 extension headers", p / udp(5018), lambda e: UDP in e and e[UDP].dport == 5018)
        # link layer
        ask("vlan", ether / Dot1Q(vlan=5) / IP(src=me4, dst=WEB4) / udp(5019), mine(5019))
        ask("llc", Ether(src=mac, dst=gwmac, type=20) / LLC() / b"abcdefg", mine(0))
        ask("arp for another", Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac, psrc=me4, pdst="172.31.255.9"), lambda e: ARP in e)
        ask("arp probe for our own address", Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac, psrc="0.0.0.0", pdst=me4), lambda e: ARP in e and e[ARP].op == 2)
        # fragments
        f = lambda off, mf, data, id: ether / IP(src=me4, dst=WEB4, id=id, flags="MF" if mf else 0, frag=off, proto=1) / data
        echo = bytes(ICMP(id=55, seq=1) / (b"q" * 56))
        ask("overlap", [f(0, 1, echo[:32], 61), f(3, 1, b"E" * 16, 61), f(4, 0, echo[32:], 61)], lambda e: ICMP in e and e[ICMP].type == 0)
        ask("same place, other bytes", [f(0, 1, echo[:32], 62), f(0, 1, b"\\x08" + b"X" * 31, 62), f(4, 0, echo[32:], 62)],
            lambda e: ICMP in e and e[ICMP].type == 0)
        ask("past 65535", [f(0, 1, echo[:32], 63)] + [f(8189 + i, i < 1, b"P" * 32, 63) for i in range(2)], lambda e: ICMP in e and e[ICMP].type == 0)
        ask("length not a multiple of 8", [f(0, 1, echo[:30], 64), f(4, 0, echo[32:], 64)], lambda e: ICMP in e and e[ICMP].type == 0)
        result = r
    """)
    assert got == {}, "answered: %s" % got


@test(links=True, smoke=True)
def test_spoofing_the_lan_changes_nothing(t):
    got = attack(t, """
        for i in range(50):
            send(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=mac, psrc=gw4, hwdst=gwmac, pdst=gw4))
            send(Ether(src="02:00:00:00:00:77", dst=gwmac) / ARP(op=2, hwsrc="02:00:00:00:00:77", psrc=me4, hwdst=gwmac, pdst=gw4))
            send(Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src="fe80::7", dst="ff02::1", hlim=255) /
                 ICMPv6ND_NA(tgt=gw6, R=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac))
            send(Ether(src="02:00:00:00:00:77", dst=gwmac) / IPv6(src=me6, dst=gw6, hlim=255) /
                 ICMPv6ND_NA(tgt=me6, O=1) / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:77"))
            send(Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src="fe80::7", dst="ff02::1", hlim=255) / ICMPv6ND_RA() /
                 ICMPv6NDOptPrefixInfo(prefix="fd99::", prefixlen=64))
            send(ether / IP(src=gw4, dst=me4) / UDP(sport=67, dport=68) / BOOTP(op=2, yiaddr="172.16.0.99") / DHCP(options=[("message-type", "ack"), "end"]))
            send(ether / IP(src=me4, dst=gw4) / UDP(sport=68, dport=67) / BOOTP(ciaddr=me4) / DHCP(options=[("message-type", "release"), "end"]))
            send(ether / IP(src=me4, dst=gw4) / UDP(sport=68, dport=67) / BOOTP() / DHCP(options=[("message-type", "decline"), ("requested_addr", me4), "end"]))
        result = [attempt(WEB4, 80), attempt(WEB6, 80)]
    """)
    assert [r for r, _ in got] == ["ok", "ok"], got


@test(links=True, smoke=True)
def test_never_ending_fragments_are_bounded_and_honest_ones_get_through_again(t):
    got = attack(t, """
        for i in range(3000):
            send(ether / IP(src=me4, dst=WEB4, id=i, flags="MF", frag=rnd.randrange(8000), proto=17) / (b"n" * 1400))
            send(ether / IPv6(src=me6, dst=WEB6) / IPv6ExtHdrFragment(id=i, m=1, offset=rnd.randrange(8000), nh=17) / (b"n" * 1400))
        for i in range(2000):
            send(ether / IP(src=me4, dst=WEB4, id=7, flags="MF", frag=i, proto=17) / (b"t" * 8))
        result = 0
        end = time.monotonic() + 20
        while not result and time.monotonic() < end:
            result = udp_ask(WEB4, 7000, pattern(9000), timeout=2)[0] == pattern(9000) and udp_ask(WEB6, 7000, pattern(9000), timeout=2)[0] == pattern(9000)
    """, timeout=60)
    assert got is True


@test(links=True, smoke=True)
def test_floods_of_syns_sessions_and_echoes_are_bounded(t):
    got = attack(t, """
        for i in range(3000):
            send(ether / IP(src=me4, dst=DEAD4) / TCP(sport=1024 + i, dport=80, seq=i))
            send(ether / IP(src=me4, dst=WEB4) / UDP(sport=1024 + i, dport=7000) / b"x")
            send(ether / IP(src=me4, dst=WEB4) / ICMP(id=i, seq=1) / b"x")
        result = [attempt(WEB4, 80, 5), attempt(WEB6, 80, 5), udp_ask(WEB4, 7000, b"x", timeout=5)[0] == b"x"]
    """, timeout=60)
    assert got[0][0] == got[1][0] == "ok" and got[2], got


@test(links=True, smoke=True)
def test_segments_that_do_not_fit_an_open_connection_do_not_harm_it(t):
    """Wrong numbers, flags and sizes on the very connection that carries the honest flow."""
    attack(t, """
        s = honest.socks[0]
        sport = s.getsockname()[1]
        for i in range(3000):
            flags = rnd.choice(["A", "PA", "S", "SA", "R", "RA", "FA", "FPU", "", "SFR", "UA", "SAFRPU"])
            send(ether / IP(src=me4, dst=WEB4) / TCP(sport=sport, dport=7002, flags=flags, seq=rnd.randrange(1 << 32),
                 ack=rnd.randrange(1 << 32), window=rnd.choice([0, 1, 65535]), urgptr=rnd.choice([0, 1, 65535]),
                 options=[("Timestamp", (0, 0))] if rnd.random() < .7 else []) / (b"j" * rnd.choice([0, 1, 100, 1400])))
        result = 0
    """)


@test(links=True, smoke=True)
def test_random_frames_and_damaged_ones(t):
    n = attack(t, """
        result = 0
        for i in range(4000):
            result += send(bytes.fromhex(gwmac.replace(":", "") + mac.replace(":", "")) + rnd.choice([b"\\x08\\0", b"\\x86\\xdd", b"\\x08\\x06"]) +
                           rnd.randbytes(rnd.randrange(0, 200)))
        base = [bytes(k) for k in kinds()]
        for i in range(12000):
            b = bytearray(rnd.choice(base))
            for _ in range(rnd.randrange(1, 5)):
                b[rnd.randrange(12, len(b))] = rnd.randrange(256)
            result += send(b)
    """, timeout=60)
    assert n > 15000, n


@test(links=True)
def test_an_oversized_frame_and_a_super_frame_without_offload_are_survived(t):
    attack(t, """
        for n in (1400, 1486, 1499, 1500, 1501, 1514):
            send(ether / IP(src=me4, dst=WEB4) / UDP(sport=6001, dport=7000) / (b"o" * (n - 42)))
            send(ether / IP(src=me4, dst=WEB4) / TCP(sport=6002, dport=80, flags="PA") / (b"o" * (n - 54)))
        result = 0
    """)


@test(alone=True, release=True)
def test_a_flood_does_not_grow_weir(t):
    p = t.spawn("--map-root", cmd=t.py_cmd(PRE + """
print("ready", flush=True)
sys.stdin.readline()
pool = [bytes(ether / IP(src=me4, dst=rnd.choice([WEB4, DEAD4])) / TCP(sport=rnd.randrange(1024, 65535), dport=rnd.choice([80, 9, 7002]),
        flags=rnd.choice(["S", "S", "S", "A", "PA", "F"]), seq=rnd.randrange(1 << 32)) / (b"x" * rnd.randrange(0, 200))) for i in range(3000)]
pool += [bytes(ether / IP(src=me4, dst=WEB4) / UDP(sport=rnd.randrange(1024, 65535), dport=7000) / b"x") for i in range(1000)]
end = time.monotonic() + 8
while time.monotonic() < end:
    for b in rnd.sample(pool, 200):
        send(b)
    time.sleep(0.005)
print(json.dumps(honest.verdict()), flush=True)
print("done", flush=True)
sys.stdin.readline()
"""), stdin=subprocess.PIPE)
    p.wait_for("ready")

    def rss():
        with open("/proc/%d/status" % p.pid) as f:
            return int([x for x in f if x.startswith("VmRSS")][0].split()[1])
    p.write(b"\n")
    time.sleep(2)
    peak = [rss()]
    while "done" not in p.out:
        peak.append(rss())
        time.sleep(0.2)
        assert time.monotonic() - p.t0 < 50, p.err
    assert '"error": null' in p.out and '"moves": true' in p.out, p.out
    assert max(peak) < 120 * 1024, "%d KiB" % max(peak)
    p.write(b"\n")
    p.wait()


@test(links=True, smoke=True)
def test_nothing_with_a_spoofed_source_leaves_the_host(t):
    dump = t.internet_go(["tcpdump", "-lnni", "eth0", "udp and dst port 7777"])
    dump.wait_for("listening on", where="err")
    attack(t, """
        for i in range(20):
            send(ether / IP(src="172.30.9.9", dst=WEB4) / UDP(sport=7777, dport=7777) / b"s")
            send(ether / IP(src=HOST4, dst=WEB4) / UDP(sport=7777, dport=7777) / b"s")
            send(ether / IPv6(src="2001:db8:77::99", dst=WEB6) / UDP(sport=7777, dport=7777) / b"s")
            send(ether / IP(src=me4, dst="224.0.0.251") / UDP(sport=7777, dport=7777) / b"s")
            send(ether / IP(src=me4, dst="255.255.255.255") / UDP(sport=7777, dport=7777) / b"s")
        result = 0
    """)
    dump.stop()
    assert "7777" not in dump.out, dump.out

