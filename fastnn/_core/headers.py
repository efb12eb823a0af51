"""Where the header of the interface for C and Cython lies."""

from pathlib import Path


def get_include() -> str:
    """Return the folder of ``fastnn.h``, for the ``include_dirs`` of an extension that embeds networks.

    Returns
    -------
    str
        Absolute path.

    Examples
    --------
    >>> import os, fastnn as fn
    >>> os.listdir(fn.get_include())
    ['fastnn.h']
    """
    return str(Path(__file__).parents[1] / "include")
