"""Whether a state could take the place of another one: checks of `set_states`."""

from __future__ import annotations

import itertools

import numpy as np

from sklstm._rows.state import LARGEST, RecurrentState

_TAKE_ONE = "Take one from get_states() of an estimator fitted in the same way."


def check_fits(
    own: RecurrentState, other: RecurrentState, sequence_length: int, n_outputs: int
) -> None:
    """Raise ValueError unless a state could take the place of an estimator's own.

    Parameters
    ----------
    own : RecurrentState
        The estimator's state before any row.
    other : RecurrentState
        The one that is to take its place.
    sequence_length, n_outputs : int
        Of the estimator.
    """
    if own.is_by_series != other.is_by_series:
        kinds = ["one series with sliding windows", "a lane for each series"]
        raise ValueError(
            f"The state is one of {kinds[other.is_by_series]}, but this estimator's is"
            f" one of {kinds[own.is_by_series]}. {_TAKE_ONE}"
        )
    _check_series(own, other)
    _check_layers(own, other)
    if own.is_by_series:
        _check_fields_by_series(own, other, n_outputs)
    else:
        _check_fields(own, other, sequence_length, n_outputs)
    n_series = len(other.position) if other.is_by_series else 1
    if other.last_seen is not None and other.last_seen.shape != (n_series,):
        raise ValueError(
            f"The state has a last_seen of shape {other.last_seen.shape} for"
            f" {n_series} series. {_TAKE_ONE}"
        )
    check_values(other)


def _check_series(own: RecurrentState, other: RecurrentState) -> None:
    if (other.series is None) != (own.series is None):
        raise ValueError(
            f"The state is of series {_ids(other)}, but this estimator's are"
            f" {_ids(own)}. {_TAKE_ONE}"
        )
    if other.series is None:
        return
    n = len(other.position) if other.is_by_series else 1
    if len(other.series) != n or not other.series.is_unique:
        raise ValueError(
            f"The state has {n} lane(s), so it must name {n} different series, but it"
            f" names {_ids(other)}. {_TAKE_ONE}"
        )
    if not own.is_by_series and not other.series.equals(own.series):
        raise ValueError(
            f"The state is of the series {_ids(other)}, but this estimator follows"
            f" {_ids(own)}. {_TAKE_ONE}"
        )


def _ids(state: RecurrentState) -> str:
    if state.series is None:
        return "without names"
    return f"{list(state.series[:3])}{'...' if len(state.series) > 3 else ''}"


def _check_layers(own: RecurrentState, other: RecurrentState) -> None:
    shapes = own.shapes
    if own.is_by_series:
        # Named series may join and leave; one without a name has its lane.
        n = len(own.position) if own.series is None else len(other.position)
        shapes = tuple(tuple((n, *s[1:]) for s in layer) for layer in shapes)
    if other.shapes != shapes:
        sides = "(n_series, units)" if own.is_by_series else "(batch_size, units)"
        raise ValueError(
            f"The state has layers of shapes {other.shapes}, but this estimator's have"
            f" {shapes}: {sides} each. Pass a state from get_states() of an estimator"
            " with the same units and batch_size."
        )
    dtypes, expected = _dtypes(other), _dtypes(own)
    if dtypes != expected:
        raise ValueError(
            f"The state has layers of dtypes {dtypes}, but this estimator's have"
            f" {expected}. Convert them, for example with array.astype(np.float32)."
        )


def _dtypes(state: RecurrentState) -> tuple:
    return tuple(tuple(a.dtype.name for a in layer) for layer in state.layers)


def _check_fields(
    own: RecurrentState, other: RecurrentState, sequence_length: int, n_outputs: int
) -> None:
    n_features = own.context.shape[1]
    if other.context.ndim != 2 or other.context.shape[1] != n_features:
        raise ValueError(
            f"The state has a context of shape {other.context.shape}, but this"
            f" estimator was fitted on rows of {n_features} feature(s)."
        )
    if len(other.context) >= sequence_length:
        raise ValueError(
            f"The state has a context of {len(other.context)} rows, but windows of"
            f" sequence_length={sequence_length} reach back into at most"
            f" {sequence_length - 1}."
        )
    if other.last_output is not None and other.last_output.shape != (n_outputs,):
        raise ValueError(
            f"The state has a last_output of shape {other.last_output.shape}, but this"
            f" estimator's have shape {(n_outputs,)}."
        )


def _check_fields_by_series(
    own: RecurrentState, other: RecurrentState, n_outputs: int
) -> None:
    n = len(other.position)
    expected = own.context.shape
    if own.context.ndim == 3:
        expected = (n, *own.context.shape[1:])
    if other.context.shape != expected:
        raise ValueError(
            f"The state has a context of shape {other.context.shape}, but this"
            f" estimator's has shape {expected}."
        )
    output = other.last_output
    if output is not None and output.shape != (n, n_outputs):
        raise ValueError(
            f"The state has a last_output of shape {output.shape}, but this"
            f" estimator's have shape {(n, n_outputs)}."
        )


def check_values(state: RecurrentState) -> None:
    """Raise ValueError for a position that counts nothing, NaN or infinity."""
    if state.is_by_series:
        counts = (
            state.position.ndim == 1
            and state.position.dtype.kind in "iu"
            and bool((state.position >= 0).all())
        )
        if not counts:
            raise ValueError(
                "position must be the number of rows that each series has had, integers"
                f" of at least 0, got {state.position!r}."
            )
    elif type(state.position) is not int or state.position < 0:
        raise ValueError(
            "position must be the number of windows taken, an integer of at least 0,"
            f" got {state.position!r}."
        )
    last = () if state.last_output is None else (state.last_output,)
    if state.is_by_series and state.last_output is not None:
        last = (state.last_output[~np.isnan(state.last_output).all(axis=1)],)
    arrays = (*itertools.chain(*state.layers), state.context, *last)
    strange = [a.dtype.name for a in arrays if a.dtype.kind in "cOSUmM"]
    if strange:
        raise ValueError(
            f"The state holds arrays of dtype {', '.join(strange)}, which are no real"
            " numbers. Take one from get_states()."
        )
    if not all((np.abs(array) < LARGEST).all() for array in arrays):
        raise ValueError(
            "The state contains NaN or infinity, or a value too large for float32. Take"
            " one from get_states()."
        )
