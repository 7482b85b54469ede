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
    names = getattr(table, "column_names", getattr(table, "columns", None))
    if names is None or hasattr(table, "iloc"):
        return table
    return pd.DataFrame({name: np.asarray(table[name]) for name in names})
