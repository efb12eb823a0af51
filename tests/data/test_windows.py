"""Windows: every example equal to a plain loop's, which times are examples, and learning from them."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fastnn as fn
from fastnn.data import feed
from fastnn.graph import answers

RANDOM = np.random.default_rng(0)
T = 60
LOAD, SKY = RANDOM.normal(size=T).astype(np.float32), RANDOM.normal(size=(T, 2))
LAGS = {"load": [1, 2, 5], "sky": range(-1, 6, 2)}
# Of load the lags from the oldest, then of sky those of range(-1, 6, 2): each time both channels.
ORDER = {"load": [5, 2, 1], "sky": [5, 3, 1, -1]}


def clock(times):
    return np.stack([times % 24, times // 24], axis=1)


def windows(**options):
    arguments = {"lags": LAGS, "columns": clock, **options}
    return fn.Windows({"load": LOAD, "sky": SKY}, "load", **arguments)


def loop(t, load=LOAD, sky=SKY, horizon=1):
    """Inputs and targets of time t."""
    x = [load[t - lag] for lag in ORDER["load"]]
    for lag in ORDER["sky"]:
        x += [sky[t - lag, 0], sky[t - lag, 1]]
    return np.array([*x, t % 24, t // 24]), np.array([load[t + k] for k in range(horizon)])


def seen(made, times, **options):
    """Whether these are the examples, all of them right."""
    X, y, weight = made.gather(np.arange(len(made)))
    assert made.times.tolist() == list(times)
    assert weight is None
    for i, t in enumerate(times):
        x, target = loop(t, **options)
        np.testing.assert_array_equal(X[i], x.astype(made.dtype))
        np.testing.assert_array_equal(y[i], target)
    return X, y


# ---- every example -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("horizon", "stride"), [(1, 1), (4, 1), (1, 7), (3, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_examples_are_those_of_a_plain_loop(horizon, stride, dtype):
    made = windows(horizon=horizon, stride=stride, dtype=dtype)
    times = [t for t in range(0, T, stride) if t >= 5 and t + max(horizon - 1, 1) < T]  # sky is seen at t + 1
    X, y = seen(made, times, horizon=horizon)
    assert X.shape[1] == made.width == 3 + 8 + 2
    assert X.dtype == dtype
    assert y.dtype == dtype
    np.testing.assert_array_equal(made.gather([2, 0])[0], X[[2, 0]])
    assert [part.shape for part in made.gather(np.arange(0))[:2]] == [(0, made.width), (0, horizon)]
    for i in (0, len(made) - 1):
        np.testing.assert_array_equal(made.row(made.times[i]), X[i])


def test_names_of_the_inputs():
    assert windows().feature_names == [
        "load[t-5]", "load[t-2]", "load[t-1]", "sky.0[t-5]", "sky.1[t-5]", "sky.0[t-3]", "sky.1[t-3]", "sky.0[t-1]",
        "sky.1[t-1]", "sky.0[t+1]", "sky.1[t+1]", "column 0", "column 1",
    ]  # fmt: skip
    assert fn.Windows({"a": LOAD}, "a", lags=1).feature_names == ["a[t-1]"]
    assert fn.Windows({"a": LOAD}, "a", lags={}, columns=clock).feature_names == ["column 0", "column 1"]


def test_an_integer_is_that_many_lags_of_each():
    made = fn.Windows({"a": LOAD, "b": SKY[:, 0]}, "a", lags=4)
    X, y, _ = made.gather([0, 5])
    for i, t in enumerate((4, 9)):
        np.testing.assert_array_equal(X[i], np.float32([*LOAD[t - 4 : t], *SKY[t - 4 : t, 0]]))
    assert y[:, 0].tolist() == [LOAD[4], LOAD[9]]


@pytest.mark.parametrize("kind", ["int16", "float16", "list", "reversed", "columns of a table"])
def test_series_of_any_layout(kind):
    values = {
        "int16": (100 * LOAD).astype(np.int16), "float16": LOAD.astype(np.float16), "list": LOAD.tolist(),
        "reversed": LOAD[::-1], "columns of a table": np.asfortranarray(SKY),
    }[kind]  # fmt: skip
    made = fn.Windows({"a": values}, "a", lags=[1, 3])
    whole = np.asarray(values)
    X, y, _ = made.gather(np.arange(len(made)))
    for i, t in enumerate(range(3, T)):
        np.testing.assert_array_equal(X[i], np.stack([whole[t - 3], whole[t - 1]]).ravel().astype(np.float32))
        np.testing.assert_array_equal(y[i].astype(np.float32), whole[t].ravel().astype(np.float32))


def test_a_target_of_two_channels_over_three_steps():
    made = fn.Windows({"sky": SKY}, "sky", lags=2, horizon=3, dtype="float64")
    _, y, _ = made.gather([4])
    assert y.tolist() == [SKY[6:9].ravel().tolist()]


def test_arrays_are_copied():
    load = LOAD.copy()
    made = fn.Windows({"a": load}, "a", lags=2)
    load[:] = 0
    assert made.gather([0])[0][0].tolist() == LOAD[:2].tolist()


# ---- scalers, weights ----------------------------------------------------------------------------------------------


def test_series_are_standardised_as_input_and_target():
    scalers = {"load": fn.Standardizer().fit(LOAD[:30]), "sky": fn.Standardizer().fit(SKY[:30])}
    made = windows(scalers=scalers, dtype="float64", horizon=2)
    load = (LOAD.astype(float) - LOAD[:30].astype(float).mean()) / LOAD[:30].astype(float).std()
    sky = (SKY - SKY[:30].mean(axis=0)) / SKY[:30].std(axis=0)
    X, y, _ = made.gather(np.arange(len(made)))
    for i, t in enumerate(made.times):
        x, target = loop(t, load, sky, horizon=2)
        np.testing.assert_allclose(X[i], x, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(y[i], target, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(made.inverse_transform(y[i]), LOAD[t : t + 2], rtol=1e-5, atol=1e-6)
    assert made.scalers == scalers
    np.testing.assert_array_equal(windows().inverse_transform(y[:, :1]), y[:, :1])


def test_weights_by_a_series_and_by_a_function():
    weights = RANDOM.uniform(size=T)
    weights[20] = np.nan
    by_name = fn.Windows({"a": LOAD, "w": weights}, "a", lags=3, sample_weight="w", dtype="float64")
    assert by_name.width == 3
    assert by_name.times.tolist() == [t for t in range(3, T) if t != 20]
    np.testing.assert_array_equal(by_name.gather([0, 30])[2], weights[[3, 34]])
    decay = fn.Windows({"a": LOAD}, "a", lags=3, sample_weight=lambda times: 0.5 ** ((T - times) / 10))
    np.testing.assert_allclose(decay.gather([7])[2], 0.5 ** ((T - 10) / 10))


def test_weights_count_in_the_loss():
    made = fn.Windows({"a": LOAD, "w": LOAD**2}, "a", lags=3, sample_weight="w", dtype="float64")
    net = fn.Sequential([fn.Dense(1)], 3, seed=0, dtype="float64")
    net.compile("squared_error", metrics=["r2"])
    X, y, w = made.gather(np.arange(len(made)))
    z = X @ net.layers[0].weight + net.layers[0].bias
    found = net.evaluate(made)
    assert found["loss"] == pytest.approx(np.average(((z - y) ** 2)[:, 0], weights=w))
    assert found["r2"] == pytest.approx(
        1 - np.sum(w * (z - y)[:, 0] ** 2) / np.sum(w * (y[:, 0] - np.average(y[:, 0], weights=w)) ** 2)
    )


# ---- which times are examples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_gaps_are_in_no_example(bad):
    load, sky = LOAD.astype(float), SKY.copy()
    load[[0, 17, 18]] = bad
    sky[40, 1] = bad
    made = fn.Windows({"load": load, "sky": sky}, "load", lags=LAGS, columns=clock, horizon=3)
    touched = np.zeros(T, dtype=bool)
    for t in range(5, T - 2):
        looks = {t - lag for lag in LAGS["load"]} | {t, t + 1, t + 2}
        touched[t] = bool(looks & {0, 17, 18}) or 40 in [t - lag for lag in LAGS["sky"]]
    expected = [t for t in range(5, T - 2) if not touched[t]]
    assert 30 < len(expected) < T - 10
    seen(made, expected, horizon=3)


def test_series_of_different_lengths_end_where_they_end():
    load = fn.Windows({"load": LOAD[:40], "sky": SKY}, "load", lags=LAGS, columns=clock)
    seen(load, range(5, 40))
    sky = fn.Windows({"load": LOAD, "sky": SKY[:40]}, "load", lags=LAGS, columns=clock)
    seen(sky, range(5, 39))  # sky is seen one step ahead


def test_too_short_a_series_has_no_examples():
    made = fn.Windows({"a": LOAD[:3]}, "a", lags=5)
    assert len(made) == 0
    assert made.gather([])[0].shape == (0, 5)
    made.append({"a": LOAD[3:7]})
    assert made.times.tolist() == [5, 6]


def test_split_and_between():
    made = windows(horizon=3)
    before, after = made.split(-20)
    seen(before, range(5, 38), horizon=3)  # the last target stands at 39
    seen(after, range(40, 58), horizon=3)
    seen(made.between(10, 20), range(10, 18), horizon=3)
    seen(made.between(10).between(None, -30).between(12), range(12, 28), horizon=3)
    seen(windows(stride=4).between(10, 30), [12, 16, 20, 24, 28])
    assert len(made.between(58)) == len(made.between(None, 3)) == 0


def test_appending():
    made = fn.Windows({"load": LOAD[:20], "sky": SKY[:30]}, "load", lags=LAGS, columns=clock, horizon=2)
    part = made.between(8)
    seen(made, range(5, 19), horizon=2)
    for start in range(20, 50):  # room doubles now and then
        made.append({"load": LOAD[start : start + 1]})
    assert made.end == 50
    seen(made, range(5, 29), horizon=2)  # sky is known to 29 and seen one step ahead
    made.append({"sky": np.full((20, 2), 7.0)})
    seen(made, range(5, 49), horizon=2, sky=np.concatenate([SKY[:30], np.full((20, 2), 7.0)]))
    made.append({"sky": SKY[30:], "load": LOAD[30:]}, at=30)
    seen(made, range(5, T - 1), horizon=2)
    assert part.times.tolist() == list(range(8, 19))
    part.append({})
    seen(part, range(8, 19), horizon=2)
    part.append({"load": LOAD[59:]}, at=59)
    assert part.times[-1] == 58
    made.append({"load": [np.nan]}, at=30)
    gone = [t for t in range(5, T - 1) if t in (29, 30) or 30 - t in (-5, -2, -1)]
    assert made.times.tolist() == [t for t in range(5, T - 1) if t not in gone]


def test_appending_keeps_to_the_stride():
    whole = fn.Windows({"load": LOAD}, "load", lags=3, stride=7, horizon=2).between(11)
    part = fn.Windows({"load": LOAD[:25]}, "load", lags=3, stride=7, horizon=2).between(11)
    for start in range(25, T):
        part.append({"load": LOAD[start : start + 1]})
    assert part.times.tolist() == whole.times.tolist() == list(range(14, T - 1, 7))


def test_appended_values_are_standardised():
    scaler = fn.Standardizer().fit(LOAD)
    made = fn.Windows({"a": LOAD[:30]}, "a", lags=2, scalers={"a": scaler})
    made.append({"a": LOAD[30:].astype(float)})
    whole = fn.Windows({"a": LOAD}, "a", lags=2, scalers={"a": scaler})
    for a, b in zip(made.gather(np.arange(58))[:2], whole.gather(np.arange(58))[:2], strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_appended_changes_nothing():
    series = {"load": LOAD[:20], "sky": SKY[:20], "labels": np.arange(20)}
    made = fn.Windows(series, "load", lags={"load": 1, "sky": 1})
    for values, at, error, message in (
        (
            {"load": [1.0], "sky": [1.0]},
            None,
            ValueError,
            r"append: expected values of shape \(n, 2\) for series 'sky'",
        ),
        ({"load": [1.0], "wind": [1.0]}, None, ValueError, "append: unknown series 'wind'"),
        ({"load": [1.0], "labels": [1.5]}, None, TypeError, "expected whole numbers for series 'labels'"),
        ({"load": [1.0]}, 21, ValueError, "from time 20 on, or from an earlier one, got 21; fill the gap with NaN"),
        ({"load": [1.0]}, -1, ValueError, "append: expected at of at least 0"),
        ({"load": ["a"]}, None, TypeError, "append: expected series 'load' to hold real numbers"),
        ([1.0], None, TypeError, "append: expected values to be a dict of arrays by name or a DataFrame, got list"),
    ):
        with pytest.raises(error, match=message):
            made.append(values, at=at)
        assert made.end == 20
        assert len(made) == 19


# ---- memmaps -------------------------------------------------------------------------------------------------------


def test_memmaps_are_read_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(type(windows()._series["load"]), "_chunk", 7)
    load, sky = LOAD.astype(float), SKY.copy()
    load[33] = np.nan
    scalers = {"sky": fn.Standardizer().fit(SKY)}
    for name, values in (("load", load), ("sky", sky)):
        np.save(tmp_path / name, values)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("load", "sky")}
    for lags in (LAGS, {"load": 4, "sky": [0, 1, 5]}):
        options = {"lags": lags, "columns": clock, "scalers": scalers, "horizon": 2}
        one, other = fn.Windows(mapped, "load", **options), fn.Windows({"load": load, "sky": sky}, "load", **options)
        assert one.times.tolist() == other.times.tolist()
        rows = np.arange(len(one))[::-1]
        for a, b in zip(one.gather(rows)[:2], other.gather(rows)[:2], strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.row(20), other.row(20))
        net = fn.Sequential([fn.Dense(2)], one.width, seed=0)
        np.testing.assert_array_equal(one.roll_out(net, 6, start=20), other.roll_out(net, 6, start=20))
    with pytest.raises(TypeError, match="'load' is a memmap; write to its file"):
        one.append({"load": [1.0]})


# ---- learning ------------------------------------------------------------------------------------------------------


class Recorder(fn.Examples):
    """Examples whose only input is their number."""

    def __init__(self, n, epoch_size=None):
        self.n, self.epoch_size, self.asked = n, epoch_size, []

    def __len__(self):
        return self.n

    def gather(self, rows):
        self.asked.append(rows.copy())
        return rows[:, None].astype(np.float32), np.zeros(len(rows))


def epochs_of(examples, batch_size=3, epochs=3, seed=0, shuffle=True):
    """The numbers that each epoch asks for."""
    net = fn.Sequential([fn.Dense(1)], 1, seed=seed)
    result = []

    def note(info):
        result.append(np.concatenate(examples.asked).tolist())
        examples.asked.clear()

    def begin(net, epochs):
        examples.asked.clear()

    callback = fn.Callback()
    callback.on_epoch_end, callback.on_fit_begin = note, begin
    net.fit(
        examples, batch_size=batch_size, epochs=epochs, shuffle=shuffle, callbacks=[callback], loss="squared_error",
        optimizer=fn.SGD(1e-9),
    )  # fmt: skip
    return result


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (feed, answers):
        monkeypatch.setattr(module, "MADE_BYTES", 32)  # eight rows of one input


def test_an_epoch_is_a_permutation_of_all_examples(small_blocks):
    first, second, third = epochs_of(Recorder(101))
    assert sorted(first) == sorted(second) == sorted(third) == list(range(101))
    assert len({tuple(first), tuple(second), tuple(third), tuple(range(101))}) == 4
    assert np.abs(np.corrcoef(first, np.arange(101))[0, 1]) < 0.3  # far from its place, not within its block alone
    assert epochs_of(Recorder(101)) == [first, second, third]
    assert epochs_of(Recorder(101), seed=1)[0] != first
    assert epochs_of(Recorder(101), shuffle=False) == [list(range(101))] * 3


def test_blocks_hold_whole_batches(small_blocks):
    for batch_size, sizes in ((3, [6] * 16 + [5]), (8, [8] * 12 + [5]), (50, [50, 51]), (1000, [101])):
        examples = Recorder(101)
        fn.Sequential([fn.Dense(1)], 1, seed=0).fit(examples, batch_size=batch_size, loss="squared_error")
        assert [len(rows) for rows in examples.asked[1:]] == sizes


def test_short_epochs_take_all_in_turn(small_blocks):
    epochs = epochs_of(Recorder(10, epoch_size=4), epochs=5)
    assert [len(rows) for rows in epochs] == [4] * 5
    numbers = [number for epoch in epochs for number in epoch]
    assert sorted(numbers[:10]) == sorted(numbers[10:]) == list(range(10))
    assert [sorted(rows) for rows in epochs_of(Recorder(10, epoch_size=99))] == [list(range(10))] * 3
    assert epochs_of(Recorder(10, epoch_size=10)) == epochs_of(Recorder(10))


def test_windows_learn_as_their_rows_do(small_blocks):
    """The same batches in the same order give the same bits."""
    made = windows(sample_weight=lambda times: 0.9 ** (T - times))
    X, y, weight = made.gather(np.arange(len(made)))
    nets = [fn.Sequential([fn.Dense(4, "tanh"), fn.Dropout(0.2), fn.Dense(1)], made.width, seed=3) for _ in range(2)]
    train, validation = made.split(50)
    for net in nets:
        net.compile(fn.Huber(1.35), fn.AdamW(1e-2), metrics=["r2"])
    stop = fn.EarlyStopping(patience=50)
    one = nets[0].fit(train, epochs=5, batch_size=16, validation_data=validation, callbacks=[stop])
    n = len(train)
    other = nets[1].fit(
        X[:n], y[:n], sample_weight=weight[:n], epochs=5, batch_size=16,
        validation_data=(X[-len(validation) :], y[-len(validation) :], weight[-len(validation) :]),
        callbacks=[fn.EarlyStopping(patience=50)],
    )  # fmt: skip
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    for name in ("loss", "val_loss", "val_r2"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6)
    assert nets[0].evaluate(made)["loss"] == pytest.approx(nets[0].evaluate(X, y, sample_weight=weight)["loss"])
    answers = nets[0].predict(X)
    np.testing.assert_array_equal(nets[0].predict(made), answers)
    out = np.empty_like(answers)
    assert nets[0].predict(made, out=out) is out
    np.testing.assert_array_equal(out, answers)


def test_labels_are_learned_under_cross_entropy():
    label = (LOAD > 0).astype(int)
    made = fn.Windows({"load": LOAD, "label": label}, "label", lags={"load": range(3)})
    assert made.gather([0])[1].dtype.kind == "i"
    net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(2)], 3, seed=0)
    net.fit(made, epochs=200, loss="cross_entropy", optimizer=fn.Adam(0.01), metrics=["accuracy"])
    assert net.evaluate(made)["accuracy"] > 0.95


def test_several_inputs_come_as_a_list():
    class Pairs(fn.Examples):
        def __len__(self):
            return 40

        def gather(self, rows):
            return [LOAD[rows, None], SKY[rows]], SKY[rows, :1]

    a, b = fn.Input(1), fn.Input(2)
    net = fn.Network([a, b], fn.Dense(1)(fn.concatenate(a, b)), seed=0)
    net.fit(Pairs(), epochs=200, loss="squared_error", optimizer=fn.Adam(0.05))
    np.testing.assert_allclose(net.predict(Pairs()), SKY[:40, :1], atol=1e-2)


def test_batches_are_counted_for_callbacks(small_blocks):
    heard = []
    callback = fn.Callback()

    class Listener(fn.Callback):
        def on_batch_end(self, done_rows, total_rows, loss):
            heard.append((done_rows, total_rows))

    fn.Sequential([fn.Dense(1)], 1, seed=0).fit(
        Recorder(40, epoch_size=20), batch_size=4, loss="squared_error", callbacks=[Listener(), callback]
    )
    assert heard[-1] == (20, 20)
    assert all(done % 4 == 0 for done, _ in heard)


# ---- rolling out ---------------------------------------------------------------------------------------------------


def by_hand(net, made, steps, start, horizon=1, scaler=None):
    """A loop that forecasts and looks at its own forecasts."""
    load = LOAD.astype(float)
    load[start:] = np.nan
    mean, scale = (scaler.mean, scaler.scale) if scaler else (0.0, 1.0)
    load = np.concatenate([load, np.full(horizon, np.nan)])
    for t in range(start, start + steps, horizon):
        x, _ = loop(t, (load - mean) / scale)
        load[t : t + horizon] = net.predict_one(x.astype(net.dtype)) * scale + mean
    return load[start : start + steps]


@pytest.mark.parametrize(("horizon", "steps"), [(1, 20), (3, 20), (4, 2)])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_roll_out_looks_at_its_own_answers(horizon, steps, scaled):
    scaler = fn.Standardizer().fit(LOAD) if scaled else None
    made = windows(horizon=horizon, scalers={"load": scaler} if scaled else None, dtype="float64")
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(horizon)], made.width, seed=1, dtype="float64")
    found = made.roll_out(net, steps, start=30)
    assert found.shape == (steps,)
    np.testing.assert_allclose(found, by_hand(net, made, steps, 30, horizon, scaler), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(made.roll_out(net, steps, start=-30), found)


def test_a_roll_out_goes_on_where_the_target_ends():
    made = fn.Windows({"load": LOAD[:30], "sky": SKY}, "load", lags=LAGS, columns=clock)
    net = fn.Sequential([fn.Dense(1)], made.width, seed=1)
    np.testing.assert_allclose(made.roll_out(net, 25), by_hand(net, made, 25, 30), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made.row(30), loop(30)[0].astype(np.float32))
    with pytest.raises(
        ValueError, match=r"roll_out: expected series 'sky' to be known from time 54 to 60, to forecast from 59"
    ):
        made.roll_out(net, 31)
    assert made.end == 30


def test_a_roll_out_of_two_channels():
    made = fn.Windows({"sky": SKY}, "sky", lags=2, dtype="float64")
    net = fn.Sequential([fn.Dense(2)], 4, seed=0, dtype="float64")
    sky = list(SKY[:10])
    for _ in range(7):
        sky.append(net.predict_one(np.concatenate(sky[-2:])))
    np.testing.assert_allclose(made.roll_out(net, 7, start=10), sky[10:])


def test_a_roll_out_without_lags_of_the_target():
    made = fn.Windows({"load": LOAD, "sky": SKY}, "load", lags={"sky": [0]})
    net = fn.Sequential([fn.Dense(1)], 2, seed=0)
    np.testing.assert_array_equal(made.roll_out(net, 60, start=0), net.predict(SKY)[:, 0])


@pytest.mark.parametrize("place", [0, 1, 10, 21, 28])
def test_an_answer_stands_for_a_gap_that_a_roll_out_looks_at(place):
    load = LOAD.copy()
    load[place] = np.nan
    made = fn.Windows({"load": load}, "load", lags=range(2, 20, 9))  # 2 and 11
    net = fn.Sequential([fn.Dense(1)], 2, seed=0)
    values = load[:30].tolist()
    if place in {start - lag for start in range(30, 35) for lag in (2, 11)}:
        values[place] = net.predict_one(np.float32([values[place - 11], values[place - 2]]))[0]
    for t in range(30, 35):
        values.append(net.predict_one(np.float32([values[t - 11], values[t - 2]]))[0])
    np.testing.assert_array_equal(made.roll_out(net, 5, start=30), np.float32(values[30:]))


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"lags": 0}, ValueError, "Windows: expected the lags of 'load' of at least 1, got 0"),
    ({"lags": {"load": [0, 1]}}, ValueError, "lags of at least 1 for the target 'load', got 0, which shows"),
    ({"lags": {"laod": 3}}, ValueError, "Windows: unknown series of lags 'laod'; did you mean 'load'?"),
    ({"lags": {}, "columns": None}, ValueError, "expected lags of at least one series, or columns, got none"),
    ({"lags": [1, 1]}, ValueError, "expected each lag of 'load' once"),
    ({"lags": [1.5]}, TypeError, "expected lags of 'load' to be an integer or integers"),
    ({"lags": "3"}, TypeError, "expected lags of 'load' to be an integer or integers"),
    ({"lags": []}, TypeError, "expected lags of 'load' to be an integer or integers"),
    ({"horizon": 0}, ValueError, "Windows: expected horizon of at least 1"),
    ({"stride": 1.0}, TypeError, "Windows: expected stride to be an integer"),
    ({"epoch_size": 0}, ValueError, "Windows: expected epoch_size of at least 1"),
    ({"dtype": "float16"}, ValueError, "Windows: expected dtype float32 or float64, got 'float16'"),
    ({"columns": lambda times: times}, ValueError, r"columns\(times\) of shape \(2, K\), got \(2,\)"),
    ({"sample_weight": "wieght"}, ValueError, "unknown series of sample_weight 'wieght'"),
    ({"sample_weight": LOAD}, TypeError, "got ndarray; give an array as one of the series"),
    ({"scalers": {"lod": None}}, ValueError, "unknown series of scalers 'lod'; did you mean 'load'?"),
    ({"scalers": {"load": 3.0}}, TypeError, "expected scalers to be Standardizers, got float for series 'load'"),
    ({"scalers": {"load": fn.Standardizer()}}, ValueError, "got one that has learnt nothing"),
    ({"scalers": {"sky": fn.Standardizer().fit(LOAD)}}, ValueError, r"a scaler of shape \(2,\) for series 'sky', got"),
])  # fmt: skip
def test_refusals(options, error, message):
    with pytest.raises(error, match=message):
        windows(**options)


def test_refused_series():
    with pytest.raises(ValueError, match="unknown target 'b'"):
        fn.Windows({"a": LOAD}, "b", lags=1)
    for series, error, message in (
        ([LOAD], TypeError, "expected series to be a dict of arrays by name or a DataFrame, got list"),
        ({}, TypeError, "Windows: expected at least one series, got none"),
        ({"a": SKY[None]}, ValueError, r"expected series 'a' of shape \(T,\) or \(T, C\), got \(1, 60, 2\)"),
        ({"a": []}, ValueError, r"expected series 'a' of shape \(T,\) or \(T, C\), got \(0,\)"),
        ({"a": ["x"]}, TypeError, "expected series 'a' to hold real numbers"),
    ):
        with pytest.raises(error, match=message):
            fn.Windows(series, "a", lags=1)


def test_refused_calls():
    made = windows()
    with pytest.raises(ValueError, match=r"row: expected series 'load' to be known from time -1 to 3"):
        made.row(4)
    with pytest.raises(ValueError, match="row: expected out of shape"):
        made.row(30, out=np.empty(3, np.float32))
    with pytest.raises(TypeError, match="between: expected a time to be an integer"):
        made.split(0.8)
    with pytest.raises(ValueError, match=r"expected answers of shape \(..., 1\), got \(3,\)"):
        made.inverse_transform([1.0, 2.0, 3.0])
    with pytest.raises(IndexError):
        made.gather([len(made)])
    for rows in (made.times > 10, [0.0]):
        with pytest.raises(TypeError, match="gather: expected rows to be positions in times, whole numbers, got"):
            made.gather(rows)
    net = fn.Sequential([fn.Dense(2)], made.width, seed=0)
    with pytest.raises(ValueError, match=r"roll_out: expected a network \(13,\) -> \(1,\), got \(13,\) -> \(2,\)"):
        made.roll_out(net, 3)
    with pytest.raises(ValueError, match="roll_out: expected a start of at most 60"):
        made.roll_out(fn.Sequential([fn.Dense(1)], made.width, seed=0), 3, start=61)


def test_fit_refuses_what_does_not_fit():
    made = windows()
    net = fn.Sequential([fn.Dense(1)], made.width, seed=0)
    net.compile("squared_error")
    before = net.params.copy()
    with pytest.raises(ValueError, match="fit: expected Windows alone, which bring targets and weights"):
        net.fit(made, LOAD)
    with pytest.raises(ValueError, match="evaluate: expected Windows alone"):
        net.evaluate(made, sample_weight=LOAD)
    with pytest.raises(ValueError, match=r"fit: expected at least one example, got none in <Windows 0 examples"):
        net.fit(made.between(100))
    with pytest.raises(ValueError, match="predict: expected at least one example"):
        net.predict(made.between(100))
    with pytest.raises(ValueError, match="validation_data: expected at least one example"):
        net.fit(made, validation_data=made.between(100))
    with pytest.raises(ValueError, match=r"fit: expected X of shape \(B, 13\), got \(1, 14\)"):
        net.fit(windows(columns=lambda times: np.ones((len(times), 3))))
    with pytest.raises(ValueError, match="sample_weight of at least 0, got -1"):
        net.fit(windows(sample_weight=lambda times: -np.ones(len(times))))
    with pytest.raises(ValueError, match="fit: expected X to be finite"):
        net.fit(windows(columns=lambda times: np.where(times[:, None] == 50, np.nan, [[0.0, 0.0]])))
    np.testing.assert_array_equal(net.params, before)
    for wrong, error, message in (
        ((1,), TypeError, r"expected gather to give \(X, y\) or \(X, y, sample_weight\), got tuple of 1"),
        ((LOAD[:3, None], LOAD[:3]), ValueError, "expected gather to give 1 examples, got 3"),
    ):
        examples = Recorder(5)
        examples.gather = lambda rows, wrong=wrong: wrong
        with pytest.raises(error, match=message):
            fn.Sequential([fn.Dense(1)], 1, seed=0).fit(examples, loss="squared_error")
    for method in ("__len__", "gather"):
        with pytest.raises(NotImplementedError, match=f"Examples: expected a method {method}"):
            getattr(fn.Examples, method)(fn.Examples(), *([] if method == "__len__" else [np.arange(1)]))


# ---- memory --------------------------------------------------------------------------------------------------------

FIT = """
import numpy as np, fastnn as fn

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024

values = np.zeros(200_000, np.float32)  # 1,440 columns of them would be 1.1 GB
windows = fn.Windows({"a": values}, "a", lags=1440, scalers={"a": fn.Standardizer().fit(values)})
net = fn.Sequential([fn.Dense(1)], 1440, seed=0)
net.fit(windows.between(0, 3000), batch_size=128, loss="squared_error", optimizer="adam")  # warm
before = peak()
net.fit(windows.between(0, 60_000), batch_size=128, validation_data=windows.between(180_000))
net.predict(windows.between(100_000, 140_000))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_windows_take_no_memory():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIT], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 20
