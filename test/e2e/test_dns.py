# SPDX-License-Identifier: Apache-2.0
"""Names, through the gateway to the host's resolver."""
import json

import lab
from harness import test


@test(links=True, smoke=True)
def test_dig_asks_the_gateway_over_udp_and_tcp(t):
    r = t.run(sh="dig +short web.test A; dig +short web.test AAAA; dig +tcp +short web.test A; dig +short alias.test")
    assert r.out.split() == [lab.WEB4, lab.WEB6, lab.WEB4, "web.test.", lab.WEB4], r


@test(links=True, smoke=True)
def test_kdig_over_tcp_and_udp(t):
    t.need("kdig")
    r = t.run(sh="kdig +short +tcp web.test AAAA; kdig +short web.test A; kdig +tcp +keepopen web.test A alt.test A | grep -c NOERROR")
    assert r.out.split() == [lab.WEB6, lab.WEB4, "2"], r


@test(smoke=True)
def test_the_gateways_ipv6_address_answers_too(t):
    got = t.py("""
        g = gateway_address(6)
        out([subprocess.check_output([p, "+short", "@" + g, "web.test"] + x).decode().strip()
             for p in ("dig", "kdig") for x in ([], ["+tcp"])])
    """)
    assert got == [lab.WEB4] * 4, got


@test(smoke=True)
def test_names_that_are_not_there_and_types_that_are_not_there_differ(t):
    r = t.run(sh="dig nothere.test; dig v4only.test AAAA")
    first, second = r.out.split("; <<>>")[1:3]
    assert "status: NXDOMAIN" in first, r
    assert "status: NOERROR" in second and "ANSWER: 0" in second, r


@test(links=True, smoke=True)
def test_an_answer_too_large_for_udp_comes_over_tcp(t):
    r = t.run(sh="dig big.test TXT; dig +ignore big.test TXT")
    full, cut = r.out.split("; <<>>")[1:3]
    assert full.count('"' + "a" * 200) == 1 and "ANSWER: 16" in full and "(TCP)" in full, r
    assert " tc" in cut.split("flags:")[1].split(";")[0], r


@test(smoke=True)
def test_getaddrinfo_finds_both_families_and_the_search_list_is_used(t):
    got = t.py("out(sorted({a[4][0] for a in socket.getaddrinfo('web.test', 80)}))")
    assert got == [lab.WEB6, lab.WEB4] or got == sorted([lab.WEB4, lab.WEB6]), got
    got = t.py("out(sorted({a[4][0] for a in socket.getaddrinfo('web', 80)}))")
    assert got == sorted([lab.WEB4, lab.WEB6]), got


@test(smoke=True)
def test_a_name_that_is_not_there_fails_at_once(t):
    got = t.py("""
        t0 = time.monotonic()
        try:
            socket.getaddrinfo("nothere.test", 80)
            out(["ok", 0])
        except OSError as e:
            out([err_name(e), time.monotonic() - t0])
    """)
    assert got[0] == "gaierror -2" and got[1] < 1, got


@test(smoke=True)
def test_many_queries_at_once_are_all_answered(t):
    got = t.py("""
        s = udp_socket("127.0.0.1", 3)
        import random
        gw = default_gateway(4)
        want = {}
        for i in range(150):
            q = struct.pack("!HHHHHH", i, 0x100, 1, 0, 0, 0) + b"\\3web\\4test\\0" + struct.pack("!HH", 1 if i % 2 else 28, 1)
            s.sendto(q, (gw, 53))
        got = set()
        try:
            while len(got) < 150:
                a = s.recv(1500)
                got.add(struct.unpack("!H", a[:2])[0])
                assert a[3] & 15 == 0
        except OSError:
            pass
        out(len(got))
    """)
    assert got == 150, got


@test(smoke=True)
def test_non_dns_on_port_53_is_not_passed_on(t):
    """Answered as malformed, or dropped; nothing of it reaches the resolver."""
    marker = "leak%d" % t.number
    t.py("""
        gw = default_gateway(4)
        for data in (b"", b"x", b"%s" * 10, b"\\0" * 11, struct.pack("!HHHHHH", 7, 0x100, 5, 0, 0, 0) + b"\\4%s\\0\\0\\1\\0\\1"):
            s = udp_socket(gw, 0.5)
            udp_ask(gw, 53, data, sock=s)
        a, _ = udp_ask(gw, 53, struct.pack("!HHHHHH", 9, 0x100, 1, 0, 0, 0) + b"\\3web\\4test\\0\\0\\1\\0\\1")
        out(a[:2] == b"\\0\\x09")
    """ % (marker, marker))
    with open(lab.ROOT + "/log/dnsmasq", errors="replace") as f:
        assert marker not in f.read()


@test(links=True)
def test_a_changed_resolver_of_the_host_is_followed(t):
    conf = t.dir + "/resolv.conf"
    with open(conf, "w") as f:
        f.write("nameserver %s\n" % lab.DEAD4)
    p = t.go(["unshare", "--mount", "sh", "-c", "mount --bind %s /etc/resolv.conf && exec \"$@\"" % conf, "sh"] +
             t.argv([], ["sh", "-c", "dig +short +tries=1 +timeout=2 web.test; echo first; "
                                     "for i in 1 2 3 4 5 6 7 8; do dig +short +tries=1 +timeout=2 web.test; sleep 0.5; done"]))
    p.wait_for("first")
    with open(conf, "w") as f:
        f.write("nameserver %s\n" % lab.DNS6)
    r = p.wait()
    before, _, after = r.out.partition("first")
    assert lab.WEB4 not in before and lab.WEB4 in after, r


@test(smoke=True)
def test_the_second_resolver_is_asked_when_the_first_is_dead(t):
    conf = t.dir + "/resolv.conf"
    with open(conf, "w") as f:
        f.write("nameserver %s\nnameserver %s\n" % (lab.DEAD4, lab.DNS4))
    r = t.host(["unshare", "--mount", "sh", "-c", "mount --bind %s /etc/resolv.conf && exec \"$@\"" % conf, "sh"] +
               t.argv([], ["dig", "+short", "+tries=2", "+timeout=5", "web.test"]))
    assert lab.WEB4 in r.out, r


@test(smoke=True)
def test_a_resolver_can_be_named(t):
    r = t.run("--dns-upstream", lab.DNS6, cmd=["dig", "+short", "web.test"])
    assert r.out.strip() == lab.WEB4, r
    r = t.run("--dns-upstream", "%s:53" % lab.DNS4, cmd=["dig", "+short", "web.test"])
    assert r.out.strip() == lab.WEB4, r


@test(smoke=True)
def test_a_resolver_that_is_gone_is_an_answer_and_not_silence(t):
    r = t.run("--dns-upstream", lab.DEAD4, "--dns-timeout", "1000", cmd=["dig", "+tries=1", "+timeout=8", "web.test"], rc=None)
    assert "SERVFAIL" in r.out, r


@test(smoke=True)
def test_the_gateways_own_name_is_known(t):
    got = t.py("out([socket.getaddrinfo('host.weir.internal', 80)[0][4][0], default_gateway(4), gateway_address(6)])")
    assert got[0] in got[1:], got


@test(smoke=True)
def test_a_public_resolver_can_be_asked_directly(t):
    r = t.run(sh="dig +short @%s web.test; dig +short +tcp @%s web.test" % (lab.DNS4, lab.DNS6))
    assert r.out.split() == [lab.WEB4] * 2, r



# ---- what the policy says about names ---------------------------------------------------------------

DOC = ["--dns-rebind-allow", "198.51.100.0/24", "--dns-rebind-allow", "2001:db8::/32"]  # where the lab's servers are


def resolver_log():
    with open(lab.ROOT + "/log/dnsmasq", errors="replace") as f:
        return f.read().lower()


@test(smoke=True)
def test_a_denied_name_is_told_with_the_rule_and_never_leaves(t):
    name = "secret%d.alt.test" % t.number
    r = t.run("--deny", "*.alt.test", "--net", "public", sh="dig %s; dig +tcp %s AAAA; dig +noedns %s" % ((name,) * 3))
    first, second, third = r.out.split("; <<>>")[1:4]
    for one in (first, second):
        assert "status: NXDOMAIN" in one and "EDE: 15" in one and "rule: deny@*.alt.test" in one, r
    assert "status: NXDOMAIN" in third and "EDE" not in third, r
    assert name not in resolver_log()


@test(smoke=True)
def test_a_denied_name_can_be_refused_instead(t):
    r = t.run("--deny", "alt.test", "--dns-deny-rcode", "refused", "--net", "public", cmd=["dig", "alt.test"])
    assert "status: REFUSED" in r.out and "EDE: 15" in r.out, r


@test(smoke=True)
def test_where_names_are_allowed_only_those_are_answered(t):
    r = t.run(*DOC, "--allow", "web.test", sh="dig web.test; dig alt.test; dig _x.web.test; dig 'odd\\001name.web.test'")
    web, alt, below, odd = r.out.split("; <<>>")[1:5]
    assert lab.WEB4 in web, r
    for one in (alt, below, odd):
        assert "status: NXDOMAIN" in one and "EDE: 15" in one, r


@test(smoke=True)
def test_an_address_that_names_may_not_have_turns_the_whole_answer(t):
    r = t.run("--allow", "web.test", sh="dig web.test; dig web.test AAAA")
    for one, address in zip(r.out.split("; <<>>")[1:3], (lab.WEB4, lab.WEB6)):
        assert "status: NXDOMAIN" in one and "ANSWER: 0" in one and "rebind: " + address in one, r


@test(smoke=True)
def test_special_names_are_answered_here(t):
    marker = "printer%d" % t.number
    r = t.run(sh="for n in %s.local %s.onion %s.internal; do dig +tries=1 $n; done; dig -x 192.168.7.9" % ((marker,) * 3))
    answers = r.out.split("; <<>>")[1:]
    assert len(answers) == 4, r
    for one in answers:
        assert "status: NXDOMAIN" in one or "status: NOERROR" in one and "ANSWER: 0" in one, r
    log = resolver_log()
    assert marker not in log and "9.7.168.192" not in log


@test(smoke=True)
def test_a_family_that_the_guest_does_not_have_has_no_addresses(t):
    r = t.run("--no-ipv6", sh="dig +short web.test AAAA; dig +short web.test A")
    assert r.out.split() == [lab.WEB4], r


# ---- any address, cache, limits ----------------------------------------------------------------------

@test(links=True, smoke=True)
def test_a_question_to_any_address_meets_the_interceptor(t):
    """Nobody is at these addresses; dig takes an answer only from the one that it asked."""
    r = t.run("--dns-target", "gateway", sh="for a in 192.0.2.9 2001:db8:99::9; do for x in +notcp +tcp; do "
              "dig +short +tries=1 +timeout=3 $x @$a web.test; done; done")
    assert r.out.split() == [lab.WEB4] * 4, r


@test(smoke=True)
def test_a_resolver_that_the_guest_chose_needs_the_policy(t):
    r = t.run(*DOC, "--allow", "web.test", sh="dig +tries=1 @%s web.test; dig web.test" % lab.DNS4)
    chosen, own = r.out.split("; <<>>")[1:3]
    assert lab.WEB4 not in chosen and ("EDE: 15" in chosen or "refused" in chosen), r
    assert lab.WEB4 in own, r
    r = t.run(*DOC, "--allow", "web.test", "--allow", lab.DNS4 + ":udp:53", cmd=["dig", "+short", "@" + lab.DNS4, "web.test"])
    assert r.out.split() == [lab.WEB4], r


@test(smoke=True)
def test_a_chosen_resolver_that_is_not_there_is_told(t):
    r = t.run("--dns-timeout", "1000", cmd=["dig", "+tries=1", "+timeout=5", "@" + lab.DEAD4, "web.test"], rc=None)
    assert "status: SERVFAIL" in r.out and ("EDE: 22" in r.out or "EDE: 23" in r.out), r


def ttls(out):
    return [int(line.split()[1]) for line in out.splitlines() if "TXT" in line]


@test(smoke=True)
def test_answers_are_kept_and_their_time_runs_out(t):
    """The lab's resolver always says 60 seconds."""
    sh = "dig +noall +answer small.test TXT; sleep 2.1; dig +noall +answer SMALL.test TXT"
    r = t.run(sh=sh)
    assert ttls(r.out)[0] == 60 and ttls(r.out)[1] in (57, 58), r
    assert "SMALL.test" in r.out, r
    r = t.run("--no-dns-cache", sh=sh)
    assert ttls(r.out) == [60, 60], r


@test(smoke=True)
def test_a_tunnel_runs_out_of_budget(t):
    conf = t.dir + "/budget.yaml"
    with open(conf, "w") as f:
        f.write("dns:\n  budget: {names: 20}\n")
    marker = "tunnel%d" % t.number
    r = t.run("--config", conf, sh="for i in $(seq 40); do echo data$i.%s.test TXT; done >q; dig +tries=1 -f q; dig web.test" % marker,
              cwd=t.dir)
    answers = r.out.split("; <<>>")[1:]
    refused = [a for a in answers if "status: REFUSED" in a]
    assert 15 <= len(refused) <= 20 and "EDE: 17" in refused[0] and "dns-budget" in refused[0], r
    assert resolver_log().count("query[txt] data") and "data40." + marker not in resolver_log()


@test(smoke=True)
def test_each_answer_is_an_event(t):
    log = t.dir + "/events"
    t.run("--events", log, "--deny", "alt.test", "--net", "public",
          sh="dig +short web.test; dig +short web.test; dig +short alt.test; dig +short host.weir.internal")
    with open(log) as f:
        events = [json.loads(line) for line in f]
    dns = [e for e in events if e["event"] == "dns"]
    assert [(e["name"], e["qtype"], e["rcode"], e.get("cache")) for e in dns] == [
        ("web.test", "A", "NOERROR", "miss"), ("web.test", "A", "NOERROR", "hit"),
        ("alt.test", "A", "NXDOMAIN", None), ("host.weir.internal", "A", "NOERROR", "local")], dns
    assert dns[0]["answers"] == [lab.WEB4] and dns[2]["reason"] == "rule", dns
