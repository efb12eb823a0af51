"""Bind losses and an optimiser (specifications) to a network's plan: the Trainer that runs them."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn._core.loss import LossFunction
from fastnn._core.optimizer import OptimizerState
from fastnn._core.plan import Plan
from fastnn._core.trainer import Trainer
from fastnn._spec import choose
from fastnn.data.targets import loss_steps
from fastnn.graph.assembly import Assembly, Place
from fastnn.graph.outputs import last_step
from fastnn.layers.base import Shape
from fastnn.losses import CustomLoss, Loss, as_loss
from fastnn.metrics import Accuracy, Metric, get_metric
from fastnn.optimizers import Group, Optimizer
from fastnn.schedules import Constant, Schedule


def as_losses(loss: Any, loss_weights: Any, output_shapes: tuple[Shape, ...]) -> tuple[list[Loss], list[float]]:
    """Return one loss and one weight per output; none for loss None.

    Raises
    ------
    TypeError, ValueError
        If their number differs from the outputs', or one cannot be used.
    """
    given = [] if loss is None else list(loss) if isinstance(loss, tuple | list) else [loss]
    losses = [as_loss(part) for part in given]
    if loss is not None and len(losses) != len(output_shapes):
        raise ValueError(f"compile: expected one loss for each of {len(output_shapes)} outputs, got {len(losses)}")
    for part, shape in zip(losses, output_shapes, strict=False):
        if part.kernel == "cross_entropy" and shape[-1] == 1:
            raise ValueError(
                "compile: cross_entropy expected one output per class, at least 2, got 1; use binary_cross_entropy"
            )
    shares = [1.0] * len(losses) if loss_weights is None else np.atleast_1d(loss_weights).ravel().tolist()
    if len(shares) != len(losses) or not all(type(x) in (int, float) and 0 <= x < float("inf") for x in shares):
        raise ValueError(f"compile: expected {len(losses)} loss_weights of at least 0, got {loss_weights!r:.80}")
    return losses, shares


def fast_path_targets(losses: list[Loss], output_shapes: tuple[Shape, ...]) -> tuple[str | None, int]:
    """Return the kind of real targets that the fast path of ``train_step`` takes, or None, and its classes, or 0."""
    if len(losses) != 1:
        return None, 0
    loss, outputs = losses[0], output_shapes[0][-1]
    if len(output_shapes[0]) > 1:  # the fast path knows no time steps
        return None if loss.targets == "probabilities" else loss.targets, 0
    return loss.targets, outputs if loss.label_kernel and outputs > 1 else 0


def constant_rate(schedule: Schedule) -> float:
    """Return the learning rate if it does not change, else -1."""
    return float(schedule.learning_rate) if isinstance(schedule, Constant) else -1.0


def as_metrics(metrics: Any, outputs: int) -> tuple[Any, ...]:
    """Return the metrics of one output, or one tuple of them for each of several.

    Raises
    ------
    TypeError, ValueError
        If they are not lists of metrics, or one is unknown.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"compile: expected metrics to be a list of names or functions, got {metrics!r:.60}")
    result = tuple(metrics)
    if outputs > 1 and result:
        if len(result) != outputs or not all(isinstance(part, tuple | list) for part in result):
            raise ValueError(f"compile: expected metrics to be {outputs} lists, one per output, got {metrics!r:.80}")
        return tuple(as_metrics(part, 1) for part in result)
    for metric in result:
        get_metric(metric)
    return result


def bind_optimizer(spec: Optimizer, assembly: Assembly) -> OptimizerState:
    """Return the optimiser's state and rules for each segment of the parameter vector.

    Raises
    ------
    ValueError
        If a group names a layer that has no parameters.
    """
    places, equalized = assembly.places, getattr(spec, "equalized", False)
    layers = list(dict.fromkeys(place.layer for place in places))
    for name in spec.groups:
        choose(f"{type(spec).__name__}: groups name a layer without parameters,", name, layers)
    segments: list[dict[str, float]] = []
    for place in places:
        group = spec.groups.get(place.layer, Group())
        if group.frozen or group.rate == 0 or not place.learned:
            continue
        size = deviation(assembly, place) if equalized and place.decays else 1.0
        rules: dict[str, float] = {"rate": group.rate * size, "epsilon": 1 / size}
        for rule in ("l1", "l2", "weight_decay", "max_norm"):
            own = getattr(group, rule)
            rules[rule] = float(getattr(spec, rule) if own is None else own) if place.decays else 0.0
        rules["columns"] = place.shape[-1] if rules["max_norm"] else 0
        last = segments[-1] if segments else None
        joins = last is not None and last["start"] + last["size"] == place.start and not rules["max_norm"]
        if last is not None and joins and all(last[rule] == value for rule, value in rules.items()):
            last["size"] += place.size
        else:
            segments.append({"start": place.start, "size": place.size, **rules})
    return OptimizerState(
        spec.kernel,
        assembly.plan.n_params,
        assembly.plan.dtype,
        segments,
        clip_norm=spec.clip_norm,
        clip_value=spec.clip_value,
        penalty_over_rows=spec.penalty_over_rows,
        **spec.scalars,
    )


def deviation(assembly: Assembly, place: Place) -> float:
    """Return the deviation that the initial values of a parameter are drawn with; 1 if they are all 0."""
    initializer = assembly.layers[place.layer].layer.initializer(place.name)
    return initializer.deviation(place.shape, place.fan_in, place.fan_out) or 1.0


def counted(metrics: tuple[Any, ...], outputs: int) -> list[list[Accuracy]]:
    """Return by output the metrics that training can count: accuracy and error, by name or function."""
    parts = metrics if outputs > 1 and metrics else [metrics] * outputs
    found = [[get_metric(metric) for metric in part if not isinstance(metric, Metric)] for part in parts]
    return [[metric for metric in part if isinstance(metric, Accuracy)] for part in found]


def decisions(loss: Loss, shape: Shape, dtype: np.dtype) -> tuple[int, int, bool]:
    """Return of how many outputs a decision is, how many a row has, and whether targets are always labels.

    Of 0 outputs if the targets that a function of the user's declares are no classes.
    """
    steps, labels = math.prod(shape[:-1]), False
    if isinstance(loss, CustomLoss):
        target, kind = loss.target_of(shape, dtype)
        labels = kind == np.int64 and target in (shape[:-1], (*shape[:-1], 1))
        if not labels and (target, kind) != (shape, dtype):
            return 0, 1, False
    return shape[-1], steps, labels


def bind_loss(
    plan: Plan, loss: Loss, output: int, share: float, shape: Shape, count: bool = False
) -> tuple[dict, int | None]:
    """Return what the Trainer needs to know of one loss, and the step that it leaves out, if there is one.

    ``count``: right decisions are to be counted in training.

    That step is a last activation which the loss includes.

    Raises
    ------
    ValueError
        If the loss includes an activation whose result is needed elsewhere.
    """
    tensor, skip = plan.outputs[output], None
    last, read_elsewhere = last_step(plan, output)
    included = loss.link.activation
    if included and last is not None and plan.activation_of(last) == included:
        if read_elsewhere:
            raise ValueError(
                f"compile: expected output {output} to be logits, or a last {included} that nothing else "
                f"reads, got a {included} that is read elsewhere too; make the logits the output"
            )
        skip = last
        tensor = plan.step_inputs(last)[0]
    kernel: Any = loss.kernel
    if isinstance(loss, CustomLoss):
        kernel = LossFunction(loss.function, shape, *loss.target_of(shape, plan.dtype))
    return {
        "kernel": kernel,
        "label_kernel": loss.label_kernel,
        "parameter": float(loss.parameter),
        "share": float(share),
        "tensor": tensor,
        "steps": loss_steps(loss, shape),
        "count": decisions(loss, shape, plan.dtype) if count else (0, 1, False),
        "threshold": loss.link.threshold,  # of what the loss reads, which a last activation is left out of
    }, skip


def bind_trainer(
    assembly: Assembly,
    params: np.ndarray,
    grads: np.ndarray,
    losses: list[Loss],
    shares: list[float],
    metrics: tuple[Any, ...],
    optimizer: Optimizer,
    seed: int,
    step: int,
) -> Trainer:
    """Return the Trainer of a network's plan; ``step``: updates in the network's life so far."""
    plan = assembly.plan
    bound = bind_optimizer(optimizer, assembly)
    parts, skips = [], set()
    counts = counted(metrics, len(assembly.output_shapes))
    for output, (loss, share) in enumerate(zip(losses, shares, strict=True)):
        part, skip = bind_loss(plan, loss, output, share, assembly.output_shapes[output], bool(counts[output]))
        parts.append(part)
        if skip is not None:
            skips.add(skip)
    names = [applied.name if applied else "" for applied in assembly.step_applications]
    groups = [optimizer.groups.get(name, Group()) for name in names]
    rates = [0.0 if group.frozen else float(group.rate) for group in groups]
    used = [offset for op, offset in zip(plan.ops, plan.offsets, strict=True) if op.parameters]
    return Trainer(plan, params, grads, bound, parts, skips, rates, len(used) != len(set(used)), seed=seed, step=step)
