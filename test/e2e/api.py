#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The lab's web services that want a key: nginx ends their TLS in many ways (`vhosts`), and this program answers behind it.

On 127.0.0.1 of the internet's namespace:
8081  HTTP/1.1
      /echo            what came, as JSON: method, path, headers (a list of pairs), body (Latin-1), trailers
      /reflect/HOW     gives back the Authorization header's last word, or the body's `key` field, in many spellings
      /status/N        that status
      /redirect?to=U   307 there, or code=N
      /token           OAuth2: client credentials, refresh and authorization code; tokens are told apart by a number
      /hello           200 for the key lab.KEY, 401 for any other
      /protected       200 for a token of /token, 401 for anything else
      /sigv4/...       200 where AWS Signature Version 4 is right for the key of SIGV4, 403 and why for anything else
      /hmac            200 where X-Signature is the HMAC-SHA256 of the body with HMAC_KEY
      /sse?n=N&s=S     server-sent events
      /drip?n=N        N bytes, each in its own chunk
      /big?n=N         N bytes of the pattern
      /sink            counts a body: {"bytes", "sha"}
      /slow?s=S        answers after S seconds
8082  gRPC (echo.Echo: Unary, Up, Down, Both)
8083  WebSocket: gives back each message; "say TEXT" answers TEXT alone

On all its addresses, TLS with a certificate for every name of the lab, and no HTTP:
8443  gives back each line; "half" makes it end its direction and answer what comes then to port 7099's facts
8444  answers any request with what is no HTTP; the first word of the path says what (see `Nonsense`)
8445  an alert in place of a server hello
8446  accepts and says nothing
8447  HTTP/1.1 that keeps each byte of a connection (`data`), believes all that it reads, and switches to any protocol
8448  HTTP/2 that keeps each request (`stream`, `headers` with whether the compression may remember them, `body`,
      `trailers`, `over`), believes all that it reads, and gives back the body, or the authorization where there is none

7098  what all of these saw: a line "NAME" gives the requests whose Host or path holds NAME, as a JSON list; "clear"
"""
import asyncio
import base64
import concurrent.futures
import gzip
import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse
import zlib

import lab

sys.dont_write_bytecode = True
SIGV4 = ("AKIALABLABLABLABLAB1", "lab/secret+access/key/of/forty/chars+AA==")
HMAC_KEY = "hmac-key-of-the-lab-0123456789"
CLIENT = ("lab-client", "lab-client-secret-0123456789")
REFRESH = "refresh-token-of-the-lab-0123456789"
seen, lock = [], threading.Lock()
tokens = {}


def note(**kw):
    with lock:
        seen.append(dict(kw, t=time.time()))
        del seen[:-5000]


def pattern(n):
    block = bytes(range(256)) * 257
    return (block * (n // len(block) + 1))[:n]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "lab", ""
    wbufsize = 65536

    def log_message(self, *a):
        pass

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            out = b""
            while True:
                n = int(self.rfile.readline().split(b";")[0], 16)
                if n == 0:
                    break
                out += self.rfile.read(n)
                self.rfile.readline()
            while True:
                line = self.rfile.readline().strip()
                if not line:
                    break
                self.trailers.append(line.decode("latin-1").partition(": ")[::2])
            return out
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, body, status=200, ctype="application/json", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", ctype)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            for x in v if isinstance(v, list) else [v]:
                self.send_header(k.replace("_", "-"), x)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, pieces, ctype="text/plain", **headers):
        self.send_response(200)
        self.send_header("Content-Type", ctype)
        self.send_header("Transfer-Encoding", "chunked")
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        for p in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(p), p))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def serve(self):
        self.trailers = []
        path, _, query = self.path.partition("?")
        q = dict(urllib.parse.parse_qsl(query))
        what = path.split("/")[1] or "echo"
        fn = getattr(self, "do_" + what, None)
        if what == "sink":
            return self.do_sink()
        self.data = self.body()
        note(host=self.headers.get("Host"), method=self.command, path=self.path, headers=self.headers.items(),
             body=self.data.decode("latin-1"), trailers=self.trailers)
        if fn is None or not what.islower():
            return self.answer({"error": "no such thing", "path": self.path}, 404)
        fn(path, q)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = serve

    def do_echo(self, path, q):
        self.answer({"method": self.command, "path": self.path, "headers": self.headers.items(),
                     "body": self.data.decode("latin-1"), "trailers": self.trailers})

    def key(self):
        a = self.headers.get("Authorization", "")
        if a.startswith("Basic "):
            return base64.b64decode(a[6:]).decode("latin-1").partition(":")[2]
        if a:
            return a.split()[-1]
        if self.headers.get("X-Key"):
            return self.headers["X-Key"]
        try:
            return json.loads(self.data)["key"]
        except (ValueError, KeyError, TypeError):
            return self.data.decode("latin-1")

    def do_reflect(self, path, q):
        how = path.split("/")[2]
        k = self.key()
        text = "before %s after %s\n" % (k, k)
        b = text.encode("latin-1")
        body = {
            "raw": b, "json": json.dumps({"key": k, "other": [k]}).encode(),
            "json-escaped": ('{"key": "%s"}' % "".join("\\u%04x" % ord(c) for c in k)).encode(),
            "percent": ("k=" + "".join("%%%02X" % ord(c) for c in k)).encode(),
            "form": urllib.parse.urlencode({"key": k}).encode(), "base64": base64.b64encode(b),
            "base64-1": base64.b64encode(b"x" + k.encode()), "base64-2": base64.b64encode(b"xy" + k.encode()),
            "base64url": base64.urlsafe_b64encode(b), "utf16": text.encode("utf-16"), "hex": b.hex().encode(),
            "twice": base64.b64encode(base64.b64encode(b)), "html": b.replace(b"/", b"&#47;"),
        }
        if how in body:
            return self.answer(body[how], ctype="text/plain")
        if how in ("gzip", "deflate", "br", "zstd"):
            return self.answer(compress(how, b * 50), ctype="text/plain", Content_Encoding=how)
        if how == "split":
            return self.chunks([bytes([c]) for c in b])
        if how == "header":
            return self.answer(b"", X_Echo=k, Location="/x?k=" + k, Set_Cookie=["a=%s; Path=/" % k, "b=1"])
        if how == "error":
            return self.answer(b, 500, "text/html")
        if how == "trailer":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Trailer", "X-Key")
            self.end_headers()
            return self.wfile.write(b"1\r\nx\r\n0\r\nX-Key: %s\r\n\r\n" % k.encode())
        self.answer({"error": "which?"}, 404)

    def do_status(self, path, q):
        n = int(path.split("/")[2])
        self.answer(b"" if n in (204, 304) else b"status\n", n, "text/plain")

    def do_redirect(self, path, q):
        self.answer(b"", int(q.get("code", 307)), Location=q["to"])

    def do_token(self, path, q):
        form = dict(urllib.parse.parse_qsl(self.data.decode("latin-1")))
        kind = form.get("grant_type")
        a = self.headers.get("Authorization", "")
        if a.startswith("Basic "):
            cid, _, secret = base64.b64decode(a[6:]).decode().partition(":")
            client = (urllib.parse.unquote_plus(cid), urllib.parse.unquote_plus(secret))
        else:
            client = (form.get("client_id"), form.get("client_secret"))
        fine = client == CLIENT and kind in ("client_credentials", "refresh_token", "authorization_code")
        if not fine or (kind == "refresh_token" and form.get("refresh_token") != REFRESH):
            return self.answer({"error": "invalid_client"}, 401)
        with lock:
            t = "token-%06d-%s" % (len(tokens), os.urandom(12).hex())
            tokens[t] = time.monotonic() + int(q.get("expires", 3600))
        self.answer({"access_token": t, "token_type": "Bearer", "expires_in": int(q.get("expires", 3600)),
                     "refresh_token": REFRESH, "scope": form.get("scope", "")})

    def do_hello(self, path, q):
        if self.key() == lab.KEY:
            return self.answer(b"hello, you who have the right key\n", ctype="text/plain")
        self.answer(b"this is not the key\n", 401, "text/plain")

    def do_protected(self, path, q):
        t = self.headers.get("Authorization", "").partition("Bearer ")[2]
        if tokens.get(t, 0) < time.monotonic():
            return self.answer({"error": "invalid_token"}, 401)
        self.answer({"ok": True})

    def do_sigv4(self, path, q):
        why = sigv4_fault(self.command, self.path, self.headers, self.data)
        self.answer({"ok": not why, "why": why}, 403 if why else 200)

    def do_hmac(self, path, q):
        want = hmac.new(HMAC_KEY.encode(), self.data, hashlib.sha256).hexdigest()
        got = self.headers.get("X-Signature", "")
        self.answer({"ok": got == want}, 200 if got == want else 403)

    def do_sse(self, path, q):
        def events():
            for i in range(int(q.get("n", 3))):
                yield b"data: %d %f %s\n\n" % (i, time.time(), self.key().encode())
                time.sleep(float(q.get("s", 0.3)))
        self.chunks(events(), "text/event-stream")

    def do_drip(self, path, q):
        self.chunks(bytes([65 + i % 26]) for i in range(int(q["n"])))

    def do_big(self, path, q):
        n = int(q["n"])
        self.send_response(200)
        self.send_header("Content-Length", str(n))
        self.end_headers()
        block = pattern(1 << 20)
        while n > 0:
            self.wfile.write(block[:n])
            n -= len(block)

    def do_sink(self):
        n, sha = 0, hashlib.sha256()
        if "Content-Length" in self.headers:
            left = int(self.headers["Content-Length"])
            while left:
                b = self.rfile.read1(min(left, 1 << 20))
                if not b:
                    break
                left -= len(b)
                n += len(b)
                sha.update(b)
        else:
            b = self.body()
            n = len(b)
            sha.update(b)
        note(host=self.headers.get("Host"), method=self.command, path=self.path, headers=self.headers.items(), n=n)
        self.answer({"bytes": n, "sha": sha.hexdigest()})

    def do_slow(self, path, q):
        time.sleep(float(q["s"]))
        self.answer({"slept": q["s"]})


def compress(how, data):
    if how == "gzip":
        return gzip.compress(data)
    if how == "deflate":
        return zlib.compress(data)
    import subprocess
    cmd = {"br": ["brotli", "-c", "-"], "zstd": ["zstd", "-q", "-c"]}[how]
    return subprocess.run(cmd, input=data, stdout=subprocess.PIPE, check=True).stdout


def sigv4_fault(method, target, headers, body):
    """Why AWS Signature Version 4 of this request is wrong; None where it is right."""
    a = headers.get("Authorization", "")
    kind, _, rest = a.partition(" ")
    if kind != "AWS4-HMAC-SHA256":
        return "no signature"
    part = dict(p.strip().split("=", 1) for p in rest.split(","))
    key_id, date, region, service, end = part["Credential"].split("/")
    if key_id != SIGV4[0] or end != "aws4_request":
        return "another key: " + key_id
    path, _, query = target.partition("?")
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def enc(s):
        return urllib.parse.quote(s, safe="-_.~")
    names = part["SignedHeaders"].split(";")
    payload = headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    if payload != "UNSIGNED-PAYLOAD" and payload != hashlib.sha256(body).hexdigest():
        return "another body"
    canonical = "\n".join([
        method, urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~"),
        "&".join("%s=%s" % (enc(k), enc(v)) for k, v in pairs),
        "".join("%s:%s\n" % (n, " ".join(headers.get(n, "").split())) for n in names), ";".join(names), payload])
    scope = "%s/%s/%s/aws4_request" % (date, region, service)
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SIGV4[1]).encode()
    for step in (date, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    want = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(want, part["Signature"]) else "another signature"


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def grpc_server():
    import grpc
    same = dict(request_deserializer=None, response_serializer=None)

    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            note(host="grpc", method=details.method, path=details.method,
                 headers=[[k, v if isinstance(v, str) else v.decode("latin-1")] for k, v in details.invocation_metadata])
            name = details.method.rpartition("/")[2]

            def down(request, context):
                for i in range(5):
                    yield request + b" %d" % i
            return {
                "Unary": grpc.unary_unary_rpc_method_handler(lambda r, c: r, **same),
                "Up": grpc.stream_unary_rpc_method_handler(lambda it, c: b"|".join(it), **same),
                "Down": grpc.unary_stream_rpc_method_handler(down, **same),
                "Both": grpc.stream_stream_rpc_method_handler(lambda it, c: it, **same),
                "Fail": grpc.unary_unary_rpc_method_handler(lambda r, c: c.abort(grpc.StatusCode.NOT_FOUND, "no such thing"), **same),
            }.get(name)
    s = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 1 << 26)])
    s.add_generic_rpc_handlers((Echo(),))
    s.add_insecure_port("127.0.0.1:8082")
    s.start()
    return s


def websockets_server():
    import websockets

    async def each(ws, *path):
        note(host="ws", method="GET", path=ws.path, headers=list(ws.request_headers.raw_items()))
        async for m in ws:
            note(host="ws", method="message", path=ws.path, body=m if isinstance(m, str) else m.decode("latin-1"))
            await ws.send(m[4:] if isinstance(m, str) and m.startswith("say ") else m)

    async def main():
        async with websockets.serve(each, "127.0.0.1", 8083, max_size=1 << 24, compression="deflate"):
            await asyncio.Future()
    threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()


# ---- TLS without HTTP ----------------------------------------------------------------------------------
def listen(port, fn):
    s = socket.create_server(("::", port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)

    def each(conn):
        try:
            fn(conn)
        except (OSError, ValueError) as e:
            note(host="raw", method=str(port), path=repr(e))
        finally:
            conn.close()

    def loop():
        while True:
            conn, _ = s.accept()
            threading.Thread(target=each, args=(conn,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()


def tls(conn, *alpn):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(lab.ROOT + "/server.pem", lab.ROOT + "/server.key")
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx.wrap_socket(conn, server_side=True, suppress_ragged_eofs=False)


def lines(conn):
    c = tls(conn)
    f = c.makefile("rb")
    for line in f:
        if line == b"bye\n":
            c.sendall(b"bye\n")
            c.unwrap()
            return
        if line == b"rst\n":
            lab_reset(conn, c)
            return
        c.sendall(line)
    c.sendall(b"end\n")  # the client's close_notify came first: our direction is still open
    note(host="lines", method="end", path="")
    c.unwrap()


def lab_reset(conn, c):
    import struct
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


class Nonsense:
    """GET /WORD: what follows is no proper answer."""
    words = {
        "garbage": b"\x00\x01\x02 this is no HTTP\r\n\r\n",
        "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "both": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        "cut-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe",
        "huge-head": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 300000 + b"\r\n\r\n",
        "nothing": b"",
        "two": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "status": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "until-close": b"HTTP/1.1 200 OK\r\n\r\nall of it",
        "http10": b"HTTP/1.0 200 OK\r\n\r\nall of it",
    }


def nonsense(conn):
    c = tls(conn)
    head = b""
    while b"\r\n\r\n" not in head:
        b = c.recv(4096)
        if not b:
            return
        head += b
    note(host="nonsense", method="GET", path=head.split()[1].decode("latin-1"))
    c.sendall(Nonsense.words[head.split()[1].decode()[1:]])
    if b"/short" in head or b"/cut" in head:
        return lab_fin(conn, c)
    c.unwrap()


def lab_fin(conn, c):
    """Ends without close_notify."""
    fd = c.detach()
    s = socket.socket(fileno=fd)
    s.shutdown(socket.SHUT_RDWR)
    s.close()


def alert(conn):
    conn.recv(65536)
    conn.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure


def silent(conn):
    while conn.recv(65536):
        pass


def keep(**kw):
    """As note(), for what grows while it lasts."""
    with lock:
        seen.append(dict(kw, t=time.time()))
        return seen[-1]


def keeper(conn):
    c = tls(conn, "http/1.1")
    kept, held, switched = keep(host="keeper", data=""), b"", False
    while True:
        got = c.recv(65536)
        if not got:
            return
        with lock:
            kept["data"] += got.decode("latin-1")
        held += got
        while not switched and b"\r\n\r\n" in held:
            head, _, rest = held.partition(b"\r\n\r\n")
            low = head.lower()
            if b"\ntransfer-encoding:" in low:
                last = re.search(rb"(^|\r\n)0\r\n(.*?\r\n)??\r\n", rest, re.S)
                if not last:
                    break
                held = rest[last.end():]
            else:
                n = int(low.partition(b"\ncontent-length:")[2].split(b"\r")[0] or 0)
                if len(rest) < n:
                    break
                held = rest[n:]
            switched = b"\nupgrade:" in low and b" /stay" not in low or low.startswith(b"connect ")
            c.sendall(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\n" % low.partition(b"\nupgrade: ")[2].split(b"\r")[0]
                      if b"\nupgrade:" in low and switched else b"HTTP/1.1 200 OK\r\n\r\n" if switched else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                      + (b"" if low.startswith(b"head ") else b"ok"))


def keeper2(conn):
    import h2.config
    import h2.connection
    import h2.events as ev
    c = tls(conn, "h2")
    h = h2.connection.H2Connection(h2.config.H2Configuration(
        client_side=False, header_encoding=None, validate_inbound_headers=False, normalize_inbound_headers=False, validate_outbound_headers=False))
    h.initiate_connection()
    c.sendall(h.data_to_send())
    streams, whole = {}, {}

    def text(fields):
        return [[k.decode("latin-1"), v.decode("latin-1"), getattr(f, "indexable", True)] for f in fields for k, v in [f]]
    while True:
        got = c.recv(65536)
        if not got:
            return
        try:
            told = h.receive_data(got)
        except Exception as e:  # noqa: BLE001  the peer's fault, to be told
            keep(host="keeper2", error=repr(e), streams=[s["headers"] for s in streams.values()])
            raise ValueError(repr(e)) from None
        for e in told:
            s = getattr(e, "stream_id", 0)
            if isinstance(e, ev.RequestReceived):
                streams[s] = keep(host="keeper2", stream=s, headers=text(e.headers), body="", trailers=[], over=False)
                whole[s] = b""
            elif isinstance(e, ev.DataReceived):
                whole[s] += e.data
                with lock:
                    streams[s]["body"] += e.data.decode("latin-1")
                h.acknowledge_received_data(e.flow_controlled_length, s)
            elif isinstance(e, ev.TrailersReceived):
                streams[s]["trailers"] = text(e.headers)
            elif isinstance(e, ev.StreamReset):
                streams[s]["reset"] = True
            elif isinstance(e, ev.StreamEnded):
                streams[s]["over"] = True
                key = dict((f[0], f[1]) for f in streams[s]["headers"]).get("authorization", "nothing").encode("latin-1")
                h.send_headers(s, [(b":status", b"200"), (b"x-echo", key)])
                h.send_data(s, whole[s] or key, end_stream=True)
        c.sendall(h.data_to_send())


def control(conn):
    f = conn.makefile("rw")
    for line in f:
        name = line.strip()
        with lock:
            if name == "clear":
                seen.clear()
                r = []
            else:
                r = [x for x in seen if name in json.dumps(x)]
        f.write(json.dumps(r) + "\n")
        f.flush()


def main():
    http_server = Server(("127.0.0.1", 8081), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    websockets_server()
    for port, fn in ((8443, lines), (8444, nonsense), (8445, alert), (8446, silent), (8447, keeper), (8448, keeper2), (7098, control)):
        listen(port, fn)
    keep = grpc_server()
    keep.wait_for_termination()


# ---- nginx in front ------------------------------------------------------------------------------------
def vhosts(root):
    """server blocks for nginx.conf: each name ends TLS in its own way."""
    ssl_ = "ssl_certificate %s/%%s.pem; ssl_certificate_key %s/%%s.key;" % (root, root)
    common = """
        location / { proxy_pass http://127.0.0.1:8081; proxy_http_version 1.1; proxy_set_header Host $host;
            proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off; proxy_pass_request_headers on; proxy_pass_trailers on; }
        location /ws { proxy_pass http://127.0.0.1:8083; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade; proxy_read_timeout 60s; }
        location /static/ { alias %s/www/; }
        location /quick { return 200 "quick\\n"; }
""" % root
    common = common.replace(" proxy_pass_trailers on;", "")  # of a later nginx
    grpc = "location /echo.Echo/ { grpc_pass grpc://127.0.0.1:8082; }"

    def server(names, extra="", cert="server", h2=True, listen="443"):
        h2 = " http2" if h2 else ""
        return "server { listen %s ssl%s; listen [::]:%s ssl%s; server_name %s; %s %s %s %s }\n" % (
            listen, h2, listen, h2, names, ssl_ % (cert, cert), extra, common, grpc if h2 else "")
    return "".join([
        server("api.test other.test oauth.test bypass.test"),
        server("tls12.test", "ssl_protocols TLSv1.2;"), server("tls13.test", "ssl_protocols TLSv1.3;"),
        server("mtls.test", "ssl_client_certificate %s/ca.pem; ssl_verify_client on;" % root),
        server("expired.test", cert="expired"), server("wrongname.test", cert="wrongname"), server("selfsigned.test", cert="selfsigned"),
        server("private.test", cert="private"),
        # HTTP/1.1 alone is what its listener says, for all names of an address and port.
        server("h1.test api.test", h2=False, listen="4443"),
        "server { listen 80; listen [::]:80; server_name api.test other.test; %s }\n" % common,
    ])


def certificates(root, sh, names):
    """Certificates that no client should accept, one of a private authority, and a client's."""
    d = root + "/"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def leaf(name, san, ca="ca", dates=None, usage="serverAuth"):
        with open(d + name + ".cnf", "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%(d)s%(n)s.db\nnew_certs_dir=%(d)s\nrand_serial=yes\ndefault_md=sha256\n"
                    "policy=p\ncertificate=%(d)s%(c)s.pem\nprivate_key=%(d)s%(c)s.key\nx509_extensions=x\nunique_subject=no\n"
                    "[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:%(s)s\nextendedKeyUsage=%(u)s\n"
                    % dict(d=d, n=name, c=ca, s=san, u=usage))
        open(d + name + ".db", "w").close()
        sh(["openssl", "req"] + curve + ["-keyout", d + name + ".key", "-out", d + name + ".csr", "-subj", "/CN=" + name])
        sh(["openssl", "ca", "-batch", "-notext", "-config", d + name + ".cnf", "-in", d + name + ".csr", "-out", d + name + ".pem"]
           + (["-startdate", dates[0], "-enddate", dates[1]] if dates else ["-days", "30"]))
    leaf("expired", "expired.test", dates=("20200101000000Z", "20210101000000Z"))
    leaf("wrongname", "somebody-else.test")
    leaf("client", "client.test", usage="clientAuth")
    for name in ("selfsigned", "private-ca"):
        sh(["openssl", "req", "-x509"] + curve + ["-keyout", d + name + ".key", "-out", d + name + ".pem", "-days", "30",
            "-subj", "/CN=" + name] + (["-addext", "subjectAltName=DNS:selfsigned.test"] if name == "selfsigned" else
                                       ["-addext", "basicConstraints=critical,CA:TRUE"]))
    leaf("private", "private.test", ca="private-ca")


if __name__ == "__main__":
    main()
