"""Mistakes that a type checker must see: the code of the error stands behind each; never run."""

import numpy as np

import fastnn as fn


def code() -> None:
    X = np.zeros((8, 4), np.float32)
    y = np.zeros((8, 2), np.float32)
    net = fn.Sequential([fn.Dense(2)], input_shape=4)

    net.predit(X)  # E: attr-defined
    net.predict()  # E: call-arg
    net.predict(X, output=y)  # E: call-arg
    net.predict(X, out=[0.0, 0.0])  # E: arg-type
    net.predict_one(X[0], "y")  # E: arg-type
    net.predict(net)  # E: arg-type
    net.train_step(X)  # E: call-arg
    net.train_step(X, y, weight=1.0)  # E: call-arg
    name: str = net.train_step(X, y)  # E: assignment
    net.trainer = None  # E: misc
    net.predict(X).colour  # E: attr-defined
    net.fit(X, y, epoch=3)  # E: call-arg
    net.fit(X, y, epochs="3")  # E: arg-type
    net.plan.n_params + "1"  # E: operator
    fn.Sequential([fn.Dense], input_shape=4)  # E: list-item
    fn.Sequential()  # E: call-arg
    fn.Dense(2, unit=3)  # E: call-arg
    fn.set_num_threads("2")  # E: arg-type
    stream = fn.Stream(net)
    stream.step(X[0], out=3)  # E: arg-type
