"""Conformal estimators to a file of data and back, without pickle.

The file holds the estimator inside as `sklstm.persistence` describes it, and beside it
scores, levels and forecasts under way. Only estimators of this package can be described
as data, so only around these alone a conformal estimator can be saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sklstm._archive import Arrays
from sklstm._estimator.base import BaseStatefulLSTM
from sklstm.classifier import StatefulLSTMClassifier
from sklstm.intervals._fed import FedForecasts, put_records, records_of
from sklstm.intervals._levels import N_STEP_SIZES, Levels
from sklstm.intervals._moment import Moment
from sklstm.intervals._online import Online
from sklstm.intervals._saved_checks import check_cells, check_fed, check_moment
from sklstm.intervals._scores import OuterErrors
from sklstm.intervals._tracker import NEWEST, Cells, Tracker
from sklstm.model_selection._target import Cell, Lag
from sklstm.persistence import (
    PersistenceError,
    describe,
    read,
    rebuild,
    warn_of_lacking,
    write,
)
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_anything,
    is_bool,
    is_count,
    is_dict,
    is_list_of,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._keras_config import NotDataError
from sklstm.persistence._plain import decode, decode_each, encode_array, encode_each
from sklstm.persistence._series_ids import IdsWriter, ids_of, take_ids
from sklstm.regressor import StatefulLSTMRegressor

INSIDE = {one.__name__: one for one in (StatefulLSTMRegressor, StatefulLSTMClassifier)}
Shape = tuple[int | None, ...]


def save(conformal: Any, path) -> None:
    """Write a fitted conformal estimator to one file.

    Raises
    ------
    sklearn.exceptions.NotFittedError, PersistenceError, OSError
        As the method of the estimators says.
    """
    check_is_fitted(conformal)
    _check_inside(conformal)
    arrays: Arrays = {}
    header = {
        "class": type(conformal).__name__,
        "parameters": _parameters(conformal),
        "inside": _put_estimator(arrays, "inside", conformal.estimator_),
        "facts": conformal._facts(),
    }
    ids = IdsWriter(arrays)
    for name in ("now", "begun"):
        moment = conformal._moment if name == "now" else conformal._begun
        header[name] = _put_moment(arrays, ids, name, moment, conformal)
    header["series"] = ids.described
    write(path, header, arrays)


def load(cls: type, path, objects: Mapping[str, Any]):
    """Read a conformal estimator of class `cls` back from a file.

    Raises
    ------
    PersistenceError, FileNotFoundError, TypeError
        As the method of the estimators says.
    """
    header, arrays = read(path)
    try:
        conformal = _rebuilt(cls, header, arrays, objects)
    except PersistenceError as error:
        raise PersistenceError(f"{str(path)!r} {error}") from error.__cause__
    warn_of_lacking(path, header["inside"], objects, stacklevel=4)
    return conformal


# --- to a file ------------------------------------------------------------------------


def _check_inside(conformal: Any) -> None:
    if type(conformal.estimator_).__name__ in INSIDE and isinstance(
        conformal.estimator_, BaseStatefulLSTM
    ):
        return
    raise PersistenceError(
        f"{type(conformal).__name__} around a {type(conformal.estimator_).__name__}"
        " cannot be saved: a file holds data only, and of estimators those of this"
        " package alone, not composites or estimators of others. Put a"
        " StatefulLSTMRegressor or StatefulLSTMClassifier directly inside, or use"
        " pickle or joblib, whose files run code when they are loaded."
    )


def _parameters(conformal: Any) -> dict[str, Any]:
    values = conformal.get_params(deep=False)
    del values["estimator"]  # a clone of the fitted one
    encoded, left_out = encode_each(values)
    if left_out:
        raise PersistenceError(f"The parameters {left_out} are no plain data.")
    return encoded


def _put_estimator(arrays: Arrays, name: str, estimator: Any) -> dict[str, Any]:
    header, own = describe(estimator)
    arrays |= {f"{name}/{key}": array for key, array in own.items()}
    return header


def _put_moment(
    arrays: Arrays, ids: IdsWriter, name: str, moment: Moment, conformal: Any
) -> dict[str, Any]:
    online, fed = moment.online, moment.fed
    trackers = [*online.trackers, online.pooled]
    for part in _SHAPES:
        owner = Levels if part in _OF_LEVELS else Tracker
        values = [
            getattr(one.levels if owner is Levels else one, part) for one in trackers
        ]
        arrays[f"{name}/{part}"] = np.stack(values)
    return {
        "series": ids.put(online.ids),
        "cells": {
            "n_sides": online.cells.scores.n_sides,
            "coverage": online.cells.coverage,
            "steps": online.cells.steps.tolist(),
            "columns": online.cells.columns.tolist(),
            "late": online.cells.late.tolist(),
        },
        "fed": fed and _put_fed(arrays, ids, f"{name}/fed", fed, conformal),
    }


_OF_LEVELS = ("misses", "gains", "squares", "largest")
_SHAPES = (*_OF_LEVELS, "unit", "newest", "placed", "made", "told")


def _put_fed(
    arrays: Arrays, ids: IdsWriter, name: str, fed: FedForecasts, conformal: Any
) -> dict[str, Any]:
    """The rows of forecasts under way, and the estimator in the state before them."""
    before = conformal._copy
    put_records(before, fed.records or ())
    return {
        "cells": [list(cell) for cell in fed.cells],
        "lags": [list(lag) for lag in fed.lags],
        "inside": _put_estimator(arrays, f"{name}/inside", before),
        "rows": None if fed.rows is None else _put_rows(arrays, ids, name, fed.rows),
    }


def _put_rows(arrays: Arrays, ids: IdsWriter, name: str, rows: Any) -> dict[str, Any]:
    if not isinstance(rows, pd.DataFrame):
        values = np.asarray(rows)
        if values.dtype.kind not in "fiu":
            values = values.astype(np.float64)
        arrays[f"{name}/rows"] = values
        return {"is_frame": False}
    try:
        columns = [
            encode_array(rows.iloc[:, k].to_numpy()) for k in range(rows.shape[1])
        ]
        names = encode_array(np.array([str(column) for column in rows.columns]))
    except NotDataError:
        raise PersistenceError(
            "The newest rows cannot be saved: a file holds columns of numbers and"
            " strings, with names that are strings. Convert them before fit."
        ) from None
    if any(not isinstance(column, str) for column in rows.columns):
        raise PersistenceError(
            "The newest rows cannot be saved: the names of their columns must be"
            " strings. Rename them before fit."
        )
    is_plain = isinstance(rows.index, pd.RangeIndex)
    levels = [rows.index.get_level_values(i) for i in range(rows.index.nlevels)]
    numbered = pd.MultiIndex.from_arrays([*levels, np.arange(len(rows))])
    return {
        "is_frame": True,
        "columns": columns,
        "names": names,
        "index": None if is_plain else _put_index(arrays, name, numbered, rows),
    }


def _put_index(
    arrays: Arrays, name: str, numbered: pd.MultiIndex, rows: pd.DataFrame
) -> dict[str, Any]:
    """An index, with a number in its last level that makes its entries differ."""
    own: Arrays = {}
    writer = IdsWriter(own)
    writer.put(numbered.set_names([*rows.index.names, None]))
    arrays |= {f"{name}/index/{key}": array for key, array in own.items()}
    return {"levels": writer.described}


# --- from a file ----------------------------------------------------------------------


def _rebuilt(cls: type, header: Any, arrays: Arrays, objects: Mapping[str, Any]):
    found = header.get("class") if isinstance(header, dict) else None
    if found != cls.__name__:
        raise PersistenceError(
            f"holds {'no estimator' if found is None else repr(found)}, not a"
            f" {cls.__name__!r}. Call load of the class that saved it."
        )
    fields = Fields(header, "its header")
    inside = _take_estimator(fields.within("inside"), arrays, "inside", objects)
    with refusing("its parameters do not suit the class"):
        values = decode_each(fields.take("parameters", is_dict))
        conformal = cls(clone(inside), **values)
    conformal.estimator_ = inside
    conformal._set_facts(fields.within("facts"))
    cells = conformal._cells
    check_cells(conformal, cells)
    own = {k: a for k, a in arrays.items() if "inside/" not in k and "/index/" not in k}
    store = Store(own)
    described = fields.take("series", is_list_of(is_list_of(is_anything)))
    ids = take_ids(store, described)
    for name in ("now", "begun"):
        part = fields.within(name)
        online = _take_online(part, store, name, ids, conformal)
        fed = None
        if part.take("fed", or_none(is_dict)) is not None:
            fed = _take_fed(part.within("fed"), store, arrays, name, objects, conformal)
        moment = Moment(online, fed)
        check_moment(conformal, cells, moment)
        setattr(conformal, "_moment" if name == "now" else "_begun", moment)
    store.close()
    return conformal


def _take_estimator(
    fields: Fields, arrays: Arrays, name: str, objects: Mapping[str, Any]
):
    kind = INSIDE[fields.take("class", one_of(*INSIDE))]
    prefix = f"{name}/"
    own = {k[len(prefix) :]: a for k, a in arrays.items() if k.startswith(prefix)}
    return rebuild(kind, fields.values, own, objects)


def _take_online(
    fields: Fields, store: Store, name: str, ids: list[pd.Index], conformal: Any
) -> Online:
    cells = _take_cells(fields.within("cells"))
    known = ids_of(fields, ids)
    n = (1 if known is None else len(known)) + 1
    n_columns = conformal._n_columns()
    longest, sides = int(cells.steps.max()), cells.scores.n_sides
    experts: Shape = (n, cells.n, sides, N_STEP_SIZES)
    shapes: dict[str, Shape] = {
        "misses": experts,
        "gains": experts,
        "squares": experts,
        "largest": experts[:3],
        "unit": (n, cells.n),
        "newest": (n, cells.n, sides, NEWEST),
        "placed": (n, longest, *experts[1:]),
        "made": (n, longest, cells.n, 2),
        "told": (n, int(cells.late.max()), n_columns),
    }
    if cells.columns.max() >= n_columns:
        raise damaged("the columns of its cells", cells.columns.tolist())
    parts = {k: store.take(f"{name}/{k}", s, "float64") for k, s in shapes.items()}
    trackers = []
    for i in range(n):
        one = {k: array[i] for k, array in parts.items()}
        of_levels = [one.pop(k) for k in _OF_LEVELS]
        levels = Levels(cells.target, cells.steps, *of_levels)
        trackers.append(Tracker(cells, levels=levels, **one))
    return Online(cells, known, tuple(trackers[:-1]), trackers[-1])


def _take_cells(fields: Fields) -> Cells:
    numbers = is_list_of(is_count)
    steps, columns, late = (
        np.array(fields.take(name, numbers), np.int64)
        for name in ("steps", "columns", "late")
    )
    coverage = fields.take("coverage", lambda v: type(v) is float and 0 < v < 1)
    n_sides = fields.take("n_sides", one_of(1, 2))
    is_whole = len(steps) == len(columns) == len(late) > 0 and steps.min() > 0
    if not is_whole or max(steps.max(), late.max()) > 10**6:
        raise damaged("the steps of its cells", steps.tolist())
    return Cells(OuterErrors(n_sides), coverage, steps, columns, late)


def _take_fed(
    fields: Fields,
    store: Store,
    arrays: Arrays,
    name: str,
    objects: Mapping[str, Any],
    conformal: Any,
) -> FedForecasts:
    cells = [Cell(*one) for one in fields.take("cells", is_list_of(_is_triple))]
    lags = tuple(Lag(*one) for one in fields.take("lags", is_list_of(_is_triple)))
    n_columns, n_features = conformal._n_columns(), conformal.n_features_in_
    in_range = [one.column < n_columns for one in cells]
    in_range += [lag.column < n_features and lag.of < n_columns for lag in lags]
    if not all(in_range) or not cells or max(cell.later for cell in cells) == 0:
        raise damaged("what its forecasts are fed", [*cells, *lags])
    place = f"{name}/fed"
    inside = fields.within("inside")
    conformal._copy = _take_estimator(inside, arrays, f"{place}/inside", objects)
    rows = None
    if fields.take("rows", or_none(is_dict)) is not None:
        rows = _take_rows(fields.within("rows"), store, arrays, place)
    check_fed(conformal, rows)
    return FedForecasts(cells, lags, rows, records_of(conformal._copy))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _is_triple(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(is_count, value))


def _take_rows(fields: Fields, store: Store, arrays: Arrays, name: str) -> Any:
    if not fields.take("is_frame", is_bool):
        return store.take(f"{name}/rows", (None, None), "fiu")
    columns = [decode(one) for one in fields.take("columns", is_list_of(is_dict))]
    names = decode(fields.take("names", is_dict))
    shapes = {np.shape(one) for one in columns}
    is_whole = all(map(_is_array, [names, *columns])) and len(names) == len(columns)
    if not is_whole or len(shapes) != 1:
        raise damaged("the columns of its newest rows", len(columns))
    table = pd.DataFrame(dict(enumerate(columns)))
    table.columns = pd.Index(names.tolist())
    if fields.take("index", or_none(is_dict)) is None:
        return table
    prefix = f"{name}/index/"
    own = {k[len(prefix) :]: a for k, a in arrays.items() if k.startswith(prefix)}
    inner = Store(own)
    levels = fields.within("index").take("levels", is_list_of(is_list_of(is_anything)))
    indexes = take_ids(inner, levels)
    inner.close()
    if len(indexes) != 1 or len(indexes[0]) != len(table) or indexes[0].nlevels < 2:
        raise damaged("the index of its newest rows", len(indexes))
    table.index = pd.MultiIndex.droplevel(indexes[0], -1)  # type: ignore[arg-type]
    return table
