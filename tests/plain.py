"""The estimators with the defaults of a plain network of sliding windows.

Most tests are about windows, lanes and state, with numbers that can be followed by hand
or in plain Keras. So their networks read rows as they are, one in a window and in a
lane, for 20 epochs, unless a test asks for something else. How the estimators behave as
they come is tested in the files about encoding and about automatic choices.
"""

from __future__ import annotations

import inspect

import sklstm

PLAIN = {
    "sequence_length": 1,
    "batch_size": 1,
    "windows": "sliding",
    "scale": False,
    "linear_skip": False,
    "optimizer": "adam",
    "epochs": 20,
    "ema_momentum": 0.0,
}


def _with_plain_defaults(cls: type):
    """A constructor with the parameters of `cls` and these defaults."""
    signature = inspect.signature(cls.__init__)
    parameters = [
        p.replace(default=PLAIN.get(p.name, p.default))
        for p in signature.parameters.values()
    ]
    defaults = signature.replace(parameters=parameters)

    def __init__(self, *args, **kwargs):
        bound = defaults.bind(self, *args, **kwargs)
        bound.apply_defaults()
        cls.__init__(*bound.args, **bound.kwargs)

    __init__.__signature__ = defaults  # what scikit-learn reads the parameters from
    return __init__


class StatefulLSTMRegressor(sklstm.StatefulLSTMRegressor):
    __init__ = _with_plain_defaults(sklstm.StatefulLSTMRegressor)


class StatefulLSTMClassifier(sklstm.StatefulLSTMClassifier):
    __init__ = _with_plain_defaults(sklstm.StatefulLSTMClassifier)
