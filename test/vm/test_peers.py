# SPDX-License-Identifier: Apache-2.0
"""VMMs that are not QEMU, as far as weir can tell: libkrun, vfkit, what was made for vpnkit (peer.py)."""
import hashlib
import json
import socket
import time

import lab
import weir
from peer import FRAME_MAX, Guest, Wire, mac_bytes
from services import pattern
from stories import story

MIB8 = 8 << 20


def up_and_down(t, g, chunk, most):
    """Data both ways over both families. `chunk`: of what is sent, before headers."""
    ip6 = socket.inet_pton(socket.AF_INET6, "fd42:6d73:62::2")
    for name, me, to in (("IPv4", g.ip, socket.inet_aton(lab.WEB4)), ("IPv6", ip6, socket.inet_pton(socket.AF_INET6, lab.WEB6))):
        piece = chunk - (54 if name == "IPv4" else 74)
        with t.check("8 MiB out over %s in frames of %d bytes" % (name, chunk)):
            line = b"sink peer%d%s\n" % (t.number, name.encode())
            got = json.loads(g.talk(me, to, 7000, line + pattern(MIB8), piece))
            assert got["bytes"] == MIB8 and got["end"] == "eof", got
            assert got["sha"] == hashlib.sha256(pattern(MIB8)).hexdigest()
        with t.check("8 MiB in over %s in frames of at most %d bytes" % (name, most)):
            g.longest = 0  # from here on
            got = g.talk(me, to, 7000, b"source %d\n" % MIB8, piece)
            assert got == pattern(MIB8)
            assert g.longest <= most, g.longest


@story(links=("stream", "dgram"), timeout=30)
def libkrun_gets_its_address_at_once_and_sends_what_it_likes(t):
    path = t.dir + "/krun.sock"
    weir.Serve(t, [(t.link, path + ",offload=libkrun")], "--net", "public", *weir.LAB)
    w = Wire("vfkit" if t.link == "dgram" else "stream", path)
    g = Guest(w, mac_bytes(weir.mac(0)), partial=True, mss=65000)
    with t.check("DHCP by rapid commit within 100 ms", must=True):
        took, options = g.dhcp(rapid=True)
        assert took < 100, took
        assert 80 in options and socket.inet_ntoa(g.ip) == weir.ipv4(0), options
        assert options[1] == b"\xff\xff\xff\xfc" and options[6] == g.gw, options
        # Without option 26, libkrun's client takes an MTU of 65,520.
        assert int.from_bytes(options[26], "big") == 1500, options
    up_and_down(t, g, FRAME_MAX - 1, FRAME_MAX)
    with t.check("a frame of the longest kind (IPv6, %d bytes)" % FRAME_MAX):
        to = socket.inet_pton(socket.AF_INET6, lab.WEB6)
        me = socket.inet_pton(socket.AF_INET6, "fd42:6d73:62::2")
        data = b"echo\n" + pattern(FRAME_MAX - 74 - 5)
        assert g.talk(me, to, 7000, data, len(data)) == data[5:]


@story(links=("stream", "dgram", "vpnkit"), timeout=30)
def a_plain_peer_gets_plain_frames(t):
    path = t.dir + "/plain.sock"
    weir.Serve(t, [(t.link, path)], "--net", "public", *weir.LAB)
    w = Wire(t.link, path)
    g = Guest(w, mac_bytes(weir.mac(0)))
    if t.link == "vpnkit":
        with t.check("the handshake tells the guest's address and the sizes"):
            assert w.told == dict(mtu=1500, largest=1514, mac=g.mac), w.told
    with t.check("DHCP in two steps", must=True):
        took, options = g.dhcp()
        assert 80 not in options and socket.inet_ntoa(g.ip) == weir.ipv4(0), options
    up_and_down(t, g, 1514, 1514)


@story(links=("dgram",), timeout=20)
def vfkit_says_hello_and_comes_back_from_elsewhere(t):
    path = t.dir + "/vfkit.sock"
    weir.Serve(t, [("dgram", path)], "--net", "public", *weir.LAB)
    for time_number in ("first", "second"):
        w = Wire("vfkit", path)
        g = Guest(w, mac_bytes(weir.mac(0)))
        with t.check("a machine with a greeting, the %s time" % time_number):
            g.dhcp()
            got = g.talk(g.ip, socket.inet_aton(lab.WEB4), 7000, b"source 100000\n", 1400)
            assert got == pattern(100000)
        w.close()


@story(timeout=20)
def a_peer_that_breaks_the_rules_is_told_off_alone(t):
    """Lengths that no frame has, a second peer: none of it is felt behind the other link."""
    lengths = (0, 13, FRAME_MAX + 1, 0xFFFFFFFF)
    good, bad = t.dir + "/good.sock", ["%s/bad%d.sock" % (t.dir, n) for n in range(len(lengths))]
    s = weir.Serve(t, [("stream", p) for p in [good] + bad], "--net", "public", *weir.LAB)
    g = Guest(Wire("stream", good), mac_bytes(weir.mac(0)))
    g.dhcp()

    def works():
        assert g.talk(g.ip, socket.inet_aton(lab.WEB4), 7000, b"source 70000\n", 1400) == pattern(70000)
    for path, length in zip(bad, lengths):
        with t.check("a length of %d is the end of that connection" % length):
            w = Wire("stream", path)
            w.s.sendall(length.to_bytes(4, "big") + b"x" * 100)
            w.s.settimeout(3)
            try:
                while w.s.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            w.close()
            assert " %d bytes" % length in s.p.err, s.p.err
            works()
    bad = bad[0]
    with t.check("a second peer is turned away, the first one goes on"):
        first, second = Wire("stream", bad), Wire("stream", bad)
        h = Guest(first, mac_bytes(weir.mac(1)))
        h.dhcp()
        second.s.settimeout(3)
        try:
            assert second.s.recv(10) == b""
        except ConnectionResetError:
            pass
        assert h.talk(h.ip, socket.inet_aton(lab.WEB4), 7000, b"source 70000\n", 1400) == pattern(70000)
        second.close()
        first.close()
    with t.check("half a frame at the end is forgotten"):
        w = Wire("stream", bad)
        w.s.sendall((100).to_bytes(4, "big") + b"x" * 50)
        w.close()
        time.sleep(0.2)
        w = Wire("stream", bad)
        Guest(w, mac_bytes(weir.mac(1))).dhcp()
        works()
