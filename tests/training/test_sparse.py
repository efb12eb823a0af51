"""Sparse rows of SciPy: what is learned and answered is what the same rows as an array give, a few at a time."""
# ruff: noqa: E501  (a case of a table is one line)

import subprocess
import sys
import warnings

import numpy as np
import pytest
from helpers.bits import native

import fastnn as fn
from fastnn.data import feed, ports

sparse = pytest.importorskip("scipy.sparse")

N, I = 101, 12
random = np.random.default_rng(0)
DENSE = np.where(random.random((N, I)) < 0.2, random.standard_normal((N, I)), 0).astype(np.float32)
DENSE[7] = 0  # a row that stores nothing
Y = random.integers(0, 3, N)
WEIGHT = random.uniform(0, 2, N)
CSR = sparse.csr_matrix(DENSE)
FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]


def network(seed=0, dtype="float32", inputs=I):
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dropout(0.2), fn.Dense(3)], inputs, seed=seed, dtype=dtype)
    net.compile("cross_entropy", fn.Adam(0.01), metrics=["accuracy"])
    return net


def trained(X, y=Y, dtype="float32", **options):
    net = network(dtype=dtype)
    history = net.fit(X, y, **({"epochs": 3, "batch_size": 16, "verbose": 0} | options)).to_dict()
    del history["seconds"]
    return net.params.tobytes(), net.trainer.optimizer.state.tobytes(), history


@pytest.fixture
def small(monkeypatch):
    """No more than 20 rows of float32 are held at once; returns how many were, time after time."""
    seen = []
    real = ports.dense_part

    def counting(*some):
        seen.append(len(real(*some)))
        return real(*some)

    monkeypatch.setattr(ports, "dense_part", counting)
    monkeypatch.setattr(feed, "BUFFER_BYTES", 20 * 4 * (I + 3))
    monkeypatch.setattr(feed, "MADE_BYTES", 20 * 4 * (I + 3))
    return seen


# ---- what is learned -----------------------------------------------------------------------------------------------


def test_gradient_descent_in_numpy():
    """A linear neuron that takes the rows in their order."""
    target = random.standard_normal((N, 1))
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], I, seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.05))
    history = net.fit(CSR, target, epochs=2, batch_size=10, shuffle=False, verbose=0)
    w, b, losses = np.zeros((I, 1)), 0.0, []
    for _ in range(2):
        total = 0.0
        for start in range(0, N, 10):
            x, t = DENSE[start : start + 10].astype(float), target[start : start + 10]
            error = x @ w + b - t
            total += (error**2).sum()
            w, b = w - 0.1 * x.T @ error / len(x), b - 0.1 * error.mean()
        losses.append(total / N)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(net.layers[0].weight, w, rtol=1e-11)
    np.testing.assert_allclose(net.predict(CSR), DENSE @ w + b, rtol=1e-11)
    error = DENSE @ w + b - target
    assert net.evaluate(CSR, target)["loss"] == pytest.approx((error**2).mean(), rel=1e-12)
    assert net.evaluate(CSR, target, sample_weight=WEIGHT)["loss"] == pytest.approx(
        (WEIGHT @ error**2)[0] / WEIGHT.sum(), rel=1e-12
    )


OPTIONS = {
    "plain": {},
    "in order": {"shuffle": False},
    "weighted": {"sample_weight": WEIGHT},
    "balanced": {"class_weight": "balanced"},
    "watched": {"callbacks": [lambda info: None]},
    "one batch": {"batch_size": 500},
}


@native(8 * I)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS)
def test_the_bits_are_those_of_the_array(options, dtype):
    options = OPTIONS[options]
    assert trained(CSR, dtype=dtype, **options) == trained(DENSE, dtype=dtype, **options)


@native(8 * I)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_bits_are_those_of_an_array_in_place_when_few_rows_are_held(options, small):
    """In the network's dtype, so that the array is used where it lies and shuffled as a whole."""
    options = OPTIONS[options]
    size = options.get("batch_size", 16)
    *bits, history = trained(CSR, **options)
    *want, expected = trained(DENSE, **options)
    assert bits == want
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-12)  # summed up block by block
    assert max(small) == min(size, N)
    assert sum(small) == 3 * N


@native(8 * I)
@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("name", FORMATS)
def test_formats(name, kind):
    X = getattr(sparse, f"{name}_{kind}")(DENSE)
    assert trained(X) == trained(DENSE)
    net = network()
    np.testing.assert_array_equal(net.predict(X), net.predict(DENSE))
    assert net.evaluate(X, Y) == net.evaluate(DENSE, Y)


@native(8 * I)
@pytest.mark.parametrize("dtype", ["float64", "int8", "uint16", "int64", "bool"])
def test_dtypes(dtype):
    array = (DENSE * 3).astype(dtype)
    assert trained(sparse.csr_matrix(array)) == trained(array)


@native(8 * I)
def test_zeros_that_are_stored_and_places_that_are_stored_twice():
    """The matrix stays as the caller made it."""
    rows, columns = np.array([0, 0, 0, 2, 2, 1]), np.array([3, 1, 3, 5, 5, 0])
    values = np.array([1.0, 0.0, 2.5, 3e38, 3e37, 4.0])
    indptr = np.array([0, 3, 4, 6])
    X = sparse.csr_matrix((values[[0, 1, 2, 5, 3, 4]], columns[[0, 1, 2, 5, 3, 4]], indptr), shape=(3, I))
    array = np.zeros((3, I))
    np.add.at(array, (rows, columns), values)
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    with pytest.raises(
        ValueError, match=r"finite in float32, got 1 NaN or infinite values, the first, inf, at \(2, 5\)"
    ):
        network().predict(sparse.csr_matrix(array * 2))
    net = network()
    np.testing.assert_array_equal(net.predict(X), net.predict(array))
    assert trained(X, Y[:3]) == trained(array, Y[:3])
    for part, now in zip(before, (X.data, X.indices, X.indptr), strict=True):
        np.testing.assert_array_equal(part, now)


@native(8 * I)
@pytest.mark.parametrize("validation", [(CSR, Y), (CSR, Y, WEIGHT), [(CSR[:50], Y[:50]), (CSR[50:], Y[50:])]])
def test_validation_data(validation):
    array = [tuple(x.toarray() if sparse.issparse(x) else x for x in part) for part in (
        validation if isinstance(validation, list) else [validation])]  # fmt: skip
    array = array if isinstance(validation, list) else array[0]
    assert trained(CSR, validation_data=validation) == trained(DENSE, validation_data=array)


@native(8 * I)
def test_batches_and_steps():
    cuts = [(0, 30), (30, 31), (31, N)]
    batches = [(CSR[a:b], Y[a:b], WEIGHT[a:b]) for a, b in cuts]
    arrays = [(DENSE[a:b], Y[a:b], WEIGHT[a:b]) for a, b in cuts]
    assert trained(batches, None) == trained(arrays, None)
    one, two = network(), network()
    for (x, y, w), (array, _, _) in zip(batches, arrays, strict=True):
        assert one.train_step(x, y, w) == two.train_step(array, y, w)
    assert one.params.tobytes() == two.params.tobytes()
    np.testing.assert_array_equal(one.forward(CSR), two.forward(DENSE))


class Bag(fn.Examples):
    """Sparse rows that are made on demand."""

    def __len__(self):
        return N

    def gather(self, rows):
        return CSR[rows], Y[rows]


@native(8 * I)
def test_examples_may_give_sparse_rows(small):
    want = trained(DENSE)
    assert trained(Bag(), None)[:2] == want[:2]
    net = network()
    np.testing.assert_array_equal(net.predict(Bag()), net.predict(DENSE))


@native(8 * I)
@pytest.mark.parametrize("held", [True, False])
def test_one_of_several_inputs(held, monkeypatch, tmp_path):
    """Beside an array, and beside a memmap."""
    if not held:
        monkeypatch.setattr(feed, "BUFFER_BYTES", 0)
        monkeypatch.setattr(feed, "MADE_BYTES", 0)
    other = random.standard_normal((N, 5)).astype(np.float32)
    other.tofile(tmp_path / "other")
    results = []
    for X in ([DENSE, other], [CSR, other], [CSR, np.memmap(tmp_path / "other", np.float32, "r", shape=(N, 5))]):
        a, b = fn.Input(I), fn.Input(5)
        net = fn.Network([a, b], fn.Dense(3)(fn.concatenate(fn.Dense(4)(a), b)), seed=0)
        net.fit(X, Y, epochs=2, loss="cross_entropy", verbose=0)
        results.append((net.params.tobytes(), net.predict(X).tobytes()))
    assert results[0] == results[1] == results[2]
    with pytest.raises(ValueError, match=r"fit: expected as many rows in every input, got \[100, 101\]"):
        net.fit([CSR[:100], other], Y)


# ---- many at once, and rates ---------------------------------------------------------------------------------------


ROWS = [np.arange(N)[::2], random.integers(0, N, 150), random.random(N) < 0.5]


@native(8 * I)
@pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}, {"sample_weight": WEIGHT}])
@pytest.mark.parametrize("limit", [1 << 25, 0, 60 * 4 * (I + 3)])
def test_rows_of_many(options, limit, monkeypatch):
    monkeypatch.setattr(feed, "BUFFER_BYTES", limit)
    monkeypatch.setattr(feed, "MADE_BYTES", 0)
    nets = [network(k) for k in range(3)]
    fn.fit_many(nets, CSR, Y, rows=ROWS, epochs=2, **options)
    for k, net in enumerate(nets):
        own, alone = dict(options), network(k)
        if "sample_weight" in own:
            own["sample_weight"] = WEIGHT[ROWS[k]]
        alone.fit(DENSE[ROWS[k]], Y[ROWS[k]], epochs=2, verbose=0, **own)
        assert net.params.tobytes() == alone.params.tobytes()


def test_many_networks_share_what_is_made_dense(monkeypatch):
    made = []
    real = feed.dense
    monkeypatch.setattr(feed, "dense", lambda x: made.append(x.shape) or real(x))
    monkeypatch.setattr(ports, "dense", lambda x: x)  # an array by now
    fn.fit_many([network(k) for k in range(4)], sparse.csc_array(DENSE), Y, epochs=1)
    assert made == [(N, I)]
    fn.fit_many([network(k) for k in range(2)], CSR, Y, rows=[[1, 2], [3]], epochs=1)


def test_a_rate_is_found_alike():
    one, two = (fn.lr_find(network(), X, Y) for X in (CSR, DENSE))
    assert one.losses.tolist() == two.losses.tolist()


# ---- estimators ----------------------------------------------------------------------------------------------------


@native(8 * I)
@pytest.mark.parametrize("options", [
    {}, {"early_stopping": True}, {"solver": "lbfgs"}, {"solver": "sgd", "learning_rate": "adaptive"}, {"shuffle": False},
])  # fmt: skip
@pytest.mark.parametrize("few", [True, False])
def test_estimators(options, few, monkeypatch):
    if few:
        monkeypatch.setattr(feed, "BUFFER_BYTES", 0)
        monkeypatch.setattr(feed, "MADE_BYTES", 0)
    models = []
    for X in (CSR, DENSE):
        model = fn.MLPClassifier(hidden_layer_sizes=(6,), max_iter=8, batch_size=10, random_state=0, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models.append(model.fit(X, Y, X_val=None))
    assert models[0].network_.params.tobytes() == models[1].network_.params.tobytes()
    assert models[0].validation_scores_ == models[1].validation_scores_
    np.testing.assert_array_equal(models[0].predict_proba(CSR), models[1].predict_proba(DENSE))
    np.testing.assert_array_equal(models[0]._logits(CSR), models[1]._logits(DENSE))


# ---- what is refused -----------------------------------------------------------------------------------------------


def changed(value, row=4, column=3):
    X = sparse.lil_matrix(DENSE.astype(np.float64))
    X[row, column] = value
    return X


BAD = {
    "NaN": (changed(np.nan), ValueError, r"X to be finite in float32, got 1 NaN or infinite values, the first, nan, at \(4, 3\); remove or impute"),
    "inf in the last row": (changed(-np.inf, N - 1, I - 1), ValueError, r"the first, -inf, at \(100, 11\)"),
    "too large": (changed(1e300), ValueError, r"the first, inf, at \(4, 3\)"),
    "no rows": (CSR[:0], ValueError, r"expected at least one row in X, got shape \(0, 12\)"),
    "columns": (CSR[:, :5], ValueError, r"expected X of shape \(B, 12\), got \(101, 5\)"),
    "complex": (CSR.astype(complex), TypeError, r"expected X to hold real numbers, got dtype complex128"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("call", ["fit", "evaluate", "predict", "train_step", "forward", "validation_data"])
def test_what_does_not_fit_is_refused_where_it_comes_in(case, call):
    X, error, message = BAD[case]
    net = network()
    before = net.params.copy()
    data = (X,) if call in ("predict", "forward") else (X, Y[: X.shape[0]])
    with pytest.raises(error, match=message) as caught:
        net.fit(DENSE, Y, validation_data=data) if call == "validation_data" else getattr(net, call)(*data)
    assert str(caught.value).startswith(f"{call}: ")
    np.testing.assert_array_equal(net.params, before)


def test_a_bad_number_in_a_later_block_is_found_before_anything_is_learned(small):
    """And said to be where the caller sees it."""
    net, begun = network(), []
    bad = changed(np.nan, 90)
    for X, validation in ((bad, None), (CSR, (bad, Y))):
        with pytest.raises(ValueError, match=r"nan, at \(90, 3\)"):
            net.fit(X, Y, validation_data=validation, shuffle=False, callbacks=[lambda info: begun.append(1)])
    assert (net.trainer.step, begun, small) == (0, [], [])


def test_rows_alone_are_no_batches():
    with pytest.raises(ValueError, match="fit: expected targets y, got None"):
        network().fit(CSR)
    with pytest.raises(TypeError, match=r"fit: expected validation_data to be .*got csr_matrix"):
        network().fit(CSR, Y, validation_data=CSR)
    with pytest.raises(ValueError, match=r"expected X of shape \(B, 4, 3\), got \(101, 12\); add Flatten"):
        fn.Sequential([fn.Flatten(), fn.Dense(1)], (4, 3), seed=0).predict(CSR)


def test_who_has_no_sparse_rows_does_not_load_what_they_need():
    code = "import sys, numpy as np, fastnn as fn; n = fn.Sequential([fn.Dense(1)], 3, seed=0); X = np.ones((4, 3)); "
    code += "n.fit(X, X[:, 0], loss='squared_error'); n.predict(X); fn.MLPRegressor(max_iter=300).fit(X, X[:, 0]); "
    code += "sys.exit('scipy.sparse' in sys.modules)"
    assert not subprocess.run(
        [sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}
    ).returncode
