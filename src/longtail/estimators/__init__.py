"""The scikit-learn interface of repair: a classifier whose decisions are re-balanced. Needs `longtail[estimators]`."""

try:
    from longtail.estimators.rebalanced_classifier import RebalancedClassifier
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("sklearn"):
        raise
    raise ModuleNotFoundError(
        "longtail.estimators needs scikit-learn: install longtail with its extra `estimators`"
    ) from error

__all__ = ["RebalancedClassifier"]
