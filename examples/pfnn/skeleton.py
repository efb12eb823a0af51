"""The skeleton: which joint hangs on which, and how a pose is drawn."""

from typing import Any

import common
import numpy as np

LEFT_HEEL, LEFT_TOE, RIGHT_HEEL, RIGHT_TOE = 4, 5, 9, 10
FEET = (LEFT_HEEL, LEFT_TOE, RIGHT_HEEL, RIGHT_TOE)  # in the order of the contacts
HEAD = 16
LEFT, RIGHT, MIDDLE = "#c1440e", "#1f5fa8", "#333333"


def parents() -> np.ndarray:
    """Return the parent of each of the 31 joints; -1: the hips have none."""
    return np.fromfile(common.data("pfnn/character/character_parents.bin"), np.float32).astype(int)


def bones(parent: np.ndarray) -> list[tuple[int, int, str]]:
    """Return (joint, parent, colour) of every bone: left limbs red, right limbs blue."""

    def colour(joint: int) -> str:
        side = {1: LEFT, 17: LEFT, 6: RIGHT, 24: RIGHT}  # where a limb starts
        while joint > 0:
            if joint in side:
                return side[joint]
            joint = parent[joint]
        return MIDDLE

    return [(j, int(parent[j]), colour(j)) for j in range(1, len(parent))]


def draw(axes: Any, pose: np.ndarray, parent: np.ndarray, *, colour: str | None = None, **style: Any) -> None:
    """Draw joints (31, 2) or (31, 3) as bones on matplotlib axes of as many dimensions."""
    lines: dict[str, list[np.ndarray]] = {}
    gap = np.full((1, pose.shape[1]), np.nan)  # between bones, so that those of one colour are one line
    for joint, other, own in bones(parent):
        lines.setdefault(colour or own, []).extend((pose[[joint, other]], gap))
    for own, parts in lines.items():
        axes.plot(*np.concatenate(parts).T, color=own, solid_capstyle="round", **style)
