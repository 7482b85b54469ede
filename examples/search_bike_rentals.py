# %% [markdown]
# # How many bikes will be rented in the next hour?
#
# A year of hourly bike rentals in Washington, D.C. The last four weeks are held out;
# on the weeks before them a grid search with time-series cross-validation decides
# whether the LSTM keeps its state from batch to batch, how many lanes the batch has,
# how many hours a window holds, and how many units there are. The winner then
# forecasts the held-out weeks one hour ahead, beside two baselines.

# %%
import argparse
import time

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMRegressor
from sklstm.datasets import load_bike_rentals

parser = argparse.ArgumentParser(description="Forecast bike rentals one hour ahead.")
parser.add_argument("--output", default="bike_rentals.png", help="picture to write")
# A notebook's own arguments are not ours: leave them alone.
options, _ = parser.parse_known_args()
started = time.perf_counter()

# %% [markdown]
# Row i of `X` is what is known in hour i: the rentals, the weather, and the calendar
# of the hour after it. `y[i]` is the rentals of that next hour.

# %%
X, y = load_bike_rentals(return_X_y=True)
n_test = 4 * 7 * 24
X_train, X_test = X[:-n_test], X[-n_test:]
y_train, y_test = y[:-n_test], y[-n_test:]
print(f"train {X_train.index[0]} to {X_train.index[-1]}, {len(X_train)} hours")
print(f"test  {X_test.index[0]} to {X_test.index[-1]}, {len(X_test)} hours")

# %% [markdown]
# Inputs and target are scaled, both from the training rows alone. With 24 lanes each
# lane follows one hour of the day; with 168, one hour of the week. Without state there
# are no lanes, and one batch size is enough. Where a window is a single hour, the
# state is all the memory there is.
#
# The three folds validate on four weeks each, as long as the held-out stretch, and
# train on everything before them.

# %%
lstm = StatefulLSTMRegressor(
    windows="sliding",
    epochs=10,
    optimizer="adam",
    optimizer__learning_rate=0.01,
    random_state=0,
)
forecaster = TransformedTargetRegressor(
    regressor=Pipeline([("scale", StandardScaler()), ("lstm", lstm)]),
    transformer=StandardScaler(),
)
windows = {"sequence_length": [1, 6], "units": [16, 32]}
grids = [
    {"stateful": [True], "batch_size": [24, 168], **windows},
    {"stateful": [False], "batch_size": [168], **windows},
]
search = GridSearchCV(
    forecaster,
    [
        {f"regressor__lstm__{name}": values for name, values in grid.items()}
        for grid in grids
    ],
    cv=TimeSeriesSplit(n_splits=3, test_size=n_test),
    scoring="neg_mean_absolute_error",
    verbose=3,
)
search.fit(X_train, y_train)

# %% [markdown]
# The ranking, by the mean absolute error on the three validation stretches.

# %%
results = search.cv_results_
ranking = pd.DataFrame(
    {name: results[f"param_regressor__lstm__{name}"] for name in grids[0]}
    | {
        "MAE": -results["mean_test_score"],
        "+/-": results["std_test_score"],
        "fit seconds": results["mean_fit_time"],
    }
)
ranking.index = pd.Index(results["rank_test_score"], name="rank")
print("\nValidation error, bikes per hour")
print(ranking.sort_index().round(2).to_string())

# %% [markdown]
# The held-out weeks. `predict` goes on from the state at the end of the training rows.
# The baselines: the next hour is like this one, and it is like the same hour a day or
# a week before, whichever of the two does better on the training rows.

# %%
rentals = load_bike_rentals()["rentals"]
hour = pd.Timedelta(hours=1)
forecasts = {
    "LSTM (winner)": pd.Series(search.predict(X_test), X_test.index + hour),
    "persistence": rentals.shift(1),
}


def seasonal_error(season):
    """Mean absolute error on the training rows of repeating what was a season ago."""
    past = rentals[: len(X_train) + 1]
    return (past - past.shift(season)).abs().mean()


season = min([24, 168], key=seasonal_error)
forecasts[f"seasonal persistence, {season} h"] = rentals.shift(season)

truth = pd.Series(y_test.to_numpy(), X_test.index + hour)
errors = pd.DataFrame(
    {
        name: {
            "MAE": mean_absolute_error(truth, forecast[truth.index]),
            "RMSE": root_mean_squared_error(truth, forecast[truth.index]),
        }
        for name, forecast in forecasts.items()
    }
).T
print("\nHeld-out error, bikes per hour")
print(errors.round(1).to_string())

winner, *baselines = errors["MAE"]
if winner >= min(baselines):
    print("The LSTM does not beat the baselines: more epochs may be needed.")

# %% [markdown]
# Forecast and truth over the held-out weeks, and one week of them closer.

# %%
forecast = forecasts["LSTM (winner)"]
figure, (whole, week) = plt.subplots(2, figsize=(11, 7), layout="constrained")
for axes, days in [(whole, 28), (week, 7)]:
    part = slice(None, days * 24)
    axes.plot(truth[part], color="0.25", linewidth=1.2, label="truth")
    axes.plot(forecast[part], color="C1", linewidth=1.2, label="forecast, 1 h ahead")
    axes.set_ylabel("bikes per hour")
    axes.margins(x=0)
    axes.grid(alpha=0.3)
whole.xaxis.set_major_locator(mdates.WeekdayLocator(mdates.MO))
whole.xaxis.set_major_formatter(mdates.DateFormatter("%a %d %b %Y"))
week.xaxis.set_major_locator(mdates.DayLocator())
week.xaxis.set_major_formatter(mdates.DateFormatter("%a %d %b"))
whole.legend(loc="upper right", ncols=2)
mae = errors["MAE"]
whole.set_title(
    f"Bike rentals in Washington, D.C.: mean absolute error {mae.iloc[0]:.0f} bikes per"
    f" hour,\npersistence {mae.iloc[1]:.0f}, seasonal persistence {mae.iloc[2]:.0f}"
)
week.set_title("The first of the four weeks")
figure.savefig(options.output, dpi=120)
print(f"\n{options.output} written, {time.perf_counter() - started:.0f} s in all")
