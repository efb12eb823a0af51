"""Random directed acyclic graphs: whatever is wired up, the gradient is right and the memory plan harmless."""

import copy
import dataclasses

import numpy as np
import pytest
from helpers import reference as ref
from helpers.cases import backward, forward, gradient_errors, gradients, one, randomize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastnn as fn

GRADIENT = 1e-7
SMOOTH = ("identity", "sigmoid", "tanh", "softplus", "gelu", "silu", "softmax")
MAX_NODES = 12

integers = st.integers


def pick(draw, values):
    return values[draw(integers(0, len(values) - 1))]


@st.composite
def graphs(draw):
    """(inputs, outputs, description) of a graph of up to MAX_NODES applications."""
    inputs = [fn.Input(draw(integers(1, 6))) for _ in range(draw(integers(1, 3)))]
    tensors, read, shared, story = list(inputs), set(), [], []

    def use(*chosen):
        read.update(id(t) for t in chosen)
        return chosen

    for _ in range(draw(integers(1, MAX_NODES))):
        x = pick(draw, tensors)
        width = x.shape[0]
        kind = draw(
            st.sampled_from(("dense", "dense", "add", "concatenate", "slice", "residual", "shared", "activation"))
        )
        if kind == "add":
            others = [t for t in tensors if t.shape == x.shape]
            y = fn.add(*use(x, *(pick(draw, others) for _ in range(draw(integers(1, 2))))))
        elif kind == "concatenate":
            y = fn.concatenate(*use(x, *(pick(draw, tensors) for _ in range(draw(integers(1, 2))))))
        elif kind == "slice" and width > 1:
            start = draw(integers(0, width - 1))
            y = fn.slice(*use(x), start, draw(integers(start + 1, width)))
        elif kind == "residual":
            body = [fn.Dense(draw(integers(1, 6)), pick(draw, SMOOTH)), fn.Dense(width, pick(draw, SMOOTH))]
            y = fn.Residual(body)(*use(x))
        elif kind == "shared" and any(w == width for w, _ in shared):
            y = pick(draw, [layer for w, layer in shared if w == width])(*use(x))
        elif kind == "activation":
            y = fn.Activation(pick(draw, SMOOTH))(*use(x))
        else:
            layer = fn.Dense(draw(integers(1, 6)), pick(draw, SMOOTH), bias=draw(st.booleans()))
            shared.append((width, layer))
            y = layer(*use(x))
        if y.shape[0] > 40:  # concatenations of concatenations
            y = fn.Dense(3, "tanh")(y)
        story.append((kind, tensors.index(x), y.shape[0]))
        tensors.append(y)
    # Whatever nobody reads is an output, so that every input leads to one; some others are outputs too.
    outputs = [t for t in tensors if id(t) not in read]
    outputs += [pick(draw, tensors) for _ in range(draw(integers(0, 2)))]
    return inputs, outputs, story


def build(inputs, outputs, seed):
    net = fn.Network(inputs, outputs, seed=seed, dtype="float64")
    rng = np.random.default_rng(seed)
    randomize(net, rng)
    batch = int(rng.integers(1, 5))
    xs, dys = (
        [rng.normal(size=(batch, *shape)).astype(np.float32).astype(np.float64) for shape in shapes]
        for shapes in (net.input_shapes, net.output_shapes)
    )
    return net, xs, dys


def sensitivity(net, xs, dys, rng):
    """By how much gradients move if all that is given is rounded to float32, in the worst of 3 draws."""
    half = np.finfo(np.float32).eps / 2
    _, dxs, grads = gradients(net, xs, dys)
    kept, worst = net.params.copy(), np.zeros(len(dxs) + 1)

    def moved(array):
        return array * (1 + half * rng.choice([-1.0, 1.0], array.shape))

    for _ in range(3):
        net.params[:] = moved(kept)
        _, dxs2, grads2 = gradients(net, [moved(x) for x in xs], [moved(dy) for dy in dys])
        distances = [np.linalg.norm(a - b) for a, b in zip([*dxs2, grads2], [*dxs, grads], strict=True)]
        worst = np.maximum(worst, distances)
    net.params[:] = kept
    return [*dxs, grads], worst


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# Activations whose slopes are computed from a, where 1 - a cancels: a function, and dz from a and da.
FROM_A = {
    "tanh": (np.tanh, lambda a, da: da * (1 - a * a)),
    "sigmoid": (sigmoid, lambda a, da: da * a * (1 - a)),
    "softmax": (softmax, lambda a, da: a * (da - (a * da).sum(axis=-1, keepdims=True))),
}


def with_rounded_slopes(net):
    """The same network in float64, in which slopes are computed from a in float32."""

    def rounded(layer):
        activation = layer.activation_function
        if activation is None or activation.function not in FROM_A:
            return layer
        function, slope = FROM_A[activation.function]
        custom = fn.Custom(function, lambda z, a, da: slope(a.astype(np.float32).astype(np.float64), da))
        return custom if isinstance(layer, fn.Activation) else dataclasses.replace(layer, activation=custom)

    structure = dataclasses.replace(net.structure, layers=tuple(map(rounded, net.structure.layers)))
    return fn.Network.of(structure, dtype="float64", params=net.params)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_random_graphs(graph, seed):
    inputs, outputs, story = graph
    net, xs, dys = build(inputs, outputs, seed)
    errors = gradient_errors(net, xs, dys)
    assert max(errors.values()) <= GRADIENT, (story, errors)

    # float32: what rounding the data alone does, and rounding a in the slopes of saturated units, times the number of
    # roundings, plus those themselves.
    exact, moved = sensitivity(net, xs, dys, np.random.default_rng(seed))
    narrow = net.astype("float32")
    _, dxs32, grads32 = gradients(narrow, [x.astype(np.float32) for x in xs], [dy.astype(np.float32) for dy in dys])
    depth = len(net.plan.ops) + 1
    _, dxs64, grads64 = gradients(with_rounded_slopes(net), xs, dys)
    for value, e, m, r in zip([*dxs32, grads32], exact, moved, [*dxs64, grads64], strict=True):
        distance = m + np.linalg.norm(r - e)
        assert np.linalg.norm(value - e) <= depth * (4 * distance + 8 * np.finfo(np.float32).eps * np.linalg.norm(e)), (
            story
        )

    # Memory: inference, which reuses places, against forward, which keeps all apart; training against both.
    for a, b in zip(
        net.predict(one(xs)) if len(outputs) > 1 else [net.predict(one(xs))], forward(net, xs), strict=True
    ):
        assert a.tobytes() == b.tobytes(), story
    dxs = backward(net, dys)
    expected = net.grads.copy()
    net.grads.fill(7)
    for a, b in zip(backward(net, dys, parameters=False), dxs, strict=True):
        assert a.tobytes() == b.tobytes(), story
    assert (net.grads == 7).all(), story
    net.backward(one(dys), inputs=False)
    assert net.grads.tobytes() == expected.tobytes(), story
    other = copy.deepcopy(net)
    other.compile("squared_error" if len(outputs) == 1 else ["squared_error"] * len(outputs), fn.SGD(0.1))
    # d/dy of the mean over rows and outputs of (y - t)^2 is dy where t = y - dy * B * O / 2.
    targets = [y - dy * y.size / 2 for y, dy in zip(forward(net, xs), dys, strict=True)]
    other.trainer.workspace(len(xs[0])).fill(0xFF)
    other.trainer.step_on(xs, targets, None, len(xs[0]), 0.1, update=False)
    scale = max(np.linalg.norm(expected), 1e-3 * sum(np.linalg.norm(y) for y in targets))
    assert np.linalg.norm(other.grads - expected) <= 1e-11 * scale, story


def test_the_strategy_reaches_everything():
    """Fan-out, several inputs and outputs, shared parameters and every kind of node do occur."""
    seen = set()

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(graph=graphs())
    def look(graph):
        inputs, outputs, story = graph
        net = fn.Network(inputs, outputs, seed=0)
        seen.update(kind for kind, _, _ in story)
        kinds = [type(op).__name__ for op in net.plan.ops]
        seen.update(kinds)
        seen.add(f"inputs {len(inputs) > 1}")
        seen.add(f"outputs {len(outputs) > 1}")
        seen.add(f"shared {len(set(net.structure.layers)) < len(net.structure.nodes)}")

    look()
    assert {
        "dense",
        "add",
        "concatenate",
        "slice",
        "residual",
        "shared",
        "activation",
        "FanOutOp",
        "inputs True",
        "outputs True",
        "shared True",
    } <= seen


def test_a_chain_of_links_across_many_steps():
    """Every layer reads the sum of all before it: each tensor has many readers and lives to the end."""
    x = fn.Input(4)
    tensors = [x]
    for _ in range(6):
        before = fn.add(*tensors) if len(tensors) > 1 else tensors[0]
        tensors.append(fn.Dense(4, "tanh")(before))
    net, xs, dys = build([x], [tensors[-1]], 7)
    assert max(gradient_errors(net, xs, dys).values()) <= GRADIENT

    def twin(x):
        values = [x]
        for i in range(6):
            view = net.layers[[v.name for v in net.layers].index(f"dense_{i + 1}")]
            values.append(np.tanh(ref.dense(sum(values), view.weight, view.bias)))
        return values[-1]

    assert ref.relative(net.predict(xs[0]), twin(xs[0])) <= 1e-14


def test_layers_below_which_nothing_learns_have_no_backward_pass_without_inputs():
    """Their functions, which count calls, stand before, between and beside layers with parameters."""
    calls = dict.fromkeys(("first", "between", "beside"), 0)

    def counting(name):
        def back(x, y, dy):
            calls[name] += 1
            return dy

        return fn.Custom(lambda x: x, back, name=name)

    x, other = fn.Input(3), fn.Input(2)
    h = counting("between")(fn.Dense(2)(counting("first")(x)))
    net = fn.Network([x, other], fn.add(h, counting("beside")(other)), seed=0)
    y = net.forward([np.ones((4, 3)), np.ones((4, 2))])
    net.backward(y, inputs=False)
    assert calls == {"first": 0, "between": 1, "beside": 0}
    net.backward(y)
    net.backward(y, parameters=False)
    assert calls == {"first": 2, "between": 3, "beside": 2}


def test_gradients_of_parameters_that_nobody_wants_are_not_looked_at():
    """A function may return what it likes for them."""
    layer = fn.Custom(lambda x, a: x * a, lambda x, y, dy, a: (dy * a, {"a": "nothing"}), parameters={"a": (3, "ones")})
    net = fn.Sequential([layer], input_shape=3, seed=0)
    y = net.forward(np.ones((2, 3)))
    assert np.array_equal(net.backward(y, parameters=False), y)
    with pytest.raises(ValueError, match="could not convert"):
        net.backward(y)


def test_a_training_forward_is_committed_once_whichever_gradients_are_wanted():
    """Running statistics go by mean 2, momentum 0.9: 0.2, whether grads or inputs are asked for."""
    for options in ({}, {"parameters": False}, {"inputs": False}):
        net = fn.Sequential([fn.BatchNorm()], input_shape=1, seed=0)
        y = net.forward([[1.0], [3.0]], training=True)
        net.backward(y, **options)
        net.backward(y, **options)
        np.testing.assert_allclose(net.layers[0].parameters["running_mean"], [0.2], rtol=1e-6)
