# SPDX-License-Identifier: Apache-2.0
"""The rows of addresses of the attack table: each is judged by what it reaches, at every way in."""
import ipaddress
import json
import socket

import lab
from attack import Canary, Site, refused
from harness import test

METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"]
WIDE = ["--rule", "allow@any"], ["--rule", "allow@0.0.0.0/0", "--rule", "allow@[::/0]"], ["--net", "public,private"]


def embeddings(address):
    """An IPv4 address as IPv6 knows it: mapped, compatible, NAT64, 6to4 (with and without an interface), Teredo, ISATAP."""
    x = ipaddress.ip_address(address).packed
    return [str(ipaddress.IPv6Address(b)) for b in (bytes(10) + b"\xff\xff" + x, bytes(12) + x, bytes.fromhex("0064ff9b") + bytes(8) + x,
                                                    b"\x20\x02" + x + bytes(10), b"\x20\x02" + x + bytes(9) + b"\1",
                                                    bytes.fromhex("0064ff9b0001") + bytes(6) + x,
                                                    bytes.fromhex("200100004136e378800063bf") + bytes(b ^ 0xff for b in x),
                                                    bytes.fromhex("26064700") + bytes(4) + b"\0\0\x5e\xfe" + x)]


# What became of a TCP connection, a datagram and an echo request to each address; in threads, for pings are slow to give up.
TRY = """
from guest import attempt, udp_ask
import subprocess
def every(addresses, port):
    r = {}
    def one_address(a):
        u = udp_ask(a, port, timeout=3)
        t0 = time.monotonic()
        p = subprocess.run(["ping", "-n", "-c", "1", "-W", "3", a], capture_output=True, text=True)
        said = p.stdout + p.stderr
        ping = "ok" if p.returncode == 0 else "refused" if any(w in said for w in ("rohibited", "iltered", "nreachable")) else "timeout"
        r[a] = [attempt(a, port, 4), [u[0] if isinstance(u[0], str) else "ok", u[1]], [ping, time.monotonic() - t0]]
    threads = [threading.Thread(target=one_address, args=(a,)) for a in addresses]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    return r
"""


def every(s, addresses, port, *opts):
    """The words and seconds of all that was tried, and how weir ended."""
    code = TRY + "out(every(%r, %d))" % (list(addresses), port)
    got, r = s.run(code, *opts)
    return got, r


def not_refused(got, seconds=2.5):
    return {a: x for a, x in got.items() if not refused(x, seconds)}


@test(links=True, smoke=True)
def test_an_address_alone_is_refused_where_names_decide(t):
    s = Site(t)
    got, r = every(s, [s.a4, s.a6], 7000, "--allow", s.good("one"))
    assert not_refused(got, 1) == {} and s.seen() == [], (got, s.seen())
    assert r.err.count("no-binding") == 6, r


@test(smoke=True)
def test_the_other_family_is_refused_where_only_one_is_ruled(t):
    s = Site(t)
    for allowed, other in ((s.a4, s.a6), (s.a6, s.a4)):
        s.clear()
        got, r = every(s, [s.a4, s.a6], 7000, "--allow", "[%s]" % allowed if ":" in allowed else allowed)
        assert [x[0] for x in got[allowed]] == ["ok"] * 3 and refused(got[other], 1), (got, r)
        assert {x["at"] for x in s.seen()} == {allowed}, s.seen()
        # Nor as the other family writes it.
        if allowed == s.a4:
            got, r = every(s, [a for a in embeddings(allowed) if not a.startswith("::ffff:")], 7000, "--allow", allowed)
            assert not_refused(got) == {}, (got, r)


@test(smoke=True)
def test_metadata_services_are_out_of_reach_of_wide_rules(t):
    s = Site(t)
    for opts in WIDE:
        got, r = every(s, METADATA, 80, *opts)
        assert not_refused(got) == {}, (opts, got)
        assert r.err.count(" metadata ") >= 10, r
    # Where one is named, it is that one.
    t.host([t.weir, "check", "--allow", "169.254.169.254:tcp:80", "tcp", "169.254.169.254:80"])
    t.host([t.weir, "check", "--allow", "169.254.169.254:tcp:80", "tcp", "169.254.170.2:80"], rc=1)


@test(smoke=True)
def test_no_embedding_of_an_address_reaches_what_it_may_not(t):
    """The host, its loopback and the metadata service, in each form, in TCP, UDP and ICMP."""
    s, canary = Site(t), Canary(t)
    targets = [e for a in ("127.0.0.1", "127.9.9.9", lab.HOST4, "169.254.169.254") for e in embeddings(a)] + [lab.HOST4, lab.HOST6]
    for opts in WIDE + (["--net", "all", "--deny", "host", "--deny", "loopback", "--deny", "metadata", "--deny", "link-local"],):
        # The guest's kernel makes IPv4 of mapped ones, or keeps them to itself.
        got, r = every(s, [a for a in targets if not a.startswith("::ffff:")], canary.port, *opts)
        assert not_refused(got) == {}, (opts, got)
        asked = [w for a in targets for w in ("tcp", "[%s]:%d" % (a, canary.port) if ":" in a else "%s:%d" % (a, canary.port), "udp",
                                              "[%s]:%d" % (a, canary.port) if ":" in a else "%s:%d" % (a, canary.port), "icmp", a)]
        told = [json.loads(x) for x in t.host([t.weir, "check", *opts, "--json"] + asked, rc=1).out.splitlines()]
        assert len(told) == 3 * len(targets) and {x["verdict"] for x in told} == {"denied"}, (opts, [x for x in told if x["verdict"] != "denied"])
    assert canary.came == [], canary.came


@test(smoke=True)
def test_addresses_that_the_host_gets_later_are_its_own_at_once(t):
    """As a VPN or a container network brings them; every rule but one for `host` stops before them."""
    s = Site(t)
    a4, a6 = "10.99.%d.1" % s.n, "2001:db8:99::%x" % (s.n + 1)
    p = t.spawn("--rule", "allow@any", cmd=t.py_cmd(s.code(TRY + """
import sys
print(json.dumps(every(%r, 9)), flush=True)
sys.stdin.readline()
print("now", flush=True)
port = int(sys.stdin.readline())
print(json.dumps(every(%r, port)), flush=True)
""" % (["192.168.77.2"], [a4, a6] + [e for e in embeddings(a4) if not e.startswith("::ffff:")]))), stdin=-1)
    p.wait_for("}\n")
    try:
        lab.ip("addr", "add", a4 + "/32", "dev", "lo")
        lab.ip("addr", "add", a6 + "/128", "dev", "lo", "nodad")
        canary = Canary(t, a4, a6)
        p.write(b"\n")
        p.wait_for("now")
        p.write(b"%d\n" % canary.port)
        r = p.wait()
        got = json.loads(r.out.strip().split("\n")[-1])
        assert not_refused(got) == {} and canary.came == [], (got, canary.came, r)
    finally:
        lab.ip("addr", "del", a4 + "/32", "dev", "lo")
        lab.ip("addr", "del", a6 + "/128", "dev", "lo")


@test(smoke=True)
def test_networks_that_are_local_to_the_host_are_its_own(t):
    """A route of the table `local`, the network of an address on lo, and the address of all routers of a subnet, where the host is one."""
    s = Site(t)
    local4, local6, lo, lan = "198.51.%d.0" % (128 + s.n), "2620:fe:%x::" % (s.n + 1), "203.0.%d.0" % (128 + s.n), "2620:fe:%x::" % (0x100 + s.n)
    link = "any%d" % s.n
    def own(*cmd):
        lab.sh(["ip"] + list(cmd))
    own("route", "add", "local", local4 + "/24", "dev", "lo")
    own("-6", "route", "add", "local", local6 + "/64", "dev", "lo")
    own("addr", "add", lo[:-1] + "1/24", "dev", "lo")
    own("link", "add", link, "type", "veth", "peer", "name", link + "p")
    lab.sysctl(None, **{"net__ipv6__conf__%s__forwarding" % link: 1})
    own("addr", "add", lan + "7/64", "dev", link, "nodad")
    own("link", "set", link, "up")
    own("link", "set", link + "p", "up")
    try:
        # No address of such a network can be bound without more ado; what is bound to none has them all.
        targets, port = [local4[:-1] + "9", local6 + "9", lo[:-1] + "9", lan, lan + "7"], t.port()
        with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as tcp, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            udp.bind(("::", port))
            for x in (tcp, udp):
                x.setblocking(False)
            for opts in WIDE:
                got, r = every(s, targets + [e for e in embeddings(targets[0]) if not e.startswith("::ffff:")], port, *opts)
                assert not_refused(got) == {}, (opts, got)
                for come in (tcp.accept, lambda: udp.recvfrom(100)):
                    try:
                        raise AssertionError((opts, come()))
                    except BlockingIOError:
                        pass
            got, r = every(s, targets[:3], port, "--net", "public,host")
            assert all(x[0][0] == "ok" for x in got.values()), got
    finally:
        own("link", "del", link)
        own("addr", "del", lo[:-1] + "1/24", "dev", "lo")
        own("route", "del", "local", local4 + "/24", "dev", "lo")
        own("-6", "route", "del", "local", local6 + "/64", "dev", "lo")


@test(smoke=True)
def test_what_stands_for_no_host_reaches_none(t):
    """0.0.0.0 and :: are the guest's own loopback to its kernel; asked of weir, they are nothing."""
    s, canary = Site(t), Canary(t)
    r = t.host([t.weir, "check", "--net", "all", "--json", "tcp", "0.0.0.0:%d" % canary.port, "tcp", "[::]:%d" % canary.port, "udp", "0.1.2.3:%d" % canary.port,
                "icmp", "0.0.0.0"], rc=1)
    assert [json.loads(x)["reason"] for x in r.out.splitlines()] == ["unspecified"] * 4, r
    got = s.py("""
        from guest import attempt, udp_ask
        out([[attempt(a, %d, 0.3)[0], str(udp_ask(a, %d, timeout=0.3)[0])] for a in ("0.0.0.0", "::", "0.1.2.3")])
    """ % (canary.port, canary.port), "--net", "all")
    assert canary.came == [] and got[:2] == [["ECONNREFUSED", "ECONNREFUSED"]] * 2, (got, canary.came)


@test(smoke=True)
def test_variables_of_proxies_change_no_verdict(t):
    s = Site(t)
    curl = "curl -sS -m 3 -o /dev/null -w '%%{http_code} ' --resolve %s:80:%s http://%s/; " % (s.good("two"), s.a4, s.good("two"))
    r = t.run("--allow", s.good("one"), sh="getent ahostsv4 %s >/dev/null; unset http_proxy; %s http_proxy=http://%s:80 %s http_proxy=http://%s:80 %s exit 0" % (
        s.good("one"), curl, s.good("one"), curl, s.a4, curl))
    assert r.out.split() == ["403"] * 3 and s.good("two") not in s.bytes(), (r, s.bytes())
