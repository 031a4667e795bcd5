# SPDX-License-Identifier: Apache-2.0
"""Ports of the guest, on the host."""
import hashlib
import json
import re
import socket
import struct
import time

import lab
from harness import in_threads, test
from services import pattern

# A server in the guest: a line says what is wanted, as in services.py; it also echoes UDP.
SERVER = """
    port = %d
    import services
    services.PATTERN = PATTERN
    s = socket.create_server(("::", port), family=socket.AF_INET6, backlog=4096, dualstack_ipv6=True)
    def udp(fam, addr):
        u = socket.socket(fam, socket.SOCK_DGRAM)
        u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        u.bind((addr, port))
        while True:
            data, peer = u.recvfrom(65535)
            u.sendto(("%%s %%d" %% peer[:2]).encode() if data == b"who" else data, peer)
    for fam, addr in ((socket.AF_INET, my_address(4)), (socket.AF_INET6, my_address(6))):
        threading.Thread(target=udp, args=(fam, addr), daemon=True).start()
    print("ready", flush=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=services.Conversation, args=(c,), daemon=True).start()
"""


def serve(t, *publish, port=8000, opts=()):
    args = []
    for p in publish:
        args += ["-p", p]
    p = t.spawn_py(SERVER % port, *args, *opts)
    p.wait_for("ready")
    return p


def talk(addr, port, line, data=b""):
    with socket.create_connection((addr, port), 20) as s:
        s.sendall(line.encode() + b"\n" + data)
        s.shutdown(socket.SHUT_WR)
        got = bytearray()
        while True:
            b = s.recv(1 << 20)
            if not b:
                return bytes(got)
            got += b


def udp(addr, port, data, timeout=5, sock=None):
    s = sock or socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.sendto(data, (addr, port))
    return s.recv(65535)


@test(links=True, smoke=True)
def test_tcp_both_families_whole_both_ways(t):
    n = t.port()
    serve(t, "%d:8000" % n)
    for addr in ("127.0.0.1", "::1"):
        assert talk(addr, n, "source 5000000") == pattern(5000000), addr
        f = json.loads(talk(addr, n, "sink x", pattern(5000000)))
        assert f == {"bytes": 5000000, "sha": hashlib.sha256(pattern(5000000)).hexdigest(), "end": "eof"}, (addr, f)
        assert talk(addr, n, "echo", pattern(300000)) == pattern(300000), addr


@test(smoke=True)
def test_the_default_bind_is_loopback_only(t):
    n = t.port()
    serve(t, "%d:8000" % n)
    assert talk("127.0.0.1", n, "source 10") == pattern(10)
    for addr in (lab.HOST4, lab.HOST6):
        try:
            socket.create_connection((addr, n), 3)
            raise AssertionError("%s answers" % addr)
        except ConnectionRefusedError:
            pass


@test(smoke=True)
def test_another_bind_is_reached_from_outside_and_warned_of(t):
    n = t.port()
    p = serve(t, "%s:%d:8000" % (lab.HOST4, n), "[%s]:%d:8000" % (lab.HOST6, n))
    for addr in (lab.HOST4, lab.HOST6):
        assert addr in p.err, p.err
        got = t.host_py("out(len(talk('source 100000', %r, port=%d)))" % (addr, n), ns="internet")
        assert got == 100000, (addr, got)


@test(links=True, smoke=True)
def test_the_clients_address_is_kept_where_it_can_be_routed(t):
    n = t.port()
    serve(t, "%s:%d:8000" % (lab.HOST4, n), "[%s]:%d:8000" % (lab.HOST6, n), "%s:%d:8000/udp" % (lab.HOST4, n))
    for addr, want in ((lab.HOST4, lab.WEB4), (lab.HOST6, lab.WEB6)):
        got = t.host_py("""
            s = socket.socket(socket.AF_INET6 if ":" in %r else socket.AF_INET)
            s.bind((%r, 0))
            s.connect((%r, %d))
            s.sendall(b"peer\\n")
            out([recv_line(s).decode(), s.getsockname()[1]])
        """ % (addr, want, addr, n), ns="internet")
        assert got[0].split()[0] == want, got
    got = t.host_py("""
        s = udp_socket(WEB4)
        s.bind((WEB4, 0))
        s.sendto(b"who", (%r, %d))
        out(s.recv(100).decode())
    """ % (lab.HOST4, n), ns="internet")
    assert got.split()[0] == lab.WEB4, got


@test(smoke=True)
def test_one_client_port_towards_two_published_ports_is_two_connections(t):
    """As kernels choose them where the ports differ; the guest could not tell the two apart by the client's address."""
    n, m = t.port(), t.port()
    serve(t, "%s:%d:8000" % (lab.HOST4, n), "%s:%d:8000" % (lab.HOST4, m))
    got = t.host_py("""
        r, keep = [], []
        for port in (%d, %d):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((WEB4, %d))
            s.settimeout(5)
            s.connect((HOST4, port))
            keep.append(s)
            s.sendall(b"peer\\n")
            r.append(recv_line(s).decode().split()[0])
        out(r)
    """ % (n, m, n), ns="internet")
    assert got[0] == lab.WEB4 and got[1] != lab.WEB4, got


@test(smoke=True)
def test_a_loopback_client_appears_as_the_gateway(t):
    n = t.port()
    serve(t, "%d:8000" % n)
    gw = t.py("out([default_gateway(4), gateway_address(6)])")
    for addr, want in (("127.0.0.1", gw[0]), ("::1", gw[1])):
        assert talk(addr, n, "peer").decode().split()[0] == want, addr


@test(links=True, smoke=True)
def test_udp_of_every_size_and_many_clients(t):
    n = t.port()
    serve(t, "%d:8000/udp" % n)
    for addr, most in (("127.0.0.1", 65507), ("::1", 65487)):
        for size in (0, 1, 1400, 1472, 1473, 3000, 20000, most):
            assert udp(addr, n, pattern(size)) == pattern(size), (addr, size)
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
    for rounds in range(3):
        for i, s in enumerate(socks):
            s.sendto(b"client %d" % i, ("127.0.0.1", n))
        for i, s in enumerate(socks):
            s.settimeout(5)
            assert s.recv(100) == b"client %d" % i


@test(smoke=True)
def test_a_udp_client_keeps_its_port_toward_the_guest(t):
    n = t.port()
    serve(t, "%d:8000/udp" % n)
    a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    seen = [udp("127.0.0.1", n, b"who", sock=s) for s in (a, b, a, b)]
    assert seen[0] == seen[2] and seen[1] == seen[3] and seen[0] != seen[1], seen


@test(smoke=True)
def test_a_port_range_is_published_one_to_one(t):
    n = t.port()
    p = t.spawn_py("""
        socks = [socket.create_server(("", 9000 + i)) for i in range(5)]
        print("ready", flush=True)
        while True:
            for s in select.select(socks, [], [])[0]:
                c, _ = s.accept()
                c.sendall(b"%d" % s.getsockname()[1])
                c.close()
    """, "-p", "%d-%d:9000-9004" % (n, n + 4))
    p.wait_for("ready")
    for i in range(5):
        assert socket.create_connection(("127.0.0.1", n + i), 5).recv(10) == b"%d" % (9000 + i)


@test(smoke=True)
def test_port_0_picks_one_and_says_which(t):
    p = serve(t, "0:8000")
    m = re.search(r"127\.0\.0\.1[: ](?:port )?(\d+)", p.err) or re.search(r"port (\d+)", p.err)
    assert m, p.err
    assert talk("127.0.0.1", int(m.group(1)), "source 10") == pattern(10)


@test(smoke=True)
def test_an_ordinary_user_is_told_why_a_low_port_cannot_be_had(t):
    r = t.run("-p", "80:80", cmd=["true"], rc=125, user=True)
    assert "cannot bind 127.0.0.1:80" in r.err and "ip_unprivileged_port_start" in r.err and r.err.count("\n") == 1, r


@test(smoke=True)
def test_a_port_that_is_taken_is_an_error_at_start(t):
    n = t.port()
    s = socket.create_server(("127.0.0.1", n))
    r = t.run("-p", "%d:80" % n, cmd=["true"], rc=125)
    assert str(n) in r.err, r
    s.close()


@test(links=True, smoke=True)
def test_what_the_guest_refuses_the_client_sees_refused(t):
    n = t.port()
    p = t.spawn("-p", "%d:8123" % n, "-p", "%d:8123/udp" % n, sh="echo ready; sleep 60")
    p.wait_for("ready")
    for addr in ("127.0.0.1", "::1"):
        t0 = time.monotonic()
        try:
            s = socket.create_connection((addr, n), 5)
            s.settimeout(5)
            got = s.recv(10)     # accepted by the kernel, then reset: nothing is ever served
            raise AssertionError("no reset but %r" % got)
        except (ConnectionResetError, ConnectionRefusedError):
            pass
        assert time.monotonic() - t0 < 1


@test(links=True, smoke=True)
def test_half_close_and_reset_both_ways(t):
    n = t.port()
    serve(t, "%d:8000" % n)
    with socket.create_connection(("127.0.0.1", n), 10) as s:
        s.sendall(b"shutfirst 5000 token1\n")
        got = b""
        while True:
            b = s.recv(65536)
            if not b:
                break
            got += b
        assert len(got) == 5000
        s.sendall(pattern(100000))     # the guest has closed its half; it still hears us
    with socket.create_connection(("127.0.0.1", n), 10) as s:
        s.sendall(b"reset 1000\n")
        n_got = 0
        try:
            while True:
                b = s.recv(65536)
                assert b, "a FIN instead of a reset"
                n_got += len(b)
        except ConnectionResetError:
            pass
        assert n_got == 1000
    s = socket.create_connection(("127.0.0.1", n), 10)
    s.sendall(b"hold token2\n")
    assert s.recv(5) == b"held\n"
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


@test(links=True, smoke=True, timeout=120)
def test_a_thousand_clients_at_once_all_succeed(t):
    n = t.port()
    p = t.spawn_py("""
        import selectors
        sel = selectors.DefaultSelector()
        s = socket.create_server(("", 8000), backlog=4096)
        s.setblocking(False)
        sel.register(s, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in sel.select():
                if key.fileobj is s:
                    try:
                        while True:
                            c, _ = s.accept()
                            sel.register(c, selectors.EVENT_READ)
                    except BlockingIOError:
                        pass
                    continue
                b = key.fileobj.recv(4096)
                if b:
                    key.fileobj.send(b)
                else:
                    sel.unregister(key.fileobj)
                    key.fileobj.close()
    """, "-p", "%d:8000" % n)
    p.wait_for("ready")
    t0 = time.monotonic()
    socks = []
    for i in range(1000):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", n))
        socks.append(s)
    for i, s in enumerate(socks):
        s.settimeout(30)
        s.send(b"I am %d" % i) if s.getpeername() else None
    for i, s in enumerate(socks):
        assert s.recv(100) == b"I am %d" % i, i
    first = time.monotonic() - t0
    for s in socks:
        s.send(b"still here")
    for s in socks:
        assert s.recv(100) == b"still here"
        s.close()
    assert first < 20, "it took %.1f s" % first


@test(smoke=True)
def test_the_ingress_policy_is_judged(t):
    n = t.port()
    serve(t, "%s:%d:8000" % (lab.HOST4, n), "%d:8000" % n, opts=["--net", "public", "--rule", "deny:ingress@%s:tcp:8000" % lab.WEB4])
    got = t.host_py("""
        try:
            out(len(talk("source 10", %r, port=%d)))
        except OSError as e:
            out(err_name(e))
    """ % (lab.HOST4, n), ns="internet")
    assert got in ("ECONNRESET", "ECONNREFUSED", "EPIPE") or got == 0, got
    assert talk("127.0.0.1", n, "source 10") == pattern(10)


@test(links=True)
def test_a_published_port_is_quick(t):
    n = t.port()
    serve(t, "%d:8000" % n)
    t0 = time.monotonic()
    assert len(talk("127.0.0.1", n, "source 100000000")) == 100000000
    seconds = time.monotonic() - t0
    assert seconds < (30 if t.sanitized else 5), "100 MB took %.1f s" % seconds


@test()
def test_many_transfers_at_once_through_a_published_port(t):
    n = t.port()
    serve(t, "%d:8000" % n)

    def one(i):
        got = talk(("127.0.0.1", "::1")[i % 2], n, "source %d" % (1000000 + i))
        assert got == pattern(1000000 + i), (i, len(got))
    errors = in_threads(40, one)
    assert not errors, errors
