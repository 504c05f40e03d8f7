"""`longtail features DATA`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.output_file import check_new, check_room
from longtail.default_backbone import DEFAULT_BACKBONE
from longtail.whole_file import write_whole


def features(
    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    *,
    out: Path,
    model: str = DEFAULT_BACKBONE,
    weights: Path | None = None,
    pretrained: bool | None = None,
    size: int | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    root: Path | None = None,
    label: str | None = None,
    path_column: str | None = None,
    on_bad_file: Literal["fail", "skip"] = "fail",
    force: bool = False,
) -> None:
    """Extract features of your images with a pretrained network, for any other tool.

    Args:
        data: A folder of class folders, a list or a table of paths, Parquet files, tar files or arrays of images.
        out: The .npz file to write: features (N, D) float32, labels, and the paths of images in files.
        model: The network: a model of timm, resnet8-cifar to resnet56-cifar, or package.module:function.
        weights: A file of weights (.safetensors, .pt).
        pretrained: The weights that timm has for the model; by default where no other weights are given.
        size: Height and width of the images in pixels; by default those of the network.
        mean: Subtracted from the channels, which lie in [0, 1]; by default as the network has it.
        std: What the channels are then divided by; by default as the network has it.
        root: Folder that the paths of a list or table are relative to.
        label: Column of the labels of a table, or name of the array.
        path_column: Column of the paths of a table.
        on_bad_file: fail, or skip to leave out files that can not be decoded.
        force: Replace a file that exists.
    """
    import numpy as np

    from longtail.auto import extract_features
    from longtail.cli.passes import Passes
    from longtail.started_processes import first_process

    if out.suffix != ".npz":
        raise ValueError(f"--out must end in .npz. Got {out}.")
    check_new("--out", out, force=force, inputs=[data])
    first = first_process()
    with Passes(counted=False) as passes:
        arrays = extract_features(
            data,
            model=model,
            weights=weights,
            pretrained=pretrained,
            size=size,
            mean=mean,
            std=std,
            root=root,
            label=label,
            path_column=path_column,
            on_bad_file=on_bad_file,
            on_size=partial(check_room, "--out", out),
            on_note=partial(say, error=True),
            progress=passes if first else None,
            everywhere=False,
        )
    if not first:
        return
    with write_whole(out) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    say(f"features {arrays['features'].shape} of {model}: {out}")
