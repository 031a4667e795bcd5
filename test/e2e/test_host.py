# SPDX-License-Identifier: Apache-2.0
"""What the sandbox gets from the host it stands on, and how weir meets a host that is different."""
import os
import socket

import lab
from harness import test


@test(smoke=True)
def test_proxy_arp_serves_a_guest_that_takes_all_for_its_link(t):
    on_link = "ip route flush default; ip route add %s/32 dev eth0; curl -sS --connect-timeout 5 http://%s/" % (lab.WEB4, lab.WEB4)
    r = t.run("--map-root", "--proxy-arp", sh=on_link)
    assert r.out == "hello from the lab\n", r
    r = t.run("--map-root", sh=on_link, rc=None)
    assert r.rc != 0 and "hello" not in r.out, r


@test(smoke=True)
def test_the_hosts_search_list_is_advertised(t):
    t.need("rdisc6", "udhcpc")
    r = t.run("--map-root", cmd=["rdisc6", "-1", "-w", "3000", "eth0"])
    assert any("DNS search list" in x and x.split(":")[1].strip().rstrip(".") == "test" for x in r.out.split("\n")), r
    script = t.dir + "/dhcp.sh"
    with open(script, "w") as f:
        f.write("#!/bin/sh\nenv\n")
    os.chmod(script, 0o755)
    r = t.run("--no-config", "--map-root", sh="udhcpc -f -q -n -i eth0 -t 3 -T 1 -O search -s " + script, timeout=40)
    assert "domain=test\n" in r.out and "search=test\n" in r.out, r


@test(smoke=True)
def test_a_udp_client_reaches_a_guest_that_listens_on_ipv4_alone(t):
    n = t.port()
    p = t.spawn_py("""
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", 7777))
        print("ready", flush=True)
        data, who = s.recvfrom(100)
        s.sendto(b"got " + data, who)
        time.sleep(1)
    """, "-p", "%d:7777/udp" % n)
    p.wait_for("ready")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"this", ("::1", n))
        assert s.recv(100) == b"got this"


@test(smoke=True)
def test_rules_without_effect_are_warned_of_at_the_start(t):
    rules = ("--allow", "192.0.2.0/24", "--deny", "192.0.2.7:tcp:80", "--deny", "192.0.2.8")
    r = t.run(*rules, cmd=["true"])
    lines = r.err.strip().split("\n")
    assert len(lines) == 2 and all(x.startswith("weir: warning: rule ") for x in lines), r
    assert "deny@192.0.2.7:tcp:80" in lines[0] and "deny@192.0.2.8" in lines[1] and "192.0.2.0/24" in lines[1], r
    r = t.run("--quiet", *rules, cmd=["true"])
    assert r.err == "", r
    r = t.run("--allow", "192.0.2.0/24", cmd=["true"])
    assert r.err == "", r
