"""All that moves as rows come in, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklstm.intervals._fed import FedForecasts
from sklstm.intervals._online import Online


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known at a moment, beside the states of the networks.

    Parameters
    ----------
    online : Online
        Scores and level of each series.
    fed : FedForecasts or None
        Forecasts fed back that are under way; None where there are none.
    """

    online: Online
    fed: FedForecasts | None = None


@dataclass(frozen=True, eq=False)
class ConformalState:
    """All that moves from row to row, as `get_states` returns it.

    Parameters
    ----------
    networks : RecurrentState, tuple of these, or None
        States of the networks; None of an estimator without state.
    moment : Moment
        Scores and level.
    """

    networks: Any
    moment: Moment
