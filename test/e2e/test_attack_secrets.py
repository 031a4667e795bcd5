# SPDX-License-Identifier: Apache-2.0
"""The row of secrets of the attack table: where a placeholder is tried, where a value shows itself, what is written down."""
import base64
import json
import os
import re
import signal
import subprocess
import time
import urllib.parse

import api
import lab
from harness import test
from test_attack_http import events, guest, line, requests
from test_secrets import VALUE, config, env, headers, saw, tag

PORTS = ["--tls-intercept"] + [x for p in (443, 8447, 8448) for x in ("--tls-intercept-port", str(p))]
KEY = ["--secret", "KEY@api.test"] + PORTS


def every(more="", hosts="api.test"):
    """A secret that may stand everywhere."""
    return ("secrets: {secrets: [{env_var: KEY, allowed_hosts: [%s], injection: {query_params: true, body: true, path: true, websocket: true}%s}]}\n"
            % (hosts, more))


def values(w):
    return json.dumps(saw(w)).count(VALUE)


# ---- where it may not go -------------------------------------------------------------------------------

@test(smoke=True)
def test_to_an_unlisted_host_it_is_blocked_wherever_it_stands(t):
    """Every place, every spelling, both versions: 403, and no origin has a whole request, a placeholder or a value."""
    w = tag(t)
    got = guest(t, w, r"""
        import urllib.parse, zlib
        K = os.environ["KEY"]
        k64, pct = base64.b64encode(K.encode()).decode(), "".join("%%%02x" % ord(c) for c in K)
        esc = "".join("\\u%04x" % ord(c) for c in K)
        p, o = "/" + W, b"other.test"
        def post(body, more=b"", path=p): return ask(path, b"Content-Length: %d\r\n" % len(body) + more, b"POST", o) + body
        def chunks(body, n): return ask(p, b"Transfer-Encoding: chunked\r\n", b"POST", o) + b"".join(b"%x\r\n" % len(body[i:i + n]) + body[i:i + n] + b"\r\n" for i in range(0, len(body), n)) + b"0\r\n\r\n"
        bk = b"x" * 50 + K.encode() + b"y" * 50
        one = {
            "authorization": ask(p, b"Authorization: Bearer " + K.encode() + b"\r\n", host=o), "field": ask(p, b"X-Any: a" + K.encode() + b"b\r\n", host=o), "cookie": ask(p, b"Cookie: a=1; b=" + K.encode() + b"\r\n", host=o),
            "agent": ask(p, b"User-Agent: " + K.encode() + b"\r\n", host=o), "referer": ask(p, b"Referer: https://x/?" + pct.encode() + b"\r\n", host=o), "field name": ask(p, b"X-" + K.encode() + b": 1\r\n", host=o),
            "basic": ask(p, b"Authorization: Basic " + base64.b64encode(b"u:" + K.encode()) + b"\r\n", host=o), "base64": ask(p, b"X: " + base64.b64encode(b"ab" + K.encode()) + b"\r\n", host=o), "percent field": ask(p, b"X: " + pct.encode() + b"\r\n", host=o),
            "query": ask(p + "?k=" + K, host=o), "query percent": ask(p + "?k=" + pct, host=o), "query 64": ask(p + "?k=" + urllib.parse.quote(k64), host=o), "path": ask(p + "/" + K + "/x", host=o), "path percent": ask(p + "/" + pct, host=o),
            "method": ask(p, method=K.encode(), host=o),
            "body": post(bk), "body percent": post(b"k=" + pct.encode()), "body json": post(b'{"k": "' + esc.encode() + b'"}', b"Content-Type: application/json\r\n"), "body 64": post(base64.b64encode(b"z" + K.encode())),
            "body gzip": post(gzip.compress(bk), b"Content-Encoding: gzip\r\n"), "body deflate": post(zlib.compress(bk), b"Content-Encoding: deflate\r\n"), "chunks of 1": chunks(bk, 1), "chunks of 7": chunks(bk, 7),
            "multipart": post(b"--b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n" + K.encode() + b"\r\n--b--\r\n", b"Content-Type: multipart/form-data; boundary=b\r\n"),
            "trailer": ask(p, b"Transfer-Encoding: chunked\r\n", b"POST", o) + b"1\r\nx\r\n0\r\nX-T: " + K.encode() + b"\r\n\r\n", "late": post(b"x" * 200000 + K.encode()),
        }
        r = {k: h1(v, name="other.test")[:2] for k, v in one.items()}
        r["segments"] = h1(*[bytes([c]) for c in one["authorization"]], name="other.test")[:2]
        r["body segments"] = h1(*[bytes([c]) for c in one["body"]], name="other.test")[:2]
        kw = dict(authority="other.test")
        two = {
            "authorization": [head(1, p, ("authorization", "Bearer " + K), **kw)], "field": [head(1, p, ("x", K), **kw)], "path": [head(1, p + "?" + pct, **kw)], "basic": [head(1, p, ("authorization", "Basic " + base64.b64encode(b"u:" + K.encode()).decode()), **kw)],
            "cookie crumbs": [head(1, p, ("cookie", "a=b"), ("cookie", K), **kw)], "data": [head(1, p, method="POST", end=False, **kw), data(1, bk)], "data of 1": [head(1, p, method="POST", end=False, **kw)] + [data(1, bytes([c]), False) for c in bk] + [data(1)],
            "padded data": [head(1, p, method="POST", end=False, **kw)] + [frame(0, 8, 1, b"\5" + bytes([c]) + bytes(5)) for c in bk] + [data(1)], "trailer": [head(1, p, method="POST", end=False, **kw), data(1, b"x", False), frame(1, 5, 1, field("x", K))],
            "continuation": [frame(1, 1, 1, block(p, ("x", K), **kw)[:-7])] + [frame(9, 0, 1, bytes([c])) for c in block(p, ("x", K), **kw)[-7:-1]] + [frame(9, 4, 1, K[-1:].encode())],
            "indexed": [head(1, p + "-indexed", field("x", "y", 0x40), field("x-key", K, 0x40), **kw), head(3, p, b"\xbe", **kw)],
        }
        r2 = {k: H2(*v, name="other.test").read(3 if k == "indexed" else 1)[0] for k, v in two.items()}
        h = H2(head(1, p, ("x", K), **kw), head(3, p + "-fine", **kw), name="other.test")
        out([r, r2, h.read(1, 3)])
    """, *KEY, "--events", t.dir + "/ev", timeout=110)
    one, two, both = got
    assert {k: v for k, v in one.items() if v[0] != [403]} == {}, one
    assert {k: v for k, v in two.items() if v not in (403, "reset")} == {} and both == [403, 200], (two, both)
    seen = saw(w)
    assert VALUE not in json.dumps(seen) and all(VALUE not in json.dumps(e) for e in events(t))
    whole = [g for g in seen if g.get("over") and "fine" not in line(g)]
    assert whole == [], whole
    assert all(g["data"].startswith(("POST", "GET")) and not g["data"].endswith("0\r\n\r\n") for g in seen if "data" in g), [g["data"][:200] for g in seen if "data" in g]
    told = [e for e in events(t) if e["event"] == "secret"]
    assert len(told) > 30 and all(e["name"].startswith("other.test") for e in told), told[:3]


@test(smoke=True)
def test_over_plain_http_and_past_the_interceptor_it_stays_worthless(t):
    """In the clear: blocked, whichever host. To a bypassed or foreign connection: the placeholder, and never the value."""
    w = tag(t)
    r = t.run(*KEY, "--tls-bypass", "bypass.test", env=env(t), rc=None, sh="""
        for h in api.test other.test; do for o in "-H X:$KEY" "-d k=$KEY" "-u u:$KEY" "-b k=$KEY" "-G -d k=$KEY"; do
            curl -sS -m 5 -o /dev/null -w '%%{http_code} ' $o http://$h/echo?%(w)s; done; done
        curl -sS -m 5 -o /dev/null -w '%%{http_code} ' --http2-prior-knowledge -H "X: $KEY" http://api.test/echo?%(w)s; echo
        curl -sS -o /dev/null -H "X: $KEY" https://bypass.test/echo?%(w)s-bypass
        curl -sS -o /dev/null --connect-to api.test:443:bypass.test:443 -H "X: $KEY" https://api.test/echo?%(w)s-moved
        """ % dict(w=w))
    codes = r.out.split()
    assert codes[:10] == ["403"] * 10 and codes[10] in ("403", "000"), r
    moved, seen = saw(w + "-moved"), saw(w)
    assert len(saw(w + "-bypass")) == 1 and VALUE not in json.dumps(saw(w + "-bypass")), seen
    # The name decides, and the address was its own.
    assert all(g["body"] == "" and g["method"] == "POST" for g in seen if g not in moved and "-bypass" not in g["path"]), seen


@test(smoke=True)
def test_another_sandboxs_placeholder_is_nothing_but_text(t):
    """Neither replaced nor refused, in a sandbox that has the same secret and in one that has none."""
    w, other = tag(t), VALUE[:-3] + "xyz"
    a = t.spawn("--secret", "KEY@api.test", sh="echo $KEY; sleep 30", env=env(t, KEY=other))
    a.wait_for("\n")
    theirs = a.out.strip()
    r = t.run("--secret", "KEY@api.test", env=env(t), sh="for h in api.test other.test; do curl -sS -H 'X: %s' -d '%s' https://$h/echo?%s; done" % (theirs, theirs, w))
    got = saw(w)
    assert len(got) == 2 and all(headers(g)["x"] == theirs and g["body"] == theirs for g in got), (got, r)
    assert other not in json.dumps(got) and VALUE not in json.dumps(got) and other not in r.out
    a.stop()


@test(smoke=True)
def test_a_redirect_to_another_host_takes_nothing_along(t):
    """307 and 308 with curl's --location-trusted: the placeholder arrives at the second host's door, and is turned away."""
    w = tag(t)
    conf = config(t, every())
    r = t.run(*conf, *PORTS, env=env(t), sh="""
        for v in --http1.1 --http2; do for c in 307 308; do for o in "-H X:$KEY" "-d k=$KEY" "-u u:$KEY"; do
            curl -sS $v -L --location-trusted -o /dev/null -w '%%{num_redirects} %%{http_code}\n' $o "https://api.test/redirect?code=$c&to=https://other.test/echo/%(w)s"; done; done; done
        curl -sS -L --location-trusted -o /dev/null -w '%%{num_redirects} %%{http_code}\n' -H "X: $KEY" "https://api.test/redirect?code=307&to=http://api.test/echo/%(w)s"
        # The answer names it in Location.
        curl -sS -L -o /dev/null -w '%%{num_redirects} %%{http_code}\n' "https://api.test/redirect?code=307&to=https://other.test/echo/%(w)s/$KEY"
        """ % dict(w=w))
    assert r.out.splitlines() == ["1 403"] * 14, r
    # Of a body, the head may have gone ahead; its end never comes.
    seen = [g for g in saw(w) if g["path"].startswith("/echo")]
    assert all(g["method"] == "POST" and g["body"] == "" for g in seen) and VALUE not in json.dumps(seen), seen


# ---- where it goes, however it is cut ------------------------------------------------------------------

@test(smoke=True)
def test_however_it_is_cut_it_arrives_whole(t):
    """Segments, chunks, CONTINUATION, indexed fields, DATA, padding: the origin gets the value once, the guest the placeholder."""
    w = tag(t)
    got = guest(t, w, r"""
        K = os.environ["KEY"]
        p, bk = "/" + W, b"k=" + K.encode() + b"&z=1"
        te, auth = b"Transfer-Encoding: chunked\r\n", b"Authorization: Bearer " + K.encode() + b"\r\n"
        chunk = lambda body, n: b"".join(b"%x\r\n" % len(body[i:i + n]) + body[i:i + n] + b"\r\n" for i in range(0, len(body), n)) + b"0\r\n\r\n"
        r = {"field": h1(*[bytes([c]) for c in ask(p + "-field", auth)])[:2], "length": h1(*[bytes([c]) for c in ask(p + "-length", b"Content-Length: %d\r\n" % len(bk), b"POST") + bk])[:2]}
        for n in (1, 5, 1000): r["chunk%d" % n] = h1(ask(p + "-chunk%d" % n, te, b"POST") + chunk(bk, n))[:2]
        r["trailer"] = h1(ask(p + "-trailer", te, b"POST") + b"1\r\nx\r\n0\r\nX-T: " + K.encode() + b"\r\n\r\n")[:2]
        b1 = block(p + "-continuation", ("authorization", "Bearer " + K))
        cut = [0, 3, len(b1) - 30, len(b1) - 20, len(b1) - 10, len(b1) - 2, len(b1) - 1, len(b1)]
        h = H2(*[frame(9 if i else 1, 4 * (i == 6) + (i == 0), 1, b1[cut[i]:cut[i + 1]]) for i in range(7)])
        h.read(1)
        # Remembered by the guest's table, and used by its number.
        h.send(head(3, p + "-indexed", field("authorization", "Bearer " + K, 0x40), field("x-api-key", K, 0x40)), head(5, p + "-indexed", b"\xbf\xbe"), head(7, p + "-indexed", b"\xbf\xbe"))
        post = dict(method="POST", end=False)
        h.send(head(9, p + "-data", **post), *[data(9, bytes([c]), False) for c in bk], data(9))
        h.send(head(11, p + "-padded", ("content-length", str(len(bk))), **post), *[frame(0, 8, 11, b"\3" + bytes([c]) + bytes(3)) for c in bk], data(11))
        h.send(head(13, p + "-trailer2", **post), data(13, b"x", False), frame(1, 5, 13, field("x-t", K)))
        h.send(head(15, p + "-interleaved", **post), head(17, p + "-interleaved", **post))
        for c in bk: h.send(data(15, bytes([c]), False), data(17, bytes([c]), False))
        h.send(data(15), data(17))
        streams = h.read(1, 3, 5, 7, 9, 11, 13, 15, 17, seconds=5)
        out([r, streams, {i: [h.text(i), h.fields.get(i, {}).get("x-echo")] for i in (1, 3, 5, 7, 9, 11, 13, 15, 17)}, K])
    """, *config(t, every()), "--net", "public", timeout=60)
    r, streams, back, k = got
    seen = requests(w)
    assert all(v[0] == [200] for v in r.values()) and streams == [200] * 9, (r, streams, back, seen)
    assert VALUE not in json.dumps(got), back
    assert back["5"][1] == "Bearer " + k and back["9"][0] == "k=%s&z=1" % k and back["11"][0] == back["15"][0] == back["9"][0], back
    body = "k=%s&z=1" % VALUE

    def one(name):
        return [g for g in seen if line(g).split()[1].endswith(w + "-" + name)]
    assert "Authorization: Bearer %s\r\n" % VALUE in one("field")[0]["data"], seen
    assert one("length")[0]["data"].endswith("\r\n\r\n" + body) and "Content-Length: %d\r\n" % len(body) in one("length")[0]["data"], one("length")
    for n in (1, 5, 1000):
        text = one("chunk%d" % n)[0]["data"].partition("\r\n\r\n")[2]
        pieces = re.findall("([0-9a-f]+)\r\n(.*?)\r\n", text) if "chunked" in one("chunk%d" % n)[0]["data"] else [["%x" % len(text), text]]
        assert "".join(x[1] for x in pieces) == body and all(int(x[0], 16) == len(x[1]) for x in pieces), (n, one("chunk%d" % n))
    assert "X-T: " + VALUE in one("trailer")[0]["data"] and [f[1] for f in one("trailer2")[0]["trailers"]] == [VALUE], seen
    for name, count in (("continuation", 1), ("indexed", 3)):
        fields = [f for g in one(name) for f in g["headers"] if f[0] == "authorization"]
        # Never to be indexed: no table between here and the origin keeps it (RFC 7541 7.1).
        assert fields == [["authorization", "Bearer " + VALUE, False]] * count, (name, fields)
    assert [f for g in one("indexed") for f in g["headers"] if f[0] == "x-api-key"] == [["x-api-key", VALUE, False]] * 3, one("indexed")
    for name in ("data", "padded"):
        assert [g["body"] for g in one(name)] == [body], one(name)
    assert [g["body"] for g in one("interleaved")] == [body] * 2, one("interleaved")
    assert dict((f[0], f[1]) for f in one("padded")[0]["headers"]).get("content-length", str(len(body))) == str(len(body)), one("padded")


@test(smoke=True)
def test_in_messages_of_grpc_and_websocket(t):
    """To its host the value, and back the placeholder; to another one nothing."""
    w = tag(t)
    got = t.py("""
        import asyncio, grpc, websockets
        K, W = os.environ["KEY"], %r
        trust = grpc.ssl_channel_credentials(open(os.environ["SSL_CERT_FILE"], "rb").read())
        def unary(host):
            try:
                c = grpc.secure_channel(host + ":443", trust)
                return [c.unary_unary("/echo.Echo/Unary")(b"key " + K.encode(), timeout=5, metadata=[("x-key", K), ("x-mark", W)]).decode(),
                        [x.decode() for x in c.unary_stream("/echo.Echo/Down")(K.encode(), timeout=5, metadata=[("x-mark", W)])]]
            except grpc.RpcError as e:
                return e.code().name
        async def ws(host):
            r = []
            try:
                async with websockets.connect("wss://%%s/ws?%%s" %% (host, W), compression=None) as ws:
                    for m in ("key " + K, [K[:5], K[5:9], K[9:]], "last"):
                        await ws.send(m)
                        r.append(await asyncio.wait_for(ws.recv(), 5))
            except Exception as e:
                r.append(type(e).__name__)
            return r
        out([unary("api.test"), unary("other.test"), asyncio.run(ws("api.test")), asyncio.run(ws("other.test")), K])
    """ % w, *config(t, every()), *PORTS, env=env(t), timeout=50)
    mine, theirs, ws, ws2, k = got
    assert mine == ["key " + k, ["%s %d" % (k, i) for i in range(5)]] and isinstance(theirs, str) and theirs != "OK", got
    assert ws == ["key " + k, k, "last"] and len(ws2) == 1 and ws2[0] not in ("key " + k,), got
    seen = saw(w)
    assert VALUE in json.dumps([g for g in seen if g["host"] == "grpc"]) and k not in json.dumps(seen), seen
    said = [g["body"] for g in seen if g["method"] == "message"]
    assert said == ["key " + VALUE, VALUE, "last"], said


# ---- the way back --------------------------------------------------------------------------------------

@test(smoke=True)
def test_no_reflection_tells_the_value(t):
    """Body, error page, Location, Set-Cookie, compressed, encoded, split; what is not masked is a limit that is written down."""
    hows = ["raw", "json", "json-escaped", "percent", "form", "base64", "base64-1", "base64-2", "base64url", "gzip", "deflate", "br", "zstd", "split", "header", "error", "trailer", "utf16", "hex", "html", "twice"]
    conf = config(t, every())
    r = t.run(*conf, "--net", "public", env=env(t), timeout=60, sh="cd %s; for v in 1.1 2; do for h in %s; do curl -sS --http$v -D $h-$v.head -o $h-$v.body -H \"Authorization: Bearer $KEY\" https://api.test/reflect/$h; done; done; echo $KEY"
              % (t.dir, " ".join(hows)))
    k = r.out.strip()
    listed = " ".join(open(lab.HERE + "/../../man/weir-secrets.7.scd").read().split())
    bad = {}
    for h in hows:
        for v in ("1.1", "2"):
            head, body = (open("%s/%s-%s.%s" % (t.dir, h, v, x), "rb").read() for x in ("head", "body"))
            if h in ("gzip", "deflate", "br", "zstd"):
                body = expand(t, h, body)
            text = head.decode("latin-1") + body.decode("latin-1")
            spelled = [text, urllib.parse.unquote(text), text.replace("\0", ""), re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), text)]
            found = any(VALUE in x for x in spelled) or VALUE.encode().hex() in text or any(VALUE in y for x in decoded(text) for y in [x, *decoded(x)])
            if found:
                bad.setdefault(h, []).append(v)
            if h in ("raw", "gzip", "br", "split", "error", "header", "percent"):
                assert k in text or k in urllib.parse.unquote(text), (h, v, text[:300])
    # A spelling of a spelling is the documented limit.
    assert set(bad) <= {"twice"} and "in an escape of an escape" in listed, bad


def decoded(text):
    """What a reader of base64 finds at each place where some of it could begin."""
    for word in re.findall(r"[A-Za-z0-9+/_-]{16,}", text):
        word = word.replace("-", "+").replace("_", "/")
        for i in range(4):
            piece = word[i:]
            yield base64.b64decode(piece[:len(piece) // 4 * 4]).decode("latin-1")


def expand(t, how, data):
    import gzip
    import zlib
    if how in ("gzip", "deflate"):
        return gzip.decompress(data) if how == "gzip" else zlib.decompress(data)
    with open(t.dir + "/packed", "wb") as f:
        f.write(data)
    return t.host({"br": ["brotli", "-dc"], "zstd": ["zstd", "-dcq"]}[how] + [t.dir + "/packed"]).out.encode("latin-1", "replace")


@test(smoke=True)
def test_tokens_that_a_server_issues_are_kept_as_well(t):
    """An OAuth answer: placeholders for both tokens, good for the secret's hosts, refused elsewhere, and for a refresh."""
    w = tag(t)
    conf = config(t, "secrets: {secrets: [{env_var: CLIENT_SECRET, allowed_hosts: [oauth.test, api.test], capture: true, injection: {body: true}}]}\n")
    r = t.run(*conf, *PORTS, env=env(t, CLIENT_SECRET=api.CLIENT[1]), sh="""
        cd %(d)s
        for v in 1.1 2; do
            curl -sS --http$v -u "lab-client:$CLIENT_SECRET" -d grant_type=client_credentials https://oauth.test/token > one-$v
            token=$(jq -r .access_token one-$v) refresh=$(jq -r .refresh_token one-$v)
            curl -sS --http$v -u "lab-client:$CLIENT_SECRET" -d grant_type=refresh_token -d "refresh_token=$refresh" https://oauth.test/token > two-$v
            new=$(jq -r .access_token two-$v)
            for x in $token $new; do for h in oauth.test api.test other.test; do
                curl -sS -o /dev/null -w '%%{http_code} ' -H "Authorization: Bearer $x" https://$h/protected?%(w)s; done; done
        done""" % dict(d=t.dir, w=w))
    assert r.out.split() == ["200", "200", "403"] * 4, (r, open(t.dir + "/one-2").read(), open(t.dir + "/two-2").read())
    text = "".join(open("%s/%s-%s" % (t.dir, n, v)).read() for n in ("one", "two") for v in ("1.1", "2"))
    assert api.REFRESH not in text and "token-0" not in text and api.CLIENT[1] not in text, text
    real = [headers(g)["authorization"].split()[1] for g in saw(w)]
    assert len(real) == 8 and all(x.startswith("token-0") for x in real), real


# ---- a key of the guest's own --------------------------------------------------------------------------

@test(smoke=True)
def test_require_takes_no_key_of_the_guests_own(t):
    """Under require: no other key, no half placeholder, no WebSocket; in both versions, and by stream."""
    w = tag(t)
    got = guest(t, w, r"""
        K = os.environ["KEY"]
        own = [b"Authorization: Bearer sk-my-own-key-0123456789\r\n", b"X-Api-Key: sk-my-own\r\n", b"Authorization: Basic dTpteS1vd24=\r\n", b"", b"Authorization: Bearer " + K[:-1].encode() + b"\r\n", b"Authorization: Bearer " + K[::-1].encode() + b"\r\n",
               b"Authorization: Bearer " + (K[:-1] + chr(ord(K[-1]) ^ 1)).encode() + b"\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", b"Connection: authorization\r\nAuthorization: Bearer " + K.encode() + b"\r\n"]
        r = [h1(ask("/" + W + "-own", x))[0] for x in own]
        good = ask("/" + W, b"Authorization: Bearer " + K.encode() + b"\r\n")
        r2 = h1(good, ask("/" + W + "-own", own[0]))[0]
        h = H2(head(1, "/" + W, ("authorization", "Bearer " + K)), head(3, "/" + W + "-own", ("authorization", "Bearer my-own")), head(5, "/" + W, ("authorization", "Bearer " + K)), head(7, "/" + W + "-own"))
        out([r, r2, h.read(1, 3, 5, 7)])
    """, *config(t, "secrets: {secrets: [{env_var: KEY, allowed_hosts: [api.test], require: true}]}\n"), "--net", "public", "--events", t.dir + "/ev")
    one, behind, streams = got
    assert one == [[403]] * len(one) and behind == [200, 403] and streams == [200, 403, 200, 403], got
    assert saw(w + "-own") == [] and len(saw(w)) == 3 and values(w) >= 3, saw(w)
    assert len([e for e in events(t) if e["event"] == "secret"]) >= len(one), events(t)


# ---- what is written down ------------------------------------------------------------------------------

@test(smoke=True)
def test_what_the_guest_writes_stays_one_line_of_print(t):
    """CR, LF, ANSI and others in host, path, method, user agent, names of DNS: an event is a line, and a log shows no control character."""
    w = tag(t)
    got = guest(t, w, r"""
        evil = ["\x1b[31mred\x1b[0m", "a\r\nINFO forged", "a\nforged", "\x07\x08\x7f", "\x9b31m", "\u202e".encode().decode("latin-1"), '"},{"event":"forged"', "\\n", "\0"]
        codes = []
        for e in evil:
            v = e.encode("latin-1")
            for s in (None, "clear"):
                say = lambda x: codes.append(h1(x, wait=0.3, s=socket.create_connection(("api.test", 80), 5) if s else None)[0])
                say(ask("/" + W + e))
                say(ask("/" + W, b"User-Agent: " + v + b"\r\n"))
                say(ask("/" + W, host=v))
                say(ask("/" + W, host=b"api.test" + v))
                say(v + ask("/" + W))
                say(ask("/x" + urllib_quote(e)))
            h = H2(head(1, "/" + W + e), head(3, "/" + W, ("user-agent", e)), head(5, "/" + W, authority=e), head(7, "/" + W, method=e), head(9, "/x" + urllib_quote(e)))
            codes.append(h.read(1, 3, 5, 7, 9))
            try: socket.getaddrinfo("x" + e.replace("\0", "") + ".test", 80)
            except (OSError, UnicodeError): pass
        out(codes)
    """.replace("urllib_quote", "__import__('urllib.parse').parse.quote"), *KEY, "--allow", "api.test", "--events", t.dir + "/ev", "--log-level", "debug", timeout=100)
    raw = open(t.dir + "/ev", "rb").read()
    lines = raw.split(b"\n")[:-1]
    assert len(lines) > 60 and b"forged" in raw, (len(lines), got)
    assert all(json.loads(x)["event"] != "forged" and "\n" not in x.decode("ascii", "replace") for x in lines)
    assert not re.search(rb"[\0-\x09\x0b-\x1f\x7f-\x9f]", raw.decode("utf-8").encode("latin-1", "replace")), raw[:2000]


@test(smoke=True)
def test_the_log_on_a_terminal_shows_no_control_character(t):
    """The same on standard error, where a person would read it: what was denied, by name, path and place."""
    r = t.run(*KEY, "--allow", "api.test", "--log-level", "debug", env=env(t), rc=None, sh=r"""
        e=$(printf '\033[31m'); n=$(printf 'a\r\nforged: line')
        exec 2>/dev/null
        curl -sS -m 3 -H "Host: x$e" https://api.test/; curl -sS -m 3 -A "$e" -H "X: $KEY" http://api.test/$e; curl -sS -m 3 -H "X: $KEY" "http://api.test/?$e"
        printf "GET /%s HTTP/1.1\r\nHost: %s\r\nX: $KEY\r\n\r\n" "$e" "$e" | nc -w 2 api.test 80
        curl -sS -m 3 "https://other.test/"; curl -sS -m 3 --path-as-is "https://api.test/$n"; true""")
    mine = r.err.split("\n")
    assert len(mine) > 3, r
    assert not any(re.search(r"[\0-\x08\x0b-\x1f\x7f]", x) for x in mine), mine
    assert not any(x.startswith("forged") for x in mine), mine


def spent(t):
    """What the budget refused: (protocol, name or address, flow) of each event."""
    return [(e["proto"], e.get("name", e["dst"]), e.get("flow", 0)) for e in events(t)
            if e.get("reason") == "budget" and e["event"] != "flow-close"]


@test(smoke=True)
def test_a_dead_drop_gets_no_more_than_its_budget(t):
    """Slowly, to hosts that are allowed: in plain TCP, in TLS that weir looks into, in UDP. What is behind the budget does not go, nor do new flows there; others go on."""
    w, each = tag(t), 20000
    got = guest(t, w, r"""
        part = b"x" * 300
        def slow(s, n=100):
            try:
                for i in range(n):
                    s.sendall(part)
                    time.sleep(0.01)
                s.settimeout(5)
                while s.recv(65536): pass
            except OSError as e: return type(e).__name__
            return "open"
        def again(fn):
            try: return fn().recv(1) and "answer"
            except OSError as e: return type(e).__name__
        def plain(first=b""):
            s = socket.create_connection(("WEB4", 7000), 5)
            s.sendall(first)
            return s
        def drop():
            s = link(name="api.test")
            s.sendall(b"POST /" + W.encode() + b" HTTP/1.1\r\nHost: api.test\r\nContent-Length: 60000\r\n\r\n")
            return s
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.connect(("ALT4", 7000))
        u.settimeout(2)
        def datagrams(n):
            sent = 0
            try:
                for i in range(n):
                    u.send(part)
                    sent += len(u.recv(65536))
            except OSError as e: return [sent, type(e).__name__]
            return [sent, "open"]
        out([slow(plain(b"sink " + W.encode() + b"\n")), again(lambda: plain(b"sink more\n")), slow(drop()), again(drop), datagrams(100), datagrams(1),
             h1(ask("/" + W + "-other", host=b"other.test"), name="other.test")[0]])
    """.replace("ALT4", lab.ALT4).replace("WEB4", lab.WEB4), *KEY, *[x for n in ("api.test", "other.test", lab.WEB4, lab.ALT4) for x in ("--allow", n)], "--budget-out-each", str(each), "--events", t.dir + "/ev")
    cut = ("ConnectionResetError", "BrokenPipeError", "SSLEOFError")
    assert got[0] in cut and got[1] == "ConnectionResetError", got
    assert t.seen(w)["bytes"] == each - len("sink %s\n" % w), t.seen(w)
    # A new connection there is told by an alert, before anything has gone.
    assert got[2] in cut and got[3] == "SSLError", got
    # A little of it is the handshake and the frames of TLS.
    up = [len(g["data"]) for g in saw(w) if g.get("data", "").startswith("POST")]
    assert len(up) == 1 and each * 3 // 4 < up[0] < each, up
    assert got[4] == [each // 300 * 300, "OSError"] and got[5] == [0, "OSError"], got
    assert got[6] == [200], got
    told = spent(t)
    assert {x[1] for x in told} == {lab.WEB4 + ":7000", "api.test", lab.ALT4 + ":7000"}, told
    flows = [x[2] for x in told]
    assert len(flows) == len(set(flows)) == 6, told


@test(smoke=True)
def test_a_budget_for_all_is_spent_by_all_and_may_be_raised(t):
    """Three hosts share it; names are still answered; a reload with a higher one lets as much more go as the difference is."""
    path = t.dir + "/weir.yaml"

    def write(n):
        with open(path + ".new", "w") as f:
            f.write("policy: {default_egress: allow}\nlimits: {budget: {bytes_out: %s}}\n" % n)
        os.rename(path + ".new", path)
    write("3k")
    p = t.spawn_py(r"""
        def slow(a, token):
            try:
                s = socket.create_connection((a, 7000), 5)
                s.sendall(b"sink " + token + b"\n")
                for i in range(40):
                    s.sendall(b"x" * 50)
                    time.sleep(0.005)
                s.shutdown(1)
                return json.loads(s.makefile().readline())["bytes"]
            except OSError as e: return type(e).__name__
        names = ["%s", "%s", "%s"]
        def round(k):
            return [slow(a, b"%s%%d%%d" %% (i, k)) for i, a in enumerate(names)]
        first = round(0)
        print("now", flush=True)
        name = socket.gethostbyname("api.test")
        sys.stdin.readline()
        out([first, name, round(1)])
    """ % (lab.WEB4, lab.ALT4, lab.WEB6, tag(t)), "--config", path, "--events", t.dir + "/ev", stdin=subprocess.PIPE)
    p.wait_for("now\n")
    write("6k")
    p.p.send_signal(signal.SIGHUP)
    end = time.monotonic() + 5
    while not any(e["event"] == "policy" for e in events(t)) and time.monotonic() < end:
        time.sleep(0.02)
    p.write(b"\n")
    p.wait()
    first, name, second = json.loads(p.out.strip().split("\n")[-1])
    assert first[0] == 2000 and first[1] in ("ConnectionResetError", "BrokenPipeError") and first[2] == "ConnectionRefusedError", first
    assert name == lab.API4 and second == [2000] + first[1:], second
    assert len(spent(t)) == 4, spent(t)
