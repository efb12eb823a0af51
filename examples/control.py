"""Reinforcement learning: a pendulum that is too heavy for its motor learns to swing up and to stand.

A uniform rod hangs from a pivot, whose motor has less than half of the torque that would lift it; so it must be swung.
The policy, a small network, sees sine and cosine of the angle and the speed, twenty times a second, and answers with a
torque.  It learns by proximal policy optimisation [Schulman et al. 2017]: play some episodes with noise on the torque,
see which torques led to more reward than a second network, the critic, had expected, and make those more likely, yet
not much more at once.

The policy's gradient is written out in ``improve`` and sent through the network with ``forward``, ``backward`` and
``apply_gradients``; the critic learns by ``train_step``.  Afterwards single steps of the policy are timed.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "seeds of 5 that stand": ">= 5",
    "share of test episodes that stand, worst seed": ">= 0.95",
    "environment steps per second, learning included": ">= 20000",
    "microseconds per step of the policy": "<= 5",
}
GRAVITY, LENGTH, MASS = 9.81, 1.0, 1.0  # m/s^2, m, kg
TORQUE, FASTEST = 2.0, 8.0  # N m, rad/s
SECONDS, STEPS = 0.05, 200  # of a step; steps of an episode
SIDE_BY_SIDE = 16  # episodes
DISCOUNT, TRACE, CLIP = 0.95, 0.95, 0.2  # gamma, lambda and epsilon of the papers


def advance(angle: np.ndarray, speed: np.ndarray, torque: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return angle (0: upright) and speed one step later.

    A rod of moment of inertia ``m l^2 / 3`` about its end: ``angle'' = 3 g / (2 l) sin(angle) + 3 / (m l^2) torque``,
    by the semi-implicit Euler method.
    """
    force = 1.5 * GRAVITY / LENGTH * np.sin(angle) + 3 / (MASS * LENGTH**2) * torque
    speed = np.clip(speed + SECONDS * force, -FASTEST, FASTEST)
    return angle + SECONDS * speed, speed


def upright(angle: np.ndarray) -> np.ndarray:
    """Return the angle from upright, in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def observe(angle: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Return what the networks see (B, 3)."""
    return np.stack([np.cos(angle), np.sin(angle), speed / FASTEST], axis=-1).astype(np.float32)


def begin(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return angles and speeds of ``n`` pendulums, anywhere."""
    return random.uniform(-np.pi, np.pi, n), random.uniform(-1, 1, n)


def play(policy: fn.Network, noise: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Play episodes side by side; return what happened, each (STEPS, SIDE_BY_SIDE), and what was seen at their end."""
    angle, speed = begin(random, SIDE_BY_SIDE)
    seen, actions, rewards = [], [], []
    for _ in range(STEPS):
        seen.append(observe(angle, speed))
        action = policy.predict(seen[-1])[:, 0] + noise * random.standard_normal(SIDE_BY_SIDE)
        torque = TORQUE * np.clip(action, -1, 1)
        rewards.append(-(upright(angle) ** 2 + 0.1 * speed**2 + 0.001 * torque**2))
        actions.append(action)
        angle, speed = advance(angle, speed, torque)
    return {
        "seen": np.stack(seen),
        "actions": np.stack(actions),
        "rewards": np.stack(rewards),
        "last": observe(angle, speed),
    }


def advantages(rewards: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how much better than expected each action was (T, B), from rewards (T, B) and values (T + 1, B).

    ``A_t = sum_k (gamma lambda)^k (r_{t+k} + gamma V_{t+k+1} - V_{t+k})`` [Schulman et al. 2016].
    """
    surprise = rewards + DISCOUNT * values[1:] - values[:-1]
    result = np.zeros_like(surprise)
    later = np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        later = result[t] = surprise[t] + DISCOUNT * TRACE * later
    return result


def improve(
    policy: fn.Network, seen: np.ndarray, actions: np.ndarray, before: np.ndarray, better: np.ndarray, noise: float
) -> float:
    """Take one step towards the better actions; return the objective.

    The objective is the mean of ``min(r A, clip(r, 1 - eps, 1 + eps) A)``, where r is the probability of the action
    now over that before, both normal about the policy's answer, with deviation ``noise``.
    """
    mean = policy.forward(seen)[:, 0]
    ratio = np.exp(((actions - before) ** 2 - (actions - mean) ** 2) / (2 * noise**2))
    kept = np.clip(ratio, 1 - CLIP, 1 + CLIP)
    free = ratio * better <= kept * better  # where the minimum depends on the policy
    policy.backward((-better * free * ratio * (actions - mean) / noise**2 / len(seen))[:, None], inputs=False)
    policy.apply_gradients()
    return float(np.minimum(ratio * better, kept * better).mean())


def networks(seed: int, rate: float = 1e-3) -> tuple[fn.Network, fn.Network]:
    """Return policy and critic."""
    nets = []
    for which in range(2):
        layers = [fn.Dense(64, "tanh"), fn.Dense(64, "tanh"), fn.Dense(1, kernel_initializer="zeros")]
        nets.append(fn.Sequential(layers, input_shape=3, seed=2 * seed + which))
    policy, critic = nets
    policy.compile(optimizer=fn.Adam(rate, clip_norm=0.5))
    critic.compile(loss="squared_error", optimizer=fn.Adam(rate))
    return policy, critic


def learn(seed: int, rounds: int) -> tuple[fn.Network, list[float]]:
    """Play and improve; return the policy and the mean reward of an episode in each round."""
    policy, critic = networks(seed)
    random, rewards = np.random.default_rng(seed), []
    for part in range(rounds):
        noise = 0.8 - 0.6 * part / rounds  # of the largest torque: curious first, steady in the end
        game = play(policy, noise, random)
        values = critic.predict(np.concatenate([game["seen"], game["last"][None]]).reshape(-1, 3))
        better = advantages(game["rewards"] / 8, values.reshape(STEPS + 1, -1))  # so that values are of order 1
        returns = (better + values.reshape(STEPS + 1, -1)[:-1]).astype(np.float32).reshape(-1, 1)
        better = ((better - better.mean()) / better.std()).ravel()
        seen, actions = game["seen"].reshape(-1, 3), game["actions"].ravel()
        before = policy.predict(seen)[:, 0]
        for _ in range(10):
            for chosen in random.permutation(len(seen)).reshape(-1, 160):
                improve(policy, seen[chosen], actions[chosen], before[chosen], better[chosen], noise)
                critic.train_step(seen[chosen], returns[chosen])
        rewards.append(float(game["rewards"].sum(axis=0).mean()))
    return policy, rewards


def trial(policy: fn.Network, n: int, seed: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Play ``n`` episodes without noise; return angles (STEPS, n), and which ones stand for their last two seconds."""
    angle, speed = begin(np.random.default_rng(seed), n)
    angles, still = [], np.ones(n, dtype=bool)
    for step in range(STEPS):
        angles.append(upright(angle))
        torque = TORQUE * np.clip(policy.predict(observe(angle, speed))[:, 0], -1, 1)
        angle, speed = advance(angle, speed, torque)
        if step >= STEPS - 40:
            still &= (np.abs(upright(angle)) < 0.2) & (np.abs(speed) < 0.5)
    return np.stack(angles), still


def microseconds(policy: fn.Network, calls: int = 100_000) -> float:
    """Return the time of one step of the policy, from what is seen to the torque."""
    x, answer = np.zeros(3, np.float32), np.zeros(1, np.float32)
    times = []
    for _ in range(5):
        began = perf_counter()
        for _ in range(calls // 5):
            policy.predict_one(x, answer)
        times.append((perf_counter() - began) / (calls // 5))
    return 1e6 * min(times)


def draw(curves: list[list[float]], angles: np.ndarray, path: Path) -> None:
    """Draw the learning curves, and some episodes of the last policy."""
    picture = pictures.figure(12, 4.4)
    left, right = picture.subplots(1, 2)
    for seed, curve in enumerate(curves):
        left.plot(
            np.arange(1, len(curve) + 1) * SIDE_BY_SIDE * STEPS / 1000, curve, linewidth=1.6, label=f"seed {seed}"
        )
    pictures.dress(
        left, "thousand steps played", "reward of an episode, mean of 16", "Learning, with noise on the torque"
    )
    left.legend(frameon=False, loc="lower right")
    seconds = np.arange(STEPS) * SECONDS
    for episode in angles.T:
        turned = np.abs(np.diff(episode, append=episode[-1])) > np.pi  # through the bottom: the line would jump
        right.plot(seconds, np.where(turned, np.nan, episode), color="#1f5fa8", linewidth=1, alpha=0.6)
    pictures.dress(right, "seconds", "angle from upright", "What it has learned, from 20 starts")
    right.set_yticks([-np.pi, 0, np.pi], ["-180°", "upright", "180°"])
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Learn with several seeds, and test each."""
    seeds, rounds = (1, 20) if quick else (5, 40)
    curves, stand, played, spent = [], [], 0, 0.0
    for seed in range(seeds):
        began = perf_counter()
        policy, curve = learn(seed, rounds)
        spent, played = spent + perf_counter() - began, played + rounds * SIDE_BY_SIDE * STEPS
        angles, still = trial(policy, 100)
        curves.append(curve)
        stand.append(float(still.mean()))
        print(
            f"seed {seed}: {stand[-1]:.0%} of 100 test episodes stand; reward {curve[0]:.0f} -> {curve[-1]:.0f}",
            flush=True,
        )
    draw(curves, angles[:, :20], output / "control.png")
    return {
        f"seeds of {seeds} that stand": float(sum(share >= 0.95 for share in stand)),
        "share of test episodes that stand, worst seed": min(stand),
        "environment steps per second, learning included": played / spent,
        "microseconds per step of the policy": microseconds(policy),
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
