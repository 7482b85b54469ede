"""`ForecastDisplay`: truth and forecast over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from sklstm.plotting._alignment import lay_in_time
from sklstm.plotting._axes import (
    Display,
    free_colours,
    line_style,
    name_time_axis,
    places_in_time,
)
from sklstm.plotting._rows import (
    dates_of,
    encode_classes,
    find_classes,
    merge_classes,
)

TRUTH = {"color": "0.25", "linewidth": 1.8}
TRUE_LABELS = {"color": "0.75", "linewidth": 5.0}  # wide, to be seen behind a forecast


class ForecastDisplay(Display):
    """Truth and forecast over time, as lines, or as steps if the values are labels.

    Use :meth:`from_estimator` or :meth:`from_predictions`; the constructor only stores
    data computed before.

    Parameters
    ----------
    y_true : DataFrame of shape (n_true, n_outputs) or None
        The true values, indexed by dates or numbers.
    y_pred : DataFrame of shape (n_pred, n_outputs)
        The forecast values, with an index of the same kind. They may begin and end at
        other times than the true ones.
    unit : str, default=None
        Unit of the values, for the axis.
    classes : array-like of shape (n_classes,), default=None
        The labels in their order from bottom to top; None if the values are numbers.

    Attributes
    ----------
    truth_lines_ : list of matplotlib Line2D
        The truth, one line for each output; empty if there is no truth.
    forecast_lines_ : list of matplotlib Line2D
        The forecast, one line for each output.
    ax_ : matplotlib Axes
        The axes with the lines.
    figure_ : matplotlib Figure
        The figure with the axes.

    Examples
    --------
    A forecast of five days beside a truth of three:

    >>> import pandas as pd
    >>> from sklstm.plotting import ForecastDisplay
    >>> days = pd.date_range("2024-05-01", periods=5, name="day")
    >>> display = ForecastDisplay.from_predictions(
    ...     [3.0, 4.0, 5.0], [3.1, 3.9, 4.8, 5.2, 5.5], index=days, unit="°C")
    >>> display.ax_.get_ylabel()
    '°C'
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['truth', 'forecast']
    """

    def __init__(
        self, *, y_true: Any, y_pred: Any, unit: str | None = None, classes: Any = None
    ) -> None:
        self.y_true = y_true
        self.y_pred = y_pred
        self.unit = unit
        self.classes = classes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        index: Any = None,
        unit: str | None = None,
        ax: Any = None,
        truth_kw: dict[str, Any] | None = None,
        **line_kw: Any,
    ) -> ForecastDisplay:
        """Draw what an estimator predicts for the rows of X, and the truth.

        Parameters
        ----------
        estimator : estimator
            Any fitted regressor or classifier.
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows to predict for.
        y : array-like of shape (n_true,) or (n_true, n_outputs), default=None
            The truth for the first n_true rows.
        index : array-like of shape (n_rows,), default=None
            Dates or numbers of the rows. By default the dates of y, or else of X, if
            they have any. If ``y[i]`` belongs to a later time than row i of X, pass
            these times, such as ``X.index + pd.Timedelta(hours=1)``.
        unit : str, default=None
            Unit of the values, for the axis.
        ax, truth_kw, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ForecastDisplay

        Raises
        ------
        ValueError
            As in :meth:`from_predictions`.
        """
        y_pred = estimator.predict(X)
        if index is None:
            index = dates_of(len(y_pred), y, X)
        classes = estimator.classes_ if is_classifier(estimator) else None
        options = {"index": index, "unit": unit, "classes": classes, "ax": ax}
        return cls.from_predictions(y, y_pred, truth_kw=truth_kw, **options, **line_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        index: Any = None,
        unit: str | None = None,
        classes: Any = None,
        ax: Any = None,
        truth_kw: dict[str, Any] | None = None,
        **line_kw: Any,
    ) -> ForecastDisplay:
        """Draw predictions that were made before, and the truth.

        If both are pandas objects and `index` is None, each is drawn at its own index,
        so that the forecast may begin and end at other times than the truth.

        Parameters
        ----------
        y_true : array-like of shape (n_true,) or (n_true, n_outputs) or None
            The truth. If it is an array, it belongs to the first n_true predictions.
        y_pred : array-like of shape (n_pred,) or (n_pred, n_outputs)
            The predictions.
        index : array-like of shape (n_pred,), default=None
            Dates or numbers of the predictions; the truth begins at the first of them.
            By default the index of `y_pred`, or else of a `y_true` of equal length.
        unit : str, default=None
            Unit of the values, for the axis.
        classes : array-like of shape (n_classes,), default=None
            The labels in their order from bottom to top. By default the sorted labels,
            if the values are not numbers.
        ax, truth_kw, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ForecastDisplay

        Raises
        ------
        ValueError
            If `y_true` and `y_pred` differ in their number of outputs, if the time of a
            row is unclear, or if rows are not in time order.
        ImportError
            If matplotlib is not installed.
        """
        truth, forecast = lay_in_time(y_true, y_pred, index)
        frames = [frame for frame in (truth, forecast) if frame is not None]
        columns = [f.iloc[:, i] for f in frames for i in range(f.shape[1])]
        values = pd.concat(columns, ignore_index=True)
        known = find_classes(values) if classes is None else classes
        classes = None if known is None else merge_classes(known, values)
        display = cls(y_true=truth, y_pred=forecast, unit=unit, classes=classes)
        return display.plot(ax, truth_kw=truth_kw, **line_kw)

    def plot(
        self, ax: Any = None, *, truth_kw: dict[str, Any] | None = None, **line_kw: Any
    ) -> ForecastDisplay:
        """Draw the truth in dark grey and the forecast in colour.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        truth_kw : dict, default=None
            Keywords for the lines of the truth.
        **line_kw : dict
            Keywords for the lines of the forecast. ``label`` is the forecast's name in
            the legend.

        Returns
        -------
        self : ForecastDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._take_axes(ax, figsize=(9, 4))
        self.truth_lines_ = (
            [] if self.y_true is None else self._draw_truth(ax, truth_kw)
        )
        self.forecast_lines_ = self._draw_forecast(ax, line_kw)
        self._name_axes(ax)
        ax.legend()
        return self

    def _draw_truth(self, ax, truth_kw) -> list[Any]:
        default = TRUTH if self.classes is None else TRUE_LABELS
        look = line_style(truth_kw, **{"label": "truth", **default})
        # Labels that begin with an underscore are not in the legend.
        later = {**look, "label": "_truth"}
        outputs = enumerate(self._curves(self.y_true))
        return [self._draw(ax, xy, look if i == 0 else later) for i, xy in outputs]

    def _draw_forecast(self, ax, line_kw) -> list[Any]:
        names = list(self.y_pred.columns)
        look = line_style(line_kw, label="forecast", linewidth=1.2)
        labels = [look.pop("label")] * len(names)
        if len(names) > 1:
            labels = [f"{label}: {n}" for label, n in zip(labels, names, strict=True)]
        looks = [
            {"color": colour, **look, "label": label}
            for colour, label in zip(free_colours(ax, len(names)), labels, strict=True)
        ]
        curves = zip(self._curves(self.y_pred), looks, strict=True)
        return [self._draw(ax, xy, one) for xy, one in curves]

    def _curves(self, frame: pd.DataFrame):
        """Times and values of each output; for labels, the numbers of their classes."""
        x = places_in_time(frame.index)
        for i in range(frame.shape[1]):
            column = frame.iloc[:, i]
            if self.classes is None:
                yield x, column.to_numpy(float, na_value=np.nan)
            else:
                yield x, encode_classes(column, self.classes)

    def _draw(self, ax, xy, look: dict[str, Any]):
        steps = {} if self.classes is None else {"drawstyle": "steps-mid"}
        return ax.plot(*xy, **{**steps, **look})[0]

    def _name_axes(self, ax) -> None:
        name_time_axis(ax, self.y_pred.index)
        if self.classes is not None:
            ax.set_yticks(range(len(self.classes)), [str(c) for c in self.classes])
            ax.set_ylim(-0.5, len(self.classes) - 0.5)
        name = self.y_pred.columns[0] if self.y_pred.shape[1] == 1 else ""
        unit = f"({self.unit})" if self.unit and name else self.unit
        ax.set_ylabel(" ".join(part for part in (name, unit) if part))
