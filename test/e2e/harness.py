# SPDX-License-Identifier: Apache-2.0
"""
What the end-to-end tests are written with: the @test mark, and T, a test's hold on the lab.

A test is a function that takes a T; its name says the behaviour. It asserts what a user would see.
It runs in a process of its own on the lab's host; what it leaves running is killed and, where it
is a weir, counts as a failure of the test.
"""
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import lab

PYTHON = lab.PYTHON
BIN = lab.ROOT + "/bin"  # copies of the programs and of guest.py, readable by everyone
TESTS = []


class Skip(Exception):
    """The machine cannot do this; `needed`: a continuous integration machine must."""

    def __init__(self, why, needed=False):
        super().__init__(why)
        self.needed = needed


def test(links=False, smoke=False, slow=False, waits=False, alone=False, release=False, timeout=60):
    """
    links    once with each link, instead of once with what weir chooses
    smoke    part of the quick choice
    slow     left out of `make check`
    waits    long, but it does next to nothing: it runs beside all that are not alone, and costs no time
    alone    nothing else runs beside it: it looks at times or takes much memory
    release  with the release build even where a sanitizer build is at hand: it is about speed or size
    """
    def mark(fn):
        for link in ("tap", "packet") if links else (None,):
            TESTS.append(dict(fn=fn, name=fn.__name__, subject=fn.__module__.replace("test_", ""), link=link,
                              smoke=smoke, slow=slow, waits=waits, alone=alone, release=release, timeout=timeout))
        return fn
    return mark


class Result:
    def __init__(self, rc, out, err, seconds):
        self.rc, self.out, self.err, self.seconds = rc, out, err, seconds

    def __repr__(self):
        def short(s):
            return s if len(s) < 3000 else s[:1500] + "\n[...]\n" + s[-1500:]
        return "exit %s after %.2f s\n--- stdout\n%s\n--- stderr\n%s" % (
            self.rc, self.seconds, short(self.out), short(self.err))


class Proc:
    """A process that goes on beside the test, with its output in files."""

    def __init__(self, t, cmd, stdin, env, name, **kw):
        self.t, self.cmd = t, cmd
        self.path = "%s/%s" % (t.dir, name)
        with open(self.path + ".out", "wb") as o, open(self.path + ".err", "wb") as e:
            self.p = subprocess.Popen(cmd, stdin=stdin, stdout=o, stderr=e, env=env, **kw)
        self.pid = self.p.pid
        self.t0 = time.monotonic()

    def _read(self, kind):
        with open(self.path + kind, errors="replace") as f:
            return f.read()

    @property
    def out(self):
        return self._read(".out")

    @property
    def err(self):
        return self._read(".err")

    def write(self, data):
        self.p.stdin.write(data)
        self.p.stdin.flush()

    def wait(self, timeout=30):
        try:
            rc = self.p.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("still running after %d s: %s\n%s" % (
                timeout, shlex.join(self.cmd), Result("none", self.out, self.err, timeout))) from None
        return Result(rc, self.out, self.err, time.monotonic() - self.t0)

    def wait_for(self, text, timeout=20, where="out"):
        end = time.monotonic() + timeout
        while text not in getattr(self, where):
            if self.p.poll() is not None and text not in getattr(self, where):
                raise AssertionError("ended (%s) before it said %r\n%s" % (self.p.returncode, text, self.out + self.err))
            if time.monotonic() > end:
                raise AssertionError("did not say %r in %d s\n%s" % (text, timeout, self.out + self.err))
            time.sleep(0.02)
        return self

    def stop(self, sig=signal.SIGTERM, timeout=10):
        if self.p.poll() is None:
            self.p.send_signal(sig)
        return self.wait(timeout)


class T:
    def __init__(self, number, link, weir, sanitized):
        self.number, self.link, self.weir, self.sanitized = number, link, weir, sanitized
        self.dir = "%s/tmp/t%d" % (lab.ROOT, number)
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o777)
        self.procs = []
        self.lab = lab.Lab()

    # ---- the sandbox -------------------------------------------------------------------------------
    def argv(self, opts, cmd, link="own", user=False):
        if link == "own":
            link = self.link
        as_user = ["setpriv", "--reuid=%d" % lab.USER_ID, "--regid=%d" % lab.USER_ID, "--clear-groups"] if user else []
        return as_user + [self.weir, "run"] + (["--link", link] if link else []) + [str(o) for o in opts] + ["--"] + cmd

    def cmd(self, cmd, sh):
        return ["sh", "-c", sh] if sh is not None else list(cmd)

    def run(self, *opts, cmd=(), sh=None, link="own", user=False, stdin=b"", timeout=30, env=None, rc=0, **kw):
        """weir run OPTS -- CMD, to its end. rc=None: any exit status will do."""
        return self.host(self.argv(opts, self.cmd(cmd, sh), link, user), stdin=stdin, timeout=timeout, env=env, rc=rc, **kw)

    def spawn(self, *opts, cmd=(), sh=None, link="own", user=False, stdin=subprocess.DEVNULL, env=None, **kw):
        """The same, running beside the test; ended (SIGTERM) with it."""
        return self.go(self.argv(opts, self.cmd(cmd, sh), link, user), stdin=stdin, env=env, **kw)

    def py_cmd(self, code):
        lines = code.split("\n")
        indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
        body = "\n".join(x[indent:] for x in lines)
        path = "%s/guest%d.py" % (self.dir, len(os.listdir(self.dir)))
        with open(path, "w") as f:
            f.write("import sys\nsys.path.insert(0, %r)\nfrom guest import *\n%s\n" % (BIN, body))
        return [PYTHON, path]

    def py(self, code, *opts, **kw):
        """Runs Python code in the sandbox; returns what it gave to out()."""
        r = self.run(*opts, cmd=self.py_cmd(code), **kw)
        try:
            return json.loads(r.out.strip().split("\n")[-1])
        except ValueError:
            raise AssertionError("no result: %r" % r) from None

    def spawn_py(self, code, *opts, **kw):
        return self.spawn(*opts, cmd=self.py_cmd(code), **kw)

    # ---- the host and the internet -----------------------------------------------------------------
    def host(self, cmd, stdin=b"", timeout=30, env=None, rc=0, **kw):
        t0 = time.monotonic()
        if isinstance(stdin, str):
            stdin = stdin.encode()
        p = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(os.environ, **(env or {})), **kw)
        try:
            out, err = p.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise AssertionError("still running after %d s: %s\n%r" % (timeout, shlex.join(cmd), Result(
                "none", out.decode(errors="replace"), err.decode(errors="replace"), timeout))) from None
        r = Result(p.returncode, out.decode(errors="replace"), err.decode(errors="replace"), time.monotonic() - t0)
        assert rc is None or r.rc == rc, "%s: exit status is not %s: %r" % (shlex.join(cmd), rc, r)
        return r

    def go(self, cmd, stdin=subprocess.DEVNULL, env=None, **kw):
        p = Proc(self, cmd, stdin, dict(os.environ, **(env or {})), "p%d" % len(self.procs), **kw)
        self.procs.append(p)
        return p

    def internet(self, cmd, ns="internet", **kw):
        return self.host(["nsenter", "--net=/run/netns/" + ns] + list(cmd), **kw)

    def internet_go(self, cmd, ns="internet", **kw):
        return self.go(["nsenter", "--net=/run/netns/" + ns] + list(cmd), **kw)

    def host_py(self, code, ns=None, **kw):
        r = self.host((["nsenter", "--net=/run/netns/" + ns] if ns else []) + self.py_cmd(code), **kw)
        return json.loads(r.out.strip().split("\n")[-1])

    def seen(self, token):
        """What the server saw of a conversation."""
        with socket.create_connection((lab.WEB4, 7099), 10) as s:
            s.sendall(token.encode() + b"\n")
            return json.loads(s.makefile().read())

    def port(self):
        """A port of the host that no other test uses."""
        self._port = getattr(self, "_port", 20000 + self.number * 20) + 1
        return self._port

    def listening(self, addr, port, timeout=15, udp=False):
        """Until something on the host listens there (without connecting to it)."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            r = subprocess.run(["ss", "-Hln" + ("u" if udp else "t"), "sport", "=", ":%d" % port],
                               stdout=subprocess.PIPE, text=True)
            if r.stdout.strip():
                return
            time.sleep(0.05)
        raise AssertionError("nothing listens on %s port %d" % (addr, port))

    # ---- what a test may lack ----------------------------------------------------------------------
    def need(self, *programs):
        for p in programs:
            if not shutil.which(p):
                raise Skip("%s is not installed" % p, needed=True)

    def skip(self, why):
        raise Skip(why)

    def done(self):
        """Ends what still runs. A weir must end when it is told to."""
        late = []
        for p in self.procs:
            if p.p.poll() is None:
                p.p.terminate()
        for p in self.procs:
            try:
                p.p.wait(10)
            except subprocess.TimeoutExpired:
                late.append(shlex.join(p.cmd))
                p.p.kill()
        assert not late, "did not end on SIGTERM: %s" % late


def in_threads(n, fn):
    """fn(i) in n threads; the exceptions of all."""
    errors = []

    def one(i):
        try:
            fn(i)
        except Exception as e:  # noqa: BLE001
            errors.append("%d: %r" % (i, e))
    ts = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    return errors


assert sys.version_info >= (3, 9)
