# SPDX-License-Identifier: Apache-2.0
"""TCP, as the programs at both ends see it."""
import glob
import hashlib
import json
import time

import lab
from harness import test
from services import pattern


def sha(b):
    return hashlib.sha256(b).hexdigest()


@test(links=True, smoke=True)
def test_bytes_arrive_whole_both_ways(t):
    got = t.py("""
        r = {}
        for host in (WEB4, WEB6):
            down = talk("source 20000000", host)
            up = json.loads(talk("sink t", host, pattern(20000000)))
            r[host] = [hashlib.sha256(down).hexdigest(), up]
        out(r)
    """, timeout=60)
    want = sha(pattern(20000000))
    for host, (down, up) in got.items():
        assert down == want, host
        assert up == {"bytes": 20000000, "sha": want, "end": "eof"}, (host, up)


@test(links=True, smoke=True)
def test_both_directions_at_once(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            s = connect(host, 7000, 30)
            s.sendall(b"echo\\n")
            data = pattern(10000000)
            sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
            sender.start()
            r.append(recv_all(s) == data)
            sender.join()
        out(r)
    """, timeout=60)
    assert got == [True, True]


@test(links=True, smoke=True)
def test_a_refused_connection_is_refused_at_once(t):
    got = t.py("out([attempt(WEB4, 9), attempt(WEB6, 9)])")
    for name, seconds in got:
        assert name == "ECONNREFUSED" and seconds < 0.5, got


@test(links=True, smoke=True)
def test_an_unreachable_host_is_told_at_once(t):
    got = t.py("out([attempt(UNREACH4, 80), attempt(UNREACH6, 80)])")
    for name, seconds in got:  # one more second where Linux limits the router's answers
        assert name in ("EHOSTUNREACH", "ENETUNREACH") and seconds < 2.5, got


@test(smoke=True)
def test_a_prohibited_host_is_told_at_once(t):
    got = t.py("out([attempt(PROHIBIT4, 80), attempt(PROHIBIT6, 80)])")
    for name, seconds in got:
        assert name in ("EHOSTUNREACH", "EACCES", "ENETUNREACH") and seconds < 2.5, got


@test(smoke=True)
def test_a_network_without_a_route_is_told_at_once(t):
    got = t.py("out([attempt(h, 80) for h in (NOROUTE4, NOROUTE6, ELSEWHERE4, ELSEWHERE6)])")
    for name, seconds in got:
        assert name in ("ENETUNREACH", "EHOSTUNREACH") and seconds < 2.5, got


@test(links=True, smoke=True)
def test_a_dead_address_is_silence_until_the_clients_own_timer(t):
    got = t.py("out([attempt(DEAD4, 80, 3), attempt(DEAD6, 80, 3)])")
    for name, seconds in got:
        assert name == "timeout" and 2.9 < seconds < 4, got


FATES = """
    def udp(host, seconds):
        r, t = udp_ask(host, 7000 if host not in (WEB4, WEB6) else 9, timeout=seconds)
        return [r if isinstance(r, str) else "answer", t]
    def ended(host, line):
        s = connect(host, 7000)
        n, t0 = 0, time.monotonic()
        s.sendall(line)
        try:
            while True:
                b = s.recv(65536)
                if not b:
                    return ["eof after %d" % n, time.monotonic() - t0]
                n += len(b)
        except OSError as e:
            return ["%s after %d" % (err_name(e), n), time.monotonic() - t0]
    r = {}
    def job(name, fn, *args):
        def go():
            r[name] = fn(*args)
        return threading.Thread(target=go)
    waiting = [job(n + a, fn, a, 2.5) for a in (DEAD4, DEAD6) for n, fn in (("dead ", lambda a, s: attempt(a, 80, s)), ("dead, udp ", udp))]
    for j in waiting:
        j.start()
    for family, web, told in ((4, WEB4, (UNREACH4, PROHIBIT4, NOROUTE4, ELSEWHERE4)), (6, WEB6, (UNREACH6, PROHIBIT6, NOROUTE6, ELSEWHERE6))):
        r["open %d" % family] = attempt(web, 80)
        r["refused %d" % family] = attempt(web, 9)
        r["refused, udp %d" % family] = udp(web, 3)
        for line in (b"reset 300000\\n", b"resetnow\\n", b"drip 100 0.01 3\\n"):
            r["%s %d" % (line.decode().strip(), family)] = ended(web, line)
        for a in told:
            r["told " + a] = attempt(a, 80, 6)
            r["told, udp " + a] = udp(a, 3)
    for j in waiting:
        j.join()
    out(r)
"""


@test(links=True, alone=True)
def test_each_fate_of_a_connection_is_what_it_is_without_weir(t):
    """The same program on the host itself and behind weir: the same words, and no later."""
    without, behind = t.host_py(FATES), t.py(FATES)
    print(json.dumps({k: [without[k], behind[k]] for k in without}, indent=1))
    assert {k: v[0] for k, v in behind.items()} == {k: v[0] for k, v in without.items()}
    # Where Linux limits what a router says of its routes, a second try tells it.
    late = {k: [without[k], v] for k, v in behind.items() if v[1] > without[k][1] + (1.5 if "told" in k else 0.5)}
    assert not late, late


@test(waits=True, timeout=120)
def test_a_dead_address_ends_as_linux_ends_it(t):
    got = t.py("""
        open("/proc/sys/net/ipv4/tcp_syn_retries", "w").write("2")
        out(attempt(DEAD4, 80, 100))
    """, "--map-root", timeout=150)
    assert got[0] == "ETIMEDOUT" and 6 < got[1] < 12, got


@test(links=True, smoke=True)
def test_a_reset_in_mid_stream_is_a_reset_after_all_bytes(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            s = connect(host, 7000)
            s.sendall(b"reset 300000\\n")
            n, end = 0, "eof"
            try:
                while True:
                    b = s.recv(65536)
                    if not b:
                        break
                    n += len(b)
            except OSError as e:
                end = err_name(e)
            r.append([n, end])
        out(r)
    """)
    assert got == [[300000, "ECONNRESET"]] * 2, got


@test(links=True, smoke=True)
def test_a_clients_reset_reaches_the_server_as_a_reset(t):
    for host in (lab.WEB4, lab.WEB6):
        token = "rst-%d-%s" % (t.number, host)
        t.py("""
            s = connect(%r, 7000)
            s.sendall(b"hold %s\\n")
            recv_line(s)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
            time.sleep(0.5)
            out(1)
        """ % (host, token))
        assert t.seen(token)["end"] == "ConnectionResetError", t.seen(token)


@test(links=True, smoke=True)
def test_the_clients_half_close_leaves_the_other_half_open(t):
    token = "half-%d" % t.number
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            s = connect(host, 7000)
            s.sendall(b"noread 0.5 %s\\n" + pattern(1000000))
            s.shutdown(socket.SHUT_WR)
            r.append(json.loads(recv_all(s)))
        out(r)
    """ % token)
    assert got == [{"bytes": 1000000, "sha": sha(pattern(1000000)), "end": "eof"}] * 2, got


@test(links=True, smoke=True)
def test_the_servers_half_close_leaves_the_other_half_open(t):
    token = "shut-%d" % t.number
    got = t.py("""
        s = connect(WEB4, 7000)
        s.sendall(b"shutfirst 5000 %s\\n")
        got = recv_all(s)
        for i in range(5):       # its FIN is here; we still speak
            time.sleep(0.2)
            s.sendall(pattern(200000)[i * 40000:(i + 1) * 40000])
        s.close()
        time.sleep(0.3)
        out(len(got))
    """ % token)
    assert got == 5000
    assert t.seen(token) == {"bytes": 200000, "sha": sha(pattern(200000)), "end": "eof"}


@test(links=True, smoke=True)
def test_the_tail_of_a_stream_that_closes_at_once_arrives(t):
    got = t.py("""
        r = []
        for i in range(20):
            with connect((WEB4, WEB6)[i % 2], 7003) as s:
                if i % 3 == 0:
                    time.sleep(0.05)
                r.append(recv_all(s) == pattern(1 << 20))
        out(r)
    """, timeout=60)
    assert all(got), got


@test(links=True)
def test_the_tail_of_an_upload_that_ends_with_close_arrives(t):
    for i in range(8):
        token = "tail-%d-%d" % (t.number, i)
        t.py("""
            s = connect((WEB4, WEB6)[%d %% 2], 7000)
            s.sendall(b"sink %s\\n" + pattern(3000000))
            s.close()
            out(1)
        """ % (i, token))   # weir ends with the command, which may have more in its queues
        f = t.seen(token)
        assert f and f["bytes"] == 3000000 and f["end"] == "eof", (i, f)


@test(waits=True, timeout=90)
def test_the_end_waits_for_a_slow_server_and_not_for_a_quiet_one(t):
    """
    One command ends behind 4 MB that its server takes in eight seconds: all of them arrive. Another takes its link down and
    ends with a connection open, so that nobody hears of the end: nothing waits here, and so weir does not, for long.
    """
    token = "slowtail-%d" % t.number
    t.run(cmd=t.py_cmd("""
        s = connect(WEB4, 7000)
        s.sendall(b"sink %s 500000\\n" + pattern(4000000))
        s.close()
    """ % token), timeout=60)
    f = t.seen(token)
    assert f and f["bytes"] == 4000000 and f["end"] == "eof", f
    r = t.run("--map-root", cmd=t.py_cmd("""
        s = connect(WEB4, 7002)
        subprocess.check_call(["ip", "link", "set", "eth0", "down"])
    """), timeout=60)
    assert r.seconds < 10, r


@test(smoke=True)
def test_a_server_that_speaks_first_is_heard_at_once(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            t0 = time.monotonic()
            s = connect(host, 7001)
            line = recv_line(s).decode()
            r.append([line, time.monotonic() - t0])
        out(r)
    """)
    for line, seconds in got:
        assert line == "220 ready\r\n" and seconds < 0.3, got


@test(links=True, timeout=90)
def test_a_slow_reader_slows_the_sender_and_loses_nothing(t):
    """The far side reads 4 MB/s: the guest's sender must feel it, not a buffer without an end."""
    got = t.py("""
        s = connect(WEB4, 7000, 60)
        s.sendall(b"sink slow 4000000\\n")
        t0 = time.monotonic()
        s.sendall(pattern(40000000))
        sent = time.monotonic() - t0
        s.shutdown(socket.SHUT_WR)
        out([sent, json.loads(recv_all(s))])
    """, timeout=80)
    sent, f = got
    assert f["bytes"] == 40000000 and f["sha"] == sha(pattern(40000000)), f
    assert sent > 3, "40 MB were taken in %.1f s though the server reads 4 MB/s" % sent


@test(links=True, timeout=90)
def test_a_slow_guest_slows_the_server_and_loses_nothing(t):
    got = t.py("""
        s = connect(WEB6, 7000, 60)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.sendall(b"source 20000000\\n")
        h, n = hashlib.sha256(), 0
        time.sleep(3)               # the window is shut now
        while True:
            b = s.recv(200000)
            if not b:
                break
            h.update(b)
            n += len(b)
            time.sleep(0.02)
        out([n, h.hexdigest()])
    """, timeout=80)
    assert got == [20000000, sha(pattern(20000000))], got


@test(links=True, smoke=True)
def test_a_shut_window_opens_again_promptly(t):
    token = "window-%d" % t.number
    got = t.py("""
        s = connect(WEB4, 7000, 60)
        s.sendall(b"noread 4 %s\\n")
        t0 = time.monotonic()
        s.sendall(pattern(30000000))
        s.shutdown(socket.SHUT_WR)
        f = json.loads(recv_all(s))
        out([time.monotonic() - t0, f["bytes"], f["sha"]])
    """ % token, timeout=50)
    assert got[1:] == [30000000, sha(pattern(30000000))] and got[0] < 12, got


@test(links=True, smoke=True)
def test_small_messages_are_not_held_back(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            s = connect(host, 7000)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(b"pingpong\\n")
            t0 = time.monotonic()
            for i in range(200):
                s.sendall(b"x")
                assert s.recv(1) == b"x"
            r.append((time.monotonic() - t0) / 200)
        out(r)
    """)
    assert all(x < 0.01 for x in got), "a round trip takes %s" % got


@test(smoke=True)
def test_a_slow_writer_is_heard_drop_by_drop(t):
    """A server that says a little now and then; and a guest that does, of which each drop comes back."""
    got = t.py("""
        r = []
        def drops(host, line, mine):
            s = connect(host, 7000)
            s.sendall(line)
            t0 = time.monotonic()
            times, n = [], 0
            for i in range(8):
                if mine:
                    time.sleep(max(0, t0 + 0.2 * i - time.monotonic()))
                    s.sendall(b"drop %04d." % i)
                b = s.recv(4096)
                n += len(b)
                times.append(time.monotonic() - t0)
            s.shutdown(socket.SHUT_WR)
            n += len(recv_all(s))
            r.append([n, times])
        jobs = [(h, *j) for h in (WEB4, WEB6) for j in ((b"drip 10 0.2 8\\n", False), (b"echo\\n", True))]
        threads = [threading.Thread(target=drops, args=j) for j in jobs]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        out(r)
    """)
    assert len(got) == 4, got
    for n, times in got:
        assert n == 80 and all(abs(x - 0.2 * i) < 0.15 for i, x in enumerate(times)), got


@test(links=True, smoke=True)
def test_connections_come_and_go_by_the_thousand(t):
    """More in turn than may be open at once: what is closed makes room."""
    got = t.py("""
        bad, t0 = [], time.monotonic()
        for i in range(1500):
            # The server may be late in closing its side: 500 that wait for that are 500 open ones.
            end = time.monotonic() + 5
            r = attempt((WEB4, WEB6)[i % 2], 7002, 5)
            while r[0] != "ok" and time.monotonic() < end:
                time.sleep(0.05)
                r = attempt((WEB4, WEB6)[i % 2], 7002, 5)
            if r[0] != "ok":
                bad.append([i] + r)
                break
        out([bad, time.monotonic() - t0])
    """, "--max-connections", "500", timeout=60)
    assert not got[0], got


@test()
def test_urgent_data_comes_in_line(t):
    got = t.py("""
        s = connect(WEB4, 7000)
        s.sendall(b"urgent\\n")
        time.sleep(0.3)
        s.sendall(b"abc")
        s.send(b"!", socket.MSG_OOB)
        s.sendall(b"def")
        s.shutdown(socket.SHUT_WR)
        out(recv_all(s).decode())
    """)
    assert got == "abc!def", got


@test(smoke=True)
def test_the_path_mtu_behind_a_narrow_link_is_no_obstacle(t):
    got = t.py("""
        r = []
        for host in (NARROW4, NARROW6):
            down = talk("source 3000000", host)
            up = json.loads(talk("sink t", host, pattern(3000000)))
            r.append([down == pattern(3000000), up["bytes"]])
        out(r)
    """)
    assert got == [[True, 3000000]] * 2, got


@test(smoke=True)
def test_a_connection_that_the_server_resets_at_once_is_reset(t):
    got = t.py("""
        s = connect(WEB4, 7000)
        s.sendall(b"resetnow\\n")
        try:
            out(recv_all(s).decode())
        except OSError as e:
            out(err_name(e))
    """)
    assert got == "ECONNRESET", got


@test(links=True, waits=True)
def test_an_idle_connection_stays(t):
    got = t.py("""
        s = [connect(h, 7002) for h in (WEB4, WEB6)]
        time.sleep(15)
        for c in s:
            c.sendall(b"x")
        out([c.recv(1).decode() for c in s])
    """, timeout=40)
    assert got == ["x", "x"]


def processor_time(seconds):
    """Of weir and all that belongs to it, but for the command's own: ticks of 10 ms in so many seconds."""
    def ticks():
        total = 0
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as f:
                    head, _, rest = f.read().rpartition(")")
            except OSError:
                continue
            if "weir" in head:
                f = rest.split()
                total += int(f[11]) + int(f[12])
        return total

    before = ticks()
    time.sleep(seconds)
    return ticks() - before


@test(links=True, alone=True)
def test_quiet_weir_uses_no_processor_time(t):
    """Readiness and deadlines, never ticks."""
    p = t.spawn_py("""
        s = [connect(WEB4, 7002) for i in range(50)]
        print("ready", flush=True)
        time.sleep(12)
    """)
    p.wait_for("ready")
    time.sleep(2)
    used = processor_time(6)
    assert used <= 2, "%d ticks of 10 ms in 6 s of quiet" % used


@test(links=True, alone=True)
def test_those_who_do_not_read_cost_no_processor_time(t):
    """Guests that were sent more than they read, and servers that read nothing: weir waits for both, also where one side has ended."""
    p = t.spawn_py("""
        ended = []
        for host in (WEB4, WEB6):
            for line in (b"source 100000\\n", b"reset 100000\\n", b"shutfirst 100000 over\\n", b"noread 20 over\\n" + bytes(100000)):
                for shut in (False, True):
                    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4608)
                    s.connect((host, 7000))
                    s.sendall(line)
                    if shut:
                        s.shutdown(socket.SHUT_WR)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    ended.append(s)
        down = [connect(WEB4, 7000, 60) for i in range(4)]
        for s in down:
            s.sendall(b"source 1000000000\\n")
        up = [connect(WEB4, 7000, 60) for i in range(4)]
        for i, s in enumerate(up):
            s.sendall(b"noread 20 full-%d\\n" % i)
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # weir need not deliver it
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for s in up:
                try:
                    s.send(bytes(65536))
                except BlockingIOError:
                    pass
            time.sleep(0.001)
        print("full", flush=True)
        time.sleep(10)
    """)
    p.wait_for("full")
    time.sleep(1)
    used = processor_time(5)
    assert used <= 3, "%d ticks of 10 ms in 5 s" % used


@test(links=True, smoke=True)
def test_segments_as_long_as_packets_work(t):
    """The largest MTU leaves no room for more than one segment in a frame."""
    for mtu in ("65520", "65500", "40000"):
        r = t.run("--mtu", mtu, sh="head -c 20000000 /dev/zero | curl -sS -m 20 -T - http://%s/up/%s-%s -o /dev/null -w '%%{http_code} '; "
                  "curl -sS -m 20 http://%s/one-mib | wc -c" % (lab.WEB4, mtu, t.port(), lab.WEB4))
        assert r.out.split() == ["201", "1048576"], r
