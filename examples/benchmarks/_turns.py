"""Contestants that take turns, and how their times compare.

Owns the alternation and the ratios; times nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

OURS = "sklstm"

Result = TypeVar("Result")


def take_turns(
    contestants: Mapping[str, Callable[[], Result]], repeats: int
) -> dict[str, list[Result]]:
    """Call each contestant once in each of ``repeats`` turns; return what they gave.

    Every second turn goes through them backwards, so that a machine which slows down
    or speeds up during a turn favours nobody.
    """
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    names = list(contestants)
    for _ in range(repeats):
        for name in names:
            results[name].append(contestants[name]())
        names.reverse()
    return results


@dataclass(frozen=True)
class Turns:
    """Seconds that each contestant took, one figure for every turn.

    Parameters
    ----------
    times : mapping of str to sequence of float
        By contestant.
    base : str
        Whom the others are compared with.
    """

    times: Mapping[str, Sequence[float]]
    base: str = OURS

    def ratios(self, name: str) -> list[float]:
        """Return how many times as long as the base a contestant took, by turn."""
        pairs = zip(self.times[name], self.times[self.base], strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def merged(self, names: Sequence[str], label: str) -> Turns:
        """Return these turns with some contestants as one: in each turn the fastest."""
        times = {name: self.times[name] for name in self.times if name not in names}
        together = zip(*(self.times[name] for name in names), strict=True)
        times[label] = [min(turn) for turn in together]
        return Turns(times, self.base)
