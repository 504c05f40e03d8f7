"""A classifier of scikit-learn whose decisions are re-balanced, where that helps."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.model_selection import cross_val_predict
from sklearn.utils import Tags, check_random_state, column_or_1d, get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from longtail.arguments import check_integer
from longtail.data.class_names import as_text
from longtail.repair import diagnose
from longtail.repair.by_name import by_label, costs_in_class_order, in_class_order
from longtail.repair.calibration import SMALLEST, floor_of, log_probabilities
from longtail.repair.folds import stratified_folds
from longtail.repair.metrics import make_metric


class RebalancedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Fits a classifier, then finds out by cross-validation whether one offset per class improves its decisions.

    The classifier's scores on data that it has not seen (`cross_val_predict`) go to `longtail.repair.diagnose`; where
    its verdict is "use", the offsets are added, else the decisions stay as they are. Then the classifier is fitted on
    all data. `predict` optimises the metric; `predict_proba` is under its class prior. For balanced accuracy and
    accuracy its largest value is the decision; for the other metrics it need not be.

    Args:
        estimator: any classifier with `predict_proba` or `decision_function`.
        metric: "balanced-accuracy", "accuracy" (under `prior`), "macro-f1", "worst-tenth" or "cost".
        prior: for the metrics "accuracy" and "cost": "uniform", "train" (as in y), or (C,) probabilities in the
            order of `classes_`; a mapping or a pandas Series goes by name.
        cost: (C, C) for the metric "cost", in the order of `classes_`: row c, column j is what it costs to take class c
            for class j. A mapping of mappings or a pandas table goes by name.
        cv: folds, or what `cross_val_predict` takes.
        random_state: seed of the folds.

    Attributes:
        classes_: (C,) labels.
        estimator_: the classifier, fitted on all data.
        diagnosis_: what was found.
        offset_: (C,) added to the scores of the decisions; zeros where the verdict was to keep them.
        n_features_in_: as scikit-learn has it.

    Sample weights go to the classifier, and weigh the samples of each class in fit and scores of the offsets.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_classification(
        ...     2000, n_informative=5, n_classes=3, weights=[0.9, 0.07, 0.03], class_sep=0.8, random_state=0
        ... )
        >>> model = RebalancedClassifier(LogisticRegression(), random_state=0).fit(X, y)
        >>> model.diagnosis_.verdict, model.offset_.shape
        ('use', (3,))
    """

    def __init__(
        self,
        estimator: Any,
        *,
        metric: str = "balanced-accuracy",
        prior: str | np.ndarray | Sequence[float] = "uniform",
        cost: np.ndarray | Sequence[Sequence[float]] | None = None,
        cv: int | Any = 5,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.metric = metric
        self.prior = prior
        self.cost = cost
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit classifier and offsets.

        Args:
            X: (N, …) whatever the classifier takes.
            y: (N,) labels of any kind; at least two classes.
            sample_weight: (N,) of at least 0; those of 0 say nothing of the offsets.
            **fit_params: for the classifier's `fit`.

        Raises:
            ValueError: one class alone, a setting outside what is written above.
        """
        if isinstance(self.cv, int):
            check_integer("cv", self.cv, minimum=2)
        check_classification_targets(y)
        X, y = indexable(X, column_or_1d(y, warn=True))
        self.classes_, target = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"`y` must hold at least two classes. Got {len(self.classes_)} class.")
        seed, weight = self._checked(target, sample_weight)
        params = dict(fit_params)
        if sample_weight is not None:
            if not has_fit_parameter(self.estimator, "sample_weight"):
                raise ValueError(f"`estimator` must take sample weights. {type(self.estimator).__name__} does not.")
            params["sample_weight"] = sample_weight
        with warnings.catch_warnings():
            # Of a class that a fold lacks the classifier knows nothing: it gets the least score there.
            warnings.filterwarnings("ignore", "Number of classes in training fold", RuntimeWarning)
            scores = cross_val_predict(
                clone(self.estimator), X, y, cv=self._folds(target, seed), method=self._method(), params=params or None
            )
        self._floor = SMALLEST if self._by_margin else floor_of(np.asarray(scores, dtype=np.float64))
        counted = weight > 0
        texts = set(map(as_text, self._names))
        self.diagnosis_ = diagnose(
            self._logits(scores)[counted],
            target[counted],
            sample_weight=weight[counted],
            metric=self.metric,
            prior=self._prior(target),
            cost=self._cost,
            class_names=self._names if None not in texts and len(texts) == len(self._names) else None,
            seed=seed,
        )
        self.estimator_ = clone(self.estimator).fit(X, y, **params)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    @property
    def offset_(self) -> np.ndarray:
        """(C,) float64."""
        check_is_fitted(self, "diagnosis_")
        return self.diagnosis_.fix.offset

    def _checked(self, target: np.ndarray, sample_weight: Any) -> tuple[int, np.ndarray]:
        """Seed and weights; all that can be refused before anything is fitted."""
        if not is_classifier(self.estimator):
            raise ValueError(f"`estimator` must be a classifier. Got {type(self.estimator).__name__}.")
        parameters = self.estimator.get_params() if self._by_margin else {}
        if any(name.endswith("decision_function_shape") and value == "ovo" for name, value in parameters.items()):
            raise ValueError("`estimator` must score classes, not pairs of them: set decision_function_shape='ovr'.")
        counts = np.bincount(target)
        if counts.min() < 2 and (self._by_margin or len(counts) == 2):
            alone = self.classes_[counts.argmin()]
            raise ValueError(
                f"`y` must hold at least two samples of each class for this estimator. Got one of {alone!r}."
            )
        weight = np.ones(len(target)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weight.shape != target.shape or not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError("`sample_weight` must hold one finite weight of at least 0 a sample. It does not.")
        make_metric(self.metric, len(counts), self._prior(target), self._cost)
        state = self.random_state
        seed = check_random_state(state).randint(2**31) if not isinstance(state, int | None) else state or 0
        return int(seed), weight

    @property
    def _cost(self) -> np.ndarray | None:
        cost = by_label(self.cost)
        if isinstance(cost, Mapping):
            return costs_in_class_order(cost, self._names)
        return None if cost is None else np.asarray(cost, dtype=np.float64)

    @property
    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_]

    @property
    def _by_margin(self) -> bool:
        return self._method() == "decision_function"

    def predict(self, X: Any) -> np.ndarray:
        """The decisions, (N,) of `classes_`; where no offset is used, those of the classifier."""
        check_is_fitted(self)
        if self.diagnosis_.verdict != "use":
            return np.asarray(self.estimator_.predict(X))
        scores = self._scores(X)
        return np.asarray(self.classes_[self.diagnosis_.fix.predict(scores)])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (N, C), under the class prior of the metric."""
        scores = self._scores(X)
        return self.diagnosis_.fix.predict_proba(scores)

    def decision_function(self, X: Any) -> np.ndarray:
        """The scores whose largest is the decision, (N, C); for two classes their difference, (N,)."""
        raw = self._scores(X)
        scores = self.diagnosis_.fix(raw)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._logits(getattr(self.estimator_, self._method())(X))

    def _method(self) -> str:
        return "predict_proba" if hasattr(self.estimator, "predict_proba") else "decision_function"

    def _logits(self, scores: np.ndarray) -> np.ndarray:
        values = np.asarray(scores, dtype=np.float64)
        if not self._by_margin:
            return log_probabilities(values, self._floor)
        return np.stack([np.zeros(len(values)), values], axis=1) if values.ndim == 1 else values

    def _folds(self, target: np.ndarray, seed: int) -> Any:
        if not isinstance(self.cv, int):
            return self.cv
        fold = stratified_folds(target, self.cv, seed)
        return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]

    def _prior(self, target: np.ndarray) -> str | np.ndarray:
        if isinstance(self.prior, str) and self.prior == "train":
            return np.asarray(np.bincount(target) / len(target))
        prior = by_label(self.prior)
        if isinstance(prior, Mapping):
            return in_class_order("prior", prior, self._names)
        return prior if isinstance(prior, str) else np.asarray(prior, dtype=np.float64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return tags
