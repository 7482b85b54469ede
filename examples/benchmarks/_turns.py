"""Turns of contestants, and the ratios of their times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

OURS = "sklstm"

Result = TypeVar("Result")


def take_turns(
    contestants: Mapping[str, Callable[[], Result]], repeats: int
) -> dict[str, list[Result]]:
    """Call each contestant once in each of ``repeats`` turns; return their results.

    The order is reversed in every second turn, so that no contestant gains if the
    machine becomes slower or faster during a turn.
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
    """The seconds that each contestant took in each turn.

    Parameters
    ----------
    times : mapping of str to sequence of float
        The seconds in each turn, by contestant.
    base : str
        The contestant that the others are compared with.
    """

    times: Mapping[str, Sequence[float]]
    base: str = OURS

    def ratios(self, name: str) -> list[float]:
        """Return a contestant's time divided by that of the base, for each turn."""
        pairs = zip(self.times[name], self.times[self.base], strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def merged(self, names: Sequence[str], label: str) -> Turns:
        """Return the turns with the fastest of ``names`` in each, as one contestant."""
        times = {name: self.times[name] for name in self.times if name not in names}
        together = zip(*(self.times[name] for name in names), strict=True)
        times[label] = [min(turn) for turn in together]
        return Turns(times, self.base)
