"""Ways down: BFGS beside the matrices of the textbook, minima in closed form, limits, and Adam by hand."""

from collections import deque

import numpy as np
import pytest

from fastnn.insight.descent import Adam, lbfgs, newton

random = np.random.default_rng(37)


class Seen:
    """A function that notes where it was asked."""

    def __init__(self, function):
        self.function, self.places, self.values = function, [], []

    def __call__(self, x):
        value, slope = self.function(x)
        self.places.append(x)
        self.values.append(value)
        return value, slope


def test_the_inverse_hessian_is_that_of_the_textbook():
    """H+ = (I - s y'/s'y) H (I - y s'/s'y) + s s'/s'y, from H = s'y / y'y I [Nocedal & Wright, eq. 7.16, 7.20]."""
    n, pairs, A = 6, deque(), np.diag(np.arange(1.0, 7))
    for _ in range(4):
        step = random.standard_normal(n)
        pairs.append((step, A @ step, float(step @ A @ step)))
    step, bend, curvature = pairs[-1]
    H = curvature / (bend @ bend) * np.eye(n)
    for step, bend, curvature in pairs:
        V = np.eye(n) - np.outer(bend, step) / curvature
        H = V.T @ H @ V + np.outer(step, step) / curvature
    q = random.standard_normal(n)
    before = q.copy()
    np.testing.assert_allclose(newton(q, pairs), H @ q, rtol=1e-10)
    assert np.array_equal(q, before)


def quadratic(A, centre):
    def bowl(x):
        slope = A @ (x - centre).ravel()
        return 0.5 * float((x - centre).ravel() @ slope), slope.reshape(x.shape)

    return bowl


def test_a_bowl_to_its_bottom():
    A, centre = np.diag(np.geomspace(1, 1e4, 20)), random.standard_normal((4, 5))
    seen = Seen(quadratic(A, centre))
    x = np.zeros((4, 5))
    for _, _ in zip(range(600), lbfgs(seen, x, 0.1), strict=False):
        pass
    np.testing.assert_allclose(seen.places[np.argmin(seen.values)], centre, atol=1e-6)
    assert not x.any()
    assert np.abs(seen.places[1]).max() == pytest.approx(0.1)


def test_a_bent_valley():
    """Rosenbrock's function, whose minimum is 0 at ones."""

    def valley(x):
        a, b = x[:-1], x[1:]
        slope = np.zeros_like(x)
        slope[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
        slope[1:] += 200 * (b - a**2)
        return float((100 * (b - a**2) ** 2 + (1 - a) ** 2).sum()), slope

    seen = Seen(valley)
    for _, _ in zip(range(200), lbfgs(seen, np.full(6, -0.5), 0.1), strict=False):
        pass
    assert min(seen.values) < 1e-10


def test_limits_in_closed_form():
    """Elements by themselves stop at the limit that lies before their minimum; those that hang together, see Karush."""
    centre = np.array([-2.0, 0.3, 5.0, 0.9])
    seen = Seen(quadratic(np.diag([1.0, 10, 100, 1000]), centre))
    list(zip(range(100), lbfgs(seen, np.full(4, 0.5), 0.1, 0.0, 1.0), strict=False))
    np.testing.assert_allclose(seen.places[np.argmin(seen.values)], np.clip(centre, 0, 1), atol=1e-7)
    assert all(x.min() >= 0 and x.max() <= 1 for x in seen.places)
    B = random.standard_normal((12, 12))
    A, centre = B @ B.T + np.eye(12), 2 * random.standard_normal(12)
    seen = Seen(quadratic(A, centre))
    list(zip(range(400), lbfgs(seen, np.zeros(12), 0.1, -1.0, 1.0), strict=False))
    x = seen.places[np.argmin(seen.values)]
    slope = A @ (x - centre)
    assert (np.abs(slope[np.abs(x) < 1]) < 1e-5).all()
    assert (slope[x == 1] <= 0).all()
    assert (slope[x == -1] >= 0).all()
    assert 0 < (np.abs(x) == 1).sum() < 12


def test_it_ends_where_no_step_is_left():
    seen = Seen(quadratic(np.eye(3), np.ones(3)))
    assert len(list(lbfgs(seen, np.ones(3), 0.1))) == 1
    kink = Seen(lambda x: (float(np.abs(x).sum()), np.where(x < 0, -1.0, 1.0)))
    assert len(list(zip(range(1000), lbfgs(kink, np.zeros(2), 0.1), strict=False))) < 200


def test_a_step_that_overflows_is_shortened():
    def steep(x):
        with np.errstate(over="ignore"):
            return float(np.exp(x).sum() - x.sum()), np.exp(x) - 1

    seen = Seen(steep)
    list(zip(range(60), lbfgs(seen, np.full(2, -3.0), 1000.0), strict=False))
    assert np.isinf(seen.values).any()
    np.testing.assert_allclose(seen.places[np.argmin(seen.values)], 0, atol=1e-6)


def test_adam_by_hand():
    adam, x = Adam(-0.5, 0.5), np.array([0.0, 0.2, 0.45])
    mean, square, expected = np.zeros(3), np.zeros(3), x
    for step, slope in enumerate(random.standard_normal((20, 3)), 1):
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        moved = expected - 0.1 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-12)
        expected = np.clip(moved, -0.5, 0.5)
        x = adam.step(x, slope, 0.1)
        np.testing.assert_allclose(x, expected, rtol=1e-10)
    assert adam.step(x.astype("float32"), np.ones(3, "float32"), 0.1).dtype == "float32"
