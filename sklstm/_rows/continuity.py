"""Do the rows follow? The usual step between rows, and the breaks of it.

Owns how times are counted and compared, and what is said where rows do not follow; not
what this does to the state. NumPy and pandas only.

A label is counted as its *ordinal*, an int64 that grows with time. A break is a row
that is not one usual step after the row before it of its own series. In what follows
`ordinals` is int64 of shape (n,) and `breaks` bool of shape (n,), for the n rows of a
call; `last_seen` is int64 of shape (n_series,), the ordinal of the last row seen of
each series before the call, `NEVER` where there was none.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklstm._later import pd
from sklstm._rows.series import RowLabels

NEVER = np.iinfo(np.int64).min  # the ordinal of "no row was seen"
# Where rows come at random times, nearly all differences differ, and none is usual.
_LEAST_SHARE = 0.1
_WORKDAYS = "1111100"


class ContinuityWarning(UserWarning):
    """Rows do not follow those before them: some are missing, or out of order.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklstm import ContinuityWarning, StatefulLSTMRegressor
    >>> days = pd.date_range("2025-01-01", periods=60)
    >>> X = pd.DataFrame({"wave": np.sin(np.arange(60) / 4)}, days)
    >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], X["wave"][:40])
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     answers = model.predict(X[42:])   # two days are missing
    >>> [warning.category is ContinuityWarning for warning in caught]
    [True]
    """


@dataclass(frozen=True)
class TimeAxis:
    """How times are counted, learnt from the training rows; plain data, as for JSON.

    Parameters
    ----------
    kind : {"datetime", "period", "integer"}
    step : int or None
        The usual step between rows of a series, in what `calendar` counts. None where
        no step is usual: then any later row follows.
    calendar : str or None
        None: `step` counts ordinals. "day of month": months, to the same day or from
        the last to the last. "month": months, whatever the day. Seven digits: days that
        are open, to the same time of the day; "1" is an open weekday, Monday first.
    unit : {"us", "ns"} or None
        What ordinals of dates count since 1970, in UTC.
    tz : str or None
        Time zone of dates. Steps of two hours and more may go by its clock.
    freq : str or None
        Frequency of periods.

    Examples
    --------
    >>> months = pd.date_range("2024-01-01", periods=4, freq="MS")
    >>> axis = TimeAxis.learn(RowLabels(None, np.zeros(4, int), months))
    >>> axis.step, axis.calendar
    (1, 'day of month')
    """

    kind: str
    step: int | None = None
    calendar: str | None = None
    unit: Any = None
    tz: str | None = None
    freq: str | None = None

    @classmethod
    def learn(cls, labels: RowLabels) -> TimeAxis | None:
        """The axis of training rows, with their usual step; None without labels."""
        if labels.time is None:
            return None
        axis = _axis_of(labels.time)
        ordinals = axis.ordinals(labels.time)
        before = _rows_before(ordinals, labels.codes, np.full(labels.n_series, NEVER))
        forward = (before != NEVER) & (ordinals > before)
        if axis.step is not None or not forward.any():
            return axis
        axis = axis._with_step(before[forward], ordinals[forward])
        if axis.follows(before[forward], ordinals[forward]).mean() < _LEAST_SHARE:
            return replace(axis, step=None, calendar=None)
        return axis

    def _with_step(self, before: np.ndarray, after: np.ndarray) -> TimeAxis:
        """The axis with the step, and the calendar, that explain most neighbours."""
        step = _most_frequent(after - before)
        if self.kind != "datetime" or step < self._hours(22):
            return replace(self, step=step)
        # Series of a panel share their dates, so that few pairs of them are different.
        pairs = pd.DataFrame({0: before, 1: after}).value_counts(sort=False)
        before, after = (pairs.index.get_level_values(i).to_numpy() for i in range(2))
        best, most = self, 0.0
        # Of equals the first: a few rows some 30 days apart are likelier to be months.
        for calendar in ("day of month", None, self._week(after), "month"):
            axis = replace(self, calendar=calendar)
            steps = axis._count(after) - axis._count(before)
            axis = replace(axis, step=_most_frequent(steps, pairs.to_numpy()) or 1)
            n_explained = float(axis.follows(before, after) @ pairs.to_numpy())
            if n_explained > most:
                best, most = axis, n_explained
        return best

    def _week(self, ordinals: np.ndarray) -> str:
        """The weekdays that have rows; workdays where some may have none by chance."""
        days = self._wall(ordinals).astype("M8[D]").view(np.int64) + 3  # 0: a Thursday
        if np.ptp(days) <= 21:
            return _WORKDAYS
        return "".join("1" if n else "0" for n in np.bincount(days % 7, minlength=7))

    def ordinals(self, time: pd.Index) -> np.ndarray:
        """Labels of shape (n,) as ordinals, whatever the unit of the index.

        Raises TypeError for labels of another kind than those of the training rows, and
        ValueError where a label is missing.
        """
        fitted, given = _in_words(self), _in_words(_axis_of(time))
        if fitted != given:
            raise TypeError(
                f"The rows of X have {given}, but those of fit had {fitted}, and the"
                " two cannot be compared. Label the rows as in fit, for example with"
                " set_index(), tz_localize() or asfreq()."
            )
        missing = np.flatnonzero(time.isna())
        if len(missing):
            raise ValueError(
                f"{len(missing)} row(s) of X have no time (NaT or NA), first row"
                f" {missing[0]}. Give these rows a time, or drop them."
            )
        labels: Any = time
        if self.kind == "integer":
            return labels.to_numpy().astype(np.int64)
        return (labels.as_unit(self.unit) if self.unit else labels).asi8

    def follows(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Whether each `after` is the step right after its `before`, of shape (n,)."""
        if self.step is None:
            return after > before
        if self.calendar is not None:
            return self._follows_calendar(before, after)
        follows = after - before == self.step
        if self.tz is not None and self.step >= self._hours(2):
            # The same time of the day, after a day of 23 or 25 hours.
            other = np.flatnonzero(~follows)
            elapsed = self._wall(after[other]) - self._wall(before[other])
            follows[other] = elapsed.view(np.int64) == self.step
        return follows

    def _follows_calendar(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        start, end = self._wall(before), self._wall(after)
        if self.calendar == "day of month":
            dates = pd.DatetimeIndex(start)
            same_day = dates + pd.DateOffset(months=self.step or 1) == end
            last_day = dates + pd.offsets.MonthEnd(self.step or 1) == end
            return same_day | (last_day & dates.is_month_end)
        follows = self._count(after) - self._count(before) == self.step
        if self.calendar != "month":
            follows &= (end - start).view(np.int64) % self._hours(24) == 0
            follows &= np.is_busday(end.astype("M8[D]"), str(self.calendar))
        return follows

    def names(self, *ordinals: int) -> list[str]:
        """Labels as a reader knows them, such as "2024-03-01 05:00" or "2024Q1".

        Dates come without a time where each is a midnight and no usual step is shorter.
        """
        if self.kind == "integer":
            return [str(int(ordinal)) for ordinal in ordinals]
        if self.kind == "period":
            return [str(pd.Period(ordinal=int(n), freq=self.freq)) for n in ordinals]
        at = np.array(ordinals, np.int64)
        wall, days = self._wall(at), self._wall(at).astype("M8[D]")
        in_days = self.calendar or (self.step or 0) % self._hours(24) == 0
        if in_days and (wall == days).all():
            return list(map(str, days))
        in_units = (wall.astype(f"M8[{unit}]") for unit in ("m", "s", self.unit))
        rounded = next(dates for dates in in_units if (dates == wall).all())
        text = [str(date).replace("T", " ") for date in rounded]
        if self.tz is None:
            return text
        minutes = (wall - at.view(wall.dtype)).astype("m8[m]").astype(int).tolist()
        zones = [f"{'-+'[m >= 0]}{abs(m) // 60:02}:{abs(m) % 60:02}" for m in minutes]
        return list(map("".join, zip(text, zones, strict=True)))

    def step_name(self) -> str:
        """The usual step in words, such as "7 days" or "00:10:00"."""
        if self.calendar is not None:
            what = "month(s)" if "month" in self.calendar else "open day(s)"
            return f"{self.step} {what}"
        if self.kind != "datetime" or self.step is None:
            return str(self.step or "unknown")
        step = str(pd.Timedelta(self.step, self.unit))
        return step.removeprefix("0 days ").removesuffix(" 00:00:00")

    def n_missing(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """About how many rows are left out between others, of shape (n,); 0 or more."""
        if self.calendar is not None:
            before, after = self._count(before), self._count(after)
        n_steps = (after - before) / (self.step or np.inf)
        return np.maximum(np.rint(n_steps) - 1, 0).astype(np.int64)

    def _count(self, ordinals: np.ndarray) -> np.ndarray:
        """Dates in what `step` counts, by the clock on the wall, of shape (n,)."""
        wall = self._wall(ordinals)
        if self.calendar is None:
            return wall.view(np.int64)
        if "month" in self.calendar:
            return wall.astype("M8[M]").view(np.int64)
        days = wall.astype("M8[D]")
        return np.busday_count("0001-01-01", days, self.calendar)

    def _wall(self, ordinals: np.ndarray) -> np.ndarray:
        """Dates by the clock on the wall, which jumps with summer time: datetime64."""
        dates = ordinals.view(f"M8[{self.unit}]")
        if self.tz is None:
            return dates
        aware = pd.DatetimeIndex(dates, tz="UTC").tz_convert(self.tz)
        return aware.tz_localize(None).to_numpy()

    def _hours(self, n: int) -> int:
        return n * (3_600_000_000 if self.unit == "us" else 3_600_000_000_000)


def check_order(axis: TimeAxis, ordinals: np.ndarray, labels: RowLabels) -> None:
    """Raise ValueError where time stands still or runs backwards within a series."""
    before = _rows_before(ordinals, labels.codes, np.full(labels.n_series, NEVER))
    wrong = (before != NEVER) & (ordinals <= before)
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    code = labels.codes[row]
    is_at, was_at = axis.names(ordinals[row], before[row])
    previous = np.flatnonzero(labels.codes[:row] == code)[-1]
    raise ValueError(
        f"Rows of {labels.series_name(code)} must be in time order, each label once:"
        f" row {row} of X is {is_at}, but row {previous} before it {was_at}, and"
        f" {wrong.sum() - 1} more are out of order. Sort rows that come newest first or"
        " shuffled with sort_index(). Drop duplicates, or tell series apart by"
        " series_id or a MultiIndex. Call reset_index(drop=True) if the index is no"
        " time. Splitters and searches that draw or shuffle rows (ShuffleSplit,"
        " train_test_split with its default shuffle=True,"
        " HalvingGridSearchCV(resource='n_samples')) cannot be used: TimeSeriesSplit,"
        " train_test_split(shuffle=False) and resource='epochs' can."
    )


def find_breaks(
    axis: TimeAxis, ordinals: np.ndarray, codes: np.ndarray, last_seen: np.ndarray
) -> np.ndarray:
    """Breaks: rows that do not follow the row before, or `last_seen` if not `NEVER`."""
    before = _rows_before(ordinals, codes, last_seen)
    unseen = before == NEVER
    return ~(axis.follows(np.where(unseen, ordinals, before), ordinals) | unseen)


def report_breaks(
    axis: TimeAxis,
    breaks: np.ndarray,
    ordinals: np.ndarray,
    labels: RowLabels,
    last_seen: np.ndarray,
    on_gap: str,
    stacklevel: int,
) -> None:
    """Warn of breaks if `on_gap` is "warn", raise ValueError if it is "raise".

    `stacklevel` is as if :func:`warnings.warn` were called in place of this function.
    """
    if on_gap not in ("warn", "raise") or not breaks.any():
        return
    row = int(np.argmax(breaks))
    code = labels.codes[row]
    place = "row" if (labels.codes[:row] == code).any() else "last row seen"
    before = _rows_before(ordinals, labels.codes, last_seen)[breaks]
    n, *others = axis.n_missing(before, ordinals[breaks])
    what = f"about {n} row(s) are missing" if n else "this is another one"
    what = what if ordinals[row] > before[0] else "time does not move forward"
    is_at, was_at = axis.names(ordinals[row], before[0])
    text = (
        f"Rows of {labels.series_name(code)} do not follow one another: row {row} of X"
        f" is labelled {is_at}, and the {place} before it {was_at}. The usual step is"
        f" {axis.step_name()}: {what}. X has {len(others)} other break(s), with"
        f" about {sum(others)} row(s) missing. Fill the gap (observe the rows in"
        " between, or make them with asfreq() and interpolate()), set on_gap='reset'"
        " to begin a new run after each gap, or on_gap='ignore' to take the rows as"
        " they come."
    )
    if on_gap == "raise":
        raise ValueError(text)
    warnings.warn(text, ContinuityWarning, stacklevel=stacklevel + 1)


def check_after(
    axis: TimeAxis, ordinals: np.ndarray, labels: RowLabels, last_seen: np.ndarray
) -> None:
    """Raise ValueError where a series begins no later than the last row seen of it."""
    before = _rows_before(ordinals, labels.codes, np.full(labels.n_series, NEVER))
    early = (before == NEVER) & (ordinals <= last_seen[labels.codes])
    if not early.any():
        return
    row = int(np.argmax(early))
    code = labels.codes[row]
    is_at, was_at = axis.names(ordinals[row], last_seen[code])
    raise ValueError(
        f"Row {row} of X, the first of {labels.series_name(code)}, is labelled"
        f" {is_at}, but rows up to {was_at} were seen, and the state has moved past it"
        f" ({early.sum()} series in all). Pass later rows, go back to the end of"
        " fit with reseed_states(), forget what was seen with reset_states(), or set"
        " on_gap='ignore' to leave labels unread."
    )


def _rows_before(
    ordinals: np.ndarray, codes: np.ndarray, last_seen: np.ndarray
) -> np.ndarray:
    """The ordinal of the row before each one in its own series, of shape (n,)."""
    # NumPy sorts 16-bit integers by counting, far faster than wider ones.
    narrow = codes.astype(np.uint16) if len(last_seen) <= 1 << 16 else codes
    order = np.argsort(narrow, kind="stable")
    before = np.empty_like(ordinals)
    before[order[1:]] = ordinals[order[:-1]]
    first = order[np.diff(codes[order], prepend=-1) > 0]  # (n_series,)
    before[first] = last_seen[codes[first]]
    return before


def _most_frequent(values: np.ndarray, weights: np.ndarray | None = None) -> int:
    """The most frequent value, and the smallest of equally frequent ones."""
    codes, uniques = pd.factorize(values)
    counts = np.bincount(codes, weights)
    return int(uniques[counts == counts.max()].min())


def _axis_of(time: pd.Index | None) -> TimeAxis:
    """The axis that counts such labels, its step unknown unless the index tells it."""
    if isinstance(time, pd.PeriodIndex):
        return TimeAxis("period", freq=time.freqstr)
    if not isinstance(time, pd.DatetimeIndex):
        return TimeAxis("no" if time is None else "integer")
    is_fine = time.unit == "ns" and (time.asi8 % 1000).any()
    axis = TimeAxis("datetime", unit="ns" if is_fine else "us")
    if time.freqstr == "B":
        axis = replace(axis, step=1, calendar=_WORKDAYS)
    return axis if time.tz is None else replace(axis, tz=_zone_name(time.tz))


def _zone_name(tz: Any) -> str:
    """The name of a time zone that pandas can read back; UTC where it has none."""
    name = str(tz).partition("zoneinfo/")[2].rstrip("')") or str(tz)
    try:
        pd.Timestamp(0, tz=name)
    except (KeyError, TypeError, ValueError):
        return "UTC"
    return name


def _in_words(axis: TimeAxis) -> str:
    """What labels must have in common with others to be compared."""
    freq = "" if axis.freq is None else f" of frequency {axis.freq}"
    return f"{axis.kind} labels{freq}{'' if axis.tz is None else ' with a time zone'}"
