"""Who computes the products of a dense layer: our own kernels or BLAS.

``FASTNN_MATMUL`` says: ``native``, ``blas``, or ``auto``, which is native on every instruction set that has a fused
multiply-add; on one without, BLAS from a size of the weight matrix on, where it measured 1.2 times faster.  Native
products give the same bits for every batch size, number of threads and instruction set with FMA; BLAS promises nothing.
"""

import os

from fastnn._core.table import has_fma

BACKENDS = ("auto", "native", "blas")
NATIVE_LIMIT = 1 << 16  # weights of a layer, without FMA

MATMUL = os.environ.get("FASTNN_MATMUL") or "auto"
if MATMUL not in BACKENDS:
    raise ImportError(f"FASTNN_MATMUL: expected one of {', '.join(BACKENDS)}, got {MATMUL!r:.40}")


def uses_blas(weights: int) -> bool:
    """Whether a product with a matrix of this many weights goes to BLAS; 0: there is no product."""
    return weights > 0 and (MATMUL == "blas" or (MATMUL == "auto" and not has_fma() and weights > NATIVE_LIMIT))
