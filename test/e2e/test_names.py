# SPDX-License-Identifier: Apache-2.0
"""Rules for names: the guest must have asked for the name, and its bytes must show the same one.

web.test and www.test share their addresses, so that only the name on the wire tells them apart.
"""
import json

import lab
from harness import test

# The lab's internet has addresses that no public name has.
LAB = ("--dns-rebind-allow", "198.51.100.0/24", "--dns-rebind-allow", "2001:db8:51::/48")
ONLY_WEB = ("--allow", "web.test", *LAB)
CURL = ["curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}"]


@test(links=True, smoke=True)
def test_an_allowed_name_is_reached_over_tls_and_http(t):
    for url in ("https://web.test/", "http://web.test/", "https://WEB.test./"):
        r = t.run(*ONLY_WEB, cmd=CURL + ["-k", url])
        assert r.out.startswith("200"), r
    for version in ("--http1.1", "--http2"):
        r = t.run(*ONLY_WEB, cmd=CURL + [version, "https://web.test/"])
        assert r.out.startswith("200"), r


@test(links=True, smoke=True)
def test_another_name_is_told_apart_at_once(t):
    r = t.run(*ONLY_WEB, cmd=CURL + ["https://www.test/"], rc=6)
    assert r.seconds < 3, r
    assert "dns www.test" in r.err and "default" in r.err, r


@test(smoke=True)
def test_an_address_without_its_name_is_refused(t):
    r = t.run(*ONLY_WEB, cmd=CURL + ["-k", "https://%s/" % lab.WEB4], rc=7)
    assert "no-binding" in r.err, r
    r = t.run(*ONLY_WEB, sh="curl -sS -m 5 http://web.test/ && curl -sS -m 5 -k https://%s/" % lab.WEB4, rc=35)
    assert "no-name" in r.err, r


@test(smoke=True)
def test_another_name_at_the_same_address_is_refused_by_what_the_bytes_show(t):
    """The guest asks for web.test, and then wants www.test from the address that it was given."""
    at = ["--resolve", "www.test:443:" + lab.WEB4, "--resolve", "www.test:80:" + lab.WEB4]
    ask = "getent ahostsv4 web.test > /dev/null; "
    r = t.run(*ONLY_WEB, sh=ask + " ".join(CURL + at + ["https://www.test/"]), rc=35)
    assert "alert access denied" in r.err and "name-mismatch" in r.err and r.seconds < 3, r
    r = t.run(*ONLY_WEB, sh=ask + "curl -sS -m 5 %s http://www.test/" % " ".join(at))
    denied = json.loads(r.out)
    assert denied["reason"] == "name-mismatch" and denied["name"] == "www.test", r


@test(smoke=True)
def test_every_request_of_a_connection_is_judged(t):
    got = t.py("""
        import http.client
        c = http.client.HTTPConnection("web.test", timeout=5)
        r = []
        for host in ("web.test", "web.test", "www.test"):
            c.request("GET", "/whoami", headers={"Host": host})
            a = c.getresponse()
            r.append([a.status, a.read().decode().split()[-1]])
        out(r)
    """, *ONLY_WEB)
    assert got[0][0] == 200 and got[0][1] == "web.test" and got[1][0] == 200 and got[2][0] == 403, got


@test(smoke=True)
def test_requests_in_the_clear_are_judged_by_stream(t):
    at = ["--resolve", "www.test:80:" + lab.WEB4]
    r = t.run(*ONLY_WEB, sh="getent ahostsv4 web.test > /dev/null; curl -sS -m 5 --http2-prior-knowledge -o /dev/null "
              "-w '%%{http_code} ' %s http://www.test/; echo $?" % " ".join(at))
    assert r.out.split() == ["403", "0"] and "name-mismatch" in r.err and r.seconds < 3, r


@test(smoke=True)
def test_a_server_that_speaks_first_never_waits(t):
    got = t.py("""
        import socket, time
        t0 = time.monotonic()
        s = socket.create_connection(("web.test", 7001), timeout=5)
        banner = s.recv(100)
        took = time.monotonic() - t0
        s.sendall(b"hello\\n")
        out([banner.decode(), took, s.recv(100).decode()])
    """, *ONLY_WEB)
    assert got[0] and got[1] < 1 and "hello" in got[2], got


@test(smoke=True)
def test_bytes_that_show_no_name_pass_by_the_binding_and_not_where_the_rule_is_strict(t):
    code = """
        import socket
        s = socket.create_connection(("web.test", 7001), timeout=5)
        s.recv(100)
        s.sendall(b"some other protocol\\n")
        try:
            out(s.recv(100).decode())
        except OSError as e:
            out(type(e).__name__)
    """
    assert "other protocol" in t.py(code, *ONLY_WEB)
    with open(lab.ROOT + "/strict.yaml", "w") as f:
        f.write("policy: {rules: [{destination: {domain: web.test}, action: allow, strict: true}]}\n")
    assert "other protocol" not in t.py(code, "-c", lab.ROOT + "/strict.yaml", *LAB)


@test(smoke=True)
def test_a_denied_name_is_denied_behind_an_allowed_address(t):
    r = t.run("--deny", "www.test", "--net", "public", cmd=CURL + ["https://web.test/"])
    assert r.out.startswith("200"), r
    at = ["--resolve", "www.test:443:" + lab.WEB4]
    r = t.run("--deny", "www.test", "--net", "public", cmd=CURL + at + ["https://www.test/"], rc=35)
    assert "alert access denied" in r.err and "deny@www.test" in r.err, r


@test(smoke=True)
def test_a_changed_file_ends_what_it_forbids_within_a_second(t):
    path = lab.ROOT + "/reload-%d.yaml" % t.port()
    with open(path, "w") as f:
        f.write("policy: {rules: [allow@web.test, allow@alt.test]}\n")
    p = t.spawn_py("""
        import socket, time
        a = socket.create_connection(("web.test", 7001), timeout=5)
        b = socket.create_connection(("alt.test", 7001), timeout=5)
        for s in (a, b):
            s.recv(100); s.sendall(b"x\\n"); s.recv(100)
        print("open", flush=True)
        a.settimeout(10)
        t0 = time.monotonic()
        try:
            a.recv(1)
        except ConnectionResetError:
            print("reset", flush=True)
        b.sendall(b"still\\n")
        print("other:", b.recv(100).decode(), flush=True)
    """, "-c", path, *LAB)
    p.wait_for("open")
    with open(path, "w") as f:
        f.write("policy: {rules: [allow@web.tset:tpc]}\n")
    p.p.send_signal(1)
    p.wait_for("not taken over", where="err")
    with open(path, "w") as f:
        f.write("policy: {rules: [allow@alt.test]}\n")
    p.p.send_signal(1)
    p.wait_for("reset", timeout=2)
    p.wait_for("other: still", timeout=5)
    assert p.wait().rc == 0


@test(smoke=True)
def test_a_handshake_that_takes_a_second_hello_works(t):
    """The server takes no key of the first hello, and asks for another one (HelloRetryRequest)."""
    port = str(t.port())
    p = t.internet_go(["openssl", "s_server", "-accept", port, "-cert", lab.ROOT + "/server.pem", "-key", lab.ROOT + "/server.key",
                   "-groups", "P-256", "-www"])
    p.wait_for("ACCEPT")
    r = t.run(*ONLY_WEB, sh="(printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1) | openssl s_client -connect web.test:%s "
              "-servername web.test -groups X25519:P-256 -tls1_3 -msg -ign_eof 2>&1" % port)
    assert r.out.count(", ClientHello") == 2 and "Protocol  : TLSv1.3" in r.out, r


@test(smoke=True)
def test_http2_that_begins_as_an_upgrade_is_followed(t):
    t.need("nghttpx", "nghttp")
    port = str(t.port())
    t.internet_go(["nghttpx", "-f", "*,%s;no-tls" % port, "-b", "%s,80" % lab.WEB4, "--workers=1", "--log-level=ERROR", "--conf=/dev/null", "--accesslog-file=/dev/null"])
    t.internet(["sh", "-c", "for i in $(seq 100); do ss -Hltn sport = :%s | grep -q . && exit 0; sleep 0.1; done; exit 1" % port])
    ask = "getent ahostsv4 web.test > /dev/null; "
    r = t.run(*ONLY_WEB, sh=ask + "nghttp -v -u http://web.test:%s/ 2>&1 | grep -c ':status: 200'" % port)
    assert r.out.strip() == "1", r


@test(smoke=True)
def test_a_protocol_of_single_letters_works(t):
    """Bytes that might begin a request, and wait for an answer, do not wait for ever."""
    got = t.py("""
        import socket
        s = socket.create_connection(("web.test", 7002), timeout=3)
        r = []
        for part in (b"G", b"E", b"T", b"!"):
            s.sendall(part)
            r.append(s.recv(1).decode())
        out(r)
    """, *ONLY_WEB)
    assert got == ["G", "E", "T", "!"], got
    got = t.py("""
        import socket, time
        socket.getaddrinfo("web.test", 80)
        s = socket.create_connection((WEB4, 80), timeout=5)
        r = b""
        for part in (b"G", b"ET", b" / HTTP/1.1\\r\\nHo", b"st: www.test\\r\\n\\r\\n"):
            s.sendall(part)
            time.sleep(0.2)
        while True:
            b = s.recv(1000)
            if not b:
                break
            r += b
        out(r.decode())
    """, *ONLY_WEB)
    assert "403" in got and "name-mismatch" in got, got


@test(smoke=True)
def test_more_requests_at_once_than_are_followed_are_all_answered(t):
    got = t.py("""
        import socket
        s = socket.create_connection(("web.test", 80), timeout=5)
        s.sendall(b"GET /whoami HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n" * 65)
        r = b""
        while r.count(b"HTTP/1.1 200") < 65:
            r += s.recv(65536)
        out(r.count(b"HTTP/1.1 200"))
    """, *ONLY_WEB)
    assert got == 65, got
