"""What every layer owes: the whole table, in both dtypes, for batches of 1, 2 and 7 rows."""

import copy
import pickle

import numpy as np
import pytest
from helpers import reference as ref
from helpers.cases import (
    CASES,
    as_list,
    backward,
    forward,
    gradient_errors,
    gradients,
    learned,
    one,
    parameters,
    randomize,
    ready,
    rounding,
)

import fastnn as fn
from fastnn._core import workspace

GRADIENT = 1e-7  # relative error of a float64 gradient against difference quotients, as the project demands
BATCHES = (1, 2, 7)
DTYPES = ("float32", "float64")

over_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
over_batches = pytest.mark.parametrize("batch", BATCHES)
over_training = pytest.mark.parametrize(
    ("case", "batch"),
    [pytest.param(case, n, id=f"{case.id}-{n}") for case in CASES for n in BATCHES if n >= case.least],
)


def modes(case, batch):
    """Inference, and training where that is something else and takes so few rows."""
    return (False, True) if (case.random or case.coupled) and batch >= case.least else (False,)


def same(a, b):
    """Equal bit for bit, NaN and signs of zero included?"""
    a, b = as_list(a), as_list(b)
    return all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True)
    )


def linear_losses(dys):
    """For each output the loss sum(dy * y) of a row, as functions that ignore their targets."""

    def loss(dy):
        def function(y_true, y_pred):
            part = dy[: len(y_pred)]
            return (part * y_pred).reshape(len(part), -1).sum(axis=1), part

        return function

    return [loss(dy.astype(np.float64)) for dy in dys]


def compiled(net, dys, optimizer=None):
    """The network with a linear loss: its gradient is known without fastnn.  Returns the targets to pass along."""
    net.compile(linear_losses(dys), optimizer or fn.SGD(0.01))
    return [np.zeros_like(dy) for dy in dys]


def mean_gradient(dys):
    """dloss/dy of ``linear_losses`` averaged over the rows, rounded as the loss step rounds it."""
    return [(dy.astype(np.float64) * (1.0 / len(dy))).astype(dy.dtype) for dy in dys]


@pytest.fixture
def poisoned(monkeypatch):
    """Every workspace made from now on starts as NaN, masks included."""
    clean, made = workspace.aligned_zeros, []

    def filled(n, dtype):
        array = clean(n, dtype)
        array.view(np.uint8).fill(0xFF)
        made.append(n)
        return array

    monkeypatch.setattr(workspace, "aligned_zeros", filled)
    yield
    assert (
        len(made) >= 3
    )  # those of forward, predict and predict_one: the name is still the one that Workspace looks up


# ---- the numbers are right ------------------------------------------------------------------------------------------


@over_cases
@over_dtypes
@over_batches
def test_forward_equals_the_twin(case, dtype, batch):
    net, xs, _ = ready(case, dtype, batch)
    ys = forward(net, xs)
    expected = case.twin(parameters(net), *(x.astype(np.float64) for x in xs))
    assert len(ys) == len(expected)
    for y, e, shape in zip(ys, expected, net.output_shapes, strict=True):
        assert y.shape == e.shape == (batch, *shape)
        assert y.dtype == net.dtype
        assert ref.relative(y, e) <= rounding(net)


@over_cases
@over_batches
def test_gradients_against_difference_quotients(case, batch):
    net, xs, dys = ready(case, "float64", batch)
    for training in modes(case, batch):
        errors = gradient_errors(net, xs, dys, training)
        assert len(errors) == len(xs) - len(case.indices) + len(list(net.named_gradients()))
        assert max(errors.values()) <= GRADIENT, errors


@over_cases
@over_batches
def test_float32_gradients_are_those_of_float64(case, batch):
    wide, xs, dys = ready(case, "float64", batch)
    narrow, xs32, dys32 = ready(case, "float32", batch)
    assert np.array_equal(narrow.params, wide.params)
    for training in modes(case, batch):
        if training and batch == case.least == 2:
            continue  # batch normalisation makes two rows -1 and 1 whatever they are: all of their gradient cancels
        _, dxs, grads = gradients(wide, xs, dys, training)
        _, dxs32, grads32 = gradients(narrow, xs32, dys32, training)
        for a, b in zip([*dxs32, grads32], [*dxs, grads], strict=True):
            assert ref.relative(a, b) <= rounding(narrow)


@over_training
@over_dtypes
def test_training_gradient_is_that_of_forward_and_backward(case, dtype, batch):
    """The trainer's memory is shared by in-place steps and leaves out unwanted gradients: the bits are the same."""
    net, xs, dys = ready(case, dtype, batch)
    targets = compiled(net, dys)
    before = net.params.copy()
    net.trainer.step_on(xs, targets, None, batch, 0.1, update=False)
    trained = net.grads.copy()
    net._forward_rows(xs, batch, True, net.seed, net.trainer.step)
    net._backward_rows(mean_gradient(dys), False)
    assert same(trained, net.grads)
    assert same(net.params, before)


@over_training
@over_dtypes
def test_a_step_of_plain_sgd_is_the_rate_times_the_gradient(case, dtype, batch):
    """The update that is part of the backward pass, at a rate large enough to show weights updated too early."""
    net, xs, dys = ready(case, dtype, batch)
    targets = compiled(net, dys, fn.SGD(1.0))
    before = net.params.astype(np.float64)
    net.trainer.step_on(xs, targets, None, batch, 1.0, update=False)
    expected = before - net.grads
    net.train_step(one(xs), one(targets))
    # As for accumulate: 11 roundings of sums that start at the old weights.
    size = np.linalg.norm(before) + np.linalg.norm(net.grads)
    assert np.linalg.norm((net.params - expected)[learned(net)]) <= 11 * np.finfo(dtype).eps / 2 * size


# ---- memory ---------------------------------------------------------------------------------------------------------


@over_cases
@over_dtypes
@over_batches
def test_nothing_unwritten_is_read(case, dtype, batch, poisoned):
    """A workspace that starts as NaN gives the bits of one that has been used."""
    net, xs, dys = ready(case, dtype, batch)
    for training in modes(case, batch):
        net = copy.deepcopy(net)
        fresh = gradients(net, xs, dys, training)
        again = gradients(net, xs, dys, training)
        assert np.isfinite(fresh[2]).all()
        for a, b in zip(fresh, again, strict=True):
            assert same(a, b)
    assert same(net.predict(one(xs)), net.predict(one(xs)))
    assert same(net.predict(one(xs)), forward(net, xs))
    row = one([x[0] for x in xs])
    assert same(net.predict_one(row), net.predict_one(row))
    assert all(np.isfinite(y).all() for y in as_list(net.predict_one(row)))


@over_training
@over_dtypes
def test_nothing_unwritten_is_read_in_training(case, dtype, batch):
    net, xs, dys = ready(case, dtype, batch)
    twin = copy.deepcopy(net)
    for optimizer in (fn.SGD(0.001), fn.Adam(0.01)):  # the losses have no bound: a larger step overflows
        targets = compiled(net, dys, optimizer)
        compiled(twin, dys, optimizer)
        for _ in range(2):
            twin.trainer.workspace(batch).fill(0xFF)
            losses = [n.train_step(one(xs), one(targets)) for n in (net, twin)]
            assert losses[0] == losses[1]
            assert same(net.params, twin.params)
        assert np.isfinite(net.params).all()


@over_cases
@over_dtypes
def test_a_smaller_batch_after_a_larger_one(case, dtype):
    """What a larger batch left behind does not show."""
    net, xs, dys = ready(case, dtype, 7)
    few = [[array[:2] for array in arrays] for arrays in (xs, dys)]
    fresh = gradients(copy.deepcopy(net), *few)
    gradients(net, xs, dys)
    for a, b in zip(fresh, gradients(net, *few), strict=True):
        assert same(a, b)


@over_cases
@over_dtypes
@over_batches
def test_inputs_are_left_alone_and_may_be_read_only(case, dtype, batch):
    net, xs, dys = ready(case, dtype, batch)
    targets = compiled(net, dys, fn.SGD(1e-6))
    writable = [
        forward(net, xs),
        backward(net, dys),
        as_list(net.predict(one(xs))),
        as_list(net.predict_one(one([x[0] for x in xs]))),
    ]
    copies = [array.copy() for array in (*xs, *dys, *targets)]
    for array in (*xs, *dys, *targets):
        array.flags.writeable = False
    row = one([x[0] for x in xs])
    frozen = [forward(net, xs), backward(net, dys), as_list(net.predict(one(xs))), as_list(net.predict_one(row))]
    for a, b in zip(writable, frozen, strict=True):
        assert same(a, b)
    if batch >= case.least:
        net.train_step(one(xs), one(targets))
        net.fit(one(xs), one(targets), batch_size=2 if case.least == 1 else batch, epochs=2)
    if case.least == 1:
        net.train_step(row, one([target[0] for target in targets]))
    net.evaluate(one(xs), one(targets))
    net.activations(one(xs))
    assert same(copies, [*xs, *dys, *targets])


@over_cases
@over_dtypes
@over_batches
def test_accumulate_adds(case, dtype, batch):
    net, xs, dys = ready(case, dtype, batch)
    _, dxs, grads = gradients(net, xs, dys)
    assert same(backward(net, dys), dxs)  # backward may be called again
    start = np.random.default_rng(0).normal(size=net.n_params).astype(dtype)
    net.grads[:] = start
    assert same(backward(net, dys, accumulate=True), dxs)
    # Each sum has at most 7 rows + 3 uses of a layer + 1 terms: 11 roundings of half an eps of its size.
    size = np.linalg.norm(start) + np.linalg.norm(grads)
    assert np.linalg.norm(net.grads - (start.astype(np.float64) + grads)) <= 11 * np.finfo(dtype).eps / 2 * size
    assert same(backward(net, dys), dxs)
    assert same(net.grads, grads)


@over_cases
@over_dtypes
@over_batches
def test_gradients_that_nobody_wants_are_left_out(case, dtype, batch, poisoned):
    """Those of the inputs alone, and those of the parameters alone, have the bits of both together."""
    net, xs, dys = ready(case, dtype, batch)
    pattern = np.random.default_rng(0).normal(size=net.n_params).astype(dtype)
    for training in modes(case, batch):
        _, dxs, grads = gradients(copy.deepcopy(net), xs, dys, training)
        for first in ("inputs", "parameters"):  # alone in a workspace that starts as NaN, and after the other
            twin = copy.deepcopy(net)
            twin.grads[:] = pattern
            forward(twin, xs, training)
            if first == "inputs":
                assert same(backward(twin, dys, parameters=False), dxs)
                assert same(twin.grads, pattern)
            assert twin.backward(one(dys), inputs=False) is None
            assert same(twin.grads, grads)
            twin.grads[:] = pattern
            assert same(backward(twin, dys, parameters=False), dxs)
            assert same(twin.grads, pattern)
            assert same(twin.params[learned(twin)], net.params[learned(net)])
    net.predict(one(xs))


# ---- rows are independent -------------------------------------------------------------------------------------------


@over_cases
@over_dtypes
def test_the_gradient_of_a_batch_is_the_sum_over_its_parts(case, dtype):
    net, xs, dys = ready(case, dtype, 7)
    _, dxs, grads = gradients(net, xs, dys)
    total, pieces = np.zeros(net.n_params), []
    for rows in (slice(0, 1), slice(1, 3), slice(3, 7)):
        _, parts, grad = gradients(net, [x[rows] for x in xs], [dy[rows] for dy in dys])
        total += grad
        pieces.append(parts)
    bound = 2 * rounding(net)  # both sides round
    scale = max(np.linalg.norm(total), 1e-30)
    assert np.linalg.norm(grads - total) <= bound * max(scale, sum_of_row_norms(net, xs, dys))
    for i, dx in enumerate(dxs):
        assert ref.relative(np.concatenate([parts[i] for parts in pieces]), dx) <= bound


def sum_of_row_norms(net, xs, dys):
    """What rounding is relative to: rows may cancel in the sum."""
    norms = [
        np.linalg.norm(gradients(net, [x[i : i + 1] for x in xs], [dy[i : i + 1] for dy in dys])[2])
        for i in range(len(xs[0]))
    ]
    return sum(norms)


@over_cases
@over_dtypes
def test_predict_takes_rows_for_themselves(case, dtype):
    net, xs, _ = ready(case, dtype, 7)
    whole = as_list(net.predict(one(xs)))
    for i in range(7):
        single = as_list(net.predict(one([x[i : i + 1] for x in xs])))
        alone = as_list(net.predict_one(one([x[i] for x in xs])))
        for y, s, a in zip(whole, single, alone, strict=True):
            assert s.shape == (1, *a.shape)
            assert s.tobytes() == a.tobytes()
            assert ref.relative(s[0], y[i]) <= 2 * rounding(net)


@over_cases
@over_dtypes
def test_predict_works_in_chunks(case, dtype):
    net, xs, _ = ready(case, dtype, 7)
    many = [np.concatenate([x] * (net.chunk // 7 + 2)) for x in xs]
    for y, part in zip(as_list(net.predict(one(many))), as_list(net.predict(one(xs))), strict=True):
        assert len(y) == len(many[0]) > net.chunk
        assert ref.relative(y, np.concatenate([part] * (net.chunk // 7 + 2))) <= 2 * rounding(net)


@over_cases
@over_dtypes
@over_batches
def test_predict_is_forward(case, dtype, batch):
    net, xs, _ = ready(case, dtype, batch)
    assert same(net.predict(one(xs)), forward(net, xs))


# ---- copies ---------------------------------------------------------------------------------------------------------


def trained(net, xs, dys):
    """The parameters and outputs after three steps, whatever was drawn on the way."""
    targets = [np.zeros_like(dy) for dy in dys]
    for _ in range(3):
        net.train_step(one(xs), one(targets))
    return [net.params.copy(), *as_list(net.predict(one(xs)))]


@over_cases
@over_dtypes
def test_one_seed_gives_the_same_bits(case, dtype):
    nets = [case.build(dtype, 5) for _ in range(2)]
    assert same(nets[0].params, nets[1].params)
    _, xs, dys = ready(case, dtype, 2)
    results = []
    for net in nets:
        compiled(net, dys)
        results.append([*forward(net, xs, True), *trained(net, xs, dys)])
    assert same(*results)


@over_cases
@over_dtypes
def test_pickle_and_deepcopy_keep_every_bit(case, dtype):
    net, xs, dys = ready(case, dtype, 2)
    net.compile([squared_error] * len(net.output_shapes), fn.Adam(0.01))
    net.train_step(one(xs), one(dys))
    copies = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    expected = trained(net, xs, dys)
    for other in copies:
        assert type(other) is type(net)
        assert other.params is not net.params
        assert same(trained(other, xs, dys), expected)


def squared_error(y_true, y_pred):
    e = (y_pred - y_true).astype(np.float64)
    return (e**2).reshape(len(e), -1).sum(axis=1), 2 * e


@over_cases
@over_dtypes
def test_saving_and_loading_keep_every_bit(case, dtype, tmp_path):
    net, xs, dys = ready(case, dtype, 2)
    net.compile(["squared_error"] * len(net.output_shapes), fn.Adam(0.01))
    net.train_step(one(xs), one(dys))
    net.save(tmp_path / "net.safetensors", optimizer=True)
    other = fn.load(tmp_path / "net.safetensors", custom=case.custom)
    assert type(other) is type(net)
    assert same(other.params, net.params)
    assert same(other.predict(one(xs)), net.predict(one(xs)))
    assert same(trained(other, xs, dys), trained(net, xs, dys))
    net.save(tmp_path / "net.safetensors")
    assert same(fn.load(tmp_path / "net.safetensors", custom=case.custom).predict(one(xs)), net.predict(one(xs)))


@over_cases
def test_astype_keeps_the_parameters(case):
    net = case.build("float32", 3)
    randomize(net, np.random.default_rng(0))
    assert np.array_equal(net.astype("float64").params, net.params)
    assert same(net.astype("float64").astype("float32").params, net.params)
