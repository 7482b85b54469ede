"""What X looked like in a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InputShape:
    """What X looked like in `fit`, which later calls are compared with.

    Parameters
    ----------
    n_features : int
    feature_names : tuple of str or None
        Names of the columns, where X was a frame.
    n_steps : int or None
        Steps of ready-made windows; None for rows.
    series_id : str, int, list of these or None
        The columns that tell series apart, which are no features.
    is_sequences : bool
        Whether X held sequences, each a series without a name.
    dtype : {"float32", "float64"}
        What rows are read as: float32 where they go into the network as they are.
    """

    n_features: int
    feature_names: tuple[str, ...] | None = None
    n_steps: int | None = None
    series_id: Any = None
    is_sequences: bool = False
    dtype: str = "float32"

    @property
    def n_dimensions(self) -> int:
        """2 for rows, 3 for ready-made windows."""
        return 2 if self.n_steps is None else 3
