"""Fitted estimators that answer in NumPy alone: a fast start, a small environment.

`load` reads a file that an estimator's `save` wrote, and returns what answers as the
estimator does. Neither TensorFlow, Keras, scikeras nor scikit-learn is imported, and
pandas only where the file holds the ids of series, or the caller a frame. The network
must be the built-in one; that of a ``model=`` function needs Keras.

A machine that serves needs NumPy and safetensors, and pandas where series have ids::

    pip install --no-deps sklstm
    pip install numpy safetensors

``python examples/benchmarks/race.py serving`` prints the time and the memory that a
fresh process takes, and the size of these packages beside that of all.
"""

from __future__ import annotations

import os

from sklstm.serving._predictor import ClassifierPredictor, Predictor
from sklstm.serving._saved import read_served

__all__ = ["ClassifierPredictor", "Predictor", "load"]


def load(path: str | os.PathLike[str]) -> Predictor:
    """Read an estimator from a file, to predict with it in NumPy alone.

    Parameters
    ----------
    path : str or path-like
        Of a file that the `save` of an estimator, or of a predictor, wrote.

    Returns
    -------
    predictor : Predictor or ClassifierPredictor
        In the state in which the estimator was saved.

    Raises
    ------
    sklstm.persistence.PersistenceError
        If the file holds no estimator, was damaged, or was written by a newer version;
        and for the network of a ``model=`` function.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklstm import StatefulLSTMRegressor
    >>> from sklstm.serving import load
    >>> series = np.sin(np.arange(60) / 4)
    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> model = StatefulLSTMRegressor(4, epochs=1, random_state=0).fit(X[:40], y[:40])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "sine.sklstm")
    ...     model.save(path)
    ...     predictor = load(path)
    ...     answers = predictor.step(X[40:50])
    ...     predictor.save(path)
    ...     model = StatefulLSTMRegressor.load(path)  # goes on from there
    >>> bool(np.allclose(predictor.predict(X[50:]), model.predict(X[50:])))
    True
    """
    fitted, kept = read_served(path)
    kind = Predictor if kept.classes is None else ClassifierPredictor
    return kind(fitted, kept)
