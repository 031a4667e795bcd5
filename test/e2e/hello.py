# SPDX-License-Identifier: Apache-2.0
"""Bytes for the sandbox side of the attacks: ClientHellos of every shape, and what a server or weir says to them."""
import os
import socket
import struct
import time

ALERT_DENIED = b"\x15\x03\x03\x00\x02\x02\x31"  # fatal, access_denied (RFC 8446 6)


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


def message(name=None, before=b"", after=b"", pq=False):
    """A TLS 1.3 ClientHello; name: a str, or extension bytes, or None for no server name."""
    names = sni(name) if isinstance(name, str) else (name or b"")
    shares = pq_share() if pq else struct.pack("!H", 29) + vec(2, os.urandom(31) + b"\x09")
    exts = (before + names + ext(10, vec(2, struct.pack("!3H", 0x11ec, 29, 23))) + ext(13, vec(2, struct.pack("!3H", 0x0403, 0x0804, 0x0401))) +
            ext(16, vec(2, vec(1, b"http/1.1"))) + ext(43, vec(1, struct.pack("!2H", 0x0304, 0x0303))) +
            ext(51, vec(2, shares)) + after)
    body = (b"\3\3" + os.urandom(32) + vec(1, os.urandom(32)) + vec(2, struct.pack("!4H", 0x1301, 0x1302, 0xc02b, 0xc02f)) +
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
