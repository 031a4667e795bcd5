# SPDX-License-Identifier: Apache-2.0
"""Full tables and spent resources: what is new is refused with a reason, what is open goes on."""
import json
import os
import socket
import subprocess
import time

import lab
from harness import test

STEADY = """
    # A connection and a UDP session that must go on whatever happens.
    steady = connect(WEB4, 7002)
    steady_udp = udp_socket(WEB4)
    def steady_ok():
        for i in range(20):
            steady.sendall(b"x")
            if steady.recv(1) != b"x":
                return False
        return True
    assert steady_ok() and udp_ask(WEB4, 7000, b"1", sock=steady_udp)[0] == b"1"
"""


@test(links=True, smoke=True)
def test_a_full_connection_table_refuses_and_keeps_the_old_ones(t):
    r = t.run("--max-connections", "100", cmd=t.py_cmd(STEADY + """
    socks, refused = [], []
    for i in range(150):
        try:
            socks.append(connect((WEB4, WEB6)[i % 2], 7002, 3))
        except OSError as e:
            refused.append(err_name(e))
    held = 0
    for s in socks:
        s.sendall(b"y")
        held += s.recv(1) == b"y"
    ok = steady_ok()
    for s in socks[:50]:
        s.close()
    time.sleep(1)
    again = attempt(WEB4, 80)
    out([len(socks), held, sorted(set(refused)), ok, again[0]])
    """))
    made, held, refused, ok, again = json.loads(r.out.strip().split("\n")[-1])
    assert made == held and 90 <= made <= 100, r
    assert refused == ["ECONNREFUSED"] and ok and again == "ok", r
    assert "limit" in r.err, r


@test(links=True, smoke=True)
def test_without_file_descriptors_new_flows_are_refused_and_old_ones_go_on(t):
    argv = t.argv(["--max-connections", "4000"], t.py_cmd("""
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000)) if resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2000 else None
    """ + STEADY.strip("\n") + """
    socks, refused, t0 = [], [], time.monotonic()
    for i in range(250):
        try:
            socks.append(connect(WEB4, 7002, 3))
        except OSError as e:
            refused.append(err_name(e))
    held = 0
    for s in socks:
        s.sendall(b"y")
        held += s.recv(1) == b"y"
    ok = steady_ok()
    u = udp_ask(WEB4, 7000, b"2", sock=steady_udp)[0] == b"2"
    v = udp_ask(WEB4, 7000, b"3", timeout=2)
    for s in socks:
        s.close()
    time.sleep(1)
    again = attempt(WEB4, 80)
    out([len(socks), held, sorted(set(refused)), ok, u, str(v[0]), again[0]])
    """))
    # The command inherits the limit; its own descriptors are counted apart from weir's.
    r = t.host(["prlimit", "--nofile=150:150"] + argv, rc=None)
    if r.rc:
        raise AssertionError(r)
    made, held, refused, ok, u, v, again = json.loads(r.out.strip().split("\n")[-1])
    assert made == held and made > 50 and ok and u and again == "ok", r
    assert refused in (["ECONNREFUSED"], ["EMFILE"], ["ECONNREFUSED", "EMFILE"]), r


@test(links=True)
def test_weirs_own_lack_of_descriptors_is_refused_at_once(t):
    """Only weir lacks them here; the command has enough."""
    p = t.spawn_py(STEADY + """
    print("ready", flush=True)
    sys.stdin.readline()
    res, socks = [], []
    for i in range(60):
        t0 = time.monotonic()
        try:
            socks.append(connect(WEB4, 7002, 3))
            res.append(["ok", time.monotonic() - t0])
        except OSError as e:
            res.append([err_name(e), time.monotonic() - t0])
    names = sorted({r[0] for r in res})
    slow = max(r[1] for r in res)
    ok = steady_ok()
    for s in socks:
        s.close()
    print("GO", flush=True)
    sys.stdin.readline()
    out([names, slow, ok, attempt(WEB4, 80)[0]])
    """, stdin=subprocess.PIPE)
    p.wait_for("ready")
    pid = p.pid
    n = len(os.listdir("/proc/%d/fd" % pid))
    lab.sh(["prlimit", "--pid", str(pid), "--nofile=%d:%d" % (n + 10, 4096)])
    p.write(b"\n")
    p.wait_for("GO")
    lab.sh(["prlimit", "--pid", str(pid), "--nofile=4096:4096"])
    p.write(b"\n")
    r = p.wait()
    names, slow, ok, again = json.loads(r.out.strip().split("\n")[-1])
    assert names == ["ECONNREFUSED", "ok"] and slow < 1 and ok and again == "ok", r


@test(smoke=True)
def test_published_listeners_pause_without_descriptors_and_come_back(t):
    port = t.port()
    p = t.spawn_py("""
        s = socket.create_server(("", 8000), backlog=4096)
        print("ready", flush=True)
        keep = []
        def one(c):
            while True:
                b = c.recv(10)
                if not b:
                    c.close()
                    return
                c.sendall(b)
        while True:
            c, _ = s.accept()
            threading.Thread(target=one, args=(c,), daemon=True).start()
    """, "-p", "%d:8000" % port)
    p.wait_for("ready")
    old = socket.create_connection(("127.0.0.1", port), 5)
    old.sendall(b"a")
    assert old.recv(1) == b"a"
    n = len(os.listdir("/proc/%d/fd" % p.pid))
    lab.sh(["prlimit", "--pid", str(p.pid), "--nofile=%d:4096" % (n + 3)])
    socks = []
    for i in range(20):
        s = socket.socket()
        s.settimeout(10)
        s.connect(("127.0.0.1", port))
        socks.append(s)
    time.sleep(0.5)
    cpu = [lab.sh(["ps", "-o", "cputimes=", "-p", str(p.pid)])]
    old.sendall(b"b")
    old.settimeout(5)
    assert old.recv(1) == b"b"
    time.sleep(3)
    cpu.append(lab.sh(["ps", "-o", "cputimes=", "-p", str(p.pid)]))
    assert int(cpu[1]) - int(cpu[0]) <= 1, "it spins: %s" % cpu
    lab.sh(["prlimit", "--pid", str(p.pid), "--nofile=4096:4096"])
    for s in socks:
        try:
            s.sendall(b"c")
            s.recv(1)
        except OSError:
            pass             # refused while there was nothing to serve it with
        s.close()
    end = time.monotonic() + 10
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port), 5)
            s.sendall(b"d")
            s.settimeout(5)
            assert s.recv(1) == b"d"
            break
        except OSError:
            assert time.monotonic() < end, "the listener does not come back"
            time.sleep(0.3)


@test(links=True, smoke=True)
def test_half_open_connections_are_bounded_and_the_honest_get_through(t):
    got = t.py(STEADY + """
    dead = []
    for i in range(1500):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((DEAD4, 1000 + i))
        dead.append(s)
    time.sleep(0.5)
    r = [attempt(WEB4, 80, 3), attempt(WEB6, 80, 3)]
    out([steady_ok(), r])
    """, timeout=40)
    assert got[0] and all(x[0] == "ok" and x[1] < 2.5 for x in got[1]), got


@test(smoke=True)
def test_a_link_that_goes_down_and_up_again_goes_on(t):
    got = t.py(STEADY + """
    subprocess.check_call(["ip", "link", "set", "eth0", "down"])
    time.sleep(1)
    subprocess.check_call(["ip", "link", "set", "eth0", "up"])
    subprocess.call(["ip", "route", "add", "default", "via", subprocess.check_output(
        ["awk", "/nameserver/ {print $2; exit}", "/etc/resolv.conf"]).decode().strip()])
    end, r = time.monotonic() + 10, None
    while time.monotonic() < end:
        r = attempt(WEB4, 80, 3)
        if r[0] == "ok":
            break
        time.sleep(0.2)
    out([r[0], steady_ok()])
    """, "--map-root", timeout=40)
    assert got == ["ok", True], got


@test(smoke=True)
def test_a_removed_interface_is_no_hang_and_no_crash(t):
    r = t.run("--map-root", sh="ip link del eth0 || ip link set eth0 down; sleep 1; echo still here; exit 4", rc=4, timeout=15)
    assert "still here" in r.out, r


@test(links=True, alone=True, release=True, timeout=90)
def test_memory_is_given_back_when_all_is_quiet(t):
    p = t.spawn_py("""
        print("ready", flush=True)
        sys.stdin.readline()
        ths = [threading.Thread(target=lambda: talk("source 20000000")) for i in range(40)]
        [x.start() for x in ths]; [x.join() for x in ths]
        ths = [threading.Thread(target=lambda: talk("sink x", data=pattern(20000000))) for i in range(40)]
        [x.start() for x in ths]; [x.join() for x in ths]
        print("done", flush=True)
        sys.stdin.readline()
    """, stdin=subprocess.PIPE)

    def rss():
        with open("/proc/%d/status" % p.pid) as f:
            return int([x for x in f if x.startswith("VmRSS")][0].split()[1])
    p.wait_for("ready")
    before = rss()
    p.write(b"\n")
    p.wait_for("done", 60)
    end = time.monotonic() + 15
    while rss() > before + 8192:
        assert time.monotonic() < end, "%d KiB before, %d KiB after" % (before, rss())
        time.sleep(0.5)
    p.write(b"\n")
    p.wait()


@test(links=True)
def test_slow_readers_in_numbers_cost_no_more_than_the_limit(t):
    """200 uploads to servers that do not read: the queues end, memory too, and others are served."""
    p = t.spawn_py("""
        socks = []
        for i in range(200):
            s = connect(WEB4, 7000, 20)
            s.sendall(b"noread 12 x%d\\n" % i)
            s.setblocking(False)
            socks.append(s)
        data = pattern(262144)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            _, w, _ = select.select([], socks, [], 0.5)
            for s in w:
                try:
                    s.send(data)
                except BlockingIOError:
                    pass
        r = [attempt(WEB4, 80, 5), len(talk("source 1000000", WEB6))]
        out(r)
        print("done", flush=True)
        time.sleep(1)
    """)
    peak = 0
    while "done" not in p.out and p.p.poll() is None:
        try:
            with open("/proc/%d/status" % p.pid) as f:
                peak = max([peak] + [int(x.split()[1]) for x in f if x.startswith("VmRSS")])
        except OSError:
            pass
        time.sleep(0.2)
        assert time.monotonic() - p.t0 < 50
    assert '["ok"' in p.out and ", 1000000]" in p.out, p.out + p.err
    assert peak < (900 if t.sanitized else 250) * 1024, "%d KiB" % peak

