"""The options of a run, which every race reads."""

from __future__ import annotations

from dataclasses import dataclass

from _processes import Processes


@dataclass(frozen=True)
class Plan:
    """The options of a run.

    Parameters
    ----------
    processes : Processes
        The processes in which to measure.
    quick : bool
        Whether to race at reduced size, to see that everything runs and agrees.
    repeats : int or None
        Number of turns in every race; None for each race's own.
    """

    processes: Processes
    quick: bool = False
    repeats: int | None = None

    def turns(self, usual: int) -> int:
        """Return the number of turns for a race that takes ``usual`` turns itself."""
        return self.repeats or (1 if self.quick else usual)
