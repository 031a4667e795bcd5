#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The name server of good.zone and evil.zone: it does what it is asked for, and records every question.

A name is LABEL.tN.ZONE: N is the site that a test has for itself (see site_of()). Both zones know every label; the label says what the answer is:

    a-X-Y...        A records; each X is eight hexadecimal digits, or "site"
    turn-X-Y...     one of them a question, in turn, for no time (TTL 0)
    aaaa-X-Y...     AAAA records; 32 digits, or "site"
    hint-X, hint6-X HTTPS and SVCB records with that address as a hint
    ech             an HTTPS record with a hint, and keys for an encrypted ClientHello
    cname-X-ZONE    an alias of X.tN.ZONE.zone; a CNAME with the target's address behind it
    stray-X         the site's address, and beside it an A record of somebody else: of X.tN.good.zone
    txt, null       256 bytes of text, or of anything
    big             1,800 bytes in one datagram, whatever the client takes
    cut             truncated over UDP
    mute            no answer
    broken          an answer that points at itself
    forged-HOW      first a forged answer (the address FORGED), then a true one; HOW: id, case, port, name
    (others)        A and AAAA of the site, for a minute

Port 7098 tells the questions: "tN" -> JSON, a list of [name, type, transport, address that was asked];
"clear tN" forgets them. "junk" -> what was no question.
"""
import json
import re
import socket
import struct
import threading
import time

import lab

A, NS, CNAME, SOA, NULL, TXT, AAAA, SVCB, HTTPS = 1, 2, 5, 6, 10, 16, 28, 64, 65
TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 16: "TXT", 28: "AAAA", 64: "SVCB", 65: "HTTPS"}
FORGED = "192.31.196.3"
NAME = re.compile(r"(?:(?P<label>[^.]+)\.)?(?:[^.]+\.)*(?P<test>t(?P<n>[0-9]+))\.(?:good|evil)\.zone$")

asked = {}  # tN -> questions
turns = {}  # name -> how many answers it has had
lock = threading.Lock()


def site_of(n):
    """The addresses of site N; everything that answers at them is the origin (services.py)."""
    return lab.SITE4 % (128 + n), lab.SITE6 % (128 + n)


def wire_name(name):
    return b"".join(bytes([len(x)]) + x.encode("latin-1") for x in name.strip(".").split(".") if x) + b"\0"


def record(owner, kind, ttl, data):
    return (owner if isinstance(owner, bytes) else wire_name(owner)) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


HERE = b"\xc0\x0c"  # the name of the question


def service(params, target="."):
    data = struct.pack("!H", 1) + wire_name(target)
    for key, value in sorted(params.items()):
        data += struct.pack("!HH", key, len(value)) + value
    return data


ALPN, HINT4, ECH, HINT6 = 1, 4, 5, 6


def ech_config(public_name):
    """An ECHConfigList (RFC 9849) with one configuration."""
    contents = b"\x07\0\x20\0\x20" + b"k" * 32 + b"\0\4\0\1\0\1" + b"\0" + bytes([len(public_name)]) + public_name + b"\0\0"
    one = struct.pack("!HH", 0xfe0d, len(contents)) + contents
    return struct.pack("!H", len(one)) + one


class Question:
    def __init__(self, query, at, proto):
        self.id, self.flags, n = struct.unpack("!HHH", query[:6])
        pos, labels = 12, []
        while query[pos]:
            labels.append(query[pos + 1:pos + 1 + query[pos]].decode("latin-1"))
            pos += 1 + query[pos]
        self.wire = query[12:pos + 5]
        self.kind = struct.unpack("!H", query[pos + 1:pos + 3])[0]
        self.name, self.at, self.proto = ".".join(labels), at, proto
        m = NAME.match(self.name.lower())
        self.test, self.label, self.n = (m["test"], m["label"] or "", int(m["n"])) if m else (None, "", 0)

    def reply(self, answers=(), additional=(), tc=False, rcode=0, wire=None, ident=None):
        return (struct.pack("!HHHHHH", self.id if ident is None else ident, 0x8400 | self.flags & 0x100 | tc << 9 | rcode, 1,
                            len(answers), 0, len(additional)) + (wire or self.wire) + b"".join(answers) + b"".join(additional))


def v4(word, site):
    return socket.inet_aton(site[0]) if word == "site" else bytes.fromhex(word)


def v6(word, site):
    return socket.inet_pton(socket.AF_INET6, site[1]) if word == "site" else bytes.fromhex(word)


def answers_of(q, site):
    """(answers, additional) of what is no trick of the message itself."""
    word, *args = q.label.split("-")
    of_site = [record(HERE, A, 60, v4("site", site))] if q.kind == A else (
        [record(HERE, AAAA, 60, v6("site", site))] if q.kind == AAAA else [])
    if word == "a":
        return [record(HERE, A, 60, v4(x, site)) for x in args] if q.kind == A else [], []
    if word == "aaaa":
        return [record(HERE, AAAA, 60, v6(x, site)) for x in args] if q.kind == AAAA else [], []
    if word == "turn":
        if q.kind != A:
            return [], []
        with lock:
            i = turns[q.name.lower()] = turns.get(q.name.lower(), -1) + 1
        return [record(HERE, A, 0, v4(args[i % len(args)], site))], []
    if word in ("hint", "hint6"):
        if q.kind not in (HTTPS, SVCB):
            return of_site, []
        params = {ALPN: b"\2h2"}
        params.update({HINT4: v4(args[0], site)} if word == "hint" else {HINT6: v6(args[0], site)})
        return [record(HERE, q.kind, 60, service(params))], []
    if word == "ech" and q.kind in (HTTPS, SVCB):
        return [record(HERE, q.kind, 60, service({ALPN: b"\2h2", HINT4: v4("site", site),
                                                  ECH: ech_config(b"outer.%s.evil.zone" % q.test.encode())}))], []
    if word == "cname":
        target = "%s.%s.%s.zone" % ("-".join(args[:-1]), q.test, args[-1])
        got = [record(HERE, CNAME, 60, wire_name(target))]
        if q.kind in (A, AAAA):
            got.append(record(target, q.kind, 60, v4("site", site) if q.kind == A else v6("site", site)))
        return got, []
    if word == "stray":
        other = "%s.%s.good.zone" % (args[0], q.test)
        return of_site, [record(other, A, 60, v4("site", site))]
    if word == "txt" and q.kind == TXT:
        return [record(HERE, TXT, 60, b"\xff" + b"d" * 255)], []
    if word == "null" and q.kind == NULL:
        return [record(HERE, NULL, 60, bytes(range(256)))], []
    return of_site, []


def messages(q):
    """What goes back: (delay, message, whether from another port)."""
    if not q.test or not q.label:
        return [(0, q.reply(rcode=0 if q.test else 5), False)]
    site = site_of(q.n)
    word, _, arg = q.label.partition("-")
    answers, additional = answers_of(q, site)
    true = q.reply(answers, additional)
    if word == "mute":
        return []
    if word == "broken":
        return [(0, q.reply([b"\xc0\x0c"[:1] + bytes([len(q.wire) + 12]) + struct.pack("!HHIH", A, 1, 60, 4) + v4("site", site)]), False)]
    if word == "big" and q.kind == TXT:
        return [(0, q.reply([record(HERE, TXT, 60, b"\xff" + bytes([97 + i]) * 255) for i in range(7)]), False)]
    if word == "cut" and q.proto == "udp":
        return [(0, q.reply(tc=True), False)]
    if word == "forged" and q.kind == A and q.proto == "udp":
        lie = [record(HERE, A, 60, socket.inet_aton(FORGED))]
        forged = {
            "id": lambda: [q.reply(lie, ident=q.id ^ 1 << b) for b in range(16)],
            "case": lambda: [q.reply(lie, wire=q.wire[:-4].swapcase() + q.wire[-4:])],
            "name": lambda: [q.reply([record("other." + q.name, A, 60, socket.inet_aton(FORGED))], wire=wire_name("other." + q.name) + q.wire[-4:])],
            "port": lambda: [q.reply(lie)],
        }[arg]()
        return [(0, m, arg == "port") for m in forged] + [(0.15, true, False)]
    return [(0, true, False)]


def note(q):
    if q.test:
        with lock:
            asked.setdefault(q.test, []).append([q.name.lower(), TYPES.get(q.kind, str(q.kind)), q.proto, q.at])


def note_junk(data, why):
    print("no question: %r: %r" % (data[:80], why), flush=True)
    with lock:
        asked.setdefault("junk", []).append(data.decode("latin-1"))


def plain(address):
    return address.replace("::ffff:", "")


def send_all(s, todo, control, peer, at):
    for delay, message, elsewhere in todo:
        time.sleep(delay)
        if elsewhere:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as o:
                o.bind((at, 0))
                o.sendto(message, peer)
        else:
            s.sendmsg([message], control, 0, peer)


def serve_udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND: no interface has the addresses of the sites
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("::", 53))
    while True:
        data, anc, _, peer = s.recvmsg(65535, 256)
        try:
            at = socket.inet_ntop(socket.AF_INET6, anc[0][2][:16])
            q = Question(data, plain(at), "udp")
            note(q)
            # From the address that was asked, by whatever interface.
            control = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, anc[0][2][:16] + struct.pack("I", 0))]
            threading.Thread(target=send_all, args=(s, messages(q), control, peer, at), daemon=True).start()
        except (IndexError, ValueError, struct.error, OSError) as e:
            note_junk(data, e)


def talk_tcp(c):
    f, data = c.makefile("rb"), b""
    try:
        while True:
            head = f.read(2)
            if len(head) < 2:
                break
            data = f.read(struct.unpack("!H", head)[0])
            q = Question(data, plain(c.getsockname()[0]), "tcp")
            note(q)
            for _, message, _ in messages(q):
                c.sendall(struct.pack("!H", len(message)) + message)
    except (IndexError, ValueError, struct.error, OSError) as e:
        note_junk(data, e)
    c.close()


def tell(c):
    word = c.makefile().readline().strip()
    with lock:
        if word.startswith("clear "):
            asked.pop(word[6:], None)
            for name in [x for x in turns if ".%s." % word[6:] in x]:
                del turns[name]
        got = json.dumps(asked.get(word, []))
    c.sendall(got.encode())
    c.close()


def serve_tcp(port, fn):
    s = socket.create_server(("::", port), family=socket.AF_INET6, backlog=256, dualstack_ipv6=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=fn, args=(c,), daemon=True).start()


def main():
    for fn, args in ((serve_tcp, (53, talk_tcp)), (serve_tcp, (7098, tell))):
        threading.Thread(target=fn, args=args, daemon=True).start()
    serve_udp()


if __name__ == "__main__":
    main()
