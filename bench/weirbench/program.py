# SPDX-License-Identifier: Apache-2.0
"""What the programs beside bench/run share: their start in namespaces of their own, weir as their gateway, and their rows.

Rows are a dictionary: id -> (label, unit, more is better, [(goal, against whom)]). A goal against somebody is how many times
better weir must be; one against "max" is the largest value that weir may have.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from statistics import median

from . import proc
from .netns import NetNs

PR_SET_PDEATHSIG = 1
PROGRAM = os.path.basename(sys.argv[0])


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    say(f"bench/{PROGRAM}: {text}")
    sys.exit(1)


def need(weir, programs):
    """Ends with a clear line where the rights, a program, or weir itself is missing. programs: (name, Debian package)."""
    if os.geteuid() != 0:
        fail(f"needs root: it makes network namespaces (try: sudo bench/{PROGRAM})")
    for program, package in programs:
        if not shutil.which(program):
            fail(f"{program} is not installed (Debian package {package}; tools/setup bench)")
    if not os.access(weir, os.X_OK):
        fail(f"{weir} is not there: build it with make")


def start_inside():
    """This program anew, with --inside, as the first process of its own namespaces: all ends with it, and it ends with us."""
    inner = subprocess.Popen(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc",
         "/usr/bin/python3", os.path.abspath(sys.argv[0]), "--inside", *sys.argv[1:]],
        preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    try:
        return inner.wait()
    finally:
        inner.kill()


class WeirRun:
    """`weir run` in the host's namespace, with a command that sleeps and so holds the guest's namespace."""
    name = "weir"

    def __init__(self, host, argv, **kw):
        """argv: up to the `--` before the command."""
        self.process = host.popen([*argv, "--", "sleep", "1000"], as_user=True, **kw)
        self.holder = self._find()
        self.ns = NetNs("guest", self.holder)

    def _find(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            for pid in proc.tree(self.process.pid):
                if proc.cmdline(pid)[:1] == [b"sleep"]:
                    time.sleep(0.2)
                    return pid
            time.sleep(0.02)
        fail("weir's command did not start")

    def pids(self):
        return proc.tree(self.process.pid, skip={self.holder})

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.ns.close()


def report(rows, found):
    """Rows as bench/run writes them. found: contestant -> a dictionary of values for each round."""
    out = {}
    for row, (label, unit, higher, goals) in rows.items():
        cells = {}
        for name, runs in found.items():
            values = [r[row] for r in runs if row in r]
            if values:
                cells[name] = {"median": median(values), "values": values, "failures": []}
        entry = {"label": label, "unit": unit, "higher_is_better": higher, "contestants": cells, "goals": []}
        mine = cells.get("weir")
        for goal, against in goals:
            other = cells.get(against)
            if mine and against == "max":
                entry["goals"].append({"goal": f"<= {goal}", "met": mine["median"] <= goal})
            elif mine and other:
                good, bad = (mine, other) if higher else (other, mine)
                ratio = good["median"] / max(bad["median"], 1e-9)  # what was measured as a difference may be below zero
                entry["ratio"] = ratio
                entry["goals"].append({"goal": f">= {goal} x {against}", "met": ratio >= goal})
        out[row] = entry
    return out


def missed(rows):
    """How many goals of a report are not met."""
    return sum(not g["met"] for r in rows.values() for g in r["goals"])
