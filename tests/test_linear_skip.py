"""The linear maps of an encoder, against scikit-learn and plain linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sklstm._encoding.linear_skip import LagDesign, LinearSkip, lags_within, mixed
from sklstm._encoding.logistic import cross_entropies, logistic_skip
from sklstm._encoding.ridge import ALPHAS, ridge_skips
from sklstm._encoding.trail import Trail

#: Both sides are float64; the routine's normal equations square the condition of the
#: design, here at most 1e3.
EXACT = {"rtol": 1e-8, "atol": 1e-9}
N = 60
rng = np.random.default_rng(0)
ROWS = rng.normal(size=(N, 3)).cumsum(axis=0) * [1.0, 10.0, 0.1]
WEIGHTS = np.where(np.arange(N) % 7 == 3, 0.0, rng.uniform(0.5, 2.0, N))
NOISE = rng.normal(size=(N, 3))


def trail_of(rows: np.ndarray, begins: tuple[int, ...] = ()) -> Trail:
    """Return the rows of one series without any before them."""
    return Trail.of(
        rows,
        np.zeros(len(rows), int),
        np.isin(np.arange(len(rows)), list(begins)),
        np.empty((1, 0, rows.shape[1])),
        np.zeros(1, int),
    )


def entries_by_hand(rows: np.ndarray, design: LagDesign) -> np.ndarray:
    """Columns of the row itself, then lagged ones lag by lag, as differences."""
    at = np.arange(len(rows))
    lagged = {k: rows[np.maximum(at - k, 0)][:, design.lagged] for k in design.lags}
    parts = [rows[:, ~design.lagged]]
    for lag in design.lags:
        if design.anchor is None:
            parts.append(lagged[lag])
        elif lag != design.anchor:
            parts.append(lagged[lag] - lagged[design.anchor])
    return np.hstack(parts)


def anchors_by_hand(rows: np.ndarray, design: LagDesign) -> np.ndarray:
    """What each target is a difference from, of shape (n_rows, n_outputs)."""
    taken = np.zeros((len(rows), len(design.ties)))
    if design.anchor is not None:
        then = rows[np.maximum(np.arange(len(rows)) - design.anchor, 0)]
        tied = design.ties >= 0
        taken[:, tied] = then[:, design.ties[tied]]
    return taken


def ridge_by_hand(Z, t, weights) -> tuple[Ridge, np.ndarray, np.ndarray]:
    """Return scikit-learn's ridge at the strength that the hat matrix chooses.

    With the mean and the deviation of the columns, for one output t.
    """
    w = weights / weights.mean()
    mean = np.average(Z, axis=0, weights=w)
    deviation = np.sqrt(np.average((Z - mean) ** 2, axis=0, weights=w))
    deviation[deviation < 1e-10] = np.inf
    A = np.sqrt(w)[:, np.newaxis] * (Z - mean) / deviation
    b = np.sqrt(w) * (t - np.average(t, weights=w))

    def validated(alpha: float) -> float:
        hat = A @ np.linalg.solve(A.T @ A + alpha * np.eye(A.shape[1]), A.T)
        left = b - hat @ b
        return (left @ left) / (len(b) - 1 - np.trace(hat)) ** 2

    alpha = min(ALPHAS, key=validated)
    model = Ridge(alpha=alpha, solver="cholesky")
    model.fit((Z - mean) / deviation, t, sample_weight=w)
    return model, mean, deviation


LAGGED = {
    "all lagged": [True, True, True],
    "one lagged": [False, True, False],
    "two lagged": [True, False, True],
}
TIES = {
    "tied": [1],
    "tied twice": [1, 1],
    "one free": [-1, 1],
    "free": [-1],
}


def design_of(lagged: str, ties: str, anchor: int | None) -> LagDesign:
    lags = (0, 1, 2, 5)
    is_lagged = np.array(LAGGED[lagged])
    tied = np.array(TIES[ties])
    tied = np.where((tied >= 0) & ~is_lagged[tied], np.flatnonzero(is_lagged)[0], tied)
    return LagDesign(lags, is_lagged, tied, anchor)


def target_of(design: LagDesign) -> np.ndarray:
    """The next value of tied columns and a lagged sum else, with noise."""
    next_rows = np.vstack([ROWS[1:], ROWS[-1:]])
    made = np.empty((N, len(design.ties)))
    for k, tie in enumerate(design.ties):
        mean = next_rows[:, tie] if tie >= 0 else ROWS @ [1.0, 0.1, -3.0] - ROWS[0, 0]
        made[:, k] = mean + 0.5 * NOISE[:, k]
    return made


@pytest.mark.parametrize("weights", [np.ones(N), WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize("anchor", [None, 0, 5])
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("lagged", LAGGED)
def test_ridge_skips_equals_sklearn_at_strength_of_hat_matrix(
    lagged, ties, anchor, weights
):
    """Rows that reach back beyond the beginning are left out, others are forecast."""
    design, trail = design_of(lagged, ties, anchor), trail_of(ROWS)
    target = target_of(design)
    (skip,) = ridge_skips([design], trail, target, weights)
    Z, taken = entries_by_hand(ROWS, design), anchors_by_hand(ROWS, design)
    used = np.flatnonzero((weights > 0) & (np.arange(N) >= 5))
    made = skip.forecast(trail)
    for k in range(target.shape[1]):
        t = (target - taken)[:, k]
        model, mean, deviation = ridge_by_hand(Z[used], t[used], weights[used])
        expected = taken[:, k] + model.predict((Z - mean) / deviation)
        np.testing.assert_allclose(made[:, k], expected, **EXACT)


def test_ridge_skips_of_many_designs_equal_each_alone():
    """Those of one reach share their sums over the rows."""
    designs = [design_of("one lagged", "tied", anchor) for anchor in (None, 0, 5)]
    short = LagDesign((0, 1), designs[0].lagged, designs[0].ties, 1)
    trail, target = trail_of(ROWS), target_of(short)
    together = ridge_skips([*designs, short], trail, target, WEIGHTS)
    for design, skip in zip([*designs, short], together, strict=True):
        (alone,) = ridge_skips([design], trail, target, WEIGHTS)
        assert skip.lags == design.lags
        np.testing.assert_allclose(skip.forecast(trail), alone.forecast(trail), **EXACT)


def test_ridge_skips_few_whole_rows_learn_from_all():
    """Where most rows reach back too far, the first one stands in for those before."""
    design = LagDesign((0, 40), np.ones(3, bool), np.array([-1]), None)
    trail, target = trail_of(ROWS), target_of(design)
    (skip,) = ridge_skips([design], trail, target, np.ones(N))
    Z = entries_by_hand(ROWS, design)
    model, mean, deviation = ridge_by_hand(Z, target[:, 0], np.ones(N))
    expected = model.predict((Z - mean) / deviation)
    np.testing.assert_allclose(skip.forecast(trail)[:, 0], expected, **EXACT)


def test_ridge_skips_constant_column_has_slope_zero():
    rows = np.column_stack([ROWS[:, 0], np.full(N, 7.0)])
    design = LagDesign((0, 1), np.ones(2, bool), np.array([-1]), None)
    (skip,) = ridge_skips([design], trail_of(rows), NOISE[:, :1], np.ones(N))
    assert (skip.weights[:, 1] == 0).all()
    assert np.isfinite(skip.weights).all()


def test_ridge_skips_of_one_row_forecast_its_target():
    design = LagDesign((0, 1), np.ones(3, bool), np.array([-1]), None)
    (skip,) = ridge_skips([design], trail_of(ROWS[:1]), np.array([[4.0]]), np.ones(1))
    np.testing.assert_allclose(skip.forecast(trail_of(ROWS))[:, 0], 4.0)


def test_ridge_skips_in_blocks_equal_all_rows_at_once(monkeypatch):
    design = design_of("two lagged", "tied", 0)
    trail, target = trail_of(ROWS), target_of(design)
    (at_once,) = ridge_skips([design], trail, target, WEIGHTS)
    monkeypatch.setattr("sklstm._encoding.ridge.BLOCK", 7)
    (in_blocks,) = ridge_skips([design], trail, target, WEIGHTS)
    np.testing.assert_allclose(in_blocks.weights, at_once.weights, **EXACT)
    np.testing.assert_allclose(in_blocks.intercept, at_once.intercept, **EXACT)


# --------------------------------------------------------------------------------------
# Designs and maps
# --------------------------------------------------------------------------------------


def test_naive_of_design_is_row_at_the_anchor():
    design = LagDesign((0, 2), np.array([False, True, True]), np.array([2, 1]), 2)
    made = design.naive().forecast(trail_of(ROWS))
    at = np.maximum(np.arange(N) - 2, 0)
    np.testing.assert_array_equal(made, ROWS[at][:, [2, 1]])


def test_forecast_reads_first_row_of_run_where_there_is_none_before():
    skip = LinearSkip((0, 1), np.array([[[1.0]], [[10.0]]]), np.array([100.0]))
    trail = trail_of(np.array([[1.0], [2.0], [3.0], [4.0]]), begins=(2,))
    np.testing.assert_array_equal(skip.forecast(trail)[:, 0], [111, 112, 133, 134])
    before = skip.forecast(trail, before=1)[:, 0]  # made for the row before
    np.testing.assert_array_equal(before, [111, 111, 133, 133])


def test_mixed_forecasts_weighted_sum():
    maps = [
        LinearSkip(lags, rng.normal(size=(len(lags), 3, 2)), rng.normal(size=2))
        for lags in ((0, 1), (0, 3, 7), (2,))
    ]
    shares, trail = [0.5, 0.2, 0.3], trail_of(ROWS)
    made = mixed(maps, shares)
    assert made.lags == (0, 1, 2, 3, 7)
    assert made.reach == 7
    expected = sum(s * m.forecast(trail) for s, m in zip(shares, maps, strict=True))
    np.testing.assert_allclose(made.forecast(trail), expected, **EXACT)


def test_lags_within_keeps_row_itself_and_drops_those_beyond():
    assert lags_within((7, 2, 3), 5) == (0, 2, 3)
    assert lags_within((), 5) == (0,)


# --------------------------------------------------------------------------------------
# Logistic regression
# --------------------------------------------------------------------------------------

DESIGN = LagDesign((0, 1, 3), np.array([True, True, False]), np.array([-1]), None)
SCORES = NOISE[:, 0] + ROWS[:, 1] / 10
HIGH = np.greater(SCORES, np.median(SCORES)).astype(int)


def sklearn_of(classes, weights) -> tuple[LogisticRegression, np.ndarray]:
    """Return scikit-learn's own on the standardised entries, and these."""
    used = weights > 0
    scaler = StandardScaler().fit(entries_by_hand(ROWS, DESIGN)[used])
    Z = scaler.transform(entries_by_hand(ROWS, DESIGN))
    model = LogisticRegression(C=0.1, max_iter=100, tol=1e-3)
    model.fit(Z[used], classes[used], sample_weight=weights[used])
    return model, Z


def skip_of(classes, weights, n_classes: int, n_outputs: int) -> LinearSkip:
    return logistic_skip(
        DESIGN, trail_of(ROWS), classes, weights, n_classes, n_outputs, 0.1
    )


@pytest.mark.parametrize("weights", [np.ones(N), WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_skip_forecasts_decision_function(n_classes, weights):
    edges = np.quantile(SCORES, np.arange(1, n_classes) / n_classes)
    classes = np.digitize(SCORES, edges)
    n_outputs = 1 if n_classes == 2 else n_classes
    made = skip_of(classes, weights, n_classes, n_outputs).forecast(trail_of(ROWS))
    model, Z = sklearn_of(classes, weights)
    expected = model.decision_function(Z).reshape(N, n_outputs)
    np.testing.assert_allclose(made, expected, **EXACT)


def test_logistic_skip_two_classes_with_an_output_each():
    """As a categorical loss wants them."""
    classes = HIGH
    made = skip_of(classes, np.ones(N), 2, 2).forecast(trail_of(ROWS))
    model, Z = sklearn_of(classes, np.ones(N))
    np.testing.assert_allclose(softmax(made, axis=1), model.predict_proba(Z), **EXACT)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_logistic_skip_class_missing_has_score_of_half_a_row(missing):
    """Training rows of a fold may lack a class of the whole."""
    present = np.setdiff1d([0, 1, 2], missing)
    classes = present[HIGH]
    made = skip_of(classes, np.ones(N), 3, 3).forecast(trail_of(ROWS))
    model, Z = sklearn_of(classes, np.ones(N))
    difference = made[:, present[1]] - made[:, present[0]]
    np.testing.assert_allclose(difference, model.decision_function(Z), **EXACT)
    np.testing.assert_allclose(made[:, missing], np.log(0.5 / (N + 1.5)), **EXACT)


def test_logistic_skip_one_class_alone_is_constant():
    classes = np.full(N, 1)
    made = skip_of(classes, np.ones(N), 2, 1).forecast(trail_of(ROWS))
    np.testing.assert_allclose(made, np.log((N + 0.5) / 0.5), **EXACT)


def test_cross_entropies_equal_log_of_probabilities():
    scores, classes = NOISE, np.arange(N) % 3
    expected = -log_softmax(scores, axis=1)[np.arange(N), classes]
    np.testing.assert_allclose(cross_entropies(scores, classes), expected)
    two = np.column_stack([np.zeros(N), NOISE[:, 0]])
    expected = -log_softmax(two, axis=1)[np.arange(N), classes % 2]
    made = cross_entropies(NOISE[:, :1], classes % 2)
    np.testing.assert_allclose(made, expected, rtol=1e-9)
