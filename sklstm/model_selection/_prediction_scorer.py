"""Scores of predictions that were made before, by the scorers of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import get_scorer


class Echo(RegressorMixin, BaseEstimator):
    """Predicts what it is given, so that a scorer scores that."""

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def predict(self, X):
        """X itself."""
        return X


@dataclass(frozen=True, eq=False)
class PredictionScorer:
    """A scorer that needs predictions only.

    Parameters
    ----------
    scorer : callable
        ``scorer(estimator, X, y)``; higher is better.
    name : str
    """

    scorer: Callable
    name: str

    @classmethod
    def of(cls, scoring, is_labels: bool) -> PredictionScorer:
        """The scorer that `scoring` asks for.

        Raises
        ------
        TypeError
            If it is neither a name nor a callable.
        ValueError
            If there is no scorer of that name, or it needs probabilities.
        """
        if scoring is None:
            name = "accuracy" if is_labels else "neg_mean_absolute_error"
            return cls(get_scorer(name), name)
        if not isinstance(scoring, str) and not callable(scoring):
            raise TypeError(
                "scoring must be the name of one scorer, such as"
                " 'neg_mean_absolute_error', or a callable scoring(estimator, X, y);"
                f" got {scoring!r}."
            )
        name = scoring if isinstance(scoring, str) else ""
        scorer = get_scorer(scoring)
        found = cls(scorer, name or str(getattr(scoring, "__name__", "score")))
        found._check_needs_predictions()
        return found

    def __call__(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """The score of predictions, both of shape (n,)."""
        return one_number(self.scorer(Echo(), y_pred, y_true))

    def _check_needs_predictions(self) -> None:
        """Raise ValueError for a scorer that asks for probabilities, before any fit."""
        sample = np.array([1.0, 2.0])
        try:
            self.scorer(Echo(), sample, sample)
        except Exception as error:
            asked = ("predict_proba", "decision_function")
            if any(method in str(error) for method in asked):
                raise ValueError(
                    f"scoring={self.name!r} needs probabilities, but backtest keeps"
                    " predictions. Use a scorer of predictions, such as 'accuracy' or"
                    " 'neg_mean_absolute_error'."
                ) from error
            # Others are about the sample, and may do for the predictions.


def one_number(score) -> float:
    """A score as a float; TypeError if it is none."""
    if np.ndim(score) or np.asarray(score).dtype.kind not in "biuf":
        raise TypeError(f"scoring must return one number, got {score!r}.")
    return float(score)
