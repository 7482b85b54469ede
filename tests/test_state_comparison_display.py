"""StateComparisonDisplay: a line for each fold and seed."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_close
from plotting_cases import SCORES, legend_of, texts

from sklstm.plotting import (
    StateComparisonDisplay,
)


def test_plot_draws_line_per_fold_and_seed():
    display = StateComparisonDisplay(SCORES, score_name="R²").plot()
    assert [line.get_ydata().tolist() for line in display.lines_] == [
        [0.9, 0.5, 0.1],
        [0.8, 0.6, 0.2],
        [0.7, 0.5, 0.3],
        [0.6, 0.4, 0.4],
    ]
    assert all(list(line.get_xdata()) == [0, 1, 2] for line in display.lines_)
    assert {line.get_marker() for line in display.lines_} == {"o"}
    assert display.ax_.get_ylabel() == "R² (higher is better)"


def test_plot_marks_means():
    display = StateComparisonDisplay(SCORES).plot()
    assert_close(display.mean_.get_ydata(), [0.75, 0.5, 0.25])
    assert texts(display.ax_.get_xticklabels()) == [
        "carried\nmean 0.75",
        "reset\nmean 0.5",
        "swapped\nmean 0.25",
    ]


def test_plot_colours_folds():
    display = StateComparisonDisplay(SCORES).plot(lw=2)
    colours = [line.get_color() for line in display.lines_]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert legend_of(display.ax_) == ["fold 0", "fold 1"]
    assert {line.get_linewidth() for line in display.lines_} == {2}
    alone = StateComparisonDisplay(SCORES.loc[[1]]).plot()
    assert alone.ax_.get_legend() is None


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (SCORES.reset_index(), r"two levels, \(fold, seed\); got DataFrame"),
        ([0.5], "got list with index levels"),
        (SCORES.drop(columns="reset"), r"lacks the columns \['reset'\]; it has"),
        (SCORES.assign(reset=np.nan), r"4 row\(s\) with 4 entries that are NaN"),
        (SCORES[:0], r"at least one row; got 0 row\(s\)"),
    ],
)
def test_plot_bad_scores_raises(scores, message):
    with pytest.raises(ValueError, match=message):
        StateComparisonDisplay(scores).plot()
