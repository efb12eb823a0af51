"""Temperatures beside those of SciPy and of a closed form, and copies that answer with them."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax

import fastnn as fn

rng = np.random.default_rng(0)


def table(n=600, classes=3):
    """Rows whose labels are drawn with the probabilities softmax(2 X)."""
    X = rng.normal(size=(n, classes))
    p = softmax(2 * X, axis=1)
    return X.astype(np.float32), (p.cumsum(axis=1) > rng.uniform(size=(n, 1))).argmax(axis=1)


X, Y = table()


def net_of(scale, layers=None, loss="cross_entropy", width=3, dtype="float64"):
    """A network whose logits are scale * X."""
    net = fn.Sequential(layers or [fn.Dense(width)], input_shape=width, seed=0, dtype=dtype)
    net.compile(loss)
    net.layers[0].weight[...] = scale * np.eye(width)
    net.layers[0].bias[...] = 0
    return net


def best(z, y):
    """SciPy's minimum over the temperature itself."""
    rows = np.arange(len(y))
    return minimize_scalar(lambda t: -log_softmax(z / t, axis=1)[rows, y].mean(), bracket=(1, 3)).x


LAYERS = {
    "logits": [fn.Dense(3)],
    "softmax": [fn.Dense(3, "softmax")],
    "softmax as a layer": [fn.Dense(3, fn.Activation("softmax"))],
    "softmax behind": [fn.Dense(3), fn.Activation("softmax")],
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("scale", [0.3, 2.0, 20.0])
def test_temperature_of_a_softmax(kind, scale):
    net = net_of(scale, LAYERS[kind])
    before, found = net.params.copy(), fn.calibrate(net, X, Y)
    expected = best(scale * X.astype(np.float64), Y)
    assert found.temperature == pytest.approx(expected, rel=1e-5)
    assert found.temperature == pytest.approx(scale / 2, rel=0.2)  # what the labels were drawn with
    np.testing.assert_array_equal(net.params, before)
    z = found.model.preactivations(X)[net.layers[0].name]
    np.testing.assert_allclose(z, scale * X / expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.model.predict(X).argmax(axis=1), X.argmax(axis=1))
    rows = np.arange(len(Y))
    assert found.log_loss == pytest.approx(-log_softmax(scale * X / expected, axis=1)[rows, Y].mean(), rel=1e-6)
    assert found.log_loss_before == pytest.approx(-log_softmax(scale * X, axis=1)[rows, Y].mean(), rel=1e-6)
    assert found.log_loss == pytest.approx(found.model.evaluate(X, Y)["loss"], rel=1e-6)
    if scale > 2:
        assert found.error < 0.5 * found.error_before


def test_temperature_of_one_yes_or_no_in_closed_form():
    """70 of 100 rows of the logit 3 are true, 30 of 100 of -3: the best logit is log(7/3)."""
    rows = np.repeat([[1.0], [-1.0]], 100, axis=0)
    y = np.tile(np.r_[np.ones(70), np.zeros(30)], 2)
    y[100:] = 1 - y[100:]
    for layers in ([fn.Dense(1)], [fn.Dense(1, "sigmoid")]):
        found = fn.calibrate(net_of(3.0, layers, "binary_cross_entropy", 1), rows, y)
        assert found.temperature == pytest.approx(3 / logit(0.7), rel=1e-5)
        assert found.error == pytest.approx(0, abs=1e-5)
        assert found.error_before == pytest.approx(expit(3) - 0.7, rel=1e-6)


def test_several_labels_have_one_temperature():
    truth = (rng.uniform(size=X.shape) < expit(X)).astype(int)
    found = fn.calibrate(net_of(5.0, None, "binary_cross_entropy"), X, truth)
    z = 5.0 * X.astype(np.float64)

    def cost(t):
        return np.logaddexp(0, np.where(truth, -z, z) / t).mean()

    assert found.temperature == pytest.approx(minimize_scalar(cost, bracket=(1, 5)).x, rel=1e-5)


def test_one_hot_and_columns_are_labels_too():
    expected = fn.calibrate(net_of(20.0), X, Y).temperature
    assert fn.calibrate(net_of(20.0), X, np.eye(3)[Y]).temperature == pytest.approx(expected)
    assert fn.calibrate(net_of(20.0), X, Y[:, None]).temperature == pytest.approx(expected)


def test_sequences():
    net = fn.Sequential([fn.Dense(3)], input_shape=(4, 3), seed=0, dtype="float64")
    net.compile("cross_entropy")
    net.layers[0].weight[...], net.layers[0].bias[...] = 20 * np.eye(3), 0
    found = fn.calibrate(net, X.reshape(-1, 4, 3), Y.reshape(-1, 4))
    assert found.temperature == pytest.approx(best(20.0 * X.astype(np.float64), Y), rel=1e-5)


def test_estimators_with_labels_of_their_own(tmp_path):
    names = np.array(["ant", "bee", "cow"])[Y]
    model = fn.MLPClassifier((32,), max_iter=200, random_state=0, tol=0, n_iter_no_change=1000)
    with pytest.warns(UserWarning, match="epochs are over"):
        model.fit(X[:100], names[:100])
    kept = model.predict_proba(X[100:])
    found = fn.calibrate(model, X[100:], names[100:])
    assert isinstance(found, fn.Calibrated)
    assert found.log_loss < found.log_loss_before
    np.testing.assert_array_equal(model.predict_proba(X[100:]), kept)
    np.testing.assert_array_equal(found.model.predict(X[100:]), model.predict(X[100:]))
    p = found.model.predict_proba(X[100:])
    assert -np.log(p[np.arange(500), Y[100:]]).mean() == pytest.approx(found.log_loss, rel=1e-4)
    found.model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(fn.MLPClassifier.load(tmp_path / "model.safetensors").predict_proba(X[100:]), p)


def shared():
    layer = fn.Dense(3)
    x = fn.Input(3)
    return fn.Network(inputs=x, outputs=layer(layer(x)), seed=0)


def read_twice():
    x = fn.Input(3)
    h = fn.Dense(3)(x)
    return fn.Network(inputs=x, outputs=[fn.Activation("softmax")(h), fn.Dense(2)(h)], seed=0)


@pytest.mark.parametrize(("make", "loss", "error", "message"), [
    (lambda: net_of(1.0, None, "squared_error"), None, ValueError, "expected a classifier with probabil"),
    (lambda: net_of(1.0, None, "hinge"), None, ValueError, "expected a classifier with probabilities"),
    (lambda: fn.Sequential([fn.Dense(3, "relu")], input_shape=3), "cross_entropy", ValueError, "made by a Dense l"),
    (lambda: fn.Sequential([fn.Activation("tanh")], input_shape=3), "cross_entropy", ValueError, "made by a Dense l"),
    (lambda: fn.Sequential([fn.Dense(3), fn.BatchNorm()], input_shape=3), "cross_entropy", ValueError, "got BatchNorm"),
    (shared, "cross_entropy", ValueError, "to make nothing but the output, got it used elsewhere"),
    (read_twice, ["cross_entropy", "cross_entropy"], ValueError, "expected a network with one output"),
    (lambda: fn.Sequential([fn.Dense(3)], input_shape=3), None, RuntimeError, "calibrate"),
    (lambda: "net", None, TypeError, "expected a Network or a fitted estimator, got str"),
])  # fmt: skip
def test_what_cannot_be_calibrated(make, loss, error, message):
    net = make()
    if loss is not None:
        net.compile(loss)
    with pytest.raises(error, match=message):
        fn.calibrate(net, X, Y)


def test_a_regressor():
    model = fn.MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="epochs are over"):
        model.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="expected a classifier with probabilities"):
        fn.calibrate(model, X, X[:, 0])


def test_no_best_temperature():
    with pytest.raises(ValueError, match=r"got none; all rows are answered right: give rows that it has not learned"):
        fn.calibrate(net_of(1.0), X, X.argmax(axis=1))
    with pytest.raises(ValueError, match=r"got none; the answers say next to nothing about these rows"):
        fn.calibrate(net_of(1.0), X, X.argmin(axis=1))


def test_an_estimator_that_encodes():
    pd = pytest.importorskip("pandas")
    draws = np.random.default_rng(3)
    frame = pd.DataFrame({"size": draws.normal(1000, 300, 400), "left": draws.normal(size=400) > 0})
    y = (frame["size"] + draws.normal(0, 300, 400) > 1000).to_numpy()
    model = fn.MLPClassifier((8,), max_iter=400, random_state=0, encode="auto").fit(frame[:200], y[:200])
    p = model.predict_proba(frame[200:])
    found = fn.calibrate(model, frame[200:], y[200:])
    assert found.log_loss_before == pytest.approx(-np.log(p[np.arange(200), y[200:].astype(int)]).mean(), rel=1e-5)
