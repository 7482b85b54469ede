"""Training on more rows than memory holds: parts of Parquet files and of Dask frames.

A part is a row group or a partition. The oracle is the same frame in memory, cut at the
same rows.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sklstm import StatefulLSTMRegressor

pa = pytest.importorskip("pyarrow")
dataset = pytest.importorskip("pyarrow.dataset")
parquet = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.thorough

SHOPS = ["north", "south", "west"]
N_GROUP = 100  # rows of a row group: groups end between the shops of an hour


def sales(shops: list[str], first_hour: int, n_hours: int) -> pd.DataFrame:
    """Rows of all shops, hour by hour, with the sales of the next hour."""
    hour = np.repeat(np.arange(first_hour, first_hour + n_hours), len(shops))
    shop = np.tile(np.arange(len(shops)), n_hours)

    def at(k):
        return (shop + 1) * (2 + np.sin(k / 4)) + np.cos(k * (shop + 1))

    return pd.DataFrame(
        {
            "shop": np.array(shops)[shop],
            "hour": pd.Timestamp("2024-01-01") + pd.to_timedelta(hour, "h"),
            "sales": at(hour),
            "next": at(hour + 1),
        }
    )


ALL = sales(SHOPS, 0, 130)


def regressor() -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor(
        3, series_id="shop", sequence_length=8, on_gap="raise", random_state=0
    )


def train(model: Any, parts: Iterable[pd.DataFrame]) -> Any:
    """Go on training part by part; labels tell whether the rows follow."""
    for part in parts:
        rows = part.set_index("hour")
        model.partial_fit(rows[["shop", "sales"]], rows["next"])
    return model


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A Parquet file with row groups of `N_GROUP` rows and no index."""
    path = tmp_path_factory.mktemp("parquet") / "sales.parquet"
    table = pa.Table.from_pandas(ALL, preserve_index=False)
    parquet.write_table(table, path, row_group_size=N_GROUP)
    return path


@pytest.fixture(scope="module")
def expected() -> StatefulLSTMRegressor:
    """Trained twice over the frame in memory, cut where row groups end."""
    cuts = range(0, len(ALL), N_GROUP)
    parts = [ALL.iloc[k : k + N_GROUP] for k in cuts]
    return train(train(regressor(), parts).reset_states(), parts)


def row_groups(path: Path) -> Iterator[pd.DataFrame]:
    file = parquet.ParquetFile(path)
    for k in range(file.num_row_groups):
        yield file.read_row_group(k).to_pandas()


def batches(path: Path) -> Iterator[pd.DataFrame]:
    data = dataset.dataset(path)
    for batch in data.to_batches(batch_readahead=1, fragment_readahead=1):
        yield batch.to_pandas()


def arrow_types(path: Path) -> Iterator[pd.DataFrame]:
    """Columns that stay in Arrow's memory."""
    for batch in dataset.dataset(path).to_batches():
        yield batch.to_pandas(types_mapper=pd.ArrowDtype)


def dictionaries(path: Path) -> Iterator[pd.DataFrame]:
    """Shops as categories, of which each part has its own."""
    file = parquet.ParquetFile(path, read_dictionary=["shop"])
    for k in range(file.num_row_groups):
        yield file.read_row_group(k).to_pandas()


def partitions(path: Path) -> Iterator[pd.DataFrame]:
    frame = pytest.importorskip("dask.dataframe").read_parquet(
        path, split_row_groups=True
    )
    for part in frame.partitions:
        yield part.compute()


@pytest.mark.parametrize(
    "read", [row_groups, batches, arrow_types, dictionaries, partitions]
)
def test_partial_fit_over_parts_equals_same_calls_on_frame_in_memory(
    read, file, expected
):
    """Two passes: after `reset_states` the first hour may come again."""
    assert [len(part) for part in read(file)] == [100, 100, 100, 90]
    model = train(regressor(), read(file))
    train(model.reset_states(), read(file))
    for found, weights in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weights)
    assert model.series_.tolist() == SHOPS
    later = sales(SHOPS, 130, 2).set_index("hour")[["shop", "sales"]]
    np.testing.assert_array_equal(model.step(later), expected.predict(later))


def test_partial_fit_series_after_series_equals_frame_in_memory(tmp_path):
    """A file that holds one shop after the other: parts begin with another shop."""
    ordered = ALL.sort_values(["shop", "hour"], ignore_index=True)
    path = tmp_path / "by-shop.parquet"
    parquet.write_table(pa.Table.from_pandas(ordered), path, row_group_size=N_GROUP)
    model = train(regressor(), row_groups(path))
    parts = [ordered.iloc[k : k + N_GROUP] for k in range(0, len(ordered), N_GROUP)]
    expected = train(regressor(), parts)
    for found, weights in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weights)
    assert sorted(model.series_) == SHOPS


def test_partial_fit_over_row_groups_takes_memory_of_one(tmp_path):
    """Four times as many row groups take no more than a third more at the peak."""
    shops = [f"shop {k}" for k in range(20)]
    peaks, sizes = {}, {}
    for n_groups in (4, 16):
        path = tmp_path / f"{n_groups}.parquet"
        parts = [sales(shops, 400 * k, 400) for k in range(n_groups)]
        sizes[n_groups] = sum(part.memory_usage(deep=True).sum() for part in parts)
        with parquet.ParquetWriter(path, pa.Schema.from_pandas(parts[0])) as writer:
            for part in parts:
                writer.write_table(pa.Table.from_pandas(part))
        del parts
        peaks[n_groups] = peak_of_training(path)
    assert peaks[16] < peaks[4] * 4 / 3
    assert sizes[16] - sizes[4] > peaks[4] / 3  # rows that were kept would be noticed


def peak_of_training(path: Path) -> int:
    """Bytes that NumPy, pandas and Arrow take at once, after what is compiled once."""
    parts = row_groups(path)
    model = train(regressor(), [next(parts)])
    in_arrow = 0
    tracemalloc.start()
    try:
        for part in parts:
            train(model, [part])
            in_arrow = max(in_arrow, pa.total_allocated_bytes())
        return tracemalloc.get_traced_memory()[1] + in_arrow
    finally:
        tracemalloc.stop()


def test_frame_of_dask_is_refused_with_what_to_pass_instead():
    """NumPy would load it whole, without its dates."""
    frames = pytest.importorskip("dask.dataframe")
    rows = frames.from_pandas(ALL.set_index("hour"), npartitions=2)
    alone = rows[rows["shop"] == "north"]
    for model, X in (
        (regressor(), rows[["shop", "sales"]]),
        (regressor().set_params(series_id=None), alone[["sales"]]),
    ):
        for train_on in (model.fit, model.partial_fit):
            with pytest.raises(TypeError, match=r"frame of Dask.*X\.compute\(\)"):
                train_on(X, np.zeros(len(X)))
