"""Contrastive learning beside the loss of a stage: projections of features, which the classes pull apart.

Each sample comes in three views: the first is classified, the others are projected by a perceptron, which is left out
of the network that is kept. The projections are contrasted

- "balanced" (BCL; Zhu et al., CVPR 2022): with each other and the centres of the classes, which another perceptron
  makes from the classifier weights. With several processes, or a divided batch, only within each part.
- "probabilistic" (ProCo; Du et al., TPAMI 2024): with the distributions of the classes, learnt from the projections.

Differences from the code of both: all views have the augmentation of the run, the classifier is that of the loss (they
have a cosine classifier, ProCo on the large data sets only), only the views that are contrasted are projected, and the
hidden layer of a perceptron is as wide as the features on CIFAR too (theirs has 512 units there).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longtail.data import Splits
from longtail.losses import ProbabilisticContrastiveLoss, balanced_contrastive_loss
from longtail.models import Network
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.stages import Stage
from longtail.training.views import EpochsOfViews

VIEWS = 3
WIDE = 1024
"""Width of projections of features that are at least as wide, as in the authors' code; of others it is `NARROW`."""
NARROW = 128


class Contrasted(NamedTuple):
    """The outputs of a `ContrastiveNetwork` in training.

    Attributes:
        logits: (N, C) of the first views.
        projections: (N, views − 1, D) of the others, of length 1.
        centres: (C, D) of the classes, of length 1; `None` where classes have distributions instead.
    """

    logits: Tensor
    projections: Tensor
    centres: Tensor | None


class ContrastiveNetwork(nn.Module):
    """The model of a stage with projections of features, and centres or distributions of the classes.

    Args:
        model: of the stage.
        network: within it, whose classifier has weights (C, D).
        config: has the kind of the contrastive loss, its weight and its temperature.
        class_counts: (C,) training samples of each class.
    """

    def __init__(self, model: nn.Module, network: Network, config: TrainingConfig, class_counts: Tensor) -> None:
        super().__init__()
        self.model = model
        self._network = [network]  # a part of `model`: not to be registered twice
        self.weight, self.temperature = config.contrastive, config.contrastive_temperature
        width = weights_of(network).shape[1]
        self.of_features = _projection(width)
        self.of_classes, self.distributions = None, None
        if config.contrastive_loss == "balanced":
            self.of_classes = _projection(width)
        else:
            self.distributions = ProbabilisticContrastiveLoss(
                class_counts, _width_of_projections(width), temperature=self.temperature
            )

    def forward(self, inputs: Tensor) -> Tensor | Contrasted:
        """Logits (N, C); of several views (N, views, …) what is contrasted, too."""
        if not self.training:
            return self._logits(inputs)
        if inputs.dim() < 5:  # some views are missing, and the others have no order
            return self._logits(inputs) + self._zero()
        network, weights = self._network[0], weights_of(self._network[0])
        features = network.features(inputs.flatten(0, 1))
        with torch.autocast(inputs.device.type, enabled=False):
            features = features.to(weights.dtype).view(*inputs.shape[:2], -1)
            projected = self.of_features(features[:, 1:].flatten(0, 1)).view(len(inputs), inputs.shape[1] - 1, -1)
            return Contrasted(
                network.classifier(features[:, 0]),
                F.normalize(projected, dim=-1),
                None if self.of_classes is None else F.normalize(self.of_classes(weights), dim=-1),
            )

    def loss(self, outputs: Contrasted, target: Tensor) -> Tensor:
        """The weighted mean contrastive loss of all contrasted views, to add to the loss of the logits.

        Args:
            outputs: of `forward`.
            target: (N,) class indices.
        """
        views, labels = outputs.projections.flatten(0, 1), target.repeat_interleave(outputs.projections.shape[1])
        if self.distributions is not None:
            losses = self.distributions(views, labels)
        else:
            assert outputs.centres is not None
            losses = balanced_contrastive_loss(views, labels, outputs.centres, temperature=self.temperature)
        mean: Tensor = self.weight * losses.mean()
        return mean

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins: distributions follow the last two."""
        if self.distributions is not None:
            self.distributions.set_epoch(epoch)

    def _logits(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(inputs)
        return logits

    def _zero(self) -> Tensor:
        """0, with a gradient for each parameter of the projections: with several processes DDP waits for all.

        Distributions get no views, since their sums are waited for, too.
        """
        zero = torch.stack([parameter.sum() for parameter in self.projection_parameters()]).sum() * 0
        if self.distributions is not None:
            views = zero.new_zeros(0, self.distributions.sums.shape[1])
            self.distributions(views, torch.zeros(0, dtype=torch.int64, device=views.device))
        return zero

    def projection_parameters(self) -> list[nn.Parameter]:
        """Those that are not part of the kept network."""
        of_classes = [] if self.of_classes is None else self.of_classes.parameters()
        return [*self.of_features.parameters(), *of_classes]


class ContrastiveStage:
    """A stage with contrastive learning beside its loss: the network that is kept is that of the stage.

    Args:
        stage: which trains a whole network on images.
        config: of the run.

    Raises:
        ValueError: features instead of images, a stage that keeps another network than it trains, or a classifier
            without weights (C, D).
    """

    def __init__(self, stage: Stage, config: TrainingConfig) -> None:
        if stage.splits.of_features:
            raise ValueError(
                "`contrastive` must be 0 for features, which are not augmented. "
                f"Got {config.contrastive}. Train on images."
            )
        self.stage = stage
        network = stage.finished()
        if not any(module is network for module in stage.model.modules()):
            raise ValueError(
                f'`contrastive` must be 0 for the stage "{config.stage}", whose model does not contain the network '
                f"that it keeps. Got {config.contrastive}."
            )
        counts = torch.as_tensor(stage.splits.class_counts)
        self.model = ContrastiveNetwork(stage.model, network, config, counts).to(weights_of(network).device)

    @property
    def splits(self) -> Splits:
        """Those of the stage."""
        return self.stage.splits

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Those of the stage, and one of the projections."""
        return [*self.stage.parameter_groups(), {"params": self.model.projection_parameters()}]

    def batches(self, default: Epochs) -> Epochs:
        """Those of the stage, in several views."""
        return EpochsOfViews(**vars(self.stage.batches(default)), views=VIEWS)

    def after_step(self) -> None:
        """Do what the stage does."""
        self.stage.after_step()

    def scored(self) -> nn.Module:
        """That of the stage."""
        return self.stage.scored()

    def finished(self) -> Network:
        """That of the stage."""
        return self.stage.finished()

    def provenance(self) -> dict[str, Any]:
        """Those of the stage."""
        return self.stage.provenance()


def weights_of(network: Network) -> Tensor:
    """The classifier weights (C, D).

    Raises:
        ValueError: it has none.
    """
    weights = getattr(network.classifier, "weight", None)
    if not isinstance(weights, Tensor) or weights.dim() != 2:
        raise ValueError(
            "`contrastive` must be 0 for a network whose classifier has no weights (C, D), which give the width of the "
            "features and the centres of balanced contrastive learning. "
            f"Got {type(network.classifier).__name__}. Pass --contrastive 0."
        )
    return weights


def _projection(width: int) -> nn.Sequential:
    """A layer of the same width, batch norm, and a layer to the space of the projections."""
    hidden = [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(width, _width_of_projections(width)))


def _width_of_projections(width: int) -> int:
    return WIDE if width >= WIDE else NARROW
