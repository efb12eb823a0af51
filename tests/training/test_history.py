"""The record of a training."""

import copy
import json
import math
import pickle

import pytest

from fastnn.training.history import History


@pytest.fixture
def history():
    history = History()
    history.append(1, loss=3.0, val_loss=2.0, val_accuracy=0.5)
    history.append(2, loss=2.0, val_loss=math.nan, val_accuracy=0.9)
    history.append(3, loss=1.0, val_loss=1.5, val_accuracy=0.9)
    return history


def test_columns_by_name(history):
    assert history["loss"] == history.loss == [3.0, 2.0, 1.0]
    assert history.epochs == [1, 2, 3]
    assert list(history.keys()) == ["loss", "val_loss", "val_accuracy"]
    assert "val_loss" in history
    assert "r2" not in history
    assert history.get("r2") is None


def test_best_is_the_first_of_its_direction(history):
    assert history.best() == (3, 1.5)
    assert history.best("val_accuracy") == (2, 0.9)
    assert history.best("loss") == (3, 1.0)


def test_unknown_names_and_no_numbers(history):
    with pytest.raises(KeyError, match="no column 'r2'; known: loss, val_loss, val_accuracy"):
        history["r2"]
    with pytest.raises(AttributeError, match="no column 'r2'"):
        _ = history.r2
    with pytest.raises(KeyError, match="val_loss"):
        History().best()
    empty = History()
    empty.append(1, loss=math.nan)
    with pytest.raises(ValueError, match=r"History.best: expected at least one finite 'loss'"):
        empty.best("loss")


def test_epochs_go_up(history):
    for epoch in (3, 0):
        with pytest.raises(ValueError, match=f"History: expected an epoch after 3, got {epoch}"):
            history.append(epoch, loss=0.0)
    history.append(10, loss=0.5)
    assert history.epochs == [1, 2, 3, 10]


def test_columns_that_come_and_go_hold_nan(history):
    history.append(4, loss=0.5, seconds=0.1)
    assert math.isnan(history.val_loss[3])
    assert [math.isnan(value) for value in history["seconds"]] == [True, True, True, False]
    assert {len(column) for column in history.values()} == {4}


def test_to_dict_is_a_plain_copy(history):
    plain = history.to_dict()
    assert list(plain) == ["epochs", "loss", "val_loss", "val_accuracy"]
    json.dumps(plain)
    plain["loss"].append(0.0)
    plain["epochs"].append(9)
    assert history.loss == [3.0, 2.0, 1.0]
    assert history.epochs == [1, 2, 3]


def test_copies_and_pickles(history):
    for again in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert again.loss == history.loss
        assert again.epochs == history.epochs


def test_repr_shows_the_last_rows():
    assert repr(History()) == "History of no epochs"
    history = History()
    for epoch in range(1, 8):
        history.append(epoch, loss=1 / epoch)
    assert repr(history).split("\n") == [
        "epoch    loss",
        "... 2 epochs before",
        "    3  0.3333",
        "    4    0.25",
        "    5     0.2",
        "    6  0.1667",
        "    7  0.1429",
    ]
