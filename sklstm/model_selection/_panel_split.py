"""Splits of a panel in time: every series is cut at the same labels.

Owns the reading of a common time and the choice of labels; which rows belong to which
series, and what labels X carries, is read in ``sklstm._rows.series``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.validation import _num_samples

from sklstm._checks import check_positive_int
from sklstm._rows.series import RowLabels, read_labels


class PanelSplit(BaseCrossValidator):
    """Split many series at once by time: train on earlier rows, test on later ones.

    The analogue of :class:`~sklearn.model_selection.TimeSeriesSplit` for a panel: all
    sizes count time labels, the distinct times in X, instead of rows. With L labels
    ``t[0] < t[1] < …``, K = ``n_splits`` and S = ``test_size``, fold k = 0 … K-1 is::

        a = L - (K - k) · S                         the first test label
        test   rows with a label in t[a : a + S]
        train  rows with a label in t[: a - gap]    the last max_train_size of these

    so that in each fold every training row of every series is earlier than every test
    row of every series. Where each label has one row, in order, these are the folds of
    TimeSeriesSplit.

    Parameters
    ----------
    n_splits : int, default=5
        K, the number of folds; at least 1.
    test_size : int, default=None
        S, the number of labels to test on in each fold. By default
        ``L // (n_splits + 1)``.
    gap : int, default=0
        Number of labels left out between the training and the test rows. Where the
        target lies h labels ahead, h - 1 leaves out the rows whose target would not be
        known yet when the first test row is.
    max_train_size : int, default=None
        Largest number of labels to train on, the newest being kept. By default all.
    series_id : str, int, or list of these, default=None
        Name or position of the columns of X that tell the series apart, as in
        ``StatefulLSTMRegressor(series_id=...)``. The folds follow from the times alone;
        the ids serve to tell whether the index of X can be a time that series share
        (see the Notes).

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : The same for one series.
    sklstm.frame_series : Shift a panel into (X, y).

    Notes
    -----
    The labels are read from the index of X: the last level of a MultiIndex, or an index
    of dates, periods or numbers in which several series share a time. Where X carries
    none, as an array, pass the time of each row as ``groups``, which
    ``GridSearchCV.fit(X, y, groups=...)`` and ``cross_validate(..., groups=...)`` hand
    on. An index that just numbers the rows is no time that series share, and
    ``groups`` is needed there as well, unless ``series_id`` shows that there is a
    single series.

    A label counts once, however many series have it, and a time that no series has does
    not count. Series may begin and end at different times: a series may have rows in
    the test part of a fold and none in its training part, or the reverse.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklstm.model_selection import PanelSplit
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> index = pd.MultiIndex.from_product([["a", "b"], days], names=["shop", "day"])
    >>> X = pd.DataFrame({"sales": range(8)}, index)
    >>> for train, test in PanelSplit(n_splits=2).split(X):
    ...     print(train, test)
    [0 1 4 5] [2 6]
    [0 1 2 4 5 6] [3 7]

    The same for an array, with the time of each row given:

    >>> time = X.index.get_level_values("day")
    >>> train, test = next(PanelSplit(n_splits=2).split(X.to_numpy(), groups=time))
    >>> train, test
    (array([0, 1, 4, 5]), array([2, 6]))
    """

    # With scikit-learn's metadata routing, `groups` is handed on without being asked
    # for, as to its own splitters that take groups.
    __metadata_request__split = {"groups": True}

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_size: int | None = None,
        gap: int = 0,
        max_train_size: int | None = None,
        series_id: Hashable | Sequence[Hashable] | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.gap = gap
        self.max_train_size = max_train_size
        self.series_id = series_id

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions of the training and test rows of each fold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Rows of all series, in any order of series and time.
        y : None
            Ignored; here for compatibility.
        groups : array-like of shape (n_rows,), default=None
            The time of each row, as numbers, dates or periods. Needed where X carries
            no time labels.

        Yields
        ------
        train : ndarray of int of shape (n_train_rows,)
            Positions of the training rows, ascending.
        test : ndarray of int of shape (n_test_rows,)
            Positions of the test rows, ascending.

        Raises
        ------
        TypeError
            If ``n_splits``, ``test_size``, ``gap`` or ``max_train_size`` is not an
            integer, or the times are text or cannot be put in order.
        ValueError
            If one of these is too small, there are too few labels for the folds, X
            carries no time labels that series share and ``groups`` is None, a time is
            missing, or ``groups`` is not one time for each row or contradicts the
            labels of X.
        """
        time = _read_time(X, groups, self.series_id)  # (n_rows,)
        labels, n_labels = _number_labels(time)  # (n_rows,)
        folds = self._label_folds(n_labels)
        return (
            (_rows_between(labels, *train), _rows_between(labels, *test))
            for train, test in folds
        )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds.

        Parameters
        ----------
        X, y, groups : None
            Ignored; here for compatibility.

        Returns
        -------
        int
            ``n_splits``.

        Raises
        ------
        TypeError
            If ``n_splits`` is not an integer.
        ValueError
            If ``n_splits`` is less than 1.
        """
        return check_positive_int("n_splits", self.n_splits)

    def _label_folds(
        self, n_labels: int
    ) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """First and last label (exclusive) of the training and test part of folds."""
        n_splits = self.get_n_splits()
        gap = _check_gap(self.gap)
        size = max(1, n_labels // (n_splits + 1))
        if self.test_size is not None:
            size = check_positive_int("test_size", self.test_size)
        longest = n_labels
        if self.max_train_size is not None:
            longest = check_positive_int("max_train_size", self.max_train_size)
        needed = n_splits * size + gap + 1
        if n_labels < needed:
            raise ValueError(
                f"There are {n_labels} time labels, but n_splits={n_splits} test parts "
                f"of test_size={size}, gap={gap} and one label to train on take "
                f"{needed}. Use fewer splits, a smaller test_size or gap, or pass rows "
                "of more times."
            )
        first_test = n_labels - n_splits * size
        return [
            ((max(0, start - gap - longest), start - gap), (start, start + size))
            for start in range(first_test, n_labels, size)
        ]


def _rows_between(labels: np.ndarray, first: int, end: int) -> np.ndarray:
    """Positions of the rows whose label is number ``first`` … ``end - 1``."""
    return np.flatnonzero((labels >= first) & (labels < end))


def _check_gap(gap: Any) -> int:
    """`gap` as an int of at least 0."""
    text = f"gap must be an integer of at least 0, got {gap!r}"
    if not isinstance(gap, int | np.integer) or isinstance(gap, bool):
        raise TypeError(f"{text} of type {type(gap).__name__}.")
    if gap < 0:
        raise ValueError(f"{text}.")
    return int(gap)


# --------------------------------------------------------------------------------------
# The time of each row
# --------------------------------------------------------------------------------------


def _read_time(X: Any, groups: Any, series_id: Any) -> pd.Index:
    """The time of each row, from the index of X or from ``groups``."""
    labels = read_labels(X, series_id)[1]
    if groups is None:
        return _require_shared_time(labels, X)
    time = _as_time(groups, _num_samples(X))
    own = labels.time
    if own is None or _numbers_rows(own, X):
        return time
    if not np.array_equal(_number_labels(time)[0], _number_labels(own)[0]):
        raise ValueError(
            "groups and the time labels of X put rows in another order: groups begins "
            f"with {list(time[:3])}, the labels of X with {list(own[:3])}. For "
            "PanelSplit, groups is the time of each row (series are told apart by "
            "series_id). Leave groups out, or pass X.reset_index(drop=True)."
        )
    return time


def _require_shared_time(labels: RowLabels, X: Any) -> pd.Index:
    """The time labels of X, if series can share them."""
    mend = (
        "Give X a MultiIndex whose last level is the time, or an index of dates or "
        "periods, or pass the time of each row as groups="
    )
    if labels.time is None:
        raise ValueError(
            f"X, of type {type(X).__name__}, carries no time labels to split by. {mend}"
            " (GridSearchCV.fit and cross_validate hand it on)."
        )
    n_series = None if labels.ids is None else len(labels.ids)
    if _numbers_rows(labels.time, X) and n_series != 1:
        found = "one series" if n_series is None else f"{n_series} series"
        raise ValueError(
            f"The index of X numbers its {len(labels.time)} rows ({found}, and no "
            "number comes twice), so it is no time that series share, and a split by "
            f"it would be one by rows. {mend}. For a single series without labels "
            "there is TimeSeriesSplit."
        )
    return labels.time


def _numbers_rows(time: pd.Index, X: Any) -> bool:
    """Whether the labels are a plain index of integers, each there once."""
    is_plain = getattr(getattr(X, "index", None), "nlevels", 1) == 1
    return is_plain and pd.api.types.is_integer_dtype(time.dtype) and time.is_unique


#: What pandas may find `groups` to be, where its order is that of time.
_KINDS_OF_TIME = {
    "date",
    "datetime",
    "datetime64",
    "decimal",
    "empty",
    "floating",
    "integer",
    "mixed-integer-float",
    "period",
    "timedelta",
    "timedelta64",
}


def _as_time(groups: Any, n_rows: int) -> pd.Index:
    """``groups`` as an index of one time for each row."""
    shape = np.shape(groups)
    if shape != (n_rows,):
        raise ValueError(
            f"groups has shape {shape}, but X has {n_rows} rows: expected the time of "
            f"each row, of shape ({n_rows},)."
        )
    time = pd.Index(groups)
    if pd.api.types.infer_dtype(time, skipna=True) not in _KINDS_OF_TIME:
        raise TypeError(
            f"groups begins with {time[0]!r}, of dtype {time.dtype}: expected the time "
            "of each row, as numbers, dates or periods, whose order is that of time. "
            "pandas.to_datetime makes dates of text; names of series are no times, and "
            "belong in series_id."
        )
    return time


def _number_labels(time: pd.Index) -> tuple[np.ndarray, int]:
    """For each row the number of its label, in order of time, and how many there are.

    The numbers are an array of shape (n_rows,).
    """
    numbers, found = time.factorize(sort=True)
    n_missing = int((numbers < 0).sum())
    if n_missing:
        raise ValueError(
            f"The time is missing (NaN or NaT) in {n_missing} of {len(time)} rows, the "
            f"first of them row {int((numbers < 0).argmax())}: expected one for each "
            "row. Fill it in or leave these rows out."
        )
    return numbers, len(found)
