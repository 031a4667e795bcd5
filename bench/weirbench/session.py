# SPDX-License-Identifier: Apache-2.0
"""One run of the benchmark, inside its own namespaces: rounds over rows over contestants, within a budget of time.

The innermost loop is over the contestants, in another order each round, so that whatever disturbs the machine disturbs them
alike. Every round starts the gateways anew.
"""
import json
import os
import re
import sys
import time
from dataclasses import dataclass

from . import contestants, machine, measure, report
from .contestants import Guest, Unavailable
from .lab import Lab, private_mounts
from .measure import Failed


@dataclass(frozen=True)
class Plan:
    rounds: int
    stream: int       # seconds of a one-flow stream; iperf3 takes whole ones
    side: int         # of the other streams
    talk: float       # of what is asked and answered: enough for a p99
    greet: float      # the same; a new connection every few milliseconds
    short: float      # of everything else
    reopenings: int
    starts: int
    connections: int
    idle_seconds: float
    budget: int
    left_out: frozenset = frozenset()


FULL = Plan(rounds=5, stream=2, side=1, talk=1, greet=2, short=0.4, reopenings=10, starts=10, connections=10000,
            idle_seconds=2, budget=860)
QUICK = Plan(rounds=1, stream=1, side=1, talk=0.3, greet=1, short=0.3, reopenings=4, starts=7, connections=1000,
             idle_seconds=1, budget=100,
             left_out=frozenset({"tcp_out_64", "tcp_in_64"}))


class Session:
    def __init__(self, args, root):
        self.root = root
        self.began = time.monotonic()
        base = QUICK if args.quick else FULL
        self.plan = Plan(**{**base.__dict__,
                            **{k: v for k, v in (("rounds", args.rounds), ("budget", args.budget),
                                                 ("connections", args.connections)) if v is not None}})
        self.rows = re.compile(args.rows or "")
        self.field = contestants.standard(os.path.abspath(args.weir)) + \
            contestants.from_peers(os.environ.get("PEERS", ""))
        if args.only:
            only = set(args.only.split(","))
            unknown = only - {c.name for c in self.field}
            if unknown:
                raise SystemExit(f"bench: --only: no contestant {', '.join(sorted(unknown))}; there are "
                                 + ", ".join(c.name for c in self.field))
            self.field = [c for c in self.field if c.name in only]
        self.results = report.Results(self.field)
        private_mounts(contestants.STAGE)
        self.lab = Lab(contestants.stage(os.environ["WEIR_BENCH_LOAD"]))

    def say(self, text):
        seconds = int(time.monotonic() - self.began)
        print(f"[{seconds // 60:02d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)

    def left(self):
        return self.plan.budget - (time.monotonic() - self.began)

    def ready(self):
        """Those who can take part."""
        for c in self.field:
            if c.name in self.results.unavailable:
                continue
            try:
                c.check()
            except Unavailable as e:
                self.drop(c, e)
        return [c for c in self.field if c.name not in self.results.unavailable]

    def drop(self, contestant, why):
        self.results.unavailable[contestant.name] = str(why)
        self.say(f"{contestant.name} is skipped: {why}")

    def guest(self, contestant, idle=False):
        """A guest, or None: at the second failure in a row the contestant is out."""
        for attempt in (1, 2):
            try:
                return Guest(contestant, self.lab, idle)
            except Unavailable as e:
                if attempt == 2:
                    self.drop(contestant, f"does not start: {e}")
        return None

    def record(self, contestant, row, take):
        try:
            values = take()
        except Failed as e:
            self.results.fail(contestant, row, e)
            self.say(f"  {row:14s} {contestant.name:12s} failed: {e}")
            return
        self.results.add(contestant, values)
        self.say(f"  {row:14s} {contestant.name:12s} " +
                 "  ".join(f"{k}={v:.4g}" for k, v in values.items()))

    def round(self, number):
        field = self.ready()
        turn = number % len(field) if field else 0
        field = field[turn:] + field[:turn]
        guests = {}
        try:
            for c in field:
                g = self.guest(c)
                if g:
                    guests[c.name] = g
            for row, take in measure.MEASUREMENTS:
                if row in self.plan.left_out or not self.rows.search(row):
                    continue
                for c in field:
                    if c.name in guests and re.search(c.rows, row):
                        self.record(c, row, lambda: take(guests[c.name], self.plan))
                        self.revive(c, row, guests)
        finally:
            for g in guests.values():
                g.stop()

    def revive(self, contestant, row, guests):
        guest = guests[contestant.name]
        if guest.alive():
            return
        self.results.fail(contestant, row, f"the gateway ended: {guest.said()}")
        self.say(f"  {contestant.name} ended during {row}: {guest.said()}")
        guest.stop()
        del guests[contestant.name]
        again = self.guest(contestant)
        if again:
            guests[contestant.name] = again

    def starts(self):
        if not self.rows.search("start"):
            return
        # In several goes, so that they too are interleaved.
        for _ in range(3):
            for c in self.ready():
                if not re.search(c.rows, "start"):
                    continue
                self.record(c, "start", lambda: measure.start_time(self.lab, c, self.plan.starts))

    def memory(self):
        """With guests of their own, one at a time, which have carried nothing before."""
        if not any(self.rows.search(r) for r in ("rss_idle", "rss_conns")):
            return
        for c in self.ready():
            if not c.has_gateway or not re.search(c.rows, "rss_idle"):
                continue
            g = self.guest(c)
            if g:
                self.record(c, "rss_idle", lambda: measure.memory_idle(g, self.plan.idle_seconds))
                g.stop()
            g = self.guest(c, idle=True)
            if g:
                self.record(c, "rss_conns", lambda: self.connections(c, g))
                g.stop()

    def connections(self, contestant, guest):
        values, why = measure.memory_connections(guest, self.plan.connections)
        if why:
            self.results.fail(contestant, "rss_conns",
                              f"{values['idle_count']} of {self.plan.connections} connections: {why}")
        return values

    def all(self):
        if not self.ready():
            raise SystemExit("bench: nobody can take part")
        self.say("start time")
        self.starts()
        self.say("memory")
        self.memory()
        done, longest = 0, 0.0
        for number in range(self.plan.rounds):
            if self.left() < longest:
                self.say(f"no time for more than {done} of {self.plan.rounds} rounds")
                break
            self.say(f"round {number + 1} of {self.plan.rounds}")
            t0 = time.monotonic()
            self.round(number)
            longest = max(longest, time.monotonic() - t0)
            done += 1
        return done


def run(args, root):
    session = Session(args, root)
    about = machine.describe(root)
    about["sysctls"] = machine.sysctls(session.lab.host)
    rounds = session.all()
    results = session.results
    print(f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}; medians of {rounds} rounds; "
          "x: how many times better weir is (more is better in every row)\n")
    print(report.table(results))
    for line in report.notes(results):
        print("note:", line)
    path = args.json or os.path.join(root, "bench", "results", time.strftime("%Y%m%d-%H%M%S.json"))
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": about,
                   "plan": {**session.plan.__dict__, "rounds": rounds, "left_out":
                            sorted(session.plan.left_out)},
                   "contestants": {c.name: {"kind": c.kind, "mtu": c.mtu, "version": c.version()}
                                   for c in session.field
                                   if c.name not in results.unavailable},
                   "unavailable": results.unavailable, "rows": results.as_json()}, f, indent=1)
        f.write("\n")
    print(f"\n{path}")
    if "weir" not in {c.name for c in session.ready()}:
        return 0
    count, missed = report.verdict(results)
    print(f"bar (not slower than the best peer at MTU 1500): {count - missed} of {count} rows")
    return 1 if args.strict and missed else 0
