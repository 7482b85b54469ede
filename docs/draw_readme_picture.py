"""Draw the picture of README.md: ``python docs/draw_readme_picture.py``.

Three days of bike rentals that the model has not seen: what was rented, what was
forecast an hour before each, and what was forecast at once for the first of the days.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from sklstm import StatefulLSTMRegressor
from sklstm.datasets import load_bike_rentals
from sklstm.plotting import ForecastDisplay

HOURS = 3 * 24
PICTURE = Path(__file__).parent / "_static" / "bike_rentals.svg"


def main() -> None:
    """Fit, forecast, draw and write the picture."""
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "sklstm"})
    X, y = load_bike_rentals(return_X_y=True)
    model = StatefulLSTMRegressor(random_state=0).fit(X[:-HOURS], y[:-HOURS])
    rows, truth = X[-HOURS:], y[-HOURS:]
    known = rows.drop(columns="rentals")
    figure, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
    look = {"index": rows.index + pd.Timedelta(hours=1), "unit": "bikes per hour"}
    ForecastDisplay.from_predictions(
        truth.to_numpy(), model.predict(rows), label="an hour ahead", ax=axes, **look
    )
    ahead = model.forecast(24, X_future=known[:24])
    look["index"] = look["index"][:24]  # the first row fed is the first of the days
    ForecastDisplay.from_predictions(None, ahead, label="a day ahead", ax=axes, **look)
    axes.legend(loc="upper left", bbox_to_anchor=(0.61, 1))
    axes.set_title("Three days that the model has not seen")
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
