"""What both estimators share: fit, predict and the calls that move the state.

The only owner of state: everything below takes state as an argument and returns it,
everything above only encodes and decodes targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sklstm._engine import Parameters
from sklstm._fitting import (
    Examples,
    Recipe,
    TrainingRows,
    epoch_tables,
    stacked_recipe,
    train,
    user_recipe,
    walk,
    zero_state,
)
from sklstm._forecasting import closed_loop
from sklstm._geometry import FitPlan, lay_in_lanes
from sklstm._inputs import InputChecks
from sklstm._network import StackedLSTM, state_variables
from sklstm._state import RecurrentState
from sklstm._tensorflow import keras
from sklstm._validation import (
    check_bool,
    check_enough_rows,
    check_enough_windows,
    check_fraction,
    check_positive_int,
    check_units,
    check_weights,
)
from sklstm._windows import Windows


@dataclass(frozen=True, eq=False)
class _Untrained:
    """Rows that `partial_fit` has yet to train on, and the state before them."""

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    before: RecurrentState

    def then(self, more: _Untrained) -> _Untrained:
        """These rows and those after them."""
        return _Untrained(
            np.concatenate([self.X, more.X]),
            np.concatenate([self.targets, more.targets]),
            np.concatenate([self.weights, more.weights]),
            self.before,
        )

    def since(self, n: int, before: RecurrentState) -> _Untrained:
        """The rows after the first `n`, which left the state `before`."""
        return _Untrained(self.X[n:], self.targets[n:], self.weights[n:], before)


class BaseStatefulLSTM(InputChecks):
    """Base of the stateful LSTM estimators; use one of its subclasses.

    A subclass says how targets are encoded and decoded: ``_learn_target(y, loss)``,
    ``_weigh_rows(y, sample_weight)`` and ``_decode(outputs)``.
    """

    _training_rows: TrainingRows | None
    _waiting: tuple[_Untrained, RecurrentState] | None

    # --- fitting --------------------------------------------------------------------

    def fit(self, X, y, sample_weight=None):
        """Train the network and leave its state right after the last row.

        Each epoch starts from zero state and reads the windows in order (stateful) or
        shuffled (stateless). Afterwards all rows run once more through the final
        weights from zero state, so that the state is right for the row after them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            Rows in time order, or ready-made windows. The first steps of a ready-made
            window may be NaN in every feature, for rows from before the series began;
            such windows are not trained on.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            ``y[i]`` belongs to the window that ends at row i.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row's loss. A row of weight 0 still advances the state.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For NaN or infinity, too few rows for a window or a batch, and a loss that
            stops being a finite number; the estimator stays as it was.

        Warns
        -----
        RuntimeWarning
            If training is interrupted after the first epoch: the last whole one stands.
        """
        with self._all_or_nothing():
            self._check_parameters()
            X, y = self._check_training_input(X, y, reset=True)
            seed = self._draw_seed()
            recipe, target = self._make_recipe(X, y, seed)
            windows = Windows.of(X, X[:0], recipe.sequence_length)
            plan = self._plan(windows)
            encoded = self._encode(recipe, target, X, y, sample_weight)
            examples = Examples(windows, *encoded)
            check_weights(examples.weights, plan.trained // windows.stride)
            initial = self._initial_parameters(recipe, seed)
            if self.verbose:
                print(plan.describe(windows.sequence_length))
            learnt = train(
                recipe,
                initial,
                examples,
                epoch_tables(plan, self.shuffle and not self.stateful, seed),
                epochs=self.epochs,
                callbacks=self._instantiate_callbacks(),
                validation=examples.held_out(plan),
                verbose=int(self.verbose),
            )
            self._keep_network(recipe, target, initial)
            self._parameters = learnt.parameters
            self._keep_history(learnt.history, extend=self.warm_start)
            self.n_windows_, self.n_dropped_rows_ = len(plan.trained), plan.n_dropped
            self._training_rows, self._waiting = TrainingRows.of(X, plan), None
            _, self.state_ = self._replay(
                self._training_rows, windows, answer_apart=False
            )
            self._seeded_state = self.state_
        return self

    def _partial_fit(self, X, y, sample_weight):
        with self._all_or_nothing():
            self._check_parameters()
            is_first = not self.__sklearn_is_fitted__()
            X, y = self._check_training_input(X, y, reset=is_first)
            if is_first:
                self._start_empty(X, y)
            targets, weights = self._encode(
                self._recipe, self._target, X, y, sample_weight
            )
            rows = _Untrained(X, targets, weights, self.state_)
            if self._waiting is not None and self._waiting[1] is self.state_:
                rows = self._waiting[0].then(rows)
            rows = self._train_whole_batches(rows)
            state = rows.before
            if len(rows.X):
                _, state = self._walk_from(state, rows.X)
            self.state_, self._waiting = state, (rows, state)
        return self

    def _train_whole_batches(self, rows: _Untrained) -> _Untrained:
        """Train on the batches that `rows` fill and return the rows left over."""
        before = rows.before
        windows = Windows.of(rows.X, before.context, self.sequence_length_)
        full = windows.ends[windows.full]
        n_lanes = self._recipe.batch_size or int(self.batch_size)
        n_trained = len(full) - (before.position + len(full)) % n_lanes
        if n_trained <= 0:
            return rows
        n_context = len(before.context)
        learnt = train(
            self._recipe,
            self._parameters,
            Examples(
                windows,
                np.pad(rows.targets, ((n_context, 0), (0, 0))),
                np.pad(rows.weights, (n_context, 0)),
            ),
            iter([lay_in_lanes(full[:n_trained], before.position, n_lanes)]),
            layers=before.layers,
            resume=True,
            callbacks=self._instantiate_callbacks(),
        )
        self._parameters = learnt.parameters
        self._keep_history(learnt.history, extend=True)
        self.n_windows_ += n_trained
        end = int(full[n_trained - 1]) + 1
        after = RecurrentState(
            learnt.layers,
            windows.context_before(end),
            before.position + n_trained,
            learnt.last_output,
        )
        return rows.since((end - n_context) // windows.stride, after)

    # --- predicting -----------------------------------------------------------------

    def _outputs(self, X) -> np.ndarray:
        """Network outputs for rows of X: from the state, or replayed as in fit."""
        X, rows = self._check_rows(X), self._training_rows
        is_cold = not self.state_.position and not len(self.state_.context)
        if rows is not None and not is_cold and rows.are(X):
            windows = Windows.of(X, X[:0], self.sequence_length_)
            return self._replay(rows, windows)[0]
        return self._walk_from(self.state_, X)[0]

    def _replay(self, rows: TrainingRows, windows: Windows, **options):
        """Walk the rows of the fit as it did: from zero state, dropped ones apart."""
        start = self._zero_state.replace(position=rows.start_position)
        options["in_lanes"] = rows.in_lanes(windows)
        return walk(self._recipe.network, self._parameters, windows, start, **options)

    def _walk_from(self, state: RecurrentState, X: np.ndarray):
        windows = Windows.of(X, state.context, self.sequence_length_)
        return walk(self._recipe.network, self._parameters, windows, state)

    def predict(self, X):
        """Predict for each row of X, continuing from the state, which stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen. Exactly the rows given to `fit` are recognised
            and replayed from zero state instead, unless the state was just reset.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            One prediction for each row: none is dropped, however many there are.
        """
        return self._decode(self._outputs(X))

    def forecast(self, n_steps, start=None, feedback=None):
        """Predict `n_steps` ahead, each prediction becoming the next row.

        The state stays as it is.

        Parameters
        ----------
        n_steps : int
            Number of predictions.
        start : array-like of shape (n_rows, n_features), default=None
            Rows fed first; the first value returned is the prediction for the last of
            them. Without it, the prediction already made for the last row seen is fed
            back first.
        feedback : callable, default=None
            ``feedback(prediction, k)`` returns the k-th row to feed, of shape
            (n_features,), for example with known calendar features added. By default
            the prediction itself, which needs as many outputs as features.

        Returns
        -------
        y : ndarray of shape (n_steps,) or (n_steps, n_outputs)
            The predictions.

        Raises
        ------
        ValueError
            If a prediction cannot be a row and `feedback` is missing, if no row was
            seen and `start` is missing, or after fitting on ready-made windows.
        """
        check_is_fitted(self)
        n_left = check_positive_int("n_steps", n_steps)
        if self._n_dimensions == 3:
            raise ValueError(
                "forecast feeds back one row at a time, but this estimator was fitted"
                " on ready-made windows. Fit it on rows, of shape (n_rows, n_features)."
            )
        feedback = feedback or self._default_feedback()
        state, first = self.state_, []
        if start is not None:
            outputs, state = self._walk_from(state, self._check_rows(start))
            first, n_left = [self._decode(outputs[-1:])[0]], n_left - 1
        elif state.last_output is None:
            raise ValueError(
                "No row was seen since the last reset, so there is no prediction to"
                " feed back. Pass start=, or observe rows first."
            )

        def step(row: np.ndarray):
            nonlocal state
            outputs, state = self._walk_from(state, row)
            return self._decode(outputs)[0]

        last = first[0] if first else self._decode(state.last_output[np.newaxis])[0]
        return np.array(
            first + closed_loop(step, last, feedback, n_left, self.n_features_in_)
        )

    def _default_feedback(self):
        """The prediction itself as the next row, where it can be one."""
        problem = self._target.why_not_a_row(self.n_features_in_)
        if problem:
            raise ValueError(
                f"A prediction cannot be the next row: {problem}. Pass feedback=, a"
                " function of (prediction, k) that returns the next row, of shape"
                f" ({self.n_features_in_},)."
            )
        return lambda prediction, k: np.atleast_1d(prediction)

    # --- state ----------------------------------------------------------------------

    def reset_states(self):
        """Forget every row seen: zero state, empty context, position 0.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.
        """
        check_is_fitted(self)
        self.state_ = self._zero_state
        return self

    def reseed_states(self):
        """Go back to the state at the end of `fit`.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.
        """
        check_is_fitted(self)
        self.state_ = self._seeded_state
        return self

    def observe(self, X):
        """Advance the state over rows without predicting.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.

        Returns
        -------
        self : object
            The estimator, its state after the last row.
        """
        X = self._check_rows(X)
        _, self.state_ = self._walk_from(self.state_, X)
        return self

    def step(self, X):
        """Predict for each row of X and advance the state over them, in one pass.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``predict(X)`` would have returned.
        """
        X = self._check_rows(X)
        outputs, self.state_ = self._walk_from(self.state_, X)
        return self._decode(outputs)

    def get_states(self) -> RecurrentState:
        """The state as a value, which later calls do not change.

        Returns
        -------
        state : RecurrentState
            State arrays of every recurrent layer, context and position.
        """
        check_is_fitted(self)
        return self.state_

    def set_states(self, state: RecurrentState):
        """Continue from a state taken with `get_states`.

        Parameters
        ----------
        state : RecurrentState
            From this estimator or one of the same units and batch size.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.

        Raises
        ------
        TypeError, ValueError
            If `state` is not a state, or not one of this estimator's shapes.
        """
        check_is_fitted(self)
        if not isinstance(state, RecurrentState):
            raise TypeError(
                "state must be a RecurrentState, as get_states() returns it; got"
                f" {type(state).__name__}."
            )
        self._zero_state.check_fits(state)
        self.state_ = state
        return self

    # --- the network ----------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """The network's weights in the order of the Keras model's ``get_weights()``.

        Returns
        -------
        weights : list of ndarray
            For each LSTM layer its kernel (n_inputs, 4 * units), recurrent kernel
            (units, 4 * units) and bias (4 * units,), gates in the order i, f, c, o;
            then the head's kernel (units, n_outputs) and bias (n_outputs,).
        """
        check_is_fitted(self)
        return [weight.copy() for weight in self._parameters.weights]

    def rebuild(self, batch_size) -> keras.Model:
        """A plain Keras model with these weights at another batch size.

        For serving or inspection: its layers are ordinary ``keras.layers.LSTM``, in
        zero state, and a file it is saved to loads without this package.

        Parameters
        ----------
        batch_size : int
            Number of rows that each call of the model takes.

        Returns
        -------
        model : keras.Model
            Its inputs have shape (batch_size, sequence_length, n_features).
        """
        check_is_fitted(self)
        batch_size = check_positive_int("batch_size", batch_size)
        model = self._recipe.network.at_batch_size(batch_size).build()
        model.set_weights(self._parameters.weights)
        return model

    @property
    def model_(self) -> keras.Model:
        """A plain Keras model at the fitted batch size and in the current state."""
        check_is_fitted(self)
        model = self._recipe.network.build()
        model.set_weights(self._parameters.weights)
        layers = zip(state_variables(model), self.state_.layers, strict=True)
        for variables, values in layers:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return model

    @property
    def initialized_(self) -> bool:
        """Whether the estimator is fitted, in scikeras's words."""
        return self.__sklearn_is_fitted__()

    def __sklearn_is_fitted__(self) -> bool:
        return "state_" in vars(self)

    # --- parts of fitting -----------------------------------------------------------

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Put every attribute back if anything goes wrong inside."""
        attributes = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            raise

    def _check_parameters(self) -> None:
        check_units(self.units)
        for name in ("sequence_length", "batch_size", "epochs"):
            check_positive_int(name, getattr(self, name))
        for name in ("stateful", "drop_remainder", "shuffle", "warm_start"):
            check_bool(name, getattr(self, name))
        for name in ("dropout", "validation_split"):
            check_fraction(name, getattr(self, name))

    def _draw_seed(self) -> int:
        if self.random_state is None:  # without touching NumPy's global generator
            return int(np.random.SeedSequence().generate_state(1)[0])
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _make_recipe(self, X: np.ndarray, y, seed: int):
        """The network that the parameters describe, and the target it is for."""
        choices = self._compile_arguments()
        target = self._learn_target(y, choices["loss"])
        sequence_length = X.shape[1] if X.ndim == 3 else int(self.sequence_length)
        batch_size = int(self.batch_size) if self.stateful else None
        if self.model is not None:
            meta = {
                **target.meta,
                "n_features_in_": self.n_features_in_,
                "sequence_length": sequence_length,
                "batch_size": batch_size,
                "stateful": bool(self.stateful),
            }
            function = self._model_function()
            return user_recipe(function, meta, seed, choices, target), target
        network = StackedLSTM(
            units=check_units(self.units),
            dropout=float(self.dropout),
            n_outputs=target.n_outputs,
            activation=target.activation,
            sequence_length=sequence_length,
            n_features=self.n_features_in_,
            batch_size=batch_size,
        )
        return stacked_recipe(network, seed, choices, target), target

    def _plan(self, windows: Windows) -> FitPlan:
        """Which windows to train on and which to hold out, or a clear error."""
        n, full = len(windows), windows.full
        n_train = n - int(n * self.validation_split)
        if self._n_dimensions == 2:
            check_enough_rows(n_train, windows.sequence_length)
        check_enough_windows(
            int(full[:n_train].sum()),
            self.batch_size if self.stateful and self.drop_remainder else 1,
            windows.sequence_length,
            ready_made=self._n_dimensions == 3,
        )
        return FitPlan.of(
            windows.ends[full],
            n_held_out=int(full[n_train:].sum()),
            batch_size=int(self.batch_size),
            stateful=bool(self.stateful),
            drop_remainder=bool(self.drop_remainder),
        )

    def _encode(self, recipe: Recipe, target, X, y, sample_weight):
        """Network targets of shape (n, n_outputs) and weights of shape (n,)."""
        weights = _check_sample_weight(sample_weight, X, dtype=np.float32, copy=True)
        weights = np.asarray(self._weigh_rows(y, weights), np.float32)
        return target.encode(y, recipe.n_outputs, recipe.loss), weights

    def _initial_parameters(self, recipe: Recipe, seed: int) -> Parameters:
        """Fresh parameters, or with `warm_start` those of the last fit."""
        if not self.warm_start or not self.__sklearn_is_fitted__():
            return recipe.initial(seed)
        if recipe.network.key != self._recipe.network.key:
            raise ValueError(
                "warm_start=True continues from the weights of the last fit, but the"
                " network's shape or batch size has changed since. Set warm_start=False"
                " to start anew."
            )
        return self._parameters

    def _start_empty(self, X: np.ndarray, y) -> None:
        """Become fitted on no rows yet, for the first `partial_fit`."""
        seed = self._draw_seed()
        recipe, target = self._make_recipe(X, y, seed)
        initial = recipe.initial(seed)
        self._keep_network(recipe, target, initial)
        self._parameters = initial
        self._keep_history({}, extend=False)
        self.n_windows_ = self.n_dropped_rows_ = 0
        self._training_rows = self._waiting = None
        self.state_ = self._seeded_state = self._zero_state

    def _keep_network(self, recipe: Recipe, target, initial: Parameters) -> None:
        self._recipe, self._target = recipe, target
        self._zero_state = zero_state(recipe.network, self.n_features_in_)
        self.n_outputs_ = recipe.n_outputs
        self.sequence_length_ = recipe.sequence_length
        self.initial_weights_ = [weight.copy() for weight in initial.weights]

    def _keep_history(self, history: dict[str, list[float]], extend: bool) -> None:
        before = getattr(self, "history_", {}) if extend else {}
        names = dict.fromkeys([*before, *history])
        self.history_ = {n: [*before.get(n, ()), *history.get(n, ())] for n in names}
