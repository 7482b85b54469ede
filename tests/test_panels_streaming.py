"""stream on panels: labels and ids on the way to the estimator, and calls by series."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close
from plain import StatefulLSTMRegressor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklstm import ContinuityWarning, stream

SHOPS = ["south", "north", "west"]
N_TRAIN, N_ROWS = 24, 34  # days
DAYS = pd.date_range("2024-01-01", periods=N_ROWS, name="day")


def panel() -> pd.DataFrame:
    """Sales of three shops, far from zero, day by day, with those of the day after."""
    t = np.arange(N_ROWS)[:, None]
    sales = 50 + 10 * np.arange(3) + 5 * np.sin(t / 3 + np.arange(3))  # (n_days, 3)
    index = pd.MultiIndex.from_product([DAYS, SHOPS], names=["day", "shop"])
    frame = pd.DataFrame({"sales": sales.ravel()}, index).swaplevel()
    frame["next"] = frame.groupby("shop", sort=False)["sales"].shift(-1, fill_value=50)
    return frame


DATA = panel()
X, Y = DATA[["sales"]], DATA["next"]
TRAIN = 3 * N_TRAIN
X_TRAIN, Y_TRAIN, X_TEST = X[:TRAIN], Y[:TRAIN], X[TRAIN:]
#: The same rows with their ids in a column, and no time.
COLUMNS = X.reset_index("shop").reset_index(drop=True)[["shop", "sales"]]


def lstm(**options) -> StatefulLSTMRegressor:
    shape = {"units": 4, "sequence_length": 4, "batch_size": 2, "windows": "tiled"}
    return StatefulLSTMRegressor(**{**shape, "epochs": 1, "random_state": 0, **options})


def with_target(model):
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def by_column(**options):
    """Scaled sales, and ids that pass through in a column."""
    columns = make_column_transformer(
        (StandardScaler(), ["sales"]), remainder="passthrough", **options
    )
    series_id = "shop" if "verbose_feature_names_out" in options else "remainder__shop"
    pipeline = make_pipeline(columns, lstm(series_id=series_id))
    return with_target(pipeline.set_output(transform="pandas"))


def by_position():
    """The same in arrays, where the ids come last."""
    columns = make_column_transformer(
        (StandardScaler(), ["sales"]), remainder="passthrough"
    )
    return with_target(make_pipeline(columns, lstm(series_id=1)))


COMPOSITES = {
    "alone": lstm,
    "pipeline": lambda: make_pipeline(StandardScaler(), lstm()).set_output(
        transform="pandas"
    ),
    "target": lambda: with_target(
        make_pipeline(StandardScaler(), lstm()).set_output(transform="pandas")
    ),
    "column": lambda: by_column(verbose_feature_names_out=False),
    "column with a prefix": by_column,
    "position": by_position,
    "column alone": lambda: lstm(series_id="shop"),
}
has_ids_in_columns = ("column", "column with a prefix", "position", "column alone")
each_composite = pytest.mark.parametrize("name", COMPOSITES)


def rows_for(name: str) -> pd.DataFrame:
    """All rows as the composite takes them."""
    return COLUMNS if name in has_ids_in_columns else X


def refitted(name: str):
    return COMPOSITES[name]().fit(rows_for(name)[:TRAIN], Y_TRAIN)


@cache
def _fitted(name: str):
    return refitted(name)


def fit(name: str):
    """A composite fitted once in its state after `fit`, and the rows that follow."""
    stream(_fitted(name)).reseed_states()
    rows = rows_for(name)[TRAIN:]
    return _fitted(name), rows.reset_index(drop=True) if "shop" in rows else rows


# --------------------------------------------------------------------------------------
# Rows on their way
# --------------------------------------------------------------------------------------


@each_composite
def test_stream_step_of_panel_equals_predict_of_composite(name):
    """Piece by piece, which begin and end with any series."""
    fitted, rows = fit(name)
    expected = fitted.predict(rows)
    live = stream(fitted)
    assert_close(live.predict(rows), expected, rtol=1e-6, atol=1e-5)
    stepped = [live.step(rows[a : a + 5]) for a in range(0, len(rows), 5)]
    assert_close(np.concatenate(stepped), expected, rtol=1e-6, atol=1e-5)


@each_composite
def test_stream_of_panel_answers_each_series_as_if_alone(name):
    """The rows of one shop give what they give among those of all."""
    fitted, rows = fit(name)
    is_west = np.arange(len(rows)) % 3 == 2
    expected = fitted.predict(rows)[is_west]
    answer = stream(fitted).step(rows[is_west])
    assert_close(answer, expected, rtol=1e-6, atol=1e-5)


def in_arrays(model):
    """The same fitted pipeline, whose transformers return arrays from now on."""
    return model.set_output(transform="default")


def labelled_by_hand():
    """A pipeline of fitted parts: its estimator knows labels, but no names."""
    scaler = StandardScaler().fit(X_TRAIN)
    inside = pd.DataFrame(scaler.transform(X_TRAIN), X_TRAIN.index)
    return Pipeline([("scale", scaler), ("lstm", lstm().fit(inside, Y_TRAIN))])


@pytest.mark.parametrize("make", ["pipeline", "by hand", "column"])
def test_stream_puts_back_labels_that_transformers_drop(make):
    """Without a word of scikit-learn about names that are lacking or unknown."""
    if make == "column":
        model, rows = refitted("column"), COLUMNS[TRAIN:]
        expected = model.predict(rows)
        in_arrays(model.regressor_)
    else:
        model = labelled_by_hand() if make == "by hand" else refitted("pipeline")
        rows, expected = X_TEST, fit("pipeline")[0].predict(X_TEST)
        in_arrays(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        live = stream(model)
        assert_close(live.predict(rows), expected, rtol=1e-6, atol=1e-5)
        assert_close(live.step(rows), expected, rtol=1e-6, atol=1e-5)
        if make != "column":
            live.reseed_states()
            live.forecast(2, start=X_TEST)
    assert live.transform(rows).index.equals(rows.index)


def test_stream_with_labels_put_back_warns_of_missing_rows():
    model = in_arrays(refitted("pipeline"))
    with pytest.warns(ContinuityWarning, match="about 1 row"):
        stream(model).predict(X_TEST[3:])


def test_stream_with_labels_put_back_replays_the_rows_of_fit():
    model = in_arrays(refitted("pipeline"))
    expected = fit("pipeline")[0].predict(X)
    assert_close(stream(model).predict(X), expected, rtol=1e-6, atol=1e-5)
    with pytest.raises(ValueError, match="were seen"):
        stream(model).predict(X, replay=False)


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.date_range("2024-01-01", periods=len(frame)))


@pytest.mark.parametrize("labels", ["panel", "dates"])
def test_stream_where_labels_were_lost_in_fit_warns_once(labels):
    """For every call the answer is that of the composite, which sees none either."""
    rows = X if labels == "panel" else dated(X)
    model = make_pipeline(StandardScaler(), lstm()).fit(rows[:TRAIN], Y_TRAIN)
    live = stream(model)
    match = r"does not reach the estimator.*set_output\(transform='pandas'\)"
    with pytest.warns(UserWarning, match=match) as caught:
        answer = live.predict(rows[TRAIN:])
        live.step(rows[TRAIN : TRAIN + 3])
        live.observe(rows[TRAIN + 3 :])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert_close(answer, live.reseed_states().step(rows[TRAIN:]), rtol=1e-6, atol=1e-5)


def test_stream_of_rows_without_labels_does_not_warn():
    model = make_pipeline(StandardScaler(), lstm()).fit(X_TRAIN, Y_TRAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream(model).step(X_TEST.reset_index(drop=True))


# --------------------------------------------------------------------------------------
# Forecasts
# --------------------------------------------------------------------------------------

traceable = pytest.mark.parametrize("name", [n for n in COMPOSITES if n != "position"])


def by_single_steps(live, rows: pd.DataFrame, n_steps: int) -> np.ndarray:
    """Each prediction becomes the next row of its series, the labels moving on."""
    made = [live.step(rows)[-3:]]
    while len(made) < n_steps:
        index = rows.index[-3:]
        if isinstance(index, pd.MultiIndex):
            shops, days = index.get_level_values(0), index.get_level_values(1)
            step = pd.Timedelta(days=len(made))
            index = pd.MultiIndex.from_arrays([shops, days + step], names=index.names)
        fed = rows[-3:].set_axis(index).assign(sales=made[-1])
        made.append(live.step(fed))
    return np.array(made).T  # (n_series, n_steps)


@traceable
def test_stream_forecast_of_panel_equals_single_steps(name):
    fitted, rows = fit(name)
    live = stream(fitted)
    before = live.get_states()
    forecast = live.forecast(4, start=rows)
    assert forecast.shape == (3, 4)
    assert live.get_states() is before
    expected = by_single_steps(live, rows, 4)
    assert_close(forecast, expected, rtol=1e-5, atol=1e-4)


@traceable
def test_stream_forecast_of_chosen_series(name):
    """One id gives one row of the answer for all, a list keeps the axis of series."""
    live = stream(fit(name)[0])
    every = live.forecast(3)
    assert_close(live.forecast(3, series="west"), every[2], rtol=1e-5, atol=1e-4)
    two = live.forecast(3, series=["west", "south"])
    assert_close(two, every[[2, 0]], rtol=1e-5, atol=1e-4)
    with pytest.raises(KeyError, match="no series 'east'"):
        live.forecast(3, series="east")


@traceable
def test_stream_forecast_feedback_has_row_for_each_series(name):
    """In the units of the composite, without the ids, as arrays or as frames."""
    live, seen = stream(fit(name)[0]), []

    def feedback(predictions, k):
        seen.append(predictions)
        return predictions[:, np.newaxis]

    def as_frame(predictions, k):
        return pd.DataFrame({"sales": predictions})

    expected = live.forecast(4)
    assert_close(live.forecast(4, feedback=feedback), expected, rtol=0, atol=0)
    assert_close(np.array(seen[1:]).T, expected[:, :3], rtol=0, atol=0)
    assert_close(live.forecast(4, feedback=as_frame), expected, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"rows of shape \(3, 1\), one for each"):
        live.forecast(2, feedback=lambda predictions, k: predictions)


def test_stream_forecast_where_ids_cannot_be_placed_takes_them_from_feedback():
    live = stream(fit("position")[0])

    def feedback(predictions, k, shops=SHOPS):
        return pd.DataFrame({"shop": shops, "sales": predictions})

    expected = stream(fit("column")[0]).forecast(3)
    assert_close(live.forecast(3, feedback=feedback), expected, rtol=1e-5, atol=1e-4)
    with pytest.raises(ValueError, match=r"1 value\(s\), a row has 2 feature"):
        live.forecast(3)
    with pytest.raises(ValueError, match=r"must be those of the series.*this order"):
        live.forecast(3, feedback=lambda p, k: feedback(p, k, SHOPS[::-1]))


# --------------------------------------------------------------------------------------
# States of some series
# --------------------------------------------------------------------------------------


def test_stream_states_of_some_series():
    """They are those of the estimator, whose calls they are."""
    fitted, rows = fit("target")
    live = stream(fitted)
    before = live.get_states()
    live.observe(rows)
    after = live.get_states("north")
    assert list(after.series) == ["north"]
    assert live.reset_states(["north", "west"]) is live
    assert live.get_states().position.tolist() == [N_ROWS, 0, 0]
    assert live.set_states(after) is live
    assert live.get_states().position.tolist() == [N_ROWS, N_ROWS, 0]
    assert live.forget("south") is live
    assert list(live.get_states().series) == ["north", "west"]
    assert live.reseed_states().get_states() is before
    for call in (live.get_states, live.reset_states, live.forget):
        with pytest.raises(KeyError, match="no series 'east'"):
            call("east")


def test_stream_of_new_series_starts_cold():
    fitted, rows = fit("pipeline")
    east = rows.rename({"south": "east"}, level="shop")[::3]
    live = stream(fitted)
    answer = live.step(east)
    assert list(live.get_states().series) == [*SHOPS, "east"]
    live.reset_states("south")
    assert_close(answer, live.step(rows[::3]), rtol=1e-6, atol=1e-5)


def test_stream_step_of_index_aware_transformer_sees_labels():
    """Transformers get the frame as it is given, its index included."""
    seen = []

    def note(frame):
        seen.append(frame.index.names)
        return frame

    model = make_pipeline(FunctionTransformer(note), lstm()).fit(X_TRAIN, Y_TRAIN)
    stream(model).step(X_TEST)
    assert seen == [["shop", "day"]] * 2
