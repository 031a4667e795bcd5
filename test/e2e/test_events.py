# SPDX-License-Identifier: Apache-2.0
"""`--events`: every line of real runs, held against the schema; where it goes; who cannot touch it."""
import json
import os
import shlex
import signal
import socket
import subprocess

import lab
from harness import Skip, test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAB = ["--dns-rebind-allow", "198.51.100.0/24", "--dns-rebind-allow", "2001:db8:51::/48"]


def checked(t, text):
    """The events of a log, each of which the schema allows."""
    if subprocess.run([lab.PYTHON, "-c", "import jsonschema"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("python3-jsonschema is not installed", needed=True)
    t.host([TOP + "/doc/check-events"], stdin=text)
    return [json.loads(line) for line in text.splitlines()]


def log_of(t, *opts, **kw):
    path = t.dir + "/events"
    if os.path.exists(path):
        os.unlink(path)
    t.run("--quiet", "--events", path, *opts, **kw)
    with open(path) as f:
        return checked(t, f.read())


@test(smoke=True)
def test_a_run_begins_with_its_policy_and_a_file_is_the_users_alone(t):
    got = log_of(t, cmd=["true"])
    assert [e["event"] for e in got] == ["policy"], got
    assert got[0]["sandbox"].startswith("run-"), got
    assert os.stat(t.dir + "/events").st_mode & 0o7777 == 0o600


@test(smoke=True)
def test_standard_output_is_shared_line_by_line(t):
    r = t.run("--quiet", "--events", "-", *LAB, sh="""
        for i in 1 2 3 4 5 6 7 8 9; do getent ahosts web.test >/dev/null; echo "line $i"; done""")
    lines = r.out.splitlines()
    own = [x for x in lines if x.startswith("line ")]
    assert own == ["line %d" % i for i in range(1, 10)], r
    assert len(checked(t, "".join(x + "\n" for x in lines if x not in own))) >= 2


@test(smoke=True)
def test_the_command_gets_no_hold_of_the_log(t):
    path = t.dir + "/log"
    with open(path, "w") as f:
        n = f.fileno()
        code = "for fd in /proc/self/fd/*; do readlink $fd; done; echo forged >&%d; true" % n
        r = t.host(t.argv(["--quiet", "--events", "fd:%d" % n], t.cmd((), code)), pass_fds=[n])
        assert path not in r.out and "Bad file descriptor" in r.err, r
        # One that the command is given on purpose it has.
        r = t.host(t.argv(["--quiet", "--events", "/dev/null"], t.cmd((), code.replace("echo forged", ":"))), pass_fds=[n])
        assert path in r.out.splitlines(), r
    with open(path) as f:
        text = f.read()
    assert "forged" not in text and checked(t, text), text
    r = t.run("--events", "fd:77", cmd=["true"], rc=125)
    assert r.err == "weir: --events: 'fd:77': there is no such open file\n", r


@test(smoke=True)
def test_a_reader_that_goes_or_stops_costs_the_command_nothing(t):
    for reader in ("head -c 1", "sleep 8", "exec 0<&-; sleep 8"):
        r = t.host(["bash", "-c", "%s 5> >(%s >/dev/null 2>&1); echo $?" % (
            shlex.join(t.argv(["--quiet", "--events", "fd:5"] + LAB, t.cmd((), """
                i=0; while [ $i -lt 150 ]; do getent ahosts web.test >/dev/null; i=$((i+1)); done; echo done"""))), reader)])
        assert r.out.split() == ["done", "0"] and r.seconds < 7, (reader, r)


@test(smoke=True)
def test_files_that_cannot_be_written_are_refused_before_the_command(t):
    for where, said in (("/nonexistent/x", "No such file"), (t.dir, "Is a directory")):
        r = t.run("--events", where, sh="echo ran", rc=125)
        assert said in r.err and r.out == "", r
    assert "expected the path" in t.run("--events", "fd:x", cmd=["true"], rc=125).err


@test()
def test_signals_and_statuses_are_as_without_it(t):
    assert t.run("--quiet", "--events", "/dev/null", sh="exit 7", rc=7)
    p = t.spawn("--quiet", "--events", t.dir + "/e", sh="trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done")
    p.wait_for("up")
    assert p.stop(signal.SIGTERM).rc == 9
    t.run("--quiet", "--events", "/dev/full", cmd=["true"])


def pick(events, **want):
    return [e for e in events if all(e.get(k) == v for k, v in want.items())]


@test(links=True, smoke=True)
def test_every_flow_opens_and_closes_once_with_its_numbers(t):
    got = log_of(t, *LAB, "--net", "public", cmd=t.py_cmd("""
        talk("echo", data=b"x" * 1000)
        udp_ask(WEB4, 7000, b"hello")
        import subprocess
        subprocess.run(["ping", "-c", "1", WEB4], stdout=subprocess.DEVNULL)
        attempt("10.0.0.1", 80)
        attempt(WEB4, 9)
        import socket
        socket.getaddrinfo("web.test", 80)
        out(0)
    """))
    opened = {e["flow"]: e for e in pick(got, event="flow-open")}
    closed = pick(got, event="flow-close")
    assert len(opened) == len(pick(got, event="flow-open")), "a number twice"
    assert sorted(opened) == sorted(e["flow"] for e in closed), got
    for e in closed:
        o = opened[e["flow"]]
        assert [e[k] for k in ("dir", "proto", "src", "dst")] == [o[k] for k in ("dir", "proto", "src", "dst")], (o, e)
    tcp = [e for e in closed if e["dst"] == lab.WEB4 + ":7000" and e["proto"] == "tcp"]
    assert len(tcp) == 1 and tcp[0]["bytes_out"] == 1005 and tcp[0]["end"] == "fin", tcp
    assert pick(closed, proto="udp", dst=lab.WEB4 + ":7000") and pick(closed, proto="icmpv4", dst=lab.WEB4), closed
    deny = pick(got, event="deny", dst="10.0.0.1:80")
    assert len(deny) == 1 and deny[0]["reason"] == "preset" and deny[0]["rule"] == "default", deny
    dns = pick(got, event="dns", name="web.test", qtype="A")
    assert dns and dns[0]["answers"] == [lab.WEB4] and dns[0]["rcode"] == "NOERROR", dns


@test()
def test_what_was_allowed_and_came_to_nothing_says_why(t):
    got = log_of(t, "--net", "public", cmd=t.py_cmd("""
        attempt(WEB4, 9)
        attempt(WEB6, 9)
        attempt("198.51.100.67", 80)
        attempt("198.51.100.99", 80)
        out(0)
    """))
    ends = {e["dst"]: e["end"] for e in pick(got, event="flow-close", proto="tcp")}
    assert ends == {lab.WEB4 + ":9": "refused", f"[{lab.WEB6}]:9": "refused",
                    lab.UNREACH4 + ":80": "unreachable", lab.NOROUTE4 + ":80": "unreachable"}, (ends, got)
    assert len(pick(got, event="flow-open", proto="tcp")) == len(ends), got


@test()
def test_a_failed_connection_to_the_gateway_is_told_by_whatever_address(t):
    got = log_of(t, "--net", "host", cmd=t.py_cmd("""
        attempt(default_gateway(4), 9)
        neigh = subprocess.check_output(["ip", "neigh", "show", default_gateway(4)], text=True).split()
        mac = [int(x, 16) for x in neigh[neigh.index("lladdr") + 1].split(":")]
        attempt("fe80::%02x%02x:%02xff:fe%02x:%02x%02x%%eth0" % (mac[0] ^ 2, *mac[1:]), 9)
        out(0)
    """))
    assert [e["end"] for e in pick(got, event="flow-close", proto="tcp")] == ["refused"] * 2, got


@test()
def test_limits_are_told(t):
    got = log_of(t, *LAB, "--max-connections", "2", cmd=t.py_cmd("""
        keep = [connect(WEB4, 7000) for i in range(2)]
        out(attempt(WEB4, 7000))
    """))
    assert pick(got, event="limit", reason="limit-connections", proto="tcp"), got


@test(smoke=True)
def test_a_client_of_a_published_port_is_told_with_its_port(t):
    path, n, m = t.dir + "/events", t.port(), t.port()
    p = t.spawn_py("""
        s = socket.create_server(("", 8000))
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.bind((my_address(4), 8000))
        print("ready", flush=True)
        s.accept()[0].close()
        u.sendto(*u.recvfrom(10))
    """, "--quiet", "--events", path, "-p", "%d:8000" % n, "-p", "%d:8000/udp" % n, "-p", "%s:%d:8000" % (lab.HOST4, m), "--rule", "deny:ingress@" + lab.HOST4)
    p.wait_for("ready")
    ends = []
    for addr, port, kind in ((lab.HOST4, m, socket.SOCK_STREAM), ("127.0.0.1", n, socket.SOCK_STREAM), ("127.0.0.1", n, socket.SOCK_DGRAM)):
        with socket.socket(socket.AF_INET, kind) as s:
            s.settimeout(5)
            s.bind((addr, 0))
            ends.append("%s:%d" % s.getsockname())
            try:
                s.connect((addr, port))
                s.send(b"x")
                s.recv(10)
            except (ConnectionResetError, BrokenPipeError):
                pass
    p.wait()
    with open(path) as f:
        got = checked(t, f.read())
    ingress = [(e["event"], e["proto"], e["src"]) for e in got if e.get("dir") == "ingress"]
    assert sorted(ingress) == sorted([("deny", "tcp", ends[0])] + [(k, p, e) for k in ("flow-open", "flow-close") for p, e in (("tcp", ends[1]), ("udp", ends[2]))]), (ingress, ends)


@test(smoke=True)
def test_flows_that_a_new_policy_ends_say_so(t):
    conf, path = t.dir + "/c.yaml", t.dir + "/events"
    with open(conf, "w") as f:
        f.write("policy: {rules: [allow@any]}\n")
    p = t.spawn_py("""
        s, u = connect(WEB4, 7000), udp_socket(WEB4)
        s.sendall(b"hold a\\n")
        s.recv(5)
        udp_ask(WEB4, 7000, b"x", sock=u)
        print("ready", flush=True)
        try:
            print(s.recv(1))
        except OSError as e:
            print(err_name(e))
    """, "--quiet", "--events", path, "--config", conf)
    p.wait_for("ready")
    with open(conf, "w") as f:
        f.write("policy: {rules: [deny@%s, allow@any]}\n" % lab.WEB4)
    p.p.send_signal(signal.SIGHUP)
    assert "ECONNRESET" in p.wait().out
    with open(path) as f:
        got = checked(t, f.read())
    ends = {(e["proto"], e["end"], e.get("reason")) for e in got if e["event"] == "flow-close"}
    assert ends == {("tcp", "policy", "policy-changed"), ("udp", "policy", "policy-changed")}, got
