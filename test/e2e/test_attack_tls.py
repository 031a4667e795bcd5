# SPDX-License-Identifier: Apache-2.0
"""The TLS and QUIC rows of the attack table: only an allowed server name reaches the origin, however it is sent."""
import lab
from attack import Site, quic_initials
from harness import test


def only(s):
    """The rules of most tests: one of the site's names."""
    return ["--allow", s.good("one")]


@test(links=True, smoke=True)
def test_one_verdict_however_the_hello_is_cut(t):
    """Segments and records of any size, a name behind byte 1024, a hello of post-quantum size: as if it came whole."""
    s = Site(t)
    got, r = s.run("""
        ask(one)
        shapes = {
            "whole": lambda n: hello(n), "post-quantum": lambda n: hello(n, pq=True),
            "late": lambda n: hello(n, before=padding(1500)), "very late": lambda n: hello(n, before=padding(12000)),
            "records of 1": lambda n: hello(n, size=1), "records of 3": lambda n: hello(n, size=3), "records of 100": lambda n: hello(n, size=100),
            "segments of 7": lambda n: pieces(hello(n), 7), "segments of 300": lambda n: pieces(hello(n, pq=True), 300),
            "records and segments": lambda n: pieces(hello(n, size=11, pq=True), 97),
            "first byte alone": lambda n: [hello(n)[:1], hello(n)[1:]], "inside the name": lambda n: [hello(n)[:-100], hello(n)[-100:]],
        }
        r = {}
        for k, make in shapes.items():
            r[k] = [offer(A4, 443, make(n)) for n in (one, two)] + [offer(A6, 443, make(one))]
        out(r)
    """, *only(s), timeout=60)
    assert {k: [x[0] for x in v[:2]] for k, v in got.items() if [x[0] for x in v[:2]] != ["server", "denied"]} == {}, got
    assert all(x[1] < 3 for v in got.values() for x in v), got
    # AAAA was not asked for, so those addresses are bound to nothing.
    assert all(v[2][0] == "refused" for v in got.values()), got
    assert set(s.names()) == {s.good("one")} and s.good("two") not in s.bytes()
    assert "name-mismatch" in r.err and "no-binding" in r.err, r


@test(smoke=True)
def test_every_other_way_to_write_the_name(t):
    s = Site(t)
    got, r = s.run("""
        ask(one)
        nul = one + "\\0" + "." + two
        hellos = {
            "none": hello(), "empty": hello(sni("")), "no entry": hello(ext(0, vec(2, b""))), "other kind": hello(sni(one, kind=1)),
            "twice": hello(sni(one, one)), "two names": hello(sni(one, two)), "two names back": hello(sni(two, one)),
            "two extensions": hello(sni(one) + sni(one)), "two of two": hello(sni(one) + sni(two)), "apart": hello(sni(one), after=sni(two)),
            "nul": hello(sni(nul)), "nul at the end": hello(sni(one + "\\0")), "nul before": hello(sni("\\0" + one)),
            "address": hello(A4), "address 6": hello(A6), "number": hello(str(int.from_bytes(socket.inet_aton(A4), "big"))), "hex": hello("0x7f000001"),
            "space": hello(one + " "), "newline": hello(one + "\\n"), "wildcard": hello(good("*")), "two dots": hello(one + ".."),
            "slash": hello(one + "/"), "port": hello(one + ":443"), "user": hello("x@" + one), "below": hello("x." + one), "prefix": hello("evil" + one),
            "suffix": hello(one + ".evil.zone"), "full width": hello(one.replace(".", "\\u3002").encode()), "long": hello("a" * 64 + "." + one),
            "very long": hello(("a." * 200) + one), "short list": hello(ext(0, vec(2, b"\\0" + vec(2, one.encode()))[:-1])),
            "long list": hello(ext(0, vec(2, b"\\0" + vec(2, one.encode()) + b"x"))), "case of another": hello(two.upper()),
        }
        fine = {"upper": hello(one.upper()), "mixed": hello(one.title()), "dot": hello(one + ".")}
        out([{k: offer(A4, 443, v) for k, v in hellos.items()}, {k: offer(A4, 443, v)[0] for k, v in fine.items()}])
    """, *only(s), timeout=60)
    bad, fine = got
    assert {k: v for k, v in bad.items() if v[0] != "denied" or v[1] > 2} == {}, bad
    assert set(fine.values()) == {"server"}, fine
    seen = [x for x in s.seen() if x["n"]]
    assert len(seen) == 3 and "no-name" in r.err and "name-mismatch" in r.err, (seen, r)


@test(smoke=True)
def test_what_only_begins_like_tls_is_not_let_go(t):
    """Whatever stands before, in, or instead of the hello: no server is asked for another name."""
    s = Site(t)
    got, r = s.run("""
        ask(one)
        m = message(two)
        get = b"GET / HTTP/1.1\\r\\nHost: " + two.encode() + b"\\r\\n\\r\\n"
        rec = lambda kind, data, version=b"\\3\\1": bytes([kind]) + version + vec(2, data)
        tries = {
            "alert first": rec(21, b"\\1\\0") + records(m), "no certificate": rec(21, b"\\1\\x29") + records(m), "two alerts": rec(21, b"\\1\\x5a") * 2 + records(m),
            "ccs first": rec(20, b"\\1") + records(m), "data first": rec(23, b"") + records(m), "data": rec(23, b"x") + records(m),
            "heartbeat": rec(24, b"\\1\\0\\0") + records(m), "empty record": rec(22, b"") + records(m), "empty records": rec(22, b"") * 20 + records(m),
            "alert inside": rec(22, m[:40]) + rec(21, b"\\1\\0") + rec(22, m[40:]), "ccs inside": rec(22, m[:40]) + rec(20, b"\\1") + rec(22, m[40:]),
            "versions": rec(22, m[:9], b"\\3\\0") + rec(22, m[9:], b"\\3\\4"), "version 0": rec(22, m, b"\\3\\0"), "version 255": rec(22, m, b"\\3\\xff"),
            "hello request": rec(22, b"\\0\\0\\0\\0") + records(m), "hello request in one": rec(22, b"\\0\\0\\0\\0" + m), "two hellos": records(message(one) + m),
            "finished first": rec(22, b"\\x14\\0\\0\\0") + records(m), "short hello": rec(22, b"\\1\\0\\0\\2\\3\\3") + records(m),
            "http in a record": rec(22, get), "http behind": rec(22, b"") + get, "tls then http": b"\\x16\\3\\1" + get,
            "too long": b"\\x16\\3\\1\\xff\\xff" + m, "huge": rec(22, b"\\1\\x01\\0\\0" + bytes(200)) + get, "sslv2": b"\\x80\\x2e\\1\\3\\3" + bytes(43),
            "early data": hello(two, after=ext(42, b"")) + rec(23, b"secret" * 20), "tail": records(m) + b"secret" * 200,
        }
        out({k: offer(A4, 443, v, timeout=1) for k, v in tries.items()})
    """, *only(s), timeout=60)
    two = s.good("two")
    assert two not in s.names(), s.names()
    assert {k: v for k, v in got.items() if v[0] not in ("denied", "server" if k == "sslv2" else "")} == {}, got
    reached = [x["data"] for x in s.seen() if two in x["data"]]
    assert reached == [], (reached, got)
    assert "secret" not in s.bytes()


@test(smoke=True)
def test_a_hello_that_never_ends_is_ended(t):
    s = Site(t)
    got, r = s.run("""
        ask(one)
        tries = [b"\\x16\\3\\1\\x40\\0\\1\\0\\x3f\\xfc" + bytes(16000), pieces(hello(one, before=padding(14000))[:-1], 4000), [hello(two)[:80]], b"\\x15"]
        r = [None] * len(tries)
        def one_try(i):
            r[i] = offer(A4, 443, tries[i], timeout=9)
        threads = [threading.Thread(target=one_try, args=(i,)) for i in range(len(tries))]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        out(r)
    """, *only(s))
    assert all(x[0] in ("denied", "reset") and x[1] < 8 for x in got), got
    assert s.got_nothing(), s.seen()


@test(smoke=True)
def test_an_allowed_name_at_an_address_that_is_not_its_own(t):
    s = Site(t)
    got, r = s.run("""
        from guest import WEB4
        r = [offer(A4, 443, hello(one)), offer(WEB4, 443, hello(one))]
        ask(one)
        r += [offer(A4, 443, hello(one)), offer(WEB4, 443, hello(one)), offer(A6, 443, hello(one))]
        ask(one, "AAAA")
        out(r + [offer(A6, 443, hello(one))])
    """, *only(s))
    assert [x[0] for x in got] == ["refused", "refused", "server", "refused", "refused", "server"], got
    assert "no-binding" in r.err and all(x[1] < 2 for x in got), (got, r)


@test(smoke=True)
def test_a_second_hello_names_what_the_first_one_named(t):
    """The server asks for another hello (HelloRetryRequest); the guest then wants another name."""
    s = Site(t)
    got, r = s.run("""
        ask(one)
        r = []
        for second in (one, two, None):
            s = socket.create_connection((A4, 443), 5)
            s.settimeout(3)
            s.sendall(hello(one, share=False))
            first = s.recv(65536)
            time.sleep(0.05)
            try:
                s.sendall(hello(second))
                r.append([word(first), len(first), word(s.recv(65536))])
            except OSError as e:
                r.append([word(first), len(first), type(e).__name__])
        # Both at once: the second is behind the first before the server has said anything.
        r.append(offer(A4, 443, hello(one, share=False) + hello(two)))
        out(r)
    """, *only(s))
    assert got[0][0] == "server" and got[0][2] == "server", got
    assert s.good("two") not in s.bytes(), (got, s.names())


@test(smoke=True)
def test_a_greased_hello_passes_and_an_encrypted_one_does_not(t):
    s = Site(t)
    got, r = s.run("""
        ask(one)
        out([offer(A4, 443, hello(one, before=GREASE_ECH)), offer(A4, 443, hello(one, after=GREASE_ECH, pq=True)), offer(A4, 443, hello(two, after=GREASE_ECH)),
             offer(A4, 443, hello("cloudflare-ech.com", after=GREASE_ECH))])
    """, *only(s), "--allow", "cloudflare-ech.com")
    assert [x[0] for x in got] == ["server", "server", "denied", "denied"], got
    assert "  ech " in r.err and s.names() == [s.good("one")] * 2, (r, s.names())


@test(smoke=True)
def test_real_clients_of_both_names(t):
    s = Site(t)
    curl = "curl -sS -m 5 -o /dev/null -w '%{http_code} ' "
    at = "--resolve %s:443:%s" % (s.good("two"), s.a4)
    r = t.run(*only(s), sh="%s https://%s/; %s %s https://%s/; %s --tls-max 1.2 https://%s/; echo Q | openssl s_client -quiet -connect %s:443 -noservername 2>&1 | "
              "grep -c 'access denied'" % (curl, s.good("one"), curl, at, s.good("two"), curl, s.good("one"), s.a4))
    assert r.out.split() == ["200", "000", "200", "1"] and "alert access denied" in r.err and r.seconds < 5, r
    assert s.names() == [s.good("one")] * 2, s.names()


# ---- QUIC ----------------------------------------------------------------------------------------------

SEND = """
        def send(datagrams):
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.setsockopt(socket.IPPROTO_IP, 11, 1)
            u.settimeout(%f)
            u.connect((A4, 443))
            for d in datagrams:
                try:
                    u.send(bytes.fromhex(d))
                except OSError:
                    pass
                time.sleep(0.01)
            try:
                return len(u.recv(65535))
            except OSError as e:
                return type(e).__name__ + " " + str(e.errno)
"""


@test(smoke=True)
def test_quic_is_judged_by_the_name_in_its_first_packet(t):
    s = Site(t)
    one, two = (quic_initials(s, n)[0] for n in ("one", "two"))
    draft = quic_initials(s, "one", "--version", "v2draft")[0]
    got, r = s.run(SEND % 1 + """
        r = [send([%r])]
        ask(one)
        out(r + [send([d]) for d in (%r, %r, %r)])
    """ % (one.hex(), one.hex(), two.hex(), draft.hex()), *only(s))
    # Before anybody asked for the name; behind that; another name; a version whose keys nobody knows.
    assert got == ["OSError 113", len(one), "OSError 113", "OSError 113"], (got, r)
    assert [x["data"].encode("latin-1") for x in s.seen()] == [one]
    assert "no-binding" in r.err and "%s)  name-mismatch" % s.good("two") in r.err and "quic-blocked" in r.err, r


@test(smoke=True)
def test_nothing_before_or_beside_a_quic_hello_makes_another_one_pass(t):
    s = Site(t)
    one, two = quic_initials(s, "one")[0], quic_initials(s, "two")[0]
    tries = [
        [b"junk", two], [b"", two], [b"\x40" + bytes(40), two], [one, two], [one, b"\x41" + bytes(30), two, two],
        [bytes([two[0]]) + bytes(4) + two[5:], two], [bytes([two[0]]) + b"\x0a\x1a\x2a\x3a" + two[5:], two], [two[:600], two],
        [two[:900] + bytes([two[900] ^ 1]) + two[901:], two], [two, two, b"x"],
    ]
    got, r = s.run(SEND % 0.1 + """
        ask(one)
        out([send(x) for x in %r])
    """ % [[d.hex() for d in x] for x in tries], *only(s))
    came = [x["data"].encode("latin-1") for x in s.seen()]
    assert one in came and two not in came and two[:600] not in came, (got, r)


@test(smoke=True)
def test_quic_between_a_real_client_and_a_real_server(t):
    t.need("gtlsclient", "gtlsserver")
    s = Site(t)
    t.internet_go(["gtlsserver", "-q", "-d", lab.ROOT + "/www", s.a4, "443", lab.ROOT + "/server.key", lab.ROOT + "/server.pem"], ns="origin")
    ask = "gtlsclient --no-quic-dump --exit-on-first-stream-close --timeout=2s %s 443 https://%s/ 2>&1" % (s.good("one"), s.good("one"))
    r = t.run("--no-ipv6", *only(s), sh="sleep 0.3; %s" % ask, rc=None)
    assert ":status: 200" in r.out and "refused" not in r.err, r


@test(smoke=True)
def test_datagrams_that_are_no_quic_go_by_the_binding(t):
    s = Site(t)
    stun = bytes.fromhex("000100002112a442") + b"t" * 12
    got, r = s.run("""
        from guest import udp_ask
        stun = %r
        r = [str(udp_ask(A4, p, stun, 2)[0]) for p in (3478, 7000)]
        ask(one)
        out(r + [udp_ask(A4, p, stun, 2)[0] == stun for p in (3478, 7000, 443)])
    """ % stun, *only(s))
    assert got == ["EHOSTUNREACH"] * 2 + [True] * 3, got
    assert len(s.seen()) == 3 and "no-binding" in r.err, (s.seen(), r)
