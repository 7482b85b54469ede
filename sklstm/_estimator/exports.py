"""A fitted estimator as a file, as weights, and as a plain Keras model."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from sklstm import persistence
from sklstm._checks import check_positive_int
from sklstm._estimator.fitted_attributes import FittedAttributes, copied
from sklstm._network.architecture import StackedLSTM, state_variables
from sklstm._tensorflow import keras, start_devices
from sklstm._training.recipe import with_share

KERAS_SUFFIXES = {".keras", ".h5", ".hdf5"}


class Exports(FittedAttributes):
    """Calls that hand the fitted network over."""

    def save(self, path) -> None:
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
    def load(cls, path, **objects):
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
            Where callbacks or a random state are lacking: the parameter is None.

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

    def rebuild(self, batch_size) -> keras.Model:
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
