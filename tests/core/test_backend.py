"""Which products run: FASTNN_MATMUL, the size above which BLAS does, and what that means for bits."""

import hashlib
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from helpers.bits import native

import fastnn as fn
from fastnn._core import table

BASE_HAS_FMA = platform.machine() in ("aarch64", "arm64")
TRAIN = """
import sys, hashlib, numpy as np, fastnn as fn
random = np.random.default_rng(0)
X, y = random.standard_normal((300, 40)).astype(np.float32), random.integers(0, 7, 300)
layers = [fn.Dense(400, "relu"), fn.Dropout(0.2), fn.Residual([fn.Dense(400, "tanh")]), fn.Dense(7)]
net = fn.Sequential(layers, input_shape=40, seed=0)
net.fit(X, y, epochs=3, batch_size=37, loss="cross_entropy", optimizer="{optimizer}")
print(hashlib.sha256(net.params.tobytes() + net.predict(X).tobytes()).hexdigest(), "scipy.linalg" in sys.modules)
"""


def run(optimizer="adam", **environment):
    """Digest of a trained network and whether SciPy's BLAS was loaded, or the last line of the error."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN.replace("{optimizer}", optimizer)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout.split() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_the_environment_chooses():
    assert run(FASTNN_MATMUL="native")[1] == "False"
    assert run(FASTNN_MATMUL="blas")[1] == "True"
    assert run(FASTNN_MATMUL="auto") == run(FASTNN_MATMUL="")
    # Without a fused multiply-add, BLAS has the layer of 400 x 400 weights; with one it has none.
    for isa in table.supported_isas():
        assert run(FASTNN_MATMUL="auto", FASTNN_ISA=isa)[1] == str(isa == "base" and not BASE_HAS_FMA)
    expected = "ImportError: FASTNN_MATMUL: expected one of auto, native, blas, got 'mkl'"
    assert run(FASTNN_MATMUL="mkl") == expected


@pytest.mark.skipif("avx512" not in table.supported_isas(), reason="needs AVX-512")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_native_training_gives_the_same_bits_on_avx2_and_avx512(optimizer):
    avx2, avx512 = (run(optimizer, FASTNN_MATMUL="native", FASTNN_ISA=isa) for isa in ("avx2", "avx512"))
    assert avx2 == avx512


@native(200 * 300)
def test_rows_of_a_small_network_have_the_same_bits_in_every_batch():
    net = fn.Sequential([fn.Dense(200, "tanh"), fn.Dense(300, "gelu"), fn.Dense(10, "softmax")], input_shape=50, seed=0)
    X = np.random.default_rng(0).standard_normal((700, 50)).astype(np.float32)
    whole = net.predict(X)
    shuffled = np.random.default_rng(1).permutation(700)
    assert net.predict(X[shuffled]).tobytes() == whole[shuffled].tobytes()
    assert b"".join(net.predict_one(x).tobytes() for x in X) == whole.tobytes()
    digest = hashlib.sha256(b"".join(net.predict(X[i : i + 9]).tobytes() for i in range(0, 700, 9)))
    assert digest.digest() == hashlib.sha256(whole.tobytes()).digest()


def test_both_backends_agree(monkeypatch):
    from fastnn._core import backend

    random = np.random.default_rng(0)
    X, y = random.standard_normal((50, 30)), random.standard_normal((50, 4))
    params = {}
    for name in ("native", "blas"):
        monkeypatch.setattr(backend, "MATMUL", name)
        net = fn.Sequential([fn.Dense(40, "tanh"), fn.Dense(4)], input_shape=30, seed=0, dtype="float64")
        net.fit(X, y, epochs=20, batch_size=16, loss="squared_error", optimizer="adam", verbose=0)
        net.train_step(X[0], y[0])
        params[name] = net.params.copy()
    # Two orders of summation: some 80 updates of differences of a few ulp, each divided by sqrt(v) of Adam.
    np.testing.assert_allclose(params["native"], params["blas"], rtol=1e-9, atol=1e-11)
