"""A fix as Python: with the standard library alone, with numpy, and around a classifier of scikit-learn."""

from longtail.export.fix_constants import Constant, decision_kind, fix_constants
from longtail.export.source_text import heading, wrapped
from longtail.repair import Fix

PURE_LOGITS = {
    "logits": """

def _logits(scores):
    logits = [float(score) for score in _in_order(scores)]
    if len(logits) != len(CLASSES) or not all(z < math.inf for z in logits) or max(logits) == -math.inf:
        raise ValueError(f"scores must be {len(CLASSES)} logits, finite or -inf for masked classes")
    return logits
""",
    "probabilities": """

def _logits(scores):
    probabilities = [float(score) for score in _in_order(scores)]
    if len(probabilities) != len(CLASSES) or not all(p >= 0 for p in probabilities):
        raise ValueError(f"scores must be {len(CLASSES)} probabilities")
    total = sum(probabilities)
    if not abs(total - 1) < EXACT:
        if not abs(total - 1) <= _tolerance(probabilities):
            raise ValueError("scores must be probabilities that sum to 1")
        probabilities = [p / total for p in probabilities]
    return [math.log(max(p, FLOOR)) for p in probabilities]


def _tolerance(probabilities):
    # how far from 1 the sum may be because the numbers were rounded
    for decimals, tolerance in enumerate(ROUNDED, start=1):
        scaled = [p * 10**decimals for p in probabilities]
        if all(abs(s - round(s)) < NEAR * 10**decimals for s in scaled):
            return tolerance
    return HALF_PRECISION
""",
}
PURE_DECISION = {
    "offset": '''

def predict(scores):
    """The name of the class."""
    corrected = [z + o for z, o in zip(_logits(scores), OFFSET)]
    return CLASSES[corrected.index(max(corrected))]
''',
    "cost": '''

def predict(scores):
    """The name of the class of the least expected cost."""
    probabilities = predict_proba(scores).values()
    expected = [sum(p * c for p, c in zip(probabilities, costs)) for costs in zip(*COST)]
    return CLASSES[expected.index(min(expected))]
''',
}
PURE_PROBABILITIES = '''

def predict_proba(scores):
    """The probability of each class, {name: probability}."""
    logits = _logits(scores)
    highest = max(logits)
    scaled = [(z - highest) / TEMPERATURE + o for z, o in zip(logits, PROBABILITY_OFFSET)]
    highest = max(scaled)
    powers = [math.exp(s - highest) for s in scaled]
    total = sum(powers)
    return {name: power / total for name, power in zip(CLASSES, powers)}
'''
PURE_ORDER = """

def _in_order(scores):
    # {name: score}, or a row of a pandas table, goes by its names
    return [scores[name] for name in CLASSES] if hasattr(scores, "keys") else scores
"""

NUMPY_LOGITS = {
    "logits": """

def _logits(scores):
    logits = np.asarray(_in_order(scores), dtype=np.float64)
    if logits.shape[-1] != len(CLASSES) or not (logits < np.inf).all() or (logits.max(-1) == -np.inf).any():
        raise ValueError(f"scores must be logits (N, {len(CLASSES)}), finite or -inf for masked classes")
    return logits
""",
    "probabilities": """

def _logits(scores):
    probabilities = np.asarray(_in_order(scores), dtype=np.float64)
    if probabilities.shape[-1] != len(CLASSES) or not (probabilities >= 0).all():
        raise ValueError(f"scores must be probabilities (N, {len(CLASSES)})")
    total = probabilities.sum(-1, keepdims=True)
    off = abs(total - 1)
    if not ((off < EXACT) | (off <= _tolerance(probabilities))).all():
        raise ValueError("scores must be probabilities whose rows sum to 1")
    return np.log(np.maximum(np.where(off < EXACT, probabilities, probabilities / total), FLOOR))


def _tolerance(probabilities):
    # (N, 1), how far from 1 the sum of each row may be because its numbers were rounded
    tolerance = np.full_like(probabilities[..., :1], HALF_PRECISION)
    for decimals in range(len(ROUNDED), 0, -1):
        scaled = probabilities * 10**decimals
        rounded = (abs(scaled - scaled.round()) < NEAR * 10**decimals).all(-1, keepdims=True)
        tolerance = np.where(rounded, ROUNDED[decimals - 1], tolerance)
    return tolerance
""",
}
NUMPY_DECISION = {
    "offset": '''

def predict_index(scores):
    """The place of each decision in CLASSES, (N,)."""
    return (_logits(scores) + OFFSET).argmax(-1)
''',
    "cost": '''

def predict_index(scores):
    """The place of each decision in CLASSES, (N,): the class of the least expected cost."""
    return (predict_proba(scores) @ COST).argmin(-1)
''',
}
NUMPY_PREDICTIONS = '''

def predict(scores):
    """The name of each class, (N,)."""
    return CLASSES[predict_index(scores)]


def predict_proba(scores):
    """The probabilities, (N, C)."""
    logits = _logits(scores)
    scaled = (logits - logits.max(-1, keepdims=True)) / TEMPERATURE + PROBABILITY_OFFSET
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
'''
NUMPY_ORDER = """

def _in_order(scores):
    # a pandas table goes by the names of its columns
    return scores[list(CLASSES)] if hasattr(scores, "columns") or hasattr(scores, "keys") else scores
"""
SKLEARN_CLASSIFIER = '''

class FixedClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier, with the fix applied to what its method `scores` gives."""

    def __init__(self, classifier, scores="$METHOD"):
        self.classifier = classifier
        self.scores = scores

    def fit(self, X, y=None):
        """Do nothing: classifier and fix are fitted already."""
        return self

    @property
    def classes_(self):
        return self.classifier.classes_

    def predict(self, X):
        own = {str(label): label for label in self.classes_}
        return np.array([own[name] for name in predict(self._scores(X))], dtype=self.classes_.dtype)

    def predict_proba(self, X):
        return predict_proba(self._scores(X))[:, [_PLACE[str(label)] for label in self.classes_]]

    def _scores(self, X):
        """The scores of the classifier, with the columns in the order of CLASSES."""
        names = [str(label) for label in self.classes_]
        if sorted(names) != sorted(CLASSES):
            raise ValueError(f"the classifier must have the classes of the fix. Got {names}.")
        if not hasattr(self.classifier, self.scores):
            raise ValueError(f"the classifier has no {self.scores}; name another method as `scores`")
        scores = np.asarray(getattr(self.classifier, self.scores)(X), dtype=np.float64)
        if scores.ndim == 1:  # of two classes: one score, for the second
            scores = np.column_stack([np.zeros_like(scores), scores])
        return scores[:, [names.index(name) for name in CLASSES]]

    def __sklearn_is_fitted__(self):
        return True


_PLACE = {name: place for place, name in enumerate(CLASSES)}
'''


def python_code(fix: Fix, source: str) -> str:
    """Functions for one sample, with the standard library alone."""
    about = (
        "predict(scores) and predict_proba(scores) take the scores of one sample, in the order of CLASSES or as "
        "{name: score}."
    )
    return "".join(
        [
            heading(fix, source, "#", about),
            "import math\n\n",
            _constants(fix, "{}"),
            PURE_DECISION[decision_kind(fix)],
            PURE_PROBABILITIES,
            PURE_LOGITS[fix.takes],
            PURE_ORDER,
        ]
    )


def numpy_code(fix: Fix, source: str) -> str:
    """Functions for arrays (N, C)."""
    about = (
        "predict, predict_index and predict_proba take arrays (N, C), with the columns in the order of CLASSES, or "
        "tables of pandas, by the names of their columns."
    )
    return heading(fix, source, "#", about) + "import numpy as np\n\n" + _numpy_functions(fix)


def sklearn_code(fix: Fix, source: str) -> str:
    """A scikit-learn classifier that wraps a fitted one."""
    about = "FixedClassifier(classifier) wraps a fitted classifier; its columns are matched to CLASSES by name."
    method = "predict_proba" if fix.takes == "probabilities" else "decision_function"
    imports = "import numpy as np\nfrom sklearn.base import BaseEstimator, ClassifierMixin\n\n"
    classifier = SKLEARN_CLASSIFIER.replace("$METHOD", method)
    return heading(fix, source, "#", about) + imports + _numpy_functions(fix) + classifier


def _numpy_functions(fix: Fix) -> str:
    constants = _constants(fix, "np.array({})", "np.array({}, dtype=object)")
    return constants + NUMPY_DECISION[decision_kind(fix)] + NUMPY_PREDICTIONS + NUMPY_LOGITS[fix.takes] + NUMPY_ORDER


def _constants(fix: Fix, array: str, names: str = "{}") -> str:
    """The constants of the fix; `array` and `names` are formats of arrays of numbers and of the class names."""
    return "".join(
        _line(constant, names if constant.name == "CLASSES" else array) for constant in fix_constants(fix, repr)
    )


def _line(constant: Constant, array: str) -> str:
    value = constant.value
    text = value if isinstance(value, str) else array.format(f"[\n{wrapped(value)}\n]")
    return f"{constant.name} = {text}" + (f"  # {constant.comment}" if constant.comment else "") + "\n"
