"""BLAS has one thread while a product of ours runs, and its own number of threads at all other times."""

import pytest
from helpers.processes import complaint

from fastnn._core import blas, blas_threads

pytestmark = pytest.mark.skipif(not blas_threads.CONTROLLED, reason="this BLAS is left alone")

# Three threads for OpenBLAS, whatever the machine has; the number is read and set without fastnn.
PROBE = """
import ctypes, os, signal, sys, threading
import numpy as np
import scipy.linalg.cython_blas
library = ctypes.CDLL(scipy.linalg.cython_blas.__file__)
forms = [(prefix, suffix) for prefix in ("scipy_openblas", "openblas") for suffix in ("", "64_")]
prefix, suffix = next(form for form in forms if hasattr(library, "_set_num_threads".join(form)))
get, set = (getattr(library, f"{prefix}_{name}_num_threads{suffix}") for name in ("get", "set"))
import fastnn as fn
signal.alarm(60)
set(3)
assert get() == 3

def network(*layers, units=300, dtype="float32"):
    net = fn.Sequential([fn.Dense(units), *layers, fn.Dense(units)], input_shape=units, seed=0, dtype=dtype)
    net.compile(loss="squared_error", optimizer=fn.SGD(1e-6))
    return net

def rows(n, units=300):
    return np.random.default_rng(0).standard_normal((n, units)).astype(np.float32)

done = threading.Event()
def start_predicting():
    "A thread that runs large products until done."
    net, X = network(units=1500), rows(500, 1500)
    def predict_on():
        while not done.is_set():
            net.predict(X)
    thread = threading.Thread(target=predict_on)
    thread.start()
    return thread
"""


def probe(code):
    """What went wrong in a process of its own, in which BLAS has all products."""
    return complaint(PROBE + code, FASTNN_MATMUL="blas")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_is_the_same_after_every_kind_of_product(dtype):
    assert (
        probe(f"""
net, X = network(dtype="{dtype}"), rows(40).astype("{dtype}")
for n in (1, 40):
    for call in (lambda: net.predict(X[:n]), lambda: net.predict_one(X[0]), lambda: net.train_step(X[:n], X[:n]),
                 lambda: net.fit(X, X, epochs=1, batch_size=n, verbose=0)):
        call()
        assert get() == 3
""")
        == ""
    )


def test_functions_of_the_user_see_the_number_and_errors_leave_it():
    assert (
        probe("""
seen = []
def look(x):
    seen.append(get())
    if len(seen) > 3:
        raise ArithmeticError("mine")
    return x
net = network(fn.Custom(look, lambda x, y, dy: dy, output_shape=300))
for _ in range(3):
    net.predict(rows(40))
try:
    net.predict(rows(40))
except ArithmeticError:
    pass
else:
    raise AssertionError("no error")
assert seen == [3] * 4
net = network()
try:
    net.fit(rows(40) * 1e30, rows(40), epochs=1, batch_size=8, verbose=0)
except fn.DivergenceError:
    pass
else:
    raise AssertionError("no error")
assert get() == 3
""")
        == ""
    )


def test_a_product_runs_on_one_thread_and_a_number_set_meanwhile_stays():
    assert (
        probe("""
thread = start_predicting()
while get() != 1:
    pass
set(2)
done.set()
thread.join()
assert get() == 2, get()
""")
        == ""
    )


def test_products_at_the_same_time_leave_the_number():
    assert (
        probe("""
net, X = network(units=64), rows(64, 64)
def predict():
    for _ in range(2000):
        net.predict(X)
threads = [threading.Thread(target=predict) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert get() == 3, get()
""")
        == ""
    )


@pytest.mark.skipif("not hasattr(os, 'fork')", reason="needs fork")
def test_a_child_forked_during_a_product_has_the_number_too():
    assert (
        probe("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # a fork with threads is what this is about
thread = start_predicting()
during = 0
for _ in range(20):
    during += get() == 1
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        code = 1
        try:
            assert get() == 3, get()
            thread = start_predicting()
            while get() != 1:  # the child's own products have one thread too
                pass
            done.set()
            thread.join()
            assert get() == 3, get()
            code = 0
        except AssertionError:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
done.set()
thread.join()
assert during > 0
assert get() == 3
""")
        == ""
    )


def test_a_library_without_openblas_is_left_alone():
    blas_threads.control(blas_threads.__file__)  # finds none of the functions
    assert blas.MAX_DIMENSION >= 2**31 - 1
    assert blas_threads.CONTROLLED
