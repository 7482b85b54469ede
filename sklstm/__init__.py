"""Stateful LSTMs as scikit-learn estimators.

Importing this package does not import TensorFlow: each public name is loaded when it
is first used.
"""

from __future__ import annotations

import importlib

__version__ = "0.2.0"

_HOMES = {
    "StatefulLSTMRegressor": "sklstm.regressor",
    "StatefulLSTMClassifier": "sklstm.classifier",
    "RecurrentState": "sklstm._rows.state",
    "ContinuityWarning": "sklstm._rows.continuity",
    "SlidingWindow": "sklstm.preprocessing",
    "frame_series": "sklstm.preprocessing",
    "stream": "sklstm.streaming",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
