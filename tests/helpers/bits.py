"""For tests of bits: BLAS promises none."""

import pytest

from fastnn._core.backend import uses_blas


def native(weights=1):
    """Run a test only where products with a matrix of so many weights are our own."""
    return pytest.mark.skipif(uses_blas(weights), reason="products of this size go to BLAS here")
