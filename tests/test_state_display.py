"""StateDisplay: the states of one lane over time, drawn as a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close, assert_same_state
from plotting_cases import (
    X_NEW,
    B,
    X,
    Y,
    composite,
    fitted,
    matplotlib,
    shown_ticks,
    stateless,
    texts,
    unfitted,
)

from sklstm.plotting import (
    LanesDisplay,
    StateDisplay,
)

STATES = np.array([[0.1, -0.8], [0.2, -0.4], [0.3, 0.0]])


def test_plot_draws_units_as_rows_times_as_columns():
    display = StateDisplay(STATES, kind="c", layer=1, lane=4).plot()
    np.testing.assert_array_equal(display.image_.get_array(), STATES.T)
    assert display.image_.get_clim() == (-0.8, 0.8)
    assert display.image_.get_cmap().name == "RdBu_r"
    assert display.colorbar_.ax.get_ylabel() == "cell state c"
    assert display.ax_.get_title() == "layer 1, lane 4"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("batch", "unit")
    assert shown_ticks(display.ax_.yaxis) == [0, 1]


def test_plot_colour_limits_are_symmetric():
    assert StateDisplay(STATES * 0).plot().image_.get_clim() == (-1, 1)
    chosen = StateDisplay(STATES).plot(vmin=-2, vmax=2, cmap="PuOr")
    assert chosen.image_.get_clim() == (-2, 2)
    norm = matplotlib.colors.SymLogNorm(0.1, vmin=-1, vmax=1)
    assert StateDisplay(STATES).plot(norm=norm).image_.norm is norm


def test_plot_dates_mark_times_of_states():
    """A column's middle is the time its state was reached."""
    days = pd.date_range("2024-01-31", periods=3)
    display = StateDisplay(STATES, index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert display.ax_.get_xticks()[labels.index("Feb")] == 1
    assert display.ax_.get_xlabel() == ""


def by_single_rows(model, rows, kind, lane) -> tuple[list[int], np.ndarray]:
    """Observe row by row; return those that moved the lane and the state after each."""
    import copy

    walker, moved, states = copy.deepcopy(model), [], []
    before = getattr(walker.get_states(), kind)[0][lane]
    for i in range(len(rows)):
        after = getattr(walker.observe(rows[i : i + 1]).get_states(), kind)[0][lane]
        if not np.array_equal(after, before):
            moved.append(i)
            states.append(after)
        before = after
    return moved, np.array(states)


@pytest.mark.parametrize("lane", range(B))
@pytest.mark.parametrize("kind", ["h", "c"])
@pytest.mark.parametrize("is_cold", [False, True])
def test_from_estimator_states_equal_observe_row_by_row(kind, lane, is_cold):
    """Also after a reset, where the first row moves no lane; nothing else changes."""
    import copy

    model = copy.deepcopy(fitted())
    if is_cold:
        model.reset_states()
    before = model.get_states()
    rows, states = by_single_rows(model, X_NEW, kind, lane)
    display = StateDisplay.from_estimator(model, X_NEW, kind=kind, lane=lane)
    assert_close(display.states, states)
    assert display.index.equals(X_NEW.index[rows])
    assert display.states.shape == (len(rows), 2)
    assert model.get_states() is before


def test_from_estimator_leaves_estimator_unchanged():
    before = fitted().get_states()
    prediction = fitted().predict(X_NEW)
    StateDisplay.from_estimator(fitted(), X_NEW)
    LanesDisplay.from_estimator(fitted(), X_NEW)
    assert_same_state(fitted().get_states(), before)
    np.testing.assert_array_equal(fitted().predict(X_NEW), prediction)


def test_from_estimator_of_composite_reads_inner_states():
    """They are the inner estimator's states, on rows transformed by the pipeline."""
    regressor = composite().best_estimator_.regressor_
    inside = regressor[:-1].transform(X_NEW)
    display = StateDisplay.from_estimator(composite(), X_NEW, lane=1)
    expected = StateDisplay.from_estimator(regressor[-1], inside, lane=1)
    np.testing.assert_array_equal(display.states, expected.states)
    assert expected.index is None
    assert len(display.index) == len(display.states)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "x"}, "kind must be 'h' or 'c', got 'x'"),
        ({"layer": 1}, r"layer must be an integer from 0 to 0.* 1 layer\(s\); got 1"),
        ({"lane": 3}, r"lane must be an integer from 0 to 2.* 3 lane\(s\); got 3"),
        ({"lane": -1}, "got -1"),
        ({"lane": 1.0}, r"got 1\.0"),
    ],
)
def test_from_estimator_bad_kind_layer_or_lane_raises(options, message):
    with pytest.raises(ValueError, match=message):
        StateDisplay.from_estimator(fitted(), X_NEW, **options)


def test_from_estimator_stateless_raises():
    with pytest.raises(ValueError, match=r"keeps no state.*Fit it with stateful=True"):
        StateDisplay.from_estimator(stateless(), X_NEW)


def test_from_estimator_lane_without_row_raises():
    lane = (fitted().get_states().position + 1) % B  # the next row is not for it
    message = rf"Lane {lane} of 3 reads none of the 1 row\(s\) of X. Pass 4 rows"
    with pytest.raises(ValueError, match=message):
        StateDisplay.from_estimator(fitted(), X_NEW[:1], lane=lane)


def gru(meta):
    """Return a model whose layer has a hidden state only."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    rows = keras.Input(batch_shape=shape)
    hidden = keras.layers.GRU(2, stateful=meta["stateful"])(rows)
    return keras.Model(rows, keras.layers.Dense(meta["n_outputs_"])(hidden))


@pytest.mark.thorough
def test_from_estimator_of_gru_has_no_cell_state():
    model = unfitted(model=gru, epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match=r"layer 0 has none.*Use kind='h'"):
        StateDisplay.from_estimator(model, X_NEW, kind="c")
    _, states = by_single_rows(model, X_NEW, "h", lane=0)
    assert_close(StateDisplay.from_estimator(model, X_NEW).states, states)
