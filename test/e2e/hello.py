# SPDX-License-Identifier: Apache-2.0
"""Bytes for the sandbox side of the attacks: ClientHellos of every shape, and what a server or weir says to them."""
import os
import socket
import struct
import time

ALERT_DENIED = b"\x15\x03\x03\x00\x02\x02\x31"  # fatal, access_denied (RFC 8446 6)


def resolver():
    with open("/etc/resolv.conf") as f:
        return [line.split()[1] for line in f if line.startswith("nameserver")][0]


KINDS = {"A": 1, "NS": 2, "CNAME": 5, "NULL": 10, "TXT": 16, "AAAA": 28, "SVCB": 64, "HTTPS": 65}


def qname(name):
    return b"".join(bytes([len(x)]) + x for x in (name if isinstance(name, bytes) else name.encode()).strip(b".").split(b".") if x) + b"\0"


def query(name, kind="A", edns=True, ident=0x7177, count=1):
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    return struct.pack("!HHHHHH", ident, 0x100, count, 0, 0, edns) + qname(name) + struct.pack("!HH", KINDS[kind], 1) + opt * edns


def exchange(message, server=None, tcp=False, timeout=6):
    """The answer to one message; None for silence, the name of the error otherwise."""
    server = server or resolver()
    s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    s.settimeout(timeout)
    try:
        s.connect((server, 53))
        s.sendall((struct.pack("!H", len(message)) if tcp else b"") + message)
        got = s.recv(65535)
        while tcp and got and (len(got) < 2 or len(got) < 2 + struct.unpack("!H", got[:2])[0]):
            more = s.recv(65535)
            if not more:
                break
            got += more
        return got[2:] if tcp else got
    except socket.timeout:
        return None
    except OSError as e:
        return type(e).__name__


def skip_name(m, at):
    while m[at]:
        if m[at] >= 0xc0:
            return at + 2
        at += 1 + m[at]
    return at + 1


def read(m):
    """{rcode, tc, addresses, answers: [[kind, data]], ede, text} of an answer."""
    if not isinstance(m, bytes) or len(m) < 12:
        return {"rcode": m if isinstance(m, str) else "silence", "addresses": [], "answers": [], "ede": None, "text": "", "tc": False}
    flags, qd, an, ns, ar = struct.unpack("!HHHHH", m[2:12])
    r = {"rcode": {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}.get(flags & 15, flags & 15),
         "tc": bool(flags & 0x200), "addresses": [], "answers": [], "ede": None, "text": ""}
    at = 12
    for _ in range(qd):
        at = skip_name(m, at) + 4
    for i in range(an + ns + ar):
        at = skip_name(m, at)
        kind, _, _, n = struct.unpack("!HHIH", m[at:at + 10])
        data = m[at + 10:at + 10 + n]
        at += 10 + n
        if i < an:
            r["answers"].append([kind, data.hex()])
        if i < an and kind in (1, 28):
            r["addresses"].append(socket.inet_ntop(socket.AF_INET if n == 4 else socket.AF_INET6, data))
        while kind == 41 and len(data) >= 4:
            code, n = struct.unpack("!HH", data[:4])
            if code == 15:
                r["ede"], r["text"] = struct.unpack("!H", data[4:6])[0], data[6:4 + n].decode("latin-1")
            data = data[4 + n:]
    return r


def ask(name, kind="A", server=None, tcp=False, **kw):
    t0 = time.monotonic()
    r = read(exchange(query(name, kind, **kw), server, tcp))
    r["seconds"] = time.monotonic() - t0
    return r


def vec(size, data):
    return len(data).to_bytes(size, "big") + data


def ext(kind, data):
    return struct.pack("!H", kind) + vec(2, data)


def sni(*names, kind=0):
    """The server_name extension with these host names."""
    return ext(0, vec(2, b"".join(bytes([kind]) + vec(2, n.encode("latin-1") if isinstance(n, str) else n) for n in names)))


GREASE_ECH = ext(0xfe0d, b"\0" + b"\0\1\0\1" + b"\7" + vec(2, os.urandom(32)) + vec(2, os.urandom(144)))


def padding(n):
    return ext(21, bytes(n))


def pq_share():
    """The key shares of a post-quantum hello: X25519MLKEM768 and X25519."""
    return (struct.pack("!H", 0x11ec) + vec(2, os.urandom(1216))) + (struct.pack("!H", 29) + vec(2, os.urandom(32)))


def message(name=None, before=b"", after=b"", pq=False, share=True):
    """A TLS 1.3 ClientHello; name: a str, or extension bytes, or None for no server name. share: of X25519."""
    names = sni(name) if isinstance(name, str) else (name or b"")
    shares = pq_share() if pq else (struct.pack("!H", 29) + vec(2, b"k" * 31 + b"\x09") if share else b"")
    exts = (before + names + ext(10, vec(2, struct.pack("!3H", 0x11ec, 29, 23))) + ext(13, vec(2, struct.pack("!3H", 0x0403, 0x0804, 0x0401))) +
            ext(16, vec(2, vec(1, b"http/1.1"))) + ext(43, vec(1, struct.pack("!2H", 0x0304, 0x0303))) +
            ext(51, vec(2, shares)) + after)
    body = (b"\3\3" + b"r" * 32 + vec(1, b"s" * 32) + vec(2, struct.pack("!4H", 0x1301, 0x1302, 0xc02b, 0xc02f)) +
            vec(1, b"\0") + vec(2, exts))
    return b"\1" + vec(3, body)


def records(msg, size=16384):
    """The message in TLS records of at most `size` bytes."""
    return b"".join(b"\x16\3\1" + vec(2, msg[i:i + size]) for i in range(0, len(msg), size))


def hello(name=None, size=16384, **kw):
    return records(message(name, **kw), size)


def pieces(data, n):
    return [data[i:i + n] for i in range(0, len(data), n)]


def offer(host, port, data, timeout=4, gap=0.004, wait=0.0):
    """
    Sends bytes (or pieces of them, each in its segment); what came back: "server" (a ServerHello, or another answer of
    a server's), "denied" (the alert), "reset", "closed" (nothing), "403" ..., "timeout" or an error; and the seconds.
    """
    t0 = time.monotonic()
    got = b""
    try:
        s = socket.create_connection((host, port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(wait)
        for piece in [data] if isinstance(data, bytes) else data:
            s.sendall(piece)
            if not isinstance(data, bytes):
                time.sleep(gap)
        got = s.recv(65536)
        how = word(got)
        s.close()
    except socket.timeout:
        how = "timeout"
    except ConnectionResetError:
        how = "reset"
    except BrokenPipeError:
        how = "reset"
    except ConnectionRefusedError:
        how = "refused"
    except OSError as e:
        how = str(e)
    return [how, time.monotonic() - t0]


def word(got):
    if got.startswith(ALERT_DENIED):
        return "denied"
    if got[:1] in (b"\x16", b"\x15"):
        return "server"
    if got.startswith(b"HTTP/1."):
        return got[9:12].decode()
    return "closed" if not got else "server"


def requests(host, port, *parts, timeout=4, gap=0.05):
    """Sends each part (a request, or bytes of one), and reads until the end or silence: all that came, and how it ended."""
    got, end = b"", "open"
    try:
        s = socket.create_connection((host, port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for p in parts:
            s.sendall(p)
            time.sleep(gap)
        s.settimeout(0.4)
        while True:
            b = s.recv(65536)
            if not b:
                end = "eof"
                break
            got += b
    except socket.timeout:
        pass
    except (ConnectionResetError, BrokenPipeError):
        end = "reset"
    except OSError as e:
        end = str(e)
    return got.decode("latin-1"), end


def statuses(text):
    """The status of each answer in a stream of them."""
    return [int(x[:3]) for x in text.split("HTTP/1.1 ")[1:]]
