"""The classifier: two or more classes, with labels of any kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.fitted_attributes import FromFit
from sklstm._estimator.keywords import refuse_keywords
from sklstm._estimator.sequences import flat_if_sequences
from sklstm._network.targets import ClassTarget
from sklstm._training.fitted import Fitted

if TYPE_CHECKING:
    from typing_extensions import Self


class StatefulLSTMClassifier(ClassifierMixin, BaseStatefulLSTM):
    r"""Classification of time steps by an LSTM that carries its state from row to row.

    Behaves as a scikit-learn classifier, with one thing added: it remembers the rows it
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
        What to do with rows whose target is missing (NaN, or None or NA among labels):
        raise ValueError, or give them weight 0. Such a row advances the state, and is
        not trained on. X must have no NaN in any case.
    scale : bool or "auto", default="auto"
        Whether X is standardised inside, each series by its own training rows. The
        network sees no value beyond six deviations. A series that was not in `fit` gets
        the scale of all rows. "auto" is True with tiled windows; there is none with
        sliding ones.
    linear_skip : bool or "auto", default="auto"
        Whether the last rows also reach the output by a linear map, whose values are
        added to the logits. It is the logistic regression of the labels on these rows
        and is fitted before the network, which learns what it leaves. Of each row the
        network is then shown the row, its change since the row before, and the change
        of the linear map's values. "auto" is True with tiled windows, but for a
        ``model=`` function, which has none.
    lags : int, sequence of int or "auto", default="auto"
        Which rows the linear map reads beside the row itself: so many before it, or
        those at these steps back. "auto" tries some and takes what does best on the
        newest fifth of the rows.
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
        ``batch_size`` (None if stateless), ``stateful``, ``return_sequences`` (False if
        sliding), ``n_classes_`` and ``classes_``. Keywords ``model__name=value`` are
        passed on to the function; where it has parameters ``compile_kwargs``
        (optimizer, loss and metrics, as a dict) or ``params`` (those of the estimator),
        it is given these too.

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
        By default binary cross-entropy on one output for two classes, and
        categorical cross-entropy on one output a class for more.
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
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's loss, as elsewhere in scikit-learn.
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
    initial_weights_ : list of ndarray
        The network's weights before the first epoch.
    model_ : keras.Model
        A plain Keras model with the fitted weights and state, built when asked for.
        With tiled windows it has a lane for each series, in the order of `series_`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X was a frame.
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.

    Raises
    ------
    TypeError
        For a keyword that is neither a parameter nor routed to the optimizer, loss,
        metrics, callbacks or model function. Values are checked by `fit`.

    See Also
    --------
    StatefulLSTMRegressor : The same for numbers.
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
    ``BaggingClassifier`` of networks alone weights rows instead, and keeps their order.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural
       Computation 9(8), 1997.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual
       prediction with LSTM", Neural Computation 12(10), 2000.
    .. [3] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for
       statistical machine translation", EMNLP 2014.
    .. [4] J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import StatefulLSTMClassifier
    >>> series = np.sin(np.arange(400) / 4)
    >>> X, y = series[:-1, np.newaxis], np.where(np.diff(series) > 0, "up", "down")
    >>> model = StatefulLSTMClassifier(16, sequence_length=4, random_state=0)
    >>> model = model.fit(X[:300], y[:300])
    >>> model.predict_proba(X[300:]).shape
    (99, 2)
    >>> bool(model.score(X[300:], y[300:]) > 0.9)
    True
    """

    classes_ = FromFit(lambda fitted: fitted.target.classes)

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
        metrics: Any = None,
        callbacks: Any = None,
        epochs: int | str = "auto",
        ema_momentum: float | str = "auto",
        validation_split: float = 0.0,
        shuffle: bool = True,
        class_weight: Any = None,
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
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.ema_momentum = ema_momentum
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self._assign_routed(routed)

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        **unknown: Any,
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
        y : array-like of shape (n_rows,), or list of these
            Their labels, in the form that `fit` takes.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed in the first call where `y` lacks some.
        sample_weight : array-like of shape (n_rows,), or list of these, default=None
            Weight of each row's loss.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        self : object
            The estimator, trained on these rows too.

        Raises
        ------
        ValueError
            For class labels that are not among the classes, for balanced class weights,
            and for what `fit` refuses; for other features or kinds of X than in the
            calls before; for time labels that were seen already; with sliding windows,
            for many series; and for another optimizer, loss or network. The estimator
            stays as it was.
        TypeError
            For parameters of a wrong type, and for dates or durations in X.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMClassifier
        >>> X = np.sin(np.arange(60) / 4)[:, np.newaxis]
        >>> y = np.where(X[:, 0] > 0, "up", "down")
        >>> model = StatefulLSTMClassifier(4, epochs=1).fit(X[:40], y[:40])
        >>> model.partial_fit(X[40:], y[40:]).state_.position.tolist()
        [60]
        """
        if unknown:
            refuse_keywords(self, "partial_fit", unknown, trains=True)
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all of y at once, but"
                " partial_fit sees it in pieces. Pass a dict, for example from"
                " sklearn.utils.class_weight.compute_class_weight."
            )
        known = None if classes is None else np.unique(column_or_1d(classes))
        changed = (
            known is not None
            and self.__sklearn_is_fitted__()
            and not np.array_equal(known, self.classes_)
        )
        if known is not None and changed:
            raise ValueError(
                f"classes={known.tolist()} differs from the classes fitted,"
                f" {self.classes_.tolist()}. Leave classes= out, or clone the estimator"
                " to start with others."
            )
        return self._partial_fit(X, y, sample_weight, classes=known)

    def predict_proba(
        self, X: Any, replay: bool | None = None, **unknown: Any
    ) -> np.ndarray:
        """Class probabilities for each row of X, continuing from the state.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            As in `predict`.
        replay : bool, default=None
            As in `predict`.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        p : ndarray of shape (n_rows, n_classes)
            Columns in the order of `classes_`; rows sum to one.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMClassifier
        >>> X = np.sin(np.arange(60) / 4)[:, np.newaxis]
        >>> y = np.where(X[:, 0] > 0, "up", "down")
        >>> model = StatefulLSTMClassifier(4, epochs=1).fit(X[:40], y[:40])
        >>> p = model.predict_proba(X[40:])   # columns "down" and "up"
        >>> bool(np.allclose(p.sum(axis=1), 1))
        True
        """
        if unknown:
            refuse_keywords(self, "predict_proba", unknown)
        return self._predictions(X, replay, Fitted.probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None, **unknown: Any) -> float:
        """Mean accuracy of ``predict(X)``.

        Parameters
        ----------
        X : array-like
            As in `predict`.
        y : array-like of shape (n_rows,), or list of arrays
            True labels, in the form that `fit` takes.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        score : float

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMClassifier
        >>> X = np.sin(np.arange(60) / 4)[:, np.newaxis]
        >>> y = np.where(X[:, 0] > 0, "up", "down")
        >>> model = StatefulLSTMClassifier(4, epochs=1).fit(X[:40], y[:40])
        >>> bool(model.score(X[40:], y[40:]) > 0.9)
        True
        """
        if unknown:
            refuse_keywords(self, "score", unknown)
        given = self.predict(X), y, sample_weight
        predicted, y, sample_weight = flat_if_sequences(self._record(), X, *given)
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    def _learn_target(self, y: np.ndarray, loss, classes=None) -> ClassTarget:
        check_classification_targets(y)
        classes = np.unique(y) if classes is None else classes
        if len(classes) < 2:
            raise ValueError(
                "y must hold at least two classes, but it holds 1 class:"
                f" {classes.tolist()}. In partial_fit, pass all of them as classes=."
            )
        return ClassTarget(classes, loss)

    def _weigh_rows(
        self, y: np.ndarray, weights: np.ndarray, target: ClassTarget
    ) -> np.ndarray:
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, str):
            return weights * compute_sample_weight(self.class_weight, y)
        self._check_class_weight(target.classes)
        # a piece of the series may lack a class that has a weight
        by_class = compute_class_weight(
            self.class_weight, classes=target.classes, y=target.classes
        )
        at = np.searchsorted(target.classes, y)
        return weights * by_class.take(at, mode="clip")  # strangers are refused later

    def _check_class_weight(self, classes: np.ndarray) -> None:
        if not isinstance(self.class_weight, dict):
            raise TypeError(
                "class_weight must be a dict of a weight for each class, 'balanced' or"
                f" None; got {self.class_weight!r}."
            )
        known = classes.tolist()
        strange = [label for label in self.class_weight if label not in known]
        lacking = [label for label in known if label not in self.class_weight]
        if strange and lacking:
            raise ValueError(
                f"class_weight has weights of {strange}, but the classes of y are"
                f" {known}, and {lacking} have none. Its keys are labels as in y."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
