"""The network of a run: as its configuration says, and as its folder has it."""

from longtail.losses.catalogue import cosine_scale
from longtail.models import CifarResNet, NearestMeans
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig, parse_arguments


def make_network(config: TrainingConfig, num_classes: int, channels: int) -> CifarResNet:
    """A new network, with the classifier that the loss needs."""
    scale = cosine_scale(config.loss, parse_arguments(config.loss_arguments))
    return CifarResNet(config.depth, num_classes, scale, channels)


def trained_network(folder: RunFolder) -> CifarResNet:
    """The network of a complete run, on the CPU, in `eval()`.

    Args:
        folder: of a first or a second stage.

    Returns:
        Images (N, C, H, W), normalised as the run's configuration says, to logits.

    Raises:
        ValueError: the run is not complete, or of another kind.

    Example:
        >>> import tempfile, torch
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> folder = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> trained_network(folder)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    if folder.result is None:
        raise ValueError(f"`folder` must be a complete run. Got {folder.path}, which has no result yet. Resume it.")
    weights = folder.load_weights()["model"]
    try:
        depth, channels = folder.header["config"]["depth"], weights["conv.weight"].shape[1]
        number, scale = len(weights["classifier.weight"]), weights.get("classifier.scale")
    except (KeyError, TypeError):
        raise ValueError(f"`folder` must be a training run. Got {folder.path}, which is of another kind.") from None
    network = CifarResNet(depth, number, None if scale is None else float(scale), channels)
    if "classifier.centre" in weights:
        network.classifier = NearestMeans(weights["classifier.centre"], weights["classifier.weight"])
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise ValueError(
            f"{folder.path / 'weights.pt'} must hold a ResNet-{depth}, as run.json says. It does not."
        ) from None
    return network.eval()
