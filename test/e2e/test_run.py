# SPDX-License-Identifier: Apache-2.0
"""`weir run` as a command: as if weir were not there, but for the network."""
import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import termios
import threading
import time

import lab
from harness import test


@test(links=True, smoke=True)
def test_curl_fetches_a_page_over_tls(t):
    r = t.run(cmd=["curl", "-sS", "https://web.test/"])
    assert r.out == "hello from the lab\n", r
    assert "weir" not in r.err, r


@test(smoke=True)
def test_exit_status_is_the_commands(t):
    for n in (0, 1, 42, 255):
        t.run(sh="exit %d" % n, rc=n)


@test(smoke=True)
def test_death_by_a_signal_is_128_and_its_number(t):
    for name, n in (("TERM", 15), ("KILL", 9), ("SEGV", 11)):
        t.run(sh="ulimit -c 0; kill -%s $$" % name, rc=128 + n)


@test(smoke=True)
def test_a_command_that_is_not_there_is_127_and_one_that_cannot_run_is_126(t):
    r = t.run(cmd=["/no/such/command"], rc=127)
    assert "/no/such/command" in r.err and len(r.err.strip().split("\n")) == 1, r
    r = t.run(cmd=["no-such-command-in-path"], rc=127)
    assert "no-such-command-in-path" in r.err, r
    r = t.run(cmd=["/etc/passwd"], rc=126)
    assert "/etc/passwd" in r.err, r


@test(smoke=True)
def test_bad_options_get_one_clear_line_and_125(t):
    def bad(*opts, has=()):
        r = t.host([t.weir, "run"] + list(opts) + ["--", "true"], rc=125)
        lines = r.err.strip().split("\n")
        assert len(lines) <= 2 and r.out == "", r
        for h in has:
            assert h in r.err, (h, r)
    bad("--mtu", "hello", has=["--mtu", "hello"])
    bad("--mtu", "70000", has=["--mtu", "70000"])
    bad("--mtu", "99", has=["--mtu", "99"])
    bad("--net", "publik", has=["publik", "public"])
    bad("--net", "public,prvate", has=["prvate", "private"])
    bad("--link", "tpa", has=["--link", "tpa", "tap"])
    bad("--ipv4", "300.1.1.1", has=["--ipv4", "300.1.1.1"])
    bad("--ipv6", "fd00::zz", has=["--ipv6", "fd00::zz"])
    bad("-p", "80", has=["80"])
    bad("-p", "1.2.3.4:70000:80", has=["70000"])
    bad("--allow", "1.2.3.4/33", has=["1.2.3.4/33"])
    bad("--rule", "alow@1.2.3.4", has=["alow"])
    bad("--mac", "01:02:03", has=["--mac", "01:02:03"])
    bad("--netns", "/no/such/netns", has=["/no/such/netns"])
    bad("--pid", "4194303", has=["4194303"])
    bad("--no-such-option", has=["--no-such-option"])
    bad("--max-connections", "-1", has=["--max-connections", "-1"])
    bad("--pcap", "/no/such/dir/file.pcapng", has=["/no/such/dir/file.pcapng"])
    r = t.host([t.weir, "run"], rc=125)
    assert r.err.strip(), r
    r = t.host([t.weir, "rnu", "--", "true"], rc=125)
    assert "rnu" in r.err and "run" in r.err.replace("rnu", ""), r


@test(smoke=True)
def test_stdin_and_stdout_pass_unchanged(t):
    data = os.urandom(1 << 20)
    p = subprocess.run(t.argv([], ["cat"]), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    assert p.returncode == 0 and p.stdout == data, p.stderr


@test(smoke=True)
def test_arguments_environment_and_directory_pass_unchanged(t):
    r = t.run(cmd=["sh", "-c", 'printf "%s|" "$@"; echo "$SPECIAL"; pwd', "x", "a b", "", "--link", "*", "ü"],
              env={"SPECIAL": "va lue"}, cwd="/usr/share")
    assert r.out == "a b||--link|*|ü|va lue\n/usr/share\n", r


@test(smoke=True)
def test_signals_are_passed_on(t):
    for name in ("TERM", "HUP", "USR1", "USR2", "INT", "QUIT"):
        p = t.spawn(sh='trap "echo got %s; exit 7" %s; echo ready; while :; do sleep 0.05; done' % (name, name))
        p.wait_for("ready")
        r = p.stop(getattr(signal, "SIG" + name))
        assert r.rc == 7 and "got " + name in r.out, (name, r)


@test()
def test_a_stopped_and_continued_command_goes_on(t):
    p = t.spawn(sh="echo one; sleep 0.5; echo two")
    p.wait_for("one")
    p.p.send_signal(signal.SIGTSTP)
    time.sleep(0.2)
    p.p.send_signal(signal.SIGCONT)
    r = p.wait()
    assert r.rc == 0 and "two" in r.out, r


@test(smoke=True)
def test_only_weirs_interfaces_are_inside(t):
    got = t.py("""
        links = json.loads(subprocess.check_output(["ip", "-j", "addr"]))
        out({l["ifname"]: [l["mtu"], l["operstate"], [a["local"] for a in l["addr_info"]]] for l in links})
    """)
    assert sorted(got) == ["eth0", "lo"], got
    mtu, _, addrs = got["eth0"]
    assert mtu == 1500 and any(":" not in a for a in addrs) and any(":" in a and not a.startswith("fe80") for a in addrs), got
    assert "127.0.0.1" in got["lo"][2] and "::1" in got["lo"][2], got


@test(links=True)
def test_mtu_and_mac_and_addresses_are_as_asked(t):
    r = t.run("--mtu", "9000", "--mac", "02:11:22:33:44:55", "--ipv4", "172.20.1.2", "--ipv6", "fd12:3456:789a::2",
              sh="ip link show eth0; ip addr show eth0; curl -sS http://%s/ http://[%s]/" % (lab.WEB4, lab.WEB6))
    for want in ("mtu 9000", "02:11:22:33:44:55", "172.20.1.2", "fd12:3456:789a::2"):
        assert want in r.out, (want, r)
    assert r.out.count("hello from the lab") == 2, r


@test(smoke=True)
def test_a_family_can_be_left_out(t):
    got = t.py('out([attempt(WEB4, 80, 5), attempt(WEB6, 80, 5), my_address(6)])', "--no-ipv6")
    assert got[0][0] == "ok" and got[1][0] == "ENETUNREACH" and got[2] is None, got
    got = t.py('out([attempt(WEB6, 80, 5), attempt(WEB4, 80, 5), my_address(4)])', "--no-ipv4")
    assert got[0][0] == "ok" and got[1][0] == "ENETUNREACH" and got[2] is None, got


@test(smoke=True)
def test_slots_have_addresses_of_their_own(t):
    seen = set()
    for slot in (0, 1, 2, 65535):
        got = t.py("out([my_address(4), my_address(6), default_gateway(4)])", "--slot", slot)
        assert all(got) and not seen & set(got), (slot, got, seen)
        seen |= set(got)


@test(links=True, smoke=True)
def test_an_ordinary_user_can_run_it_and_keeps_the_own_uid(t):
    if t.link == "tap" and not os.path.exists("/dev/net/tun"):
        t.skip("no /dev/net/tun")
    r = t.run(sh="id -u; id -g; curl -sS https://web.test/; touch %s/mine; stat -c %%u %s/mine" % (t.dir, t.dir), user=True)
    uid = str(lab.USER_ID)
    assert r.out.split("\n")[:4] == [uid, uid, "hello from the lab", uid], r


@test(smoke=True)
def test_map_root_makes_the_user_root_inside(t):
    r = t.run("--map-root", sh="id -u; ip link set lo down && ip link set lo up && echo may", user=True)
    assert r.out.split() == ["0", "may"], r


@test()
def test_root_keeps_its_uid(t):
    assert t.run(sh="id -u").out == "0\n"


@test(smoke=True)
def test_the_command_has_no_power_over_its_network_unless_mapped_to_root(t):
    r = t.run(sh="ip link set eth0 down", user=True, rc=None)
    assert r.rc != 0, r


@test(smoke=True)
def test_resolv_conf_and_hosts_are_the_sandboxes_own_and_the_hosts_stay(t):
    with open("/etc/resolv.conf") as f:
        before = f.read()
    r = t.run(sh="cat /etc/resolv.conf; echo --; cat /etc/hosts; ip -4 route show default")
    gw = r.out.strip().split("\n")[-1].split()[2]
    conf, _, hosts = r.out.partition("--")
    assert "nameserver " + gw in conf, r
    assert "host.weir.internal" in hosts and "localhost" in hosts, r
    with open("/etc/resolv.conf") as f:
        assert f.read() == before


@test(links=True, smoke=True)
def test_an_existing_namespace_is_served_by_path(t):
    ns = "e2e%d" % t.number
    lab.ip("netns", "add", ns)
    try:
        r = t.run("--netns", "/run/netns/" + ns, sh="ip -br link; curl -sS http://%s/" % lab.WEB4)
        assert "hello from the lab" in r.out and "eth0" in r.out, r
        for _ in range(50):  # the kernel takes a namespace's devices down in its own time
            left = lab.sh(["ip", "-n", ns, "-br", "link"])
            if "eth0" not in left:
                break
            time.sleep(0.1)
        assert "eth0" not in left, "left in the namespace: " + left
    finally:
        lab.ip("netns", "del", ns)


@test(links=True, smoke=True)
def test_an_existing_namespace_is_served_by_pid(t):
    p = t.go(["unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; sleep 60"])
    p.wait_for("ready")
    r = t.run("--pid", p.pid, sh="curl -sS http://%s/; curl -sS http://[%s]/" % (lab.WEB4, lab.WEB6))
    assert r.out == "hello from the lab\n" * 2, r


@test(links=True, smoke=True)
def test_many_runs_at_once_do_not_disturb_each_other(t):
    procs = [t.spawn(sh="for i in 1 2 3; do curl -sS http://%s/whoami >/dev/null || exit 1; sleep 0.2; done; "
                        "curl -sS http://%s/" % (lab.WEB4, lab.WEB6.join("[]"))) for _ in range(10)]
    for p in procs:
        r = p.wait(60)
        assert r.rc == 0 and r.out == "hello from the lab\n", r


def leftovers(t):
    links = lab.sh(["ip", "-br", "link"])
    mounts = lab.sh(["cat", "/proc/self/mounts"])
    netns = [n for n in lab.sh(["lsns", "-t", "net", "-n", "-o", "NS"]).split()]
    # A compiler may be at work beside the tests; its files begin with "cc".
    tmp = sorted(n for n in os.listdir("/tmp") if not n.startswith("cc"))
    return links, [m for m in mounts.split("\n") if "weir" in m], netns, tmp, sorted(os.listdir("/run"))


@test(links=True, smoke=True, alone=True)
def test_killed_with_sigkill_it_leaves_nothing(t):
    before = leftovers(t)
    p = t.spawn(sh="echo ready; curl -sS http://%s/; sleep 300 & sleep 300" % lab.WEB4)
    p.wait_for("hello")
    p.stop(signal.SIGKILL)
    end = time.monotonic() + 3
    while True:
        r = subprocess.run(["pgrep", "-x", "-f", "sleep 300"], stdout=subprocess.PIPE, text=True)
        after = leftovers(t)
        if not r.stdout and after == before:
            break
        assert time.monotonic() < end, "left: %s %s" % (r.stdout, [set(a) ^ set(b) if isinstance(a, list) else (a, b)
                                                                  for a, b in zip(before, after) if a != b])
        time.sleep(0.1)


@test(smoke=True)
def test_it_ends_when_the_command_ends_though_children_linger(t):
    r = t.run(sh="sleep 60 >/dev/null 2>&1 & echo done", timeout=20)
    assert r.out == "done\n" and r.seconds < 10, r
    subprocess.run(["pkill", "-x", "-f", "sleep 60"], check=False)


@test(links=True)
def test_a_missing_tun_device_falls_back_to_the_packet_link(t):
    if t.link == "tap":
        return t.host(["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net; exec \"$@\"", "sh"] +
                      t.argv([], ["true"], link="tap"), rc=125) and None
    r = t.host(["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net; exec \"$@\"", "sh"] +
               t.argv([], ["curl", "-sS", "http://%s/" % lab.WEB4], link=None))
    assert r.out == "hello from the lab\n", r


@test(smoke=True)
def test_where_namespaces_are_forbidden_the_setting_is_named(t):
    # In a user namespace whose limit is 0 nobody can make another one.
    r = t.host(["unshare", "--user", "--map-root-user", "sh", "-c",
                "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"", "sh", t.weir, "run", "--", "true"], rc=125)
    assert "max_user_namespaces" in r.err, r


class Terminal:
    """A command on a pseudo-terminal of its own, as from a shell."""

    def __init__(self, argv, rows=24, cols=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "$ "
            os.execvp(argv[0], argv)
        self.size(rows, cols)
        self.text = ""

    def size(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, s):
        os.write(self.fd, s.encode())

    def until(self, want, seconds=15):
        """Reads until the text shows; what was read since the last call."""
        end = time.monotonic() + seconds
        while want not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError("the terminal does not show %r but %r" % (want, self.text))
            try:
                b = os.read(self.fd, 65536)
            except OSError:
                b = b""
            if not b:
                raise AssertionError("the terminal closed before it showed %r: %r" % (want, self.text))
            self.text += b.decode(errors="replace")
        i = self.text.index(want) + len(want)
        got, self.text = self.text[:i], self.text[i:]
        return got

    def end(self, seconds=15):
        stop = threading.Timer(seconds, os.kill, (self.pid, signal.SIGKILL))
        stop.start()
        try:
            while True:
                try:
                    if not os.read(self.fd, 65536):
                        break
                except OSError:
                    break
            _, status = os.waitpid(self.pid, 0)
        finally:
            stop.cancel()
            os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


@test(smoke=True)
def test_the_command_has_the_terminal(t):
    term = Terminal(t.argv([], ["sh", "-c", "test -t 0 && test -t 1 && tty && stty size; read x; echo read $x"]))
    term.until("24 80")
    term.type("something\r")
    term.until("read something")
    assert term.end() == 0


@test(smoke=True)
def test_a_changed_window_size_is_seen(t):
    term = Terminal(t.argv([], ["bash", "-c", "trap 'stty size' WINCH; echo ready; for i in {1..100}; do sleep 0.05; done"]))
    term.until("ready")
    term.size(40, 123)
    term.until("40 123")
    term.type("\x03")
    term.end()


@test(smoke=True)
def test_control_c_reaches_the_command(t):
    term = Terminal(t.argv([], ["sh", "-c", "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.1; done"]))
    term.until("ready")
    term.type("\x03")
    term.until("interrupted")
    assert term.end() == 3


@test(smoke=True)
def test_job_control_inside_works(t):
    term = Terminal(t.argv([], ["bash", "--norc", "--noprofile", "-i"]))
    term.until("$ ")
    term.type("sleep 100\r")
    time.sleep(0.7)
    term.type("\x1a")
    term.until("Stopped")
    term.type("jobs\r")
    term.until("sleep 100")
    term.type("fg\r")
    time.sleep(0.5)
    term.type("\x03")
    term.type("echo st=$?\r")
    term.until("st=130")
    term.type("exit 5\r")
    assert term.end() == 5


@test(smoke=True)
def test_job_control_outside_works(t):
    """weir itself is a job: control-Z stops it and its command, fg goes on."""
    term = Terminal(["bash", "--norc", "--noprofile", "-i"])
    term.until("$ ")
    inner = " ".join(t.argv([], ["sh", "-c"]))
    term.type(inner + " 'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; done; echo over'\r")
    time.sleep(1)
    term.type("\x1a")
    term.until("Stopped")
    term.type("echo shell is back\r")
    term.until("shell is back")
    term.until("shell is back")
    term.type("fg\r")
    term.until("over\r\n", 20)
    term.type("exit 0\r")
    assert term.end() == 0


@test(smoke=True)
def test_version_and_help_answer(t):
    assert t.host([t.weir, "version"]).out.startswith("weir ")
    top = t.host([t.weir, "--help"]).out
    assert "weir run" in top and "weir version" in top, top
    for args in (["help", "run"], ["run", "--help"]):
        out = t.host([t.weir] + args).out
        for o in ("--publish", "--net", "--rule", "--allow", "--deny", "--map-root", "--netns", "--pid", "--link",
                  "--no-config", "--mtu", "--pcap", "--stats", "--log-level"):
            assert o in out, (args, o)


@test(smoke=True)
def test_no_capability_is_left_to_the_command_of_an_ordinary_user(t):
    r = t.run(sh="grep Cap /proc/self/status", user=True)
    caps = dict(line.split() for line in r.out.strip().split("\n"))
    assert all(caps[k].strip("0") == "" for k in ("CapEff:", "CapPrm:", "CapInh:", "CapAmb:")), r


@test(links=True)
def test_start_is_quick(t):
    best = min(t.run(cmd=["true"]).seconds for _ in range(5))
    assert best < (2.0 if t.sanitized else 0.5), "the best of five starts took %.2f s" % best


@test(links=True, smoke=True)
def test_pcap_opens_in_tshark_without_complaint(t):
    t.need("tshark")
    f = t.dir + "/x.pcapng"
    t.run("--pcap", f, cmd=["curl", "-sS", "http://%s/one-mib" % lab.WEB4, "-o", "/dev/null"])
    r = t.host(["tshark", "-r", f, "-T", "fields", "-e", "frame.len", "-Y", "tcp"], timeout=60)
    assert len(r.out.split()) > 10, r
    assert "cut short" not in r.err and "damaged" not in r.err, r
    r = t.host(["tshark", "-r", f, "-Y", "_ws.malformed"], timeout=60)
    assert r.out.strip() == "", r


@test(smoke=True)
def test_a_pcap_that_cannot_be_written_stops_nothing_half_way(t):
    os.mkfifo(t.dir + "/fifo")
    for path, said in (("/dev/full", "No space left"), (t.dir, "Is a directory"), (t.dir + "/fifo", "nobody reads from it")):
        r = t.run("--pcap", path, sh="echo ran", rc=125)
        assert said in r.err and r.out == "" and r.err.count("\n") == 1, r
    # A limit of the file size that is met on the way ends the capture, and nothing else; what is there opens.
    f = t.dir + "/x.pcapng"
    weir = shlex.join(t.argv(["--pcap", f], ["sh", "-c", "curl -sS http://%s/one-mib | wc -c" % lab.WEB4]))
    r = t.host(["bash", "-c", "ulimit -f 600; " + weir])
    assert r.out.split() == [str(1 << 20)] and "the capture ends here" in r.err, r
    r = t.host(["tshark", "-r", f, "-T", "fields", "-e", "frame.len"])
    assert len(r.out.split()) > 5 and "cut short" not in r.err, r


@test()
def test_pcap_can_be_followed_while_frames_keep_passing(t):
    f = t.dir + "/x.pcapng"
    t.spawn("--pcap", f, "--net", "all", cmd=["ping", "-i", "0.2", "-w", "20", lab.WEB4])
    end = time.monotonic() + 5
    while not os.path.exists(f) or os.path.getsize(f) < 1000:
        assert time.monotonic() < end, "nothing but its head was written"
        time.sleep(0.1)


@test(smoke=True)
def test_stats_and_the_summary_of_refusals_are_told_at_the_end(t):
    r = t.run("--stats", sh="curl -sS http://%s/ -o /dev/null; curl -s -m 3 http://10.9.8.7/; true" % lab.WEB4)
    assert "10.9.8.7" in r.err, r
    assert any(w in r.err for w in ("bytes", "packets")), r
    r = t.run("--quiet", sh="curl -s -m 3 http://10.9.8.7/; true")
    assert "10.9.8.7" not in r.err, r
