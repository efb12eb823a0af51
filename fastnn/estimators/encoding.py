"""Tables as an estimator takes them with ``encode``: columns as numbers, amounts standardised."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastnn.data import Standardizer, TableEncoder
from fastnn.errors import ModelFormatError


@dataclass(frozen=True)
class Encoding:
    """How the columns of a table become the inputs of a network."""

    encoder: TableEncoder
    scaler: Standardizer

    @classmethod
    def of(cls, encode: Any, X: Any) -> Self:
        """Return what a table shows; ``encode`` is "auto" or the encoder whose options are wanted."""
        auto = TableEncoder(impute="median", other=5)
        encoder = auto if isinstance(encode, str) else TableEncoder(**encode.get_params())
        return cls(encoder, encoder.scaler(encoder.fit_transform(X)))

    def rows(self, X: Any) -> np.ndarray:
        """Return a table as inputs (N, I), float64; ValueError if it does not fit."""
        return self.scaler.transform(self.encoder.transform(X))

    def attributes(self) -> dict[str, Any]:
        """Return what an estimator shows of it."""
        encoder = self.encoder
        return {
            "encoder_": encoder,
            "n_features_in_": encoder.n_features_in_,
            "feature_names_in_": encoder.feature_names_in_,
            "_encoding": self,
        }

    def to_config(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"encoder": self.encoder.to_config(), "scaler": self.scaler.to_config()}

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return what ``to_config`` described; ModelFormatError for something else."""
        if not isinstance(config, dict) or set(config) != {"encoder", "scaler"}:
            raise ModelFormatError(f"expected the fields encoder and scaler, got {config!r:.80}")
        return cls(TableEncoder.from_config(config["encoder"]), Standardizer.from_config(config["scaler"]))
