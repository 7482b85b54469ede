"""Hidden states as features: what `transform` answers.

The network runs as it does in `predict`, with the identity as its head, so that its
outputs are the h of its last recurrent layer. The calls that walk rows are the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from sklstm._compiled.device_arrays import Parameters
from sklstm._estimator import sliding, tiled
from sklstm._estimator.fitted_attributes import FittedAttributes
from sklstm._estimator.following import follow
from sklstm._estimator.given import read_rows
from sklstm._estimator.keywords import refuse_keywords
from sklstm._network.architecture import StackedLSTM
from sklstm._training.fitted import Fitted


class HiddenStates(ClassNamePrefixFeaturesOutMixin, TransformerMixin, FittedAttributes):
    """Makes an estimator a transformer as well."""

    def transform(self, X: Any, replay: bool | None = None, **unknown: Any) -> Any:
        """Hidden states at each row, as features for another estimator.

        They are the h of the last recurrent layer right after the row: all that the
        head of the network is given of the rows so far. The state stays as it is, and
        rows are read as by `predict`: those that follow go on from the state, those of
        the fit are replayed. Where ``epochs="auto"`` has chosen no epoch (``epochs_``
        is 0), the layers are as they were drawn, since the linear map alone predicts.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of windows
            The rows after those seen, or those of the fit, as in `predict`.
        replay : bool, default=None
            Whether X begins with the rows of the fit; None finds out, as in `predict`.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        h : ndarray of shape (n_rows, units) or (n_windows, units), or list of \
                ndarray of shape (n_steps, units)
            With as many units as the last layer has, in float32 where X is an array of
            float32, else in float64. Of sequences in tiled windows, in the form of X. A
            frame where `set_output` asks for one.

        Raises
        ------
        sklearn.exceptions.NotFittedError, TypeError
            As in `predict`.
        ValueError
            As in `predict`, and with a ``model=`` function, which need not have one
            last recurrent layer.

        Warns
        -----
        ContinuityWarning
            As in `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(100) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> network = StatefulLSTMRegressor(3, epochs=2, random_state=0)
        >>> network.fit(X[:80], y[:80]).transform(X[80:]).shape
        (19, 3)
        >>> network.get_feature_names_out()[:2].tolist()
        ['statefullstmregressor0', 'statefullstmregressor1']
        >>> make_pipeline(network, Ridge()).fit(X[:80], y[:80]).predict(X[80:]).shape
        (19,)
        """
        if unknown:
            refuse_keywords(self, "transform", unknown)
        return self._hidden_states(X, replay)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, and the hidden states at each row of the fit, from zero state on.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        y : array-like
            As in `fit`, which needs it.
        **fit_params : dict
            Further arguments of `fit`, such as ``sample_weight``.

        Returns
        -------
        h : ndarray of shape (n_rows, units), or list of these
            What ``fit(X, y).transform(X, replay=True)`` returns.

        Raises
        ------
        ValueError, TypeError
            As in `fit`; ValueError also with a ``model=`` function, before it is
            trained.
        """
        if self.model is not None:
            _refuse_model_function("fit_transform")
        return self.fit(X, y, **fit_params)._hidden_states(X, replay=True)

    def _hidden_states(self, X: Any, replay: bool | None) -> Any:
        fitted = self._record()
        if not isinstance(fitted.recipe.network, StackedLSTM):
            _refuse_model_function("transform")
        given = read_rows(self, X, fitted.input_shape)
        # one call more than `predict`: scikit-learn wraps `transform` for `set_output`
        following = follow(fitted, given, self.on_gap, replay, stacklevel=4)
        headless = without_head(fitted)
        if fitted.recipe.is_tiled:
            h, _ = tiled.walk_rows(headless, given, following)
        else:
            h = sliding.outputs_of(headless, given, following)
        is_single = getattr(X, "dtype", None) == np.float32
        return given.shaped(h.astype(np.float32 if is_single else np.float64))

    @property
    def _n_features_out(self) -> int:
        """The number of features that `get_feature_names_out` names."""
        network: Any = self._record().recipe.network
        if not isinstance(network, StackedLSTM):
            _refuse_model_function("get_feature_names_out")
        return network.units[-1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if vars(self).get("model") is not None:  # a stand-in has no parameters
            tags.transformer_tags = None
        else:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def without_head(fitted: Fitted) -> Fitted:
    """The record with the identity as the network's head.

    Its outputs are the hidden states of the last recurrent layer. What an encoder gives
    for the linear skip, the last of its numbers, is not read.
    """
    recipe = fitted.recipe
    network = recipe.network
    assert isinstance(network, StackedLSTM)
    n_units = network.units[-1]
    network = replace(
        network,
        n_outputs=n_units,
        activation="linear",
        n_features=network.n_features - network.n_skip,
        n_skip=0,
    )
    *layers, _, _ = fitted.parameters.weights
    head = np.eye(n_units, dtype=np.float32), np.zeros(n_units, np.float32)
    return replace(
        fitted,
        recipe=replace(recipe, network=network, n_outputs=n_units),
        parameters=Parameters((*layers, *head), fitted.parameters.seeds),
        state=fitted.state.replace(last_output=None),
    )


def _refuse_model_function(method: str) -> None:
    raise ValueError(
        f"{method} gives the hidden states of the last layer of the network that units="
        " and cell= describe, but this network is made by a model= function, and which"
        " of its layers is meant cannot be told. Take the layer's output from the Keras"
        " model that rebuild(batch_size) returns, or leave model= out."
    )
