"""Products between pages that may not be touched, and their errors within the bound of the literature."""

import ctypes
import mmap

import numpy as np

from fastnn._core import doors, table

PROMISE = (
    "products of rows and weights, and both gradients, stay within gamma_k |A| |B| in every element (Higham, Accuracy "
    "and Stability of Numerical Algorithms, 3.5) and touch nothing beside their arrays"
)
SHORT = 1 / 200
SHAPES = 20_000
SPARE = 64  # bytes behind an array that kernels may read where csrc/README.md says so, and never write
PAGE = mmap.PAGESIZE
PAGES = 40
NEAR = 1024  # bytes on both sides of a result that are compared
PATTERN = np.random.default_rng(1).bytes(PAGES * PAGE)
ROUNDOFF = {np.float32: 2.0**-24, np.float64: 2.0**-53}
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


class Guarded:
    """Memory between two pages that may not be touched, for one array at a time."""

    def __init__(self):
        self.memory = mmap.mmap(-1, (PAGES + 2) * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        self.first, self.end = PAGE, (PAGES + 1) * PAGE  # what is not PATTERN
        for page in (0, PAGES + 1):
            assert protect(address + page * PAGE, PAGE, 0) == 0, "mprotect failed"

    def place(self, values, random, spare=0):
        """Return a copy right behind the first page, or right before the last one but for what is spare."""
        self.memory[self.first : self.end] = PATTERN[self.first - PAGE : self.end - PAGE]
        room = PAGES * PAGE - values.nbytes - spare
        assert room >= 0
        at = PAGE + (0 if random.random() < 0.5 else room // values.itemsize * values.itemsize)
        array = np.frombuffer(self.memory, values.dtype, values.size, at).reshape(values.shape)
        array[...] = values
        self.first, self.end = at, at + values.nbytes
        return array

    def require_untouched(self, what):
        """Stop if anything beside the array was written."""
        before, behind = max(PAGE, self.first - NEAR), min((PAGES + 1) * PAGE, self.end + NEAR)
        assert self.memory[before : self.first] == PATTERN[before - PAGE : self.first - PAGE], (
            f"{what}: written before it"
        )
        assert self.memory[self.end : behind] == PATTERN[self.end - PAGE : behind - PAGE], f"{what}: written behind it"


def size(random):
    """Return a small size, often one beside the lengths of vectors and blocks."""
    near = int(random.choice([1, 2, 4, 8, 16, 32, 48, 64, 96, 128])) + int(random.integers(-2, 3))
    return max(1, near if random.random() < 0.7 else int(random.integers(1, 68)))


def within(what, got, exact, sizes, k, dtype):
    """Stop unless all elements are within gamma_k of the exact ones."""
    u = ROUNDOFF[dtype]
    bound = k * u / (1 - k * u) * sizes + np.finfo(dtype).tiny
    ratio = np.abs(got.astype(exact.dtype) - exact) / bound
    assert ratio.max() <= 1, f"{what}: {ratio.max():.2f} of the bound"
    return float(ratio.max())


def one(places, random, dtype, isa):
    """Try one shape; return the largest share of the bound."""
    B, I, O = (size(random) for _ in range(3))
    wide = WIDER[dtype]
    x, w, dy = (random.standard_normal(shape).astype(dtype) for shape in ((B, I), (I, O), (B, O)))
    bias, dw = random.standard_normal(O).astype(dtype), random.standard_normal((I, O)).astype(dtype)
    X, W, DY, DW, BIAS = (np.abs(array).astype(wide) for array in (x, w, dy, dw, bias))
    a, b, c, d, e = (array.astype(wide) for array in (x, w, dy, dw, bias))
    rows = places[0].place(x, random)
    weights = places[1].place(w, random, SPARE)
    biases = places[2].place(bias, random, SPARE)
    result = places[3].place(np.full((B, O), np.nan, dtype), random, SPARE)
    what = f"{np.dtype(dtype)} {B}x{I}x{O} on {isa}"
    doors.product_forward(rows, weights, biases, isa=isa, out=result)
    worst = within(f"forward {what}", result, a @ b + e, X @ W + BIAS, I + 1, dtype)
    places[3].require_untouched(f"forward {what}")
    gradients = places[0].place(dy, random, SPARE)
    result = places[3].place(np.full((B, I), np.nan, dtype), random, SPARE)
    doors.product_input_gradient(gradients, weights, isa=isa, out=result)
    worst = max(worst, within(f"input gradient {what}", result, c @ b.T, DY @ W.T, O, dtype))
    places[3].require_untouched(f"input gradient {what}")
    rows = places[1].place(x, random)
    result = places[3].place(dw, random, SPARE)
    doors.product_weight_gradient(rows, gradients, result, isa=isa, out=result)
    places[3].require_untouched(f"weight gradient {what}")
    return max(worst, within(f"weight gradient {what}", result, a.T @ c + d, X.T @ DY + DW, B + 1, dtype))


def run(share: float) -> dict:
    random = np.random.default_rng(0)
    places = [Guarded() for _ in range(4)]
    shapes, worst = max(1, round(SHAPES * share)), 0.0
    for _ in range(shapes):
        for dtype in ROUNDOFF:
            for isa in table.supported_isas():
                worst = max(worst, one(places, random, dtype, isa))
    return {
        "shapes": shapes,
        "instruction_sets": list(table.supported_isas()),
        "largest_share_of_bound": round(worst, 3),
    }
