# SPDX-License-Identifier: Apache-2.0
"""What may be reached, and how a refusal looks. Every refusal is prompt."""
import socket
import threading

import lab
from harness import test

PROMPT = 0.5  # seconds


class HostServer:
    """Something that listens on the host, and counts who came."""

    def __init__(self, t, addr):
        self.port = t.port()
        self.came = 0
        self.s = socket.create_server((addr, self.port), family=socket.AF_INET6 if ":" in addr else socket.AF_INET)
        self.u = socket.socket(self.s.family, socket.SOCK_DGRAM)
        self.u.bind((addr, self.port))
        threading.Thread(target=self.tcp, daemon=True).start()
        threading.Thread(target=self.udp, daemon=True).start()

    def tcp(self):
        while True:
            c, _ = self.s.accept()
            self.came += 1
            c.sendall(b"host")
            c.close()

    def udp(self):
        while True:
            _, peer = self.u.recvfrom(2000)
            self.came += 1
            self.u.sendto(b"host", peer)


def refused(got):
    """Every TCP attempt refused, every UDP question answered by an error, at once."""
    return all(r not in ("ok", "timeout") and s < PROMPT for r, s in got)


@test(links=True, smoke=True)
def test_private_link_local_and_metadata_addresses_are_refused_promptly(t):
    got = t.py("""
        r = {}
        for a in ("10.0.0.1", "172.16.99.1", "192.168.77.1", "169.254.169.254", "169.254.1.1", "100.64.0.1", "100.100.100.200",
                  "192.0.0.192", "fd00::1", "fd00:ec2::254", "fc00::7"):
            u = udp_ask(a, 80, timeout=3)
            r[a] = [attempt(a, 80, 5), [str(u[0]), u[1]]]
        out(r)
    """)
    bad = {a: r for a, r in got.items() if not refused(r)}
    assert not bad, bad


@test(links=True, smoke=True)
def test_the_hosts_own_addresses_are_refused_in_every_spelling(t):
    a, b = HostServer(t, lab.HOST4), HostServer(t, lab.HOST6)
    lo4, lo6 = HostServer(t, "127.0.0.1"), HostServer(t, "::1")
    code = """
        r = {}
        def v4(a):
            x = ipaddress.ip_address(a).packed
            return ["::ffff:" + a, "::" + a, "64:ff9b::" + a, str(ipaddress.IPv6Address(b"\\x20\\x02" + x + bytes(10)))]
        for a, port in ((HOST4, %d), (HOST6, %d)):
            r[a] = attempt(a, port, 5)
        for a, port in ((HOST4, %d), ("127.0.0.1", %d), ("169.254.169.254", 80), ("10.0.0.1", 80)):
            for s in v4(a):
                if s.startswith("::ffff:"):
                    continue    # the guest's own kernel makes IPv4 of it
                r[s] = attempt(s, port, 5)
                u = udp_ask(s, port, timeout=3)
                r[s + " udp"] = [str(u[0]), u[1]]
        r["0.0.0.0"] = attempt(default_gateway(4), %d, 5)
        out(r)
    """ % (a.port, b.port, a.port, lo4.port, lo4.port)
    got = t.py(code)
    bad = {k: v for k, v in got.items() if not refused([v])}
    assert not bad, bad
    assert [s.came for s in (a, b, lo4, lo6)] == [0, 0, 0, 0]


@test(links=True, smoke=True)
def test_the_gateways_address_reaches_the_hosts_loopback_only_with_host(t):
    lo4, lo6 = HostServer(t, "127.0.0.1"), HostServer(t, "::1")
    code = """
        r = []
        for fam, port in ((4, %d), (6, %d)):
            g = gateway_address(fam)
            a = attempt(g, port, 5)
            u = udp_ask(g, port, timeout=3)
            r += [a, [u[0].decode() if isinstance(u[0], bytes) else u[0], u[1]]]
        out(r)
    """ % (lo4.port, lo6.port)
    got = t.py(code)
    assert refused(got) and lo4.came == lo6.came == 0, got
    got = t.py(code, "--net", "public,host")
    assert [r for r, _ in got] == ["ok", "host", "ok", "host"], got


@test(smoke=True)
def test_host_weir_internal_is_the_host_with_host(t):
    s = HostServer(t, "127.0.0.1")
    got = t.py("out(attempt('host.weir.internal', %d, 5))" % s.port, "--net", "host")
    assert got[0] == "ok", got
    got = t.py("out(attempt('host.weir.internal', %d, 5))" % s.port)
    assert refused([got]), got


@test(smoke=True)
def test_the_other_loopback_family_is_tried_when_one_refuses(t):
    s = HostServer(t, "::1")
    got = t.py("out(attempt(default_gateway(4), %d, 5))" % s.port, "--net", "host")
    assert got[0] == "ok", got


@test(smoke=True)
def test_with_net_none_nothing_is_reached_and_all_is_refused_promptly(t):
    got = t.py("""
        r = [attempt(h, 80, 5) for h in (WEB4, WEB6)]
        for h in (WEB4, WEB6):
            u = udp_ask(h, 7000, timeout=3)
            r.append([str(u[0]), u[1]])
        out(r)
    """, "--net", "none")
    assert refused(got), got


@test(smoke=True)
def test_with_net_private_the_lan_is_reached(t):
    got = t.py("out([attempt(R1_4, 9, 5), attempt(WEB4, 80, 5)])", "--net", "private")
    assert got[0][0] == "ECONNREFUSED" and got[1][0] not in ("ok", "timeout"), got
    r = t.run("--net", "private", cmd=["ping", "-c", "1", "-W", "2", lab.R1_4])
    assert "1 received" in r.out, r


@test(smoke=True)
def test_with_net_all_everything_is_reached(t):
    got = t.py("out([attempt(WEB4, 80, 5), attempt(R1_4, 9, 5)])", "--net", "all")
    assert got[0][0] == "ok" and got[1][0] == "ECONNREFUSED", got


@test(smoke=True)
def test_rules_decide_in_order_by_address_protocol_and_port(t):
    code = """
        r = [attempt(WEB4, 80, 5), attempt(WEB4, 443, 5), attempt(ALT4, 80, 5), attempt(WEB6, 80, 5)]
        u = udp_ask(WEB4, 7000, b"x", timeout=3)
        out(r + [["ok" if u[0] == b"x" else str(u[0]), u[1]]])
    """
    for opts, want in (
        (["--net", "public", "--deny", lab.WEB4 + ":tcp:80"], "-++++"),
        (["--net", "public", "--deny", lab.WEB4], "--++-"),
        (["--net", "public", "--deny", lab.WEB4 + ":udp"], "++++-"),
        (["--net", "public", "--allow", lab.WEB4 + ":tcp:443", "--deny", lab.WEB4], "-+++-"),
        (["--net", "public", "--deny", lab.WEB4, "--allow", lab.WEB4 + ":tcp:443"], "--++-"),
        (["--net", "public", "--deny", "198.51.100.0/24"], "---+-"),
        (["--net", "public", "--rule", "deny@public:tcp:443,8000-8100"], "+-+++"),
        (["--default-egress", "allow", "--deny", lab.WEB4], "--++-"),
        (["--allow", lab.WEB4 + ":tcp:80"], "+----"),
        (["--net", "none", "--allow", lab.WEB4 + ":tcp:80"], "+----"),
        (["--net", "none", "--allow", "[%s]:tcp:80" % lab.WEB6], "---+-"),
    ):
        got = t.py(code, *opts)
        have = "".join("+" if r == "ok" else "-" for r, _ in got)
        assert have == want, (opts, want, got)
        assert all(s < PROMPT for r, s in got), (opts, got)


@test(smoke=True)
def test_a_rule_may_open_one_private_address(t):
    got = t.py("out([attempt(R1_4, 9, 5), attempt('192.168.77.3', 9, 5)])", "--allow", lab.R1_4)
    assert got[0][0] == "ECONNREFUSED" and refused(got[1:]), got


@test(smoke=True)
def test_ipv6_is_refused_promptly_when_only_ipv4_is_ruled(t):
    got = t.py("out([attempt('web.test', 80, 5), attempt(WEB6, 80, 5)])", "--allow", lab.WEB4)
    assert got[0][0] == "ok" and got[0][1] < 1 and refused(got[1:]), got


@test(smoke=True)
def test_each_refusal_is_in_the_summary_with_its_reason(t):
    r = t.run("--net", "public", "--deny", lab.ALT4 + ":tcp", sh="curl -s -m 3 http://10.1.2.3/; curl -s -m 3 http://%s/; curl -s -m 3 http://169.254.169.254/; true" % lab.ALT4)
    for a in ("10.1.2.3", lab.ALT4, "169.254.169.254"):
        assert a in r.err, r
    assert "deny@" + lab.ALT4 in r.err, r


@test(smoke=True)
def test_alternative_name_services_are_refused(t):
    got = t.py("""
        r = []
        for a, port in ((WEB4, 5353), (WEB4, 5355), (WEB4, 137), (WEB6, 853), (WEB4, 853)):
            u = udp_ask(a, port, timeout=3)
            r.append([str(u[0]), u[1]])
        out(r)
    """)
    assert refused(got), got


@test(smoke=True)
def test_multicast_and_broadcast_reach_nothing_and_harm_nothing(t):
    got = t.py("""
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        n = 0
        for a in ("255.255.255.255", "224.0.0.251", "239.1.2.3", "198.51.100.255"):
            for i in range(50):
                try:
                    s.sendto(b"x", (a, 7000))
                    n += 1
                except OSError:
                    pass
        out([n, attempt(WEB4, 80, 5)])
    """)
    assert got[0] > 0 and got[1][0] == "ok", got
