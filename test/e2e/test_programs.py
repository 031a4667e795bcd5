# SPDX-License-Identifier: Apache-2.0
"""Real programs, as people use them."""
import hashlib
import json
import os
import re
import shlex
import shutil
import time

import lab
from harness import test

SSH = ["ssh", "-F", lab.ROOT + "/ssh/config"]
URL6 = "https://[%s]" % lab.WEB6


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            b = f.read(1 << 20)
            if not b:
                return h.hexdigest()
            h.update(b)


VERSION = ["-w", "%{stderr}%{http_version}"]


def spoken(args):
    """The version of HTTP that curl says it spoke when it was asked so."""
    return "2" if "--http2" in args else "1.1"


def download(t, size, name, urls, timeout):
    want = digest(t.lab.file(name, size))
    for args, base in urls:
        r = t.run(sh="curl -sS -f %s %s %s/%s | sha256sum" % (shlex.join(VERSION), args, base, name), timeout=timeout)
        assert r.out.split()[0] == want and r.err.strip() == spoken(args), (args, base, r)


def upload(t, size, name, urls, timeout):
    path = t.lab.file(name, size)
    want = digest(path)
    for i, (args, base) in enumerate(urls):
        up = "up/%d-%d" % (t.number, i)
        r = t.run(cmd=["curl", "-sS", "-f"] + VERSION + args.split() + ["-T", path, "%s/%s" % (base, up)], timeout=timeout)
        got = lab.ROOT + "/www/" + up
        assert digest(got) == want and r.err.strip() == spoken(args), (args, base, os.path.getsize(got), r)
        os.unlink(got)


WAYS = [("--http1.1", "https://v4only.test"), ("--http2", "https://v6only.test")]


@test(links=True, smoke=True)
def test_curl_http1_and_h2_over_tls_down(t):
    download(t, 30 << 20, "thirty-mib", WAYS + [("--http2", "https://v4only.test"), ("--http1.1", URL6), ("", "http://" + lab.WEB4)], 60)


@test(links=True, smoke=True)
def test_curl_http1_and_h2_over_tls_up(t):
    upload(t, 30 << 20, "thirty-mib", WAYS + [("--http2", "https://v4only.test"), ("--http1.1", URL6), ("", "http://" + lab.WEB4)], 60)


@test(links=True, release=True, alone=True, timeout=240)
def test_curl_a_whole_gib_down(t):
    download(t, lab.BIG_FILE, "one-gib", WAYS, 100)


@test(links=True, release=True, alone=True, timeout=240)
def test_curl_a_whole_gib_up(t):
    upload(t, lab.BIG_FILE, "one-gib", WAYS, 100)


@test(links=True, smoke=True)
def test_git_clones_and_pushes_over_https(t):
    t.need("fcgiwrap")
    bare = "push%d.git" % t.number  # a copy of its own to push to
    lab.sh(["cp", "-a", lab.ROOT + "/git/project.git", lab.ROOT + "/git/" + bare])
    r = t.run(sh="""set -e; cd %s
        for n in v4only v6only; do
            rm -rf p; git clone -q https://$n.test/git/%s p; cd p; git fsck --no-progress; git log --oneline | wc -l
            head -c 3000000 /dev/urandom > big; git add big; git commit -q -m more
            # fcgiwrap, which has git's server behind it here, answers now and then with 502, without any gateway, too.
            for try in 1 2 3 4 5; do git push -q origin HEAD:$n 2>err && break; grep 'returned error: 502' err || { cat err; exit 1; }; done; cd ..
        done""" % (t.dir, bare))
    assert [x for x in r.out.split("\n") if "502" not in x] == ["5", "5", ""], r
    pushed(bare, "v4only", "v6only")


def pushed(bare, *branches):
    """Each branch came whole: one commit more than the project had."""
    git = ["git", "-C", lab.ROOT + "/git/" + bare]
    for b in branches:
        assert lab.sh(git + ["rev-list", "--count", b]).strip() == "6", b
    lab.sh(git + ["fsck", "--no-progress", "--strict"])


@test(links=True, smoke=True)
def test_git_clones_and_pushes_over_ssh(t):
    bare = "push%d.git" % t.number
    lab.sh(["cp", "-a", lab.ROOT + "/git/project.git", lab.ROOT + "/git/" + bare])
    t.run(sh="""set -e; cd %s
        for n in 4 6; do
            export GIT_SSH_COMMAND="ssh -$n -F %s/ssh/config"
            rm -rf p; git clone -q ssh://ssh.test%s/git/%s p; cd p; git fsck --no-progress
            head -c 3000000 /dev/urandom > big; git add big; git commit -q -m more; git push -q origin HEAD:v$n; cd ..
        done""" % (t.dir, lab.ROOT, lab.ROOT, bare))
    pushed(bare, "v4", "v6")


@test(links=True, smoke=True)
def test_ssh_carries_data_and_the_exit_status(t):
    data = os.urandom(100) * 30000
    for name in (lab.SSH4, lab.SSH6, "ssh.test"):
        r = t.run(cmd=SSH + [name, "sha256sum; exit 9"], stdin=data, rc=9)
        assert r.out.split()[0] == hashlib.sha256(data).hexdigest(), r


@test(links=True, smoke=True)
def test_ssh_is_interactive_and_forwards_ports_meanwhile(t):
    """One session: somebody types, a program beside it goes through -L, and one on the server comes back through -R."""
    from test_run import Terminal
    want = digest(t.lab.file("one-mib", 1 << 20))
    for server in (lab.SSH4, lab.SSH6):
        back = t.port()
        mark = "%s/forwarded%d" % (t.dir, back)
        fetch = """(for i in $(seq 100); do
                curl -sS -m 20 http://127.0.0.1:18080/one-mib 2>/dev/null | sha256sum > %(m)s.part
                grep -q %(w)s %(m)s.part && mv %(m)s.part %(m)s && break; sleep 0.1
            done) &
            (while echo from the sandbox | nc -N -l 127.0.0.1 19090; do :; done) >/dev/null 2>&1 &
            exec "$@" """ % dict(m=mark, w=want)
        term = Terminal(t.argv([], ["bash", "-c", fetch, "bash"] + SSH + [
            "-tt", "-o", "ExitOnForwardFailure=yes", "-L", "18080:%s:80" % lab.WEB4, "-R", "%d:127.0.0.1:19090" % back, server]))
        term.type("PS1='> '; echo rea''dy\r")
        term.until("ready\r\n")
        term.type("stty size; echo 4$((1+1))\r")
        term.until("24 80")
        term.until("42\r\n")
        term.type("exec 3<>/dev/tcp/127.0.0.1/%d; cat <&3\r" % back)
        term.until("from the sandbox\r\n")
        end = time.monotonic() + 15
        while not os.path.exists(mark):
            assert time.monotonic() < end, "nothing came through the forwarded port"
            time.sleep(0.05)
        term.type("exit 3\r")
        assert term.end() == 3


@test(links=True, smoke=True)
def test_rsync_down_and_up(t):
    t.need("rsync")
    r = t.run(sh="set -e; rsync -a rsync://v4only.test/out/ %s/got/; rsync -a rsync://v6only.test/out/ %s/got6/; "
                 "diff -r %s/rsync %s/got && diff -r %s/rsync %s/got6 && rsync -r %s/got/ rsync://web.test/in/%d/"
                 % (t.dir, t.dir, lab.ROOT, t.dir, lab.ROOT, t.dir, t.dir, t.number))
    assert lab.sh(["diff", "-r", lab.ROOT + "/rsync", "%s/rsync-in/%d" % (lab.ROOT, t.number)]) == "", r


def iperf(t, *args, addr=lab.WEB4, timeout=40):
    """One run against a server of its own; its report."""
    t.need("iperf3")
    port = t.port()
    t.internet_go(["iperf3", "-s", "-1", "-B", addr, "-p", str(port)])
    listens(t, port)
    r = t.run(cmd=["iperf3", "-J", "-c", addr, "-p", str(port), "-t", "3"] + list(args), timeout=timeout)
    j = json.loads(r.out)
    assert "error" not in j, j["error"]
    return j["end"]


@test(links=True, release=True, alone=True, smoke=True, timeout=120)
def test_iperf3_tcp_both_ways_and_at_once(t):
    for addr in (lab.WEB4, lab.WEB6):
        up = iperf(t, addr=addr)["sum_received"]["bits_per_second"]
        down = iperf(t, "-R", addr=addr)["sum_received"]["bits_per_second"]
        both = iperf(t, "--bidir", addr=addr)
        print(addr, up, down, both["sum_received"]["bits_per_second"], both["sum_received_bidir_reverse"]["bits_per_second"])
        assert up > 5e8 and down > 5e8, (up, down)
        assert both["sum_received"]["bits_per_second"] > 1e8, both["sum_received"]
        assert both["sum_received_bidir_reverse"]["bits_per_second"] > 1e8, both["sum_received_bidir_reverse"]


@test(links=True, release=True, alone=True, timeout=120)
def test_iperf3_eight_streams_share(t):
    for way in ([], ["-R"]):
        end = iperf(t, "-P", "8", *way)
        each = [s["receiver"]["bits_per_second"] for s in end["streams"]]
        assert min(each) > sum(each) / 8 / 20, each


@test(links=True, release=True, alone=True, smoke=True, timeout=120)
def test_iperf3_udp_both_ways_loses_little(t):
    for addr in (lab.WEB4, lab.WEB6):
        for way in ([], ["-R"]):
            for _ in range(4):  # a busy machine loses some in the programs' own buffers
                s = iperf(t, "-u", "-b", "50M", *way, addr=addr)["sum"]
                if s["lost_percent"] < 1:
                    break
            assert s["lost_percent"] < 1 and s["packets"] > 10000, s
        for _ in range(4):
            end = iperf(t, "-u", "-b", "20M", "--bidir", addr=addr)
            s = [end["sum"], end["sum_bidir_reverse"]]
            if all(x["lost_percent"] < 1 for x in s):
                break
        assert all(x["lost_percent"] < 1 and x["packets"] > 2000 for x in s), s


@test(links=True, smoke=True)
def test_nc_half_close_both_ways(t):
    """Who has said all closes, and still hears all that the other says. (A listening nc ends when its client has closed,
    without any gateway, too: there a server of ours stands in.)"""
    t.need("nc")
    mib = t.lab.file("one-mib", 1 << 20)
    want = digest(mib)
    for addr in (lab.WEB4, lab.WEB6):
        r = t.run(sh="{ echo noread 1 nc-%d; cat %s; } | nc -N %s 7000" % (t.number, mib, addr), timeout=20)
        assert json.loads(r.out) == {"bytes": 1 << 20, "sha": want, "end": "eof"}, (addr, r)
        port = t.port()
        p = t.internet_go(["sh", "-c", "nc -N -l %s %d < %s | sha256sum" % (addr, port, mib)])
        listens(t, port)
        r = t.run(sh="{ sleep 1; cat %s; } | nc -N %s %d | sha256sum" % (mib, addr, port), timeout=20)
        assert r.out.split()[0] == want, (addr, "the client's copy", r)
        assert p.wait(10).out.split()[0] == want, (addr, "the server's copy")


def listens(t, port, kind="t"):
    """Until something on the internet listens there."""
    for _ in range(200):
        if t.internet(["ss", "-Hln" + kind, "sport = :%d" % port]).out.strip():
            return
        time.sleep(0.05)
    raise AssertionError("nothing listens on port %d" % port)


@test(links=True, smoke=True)
def test_socat_half_close_both_ways(t):
    t.need("socat")
    data = os.urandom(1 << 20)
    port = t.port()
    p = t.internet_go(["socat", "-t", "10", "-", "TCP-LISTEN:%d,bind=%s" % (port, lab.WEB4)], stdin=open(t.lab.file("one-mib", 1 << 20)))
    listens(t, port)
    # Our end closes first; the other still sends all that it has, and the other way round.
    with open(t.dir + "/in", "wb") as f:
        f.write(data)
    r = t.run(sh="socat -t 10 - TCP:%s:%d < %s/in | sha256sum" % (lab.WEB4, port, t.dir))
    assert r.out.split()[0] == digest(t.lab.file("one-mib", 1 << 20)), r
    p.wait(5)
    with open(p.path + ".out", "rb") as f:
        assert f.read() == data


@test(links=True, timeout=120)
def test_500_parallel_downloads_arrive_whole(t):
    want = digest(t.lab.file("one-mib", 1 << 20))
    got = t.py("""
        import socket, selectors
        sel = selectors.DefaultSelector()
        h = {}
        for i in range(500):
            s = connect((WEB4, WEB6)[i %% 2], 80, 30)
            s.sendall(b"GET /one-mib HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
            s.setblocking(False)
            h[s] = bytearray()
            sel.register(s, selectors.EVENT_READ)
        good = 0
        end = time.monotonic() + 80
        while h and time.monotonic() < end:
            for key, _ in sel.select(1):
                s = key.fileobj
                b = s.recv(262144)
                if b:
                    h[s] += b
                    continue
                sel.unregister(s)
                s.close()
                body = bytes(h.pop(s)).partition(b"\\r\\n\\r\\n")[2]
                good += hashlib.sha256(body).hexdigest() == "%s"
        out([good, len(h)])
    """ % want, timeout=100)
    assert got == [500, 0], got


@test(links=True, timeout=150, alone=True, release=True)
def test_10000_idle_connections_are_held(t):
    import resource
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 11000:
        t.skip("the limit of open files is below 11000")
    got = t.py("""
        import resource
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        t0 = time.monotonic()
        socks = [connect((WEB4, WEB6)[i % 2], 7002, 20) for i in range(10000)]
        made = time.monotonic() - t0
        time.sleep(3)
        bad = 0
        for s in socks[::7]:
            s.sendall(b"x")
        for s in socks[::7]:
            bad += s.recv(1) != b"x"
        more = attempt(WEB4, 80)
        out([made, bad, more])
    """, "--max-connections", "12000", timeout=140)
    assert got[1] == 0 and got[2][0] == "ok", got
    assert got[0] < 60, "10,000 connections took %.0f s" % got[0]


def websocket(t, seconds):
    """An echo of 3 MB, then ten messages in so many seconds, over both families at once."""
    both = t.py("""
        import asyncio, websockets
        async def one(host):
            async with websockets.connect("ws://%%s:7005/" %% host, max_size=1 << 24, ping_interval=None) as ws:
                big = pattern(3000000)
                await ws.send(big)
                echoed = await ws.recv() == big
                await ws.send("tick %f 10")
                t0, got, times = time.monotonic(), [], []
                for i in range(10):
                    got.append(int(await ws.recv()))
                    times.append(time.monotonic() - t0)
                return [echoed, got, times]
        async def main():
            out(await asyncio.gather(one(WEB4), one("[" + WEB6 + "]")))
        asyncio.run(main())
    """ % (seconds / 10), timeout=seconds + 60)
    for echoed, got, times in both:
        assert echoed and got == list(range(10)), (echoed, got)
        assert all(abs(x - times[0] - seconds / 10 * i) < 0.7 for i, x in enumerate(times)), times


@test(smoke=True)
def test_a_websocket_is_held(t):
    websocket(t, 3)


@test(links=True, waits=True, timeout=150)
def test_a_websocket_is_held_for_a_minute(t):
    websocket(t, 66)


def sse(t, seconds):
    """Ten events over each family at once; each is there when it is sent."""
    read = """while read -r a b; do case $a in data:) echo "$b $(date +%s.%N)";; esac; done"""
    r = t.run(sh="for h in %s '[%s]'; do curl -sSN \"http://$h:7004/sse?interval=%f&count=10\" | %s & done; wait"
              % (lab.WEB4, lab.WEB6, seconds / 10, read), timeout=seconds + 30)
    lines = [x.split() for x in r.out.strip().split("\n")]
    assert sorted(int(x[0]) for x in lines) == sorted(list(range(10)) * 2), r
    late = [float(x[2]) - float(x[1]) for x in lines]
    assert max(late) < 0.5, late


@test(smoke=True)
def test_server_sent_events_come_as_they_are_sent(t):
    sse(t, 3)


@test(links=True, waits=True, timeout=120)
def test_server_sent_events_come_for_a_minute(t):
    sse(t, 66)


@test(links=True, smoke=True)
def test_quic_between_two_programs(t):
    t.need("gtlsserver", "gtlsclient")
    want = digest(t.lab.file("one-mib", 1 << 20))
    for addr in (lab.WEB4, lab.WEB6):
        port = t.port()
        t.internet_go(["gtlsserver", "-q", "--htdocs", lab.ROOT + "/www", addr, str(port), lab.ROOT + "/server.key",
                       lab.ROOT + "/server.pem"])
        listens(t, port, "u")
        host = addr if ":" not in addr else "[%s]" % addr
        d = "%s/q%d" % (t.dir, port)
        os.makedirs(d)
        os.chmod(d, 0o777)
        t.run(cmd=["gtlsclient", "-q", "--exit-on-all-streams-close", "--download", d, addr, str(port),
                   "https://%s:%d/one-mib" % (host, port)])
        assert digest(d + "/one-mib") == want, os.listdir(d)


@test(smoke=True)
def test_ntp_is_asked(t):
    t.need("ntpdate")
    for addr in (lab.WEB4, lab.WEB6):
        r = t.run(cmd=["ntpdate", "-q", "-t", "2", addr], user=False, rc=None)
        assert r.rc == 0 and addr in r.out + r.err, r
        assert "no" not in r.out.split("\n")[0] or "no-leap" in r.out, r


@test(smoke=True)
def test_udhcpc_configures_the_interface(t):
    t.need("udhcpc", "busybox")
    script = t.dir + "/udhcpc.sh"
    with open(script, "w") as f:
        f.write("#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nip addr add $ip/$mask dev $interface\n"
                "ip route add default via $router\necho lease $ip $router $dns $mtu\n")
    os.chmod(script, 0o755)
    r = t.run("--no-config", "--map-root", sh="ip -4 addr show eth0; udhcpc -f -q -n -i eth0 -t 3 -T 1 -s %s; curl -sS http://%s/"
              % (script, lab.WEB4), timeout=40)
    assert "lease 172." in r.out and "hello from the lab" in r.out, r
    assert "inet " not in r.out.split("lease")[0], r


@test(smoke=True)
def test_dhclient_configures_the_interface(t):
    if not os.path.exists("/sbin/dhclient") and not shutil.which("dhclient"):
        t.need("dhclient")
    script = t.dir + "/dhclient.sh"
    with open(script, "w") as f:
        f.write("""#!/bin/sh
case $reason in
PREINIT*) ip link set $interface up ;;
BOUND) ip addr add $new_ip_address/24 dev $interface; ip route add default via $new_routers; echo lease $new_ip_address ;;
BOUND6) ip addr add $new_ip6_address/64 dev $interface nodad; echo lease6 $new_ip6_address $new_dhcp6_name_servers ;;
esac
""")
    os.chmod(script, 0o755)
    r = t.run("--no-config", "--map-root", sh="""cd %s; touch l4 l6
        dhclient -4 -1 -d --no-pid -lf l4 -sf %s eth0 >o4 2>&1 & a=$!
        for i in $(seq 50); do ip -4 addr show dev eth0 | grep -q inet && break; sleep 0.2; done
        curl -sS http://%s/
        for i in $(seq 50); do ip -6 addr show dev eth0 scope link -tentative | grep -q inet6 && break; sleep 0.2; done
        dhclient -6 -1 -d --no-pid -lf l6 -sf %s eth0 >o6 2>&1 & b=$!
        for i in $(seq 75); do grep -q ^lease6 o6 && break; sleep 0.2; done
        curl -sS http://[%s]/
        kill -9 $a $b; cat o4 o6
        """ % (t.dir, script, lab.WEB4, script, lab.WEB6), timeout=50, rc=None)
    assert "lease 172." in r.out and "lease6 fd" in r.out, r
    assert r.out.count("hello from the lab") == 2, r


@test(smoke=True)
def test_rdisc6_finds_the_router(t):
    t.need("rdisc6")
    r = t.run("--map-root", cmd=["rdisc6", "-1", "-w", "3000", "eth0"])
    for want in ("Prefix", "MTU", "Recursive DNS server"):
        assert want in r.out, (want, r)


@test(smoke=True)
def test_a_guest_configures_itself_from_router_advertisements(t):
    r = t.run("--no-config", "--map-root", sh="""
        for i in $(seq 50); do ip -6 route show default | grep -q default && ip -6 addr show dev eth0 scope global -tentative | grep -q inet6 && break; sleep 0.2; done
        ip -6 addr show dev eth0; curl -sS http://[%s]/""" % lab.WEB6, timeout=30)
    assert "hello from the lab" in r.out, r


@test(smoke=True)
def test_python_asyncio_happy_eyeballs_with_a_dead_ipv6(t):
    got = t.py("""
        import asyncio
        async def main():
            r = []
            for name in ("dead6.test", "unreachable6.test", "dead4.test"):
                t0 = time.monotonic()
                rd, wr = await asyncio.open_connection(name, 80, happy_eyeballs_delay=0.25)
                r.append([wr.get_extra_info("peername")[0], time.monotonic() - t0])
                wr.close()
            out(r)
        asyncio.run(main())
    """)
    assert [g[0] for g in got] == [lab.WEB4, lab.WEB4, lab.WEB6] and all(g[1] < 2 for g in got), got


@test(smoke=True)
def test_node_fetch_happy_eyeballs_with_a_dead_ipv6(t):
    t.need("node")
    major = int(re.match(r"v(\d+)", t.host(["node", "--version"]).out).group(1))
    if major < 18:
        t.skip("this node has no fetch")
    opts = ["--enable-network-family-autoselection"] if major < 20 else []
    for name in ("dead6", "unreachable6", "dead4"):
        code = """
            const t0 = Date.now();
            fetch("http://%s.test/").then(r => r.text()).then(x => { console.log(x.trim(), Date.now() - t0); process.exit(0) },
                e => { console.log(String(e.cause || e), Date.now() - t0); process.exit(1) });
        """ % name
        r = t.run(cmd=["node"] + opts + ["-e", code], rc=None)
        assert r.rc == 0 and "hello from the lab" in r.out and int(r.out.split()[-1]) < 3000, (name, r)


@test(smoke=True)
def test_socat_and_bash_connect(t):
    t.need("socat")
    r = t.run(sh="echo peer | socat - TCP6:[%s]:7000; echo hi | socat -t2 - UDP4:%s:7000" % (lab.WEB6, lab.WEB4))
    assert lab.HOST6 in r.out and "hi" in r.out, r
    r = t.run(cmd=["bash", "-c", "exec 3<>/dev/tcp/%s/7000; echo peer >&3; cat <&3" % lab.WEB4])
    assert r.out.split()[0] == lab.HOST4, r
