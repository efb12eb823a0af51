"""Networks as parts of networks: the answers of one after the other, gradients by the chain rule, files, sharing."""

import copy

import numpy as np
import pytest

import fastnn as fn

RNG = np.random.default_rng(8)
Z = RNG.normal(size=(9, 3))


def generator(seed=1, dtype="float64"):
    return fn.Sequential([fn.Dense(6, "tanh"), fn.BatchNorm(), fn.Dense(4)], 3, seed=seed, dtype=dtype)


def discriminator(seed=2, dtype="float64"):
    return fn.Sequential([fn.Dense(5, "relu", name="judge"), fn.Dense(1)], 4, seed=seed, dtype=dtype)


def in_a_row(G, D):
    return fn.Sequential([G, D], dtype="float64", seed=0)


def of_tensors(G, D):
    z = fn.Input(3)
    return fn.Network(z, D(G(z)), dtype="float64", seed=0)


@pytest.fixture(params=[in_a_row, of_tensors])
def both(request):
    G, D = generator(), discriminator()
    for place in G.places:  # running statistics that are none of a new network
        if not place.learned:
            place.of(G.params)[...] = RNG.uniform(0.5, 2, place.shape)
    return G, D, request.param(G, D)


def test_it_answers_what_they_answer_one_after_the_other(both):
    G, D, net = both
    np.testing.assert_allclose(net.predict(Z), D.predict(G.predict(Z)), rtol=1e-14)
    assert np.array_equal(net.params, np.concatenate([G.params, D.params]))
    assert [view.name for view in net.layers] == ["dense_1", "batchnorm_1", "dense_2", "judge", "dense_3"]


def test_gradients_flow_as_by_the_chain_rule(both):
    G, D, net = both
    dy = RNG.normal(size=(9, 1))
    net.forward(Z)
    dz = net.backward(dy)
    D.forward(G.forward(Z))
    expected = G.backward(D.backward(dy))
    np.testing.assert_allclose(dz, expected, rtol=1e-12)
    np.testing.assert_allclose(net.grads, np.concatenate([G.grads, D.grads]), rtol=1e-12)


def test_its_parameters_are_its_own(both):
    G, D, net = both
    before = [part.params.copy() for part in (G, D)]
    net.fit(Z, np.ones(9), epochs=3, loss="bce", optimizer="adam")
    assert not np.array_equal(net.params, np.concatenate(before))
    assert np.array_equal(G.params, before[0])
    assert np.array_equal(D.params, before[1])
    trained = net.params.copy()
    G.params += 1
    assert np.array_equal(net.params, trained)
    G.set_weights(net.get_weights()[: len(G.get_weights())])  # the way back
    assert np.array_equal(G.params, trained[: G.n_params])


def test_a_part_can_be_frozen_by_the_names_of_its_layers(both):
    G, D, net = both
    frozen = {name: fn.Group(frozen=True) for name in ("judge", "dense_3")}
    net.fit(Z, np.ones(9), epochs=3, loss="bce", optimizer=fn.Adam(0.1, groups=frozen))
    assert np.array_equal(net.params[G.n_params :], D.params)
    assert not np.array_equal(net.params[: G.n_params], G.params)


def test_it_is_saved_loaded_copied_and_exported(both, tmp_path):
    *_, net = both
    net.save(tmp_path / "m.safetensors")
    for again in (fn.load(tmp_path / "m.safetensors"), net.copy(), copy.deepcopy(net)):
        assert np.array_equal(again.predict(Z), net.predict(Z))
        assert again.structure.to_config() == net.structure.to_config()


def test_applied_twice_it_shares_its_parameters_with_itself():
    G = generator()
    a, b = fn.Input(3), fn.Input(3)
    net = fn.Network([a, b], fn.add(G(a), G(b)), dtype="float64", seed=0)
    assert net.n_params == G.n_params
    np.testing.assert_allclose(net.predict([Z, Z[::-1]]), G.predict(Z) + G.predict(Z[::-1]), rtol=1e-13)
    same = fn.Sequential([fn.Sequential([fn.Dense(3, "tanh")], 3, seed=0)] * 2, seed=1)
    assert same.n_params == 12


def test_a_network_its_copy_and_its_layers_are_three_things():
    G = fn.Sequential([fn.Dense(3, "tanh")], 3, seed=0, dtype="float64")
    other, tapped, layer = G.copy(), G.tap("dense_1"), G.structure.layers[0]
    other.params[:] = RNG.normal(size=other.n_params)
    net = fn.Sequential([G, other, tapped, layer], dtype="float64", seed=5)
    assert net.n_params == 4 * G.n_params
    net.params[-G.n_params :] = G.params
    np.testing.assert_allclose(net.predict(Z), G.predict(G.predict(other.predict(G.predict(Z)))), rtol=1e-13)


def test_new_layers_beside_it_start_as_they_would_alone():
    G = generator()
    nets = [fn.Sequential([part, fn.Dense(2)], 3, seed=7, dtype="float64") for part in (G, generator(seed=9))]
    assert np.array_equal(nets[0].layers[-1].weight, nets[1].layers[-1].weight)
    assert np.any(nets[0].layers[-1].weight)


def test_parts_within_parts_keep_their_values():
    G, D = generator(), discriminator()
    inner = in_a_row(G, D)
    outer = fn.Sequential([fn.Dense(3), inner, fn.Activation("sigmoid")], 2, dtype="float64", seed=3)
    x = RNG.normal(size=(4, 2))
    hidden = x @ outer.layers[0].weight + outer.layers[0].bias
    np.testing.assert_allclose(outer.predict(x), 1 / (1 + np.exp(-D.predict(G.predict(hidden)))), rtol=1e-12)


def test_several_inputs_and_outputs():
    a, b = fn.Input(3), fn.Input(2)
    h = fn.concatenate(a, b)
    part = fn.Network([a, b], [fn.Dense(2)(h), a], seed=0, dtype="float64")
    p, q = fn.Input(3), fn.Input(2)
    for given in ((p, q), ([p, q],)):
        y, passed = part(*given)
        assert passed is p
        net = fn.Network([p, q], [fn.Dense(1)(y), y], seed=1, dtype="float64")
        rows = [Z, Z[:, :2]]
        np.testing.assert_allclose(net.predict(rows)[1], part.predict(rows)[0], rtol=1e-13)


def test_values_take_the_dtype_of_the_whole():
    G = generator(dtype="float32")
    net = fn.Sequential([G], dtype="float64")
    assert net.params.dtype == np.float64
    assert np.array_equal(net.params, G.params)


REFUSED = {
    "shape": (lambda: generator()(fn.Input(4)), ValueError, r"inputs of shape \(B, 3\), got \(B, 4\)"),
    "count": (lambda: generator()(fn.Input(3), fn.Input(3)), ValueError, r"of shape \(B, 3\), got \(B, 3\), \(B, 3\)"),
    "none": (lambda: generator()(), ValueError, r"of shape \(B, 3\), got none"),
    "numbers": (lambda: generator()(Z), TypeError, "numbers go to net.predict"),
    "order": (lambda: in_a_row(discriminator(), generator()), ValueError, r"expected inputs of shape \(B, 3\)"),
    "quantised": (
        lambda: fn.Sequential([generator(dtype="float32").quantized("int8")], 3),
        TypeError,
        "expected layers, got <QuantizedNetwork",
    ),
    "names": (lambda: fn.Sequential([discriminator(), fn.Dense(4), discriminator()]), ValueError, "got 'judge' twice"),
    "two outputs": (
        lambda: fn.Sequential([fn.Network(x := fn.Input(3), [fn.Dense(1)(x), x])]),
        TypeError,
        "layers that give one tensor",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    written, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said):
        written()


def picture(size, names, seed, dtype="float32"):
    """Images of one size made by layers of these names."""
    x = h = fn.Input((4, 4, 2))
    if size > 4:
        h = fn.Upsample2D(size // 4)(h)
    for name in names:
        h = fn.Conv2D(3 if name == "out" else 2, 3, name=name)(h)
    return fn.Network(x, h, seed=seed, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_larger_network_takes_the_weights_of_the_same_names(dtype):
    old, new = picture(4, ["in", "out"], 0), picture(8, ["in", "new", "out"], 1, dtype)
    before = {name: view.copy() for name, view in new.named_parameters()}
    kept = old.params.copy()
    assert new.take_weights(old) == ["in.weight", "in.bias", "out.weight", "out.bias"]
    values = dict(old.named_parameters())
    for name, view in new.named_parameters():
        assert np.array_equal(view, values.get(name, before[name]))
    new.params += 1
    assert np.array_equal(old.params, kept)


@pytest.mark.parametrize(
    ("other", "kind", "said"),
    [
        (
            lambda: picture(4, ["in", "out", "new"], 0),
            ValueError,
            r"new.weight of shape \(3, 3, 2, 2\), got \(3, 3, 3, 2\)",
        ),
        (lambda: picture(4, ["other"], 0), ValueError, "expected layers of the same names in both networks, got none"),
        (lambda: Z, TypeError, "expected another network, got ndarray"),
    ],
)
def test_weights_that_cannot_be_taken_change_nothing(other, kind, said):
    net = picture(8, ["in", "new", "out"], 1)
    before = net.params.copy()
    with pytest.raises(kind, match=said):
        net.take_weights(other())
    assert np.array_equal(net.params, before)


def test_sums_of_tensors():
    x = fn.Input(3)
    h = fn.Dense(3, "tanh")(x)
    for total, count in ((x + h, 2), (sum([x, h, x]), 3)):
        net = fn.Network(x, total, seed=0, dtype="float64")
        hidden = np.tanh(Z @ net.layers[0].weight + net.layers[0].bias)
        np.testing.assert_allclose(net.predict(Z), hidden + (count - 1) * Z, rtol=1e-13)
    with pytest.raises(ValueError, match="Add: expected two or more inputs of one shape"):
        x + fn.Input(4)
