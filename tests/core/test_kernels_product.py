"""Products of a dense layer against NumPy in extended precision, and the promises about bits."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
FMA = [isa for isa in ISAS if isa != "base"]
DTYPES = [np.float32, np.float64]
SHAPES = [
    (1, 1, 1),
    (1, 4, 64),
    (2, 64, 2),
    (3, 5, 7),
    (7, 33, 17),
    (8, 48, 48),
    (9, 67, 49),
    (13, 10, 31),
    (5, 31, 32),
]
SHAPES += [(1, 784, 2), (7, 70, 16), (1, 1100, 40), (1, 40, 300), (20, 40, 520), (3, 2, 5), (6, 4, 1)]
SHAPES += [(16, 3, 33), (33, 65, 130), (4, 1700, 9), (6, 9, 1100), (1, 300, 1100), (1700, 5, 3), (12, 100, 64)]
SHAPES += [(40, 300, 512), (33, 65, 256)]  # rows of W a power of two apart, for many rows
SHAPES += [
    (300, 37, 130),
    (260, 1030, 200),
    (70, 700, 90),
]  # blocks of rows; inputs in groups


def draw(dtype, *shape):
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(dtype)


def bound(a, b, dtype):
    """|computed - exact| <= gamma_k |A||B| for any order of summation [Higham 2002, eq. 3.13]; + 2: scale and start."""
    k = a.shape[1] + 2
    u = np.finfo(dtype).eps / 2
    return k * u / (1 - k * u) * (np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble))


def exact(a, b):
    return a.astype(np.longdouble) @ b.astype(np.longdouble)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("B", "I", "O"), SHAPES)
def test_products_lie_within_the_error_bound(B, I, O, dtype, isa):
    x, w, bias, dy, dw = (
        draw(dtype, B, I),
        draw(dtype, I, O),
        draw(dtype, O),
        draw(dtype, B, O),
        draw(dtype, I, O, 1)[..., 0],
    )
    extended, folded = np.c_[x, np.ones(B, dtype)], np.r_[w, bias[None]]
    y = doors.product_forward(x, w, bias, isa=isa)
    assert (np.abs(y - exact(extended, folded)) <= bound(extended, folded, dtype)).all()
    y = doors.product_forward(x, w, isa=isa)
    assert (np.abs(y - exact(x, w)) <= bound(x, w, dtype)).all()
    dx = doors.product_input_gradient(dy, w, isa=isa)
    assert (np.abs(dx - exact(dy, w.T)) <= bound(dy, w.T, dtype)).all()
    result = doors.product_weight_gradient(x, dy, dw, -0.375, isa=isa)
    unit = np.finfo(dtype).eps * (np.abs(dw) + 0.375 * np.abs(exact(x.T, dy)))
    assert (np.abs(result - (dw - 0.375 * exact(x.T, dy))) <= 0.375 * bound(x.T, dy, dtype) + unit).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("B", "I", "O"), SHAPES)
def test_each_row_may_start_from_its_own(B, I, O, dtype, isa):
    """A matrix in the place of the bias; equal rows have the bits of one bias; y += x w those of a start beside y."""
    x, w, start = draw(dtype, B, I), draw(dtype, I, O), draw(dtype, B, O, 1)[..., 0]
    y = doors.product_forward(x, w, start, isa=isa)
    total = np.abs(start) + np.abs(x).astype(np.longdouble) @ np.abs(w).astype(np.longdouble)
    k, u = I + 2, np.finfo(dtype).eps / 2
    assert (np.abs(y - (start + exact(x, w))) <= k * u / (1 - k * u) * total).all()
    same = doors.product_forward(x, w, np.repeat(start[:1], B, axis=0), isa=isa)
    assert same.tobytes() == doors.product_forward(x, w, start[0].copy(), isa=isa).tobytes()
    block = np.empty(B * O + 64 // np.dtype(dtype).itemsize, dtype)
    in_place = block[: B * O].reshape(B, O)
    in_place[...] = start
    wide = np.concatenate([w.ravel(), np.zeros(16, dtype)])[: w.size].reshape(w.shape)
    doors.product_forward(x, wide, in_place, isa=isa, out=in_place)
    assert in_place.tobytes() == y.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_written_past_the_end(dtype, isa):
    for O in range(1, 68):
        x, w, dy = draw(dtype, 3, 5), draw(dtype, 5, O), draw(dtype, 3, O)
        for result in (
            doors.product_forward(x, w, isa=isa),
            doors.product_forward(x[:1], w, isa=isa),
            doors.product_input_gradient(x, w.T.copy(), isa=isa),
            doors.product_input_gradient(x[:1], w.T.copy(), isa=isa),
            doors.product_weight_gradient(x, dy, w, isa=isa),
            doors.product_weight_gradient(x[:1], dy[:1], w, isa=isa),
            doors.product_row_gradients(x[:1], dy[:1], w, isa=isa)[1],
        ):
            block = result.base
            assert np.isfinite(result).all()
            assert np.isnan(block[result.size :]).all()
            assert len(block) > result.size


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("I", "O"), [(4, 64), (64, 10), (33, 17), (100, 70), (784, 128), (70, 1100), (1700, 40), (300, 512)]
)
def test_the_bits_of_a_row_do_not_depend_on_the_batch(I, O, dtype, isa):
    x, w, bias, dy = draw(dtype, 37, I), draw(dtype, I, O), draw(dtype, O), draw(dtype, 37, O)
    y, dx = doors.product_forward(x, w, bias, isa=isa), doors.product_input_gradient(dy, w, isa=isa)
    for part in (slice(0, 1), slice(3, 4), slice(5, 12), slice(20, 37)):
        assert doors.product_forward(x[part], w, bias, isa=isa).tobytes() == y[part].tobytes()
        assert doors.product_input_gradient(dy[part], w, isa=isa).tobytes() == dx[part].tobytes()


@pytest.mark.skipif(len(FMA) < 2, reason="needs AVX-512")
@pytest.mark.parametrize("dtype", DTYPES)
def test_instruction_sets_with_fma_agree_bit_for_bit(dtype):
    random = np.random.default_rng(0)
    for _ in range(200):
        B, I, O = (int(n) for n in random.integers(1, (random.choice([40, 300]), 130, 130)))
        x, w, bias, dy = draw(dtype, B, I), draw(dtype, I, O), draw(dtype, O), draw(dtype, B, O)
        results = [
            (
                doors.product_forward(x, w, bias, isa=isa).tobytes(),
                doors.product_input_gradient(dy, w, isa=isa).tobytes(),
                doors.product_weight_gradient(x, dy, w, 0.3, isa=isa).tobytes(),
            )
            for isa in FMA
        ]
        assert all(result == results[0] for result in results)


def in_blocks(x, dy, dw, scale):
    """The weight gradient as the contract has it: for every 256 rows one chain of multiply-adds, in longdouble."""
    result = dw.astype(np.longdouble)
    for first in range(0, len(x), 256):
        total = np.zeros(dw.shape, x.dtype)
        for row, gradient in zip(x[first : first + 256], dy[first : first + 256], strict=True):
            total = (row.astype(np.longdouble)[:, None] * gradient.astype(np.longdouble) + total).astype(x.dtype)
        result = (np.longdouble(x.dtype.type(scale)) * total + result).astype(x.dtype).astype(np.longdouble)
    return result.astype(x.dtype)


@pytest.mark.parametrize("isa", FMA)
@pytest.mark.parametrize(
    ("B", "I", "O"),
    [(200, 30, 33), (256, 21, 70), (600, 20, 40), (513, 9, 1100), (530, 600, 100), (600, 45, 3), (300, 45, 8)],
)
def test_a_weight_gradient_is_a_chain_for_every_256_rows(B, I, O, isa):
    x, dy, dw = draw(np.float32, B, I), draw(np.float32, B, O), draw(np.float32, I, O, 1)[..., 0]
    assert doors.product_weight_gradient(x, dy, dw, 0.3, isa=isa).tobytes() == in_blocks(x, dy, dw, 0.3).tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_stays_in_its_row(dtype, isa):
    x, w, dy = draw(dtype, 11, 20), draw(dtype, 20, 45), draw(dtype, 11, 45)
    x[4, 7] = dy[4, 40] = np.nan
    others = np.arange(11) != 4
    for result in (doors.product_forward(x, w, isa=isa), doors.product_input_gradient(dy, w, isa=isa)):
        assert np.isnan(result[4]).all()
        assert np.isfinite(result[others]).all()


@pytest.mark.parametrize("isa", ISAS)
def test_rows_of_an_input_of_zero_are_left_alone(isa):
    x = np.array([[0.0, 2.0, 0.0]], np.float32)
    dw = draw(np.float32, 3, 20)
    result = doors.product_weight_gradient(x, np.ones((1, 20), np.float32), dw, 0.5, isa=isa)
    assert result[[0, 2]].tobytes() == dw[[0, 2]].tobytes()
    np.testing.assert_array_equal(result[1], dw[1] + np.float32(1))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("B", "I", "O"), [(1, 50, 70), (40, 130, 70), (33, 1100, 20), (24, 20, 600), (9, 40, 10)])
def test_a_part_of_a_product_has_the_bits_of_the_whole(B, I, O, dtype, isa):
    x, w, bias, dy = draw(dtype, B, I), draw(dtype, I, O), draw(dtype, O), draw(dtype, B, O)
    y = doors.product_forward(x, w, bias, "relu", isa=isa)
    dx = doors.product_input_gradient(dy, w, isa=isa)
    dw = doors.product_weight_gradient(x, dy, w, 0.7, isa=isa)
    for first, last in ((0.0, 0.4), (0.3, 1.0), (0.5, 0.51)):
        b, i, o = (range(int(first * n), max(int(last * n), int(first * n) + 1)) for n in (B, I, O))
        for axis, part, at in (("B", b, np.s_[b.start : b.stop]), ("O", o, np.s_[:, o.start : o.stop])):
            result = doors.product_forward(x, w, bias, "relu", isa=isa, axis=axis, part=part)
            assert result[at].tobytes() == y[at].tobytes()
            assert np.isnan(result).sum() == y.size - y[at].size
        for axis, part, at in (("B", b, np.s_[b.start : b.stop]), ("I", i, np.s_[:, i.start : i.stop])):
            result = doors.product_input_gradient(dy, w, isa=isa, axis=axis, part=part)
            assert result[at].tobytes() == dx[at].tobytes()
            assert np.isnan(result).sum() == dx.size - dx[at].size
        for axis, part, at in (("I", i, np.s_[i.start : i.stop]), ("O", o, np.s_[:, o.start : o.stop])):
            result = doors.product_weight_gradient(x, dy, w, 0.7, isa=isa, axis=axis, part=part)
            expected = w.copy()
            expected[at] = dw[at]
            assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("O", [1, 10, 16, 17, 48, 130])
def test_an_activation_in_the_product_is_that_after_it(O, dtype, isa):
    for B, I in ((1, 60), (1, 1200), (11, 60), (11, 1200)):
        x, w, bias = draw(dtype, B, I), draw(dtype, I, O), draw(dtype, O)
        if B > 1:
            x[2] = np.nan
        z = doors.product_forward(x, w, bias, isa=isa)
        for name, alpha in (("relu", 0.0), ("leaky_relu", 0.1)):
            expected = doors.activation_forward(name, z, alpha, isa=isa)
            assert doors.product_forward(x, w, bias, name, alpha, isa=isa).tobytes() == expected.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("I", "O"), [(64, 40), (784, 128), (2500, 33), (300, 4)])
def test_passing_over_zeros_changes_no_bit(I, O, dtype, isa):
    random = np.random.default_rng(I)
    x, w, bias = draw(dtype, 9, I), draw(dtype, I, O), draw(dtype, O)
    x[random.random(x.shape) < 0.7] = 0
    x[3], x[4, 5:], x[5] = 0, 0, -0.0
    bias[: O // 2] = -0.0
    whole = doors.product_forward(x, w, bias, isa=isa)
    for b in range(9):
        assert doors.product_forward(x[b : b + 1], w, bias, isa=isa).tobytes() == whole[b : b + 1].tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("I", "O"), [(1, 1), (5, 3), (64, 64), (70, 33), (200, 10), (33, 1100)])
def test_both_gradients_of_a_row_in_one_sweep(I, O, dtype, isa):
    x, dy, w = draw(dtype, 1, I), draw(dtype, 1, O), draw(dtype, I, O)
    dx, updated = doors.product_row_gradients(x, dy, w, -0.01, isa=isa)
    assert dx.tobytes() == doors.product_input_gradient(dy, w, isa=isa).tobytes()
    assert updated.tobytes() == doors.product_weight_gradient(x, dy, w, -0.01, isa=isa).tobytes()
