"""The regressor: continuous targets, one or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from sklstm._checks import check_quantiles
from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.keywords import refuse_keywords
from sklstm._estimator.sample_weights import weighted_r2
from sklstm._estimator.sequences import flat_if_sequences
from sklstm._network.pinball_loss import PinballLoss
from sklstm._network.targets import ContinuousTarget, QuantileTarget
from sklstm._training.fitted import Fitted

if TYPE_CHECKING:
    from typing_extensions import Self

DEFAULT_QUANTILES = (0.05, 0.5, 0.95)
Method = TypeVar("Method", bound=Callable[..., Any])


def _has_quantiles(estimator: StatefulLSTMRegressor) -> bool:
    """Whether quantiles are predicted; AttributeError tells how where they are not."""
    if isinstance(estimator.loss, str) and estimator.loss == "quantile":
        return True
    raise AttributeError(
        "Quantiles are predicted where loss='quantile', but this"
        f" {type(estimator).__name__} has loss={estimator.loss!r}. Set it before fit."
    )


def _where_quantiles(method: Method) -> Method:
    """Offer a method where quantiles are predicted; it keeps its type for checkers."""
    return available_if(_has_quantiles)(method)


class StatefulLSTMRegressor(RegressorMixin, BaseStatefulLSTM):
    r"""Regression on a time series by an LSTM that carries its state from row to row.

    Behaves as a scikit-learn regressor, with one thing added: it remembers the rows it
    has seen. `predict` continues from that memory and leaves it alone; `observe`,
    `step`, `reset_states` and `set_states` move it.

    Parameters
    ----------
    units : int or sequence of int, default=64
        Units of the recurrent layer, or of each of several layers.
    cell : {"lstm", "gru", "rnn"}, default="lstm"
        What the layers are made of: LSTM cells, GRU cells, or the simple recurrent
        cells of Keras's ``SimpleRNN``. See the notes for what each computes.
    sequence_length : int or "auto", default="auto"
        Rows in a window: how far back gradients reach. Not used for ready-made
        windows (3-D X with sliding windows), which bring their own. "auto" is the
        period of the series, or 24, within 12 and 48; with sliding windows, 1.
    batch_size : int or "auto", default="auto"
        Sliding, the lanes of a stateful network: window j goes to lane
        ``j % batch_size``, and each lane carries its own state. The period of the
        series gives each season a lane of its own; 1 lets one state run through every
        row. In a stateless network, windows per gradient step.

        Tiled, the lanes of `fit`: all series are laid end to end and cut into this many
        parts of equal length, which are read side by side. A series that is cut there
        goes on from zero state. It plays no part in prediction, where each series has
        a state of its own, nor in `partial_fit`, where each has a lane. "auto" is as
        many as leave each lane eight windows, at most 16; with sliding windows, 1.
    windows : {"auto", "sliding", "tiled"}, default="auto"
        How rows become windows. Sliding, a window ends at every row, and neighbours
        share all rows but one. Tiled, windows lie end to end: each row is read once,
        there is a target at each step, the state is carried from window to window and
        gradients stop there (truncated backpropagation through time). An epoch then
        takes about ``1 / sequence_length`` of the work, and there may be many series.
        "auto" is tiled for rows, and for a list of sequences with a list of targets;
        it is sliding for ready-made windows and for a ``model=`` function.
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
    missing : {"raise", "ignore"}, default="raise"
        What to do with targets that are missing (NaN): raise ValueError, or give them
        weight 0. A row without a target advances the state, and is not trained on; of
        several targets of a row, the others are. X must have no NaN in any case.
    scale : bool or "auto", default="auto"
        Whether X and y are standardised inside, each series by its own training rows,
        and predictions are given back in the units of y. The network sees no value
        beyond six deviations. A series that was not in `fit` gets the scale of all
        rows. Loss and metrics are then those of the scaled targets. "auto" is True with
        tiled windows; there is none with sliding ones.
    linear_skip : bool or "auto", default="auto"
        Whether the last rows also reach the output by a linear map, which is fitted
        before the network, in closed form; the network learns what it leaves. Of each
        row the network is then shown the row, its change since the row before, and what
        the linear map makes of it. Where y is a later value of a column of X, the map
        is the mean of several ridge regressions, which read levels, or changes since
        the last value or the value a period before the target; else it is one of all
        columns. Targets may be of several horizons, each with a map of its own. "auto"
        is True with tiled windows, but for a ``model=`` function, which has none.
    lags : int, sequence of int or "auto", default="auto"
        Which rows the linear map reads beside the row itself: so many before it, or
        those at these steps back. "auto" tries the last 24 rows, and the last four, and
        with them those around the row whole periods before each target, for each period
        that the changes of the series show.
    stateful : bool, default=True
        Whether state is carried from batch to batch. If False, each window starts from
        zero state; when predicting with tiled windows, that is every `sequence_length`
        rows from the first row of a series.
    drop_remainder : bool, default=True
        What to do in training with sliding windows that do not fill a batch of a
        stateful network: drop the oldest, or (False) start with empty lanes. No row is
        ever dropped in prediction, nor with tiled windows.
    dropout : float, default=0.0
        Share of each layer's outputs dropped in training.
    model : callable, default=None
        A function that takes ``meta`` and returns a Keras model, instead of the
        built-in one; `units`, `cell` and `dropout` are then not used. ``meta`` is a
        dict with ``n_features_in_``, ``n_outputs_``, ``sequence_length``,
        ``batch_size`` (None if stateless), ``stateful`` and ``return_sequences`` (False
        if sliding). Keywords ``model__name=value`` are passed on to the function; where
        it has parameters ``compile_kwargs`` (optimizer, loss and metrics, as a dict) or
        ``params`` (those of the estimator), it is given these too.

        The model must be built, with one input of shape (batch_size, sequence_length,
        n_features) and one output of shape (batch_size, n_outputs), and with
        ``stateful=meta["stateful"]`` in its recurrent layers; a stateful network needs
        at least one of them. If it is compiled, its own optimizer, loss and metrics are
        used.

        With tiled windows ``meta["return_sequences"]`` is True, and the output has
        shape (batch_size, sequence_length, n_outputs): pass
        ``return_sequences=meta["return_sequences"]`` to the last recurrent layer. Then
        ``meta["stateful"]`` is True and ``batch_size`` a number even if
        ``stateful=False``, since the training loop itself resets the state at each cut.
        In training a run, which is a series or a part of one, always begins with a
        tile. The function is called again with other values of ``batch_size`` and
        ``sequence_length``, which is 1 in prediction. So every layer that is not
        recurrent must treat each step by itself; a model that does not is refused.
    optimizer : str, keras.optimizers.Optimizer or class, default="auto"
        Keywords such as ``optimizer__learning_rate=0.01`` are passed on to it. "auto"
        is Adam with sliding windows, and with tiled ones AdamW with a learning rate of
        0.004, a weight decay of 0.02 and gradients of a global norm of at most 1.
    loss : str, keras.losses.Loss, class or callable, default=None
        Mean squared error by default. "quantile" is the mean pinball loss of the
        quantiles of each target: the network has an output for each, `predict` answers
        the median, and `predict_quantiles` all of them.
    quantiles : sequence of float, default=(0.05, 0.5, 0.95)
        Levels of the quantiles that ``loss="quantile"`` is for, between 0 and 1 and in
        ascending order, 0.5 among them. The linear map is then the centre, and begins
        with the quantiles of what it leaves of the training rows around it; the network
        learns where these lie higher, lower or further apart. Quantiles never cross:
        outputs that would are put in order [5]_.
    metrics : list of str or keras.metrics.Metric, default=None
        Shown and kept in `history_` beside the loss; each gives one number.
    callbacks : list of keras.callbacks.Callback, default=None
        Keras callbacks. Without any, compiled programs train for up to 64 epochs in a
        call. Callbacks cost a call for each epoch, as `metrics`, `validation_split`, a
        checkpoint and shuffled sliding windows do; batch-level hooks cost one for each
        batch. Layers hold the state between batches, and a batch-level hook may reset
        or set it, in training only. Recordings to be read apart in prediction too are
        series: see `series_id`, or pass a list of them.
    epochs : int or "auto", default="auto"
        Passes over the training rows. "auto" is 20 with sliding windows. With tiled
        ones it first trains on all but the newest fifth of each series, looks at the
        error on this fifth after 1, 2, 3, 5, 8, 12, 18, 27, 40 and 60 passes, and then
        trains on all rows for as many as did best. With `linear_skip` these may be
        none: then no number of passes was better than the linear map by more than the
        standard error of the improvement. By the same errors, all of the network's
        output is added to the linear map's or a share of it (`network_share_`).
    ema_momentum : float or "auto", default="auto"
        Momentum of an exponential moving average of the weights over epochs, which
        takes the place of the last weights. 0 is no average. "auto" is 0.8 with tiled
        windows, and 0 with sliding ones.
    validation_split : float, default=0.0
        Share of the rows of each series, or of the steps of each sequence, to hold out:
        the last ones, their number rounded down. Their loss continues from the state
        at the end of the rows trained on, which it leaves untouched.
    shuffle : bool, default=True
        Sliding, whether a stateless network sees its windows in a new order in each
        epoch; a stateful one never shuffles. Tiled, whether each epoch takes the series
        in a new order and moves the cuts between tiles by a number of rows drawn at
        random; rows of a series stay in order. For `model=` functions, only the order
        of series is new. If False, every lane is cut from its first row on.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last `fit`, and with the same
        optimizer from its moments too.
    verbose : int, default=0
        1 shows a progress bar, and how many windows are trained on and left out.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, dropout and shuffling, the cuts of tiled windows
        included. A RandomState instance is drawn from once in each fit; with None, each
        fit has another seed, which ``keras.utils.set_random_seed`` does not decide. An
        int gives the same weights, bit for bit, on one machine with as many threads;
        the workers of a parallel search have fewer.
    **routed : dict
        Keywords for the optimizer, loss, metrics, callbacks or model function, such as
        ``optimizer__clipnorm=1.0``.

    Attributes
    ----------
    state_ : RecurrentState
        State of the network after the last row seen, with context and position. Of
        LSTM layers it has h and c, of GRU and simple recurrent layers h only.
    history_ : dict of str to list of float
        Loss and metrics of each epoch; ``val_`` names are those of held-out rows.
    windows_ : {"sliding", "tiled"}
        How rows became windows.
    n_windows_ : int
        Windows trained on: those of an epoch of the last `fit`, plus those of all calls
        of `partial_fit` since. Tiled, these are tiles, as they lie without `shuffle`.
    n_dropped_windows_ : int
        Complete windows that the last `fit` left out, the oldest, so that batches are
        whole. The first ``sequence_length - 1`` rows, at which no complete window ends,
        are not counted. With tiled windows, 0.
    series_ : Index of shape (n_series,)
        Ids of the series that have a state, in order of first appearance: a MultiIndex
        where several columns or levels tell them apart. New series join by `step`,
        `observe` and `partial_fit`, and `forget` takes them out. Absent where series
        have no ids.
    sequence_length_ : int
        Rows in a window.
    batch_size_ : int
        Lanes of `fit`; absent for stateless sliding windows.
    epochs_ : int
        Passes over the training rows in the last `fit`.
    network_share_ : float
        How much of the network's output is added to that of the linear map: between 0
        and 1 with ``epochs="auto"``, else 1; absent without a linear map.
    lags_ : tuple of int
        Steps back to the rows that the linear map reads; absent without one.
    n_outputs_ : int
        Width of the network's output.
    quantiles_ : tuple of float
        Levels of the columns of `predict_quantiles`; absent with another loss.
    initial_weights_ : list of ndarray
        The network's weights before the first epoch.
    model_ : keras.Model
        A plain Keras model with the fitted weights and state, built when asked for.
        With tiled windows it has a lane for each series, in the order of `series_`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
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
    For a row :math:`x_t` each LSTM layer computes, :math:`\sigma` being the logistic
    function,

    .. math::
        i_t, f_t, o_t &= \sigma(x_t W_{i,f,o} + h_{t-1} R_{i,f,o} + b_{i,f,o}) \\
        g_t &= \tanh(x_t W_g + h_{t-1} R_g + b_g) \\
        c_t &= f_t c_{t-1} + i_t g_t \\
        h_t &= o_t \tanh(c_t)

    over the rows of a window, starting from the h and c that the window before left in
    the same lane. Arithmetic is in float32. With ``cell="gru"`` each layer computes
    [3]_, in the form of Keras's default, ``reset_after=True``,

    .. math::
        z_t, r_t &= \sigma(x_t W_{z,r} + b_{z,r} + h_{t-1} R_{z,r} + d_{z,r}) \\
        g_t &= \tanh(x_t W_g + b_g + r_t (h_{t-1} R_g + d_g)) \\
        h_t &= z_t h_{t-1} + (1 - z_t) g_t

    and with ``cell="rnn"`` [4]_

    .. math::
        h_t = \tanh(x_t W + h_{t-1} R + b).

    Ensembles that hand over rows drawn at random, out of time order, are refused:
    ``AdaBoostRegressor``, and bagging of pipelines with ``bootstrap=True``.
    ``BaggingRegressor`` of networks alone weights rows instead, and keeps their order.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural
       Computation 9(8), 1997.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual
       prediction with LSTM", Neural Computation 12(10), 2000.
    .. [3] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for
       statistical machine translation", EMNLP 2014.
    .. [4] J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.
    .. [5] V. Chernozhukov, I. Fernández-Val and A. Galichon, "Quantile and probability
       curves without crossing", Econometrica 78(3), 2010.

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

    Two series in one frame, each with a state of its own:

    >>> import pandas as pd
    >>> days = pd.date_range("2025-01-01", periods=100)
    >>> index = pd.MultiIndex.from_product([["a", "b"], days], names=["shop", "day"])
    >>> phase = np.repeat([0, 2], 100) + np.tile(np.arange(100), 2) / 4
    >>> X = pd.DataFrame({"sales": np.sin(phase)}, index)
    >>> y = np.sin(phase + 0.25)   # the next day's
    >>> seen = index.get_level_values("day") < "2025-04-01"
    >>> model = StatefulLSTMRegressor(
    ...     8, windows="tiled", sequence_length=10, batch_size=4, random_state=0)
    >>> model = model.fit(X[seen], y[seen])
    >>> model.series_.tolist()
    ['a', 'b']
    >>> model.predict(X[~seen]).shape   # the ten days of both that follow
    (20,)
    >>> model.forecast(3, series="b").shape
    (3,)

    Quantiles, here of noise that spreads by one:

    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> noise = np.random.default_rng(0).normal(size=400)
    >>> model = StatefulLSTMRegressor(
    ...     8, loss="quantile", quantiles=(0.1, 0.5, 0.9), random_state=0)
    >>> model = model.fit(X[:300], y[:300] + noise[:300])
    >>> low, median, high = model.predict_quantiles(X[300:]).T
    >>> bool(np.mean(high - low) > 2)
    True
    >>> bool((median == model.predict(X[300:])).all())
    True
    """

    _y_options = {"multi_output": True, "y_numeric": True}

    def __init__(
        self,
        units: int | Sequence[int] = 64,
        *,
        cell: str = "lstm",
        sequence_length: int | str = "auto",
        batch_size: int | str = "auto",
        windows: str = "auto",
        series_id: Any = None,
        on_gap: str = "warn",
        missing: str = "raise",
        scale: bool | str = "auto",
        linear_skip: bool | str = "auto",
        lags: int | Sequence[int] | str = "auto",
        stateful: bool = True,
        drop_remainder: bool = True,
        dropout: float = 0.0,
        model: Callable[..., Any] | None = None,
        optimizer: Any = "auto",
        loss: Any = None,
        quantiles: Sequence[float] = DEFAULT_QUANTILES,
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | str = "auto",
        ema_momentum: float | str = "auto",
        validation_split: float = 0.0,
        shuffle: bool = True,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
        **routed: Any,
    ) -> None:
        self.units = units
        self.cell = cell
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.windows = windows
        self.series_id = series_id
        self.on_gap = on_gap
        self.missing = missing
        self.scale = scale
        self.linear_skip = linear_skip
        self.lags = lags
        self.stateful = stateful
        self.drop_remainder = drop_remainder
        self.dropout = dropout
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.quantiles = quantiles
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.ema_momentum = ema_momentum
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self._assign_routed(routed)

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, **unknown: Any
    ) -> Self:
        """Train for one pass over rows that follow those seen.

        Weights, optimizer, state, context and position all carry over, so that calls
        on consecutive pieces of a series equal one epoch over the whole. A batch is
        trained on when its last lane is filled: rows of an unfinished batch already
        count in the state, and wait for the next call to be trained on. If another
        call moves the state in between, they are dropped, with a warning.
        Sliding windows go on with one series without a break. The learning rate is as
        callbacks left it, until another one is set. `epochs`, `validation_split`,
        `shuffle`, `drop_remainder`, `warm_start` and `verbose` play no part. Where a
        callback stops training, the batches after that wait for the next call.

        With tiled windows each series of the call has a lane, which goes on from the
        state of this series and is cut every `sequence_length` rows from the first row
        of the series in this call. Series not seen before join from zero state. All
        rows are trained on at once, and none wait: a piece shorter than a window makes
        a short one, and batches after a callback's stop are left untrained. The state
        is then that after the last row, by the new weights.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of these windows
            The rows after those seen, in any of the forms that `fit` takes.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), or list of these
            Their targets, in the form that `fit` takes.
        sample_weight : array-like of shape (n_rows,) or (n_rows, n_outputs), or list \
                of these, default=None
            Weight of each row's loss, or of each output's of a row.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        self : object
            The estimator, trained on these rows too.

        Raises
        ------
        ValueError
            For what `fit` refuses; for other features, outputs or kinds of X than in
            the calls before; for labels that were seen already; with sliding windows,
            for many series; and for another optimizer, loss or network. The estimator
            stays as it was.
        TypeError
            For parameters of a wrong type, and for dates or durations.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> model.partial_fit(X[40:], y[40:]).state_.position.tolist()
        [59]
        """
        if unknown:
            refuse_keywords(self, "partial_fit", unknown, trains=True)
        return self._partial_fit(X, y, sample_weight)

    def score(self, X: Any, y: Any, sample_weight: Any = None, **unknown: Any) -> float:
        """Coefficient of determination (R²) of ``predict(X)``, the mean over outputs.

        With ``loss="quantile"`` it is that of the medians, as of scikit-learn's
        regressors of quantiles, so that it can be compared with other estimators' in a
        search. ``sklearn.metrics.mean_pinball_loss`` scores each column of
        `predict_quantiles`.

        Parameters
        ----------
        X : array-like
            As in `predict`.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), or list of these
            True values, in the form that `fit` takes. With ``missing="ignore"`` those
            that are missing do not count.
        sample_weight : array-like of shape (n_rows,) or (n_rows, n_outputs), \
                default=None
            Weight of each row, or of each output of each row.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        score : float

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`; ValueError also for weights of another shape.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> bool(model.score(X[40:], y[40:]) > 0.9)
        True
        """
        if unknown:
            refuse_keywords(self, "score", unknown)
        given = self.predict(X), y, sample_weight
        predicted, y, weights = flat_if_sequences(self._record(), X, *given)
        if self.missing != "ignore" and np.asarray(weights).ndim < 2:
            return r2_score(y, predicted, sample_weight=weights)
        may_miss = self.missing == "ignore"
        return weighted_r2(y, predicted, weights, may_miss)

    @_where_quantiles
    def predict_quantiles(
        self, X: Any, replay: bool | None = None, **unknown: Any
    ) -> np.ndarray:
        """Predict quantiles for each row of X; the state stays as it is.

        For estimators with ``loss="quantile"``.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of windows
            Rows as in `predict`.
        replay : bool, default=None
            Whether X begins with the rows of the fit, as in `predict`.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        quantiles : ndarray of shape (n_rows, n_quantiles) or \
                (n_rows, n_outputs, n_quantiles), or list of these
            In the units of y, in ascending order, with a column for each of
            `quantiles_`. That of 0.5 is what `predict` answers.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`; ValueError also if `loss` was set after the fit.

        Warns
        -----
        ContinuityWarning
            As in `predict`.
        """
        if unknown:
            refuse_keywords(self, "predict_quantiles", unknown)
        if not isinstance(self._record().target, QuantileTarget):
            raise ValueError(
                "loss='quantile' was set after fit, which has trained the network by"
                " another loss. Call fit again."
            )
        return self._predictions(X, replay, Fitted.quantiles)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        levels = check_quantiles(self.quantiles)
        is_asked = isinstance(self.loss, str) and self.loss == "quantile"
        if levels != DEFAULT_QUANTILES and not is_asked:
            raise ValueError(
                f"quantiles={self.quantiles!r} are predicted with loss='quantile', but"
                f" loss={self.loss!r}. Set loss='quantile', or leave quantiles out."
            )

    def _asked_loss(self):
        if isinstance(self.loss, str) and self.loss == "quantile":
            return PinballLoss(check_quantiles(self.quantiles))
        return self.loss

    def _learn_target(self, y: np.ndarray, loss) -> ContinuousTarget:
        if isinstance(loss, PinballLoss):
            return QuantileTarget.with_levels(y, loss.quantiles)
        return ContinuousTarget.of(y)

    def _weigh_rows(self, y: np.ndarray, weights: np.ndarray, target) -> np.ndarray:
        return weights

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = True
        return tags
