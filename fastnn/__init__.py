"""fastnn: small and medium neural networks on the CPU, trained and run at the speed of the machine.

>>> import fastnn as fn
>>> X, y = fn.load_digits()
>>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
>>> history = net.fit(X, y, epochs=20, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
>>> net.evaluate(X, y)["accuracy"] > 0.97
True
"""

from fastnn._import.lazy import attach as _attach

try:
    from fastnn._core import engine as _engine  # noqa: F401
except ImportError as error:
    from fastnn._import.source_tree import refuse_uncompiled

    refuse_uncompiled(error)
    raise

__getattr__, __dir__, __all__ = _attach(__name__)
