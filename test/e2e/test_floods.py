# SPDX-License-Identifier: Apache-2.0
"""
More than a table holds: SYNs, datagrams and echo requests as fast as they can be sent, beside honest flows
(rawframes.py). The caps hold, the oldest make room where they should, and what was refused has its reason.
"""
from harness import test
from rawframes import attack

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
