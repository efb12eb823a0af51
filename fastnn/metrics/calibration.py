"""How often a classifier is right, by how sure it is."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often a classifier is right, by how sure it is; bins without rows are left out.

    ``confidence`` and ``accuracy`` are means over the ``counts`` rows of each bin; ``error`` is the expected
    calibration error ``sum over bins of counts / B * |accuracy - confidence|``.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    error: float


def calibration(probabilities: np.ndarray, true: np.ndarray, bins: int = 15) -> Calibration:
    """Compare the probability of the predicted class with how often it is the true one [Guo et al. 2017].

    Bins ``(i / bins, (i + 1) / bins]`` are equally wide.
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    some = counts > 0
    confidence = np.bincount(place, sure, bins)[some] / counts[some]
    accuracy = np.bincount(place, right, bins)[some] / counts[some]
    error = float(np.abs(accuracy - confidence) @ counts[some] / len(true))
    return Calibration(confidence, accuracy, counts[some], error)
