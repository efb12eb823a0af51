"""Models on Ray's workers: the bits of this process.  Ray is large, and no part of the extra ``test``."""

import os
import sys
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "fastnn[ray]"')

from helpers.engines import LABELS, X, Y, assert_same_search, networks, record, search  # noqa: E402

import fastnn as fn  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of Ray's own


@pytest.fixture(scope="module")
def cluster():
    """Two workers, which find the helpers of these tests: they import what tasks are made of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def fitted(net, X, y):
    """A copy of the network that has learned: arguments of tasks are shared, and arrays among them read-only."""
    net = net.copy()
    net.fit(X, y, epochs=3, batch_size=16)
    return net


def test_workers_have_one_thread_each(cluster):
    assert ray.get(ray.remote(fn.get_num_threads).remote()) == 1


def test_networks_have_the_bits_of_threads(cluster):
    nets, here = networks(4), networks(4)
    data = ray.put(X), ray.put(Y)
    task = ray.remote(fitted)
    elsewhere = ray.get([task.remote(net, *data) for net in nets])
    fn.fit_many(here, X, Y, epochs=3, batch_size=16)
    assert [record(net) for net in elsewhere] == [record(net) for net in here]


def test_a_grid_search_on_the_backend_of_ray(cluster):
    joblib = pytest.importorskip("joblib")
    from ray.util.joblib import register_ray

    register_ray()
    here = search().fit(X, LABELS)
    with joblib.parallel_config(backend="ray"):
        elsewhere = search().fit(X, LABELS)
    assert_same_search(elsewhere, here)
