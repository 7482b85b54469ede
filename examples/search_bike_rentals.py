# %% [markdown]
# # How many bikes will be rented in the next hour?
#
# A year of hourly bike rentals in Washington, D.C. The last four weeks are held out;
# on the weeks before them a grid search with time-series cross-validation decides
# whether the LSTM carries its state from window to window, and how many units it has.
# The winner then forecasts the held-out weeks one hour ahead, beside gradient boosting
# on lags and two forecasts that need no model.

# %%
import argparse
import time

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from sklstm import StatefulLSTMRegressor
from sklstm.datasets import load_bike_rentals
from sklstm.plotting import ForecastDisplay

parser = argparse.ArgumentParser(description="Forecast bike rentals one hour ahead.")
parser.add_argument("--output", default="bike_rentals.png", help="picture to write")
# A notebook's own arguments are not ours: leave them alone.
options, _ = parser.parse_known_args()
started = time.perf_counter()

# %% [markdown]
# Row i of `X` is what is known in hour i: the rentals, the weather, and the calendar
# of the hour after it. `y[i]` is the rentals of that next hour. Rows are given as they
# are: the estimator scales them by itself.

# %%
X, y = load_bike_rentals(return_X_y=True)
n_test = 4 * 7 * 24
X_train, X_test = X[:-n_test], X[-n_test:]
y_train, y_test = y[:-n_test], y[-n_test:]
print(f"train {X_train.index[0]} to {X_train.index[-1]}, {len(X_train)} hours")
print(f"test  {X_test.index[0]} to {X_test.index[-1]}, {len(X_test)} hours")

# %% [markdown]
# The three folds validate on four weeks each, as long as the held-out stretch, and
# train on everything before them.

# %%
search = GridSearchCV(
    StatefulLSTMRegressor(random_state=0),
    {"stateful": [True, False], "units": [32, 64]},
    cv=TimeSeriesSplit(n_splits=3, test_size=n_test),
    scoring="neg_mean_absolute_error",
    verbose=3,
)
search.fit(X_train, y_train)
winner = search.best_estimator_
ranking = pd.DataFrame(search.cv_results_).set_index("rank_test_score").sort_index()
columns = ["param_stateful", "param_units", "mean_test_score", "mean_fit_time"]
print(f"\n{ranking[columns].round(2).to_string()}")
print(f"The winner was trained for {winner.epochs_} epochs.")

# %% [markdown]
# The held-out weeks. `predict` goes on from the state at the end of the training rows.
# Boosting sees the same columns, and rentals at the lags that the LSTM's linear part
# reads. The last two say that the next hour is like this one, or like the same hour a
# week before.

# %%
rentals = X["rentals"]
lags = {f"{lag} h ago": rentals.shift(lag) for lag in winner.lags_ if lag}
lagged = X.assign(**lags)
boosting = HistGradientBoostingRegressor(random_state=0)
boosting.fit(lagged[:-n_test], y_train)
forecasts = {
    "LSTM (winner)": search.predict(X_test),
    "boosting on lags": boosting.predict(lagged[-n_test:]),
    "persistence": rentals[-n_test:],
    "a week before": rentals.shift(7 * 24 - 1)[-n_test:],
}
errors = pd.DataFrame(
    {
        "MAE": {k: mean_absolute_error(y_test, f) for k, f in forecasts.items()},
        "RMSE": {k: root_mean_squared_error(y_test, f) for k, f in forecasts.items()},
    }
)
print("\nHeld-out error, bikes per hour")
print(errors.round(1).to_string())

# %% [markdown]
# Forecast and truth over the held-out weeks, and one week of them closer.

# %%
figure, axes = plt.subplots(2, figsize=(11, 7), layout="constrained")
next_hour = X_test.index + pd.Timedelta(hours=1)
for ax, n in zip(axes, (n_test, 7 * 24), strict=True):
    ForecastDisplay.from_predictions(
        y_test[:n],
        forecasts["LSTM (winner)"][:n],
        index=next_hour[:n],
        unit="bikes per hour",
        ax=ax,
    )
axes[0].set_title(f"One hour ahead: mean absolute error {errors['MAE'].iloc[0]:.1f}")
figure.savefig(options.output, dpi=120)
print(f"\n{options.output} written, {time.perf_counter() - started:.0f} s in all")
