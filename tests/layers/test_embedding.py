"""Embeddings: which vectors learn, what is refused and where, and what a refusal leaves as it was."""

import numpy as np
import pytest

import fastnn as fn

X = np.array([[0, 2, 2], [4, 0, 2]])
DY = np.arange(12.0).reshape(2, 3, 2)
OPTIMIZERS = {
    "sgd": fn.SGD(0.1),
    "momentum": fn.SGD(0.1, momentum=0.9),
    "adam": fn.Adam(0.1),
    "clipped": fn.Adam(0.1, clip_norm=1),
    "decayed": fn.AdamW(0.1, weight_decay=0.5, l1=1, l2=1, max_norm=0.1),
}
over_optimizers = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


def network(optimizer=None, dtype="float32", **options):
    net = fn.Sequential(
        [fn.Embedding(5, 2, name="words", **options), fn.Flatten(), fn.Dense(2)], 3, seed=0, dtype=dtype
    )
    net.compile("squared_error", optimizer or fn.SGD(0.1))
    return net


def scattered(padding=None):
    """Row by row, by definition."""
    table = np.zeros((5, 2))
    for index, dy in zip(X.ravel(), DY.reshape(-1, 2), strict=True):
        if index != padding:
            table[index] += dy
    return table


@pytest.mark.parametrize("padding", [None, 2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_an_index_is_the_sum_over_its_uses(dtype, padding):
    net = fn.Sequential([fn.Embedding(5, 2, padding_index=padding)], 3, seed=0, dtype=dtype)
    y = net.forward(X)
    expected = net.layers[0].weight[X]
    assert np.array_equal(y, np.where((padding == X)[..., None], 0, expected))
    dx = net.backward(DY)
    assert dx.shape == X.shape
    assert not dx.any()
    assert np.array_equal(net.layers[0].gradients["weight"], scattered(padding))


def test_plain_sgd_touches_the_vectors_of_the_batch_alone():
    """Not a bit of the others: NaN would spread if they were read or scaled."""
    net = network(fn.SGD(0.1), dtype="float64")
    table = net.layers[0].weight
    table[[1, 3]] = np.nan
    before, rest = table.copy(), net.layers[-1].weight.copy()
    net.train_step(X, np.ones((2, 2)))
    assert np.isnan(table[[1, 3]]).all()
    e = before[X].reshape(2, 6) @ rest + 0 - 1
    dh = (2 * e / e.size @ rest.T).reshape(-1, 2)
    for index, gradient in zip(X.ravel(), dh, strict=True):
        before[index] -= 0.1 * gradient
    np.testing.assert_allclose(table, before, rtol=1e-12)


@over_optimizers
def test_a_step_is_one_by_hand(optimizer):
    """Bit for bit, but that plain SGD adds one use of an index after the other to its vector, not to a gradient."""
    straight, by_hand = network(optimizer), network(optimizer)
    for _ in range(3):
        straight.train_step(X, np.ones((2, 2)))
        y = by_hand.forward(X, training=True)
        by_hand.backward(np.float32(0.25) * (2 * (y - 1)))
        by_hand.apply_gradients()
    if straight.trainer.optimizer.plain:
        np.testing.assert_allclose(straight.params, by_hand.params, rtol=1e-6)
    else:
        assert straight.params.tobytes() == by_hand.params.tobytes()


@over_optimizers
def test_the_padding_is_zero_and_stays_so(optimizer):
    net = network(optimizer, padding_index=2)
    assert not net.layers[0].weight[2].any()
    net.fit(X, np.ones((2, 2)), epochs=5, batch_size=1)
    assert not net.layers[0].weight[2].any()
    assert net.layers[0].weight[[0, 4]].all()
    net.layers[0].weight[2] = 7  # whatever stands in the table
    assert not net.activations(X)["words"][0, 1:].any()


def test_penalties_and_decay_leave_the_vectors_alone():
    net = network(OPTIMIZERS["decayed"])
    before = net.layers[0].weight.copy()
    net.fit(X, np.ones((2, 2)), epochs=5)
    assert np.array_equal(net.layers[0].weight[[1, 3]], before[[1, 3]])


def test_learns_a_table():
    """A function of two indices out of 12 x 12 that no line through the indices fits."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 12))
    pairs = np.array([(i, j) for i in range(12) for j in range(12)])
    y = (first[pairs[:, 0]] * second[pairs[:, 1]])[:, None]
    net = fn.Sequential([fn.Embedding(12, 4), fn.Flatten(), fn.Dense(32, "tanh"), fn.Dense(1)], 2, seed=0)
    history = net.fit(pairs, y, epochs=200, loss="squared_error", optimizer=fn.Adam(0.01))
    assert history["loss"][-1] <= 0.01 * y.var()


# ---- what is no index -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@over_optimizers
@pytest.mark.parametrize(
    ("value", "shown"), [(5, "5"), (-1, "-1"), (0.5, "0.5"), (1e30, r"1e\+30"), (-1e-30, "-1e-30")]
)
def test_is_refused_wherever_it_comes(value, shown, optimizer, dtype):
    net = network(optimizer, dtype)
    good, y = X.astype(dtype), np.ones((2, 2), dtype)
    bad = good.copy()
    bad[1, 1] = value
    message = f"Embedding 'words': expected whole numbers from 0 to 4, got {shown}; "
    answers, before = net.predict(good), net.params.copy()
    for call in (
        lambda: net.predict(bad),
        lambda: net.predict(bad.tolist()),
        lambda: net.predict(np.concatenate([good] * 400 + [bad])),
        lambda: net.predict_one(bad[1]),
        lambda: net.predict_one(bad[1].tolist()),
        lambda: net.forward(bad),
        lambda: net.activations(bad),
        lambda: net.evaluate(bad, y),
        lambda: net.train_step(bad, y),
        lambda: net.train_step(bad[1], y[1]),
        lambda: net.fit(bad, y),
        lambda: net.fit(good, y, validation_data=(bad, y)),
        lambda: net.fit([(good, y), (bad, y)]),
        lambda: net.fit(np.concatenate([good] * 3000 + [bad]), np.ones((6002, 2), dtype), batch_size=6002),
    ):
        with pytest.raises(ValueError, match=message):
            call()
        assert before.tobytes() == net.params.tobytes()
    assert np.array_equal(net.predict(good), answers)
    net.train_step(good, y)
    assert before.tobytes() != net.params.tobytes()


def test_is_refused_behind_other_layers_too():
    """An index that a layer computes."""
    half = fn.Custom(lambda x: x / 2, lambda x, y, dy: dy / 2)
    net = fn.Sequential([half, fn.Embedding(3, 2)], 1, seed=0)
    assert np.array_equal(net.predict([[4], [2]]), net.layers[1].weight[[[2], [1]]])
    with pytest.raises(ValueError, match=r"Embedding: expected whole numbers from 0 to 2, got 1.5;"):
        net.predict([[3]])


def test_rows_that_change_during_the_step_do_no_harm():
    """The loss spoils the caller's array between forward and backward."""
    x, y = X.astype(np.float64), np.zeros((2, 6))

    def loss(y_true, y_pred):
        x.fill(1e18)
        return np.zeros(2), np.ones_like(y_pred)

    net = fn.Sequential([fn.Embedding(5, 2), fn.Flatten()], 3, seed=0, dtype="float64")
    net.compile(loss, fn.SGD(1.0))
    before = net.layers[0].weight.copy()
    net.train_step(x, y)
    used = np.bincount(X.ravel(), minlength=5) / 2  # a mean over two rows
    np.testing.assert_allclose(before - net.layers[0].weight, np.repeat(used[:, None], 2, axis=1), rtol=1e-12)


def of_inputs(shapes, make):
    xs = [fn.Input(shape) for shape in shapes]
    return fn.Network(xs, make(*xs), seed=0)


def words(vocabulary=5):
    return fn.Embedding(vocabulary, 2)


INDEX_INPUTS = {
    "straight": ([3], lambda x: words()(x), {0: 5}),
    "none": ([3], lambda x: fn.Dense(2)(x), {}),
    "another shape": ([(2, 3)], lambda x: words()(fn.Reshape((3, 2))(fn.Flatten()(x))), {0: 5}),
    "dropout": ([3], lambda x: words()(fn.Dropout(0.5)(x)), {0: 5}),
    "dropout that scales afterwards": ([3], lambda x: words()(fn.Dropout(0.5, inverted=False)(x)), {}),
    "a part": ([3], lambda x: [words()(fn.slice(x, 0, 1)), fn.Dense(2)(fn.slice(x, 1))], {0: 5}),
    "several": ([3, 2, 4], lambda x, y, z: [words()(fn.concatenate(x, z)), fn.Dense(1)(y)], {0: 5, 2: 5}),
    "the smallest vocabulary": ([3, 1], lambda x, y: [words(7)(x), words(4)(fn.concatenate(y, x))], {0: 4, 1: 4}),
    "also as numbers": ([3], lambda x: [words()(x), fn.Dense(2)(x)], {0: 5}),
    "computed": ([3], lambda x: words()(fn.Dense(2)(x)), {}),
    "computed by a function": ([3], lambda x: words()(fn.Activation("relu")(x)), {}),
    "computed from one of two": ([3, 2], lambda x, y: words()(fn.concatenate(fn.Dense(2)(x), y)), {1: 5}),
    "an embedding of parts of an embedding": (
        [3],
        lambda x: words(9)(fn.slice(fn.Flatten()(words()(x)), 0, 2)),
        {0: 5},
    ),
    "a function without effect": ([3], lambda x: words()(fn.Activation("identity")(x)), {0: 5}),
}


@pytest.mark.parametrize(("shapes", "make", "expected"), INDEX_INPUTS.values(), ids=INDEX_INPUTS)
def test_an_input_holds_indices_if_they_reach_an_embedding_unchanged(shapes, make, expected):
    assert of_inputs(shapes, make).plan.index_inputs() == expected


def test_what_indices_are_computed_from():
    """A step away from these, what comes to the embedding is no index."""
    net = of_inputs([3, 2, 1], lambda x, y, z: [words()(fn.concatenate(fn.Dense(2)(x), y)), fn.Dense(1)(z)])
    assert net.plan.index_inputs(unchanged=False) == {0: 5, 1: 5}


def test_gradcheck_leaves_out_indices_and_what_leads_to_them():
    words, numbers = fn.Input(3), fn.Input(2)
    table = fn.Flatten()(fn.Embedding(5, 2)(fn.slice(words, 1)))
    net = fn.Network([words, numbers], fn.Dense(2)(fn.concatenate(table, fn.Dense(3, "tanh")(numbers))), seed=0)
    assert list(fn.gradcheck(net, [X, np.ones((2, 2))]).errors) == [
        *[name for name, _ in net.named_parameters()],
        "input_2",
    ]


# ---- specification --------------------------------------------------------------------------------------------------


def test_initial_vectors_have_variance_one():
    table = fn.Sequential([fn.Embedding(1000, 50, padding_index=999)], 1, seed=0).layers[0].weight
    assert abs(table[:-1].mean()) < 0.02
    assert abs(table[:-1].var() - 1) < 0.02
    assert not table[-1].any()


def test_files_keep_it(tmp_path):
    net = network(padding_index=np.int64(4), weight_initializer=fn.Orthogonal(0.5))
    net.save(tmp_path / "net.safetensors")
    other = fn.load(tmp_path / "net.safetensors")
    assert repr(other.layers[0].spec) == repr(net.layers[0].spec)
    assert np.array_equal(other.predict(X), net.predict(X))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((0, 2), {}, ValueError, "Embedding: expected vocabulary of at least 1, got 0"),
        ((2.0, 2), {}, TypeError, "Embedding: expected vocabulary to be an integer"),
        ((3, 0), {}, ValueError, "Embedding: expected units of at least 1, got 0"),
        ((3, 2), {"padding_index": 3}, ValueError, "expected padding_index below the vocabulary of 3, got 3"),
        ((3, 2), {"padding_index": -1}, ValueError, "expected padding_index of at least 0, got -1"),
        ((3, 2), {"padding_index": True}, TypeError, "expected padding_index to be an integer"),
        ((3, 2), {"weight_initializer": "zeos"}, ValueError, "unknown initializer 'zeos'; did you mean 'zeros'"),
    ],
)
def test_what_it_refuses(arguments, options, error, message):
    with pytest.raises(error, match=message):
        fn.Embedding(*arguments, **options)


def test_a_vocabulary_beyond_the_whole_numbers_of_the_dtype():
    layer = fn.Embedding(2**24 + 1, 1, weight_initializer="zeros")
    with pytest.raises(ValueError, match=r"at most 16,777,216 in float32.*got 16,777,217; use dtype='float64'"):
        fn.Sequential([layer], 1, seed=0)
    assert fn.Sequential([layer], 1, seed=0, dtype="float64").predict([[2**24]]).tolist() == [[[0.0]]]


def test_too_many_axes():
    with pytest.raises(ValueError, match="Embedding: expected a shape of at most 16 axes, got 17"):
        fn.Sequential([fn.Embedding(3, 2)], (1,) * 16, seed=0)
