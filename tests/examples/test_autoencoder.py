"""The autoencoder example, on the small digits."""

import numpy as np
import pytest
from helpers.examples import load

autoencoder = load("autoencoder")


def test_short_version_reaches_its_figures(tmp_path):
    figures = autoencoder.run(True, tmp_path)
    assert set(autoencoder.GOALS) <= set(figures)
    # A linear network cannot beat PCA on the digits it learned from [Bourlard & Kamp 1988].
    assert 1 <= figures["linear, error / error of PCA"] < 1.1
    assert figures["tanh, error / error of PCA"] < 0.9
    assert figures["denoising, error / error of one trained without noise"] < 0.7
    assert {path.name for path in tmp_path.iterdir()} == {"autoencoder-digits.png", "autoencoder-denoising.png"}


def test_pca_is_the_eigenvectors_of_the_covariance():
    X = np.random.default_rng(0).standard_normal((50, 20)) * np.arange(1, 21)
    variances = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    left = np.sum((autoencoder.pca(X, X) - X) ** 2) / len(X)
    assert left == pytest.approx(variances[: -autoencoder.CODE].sum())


def test_damage_is_fresh_every_epoch():
    X = np.random.default_rng(0).random((100, 64), dtype=np.float32) + 0.1
    batches = autoencoder.Damaged(X, seed=0)
    first, second = ([x for x, _ in batches] for _ in range(2))
    assert sum(map(len, first)) == len(X)
    assert 0.45 < np.mean(np.concatenate(first) == 0) < 0.55
    assert not np.array_equal(first[0] == 0, second[0] == 0)
    whole = np.concatenate([whole for _, whole in batches])
    np.testing.assert_array_equal(np.sort(whole, axis=0), np.sort(X, axis=0))
