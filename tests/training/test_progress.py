"""The progress of long loops: every item comes, and a bar only where somebody looks at it."""

import io

import numpy as np
import pytest

import fastnn as fn
from fastnn.training.progress import track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("verbose", ["auto", 0, 1])
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_all_items_in_order(monkeypatch, verbose, stream):
    monkeypatch.setattr("sys.stderr", stream())
    assert [*track("work", range(5), verbose)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("stream", "verbose", "shown"),
    [(Terminal, "auto", True), (io.StringIO, "auto", False), (io.StringIO, 1, True), (Terminal, 0, False)],
)
def test_a_bar_only_where_it_is_seen(monkeypatch, stream, verbose, shown):
    errors = stream()
    monkeypatch.setattr("sys.stderr", errors)
    monkeypatch.setattr("fastnn.training.progress.DELAY", 0)
    assert sum(track("work", iter([1, 2]), verbose, total=2, unit="row")) == 3
    assert ("work" in errors.getvalue() and "row" in errors.getvalue()) == shown


def test_what_is_done_at_once_needs_no_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    assert [*track("work", range(3), 1)] == [0, 1, 2]
    import sys

    assert "work" not in sys.stderr.getvalue()


@pytest.mark.parametrize("verbose", ["yes", 2, None, []])
def test_mistakes(verbose):
    with pytest.raises(ValueError, match="work: expected verbose to be 'auto', 0 or 1, got"):
        track("work", [], verbose)


def test_insight_tells_how_far_it_is(monkeypatch):
    """Every function with a long loop shows its own name."""
    monkeypatch.setattr("fastnn.training.progress.DELAY", 0)
    X, y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2
    net = fn.Sequential([fn.Dense(3, "tanh"), fn.Dense(2)], input_shape=4, seed=0)
    net.compile("cross_entropy")
    maps = fn.Conv2D(2, 1, "tanh", name="maps")
    images = fn.Sequential([maps, fn.Flatten(), fn.Dense(2)], input_shape=(4, 1, 1), seed=0)
    calls = {
        "smooth_grad": lambda v: fn.smooth_grad(net, X, samples=2, verbose=v),
        "integrated_gradients": lambda v: fn.integrated_gradients(net, X, steps=2, verbose=v),
        "occlusion": lambda v: fn.occlusion(net, X, window=1, verbose=v),
        "maximise_activation": lambda v: fn.maximise_activation(net, 0, steps=2, verbose=v),
        "invert_features": lambda v: fn.invert_features(images, X[:, :, None, None], "maps", steps=2, verbose=v),
        "linear_probes": lambda v: fn.linear_probes(net, X, y, epochs=1, verbose=v),
        "permutation_importance": lambda v: fn.permutation_importance(net, X, y, repeats=1, verbose=v),
    }
    for name, call in calls.items():
        for verbose in (1, 0):
            errors = io.StringIO()
            monkeypatch.setattr("sys.stderr", errors)
            call(verbose)
            assert (name in errors.getvalue()) == bool(verbose), name
