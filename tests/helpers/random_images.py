"""Layers of images and of series for networks drawn at random, with options that fit what they read."""

import fastnn as fn

MOST = 240  # numbers of an image that layers may still make larger
WINDOWS = {
    f"add_{name}" for name in ("conv2d", "depthwise", "transposed", "conv1d", "pools_of_images", "pools_of_series")
}
PICTURED = ("relu", "tanh", "leaky_relu", "softplus", None)


class ImageLayers:
    """What a ``Builder`` adds to images (H, W, C) and to series (T, C)."""

    def divisor(self, number):
        return self.pick(*(k for k in range(1, number + 1) if number % k == 0))

    def windows(self, size, most=4):
        """Kernel, strides and dilation within so many pixels."""
        kernel, dilation = int(self.rng.integers(1, min(size, most) + 1)), self.pick(1, 1, 2)
        return kernel, int(self.rng.integers(1, 3)), dilation if (kernel - 1) * dilation < size else 1

    def edges(self, size):
        """Padding, and what stands in it, for windows that reach so far."""
        mode = self.pick("zeros", "zeros", "reflect", "replicate")
        far = min(2, size - 1) if mode == "reflect" else 2
        return {"padding": self.pick("valid", int(self.rng.integers(far + 1))), "padding_mode": mode}

    def square(self, x):
        """Kernel, strides and dilation of an image, one for both axes or a pair."""
        both = tuple(zip(*(self.windows(size) for size in x.shape[:2]), strict=True))
        smaller = self.windows(min(x.shape[:2]))
        return both if self.flag() else smaller

    def add_conv2d(self):
        x = self.tensor(3)
        groups = self.divisor(x.shape[-1])
        kernel, strides, dilation = self.square(x)
        options = {"strides": strides, "dilation": dilation, "bias": self.flag(), **self.edges(min(x.shape[:2]))}
        if options["padding_mode"] == "zeros" and self.flag():
            options["padding"] = "same"
        filters = groups * self.size(3)
        self.apply(fn.Conv2D(filters, kernel, self.pick(*PICTURED), groups=groups, **options), x)
        self.apply(fn.Conv2D(self.size(5), 3, self.pick(*PICTURED), winograd=True), x)

    def add_depthwise(self):
        x = self.tensor(3)
        kernel, strides, dilation = self.square(x)
        options = {"strides": strides, "dilation": dilation, **self.edges(min(x.shape[:2]))}
        self.apply(fn.DepthwiseConv2D(kernel, self.pick(*PICTURED), depth_multiplier=self.size(2), **options), x)

    def add_transposed(self):
        x = self.tensor(3)
        if x.shape[0] * x.shape[1] * x.shape[2] <= MOST:
            strides = self.size(2)
            more = self.pick(0, strides - 1)
            groups = self.divisor(x.shape[-1]) if self.dtype == "float32" else 1  # what others have in float64
            layer = fn.ConvTranspose2D(
                groups * self.size(3), 3, self.pick(*PICTURED), strides=strides, padding=1, output_padding=more,
                groups=groups, bias=self.flag(),
            )  # fmt: skip
            self.apply(layer, x)

    def add_conv1d(self):
        x = self.tensor(2)
        groups = self.divisor(x.shape[-1])
        kernel, strides, dilation = self.windows(x.shape[0])
        padding = self.pick("same", "causal", "valid", 1)
        options = {"strides": strides, "dilation": dilation, "groups": groups, "padding": padding, "bias": self.flag()}
        self.apply(fn.Conv1D(groups * self.size(4), kernel, self.pick(*PICTURED), **options), x)

    def pooled(self, size):
        """Options of a pool; padding is less than half of a window, so that each sees a pixel."""
        kernel = int(self.rng.integers(1, min(size, 4) + 1))
        padding = self.pick("valid", "same", int(self.rng.integers(kernel // 2 + 1)))
        return kernel, {"strides": self.pick(None, 1, 2), "padding": padding, "ceil_mode": self.flag()}

    def add_pools_of_images(self):
        x = self.tensor(3)
        kernel, options = self.pooled(min(x.shape[:2]))
        self.apply(fn.MaxPool2D(kernel, **options), x)
        self.apply(fn.AvgPool2D(kernel, count_padding=self.flag() and not options["ceil_mode"], **options), x)

    def add_pools_of_series(self):
        x = self.tensor(2)
        kernel, options = self.pooled(x.shape[0])
        self.apply(fn.MaxPool1D(kernel, **options), x)
        self.apply(fn.AvgPool1D(kernel, count_padding=self.flag() and not options["ceil_mode"], **options), x)

    def add_global_pools(self):
        self.apply(self.pick(fn.GlobalMaxPool2D, fn.GlobalAvgPool2D)(), self.tensor(3))
        self.apply(self.pick(fn.GlobalMaxPool1D, fn.GlobalAvgPool1D)(), self.tensor(2))

    def add_norms_of_images(self):
        x = self.tensor(3)
        scaled = {"scale": self.flag(), "shift": self.flag(), "epsilon": 0.1}  # a tiny variance would enlarge rounding
        if x.shape[0] * x.shape[1] > 2:
            self.apply(fn.InstanceNorm(**scaled), x)
        groups = self.divisor(x.shape[-1])
        if x.shape[0] * x.shape[1] * x.shape[2] // groups > 2:
            self.apply(fn.GroupNorm(groups, **scaled), x)
        if x.shape[-1] > 2:
            self.apply(fn.PixelNorm(), x)
        self.apply(fn.LocalResponseNorm(self.pick(1, 3, 5)), x)

    def add_gram(self):
        self.apply(fn.Gram(), self.tensor(self.pick(2, 3)))

    def add_standardize(self):
        x = self.tensor()
        channels = x.shape[-1]
        means, deviations = self.rng.normal(size=channels).tolist(), self.rng.uniform(0.5, 2, channels).tolist()
        self.apply(fn.Standardize(means, deviations), x)

    def add_noises(self):
        self.apply(fn.SpatialDropout(0.3), self.tensor(3))
        self.apply(fn.GaussianNoise(0.2), self.tensor())

    def add_sizes(self):
        x = self.tensor(3)
        height, width, channels = x.shape
        if height * width * channels <= MOST:
            self.apply(fn.Upsample2D(2, self.pick("nearest", "bilinear")), x)
            mode = self.pick("zeros", "reflect", "replicate", "constant")
            far = min(2, height - 1, width - 1) if mode == "reflect" else 2
            pads = tuple(tuple(int(self.rng.integers(far + 1)) for _ in "ab") for _ in "hw")
            self.apply(fn.Pad2D(pads, mode), x)
        if min(height, width) > 1:
            self.apply(fn.Crop2D(((int(self.flag()), 0), (0, int(self.flag())))), x)

    def add_places(self):
        x = self.tensor(3)
        height, width, channels = x.shape
        of_four = x if channels % 4 == 0 else fn.Dense(4)(x)
        self.apply(fn.DepthToSpace(2, self.pick("CRD", "DCR")), of_four)
        if height % 2 == width % 2 == 0:
            self.apply(fn.SpaceToDepth(2, self.pick("CRD", "DCR")), x)
        self.apply(fn.Permute(tuple(self.rng.permutation(3).tolist())), x)

    def add_growing(self):
        """What networks that grow have: a fade between two tensors, and how much rows differ."""
        x = self.tensor()
        same = [t for t in self.pool if t.shape == x.shape]
        self.apply(fn.Blend(float(self.rng.uniform())), x, self.pick(*same))
        self.apply(fn.MinibatchStdDev(int(self.rng.integers(2, 5))), x)
