"""The pendulum: its physics, the gradient and the advantages of its learning, and that it learns."""

import numpy as np
import pytest
from helpers.examples import load

import fastnn as fn

control = load("control")


def test_short_version_stands(tmp_path):
    figures = control.run(True, tmp_path)
    assert figures["seeds of 1 that stand"] == 1
    assert figures["share of test episodes that stand, worst seed"] >= 0.95
    assert figures["environment steps per second, learning included"] > 0
    assert (tmp_path / "control.png").exists()


def test_physics(monkeypatch):
    """Without torque energy is kept, and a small swing takes 2 pi sqrt(2 l / (3 g)) [the physical pendulum]."""
    monkeypatch.setattr(control, "SECONDS", 1e-4)
    angle, speed = np.array([np.pi - 0.01, 2.0]), np.array([0.0, 1.0])
    angles = [angle]
    energy = speed**2 / 6 + 9.81 / 2 * np.cos(angle)
    for _ in range(20_000):
        angle, speed = control.advance(angle, speed, np.zeros(2))
        angles.append(angle)
    np.testing.assert_allclose(speed**2 / 6 + 9.81 / 2 * np.cos(angle), energy, atol=2e-3)
    swing = np.array(angles)[:, 0] - np.pi
    turns = np.flatnonzero(np.diff(np.sign(swing))) * 1e-4
    assert 2 * (turns[1] - turns[0]) == pytest.approx(2 * np.pi * np.sqrt(2 / (3 * 9.81)), rel=1e-3)


def test_the_motor_alone_does_not_lift_it():
    """Statics: the largest torque, 2, holds the rod up to sin(angle) = 2 / (m g l / 2)."""
    angle, speed = np.array([np.pi]), np.zeros(1)
    for _ in range(400):
        speed = 0.9 * speed  # friction, so that nothing is swung
        angle, speed = control.advance(angle, speed, np.array([control.TORQUE]))
    assert angle[0] - np.pi == pytest.approx(np.arcsin(2 / (9.81 / 2)), rel=1e-2)


def test_angles_from_upright():
    np.testing.assert_allclose(
        control.upright(np.array([0.0, 2 * np.pi, 3.0, 4.0, -7.0])),
        [0, 0, 3, 4 - 2 * np.pi, -7 + 2 * np.pi],
        atol=1e-12,
    )
    np.testing.assert_allclose(control.observe(np.array([np.pi / 2]), np.array([4.0])), [[0, 1, 0.5]], atol=1e-7)


def test_advantages_are_the_sum():
    random = np.random.default_rng(0)
    rewards, values = random.standard_normal((7, 3)), random.standard_normal((8, 3))
    expected = np.zeros((7, 3))
    for t in range(7):
        for k in range(7 - t):
            surprise = rewards[t + k] + 0.95 * values[t + k + 1] - values[t + k]
            expected[t] += (0.95 * 0.95) ** k * surprise
    np.testing.assert_allclose(control.advantages(rewards, values), expected, rtol=1e-12)


def test_a_step_ascends_the_objective():
    """The step of plain gradient descent is the finite difference of the mean of min(r A, clip(r) A)."""
    random = np.random.default_rng(1)
    policy = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(1)], input_shape=3, seed=0, dtype="float64")
    policy.compile(optimizer=fn.SGD(1.0))
    seen, actions, better = random.standard_normal((40, 3)), random.standard_normal(40), random.standard_normal(40)
    before, start, noise = policy.predict(seen)[:, 0] + 0.3 * random.standard_normal(40), policy.params.copy(), 0.5

    def objective(params):
        policy.params[:] = params
        density = [np.exp(-((actions - mean) ** 2) / (2 * noise**2)) for mean in (policy.predict(seen)[:, 0], before)]
        ratio = density[0] / density[1]
        assert 0.1 < np.mean((ratio < 0.8) | (ratio > 1.2)) < 0.9  # both branches of the minimum are met
        return np.minimum(ratio * better, np.clip(ratio, 0.8, 1.2) * better).mean()

    h = 1e-6
    expected = [(objective(start + h * e) - objective(start - h * e)) / (2 * h) for e in np.eye(policy.n_params)]
    value = objective(start)
    assert control.improve(policy, seen, actions, before, better, noise) == pytest.approx(value)
    np.testing.assert_allclose(policy.params - start, expected, rtol=1e-5, atol=1e-8)
