# SPDX-License-Identifier: Apache-2.0
"""
The TLS and HTTP rows of the attack table where weir looks into the connection: the origins behind it (api.py, ports
8447 and 8448) believe all that they read, so whatever reaches them was let through by weir.
"""
import json
import signal
import textwrap

import lab
from harness import test
from test_intercept import PROXY, RAW
from test_secrets import config, env, saw, tag

ON = ["--tls-intercept"] + [x for p in (443, 8447, 8448) for x in ("--tls-intercept-port", str(p))]
ONLY = ON + ["--allow", "api.test"]

CLIENT = RAW + r'''
import base64, gzip, hpack
trust = {}
def link(name="api.test", port=8447, alpn="http/1.1", **kw):
    """TLS, with one protocol or none."""
    if alpn not in trust:
        trust[alpn] = ssl.create_default_context()
        if alpn: trust[alpn].set_alpn_protocols([alpn])
    s = socket.create_connection((name, port), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return trust[alpn].wrap_socket(s, server_hostname=name, suppress_ragged_eofs=False, **kw)
def h1(*parts, gap=0.0, wait=0.6, s=None, **kw):
    """Sends the parts: [the status of each answer, how it ended, all that came]."""
    s, got, end = s or link(**kw), b"", "open"
    try:
        for p in parts:
            s.sendall(p)
            time.sleep(gap)
        s.settimeout(wait)
        while True:
            b = s.recv(65536)
            if not b:
                end = "eof"
                break
            got += b
    except socket.timeout:
        pass
    except OSError:
        end = "cut"
    text = got.decode("latin-1")
    return [[int(x[:3]) for x in text.split("HTTP/1.1 ")[1:]], end, text]
def ask(path, more=b"", method=b"GET", host=b"api.test"):
    return method + b" " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"
def number(n, bits, first=0):
    """RFC 7541 5.1."""
    top = (1 << bits) - 1
    if n < top: return bytes([first | n])
    out, n = bytes([first | top]), n - top
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
def b(x): return x if isinstance(x, bytes) else x.encode("latin-1")
def field(name, value, how=0):
    """A literal field; how: 0x40 to be remembered, 0x10 never."""
    return bytes([how]) + number(len(b(name)), 7) + b(name) + number(len(b(value)), 7) + b(value)
def frame(kind, flags, stream, data=b""):
    return len(data).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", stream) + data
def block(path, *more, method="GET", authority="api.test", scheme="https"):
    own = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return b"".join(field(n, v) for n, v in own if v is not None) + b"".join(m if isinstance(m, bytes) else field(*m) for m in more)
def head(stream, path, *more, end=True, **kw):
    return frame(1, 4 | end, stream, block(path, *more, **kw))
def data(stream, what=b"", end=True):
    return frame(0, end, stream, what)
class H2:
    """One connection, without any of the care that a client's library takes."""
    def __init__(self, *first, port=8448, **kw):
        self.s, self.dec, self.held = link(port=port, alpn="h2", **kw), hpack.Decoder(), b""
        self.streams, self.fields, self.bodies, self.over, self.gone = {}, {}, {}, set(), None
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0), *first)
    def send(self, *parts, gap=0.0):
        try:
            for p in parts:
                self.s.sendall(p)
                time.sleep(gap)
        except OSError:
            self.gone = self.gone or "cut"
        return self
    def take(self, kind, flags, stream, data):
        if kind == 1:
            f = self.fields.setdefault(stream, {})
            f.update(self.dec.decode(data))
            self.streams.setdefault(stream, int(f[":status"]))
        if kind == 0: self.bodies[stream] = self.bodies.get(stream, b"") + data
        if kind == 3: self.streams[stream] = "reset"
        if kind == 4 and not flags & 1: self.send(frame(4, 1, 0))
        if kind == 7: self.gone = "goaway %d" % struct.unpack("!II", data[:8])[1]
        if kind in (0, 1) and flags & 1 or kind == 3: self.over.add(stream)
    def read(self, *want, seconds=2):
        """What became of these streams: a status, "reset", or None; "gone" where the connection was ended for them."""
        end = time.monotonic() + seconds
        try:
            while not self.over.issuperset(want) and time.monotonic() < end:
                self.s.settimeout(max(end - time.monotonic(), 0.01))
                got = self.s.recv(65536)
                if not got: raise OSError("end")
                self.held += got
                while len(self.held) >= 9 and len(self.held) >= 9 + int.from_bytes(self.held[:3], "big"):
                    n = 9 + int.from_bytes(self.held[:3], "big")
                    self.take(self.held[3], self.held[4], struct.unpack("!I", self.held[5:9])[0], self.held[9:n])
                    self.held = self.held[n:]
        except socket.timeout: pass
        except OSError: self.gone = self.gone or "end"
        return [self.streams.get(x, "gone" if self.gone else None) for x in want]
    def text(self, stream): return self.bodies.get(stream, b"").decode("latin-1")
'''


def guest(t, w, code, *opts, **kw):
    """Runs code with the clients above in scope, and W, the test's mark."""
    kw.setdefault("env", env(t))
    return t.py(CLIENT + "\nW = %r\n" % w + textwrap.dedent(code), *opts, **kw)


def requests(w):
    """All that the origins of ports 8447 and 8448 took for the request of a connection that has the mark."""
    got = saw(w)
    assert not any("error" in g for g in got), got
    return got


def line(got):
    """The request line, or what is one in HTTP/2."""
    if "data" in got:
        return got["data"].partition("\r\n")[0]
    f = dict((x[0], x[1]) for x in got["headers"])
    return "%s %s" % (f.get(":method"), f.get(":path"))


def events(t):
    with open(t.dir + "/ev") as f:
        return [json.loads(x) for x in f]


# ---- the connection ------------------------------------------------------------------------------------

@test(smoke=True)
def test_another_host_inside_of_an_allowed_connection(t):
    """421 and nothing at the origin: first, second, pipelined, behind bodies, by stream; what is right goes on."""
    w = tag(t)
    got = guest(t, w, r"""
        fine, bad = ask("/" + W), ask("/" + W + "-bad", host=b"other.test")
        post = lambda more, body: ask("/" + W, more, b"POST") + body
        r = {
            "first": h1(bad), "second": h1(fine, bad, gap=0.05), "pipelined": h1(fine + bad), "third": h1(fine + fine + bad),
            "behind a body": h1(post(b"Content-Length: 4\r\n", b"abcd") + bad),
            "behind chunks": h1(post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n") + bad),
            "behind HEAD": h1(ask("/" + W, method=b"HEAD") + bad), "octets": h1(fine, *[bad[i:i + 1] for i in range(len(bad))]),
            "address": h1(ask("/" + W + "-bad", host=socket.gethostbyname("api.test").encode())), "below": h1(ask("/" + W + "-bad", host=b"x.api.test")),
        }
        h = H2(head(1, "/" + W), head(3, "/" + W + "-bad", authority="other.test"), head(5, "/" + W), head(7, "/" + W + "-bad", ("host", "other.test"), authority=None), head(9, "/" + W))
        r2 = h.read(1, 3, 5, 7, 9)
        h.send(head(11, "/" + W + "-bad", authority="other.test:443"), head(13, "/" + W))
        r2 += h.read(11, 13)
        # A browser would put two names on one connection where one certificate has both (RFC 9113 9.1.1).
        names = [v for k, v in h.s.getpeercert()["subjectAltName"]]
        out([{k: v[0] for k, v in r.items()}, r2, names])
    """, *ONLY, "--allow", "other.test", "--events", t.dir + "/ev")
    codes, streams, names = got
    assert all(v[-1] == 421 and set(v[:-1]) <= {200} for v in codes.values()), codes
    assert [len(codes[k]) for k in ("first", "second", "pipelined", "third")] == [1, 2, 2, 3], codes
    assert streams == [200, 421, 200, 421, 200, 421, 200] and names == ["api.test"], got
    assert saw(w + "-bad") == [] and len(saw(w)) > 8, saw(w + "-bad")
    assert len([e for e in events(t) if e["event"] == "deny" and e["reason"] == "name-mismatch"]) > 0, events(t)


@test(smoke=True)
def test_early_data_waits_for_the_verdict(t):
    """0-RTT: not offered, and where a client sends it all the same no byte of it arrives."""
    w = tag(t)
    with open(t.dir + "/early", "w") as f:
        f.write("GET /%s-early HTTP/1.1\r\nHost: other.test\r\n\r\n" % w)
    r = t.run(*ONLY, env=env(t), rc=None, sh="""
        cd %s; c="openssl s_client -connect api.test:8447 -servername api.test -alpn http/1.1"
        (sleep 0.5; printf 'GET /%s-one HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n'; sleep 0.7) | $c -sess_out s >one 2>&1
        openssl sess_id -in s -noout -text | grep -i early
        (sleep 1) | $c -sess_in s -early_data early >two 2>&1; grep -a 'Early data' two one""" % (t.dir, w))
    assert "Max Early Data: 0" in r.out and "was accepted" not in r.out, r
    got = guest(t, w, r"""
        sys.path.insert(0, %r)
        from hello import hello, ext, vec
        r = []
        for extra in (b"", hello("other.test")):
            s = socket.create_connection(("api.test", 8447), 5)
            s.settimeout(2)
            s.sendall(hello("api.test", after=ext(42, b"")) + b"\x17\3\3" + vec(2, b"GET /" + W.encode() + b"-early HTTP/1.1\r\n") + extra)
            try:
                while s.recv(65536): pass
                r.append("eof")
            except OSError as e: r.append(type(e).__name__)
        out(r)
    """ % lab.HERE, *ONLY)
    assert len(saw(w + "-one")) == 1 and saw(w + "-early") == [], (got, saw(w))


@test(smoke=True)
def test_no_secret_goes_to_a_server_that_is_not_who_it_says(t):
    """The handshake fails; where the configuration lets it pass, it passes without the secret."""
    bad = ["expired.test", "wrongname.test", "selfsigned.test", "private.test"]
    w = tag(t)
    ask = "for h in %s; do for v in --http1.1 --http2; do curl -sS $v -o /dev/null -w '%%{http_code} ' -H \"Authorization: Bearer $KEY\" https://$h/echo?%s 2>>%s/err; done; done"
    secret = ["--secret", "KEY@" + ",".join(bad)]
    r = t.run(*secret, sh=ask % (" ".join(bad), w, t.dir), env=env(t), rc=None)
    assert r.out.split() == ["000"] * 8 and saw(w) == [], (r, saw(w))
    assert open(t.dir + "/err").read().count("SSL") >= 8, open(t.dir + "/err").read()
    r = t.run(*secret, *[x for h in bad for x in ("--tls-no-verify", h)], sh=ask % (" ".join(bad), w, t.dir), env=env(t), rc=None)
    assert r.out.split() == ["403"] * 8 and saw(w) == [], (r, saw(w))


@test(smoke=True)
def test_what_begins_like_tls_or_http_and_goes_on_as_a_tunnel(t):
    """The parser stays in charge: no hello that is never finished, no bytes behind a request, nothing under a rule."""
    w = tag(t)
    conf = config(t, "policy: {default_egress: deny, rules: [{action: allow, destination: {domain: api.test}, protocols: [tcp],"
                     " http: {methods: [GET], paths: ['/%s', '/%s/**']}}]}\n" % (w, w))
    got = guest(t, w, r"""
        sys.path.insert(0, %r)
        from hello import hello
        raw = W.encode() + b"-tunnel\r\n"
        def clear(*parts, gap=0.02):
            s = socket.create_connection(("api.test", 8447), 5)
            return h1(*parts, gap=gap, s=s)[1]
        h = H2(head(1, "/" + W)); h.read(1); h.send(raw * 20); h.read(3)
        out({
            "hello then bytes": clear(hello("api.test"), raw * 20), "half a hello": clear(hello("api.test")[:60], raw * 20), "record": clear(b"\x16\3\1", raw * 20),
            "bytes": h1(raw * 20), "ssh": h1(b"SSH-2.0-" + raw), "no protocol": h1(raw, alpn=None), "a hello inside": h1(hello("other.test") + raw, alpn=None),
            "behind a request": h1(ask("/" + W), b"SSH-2.0-" + raw * 20, gap=0.05), "behind at once": h1(ask("/" + W) + raw * 20),
            "behind HEAD": h1(ask("/" + W, method=b"GET", more=b"Connection: close\r\n") + ask("/" + W + "-tunnel")), "h2": h.gone,
            "preface in h1": h1(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + head(1, "/" + W + "-tunnel")),
            "preface without alpn": h1(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + head(1, "/" + W + "-tunnel", authority="other.test"), alpn=None),
        })
    """ % lab.HERE, *conf, env=env(t))
    assert saw(w + "-tunnel") == [], (got, saw(w + "-tunnel"))
    assert all(got[k] in ("eof", "cut") for k in ("hello then bytes",)), got
    for k in ("bytes", "ssh", "no protocol", "a hello inside", "behind a request", "behind at once", "preface in h1"):
        assert got[k][1] in ("eof", "cut") and got[k][0][-1:] in ([], [400], [505]), (k, got[k])
    assert got["behind a request"][0][0] == 200 and got["behind HEAD"][0] == [200] and got["h2"], got


# ---- two readings of one request -----------------------------------------------------------------------

@test(smoke=True)
def test_what_two_servers_could_read_differently_is_400(t):
    """And the origin, which believes the first length that it finds, never sees the second request."""
    w = tag(t)
    got = guest(t, w, r"""
        inner = ask("/" + W + "-inner")
        def post(more, body, path="/x"): return ask("/" + W + path, more, b"POST") + body
        n, te, last = b"Content-Length: %d\r\n" % len(inner), b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"
        tries = {
            "cl.te": post(n + te, last + inner), "te.cl": post(te + b"Content-Length: 3\r\n", last + inner), "te.cl 0": post(te + b"Content-Length: 0\r\n", last + inner),
            "te.te": post(te + te, last + inner), "te identity": post(te + b"Transfer-Encoding: identity\r\n", last + inner), "te list": post(b"Transfer-Encoding: identity, chunked\r\n", last + inner),
            "te gzip": post(b"Transfer-Encoding: gzip, chunked\r\n", last + inner), "te not last": post(b"Transfer-Encoding: chunked, gzip\r\n", last + inner), "te x": post(b"Transfer-Encoding: xchunked\r\n", last + inner),
            "te quoted": post(b"Transfer-Encoding: \"chunked\"\r\n", last + inner), "te twice": post(b"Transfer-Encoding: chunked, chunked\r\n", last + inner), "te empty": post(b"Transfer-Encoding: \r\n", last + inner),
            "te space": post(b"Transfer-Encoding : chunked\r\n", last + inner), "te tab": post(b"Transfer-Encoding:\x0bchunked\r\n", last + inner), "te parameter": post(b"Transfer-Encoding: chunked;x=y\r\n", last + inner),
            "te 1.0": (b"POST /" + W.encode() + b" HTTP/1.0\r\nHost: api.test\r\n" + te + b"\r\n" + last + inner),
            "cl twice": post(b"Content-Length: 0\r\n" + n, inner), "cl same": post(n + n, inner), "cl list": post(b"Content-Length: 0, %d\r\n" % len(inner), inner), "cl same list": post(b"Content-Length: 5, 5\r\n", b"abcde" + inner),
            "cl plus": post(b"Content-Length: +0\r\n", inner), "cl minus": post(b"Content-Length: -1\r\n", inner), "cl hex": post(b"Content-Length: 0x0\r\n", inner), "cl huge": post(b"Content-Length: 99999999999999999999\r\n", inner),
            "cl wraps": post(b"Content-Length: 18446744073709551616\r\n", inner), "cl empty": post(b"Content-Length: \r\n", inner), "cl space": post(b"Content-Length: 0 0\r\n", inner), "cl dot": post(b"Content-Length: 0.0\r\n", inner),
            "fold": ask("/" + W, b"X: a\r\n b\r\n"), "fold te": post(b"Transfer-Encoding:\r\n chunked\r\n", last + inner), "fold tab": ask("/" + W, b"X: a\r\n\tb\r\n"), "fold first": b"GET /" + W.encode() + b" HTTP/1.1\r\n X: a\r\nHost: api.test\r\n\r\n",
            "bare lf": b"GET /" + W.encode() + b" HTTP/1.1\nHost: api.test\n\n", "lf in a field": ask("/" + W, b"X: a\nHost: other.test\r\n"), "lf at the end": ask("/" + W)[:-2] + b"\n" + inner, "lf lf": ask("/" + W, b"X: a\n\n" + inner),
            "lone cr": ask("/" + W, b"X: a\rHost: other.test\r\n"), "cr cr lf": ask("/" + W, b"X: a\r\r\n"), "cr in the line": b"GET /" + W.encode() + b"\rx HTTP/1.1\r\nHost: api.test\r\n\r\n",
            "nul": ask("/" + W, b"X: a\0b\r\n"), "nul in a name": ask("/" + W, b"X\0: a\r\n"), "no colon": ask("/" + W, b"nothing\r\n"), "no name": ask("/" + W, b": a\r\n"), "space in a name": ask("/" + W, b"X Y: a\r\n"),
            "two hosts": ask("/" + W, b"Host: other.test\r\n"), "same host twice": ask("/" + W, b"Host: api.test\r\n"), "no host": b"GET /" + W.encode() + b" HTTP/1.1\r\n\r\n", "empty host": ask("/" + W, host=b""),
            "0.9": b"GET /" + W.encode() + b"\r\n" + inner, "two spaces": ask("/" + W).replace(b" ", b"  ", 1), "tab": ask("/" + W).replace(b" ", b"\t", 2), "target space": ask("/" + W + " b"), "lower version": ask("/" + W).replace(b"HTTP/", b"http/"),
            "chunk extension lf": post(te, b"3;a\nb\r\nabc\r\n" + last + inner), "chunk overflow": post(te, b"10000000000000003\r\nabc\r\n" + last + inner), "chunk 2^64": post(te, b"ffffffffffffffff\r\nabc\r\n" + last + inner),
            "chunk minus": post(te, b"-1\r\nabc\r\n" + last + inner), "chunk plus": post(te, b"+3\r\nabc\r\n" + last + inner), "chunk 0x": post(te, b"0x3\r\nabc\r\n" + last + inner), "chunk space": post(te, b" 3\r\nabc\r\n" + last + inner),
            "chunk lf": post(te, b"3\nabc\r\n" + last + inner), "chunk cr": post(te, b"3\rabc\r\n" + last + inner), "chunk longer": post(te, b"3\r\nabcd\r\n" + last + inner), "chunk shorter": post(te, b"3\r\nab\r\n" + last + inner),
            "chunk empty": post(te, b"\r\nabc\r\n" + last + inner), "chunk no end": post(te, b"3\r\nabc0\r\n\r\n" + inner), "chunk lf end": post(te, b"3\r\nabc\n0\n\n" + inner), "last chunk lf": post(te, b"0\n\n" + inner),
            "trailer host": post(te, b"0\r\nHost: other.test\r\n\r\n" + inner), "trailer te": post(te, b"0\r\n" + te + b"\r\n" + inner), "trailer cl": post(te, b"0\r\nContent-Length: 5\r\n\r\n" + inner), "trailer fold": post(te, b"0\r\nX: a\r\n b\r\n\r\n" + inner),
        }
        out({k: h1(v)[:2] for k, v in tries.items()})
    """, *ONLY, timeout=110)
    bad = {k: v for k, v in got.items() if v[0] != [400] or v[1] == "open"}
    assert set(bad) <= {"lower version", "0.9"}, bad
    assert all(v[0] in ([400], [505]) for v in got.values()), bad
    seen = requests(w)
    assert saw(w + "-inner") == [], saw(w + "-inner")
    # What is bad at its head never left; of a bad body, the head may have.
    assert all(g["data"].count("HTTP/1.1\r\n") == 1 and "\r\nTransfer-Encoding: chunked\r\n" in g["data"] and g["data"].startswith("POST /") for g in seen), seen
    assert not any(g["data"].endswith("0\r\n\r\n") for g in seen), seen


@test(smoke=True)
def test_chunk_extensions_are_not_passed_on(t):
    """Refused, long or short; a size with zeros before it is written anew, or refused."""
    w = tag(t)
    got = guest(t, w, r"""
        te, inner = b"Transfer-Encoding: chunked\r\n", ask("/" + W + "-inner")
        out([h1(ask("/" + W, te, b"POST") + x)[:2] for x in (
            b"3;a=b\r\nabc\r\n0\r\n\r\n", b"3;a=\"x\\\"\"\r\nabc\r\n0;last\r\n\r\n", b"0000000003\r\nabc\r\n0\r\n\r\n",
            b"3;" + b"x" * 70000 + b"\r\nabc\r\n0\r\n\r\n" + inner, b"3" + b" " * 70000 + b"\r\nabc\r\n0\r\n\r\n" + inner, b"0" * 70000 + b"3\r\nabc\r\n0\r\n\r\n" + inner)])
    """, *ONLY)
    assert [codes for codes, _ in got[:2]] == [[400], [400]] and got[2][0] in ([200], [400]), got
    for codes, end in got[3:]:
        assert codes == [400] and end != "open", got
    bodies = [g["data"].partition("\r\n\r\n")[2] for g in requests(w)]
    assert all(";" not in x and "inner" not in x for x in bodies), bodies
    assert bodies.count("3\r\nabc\r\n0\r\n\r\n") == sum(codes == [200] for codes, _ in got), (got, bodies)


@test(smoke=True)
def test_http2_that_would_be_two_readings_behind_a_gateway(t):
    """Fields of a connection, bad pseudo-header fields, line ends in values, lengths that do not hold: an error of the stream."""
    w = tag(t)
    got = guest(t, w, r"""
        p = "/" + W + "-bad"
        post = dict(method="POST", end=False)
        tries = {
            "te": [head(1, p, ("transfer-encoding", "chunked"), **post), data(1, b"0\r\n\r\n")], "connection": [head(1, p, ("connection", "close"))], "keep-alive": [head(1, p, ("keep-alive", "5"))],
            "proxy-connection": [head(1, p, ("proxy-connection", "x"))], "upgrade": [head(1, p, ("upgrade", "h2c"))], "te gzip": [head(1, p, ("te", "gzip"))],
            "upper case": [head(1, p, ("X-Upper", "a"))], "space in a name": [head(1, p, ("x y", "a"))], "colon in a name": [head(1, p, ("x:y", "a"))], "lf in a name": [head(1, p, ("x\r\nhost", "other.test"))], "no name": [head(1, p, ("", "a"))],
            "crlf in a value": [head(1, p, ("x", "a\r\nHost: other.test"))], "lf in a value": [head(1, p, ("x", "a\nb"))], "cr in a value": [head(1, p, ("x", "a\rb"))], "nul in a value": [head(1, p, ("x", "a\0b"))],
            "method with a line": [head(1, p, method="GET / HTTP/1.1\r\nHost: other.test\r\n\r\nGET")], "method with a space": [head(1, p, method="GET /x")], "lower connect": [head(1, p, method="connect")], "empty method": [head(1, p, method="")],
            "path with a line": [head(1, p + " HTTP/1.1\r\nHost: other.test\r\nX: ")], "path with a space": [head(1, p + " x")], "no slash": [head(1, p[1:])], "absolute path": [head(1, "https://api.test" + p)], "empty path": [head(1, "", ("x-mark", p))], "star": [head(1, "*", ("x-mark", p))],
            "fragment": [head(1, p + "#x")], "authority with a line": [head(1, p, authority="api.test\r\nX: y")], "authority with a space": [head(1, p, authority="api.test x")], "authority with a user": [head(1, p, authority="x@api.test")],
            "no method": [head(1, p, method=None)], "no path": [frame(1, 5, 1, field(":method", "GET") + field(":scheme", "https") + field(":authority", "api.test") + field("x-mark", p))], "no scheme": [head(1, p, scheme=None)], "http scheme": [head(1, p, scheme="http")],
            "bad scheme": [head(1, p, scheme="https://api.test/?")], "method twice": [head(1, p, (":method", "GET"))], "path twice": [head(1, p, (":path", p))], "authority twice": [head(1, p, (":authority", "api.test"))], "late pseudo": [head(1, p, ("x", "y"), (":path", p))],
            "unknown pseudo": [head(1, p, (":x", "y"))], "status": [head(1, p, (":status", "200"))], "host other": [head(1, p, ("host", "other.test"))], "two hosts": [head(1, p, ("host", "api.test"), ("host", "api.test"))], "protocol": [head(1, p, (":protocol", "websocket"))],
            "no authority": [head(1, p, authority=None)], "cl longer": [head(1, p, ("content-length", "9"), **post), data(1, b"abc")], "cl shorter": [head(1, p, ("content-length", "2"), **post), data(1, b"abc")], "cl 0": [head(1, p, ("content-length", "0"), **post), data(1, b"abc")],
            "cl without": [head(1, p, ("content-length", "3"))], "cl twice": [head(1, p, ("content-length", "3"), ("content-length", "4"), **post), data(1, b"abc")], "cl list": [head(1, p, ("content-length", "3, 3"), **post), data(1, b"abc")],
            "cl plus": [head(1, p, ("content-length", "+3"), **post), data(1, b"abc")], "cl huge": [head(1, p, ("content-length", "18446744073709551619"), **post), data(1, b"abc")],
            "trailer path": [head(1, p, **post), data(1, b"abc", False), frame(1, 5, 1, field(":path", "/other"))], "trailer host": [head(1, p, **post), data(1, b"abc", False), frame(1, 5, 1, field("host", "other.test"))],
            "trailer cl": [head(1, p, **post), data(1, b"abc", False), frame(1, 5, 1, field("content-length", "9"))], "trailer line": [head(1, p, **post), data(1, b"abc", False), frame(1, 5, 1, field("x", "a\r\nb: c"))],
            "even stream": [head(2, p)], "stream 0": [frame(1, 5, 0, block(p))], "data first": [data(1, p.encode())], "no headers flag": [frame(1, 1, 1, block(p)), data(1)], "continuation alone": [frame(9, 4, 1, block(p))],
            "bad index": [frame(1, 5, 1, block(p) + b"\xff\xff\xff\x7f")], "cut block": [frame(1, 5, 1, block(p)[:-3])], "big block": [frame(1, 1, 1, block(p))] + [frame(9, 0, 1, field("x", "a" * 16000)) for i in range(9)] + [frame(9, 4, 1)],
            "padding": [frame(1, 0xd, 1, b"\xff" + block(p))], "itself": [frame(1, 0x25, 1, struct.pack("!IB", 1, 1) + block(p))],
        }
        r = {}
        for k, v in tries.items():
            h = H2(*v)
            r[k] = [h.read(1), h.gone, h.text(1)]
        h = H2(head(1, "/" + W + "-good"), head(3, p, ("connection", "x")), head(5, "/" + W + "-good", ("te", "trailers"), ("content-length", "3"), **post), data(5, b"abc"))
        out([r, h.read(1, 3, 5)])
    """, *ONLY, timeout=110)
    tries, three = got
    assert three[0] == three[2] == 200 and three[1] in (400, "reset"), three
    fine = {k: v for k, v in tries.items() if v[0][0] not in (400, 421, 431, "reset", "gone")}
    assert fine == {}, fine
    seen = saw(w + "-bad")
    assert all(not g.get("over") for g in seen), [g for g in seen if g.get("over")]
    assert all(line(g) == "POST /%s-bad" % w and "abc" in "abc" + g["body"] for g in seen), seen
    assert len(saw(w + "-good")) == 2


@test(smoke=True)
def test_absolute_form_says_what_host_says(t):
    w = tag(t)
    got = guest(t, w, r"""
        def to(target, host=b"api.test"): return h1(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[:2]
        p = b"/" + W.encode()
        out({
            "same": to(b"https://api.test:8447" + p, b"api.test:8447"),
            "other": to(b"https://other.test" + p), "other host": to(b"https://api.test" + p, b"other.test"), "both other": to(b"https://other.test" + p, b"other.test"), "user": to(b"https://x@api.test" + p), "at": to(b"https://other.test@api.test" + p),
            "port": to(b"https://api.test:1" + p, b"api.test"), "clear": to(b"http://api.test" + p), "scheme": to(b"ftp://api.test" + p), "no scheme": to(b"//other.test" + p + b"-slashes"), "backslash": to(b"https:\\\\other.test" + p),
            "address": to(b"https://127.0.0.1" + p), "fragment": to(b"https://api.test#@other.test" + p), "escape": to(b"https://api%2etest" + p), "no host": to(b"https:///x" + p), "relative": to(b"api.test" + p), "one": to(b"https:/api.test" + p),
        })
    """, *ONLY)
    assert got.pop("same")[0] in ([200], [421]) and got.pop("no scheme")[0] in ([200], [400]), got
    assert {k: v for k, v in got.items() if v[0] not in ([400], [421])} == {}, got
    assert got["other"][0] == got["other host"][0] == got["user"][0] == got["clear"][0] == [400] and got["both other"][0] == [421], got
    # What begins with a slash is a path, and stays one behind weir.
    lines = [line(g) for g in requests(w)]
    assert set(lines) <= {"GET https://api.test:8447/%s HTTP/1.1" % w, "GET /%s HTTP/1.1" % w, "GET //other.test/%s-slashes HTTP/1.1" % w}, lines
    assert "other.test" not in "".join(g["data"] for g in requests(w)).replace("//other.test/%s-slashes" % w, ""), requests(w)


# ---- paths, methods ------------------------------------------------------------------------------------

RULE = """
policy:
  default_egress: deny
  rules:
    - {action: allow, destination: {domain: api.test}, protocols: [tcp], ports: ["8447", "8448"],
       http: {methods: [GET, POST], paths: ["/%(w)s/**"], deny_paths: ["/%(w)s/hidden/**", "/%(w)s/hidden"]}}
"""


@test(smoke=True)
def test_a_path_has_one_reading_or_none(t):
    """Spellings of what is denied: 403 or 400 in both versions; what is fine arrives as it was written."""
    w = tag(t)
    got = guest(t, w, r"""
        P = "/" + W
        bad = ["/hidden/x", "/hidden", "/hidden/", "/%68idden/x", "/%68%69%64%64%65%6e/x", "/a/../hidden/x", "/a/%2e%2e/hidden/x", "/a/%2E./hidden/x", "/a/.%2e/hidden/x", "/./hidden/x", "/%2e/hidden/x", "//hidden/x", "/hidden//x", "///hidden///x",
               "/a%2f..%2fhidden/x", "/a%2F../hidden/x", "/hidden%2fx", "/%2fhidden/x", "/hidden;x", "/hidden;x/y", "/hidden/;x", "/hidden/x;y", "/a/..;/hidden/x", "/a;/../hidden/x", "\\hidden\\x", "/a\\..\\hidden\\x", "/hidden\\x", "/a%5c..%5chidden/x", "/hidden%5cx",
               "/%2568idden/x", "/a/%252e%252e/hidden/x", "/%c0%afhidden", "/a/%c0%ae%c0%ae/hidden/x", "/hidden%00", "/hidden/%0d%0ax", "/a/../../" + W + "/hidden/x", "/hidden/..%2fx", "/../" + W + "/hidden/x", "/..", "/../other", "/%2e%2e/other", "/hidden/../../other", "/hidden?x", "/hidden/x?y=z"]
        outside = ["/other", "/", "//other/" + W + "/x", "/x/.." + P + "/hidden/x", "/" + W.upper() + "/x", "/x" + P + "/y", P + "x", "/.." + P + "/hidden"]
        paths = [P + x for x in bad] + outside
        one = {x: h1(ask(x))[0] for x in paths}
        two = {}
        for i in range(0, len(paths), 20):
            part = paths[i:i + 20]
            h = H2(*[head(2 * j + 1, x) for j, x in enumerate(part)])
            two.update(zip(part, h.read(*[2 * j + 1 for j in range(len(part))], seconds=4)))
        fine = [P + x for x in ("/a", "/a/b?c=/hidden/", "/%7Ea/%20b", "/hiddenx", "/a%3Fb", "/a:b@c!$&'()*+,=", "/%E2%82%AC")]
        more = [h1(ask(P + "/a", x))[0] for x in (b"X-Original-URL: " + P.encode() + b"/hidden\r\n", b"X-Rewrite-URL: /other\r\n")]
        out([one, two, [h1(ask(x))[0] for x in fine], fine, more])
    """, *config(t, RULE % dict(w=w)), timeout=100)
    one, two, codes, fine, more = got
    assert {k: v for k, v in one.items() if v not in ([403], [400])} == {}, one
    assert {k: v for k, v in two.items() if v not in (403, 400, "reset")} == {}, two
    assert codes == [[200]] * len(fine) and more == [[400]] * 2, got
    assert [line(g) for g in requests(w)] == ["GET %s HTTP/1.1" % x for x in fine], requests(w)
    p = "/" + w
    assert one[p + "/hidden/x"] == [403] and one[p + "/a/%2e%2e/hidden/x"] == [403] and one[p + "/a%2f..%2fhidden/x"] == [400], one


@test(smoke=True)
def test_methods_and_what_overrides_them(t):
    """TRACE never; under a rule a method is what is written, and so is one in a field."""
    w = tag(t)
    code = r"""
        P = "/" + W + "/m"
        o = [(b"X-HTTP-Method-Override", b"DELETE"), (b"X-HTTP-Method", b"PUT"), (b"X-Method-Override", b"delete"), (b"x-http-method-override", b"TRACE"), (b"X-HTTP-Method-Override", b"GET\r\nX-HTTP-Method-Override: DELETE"), (b"X-HTTP-Method-Override", b"GET, DELETE")]
        h = H2(*[head(2 * i + 1, P, method=m) for i, m in enumerate(("TRACE", "trace", "get", "DELETE"))], head(9, P, ("x-http-method-override", "DELETE"), method="POST"), head(11, P, ("x-http-method-override", "POST")))
        out([{m: h1(ask(P, method=m.encode()))[0] for m in ("TRACE", "trace", "TrAcE", "get", "Get", "DELETE", "GETX", "FOO", "PATCH", "connect")},
             [h1(ask(P, n + b": " + v + b"\r\n", b"POST"))[0] for n, v in o], h1(ask(P, b"X-HTTP-Method-Override: get\r\n", b"POST"))[0], h.read(1, 3, 5, 7, 9, 11)])
    """
    methods, over, same, h2 = guest(t, w, code, *config(t, RULE % dict(w=w)))
    assert methods == {"TRACE": [405], "trace": [405], "TrAcE": [405], "get": [403], "Get": [403], "DELETE": [403], "GETX": [403], "FOO": [403], "PATCH": [403], "connect": [400]}, methods
    assert over == [[403]] * 6 and same == [200] and h2 == [405, 405, 403, 403, 403, 200], (over, same, h2)
    assert sorted(line(g).split()[0] for g in requests(w)) == ["GET", "POST"], requests(w)
    # Without a rule only TRACE is the product's business.
    methods, over, same, h2 = guest(t, w + "-free", code, *ONLY)
    assert [methods[m] for m in ("TRACE", "trace", "get", "DELETE", "connect")] == [[405], [405], [200], [200], [400]] and h2[:4] == [405, 405, 200, 200], (methods, h2)
    assert not any("trace" in line(g).lower() for g in requests(w + "-free"))


# ---- CONNECT, authorities, upgrades --------------------------------------------------------------------

@test(smoke=True)
def test_connect_leads_nowhere_that_is_denied(t):
    """Through a proxy that is allowed: private addresses in every spelling, odd ports, raw addresses, a tunnel in the tunnel."""
    w, port = tag(t), 3200 + t.number % 100
    proxy = t.internet_go([lab.PYTHON, "-c", PROXY, str(port), lab.API4])
    proxy.wait_for("ready")
    got = guest(t, w, r"""
        def via(target, *more, host=None, method=b"CONNECT"):
            s = socket.create_connection((WEB4, %d), 10)
            return h1(method + b" " + target + b" HTTP/1.1\r\nHost: " + (host or target) + b"\r\n\r\n", *more, s=s, gap=0.05)[:2]
        bad = ["127.0.0.1:80", "127.1:80", "2130706433:80", "0x7f000001:443", "0177.0.0.1:443", "[::1]:443", "[::ffff:127.0.0.1]:443", "[64:ff9b::7f00:1]:443", "0.0.0.0:443", "[::]:443", "10.0.0.1:443", "192.168.77.1:443", "169.254.169.254:80", "[fe80::1]:443", "localhost:80",
               "other.test:443", "api.test:22", "api.test:25", "api.test:0", "api.test:65536", "api.test", "api.test:", "192.31.196.101:443", "x@api.test:443", "api.test:443@other.test:443", "api.test:443/x", "api.test:443#x", "*:443", "api.test:443,other.test:443", "api.test:0443 x",
               "https://api.test:443", "/x", "api%%2etest:443", "api.test\\.other.test:443", "api.test\0.other.test:443"]
        r = {x: via(x.encode("latin-1")) for x in bad}
        r["host other"] = via(b"api.test:443", host=b"other.test:443")
        r["lower"] = via(b"other.test:443", method=b"connect")
        r["crlf"] = via(b"other.test:443", method=b"\r\nCONNECT")
        r["lf"] = via(b"other.test:443", method=b"\nCONNECT")
        r["sp"] = via(b"other.test:443", method=b" CONNECT")
        r["tab"] = via(b"\tother.test:443", method=b"CONNECT\t")
        to = b"CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n"
        r["pieces"] = h1(b"CONN", b"ECT" + to[7:], s=socket.create_connection((WEB4, %d), 10), gap=0.3)[:2]
        r["absolute"] = via(b"http://other.test/x", host=b"other.test", method=b"GET")
        r["absolute https"] = via(b"https://other.test/x", host=b"other.test", method=b"GET")
        r["absolute port"] = via(b"http://api.test:22/x", host=b"api.test:22", method=b"GET")
        r["absolute address"] = via(b"http://10.0.0.1/x", host=b"10.0.0.1", method=b"GET")
        second = {"origin form first": via(b"/y", to, host=b"api.test", method=b"GET"), "pipelined behind it": via(b"/y", host=b"api.test\r\n\r\n" + to[:-4], method=b"GET"),
                  "absolute behind it": via(b"/y", to.replace(b"CONNECT other.test:443", b"GET http://other.test/x").replace(b":443", b""), host=b"api.test", method=b"GET"),
                  "absolute behind absolute": via(b"http://api.test/x", to.replace(b"CONNECT other.test:443", b"GET http://other.test/x").replace(b":443", b""), host=b"api.test", method=b"GET")}
        second |= {"second": via(b"http://api.test/x", to, host=b"api.test", method=b"GET"), "pipelined": via(b"http://api.test/x", host=b"api.test\r\n\r\n" + to[:-4], method=b"GET")}
        # A tunnel that is allowed, and what is said inside.
        def inside(*parts, sni="api.test", target=b"api.test:8447"):
            s = socket.create_connection((WEB4, %d), 10)
            s.sendall(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
            assert b" 200 " in upto(s)
            if sni is None: return h1(*parts, s=s, gap=0.05)[:2]
            try:
                return h1(*parts, s=trust["http/1.1"].wrap_socket(s, server_hostname=sni, suppress_ragged_eofs=False), gap=0.05)[:2]
            except OSError as e:
                return [type(e).__name__]
        link().close()
        connect = lambda x: b"CONNECT " + x + b" HTTP/1.1\r\nHost: " + x + b"\r\n\r\n"
        inner = {"fine": inside(ask("/" + W + "-fine")), "other host": inside(ask("/" + W + "-bad", host=b"other.test")), "other name": inside(ask("/" + W + "-bad", host=b"other.test"), sni="other.test"),
                 "tls connect": inside(connect(b"other.test:443")), "tls connect same": inside(connect(b"api.test:443")), "clear": inside(connect(b"other.test:443"), sni=None, target=b"api.test:%d"),
                 "clear same": inside(connect(b"api.test:8447"), sni=None, target=b"api.test:%d"), "clear host": inside(ask("/" + W + "-bad", host=b"other.test"), sni=None, target=b"api.test:8447")}
        # To the origin itself, in a connection that is looked into.
        own = {"h1": h1(connect(b"other.test:443"))[:2], "h1 same": h1(connect(b"127.0.0.1:22"))[:2]}
        h = H2(frame(1, 4, 1, field(":method", "CONNECT") + field(":authority", "other.test:443")), frame(1, 4, 3, field(":method", "CONNECT") + field(":authority", "api.test:443")))
        out([r, second, inner, own, h.read(1, 3)])
    """ % ((port,) * 5), *ON, "--allow", "%s:tcp:%d" % (lab.WEB4, port), *[x for p in (80, 443, 8447, 8448, port) for x in ("--allow", "api.test:tcp:%d" % p)],
                 "--events", t.dir + "/ev", timeout=100)
    r, second, inner, own, h2 = got
    assert {k: v for k, v in r.items() if k != "pieces" and v[0] not in ([403], [400]) or v[1] == "open"} == {}, r
    assert r["pieces"][0] in ([], [400], [403]), r["pieces"]
    assert [r[k][0] for k in ("127.0.0.1:80", "[::ffff:127.0.0.1]:443", "169.254.169.254:80", "other.test:443", "api.test:22", "192.31.196.101:443")] == [[403]] * 6, r
    # What another one makes of these is not known.
    assert [r[k][0] for k in ("127.1:80", "2130706433:80", "0x7f000001:443", "x@api.test:443", "lower", "crlf", "tab")] == [[400]] * 7, r
    assert {k: v for k, v in second.items() if v[0] != [200, 403] or v[1] == "open"} == {}, second
    assert inner.pop("fine")[0] == [200] and inner.pop("other name")[0] in ("SSLError", "ConnectionResetError", "SSLEOFError"), inner
    assert {k: v for k, v in inner.items() if v[0] not in ([403], [421]) or v[1] == "open"} == {}, inner
    assert all(v == [[403], "eof"] for v in own.values()) and h2 in ([403, 403], ["reset", "reset"]), (own, h2)
    asked = [x.split()[1:3] for x in proxy.out.splitlines() if x.startswith("asked")]
    assert all(x[1] in ("api.test:8447", "api.test:%d" % port) if x[0] == "CONNECT" else x in (["GET", "http://api.test/x"], ["GET", "/y"]) for x in asked), asked
    assert len(saw(w + "-fine")) == 1 and saw(w + "-bad") == [], saw(w)
    assert len([e for e in events(t) if e["event"] == "deny"]) > 20


@test(smoke=True)
def test_authorities_that_two_readers_take_apart_differently(t):
    """In Host, in an absolute target, in :authority: refused, and nothing arrives."""
    w = tag(t)
    got = guest(t, w, r"""
        bad = ["api.test@other.test", "other.test@api.test", "api.test#other.test", "other.test#@api.test", "api.test\\.other.test", "other.test\\@api.test", "api.test,other.test", "api.test other.test", "api.test:443:443", "api.test:x",
               "api.test:-1", "api.test:65536", "api%2etest", "api.test%00.other.test", "[api.test]", "api..test", ".api.test", "*.test", "api.test;x", "api.test\x7f", "api.test\x01", "\u00e4pi.test", "\uff41pi.test".encode().decode("latin-1"), "api\xe3\x80\x82test", "<api.test>", "{api.test}", "api.test|x", "api.test^", "`api.test`",
               "other.test", "xapi.test", "api.test.other.test", "api_test"]
        r = {}
        for x in bad:
            v = x.encode("latin-1")
            r[x] = [h1(ask("/" + W + "-bad", host=v))[0], h1(b"GET https://" + v + b"/" + W.encode() + b"-bad HTTP/1.1\r\nHost: " + v + b"\r\n\r\n")[0], h1(b"GET https://" + v + b"/" + W.encode() + b"-bad HTTP/1.1\r\nHost: api.test\r\n\r\n")[0],
                    H2(head(1, "/" + W + "-bad", authority=x)).read(1)[0], H2(head(1, "/" + W + "-bad", ("host", x))).read(1)[0]]
        fine = [h1(ask("/" + W, host=x))[0] for x in (b"api.test", b"API.Test", b"api.test.", b"api.test:8447", b" api.test ")]
        out([r, fine])
    """, *ON, timeout=100)
    r, fine = got
    assert {k: v for k, v in r.items() if not all(x in ([400], [421], 400, 421, "reset", "gone") for x in v)} == {}, r
    assert fine == [[200]] * 5 and saw(w + "-bad") == [], (fine, saw(w + "-bad"))
    for x in ("api.test@other.test", "api.test#other.test", "api.test\\.other.test"):
        assert r[x][:3] == [[400]] * 3 and r[x][3] in (400, "reset"), (x, r[x])


@test(smoke=True)
def test_upgrades_are_judged_again(t):
    """h2c is never offered to the origin; what switches is watched; what does not goes on as requests."""
    w = tag(t)
    got = guest(t, w, r"""
        def up(kind, path="", more=b""): return ask("/" + W + path, b"Connection: Upgrade\r\nUpgrade: " + kind + b"\r\n" + more)
        bad = ask("/" + W + "-bad", host=b"other.test")
        settings = b"Connection: HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
        ws = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        stay = ask("/stay/" + W, b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + ws)
        out({
            "h2c": h1(up(b"h2c", more=settings), preface + head(1, "/" + W + "-bad", authority="other.test"), gap=0.05), "h2c at once": h1(up(b"h2c", more=settings) + preface + head(3, "/" + W + "-bad")),
            "h2": h1(up(b"h2"), bad, gap=0.05), "H2C": h1(up(b"H2C"), bad, gap=0.05), "upgrade without connection": h1(ask("/" + W, b"Upgrade: websocket\r\n" + ws), bad, gap=0.05),
            "not granted": h1(stay, bad, gap=0.05), "not granted at once": h1(stay + bad), "other host": h1(ask("/" + W + "-bad", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + ws, host=b"other.test")),
            "h2c and another": h1(up(b"foo, h2c"), b"not HTTP any more", gap=0.05),
        })
    """, *ONLY, "--allow", "other.test")
    assert saw(w + "-bad") == [], (got, saw(w + "-bad"))
    assert {k: v[0] for k, v in got.items() if k != "h2c and another" and not (v[0][-1:] in ([400], [421], [505]) and 101 not in v[0])} == {}, got
    assert got["not granted"][0] == [200, 421] and got["other host"][0] == [421] and got["h2"][0] == [200, 421], got
    came = "".join(g["data"] for g in requests(w)).lower()
    assert got["h2c and another"][0] == [101] and came.count("upgrade: foo\r") == 1
    assert "h2c" not in came and "http2-settings" not in came and "upgrade: h2\r" not in came, came


@test()
def test_a_rule_for_requests_lets_no_other_protocol_begin(t):
    """Upgrade to what the rule cannot judge: 403; WebSocket is HTTP's own."""
    w = tag(t)
    conf = config(t, "policy: {rules: [{action: allow, destination: {domain: api.test}, http: {methods: [GET]}}]}\n")
    got = guest(t, w, r"""
        def up(kind): return ask("/" + W, b"Connection: Upgrade\r\nUpgrade: " + kind + b"\r\n")
        out([h1(up(k), b"not HTTP any more", gap=0.05)[0][:1] for k in (b"foo", b"tls/1.0", b"foo, websocket", b"websocket")])
    """, *conf, "--tls-intercept-port", "8447")
    assert got == [[403], [403], [403], [101]], got
    assert sum("upgrade: foo" in g["data"].lower() for g in requests(w)) == 0, requests(w)


@test()
def test_a_rule_for_requests_keeps_a_websocket_to_its_frames(t):
    """Behind the 101 nothing passes that is none: an allowed upgrade is no raw tunnel."""
    w = tag(t)
    conf = config(t, "policy: {rules: [{action: allow, destination: {domain: api.test}, http: {methods: [GET]}}]}\n")
    got = guest(t, w, r"""
        def up(*parts): return h1(ask("/" + W, b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), *parts, gap=0.05)
        frame = b"\x81\x8a\0\0\0\0" + b"frame-text"
        r = {"frames": up(frame, frame[:3], frame[3:]), "raw": up(b"SSH-2.0-raw-bytes\r\n"), "not masked": up(b"\x81\x09raw-bytes"), "behind a frame": up(frame + b"raw-bytes"),
             "reserved": up(b"\xc1\x89\0\0\0\0raw-bytes")}
        out({k: [v[0][:1], v[1]] for k, v in r.items()})
    """, *conf, "--tls-intercept-port", "8447", "--events", t.dir + "/ev")
    assert got.pop("frames")[0] == [101] and all(v[0] == [101] and v[1] in ("eof", "cut") for v in got.values()), got
    came = [g["data"] for g in requests(w)]
    assert sum("frame-text" in x for x in came) >= 1 and not any("raw-bytes" in x for x in came), came
    told = [e for e in events(t) if e["event"] in ("deny", "error")]
    assert sum(e["event"] == "deny" and e["reason"] == "http-rule" for e in told) == 4, told
    assert any("WebSocket of the guest's: a client's frame is not masked" in e.get("text", "") for e in told), told


@test(smoke=True)
def test_a_tunnel_that_is_looked_into_ends_with_its_rule(t):
    """SIGHUP takes the target away: reset within a second, while the tunnel to the other target goes on."""
    w, port, path = tag(t), 3300 + t.number % 100, t.dir + "/p.yaml"
    proxy = t.internet_go([lab.PYTHON, "-c", PROXY, str(port), lab.API4])
    proxy.wait_for("ready")

    def rules(*names):
        with open(path, "w") as f:
            f.write("tls: {enabled: true, intercepted_ports: [443, 8447]}\npolicy: {rules: [%s]}\n" % ", ".join("'allow@%s'" % n for n in ("%s:tcp:%d" % (lab.WEB4, port),) + names))
    rules("api.test:tcp:8447", "tls12.test")
    p = t.spawn("-c", path, cmd=t.py_cmd(CLIENT + "\nW = %r\n" % w + textwrap.dedent(r"""
        def inside(target, name, alpn):
            s = socket.create_connection((WEB4, %d), 10)
            s.sendall(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n\r\n")
            assert b" 200 " in upto(s)
            if alpn is None: return s
            return trust[alpn].wrap_socket(s, server_hostname=name, suppress_ragged_eofs=False)
        trust["http/1.1"] = ssl.create_default_context()
        gone, clear, kept = inside(b"api.test:8447", "api.test", "http/1.1"), inside(b"api.test:8447", "", None), inside(b"tls12.test:443", "tls12.test", "http/1.1")
        gone.sendall(ask("/" + W))
        assert b" 200 " in gone.recv(65536)
        print("open", flush=True)
        input()
        t0, ends = time.monotonic(), []
        for s in (gone, clear):
            try:
                s.settimeout(5)  # Python's TLS tells no reset from an end
                ends.append(repr(s.recv(10)))
            except OSError as e:
                ends.append(type(e).__name__)
        took = time.monotonic() - t0
        kept.sendall(ask("/quick", host=b"tls12.test"))
        print(json.dumps([ends, took, b" 200 " in kept.recv(65536)]), flush=True)
    """ % port)), stdin=-1, env=env(t))
    p.wait_for("open\n")
    rules("tls12.test")
    p.p.send_signal(signal.SIGHUP)
    p.write(b"\n")
    r = p.wait()
    ends, took, kept = json.loads(r.out.strip().split("\n")[-1])
    assert set(ends) <= {"ConnectionResetError", "SSLEOFError"} and took < 1.5 and kept and "policy-changed" in r.err, (ends, took, kept, r)
