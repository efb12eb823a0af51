"""What scikit-learn expects of exceptions, warnings and tags, given where it is installed, and only when it is used."""

import sys
from typing import Any


class NotFittedError(ValueError, AttributeError):
    """An estimator is used before it was fitted."""


class ConvergenceWarning(UserWarning):
    """Training ended before it settled."""


class DataConversionWarning(UserWarning):
    """Data were taken, but not in the shape they came in."""


OWN = {kind.__name__: kind for kind in (NotFittedError, ConvergenceWarning, DataConversionWarning)}


def kind(name: str) -> Any:
    """Return scikit-learn's exception or warning of that name if scikit-learn is in use, else ours.

    Who catches scikit-learn's class has imported it; who has not imported it is not made to.
    """
    return getattr(sys.modules.get("sklearn.exceptions"), name, OWN[name])


def tags(estimator_type: str, *, multi_label: bool = False) -> Any:
    """Return scikit-learn's description of what an estimator takes; ImportError without scikit-learn 1.6 or later."""
    try:
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags
    except ImportError as error:
        raise ImportError('scikit-learn tags need scikit-learn from 1.6 on: pip install "fastnn[sklearn]"') from error
    classifies = estimator_type == "classifier"
    return Tags(
        estimator_type=estimator_type,
        target_tags=TargetTags(required=True, multi_output=not classifies),
        classifier_tags=ClassifierTags(multi_label=multi_label) if classifies else None,
        regressor_tags=None if classifies else RegressorTags(),
        input_tags=InputTags(sparse=True),
    )
