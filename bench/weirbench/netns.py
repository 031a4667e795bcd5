# SPDX-License-Identifier: Apache-2.0
"""Network namespaces without names: each lives as long as a file descriptor of this process or a process in it.

Nothing is left behind, however the benchmark ends.
"""
import ctypes
import os
import signal
import subprocess

CLONE_NEWNET = 0x40000000
USER = 1000  # who the gateways run as; needs no entry in /etc/passwd
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{what}: {os.strerror(err)}")


class NetNs:
    """One network namespace; commands are run in it by entering it between fork and exec."""

    def __init__(self, name, pid=None):
        self.name = name
        if pid is None:
            pid = self._make()
            self.fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        else:
            self.fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.fd).st_ino

    @staticmethod
    def _make():
        """A process in a new namespace; it waits to be killed."""
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _check(_libc.unshare(CLONE_NEWNET), "unshare")
                os.write(tell, b"y")
                signal.pause()
            finally:
                os._exit(1)
        os.close(tell)
        ok = os.read(told, 1)
        os.close(told)
        if ok != b"y":
            raise OSError("cannot make a network namespace")
        return pid

    def enter(self):
        """For preexec_fn."""
        _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")

    def enter_as_user(self):
        """For preexec_fn: in the namespace, and an ordinary user without any right."""
        self.enter()
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)

    def popen(self, argv, as_user=False, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(argv, preexec_fn=self.enter_as_user if as_user else self.enter, **kw)

    def run(self, argv, as_user=False, **kw):
        if "input" not in kw:
            kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(argv, preexec_fn=self.enter_as_user if as_user else self.enter, **kw)

    def ip(self, *lines):
        """Commands of ip(8), a line each; the first that fails ends the benchmark with what ip said."""
        for line in lines:
            done = self.run(["ip", *line.split()], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"ip {line} (in {self.name}): {done.stderr.strip()}")

    def sysctl(self, key, value=None):
        """Reads a sysctl of this namespace, or sets it: /proc/sys/net is that of the process that opens it."""
        path = "/proc/sys/" + key.replace(".", "/")
        if value is not None:
            done = self.run(["tee", path], input=value.encode(), capture_output=True)
            if done.returncode != 0:
                raise RuntimeError(f"{key}={value} (in {self.name}): {done.stderr.decode().strip()}")
        return self.run(["cat", path], capture_output=True, text=True).stdout.strip()

    def handle(self):
        """A path by which ip(8) finds this namespace."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
