"""A network without Python: trained here, written as C, compiled into a controller of a few kilobytes.

A pole stands on a cart that a force moves.  The best linear controller knows the equations; the network learns its
answers from examples, 20,000 states with the force for each.  ``export_c`` writes it as ``policy.c`` and ``policy.h``,
once with float32 weights and once with 8-bit ones, with the scaling of inputs and output as functions.  The program
``embed_c/main.c`` calls it in a loop with the physics around it, for ten seconds, and prints every state and force.
Python then works out the same forces from the same states.

Needs a C compiler.  Draws the angle of the pole.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import common
import numpy as np
from scipy.linalg import solve_continuous_are

import fastnn as fn

KINDS = {"float32": None, "8 bits": "int8"}
GOALS = {
    "float32: largest difference from Python / largest force": "<= 1e-5",
    "8 bits: largest difference from float32 / largest force": "<= 0.05",
    "float32: largest angle after 5 s, rad": "<= 0.02",
    "8 bits: largest angle after 5 s, rad": "<= 0.02",
    "8 bits: bytes of constants / float32": "<= 0.4",
}


def best_linear() -> np.ndarray:
    """Return K of the force ``-K state`` that is best for small angles [Kalman 1960]: place, speed, angle, rate."""
    g, pole, total, length = 9.81, 0.1, 1.1, 0.5
    d = length * (4 / 3 - pole / total)
    A = np.zeros((4, 4))
    A[0, 1] = A[2, 3] = 1
    A[3, 2], A[1, 2] = g / d, -pole * length * g / (d * total)
    B = np.array([[0], [1 / total + pole * length / (d * total**2)], [0], [-1 / (d * total)]])
    P = solve_continuous_are(A, B, np.diag([1.0, 1.0, 10.0, 1.0]), np.array([[0.1]]))
    return (B.T @ P / 0.1)[0]


def train(quick: bool) -> tuple[fn.Network, fn.Standardizer, fn.Standardizer, np.ndarray]:
    """Return the network, how its inputs and its output are scaled, and the states that it learned from."""
    n, epochs = (4000, 30) if quick else (20000, 100)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(n, 4)) * [1.0, 1.0, 0.2, 0.7]
    forces = np.clip(-states @ best_linear(), -30, 30)[:, None]  # motors have a limit
    inputs, outputs = fn.Standardizer().fit(states), fn.Standardizer().fit(forces)
    net = fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(32, "tanh"), fn.Dense(1)], input_shape=4, seed=0)
    steps = epochs * -(-n // 64)
    net.compile(loss="squared_error", optimizer=fn.Adam(fn.CosineDecay(3e-3, total_steps=steps)))
    history = net.fit(inputs.transform(states), outputs.transform(forces), epochs=epochs, batch_size=64, verbose=0)
    print(f"{n:,} states, {epochs} epochs: squared error {history['loss'][-1]:.2g} of the variance of the force")
    return net, inputs, outputs, states


def compiler() -> list[str]:
    """Return the command of the C compiler: CC, or cc."""
    command = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(command[0]) is None:
        raise common.MissingData(f"expected a C compiler named {command[0]}; set CC to one")
    return command


def drive(sources: Path) -> tuple[np.ndarray, float]:
    """Compile policy.c with main.c and run it; return a row for each step, and nanoseconds per call."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "controller"
        main = Path(__file__).parent / "embed_c" / "main.c"
        options = ["-std=c99", "-O2", f"-I{sources}"]
        files = [str(main), str(sources / "policy.c"), "-lm", "-o", str(program)]
        subprocess.run([*compiler(), *options, *files], check=True)
        said = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    *steps, last = said.splitlines()
    return np.array([line.split() for line in steps], float), float(last.split()[0])


def draw(angles: dict[str, np.ndarray], path: Path) -> None:
    """Draw the angle over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for (kind, angle), style in zip(angles.items(), ("-", "--"), strict=True):
        axes.plot(np.arange(len(angle)) * 0.01, angle, style, label=f"{kind} weights")
    axes.set(xlabel="time (s)", ylabel="angle from upright (rad)", title="a network in C keeps the pole up")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def run(quick: bool, output: Path) -> common.Figures:
    """Train, export, compile, drive, compare."""
    compiler()
    net, inputs, outputs, states = train(quick)
    angles, figures, sizes = {}, {}, {}
    for kind, dtype in KINDS.items():
        folder = output / "embed_c" / kind.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        report = net.export_c(
            folder / "policy.c", dtype=dtype, rows=states[:1000], standardizer=inputs, target_standardizer=outputs
        )
        steps, nanoseconds = drive(folder)
        print(
            f"{kind}: {report.flash_bytes:,} bytes of constants, {report.ram_bytes} of scratch, "
            f"{nanoseconds:.0f} ns per call with scaling"
        )
        angles[kind], sizes[kind] = steps[:, 2], report.flash_bytes
        forces = outputs.inverse_transform(net.predict(inputs.transform(steps[:, :4])).astype(np.float64))[:, 0]
        difference = float(np.abs(steps[:, 4] - forces).max() / np.abs(forces).max())
        other = "Python" if dtype is None else "float32"
        figures[f"{kind}: largest difference from {other} / largest force"] = difference
        figures[f"{kind}: largest angle after 5 s, rad"] = float(np.abs(steps[500:, 2]).max())
        figures[f"{kind}: bytes of constants"] = report.flash_bytes
        figures[f"{kind}: bytes of scratch"] = report.ram_bytes
        figures[f"{kind}: ns per call, scaling included"] = nanoseconds
    figures["8 bits: bytes of constants / float32"] = sizes["8 bits"] / sizes["float32"]
    draw(angles, output / "embed_c.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
