"""Models and tables on the workers of a Dask cluster: the bits of this process."""

import os

import numpy as np
import pytest

pytest.importorskip("distributed", reason='Dask is not installed: pip install "fastnn[dask]"')

from dask.distributed import Client, LocalCluster
from helpers.engines import (
    LABELS,
    OPTIONS,
    Arrivals,
    KillOnce,
    X,
    Y,
    arrived,
    assert_same_search,
    network,
    networks,
    record,
    rows,
    score,
    search,
)

import fastnn as fn
from fastnn.training.elsewhere import Job, fit_share
from fastnn.training.many import _fit_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_workers_have_one_thread_each(client):
    assert list(client.run(fn.get_num_threads).values()) == [1, 1]


@pytest.mark.parametrize("n_threads", [None, 2])
def test_networks_have_the_bits_of_threads(client, n_threads):
    elsewhere, here = networks(5), networks(5)
    histories = fn.fit_many(
        elsewhere, X, Y, rows=rows(5), executor=client.get_executor(), n_threads=n_threads, **OPTIONS
    )
    fn.fit_many(here, X, Y, rows=rows(5), **OPTIONS)
    assert [record(net) for net in elsewhere] == [record(net) for net in here]
    assert all(history is net.history for history, net in zip(histories, elsewhere, strict=True))


def test_models_of_a_worker_that_is_killed_are_trained_all_the_same(client, tmp_path):
    elsewhere, here = networks(4), networks(4)
    marker = tmp_path / "killed"
    fn.fit_many(elsewhere, X, Y, executor=client.get_executor(), callbacks=[KillOnce(2, str(marker))], epochs=3)
    assert marker.exists()
    fn.fit_many(here, X, Y, epochs=3)
    assert [record(net) for net in elsewhere] == [record(net) for net in here]


def test_a_network_that_a_worker_holds_for_several_tasks_is_not_changed_by_them(client):
    """Scattered data are one object for all tasks of a worker: what learned in place would go on from another."""
    net = network()
    jobs = client.scatter([Job(_fit_network, net, (X, Y, ()), {"epochs": 2, "batch_size": 16})], hash=False)
    worker = next(iter(client.scheduler_info()["workers"]))
    futures = [client.submit(fit_share, jobs, pure=False, workers=[worker]) for _ in range(4)]
    params = [learned.state["params"].tobytes() for (learned,) in client.gather(futures)]
    alone = network()
    alone.fit(X, Y, epochs=2, batch_size=16)
    assert params == [alone.params.tobytes()] * 4


def test_a_grid_search_on_the_backend_of_dask(client):
    pytest.importorskip("sklearn")
    joblib = pytest.importorskip("joblib")
    here = search().fit(X, LABELS)
    with joblib.parallel_config(backend="dask"):
        elsewhere = search().fit(X, LABELS)
    assert_same_search(elsewhere, here)


def test_a_table_scored_by_partitions_has_the_bits_of_a_loop(client, tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    dd = pytest.importorskip("dask.dataframe")
    dask = pytest.importorskip("dask")
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.standard_normal((3000, 5)).astype(np.float32), columns=list("abcde"))
    for k in range(6):
        frame[500 * k : 500 * (k + 1)].to_parquet(tmp_path / f"{k}.parquet")
    net = network()
    shipped = dask.delayed(Arrivals(net, tmp_path / "log"))
    table = dd.read_parquet(tmp_path / "*.parquet")
    assert table.npartitions == 6
    found = table.map_partitions(score, shipped, meta={"score": np.float32}).compute()
    expected = np.concatenate([net.predict(pd.read_parquet(tmp_path / f"{k}.parquet"))[:, 0] for k in range(6)])
    np.testing.assert_array_equal(found["score"].to_numpy().view(np.uint32), expected.view(np.uint32))
    pids = {str(pid) for pid in client.run(os.getpid).values()}
    assert {pid: count for pid, count in arrived(tmp_path / "log").items() if pid in pids} == dict.fromkeys(pids, 1)
