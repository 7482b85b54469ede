"""Frames of other libraries, such as polars and Arrow, as frames of pandas."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._later import pd


def as_pandas(table: Any) -> Any:
    """A frame of another library as one of pandas, column by column; all else as is.

    Examples
    --------
    >>> import numpy as np
    >>> class Frame:  # what polars and Arrow have in common
    ...     columns = ["sales"]
    ...     def __getitem__(self, name):
    ...         return np.array([3.0, 5.0])
    >>> as_pandas(Frame())["sales"].tolist()
    [3.0, 5.0]
    """
    check_in_memory(table)
    names = getattr(table, "column_names", getattr(table, "columns", None))
    if names is None or hasattr(table, "iloc"):
        return table
    return pd.DataFrame({name: np.asarray(table[name]) for name in names})


def check_in_memory(table: Any) -> None:
    """Refuse a frame of Dask.

    NumPy would load all of its rows, and leave out their index.

    Raises
    ------
    TypeError
        With what to pass instead.
    """
    if hasattr(table, "partitions") and hasattr(table, "columns"):
        raise TypeError(
            "X is a frame of Dask, whose rows are not in memory. Pass X.compute() if"
            " all of them fit; if not, call partial_fit with one of X.partitions after"
            " the other: part.compute()."
        )
