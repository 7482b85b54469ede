"""How well a model forecasts, whether state is worth it, and splits by time."""

from sklstm.model_selection._backtest import backtest
from sklstm.model_selection._backtest_result import BacktestResult
from sklstm.model_selection._compare import compare_states
from sklstm.model_selection._comparison import StateComparison
from sklstm.model_selection._panel_split import PanelSplit

__all__ = [
    "BacktestResult",
    "PanelSplit",
    "StateComparison",
    "backtest",
    "compare_states",
]
