"""What stands between rows and a network, as a part of a header and arrays, and back.

An encoder that was read back suits the rows and the target of its estimator: every
array has the shape that follows from these, all numbers are finite, and nothing is
divided by zero. Whether it suits the network is checked where that is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sklstm._archive import Arrays
from sklstm._encoding.linear_skip import LinearSkip
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._encoding.scale import Scale
from sklstm._later import pd
from sklstm._network.targets import ClassTarget, ContinuousTarget, QuantileTarget
from sklstm.persistence._checked import (
    LARGEST_SIDE,
    Fields,
    Store,
    damaged,
    is_count,
    is_list_of,
    is_side,
    one_of,
    or_none,
)
from sklstm.persistence._series_ids import IdsWriter, ids_of

_SCALES = ("x_scale", "y_scale", "shown")


# --- to a header and arrays -----------------------------------------------------------


def put_encoder(
    arrays: Arrays, ids: IdsWriter, encoder: RowEncoder | None
) -> dict[str, Any] | None:
    """What is no array of an encoder; the rest goes into `arrays`."""
    if encoder is None:
        return None
    scales = {name: getattr(encoder, name) for name in _SCALES}
    scales = {name: scale for name, scale in scales.items() if scale is not None}
    numbers = {"residual": encoder.residual}
    for name, scale in scales.items():
        numbers |= {f"{name}/mean": scale.mean, f"{name}/deviation": scale.deviation}
    if encoder.spread is not None:
        numbers["spread"] = encoder.spread
    skip = encoder.skip
    if skip is not None:
        numbers |= {"skip/weights": skip.weights, "skip/intercept": skip.intercept}
    arrays |= {f"encoder/{n}": np.asarray(v, np.float64) for n, v in numbers.items()}
    for name in ("ties", "ahead"):
        arrays[f"encoder/{name}"] = np.asarray(getattr(encoder, name), np.int64)
    return {
        "series": ids.put(encoder.series),
        "scales": list(scales),
        "lags": None if skip is None else list(map(int, skip.lags)),
    }


# --- from a header and arrays ---------------------------------------------------------


def take_encoder(
    header: Fields,
    store: Store,
    ids: Sequence[pd.Index],
    target: ContinuousTarget | ClassTarget,
) -> RowEncoder | None:
    """The encoder of a file; None where there is none, as in files of format 1.

    Parameters
    ----------
    header : Fields
    store : Store
    ids : sequence of Index
        All ids of the file.
    target : ContinuousTarget or ClassTarget

    Raises
    ------
    PersistenceError
        For what `put_encoder` does not write of the encoder of a fit.
    """
    if header.values.get("encoder") is None:
        return None
    fields = header.within("encoder")
    n_features = header.within("input").take("n_features", is_side)
    n_outputs, series = target.n_outputs, ids_of(fields, ids)
    lags = fields.take("lags", or_none(_are_lags))
    names = fields.take("scales", is_list_of(one_of(*_SCALES)))
    _check_scales(names, isinstance(target, ClassTarget), lags is not None)
    n_scales = 1 if series is None else len(series) + 1
    widths = {"x_scale": n_features, "y_scale": n_outputs}
    scales = {
        name: _take_scale(store, name, (n_scales, width)) if name in names else None
        for name, width in widths.items()
    }
    encoder = RowEncoder(
        n_features=n_features,
        n_outputs=n_outputs,
        series=series,
        skip=None if lags is None else _take_skip(store, lags, n_features, n_outputs),
        ties=_take_ties(store, n_features, n_outputs),
        ahead=_take_ahead(store, n_outputs),
        residual=_take_positive(store, "residual", (n_outputs,)),
        spread=None if lags is None else _take_spread(store, target),
        **scales,
    )
    if "shown" not in names:
        return encoder
    shape = (1, encoder.n_inputs - encoder.n_skip)
    return replace(encoder, shown=_take_scale(store, "shown", shape))


def _check_scales(names: list[str], of_classes: bool, has_skip: bool) -> None:
    """Raise unless there are the scales that `fit` learns together, each once."""
    is_there = {
        "x_scale": "x_scale" in names,
        "y_scale": "x_scale" in names and not of_classes,
        "shown": has_skip,
    }
    if names != [name for name in _SCALES if is_there[name]]:
        raise damaged("scales in encoder, which do not go together", names)


def _take_scale(store: Store, name: str, shape: tuple[int, int]) -> Scale:
    return Scale(
        _take_finite(store, f"{name}/mean", shape),
        _take_positive(store, f"{name}/deviation", shape),
    )


def _take_skip(
    store: Store, lags: list[int], n_features: int, n_outputs: int
) -> LinearSkip:
    shape = (len(lags), n_features, n_outputs)
    return LinearSkip(
        tuple(lags),
        _take_finite(store, "skip/weights", shape),
        _take_finite(store, "skip/intercept", (n_outputs,)),
    )


def _take_spread(
    store: Store, target: ContinuousTarget | ClassTarget
) -> np.ndarray | None:
    """Offsets of quantiles in ascending order; None for other targets."""
    if not isinstance(target, QuantileTarget):
        return None
    spread = _take_finite(store, "spread", (target.n_outputs, target.n_quantiles))
    if (np.diff(spread, axis=1) < 0).any():
        raise damaged("the spread of its quantiles, which cross", spread.tolist())
    return spread


def _take_ties(store: Store, n_features: int, n_outputs: int) -> np.ndarray:
    ties = store.take("encoder/ties", (n_outputs,), "int64")
    if ((ties < -1) | (ties >= n_features)).any():
        raise damaged("the columns that its targets go on with", ties.tolist())
    return ties


def _take_ahead(store: Store, n_outputs: int) -> np.ndarray:
    ahead = store.take("encoder/ahead", (n_outputs,), "int64")
    if (ahead < 1).any():
        raise damaged("how many rows ahead its targets are", ahead.tolist())
    return ahead


def _take_positive(store: Store, name: str, shape: tuple[int, ...]) -> np.ndarray:
    numbers = _take_finite(store, name, shape)
    if (numbers <= 0).any():
        raise damaged(f"a deviation in encoder/{name}", float(numbers.min()))
    return numbers


def _take_finite(store: Store, name: str, shape: tuple[int, ...]) -> np.ndarray:
    numbers = store.take(f"encoder/{name}", shape, "float64")
    is_finite = np.isfinite(numbers)
    if not is_finite.all():
        raise damaged(f"a number in encoder/{name}", float(numbers[~is_finite][0]))
    return numbers


def _are_lags(value: Any) -> bool:
    """Whether `value` is a list of one or more lags in ascending order, each once."""
    if not is_list_of(is_count)(value) or not value:
        return False
    rises = all(before < after for before, after in itertools.pairwise(value))
    return rises and value[-1] < LARGEST_SIDE
