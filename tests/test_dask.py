"""Searches, backtests and checkpoints on a cluster of Dask, and rows read in parts.

The cluster is a real one: a scheduler and two worker processes on this machine.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from sklstm import StatefulLSTMRegressor
from sklstm.model_selection import backtest

distributed = pytest.importorskip("distributed")
joblib = pytest.importorskip("joblib")

pytestmark = [pytest.mark.thorough, pytest.mark.slow]

N_ROWS = 240
FOLDS = TimeSeriesSplit(3, test_size=24)


@pytest.fixture(scope="module")
def client():
    """A client of two worker processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def series(n_rows: int = N_ROWS) -> tuple[pd.DataFrame, pd.Series]:
    """An hourly series of a day and noise, and its next values."""
    rng = np.random.default_rng(0)
    t = np.arange(n_rows + 1)
    values = 10 + np.sin(t * 2 * np.pi / 24) + 0.1 * rng.normal(size=len(t))
    hours = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    X = pd.DataFrame({"load": values[:-1]}, index=hours)
    return X, pd.Series(values[1:], index=hours)


def regressor(**changes: Any) -> StatefulLSTMRegressor:
    settings = {"units": 4, "epochs": 3, "random_state": 0}
    return StatefulLSTMRegressor(**(settings | changes))


def search(n_jobs: int) -> GridSearchCV:
    grid = {"units": [2, 4], "batch_size": [1, 2, 3]}
    return GridSearchCV(regressor(), grid, cv=FOLDS, n_jobs=n_jobs)


@pytest.fixture(scope="module")
def scores_here() -> np.ndarray:
    """The scores of the search in this process."""
    return search(n_jobs=1).fit(*series()).cv_results_["mean_test_score"]


def test_search_on_workers_gives_the_scores_of_one_process(client, scores_here):
    with joblib.parallel_config("dask"):
        found = search(n_jobs=-1).fit(*series())
    scores = found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, scores_here, rtol=1e-5)


def test_search_goes_on_when_a_worker_is_killed(client, scores_here):
    """Its tasks are run again by another one; those that are done stay done."""
    pids = client.run(os.getpid)
    victim = next(iter(pids.values()))
    killed = threading.Event()

    def kill_in_mid_search() -> None:
        time.sleep(1.0)
        os.kill(victim, signal.SIGKILL)
        killed.set()

    killer = threading.Thread(target=kill_in_mid_search)
    with joblib.parallel_config("dask"):
        killer.start()
        found = search(n_jobs=-1).fit(*series())
    killer.join()
    assert killed.is_set()
    assert victim not in client.run(os.getpid).values()
    scores = found.cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, scores_here, rtol=1e-5)


def test_backtest_on_workers_gives_the_predictions_of_one_process(client):
    X, y = series()
    here = backtest(regressor(), X, y, cv=FOLDS, refit=True)
    with joblib.parallel_config("dask"):
        there = backtest(regressor(), X, y, cv=FOLDS, refit=True, n_jobs=-1)
    np.testing.assert_allclose(
        there.predictions["y_pred"], here.predictions["y_pred"], rtol=1e-5
    )


def test_checkpoints_of_a_search_in_one_folder_are_a_file_for_each_fit(
    client, scores_here, tmp_path
):
    """A second search with the same folder finds all of them, and trains no more."""
    with joblib.parallel_config("dask"):
        found = search(n_jobs=-1).fit(*series(), checkpoint=str(tmp_path))
        files = {path: path.stat().st_mtime_ns for path in checkpoints(tmp_path)}
        assert len(files) == 6 * 3 + 1  # each fold of each setting, and the refit
        again = search(n_jobs=-1).fit(*series(), checkpoint=str(tmp_path))
    assert {p: p.stat().st_mtime_ns for p in checkpoints(tmp_path)} == files
    for one in (found, again):
        scores = one.cv_results_["mean_test_score"]
        np.testing.assert_allclose(scores, scores_here, rtol=1e-5)


def checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_partial_fit_over_partitions_equals_the_same_parts_of_a_frame():
    """Partitions of a Dask frame are read one at a time, in the order of time."""
    dd = pytest.importorskip("dask.dataframe")
    X, y = series()
    partitioned = dd.from_pandas(X.assign(target=y), npartitions=4)
    learner, expected = regressor(), regressor()
    for part in partitioned.partitions:
        rows = part.compute()
        learner.partial_fit(rows[["load"]], rows["target"])
        expected.partial_fit(X.loc[rows.index], y.loc[rows.index])
    for found, weights in zip(
        learner.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, weights)
    assert learner.predict(X[-1:]).shape == (1,)


def test_partial_fit_over_a_parquet_data_set_equals_the_parts_of_a_frame(tmp_path):
    """Row groups of two shops, each file a month, are read in the order of time."""
    parquet = pytest.importorskip("pyarrow.parquet")
    X, y = series()
    shops = pd.concat(
        [X.assign(shop=shop, target=k * y) for k, shop in enumerate(("a", "b"), 1)]
    )
    for k, (_, part) in enumerate(shops.groupby(shops.index.day)):
        part.sort_values("shop").to_parquet(tmp_path / f"day-{k:02}.parquet")
    learner = regressor(series_id="shop")
    expected = regressor(series_id="shop")
    for path in sorted(tmp_path.glob("*.parquet")):
        rows = parquet.read_table(path).to_pandas()
        learner.partial_fit(rows[["load", "shop"]], rows["target"])
        day = shops[shops.index.isin(rows.index)].sort_values("shop")
        expected.partial_fit(day[["load", "shop"]], day["target"])
    assert list(learner.series_) == ["a", "b"]
    for found, weights in zip(
        learner.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, weights)
