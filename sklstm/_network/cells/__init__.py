"""The kinds of recurrent cell that the package's own layers are made of.

`Cell` is what each kind answers, `CELLS` the kinds by the value of the parameter
``cell``.
"""

from __future__ import annotations

from sklstm._network.cells.cell import Cell
from sklstm._network.cells.gru import GRU
from sklstm._network.cells.lstm import LSTM
from sklstm._network.cells.rnn import SimpleRNN

CELLS: dict[str, Cell] = {cell.name: cell for cell in (LSTM(), GRU(), SimpleRNN())}

__all__ = ["CELLS", "Cell"]
