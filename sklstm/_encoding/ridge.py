"""Ridge regression on lagged rows: many forms of it from one pass over the rows.

The forms differ in which lags they read and in what they take differences from. Each is
a linear map of the same entries, so that its normal equations follow from sums of
products over the rows, which are summed once. scikit-learn's RidgeCV would go over the
rows again for each form and take a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sklstm._encoding.linear_skip import LagDesign, LinearSkip, side_by_side
from sklstm._encoding.one_thread import one_thread
from sklstm._encoding.output_weights import by_weights
from sklstm._encoding.trail import Trail

ALPHAS = np.logspace(-4, 4, 17)  # strengths of shrinkage, for columns of deviation 1
BLOCK = 2**15  # rows whose products are summed at once


def ridge_skips(
    designs: Sequence[LagDesign],
    trail: Trail,
    target: np.ndarray,
    weights: np.ndarray,
) -> list[LinearSkip]:
    """The ridge regression of each design, its strength chosen for each output.

    It is chosen by generalized cross-validation [1]_.

    Parameters
    ----------
    designs : sequence of LagDesign
    trail : Trail
        The rows to learn from.
    target : ndarray of shape (n_rows, n_outputs)
    weights : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Outputs with weights of their own are learnt one by one.

    References
    ----------
    .. [1] G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method
       for choosing a good ridge parameter", Technometrics 21(2), 1979.
    """
    sets = list(by_weights(weights))
    learnt = [
        _ridge_skips(
            [design.of_outputs(outputs) for design in designs],
            trail,
            target[:, outputs],
            own,
        )
        for outputs, own in sets
    ]
    outputs = [these for these, _ in sets]
    return [side_by_side(skips, outputs) for skips in zip(*learnt, strict=True)]


def _ridge_skips(designs, trail: Trail, target, weights) -> list[LinearSkip]:
    """The same for weights of shape (n_rows,)."""
    by_reach: dict[int, list[LagDesign]] = {}
    for design in designs:
        by_reach.setdefault(design.lags[-1], []).append(design)
    made: dict[int, LinearSkip] = {}
    for reach, group in by_reach.items():
        lags = tuple(sorted({lag for design in group for lag in design.lags}))
        whole = replace(group[0], lags=lags, anchor=None)
        used = _used_rows(trail, weights, reach)
        if not len(used):  # an output of which nothing is told here
            made |= {id(design): design.naive() for design in group}
            continue
        products = Products.over(
            whole, trail.at_rows(used), target[used], weights[used]
        )
        with one_thread():
            for design in group:
                made[id(design)] = products.ridge(design)
    return [made[id(design)] for design in designs]


@dataclass(frozen=True, eq=False)
class Products:
    """Sums over rows of products of entries and targets, each less its mean.

    Parameters
    ----------
    whole : LagDesign
        Of which the entries are.
    n_rows : int
    mean_x, mean_y : ndarray of shape (n_entries,) and (n_outputs,)
    xx, xy : ndarray of shape (n_entries, n_entries) and (n_entries, n_outputs)
    yy : ndarray of shape (n_outputs,)
        Sums of squares.
    """

    whole: LagDesign
    n_rows: int
    mean_x: np.ndarray
    mean_y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    @classmethod
    def over(
        cls, whole: LagDesign, trail: Trail, target: np.ndarray, weights: np.ndarray
    ) -> Products:
        """Sum over rows, in blocks; weights are taken relative to their mean."""
        n = len(target)
        shares = weights / weights.mean()
        n_entries = len(whole.places(whole.lags))
        width = n_entries + target.shape[1]
        sums, products = np.zeros(width), np.zeros((width, width))
        for rows in np.array_split(np.arange(n), -(-n // BLOCK)):
            entries = np.hstack([whole.matrix(trail.at_rows(rows)), target[rows]])
            weighted = entries * shares[rows, np.newaxis]
            sums += weighted.sum(axis=0)
            products += weighted.T @ entries
        mean = sums / n
        products -= n * np.outer(mean, mean)
        x, y = slice(n_entries), slice(n_entries, None)
        squares = np.diag(products)[y]
        return cls(whole, n, mean[x], mean[y], products[x, x], products[x, y], squares)

    def ridge(self, design: LagDesign) -> LinearSkip:
        """The ridge regression of a design."""
        places = self.whole.places(design.lags)
        xx, xy = self.xx[np.ix_(places, places)], self.xy[places]
        anchors, taken = design.anchors(), design.differences()
        left_xy = taken.T @ (xy - xx @ anchors)
        left_yy = (
            self.yy
            - 2 * (anchors * xy).sum(axis=0)
            + (anchors * (xx @ anchors)).sum(axis=0)
        )
        slopes = anchors + taken @ _ridge_slopes(
            taken.T @ xx @ taken, left_xy, left_yy, self.n_rows
        )
        return design.linear_skip(slopes, self.mean_y - self.mean_x[places] @ slopes)


def _ridge_slopes(xx, xy, yy, n_rows: int) -> np.ndarray:
    """Slopes of shape (n_entries, n_outputs), each output at its best strength."""
    deviations = np.sqrt(np.maximum(np.diag(xx), 0) / n_rows)
    deviations = np.where(deviations > 1e-10, deviations, np.inf)  # constant: slope 0
    values, vectors = np.linalg.eigh(xx / np.outer(deviations, deviations))
    values = np.maximum(values, 0)
    b = vectors.T @ (xy / deviations[:, np.newaxis])  # (n_entries, n_outputs)
    shrunk = values[:, np.newaxis] + ALPHAS  # (n_entries, n_alphas)
    freedom = 1 + (values[:, np.newaxis] / shrunk).sum(axis=0)
    fitted = ((values[:, np.newaxis] + 2 * ALPHAS) / shrunk**2).T @ b**2
    squares = np.maximum(yy - fitted, 0)  # of residuals, (n_alphas, n_outputs)
    left = np.maximum(n_rows - freedom, 1e-3 * n_rows)[:, np.newaxis]
    best = np.argmin(squares / left**2, axis=0)
    slopes = vectors @ (b / shrunk[:, best])
    return slopes / deviations[:, np.newaxis]


def _used_rows(trail: Trail, weights: np.ndarray, reach: int) -> np.ndarray:
    """Rows with a weight; only those whose lags lie in their run, if these are many.

    A row that reaches back beyond the beginning of its run reads its first row again.
    """
    used = np.flatnonzero(weights)
    whole = used[trail.n_before[used] >= reach]
    return whole if len(whole) >= len(used) / 2 else used
