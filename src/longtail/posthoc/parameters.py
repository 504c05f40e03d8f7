"""Parameters of post-hoc methods as scikit-learn's `clone` and searches ask for them."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Self


class Parameters:
    """For a dataclass whose fields that `__init__` takes are its parameters."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` has nothing to add."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # of the subclass
        return {field.name: getattr(self, field.name) for field in fields if field.init}

    def copied_params(self) -> dict[str, Any]:
        """The parameters as they are now, arrays and tensors as lists: who changes one later changes no copy."""
        return {name: _copied(value) for name, value in self.get_params().items()}

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator; called by scikit-learn alone, which need not be installed."""
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=True))

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; raises `ValueError` for one that does not exist."""
        for name, value in parameters.items():
            if name not in self.get_params():
                raise ValueError(f"`{name}` must be one of {', '.join(self.get_params())}.")
            setattr(self, name, value)
        return self


def _copied(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
