# SPDX-License-Identifier: Apache-2.0
"""Echo, its errors, and the programs that trace a path."""
import re

import lab
from harness import test


def hops(text):
    """Hop number -> the addresses and marks on its line."""
    r = {}
    for line in text.split("\n"):
        m = re.match(r"\s*(\d+)[.:?]*\s+(.*)", line)
        if m:
            r.setdefault(int(m.group(1)), m.group(2))
    return r


@test(links=True, smoke=True)
def test_ping_is_answered_by_the_far_host(t):
    for a in (lab.WEB4, lab.WEB6):
        r = t.run(cmd=["ping", "-c", "5", "-i", "0.2", a])
        assert "5 received, 0% packet loss" in r.out, r


@test(links=True, smoke=True)
def test_ping_with_8000_bytes_is_answered(t):
    for a in (lab.WEB4, lab.WEB6):
        r = t.run(cmd=["ping", "-c", "3", "-i", "0.2", "-s", "8000", a])
        assert "3 received, 0% packet loss" in r.out and "8008 bytes from" in r.out, r


@test(links=True)
def test_the_largest_ping_is_answered(t):
    for a, n in ((lab.WEB4, 65507), (lab.WEB6, 65487)):
        r = t.run(cmd=["ping", "-c", "2", "-i", "0.2", "-s", str(n), a])
        assert "2 received" in r.out, r


@test(smoke=True)
def test_the_gateway_answers_ping(t):
    got = t.py("""
        r = []
        for fam in (4, 6):
            g = default_gateway(fam)
            if g.startswith("fe80"):
                g += "%eth0"
            r.append(subprocess.call(["ping", "-c", "2", "-i", "0.2", g], stdout=subprocess.DEVNULL))
        out(r)
    """)
    assert got == [0, 0], got


@test(smoke=True)
def test_an_unreachable_host_is_told_to_ping(t):
    for a in (lab.UNREACH4, lab.UNREACH6):
        r = t.run(cmd=["ping", "-c", "3", "-i", "0.5", "-W", "1", a], rc=1)
        assert re.search("(Host|Address|address) [Uu]nreachable|No route", r.out + r.err), r


@test(smoke=True)
def test_a_dead_host_is_silence_to_ping(t):
    for a in (lab.DEAD4, lab.DEAD6):
        r = t.run(cmd=["ping", "-c", "2", "-i", "0.2", "-W", "1", a], rc=1)
        assert "0 received" in r.out and "nreachable" not in r.out, r


@test(smoke=True)
def test_a_denied_host_is_told_to_ping_promptly(t):
    for a in (lab.R1_4, "fd00:1::1"):
        r = t.run(cmd=["ping", "-c", "1", "-W", "3", a], rc=1)
        assert re.search("prohibited|[Ff]iltered|nreachable", r.out) and r.seconds < 2, r


@test(smoke=True)
def test_pings_payload_identity_and_sequence_are_kept(t):
    r = t.run(cmd=["ping", "-c", "3", "-i", "0.2", "-p", "a5", "-s", "100", lab.WEB4])
    assert "wrong data" not in r.out and all("icmp_seq=%d " % i in r.out for i in (1, 2, 3)), r
    assert "DUP" not in r.out, r


@test(smoke=True)
def test_ttl_that_ends_on_the_way_is_told_by_that_hop(t):
    r = t.run(cmd=["ping", "-c", "1", "-t", "1", lab.WEB4], rc=1)
    assert "Time to live exceeded" in r.out, r
    r = t.run(cmd=["ping", "-c", "1", "-t", "2", lab.WEB4], rc=1)
    assert lab.R1_4 in r.out and "Time to live exceeded" in r.out, r
    r = t.run(cmd=["ping", "-c", "1", "-t", "3", lab.WEB6], rc=1)
    assert lab.R2_6 in r.out and "Time exceeded" in r.out, r


@test(links=True, smoke=True)
def test_traceroute_with_udp_shows_the_path(t):
    for a, r1, r2 in ((lab.WEB4, lab.R1_4, lab.R2_4), (lab.WEB6, lab.R1_6, lab.R2_6)):
        r = t.run(cmd=["traceroute", "-n", "-q", "2", "-w", "2", "-U", "-p", "4242", a])
        h = hops(r.out)
        assert "*" not in h[1] and r1 in h[2] and r2 in h[3] and a in h[4] and len(h) == 4, r


@test(links=True, smoke=True)
def test_traceroute_with_the_classic_udp_ports_shows_the_path(t):
    for a, r1, r2 in ((lab.WEB4, lab.R1_4, lab.R2_4), (lab.WEB6, lab.R1_6, lab.R2_6)):
        r = t.run(cmd=["traceroute", "-n", "-q", "1", "-N", "1", "-w", "2", a])
        h = hops(r.out)
        assert r1 in h[2] and r2 in h[3] and a in h[4] and len(h) == 4, r


@test(links=True, smoke=True)
def test_traceroute_with_icmp_shows_the_path(t):
    for a, r1, r2 in ((lab.WEB4, lab.R1_4, lab.R2_4), (lab.WEB6, lab.R1_6, lab.R2_6)):
        r = t.run("--map-root", cmd=["traceroute", "-n", "-q", "2", "-w", "2", "-I", a])
        h = hops(r.out)
        assert "*" not in h[1] and r1 in h[2] and r2 in h[3] and a in h[4] and len(h) == 4, r


@test()
def test_tracepath_finds_the_narrow_link(t):
    t.need("tracepath")
    r = t.run(cmd=["tracepath", "-n", "-m", "6", lab.NARROW4])
    assert "pmtu %d" % lab.NARROW_MTU in r.out, r


@test(smoke=True)
def test_mtr_shows_the_path(t):
    t.need("mtr")
    for a, r1, r2 in ((lab.WEB4, lab.R1_4, lab.R2_4), (lab.WEB6, lab.R1_6, lab.R2_6)):
        r = t.run("--map-root", cmd=["mtr", "-n", "-r", "-c", "2", "-i", "0.3", "-G", "1", a], timeout=40)
        assert r1 in r.out and r2 in r.out and a in r.out, r
        last = [line for line in r.out.split("\n") if a in line][-1]
        assert " 0.0%" in last, r


@test(smoke=True)
def test_where_ping_sockets_are_forbidden_it_is_said_once_and_told_promptly(t):
    code = "echo '1 0' > /proc/sys/net/ipv4/ping_group_range; ip link set lo up; ip link add eth0 type veth peer name peer; " \
           "ip link set peer up; ip addr add 192.168.5.2/24 dev eth0; ip link set eth0 up; ip route add default via 192.168.5.1; exec \"$@\""
    r = t.host(["unshare", "--net", "sh", "-c", code, "sh", "setpriv", "--reuid=%d" % lab.USER_ID, "--regid=%d" % lab.USER_ID,
                "--clear-groups"] + t.argv([], ["ping", "-c", "3", "-i", "0.2", "-W", "2", lab.WEB4]), rc=None)
    assert r.rc == 1 and re.search("prohibited|[Ff]iltered|nreachable", r.out), r
    assert r.err.count("ping_group_range") == 1, r


@test()
def test_a_flood_of_pings_is_answered(t):
    r = t.run("--map-root", cmd=["ping", "-f", "-c", "2000", lab.WEB4], timeout=40)
    m = re.search(r"(\d+) received", r.out)
    assert int(m.group(1)) >= 1990, r
