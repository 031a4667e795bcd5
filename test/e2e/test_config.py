# SPDX-License-Identifier: Apache-2.0
"""The configuration file: what it says holds, and a wrong one starts nothing."""
import json
import os
import re
import time

import lab
from harness import test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REACH = """
    r = [attempt(WEB4, 80, 5), attempt(WEB4, 443, 5), attempt(ALT4, 80, 5), attempt(WEB6, 80, 5)]
    u = udp_ask(WEB4, 7000, b"x", timeout=3)
    out(r + [["ok" if u[0] == b"x" else str(u[0]), u[1]]])
"""


def file(t, content, name="weir.yaml"):
    path = "%s/%s" % (t.dir, name)
    with open(path, "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))
    return path


def reached(t, *opts, **kw):
    """What can be reached of WEB4 tcp 80, tcp 443, ALT4 tcp 80, WEB6 tcp 80, WEB4 udp: "+" or "-" each."""
    return "".join("+" if r == "ok" else "-" for r, _ in t.py(REACH, *opts, **kw))


def rule(action, destination, **more):
    return dict(action=action, destination=destination, **more)


@test(smoke=True)
def test_rules_of_the_file_decide_alike_in_yaml_json_and_as_tokens(t):
    cases = (
        (["allow@%s:tcp:443" % lab.WEB4], [rule("allow", {"ip": lab.WEB4}, protocols=["tcp"], ports=[443])], "-+---"),
        (["allow@198.51.100.0/24", "deny@any"], [rule("allow", {"cidr": "198.51.100.0/24"}), rule("deny", {"any": True})], "+++-+"),
        (["deny@%s:udp" % lab.WEB4, "allow@public"], [rule("deny", lab.WEB4, protocols=["udp"]), rule("allow", {"group": "public"})], "++++-"),
        (["allow@%s,[%s]:tcp:80-90" % (lab.WEB4, lab.WEB6)],
         [rule("allow", [lab.WEB4, lab.WEB6], protocols=["tcp"], ports=["80-90"], direction="egress")], "+--+-"),
        ([], [], "-----"),
    )
    for tokens, parts, want in cases:
        yaml = "policy:\n  rules:\n" + "".join("    - \"%s\"\n" % x for x in tokens)
        files = [file(t, yaml), file(t, {"policy": {"rules": tokens}}, "tokens.json"), file(t, {"policy": {"rules": parts}}, "parts.json"),
                 file(t, {"policy": {"rules": parts}}, "parts.yaml")]
        have = [reached(t, "-c", f) for f in files]
        assert have == [want] * 4, (tokens, want, have)


@test(smoke=True)
def test_the_command_line_comes_first(t):
    f = file(t, {"policy": {"rules": ["deny@" + lab.WEB4, "allow@public"]}})
    assert reached(t, "--config", f) == "--++-"
    assert reached(t, "--config", f, "--allow", lab.WEB4 + ":tcp:80") == "+-++-"
    assert reached(t, "--deny", lab.ALT4, "--config", f) == "---+-"
    f = file(t, {"policy": {"net": ["public"]}})
    assert reached(t, "-c", f) == "+++++"
    assert reached(t, "-c", f, "--net", "none") == "-----"
    f = file(t, {"policy": {"net": "none"}, "interface": {"mtu": 1400, "mac": "02:00:00:00:00:33", "ipv4_address": "10.77.0.2"}})
    show = t.run("-c", f, cmd=["ip", "addr", "show", "dev", "eth0"]).out
    assert "mtu 1400" in show and "02:00:00:00:00:33" in show and "10.77.0.2/" in show, show
    show = t.run("--mtu", "1450", "-c", f, cmd=["ip", "addr", "show", "dev", "eth0"]).out
    assert "mtu 1450" in show, show


@test(smoke=True)
def test_ports_of_file_and_command_line_are_published_together(t):
    a, b = t.port(), t.port()
    f = file(t, {"ports": [{"host_bind": "127.0.0.1", "host_port": a, "guest_port": 8000}]})
    p = t.spawn_py("""
        import threading
        def serve(port):
            s = socket.create_server(("", port))
            while True:
                c, _ = s.accept()
                c.sendall(b"%d" % port)
                c.close()
        for port in (8000, 8001):
            threading.Thread(target=serve, args=(port,), daemon=True).start()
        time.sleep(0.2)
        print("ready", flush=True)
        time.sleep(60)
    """, "-c", f, "-p", "%d:8001" % b)
    p.wait_for("ready")
    for host, guest in ((a, 8000), (b, 8001)):
        got = t.host_py("import socket\ns = socket.create_connection(('127.0.0.1', %d), 5)\nout(s.recv(99).decode())" % host)
        assert got == str(guest), got
    assert p.stop().rc is not None


@test(smoke=True)
def test_a_wrong_file_starts_nothing(t):
    mark = t.dir + "/started"
    cases = (
        ("policy:\n  rules:\n    - alow@any\n", r'weir: %s:3: policy\.rules\[0\]: rule "alow@any": action "alow": expected allow or deny; .*'),
        ("policy:\n  rulez: []\n", r"weir: %s:2: policy\.rulez: no such key; did you mean 'rules'\?"),
        ("interface: {mtu: big}\n", r"weir: %s:1: interface\.mtu: expected a number from 576 to 65520, found 'big'"),
        ("a: 1\na: 2\n", r"weir: %s:2: a: the key is there twice; the first one is on line 1"),
        ("policy: {rules: [{action: allow, destination: 10.0.0.0/8, direction: ingress, ports: [80], protocols: [icmpv4]}]}\n",
         r'weir: %s:1: policy\.rules\[0\]\.ports: protocol "icmpv4" has none; expected tcp or udp'),
        ("rate_limiter: {egress: 10M}\n", r"weir: %s:1: rate_limiter\.egress: not in this version of weir; .*"),
        ("secrets: {secrets: [{env_var: A, value: hunter2hunter2, allowed_hosts: [a.test]}]}\n",
         r"weir: %s:1: secrets\.secrets\[0\]\.value: a value does not stand in a file(?!.*hunter).*"),
        ("secrets: {secrets: [{env_var: A, allowed_hosts: ['*.com']}]}\n",
         r"weir: %s:1: secrets\.secrets\[0\]\.allowed_hosts\[0\]: expected a narrower pattern: .*"),
        ("tls: {intercept_ca: {cert_path: ca.crt}}\n", r"weir: %s: tls\.intercept_ca: key_path is missing; .*"),
        ("policy: {rules: [{destination: a.test, action: allow, http: {methods: [get]}}]}\n",
         r'weir: %s:1: policy\.rules\[0\]\.http\.methods "get": the case of methods counts; .*'),
        ("a: [\n", r"weir: %s:2:1: no YAML: .*"),
        ("", r"weir: %s: the file is empty; .*"),
    )
    for content, want in cases:
        f = file(t, content)
        r = t.run("-c", f, cmd=["touch", mark], rc=125)
        assert re.fullmatch(want % re.escape(f) + "\n", r.err), (content, r)
        assert not r.out and not os.path.exists(mark), r
    f = file(t, "{'policy': {}}", "weir.json")
    r = t.run("-c", f, cmd=["touch", mark], rc=125)
    assert r.err.startswith("weir: %s:1:2: no JSON: " % f), r
    r = t.run("-c", t.dir + "/none.yaml", cmd=["touch", mark], rc=125)
    assert r.err == "weir: --config: %s/none.yaml: No such file or directory\n" % t.dir, r
    assert not os.path.exists(mark)


@test(smoke=True)
def test_the_manuals_examples_load(t):
    with open(TOP + "/man/weir-config.5.scd.in") as f:
        examples = re.findall(r"^```\n(.*?)^```$", f.read(), re.S | re.M)
    assert len(examples) == 2, examples
    r = t.run("-c", file(t, examples[0]), cmd=["echo", "hello"])
    assert (r.out, r.err) == ("hello\n", ""), r
    r = t.run("-c", file(t, examples[1], "weir.json"), cmd=["echo", "hello"])
    assert (r.out, r.err) == ("hello\n", ""), r


@test(smoke=True)
def test_a_file_may_come_through_a_pipe(t):
    r = t.host(["sh", "-c", "echo 'policy: {net: none}' | exec 5<&0 </dev/null %s run -c /dev/fd/5 -- echo hello" % t.weir])
    assert r.out == "hello\n", r


@test(alone=True, release=True)
def test_two_hundred_thousand_rules_load_in_a_second(t):
    rules = ["allow@10.%d.%d.%d:tcp:443" % (i >> 16 & 255, i >> 8 & 255, i & 255) for i in range(100000)]
    rules += ["allow@h%d.example.com:tcp:443" % i for i in range(100000)]
    f = file(t, "policy:\n  rules:\n" + "".join("    - %s\n" % r for r in rules))
    before = time.monotonic()
    t.run("-c", f, cmd=["true"])
    took = time.monotonic() - before
    assert took < 4, took  # the file is read, and the policy made, more than once; a busy machine is slower
