"""A trained network as a folder for other programs: weights, configuration and a README."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from longtail.export.fixed_network import fixed_network
from longtail.export.model_card import model_card
from longtail.export.run_model import RunModel
from longtail.export.timm_model import as_timm_model
from longtail.models import Network
from longtail.models.weight_files import read_weights
from longtail.plain_json import to_json
from longtail.runs.json_file import parsed
from longtail.training import TrainingConfig
from longtail.training.network import described, rebuilt_network
from longtail.whole_file import write_whole_folder

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
FORMAT = 1
TOLERANCE = 1e-4  # relative to the largest logit


def export_safetensors(model: RunModel, path: str | os.PathLike[str]) -> Path:
    """Write the network of a run as a folder: `model.safetensors`, `config.json` and `README.md`.

    A network with a backbone of timm and a linear classifier is written for timm:
    `timm.create_model("local-dir:PATH", pretrained=True)` loads it (timm 1.0.16 or newer). Any other is loaded by
    `load_model`. With a fix, temperature and offsets are in the classifier: its largest logit is the decision.

    Args:
        model: of the run, with the fix to fold in.
        path: of the folder, which must not exist.

    Returns:
        The path.

    Raises:
        FileExistsError: `path` exists.
        ValueError: the run is older than data.json, the classifier can't hold the fix, or the folder gives other logits
            when it is loaded; nothing is left then.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> folder = Path(tempfile.mkdtemp())
        >>> run = run_experiment(digits_lt(epochs=1), data=None, out=folder / "run")
        >>> written = export_safetensors(RunModel.open(run.path), folder / "model")
        >>> load_model(written)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    from safetensors.torch import save

    if model.info is None:
        raise ValueError(f"{model.folder.path} must hold data.json, which holds the class names. Train the run again.")
    network = _with_its_fix(model)
    as_timm = as_timm_model(network, model.info) if len(model.info.input_shape) == 3 else None
    weights = network.state_dict() if as_timm is None else as_timm.weights
    config = _own_config(model, network) if as_timm is None else {**as_timm.config, "longtail": {"format": FORMAT}}
    content = {
        WEIGHTS: save({name: tensor.contiguous().clone() for name, tensor in weights.items()}, {"format": "pt"}),
        CONFIG: (to_json(config, indent=1) + "\n").encode(),
        CARD: model_card(model, timm=as_timm is not None).encode(),
    }
    with write_whole_folder(path) as part:
        for name, text in content.items():
            (part / name).write_bytes(text)
        _check(part, network, model.info.input_shape)
    return Path(path)


def load_model(path: str | os.PathLike[str]) -> nn.Module:
    """The network that `export_safetensors` wrote, in `eval()`. Nothing in the folder is executed.

    Args:
        path: of the folder.

    Returns:
        A network from normalised images (N, C, H, W), or features (N, D), to logits. Of a model of timm, class names
        and preprocessing are in `pretrained_cfg`; of another, in `class_names` and `input_config`.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: not written by `export_safetensors` of this version, or damaged.

    Example:
        >>> import tempfile
        >>> load_model(tempfile.mkdtemp())  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FileNotFoundError: `path` must be a folder that export_safetensors wrote. ... is missing.
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        raise FileNotFoundError(f"`path` must be a folder that export_safetensors wrote. {path / CONFIG} is missing.")
    config = parsed((path / CONFIG).read_text(encoding="utf-8", errors="replace"))
    own = None if config is None else config.get("longtail")
    if config is None or not isinstance(own, dict) or own.get("format") != FORMAT:
        raise ValueError(f"`path` must be a folder that export_safetensors of this version wrote. Got {path}.")
    if "architecture" in config:
        import timm

        model: nn.Module = timm.create_model(f"local-dir:{path}", pretrained=True)
        return model.eval()
    if missing := [name for name in ("model", "network", "class_names") if name not in own]:
        raise ValueError(f"{path / CONFIG} is damaged: it must have `longtail.{missing[0]}`. Export the run again.")
    try:
        network = rebuilt_network(own["model"], own["network"], read_weights(path / WEIGHTS))
    except RuntimeError:
        raise ValueError(f"{path / WEIGHTS} must hold the weights of {own['model']}, as {CONFIG} says.") from None
    network.class_names = tuple(own["class_names"])
    return network


def _with_its_fix(model: RunModel) -> Network:
    if model.fix is None:
        return model.network
    fixed = fixed_network(model.network, model.fix)
    if not isinstance(fixed, Network):
        raise ValueError(
            f"The classifier of {model.folder.path} must be linear to hold the fix. It is a "
            f"{type(model.network.classifier).__name__}: export without the fix (--fix none) and serve it beside the "
            "model, or export ONNX, whose graph holds it."
        )
    return fixed


def _own_config(model: RunModel, network: Network) -> dict[str, Any]:
    """config.json for `load_model`: the network, its preprocessing and its class names."""
    info = model.info
    assert info is not None
    preprocessing = {key.removeprefix("longtail."): value for key, value in model.onnx_input.metadata().items()}
    of_network = {
        "model": TrainingConfig.model_of(model.folder.header["config"]),
        "network": described(network, info),
    }
    return {"longtail": {"format": FORMAT, **of_network, "class_names": info.class_names, **preprocessing}}


def _check(folder: Path, network: Network, shape: tuple[int, ...]) -> None:
    """Raise unless the folder loads as a network that gives the same logits."""
    inputs = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected: Tensor = network(inputs)
        found: Tensor = load_model(folder)(inputs)
    difference = float(np.abs(found.numpy() - expected.numpy()).max())
    if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
        raise ValueError(
            f"The folder must give the logits of the run when it is loaded. They differ by {difference:.3g}."
        )
