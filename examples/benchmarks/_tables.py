"""Markdown tables, and the format of figures in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Format as ``median [min-max]``, each with ``digits`` significant digits."""
    middle, low, high = (
        shorten(float(value), digits)
        for value in (np.median(values), np.min(values), np.max(values))
    )
    return middle if len(values) == 1 else f"{middle} [{low}-{high}]"


def shorten(value: float, digits: int = 3) -> str:
    """Format to significant digits, without an exponent."""
    if value == 0 or not np.isfinite(value):
        return str(value)
    decimals = max(digits - 1 - int(np.floor(np.log10(abs(value)))), 0)
    return f"{value:.{decimals}f}"


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], n_text: int = 1
) -> None:
    """Print rows as a Markdown table, its first ``n_text`` columns aligned left."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts, numbers = widths[:n_text], widths[n_text:]
    rule = [*("-" * width for width in texts), *("-" * (n - 1) + ":" for n in numbers)]
    for row in [cells[0], rule, *cells[1:]]:
        left = [cell.ljust(n) for cell, n in zip(row, texts, strict=False)]
        right = [cell.rjust(n) for cell, n in zip(row[n_text:], numbers, strict=True)]
        print("| " + " | ".join([*left, *right]) + " |")
    print(flush=True)
