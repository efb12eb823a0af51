"""Which further arguments an estimator wants of scikit-learn's pipelines and searches: its metadata routing."""

from typing import Any, ClassVar, Self

from fastnn.estimators.parameters import Parameters


class Routed(Parameters):
    """What a router asks an estimator: whether a method wants ``sample_weight``, ``X_val`` and so on."""

    _metadata: ClassVar[dict[str, tuple[str, ...]]] = {
        "fit": ("sample_weight", "X_val", "y_val", "sample_weight_val"),
        "partial_fit": ("sample_weight",),
        "score": ("sample_weight",),
    }

    _requests: dict[str, dict[str, Any]]

    def set_fit_request(self, **requests: bool | str | None) -> Self:
        """Say which arguments ``fit`` is given by a pipeline or search of scikit-learn with metadata routing.

        Parameters
        ----------
        **requests : bool, str or None
            Of ``sample_weight``, ``X_val``, ``y_val``, ``sample_weight_val``: True, it is passed on; False, it is not;
            None, it is an error if it is given; a text, it is passed on under that name.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If there is no such argument, or it is asked for by something else.

        Examples
        --------
        ``transform_input`` lets the steps before transform the rows to validate on, too:

        >>> import sklearn, fastnn as fn
        >>> from sklearn.pipeline import Pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> X, y = fn.load_digits()
        >>> model = fn.MLPClassifier((32,), max_iter=200, random_state=0).set_fit_request(X_val=True, y_val=True)
        >>> steps = [("scale", StandardScaler()), ("net", model)]
        >>> with sklearn.config_context(enable_metadata_routing=True):
        ...     pipeline = Pipeline(steps, transform_input=["X_val"])
        ...     fitted = pipeline.fit(X[:1500], y[:1500], X_val=X[1500:], y_val=y[1500:])
        >>> fitted.score(X[1500:], y[1500:]) > 0.85
        True
        """
        return self._ask("fit", requests)

    def set_partial_fit_request(self, **requests: bool | str | None) -> Self:
        """Say which arguments ``partial_fit`` is given, of those that it has; else as ``set_fit_request``."""
        return self._ask("partial_fit", requests)

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Say whether ``score`` is given ``sample_weight``; else as ``set_fit_request``."""
        return self._ask("score", requests)

    def _ask(self, method: str, requests: dict[str, Any]) -> Self:
        who, known = f"{type(self).__name__}.set_{method}_request", self._metadata[method]
        for name, request in requests.items():
            if name not in known:
                raise TypeError(f"{who}: expected arguments of {method} out of {', '.join(known)}, got {name!r:.60}")
            if not (request is None or isinstance(request, bool) or (isinstance(request, str) and request)):
                raise ValueError(f"{who}: expected True, False, None or another name for {name}, got {request!r:.60}")
        asked = self.__dict__.get("_requests", {})
        self._requests = {**asked, method: {**asked.get(method, {}), **requests}}
        return self

    def get_metadata_routing(self) -> Any:
        """Return scikit-learn's description of what was asked for; ImportError without scikit-learn."""
        try:
            from sklearn.utils.metadata_routing import MetadataRequest
        except ImportError as error:
            raise ImportError('metadata routing needs scikit-learn: pip install "fastnn[sklearn]"') from error
        routing, asked = MetadataRequest(owner=self), self.__dict__.get("_requests", {})
        for method, names in self._metadata.items():
            for name in names:
                getattr(routing, method).add_request(param=name, alias=asked.get(method, {}).get(name))
        return routing

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted estimator with the same parameters and requests, each a copy of its own."""
        clone = super().__sklearn_clone__()
        if "_requests" in self.__dict__:
            clone._requests = {method: dict(asked) for method, asked in self._requests.items()}
        return clone
