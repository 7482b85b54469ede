"""What a stateful network learns of the alphabet: an order that starts at A."""

from __future__ import annotations

import string

import numpy as np
import pytest
from plain import StatefulLSTMClassifier

ALPHABET = np.array(list(string.ascii_uppercase))
VALUES = np.arange(26)[:, np.newaxis] / 26


@pytest.fixture(scope="module")
def reciter():
    """One letter a row, one lane, state reset at the start of each epoch only."""
    model = StatefulLSTMClassifier(50, epochs=300, random_state=0)
    return model.fit(VALUES[:-1], ALPHABET[1:])


def place(letter, k):
    return VALUES[np.flatnonzero(letter == ALPHABET)[0]]


def test_fit_300_epochs_learns_every_letter_of_the_alphabet(reciter):
    assert reciter.score(VALUES[:-1], ALPHABET[1:]) == 1.0


def test_forecast_from_a_recites_the_alphabet(reciter):
    recited = reciter.reset_states().forecast(25, start=VALUES[:1], feedback=place)
    assert "A" + "".join(recited) == string.ascii_uppercase


def test_predict_k_after_reset_states_gives_b(reciter):
    """A network that has only ever started at A answers what follows A."""
    assert reciter.reset_states().predict(VALUES[10:11]) == "B"


def test_step_k_after_observe_a_to_j_gives_l(reciter):
    reciter.reset_states().observe(VALUES[:10])
    assert reciter.step(VALUES[10:11]) == "L"
