# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what each means, which way is better, and what weir promises for it.

A row's goals are tuples (against, factor): "best1500" and "best" are the best peer at MTU 1500 and at any MTU, "veth" the
kernel, "pasta" the best pasta at any MTU, "max" and "min" absolute values of weir's own, any other word another row of weir.
A goal against a peer asks for `factor` times the better value: 2.0 is twice the rate, or half the time.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    id: str
    label: str
    unit: str
    higher: bool = True   # more is better
    bar: bool = True      # counts for "not slower than the best peer at MTU 1500"
    goals: tuple = ()
    digits: int = 2


STREAM = (("best1500", 2.0), ("best", 1.0), ("veth", 0.6))

ROWS = [
    Row("tcp_out_1", "TCP 1 flow out, iperf3", "Gbit/s", goals=STREAM),
    Row("tcp_in_1", "TCP 1 flow in, iperf3", "Gbit/s", goals=STREAM),
    Row("pump_out", "TCP 1 flow out, byte pump", "Gbit/s", goals=STREAM),
    Row("pump_in", "TCP 1 flow in, byte pump", "Gbit/s", goals=STREAM),
    Row("tcp6_out_1", "TCP 1 flow out, IPv6", "Gbit/s", goals=STREAM),
    Row("tcp6_in_1", "TCP 1 flow in, IPv6", "Gbit/s", goals=STREAM),
    Row("tcp_out_8", "TCP 8 flows out", "Gbit/s", goals=(("tcp_out_1", 1.0),)),
    Row("jain_out_8", "  fairness (Jain)", "", bar=False, goals=(("min", 0.9),), digits=3),
    Row("cpu_out_8", "  gateway's CPU", "s/GB", False, bar=False, digits=3),
    Row("cpu_all_out_8", "  everybody's CPU", "s/GB", False, bar=False, digits=3),
    Row("tcp_in_8", "TCP 8 flows in", "Gbit/s", goals=(("tcp_in_1", 1.0),)),
    Row("jain_in_8", "  fairness (Jain)", "", bar=False, goals=(("min", 0.9),), digits=3),
    Row("cpu_in_8", "  gateway's CPU", "s/GB", False, bar=False, digits=3),
    Row("cpu_all_in_8", "  everybody's CPU", "s/GB", False, bar=False, digits=3),
    Row("tcp_out_64", "TCP 64 flows out", "Gbit/s", goals=(("tcp_out_1", 1.0),)),
    Row("jain_out_64", "  fairness (Jain)", "", bar=False, goals=(("min", 0.9),), digits=3),
    Row("cpu_out_64", "  gateway's CPU", "s/GB", False, bar=False, digits=3),
    Row("cpu_all_out_64", "  everybody's CPU", "s/GB", False, bar=False, digits=3),
    Row("tcp_in_64", "TCP 64 flows in", "Gbit/s", goals=(("tcp_in_1", 1.0),)),
    Row("jain_in_64", "  fairness (Jain)", "", bar=False, goals=(("min", 0.9),), digits=3),
    Row("cpu_in_64", "  gateway's CPU", "s/GB", False, bar=False, digits=3),
    Row("cpu_all_in_64", "  everybody's CPU", "s/GB", False, bar=False, digits=3),
    Row("cpu_out", "gateway's CPU out, 1 flow", "s/GB", False, goals=(("pasta", 1.0),), digits=3),
    Row("cpu_in", "gateway's CPU in, 1 flow", "s/GB", False, goals=(("pasta", 1.0),), digits=3),
    Row("cpu_all_out", "everybody's CPU out", "s/GB", False, bar=False, digits=3),
    Row("cpu_all_in", "everybody's CPU in", "s/GB", False, bar=False, digits=3),
    Row("rr", "TCP round trips, 1 byte", "1/s", goals=(("best", 1.3),), digits=0),
    Row("rr_p50", "  p50", "us", False, digits=1),
    Row("rr_p99", "  p99", "us", False, digits=1),
    Row("crr", "connect/request/close", "1/s", goals=(("best", 1.3),), digits=0),
    Row("crr_p50", "  p50", "us", False, digits=0),
    Row("crr_p99", "  p99", "us", False, digits=0),
    Row("connect_p99", "connect, p99", "us", False, goals=(("max", 1000),), digits=0),
    Row("greet", "first byte after accept, p50", "us", False, digits=0),
    Row("greet_p99", "  p99", "us", False, goals=(("max", 1000),), digits=0),
    Row("reopen", "window reopening, p50", "us", False, digits=0),
    Row("reopen_max", "  worst", "us", False, bar=False, goals=(("max", 1000),), digits=0),
    Row("udp_rr", "UDP round trips, 64 bytes", "1/s", goals=(("best", 1.3),), digits=0),
    Row("udp_rr_p99", "  p99", "us", False, digits=1),
    Row("udp_out_1372", "UDP out, 1372 bytes", "k/s", goals=(("best", 2.0),), digits=1),
    Row("udp_in_1372", "UDP in, 1372 bytes", "k/s", goals=(("best", 2.0),), digits=1),
    Row("udp_out_16000", "UDP out, 16000 bytes", "k/s", goals=(("best", 2.0),), digits=1),
    Row("udp_in_16000", "UDP in, 16000 bytes", "k/s", goals=(("best", 2.0),), digits=1),
    Row("start", "start, run true, end", "ms", False, goals=(("pasta", 1.0), ("max", 15)), digits=1),
    Row("rss_idle", "memory, idle: RSS", "KiB", False, goals=(("max", 4096),), digits=0),
    Row("pss_idle", "memory, idle: PSS", "KiB", False, digits=0),
    Row("wakeups_idle", "wake-ups, idle", "1/s", False, bar=False, goals=(("max", 0),), digits=1),
    Row("idle_count", "idle connections held", "", bar=True, digits=0),
    Row("rss_conns", "memory with these: RSS", "KiB", False, digits=0),
    Row("rss_per_conn", "  all of it, a connection", "bytes", False, digits=0),
    Row("rss_growth", "  growth, a connection", "bytes", False, bar=False, goals=(("max", 1024),), digits=0),
]
BY_ID = {r.id: r for r in ROWS}

GBIT_OF = {"udp_out_1372": 1372, "udp_in_1372": 1372, "udp_out_16000": 16000, "udp_in_16000": 16000}


def full_label(row):
    """An indented row belongs to the one above it; away from the table it needs that one's name."""
    if not row.label.startswith(" "):
        return row.label
    above = [r for r in ROWS[:ROWS.index(row)] if not r.label.startswith(" ")][-1]
    return f"{above.label}: {row.label.strip()}"


def goal_text(row):
    words = {"best1500": "best@1500", "best": "best", "veth": "veth", "pasta": "pasta"}
    parts = []
    for against, factor in row.goals:
        if against in ("max", "min"):
            parts.append(("<=" if against == "max" else ">=") + f"{factor:g}")
        elif against in words:
            parts.append(f"{factor:g}x {words[against]}")
        else:
            parts.append(f"{factor:g}x 1 flow")
    return ", ".join(parts)
