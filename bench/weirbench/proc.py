# SPDX-License-Identifier: Apache-2.0
"""What /proc says about the processes of a gateway: which they are, their CPU time, their memory, their wake-ups."""
import os

TICKS = os.sysconf("SC_CLK_TCK")


def _read(path, mode="r"):
    try:
        with open(path, mode) as f:
            return f.read()
    except OSError:
        return b"" if "b" in mode else ""


def _stat(pid):
    """The fields of /proc/PID/stat after the command's name, which may hold anything."""
    text = _read(f"/proc/{pid}/stat")
    return text[text.rindex(")") + 2:].split() if ")" in text else None


def pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


def cmdline(pid):
    return _read(f"/proc/{pid}/cmdline", "rb").split(b"\0")[:-1]


def tree(root, skip=()):
    """root and all its descendants, except those in skip and theirs."""
    children = {}
    for pid in pids():
        fields = _stat(pid)
        if fields and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid not in skip:
            found.append(pid)
            todo.extend(children.get(pid, []))
    return found


def with_env(mark):
    """Every process whose environment at its start held the mark: also one that was adopted by init."""
    mark = mark.encode()
    return [p for p in pids() if mark in _read(f"/proc/{p}/environ", "rb").split(b"\0")]


def cpu_seconds(pid_list):
    """User and system time of all threads, dead ones included."""
    ticks = 0
    for pid in pid_list:
        fields = _stat(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def _kib(text, key):
    for line in text.splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def rss_kib(pid_list):
    return sum(_kib(_read(f"/proc/{p}/status"), "VmRSS") for p in pid_list)


def pss_kib(pid_list):
    return sum(_kib(_read(f"/proc/{p}/smaps_rollup"), "Pss") for p in pid_list)


def wakeups(pid_list):
    """How often all threads went to sleep by themselves: a count of wake-ups."""
    total = 0
    for pid in pid_list:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        total += sum(_kib(_read(f"/proc/{pid}/task/{t}/status"), "voluntary_ctxt_switches")
                     for t in tasks)
    return total


def alive(pid):
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"
