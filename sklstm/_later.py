"""Libraries that are imported when they are first asked for something.

`sklstm.serving` answers with NumPy alone, by the same modules as the estimators. These
modules therefore take pandas from here, and TensorFlow and Keras from `_tensorflow`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, TypeGuard


class Later:
    """A module, or an object in it, that is imported at the first use.

    Parameters
    ----------
    module : str
    name : str, default=None
        Of an object in the module; by default it is the module itself.

    Examples
    --------
    >>> later = Later("fractions")
    >>> later.Fraction(1, 2)
    Fraction(1, 2)
    """

    def __init__(self, module: str, name: str | None = None):
        self._module, self._name = module, name

    def __getattr__(self, attribute: str) -> Any:
        found = importlib.import_module(self._module)
        return getattr(getattr(found, self._name) if self._name else found, attribute)


if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Later("pandas")


def is_index(value: Any) -> TypeGuard[pd.Index]:
    """Whether a value is an Index of pandas, which nothing is before its import."""
    return _is_of_pandas(value, "Index")


def is_frame(value: Any) -> TypeGuard[pd.DataFrame]:
    """Whether a value is a DataFrame of pandas."""
    return _is_of_pandas(value, "DataFrame")


def _is_of_pandas(value: Any, name: str) -> bool:
    kind = getattr(sys.modules.get("pandas"), name, None)  # None while it is imported
    return kind is not None and isinstance(value, kind)
