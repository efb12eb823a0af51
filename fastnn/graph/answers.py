"""The slow path of ``predict`` and ``predict_one``: what is not a packed array of the network's dtype is converted."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastnn._core.engine import Engine
from fastnn._core.held import held
from fastnn._core.versions import Versions, View
from fastnn.data.examples import MADE_BYTES, Examples, count_of
from fastnn.data.ports import Ports, as_list, check_out, release, take

T = TypeVar("T")


def predict(engine: Engine, ports: Ports, X: Any, out: Any) -> Any:
    """Answer rows, converting one block at a time; between two blocks signals are looked for.

    All rows are answered from one version of the parameters: if they change meanwhile, once more from the beginning.
    """
    size = engine.block
    if isinstance(X, Examples):
        sources, n = [], count_of("predict", X)
        size = min(max(MADE_BYTES // ports.input_bytes, 1), size)
    else:
        sources = ports.sources("predict", X)
        n = sources[0].shape[0]
    kept = held(sources)
    outputs = ports.answers(n)
    if out is not None:
        check_out("predict", out, outputs)

    def answer(view: View) -> None:
        for start in range(0, n, size):
            stop = min(start + size, n)
            if sources:
                inputs, made = ports.pack("predict", [take(x, slice(start, stop)) for x in sources]), stop - start
            else:
                inputs, made = ports.rows("predict", X.gather(np.arange(start, stop))[0])
            engine._predict_rows(inputs, [y[start : start + made] for y in outputs], made, view)
            for x in sources:
                release(x)

    in_one_version(engine.versions, answer)
    del kept
    if sources and out is None:
        return given(ports.padding.cut(X, outputs))
    return given(outputs, out)


def predict_one(engine: Engine, ports: Ports, x: Any, out: Any) -> Any:
    """Answer one row."""
    values = as_list("predict_one", "x", x, len(ports.input_shapes))
    if out is None and any(ports.padding.is_short(value, k) for k, value in enumerate(values)):
        one = [[value] for value in values] if len(values) > 1 else values
        answers = predict(engine, ports, one, None)
        return [answer[0] for answer in answers] if len(ports.output_shapes) > 1 else answers[0]
    inputs = [ports.row("predict_one", "x", value, port)[None] for port, value in enumerate(values)]
    answers = ports.answers(1)
    outputs = [answer[0] for answer in answers]
    if out is not None:
        check_out("predict_one", out, outputs)
    engine._predict_rows(inputs, answers, 1)
    return given(outputs, out)


def in_one_version(versions: Versions, call: Callable[[View], T], once: bool = False) -> T:
    """Return what ``call`` does for a View, from which it reads parameters: of one version, or it is called again.

    ``once``: it cannot be called again, so that a copy of the parameters is read from the beginning.
    """
    with View(versions, once) as view:
        try:
            result = call(view)
        except Exception:  # perhaps for want of a whole version
            if view.settled():
                raise
        else:
            if view.settled():
                return result
    with View(versions, True) as view:
        return call(view)


def given(outputs: list[np.ndarray], out: Any = None) -> Any:
    """Return what a call gives: ``out`` with the answer in it, one array, or for several outputs a list."""
    if out is not None:
        out[...] = outputs[0]
        return out
    return outputs[0] if len(outputs) == 1 else outputs
