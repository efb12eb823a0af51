"""How far an image is from the content of one picture and from the style of another, and the way there."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastnn._spec import require_number
from fastnn.data.ports import as_row
from fastnn.insight.score import one_input
from fastnn.insight.seam import title_of
from fastnn.insight.variation import total_variation
from fastnn.layers import Gram, Input
from fastnn.layers.base import batched
from fastnn.network import Network


class StyleTerms(NamedTuple):
    """What a ``StyleLoss`` is made of.

    Attributes
    ----------
    total : float
        ``ratio * content + style + smooth * variation``.
    content, style, variation : float
        The terms by themselves; 0 where there is none.
    """

    total: float
    content: float
    style: float
    variation: float


class StyleLoss:
    """The loss of an image whose features are to be those of one picture, and their correlations those of another.

    Parameters
    ----------
    net : Network
        With one input of images (H, W, C); a copy of its layers is used, up to the last that is named.
    content : array_like of shape (H, W, C), optional
        The picture that says what is to be seen.
    style : array_like of shape (H, W, C), optional
        The picture that says what it is to be painted like.
    content_layers, style_layers : str, list of str or dict of str to float
        Layers whose features are compared, those of ``style_layers`` by their Gram matrices; a dict says what each
        weighs, otherwise they weigh alike, 1 together.
    ratio : float
        Weight of the content where that of the style is 1.
    smooth : float
        Weight of the total variation of the image for each of its elements.

    Attributes
    ----------
    shape : tuple of int
        Shape (H, W, C) of an image.
    scales : dict of str to float
        What the features of a layer are multiplied with, by its title: 1 / their mean size in the pictures given.

    Raises
    ------
    TypeError, ValueError
        If the network takes no images, there is no such layer, a picture or a weight does not fit, there is neither
        content nor style, or the features of a layer are all 0.

    Notes
    -----
    Gatys, Ecker & Bethge 2015, eq. 1 to 7.  With F (M, N) the features of a layer, N filters at M places, times its
    scale, P those of the content, ``G = F' F`` and A that of the style:

    ``L_content = sum over layers of w_l / (2 M N) sum (F - P)^2``
    ``L_style = sum over layers of w_l / (4 N^2 M^2) sum (G - A)^2``
    ``L = ratio L_content + L_style + smooth V / (H W C)``

    The content is a mean here and a sum in the paper, so that a ratio means the same for images of any size; ours is
    the paper's alpha / beta times M N.  The scales take the place of the paper's network, whose weights are such that
    activations are 1 on average: layers count alike whatever size their features have.  V is the total variation that
    ``invert_features`` tells of.  G is that of a layer `Gram`.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> layers = [fn.Conv2D(4, 3, "relu", name="edges"), fn.Flatten(), fn.Dense(2)]
    >>> net = fn.Sequential(layers, input_shape=(8, 8, 3), seed=0)
    >>> photograph, painting = np.random.default_rng(0).random((2, 8, 8, 3))
    >>> loss = fn.StyleLoss(net, photograph, painting, content_layers="edges", style_layers="edges")
    >>> loss.terms(photograph).content, loss.terms(painting).style
    (0.0, 0.0)
    >>> value, gradient = loss(photograph)
    >>> gradient.shape
    (8, 8, 3)
    """

    def __init__(
        self,
        net: Any,
        content: Any = None,
        style: Any = None,
        *,
        content_layers: Any = (),
        style_layers: Any = (),
        ratio: float = 0.03,
        smooth: float = 0.0,
    ) -> None:
        who = "StyleLoss"
        one_input(who, net)
        if len(net.input_shape) != 3:
            raise ValueError(f"{who}: expected a network for images (H, W, C), got {batched(net.input_shape)}")
        if content is None and style is None:
            raise ValueError(f"{who}: expected a content, a style or both, got None")
        require_number(who, "ratio", ratio, low=0)
        require_number(who, "smooth", smooth, low=0)
        self.shape, self.ratio, self.smooth = net.input_shape, ratio, smooth
        wanted = [(content, "content", content_layers), (style, "style", style_layers)]
        weights = [weights_of(who, net, f"{name}_layers", layers, picture) for picture, name, layers in wanted]
        titles = [a.title for a in net.applications if a.title in weights[0] | weights[1]]
        features = net.astype(net.dtype).tap(*titles)
        for title, shape in zip(titles, features.output_shapes, strict=True):
            if title in weights[1] and len(shape) != 3:
                raise ValueError(f"{who}: expected style_layers that give images, got {title!r}: {batched(shape)}")
        given = [
            as_row(who, name, picture, self.shape, net.dtype)[None]
            for picture, name, _ in wanted
            if picture is not None
        ]
        self.scales = {}
        for title, *said in zip(titles, *(listed(features.predict(x)) for x in given), strict=True):
            size = np.mean([np.abs(one).mean(dtype=np.float64) for one in said])
            if size == 0:
                raise ValueError(f"{who}: expected features that are not all 0, got none else from {title!r}")
            self.scales[title] = float(1 / size)
        image = Input(self.shape)
        tensors = dict(zip(titles, listed(features(image)), strict=True))
        outputs = [tensors[title] for title in weights[0]] + [Gram()(tensors[title]) for title in weights[1]]
        self._net = Network(image, outputs, dtype=net.dtype)
        contents, styles = self._answers(given[0][0]), self._answers(given[-1][0])
        count = len(weights[0])
        self._contents = [
            (weight, self.scales[title], said.copy())
            for (title, weight), said in zip(weights[0].items(), contents, strict=False)
        ]
        self._styles = [
            (weight, self.scales[title] ** 2, self.scales[title] ** 2 * said)
            for (title, weight), said in zip(weights[1].items(), styles[count:], strict=True)
        ]

    def __call__(self, image: Any) -> tuple[float, np.ndarray]:
        """Return the loss of an image and its gradient.

        Parameters
        ----------
        image : array_like of shape (H, W, C)
            The image.

        Returns
        -------
        value : float
            The loss.
        gradient : ndarray of shape (H, W, C)
            Its derivative by every element, in the network's dtype.

        Raises
        ------
        TypeError, ValueError
            If the image does not fit.
        """
        terms, gradient = self.look(image)
        return terms.total, gradient

    def terms(self, image: Any) -> StyleTerms:
        """Return the loss of an image, by its terms.

        Parameters
        ----------
        image : array_like of shape (H, W, C)
            The image.

        Returns
        -------
        StyleTerms
            ``total, content, style, variation``.

        Raises
        ------
        TypeError, ValueError
            If the image does not fit.
        """
        return self.look(image)[0]

    def look(self, image: Any) -> tuple[StyleTerms, np.ndarray]:
        """Return the terms of an image, and the gradient of their total.

        Parameters
        ----------
        image : array_like of shape (H, W, C)
            The image.

        Returns
        -------
        terms : StyleTerms
            As ``terms`` gives them.
        gradient : ndarray of shape (H, W, C)
            As the call gives it.

        Raises
        ------
        TypeError, ValueError
            If the image does not fit.
        """
        x = as_row("StyleLoss", "image", image, self.shape, self._net.dtype)
        said = self._answers(x)
        slopes, real = [], x.dtype.type
        content = style = variation = 0.0
        for answer, (weight, scale, wanted) in zip(said, self._contents, strict=False):
            off = answer - wanted
            content += weight * scale**2 / 2 * float(np.square(off).mean(dtype=np.float64))
            off *= real(self.ratio * weight * scale**2 / off.size)
            slopes.append(off[None])
        for answer, (weight, square, wanted) in zip(said[len(slopes) :], self._styles, strict=True):
            off = real(square) * answer - wanted
            style += weight / (4 * len(off) ** 2) * float(np.square(off).sum(dtype=np.float64))
            off *= real(weight * square / (2 * len(off) ** 2))
            slopes.append(off[None])
        gradient = self._net.backward(slopes if len(slopes) > 1 else slopes[0], parameters=False)[0]
        if self.smooth:
            values, slope = total_variation(x[None])
            variation = float(values[0]) / x.size
            gradient += slope[0] * slope.dtype.type(self.smooth / x.size)
        total = self.ratio * content + style + self.smooth * variation
        return StyleTerms(total, content, style, variation), gradient

    def _answers(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the features of the content layers, then the Gram matrices of the style layers."""
        return [one[0] for one in listed(self._net.forward(x[None]))]


def listed(found: Any) -> list[Any]:
    """Return what one output or several gave, as a list."""
    return found if isinstance(found, list) else [found]


def weights_of(who: str, net: Any, name: str, layers: Any, picture: Any) -> dict[str, float]:
    """Return what layers weigh, by their titles; none where there is no picture for them."""
    if picture is None:
        return {}
    listed = [layers] if isinstance(layers, str) else list(layers)
    if not listed:
        raise ValueError(f"{who}: expected {name} to name layers of the network, got {layers!r}")
    weights = layers if isinstance(layers, Mapping) else dict.fromkeys(listed, 1 / len(listed))
    for weight in weights.values():
        require_number(who, f"the weights of {name}", weight, low=0)
    return {title_of(who, net, layer): float(weight) for layer, weight in weights.items()}
