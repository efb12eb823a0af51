"""Fits resumed from a file after a random epoch, with callbacks in a random order."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.resumed import compare

PROMISE = (
    "200 fits of random length, resumed from the file of a random epoch with six callbacks in random order, end with "
    "the bits and the files of the fits that nobody disturbed"
)
SHORT = 1 / 100
FITS = 200


def run(share: float) -> dict[str, Any]:
    resumed, case = 0, 1000  # the first ones are those of tests/training/test_resume.py
    while resumed < max(1, round(FITS * share)):
        with TemporaryDirectory() as folder:
            resumed += compare(case, Path(folder))
        case += 1
    return {"fits": resumed, "stopped after their first epoch": case - 1000 - resumed}
