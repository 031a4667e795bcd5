# SPDX-License-Identifier: Apache-2.0
"""
A guest without a machine: frames that Python makes, over the sockets that VMMs use. For what QEMU does not do: other wire
forms, and the frames of guests whose VMM promises them offloads that the wire does not tell of.

Wire sends and receives frames; Guest speaks ARP, DHCP and TCP with them, no more than the tests need: one connection at a
time, nothing is lost (sockets do not lose), so nothing is sent twice.
"""
import os
import socket
import struct
import time

BROADCAST = b"\xff" * 6
FRAME_MAX = 65550  # the longest that libkrun's guests send


def mac_bytes(text):
    return bytes(int(x, 16) for x in text.split(":"))


class Wire:
    """kind: stream, dgram, vfkit (dgram with a greeting), vpnkit."""

    def __init__(self, kind, path, timeout=5):
        self.kind = kind
        self.held = b""
        self.told = None
        if kind in ("dgram", "vfkit"):
            self.mine = path + ".peer%d" % id(self)
            self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.s.bind(self.mine)
        else:
            self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        for o in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.s.setsockopt(socket.SOL_SOCKET, o, 4 << 20)
        self.s.settimeout(timeout)
        self.s.connect(path)
        if kind == "vfkit":
            self.s.send(b"VFKT")
        if kind == "vpnkit":
            self.greet()

    def greet(self):
        init = b"VMN3T" + struct.pack("<I", 22) + b"0123456789abcdef0123456789abcdef01234567"
        self.s.sendall(init)
        assert self.exactly(49) == init, "the greeting did not come back"
        self.s.sendall(b"\x01" + b"6f9e2b2c-0d5e-4b60-9e60-0c1d2e3f4a5b".ljust(40, b"\0"))
        reply = self.exactly(258)
        assert reply[0] == 1, reply
        mtu, largest = struct.unpack_from("<HH", reply, 1)
        self.told = dict(mtu=mtu, largest=largest, mac=reply[5:11])

    def exactly(self, n):
        while len(self.held) < n:
            b = self.s.recv(1 << 20)
            if not b:
                raise EOFError("weir has closed")
            self.held += b
        got, self.held = self.held[:n], self.held[n:]
        return got

    def send(self, frame):
        if self.kind == "stream":
            frame = struct.pack(">I", len(frame)) + frame
        elif self.kind == "vpnkit":
            frame = struct.pack("<H", len(frame)) + frame
        self.s.sendall(frame)

    def recv(self):
        if self.kind == "stream":
            return self.exactly(struct.unpack(">I", self.exactly(4))[0])
        if self.kind == "vpnkit":
            return self.exactly(struct.unpack("<H", self.exactly(2))[0])
        return self.s.recv(1 << 17)

    def close(self):
        self.s.close()
        if self.kind in ("dgram", "vfkit"):
            os.unlink(self.mine)


def folded(data):
    """The ones' complement sum of 16-bit words."""
    data += b"\0" * (len(data) & 1)
    n = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return n


def ip4(src, dst, proto, payload):
    h = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, proto, 0, src, dst)
    return h[:10] + struct.pack(">H", folded(h) ^ 0xFFFF) + h[12:] + payload


class Guest:
    """partial: its TCP checksums are left for a device to finish, as virtio-net's guests leave them."""

    def __init__(self, wire, mac, partial=False, mss=1460):
        self.wire, self.mac, self.partial, self.mss = wire, mac, partial, mss
        self.ip = self.gw = self.gw_mac = None
        self.longest = self.parts = 0

    def frame(self, kind, payload, dst=None):
        self.wire.send((dst or self.gw_mac) + self.mac + struct.pack(">H", kind) + payload)

    def recv(self, want, timeout=5):
        """The first frame's payload, of this EtherType, that want() takes."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            f = self.wire.recv()
            self.longest = max(self.longest, len(f))
            if f[:6] not in (self.mac, BROADCAST):
                continue
            if f[12:14] == b"\x08\x06" and f[20:22] == b"\0\x01" and self.ip and f[38:42] == self.ip:
                self.frame(0x0806, b"\0\x01\x08\0\6\4\0\2" + self.mac + self.ip + f[22:32], f[6:12])
                continue
            got = want(f)
            if got is not None:
                return got
        raise AssertionError("nothing came")

    # ---- DHCP -------------------------------------------------------------------------------------------------------
    def dhcp(self, rapid=False):
        """(milliseconds, options) until there is an address; rapid: by the first answer (RFC 4039)."""
        def ask(kind, options=b""):
            bootp = struct.pack(">BBBB4sHH4s4s4s4s", 1, 1, 6, 0, b"weir", 0, 0x8000, *[b"\0" * 4] * 4)
            bootp += self.mac.ljust(16, b"\0") + b"\0" * 192 + b"\x63\x82\x53\x63" + b"\x35\x01" + bytes([kind]) + options
            bootp += b"\x37\x04\x01\x03\x06\x1a\xff"
            udp = struct.pack(">HHHH", 68, 67, 8 + len(bootp), 0) + bootp
            self.frame(0x0800, ip4(b"\0" * 4, b"\xff" * 4, 17, udp), BROADCAST)

        def answer(f):
            if f[12:14] != b"\x08\0" or f[23] != 17 or f[36:38] != b"\0\x44":
                return None
            b = f[42:]
            options, at = {}, 240
            while b[at] != 255:
                if b[at]:
                    options[b[at]] = b[at + 2:at + 2 + b[at + 1]]
                    at += 1 + b[at + 1]
                at += 1
            return f[6:12], b[16:20], options

        t0 = time.monotonic()
        ask(1, b"\x50\0" if rapid else b"")
        self.gw_mac, self.ip, options = self.recv(answer)
        if options[53] == b"\2":
            assert not rapid, "an offer, where an acknowledgement was asked for"
            ask(3, b"\x32\4" + self.ip + b"\x36\4" + options[54])
            self.gw_mac, self.ip, options = self.recv(answer)
        assert options[53] == b"\5", options
        self.gw = options[3]
        return (time.monotonic() - t0) * 1e3, options

    # ---- TCP --------------------------------------------------------------------------------------------------------
    def segment(self, flags, data=b"", options=b""):
        th = struct.pack(">HHIIBBHHH", self.port, self.to_port, self.seq & 0xFFFFFFFF, self.ack & 0xFFFFFFFF,
                         (20 + len(options)) // 4 << 4, flags, 0xFFFF, 0, 0) + options
        v6 = len(self.to) == 16
        pseudo = self.me + self.to + struct.pack(">II" if v6 else ">HH", *((len(th) + len(data), 6) if v6 else (6, len(th) + len(data))))
        # What is left for the device holds the sum over the pseudo-header, as it is.
        s = folded(pseudo) if self.partial else folded(pseudo + th + data) ^ 0xFFFF
        th = th[:16] + struct.pack(">H", s) + th[18:]
        if v6:
            self.frame(0x86DD, struct.pack(">IHBB", 6 << 28, len(th) + len(data), 6, 64) + self.me + self.to + th + data)
        else:
            self.frame(0x0800, ip4(self.me, self.to, 6, th + data))
        self.seq += len(data) + (1 if flags & 3 else 0)

    def take(self, f):
        """(flags, sequence, acknowledgement, window, data) of a segment of our connection."""
        v6 = len(self.to) == 16
        if f[12:14] != (b"\x86\xdd" if v6 else b"\x08\0"):
            return None
        if v6:
            at, end = 54, 54 + struct.unpack_from(">H", f, 18)[0]
            proto = f[20]
        else:
            at, end, proto = 34, 14 + struct.unpack_from(">H", f, 16)[0], f[23]
        if proto != 6 or struct.unpack_from(">HH", f, at) != (self.to_port, self.port):
            return None
        assert end <= len(f), "a frame shorter than its packet"
        if not self.partial:
            pseudo = self.to + self.me + struct.pack(">II" if v6 else ">HH", *((end - at, 6) if v6 else (6, end - at)))
            assert folded(pseudo + f[at:end]) == 0xFFFF, "a wrong TCP checksum"
        seq, ack, off, flags, win = struct.unpack_from(">IIBBH", f, at + 4)
        return flags, seq, ack, win << 7, f[at + (off >> 4) * 4:end]

    def talk(self, me, to, port, data, chunk):
        """One connection: sends data in pieces of `chunk`, shuts down, returns all that comes until the far side's end."""
        self.me, self.to, self.to_port = me, to, port
        self.port = 40000 + int(time.monotonic() * 1000) % 20000
        self.seq, self.ack = 1000, 0
        self.segment(2, options=struct.pack(">BBHBBBB", 2, 4, self.mss, 1, 3, 3, 7))
        flags, seq, _, win, _ = self.recv(self.take)
        assert flags & 0x3F == 0x12, "the connection was refused: flags %#x" % flags
        self.ack = seq + 1
        win, acked, sent, got, fin = win >> 7, self.seq, 0, bytearray(), False
        start = self.seq
        self.segment(0x10)
        closed = False
        while not (fin and closed and acked - start >= len(data)):
            while sent < len(data):
                room = acked + win - start - sent
                whole = min(chunk, len(data) - sent)
                if room < whole and (room <= 0 or start + sent > acked):
                    break  # a part only where nothing else is under way
                piece = data[sent:sent + min(whole, room)]
                self.parts += len(piece) < whole
                self.segment(0x18, piece)
                sent += len(piece)
            if sent == len(data) and not closed:
                self.segment(0x11)
                closed = True
            flags, seq, ack, win, piece = self.recv(self.take)
            assert not flags & 4, "reset"
            acked = max(acked, ack)
            if piece and seq == self.ack & 0xFFFFFFFF:
                got += piece
                self.ack += len(piece)
            if flags & 1 and not fin and seq + len(piece) == self.ack & 0xFFFFFFFF:
                fin = True
                self.ack += 1
            if piece or flags & 1:
                self.segment(0x10)
        return bytes(got)
