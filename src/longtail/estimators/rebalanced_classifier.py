"""A classifier of scikit-learn whose decisions are re-balanced, where that helps."""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import Tags, get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from longtail.arguments import as_float64, check_integer
from longtail.data.class_names import as_text
from longtail.estimators.class_places import places_of, places_of_all
from longtail.estimators.fit_inputs import as_labels, check_seen, checked_groups, checked_weights
from longtail.estimators.held_out_scores import held_out_scores
from longtail.repair import diagnose
from longtail.repair.by_name import by_label, costs_in_class_order, in_class_order
from longtail.repair.calibration import SMALLEST, floor_of, log_probabilities
from longtail.repair.folds import stratified_folds
from longtail.repair.metrics import make_metric


class RebalancedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Fits a classifier, then finds out by cross-validation whether one offset per class improves its decisions.

    The classifier's scores on data that it has not seen (by cross-validation) go to `longtail.repair.diagnose`; where
    its verdict is "use", the offsets are added, else the decisions stay as they are. Then the classifier is fitted on
    all data. `predict` optimises the metric; it takes the class of the largest score of `decision_function`.
    `predict_proba` is under the class prior of the metric. For balanced accuracy and accuracy its largest value is the
    decision; for the other metrics it need not be.

    Args:
        estimator: any classifier with `predict_proba` or `decision_function`.
        metric: "balanced-accuracy", "accuracy" (under `prior`), "macro-f1", "worst-tenth" or "cost".
        prior: for the metrics "accuracy" and "cost": "uniform", "train" (as in y), or (C,) probabilities in the
            order of `classes_`; a mapping or a pandas Series goes by name.
        cost: (C, C) for the metric "cost", in the order of `classes_`: row c, column j is what it costs to take class c
            for class j. A mapping of mappings or a pandas table goes by name.
        cv: number of folds; or a splitter of scikit-learn, such as `GroupKFold(5)`, or pairs of indices.
        random_state: seed of the folds.

    Attributes:
        classes_: (C,) labels, in the order of the classifier: sorted, unless it keeps its own.
        estimator_: the classifier, fitted on all data.
        diagnosis_: what was found.
        offset_: (C,) added to the scores of the decisions; zeros where the verdict was to keep them.
        n_features_in_: as scikit-learn has it.

    Sample weights go to the classifier, unless it is frozen, and weigh the samples of each class in fit and scores of
    the offsets.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_classification(
        ...     2000, n_informative=5, n_classes=3, weights=[0.9, 0.07, 0.03], class_sep=0.8, random_state=0
        ... )
        >>> model = RebalancedClassifier(LogisticRegression(), random_state=0).fit(X, y)
        >>> model.diagnosis_.verdict, model.offset_.shape
        ('use', (3,))

        A classifier that is already fitted is wrapped in `FrozenEstimator`, and `fit` takes data that it has not seen:

        >>> from sklearn.frozen import FrozenEstimator
        >>> fitted = LogisticRegression().fit(X[:1000], y[:1000])
        >>> fixed = RebalancedClassifier(FrozenEstimator(fitted), random_state=0).fit(X[1000:], y[1000:])
        >>> bool((fixed.estimator_.coef_ == fitted.coef_).all())
        True
    """

    def __init__(
        self,
        estimator: Any,
        *,
        metric: str = "balanced-accuracy",
        prior: str | np.ndarray | Sequence[float] = "uniform",
        cost: np.ndarray | Sequence[Sequence[float]] | None = None,
        cv: int | Any = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.metric = metric
        self.prior = prior
        self.cost = cost
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None, **fit_params: Any) -> Self:
        """Fit classifier and offsets.

        Args:
            X: (N, …) whatever the classifier takes.
            y: (N,) labels of any kind; at least two classes.
            sample_weight: (N,) of at least 0; those of 0 say nothing of the offsets. Each class (for a frozen
                classifier, each of two) needs one above 0.
            groups: (N,) samples of one group, such as copies or pictures of one animal, are in the same fold, and
                intervals count groups.
            **fit_params: for the classifier's `fit`.

        Raises:
            ValueError: one class alone, a setting outside what is written above, folds that split groups, or a
                classifier that can't be fitted in a fold.
        """
        self._check_settings()
        self._method = "predict_proba" if hasattr(self.estimator, "predict_proba") else "decision_function"
        X, y = indexable(X, as_labels(y))
        groups = checked_groups(groups, len(y))
        self.classes_, target = self._classes(y)
        seed, weight = self._checked(target, sample_weight)
        params = self._fit_params(sample_weight, groups, fit_params)
        folds, counted = self._folds(X, y, groups, target, seed), weight > 0
        if self._by_margin and not isinstance(self.estimator, FrozenEstimator):
            check_seen(target, folds, counted, self.classes_)
        self.estimator_ = clone(self.estimator).fit(X, y, **params)
        if not isinstance(self.estimator, FrozenEstimator):  # from here on in the order of the classifier
            self.classes_ = self.classes_[places_of_all(self.estimator_.classes_, self.classes_)]
            target = places_of(y, self.classes_)
        scores = held_out_scores(self.estimator, X, y, folds, self.classes_, self._method, params, counted)
        self._floor = SMALLEST if self._by_margin else floor_of(scores)
        texts = set(map(as_text, self._names))
        self.diagnosis_ = diagnose(
            self._logits(scores)[counted],
            target[counted],
            sample_weight=weight[counted],
            metric=self.metric,
            prior=self._prior(target),
            cost=self._cost,
            class_names=self._names if None not in texts and len(texts) == len(self._names) else None,
            groups=None if groups is None else groups[counted],
            seed=seed,
        )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
            elif name in vars(self):  # of an earlier fit
                delattr(self, name)
        return self

    def _fit_params(self, sample_weight: Any, groups: Any, fit_params: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the classifier's `fit`, by metadata routing if scikit-learn has it enabled."""
        if sklearn.get_config()["enable_metadata_routing"]:
            given = {"sample_weight": sample_weight, "groups": groups, **fit_params}
            given = {name: value for name, value in given.items() if value is not None}
            return dict(process_routing(self, "fit", **given)["estimator"]["fit"]) if given else {}
        if sample_weight is None or isinstance(self.estimator, FrozenEstimator):
            return dict(fit_params)  # nothing is fitted with weights
        if not has_fit_parameter(self.estimator, "sample_weight"):
            raise ValueError(f"`estimator` must take sample weights. {type(self.estimator).__name__} does not.")
        return {**fit_params, "sample_weight": np.asarray(sample_weight)}

    def get_metadata_routing(self) -> MetadataRouter:
        """Of `fit`: sample weights and groups for itself, and what the classifier requests."""
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add_self_request(self).add(estimator=self.estimator, method_mapping=to_fit)

    def _classes(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The classes, and `y` as their indices. One that was fitted before may know more classes than those of `y`."""
        classes, target = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"`y` must hold at least two classes. Got {len(classes)} class.")
        if not isinstance(self.estimator, FrozenEstimator):
            return classes, target
        if not hasattr(self.estimator, "classes_"):
            raise ValueError("`estimator` must be fitted before it is wrapped in FrozenEstimator. It is not.")
        known = np.asarray(self.estimator.classes_)
        target = places_of(y, known)
        if (target < 0).any():
            unknown = y[target < 0].tolist()[0]
            raise ValueError(f"`y` must hold classes that `estimator` was fitted on. It holds {unknown!r}.")
        return known, target

    @property
    def offset_(self) -> np.ndarray:
        """(C,) float64."""
        check_is_fitted(self, "diagnosis_")
        return self.diagnosis_.fix.offset

    def _checked(self, target: np.ndarray, sample_weight: Any) -> tuple[int, np.ndarray]:
        """Seed and weights; all that can be refused before anything is fitted."""
        parameters = self.estimator.get_params() if self._by_margin else {}
        if any(name.endswith("decision_function_shape") and value == "ovo" for name, value in parameters.items()):
            raise ValueError("`estimator` must score classes, not pairs of them: set decision_function_shape='ovr'.")
        counts, frozen = np.bincount(target, minlength=len(self.classes_)), isinstance(self.estimator, FrozenEstimator)
        if counts.min() < 2 and not frozen and (self._by_margin or len(counts) == 2):
            alone = self.classes_[counts == 1].tolist()[0]
            raise ValueError(
                f"`y` must hold at least two samples of each class for this estimator. Got one of {alone!r}."
            )
        weight = checked_weights(sample_weight, target, self.classes_, every_class=not frozen)
        make_metric(self.metric, len(counts), self._prior(target), self._cost)
        return self._seed(), weight

    def _check_settings(self) -> None:
        if isinstance(self.estimator, type) or not hasattr(self.estimator, "fit"):
            raise TypeError(f"`estimator` must be an instance of a classifier, such as SVC(). Got {self.estimator!r}.")
        if not is_classifier(self.estimator):
            raise ValueError(f"`estimator` must be a classifier. Got {type(self.estimator).__name__}.")
        if isinstance(self.cv, numbers.Integral):
            check_integer("cv", cast("int", self.cv), minimum=2)
        elif isinstance(self.cv, str) or not (self.cv is None or hasattr(self.cv, "split") or np.iterable(self.cv)):
            raise TypeError(
                "`cv` must be a number of folds, a splitter such as GroupKFold(5), or pairs of indices. "
                f"Got {self.cv!r}."
            )
        self._seed()

    def _seed(self) -> int:
        state = self.random_state
        if isinstance(state, np.random.RandomState):
            return int(state.randint(2**31))
        if state is not None:
            check_integer("random_state", state, minimum=0)
        return int(state or 0)

    @property
    def _cost(self) -> np.ndarray | None:
        cost = by_label(self.cost)
        if isinstance(cost, Mapping):
            return costs_in_class_order(cost, self._names)
        return None if cost is None else as_float64("cost", cost)

    @property
    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_]

    @property
    def _by_margin(self) -> bool:
        return self._method == "decision_function"

    def predict(self, X: Any) -> np.ndarray:
        """The decisions, (N,) of `classes_`, by the scores that were examined: of `predict_proba`, if there is one."""
        scores = self._scores(X)
        return np.asarray(self.classes_[self.diagnosis_.fix.predict(scores)])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, (N, C), under the class prior of the metric."""
        scores = self._scores(X)
        return self.diagnosis_.fix.predict_proba(scores)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the probabilities, (N, C); -inf for a probability of 0."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def decision_function(self, X: Any) -> np.ndarray:
        """The scores whose largest is the decision, (N, C); for two classes their difference, (N,)."""
        raw = self._scores(X)
        scores = self.diagnosis_.fix(raw)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._logits(getattr(self.estimator_, self._method)(X))

    def _logits(self, scores: np.ndarray) -> np.ndarray:
        values = np.asarray(scores, dtype=np.float64)
        if not self._by_margin:
            return log_probabilities(values, self._floor)
        return np.stack([np.zeros(len(values)), values], axis=1) if values.ndim == 1 else values

    def _folds(
        self, X: Any, y: np.ndarray, groups: np.ndarray | None, target: np.ndarray, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of indices to fit on and to score: every sample is scored once, and no group is on both sides."""
        if isinstance(self.cv, numbers.Integral):
            fold = stratified_folds(target, int(self.cv), seed, groups)
            return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]
        splits = check_cv(self.cv, y, classifier=True).split(X, y, groups)
        folds = [(np.asarray(fitted_on), np.asarray(scored)) for fitted_on, scored in splits]
        if not folds:
            raise ValueError("`cv` must have at least one pair of indices. Got none.")
        if (np.bincount(np.concatenate([scored for _, scored in folds]), minlength=len(y)) != 1).any():
            raise ValueError("`cv` must score every sample exactly once. It does not: use a KFold, not a ShuffleSplit.")
        if any(np.isin(scored, fitted_on).any() for fitted_on, scored in folds):
            raise ValueError("`cv` must not score samples that it fits on. It does: the two parts of a pair overlap.")
        if groups is not None and any(np.isin(groups[scored], groups[fitted_on]).any() for fitted_on, scored in folds):
            raise ValueError("`cv` must not split groups. It does: use GroupKFold, or a number of folds.")
        return folds

    def _prior(self, target: np.ndarray) -> Any:
        if isinstance(self.prior, str) and self.prior == "train":
            return np.asarray(np.bincount(target, minlength=len(self.classes_)) / len(target))
        prior = by_label(self.prior)
        if isinstance(prior, Mapping):
            return in_class_order("prior", prior, self._names)
        return prior if isinstance(prior, str) or prior is None else as_float64("prior", prior)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return tags
