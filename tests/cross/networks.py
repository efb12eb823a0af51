"""Print a digest of what networks become in training and answer afterwards, one line each: "network dtype digest".

Run on another processor, emulated or not, it shows whether the whole package gives the same bits there.
"""

import hashlib

import numpy as np

import fastnn as fn

ROWS, EPOCHS = 70, 2
CLASSIFIER = "cross_entropy", fn.Adam(0.01)
NETWORKS = {
    "classifier": (
        (13,),
        lambda: [fn.Dense(37, "tanh"), fn.Dropout(0.2), fn.Dense(29, "relu"), fn.Dense(3)],
        CLASSIFIER,
    ),
    "regressor": ((130,), lambda: [fn.Dense(65, "gelu"), fn.Dense(3)], ("squared_error", fn.SGD(0.01, momentum=0.9))),
    "plain": ((64,), lambda: [fn.Dense(48, "sigmoid"), fn.Dense(3)], ("huber", fn.SGD(0.05))),
    "norms": ((20,), lambda: [fn.Dense(24), fn.BatchNorm(), fn.LayerNorm(), fn.Dense(3)], CLASSIFIER),
    "winograd": (
        (6, 7, 5),
        lambda: [*(fn.Conv2D(n, 3, "relu", winograd=True) for n in (18, 21)), fn.GlobalAvgPool2D(), fn.Dense(3)],
        CLASSIFIER,
    ),
    "lstm": ((6, 5), lambda: [fn.LSTM(11), fn.Dense(3)], CLASSIFIER),
    "gru": ((6, 5), lambda: [fn.GRU(9), fn.Dense(3)], ("squared_error", fn.RMSprop(0.01))),
}


def uniform(n, seed):
    """n multiples of 2^-20 in (-1, 1), the same in both dtypes and on every processor."""
    return np.random.Generator(np.random.PCG64(seed)).integers(-(2**20) + 1, 2**20, n) / 2**20


def trained(name, dtype):
    """One network after training on half-known answers, and its rows."""
    shape, layers, (loss, optimizer) = NETWORKS[name]
    net = fn.Sequential(layers(), input_shape=shape, dtype=dtype, seed=3)
    net.params[...] = uniform(net.params.size, 1) * 0.2 + (0.5 if name == "norms" else 0.0)
    x = uniform(ROWS * int(np.prod(shape)), 2).reshape(ROWS, *shape).astype(dtype)
    y = np.arange(ROWS) % 3 if loss == "cross_entropy" else uniform(ROWS * 3, 4).reshape(ROWS, 3).astype(dtype)
    net.compile(loss, optimizer)
    net.fit(x, y, epochs=EPOCHS, batch_size=32)
    return net, x


def main():
    for name in NETWORKS:
        for dtype in ("float32", "float64"):
            net, x = trained(name, dtype)
            answers = net.predict(x), net.predict(x[:1]), net.predict_one(x[3])
            bits = b"".join(np.ascontiguousarray(part).tobytes() for part in (net.params, *answers))
            print(name, dtype, hashlib.sha256(bits).hexdigest()[:16])


if __name__ == "__main__":
    main()
