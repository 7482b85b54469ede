"""The walk to rows held out, when epochs are chosen, begins shortly before them."""

from __future__ import annotations

import numpy as np
from helpers import make_rows

import sklstm._estimator.choosing_epochs as choosing_epochs
from sklstm import StatefulLSTMRegressor
from sklstm._training.train import WalkedValidation


def held_out(codes: list[int], rows: list[int]) -> WalkedValidation:
    """Rows numbered from 0, of series that lie one after the other."""
    X = np.arange(len(codes), dtype=np.float32)[:, np.newaxis]
    begins = np.diff(codes, prepend=-1) != 0
    layers = ((np.zeros((max(codes) + 1, 2), np.float32),),)
    n = len(rows)
    numbers = np.zeros((n, 1)), np.ones(n)
    return WalkedValidation(
        None, X, np.array(codes), begins, layers, np.array(rows), *numbers
    )


def test_begun_before_keeps_so_many_rows_of_each_series_before_those_held_out():
    whole = held_out([0] * 6 + [1] * 3 + [2] * 5, [4, 5, 8, 13])
    short = whole.begun_before(2)
    assert short.X[:, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 11, 12, 13]
    assert short.codes.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert short.X[short.rows, 0].tolist() == [4, 5, 8, 13]


def test_begun_before_passes_over_series_of_which_no_row_is_held_out():
    short = held_out([0] * 3 + [1] * 4, [6]).begun_before(1)
    assert short.X[:, 0].tolist() == [5, 6]
    assert short.rows.tolist() == [1]


def test_epochs_chosen_after_a_short_walk_are_those_of_the_whole_one(monkeypatch):
    """The state forgets where it began long before the first row held out."""
    walk = make_rows(301, 1, seed=3).cumsum(axis=0)
    errors = []
    for n_rows in (100, 1000):
        monkeypatch.setattr(choosing_epochs, "WALKED_BEFORE", n_rows)
        seen: dict[int, float] = {}

        class Watched(choosing_epochs.EpochErrors):
            def __call__(self, epoch, weights, seen=seen):
                goes_on = super().__call__(epoch, weights)
                seen.update(self.mean)
                return goes_on

        monkeypatch.setattr(choosing_epochs, "EpochErrors", Watched)
        StatefulLSTMRegressor(4, random_state=0).fit(walk[:-1], walk[1:, 0])
        errors.append(seen)
    assert len(errors[0]) > 3
    assert errors[0].keys() == errors[1].keys()
    for epoch, error in errors[0].items():
        np.testing.assert_allclose(error, errors[1][epoch], rtol=1e-3)
