"""Who computes the products of a dense layer: our own kernels or BLAS.

``FASTNN_MATMUL`` says: ``native``, ``blas``, or ``auto``, which is native up to a size of the weight matrix and BLAS
beyond.  Native products give the same bits for every batch size and every instruction set with FMA; BLAS promises
neither.  BLAS runs on the thread that calls it (``blas_threads``).
"""

import os

BACKENDS = ("auto", "native", "blas")
NATIVE_LIMIT = 1 << 17  # weights of a layer

MATMUL = os.environ.get("FASTNN_MATMUL") or "auto"
if MATMUL not in BACKENDS:
    raise ImportError(f"FASTNN_MATMUL: expected one of {', '.join(BACKENDS)}, got {MATMUL!r:.40}")


def uses_blas(weights: int) -> bool:
    """Whether a product with a matrix of this many weights goes to BLAS; 0: there is no product."""
    return weights > 0 and (MATMUL == "blas" or (MATMUL == "auto" and weights > NATIVE_LIMIT))
