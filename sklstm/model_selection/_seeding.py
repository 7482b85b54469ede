"""The stateful estimators inside an unfitted one, and the seeds they are given."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm.streaming._composite import BAGS


def find_stateful(estimator) -> list[str]:
    """Prefixes of the parameters of the stateful estimators inside `estimator`."""
    found = networks_in(estimator)
    if not found:
        raise TypeError(
            "compare_states takes a StatefulLSTMRegressor or StatefulLSTMClassifier,"
            " alone, as a step of a Pipeline, inside a TransformedTargetRegressor, in"
            " a Voting or Bagging ensemble, or in a search; found none in"
            f" {estimator!r}."
        )
    return found


def networks_in(estimator) -> list[str]:
    """The same, empty where there are none."""
    parts = parts_of(estimator)
    return [name for name, part in parts if isinstance(part, BaseStatefulLSTM)]


def parts_of(estimator) -> list[tuple[str, Any]]:
    """Everything inside `estimator`, itself too, by the prefix of its parameters."""
    inside = estimator.get_params() if hasattr(estimator, "get_params") else {}
    return [("", estimator), *((f"{name}__", part) for name, part in inside.items())]


def seeded(estimator, places: list[str], seed: int):
    """A clone of `estimator` in which every ``random_state`` in `places` is seeded.

    Of n members of an ensemble the k-th has the seed ``n * seed + k``, so that they
    differ from one another, and from those of other seeds. A bagging ensemble draws
    the seeds of its members itself.
    """
    bags = [name for name, part in parts_of(estimator) if isinstance(part, BAGS)]
    seeds = {f"{bag}random_state": seed for bag in bags}
    for k, place in enumerate(places):
        seeds[f"{place}random_state"] = len(places) * seed + k
    return clone(estimator).set_params(**seeds)
