# SPDX-License-Identifier: Apache-2.0
"""A Linux guest behind each link: everything that a network is used for."""
import json
import socket
import time

import lab
import weir
from stories import story

MIB64 = 64 << 20
SUM64 = "9b144d0756ac00b2f0b108bef9209e6f3e310e3967ecf9c84de75e79c0c6d1c8"  # of services.py's pattern
PROMPT = 1500  # milliseconds for a refusal, as a guest without hardware acceleration sees it


def exchange(host, port, data):
    """What an echo behind a published port answers."""
    with socket.create_connection((host, port), 10) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            b = s.recv(65536)
            if not b:
                return got
            got += b


def refused(job):
    """`traffic connect` was told no, and soon."""
    word, ms = job.out.split()
    assert word in ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "ECONNRESET"), job
    assert float(ms) < PROMPT, job


@story(links=("stream", "dgram", "tap", "vhost-user"), timeout=75)
def a_guest_has_all_of_a_network(t):
    path = "%s/net.sock" % t.dir
    port = t.port()
    if t.link == "tap":
        path = "wtap0"
        weir.tap_pair(t, path)
    weir.Serve(t, [(t.link, path)], "--net", "public", "--deny", "www.test", "--deny", lab.ALT4, "--deny", lab.ALT6,
               "-p", "%d:7" % port, "-p", "%d:7/udp" % port, *weir.LAB)
    g = weir.machine(t, t.link, path)
    with t.check("boots", must=True):
        g.boot()
    with t.check("DHCP", must=True):
        got = g.dhcp4()
        assert got["address"] == weir.ipv4(0) and got["router"] == weir.ipv4(0, 1), got
        assert got["dns"] == weir.ipv4(0, 1), got
    with t.check("SLAAC"):
        addresses, route = g.slaac()
        assert any(a.startswith("fd42:6d73:62:") and a.endswith("/64") for a in addresses), addresses
        assert "via fe80::" in route, route
    with t.check("DHCPv6"):
        got = g.dhcp6()
        assert got["address"].startswith("fd42:6d73:62:"), got
    with t.check("DNS"):
        j = g.run("nslookup web.test")
        assert lab.WEB4 in j.out and lab.WEB6 in j.out, j
    for name, host in (("IPv4", lab.WEB4), ("IPv6", lab.WEB6)):
        with t.check("64 MiB in over " + name):
            j = g.run('traffic talk %s 7000 "source %d" | sha256sum' % (host, MIB64), 40)
            assert j.out.split()[0] == SUM64, j
        with t.check("64 MiB out over " + name):
            j = g.run('traffic talk %s 7000 "sink vm%d-%s" %d' % (host, t.number, name, MIB64), 40)
            got = json.loads(j.out)
            assert got == {"bytes": MIB64, "sha": SUM64, "end": "eof"}, got
        with t.check("datagrams over %s, small, whole and in fragments" % name):
            for size in (1, 1400, 8000):
                j = g.run("traffic udp %s 7000 20 %d" % (host, size), 20)
                assert json.loads(j.out)["good"] == 20, j
        with t.check("ping over " + name):
            j = g.run("ping%s -c 2 -W 3 %s" % ("6" * (name == "IPv6"), host))
            assert " 0% packet loss" in j.out, j
    with t.check("HTTP by name"):
        assert "hello from the lab" in g.run("timeout 10 wget -q -O - http://web.test/").out
    with t.check("a closed port refuses at once"):
        for host in (lab.WEB4, lab.WEB6):
            refused(g.run("traffic connect %s 9" % host))
    with t.check("what the policy denies is refused at once"):
        for host in (lab.ALT4, lab.ALT6):
            refused(g.run("traffic connect %s 7000" % host))
    with t.check("a denied name is not known"):
        j = g.run("nslookup www.test", rc=None)
        assert "NXDOMAIN" in j.out and j.seconds < 3, j
    with t.check("a denied name at an allowed address is refused by what the request says"):
        j = g.run("timeout 10 wget -q -O - --header 'Host: www.test' http://%s/" % lab.WEB4, rc=None)
        assert "hello" not in j.out and j.seconds < 3, j
    with t.check("a published port leads to the guest"):
        e = g.go("traffic echo 7").wait_for("listening")
        data = bytes(range(256)) * 400
        assert exchange("127.0.0.1", port, data) == data
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.settimeout(5)
            u.connect(("127.0.0.1", port))
            u.send(b"to the guest")
            assert u.recv(100) == b"to the guest"
        e.kill()


def still_there(g, text="web.test"):
    j = g.run("nslookup %s && ping -c 1 -W 3 %s && traffic connect %s 7000" % (text, lab.WEB4, lab.WEB4), 20)
    assert "ok" in j.out, j


@story(links=("stream", "dgram", "vhost-user"), timeout=60)
def a_machine_that_dies_and_comes_back_finds_its_network(t):
    path = "%s/net.sock" % t.dir
    s = weir.Serve(t, [(t.link, path)], "--net", "public", *weir.LAB)
    g = weir.machine(t, t.link, path)
    with t.check("a machine works", must=True):
        first = g.boot().dhcp4()
        still_there(g)
    with t.check("its connections end when it is killed"):
        g.go("traffic talk %s 7000 'hold vmdead%d'" % (lab.WEB4, t.number)).wait_for("held")
        g.stop()
        time.sleep(0.3)
    with t.check("the next one has the same addresses, and works"):
        g = weir.machine(t, t.link, path, tag="2").boot()
        assert g.dhcp4() == first
        still_there(g)
    with t.check("the dead one's connections are gone"):
        seen = t.seen("vmdead%d" % t.number)
        assert seen and seen["end"] in ("eof", "ConnectionResetError"), seen
    if t.link == "stream":
        g.stop()
        g = weir.vm.VM(t, "r", weir.vm.netdev("stream", path + ",reconnect=1"), weir.mac(0)).boot() if qemu_reconnects(t) else None
        if not g:
            with t.check("weir starts anew under a machine"):
                t.skip("this QEMU's stream back end does not connect again")
            return
        g.dhcp4()
    with t.check("weir starts anew under a machine"):
        r = s.stop()
        assert r.rc == 0, r
        s.start()
        end = time.monotonic() + 8
        while g.run("ping -c 1 -W 1 %s" % lab.WEB4, rc=None).rc:
            assert time.monotonic() < end, "no ping\n" + s.p.err
        still_there(g)


def qemu_reconnects(t):
    """`reconnect` of the stream back end came with QEMU 8.0."""
    return int(t.host(["qemu-system-x86_64", "--version"]).out.split("version ")[1].split(".")[0]) >= 8
