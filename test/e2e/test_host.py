# SPDX-License-Identifier: Apache-2.0
"""What the sandbox gets from the host it stands on, and how weir meets a host that is different."""
import os
import socket
import threading
import time

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


@test(links=True, smoke=True)
def test_a_namespace_that_has_an_eth0_is_refused_with_the_remedy(t):
    ns = "taken%d" % t.number
    t.host(["ip", "netns", "add", ns])
    try:
        t.host(["ip", "-n", ns, "link", "add", "eth0", "type", "veth", "peer", "name", "other"])
        for cmd in (["--", "true"], []):
            r = t.host([t.weir, "run", "--link", t.link, "--netns", "/run/netns/" + ns] + cmd, rc=125)
            assert len(r.err.strip().split("\n")) == 1, r
            assert "has an interface eth0 already" in r.err and "ip link set eth0 name" in r.err, r
        t.host(["ip", "-n", ns, "link", "set", "eth0", "name", "old0"])
        t.run("--netns", "/run/netns/" + ns, sh="ip -br link show eth0")
    finally:
        t.host(["ip", "netns", "delete", ns])


def run_with_other_etc(t, change, cmd):
    """weir run CMD on a host whose /etc was changed; as an ordinary user."""
    etc = t.dir + "/etc"
    script = """set -e
        cp -a /etc %s
        cd %s
        %s
        mount --bind %s /etc
        exec %s""" % (etc, etc, change, etc, " ".join(t.argv(["--dns-upstream", lab.DNS4], cmd.split(), user=True)))
    return t.host(["unshare", "-m", "sh", "-c", script])


@test(smoke=True)
def test_a_resolv_conf_that_leads_nowhere_is_covered_itself(t):
    r = run_with_other_etc(t, "ln -sf ../run/none/stub-resolv.conf resolv.conf", "getent ahostsv4 web.test")
    assert lab.WEB4 in r.out and r.err == "", r


@test(smoke=True)
def test_a_host_without_resolv_conf_is_told_what_to_do(t):
    r = run_with_other_etc(t, "rm resolv.conf", "true")
    assert r.err.count("\n") == 1 and "/etc/resolv.conf" in r.err and "touch" in r.err, r


def replaced(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def listening_socket(path):
    if os.path.exists(path):
        os.unlink(path)
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen()
    return s


@test(smoke=True)
def test_files_that_the_host_replaces_stay_covered(t):
    """As DHCP clients, VPNs, systemd-resolved and package managers do it, while the command runs. A mount is taken off with what it lay over."""
    os.makedirs("/run/avahi-daemon", exist_ok=True)
    daemon = listening_socket("/run/avahi-daemon/socket")
    for user in (False, True):
        etc, rc = "%s/etc%d" % (t.dir, user), "%s/rc%d" % (t.dir, user)
        t.host(["cp", "-a", "/etc", etc])
        os.makedirs(rc)
        for name in "ab":
            replaced(rc + "/" + name, "nameserver 192.0.2.1\n")
        code = t.py_cmd("""
            def covered():
                s = socket.socket(socket.AF_UNIX)
                try:
                    own = "made by weir" in open("/etc/resolv.conf").read() and "host.weir.internal" in open("/etc/hosts").read()
                    return own and s.connect_ex("/run/avahi-daemon/socket") == errno.ECONNREFUSED
                except OSError:
                    return False
            for line in sys.stdin:
                end = time.monotonic() + 3
                while not covered() and time.monotonic() < end:
                    time.sleep(0.005)
                print(line.strip(), covered(), flush=True)
        """)
        p = t.go(["unshare", "-m", "sh", "-c", "mount --bind %s /etc; exec %s" % (etc, " ".join(t.argv([], code, user=user)))], stdin=-1)

        def check(what):
            p.write(what.encode() + b"\n")
            p.wait_for(what)
            time.sleep(0.01)
            assert what + " True" in p.out, (user, p.out, p.err)
        check("begun")
        resolv = etc + "/resolv.conf"
        for i in range(5):
            replaced(resolv, "nameserver 192.0.2.2\n")
            check("renamed%d" % i)
        os.unlink(resolv)
        replaced(resolv, "nameserver 192.0.2.3\n")
        check("removed")
        os.unlink(resolv)
        os.symlink(rc + "/a", resolv)
        check("link")
        replaced(rc + "/a", "nameserver 192.0.2.4\n")
        check("target")
        os.symlink(rc + "/b", resolv + ".new")
        os.rename(resolv + ".new", resolv)
        check("other-link")
        replaced(etc + "/hosts", "127.0.0.1 localhost\n")
        check("hosts")
        daemon.close()
        daemon = listening_socket("/run/avahi-daemon/socket")
        check("daemon")
        with open(resolv) as f:
            assert "192.0.2.1" in f.read()    # the host has its own
        p.p.stdin.close()
        p.wait()
    os.unlink("/run/avahi-daemon/socket")


@test(smoke=True)
def test_urgent_data_of_a_server_comes_in_line_and_at_once(t):
    def serve(c, gap):
        with c:
            c.sendall(b"abc")
            time.sleep(gap)
            c.send(b"x", socket.MSG_OOB)
            c.sendall(b"def")
            c.recv(1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            for gap in (0, 0.2):
                serve(listener.accept()[0], gap)
        threading.Thread(target=accept, daemon=True).start()
        got = t.py("""
            r = []
            for i in range(2):
                with socket.create_connection((default_gateway(4), %d), 5) as s:
                    data = b""
                    while len(data) < 7:
                        data += s.recv(100)
                    r.append(data.decode())
            out(r)
        """ % listener.getsockname()[1], "--net", "all", timeout=20)
    assert got == ["abcxdef"] * 2, got
