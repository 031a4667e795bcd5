# SPDX-License-Identifier: Apache-2.0
"""`weir check`: what it prints, and that traffic agrees with it."""
import json
import os
import pty
import re
import shlex
import subprocess

import lab
from harness import test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

MEMBERS = ["target", "kind", "name", "address", "address_from", "port", "method", "verdict", "rule",
           "rule_number", "reason", "stage", "sees", "intercepted", "secrets", "note"]


LAB = ["--dns-rebind-allow", "198.51.100.0/24", "--dns-rebind-allow", "2001:db8:51::/48"]


def check(t, *args, stdin=b"", rc=None):
    return t.host([t.weir, "check"] + [str(a) for a in args], stdin=stdin, rc=rc)


def judged(t, *args, stdin=b"", rc=None):
    lines = check(t, "--json", *args, stdin=stdin, rc=rc).out.splitlines()
    return [json.loads(line) for line in lines]


@test(smoke=True)
def test_the_examples_of_the_manual_print_what_it_shows(t):
    t.need("jq")
    with open(TOP + "/man/weir-check.1.scd.in") as f:
        blocks = re.findall(r"^```\n(\$ .*?)^```\n", f.read(), re.M | re.S)
    assert len(blocks) >= 3
    for block in blocks:
        text = block.replace("\\\\", "\\").replace("\\\n\t", "").replace("|\n\t", "| ")
        command, _, want = text[2:].partition("\n")
        r = t.host(["sh", "-c", "weir() { %s \"$@\"; }\n%s" % (shlex.quote(t.weir), command)], rc=None)
        assert r.out == want, "%s\n--- wanted\n%s\n%r" % (command, want, r)


@test(smoke=True)
def test_the_examples_of_the_manuals_of_tls_and_secrets_are_right(t):
    """What `weir check` says there is what it says, and the files load; where they name files, check does not open them."""
    files = 0
    for page in ("weir-tls.7.scd", "weir-secrets.7.scd"):
        with open(TOP + "/man/" + page) as f:
            blocks = [b.replace("\\\\", "\\") for b in re.findall(r"^```\n(.*?)^```\n", f.read(), re.M | re.S)]
        for block in blocks:
            if block.startswith("$ "):
                command, _, want = block[2:].partition("\n")
                r = t.host(["sh", "-c", "weir() { %s \"$@\"; }\n%s" % (shlex.quote(t.weir), command)], rc=None)
                assert r.out == want, "%s\n--- wanted\n%s\n%r" % (command, want, r)
            elif block.startswith(("tls:", "secrets:")):
                files += 1
                with open(t.dir + "/weir.yaml", "w") as f:
                    f.write(block)
                check(t, "--config", t.dir + "/weir.yaml", "dns", "example.com", rc=0)
            elif "weir run" in block:
                # The options are ones that there are.
                words = shlex.split(block.replace("\\\n", " "))
                words = words[words.index("run") + 1:words.index("--", words.index("run"))]
                for name in ("--events", "--pcap"):
                    if name in words:
                        del words[words.index(name):words.index(name) + 2]
                check(t, *words, "tcp", "192.0.2.1:443", rc=None if "--allow" in words else 0)
    assert files >= 3


@test(smoke=True)
def test_json_lines_have_every_member_always(t):
    got = judged(t, "--allow", "api.example.com:tcp:443", "https://api.example.com/x", "dns", "www.example.com",
                 "icmp", "10.0.0.1", rc=1)
    assert [list(g) for g in got] == [MEMBERS] * 3, got
    assert got[0] == {
        "target": "https://api.example.com/x", "kind": "https", "name": "api.example.com", "address": "203.0.113.254",
        "address_from": "stand-in", "port": 443, "method": "GET", "verdict": "allowed", "rule": "allow@api.example.com:tcp:443",
        "rule_number": 1, "reason": None, "stage": "name", "sees": "upstream", "intercepted": None, "secrets": [],
        "note": None}, got[0]
    assert got[1] == {
        "target": "dns www.example.com", "kind": "dns", "name": "www.example.com", "address": None,
        "address_from": None, "port": None, "method": None, "verdict": "denied", "rule": "default", "rule_number": None,
        "reason": "default", "stage": "dns", "sees": "nxdomain", "intercepted": None, "secrets": [], "note": None}, got[1]
    assert (got[2]["name"], got[2]["address"], got[2]["address_from"], got[2]["port"]) == (
        None, "10.0.0.1", "target", None), got[2]


@test(smoke=True)
def test_the_exit_status_says_whether_all_are_allowed(t):
    check(t, "tcp", "example.com:443", "icmp", "8.8.8.8", rc=0)
    check(t, "tcp", "example.com:443", "icmp", "10.0.0.1", rc=1)
    for wrong in (["tcp", "example.com:443", "tcp", "example.com"], ["nonsense"], ["--mtu", "1500", "dns", "a.com"],
                  ["--rule", "nonsense", "dns", "a.com"]):
        r = check(t, *wrong, rc=125)
        assert r.out == "" and r.err.startswith("weir: ") and r.err.count("\n") == 1, r


@test(smoke=True)
def test_targets_come_from_standard_input(t):
    text = b"# what the build needs\n\n  tcp example.com:443  # the index\nhttps://example.com/#not-a-comment\r\nicmp 10.0.0.1\n"
    want = ["tcp example.com:443", "https://example.com/#not-a-comment", "icmp 10.0.0.1"]
    assert [g["target"] for g in judged(t, stdin=text, rc=1)] == want
    assert [g["target"] for g in judged(t, "-", stdin=text, rc=1)] == want
    assert [g["target"] for g in judged(t, "-", stdin=b"dns a.com", rc=0)] == ["dns a.com"]
    for text, said in ((b"", "holds no target"), (b"# nothing\n", "holds no target"), (b"dns a.com\ntcp x\n", "input:2: "),
                       (b"dns a.com dns b.com\n", "one target a line"), (b"dns a.com\0\n", "NUL")):
        r = check(t, stdin=text, rc=125)
        assert said in r.err and r.out == "", r


@test()
def test_colours_are_for_terminals_alone(t):
    assert "\033" not in check(t, "tcp", "a.com:1", rc=0).out

    def on_a_terminal(**env):
        ours, theirs = pty.openpty()
        p = subprocess.Popen([t.weir, "check", "tcp", "a.com:1"], stdin=subprocess.DEVNULL, stdout=theirs,
                             env=dict(os.environ, TERM="xterm", **env))
        os.close(theirs)
        p.wait(10)
        out = os.read(ours, 65536).decode()
        os.close(ours)
        return out
    assert "\033[32mallowed\033[0m" in on_a_terminal(NO_COLOR="")
    assert "\033" not in on_a_terminal(NO_COLOR="1")


@test()
def test_a_reader_that_goes_is_no_success(t):
    r = t.host(["sh", "-c", "%s check tcp a.com:1 >/dev/full" % shlex.quote(t.weir)], rc=125)
    assert "standard output" in r.err, r


@test()
def test_many_targets_are_quick(t):
    text = "".join("tcp %d.example.com:443\nicmp 10.0.%d.%d\n" % (i, i >> 8, i & 255) for i in range(20000)).encode()
    r = check(t, "--json", "--quiet", stdin=text, rc=1)
    assert r.out.count("\n") == 40000 and r.seconds < 20, r.seconds


@test(smoke=True)
def test_names_are_resolved_where_that_is_wanted(t):
    got = judged(t, "--resolve", *LAB, "tcp", "web.test:80", "dns", "nope.test", rc=0)
    assert got[0]["address"] in (lab.WEB4, lab.WEB6) and got[0]["address_from"] == "resolver", got
    assert got[1]["note"].startswith("does not resolve here: "), got
    # The lab's networks are ones that no public name has, and no rule for addresses says otherwise.
    got = judged(t, "--resolve", "--allow", "web.test", "tcp", "web.test:80", rc=1)
    assert got[0]["reason"] == "rebind" and got[0]["address"] in (lab.WEB4, lab.WEB6), got
    # A name that may not be asked for is not asked for.
    got = judged(t, "--resolve", "--allow", "other.test", "tcp", "nope.test:80", rc=1)
    assert got[0]["note"] is None, got


# ---- and in fact -----------------------------------------------------------------------------------

POLICIES = [
    ["--net", "public"],
    ["--net", "none"],
    ["--net", "all"],
    ["--net", "private"],
    ["--allow", "%s:tcp:80" % lab.WEB4],
    ["--deny", "198.51.100.0/24", "--net", "public"],
    ["--allow", "any:tcp:443", "--allow", "any:icmpv4"],
    ["--allow", "198.51.100.0/24:udp"],
]
# Ports of the lab's web server that answer at once: 80 and 443 HTTP and TLS, 7000 UDP echo.
TARGETS = [("tcp", lab.WEB4, 80), ("tcp", lab.WEB6, 80), ("tcp", lab.ALT4, 443), ("udp", lab.WEB4, 7000), ("udp", lab.WEB6, 7000),
           ("icmp", lab.WEB4, 0), ("tcp", "10.0.0.1", 80), ("tcp", "169.254.169.254", 80), ("tcp", lab.HOST4, 1),
           ("udp", "10.0.0.1", 9)]


def target(kind, host, port):
    name = "[%s]" % host if ":" in host else host
    return [kind, "%s:%d" % (name, port) if port else name]


@test(timeout=180)
def test_traffic_agrees_with_every_verdict(t):
    code = """
        r = []
        for kind, host, port in %r:
            if kind == "tcp":
                r.append(attempt(host, port, 4)[0])
            elif kind == "udp":
                a = udp_ask(host, port, timeout=2)[0]
                r.append("ok" if isinstance(a, bytes) else str(a))
            else:
                import subprocess
                p = subprocess.run(["ping", "-c", "1", "-W", "2", host], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                r.append("ok" if p.returncode == 0 else p.stdout)
        out(r)
    """ % (TARGETS,)
    wrong = []
    for policy in POLICIES:
        said = judged(t, *policy, *(w for x in TARGETS for w in target(*x)))
        seen = t.py(code, *policy, timeout=60)
        for x, s, got in zip(TARGETS, said, seen):
            # Where nobody answers, allowed only means that it is not refused by the policy.
            if (s["verdict"] == "allowed") != (got == "ok") and x[1] not in ("10.0.0.1", "169.254.169.254", lab.HOST4):
                wrong.append((policy, x, s["verdict"], s["rule"], got))
            if s["verdict"] == "denied" and got in ("ok", "timeout"):
                wrong.append((policy, x, s["verdict"], s["rule"], got))
    assert not wrong, "\n".join(map(str, wrong))


NAME_POLICIES = [
    ["--allow", "web.test:tcp:80"],
    ["--allow", "web.test", "--deny", "any"],
    ["--deny", "web.test", "--net", "public"],
    ["--rule", "allow@web.test:tcp:443", "--rule", "deny@web.test", "--net", "public"],
    ["--allow", "198.51.100.0/24,[2001:db8:51::/48]:tcp:80"],
    ["--allow", "web.test:tcp:80", "--net", "none"],
]


@test(timeout=180)
def test_traffic_agrees_with_every_verdict_on_names(t):
    """HTTP by name, TLS by name, and by an address that nobody asked for."""
    t.need("curl")
    # The address first: later it is bound to the name.
    urls = ["http://%s/" % lab.WEB4, "http://web.test/", "https://web.test/", "http://alt.test/"]
    code = """
        import subprocess
        r = []
        for url in %r:
            p = subprocess.run(["curl", "-sSk", "-m", "4", "-o", "/dev/null", "-w", "%%{http_code}", url],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            r.append([p.returncode, p.stdout, p.stderr])
        out(r)
    """ % (urls,)
    wrong = []
    for policy in NAME_POLICIES:
        said = judged(t, "--resolve", *LAB, *policy, *urls)
        seen = t.py(code, *LAB, *policy, timeout=60)
        for url, s, (rc, http, err) in zip(urls, said, seen):
            kind = "allowed" if rc == 0 and http == "200" else "denied"
            # curl: 6 cannot resolve, 7 cannot connect, 35 TLS alert, 28 timed out
            sees = {6: "nxdomain", 7: "rst", 35: "tls-access-denied"}.get(rc, "http-403" if http == "403" else "upstream")
            if (kind, sees) != (s["verdict"], s["sees"]):
                wrong.append((policy, url, s["verdict"], s["rule"], s["sees"], rc, http, err))
    assert not wrong, "\n".join(map(str, wrong))


REQUESTS = [("GET", "https://api.test/echo/a"), ("POST", "https://api.test/echo/a"), ("GET", "https://api.test/echo/b/c"),
            ("DELETE", "https://api.test/echo/a"), ("GET", "https://api.test/echo/x/../b/c"), ("GET", "https://api.test/echo//a"),
            ("GET", "https://api.test/echo/%2e%2e/echo/a"), ("GET", "https://api.test/echo/b%2fc"), ("GET", "https://api.test/echo/a;v=1"),
            ("TRACE", "https://api.test/echo/a"), ("GET", "https://web.test/"), ("GET", "http://web.test/"), ("POST", "http://api.test/echo/a")]
REQUEST_RULES = [
    "{action: allow, destination: [api.test, web.test]}",
    "{action: allow, destination: [api.test, web.test], http: {methods: [GET]}}",
    "{action: allow, destination: api.test, http: {paths: [/echo/a], methods: [GET, POST]}}",
    "{action: allow, destination: [api.test, web.test, other.test], http: {deny_paths: [/echo/b/**], hosts: [api.test]}}",
    "{action: allow, destination: [api.test, web.test], http: [{methods: [POST], paths: ['/echo/*']}, {methods: [GET], hosts: [web.test]}]}",
]
WHAT_FOR = [[], ["--tls-intercept"], ["--secret", "KEY@api.test"], ["--tls-intercept", "--tls-bypass", "web.test"]]


@test(timeout=180)
def test_traffic_agrees_with_every_verdict_on_requests(t):
    """Methods and paths under rules for requests, and whose certificate the command is shown."""
    t.need("curl")
    env = {"XDG_STATE_HOME": t.dir + "/state", "KEY": "a-value-that-is-long-enough"}
    code = """
        import subprocess
        r = []
        for method, url in %r:
            p = subprocess.run(["curl", "-sSk", "--path-as-is", "-m", "6", "-o", "/dev/null", "-X", method,
                                "-w", "%%{http_code} %%{certs}", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            r.append([p.returncode, p.stdout])
        out(r)
    """ % (REQUESTS,)
    wrong = []
    for i, rule in enumerate(REQUEST_RULES):
        conf = "%s/%d.yaml" % (t.dir, i)
        with open(conf, "w") as f:
            f.write("policy: {rules: [%s]}\n" % rule)
        for options in WHAT_FOR:
            if "--tls-bypass" in options and "http" in rule:
                continue  # an error at the start
            options = ["-c", conf] + options
            said = [json.loads(x) for x in t.host([t.weir, "check", "--json", "--resolve"] + LAB + options +
                                                  [w for r in REQUESTS for w in r], env=env, rc=None).out.splitlines()]
            seen = t.py(code, *LAB, *options, timeout=90, env=env)
            assert len(said) == len(seen) == len(REQUESTS), (said, seen)
            for request, s, (rc, told) in zip(REQUESTS, said, seen):
                status, _, certs = told.partition(" ")
                issuer = [x for x in certs.splitlines() if x.startswith("Issuer:")]
                sees = {6: "nxdomain", 7: "rst", 35: "tls-access-denied"}.get(
                    rc, "http-" + status if status in ("400", "403", "405") and s["intercepted"] else "upstream")
                looked_into = any("weir" in x for x in issuer) if request[1].startswith("https") and issuer else None
                if sees != s["sees"] or looked_into not in (None, s["intercepted"] is not None):
                    wrong.append((rule, options[2:], request, s["sees"], s["intercepted"], rc, status, issuer[:1]))
    assert not wrong, "\n".join(map(str, wrong))
