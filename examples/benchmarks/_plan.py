"""How a run of the races is done: what the command line asked of every race."""

from __future__ import annotations

from dataclasses import dataclass

from _processes import Processes


@dataclass(frozen=True)
class Plan:
    """What every race is told.

    Parameters
    ----------
    processes : Processes
        Where to measure.
    quick : bool
        Whether to race at reduced size, only to see that everything runs and agrees.
    repeats : int or None
        Turns, where the command line says how many.
    """

    processes: Processes
    quick: bool = False
    repeats: int | None = None

    def turns(self, usual: int) -> int:
        """Return how many turns to take in a race that usually takes so many."""
        return self.repeats or (1 if self.quick else usual)
