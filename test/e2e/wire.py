# SPDX-License-Identifier: Apache-2.0
"""A guest that is a few lines of a program: frames of one flow, over a stream socket of `weir serve` (pool 172.16.0.0/12)."""
import os
import select
import socket
import struct
import time

POOL = 172 << 24 | 16 << 16


def fold(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Guest:
    """Frames of the guest of a slot, and the socket that they pass."""

    def __init__(self, path, slot):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.s.settimeout(10)
        self.held, self.n, self.port = b"", 0, 20000
        self.gw, self.me = (struct.pack("!I", POOL + 4 * slot + k) for k in (1, 2))
        mac = bytes([2, 0x77, 0x72, slot >> 8, slot & 255])
        self.eth = mac + b"\1" + mac + b"\2" + b"\x08\x00"

    def packet(self, proto, dst, l4):
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(l4), 0, 0x4000, 64, proto, 0, self.me, dst)
        frame = self.eth + ip[:10] + struct.pack("!H", fold(ip)) + ip[12:] + l4
        return struct.pack("!I", len(frame)) + frame

    def l4(self, proto, dst, head, at, payload=b""):
        pseudo = self.me + dst + struct.pack("!HH", proto, len(head) + len(payload))
        return head[:at] + struct.pack("!H", fold(pseudo + head + payload)) + head[at + 2:] + payload

    def tcp(self, dst, sport, dport, seq, ack, flags, payload=b""):
        head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags, 65000, 0, 0)
        return self.packet(6, dst, self.l4(6, dst, head, 16, payload))

    def udp(self, dst, sport, dport, payload):
        head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
        return self.packet(17, dst, self.l4(17, dst, head, 6, payload))

    def frame(self):
        while len(self.held) < 4 or len(self.held) < 4 + struct.unpack("!I", self.held[:4])[0]:
            self.held += self.s.recv(65536)
        n = 4 + struct.unpack("!I", self.held[:4])[0]
        frame, self.held = self.held[4:n], self.held[n:]
        return frame

    def segment(self, port):
        """The next TCP segment for that port: flags, sequence number, payload."""
        while True:
            f = self.frame()
            if f[12:14] == b"\x08\x00" and f[23] == 6 and f[36:38] == struct.pack("!H", port):
                head = 34 + (f[46] >> 4) * 4
                return f[47], struct.unpack("!I", f[38:42])[0], f[head:14 + struct.unpack("!H", f[16:18])[0]]

    def ping(self):
        self.n = self.n + 1 & 0xffff
        head = struct.pack("!BBHHH", 8, 0, 0, 1, self.n)
        icmp = head[:2] + struct.pack("!H", fold(head + b"weirweir")) + head[4:] + b"weirweir"
        f = self.packet(1, self.gw, icmp)
        t = time.perf_counter()
        self.s.sendall(f)
        while True:
            f = self.frame()
            if f[12:14] == b"\x08\x00" and f[23] == 1 and f[34] == 0 and f[40:42] == struct.pack("!H", self.n):
                return time.perf_counter() - t

    def connect(self, port):
        """Seconds until the SYN-ACK; (the guest's port, both next sequence numbers)."""
        self.port = 20000 + (self.port - 20000 + 1) % 30000
        f = self.tcp(self.gw, self.port, port, 1000, 0, 2)
        t = time.perf_counter()
        self.s.sendall(f)
        while True:
            flags, seq, _ = self.segment(self.port)
            if flags & 4:
                raise ConnectionRefusedError(port)
            if flags & 2:
                break
        t = time.perf_counter() - t
        self.s.sendall(self.tcp(self.gw, self.port, port, 1001, seq + 1, 16))
        return t, (self.port, 1001, seq + 1)

    def reset(self, port, conn):
        self.s.sendall(self.tcp(self.gw, conn[0], port, conn[1], 0, 4))

    def trip(self, port, conn):
        sport, seq, ack = conn
        f = self.tcp(self.gw, sport, port, seq, ack, 24, b"x")
        t = time.perf_counter()
        self.s.sendall(f)
        while True:
            _, at, payload = self.segment(sport)
            if payload and at == ack:
                break
        t = time.perf_counter() - t
        self.s.sendall(self.tcp(self.gw, sport, port, seq + 1, ack + 1, 16))
        return t, (sport, seq + 1, ack + 1)


def flood(path, frames_of, rate, ready, until, count=bytearray(8)):
    """
    A process's work: the guest of slot 0 sends what frames_of(guest) says, over and over, so many a second (0: as they are
    taken). A byte to `ready` when it begins, and a line with what it sent a second behind a byte from `until`; `count` has
    what it sent so far, eight bytes.
    """
    g = Guest(path, 0)
    g.ping()
    frames = frames_of(g)
    g.s.setblocking(False)
    os.write(ready, b"x")
    began, sent, at, rest = time.monotonic(), 0, 0, b""
    while not select.select([until], [], [], 0)[0]:
        due = int((time.monotonic() - began) * rate) - sent if rate else 512
        try:
            while True:
                g.s.recv(1 << 20)
        except BlockingIOError:
            pass
        if due > 0 and not rest:
            n = min(due, 2000)
            rest = b"".join(frames[(at + i) % len(frames)] for i in range(n))
            at, sent = (at + n) % len(frames), sent + n
            struct.pack_into("Q", count, 0, sent)
        if rest:
            try:
                rest = rest[g.s.send(rest):]
                continue
            except BlockingIOError:
                began += 0.001 if rate else 0  # what the link does not take in time is not made up for
        time.sleep(0.001)
    os.write(ready, b"%d\n" % (sent / (time.monotonic() - began)))
