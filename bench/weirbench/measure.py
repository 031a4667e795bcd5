# SPDX-License-Identifier: Apache-2.0
"""The measurements. Each takes a running guest and gives values for one or more rows; a failure is a text, not a number."""
import json
import os
import subprocess
import time

from . import proc
from .lab import IPERF_PORT, SERVER
from .rows import GBIT_OF


class Failed(Exception):
    """This measurement gave nothing; the text says why."""


def _client(guest, args, seconds):
    try:
        done = guest.run(args, seconds + 12)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"{args[0]}: no end after {e.timeout:.0f} s") from None
    if done.returncode != 0:
        raise Failed(f"{args[0]}: {done.stderr.strip() or 'failed'}")
    return json.loads(done.stdout)


def _family(guest, version):
    if version in guest.missing:
        raise Failed(guest.missing[version])
    return SERVER[version]


def _jain(values):
    squares = sum(v * v for v in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


class _Busy(Failed):
    """iperf3's server still waits for a client that is gone."""


def iperf(guest, *args, **kw):
    try:
        return _iperf(guest, *args, **kw)
    except _Busy:  # the server was started anew
        return _iperf(guest, *args, **kw)


def _iperf(guest, inward, flows=1, version=4, seconds=2):
    """One run of iperf3, with the CPU time of everybody: the gateway, the client and the server."""
    argv = ["iperf3", "-J", "-c", _family(guest, version), "-p", str(IPERF_PORT), "-t", str(seconds),
            "-P", str(flows), "--connect-timeout", "3000"] + (["-R"] if inward else [])
    lab = guest.lab
    if not lab.iperf:
        raise Failed("iperf3 is not installed")
    gateway = guest.gateway_pids()
    before = proc.cpu_seconds(gateway), proc.cpu_seconds([lab.iperf.pid]), os.times()
    out = b""
    try:
        p = guest.ns.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            out, _ = p.communicate(timeout=seconds + 8)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
        result = json.loads(out)
        received = result["end"]["sum_received"]
        streams = [s["receiver"]["bytes"] for s in result["end"]["streams"]]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as e:
        lab.iperf_restart()
        try:
            why = json.loads(out).get("error", "no result")
        except ValueError:
            why = "no result" if isinstance(e, ValueError) else "no end"
        raise (_Busy if "busy" in why else Failed)(f"iperf3: {why}") from None
    times = os.times()
    own = proc.cpu_seconds(gateway) - before[0]
    client = times.children_user + times.children_system - \
        before[2].children_user - before[2].children_system
    everybody = own + client + proc.cpu_seconds([lab.iperf.pid]) - before[1]
    gigabytes = received["bytes"] / 1e9
    if gigabytes <= 0:
        raise Failed("iperf3: nothing arrived")
    return {"gbit": received["bits_per_second"] / 1e9, "jain": _jain(streams),
            "cpu": own / gigabytes, "cpu_all": everybody / gigabytes}


def tcp_one(way):
    def run(guest, plan):
        r = iperf(guest, way == "in", seconds=plan.stream)
        values = {f"tcp_{way}_1": r["gbit"], f"cpu_all_{way}": r["cpu_all"]}
        if guest.contestant.has_gateway:
            values[f"cpu_{way}"] = r["cpu"]
        return values
    return run


def tcp_six(way):
    return lambda guest, plan: {
        f"tcp6_{way}_1": iperf(guest, way == "in", version=6, seconds=plan.side)["gbit"]}


def tcp_many(way, flows):
    def run(guest, plan):
        r = iperf(guest, way == "in", flows=flows, seconds=plan.side)
        values = {f"tcp_{way}_{flows}": r["gbit"], f"jain_{way}_{flows}": r["jain"],
                  f"cpu_all_{way}_{flows}": r["cpu_all"]}
        if guest.contestant.has_gateway:
            values[f"cpu_{way}_{flows}"] = r["cpu"]
        return values
    return run


def pump(way):
    return lambda guest, plan: {f"pump_{way}": _client(
        guest, [f"pump-{way}", SERVER[4], plan.side], plan.side)["gbit"]}


def tcp_rr(guest, plan):
    r = _client(guest, ["rr", SERVER[4], plan.talk], plan.talk)
    return {"rr": r["rate"], "rr_p50": r["p50_us"], "rr_p99": r["p99_us"]}


def tcp_crr(guest, plan):
    r = _client(guest, ["crr", SERVER[4], plan.talk], plan.talk)
    return {"crr": r["rate"], "crr_p50": r["p50_us"], "crr_p99": r["p99_us"],
            "connect_p99": r["connect_p99_us"]}


def first_byte(guest, plan):
    r = _client(guest, ["greet", SERVER[4], plan.greet], plan.greet)
    return {"greet": r["p50_us"], "greet_p99": r["p99_us"]}


def reopening(guest, plan):
    r = _client(guest, ["reopen", SERVER[4], plan.reopenings], 5)
    if r["stalled"]:
        raise Failed(f"reopen: {r['stalled']} of {plan.reopenings} stalled for 3 s")
    return {"reopen": r["p50_us"], "reopen_max": r["max_us"]}


def udp_rr(guest, plan):
    r = _client(guest, ["udp-rr", SERVER[4], plan.talk, 64], plan.talk)
    if not r["n"]:
        raise Failed("udp-rr: no answer came")
    return {"udp_rr": r["rate"], "udp_rr_p99": r["p99_us"]}


def udp_run(way, size):
    def run(guest, plan):
        r = _client(guest, [f"udp-{way}", SERVER[4], plan.short, size], plan.short)
        if not r["got"]:
            raise Failed(f"udp-{way}: no datagram of {size} bytes arrived")
        return {f"udp_{way}_{size}": r["pps"] / 1e3}
    return run


# In the order in which they run; each for every contestant before the next.
MEASUREMENTS = [
    ("tcp_out_1", tcp_one("out")), ("tcp_in_1", tcp_one("in")),
    ("pump_out", pump("out")), ("pump_in", pump("in")),
    ("tcp6_out_1", tcp_six("out")), ("tcp6_in_1", tcp_six("in")),
    ("tcp_out_8", tcp_many("out", 8)), ("tcp_in_8", tcp_many("in", 8)),
    ("tcp_out_64", tcp_many("out", 64)), ("tcp_in_64", tcp_many("in", 64)),
    ("rr", tcp_rr), ("crr", tcp_crr), ("greet", first_byte), ("reopen", reopening),
    ("udp_rr", udp_rr),
    *[(name, udp_run(name.split("_")[1], size)) for name, size in GBIT_OF.items()],
]


def start_time(lab, contestant, count):
    argv = contestant.start_command()
    try:
        done = lab.host.run([lab.load, "spawn", str(count), *argv], as_user=True,
                            capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise Failed("start: no end after 60 s") from None
    if done.returncode != 0:
        raise Failed(f"start: {done.stderr.strip()}")
    r = json.loads(done.stdout)
    if r["failed"]:
        raise Failed(f"start: {r['failed']} of {r['n']} ended with a status other than 0")
    return {"start": r["p50_us"] / 1e3}


def memory_idle(guest, seconds):
    """Right after the start, before any load; the network was probed once. What comes to rest first, of the gateway and of
    the guest's kernel (which looks for routers and duplicate addresses), is none of the rest."""
    pids = guest.gateway_pids()
    time.sleep(seconds)
    memory = {"rss_idle": proc.rss_kib(pids), "pss_idle": proc.pss_kib(pids)}
    before = proc.wakeups(pids)
    time.sleep(seconds)
    return {**memory, "wakeups_idle": (proc.wakeups(pids) - before) / seconds}


def memory_connections(guest, count):
    pids = guest.gateway_pids()
    before = proc.rss_kib(pids)
    holder = guest.ns.popen([guest.lab.load, "idle", SERVER[4], str(count)], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = holder.stdout.readline()
        if not line:
            raise Failed("idle connections: the client ended")
        r = json.loads(line)
        after = proc.rss_kib(pids)
        if not guest.alive():
            raise Failed(f"idle connections: the gateway ended: {guest.said()}")
    finally:
        holder.stdin.close()
        try:
            holder.wait(10)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()
    values = {"idle_count": r["n"]}
    # Who holds fewer must not look thriftier for it in sum; what each costs can be said all the same.
    if r["n"] == count:
        values["rss_conns"] = after
    if r["n"] >= min(count, 1000):
        values["rss_per_conn"] = after * 1024 / r["n"]
        values["rss_growth"] = max(after - before, 0) * 1024 / r["n"]
    return values, r["why"]
