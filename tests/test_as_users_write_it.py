"""What users of scikit-learn and Keras write first: right answers, or errors that help.

Each test reads like a user's script. What it must give is made independently: by hand,
in NumPy, or by another estimator.
"""

from __future__ import annotations

import copy
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import run
from plain import StatefulLSTMClassifier as PlainClassifier
from plain import StatefulLSTMRegressor as PlainRegressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import (
    StatefulLSTMClassifier,
    StatefulLSTMRegressor,
    frame_series,
    stream,
)
from sklstm._compiled.program_pool import POOL

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
y = X[:, 0]
WINDOWS = RNG.normal(size=(40, 5, 2))


@pytest.fixture(scope="module")
def fitted() -> PlainRegressor:
    return PlainRegressor(2, epochs=1, random_state=0).fit(X, y)


# --------------------------------------------------------------------------------------
# Keras's words
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"epochs": 3}, r"epochs is a parameter .* StatefulLSTMRegressor\(epochs="),
        ({"batch_size": 32}, r"StatefulLSTMRegressor\(batch_size="),
        ({"validation_data": (X, y)}, "Set validation_split="),
        ({"learning_rate": 0.1}, "Set optimizer__learning_rate="),
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"foo": 3}, r"unexpected keyword argument\(s\) 'foo'\.$"),
    ],
)
def test_fit_keyword_of_keras_tells_where_it_goes(fitted, keywords, text):
    for train in (fitted.fit, fitted.partial_fit):
        with pytest.raises(TypeError, match=text):
            train(X, y, **keywords)


def test_predict_keyword_of_keras_tells_to_leave_it_out(fitted):
    with pytest.raises(TypeError, match=r"predict\(\).*'verbose'\. Leave it out"):
        fitted.predict(X, verbose=0)
    with pytest.raises(TypeError, match="answers do not depend on how rows are"):
        fitted.predict(X, batch_size=32)
    with pytest.raises(TypeError, match=r"step\(\).*'verbose'"):
        fitted.step(X, verbose=0)
    with pytest.raises(TypeError, match=r"score\(\).*'verbose'"):
        fitted.score(X, y, verbose=0)
    with pytest.raises(TypeError, match=r"predict_proba\(\).*'verbose'"):
        StatefulLSTMClassifier().predict_proba(X, verbose=0)


OURS = {
    "hidden_dim": "units=",
    "hidden_size": "units=",
    "layers": "units=[32, 32]",
    "num_layers": "units=[32, 32]",
    "lr": "optimizer__learning_rate=",
    "learning_rate": "optimizer__learning_rate=",
    "look_back": "sequence_length=",
    "lookback": "sequence_length=",
    "n_steps": "sequence_length=",
    "window_size": "sequence_length=",
    "seed": "random_state=",
    "build_fn": "model=",
    "patience": "EarlyStopping",
}


@pytest.mark.parametrize(("word", "ours"), OURS.items())
def test_init_word_of_other_packages_names_ours(word, ours):
    text = rf"argument '{word}'\. Set .*{re.escape(ours)}"
    with pytest.raises(TypeError, match=text):
        StatefulLSTMRegressor(**{word: 8})
    with pytest.raises(ValueError, match=text):
        StatefulLSTMClassifier().set_params(**{word: 8})


def test_init_word_like_no_other_guesses_nothing():
    with pytest.raises(TypeError, match=r"argument 'gamma'\. Routed"):
        StatefulLSTMRegressor(gamma=8)
    with pytest.raises(TypeError, match=r"'n_features'\. Leave it out: fit learns it"):
        StatefulLSTMRegressor(n_features=8)


def test_y_of_three_axes_is_told_as_y():
    model, labels = PlainRegressor(2), PlainClassifier(2)
    with pytest.raises(ValueError, match=r"y has shape \(40, 1, 1\).*y.reshape"):
        model.fit(X, np.ones((40, 1, 1)))
    steps = np.ones((40, 5, 1))
    for estimator in (model, labels):
        with pytest.raises(ValueError, match=r"y has shape \(40, 5, 1\).*'tiled'"):
            estimator.fit(WINDOWS, steps)


# --------------------------------------------------------------------------------------
# Missing values, and lists
# --------------------------------------------------------------------------------------


def test_nan_in_X_is_answered_for_a_series():
    holey = pd.DataFrame(X, pd.date_range("2024-01-01", periods=40))
    holey.columns = ["a", "b"]
    holey.iloc[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 row\(s\).*'2024-01-04.*Do not drop rows"):
        StatefulLSTMRegressor().fit(holey, y)
    with pytest.raises(ValueError, match=r"Input X\[1\] contains NaN.*Do not drop"):
        StatefulLSTMRegressor().fit([X, holey], [y, y])


def test_nan_in_y_names_sample_weight():
    holey = np.where(np.arange(40) == 7, np.nan, y)
    with pytest.raises(ValueError, match=r"row 7\. .*sample_weight=0.*missing='ignore"):
        StatefulLSTMRegressor().fit(X, holey)
    with pytest.raises(ValueError, match=r"sample_weight=0.*missing='ignore'"):
        StatefulLSTMClassifier().fit(X, np.where(np.isnan(holey), np.nan, holey > 0))


def test_dates_and_text_in_a_frame_are_answered_by_where_they_go():
    sales = pd.DataFrame({"sales": y, "store": "north", "date": "2024-01-01"})
    text = r"to float: 'north'\. Column 'store' of X holds text.*series_id='store'"
    with pytest.raises(ValueError, match=text):
        StatefulLSTMRegressor().fit(sales[["sales", "store"]], y)
    sales["date"] = pd.to_datetime(sales["date"])
    with pytest.raises(TypeError, match=r"dates .*make them the index.*set_index"):
        StatefulLSTMRegressor().fit(sales[["sales", "date"]], y)


@pytest.mark.parametrize(
    ("class_weight", "error", "text"),
    [
        ([5, 1], TypeError, r"a dict of a weight for each class.*got \[5, 1\]"),
        (
            {0: 5, 1: 1},
            ValueError,
            r"weights of \[0, 1\], but the classes of y are \['",
        ),
    ],
)
def test_class_weight_by_number_tells_that_keys_are_labels(class_weight, error, text):
    labels = np.where(y > 0, "up", "down")
    model = PlainClassifier(2, class_weight=class_weight)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(error, match=text):
            train(X, labels)


def test_lists_without_an_axis_for_features_are_answered():
    parts = [y[:20], y[:30], y[:25]]
    with pytest.raises(ValueError, match=r"lengths \(20, 30, 25.*reshape\(x, \(-1, 1"):
        StatefulLSTMRegressor().fit(parts, parts)
    labels = [np.where(part > 0, "up", "down") for part in parts]
    with pytest.raises(ValueError, match=r"y is a list whose entries differ in length"):
        StatefulLSTMClassifier().fit(np.ones((75, 1)), labels)


# --------------------------------------------------------------------------------------
# Frames of other libraries, which run where they are installed
# --------------------------------------------------------------------------------------


def of_polars(**columns):
    return pytest.importorskip("polars").DataFrame(columns)


def of_arrow(**columns):
    return pytest.importorskip("pyarrow").table(columns)


@pytest.mark.parametrize("frame", [of_polars, of_arrow])
def test_frame_of_another_library_equals_array(frame):
    table, other = frame(a=X[:, 0], b=X[:, 1]), frame(b=X[:, 1], a=X[:, 0])
    model = PlainRegressor(2, epochs=1, random_state=0).fit(table, y)
    expected = PlainRegressor(2, epochs=1, random_state=0).fit(X, y)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(model.predict(table), expected.predict(X))
    with pytest.raises(ValueError, match="same order"):
        model.predict(other)
    fed = model.forecast(3, feedback=lambda p, k: frame(a=[float(p)], b=[0.0]))
    by_hand = expected.forecast(3, feedback=lambda p, k: [p, 0.0])
    np.testing.assert_allclose(fed, by_hand, rtol=1e-6)
    days = pd.date_range("2024-01-01", periods=40).to_numpy()
    with pytest.raises(TypeError, match="X holds dates or durations"):
        model.fit(frame(a=X[:, 0], day=days), y)
    shops = np.repeat(["north", "south"], 20)
    panel = PlainRegressor(2, epochs=1, stateful=False, series_id="shop")
    panel.fit(frame(shop=shops, a=X[:, 0]), y)
    assert panel.series_.tolist() == ["north", "south"]
    later, target = frame_series(table)
    assert list(later.columns) == ["a", "b"]
    np.testing.assert_array_equal(target.to_numpy(), X[1:])


# --------------------------------------------------------------------------------------
# Nothing is lost in silence
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
def test_reset_states_warns_of_rows_that_wait_to_be_trained_on(stateful):
    """31 rows a call never fill a batch of 32; whole batches do, and lose nothing."""
    model = PlainRegressor(2, batch_size=32, stateful=stateful, random_state=0)
    model.partial_fit(X[:31], y[:31])
    with pytest.warns(UserWarning, match=r"31 row\(s\) given to partial_fit.*=32"):
        model.reset_states()
    assert model.n_windows_ == 0
    model.partial_fit(X[:32], y[:32])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.reset_states().observe(X)
    assert model.n_windows_ == 32


def test_step_of_stream_warns_of_rows_that_wait():
    pipe = make_pipeline(StandardScaler(), PlainRegressor(2, batch_size=4, epochs=1))
    pipe.fit(X[:20], y[:20])
    pipe[-1].partial_fit(pipe[0].transform(X[20:22]), y[20:22])
    live = stream(pipe)
    with pytest.warns(UserWarning, match=r"2 row\(s\) given to partial_fit") as seen:
        live.step(X[22:23])
    assert seen[0].filename == __file__
    live.step(X[23:24])


def test_GridSearchCV_of_recordings_of_many_lengths_scores_every_fold():
    """Also the fold whose recordings are longer than those it was fitted on."""
    recordings = [RNG.normal(size=(n, 2)) + n % 2 for n in range(20, 40)]
    is_odd = [n % 2 == 1 for n in range(20, 40)]
    model = StatefulLSTMClassifier(stateful=False, batch_size=8, epochs=1)
    search = GridSearchCV(model, {"units": [2]}, cv=2, error_score="raise")
    scores = search.fit(recordings, is_odd).cv_results_
    assert np.isfinite(scores["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"units": 3}, r"ask for units=3 instead of \(2,\)"),
        ({"stateful": False}, "stateful=False instead of True"),
        ({"windows": "tiled"}, "windows='tiled' instead of 'sliding'"),
        ({"batch_size": 2}, "batch_size=2 instead of 1"),
        ({"dropout": 0.5}, "dropout=0.5 instead of 0.0"),
        ({"loss": "mae"}, "loss that training began with, mean_squared_error, but"),
        ({"loss": "mse"}, None),
    ],
)
def test_partial_fit_changed_parameter_is_not_ignored(fitted, change, text):
    model = copy.deepcopy(fitted).set_params(**change)
    if text is None:
        assert model.partial_fit(X, y).n_windows_ == 2 * 40
        return
    with pytest.raises(ValueError, match=text):
        model.partial_fit(X, y)
    assert same_weights(model, fitted)


def test_warm_start_other_classes_raises_instead_of_permuting():
    labels = np.where(y > 0, "up", "down")
    model = PlainClassifier(2, epochs=1, warm_start=True).fit(X, labels)
    with pytest.raises(ValueError, match=r"classes \['down', 'up'\], but y now holds"):
        model.fit(X, np.where(y > 0, "a", "down"))


def test_warm_start_other_batch_size_goes_on():
    """No weight depends on it: a pass at a rate of 0 leaves them alone."""
    model = PlainRegressor(2, epochs=1, warm_start=True, random_state=0).fit(X, y)
    before = copy.deepcopy(model)
    model.set_params(batch_size=4, optimizer__learning_rate=0.0).fit(X, y)
    assert same_weights(before, model)


def test_save_as_keras_file_warns(fitted, tmp_path):
    with pytest.warns(UserWarning, match=r"x\.keras is written as a safetensors file"):
        fitted.save(tmp_path / "x.keras")
    loaded = PlainRegressor.load(tmp_path / "x.keras")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", pytest.param("float64", marks=pytest.mark.thorough)],
)
def test_global_dtype_policy_leaves_the_built_in_network_alone(policy):
    import keras

    def outputs():
        model = PlainRegressor(3, dropout=0.2, epochs=1, random_state=0).fit(X, y)
        return model.predict(X), model.rebuild(5).predict(X[:5, None], verbose=0)

    plain = outputs()
    keras.config.set_dtype_policy(policy)
    try:
        POOL.clear()  # or the programs made under the usual policy would be used
        under_policy = outputs()
    finally:
        keras.config.set_dtype_policy("float32")
    for ours, theirs in zip(under_policy, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        ("function", "learning rate of the optimizer 'adam' is a function. Pass a"),
        ("excluded", "exclude_from_weight_decay was called .* would be lost"),
    ],
)
def test_setting_of_optimizer_that_would_be_lost_is_refused(optimizer, text):
    import keras

    if optimizer == "function":
        chosen = keras.optimizers.Adam(lambda: 0.01)
    else:
        chosen = keras.optimizers.AdamW(0.01)
        chosen.exclude_from_weight_decay(var_names=["bias"])
    with pytest.raises(ValueError, match=text):
        PlainRegressor(2, optimizer=chosen).fit(X, y)
    model = PlainRegressor(model=build_compiled, model__optimizer=chosen)
    with pytest.raises(ValueError, match=text):
        model.fit(X, y)


def build_compiled(
    meta, own_step=None, loss_weights=None, weighted_metrics=None, optimizer="adam"
):
    import keras

    def never_called(self, data):
        raise AssertionError

    OwnStep = type("OwnStep", (keras.Sequential,), {own_step: never_called})

    shape = meta["batch_size"], meta["sequence_length"], meta["n_features_in_"]
    model = (OwnStep if own_step else keras.Sequential)(
        [
            keras.Input(batch_shape=shape),
            keras.layers.LSTM(2, stateful=meta["stateful"]),
            keras.layers.Dense(1),
        ]
    )
    settings = {"loss_weights": loss_weights, "weighted_metrics": weighted_metrics}
    model.compile(optimizer, "mse", **settings)
    return model


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"model__loss_weights": [2.0]}, "compiled model with loss_weights, which"),
        ({"model__weighted_metrics": ["mae"]}, "model with weighted_metrics, which"),
        ({"model__own_step": "train_step"}, "with the train_step of OwnStep, which"),
        ({"model__own_step": "test_step"}, "with the test_step of OwnStep, which"),
    ],
)
def test_setting_of_compiled_model_that_would_be_lost_is_refused(settings, text):
    with pytest.raises(ValueError, match=text):
        PlainRegressor(model=build_compiled, epochs=1, **settings).fit(X, y)


@pytest.mark.parametrize("name", ["initialize", "scorer", "feature_encoder"])
def test_names_of_scikeras_that_mean_nothing_here_are_absent(fitted, name):
    assert not hasattr(fitted, name)


# --------------------------------------------------------------------------------------
# Learning online behind scalers
# --------------------------------------------------------------------------------------


def same_weights(ours, theirs) -> bool:
    pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_stream_partial_fit_scales_rows_and_targets():
    """As the four lines that one would write by hand."""
    network = PlainRegressor(2, epochs=1, random_state=0)
    pipe = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network), transformer=StandardScaler()
    ).fit(X[:20], 100 + 9 * y[:20])
    by_hand = copy.deepcopy(pipe.regressor_[-1])
    scaled = (X[20:] - X[:20].mean(axis=0)) / X[:20].std(axis=0)
    by_hand.partial_fit(scaled, (y[20:] - y[:20].mean()) / y[:20].std())
    live = stream(pipe).partial_fit(X[20:], 100 + 9 * y[20:])
    for a, b in zip(live.estimator.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_stream_partial_fit_trains_every_network_of_an_ensemble_or_none():
    """A VotingClassifier numbers the labels, which its members have seen as numbers."""
    labels = np.where(y > 0, "up", "down")
    members = [(str(k), PlainClassifier(2, epochs=1, random_state=k)) for k in (0, 1)]
    vote = VotingClassifier(members).fit(X[:20], labels[:20])
    by_hand = copy.deepcopy(vote.estimators_)
    live = stream(vote).partial_fit(X[20:], labels[20:])
    for one, network in zip(by_hand, live.estimators, strict=True):
        one.partial_fit(X[20:], (y[20:] > 0).astype(int))
        assert same_weights(one, network)
    with pytest.raises(ValueError, match="previously unseen labels"):
        live.partial_fit(X, np.where(y > 0, "up", "sideways"))
    assert all(map(same_weights, by_hand, live.estimators))


# --------------------------------------------------------------------------------------
# Processes
# --------------------------------------------------------------------------------------


def test_two_workers_hand_a_series_on_by_its_state():
    """As two processes of a service that keep states as bytes, one for each sensor."""
    hours = pd.date_range("2024-01-01", periods=40, freq="h", name="hour")
    index = pd.MultiIndex.from_product([["a", "b"], hours], names=["sensor", "hour"])
    rows = pd.DataFrame({"v": np.r_[y, 5 + y]}, index)
    is_old = index.get_level_values("hour") < hours[30]
    model = StatefulLSTMRegressor(2, windows="tiled", epochs=1, random_state=0)
    model.fit(rows[is_old], rows["v"][is_old])
    workers = [copy.deepcopy(model), copy.deepcopy(model)]
    kept = {k: pickle.dumps(model.get_states(series=k)) for k in "ab"}
    answers = []
    for number, row in enumerate(np.flatnonzero(~is_old)):
        worker, sensor = workers[number % 2], index[row][0]
        worker.set_states(pickle.loads(kept[sensor]))
        answers.append(worker.step(rows.iloc[[row]])[0])
        kept[sensor] = pickle.dumps(worker.get_states(series=sensor))
    np.testing.assert_allclose(answers, model.predict(rows[~is_old]), rtol=1e-5)


SERVICE = """
import multiprocessing, os, sys, tempfile
from concurrent.futures import ProcessPoolExecutor
sys.stderr = None  # as in a service, and nowhere to write to
def no_folder(*args, **options):
    raise FileNotFoundError("No usable temporary directory found")
tempfile.TemporaryFile = no_folder

import numpy as np
from sklstm import StatefulLSTMRegressor
import tensorflow as tf

X = np.sin(np.arange(40.0) / 4)[:, np.newaxis]

def fit(seed):
    model = StatefulLSTMRegressor(2, epochs=1, random_state=seed).fit(X[:-1], X[1:, 0])
    return model.predict(X)[:3].tolist()

if hasattr(os, "fork"):  # the parent has not started devices yet, so this cannot hang
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, mp_context=fork) as pool:
        forked = pool.submit(fit, 0).result(timeout=60)
tf.config.threading.set_intra_op_parallelism_threads(1)  # after the import
assert np.allclose(fit(0), forked if hasattr(os, "fork") else fit(0), rtol=1e-5)
print("done")
"""


@pytest.mark.thorough
def test_service_without_stderr_forks_and_sets_threads():
    """The child's answers are those of the parent, which may yet choose its threads."""
    done = run(SERVICE)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
