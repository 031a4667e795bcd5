# SPDX-License-Identifier: Apache-2.0
"""From values to medians, ratios, verdicts and the printed table.

Every ratio is "how much better weir is": 2 is twice the rate or half the time, below 1 is worse, whichever way the row counts.
"""
from statistics import median

from .rows import BY_ID, GBIT_OF, ROWS, full_label, goal_text

PEERS = ("pasta", "slirp4netns")


def advantage(row, mine, other):
    if mine is None or other is None:
        return None
    if row.higher:
        return mine / other if other else float("inf")
    return other / mine if mine else float("inf")


class Results:
    """values[contestant][row] is a list of numbers, failures[contestant][row] a list of texts."""

    def __init__(self, contestants):
        self.contestants = contestants
        self.values = {c.name: {} for c in contestants}
        self.failures = {c.name: {} for c in contestants}
        self.unavailable = {}

    def add(self, contestant, values):
        for row, value in values.items():
            self.values[contestant.name].setdefault(row, []).append(value)

    def fail(self, contestant, row, why):
        self.failures[contestant.name].setdefault(row, []).append(str(why))

    def value(self, name, row):
        """The median; no value if the measurement failed more often than it worked."""
        got = self.values[name].get(row, [])
        if not got or len(self.failures[name].get(row, [])) > len(got):
            return None
        return median(got)

    def _best(self, row, wanted):
        found = [(self.value(c.name, row.id), c.name) for c in self.contestants if wanted(c)]
        found = [f for f in found if f[0] is not None]
        if not found:
            return None, None
        return (max if row.higher else min)(found)

    def against(self, row, against):
        """The value and the name that a goal or the bar compares with."""
        if against == "best1500":
            return self._best(row, lambda c: c.kind in PEERS and c.mtu == 1500)
        if against == "best":
            return self._best(row, lambda c: c.kind in PEERS)
        if against == "pasta":
            return self._best(row, lambda c: c.kind == "pasta")
        if against == "veth":
            return self._best(row, lambda c: c.kind == "veth")
        raise KeyError(against)

    def goals(self, row, name="weir"):
        """Per goal: (text, met or None if it cannot be said)."""
        mine, out = self.value(name, row.id), []
        for against, factor in row.goals:
            if mine is None:
                met = None
            elif against == "max":
                met = mine <= factor
            elif against == "min":
                met = mine >= factor
            elif against in BY_ID:
                other = self.value(name, against)
                met = None if other is None else mine >= factor * other
            else:
                ratio = advantage(row, mine, self.against(row, against)[0])
                met = None if ratio is None else ratio >= factor
            out.append(met)
        return out

    def bar(self, row, name="weir"):
        """Not slower than the best peer at MTU 1500: (ratio, peer, verdict)."""
        other, peer = self.against(row, "best1500")
        mine = self.value(name, row.id)
        ratio = advantage(row, mine, other)
        if not row.bar:
            return ratio, peer, ""
        if mine is None:
            return None, peer, "no value"
        if ratio is None:
            return None, None, "no peer"
        return ratio, peer, "ok" if ratio >= 1 else "even" if ratio >= 0.95 else "SLOWER"

    def as_json(self):
        rows = {}
        for row in ROWS:
            cells = {}
            for c in self.contestants:
                got = self.values[c.name].get(row.id, [])
                failed = self.failures[c.name].get(row.id, [])
                if got or failed:
                    cells[c.name] = {"median": self.value(c.name, row.id), "values": got,
                                     "failures": failed}
            if not cells:
                continue
            entry = {"label": full_label(row), "unit": row.unit, "higher_is_better": row.higher,
                     "contestants": cells}
            if "weir" in cells:
                ratio, peer, verdict = self.bar(row)
                entry.update(ratio=ratio, best_peer_1500=peer, bar=verdict,
                             goals=[{"goal": text.strip(), "met": met} for text, met in
                                    zip(goal_text(row).split(","), self.goals(row))])
            rows[row.id] = entry
        return rows


def _number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def _cell(results, row, name):
    value = results.value(name, row.id)
    if value is None:
        return "fail" if results.failures[name].get(row.id) else "-"
    text = _number(value, row.digits)
    if row.id in GBIT_OF:
        text += f" {value * GBIT_OF[row.id] * 8 / 1e6:.2f}G"
    return text


def _ratio(value):
    return "-" if value is None else "inf" if value == float("inf") else f"{value:.2f}"


def table(results):
    """The table as text. Without weir it shows the peers alone."""
    names = [c.name for c in results.contestants if results.values[c.name] or
             results.failures[c.name]]
    with_weir = "weir" in names
    head = ["", ""] + names
    if with_weir:
        head += ["x best@1500", "bar", "x best", "x veth", "goals", "met"]
    lines = [head]
    for row in ROWS:
        if not any(results.values[n].get(row.id) or results.failures[n].get(row.id) for n in names):
            continue
        line = [row.label, row.unit] + [_cell(results, row, n) for n in names]
        if with_weir:
            mine = results.value("weir", row.id)
            ratio, _, verdict = results.bar(row)
            met = results.goals(row)
            line += [_ratio(ratio), verdict,
                     _ratio(advantage(row, mine, results.against(row, "best")[0])),
                     _ratio(advantage(row, mine, results.against(row, "veth")[0])),
                     goal_text(row), " ".join({True: "yes", False: "no", None: "?"}[m] for m in met)]
        lines.append(line)
    left = {0, 1} | {i for i, h in enumerate(head) if h in ("bar", "goals", "met")}
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(
        cell.ljust(w) if i in left else cell.rjust(w)
        for i, (cell, w) in enumerate(zip(line, widths))).rstrip() for line in lines)


def notes(results):
    """One line for everything that is not in the table because it failed."""
    out = [f"{name} did not take part: {why}" for name, why in results.unavailable.items()]
    for c in results.contestants:
        for row, texts in results.failures[c.name].items():
            got = len(results.values[c.name].get(row, []))
            out.append(f"{c.name}, {row}: failed {len(texts)} of {got + len(texts)} times: {texts[-1]}")
    return out


def verdict(results):
    """(how many rows count for the bar, how many of them weir misses)."""
    verdicts = [results.bar(row)[2] for row in ROWS if row.bar and
                results.against(row, "best1500")[0] is not None]
    return len(verdicts), sum(v not in ("ok", "even") for v in verdicts)
