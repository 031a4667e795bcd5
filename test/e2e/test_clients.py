# SPDX-License-Identifier: Apache-2.0
"""
More programs that people run in sandboxes, and what a guest's own kernel may do to TCP. Where it says "as without
weir", the same command runs on the host first, and its answer is the one that is wanted.
"""
import hashlib
import os
import shutil
import signal
import subprocess
import time
import zipfile

import lab
from harness import test
from test_programs import digest, listens


def files(t, n, size):
    """So many files on the web server; the digest of all of them."""
    h = hashlib.sha256()
    for i in range(n):
        with open(t.lab.file("part%02d-%d" % (i, size), size + i * 1000), "rb") as f:
            h.update(f.read())
    return h.hexdigest()


def as_without(t, sh, *opts, **kw):
    """What the shell says on the host, and behind weir, must be one."""
    want = t.host(["sh", "-c", sh], rc=None)
    got = t.run(*opts, sh=sh, rc=None, **kw)
    assert (got.rc, got.out) == (want.rc, want.out), (want, got)
    return got


@test(links=True)
def test_curl_fetches_fifty_files_at_once(t):
    want = files(t, 50, 200000)
    for args, name in (("--http2", "v4only"), ("--http1.1", "v6only")):
        r = t.run(sh="mkdir %s/%s; cd %s/%s; curl -sS -f %s --parallel --parallel-max 50 --remote-name-all 'https://%s.test/part[00-49]-200000'; "
                     "cat part* | sha256sum" % (t.dir, name, t.dir, name, args, name))
        assert r.out.split()[0] == want, (args, r)


@test(links=True)
def test_wget_goes_on_where_it_was_cut_off(t):
    want = digest(t.lab.file("thirty-mib", 30 << 20))
    r = t.run(sh="cd %s; timeout 1 wget -q --limit-rate=8m http://%s/thirty-mib; wc -c < thirty-mib; wget -q -c http://%s/thirty-mib; "
                 "sha256sum thirty-mib" % (t.dir, lab.WEB4, lab.WEB4))
    first, second = r.out.split()[:2]
    assert 0 < int(first) < 30 << 20 and second == want, r


@test(links=True)
def test_load_generators_see_no_error(t):
    t.need("h2load")
    for args in (["--h1", "-n", "10000", "-c", "100", "http://%s/" % lab.WEB4], ["-n", "10000", "-c", "20", "-m", "50", "https://v6only.test/"]):
        r = t.run(cmd=["h2load"] + args, timeout=40)
        assert "10000 succeeded, 0 failed, 0 errored, 0 timeout" in r.out, r


@test(smoke=True)
def test_apt_updates_and_fetches(t):
    t.need("apt-get", "dpkg-deb")
    web, tree = "%s/www/deb%d" % (lab.ROOT, t.number), t.dir + "/tree"
    os.makedirs(tree + "/DEBIAN")
    os.makedirs(tree + "/usr/share/demo")
    os.makedirs(web)
    shutil.copy(t.lab.file("one-mib", 1 << 20), tree + "/usr/share/demo/file")
    control = "Package: weir-demo\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@test>\nDescription: a package\n"
    with open(tree + "/DEBIAN/control", "w") as f:
        f.write(control)
    lab.sh(["dpkg-deb", "-b", tree, web + "/weir-demo.deb"])
    with open(web + "/Packages", "w") as f:
        f.write("%sFilename: ./weir-demo.deb\nSize: %d\nSHA256: %s\n" % (
            control, os.path.getsize(web + "/weir-demo.deb"), digest(web + "/weir-demo.deb")))
    r = t.run("--map-root", sh="""set -e; cd %s; mkdir -p lists/partial cache/archives/partial
        echo 'deb [trusted=yes] http://web.test/deb%d ./' > s.list; : > status
        o="-o Dir::Etc::SourceList=$PWD/s.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache
           -o Dir::State::Status=$PWD/status -o APT::Sandbox::User=root -o Debug::NoLocking=1"
        apt-get $o -q update; apt-get $o -q download weir-demo""" % (t.dir, t.number))
    assert digest(t.dir + "/weir-demo_1_all.deb") == digest(web + "/weir-demo.deb"), r


@test(smoke=True)
def test_pip_fetches_from_an_index(t):
    web = "%s/www/pypi%d" % (lab.ROOT, t.number)
    name = "weir_demo-1.0-py3-none-any.whl"
    os.makedirs(web + "/simple/weir-demo")
    with zipfile.ZipFile(web + "/" + name, "w") as z:
        z.writestr("weir_demo.py", "x = 1\n" * 200000)
        z.writestr("weir_demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: weir-demo\nVersion: 1.0\n")
        z.writestr("weir_demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("weir_demo-1.0.dist-info/RECORD", "")
    with open(web + "/simple/weir-demo/index.html", "w") as f:
        f.write('<!DOCTYPE html><a href="/pypi%d/%s#sha256=%s">%s</a>' % (t.number, name, digest(web + "/" + name), name))
    # The web server calls everything a stream of octets: the index needs its kind.
    port = t.port()
    t.internet_go([lab.PYTHON, "-m", "http.server", "-d", lab.ROOT + "/www", "-b", lab.WEB6, str(port)])
    listens(t, port)
    r = t.run(cmd=[lab.PYTHON, "-m", "pip", "--isolated", "--disable-pip-version-check", "download", "-q", "--no-deps", "-d", t.dir,
                   "--index-url", "http://[%s]:%d/pypi%d/simple/" % (lab.WEB6, port, t.number), "--trusted-host", lab.WEB6, "weir-demo"])
    assert digest(t.dir + "/" + name) == digest(web + "/" + name), r


@test(links=True)
def test_what_a_guests_own_tcp_may_want(t):
    """Fast open, multipath TCP, each congestion control: weir has none of the first two, and says so as TCP does."""
    got = t.py("""
        r = {}
        def ask(s, host, line=b"sink x\\n", n=3000000):
            s.settimeout(10)
            s.connect((host, 7000))
            s.sendall(line + pattern(n))
            s.shutdown(socket.SHUT_WR)
            return json.loads(recv_all(s))["sha"] == hashlib.sha256(pattern(n)).hexdigest()
        for host, family in ((WEB4, socket.AF_INET), (WEB6, socket.AF_INET6)):
            for cc in open("/proc/sys/net/ipv4/tcp_available_congestion_control").read().split():
                s = socket.socket(family)
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cc.encode())
                r["%s %s" % (cc, host)] = ask(s, host)
            try:
                s = socket.socket(family, socket.SOCK_STREAM, 262)      # IPPROTO_MPTCP
                r["mptcp " + host] = ask(s, host)
            except OSError as e:
                if e.errno not in (errno.EPROTONOSUPPORT, errno.ENOPROTOOPT):
                    raise
            for i in range(3):                                           # a cookie is asked for, and then would be used
                s = socket.socket(family)
                s.settimeout(None)
                s.setsockopt(socket.IPPROTO_TCP, 30, 1)                  # TCP_FASTOPEN_CONNECT
                r["fast open %d %s" % (i, host)] = ask(s, host, n=1000)
        out(r)
    """, timeout=40)
    assert len(got) >= 10 and all(got.values()), got


@test(links=True, smoke=True)
def test_protocols_that_are_not_carried_are_refused_at_once(t):
    """SCTP, GRE, ESP and the like from the guest's root: the answer is the one that a host gives which does not have them."""
    got = t.py("""
        r = {}
        for host, family in ((WEB4, socket.AF_INET), (WEB6, socket.AF_INET6)):
            for proto in (4, 33, 41, 47, 50, 89, 103, 132, 136, 253):
                s = socket.socket(family, socket.SOCK_RAW, proto)
                s.settimeout(3)
                s.setsockopt(*((socket.IPPROTO_IPV6, 25, 1) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 11, 1)))
                s.connect((host, 0))
                t0 = time.monotonic()
                try:
                    s.send(bytes(40))
                    s.recv(100)
                    e = "answer"
                except OSError as e_:
                    e = err_name(e_)
                r["%d %s" % (proto, host)] = [e, time.monotonic() - t0]
        out(r)
    """, "--map-root", timeout=40)
    wrong = {k: v for k, v in got.items() if v[0] != ("EPROTO" if ":" in k else "ENOPROTOOPT") or v[1] > 1}
    assert not wrong, wrong


@test(waits=True)
def test_mtu_probes_end_as_without_weir(t):
    """Sizes around the MTU of the first link and of a narrow one behind it, with DF set; the second probe knows."""
    as_without(t, """
        probe() { ping -c1 -W1 -M do -s $2 $1 >/dev/null 2>&1; ping -c1 -W1 -M do -s $2 $1 2>&1 | grep -io 'message too long.*\\|1 received'; }
        for a in %s/1272 %s/1273 %s/1472 %s/1473 %s/1252 %s/1253 %s/1452 %s/1453; do probe ${a%%/*} ${a#*/}; done
        """ % (lab.NARROW4, lab.NARROW4, lab.WEB4, lab.WEB4, lab.NARROW6, lab.NARROW6, lab.WEB6, lab.WEB6), timeout=40)


@test(smoke=True)
def test_resolver_libraries_agree(t):
    """glibc, c-ares (by node), busybox and bind's, each by itself."""
    t.need("node", "busybox", "host")
    as_without(t, """
        node -e 'const d = require("dns"), r = new d.promises.Resolver();
            Promise.all([r.resolve4("web.test"), r.resolve6("web.test"), r.resolveTxt("big.test"), r.resolveCname("alias.test"),
                r.resolve4("nothere.test").catch(e => e.code), r.resolve6("v4only.test").catch(e => e.code)]).then(x => console.log(JSON.stringify(x)))'
        busybox nslookup web.test | grep -v '^Server\\|#53\\|:53' | sort; host web.test | sort; host -t txt big.test | md5sum; host nothere.test; getent ahosts web.test | awk '{print $1, $2}' | sort
        dig +short -t any alias.test | sort; getent hosts nothere.test; echo $?""")


@test(links=True, timeout=120)
def test_transfers_go_on_while_the_policy_is_replaced(t):
    """Twenty reloads, with and without rules that are no concern of the transfers', under two uploads and two downloads."""
    size = 60 << 20
    want = digest(t.lab.file("sixty-mib", size))
    path = t.dir + "/weir.yaml"

    def write(i):
        with open(path + ".new", "w") as f:
            f.write("policy:\n  rules:\n    - deny@192.0.2.%d\n" % i + "".join("    - deny@198.18.%d.0/24\n" % k for k in range(i % 2 * 100)) +
                    "    - allow@public\n")
        os.rename(path + ".new", path)
    write(0)
    up = ["%s/www/up/%d-%d" % (lab.ROOT, t.number, i) for i in (4, 6)]
    p = t.spawn("-c", path, "--log-level", "info", stdin=subprocess.PIPE, sh="""cd %s
        for h in %s '[%s]'; do
            curl -sS -f --limit-rate 12m http://$h/sixty-mib | sha256sum &
            curl -sS -f --limit-rate 12m -T %s/www/sixty-mib "http://$h/up/%d-$( [ $h = %s ] && echo 4 || echo 6 )" >/dev/null || echo upload failed &
        done; echo going; wait""" % (t.dir, lab.WEB4, lab.WEB6, lab.ROOT, t.number, lab.WEB4))
    p.wait_for("going")
    for i in range(20):
        time.sleep(0.2)
        assert p.p.poll() is None, p.out + p.err
        write(i + 1)
        p.p.send_signal(signal.SIGHUP)
    r = p.wait(60)
    assert r.rc == 0 and r.out.split().count(want) == 2, r
    assert [digest(u) for u in up] == [want] * 2, r
