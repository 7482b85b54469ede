"""`ConformalClassifier`: sets of labels that hold the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils import _safe_indexing, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklstm._checks import check_bool, check_option
from sklstm.intervals._base import BaseConformal
from sklstm.intervals._calibration import (
    as_rows,
    check_enough,
    newest_rows,
    read_pair,
    tracked_cells,
)
from sklstm.intervals._checks import check_coverage, check_share
from sklstm.intervals._label_scores import (
    SCORES,
    is_no_label,
    label_scores,
    scores_of_labels,
)
from sklstm.intervals._moment import Moment
from sklstm.intervals._online import Online
from sklstm.intervals._probabilities import step_probabilities
from sklstm.intervals._scores import OuterErrors
from sklstm.model_selection._folds import rows_between
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell, Target
from sklstm.model_selection._timeline import Timeline, read_series
from sklstm.persistence._checked import Fields, is_count

if TYPE_CHECKING:
    from typing_extensions import Self

ROUNDING = 1e-6  # of probabilities in float32, whose sums are scores


class ConformalClassifier(ClassifierMixin, BaseConformal):
    r"""Sets of labels that hold the true one, adapted row by row.

    The newest rows of `fit` are held out, and told as they would have been live. A set
    holds the labels that were believed in as much as the true one was in all but a
    share of these rows. As rows come in with their labels, scores and level follow, as
    those of `ConformalRegressor` do.

    Parameters
    ----------
    estimator : estimator
        A classifier with ``predict_proba``: a `StatefulLSTMClassifier`, alone or in
        what `sklstm.stream` follows, or one of scikit-learn without state, whose lags
        are columns of X. It is cloned, not changed.
    coverage : float, default=0.9
        Share of the rows whose set is to hold the true label.
    calibration : float, default=0.25
        Share of the newest rows that give the first scores.
    adaptive : bool, default=True
        Whether `observe` and `step` adapt scores and level.
    conformity_score : {"lac", "aps"}, default="lac"
        "lac" aims at small sets, which may be empty; "aps" at a coverage that differs
        less between rows that are hard and easy to tell.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all rows. Its state is after the last row seen.
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of a set.
    n_calibration_ : int
        Scores from the calibration rows, of all series.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if these are strings.

    See Also
    --------
    ConformalRegressor : The same for numbers, with the notes on how the level follows.

    References
    ----------
    .. [1] M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers
       with bounded error levels", JASA 2019.
    .. [2] Y. Romano, M. Sesia and E. Candès, "Classification with valid and adaptive
       coverage", NeurIPS 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklstm.intervals import ConformalClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 1))
    >>> y = np.where(X[:, 0] + rng.normal(size=600) > 0, "up", "down")
    >>> model = ConformalClassifier(LogisticRegression()).fit(X[:400], y[:400])
    >>> model.predict_set([[3.0], [0.0]]).tolist()   # columns "down" and "up"
    [[False, True], [True, True]]
    >>> sets = model.step_set(X[400:], y[400:])
    >>> bool(sets[np.arange(200), (y[400:] == "up").astype(int)].mean() > 0.85)
    True
    """

    def __init__(
        self,
        estimator: Any,
        coverage: float = 0.9,
        calibration: float = 0.25,
        adaptive: bool = True,
        conformity_score: str = "lac",
    ) -> None:
        self.estimator = estimator
        self.coverage = coverage
        self.calibration = calibration
        self.adaptive = adaptive
        self.conformity_score = conformity_score

    def fit(self, X: Any, y: Any) -> Self:
        """Take scores from the newest rows, then fit on all rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order, of one series or of many, as `backtest` takes them.
        y : array-like of shape (n_rows,)
            Their labels.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            For parameters out of range, for a classifier without ``predict_proba``, as
            `backtest` does for X, and if there are fewer scores than the coverage
            takes.
        """
        check_bool("adaptive", self.adaptive)
        check_option("conformity_score", self.conformity_score, SCORES)
        coverage = check_coverage(self.coverage)
        share = check_share("calibration", self.calibration)
        X, y = read_pair(X, y)
        y = column_or_1d(y, warn=True) if np.shape(y)[1:] in ((), (1,)) else y
        check_classification_targets(y)
        places = networks_in(self.estimator)
        timeline = Timeline(read_series(self.estimator, places, X))
        target = Target.read(X, y, timeline, is_labels=True)
        _check_one_label(target)
        train, newest = newest_rows(timeline, share, max(target.steps) - 1)
        check_enough(len(newest), OuterErrors(), coverage, 1, share)
        cells = tracked_cells(OuterErrors(), coverage, target, target.cells(1))
        scores = self._first_scores(X, y, train, newest, timeline)
        n_scores = int(np.isfinite(scores).sum())
        check_enough(n_scores, OuterErrors(), coverage, 1, share)
        online = Online.begin(
            cells, timeline.labels, timeline.codes[newest], scores, n_columns=1
        )
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.n_calibration_ = n_scores
        self._has_networks = bool(places)
        self._moment = self._begun = Moment(online)
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the columns of a set."""
        return self._inside("classes_")

    # --- answers that change nothing --------------------------------------------------

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of each row, as the estimator inside tells them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen, or those of the fit.

        Returns
        -------
        p : ndarray of shape (n_rows, n_classes)

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As the estimator's `predict_proba` does.
        """
        self._now()
        return self.estimator_.predict_proba(X)

    def predict_set(self, X: Any, coverage: float | None = None) -> np.ndarray:
        """The labels that each row may have; neither state nor level changes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        coverage : float, default=None
            By default that of the parameter. For another one the level is moved as far
            from it, in standard deviations, as the adapted level is from the parameter.

        Returns
        -------
        sets : ndarray of bool of shape (n_rows, n_classes)
            Whether each of `classes_` is in the set.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `predict_proba` does, and for a coverage that is none.
        """
        coverage = self._asked(coverage)
        probabilities = self.predict_proba(X)
        unknown = np.full((len(probabilities), 1), np.nan)
        thresholds, _ = self._walked(X, unknown, coverage)
        return self._sets(probabilities, thresholds)

    # --- rows that come in ------------------------------------------------------------

    def step(self, X: Any, y: Any = None) -> np.ndarray:
        """The likeliest label of each row, which is then observed with its label.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,), default=None
            As for `observe`.

        Returns
        -------
        y : ndarray of shape (n_rows,)
            What ``predict(X)`` would have returned.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `observe` does.
        """
        self._now()
        probabilities, _ = self._advance(X, y, self._asked(None))
        return self.classes_[probabilities.argmax(axis=1)]

    def step_set(
        self, X: Any, y: Any = None, coverage: float | None = None
    ) -> np.ndarray:
        """The labels that each row may have; the row is then observed with its label.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,), default=None
            As for `observe`.
        coverage : float, default=None
            As for `predict_set`.

        Returns
        -------
        sets : ndarray of bool of shape (n_rows, n_classes)

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `observe` does, and for a coverage that is none.
        """
        return self._sets(*self._advance(X, y, self._asked(coverage)))

    # --- inside -----------------------------------------------------------------------

    def _first_scores(self, X, y, train, newest, timeline: Timeline) -> np.ndarray:
        """Scores of the newest rows, (n_rows, 1, 1), from a fit on those before."""
        fitted = clone(self.estimator)
        if not hasattr(fitted, "predict_proba"):
            raise TypeError(
                f"{type(fitted).__name__} has no predict_proba, from which the scores"
                " of labels are taken. Pass a classifier that tells probabilities."
            )
        fitted.fit(_safe_indexing(X, train), _safe_indexing(y, train))
        walked = rows_between(train, newest, timeline)
        rows = _safe_indexing(X, walked)
        probabilities = step_probabilities(fitted, rows, bool(networks_in(fitted)))
        labels = np.asarray(y, object)[newest]
        told = probabilities[np.isin(walked, newest)]
        scores = scores_of_labels(self.conformity_score, told, fitted.classes_, labels)
        return scores.reshape(-1, 1, 1)

    def _advance(self, X: Any, y: Any, coverage: float):
        """Probabilities and thresholds; then the rows have been seen."""
        X = as_rows(X)
        labels = _check_labels(y, X.shape[0])
        probabilities = step_probabilities(self.estimator_, X, self._has_networks)
        told = scores_of_labels(
            self.conformity_score, probabilities, self.classes_, labels
        )
        if not self.adaptive:
            told = np.full_like(told, np.nan)
        thresholds, online = self._walked(X, told.reshape(-1, 1), coverage)
        self._moment = Moment(online)
        return probabilities, thresholds

    def _walked(
        self, X: Any, told: np.ndarray, coverage: float
    ) -> tuple[np.ndarray, Online]:
        online = self._moment.online
        made = np.zeros((len(told), 1, 2))  # scores are errors of a forecast of 0
        labels = self._labels(X, len(told))
        return online.walk(labels, made, told, coverage)

    def _sets(self, probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        scores = label_scores(self.conformity_score, probabilities)
        return scores <= thresholds[:, 0] + ROUNDING

    def _facts(self) -> dict[str, Any]:
        """What `fit` has found, as JSON."""
        return {"n_calibration": self.n_calibration_}

    def _set_facts(self, fields: Fields) -> None:
        """Take what `_facts` has told out of a file."""
        self.n_calibration_ = fields.take("n_calibration", is_count)
        self._has_networks, self._copy = True, None

    _cells = (Cell(0, 0, 1),)  # one label, of the step that y is of

    def _n_columns(self) -> int:
        return 1


def _check_one_label(target: Target) -> None:
    if target.values.shape[1] > 1:
        raise ValueError(
            f"y has {target.values.shape[1]} columns, but sets are of one label for"
            " each row. Pass one column, and for several a ConformalClassifier of each."
        )


def _check_labels(y: Any, n_rows: int) -> np.ndarray:
    """Labels of rows as an array of objects; all None where there is no y."""
    labels = np.full(n_rows, None, object)
    if y is None:
        return labels
    values = np.asarray(y, object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) != n_rows:
        raise ValueError(
            f"X has {n_rows} row(s) and y has shape {values.shape}, but y[i] is the"
            " label of row i. Pass y of the same rows, with None where it is not known."
        )
    labels[:] = [None if is_no_label(label) else label for label in values]
    return labels
