# %% [markdown]
# # One retailer, seven weekdays: the batch size as the period
#
# Two years of daily orders at an online shop. Lessons on stateful LSTMs hand down two
# recipes for the batch size: make it the period of the series, so that each lane of the
# batch follows one weekday, or make it 1, so that one state runs through every sample.
# Which of them does better, whether either beats a stateless network, and what the
# state is worth, one has to try to know. Here it is tried.

# %%
import argparse
import os
import time
import warnings
from pathlib import Path

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import ContinuityWarning, StatefulLSTMRegressor, stream
from sklstm.datasets import (
    load_bike_rentals,
    load_online_retail,
    load_shampoo_sales,
)
from sklstm.model_selection import compare_states
from sklstm.plotting import ForecastDisplay, LanesDisplay

parser = argparse.ArgumentParser(description="Batch size, context and state.")
parser.add_argument(
    "--quick",
    action="store_true",
    default=bool(os.environ.get("QUICK")),
    help="one seed, smaller grids; also where the environment has QUICK set",
)
parser.add_argument("--output", default=".", help="folder for the pictures")
# A notebook's own arguments are not ours: leave them alone.
options, _ = parser.parse_known_args()
seeds = range(1 if options.quick else 5)
pictures = Path(options.output)
started = time.perf_counter()

# %% [markdown]
# Row i of `X` is what the shop knows in the evening: the orders of the day, and the
# calendar of the next one. `y[i]` is the orders of that next day, and both are named
# after it here. The last day of the source ends at noon and is left out. Eight weeks
# before Christmas are held out.

# %%
X, y = load_online_retail(return_X_y=True)
X, y = X.drop(columns="revenue")[:-1], y[:-1].rename("orders")
X.index = y.index = X.index + pd.Timedelta(days=1)
n_test = 8 * 7
X_train, X_test, y_train, y_test = X[:-n_test], X[-n_test:], y[:-n_test], y[-n_test:]
for part, days in [("train", y_train.index), ("test", y_test.index)]:
    print(f"{part}: {len(days)} days, {days[0]:%a %d %b %Y} to {days[-1]:%a %d %b %Y}")


def forecaster(**parameters):
    """Scaled inputs, scaled target, and an LSTM in between, which sees the dates."""
    settings = {
        "windows": "sliding",
        "epochs": 20,
        "optimizer__learning_rate": 0.003,
        "random_state": 0,
    }
    lstm = StatefulLSTMRegressor(16, **{**settings, **parameters})
    pipeline = Pipeline([("scale", StandardScaler()), ("lstm", lstm)])
    return TransformedTargetRegressor(
        regressor=pipeline.set_output(transform="pandas"),
        transformer=StandardScaler(),
    )


def fit_seeds(model, X, y):
    """One fitted model for each seed."""
    return [
        clone(model).set_params(regressor__lstm__random_state=seed).fit(X, y)
        for seed in seeds
    ]


def mean_error(truth, forecast):
    """Mean absolute error."""
    return float(np.abs(np.asarray(truth) - np.asarray(forecast)).mean())


def show(errors):
    """Mean and standard deviation over the seeds, as text."""
    text = f"{np.mean(errors):.1f}"
    return text if len(errors) < 2 else f"{text} ± {np.std(errors, ddof=1):.1f}"


def compare(one, errors, other, others):
    """Whether one of two is better by more than two standard errors, in words."""
    gap = np.mean(others) - np.mean(errors)
    if len(seeds) < 2:
        return f"{one} and {other} differ by {abs(gap):.1f}, in a single fit of each"
    noise = np.sqrt((np.var(errors, ddof=1) + np.var(others, ddof=1)) / len(seeds))
    if abs(gap) > 2 * noise:
        better, worse = (one, other) if gap > 0 else (other, one)
        return f"{better} is better than {worse} by {abs(gap):.1f} ± {noise:.1f}"
    return f"{one} and {other} cannot be told apart, {abs(gap):.1f} ± {noise:.1f}"


# %% [markdown]
# ## Seven lanes: each is a weekday
#
# Windows of seven days move on by one day at a time. With `batch_size=7` the windows
# that forecast a Monday all go to one lane, those that forecast a Tuesday to the next,
# and each lane carries a state of its own from week to week. `lane_table` says so.

# %%
settings = {
    "seven lanes": {"batch_size": 7, "sequence_length": 7},
    "one lane": {"batch_size": 1, "sequence_length": 7},
    "stateless": {"stateful": False, "batch_size": 7, "sequence_length": 7},
}
models = {
    name: fit_seeds(forecaster(**parameters), X_train, y_train)
    for name, parameters in settings.items()
}
weekly = models["seven lanes"][0]
live = stream(weekly)  # its state calls, in orders a day
lanes = live.estimator.lane_table(live.transform(X_train))  # (n_batches, 7)
print(f"\n{len(lanes)} batches. The days that each lane forecasts:")
for lane, rows in enumerate(lanes.T):
    days = y_train.index[rows]
    weekdays = " and ".join(days.day_name().unique())
    some = ", ".join(days[:3].strftime("%d %b %Y"))
    print(f"lane {lane}: {weekdays}: {some}, ..., {days[-1]:%d %b %Y}")

figure, axes = plt.subplots(figsize=(11, 3), layout="constrained")
LanesDisplay.from_estimator(weekly, X_train, y_train, ax=axes)
axes.set_title("What each lane was trained on: the orders of one weekday")
figure.savefig(pictures / "retailer_lanes.png", dpi=120)

# %% [markdown]
# ## One day from a model with seven lanes
#
# A Keras model that was built with a batch size of 7 takes seven windows or none. The
# usual way round is a second model at batch size 1 with the weights copied: it starts
# from zero state, and `rebuild(1)` makes just that model. The estimator needs none:
# `step` takes the one day there is, answers from the lane of its weekday, and leaves
# the other six as they are. The two answers differ by what the state says; whether it
# is right, the last section but one asks.

# %%
copied = live.estimator.rebuild(1)
scaled = np.asarray(live.transform(X), np.float32)


def answer_from_zero(i):
    """What the copied model says of the window that ends at row i."""
    for layer in copied.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    output = np.asarray(copied(scaled[np.newaxis, i - 6 : i + 1]))  # (1, 1)
    return weekly.transformer_.inverse_transform(output).item()


answers = []
for i in range(len(X_train), len(X)):
    lane = live.get_states().position % 7
    answers.append([lane, y.iloc[i], *live.step(X.iloc[[i]]), answer_from_zero(i)])
live.reseed_states()  # back to the end of the training rows
columns = ["lane", "truth", "its lane's state", "copied, zero state"]
by_day = pd.DataFrame(answers, y_test.index, columns)
print("\nOne day at a time, the first week")
print(by_day.head(7).round(1).to_string())
print("Mean absolute error over the eight weeks, orders a day")
for name in columns[2:]:
    print(f"  {name}: {mean_error(by_day['truth'], by_day[name]):.1f}")

# %% [markdown]
# ## One lane, and none
#
# With `batch_size=1` one state runs through every day; without state each window is on
# its own. All three read windows of seven days. The figures are those of several fits
# that differ in their random start alone: differences smaller than their spread say
# nothing.

# %%
print(f"\nMean absolute error on the held-out weeks, {len(seeds)} seed(s)")
for name, fitted in models.items():
    errors = [mean_error(y_test, model.predict(X_test)) for model in fitted]
    print(f"  {name}: {show(errors)}")

# %% [markdown]
# ## One has to try to know
#
# A grid search over `stateful`, `batch_size` and `sequence_length` on three series: the
# shop, 36 months of shampoo sales, and a hundred days of hourly bike rentals with a
# strong period. On each, the best stateful and the best stateless candidate are fitted
# anew on all training rows with several seeds, and tested on rows that the search has
# not seen, beside two baselines: as last time, and as one period ago.

# %%
hours, rentals = load_bike_rentals(return_X_y=True)
months, sales = load_shampoo_sales(return_X_y=True)
short = options.quick
studies = {
    "shop, days": {
        "data": (X, y),
        "period": 7,
        "folds": TimeSeriesSplit(3, test_size=n_test),
        "n_test": n_test,
        "batch_size": [7] if short else [1, 7],
        "sequence_length": [7] if short else [1, 7],
        "training": {"epochs": 20},
    },
    "shampoo, months": {
        "data": (months, sales),
        "period": 12,
        "folds": TimeSeriesSplit(3, test_size=4),
        "n_test": 7,
        "batch_size": [4] if short else [1, 4],
        "sequence_length": [4] if short else [1, 4],
        "training": {"epochs": 60},
    },
    "bikes, hours": {
        "data": (hours[3000:5400], rentals[3000:5400]),
        "period": 24,
        "folds": TimeSeriesSplit(2, test_size=14 * 24),
        "n_test": 14 * 24,
        "batch_size": [24] if short else [1, 24],
        "sequence_length": [6] if short else [1, 6],
        "training": {"epochs": 10, "optimizer__learning_rate": 0.01},
    },
}


def search(study, X, y):
    """The grid's results, best first, one row for each candidate."""
    grid = {
        "regressor__lstm__stateful": [True, False],
        "regressor__lstm__batch_size": study["batch_size"],
        "regressor__lstm__sequence_length": study["sequence_length"],
    }
    found = GridSearchCV(
        forecaster(**study["training"]),
        grid,
        cv=study["folds"],
        scoring="neg_mean_absolute_error",
        refit=False,
    ).fit(X, y)
    results = pd.DataFrame(found.cv_results_["params"])
    results.columns = [name.rpartition("__")[2] for name in results]
    results["validation error"] = -found.cv_results_["mean_test_score"]
    return results.sort_values("validation error", ignore_index=True)


def name_of(candidate):
    """A candidate in short."""
    kind = "stateful" if candidate["stateful"] else "stateless"
    return f"{kind} B {candidate['batch_size']} T {candidate['sequence_length']}"


tests, remarks = {}, []
for title, study in studies.items():
    (rows, target), n = study["data"], study["n_test"]
    results = search(study, rows[:-n], target[:-n])
    print(f"\n{title}: validation error, {len(results)} candidates")
    print(results.round(1).to_string(index=False))
    truth, errors = target[-n:], {}
    for kind in (True, False):
        best = results[results["stateful"] == kind].iloc[0]
        parameters = {name: best[name] for name in results.columns[:3]}
        model = forecaster(**study["training"], **parameters)
        fitted = fit_seeds(model, rows[:-n], target[:-n])
        forecasts = [model.predict(rows[-n:]) for model in fitted]
        errors[name_of(best)] = [mean_error(truth, forecast) for forecast in forecasts]
    for name, lag in [("as last time", 1), ("as a period ago", study["period"])]:
        errors[name] = [mean_error(truth, target.shift(lag)[-n:])]
    tests[title] = errors

    (stateful, with_state), (stateless, without), *baselines = errors.items()
    said = compare(stateful, with_state, stateless, without)
    if stateful.partition(" ")[2] != stateless.partition(" ")[2]:
        said += ", but they differ in more than the state"
    better = min(np.mean(with_state), np.mean(without))
    baseline, (naive,) = min(baselines, key=lambda item: item[1])
    beaten = "beats" if better < naive else "does not beat"
    remarks.append(f'{title}: {said}; the better one {beaten} "{baseline}".')

# %%
print(f"\nTest error, mean absolute, {len(seeds)} seed(s)")
for title, errors in tests.items():
    print(title)
    for name, values in errors.items():
        print(f"  {name:24s}{show(values):>14s}")
print("\nWhat these figures say, and no more:")
print("\n".join(remarks))

# %% [markdown]
# ## What seeding is worth
#
# The state has to be right for the day after the training rows. Three ways to get to
# the held-out weeks with the same weights: with no state at all; with the state after
# all but the newest three days, which is what is left where the newest windows are
# dropped to fill whole batches; and with the state after all days, as `fit` leaves it.
# After a wrong start the windows reach back into the wrong days at first, and with
# seven lanes each weekday goes to the lane of another. The estimator sees by the dates
# that three days are missing, and would warn of it.

# %%
n_left_over = (len(X_train) - 6) % 7
starts = {
    "no state": lambda live: live.reset_states(),
    f"newest {n_left_over} days dropped": lambda live: live.reset_states().observe(
        X_train[:-n_left_over]
    ),
    "seeded": lambda live: live.reseed_states(),
}
worth = {}
for name in ("seven lanes", "one lane"):
    for start, prepare in starts.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ContinuityWarning)
            forecasts = [
                prepare(stream(model)).predict(X_test) for model in models[name]
            ]
        worth[name, start] = {
            "first week": [mean_error(y_test[:7], f[:7]) for f in forecasts],
            "eight weeks": [mean_error(y_test, f) for f in forecasts],
        }
    for model in models[name]:
        stream(model).reseed_states()
worth = pd.DataFrame(worth).T
print("\nMean absolute error, the same weights from different states")
print(worth.apply(lambda column: column.map(show)).to_string())
for name in ("seven lanes", "one lane"):
    wrong, right = worth.loc[name, "first week"].iloc[[0, -1]]
    gain = np.subtract(wrong, right)
    print(f"{name}: in the first week seeding takes {show(gain)} off the error")

# %% [markdown]
# ## Is it the state, and is it the right one?
#
# `compare_states` answers for any series: the same weights with the state carried on,
# reset before each window, and swapped for that of another batch. Twice: with windows
# of a week, which hold much of what matters themselves, and with windows of one day and
# one lane, where the state is all the memory there is. (A stateless network is another
# question: it is trained to do without.)

# %%
candidates = {
    "seven lanes, windows of a week": settings["seven lanes"],
    "one lane, windows of one day": {"batch_size": 1, "sequence_length": 1},
}
figure, both = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for axes, (name, parameters) in zip(both, candidates.items(), strict=True):
    comparison = compare_states(
        forecaster(**parameters),
        X,
        y,
        cv=TimeSeriesSplit(6, test_size=n_test),
        scoring="neg_mean_absolute_error",
        random_states=seeds[:2],
    )
    print(f"\n{name}: {comparison}")
    comparison.plot(ax=axes)
    axes.set_title(name)
both[0].get_legend().remove()  # the other one says it
figure.savefig(pictures / "retailer_states.png", dpi=120)

# %% [markdown]
# ## Four weeks ahead
#
# In a closed loop each forecast becomes the orders of the next row; its calendar is
# known. The state stays where it was: forecasts leave no trace.


# %%
def next_row(prediction, k):
    """The row after the k-th forecast: orders as forecast, calendar as known."""
    return X_test.iloc[[k + 1]].assign(orders=max(prediction, 0.0))


n_ahead = 28
ahead = live.forecast(n_ahead, start=X_test[:1], feedback=next_row)
one_ahead = live.predict(X_test[:n_ahead])
days = y_test.index[:n_ahead]
last_week = np.resize(y_train[-7:], n_ahead)
print(f"\nMean absolute error over {n_ahead} days")
for name, forecast in [
    ("one day ahead", one_ahead),
    ("closed loop", ahead),
    ("the last known week repeated", last_week),
]:
    print(f"  {name}: {mean_error(y_test[:n_ahead], forecast):.1f}")

figure, axes = plt.subplots(figsize=(11, 4), layout="constrained")
common = {"index": days, "unit": "orders a day", "ax": axes}
truth = y_test[:n_ahead].to_numpy()
ForecastDisplay.from_predictions(truth, one_ahead, label="one day ahead", **common)
ForecastDisplay.from_predictions(None, ahead, label="closed loop", **common)
axes.xaxis.set_major_locator(mdates.WeekdayLocator(mdates.MO))
axes.xaxis.set_major_formatter(mdates.DateFormatter("%a %d %b %Y"))
axes.set_title("Four weeks ahead, seven lanes")
figure.savefig(pictures / "retailer_forecast.png", dpi=120)
print(f"\nthree pictures written, {time.perf_counter() - started:.0f} s in all")
