"""A network for classification: a backbone that gives features and a classifier on top of them."""

import torch
from torch import Tensor, nn

from longtail.models.cosine import CosineClassifier
from longtail.models.input_config import InputConfig
from longtail.models.weight_report import WeightReport

Classifier = nn.Linear | CosineClassifier


class Network(nn.Module):
    """A backbone and a classifier.

    Args:
        backbone: maps inputs to features (N, num_features), or to feature maps (N, num_features, H, W), which are
            averaged over their pixels.
        classifier: maps features to logits (N, C), any module; it computes in the dtype of its attribute `weight`, or
            of its first parameter where it has none.
        input_config: what the backbone expects its images to be.

    Attributes:
        weight_report: what was loaded from a file of weights, if `make_network` was given one.
        class_names: (C,) of the logits where they are known, as of the network of a run; else `None`.

    Shape:
        inputs, as the backbone takes them, to logits (N, C); `features` gives (N, num_features).

    Example:
        >>> import torch
        >>> backbone = nn.Conv2d(3, 8, kernel_size=3)
        >>> network = Network(backbone, nn.Linear(8, 5))
        >>> network.features(torch.zeros(2, 3, 16, 16)).shape, network(torch.zeros(2, 3, 16, 16)).shape
        (torch.Size([2, 8]), torch.Size([2, 5]))
    """

    classifier: nn.Module

    def __init__(self, backbone: nn.Module, classifier: nn.Module, input_config: InputConfig | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.input_config = input_config or InputConfig()
        self.weight_report: WeightReport | None = None
        self.class_names: tuple[str, ...] | None = None
        self.register_load_state_dict_pre_hook(_name_the_backbone)  # type: ignore[no-untyped-call]

    def features(self, inputs: Tensor) -> Tensor:
        """What the classifier sees: (N, num_features), in float32 even under autocast (float64 stays float64)."""
        features: Tensor = self.backbone(inputs)
        dtype = torch.promote_types(features.dtype, torch.float32)
        if features.dim() == 4:
            return features.mean((2, 3), dtype=dtype)
        return features.to(dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, C); the classifier ignores autocast, because 8 bits of mantissa are too few for a score."""
        features = self.features(inputs)
        with torch.autocast(inputs.device.type, enabled=False):
            logits: Tensor = self.classifier(features.to(like_of(self.classifier).dtype))
        return logits


def like_of(classifier: nn.Module) -> Tensor:
    """A tensor of the dtype and on the device that a classifier computes in."""
    weight = getattr(classifier, "weight", None)
    return weight if isinstance(weight, Tensor) else next(classifier.parameters())


def make_classifier(num_features: int, num_classes: int, cosine_scale: float | None = None) -> Classifier:
    """A linear classifier with bias, or a cosine classifier of the given scale."""
    if cosine_scale is None:
        return nn.Linear(num_features, num_classes)
    return CosineClassifier(num_features, num_classes, cosine_scale)


def _name_the_backbone(_network: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights that were kept before networks had a backbone, such as those of a `CifarResNet`, get its name."""
    kept = (f"{prefix}classifier.", f"{prefix}backbone.")
    for name in [name for name in state_dict if name.startswith(prefix) and not name.startswith(kept)]:
        state_dict[f"{prefix}backbone.{name.removeprefix(prefix)}"] = state_dict.pop(name)
