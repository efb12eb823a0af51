"""Arrays right before, or right behind, memory that may not be touched."""

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE


def at_a_wall(values: np.ndarray, behind: bool = False) -> np.ndarray:
    """Return a packed copy right before a page that may not be touched; ``behind``: right behind one."""
    pages = -(-max(1, values.nbytes) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert protect(address + (0 if behind else pages * PAGE), PAGE, 0) == 0, "mprotect failed"
    at = PAGE if behind else pages * PAGE - values.nbytes
    array = np.frombuffer(memory, values.dtype, values.size, at).reshape(values.shape)
    array[...] = values
    return array
