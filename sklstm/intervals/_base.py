"""What both conformal estimators share: the estimator inside, its state, the level.

Scores and level are one value, `Moment`, which is replaced in one assignment; the
network inside keeps its own state.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils.validation import check_is_fitted

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._rows.series import RowLabels, as_ids, match_series
from sklstm.intervals._checks import check_coverage
from sklstm.intervals._fed import forget_joined
from sklstm.intervals._moment import ConformalState, Moment
from sklstm.intervals._saved import load, save
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._timeline import read_series
from sklstm.streaming import stream

if TYPE_CHECKING:
    from typing_extensions import Self


class BaseConformal(MetaEstimatorMixin, BaseEstimator):
    """Rows go on to the estimator inside; their values adapt the level."""

    estimator: Any
    coverage: float
    adaptive: bool
    estimator_: Any
    _moment: Moment
    _begun: Moment  # as it was after `fit`

    # --- rows ------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Predict for each row, as the estimator inside does; nothing changes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen, or those of the fit.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            Values, or the likeliest labels.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As the estimator's `predict` does.
        """
        self._now()
        return self.estimator_.predict(X)

    def observe(self, X: Any, y: Any = None) -> Self:
        """Advance over rows, and adapt scores and level by what they came to.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Their values, or labels; NaN, or None for a label, where one is not known:
            by such a row, the state moves on and the level does not. By default none
            is known.

        Returns
        -------
        self : object

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `predict` does, and for y of another length; nothing has moved then.
        """
        self._advance(X, y, self._asked(None))
        return self

    def _advance(self, X: Any, y: Any, coverage: float) -> tuple:
        """Move over rows all or nothing; what they are answered, and thresholds."""
        raise NotImplementedError

    # --- state calls ------------------------------------------------------------------

    def reset_states(self, series: Any = None) -> Self:
        """Forget the rows seen: zero state, and no forecast under way.

        Scores and level are kept: they tell of the estimator, not of the last rows.

        Parameters
        ----------
        series : object, default=None
            Id of one series, or a list of ids; by default all are reset.

        Returns
        -------
        self : object

        Raises
        ------
        sklearn.exceptions.NotFittedError, KeyError
            If it is not fitted, or there is no series of that id.
        """
        moment = self._now()
        online, fed = moment.online, moment.fed
        places, ids = np.arange(len(online.trackers)), None
        if series is not None:
            ids = as_ids(online.ids, series)
            places = match_series(online.ids, ids)
        if fed is not None:
            fed = fed.forgetting(self._copy, ids)
        live = self._live()
        if live is not None:
            live.reset_states(series)
        self._moment = Moment(online.forgetting(places), fed)
        return self

    def reseed_states(self) -> Self:
        """Go back to the state, the scores and the level at the end of `fit`.

        Returns
        -------
        self : object

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        self._now()
        live = self._live()
        if live is not None:
            live.reseed_states()
        self._moment = self._begun
        return self

    def get_states(self) -> ConformalState:
        """State, scores and level as a value, which later calls do not change.

        Returns
        -------
        state : ConformalState

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        moment, live = self._now(), self._live()
        return ConformalState(None if live is None else live.get_states(), moment)

    def set_states(self, state: ConformalState) -> Self:
        """Continue from what `get_states` has returned.

        Series that have joined since are forgotten: if they come again, they start as
        new ones.

        Parameters
        ----------
        state : ConformalState

        Returns
        -------
        self : object

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        TypeError, ValueError
            If `state` is none, or of an estimator of other shapes.
        """
        self._now()
        if not isinstance(state, ConformalState):
            raise TypeError(
                "state must be a ConformalState, as get_states() returns it; got"
                f" {type(state).__name__}."
            )
        given, own = state.moment.online.cells, self._moment.online.cells
        if given.n != own.n or given.coverage != own.coverage:
            raise ValueError(
                f"The state is of {given.n} forecast(s) from each row, at a coverage of"
                f" {given.coverage:g}, but this estimator makes {own.n}, at"
                f" {own.coverage:g}. Pass a state of the same estimator."
            )
        live = self._live()
        if live is not None:
            live.set_states(state.networks)
            forget_joined(self.estimator_, state.networks)
        self._moment = state.moment
        return self

    # --- files ------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator to one file: state, scores and level included.

        The file holds data only, in the safetensors format, as that of the estimators'
        own `save`. The estimator inside must be one of this package: of a pipeline, a
        search or an ensemble, and of estimators of scikit-learn, no such file is made.

        Parameters
        ----------
        path : str or path-like
            Conventionally with the suffix ``.safetensors``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there is nothing to save yet.
        sklstm.persistence.PersistenceError
            If the estimator inside is none of this package, and as its `save` does.
        OSError
            If the file cannot be written.
        """
        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **objects: Any) -> Self:
        """Read an estimator that `save` wrote; it goes on bit for bit.

        Parameters
        ----------
        path : str or path-like
        **objects : dict
            What the file of the estimator inside lacks, by name of its parameter:
            ``model=`` or ``loss=``.

        Returns
        -------
        self : object
            Fitted, in the state in which it was saved.

        Raises
        ------
        sklstm.persistence.PersistenceError
            For a file that is damaged, of a newer version or of another class, or that
            lacks something which is not in `objects`.
        FileNotFoundError, TypeError
            If there is no such file, or for `objects` that the file does not lack.
        """
        return load(cls, path, objects)

    # --- what fit leaves --------------------------------------------------------------

    @property
    def n_features_in_(self) -> int:
        """Number of columns of X, as the estimator inside counts them."""
        return self._inside("n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns of X, if these are strings."""
        return self._inside("feature_names_in_")

    def _inside(self, name: str) -> Any:
        try:
            return getattr(vars(self)["estimator_"], name)
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name} yet") from None

    def __sklearn_is_fitted__(self) -> bool:
        return "_moment" in vars(self)

    # --- moving -----------------------------------------------------------------------

    def _now(self) -> Moment:
        check_is_fitted(self)
        return self._moment

    def _live(self) -> Any:
        """The state calls of the estimator inside; None where it has no state."""
        if isinstance(self.estimator_, BaseStatefulLSTM):
            return self.estimator_
        return stream(self.estimator_) if self._has_networks else None

    def _asked(self, coverage: Any) -> float:
        online = self._now().online
        if coverage is None:
            return online.cells.coverage
        return check_coverage(coverage)

    def _labels(self, X: Any, n_rows: int) -> RowLabels:
        """Whose each row is; without ids, all rows are those of the one series."""
        if self._moment.online.ids is None:
            return RowLabels(None, np.zeros(n_rows, np.int64), None)
        return read_series(self.estimator_, networks_in(self.estimator_), X)
