"""What all Displays share: `plot`, its axes, and what happens without Matplotlib."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plotting_cases import SCORES, X, Y, plt, unfitted
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

import sklstm
from sklstm.plotting import (
    CoverageDisplay,
    ForecastDisplay,
    HorizonErrorDisplay,
    IntervalDisplay,
    LanesDisplay,
    LossCurveDisplay,
    ResidualsDisplay,
    StateComparisonDisplay,
    StateDisplay,
)

DISPLAYS = {
    "loss": lambda: LossCurveDisplay({"loss": [2.0, 1.0]}),
    "forecast": lambda: ForecastDisplay(
        y_true=None, y_pred=pd.DataFrame({"flow": [1.0, 2.0]})
    ),
    "lanes": lambda: LanesDisplay(np.array([[0, 1], [2, 3]]), np.arange(4)),
    "state": lambda: StateDisplay(np.zeros((3, 2))),
    "horizons": lambda: HorizonErrorDisplay(
        pd.DataFrame({"estimator": [1.0, 2.0]}, index=[1, 2])
    ),
    "comparison": lambda: StateComparisonDisplay(SCORES),
    "intervals": lambda: IntervalDisplay(
        y_true=None, y_pred=pd.Series([1.0]), intervals={0.5: np.array([[0.0, 2.0]])}
    ),
    "coverage": lambda: CoverageDisplay(pd.DataFrame({0.5: [1.0, 0.0]}), window=2),
    "residuals": lambda: ResidualsDisplay(pd.Series([1.0, -1.0, 0.5])),
}


@pytest.mark.parametrize("make", DISPLAYS.values(), ids=DISPLAYS)
def test_plot_makes_axes_or_draws_on_those_given(make):
    display = make()
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    figure, ax = plt.subplots()
    assert display.plot(ax).ax_ is ax
    assert display.figure_ is figure


@pytest.mark.parametrize("make", DISPLAYS.values(), ids=DISPLAYS)
def test_plot_without_matplotlib_raises_ImportError(make, monkeypatch):
    """Nothing but drawing needs it, and the error says what to install."""
    display = make()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "matplotlib>=3\.7"') as error:
        display.plot()
    assert str(error.value).startswith(type(display).__name__)


def test_import_plotting_loads_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys, sklstm.plotting\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'matplotlib', 'tensorflow', 'keras'}, loaded"
    )
    root = Path(sklstm.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


@pytest.mark.parametrize("kind", [LossCurveDisplay, LanesDisplay, StateDisplay])
def test_from_estimator_of_other_estimator_raises(kind):
    data = (X,) if kind is not LossCurveDisplay else ()
    with pytest.raises(TypeError, match=r"StatefulLSTMRegressor.*got LinearRegression"):
        kind.from_estimator(LinearRegression().fit(X, Y), *data)
    with pytest.raises(NotFittedError):
        kind.from_estimator(unfitted(), *data)
