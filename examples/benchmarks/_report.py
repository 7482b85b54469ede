"""The report: tables, disagreements, a summary with targets, and the exit status.

It prints figures that the races have measured.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from _tables import print_table, spread
from _turns import Turns

# The relative difference allowed: over 10 epochs, float32 sums in another order give
# losses that differ by less.
AGREEMENT = 1e-3
UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6}


def note(doing: str) -> None:
    """Print progress to stderr, apart from the tables."""
    print(f"... {doing}", file=sys.stderr, flush=True)


class Report:
    """Prints tables as races end, and collects disagreements and the summary.

    Parameters
    ----------
    judged : bool
        Whether figures are compared with their targets.
    """

    def __init__(self, judged: bool) -> None:
        self.judged = judged
        self.disagreements: list[str] = []
        self.summary: list[tuple[str, str, str, str]] = []

    def say(self, text: str) -> None:
        """Print a paragraph."""
        print(f"{text}\n", flush=True)

    def check(self, what: str, difference: float, allowed: float = AGREEMENT) -> str:
        """Record a disagreement if there is one; return the difference as text."""
        if not difference <= allowed:
            self.disagreements.append(
                f"{what} differ by {difference:.1e}, more than {allowed:g}"
            )
        return f"{difference:.0e}"

    def turns(
        self,
        title: str,
        raced: Mapping[str, Turns],
        unit: str,
        differences: Mapping[tuple[str, str], str],
    ) -> None:
        """Print a table of races of one kind.

        Parameters
        ----------
        title : str
        raced : mapping of str to Turns
            The turns of each race, by a label such as the size.
        unit : {"s", "ms", "µs"}
        differences : mapping of (str, str) to str
            How much a contestant's results differ from the base's, by the label of the
            race and the contestant.
        """
        rows = [
            [
                label,
                name,
                spread([UNITS[unit] * time for time in times]),
                "1" if name == turns.base else spread(turns.ratios(name)),
                differences.get((label, name), ""),
            ]
            for label, turns in raced.items()
            for name, times in turns.times.items()
        ]
        bases = " or ".join({turns.base: None for turns in raced.values()})
        print(f"{title}: median [min-max]\n", flush=True)
        header = ["race", "contestant", unit, f"times as long as {bases}"]
        print_table([*header, "difference"], rows, n_text=2)

    def sum_up(
        self,
        what: str,
        values: Sequence[float],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "times",
    ) -> None:
        """Add a figure to the summary, whose median may have a target."""
        median = float(np.median(values))
        goal = verdict = "-"
        if at_least is not None:
            goal, verdict = f"at least {at_least:g}", self._judge(median >= at_least)
        elif at_most is not None:
            goal, verdict = f"at most {at_most:g}", self._judge(median <= at_most)
        self.summary.append((what, f"{spread(values)} {unit}", goal, verdict))

    def _judge(self, is_met: bool) -> str:
        if not self.judged:
            return "not judged"
        return "met" if is_met else "MISSED"

    def conclude(self) -> int:
        """Print the summary and disagreements; return the exit status."""
        if self.summary:
            print_table(["race", "measured", "target", "verdict"], self.summary)
        for line in self.disagreements:
            print(f"DISAGREEMENT: {line}")
        if not self.disagreements:
            print("All results that were compared agree.")
        return 1 if self.disagreements else 0
