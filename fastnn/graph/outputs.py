"""How the outputs of a network are read: the link between raw outputs and answers, thresholds, classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn._core.plan import Plan
from fastnn.layers.base import Shape
from fastnn.losses import Loss
from fastnn.losses.link import IDENTITY, MARGIN, SIGMOID, SOFTMAX, Link


@dataclass(frozen=True, eq=False)
class Output:
    """How one output of a network is read.

    Attributes
    ----------
    link : Link
        That of the loss.
    activation : str or None
        The activation that the output comes from.
    width : int
        O, the size of the last axis; an output over time (B, T, O) is read step by step.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.graph.outputs import Output
    >>> from fastnn.losses.link import SIGMOID
    >>> logit, probability = Output(SIGMOID, None, 1), Output(SIGMOID, "sigmoid", 1)
    >>> logit.threshold, probability.threshold
    (0.0, 0.5)
    >>> logit.classes(np.array([[0.3], [-2.0]]))
    array([1, 0])
    """

    link: Link
    activation: str | None
    width: int

    @property
    def applied(self) -> bool:
        """Whether the last activation has applied the inverse link already."""
        return self.link.activation is not None and self.activation == self.link.activation

    @property
    def threshold(self) -> float:
        """The output above which a single one, or one of several labels, says yes."""
        return 0.5 if self.applied else self.link.threshold

    @property
    def task(self) -> str:
        """What the loss makes of the outputs.

        "classes": one of several, or for a single output one of two; "labels": each output a yes or no of its own;
        "regression": values.
        """
        if self.link is SIGMOID and self.width > 1:
            return "labels"
        return "classes" if self.link in (SOFTMAX, SIGMOID, MARGIN) else "regression"

    def answers(self, raw: Any) -> Any:
        """Return outputs (..., O) as the loss means them: probabilities, rates, values."""
        return raw if self.applied else self.link.inverse(raw)

    def classes(self, raw: Any) -> np.ndarray:
        """Return class numbers (...), int64: the largest output, or 1 where a single one is above the threshold."""
        raw = np.asarray(raw)
        return raw.argmax(axis=-1) if self.width > 1 else self.labels(raw)[..., 0]

    def labels(self, raw: Any) -> np.ndarray:
        """Return 1 where an output is above the threshold and 0 elsewhere, int64 of shape (..., O)."""
        return (np.asarray(raw) > self.threshold).astype(np.int64)

    def probabilities(self, raw: Any) -> np.ndarray | None:
        """Return the probability of each class (..., K), float64, which sum to 1; None where outputs do not say.

        K = O, or 2 for a single output.  A last softmax, or the sigmoid of a single output, gives probabilities
        whatever the loss is.
        """
        raw = np.asarray(raw, np.float64)
        link = SOFTMAX if self.width > 1 else SIGMOID
        if self.activation != link.activation:
            if self.link is not link:
                return None
            raw = link.inverse(raw)
        elif link is SOFTMAX:
            raw = raw / raw.sum(axis=-1, keepdims=True)  # in float32 they sum to 1 only nearly
        return np.concatenate([1 - raw, raw], axis=-1) if link is SIGMOID else raw


def read_outputs(plan: Plan, links: Sequence[Link], shapes: Sequence[Shape]) -> tuple[Output, ...]:
    """Return how each output of a plan is read, given the links of the losses; none if there are no losses."""
    result = []
    for i, link in enumerate(links):
        step, _ = last_step(plan, i)
        result.append(Output(link, None if step is None else plan.activation_of(step), shapes[i][-1]))
    return tuple(result)


def probabilities(who: str, plan: Plan, losses: Sequence[Loss], shapes: Sequence[Shape], raw: Any) -> Any:
    """Return the probabilities that answers of a network stand for, float64: an array, or for several outputs a list.

    Raises RuntimeError if nothing says how an output is read, ValueError if it is of no classes.
    """
    outputs = read_outputs(plan, [loss.link for loss in losses] or [IDENTITY] * len(shapes), shapes)
    result = []
    for position, output in enumerate(outputs):
        part = raw if len(outputs) == 1 else raw[position]
        found = output.probabilities(part)
        if found is None and (output.task == "labels" or (output.activation == "sigmoid" and output.width > 1)):
            found = np.asarray(output.answers(part), np.float64)
        if found is None and losses:
            raise ValueError(
                f"{who}: expected outputs that are classes, got those of {losses[position].kernel}, which have no "
                "probabilities; use predict"
            )
        if found is None:
            raise RuntimeError(
                f"{who}: expected a last softmax or sigmoid, or a loss that says how outputs are read; call "
                "net.compile(loss=...)"
            )
        result.append(found)
    return result[0] if len(result) == 1 else result


def last_step(plan: Plan, output: int) -> tuple[int | None, bool]:
    """Return the step that computes an output, None for an input passed on, and whether others read its value too."""
    producer = plan.producers[plan.outputs[output]]
    if producer is None or not plan.ops[producer[0]].shares_value:
        return (None if producer is None else producer[0]), False
    producer = plan.producers[plan.step_inputs(producer[0])[0]]  # what the copies for several readers are made from
    return (None if producer is None else producer[0]), True
