"""Scales: the mean and the standard deviation of each column, for each series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_ROWS = 8  # a series with fewer has the deviation of all series within themselves


@dataclass(frozen=True, eq=False)
class Scale:
    """An affine map of each column for each series.

    The last entry serves the series that were not there when the scale was learnt, so
    that it is found by the code -1.

    Parameters
    ----------
    mean, deviation : ndarray of float64 of shape (n_series + 1, n_columns)
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def learn(
        cls, values: np.ndarray, codes: np.ndarray, n_series: int, is_pooled: bool
    ) -> Scale:
        """The scale of columns over the rows of each series.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        codes : ndarray of int of shape (n_rows,)
            The series of each row.
        n_series : int
        is_pooled : bool
            Whether all series have one scale.
        """
        values = np.asarray(values, np.float64)
        overall = values.mean(axis=0)
        pooled = _not_zero(values.std(axis=0), overall)
        if is_pooled:
            return cls(overall[np.newaxis], pooled[np.newaxis])
        counts = np.bincount(codes, minlength=n_series)[:, np.newaxis]

        def means(values):
            sums = [np.bincount(codes, column, n_series) for column in values.T]
            return np.stack(sums, axis=1) / np.maximum(counts, 1)

        mean = means(values)
        mean += means(values - mean[codes])  # less what rounding took from long sums
        mean = np.where(counts > 0, mean, overall)
        left = values - mean[codes]
        own = np.sqrt(means(left**2))
        within = _not_zero(np.sqrt((left**2).mean(axis=0)), overall)
        deviation = np.where(counts < LEAST_ROWS, within, own)
        deviation = np.where(_is_zero(deviation, mean), within, deviation)
        return cls(np.vstack([mean, overall]), np.vstack([deviation, pooled]))

    def scaled(self, values: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Values of rows in deviations from the mean of the `series` of each row."""
        return (values - self.mean[series]) / self.deviation[series]

    def restored(self, values: np.ndarray, series: np.ndarray) -> np.ndarray:
        """The inverse of `scaled`."""
        return values * self.deviation[series] + self.mean[series]

    def repeated(self, n: int) -> Scale:
        """The first entry, `n` times."""
        first = self.mean[:1], self.deviation[:1]
        return Scale(*(np.repeat(part, n, axis=0) for part in first))


def _is_zero(deviation: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Whether deviations are nothing but rounding errors."""
    return deviation <= 1e-12 * np.abs(mean)


def _not_zero(deviation: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Deviations with one in place of zero: a constant column becomes zeros."""
    return np.where(_is_zero(deviation, mean), 1.0, deviation)
