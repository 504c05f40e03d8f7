"""`longtail export RUN --onnx FILE`."""

from pathlib import Path

import tyro

from longtail.cli.console import say
from longtail.data import DataConfig
from longtail.data.built_in import SIDES
from longtail.runs import RunFolder


def export(run: tyro.conf.Positional[Path], *, onnx: Path, fix: Path | None = None) -> None:
    """Write the network of a complete run as an ONNX file that takes images as bytes, and try it before it is kept.

    Args:
        run: Folder of the run.
        onnx: The file to write; it must not exist.
        fix: A fix.json of longtail fix, whose offsets and temperature go into the last layer.
    """
    from longtail.export import export_onnx
    from longtail.repair import Fix
    from longtail.training.network import trained_network
    from longtail.training.second_stage import stored_config

    if onnx.exists():
        raise FileExistsError(f"--onnx must not exist yet. Got {onnx}.")
    if not onnx.parent.is_dir():
        raise FileNotFoundError(f"--onnx must be in a folder that exists. Got {onnx}.")
    folder = RunFolder.open(run)
    network, config = trained_network(folder), stored_config(folder)
    if folder.data and len(folder.data["input_shape"]) == 1:
        raise ValueError(f"`run` must be a run on images to be exported. {run} was trained on features.")
    shape = tuple(folder.data["input_shape"]) if folder.data else _shape_of_an_older_run(config)
    export_onnx(
        network,
        onnx,
        image_shape=shape,
        mean=config.mean,
        std=config.std,
        fix=None if fix is None else Fix.load(fix),
    )
    say(f"onnx: {onnx}, images uint8 (N, {', '.join(map(str, shape))}) to logits, the same as PyTorch's")


def _shape_of_an_older_run(config: DataConfig) -> tuple[int, int, int]:
    """Of a run that was kept before run folders told."""
    side = SIDES[config.dataset] // config.shrink
    return len(config.mean), side, side
