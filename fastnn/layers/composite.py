"""Layers that are made of other layers."""

from fastnn.layers.base import Built, Layer, Shape, Tensor, check_tensors


class Composite(Layer, abstract=True):
    """Base of layers that stand for several others: applied, it applies those, and a network holds them alone."""

    def expand(self, x: Tensor) -> Tensor:
        """Apply the layers that this one is made of, and return what comes out.

        Parameters
        ----------
        x : Tensor
            The input.

        Raises
        ------
        ValueError
            If they cannot take an input of this shape.
        """
        raise NotImplementedError

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Refuse: it has no ops of its own.

        Parameters
        ----------
        input_shapes : tuple of tuple of int
            As of other layers.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            f"{self.title}: expected to be applied to a tensor, since it stands for several layers, got another use"
        )

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Apply the layers that this one is made of.

        Raises
        ------
        TypeError
            If the input is not a Tensor.
        ValueError
            If there is not one input, or the layers cannot take it.
        """
        check_tensors(self.title, inputs)
        self.one_input(tuple(x.shape for x in inputs))
        return self.expand(inputs[0])
