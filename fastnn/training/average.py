"""A network whose weights are the moving average of those of a network that learns."""

from typing import Any

from fastnn._spec import require_fraction
from fastnn.graph.graph import Graph
from fastnn.training.callbacks import Callback


class WeightAverage(Callback):
    """The exponential moving average of a network's weights, as a network of its own.

    After each update, ``w = decay w + (1 - decay) p`` for the weights p of the network that learns: what an update
    leaves in them by chance averages out.  Answers of the average are often better, those of a generator nearly always.

    Parameters
    ----------
    net : Network
        The network that learns; the average starts from its weights.
    decay : float
        In [0, 1): how much of itself the average keeps at each update, at most.  0.999 looks back on about 1,000
        updates.

    Attributes
    ----------
    network : Network
        The average, not compiled.
    updates : int
        How many it has seen.

    Raises
    ------
    TypeError, ValueError
        If net is no network, or decay is out of range.

    Notes
    -----
    Polyak & Juditsky 1992; for generators Karras et al. 2018, section 5.  What is not learned (running statistics, the
    share of a Blend) is taken as it is.  Update number t, from 1 on, keeps ``min(decay, t / (t + 9))``, so that the
    first weights, which know nothing, are soon forgotten.

    Examples
    --------
    In ``fit`` it is a callback; in a loop of one's own ``update`` is called after each update.

    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(1, bias=False, kernel_initializer="zeros")], input_shape=1, seed=0)
    >>> average = fn.WeightAverage(net, decay=0.1)
    >>> for net.params[:] in (1, 2):
    ...     average.update()
    >>> average.network.params
    array([1.89], dtype=float32)
    """

    def __init__(self, net: Graph, decay: float = 0.999) -> None:
        if not isinstance(net, Graph):
            raise TypeError(f"WeightAverage: expected a network, got {type(net).__name__}")
        require_fraction("WeightAverage", "decay", decay)
        self.net, self.decay, self.updates = net, decay, 0
        self.network = net.astype(net.dtype)
        self._kept = [slice(place.start, place.start + place.size) for place in net.places if not place.learned]

    def update(self) -> None:
        """Take in the weights as they are now."""
        self.updates += 1
        mean, weights = self.network.params, self.net.params
        with self.network.changing():
            mean += (1 - min(self.decay, self.updates / (self.updates + 9))) * (weights - mean)
            for part in self._kept:
                mean[part] = weights[part]

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Refuse another network than its own.

        Parameters
        ----------
        net : Network
            The network.
        epochs : int
            How many epochs were asked for.

        Raises
        ------
        ValueError
            If it is another one.
        """
        if net is not self.net:
            raise ValueError("WeightAverage: expected fit of the network that it was made for; make another one")

    def state(self) -> dict[str, Any]:
        """Return the average."""
        return {"updates": self.updates, "params": self.network.params}

    def set_state(self, net: Any, state: dict[str, Any]) -> None:
        """Go on from such a state.

        Parameters
        ----------
        net : Network
            The network.
        state : dict
            What ``state`` returned.

        Raises
        ------
        ValueError
            If it is of another network.
        """
        params = state["params"]
        if (params.shape, params.dtype) != (self.network.params.shape, self.network.params.dtype):
            raise ValueError("WeightAverage: expected the average of this network, got that of another")
        self.network.params, self.updates = params, state["updates"]

    def on_batch_end(self, done_rows: int, total_rows: int | None, loss: float) -> None:
        """Take in the weights after an update.

        Parameters
        ----------
        done_rows, total_rows, loss
            As in Callback.
        """
        self.update()
