"""Plots: real pictures on disk, the right curves on the axes, no global state."""

import builtins
import math
import sys
import threading

import numpy as np
import pytest

from fastnn.plotting import plot_confusion_matrix, plot_history
from fastnn.training.history import History

pytest.importorskip("matplotlib")


def history(epochs=8, **columns):
    record = History()
    for epoch in range(1, epochs + 1):
        record.append(epoch, **{name: function(epoch) for name, function in columns.items()})
    return record


TRAINED = {"loss": lambda e: 1 / e, "val_loss": lambda e: 0.5 + (e - 5) ** 2 / 50, "val_accuracy": lambda e: 1 - 1 / e}


def picture(path):
    """Pixels of a PNG, read by matplotlib after a look at its first bytes."""
    from matplotlib.image import imread

    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return imread(path)


def test_history_picture(tmp_path):
    path = tmp_path / "curves.png"
    plot_history(history(**TRAINED), path)
    pixels = picture(path)
    assert pixels.shape[:2] == (720, 1200)  # 8 x 4.8 inches at 150 dots
    colours = np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)
    assert len(colours) > 50
    assert 0.5 < (pixels[..., :3] > 0.97).all(axis=2).mean() < 0.99


def test_history_axes():
    figure = plot_history(history(**TRAINED, learning_rate=lambda e: 0.1, seconds=lambda e: 1.0))
    losses, metrics = figure.axes
    lines = {line.get_label(): line for line in losses.get_lines()}
    assert lines["training loss"].get_ydata() == pytest.approx([1 / e for e in range(1, 9)])
    assert lines["validation loss"].get_xdata().tolist() == list(range(1, 9))
    assert "best: epoch 5, 0.5" in lines
    assert losses.get_yscale() == "log"
    assert [line.get_label() for line in metrics.get_lines()] == ["validation accuracy"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "training loss",
        "validation loss",
        "best: epoch 5, 0.5",
        "validation accuracy",
    ]
    assert metrics.get_ylabel() == "accuracy"
    assert (losses.get_xlabel(), losses.get_ylabel()) == ("epoch", "loss")


def test_without_validation_and_metrics():
    figure = plot_history(history(loss=lambda e: 1 / e))
    assert len(figure.axes) == 1
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["training loss"]


def test_linear_when_asked_or_when_a_loss_is_not_above_zero():
    assert plot_history(history(**TRAINED), log=False).axes[0].get_yscale() == "linear"
    assert plot_history(history(loss=lambda e: 3.0 - e)).axes[0].get_yscale() == "linear"


def test_values_that_are_no_numbers(tmp_path):
    path = tmp_path / "curves.png"
    figure = plot_history(history(loss=lambda e: 1 / e, val_loss=lambda e: math.nan if e % 2 else 1 / e), path)
    assert any("best: epoch 8" in line.get_label() for line in figure.axes[0].get_lines())
    plot_history(history(loss=lambda e: math.nan, val_loss=lambda e: math.nan), path)
    picture(path)


def test_plain_dict_and_one_epoch(tmp_path):
    assert plot_history(history(**TRAINED).to_dict()).axes[0].get_lines()[0].get_xdata().tolist() == list(range(1, 9))
    figure = plot_history(history(epochs=1, **TRAINED), tmp_path / "one.png")
    assert figure.axes[0].get_lines()[0].get_marker() == "o"


def test_no_history():
    with pytest.raises(ValueError, match="plot_history: expected a history with a loss, got no columns"):
        plot_history(History())


def test_confusion_picture(tmp_path):
    path = tmp_path / "matrix.png"
    figure = plot_confusion_matrix([[8, 2], [0, 10]], path, ["cat", "dog"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["8", "2", "10"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2], [0.0, 1.0]])
    pixels = picture(path)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50


def test_confusion_of_many_and_of_unseen_classes(tmp_path):
    figure = plot_confusion_matrix(np.eye(30, dtype=int), tmp_path / "matrix.png", [f"class {n}" for n in range(30)])
    assert not figure.axes[0].texts
    assert plot_confusion_matrix([[0, 0], [1, 3]]).axes[0].images[0].get_array()[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("matrix", "labels", "message"),
    [
        ([[1, 2]], None, r"a square matrix \(K, K\), got shape \(1, 2\)"),
        ([1, 2], None, r"got shape \(2,\)"),
        ([[1, 0], [0, 1]], ["a"], "expected 2 labels, got 1"),
    ],
)
def test_confusion_refuses(matrix, labels, message):
    with pytest.raises(ValueError, match=f"plot_confusion_matrix: .*{message}"):
        plot_confusion_matrix(matrix, labels=labels)


def test_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    had_pyplot = "matplotlib.pyplot" in sys.modules
    figure = plot_history(history(**TRAINED))
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot
    assert type(figure.canvas).__name__ == "FigureCanvasAgg"


def test_in_threads(tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(4)]
    threads = [threading.Thread(target=plot_history, args=(history(**TRAINED), path)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.read_bytes() for path in paths}) == 1


def test_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'plot_history needs matplotlib: pip install "fastnn\[plot\]"'):
        plot_history(history(**TRAINED))
