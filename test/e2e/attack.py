# SPDX-License-Identifier: Apache-2.0
"""
What the tests of the attack table (test_attack_*.py) share: a site of their own, whose servers tell what reached
them, a canary on the host, and bytes that an honest client never sends (hello.py, for the sandbox).
"""
import json
import os
import shutil
import socket
import textwrap
import threading
import time

import lab
import zones

HERE = os.path.dirname(os.path.abspath(__file__))


def tell(address, port, line):
    with socket.create_connection((address, port), 10) as s:
        s.sendall(line.encode() + b"\n")
        return json.loads(s.makefile().read())


class Site:
    """
    Names of this test alone: site.good("one") and site.evil("turn-site-7f000001"), see zones.py. All that have no other
    address share the site's. Their servers and their name server tell what came: seen(), queries().
    """

    def __init__(self, t):
        self.t, self.n = t, t.number % lab.SITES
        self.a4, self.a6 = zones.site_of(self.n)
        self.hex4 = socket.inet_aton(self.a4).hex()
        self.zone = "t%d.good.zone" % self.n
        tell(lab.ORIGIN4, 7098, "clear t%d" % self.n)
        self.clear()
        shutil.copy(HERE + "/hello.py", t.dir)

    def good(self, label):
        return "%s.%s" % (label, self.zone)

    def evil(self, label):
        return "%s.t%d.evil.zone" % (label, self.n)

    def clear(self):
        tell(lab.ORIGIN4, 7099, "clear %s %s" % (self.a4, self.a6))

    def queries(self, label=None):
        """[name, type, transport, address that was asked] of each question that reached the name server."""
        got = tell(lab.ORIGIN4, 7098, "t%d" % self.n)
        return [q for q in got if label is None or q[0].split(".")[0] == label]

    def seen(self):
        """{proto, port, at, data, n} of each connection and datagram that reached the servers."""
        return tell(lab.ORIGIN4, 7099, "%s %s" % (self.a4, self.a6))

    def names(self):
        """The server names that the TLS servers were asked for."""
        return [r["sni"] for r in self.seen() if r["sni"]]

    def bytes(self):
        """Everything that the servers got, in one string."""
        return "".join(r["data"] for r in self.seen())

    def got_nothing(self):
        """Nothing but connections without a byte."""
        time.sleep(0.05)
        return all(r["n"] == 0 and r["proto"] == "tcp" for r in self.seen())

    def py(self, code, *opts, **kw):
        """t.py() with what an attacker needs in scope: `one`, `two`, `evil(label)`, A4, A6, hello()."""
        return self.t.py(self.code(code), *opts, **kw)

    def run(self, code, *opts, **kw):
        """The same; the result as well as how weir ended."""
        r = self.t.run(*opts, cmd=self.t.py_cmd(self.code(code)), **kw)
        return json.loads(r.out.strip().split("\n")[-1]), r

    def code(self, code):
        return """from hello import *
A4, A6, N = %r, %r, %d
def good(label): return label + ".t%%d.good.zone" %% N
def evil(label): return label + ".t%%d.evil.zone" %% N
one, two, three = good("one"), good("two"), good("three")
""" % (self.a4, self.a6, self.n) + textwrap.dedent(code)


def quic_initials(s, label, *opts):
    """The first datagrams of a QUIC client that wants this name, caught where they arrive."""
    s.t.need("gtlsclient")
    name, end = s.good(label), time.monotonic() + 10
    s.clear()
    p = s.t.go(["gtlsclient", "-q", "--timeout=5s", *opts, name, "443", "https://%s/" % name])
    while not s.seen() and time.monotonic() < end:
        time.sleep(0.02)
    p.p.kill()
    got = [r["data"].encode("latin-1") for r in s.seen()]
    s.clear()
    return got


class Canary:
    """Listens on the host's loopback and LAN addresses: whoever comes is noted."""

    def __init__(self, t, *more):
        self.port, self.came = t.port(), []
        for a in ("127.0.0.1", "::1", lab.HOST4, lab.HOST6) + more:
            family = socket.AF_INET6 if ":" in a else socket.AF_INET
            s = socket.create_server((a, self.port), family=family)
            u = socket.socket(family, socket.SOCK_DGRAM)
            u.bind((a, self.port))
            threading.Thread(target=self.tcp, args=(s, a), daemon=True).start()
            threading.Thread(target=self.udp, args=(u, a), daemon=True).start()

    def tcp(self, s, a):
        while True:
            c, _ = s.accept()
            self.came.append(["tcp", a])
            c.close()

    def udp(self, u, a):
        while True:
            u.recvfrom(2000)
            self.came.append(["udp", a])


def events(path, *kinds):
    with open(path) as f:
        got = [json.loads(line) for line in f]
    return [e for e in got if not kinds or e["event"] in kinds]


def refused(got, seconds=1.0):
    """[word, seconds] of attempts: each failed at once, and not by silence."""
    return all(r not in ("ok", "timeout") and s < seconds for r, s in got)
