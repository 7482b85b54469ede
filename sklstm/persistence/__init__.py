"""Fitted estimators to a file and back: data only, no pickle and no code.

Owns what of an estimator goes into a file. `describe` takes an estimator apart into a
header of JSON and named arrays, `rebuild` puts it together again; `write` and `read`
are the file, for whoever has a header and arrays of another kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from sklstm._archive import Arrays, PersistenceError, read, write
from sklstm._later import is_index
from sklstm._network.architecture import StackedLSTM, UserNetwork
from sklstm._network.losses import is_pinball
from sklstm._network.targets import ClassTarget, ContinuousTarget, QuantileTarget
from sklstm._rows.state import RecurrentState
from sklstm._rows.training_rows import TrainingRows
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe, compiled_choices
from sklstm.persistence._keras_config import NotDataError
from sklstm.persistence._plain import encode, encode_array, encode_each, what_is
from sklstm.persistence._rebuilding import OPTIONAL, ROUTED_METHODS, rebuild
from sklstm.persistence._saved_encoder import put_encoder
from sklstm.persistence._saved_recipe import PARTS
from sklstm.persistence._series_ids import IdsWriter
from sklstm.persistence._versions import versions, warn_of_keras

__all__ = ["PersistenceError"]


def save(estimator, path) -> None:
    """Write a fitted estimator to one file.

    Parameters
    ----------
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier
    path : str or path-like

    Raises
    ------
    sklearn.exceptions.NotFittedError, PersistenceError, OSError
        As the method of the estimators does.
    """
    write(path, *describe(estimator))


def load(cls: type, path, objects: Mapping[str, Any]):
    """Read an estimator of class `cls` back from a file.

    Parameters
    ----------
    cls : type
    path : str or path-like
    objects : mapping
        By name of the parameter, what could not be saved.

    Returns
    -------
    estimator : object
        A fitted `cls`.

    Raises
    ------
    PersistenceError, FileNotFoundError, TypeError
        As the method of the estimators does.

    Warns
    -----
    UserWarning
        Where callbacks or a random state could not be saved and are not in `objects`,
        and where another minor version of Keras builds the network of a model function.
    """
    header, arrays = read(path)
    try:
        estimator = rebuild(cls, header, arrays, objects)
    except PersistenceError as error:
        raise PersistenceError(f"{str(path)!r} {error}") from error.__cause__
    if isinstance(estimator._fitted.recipe.network, UserNetwork):
        warn_of_keras(header.get("versions") or {}, path)
    warn_of_lacking(path, header, objects, stacklevel=4)
    return estimator


def warn_of_lacking(
    path, header: Mapping[str, Any], objects: Mapping[str, Any], stacklevel: int
) -> None:
    """Warn of what a file lacks that only training needs, as far as it is not given."""
    for name in OPTIONAL:
        if name in header["lacking"] and name not in objects:
            warnings.warn(
                f"{str(path)!r} was saved without {name}, since"
                f" {header['lacking'][name]} is no plain data: {name}=None. Predictions"
                f" do not need it; to train with it, pass load(path, {name}=...).",
                stacklevel=stacklevel,
            )


def describe(estimator) -> tuple[dict[str, Any], Arrays]:
    """What a fitted estimator is made of, as JSON and as arrays.

    Parameters
    ----------
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier

    Returns
    -------
    header : dict
        Class, parameters, recipe and shapes; ``lacking`` names what is no data.
    arrays : dict of str to ndarray
        Weights, optimizer slots, states, history, ids of series, what an encoder has
        learnt, and rows that wait to be trained on.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If there is nothing to save yet.
    PersistenceError
        For labels that are neither numbers nor strings, for ids of series that are no
        data, and for an entry of the history that is no number.
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator)
    fitted, arrays = estimator._fitted, Arrays()
    recipe, learnt = fitted.recipe, fitted.parameters
    _put(arrays, "weights", learnt.weights)
    _put(arrays, "seeds", learnt.seeds)
    _put(arrays, "slots", learnt.slots)
    _put(arrays, "initial_weights", fitted.initial.weights)
    lacking: dict[str, str] = {}
    header = {
        "class": type(estimator).__name__,
        "versions": versions(),
        "parameters": _encoded(estimator.get_params(deep=False), lacking),
        "routing": _describe_routing(estimator),
        "output": vars(estimator).get("_sklearn_output_config", {}).get("transform"),
        "network": _describe_network(recipe.network, lacking),
        "target": _describe_target(fitted.target, lacking),
        "training": {
            **_describe_training(recipe, lacking),
            "epochs": int(fitted.epochs),
            "share": float(fitted.share),
        },
        "history": _put_history(arrays, fitted.history),
        **put_record(arrays, fitted),
        "lacking": lacking,
    }
    return header, arrays


def put_record(arrays: Arrays, fitted: Fitted) -> dict[str, Any]:
    """What a fit knows of rows and series, and its states; the arrays go into `arrays`.

    That is all which a predictor changes of what was saved.
    """
    ids = IdsWriter(arrays)
    return {
        "input": _put_input(arrays, ids, fitted),
        "encoder": put_encoder(arrays, ids, fitted.encoder),
        "states": _put_states(arrays, ids, fitted),
        "series": ids.described,
    }


def _encoded(
    values: Mapping[str, Any], lacking: dict[str, str], prefix: str = ""
) -> dict[str, Any]:
    """Values as JSON; what is no data is left out and added to `lacking`."""
    encoded, left_out = encode_each(values)
    lacking |= {prefix + name: what for name, what in left_out.items()}
    return encoded


def _describe_routing(estimator) -> dict[str, Any]:
    """What `set_fit_request` and its like were told."""
    asked = vars(estimator).get("_metadata_request")
    methods = {name: getattr(asked, name, None) for name in ROUTED_METHODS}
    return {
        name: {what: v for what, v in method.requests.items() if v is not None}
        for name, method in methods.items()
        if method is not None
    }


def _describe_network(
    network: StackedLSTM | UserNetwork, lacking: dict[str, str]
) -> dict[str, Any]:
    if isinstance(network, StackedLSTM):
        return {"kind": "stacked", **asdict(network), "units": list(network.units)}
    function, arguments, _ = network.function.args  # type: ignore[attr-defined]
    lacking["model"] = what_is(function)
    meta, plain = dict(network.meta), dict(arguments)
    # what scikeras passes on beside the keywords `model__name`
    compile_kwargs = plain.pop("compile_kwargs", None)
    params = plain.pop("params", None)
    return {
        "kind": "function",
        "batch_size": network.batch_size,
        "sequence_length": meta["sequence_length"],
        "n_features": meta["n_features_in_"],
        "return_sequences": bool(meta["return_sequences"]),
        "arguments": {
            "names": list(plain),
            "given": _encoded(plain, lacking, "model__"),
        },
        "compile_kwargs": compile_kwargs and _encoded(compile_kwargs, lacking),
        "params": params and {"names": list(params), "given": encode_each(params)[0]},
    }


def _describe_target(
    target: ContinuousTarget | ClassTarget, lacking: dict[str, str]
) -> dict[str, Any]:
    if isinstance(target, ContinuousTarget):
        levels = {}
        if isinstance(target, QuantileTarget):
            levels = {"quantiles": list(target.quantiles)}
        return {
            "kind": "quantiles" if levels else "continuous",
            "n_outputs": int(target.n_outputs),
            "is_1d": bool(target.is_1d),
            "dtype": target.dtype.str,
            **levels,
        }
    try:
        classes = encode_array(target.classes)
    except NotDataError:
        raise PersistenceError(
            f"Labels of dtype {target.classes.dtype} cannot be saved: a file holds"
            " strings, integers, floats and bools. Fit on such labels, for example"
            " y.astype(str)."
        ) from None
    loss = _encoded({"loss": target.loss}, lacking)
    return {"kind": "classes", "classes": classes, **loss}


def _describe_training(recipe: Recipe, lacking: dict[str, str]) -> dict[str, Any]:
    parts = {part: getattr(recipe, part) for part in PARTS}
    if is_pinball(recipe.loss):
        parts["loss"] = "quantile"  # with the levels of the target
    encoded, left_out = encode_each(parts)
    asked_rate = encode(recipe.asked_rate)
    if left_out.keys() - lacking.keys() and isinstance(recipe.network, UserNetwork):
        made = compiled_choices(recipe.network.build())
        left_out = {n: what for n, what in left_out.items() if n not in made}
    for part, what in left_out.items():
        lacking.setdefault(part, what)
    carries_state = bool(recipe.carries_state)
    return {**encoded, "asked_rate": asked_rate, "carries_state": carries_state}


def _put_input(arrays: Arrays, ids: IdsWriter, fitted) -> dict[str, Any]:
    """What X looked like; ids and labels of the training rows go into `arrays`."""
    shape, rows = fitted.input_shape, fitted.training_rows
    names = shape.feature_names
    return {
        "n_dimensions": int(shape.n_dimensions),
        "n_features": int(shape.n_features),
        "feature_names": None if names is None else list(map(str, names)),
        "series_id": _encode_columns(shape.series_id),
        "is_sequences": bool(shape.is_sequences),
        "dtype": shape.dtype,
        "n_windows": int(fitted.n_windows),
        "n_dropped_rows": int(fitted.n_dropped),
        "training_rows": rows and _put_training_rows(arrays, ids, rows),
        "axis": fitted.axis and asdict(fitted.axis),
    }


def _encode_columns(series_id: Any) -> Any:
    """The columns that tell series apart; an index of them as a list."""
    return encode(list(series_id) if is_index(series_id) else series_id)


def _put_training_rows(
    arrays: Arrays, ids: IdsWriter, rows: TrainingRows
) -> dict[str, Any]:
    arrays["training_rows/lengths"] = np.asarray(rows.lengths, np.int64)
    arrays["training_rows/digests"] = np.asarray(rows.digests, np.uint8)
    has_labels = rows.first is not None and rows.last is not None
    if has_labels:
        arrays["training_rows/first"] = np.asarray(rows.first, np.int64)
        arrays["training_rows/last"] = np.asarray(rows.last, np.int64)
    return {
        "n_dropped": int(rows.n_dropped),
        "start_position": int(rows.start_position),
        "series": ids.put(rows.series),
        "has_labels": has_labels,
    }


def _put(arrays: Arrays, name: str, values: Iterable[np.ndarray]) -> None:
    arrays |= {f"{name}/{i}": np.asarray(value) for i, value in enumerate(values)}


def _put_history(arrays: Arrays, history: Mapping[str, list]) -> list[str]:
    """The names of a history, whose numbers go into `arrays`."""
    for i, (name, values) in enumerate(history.items()):
        try:
            arrays[f"history/{i}"] = np.array(values, np.float64).reshape(len(values))
        except (TypeError, ValueError):
            raise PersistenceError(
                f"history_[{name!r}] holds what a callback has logged and is no number,"
                " which a file cannot keep. Delete it from history_ before saving."
            ) from None
    return list(map(str, history))


def _put_states(arrays: Arrays, ids: IdsWriter, fitted) -> dict[str, Any]:
    """What is no array of each state by name; the rest goes into `arrays`."""
    states = {"state": fitted.state, "seeded": fitted.seeded}
    rows = fitted.waiting
    if rows is not None:
        states["waiting"] = rows.before
        for name in ("X", "targets", "weights"):
            arrays[f"waiting/{name}"] = getattr(rows, name)
    return {
        name: {**_put_state(arrays, name, state), "series": ids.put(state.series)}
        for name, state in states.items()
    }


def _put_state(arrays: Arrays, name: str, state: RecurrentState) -> dict[str, Any]:
    for i, layer in enumerate(state.layers):
        _put(arrays, f"{name}/{i}", layer)
    arrays[f"{name}/context"] = state.context
    if state.last_output is not None:
        arrays[f"{name}/last_output"] = state.last_output
    if state.last_seen is not None:
        arrays[f"{name}/last_seen"] = np.asarray(state.last_seen, np.int64)
    if state.is_by_series:
        arrays[f"{name}/position"] = np.asarray(state.position, np.int64)
    return {
        "position": None if state.is_by_series else int(state.position),
        "has_output": state.last_output is not None,
        "has_last_seen": state.last_seen is not None,
    }
