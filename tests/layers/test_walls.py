"""Nothing beside the caller's arrays is read or written: they lie at pages that may not be touched."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CHILD = """
import os, sys
sys.path.insert(0, {tests!r})
import numpy as np
import fastnn as fn
from helpers.cases import CASES, one, ready, sequential
from helpers.walls import at_a_wall


def everything(case, batch, behind):
    net, xs, dys = ready(case, {dtype!r}, batch)
    xs, dys = ([at_a_wall(array, behind) for array in arrays] for arrays in (xs, dys))
    outs = [at_a_wall(dy, behind) for dy in dys]
    weight = at_a_wall(np.ones(batch, {dtype!r}), behind)
    before = [array.copy() for array in (*xs, *dys, weight)]
    net.predict(one(xs))
    if len(outs) == 1:
        net.predict(one(xs), out=outs[0])
    net.forward(one(xs), True)
    net.backward(one(dys))
    net.compile(one(["squared_error"] * len(dys)), fn.SGD(0.0))
    net.evaluate(one(xs), one(dys))
    net.train_step(one(xs), one(dys), sample_weight=weight)
    for shuffle in (False, True):
        net.fit(one(xs), one(dys), batch_size=batch, shuffle=shuffle, sample_weight=weight, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, (*xs, *dys, weight)))


first = [sequential(f"gram-{{C}}", lambda C=C: [fn.Gram()], (3, C), None) for C in (1, 5, 70)]
for case in (*CASES, *first):
    child = os.fork()
    if not child:
        for batch in (max(case.least, 1), max(case.least, 5)):
            for behind in (False, True):
                everything(case, batch, behind)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(case.id, status)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for pages that may not be touched")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_layer_touches_what_lies_beside_the_arrays_of_the_caller(dtype):
    """Each in a process of its own, which a touch would end."""
    code = CHILD.format(tests=str(TESTS), dtype=dtype)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "done\n", run.stdout + run.stderr[-3000:]
