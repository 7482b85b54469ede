"""Periods of a series, and which rows before a row a linear forecast should read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.signal import argrelmax

MOST_ROWS = 2**16  # of a series that are looked at, the newest
MOST_SERIES = 32  # of a panel, the longest
RECENT = 24  # lags next to the row itself
# Lags around that of the row whole periods before the target; the changes of the rows
# around that one take two more to each side.
AROUND = (-2, -1, 0, 1, 2, 3)
LEAST_ROWS = 12
MOST = 4  # periods that are found
LEAST_REPEATED = 8  # times that a longer period fits into a series
# How much more a series resembles itself whole periods later than halves of periods.
LEAST_OF_CHANGES, LEAST_OF_LEVELS = 0.25, 0.5
ALIKE = 0.6  # of the greatest resemblance, which the smallest such lag has
LONGER, MUCH_LONGER = 0.01, 0.2  # more correlation at a multiple of a period


def find_periods(columns: list[np.ndarray]) -> tuple[int, ...]:
    """Periods that the series have in common, the shortest first; at most `MOST`.

    A period is a lag such that a series resembles itself one, two and three of it
    later, and less so in between. The changes of the series are compared, in which a
    trend is constant, or, if these show nothing, the series less a parabola. A multiple
    of a period may be one as well if the series resembles itself more there than at the
    multiples around it, as a week of hours does where weekends differ.

    Parameters
    ----------
    columns : list of ndarray of shape (n_rows,)
        One column of each series, in time order.
    """
    columns = [column[-MOST_ROWS:] for column in columns]
    longest = sorted(columns, key=len, reverse=True)[:MOST_SERIES]
    longest = [c for c in longest if len(c) >= max(len(longest[0]) / 2, LEAST_ROWS)]
    if not longest:
        return ()
    for prepared, least in (
        (np.diff, LEAST_OF_CHANGES),
        (_less_trend, LEAST_OF_LEVELS),
    ):
        correlation = _mean_correlation([prepared(column) for column in longest])
        chance = 2 / np.sqrt(max(map(len, longest)))
        found = _periods_in(correlation, max(least, 2 * chance), chance)
        if found:
            return found
    return ()


def _periods_in(
    correlation: np.ndarray, least: float, chance: float
) -> tuple[int, ...]:
    """Periods that a correlation at each lag tells.

    The correlation at a period is more than chance alone makes it: noise, of which the
    changes are opposed to each other one row later, does not resemble itself two rows
    later for that.
    """
    scores = _resemblance(correlation)
    peaks = argrelmax(np.append(scores, -np.inf), order=1, mode="clip")[0]
    peaks = peaks[(peaks > 1) & (correlation[peaks] >= chance)]
    peaks = peaks[scores[peaks] >= least]
    if not len(peaks):
        return ()
    first = int(peaks[np.argmax(scores[peaks] >= ALIKE * scores[peaks].max())])
    longest = min(len(correlation) - first, 3 * len(correlation) // LEAST_REPEATED)
    multiples = np.arange(2 * first, longest, first)
    around = np.maximum(correlation[multiples - first], correlation[multiples + first])
    more = correlation[multiples] - np.maximum(around, correlation[first])
    longer = multiples[more > LONGER]
    if not len(longer):
        return (first,)
    heights = correlation[longer]
    if heights.max() > correlation[first] + MUCH_LONGER:
        return (int(longer[np.argmax(heights > heights.max() - LONGER)]),)
    # The shortest of those that are higher than all shorter ones, and the highest.
    records = longer[heights >= np.maximum.accumulate(heights)]
    return (first, *map(int, dict.fromkeys([*records[: MOST - 2], records[-1]])))


def _resemblance(correlation: np.ndarray) -> np.ndarray:
    """For each lag the correlation after whole times of it less that after halves.

    The mean over three times of it, or over fewer with so much less weight as a mean
    over fewer errs more.
    """
    lags = np.arange(len(correlation))
    whole, halves = np.zeros(len(lags)), np.zeros(len(lags))
    count = np.zeros(len(lags))
    for k in (1, 2, 3):
        inside = k * lags < len(lags)
        whole[inside] += correlation[k * lags[inside]]
        halves[inside] += correlation[((2 * k - 1) * lags[inside] + 1) // 2]
        count += inside
    return (whole - halves) / np.sqrt(3 * count)


def _mean_correlation(columns: list[np.ndarray]) -> np.ndarray:
    """The mean of the autocorrelations of columns that are not constant."""
    found = [c for c in map(autocorrelation, columns) if np.isfinite(c).all()]
    if not found:
        return np.zeros(1)
    n_lags = min(map(len, found))
    return np.mean([c[:n_lags] for c in found], axis=0)


def autocorrelation(values: np.ndarray) -> np.ndarray:
    """Correlation of values with themselves at each lag up to a third of their number.

    NaN for a constant.
    """
    n = len(values)
    values = values - values.mean()
    spectrum = np.abs(np.fft.rfft(values, 2 * n)) ** 2
    products = np.fft.irfft(spectrum, 2 * n)[: n // 3 + 2]
    if products[0] <= 1e-20 * n:
        return np.full(len(products), np.nan)
    return products / (n - np.arange(len(products))) * (n / products[0])


def _less_trend(column: np.ndarray) -> np.ndarray:
    """A column less the parabola through it."""
    time = np.linspace(-1, 1, len(column))
    return column - np.polyval(np.polyfit(time, column, 2), time)


def lags_for(
    n_rows: int,
    periods: tuple[int, ...],
    most_recent: int = RECENT,
    ahead: Iterable[int] = (1,),
) -> tuple[int, ...]:
    """Steps back to the rows that linear forecasts of some rows ahead read.

    These are the newest rows, and those around the newest one whole periods before each
    row ahead.

    Parameters
    ----------
    n_rows : int
        Rows of the longest series that are trained on.
    periods : tuple of int
    most_recent : int
        How many of the newest rows, the row itself apart.
    ahead : iterable of int
        How many steps ahead the rows are that are forecast.
    """
    recent = range(min(most_recent, max(n_rows // 6, 1)) + 1)
    seasonal = [lag_of(m, h) + k for m in periods for h in ahead for k in AROUND]
    return tuple(
        sorted({*recent, *(lag for lag in seasonal if 0 < lag <= n_rows // 3)})
    )


def lag_of(period: int, ahead: int) -> int:
    """Steps back to the newest row that lies whole periods before a row ahead."""
    return -ahead % period
