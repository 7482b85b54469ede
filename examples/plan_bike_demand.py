# %% [markdown]
# # How many bikes should stand ready in the next hour?
#
# Hourly bike rentals in Washington, D.C. A planner sets out bikes for the next hour. A
# bike too many costs 1, a bike that is missing costs 4. So a forecast alone is not a
# plan: the cheapest number is the one that demand exceeds in one hour of five, the
# quantile 4 / (4 + 1) = 0.8.
#
# Three models are compared as they would have done live; the best gets intervals; and
# the costs of four plans are counted over weeks that nothing was chosen by.

# %%
import os
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import TimeSeriesSplit

from sklstm import StatefulLSTMRegressor
from sklstm.datasets import load_bike_rentals
from sklstm.intervals import ConformalRegressor
from sklstm.model_selection import backtest
from sklstm.plotting import CoverageDisplay, IntervalDisplay

quick = bool(os.environ.get("QUICK"))
started = time.perf_counter()
WEEK = 7 * 24
TOO_MANY, MISSING = 1, 4  # what a bike costs, in the same unit

# %% [markdown]
# Row i of `X` is what is known in hour i, `y[i]` the rentals of the hour after it.
# Ridge and boosting have no memory: they get rentals of earlier hours as columns.

# %%
X, y = load_bike_rentals(return_X_y=True)
lags = {f"{k} h ago": X["rentals"].shift(k) for k in (1, 2, 22, 23, 24, 166, 167)}
n_rows = 14 * WEEK if quick else 48 * WEEK
lagged, X, y = X.assign(**lags)[-n_rows:], X[-n_rows:], y[-n_rows:]
held_out = y.index[-4 * WEEK :]
n_past = n_rows - len(held_out)
units = 16 if quick else 64
rivals = {
    "ridge on lags": (RidgeCV(np.logspace(-3, 3, 13)), lagged),
    "boosting on lags": (HistGradientBoostingRegressor(random_state=0), lagged),
    "stateful LSTM": (StatefulLSTMRegressor(units, random_state=0), X),
}

# %% [markdown]
# The backtest: fitted once, then walked over the last four weeks before those held out.
# Skill is the share spared of the error of "as in the same hour a week ago".

# %%
folds = TimeSeriesSplit(4, test_size=WEEK)
results = {
    name: backtest(model, rows[:n_past], y[:n_past], cv=folds, period=WEEK)
    for name, (model, rows) in rivals.items()
}
scores = pd.DataFrame({name: r.scores.loc[("all", 0)] for name, r in results.items()})
errors = -scores.loc["neg_mean_absolute_error"]
errors["as a week ago"] = -scores.loc["seasonal persistence"].iloc[0]
best = str(errors[list(rivals)].idxmin())
skill = 1 - errors / errors["as a week ago"]
print(f"Backtest over four weeks; the best model: {best}")
print(pd.DataFrame({"MAE": errors, "skill": skill}).round(2).to_string())
results[best].plot("residuals").figure_.savefig("plan_residuals.png", dpi=120)

# %% [markdown]
# Intervals around the best, over the four weeks held out, as they would have been live:
# each is made before the rentals of its hour are known, and the next learns from them.

# %%
model, rows = rivals[best]
planner = ConformalRegressor(model).fit(rows[:n_past], y[:n_past])
begun = planner.get_states()
new_rows, demand = rows.loc[held_out], y[held_out]
forecast = planner.step(new_rows, demand)
intervals = {}
for coverage in (0.6, 0.9):
    planner.set_states(begun)
    intervals[coverage] = planner.step_interval(new_rows, demand, coverage)

# %% [markdown]
# Four plans. Of the values outside an interval of 60 %, half lie above it if errors are
# as often up as down: then demand exceeds its upper end in one hour of five. Or a model
# is trained for the quantile itself, by a loss that is just this cost.

# %%
quantile = MISSING / (TOO_MANY + MISSING)
options = {"loss": "quantile", "random_state": 0}
boosting = HistGradientBoostingRegressor(quantile=quantile, **options)
boosting.fit(lagged[:n_past], y[:n_past])
lstm = StatefulLSTMRegressor(units, quantiles=(0.5, quantile), **options)
lstm.fit(X[:n_past], y[:n_past])
plans = {
    "the forecast": forecast,
    "upper end of the 60 % interval": intervals[0.6][:, 1],
    "boosting for the quantile": boosting.predict(lagged.loc[held_out]),
    "LSTM for the quantile": lstm.predict_quantiles(X.loc[held_out])[:, 1],
}
costs = {}
for name, plan in plans.items():
    spare = np.maximum(plan, 0) - demand
    costs[name] = {
        "cost": np.where(spare > 0, TOO_MANY * spare, -MISSING * spare).mean(),
        "bikes left over": spare.clip(lower=0).mean(),
        "bikes missing": -spare.clip(upper=0).mean(),
        "% of hours too few": 100 * (spare < 0).mean(),
    }
print("\nFour weeks held out, means per hour")
print(pd.DataFrame(costs).T.round(1).to_string())

# %% [markdown]
# The last five days, and whether the intervals held what they promised.

# %%
figure, axes = plt.subplots(2, figsize=(11, 8), layout="constrained")
next_hour = held_out + pd.Timedelta(hours=1)
last = slice(-5 * 24, None)
fan = {coverage: ends[last] for coverage, ends in intervals.items()}
options = {"index": next_hour[last], "unit": "bikes per hour", "ax": axes[0]}
IntervalDisplay.from_predictions(demand.array[last], forecast[last], fan, **options)
options = {"index": next_hour, "window": WEEK, "ax": axes[1]}
CoverageDisplay.from_predictions(demand.array, intervals, **options)
figure.savefig("plan_intervals.png", dpi=120)
print(f"\nplan_*.png written, {time.perf_counter() - started:.0f} s in all")
