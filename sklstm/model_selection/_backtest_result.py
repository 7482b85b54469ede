"""`BacktestResult`: forecasts beside truths, their scores, and skill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sklstm.model_selection._prediction_scorer import PredictionScorer

BY = ("fold", "horizon", "series", "output")


@dataclass(frozen=True, eq=False, repr=False)
class BacktestResult:
    r"""What `backtest` returns: forecasts, scores and skill.

    ``print`` shows the scores.

    Parameters
    ----------
    predictions : DataFrame of shape (n_forecasts, 6 or 7)
        A row for each value forecast, in the units of y, with the columns

        - "series": its id, a tuple where several levels or columns tell series apart,
          0 for one series without a name;
        - "time": the label of the row it was forecast from, or this row's number;
        - "fold": the number of the fold;
        - "output": the name or number of the output, where y has several;
        - "horizon": how many steps after the newest known value it is;
        - "y_true" and "y_pred": what came, and what was forecast.
    baselines : DataFrame of shape (n_forecasts, 1 or 2)
        For the same rows what "persistence" forecasts, and "seasonal persistence"
        where there is a period; missing where nothing was known yet.
    scorer : PredictionScorer
    is_labels : bool
        Whether labels of classes are predicted, not numbers.
    period : int or None
        The number of rows in a season.
    estimators : tuple of estimator or None
        With ``return_estimators=True`` the fitted estimators, one for each fit: the
        states of their networks are after the last rows that they walked over.

    Attributes
    ----------
    scores : DataFrame
        Indexed by ("by", "value"): "all" and 0, then "fold", "horizon", "series" and
        "output", as far as there are several, with each of their values. Columns are
        the score, by its name, and for each baseline its score, by its own name, and
        the skill over it. Higher is better.

    Notes
    -----
    Skill is the share of the baseline's mean absolute error that is spared,

    .. math::
        1 - \frac{\sum_i |y_i - \hat y_i|}{\sum_i |y_i - b_i|}

    over the forecasts :math:`\hat y_i` for which there is a baseline :math:`b_i`,
    whatever the scoring: 0 is as good as the baseline, 1 is perfect, and below 0 is
    worse. Of labels it is the share of errors spared. Forecasts whose truth is missing
    count for nothing, and those without a baseline for neither its score nor the skill
    over it. A score of the model over just the same rows is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from sklstm import frame_series
    >>> from sklstm.model_selection import backtest
    >>> X, y = frame_series(np.sin(np.arange(60) / 4))
    >>> folds = TimeSeriesSplit(2, test_size=10)
    >>> result = backtest(Ridge(), X, y, cv=folds, horizon=2)
    >>> result.predictions[["fold", "horizon"]].value_counts(sort=False).tolist()
    [9, 9, 9, 9]
    >>> result.errors_by_horizon().index.tolist()
    [1, 2]
    """

    predictions: pd.DataFrame
    baselines: pd.DataFrame
    scorer: PredictionScorer = field(
        default_factory=lambda: PredictionScorer.of(None, is_labels=False)
    )
    is_labels: bool = False
    period: int | None = None
    estimators: tuple[Any, ...] | None = None

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores and skill of all forecasts, and by fold, horizon, series, output."""
        table = self.predictions
        known = table["y_true"].notna().to_numpy()
        rows: dict[tuple[str, Any], dict[str, float]] = {}
        rows["all", 0] = self._summarise(known)
        for by in BY:
            if by not in table or table[by].nunique() < 2:
                continue
            codes, values = pd.factorize(table[by])
            for code, value in enumerate(values):
                rows[by, value] = self._summarise(known & (codes == code))
        names, groups = zip(*rows, strict=True)
        pairs = pd.MultiIndex.from_arrays(
            [pd.Index(names), _objects(groups)], names=["by", "value"]
        )
        return pd.DataFrame(list(rows.values()), pairs)

    def plot(
        self,
        kind: Any = None,
        *,
        series: Any = None,
        horizon: Any = None,
        output: int | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw the error by horizon, forecasts beside what came, or residuals.

        Parameters
        ----------
        kind : {"horizon", "forecast", "residuals"}, default=None
            By default "horizon" where there are several horizons, else "forecast".
            "residuals" draws what forecasts have left: over time, how they are
            distributed, and whether one tells of the next.
        series : object, default=None
            Whose forecasts to draw; by default those of the first.
        horizon : int, default=None
            Which of them; by default the nearest.
        output : object, default=None
            Of which output; by default the first.
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        display : HorizonErrorDisplay, ForecastDisplay or ResidualsDisplay
            Of ``sklstm.plotting``.

        Raises
        ------
        ValueError
            If `kind` is another one, or there is no forecast of that series, horizon
            and output, or residuals are asked for of labels.
        ImportError
            If matplotlib is not installed.
        """
        if kind is None:
            several = self.predictions["horizon"].nunique() > 1
            kind = "horizon" if several else "forecast"
        if kind == "horizon":
            from sklstm.plotting import HorizonErrorDisplay

            name = "share of wrong labels" if self.is_labels else "mean absolute error"
            errors = self.errors_by_horizon()
            return HorizonErrorDisplay(errors, error_name=name).plot(ax)
        if kind == "forecast":
            return self._plot_forecasts(series, horizon, output, ax)
        if kind == "residuals":
            return self._plot_residuals(series, horizon, output, ax)
        raise ValueError(
            f"kind must be 'horizon', 'forecast' or 'residuals', got {kind!r}."
        )

    def errors_by_horizon(self) -> pd.DataFrame:
        """Mean absolute errors, or shares of wrong labels, by horizon.

        Returns
        -------
        errors : DataFrame of shape (n_horizons, 2 or 3)
            Indexed by the horizon, with the columns "estimator", "persistence" and
            "seasonal persistence".
        """
        made = {"estimator": self.predictions["y_pred"], **self.baselines}
        errors = {name: self._errors(values) for name, values in made.items()}
        return pd.DataFrame(errors).groupby(self.predictions["horizon"]).mean()

    def _plot_forecasts(self, series, horizon, output, ax):
        from sklstm.plotting import ForecastDisplay

        table, name = self._chosen(series, horizon, output)
        shown = table if self.is_labels else _with_breaks(table)
        index = pd.Index(shown["time"], name=name)
        return ForecastDisplay.from_predictions(
            shown["y_true"].to_numpy(), shown["y_pred"].to_numpy(), index=index, ax=ax
        )

    def _plot_residuals(self, series, horizon, output, ax):
        from sklstm.plotting import ResidualsDisplay

        if self.is_labels:
            raise ValueError(
                "Labels have no residuals. Draw kind='forecast', or kind='horizon' for"
                " the share of wrong labels."
            )
        table, name = self._chosen(series, horizon, output)
        runs = np.searchsorted(_ends_of_runs(table), np.arange(len(table)))
        return ResidualsDisplay.from_predictions(
            table["y_true"].to_numpy(),
            table["y_pred"].to_numpy(),
            index=pd.Index(table["time"], name=name),
            runs=runs,
            ax=ax,
        )

    def _chosen(self, series, horizon, output) -> tuple[pd.DataFrame, str]:
        """Forecasts of one series, horizon and output, and what their times are."""
        table = self.predictions
        if horizon is None:
            horizon = table["horizon"].min()
        asked = {"horizon": horizon, "series": series, "output": output}
        for name, value in asked.items():
            if name in table:
                table = _only(table, name, value)
        steps = "1 step ahead" if horizon == 1 else f"{horizon} steps ahead"
        return table, f"row from which is forecast, {steps}"

    def _errors(self, values: pd.Series) -> np.ndarray:
        """The size of each error, NaN where there is no truth or no forecast."""
        truth = self.predictions["y_true"]
        if not self.is_labels:
            return np.abs(truth.to_numpy() - values.to_numpy(np.float64))
        wrong = (truth.to_numpy() != values.to_numpy()).astype(np.float64)
        return np.where(values.isna() | truth.isna(), np.nan, wrong)

    def _summarise(self, chosen: np.ndarray) -> dict[str, float]:
        """The score, and the score of each baseline and the skill over it."""
        own = self.predictions["y_pred"]
        summary = {self.scorer.name: self._score(own, chosen)}
        for name, values in self.baselines.items():
            both = chosen & values.notna().to_numpy()
            summary[str(name)] = self._score(values, both)
            mine, others = (self._errors(one)[both].sum() for one in (own, values))
            skill = 1 - mine / others if others else np.nan
            summary[f"skill over {name}"] = float(skill)
        return summary

    def _score(self, values: pd.Series, chosen: np.ndarray) -> float:
        if not chosen.any():
            return np.nan
        pair = self.predictions["y_true"], values
        # Labels beside which one is missing are kept as objects.
        truth, made = (one[chosen].infer_objects().to_numpy() for one in pair)
        return self.scorer(truth, made)

    def __str__(self) -> str:
        title = f"{self.scorer.name} and skill, higher is better"
        if self.period is not None:
            title += f"; a season is {self.period} rows"
        table = self.scores.to_string(float_format=_format, max_rows=40)
        return f"{title}\n{table}"

    __repr__ = __str__


def _only(table: pd.DataFrame, name: str, value: Any) -> pd.DataFrame:
    """The rows that have a value in a column; of None those with the first one."""
    if value is None:
        value = table[name].iloc[0]
    chosen = table[np.array([other == value for other in table[name]])]
    if not len(chosen):
        raise ValueError(
            f"There is no forecast of {name} {value!r}; there are those of"
            f" {table[name].unique()[:10].tolist()}."
        )
    return chosen


def _with_breaks(table: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of one series with an empty row where time goes on between folds.

    So no line is drawn over rows from which nothing was forecast.
    """
    ends = _ends_of_runs(table)
    rows = np.sort(np.append(np.arange(len(table)), ends))
    shown = table.iloc[rows].copy()
    empty = np.flatnonzero(np.diff(rows) == 0) + 1
    values = shown[["y_true", "y_pred"]].to_numpy(copy=True)
    values[empty] = np.nan
    return shown.assign(y_true=values[:, 0], y_pred=values[:, 1])


def _ends_of_runs(table: pd.DataFrame) -> np.ndarray:
    """The rows of one series after which time goes on before the next fold begins."""
    time = pd.Index(table["time"])
    time = time.to_timestamp() if isinstance(time, pd.PeriodIndex) else time
    steps, is_border = np.diff(time.to_numpy()), np.diff(table["fold"]) != 0
    if not is_border.any() or is_border.all():
        return np.zeros(0, np.int64)
    return np.flatnonzero(is_border & (steps > steps[~is_border].max()))


def _objects(values: Sequence) -> pd.Index:
    """An index of values of any type, tuples among them."""
    array = np.empty(len(values), object)
    array[:] = values
    return pd.Index(array, tupleize_cols=False)


def _format(value: float) -> str:
    return f"{value:.4g}"
