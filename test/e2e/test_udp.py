# SPDX-License-Identifier: Apache-2.0
"""UDP sessions."""
from harness import test


@test(links=True, smoke=True)
def test_datagrams_of_every_size_come_back(t):
    got = t.py("""
        r = {}
        for host, most in ((WEB4, 65507), (WEB6, 65487)):
            s = udp_socket(host)
            for n in (0, 1, 100, 1400, 1452, 1453, 1472, 1473, 1500, 3000, 9000, 30000, 60000, most):
                data = pattern(n)
                a, _ = udp_ask(host, 7000, data, sock=s)
                if a != data:
                    r["%s %d" % (host, n)] = len(a) if isinstance(a, bytes) else a
        out(r)
    """, timeout=60)
    assert got == {}, got


@test(links=True, smoke=True)
def test_answers_larger_than_the_mtu_arrive(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            for n in (2000, 3000, 20000, 65000):
                a, _ = udp_ask(host, 7001, b"%d" % n)
                r.append(a == pattern(n))
        out(r)
    """)
    assert all(got), got


@test(links=True, smoke=True)
def test_many_datagrams_in_a_burst_arrive(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            s = udp_socket(host, 1)
            s.connect((host, 7000))
            got = set()
            for round in range(10):
                for i in range(30):
                    s.send(b"%d" % (round * 30 + i))
                try:
                    for i in range(30):
                        got.add(int(s.recv(100)))
                except OSError:
                    pass
            r.append(len(got))
        out(r)
    """)
    assert all(n >= 295 for n in got), got


@test(links=True, smoke=True)
def test_one_guest_port_keeps_one_host_port_whatever_it_talks_to(t):
    got = t.py("""
        r = []
        for a, b in ((WEB4, ALT4), (WEB6, ALT6)):
            s = udp_socket(a)
            seen = []
            for host in (a, b, a):
                s.sendto(b"?", (host, 7002))
                data, peer = s.recvfrom(100)
                seen.append([data.decode(), peer[0] == host and peer[1] == 7002])
            r.append(seen)
        out(r)
    """)
    for seen in got:
        assert all(ok for _, ok in seen), got
        assert len({addr for addr, _ in seen}) == 1, got


@test(smoke=True)
def test_only_answers_from_where_the_guest_sent_to_come_in(t):
    got = t.py("""
        r = []
        for host in (WEB4, WEB6):
            s = udp_socket(host, 1)
            s.sendto(b"?", (host, 7003))
            seen = []
            try:
                while True:
                    data, peer = s.recvfrom(100)
                    seen.append([data.decode(), peer[1]])
            except OSError:
                pass
            r.append(seen)
        out(r)
    """)
    assert got == [[["from here", 7003]]] * 2, got


@test(links=True, smoke=True)
def test_a_closed_port_is_told_at_once(t):
    got = t.py("out([udp_ask(h, 9) for h in (WEB4, WEB6)])")
    for name, seconds in got:
        assert name == "ECONNREFUSED" and seconds < 0.5, got


@test(links=True, smoke=True)
def test_an_unreachable_host_is_told(t):
    got = t.py("""
        r = []
        for host in (UNREACH4, UNREACH6):
            for i in range(4):   # the router tells one a second when it has told much
                a = udp_ask(host, 7000, timeout=1)
                if a[0] != "timeout":
                    break
            r.append(a[0])
        out(r)
    """)
    assert all(x in ("EHOSTUNREACH", "ENETUNREACH") for x in got), got


@test(smoke=True)
def test_a_network_without_a_route_is_told_at_once(t):
    got = t.py("out([udp_ask(h, 7000, timeout=2) for h in (NOROUTE4, NOROUTE6, ELSEWHERE4, ELSEWHERE6)])")
    for name, seconds in got:
        assert name in ("ENETUNREACH", "EHOSTUNREACH") and seconds < 2.5, got


@test(smoke=True)
def test_a_dead_address_is_silence(t):
    got = t.py("out([udp_ask(h, 7000, timeout=1.5)[0] for h in (DEAD4, DEAD6)])")
    assert got == ["timeout", "timeout"], got


@test(smoke=True)
def test_tos_is_carried_and_one_hop_is_taken(t):
    got = t.py("""
        r = []
        s = udp_socket(WEB4)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xb8)
        r.append(json.loads(udp_ask(WEB4, 7005, sock=s)[0]))
        s = udp_socket(WEB6)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0xb8)
        r.append(json.loads(udp_ask(WEB6, 7005, sock=s)[0]))
        out(r)
    """)
    for g in got:
        assert g["tos"] & 0xfc == 0xb8, got


@test(waits=True, timeout=180)
def test_a_session_lives_while_only_the_server_speaks(t):
    got = t.py("""
        s = udp_socket(WEB4, 10)
        s.connect((WEB4, 7004))
        s.send(b"5 20")
        n = 0
        try:
            while n < 20:
                s.recv(100)
                n += 1
        except OSError:
            pass
        out(n)
    """, timeout=150)
    assert got == 20, got


@test(smoke=True)
def test_two_guest_ports_are_two_sessions(t):
    got = t.py("""
        a, b = udp_socket(WEB4), udp_socket(WEB4)
        out([udp_ask(WEB4, 7002, sock=s)[0].decode() for s in (a, b, a, b)])
    """)
    assert got[0] == got[2] and got[1] == got[3] and got[0] != got[1], got


@test()
def test_the_oldest_session_leaves_when_the_table_is_full(t):
    got = t.py("""
        socks = []
        bad = 0
        for i in range(1500):
            s = udp_socket(WEB4, 2)
            if udp_ask(WEB4, 7000, b"%d" % i, sock=s)[0] != b"%d" % i:
                bad += 1
            socks.append(s)
        again = [udp_ask(WEB4, 7000, b"again", sock=s)[0] == b"again" for s in socks[:20] + socks[-20:]]
        out([bad, all(again)])
    """, timeout=50)
    assert got == [0, True], got


@test()
def test_a_path_mtu_smaller_than_the_datagram_is_told(t):
    """With DF set the sender gets EMSGSIZE and learns the path MTU, as without weir."""
    got = t.py("""
        r = []
        for host, level, opt, want in ((NARROW4, socket.IPPROTO_IP, 10, 2), (NARROW6, socket.IPPROTO_IPV6, 23, 2)):
            s = udp_socket(host, 1)
            s.setsockopt(level, opt, want)   # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: PMTUDISC_DO
            s.connect((host, 7000))
            got = []
            for i in range(6):
                try:
                    s.send(pattern(1400))
                    s.recv(65535)
                    got.append("answer")
                except OSError as e:
                    got.append(err_name(e))
            r.append(got)
        out(r)
    """)
    for g in got:
        assert "EMSGSIZE" in g, got


@test(smoke=True)
def test_large_datagrams_cross_a_narrow_link(t):
    got = t.py("""
        r = []
        for host in (NARROW4, NARROW6):
            ok = 0
            for i in range(4):     # the first may be lost while the path MTU is learnt
                ok += udp_ask(host, 7000, pattern(4000), timeout=1)[0] == pattern(4000)
            r.append(ok)
        out(r)
    """)
    assert all(n >= 2 for n in got), got


@test(links=True)
def test_a_guest_that_bridges_gets_large_datagrams_through(t):
    """They come whole to the guest's kernel, which has to fragment them for a namespace behind a bridge of its own."""
    behind = r"""
        set -e
        a4=$(ip -4 -o addr show dev eth0 | awk '{print $4}')
        a6=$(ip -6 -o addr show dev eth0 scope global | awk '{print $4}')
        g4=$(ip -4 route show default | awk '{print $3}')
        g6=$(ip -6 route show default | awk '{print $3}')
        mac=$(ip -o link show eth0 | sed 's/.*ether \([^ ]*\).*/\1/')
        unshare -n sleep 60 & inner=$!
        while [ "$(readlink /proc/$inner/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
        ip link add br0 type bridge
        ip link add o0 type veth peer name i0
        ip addr flush dev eth0
        ip link set eth0 address 02:00:00:00:00:99
        ip link set eth0 master br0
        ip link set o0 master br0
        ip link set o0 up
        ip link set br0 up
        ip link set i0 address "$mac"
        ip link set i0 netns "$inner"
        nsenter -t "$inner" -n sh -e -c "
            ip link set i0 up
            ip addr add $a4 dev i0
            ip addr add $a6 dev i0 nodad
            ip route add default via $g4
            ip route add default via $g6 dev i0"
        nsenter -t "$inner" -n "$@"
    """
    code = """
        r = {}
        for host in (WEB4, WEB6):
            for n in (1000, 1473, 3000, 16000, 65000):
                good = sum(udp_ask(host, 7001, b"%d" % n, timeout=1)[0] == pattern(n) for _ in range(3))
                if good < 2:           # the first may be lost while neighbours are learnt
                    r["%s %d" % (host, n)] = good
        out(r)
    """
    r = t.run("--map-root", cmd=["sh", "-c", behind, "sh"] + t.py_cmd(code), timeout=50)
    assert r.out.strip().endswith("{}"), r
