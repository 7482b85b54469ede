# %% [markdown]
# # House sales in 38 cities: one network, a state for each city
#
# How many houses will be sold in each of 38 Texas cities next month? One
# `StatefulLSTMRegressor` with tiled windows learns from all cities at once and carries
# a state for each. Its rivals see the last 13 or 25 months as lags: pooled ridge
# regression, and pooled histogram gradient boosting. Settings are chosen on the 72
# months before the last 24, by `PanelSplit`, for every contestant by the same rule. The
# last 24 months are looked at once, at the end.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV

from sklstm import StatefulLSTMRegressor
from sklstm.datasets import load_texas_housing
from sklstm.model_selection import PanelSplit
from sklstm.preprocessing import frame_series

QUICK = bool(os.environ.get("QUICK"))
N_TEST = 24  # months
YEAR = 12

# %% [markdown]
# ## Sales at one scale
#
# Sales differ a hundredfold between cities, so each city's log sales are standardised,
# by its own training months. The target is the change from the same month a year
# before: a forecast of zero repeats last year. Months that were not reported repeat
# the month before, and have weight 0 as targets.

# %%
X, y = load_texas_housing(
    return_X_y=True
)  # each month of a city, and sales of the next
_, reported = frame_series(load_texas_housing(), target="reported")
city, month = (X.index.get_level_values(level) for level in ("city", "month"))
is_test = month >= np.sort(month.unique())[-N_TEST]

log_sales, log_next = np.log(X["sales"]), np.log(y)
of_city = log_sales[~is_test].groupby("city")
mean, spread = (
    part.reindex(city).to_numpy() for part in (of_city.mean(), of_city.std())
)
level, next_level = (log_sales - mean) / spread, (log_next - mean) / spread


def lag(n):
    """Standardised log sales `n` months before each row."""
    return level.groupby("city").shift(n)


last_year = lag(YEAR - 1)  # of the month to be forecast
change = next_level - last_year
season = X[["next_month_sin", "next_month_cos"]]
rows = pd.DataFrame({f"lag {n}": lag(n) for n in (0, 1, 11, 12)}).join(season)
has_rows = rows.notna().all(axis=1).to_numpy()
train, test = has_rows & ~is_test, has_rows & is_test


def error(next_level_forecast):
    """Mean absolute error of sales in the test months, as cities alike.

    Each city's is divided by that of the better of two simple forecasts: this month's
    sales, and those of the same month last year.
    """
    at = test & (reported == 1).to_numpy()

    def by_city(sales):
        return (sales - y).abs()[at].groupby("city").mean()

    sales = np.exp(next_level_forecast * spread + mean)
    simple = [X["sales"], np.exp(last_year * spread + mean)]
    return float((by_city(sales) / np.minimum(*map(by_city, simple))).mean())


# %% [markdown]
# ## Rivals with lags
#
# Each may predict the level, the change from this month, or the change from last year,
# from 13 or 25 lags: what validates best.

# %%
cv = PanelSplit(3, test_size=N_TEST)
bases = {"level": 0 * level, "change from this month": level}
bases["change from last year"] = last_year


def on_all_rows(values, where):
    """Values of some rows as a series over all, NaN elsewhere."""
    return pd.Series(values, X.index[where]).reindex(X.index)


def rival(model, lags=(13, 25)):
    """Forecasts of the best validated way to pose the question to a rival."""
    best, forecast, way = np.inf, None, ""
    for n in lags[-1:] if QUICK else lags:
        features = pd.DataFrame({f"lag {k}": lag(k) for k in range(n)}).join(season)
        known = features.notna().all(axis=1).to_numpy()
        at = train & known & (reported == 1).to_numpy()
        for name, base in bases.items():
            target = next_level - base
            errors = []
            for fit, hold in cv.split(features[at]):
                fitted = model.fit(features[at].iloc[fit], target[at].iloc[fit])
                left = fitted.predict(features[at].iloc[hold]) - target[at].iloc[hold]
                errors.append(left.abs().mean())
            if np.mean(errors) < best:
                best, way = np.mean(errors), f"{n} lags, {name}"
                model.fit(features[at], target[at])
                forecast = on_all_rows(model.predict(features[known]), known) + base
    return forecast, way


table = {
    "this month again": (error(level), ""),
    "same month last year": (error(last_year), ""),
}
boosting = HistGradientBoostingRegressor(
    learning_rate=0.05, max_leaf_nodes=7, max_iter=300, random_state=0
)
for name, model in {
    "ridge": RidgeCV(np.logspace(-2, 4, 7)),
    "boosting": boosting,
}.items():
    forecast, way = rival(model)
    table[name] = (error(forecast), way)

# %% [markdown]
# ## One network for all cities
#
# Rows are in a frame with a MultiIndex of city and month, so the estimator knows whose
# each row is and whether months are missing. Lags of a year are given, since a state
# need not remember what a column can tell.

# %%
network = StatefulLSTMRegressor(
    units=64,
    windows="tiled",
    scale=False,
    linear_skip=False,
    ema_momentum=0.0,
    sequence_length=24,
    batch_size=16,
    optimizer="adamw",
    optimizer__learning_rate=0.004,
    optimizer__weight_decay=0.02,
    optimizer__clipnorm=1.0,
    random_state=0,
)
search = GridSearchCV(
    network,
    {"epochs": [15] if QUICK else [15, 30]},
    cv=cv,
    scoring="neg_mean_absolute_error",
)
search.fit(rows[train], change[train], sample_weight=reported[train])
chosen = search.best_estimator_
print("chosen:", search.best_params_)

# %% [markdown]
# `predict` walks over the test months city by city, each from the state that its
# training months left. Three networks from different seeds, and their mean:

# %%
forecasts = []
for seed in range(1 if QUICK else 3):
    fitted = StatefulLSTMRegressor(**{**chosen.get_params(), "random_state": seed})
    fitted.fit(rows[train], change[train], sample_weight=reported[train])
    forecasts.append(on_all_rows(fitted.predict(rows[test]), test) + last_year)
for seed, forecast in enumerate(forecasts):
    table[f"one network, seed {seed}"] = (error(forecast), "")
combined = sum(forecasts) / len(forecasts)
table["mean of the networks"] = (error(combined), "")
results = pd.DataFrame(table, index=["error", "chosen"]).T
print(results.to_string(formatters={"error": "{:.3f}".format}))
share = 1 - table["mean of the networks"][0] / table["boosting"][0]
print(f"The mean of the networks is {share:.1%} better than boosting.")

# %% [markdown]
# ## Row by row, and a city that is new
#
# A month that arrives is one row of every city: `step` predicts and moves each city's
# state on, and gives the same answers.

# %%
first_month = rows[test & (month == month[test].min())]
print("step:", fitted.step(first_month)[:3].round(3), "for", list(fitted.series_[:3]))

# %% [markdown]
# A city that the network was not fitted on starts cold; `observe` shows it its past.

# %%
new = "Tyler"
others = train & (city != new)
stranger = StatefulLSTMRegressor(**{**chosen.get_params(), "epochs": 15})
stranger.fit(rows[others], change[others], sample_weight=reported[others])
stranger.observe(rows[train & (city == new)])
warm = stranger.predict(rows[test & (city == new)])
print(f"{new}, never trained on:", warm[:3].round(3))

# %%
figure, axes = plt.subplots(3, 1, figsize=(9, 7), sharex=True, layout="constrained")
shown = np.exp(combined * spread + mean)[test]
for ax, name in zip(axes, ["Houston", "Austin", "Tyler"], strict=True):
    months = shown[name].index + pd.offsets.MonthBegin(1)
    ax.plot(months, y[test][name], color="black", label="sold")
    ax.plot(months, shown[name], color="tab:orange", label="forecast a month before")
    ax.set_title(name, loc="left")
    ax.set_ylabel("houses")
axes[0].legend(frameon=False, ncols=2, loc="lower center")
figure.savefig("texas_housing.png", dpi=120)
