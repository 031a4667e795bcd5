#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The servers of the lab's internet that no package has: each misbehaves, or tells what it saw, on request.

TCP 7000  one line says what the connection is to be (see `Conversation`)
TCP 7001  speaks first: a banner, then an echo of lines
TCP 7002  holds any number of idle connections; a byte is answered with the same byte
TCP 7003  sends 1 MiB and closes at once
TCP 7004  HTTP: /sse?interval=S&count=N, server-sent events
TCP 7005  WebSocket echo; "tick S N" makes it send N messages, S seconds apart
TCP 7006  its accept queue is never emptied
TCP 7099  a token; answers with what the server saw of the conversation of that name, as JSON
UDP 7000  echo
UDP 7001  "N": a datagram of N bytes
UDP 7002  the client's address and port, as the server sees them
UDP 7003  the answer comes from another port
UDP 7004  "S N": N datagrams, S seconds apart
UDP 7005  answers with the TOS / traffic class and TTL of what came
UDP 123   NTP

With --origin, the servers of the addresses of zones.py. They keep the first bytes of everything that reaches them:
TCP 80    HTTP/1, read as a careless server would (see `Http`); 443 the same over TLS
TCP 7000  gives back what came; 7001 speaks first; 22, 25, 853 say nothing
TCP 7099  tells JSON: "ADDRESS..." -> a list of {proto, port, at, data (Latin-1), n, sni}; "clear ADDRESS..." forgets
UDP 137, 443, 853, 3478, 5353, 5355, 7000: give back what came
"""
import asyncio
import hashlib
import json
import random
import selectors
import socket
import ssl
import struct
import sys
import threading
import time

import lab

PATTERN = random.Random(1).randbytes(65521)  # a prime length, so that a shift shows


def pattern(n):
    return (PATTERN * (n // len(PATTERN) + 1))[:n]


def thread(fn, *args):
    threading.Thread(target=fn, args=args, daemon=True).start()


facts = {}  # token -> what was seen


def listen(port, backlog=4096):
    s = socket.create_server(("::", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
    return s


def reset(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


class Conversation:
    """One connection to port 7000: the first line is a command and its numbers."""

    def __init__(self, conn):
        self.conn = conn
        line = b""
        while not line.endswith(b"\n"):
            c = conn.recv(1)
            if not c:
                return conn.close()
            line += c
        word, *args = line.decode("ascii", "replace").split()
        try:
            getattr(self, "do_" + word)(*args)
        except (OSError, ValueError, AttributeError) as e:
            print("conversation %r: %r" % (line, e), flush=True)
        conn.close()

    def drain(self, token=None, rate=0, chunk=65536):
        """Reads to the end; what came and how it ended."""
        n, sha, end, t0 = 0, hashlib.sha256(), "eof", time.monotonic()
        rate = float(rate)
        while True:
            try:
                b = self.conn.recv(min(chunk, max(1, int(rate / 10))) if rate else chunk)
            except OSError as e:
                end = type(e).__name__
                break
            if not b:
                break
            n += len(b)
            sha.update(b)
            if rate:
                time.sleep(max(0, n / rate - (time.monotonic() - t0)))
        f = {"bytes": n, "sha": sha.hexdigest(), "end": end}
        if token:
            facts[token] = f
        return f

    def shut(self):
        self.conn.shutdown(socket.SHUT_WR)

    def do_echo(self):
        while True:
            b = self.conn.recv(65536)
            if not b:
                break
            self.conn.sendall(b)
        self.shut()

    def do_sink(self, token, rate=0):
        f = self.drain(token, rate)
        if f["end"] == "eof":
            self.conn.sendall(json.dumps(f).encode())

    def do_source(self, n, token=None):
        self.conn.sendall(pattern(int(n)))
        self.shut()
        self.drain(token)

    def do_sourcerate(self, n, rate):
        """n bytes at rate bytes a second."""
        data, t0, sent, rate = pattern(int(n)), time.monotonic(), 0, float(rate)
        while sent < len(data):
            step = max(1, int(rate / 20))
            self.conn.sendall(data[sent:sent + step])
            sent += step
            time.sleep(max(0, sent / rate - (time.monotonic() - t0)))
        self.shut()
        self.drain()

    def do_shutfirst(self, n, token):
        """Sends n bytes and its FIN, then takes what the client still has to say."""
        self.conn.sendall(pattern(int(n)))
        self.shut()
        self.drain(token)

    def do_reset(self, n):
        self.conn.sendall(pattern(int(n)))
        time.sleep(0.3)
        reset(self.conn)

    def do_resetnow(self):
        reset(self.conn)

    def do_hold(self, token):
        self.conn.sendall(b"held\n")
        self.drain(token)

    def do_drip(self, size, seconds, count):
        for _ in range(int(count)):
            self.conn.sendall(pattern(int(size)))
            time.sleep(float(seconds))
        self.shut()

    def do_noread(self, seconds, token):
        """Takes nothing for a while: the client's window closes."""
        time.sleep(float(seconds))
        f = self.drain(token)
        self.conn.sendall(json.dumps(f).encode())

    def do_peer(self):
        a = self.conn.getpeername()
        self.conn.sendall(("%s %d\n" % (a[0].replace("::ffff:", ""), a[1])).encode())

    def do_pingpong(self):
        """One byte back for each byte, as promptly as can be: for latency."""
        self.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            b = self.conn.recv(4096)
            if not b:
                return
            self.conn.sendall(b)

    def do_urgent(self):
        """Gives back everything, urgent data in line."""
        self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.do_echo()


def banner(conn):
    conn.sendall(b"220 ready\r\n")
    try:
        while True:
            b = conn.recv(4096)
            if not b:
                break
            conn.sendall(b)
    except OSError:
        pass
    conn.close()


def tail(conn):
    try:
        conn.sendall(pattern(1 << 20))
    except OSError:
        pass
    conn.close()


def control(conn):
    token = conn.makefile().readline().strip()
    for _ in range(100):
        if token in facts:
            break
        time.sleep(0.05)
    conn.sendall(json.dumps(facts.get(token)).encode())
    conn.close()


def sse(conn):
    f = conn.makefile("rb")
    path = f.readline().decode().split()[1]
    while f.readline().strip():
        pass
    q = dict(p.split("=") for p in path.partition("?")[2].split("&") if p)
    try:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                     b"Connection: close\r\n\r\n")
        for i in range(int(q.get("count", 3))):
            conn.sendall(b"event: tick\ndata: %d %f\n\n" % (i, time.time()))
            time.sleep(float(q.get("interval", 1)))
    except OSError:
        pass
    conn.close()


def serve(port, fn):
    s = listen(port)

    def loop():
        while True:
            try:
                conn, _ = s.accept()
                thread(fn, conn)
            except OSError as e:
                print("port %d: %r" % (port, e), flush=True)
                time.sleep(0.1)
    thread(loop)


def idle(port):
    s = listen(port)
    s.setblocking(False)
    sel = selectors.DefaultSelector()
    sel.register(s, selectors.EVENT_READ)

    def loop():
        while True:
            for key, _ in sel.select():
                try:
                    if key.fileobj is s:
                        conn, _ = s.accept()
                        conn.setblocking(False)
                        sel.register(conn, selectors.EVENT_READ)
                        continue
                    b = key.fileobj.recv(4096)
                    if b:
                        key.fileobj.send(b)
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                if key.fileobj is not s:
                    sel.unregister(key.fileobj)
                    key.fileobj.close()
    thread(loop)


def websocket(port):
    import websockets

    async def talk(ws, path=None):
        async for m in ws:
            if isinstance(m, str) and m.startswith("tick "):
                _, seconds, n = m.split()
                for i in range(int(n)):
                    await ws.send(str(i))
                    await asyncio.sleep(float(seconds))
            else:
                await ws.send(m)

    async def main():
        async with websockets.serve(talk, None, port, max_size=1 << 24, ping_interval=None):
            await asyncio.Future()
    thread(lambda: asyncio.run(main()))


# ---- UDP: bound to each address, so that the answer comes from where the question went ------------

def udp(addrs, port, fn):
    for a in addrs:
        s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        s.bind((a, port))

        def loop(s=s):
            while True:
                try:
                    data, peer = s.recvfrom(65535)
                    fn(s, data, peer)
                except (OSError, ValueError) as e:
                    print("udp %d: %r" % (port, e), flush=True)
        thread(loop)


def udp_facts(addrs, port):
    for a in addrs:
        v6 = ":" in a
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        if v6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            s.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        s.bind((a, port))

        def loop(s=s):
            while True:
                _, anc, _, peer = s.recvmsg(65535, 256)
                got = {}
                for level, kind, data in anc:
                    v = int.from_bytes(data[:4], "little")
                    if (level, kind) in ((socket.IPPROTO_IP, 1), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)):
                        got["tos"] = data[0]
                    else:
                        got["ttl"] = v
                s.sendto(json.dumps(got).encode(), peer)
        thread(loop)


def other_port(s, data, peer):
    o = socket.socket(s.family, socket.SOCK_DGRAM)
    o.bind((s.getsockname()[0], 0))
    o.sendto(b"from elsewhere", peer)
    o.close()
    s.sendto(b"from here", peer)


def drip(s, data, peer):
    seconds, n = data.split()

    def go():
        for i in range(int(n)):
            s.sendto(b"%d" % i, peer)
            time.sleep(float(seconds))
    thread(go)


def ntp(s, data, peer):
    def stamp(t):
        return struct.pack("!II", int(t) + 2208988800, int(t % 1 * (1 << 32)))
    now = time.time()
    s.sendto(struct.pack("!BBBbII4s", 0x24, 1, 6, -20, 0, 1, b"LAB\0") + stamp(now - 1) + data[40:48] + stamp(now) +
             stamp(time.time()), peer)


# ---- the origin: it tells what reached it -----------------------------------------------------------

KEPT = 65536  # of a connection


class Record:
    """What came in one connection, or one datagram."""
    all = []
    lock = threading.Lock()

    def __init__(self, proto, at, port):
        self.proto, self.at, self.port, self.data, self.n = proto, at.replace("::ffff:", ""), port, b"", 0
        self.sni = None
        with Record.lock:
            Record.all.append(self)

    def add(self, data):
        self.data += data[:KEPT - len(self.data)]
        self.n += len(data)

    @staticmethod
    def tell(conn):
        words = conn.makefile().readline().split()
        with Record.lock:
            if words[:1] == ["clear"]:
                Record.all = [r for r in Record.all if r.at not in words]
            got = [dict(proto=r.proto, port=r.port, at=r.at, data=r.data.decode("latin-1"), n=r.n, sni=r.sni)
                   for r in Record.all if r.at in words]
        conn.sendall(json.dumps(got).encode())
        conn.close()


CARELESS = {  # answers of servers that know little of RFC 9112
    "/raw/lf": b"HTTP/1.1 200 OK\nContent-Length: 8\n\ncareless",
    "/raw/fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 8\r\n\r\ncareless",
    "/raw/none": b"careless\r\n",
    "/raw/early": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ncarelessHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "/raw/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\ncareless",
    "/raw/text": b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000000000000000\r\n\r\ncareless",
}


class Http:
    """
    Answers each request with a line of JSON: its target, its Host as the last such field says, its body's length and
    hash. A CONNECT is granted, and an upgrade of anything but /stay; then it gives back what comes. Lines may end as they like.
    """

    def __init__(self):
        self.buf, self.tunnel, self.body, self.chunked = b"", False, None, False

    def feed(self, data):
        if self.tunnel:
            return data
        self.buf += data
        out = b""
        while True:
            if self.body is None and not self.head():
                return out
            if self.granted:
                out, rest, self.buf, self.tunnel = out + self.granted, self.buf, b"", True
                return out + rest
            if not self.rest_of_body():
                return out
            if self.target in CARELESS:
                out += CARELESS[self.target]
                self.body = None
                continue
            text = json.dumps({"target": self.target, "host": self.fields.get("host"), "bytes": self.n, "sha": self.sha.hexdigest()})
            out += ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)).encode()
            self.body = None

    def head(self):
        lines = self.buf.lstrip(b"\r\n").replace(b"\r\n", b"\n").split(b"\n")
        if b"" not in lines[:-1]:
            return False
        end = lines.index(b"")
        self.buf = b"\n".join(lines[end + 1:]) if b"\r" not in self.buf else self.buf[self.buf.index(b"\r\n\r\n") + 4:] \
            if b"\r\n\r\n" in self.buf else b"\n".join(lines[end + 1:])
        first = lines[0].decode("latin-1").split()
        self.method, self.target = first[0], first[1] if len(first) > 1 else ""
        self.fields = {}
        for line in lines[1:end]:
            k, _, v = line.decode("latin-1").partition(":")
            self.fields[k.strip().lower()] = v.strip()
        self.granted = b""
        if self.method == "CONNECT":
            self.granted = b"HTTP/1.1 200 OK\r\n\r\n"
        elif "upgrade" in self.fields and self.target != "/stay":
            self.granted = ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"
                            % self.fields["upgrade"]).encode()
        self.n, self.sha = 0, hashlib.sha256()
        self.chunked = "chunked" in self.fields.get("transfer-encoding", "")
        self.body = 0 if self.chunked else int(self.fields.get("content-length", 0))
        self.last = False
        return True

    def take(self, n):
        got, self.buf = self.buf[:n], self.buf[n:]
        self.n += len(got)
        self.sha.update(got)
        return len(got)

    def rest_of_body(self):
        while True:
            self.body -= self.take(self.body)
            if self.body:
                return False
            if not self.chunked:
                return True
            if self.buf.startswith(b"\r\n") and self.n and not self.last:
                self.buf = self.buf[2:]
            line, found, rest = self.buf.partition(b"\r\n")
            if not found:
                return False
            if self.last:  # the trailer
                self.buf = rest
                if not line:
                    return True
                continue
            self.buf = rest
            self.body = int(line.split(b";")[0], 16)
            self.last = self.body == 0


def origin_http(conn, record):
    http = Http()
    while True:
        data = conn.recv(65536)
        if not data:
            return
        record.add(data)
        conn.sendall(http.feed(data))


def origin_tls(conn, record):
    """TLS by hand, so that the bytes are seen as they came."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(lab.ROOT + "/server.pem", lab.ROOT + "/server.key")
    ctx.sni_callback = lambda tls, name, ctx: setattr(record, "sni", name)
    came, goes, http = ssl.MemoryBIO(), ssl.MemoryBIO(), Http()
    tls = ctx.wrap_bio(came, goes, server_side=True)
    up = False
    while True:
        data = conn.recv(65536)
        if not data:
            return
        record.add(data)
        came.write(data)
        try:
            if not up:
                tls.do_handshake()
                up = True
            while True:
                tls.write(http.feed(tls.read(65536)) or b"")
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            conn.sendall(goes.read())
            return
        conn.sendall(goes.read())


def origin_echo(conn, record):
    while True:
        data = conn.recv(65536)
        if not data:
            return
        record.add(data)
        conn.sendall(data)


def origin_banner(conn, record):
    conn.sendall(b"220 ready\r\n")
    origin_echo(conn, record)


def origin_silent(conn, record):
    while True:
        data = conn.recv(65536)
        if not data:
            return
        record.add(data)


def recorded(port, fn):
    def one(conn):
        record = Record("tcp", conn.getsockname()[0], port)
        try:
            fn(conn, record)
        except OSError:
            pass
        conn.close()
    serve(port, one)


def recorded_udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND: no interface has the addresses of the sites
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a QUIC server may have one of the addresses
    s.bind(("::", port))

    def loop():
        while True:
            data, anc, _, peer = s.recvmsg(65535, 256)
            at = anc[0][2][:16]
            Record("udp", socket.inet_ntop(socket.AF_INET6, at), port).add(data)
            try:
                s.sendmsg([data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, at + struct.pack("I", 0))], 0, peer)
            except OSError as e:
                print("udp %d: %r" % (port, e), flush=True)
    thread(loop)


def origin():
    recorded(80, origin_http)
    recorded(443, origin_tls)
    recorded(7000, origin_echo)
    recorded(7001, origin_banner)
    for port in (22, 25, 853):
        recorded(port, origin_silent)
    for port in (137, 443, 853, 3478, 5353, 5355, 7000):
        recorded_udp(port)
    serve(7099, Record.tell)
    threading.Event().wait()


def main():
    if sys.argv[1:] == ["--origin"]:
        return origin()
    narrow = sys.argv[1:] == ["--narrow"]
    addrs = [lab.NARROW4, lab.NARROW6] if narrow else [lab.WEB4, lab.WEB6, lab.ALT4, lab.ALT6]
    serve(7000, Conversation)
    serve(7001, banner)
    serve(7003, tail)
    serve(7099, control)
    udp(addrs, 7000, lambda s, data, peer: s.sendto(data, peer))
    udp(addrs, 7001, lambda s, data, peer: s.sendto(pattern(int(data)), peer))
    if not narrow:
        idle(7002)
        serve(7004, sse)
        websocket(7005)
        full = listen(7006, backlog=0)  # kept, never accepted from
        udp(addrs, 7002, lambda s, data, peer: s.sendto(("%s %d" % peer[:2]).encode(), peer))
        udp(addrs, 7003, other_port)
        udp(addrs, 7004, drip)
        udp_facts(addrs, 7005)
        udp(addrs, 123, ntp)
        assert full
    threading.Event().wait()


if __name__ == "__main__":
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    main()
