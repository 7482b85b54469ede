"""A fitted estimator as a file, as weights, and as a plain Keras model."""

from __future__ import annotations

import copy
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklstm import persistence
from sklstm._checks import check_positive_int
from sklstm._estimator.fitted_attributes import FittedAttributes, copied
from sklstm._estimator.onnx_graph import (
    check_is_a_step,
    of_series,
    state_inputs,
    step_model,
)
from sklstm._network.architecture import StackedLSTM, state_variables
from sklstm._tensorflow import keras, start_devices
from sklstm._training.recipe import with_share

if TYPE_CHECKING:
    from typing_extensions import Self

KERAS_SUFFIXES = {".keras", ".h5", ".hdf5"}


class Exports(FittedAttributes):
    """Calls that hand the fitted network over."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator, its state included, to one file.

        The file holds data only, in the safetensors format: the parameters as JSON,
        and as arrays the weights, the optimizer's slots, the state, and the rows that
        `partial_fit` has yet to train on. The training rows are not in it. It is
        moved into place when it is complete and on the disk: whatever goes wrong
        before leaves the file that was there as it was.

        Keras's own optimizers, losses and metrics are written with their settings.
        What is no data is left out, and `load` takes it again: a ``model=`` function,
        callbacks, classes, losses of your own, a RandomState instance.

        Parameters
        ----------
        path : str or path-like
            Conventionally with the suffix ``.safetensors``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there is nothing to save yet.
        sklstm.persistence.PersistenceError
            For labels that are neither numbers nor strings, for an entry of `history_`
            that is no number, for more than 4 MiB of parameters and labels, and for a
            `path` that is no regular file.
        OSError
            If the file cannot be written, for example for want of space.

        Warns
        -----
        UserWarning
            For a suffix of Keras's own files, which this is not.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "sine.safetensors")
        ...     model.save(path)
        ...     loaded = StatefulLSTMRegressor.load(path)
        >>> bool((loaded.predict(X[40:]) == model.predict(X[40:])).all())
        True
        """
        if Path(path).suffix in KERAS_SUFFIXES:
            warnings.warn(
                f"{Path(path).name} is written as a safetensors file of this package,"
                " which keras.models.load_model cannot read. Name it .safetensors; for"
                " a plain Keras model call estimator.model_.save.",
                stacklevel=2,
            )
        persistence.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **objects: Any) -> Self:
        """Read an estimator that `save` wrote; it predicts and trains on bit for bit.

        Nothing in the file is run or imported, and it is refused as a whole unless
        everything in it fits together. A checksum tells damage. It does not tell
        forgery: a file from strangers cannot do harm, but may predict anything.

        Parameters
        ----------
        path : str or path-like
        **objects : dict
            What could not be saved, by name of the parameter: ``model=``, the
            function that the estimator was fitted with, or ``loss=``. Callbacks and a
            random state are not needed to predict.

        Returns
        -------
        estimator : object
            Fitted, in the state in which it was saved.

        Raises
        ------
        sklstm.persistence.PersistenceError
            For a file that is damaged, forged, of a newer version or of another class,
            or that lacks something which is not in `objects`.
        FileNotFoundError
            If there is no such file.
        TypeError
            For `objects` that the file does not lack.

        Warns
        -----
        UserWarning
            Where callbacks or a random state are lacking: the parameter is None. Where
            a model function's network was saved with another minor version of Keras.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
        >>> X, y = np.arange(8.0)[:, np.newaxis], np.arange(8.0)
        >>> model = StatefulLSTMRegressor(2, epochs=1).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "line.safetensors")
        ...     model.save(path)
        ...     StatefulLSTMClassifier.load(path)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        sklstm.persistence.PersistenceError: ...holds a 'StatefulLSTMRegressor'...
        """
        start_devices()  # which an optimizer's variables would do without settings
        return persistence.load(cls, path, objects)

    def get_weights(self) -> list[np.ndarray]:
        """The network's weights in the order of the Keras model's ``get_weights()``.

        Returns
        -------
        weights : list of ndarray
            For each layer its kernel (n_inputs, n_gates * units), recurrent kernel
            (units, n_gates * units) and bias (n_gates * units,). An LSTM has four
            gates, in the order i, f, c, o; a GRU three, in the order z, r, h, and a
            bias of shape (2, 3 * units), for the input and for the state; a simple
            recurrent layer counts as one. Then the head's kernel (units, n_outputs) and
            bias (n_outputs,). Those of a ``model=`` function are in the order of the
            model that it returns.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> [weights.shape for weights in model.get_weights()][:3]
        [(3, 16), (4, 16), (16,)]
        """
        return copied(self._record().parameters.weights)

    def rebuild(self, batch_size: int) -> keras.Model:
        """A plain Keras model with these weights at another batch size.

        For serving or inspection, in zero state. The layers of the built-in network are
        ordinary ``keras.layers.LSTM``, ``GRU`` or ``SimpleRNN``, and ``Dense``, and a
        file it is saved to loads without this package; those of a ``model=`` function
        are what it makes them.

        Parameters
        ----------
        batch_size : int
            Number of windows that each call of the model takes. A stateless model takes
            any number.

        Returns
        -------
        model : keras.Model
            Its input has shape (batch_size, sequence_length, n_features), the first
            of them None in a stateless model. With `scale` or `linear_skip` it takes
            rows as the network is given them, and returns scaled targets.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If `batch_size` is no positive integer, or a ``model=`` function returns no
            model that fits it.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> model.rebuild(2).output_shape[-1]
        1
        """
        fitted = self._record()
        batch_size = check_positive_int("batch_size", batch_size)
        network = fitted.recipe.network
        if isinstance(network, StackedLSTM) and not fitted.recipe.carries_state:
            network = replace(network, batch_size=None)  # each window from zero state
        model = network.at_batch_size(batch_size).build()
        model.set_weights(fitted.parameters.weights)
        return model

    def to_onnx(
        self, path: str | os.PathLike[str], series: Any = None
    ) -> dict[str, np.ndarray]:
        """Write one step of the fitted network, a row in and an answer out, as ONNX.

        The model of the file is a function: the state goes in with the row, and the
        next state comes out with the answer. Each step's ``next_h_1`` is the ``h_1`` of
        the step after it, and so on. Scale and linear map are inside, so that rows and
        answers are in the user's units. For tiled windows of the built-in network.

        Its inputs have a row for each series; any number of series may be answered side
        by side, if they have one scale. They are ``row`` of shape (n_series,
        n_features), ``h_1`` and for an LSTM ``c_1`` of shape (n_series, units) for the
        first layer, and likewise for the others; with a linear map also the last rows,
        ``context`` of shape (n_series, n_rows, n_features), scaled, and their number
        since the last reset, ``position`` of shape (n_series,). Zeros are the state
        before any row. Outputs are ``prediction`` of shape (n_series, n_outputs), or
        ``probabilities`` of shape (n_series, n_classes) in the order of `classes_`.

        Parameters
        ----------
        path : str or path-like
        series : object, default=None
            Id of the series whose scale is that of the model; one that was not in `fit`
            has the scale of all rows. Needed where series have ids.

        Returns
        -------
        states : dict of str to ndarray
            The present state, by the names of the model's inputs: of the series, or of
            the only one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ImportError
            If the package onnx is not installed.
        ValueError
            For sliding windows, ``stateful=False``, the network of a ``model=``
            function and a fit on sequences; and for series with ids without `series`,
            or the other way round.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
        ...     states = model.to_onnx(Path(folder, "sine.onnx"))
        >>> sorted(states)  # doctest: +SKIP
        ['c_1', 'context', 'h_1', 'position']
        """
        fitted = self._record()
        check_is_a_step(fitted)
        scale, fitted = of_series(fitted, series)
        try:
            import onnx
        except ImportError:
            raise ImportError(
                "to_onnx writes files with the package onnx, which is not installed."
                " Install it with pip install 'sklstm[onnx]'."
            ) from None
        onnx.save_model(step_model(fitted, scale), Path(path))
        return state_inputs(fitted)

    def _linear_alone(self):
        """A copy whose network adds nothing to the linear map; None without a map."""
        fitted = self._record()
        if fitted.lags is None:
            return None
        alone = copy.copy(self)
        parameters = with_share(fitted.recipe, fitted.parameters, 0.0)
        alone._fitted = replace(fitted, parameters=parameters)
        return alone

    @property
    def model_(self) -> keras.Model:
        """A plain Keras model at the fitted batch size and in the current state.

        With tiled windows it has a lane for each series, in the order of `series_`.
        """
        fitted = self._record()
        network = fitted.recipe.network
        if fitted.input_shape.is_sequences:  # they have no state
            assert network.batch_size is not None  # of tiled windows it is a number
            return self.rebuild(network.batch_size)
        if fitted.recipe.is_tiled:
            network = network.at_batch_size(len(fitted.state.position))
        model = network.build()
        model.set_weights(fitted.parameters.weights)
        layers = zip(state_variables(model), fitted.state.layers, strict=True)
        for variables, values in layers:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return model
