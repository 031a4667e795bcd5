# SPDX-License-Identifier: Apache-2.0
"""What the tests run inside the sandbox: `T.py(code)` runs `code` with all of this in scope."""
import errno
import hashlib
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from lab import *  # noqa: F401,F403  the addresses
from services import PATTERN, pattern  # noqa: F401

assert PATTERN


def out(value):
    """The result of the code, for the test: the last line of its output."""
    print("\n" + json.dumps(value), flush=True)


def err_name(e):
    if isinstance(e, socket.timeout) and e.errno is None:  # our own timer, not the kernel's
        return "timeout"
    if isinstance(e, socket.gaierror):
        return "gaierror %d" % e.errno
    return errno.errorcode.get(e.errno, str(e))


def connect(host, port, timeout=10):
    return socket.create_connection((host, port), timeout)


def attempt(host, port, timeout=10):
    """("ok" or the name of the error, seconds) of one connection."""
    t0 = time.monotonic()
    try:
        connect(host, port, timeout).close()
        r = "ok"
    except OSError as e:
        r = err_name(e)
    return [r, time.monotonic() - t0]


def recv_all(s, limit=1 << 31):
    got = bytearray()
    while len(got) < limit:
        b = s.recv(min(1 << 20, limit - len(got)))
        if not b:
            break
        got += b
    return bytes(got)


def recv_line(s):
    got = b""
    while not got.endswith(b"\n"):
        b = s.recv(1)
        if not b:
            break
        got += b
    return got


def talk(line, host=WEB4, data=b"", timeout=30, port=7000):  # noqa: F405
    """A whole conversation with port 7000: the command, data, our end; all that comes back."""
    s = connect(host, port, timeout)
    s.sendall(line.encode() + b"\n" + data)
    s.shutdown(socket.SHUT_WR)
    got = recv_all(s)
    s.close()
    return got


def seen(token, host=WEB4):  # noqa: F405
    """What the server saw of a conversation, asked from the sandbox."""
    return json.loads(talk(token, host, port=7099))


def udp_socket(host, timeout=5):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    # IP_RECVERR, IPV6_RECVERR: Linux tells a UDP socket of unreachable hosts only if it wants to know.
    s.setsockopt(*((socket.IPPROTO_IPV6, 25, 1) if ":" in host else (socket.IPPROTO_IP, 11, 1)))
    return s


def udp_ask(host, port, data=b"?", timeout=5, sock=None):
    """(answer or the name of the error, seconds); the socket is connected, so errors arrive."""
    s = sock or udp_socket(host, timeout)
    t0 = time.monotonic()
    try:
        s.connect((host, port))
        s.send(data)
        r = s.recv(65535)
    except OSError as e:
        r = err_name(e)
    return r, time.monotonic() - t0


def default_gateway(family=4):
    r = json.loads(subprocess.check_output(["ip", "-%d" % family, "-j", "route", "show", "default"]))
    return r[0]["gateway"] if r else None


def my_address(family=4):
    """The address of eth0; for IPv6, the global one."""
    for l in json.loads(subprocess.check_output(["ip", "-%d" % family, "-j", "addr", "show", "dev", "eth0"])):
        for a in l.get("addr_info", []):
            if a["scope"] == "global":
                return a["local"]
    return None


def gateway_address(family):
    """The gateway's own global address: for IPv6 the default route may name its link-local one."""
    g = default_gateway(family)
    if family == 4 or (g and not g.startswith("fe80")):
        return g
    with open("/etc/hosts") as f:
        for line in f:
            w = line.split("#")[0].split()
            if "host.weir.internal" in w[1:] and ":" in w[0]:
                return w[0]
    return None
