"""The gradient penalty and its gradient, against NumPy with complex steps and against quotients of differences."""

import numpy as np
import pytest
from helpers.cases import CASES, ready

import fastnn as fn

EXACT = 1e-9  # relative, in float64
SLOPE = 0.2  # of leaky_relu
rng = np.random.default_rng(0)


# ---- a critic in NumPy, for complex numbers: the derivative of an analytic function is Im f(w + ih) / h, exactly ----


def windows(x, w, b):
    """A convolution with zeros around, 3 x 3."""
    _, H, W, _ = x.shape
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return b + sum(x[:, i : i + H, j : j + W] @ w[i, j] for i in range(3) for j in range(3))


def windows_back(dy, w):
    return windows(dy, w[::-1, ::-1].transpose(0, 1, 3, 2), 0)


def bent(z, dy):
    """The gradient before leaky_relu."""
    return np.where(z.real > 0, 1, SLOPE) * dy


def leaky(z):
    return bent(z, z)


def halves(x):
    B, H, W, C = x.shape
    return x.reshape(B, H // 2, 2, W // 2, 2, C).mean(axis=(2, 4))


def halves_back(dy):
    return dy.repeat(2, axis=1).repeat(2, axis=2) / 4


def groups(x, size):
    """Groups of neighbours, the rest with the last."""
    count = max(1, len(x) // size)
    return [slice(g * size, (g + 1) * size if g < count - 1 else None) for g in range(count)]


def deviations(rows):
    centred = rows - rows.mean(axis=0)
    return centred, np.sqrt((centred**2).mean(axis=0) + 1e-8)


def with_deviation(x, size):
    parts = []
    for rows in groups(x, size):
        s = deviations(x[rows])[1].mean()
        parts.append(np.concatenate([x[rows], s + 0 * x[rows][..., :1]], axis=-1))
    return np.concatenate(parts)


def with_deviation_back(x, dy, size):
    dx = dy[..., :-1].copy()
    for rows in groups(x, size):
        centred, deviation = deviations(x[rows])
        dx[rows] += dy[rows][..., -1].sum() * centred / (centred.size * deviation)
    return dx


def slopes(p, x, size):
    """The gradient of the critic's answers by its input."""
    c, fade = lambda name, x: windows(x, p[f"{name}.weight"], p[f"{name}.bias"]), p["fade.alpha"][0]
    z1 = c("first", x)
    h1 = halves(leaky(z1))
    z0 = halves(x) @ p["old.weight"][0, 0] + p["old.bias"]
    h = (1 - fade) * leaky(z0) + fade * h1
    m = with_deviation(h, size) if size else np.concatenate([h, p["m.running_deviation"] + 0 * h[..., :1]], axis=-1)
    z2 = c("second", m)
    z3 = leaky(z2).reshape(len(x), -1) @ p["third.weight"] + p["third.bias"]
    d3 = bent(z3, np.ones((len(x), 1)) @ p["last.weight"].T)
    d2 = bent(z2, (d3 @ p["third.weight"].T).reshape(z2.shape))
    dm = windows_back(d2, p["second.weight"])
    dh = with_deviation_back(h, dm, size) if size else dm[..., :-1]
    d1 = bent(z1, halves_back(fade * dh))
    d0 = bent(z0, (1 - fade) * dh)
    return windows_back(d1, p["first.weight"]) + halves_back(d0 @ p["old.weight"][0, 0].T)


def penalty(p, x, size, weight, target):
    g = slopes(p, x, size).reshape(len(x), -1)
    return weight * ((np.sqrt((g * g).sum(axis=1)) - target) ** 2).mean()


def derivative(net, x, size, weight, target):
    """Of the penalty by every parameter that is learned."""
    found = np.zeros(net.n_params)
    for i in range(net.n_params):
        vector = net.params.astype(complex)
        vector[i] += 1e-30j
        p = {f"{place.layer}.{place.name}": place.of(vector) for place in net.places}
        found[i] = penalty(p, x, size, weight, target).imag / 1e-30
    for place in net.places:
        if not place.learned:
            found[place.start : place.start + place.size] = 0
    return found


def critic(dtype="float64", seed=0, group=3):
    x, leaky = fn.Input((4, 6, 2)), fn.Activation("leaky_relu", alpha=SLOPE)
    new = fn.AvgPool2D(2)(fn.Conv2D(3, 3, leaky, name="first")(x))
    old = fn.Conv2D(3, 1, leaky, name="old")(fn.AvgPool2D(2)(x))
    h = fn.MinibatchStdDev(group, name="m")(fn.Blend(0.3, name="fade")(old, new))
    h = fn.Dense(5, leaky, name="third")(fn.Flatten()(fn.Conv2D(4, 3, leaky, name="second")(h)))
    net = fn.Network(x, fn.Dense(1, name="last")(h), seed=seed, dtype=dtype)
    random = np.random.default_rng(seed)
    for place in net.places:
        if place.learned:
            place.of(net.params)[...] += 0.1 * random.normal(size=place.shape)
    net.layers[[view.name for view in net.layers].index("m")].running_deviation[...] = 0.7
    return net


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("rows", [2, 3, 7])
@pytest.mark.parametrize(("weight", "target"), [(10.0, 1.0), (0.5, 0.0), (3.0, 5.0)])
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_is_exact(rows, weight, target, training):
    net, x, size = critic(), rng.normal(size=(rows, 4, 6, 2)), 3 if training else 0
    p = dict(net.named_parameters())
    start = rng.normal(size=net.n_params)
    net.grads[:] = start
    before = net.params.copy()
    value = fn.gradient_penalty(net, x, weight, target=target, training=training)
    assert abs(value - penalty(p, x, size, weight, target)) <= 1e-13 * value
    expected = derivative(net, x, size, weight, target)
    assert relative(net.grads - start, expected) <= EXACT  # it adds
    assert np.array_equal(net.params, before)  # running statistics, too
    net.grads[:] = 0
    assert fn.gradient_penalty(net, x, weight, target=target, training=training, step=1e-6) == value
    assert relative(net.grads, expected) <= 1e-8


def test_single_precision_loses_little():
    net, x = critic("float32"), rng.normal(size=(7, 4, 6, 2)).astype(np.float32)
    fn.gradient_penalty(net, x)
    expected = derivative(net, x.astype(float), 3, 10.0, 1.0)
    assert relative(net.grads, expected) <= 1e-5


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_without_a_slope_there_is_no_direction(name):
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], 3, seed=0)
    assert fn.gradient_penalty(net, np.ones((4, 3))) == 10
    assert not net.grads.any()
    assert fn.gradient_penalty(net, np.ones((4, 3)), step=0.01) == 10
    assert not net.grads.any()


def test_masks_are_those_of_one_pass():
    """Dropout draws the same mask for the slope and for its change; the next call another one."""
    net = fn.Sequential([fn.Dense(50, "leaky_relu"), fn.Dropout(0.5), fn.Dense(1)], 3, seed=0, dtype="float64")
    x = rng.normal(size=(4, 3))
    twin = net.copy()
    values = [fn.gradient_penalty(net, x), fn.gradient_penalty(net, x)]
    assert values == [fn.gradient_penalty(twin, x, step=1e-6), fn.gradient_penalty(twin, x, step=1e-6)]
    assert values[0] != values[1]
    assert relative(net.grads, twin.grads) <= 1e-8


def reachable():
    """The cases of one input and one output through whose layers tangents go."""
    for case in CASES:
        net = case.build("float64", 0)
        ports = len(net.input_shapes) == len(net.output_shapes) == 1
        if ports and net.n_params and all(op.has_tangent for op in net.plan.ops):
            yield case


STRAIGHT = list(reachable())


def test_there_are_cases_of_many_layers():
    kinds = {type(layer).__name__ for case in STRAIGHT for layer in case.build("float64", 0).structure.layers}
    assert kinds >= {"Dense", "Conv1D", "Conv2D"}


@pytest.mark.parametrize("case", STRAIGHT, ids=lambda case: case.id)
def test_tangents_of_every_layer_against_differences(case):
    net, (x,), _ = ready(case, "float64", max(4, case.least))
    exact = fn.gradient_penalty(net, x, training=case.random or case.coupled)
    grads = net.grads.copy()
    net.grads[:] = 0
    net.forwards -= case.random or case.coupled  # the same masks
    assert fn.gradient_penalty(net, x, training=case.random or case.coupled, step=1e-6) == exact
    assert np.linalg.norm(net.grads - grads) <= 1e-8 * (1 + np.linalg.norm(grads))


LINEAR = {
    "upsample": lambda: [fn.Upsample2D(2), fn.Conv2D(2, 3, "relu")],
    "bilinear": lambda: [fn.Upsample2D(2, "bilinear"), fn.Conv2D(2, 3, "relu")],
    "transposed": lambda: [fn.ConvTranspose2D(3, 4, "leaky_relu", strides=2), fn.Conv2D(2, 3)],
    "moved": lambda: [fn.SpaceToDepth(2), fn.Permute((2, 0, 1)), fn.Conv2D(3, 3, "relu"), fn.Reduce("mean")],
    "around": lambda: [fn.Pad2D(1), fn.Conv2D(3, 3, "relu"), fn.Crop2D(1), fn.Pad2D(1, mode="reflect")],
    "given": lambda: [fn.Standardize(0.3, 0.7), fn.Conv2D(2, 3, "leaky_relu"), fn.GlobalAvgPool2D()],
    "random": lambda: [fn.GaussianNoise(0.2), fn.Conv2D(8, 3, "relu"), fn.SpatialDropout(0.3), fn.Conv2D(2, 3)],
    "deep": lambda: [fn.Residual([fn.Conv2D(2, 3, "relu"), fn.Conv2D(2, 3)]), fn.MinibatchStdDev(2),
                     fn.Conv2D(2, 3, "relu"), fn.MinibatchStdDev(2), fn.Conv2D(1, 3)],
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_layers_that_are_linear(name):
    net = fn.Sequential([*LINEAR[name](), fn.Flatten(), fn.Dense(1)], (4, 4, 2), seed=0, dtype="float64")
    net.params += 0.1 * rng.normal(size=net.n_params)
    x = rng.normal(size=(5, 4, 4, 2))
    exact = fn.gradient_penalty(net, x)
    grads = net.grads.copy()
    net.grads[:], net.forwards = 0, net.forwards - 1
    assert fn.gradient_penalty(net, x, step=1e-6) == exact
    assert relative(net.grads, grads) <= 1e-7


SMOOTH = {
    "tanh": (lambda: [fn.Dense(4, "tanh", name="hidden")], "'hidden', and its tanh has none"),
    "norm": (lambda: [fn.Dense(4), fn.LayerNorm(name="norm")], "'norm', and LayerNorm has none"),
    "custom": (lambda: [fn.Custom(lambda x: x, lambda x, y, dy: dy, name="own")], "'own', and Custom has none"),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_layers_without_a_tangent_are_named(name):
    layers, said = SMOOTH[name]
    net = fn.Sequential([*layers(), fn.Dense(1)], 4, seed=0, dtype="float64")
    x = rng.normal(size=(4, 4))
    with pytest.raises(
        ValueError, match=f"gradient_penalty: expected layers through which a tangent goes .* got {said}"
    ):
        fn.gradient_penalty(net, x)
    fn.gradient_penalty(net, x, step=1e-4)
    vector = net.params.copy()
    found = np.zeros(net.n_params)
    for i in range(net.n_params):
        for h in (1e-5, -1e-5):
            net.params[:] = vector
            net.params[i] += h
            dx = net.backward(np.ones_like(net.forward(x)), parameters=False)
            found[i] += 10 * ((np.linalg.norm(dx, axis=1) - 1) ** 2).mean() / (2 * h)
    net.params[:], net.grads[:] = vector, 0
    fn.gradient_penalty(net, x, step=1e-4)
    assert relative(net.grads, found) <= 1e-5
    single = net.astype("float32")
    fn.gradient_penalty(single, x, step=0.01)
    assert relative(single.grads, found) <= 1e-2


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda net: fn.gradient_penalty(net.params, np.ones((2, 3))), TypeError, "expected a network, got ndarray"),
        (lambda net: fn.gradient_penalty(net, np.ones((2, 3)), -1), ValueError, "weight"),
        (lambda net: fn.gradient_penalty(net, np.ones((2, 3)), step=0.0), ValueError, "step"),
        (lambda net: fn.gradient_penalty(net, np.ones((2, 4))), ValueError, "shape"),
        (
            lambda net: fn.gradient_penalty(two_inputs(), [np.ones((2, 3))] * 2),
            ValueError,
            "one input and one output, got 2",
        ),
    ],
)
def test_what_it_refuses(call, kind, said):
    with pytest.raises(kind, match=said):
        call(fn.Sequential([fn.Dense(1)], 3, seed=0))


def two_inputs():
    a, b = fn.Input(3), fn.Input(3)
    return fn.Network([a, b], fn.Dense(1)(a + b), seed=0)


def test_calls_of_many_rows_and_of_few_take_turns():
    """They have one workspace, which grows to what any of them asks for; none leaves anything behind in it."""
    x, taking_turns, results = rng.normal(size=(9, 4, 6, 2)), critic(), []
    for fresh in (False, True):
        found = []
        for rows in (2, 9, 4):
            net = critic() if fresh else taking_turns
            y = net.forward(x[:rows], training=True)
            found += [y, net.backward(y)]
            fn.gradient_penalty(net, x[: rows // 2 + 1])
            found.append(net.grads.copy())
        results.append(found)
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


def test_a_backward_needs_its_own_forward_after_it():
    net = critic()
    fn.gradient_penalty(net, rng.normal(size=(4, 4, 6, 2)))
    with pytest.raises(RuntimeError, match="expected a call of forward"):
        net.backward(np.ones((4, 1)))
