"""What people write who come from other libraries: it works, or the message names what to write."""

import numpy as np
import pytest

import fastnn as fn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype(np.float32)
LABELS = RNG.integers(3, size=12)
VALUES = RNG.normal(size=(12, 3)).astype(np.float32)


def make(loss=None, outputs=3, last=None, seed=0, **options):
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(outputs, last)], input_shape=4, seed=seed)
    if loss is not None:
        net.compile(loss, **options)
    return net


LOSSES = {
    "mse": fn.SquaredError, "MSE": fn.SquaredError, "mean_squared_error": fn.SquaredError, "MSELoss": fn.SquaredError,
    "SquaredError": fn.SquaredError, "mae": fn.AbsoluteError, "mean_absolute_error": fn.AbsoluteError,
    "L1Loss": fn.AbsoluteError, "smooth_l1": fn.Huber, "Huber": fn.Huber, "logcosh": fn.LogCosh, "pinball": fn.Quantile,
    "bce": fn.BinaryCrossEntropy, "BCE": fn.BinaryCrossEntropy, "binary_crossentropy": fn.BinaryCrossEntropy,
    "BCEWithLogitsLoss": fn.BinaryCrossEntropy, "crossentropy": fn.CrossEntropy, "CrossEntropyLoss": fn.CrossEntropy,
    "cross-entropy": fn.CrossEntropy, "categorical_crossentropy": fn.CrossEntropy,
    "sparse_categorical_crossentropy": fn.CrossEntropy, "PoissonNLLLoss": fn.Poisson,
}  # fmt: skip


@pytest.mark.parametrize("word", LOSSES)
def test_losses(word):
    net = make()
    net.compile(word)
    assert type(net.losses[0]) is LOSSES[word]


METRICS = {
    "acc": "accuracy", "Accuracy": "accuracy", "accuracy_score": "accuracy", "categorical_accuracy": "accuracy",
    "mse": "mean_squared_error", "MSE": "mean_squared_error", "mae": "mean_absolute_error", "r2_score": "r2",
    "R2": "r2", "r_squared": "r2", "error_rate": "error", "squared_error": "mean_squared_error",
}  # fmt: skip


@pytest.mark.parametrize("word", METRICS)
def test_metrics_stand_in_the_results_by_our_name(word):
    net = make("mse" if METRICS[word][0] in "mr" else "ce", metrics=[word])
    assert list(net.evaluate(X, VALUES if METRICS[word][0] in "mr" else LABELS)) == ["loss", METRICS[word]]


ACTIVATIONS = {
    "ReLU": "relu", "RELU": "relu", "LeakyReLU": "leaky_relu", "Tanh": "tanh", "logistic": "sigmoid",
    "Sigmoid": "sigmoid", "swish": "silu", "SiLU": "silu", "linear": "identity", "GELU": "gelu", "SELU": "selu",
    "Softmax": "softmax",
}  # fmt: skip


@pytest.mark.parametrize("word", ACTIVATIONS)
def test_activations_are_kept_by_our_name(word):
    plain = fn.Dense(3, ACTIVATIONS[word])
    assert fn.Activation(word).function == ACTIVATIONS[word]
    for layer in (fn.Dense(3, word), fn.DropConnect(3, word), fn.PhaseDense(3, word)):
        assert layer.activation == ACTIVATIONS[word]
        assert layer.initializer("weight") == fn.Dense(3, ACTIVATIONS[word]).initializer("weight")
    ours, theirs = (fn.Sequential([layer], 4, seed=1) for layer in (plain, fn.Dense(3, word)))
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert theirs.structure.to_config() == ours.structure.to_config()


def test_activations_of_recurrent_layers():
    assert fn.SimpleRNN(3, activation="ReLU").activation == "relu"
    with pytest.raises(ValueError, match=r"SimpleRNN: unknown activation 'swish'; .*known: tanh, relu"):
        fn.SimpleRNN(3, activation="swish")


@pytest.mark.parametrize(
    ("word", "ours"),
    {"xavier_uniform": "glorot_uniform", "kaiming_normal": "he_normal", "HeNormal": "he_normal"}.items(),
)
def test_initializers(word, ours):
    nets = [fn.Sequential([fn.Dense(3, kernel_initializer=name)], 4, seed=2) for name in (word, ours)]
    assert np.array_equal(nets[0].params, nets[1].params)


OPTIMIZERS = {
    "lr": (lambda: fn.Adam(lr=0.1), fn.Adam(0.1)),
    "lr of SGD": (lambda: fn.SGD(lr=0.1, momentum=0.9), fn.SGD(0.1, momentum=0.9)),
    "eps": (lambda: fn.RMSprop(lr=0.1, eps=1e-5), fn.RMSprop(0.1, epsilon=1e-5)),
    "beta_1": (lambda: fn.AdamW(beta_1=0.5, beta_2=0.9), fn.AdamW(beta1=0.5, beta2=0.9)),
    "clipnorm": (lambda: fn.Adagrad(clipnorm=1.0, clipvalue=2.0), fn.Adagrad(clip_norm=1.0, clip_value=2.0)),
    "schedule": (lambda: fn.StepDecay(lr=0.1, every=3), fn.StepDecay(0.1, every=3)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_of_optimizers(name):
    written, ours = OPTIMIZERS[name]
    assert written() == ours


@pytest.mark.parametrize("name", ["Adam", "adam", "ADAM", "RMSprop", "rms_prop", "SGD", "AdamW", "AMSGrad"])
def test_names_of_optimizers(name):
    net = make("mse", optimizer=name)
    assert type(net.optimizer).__name__.lower() == name.lower().replace("_", "")


def subclass():
    class Mine(fn.Layer):
        def forward(self, x):
            return x


def keras_callback():
    class Mine(fn.Callback):
        def on_train_end(self, logs=None):
            pass

    make("ce").fit(X, LABELS, callbacks=[Mine()])


def epoch_and_logs():
    class Mine(fn.Callback):
        def on_epoch_end(self, epoch, logs):
            pass

    make("ce").fit(X, LABELS, callbacks=[Mine()])


x = fn.Input(4)


def monitored(callback, rows=True):
    """What happens with that callback while a network learns that measures its accuracy."""
    net = make("ce", metrics=["acc"], optimizer=fn.Adam(0.01))
    return net.fit(X, LABELS, epochs=4, validation_data=(X, LABELS) if rows else None, callbacks=[callback])


@pytest.mark.parametrize("word", ["val_acc", "val_accuracy", "val_Accuracy", "val_categorical_accuracy"])
def test_monitors_are_metrics_by_any_of_their_words(word, tmp_path):
    """By the most, not the least: the callback keeps the value that NumPy finds in the column."""
    stop, best = fn.EarlyStopping(word, patience=9), fn.Checkpoint(tmp_path / "best", monitor=word)
    for callback in (stop, best):
        history = monitored(callback)
        assert callback.best == np.max(history["val_accuracy"])
        assert history.best(word)[1] == np.max(history["val_accuracy"])
    assert stop.best_epoch == 1 + np.argmax(history["val_accuracy"])
    assert monitored(trained := fn.EarlyStopping("acc", patience=9)) is not None
    assert trained.best is not None
    net = make("ce", metrics=["acc"], optimizer=fn.SGD(fn.ReduceOnPlateau(0.5, monitor=word, patience=1)))
    rates = net.fit(X, LABELS, epochs=3, validation_data=(X, LABELS)).learning_rate
    assert len(rates) == 3


def test_a_metric_of_ones_own_keeps_its_name():
    """Even where it has another word for one of ours."""

    def acc(y, scores):
        return float(np.mean(scores.argmax(1) == y)) / 2

    net = make("ce", metrics=[acc, "accuracy"], optimizer=fn.Adam(0.01))
    stop = fn.EarlyStopping("val_acc", patience=9)
    history = net.fit(X, LABELS, epochs=4, validation_data=(X, LABELS), callbacks=[stop])
    assert stop.best == np.max(history["val_acc"]) == np.max(history["val_accuracy"]) / 2


# What is written, the exception, and what it must name.
REFUSED = {
    "log_loss": (lambda: make("log_loss"), ValueError, "write cross_entropy for one .*binary_cross_entropy for yes or"),
    "rmse": (lambda: make("rmse"), ValueError, "squared_error"),
    "NLLLoss": (lambda: make("NLLLoss"), ValueError, "write cross_entropy"),
    "a typing error": (lambda: make("squarederor"), ValueError, "did you mean 'squared_error'"),
    "auc": (lambda: make("ce", metrics=["auc"]), ValueError, "unknown metric 'auc'; .*known: accuracy"),
    "Adam(betas=)": (lambda: fn.Adam(betas=(0.9, 0.99)), TypeError, "unknown argument 'betas'; did you mean 'beta"),
    "both": (lambda: fn.Adam(lr=0.1, learning_rate=0.1), TypeError, "learning_rate or lr, which is the same, got both"),
    "subclass of Layer": (subclass, TypeError, r"Mine: .*fn\.Custom\(forward, backward, name='mine'\)"),
    "on_train_end": (keras_callback, TypeError, "Mine.on_train_end would never be called; write on_fit_end"),
    "on_epoch_end(epoch, logs)": (epoch_and_logs, TypeError, r"to take \(info: EpochInfo\), got on_epoch_end\(epoch"),
    "lambda epoch, logs": (
        lambda: make("ce").fit(X, LABELS, callbacks=[lambda epoch, logs: None]),
        TypeError,
        r"a function to take \(info: EpochInfo\), got <lambda>\(epoch, logs\)",
    ),
    "x - y": (lambda: x - x, TypeError, "x . y, fn.add.*fn.concatenate"),
    "x * y": (lambda: x * x, TypeError, "no layer carries out"),
    "x / y": (lambda: x / x, TypeError, "no layer carries out"),
    "x @ y": (lambda: x @ x, TypeError, "no layer carries out"),
    "-x": (lambda: -x, TypeError, "no layer carries out"),
    "x + 1": (lambda: x + 1, TypeError, r"expected another tensor at '\+', got int; .*Custom"),
    "1 - x": (lambda: 1 - x, TypeError, r"expected another tensor at '-', got int"),
    "array * x": (lambda: np.ones(4) * x, TypeError, "expected another tensor at .*, got ndarray"),
    "x + array": (lambda: x + np.ones(4), TypeError, "expected another tensor at .*, got ndarray"),
    "net(array)": (lambda: make()(X), TypeError, "numbers go to net.predict"),
    "no input_shape": (lambda: fn.Sequential([fn.Dense(3)]), TypeError, "expected input_shape"),
    "fit of a loaded network": (lambda: make().fit(X, LABELS), RuntimeError, r"or fit\(\.\.\., loss=\.\.\., optimizer"),
    "predict_proba of values": (lambda: make("mse").predict_proba(X), ValueError, "squared_error, .*use predict"),
    "predict_proba of what is not known": (lambda: make().predict_proba(X), RuntimeError, "net.compile"),
    "learning_rate of what is not compiled": (lambda: make().learning_rate, RuntimeError, "net.compile"),
    "monitor='val_acc', no rows to validate": (
        lambda: monitored(fn.EarlyStopping("val_acc"), rows=False),
        ValueError,
        "monitor: expected one of loss, accuracy, got 'val_acc'; give fit validation_data$",
    ),
    "monitor='val_acc', no such metric": (
        lambda: make("ce").fit(X, LABELS, validation_data=(X, LABELS), callbacks=[fn.EarlyStopping("val_acc")]),
        ValueError,
        r"monitor: expected one of loss, val_loss, got 'val_acc'; compile with metrics=\['accuracy'\]$",
    ),
    "fn.ReLU": (lambda: fn.ReLU, AttributeError, r'write fn.Activation\("relu"\)'),
    "fn.Linear": (lambda: fn.Linear, AttributeError, "write fn.Dense"),
    "fn.MSELoss": (lambda: fn.MSELoss, AttributeError, "write fn.SquaredError"),
    "fn.Model": (lambda: fn.Model, AttributeError, "write fn.Network"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_our_word(name):
    written, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said):
        written()


def test_every_hint_names_what_there_is():
    from fastnn._import.words import WORDS

    for word, ours in WORDS.items():
        assert not hasattr(fn, word), f"fn.{word} exists"
        assert eval(ours, {"fn": fn}) is not None


def keep(function):
    """The value of an expression, for a table of lambdas that assign."""

    def run():
        net = make("ce", optimizer="adam", metrics=["acc"])
        function(net)
        return net

    return run


def assign_rate(net):
    net.learning_rate = 0.5


def scale(net):
    net.forward(X)
    net.grads *= 0.5
    net.params *= 1.0
    net.params = list(net.params)


WORKS = {
    "grads *= s": keep(scale),
    "learning_rate =": keep(assign_rate),
    "train_step(learning_rate=)": keep(lambda net: net.train_step(X, LABELS, learning_rate=0.1)),
    "copy": keep(lambda net: net.copy().fit(X, LABELS)),
    "get_weights, set_weights": keep(lambda net: net.set_weights(make(seed=3).get_weights())),
    "validation_split": keep(lambda net: net.fit(X, LABELS, validation_split=0.25).val_accuracy[0]),
    "predict_proba": keep(lambda net: net.predict_proba(X)),
    "history.accuracy": keep(lambda net: net.fit(X, LABELS).accuracy[0]),
    "x + x": lambda: fn.Network(x, x + x),
    "sum": lambda: fn.Network(x, sum([x, fn.Dense(4)(x), x])),
    "Sequential([G, D])": lambda: fn.Sequential([make(), fn.Sequential([fn.Dense(1)], 3)]),
    "D(G(x))": lambda: fn.Network(x, fn.Sequential([fn.Dense(1)], 3)(make()(x))),
    "fit(loss=, optimizer=) on what was loaded": lambda: make().fit(X, LABELS, loss="ce", optimizer=fn.Adam(lr=1e-3)),
}


@pytest.mark.parametrize("name", WORKS)
def test_works(name):
    WORKS[name]()
