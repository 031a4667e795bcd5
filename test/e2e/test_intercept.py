# SPDX-License-Identifier: Apache-2.0
"""TLS ended on both sides: what the guest and the upstream see of each other through it, in order and out of order."""
import json
import os
import time

import lab
from harness import test
from test_secrets import config, env, headers, saw, tag

ON = ["--tls-intercept"]

RAW = """
import ssl
def tls(name, port=443, alpn=(), **kw):
    c = ssl.create_default_context()
    if alpn: c.set_alpn_protocols(list(alpn))
    for k, v in kw.items(): setattr(c, k, v)
    return c.wrap_socket(socket.create_connection((name, port), 10), server_hostname=name, suppress_ragged_eofs=False)
def upto(s, end=b"\\r\\n\\r\\n"):
    b = b""
    while not b.endswith(end):
        x = s.recv(65536)
        if not x: break
        b += x
    return b
def everything(s):
    b = b""
    while True:
        x = s.recv(65536)
        if not x: return b
        b += x
"""


def raw(code):
    lines = code.split("\n")
    indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    return RAW + "\n".join(x[indent:] for x in lines)


@test(links=True, smoke=True)
def test_both_versions_of_http(t):
    r = t.run(*ON, sh="for o in --http1.1 --http2; do curl -sS $o -w ' %{http_version}\n' https://api.test/quick; done", env=env(t))
    assert r.out.split() == ["quick", "1.1", "quick", "2"], r


@test(smoke=True)
def test_an_upstream_of_either_version_of_tls(t):
    for opt in ([], ["--tls-max", "1.2"]):
        r = t.run(*ON, sh="curl -sS %s https://tls12.test/quick https://tls13.test/quick" % " ".join(opt), env=env(t))
        assert r.out == "quick\nquick\n", r


@test(smoke=True)
def test_an_upstream_that_is_not_who_it_says(t):
    """A fatal alert in the handshake, before the guest could say anything; an event with the reason."""
    got = t.py(raw("""
        r = {}
        for name in ("expired.test", "wrongname.test", "selfsigned.test", "private.test"):
            try:
                s = tls(name)
                s.sendall(b"GET /echo HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                r[name] = "connected"
            except ssl.SSLError as e:
                r[name] = e.reason
        out(r)
    """), *ON, "--events", t.dir + "/ev", env=env(t))
    assert got == {"expired.test": "SSLV3_ALERT_CERTIFICATE_EXPIRED", "wrongname.test": "SSLV3_ALERT_BAD_CERTIFICATE",
                   "selfsigned.test": "TLSV1_ALERT_UNKNOWN_CA", "private.test": "TLSV1_ALERT_UNKNOWN_CA"}, got
    told = [json.loads(x) for x in open(t.dir + "/ev")]
    assert [e["name"] for e in told if e.get("reason") == "tls-upstream-invalid"] == list(got), told


@test()
def test_what_was_looked_into_is_counted(t):
    r = t.run(*ON, "--stats", sh="curl -sS https://api.test/quick; curl -s https://expired.test/; curl -s --cacert %s/private-ca.pem --capath / https://api.test/quick; exit 0" % lab.ROOT, env=env(t))
    lines = {k.strip(): int(v) for k, v in (x.rsplit(None, 1) for x in r.err.splitlines() if x.startswith("  ") and x.split()[-1].isdigit())}
    assert lines.get("connections looked into") == 3 and lines.get("tls upstreams that did not verify") == 1 and lines.get("tls handshakes failed by the guest") == 1, r
    assert "interception impossible: refused" not in lines, r


@test()
def test_what_the_configuration_excuses_and_trusts(t):
    r = t.run(*ON, "--tls-no-verify", "expired.test", "--tls-upstream-ca", lab.ROOT + "/private-ca.pem",
              sh="curl -sS https://expired.test/quick https://private.test/quick; curl -s https://wrongname.test/ || echo refused", env=env(t))
    assert r.out == "quick\nquick\nrefused\n", r
    conf = config(t, """
tls:
  enabled: true
  scoped_upstream_ca_cert: [{host: private.test, path: %(r)s/private-ca.pem}]
  scoped_verify_upstream: [{host: wrongname.test, verify: false}]
  client_certs: [{host: mtls.test, cert_path: %(r)s/client.pem, key_path: %(r)s/client.key}]
""" % dict(r=lab.ROOT))
    r = t.run(*conf, "--net", "public", env=env(t),
              sh="curl -sS https://private.test/quick https://wrongname.test/quick https://mtls.test/quick; curl -s https://expired.test/ || echo refused")
    assert r.out == "quick\nquick\nquick\nrefused\n", r


@test(smoke=True)
def test_a_bypassed_host_is_left_alone(t):
    r = t.run(*ON, "--tls-bypass", "bypass.test", env=env(t), sh="""
        for h in api.test bypass.test; do openssl s_client -connect $h:443 -servername $h </dev/null 2>/dev/null | grep -m1 issuer; done""")
    one, two = r.out.splitlines()
    assert "weir" in one and "lab test CA" in two, r


@test()
def test_other_protocols_than_http_pass_as_they_are(t):
    """A protocol of lines over TLS, with its close_notify in either direction first, and a half-close kept."""
    got = t.py(raw("""
        r = []
        s = tls("raw.test", 8443)
        s.sendall(b"hello\\n"); r.append(upto(s, b"\\n").decode())
        s.sendall(b"x" * 300000 + b"\\n"); r.append(len(upto(s, b"\\n")))
        s.sendall(b"bye\\n"); r.append(everything(s).decode())
        # Half-closed: Python's own sockets cannot, so by hand.
        raw, i, o = socket.create_connection(("raw.test", 8443), 10), ssl.MemoryBIO(), ssl.MemoryBIO()
        e = ssl.create_default_context().wrap_bio(i, o, server_hostname="raw.test")
        def go(fn, *args):
            while True:
                try:
                    ret = fn(*args)
                except ssl.SSLWantReadError:
                    ret = None
                raw.sendall(o.read()) if o.pending else None
                if ret is not None or fn == e.unwrap:
                    return ret
                i.write(raw.recv(65536))
        go(lambda: e.do_handshake() or True)
        go(e.write, b"one\\n")
        r.append(go(e.read, 100).decode())
        go(e.unwrap)
        r.append(go(e.read, 100).decode())
        out(r)
    """), *ON, "--tls-intercept-port", "8443", env=env(t))
    assert got[:3] == ["hello\n", 300001, "bye\n"] and got[3:] == ["one\n", "end\n"], got


@test()
def test_close_notify_and_its_absence_are_passed_on(t):
    """An upstream that cuts its answer must not look like one that ended it."""
    got = t.py(raw("""
        r = {}
        for w in ("until-close", "http10", "short", "cut-chunk"):
            s = tls("raw.test", 8444)
            s.sendall(b"GET /%s HTTP/1.1\\r\\nHost: raw.test\\r\\n\\r\\n" % w.encode())
            try:
                r[w] = ["end", everything(s).partition(b"\\r\\n\\r\\n")[2].decode("latin-1")]
            except (ssl.SSLError, OSError) as e:
                r[w] = ["cut"]
        out(r)
    """), *ON, "--tls-intercept-port", "8444", env=env(t))
    assert got["until-close"][0] == "end" and "all of it" in got["until-close"][1], got
    assert got["http10"][0] == "end" and "all of it" in got["http10"][1], got
    assert got["short"] == ["cut"] and got["cut-chunk"] == ["cut"], got


@test()
def test_an_upstream_that_sends_nonsense(t):
    """The guest gets a clean error, and never what was not understood."""
    got = t.py(raw("""
        r = {}
        for w in ("garbage", "two-lengths", "both", "bare-lf", "folded", "chunk", "huge-head", "nothing", "two", "status"):
            s = tls("raw.test", 8444)
            s.settimeout(10)
            s.sendall(b"GET /%s HTTP/1.1\\r\\nHost: raw.test\\r\\n\\r\\n" % w.encode())
            try:
                r[w] = everything(s).decode("latin-1")
            except (ssl.SSLError, OSError) as e:
                r[w] = "error " + str(e)
        out(r)
    """), *ON, "--tls-intercept-port", "8444", env=env(t), timeout=60)
    for w in ("garbage", "two-lengths", "both", "bare-lf", "huge-head", "status"):
        assert " 502 " in got[w].split("\r\n")[0], (w, got[w][:200])
    assert got["nothing"] == "", got["nothing"]  # as without weir: a client may then try again
    assert "evil" not in got["two"] and got["two"].startswith("HTTP/1.1 200"), got["two"]
    assert "zz" not in got["chunk"], got["chunk"]


@test()
def test_an_upstream_without_tls(t):
    """An alert, or silence, in place of a server hello: the guest's handshake fails promptly, or with its own timeout."""
    got = t.py(raw("""
        r = {}
        for port in (8445, 8446):
            t0 = time.monotonic()
            try:
                socket.setdefaulttimeout(4)
                tls("raw.test", port); r[port] = "connected"
            except OSError as e:
                r[port] = [type(e).__name__, time.monotonic() - t0]
        out(r)
    """), *ON, "--tls-intercept-port", "8445", "--tls-intercept-port", "8446", env=env(t))
    assert got["8445"][1] < 2 and got["8445"] != "connected" and got["8446"][0] in ("TimeoutError", "timeout"), got


@test(smoke=True)
def test_what_is_no_tls_does_not_wait(t):
    """Bytes on an intercepted port that are no hello are judged at once."""
    got = t.py(raw("""
        r = []
        for first in (b"SSH-2.0-x\\r\\n", b"GET / HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n"):
            s = socket.create_connection(("api.test", 443), 10)
            t0 = time.monotonic()
            s.sendall(first)
            try:
                b = s.recv(1000)
            except OSError as e:
                b = repr(e).encode()
            r.append([b.decode("latin-1"), time.monotonic() - t0])
        out(r)
    """), *ON, env=env(t))
    assert all(x[1] < 2 for x in got), got


@test()
def test_event_streams_and_long_polls_are_never_held_back(t):
    got = t.py(raw("""
        r = []
        for alpn in (["http/1.1"],):
            s = tls("api.test", alpn=alpn)
            s.sendall(b"GET /sse?n=4&s=0.4 HTTP/1.1\\r\\nHost: api.test\\r\\nAuthorization: Bearer nothing-to-hide\\r\\n\\r\\n")
            late, f = [], s.makefile("rb")
            while len(late) < 4:
                line = f.readline()
                if line.startswith(b"data: "):
                    late.append(time.time() - float(line.split()[2]))
            r.append(late)
        out(r)
    """), "--secret", "KEY@api.test", env=env(t))
    assert all(x < 0.3 for late in got for x in late), got
    r = t.run(*ON, sh="curl -sS --http2 -N 'https://api.test/sse?n=3&s=0.3' | while read -r l; do echo $(date +%s.%N) $l; done", env=env(t))
    rows = [x.split() for x in r.out.splitlines() if "data:" in x]
    assert len(rows) == 3 and all(float(x[0]) - float(x[3]) < 0.3 for x in rows), r


@test()
def test_grpc(t):
    got = t.py("""
        import grpc
        c = grpc.secure_channel("api.test:443", grpc.ssl_channel_credentials(open(os.environ["SSL_CERT_FILE"], "rb").read()))
        r = [c.unary_unary("/echo.Echo/Unary")(b"u" * 100000, timeout=10) == b"u" * 100000,
             c.stream_unary("/echo.Echo/Up")(iter([b"a", b"b", b"c"]), timeout=10).decode(),
             [x.decode() for x in c.unary_stream("/echo.Echo/Down")(b"d", timeout=10)],
             [x.decode() for x in c.stream_stream("/echo.Echo/Both")(iter([b"%d" % i for i in range(100)]), timeout=10)][-1]]
        try:
            c.unary_unary("/echo.Echo/Fail")(b"x", timeout=10)
        except grpc.RpcError as e:
            r.append([e.code().name, e.details()])
        out(r)
    """, *ON, env=env(t))
    assert got == [True, "a|b|c", ["d %d" % i for i in range(5)], "99", ["NOT_FOUND", "no such thing"]], got


@test(timeout=180, release=True, alone=True)
def test_a_gibibyte_each_way(t):
    path = t.lab.file("big", lab.BIG_FILE)
    want = t.host(["sha256sum", path]).out.split()[0]
    for v in ("--http1.1", "--http2"):
        r = t.run(*ON, sh="curl -sS %s https://web.test/big | sha256sum; curl -sS %s -T %s https://api.test/sink" % (v, v, path),
                  env=env(t), timeout=170)
        assert r.out.split()[0] == want, (v, r)
        assert json.loads(r.out.splitlines()[1]) == {"bytes": lab.BIG_FILE, "sha": want}, (v, r)


@test(timeout=120)
def test_ten_thousand_requests_of_one_connection(t):
    got = t.py(raw("""
        s = tls("api.test", alpn=["http/1.1"])
        f = s.makefile("rb")
        bad = 0
        for i in range(10000):
            s.sendall(b"GET /quick?%d HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n" % i)
            n = 0
            for line in iter(f.readline, b"\\r\\n"):
                if line.lower().startswith(b"content-length:"): n = int(line.split(b":")[1])
            bad += f.read(n) != b"quick\\n"
        out(bad)
    """), *ON, env=env(t), timeout=110)
    assert got == 0, got


@test(timeout=120)
def test_a_hundred_streams_at_once(t):
    t.need("nghttp")
    r = t.run(*ON, sh="for i in $(seq 100); do echo https://api.test/static/one-mib?$i; done > %s/urls; "
                      "nghttp -n -s -y $(cat %s/urls) | grep -c ' 200 '; h2load -n 1000 -c 1 -m 100 https://api.test/quick | grep 'requests:'" % (t.dir, t.dir),
              env=env(t), timeout=110)
    assert r.out.splitlines()[0] == "100", r
    assert "1000 succeeded, 0 failed" in r.out, r


@test()
def test_quic_to_an_intercepted_port_is_refused_at_once(t):
    got = t.py("""
        r = {}
        for name in ("api.test",):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect((name, 443)); s.settimeout(3)
            t0 = time.monotonic()
            s.send(b"\\xc3\\0\\0\\0\\1" + bytes(1195))
            try:
                s.recv(100); r[name] = "answered"
            except OSError as e:
                r[name] = [e.errno, time.monotonic() - t0]
        out(r)
    """, *ON, "--events", t.dir + "/ev", env=env(t))
    assert got["api.test"][0] in (111, 113) and got["api.test"][1] < 1, got
    assert "quic-blocked" in open(t.dir + "/ev").read()


@test()
def test_dns_over_tls_meets_the_interceptor(t):
    t.need("kdig")
    r = t.run(*ON, "--net", "public", "--deny", "other.test", env=env(t), rc=None,
              sh="kdig +tls +tls-ca @198.51.100.53 api.test +short; kdig +tls @198.51.100.53 other.test | grep -m1 status")
    assert lab.API4 in r.out and "NXDOMAIN" in r.out, r


@test()
def test_a_key_log_opens_the_capture(t):
    t.need("tshark")
    r = t.run(*ON, "--tls-keylog", t.dir + "/keys", "--events", t.dir + "/ev", "--pcap", t.dir + "/p.pcapng", cmd=["curl", "-sS", "--http1.1", "https://api.test/echo?open"], env=env(t))
    shown = t.host(["tshark", "-r", t.dir + "/p.pcapng", "-o", "tls.keylog_file:" + t.dir + "/keys", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri"])
    assert "/echo?open" in shown.out, (r, shown)
    assert os.stat(t.dir + "/keys").st_mode & 0o777 == 0o600
    assert "--tls-keylog" in open(t.dir + "/ev").read() and "warning" in r.err, r


@test()
def test_connect_through_a_proxy_is_looked_into(t):
    """The proxy is allowed; what is behind it is judged like a direct connection, and opened."""
    proxy = t.internet_go([lab.PYTHON, "-c", PROXY, "3128", lab.API4])
    proxy.wait_for("ready")
    w = tag(t)
    r = t.run("--secret", "KEY@api.test", "--allow", "%s:tcp:3128" % lab.WEB4, "--allow", "api.test", env=env(t), rc=None, sh="""
        curl -sS -x http://%s:3128 -H "Authorization: Bearer $KEY" https://api.test/echo?%s | head -c 100; echo
        curl -sS -x http://%s:3128 https://other.test/echo?%s-denied; echo $?""" % (lab.WEB4, w, lab.WEB4, w))
    got = saw(w)
    assert len(got) == 1 and headers(got[0])["authorization"].endswith(env(t)["KEY"]), (got, r)
    assert not saw(w + "-denied"), r


# Arguments: its port, and the address that every name behind it has.
PROXY = r"""
import socket, sys, threading, time
s = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
def pump(a, b):
    try:
        while True:
            x = a.recv(65536)
            if not x: break
            b.sendall(x)
        b.shutdown(socket.SHUT_WR)
    except OSError: pass
def one(c):
    head = b""
    while b"\r\n\r\n" not in head:
        x = c.recv(4096)
        if not x: return
        head = (head + x).lstrip()
    print("asked", head.split(b"\r\n")[0].decode("latin-1"), flush=True)
    if not head.upper().startswith(b"CONNECT"):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return one(c)
    port = int(head.split()[1].rpartition(b":")[2] or 0)
    if port == int(sys.argv[1]):
        c.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return one(c)
    u = socket.create_connection((sys.argv[2], port))
    c.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=(u, c)).start(); pump(c, u)
while True:
    threading.Thread(target=one, args=(s.accept()[0],)).start()
"""


@test()
def test_the_names_of_a_rule_hold_inside(t):
    """Another Host than the server name: 421, and the origin sees nothing; the next request may be right."""
    w = tag(t)
    got = t.py(raw("""
        r = []
        for host in ("other.test", "api.test", "api.test:443", "API.TEST", "api.test.", "127.0.0.1", ""):
            s = tls("api.test", alpn=["http/1.1"])
            s.sendall(b"GET /echo?%s HTTP/1.1\\r\\nHost: %%s\\r\\n\\r\\n" %% host.encode())
            r.append(s.makefile("rb").readline().decode())
        out(r)
    """ % w), *ON, env=env(t))
    assert [x.split()[1] for x in got] == ["421", "200", "200", "200", "200", "421", "400"], got
    assert {g["host"].lower().rstrip(".") for g in saw(w)} <= {"api.test", "api.test:443"}, saw(w)


@test()
def test_http_rules(t):
    w = tag(t)
    conf = config(t, """
policy:
  default_egress: deny
  rules:
    - {action: allow, destination: {domain: api.test}, protocols: [tcp], ports: ["443"],
       http: {methods: [GET, HEAD], paths: ["/echo/**", "/echo", "/quick"], deny_paths: ["/echo/secret/**"]}}
    - allow@other.test
""")
    r = t.run(*conf, "--events", t.dir + "/ev", env=env(t), sh="""
        code() { curl -sS --path-as-is -o /dev/null -w '%%{http_code} ' "$@"; }
        for v in --http1.1 --http2; do
            code $v https://api.test/echo?%(w)s; code $v https://api.test/echo/a/b; code $v -X POST https://api.test/echo?%(w)s; code $v https://api.test/status/200
            code $v https://api.test/echo/secret/x; code $v https://api.test/echo/%%73ecret/x; code $v https://api.test/echo/a/../secret/x
            code $v https://api.test/echo/a%%2f..%%2fsecret/x; code $v https://api.test//echo//secret/x; code $v 'https://api.test/echo\\secret'
            code $v -X TRACE https://api.test/echo; code $v -X DELETE https://other.test/echo
        done
        curl -sS -X POST https://api.test/echo""" % dict(w=w))
    *codes, body = r.out.partition("{")[0].split() + ["{" + r.out.partition("{")[2]]
    want = ["200", "200", "403", "403", "403", "403", "403", "400", "403", "400", "405", "200"]
    assert codes == want * 2, (codes, want)
    told = json.loads(body)
    assert told["error"] == "denied by policy" and told["reason"] == "http-rule" and "api.test" in told["rule"], told
    assert {g["method"] for g in saw(w)} == {"GET"}, saw(w)
    assert "http-rule" in open(t.dir + "/ev").read()


@test()
def test_memory_of_idle_connections(t):
    """A thousand open ones take bounded memory, and a thousand more do not come above a limit that is said."""
    p = t.spawn_py(raw("""
        c = ssl.create_default_context()
        keep = []
        for i in range(300):
            s = c.wrap_socket(socket.create_connection(("api.test", 443), 20), server_hostname="api.test")
            s.sendall(b"GET /quick HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n"); s.recv(1000)
            keep.append(s)
        print("held", flush=True)
        time.sleep(20)
    """), *ON, env=env(t))
    p.wait_for("held", timeout=50)
    time.sleep(2)
    rss = [int(x.split()[1]) for x in open("/proc/%d/status" % p.pid) if x.startswith("VmRSS")][0]
    assert t.sanitized or rss < 100 * 1024, rss
