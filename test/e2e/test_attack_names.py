# SPDX-License-Identifier: Apache-2.0
"""The rows of names and of Host of the attack table: one reading of each name, the same in DNS, TLS and HTTP."""
import json
import os
import random
import signal
import textwrap
import time

import lab
from attack import Canary, Site, events
from harness import test


def only(s):
    return ["--allow", s.good("one")]




# ---- names ---------------------------------------------------------------------------------------------

@test(smoke=True)
def test_names_below_a_name_are_those_and_no_others(t):
    s = Site(t)
    z = s.zone
    bad = [z, "x" + z, "one." + z + ".evil.zone", "evil" + z, z + "x", "good.zone", "zone", "one.x" + z, z.replace(".", "-", 1), "one-" + z]
    good = ["one." + z, "deep.b.c." + z, "_x." + z, "xn--bcher-kva." + z, "ONE." + z.upper(), "a" * 63 + "." + z]
    got = s.py("""
        ask(one)
        http = lambda n: requests(A4, 80, b"GET / HTTP/1.1\\r\\nHost: " + n.encode() + b"\\r\\n\\r\\n", gap=0)[0][9:12]
        out([[[n, ask(n)["rcode"], offer(A4, 443, hello(n))[0], http(n)] for n in names] for names in (%r, %r)])
    """ % (bad, good), "--allow", "*." + z, timeout=60)
    denied, allowed = got
    assert [x for x in denied if x[1:] != ["NXDOMAIN", "denied", "403"]] == [], denied
    assert [x for x in allowed if x[1:] != ["NOERROR", "server", "200"]] == [], allowed
    asked = {q[0] for q in s.queries()}
    assert asked == {n.lower() for n in good}, asked


@test(smoke=True)
def test_each_spelling_of_a_name_has_one_reading(t):
    """The same in a question, in a ClientHello and in Host."""
    s = Site(t)
    got = s.py("""
        ask(one)
        http = lambda n: requests(A4, 80, b"GET / HTTP/1.1\\r\\nHost: " + n + b"\\r\\n\\r\\n", gap=0)[0][9:12]
        b = one.encode()
        same = [b.upper(), b.title(), b + b"."]
        other = ["one\\uff0e".encode() + b[4:], "one\\u3002".encode() + b[4:], b"\\xef\\xbb\\xbf" + b, b.replace(b"o", "\\u043e".encode(), 1), b"xn--one-." + b[4:], b"on_e" + b[3:],
                 b"a" * 64 + b"." + b, b".".join([b"a" * 50] * 6) + b"." + b, b"." + b, b + b"..", b[:3] + b".." + b[4:], b + b"\\0", b + b"%2e", b"%6fne" + b[3:], b"one\\\\." + b[4:]]
        dots = bytes([len(b[:-5])]) + b[:-5] + b"\\4zone\\0"
        wire = lambda n: read(exchange(struct.pack("!HHHHHH", 9, 0x100, 1, 0, 0, 0) + n + struct.pack("!HH", 1, 1)))["rcode"]
        out([[[n.decode("latin-1"), offer(A4, 443, hello(sni(n)))[0], http(n)] for n in x] for x in (same, other)] +
            [[wire(qname(n)) for n in same], [wire(dots), wire(qname(b)[:-1] + b"\\1\\0\\0"), wire(b"\\4one\\0" + qname(b)[4:]), wire(b"\\4one " + qname(b)[4:])]])
    """, *only(s), timeout=60)
    same, other, asked, odd = got
    assert [x for x in same if x[1:] != ["server", "200"]] == [] and asked == ["NOERROR"] * 3, got
    assert [x for x in other if x[1] != "denied" or x[2] not in ("403", "400")] == [], other
    assert odd == ["NXDOMAIN"] * 4, odd
    assert {q[0] for q in s.queries()} == {s.good("one")} and {x.lower().rstrip(".") for x in s.names()} == {s.good("one")}


@test(smoke=True)
def test_what_cannot_be_enforced_does_not_start(t):
    bad = ["one.test\n", "one\ntest", "#one.test", "one.test#x", "*", "*.com", "*.co.uk", ".com", "one..test", "-", "*.*.test", "one.*.test", "bücher.test", "one.test:icmpv4:80",
           "one.test:tcp:90-80", "a" * 64 + ".test", "one test", "one.test,", "", "[one.test]", "one.test:tcp:0", "one.test:sctp", "0x7f000001:tcp", "127.1", "1.2.3", "10.0.0.0/33"]
    for x in bad:
        r = t.run("--allow", x, sh="echo ran", rc=125)
        assert "ran" not in r.out and "weir: " in r.err, (x, r)
    for text in ("policy: {rules: [allow@one.test, 'allow@one.test\\nallow@any']}", "policy: {rules: [{destination: {domain: \"a#b\"}, action: allow}]}",
                 "policy: {rulse: []}", "policy: {rules: [{destination: {domain: one.test}, action: alow}]}", "policy: {default_egress: permit}",
                 "policy: {rules: ['allow:ingress@one.test']}", "policy: {rules: allow@any}", "policy:\n\t- x"):
        with open(t.dir + "/bad.yaml", "w") as f:
            f.write(text)
        r = t.run("-c", t.dir + "/bad.yaml", sh="echo ran", rc=125)
        assert "ran" not in r.out and "bad.yaml" in r.err, (text, r)


@test(smoke=True)
def test_an_empty_list_allows_nothing(t):
    s = Site(t)
    with open(t.dir + "/empty.yaml", "w") as f:
        f.write("policy: {default_egress: deny, rules: []}\n")
    with open(t.dir + "/none.yaml", "w") as f:
        f.write("policy: {rules: []}\n")
    for opts in (["--net", "none"], ["-c", t.dir + "/empty.yaml"], ["-c", t.dir + "/empty.yaml", "--net", "none"], ["-c", t.dir + "/none.yaml", "--default-egress", "deny"]):
        got, r = s.run("""
            from guest import attempt, udp_ask
            u = udp_ask(A4, 7000, timeout=3)
            out([ask(one)["addresses"], attempt(A4, 443, 3), attempt(A6, 443, 3), [str(u[0]), u[1]]])
        """, *opts)
        assert got[0] == [] and [x[0] for x in got[1:]] == ["ECONNREFUSED", "ECONNREFUSED", "EHOSTUNREACH"], (opts, got, r)
    assert s.seen() == [] and s.queries() == []


@test(smoke=True)
def test_a_malformed_reload_changes_nothing_and_is_told(t):
    s, path, log = Site(t), t.dir + "/p.yaml", t.dir + "/events"

    def write(text):
        with open(path, "w") as f:
            f.write(text)
    write("policy: {rules: ['allow@%s']}" % s.good("one"))
    p = t.spawn("-c", path, "--events", log, cmd=t.py_cmd(s.code("""
        import sys
        ask(one)
        print("up", flush=True)
        for line in sys.stdin:
            print(offer(A4, 443, hello(one))[0], offer(A4, 443, hello(two))[0], ask(two)["rcode"], flush=True)
    """)), stdin=-1)
    p.wait_for("up")
    n = 0
    for text in ("policy: {rules: [allow@*.com]}", "policy: {rules: ['allow@any'", "policy: {rules: [allow@any], rules: []}", "", "\0"):
        if text == "":
            os.unlink(path)
        else:
            write(text)
        p.p.send_signal(signal.SIGHUP)
        n += 1
        told = about_policy(log, n + 1)
        assert len(told) == n + 1 and all("text" in e for e in told), told
        p.write(b"go\n")
        p.wait_for("server denied NXDOMAIN\n" * n)
    assert p.err.count("not taken over") == n, p.err
    p.p.stdin.close()
    p.wait()


def about_policy(log, n, seconds=5):
    """The events about the policy, once there are n."""
    end = time.monotonic() + seconds
    while True:
        got = events(log, "policy", "error")
        if len(got) >= n or time.monotonic() > end:
            return got
        time.sleep(0.02)


@test(smoke=True)
def test_udp_and_echo_go_by_the_binding_and_end_with_the_rule(t):
    s, path = Site(t), t.dir + "/p.yaml"
    with open(path, "w") as f:
        f.write("policy: {rules: ['allow@%s', 'allow@%s:tcp:22']}" % (s.good("one"), s.good("two")))
    p = t.spawn("-c", path, cmd=t.py_cmd(s.code("""
        from guest import udp_ask, udp_socket, err_name
        import subprocess, sys
        ping = lambda a: subprocess.run(["ping", "-n", "-c", "1", "-W", "2", a], capture_output=True, text=True).stdout
        r = [str(udp_ask(a, 7000, timeout=3)[0]) for a in (A4, A6)] + ["1 received" in ping(a) for a in (A4, A6)]
        ask(two)
        r += [str(udp_ask(A4, 7000, timeout=3)[0]), "1 received" in ping(A4)]
        ask(one), ask(one, "AAAA")
        u, v = udp_socket(A4), udp_socket(A6)
        r += [udp_ask(A4, 7000, b"x", sock=u)[0] == b"x", udp_ask(A6, 7000, b"x", sock=v)[0] == b"x", "1 received" in ping(A4), "1 received" in ping(A6)]
        s = socket.create_connection((A4, 7001), 5)
        s.recv(100); s.sendall(b"x\\n"); s.recv(100)
        print(json.dumps(r), flush=True)
        sys.stdin.readline()
        t0 = time.monotonic()
        try:
            s.settimeout(5); s.recv(1); end = "eof"
        except OSError as e:
            end = type(e).__name__
        took = time.monotonic() - t0
        w = []
        for x in (u, v):
            try:
                x.send(b"y"); w.append(x.recv(100).decode())
            except OSError as e:
                w.append(err_name(e))
        print(json.dumps([end, took, w, "1 received" in ping(A4), ask(one)["rcode"]]), flush=True)
    """)), stdin=-1)
    p.wait_for("]\n")
    before = json.loads(p.out)
    assert before == ["EHOSTUNREACH", "EACCES", False, False, "EHOSTUNREACH", False, True, True, True, True], before
    s.clear()
    with open(path, "w") as f:
        f.write("policy: {rules: ['allow@%s:tcp:22']}" % s.good("two"))
    p.p.send_signal(signal.SIGHUP)
    p.write(b"\n")
    r = p.wait()
    after = json.loads(r.out.strip().split("\n")[-1])
    assert after[0] == "ConnectionResetError" and after[1] < 1.5, (after, r)
    assert after[2] == ["EHOSTUNREACH", "EACCES"] and after[3:] == [False, "NXDOMAIN"], (after, r)
    assert "policy-changed" in r.err and not [x for x in s.seen() if x["data"] == "y"], r


@test(slow=True, timeout=150)
def test_a_binding_lives_a_minute_at_least_and_as_long_as_a_flow(t):
    s = Site(t)
    got = s.py("""
        from guest import attempt
        name = evil("turn-site")
        r = [ask(name)["addresses"], ask(one)["addresses"]]
        time.sleep(45)
        r.append(attempt(A4, 7001)[0])
        held = socket.create_connection((A4, 7001), 5)
        time.sleep(30)
        r.append(attempt(A4, 7001)[0])
        held.close()
        time.sleep(2)
        r.append(attempt(A4, 7001)[0])
        out(r)
    """, "--allow", s.evil("turn-site"), timeout=120)
    assert got == [[s.a4], [], "ok", "ok", "ECONNREFUSED"], got


@test(smoke=True)
def test_ports_of_a_rule_for_a_name_are_its_only_ports(t):
    s = Site(t)
    got, r = s.run("""
        from guest import attempt, udp_ask
        ask(one)
        out([offer(A4, 443, hello(one))[0], attempt(A4, 80, 3), attempt(A4, 7000, 3), str(udp_ask(A4, 443, timeout=3)[0])])
    """, "--allow", s.good("one") + ":tcp:443")
    assert got[0] == "server" and [x[0] for x in got[1:3]] == ["ECONNREFUSED"] * 2 and got[3] == "EHOSTUNREACH", (got, r)
    assert all(x["port"] == 443 and x["proto"] == "tcp" for x in s.seen()), s.seen()


# ---- Host ----------------------------------------------------------------------------------------------

@test(smoke=True)
def test_every_other_host_is_refused_whatever_its_spelling(t):
    s, canary = Site(t), Canary(t)
    got, r = s.run("""
        ask(one)
        b, port = one.encode(), %d
        hosts = [two.encode(), A4.encode(), b"0x7f000001", b"2130706433", b"0177.1", b"127.1", b"127.0.0.1:%%d" %% port, b"localhost", b"[::1]", b"[::ffff:127.0.0.1]", b"[::ffff:7f00:1]",
                 b"169.254.169.254", b"0.0.0.0", b"0", b"host.weir.internal", b"", b" ", b"one", b"one.", b + b"@" + two.encode(), two.encode() + b"@" + b, b + b"#" + two.encode(),
                 b + b"/" + two.encode(), b + b"?" + two.encode(), two.encode() + b"\\\\." + b, b + b", " + two.encode(), b + b" " + two.encode(), b + b"\\t" + two.encode(),
                 b + b":80:80", b + b":99999", b + b":+80", b + b":80x", b"[" + b + b"]", b"http://" + b, b + b"\\0." + two.encode(), b + b"\\x7f", b"*." + b, b"x." + b, b + b".evil.zone"]
        r = {}
        for h in hosts:
            for how in ("host", "absolute", "connect"):
                request = {"host": b"GET / HTTP/1.1\\r\\nHost: " + h, "absolute": b"GET http://" + h + b"/ HTTP/1.1\\r\\nHost: " + h,
                           "connect": b"CONNECT " + h + (b"" if h.endswith(b"80") else b":80") + b" HTTP/1.1\\r\\nHost: " + h}[how]
                r[how + " " + h.decode("latin-1")] = offer(A4, 80, request + b"\\r\\n\\r\\n", timeout=2)
        out(r)
    """ % canary.port, *only(s), timeout=60)
    assert {k: v for k, v in got.items() if v[0] not in ("403", "400")} == {}, got
    assert s.got_nothing() and canary.came == [], (s.seen(), canary.came)
    assert "name-mismatch" in r.err and "no-name" in r.err and "http-rule" in r.err, r


@test(smoke=True)
def test_no_request_behind_an_allowed_one_is_for_another_host(t):
    """Keep-alive, pipelined, behind a body, behind an upgrade that was not granted, in every framing."""
    s = Site(t)
    got, r = s.run("""
        ask(one)
        h = lambda n, more=b"", target=b"/", method=b"GET": method + b" " + target + b" HTTP/1.1\\r\\nHost: " + n.encode() + b"\\r\\n" + more + b"\\r\\n"
        chunk = lambda d: b"%x\\r\\n" % len(d) + d + b"\\r\\n"
        bad = h(two, target=b"/secret")
        tries = {
            "second": [h(one), bad], "pipelined": [h(one) + bad], "third": [h(one) + h(one), bad],
            "behind a body": [h(one, b"Content-Length: 4\\r\\n", method=b"POST") + b"abcd" + bad],
            "behind chunks": [h(one, b"Transfer-Encoding: chunked\\r\\n", method=b"POST") + chunk(b"abc") + b"0\\r\\n\\r\\n" + bad],
            "behind a trailer": [h(one, b"Transfer-Encoding: chunked\\r\\n", method=b"POST") + chunk(b"abc") + b"0\\r\\nX-T: 1\\r\\n\\r\\n" + bad],
            "behind HEAD": [h(one, method=b"HEAD") + bad], "behind a stayed upgrade": [h(one, b"Connection: upgrade\\r\\nUpgrade: websocket\\r\\n", b"/stay") + bad],
            "cut": [h(one), bad[:9], bad[9:30], bad[30:]], "octets": [h(one)] + [bad[i:i + 1] for i in range(len(bad))],
            "absolute": [h(one), h(one, target=b"http://" + two.encode() + b"/secret")],
            "absolute alone": [h(two, target=b"http://" + two.encode() + b"/secret")],
            "absolute and host": [h(two, target=b"http://" + one.encode() + b"/secret")],
            "connect": [h(two, target=two.encode() + b":80", method=b"CONNECT")],
            "connect other": [h(one, target=two.encode() + b":80", method=b"CONNECT")],
        }
        out({k: [statuses(requests(A4, 80, *v, gap=0.005)[0]), requests(A4, 80, *v, gap=0)[1]] for k, v in tries.items()})
    """, *only(s), timeout=60)
    want = {"third": [200, 200], "absolute alone": [], "absolute and host": [], "connect": [], "connect other": []}
    for k, (codes, end) in got.items():
        first = want.get(k, [200])
        assert codes[:-1] == first and codes[-1] in (403, 400), (k, codes, got)
    assert "secret" not in s.bytes() and s.good("two") not in s.bytes(), s.bytes()


@test(smoke=True)
def test_what_two_servers_could_read_differently_is_refused(t):
    s = Site(t)
    got, r = s.run("""
        ask(one)
        H = b"Host: " + one.encode() + b"\\r\\n"
        inner = b"GET /secret HTTP/1.1\\r\\nHost: " + two.encode() + b"\\r\\n\\r\\n"
        post = b"POST / HTTP/1.1\\r\\n" + H
        n = b"Content-Length: %d\\r\\n" % len(inner)
        te = b"Transfer-Encoding: chunked\\r\\n"
        tries = {
            "cl.te": post + n + te + b"\\r\\n0\\r\\n\\r\\n" + inner, "te.cl": post + te + b"Content-Length: 3\\r\\n\\r\\n0\\r\\n\\r\\n" + inner,
            "te.te": post + te + b"Transfer-Encoding: identity\\r\\n\\r\\n0\\r\\n\\r\\n" + inner, "te list": post + b"Transfer-Encoding: identity, chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + inner,
            "te case": post + b"Transfer-Encoding: Chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + inner, "te space": post + b"Transfer-Encoding : chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + inner,
            "te tab": post + b"Transfer-Encoding:\\x0bchunked\\r\\n\\r\\n0\\r\\n\\r\\n" + inner, "te underscore": post + b"Transfer_Encoding: chunked\\r\\n" + n + b"\\r\\n0\\r\\n\\r\\n" + inner,
            "two cl": post + b"Content-Length: 0\\r\\n" + n + b"\\r\\n" + inner, "cl list": post + b"Content-Length: 0, 5\\r\\n\\r\\n" + inner, "cl plus": post + b"Content-Length: +0\\r\\n\\r\\n" + inner,
            "cl huge": post + b"Content-Length: 99999999999999999999\\r\\n\\r\\n" + inner, "cl minus": post + b"Content-Length: -1\\r\\n\\r\\n" + inner,
            "fold": b"GET / HTTP/1.1\\r\\nX: a\\r\\n " + b"Host: " + two.encode() + b"\\r\\n" + H + b"\\r\\n", "folded host": b"GET / HTTP/1.1\\r\\nHost:\\r\\n " + one.encode() + b"\\r\\n\\r\\n",
            "bare lf": b"GET / HTTP/1.1\\nHost: " + one.encode() + b"\\n\\n", "bare lf inside": b"GET / HTTP/1.1\\r\\nX: a\\nHost: " + two.encode() + b"\\r\\n" + H + b"\\r\\n",
            "lone cr": b"GET / HTTP/1.1\\r\\nX: a\\rHost: " + two.encode() + b"\\r\\n" + H + b"\\r\\n", "nul": b"GET / HTTP/1.1\\r\\nX: a\\0b\\r\\n" + H + b"\\r\\n",
            "leading crlf": b"\\r\\n" + inner, "leading crlf one": b"\\r\\nGET / HTTP/1.1\\r\\n" + H + b"\\r\\n", "leading lf": b"\\n" + inner, "leading space": b" " + inner,
            "leading tab": b"\\t" + inner, "many crlf": b"\\r\\n" * 40 + inner, "two hosts": b"GET / HTTP/1.1\\r\\n" + H + b"Host: " + two.encode() + b"\\r\\n\\r\\n",
            "same host twice": b"GET / HTTP/1.1\\r\\n" + H + H + b"\\r\\n", "no host": b"GET / HTTP/1.1\\r\\n\\r\\n", "no host 1.0": b"GET / HTTP/1.0\\r\\n\\r\\n", "0.9": b"GET /secret\\r\\n",
            "version 2": b"GET / HTTP/2.0\\r\\n" + H + b"\\r\\n", "version 1.2": b"GET / HTTP/1.2\\r\\n" + H + b"\\r\\n", "lower version": b"GET / http/1.1\\r\\n" + H + b"\\r\\n",
            "two spaces": b"GET  / HTTP/1.1\\r\\n" + H + b"\\r\\n", "tab": b"GET\\t/\\tHTTP/1.1\\r\\n" + H + b"\\r\\n", "space in target": b"GET /a b HTTP/1.1\\r\\n" + H + b"\\r\\n",
            "host space": b"GET / HTTP/1.1\\r\\nHost : " + one.encode() + b"\\r\\n\\r\\n", "space host": b"GET / HTTP/1.1\\r\\n Host: " + one.encode() + b"\\r\\n\\r\\n",
            "connection host": b"GET / HTTP/1.1\\r\\nConnection: host\\r\\n" + H + b"\\r\\n", "ext": post + te + b"\\r\\n3;a=b\\r\\nabc\\r\\n0\\r\\n\\r\\n",
            "chunk overflow": post + te + b"\\r\\n10000000000000003\\r\\nabc\\r\\n0\\r\\n\\r\\n" + inner, "chunk sign": post + te + b"\\r\\n+3\\r\\nabc\\r\\n0\\r\\n\\r\\n",
            "chunk 0x": post + te + b"\\r\\n0x3\\r\\nabc\\r\\n0\\r\\n\\r\\n", "chunk lf": post + te + b"\\r\\n3\\nabc\\r\\n0\\r\\n\\r\\n", "chunk longer": post + te + b"\\r\\n3\\r\\nabcd\\r\\n0\\r\\n\\r\\n",
            "trailer host": post + te + b"\\r\\n0\\r\\nHost: " + two.encode() + b"\\r\\n\\r\\n", "trailer te": post + te + b"\\r\\n0\\r\\n" + te + b"\\r\\n",
            "user": b"GET http://x@" + one.encode() + b"/ HTTP/1.1\\r\\n" + H + b"\\r\\n", "fragment": b"GET http://" + one.encode() + b"#@" + two.encode() + b"/ HTTP/1.1\\r\\n" + H + b"\\r\\n",
            "backslash": b"GET http://" + one.encode() + b"\\\\@" + two.encode() + b"/ HTTP/1.1\\r\\n" + H + b"\\r\\n", "scheme": b"GET ftp://" + one.encode() + b"/ HTTP/1.1\\r\\n" + H + b"\\r\\n",
            "lower connect": b"connect " + two.encode() + b":80 HTTP/1.1\\r\\n" + H + b"\\r\\n", "big head": b"GET / HTTP/1.1\\r\\n" + H + b"X: " + b"a" * 70000 + b"\\r\\n\\r\\n",
            "many fields": b"GET / HTTP/1.1\\r\\n" + H + b"a: b\\r\\n" * 2000 + b"\\r\\n",
        }
        r = {}
        for k, v in tries.items():
            text, end = requests(A4, 80, v, gap=0)
            r[k] = [statuses(text), end]
        out(r)
    """, *only(s), timeout=90)
    assert {k: v for k, v in got.items() if not (v[0] and v[0][-1] in (400, 403, 414, 417, 431, 505)) and v != [[], "reset"]} == {}, got
    assert "secret" not in s.bytes() and s.good("two") not in s.bytes(), s.bytes()
    # Of what is refused at its head nothing leaves at all; of a bad chunk, at most what stands before it.
    heads = [x["data"] for x in s.seen() if x["n"]]
    assert all(x.startswith("POST / HTTP/1.1\r\n") and "chunked\r\n" in x for x in heads) and len(heads) <= 10, heads
    assert "http-rule" in r.err, r


@test(smoke=True)
def test_a_denied_name_is_denied_in_every_spelling_where_all_else_passes(t):
    s = Site(t)
    got, r = s.run("""
        w, W = two.encode(), two.upper().encode()
        hosts = [w, W, w + b".", w + b":80", w + b".:80", b" \\t" + w + b"\\t ", w + b":", w + b":080", b"x@" + w, w + b"@" + one.encode(), w + b", " + one.encode(), w + b"#", w + b"/", w + b"?",
                 w + b"%2e", w.replace(b"w", b"%77", 1), b"[" + w + b"]", w + b"\\0", b"\\xef\\xbb\\xbf" + w, w.replace(b"t", "\\uff54".encode(), 1), w.replace(b".", "\\u3002".encode())]
        http = {}
        for h in hosts:
            for how, request in (("host", b"GET /secret HTTP/1.1\\r\\nHost:" + h + b"\\r\\n\\r\\n"), ("absolute", b"GET http://" + h.strip() + b"/secret HTTP/1.1\\r\\nHost: " + h + b"\\r\\n\\r\\n"),
                                 ("other", b"GET http://" + h.strip() + b"/secret HTTP/1.1\\r\\nHost: " + one.encode() + b"\\r\\n\\r\\n"),
                                 ("scheme", b"GET HTTP://" + h.strip() + b"/secret HTTP/1.0\\r\\n\\r\\n"), ("connect", b"CONNECT " + h.strip() + b":80 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"),
                                 ("old", b"GET http://" + h.strip() + b"/secret\\r\\n\\r\\n"), ("after", b"GET / HTTP/1.1\\r\\nHost: " + one.encode() + b"\\r\\n\\r\\nGET /secret HTTP/1.1\\r\\nHost: " + h + b"\\r\\n\\r\\n")):
                text, end = requests(A4, 80, request, gap=0)
                http[how + " " + h.decode("latin-1")] = statuses(text)
        tls = {str(n): offer(A4, 443, hello(sni(n)))[0] for n in (w, W, w + b".")}
        tls["cut"] = offer(A4, 443, pieces(hello(two, size=9, pq=True), 200))[0]
        dns = [ask(n)["rcode"] for n in (two, two.upper(), two + ".")]
        out([http, tls, dns, ask(one)["rcode"], offer(A4, 443, hello(one))[0], offer(A4, 443, hello())[0]])
    """, "--deny", s.good("two"), "--net", "public", timeout=90)
    http, tls, dns, *fine = got
    assert {k: v for k, v in http.items() if not v or v[-1] not in (400, 403, 505) or v[:-1] != [200] * k.startswith("after ")} == {}, http
    assert set(tls.values()) == {"denied"} and dns == ["NXDOMAIN"] * 3 and fine == ["NOERROR", "server", "server"], got
    assert "secret" not in s.bytes() and s.good("two") not in s.bytes().lower(), s.bytes()


@test(smoke=True)
def test_upgrades_are_passed_watched_and_kept_to_what_was_judged(t):
    s = Site(t)
    got, r = s.run("""
        ask(one)
        up = lambda kind, n=one: b"GET / HTTP/1.1\\r\\nHost: " + n.encode() + b"\\r\\nConnection: upgrade\\r\\nUpgrade: " + kind + b"\\r\\n\\r\\n"
        inner = b"GET /secret HTTP/1.1\\r\\nHost: " + two.encode() + b"\\r\\n\\r\\n"
        preface, settings = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", b"\\0\\0\\0\\4\\0\\0\\0\\0\\0"
        field = lambda n, v: b"\\0" + vec(1, n) + vec(1, v)
        def head(host):
            block = field(b":method", b"GET") + field(b":scheme", b"http") + field(b":authority", host.encode()) + field(b":path", b"/secret")
            return len(block).to_bytes(3, "big") + b"\\1\\5\\0\\0\\0\\3" + block
        tries = {
            "websocket": [up(b"websocket"), b"\\x81\\x05hello"], "connect": [b"CONNECT " + one.encode() + b":80 HTTP/1.1\\r\\nHost: " + one.encode() + b"\\r\\n\\r\\n", b"\\0any bytes"],
            "other host": [up(b"websocket", two)], "h2c": [up(b"h2c"), preface + settings, head(two)], "h2c early": [up(b"h2c") + preface + settings + head(two)],
            "h2c and no http": [up(b"h2c"), b"secret" * 20], "not granted": [up(b"h2c").replace(b"GET /", b"GET /stay"), inner],
        }
        out({k: requests(A4, 80, *v) for k, v in tries.items()})
    """, *only(s))
    assert got["websocket"][0].startswith("HTTP/1.1 101") and got["websocket"][0].endswith("\x81\x05hello"), got
    assert got["connect"][0].startswith("HTTP/1.1 200") and got["connect"][0].endswith("any bytes"), got
    assert got["other host"][0].startswith("HTTP/1.1 403"), got
    assert got["not granted"][0].count("HTTP/1.1 ") == 2 and "HTTP/1.1 403" in got["not granted"][0], got
    assert all(got[k][1] in ("eof", "reset") for k in ("h2c", "h2c early", "h2c and no http")), got
    assert "secret" not in s.bytes() and s.good("two") not in s.bytes() and "name-mismatch" in r.err, (got, s.bytes())


# What a proxy at A4 is asked for; its targets are names that weir itself has no addresses for.
PROXY = """
def connect(host, port=443): return b"CONNECT %s:%d HTTP/1.1\\r\\nHost: %s:%d\\r\\n\\r\\n" % (host.encode(), port, host.encode(), port)
def absolute(host, path="/x", url=b"http://"): return b"GET " + url + host.encode() + path.encode() + b" HTTP/1.1\\r\\nHost: " + host.encode() + b"\\r\\n\\r\\n"
def origin(host): return b"GET / HTTP/1.1\\r\\nHost: " + host.encode() + b"\\r\\n\\r\\n"
"""


@test(smoke=True)
def test_a_proxy_that_is_allowed_by_its_address_leads_to_allowed_names_alone(t):
    """CONNECT and absolute targets, first or later on a connection; what a tunnel's bytes show; and all the rest passes."""
    s = Site(t)
    allowed = ["--allow", s.a4 + ":tcp:80", "--allow", s.good("one")]
    got, r = s.run(PROXY + textwrap.dedent("""
        tries = {
            "absolute": [absolute(one)], "denied": [absolute(two, "/secret")], "https": [absolute(two, "/secret", b"https://")], "port": [absolute(two + ":22", "/secret")], "address": [absolute("10.0.0.1", "/secret")],
            "loopback": [absolute("127.0.0.1", "/secret")], "second": [absolute(one), absolute(two, "/secret")], "pipelined": [absolute(one) + absolute(two, "/secret")], "behind origin form": [origin(one), absolute(two, "/secret")],
            "itself": [absolute(A4)], "any host": [origin("any.test")],
            "connect": [connect(one), hello(one)], "connect denied": [connect(two), hello(one)], "connect behind": [origin(one), connect(two)], "connect address": [connect("10.0.0.1")], "connect later": [origin(one), connect(one), hello(one)],
            "other hello": [connect(one), hello(two)], "other host": [connect(one, 80), origin(two)], "same host": [connect(one, 80), origin(one)], "nested": [connect(one, 3128), connect(one)], "nested absolute": [connect(one, 3128), absolute(two, "/secret")],
            "hello at once": [connect(one) + hello(two)], "bytes": [connect(one), b"\\0bytes"], "cut": [absolute(two, "/secret")[:4], absolute(two, "/secret")[4:12], absolute(two, "/secret")[12:]], "word": [b"GET", absolute(two, "/secret")[3:]],
        }
        r = {k: requests(A4, 80, *v) for k, v in tries.items()}
        r["paused"] = requests(A4, 80, b"GET ", absolute(two, "/secret")[4:], gap=5.3)
        r["not http"] = requests(A4, 80, b"\\0 any bytes")
        out(r)
    """), *allowed, "--events", t.dir + "/ev", timeout=60)
    status = {k: [int(x[:3]) for x in v[0].split("HTTP/1.1 ")[1:]] for k, v in got.items()}
    fine = {"absolute": [200], "itself": [200], "any host": [200], "connect": [200], "connect later": [200, 200], "other hello": [200], "same host": [200], "hello at once": [200], "bytes": [200]}
    for k, v in status.items():
        if k in fine:
            assert v == fine[k], (k, got[k])
        elif k != "not http":
            assert v[-1:] == [403] and v[:-1] in ([], [200]) and got[k][1] == "eof", (k, got[k])
    assert got["connect"][0].count(s.good("one")) == 1 and got["connect later"][0].endswith(got["connect"][0][-100:]), got  # what comes back is what went
    assert got["other hello"][0].endswith("\x15\x03\x03\0\x02\x02\x31") and got["hello at once"][0].endswith("\x02\x31"), got
    assert got["bytes"][0].endswith("\0bytes") and got["not http"][1] != "reset", got
    assert "secret" not in s.bytes() and s.good("two") not in s.bytes(), s.bytes()
    # The same rule and reason as weir-check(1) says for the target.
    told = [e for e in events(t.dir + "/ev", "deny") if e.get("name") == s.good("two")]
    check = json.loads(t.host([t.weir, "check", *allowed, "--json", "http://%s/" % s.good("two")], rc=1).out)
    assert len(told) > 8 and {(e["reason"], e["rule"]) for e in told} == {(check["reason"], check["rule"])}, (told, check)


@test(smoke=True)
def test_a_tunnel_ends_with_the_rule_that_let_it_reach_its_target(t):
    """SIGHUP: what a proxy was asked for is judged again, beside the proxy itself."""
    s, path = Site(t), t.dir + "/p.yaml"

    def rules(*names):
        with open(path, "w") as f:
            f.write("policy: {rules: [%s]}" % ", ".join("'allow@%s'" % n for n in (s.a4 + ":tcp:80",) + names))
    rules(s.good("one"), s.good("two"))
    p = t.spawn("-c", path, cmd=t.py_cmd(s.code(PROXY + textwrap.dedent("""
        def opened(*parts):
            s = socket.create_connection((A4, 80), 5)
            for x in parts:
                s.sendall(x)
                assert b" 200 " in s.recv(65536)
            return s
        open_ = {"raw": opened(connect(two)), "tls": opened(connect(two)), "kept": opened(connect(one)), "absolute": opened(absolute(two)), "back": opened(absolute(two), origin(one))}
        for k in ("raw", "kept"):
            open_[k].sendall(b"\\0x")
            open_[k].recv(10)
        open_["tls"].sendall(hello(two))
        open_["tls"].recv(65536)
        print("open", flush=True)
        input()
        t0, ends = time.monotonic(), {}
        for k in ("raw", "tls", "absolute"):
            try:
                open_[k].settimeout(5)
                ends[k] = repr(open_[k].recv(10))
            except OSError as e:
                ends[k] = type(e).__name__
        took = time.monotonic() - t0
        open_["kept"].sendall(b"\\0y")
        open_["back"].sendall(origin(one))
        print(json.dumps([ends, took, open_["kept"].recv(10).decode(), b" 200 " in open_["back"].recv(65536)]), flush=True)
    """))), stdin=-1)
    p.wait_for("open\n")
    rules(s.good("one"))
    p.p.send_signal(signal.SIGHUP)
    p.write(b"\n")
    r = p.wait()
    ends, took, kept, back = json.loads(r.out.strip().split("\n")[-1])
    assert set(ends.values()) == {"ConnectionResetError"} and took < 1.5, (ends, took, r)
    assert kept == "\0y" and back and "policy-changed" in r.err and s.good("two") in r.err, (kept, back, r)


@test(smoke=True)
def test_streams_of_one_connection_are_judged_one_by_one(t):
    t.need("nghttpd")
    s = Site(t)
    d = t.internet_go(["nghttpd", "-v", "--no-tls", "-a", s.a4, "-d", lab.ROOT + "/www", "8081"], ns="origin")
    d.wait_for("listen")
    got, r = s.run("""
        ask(one)
        frame = lambda kind, flags, stream, data: len(data).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", stream) + data
        field = lambda n, v: b"\\0" + vec(1, n) + vec(1, v)
        def head(host, stream, path=b"/index.html", more=b""):
            return frame(1, 5, stream, field(b":method", b"GET") + field(b":scheme", b"http") + field(b":authority", host) + field(b":path", path) + more)
        def talk(*parts):
            s = socket.create_connection((A4, 8081), 5)
            got = b""
            try:
                s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + frame(4, 0, 0, b""))
                for p in parts:
                    s.sendall(p)
                    time.sleep(0.05)
                s.settimeout(0.4)
                while True:
                    b = s.recv(65536)
                    if not b:
                        break
                    got += b
            except OSError:
                pass
            kinds = []
            while len(got) >= 9:
                n = int.from_bytes(got[:3], "big")
                kinds.append([got[3], struct.unpack("!I", got[5:9])[0], got[9:9 + n].decode("latin-1")])
                got = got[9 + n:]
            return kinds
        o, w = one.encode(), two.encode()
        out([talk(head(o, 1), head(o, 3)), talk(head(o, 1), head(w, 3, b"/secret")), talk(head(o, 1) + head(w, 3, b"/secret")), talk(head(w, 1, b"/secret")),
             talk(head(o, 1, more=field(b"host", w))), talk(head(o, 1, more=field(b":authority", w))), talk(head(o + b"@" + w, 1, b"/secret"))])
    """, *only(s), timeout=30)
    both, second, together, first, *twice = got
    served = lambda frames: [f[1] for f in frames if f[0] == 0 and "hello from the lab" in f[2]]
    assert served(both) == [1, 3], both
    for x in (second, together, first):
        assert 3 not in served(x) and "name-mismatch" in str(x), x
    assert served(second) == [1], second
    assert all(served(x) == [] for x in twice), twice
    assert "secret" not in d.out and s.good("two") not in d.out, d.out


@test(smoke=True)
def test_nothing_is_held_any_more_when_the_guest_has_ended(t):
    """What is too short to be judged will never be longer: it passes or is refused at once, and weir does not wait for it."""
    s = Site(t)
    got, r = s.run("""
        ask(one)
        request = b"GET / HTTP/1.1\\r\\nHost: " + one.encode() + b"\\r\\n\\r\\n"
        def ended(port, *parts):
            s = socket.create_connection((A4, port), 4)
            for p in parts:
                s.sendall(p)
                time.sleep(0.02)
            t0, got = time.monotonic(), b""
            try:
                s.shutdown(socket.SHUT_WR)
                while True:
                    b = s.recv(65536)
                    if not b:
                        break
                    got += b
                end = "eof"
            except OSError as e:
                end = type(e).__name__
            return [word(got), statuses(got.decode("latin-1")), end, time.monotonic() - t0]
        out({"letter": ended(7000, b"x"), "letters": ended(7000, b"GE", b"T"), "nothing": ended(7000), "hello": ended(443, hello(one)[:60]), "byte": ended(443, b"\\x16"),
             "head": ended(80, request[:-2]), "second": ended(80, request, request[:20]), "body": ended(80, b"POST" + request[3:-2] + b"Content-Length: 9\\r\\n\\r\\nabc"),
             "upgrade": ended(80, request[:-2] + b"Upgrade: h2c\\r\\n\\r\\n", b"PRI * HTTP/2.0\\r\\n"), "preface": ended(80, b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0")})
    """, *only(s))
    assert got["letter"][0] == got["letters"][0] == "server" and got["nothing"][0] == "closed", got
    assert [x["data"] for x in s.seen() if x["port"] == 7000] == ["x", "GET", ""], s.seen()
    assert got["hello"][0] != "server" and got["byte"][0] != "server", got
    assert got["head"][1] == [400] and got["second"][1] == [200, 400] and got["body"][2] == "eof", got
    assert all(x[3] < 1.5 for x in got.values()) and r.seconds < 6, (got, r)


@test(smoke=True)
def test_a_request_in_drops_is_one_request(t):
    """Whatever part of it had to go alone, the rest of it does not follow; where names have to be shown, nothing goes."""
    s = Site(t)
    with open(t.dir + "/strict.yaml", "w") as f:
        f.write("policy: {rules: [{destination: {domain: %s}, action: allow, strict: true}]}\n" % s.good("one"))
    code = """
        ask(one)
        def request(n): return b"GET /secret HTTP/1.1\\r\\nHost: " + n.encode() + b"\\r\\n\\r\\n"
        r, cuts = {}, [(1,), (3,), (4,), (1, 2, 3), (3, 4, 9), (1, 30), (3, 45)]
        def one_try(n, cut):
            parts = [request(n)[a:b] for a, b in zip((0,) + cut, cut + (None,))]
            text, end = requests(A4, 80, *parts, gap=0.1)
            r["%s %s" % (n.split(".")[0], cut)] = [statuses(text), end]
        threads = [threading.Thread(target=one_try, args=(n, c)) for n in (one, two) for c in cuts]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        out(r)
    """
    got, r = s.run(code, *only(s))
    assert all(x[0] == [200] for k, x in got.items() if k.startswith("one ")), got
    assert all(x[0] in ([403], []) and x[1] in ("eof", "reset") for k, x in got.items() if k.startswith("two ")), got
    assert s.good("two") not in s.bytes() and s.bytes().count("secret") == 7, s.bytes()
    s.clear()
    got, r = s.run(code, "-c", t.dir + "/strict.yaml")
    assert all(x[0] == [200] for k, x in got.items() if k.startswith("one ")), got
    assert len([x for x in s.seen() if x["n"]]) == 7 and s.good("two") not in s.bytes(), (got, s.seen())


@test(smoke=True)
def test_a_server_that_is_careless_is_still_heard(t):
    """Answers that weir would refuse if they were requests: they arrive, and the next request is judged all the same."""
    s = Site(t)
    got, r = s.run("""
        ask(one)
        h = lambda n, target: b"GET " + target + b" HTTP/1.1\\r\\nHost: " + n.encode() + b"\\r\\n\\r\\n"
        out({k: requests(A4, 80, h(one, b"/raw/" + k.encode()), h(two, b"/secret")) for k in ("lf", "fold", "none", "early", "two-lengths", "text")})
    """, *only(s))
    assert all("careless" in x[0] for x in got.values()), got
    assert "secret" not in s.bytes() and r.err.count("name-mismatch") >= 1, (got, s.bytes(), r)


# ---- and honest bytes are as they were -------------------------------------------------------------------

@test(smoke=True)
def test_http2_in_the_clear_between_real_programs(t):
    """Thousands of streams with headers from the table that both sides keep, and a body of some size."""
    t.need("nghttpd", "nghttp", "h2load")
    s = Site(t)
    t.internet_go(["nghttpd", "--echo-upload", "--no-tls", "-a", s.a4, "-d", lab.ROOT + "/www", "8081"], ns="origin")
    t.lab.wait([(s.a4, 8081)])
    body = t.lab.file("five-mib", 5 << 20)
    url = "http://%s:8081/" % s.good("one")
    r = t.run("--no-ipv6", *only(s), sh="h2load -n 3000 -c 3 -m 50 -H 'x-a: b' -H 'user-agent: load' %sindex.html; nghttp -d %s %s | sha256sum; sha256sum <%s" % (
        url, body, url, body))
    assert "3000 succeeded, 0 failed" in r.out and "status codes: 3000 2xx" in r.out, r
    sums = r.out.split()[-4:]
    assert sums[0] == sums[2] and "refused" not in r.err, r


@test(smoke=True)
def test_bodies_in_any_chunks_and_segments_arrive_as_they_were_sent(t):
    s = Site(t)
    seed = random.Random().getrandbits(32)
    got = s.py("""
        import hashlib, random
        rnd = random.Random(%d)
        ask(one)
        r = []
        for i in range(12):
            body = rnd.randbytes(rnd.choice((0, 1, 100, 5000, 70000, 300000)))
            h = b"POST /%%d HTTP/1.1\\r\\nHost: " %% i + one.encode() + b"\\r\\n"
            data, at = h + b"Transfer-Encoding: chunked\\r\\n\\r\\n", 0
            while at < len(body):
                n = rnd.choice((1, 2, 15, 16, 255, 4096, 65536))
                data += b"%%x\\r\\n" %% len(body[at:at + n]) + body[at:at + n] + b"\\r\\n"
                at += n
                if len(data) > 2000000:
                    body = body[:at]
            data += b"0\\r\\n\\r\\n" + h + b"Content-Length: %%d\\r\\n\\r\\n" %% len(body) + body
            s = socket.create_connection((A4, 80), 10)
            while data:
                n = rnd.choice((1, 3, 100, 1460, 9000, 200000))
                s.sendall(data[:n])
                data = data[n:]
            text = b""
            s.settimeout(10)
            while text.count(b'"sha"') < 2 or not text.endswith(b"}"):
                b = s.recv(65536)
                assert b, text
                text += b
            r.append(text.count(hashlib.sha256(body).hexdigest().encode()))
        out(r)
    """ % seed, *only(s), timeout=60)
    assert got == [2] * 12, (seed, got)


@test(release=True, timeout=120)
def test_a_hundred_megabytes_up_and_down_by_name(t):
    size = 100 << 20
    path = t.lab.file("hundred-mib", size)
    want = t.host(["sha256sum", path]).out.split()[0]
    up = "up-%d" % t.number
    allow = ["--allow", "web.test", "--dns-rebind-allow", "198.51.100.0/24", "--dns-rebind-allow", "2001:db8:51::/48"]
    r = t.run(*allow, sh="curl -sS http://web.test/hundred-mib | sha256sum; curl -sS -o /dev/null -w '%%{http_code}\\n' -T %s http://web.test/up/%s; "
              "curl -sS -o /dev/null -w '%%{http_code}\\n' -H 'Transfer-Encoding: chunked' -T %s http://web.test/up/%s-chunked; "
              "curl -sS http://web.test/up/%s-chunked | sha256sum" % (path, up, path, up, up), timeout=100)
    assert r.out.split() == [want, "-", "201", "201", want, "-"], r
    assert t.host(["sha256sum", lab.ROOT + "/www/up/" + up]).out.split()[0] == want
    assert "refused" not in r.err, r
