"""Windows over series of pandas: put together by their times, gaps left out or filled, as pandas itself does it."""

import numpy as np
import pytest

import fastnn as fn

pd = pytest.importorskip("pandas")

RANDOM = np.random.default_rng(0)
HOURS = pd.date_range("2026-03-01", periods=60, freq="h")


def series(index=HOURS, seed=1):
    return pd.Series(np.random.default_rng(seed).normal(size=len(index)), index=index)


def rows(windows):
    """Each example: its time stamp, inputs and target."""
    X, y, _ = windows.gather(np.arange(len(windows)))
    return windows.stamps(), X, y[:, 0]


def expected(frame, target, lags, freq):
    """The examples of a plain loop over a frame at equal distances."""
    frame = (
        frame.reindex(pd.timedelta_range("0s", frame.index[-1], freq=freq)) if freq == "5min" else frame.asfreq(freq)
    )
    shifted = {(name, lag): frame[name].shift(lag) for name in frame for lag in sorted(lags[name], reverse=True)}
    known = frame[target].notna() & pd.concat(shifted.values(), axis=1).notna().all(axis=1)
    X = np.stack([column[known] for column in shifted.values()], axis=1)
    return frame.index[known], X, frame[target][known].to_numpy()


def same(windows, frame, target, lags, freq):
    """Whether the examples are those of a plain loop; returns how many."""
    stamps, X, y = rows(windows)
    times, X0, y0 = expected(frame, target, lags, freq)
    assert list(stamps) == list(times)
    np.testing.assert_array_equal(X, X0.astype(windows.dtype))
    np.testing.assert_array_equal(y, y0.astype(y.dtype))
    return len(y)


LAGS = {"load": [1, 2, 5], "sky": [0, 3]}

INDICES = {
    "hours": (HOURS, "h"),
    "quarters of an hour": (pd.date_range("2026-03-01", periods=60, freq="15min"), "15min"),
    "days over the change to summer time": (pd.date_range("2026-03-10", periods=60, freq="D", tz="Europe/Berlin"), "D"),
    "hours over it": (pd.date_range("2026-03-28", periods=60, freq="h", tz="Europe/Berlin"), "h"),
    "months": (pd.date_range("2020-01-01", periods=60, freq="MS"), "MS"),
    "working days": (pd.date_range("2026-03-02", periods=60, freq="B"), "B"),
    "periods": (pd.period_range("2020-01", periods=60, freq="M"), "MS"),
    "spans": (pd.timedelta_range("0s", periods=60, freq="5min"), "5min"),
}


@pytest.mark.parametrize("kind", INDICES)
def test_series_are_put_together_by_their_times(kind):
    index, freq = INDICES[kind]
    load, sky = series(index[3:]), series(index[:-2], seed=2)
    windows = fn.Windows({"load": load, "sky": sky}, "load", lags=LAGS, dtype="float64")
    frame = pd.DataFrame({"load": load, "sky": sky})
    if kind == "periods":
        frame.index = frame.index.to_timestamp()
    assert same(windows, frame, "load", LAGS, freq) == 60 - 3 - 2 - 5
    assert fn.Windows(pd.DataFrame({"load": load, "sky": sky}), "load", lags=LAGS).times.tolist() == list(windows.times)


def test_whole_numbers_are_times_too():
    index = pd.Index(range(100, 400, 5))
    load, sky = series(index[2:]), series(index, seed=2).drop(index=200)
    windows = fn.Windows({"load": load, "sky": sky}, "load", lags=LAGS)
    frame = pd.DataFrame({"load": load, "sky": sky}).reindex(index)
    shifted = frame.assign(**{f"{n}{k}": frame[n].shift(k) for n in LAGS for k in LAGS[n]})
    assert list(windows.stamps()) == list(shifted.dropna(subset=shifted.columns.drop("sky")).index)
    assert len(windows) == 60 - 2 - 5 - 2
    # what pandas numbers by itself are no times
    assert fn.Windows({"a": load.reset_index(drop=True)}, "a", lags=1).stamps()[0] == 1


@pytest.mark.parametrize("seed", range(20))
def test_missing_times_are_gaps(seed):
    random = np.random.default_rng(seed)
    kept = {name: np.sort(random.permutation(60)[: random.integers(40, 60)]) for name in LAGS}
    frame = {name: series(HOURS[places], seed=seed) for name, places in kept.items()}
    frame["load"].iloc[random.integers(len(frame["load"]))] = np.nan
    windows = fn.Windows(frame, "load", lags=LAGS, dtype="float64", freq="h")
    assert same(windows, pd.DataFrame(frame), "load", LAGS, "h") < 50


def test_time_zones_are_brought_together():
    index = pd.date_range("2026-03-28", periods=60, freq="h", tz="Europe/Berlin")
    load, sky = series(index), series(index, seed=2)
    windows = fn.Windows({"load": load, "sky": sky.tz_convert("America/New_York")}, "load", lags=LAGS, dtype="float64")
    same(windows, pd.DataFrame({"load": load, "sky": sky}), "load", LAGS, "h")
    assert str(windows.stamps().tz) == "Europe/Berlin"


def test_arrays_beside_series_of_one_index():
    load, sky = series(), np.random.default_rng(5).normal(size=60)
    windows = fn.Windows({"load": load, "sky": sky}, "load", lags=LAGS, dtype="float64")
    same(windows, pd.DataFrame({"load": load, "sky": sky}), "load", LAGS, "h")


@pytest.mark.parametrize(
    "dtype", ["Int64", "Float64", "float32", "int8", "boolean", "int64[pyarrow]", "double[pyarrow]"]
)
def test_columns_of_any_dtype(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    whole = pd.Series(RANDOM.integers(0, 2, 60), index=HOURS)
    typed = whole.astype(dtype)
    if dtype not in ("float32", "int8"):
        typed.iloc[20] = pd.NA
    windows = fn.Windows({"label": typed, "load": series()}, "label", lags={"load": [1]})
    _, _, y = rows(windows)
    left = whole.drop(index=HOURS[20]) if dtype not in ("float32", "int8") else whole
    assert y.tolist() == left[1:].tolist()
    assert (y.dtype.kind == "f") == ("loat" in dtype or "double" in dtype)


def test_labels_with_missing_times_stay_labels():
    label = pd.Series(RANDOM.integers(0, 3, 60), index=HOURS).drop(index=HOURS[[10, 30]])
    windows = fn.Windows({"label": label, "load": series()}, "label", lags={"load": [1]})
    _, _, y = rows(windows)
    assert y.dtype.kind == "i"
    assert y.tolist() == label.iloc[1:].tolist()
    windows.append({"label": [2, 1]})
    windows.append({"label": pd.Series([1.0], index=[HOURS[-1] + pd.Timedelta("5h")]), "load": [1.0, 2.0, 3.0]})
    assert [int(t) for t in windows.times[-3:]] == [59, 60, 61]
    assert rows(windows)[2][-2:].tolist() == [2, 1]


def test_columns_and_weights_are_made_of_time_stamps():
    seen = []

    def clock(times):
        seen.append(times)
        return np.stack([times.hour, times.day_of_week], axis=1)

    load = series().drop(index=HOURS[[7, 33]])
    windows = fn.Windows({"load": load}, "load", lags=2, columns=clock, sample_weight=lambda times: times.hour + 1.0)
    stamps, X, _ = rows(windows)
    assert X[:, 2].tolist() == stamps.hour.tolist()
    assert X[:, 3].tolist() == stamps.day_of_week.tolist()
    assert windows.gather([0])[2].tolist() == [stamps[0].hour + 1.0]
    assert windows.row(windows.end)[2:].tolist() == [12.0, 1.0]
    assert isinstance(seen[-1], pd.DatetimeIndex)


def test_times_are_said_by_date():
    windows = fn.Windows({"load": series()}, "load", lags=2)
    before, after = windows.split("2026-03-02")
    assert before.stamps()[-1] == pd.Timestamp("2026-03-01 23:00")
    assert after.stamps()[0] == pd.Timestamp("2026-03-02")
    assert len(windows.between("2026-03-01 03:30", pd.Timestamp("2026-03-01 06:00"))) == 2  # 04:00 and 05:00
    assert len(windows.between(np.datetime64("2026-03-03T10:00"))) == 2
    np.testing.assert_array_equal(windows.row("2026-03-02"), windows.row(24))
    net = fn.Sequential([fn.Dense(1)], 2, seed=0)
    np.testing.assert_array_equal(windows.roll_out(net, 5, start="2026-03-02"), windows.roll_out(net, 5, start=24))
    assert windows.stamps(range(windows.end, windows.end + 2)).tolist() == [
        pd.Timestamp("2026-03-03 12:00"), pd.Timestamp("2026-03-03 13:00"),
    ]  # fmt: skip
    zoned = fn.Windows({"load": series(HOURS.tz_localize("Europe/Berlin"))}, "load", lags=2)
    assert zoned.split("2026-03-02")[1].stamps()[0] == pd.Timestamp("2026-03-02", tz="Europe/Berlin")
    assert zoned.split(pd.Timestamp("2026-03-01 23:00", tz="UTC"))[1].times[0] == 24


def test_appending_goes_by_the_times():
    whole = {"load": series(), "sky": series(seed=2)}
    begun = {name: values[:20] for name, values in whole.items()}
    windows = fn.Windows(begun, "load", lags=LAGS, dtype="float64")
    windows.append({"load": whole["load"][20:25], "sky": whole["sky"].to_numpy()[20:30]})
    windows.append({"load": whole["load"].iloc[[27, 29, 30]]})  # 25, 26 and 28 did not come
    left = {"load": whole["load"][:31].drop(index=HOURS[[25, 26, 28]]), "sky": whole["sky"][:30]}
    same(windows, pd.DataFrame(left), "load", LAGS, "h")
    windows.append(pd.DataFrame(whole)[22:])  # all of it, late
    same(windows, pd.DataFrame(whole), "load", LAGS, "h")
    windows.append({"load": [1.0]}, at="2026-03-03 14:00")  # two hours after the end
    assert windows.end == 63
    same(windows.between(None, -1), pd.DataFrame(whole), "load", LAGS, "h")


# ---- gaps filled ---------------------------------------------------------------------------------------------------


def gappy(seed, share=0.3):
    values = series(seed=seed)
    values[np.random.default_rng(seed).uniform(size=60) < share] = np.nan
    return values


@pytest.mark.parametrize("limit", [None, 1, 3])
@pytest.mark.parametrize("rule", ["forward", 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_filled_as_pandas_fills(seed, rule, limit):
    sky = gappy(seed)
    windows = fn.Windows(
        {"load": series(), "sky": sky}, "load", lags=LAGS, fill={"sky": rule}, fill_limit=limit, dtype="float64"
    )
    filled = sky.ffill(limit=limit) if rule == "forward" else sky.fillna(rule)
    if rule == 0.5 and limit is not None:
        run = sky.isna().groupby(sky.notna().cumsum()).cumsum()
        filled = filled.where(run <= limit)
    same(windows, pd.DataFrame({"load": series(), "sky": filled}), "load", LAGS, "h")


@pytest.mark.parametrize("limit", [None, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_line_is_not_seen_before_its_end(seed, limit):
    sky, load = gappy(seed), series()
    windows = fn.Windows(
        {"load": load, "sky": sky}, "load", lags={"sky": [1, 2, 4]}, fill="linear", fill_limit=limit, dtype="float64"
    )
    line, known = sky.interpolate(limit_area="inside"), sky.notna().to_numpy()
    stamps, X, _ = rows(windows)
    times, values = [], []
    for t in range(4, 60):
        seen = []
        for p in (t - 4, t - 2, t - 1):
            after = next((q for q in range(p, 60) if known[q]), None)
            before = next((q for q in range(p, -1, -1) if known[q]), None)
            ok = after is not None and before is not None and after <= t - 1
            ok &= known[p] or limit is None or (ok and after - before - 1 <= limit)
            seen.append(line.iloc[p] if ok else np.nan)
        if not np.isnan(seen).any():
            times.append(HOURS[t])
            values.append(seen)
    assert list(stamps) == times
    np.testing.assert_allclose(X, values, rtol=1e-12)
    assert len(times) > 3


def test_a_line_to_what_is_known_ahead_is_seen():
    sky = series()
    sky.iloc[10] = np.nan
    windows = fn.Windows({"load": series(seed=3), "sky": sky}, "load", lags={"sky": range(-2, 2)}, fill="linear")
    assert {9, 10, 11} <= set(windows.times.tolist())  # each sees 11, the end of the line, too
    assert 8 not in windows.times
    assert 10 not in fn.Windows({"load": series(seed=3), "sky": sky}, "load", lags={"sky": [0]}, fill="linear").times


def test_targets_are_never_filled():
    load = gappy(1)
    windows = fn.Windows({"load": load}, "load", lags=2, fill="forward", dtype="float64")
    stamps, X, y = rows(windows)
    filled = load.ffill()
    expected = [t for t in range(2, 60) if not np.isnan(load.iloc[t]) and not np.isnan(filled.iloc[t - 2])]
    assert list(stamps) == list(HOURS[expected])
    np.testing.assert_array_equal(y, load.iloc[expected])
    np.testing.assert_array_equal(X, np.stack([filled.shift(2).iloc[expected], filled.shift(1).iloc[expected]], axis=1))


def test_masks_tell_where_a_value_was_there():
    both = pd.DataFrame({"a": gappy(1), "b": gappy(2)})
    windows = fn.Windows({"load": series(), "both": both}, "load", lags={"both": [0, 2]}, fill="forward", mask=True)
    assert windows.feature_names == [
        "both.0[t-2]", "both.1[t-2]", "both.0[t]", "both.1[t]",
        "both known.0[t-2]", "both known.1[t-2]", "both known.0[t]", "both known.1[t]",
    ]  # fmt: skip
    stamps, X, _ = rows(windows)
    there = both.notna().astype(float)
    np.testing.assert_array_equal(X[:, 4:6], there.shift(2).loc[stamps])
    np.testing.assert_array_equal(X[:, 6:], there.loc[stamps])
    np.testing.assert_array_equal(X[:, :2], both.ffill().shift(2).loc[stamps].astype("float32"))


def test_filled_with_a_scaler():
    load, sky = series(), gappy(3)
    scaler = fn.Standardizer().fit(sky.dropna().to_numpy())
    for rule, filled in (
        ("forward", sky.ffill()),
        ("linear", sky.interpolate(limit_area="inside")),
        (2.0, sky.fillna(2.0)),
    ):
        windows = fn.Windows(
            {"load": load, "sky": sky},
            "load",
            lags={"sky": [-3, 0]},
            fill=rule,
            scalers={"sky": scaler},
            dtype="float64",
        )
        stamps, X, _ = rows(windows)
        scaled = (filled - sky.mean()) / sky.std(ddof=0)
        np.testing.assert_allclose(
            X, np.stack([scaled.loc[stamps], scaled.shift(-3).loc[stamps]], axis=1), rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize("rule", ["forward", "linear", -1.0])
@pytest.mark.parametrize("seed", range(5))
def test_appending_fills_as_the_whole_is_filled(rule, seed):
    frame = pd.DataFrame({"load": gappy(seed), "sky": gappy(seed + 50)})
    options = {"lags": LAGS, "fill": rule, "fill_limit": 2, "mask": True, "dtype": "float64"}
    windows = fn.Windows(frame[:9], "load", freq="h", **options)
    for start in range(9, 60):
        windows.append(frame[start : start + 1])
        whole = fn.Windows(frame[: start + 1], "load", freq="h", **options)
        assert windows.times.tolist() == whole.times.tolist()
    for a, b in zip(rows(windows), rows(whole), strict=True):
        np.testing.assert_array_equal(a, b)
    windows.append(frame[30:])
    for a, b in zip(rows(windows), rows(whole), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- rolling out over a missing reading ----------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("missing", [[29], [27, 29], [26, 27, 28, 29], [25, 28]])
def test_answers_stand_for_missing_readings(missing, horizon):
    load = series()
    load.iloc[missing] = np.nan
    windows = fn.Windows({"load": load[:30]}, "load", lags=4, horizon=horizon, dtype="float64")
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(horizon)], 4, seed=1, dtype="float64")
    values = list(load.iloc[:30])
    for t in range(missing[0], 30):
        if np.isnan(values[t]):
            for k, answer in enumerate(net.predict_one(np.array(values[t - 4 : t]))):
                if t + k < 30 and np.isnan(values[t + k]):
                    values[t + k] = answer
    for t in range(30, 40, horizon):
        values[t:] = net.predict_one(np.array(values[t - 4 : t]))
    np.testing.assert_allclose(windows.roll_out(net, 10), values[30:40], rtol=1e-12)


def test_a_filled_target_needs_no_answers_before():
    load = series()
    load.iloc[[27, 29]] = np.nan
    windows = fn.Windows({"load": load[:30]}, "load", lags=3, fill="forward", mask=True, dtype="float64")
    net = fn.Sequential([fn.Dense(1)], 6, seed=1, dtype="float64")
    values, known = list(load[:30].ffill()), list(load[:30].notna().astype(float))
    for t in range(30, 36):
        values += list(net.predict_one(np.array(values[t - 3 : t] + known[t - 3 : t])))
        known.append(1.0)
    np.testing.assert_allclose(windows.roll_out(net, 6), values[30:], rtol=1e-12)


def test_a_roll_out_without_any_known_window_is_refused():
    load = series()
    load.iloc[::2] = np.nan
    windows = fn.Windows({"load": load[:30]}, "load", lags=3)
    with pytest.raises(
        ValueError, match="roll_out: expected series 'load' to be known from time 27 to 29, to forecast"
    ):
        windows.roll_out(fn.Sequential([fn.Dense(1)], 3, seed=1), 2)


# ---- refusals ------------------------------------------------------------------------------------------------------


def test_refused_times():
    twice, texts = series(HOURS[:5].append(HOURS[2:4])), series(HOURS.astype(str))
    stray = series(HOURS[:20].append(pd.DatetimeIndex(["2026-03-01 23:07"])))
    levels = pd.Series(1.0, index=pd.MultiIndex.from_product([["a", "b"], HOURS[:3]]))
    nat = series(HOURS[:5].append(pd.DatetimeIndex([pd.NaT])))
    for values, error, message in (
        ({"a": twice}, ValueError, "each time of series 'a' once, got 2026-03-01 02:00:00 twice; use series.groupby"),
        ({"a": series()[::-1]}, ValueError, "times of series 'a' to ascend; use series.sort_index"),
        ({"a": texts}, TypeError, "the index of series 'a' to hold dates, .* got an index of .*; use pd.to_datetime"),
        ({"a": levels}, TypeError, "got several levels; select one series of it"),
        ({"a": nat}, ValueError, "expected times of series 'a' without NaT, got 1 of them"),
        ({"a": series(HOURS[:0])}, ValueError, "expected at least one value in series 'a', got none"),
        ({"a": series(HOURS[[0]])}, ValueError, "expected at least two times in one series, or freq="),
        ({"a": stray}, ValueError, "times of series 'a' from 2026-03-01 00:00:00 on, h apart, got 2026-03-01 23:07"),
        ({"a": series(), "b": series(HOURS.tz_localize("UTC"))}, TypeError,
         "of one kind, got dates without a time zone for 'a' and dates in a time zone for 'b'; use tz_localize"),
        ({"a": series(), "b": series(pd.Index(range(5, 65)))}, TypeError, "and whole numbers for 'b'"),
        ({"a": series(), "b": np.ones(61)}, TypeError, "'b' to have an index as 'a' has, got ndarray of 61 values"),
        ({"a": series(), "c": series(HOURS[5:]), "b": np.ones(60)}, TypeError, "give pd.Series"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            fn.Windows(values, "a", lags=1)
    with pytest.raises(ValueError, match="times, s apart, from 2026-03-01 00:00:00 on, got 2099-01-01"):
        fn.Windows({"a": series(HOURS[:5].append(pd.DatetimeIndex(["2099-01-01"])))}, "a", lags=1, freq="s")
    with pytest.raises(ValueError, match=r"expected freq to be a distance of times as pandas writes it, .* got 'x'"):
        fn.Windows({"a": series()}, "a", lags=1, freq="x")
    with pytest.raises(TypeError, match="expected series of pandas with an index beside freq, got none"):
        fn.Windows({"a": np.ones(9)}, "a", lags=1, freq="h")
    frame = pd.DataFrame(np.ones((60, 2)), index=HOURS, columns=["a", "a"])
    with pytest.raises(ValueError, match="expected each column of series once, got 'a' twice"):
        fn.Windows(frame, "a", lags=1)


def test_refused_calls():
    windows = fn.Windows({"load": series()}, "load", lags=2)
    with pytest.raises(ValueError, match="row: expected one of the times from 2026-03-01 00:00:00 on, h apart, got"):
        windows.row("2026-03-02 10:30")
    with pytest.raises(TypeError, match="between: expected a position or one of dates without a time zone, got str"):
        windows.split("soon")
    with pytest.raises(TypeError, match="between: expected a position or one of dates without a time zone"):
        windows.split(pd.Timestamp("2026-03-02", tz="UTC"))
    with pytest.raises(TypeError, match="expected a time to be an integer, got str"):
        fn.Windows({"load": np.ones(9)}, "load", lags=2).split("2026-03-02")
    with pytest.raises(
        ValueError, match="append: expected times of series 'load' from 2026-03-01 00:00:00 on, h apart"
    ):
        windows.append({"load": pd.Series([1.0], index=[pd.Timestamp("2026-03-03 12:30")])})
    with pytest.raises(TypeError, match="'load' without an index, as at says where they belong; use to_numpy"):
        windows.append({"load": series()}, at=10)
    with pytest.raises(TypeError, match="without an index, as the series began without one"):
        fn.Windows({"load": np.ones(9)}, "load", lags=2).append({"load": series()})
    with pytest.raises(
        TypeError, match="append: expected series 'load' to have dates without a time zone as the others"
    ):
        windows.append({"load": series(HOURS.tz_localize("UTC"))})
    with pytest.raises(ValueError, match="stamps: expected times of at least 0, got -1"):
        windows.stamps([-1])
    with pytest.raises(TypeError, match=r"stamps: expected times \(n,\), whole numbers"):
        windows.stamps([1.5])
    assert windows.end == 60
    assert len(windows) == 58


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"fill": "backward"}, ValueError, "unknown fill of series 'load' 'backward'.*known: forward, linear"),
    ({"fill": {"laod": 0.0}}, ValueError, "unknown series of fill 'laod'; did you mean 'load'?"),
    ({"fill": np.nan}, ValueError, "expected fill of series 'load' to be a finite number, got nan"),
    ({"fill": True}, TypeError, "expected fill of series 'load' to be a number, got bool"),
    ({"fill": "forward", "fill_limit": 0}, ValueError, "expected fill_limit of at least 1"),
    ({"fill_limit": 3}, ValueError, "expected fill_limit beside fill, got 3 alone"),
    ({"mask": 1}, TypeError, "expected mask to be True or False"),
    ({"mask": True}, ValueError, "expected fill beside mask=True"),
])  # fmt: skip
def test_refused_fills(options, error, message):
    with pytest.raises(error, match=message):
        fn.Windows({"load": series()}, "load", lags=2, **options)


def test_what_else_cannot_be_filled(tmp_path):
    np.save(tmp_path / "load", np.ones(30))
    with pytest.raises(TypeError, match="expected series in memory to be filled, but 'load' is a memmap"):
        fn.Windows({"load": np.load(tmp_path / "load.npy", mmap_mode="r")}, "load", lags=2, fill=0.0)
    with pytest.raises(ValueError, match="expected no series 'load known' beside mask=True, which makes one"):
        fn.Windows({"load": series(), "load known": series()}, "load", lags=2, fill=0.0, mask=True)
