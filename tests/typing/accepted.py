"""What users write, and what a strict type checker then knows; never run."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import fastnn as fn


def code() -> None:
    X = np.zeros((8, 4), np.float32)
    y = np.zeros((8, 2), np.float32)

    net = fn.Sequential([fn.Dense(16, "relu"), fn.Dropout(0.2), fn.Dense(2)], input_shape=4, seed=0)
    net.compile(loss="squared_error", optimizer=fn.SGD(0.1, momentum=0.9), metrics=["mean_absolute_error"])
    assert_type(net.predict(X), NDArray[Any])
    assert_type(net.predict(X, out=y), NDArray[Any])
    assert_type(net.predict([[1.0, 2.0, 3.0, 4.0]]), NDArray[Any])
    assert_type(net.predict_one(X[0]), NDArray[Any])
    assert_type(net.predict_one([1, 2, 3, 4], y[0]), NDArray[Any])
    assert_type(net.train_step(X, y), float)
    assert_type(net.train_step(X[0], y[0], sample_weight=0.5), float)
    assert_type(net.params, NDArray[Any])
    assert_type(net.n_params, int)
    assert_type(net.learning_rate, float)
    net.learning_rate = 0.01
    net.learning_rate = fn.StepDecay(0.1, every=10)
    assert_type(net.train_step(X, y, learning_rate=0.1), float)
    net.grads *= 0.5
    net.params = net.params - 0.1 * net.grads
    assert_type(net.copy(), fn.Sequential)
    net.set_weights(net.get_weights())
    net.fit(X, y, validation_split=0.25)
    whole = fn.Sequential([net, fn.Dense(1)], seed=0)
    whole.compile(fn.CustomLoss(lambda t, p: (p[:, 0], p), target_shape=(), target_dtype="int64"))
    history: fn.History = net.fit(X, y, epochs=2, validation_data=(X, y), callbacks=[fn.EarlyStopping(patience=3)])
    losses: list[float] = history["loss"]
    score: float = net.evaluate(X, y)["loss"]
    weights: dict[str, np.ndarray] = dict(net.named_parameters())

    a, b = fn.Input(2), fn.Input(3)
    assert_type(a + a, fn.Tensor)
    both = fn.Network([a, b], [fn.Dense(2)(fn.concatenate(a, b)), fn.Dense(1)(a)], seed=0, dtype="float64")
    answers: list[NDArray[np.float64]] = both.predict([np.zeros((3, 2)), np.zeros((3, 3))])

    stream = fn.Stream(fn.Sequential([fn.LSTM(8, return_sequences=True), fn.Dense(2)], input_shape=(20, 3), seed=0))
    assert_type(stream.step(np.zeros(3, np.float32)), NDArray[Any])

    loaded = fn.load("model.safetensors")
    assert_type(loaded, fn.Network)
    assert_type(fn.from_onnx("model.onnx"), fn.Network)
    assert_type(fn.from_sklearn(object()), fn.Sequential)
    include: str = fn.get_include()

    class Halve(fn.Callback):
        """Callbacks are typed too."""

        def on_epoch_end(self, info: Any) -> bool:
            return False
