"""The regressor: continuous targets, one or several."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.sequences import flat_if_sequences
from sklstm._network.targets import ContinuousTarget


class StatefulLSTMRegressor(RegressorMixin, BaseStatefulLSTM):
    r"""Regression on a time series by an LSTM that carries its state from row to row.

    Behaves as a scikit-learn regressor, with one thing added: it remembers the rows it
    has seen. `predict` continues from that memory and leaves it alone; `observe`,
    `step`, `reset_states` and `set_states` move it.

    Parameters
    ----------
    units : int or sequence of int, default=32
        Units of the LSTM layer, or of each of several layers.
    sequence_length : int, default=1
        Rows in a window: how far back gradients reach. Not used for ready-made
        windows (3-D X), which bring their own.
    batch_size : int, default=1
        Lanes of a stateful network: window j goes to lane ``j % batch_size``, and each
        lane carries its own state. The period of the series gives each season a lane of
        its own; 1 lets one state run through every row. In a stateless network,
        windows per gradient step.
    windows : {"sliding", "tiled"}, default="sliding"
        How rows become windows. Sliding, a window ends at every row, and neighbours
        share all rows but one. Tiled, windows lie end to end: each row is read once,
        there is a target at each step, the state is carried from window to window and
        gradients stop there (truncated backpropagation through time). A fit is then
        `sequence_length` times as fast, and there may be many series.
    series_id : str, int or list of these, default=None
        Columns of X, by name or position, that tell several series apart (a panel).
        They are no features. In a frame with a MultiIndex the levels before the last
        one do so, and the last one is the time. With sliding windows a stateful
        network takes one series only.
    on_gap : {"warn", "reset", "raise", "ignore"}, default="warn"
        What to do where rows do not follow, by the labels of an index of dates, periods
        or integers: warn (`ContinuityWarning`), begin a new run from zero state, raise
        ValueError, or not look at labels. Transformers that return arrays drop the
        index, so that nothing can be told behind them, unless
        ``set_output(transform="pandas")`` keeps it. `sklstm.stream` hands it on.
    stateful : bool, default=True
        Whether state is carried from batch to batch. If False, each window starts from
        zero state.
    drop_remainder : bool, default=True
        What to do in training with windows that do not fill a batch of a stateful
        network: drop the oldest, or (False) start with empty lanes. No row is ever
        dropped in prediction.
    dropout : float, default=0.0
        Share of each layer's outputs dropped in training.
    model : callable, default=None
        A function that takes ``meta`` and returns a Keras model, instead of the
        built-in one; `units` and `dropout` are then not used. ``meta`` is a dict with
        ``n_features_in_``, ``n_outputs_``, ``sequence_length``, ``batch_size`` (None if
        stateless) and ``stateful``. Keywords ``model__name=value`` are passed on to
        the function; where it has parameters ``compile_kwargs`` (optimizer, loss and
        metrics, as a dict) or ``params`` (those of the estimator), it is given these
        too.

        The model must be built, with one input of shape (batch_size, sequence_length,
        n_features_in_) and one output of shape (batch_size, n_outputs_), and with
        ``stateful=meta["stateful"]`` in its recurrent layers; a stateful network needs
        at least one of them. If it is compiled, its own optimizer, loss and metrics are
        used.
    optimizer : str, keras.optimizers.Optimizer or class, default="adam"
        Keywords such as ``optimizer__learning_rate=0.01`` are passed on to it.
    loss : str, keras.losses.Loss, class or callable, default=None
        Mean squared error by default.
    metrics : list of str or keras.metrics.Metric, default=None
        Shown and kept in `history_` beside the loss; each gives one number.
    callbacks : list of keras.callbacks.Callback, default=None
        Keras callbacks. Without any, compiled programs train for up to 64 epochs in a
        call. Callbacks cost a call for each epoch, as `metrics`, `validation_split`, a
        checkpoint and shuffled windows do; batch-level hooks cost one for each batch.
    epochs : int, default=20
        Passes over the training rows.
    validation_split : float, default=0.0
        Share of the rows, the last ones, to hold out. Their loss continues from the
        state at the end of the training rows, which it leaves untouched.
    shuffle : bool, default=True
        Whether a stateless network sees its windows in a new order in each epoch. A
        stateful one never shuffles.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last `fit`, and with the same
        optimizer from its moments too.
    verbose : int, default=0
        1 shows a progress bar, and how many windows are trained on and left out.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, dropout and shuffling. An int gives the same weights,
        bit for bit, on one machine with as many threads; the workers of a parallel
        search have fewer.
    **routed : dict
        Keywords for the optimizer, loss, metrics, callbacks or model function, such as
        ``optimizer__clipnorm=1.0``.

    Attributes
    ----------
    state_ : RecurrentState
        State of the network after the last row seen, with context and position.
    history_ : dict of str to list of float
        Loss and metrics of each epoch; ``val_`` names are those of held-out rows.
    n_windows_ : int
        Windows trained on: those of an epoch of the last `fit`, plus those of all calls
        of `partial_fit` since.
    n_dropped_rows_ : int
        Complete windows that the last `fit` left out, the oldest, so that batches are
        whole. The first ``sequence_length - 1`` rows, at which no complete window ends,
        are not counted.
    sequence_length_ : int
        Rows in a window.
    n_outputs_ : int
        Width of the network's output.
    initial_weights_ : list of ndarray
        The network's weights before the first epoch.
    model_ : keras.Model
        A plain Keras model with the fitted weights and state, built when asked for.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X was a frame.

    Raises
    ------
    TypeError
        For a keyword that is neither a parameter nor routed to the optimizer, loss,
        metrics, callbacks or model function. Values are checked by `fit`.

    See Also
    --------
    StatefulLSTMClassifier : The same for class labels.
    SlidingWindow : Makes the windows visible as a pipeline step.
    frame_series : Frames a series into X and y.

    Notes
    -----
    For a row :math:`x_t` each layer computes, :math:`\sigma` being the logistic
    function,

    .. math::
        i_t, f_t, o_t &= \sigma(x_t W_{i,f,o} + h_{t-1} R_{i,f,o} + b_{i,f,o}) \\
        g_t &= \tanh(x_t W_g + h_{t-1} R_g + b_g) \\
        c_t &= f_t c_{t-1} + i_t g_t \\
        h_t &= o_t \tanh(c_t)

    over the rows of a window, starting from the h and c that the window before left in
    the same lane. Arithmetic is in float32.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural
       Computation 9(8), 1997.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual
       prediction with LSTM", Neural Computation 12(10), 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import StatefulLSTMRegressor
    >>> series = np.sin(np.arange(400) / 4)
    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> model = StatefulLSTMRegressor(16, sequence_length=4, random_state=0)
    >>> model = model.fit(X[:300], y[:300])
    >>> model.predict(X[300:]).shape
    (99,)
    >>> bool(model.score(X[300:], y[300:]) > 0.9)
    True
    >>> model.observe(X[300:]).forecast(3).shape
    (3,)

    A network of one's own, with a GRU:

    >>> import keras
    >>> def build_gru(meta, units=8):
    ...     shape = meta["batch_size"], meta["sequence_length"], meta["n_features_in_"]
    ...     return keras.Sequential([
    ...         keras.Input(batch_shape=shape),
    ...         keras.layers.GRU(units, stateful=meta["stateful"]),
    ...         keras.layers.Dense(meta["n_outputs_"]),
    ...     ])
    >>> model = StatefulLSTMRegressor(
    ...     model=build_gru, model__units=6, sequence_length=4, epochs=2)
    >>> model = model.fit(X[:300], y[:300])
    >>> [h.shape for h in model.state_.h]
    [(1, 6)]
    """

    _y_options = {"multi_output": True, "y_numeric": True}

    def __init__(
        self,
        units=32,
        *,
        sequence_length=1,
        batch_size=1,
        windows="sliding",
        series_id=None,
        on_gap="warn",
        stateful=True,
        drop_remainder=True,
        dropout=0.0,
        model=None,
        optimizer="adam",
        loss=None,
        metrics=None,
        callbacks=None,
        epochs=20,
        validation_split=0.0,
        shuffle=True,
        warm_start=False,
        verbose=0,
        random_state=None,
        **routed,
    ):
        self.units = units
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.windows = windows
        self.series_id = series_id
        self.on_gap = on_gap
        self.stateful = stateful
        self.drop_remainder = drop_remainder
        self.dropout = dropout
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self._assign_routed(routed)

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one pass over rows that follow those seen.

        Weights, optimizer, state, context and position all carry over, so that calls
        on consecutive pieces of a series equal one epoch over the whole. A batch is
        trained on when its last lane is filled: rows of an unfinished batch already
        count in the state, and wait for the next call to be trained on, unless
        another call moves the state in between.
        The learning rate is as callbacks left it, until another one is set. `epochs`,
        `validation_split`, `shuffle`, `drop_remainder`, `warm_start` and `verbose`
        play no part. Where a callback stops training, the batches after that wait for
        the next call.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row's loss.

        Returns
        -------
        self : object
            The estimator, trained on these rows too.

        Raises
        ------
        ValueError
            For what `fit` refuses, for other features, outputs or kinds of X than in
            the calls before, and for another optimizer; the estimator stays as it was.
        TypeError
            For parameters of a wrong type, and for dates or durations.
        """
        return self._partial_fit(X, y, sample_weight)

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination (R²) of ``predict(X)``.

        Parameters
        ----------
        X : array-like
            As in `predict`.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), or list of these
            True values, in the form that `fit` takes.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row.

        Returns
        -------
        score : float

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`.
        """
        given = self.predict(X), y, sample_weight
        predicted, y, sample_weight = flat_if_sequences(self._record(), X, *given)
        return r2_score(y, predicted, sample_weight=sample_weight)

    def _learn_target(self, y: np.ndarray, loss) -> ContinuousTarget:
        return ContinuousTarget.of(y)

    def _weigh_rows(self, y: np.ndarray, weights: np.ndarray, target) -> np.ndarray:
        return weights

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = True
        return tags
