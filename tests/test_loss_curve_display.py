"""LossCurveDisplay: its data, and the lines it draws."""

from __future__ import annotations

import pytest
from plotting_cases import composite, fitted, legend_of, shown_ticks

from sklstm.plotting import (
    LossCurveDisplay,
)

HISTORY = {
    "loss": [4.0, 2.0, 1.0],
    "mae": [3.0, 2.5, 2.0],
    "val_loss": [5.0, 3.0, 2.0],
    "val_mae": [4.0, 3.0, 2.5],
}


def test_plot_draws_losses_by_epoch():
    display = LossCurveDisplay(HISTORY, loss_name="mean squared error").plot()
    assert list(display.lines_) == ["loss", "val_loss"]
    for name, line in display.lines_.items():
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert line.get_ydata().tolist() == HISTORY[name]
    styles = [line.get_linestyle() for line in display.lines_.values()]
    colours = {line.get_color() for line in display.lines_.values()}
    assert (styles, len(colours)) == (["-", "--"], 1)
    assert legend_of(display.ax_) == ["loss", "val_loss"]
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "loss (mean squared error)"
    assert display.ax_.get_yscale() == "linear"
    assert display.metrics_ax_ is None


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 20, 1000])
def test_plot_epoch_ticks_are_whole_numbers(n_epochs):
    display = LossCurveDisplay({"loss": [1.0] * n_epochs}).plot()
    ticks = shown_ticks(display.ax_.xaxis)
    assert ticks
    assert all(tick == int(tick) and 1 <= tick <= n_epochs for tick in ticks)


def test_plot_single_loss_has_no_legend():
    assert LossCurveDisplay({"loss": [1.0]}).plot().ax_.get_legend() is None


def test_plot_metrics_on_second_axis():
    display = LossCurveDisplay(HISTORY).plot(metrics="mae", yscale="log")
    assert list(display.lines_) == ["loss", "val_loss", "mae", "val_mae"]
    assert display.lines_["val_mae"].axes is display.metrics_ax_
    assert display.lines_["val_mae"].get_ydata().tolist() == HISTORY["val_mae"]
    assert display.lines_["mae"].get_color() != display.lines_["loss"].get_color()
    assert display.metrics_ax_.get_ylabel() == "mae"
    assert legend_of(display.metrics_ax_) == ["loss", "val_loss", "mae", "val_mae"]
    assert display.ax_.get_ylabel() == "loss"
    assert display.ax_.get_yscale() == "log"
    assert display.metrics_ax_.get_yscale() == "linear"


def test_plot_two_curves_on_one_axes():
    first = LossCurveDisplay({"loss": [3.0, 2.0]}).plot(label="small")
    second = LossCurveDisplay({"loss": [3.0] * 9}).plot(first.ax_, label="large", lw=3)
    assert legend_of(first.ax_) == ["small: loss", "large: loss"]
    assert first.lines_["loss"].get_color() != second.lines_["loss"].get_color()
    assert second.lines_["loss"].get_linewidth() == 3
    assert first.ax_.get_xlim() == (0.5, 9.5)


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        ({}, {}, r"no loss of any epoch.*names are \[\].*Fit the estimator"),
        ({"loss": []}, {}, "no loss of any epoch"),
        (HISTORY, {"metrics": ["mse"]}, r"metrics=\['mse'\] .* metrics are \['mae'\]"),
        (HISTORY, {"metrics": "val_mae"}, r"metrics=\['val_mae'\] are not"),
        ({"loss": [1, -0.5]}, {"yscale": "log"}, "above zero, but the least is -0.5"),
    ],
)
def test_plot_bad_history_raises(history, options, message):
    with pytest.raises(ValueError, match=message):
        LossCurveDisplay(history).plot(**options)


def test_from_estimator_draws_history():
    display = LossCurveDisplay.from_estimator(fitted(), metrics=["mae"], yscale="log")
    assert display.history == fitted().history_
    assert set(display.lines_) == {"loss", "val_loss", "mae", "val_mae"}
    assert display.ax_.get_ylabel() == "loss (mean squared error)"
    assert display.ax_.get_yscale() == "log"


def test_from_estimator_of_composite_draws_history():
    display = LossCurveDisplay.from_estimator(composite())
    assert display.lines_["loss"].get_xdata().tolist() == [1, 2]
