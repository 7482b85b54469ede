"""Searches and backtests on a cluster of Dask: a scheduler and two worker processes.

joblib hands the fits to the cluster. Every wait has an end, so that a cluster that does
not answer fails a test and does not hold up the others.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import chain
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from sklstm import StatefulLSTMRegressor
from sklstm.model_selection import backtest

distributed = pytest.importorskip("distributed")

pytestmark = [pytest.mark.thorough, pytest.mark.slow]

PATIENCE = 120  # seconds; the slowest wait takes a fifth of it
N_EPOCHS = 3
GRID = {"optimizer__learning_rate": [0.01, 0.03, 0.1]}  # one program serves all
HOURS = pd.date_range("2024-01-01", periods=120, freq="h")
VALUES = np.sin(np.arange(121) / 4) + np.random.default_rng(0).normal(0, 0.1, 121)
X = pd.DataFrame({"load": VALUES[:-1]}, HOURS)
Y = pd.Series(VALUES[1:], HOURS)
FOLDS = list(TimeSeriesSplit(2, test_size=24).split(X))
N_FITS = 3 * len(FOLDS)  # of the search, without the last one on all rows

#: Workers compile for one thread, this process for all: sums are in another order.
SAME = {"rtol": 1e-5}


class Watched(keras.callbacks.Callback):
    """Writes down the epochs of all fits, and fails at the second one if asked to.

    Parameters
    ----------
    folder : str
        Where all processes can write.
    fails : {"never", "each fit", "one process"}
        Whether each fit raises an error, or the first process that gets there is
        killed. Kept by another name, since it is no part of the training.
    """

    def __init__(self, folder: str, fails: str = "never"):
        super().__init__()
        self.folder = folder
        self._fails = fails

    def on_epoch_begin(self, epoch, logs=None):
        with Path(self.folder, "epochs").open("a") as file:
            file.write(f"{epoch}\n")
        if epoch == 1 and self._fails == "each fit":
            raise RuntimeError("a fit that fails")
        if epoch == 1 and self._fails == "one process":
            self._kill_first()

    def _kill_first(self):
        try:
            with Path(self.folder, "killed").open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def epochs_of(folder: Path) -> list[int]:
    """The epochs that `Watched` has seen, which are then forgotten."""
    file = folder / "epochs"
    epochs = [int(line) for line in file.read_text().splitlines()]
    file.unlink()
    return epochs


def regressor(**changes: Any) -> StatefulLSTMRegressor:
    settings = {"units": 2, "epochs": N_EPOCHS, "batch_size": 2, "random_state": 0}
    return StatefulLSTMRegressor(**(settings | changes))


def search(n_jobs: int = -1, **changes: Any) -> GridSearchCV:
    return GridSearchCV(regressor(**changes), GRID, cv=FOLDS, n_jobs=n_jobs)


def scores_of(found: GridSearchCV) -> np.ndarray:
    return found.cv_results_["mean_test_score"]


def on_cluster(call: Callable[[], Any], **options: Any) -> Any:
    """What `call` returns with joblib's work on the cluster, or an error if it waits.

    It runs in a thread that is left behind where it never returns.
    """
    answer: Future = Future()

    def run() -> None:
        try:
            with joblib.parallel_config("dask", **options):
                answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(PATIENCE)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of two worker processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, timeout=PATIENCE) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def scores_here() -> np.ndarray:
    """The scores of the search in this process."""
    return scores_of(search(n_jobs=1).fit(X, Y))


def test_GridSearchCV_on_cluster_gives_scores_of_one_process(client, scores_here):
    found = on_cluster(lambda: search().fit(X, Y))
    np.testing.assert_allclose(scores_of(found), scores_here, **SAME)
    assert len(set(scores_here)) == 3


def test_backtest_on_cluster_equals_one_in_this_process(client):
    here, there = (
        run(lambda n=n: backtest(regressor(), X, Y, cv=FOLDS, refit=True, n_jobs=n))
        for run, n in ((lambda call: call(), 1), (on_cluster, -1))
    )
    pd.testing.assert_frame_equal(there.predictions, here.predictions, **SAME)


def test_GridSearchCV_checkpoint_folder_shared_by_workers(
    client, scores_here, tmp_path
):
    """Each fit has a file of its own, and a second search trains no epoch again."""
    checkpoints = tmp_path / "checkpoints"

    def fit(fails: str) -> GridSearchCV:
        started = search(callbacks=[Watched(str(tmp_path), fails)])
        return started.fit(X, Y, checkpoint=str(checkpoints))

    with pytest.raises(ValueError, match=f"All the {N_FITS} fits failed"):
        on_cluster(lambda: fit("each fit"))
    assert epochs_of(tmp_path).count(0) == N_FITS
    assert len(list(checkpoints.iterdir())) == N_FITS
    found = on_cluster(lambda: fit("never"))
    np.testing.assert_allclose(scores_of(found), scores_here, **SAME)
    epochs = epochs_of(tmp_path)
    assert epochs.count(0) == 1  # of the best estimator, on all rows
    assert [epochs.count(k) for k in range(1, N_EPOCHS)] == [N_FITS + 1] * 2
    assert not list(checkpoints.iterdir())  # a finished training leaves nothing


def test_GridSearchCV_killed_worker_costs_its_task_only(client, scores_here, tmp_path):
    """Where each worker has the rows, another one takes over the fit, and goes on."""
    client.amm.stop()  # it would remove all copies of the rows but one
    pids = set(client.run(os.getpid).values())
    watched = Watched(str(tmp_path), fails="one process")
    checkpoints = tmp_path / "checkpoints"
    found = on_cluster(
        lambda: search(callbacks=[watched]).fit(X, Y, checkpoint=str(checkpoints)),
        scatter=[X, Y, *chain(*FOLDS)],
    )
    victim = int((tmp_path / "killed").read_text())
    assert victim in pids
    client.wait_for_workers(2, timeout=PATIENCE)  # a new one has taken its place
    assert victim not in client.run(os.getpid).values()
    np.testing.assert_allclose(scores_of(found), scores_here, **SAME)
    # the second epoch of the fit that was killed has begun twice, no other one
    once = sorted([*range(N_EPOCHS)] * (N_FITS + 1))
    assert sorted(epochs_of(tmp_path)) == sorted([*once, 1])
