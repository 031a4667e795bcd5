# SPDX-License-Identifier: Apache-2.0
"""The command line where people hold it wrongly, and hosts that are not as one expects them."""
import os
import shlex
import signal
import subprocess
import time

import lab
from harness import test


def one_line(t, args, *has, rc=125):
    r = t.host([t.weir] + args, rc=rc)
    assert r.out == "" and r.err.startswith("weir: ") and r.err.endswith("\n") and r.err.count("\n") == 1, r
    for h in has:
        assert h in r.err, (h, r)
    return r


@test(smoke=True)
def test_words_in_the_wrong_place_get_one_line(t):
    one_line(t, ["curl", "https://web.test/"], "'curl'", "weir run -- curl")
    one_line(t, ["--net", "public", "run", "--", "true"], "--net", "weir run --net")
    one_line(t, ["version", "now"], "version", "'now'")
    one_line(t, ["help", "run", "now"], "help", "'now'")
    one_line(t, ["run", "-net", "public", "--", "true"], "-net", "did you mean --net?")
    one_line(t, ["run", "-mtu=1400", "--", "true"], "-mtu", "did you mean --mtu?")
    assert t.host([t.weir, "version", "--help"]).out.startswith("Usage: weir version")


@test(smoke=True)
def test_a_message_is_one_line_whatever_it_repeats(t):
    one_line(t, ["no\nsuch\033[31m"], "'no?such?[31m'")
    one_line(t, ["run", "--netns", "/no\nsuch", "--", "true"], "/no?such")
    one_line(t, ["run", "--", "no\nsuch"], "no?such", rc=127)


@test(smoke=True)
def test_what_cannot_be_written_is_a_failure(t):
    for args in (["--help"], ["version"], ["run", "--help"]):
        with open("/dev/full", "w") as full:
            p = subprocess.run([t.weir] + args, stdout=full, stderr=subprocess.PIPE, text=True)
        assert p.returncode == 125 and "No space left" in p.stderr, (args, p)


@test(smoke=True)
def test_the_last_signal_and_sigpipe_are_passed_on_too(t):
    for s in (signal.SIGRTMAX, signal.SIGRTMIN, signal.SIGPIPE):
        p = t.spawn(cmd=t.py_cmd("""
            import signal
            signal.signal(%d, lambda n, f: os._exit(9))
            print("ready", flush=True)
            time.sleep(10)
        """ % s))
        p.wait_for("ready")
        assert p.stop(s).rc == 9, s


@test(smoke=True)
def test_who_kills_the_keeper_kills_what_it_watched_over(t):
    """It runs under the command's uid."""
    r = t.run(sh="setsid sleep 4711 & sleep 0.2; kill -9 $PPID; sleep 60", user=True, rc=125)
    assert "killed" in r.err, r
    r = t.host(["pgrep", "-x", "-f", "sleep 4711"], rc=None)
    assert r.out == "", "left: " + r.out


@test(smoke=True)
def test_a_keeper_that_was_stopped_leaves_nothing(t):
    p = t.spawn(sh="setsid sleep 4713 & kill -STOP $PPID; echo ready; sleep 60", user=True)
    p.wait_for("ready")
    p.stop(signal.SIGKILL)
    end = time.monotonic() + 3
    while t.host(["pgrep", "-x", "-f", "sleep 4713"], rc=None).out:
        assert time.monotonic() < end, "left"
        time.sleep(0.05)


@test(smoke=True)
def test_a_command_that_hides_proc_does_not_hold_the_keeper_up(t):
    hide = "mount -t tmpfs none /proc; mkdir -p /proc/self/task/$PPID; mkfifo /proc/self/mountinfo /proc/self/task/$PPID/children; "
    r = t.run("--map-root", sh="sleep 4714 & " + hide + "mount -t tmpfs none /mnt; sleep 0.2; exit 3", rc=3, timeout=20)
    assert r.seconds < 10, r
    assert t.host(["pgrep", "-x", "-f", "sleep 4714"], rc=None).out == ""


@test(smoke=True, release=True)
def test_a_keeper_without_file_descriptors_mounts_nothing_again_and_again(t):
    weir = shlex.join(t.argv(["--map-root"], ["sh", "-c", "mount -t tmpfs none /mnt; sleep 0.5; wc -l < /proc/self/mountinfo"]))
    counts = [int(t.host(["bash", "-c", "ulimit -n %d; %s" % (n, weir)]).out) for n in range(12, 18)]
    assert max(counts) <= min(counts) + 8, counts


@test(smoke=True)
def test_killed_by_its_name_it_leaves_nothing(t):
    p = t.spawn(sh="setsid sleep 4712 & echo ready; sleep 60")
    p.wait_for("ready")
    for pid in t.host(["pgrep", "-x", "weir", "--parent", str(os.getpid())], rc=None).out.split():
        assert int(pid) == p.pid
    names = t.host(["ps", "-o", "comm=", "--ppid", str(p.pid)]).out.split("\n")
    assert "weir" not in names, names
    p.stop(signal.SIGKILL)
    end = time.monotonic() + 3
    while t.host(["pgrep", "-x", "-f", "sleep 4712"], rc=None).out:
        assert time.monotonic() < end, "left"
        time.sleep(0.05)


@test(smoke=True)
def test_weirs_own_network_is_not_served(t):
    one_line(t, ["run", "--netns", "/proc/self/ns/net", "--", "true"], "--netns: '/proc/self/ns/net'", "weir itself")
    one_line(t, ["run", "--pid", str(os.getpid()), "--", "true"], "--pid: '%d'" % os.getpid(), "weir itself")


@test(smoke=True)
def test_a_file_that_is_open_already_takes_the_capture(t):
    r = subprocess.run(["bash", "-c", '"$@" --quiet -- curl -sS -o /dev/null http://%s/ | wc -c' % lab.WEB4, "x"] +
                       t.argv([], [])[:-1] + ["--pcap", "/dev/stdout"], stdout=subprocess.PIPE, text=True, timeout=30)
    assert int(r.stdout) > 500, r
    f = t.dir + "/pcap"
    with open(f, "wb") as out:
        subprocess.run(t.argv(["--pcap", "/dev/fd/%d" % out.fileno()], ["curl", "-sS", "-o", "/dev/null", "http://%s/" % lab.WEB4]),
                       pass_fds=[out.fileno()], check=True, timeout=30)
    assert os.path.getsize(f) > 500


@test()
def test_many_names_of_the_host_fit_into_the_hosts_file(t):
    names = ["%s%d.example.org" % ("a" * 50, i) for i in range(30)]
    f = t.dir + "/weir.yaml"
    with open(f, "w") as out:
        out.write("dns: {host_aliases: [%s]}\n" % ", ".join(names))
    r = t.run("--config", f, sh="cat /etc/hosts")
    assert r.out.count(names[-1]) == 2, r


@test(smoke=True, release=True)
def test_a_proc_that_is_not_its_own_is_told(t):
    # A sanitizer does without /proc even less than weir.
    r = t.host(["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc; exec "$@"', "sh", t.weir, "run", "--", "true"], rc=125)
    assert "/proc is not mounted" in r.err, r
    r = t.host(["unshare", "--pid", "--fork", t.weir, "run", "--", "true"], rc=125)
    assert "/proc shows another PID namespace" in r.err, r
    # The mounts of another one, as nsenter -m enters a container's.
    r = t.host(["sh", "-c", 'unshare --pid --fork --kill-child --mount-proc sleep 60 & sleep 0.5; nsenter -m -t $! "$@"; r=$?; kill -9 $!; exit $r', "sh", t.weir, "run", "--", "true"], rc=125)
    assert "/proc shows another PID namespace" in r.err, r


@test(smoke=True)
def test_values_that_are_nearly_right_get_the_nearest(t):
    one_line(t, ["run", "--budget-out", "10MB", "--", "true"], "--budget-out: '10MB'", "the nearest is 10M")
    one_line(t, ["run", "--dns-timeout", "5sec", "--", "true"], "--dns-timeout: '5sec'", "the nearest is 5s")
    one_line(t, ["run", "--config", "/no/such.yaml", "--", "true"], "--config: /no/such.yaml: No such file")
    one_line(t, ["run", "--netns", "/no/such", "--", "true"], "--netns: '/no/such'", "expected a path such as /run/netns/NAME")
    one_line(t, ["run", "--ipv4", "10.0.0.0", "--", "true"], "--ipv4", "'10.0.0.0'", "such as 10.0.0.2")


@test(smoke=True)
def test_a_tun_device_of_which_no_tap_can_be_made_is_as_good_as_none(t):
    fake = 'mount -t tmpfs -o mode=755 none /dev/net; : > /dev/net/tun; chmod 666 /dev/net/tun; exec "$@"'
    for user in (False, True):
        r = t.host(["unshare", "--mount", "sh", "-c", fake, "sh"] +
                   t.argv([], ["curl", "-sS", "http://%s/" % lab.WEB4], link=None, user=user))
        assert r.out == "hello from the lab\n" and r.err == "", r
        r = t.host(["unshare", "--mount", "sh", "-c", fake, "sh"] + t.argv([], ["true"], link="tap", user=user), rc=125)
        assert "cannot make the tap" in r.err, r


@test(smoke=True)
def test_a_reader_of_the_command_sees_its_end_however_many_files_are_open(t):
    """Neither weir nor its helpers hold what the command has closed."""
    r, w = os.pipe()
    many = [os.dup(w) for _ in range(400)]
    p = subprocess.Popen(t.argv([], t.py_cmd("os.closerange(3, 1000)\nprint('closed', flush=True)\ntime.sleep(5)")),
                         pass_fds=many, stdout=subprocess.PIPE)
    for fd in many + [w]:
        os.close(fd)
    assert p.stdout.readline() == b"closed\n"
    begun = time.monotonic()
    assert os.read(r, 1) == b""
    assert time.monotonic() - begun < 2 and p.wait() == 0
    os.close(r)
