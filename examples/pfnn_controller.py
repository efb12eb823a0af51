"""A character in closed loop: the released phase-functioned network walks as the stick says.

30 seconds at 60 frames per second, on flat ground and over the rocks of a height map: straight on, about turn, straight
on, stop, jog, about turn, straight on.  Each frame is one call of ``predict_one`` of the precomputed network.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import common
import numpy as np
from pfnn import drawing, skeleton
from pfnn.character import Character, Frame
from pfnn.ground import Flat, Ground, HeightMap
from pfnn.released import Released
from pfnn.trajectory import angle, turn

import fastnn as fn

WALK, JOG = 2.0, 3.0  # centimetres per frame: 1.2 and 1.8 m/s, what the released walk and jog reach
START, HEADING = np.array([-600.0, -50.0]), np.array([1.0, 0.0])


class Stretch(NamedTuple):
    """What the stick says for some seconds."""

    seconds: int
    speed: float  # centimetres per frame
    turn: float  # degrees per second
    gait: str


SCRIPT = (
    Stretch(8, WALK, 0, "walk"),
    Stretch(4, WALK, -45, "walk"),
    Stretch(4, WALK, 0, "walk"),
    Stretch(3, 0, 0, "stand"),
    Stretch(4, JOG, 0, "jog"),
    Stretch(3, WALK, 60, "walk"),
    Stretch(4, WALK, 0, "walk"),
)
QUICK = (Stretch(3, WALK, 0, "walk"), Stretch(2, WALK, -45, "walk"), Stretch(2, 0, 0, "stand"))
GROUNDS = ("flat", "height map")
GOALS = {
    f"{ground}: {name}": goal
    for ground in GROUNDS
    for name, goal in {
        "frames with NaN": "<= 0",
        "frames without phase advance": "<= 0",
        "root speed, worst stretch off by": "<= 0.2",
        "root speed when stopped, cm per frame": "<= 0.2",
        "head height, lowest, cm": ">= 120",
        "head height, highest, cm": "<= 190",
        "foot speed in contact, cm per frame": "<= 3",
    }.items()
}


def stick(script: tuple[Stretch, ...]) -> Iterator[tuple[np.ndarray, str]]:
    """Yield velocity (2,) and gait of each frame."""
    heading = np.arctan2(*HEADING)
    for stretch in script:
        for _ in range(60 * stretch.seconds):
            heading += np.radians(stretch.turn) / 60
            yield stretch.speed * np.array([np.sin(heading), np.cos(heading)]), stretch.gait


def walk(character: Character, script: tuple[Stretch, ...]) -> list[Frame]:
    """Return the frames of the whole script."""
    return [character.step(velocity, gait) for velocity, gait in stick(script)]


def speeds(frames: list[Frame]) -> np.ndarray:
    """Return the speed of the root in each frame, centimetres per frame."""
    roots = np.array([frame.root for frame in frames])
    steps = np.hypot(*np.diff(roots, axis=0).T)
    return np.append(steps, steps[-1])


def measure(frames: list[Frame], script: tuple[Stretch, ...]) -> dict[str, float]:
    """Return what the goals speak of; speeds are means over a stretch, its first second left out.

    The heading has no goal: nothing corrects it, as a player would.
    """
    joints, contacts = (np.array([getattr(frame, name) for frame in frames]) for name in ("joints", "contacts"))
    roots, commands = np.array([frame.root for frame in frames]), np.array([velocity for velocity, _ in stick(script)])
    speed, end, ratios, off, stopped = speeds(frames), 0, [], [], 0.0
    for stretch in script:
        start, end = end, end + 60 * stretch.seconds
        mean = float(speed[start + 60 : end].mean())
        if stretch.speed:
            ratios.append(mean / stretch.speed)
            if not stretch.turn:
                went = roots[end - 1] - roots[start + 60]
                off.append(abs(float(angle(turn(went, -angle(commands[start]))))))
        else:
            stopped = max(stopped, mean)
    heads = joints[:, skeleton.HEAD, 1] - [frame.ground for frame in frames]
    feet = np.linalg.norm(np.diff(joints[:, skeleton.FEET], axis=0), axis=2)
    return {
        "frames with NaN": float(np.isnan(joints).any(axis=(1, 2)).sum()),
        "frames without phase advance": float(sum(not frame.phase_change > 0 for frame in frames)),
        "root speed, worst stretch off by": max(abs(ratio - 1) for ratio in ratios),
        "root speed when stopped, cm per frame": stopped,
        "heading, worst straight stretch off by, degrees": float(np.degrees(max(off))),
        "head height, lowest, cm": float(heads.min()),
        "head height, highest, cm": float(heads.max()),
        "foot speed in contact, cm per frame": float(feet[contacts[1:] > 0.5].mean()),
    }


def run(quick: bool, output: Path) -> common.Figures:
    """Walk on both grounds, measure, draw."""
    released = Released()
    net, script, figures = fn.resample_phase(released.net), QUICK if quick else SCRIPT, {}
    grounds: dict[str, Ground] = dict(zip(GROUNDS, (Flat(), HeightMap.released()), strict=True))
    commands = np.array([float(np.hypot(*velocity)) for velocity, _ in stick(script)])
    for name, ground in grounds.items():
        character, began = Character(released, net, ground, START, HEADING), perf_counter()
        frames = walk(character, script)
        each = (perf_counter() - began) / len(frames) * 1e6
        level = [frame.ground for frame in frames]
        print(f"{name}: {len(frames)} frames, {each:.0f} us each, ground from {min(level):.0f} to {max(level):.0f} cm")
        figures |= {f"{name}: {key}": value for key, value in measure(frames, script).items()}
        drawing.strip(output / f"pfnn-{name.replace(' ', '-')}.png", frames, speeds(frames), commands, ground)
    drawing.animate(output / "pfnn-walk.gif", frames[:18] if quick else frames, ground)
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
