"""What users get wrong: the right exception, a message that says who, expected and got, and an unharmed network."""
# ruff: noqa: E501  (a case of a table is one line)

import gzip
import pickle
import zipfile

import numpy as np
import pytest
from helpers.model_files import sign, unsigned

import fastnn as fn


def make(loss="cross_entropy", optimizer=None, outputs=3, dtype="float32"):
    """A 4-5-outputs network that has already learned something."""
    net = fn.Sequential(
        [fn.Dense(5, "tanh", name="hidden"), fn.Dense(outputs, name="head")], input_shape=4, seed=1, dtype=dtype
    )
    net.compile(loss=loss, optimizer=optimizer or fn.SGD(0.1, momentum=0.9), metrics=[])
    random = np.random.default_rng(0)
    net.fit(random.normal(size=(6, 4)), targets(loss, 6, outputs), epochs=1, batch_size=4, verbose=0)
    return net


def targets(loss, n, outputs):
    if loss == "cross_entropy":
        return np.arange(n) % outputs
    if loss == "hinge":
        return np.where(np.arange(n * outputs).reshape(n, outputs) % 2, 1.0, -1.0)
    return (np.arange(n * outputs).reshape(n, outputs) % 2).astype(float)


def two_ports(optimizer=None):
    """Two inputs and two outputs."""
    a, b = fn.Input(2, name="a"), fn.Input(3, name="b")
    h = fn.Dense(4, "tanh")(fn.concatenate(a, b))
    net = fn.Network([a, b], [fn.Dense(2)(h), fn.Dense(1)(h)], seed=3)
    net.compile(loss=["cross_entropy", "squared_error"], optimizer=optimizer or fn.Adam(0.01))
    net.fit([np.ones((4, 2)), np.ones((4, 3))], [np.array([0, 1, 1, 0]), np.ones((4, 1))], verbose=0)
    return net


def fingerprint(net):
    """Everything that a refused call may not touch."""
    trainer = net.trainer
    if trainer is None:
        return net.params.tobytes(), net.epoch
    return (
        net.params.tobytes(), trainer.optimizer.state.tobytes(), trainer.optimizer.step, trainer.step, net.epoch,
        net.losses, net.loss_weights, net.optimizer, net.metrics, id(trainer), id(net.history), net.learning_rate,
    )  # fmt: skip


X, Y = np.ones((6, 4)), np.array([0, 1, 2, 0, 1, 2])
BAD = X.copy()
BAD[3, 2] = np.nan
INF = X.copy()
INF[1, 0] = np.inf


class Sparse:
    """As much of a SciPy matrix as is looked at."""

    shape, dtype = (6, 4), np.dtype(float)

    def toarray(self):
        return X


def raising(*_):
    raise KeyError("from the user")


def one_batch_then_bad():
    yield X, Y
    yield X, np.array([0, 1, 2, 0, 1, 99])


# name, call, exception, message
TABLE = [
    # ---- rows
    ("fit shape", lambda n: n.fit(np.ones((6, 5)), Y), ValueError, r"^fit: expected X of shape \(B, 4\), got \(6, 5\)"),
    ("fit one row", lambda n: n.fit(np.ones(4), Y), ValueError, r"expected X of shape \(B, 4\), got \(4,\); for one row pass X\[None\]"),
    ("fit 3-D", lambda n: n.fit(np.ones((6, 2, 2)), Y), ValueError, r"got \(6, 2, 2\); add Flatten\(\)"),
    ("fit scalar", lambda n: n.fit(3.0, Y), ValueError, r"expected X of shape \(B, 4\), got \(\)"),
    ("fit empty", lambda n: n.fit(np.ones((0, 4)), Y[:0]), ValueError, r"expected at least one row in X, got shape \(0, 4\)"),
    ("fit ragged", lambda n: n.fit([[1, 2, 3, 4], [1, 2]], Y[:2]), ValueError, r"^fit: expected X to be an array, got rows of different lengths"),
    ("fit strings", lambda n: n.fit(np.full((6, 4), "a"), Y), TypeError, r"^fit: expected X to hold real numbers, got texts; encode"),
    ("fit object", lambda n: n.fit(np.full((6, 4), None), Y), ValueError, r"expected X to hold finite numbers, got 24 missing values"),
    ("fit complex", lambda n: n.fit(X + 1j, Y), ValueError, r"expected X to hold real numbers, got complex128"),
    ("fit dates", lambda n: n.fit(np.zeros((6, 4), "M8[D]"), Y), TypeError, r"expected X to hold real numbers, got dates or times, datetime64\[D\]; give"),
    ("fit sparse", lambda n: n.fit(Sparse(), Y), TypeError, r"expected X to be a dense array, got Sparse; call X\.toarray\(\)"),
    ("fit masked", lambda n: n.fit(np.ma.masked_array(X, X > 0), Y), TypeError, r"expected X without a mask, got a masked array"),
    ("fit nan", lambda n: n.fit(BAD, Y), ValueError, r"^fit: expected X to be finite in float32, got 1 NaN or infinite values, the first, nan, at \(3, 2\)"),
    ("fit inf", lambda n: n.fit(INF, Y), ValueError, r"the first, inf, at \(1, 0\)"),
    ("fit too large", lambda n: n.fit(X * 1e39, Y), ValueError, r"finite in float32, got 24 .* 1e\+39, at \(0, 0\)"),
    ("fit without y", lambda n: n.fit(X), ValueError, r"expected targets y, got None; for an autoencoder pass X again"),
    ("predict shape", lambda n: n.predict(np.ones((6, 3))), ValueError, r"^predict: expected X of shape \(B, 4\), got \(6, 3\)"),
    ("predict ragged", lambda n: n.predict([[1, 2], [3]]), ValueError, r"^predict: expected X to be an array, got rows of different"),
    ("predict empty", lambda n: n.predict(np.ones((0, 4))), ValueError, r"^predict: expected at least one row"),
    ("predict empty list", lambda n: n.predict([]), ValueError, r"^predict: expected X of shape \(B, 4\), got \(0,\)"),
    ("predict nan", lambda n: n.predict(BAD), ValueError, r"^predict: expected X to be finite"),
    ("predict None", lambda n: n.predict(None), TypeError, r"^predict: expected X to hold real numbers in an array or data frame, got None"),
    ("predict sparse", lambda n: n.predict(Sparse()), TypeError, r"^predict: expected X to be a dense array, got Sparse"),
    ("forward shape", lambda n: n.forward(np.ones((6, 3))), ValueError, r"^forward: expected X of shape \(B, 4\)"),
    ("activations shape", lambda n: n.activations(np.ones(4)), ValueError, r"^activations: .* for one row pass X\[None\]"),
    ("evaluate lengths", lambda n: n.evaluate(X, Y[:4]), ValueError, r"^evaluate: expected as many targets as rows, 6, got 4; X and y differ"),
    # ---- one row
    ("one shape", lambda n: n.predict_one(np.ones(3, np.float32)), ValueError, r"^predict_one: expected x of shape \(4,\), got \(3,\)"),
    ("one batch", lambda n: n.predict_one(np.ones((1, 4), np.float32)), ValueError, r"expected x of shape \(4,\), got \(1, 4\)"),
    ("one nan", lambda n: n.predict_one(np.array([1, 2, np.nan, 4], np.float32)), ValueError, r"^predict_one: expected x to be finite in float32, .* nan, at \(2,\)"),
    ("one -inf", lambda n: n.predict_one([1, 2, -np.inf, 4]), ValueError, r"^predict_one: .* -inf, at \(2,\)"),
    ("one text", lambda n: n.predict_one("abcd"), TypeError, r"^predict_one: expected x to hold real numbers, got texts"),
    ("one None", lambda n: n.predict_one(None), TypeError, r"^predict_one: expected x to hold real numbers"),
    ("out dtype", lambda n: n.predict_one(X[0], out=np.empty(3)), TypeError, r"expected out to be a writable array of float32, got dtype float64"),
    ("out shape", lambda n: n.predict_one(X[0], out=np.empty(2, np.float32)), ValueError, r"expected out of shape \(3,\), got \(2,\)"),
    ("out list", lambda n: n.predict_one(X[0], out=[0, 0, 0]), TypeError, r"expected out to be a writable array of float32, got list"),
    # ---- targets
    ("fit lengths", lambda n: n.fit(X, Y[:5]), ValueError, r"^fit: expected as many targets as rows, 6, got 5; X and y differ in length"),
    ("label huge", lambda n: n.fit(X, Y + 10**12), ValueError, r"expected labels from 0 to 2 for 3 outputs, got 1000000000000"),
    ("label beyond", lambda n: n.fit(X, Y + 1), ValueError, r"expected labels from 0 to 2 for 3 outputs, got 3; give the last layer"),
    ("label negative", lambda n: n.fit(X, Y - 1), ValueError, r"expected labels from 0 to 2 for 3 outputs, got -1"),
    ("label float", lambda n: n.fit(X, Y.astype(float)), TypeError, r"expected y to hold integer class labels, got dtype float64; use y\.astype\(int\)"),
    ("label text", lambda n: n.fit(X, np.array(list("abcabc"))), TypeError, r"^fit: expected y to hold real numbers, got texts"),
    ("one-hot sum", lambda n: n.fit(X, np.full((6, 3), 0.5)), ValueError, r"cross_entropy expected rows of probabilities that sum to 1 .* sum 1\.5"),
    ("one-hot width", lambda n: n.fit(X, np.eye(4)[Y]), ValueError, r"cross_entropy expected y of shape \(6, 3\) or integer labels \(6,\), got \(6, 4\)"),
    ("one-hot nan", lambda n: n.fit(X, np.full((6, 3), np.nan)), ValueError, r"expected y to be finite .* got 18 NaN"),
    ("step label", lambda n: n.train_step(X[0].astype("f4"), 3), ValueError, r"^train_step: expected labels from 0 to 2 for 3 outputs, got 3"),
    ("step -1", lambda n: n.train_step(X[0], -1), ValueError, r"^train_step: expected labels from 0 to 2 .* got -1"),
    ("step huge int", lambda n: n.train_step(X[0].astype("f4"), 2**80), TypeError, r"^train_step: expected y to hold integer class labels, got dtype float64"),
    ("step float label", lambda n: n.train_step(X[0], 1.0), TypeError, r"^train_step: expected y to hold integer class labels, got dtype float64"),
    ("step no y", lambda n: n.train_step(X[0], None), ValueError, r"^train_step: expected X of shape|^train_step: expected targets y, got None"),
    ("step shape", lambda n: n.train_step(np.ones(3), 1), ValueError, r"^train_step: expected X of shape \(B, 4\), got \(3,\)"),
    ("step ragged", lambda n: n.train_step([[1, 2], [3]], 1), ValueError, r"^train_step: expected X to be an array, got rows of different"),
    ("step nan", lambda n: n.train_step(BAD[3].astype("f4"), 1), ValueError, r"^train_step: expected X to be finite"),
    ("step lengths", lambda n: n.train_step(X, Y[:2]), ValueError, r"^train_step: expected as many targets as rows, 6, got 2"),
    ("step weight", lambda n: n.train_step(X[0], 1, sample_weight=[1, 2]), ValueError, r"^train_step: expected sample_weight of shape \(1,\), one per row, got \(1, 2\)"),
    # ---- weights
    ("weights length", lambda n: n.fit(X, Y, sample_weight=np.ones(5)), ValueError, r"^fit: expected sample_weight of shape \(6,\), one per row, got \(5,\)"),
    ("weights 2-D", lambda n: n.fit(X, Y, sample_weight=np.ones((6, 1))), ValueError, r"expected sample_weight of shape \(6,\), .*got \(6, 1\)"),
    ("weights negative", lambda n: n.fit(X, Y, sample_weight=-np.ones(6)), ValueError, r"expected sample_weight of at least 0, got -1"),
    ("weights nan", lambda n: n.fit(X, Y, sample_weight=np.full(6, np.nan)), ValueError, r"expected sample_weight to be finite in float32, got 6 NaN"),
    ("weights text", lambda n: n.fit(X, Y, sample_weight=["a"] * 6), TypeError, r"expected sample_weight to hold real numbers"),
    ("class weight name", lambda n: n.fit(X, Y, class_weight="balance"), ValueError, r"expected class_weight to be a dict or 'balanced', got 'balance'"),
    ("class weight class", lambda n: n.fit(X, Y, class_weight={3: 1.0}), ValueError, r"expected classes out of 0, 1, 2 in class_weight, got 3"),
    ("class weight nan", lambda n: n.fit(X, Y, class_weight={0: float("nan")}), ValueError, r"expected class weights of at least 0, got nan for class 0"),
    ("class weight list", lambda n: n.fit(X, Y, class_weight=[1, 1, 1]), TypeError, r"expected class_weight to be a dict or 'balanced', got list"),
    # ---- names and numbers
    ("loss name", lambda n: n.compile(loss="cross_entorpy"), ValueError, r"compile: unknown loss 'cross_entorpy'; did you mean 'cross_entropy'\? known: "),
    ("loss kind", lambda n: n.compile(loss=3), TypeError, r"compile: expected loss to be a name, a Loss or a function, got 3"),
    ("loss class", lambda n: n.compile(loss=fn.CrossEntropy), TypeError, r"compile: expected loss to be a name, a Loss or a function, got <class"),
    ("losses two", lambda n: n.compile(loss=["cross_entropy"] * 2), ValueError, r"compile: expected one loss for each of 1 outputs, got 2"),
    ("loss weights", lambda n: n.compile(loss="cross_entropy", loss_weights=[1, 2]), ValueError, r"compile: expected 1 loss_weights of at least 0, got \[1, 2\]"),
    ("loss weight nan", lambda n: n.compile(loss="cross_entropy", loss_weights=[float("nan")]), ValueError, r"expected 1 loss_weights of at least 0, got \[nan\]"),
    ("loss weight text", lambda n: n.compile(loss="cross_entropy", loss_weights=["a"]), ValueError, r"expected 1 loss_weights of at least 0, got \['a'\]"),
    ("optimizer name", lambda n: n.compile(loss="cross_entropy", optimizer="adm"), ValueError, r"compile: unknown optimizer 'adm'; did you mean 'adam'\?"),
    ("optimizer kind", lambda n: n.compile(loss="cross_entropy", optimizer=0.1), TypeError, r"compile: expected optimizer to be a name or an Optimizer, got 0\.1"),
    ("metric name", lambda n: n.compile(loss="cross_entropy", metrics=["acuracy"]), ValueError, r"unknown metric 'acuracy'; did you mean 'accuracy'\?"),
    ("metric text", lambda n: n.compile(loss="cross_entropy", metrics="accuracy"), TypeError, r"compile: expected metrics to be a list of names or functions, got 'accuracy'"),
    ("group name", lambda n: n.compile("cross_entropy", fn.SGD(0.1, groups={"haed": fn.Group(frozen=True)})), ValueError, r"SGD: groups name a layer without parameters, 'haed'; did you mean 'head'\?"),
    ("fit optimizer name", lambda n: n.fit(X, Y, optimizer="sdg"), ValueError, r"unknown optimizer 'sdg'; did you mean 'sgd'\?"),
    ("fit new optimizer, bad rows", lambda n: n.fit(BAD, Y, optimizer=fn.Adam(0.5), loss="cross_entropy"), ValueError, r"expected X to be finite"),
    ("fit metrics alone", lambda n: n.fit(X, Y, metrics=["accuracy"]), ValueError, r"fit: expected metrics together with loss or optimizer"),
    ("batch_size 0", lambda n: n.fit(X, Y, batch_size=0), ValueError, r"^fit: expected batch_size of at least 1, got 0"),
    ("batch_size 2.5", lambda n: n.fit(X, Y, batch_size=2.5), TypeError, r"^fit: expected batch_size to be an integer, got float 2\.5"),
    ("batch_size True", lambda n: n.fit(X, Y, batch_size=True), TypeError, r"^fit: expected batch_size to be an integer, got bool True"),
    ("epochs 0", lambda n: n.fit(X, Y, epochs=0), ValueError, r"^fit: expected epochs of at least 1, got 0"),
    ("epochs text", lambda n: n.fit(X, Y, epochs="3"), TypeError, r"^fit: expected epochs to be an integer, got str '3'"),
    ("verbose", lambda n: n.fit(X, Y, verbose=3), ValueError, r"^fit: expected verbose to be 'auto', 0, 1 or 2, got 3"),
    ("shuffle", lambda n: n.fit(X, Y, shuffle=1), TypeError, r"^fit: expected shuffle to be True or False, got 1"),
    ("callbacks None", lambda n: n.fit(X, Y, callbacks=None), TypeError, r"^fit: expected callbacks to be a list, got NoneType"),
    ("callbacks bare", lambda n: n.fit(X, Y, callbacks=fn.EarlyStopping("loss")), TypeError, r"callbacks to be a list, got EarlyStopping; write callbacks=\["),
    ("callback class", lambda n: n.fit(X, Y, callbacks=[fn.EarlyStopping]), TypeError, r"got the class itself; write EarlyStopping\(\.\.\.\)"),
    ("callback kind", lambda n: n.fit(X, Y, callbacks=[3]), TypeError, r"callbacks: expected a Callback or a function .* got int 3"),
    ("callback raises", lambda n: n.fit(X, Y, callbacks=[raising]), KeyError, r"from the user"),
    ("monitor", lambda n: n.fit(X, Y, callbacks=[fn.EarlyStopping("val_loss")]), ValueError, r"monitor: expected one of loss, got 'val_loss'; give fit validation_data"),
    ("schedule raises", lambda n: n.fit(X, Y, optimizer=fn.SGD(raising)), KeyError, r"from the user"),
    ("schedule negative", lambda n: n.fit(X, Y, optimizer=fn.SGD(lambda step: -1.0)), ValueError, r"expected a finite rate of at least 0 at step 0, got -1"),
    ("schedule text", lambda n: n.fit(X, Y, optimizer=fn.SGD(lambda step: "a")), TypeError, r"expected a number at step 0, got str 'a'"),
    ("validation kind", lambda n: n.fit(X, Y, validation_data=X), TypeError, r"^fit: expected validation_data to be Examples, an iterable of batches, \(X, y\) or \(X, y, sample_weight\), got ndarray"),
    ("validation tuple", lambda n: n.fit(X, Y, validation_data=(X, Y, Y, Y)), TypeError, r"expected validation_data .* got tuple of 4"),
    ("validation shape", lambda n: n.fit(X, Y, validation_data=(X[:, :3], Y)), ValueError, r"^validation_data: expected X of shape \(B, 4\), got \(6, 3\)"),
    ("validation labels", lambda n: n.fit(X, Y, validation_data=(X, Y + 5)), ValueError, r"^validation_data: expected labels from 0 to 2"),
    ("batches not pairs", lambda n: n.fit(iter([X])), TypeError, r"^fit: expected batches \(X, y\) or \(X, y, sample_weight\), got ndarray"),
    ("batches four", lambda n: n.fit(iter([(X, Y, Y, Y)])), TypeError, r"expected batches \(X, y\) .* got tuple of 4"),
    ("batches none", lambda n: n.fit(iter([])), ValueError, r"^fit: expected at least one batch from the iterable, got none"),
    ("batches twice", lambda n: n.fit(iter([(X, Y)]), epochs=2), ValueError, r"expected an iterable that can be gone through 2 times, got a one-time list_iterator"),
    ("batch bad late", lambda n: n.fit(one_batch_then_bad()), ValueError, r"expected labels from 0 to 2 for 3 outputs, got 99"),
    ("batches weighted", lambda n: n.fit(iter([(X, Y)]), sample_weight=np.ones(6)), ValueError, r"expected weights within the batches"),
    # ---- backward
    ("dy shape", lambda n: (n.forward(X), n.backward(np.ones((6, 2)))), ValueError, r"^backward: expected dy of shape \(B, 3\), got \(6, 2\)"),
    ("dy rows", lambda n: (n.forward(X), n.backward(np.ones((5, 3)))), ValueError, r"^backward: expected dy of 6 rows, as many as forward had, got \[5\]"),
    ("dy nan", lambda n: (n.forward(X), n.backward(np.full((6, 3), np.nan))), ValueError, r"^backward: expected dy to be finite"),
    ("dy text", lambda n: (n.forward(X), n.backward("abc")), TypeError, r"^backward: expected dy to hold real numbers"),
    ("backward of nothing", lambda n: (n.forward(X), n.backward(np.ones((6, 3)), parameters=False, inputs=False)), ValueError, r"^backward: expected gradients of the parameters or of the inputs"),
    ("backward adds nothing", lambda n: (n.forward(X), n.backward(np.ones((6, 3)), accumulate=True, parameters=False)), ValueError, r"^backward: expected parameters=True with accumulate=True"),
    ("backward parameters", lambda n: (n.forward(X), n.backward(np.ones((6, 3)), parameters=0)), TypeError, r"^backward: expected parameters to be True or False, got 0"),
    ("backward inputs", lambda n: (n.forward(X), n.backward(np.ones((6, 3)), inputs="no")), TypeError, r"^backward: expected inputs to be True or False, got 'no'"),
    ("backward first", lambda n: n.backward(np.ones((6, 3))), RuntimeError, r"^backward: expected a call of forward before it"),
    ("backward after activations", lambda n: (n.activations(X), n.backward(np.ones((6, 3)))), RuntimeError, r"expected a call of forward before it"),
    ("gradcheck X", lambda n: fn.gradcheck(n, np.ones((2, 3)), [0, 1]), ValueError, r"^gradcheck: expected X of shape \(B, 4\), got \(2, 3\)"),
    ("save metadata", lambda n: n.save("never-written.safetensors", metadata={"a": {1, 2}}), ValueError, r"save: expected metadata of JSON values"),
    ("save metadata nan", lambda n: n.save("never-written.safetensors", metadata={"a": float("nan")}), ValueError, r"save: expected metadata of JSON values"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "exception", "message"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_refused_with_a_message_and_without_harm(call, exception, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = make()
    before = fingerprint(net)
    with pytest.raises(exception, match=message) as caught:
        call(net)
    assert type(caught.value) is exception
    assert fingerprint(net) == before
    assert not list(tmp_path.iterdir())
    net.fit(X, Y, verbose=0)  # and it still learns


def test_the_table_is_long_enough():
    assert len(TABLE) >= 60
    assert len({row[0] for row in TABLE}) == len(TABLE)


RANGES = [
    ("binary_cross_entropy", np.full((6, 3), 2.0), r"binary_cross_entropy expected targets in \[0, 1\], got 2"),
    ("binary_cross_entropy", np.full((6, 3), -0.5), r"binary_cross_entropy expected targets in \[0, 1\], got -0\.5"),
    ("poisson", np.full((6, 3), -1.0), r"poisson expected targets of at least 0, got -1"),
    ("hinge", np.zeros((6, 3)), r"hinge expected targets -1 or 1, got 0\.0; use 2 \* y - 1"),
    ("squared_error", np.ones((6, 2)), r"squared_error expected y of shape \(6, 3\), got \(6, 2\)"),
    ("squared_error", np.ones(6), r"squared_error expected y of shape \(6, 3\), got \(6,\)"),
]


@pytest.mark.parametrize(("loss", "y", "message"), RANGES)
def test_targets_out_of_range(loss, y, message):
    net = make(loss)
    before = fingerprint(net)
    for call in (net.fit, net.evaluate, net.train_step):
        with pytest.raises(ValueError, match=message):
            call(X, y)
        assert fingerprint(net) == before


def test_the_straight_way_of_train_step_also_refuses_what_is_not_finite():
    net = make("squared_error")
    before = fingerprint(net)
    x, y = np.ones(4, np.float32), np.array([0, np.inf, 1], np.float32)
    with pytest.raises(ValueError, match=r"train_step: expected y to be finite"):
        net.train_step(x, y)
    with pytest.raises(ValueError, match=r"train_step: expected X to be finite"):
        net.train_step(x * np.float32(np.nan), np.zeros(3, np.float32))
    assert fingerprint(net) == before


TWO = [
    (lambda n: n.predict(np.ones((4, 2))), ValueError, r"predict: expected X to be a list of 2 arrays, one per input of the network, got ndarray"),
    (lambda n: n.predict([np.ones((4, 2))]), ValueError, r"list of 2 arrays, one per input of the network, got 1"),
    (lambda n: n.predict([np.ones((4, 2)), np.ones((3, 3))]), ValueError, r"predict: expected as many rows in every input, got \[4, 3\]"),
    (lambda n: n.predict([np.ones((4, 3)), np.ones((4, 2))]), ValueError, r"predict: expected X of shape \(B, 2\), got \(4, 3\)"),
    (lambda n: n.predict_one(np.ones(2)), ValueError, r"predict_one: expected x to be a list of 2 arrays"),
    (lambda n: n.predict_one([np.ones(2), np.ones(3)], out=np.empty(2, np.float32)), ValueError, r"predict_one: expected out"),
    (lambda n: n.fit([np.ones((4, 2)), np.ones((3, 3))], [np.zeros(4, int), np.ones((4, 1))]), ValueError, r"fit: expected as many rows in every input, got \[4, 3\]"),
    (lambda n: n.fit([np.ones((4, 2)), np.ones((4, 3))], np.zeros(4, int)), ValueError, r"fit: expected y to be a list of 2 arrays, one per output of the network, got ndarray"),
    (lambda n: n.fit([np.ones((4, 2)), np.ones((4, 3))], [np.zeros(4, int)] * 3), ValueError, r"list of 2 arrays, one per output of the network, got 3"),
    (lambda n: n.fit([np.ones((4, 2)), np.ones((4, 3))], [np.zeros(4, int), np.ones((3, 1))]), ValueError, r"expected as many targets as rows, 4, got 3"),
    (lambda n: (n.forward([np.ones((4, 2)), np.ones((4, 3))]), n.backward(np.ones((4, 2)))), ValueError, r"backward: expected dy to be a list of 2 arrays"),
    (lambda n: n.compile(loss="squared_error"), ValueError, r"compile: expected one loss for each of 2 outputs, got 1"),
    (lambda n: n.compile(loss=["cross_entropy", "cross_entropy"]), ValueError, r"cross_entropy expected one output per class, at least 2, got 1; use binary_cross_entropy"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "exception", "message"), TWO)
def test_several_inputs_and_outputs(call, exception, message):
    net = two_ports()
    before = fingerprint(net)
    with pytest.raises(exception, match=message):
        call(net)
    assert fingerprint(net) == before


def test_not_compiled():
    net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)
    before = fingerprint(net)
    for who, call in [
        ("fit", lambda: net.fit(X, Y)), ("evaluate", lambda: net.evaluate(X, Y)),
        ("train_step", lambda: net.train_step(X[0], 1)), ("train_step", lambda: net.train_step(X[0].astype("f4"), 1)),
        ("apply_gradients", lambda: net.apply_gradients()), ("learning_rate", lambda: net.learning_rate),
        ("fit", lambda: net.fit(X, Y, optimizer="adam")), ("gradcheck", lambda: fn.gradcheck(net, X, Y)),
        ("save", lambda: net.save("never", optimizer=True)),
    ]:  # fmt: skip
        with pytest.raises(RuntimeError, match=rf"^{who}: expected a compiled network; call net\.compile"):
            call()
    assert fingerprint(net) == before
    net.compile(optimizer="sgd")
    with pytest.raises(RuntimeError, match=r"fit: expected a loss; call net\.compile"):
        net.fit(X, Y)


def test_a_fit_that_fails_leaves_an_uncompiled_network_uncompiled():
    net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)
    before = fingerprint(net)
    with pytest.raises(ValueError, match="finite"):
        net.fit(BAD, Y, loss="cross_entropy", optimizer="adam")
    assert net.trainer is None
    assert fingerprint(net) == before


x4, x5 = fn.Input(4), fn.Input(5, name="five")
BUILD = [
    (lambda: fn.Dense(0), ValueError, r"Dense: expected units of at least 1, got 0"),
    (lambda: fn.Dense(-1), ValueError, r"Dense: expected units of at least 1, got -1"),
    (lambda: fn.Dense(2.5), TypeError, r"Dense: expected units to be an integer, got float 2\.5"),
    (lambda: fn.Dense("8"), TypeError, r"Dense: expected units to be an integer, got str '8'"),
    (lambda: fn.Dense(True), TypeError, r"Dense: expected units to be an integer, got bool True"),
    (lambda: fn.Dense(3, "rleu"), ValueError, r"Dense: unknown activation 'rleu'; did you mean 'relu'\?"),
    (lambda: fn.Dense(3, 5), TypeError, r"Dense: expected activation to be a name or a layer, got int"),
    (lambda: fn.Dense(3, fn.Dense(3)), ValueError, r"expected an activation without parameters that keeps the shape \(3,\)"),
    (lambda: fn.Dense(3, bias=1), TypeError, r"Dense: expected bias to be True or False, got 1"),
    (lambda: fn.Dense(3, kernel_initializer="he_norml"), ValueError, r"unknown initializer 'he_norml'; did you mean 'he_normal'\?"),
    (lambda: fn.Dense(3, name="a/b"), ValueError, r"Dense: expected a name of letters, digits, '_' and '-', got 'a/b'"),
    (lambda: fn.Dense(3, name=7), TypeError, r"Dense: expected name to be a string, got int"),
    (lambda: fn.Activation("tahn"), ValueError, r"Activation: unknown function 'tahn'; did you mean 'tanh'\?"),
    (lambda: fn.Activation("relu", alpha=1.0), ValueError, r"'relu' has no alpha; leaky_relu, elu and clipped_relu have"),
    (lambda: fn.Activation("elu", alpha=-1.0), ValueError, r"Activation: expected alpha to be a finite number of at least 0, got -1"),
    (lambda: fn.Dropout(1.0), ValueError, r"Dropout: expected rate below 1, got 1"),
    (lambda: fn.Dropout(-0.1), ValueError, r"Dropout: expected rate to be a finite number of at least 0 and at most 1, got -0\.1"),
    (lambda: fn.Dropout(float("nan")), ValueError, r"Dropout: expected rate .* got nan"),
    (lambda: fn.Dropout("0.5"), TypeError, r"Dropout: expected rate to be a number, got str '0\.5'"),
    (lambda: fn.DropConnect(4, rate=1.0), ValueError, r"DropConnect: expected rate below 1, got 1"),
    (lambda: fn.Slice(2, 2)(x4), ValueError, r"Slice: expected a part of the 4 elements, got \[2:2\], which is empty"),
    (lambda: fn.Slice(4, 9)(x4), ValueError, r"Slice: expected a part of the 4 elements, got \[4:9\], which is empty"),
    (lambda: fn.Reshape((2, 3))(x4), ValueError, r"Reshape: expected input of 6 numbers per row for shape \(B, 2, 3\), got \(B, 4\)"),
    (lambda: fn.Reshape((2, 0)), ValueError, r"Reshape: expected each size of the shape of at least 1, got 0"),
    (lambda: fn.Reshape((1,) * 17), ValueError, r"Reshape: expected a shape of at most 16 axes, got 17"),
    (lambda: fn.Input((1,) * 40), ValueError, r"Input: expected a shape of at most 16 axes, got 40"),
    (lambda: fn.Input(0), ValueError, r"Input: expected each size of the shape of at least 1, got 0"),
    (lambda: fn.Input("4"), TypeError, r"Input: expected a shape such as 784 or \(28, 28\), got '4'"),
    (lambda: fn.Input(()), TypeError, r"Input: expected a shape such as 784"),
    (lambda: fn.add(x4, x5), ValueError, r"Add: expected two or more inputs of one shape, got \(B, 4\), \(B, 5\)"),
    (lambda: fn.add(x4), ValueError, r"Add: expected two or more inputs of one shape, got \(B, 4\)"),
    (lambda: fn.PhaseDense(3)(x4), ValueError, r"PhaseDense: expected features of shape \(B, I\) and a phase of shape \(B, 1\), got \(B, 4\); apply it as"),
    (lambda: fn.PhaseDense(3)(x4, x5), ValueError, r"PhaseDense: expected features .* got \(B, 4\), \(B, 5\)"),
    (lambda: fn.PhaseDense(3, control_points=3), ValueError, r"PhaseDense: expected control_points \(cubic\) of at least 4, got 3"),
    (lambda: fn.PhaseDense(3, phase_function="quadratic"), ValueError, r"PhaseDense: unknown phase_function 'quadratic'; known: constant, linear, cubic"),
    (lambda: fn.PhaseDense(3, phase_function=None), ValueError, r"PhaseDense: unknown phase_function None"),
    (lambda: fn.PhaseDense(3, bias=1), TypeError, r"PhaseDense: expected bias to be True or False, got 1"),
    (lambda: fn.Dense(3)(x4, x5), ValueError, r"Dense: expected one input, got 2; merge them first"),
    (lambda: fn.Dense(3)(np.ones(4)), TypeError, r"Dense: expected tensors made by Input or another layer, got ndarray; numbers go to net\.predict"),
    (lambda: fn.Concatenate(name="both")(fn.Input((2, 3)), fn.Input((3, 3))), ValueError, r"Concatenate 'both': expected two or more inputs that differ in the last axis alone, got \(B, 2, 3\), \(B, 3, 3\)"),
    (lambda: fn.LSTM(3, name="memory")(fn.Input(5)), ValueError, r"LSTM 'memory': expected a sequence \(B, T, I\).*got \(B, 5\); add Reshape"),
    (lambda: fn.LSTM(3)(fn.Input((4, 2)), fn.Input((1, 3))), ValueError, r"LSTM: expected an initial state of shape \(B, 2, 3\), got \(B, 1, 3\)"),
    (lambda: fn.GRU(0), ValueError, r"GRU: expected units of at least 1, got 0"),
    (lambda: fn.GRU(3, return_sequences=1), TypeError, r"GRU: expected return_sequences to be True or False, got 1"),
    (lambda: fn.GRU(3, truncate=0), ValueError, r"GRU: expected truncate of at least 1, got 0"),
    (lambda: fn.GRU(3, mask_value="none"), TypeError, r"GRU: expected mask_value to be a number"),
    (lambda: fn.GRU(3, mask_value=float("nan")), ValueError, r"GRU: expected mask_value to be a finite number"),
    (lambda: fn.SimpleRNN(3, activation="gelu"), ValueError, r"SimpleRNN: unknown activation 'gelu'"),
    (lambda: fn.LSTM(3, forget_bias=None), TypeError, r"LSTM: expected forget_bias to be a number"),
    (lambda: fn.LSTM(3, recurrent_initializer="orthonormal"), ValueError, r"LSTM: unknown initializer 'orthonormal'; did you mean 'orthogonal'"),
    (lambda: fn.Bidirectional(fn.Dense(3)), TypeError, r"Bidirectional: expected a recurrent layer, got Dense"),
    (lambda: fn.Bidirectional(fn.GRU(3, go_backwards=True)), ValueError, r"Bidirectional: expected a layer without go_backwards"),
    (lambda: fn.Bidirectional(fn.GRU(3), merge="mul"), ValueError, r"Bidirectional: unknown merge 'mul'"),
    (lambda: fn.Sequential([fn.LSTM(3, return_state=True), fn.Dense(1)], input_shape=(4, 2)), TypeError, r"Sequential: expected layers that give one tensor, got LSTM\(units=3"),
    (lambda: fn.Sequential([fn.LSTM(3, return_state=True)], input_shape=(4, 2)), TypeError, r"Sequential: expected layers that give one tensor, got LSTM\(units=3"),
    (lambda: fn.Residual([]), ValueError, r"Residual: expected at least one layer, got none"),
    (lambda: fn.Residual([3]), TypeError, r"Residual: expected layers, got int"),
    (lambda: fn.Residual([fn.Dense(5)])(x4), ValueError, r"Residual: expected the body to give the shape of the link, \(B, 4\), got \(B, 5\); .*projection=Dense\(5"),
    (lambda: fn.Sequential([], input_shape=4), ValueError, r"Sequential: expected at least one layer, got none"),
    (lambda: fn.Sequential([fn.Dense], input_shape=4), TypeError, r"Sequential: expected layers, got .* at position 0; write Dense\(\.\.\.\), not Dense"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4.0), TypeError, r"Sequential: expected a shape such as 784"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4, seed=-1), ValueError, r"Network: expected seed of at least 0, got -1"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4, seed=1.5), TypeError, r"Network: expected seed to be an integer, got float 1\.5"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4, seed=1 << 64), ValueError, r"expected seed below 2\*\*64"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4, dtype="float16"), ValueError, r"Network: expected dtype float32 or float64, got 'float16'"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4, dtype=None), ValueError, r"expected dtype float32 or float64, got None"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=4, dtype="nonsense"), ValueError, r"expected dtype float32 or float64, got 'nonsense'"),
    (lambda: fn.Sequential([fn.Dense(3, name="a"), fn.Dense(3, name="a")], input_shape=4), ValueError, r"expected every layer to have its own name, got 'a' twice"),
    (lambda: fn.Network(x4, fn.Dense(3)(x5)), ValueError, r"Network: expected every Input among inputs, got an output that depends on another one \(shape \(5,\), 'five'\)"),
    (lambda: fn.Network([x4, x5], fn.Dense(3)(x4)), ValueError, r"expected every input to lead to an output, got input 1 \(shape \(5,\)\)"),
    (lambda: fn.Network([x4, x4], fn.Dense(3)(x4)), ValueError, r"Network: expected every input once, got one of them twice"),
    (lambda: fn.Network(4, fn.Dense(3)(x4)), TypeError, r"Network: expected tensors made by Input or another layer, got int"),
    (lambda: fn.Network([], fn.Dense(3)(x4)), ValueError, r"Network: expected at least one input and one output"),
    (lambda: fn.Network(fn.Dense(3)(x4), fn.Dense(3)(x4)), ValueError, r"Network: expected inputs made by Input, got the output of a layer"),
    (lambda: fn.Network(xs := [fn.Input(1) for _ in range(65)], fn.concatenate(*xs)), ValueError, r"at most 64 inputs and 64 outputs, got 65 and 1"),
    (lambda: fn.Network(x4, [fn.Dense(1)(x4) for _ in range(65)]), ValueError, r"at most 64 inputs and 64 outputs, got 1 and 65"),
    (lambda: fn.Custom(3, len), TypeError, r"Custom: expected forward and backward to be functions"),
    (lambda: fn.Custom(len, len, parameters={"a b": (1, "zeros")}), ValueError, r"expected parameter names to be identifiers, got 'a b'"),
    (lambda: fn.SGD(-0.1), ValueError, r"SGD: expected learning_rate to be a finite number of at least 0, got -0\.1"),
    (lambda: fn.SGD(float("nan")), ValueError, r"SGD: expected learning_rate to be a finite number of at least 0, got nan"),
    (lambda: fn.SGD(float("inf")), ValueError, r"SGD: expected learning_rate to be a finite number of at least 0, got inf"),
    (lambda: fn.SGD(10**400), ValueError, r"SGD: expected learning_rate to be a finite number of at least 0, got 1000"),
    (lambda: fn.SGD(True), TypeError, r"SGD: expected learning_rate to be a number, got bool True"),
    (lambda: fn.SGD("0.1"), TypeError, r"SGD: expected learning_rate to be a number, got str '0\.1'"),
    (lambda: fn.SGD(0.1, momentum=1), ValueError, r"SGD: expected momentum below 1, got 1"),
    (lambda: fn.SGD(0.1, nesterov=True), ValueError, r"SGD: expected momentum above 0 with nesterov=True, got 0"),
    (lambda: fn.Adam(epsilon=0.0), ValueError, r"Adam: expected epsilon to be a finite number above 0, got 0"),
    (lambda: fn.Adam(clip_norm=-1), ValueError, r"Adam: expected clip_norm to be a finite number of at least 0, got -1"),
    (lambda: fn.Adam(groups={"a": 0.1}), TypeError, r"Adam: expected groups to be a dict of layer name to Group"),
    (lambda: fn.Huber(0), ValueError, r"Huber: expected delta to be a finite number above 0, got 0"),
    (lambda: fn.Quantile(1), ValueError, r"Quantile: expected q between 0 and 1, got 1"),
    (lambda: fn.CrossEntropy(1), ValueError, r"CrossEntropy: expected label_smoothing below 1, got 1"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "exception", "message"), BUILD)
def test_specifications_refuse_bad_arguments(build, exception, message):
    with pytest.raises(exception, match=message) as caught:
        build()
    assert type(caught.value) is exception


# ---- functions of the user's ---------------------------------------------------------------------------------------


def good_loss(t, y):
    return ((y - t) ** 2).sum(axis=1), 2 * (y - t)


LOSSES = [
    (lambda t, y: 3.0, TypeError, r"expected it to return \(losses, gradient\), got float"),
    (lambda t, y: (np.zeros(len(y) + 1), y), ValueError, r"expected losses of shape \(6,\) and a gradient of shape \(6, 3\), got \(7,\) and \(6, 3\)"),
    (lambda t, y: (np.zeros(len(y)), y[:, :1]), ValueError, r"a gradient of shape \(6, 3\), got \(6,\) and \(6, 1\)"),
    (raising, KeyError, "from the user"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "exception", "message"), LOSSES)
def test_loss_functions_that_misbehave(loss, exception, message):
    net = make("squared_error")
    net.compile(loss=loss, optimizer=fn.SGD(0.1))
    before = fingerprint(net)
    for call in (net.fit, net.train_step, net.evaluate):
        with pytest.raises(exception, match=message):
            call(X, np.ones((6, 3)))
        assert fingerprint(net) == before


LAYERS = [
    (lambda x: x[:, :2], lambda x, y, dy: dy, ValueError, r"Custom 'mine': expected forward to return an array of shape \(6, 4\), got \(6, 2\)"),
    (raising, lambda x, y, dy: dy, KeyError, "from the user"),
    (lambda x: x * 1.0, lambda x, y, dy: dy[:1], ValueError, r"Custom 'mine': expected backward to return dx of shape \(6, 4\), got \(1, 4\)"),
    (lambda x: x * 1.0, raising, KeyError, "from the user"),
    (lambda x: np.add(x, 1, out=x), lambda x, y, dy: dy, ValueError, "read-only"),
]  # fmt: skip


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("forward", "backward", "exception", "message"), LAYERS)
def test_custom_layers_that_misbehave(forward, backward, exception, message, momentum):
    layer = fn.Custom(forward, backward, name="mine")
    net = fn.Sequential([fn.Dense(4), layer, fn.Dense(3)], input_shape=4, seed=0)
    net.compile("squared_error", fn.SGD(0.1, momentum=momentum))
    before = fingerprint(net)
    for call in (lambda: net.fit(X, np.ones((6, 3)), verbose=0), lambda: net.train_step(X, np.ones((6, 3)))):
        with pytest.raises(exception, match=message):
            call()
        assert fingerprint(net) == before


def test_custom_parameters_without_gradient_are_named():
    layer = fn.Custom(lambda x, a: x * a, lambda x, y, dy, a: (dy * a, {}), parameters={"a": (1, "ones")}, name="mine")
    net = fn.Sequential([layer], input_shape=4, seed=0)
    net.forward(X)
    with pytest.raises((KeyError, ValueError), match="a"):
        net.backward(X)


# ---- files ---------------------------------------------------------------------------------------------------------


def write(path, data):
    path.write_bytes(data)


def saved(path, edit=lambda data: data):
    make().save(path)
    write(path, edit(path.read_bytes()))


def zipped(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weights", b"1234")


def alien(path):
    from safetensors.numpy import save_file

    save_file({"w": np.ones(3, np.float32)}, path, {"format": "pt"})


def custom(path):
    layer = fn.Custom(lambda x: x, lambda x, y, dy: dy, name="mine")
    fn.Sequential([layer], input_shape=4, seed=0).save(path)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


FILES = [
    ("empty", lambda p: write(p, b""), r"load 'm': expected a safetensors file, got 0 bytes; it is truncated"),
    ("seven bytes", lambda p: write(p, b"1234567"), r"got 7 bytes; it is truncated"),
    ("half", lambda p: saved(p, lambda d: d[: len(d) // 2]), r"truncated|expected a file of"),
    ("one byte less", lambda p: saved(p, lambda d: d[:-1]), r"expected a file of \d+ bytes, as its arrays need"),
    ("one byte more", lambda p: saved(p, lambda d: d + b"\0"), r"expected a file of \d+ bytes, as its arrays need"),
    ("text", lambda p: write(p, b"hello world, this is no model"), r"expected a safetensors file, got a header of \d+ bytes in a file of 29"),
    ("pickle", lambda p: write(p, pickle.dumps(Evil())), r"zip, pickle or gzip file; fastnn reads no pickles"),
    ("zip", zipped, r"zip, pickle or gzip file"),
    ("gzip", lambda p: saved(p, gzip.compress), r"zip, pickle or gzip file"),
    ("other safetensors", alien, r"expected a network saved by fastnn, got another safetensors file"),
    ("newer", lambda p: saved(p, lambda d: sign(unsigned(d).replace(rb'\"format\": 3', rb'\"format\": 4'))), r"expected format 3, got 4; a newer fastnn may read it"),
    ("not JSON", lambda p: write(p, b"\x04\0\0\0\0\0\0\0{{{{"), r"the header is not valid JSON"),
    ("not UTF-8", lambda p: write(p, b"\x04\0\0\0\0\0\0\0\xff\xff\xff\xff"), r"the header is not valid JSON"),
    ("JSON list", lambda p: write(p, b"\x02\0\0\0\0\0\0\0[]"), r"the header is not valid JSON"),
    ("custom", custom, r"the file uses the custom layer 'mine'.*pass fn\.load\(path, custom=\{'mine': layer\}\)"),
    ("directory", lambda p: p.mkdir(), r"load: expected a file, got a folder"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_files_that_are_no_networks(build, message, tmp_path):
    path = tmp_path / "m"
    build(path)
    with pytest.raises(fn.ModelFormatError, match=message):
        fn.load(path)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        fn.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        make().save(tmp_path / "no" / "folder")
    with pytest.raises(OSError, match=r"Is a directory|something else"):
        make().save(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="load: expected custom to map names to layers"):
        fn.load(tmp_path, custom={"a": len})


# ---- odd, but accepted ---------------------------------------------------------------------------------------------


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
    view = raw.view(a.dtype).reshape(a.shape)
    view[...] = a
    assert not view.flags.aligned
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def memmap(a, folder):
    kept = np.memmap(folder / "rows.bin", a.dtype, "w+", shape=a.shape)
    kept[...] = a
    kept.flush()
    return np.memmap(folder / "rows.bin", a.dtype, "r", shape=a.shape)


def frame(a, _):
    return pytest.importorskip("pandas").DataFrame(a)


ODD = {
    "every second": lambda a, _: np.repeat(a, 2, axis=0)[::2],
    "columns": lambda a, _: np.concatenate([a, a], axis=1)[:, : a.shape[1]],
    "Fortran": lambda a, _: np.asfortranarray(a),
    "read-only": lambda a, _: read_only(a),
    "float64": lambda a, _: a.astype(np.float64),
    "float16": lambda a, _: a.astype(np.float16),
    "long double": lambda a, _: a.astype(np.longdouble),
    "int8": lambda a, _: a.astype(np.int8),
    "int64": lambda a, _: a.astype(np.int64),
    "list": lambda a, _: a.tolist(),
    "tuple": lambda a, _: tuple(map(tuple, a.tolist())),
    "list of rows": lambda a, _: list(a),
    "memmap": memmap,
    "big-endian": lambda a, _: a.astype(">f4"),
    "reversed twice": lambda a, _: a[::-1].copy()[::-1],
    "negative columns": lambda a, _: a[:, ::-1].copy()[:, ::-1],
    "misaligned": lambda a, _: misaligned(a),
    "matrix-like": frame,
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_arrays_give_the_very_same_bits(odd, tmp_path):
    rows = np.random.default_rng(2).integers(-9, 9, (11, 4)).astype(np.float32)
    strange = ODD[odd](rows, tmp_path)
    plain, other = make("squared_error"), make("squared_error")
    assert np.array_equal(plain.predict(rows), other.predict(strange))
    goals = np.random.default_rng(3).integers(-9, 9, (11, 3)).astype(np.float32)
    (tmp_path / "y").mkdir()
    strange_goals = ODD[odd](goals, tmp_path / "y")
    assert plain.evaluate(rows, goals) == other.evaluate(strange, strange_goals)
    assert plain.train_step(rows, goals) == other.train_step(strange, strange_goals)
    for net, data in ((plain, (rows, goals)), (other, (strange, strange_goals))):
        net.fit(*data, epochs=2, batch_size=4, verbose=0)
    assert fingerprint(plain)[:5] == fingerprint(other)[:5]
    assert np.array_equal(rows, np.asarray(strange, np.float32))  # nothing was written to


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.uint64, ">i4"])
def test_labels_of_any_integer_type(dtype):
    plain, other = make(), make()
    labels = np.array([0, 1, 1, 0, 1, 0])
    plain.fit(X, labels, verbose=0)
    other.fit(X, labels.astype(dtype), verbose=0)
    assert np.array_equal(plain.params, other.params)


def test_labels_as_lists_columns_and_one_hot_are_the_same():
    nets = [make() for _ in range(4)]
    for net, y in zip(nets, (Y, Y.tolist(), Y[:, None], np.eye(3)[Y]), strict=True):
        net.fit(X * np.arange(6)[:, None], y, verbose=0)
    for net in nets[1:3]:
        assert np.array_equal(nets[0].params, net.params)
    np.testing.assert_allclose(nets[0].params, nets[3].params, rtol=1e-5, atol=1e-6)


def test_pandas_series_and_frames():
    pd = pytest.importorskip("pandas")
    plain, other = make(), make()
    rows = np.random.default_rng(2).normal(size=(6, 4))
    plain.fit(rows, Y, sample_weight=np.arange(6.0), verbose=0)
    index = list("fedcba")
    other.fit(
        pd.DataFrame(rows, index=index), pd.Series(Y, index=index), sample_weight=pd.Series(np.arange(6.0)), verbose=0
    )
    assert np.array_equal(plain.params, other.params)
    one = pd.Series(rows[0])
    assert np.array_equal(plain.predict_one(one), plain.predict(rows[:1])[0])
    with pytest.raises(TypeError, match=r"column .b. of X to hold real numbers, got texts"):
        plain.predict(pd.DataFrame({"a": [1.0], "b": ["x"], "c": [1.0], "d": [1.0]}))


def test_sparse_matrices_of_scipy_are_rows_and_nothing_else():
    sparse = pytest.importorskip("scipy.sparse")
    net = make()
    with pytest.raises(
        TypeError, match=r"predict_one: expected x to be a dense array, got csr_matrix; call x\.toarray"
    ):
        net.predict_one(sparse.csr_matrix(X[:1]))
    with pytest.raises(TypeError, match=r"train_step: expected y to be a dense array, got csr_array; call y\.toarray"):
        net.train_step(X, sparse.csr_array(np.eye(3)[Y]))
    with pytest.raises(TypeError, match=r"fit: expected sample_weight to be a dense array, got csr_array"):
        net.fit(X, Y, sample_weight=sparse.csr_array(np.ones((1, len(X)))))


def test_a_list_of_one_row_is_one_row():
    net = make()
    row = np.arange(4.0)
    assert np.array_equal(net.predict([row]), net.predict(row[None]))
    np.testing.assert_allclose(net.predict([row, row])[1:], net.predict(row[None]), rtol=1e-5)


@pytest.mark.parametrize(
    "result", [lambda dy: dy, lambda dy: (dy, dy), lambda dy: (dy, {}), lambda dy: (dy, {"v": dy})]
)
def test_custom_layers_that_leave_out_gradients(result):
    scale = fn.Custom(
        lambda x, w: x * w, lambda x, y, dy, w: result(dy), parameters={"w": (lambda shape: shape, "ones")}, name="mine"
    )
    net = fn.Sequential([scale, fn.Dense(3)], input_shape=4, seed=0)
    net.compile("cross_entropy", "sgd")
    before = fingerprint(net)
    with pytest.raises(ValueError, match=r"Custom 'mine': expected backward to return \(dx, gradients\)"):
        net.train_step(X, Y)
    assert fingerprint(net) == before


def test_numpy_numbers_serve_as_numbers(tmp_path):
    def build(integer, real):
        net = fn.Sequential(
            [fn.Reshape((integer(2), 2)), fn.Flatten(), fn.Dense(integer(5), "relu"), fn.Dropout(real(0.5)), fn.Dense(3)],
            input_shape=integer(4), seed=0,
        )  # fmt: skip
        net.compile("cross_entropy", fn.Adam(real(0.5), l2=real(0.25)))
        net.fit(X, Y, epochs=integer(2), batch_size=integer(4), verbose=0)
        return net

    plain, other = build(int, float), build(np.int64, np.float32)
    other.save(tmp_path / "m", optimizer=True)
    for net in (other, fn.load(tmp_path / "m")):
        assert net.params.tobytes() == plain.params.tobytes()
        assert net.trainer.optimizer.state.tobytes() == plain.trainer.optimizer.state.tobytes()
        assert net.structure.to_config() == plain.structure.to_config()
        assert [type(size) for size in (*net.input_shape, *net.layers[0].output_shape)] == [int] * 3
